"""Printing expressions for circuit simulators: products for powers, clipped arguments, numbers with all digits."""

from __future__ import annotations

import re
from collections.abc import Mapping

import sympy as sp
from sympy.printing.str import StrPrinter

from nvmphys.devices.model import DeviceModel, System
from nvmphys.errors import BadInput

STATE_F = 1e-9
"""Capacitor on which a state stands [F]: a state of 1 is 1 V on it."""
LEAST_OHM = 1e-3
"""Series resistance in place of none: a node needs one."""
SELF_F = 3e-17
"""Capacitance across what conducts behind a series resistance [F], less than 40 nm × 40 nm of oxide have: the
voltage behind the series resistance then follows from the moment before. Without it one run in twenty ended in
steps that were too small."""
LARGEST = 80.0
"""Argument at which exponentials are clipped: beyond it an iteration of the solver has strayed, not the device."""

KEYWORDS = frozenset(
    (
        "analog", "begin", "branch", "case", "cell", "config", "default", "discipline", "else", "end", "endfunction",
        "endmodule", "for", "from", "function", "ground", "if", "inf", "initial", "inout", "input", "integer",
        "module", "nature", "output", "parameter", "real", "reg", "string", "time", "while", "wire",
    )
)  # fmt: skip
"""Words of Verilog-A that no module can be called."""
FLAT = 20.0
"""Argument beyond which tanh is 1 to the last digit: its derivative, written with cosh², overflows far out."""
ROOM = 0.1
"""Share of a state's range by which an iteration may leave it before expressions take no more notice."""
BEYOND = 1.5
"""Multiple of the model's largest voltage from which the current follows its tangent and states move no faster."""


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

    def _print_tanh(self, function: sp.Function) -> str:
        return f"tanh(min(max({self._print(function.args[0])},-{FLAT}),{FLAT}))"

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


def ranges(system: System) -> dict[str, tuple[sp.Expr, sp.Expr]]:
    """Return, by state, the range that expressions take notice of: its own and some room; not where it is open.

    A solver that has strayed finds no slope out there but the state's own, and comes back.
    """
    found = {}
    for state in system.states:
        if state.high.is_finite is not False and state.low.is_finite is not False:
            room = (state.high - state.low) * sp.Float(ROOM)
            found[state.name] = (state.low - room, state.high + room)
    return found


def farthest(model: DeviceModel) -> float:
    """Return the voltage [V] that expressions do not go beyond."""
    return BEYOND * max(abs(limit) for limit in model.validity["voltage_V"])


def checked_name(name: str) -> str:
    """Return a name for a subcircuit or module; refuse what a circuit simulator would read as something else."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise BadInput(f"name must be lower-case letters, digits and underscores, a letter first (got {name[:80]!r})")
    if name in KEYWORDS:
        raise BadInput(f"name must not be a word of Verilog-A (got {name!r}): choose another")
    return name


def one_line(text: str) -> str:
    """Return text for a comment: a line break in it would begin a line of code."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
