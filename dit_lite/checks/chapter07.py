"""Exercises of chapter 7: a training step, a batch in parts, clipping, a schedule, the
batch that fits, and the gradient-noise scale.
"""

import copy

import torch
from torch import nn

from .exercise import NOTHING, exercise, images, require, returned, same


class Affine(nn.Module):
    """A model of an image, a time and a class that is quick to train."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor([0.5, -0.3]))
        self.shift = nn.Parameter(torch.zeros(4))

    def forward(self, x, t, y):
        gain = self.gain[0] + self.gain[1] * t[:, None, None, None]
        return gain * x + self.shift[y][:, None, None, None]


@exercise("07.1")
def train_step(train_step) -> None:
    """train_step(model, optimiser, x0, y, t, eps): one step of flow matching."""
    x0, eps = images(6)
    t, y = torch.linspace(0.05, 0.95, 6), torch.arange(6) % 4
    for make in (
        lambda p: torch.optim.SGD(p, lr=0.1),
        lambda p: torch.optim.AdamW(p, lr=0.01),
    ):
        mine, theirs = Affine(), Affine()
        for count in range(3):
            if count == 0:
                optimisers = make(mine.parameters()), make(theirs.parameters())
            x_t = (1 - t[:, None, None, None]) * x0 + t[:, None, None, None] * eps
            loss = (mine(x_t, t, y) - (eps - x0)).square().mean()
            optimisers[0].zero_grad()
            loss.backward()
            optimisers[0].step()
            got = returned(train_step(theirs, optimisers[1], x0, y, t, eps))
            require(
                abs(float(got) - loss.item()) < 1e-5,
                f"In step {count + 1} the loss should be {loss.item():.4f} and yours "
                f"is {float(got):.4f}. x_t = (1-t) x0 + t eps, the target is its "
                "slope eps - x0, and the loss is the mean square; each image has its "
                "own t. From the second step on, check for gradients left over from "
                "the step before.",
            )
            gap = max(
                (a - b).abs().max().item()
                for a, b in zip(mine.parameters(), theirs.parameters(), strict=True)
            )
            require(
                gap < 1e-6,
                f"After step {count + 1} the weights are off by {gap:.2g}. Every step "
                "clears the gradients, calls backward once and steps once.",
            )


@exercise("07.2")
def in_parts(in_parts) -> None:
    """in_parts(loss, batch, parts): the gradient of the mean over the batch, computed
    part by part.
    """
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(10, 3, generator=generator)
    for parts in (1, 3, 5):
        weight = torch.tensor([0.2, -0.4, 0.1], requires_grad=True)
        most = []

        def loss(rows, weight=weight, most=most):
            most.append(len(rows))
            return (rows @ weight - 1).square().mean()

        wanted = torch.autograd.grad(loss(batch), weight)[0]
        most.clear()
        in_parts(loss, batch, parts)
        require(weight.grad is not None, NOTHING)
        require(
            max(most) == -(-10 // parts) and len(most) == parts,
            f"With parts={parts} the loss was called on {most} rows. Cut the batch "
            "with `batch.tensor_split(parts)` and call the loss on each part.",
        )
        same(
            weight.grad,
            wanted,
            "You need the gradient of the mean over the whole batch: weight the mean "
            "of each part by its share of the rows, len(part) / len(batch). The parts "
            "are not all equally long.",
        )


@exercise("07.3")
def clipped(clipped) -> None:
    """clipped(gradients, largest): the gradients, with a global norm of at most
    `largest`.
    """
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(shape, generator=generator) for shape in ((3, 4), (5,), (2,))]
    given[1] *= 10
    norm = torch.cat([g.flatten() for g in given]).norm().item()
    for largest in (0.5 * norm, 0.01 * norm, 3 * norm):
        got = returned(clipped(copy.deepcopy(given), largest))
        got = list(got)
        require(len(got) == 3, f"Three gradients went in and {len(got)} came out.")
        for g, one in zip(given, got, strict=True):
            same(
                one,
                g * min(1.0, largest / norm),
                "There is one norm over all gradients together, and one factor, "
                "min(1, largest / norm): all of them keep their direction, and "
                "gradients whose norm is small enough stay unchanged.",
            )


@exercise("07.4")
def share(share) -> None:
    """share(step, steps, warmup): the rate as a share of its peak."""
    for steps, warmup in ((100, 10), (50, 0), (40, 20)):
        for step in (0, warmup // 2, warmup, (steps + warmup) // 2, steps - 1, steps):
            got = returned(share(step, steps, warmup))
            if step < warmup:
                wanted = torch.tensor((step + 1) / warmup)
            else:
                done = torch.tensor((step - warmup) / (steps - warmup))
                wanted = (1 + torch.cos(torch.pi * done)) / 2
            require(
                abs(float(got) - wanted.item()) < 1e-5,
                f"At step {step} of {steps} with warmup={warmup} the share is "
                f"{wanted.item():.4f}, yours {float(got):.4f}. First (step + 1) / "
                "warmup; then half a cosine from 1 to 0 over the remaining steps. "
                "Never go below zero, and avoid dividing by zero without warm-up.",
            )


@exercise("07.5")
def largest_batch(largest_batch) -> None:
    """largest_batch(parameters, image_bytes, memory): the number of images that fit,
    for AdamW in fp32 with an EMA.
    """
    cases = (
        (675_000_000, 600_000_000, 80e9),
        (33_000_000, 90_000_000, 24e9),
        (675_000_000, 600_000_000, 13.5e9 + 599e6),
        (675_000_000, 600_000_000, 10e9),
    )
    for parameters, image_bytes, memory in cases:
        got = returned(largest_batch(parameters, image_bytes, memory))
        wanted = max(0, int((memory - 20 * parameters) // image_bytes))
        require(
            int(got) == got == wanted,
            f"For {parameters:,} parameters, {image_bytes:,} bytes per image and "
            f"{memory:,.0f} bytes, {wanted} images fit; you say {got}. Each parameter "
            "takes five numbers of 4 bytes: weight, gradient, two moments, average. "
            "The answer is a whole number and never negative.",
        )


@exercise("07.6")
def noise_batch(noise_batch) -> None:
    """noise_batch(gradients, images): tr(Σ) / |G|² from gradients of small batches."""
    generator = torch.Generator().manual_seed(0)
    for size, parts, width, scale in ((8, 400, 50, 3.0), (2, 300, 80, 1.0)):
        true = torch.randn(width, generator=generator, dtype=torch.float64)
        noise = torch.randn(parts, width, generator=generator, dtype=torch.float64)
        given = true + scale * noise / size**0.5
        got = returned(noise_batch(given.clone(), size))
        mean = given.mean(0)
        trace = size * (given - mean).square().sum().item() / (parts - 1)
        squared = mean.square().sum().item() - trace / (size * parts)
        wanted = trace / squared
        require(
            abs(float(got) / wanted - 1) < 1e-3,
            f"For {parts} gradients of {size} images each the answer is {wanted:.2f}, "
            f"yours {float(got):.2f}. The variance of a mean over b images is the "
            "variance of one image divided by b; divide by parts - 1 because the mean "
            "is estimated; and the squared norm of the mean gradient still contains "
            "its own noise.",
        )
