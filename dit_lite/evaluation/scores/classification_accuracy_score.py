"""What can be learned from the samples: a classifier trained on them alone, tested
on real images.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...config.arguments import checked
from ...data import Dataset
from ...data.pixels import to_bytes
from ..inputs import class_labels, finite, image_batch
from ..networks.classifier import train_classifier
from ..networks.judge import train_judge
from .intervals import Interval, share

#: A learner: images (n, C, H, W) in [-1,1], their labels (n,) and a seed -> a
#: classifier that gives logits.
Learner = Callable[[Tensor, Tensor, int], nn.Module]


def _digits(images: Tensor, labels: Tensor, seed: int) -> nn.Module:
    return train_judge(200, seed, images, labels)


def _photographs(
    images: Tensor, labels: Tensor, seed: int, visits: int = 20_000
) -> nn.Module:
    """A third of the size of a judge, trained for the same number of images seen
    however many there are: about a minute on one core.
    """
    classes = int(labels.max()) + 1
    data = Dataset(
        "samples",
        to_bytes(images).numpy(),
        labels.numpy(),
        tuple(map(str, range(classes))),
        flip=True,
    )
    batch = min(100, len(data))
    return train_classifier(
        data, (32, 64, 128), max(1, round(visits / len(data))), batch, lr=0.1, seed=seed
    )


#: data set -> who learns from samples of it.
LEARNERS: dict[str, Learner] = {
    "digits": _digits,
    "cifar10": _photographs,
    "imagenet64": _photographs,
}


@checked
def classification_score(
    learner: Learner,
    images: Tensor,
    labels: Tensor,
    real: Tensor,
    real_labels: Tensor,
    seed: int = 0,
) -> Interval:
    """The classification accuracy score: train `learner` on generated images, and count
    how many real ones it gets right.

    images (n, C, H, W) in [-1,1] were made for the classes labels (n,); real (m, C, H,
    W) and real_labels (m,) are held-out images. The accuracy of samples asks whether
    they look like their class, which one perfect image per class would achieve; this
    asks whether they cover what the class can look like. Images with NaN are left out.
    Raises ValueError or TypeError for images of another size or range, labels that do
    not fit, and a class of `real_labels` without samples. Source: 1905.10887.
    """
    images, real = image_batch(images), image_batch(real)
    if images.shape[1:] != real.shape[1:]:
        raise ValueError(
            f"samples have shape {tuple(images.shape[1:])}, real images "
            f"{tuple(real.shape[1:])}; both need the same size and number of channels"
        )
    labels = class_labels(labels, len(images))
    real_labels = class_labels(real_labels, len(real), name="real_labels")
    kept, _ = finite(images)
    if absent := sorted(set(real_labels.tolist()) - set(labels[kept].tolist())):
        raise ValueError(
            f"there is no sample of class {absent[0]}, which the real images "
            f"have; make samples of all {len(real_labels.unique())} classes"
        )
    network = learner(images[kept], labels[kept], seed)
    with torch.no_grad():
        right = (
            torch.cat([network(batch).argmax(1) for batch in real.split(500)])
            == real_labels
        )
    return share(right)
