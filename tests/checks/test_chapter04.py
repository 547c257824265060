"""Each exercise of chapter 4 takes answers of another style, and refuses what readers
are likely to write.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import einsum

from dit_lite.checks import CheckFailed, verify


def by_einsum(q, k, v, seen):
    logits = einsum("bhnd,bhmd->bhnm", q, k) / math.sqrt(q.size(-1))
    weights = logits.exp() * seen[:, None, None]
    return einsum("bhnm,bhmd->bhnd", weights / weights.sum(-1, keepdim=True), v)


def one_by_one(q, k, v, seen):
    images = []
    for i in range(len(q)):
        some = seen[i]
        a = torch.softmax(q[i] @ k[i][:, some].mT * q.shape[-1] ** -0.5, dim=-1)
        images.append(a @ v[i][:, some])
    return torch.stack(images)


def fused(q, k, v, seen):
    return F.scaled_dot_product_attention(q, k, v, seen[:, None, None, :])


def wrong_attention(scale=True, mask="before", dim=-1, invert=False):
    def attend(q, k, v, seen):
        logits = q @ k.mT
        if scale:
            logits = logits / q.shape[-1] ** 0.5
        shown = (~seen if invert else seen)[:, None, None]
        if mask == "before":
            logits = logits.masked_fill(~shown, -1e9)
        weights = logits.softmax(dim)
        return (weights * shown if mask == "after" else weights) @ v

    return attend


def without(y, j, word=0):
    other = y.clone()
    other[:, j] = word
    return other


def by_pixels(model, x, t, y, j):
    changes = (model(x, t, y) - model(x, t, without(y, j))).flatten(1)
    return changes.norm(dim=1) / changes.shape[1] ** 0.5


def by_loop(model, x, t, y, j):
    found = []
    for i in range(len(x)):
        one = y[i : i + 1]
        a, b = (model(x[i : i + 1], t[i : i + 1], c) for c in (one, without(one, j)))
        found.append(((a - b) ** 2).mean().sqrt())
    return torch.stack(found)


def by_standard_library(model, x, t, y, j):
    told, silent = model(x, t, y), model(x, t, without(y, j))
    return torch.stack(
        [F.mse_loss(a, b).sqrt() for a, b in zip(told, silent, strict=True)]
    )


def in_place(model, x, t, y, j):
    told = model(x, t, y)
    y[:, j] = 0
    return (model(x, t, y) - told).square().mean((1, 2, 3)).sqrt()


def bits_by_loop(joint):
    total = 0.0
    for i, row in enumerate(joint):
        for j, p in enumerate(row):
            if p > 0:
                q = joint[i].sum() * joint[:, j].sum()
                total += float(p * torch.log2(p / q))
    return total


def bits_by_entropies(joint):
    def entropy(p):
        return -(p[p > 0] * p[p > 0].log2()).sum()

    return entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint)


def bits_by_divergence(joint):
    apart = torch.outer(joint.sum(1), joint.sum(0))
    some = joint > 0
    return (joint[some] * (joint[some].log() - apart[some].log())).sum() / math.log(2)


RIGHT = {
    "04.1": [by_einsum, one_by_one, fused],
    "04.2": [
        lambda: ["a red circle above a square", "a square above a red circle"],
        lambda: ("a circle left of a square", "a square left of a circle"),
        lambda: ("A large cross below a small heart", "a small cross below a large heart"),
    ],
    "04.3": [by_pixels, by_loop, by_standard_library],
    "04.4": [
        lambda weights, factors: weights * factors[None, None, None, :],
        lambda weights, factors: torch.einsum("bhnm,m->bhnm", weights, factors),
        lambda weights, factors: weights @ torch.diag(factors),
    ],
    "04.5": [
        lambda N, M, D: 2 * D * (N * D + M * D + N * M),
        lambda N, M, D: sum([N * D * D] * 2 + [M * D * D] * 2 + [N * M * D] * 2),
        lambda N, M, D: float(2 * (N + M) * D**2) + 2.0 * N * M * D,
    ],
    "04.6": [bits_by_loop, bits_by_entropies, bits_by_divergence],
}  # fmt: skip
WRONG = {
    "04.1": [
        wrong_attention(scale=False),
        wrong_attention(mask="after"),
        wrong_attention(mask="none"),
        wrong_attention(dim=-2),
        wrong_attention(invert=True),
    ],
    "04.2": [
        lambda: ("a red circle", "a red circle"),
        lambda: ("a red circle", "a blue circle"),
        lambda: ("a red circle and a blue square", "a blue circle and a red square"),
        lambda: ("a red circle and a blue square", "a blue square and a red circle"),
        lambda: ("a red circle above a square", "a circle red above a square"),
        lambda: ("a circle above a square", "a square below a circle"),
        lambda: "a red circle",
        lambda: ("a mauve circle", "a circle mauve"),
    ],
    "04.3": [
        lambda m, x, t, y, j: (m(x, t, y) - m(x, t, without(y, j))).abs().mean((1, 2, 3)),
        lambda m, x, t, y, j: (m(x, t, y) - m(x, t, without(y, j))).square().mean().sqrt(),
        lambda m, x, t, y, j: (m(x, t, y) - m(x, t, torch.zeros_like(y)))
        .square().mean((1, 2, 3)).sqrt(),
        lambda m, x, t, y, j: (m(x, t, y) - m(x, t, without(y, j, 1)))
        .square().mean((1, 2, 3)).sqrt(),
        in_place,
        lambda m, x, t, y, j: (m(x, t, y) - m(x, t, without(y, j))).square().mean((1, 2, 3)),
    ],
    "04.4": [
        lambda w, f: (w * f) / (w * f).sum(-1, keepdim=True),
        lambda w, f: (w.log() * f).softmax(-1),
        lambda w, f: (w.log() + f).softmax(-1),
        lambda w, f: w * f[None, None, :, None] if w.shape[-2] == 4 else w + f,
        lambda w, f: w.mul_(f),
        lambda w, f: w,
    ],
    "04.5": [
        lambda N, M, D: 2 * N * M * D,
        lambda N, M, D: 4 * N * D**2 + 2 * N * M * D,
        lambda N, M, D: 2 * N * D**2 + 2 * M * D**2 + N * M * D,
        lambda N, M, D: 4 * M * D**2 + 2 * N * M * D,
        lambda N, M, D: 2 * (2 * (N + M) * D**2 + 2 * N * M * D),
        lambda N, M, D: 2 * N * D**2 + 2 * M * D**2 + 2 * N**2 * D,
    ],
    "04.6": [
        lambda joint: bits_by_divergence(joint) * math.log(2),
        lambda joint: -(joint[joint > 0] * joint[joint > 0].log2()).sum(),
        lambda joint: (joint * (joint / torch.outer(joint.sum(1), joint.sum(0))).log2()
                       ).sum(),
        lambda joint: (joint.sum(0)[joint.sum(0) > 0].log2() * joint.sum(0)[
            joint.sum(0) > 0]).sum(),
        lambda joint: (joint > 0).double().sum().log2(),
        lambda joint: joint.det().abs().log2() if joint.shape[0] == joint.shape[1] else 0,
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "answer"), [(name, one) for name, some in RIGHT.items() for one in some]
)
@torch.no_grad()
def test_a_right_answer_of_another_style_passes(name, answer):
    verify(name, answer)


@pytest.mark.parametrize(
    ("name", "answer"), [(name, one) for name, some in WRONG.items() for one in some]
)
def test_a_plausible_wrong_answer_is_refused(name, answer):
    with pytest.raises(CheckFailed, match=r"^(?!Your function stopped)"):
        verify(name, answer)


def test_every_exercise_has_three_right_and_five_wrong_answers():
    assert all(len(some) >= 3 for some in RIGHT.values())
    assert all(len(some) >= 5 for some in WRONG.values())
