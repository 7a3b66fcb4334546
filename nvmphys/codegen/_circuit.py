"""Printing expressions for circuit simulators: products for powers, clipped arguments, numbers with all digits."""

from __future__ import annotations

import re
from collections.abc import Mapping

import sympy as sp
from sympy.printing.str import StrPrinter

from nvmphys.errors import BadInput

STATE_F = 1e-9
"""Capacitor on which a state stands [F]: a state of 1 is 1 V on it."""
LEAST_OHM = 1e-3
"""Series resistance in place of none: a node needs one."""
LARGEST = 80.0
"""Argument at which exponentials are clipped: beyond it an iteration of the solver has strayed, not the device."""


class _Printer(StrPrinter):
    """Print with symbols replaced by what stands for them in the circuit."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__()
        self.names = names

    def _print_Symbol(self, symbol: sp.Symbol) -> str:
        return self.names[symbol.name]

    def _print_Pow(self, power: sp.Pow, rational: bool = False) -> str:
        base, exponent = power.as_base_exp()
        if exponent == sp.Rational(1, 2):
            return f"sqrt({self._print(base)})"
        if exponent == -sp.Rational(1, 2):
            return f"(1.0/sqrt({self._print(base)}))"
        if not exponent.is_Integer:
            return self._exponential("exp", f"({self._print(exponent)})*ln({self._print(base)})")
        product = "*".join([f"({self._print(base)})"] * abs(int(exponent)))
        return f"({product})" if exponent > 0 else f"(1.0/({product}))"

    def _exponential(self, name: str, argument: str) -> str:
        return f"{name}(min(max({argument},-{LARGEST}),{LARGEST}))"

    def _clipped(self, function: sp.Function) -> str:
        return self._exponential(function.func.__name__, self._print(function.args[0]))

    _print_exp = _print_sinh = _print_cosh = _clipped

    def _print_log(self, function: sp.Function) -> str:
        return f"ln({self._print(function.args[0])})"

    def _of_two(self, name: str, function: sp.Function) -> str:
        first, *others = (self._print(argument) for argument in function.args)
        for other in others:
            first = f"{name}({first},{other})"
        return first

    def _print_Max(self, function: sp.Function) -> str:
        return self._of_two("max", function)

    def _print_Min(self, function: sp.Function) -> str:
        return self._of_two("min", function)

    def _print_Float(self, number: sp.Float) -> str:
        return repr(float(number))

    def _print_Rational(self, number: sp.Rational) -> str:
        return f"({number.p}.0/{number.q}.0)"


def printed(expression: sp.Expr, names: Mapping[str, str]) -> str:
    """Print an expression; `names` says what stands for each of its symbols.

    >>> printed(sp.exp(sp.Symbol("a") ** 2) / 3, {"a": "v(n)"})
    'exp(min(max(((v(n))*(v(n))),-80.0),80.0))/3'
    """
    text: str = _Printer(names).doprint(expression)
    return text


def checked_name(name: str) -> str:
    """Return a name for a subcircuit or module; refuse what a circuit simulator would read as something else."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise BadInput(f"name must be lower-case letters, digits and underscores, a letter first (got {name[:80]!r})")
    return name


def one_line(text: str) -> str:
    """Return text for a comment: a line break in it would begin a line of code."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
