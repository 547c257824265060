"""Checks the arguments of public functions against their annotations before anything is
computed; the error names the argument.
"""

import functools
import inspect
import math
import numbers
import types
from collections.abc import Callable
from typing import Any, Union, get_args, get_origin, get_type_hints

#: The largest whole number that torch accepts.
LARGEST = 2**63 - 1


def checked(function: Callable) -> Callable:
    """Wrap a function so that its arguments are first checked against its annotations:
    a tensor of numbers (an array is converted), a whole number, a finite number, a
    string, one of our classes. Raises TypeError or ValueError with the argument, its
    type, and what to pass; ranges and shapes are left to the function.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args, **kwargs):
        hints = hints_of(function)
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            if name not in hints:
                continue
            kind = signature.parameters[name].kind
            several = kind is inspect.Parameter.VAR_POSITIONAL
            for one in value if several else [value]:
                if wrong := fault(hints[name], one):
                    raise wrong(name, one)
            if several:
                bound.arguments[name] = [as_tensor(hints[name], one) for one in value]
            else:
                bound.arguments[name] = as_tensor(hints[name], value)
        return function(*bound.args, **bound.kwargs)

    return call


def as_tensor(hint: Any, value: Any) -> Any:
    """The value; an array is converted where a tensor is expected."""
    names = [getattr(one, "__name__", "") for one in (hint, *get_args(hint))]
    if "Tensor" in names and type(value).__name__ == "ndarray":
        import torch

        return torch.from_numpy(value)
    return value


@functools.cache
def hints_of(function: Callable) -> dict[str, Any]:
    return get_type_hints(function)


def fault(hint: Any, value: Any) -> Callable[[str, Any], Exception] | None:
    """What makes the error for a value that a hint does not allow; None if it does."""
    if get_origin(hint) in (Union, types.UnionType):
        faults = [fault(one, value) for one in get_args(hint)]
        return None if None in faults else faults[0]
    if hint is None or hint is type(None):
        return None if value is None else wanted("None")
    if get_origin(hint) is not None:
        hint = get_origin(hint)
    check = KINDS.get(getattr(hint, "__name__", ""))
    if check:
        return check(value)
    if isinstance(hint, type) and not isinstance(value, hint):
        return wanted(f"a {hint.__name__}")
    return None


def wanted(what: str, error: type[Exception] = TypeError) -> Callable:
    def make(name: str, value: Any) -> Exception:
        try:
            said = repr(value)
        except Exception:
            said = f"a {type(value).__name__}"
        if len(said) > 60:
            said = f"{said[:60]}..."
        return error(f"{name}={said} is a {type(value).__name__}; pass {what}")

    return make


def tensor(value: Any) -> Callable | None:
    import numpy as np
    import torch

    if isinstance(value, np.ndarray):
        numeric = value.dtype.kind in "biuf"
    else:
        numeric = isinstance(value, torch.Tensor) and not (
            value.is_complex() or value.is_meta
        )
    return None if numeric else wanted("a tensor of real numbers")


def whole(value: Any) -> Callable | None:
    good = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if good and abs(int(value)) > LARGEST:
        return wanted(f"a whole number of at most {LARGEST}", ValueError)
    return None if good else wanted("a whole number")


def number(value: Any) -> Callable | None:
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return wanted("a number")
    try:
        return None if math.isfinite(value) else wanted("a finite number", ValueError)
    except OverflowError:
        return wanted("a number that a float can hold", ValueError)


def text(value: Any) -> Callable | None:
    return None if isinstance(value, str) else wanted("a string")


def function(value: Any) -> Callable | None:
    return None if callable(value) else wanted("a function")


def switch(value: Any) -> Callable | None:
    return (
        None if type(value).__name__ in ("bool", "bool_") else wanted("True or False")
    )


def sequence(value: Any) -> Callable | None:
    """A list, a tuple or a one-dimensional array; not a string."""
    good = hasattr(value, "__len__") and hasattr(value, "__getitem__")
    flat = getattr(value, "ndim", 1) == 1 and not isinstance(value, (str, bytes, dict))
    return None if good and flat else wanted("a list")


#: The name of an annotation -> its check; other classes are checked with isinstance.
KINDS = {
    "Tensor": tensor,
    "int": whole,
    "float": number,
    "str": text,
    "bool": switch,
    "Callable": function,
    "Sequence": sequence,
}
