"""What one branch of a fresh block does to its tokens, for each reading of the
source's initial "(0,1)".
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..config import DiTConfig
from ..model import DiT, modulate
from ..seeding import seeded


class Reading(NamedTuple):
    """Initial values of every modulation of a block; `scale` in the 1+scale form, so
    that LN(x) is multiplied by `gamma`.
    """

    conditioning: str
    scale: float
    shift: float

    @property
    def gamma(self) -> float:
        return 1 + self.scale

    @property
    def gate(self) -> float:
        """The branch's initial factor: adaLN has no gate, adaLN-Zero starts with gate
        0.
        """
        return 0.0 if self.conditioning == "adaln_zero" else 1.0


READINGS = {
    "gamma 0, beta 1": Reading("adaln", -1.0, 1.0),
    "gamma 1, beta 0": Reading("adaln", 0.0, 0.0),
    "gate 0": Reading("adaln_zero", 0.0, 0.0),
}


class InitialBranches(NamedTuple):
    """tokens (N, D) before the block; for each reading F's output (N, D), (gamma, beta,
    gate), and F's sensitivity to its input.
    """

    tokens: np.ndarray
    branches: dict[str, np.ndarray]
    starts: dict[str, tuple[float, float, float]]
    sensitivities: dict[str, float]


def set_modulation(
    model: DiT, scale: float, shift: float, gate: float | None = None
) -> None:
    """Give the modulations of every block, whatever the condition, this scale (in
    the 1+scale form), this shift and this gate; without a gate, gates stay.
    """
    for block in model.blocks:
        bias = block.modulation[1].bias.data.view(-1, model.config.width)
        v = block.named(*bias)
        for vector, value in (
            (v.shift1, shift), (v.shift2, shift), (v.scale1, scale), (v.scale2, scale)
        ):  # fmt: skip
            vector.fill_(value)
        if gate is not None:
            v.gate1.fill_(gate)
            v.gate2.fill_(gate)


def initial_branches(
    config: DiTConfig, image: Tensor, seed: int = 0
) -> InitialBranches:
    """F(gamma LN(x) + beta) of the first block of a fresh model, for every reading with
    the same weights.

    x are the tokens of `image` (C, H, W) in [-1,1]; F is the block's MLP. A sensitivity
    is ||dF/dx|| / sqrt(N D), Frobenius: the factor by which F scales a small random
    change of the tokens. Takes N D backward passes of the MLP. The global generator is
    left as it was. Raises ValueError for an image of another shape than the
    configuration's.
    """
    expected = (config.channels, config.image_size, config.image_size)
    if tuple(image.shape) != expected:
        raise ValueError(
            f"image has shape {tuple(image.shape)}; expected {expected}, as in "
            "the configuration"
        )
    with seeded(seed):
        model = DiT(dataclasses.replace(config, conditioning="adaln_zero"))
    block = model.blocks[0]
    with torch.no_grad():
        x = model.position.add(model.embed(image[None]))  # (1, N, D)
    outputs, sensitivities = {}, {}
    for name, reading in READINGS.items():
        scale, shift = (
            torch.full((1, 1, config.width), value)
            for value in (reading.scale, reading.shift)
        )

        def answer(tokens: Tensor, scale=scale, shift=shift) -> Tensor:
            return block.mlp(modulate(block.norm2(tokens), shift, scale))

        outputs[name] = answer(x).detach()[0].numpy()
        sensitivities[name] = _sensitivity(answer, x)
    starts = {
        name: (reading.gamma, reading.shift, reading.gate)
        for name, reading in READINGS.items()
    }
    return InitialBranches(x[0].numpy(), outputs, starts, sensitivities)


def _sensitivity(
    function: Callable[[Tensor], Tensor], x: Tensor, rows: int = 256
) -> float:
    """||J|| / sqrt(n) of the Jacobian of a function of x (1, N, D), n = N D, some of
    its rows at a time.
    """
    n, total = x.numel(), 0.0
    for units in torch.eye(n).view(n, *x.shape[1:]).split(rows):
        # one per row: a batch does not mix
        copies = x.expand(len(units), -1, -1).clone().requires_grad_()
        (gradient,) = torch.autograd.grad(function(copies), copies, units)
        total += gradient.square().sum().item()
    return (total / n) ** 0.5
