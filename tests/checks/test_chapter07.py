"""Exercises of chapter 7: plausible wrong answers are told apart from right ones."""

import math

import pytest
import torch
from torch.nn import functional as F

from dit_lite.checks import CheckFailed, verify


def step(mix=None, target=None, clear=True, reduce="mean", steps=1, sign=1):
    """A training step with one thing otherwise."""

    def train_step(model, optimiser, x0, y, t, eps):
        at = t.view(-1, 1, 1, 1)
        x_t = mix(x0, eps, at) if mix else (1 - at) * x0 + at * eps
        wanted = target(x0, eps) if target else eps - x0
        if clear:
            optimiser.zero_grad()
        loss = F.mse_loss(model(x_t, t, y), wanted, reduction=reduce)
        (sign * loss).backward()
        for _ in range(steps):
            optimiser.step()
        return loss.item()

    return train_step


def autograd_step(model, optimiser, x0, y, t, eps):
    x_t = torch.lerp(x0, eps, t[:, None, None, None])
    loss = ((model(x_t, t, y) - eps + x0) ** 2).mean()
    found = torch.autograd.grad(loss, list(model.parameters()))
    for p, g in zip(model.parameters(), found, strict=True):
        p.grad = g
    optimiser.step()
    return loss.detach()


def clear_after(model, optimiser, x0, y, t, eps):
    loss = F.mse_loss(
        model(torch.lerp(x0, eps, t[:, None, None, None]), t, y), eps - x0
    )
    loss.backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=False)
    return loss.item()


def one_sum(loss, batch, parts):
    total = sum(
        loss(part) * (len(part) / len(batch)) for part in batch.tensor_split(parts)
    )
    total.backward()


def by_rows(loss, batch, parts):
    for rows in torch.arange(len(batch)).tensor_split(parts):
        (loss(batch[rows]) * len(rows) / len(batch)).backward()


def rescaled(loss, batch, parts):
    n = len(batch)
    for part in torch.tensor_split(batch, parts):
        scale = torch.tensor(len(part) / n)
        loss(part).backward(gradient=scale)


def split(weigh):
    def in_parts(loss, batch, parts):
        for part in batch.tensor_split(parts):
            (loss(part) * weigh(part, batch, parts)).backward()

    return in_parts


def only_last(loss, batch, parts):
    *_, last = batch.tensor_split(parts)
    loss(last).backward()


def norm_of(gradients):
    return torch.cat([g.flatten() for g in gradients]).norm()


def each_alone(gradients, c):
    return [g * min(1.0, c / g.norm().item()) for g in gradients]


def in_torch(gradients, c):
    for g in gradients:
        g.grad = g.clone()
    torch.nn.utils.clip_grad_norm_(gradients, c)
    return [g.grad for g in gradients]


def cosine(step, steps, warmup):
    return 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / (steps - warmup))


def half_angle(step, steps, warmup):
    if step >= warmup:
        return math.cos(math.pi / 2 * (step - warmup) / (steps - warmup)) ** 2
    return (step + 1) / warmup


def tensor_cosine(step, steps, warmup):
    rise = torch.tensor((step + 1) / warmup) if warmup else torch.tensor(2.0)
    fall = 0.5 * (1 + torch.cos(torch.tensor(math.pi * (step - warmup))
                                / (steps - warmup)))  # fmt: skip
    return rise if step < warmup else fall


def counted(bytes_each, cut=math.floor, least=0):
    return lambda parameters, image, memory: max(
        least, cut((memory - bytes_each * parameters) / image)
    )


def counting_up(parameters, image, memory):
    count = 0
    while 20 * parameters + (count + 1) * image <= memory:
        count += 1
    return count


def by_terms(parameters, image, memory):
    state = sum(4 * parameters for _ in ("w", "g", "m", "v", "ema"))
    return divmod(max(0, memory - state), image)[0]


def two_sizes(G, b):
    n = len(G)
    small, large = G.square().sum(1).mean(), G.mean(0).square().sum()
    B = n * b
    squared = (B * large - b * small) / (B - b)
    return ((small - large) / (1 / b - 1 / B) / squared).item()


def by_covariance(G, b):
    sigma = b * torch.cov(G.T).trace()
    return sigma / (G.mean(0).norm() ** 2 - sigma / b / len(G))


def by_pairs(G, b):
    n = len(G)
    gram = G @ G.T
    squared = (gram.sum() - gram.trace()) / (n * (n - 1))
    return float(b * (gram.trace() / n - squared) / squared)


def mixed(x0, eps, at):
    return at * x0 + (1 - at) * eps


WRONG = {
    "07.1": [
        step(mix=mixed),
        step(target=lambda x0, eps: x0 - eps),
        step(target=lambda x0, eps: eps),
        step(clear=False),
        step(reduce="sum"),
        step(steps=2),
        step(sign=-1),
    ],
    "07.2": [
        split(lambda part, batch, parts: 1),
        split(lambda part, batch, parts: 1 / parts),
        split(lambda part, batch, parts: 1 / len(part)),
        only_last,
        lambda loss, batch, parts: loss(batch).backward(),
    ],
    "07.3": [
        each_alone,
        lambda gs, c: [g * c / norm_of(gs) for g in gs],
        lambda gs, c: [g.clamp(-c, c) for g in gs],
        lambda gs, c: [g * min(1.0, c / norm_of(gs).item() ** 2) for g in gs],
        lambda gs, c: [g * min(1.0, c / sum(x.norm().item() for x in gs)) for g in gs],
    ],
    "07.4": [
        cosine,
        lambda s, S, w: math.cos(math.pi * s / S),
        lambda s, S, w: (s + 1) / w if s < w else math.cos(math.pi * (s - w) / (S - w)),
        lambda s, S, w: (s + 1) / w if s < w else (1 + math.cos(math.pi * s / S)) / 2,
        lambda s, S, w: (s + 1) / w if s < w else 1 - (s - w) / (S - w),
        lambda s, S, w: s / w if s < w else cosine(s, S, w),
    ],
    "07.5": [
        counted(16),
        counted(12),
        counted(4),
        counted(20, math.ceil),
        counted(20, least=-100),
        counted(20, float),
    ],
    "07.6": [
        lambda G, b: (G.var(0).sum() / G.mean(0).square().sum()).item(),
        lambda G, b: (b * G.var(0).sum() / G.square().sum(1).mean()).item(),
        lambda G, b: (b * b * G.var(0).sum() / G.mean(0).square().sum()).item(),
        lambda G, b: (G.mean(0).square().sum() / (b * G.var(0).sum())).item(),
        lambda G, b: (b * G.var(0).mean() / G.mean(0).square().mean()).item() * 1.5,
    ],
}  # fmt: skip
RIGHT = {
    "07.1": [step(), autograd_step, clear_after],
    "07.2": [one_sum, by_rows, rescaled],
    "07.3": [
        in_torch,
        lambda gs, c: [g / max(1.0, norm_of(gs).item() / c) for g in gs],
        lambda gs, c: tuple(g * (c / norm_of(gs)).clamp(max=1) for g in gs),
    ],
    "07.4": [
        half_angle,
        tensor_cosine,
        lambda s, S, w: (s + 1) / w if s < w else cosine(s, S, w),
    ],
    "07.5": [counted(20), counting_up, by_terms],
    "07.6": [two_sizes, by_covariance, by_pairs],
}


@pytest.mark.parametrize(
    ("name", "answer"), [(name, one) for name, many in WRONG.items() for one in many]
)
def test_a_plausible_wrong_answer_gets_a_hint(name, answer):
    with pytest.raises(CheckFailed):
        verify(name, answer)


@pytest.mark.parametrize(
    ("name", "answer"), [(name, one) for name, many in RIGHT.items() for one in many]
)
def test_a_right_answer_of_another_style_passes(name, answer):
    verify(name, answer)
