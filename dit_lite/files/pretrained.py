"""Models on disk: a directory with config.json and model.safetensors. Nothing is
unpickled.

This file knows no particular model: `Pretrained` gives any module with a `config` the
two methods that write and read it.
"""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..config import ConfigError, DiTConfig
from ..wrappers import bare, clean, weights
from .environment import resource, user_path
from .system_errors import in_one_line
from .tensors import read_notes, read_shapes, read_tensors, write_tensors
from .writing import CheckpointError, write

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class Origin(NamedTuple):
    """Where weights come from: the data set (a name, or the path of a folder), the
    images seen in training, the decay of the averaged weights per step, and the number
    of steps, None where the weights do not record it.
    """

    data: str
    images_seen: int
    ema_decay: float
    steps: int | None = None


class Pretrained:
    """Writing and reading of a module that has a DiTConfig as `config`."""

    #: The layout of its weights in a file, and what converts other layouts to it.
    layout: str
    upgrade: Callable[[Mapping[str, Tensor], int, str | None], dict[str, Tensor]]

    def save_pretrained(self, directory: str | Path) -> None:
        """Write config.json and model.safetensors into `directory`, each whole or
        not at all.
        """
        save_model(self, directory)

    @classmethod
    def from_pretrained(cls, name_or_directory: str | Path) -> Self:
        """The model that `save_pretrained` wrote, in eval mode: from a directory, or by
        the name of a model that ships with dit_lite ("digits").

        Raises FileNotFoundError when there is none, ConfigError for a name that is
        both, CheckpointError when its files are truncated, of another kind, disagree,
        or contain weights that are not finite floats (all but the first are
        ValueErrors). No memory is allocated for a model whose shapes differ from those
        of the weights.
        """
        config = load_config(name_or_directory)
        path = directory_of(name_or_directory) / WEIGHTS
        check_shapes(outline(cls, config), read_shapes(path), path)
        saved, about = read_tensors(path)
        try:
            saved = cls.upgrade(saved, config.heads, about.get("layout"))
        except ValueError as error:
            raise CheckpointError(f"{path} cannot be read: {error}") from None
        # on the CPU, whose generator is restored; a GPU's generator is never used
        with torch.random.fork_rng(devices=[]):
            model = cls(config)
        load_weights(model, saved, path)
        return model.eval()


def save_model(
    model: nn.Module, directory: str | Path, origin: Origin | None = None
) -> None:
    """Write config.json and model.safetensors into `directory`. The weights are written
    first, so that a config never exists without them. Of a compiled or wrapped model,
    the model inside is written.

    `origin` is stored with the weights; `origin_of` reads it.
    """
    directory, inside = Path(directory), bare(model)
    about = {"layout": inside.layout}
    if origin:
        about["origin"] = json.dumps(origin._asdict())
    write_tensors(directory / WEIGHTS, weights(model), about)
    config = inside.config.to_dict()
    write(directory / CONFIG, (json.dumps(config, indent=2) + "\n").encode())


def shipped_network(make: Callable[[], nn.Module], name: str) -> nn.Module:
    """The frozen network `make()` with the weights that ship as
    data/checkpoints/NAME.safetensors; the card NAME.md beside them says how good it is.
    """
    path = resource(f"data/checkpoints/{name}.safetensors")
    with torch.random.fork_rng(devices=[]):  # the global generator is left as it was
        network = make()
    load_weights(network, read_tensors(path)[0], path)
    return network.eval().requires_grad_(False)


def shipped() -> list[str]:
    """Names of the models that ship with dit_lite."""
    place = resource("data/checkpoints")
    return (
        sorted(d.name for d in place.iterdir() if (d / WEIGHTS).exists())
        if place.is_dir()
        else []
    )


def directory_of(name_or_directory: str | Path) -> Path:
    """The directory of a shipped model, or the one given. Raises ConfigError for a name
    that is both.
    """
    name = str(name_or_directory)
    here = user_path(name_or_directory, "name_or_directory")
    if name not in shipped():
        return here
    shipped_at = resource("data/checkpoints") / name
    if (here / CONFIG).exists() and not here.samefile(shipped_at):
        raise ConfigError(
            f"{name!r} is both a model that ships with dit_lite and a directory here; "
            f"write {as_written(here)} for the directory, or {shipped_at} for the "
            "model that ships with dit_lite"
        )
    return shipped_at


def as_written(directory: Path) -> str:
    """The path of a directory as `load` and `--checkpoint` take it: never the bare name
    of a shipped model.
    """
    name = str(directory)
    return os.path.join(os.curdir, name) if name in shipped() else name


def origin_of(name_or_directory: str | Path) -> Origin | None:
    """What the weights of a model record about their training; None when they record
    nothing that this version can read. Errors as in `from_pretrained`.
    """
    about = read_notes(directory_of(name_or_directory) / WEIGHTS)
    try:
        return Origin(**json.loads(about.get("origin", "{}")))
    except (ValueError, TypeError):
        return None


def load_config(name_or_directory: str | Path) -> DiTConfig:
    """The configuration in a model's config.json; errors as in `from_pretrained`."""
    directory = directory_of(name_or_directory)
    path = directory / CONFIG
    if not path.exists():
        what = (
            f"{path} is missing"
            if directory.is_dir()
            else f"there is no directory {directory}"
        )
        raise FileNotFoundError(
            f"no model {str(name_or_directory)!r}: {what}; shipped models: "
            f"{', '.join(shipped()) or 'none'}"
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"cannot read {in_one_line(error)}") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is not JSON ({error}); use another copy"
        ) from None
    if not isinstance(values, dict) or "patch_size" not in values:
        raise CheckpointError(
            f"{path} does not describe a DiT of this package; to read a checkpoint "
            "of the DiT authors, use dit_lite.load_official"
        )
    try:
        return DiTConfig.from_dict(values)
    except (ConfigError, TypeError) as error:
        raise CheckpointError(f"{path} is not valid: {error}") from None


class Unfilled(TorchFunctionMode):
    """Inside, new weights are left uninitialised: on the meta device initialising them
    is slow, because it imports the compiler.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__module__", None) == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        if function in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        return function(*args, **(kwargs or {}))


def outline(kind: type[nn.Module], config: DiTConfig) -> dict[str, Tensor]:
    """The weights of a `kind` of model, by name, as tensors that take no memory."""
    # a fixed table of positions is not among the weights
    if config.position != "learned":
        config = dataclasses.replace(config, position="none", position_extent=None)
    with torch.device("meta"), Unfilled():
        return kind(config).state_dict()


def check_shapes(
    own: dict[str, Tensor], shapes: dict[str, tuple[int, ...]], path: Path | str
) -> None:
    """Raise CheckpointError unless the names and shapes of a file are those of `own`,
    the weights of a model.
    """
    shapes = {clean(name): shape for name, shape in shapes.items()}
    for name in sorted(own.keys() ^ shapes.keys()):
        raise CheckpointError(
            f"{path} and its configuration belong to different models: {name!r} is "
            "in only one of them; use the config.json saved with it"
        )
    for name, value in own.items():
        if tuple(value.shape) != tuple(shapes[name]):
            raise CheckpointError(
                f"{path} and its configuration belong to different models: {name!r} "
                f"has shape {tuple(shapes[name])}, "
                f"the configuration says {tuple(value.shape)}; use the "
                "config.json saved with it"
            )


def load_weights(model: nn.Module, saved: dict[str, Tensor], path: Path | str) -> None:
    """Copy `saved` into `model`. Raises CheckpointError when names or shapes belong to
    another model, and for weights that are not finite floats.
    """
    own = weights(model)
    saved = {clean(name): value for name, value in saved.items()}
    check_shapes(own, {name: value.shape for name, value in saved.items()}, path)
    for name, value in own.items():
        check_kind(f"{name!r} in {path}", saved[name], value)
    model.load_state_dict({name: saved[clean(name)] for name in model.state_dict()})


def check_kind(what: str, saved: Tensor, own: Tensor) -> None:
    """Raise CheckpointError unless a saved tensor can take the place of `own`: integers
    for integers, and for floats, floats that are finite there.
    """
    if saved.is_floating_point() != own.is_floating_point():
        raise CheckpointError(
            f"{what} has dtype {saved.dtype} instead of {own.dtype}; save it "
            f"again as {own.dtype}"
        )
    if own.is_floating_point() and not saved.to(own.dtype).isfinite().all():
        raise CheckpointError(
            f"{what} is not finite: it contains NaN or infinity; use another copy, or "
            "a checkpoint from before the run diverged"
        )
