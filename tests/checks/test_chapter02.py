"""Exercises of chapter 2: plausible wrong answers are told apart from right ones."""

import math

import numpy as np
import pytest
import torch
from einops import rearrange
from torch.nn import functional as F

from dit_lite import preset
from dit_lite.checks import CheckFailed, verify


def cut_by(pattern):
    return lambda x, P: rearrange(x, pattern, p=P, q=P)


def slices(x, P):
    """Tokens one by one."""
    tokens = [
        x[:, :, i : i + P, j : j + P].permute(0, 2, 3, 1).flatten(1)
        for i in range(0, x.shape[2], P)
        for j in range(0, x.shape[3], P)
    ]
    return torch.stack(tokens, 1)


def unfolded(x, P):
    columns = F.unfold(x, P, stride=P).mT  # (B, N, C P P), the channel outermost
    return columns.unflatten(2, (x.shape[1], P * P)).mT.flatten(2)


def windows(x, P):
    tiles = x.unfold(2, P, P).unfold(3, P, P)  # (B, C, h, w, P, P)
    return tiles.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)


def finest(keeps, divisors=lambda side: range(1, side + 1)):
    """The first divisor whose number of tokens N `keeps` at width D."""

    def smallest(side, D):
        for P in divisors(side):
            if side % P == 0 and keeps((side // P) ** 2, D):
                return P
        return side

    return smallest


def powers(side):
    return [2**k for k in range(side.bit_length())]


def closed_form(side, D):
    need = side / math.sqrt(6 * D)
    return min(P for P in range(1, side + 1) if side % P == 0 and need - 1e-9 <= P)


def downwards(side, D):
    fits = [P for P in range(side, 0, -1) if side % P == 0 and side**2 <= 6 * D * P**2]
    return torch.tensor(fits[-1])


def in_numpy(side, D):
    P = np.flatnonzero(side % np.arange(1, side + 1) == 0) + 1
    N = (side // P) ** 2
    return P[2 * N**2 * D <= 12 * N * D**2].min()


def centres(old, new):
    edges = torch.linspace(-0.5, old - 0.5, new + 1)
    return (edges[1:] + edges[:-1]) / 2


def by_interpolation(old, new):
    k = torch.arange(new)
    return (2 * k + 1) * old / (2 * new) - 0.5


def one_by_one(old, new):
    return torch.tensor([(i + 0.5) * old / new - 0.5 for i in range(new)])


def normal_equations(targets, basis):
    weights = torch.linalg.solve(basis.T @ basis, basis.T @ targets.T)
    return ((targets.T - basis @ weights) ** 2).mean()


def least_squares(targets, basis):
    found = torch.linalg.lstsq(basis, targets.T)
    return (basis @ found.solution - targets.T).square().mean().item()


def by_energy(targets, basis):
    q, _ = torch.linalg.qr(basis)
    kept = (targets @ q).square().sum()
    return ((targets.square().sum() - kept) / targets.numel()).numpy()


def inside(targets, basis):
    return targets @ torch.linalg.pinv(basis).T @ basis.T


def share_lost(targets, basis):
    return (targets - inside(targets, basis)).square().sum() / targets.square().sum()


def centred(targets, basis):
    return normal_equations(targets - targets.mean(0), basis)


RIGHT = [
    ("02.1", slices), ("02.1", unfolded), ("02.1", windows),
    ("02.1", cut_by("b c (h p) (w q) -> b (h w) (p q c)")),
    ("02.2", closed_form), ("02.2", downwards), ("02.2", in_numpy),
    ("02.2", finest(lambda N, D: N <= 6 * D)),
    ("02.3", centres), ("02.3", by_interpolation), ("02.3", one_by_one),
    ("02.4", normal_equations), ("02.4", least_squares), ("02.4", by_energy),
    ("02.5", lambda: preset("digits", patch_size=4, width=124)),
    ("02.5", lambda: preset("digits", patch_size=4, width=88, depth=8)),
    ("02.5", lambda: preset("digits", patch_size=4, width=144, depth=3)),
]  # fmt: skip
WRONG = [
    ("02.1", cut_by("b c (h p) (w q) -> b (w h) (p q c)"), "row, column, channel"),
    ("02.1", cut_by("b c (h p) (w q) -> b (h w) (c p q)"), "row, column, channel"),
    ("02.1", cut_by("b c (h p) (w q) -> b (h w) (q p c)"), "row, column, channel"),
    ("02.1", cut_by("b c (p h) (q w) -> b (h w) (p q c)"), "row, column, channel"),
    ("02.1", lambda x, P: x.reshape(len(x), -1, P * P * x.shape[1]), "row, column"),
    ("02.1", cut_by("b c (h p) (w q) -> b (p q c) (h w)"), "has shape"),
    ("02.2", finest(lambda N, D: N <= 5 * D), "equal"),
    ("02.2", finest(lambda N, D: N < 6 * D), "equal terms still satisfy"),
    ("02.2", finest(lambda N, D: N <= 7 * D), "equal"),
    ("02.2", finest(lambda N, D: N <= 12 * D), "equal"),
    ("02.2", finest(lambda N, D: N <= 6 * D, powers), "need not be a power"),
    ("02.2", lambda side, D: side / math.sqrt(6 * D), "must divide the side"),
    ("02.2", lambda side, D: "two", "expected a patch size"),
    ("02.3", lambda old, new: torch.linspace(0, old - 1, new), "same square"),
    ("02.3", lambda old, new: torch.arange(new) * (old / new), "same square"),
    ("02.3", lambda old, new: torch.arange(new) * (old / new) - 0.5, "same square"),
    ("02.3", lambda old, new: torch.linspace(-0.5, old - 0.5, new), "same square"),
    ("02.3", lambda old, new: (torch.arange(new) + 0.5) * (old / new), "same square"),
    ("02.3", lambda old, new: [0.0] * new, "expected a tensor"),
    ("02.4", lambda x, b: (x - x @ b @ b.T).square().mean(), "neither orthogonal"),
    ("02.4", lambda x, b: normal_equations(x, b) * x.shape[1], "over all n d"),
    ("02.4", lambda x, b: normal_equations(x, b).sqrt(), "least loss is"),
    ("02.4", lambda x, b: inside(x, b).square().mean(), "least loss is"),
    ("02.4", share_lost, "least loss is"),
    ("02.4", centred, "least loss is"),
    ("02.4", inside, "expected one number"),
    ("02.5", lambda: preset("digits"), "patches of 4"),
    ("02.5", lambda: preset("digits", patch_size=4), "twice the width"),
    ("02.5", lambda: preset("digits", patch_size=4, width=256), "times as much"),
    ("02.5", lambda: preset("S/4"), "8x8 digits"),
    ("02.5", lambda: dict(patch_size=4), "return a DiTConfig"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_a_right_answer_of_any_style_passes(name, answer):
    verify(name, answer)


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_a_plausible_wrong_answer_fails_with_a_hint(name, answer, hint):
    with pytest.raises(CheckFailed, match=hint) as failure:
        verify(name, answer)
    assert "stopped with" not in str(failure.value)
