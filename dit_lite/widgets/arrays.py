"""What the explorers and figures accept: arrays, checked before anything is drawn."""

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from html.parser import HTMLParser

import numpy as np

INLINE = ("em", "code", "sub")
ALLOWED = "only <em>, <code> and <sub>, without attributes, are allowed"


def as_array(name: str, value) -> np.ndarray:
    """A numpy array from an array, a nested list or a tensor on any device;
    TypeError for anything else.
    """
    if hasattr(value, "detach"):  # a tensor, without importing torch
        value = (
            value.detach().cpu().float().numpy()
            if value.is_floating_point()
            else value.detach().cpu().numpy()
        )
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{name} is not an array: its rows differ in length") from error
    if array.dtype.kind not in "biufU":
        raise TypeError(
            f"{name} holds {array.dtype} values of type {type(value).__name__}; "
            "expected an array of numbers"
        )
    return array


def check_shape(
    name: str, array: np.ndarray, expected: tuple[int, ...], meaning: str
) -> None:
    """ValueError unless `array` has exactly the expected shape."""
    if array.shape != expected:
        raise ValueError(
            f"{name} has shape {array.shape}; expected {expected} ({meaning})"
        )


def check_number(
    name: str, value, low: float = -math.inf, high: float = math.inf
) -> float:
    """A finite number with low <= value <= high, as a float."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(
            f"{name}={value!r} has type {type(value).__name__}; expected a number"
        )
    if not math.isfinite(value) or not low <= value <= high:
        raise ValueError(
            f"{name}={value!r} is out of range; expected a finite number from "
            f"{low:g} to {high:g}"
        )
    return float(value)


def check_whole(name: str, value, low: int, high: float = math.inf) -> int:
    """A whole number with low <= value <= high, as an int."""
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Integral)
        or not low <= value <= high
    ):
        raise ValueError(
            f"{name}={value!r} is out of range; expected a whole number "
            + (f"from {low} to {high}" if high < math.inf else f"of at least {low}")
        )
    return int(value)


def check_option(name: str, value, options: Iterable) -> int:
    """The index of a value among `options`."""
    options = list(options)
    if isinstance(value, bool) or np.ndim(value) or value not in options:
        raise ValueError(
            f"{name}={value!r} is not known; choose one of "
            f"{', '.join(map(str, options))}"
        )
    return options.index(value)


def check_mapping(name: str, value, expected: str) -> None:
    """TypeError unless `value` is a dict of what is `expected`, in words."""
    if not isinstance(value, Mapping):
        raise TypeError(
            f"{name} has type {type(value).__name__}; expected a dict{expected}"
        )


def check_text(name: str, value, inline: bool = True, empty: bool = False) -> str:
    """Text for the page. With `inline`, <em>, <code> and <sub> are allowed; anything
    else that looks like a tag is refused.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} has type {type(value).__name__}; expected text")
    if not empty and not value.strip():
        raise ValueError(f"{name} is empty; write a sentence")
    if inline:
        _Inline(name).check(value)
    return value


class _Inline(HTMLParser):
    def __init__(self, name: str):
        super().__init__()
        self.name, self.open = name, []

    def check(self, text: str) -> None:
        self.feed(text)
        self.close()
        if self.open:
            raise ValueError(
                f"{self.name} opens <{self.open[-1]}> and does not close it"
            )

    def handle_starttag(self, tag, attrs):
        if tag not in INLINE or attrs:
            raise ValueError(
                f"{self.name} contains {self.get_starttag_text()}; {ALLOWED}"
            )
        self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise ValueError(f"{self.name} closes </{tag}> where it is not open")

    def _refuse(self, text):
        raise ValueError(f"{self.name} contains {text!r}; {ALLOWED}")

    handle_comment = handle_decl = handle_pi = unknown_decl = _refuse


def check_images(name: str, images) -> np.ndarray:
    """Images (n, H, W) or (n, H, W, C), C = 1 or 3, finite values in [-1,1], as
    float32; a single channel is dropped.
    """
    images = as_array(name, images)
    if images.ndim not in (3, 4) or (
        images.ndim == 4 and images.shape[-1] not in (1, 3)
    ):
        raise ValueError(
            f"{name} has shape {images.shape}; expected (n, H, W) or (n, H, W, "
            "C) with C = 1 or 3"
        )
    if 0 in images.shape:
        raise ValueError(f"{name} has shape {images.shape}: there is no image in it")
    if images.dtype.kind != "f":
        raise TypeError(
            f"{name} has dtype {images.dtype}; expected floating-point values in [-1,1]"
        )
    if not np.isfinite(images).all() or np.abs(images).max() > 1:
        raise ValueError(
            f"{name} has values from {images.min():g} to {images.max():g}; "
            "expected finite values in [-1,1]"
        )
    images = images.astype(np.float32)
    return images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images


def check_axes(
    axes: Mapping[str, Sequence], what: str = "axes"
) -> list[tuple[str, list[str]]]:
    """The choices {name: values} as [(name, texts)]: at least one value per axis and no
    duplicates.
    """
    check_mapping(what, axes, " {name: values}")
    choices = []
    for name, values in axes.items():
        check_text(f"a name in {what}", name, inline=False)
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise TypeError(
                f"{what}[{name!r}] has type {type(values).__name__}; expected a "
                "list of values"
            )
        texts = [_written(value) for value in values]
        if not texts or len(set(texts)) < len(texts):
            raise ValueError(
                f"{what}[{name!r}] = {texts}; expected at least one value and no "
                "value twice"
            )
        choices.append((name, texts))
    return choices


def check_start(choices: list[tuple[str, list[str]]], start: Mapping) -> list[int]:
    """The index on each axis of `check_axes` of the values start = {axis: value}; 0 for
    an axis that start leaves out.
    """
    check_mapping("start", start, " {axis: value}")
    known = [name for name, _ in choices]
    for name in start:
        if name not in known:
            raise ValueError(
                f"start names the axis {name!r}; expected one of "
                f"{', '.join(known) or 'no axis'}"
            )
    index = []
    for name, values in choices:
        value = start.get(name, values[0])
        if _written(value) not in values:
            raise ValueError(
                f"start[{name!r}] = {value!r}; expected one of {', '.join(values)}"
            )
        index.append(values.index(_written(value)))
    return index


def _written(value) -> str:
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)


def check_pixels(name: str, value, lead: tuple[int, ...], count: str) -> np.ndarray:
    """uint8 pixels (*lead, count, H, W) or (*lead, count, H, W, C), C = 1 or 3;
    `count` names a free axis, and a single channel is dropped.
    """
    array, axes = as_array(name, value), len(lead)
    if array.dtype != np.uint8:
        raise TypeError(
            f"{name} has dtype {array.dtype}; expected uint8 pixels: to_pixels "
            "makes them from (..., C, H, W) in [-1,1]"
        )
    fits = array.ndim == axes + 3 or (
        array.ndim == axes + 4 and array.shape[-1] in (1, 3)
    )
    if not fits or array.shape[:axes] != lead or 0 in array.shape:
        expected = ", ".join([*map(str, lead), count, "H", "W"])
        raise ValueError(
            f"{name} has shape {array.shape}; expected ({expected}) or "
            f"({expected}, C) with C = 1 or 3"
        )
    return array[..., 0] if array.ndim == axes + 4 and array.shape[-1] == 1 else array


def to_pixels(images) -> np.ndarray:
    """Images (..., C, H, W) in [-1,1], clipped, as uint8 pixels: (..., H, W) for one
    channel, (..., H, W, 3) for three.

    Raises ValueError for another number of channels or values that are not finite,
    TypeError for values that are not floating-point.
    """
    images = as_array("images", images)
    if images.ndim < 3 or images.shape[-3] not in (1, 3):
        raise ValueError(
            f"images has shape {images.shape}; expected (..., C, H, W) with C = 1 or 3"
        )
    if images.dtype.kind != "f":
        raise TypeError(
            f"images has dtype {images.dtype}; expected floating-point values in [-1,1]"
        )
    if not np.isfinite(images).all():
        raise ValueError(
            "images has values that are not finite; expected values in [-1,1]"
        )
    pixels = np.rint((images.clip(-1, 1) + 1) * 127.5).astype(np.uint8)
    pixels = np.moveaxis(pixels, -3, -1)
    return pixels[..., 0] if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels)
