"""Solutions of the exercises of chapter 4."""

import torch

from .solution import solves


@solves("04.1")
def attend(q, k, v, seen):
    logits = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5  # (B, h, N, M)
    logits = logits.masked_fill(~seen[:, None, None], -torch.inf)
    return logits.softmax(-1) @ v


@solves("04.2")
def captions():
    # the same words, and the same places: the mean of both is the same
    return "a red circle above a blue square", "a blue square above a red circle"


@solves("04.3")
def effect(model, x, t, y, j):
    without = y.clone()
    without[:, j] = 0
    change = model(x, t, without) - model(x, t, y)
    return change.square().mean((1, 2, 3)).sqrt()


@solves("04.4")
def reweight(weights, factors):
    return weights * factors  # rows no longer sum to 1


@solves("04.5")
def added(N, M, D):
    projections = 2 * N * D**2 + 2 * M * D**2  # patches, then words: from M = N on
    return projections + 2 * N * M * D


@solves("04.6")
def bits(joint):
    apart = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    return torch.special.xlogy(
        joint, joint / apart.clamp(min=1e-300)
    ).sum() / torch.log(torch.tensor(2.0))
