"""What the statistics accept: features (n, d), class probabilities (n, K), images in
[-1,1], and nothing that is not a number.
"""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from ..config.arguments import checked


def feature_pair(real: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
    """Features of two sets of images, (n, d) and (m, d), in float64 on one device.

    Raises ValueError when their sizes differ or either contains NaN or infinity.
    """
    real, made = torch.as_tensor(real), torch.as_tensor(made)
    if real.ndim != 2 or made.ndim != 2 or real.shape[1] != made.shape[1]:
        raise ValueError(
            f"features have shapes {tuple(real.shape)} and {tuple(made.shape)}; "
            "expected (n, F) and (m, F) from one extractor"
        )
    real, made = real.to(made.device, torch.float64), made.double()
    for name, values in (("real", real), ("made", made)):
        _refuse_not_finite(f"{name} features", values)
    return real, made


def class_probabilities(probabilities: Tensor) -> Tensor:
    """Probabilities (n, K) of K classes, in float64. Raises ValueError unless each
    row is a distribution over at least two classes.
    """
    p = torch.as_tensor(probabilities).double()
    if p.ndim != 2 or len(p) < 1 or p.shape[1] < 2:
        raise ValueError(
            f"probabilities have shape {tuple(p.shape)}; expected (n, K), one row per "
            "image, with at least two classes"
        )
    _refuse_not_finite("probabilities", p)
    if p.min() < 0 or (p.sum(1) - 1).abs().max() > 1e-3:
        raise ValueError(
            f"an image's probabilities lie in [{p.min():.3g}, {p.max():.3g}] and do "
            "not sum to 1; pass logits.softmax(1)"
        )
    return p / p.sum(1, keepdim=True)


def image_batch(images: Tensor) -> Tensor:
    """Images (n, C, H, W), floats in [-1,1]; non-finite values are let through, since
    `finite` counts them.

    Raises TypeError for bytes and ValueError for another shape or range; warns when no
    value is below 0, as for images in [0,1].
    """
    images = torch.as_tensor(images)
    if not images.is_floating_point():
        raise TypeError(
            f"images are {images.dtype}; expected floats in [-1,1]: "
            "images.float() / 127.5 - 1"
        )
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(
            f"images have shape {tuple(images.shape)}; expected (n, C, H, W) "
            "with at least one image"
        )
    low, high = images.nan_to_num(0, 0, 0).aminmax()
    if low < -1.001 or high > 1.001:
        way_out = (
            "these look like [0,255]: use images / 127.5 - 1"
            if low >= 0 and high > 2
            else "clip samples with images.clamp(-1, 1)"
        )
        raise ValueError(
            f"images lie in [{low:.4g}, {high:.4g}]; expected [-1,1]; {way_out}"
        )
    if low >= 0 and high > 0:
        warnings.warn(
            f"images lie in [{low:.4g}, {high:.4g}]; if that is the scale [0,1], "
            "use 2 * images - 1",
            stacklevel=2,
        )
    return images


def class_labels(
    labels: Tensor, images: int, num_classes: int | None = None, name: str = "labels"
) -> Tensor:
    """Labels (n,) of `images` images, whole numbers from 0, below `num_classes`. Raises
    TypeError for fractions and ValueError for another count or class.
    """
    labels = torch.as_tensor(labels)
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise TypeError(f"{name} are {labels.dtype}; pass class numbers")
    if labels.shape != (images,):
        raise ValueError(
            f"{name} have shape {tuple(labels.shape)}; expected ({images},), one per "
            "image"
        )
    wrong = labels[(labels < 0) | (labels >= (num_classes or torch.inf))]
    if len(wrong):
        raise ValueError(
            f"{name} hold {wrong[0].item()}; classes count from 0"
            + (f", and there are {num_classes}" if num_classes else "")
        )
    return labels


class Finite(NamedTuple):
    """The rows without NaN or infinity: `kept` (n,) bool says which, `lost` counts the
    rest. A report prints `lost`.
    """

    kept: Tensor
    lost: int


def finite(values: Tensor) -> Finite:
    """Which images or features (n, ...) are free of NaN and infinity. Raises ValueError
    when there are none.
    """
    kept = torch.as_tensor(values).flatten(1).isfinite().all(1)
    if not kept.any():
        raise ValueError(
            f"all {len(kept)} rows hold NaN or infinity; the model that made "
            "them has diverged: use an earlier checkpoint"
        )
    return Finite(kept, int((~kept).sum()))


@checked
def require_classes(labels: Tensor, reference: Tensor, num_classes: int) -> None:
    """Raise ValueError when `labels` (n,) contain a class outside the `num_classes`, or
    one of which `reference` (m,) has no image.
    """
    for name, given in {"labels": labels, "reference labels": reference}.items():
        class_labels(given, len(given), num_classes, name)
    if absent := sorted(set(labels.tolist()) - set(reference.tolist())):
        some = ", ".join(map(str, absent[:10])) + (", ..." if len(absent) > 10 else "")
        raise ValueError(
            f"the reference holds no image of class {some}; sample only the "
            "classes it has, or use a larger reference"
        )


def _refuse_not_finite(name: str, values: Tensor) -> None:
    lost = int((~values.isfinite().all(1)).sum())
    if lost:
        raise ValueError(
            f"{name} hold NaN or infinity in {lost} of {len(values)} rows; inspect the "
            "images they come from, and leave them out with `finite`, which counts "
            "them for the report"
        )
