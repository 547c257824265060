"""Configuration fields that carry their own check, and the error that they raise."""

import dataclasses
import difflib
import numbers
import operator
import os
from collections.abc import Callable
from dataclasses import dataclass


class ConfigError(ValueError):
    """A configuration that cannot be built; the message names the field, the value
    and the way out.
    """


def choose(name: str, value, choices) -> None:
    """Raise ConfigError, suggesting the name that was probably meant, unless `value` is
    one of `choices`.
    """
    choices = tuple(choices)
    # types first: == with an array compares element by element
    if not any(isinstance(value, type(one)) and value == one for one in choices):
        raise ConfigError(
            f"{name}={value!r} is not known; choose one of: "
            f"{', '.join(map(str, choices))}{did_you_mean(value, choices)}"
        )


def did_you_mean(value, choices) -> str:
    """ " (did you mean 'heun'?)" if one of the names is close, else ""."""
    if isinstance(value, str):
        known = {str(choice).lower(): str(choice) for choice in choices}
        if near := difflib.get_close_matches(value.lower(), known, 1):
            return f" (did you mean {known[near[0]]!r}?)"
    return ""


@dataclass(frozen=True)
class Whole:
    """A whole number in [low, high]; numpy's integers are accepted too."""

    low: int
    high: int = 2**63 - 1

    def __call__(self, name: str, value) -> int:
        try:
            whole = operator.index(None if isinstance(value, bool) else value)
        except TypeError:
            raise ConfigError(
                f"{name}={value!r} must be a whole number (int), got "
                f"{type(value).__name__}"
            ) from None
        if whole < self.low:
            raise ConfigError(
                f"{name}={whole} is too small; it must be at least {self.low}"
            )
        if whole > self.high:
            raise ConfigError(
                f"{name}={whole} is too large; it must be at most {self.high}"
            )
        return whole


@dataclass(frozen=True)
class Number:
    """A number between low and high, which are finite, bounds included unless open;
    numpy's numbers are accepted too.
    """

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False

    def __call__(self, name: str, value) -> float:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise ConfigError(
                f"{name}={value!r} must be a number, got {type(value).__name__}"
            )
        value = int(value) if isinstance(value, numbers.Integral) else float(value)
        above = self.low < value if self.open_low else self.low <= value
        below = value < self.high if self.open_high else value <= self.high
        if not (above and below):
            left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
            raise ConfigError(
                f"{name}={value} is out of range; choose a value in "
                f"{left}{self.low:g}, {self.high:g}{right}"
            )
        return value


@dataclass(frozen=True)
class OneOf:
    """One of several names; the package's registries contain exactly these
    (tests/test_config.py).
    """

    choices: tuple[str, ...]

    def __call__(self, name: str, value) -> str:
        choose(name, value, self.choices)
        return value


@dataclass(frozen=True)
class Text:
    """A non-empty string, or a path; the error says `what` it must be."""

    what: str

    def __call__(self, name: str, value) -> str:
        text = os.fspath(value) if isinstance(value, os.PathLike) else value
        if not isinstance(text, str) or not text:
            raise ConfigError(f"{name}={value!r} must be {self.what}")
        return text


def flag(name: str, value) -> bool:
    """True or False; other values that count as true or false are refused."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name}={value!r} must be True or False")
    return value


def setting(text: str, default, check: Callable | None = None):
    """A field with its one-line help text, which the command line prints, and its
    check(name, value), which returns the value to keep.
    """
    kind = "default_factory" if isinstance(default, type) else "default"
    return dataclasses.field(metadata={"help": text, "check": check}, **{kind: default})


def check_fields(config) -> None:
    """Check every field of a new configuration; None passes where it is the default.
    Raises ConfigError.
    """
    for field in dataclasses.fields(config):
        check, value = field.metadata["check"], getattr(config, field.name)
        if check and not (value is None and field.default is None):
            object.__setattr__(config, field.name, check(field.name, value))


def known_fields(config: type, values: dict, what: str) -> dict:
    """`values`, from which a `config` is to be made. Raises ConfigError for a field
    that this version does not have.
    """
    known = {field.name for field in dataclasses.fields(config)}
    if unknown := sorted(set(values) - known):
        raise ConfigError(
            f"unknown field(s) {', '.join(unknown)} in the configuration of {what}; "
            "written by another version or another library?"
        )
    return values
