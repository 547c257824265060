"""Solutions of the exercises of chapter 1."""

import math

import torch

from .solution import solves


@solves("01.1")
def noisy(x0, eps, t):
    t = t[:, None, None, None]
    return (1 - t) * x0 + t * eps


@solves("01.2")
def image_from_v(x, v, t):
    angle = t[:, None, None, None] * math.pi / 2
    return angle.cos() * x - angle.sin() * v


@solves("01.3")
def my_euler(velocity, x, steps):
    for i in range(steps):
        x = x - velocity(x, 1 - i / steps) / steps
    return x


@solves("01.4")
def guided(model, x, t, y, w):
    conditional = model(x, t, y)
    unconditional = model(x, t, torch.full_like(y, model.config.num_classes))
    return unconditional + w * (conditional - unconditional)


@solves("01.5")
def posterior_mean(x, t, data):
    distance = torch.cdist(x.flatten(1), (1 - t) * data.flatten(1))
    weights = (-(distance**2) / (2 * t**2)).softmax(1)
    return (weights @ data.flatten(1)).view_as(x)


@solves("01.6")
def step(model, optimiser, x0, y):
    t = torch.randn(len(x0)).sigmoid()  # torch.rand(len(x0)) is right too
    eps = torch.randn_like(x0)
    at = t[:, None, None, None]
    dropped = torch.rand(len(y)) < 0.2
    y = y.where(~dropped, torch.tensor(model.config.num_classes))
    answer = model((1 - at) * x0 + at * eps, t, y)
    loss = (answer - (eps - x0)).square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()
