"""dit_lite: Diffusion Transformers small enough to read, real enough to train. The
package under the book DiT-lite.
"""

import importlib
import importlib.util
import typing

if typing.TYPE_CHECKING:
    from .analysis import fit_scaling_law, flops
    from .config import ConfigError, DiTConfig, TrainConfig, preset
    from .diffusion import sample
    from .model import DiT, load_official, record_attention
    from .training import load, train

__version__ = "0.1.0"
#: Public name -> the room that it comes from. A room is imported when a name of it is
#: first asked for: `python -m dit_lite --help` need not wait for torch.
_ROOM_OF = {
    "ConfigError": "config",
    "DiT": "model",
    "DiTConfig": "config",
    "TrainConfig": "config",
    "fit_scaling_law": "analysis",
    "flops": "analysis",
    "load": "training",
    "load_official": "model",
    "preset": "config",
    "record_attention": "model",
    "sample": "diffusion",
    "train": "training",
}
__all__ = [
    "ConfigError", "DiT", "DiTConfig", "TrainConfig", "fit_scaling_law", "flops",
    "load", "load_official", "preset", "record_attention", "sample", "train",
]  # fmt: skip


def __getattr__(name: str):
    if name in _ROOM_OF:
        value = getattr(importlib.import_module(f".{_ROOM_OF[name]}", __name__), name)
        globals()[name] = value
        return value
    if not name.startswith("_") and importlib.util.find_spec(f"{__name__}.{name}"):
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
