"""Printing expressions for circuit simulators: products for powers, clipped arguments, numbers with all digits."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp
from sympy.printing.str import StrPrinter

STATE_F = 1e-9
"""Capacitor on which a state stands [F]: a state of 1 is 1 V on it."""
LEAST_OHM = 1e-3
"""Series resistance in place of none: a node needs one."""
_LARGEST = 80.0
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
        if not exponent.is_Integer:
            raise ValueError(f"power {exponent} cannot be printed: write it as a product or a square root")
        product = "*".join([f"({self._print(base)})"] * abs(int(exponent)))
        return f"({product})" if exponent > 0 else f"(1.0/({product}))"

    def _clipped(self, function: sp.Function) -> str:
        argument = self._print(function.args[0])
        return f"{function.func.__name__}(min(max({argument},-{_LARGEST}),{_LARGEST}))"

    _print_exp = _print_sinh = _print_cosh = _clipped

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
