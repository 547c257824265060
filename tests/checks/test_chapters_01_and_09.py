"""Exercises of chapters 1 and 9: plausible wrong answers are told apart from right ones
of another style.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dit_lite.checks import SOLUTIONS, CheckFailed, verify


def shaped(t):
    return t.view(-1, 1, 1, 1)


def by_lerp(x0, eps, t):
    return torch.lerp(x0, eps, shaped(t))


def by_loop(x0, eps, t):
    return torch.stack(
        [(1 - u) * a + u * b for a, b, u in zip(x0, eps, t, strict=True)]
    )


def by_einsum(x0, eps, t):
    return x0 + torch.einsum("b,bchw->bchw", t, eps - x0)


def v_by_cos(x, v, t):
    a = torch.cos(shaped(t) * math.pi / 2)
    return a * x - (1 - a**2).sqrt() * v


def v_by_solving(x, v, t):
    a, s = torch.cos(t * math.pi / 2), torch.sin(t * math.pi / 2)
    matrix = torch.stack([torch.stack([a, s], 1), torch.stack([-s, a], 1)], 1)
    both = torch.stack([x, v], 1).flatten(2)
    return torch.linalg.solve(matrix, both)[:, 0].view_as(x)


def v_by_path(x, v, t):
    from dit_lite.diffusion import PATHS, to_x0_eps

    return to_x0_eps("v", PATHS["cosine"], v, x, t)[0]


def euler_grid(velocity, x, steps):
    times = torch.linspace(1, 0, steps + 1)
    for t, r in pairwise(times):
        x = x + (r - t) * velocity(x, t)
    return x


def euler_while(velocity, x, steps):
    left = steps
    while left:
        x -= velocity(x, left / steps) / steps
        left -= 1
    return x


def euler_recursive(velocity, x, steps, taken=0):
    if taken == steps:
        return x
    x = x - velocity(x, 1 - taken / steps) / steps
    return euler_recursive(velocity, x, steps, taken + 1)


def null_of(model, y):
    return torch.full_like(y, model.config.num_classes)


def guided_shares(model, x, t, y, w):
    return w * model(x, t, y) + (1 - w) * model(x, t, null_of(model, y))


def guided_at_once(model, x, t, y, w):
    both = model(x.repeat(2, 1, 1, 1), t.repeat(2), torch.cat([y, null_of(model, y)]))
    plain, null = both.chunk(2)
    return null + w * (plain - null)


def guided_lerp(model, x, t, y, w):
    return torch.lerp(model(x, t, null_of(model, y)), model(x, t, y), float(w))


def guided_largest(model, x, t, y, w):
    null = torch.full_like(y, int(y.max()) + 1)
    return guided_shares_with(model, x, t, y, w, null)


def guided_shares_with(model, x, t, y, w, null):
    return w * model(x, t, y) + (1 - w) * model(x, t, null)


def guided_in_place(model, x, t, y, w):
    plain = model(x, t, y)
    y[:] = model.config.num_classes
    null = model(x, t, y)
    return null + w * (plain - null)


def mean_by_loop(x, t, data):
    rows = []
    for one in x:
        far = (one - (1 - t) * data).square().sum((1, 2, 3))
        weight = torch.softmax(-far / (2 * t * t), 0)
        rows.append((weight[:, None, None, None] * data).sum(0))
    return torch.stack(rows)


def mean_by_exp(x, t, data):
    far = torch.cdist(x.flatten(1).double(), (1 - t) * data.flatten(1).double()) ** 2
    weight = torch.exp(-(far - far.min(1, keepdim=True).values) / (2 * t**2))
    weight = weight / weight.sum(1, keepdim=True)
    return (weight @ data.flatten(1).double()).view_as(x)


def mean_by_attention(x, t, data):
    q, k = x.flatten(1), (1 - t) * data.flatten(1)
    logits = (q @ k.T - k.square().sum(1) / 2) / t**2
    return torch.einsum("bn,nchw->bchw", logits.softmax(-1), data)


def mean_with(power=2, scale=2, dim=1, shrink=True, average=None):
    def answer(x, t, data):
        centres = ((1 - t) if shrink else 1) * data.flatten(1)
        far = torch.cdist(x.flatten(1), centres) ** power
        weight = (-far / (scale * t**2)).softmax(dim)
        return (weight @ (centres if average else data.flatten(1))).view_as(x)

    return answer


def step_with(
    mix=None, target=None, times=None, drop=0.2, clear=True, null=None, detach=True,
    scale=1.0, noise=None,
):  # fmt: skip
    """A training step with one thing otherwise."""

    def step(model, optimiser, x0, y):
        t = times(len(x0)) if times else torch.rand(len(x0))
        eps = noise(x0) if noise else torch.randn_like(x0)
        x = mix(x0, eps, shaped(t)) if mix else torch.lerp(x0, eps, shaped(t))
        none = model.config.num_classes if null is None else null
        y = torch.where(torch.rand(len(y)) < drop, torch.tensor(none), y)
        wanted = target(x0, eps) if target else eps - x0
        loss = F.mse_loss(model(x, t, y), wanted)
        if clear:
            optimiser.zero_grad()
        (scale * loss).backward()
        optimiser.step()
        return loss.item() if detach else loss

    return step


def step_that_clears_after(model, optimiser, x0, y):
    loss = step_with()(model, optimiser, x0, y)
    for p in model.parameters():
        p.grad = None
    return loss


def step_without_descent(model, optimiser, x0, y):
    t, eps = torch.rand(len(x0)), torch.randn_like(x0)
    y = torch.where(torch.rand(len(y)) < 0.2, torch.tensor(5), y)
    return F.mse_loss(model(torch.lerp(x0, eps, shaped(t)), t, y), eps - x0).item()


def within(combine):
    def answer(model, x, t, y, w, low, high):
        plain, null = model(x, t, y), model(x, t, null_of(model, y))
        return combine(plain, null, t, w, low, high)

    return answer


def by_where(plain, null, t, w, low, high):
    inside = shaped((t >= low).logical_and(t <= high))
    return torch.where(inside, null + w * (plain - null), plain)


def by_mask(plain, null, t, w, low, high):
    out = plain.clone()
    inside = (low <= t) & (t <= high)
    out[inside] = w * plain[inside] + (1 - w) * null[inside]
    return out


def by_each(plain, null, t, w, low, high):
    return torch.stack([
        n + (w if low <= u.item() <= high else 1) * (p - n)
        for p, n, u in zip(plain, null, t, strict=True)
    ])  # fmt: skip


def line_in_numpy(counts, scores):
    return np.polyfit(1 / np.asarray(counts, float), np.asarray(scores), 1)[1]


def line_by_means(counts, scores):
    x, y = 1 / counts.double(), scores.double()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    return (y.mean() - slope * x.mean()).item()


def line_by_solve(counts, scores):
    A = torch.stack([torch.ones(len(counts)), 1 / counts], 1).double()
    return torch.linalg.solve(A.T @ A, A.T @ scores.double())[:1]


def mirror_each(features):
    return features.mean(0) * 2 - features


def mirror_in_numpy(features):
    centre = features.numpy().mean(0)
    return centre - (features.numpy() - centre)


def mirror_shuffled(features):
    return mirror_each(features)[torch.randperm(len(features))]


def weights_by_grid(tracked, wanted):
    t = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000

    def p(g):
        return (g + 1) * t**g

    A = torch.stack([p(g) for g in tracked], 1)
    return torch.linalg.lstsq(A, p(wanted)[:, None]).solution


def weights_in_numpy(tracked, wanted):
    g = tracked.numpy()
    A = np.outer(g + 1, g + 1) / (np.add.outer(g, g) + 1)
    return np.linalg.solve(A, (g + 1) * (wanted + 1) / (g + wanted + 1))


def weights_as_list(tracked, wanted):
    return SOLUTIONS["09.4"](tracked, wanted).tolist()


def fill_with(known_first=True, at_end=True, fresh=False, start=None):
    def fill(velocity, x0, known, noise, steps):
        x = noise if start is None else start(x0, noise)
        for i in range(steps):
            t = 1 - i / steps
            other = torch.randn_like(noise) if fresh else noise
            on_path = (1 - t) * x0 + t * other
            if known_first:
                x = torch.where(known, on_path, x)
            x = x - velocity(x, t) / steps
        return torch.where(known, x0, x) if at_end else x

    return fill


def fill_by_mask(velocity, x0, known, noise, steps):
    keep, x = known.float(), noise.clone()
    for i in range(steps, 0, -1):
        x = keep * ((1 - i / steps) * x0 + i / steps * noise) + (1 - keep) * x
        x = x - velocity(x, i / steps) / steps
    return keep * x0 + (1 - keep) * x


def fill_by_index(velocity, x0, known, noise, steps):
    x = noise.clone()
    for t in torch.linspace(1, 1 / steps, steps).tolist():
        x[..., known] = torch.lerp(x0, noise, t)[..., known]
        x = x - velocity(x, t) / steps
    x[..., known] = x0[..., known]
    return x


def fill_after(velocity, x0, known, noise, steps):
    x = noise
    for i in range(steps):
        r = 1 - (i + 1) / steps
        x = x - velocity(x, 1 - i / steps) / steps
        x = torch.where(known, (1 - r) * x0 + r * noise, x)
    return x


FULL = (0.0, 1.0)
RIGHT = {
    "01.1": [by_lerp, by_loop, by_einsum],
    "01.2": [v_by_cos, v_by_solving, v_by_path],
    "01.3": [euler_grid, euler_while, euler_recursive],
    "01.4": [guided_shares, guided_at_once, guided_lerp],
    "01.5": [mean_by_loop, mean_by_exp, mean_by_attention],
    "01.6": [
        step_with(),
        step_with(times=lambda n: torch.randn(n).sigmoid(), detach=False),
        step_that_clears_after,
    ],
    "09.1": [within(by_where), within(by_mask), within(by_each)],
    "09.2": [line_in_numpy, line_by_means, line_by_solve],
    "09.3": [mirror_each, mirror_in_numpy, mirror_shuffled],
    "09.4": [weights_by_grid, weights_in_numpy, weights_as_list],
    "09.5": [
        lambda: ("dpmpp_2m", 8, 2.0, (0.4, 0.8)),
        lambda: ["dpmpp_2m", 8, 1.5, [0.3, 0.8]],
        lambda: ("dpmpp_2m", 6, 1.25, FULL),
    ],
    "09.6": [fill_by_mask, fill_by_index, fill_after],
}
WRONG = {
    "01.1": [
        lambda x0, eps, t: shaped(t) * x0 + (1 - shaped(t)) * eps,
        lambda x0, eps, t: (1 - shaped(t)).sqrt() * x0 + shaped(t).sqrt() * eps,
        lambda x0, eps, t: (1 - t.mean()) * x0 + t.mean() * eps,
        lambda x0, eps, t: x0 + shaped(t) * eps,
        lambda x0, eps, t: (1 - shaped(t)) * x0 + shaped(t) * torch.randn_like(x0),
    ],
    "01.2": [
        lambda x, v, t: x - v,
        lambda x, v, t: (x - torch.sin(shaped(t)) * v) / torch.cos(shaped(t)),
        lambda x, v, t: v_by_cos(x, -v, t),
        lambda x, v, t: (1 - shaped(t)) * x - shaped(t) * v,
        lambda x, v, t: v_by_cos(x, v, 1 - t),
    ],
    "01.3": [
        lambda velocity, x, steps: x - velocity(x, 1.0),
        lambda velocity, x, steps: euler_grid(velocity, x, steps + 1),
        lambda velocity, x, steps: euler_grid(lambda x, t: -velocity(x, t), x, steps),
        lambda velocity, x, steps: euler_grid(
            lambda x, t: velocity(x, t - 1 / steps), x, steps
        ),
        lambda velocity, x, steps: (
            x - sum(velocity(x, 1 - i / steps) for i in range(steps)) / steps
        ),
    ],
    "01.4": [
        guided_largest,
        guided_in_place,
        lambda model, x, t, y, w: guided_shares(model, x, t, y, w + 1),
        lambda model, x, t, y, w: guided_shares_with(
            model, x, t, y, w, torch.full_like(y, 3)
        ),
        lambda model, x, t, y, w: (
            model(x, t, y) + w * (model(x, t, y) - model(x, t, null_of(model, y)))
        ),
    ],
    "01.5": [
        mean_with(power=1),
        mean_with(scale=1),
        mean_with(dim=0),
        mean_with(shrink=False),
        mean_with(average="centres"),
    ],
    "01.6": [
        step_with(mix=lambda x0, eps, t: t * x0 + (1 - t) * eps),
        step_with(target=lambda x0, eps: eps),
        step_with(target=lambda x0, eps: x0 - eps),
        step_with(drop=0.0),
        step_with(clear=False),
        step_with(null=4),
        step_with(times=lambda n: torch.rand(1).expand(n)),
        step_with(noise=lambda x0: torch.rand_like(x0)),
        step_with(scale=2.0),
        step_without_descent,
    ],
    "09.1": [
        within(lambda p, n, t, w, low, high: n + w * (p - n)),
        within(lambda p, n, t, w, low, high: p),
        within(lambda p, n, t, w, low, high: by_where(n, p, t, w, low, high)),
        within(lambda p, n, t, w, low, high: by_where(p, n, t, w, low, high - 1e-6)),
        within(
            lambda p, n, t, w, low, high: (
                n + w * (p - n) if low <= t.mean() <= high else p
            )
        ),
        within(
            lambda p, n, t, w, low, high: torch.where(
                shaped((low <= t) & (t <= high)), n + w * (p - n), n
            )
        ),
    ],
    "09.2": [
        lambda counts, scores: scores[-1],
        lambda counts, scores: scores.mean(),
        lambda counts, scores: np.polyfit(counts, scores, 1)[1],
        lambda counts, scores: np.polyfit(1 / np.asarray(counts, float), scores, 1)[0],
        lambda counts, scores: np.polyfit(1 / np.asarray(counts, float), scores, 1),
    ],
    "09.3": [
        lambda features: features,
        lambda features: features + 5,
        lambda features: -features,
        lambda features: features[torch.randperm(len(features))],
        lambda features: features.mean(0).expand_as(features),
    ],
    "09.4": [
        lambda tracked, wanted: torch.ones(len(tracked)) / len(tracked),
        lambda tracked, wanted: (tracked == wanted).double(),
        lambda tracked, wanted: torch.softmax(-(tracked - wanted).abs(), 0),
        lambda tracked, wanted: SOLUTIONS["09.4"](tracked + 1, wanted),
        lambda tracked, wanted: "weights",
    ],
    "09.5": [
        lambda: ("euler", 12, 1.0, FULL),
        lambda: ("ddpm", 12, 1.0, FULL),
        lambda: ("dpmpp_2m", 12, 2.0, (0.01, 0.02)),
        lambda: ("heun", 12, 2.0, FULL),
        lambda: ("euler", 6, 1.5, FULL),
        lambda: (12, "euler", 1.5, FULL),
        lambda: ("euler", 6, "1.5", FULL),
        lambda: ("euler", 6, 1.5, 0.5),
    ],
    "09.6": [
        fill_with(known_first=False),
        fill_with(fresh=True),
        fill_with(at_end=False, known_first=False),
        fill_with(start=lambda x0, noise: x0),
        lambda velocity, x0, known, noise, steps: torch.where(known, x0, noise),
        lambda velocity, x0, known, noise, steps: fill_by_mask(
            velocity, x0, ~known, noise, steps
        ),
    ],
}


def test_every_exercise_of_both_chapters_is_tried():
    every = {name for name in SOLUTIONS if name[:2] in ("01", "09")}
    assert set(RIGHT) == set(WRONG) == every
    assert min(map(len, WRONG.values())) >= 5
    assert min(map(len, RIGHT.values())) >= 3


@pytest.mark.parametrize(
    ("name", "answer"), [(name, one) for name in RIGHT for one in RIGHT[name]]
)
def test_a_right_answer_of_another_style_passes(name, answer):
    verify(name, answer)


@pytest.mark.parametrize(
    ("name", "answer"), [(name, one) for name in WRONG for one in WRONG[name]]
)
def test_a_plausible_wrong_answer_gets_a_hint_and_no_bare_error(name, answer):
    with pytest.raises(CheckFailed) as failed:
        verify(name, answer)
    assert "Your function stopped" not in str(failed.value)
    assert len(str(failed.value)) > 30


def test_the_answer_without_guidance_is_as_good_as_the_solution_says():
    from dit_lite.checks.chapter09 import judged
    from dit_lite.training import load

    accuracy, recall = judged(load("digits"), "ddpm", 12, 1.0, FULL)
    assert accuracy >= 0.98
    assert recall >= 0.68
