"""A progress bar for cells that take a while."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm.auto import tqdm

from ..files.environment import page_is_built

T = TypeVar("T")


def progress(items: Iterable[T], what: str) -> Iterable[T]:
    """Iterate over `items` with a progress bar labelled `what`; without a bar while a
    static page is built, which could only keep its last state.
    """
    return tqdm(items, desc=what, leave=False, disable=page_is_built())
