"""What an image is made from: its class, the words of a caption, or the features of a
text encoder.

Each kind is one class: what y looks like, what "no condition" is, and, as a module,
how y becomes tokens and a vector. Training, guidance and analysis call the functions
below and never look into y themselves.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import DiTConfig

PADDING = 0  # of word ids and of features; nothing but padding is "no condition"


class Embedded(NamedTuple):
    """A condition for the blocks: one `vector` (B, D), `tokens` (B, M, D), and their
    `mask` (B, M) bool, False where there is padding; None where there is none.
    """

    vector: Tensor
    tokens: Tensor
    mask: Tensor | None = None


class Label(nn.Embedding):
    """Class numbers, y (B,) int64, with K for "no class". The table has K rows, and
    one more for "no class" (2207.12598).
    """

    dtype, some, one = torch.int64, 0, "one whole class number"

    def __init__(self, config: DiTConfig):
        super().__init__(config.num_classes + config.null_class, config.width)

    def initialise(self) -> None:
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, y: Tensor) -> Embedded:
        vector = super().forward(y)  # (B, D)
        return Embedded(vector, vector[:, None])

    @staticmethod
    def shape(config: DiTConfig) -> tuple[range, ...]:
        return ()

    @staticmethod
    def null(config: DiTConfig) -> int:
        return config.num_classes

    @staticmethod
    def check_values(config: DiTConfig, y: Tensor) -> None:
        K = config.num_classes
        wrong = y[(y < 0) | (y >= K + config.null_class)]
        if len(wrong):
            null = (
                f", or {K} for 'no class'"
                if config.null_class
                else " (it was trained without a null class)"
            )
            raise ValueError(
                f"label {wrong[0].item()} is out of range; this model has the "
                f"classes 0 to {K - 1}{null}"
            )


class Caption(nn.Module):
    """Captions as word ids, y (B, M) int64, with 0 for padding and nothing but padding
    for "no caption". M is at most caption_length.

    A token is a word plus its position in the caption; the vector is their mean. Row 0
    of the table is the only token that is seen when there is no caption.
    """

    dtype, some, one = torch.int64, 1, "one row of word ids"

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.word = nn.Embedding(config.vocab_size, config.width)
        self.place = nn.Parameter(torch.empty(config.caption_length, config.width))
        self.coarse = coarse_tokens(config)

    def initialise(self) -> None:
        nn.init.normal_(self.word.weight, std=0.02)
        nn.init.normal_(self.place, std=0.02)
        self.coarse.initialise()

    def forward(self, y: Tensor) -> Embedded:
        tokens = self.word(y) + self.place[: y.shape[1]]  # (B, M, D)
        mask = never_empty(y != PADDING)  # (B, M)
        return Embedded(mean_token(tokens, mask), *self.coarse(tokens, mask))

    @staticmethod
    def shape(config: DiTConfig) -> tuple[range, ...]:
        most = config.caption_length
        # several conditions are told apart by position, so none may be cut off
        return (range(most if config.caption_parts else 1, most + 1),)

    @staticmethod
    def null(config: DiTConfig) -> int:
        return PADDING

    @staticmethod
    def check_values(config: DiTConfig, y: Tensor) -> None:
        wrong = y[(y < 0) | (y >= config.vocab_size)]
        if len(wrong):
            raise ValueError(
                f"word id {wrong[0].item()} is out of range; this model has the ids "
                f"1 to {config.vocab_size - 1}, and 0 for padding"
            )
        refuse_null(config, y)


class Features(nn.Module):
    """The output of a text encoder, y (B, M, E) floats, with a row of zeros for
    padding and nothing but zeros for "no text"; multiply them by the encoder's mask.
    M is at most caption_length.

    A token is one linear map of a row; the vector is their mean. One learned token
    takes their place when there is no text.
    """

    dtype, some, one = torch.float32, 1.0, "one (M, E) matrix"

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.project = nn.Linear(config.feature_width, config.width)
        self.null_token = nn.Parameter(torch.empty(config.width))
        self.coarse = coarse_tokens(config)

    def initialise(self) -> None:
        nn.init.normal_(self.null_token, std=0.02)
        self.coarse.initialise()

    def forward(self, y: Tensor) -> Embedded:
        mask = (y != PADDING).any(-1)  # (B, M)
        tokens = torch.where(
            mask.any(1)[:, None, None],
            self.project(y.to(self.project.weight.dtype)),
            self.null_token,
        )  # (B, M, D)
        mask = never_empty(mask)
        return Embedded(mean_token(tokens, mask), *self.coarse(tokens, mask))

    @staticmethod
    def shape(config: DiTConfig) -> tuple[range, ...]:
        E = config.feature_width
        return range(1, config.caption_length + 1), range(E, E + 1)

    @staticmethod
    def null(config: DiTConfig) -> float:
        return float(PADDING)

    @staticmethod
    def check_values(config: DiTConfig, y: Tensor) -> None:
        if not y.isfinite().all():
            raise ValueError(
                "the features contain NaN or infinity; a padding row holds only zeros"
            )
        refuse_null(config, y)


class CoarseTokens(nn.Module):
    """Means over windows of tokens, side by side with the tokens: tokens (B, M, D) and
    mask (B, M) -> both with more columns, one scale after the other. Each scale has a
    learned vector that marks its tokens; padding is left out of the means.
    """

    def __init__(self, scales: tuple[int, ...], width: int):
        super().__init__()
        self.scales = scales
        self.scale = nn.Parameter(torch.empty(1 + len(scales), width))

    def initialise(self) -> None:
        nn.init.normal_(self.scale, std=0.02)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        found, seen = [tokens + self.scale[0]], [mask]
        for own, s in zip(self.scale[1:], self.scales, strict=True):
            short = -tokens.shape[1] % s  # what the last window lacks
            windows = F.pad(tokens, (0, 0, 0, short)).unflatten(1, (-1, s))
            inside = F.pad(mask, (0, short)).unflatten(1, (-1, s))  # (B, M / s, s)
            count = inside.sum(-1, keepdim=True).clamp(min=1)
            found.append((windows * inside[..., None]).sum(2) / count + own)
            seen.append(inside.any(-1))
        return torch.cat(found, 1), torch.cat(seen, 1)


class NoCoarseTokens(nn.Module):
    """Tokens as they are."""

    def initialise(self) -> None:
        pass

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return tokens, mask


def coarse_tokens(config: DiTConfig) -> CoarseTokens | NoCoarseTokens:
    """What adds a model's coarser tokens, if it has any."""
    if not config.token_scales:
        return NoCoarseTokens()
    return CoarseTokens(config.token_scales, config.width)


#: One entry per kind of condition, under the names of `DiTConfig.condition`.
CONDITIONS = {"label": Label, "caption": Caption, "features": Features}


def null_like(config: DiTConfig, y: Tensor) -> Tensor:
    """ "No condition" for as many images as y has: a tensor like y."""
    return torch.full_like(y, CONDITIONS[config.condition].null(config))


def is_null(config: DiTConfig, y: Tensor) -> Tensor:
    """Which images of y have "no condition": (B,) bool."""
    return (y == CONDITIONS[config.condition].null(config))[..., None].flatten(1).all(1)


def drop(
    config: DiTConfig, y: Tensor, dropped: Tensor, name: str | None = None
) -> Tensor:
    """y with "no condition" for the images where `dropped` (B,) is True, which trains
    the unconditional model of guidance (2207.12598 alg. 1). Of several conditions, all
    are dropped, or only the one called `name` (2211.09800 sec. 3.2.1).
    """
    where = dropped.view(-1, *[1] * (y.ndim - 1))
    if name is not None and config.caption_parts:
        own = torch.zeros(config.caption_length, dtype=torch.bool, device=y.device)
        own[config.conditions[name]] = True
        where = where & own  # (B, M)
    return y.masked_fill(where, CONDITIONS[config.condition].null(config))


def rungs(config: DiTConfig, y: Tensor) -> list[Tensor]:
    """The conditions that guidance compares, from least to most: "no condition", the
    first of several conditions alone, the first two, and so on up to y itself.
    """
    found, everywhere = [y], torch.ones(len(y), dtype=torch.bool, device=y.device)
    for name in reversed(config.conditions):
        found.append(drop(config, found[-1], everywhere, name))
    return found[::-1]


def any_condition(
    config: DiTConfig, n: int, device: str | torch.device = "cpu"
) -> Tensor:
    """A condition y of n images, all the same and of the greatest length, for counting
    and timing, where its values do not matter.
    """
    kind = CONDITIONS[config.condition]
    sizes = [allowed[-1] for allowed in kind.shape(config)]
    return torch.full((n, *sizes), kind.some, dtype=kind.dtype, device=device)


def refuse_null(config: DiTConfig, y: Tensor) -> None:
    """Raise ValueError when y has a "no condition" that the model never learned."""
    if not config.null_class and is_null(config, y).any():
        raise ValueError(
            f"the {config.condition} of image {is_null(config, y).nonzero()[0].item()} "
            "is nothing but padding, and this model was trained without a null"
        )


def never_empty(mask: Tensor) -> Tensor:
    """`mask` (B, M) bool, with the first token visible where no other is."""
    first = torch.arange(mask.shape[1], device=mask.device) == 0  # (M,)
    return mask | (first & ~mask.any(1, keepdim=True))


def mean_token(tokens: Tensor, mask: Tensor) -> Tensor:
    """The mean of the tokens (B, M, D) where `mask` (B, M) is True: (B, D)."""
    return (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
