"""A named network whose features and class probabilities the scores are based on."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ...config import choose
from ...data import Dataset
from ...files.environment import page_is_built
from ...training.precision import pick_device
from ..inputs import finite, image_batch
from .classifier import load_classifier
from .inception import Inception
from .judge import FEATURES, load_judge


@dataclass(frozen=True)
class Extractor:
    """A frozen network that has `features`, images (B, C, H, W) in [-1,1] -> (B, d),
    and `head`, features -> logits (B, K).

    name: shown in tables. image_size: the H and W it takes, None if it resizes.
    channels C, dimension d, classes K.
    """

    name: str
    image_size: int | None
    channels: int
    dimension: int
    classes: int
    network: nn.Module

    def check(self, images: Tensor) -> Tensor:
        """The images, if this extractor accepts them; otherwise ValueError or TypeError
        says what it takes.
        """
        images = image_batch(images)
        n, channels, height, width = images.shape
        wrong_size = self.image_size is not None and (height, width) != (
            self.image_size,
            self.image_size,
        )
        if channels != self.channels or wrong_size:
            size = (
                f"{self.image_size}x{self.image_size}"
                if self.image_size
                else "any size"
            )
            raise ValueError(
                f"the extractor {self.name!r} takes images with {self.channels} "
                f"channels and {size}; got {n} with {channels} channels and "
                f"{height}x{width}; choose an extractor for these images, one of: "
                f"{', '.join(EXTRACTORS)}"
            )
        return images


class Extracted(NamedTuple):
    """An extractor's output: features (n, d), probabilities (n, K), on the CPU; `kept`
    (N,) bool over the N images, `lost` = N - n had NaN; `extractor` and `image_size`
    say which network was used, at which resolution.
    """

    features: Tensor
    probabilities: Tensor
    kept: Tensor
    lost: int
    extractor: str
    image_size: int


@torch.no_grad()
def extract(extractor: Extractor, images: Tensor, batch_size: int = 500) -> Extracted:
    """Features and class probabilities of images (N, C, H, W) in [-1,1], batch by
    batch.

    Images that contain NaN or infinity are left out and counted; drop their labels with
    `labels[kept]`, and print `lost`. Raises ValueError or TypeError for images of
    another size, number of channels, range or type, and when all are lost.
    """
    images = extractor.check(images)
    kept, lost = finite(images)
    device = next(extractor.network.parameters()).device
    features, logits = [], []
    for batch in images[kept].split(batch_size):
        features.append(extractor.network.features(batch.to(device)))
        logits.append(extractor.network.head(features[-1]))
    probabilities = torch.cat(logits).double().softmax(1).cpu()
    return Extracted(
        torch.cat(features).cpu(),
        probabilities,
        kept.cpu(),
        lost,
        extractor.name,
        images.shape[-1],
    )


def extract_real(
    extractor: Extractor, data: Dataset, batch_size: int = 500, progress: bool = False
) -> Extracted:
    """Features and class probabilities of a whole data set, of which only one batch at
    a time is held as floats. Raises what `extract` raises.
    """
    parts = []
    with (
        tqdm(
            total=len(data), desc=f"reading {data.name}", unit="image", leave=False,
            disable=not progress or page_is_built(),
        ) as bar,
        warnings.catch_warnings(),
    ):  # fmt: skip
        # a batch of bright pictures is not on the scale [0,1]: these were bytes
        warnings.filterwarnings("ignore", message="images lie in")
        for start in range(0, len(data), batch_size):
            images = data.floats(slice(start, start + batch_size))
            parts.append(extract(extractor, images, batch_size))
            bar.update(len(images))
    features, probabilities, kept, lost, name, size = zip(*parts, strict=True)
    return Extracted(
        torch.cat(features), torch.cat(probabilities), torch.cat(kept), sum(lost),
        name[0], size[0],
    )  # fmt: skip


def digits_judge() -> Extractor:
    """The digits judge that ships with dit_lite."""
    return Extractor("digits-judge", 8, 1, FEATURES, 10, load_judge())


def cifar10_judge() -> Extractor:
    """The CIFAR-10 classifier that ships with dit_lite; its 192 features are not the
    ones behind the FID that papers report.
    """
    return Extractor(
        "cifar10-judge",
        32,
        3,
        192,
        10,
        load_classifier("cifar10-judge", 3, 32, 10, (64, 160, 192)),
    )


def imagenet64_judge() -> Extractor:
    """The classifier of 100 ImageNet classes at 64x64 that ships with dit_lite; its 256
    features are not the ones behind the FID that papers report.
    """
    return Extractor(
        "imagenet64-judge",
        64,
        3,
        256,
        100,
        load_classifier("imagenet64-judge", 3, 64, 100, (48, 128, 256)),
    )


def inception() -> Extractor:
    """The Inception-v3 of FID, 2048 features, 1008 classes; it needs the extra
    `inception` and downloads its weights (95 MB) once.
    """
    return Extractor("inception-v3", None, 3, 2048, 1008, Inception())


#: Extractors by name. To add one, write a function that makes an Extractor, and add a
#: line here.
EXTRACTORS: dict[str, Callable[[], Extractor]] = {
    "digits-judge": digits_judge, "cifar10-judge": cifar10_judge,
    "imagenet64-judge": imagenet64_judge, "inception-v3": inception,
}  # fmt: skip


def load_extractor(name: str) -> Extractor:
    """The extractor with that name, frozen, on a GPU when there is one (`pick_device`).
    Raises ConfigError for an unknown name, ImportError when its extra is missing.
    """
    choose("extractor", name, EXTRACTORS)
    extractor = EXTRACTORS[name]()
    extractor.network.to(pick_device("auto"))
    return extractor
