"""What a model refuses, with the way out in the message."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from ..config import DiTConfig
from ..config.captions import encode
from .conditions import CONDITIONS, PADDING

_values_are_checked = ContextVar("values_are_checked", default=True)


def check_inputs(
    config: DiTConfig,
    x: Tensor,
    t: Tensor,
    y: Tensor,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Raise ValueError or TypeError, saying what to pass instead, unless (x, t, y)
    fit a model with weights of `dtype`.

    Types and shapes are always checked, values only where they are at hand, since
    reading them from a GPU means waiting for it. On a GPU `sample` and `Dataset` have
    checked them, as they have inside `shapes_only`.
    """
    C, S = config.channels, config.image_size
    for name, value in dict(x=x, t=t, y=y).items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} is a {type(value).__name__}; pass a torch.Tensor")
    if x.ndim != 4:
        raise ValueError(
            f"x has shape {tuple(x.shape)}; pass a batch of images (B, {C}, {S}, "
            f"{S}), one image as x[None]"
        )
    B = x.shape[0]
    if x.shape[1] != C:
        raise ValueError(
            f"x has {x.shape[1]} channels, this model has channels={C}; pass "
            f"images of shape ({B}, {C}, {S}, {S})"
        )
    if x.shape[2:] != (S, S):
        raise ValueError(
            f"x is {x.shape[2]}x{x.shape[3]}, this model has image_size={S}; for "
            "another size use dit_lite.model.resize(model, size)"
        )
    if not x.is_floating_point():
        raise TypeError(
            f"x has dtype {x.dtype}; pass floats in [-1,1], for example "
            "x.float() / 127.5 - 1 for bytes"
        )
    if x.dtype != dtype and not torch.is_autocast_enabled(x.device.type):
        raise TypeError(
            f"x has dtype {x.dtype}, the weights of this model {dtype}; pass "
            f"x.to({dtype})"
        )
    if not t.is_floating_point():
        raise TypeError(
            f"t has dtype {t.dtype}; pass floats in [0,1] (step i of 1000 is t = "
            "i/1000)"
        )
    if t.shape != (B,):
        raise ValueError(
            f"t has shape {tuple(t.shape)} for a batch of {B} images; pass one time "
            f"for each, shape ({B},)"
        )
    check_shape(config, y, B)
    if B and at_hand(t):
        low, high = t.aminmax()
        if not (low >= 0 and high <= 1):
            raise ValueError(
                f"t={(low if not low >= 0 else high).item():g} is outside [0,1]; "
                "0 is data, 1 is noise (step i of 1000 is t = i/1000)"
            )
    if B and at_hand(y):
        CONDITIONS[config.condition].check_values(config, y)


def at_hand(value: Tensor) -> bool:
    """Whether the values can be read without waiting: not on a GPU, not while a graph
    is traced, not from a subclass of Tensor, and not in a training step.
    """
    return (
        value.device.type == "cpu"
        and type(value) is Tensor
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
        and _values_are_checked.get()
    )


@contextmanager
def shapes_only() -> Iterator[None]:
    """Inside, models do not check values: for training steps, whose labels the data set
    has checked, and whose times were drawn from [0,1].
    """
    token = _values_are_checked.set(False)
    try:
        yield
    finally:
        _values_are_checked.reset(token)


def read_condition(config: DiTConfig, given, name: str = "labels") -> Tensor:
    """The conditions that a caller passes, numbers in a list or an array, or captions
    as strings, as a tensor y on the CPU; for several conditions a dict, {name: one for
    each image}, from which those that are not wanted are left out. Raises TypeError or
    ValueError, naming what is wrong.
    """
    kind = CONDITIONS[config.condition]
    if isinstance(given, Mapping):
        given = _side_by_side(config, given, name)
    if isinstance(given, str) or (isinstance(given, (list, tuple)) and given):
        given = _in_numbers(config, given, name)
    try:
        y = torch.as_tensor(given)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TypeError(
            f"{name}={given!r} are not numbers; pass {kind.one} for each image"
        ) from None
    if y.numel() == 0:
        raise ValueError(f"{name} are empty; pass {kind.one} for each image you want")
    whole = not (y.is_floating_point() or y.is_complex() or y.dtype == torch.bool)
    if whole != (kind.dtype == torch.int64):
        raise TypeError(f"{name} have dtype {y.dtype}; pass {kind.one} for each image")
    if y.dtype == torch.uint64:  # what int64 cannot hold comes out negative
        y = y.long()
        y = torch.where(y < 0, torch.iinfo(torch.int64).max, y)
    y = y.to(kind.dtype)
    check_shape(config, y, len(y) if y.ndim else 1, name)
    kind.check_values(config, y)
    return y


def _in_numbers(config: DiTConfig, given, name: str):
    """Captions as rows of word ids; anything else as it is."""
    if isinstance(given, str):
        raise TypeError(f"{name}={given!r} is one string; pass a list, [{given!r}]")
    if not any(isinstance(one, str) for one in given):
        return given
    if config.condition != "caption":
        raise TypeError(
            f"{name}={given!r} are strings, and this model takes condition="
            f"{config.condition!r}; pass {CONDITIONS[config.condition].one} for each "
            "image"
        )
    if config.caption_parts:
        raise TypeError(
            f"{name}={given!r} are strings, and this model has several conditions; "
            f"pass a dict with a list for each of: {', '.join(config.conditions)}"
        )
    _need_words(config, name)
    return [encode(one, config.words, config.caption_length) for one in given]


def _need_words(config: DiTConfig, name: str) -> None:
    if not config.words:
        raise TypeError(
            f"{name} are strings, and this model does not say which word has which id "
            "(DiTConfig.words is empty); pass rows of word ids"
        )


def _side_by_side(config: DiTConfig, given: Mapping, name: str) -> list[list[int]]:
    """Several conditions as rows of word ids, each in its own place."""
    parts = config.conditions if config.caption_parts else {}
    if other := [one for one in given if one not in parts]:
        known = ", ".join(parts) or "none, since it has a single condition"
        raise ValueError(
            f"{name} has the condition {other[0]!r}, which this model does not have; "
            f"its names are: {known}"
        )
    counts = {one: len(some) for one, some in given.items()}
    if len(set(counts.values())) != 1:
        raise ValueError(
            f"{name} has {counts or 'no'} conditions; pass as many of each as you want "
            "images"
        )
    rows = [[PADDING] * config.caption_length for _ in range(max(counts.values()))]
    for one, some in given.items():
        where, length = parts[one], config.caption_parts.count(one)
        for i, said in enumerate(some):
            if isinstance(said, str):
                _need_words(config, f"{name}[{one!r}]")
                said = encode(said, config.words, length)
            ids = [int(word) for word in torch.as_tensor(said).reshape(-1)]
            if len(ids) > length:
                raise ValueError(
                    f"{name}[{one!r}][{i}] has {len(ids)} tokens, but at most "
                    f"{length} fit"
                )
            rows[i][where] = ids + [PADDING] * (length - len(ids))
    return rows


def check_shape(config: DiTConfig, y: Tensor, B: int, name: str = "y") -> None:
    """Raise TypeError or ValueError unless y has the type and the shape of B
    conditions. Reads no values, so it never waits for a GPU.
    """
    kind = CONDITIONS[config.condition]
    sizes, floats = kind.shape(config), kind.dtype.is_floating_point
    if y.dtype != kind.dtype and not (floats and y.is_floating_point()):
        raise TypeError(
            f"{name} has dtype {y.dtype}; pass {kind.one} for each image, of dtype "
            f"{kind.dtype}: {name}.{'float' if floats else 'long'}()"
        )
    if (
        y.ndim != 1 + len(sizes)
        or y.shape[0] != B  # not len, which is unknown for a traced batch
        or not all(n in allowed for n, allowed in zip(y.shape[1:], sizes, strict=True))
    ):
        most = ", ".join(map(str, [B, *(allowed[-1] for allowed in sizes)]))
        raise ValueError(
            f"{name} has shape {tuple(y.shape)} for a batch of {B} images; pass "
            f"{kind.one} for each, shape ({most if sizes else f'{B},'})"
            + (f" with at most {sizes[0][-1]} rows M" if sizes else "")
        )
