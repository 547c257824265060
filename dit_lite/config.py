"""What can be configured: the model, the training run, and the named sizes. Nothing
here imports torch.
"""

from __future__ import annotations

import dataclasses
import math
import operator
import os
from dataclasses import dataclass, field

#: The names that a configuration accepts; each registry of the package holds exactly
#: these (tests/test_config.py).
CHOICES = {
    "conditioning": (
        "additive",
        "in_context",
        "cross_attention",
        "film",
        "adaln",
        "adaln_zero",
        "adaln_shared",
    ),
    "attention": ("full",),
    "mlp": ("gelu", "swiglu"),
    "position": ("sincos", "learned", "rope", "none"),
    "path": ("linear", "cosine", "ddpm"),
    "objective": ("flow", "eps", "x0", "v"),
    "times": ("logit_normal", "uniform"),
    "schedule": ("cosine", "constant"),
    "optimiser": ("adamw", "muon"),
    "precision": ("fp32", "tf32", "bf16"),
    "budget": ("gpu", "cpu"),
    "sampler": ("heun", "euler", "dpmpp_2m", "ddim", "ddpm"),
    "extractor": ("digits-judge", "cifar10-judge", "imagenet64-judge", "inception-v3"),
}

#: width, depth and heads of the DiT paper's four sizes (Peebles & Xie 2212.09748, table
#: 1).
SIZES = {
    "S": (384, 12, 6),
    "B": (768, 12, 12),
    "L": (1024, 24, 16),
    "XL": (1152, 28, 16),
}
PATCHES = (2, 4, 8)

#: Every name `preset` knows. `digits` is the quickstart model of this book: minutes on
#: a laptop, not a size of the paper.
PRESETS = {
    f"{size}/{p}": dict(width=w, depth=d, heads=h, patch_size=p)
    for size, (w, d, h) in SIZES.items()
    for p in PATCHES
} | {
    "digits": dict(
        image_size=8,
        channels=1,
        num_classes=10,
        patch_size=2,
        width=64,
        depth=4,
        heads=4,
    )
}


class ConfigError(ValueError):
    """A configuration that cannot be built; the message names the field, the value
    and the way out.
    """


def choose(name: str, value, choices) -> None:
    """Raise ConfigError unless `value` is one of `choices`."""
    if value not in tuple(choices):  # a tuple takes a value of any type
        raise ConfigError(
            f"{name}={value!r} is not known; choose one of: "
            f"{', '.join(map(str, choices))}"
        )


def _whole(name: str, value, low: int, high: int = 2**63 - 1) -> int:
    """The value as an int, also when it is one of numpy's."""
    try:
        whole = operator.index(None if isinstance(value, bool) else value)
    except TypeError:
        raise ConfigError(
            f"{name}={value!r} must be a whole number (int), got {type(value).__name__}"
        ) from None
    if whole < low:
        raise ConfigError(f"{name}={whole} is too small; it must be at least {low}")
    if whole > high:
        raise ConfigError(f"{name}={whole} is too large; it must be at most {high}")
    return whole


def _number(
    name: str, value, low: float, high: float, *, open_low=False, open_high=False
) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(
            f"{name}={value!r} must be a number, got {type(value).__name__}"
        )
    if (
        not math.isfinite(value)
        or value < low
        or value > high
        or (open_low and value == low)
        or (open_high and value == high)
    ):
        left, right = "(" if open_low else "[", ")" if open_high else "]"
        raise ConfigError(
            f"{name}={value} is out of range; choose a value in {left}{low:g}, "
            f"{high:g}{right}"
        )


def _flag(name: str, value) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{name}={value!r} must be True or False")


def _note(text: str, default=dataclasses.MISSING, **kw):
    """A dataclass field whose one-line help text the command line prints."""
    return field(
        metadata={"help": text},
        **({} if default is dataclasses.MISSING else {"default": default}),
        **kw,
    )


@dataclass(frozen=True)
class DiTConfig:
    """Everything that is needed to rebuild a Diffusion Transformer and to sample from
    it.

    Raises ConfigError (a ValueError) when a field cannot be: the message names the
    field, its value and what to write instead.
    """

    image_size: int = _note(
        "height and width of the image, in pixels (or latent cells)", 8
    )
    channels: int = _note("channels C of the image", 1)
    patch_size: int = _note("side P of a patch; must divide image_size", 2)
    width: int = _note("width D of a token", 64)
    depth: int = _note("number L of blocks", 4)
    heads: int = _note("attention heads h; must divide width", 4)
    num_classes: int = _note("number K of classes; label K means 'no class'", 10)
    mlp_ratio: float = _note("hidden width of the MLP, in units of D", 4.0)
    mlp: str = _note(
        "form of the MLP; swiglu has two thirds of the hidden width, so that its "
        "parameters are about as many",
        "gelu",
    )
    long_skips: bool = _note("hand the tokens of block i to block L-1-i", False)
    conditioning: str = _note("how time and class reach the blocks", "adaln_zero")
    attention: str = _note("which tokens a token may look at", "full")
    position: str = _note("how a token knows its place", "sincos")
    position_extent: int | None = _note(
        "grid side that the position coordinates span, if not this model's own "
        "(set by `resize`)",
        None,
    )
    qk_norm: bool = _note("normalise queries and keys per head", False)
    null_class: bool = _note("keep a row for 'no class', which guidance needs", True)
    learn_variance: bool = _note(
        "predict the reverse variance too (2C output channels)", False
    )
    path: str = _note("how an image becomes noise", "linear")
    objective: str = _note("what the network predicts", "flow")
    data_mean: float = _note(
        "mean that the network's inputs are shifted by, on the scale where "
        "images lie in [-1,1]",
        0.0,
    )
    data_std: float = _note(
        "standard deviation that the network's inputs are divided by, on the "
        "same scale",
        1.0,
    )
    class_names: tuple[str, ...] = _note("names of the K classes", ())

    def __post_init__(self):
        for name in (
            "image_size",
            "channels",
            "patch_size",
            "width",
            "depth",
            "heads",
            "num_classes",
        ):
            object.__setattr__(self, name, _whole(name, getattr(self, name), 1))
        for name in ("long_skips", "qk_norm", "null_class", "learn_variance"):
            _flag(name, getattr(self, name))
        for name in (
            "mlp",
            "conditioning",
            "attention",
            "position",
            "path",
            "objective",
        ):
            choose(name, getattr(self, name), CHOICES[name])
        _number("mlp_ratio", self.mlp_ratio, 0, 64, open_low=True)
        if self.hidden < 1:
            raise ConfigError(
                f"mlp_ratio={self.mlp_ratio} of width={self.width} leaves the "
                f"MLP no hidden unit; choose at least {1 / self.width:.3g}"
            )
        _number("data_mean", self.data_mean, -1, 1)
        _number("data_std", self.data_std, 0, 10, open_low=True)
        if self.position_extent is not None:
            object.__setattr__(
                self,
                "position_extent",
                _whole("position_extent", self.position_extent, 1),
            )
        if self.image_size % self.patch_size:
            fits = [
                p for p in range(1, self.image_size + 1) if self.image_size % p == 0
            ]
            raise ConfigError(
                f"patch_size={self.patch_size} does not divide "
                f"image_size={self.image_size}; choose one of {fits}"
            )
        if self.width % self.heads:
            fits = [
                h for h in range(1, self.width + 1) if self.width % h == 0 and h <= 64
            ]
            raise ConfigError(
                f"heads={self.heads} does not divide width={self.width}; choose "
                f"one of {fits}"
            )
        if self.position == "sincos" and self.width % 4:
            raise ConfigError(
                f"width={self.width} must be a multiple of 4 for "
                "position='sincos' (sine and cosine of two axes)"
            )
        if self.position == "rope" and self.head_width % 4:
            raise ConfigError(
                f"head width {self.head_width} (width={self.width} / "
                f"heads={self.heads}) must be a multiple of 4 for "
                "position='rope'; "
                "choose another number of heads"
            )
        if self.position == "rope" and self.conditioning == "in_context":
            raise ConfigError(
                "position='rope' needs a place for every token, and "
                "conditioning='in_context' adds tokens without one; change either"
            )
        if self.learn_variance and (self.path, self.objective) != ("ddpm", "eps"):
            raise ConfigError(
                "learn_variance=True is defined for path='ddpm' with "
                f"objective='eps', not for {self.path!r} with {self.objective!r}"
            )
        if not isinstance(self.class_names, (tuple, list)):
            raise ConfigError(
                f"class_names={self.class_names!r} must be a tuple of names, one "
                "a class, or ()"
            )
        object.__setattr__(self, "class_names", tuple(self.class_names))
        if self.class_names and len(self.class_names) != self.num_classes:
            raise ConfigError(
                f"class_names has {len(self.class_names)} names for "
                f"num_classes={self.num_classes}; give one name a class, or none"
            )

    @property
    def grid(self) -> int:
        """Tokens along one side of the image, H/P."""
        return self.image_size // self.patch_size

    @property
    def tokens(self) -> int:
        """Tokens of an image, N = (H/P)^2."""
        return self.grid**2

    @property
    def head_width(self) -> int:
        """Width of one head, d_h = D/h."""
        return self.width // self.heads

    @property
    def hidden(self) -> int:
        """Hidden width of the MLP to the nearest whole number: mlp_ratio D, or two
        thirds of that where its first layer is twice as wide.
        """
        return round(
            self.width * self.mlp_ratio * (2 / 3 if self.mlp == "swiglu" else 1)
        )

    @property
    def out_channels(self) -> int:
        """Channels that the network returns: C, or 2C with a learned variance."""
        return self.channels * (2 if self.learn_variance else 1)

    def to_dict(self) -> dict:
        """The configuration as plain JSON values."""
        return dataclasses.asdict(self) | {"class_names": list(self.class_names)}

    @classmethod
    def from_dict(cls, values: dict) -> DiTConfig:
        """The configuration that `to_dict` wrote; raises ConfigError for a field
        that this version does not know.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(
                f"unknown field(s) {', '.join(unknown)} in a model "
                "configuration; written by another version or another library?"
            )
        return cls(**values)


def preset(name: str, **changes) -> DiTConfig:
    """The configuration of a named size, with `changes` applied on top.

    Names: S B L XL with patch 2 4 8 ("S/2" ... "XL/8", table 1 of 2212.09748), and
    "digits". Raises ConfigError for another name. The paper's sizes start from its own
    input, a 32x32x4 latent with 1,000 classes.
    """
    choose("preset", name, PRESETS)
    base = {} if name == "digits" else dict(image_size=32, channels=4, num_classes=1000)
    try:
        return DiTConfig(**(base | PRESETS[name] | changes))
    except TypeError as error:
        fields = ", ".join(f.name for f in dataclasses.fields(DiTConfig))
        raise ConfigError(
            f"{str(error).split(' ', 1)[-1]}; a model has the fields {fields}"
        ) from None


#: What `train DATA` does when nothing else is said. A folder of one's own starts from
#: the CIFAR-10 recipe.
RECIPES = {
    "digits": dict(
        preset="digits",
        steps=1000,
        batch_size=96,
        lr=8e-3,
        warmup=50,
        ema_decay=0.99,
        label_dropout=0.2,
    ),
    "cifar10": dict(
        preset="S/2",
        steps=20_000,
        batch_size=256,
        lr=4e-4,
        warmup=500,
        ema_decay=0.999,
        label_dropout=0.1,
    ),
    "imagenet64": dict(
        preset="B/4",
        steps=40_000,
        batch_size=256,
        lr=3e-4,
        warmup=1000,
        ema_decay=0.9995,
        label_dropout=0.1,
    ),
}
#: The same at budget cpu, where it differs: a little over an hour on two cores. A token
#: of D = 128 numbers cannot carry the noise of an 8x8 patch, which has 192 (chapter 2),
#: so the model of 64x64 pixels predicts the image.
CPU_RECIPES = {
    "cifar10": dict(
        preset="S/4",
        changes=dict(width=128, depth=6, heads=4),
        steps=10_000,
        batch_size=64,
        lr=2e-3,
        warmup=300,
        ema_decay=0.999,
        label_dropout=0.1,
    ),
    "imagenet64": dict(
        preset="S/8",
        changes=dict(width=128, depth=6, heads=4, objective="x0"),
        steps=7_000,
        batch_size=64,
        lr=2e-3,
        warmup=300,
        ema_decay=0.9995,
        label_dropout=0.1,
    ),
}
RECIPE_FIELDS = (
    "preset",
    "steps",
    "batch_size",
    "lr",
    "warmup",
    "ema_decay",
    "label_dropout",
)

#: Compiling takes about a minute, which shorter runs do not win back.
COMPILE_FROM = 2_000
#: What a run leaves to its device: the arithmetic that is fast there, and whether
#: compiling is worth its time (TrainConfig.on).
CPU, GPU = ("fp32", False), ("bf16", True)


@dataclass(frozen=True)
class TrainConfig:
    """One training run. Fields left at None take the recipe of the data set
    (`RECIPES`).

    Raises ConfigError (a ValueError) when a field cannot be.
    """

    data: str = _note(
        "digits, cifar10, imagenet64, or the path of a folder with one "
        "sub-folder of images a class",
        "digits",
    )
    out: str | None = _note(
        "directory of the run; without one nothing is written", None
    )
    preset: str | None = _note("size of the model", None)
    model: DiTConfig | None = _note("the model itself, instead of a preset", None)
    changes: dict = _note(
        "fields of the model that differ from the preset", default_factory=dict
    )
    budget: str = _note(
        "whose recipe the fields left open take: gpu, minutes of a data-centre "
        "GPU, or cpu, a little over an hour on two cores",
        "gpu",
    )
    steps: int | None = _note("optimiser steps", None)
    batch_size: int | None = _note("images a step", None)
    lr: float | None = _note("peak learning rate", None)
    warmup: int | None = _note(
        "steps over which the learning rate rises from zero; left out: as in the "
        "recipe, or a tenth of a run that would be shorter than that",
        None,
    )
    schedule: str = _note("learning rate after warm-up", "cosine")
    optimiser: str = _note(
        "adamw, or muon on the matrices of attention and MLP and adamw on the rest",
        "adamw",
    )
    weight_decay: float = _note("decoupled weight decay of AdamW on matrices", 0.0)
    beta2: float = _note("AdamW's decay of the squared gradient", 0.99)
    clip: float = _note("largest global norm of the gradient", 1.0)
    ema_decay: float | None = _note("decay of the averaged weights, a step", None)
    label_dropout: float | None = _note("share of labels replaced by 'no class'", None)
    times: str = _note(
        "how the noise level t of a training image is drawn", "logit_normal"
    )
    precision: str | None = _note(
        "arithmetic of matrix products; left out: bf16 on a GPU that has it, "
        "fp32 elsewhere",
        None,
    )
    compile: bool | None = _note(
        "torch.compile, block by block; left out: on a GPU, for runs of "
        f"{COMPILE_FROM:,} steps or more",
        None,
    )
    device: str = _note(
        "cpu, cuda, or one GPU of several such as cuda:1; auto: what "
        "DIT_LITE_DEVICE says, or a GPU when there is one",
        "auto",
    )
    image_size: int | None = _note(
        "side to which the images of a folder are cropped and resized", None
    )
    seed: int = _note("seeds initial weights, order of the data, noise", 0)
    save_every: int = _note("steps between checkpoints (0: only at the end)", 0)
    log_every: int = _note("steps between lines of metrics.jsonl", 10)
    tensorboard: bool = _note("mirror the metrics to TensorBoard", False)

    def __post_init__(self):
        for name in ("data", "out"):
            if isinstance(getattr(self, name), os.PathLike):
                object.__setattr__(self, name, os.fspath(getattr(self, name)))
        if not isinstance(self.data, str) or not self.data:
            raise ConfigError(
                f"data={self.data!r} must be the name of a data set or the path "
                "of a folder"
            )
        if self.out is not None and not isinstance(self.out, str):
            raise ConfigError(f"out={self.out!r} must be the path of a directory")
        if not isinstance(self.device, str):
            raise ConfigError(
                f"device={self.device!r} must be the name of a device: auto, "
                "cpu, cuda:0"
            )
        choose("budget", self.budget, CHOICES["budget"])
        recipe = self._recipe()
        if not isinstance(self.changes, dict):
            raise ConfigError(
                f"changes={self.changes!r} must be a dict of fields of the "
                f"model, such as {{'width': 128}}"
            )
        if self.preset is None and self.model is None:
            object.__setattr__(
                self, "changes", recipe.get("changes", {}) | self.changes
            )
        asked = self.warmup
        for name in RECIPE_FIELDS:
            if getattr(self, name) is None and not (
                name == "preset" and self.model is not None
            ):
                object.__setattr__(self, name, recipe[name])
        fields = [f.name for f in dataclasses.fields(DiTConfig)]
        for name in self.changes:
            choose("a key of changes", name, fields)
        if self.model is None:
            choose("preset", self.preset, PRESETS)
        elif not isinstance(self.model, DiTConfig):
            raise ConfigError(
                f"model={self.model!r} must be a DiTConfig; use `preset` for a name"
            )
        elif self.preset is not None or self.changes:
            raise ConfigError(
                f"model=... is given together with preset={self.preset!r} and "
                f"changes={self.changes}; give one or the other"
            )
        for name, low in dict(
            steps=1, batch_size=1, warmup=0, seed=0, save_every=0, log_every=1
        ).items():
            object.__setattr__(self, name, _whole(name, getattr(self, name), low))
        if self.warmup > self.steps:
            if asked is not None:
                raise ConfigError(
                    f"warmup={self.warmup} is longer than the run, "
                    f"steps={self.steps}; leave it out, or choose at most "
                    f"{self.steps}"
                )
            object.__setattr__(self, "warmup", max(1, self.steps // 10))
        for name in ("schedule", "optimiser", "times", "precision"):
            if name != "precision" or self.precision is not None:
                choose(name, getattr(self, name), CHOICES[name])
        _number("lr", self.lr, 0, 10, open_low=True)
        _number("weight_decay", self.weight_decay, 0, 1)
        _number("beta2", self.beta2, 0, 1, open_low=True, open_high=True)
        _number("clip", self.clip, 0, 1e9, open_low=True)
        _number("ema_decay", self.ema_decay, 0, 1, open_high=True)
        _number("label_dropout", self.label_dropout, 0, 1, open_high=True)
        if self.image_size is not None:
            object.__setattr__(
                self, "image_size", _whole("image_size", self.image_size, 1)
            )
        for name in ("compile", "tensorboard"):
            if name != "compile" or self.compile is not None:
                _flag(name, getattr(self, name))
        if self.model is not None and self.model.null_class != (self.label_dropout > 0):
            raise ConfigError(
                f"label_dropout={self.label_dropout} and "
                f"model.null_class={self.model.null_class} disagree: "
                "the null class is trained by dropping labels, so set both or neither"
            )

    def _recipe(self) -> dict:
        known = self.data if self.data in RECIPES else "cifar10"
        return (
            CPU_RECIPES.get(known, RECIPES[known])
            if self.budget == "cpu"
            else RECIPES[known]
        )

    def on(self, precision: str, compiler: bool) -> TrainConfig:
        """This run with the fields that depend on the device filled in, by what the
        device prefers: CPU, GPU, or another such pair.
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
    def from_dict(cls, values: dict) -> TrainConfig:
        """The run that `to_dict` wrote; raises ConfigError for a field that this
        version does not know.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(
                f"unknown field(s) {', '.join(unknown)} in the configuration of "
                "a run; written by another version?"
            )
        model = values.get("model")
        return cls(
            **(values | {"model": DiTConfig.from_dict(model) if model else None})
        )
