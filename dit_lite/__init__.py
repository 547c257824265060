"""dit_lite: Diffusion Transformers small enough to read, real enough to train. The
package under the book DiT-lite.
"""

from .analysis import flops
from .config import ConfigError, DiTConfig, TrainConfig, preset
from .diffusion import sample
from .model import DiT, load_official, record_attention
from .training import load, train

__version__ = "0.1.0"
__all__ = [
    "ConfigError",
    "DiT",
    "DiTConfig",
    "TrainConfig",
    "flops",
    "load",
    "load_official",
    "preset",
    "record_attention",
    "sample",
    "train",
]
