"""The devices of a simulation: a value of each parameter for each device, and for each of its units."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import truncnorm

from nvmphys.devices.model import Array, DeviceModel, Start, State, System, names_of, symbol
from nvmphys.errors import BadInput, unknown_name
from nvmphys.parameters import checked_values

if TYPE_CHECKING:
    from nvmphys.codegen.kernel import Kernel

_REFERENCES = ("absolute", "of_value")


@dataclass(frozen=True, eq=False)
class Devices:
    """Devices of one model.

    Attributes
    ----------
    values : dict of ndarray (device,)
        Parameters by name, those of the noise too.
    units : dict of ndarray (device, unit)
        Parameters that each unit has a value of its own for; empty where the model has no units.
    """

    values: dict[str, Array]
    units: dict[str, Array]

    @property
    def count(self) -> int:
        """Number of devices."""
        return int(next(iter(self.values.values())).size)

    @property
    def n_units(self) -> int:
        """Number of units of a device: 1 where the model has none."""
        return int(next(iter(self.units.values())).shape[1]) if self.units else 1

    def rows(self, part: slice) -> dict[str, Array]:
        """Return the parameters of some devices, a row for each unit, by name."""
        many = self.n_units
        spread = {n: x[part] if many == 1 else np.repeat(x[part], many) for n, x in self.values.items()}
        return spread | {name: value[part].ravel() for name, value in self.units.items()}

    def only(self, chosen: NDArray[np.int64]) -> Devices:
        """Return some of the devices."""
        values, units = ({name: each[chosen] for name, each in group.items()} for group in (self.values, self.units))
        return Devices(values, units)

    def compiled(self, model: DeviceModel, part: slice) -> tuple[Kernel, Array]:
        """Return the compiled functions of the model and the parameters (row, parameter) they take."""
        from nvmphys.codegen.kernel import kernel  # takes a second to import

        made = kernel(model, self._has_thermal_node(model), self.n_units if model.coupled else 1)
        rows = self.rows(part)
        if model.coupled:
            rows = {name: value[part] for name, value in self.values.items()}
            rows |= {f"{name}_{k}": value[part, k] for name, value in self.units.items() for k in range(self.n_units)}
        return made, np.ascontiguousarray(np.stack([rows[name] for name in made.names], axis=1))

    def seen(self, model: DeviceModel, part: slice, states: Array) -> tuple[Kernel, Array, Array]:
        """Return compiled functions of what terminals tell, their parameters, and states as rows (…, row, state).

        States are those of the devices (…, device, unit, state); of coupled units the means are enough.
        """
        if not model.coupled:
            return *self.compiled(model, part), as_rows(model, states)
        from nvmphys.codegen.kernel import kernel_of_means

        made = kernel_of_means(model)
        own = np.moveaxis(states[..., : model.n_own], -1, 0)
        means = [np.broadcast_to(mean, own.shape[1:]).mean(axis=-1) for mean in _of_units(model)(*own)]
        rows = np.stack([*means, *np.moveaxis(states[..., 0, model.n_own :], -1, 0)], axis=-1)
        return made, np.ascontiguousarray(np.stack([self.values[name][part] for name in made.names], axis=1)), rows

    def slopes(self, model: DeviceModel, part: slice, names: tuple[str, ...]) -> tuple[Callable[..., None], Array]:
        """Return the compiled derivatives by some parameters, and those of the states at rest (row, state, parameter).

        Raises
        ------
        BadInput
            Unknown parameter.
        """
        from nvmphys.codegen.kernel import parameter_slopes

        for name in names:
            if name not in self.values:
                raise unknown_name(f"parameter of {model.name}", name, self.values)
        node = self._has_thermal_node(model)
        rows = self.rows(part)
        states = len(model.states) + node
        count = next(iter(rows.values())).size
        out = np.zeros((count, states, len(names)))
        found = _rest_slopes(model, names)(*(rows[p.name] for p in model.parameters))
        for place, slope in zip(np.ndindex(len(model.states), len(names)), found, strict=True):
            out[:, place[0], place[1]] = slope
        return parameter_slopes(model, node, names), out

    def closed_rows(self, model: DeviceModel, part: slice) -> dict[str, Array]:
        """Return the parameters of some devices, as a closed form of the model takes them."""
        if not model.coupled:
            return self.rows(part)
        return {name: value[part] for name, value in (self.values | self.units).items()}

    def _has_thermal_node(self, model: DeviceModel) -> bool:
        if model.thermal is None:
            return False
        name = model.thermal.capacitance
        some = self.values[name] > 0
        if some.any() and not some.all():
            raise BadInput(f"{model.name}: {name} must be > 0 J/K for all devices or 0 for all of them (got both)")
        return bool(some.all())

    def states(self, model: DeviceModel) -> tuple[State, ...]:
        """Return the states of a unit, that of a thermal node included."""
        return model.states_with(self._has_thermal_node(model))

    def system(self, model: DeviceModel, device: int = 0) -> System:
        """Return the equations of one device, without units."""
        values = {name: float(value[device]) for name, value in self.values.items()}
        values |= {name: float(value[device, 0]) for name, value in self.units.items()}
        return model.system(values)

    def start(self, model: DeviceModel, given: Start | Array) -> Array:
        """Return the states (device, unit, state) that a simulation starts from, in units of their scales.

        Raises
        ------
        BadInput
            Unknown state, or one outside its range.
        """
        n_states = len(self.states(model))
        shape = (self.count, self.n_units, n_states)
        if isinstance(given, np.ndarray):
            if given.shape != shape or not np.isfinite(given).all():
                raise BadInput(f"start must be finite, of shape {shape} (device, unit, state) (got {given.shape})")
            return given
        rows, out = self.rows(slice(None)), np.empty(shape)
        found = _at_rest(model, n_states)(*(rows[p.name] for p in model.parameters))
        for k, rest in enumerate(found):
            out[..., k] = np.broadcast_to(rest, self.count * self.n_units).reshape(shape[:2])
        if given:
            system = self.system(model)
            asked = model.system(system.values, start=given).start
            for k, state in enumerate(system.states):
                if state.name in given:
                    out[..., k] = asked[k]
        return out


def as_rows(model: DeviceModel, states: Array) -> Array:
    """Return states (…, device, unit, state) as rows (…, row, number) that are solved one by one.

    A row is a unit; where units are coupled it is a device, its shared states last.
    """
    *lead, devices, units, n = states.shape
    if not model.coupled:
        return states.reshape(*lead, devices * units, n)
    own = states[..., : model.n_own].reshape(*lead, devices, units * model.n_own)
    return np.concatenate([own, states[..., 0, model.n_own :]], axis=-1)


def as_units(model: DeviceModel, rows: Array, n_units: int) -> Array:
    """Return rows (…, row, number) as states (…, device, unit, state): the inverse of `as_rows`."""
    *lead, count, numbers = rows.shape
    if not model.coupled:
        return rows.reshape(*lead, count // n_units, n_units, numbers)
    split = n_units * model.n_own
    own = rows[..., :split].reshape(*lead, count, n_units, model.n_own)
    shared = np.broadcast_to(rows[..., np.newaxis, split:], (*lead, count, n_units, numbers - split))
    return np.concatenate([own, shared], axis=-1)


@functools.lru_cache(maxsize=16)
def _of_units(model: DeviceModel) -> Callable[..., Sequence[Array]]:
    """Return a function of the states of a unit that gives what the means are over."""
    assert model.units is not None
    own = [state.symbol for state in model.states[: model.n_own]]
    made: Callable[..., Sequence[Array]] = sp.lambdify(own, list(model.units.means.values()), "numpy")
    return made


@functools.lru_cache(maxsize=16)
def _at_rest(model: DeviceModel, n_states: int) -> Callable[..., Sequence[float | Array]]:
    """Return a function of the parameters that gives the states at rest; that of a thermal node is 0."""
    initial = [state.initial for state in model.states] + [sp.Integer(0)] * (n_states - len(model.states))
    made: Callable[..., Sequence[float | Array]] = sp.lambdify(
        [symbol(p.name) for p in model.parameters], initial, "numpy"
    )
    return made


@functools.lru_cache(maxsize=16)
def _rest_slopes(model: DeviceModel, names: tuple[str, ...]) -> Callable[..., Sequence[float | Array]]:
    """Return a function of the parameters that gives the slopes of the states at rest, state by state."""
    slopes = [state.initial.diff(symbol(name)) for state in model.states for name in names]
    made: Callable[..., Sequence[float | Array]] = sp.lambdify(
        [symbol(p.name) for p in model.parameters], slopes, "numpy"
    )
    return made


def alike(model: DeviceModel, values: Mapping[str, float] | None = None, count: int = 1) -> Devices:
    """Return devices that are all the same, with one unit of the model's own values where it has units.

    Raises
    ------
    BadInput
        Unknown parameter, or a value out of bounds.
    """
    given, of_noise = dict(values or {}), names_of(model.noise_parameters)
    noise = checked_values(model.name, model.noise_parameters, {n: given.pop(n) for n in of_noise if n in given})
    found = model.values(given) | noise
    own = model.units.parameters if model.units else ()
    return Devices(
        {name: np.full(count, value) for name, value in found.items() if name not in own},
        {name: np.full((count, 1), found[name]) for name in own},
    )


def drawn(
    model: DeviceModel,
    count: int,
    rng: np.random.Generator,
    values: Mapping[str, float] | None = None,
    population: Mapping[str, Mapping[str, Any]] | None = None,
    n_units: int | None = None,
) -> Devices:
    """Draw devices that differ from one another.

    Parameters
    ----------
    model : DeviceModel
    count : int
        Number of devices.
    rng : Generator
    values : mapping, optional
        Centres, in place of the model's own.
    population : mapping of mapping, optional
        By parameter: `sigma`, device to device, and `sigma_ref`, "absolute" or "of_value". Normal, cut at the
        parameter's bounds; lognormal where the parameter's scale is "log" (then of_value).
    n_units : int, optional
        Units of a device, where the model has units: as many for all, whatever they differ in.

    Raises
    ------
    BadInput
        Unknown parameter, a σ that is not >= 0 or refers to nothing known, a count below 1.

    Examples
    --------
    >>> from nvmphys.devices import device
    >>> spread = {"g0": {"sigma": 0.05, "sigma_ref": "of_value"}}
    >>> cells = drawn(device("rram_gap"), 1000, np.random.default_rng(1), population=spread)
    >>> round(float(cells.values["g0"].std() / cells.values["g0"].mean()), 2)
    0.05
    """
    if count < 1 or (n_units is not None and n_units < 1):
        raise BadInput(f"devices and units must be 1 or more (got {count} devices, {n_units} units)")
    same = alike(model, values, count)
    out = dict(same.values)
    for name, spread in sorted((population or {}).items()):
        if name not in out or name == model.drawn_per_pulse:
            known = set(out) - {model.drawn_per_pulse}
            raise unknown_name(f"parameter of {model.name} that devices can differ in", name, known)
        out[name] = _spread(model, name, out[name], spread, rng.random(count))
    if model.units is None:
        return Devices(out, {})
    centre = {name: float(value[0]) for name, value in same.values.items()}
    shape = (count, n_units or model.units.count_at(centre))
    uniform = {name: rng.random(shape) for name in model.units.parameters}
    units = model.units.quantiles({name: value[:, np.newaxis] for name, value in out.items()}, uniform)
    return Devices(out, {name: _within(model, name, units[name]) for name in model.units.parameters})


def redrawn(model: DeviceModel, devices: Devices, shares: Mapping[str, float], rng: np.random.Generator) -> Devices:
    """Return devices with parameters drawn anew around their own values, as from one pulse to the next.

    Parameters
    ----------
    model : DeviceModel
    devices : Devices
    shares : mapping
        σ by parameter, as share of its value; its distribution is that of `drawn`.
    rng : Generator

    Raises
    ------
    BadInput
        Unknown parameter, or one of the units; a value out of bounds.
    """
    out = dict(devices.values)
    for name, share in sorted(shares.items()):
        if name not in out or name == model.drawn_per_pulse:
            raise unknown_name(f"parameter of {model.name} that pulses can differ in", name, set(out))
        spread = {"sigma": share, "sigma_ref": "of_value"}
        out[name] = _spread(model, name, out[name], spread, rng.random(devices.count))
    return Devices(out, devices.units)


def _spread(model: DeviceModel, name: str, centre: Array, spread: Mapping[str, Any], uniform: Array) -> Array:
    """Return values of a parameter at uniform numbers."""
    sigma, reference = float(spread.get("sigma", np.nan)), spread.get("sigma_ref")
    if not 0 <= sigma < np.inf or reference not in _REFERENCES:
        raise BadInput(
            f"population of {name}: sigma must be >= 0 and sigma_ref one of {', '.join(_REFERENCES)} "
            f"(got {sigma:g}, {reference!r})"
        )
    parameter = model.parameter(name)
    if sigma == 0:
        return centre
    if reference == "of_value" and not centre.all():
        raise BadInput(f"population of {name}: sigma is a share of the value, which is 0: give it absolute")
    if parameter.scale == "log" and reference == "of_value":
        return _within(model, name, centre * np.exp(np.sqrt(np.log1p(sigma**2)) * ndtri(uniform)))
    width = sigma * np.abs(centre) if reference == "of_value" else np.full(centre.shape, sigma)
    low, high = ((np.asarray(bound) - centre) / width for bound in parameter.bounds)
    return truncnorm.ppf(uniform, low, high, loc=centre, scale=width)


def _within(model: DeviceModel, name: str, drawn: Array) -> Array:
    """Return drawn values, refusing those that the model is not made for."""
    low, high = model.parameter(name).bounds
    if not ((drawn >= low) & (drawn <= high)).all():
        raise BadInput(
            f"{model.name}: drawn {name} reaches {drawn.min():g} … {drawn.max():g} {model.parameter(name).unit}, "
            f"beyond its bounds {low:g} … {high:g}: make the spread smaller"
        )
    return drawn
