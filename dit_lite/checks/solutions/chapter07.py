"""Solutions of the exercises of chapter 7."""

import math

import torch

from .solution import solves


@solves("07.1")
def train_step(model, optimiser, x0, y, t, eps):
    at = t[:, None, None, None]
    x_t = (1 - at) * x0 + at * eps
    loss = (model(x_t, t, y) - (eps - x0)).square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.detach()


@solves("07.2")
def in_parts(loss, batch, parts):
    for part in batch.tensor_split(parts):
        (loss(part) * len(part) / len(batch)).backward()


@solves("07.3")
def clipped(gradients, largest):
    norm = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
    factor = min(1.0, largest / norm.item())
    return [g * factor for g in gradients]


@solves("07.4")
def share(step, steps, warmup):
    if step < warmup:
        return (step + 1) / warmup
    return (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


@solves("07.5")
def largest_batch(parameters, image_bytes, memory):
    state = 20 * parameters  # weight, gradient, two moments, average: 4 bytes each
    return max(0, int((memory - state) // image_bytes))


@solves("07.6")
def noise_batch(gradients, images):
    parts = len(gradients)
    trace = images * gradients.var(0).sum()  # of one image's gradient
    squared = gradients.mean(0).square().sum() - trace / (images * parts)
    return (trace / squared).item()
