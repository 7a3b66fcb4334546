"""Transistors with a ferroelectric as a fit compares them: transfer curves and reads after write pulses.

Charge in the gate moves a transfer curve along the gate voltage and leaves its shape. So a curve says two things, each
with a noise of its own. Its shape, logarithm of the current against gate voltage, is compared where the curve lies:
each is slid along the gate voltage to fit, as to tell of the transistor alone. Where it lies, its threshold voltage at
a constant current, tells what the pulse switched. A read after pulses, one current each, is compared as it is.

What a device of a few domains switches is a step function of the parameters. Predictions are therefore those of
infinitely many units (`Units.expected`), smooth, and slopes by parameters central differences of these. What a few
domains switch scatters around that from device to device, and on one device from pulse to pulse together, since its
domains are the same: `Observed.settle` draws devices at the values found, as many domains each as their area holds,
and takes from them the covariance by which residuals are weighed, and what the mean over such devices lies off.
How large the scatter is, the fit takes from the data.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import sympy as sp
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from nvmphys.devices.model import AMBIENT, DRAIN, VOLTAGE, DeviceModel, Ramps, System, symbol
from nvmphys.errors import BadInput
from nvmphys.fit.identify import Values, slope_at
from nvmphys.fit.observed import Observed, Together
from nvmphys.measurement.transfer import threshold_voltages
from nvmphys.records import Measurement
from nvmphys.simulate.devices import drawn
from nvmphys.simulate.experiments import DRAIN_READ_V, Bench
from nvmphys.simulate.waveform import ROOM_K, Piece, joined, pulse

Array = NDArray[np.float64]
Rows = dict[str, Array]

THRESHOLD = "threshold"
"""What the thresholds of transfer curves are called among experiments."""
LEAST_SHARE = 1e-6
"""Share of the largest current below which a point of a curve is left out: instruments end there."""
FEWEST_POINTS = 5
"""Points of a curve above that, with fewer it is left out."""
STEP = 1e-4
"""Step of the central differences, of the range between a parameter's bounds."""
DRAWN, MOST_UNITS = 200, 20
"""Devices drawn for their scatter, and units of each: of more, the scatter falls by 1/√units."""
LEAST_READ = 2.5e-3
"""Variance of a row of its own, beside what its device scatters, of the latter: more where reads are noisier."""
HELD_APART = 0.97
"""Factor of correlations between conditions: few drawn devices make some of them look surer than they are."""
_SEED = 20261130
SLID = 1e-9
"""Move of a curve below which it lies where it fits best [V]."""
_GRID = 800
_SLIDES = 8
_CONDITION = ("pulse_voltage_V", "pulse_width_s", "temperature_K")
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "id_vg": ("gate_voltage_V", "current_A"),
    "pulse": ("pulse_voltage_V", "pulse_width_s", "conductance_S"),
    "pulse_train": ("pulse_voltage_V", "pulse_width_s", "conductance_S"),
    "retention": ("time_s", "conductance_S"),
}
"""Columns of each experiment, what was read last."""


def observed(measurement: Measurement, model: DeviceModel, *, rest_s: float = 0.0) -> list[Observed]:
    """Return what a measurement of a transistor says in the quantities that are fitted.

    Parameters
    ----------
    measurement : Measurement
        Of `id_vg`: `gate_voltage_V`, `current_A` and, where pulses came before, `pulse_voltage_V` and `pulse_width_s`;
        `voltage_V` is the drain's (0.1 V without). Or of `pulse`: `conductance_S` after each, the gate then at
        `gate_voltage_V`, or at the voltage that the model declares. Each pulse is one on a device that was erased; of
        `pulse_train` the first of a device is, and its others follow in the order of the rows. Of `retention`:
        `conductance_S` over `time_s` at 0 V, after the pulse on an erased device that a table names, or from where the
        model's own experiment begins.
    model : DeviceModel
        Of a drain, whose units say what infinitely many of them do.
    rest_s : float, optional
        Rest at 0 V between pulse and read [s].

    Returns
    -------
    list of Observed
        Of curves two: their shape, and their thresholds.

    Raises
    ------
    BadInput
        "… is not fitted as a transistor", "… is no experiment of a transistor that is fitted", "… needs the columns …",
        "… holds no finite numbers", "nothing to fit in …", "times of retention must be > 0 s and increase …",
        "retention with pulse_voltage_V needs the pulse of each row".

    Examples
    --------
    >>> from nvmphys.devices import device
    >>> from nvmphys.simulate import simulate
    >>> curves = simulate("fefet", "id_vg", settings={"amplitude_V": 3.5, "width_s": 1e-5, "points": 41})
    >>> shape, thresholds = observed(curves, device("fefet"))
    >>> thresholds.measured.round(1).tolist()
    [1.9, 1.0]
    """
    _check_model(model)
    if measurement.experiment not in _KINDS:
        raise BadInput(
            f"{measurement.experiment} is no experiment of a transistor that is fitted: {', '.join(_KINDS)} are"
        )
    table = _checked(measurement)
    return _KINDS[measurement.experiment](measurement.source.id, table, model, rest_s)


def said_of(model: DeviceModel, fitted: Sequence[Observed], values: Values) -> list[str]:
    """Say how thresholds scatter, and how many domains make devices scatter so.

    `fitted` have been settled and weighed.
    """
    said = []
    for o in fitted:
        if o.together is None or model.units is None:
            continue
        count = model.units.count_at(dict(values))
        made, unit = o.together.scale, "V" if o.experiment == THRESHOLD else "decade"
        words = f"{o.experiment}: devices scatter by {o.noise:.2g} {unit} around what is fitted"
        by_units = made**2 * (1 - o.together.own)
        left = o.noise**2 - made**2 * o.together.own
        if left > 0.1 * o.noise**2 and by_units > 0:
            words += (
                f"; {count} {model.units.name}s, as the area holds, make {made:.2g} {unit}: it is the scatter of about "
                f"{count * by_units / left:.2g}"
            )
        said.append(words)
    return said


def _check_model(model: DeviceModel) -> None:
    if model.drain is None or model.units is None or model.units.expected is None:
        raise BadInput(f"{model.name} is not fitted as a transistor: it has no drain, or no mean over many units")
    states = {s.symbol for s in model.of_means().states}
    if states & (model.drain.free_symbols | model.drop.diff(VOLTAGE).free_symbols):
        raise BadInput(f"{model.name}: its states move more than the threshold voltage: that is not fitted yet")


def _checked(measurement: Measurement) -> pd.DataFrame:
    """Return the table; what is needed is there and finite."""
    of, experiment = measurement.source.id, measurement.experiment
    table = measurement.table.reset_index(drop=True)
    needed = _NEEDED[experiment]
    if "conductance_S" in needed and "conductance_S" not in table and "resistance_ohm" in table:
        table = table.assign(conductance_S=1 / table["resistance_ohm"])
    missing = [name for name in needed if name not in table]
    if missing:
        raise BadInput(
            f"{of}: a fit to {experiment} needs the columns {', '.join(needed)} "
            f"(got no {', '.join(missing)}): name them in a column map"
        )
    pulsed = [name for name in ("pulse_voltage_V", "pulse_width_s") if name in table]
    if len(pulsed) == 1:
        raise BadInput(f"{of}: {pulsed[0]} alone is no pulse: give pulse_voltage_V and pulse_width_s, or neither")
    numbers = table[list(dict.fromkeys([*needed, *pulsed]))].to_numpy(dtype=float)
    bad = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
    if bad.size:
        raise BadInput(f"{of}: row {bad[0] + 1} of {experiment} holds no finite numbers: leave such rows out")
    answer = needed[-1]
    if table[answer].abs().nunique() < 2:
        raise BadInput(f"{of}: nothing to fit in {experiment}: {answer} is the same in all {len(table)} rows")
    own = {"pulse_voltage_V": 0.0, "pulse_width_s": 0.0, "temperature_K": ROOM_K}
    return table.assign(**{name: value for name, value in own.items() if name not in table})


# Conditions and what a model does in them


@dataclass(frozen=True, eq=False)
class _Conditions:
    """What devices go through before reads: pulses one after another, a rest at 0 V after each, on paths of their own.

    Voltages [V], widths [s], rests [s] and temperatures [K] are (step, path); a condition is a step of a path. `start`
    are states by name, in units of their scales, before the first pulse, without those at rest.
    """

    volts: Array
    widths: Array
    rests: Array
    heat: Array
    path: NDArray[np.int64]
    step: NDArray[np.int64]
    start: Mapping[str, float] | None = None

    @property
    def kelvins(self) -> Array:
        """Temperature of each condition (condition,) [K]."""
        return self.heat[self.step, self.path]

    def states(self, model: DeviceModel, values: Sequence[Values]) -> Array:
        """Return means and shared states (set, condition, number) of infinitely many units, of sets of values."""
        assert model.units is not None
        assert model.units.expected is not None
        sets, (steps, paths) = len(values), self.volts.shape
        rows = {p.name: np.repeat([each[p.name] for each in values], paths) for p in model.parameters}
        pulsed, rested = np.stack([self.volts, self.widths]), np.stack([np.zeros((steps, paths)), self.rests])
        volts, spans = np.tile(np.stack([pulsed, rested], axis=2).reshape(2, 2 * steps, paths), sets)
        ramps = Ramps(volts, volts, spans, np.tile(np.repeat(self.heat, 2, axis=0), sets))
        found = model.units.expected(rows, ramps, self._begun(model))[1::2].reshape(steps, sets, paths, -1)
        return np.moveaxis(found[self.step, :, self.path], 0, 1)

    def drawn_states(self, model: DeviceModel, values: Values, n_units: int) -> Array:
        """Return the same of devices that were drawn (device, condition, number), always the same numbers."""
        assert model.units is not None
        rng = np.random.default_rng(_SEED)
        devices = drawn(model, DRAWN, rng, {n: values[n] for n in model.values()}, n_units=n_units)
        fresh = Bench(model, devices, devices.start(model, self.start), rng)
        out, bench = [], fresh
        for step, path in zip(self.step, self.path, strict=True):
            bench = bench if step else fresh
            volts, width, rest, kelvin = (float(x[step, path]) for x in self._stages)
            pieces = [*(pulse(volts, width, number=0) if width else []), Piece(rest, 0.0, 0.0)]
            bench = bench.after(joined(pieces, kelvin)) if width or rest else bench
            own = dict(zip((s.symbol for s in model.states), np.moveaxis(bench.states, -1, 0), strict=True))
            means = [_evaluated(e, own).mean(axis=1) for e in model.units.means.values()]
            out.append(np.stack([*means, *(own[s.symbol][:, 0] for s in model.states[model.n_own :])], axis=1))
        return np.stack(out, axis=1)

    @property
    def _stages(self) -> tuple[Array, Array, Array, Array]:
        return self.volts, self.widths, self.rests, self.heat

    def _begun(self, model: DeviceModel) -> list[float] | None:
        """Return means and shared states at the start."""
        if self.start is None:
            return None
        assert model.units is not None
        begun = model.system(model.values(), start=self.start).start
        own = {s.symbol: x for s, x in zip(model.states, begun, strict=True)}
        return [float(e.subs(own)) for e in model.units.means.values()] + [float(x) for x in begun[model.n_own :]]


def _evaluated(expression: sp.Expr, at: Mapping[sp.Symbol, Array]) -> Array:
    found: Array = sp.lambdify(list(at), expression, "numpy")(*at.values())
    return found


Reached = tuple[_Conditions, NDArray[np.int64]]
"""The conditions of a table, and the number of each row's."""


def _conditions(
    table: pd.DataFrame, rests: Array, paths: NDArray[np.int64], start: Mapping[str, float] | None = None
) -> Reached:
    """Return the conditions of rows that follow one another on paths, numbered (row,), and the number of each row's.

    Paths of the same pulses, rests and temperatures are one.
    """
    volts, widths, kelvins = (table[name].to_numpy(dtype=float) for name in _CONDITION)
    rows = np.stack([volts, np.where(volts == 0, 0.0, widths), rests, kelvins], axis=1)
    which, known, own, count = np.empty(len(table), dtype=np.int64), dict[bytes, int](), list[Array](), 0
    for mine in np.split(np.argsort(paths, kind="stable"), np.cumsum(np.bincount(paths))[:-1]):
        key = rows[mine].tobytes()
        if key not in known:
            known[key], count = count, count + mine.size
            own.append(rows[mine])
        which[mine] = known[key] + np.arange(mine.size)
    lengths = np.array([each.shape[0] for each in own])
    idle = [np.repeat([[0.0, 0.0, 0.0, each[-1, 3]]], lengths.max() - each.shape[0], axis=0) for each in own]
    stages = np.stack([np.concatenate(pair) for pair in zip(own, idle, strict=True)], axis=1)
    step = np.concatenate([np.arange(length) for length in lengths])
    path = np.repeat(np.arange(lengths.size), lengths)
    volts, widths, rests, kelvins = np.moveaxis(stages, -1, 0)
    return _Conditions(volts, widths, rests, kelvins, path, step, start), which


def _alone(table: pd.DataFrame, model: DeviceModel, rest_s: float) -> Reached:
    """Return the conditions of pulses on erased devices, each row a path."""
    return _conditions(table, np.full(len(table), rest_s), np.array(range(len(table)), dtype=np.int64))


def _in_a_row(table: pd.DataFrame, model: DeviceModel, rest_s: float) -> Reached:
    """Return the conditions of pulses on one device after another, erased before the first."""
    return _conditions(table, np.full(len(table), rest_s), _devices(table))


def _over_time(table: pd.DataFrame, model: DeviceModel, rest_s: float) -> Reached:
    """Return the conditions of reads with no voltage between, after a pulse on an erased device.

    Without a pulse devices begin where the model's own experiment does.
    """
    by = [n for n in ("device_id", "cycle", "pulse_voltage_V", "pulse_width_s") if n in table]
    runs = table.groupby(by, sort=False)
    paths, time = np.asarray(runs.ngroup(), dtype=np.int64), table["time_s"]
    rests = time - runs["time_s"].shift(fill_value=0.0)
    if (rests <= 0).any():
        raise BadInput("times of retention must be > 0 s and increase for each device: sort the table")
    pulsed = table["pulse_voltage_V"].to_numpy() != 0
    if pulsed.any() and not pulsed.all():
        raise BadInput("retention with pulse_voltage_V needs the pulse of each row: give one that is not 0 V, or none")
    start = None if pulsed.all() else model.experiments.get("retention", {}).get("start")
    table = table.assign(pulse_voltage_V=table["pulse_voltage_V"].where(runs.cumcount() == 0, 0.0))
    return _conditions(table, rests.to_numpy(dtype=float), paths, start)


class _Transistor:
    """The master curve of a model: current against gate voltage with no charge in the gate, by drain voltage and heat.

    Parameters
    ----------
    model : DeviceModel
    low_V, high_V : float
        Gate voltages that it must reach to, from where its states have moved it.
    """

    def __init__(self, model: DeviceModel, low_V: float, high_V: float) -> None:
        self.model, self.low_V, self.high_V = model, low_V, high_V
        self.compiled = _compiled(model)

    @functools.cached_property
    def told_by(self) -> frozenset[str]:
        """Names of the parameters that the curve depends on."""
        uncharged = self.model.drop.subs(_none_of(self.model))
        return frozenset(s.name for s in (self.model.drain or sp.Integer(0)).free_symbols | uncharged.free_symbols)

    def curve(self, values: Values, drain_V: float, kelvin: float) -> tuple[Array, Array, Array]:
        """Return gate voltage, log10 of the current [A] and inner voltage, ascending."""
        flow, drop, names, n_states = self.compiled
        own, none = [values[n] for n in names], [0.0] * n_states
        at_0 = float(drop(0.0, kelvin, *none, *own))
        inner = np.linspace(min(0.0, self.low_V - at_0), max(0.0, self.high_V - at_0), _GRID + 1)
        gate = inner + drop(inner, kelvin, *none, *own)
        return gate, np.log10(np.maximum(flow(inner, drain_V, kelvin, *own), 1e-60)), inner

    def moved(self, values: Values, kelvins: Array, states: Array) -> Array:
        """Return by how much states (…, number) move the curve along the gate voltage [V]."""
        _, drop, names, n_states = self.compiled
        own = [values[n] for n in names]
        there = drop(0.0, kelvins, *np.moveaxis(states, -1, 0), *own)
        return np.asarray(there - drop(0.0, kelvins, *[0.0] * n_states, *own))


@functools.lru_cache(maxsize=8)
def _compiled(model: DeviceModel) -> tuple[Callable[..., Array], Callable[..., Array], tuple[str, ...], int]:
    """Return drain current and drop as functions, the names of the parameters they take, and how many states."""
    system: System = model.of_means()
    names = tuple(system.values)
    parameters, states = [symbol(n) for n in names], [s.symbol for s in system.states]
    flow = sp.lambdify([VOLTAGE, DRAIN, AMBIENT, *parameters], system.drain, "numpy", cse=True)
    drop = sp.lambdify([VOLTAGE, AMBIENT, *states, *parameters], system.drop, "numpy", cse=True)
    return flow, drop, names, len(states)


def _none_of(model: DeviceModel) -> dict[sp.Symbol, int]:
    return {state.symbol: 0 for state in model.of_means().states}


def _differences(
    model: DeviceModel, told: Callable[[Sequence[Values]], Array], values: Values, names: Sequence[str], rows: int
) -> Array:
    """Return slopes (row, parameter) by central differences of what is told of sets of values (set, row)."""
    pairs: list[Values] = []
    for name in names:
        parameter = model.parameter(name)
        step, (low, high) = STEP * slope_at(parameter, values[name]), parameter.bounds
        for at in (max(values[name] - step, low), min(values[name] + step, high)):
            pairs.append({**values, name: at})
    if not pairs:
        return np.empty((rows, 0))
    found = told(pairs)
    spans = [pairs[2 * k + 1][name] - pairs[2 * k][name] for k, name in enumerate(names)]
    return np.asarray((found[1::2] - found[0::2]).T / np.array(spans))


def _remembered(one: Callable[[Values], Array]) -> Callable[[Values], Array]:
    """Return a prediction that is made once at the same values."""
    last: list[tuple[tuple[object, ...], Array]] = []

    def told(values: Values) -> Array:
        key = tuple(values.items())
        if not last or last[0][0] != key:
            last[:] = [(key, one(values))]
        return last[0][1]

    return told


# Transfer curves


def _curves(of: str, table: pd.DataFrame, model: DeviceModel, rest_s: float) -> list[Observed]:
    """Return shapes and thresholds of transfer curves."""
    table = table.assign(current_A=table["current_A"].abs())
    table = table if "voltage_V" in table else table.assign(voltage_V=DRAIN_READ_V)
    by = [n for n in ("device_id", "cycle", "voltage_V", *_CONDITION) if n in table]
    table = table[table["current_A"] >= LEAST_SHARE * table["current_A"].max()].reset_index(drop=True)
    counted = table.groupby(by, sort=False)["current_A"]
    table = table[counted.transform("size") >= FEWEST_POINTS].reset_index(drop=True)
    if table.empty:
        raise BadInput(f"{of}: nothing to fit in id_vg: no curve has {FEWEST_POINTS} points that tell of the current")
    found = table.groupby(by, sort=False)["current_A"]
    top = float(found.max().median())
    level = float(np.sqrt(top * max(float(found.min().median()), LEAST_SHARE * top)))
    table = table.assign(cycle=1) if "cycle" not in table else table
    by = list(dict.fromkeys([*by, "cycle"]))
    low, high = float(table["gate_voltage_V"].min()), float(table["gate_voltage_V"].max())
    curves = _Curves(table, by, _Transistor(model, 2 * low - high, 3 * high - 2 * low))
    first = table.groupby(curves.which)[by].first()
    thresholds = first.merge(threshold_voltages(table, level), how="left").assign(curve=first.index, level_A=level)
    thresholds = thresholds.dropna(subset="threshold_V").reset_index(drop=True)
    shape = _shape(table, curves)
    return [shape] if thresholds.empty else [shape, _thresholds(thresholds, curves, rest_s)]


@dataclass(frozen=True, eq=False)
class _Slid:
    """Transfer curves where they lie: logarithm of the current (row,), places along the gate voltage (curve,) [V].

    `known` is how well a place is known of one noise of the logarithm: the sum of squared slopes (curve,).
    """

    logs: Array
    places: Array
    known: Array


class _Curves:
    """Transfer curves of a table, each slid along the gate voltage to where the model's own fits it best."""

    def __init__(self, table: pd.DataFrame, by: Sequence[str], transistor: _Transistor) -> None:
        self.transistor = transistor
        self.which = table.groupby(list(by), sort=False).ngroup().to_numpy()
        self.gate = table["gate_voltage_V"].to_numpy(dtype=float)
        self.measured = np.log10(table["current_A"].to_numpy(dtype=float))
        biases = table[["voltage_V", "temperature_K"]].to_numpy(dtype=float)
        self._biases, of_row = np.unique(biases, axis=0, return_inverse=True)
        self._of_row = of_row.ravel()
        self._last: tuple[tuple[object, ...], _Slid] | None = None

    def at(self, values: Values) -> _Slid:
        """Return the curves at some values of all parameters; made once at the same."""
        key = tuple((n, values[n]) for n in sorted(self.transistor.told_by & set(values)))
        if self._last is None or self._last[0] != key:
            self._last = key, self._made(values)
        return self._last[1]

    def _made(self, values: Values) -> _Slid:
        which, along = self.which, []
        start = np.empty(self.gate.size)
        for k, (drain, kelvin) in enumerate(self._biases):
            volts, logs, _ = self.transistor.curve(values, float(drain), float(kelvin))
            along.append(CubicSpline(volts, logs))
            start[self._of_row == k] = np.interp(self.measured[self._of_row == k], logs, volts)
        places = np.bincount(which, self.gate - start) / np.bincount(which)
        logs, steep = np.empty(self.gate.size), np.empty(self.gate.size)
        known = np.ones_like(places)
        for _ in range(_SLIDES):
            for k, curve in enumerate(along):
                own = self._of_row == k
                at = np.clip(self.gate[own] - places[which[own]], curve.x[0], curve.x[-1])
                logs[own], steep[own] = curve(at), curve(at, 1)
            known = np.maximum(np.bincount(which, steep**2), 1e-300)
            move = np.bincount(which, (self.measured - logs) * steep) / known
            if np.abs(move).max() < SLID:
                break
            places = places - move
        return _Slid(logs, places, known)


def _shape(table: pd.DataFrame, curves: _Curves) -> Observed:
    """Return transfer curves, each where it lies."""
    model, told_by = curves.transistor.model, curves.transistor.told_by

    def slopes(values: Values, names: Sequence[str]) -> Array:
        some = [n for n in names if n in told_by]
        out = np.zeros((len(table), len(names)))
        out[:, [list(names).index(n) for n in some]] = _differences(
            model, lambda sets: np.stack([curves.at(v).logs for v in sets]), values, some, len(table)
        )
        return out

    return Observed(
        "id_vg", table, "log10 of current [A]", curves.measured, lambda values: curves.at(values).logs, slopes
    )


def _thresholds(table: pd.DataFrame, curves: _Curves, rest_s: float) -> Observed:
    """Return the threshold voltages of transfer curves, a row each.

    What is compared is where the whole curve lies. To show it as a threshold voltage, what a straight line between two
    points is off counts as predicted.
    """
    model, transistor = curves.transistor.model, curves.transistor
    conditions, which = _alone(table, model, rest_s)
    number, seen_V = table["curve"].to_numpy(), table["threshold_V"].to_numpy(dtype=float)

    def told(sets: Sequence[Values]) -> Array:
        moved = [
            transistor.moved(v, conditions.kelvins, s)[which] - curves.at(v).places[number]
            for v, s in zip(sets, conditions.states(model, sets), strict=True)
        ]
        return seen_V + np.stack(moved)

    def scattered(values: Values, states: Array) -> Array:
        return transistor.moved(values, conditions.kelvins, states)

    def read_V(values: Values) -> float:
        """Return the noise of where a curve lies."""
        found = curves.at(values)
        return float(np.std(curves.measured - found.logs) / np.sqrt(np.median(found.known)))

    seen = Observed(
        THRESHOLD, table, "threshold voltage [V]", seen_V, _remembered(lambda values: told([values])[0]),
        lambda values, names: _differences(model, told, values, names, len(table)),
    )  # fmt: skip
    return replace(seen, settle=_settler(seen, model, conditions, which, scattered, read_V))


# Reads


def _reads(
    experiment: str, reached: Callable[[pd.DataFrame, DeviceModel, float], Reached],
    of: str, table: pd.DataFrame, model: DeviceModel, rest_s: float,
) -> list[Observed]:  # fmt: skip
    """Return conductances read after pulses, or over time."""
    declared = model.experiments.get(experiment, {}).get("read_V", 0.0)
    table = table if "gate_voltage_V" in table else table.assign(gate_voltage_V=float(declared))
    conditions, which = reached(table, model, rest_s)
    some = table["conductance_S"].to_numpy() > 0  # what was not read was pulsed all the same
    table, which = table[some].reset_index(drop=True), which[some]
    reads, of_row = np.unique(table[["gate_voltage_V", "temperature_K"]].to_numpy(dtype=float), axis=0,
                              return_inverse=True)  # fmt: skip
    of_row = of_row.ravel()
    places, place = np.unique(np.stack([which, of_row], axis=1), axis=0, return_inverse=True)
    reach = (float(reads[:, 0].min()) - 4.0, float(reads[:, 0].max()) + 4.0)
    transistor = _Transistor(model, *reach)

    def read(values: Values, states: Array) -> Array:
        """Return log10 of conductances (…, place) from states (…, condition, number)."""
        moved, out = transistor.moved(values, conditions.kelvins, states), []
        curves = [transistor.curve(values, DRAIN_READ_V, float(kelvin)) for _, kelvin in reads]
        splines = [CubicSpline(volts, logs) for volts, logs, _ in curves]
        for condition, bias in places:
            curve = splines[bias]
            at = np.clip(reads[bias, 0] - moved[..., condition], curve.x[0], curve.x[-1])
            out.append(curve(at) - np.log10(DRAIN_READ_V))
        return np.stack(out, axis=-1)

    def told(sets: Sequence[Values]) -> Array:
        states = conditions.states(model, sets)
        return np.stack([read(v, s)[place.ravel()] for v, s in zip(sets, states, strict=True)])

    seen = Observed(
        experiment, table, "log10 of conductance [S]", np.log10(table["conductance_S"].to_numpy(dtype=float)),
        _remembered(lambda values: told([values])[0]),
        lambda values, names: _differences(model, told, values, names, len(table)),
    )  # fmt: skip
    return [replace(seen, settle=_settler(seen, model, conditions, place.ravel(), read, lambda values: 0.0))]


# Scatter


def _settler(
    o: Observed, model: DeviceModel, conditions: _Conditions, place: NDArray[np.int64],
    of_states: Callable[[Values, Array], Array], read: Callable[[Values], float],
) -> Callable[[Values], Observed]:  # fmt: skip
    """Return what gives an experiment the scatter of its devices, and the mean of such devices, at some values.

    Of units beyond `MOST_UNITS` variance and offset fall as one over their number. `of_states` gives the quantity, up
    to what no state changes, by place from states by condition; `read` the noise of a row of its own.
    """

    def settle(values: Values) -> Observed:
        assert model.units is not None
        count = model.units.count_at(dict(values))
        units = min(count, MOST_UNITS)
        drawn_ = of_states(values, conditions.drawn_states(model, values, units))
        expected = of_states(values, conditions.states(model, [values])[0])
        share = units / count
        offset = (drawn_.mean(axis=0) - expected) * share
        covariance = np.atleast_2d(np.cov(drawn_.T)) * share
        covariance = HELD_APART * covariance + (1 - HELD_APART) * np.diag(np.diagonal(covariance))
        of_rows = max(float(np.diagonal(covariance)[place].mean()), 1e-30)
        own = max(read(values) ** 2, LEAST_READ * of_rows)
        size = float(np.sqrt(of_rows + own))
        together = Together(_devices(o.table), place, covariance / size**2, own / size**2, size)
        predict = o.predict
        return replace(o, predict=lambda v: predict(v) + offset[place], together=together, settle=None)

    return settle


def _devices(table: pd.DataFrame) -> NDArray[np.int64]:
    """Return the number of each row's device."""
    if "device_id" not in table:
        return np.zeros(len(table), dtype=np.int64)
    return np.asarray(table.groupby("device_id", sort=False).ngroup(), dtype=np.int64)


_KINDS: Mapping[str, Callable[[str, pd.DataFrame, DeviceModel, float], list[Observed]]] = {
    "id_vg": _curves,
    "pulse": functools.partial(_reads, "pulse", _alone),
    "pulse_train": functools.partial(_reads, "pulse_train", _in_a_row),
    "retention": functools.partial(_reads, "retention", _over_time),
}
