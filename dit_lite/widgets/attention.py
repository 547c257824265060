"""The attention explorer: what a patch attends to, by layer, head and time; what
attends to it; and which words it attends to.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .arrays import (
    as_array,
    check_axes,
    check_pixels,
    check_shape,
    check_text,
    check_whole,
)
from .explorer import explorer, rows_of

Inputs = Mapping[str, Sequence]


def attention_explorer(
    images, attention, times, cross=None, words: Sequence[str] | None = None, *,
    patch: int | None = None, time: int | None = None, layer: int = 0,
    head: int | None = None, word: int | None = None,
    inputs: Inputs | None = None, start: int = 0, on: Mapping[str,
    Callable] | None = None,
):  # fmt: skip
    """Choose a patch of an image and see what it attends to, for every layer, head and
    time, or what attends to it.

    images (T, H, W) or (T, H, W, C) uint8 are what the model saw at `times` (T,);
    attention (T, L, h, N, N) is what `record_attention` returned there, stacked: rows
    that sum to 1, one for each of the N square patches, row by row. `cross` (T, L, h,
    N, M) with M `words` adds the patches' attention to condition tokens. `patch`,
    `time`, `layer` and `head`, counted from 0, are shown first: by default a patch and
    a time in the middle, and the mean over heads (head=None). With `word` the map of
    that word is shown first instead of the patch's. With a kernel, `on={"t": f}` makes
    the time a slider from 0 to 1, and `on={"input": f}` offers the choices `inputs` =
    {name: values}, of which number `start` is shown. The functions read `widget.t` and
    `widget.input` (an index into the values) and set `widget.shown =
    pack_attention(...)`. Raises ValueError or TypeError, naming the argument, before
    anything is drawn.
    """
    shown = pack_attention(images, attention, times, cross, words)
    T, L, h, N = shown["weights"].shape[:4]
    columns = shown["columns"]
    patch = (
        N // columns // 2 * columns + (columns - 1) // 2
        if patch is None
        else check_whole("patch", patch, 0, N - 1)
    )
    time = T // 2 if time is None else check_whole("time", time, 0, T - 1)
    on, inputs = dict(on or {}), _inputs(inputs)
    choices = len(inputs["values"]) if inputs else 1
    if word is not None and not words:
        raise ValueError(f"word={word!r} needs `cross` and `words`; give all three")
    if inputs and "input" not in on:
        raise ValueError(
            'inputs needs on={"input": function}: the attention of another input '
            "is computed by a kernel"
        )
    return explorer(
        "attention", on,
        label="Explorer: where a patch looks, by layer, head and time",
        height=_height(shown, inputs),
        shown=shown, inputs=inputs, t=shown["times"][time], patch=patch,
        input=check_whole("start", start, 0, choices - 1),
        layer=check_whole("layer", layer, 0, L - 1),
        head=h if head is None else check_whole("head", head, 0, h - 1),
        view="from" if word is None else "word",
        word=0 if word is None else check_whole("word", word, 0, len(words) - 1),
    )  # fmt: skip


def pack_attention(
    images, attention, times, cross=None, words: Sequence[str] | None = None
) -> dict:
    """What `attention_explorer` shows, checked and compressed: the value of
    `widget.shown`. Arguments and errors as in `attention_explorer`.

    Weights are stored as bytes, each row scaled by its largest weight, which is kept: a
    weight is off by at most 1/510 of it, 0.2 percentage points. Entropy in bits, mean
    distance in patches and the attention received are computed from the exact weights,
    for each head and for the mean over heads (the last): (T, L, h+1, N). A word
    receives the mean over patches, a patch the sum.
    """
    images = check_pixels("images", images, (), "T")
    T, H, W = images.shape[:3]
    times = as_array("times", times)
    if (
        times.shape != (T,)
        or times.dtype.kind not in "fiu"
        or not np.isfinite(times).all()
        or len(np.unique(times)) < T
    ):
        raise ValueError(
            f"times has shape {times.shape} and dtype {times.dtype}; expected {T} "
            "finite numbers, one per image, all different"
        )
    attention = _weights("attention", attention)
    if (
        attention.ndim != 5
        or attention.shape[0] != T
        or attention.shape[-1] != attention.shape[-2]
    ):
        raise ValueError(
            f"attention has shape {attention.shape}; expected (T, L, h, N, N) "
            f"with T = {T}, the number of images"
        )
    L, h, N = attention.shape[1:4]
    side = math.isqrt(H * W // N)
    if side * side * N != H * W or H % side or W % side:
        raise ValueError(
            f"attention has N = {N}; an image of {H} x {W} cannot be cut into "
            f"{N} square patches: drop tokens that are no patches first"
        )
    if (cross is None) != (words is None):
        raise ValueError("cross and words belong together; give both or neither")
    if cross is not None:
        if isinstance(words, str) or not isinstance(words, Sequence) or not words:
            raise ValueError(f"words={words!r}; expected a list of at least one word")
        words = [
            check_text(f"words[{i}]", word, inline=False)
            for i, word in enumerate(words)
        ]
        cross = _weights("cross", cross)
        check_shape(
            "cross",
            cross,
            (T, L, h, N, len(words)),
            "T, L, h and N as attention, and the number of words",
        )
    place = np.stack(np.mgrid[: H // side, : W // side], -1).reshape(N, 2)
    # (N, N), in patches
    distance = np.linalg.norm(place[:, None] - place[None], axis=-1)
    return {
        "images": images, "times": [float(t) for t in times],
        "columns": W // side, **_small(attention),
        "distance": (_with_mean(attention) * distance).sum(-1).astype(np.float32),
        "received": _with_mean(attention).sum(-2).astype(np.float32),
        "words": words or [],
        "cross": None if cross is None else {**_small(cross),
        "received": _with_mean(cross).mean(-2).astype(np.float32)},
    }  # fmt: skip


def _weights(name: str, value) -> np.ndarray:
    array = as_array(name, value)
    if array.dtype.kind != "f":
        raise TypeError(
            f"{name} has dtype {array.dtype}; expected floating-point weights"
        )
    if array.ndim < 2 or 0 in array.shape:
        raise ValueError(
            f"{name} has shape {array.shape}: there are no rows of weights in it"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite")
    array = array.astype(np.float64)
    sums = array.sum(-1)
    if array.min() < 0 or np.abs(sums - 1).max() > 1e-3:
        raise ValueError(
            f"{name} has weights from {array.min():.3g} and rows that sum to "
            f"{sums.min():.4g} to {sums.max():.4g}; expected no weight below 0, "
            "and rows that sum to 1 (see record_attention)"
        )
    return array


def _with_mean(weights: np.ndarray) -> np.ndarray:
    """(T, L, h, ...) -> (T, L, h+1, ...): the heads, and their mean."""
    return np.concatenate([weights, weights.mean(2, keepdims=True)], axis=2)


def _small(weights: np.ndarray) -> dict[str, np.ndarray]:
    """Bytes, the largest weight of each row, and the entropy of each row in bits."""
    peaks, all_heads = weights.max(-1), _with_mean(weights)
    entropy = -(all_heads * np.log2(np.where(all_heads > 0, all_heads, 1))).sum(-1)
    scaled = np.rint(255 * weights / peaks[..., None]).astype(np.uint8)
    return {
        "weights": scaled,
        "peaks": peaks.astype(np.float32),
        "entropy": entropy.astype(np.float32),
    }


def _inputs(inputs: Inputs | None) -> dict | None:
    if inputs is None:
        return None
    choices = check_axes(inputs, "inputs")
    if len(choices) != 1:
        raise ValueError(f"inputs={inputs!r}; expected one choice, {{name: values}}")
    return dict(zip(("name", "values"), choices[0], strict=True))


def _height(shown: dict, inputs: dict | None) -> tuple[str, str]:
    """Room for the controls, the pictures, the strip of maps, the numbers and the
    words, on pages 700 and 350 pixels wide.
    """
    T, L, h, N = shown["weights"].shape[:4]
    tall, maps = N / shown["columns"] ** 2, h + 1  # of a picture, relative to its width
    strip, words = 20 + 47 * maps, shown["words"]
    choices = (
        [60 + 10 * len(value) for value in [" ".join(inputs["values"])]]
        if inputs
        else []
    )
    groups = [*choices, 65 + 44 * T if T <= 8 else 300, 445 if words else 270]

    beside = (
        f"max({tall:.3g} * (50cqi - {(strip + 78) // 2}px), "
        f"{(44 * tall + 3) * L + 16:.0f}px)"
    )
    wide = beside if h <= 5 else f"{256 * tall + (44 * tall + 3) * L + 45:.0f}px"
    phone = (
        f"{tall:.3g} * (50cqi - 20px) + {L} * (3px + {tall:.3g} * min(54px, "
        f"(100cqi - 42px) / {maps}))"
    )
    lines = [
        -(-sum(24 + 9 * max(len(word), 3) for word in words) // room)
        for room in (680, 320)
    ]
    base = [
        48 * rows_of(groups, room, 22)
        + (22 if T <= 8 else 0)
        + 54 * count
        + (42 if words else 0)
        for room, count in zip((690, 335), lines, strict=True)
    ]
    return f"{base[0] + 240}px + {wide}", f"{base[1] + 510}px + {phone}"
