"""How the loss depends on size and data: laws fitted to runs, and what they predict."""

from .isoflop import IsoFLOP, isoflop, parabola_bias
from .law import Curve, Optimum, Range, ScalingLaw, fit_scaling_law
from .points import ScalingError, ScalingWarning
from .sizes import COUNTS, flops_per_image, model_size

__all__ = [
    "COUNTS", "Curve", "IsoFLOP", "Optimum", "Range", "ScalingError",
    "ScalingLaw", "ScalingWarning", "fit_scaling_law", "flops_per_image",
    "isoflop", "model_size", "parabola_bias",
]  # fmt: skip
