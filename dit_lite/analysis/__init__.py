"""Numbers that say what a network does, and what it costs."""

from .attention_stats import effective_support, entropy, mean_distance
from .counting import Counted, count_macs, median_seconds
from .flops import Cost, Costs, flops
from .gradients import GROUPS, gradient_table, group_norms
from .influence import influence
from .memory import saved_bytes
from .modulations import hold_at_zero, not_told, vectors
from .patch_borders import border_roughness
from .probes import read_class, read_number
from .search import Match, match, matched, search
from .timed import Timed
from .training_cost import cost_formulas, training_cost
from .trends import SHAPES, Fit, fit_shape, rank_correlation, slope
from .zero_init import READINGS, initial_branches, set_modulation

__all__ = [
    "GROUPS", "READINGS", "SHAPES", "Cost", "Costs", "Counted", "Fit", "Match",
    "Timed", "border_roughness", "cost_formulas", "count_macs", "effective_support",
    "entropy", "fit_shape", "flops",
    "gradient_table", "group_norms", "hold_at_zero", "influence", "initial_branches",
    "match", "matched", "mean_distance", "median_seconds",
    "not_told", "rank_correlation", "read_class", "read_number", "saved_bytes",
    "search", "set_modulation", "slope", "training_cost", "vectors",
]  # fmt: skip
