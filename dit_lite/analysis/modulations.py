"""Which of the modulation vectors carries the class: hold them at "no class" in a
trained model, or at zero in training.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial

from torch import Tensor, nn

from ..config import choose
from ..model import Final, null_like
from ..model.hooks import hooked


def modulation_vectors(model: nn.Module) -> tuple[str, ...]:
    """Names of the vectors into which a model turns the condition, in a block and in
    the last layer: "shift 1" and so on, where 1 is the attention branch and 2 the MLP
    branch, and "final shift".

    Raises ValueError for a model whose blocks have no modulation of their own.
    """
    return tuple(dict.fromkeys(name for _, own in _modulations(model) for name in own))


def _modulations(model: nn.Module) -> list[tuple[nn.Module, tuple[str, ...]]]:
    """Every modulation of a model, and the names of its vectors in their order."""
    if not all(hasattr(block, "modulation") for block in model.blocks):
        raise ValueError(
            "the blocks of a model with "
            f"conditioning={model.config.conditioning!r} have no modulation of "
            "their own"
        )
    own = tuple(f"{name[:-1]} {name[-1]}" for name in model.blocks[0].named._fields)
    parts = [(block.modulation, own) for block in model.blocks]
    if model.final.modulation is not None:
        last = tuple(f"final {name}" for name in Final._fields)
        parts.append((model.final.modulation, last))
    return parts


@contextmanager
def hold_at_null(model: nn.Module, names: Collection[str]) -> Iterator[None]:
    """Inside, the named `modulation_vectors` are computed from the time and "no class",
    whatever the label; the others are unchanged.

    Raises ConfigError (a ValueError) for a name that the model does not have,
    ValueError for one without modulations or null class.
    """
    for name in names:
        choose("a vector", name, modulation_vectors(model))
    if not model.config.null_class:
        raise ValueError(
            'the model was trained without a null class, so it has no "no class"'
        )
    null: list[Tensor] = []

    def remember(condition: nn.Module, given: tuple[Tensor, Tensor], _) -> None:
        t, y = given
        null[:] = [condition.forward(t, null_like(model.config, y)).vector]

    def replace(own: tuple[str, ...]):
        def hook(
            modulation: nn.Module, _, given: tuple[Tensor, ...]
        ) -> tuple[Tensor, ...]:
            return tuple(
                n if name in names else v
                for name, v, n in zip(
                    own, given, modulation.forward(null[0]), strict=True
                )
            )

        return hook

    handles = [model.condition.register_forward_hook(remember)]
    handles += [
        modulation.register_forward_hook(replace(own))
        for modulation, own in _modulations(model)
    ]
    with hooked(handles):
        yield


def hold_at_zero(model: nn.Module, names: Collection[str]) -> None:
    """Keep the named `modulation_vectors` of an untrained model at zero while it
    trains, by making their gradients zero.

    This works with optimisers that leave a zero weight without a gradient at zero, as
    AdamW does. Errors as in `hold_at_null`.
    """
    for name in names:
        choose("a vector", name, modulation_vectors(model))
    for modulation, own in _modulations(model):
        held = [i for i, name in enumerate(own) if name in names]
        for parameter in modulation[1].parameters():
            parameter.register_hook(partial(_without, held=held, n=modulation.n))


def _without(gradient: Tensor, held: list[int], n: int) -> Tensor:
    gradient = gradient.clone()
    gradient.unflatten(0, (n, -1))[held] = 0
    return gradient
