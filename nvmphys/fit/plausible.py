"""Whether measurements can be those of a model at all, before a fit: polarity, compliance, copies of one device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.errors import BadInput, CheckFailed
from nvmphys.fit.conditions import runs
from nvmphys.fit.identify import Values
from nvmphys.fit.observed import Observed
from nvmphys.records import Measurement

Array = NDArray[np.float64]

MOVED = 0.1
"""Decades of conductance from which a device is taken to have switched."""
FEW_LEFT = 0.5
"""Share of a sweep's points that must tell of the device: with fewer it is said."""
_FEWEST = 3
"""Voltages of a sweep that both ways must hold for the loop to be read."""
_PULSED = ("pulse", "pulse_train", "ispp", "write_verify")
_ANSWERS = {"sweep": "current_A"} | dict.fromkeys(_PULSED, "conductance_S")
"""Column that is compared, by experiment."""


def directions(experiment: str, table: pd.DataFrame) -> dict[int, float]:
    """Return by how many decades voltages of each sign (1, -1) move the conductance; without those that are not there.

    In a sweep that is the current on the way back over that on the way out, at the same voltages; of pulses the change
    over a run, and on fresh devices the conductance after the largest pulses over that after the smallest.

    Examples
    --------
    >>> volts = np.array([0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.1])
    >>> loop = pd.DataFrame({"voltage_V": volts, "current_A": volts * [1, 1, 1, 10, 10, 10, 10]})
    >>> directions("sweep", loop)
    {1: 1.0}
    """
    if experiment == "sweep" and {"voltage_V", "current_A"} <= set(table):
        volts, size = table["voltage_V"].to_numpy(dtype=float), table["current_A"].abs().to_numpy(dtype=float)
        found = [_of_loop(volts[own], size[own]) for own in _groups(runs(experiment, table))]
    elif experiment in _PULSED and "pulse_voltage_V" in table:
        found = _of_pulses(experiment, table)
    else:
        return {}
    by_sign = {sign: [each[sign] for each in found if sign in each] for sign in (1, -1)}
    return {sign: float(np.median(each)) for sign, each in by_sign.items() if each}


def _groups(number: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [np.flatnonzero(number == k) for k in np.unique(number)]


def _of_loop(volts: Array, size: Array) -> dict[int, float]:
    found = {}
    for sign in (1, -1):
        mine = np.flatnonzero((sign * volts > 0) & (size > 0))
        if mine.size < 3:
            continue
        turn = int(np.argmax(sign * volts[mine]))
        out, back = mine[:turn], mine[turn + 1 :]
        if not out.size or not back.size:
            continue
        order = np.argsort(sign * volts[back])
        known = sign * volts[back][order]
        out = out[(sign * volts[out] >= known[0]) & (sign * volts[out] <= known[-1])]  # both ways, nothing continued
        if out.size < _FEWEST:
            continue
        returned = np.interp(sign * volts[out], known, np.log10(size[back][order]))
        found[sign] = float(np.median(returned - np.log10(size[out])))
    return found


def _of_pulses(experiment: str, table: pd.DataFrame) -> list[dict[int, float]]:
    if "conductance_S" in table:
        level = table["conductance_S"].to_numpy(dtype=float)
    elif "resistance_ohm" in table:
        level = 1 / table["resistance_ohm"].to_numpy(dtype=float)
    else:
        return []
    with np.errstate(divide="ignore", invalid="ignore"):
        lg, volts = np.log10(level), table["pulse_voltage_V"].to_numpy(dtype=float)
    if experiment == "pulse":
        return [_of_fresh(lg, volts)]
    device = table["device_id"].to_numpy() if "device_id" in table else np.zeros(len(table))
    follows = np.append(False, device[1:] == device[:-1])
    change = np.where(follows, np.diff(lg, prepend=np.nan), np.nan)
    number, found = runs(experiment, table), []
    for own in _groups(number):
        moved = change[own][np.isfinite(change[own]) & (volts[own] != 0)]
        if moved.size:
            found.append({int(np.sign(volts[own[-1]])): float(moved.sum())})
    return found


def _of_fresh(lg: Array, volts: Array) -> dict[int, float]:
    found = {}
    for sign in (1, -1):
        mine = (sign * volts > 0) & np.isfinite(lg)
        if not mine.any():
            continue
        before = (volts == 0) & np.isfinite(lg)
        size = np.abs(volts[mine])
        first = np.median(lg[before]) if before.any() else np.median(lg[mine][size == size.min()])
        found[sign] = float(np.median(lg[mine][size == size.max()]) - first)
    return found


def turned(measurement: Measurement) -> Measurement:
    """Return a measurement with the signs of voltage and current turned."""
    signed = [name for name in ("voltage_V", "pulse_voltage_V", "current_A") if name in measurement.table]
    return replace(measurement, table=measurement.table.assign(**{name: -measurement.table[name] for name in signed}))


def check_polarity(
    model: str, observed: Sequence[Observed], other: Callable[[], Sequence[Observed]], values: Values
) -> None:
    """Refuse data that switch at the other polarity than the model does under the same voltages, at given values.

    Refused are only data that the model moves against in every direction, and along with once the voltages are turned
    (`other` gives the same experiments turned): a model that does not know the sign, as of phase change, is never
    contradicted. Where the model does not switch there at these values, or the data do not, nothing is said.

    Raises
    ------
    BadInput
        "the data switch at the other polarity".
    """
    for k, o in enumerate(observed):
        seen, told = _switched(o, o.measured), _switched(o, o.predict(values))
        shared = {sign: by for sign, by in seen.items() if sign in told}
        if not shared or any(by * told[sign] > 0 for sign, by in shared.items()):
            continue
        mirror = other()[k]
        try:
            follows = _switched(mirror, mirror.predict(values))
        except CheckFailed:  # beyond the model's reach: no verdict
            continue
        if any(by * follows.get(-sign, 0.0) <= 0 for sign, by in shared.items()):
            continue
        words = " and ".join(
            f"{'positive' if sign > 0 else 'negative'} voltage {'raises' if by > 0 else 'lowers'} the conductance "
            f"by {abs(by):.2g} decades, where the model {'raises' if told[sign] > 0 else 'lowers'} it"
            for sign, by in shared.items()
        )
        raise BadInput(
            f"the data switch at the other polarity than {model}: {words}. The other electrode was called "
            "positive, or SET and RESET are exchanged: turn the signs of voltage (and current) in a column map "
            "(sign = -1)"
        )


def _switched(o: Observed, logs: Array) -> dict[int, float]:
    """Return the directions of what switches, the decimal logarithms of its answers given."""
    column = _ANSWERS.get(o.experiment)
    if column is None or not o.quantity.startswith("log10"):
        return {}
    found = directions(o.experiment, o.table.assign(**{column: 10.0**logs}))
    return {sign: by for sign, by in found.items() if abs(by) >= MOVED}


def said_of_data(measurements: Sequence[Measurement], observed: Sequence[Observed]) -> list[str]:
    """Say what of the data tells little, a sentence each: points held by a compliance, copies of one device."""
    said = []
    for m, o in zip(measurements, observed, strict=False):
        if o.experiment == "sweep" and "voltage_V" in m.table:
            driven = int((m.table["voltage_V"] != 0).sum())
            if o.measured.size < FEW_LEFT * driven:
                said.append(
                    f"{m.source.id}: only {o.measured.size} of {driven} points of the sweep tell of the device: at the "
                    "others the source held the current (compliance), or there was none. A higher compliance, or "
                    "smaller voltages, would tell more"
                )
        if _copies(m.table):
            said.append(
                f"{m.source.id}: all {m.table['device_id'].nunique()} devices are alike, number for number: copies, of "
                "which no spread can be learned, and intervals are too narrow"
            )
    return said


def _copies(table: pd.DataFrame) -> bool:
    """Whether a table holds several devices with the same numbers in all rows."""
    if "device_id" not in table or table["device_id"].nunique() < 2:
        return False
    numbers = table.drop(columns="device_id").select_dtypes("number")
    parts = [part.to_numpy() for _, part in numbers.groupby(table["device_id"], sort=False)]
    first = parts[0]
    return len(first) > 1 and all(p.shape == first.shape and np.array_equal(p, first, equal_nan=True) for p in parts)
