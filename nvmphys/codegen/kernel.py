"""A device model as compiled functions of one device, with the analytic Jacobian, for a solver that Numba compiles."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy as sp
from numba import cfunc, njit, types
from numba.np.unsafe.ndarray import to_fixed_tuple

from nvmphys.codegen._circuit import LARGEST
from nvmphys.devices.model import AMBIENT, APPLIED, CELL, CURRENT, VOLTAGE, DeviceModel, System, symbol


@njit(cache=True, error_model="numpy")
def _exp(x: float) -> float:
    return math.exp(min(max(x, -LARGEST), LARGEST))


@njit(cache=True, error_model="numpy")
def _sinh(x: float) -> float:
    return math.sinh(min(max(x, -LARGEST), LARGEST))


@njit(cache=True, error_model="numpy")
def _cosh(x: float) -> float:
    return math.cosh(min(max(x, -LARGEST), LARGEST))


@njit(cache=True, error_model="numpy")
def _heaviside(x: float, at_zero: float = 0.5) -> float:
    return 1.0 if x > 0 else (0.0 if x < 0 else at_zero)


ARRAY = types.Array(types.float64, 1, "C")
FUNCTION = types.void(types.float64, ARRAY, types.float64, types.float64, ARRAY, ARRAY)
"""What a compiled function takes: V [V], states, ambient temperature [K], voltage applied [V], parameters, and where it
writes."""

_NUMBA = {"exp": _exp, "sinh": _sinh, "cosh": _cosh, "Heaviside": _heaviside}


@dataclass(frozen=True)
class Kernel:
    """Compiled functions of (V, states, ambient temperature, voltage applied, parameters, out), which they write into.

    Attributes
    ----------
    names : tuple of str
        Parameters in the order in which they are taken.
    rhs : callable
        d(state)/dt of each of the n states, the conduction current [A], the voltage at the terminals [V] and the
        charge [C]: n + 3 numbers. Behind an access transistor the voltage at the terminals is U - R·(I_T - I), with the
        voltage U applied, what the transistor lets through I_T and its resistance R at no current: it is U where the
        currents agree.
    jacobian : callable
        Row by row of rates, current and voltage at the terminals, derivatives by each state, by V, by the ambient
        temperature and by the voltage applied: (n + 2)(n + 3) numbers.
    """

    names: tuple[str, ...]
    rhs: Callable[..., None]
    jacobian: Callable[..., None]


@functools.lru_cache(maxsize=16)
def kernel(model: DeviceModel, thermal_node: bool, n_units: int = 1) -> Kernel:
    """Compile a model, with its temperature a state or not; where its units are coupled, all of them together."""
    return _kernel(_system(model, thermal_node, n_units))


def _kernel(system: System) -> Kernel:
    arguments = _Arguments.of(system)
    states = [state.symbol for state in system.states]
    outputs = [*system.rates, system.current, _terminals(system).xreplace(_put_in(system))]
    slopes = _slopes(system, [*states, VOLTAGE, AMBIENT, APPLIED])
    return Kernel(tuple(system.values), arguments.compiled([*outputs, system.charge]), arguments.compiled(slopes))


@functools.lru_cache(maxsize=16)
def kernel_of_means(model: DeviceModel) -> Kernel:
    """Compile what the terminals of coupled units tell, of their means and what they share; its rates are 0."""
    return _kernel(model.of_means())


@functools.lru_cache(maxsize=16)
def parameter_slopes(
    model: DeviceModel, thermal_node: bool, names: tuple[str, ...], n_units: int = 1
) -> Callable[..., None]:
    """Compile the derivatives of rates, current and voltage at the terminals by some parameters, row by row."""
    system = _system(model, thermal_node, n_units)
    return _Arguments.of(system).compiled(_slopes(system, [symbol(name) for name in names]))


_RESISTANCE = sp.Symbol("R_access", real=True)
"""Resistance of an access transistor at no current [ohm]: held in slopes, its factor is 0 where the currents agree."""


def _terminals(system: System) -> sp.Expr:
    """Return the voltage at the terminals [V], as of `Kernel`, in `CURRENT` and `_RESISTANCE` too."""
    if system.access is None:
        return system.port_by_current
    return APPLIED - _RESISTANCE * (system.access.xreplace({CELL: system.port_by_current}) - CURRENT)


def _put_in(system: System) -> dict[sp.Symbol, sp.Expr]:
    """Return what stands for the current and the resistance of an access transistor."""
    found = {CURRENT: system.current}
    if system.access is not None:
        found[_RESISTANCE] = -1 / system.access.diff(CELL).subs({CELL: 0, APPLIED: 0})
    return found


def _slopes(system: System, by: list[sp.Symbol]) -> list[sp.Expr]:
    """Return derivatives of rates, current and voltage at the terminals, row by row, by the chain rule.

    To differentiate with the current put in, or to simplify after that, takes a minute where it is a long expression.
    """
    through = [system.current.diff(x) for x in by]
    parts = [*(system.by_current or system.rates), CURRENT, _terminals(system)]
    total = [part.diff(x) + part.diff(CURRENT) * slope for part in parts for x, slope in zip(by, through, strict=True)]
    put_in = _put_in(system)
    with sp.evaluate(False):
        return [slope.xreplace(put_in) for slope in total]


def _system(model: DeviceModel, thermal_node: bool, n_units: int) -> System:
    values = model.values()
    if model.thermal is not None:
        capacitance = model.thermal.capacitance
        values[capacitance] = model.parameter(capacitance).bounds[1 if thermal_node else 0]
    units = None
    if model.units is not None and model.coupled:
        units = [{name: values[name] for name in model.units.parameters}] * n_units
    return model.system(values, units)


@dataclass(frozen=True)
class _Arguments:
    """What expressions of a system are functions of."""

    symbols: tuple[sp.Symbol, ...]
    n_states: int
    n_parameters: int

    @classmethod
    def of(cls, system: System) -> _Arguments:
        states = [state.symbol for state in system.states]
        parameters = [symbol(name) for name in system.values]
        return cls((VOLTAGE, *states, AMBIENT, APPLIED, *parameters), len(states), len(parameters))

    def compiled(self, expressions: list[sp.Expr]) -> Callable[..., None]:
        """Return a compiled function that writes the values of expressions."""
        some = [(k, sp.sympify(e)) for k, e in enumerate(expressions) if e != 0]
        numbers = tuple(sp.Float(e) if e.is_number else e for _, e in some)  # of one type
        function = njit(sp.lambdify(self.symbols, numbers, [_NUMBA, "math"], cse=True), error_model="numpy")
        places, count = np.array([k for k, _ in some], dtype=np.int64), len(some)
        n_states, n_parameters = self.n_states, self.n_parameters

        @cfunc(FUNCTION, error_model="numpy")
        def write(v, x, ambient, applied, p, out):  # type: ignore[no-untyped-def]
            given = (v, *to_fixed_tuple(x, n_states), ambient, applied, *to_fixed_tuple(p, n_parameters))
            found = function(*given)
            out[:] = 0.0
            for k in range(count):
                out[places[k]] = found[k]

        return write
