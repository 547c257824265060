"""From images to noise and back: paths, targets, noise levels, guidance, samplers."""

from .editing import edit, inpaint
from .exact import ExactDenoiser, LinearDenoiser
from .guidance import Denoiser, Prediction, guide
from .loss import diffusion_loss, variance_term
from .mixture import GaussianMixture
from .objectives import OBJECTIVES, convert, target, to_x0_eps
from .original import Original
from .paths import PATHS, Path, expand
from .samplers import SAMPLERS, velocity
from .sampling import (
    Walk,
    sample,
    start_time,
    to_images,
    to_model_units,
    trajectory,
    walk,
)
from .times import TIMES, draw_times, time_grid
from .walks import Walks, walks

__all__ = [
    "OBJECTIVES", "PATHS", "SAMPLERS", "TIMES", "Denoiser", "ExactDenoiser",
    "GaussianMixture", "LinearDenoiser", "Original", "Path", "Prediction", "Walk",
    "Walks", "convert", "diffusion_loss", "draw_times", "edit", "expand", "guide",
    "inpaint", "sample", "start_time", "target", "time_grid", "to_images",
    "to_model_units", "to_x0_eps", "trajectory", "variance_term", "velocity", "walk",
    "walks",
]  # fmt: skip
