"""What a Diffusion Transformer is: its sizes and its variants."""

import dataclasses
import math
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from .class_names import fault_of_name
from .fields import (
    ConfigError,
    Number,
    OneOf,
    Text,
    Whole,
    check_fields,
    flag,
    known_fields,
    setting,
)

#: The most entries that a table of positions, N tokens of width D, may have. With the
#: bounds of the fields it stops an untrusted file from asking for more memory than any
#: machine has.
TABLE = 2**28


def _names(name: str, value) -> tuple[str, ...]:
    if not isinstance(value, (tuple, list)):
        raise ConfigError(f"{name}={value!r} must be a tuple of names, or ()")
    for i, one in enumerate(value):
        if not isinstance(one, str):
            raise ConfigError(f"{name}[{i}]={one!r} must be a string")
        if fault := fault_of_name(one):
            raise ConfigError(f"{name}[{i}]={one[:40]!r} has {fault}; rename it")
    return tuple(value)


class PerLayer(OneOf):
    """One of several names, or a list with one name per layer."""

    def __call__(self, name: str, value) -> str | tuple[str, ...]:
        if not isinstance(value, (list, tuple)) or not value:
            return super().__call__(name, value)
        return tuple(super(PerLayer, self).__call__(name, one) for one in value)


def _lengths(name: str, value) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)):
        raise ConfigError(f"{name}={value!r} must be a tuple of whole numbers, or ()")
    found = tuple(Whole(2)(f"{name}[{i}]", one) for i, one in enumerate(value))
    if len(set(found)) != len(found):
        raise ConfigError(f"{name}={value!r} has the same number twice; give it once")
    return found


class Shares(OneOf):
    """One of several names, a list with one number in [0,1] per layer, or None."""

    def __call__(self, name: str, value) -> str | tuple[float, ...] | None:
        if value is None or not isinstance(value, (list, tuple)):
            return value if value is None else super().__call__(name, value)
        return tuple(Number(0, 1)(f"{name}[{i}]", s) for i, s in enumerate(value))


def odd(name: str, value) -> int:
    """An odd whole number."""
    whole = Whole(1)(name, value)
    if whole % 2 == 0:
        raise ConfigError(
            f"{name}={whole} must be odd, so that the window has a central patch; "
            f"choose {whole + 1}"
        )
    return whole


#: Sizes that some conditions need and the others do not have.
_SIZES_OF_CONDITIONS = {
    "vocab_size": ("caption",),
    "caption_length": ("caption", "features"),
    "feature_width": ("features",),
}


@dataclass(frozen=True)
class DiTConfig:
    """Everything that is needed to rebuild a Diffusion Transformer and to sample from
    it.

    Raises ConfigError (a ValueError) when a field is invalid: the message names the
    field, its value and what to write instead.
    """

    image_size: int = setting(
        "height and width of the image, in pixels (or latent cells)", 8, Whole(1, 2**14)
    )
    channels: int = setting("channels C of the image", 1, Whole(1, 2**12))
    patch_size: int = setting(
        "side P of a patch; must divide image_size", 2, Whole(1, 2**14)
    )
    width: int = setting("width D of a token", 64, Whole(1, 2**16))
    depth: int = setting("number L of blocks", 4, Whole(1, 2**10))
    heads: int = setting("attention heads h; must divide width", 4, Whole(1, 2**10))
    condition: str = setting(
        "what an image is conditioned on: its class (label), the words of a caption, "
        "or the features of a text encoder",
        "label",
        OneOf(("label", "caption", "features")),
    )
    num_classes: int = setting(
        "number K of classes; label K means 'no class'", 10, Whole(1, 2**20)
    )
    vocab_size: int | None = setting(
        "number of word ids in captions, 0 (padding) to vocab_size - 1",
        None,
        Whole(2, 2**20),
    )
    caption_length: int | None = setting(
        "largest number of words in a caption, or of rows of features",
        None,
        Whole(1, 2**12),
    )
    feature_width: int | None = setting(
        "width E of a row of features", None, Whole(1, 2**16)
    )
    token_scales: tuple[int, ...] = setting(
        "coarser tokens in addition to those of a caption or of features: means over "
        "windows of this many tokens, such as (2, 4); if omitted, none",
        (),
        _lengths,
    )
    mlp_ratio: float = setting(
        "hidden width of the MLP as a multiple of D", 4.0, Number(0, 64, open_low=True)
    )
    mlp: str = setting(
        "form of the MLP; swiglu has two thirds of the hidden width, so about as many "
        "parameters",
        "gelu",
        OneOf(("gelu", "swiglu")),
    )
    long_skips: bool = setting("skip connections: block i to block L-1-i", False, flag)
    conditioning: str = setting(
        "how time and condition reach the blocks",
        "adaln_zero",
        OneOf(
            (
                "additive",
                "in_context",
                "cross_attention",
                "film",
                "adaln",
                "adaln_zero",
                "adaln_shared",
                "adaln_zero_cross",
                "joint",
            )
        ),
    )
    global_share: str | tuple[float, ...] | None = setting(
        "share s of the pooled condition, through the modulation, in each layer of "
        "adaln_zero_cross; its tokens get 1 - s: early falls linearly from 1 to 0, "
        "late rises, even is one half, learned starts at one half; or a list with one "
        "number per layer; if omitted, 0 everywhere",
        None,
        Shares(("early", "late", "even", "learned")),
    )
    attention: str | tuple[str, ...] = setting(
        "kind of attention: one name, or one per layer",
        "full",
        PerLayer(("full", "local", "sparsemax")),
    )
    attention_window: int = setting(
        "side of the square of patches that local attention covers (odd)", 3, odd
    )
    base_width: int | None = setting(
        "width at which the maximal update parametrisation (muP) equals the standard "
        "one; if omitted, the parametrisation is standard at every width",
        None,
        Whole(1),
    )
    base_heads: int | None = setting(
        "heads at the base width; if omitted, the same number, so that heads widen",
        None,
        Whole(1),
    )
    position: str = setting(
        "position encoding", "sincos", OneOf(("sincos", "learned", "rope", "none"))
    )
    position_extent: int | None = setting(
        "side of the grid that position coordinates span, if it is not the model's "
        "own (set by `resize`)",
        None,
        Whole(1, 2**14),
    )
    qk_norm: bool = setting("normalise queries and keys per head", False, flag)
    null_class: bool = setting(
        "also learn 'no condition', which guidance needs", True, flag
    )
    learn_variance: bool = setting(
        "also predict the variance of the reverse process (2C output channels)",
        False,
        flag,
    )
    path: str = setting(
        "how image and noise are mixed", "linear", OneOf(("linear", "cosine", "ddpm"))
    )
    objective: str = setting(
        "what the network predicts", "flow", OneOf(("flow", "eps", "x0", "v"))
    )
    autoencoder: str | None = setting(
        "the autoencoder whose latents the model draws, a directory or a name on the "
        "Hugging Face hub; if omitted, it draws pixels",
        None,
        Text("the directory or the name of an autoencoder"),
    )
    data_mean: float = setting(
        "mean that is subtracted before noise is added: of images, on the scale "
        "[-1,1], or of the autoencoder's latents",
        0.0,
        Number(-1, 1),
    )
    data_std: float = setting(
        "standard deviation that images are divided by before noise is added, on the "
        "same scale",
        1.0,
        Number(0, 10, open_low=True),
    )
    class_names: tuple[str, ...] = setting("names of the K classes", (), _names)
    words: tuple[str, ...] = setting(
        "the word for each word id; the first one stands for padding", (), _names
    )
    caption_parts: tuple[str, ...] = setting(
        "several conditions side by side in one caption: for each of its "
        "caption_length tokens the name of the condition that it belongs to; if "
        "omitted, one condition",
        (),
        _names,
    )

    def __post_init__(self):
        check_fields(self)
        for name, kinds in _SIZES_OF_CONDITIONS.items():
            value = getattr(self, name)
            if (self.condition in kinds) != (value is not None):
                raise ConfigError(
                    f"{name}={value!r} does not go with condition={self.condition!r}; "
                    f"it is needed for {' and '.join(kinds)}, and only there"
                )
        if isinstance(self.attention, tuple):
            if len(self.attention) != self.depth:
                raise ConfigError(
                    f"attention has {len(self.attention)} names for "
                    f"depth={self.depth}; give one per layer, or one name for all"
                )
            if len(set(self.attention)) == 1:
                object.__setattr__(self, "attention", self.attention[0])
        if self.hidden < 1:
            raise ConfigError(
                f"mlp_ratio={self.mlp_ratio} of width={self.width} leaves the "
                f"MLP no hidden unit; choose at least {1 / self.width:.3g}"
            )
        if self.image_size % self.patch_size:
            fits = [
                p for p in range(1, self.image_size + 1) if self.image_size % p == 0
            ]
            raise ConfigError(
                f"patch_size={self.patch_size} does not divide "
                f"image_size={self.image_size}; choose one of {fits}"
            )
        if self.tokens * self.width > TABLE:
            raise ConfigError(
                f"image_size={self.image_size} in patches of patch_size="
                f"{self.patch_size} gives {self.tokens:,} tokens of "
                f"width={self.width}, more than {TABLE:,} numbers; choose larger "
                "patches"
            )
        if self.width % self.heads:
            fits = [
                h for h in range(1, self.width + 1) if self.width % h == 0 and h <= 64
            ]
            raise ConfigError(
                f"heads={self.heads} does not divide width={self.width}; choose "
                f"one of {fits}"
            )
        if self.base_heads is not None and self.base_width is None:
            raise ConfigError(
                f"base_heads={self.base_heads} has no effect without base_width; set "
                "both, or neither"
            )
        if self.base_width is not None and self.base_width % self._base_heads:
            raise ConfigError(
                f"base_width={self.base_width} does not divide into "
                f"{self._base_heads} heads; set base_heads, or another base_width"
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
                "position='rope'; choose another number of heads"
            )
        if self.learn_variance and (self.path, self.objective) != ("ddpm", "eps"):
            raise ConfigError(
                "learn_variance=True is defined for path='ddpm' with "
                f"objective='eps', not for {self.path!r} with {self.objective!r}"
            )
        if self.class_names and len(self.class_names) != self.num_classes:
            raise ConfigError(
                f"class_names has {len(self.class_names)} names for "
                f"num_classes={self.num_classes}; give one name per class, or none"
            )

        if self.words and len(self.words) != self.vocab_size:
            raise ConfigError(
                f"words has {len(self.words)} words for vocab_size={self.vocab_size}; "
                "give one per id, or none"
            )
        if self.token_scales and self.caption_length is None:
            raise ConfigError(
                f"token_scales={self.token_scales} does not go with condition="
                f"{self.condition!r}, which has one token; leave it out"
            )
        if self.caption_parts:
            self._check_parts()
        if self.global_share is not None:
            self._check_share()

    def _check_parts(self) -> None:
        parts = self.caption_parts
        if self.condition != "caption" or len(parts) != self.caption_length:
            raise ConfigError(
                f"caption_parts has {len(parts)} names for condition="
                f"{self.condition!r} with caption_length={self.caption_length}; give "
                "one per token of a caption, or none"
            )
        runs = [name for name, _ in groupby(parts)]
        if len(set(runs)) != len(runs):
            raise ConfigError(
                f"caption_parts={parts} returns to a name after another one; put the "
                "tokens of each condition next to each other"
            )

    def _check_share(self) -> None:
        share = self.global_share
        if self.conditioning != "adaln_zero_cross":
            raise ConfigError(
                f"global_share={share!r} does not go with conditioning="
                f"{self.conditioning!r}; set conditioning='adaln_zero_cross', which "
                "has both ways, or leave it out"
            )
        if isinstance(share, tuple) and len(share) != self.depth:
            raise ConfigError(
                f"global_share has {len(share)} numbers for depth={self.depth}; give "
                "one per layer, or a name"
            )

    def global_share_of(self, layer: int) -> float | None:
        """The share of the pooled condition in block `layer`, None where it is
        learned.
        """
        if isinstance(self.global_share, tuple):
            return self.global_share[layer]
        late = layer / max(self.depth - 1, 1)
        shares = dict(early=1 - late, late=late, even=0.5, learned=None)
        return 0.0 if self.global_share is None else shares[self.global_share]

    @property
    def conditions(self) -> dict[str, slice]:
        """The conditions in the order in which guidance adds them: the name of each,
        and its tokens in a caption.
        """
        if not self.caption_parts:
            return {self.condition: slice(None)}
        first = self.caption_parts.index
        return {
            name: slice(first(name), first(name) + self.caption_parts.count(name))
            for name in dict.fromkeys(self.caption_parts)
        }

    def attention_of(self, layer: int) -> str:
        """The name of the attention of block `layer`, 0 to L-1."""
        names = self.attention
        return names if isinstance(names, str) else names[layer]

    @property
    def grid(self) -> int:
        """Tokens along one side of the image, H/P."""
        return self.image_size // self.patch_size

    @property
    def tokens(self) -> int:
        """Tokens of an image, N = (H/P)^2."""
        return self.grid**2

    @property
    def context_tokens(self) -> int:
        """Largest number M of tokens of time and condition: one for time, and one for a
        label, or caption_length and its coarser tokens. Where time enters another way,
        only those of the condition.
        """
        words = (self.caption_length or 1) + self.coarse_tokens
        return words + (self.conditioning not in ("adaln_zero_cross", "joint"))

    @property
    def coarse_tokens(self) -> int:
        """Largest number of tokens that are means of others, over all scales."""
        return sum(math.ceil(self.caption_length / s) for s in self.token_scales)

    @property
    def prefix(self) -> int:
        """Largest number of tokens in front of the image's: time and condition in
        context, or the condition alone in a stream of its own.
        """
        before = self.conditioning in ("in_context", "joint")
        return self.context_tokens if before else 0

    @property
    def head_width(self) -> int:
        """Width of one head, d_h = D/h."""
        return self.width // self.heads

    @property
    def _base_heads(self) -> int:
        return self.base_heads or self.heads

    @property
    def logit_scale(self) -> float:
        """Factor on the products of queries and keys: 1/sqrt(d_h), or with muP the
        multiple of 1/d_h that equals it at the base width (2203.03466 def. 4.1).
        """
        if self.base_width is None:
            return self.head_width**-0.5
        return (self.base_width / self._base_heads) ** 0.5 / self.head_width

    @property
    def hidden(self) -> int:
        """Hidden width of the MLP to the nearest whole number, halves up: mlp_ratio D,
        or two thirds of that where its first layer is twice as wide.
        """
        share = 2 / 3 if self.mlp == "swiglu" else 1
        return math.floor(self.width * self.mlp_ratio * share + 0.5)

    @property
    def out_channels(self) -> int:
        """Channels that the network returns: C, or 2C with a learned variance."""
        return self.channels * (2 if self.learn_variance else 1)

    def to_dict(self) -> dict:
        """The configuration as plain JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: dict) -> Self:
        """The configuration that `to_dict` wrote; raises ConfigError for a field
        that this version does not know.
        """
        return cls(**known_fields(cls, values, "a model"))
