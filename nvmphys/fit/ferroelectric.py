"""Ferroelectric capacitors as a fit compares them: pulses, loops and PUND against the mean of all domains or plays.

Pulses leave a polarization at 0 V, on a device poled down before each. A loop is taken as one of many alike, and its
polarization without its mean, since a charge has no zero of its own. A PUND gives the current of each sample once its
offset is removed, from the end of the preset pulse on. Predictions are those of infinitely many domains (`domains`) or
of the plays (`plays`); with slopes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.constants import epsilon_0

from nvmphys.devices.capacitor import Switching
from nvmphys.devices.model import DeviceModel
from nvmphys.errors import BadInput
from nvmphys.fit.identify import Values
from nvmphys.fit.observed import Observed, Remembered
from nvmphys.measurement.pund import REST, Pulse, switched_polarization
from nvmphys.records import Measurement

Array = NDArray[np.float64]
Told = tuple[Array, Array]

ONE_FREQUENCY = 3.0
"""Ratio of the longest to the shortest time under voltage up to which the data know one frequency only."""
ONE_AMPLITUDE = 1.2
"""Ratio of the largest to the smallest amplitude up to which the data know one amplitude only."""
HANG_TOGETHER = 0.3
"""Correlation of one residual with the next from which it is said."""
LEAST_ROWS = 3
_NEEDED = {
    "pulse": ("pulse_voltage_V", "pulse_width_s", "polarization_C_per_m2"),
    "pund": ("time_s", "voltage_V", "current_A"),
    "pv_loop": ("voltage_V", "polarization_C_per_m2"),
}
_QUANTITY = {
    "pulse": "polarization [C/m²]",
    "pund": "current [A]",
    "pv_loop": "polarization less its mean over the loop [C/m²]",
}


def observed(
    measurement: Measurement,
    model: DeviceModel,
    fixed: Mapping[str, float] | None = None,
    *,
    edge_s: float = 0.0,
    frequency_Hz: float | None = None,
) -> list[Observed]:
    """Return what a measurement of a ferroelectric capacitor says in the quantity that is fitted.

    Parameters
    ----------
    measurement : Measurement
        Of pulses (a polarization for each amplitude and width), a PUND or polarization loops.
    model : DeviceModel
        One that declares its `switching`.
    fixed : mapping of float, optional
        Values that are known. A current needs the capacitor's `area` [m²] among them; the thickness `tfe` [m] belongs
        there too, since fields are voltages over it.
    edge_s : float, optional
        Length of each edge of the pulses of a table [s].
    frequency_Hz : float, optional
        Loops per second, where a table of loops has no `time_s`.

    Returns
    -------
    list of Observed
        One, with slopes; its noise is not known.

    Raises
    ------
    BadInput
        "… needs the columns …", "… holds no finite numbers", "… is the same in all rows", "… needs … rows at least",
        "… widths must be > 0 s", "… needs the area"; what `switched_polarization` raises of a waveform.

    Examples
    --------
    >>> from nvmphys.devices import device
    >>> from nvmphys.records import Source
    >>> table = pd.DataFrame({"pulse_voltage_V": [1.0, 1.5, 2.0], "pulse_width_s": 1e-6,
    ...                       "polarization_C_per_m2": [-0.22, -0.01, 0.21]})
    >>> found, = observed(Measurement("pulse", table, Source("made")), device("fe_domains"))
    >>> found.predict(device("fe_domains").values()).round(3)
    array([-0.213, -0.01 ,  0.159])
    """
    kind = _switching(model)
    table = _checked(measurement)
    if measurement.experiment == "pulse":
        kept, measured, told = table, table["polarization_C_per_m2"].to_numpy(dtype=float), _pulses(kind, table, edge_s)
    elif measurement.experiment == "pund":
        kept, measured, told = _punds(kind, measurement, fixed or {})
    else:
        kept, measured, told = _loops(kind, measurement, frequency_Hz)
    names = (*kind.names, "eps", "area")

    def of_some(values: Values, of: Sequence[str]) -> Told:
        found, slopes = told(values)
        none = np.zeros(found.size)
        parts = [slopes[:, names.index(name)] if name in names else none for name in of]
        return found, np.stack(parts, axis=1) if parts else np.empty((found.size, 0))

    memory = Remembered(of_some)
    quantity = _QUANTITY[measurement.experiment]
    return [Observed(measurement.experiment, kept, quantity, measured, memory.predict, memory.slopes)]


def defaults(model: DeviceModel, fitted: Sequence[Observed]) -> tuple[tuple[str, ...], dict[str, float]]:
    """Return the parameters to fit where nobody names them, and values to hold elsewhere than at the model's own.

    Of the activation fields the shape p = q = 1 is held: a and b then say how they spread (see
    `nvmphys.fit.ferroelectric_choice.shapes`). What these experiments cannot tell, as `said_of` says, is held at the
    model's own: `tau0`, `alpha` and `beta` at one frequency. At one amplitude the `spread` of plays is held at 0: then
    `delta` is all of the width in field.
    """
    kind = _switching(model)
    free = dict.fromkeys(name for o in fitted for name in model.fitted[o.experiment])
    untold = () if _many(_spans(fitted)) else kind.kinetics
    held = dict(kind.held)
    if kind.spread and not _many(_amplitudes(fitted), ONE_AMPLITUDE):
        untold, held = (*untold, kind.spread), held | {kind.spread: 0.0}
    return tuple(name for name in free if name not in untold), held


def _switching(model: DeviceModel) -> Switching:
    if model.switching is None:
        raise BadInput(f"{model.name} is not fitted as a ferroelectric capacitor: it declares no switching of one")
    return model.switching


def said_of(model: DeviceModel, fitted: Sequence[Observed]) -> list[str]:
    """Say what these experiments cannot tell of the model, whatever came out, a sentence each."""
    kind, spans = _switching(model), _spans(fitted)
    at = f" ({spans.min():.2g} … {spans.max():.2g} s)" if spans.size else ""
    if kind.kinetics:
        words = (
            f"all voltages last about equally long{at}: one frequency does not fix the kinetics. "
            f"{', '.join(kind.kinetics)} and the activation field {kind.field} act together as the field that switches "
            "in that time; none of them is known alone, and other times are not predicted. Pulses of widths over some "
            "decades would tell"
        )
        return [] if _many(spans) else [words]
    words = (
        "one amplitude hardly tells the spread of half-widths from delta: fitted together, their intervals come out "
        "too narrow. Loops of other amplitudes would tell"
    )
    kinetics = f"{model.name} has no kinetics: its fields are those of the times under voltage measured{at}"
    return [kinetics] if _many(_amplitudes(fitted), ONE_AMPLITUDE) else [kinetics, words]


def said_of_residuals(residuals: Array) -> list[str]:
    """Say where residuals in the order of time hang together, so that intervals of independent ones are too narrow.

    >>> said_of_residuals(np.sin(np.arange(100) / 5))[0][:53]
    'residuals hang together from row to row (correlation '
    """
    one, next_ = residuals[:-1] - residuals.mean(), residuals[1:] - residuals.mean()
    together = float((one * next_).sum() / max((residuals - residuals.mean()) @ (residuals - residuals.mean()), 1e-300))
    if together < HANG_TOGETHER:
        return []
    factor = np.sqrt((1 + together) / (1 - min(together, 0.99)))
    words = (
        f"residuals hang together from row to row (correlation {together:.2f}): the model does not describe the shape "
        f"within the noise, and intervals are too narrow by a factor of about {factor:.1f}"
    )
    return [words]


def _spans(fitted: Sequence[Observed]) -> Array:
    """Return times over which voltages were applied [s], as far as the data say."""
    spans = np.concatenate([_under_voltage_s(o) for o in fitted])
    return spans[np.isfinite(spans) & (spans > 0)]


def _amplitudes(fitted: Sequence[Observed]) -> Array:
    """Return the largest voltages that were applied [V]: of each pulse, or of each waveform."""
    out = []
    for o in fitted:
        if o.experiment == "pulse":
            out.append(np.abs(o.table["pulse_voltage_V"].to_numpy(dtype=float)))
        else:
            out.append(np.array([np.abs(table["voltage_V"]).max() for table in _devices(o.table)]))
    found = np.concatenate(out)
    return found[found > 0]


def _many(found: Array, ratio: float = ONE_FREQUENCY) -> bool:
    return bool(found.size) and float(found.max()) > ratio * float(found.min())


def _checked(measurement: Measurement) -> pd.DataFrame:
    """Return the table; its columns are there, finite, and not all the same."""
    of, experiment = measurement.source.title or measurement.source.id, measurement.experiment
    if experiment not in _NEEDED:
        raise BadInput(f"{of}: {experiment} is no experiment of a ferroelectric capacitor: {', '.join(_NEEDED)} are")
    table, needed = measurement.table.reset_index(drop=True), _NEEDED[experiment]
    missing = [name for name in needed if name not in table]
    if missing:
        raise BadInput(
            f"{of}: a fit to {experiment} needs the columns {', '.join(needed)} (got no {', '.join(missing)}): "
            "name them in a column map"
        )
    numbers = table[list(needed)].to_numpy(dtype=float)
    bad = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
    if bad.size:
        raise BadInput(f"{of}: row {bad[0] + 1} of {experiment} holds no finite numbers: leave such rows out")
    if len(table) < LEAST_ROWS:
        raise BadInput(f"{of}: a fit to {experiment} needs {LEAST_ROWS} rows at least (got {len(table)})")
    for name, column in zip(needed, numbers.T, strict=True):
        if np.ptp(column) == 0 and name not in ("pulse_width_s", "pulse_voltage_V"):
            raise BadInput(f"{of}: nothing to fit in {experiment}: {name} is the same in all {len(table)} rows")
    if experiment == "pulse" and not (numbers[:, 1] > 0).all():
        raise BadInput(f"{of}: pulse widths must be > 0 s (got {numbers[:, 1].min():g} s)")
    return table


def _devices(table: pd.DataFrame) -> list[pd.DataFrame]:
    if "device_id" not in table:
        return [table]
    return [part for _, part in table.groupby("device_id", sort=False)]


def _pulses(kind: Switching, table: pd.DataFrame, edge_s: float) -> Callable[[Values], Told]:
    """Return the prediction of the polarization after pulses; each condition is solved once."""
    conditions, which = np.unique(
        table[["pulse_voltage_V", "pulse_width_s"]].to_numpy(dtype=float), axis=0, return_inverse=True
    )
    volts, widths, of_row = *conditions.T, which.ravel()

    def told(values: Values) -> Told:
        share, slopes = kind.after(values, volts, widths, edge_s)
        return tuple(each[of_row] for each in _polarization(kind, values, share, slopes, np.zeros(volts.size)))  # type: ignore[return-value]

    return told


def _polarization(kind: Switching, values: Values, share: Array, slopes: Array, volts: Array) -> Told:
    """Return charge over area (row,) [C/m²], with slopes by the share's parameters, the permittivity and the area."""
    field, capacitance = volts / values["tfe"], epsilon_0 * values["eps"]
    found = np.concatenate([values[kind.size] * slopes, np.zeros((share.size, 2))], axis=1)
    found[:, kind.names.index(kind.size)] = share
    found[:, kind.names.index("tfe")] -= capacitance * field / values["tfe"]
    found[:, -2] = epsilon_0 * field
    return values[kind.size] * share + capacitance * field, found


@dataclass(frozen=True, eq=False)
class _Wave:
    """A waveform from knot to knot, in which direction the device was poled before, and which knots are compared."""

    volts: Array
    durations: Array
    start: float
    kept: NDArray[np.int64]


def _punds(
    kind: Switching, measurement: Measurement, fixed: Mapping[str, float]
) -> tuple[pd.DataFrame, Array, Callable[[Values], Told]]:
    if not fixed.get("area", 0.0) > 0:
        raise BadInput(
            f"{measurement.source.title or measurement.source.id}: a fit to a current needs the area of the capacitor "
            f"[m²] among the known values (got {fixed.get('area')!r}): 50 × 50 µm² is 2.5e-9"
        )
    waves, tables, flows = [], [], []
    for table in _devices(measurement.table):
        wave, rows, flow = _pund(replace(measurement, table=table), fixed["area"])
        waves.append(wave)
        tables.append(table.iloc[rows])
        flows.append(flow[rows])

    def told(values: Values) -> Told:
        parts = []
        for wave in waves:
            share, slopes = kind.along(values, wave.volts, wave.durations, wave.start)
            charge, by = _polarization(kind, values, share, slopes, wave.volts)
            spans = wave.durations[wave.kept]
            flow = np.diff(charge)[wave.kept] / spans
            by = values["area"] * np.diff(by, axis=0)[wave.kept] / spans[:, np.newaxis]
            by[:, -1] = flow
            parts.append((values["area"] * flow, by))
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    return pd.concat(tables).reset_index(drop=True), np.concatenate(flows), told


def _pund(measurement: Measurement, area_m2: float) -> tuple[_Wave, NDArray[np.int64], Array]:
    """Return the waveform of a PUND, the rows that are compared, and the current of all rows, its offset removed.

    A simulated current is the mean since the sample before, a measured one the mean about its sample. Before the preset
    pulse a device pointed where that pulse moved it from: it switched where it moved more than halfway between P and U.
    """
    found = switched_polarization(measurement, area_m2)
    table = measurement.table
    time, volts, current = (table[name].to_numpy(dtype=float) for name in _NEEDED["pund"])
    volts = np.where(np.abs(volts) <= REST * np.abs(volts).max(), 0.0, volts)
    flow = (current - found.offset_A) * (-1.0 if found.inverted else 1.0)
    presets = [pulse for pulse in found.pulses if pulse.name == "preset"]
    first = float(time[0]) if not presets else presets[-1].stop_s
    rows = np.flatnonzero(time > first)[1:-1]
    start = _poled_before(found.pulses)
    if measurement.source.kind == "simulated":
        return _Wave(volts, np.diff(time), start, rows - 1), rows, flow
    middle = 0.5 * (volts[1:] + volts[:-1])
    return _Wave(middle, np.diff(0.5 * (time[1:] + time[:-1])), start, rows - 1), rows, flow


def _poled_before(pulses: Sequence[Pulse]) -> float:
    """Return the direction that the device pointed to before the first pulse."""
    direction = float(np.sign(pulses[0].amplitude_V))
    charges = {name: np.mean([abs(p.charge) for p in pulses if p.name == name]) for name in ("P", "U", "N", "D")}
    halfway = 0.25 * sum(charges.values())
    return -direction if abs(pulses[0].charge) > halfway else direction


def _loops(
    kind: Switching, measurement: Measurement, frequency_Hz: float | None
) -> tuple[pd.DataFrame, Array, Callable[[Values], Told]]:
    of = measurement.source.title or measurement.source.id
    waves, tables, charges = [], [], []
    for table in _devices(measurement.table):
        volts = table["voltage_V"].to_numpy(dtype=float)
        spans = _loop_durations(of, table, volts, frequency_Hz) if kind.kinetics else np.ones(volts.size - 1)
        twice = np.concatenate([volts, volts])
        joint = float(np.median(spans))
        direction = -float(np.sign(volts[np.argmax(np.abs(volts))]))
        waves.append(_Wave(twice, np.r_[spans, joint, spans], direction, np.arange(volts.size, 2 * volts.size)))
        tables.append(table)
        charge = table["polarization_C_per_m2"].to_numpy(dtype=float)
        charges.append(charge - charge.mean())

    def told(values: Values) -> Told:
        parts = []
        for wave in waves:
            share, slopes = kind.along(values, wave.volts, wave.durations, wave.start)
            charge, by = (each[wave.kept] for each in _polarization(kind, values, share, slopes, wave.volts))
            parts.append((charge - charge.mean(), by - by.mean(axis=0)))
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    return pd.concat(tables).reset_index(drop=True), np.concatenate(charges), told


def _loop_durations(of: str, table: pd.DataFrame, volts: Array, frequency_Hz: float | None) -> Array:
    """Return the time from row to row of loops [s]."""
    if "time_s" in table:
        spans = np.diff(table["time_s"].to_numpy(dtype=float))
        if not (spans > 0).all():
            raise BadInput(f"{of}: time_s must increase from row to row of a loop (got {spans.min():g} s between two)")
        return spans
    if frequency_Hz is None or not frequency_Hz > 0:
        raise BadInput(
            f"{of}: how domains switch in a loop depends on its time: the table has no time_s, so give "
            f"frequency_Hz > 0 (got {frequency_Hz!r})"
        )
    path = np.abs(np.diff(volts))
    loops = path.sum() / (2 * np.ptp(volts))
    return np.maximum(path, 1e-6 * path.max()) / path.sum() * loops / frequency_Hz


def _under_voltage_s(o: Observed) -> Array:
    """Return times over which a voltage was applied in an experiment [s]; NaN where it does not say."""
    if o.experiment == "pulse":
        return o.table["pulse_width_s"].to_numpy(dtype=float)
    if "time_s" not in o.table:
        return np.array([np.nan])
    spans = []
    for table in _devices(o.table):
        time, volts = (table[name].to_numpy(dtype=float) for name in ("time_s", "voltage_V"))
        state = np.where(np.abs(volts) > REST * np.abs(volts).max(), np.sign(volts), 0)
        bounds = np.r_[0, np.flatnonzero(np.diff(state)) + 1, state.size - 1]
        lengths = np.diff(time[bounds])[state[bounds[:-1]] != 0]
        spans.append(np.max(lengths, initial=0.0))
    return np.array(spans)
