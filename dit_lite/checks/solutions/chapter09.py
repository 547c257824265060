"""Solutions of the exercises of chapter 9."""

import torch

from .solution import solves


@solves("09.1")
def guided_within(model, x, t, y, w, low, high):
    given = model(x, t, y)
    null = model(x, t, torch.full_like(y, model.config.num_classes))
    w = torch.where((low <= t) & (t <= high), w, 1.0)[:, None, None, None]
    return null + w * (given - null)


@solves("09.2")
def infinite(counts, scores):
    design = torch.stack([torch.ones(len(counts)), 1 / counts], 1).double()
    return torch.linalg.lstsq(design, scores.double()[:, None]).solution[0, 0]


@solves("09.3")
def impostor(features):
    return 2 * features.mean(0) - features  # each point reflected through the mean


@solves("09.4")
def weights(tracked, wanted):
    def inner(a, b):  # the integral of two profiles
        return (a + 1) * (b + 1) / (a + b + 1)

    A = inner(tracked[:, None], tracked[None, :])
    return torch.linalg.solve(A, inner(tracked, torch.as_tensor(wanted)))


@solves("09.5")
def settings():
    # guided only where the class is decided. Without guidance twelve steps of ddpm are
    # enough too: with few steps its lower variance alone draws safe digits.
    return "dpmpp_2m", 9, 2.0, (0.4, 0.7)


@solves("09.6")
def fill(velocity, x0, known, noise, steps):
    x = noise
    for i in range(steps):
        t = 1 - i / steps
        x = torch.where(known, (1 - t) * x0 + t * noise, x)
        x = x - velocity(x, t) / steps
    return torch.where(known, x0, x)
