"""A classifier of photographs: the judge for CIFAR-10 and for ImageNet at 64x64,
trained on real images only.
"""

import math
from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from tqdm.auto import tqdm

from ...data import Dataset, Loader
from ...files.pretrained import shipped_network
from ...seeding import seeded
from ...training.precision import pick_device


class Stage(nn.Module):
    """Two convolutions of 3x3 with normalisation; the first also halves the grid:
    (B, C, H, W) -> (B, width, H/2, W/2).
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.first, self.second = (
            nn.Conv2d(c, width, 3, padding=1, bias=False) for c in (channels, width)
        )
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        for conv in (self.first, self.second):
            # part of the output is the input (Zagoruyko and Komodakis, arXiv
            # 1706.00388)
            nn.init.dirac_(conv.weight[: conv.in_channels])

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norm1(F.max_pool2d(self.first(x), 2)))
        return F.gelu(self.norm2(self.second(x)))


class Classifier(nn.Module):
    """Convolutions for photographs: images (B, C, H, H) in [-1,1] -> logits (B, K).
    `features` gives the `widths[-1]` numbers before the last layer.

    Once trained (`eval`), features are averaged over the image and its mirror image, so
    that a photograph and its reflection give the same features. channels C; image_size
    H, 32 or a multiple of it; classes K; widths: the channels of each stage, all on
    grids that halve from 32.
    """

    def __init__(
        self, channels: int, image_size: int, classes: int, widths: tuple[int, ...]
    ):
        super().__init__()
        stride = image_size // 32
        stem = nn.Conv2d(channels, 24, 2 * stride, stride=stride)
        self.trunk = nn.Sequential(
            stem,
            nn.GELU(),
            *(Stage(c, width) for c, width in zip((24, *widths), widths, strict=False)),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(widths[-1], classes)
        self.to(memory_format=torch.channels_last)

    def features(self, images: Tensor) -> Tensor:
        """The classifier's features of an image: (B, C, H, H) -> (B, widths[-1])."""
        images = images.contiguous(memory_format=torch.channels_last)
        return (
            self.trunk(images)
            if self.training
            else (self.trunk(images) + self.trunk(images.flip(-1))) / 2
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


def train_classifier(
    data: Dataset,
    widths: tuple[int, ...],
    epochs: float = 12,
    batch_size: int = 500,
    lr: float = 0.4,
    seed: int = 0,
) -> Classifier:
    """Train a classifier on images that are shifted by up to two pixels, and mirrored
    where the data allow it, each time they are used.

    SGD with Nesterov's momentum and one cycle of the learning rate, from 0 up to `lr`
    in a fifth of the steps and down to 0; labels are smoothed by 0.1 (Page, "How to
    train your ResNet", 2018). It is trained on a GPU when there is one (`pick_device`)
    and returned on the CPU.
    """
    device = pick_device("auto")
    generator = torch.Generator(device).manual_seed(seed)
    with seeded(seed):
        net = Classifier(
            data.shape["channels"],
            data.shape["image_size"],
            data.shape["num_classes"],
            widths,
        ).to(device)
    loader = Loader(data, batch_size, seed, device)
    steps = round(epochs * math.ceil(len(data) / batch_size))
    decayed, free = [], []
    for parameter in net.parameters():
        (decayed if parameter.ndim > 1 else free).append(parameter)
    optimiser = torch.optim.SGD(
        [{"params": decayed, "weight_decay": 5e-4}, {"params": free}],
        lr=lr,
        momentum=0.9,
        nesterov=True,
    )
    rise = 0.2 * steps
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / rise, (steps - step) / (steps - rise))
    )
    for _ in tqdm(range(steps), "classifier", disable=None):
        images, labels = loader.next(generator)
        # small logits at first: a gentle start
        loss = F.cross_entropy(
            net(_shifted(images, generator)) / 8, labels, label_smoothing=0.1
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        net.head.weight /= 8
        net.head.bias /= 8
    return net.cpu().eval().requires_grad_(False)


def _shifted(x: Tensor, generator: torch.Generator, by: int = 2) -> Tensor:
    """Each image of x (B, C, H, W) moved by up to `by` pixels in each direction; the
    edges are padded by reflection.
    """
    B, _, H, W = x.shape
    down, across = torch.randint(
        2 * by + 1, (2, B), generator=generator, device=x.device
    )
    # (B, H), (B, W)
    rows, columns = (
        down[:, None] + torch.arange(H, device=x.device),
        across[:, None] + torch.arange(W, device=x.device),
    )
    padded = rearrange(F.pad(x, (by,) * 4, "reflect"), "b c h w -> b h w c")
    return rearrange(
        padded[
            torch.arange(B, device=x.device)[:, None, None],
            rows[:, :, None],
            columns[:, None, :],
        ],
        "b h w c -> b c h w",
    )


def load_classifier(
    name: str, channels: int, image_size: int, classes: int, widths: tuple[int, ...]
) -> Classifier:
    """The classifier that ships as data/checkpoints/NAME.safetensors; the card NAME.md
    next to it says how good it is.
    """
    make = partial(Classifier, channels, image_size, classes, widths)
    return shipped_network(make, name)
