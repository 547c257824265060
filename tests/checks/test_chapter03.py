"""Exercises of chapter 3: plausible wrong answers are told apart from right ones."""

from fractions import Fraction

import pytest
import torch
from torch import nn

from dit_lite.checks import CheckFailed, verify
from dit_lite.model import Modulation


def normalised(eps=1e-6, correction=0, dims=(-1,), outside=False):
    def norm(x):
        mean = x.mean(dims, keepdim=True)
        variance = x.var(dims, correction=correction, keepdim=True)
        return (x - mean) / (
            variance.sqrt() + eps if outside else (variance + eps).sqrt()
        )

    return norm


def modulated(norm, one=1, shift_first=False):
    def answer(x, scale, shift):
        scale, shift = scale[:, None] + one, shift[:, None]
        return (norm(x) + shift) * scale if shift_first else norm(x) * scale + shift

    return answer


def by_root(x, scale, shift):
    variance, mean = torch.var_mean(x, -1, correction=0, keepdim=True)
    h = (x - mean) * torch.rsqrt(variance + 1e-6)
    return torch.addcmul(shift.unsqueeze(1), h, 1 + scale.unsqueeze(1))


def by_image(x, scale, shift):
    def one(tokens, s, b):
        h = tokens - tokens.mean(1, keepdim=True)
        return h / (h.pow(2).mean(1, keepdim=True) + 1e-6) ** 0.5 * (s + 1) + b

    return torch.stack([one(*image) for image in zip(x, scale, shift, strict=True)])


def in_torch(x, scale, shift):
    h = nn.LayerNorm(x.shape[-1], eps=1e-6, elementwise_affine=False)(x)
    return torch.einsum("bnd,bd->bnd", h, 1 + scale) + shift[:, None, :]


def by_bias(value, rows=slice(1, None, 2)):
    def start(block):
        with torch.no_grad():
            block.modulation[1].bias.view(4, -1)[rows] = value

    return start


def by_copy(block):
    D = block.norm1.normalized_shape[0]
    zero, one = torch.zeros(D), torch.ones(D)
    block.modulation[1].bias.data.copy_(torch.cat([zero, -one, zero, -one]))


def by_names(block):
    vectors = block.named(*block.modulation[1].bias.data.view(4, -1))
    vectors.scale1.sub_(1)
    vectors.scale2.sub_(1)


def frozen(block):
    by_copy(block)
    block.modulation.requires_grad_(False)


class LowRank(nn.Module):
    def __init__(self, width, n, rank, zero=True, active=True):
        super().__init__()
        self.n, self.active = n, active
        self.down, self.up = nn.Linear(width, rank), nn.Linear(rank, n * width)
        for parameter in self.up.parameters() if zero else ():
            nn.init.zeros_(parameter)

    def forward(self, c):
        c = nn.functional.silu(c) if self.active else c
        return self.up(self.down(c))[:, None].chunk(self.n, -1)


class Flat(LowRank):
    def forward(self, c):
        return [v[:, 0] for v in super().forward(c)]


def low_rank(rank, **options):
    return lambda width, n: LowRank(width, n, rank, **options)


def sequence(width, n):
    """Built of torch's parts, without a bias in the middle."""
    up = nn.Linear(10, n * width)
    for parameter in up.parameters():
        nn.init.zeros_(parameter)
    net = nn.Sequential(nn.SiLU(), nn.Linear(width, 10, bias=False), up)

    class Chunks(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, c):
            return list(self.net(c).unsqueeze(1).chunk(n, dim=2))

    return Chunks()


RIGHT = [
    ("03.1", by_root), ("03.1", by_image), ("03.1", in_torch),
    ("03.1", modulated(normalised())),
    ("03.2", lambda n, r: n / (n + 4 + 2 * r)),
    ("03.2", lambda n, r: 1 - (4 + 2 * r) / (4 + 2 * r + n)),
    ("03.2", lambda n, r: Fraction(n) / (n + 4 + 2 * Fraction(r))),
    ("03.2", lambda n, r: n / torch.tensor([n, 4, r, r], dtype=torch.float64).sum()),
    ("03.3", by_bias(-1.0)), ("03.3", by_copy), ("03.3", by_names),
    ("03.4", lambda: (0.4, 0.6)), ("03.4", lambda: [0.45, 0.65]),
    ("03.4", lambda: torch.tensor([0.44, 0.64]).tolist()),
    ("03.5", low_rank(10)), ("03.5", low_rank(14)), ("03.5", sequence),
]  # fmt: skip
WRONG = [
    ("03.1", modulated(normalised(eps=0.0)), "add 1e-6"),
    ("03.1", modulated(normalised(eps=1e-5)), "add 1e-6"),
    ("03.1", modulated(normalised(outside=True)), "under the root"),
    ("03.1", modulated(normalised(correction=1)), "not by D - 1"),
    ("03.1", modulated(normalised(dims=(1, 2))), "each token"),
    ("03.1", modulated(normalised(dims=(1,))), "each token"),
    ("03.1", modulated(normalised(), one=0), "scale of zero"),
    ("03.1", modulated(normalised(), shift_first=True), "scale of zero"),
    ("03.2", lambda n, r: n / 12, "in units of"),
    ("03.2", lambda n, r: n / (4 + 2 * r), "in units of"),
    ("03.2", lambda n, r: n / (n + 4 + r), "in units of"),
    ("03.2", lambda n, r: n / (n + 3 + 2 * r), "in units of"),
    ("03.2", lambda n, r: n / (n + 12), "in units of"),
    ("03.2", lambda n, r: (n, 4, 2 * r), "expected a share"),
    ("03.3", by_bias(-1.0, slice(None)), "must a branch be fed"),
    ("03.3", by_bias(-1.0, slice(0, None, 2)), "must a branch be fed"),
    ("03.3", by_bias(1.0), "must a branch be fed"),
    ("03.3", by_bias(-1.0, slice(1, 2)), "must a branch be fed"),
    ("03.3", by_bias(0.0), "The block is as it was"),
    ("03.3", lambda block: block.attention.out.weight.data.zero_(), "Only the mod"),
    ("03.3", frozen, "No gradient reaches"),
    ("03.4", lambda: (0.8, 1.0), "70 % are wanted"),
    ("03.4", lambda: (0.0, 0.2), "70 % are wanted"),
    ("03.4", lambda: (0.2, 0.4), "70 % are wanted"),
    ("03.4", lambda: (0.2, 0.6), "at most 0.2 apart"),
    ("03.4", lambda: (0.6, 0.4), "two times in"),
    ("03.4", lambda: (None, None), "replace"),
    ("03.4", lambda: ("a", "b"), "expected a time"),
    ("03.5", low_rank(2), "wanted"), ("03.5", low_rank(5), "wanted"),
    ("03.5", low_rank(40), "a third of Modulation"),
    ("03.5", low_rank(10, zero=False), "must be zero"),
    ("03.5", lambda width, n: Flat(width, n, 10), "6 tensors of shape"),
    ("03.5", Modulation, "must be zero"),
    ("03.5", lambda width, n: lambda c: c, "expected an nn.Module"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_a_right_answer_of_any_style_passes(name, answer):
    verify(name, answer)


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_a_plausible_wrong_answer_fails_with_a_hint(name, answer, hint):
    with pytest.raises(CheckFailed, match=hint) as failure:
        verify(name, answer)
    assert "stopped with" not in str(failure.value)
