"""Exercises of chapter 4: attention to words, captions that one vector confuses, what
a word does, reweighting, what attention to words costs, and bits about two conditions.
"""

import torch
import torch.nn.functional as F

from ..analysis import effect_maps, flops, mutual_information
from ..config import preset
from ..data.shapes import CaptionError, encode, read
from ..model import DiT
from ..seeding import seeded
from .exercise import exercise, require, returned, same


@exercise("04.1")
def attend(attend) -> None:
    """attend(q, k, v, seen): attention of N queries to M keys, with padding masked."""
    generator = torch.Generator().manual_seed(0)
    q = 2 * torch.randn(2, 3, 6, 8, generator=generator)
    k = 2 * torch.randn(2, 3, 5, 8, generator=generator)
    v = torch.randn(2, 3, 5, 4, generator=generator)
    seen = torch.tensor([[True] * 5, [True, True, False, True, False]])
    wanted = F.scaled_dot_product_attention(q, k, v, seen[:, None, None])
    got = attend(q.clone(), k.clone(), v.clone(), seen.clone())
    same(
        got,
        wanted,
        "Logits are q @ k.transpose(-2, -1), divided by the root of the last axis of "
        "q. Where seen[:, None, None] is False they become minus infinity, before a "
        "softmax over the last axis, the words.",
    )


@exercise("04.2")
def confused(captions) -> None:
    """captions() -> (first, second): the same words with different meanings."""
    got = returned(captions())
    require(
        isinstance(got, (tuple, list))
        and len(got) == 2
        and all(isinstance(one, str) for one in got),
        "Return two captions, as strings.",
    )
    first, second = (one.lower().split() for one in got)
    require(
        sorted(first) == sorted(second),
        "The means of their words differ, so one vector can tell these two apart. Use "
        "the same words in a different order.",
    )
    require(first != second, "These two are the same caption.")
    try:
        meanings = [meaning(" ".join(one)) for one in (first, second)]
    except CaptionError as error:
        require(False, f"The captions must be in the language of the data: {error}")
    require(
        meanings[0] != meanings[1],
        "These two ask for the same picture, so nothing is lost when they are "
        "confused. Which word has to move to the other object?",
    )
    colourless = [meaning(" ".join(one), "colour") for one in (first, second)]
    require(
        colourless[0] != colourless[1],
        "These two exchange only colours, as the pair in the text does. What else can "
        "change places?",
    )


def meaning(caption: str, besides: str = "") -> tuple:
    """What a caption asks for, whatever the order of its objects, but for one
    attribute.
    """
    claims = read(encode(caption))
    named = [
        tuple(sorted(said for said in one.items() if said[0] != besides))
        for one in claims.objects
    ]
    opposite = (1, 0, 3, 2)  # of left, right, above, below
    relations = {
        min((named[a], r, named[b]), (named[b], opposite[r], named[a]))
        for a, r, b in claims.relations
    }
    return sorted(named), relations, claims.background


@exercise("04.3")
@torch.no_grad()
def effect(effect) -> None:
    """effect(model, x, t, y, j): how much the output changes without word j."""
    with seeded(0):
        model = DiT(
            preset(
                "S/8", image_size=16, channels=3, width=32, depth=2, heads=2,
                condition="caption", vocab_size=9, caption_length=4,
                conditioning="adaln_zero_cross",
            )
        )  # fmt: skip
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
        x, t = torch.randn(3, 3, 16, 16), torch.rand(3)
    y = torch.tensor([[5, 3, 8, 0], [2, 2, 1, 7], [4, 6, 0, 0]])
    before = y.clone()
    for j in (0, 1, 3):
        wanted = effect_maps(model, x, t, y)[:, j].square().mean(-1).sqrt()
        got = effect(model, x, t, y, j)
        require(
            torch.equal(y, before),
            "Your function changes the captions it is given: work on y.clone().",
        )
        same(
            got,
            wanted,
            "Write 0, which is padding, in column j of a copy of y, and call the "
            "model again. Return one number per picture: the root mean square of the "
            "difference over channels, rows and columns.",
            tolerance=1e-4,
        )


@exercise("04.4")
def reweight(reweight) -> None:
    """reweight(weights, factors): attention (B, h, N, M) with each word's weight
    multiplied.
    """
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(2, 3, 5, 4, generator=generator).softmax(-1)
    factors = torch.tensor([1.0, 0.0, 2.5, 1.0])
    before = weights.clone()
    got = reweight(weights, factors)
    require(
        torch.equal(weights, before),
        "Your function changes the weights it is given: return new ones.",
    )
    same(
        got,
        weights * factors,
        "Multiply after the softmax and leave the other words as they are: a row then "
        "no longer sums to 1, and that is what makes a word stronger.",
    )


@exercise("04.5")
def added(added) -> None:
    """added(N, M, D): multiply-adds that cross-attention to M words adds to a block."""
    for N, M, D in ((64, 16, 128), (256, 2, 384), (16, 77, 256)):
        shape = dict(
            image_size=4 * round(N**0.5), channels=3, width=D, depth=1, heads=1
        )
        words = dict(condition="caption", vocab_size=9, caption_length=M)
        with_words, without = (
            flops(preset("S/4", **shape, **words, conditioning=name))
            for name in ("adaln_zero_cross", "adaln_zero")
        )
        wanted = with_words["total"].macs - without["total"].macs
        got = returned(added(N, M, D))
        require(
            abs(float(got) - wanted) < 0.5,
            f"For N = {N}, M = {M} and D = {D} the package counts {wanted:,}, you "
            f"count {float(got):,.0f}. Four matrices of D x D: two act on N tokens, "
            "two on M. Then two products of size N x M x D.",
        )


@exercise("04.6")
def bits(bits) -> None:
    """bits(joint): mutual information of the two axes of a table, in bits."""
    generator = torch.Generator().manual_seed(0)
    noisy = torch.rand(3, 4, generator=generator, dtype=torch.float64)
    tables = {
        "two independent coins": torch.full((2, 2), 0.25, dtype=torch.float64),
        "two copies of a coin": torch.eye(2, dtype=torch.float64) / 2,
        "a table of three by four": noisy / noisy.sum(),
        "one value that never occurs": torch.tensor(
            [[0.5, 0.0, 0.0], [0.125, 0.0, 0.375]], dtype=torch.float64
        ),
    }
    for name, joint in tables.items():
        wanted = mutual_information(joint)
        got = returned(bits(joint.clone()))
        require(
            abs(float(got) - wanted) < 1e-6,
            f"For {name} the answer is {wanted:.4f} bits, yours {float(got):.4f}. Sum "
            "p(a, b) log2 of p(a, b) / (p(a) p(b)), and leave out what has "
            "probability 0.",
        )
