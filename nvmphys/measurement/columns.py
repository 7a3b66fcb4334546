"""The column map: how a person names the columns of a file whose header does not."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from nvmphys.errors import BadInput, unknown_name
from nvmphys.measurement.units import DIMENSIONS, SI_UNITS, Unit, may_name, understand, unit
from nvmphys.records import EXPERIMENTS
from nvmphys.tomlfile import checked, read_toml, shown

Columns = Mapping[str, Any] | str | os.PathLike[str] | None
"""A column map as a caller gives it: a mapping, the path of a TOML file, or nothing."""
_NAME_CHARACTERS = 200
SIGNED = ("voltage", "current", "polarization")
"""Dimensions whose sign depends on which electrode is called positive."""


class ColumnEntry(BaseModel):
    """Where one quantity stands in the file: column number (from 1) or header name, its unit and whether to turn it.

    `sign = -1` turns the sign of voltages, currents and polarizations: for files whose positive electrode is the other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    column: int | Annotated[str, Field(max_length=_NAME_CHARACTERS)]
    unit: str | None = Field(default=None, max_length=_NAME_CHARACTERS)
    sign: Literal[1, -1] = 1

    @field_validator("column")
    @classmethod
    def _counts_from_one(cls, column: int | str) -> int | str:
        if isinstance(column, int) and column < 1:
            raise ValueError("columns are numbered from 1")
        return column


class ColumnMap(BaseModel):
    """How to read one file.

    >>> load_map({"columns": {"time_s": {"column": 2, "unit": "ms"}}}).columns["time_s"].unit
    'ms'
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    experiment: str | None = Field(default=None, max_length=_NAME_CHARACTERS)
    separator: str | None = None
    header: bool | None = None
    decimal: Literal[".", ","] | None = None
    columns: dict[str, ColumnEntry] = Field(default_factory=dict)
    constants: dict[str, int | float | str] = Field(default_factory=dict)

    @field_validator("experiment")
    @classmethod
    def _known_experiment(cls, name: str | None) -> str | None:
        if name is not None and name not in EXPERIMENTS:
            raise unknown_name("experiment", name, EXPERIMENTS)
        return name

    @field_validator("separator")
    @classmethod
    def _one_sign(cls, sign: str | None) -> str | None:
        if sign is not None and (len(sign) != 1 or sign.isalnum() or sign in "\"'+-.#%\n\r"):
            raise ValueError('a separator is one sign such as "," or ";" or "\\t"; " " is any run of blanks')
        return sign

    @field_validator("columns", mode="before")
    @classmethod
    def _check_entries(cls, entries: object) -> dict[str, ColumnEntry]:
        if not isinstance(entries, Mapping):
            raise ValueError('must be a table such as time_s = { column = 2, unit = "s" }')
        found = {}
        for name, entry in entries.items():
            _check_name(str(name))
            fields = {"column": entry} if isinstance(entry, int | str) else entry
            found[str(name)] = checked(ColumnEntry, fields, f"the column map, {name}")
            if found[str(name)].unit is not None:
                _unit_of(str(name), found[str(name)])
            if found[str(name)].sign == -1 and DIMENSIONS[str(name)] not in SIGNED:
                raise BadInput(f"the column map, {name}: has no sign to turn: {', '.join(SIGNED)} have")
        return found

    @field_validator("constants")
    @classmethod
    def _check_constants(cls, constants: dict[str, int | float | str]) -> dict[str, int | float | str]:
        for name, value in constants.items():
            _check_name(name)
            if name == "experiment":
                raise ValueError('the experiment is a key of its own: experiment = "retention"')
            if isinstance(value, str) and not DIMENSIONS[name] and name != "cycle":
                continue
            if isinstance(value, str) or not abs(value) <= sys.float_info.max:
                raise ValueError(f"{name} must be a finite number in SI units (got {shown(value)})")
            if not DIMENSIONS[name] and not abs(value) < 2**53:
                raise ValueError(f"{name} must be a number below 2^53, or text (got {shown(value)})")
        return {name: float(v) if isinstance(v, int) and abs(v) >= 2**53 else v for name, v in constants.items()}

    @model_validator(mode="after")
    def _said_once(self) -> ColumnMap:
        twice = sorted(self.columns.keys() & self.constants.keys())
        if twice:
            raise ValueError(f"{twice[0]} is both a column and a constant: keep one")
        if self.separator == "," and self.decimal == ",":
            raise ValueError("a comma cannot be both the separator and the decimal sign")
        return self


def _check_name(name: str) -> None:
    if name not in DIMENSIONS:
        raise unknown_name("quantity in the column map", name[:_NAME_CHARACTERS], DIMENSIONS)


def _unit_of(name: str, entry: ColumnEntry) -> Unit:
    if not DIMENSIONS[name]:
        raise BadInput(f"the column map, {name}: has no unit (got {entry.unit!r}): leave the unit out")
    return unit(DIMENSIONS[name], str(entry.unit), f"{entry.column} ({name})")


def load_map(columns: Columns) -> ColumnMap:
    """Read and check a column map.

    Raises
    ------
    BadInput
        For a file that is no TOML, an unknown key, quantity, unit or experiment, or a value against its rule.
    """
    if columns is None:
        return ColumnMap()
    if isinstance(columns, Mapping):
        data, path = dict(columns), ""
    else:
        data, path = read_toml(columns), f"{columns}: "
    misplaced = [key for key in data if key in DIMENSIONS and key != "experiment"]
    if misplaced:
        way_out = "write it under [columns] or [constants]"
        raise BadInput(f"{path}the column map: {misplaced[0]} stands at the top: {way_out}")
    try:
        return checked(ColumnMap, data, "the column map")
    except BadInput as error:
        raise BadInput(f"{path}{error}") from error


@dataclass(frozen=True)
class Pick:
    """One column to read: its place in the row (from 0), the column it becomes, its unit, a sentence that says so."""

    place: int
    column: str
    unit: Unit | None
    note: str

    @property
    def is_text(self) -> bool:
        """Whether the cells are names rather than numbers."""
        return self.unit is None and self.column not in ("cycle", "count")


def pick_by_map(entries: Mapping[str, ColumnEntry], header: Sequence[str] | None, width: int) -> list[Pick]:
    """Find the columns that a map names, in a table of `width` columns with or without a header.

    A unit in the map wins over one in the header; without either, the values are in the unit of the tidy name.

    Raises
    ------
    BadInput
        "the file has 3 columns", "the file has no header", a header name unknown or repeated, a column used twice.
    """
    picks: list[Pick] = []
    for name, entry in entries.items():
        place = _place(name, entry.column, header, width)
        label = f"{header[place]!r}" if header else f"column {place + 1}"
        earlier = next((pick.column for pick in picks if pick.place == place), None)
        if earlier:
            raise BadInput(f"the column map: {earlier} and {name} are both {label}: correct one")
        picks.append(_pick(name, entry, place, label, header))
    return picks


def _pick(name: str, entry: ColumnEntry, place: int, label: str, header: Sequence[str] | None) -> Pick:
    dimension = DIMENSIONS[name]
    if not dimension:
        return Pick(place, name, None, f"{name} ← {label} (column map)")
    if entry.unit is not None:
        found, why = _unit_of(name, entry), "unit from the column map"
    else:
        heading = understand(header[place]) if header else None
        if heading and heading.unit and DIMENSIONS[heading.column] == dimension:
            found, why = heading.unit, "column map, unit from the header"
        else:
            found, why = SI_UNITS[dimension], f"column map, unit from the name {name}"
    if entry.sign == -1:
        found, why = replace(found, numerator=-found.numerator), f"{why}, sign turned"
    return Pick(place, name, found, f"{name} ← {label} [{found.symbol}] ({why})")


def _place(name: str, column: int | str, header: Sequence[str] | None, width: int) -> int:
    if isinstance(column, int):
        if column > width:
            raise BadInput(f"the column map, {name}: column {column} is asked for, the file has {width} columns")
        return column - 1
    if header is None:
        raise BadInput(f"the column map, {name}: the file has no header with {column!r}: give the column's number")
    places = [place for place, cell in enumerate(header) if cell == column.strip()]
    if not places:
        raise unknown_name(f"column in the column map, {name}:", column, [cell for cell in header if cell])
    if len(places) > 1:
        numbers = ", ".join(str(place + 1) for place in places)
        raise BadInput(f"the column map, {name}: columns {numbers} are all called {column!r}: give a number")
    return places[0]


def pick_by_header(header: Sequence[str]) -> tuple[list[Pick], list[str]]:
    """Find the columns that a header names without doubt; return them and a sentence for those left out.

    >>> picks, left_out = pick_by_header(["addr", "t [s]", "G (uS)", "operator"])
    >>> [pick.column for pick in picks], left_out
    (['device_id', 'time_s', 'conductance_S'], ["left out: 'operator' (its name is not known)"])
    """
    headings = [understand(cell) for cell in header]
    times_named = Counter(heading.column for heading in headings)
    picks = []
    left_out: dict[str, list[str]] = {}
    for place, heading in enumerate(headings):
        if not heading.column:
            label = repr(heading.header) if heading.header else f"column {place + 1}"
            left_out.setdefault(heading.reason if heading.header else "no name", []).append(label)
        elif times_named[heading.column] > 1:
            left_out.setdefault(f"both would be {heading.column}", []).append(repr(heading.header))
        else:
            in_unit = f" [{heading.unit.symbol}]" if heading.unit else ""
            picks.append(Pick(place, heading.column, heading.unit, f"{heading.column} ← {heading.header!r}{in_unit}"))
    return picks, [f"left out: {listed(labels)} ({reason})" for reason, labels in left_out.items()]


def listed(labels: Sequence[str]) -> str:
    """List names for a message, the first few of many."""
    more = f", … and {len(labels) - 6} more" if len(labels) > 6 else ""
    return ", ".join(labels[:6]) + more


def example_map(header: Sequence[str] | None, wanted: Iterable[str]) -> str:
    """Write a column map to start from, for messages.

    >>> print(example_map(["addr", "time"], ["device_id", "time_s", "conductance_S"]))
    [columns]
    device_id = "addr"
    time_s = { column = "time", unit = "s" }
    conductance_S = { column = "its name in the file", unit = "S" }
    """
    rows = ["[columns]"]
    for number, name in enumerate(wanted, start=1):
        title = next((cell for cell in header or () if name in may_name(cell)), None)
        column = f'"{title}"' if title else '"its name in the file"' if header else str(number)
        unit_text = f'{{ column = {column}, unit = "{_si_symbol(name)}" }}' if DIMENSIONS[name] else column
        rows.append(f"{name} = {unit_text}")
    return "\n".join(rows)


def _si_symbol(name: str) -> str:
    return SI_UNITS[DIMENSIONS[name]].symbol
