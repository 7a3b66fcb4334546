"""Keysight EasyEXPERT (B1500A, B1505A …) CSV exports: settings, names and values line by line, records appended."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from nvmphys.errors import BadInput
from nvmphys.measurement import text
from nvmphys.measurement.columns import ColumnMap, Columns, example_map, listed, load_map, pick_by_map
from nvmphys.measurement.delimited import check_enough, tidy
from nvmphys.measurement.experiment import NEEDS, infer, missing_columns
from nvmphys.measurement.layout import splitter
from nvmphys.measurement.pund import is_pund
from nvmphys.measurement.rows import to_numbers
from nvmphys.measurement.screening import exclusion
from nvmphys.measurement.source import source_of
from nvmphys.measurement.units import DIMENSIONS, SI_UNITS, Unit, named, understand
from nvmphys.records import Exclusion, Measurement, Source

FORMAT = "easyexpert"
REPEATED_RECORD = "record repeats an earlier record"
UNUSABLE_RECORD = "record cannot be used"
MAX_RECORDS = 10_000
_TESTS = ("PrimitiveTest", "ApplicationTest", "ClassicTest", "QuickTest")
_DIMENSIONS = ("Dimension1", "Dimension2")
_SETTINGS = ("TestParameter", "MetaData", "AnalysisSetup")
_KEYWORDS = frozenset({"SetupTitle", *_TESTS, *_SETTINGS, *_DIMENSIONS, "DataName", "DataValue"})
_KEPT = re.compile(
    r"Channel\.(VName|IName|Func)|Measurement\.Primary\.Locus|Measurement\.(Primary|Secondary|Bias)\.Compliance"
    r"|TestRecord\.(RecordTime|TestTarget)|Name|Value"
)
_MAX_VALUES = 200
_MAX_COLUMNS = 64
_CHUNK = 2**14
_PUND = re.compile(r"(?<![a-z])pund(?![a-z])", re.IGNORECASE)


def sniff(path: str | os.PathLike[str]) -> float:
    """Return how sure this reader is: the first two lines begin with keywords such as SetupTitle."""
    start = text.first_bytes(path)
    if text.binary_kind(start):
        return 0.0
    lines = (line for line in start.decode(text.encoding(start), "replace").splitlines() if line.strip())
    keywords = [line.partition(",")[0].strip() for line, _ in zip(lines, range(2), strict=False)]
    return 0.95 if len(keywords) == 2 and _KEYWORDS.issuperset(keywords) else 0.0


def read(path: str | os.PathLike[str], columns: Columns = None) -> list[Measurement]:
    """Read a CSV export of EasyEXPERT into tidy measurements in SI units, one a record.

    A record begins with ``SetupTitle``; its columns are understood by ``Channel.VName``, ``Channel.IName`` and the
    operation modes of the WGFMU, else by their names. Values are in V, A and s, as the instrument writes them. Stacked
    secondary sweeps are told apart by `cycle`, from 1. A record that repeats an earlier one is left out.

    Parameters
    ----------
    path : path
        The file; plain or gzip.
    columns : mapping or path, optional
        A column map for the experiment, constants, and columns (names of ``DataName``, or numbers from 1).

    Returns
    -------
    list of Measurement
        One for each record that can be used; records that cannot are among the exclusions of the first.

    Raises
    ------
    BadInput
        Where no record can be used, for the reason of the first: "has no rows (DataValue)", "the experiment cannot be
        told from …", "sweep needs current_A"; or "more than 10,000 records".
    """
    path, wanted = Path(path), load_map(columns)
    if wanted.separator or wanted.decimal or wanted.header is not None:
        raise BadInput(f"{path}: is an EasyEXPERT export: leave separator, decimal and header out of the column map")
    source = source_of(path)
    measurements: list[Measurement] = []
    repeats: dict[int, list[_Record]] = {}
    unusable: list[tuple[_Record, BadInput]] = []
    seen: dict[tuple[object, ...], int] = {}
    for record in _records(path, wanted):
        if record.rows.count and record.fingerprint in seen:
            repeats.setdefault(seen[record.fingerprint], []).append(record.forget_values())
            continue
        try:
            measurements.append(_measurement(path, record, wanted, source))
            seen[record.fingerprint] = len(measurements) - 1
        except BadInput as error:
            unusable.append((record.forget_values(), error))
    if not measurements:
        raise unusable[0][1]
    for place, records in repeats.items():
        measurements[place] = _with_repeats(measurements[place], records)
    if unusable:
        measurements[0] = _with_unusable(measurements[0], unusable)
    return measurements


@dataclass(frozen=True)
class _Column:
    """A column of a record: its place and name, the tidy column it may become, and why; `certain` by its own name."""

    place: int
    name: str
    column: str
    unit: Unit | None
    why: str
    certain: bool = True

    @property
    def note(self) -> str:
        """Say what the column was understood as."""
        in_unit = f" [{self.unit.symbol}]" if self.unit else ""
        return f"{self.column} ← {self.name!r}{in_unit} ({self.why})"


@dataclass
class _Rows:
    """The `DataValue` rows of a record: its chosen columns as numbers, a chunk at a time to bound the memory."""

    places: Sequence[int] = ()
    width: int = 0
    lines: array[int] = field(default_factory=lambda: array("q"))
    keys: array[int] = field(default_factory=lambda: array("q"))
    left_out: dict[str, array[int]] = field(default_factory=dict)
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    cut: bool = False
    _chunk: list[list[str]] = field(default_factory=list)
    _parts: list[list[np.ndarray]] = field(default_factory=list)
    _lengths: tuple[int, int] = (0, 0)

    @property
    def count(self) -> int:
        """Rows that were meant to hold values."""
        return len(self.lines) + sum(map(len, self.left_out.values()))

    def add(self, number: int, line: str, cells: list[str]) -> None:
        """Add the row of a line; a short row stays, its last columns empty."""
        while len(cells) > self.width and not cells[-1].strip():
            cells.pop()
        if not any(map(str.strip, cells)):
            self.leave_out("row is empty", number)
        elif len(cells) > self.width:
            self.leave_out(f"row has more cells than the {self.width} names of DataName", number)
        else:
            self._lengths = self._lengths[1], len(cells)
            self._chunk.append([(place < len(cells) and cells[place].strip()) or "nan" for place in self.places])
            self.lines.append(number)
            self.keys.append(hash(line))
            self.digest.update(line.encode("utf-8", "replace") + b"\n")
            if len(self._chunk) == _CHUNK:
                self._convert()

    def leave_out(self, rule: str, number: int) -> None:
        """Count a line that is no row, by the rule that it breaks."""
        self.left_out.setdefault(rule, array("q")).append(number)

    def end(self, number: int) -> None:
        """Take note that the file ends in this line without a line end; drop a row that is shorter than the last."""
        self.cut = len(self.lines) > 0 and self.lines[-1] == number
        if self.cut and self._lengths[1] < self._lengths[0] and self._chunk:
            self._chunk.pop()
            self.lines.pop()
            self.keys.pop()
            self.leave_out("file ends in the middle of a row", number)
            self.cut = False

    def places_in_file(self) -> np.ndarray:
        """Return the place of each row among all rows of the record, those left out as well, from 0."""
        lines = np.asarray(self.lines)
        left_out = np.sort([line for numbers in self.left_out.values() for line in numbers])
        return np.arange(len(lines)) + np.searchsorted(left_out, lines)

    def values(self) -> list[np.ndarray]:
        """Return the chosen columns, NaN where a cell is empty or no number."""
        self._convert()
        return [np.concatenate(parts) for parts in self._parts]

    def _convert(self) -> None:
        self._parts = self._parts or [[] for _ in self.places]
        for n, parts in enumerate(self._parts):
            parts.append(to_numbers([row[n] for row in self._chunk], "."))
        self._chunk = []


@dataclass
class _Record:
    """What the lines of one record say; `columns` are what its names hold, `left_out` those not known, by reason.

    `problem` is why the column map does not fit the names.
    """

    number: int
    line: int
    title: str = ""
    test: str = ""
    settings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    columns: Sequence[_Column] = ()
    left_out: dict[str, list[str]] = field(default_factory=dict)
    problem: str = ""
    rows: _Rows = field(default_factory=_Rows)

    @property
    def label(self) -> str:
        """Name the record for messages."""
        title = f" {self.title!r}" if self.title else ""
        return f"record {self.number}{title} (line {self.line})"

    @property
    def fingerprint(self) -> tuple[object, ...]:
        """What two records share only where one is a copy of the other: names, time of the run and all values."""
        return self.names, self.settings.get("TestRecord.RecordTime"), self.rows.digest.digest()

    @property
    def expected(self) -> int:
        """Rows that the dimensions announce; 0 where they are not given."""
        return self.sizes.get("Dimension1", 0) * self.sizes.get("Dimension2", 1)

    def note(self, keyword: str, rest: str) -> None:
        """Take in a line of settings."""
        if keyword == "SetupTitle":
            self.title = text.short(rest.strip())
        elif keyword in _TESTS:
            self.test = f"{keyword} {text.short(rest.partition(',')[0].strip())}"
        elif keyword in _DIMENSIONS:
            sizes = rest.split(",", _MAX_VALUES)
            self.sizes[keyword] = max((int(cell) for cell in sizes if _is_count(cell)), default=0)
        elif keyword in _SETTINGS:
            name, *values = (cell.strip() for cell in rest.split(",", _MAX_VALUES))
            if _KEPT.fullmatch(name):
                self.settings[name] = tuple(values)

    def setting(self, name: str) -> str:
        """Return a setting as written; "" where it is not given."""
        return ", ".join(value for value in self.settings.get(name, ()) if value)[: text.SHOWN]

    def mode(self, number: str) -> str:
        """Return the operation mode of a WGFMU channel, such as "Fast IV Imeas"."""
        names, values = self.settings.get("Name", ()), self.settings.get("Value", ())
        return dict(zip(names, values, strict=False)).get(f"OperationMode{number}", "")

    def channel(self, name: str) -> int | None:
        """Return the channel that a column belongs to, by its place in Channel.VName or Channel.IName."""
        lists = (self.settings.get(setting, ()) for setting in ("Channel.VName", "Channel.IName"))
        return next((names.index(name) for names in lists if name in names), None)

    def is_primary(self, name: str) -> bool:
        """Tell whether a column belongs to the channel of the primary sweep (Channel.Func VAR1)."""
        channel, functions = self.channel(name), self.settings.get("Channel.Func", ())
        return channel is not None and functions[channel : channel + 1] == ("VAR1",)

    def forget_values(self) -> _Record:
        """Drop the values, to save memory, and return the record."""
        self.rows = _Rows(lines=self.rows.lines, left_out=self.rows.left_out)
        return self


def _is_count(cell: str) -> bool:
    return re.fullmatch(r"\s*\d{1,9}\s*", cell, re.ASCII) is not None


def _records(path: Path, wanted: ColumnMap) -> Iterator[_Record]:
    """Yield the records of a file; settings after rows begin the next record even without a title."""
    split = splitter(",")
    record: _Record | None = None
    number, line = 0, "\n"
    for number, line in text.lines(path):
        keyword, _, rest = line.rstrip("\n").partition(",")
        keyword = keyword.strip()
        if not line.strip():
            continue
        if record is None:
            record = _Record(1, number)
        if keyword not in _KEYWORDS:
            if record.names:
                record.rows.leave_out("line begins with no known keyword", number)
        elif keyword == "DataValue":
            if record.names:
                record.rows.add(number, rest.strip(), split(rest))
            else:
                record.rows.leave_out("row stands before any DataName", number)
        else:
            if record.rows.count or (keyword == "SetupTitle" and record.title):
                yield record
                record = _next(path, record, number, keyword)
            if keyword == "DataName":
                _take_names(record, split(rest), wanted)
            else:
                record.note(keyword, rest)
    if record is None:
        raise BadInput(f"{path}: is blank: export the measurement again")
    if not line.endswith("\n"):
        record.rows.end(number)
    yield record


def _next(path: Path, record: _Record, number: int, keyword: str) -> _Record:
    if record.number == MAX_RECORDS:
        raise BadInput(f"{path}: line {number}: more than {MAX_RECORDS:,} records: export fewer into one file")
    if keyword == "SetupTitle":
        return _Record(record.number + 1, number)
    return _Record(record.number + 1, number, record.title, record.test, dict(record.settings), dict(record.sizes))


def _take_names(record: _Record, cells: Sequence[str], wanted: ColumnMap) -> None:
    """Understand the names of a record and choose the columns to gather: those of the map, else the known ones."""
    names = tuple(cell.strip()[: text.SHOWN] for cell in cells)
    found: list[_Column | str]
    if wanted.columns:
        found = ["not in the column map"] * len(names)
        try:
            for pick in pick_by_map(wanted.columns, names, len(names)):
                found[pick.place] = _Column(pick.place, names[pick.place], pick.column, pick.unit, "column map")
        except BadInput as error:
            record.problem = str(error)
    else:
        found = [_understand(place, name, record) for place, name in enumerate(names)]
    record.names, record.left_out = names, {}
    record.columns = [column for column in found if isinstance(column, _Column)][:_MAX_COLUMNS]
    gathered = {column.place for column in record.columns}
    for place, name in enumerate(names):
        if place not in gathered:
            reason = found[place] if isinstance(found[place], str) else f"more than {_MAX_COLUMNS} known columns"
            record.left_out.setdefault(str(reason), []).append(name)
    record.rows = _Rows([column.place for column in record.columns], len(names))


def _understand(place: int, name: str, record: _Record) -> _Column | str:
    """Say what a column holds, by its channel, its WGFMU's mode, its unit, else its name; or why that is not known."""
    for setting, dimension in (("Channel.VName", "voltage"), ("Channel.IName", "current")):
        if name and name in record.settings.get(setting, ()):
            return _column(place, name, dimension, setting)
    wgfmu = re.fullmatch(r"\D+(\d+)_(value|time)", name, re.ASCII)
    if wgfmu and (mode := record.mode(wgfmu[1])):
        measured = {"vmeas": "voltage", "imeas": "current"}.get(mode.casefold()[-5:], "")
        if wgfmu[2] == "time" or measured:
            dimension = "time" if wgfmu[2] == "time" else measured
            return _column(place, name, dimension, f"OperationMode{wgfmu[1]} {mode}")
    try:
        heading = understand(name)
    except BadInput as error:
        return str(error)
    if heading.column:
        return _Column(place, name, heading.column, heading.unit, "its name")
    possible = {DIMENSIONS[quantity.column] for quantity in named(name)}
    if re.match(r"time|.*time$", name, re.IGNORECASE):
        possible = {"time"}
    if len(possible) == 1 and possible <= {"voltage", "current", "time"}:
        return _column(place, name, possible.pop(), "its name; EasyEXPERT writes V, A and s")
    return heading.reason if name else "no name"


def _column(place: int, name: str, dimension: str, why: str) -> _Column:
    """Make the column of a dimension: a gate voltage where the name says so."""
    column = {"voltage": "voltage_V", "current": "current_A", "time": "time_s"}[dimension]
    names = [quantity.column for quantity in named(name) if quantity.dimension == dimension]
    if dimension == "voltage" and "gate" in name.casefold():
        names = ["gate_voltage_V"]
    return _Column(place, name, names[0] if names else column, SI_UNITS[dimension], why, bool(names))


def _measurement(path: Path, record: _Record, wanted: ColumnMap, source: Source) -> Measurement:
    """Make the measurement of a record."""
    label = f"{path}: {record.label}"
    if not record.names:
        raise BadInput(f"{label}: has no DataName line: export the measurement again")
    lost = [exclusion(rule, lines) for rule, lines in record.rows.left_out.items()]
    if not record.rows.lines and lost:
        rules = "; ".join(f"{found.rule}: {found.count} ({found.where})" for found in lost)
        raise BadInput(f"{label}: none of its rows can be used: {rules}. Check the separator and the decimal sign")
    if not record.rows.lines:
        raise BadInput(f"{label}: has no rows (DataValue): the run was stopped or the file cut")
    if record.problem:
        raise BadInput(f"{label}: {record.problem}")
    table, notes = _table(record, wanted)
    notes = [*_sentences(record), *notes]
    experiment, reason = _experiment(record, table, wanted)
    missing = missing_columns(table.columns, experiment) if experiment else []
    if not experiment or missing:
        what = f"{experiment} needs {' and '.join(missing)}" if missing else f"the experiment {reason}"
        raise _unclear(f"{label}: {what}", record, notes, experiment or "sweep")
    keys = pd.Series(np.asarray(record.rows.keys), index=table.index)
    found = tidy(experiment, table, keys, source)
    said = (*notes, f"experiment: {experiment} ({reason})", *found.understood)
    found = replace(found, understood=said, exclusions=(*lost, *found.exclusions))
    check_enough(label, record.rows.count, [found])
    return found


def _unclear(problem: str, record: _Record, notes: Sequence[str], experiment: str) -> BadInput:
    left_out = [note for note in notes if note.startswith("left out")]
    example = f'experiment = "{experiment}"\n{example_map(record.names, NEEDS[experiment])}'
    way_out = "Give a column map (--columns MAP.toml, or columns= in Python) with the right columns, such as"
    return BadInput(f"{'; '.join((problem, *left_out))}.\n{way_out}:\n{example}")


def _table(record: _Record, wanted: ColumnMap) -> tuple[pd.DataFrame, list[str]]:
    """Return the tidy columns of a record by line, in SI, and say which they are and which were left out."""
    values = dict(zip((column.place for column in record.columns), record.rows.values(), strict=True))
    chosen, left_out = (list(record.columns), {}) if wanted.columns else _choose(record, values)
    for column in [column for column in chosen if column.column in wanted.constants]:
        chosen.remove(column)
        left_out.setdefault(f"the column map gives {column.column}", []).append(column.name)
    notes = [column.note for column in chosen]
    for reason, names in (*left_out.items(), *record.left_out.items()):
        notes.append(f"left out: {listed([repr(name) for name in names])} ({reason})")
    notes += [f"{name} = {value} on every row (column map)" for name, value in wanted.constants.items()]
    data = {column.column: values[column.place] for column in chosen}
    data |= {column.column: column.unit.to_si(values[column.place]) for column in chosen if column.unit}
    table = pd.DataFrame(data, index=pd.Index(np.asarray(record.rows.lines), name="line")).assign(**wanted.constants)
    target = record.setting("TestRecord.TestTarget")
    if target and "device_id" not in table:
        table["device_id"] = target
        notes.append(f"device_id = {target!r} (TestRecord.TestTarget)")
    size, sweeps = record.sizes.get("Dimension1", 0), record.sizes.get("Dimension2", 1)
    if size and sweeps > 1 and "cycle" not in table:
        table["cycle"] = record.rows.places_in_file() // size + 1
        notes.append(f"cycle: {sweeps} stacked sweeps of {size} rows (Dimension2, Dimension1), numbered from 1")
    return table, notes


def _choose(record: _Record, values: Mapping[int, np.ndarray]) -> tuple[list[_Column], dict[str, list[str]]]:
    """Choose one column for each quantity; return them, and the names of the others by the reason why not."""
    left_out: dict[str, list[str]] = {}
    groups: dict[str, list[_Column]] = {name: [] for name in ("gate_voltage_V", "voltage_V", "current_A", "time_s")}
    for column in record.columns:
        if np.isfinite(values[column.place]).any():
            groups.setdefault(column.column, []).append(column)
        else:
            left_out.setdefault("empty on every row", []).append(column.name)
    chosen: dict[str, _Column] = {}
    for name, columns in groups.items():
        best = _best(columns, _tests(name, record, values, chosen))
        if best and name == "voltage_V" and "gate_voltage_V" in chosen:
            # Beside a gate, a constant voltage of unknown name may be that of a source or a bulk.
            best = best if best.certain or _varies(values[best.place]) else None
        if best:
            chosen[name] = best
        for column in columns:
            if column is best:
                continue
            reason = f"{name} is {best.name!r}" if best else f"may be {name}: a column map must say which"
            if best and name == "time_s":
                apart = np.nanmax(np.abs(values[column.place] - values[best.place]), initial=0.0)
                reason += f", {f'at most {apart:.3g} s apart' if apart else 'the same on every row'}"
            left_out.setdefault(reason, []).append(column.name)
    return list(chosen.values()), left_out


def _tests(
    name: str, record: _Record, values: Mapping[int, np.ndarray], chosen: Mapping[str, _Column]
) -> list[Callable[[_Column], bool]]:
    """Return what tells the columns that may become one tidy column apart, the strongest first."""

    def is_certain(column: _Column) -> bool:
        return column.certain

    def is_swept(column: _Column) -> bool:
        return _varies(values[column.place])

    if name == "current_A":
        partner = record.channel(chosen["voltage_V"].name) if "voltage_V" in chosen else None
        return [is_certain, lambda column: partner is not None and record.channel(column.name) == partner, is_swept]
    if name == "time_s":
        tags = {"i", "current", *([_tag(chosen["current_A"].name)] if "current_A" in chosen else [])}
        return [lambda column: _tag(column.name) in tags]
    return [lambda column: record.is_primary(column.name), is_certain, is_swept]


def _best(columns: Sequence[_Column], tests: Sequence[Callable[[_Column], bool]]) -> _Column | None:
    """Narrow columns down by one test after the other; None where more than one is left."""
    for test in tests:
        columns = [column for column in columns if test(column)] or columns
    return columns[0] if len(columns) == 1 else None


def _tag(name: str) -> str:
    return re.sub(r"time|value|[^a-z0-9]", "", name.casefold())


def _varies(values: np.ndarray) -> bool:
    finite = values[np.isfinite(values)]
    return finite.size > 0 and bool(finite.max() > finite.min())


def _sentences(record: _Record) -> list[str]:
    """Say what a record is, how it was swept, and whether it is whole."""
    when = record.setting("TestRecord.RecordTime")
    lines = record.rows.lines
    facts = [record.label, record.test, f"recorded {when}" if when else "", f"lines {lines[0]} to {lines[-1]}"]
    said = [f"EasyEXPERT export: {', '.join(fact for fact in facts if fact)}"]
    locus, size = record.setting("Measurement.Primary.Locus"), record.sizes.get("Dimension1", 0)
    if locus:
        points = f": {size // 2} points up and {size // 2} back" if locus == "Double" and size and size % 2 == 0 else ""
        said.append(f"{locus.lower()} sweep{points} (Measurement.Primary.Locus)")
    for name in ("Primary", "Secondary", "Bias"):
        if limit := record.setting(f"Measurement.{name}.Compliance"):
            said.append(f"compliance of the {name.lower()} channel: {limit} (Measurement.{name}.Compliance)")
    count, expected = record.rows.count, record.expected
    if expected and count < expected:
        said.append(
            f"warning: {count} of the {expected} rows that the dimensions announce: the run was stopped or the file "
            "cut; what is there is kept"
        )
    elif expected and count > expected:
        said.append(f"warning: {count} rows, more than the {expected} that the dimensions announce; all are kept")
    if record.rows.cut and count != expected:
        said.append(f"line {lines[-1]} has no line end: if the copy was cut short, its last value may be too")
    return said


def _experiment(record: _Record, table: pd.DataFrame, wanted: ColumnMap) -> tuple[str, str]:
    """Say which experiment a record is and how that is known; "" and why where it is not."""
    if wanted.experiment:
        return wanted.experiment, "column map"
    is_sweep = "sweep" in record.test.casefold() or "VAR1" in record.settings.get("Channel.Func", ())
    if not missing_columns(table.columns, "pund"):
        titled = _PUND.search(record.title) or _PUND.search(record.test)
        shaped = is_pund(table["voltage_V"].dropna().to_numpy())
        seen = "two pulses of one sign, then two of the other, with rest between"
        if titled:
            return "pund", f"the title says PUND; the voltage {'shows' if shaped else 'does not show'} {seen}"
        if shaped and not is_sweep:
            return "pund", f"by the shape of the voltage alone: {seen}; a column map may say otherwise"
    swept, reason = _primary(record, table)
    if swept and "current_A" in table and (is_sweep or "time_s" not in table):
        return ("id_vg" if swept == "gate_voltage_V" else "sweep"), reason
    return infer(table) or ("", f"cannot be told from {', '.join(table.columns) or 'its columns'}")


def _primary(record: _Record, table: pd.DataFrame) -> tuple[str, str]:
    """Return the column of the primary sweep and how it is known; "" where none or more than one may be it."""
    stimuli = [name for name in ("gate_voltage_V", "voltage_V") if name in table]
    for column in record.columns:
        if column.column in stimuli and record.is_primary(column.name):
            return column.column, f"{column.name!r} is the primary sweep, Channel.Func VAR1"
    first = table.head(record.sizes.get("Dimension1", 0) or len(table))
    moving = [name for name in stimuli if _varies(first[name].to_numpy(dtype=float))]
    return (moving[0], f"current_A against {moving[0]}") if len(moving) == 1 else ("", "")


def _with_repeats(measurement: Measurement, records: Sequence[_Record]) -> Measurement:
    """Say which records repeat the one of a measurement, and count their rows."""
    lines = [line for record in records for line in record.rows.lines]
    labels = listed([record.label for record in records])
    note = f"left out: {labels}: the same values and time of the run as in the record above, counted once"
    return _with(measurement, note, exclusion(REPEATED_RECORD, lines))


def _with_unusable(measurement: Measurement, unusable: Sequence[tuple[_Record, BadInput]]) -> Measurement:
    """Say which records could not be used, and count their rows."""
    lines = [
        line
        for record, _ in unusable
        for line in (*record.rows.lines, *itertools.chain(*record.rows.left_out.values()))
    ]
    reasons = listed([str(error).splitlines()[0] for _, error in unusable])
    return _with(measurement, f"left out: {reasons}", exclusion(UNUSABLE_RECORD, sorted(lines)))


def _with(measurement: Measurement, note: str, left_out: Exclusion) -> Measurement:
    understood = (*measurement.understood, note)
    exclusions = (*measurement.exclusions, left_out) if left_out.count else measurement.exclusions
    return replace(measurement, understood=understood, exclusions=exclusions)
