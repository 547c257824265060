"""How the book checks itself: exercises with their solutions, claims of the source
text, and the book's own statements. Each chapter's exercises are one file; every
chapterNN.py here is found automatically.
"""

import importlib
import pkgutil

from .claims import ClaimError, claim, claims, holds
from .exercise import CHECKS, CheckFailed, check, verify
from .solutions import SOLUTIONS, solution
from .statements import StatementError, statements

for module in pkgutil.iter_modules(__path__):
    if module.name.startswith("chapter"):
        importlib.import_module(f".{module.name}", __name__)

__all__ = [
    "CHECKS",
    "SOLUTIONS",
    "CheckFailed",
    "ClaimError",
    "StatementError",
    "check",
    "claim",
    "claims",
    "holds",
    "solution",
    "statements",
    "verify",
]
