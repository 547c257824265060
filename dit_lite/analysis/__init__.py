"""Numbers that say what a network does, and what it costs."""

from .attention_stats import effective_support, entropy, mean_distance
from .counting import Counted, count_macs, median_seconds
from .flops import Cost, Costs, flops
from .memory import saved_bytes
from .seams import border_roughness
from .search import Match, match, matched, search

__all__ = [
    "Cost", "Costs", "Counted", "Match", "border_roughness", "count_macs", "effective_support", "entropy", "flops", "match", "matched", "mean_distance",
    "median_seconds", "saved_bytes", "search",
]  # fmt: skip
