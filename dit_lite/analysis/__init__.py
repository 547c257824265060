"""Measurements of what a network does, and of what it costs."""

from .attention_stats import entropy, mean_distance
from .best_answer import ExactVelocity, velocity_loss
from .chance import agree_by_chance, partial_by_chance
from .coordinates import Coordinates, coordinate_check
from .cost_matching import MatchedModel, match_cost
from .cost_table import cost_formulas
from .counting import Counted, count_macs, thread_seconds
from .flops import Cost, Costs, flops
from .gradients import GROUPS, gradient_table, group_norms
from .heads import (
    drop_heads,
    head_divergence,
    head_importance,
    head_specificity,
    without_heads,
)
from .influence import influence
from .information import mutual_information
from .label_schedule import LabelSchedule
from .linear_codes import energy_lost
from .memory import saved_bytes
from .modulations import hold_at_null, hold_at_zero, modulation_vectors
from .patch_borders import border_roughness
from .probes import read_class, read_number
from .scaling_laws import (
    ScalingError,
    ScalingLaw,
    ScalingWarning,
    fit_scaling_law,
    model_size,
)
from .training_cost import training_cost
from .trends import SHAPES, Fit, fit_shape, rank_correlation, slope
from .word_maps import (
    attention_maps,
    contribution_maps,
    effect_maps,
    localisation,
    overlap,
    patch_masks,
)
from .words import change_words, other_words
from .zero_init import READINGS, initial_branches, set_modulation

__all__ = [
    "GROUPS", "READINGS", "SHAPES", "Coordinates", "Cost", "Costs", "Counted",
    "ExactVelocity", "Fit", "LabelSchedule", "MatchedModel", "ScalingError",
    "ScalingLaw", "ScalingWarning", "agree_by_chance", "attention_maps",
    "border_roughness", "change_words", "contribution_maps", "coordinate_check",
    "cost_formulas", "count_macs", "drop_heads", "effect_maps", "energy_lost",
    "entropy", "fit_scaling_law", "fit_shape", "flops", "gradient_table", "group_norms",
    "head_divergence", "head_importance", "head_specificity", "hold_at_null",
    "hold_at_zero", "influence", "initial_branches", "localisation",
    "match_cost", "mean_distance", "model_size",
    "modulation_vectors", "mutual_information", "other_words", "overlap",
    "partial_by_chance", "patch_masks", "rank_correlation", "read_class", "read_number",
    "saved_bytes", "set_modulation", "slope", "thread_seconds", "training_cost",
    "velocity_loss", "without_heads",
]  # fmt: skip
