"""Exercises of chapter 3: modulation, what it costs, an identity without a gate,
when the class matters, and a cheaper modulation.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..analysis import LabelSchedule
from ..config import preset
from ..diffusion import sample
from ..model import CONDITIONING, Context, DiT, Modulation
from ..seeding import seeded
from .exercise import NOTHING, exercise, number, require, returned, same


@exercise("03.1")
def modulated(modulated) -> None:
    """modulated(x, scale, shift): normalise each token, then scale and shift its
    channels.
    """
    generator = torch.Generator().manual_seed(0)
    x = 3 * torch.randn(2, 5, 8, generator=generator) + 1
    x[:, 1] *= 2e-4  # a token whose variance is near 1e-6: eps shows
    scale, shift = torch.randn(2, 2, 8, generator=generator)
    wanted = F.layer_norm(x, (8,), eps=1e-6) * (1 + scale[:, None]) + shift[:, None]
    same(
        modulated(x, scale, shift),
        wanted,
        "Take the mean and variance of each token over its D channels. Divide the "
        "variance by D, not by D - 1, and add 1e-6 to it under the root. A scale of "
        "zero must leave the normalised token as it is; scale and shift (B, D) need "
        "an axis for the tokens.",
        1e-4,
    )


@exercise("03.2")
def modulation_share(share) -> None:
    """share(vectors, mlp_ratio): the modulation's share of the matrices of a block."""
    for name, ratio in (
        ("adaln_zero", 4.0),
        ("adaln", 4.0),
        ("adaln_zero", 2.0),
        ("film", 1.5),
    ):
        block = CONDITIONING[name](preset("digits", mlp_ratio=ratio))
        counted = {
            part: sum(p.numel() for p in module.parameters() if p.ndim == 2)
            for part, module in block.named_children()
        }
        n = block.modulation.n
        got = number(share(n, ratio), "a share")
        wanted = counted["modulation"] / sum(counted.values())
        require(
            abs(got - wanted) < 1e-6,
            f"For {n} vectors and an MLP ratio of {ratio:g} the package's blocks give "
            f"{wanted:.4f}, you give {got:.4f}. Count every matrix of a block in "
            "units of D^2: those that make the vectors, those of attention, and both "
            "layers of the MLP.",
        )


@exercise("03.3")
def identity_start(prepare) -> None:
    """prepare(block): make a fresh adaLN block the identity through its modulation
    alone, in a way that can still learn.
    """
    with seeded(0):
        block = DiT(preset("digits", conditioning="adaln")).blocks[0]
        x, tokens = torch.randn(3, 16, 64), torch.randn(3, 2, 64)
        aim = torch.randn(3, 16, 64)
    context = Context(tokens.sum(1), tokens)
    before = {name: p.detach().clone() for name, p in block.named_parameters()}
    prepare(block)
    require(
        any(not torch.equal(p, before[name]) for name, p in block.named_parameters()),
        f"The block is as it was. {NOTHING}",
    )
    others = [
        name
        for name, p in block.named_parameters()
        if "modulation" not in name and not torch.equal(p, before[name])
    ]
    require(
        not others, f"Only the modulation may be changed, and {', '.join(others)} was."
    )
    out = block(x, context)
    change = (out - x).abs().max().item()
    require(
        change < 1e-6,
        f"The block still moves its tokens, by up to {change:.3g}. What must a branch "
        "be fed so that it returns zero, when its biases are zero? "
        "dit_lite.model.Scaled gives the order of the four vectors.",
    )
    (out * aim).sum().backward()
    reached = [
        p.grad is not None and p.grad.abs().max() > 1e-6
        for p in block.modulation.parameters()
        if p.ndim == 2
    ]
    require(
        any(reached),
        "No gradient reaches the modulation: this block would stay the identity "
        "forever.",
    )


@exercise("03.4")
def telling_window(window) -> None:
    """window() -> (low, high): the times in which telling the class is enough."""
    got = returned(window())
    require(
        isinstance(got, (tuple, list)) and len(got) == 2,
        "Return two times, low and high.",
    )
    low, high = (number(time, "a time") for time in got)
    require(
        0 <= low <= high <= 1 and high - low <= 0.2 + 1e-9,
        f"({low:g}, {high:g}) must be two times in [0, 1], at most 0.2 apart.",
    )
    right = accuracy_with_class_within(low, high)
    require(
        right >= 0.66,  # 70 % is asked; of 150 images the error is 4 points
        f"Given the class from t = {high:g} to {low:g} only, the model draws it in "
        f"{right:.0%} of the images; 70 % are wanted. In the figure above, down to "
        "which t does the class given so far not matter, and below which t does the "
        "class given afterwards not matter?",
    )


@torch.no_grad()
def accuracy_with_class_within(low: float, high: float, images: int = 150) -> float:
    """Share of digits judged correct when the class is given only for low <= t <= high,
    with guidance 2.

    Forty steps, so that a window holds about the same number wherever it lies. Outside
    the window both of guidance's answers would be the one without a class: one call is
    enough.
    """
    from ..evaluation import load_judge
    from ..training import load

    def label(t: Tensor, y: Tensor) -> Tensor:
        return torch.where((low <= t) & (t <= high), y, 10)

    y = torch.arange(images) % 10
    model = LabelSchedule(load("digits"), label)
    drawn = sample(
        model, y, steps=40, guidance=2.0, sampler="euler", seed=4, interval=(low, high)
    )
    return (load_judge()(drawn).argmax(1) == y).float().mean().item()


@exercise("03.5")
def cheap_modulation(cheap) -> None:
    """cheap(width, n): a module from (B, width) to n tensors (B, 1, width), a third
    as large as Modulation.
    """
    with seeded(0):
        fresh = returned(cheap(64, 6))
        require(
            isinstance(fresh, nn.Module),
            f"The result is a {type(fresh).__name__}, expected an nn.Module.",
        )
        c = torch.randn(5, 64)
    told = fresh(c)
    require(
        isinstance(told, (tuple, list))
        and [tuple(v.shape) for v in told] == [(5, 1, 64)] * 6,
        "For c of shape (5, 64) the module must return 6 tensors of shape (5, 1, "
        "64), as Modulation does: out[:, None].chunk(n, dim=-1).",
    )
    require(
        not any(v.any() for v in told),
        "Before training all vectors must be zero: set the weights and biases of "
        "the last layer to zero.",
    )
    own, full = (
        sum(p.numel() for p in m.parameters()) for m in (fresh, Modulation(64, 6))
    )
    require(
        own <= full / 3,
        f"It has {own:,} parameters; a third of Modulation(64, 6) is {full // 3:,}.",
    )
    rise, kept = imitate(cheap)
    require(
        rise < 0.1 and kept > 0.8,
        f"In the shipped model it raises the loss by {rise:.0%} and keeps "
        f"{kept:.0%} of the penalty of a wrong label; less than 10 % and more "
        "than 80 % are wanted. How many directions do the vectors of eleven labels "
        "and of all times span, and how many of them does your module leave open?",
    )


def imitate(cheap, steps: int = 150) -> tuple[float, float]:
    """Train modules `cheap(64, 6)` to imitate the shipped model's modulations, and put
    them in their place.

    Returns the relative rise of the held-out loss, and the share of the wrong-label
    penalty that is left.
    """
    from ..evaluation import held_out, mean_loss, mislabelled
    from ..training import load

    model, data = load("digits").requires_grad_(False), held_out("digits")
    student, generator = copy.deepcopy(model), torch.Generator().manual_seed(0)
    c = model.condition(
        torch.rand(2200, generator=generator), torch.arange(2200) % 11
    ).vector
    for block in student.blocks:
        with seeded(0):
            module = cheap(64, 6)
        aim = torch.cat(block.modulation(c), -1)
        optimiser = torch.optim.Adam(module.parameters(), lr=3e-2)
        for step in range(steps):
            k = torch.randint(len(c), (128,), generator=generator)
            loss = F.mse_loss(torch.cat(module(c[k]), -1), aim[k])
            optimiser.param_groups[0]["lr"] = 3e-2 * (1 - step / steps)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        block.modulation = module
    before, after = mean_loss(model, data, 1), mean_loss(student, data, 1)
    penalties = [
        mean_loss(m, mislabelled(data), 1) - own
        for m, own in ((model, before), (student, after))
    ]
    return after / before - 1, penalties[1] / penalties[0]
