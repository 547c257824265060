"""A table of named formulas that Python and JavaScript read alike: arithmetic on
names, evaluated from the first to the last.
"""

import ast
import functools
import math
import operator
from collections.abc import Callable, Mapping


def divided(a: float, b: float) -> float:
    """a / b; a whole number where whole numbers divide evenly, so that sizes beyond
    2^53 stay exact.
    """
    exact = isinstance(a, int) and isinstance(b, int) and b and a % b == 0
    return a // b if exact else a / b


OPERATIONS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: divided,
    ast.Pow: operator.pow,
}
FUNCTIONS = {"ceil": math.ceil, "floor": math.floor, "min": min, "max": max}


class FormulaError(ValueError):
    """A formula that cannot be read or computed; the message names it."""


def evaluate(
    formulas: Mapping[str, str], values: Mapping[str, float]
) -> dict[str, float]:
    """{name: number} for all `formulas` {name: expression}, in their order; each may
    use `values` and earlier formulas.

    An expression has numbers, names, + - * / **, parentheses, and ceil, floor, min,
    max: nothing else is accepted, so untrusted text may be evaluated.
    widgets/formulas.mjs computes the same. Raises FormulaError, naming the formula.
    """
    known = dict(values)
    for name, text in formulas.items():
        try:
            known[name] = parsed(text)(known)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise FormulaError(f"formula {name} = {text!r}: {error}") from None
    return {name: known[name] for name in formulas}


Step = Callable[[Mapping[str, float]], float]


@functools.cache
def parsed(text: str) -> Step:
    """An expression as a function of {name: number}."""
    try:
        return step(ast.parse(text, mode="eval").body)
    except SyntaxError as error:
        raise FormulaError(f"this is not an expression ({error.msg})") from None


def step(node: ast.expr) -> Step:
    """A tree as a function of {name: number}."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(
            value, bool
        ):
            return lambda known: value
        case ast.Name(id=name):
            return lambda known: look_up(name, known)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
            operation, a, b = OPERATIONS[type(op)], step(left), step(right)
            return lambda known: operation(a(known), b(known))
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as args, keywords=[]) if (
            name in FUNCTIONS
        ):
            function, steps = FUNCTIONS[name], [step(arg) for arg in args]
            return lambda known: function(*(one(known) for one in steps))
    raise FormulaError(
        f"{ast.unparse(node)} is not allowed; use numbers, names, + - * / **, "
        f"parentheses, {', '.join(FUNCTIONS)}"
    )


def look_up(name: str, known: Mapping[str, float]) -> float:
    if name not in known:
        raise FormulaError(f"{name} is not known here")
    return known[name]
