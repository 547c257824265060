"""The judge of captioned shapes: a small network trained only on real renderings that
predicts for every patch of 4x4 pixels whether an object is centred there, and which.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from tqdm.auto import tqdm

from ...data.pixels import to_floats
from ...data.shapes import batch
from ...data.shapes.reading import ATTRIBUTES
from ...data.shapes.scene import BACKGROUNDS, MOST, Scenes
from ...files.environment import page_is_built
from ...files.pretrained import shipped_network
from ...seeding import seeded

CELL = 4  # pixels per side
REACH = 3  # pixels from an object's centre within which a cell answers for it
SHIFT = 3  # pixels by which pictures are moved in training
#: attributes read from an object's appearance; its place follows from its centre
LOOKS = {name: len(ATTRIBUTES[name]) for name in ("shape", "colour", "size", "texture")}
HEADS = {"here": 1, "offset": 2, **LOOKS}


def _stage(channels: int, width: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, width, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.GELU(),
    ]


class ShapesJudge(nn.Module):
    """Five convolutions on pictures of shapes: images (B, 3, 32, 32) in [-1,1] -> for
    each of 8x8 cells the logits of `HEADS`, {name: (B, values, 8, 8)}, and those of the
    background, (B, 3). `offset` is from the middle of the cell to the centre of the
    object, (across, down), in cells.
    """

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 40, 5, 2, padding=2, bias=False),
            nn.BatchNorm2d(40),
            nn.GELU(),
            *_stage(40, 56, 1),
            *_stage(56, 96, 2),
            *_stage(96, 96, 1),
            *_stage(96, 128, 1),
        )
        self.heads = nn.Conv2d(128, sum(HEADS.values()), 1)
        self.background = nn.Linear(128, len(BACKGROUNDS))
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        images = images.contiguous(memory_format=torch.channels_last)
        seen = self.trunk(images)  # (B, 128, 8, 8)
        cells = dict(
            zip(HEADS, self.heads(seen).split(tuple(HEADS.values()), 1), strict=True)
        )
        return cells, self.background(seen.mean((2, 3)))


def train_shapes_judge(
    steps: int = 2400, batch_size: int = 64, seed: int = 0
) -> ShapesJudge:
    """Train a judge on fresh renderings, each moved, and half of them blurred or noisy,
    as generated pictures may be.

    It sees every combination of shape and colour, so that it is not biased against
    those withheld from generators, and never the pictures of the splits "train", "test"
    and "unseen". AdamW with a cosine decay.
    """
    generator = torch.Generator().manual_seed(seed)
    with seeded(seed):
        judge = ShapesJudge()
    optimiser = torch.optim.AdamW(judge.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    bar = tqdm(range(steps), "shapes-judge", disable=page_is_built() or None)
    for step in bar:
        index = torch.arange(step * batch_size, (step + 1) * batch_size).numpy()
        drawn = batch(seed, index, "every", (2, 2, 1))
        images = to_floats(torch.from_numpy(drawn.images))
        images, moved = _moved(images, generator)
        loss = judge_loss(judge, _worn(images, generator), drawn.scenes, moved)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            bar.set_postfix(loss=f"{loss.item():.4f}")
    return judge.eval().requires_grad_(False)


def judge_loss(
    judge: ShapesJudge, images: Tensor, scenes: Scenes, moved: Tensor
) -> Tensor:
    """Cross-entropy of every head. images (B, 3, 32, 32); `moved` (2,): pixels across
    and down by which they are shifted from their scenes.
    """
    cells, background = judge(images)
    where = torch.from_numpy(scenes.x), torch.from_numpy(scenes.y)
    centres = torch.stack(where, -1) / 4 + moved  # (B, 3, 2), pixels
    grid = (torch.arange(images.shape[-1] // CELL) + 0.5) * CELL
    across = centres[:, :, 0, None, None] - grid  # (B, 3, 1, 8)
    down = centres[:, :, 1, None, None] - grid[:, None]  # (B, 3, 8, 1)
    exists = torch.arange(MOST) < torch.from_numpy(scenes.count)[:, None]
    owned = (across.abs() <= REACH) & (down.abs() <= REACH) & exists[..., None, None]
    loss = F.binary_cross_entropy_with_logits(
        cells["here"][:, 0], owned.any(1).float()
    ) + 0.2 * F.cross_entropy(background, torch.from_numpy(scenes.background))
    image, k, row, column = owned.nonzero(as_tuple=True)
    offset = torch.stack([across[image, k, 0, column], down[image, k, row, 0]], 1)
    said = {
        name: rearrange(value, "b v h w -> b h w v")[image, row, column]
        for name, value in cells.items()
    }
    loss = loss + F.smooth_l1_loss(said["offset"], offset / CELL)
    for name in LOOKS:
        target = torch.from_numpy(getattr(scenes, name))[image, k]
        loss = loss + 0.2 * F.cross_entropy(said[name], target)
    return loss


def _moved(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch moved by up to SHIFT pixels; the border repeats the edge pixels. Returns
    the pixels across and down, (2,).
    """
    across, down = torch.randint(-SHIFT, SHIFT + 1, (2,), generator=generator).tolist()
    side = images.shape[-1]
    padded = F.pad(images, (SHIFT,) * 4, "replicate")
    top, left = SHIFT - down, SHIFT - across
    moved = padded[..., top : top + side, left : left + side]
    return moved, torch.tensor([across, down])


def _worn(images: Tensor, generator: torch.Generator) -> Tensor:
    """A quarter of a batch blurred, a quarter noisy, a quarter both."""
    parts = list(images.chunk(4))
    for i in (0, 1):
        share = 0.25 * torch.rand(1, generator=generator).item()  # to each neighbour
        line = torch.tensor([share, 1 - 2 * share, share])
        kernel = (line[:, None] * line).expand(images.shape[1], 1, 3, 3)
        padded = F.pad(parts[i], (1,) * 4, "replicate")
        parts[i] = F.conv2d(padded, kernel, groups=images.shape[1])
    for i in (1, 2):
        amount = 0.15 * torch.rand(len(parts[i]), 1, 1, 1, generator=generator)
        noise = torch.randn(parts[i].shape, generator=generator)
        parts[i] = parts[i] + amount * noise
    return torch.cat(parts).clamp(-1, 1)


def load_shapes_judge() -> ShapesJudge:
    """The judge that ships with dit_lite; its card (data/checkpoints/shapes-judge.md)
    says how good it is.
    """
    return shipped_network(ShapesJudge, "shapes-judge")
