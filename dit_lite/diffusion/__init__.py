"""From images to noise and back: paths, targets, noise levels, guidance, samplers."""

from .editing import edit, inpaint
from .exact import ExactDenoiser, LinearDenoiser
from .guidance import Denoiser, Prediction, guide, guide_each
from .init_images import InitImages
from .loss import diffusion_loss, variance_term
from .mixture import GaussianMixture
from .objectives import OBJECTIVES, convert, target, to_x0_eps
from .paths import PATHS, Path, expand
from .samplers import SAMPLERS, velocity
from .sampling import Trajectory, record_trajectory, sample, start_time, trajectory
from .times import SPACINGS, TIMES, draw_times, time_grid
from .trajectory_grid import TrajectoryGrid, trajectory_grid
from .units import to_images, to_model_units

__all__ = [
    "OBJECTIVES", "PATHS", "SAMPLERS", "SPACINGS", "TIMES", "Denoiser", "ExactDenoiser",
    "GaussianMixture", "InitImages", "LinearDenoiser", "Path", "Prediction",
    "Trajectory", "TrajectoryGrid", "convert", "diffusion_loss", "draw_times",
    "edit", "expand", "guide", "guide_each", "inpaint", "record_trajectory",
    "sample", "start_time", "target", "time_grid", "to_images", "to_model_units",
    "to_x0_eps", "trajectory", "trajectory_grid", "variance_term", "velocity",
]  # fmt: skip
