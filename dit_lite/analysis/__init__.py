"""Numbers that say what a network does."""

from .attention_stats import effective_support, entropy, mean_distance
from .seams import border_roughness

__all__ = ["border_roughness", "effective_support", "entropy", "mean_distance"]
