"""What makes the book check itself: exercises with their solutions, and claims of the
source text.
"""

from . import chapter01, chapter02, chapter03, chapter09
from .claims import ClaimError, claim, claims, holds
from .exercise import CHECKS, CheckFailed, check, verify
from .solutions import SOLUTIONS, solution
from .statements import StatementError, statements

__all__ = [
    "CHECKS",
    "SOLUTIONS",
    "CheckFailed",
    "ClaimError",
    "StatementError",
    "chapter01",
    "chapter02",
    "chapter03",
    "chapter09",
    "check",
    "claim",
    "claims",
    "holds",
    "solution",
    "statements",
    "verify",
]
