"""What a device model is: expressions in voltage, states and temperature, with parameters that say what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from nvmphys.parameters import Parameter, checked_values

VOLTAGE = sp.Symbol("V", real=True)
"""Voltage across the device behind its series resistance [V]."""
TEMPERATURE = sp.Symbol("T", positive=True)
"""Temperature of the switching region [K]."""
AMBIENT = sp.Symbol("T_amb", positive=True)
"""Temperature of the surroundings [K]."""


@dataclass(frozen=True)
class State:
    """A state of a device, scaled to order one.

    Attributes
    ----------
    name : str
        As in generated code.
    about : str
        What it is, in words.
    unit : str
        SI unit of the state times `scale`.
    scale : float
        SI value of a state of 1.
    low, high, initial : sympy.Expr
        Bounds and start, of parameters, in units of `scale`.
    """

    name: str
    about: str
    unit: str
    scale: float
    low: sp.Expr
    high: sp.Expr
    initial: sp.Expr

    @property
    def symbol(self) -> sp.Symbol:
        """The state in expressions."""
        return sp.Symbol(self.name, real=True)


@dataclass(frozen=True)
class DeviceModel:
    """A compact model, written once; code generators and simulation know no model by name.

    Attributes
    ----------
    name, technology, title : str
    parameters : tuple of Parameter
    states : tuple of State
    current : sympy.Expr
        Current [A] in `VOLTAGE`, states and parameters; odd enough that I(0) = 0.
    state_rate : tuple of sympy.Expr
        d(state)/dt [1/s] in `VOLTAGE`, states, `TEMPERATURE` and parameters.
    temperature : sympy.Expr
        `TEMPERATURE` [K] in `AMBIENT`, `VOLTAGE`, states and parameters: heating without thermal capacitance.
    series : str or None
        Name of the parameter that is a resistance in series inside the device [ohm].
    experiments : tuple of str
        Experiments that identify the parameters.
    validity, references, limits : tuple of str

    Raises
    ------
    ValueError
        Names that differ by case alone: circuit simulators would take them for one.
    """

    name: str
    technology: str
    title: str
    parameters: tuple[Parameter, ...]
    states: tuple[State, ...]
    current: sp.Expr
    state_rate: tuple[sp.Expr, ...]
    temperature: sp.Expr
    series: str | None
    experiments: tuple[str, ...]
    validity: tuple[str, ...]
    references: tuple[str, ...]
    limits: tuple[str, ...]

    def __post_init__(self) -> None:
        names = [p.name.lower() for p in self.parameters] + [s.name.lower() for s in self.states]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{self.name}: {', '.join(twice)}: names must differ by more than case")

    def values(self, given: Mapping[str, float] | None = None) -> dict[str, float]:
        """Return the values of all parameters, those given checked against their bounds."""
        return checked_values(self.name, self.parameters, given or {})

    def start(self, values: Mapping[str, float]) -> list[float]:
        """Return the states at rest, in units of their scales."""
        return [float(state.initial.subs(symbols(values))) for state in self.states]

    @property
    def rate_of_voltage(self) -> tuple[sp.Expr, ...]:
        """State rates with the temperature put in: expressions of voltage, states, ambient and parameters."""
        return tuple(rate.subs(TEMPERATURE, self.temperature) for rate in self.state_rate)


def symbol(name: str) -> sp.Symbol:
    """Return a parameter in expressions."""
    return sp.Symbol(name, real=True)


def symbols(values: Mapping[str, float]) -> dict[sp.Symbol, float]:
    """Return values by symbol, to put into an expression."""
    return {symbol(name): value for name, value in values.items()}


def soft_step(x: sp.Expr) -> sp.Expr:
    """Return a smooth step from 0 to 1 around x = 0."""
    return (1 + sp.tanh(x)) / 2


def soft_positive(x: sp.Expr, width: float) -> sp.Expr:
    """Return x where it is well above the width, smoothly towards 0 below it."""
    return (x + sp.sqrt(x**2 + width**2)) / 2


def soft_abs(x: sp.Expr, width: sp.Expr | float) -> sp.Expr:
    """Return |x|, rounded within the width of 0, and 0 at 0."""
    return sp.sqrt(x**2 + width**2) - width
