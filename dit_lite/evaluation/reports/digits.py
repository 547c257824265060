"""The report card of a digits model: accuracy under the judge, precision and recall,
and the same for real digits.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ...data import digits
from ...diffusion import sample
from ...model.dit import DiT
from ..networks.judge import load_judge
from ..scores.accuracy import class_accuracy
from ..scores.precision_recall import precision_recall


@dataclass(frozen=True)
class DigitsReport:
    """Scores of generated digits. `real_*` are the scores of real digits against other
    real digits; a share is the ratio of the two.
    """

    accuracy: float
    worst_class: float
    precision: float
    recall: float
    real_precision: float
    real_recall: float
    samples: int
    guidance: float
    steps: int
    sampler: str
    seed: int

    @property
    def precision_share(self) -> float:
        return self.precision / self.real_precision

    @property
    def recall_share(self) -> float:
        return self.recall / self.real_recall

    def to_dict(self) -> dict:
        """All fields and both shares."""
        return asdict(self) | {
            "precision_share": self.precision_share,
            "recall_share": self.recall_share,
        }


def real_images(split: str) -> tuple[Tensor, Tensor]:
    """Real digits (n, 1, 8, 8) in [-1,1] and their labels (n,)."""
    data = digits(split)
    return data.floats(), torch.from_numpy(data.labels)


@torch.no_grad()
def evaluate_digits(
    model: DiT,
    per_class: int = 100,
    guidance: float = 1.5,
    steps: int = 25,
    sampler: str = "heun",
    seed: int = 0,
    halvings: int = 5,
    **options,
) -> DigitsReport:
    """Sample `per_class` images of each class and score them.

    Precision and recall compare samples with a random half of the training digits, in
    equal numbers and in the judge's features, over `halvings` random halves; for the
    real-against-real scores the other half takes the samples' place; `options` are
    further options of `sample`, such as `start`. Raises ValueError for a model of other
    images.
    """
    size, channels, classes = (
        model.config.image_size,
        model.config.channels,
        model.config.num_classes,
    )
    if (size, channels, classes) != (8, 1, 10):
        raise ValueError(
            f"this model makes {size}x{size}x{channels} images of {classes} classes; "
            "the judge takes 8x8x1 digits of 10"
        )
    if per_class < 1:
        raise ValueError(f"per_class={per_class} must be at least 1")
    judge = load_judge()
    # 0..9, 0..9, ...: any prefix is balanced
    labels = torch.arange(10).repeat(per_class)
    images = sample(
        model, labels, steps=steps, guidance=guidance, sampler=sampler, seed=seed,
        **options,
    ).cpu()  # fmt: skip
    accuracy, by_class = class_accuracy(judge, images, labels, 10)
    made, real = judge.features(images), judge.features(real_images("train")[0])
    generator = torch.Generator().manual_seed(0)
    n = min(len(real) // 2, len(made))
    scores = []
    for _ in range(halvings):
        order = torch.randperm(len(real), generator=generator)
        half, other = real[order[:n]], real[order[n : 2 * n]]
        scores.append(
            (*precision_recall(half, made[:n]), *precision_recall(half, other))
        )
    mean = torch.tensor(scores).mean(0).tolist()
    return DigitsReport(
        accuracy,
        by_class.min().item(),
        *mean,
        len(labels),
        guidance,
        steps,
        sampler,
        seed,
    )
