"""Real processes for a test, by their short name."""

from dit_lite.distributed.processes import RankError, run

__all__ = ["RankError", "run"]
