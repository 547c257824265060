"""The tests behind the exercises: `check("01.1", your_function)` says whether it is
right, and if not, where to look.
"""

import html
import re
from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import Tensor

from ..config import choose
from ..widgets.card import note

NOTHING = "The function returns nothing yet: replace `...` and return the result."

CHECKS: dict[str, Callable[[Callable], None]] = {}


class CheckFailed(AssertionError):
    """The answer to an exercise is not right; the message is a hint."""


class Verdict:
    """An exercise's verdict on an answer: a hint, or nothing when it is right."""

    def __init__(self, name: str, hint: str = ""):
        self.name, self.hint = name, hint

    def __repr__(self) -> str:
        said = f"not yet. {self.hint}" if self.hint else "correct."
        return f"Exercise {self.name}: {said}"

    def _repr_html_(self) -> str:
        said = "not yet" if self.hint else "correct"
        hint = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(self.hint))
        below = f"<p>{hint}</p>" if hint else ""
        return note(
            f"<p>Exercise {self.name}: <strong>{said}</strong>.</p>{below}",
            "amber" if self.hint else "green",
            "dit-check",
        ).data


def exercise(name: str) -> Callable:
    """Register a test as the check of exercise `name`."""

    def register(test: Callable[[Callable], None]) -> Callable[[Callable], None]:
        CHECKS[name] = test
        return test

    return register


def check(name: str, answer: Callable) -> Verdict:
    """Say whether the function that answers exercise `name` is right, and if not,
    where to look. Raises ConfigError for an unknown name.
    """
    try:
        verify(name, answer)
    except CheckFailed as failure:
        return Verdict(name, str(failure))
    return Verdict(name)


def verify(name: str, answer: Callable) -> None:
    """Raise CheckFailed with a hint unless `answer` solves exercise `name`, and
    ConfigError for an unknown name.
    """
    choose("exercise", name, CHECKS)
    if not callable(answer):
        raise CheckFailed(
            f"Exercise {name} expects a function and got {type(answer).__name__}: pass "
            "its name, without parentheses."
        )
    try:
        CHECKS[name](answer)
    except CheckFailed:
        raise
    except Exception as error:
        raise CheckFailed(
            f"Your function stopped with {type(error).__name__}: {error}"
        ) from error


def require(condition: bool, hint: str) -> None:
    """Raise CheckFailed with `hint` unless `condition`."""
    if not condition:
        raise CheckFailed(hint)


def returned(got):
    """What a function returned; raises CheckFailed where it is nothing yet."""
    require(got is not None and got is not Ellipsis, NOTHING)
    return got


def same(got, wanted: Tensor, hint: str, tolerance: float = 1e-5) -> None:
    """Raise CheckFailed unless `got` is a tensor of the same shape with the same
    values.
    """
    returned(got)
    require(
        isinstance(got, Tensor),
        f"The result is a {type(got).__name__}, expected a tensor. {hint}",
    )
    require(
        got.shape == wanted.shape,
        f"The result has shape {tuple(got.shape)}, expected "
        f"{tuple(wanted.shape)}. {hint}",
    )
    gap = (got.double() - wanted.double()).abs().max().item()
    require(
        gap <= tolerance * max(1.0, wanted.abs().max().item()),
        f"The values are off by up to {gap:.3g}. {hint}",
    )


def number(got, what: str = "a number") -> float:
    """A number that a function returned: a Python or NumPy number, or a tensor with one
    value. Raises CheckFailed for anything else.
    """
    returned(got)
    said = f"The result is {got!r}, expected {what}."
    require(not isinstance(got, (str, bytes)), said)
    try:
        return float(got)
    except (TypeError, ValueError, RuntimeError):
        raise CheckFailed(said) from None


def images(
    batch: int = 4, channels: int = 2, size: int = 4, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Two random batches of images to test with."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, channels, size, size)
    return torch.randn(shape, generator=generator), torch.randn(
        shape, generator=generator
    )


class ByClass:
    """A test model whose output (B, C, H, W) depends on the image, the time and the
    class; "no class" is the number after the last class, `classes`.

    It is quadratic in the class: if it were affine, guiding the label would work as
    well as guiding the output.
    """

    def __init__(self, classes: int = 3):
        self.config = SimpleNamespace(num_classes=classes)

    def __call__(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return x * (1 + y[:, None, None, None] ** 2) + t[:, None, None, None]
