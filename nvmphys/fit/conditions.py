"""Rows of experiments as conditions: the place of each among all that was varied, and which rows repeat one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.fit.identify import Values
from nvmphys.fit.observed import Observed

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LOGARITHMIC = ("pulse_width_s", "trailing_s", "frequency_Hz")
"""Conditions whose decades count."""
_PLAIN = ("pulse_voltage_V", "pulse_width_s", "trailing_s", "gate_voltage_V", "temperature_K", "frequency_Hz")
_ALONG_VOLTAGE = ("sweep", "pv_loop")
_IN_ORDER = ("pulse_train", "ispp", "write_verify")
_OVER_TIME = ("retention", "pund")
_TRANSFER = ("id_vg",)
RUN = "run"
"""Column that numbers the runs, where a table carries it along."""
FEWEST_RUNS = 6
"""Runs of pulses from which some are left out whole."""
STRETCHES = 10
"""Stretches that a run is cut into, where there are too few runs to leave some out."""
_DIGITS = 6
"""Significant digits by which two conditions are the same."""


def runs(experiment: str, table: pd.DataFrame) -> NDArray[np.int64]:
    """Return a number for each row: what was measured in one go, from 0 on.

    Pulses in a row are a run for each stretch of one sign; a read without a pulse begins one. Sweeps are a run for each
    device and cycle, transfer curves one for each pulse before too. Pulses on fresh devices are a run for each
    condition, and what is measured over time one for each temperature. A column `RUN` of a table that has lost rows
    tells what was so before.
    """
    if RUN in table:
        return np.unique(table[RUN].to_numpy(), return_inverse=True)[1].ravel()
    device = _codes(table, ("device_id",))
    if experiment in _IN_ORDER and "pulse_voltage_V" in table:
        sign = np.sign(table["pulse_voltage_V"].to_numpy(dtype=float))
        begins = (np.diff(device, prepend=-1) != 0) | (sign == 0) | ((np.diff(sign, prepend=0) != 0) & _after(sign))
        return np.cumsum(begins) - 1
    if experiment in _ALONG_VOLTAGE:
        return _codes(table, ("device_id", "cycle", "temperature_K"))
    if experiment in _TRANSFER:
        before = tuple(name for name in _PLAIN if name != "gate_voltage_V")
        return _codes(table, ("device_id", "cycle", "voltage_V", *before))
    if experiment in _OVER_TIME:
        return _codes(table, ("device_id", "temperature_K"))
    return _codes(table, _PLAIN)


def units(observed: Sequence[Observed]) -> list[list[tuple[int, int, int]]]:
    """Return for each row of each experiment what it is left out with: a condition, or a run on all devices alike.

    Runs in order are cut into `STRETCHES` where there are too few to leave some out and learn from the others.
    """
    own = [_run_of_device(o.table, runs(o.experiment, o.table)) for o in observed]
    count = sum(len(np.unique(each)) for each in own)
    ordered = any(o.experiment in _IN_ORDER for o in observed)
    whole = count >= (FEWEST_RUNS if ordered else 2)
    out = []
    for k, (o, run) in enumerate(zip(observed, own, strict=True)):
        stretch = np.zeros(run.size, dtype=np.int64) if whole else _stretches(runs(o.experiment, o.table))
        out.append([(k, int(r), int(s)) for r, s in zip(run, stretch, strict=True)])
    return out


def _run_of_device(table: pd.DataFrame, run: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of each row's run among those of its device."""
    if "device_id" not in table:
        return run
    first = pd.DataFrame({"device": table["device_id"].to_numpy(), "run": run})
    if len(first.drop_duplicates()) > len(first["run"].unique()):
        return run  # a run is a condition, of all devices
    return np.asarray(first.groupby("device")["run"].rank(method="dense").to_numpy(dtype=np.int64))


def _stretches(run: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which stretch of its run a row lies in."""
    number = pd.Series(run)
    place, size = number.groupby(number).cumcount(), number.groupby(number).transform("size")
    return np.asarray((place * STRETCHES // size).to_numpy(dtype=np.int64))


def smooth_noise(o: Observed) -> tuple[float, int]:
    """Return the scatter of rows around a smooth course, from second differences along each run, and its freedom.

    Half of the differences count as independent. Where rows have no order it is NaN.

    References
    ----------
    Gasser, Sroka and Jennen-Steinmetz, Biometrika 73, 625 (1986), doi 10.1093/biomet/73.3.625: the estimator; here
    from the median of |differences|, which jumps do not move.
    """
    if o.experiment not in (*_ALONG_VOLTAGE, *_IN_ORDER, *_OVER_TIME):
        return float("nan"), 0
    number = runs(o.experiment, o.table)
    apart = np.concatenate([np.diff(o.measured[number == k], 2) for k in np.unique(number)])
    if apart.size < 2:
        return float("nan"), 0
    return float(1.4826 * np.median(np.abs(apart)) / np.sqrt(6.0)), apart.size // 2


def _after(sign: Array) -> Mask:
    """Return whether the row before had a pulse."""
    return np.append(False, sign[:-1] != 0)


def _codes(table: pd.DataFrame, names: Sequence[str]) -> NDArray[np.int64]:
    """Return a number for each row by its values in those columns that there are."""
    there = [name for name in names if name in table]
    if not there:
        return np.zeros(len(table), dtype=np.int64)
    return np.asarray(table.groupby(there, sort=False, dropna=False).ngroup(), dtype=np.int64)


def places(experiment: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return the conditions of rows, a column each; those that decades count of as logarithms."""
    out: dict[str, Array] = {}
    for name in _PLAIN:
        if name in table:
            column = table[name].to_numpy(dtype=float)
            is_lg = name in LOGARITHMIC
            out[f"lg {name}" if is_lg else name] = np.log10(np.maximum(column, 1e-30)) if is_lg else column
    if experiment in _ALONG_VOLTAGE:
        run = runs(experiment, table)
        volts = table["voltage_V"].to_numpy(dtype=float)
        out["voltage_V"], out["direction"] = volts, np.zeros(volts.size)
        for one in np.unique(run):
            mine = np.flatnonzero(run == one)
            moved = np.gradient(volts[mine]) if mine.size > 1 else np.zeros(1)
            out["direction"][mine] = np.sign(moved)
            if "time_s" in table and mine.size > 1:
                rates = np.abs(np.diff(volts[mine]) / np.diff(table["time_s"].to_numpy(dtype=float)[mine]))
                rate = out.setdefault("lg ramp rate", np.full(volts.size, np.nan))
                rate[mine] = np.log10(max(float(np.median(rates)), 1e-30))
    if experiment in _IN_ORDER:
        number = pd.Series(runs(experiment, table))
        out["pulse in the run"] = np.asarray(number.groupby(number).cumcount(), dtype=np.float64)
    if experiment in _OVER_TIME and "time_s" in table:
        time = table["time_s"].to_numpy(dtype=float)
        out["time"] = np.log10(np.maximum(time, 1e-30)) if experiment == "retention" else time
    return pd.DataFrame(out, index=table.index)


def same(of: pd.DataFrame) -> NDArray[np.int64]:
    """Return a number for each row: rows of one number are repeats of one condition."""
    if of.shape[1] == 0:
        return np.zeros(len(of), dtype=np.int64)
    spans = np.maximum(np.nanmax(np.abs(of.to_numpy()), axis=0), 1e-300)
    return np.unique(np.round(of.to_numpy() / spans, _DIGITS), axis=0, return_inverse=True)[1].ravel()


def only(o: Observed, chosen: Mask) -> Observed:
    """Return some of the rows of an experiment; the device goes through all of it still."""
    slopes, settle = o.slopes, o.settle

    def predict(values: Values) -> Array:
        return o.predict(values)[chosen]

    def some_slopes(values: Values, names: Sequence[str]) -> Array:
        assert slopes is not None
        return slopes(values, names)[chosen]

    return replace(
        o, table=o.table[chosen].reset_index(drop=True), measured=o.measured[chosen], predict=predict,
        slopes=None if slopes is None else some_slopes, legs=None if o.legs is None else o.legs[chosen],
        together=None if o.together is None else o.together.only(chosen),
        repeats=None if o.repeats is None else o.repeats[chosen],
        settle=None if settle is None else lambda values: only(settle(values), chosen),
    )  # fmt: skip


EXTREMES: Mapping[str, tuple[str, str]] = {
    "longest-pulse": ("the longest pulse", "pulse_width_s"),
    "highest-voltage": ("the highest voltage", "pulse_voltage_V"),
    "highest-temperature": ("the highest temperature", "temperature_K"),
}
"""Conditions that can be left out, by the name that asks for them: in words, and the column."""


def extreme(observed: Sequence[Observed], what: str) -> tuple[str, list[Mask]]:
    """Return in words what is left out, and the rows of each experiment that have it.

    Parameters
    ----------
    observed : sequence of Observed
    what : str
        One of `EXTREMES`. The highest voltage is the largest |amplitude| of pulses, or of whole sweeps.

    Raises
    ------
    BadInput
        "… cannot be left out: … in all rows", "no experiment has …".
    """
    words, column = EXTREMES[what]
    sizes = [_size(o, column) for o in observed]
    found = np.concatenate([size[np.isfinite(size)] for size in sizes])
    if not found.size:
        raise BadInput(f"{words} cannot be left out: no experiment has {column}. Leave out something else")
    most = float(found.max())
    if not (found < most * (1 - 1e-6)).any():
        raise BadInput(
            f"{words} cannot be left out: it is {most:g} {column.rpartition('_')[2]} in all rows. Give measurements at "
            "another one, or leave out something else"
        )
    return f"{words} ({most:g} {column.rpartition('_')[2]})", [size >= most * (1 - 1e-6) for size in sizes]


def _size(o: Observed, column: str) -> Array:
    """Return a condition's size by row; NaN where a row has none."""
    if column in o.table:
        size = np.abs(o.table[column].to_numpy(dtype=float))
        pulsed = np.abs(o.table["pulse_voltage_V"].to_numpy(dtype=float)) > 0 if "pulse_voltage_V" in o.table else True
        return np.where((size > 0) & pulsed, size, np.nan)
    if column == "pulse_voltage_V" and "voltage_V" in o.table and o.experiment in (*_ALONG_VOLTAGE, "pund"):
        volts = o.table["voltage_V"].abs()
        return volts.groupby(runs(o.experiment, o.table)).transform("max").round(3).to_numpy(dtype=float)
    return np.full(len(o.table), np.nan)
