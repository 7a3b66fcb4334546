"""Measured experiments as waveforms, and what a device model reads along them: currents and conductances with slopes.

A device is taken through the voltages it saw. Sweeps compare the logarithm of the current at each point, pulses that of
the conductance read after each. Slopes by the parameters are those of the variational equations
(:func:`nvmphys.simulate.transient`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.devices.model import DeviceModel
from nvmphys.errors import BadInput
from nvmphys.fit.compliance import held
from nvmphys.fit.identify import Values
from nvmphys.fit.observed import Observed, Remembered, Told
from nvmphys.records import Measurement
from nvmphys.simulate import transient
from nvmphys.simulate.devices import alike
from nvmphys.simulate.waveform import ROOM_K, Piece, Waveform, joined, pulse, through

Array = NDArray[np.float64]

READ_S = 1e-15
"""How long a read after a pulse lasts: no state moves in it [s]."""
READ_V = 0.1
"""Read voltage where the table does not say [V]."""
LEAST_SHARE = 1e-9
"""Share of the largest current below which a point of a sweep tells nothing: it is left out."""
RTOL = 1e-6
"""Tolerance of the integrator: what is read is then within 1e-6 decade, its slopes within 1e-3 of the largest."""
DIGITS = 7
"""Significant digits by which two conditions are the same: numbers written to a file and read again differ by less."""
_DECADE = np.log(10.0)


@dataclass(frozen=True, eq=False)
class Path:
    """A waveform that a device saw, and which of its looks are rows of the table.

    Attributes
    ----------
    waveform : Waveform
    looks : ndarray of int (row,)
        Which time looked at each row is.
    scale_V : ndarray (row,)
        What the current is divided by: 1 for a current, the read voltage for a conductance.
    compliance_A : tuple
        Largest current at positive and at negative voltage [A], or None.
    rows : ndarray of int (row,)
        Places in the table.
    legs : ndarray of int (row,)
        Stretches of one direction of the voltage, numbered; -1 where rows stand alone.
    gate_V : ndarray (pulse,)
        Voltage at the gate of an access transistor in each pulse of the waveform [V], where the table says it.
    """

    waveform: Waveform
    looks: NDArray[np.int64]
    scale_V: Array
    compliance_A: tuple[float | None, float | None]
    rows: NDArray[np.int64]
    legs: NDArray[np.int64] | None = None
    gate_V: Array | None = None


def observed_paths(
    measurement: Measurement, model: DeviceModel, *, read_V: float = READ_V, rest_s: float = 0.0,
    tick: Callable[[], None] | None = None,
) -> list[Observed]:  # fmt: skip
    """Return what a measurement says in the quantity that is fitted.

    Parameters
    ----------
    measurement : Measurement
        Of a sweep, pulses on fresh devices, trains of pulses, incremental steps, write-verify or retention.
    model : DeviceModel
    read_V : float, optional
        Read voltage of pulses and retention [V], where the table has no `voltage_V`.
    rest_s : float, optional
        Rest at 0 V between a pulse and its read [s].
    tick : callable, optional
        Called before each path is integrated; what it raises ends the prediction.

    Raises
    ------
    BadInput
        A transistor, an experiment that has no waveform, a table that lacks a column, or rows that hold nothing to fit.
    """
    if model.drain is not None:
        raise BadInput(
            f"{model.name}: a fit along a path compares the current between the terminals, and what is read of a "
            "transistor is its drain current: it is not fitted yet"
        )
    if measurement.experiment not in _PATHS:
        raise BadInput(f"{measurement.experiment} is no experiment that is fitted as a path: {', '.join(_PATHS)} are")
    table = measurement.table.reset_index(drop=True)
    make, needed, column = _PATHS[measurement.experiment]
    missing = [name for name in needed if name not in table]
    if missing == ["pulse_width_s"] and (table["pulse_voltage_V"] == 0).all():  # reads before a pulse alone
        table, missing = table.assign(pulse_width_s=0.0), []
    if missing:
        raise BadInput(
            f"{measurement.source.id}: a fit to {measurement.experiment} needs the columns {', '.join(needed)} "
            f"(got no {', '.join(missing)}): name them in a column map"
        )
    if column == "conductance_S" and column not in table:
        if "resistance_ohm" not in table:
            raise BadInput(f"{measurement.source.id}: pulses need conductance_S or resistance_ohm after each")
        table = table.assign(conductance_S=1 / table["resistance_ohm"])
    if "pulse_voltage_V" in table:  # without a pulse there is nothing that has a width or a gate
        idle = table["pulse_voltage_V"] == 0
        told = [name for name in ("pulse_width_s", "gate_voltage_V") if name in table]
        table = table.assign(**{name: table[name].mask(idle & table[name].isna(), 0.0) for name in told})
    numbers = table[[*needed, column]].to_numpy(dtype=float)
    bad = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
    if bad.size:
        raise BadInput(f"{measurement.source.id}: row {bad[0] + 1} of {measurement.experiment} holds no finite numbers")
    paths = make(table, model, read_V, rest_s)
    rows = np.concatenate([path.rows for path in paths]) if paths else np.empty(0, dtype=np.int64)
    values = np.abs(table[column].to_numpy(dtype=float)[rows])
    if not rows.size or np.ptp(values) == 0:
        raise BadInput(
            f"{measurement.source.id}: nothing to fit in {measurement.experiment}: "
            + (f"{column} is the same in all {rows.size} rows" if rows.size else "no row tells of the device")
        )
    what = "current [A]" if column == "current_A" else "conductance [S]"
    memory = Remembered(_told(model, paths, tick or _no_tick))
    return [
        Observed(
            measurement.experiment, table.loc[rows].reset_index(drop=True), f"log10 of {what}", np.log10(values),
            memory.predict, memory.slopes if model.units is None else None, legs=_numbered(paths),
        )
    ]  # fmt: skip


def _numbered(paths: Sequence[Path]) -> NDArray[np.int64] | None:
    """Return the stretches of all paths, numbered through."""
    if any(path.legs is None for path in paths):
        return None
    out: list[NDArray[np.int64]] = []
    for path in paths:
        assert path.legs is not None
        out.append(path.legs + (int(out[-1].max()) + 1 if out else 0))
    return np.concatenate(out)


def _no_tick() -> None:
    """Do nothing between paths."""


def _told(model: DeviceModel, paths: Sequence[Path], tick: Callable[[], None]) -> Told:
    """Return what all paths tell and its slopes."""

    def told(values: Values, names: tuple[str, ...]) -> tuple[Array, Array]:
        read, slopes = [], []
        for path in paths:
            tick()
            one, by = _read(model, path, values, names)
            read.append(one)
            slopes.append(by)
        return np.concatenate(read), np.concatenate(slopes)

    return told


def _read(model: DeviceModel, path: Path, values: Values, names: tuple[str, ...]) -> tuple[Array, Array]:
    """Return the logarithm of what is read (row,), and its slopes (row, parameter)."""
    gates = {} if model.access is None or path.gate_V is None else {model.access.gate: path.gate_V}
    found = transient(
        model, path.waveform, alike(model, values), compliance_A=path.compliance_A, per_pulse=gates, slopes_by=names,
        rtol=RTOL,
    )  # fmt: skip
    current = found.current_A[path.looks, 0]
    slopes = found.current_slopes[path.looks, 0] / np.where(current == 0, 1.0, current)[:, np.newaxis] / _DECADE
    return np.log10(np.maximum(np.abs(current / path.scale_V), 1e-30)), slopes


def _devices(table: pd.DataFrame) -> list[NDArray[np.int64]]:
    """Return the rows of each device, in file order."""
    if "device_id" not in table:
        return [np.arange(len(table))]
    return [np.asarray(rows) for rows in table.groupby("device_id", sort=False).indices.values()]


def _histories(table: pd.DataFrame) -> list[NDArray[np.int64]]:
    """Return the rows of each history: of a device, or of each target it was programmed to from where it was at first.

    A device went on from one target to the next, in file order, where a target's first read is nearer to the last one
    before it than to the first of all.
    """
    if "target_S" not in table:
        return _devices(table)
    logs, targets = np.log(np.abs(table["conductance_S"].to_numpy(dtype=float))), table["target_S"].to_numpy()
    out: list[NDArray[np.int64]] = []
    for rows in _devices(table):
        parts = [rows[targets[rows] == target] for target in pd.unique(targets[rows])]
        steps = itertools.pairwise(parts)
        went_on = any(abs(logs[b[0]] - logs[a[-1]]) < abs(logs[b[0]] - logs[rows[0]]) for a, b in steps)
        out += [rows] if went_on else parts
    return out


def _column(table: pd.DataFrame, rows: NDArray[np.int64], name: str, default: float) -> Array:
    """Return a column's numbers, or a default for all."""
    return table[name].to_numpy(dtype=float)[rows] if name in table else np.full(rows.size, default)


def _sweeps(table: pd.DataFrame, model: DeviceModel, read_V: float, rest_s: float) -> list[Path]:
    """Return sweeps: a straight line from each point to the next, from 0 V at time 0."""
    paths = []
    for rows in _devices(table):
        time, volts = _column(table, rows, "time_s", 0.0), _column(table, rows, "voltage_V", 0.0)
        current, heat = _column(table, rows, "current_A", 0.0), _column(table, rows, "temperature_K", ROOM_K)
        if time[0] > 0:
            time, volts, heat = np.append(0.0, time), np.append(0.0, volts), np.append(heat[0], heat)
        first = time.size - rows.size
        # what a transistor in series limits is what its parameters are told by
        ways: list[tuple[float | None, NDArray[np.bool_]]] = [(None, np.zeros(rows.size, dtype=bool))] * 2
        if not model.access:
            ways = [held(volts[first:], current, sign) for sign in (1, -1)]
        limits, limited = [limit for limit, _ in ways], ways[0][1] | ways[1][1]
        tells = (np.abs(current) > LEAST_SHARE * np.abs(current).max()) & ~limited & (volts[first:] != 0)
        tells[: 1 - first] = False  # the start is where the waveform begins, no look
        kept = np.flatnonzero(tells)
        turned = np.diff(np.sign(np.diff(volts)), prepend=0.0, append=0.0) != 0
        legs = np.cumsum(np.where(turned, 1, 0))[first:]
        wave, gates = _gated(through(time, volts, heat), table, rows)
        paths.append(
            Path(wave, kept + first - 1, np.ones(kept.size), (limits[0], limits[1]), rows[kept], legs[kept], gates)
        )
    return paths


def _gated(wave: Waveform, table: pd.DataFrame, rows: NDArray[np.int64]) -> tuple[Waveform, Array | None]:
    """Return a sweep with a pulse's number for each stretch of one gate voltage, and those voltages [V]."""
    if "gate_voltage_V" not in table:
        return wave, None
    gate = table["gate_voltage_V"].to_numpy(dtype=float)[rows]
    number = np.cumsum(np.diff(gate, prepend=gate[0]) != 0)
    of_piece = np.append(np.zeros(max(0, wave.observed.size - gate.size)), number)[-wave.observed.size :].astype(int)
    segments = replace(wave.segments, pulse=np.asarray(of_piece, dtype=np.int64))
    return replace(wave, segments=segments), gate[np.searchsorted(number, np.arange(int(of_piece.max()) + 1))]


def _train_of(table: pd.DataFrame, rows: NDArray[np.int64], read_V: float, rest_s: float) -> list[Path]:
    """Return pulses of one device, one after another."""
    volts, widths = (_column(table, rows, name, 0.0) for name in ("pulse_voltage_V", "pulse_width_s"))
    reads, heat = _column(table, rows, "voltage_V", read_V), _column(table, rows, "temperature_K", ROOM_K)
    gates = table["gate_voltage_V"].to_numpy(dtype=float)[rows] if "gate_voltage_V" in table else None
    pieces = [
        piece for k in range(rows.size) for piece in _pulsed(volts[k], widths[k], reads[k], rest_s, number=k)
    ]  # fmt: skip
    wave = joined(pieces, float(heat[0]))
    gate_V = None if gates is None else gates[: wave.n_pulses]
    return [Path(wave, np.arange(rows.size), reads, (None, None), rows, gate_V=gate_V)]


def _pulsed(volts: float, width: float, read: float, rest_s: float, number: int) -> list[Piece]:
    """Return a pulse, the rest after it and its read."""
    one = pulse(volts, width, number=number) if volts else []
    return [*one, Piece(rest_s, 0.0, 0.0), Piece(READ_S, read, read, observed=True)]


def _pulses(table: pd.DataFrame, model: DeviceModel, read_V: float, rest_s: float) -> list[Path]:
    """Return pulses on fresh devices: a path for each condition, that all of its rows share."""
    rows = np.arange(len(table))
    volts = _column(table, rows, "pulse_voltage_V", 0.0)
    conditions = [
        volts,
        np.where(volts == 0, 0.0, _column(table, rows, "pulse_width_s", 0.0)),
        _column(table, rows, "voltage_V", read_V),
        _column(table, rows, "temperature_K", ROOM_K),
        np.where(volts == 0, 0.0, _column(table, rows, "gate_voltage_V", 0.0)),
    ]
    every = np.column_stack(conditions)
    _, first, which = np.unique(rounded(every), axis=0, return_index=True, return_inverse=True)
    groups = np.split(np.argsort(which.ravel(), kind="stable"), np.cumsum(np.bincount(which.ravel()))[:-1])
    paths = []
    for k in np.argsort(first):  # in file order
        volt, width, read, heat, gate = every[first[k]]
        gate_V = None if "gate_voltage_V" not in table or volt == 0 else np.array([gate])
        number = 0 if "gate_voltage_V" in table else int(first[k])
        wave = joined(_pulsed(volt, width, read, rest_s, number), heat)
        own, same = groups[k], groups[k].size
        paths.append(Path(wave, np.zeros(same, dtype=np.int64), np.full(same, read), (None, None), own, gate_V=gate_V))
    return paths


def rounded(numbers: Array) -> Array:
    """Return numbers to as many significant digits as conditions are told apart by."""
    values, place = np.unique(numbers, return_inverse=True)
    short = np.array([float(f"{value:.{DIGITS}g}") for value in values])
    return np.asarray(short[place.reshape(numbers.shape)])


def _trains(table: pd.DataFrame, model: DeviceModel, read_V: float, rest_s: float) -> list[Path]:
    return [path for rows in _histories(table) for path in _train_of(table, rows, read_V, rest_s)]


def _retention(table: pd.DataFrame, model: DeviceModel, read_V: float, rest_s: float) -> list[Path]:
    """Return reads over time at no voltage between."""
    paths = []
    for rows in _devices(table):
        time, heat = _column(table, rows, "time_s", 0.0), _column(table, rows, "temperature_K", ROOM_K)
        if np.any(np.diff(time) <= 0) or time[0] <= 0:
            raise BadInput("times of retention must be > 0 s and increase for each device: sort the table")
        pieces = [
            piece
            for span in np.diff(time, prepend=0.0)
            for piece in (Piece(float(span), 0.0, 0.0), Piece(READ_S, read_V, read_V, observed=True))
        ]
        wave = joined(pieces, np.repeat(heat, 2))
        paths.append(Path(wave, np.arange(rows.size), np.full(rows.size, read_V), (None, None), rows))
    return paths


Make = Callable[[pd.DataFrame, DeviceModel, float, float], list[Path]]
_AFTER_PULSES = ("pulse_voltage_V", "pulse_width_s")
_PATHS: Mapping[str, tuple[Make, tuple[str, ...], str]] = {
    "sweep": (_sweeps, ("time_s", "voltage_V", "current_A"), "current_A"),
    "pulse": (_pulses, _AFTER_PULSES, "conductance_S"),
    "pulse_train": (_trains, _AFTER_PULSES, "conductance_S"),
    "ispp": (_trains, _AFTER_PULSES, "conductance_S"),
    "write_verify": (_trains, _AFTER_PULSES, "conductance_S"),
    "retention": (_retention, ("time_s",), "conductance_S"),
}
