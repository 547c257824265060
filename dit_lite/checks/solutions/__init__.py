"""The solutions of the exercises: run by every build, and shown closed."""

from . import chapter01, chapter02, chapter03, chapter09
from .solution import SOLUTIONS, solution

__all__ = ["SOLUTIONS", "chapter01", "chapter02", "chapter03", "chapter09", "solution"]
