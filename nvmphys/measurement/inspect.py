"""What was understood of a measurement file, for people and for machines, before anything is fitted."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from nvmphys.measurement.summary import is_quantile
from nvmphys.measurement.units import engineering
from nvmphys.records import TIDY_UNITS, Measurement

_FIRST_ROWS = 5
_COLUMNS_SHOWN = 8


def describe(measurements: Sequence[Measurement], path: str | os.PathLike[str]) -> dict[str, Any]:
    """Describe what was read, as plain values that JSON can hold; a missing value is None.

    Parameters
    ----------
    measurements : sequence of Measurement
        What `nvmphys.measurement.read` returned.
    path : path
        The file they came from.

    Returns
    -------
    dict
        `file` and `measurements`; of each the experiment, rows, devices, levels, times [s], columns with SI unit and
        range, what was understood and excluded, the source, and the first rows.
    """
    return {"file": os.fspath(path), "measurements": [_describe(measurement) for measurement in measurements]}


def _describe(measurement: Measurement) -> dict[str, Any]:
    table = measurement.table
    return {
        "experiment": measurement.experiment,
        "is_summary": measurement.is_summary,
        "rows": len(table),
        "devices": measurement.n_devices,
        "levels": int(table["level"].nunique()) if "level" in table else None,
        "times_s": _range(table["time_s"]) if "time_s" in table else None,
        "columns": [_describe_column(str(name), table[name]) for name in table.columns],
        "understood": list(measurement.understood),
        "exclusions": [vars(left_out) for left_out in measurement.exclusions],
        "source": vars(measurement.source),
        "first_rows": [[_plain(value) for value in row] for row in table.head(_FIRST_ROWS).itertuples(index=False)],
    }


def _describe_column(name: str, values: pd.Series) -> dict[str, Any]:
    return {
        "name": name,
        "unit": unit_of(name),
        "missing": int(values.isna().sum()),
        **_range(values),
    }


def _range(values: pd.Series) -> dict[str, Any]:
    numeric = pd.api.types.is_numeric_dtype(values)
    low, high = (_plain(values.min()), _plain(values.max())) if numeric else (None, None)
    return {"minimum": low, "maximum": high, "distinct": int(values.nunique())}


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def unit_of(column: str) -> str:
    """Return the SI unit of a column of a measurement or a summary; "" for names, counts and unknown columns.

    >>> unit_of("resistance_ohm"), unit_of("mean_S"), unit_of("q_0.05"), unit_of("cycle")
    ('ohm', 'S', 'S', '')
    """
    if is_quantile(column) or column in ("mean_S", "sigma_S", "level_low_S", "level_high_S"):
        return "S"
    return TIDY_UNITS.get(column, "")


def render(description: dict[str, Any]) -> Group:
    """Set a description from `describe` out for the terminal, values with engineering units."""
    parts: list[RenderableType] = [Text(description["file"], style="bold")]
    for measurement in description["measurements"]:
        parts += [Text(""), Text(_headline(measurement), style="bold")]
        parts += [Text(f"  {sentence}") for sentence in measurement["understood"]]
        parts.append(_exclusions(measurement["exclusions"]))
        parts.append(_columns(measurement))
        parts.append(_first_rows(measurement))
    return Group(*parts)


def _headline(measurement: dict[str, Any]) -> str:
    names = ("rows", "devices", "levels")
    counts = [_count(measurement[name], name) for name in names if measurement[name] is not None]
    if times := measurement["times_s"]:
        first, last = (_value(times[end], "s") for end in ("minimum", "maximum"))
        counts.append(f"{_count(times['distinct'], 'times')} from {first} to {last}")
    kind = "summary of " if measurement["is_summary"] else ""
    return f"{kind}{measurement['experiment']}: {', '.join(counts)}"


def _count(number: int, plural: str) -> str:
    return f"{number:,} {plural if number != 1 else plural.removesuffix('s')}"


def _exclusions(exclusions: list[dict[str, Any]]) -> RenderableType:
    if not exclusions:
        return Text("  no row was left out")
    table = Table("left out", "rows", "where", title_justify="left")
    for left_out in exclusions:
        table.add_row(escape(left_out["rule"]), f"{left_out['count']:,}", escape(left_out["where"]))
    return table


def _columns(measurement: dict[str, Any]) -> Table:
    table = Table("column", "minimum", "maximum", "distinct", "missing")
    for column in measurement["columns"]:
        low, high = (_value(column[end], column["unit"]) for end in ("minimum", "maximum"))
        table.add_row(escape(column["name"]), low, high, f"{column['distinct']:,}", f"{column['missing']:,}")
    return table


def _first_rows(measurement: dict[str, Any]) -> Table:
    shown = measurement["columns"][:_COLUMNS_SHOWN]
    left = len(measurement["columns"]) - len(shown)
    title = "first rows" + (f" (first {len(shown)} of {len(measurement['columns'])} columns)" if left else "")
    table = Table(*(escape(column["name"]) for column in shown), title=title, title_justify="left")
    for row in measurement["first_rows"]:
        table.add_row(*(_value(value, column["unit"]) for value, column in zip(row, shown, strict=False)))
    return table


def _value(value: Any, unit: str) -> str:
    if value is None:
        return "–"
    return engineering(value, unit) if isinstance(value, float) else escape(str(value))
