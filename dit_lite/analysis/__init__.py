"""Numbers that say what a network does."""

from .attention_stats import effective_support, entropy, mean_distance

__all__ = ["effective_support", "entropy", "mean_distance"]
