"""What makes the book check itself: exercises, and claims of the source text."""

from . import chapter01, chapter02, chapter03, chapter09
from .claims import ClaimError, claim, claims, holds
from .exercise import CHECKS, CheckFailed, check

__all__ = [
    "CHECKS",
    "CheckFailed",
    "ClaimError",
    "chapter01",
    "chapter02",
    "chapter03",
    "chapter09",
    "check",
    "claim",
    "claims",
    "holds",
]
