"""Summary tables: a row is a statistic of many cells (count, mean, sigma, quantiles) at one level and time."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from nvmphys.errors import BadInput, unknown_name
from nvmphys.measurement.columns import ColumnMap, Columns, Pick, listed, load_map
from nvmphys.measurement.layout import find_layout, head
from nvmphys.measurement.rows import load_rows, to_numbers
from nvmphys.measurement.screening import REPEATED, exclusion, where
from nvmphys.measurement.source import DESCRIPTION, source_of
from nvmphys.measurement.units import SI_UNITS, Quantity, understand, unit
from nvmphys.records import Measurement

FORMAT = "summary"
KINDS = ("conductance", "change", "step")
"""What a statistic is of: the conductance itself, or its change since the first read."""
QUANTITIES = (
    Quantity("level", "", ("level", "lvl", "bin", "state")),
    Quantity("level_low_S", "conductance", ("levellow",)),
    Quantity("level_high_S", "conductance", ("levelhigh",)),
    Quantity("target_S", "conductance", ("target",)),
    Quantity("time_s", "time", ("time", "t")),
    Quantity("temperature_K", "temperature", ("temperature", "temp")),
    Quantity("quantity", "", ("quantity",)),
    Quantity("count", "", ("count", "n", "ncells", "ndevices")),
    Quantity("mean_S", "conductance", ("mean", "average")),
    Quantity("sigma_S", "conductance", ("sigma", "std", "stdev", "standarddeviation")),
)
NEEDED = {
    "level": "",
    "time_s": "",
    "mean_S": "",
    "sigma_S": "",
    "count": ": the intervals of a fit come from the number of cells behind each value",
}
_QUANTILE = re.compile(r"q_?(0?\.\d+)(?:_|\s*(?=[\[(]))?(.*)", re.ASCII)


def is_quantile(column: str) -> bool:
    """Tell whether a column of a summary is a quantile, `q_<probability>`.

    >>> is_quantile("q_0.05"), is_quantile("q_note")
    (True, False)
    """
    return re.fullmatch(r"q_0?\.\d+", column, re.ASCII) is not None


def sniff(path: str | os.PathLike[str]) -> float:
    """Return how sure this reader is: a header with a mean and a count or sigma is a summary."""
    if not any("mean" in line.casefold() or "average" in line.casefold() for part in head(path) for _, line in part):
        return 0.0
    names = [name.casefold() for name in find_layout(path, ColumnMap()).header or ()]
    has_mean = any(name.startswith(("mean", "average")) for name in names)
    return 0.9 if has_mean and any(name.startswith(("count", "sigma", "std")) for name in names) else 0.0


def read(path: str | os.PathLike[str], columns: Columns = None) -> list[Measurement]:
    """Read a summary table: level, time, count, mean and sigma, and quantiles where given; other columns stay.

    Parameters
    ----------
    path : path
        Delimited text with a header such as ``level,time_s,quantity,count,mean_S,sigma_S,q_0.05,q_0.95`` or
        ``level; t (s); n; mean (uS); std (uS)``; a quantile without a unit is in S.
    columns : mapping or path, optional
        A column map for the experiment (else retention), separator, decimal sign and constants; not for columns.

    Returns
    -------
    list of Measurement
        One, with `is_summary`.

    Raises
    ------
    BadInput
        For a column that is missing or without unit, and for a row against a rule: a count that is no whole number
        >= 1, a negative sigma, quantiles that decrease. A summary is not screened: it is right or it is mended.
    """
    path = Path(path)
    wanted = load_map(columns)
    if wanted.columns:
        raise BadInput(f"{path}: the columns of a summary are known by their header: rename them there, not in a map")
    layout = find_layout(path, wanted)
    if layout.header is None:
        raise BadInput(f"{path}: a summary needs a header such as level,time_s,count,mean_S,sigma_S")
    try:
        picks, notes = _pick(layout.header, wanted.constants)
    except BadInput as error:
        raise BadInput(f"{path}: line {layout.header_line}, {error}") from error
    rows = load_rows(path, layout, picks)
    table = _plain(rows.table, layout.decimal).assign(**wanted.constants)
    if "quantity" not in table:
        table["quantity"] = KINDS[0]
    _check(path, table)
    repeated = rows.keys.duplicated().to_numpy()
    exclusions = (*rows.exclusions, *([exclusion(REPEATED, table.index[repeated])] if repeated.any() else []))
    understood = (
        layout.sentence.replace("delimited text", "summary table"),
        *notes,
        *rows.notes,
        *_missing(table),
        f"experiment: {wanted.experiment or 'retention'} ({'column map' if wanted.experiment else 'levels in time'})",
    )
    source = source_of(path)
    if not (path.parent / DESCRIPTION).is_file():
        source = replace(source, kind="summary")
    table = table[~repeated].reset_index(drop=True)
    return [Measurement(wanted.experiment or "retention", table, source, understood, exclusions)]


def _pick(header: Sequence[str], constants: Mapping[str, object]) -> tuple[list[Pick], list[str]]:
    """Choose the columns by their header; one that is not of a summary stays under its own name. Say so."""
    picks: list[Pick] = []
    others = []
    for place, cell in enumerate(header):
        match = _QUANTILE.fullmatch(cell)
        heading = understand(cell, QUANTITIES)
        if match:
            found = unit("conductance", match[2].strip("[]()"), cell) if match[2] else SI_UNITS["conductance"]
            picks.append(Pick(place, f"q_{match[1]}", found, f"q_{match[1]} ← {cell!r} [{found.symbol}]"))
        elif heading.column:
            in_unit = f" [{heading.unit.symbol}]" if heading.unit else ""
            picks.append(Pick(place, heading.column, heading.unit, f"{heading.column} ← {cell!r}{in_unit}"))
        elif cell:
            picks.append(Pick(place, cell, None, ""))
            others.append(f"{cell!r} ({heading.reason})")
    notes = [pick.note for pick in picks if pick.note and not is_quantile(pick.column)]
    quantiles = [pick.note for pick in picks if is_quantile(pick.column)]
    notes += [f"quantiles: {listed(quantiles)}"] if quantiles else []
    notes += [f"kept as they are: {listed(others)}"] if others else []
    notes += [f"{name} = {value} on every row (column map)" for name, value in constants.items()]
    names = [pick.column for pick in picks] + list(constants)
    twice, times = Counter(names).most_common(1)[0]
    if times > 1:
        both = [repr(header[pick.place]) for pick in picks if pick.column == twice]
        both += ["a constant of the column map"] if twice in constants else []
        raise BadInput(f"{' and '.join(both[:2])} are both {twice}: rename or remove one")
    for name, why in NEEDED.items():
        if name not in names:
            seen = f"; not understood: {listed(others)}" if others else ""
            raise BadInput(f"a summary needs {name}{why}. Add the column, its unit in the header{seen}")
    probabilities = [float(name[2:]) for name in names if is_quantile(name)]
    if any(not low < high for low, high in itertools.pairwise([0.0, *probabilities])):
        raise BadInput(f"the quantiles must be in order of probability, between 0 and 1 (got {listed(quantiles)})")
    return picks, notes


def _plain(table: pd.DataFrame, decimal: str) -> pd.DataFrame:
    """Turn columns of unknown meaning into numbers where each of their cells is one."""
    columns = {}
    for name, cells in table.items():
        columns[name] = cells
        if name not in ("level", "quantity") and not is_numeric_dtype(cells):
            numbers = to_numbers([str(cell) for cell in cells], decimal)
            if all(np.isfinite(numbers) | cells.isna().to_numpy()):
                columns[name] = pd.Series(numbers, index=table.index)
    return pd.DataFrame(columns)


def _missing(table: pd.DataFrame) -> list[str]:
    """Say which numbers are not there, in columns where that may be."""
    lines = {name: table.index[table[name].isna()] for name in table if is_numeric_dtype(table[name])}
    said = "is empty or unreadable, kept as missing"
    return [f"{name} {said}: {len(found)} ({where(found)})" for name, found in lines.items() if len(found)]


def _check(path: Path, table: pd.DataFrame) -> None:
    """Hold each row to the rules of a summary."""

    def refuse(broken: pd.Series, name: str, rule: str) -> None:
        if broken.any():
            line = table.index[broken][0]
            raise BadInput(f"{path}: line {line}: {name} must be {rule} (got {table[name][line]}): correct the table")

    if table.empty:
        raise BadInput(f"{path}: the summary has no rows: check the export")
    unknown = table["quantity"][~table["quantity"].isin(KINDS)]
    if not unknown.empty:
        raise BadInput(f"{path}: line {unknown.index[0]}: {unknown_name('quantity', str(unknown.iloc[0]), KINDS)}")
    refuse(table["level"].isna(), "level", "given")
    refuse(~table["time_s"].between(0, np.inf, inclusive="left"), "time_s", "a time >= 0 s")
    refuse(~(table["count"] >= 1) | (table["count"] % 1 != 0), "count", "a whole number >= 1")
    refuse(~(table["count"] < 2**53), "count", "a number of cells below 2^53")
    refuse(~np.isfinite(table["mean_S"]), "mean_S", "a finite number of S")
    alone = table["sigma_S"].isna() & (table["count"] == 1)
    refuse(~table["sigma_S"].between(0, np.inf, inclusive="left") & ~alone, "sigma_S", "a number >= 0 S")
    if {"level_low_S", "level_high_S"} <= set(table.columns):
        refuse(table["level_high_S"] < table["level_low_S"], "level_high_S", "no less than level_low_S")
    quantiles = [name for name in table.columns if is_quantile(name)]
    for name in table.columns.intersection(["target_S", "temperature_K", *quantiles]):
        refuse(np.isinf(table[name]), name, "a finite number, or empty")
    filled = table[quantiles].ffill(axis=1)
    for low, high in itertools.pairwise(quantiles):
        refuse(filled[high] < filled[low], high, f"no less than {low}")
    table["count"] = table["count"].astype(np.int64)
