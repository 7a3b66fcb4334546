"""Rows that cannot be used: left out by rule, counted, with their lines; nothing is left out in silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from nvmphys.measurement.experiment import NEEDS
from nvmphys.measurement.units import DIMENSIONS
from nvmphys.records import Exclusion

IN_TIME = ("retention", "bake")
KEPT_IN_ORDER = ("sweep", "pulse", "pulse_train", "ispp", "write_verify", "pv_loop", "id_vg")
"""Experiments in which equal rows may be separate observations, unless a time tells rows apart."""
REPEATED = "row repeats an earlier row"
HARMLESS = (REPEATED, "row is empty")
"""Rules that leave out rows without a doubt about the rest of the file."""
_SHOWN = 5


def where(lines: Sequence[int] | np.ndarray | pd.Index) -> str:
    """Write line numbers for a message.

    >>> where([3]), where([3, 17]), where(range(2, 90))
    ('line 3', 'lines 3, 17', 'lines 2, 3, 4, 5, 6 …')
    """
    shown = ", ".join(str(line) for line in lines[:_SHOWN])
    return f"line{'s' * (len(lines) > 1)} {shown}{' …' * (len(lines) > _SHOWN)}"


def exclusion(rule: str, lines: Sequence[int] | np.ndarray | pd.Index) -> Exclusion:
    """Make the record of the rows that a rule left out."""
    return Exclusion(rule, len(lines), where(lines))


def derive_conductance(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Add `conductance_S` from the resistance, else from current and voltage; return what it was made from.

    >>> derive_conductance(pd.DataFrame({"resistance_ohm": [4e4]}))
    (   resistance_ohm  conductance_S
    0         40000.0       0.000025, ('resistance_ohm',))
    """
    with np.errstate(all="ignore"):
        if "resistance_ohm" in table:
            return table.assign(conductance_S=1 / table["resistance_ohm"]), ("resistance_ohm",)
        return table.assign(conductance_S=table["current_A"] / table["voltage_V"]), ("current_A", "voltage_V")


def _faults(
    table: pd.DataFrame, needed: Sequence[str], origin: Sequence[str], experiment: str
) -> Iterator[tuple[str, pd.Series]]:
    """Yield each rule with the rows that break it; a conductance or resistance counts where reads are the point."""
    reads = "conductance_S" in NEEDS[experiment]
    judged = [*needed, *(name for name in ("resistance_ohm", "conductance_S") if reads and name not in needed)]
    judged = [name for name in judged if name in table]
    for name in needed:
        numeric = DIMENSIONS[name] or name == "cycle"
        yield f"{name} is empty{' or not a number' if numeric else ''}", table[name].isna()
    if "resistance_ohm" in judged:
        yield "resistance_ohm <= 0", table["resistance_ohm"] <= 0
    if "voltage_V" in origin:
        yield "voltage_V is 0: I/V is no conductance", table["voltage_V"] == 0
    for name in judged:
        if is_numeric_dtype(table[name]):
            yield f"{name} is infinite", np.isinf(table[name])
    if "conductance_S" in judged:
        yield "conductance_S < 0", table["conductance_S"] < 0
    if "time_s" in table and experiment in IN_TIME:
        yield "time_s < 0", table["time_s"] < 0
    for name in ("temperature_K", "pulse_width_s"):
        if name in table:
            yield f"{name} <= 0", table[name] <= 0
    if "cycle" in table:
        whole = (table["cycle"] % 1 == 0) & (table["cycle"].abs() < 2**53)  # beyond, floats cannot tell
        yield "cycle is not a whole number", table["cycle"].notna() & ~whole


def screen(
    table: pd.DataFrame, needed: Sequence[str], origin: Sequence[str], experiment: str, keys: pd.Series
) -> tuple[pd.DataFrame, list[Exclusion], list[str]]:
    """Leave out the rows that break a rule; a row counts once, under the first rule it breaks.

    Parameters
    ----------
    table : DataFrame
        Tidy columns, indexed by the line of the file.
    needed : sequence of str
        Columns that must hold a value on each row; an empty cell elsewhere stays, as missing.
    origin : sequence of str
        Columns that the conductance was derived from, if it was.
    experiment : str
        Kind of experiment: the rules on time and on equal rows depend on it.
    keys : Series
        One key a row, by line: rows with the same key are equal to the letter.

    Returns
    -------
    table : DataFrame
        The rows that are left.
    exclusions : list of Exclusion
        Rows left out, by rule.
    notes : list of str
        What was kept although it is incomplete or repeated.
    """
    exclusions: list[Exclusion] = []
    notes: list[str] = []
    left_out = np.zeros(len(table), dtype=bool)
    for rule, broken in _faults(table, needed, origin, experiment):
        found = broken.to_numpy(dtype=bool) & ~left_out
        if found.any():
            exclusions.append(exclusion(rule, table.index[found]))
            left_out |= found
    table = table[~left_out]

    repeated = keys.loc[table.index].duplicated().to_numpy()
    if repeated.any():
        lines = table.index[repeated]
        if "time_s" in table or experiment not in KEPT_IN_ORDER:
            exclusions.append(exclusion(REPEATED, lines))
            table = table[~repeated]
        else:
            notes.append(f"equal to an earlier row, kept as no time tells them apart: {len(lines)} ({where(lines)})")

    for name in [name for name in table.columns if name not in needed]:
        if is_numeric_dtype(table[name]):
            table = table.assign(**{name: table[name].where(np.isfinite(table[name]))})
        missing = table[name].isna()
        if len(table) and missing.all():
            notes.append(f"{name} has no value in any row and is left out")
            table = table.drop(columns=name)
        elif missing.any():
            lines = table.index[missing]
            notes.append(f"{name} is empty or unreadable, kept as missing: {len(lines)} ({where(lines)})")
    return table, exclusions, notes
