"""Pulses on fresh devices by condition: equal rows are one, and some of the conditions stand for all of them.

A model without spread says the same of every device that had the same pulse. Of a condition it is told the median of
what was read of its devices, which stuck ones do not move, and how many they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.fit.conditions import places, same
from nvmphys.fit.observed import Observed
from nvmphys.fit.paths import rounded
from nvmphys.records import Measurement

Array = NDArray[np.float64]

REPEATS = "repeats"
"""Column that counts the rows that a condition stands for."""
MERGED = "pulse"
"""The experiment in which every row is a fresh device."""
_APART = ("pulse_voltage_V", "pulse_width_s", "trailing_s", "trailing_steps", "gate_voltage_V", "temperature_K",
          "voltage_V")  # fmt: skip


def by_condition(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Return measurements with all pulses on fresh devices as one, a row for each condition.

    Its conductance is the median, and `REPEATS` how many rows there were. Reads without a pulse are a condition.
    Other experiments are returned as they are, after it.

    Examples
    --------
    >>> from nvmphys.records import Source
    >>> table = pd.DataFrame({"pulse_voltage_V": [0, 1, 1, 1], "pulse_width_s": [np.nan, 1e-7, 1e-7, 1e-7],
    ...                       "conductance_S": [1e-6, 4e-6, 3e-6, 9e-6]})
    >>> (merged,) = by_condition([Measurement("pulse", table, Source("made"))])
    >>> merged.table[["conductance_S", "repeats"]].to_numpy().tolist()
    [[1e-06, 1.0], [4e-06, 3.0]]
    """
    pulses = [m for m in measurements if m.experiment == MERGED]
    if not pulses:
        return list(measurements)
    tables = [_with_conductance(m.table) for m in pulses]
    table = pd.concat(tables, ignore_index=True)
    idle = (table["pulse_voltage_V"] == 0).to_numpy()
    apart = [name for name in _APART if name in table]
    at = table[apart].astype(float)
    for name in ("pulse_width_s", "trailing_s", "trailing_steps", "gate_voltage_V"):
        if name in at:
            at[name] = at[name].mask(idle, 0.0)
    keys = pd.DataFrame(rounded(at.to_numpy()), columns=apart)
    groups = table.assign(**{name: keys[name] for name in apart}).groupby(apart, sort=False, dropna=False)
    rows = groups["conductance_S"].agg(["median", "size"]).reset_index()
    rows = rows.rename(columns={"median": "conductance_S", "size": REPEATS})
    merged = replace(pulses[0], table=rows)
    return [merged, *(m for m in measurements if m.experiment != MERGED)]


def _with_conductance(table: pd.DataFrame) -> pd.DataFrame:
    if "conductance_S" in table or "resistance_ohm" not in table:
        return table
    return table.assign(conductance_S=1 / table["resistance_ohm"])


def counted(observed: Sequence[Observed]) -> list[Observed]:
    """Return experiments whose merged rows count for the rows that they stand for, but for no more than the middle one.

    What a model is off by does not average out over repeats: one condition of thousands must not rule the others.
    """
    out = []
    for o in observed:
        if REPEATS not in o.table:
            out.append(o)
            continue
        n = o.table[REPEATS].to_numpy(dtype=float)
        out.append(replace(o, repeats=np.minimum(n, np.median(n))))
    return out


def spread_out(measurements: Sequence[Measurement], count: int) -> list[Measurement]:
    """Return merged measurements with so many conditions at most, as far from one another as can be.

    The first is the one nearest to the middle of all; each next is that furthest from those chosen.
    """
    return [
        replace(m, table=m.table.iloc[_far_apart(m, count)].reset_index(drop=True)) if REPEATS in m.table else m
        for m in measurements
    ]


def _far_apart(m: Measurement, count: int) -> NDArray[np.int64]:
    at = places(m.experiment, m.table)
    idle = (m.table["pulse_voltage_V"] == 0).to_numpy()
    if "lg pulse_width_s" in at:  # a read without a pulse has no width
        at["lg pulse_width_s"] = at["lg pulse_width_s"].mask(idle, at["lg pulse_width_s"][~idle].min())
    numbers = at.to_numpy(dtype=float)
    spans = np.ptp(numbers, axis=0)
    numbers = numbers[:, spans > 0] / spans[spans > 0]
    n = len(np.unique(same(at)))
    first = int(np.argmin(((numbers - np.median(numbers, axis=0)) ** 2).sum(axis=1)))
    chosen, apart = [first], np.full(len(numbers), np.inf)
    while len(chosen) < min(count, n):
        apart = np.minimum(apart, ((numbers - numbers[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(np.argmax(apart)))
    return np.sort(np.array(chosen, dtype=np.int64))
