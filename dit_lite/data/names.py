"""Names of classes as they are found on disk."""

from __future__ import annotations

from ..config.names import fault_of
from .dataset import DataError


def printable(name: str, where: str) -> str:
    """The name itself; raises DataError, saying `where` it stands, for one that cannot
    be printed.
    """
    if fault := fault_of(name):
        raise DataError(f"{where[:200]!r} has a name with {fault}; rename it")
    return name
