"""Which of the vectors that a condition becomes carries the class: left untold in a
trained model, or held at zero in training.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial

from torch import Tensor, nn

from ..config import choose

#: The vectors that the modulation of a block makes, in their order, by their number. 1
#: is the attention branch, 2 the MLP branch.
VECTORS = {
    4: ("shift 1", "scale 1", "shift 2", "scale 2"),
    6: ("shift 1", "scale 1", "gate 1", "shift 2", "scale 2", "gate 2"),
}
FINAL = ("final shift", "final scale")


def vectors(model: nn.Module) -> tuple[str, ...]:
    """Names of the vectors that the condition becomes in a model, those of a block and
    those of the last layer.

    Raises ValueError for a model whose blocks have no modulation of their own.
    """
    if not all(hasattr(block, "modulation") for block in model.blocks):
        raise ValueError(
            "the blocks of a model with "
            f"conditioning={model.config.conditioning!r} have no modulation of "
            "their own"
        )
    names = VECTORS[model.blocks[0].modulation.n]
    return names if model.final.modulation is None else names + FINAL


@contextmanager
def not_told(model: nn.Module, names: Collection[str]) -> Iterator[None]:
    """Inside, the named `vectors` are computed from the time and "no class", whatever
    the label; the others as ever.

    Raises ConfigError (a ValueError) for a name that the model does not have,
    ValueError for one without modulations or null class.
    """
    for name in names:
        choose("a vector", name, vectors(model))
    if not model.config.null_class:
        raise ValueError(
            "the model was trained without a null class, so it cannot be told "
            '"no class"'
        )
    null: list[Tensor] = []

    def remember(condition: nn.Module, given: tuple[Tensor, Tensor], _) -> None:
        t, y = given
        null[:] = [
            condition.time(t)
            + condition.label(y.new_full(y.shape, model.config.num_classes))
        ]

    def replace(own: tuple[str, ...]):
        def hook(
            modulation: nn.Module, _, told: tuple[Tensor, ...]
        ) -> tuple[Tensor, ...]:
            return tuple(
                n if name in names else v
                for name, v, n in zip(
                    own, told, modulation.forward(null[0]), strict=True
                )
            )

        return hook

    handles = [model.condition.register_forward_hook(remember)]
    handles += [
        block.modulation.register_forward_hook(replace(VECTORS[block.modulation.n]))
        for block in model.blocks
    ]
    if model.final.modulation is not None:
        handles.append(model.final.modulation.register_forward_hook(replace(FINAL)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def hold_at_zero(model: nn.Module, names: Collection[str]) -> None:
    """Keep the named `vectors` of an untrained model at zero while it trains, by making
    their gradients zero.

    This holds for optimisers that leave a weight of zero without a gradient where it
    is, as AdamW does. Errors as in `not_told`.
    """
    for name in names:
        choose("a vector", name, vectors(model))
    parts = [(block.modulation, VECTORS[block.modulation.n]) for block in model.blocks]
    if model.final.modulation is not None:
        parts.append((model.final.modulation, FINAL))
    for modulation, own in parts:
        held = [i for i, name in enumerate(own) if name in names]
        for parameter in modulation[1].parameters():
            parameter.register_hook(partial(_without, held=held, n=modulation.n))


def _without(gradient: Tensor, held: list[int], n: int) -> Tensor:
    gradient = gradient.clone()
    gradient.unflatten(0, (n, -1))[held] = 0
    return gradient
