"""Delimited text (CSV, TSV, semicolons, blanks; plain or gzip): one observation a row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from nvmphys.errors import BadInput, unknown_name
from nvmphys.measurement import text
from nvmphys.measurement.columns import (
    ColumnMap,
    Columns,
    Pick,
    example_map,
    listed,
    load_map,
    pick_by_header,
    pick_by_map,
)
from nvmphys.measurement.experiment import NEEDS, infer, missing_columns, needed
from nvmphys.measurement.layout import Layout, find_layout
from nvmphys.measurement.rows import load_rows
from nvmphys.measurement.screening import HARMLESS, derive_conductance, screen, where
from nvmphys.measurement.source import source_of
from nvmphys.records import EXPERIMENTS, TIDY_UNITS, Exclusion, Measurement, Source

FORMAT = "delimited"


def sniff(path: str | os.PathLike[str]) -> float:
    """Return how sure this reader is of a file: any text may be a table, a format of its own claims more."""
    start = text.first_bytes(path)
    return 0.0 if text.binary_kind(start) else 0.1


def read(path: str | os.PathLike[str], columns: Columns = None) -> list[Measurement]:
    """Read a table with one observation a row into tidy measurements in SI units.

    Parameters
    ----------
    path : path
        The file; its columns are understood from a header with units, such as ``conductance_uS`` or ``R (kOhm)``.
    columns : mapping or path, optional
        A column map, for a file whose header does not say enough (`nvmphys.measurement.columns.ColumnMap`).

    Returns
    -------
    list of Measurement
        One for each experiment in the file: as a rule one.

    Raises
    ------
    BadInput
        For a file that is no table of numbers, a column that is missing or in an unknown unit, and when more than
        half of the rows cannot be used.
    """
    path = Path(path)
    wanted = load_map(columns)
    layout = find_layout(path, wanted)
    picks, left_out = _pick(path, layout, wanted)
    rows = load_rows(path, layout, picks)
    if rows.table.empty:
        raise _unusable(path, rows.count, 0, rows.exclusions)
    table = rows.table.assign(**wanted.constants)
    notes = [layout.sentence, *(pick.note for pick in picks), *left_out, *rows.notes]
    notes += [f"{name} = {value} on every row (column map)" for name, value in wanted.constants.items()]
    source = source_of(path)
    measurements = []
    for experiment, part, reason in _parts(path, layout, table, wanted, left_out):
        missing = missing_columns(part.columns, experiment)
        if missing:
            raise _missing(path, layout, f"{experiment} needs {' and '.join(missing)}", left_out, experiment)
        found = tidy(experiment, part, rows.keys, source)
        said = (*notes, f"experiment: {experiment} ({reason})", *found.understood)
        measurements.append(replace(found, understood=said))
    first = measurements[0]
    measurements[0] = replace(first, exclusions=(*rows.exclusions, *first.exclusions))
    check_enough(path, rows.count, measurements)
    return measurements


def _pick(path: Path, layout: Layout, wanted: ColumnMap) -> tuple[list[Pick], list[str]]:
    """Choose the columns to read by the map, else by the header; say which were left out."""
    if wanted.columns:
        try:
            picks = pick_by_map(wanted.columns, layout.header, layout.width)
        except BadInput as error:
            raise BadInput(f"{path}: {error}") from error
        rest = sorted(set(range(layout.width)) - {pick.place for pick in picks})
        labels = [repr(layout.header[place]) if layout.header else f"column {place + 1}" for place in rest]
        return picks, [f"left out: {listed(labels)} (not in the column map)"] if labels else []
    if layout.header is None:
        first = f"line {layout.first_row}: {layout.preview!r}"
        raise _missing(path, layout, f"no header names its {layout.width} columns ({first})")
    try:
        picks, left_out = pick_by_header(layout.header)
    except BadInput as error:
        raise BadInput(f"{path}: line {layout.header_line}, {error}") from error
    said = {"experiment"} if wanted.experiment else set()
    for pick in [pick for pick in picks if pick.column in wanted.constants.keys() | said]:
        picks.remove(pick)
        left_out.append(f"left out: column {pick.place + 1} (the column map gives {pick.column})")
    if not picks:
        raise _missing(path, layout, "none of its columns is known", left_out)
    return picks, left_out


def _missing(path: Path, layout: Layout, problem: str, left_out: Sequence[str] = (), experiment: str = "") -> BadInput:
    """Make the error for columns that are not there, with what was seen and a column map to start from."""
    experiment = experiment or {1: "pulse_train", 2: "read_noise"}.get(layout.width, "retention")
    seen = [f"{path}: {problem}", *left_out]
    numbered = [name for name in layout.header or () if name[-1:].isdigit()]
    if len(numbered) > 4 and 2 * len(numbered) > layout.width:
        seen.append(
            f"{numbered[0]!r} … {numbered[-1]!r} look like one trace a column: turn the table into long form, "
            "one observation a row (in pandas: table.melt())"
        )
    example = f'experiment = "{experiment}"\n{example_map(layout.header, NEEDS[experiment])}'
    way_out = (
        "Give a column map (--columns MAP.toml, or columns= in Python) with the right columns and units "
        "(a value for the whole file goes under [constants]), such as"
    )
    return BadInput("; ".join(seen) + f".\n{way_out}:\n{example}")


def _parts(
    path: Path, layout: Layout, table: pd.DataFrame, wanted: ColumnMap, left_out: Sequence[str]
) -> Iterator[tuple[str, pd.DataFrame, str]]:
    """Yield each experiment of a table with its rows and how it is known."""
    if "experiment" in table:
        for name, part in table.groupby("experiment", sort=False, dropna=False):
            if name not in EXPERIMENTS:
                error = unknown_name("experiment", text.short(str(name)), EXPERIMENTS)
                raise BadInput(f"{path}: {where(part.index)}: {error}")
            yield str(name), part.drop(columns="experiment"), "column of the file"
        return
    if wanted.experiment:
        yield wanted.experiment, table, "column map"
        return
    inferred = infer(table)
    if inferred is None:
        problem = f"the experiment cannot be told from {', '.join(table.columns)}"
        possible = [name for name in NEEDS if not missing_columns(table.columns, name)]
        possible.sort(key=lambda name: -len(NEEDS[name]))
        if possible and (wanted.columns or not left_out):
            way_out = f'say which it is in the column map, such as\nexperiment = "{possible[0]}"'
            raise BadInput(f"{path}: {problem} (it may be {' or '.join(possible)}): {way_out}")
        raise _missing(path, layout, problem, left_out)
    yield inferred[0], table, inferred[1]


def tidy(experiment: str, table: pd.DataFrame, keys: pd.Series, source: Source) -> Measurement:
    """Make the measurement of one experiment: derive its conductance, leave out what breaks a rule."""
    needs = needed(table.columns, experiment)
    origin: tuple[str, ...] = ()
    notes: list[str] = []
    if "conductance_S" in needs and "conductance_S" not in table:
        table, origin = derive_conductance(table)
        needs = tuple(dict.fromkeys((*(name for name in needs if name != "conductance_S"), *origin)))
        notes.append(f"conductance_S = {'1 / resistance_ohm' if len(origin) == 1 else 'current_A / voltage_V'}")
    table, exclusions, kept = screen(table, needs, origin, experiment, keys)
    labels = [name for name in ("device_id", "level", "cycle") if name in table and is_float_dtype(table[name])]
    table = table.astype({name: np.int64 for name in labels if (table[name] % 1 == 0).all()})
    table = table[[name for name in TIDY_UNITS if name in table]].reset_index(drop=True)
    return Measurement(experiment, table, source, (*notes, *kept), tuple(exclusions))


def check_enough(path: Path | str, count: int, measurements: Sequence[Measurement]) -> None:
    """Raise where more than half of the rows break a rule, or none is left."""
    exclusions = [left_out for measurement in measurements for left_out in measurement.exclusions]
    doubtful = sum(left_out.count for left_out in exclusions if left_out.rule not in HARMLESS)
    if 2 * doubtful > count or any(measurement.table.empty for measurement in measurements):
        raise _unusable(path, count, sum(len(measurement.table) for measurement in measurements), exclusions)


def _unusable(path: Path | str, count: int, kept: int, exclusions: Sequence[Exclusion]) -> BadInput:
    """Make the error for a file of which too many rows, more than half, break a rule."""
    rules = "; ".join(f"{left_out.rule}: {left_out.count} ({left_out.where})" for left_out in exclusions)
    way_out = "Check the separator, the decimal sign, the columns and their units"
    return BadInput(f"{path}: only {kept} of {count} rows can be used: {rules}. {way_out}")
