"""The digits judge: a small classifier trained only on real digits, never on generated
ones.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...data import digits
from ...files.pretrained import shipped_network
from ...seeding import seeded

FEATURES = 64


class Judge(nn.Module):
    """Three convolutions on 8x8 digits: images (B, 1, 8, 8) in [-1,1] -> logits (B,
    10). `features` gives the 64 numbers before the last layer.
    """

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.GELU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.GELU(),
            nn.Conv2d(64, 64, 3, padding=1), nn.GELU(),
            nn.Flatten(), nn.Linear(64 * 16, FEATURES), nn.GELU(),
        )  # fmt: skip
        self.head = nn.Linear(FEATURES, 10)

    def features(self, images: Tensor) -> Tensor:
        """The judge's features of an image: (B, 1, 8, 8) -> (B, 64)."""
        return self.trunk(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.trunk(images))


def train_judge(
    steps: int = 1500,
    seed: int = 0,
    images: Tensor | None = None,
    labels: Tensor | None = None,
) -> Judge:
    """Train a judge on the training digits, each slightly rotated, scaled and shifted
    every time it is used (half a minute on two cores).

    images (n, 1, 8, 8) in [-1,1] and labels (n,) take the place of the digits: the
    accuracy of a judge trained on samples and tested on real digits is the
    classification accuracy score of 1905.10887.
    """
    if images is None or labels is None:
        data = digits("train")
        images, labels = (data.floats(), torch.from_numpy(data.labels))
    generator = torch.Generator().manual_seed(seed)
    with seeded(seed):
        judge = Judge()
    optimiser = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        index = torch.randint(len(images), (128,), generator=generator)
        loss = F.cross_entropy(
            judge(_jitter(images[index], generator)),
            labels[index],
            label_smoothing=0.05,
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return judge.eval().requires_grad_(False)


def _jitter(x: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate by up to 0.2 rad, scale by up to 12 %, shift by up to 0.6 pixels."""
    angle, scale, across, down = (
        torch.rand(len(x), generator=generator) * 2 - 1 for _ in range(4)
    )
    angle, scale = 0.2 * angle, 1 + 0.12 * scale
    cos, sin = angle.cos() * scale, angle.sin() * scale
    # (B, 2, 3)
    theta = torch.stack(
        [
            torch.stack([cos, -sin, 0.15 * across], 1),
            torch.stack([sin, cos, 0.15 * down], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    # outside the image is background
    return F.grid_sample(x + 1, grid, align_corners=False) - 1


def load_judge() -> Judge:
    """The judge that ships with dit_lite; its card
    (data/checkpoints/digits-judge.md) says how good it is.
    """
    return shipped_network(Judge, "digits-judge")
