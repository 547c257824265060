"""One training run."""

import dataclasses
from dataclasses import dataclass
from typing import Self

from .fields import (
    ConfigError,
    Number,
    OneOf,
    Text,
    Whole,
    check_fields,
    choose,
    flag,
    known_fields,
    setting,
)
from .model import DiTConfig
from .presets import PRESETS
from .recipes import CPU_RECIPES, RECIPES

#: Fields that do not change any number of a run.
SILENT = (
    "out",
    "parallel",
    "accumulate",
    "checkpointing",
    "save_every",
    "log_every",
    "tensorboard",
)
#: By default, at most this many steps lie between two checkpoints.
SAVE_EVERY = 1_000

#: Compiling takes about a minute, which shorter runs do not make up for.
COMPILE_FROM = 2_000
#: What a run leaves to its device: the arithmetic that is fast there, and whether
#: compiling is worth its time (TrainConfig.on).
CPU, GPU = ("fp32", False), ("bf16", True)


def _model(name: str, value) -> DiTConfig:
    if not isinstance(value, DiTConfig):
        raise ConfigError(
            f"{name}={value!r} must be a DiTConfig; use `preset` for a name"
        )
    return value


def _changes(name: str, value) -> dict:
    if not isinstance(value, dict):
        raise ConfigError(
            f"{name}={value!r} must be a dict of fields of the model, such as "
            "{'width': 128}"
        )
    fields = [field.name for field in dataclasses.fields(DiTConfig)]
    for key in value:
        choose("a key of changes", key, fields)
    return value


@dataclass(frozen=True)
class TrainConfig:
    """One training run. Fields left at None take the recipe of the data set
    (`RECIPES`).

    Raises ConfigError (a ValueError) when a field is invalid.
    """

    data: str = setting(
        "digits, shapes, cifar10, imagenet64, or the path of a folder with one "
        "sub-folder of images per class",
        "digits",
        Text("the name of a data set or the path of a folder"),
    )
    out: str | None = setting(
        "directory of the run; if omitted, nothing is written",
        None,
        Text("the path of a directory"),
    )
    init_from: str | None = setting(
        "model to start from, instead of a preset: the name of a shipped one, or the "
        "directory of another run, whose averaged weights are used",
        None,
        Text("the name of a model or the directory of a run"),
    )
    preset: str | None = setting("size of the model", None, OneOf(tuple(PRESETS)))
    model: DiTConfig | None = setting(
        "the model itself, instead of a preset", None, _model
    )
    changes: dict = setting(
        "fields of the model that differ from the preset", dict, _changes
    )
    budget: str = setting(
        "recipe for all settings that are not given: gpu (minutes on a data-centre "
        "GPU) or cpu (a little over an hour on two cores)",
        "gpu",
        OneOf(("gpu", "cpu")),
    )
    steps: int | None = setting("optimiser steps", None, Whole(1))
    batch_size: int | None = setting("images per step", None, Whole(1))
    lr: float | None = setting("peak learning rate", None, Number(0, 10, open_low=True))
    warmup: int | None = setting(
        "steps over which the learning rate rises from zero; if omitted, as in the "
        "recipe, but at most a tenth of the run",
        None,
        Whole(0),
    )
    schedule: str = setting(
        "learning rate after warm-up; cosine_as_written becomes negative, and is there "
        "only to show the effect",
        "cosine",
        OneOf(("cosine", "constant", "cosine_as_written")),
    )
    optimiser: str = setting(
        "adamw, or muon on the matrices of attention and MLP and adamw on the rest",
        "adamw",
        OneOf(("adamw", "muon")),
    )
    weight_decay: float = setting(
        "decoupled weight decay of AdamW on matrices", 0.0, Number(0, 1)
    )
    beta2: float = setting(
        "AdamW's decay rate of the mean squared gradient",
        0.99,
        Number(0, 1, open_low=True, open_high=True),
    )
    clip: float = setting(
        "largest allowed global norm of the gradient",
        1.0,
        Number(0, 1e9, open_low=True),
    )
    ema_decay: float | None = setting(
        "decay of the averaged weights per step", None, Number(0, 1, open_high=True)
    )
    label_dropout: float | None = setting(
        "fraction of labels replaced by 'no class'", None, Number(0, 1, open_high=True)
    )
    times: str = setting(
        "how the noise level t of a training image is drawn",
        "logit_normal",
        OneOf(("logit_normal", "uniform")),
    )
    precision: str | None = setting(
        "precision of matrix products; if omitted, bf16 on a GPU that supports it, "
        "else fp32; on a CPU bf16 pays off where there are instructions for it",
        None,
        OneOf(("fp32", "tf32", "bf16")),
    )
    compile: bool | None = setting(
        "torch.compile, block by block; if omitted, only on a GPU and for runs of "
        f"{COMPILE_FROM:,} steps or more",
        None,
        flag,
    )
    device: str = setting(
        "cpu, cuda, or a particular GPU such as cuda:1; auto takes the device named "
        "in DIT_LITE_DEVICE, else a GPU if there is one",
        "auto",
        Text("the name of a device: auto, cpu, cuda:0"),
    )
    image_size: int | None = setting(
        "side to which the images of a folder are resized, after a square crop",
        None,
        Whole(1),
    )
    seed: int = setting("seed of initial weights, data order and noise", 0, Whole(0))
    accumulate: int = setting(
        "gradient accumulation: number of parts in which a process computes its share "
        "of a batch; the batch size stays the same",
        1,
        Whole(1),
    )
    checkpointing: str = setting(
        "activation checkpointing, to save memory: the backward pass recomputes each "
        "block, or about sqrt(L) segments of blocks",
        "none",
        OneOf(("none", "block", "sqrt")),
    )
    parallel: str | None = setting(
        "how the processes started by torchrun split the work: ddp, fsdp, tp=2, sp=2, "
        "pp=2, or two of them, such as fsdp,tp=2",
        None,
        Text("a way to split the work, such as ddp or fsdp,tp=2"),
    )
    save_every: int | None = setting(
        "steps between checkpoints, 0 for only one at the end; if omitted, a tenth of "
        f"the run, but at most {SAVE_EVERY:,}",
        None,
        Whole(0),
    )
    log_every: int = setting("steps between lines of metrics.jsonl", 10, Whole(1))
    tensorboard: bool = setting("also write the metrics for TensorBoard", False, flag)

    def __post_init__(self):
        check_fields(self)
        given = [n for n in ("model", "init_from") if getattr(self, n) is not None]
        if given and (self.preset is not None or self.changes or len(given) > 1):
            others = (*given[1:], f"preset={self.preset!r}", f"changes={self.changes}")
            raise ConfigError(
                f"{given[0]}=... is given together with {', '.join(others)}; give one "
                "or the other"
            )
        self._take_recipe(keep_preset=bool(given))
        if self.warmup > self.steps:
            raise ConfigError(
                f"warmup={self.warmup} is longer than the run, "
                f"steps={self.steps}; leave it out, or choose at most "
                f"{self.steps}"
            )
        if self.model is not None and self.model.null_class != (self.label_dropout > 0):
            raise ConfigError(
                f"label_dropout={self.label_dropout} and "
                f"model.null_class={self.model.null_class} disagree: "
                "the null class is trained by dropping labels, so set both or neither"
            )

    def _take_recipe(self, keep_preset: bool) -> None:
        """Fill in the fields that were not given."""
        known = self.data if self.data in RECIPES else "cifar10"
        recipe = dict(RECIPES[known])
        if self.budget == "cpu":
            recipe = dict(CPU_RECIPES.get(known, recipe))
        changes = recipe.pop("changes", {})
        if self.preset is None and not keep_preset:
            object.__setattr__(self, "changes", changes | self.changes)
        steps = recipe["steps"] if self.steps is None else self.steps
        recipe["warmup"] = min(recipe["warmup"], steps // 10)
        recipe["save_every"] = min(max(1, steps // 10), SAVE_EVERY)
        for name, value in recipe.items():
            if getattr(self, name) is None and not (name == "preset" and keep_preset):
                object.__setattr__(self, name, value)

    def on(self, precision: str, compiler: bool) -> Self:
        """This run with its device-dependent fields filled in with what the device
        prefers: CPU, GPU, or another such pair.
        """
        compile = (
            compiler and self.steps >= COMPILE_FROM
            if self.compile is None
            else self.compile
        )
        return dataclasses.replace(
            self, precision=self.precision or precision, compile=compile
        )

    def to_dict(self) -> dict:
        """The run as plain JSON values."""
        return dataclasses.asdict(self) | {
            "model": self.model.to_dict() if self.model else None
        }

    @classmethod
    def from_dict(cls, values: dict) -> Self:
        """The run that `to_dict` wrote; raises ConfigError for a field that this
        version does not know.
        """
        model = values.get("model")
        return cls(
            **known_fields(cls, values, "a run")
            | {"model": DiTConfig.from_dict(model) if model else None}
        )
