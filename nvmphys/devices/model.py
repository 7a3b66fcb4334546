"""What a device model is: expressions in voltage, states and temperature, with parameters that say what they are."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.optimize import brentq

from nvmphys.errors import BadInput
from nvmphys.parameters import Parameter, checked_values

if TYPE_CHECKING:
    from nvmphys.devices.capacitor import Switching
    from nvmphys.devices.noise import Noise

Array = NDArray[np.float64]

VOLTAGE = sp.Symbol("V", real=True)
"""Voltage across the part of the device that its equations are written for, behind what stands in series [V]."""
CURRENT = sp.Symbol("I_through", real=True)
"""The conduction current [A], in what drops in series."""
DRAIN = sp.Symbol("V_ds", real=True)
"""Voltage from drain to source of a transistor [V]."""
APPLIED = sp.Symbol("V_applied", real=True)
"""Voltage between the terminals, of an access transistor in series too [V]."""
CELL = sp.Symbol("V_cell", real=True)
"""Voltage between the terminals without the access transistor [V]."""
TEMPERATURE = sp.Symbol("T", positive=True)
"""Temperature of the switching region [K]."""
AMBIENT = sp.Symbol("T_amb", positive=True)
"""Temperature of the surroundings [K]."""
RESERVED = frozenset({"i", "n", "p", "q", "r", "m", "v", "x", "temp", "temper", "time", "hertz", "pi", "e"})
"""Names that the circuits' languages or the writers of code use themselves, in lower case."""
_FAR_V = 100.0
"""No inner voltage of a device at rest is farther from 0 [V]."""
RISE_K = 100.0
"""Rise of temperature for which the state of a thermal node is 1 [K]."""


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
class Thermal:
    """Self-heating: C·dT/dt = P - (T - T_amb)/R, and T = T_amb + R·P at once where C is 0.

    Attributes
    ----------
    resistance : str or sympy.Expr
        R [K/W]: the name of a parameter, or an expression in what the current is made of.
    capacitance : str
        Name of the parameter C [J/K].
    power : sympy.Expr
        P [W], in the same symbols and `CURRENT`; V·I by default.
    """

    resistance: str | sp.Expr
    capacitance: str
    power: sp.Expr = field(default_factory=lambda: VOLTAGE * CURRENT)

    @property
    def kelvin_per_watt(self) -> sp.Expr:
        """R as an expression [K/W]."""
        return symbol(self.resistance) if isinstance(self.resistance, str) else self.resistance


@dataclass(frozen=True)
class Access:
    """A transistor in series with a device, which limits its current.

    Attributes
    ----------
    current : sympy.Expr
        What it lets through [A], in `APPLIED`, `CELL`, `AMBIENT` and parameters: it rises with `APPLIED`, falls with
        `CELL`, and is 0 where both are 0.
    gate : str
        Name of the parameter that is the voltage of its gate [V].
    """

    current: sp.Expr
    gate: str


@dataclass(frozen=True)
class Units:
    """Many alike units side by side in one device, such as the domains of a ferroelectric: the device is their mean.

    Units are coupled where a mean over them, or a state that they share, acts back on each.

    Attributes
    ----------
    name : str
        What a unit is called.
    parameters : tuple of str
        Parameters that each unit has a value of its own for.
    quantiles : callable
        Values of those parameters, by name, from the values of all others and a uniform number (0 … 1) for each.
    count : int or callable
        Units of a device where nobody says how many, or that number from the values of all parameters.
    means : mapping of sympy.Expr
        Expressions in the states of a unit by the name under which their mean over the units stands in the equations.
    shared : tuple of str
        States that are one for all units of a device, the last of the model's.
    expected : callable or None
        Means and shared states (piece, row, number) of infinitely many units after each piece of `Ramps`, from values
        by name (row,) and those at the start (number,), or None for rest: smooth in the parameters, which what a few
        drawn units do is not. A fit needs it.
    """

    name: str
    parameters: tuple[str, ...]
    quantiles: Callable[[Mapping[str, Array], Mapping[str, Array]], dict[str, Array]]
    count: int | Callable[[Mapping[str, float]], int]
    means: Mapping[str, sp.Expr] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    expected: Callable[[Mapping[str, Array], Ramps, Sequence[float] | None], Array] | None = None

    def count_at(self, values: Mapping[str, float]) -> int:
        """Return how many units a device of some values has where nobody says."""
        return self.count(values) if callable(self.count) else self.count

    @property
    def coupled(self) -> bool:
        """Whether a unit feels the others."""
        return bool(self.means or self.shared)


@dataclass(frozen=True)
class Segments:
    """A waveform as straight pieces; a jump is the end of one piece and another start of the next.

    Attributes
    ----------
    duration_s, start_V, end_V, start_K, end_K : ndarray (segment,)
    pulse : ndarray of int (segment,)
        Number of the pulse that a piece belongs to, or -1: numbers drawn for each pulse follow it.
    """

    duration_s: Array
    start_V: Array
    end_V: Array
    start_K: Array
    end_K: Array
    pulse: NDArray[np.int64]


@dataclass(frozen=True)
class Ramps:
    """Straight pieces of voltage one after another, each row with pieces of its own.

    Attributes
    ----------
    start_V, end_V, duration_s : ndarray (piece, row)
    kelvins : ndarray (row,) or (piece, row)
        Temperature.
    """

    start_V: Array
    end_V: Array
    duration_s: Array
    kelvins: Array


@dataclass(frozen=True)
class System:
    """A model with its values put together: what a writer of code or a solver needs, and no more.

    Attributes
    ----------
    name, title : str
    references : tuple of str
    values : dict of float
        Parameters by name; those of units end in the number of the unit.
    states : tuple of State
    start : tuple of float
        States at rest, in units of their scales.
    current, charge : sympy.Expr
        Conduction current [A] and charge [C] in `VOLTAGE`, `AMBIENT`, states and parameters.
    rates : tuple of sympy.Expr
        d(state)/dt [1/s] in the same symbols.
    drop : sympy.Expr
        Voltage in series besides that of `series` [V], in the same symbols and `CURRENT`.
    series : str or None
        Name of the parameter that is a resistance in series inside the device [ohm].
    drain : sympy.Expr or None
        Drain current of a transistor [A], in the same symbols and `DRAIN`.
    by_current : tuple of sympy.Expr
        The rates in `CURRENT` too, where a drop in series lets a circuit know it; empty elsewhere.
    access : sympy.Expr or None
        What an access transistor in series lets through [A], in `APPLIED`, `CELL`, `AMBIENT` and parameters.
    """

    name: str
    title: str
    references: tuple[str, ...]
    values: dict[str, float]
    states: tuple[State, ...]
    start: tuple[float, ...]
    current: sp.Expr
    charge: sp.Expr
    rates: tuple[sp.Expr, ...]
    drop: sp.Expr
    series: str | None
    drain: sp.Expr | None = None
    by_current: tuple[sp.Expr, ...] = ()
    access: sp.Expr | None = None

    @property
    def port(self) -> sp.Expr:
        """Voltage between the terminals, before an access transistor [V]; of `VOLTAGE`, ambient, states, parameters."""
        return self.port_by_current.xreplace({CURRENT: self.current})

    @property
    def port_by_current(self) -> sp.Expr:
        """The same, in `CURRENT` too."""
        resistance = sp.Integer(0) if self.series is None else symbol(self.series)
        return VOLTAGE + self.drop + resistance * CURRENT

    def rest_V(self, ambient_K: float = 300.15) -> float:
        """Return `VOLTAGE` with nothing at the terminals and the states at their start [V]."""
        put_in = {symbol(name): value for name, value in self.values.items()} | {AMBIENT: ambient_K}
        put_in |= {state.symbol: x for state, x in zip(self.states, self.start, strict=True)}
        arguments = [VOLTAGE, CURRENT, *put_in]
        through, between = (sp.lambdify(arguments, e, cse=True) for e in (self.current, self.port_by_current))

        def port(volts: float) -> float:
            return float(between(volts, through(volts, 0.0, *put_in.values()), *put_in.values()))

        if port(0.0) == 0:
            return 0.0
        far = 1.0
        while port(-far) * port(far) > 0 and far < _FAR_V:
            far *= 2
        return float(brentq(port, -far, far, xtol=1e-15, rtol=1e-15))

    @property
    def start_values(self) -> dict[str, float]:
        """The states at rest as parameters of a circuit: `<state>_0`."""
        return {f"{state.name}_0": float(x) for state, x in zip(self.states, self.start, strict=True)}

    def bounds(self) -> list[tuple[float, float]]:
        """Return lowest and highest value of each state, in units of its scale."""
        return [(_number(state.low, self.values), _number(state.high, self.values)) for state in self.states]


@dataclass(frozen=True, eq=False)
class DeviceModel:
    """A compact model, written once; code generators and simulation know no model by name.

    Attributes
    ----------
    name, technology, title : str
    parameters : tuple of Parameter
    states : tuple of State
    current : sympy.Expr
        Conduction current [A] in `VOLTAGE`, `TEMPERATURE`, states and parameters; odd enough that I(0) = 0.
    state_rate : tuple of sympy.Expr
        d(state)/dt [1/s] in the same symbols and `CURRENT`.
    experiments : mapping of mapping
        Experiments that identify the parameters, each with the stimulus that suits the model (`nvmphys.simulate`).
    validity : mapping of tuple
        Lowest and highest `voltage_V` and `temperature_K` that the model is meant for.
    references, limits : tuple of str
        Where it was read, and what it does not do.
    charge : sympy.Expr
        Charge [C] besides the conduction: the device carries I + dQ/dt.
    drain : sympy.Expr or None
        Drain current [A] of a transistor, in the symbols of the current and `DRAIN`: the terminals are then gate and
        source, and the drain a third.
    series : str or None
        Name of the parameter that is a resistance in series inside the device [ohm].
    drop : sympy.Expr
        What else stands between `VOLTAGE` and the terminals [V], in the symbols of the current and `CURRENT`. With it,
        the voltage at the terminals must still rise with `VOLTAGE`, so that there is one answer.
    access : Access or None
        A transistor in series with all that (`nvmphys.devices.transistor.in_series`).
    thermal : Thermal or None
        Self-heating; without it `TEMPERATURE` is `AMBIENT`. Where its capacitance may be 0, `current` must not depend
        on `TEMPERATURE`; where it may not, the temperature is always a state.
    units : Units or None
        Alike units of which a device has many.
    drawn_per_pulse : str or None
        Name of the parameter that is a standard normal number of its own for each pulse.
    closed_form : callable or None
        States (knot, row, state) at the ends of all segments, from values by name (row,), the states at the start
        (row, state) and `Segments`: a solution that needs no integration. A row is a unit; where units are coupled it
        is a device, its own states unit after unit and the shared ones last, and values of units are (row, unit).
    noise : Noise or None
        Noise of the read current (`nvmphys.devices.noise`), in the parameters of the model and its own.
    known : tuple of str
        Parameters that are known without a fit, from the layout (a thickness, an area) or because others are given for
        them: a fit that chooses for itself holds them.
    fitted : mapping of tuple of str
        Parameters that a fit which chooses for itself chooses from, by experiment; of others it takes all.
    switching : Switching or None
        Of a capacitor: how its polarization follows from voltages in closed form, as a fit needs it.

    Raises
    ------
    ValueError
        Names that differ by case alone (circuit simulators would take them for one), and what no solver here can do.
    """

    name: str
    technology: str
    title: str
    parameters: tuple[Parameter, ...]
    states: tuple[State, ...]
    current: sp.Expr
    state_rate: tuple[sp.Expr, ...]
    experiments: Mapping[str, Mapping[str, Any]]
    validity: Mapping[str, tuple[float, float]]
    references: tuple[str, ...]
    limits: tuple[str, ...]
    charge: sp.Expr = field(default_factory=lambda: sp.Integer(0))
    drain: sp.Expr | None = None
    series: str | None = None
    drop: sp.Expr = field(default_factory=lambda: sp.Integer(0))
    access: Access | None = None
    thermal: Thermal | None = None
    units: Units | None = None
    drawn_per_pulse: str | None = None
    closed_form: Callable[[Mapping[str, Array], Array, Segments], Array] | None = None
    noise: Noise | None = None
    known: tuple[str, ...] = ()
    fitted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    switching: Switching | None = None

    def __post_init__(self) -> None:
        names = [p.name.lower() for p in (*self.parameters, *self.noise_parameters)]
        names += [s.name.lower() for s in self.states]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{self.name}: {', '.join(twice)}: names must differ by more than case")
        taken = sorted(RESERVED & {p.name.lower() for p in self.parameters})
        if taken:
            raise ValueError(f"{self.name}: {', '.join(taken)} cannot name a parameter: circuits use it otherwise")
        if self.charge != 0 and self.series is not None:
            raise ValueError(f"{self.name}: a device with charge takes its series resistance from the circuit")
        if self.may_heat_at_once and self.current.has(TEMPERATURE):
            raise ValueError(
                f"{self.name}: where heat follows power at once the current must not depend on the temperature: keep "
                "the thermal capacitance above 0"
            )
        known = {
            VOLTAGE,
            TEMPERATURE,
            AMBIENT,
            *map(symbol, names_of(self.parameters)),
            *(s.symbol for s in self.states),
            *(map(symbol, self.units.means) if self.units else ()),
        }
        last = tuple(state.name for state in self.states[self.n_own :])
        if self.units and self.coupled and (self.thermal or last != self.units.shared):
            raise ValueError(f"{self.name}: shared states must be the last, and coupled units cannot heat themselves")
        of_all = [self.current, self.charge, *(e.subs(CURRENT, 0) for e in (*self.state_rate, self.drop))]
        of_all += [] if self.drain is None else [self.drain.subs(DRAIN, 0)]
        if self.access is not None:
            of_all += [self.access.current.subs({APPLIED: 0, CELL: 0}), symbol(self.access.gate)]
        if self.units is not None and self.coupled:
            own = {*map(symbol, self.units.parameters), *(s.symbol for s in self.states[: self.n_own])}
            told = [self.current, self.charge, self.drop, self.drain or sp.Integer(0)]
            if own & set().union(*(expression.free_symbols for expression in told)):
                raise ValueError(f"{self.name}: what the terminals of coupled units tell must be written in means")
        strange = set().union(*(expression.free_symbols for expression in of_all)) - known
        if strange:
            raise ValueError(f"{self.name}: {', '.join(map(str, strange))} is neither parameter nor state")
        said = set(self.known).union(*self.fitted.values())
        if unknown := said - set(names_of(self.parameters)):
            raise ValueError(f"{self.name}: {', '.join(sorted(unknown))}, said to be known or fitted, is no parameter")
        if self.noise is not None and (alien := self.noise.symbols - set(map(symbol, names_of(self.parameters)))):
            raise ValueError(f"{self.name}: {', '.join(map(str, alien))} in the noise is no parameter")

    def values(self, given: Mapping[str, float] | None = None) -> dict[str, float]:
        """Return the values of all parameters, those given checked against their bounds."""
        return checked_values(self.name, self.parameters, given or {})

    def parameter(self, name: str) -> Parameter:
        """Return a parameter by its name, one of the noise too."""
        return next(p for p in (*self.parameters, *self.noise_parameters) if p.name == name)

    @property
    def noise_parameters(self) -> tuple[Parameter, ...]:
        """The parameters of the noise alone."""
        return () if self.noise is None else self.noise.parameters

    @property
    def coupled(self) -> bool:
        """Whether the model has units that feel one another."""
        return self.units is not None and self.units.coupled

    @property
    def n_own(self) -> int:
        """Number of states that each unit has of its own."""
        return len(self.states) - (len(self.units.shared) if self.units else 0)

    def of_means(self) -> System:
        """Return what the terminals of coupled units tell: its states are the means and what the units share.

        The rates are left out. However many units there are, it is as small.
        """
        assert self.units is not None
        core, nothing = self._heated(False), sp.Integer(0)
        means = tuple(State(name, "mean over units", "1", 1.0, -sp.oo, sp.oo, nothing) for name in self.units.means)
        states = (*means, *self.states[self.n_own :])
        values = {name: value for name, value in self.values().items() if name not in self.units.parameters}
        return System(
            self.name, self.title, self.references, values, states, (0.0,) * len(states), core.current, core.charge,
            (nothing,) * len(states), core.drop, self.series, core.drain,
        )  # fmt: skip

    @property
    def may_heat_at_once(self) -> bool:
        """Whether the temperature may follow the power without a time constant."""
        return self.thermal is not None and self.parameter(self.thermal.capacitance).bounds[0] == 0

    def has_thermal_node(self, values: Mapping[str, float]) -> bool:
        """Whether the temperature is a state, with a time constant, at these values."""
        return self.thermal is not None and values[self.thermal.capacitance] > 0

    def system(
        self, values: Mapping[str, float], units: Sequence[Mapping[str, float]] | None = None, start: Start = None
    ) -> System:
        """Put the model together.

        Parameters
        ----------
        values : mapping
            Of all parameters.
        units : sequence of mapping, optional
            The parameters of each unit, where a device has units; without it, one unit at the values of `values`.
        start : mapping, optional
            States by name in place of those at rest, in units of their scales, checked against their bounds.

        Raises
        ------
        BadInput
            "start of … must lie within …", "unknown state …".
        """
        core = self._heated(self.has_thermal_node(values))
        found = dict(values)
        system = System(
            self.name, self.title, self.references, found, core.states,
            tuple(_number(state.initial, found) for state in core.states),
            core.current, core.charge, core.rates, core.drop, self.series, core.drain,
            core.by_current if self.drop != 0 and self.units is None else (),
            None if self.access is None else self.access.current,
        )  # fmt: skip
        if self.units is not None:
            system = _alone(system, self.units) if units is None else _side_by_side(system, self.units, units)
        return _started(system, start or {})

    def states_with(self, thermal_node: bool) -> tuple[State, ...]:
        """Return the states, with the temperature one of them or not."""
        return self._heated(thermal_node).states

    @functools.lru_cache(maxsize=8)  # noqa: B019 - models live as long as the program
    def _heated(self, node: bool) -> _Core:
        """Return the equations with the temperature put in: as a state, or following the power at once."""
        states, rates = self.states, self.state_rate
        temperature: sp.Expr = AMBIENT
        if self.thermal is not None:
            power = self.thermal.power
            resistance, capacitance = self.thermal.kelvin_per_watt, symbol(self.thermal.capacitance)
            temperature = AMBIENT + power.subs(CURRENT, self.current) * resistance
        if self.thermal is not None and node:
            rise = State("t_rise", "temperature above ambient", "K", RISE_K, sp.Integer(0), sp.oo, sp.Integer(0))
            temperature = AMBIENT + RISE_K * rise.symbol
            states = (*states, rise)
            rates = (*rates, (power * resistance / RISE_K - rise.symbol) / (resistance * capacitance))
        put_in = {TEMPERATURE: temperature}
        current, charge, drop = (e.subs(put_in) for e in (self.current, self.charge, self.drop))
        drain = None if self.drain is None else self.drain.subs(put_in)
        by_current = tuple(rate.subs(put_in) for rate in rates)
        rates = tuple(rate.subs(CURRENT, current) for rate in by_current)
        return _Core(states, current, charge, rates, drop, drain, by_current)


Start = Mapping[str, float] | None


@dataclass(frozen=True)
class _Core:
    states: tuple[State, ...]
    current: sp.Expr
    charge: sp.Expr
    rates: tuple[sp.Expr, ...]
    drop: sp.Expr
    drain: sp.Expr | None
    by_current: tuple[sp.Expr, ...]


def _with_means(system: System, means: Mapping[sp.Symbol, sp.Expr]) -> System:
    """Return the system with the means over its units put in."""
    current, charge, drop = (e.xreplace(means) for e in (system.current, system.charge, system.drop))
    drain = None if system.drain is None else system.drain.xreplace(means)
    rates = tuple(rate.xreplace(means) for rate in system.rates)
    return replace(system, current=current, charge=charge, drop=drop, drain=drain, rates=rates)


def _alone(system: System, about: Units) -> System:
    """Return the system of a single unit: its own states are the means."""
    return _with_means(system, {symbol(name): expression for name, expression in about.means.items()})


def _side_by_side(system: System, about: Units, units: Sequence[Mapping[str, float]]) -> System:
    """Return the system of many units: states and parameters of their own, current and charge their mean."""
    own_states = [state for state in system.states if state.name not in about.shared]
    own_rates, shared_rates = system.rates[: len(own_states)], system.rates[len(own_states) :]
    states: list[State] = []
    rates: list[sp.Expr] = []
    values = {name: value for name, value in system.values.items() if name not in units[0]}
    current, charge = sp.Integer(0), sp.Integer(0)
    means = {symbol(name): sp.Integer(0) for name in about.means}
    for k, own in enumerate(units):
        renamed = {symbol(name): symbol(f"{name}_{k}") for name in own}
        renamed |= {state.symbol: sp.Symbol(f"{state.name}_{k}", real=True) for state in own_states}
        values |= {f"{name}_{k}": float(value) for name, value in own.items()}
        states += [
            State(f"{s.name}_{k}", s.about, s.unit, s.scale, *(e.subs(renamed) for e in (s.low, s.high, s.initial)))
            for s in own_states
        ]
        rates += [rate.subs(renamed) for rate in own_rates]
        current += system.current.subs(renamed) / len(units)
        charge += system.charge.subs(renamed) / len(units)
        for name, expression in about.means.items():
            means[symbol(name)] += expression.subs(renamed) / len(units)
    states += system.states[len(own_states) :]
    start = tuple(_number(state.initial, values) for state in states)
    together = replace(
        system, values=values, states=tuple(states), start=start, current=current, charge=charge,
        rates=(*rates, *shared_rates),
    )  # fmt: skip
    return _with_means(together, means)


def _started(system: System, start: Mapping[str, float]) -> System:
    """Return the system with other states at its start."""
    if not start:
        return system
    places = {state.name: k for k, state in enumerate(system.states)}
    at = list(system.start)
    for name, value in start.items():
        if name not in places:
            raise BadInput(f"{system.name}: unknown state {name!r}: its states are {', '.join(places)}")
        low, high = system.bounds()[places[name]]
        state = system.states[places[name]]
        if not low <= value <= high:
            unit = "" if state.unit == "1" else f" {state.unit}"
            raise BadInput(
                f"{system.name}: start of {name} must lie within {low * state.scale:g} … {high * state.scale:g}{unit} "
                f"(got {value * state.scale:g}{unit}): {state.about}"
            )
        at[places[name]] = float(value)
    return replace(system, start=tuple(at))


def _number(expression: sp.Expr, values: Mapping[str, float]) -> float:
    return float(expression.subs({symbol(name): value for name, value in values.items()}))


def names_of(parameters: Sequence[Parameter]) -> tuple[str, ...]:
    """Return the names of parameters."""
    return tuple(parameter.name for parameter in parameters)


def symbol(name: str) -> sp.Symbol:
    """Return a parameter in expressions."""
    return sp.Symbol(name, real=True)


def soft_step(x: sp.Expr) -> sp.Expr:
    """Return a smooth step from 0 to 1 around x = 0."""
    return (1 + sp.tanh(x)) / 2


def soft_positive(x: sp.Expr, width: float) -> sp.Expr:
    """Return x where it is well above the width, smoothly towards 0 below it."""
    return (x + sp.sqrt(x**2 + width**2)) / 2


def soft_abs(x: sp.Expr, width: sp.Expr | float) -> sp.Expr:
    """Return |x|, rounded within the width of 0, and 0 at 0."""
    return sp.sqrt(x**2 + width**2) - width


def ramp(x: sp.Expr) -> sp.Expr:
    """Return 0 below 0, 1 above 1 and x between: a window that is exactly shut."""
    return sp.Min(sp.Max(x, 0), 1)
