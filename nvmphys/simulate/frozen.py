"""Devices whose states do not move, each at voltages of its own: currents and slopes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from nvmphys.devices.model import Array, DeviceModel, symbol
from nvmphys.errors import BadInput, CheckFailed, unknown_name
from nvmphys.simulate.waveform import ROOM_K

INNER_STEPS = 200
"""More than bisection of a volt to the last bit needs."""
ROUNDING_V = 1e-15
"""What differences of exponentials lose near 0 V."""
_DOUBLINGS = 60


@dataclass(frozen=True, eq=False)
class FrozenDevices:
    """Devices of one model at given states.

    The equations are those of the generated subcircuit, beyond the model's range too: there the current follows its
    tangent.

    Attributes
    ----------
    model : DeviceModel
    states : dict of ndarray
        Of every state, in units of its scale, broadcast against the voltages; of coupled units the means over them, of
        a device with a thermal node its rise of temperature.
    values : dict of ndarray
        Of every parameter, broadcast in the same way.
    temperature_K : float
        Of the surroundings.
    """

    model: DeviceModel
    states: dict[str, Array]
    values: dict[str, Array]
    temperature_K: float = ROOM_K

    @cached_property
    def _equations(self):  # type: ignore[no-untyped-def]
        from nvmphys.codegen.frozen import frozen_equations  # takes a second to import

        return frozen_equations(self.model, has_thermal_node(self.model, self.values))

    @cached_property
    def _given(self) -> tuple[ArrayLike, ...]:
        """What all functions take after the voltages."""
        made = self._equations
        states, values = [self.states[name] for name in made.states], [self.values[name] for name in made.parameters]
        return self.temperature_K, *states, *values

    def conduction(self, voltage_V: Array) -> tuple[Array, Array]:
        """Return the current [A] and its slope [S] at voltages between the terminals [V].

        Raises
        ------
        CheckFailed
            "the inner voltage of … must settle …".

        Examples
        --------
        >>> from nvmphys.devices import device
        >>> cells = frozen(device("rram_gap"), {"g": [0.4, 1.2]})
        >>> current, slope = cells.conduction(np.array([0.1, 0.1]))
        >>> current, slope
        (array([7.631e-05, 3.368e-06]), array([7.947e-04, 3.544e-05]))
        """
        inner, share = self._inner(np.asarray(voltage_V, dtype=float))
        current, slope, _, _ = self._at(inner)
        return current, slope * share

    def channel(self, gate_V: Array, drain_V: Array) -> tuple[Array, Array, Array]:
        """Return the drain current of transistors [A] and its derivatives by gate and drain [S].

        Voltages [V] are against the source.

        Raises
        ------
        BadInput
            "… has no drain …".
        """
        if self._equations.drain is None:
            raise BadInput(f"{self.model.name} has no drain: this is for transistors")
        inner, share = self._inner(np.asarray(gate_V, dtype=float))
        found = self._equations.drain(inner, drain_V, *self._given)
        current, by_inner, by_drain = (np.broadcast_to(each, np.shape(inner)) for each in found)
        return current, by_inner * share, by_drain

    def _at(self, inner_V: Array) -> tuple[Array, Array, Array, Array]:
        """Return current, slope, voltage at the terminals behind an access transistor, and its slope."""
        made = self._equations
        near = np.clip(inner_V, -made.far_V, made.far_V)
        inside = (near == inner_V).astype(float)
        current, slope = (np.broadcast_to(each, inner_V.shape) for each in made.current(near, *self._given))
        beyond = inner_V - near
        if made.chord:
            stretch = 1 + np.abs(beyond) / made.far_V
            slope = slope * inside + (1 - inside) * np.abs(current) / made.far_V
            current = current * stretch
        else:
            current = current + beyond * slope
        drop, by_inner, by_current = made.between(near, current, *self._given)
        return current, slope, inner_V + drop, 1 + by_inner * inside + by_current * slope

    def _excess(self, inner_V: Array, voltage_V: Array) -> tuple[Array, Array, Array]:
        """Return what rises with the inner voltage and is 0 at the voltage applied, and its derivatives by both."""
        current, slope, port, rise = self._at(inner_V)
        if self._equations.access is None:
            return port - voltage_V, rise, np.full(inner_V.shape, -1.0)
        through, by_applied, by_cell = self._equations.access(voltage_V, port, *self._given)
        return current - through, slope - by_cell * rise, -by_applied

    def _inner(self, voltage_V: Array) -> tuple[Array, Array]:
        """Return the voltage behind what is in series [V], and its derivative by that at the terminals."""
        low, high = self._bracket(voltage_V)
        inner = np.clip(voltage_V, low, high)
        for _ in range(INNER_STEPS):
            excess, rise, by_applied = self._excess(inner, voltage_V)
            low, high = np.where(excess >= 0, low, inner), np.where(excess <= 0, high, inner)
            low, high = np.where(excess == 0, inner, low), np.where(excess == 0, inner, high)
            with np.errstate(divide="ignore", invalid="ignore"):
                newton = inner - excess / rise
            inside = (newton >= low) & (newton <= high)
            # from so near Newton's next step would be below rounding
            near = np.maximum(1e-10 * np.abs(voltage_V), ROUNDING_V)
            settled = (np.abs(newton - inner) <= near) | (low == high)
            settled |= np.abs(newton - inner) <= 8 * np.spacing(np.abs(inner))
            inner = np.where(low == high, inner, np.where(inside, newton, 0.5 * (low + high)))
            if settled.all():
                return inner, -by_applied / rise
        raise CheckFailed(
            f"the inner voltage of every {self.model.name} must settle within {INNER_STEPS} steps (got one that did "
            "not): the voltage at its terminals is no rising function of it there"
        )

    def _bracket(self, voltage_V: Array) -> tuple[Array, Array]:
        """Return voltages [V] between which the inner ones lie."""
        at_zero = self._excess(np.zeros(voltage_V.shape), voltage_V)[0]
        edge = -np.sign(at_zero) * np.where(at_zero == 0, 0.0, np.maximum(np.abs(voltage_V), 1e-3))
        for _ in range(_DOUBLINGS):
            short = self._excess(edge, voltage_V)[0] * np.sign(at_zero) > 0
            if not short.any():
                break
            edge = np.where(short, 2 * edge, edge)
        return np.minimum(edge, 0.0), np.maximum(edge, 0.0)


def has_thermal_node(model: DeviceModel, values: Mapping[str, ArrayLike]) -> bool:
    """Whether the temperature is a state of all devices; some with and some without cannot be told by one system."""
    if model.thermal is None:
        return False
    name = model.thermal.capacitance
    some = np.asarray(values[name]) > 0
    if some.any() and not some.all():
        raise BadInput(f"{model.name}: {name} must be > 0 J/K for all devices or 0 for all of them (got both)")
    return bool(some.all())


def frozen(
    model: DeviceModel,
    states: Mapping[str, ArrayLike] | None = None,
    values: Mapping[str, ArrayLike] | None = None,
    temperature_K: float = ROOM_K,
) -> FrozenDevices:
    """Return devices that stand still, states and parameters checked.

    Parameters
    ----------
    model : DeviceModel
        Of coupled units the states are the means over them, and what they share.
    states, values : mapping of array_like, optional
        By name, one for all devices or one of each; the others stand at rest (means at 0) and at the defaults.
    temperature_K : float, optional

    Raises
    ------
    BadInput
        Unknown state or parameter, a value out of bounds, "… must be finite …".

    Examples
    --------
    >>> from nvmphys.devices import device
    >>> frozen(device("rram_gap"), {"g": [0.1]})
    Traceback (most recent call last):
        ...
    nvmphys.errors.BadInput: rram_gap: g must lie within 0.2 … 1.7 (got 0.1): gap, 1 is 1e-09 m
    """
    from nvmphys.codegen.frozen import frozen_system

    if not (np.isfinite(temperature_K) and temperature_K > 0):
        raise BadInput(f"temperature_K must be > 0 K (got {temperature_K} K)")
    found = {name: np.asarray(value) for name, value in model.values().items()}
    for name, value in (values or {}).items():
        if name not in found:
            raise unknown_name(f"parameter of {model.name}", name, found)
        parameter, given = model.parameter(name), np.asarray(value, dtype=float)
        found[name] = _within(f"{model.name}: {name}", given, *parameter.bounds, parameter.unit, parameter.about)
    has_thermal_node(model, found)
    system = frozen_system(model, {name: float(np.ravel(value)[0]) for name, value in found.items()})
    held: dict[str, Array] = {}
    for state in system.states:
        low, high, rest = (_at(bound, found) for bound in (state.low, state.high, state.initial))
        given = np.asarray((states or {}).get(state.name, rest), dtype=float)
        about = f"{state.about}, 1 is {state.scale:g} {state.unit}"
        held[state.name] = _within(f"{model.name}: {state.name}", given, low, high, "", about)
    for name in states or {}:
        if name not in held:
            raise unknown_name(f"state of {model.name}", name, held)
    return FrozenDevices(model, held, {name: found[name] for name in system.values}, temperature_K)


def _within(name: str, given: Array, low: Array | float, high: Array | float, unit: str, about: str) -> Array:
    """Return values that are finite and within their bounds, or say which are not."""
    good = np.isfinite(given) & (given >= low) & (given <= high)
    if not good.all():
        bad = np.broadcast_to(given, good.shape)[~good][0]
        said = f"{name} must lie within {np.min(low):g} … {np.max(high):g} {unit}".rstrip()
        raise BadInput(f"{said} (got {bad:g}): {about}")
    return given


def _at(expression: sp.Expr, values: Mapping[str, Array]) -> Array:
    """Return an expression in parameters at their values."""
    names = sorted(s.name for s in expression.free_symbols)
    made = sp.lambdify([symbol(name) for name in names], expression, "numpy")
    return np.asarray(made(*(values[name] for name in names)), dtype=float)
