"""How the loss depends on size and data: laws fitted to runs, and what they predict."""

from .envelope import Envelope, envelope
from .held_out import HeldOut, predict_held_out
from .isoflop import IsoFLOP, isoflop, parabola_bias
from .law import Curve, Optimum, Range, ScalingLaw, fit_scaling_law
from .points import ScalingError, ScalingWarning
from .sizes import COUNTS, flops_per_image, model_size

__all__ = [
    "COUNTS", "Curve", "Envelope", "HeldOut", "IsoFLOP", "Optimum", "Range",
    "ScalingError", "ScalingLaw", "ScalingWarning", "envelope", "fit_scaling_law",
    "flops_per_image", "isoflop", "model_size", "parabola_bias", "predict_held_out",
]  # fmt: skip
