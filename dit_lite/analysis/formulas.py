"""A table of named formulas that Python and JavaScript read alike: arithmetic on
names, evaluated from the first to the last.
"""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Mapping

OPERATIONS = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}
FUNCTIONS = {"ceil": math.ceil, "floor": math.floor, "min": min, "max": max}


class FormulaError(ValueError):
    """A formula that cannot be read or computed; the message names it."""


def evaluate(
    formulas: Mapping[str, str], values: Mapping[str, float]
) -> dict[str, float]:
    """{name: number} of all `formulas` {name: expression}, in their order; each may use
    `values` and the formulas before it.

    An expression has numbers, names, + - * / **, parentheses, and ceil, floor, min,
    max: nothing else is read, so text from anywhere may be evaluated. widgets/cost.mjs
    computes the same. Raises FormulaError, naming the formula.
    """
    known = dict(values)
    for name, text in formulas.items():
        try:
            known[name] = compute(parsed(text), known)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise FormulaError(f"formula {name} = {text!r}: {error}") from None
    return {name: known[name] for name in formulas}


@functools.cache
def parsed(text: str) -> ast.expr:
    """The tree of an expression."""
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise FormulaError(f"this is not an expression ({error.msg})") from None


def compute(node: ast.expr, known: Mapping[str, float]) -> float:
    """The number of a tree."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(
            value, bool
        ):
            return value
        case ast.Name(id=name):
            if name not in known:
                raise FormulaError(f"{name} is not known here")
            return known[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
            return OPERATIONS[type(op)](compute(left, known), compute(right, known))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as args, keywords=[]) if (
            name in FUNCTIONS
        ):
            return FUNCTIONS[name](*(compute(arg, known) for arg in args))
    raise FormulaError(
        f"{ast.unparse(node)} is not allowed; use numbers, names, + - * / **, "
        f"parentheses, {', '.join(FUNCTIONS)}"
    )
