"""Rows of a delimited file: cells turned into numbers in SI units and labels, by the line that they stand in."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from nvmphys.measurement import text
from nvmphys.measurement.columns import Pick
from nvmphys.measurement.layout import NO_VALUE, Layout, is_blank, is_number, splitter
from nvmphys.measurement.screening import exclusion, where
from nvmphys.records import Exclusion

_CHUNK = 2**16
_LEADING_ZERO = re.compile(r"[+-]?0\d")


@dataclass(frozen=True)
class Rows:
    """The rows of a file: chosen columns in SI and a key for each row, by line; what was not a row; what to note.

    Rows with the same key are equal to the letter; `count` are all rows that were meant to hold values.
    """

    table: pd.DataFrame
    keys: pd.Series
    count: int
    exclusions: tuple[Exclusion, ...]
    notes: tuple[str, ...]


def load_rows(path: Path, layout: Layout, picks: Sequence[Pick]) -> Rows:
    """Read the chosen columns of a file in bounded memory; a row is a line with as many cells as the table is wide.

    Raises
    ------
    BadInput
        What `text.lines` raises.
    """
    split, gatherer = splitter(layout.separator), _Gatherer(layout, picks)
    odd: list[int] = []
    empty: list[int] = []
    comments: list[int] = []
    number, line = 0, "\n"
    for number, line in text.lines(path):
        if number < layout.first_row or is_blank(line):
            if number > layout.first_row and line.strip():
                comments.append(number)
            continue
        cells = split(line.rstrip("\n"))
        if len(cells) == layout.width + 1 and not cells[-1].strip():
            cells.pop()
        if not any(map(str.strip, cells)):
            empty.append(number)
        elif len(cells) != layout.width:
            odd.append(number)
        else:
            gatherer.add(number, line, cells)
    unended = not line.endswith("\n") and not is_blank(line)
    cut = [number] if unended and (number in odd[-1:] or gatherer.drop_if_cut(number)) else []
    odd = [row for row in odd if row not in cut]
    width = f"row has not {layout.width} cell{'s' * (layout.width != 1)}"
    rules = (("file ends in the middle of a row", cut), (width, odd), ("row is empty", empty))
    exclusions = tuple(exclusion(rule, lines) for rule, lines in rules if lines)
    table, keys = gatherer.finish()
    notes = [f"comments among the rows ({where(comments)})"] if comments else []
    if unended and not cut:
        notes.append(f"line {number} has no line end: if the copy was cut short, its last value may be too")
    return Rows(table, keys, len(table) + len(odd) + len(cut), exclusions, tuple(notes))


class _Gatherer:
    """Collects the chosen columns of the rows; cells are turned into numbers a chunk at a time to bound the memory."""

    def __init__(self, layout: Layout, picks: Sequence[Pick]) -> None:
        self._decimal = layout.decimal
        self._picks = picks
        self._places = [pick.place for pick in picks]
        self._chunk: list[list[str]] = []
        self._ends = ["", ""]
        self._lines = array("q")
        self._keys = array("q")
        self._parts: list[list[np.ndarray]] = [[] for _ in picks]
        self._labels: list[dict[str, int]] = [{} for _ in picks]

    def add(self, number: int, line: str, cells: list[str]) -> None:
        """Add the row of a line."""
        if len(self._chunk) == _CHUNK:
            self._convert()
        self._ends = [self._ends[1], cells[-1]]
        self._chunk.append([cells[place] for place in self._places])
        self._lines.append(number)
        self._keys.append(hash(line.strip()))

    def drop_if_cut(self, number: int) -> bool:
        """Drop the row of the given line if its last cell is no number where that of the row before is one."""
        before, last = (is_number(cell, self._decimal) for cell in self._ends)
        if last or not before or self._lines[-1] != number:
            return False
        for column in (self._chunk, self._lines, self._keys):
            column.pop()
        return True

    def finish(self) -> tuple[pd.DataFrame, pd.Series]:
        """Return the table in SI and a key for each row, both indexed by line."""
        self._convert()
        index = pd.Index(np.asarray(self._lines), name="line")
        columns = {}
        for pick, parts, labels in zip(self._picks, self._parts, self._labels, strict=True):
            values = np.concatenate(parts)
            if pick.is_text:
                values = _label_values(list(labels), self._decimal)[values]
            elif pick.unit:
                values = pick.unit.to_si(values)
            columns[pick.column] = values
        return pd.DataFrame(columns, index=index), pd.Series(np.asarray(self._keys), index=index)

    def _convert(self) -> None:
        for n, pick in enumerate(self._picks):
            cells = [row[n] for row in self._chunk]
            if pick.is_text:
                labels = self._labels[n]
                codes = [labels.setdefault(cell.strip(), len(labels)) for cell in cells]
                self._parts[n].append(np.array(codes, dtype=np.int64))
            else:
                self._parts[n].append(to_numbers(cells, self._decimal))
        self._chunk = []


def to_numbers(cells: Sequence[str], decimal: str) -> np.ndarray:
    """Convert cells to float, NaN where a cell is no number.

    >>> to_numbers(["1,5", "-2e-3", "", "x", "1.234,5", "inf"], ",")
    array([ 1.5  , -0.002,    nan,    nan,    nan,    inf])
    """
    plain = "".join(cells)
    if decimal == "." and plain.isascii() and "_" not in plain:
        try:
            return np.fromiter(map(float, cells), float, len(cells))
        except ValueError:
            pass
    return np.array([_to_number(cell.strip(), decimal) for cell in cells], dtype=float)


def _to_number(cell: str, decimal: str) -> float:
    if is_number(cell, decimal):
        return float(cell.replace(",", "."))
    return float(cell) if cell.lower() in ("inf", "+inf", "-inf") else float("nan")


def _label_values(labels: Sequence[str], decimal: str) -> np.ndarray:
    """Return labels as whole numbers where all are such, else as they stand; NaN or None where there is none."""
    missing = [label.lower() in NO_VALUE for label in labels]
    numbers = to_numbers(labels, decimal)
    whole = (np.abs(numbers) < 2**53) & (np.trunc(numbers) == numbers)
    if all(missing) or not all(whole | missing) or any(map(_LEADING_ZERO.match, labels)):
        return np.array([None if none else label for label, none in zip(labels, missing, strict=True)], dtype=object)
    return np.where(missing, np.nan, numbers) if any(missing) else numbers.astype(np.int64)
