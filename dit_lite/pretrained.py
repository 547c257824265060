"""Models on disk: config.json and model.safetensors, written to a temporary name and
renamed. Nothing is unpickled.

The models themselves are not known here: `Pretrained` gives any module with a `config`
the two methods that write and read it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn

from .config import ConfigError, DiTConfig
from .resources import resource

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or written; the message names the file and
    the way out.
    """


class Origin(NamedTuple):
    """Where weights come from: the data set (a name, or the path of a folder),
    images seen in training, decay of the averaged weights, a step, and how many
    steps were made, where the weights say it.
    """

    data: str
    images_seen: int
    ema_decay: float
    steps: int | None = None


def write(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole or not at all; raises CheckpointError when the
    disk refuses, and leaves what was there.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        kept = (
            "the file written before is untouched"
            if path.exists()
            else "nothing was left behind"
        )
        raise CheckpointError(
            f"cannot write {path}: {error.strerror or error}; {kept}; make room "
            "or choose another directory"
        ) from None


def write_tensors(
    path: Path, tensors: dict[str, Tensor], about: dict[str, str] | None = None
) -> None:
    """Tensors and short notes as one safetensors file."""
    write(
        path,
        serialise(
            {
                name: value.detach().cpu().contiguous()
                for name, value in tensors.items()
            },
            metadata={"format": "pt"} | (about or {}),
        ),
    )


def read_tensors(
    path: Path, device: str = "cpu"
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and notes of a safetensors file; raises FileNotFoundError, or
    CheckpointError when it is truncated or of another kind.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing; is {path.parent} the directory of a run or a model?"
        )
    try:
        with safe_open(path, framework="pt", device=device) as file:
            names = file.keys()
            return {n: file.get_tensor(n) for n in names}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is truncated or not a safetensors file ({error}); use "
            "another copy, or save it again"
        ) from None


class Pretrained:
    """For a module with a DiTConfig as `config`: how it is written and read."""

    #: How its weights lie in a file, and what brings those of another file there.
    layout: str
    upgrade: Callable[[Mapping[str, Tensor], int, str | None], dict[str, Tensor]]

    def save_pretrained(self, directory: str | Path) -> None:
        """Write config.json and model.safetensors into `directory`, each whole or
        not at all.
        """
        save_model(self, directory)

    @classmethod
    def from_pretrained(cls, name_or_directory: str | Path) -> Self:
        """The model that `save_pretrained` wrote, in eval mode: of a directory, or of
        the name of a model that ships with dit_lite ("digits").

        Raises FileNotFoundError when there is none, CheckpointError (a ValueError) when
        its files are truncated, foreign, or disagree.
        """
        directory = directory_of(name_or_directory)
        config = read_config(directory, str(name_or_directory))
        path = directory / WEIGHTS
        weights, about = read_tensors(path)
        # on the CPU, whose generator is left as it was; that of a GPU is not touched
        with torch.random.fork_rng(devices=[]):
            model = cls(config)
        check_weights(model, weights, path)
        model.load_state_dict(upgraded(model, weights, about, path))
        return model.eval()


def upgraded(
    model: Pretrained, tensors: dict[str, Tensor], about: dict[str, str], path: Path
) -> dict[str, Tensor]:
    """The tensors of a file of `model`, weights or training state, in its layout;
    raises CheckpointError for a file of a later version.
    """
    try:
        return model.upgrade(tensors, model.config.heads, about.get("layout"))
    except (ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None


def save_model(
    model: Pretrained, directory: str | Path, origin: Origin | None = None
) -> None:
    """Write config.json and model.safetensors into `directory`. The weights go first,
    so that a config never stands without them.

    `origin` travels with the weights; `origin_of` reads it.
    """
    directory = Path(directory)
    write_tensors(
        directory / WEIGHTS,
        model.state_dict(),
        {"layout": model.layout}
        | ({"origin": json.dumps(origin._asdict())} if origin else {}),
    )
    write(
        directory / CONFIG,
        (json.dumps(model.config.to_dict(), indent=2) + "\n").encode(),
    )


def shipped() -> list[str]:
    """Names of the models that come with dit_lite."""
    place = resource("data/checkpoints")
    return (
        sorted(d.name for d in place.iterdir() if (d / WEIGHTS).exists())
        if place.is_dir()
        else []
    )


def directory_of(name_or_directory: str | Path) -> Path:
    """The directory of a shipped model, or the one given."""
    shipped_at = resource("data/checkpoints") / str(name_or_directory)
    return (
        shipped_at
        if str(name_or_directory) in shipped()
        else Path(name_or_directory).expanduser()
    )


def origin_of(name_or_directory: str | Path) -> Origin | None:
    """What the weights of a model say of their training, None when they do not say
    it in words of this version. Errors as in `load`.
    """
    _, about = read_tensors(directory_of(name_or_directory) / WEIGHTS)
    try:
        return Origin(**json.loads(about.get("origin", "{}")))
    except (ValueError, TypeError):
        return None


def read_config(directory: Path, asked: str) -> DiTConfig:
    """What config.json of a directory says; `asked` is what the caller asked for.
    Errors as in `Pretrained.from_pretrained`.
    """
    config_at = directory / CONFIG
    if not directory.is_dir() or not config_at.exists():
        what = (
            f"{config_at} is missing"
            if directory.is_dir()
            else f"there is no directory {directory}"
        )
        raise FileNotFoundError(
            f"no model {asked!r}: {what}; shipped models: "
            f"{', '.join(shipped()) or 'none'}"
        )
    try:
        values = json.loads(config_at.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{config_at} is not JSON ({error}); use another copy"
        ) from None
    if not isinstance(values, dict) or "patch_size" not in values:
        raise CheckpointError(
            f"{config_at} does not describe a DiT of this package; a checkpoint "
            "of the DiT authors is read by dit_lite.load_official"
        )
    try:
        return DiTConfig.from_dict(values)
    except (ConfigError, TypeError) as error:
        raise CheckpointError(f"{config_at} is not valid: {error}") from None


def load_weights(model: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Copy `weights` into `model`; errors as in `check_weights`."""
    check_weights(model, weights, path)
    model.load_state_dict(weights)


def check_weights(model: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Raise CheckpointError when names or shapes are those of another model."""
    own = model.state_dict()
    for name in sorted(own.keys() ^ weights.keys()):
        raise CheckpointError(
            f"{path} and its configuration are of different models: {name!r} is "
            "only in one of them; use the config.json saved with it"
        )
    for name, value in own.items():
        if value.shape != weights[name].shape:
            raise CheckpointError(
                f"{path} and its configuration are of different models: {name!r} "
                f"has shape {tuple(weights[name].shape)}, "
                f"the configuration says {tuple(value.shape)}; use the "
                "config.json saved with it"
            )
