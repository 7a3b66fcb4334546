"""The shape of a text table, found from its first lines: separator, decimal sign, header, where the rows begin."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nvmphys.errors import BadInput
from nvmphys.measurement import text
from nvmphys.measurement.columns import ColumnMap
from nvmphys.measurement.units import UNITS, find_unit, may_name

MAX_COLUMNS = 10_000
_HEAD_LINES = 1000
_HEAD_CHARACTERS = 2**20
_HEAD_COMMENTS = 100
_NAME_CHARACTERS = 200
_COMMENT = "#%"
_NUMBERS = {
    ".": re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII),
    ",": re.compile(r"[+-]?(\d+(,\d+)?|,\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII),
}
NO_VALUE = frozenset({"", "-", "--", "nan", "-nan", "na", "n/a", "#n/a", "null", "none", "inf", "-inf", "+inf"})
_SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "bar", " ": "blanks"}

Row = list[str]
NumberedLines = Sequence[tuple[int, str]]


@dataclass(frozen=True)
class Layout:
    """How a file writes its table; `separator` " " is any run of blanks, `width` the number of cells in a row."""

    separator: str
    decimal: str
    width: int
    first_row: int
    header: tuple[str, ...] | None
    header_line: int | None
    preview: str
    encoding: str

    @property
    def sentence(self) -> str:
        """Say the layout in words.

        >>> Layout(";", ",", 2, 2, ("t [s]", "R [ohm]"), 1, "0;1,5", "utf-8").sentence
        'delimited text (utf-8): 2 columns, separator semicolon, decimal comma, header in line 1, rows from line 2'
        """
        header = "no header" if self.header_line is None else f"header in line {self.header_line}"
        return (
            f"delimited text ({self.encoding}): {self.width} column{'s' * (self.width != 1)}, "
            f"separator {_SEPARATORS.get(self.separator, repr(self.separator))}, "
            f"decimal {'comma' if self.decimal == ',' else 'point'}, {header}, rows from line {self.first_row}"
        )


def splitter(separator: str) -> Callable[[str], Row]:
    r"""Return the function that splits a line into cells; a quoted cell may hold the separator, not a line end.

    >>> splitter(",")('a,"b, c"'), splitter(" ")("  1   2 ")
    (['a', 'b, c'], ['1', '2'])
    """
    if separator == " ":
        return lambda line: line.split(None, MAX_COLUMNS)

    def split(line: str) -> Row:
        if '"' in line and line.count(separator) <= MAX_COLUMNS:  # csv would hold every cell of a longer one
            try:
                return next(csv.reader([line], delimiter=separator, skipinitialspace=True))
            except (csv.Error, StopIteration):
                pass
        return line.split(separator, MAX_COLUMNS)

    return split


def split_names(line: str, separator: str, width: int) -> Row:
    """Split a line of names; where blanks separate, a unit in brackets joins its name, and two blanks may be needed.

    >>> split_names("Cell ID   time [s]   G (uS)", " ", 3)
    ['Cell ID', 'time [s]', 'G (uS)']
    """
    if separator != " ":
        return splitter(separator)(line)
    ways = (re.split(gap, line.strip(), maxsplit=MAX_COLUMNS) for gap in (r"\s+", r"\s+(?![\[(])", r"\s{2,}"))
    return next((names for names in ways if len(names) == width), [])


def is_blank(line: str) -> bool:
    """Tell whether a line is empty or a comment (# or %)."""
    return line.lstrip()[:1] in _COMMENT  # "" is in any string


def is_number(cell: str, decimal: str) -> bool:
    """Tell whether a cell is a finite number in the file's way of writing.

    >>> is_number("1,5e-3", ","), is_number("1,5e-3", "."), is_number("nan", ".")
    (True, False, False)
    """
    return _NUMBERS[decimal].fullmatch(cell.strip()) is not None


def _is_value(cell: str, decimal: str) -> bool:
    return cell.strip().lower() in NO_VALUE or is_number(cell, decimal)


def head(path: str | os.PathLike[str]) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Return the first lines of a file with their numbers, without line ends; and the comments above and among them."""
    content: list[tuple[int, str]] = []
    comments: deque[tuple[int, str]] = deque(maxlen=_HEAD_COMMENTS)
    characters = 0
    for number, line in text.lines(path):
        if not is_blank(line):
            content.append((number, line.rstrip("\n")))
            characters += len(line)
        elif line.strip():
            comments.append((number, line))
        if len(content) == _HEAD_LINES or (characters > _HEAD_CHARACTERS and len(content) > 1):
            break
    return content, list(comments)


def find_layout(path: str | os.PathLike[str], wanted: ColumnMap) -> Layout:
    """Find the layout of a delimited file; what the map says stands.

    Raises
    ------
    BadInput
        What `text.lines` raises; "has no rows of numbers"; "more than 10,000 columns"; a header that the map asks for
        and that is not there.
    """
    content, comments = head(path)
    separator = wanted.separator or find_separator([line for _, line in content])
    split = splitter(separator)
    numbers = [number for number, _ in content]
    rows = [split(line) for _, line in content]
    for number, row in zip(numbers, rows, strict=True):
        if len(row) > MAX_COLUMNS:
            raise BadInput(
                f"{path}: line {number} has more than {MAX_COLUMNS:,} columns: one observation a row is read; "
                "turn the table into long form (a row per device and time), for example with pandas.melt"
            )
    decimal = wanted.decimal or _find_decimal(separator, rows)
    width = _find_width(rows, decimal)
    numeric = _numeric_columns([row for row in rows if _fits(row, width)], width, decimal)
    data = [n for n, row in enumerate(rows) if _is_data(row, width, numeric, decimal)]
    if not data:
        seen = f"{len(rows)} lines of text" if len(rows) < _HEAD_LINES else f"first {len(rows):,} lines"
        raise BadInput(f"{path}: has no rows of numbers ({seen}): check the export")
    first = data[0]
    titles = [split_names(line, separator, width) for _, line in content[:first]]
    header = None if wanted.header is False else _find_header(titles, width, numeric, decimal)
    if header:
        at, names, n_lines = header
        header_line, first = numbers[at], at + n_lines
    elif wanted.header is False:
        first = next(n for n, row in enumerate(rows) if _fits(row, width))
        header_line, names = None, None
    else:
        above = [(number, line) for number, line in comments if number < numbers[first]]
        header_line, names = _commented_header(above, separator, width)
    if wanted.header and names is None:
        raise BadInput(
            f"{path}: the column map says header = true, but no line before line {numbers[first]} has {width} names: "
            "write header = false and give column numbers"
        )
    encoding, preview = text.encoding(text.first_bytes(path)), text.short(content[first][1])
    return Layout(separator, decimal, width, numbers[first], names, header_line, preview, encoding)


def _fits(row: Row, width: int) -> bool:
    return len(row) == width or (len(row) == width + 1 and not row[-1].strip())


def find_separator(content: Sequence[str]) -> str:
    """Find the separator that cuts most lines into equally many cells, most of them numbers.

    >>> find_separator(["t;G", "0;1,5", "1;1,7"]), find_separator(["0 1,5", "1 1,7"]), find_separator(["7", "8"])
    (';', ' ', ',')
    """
    best, best_score = ",", 0.0
    for separator in _SEPARATORS:
        split = splitter(separator)
        rows = [split(line) for line in content]
        decimals = "." if separator == "," else ".,"
        score = max(_score(rows, decimal) for decimal in decimals)
        if score > best_score:
            best, best_score = separator, score
    return best


def _score(rows: Sequence[Row], decimal: str) -> float:
    width = _find_width(rows, decimal)
    fitting = [row for row in rows if _fits(row, width) and any(is_number(cell, decimal) for cell in row)]
    if width < 2 or not fitting:
        return 0.0
    values = sum(_is_value(cell, decimal) for row in fitting for cell in row)
    return len(fitting) / len(rows) * values / sum(map(len, fitting))


def _find_width(rows: Sequence[Row], decimal: str) -> int:
    with_numbers = [row for row in rows if any(is_number(cell, decimal) for cell in row)]
    widths = Counter(map(len, with_numbers or rows))
    if not widths:
        return 0
    width = widths.most_common(1)[0][0]
    trailing = width > 1 and all(not row[-1].strip() for row in rows if len(row) == width)
    return width - 1 if trailing else width


def _find_decimal(separator: str, rows: Sequence[Row]) -> str:
    if separator == ",":
        return "."
    counts = {sign: sum(sign in cell and is_number(cell, sign) for row in rows for cell in row) for sign in ".,"}
    return "," if counts[","] > 0 and counts["."] == 0 else "."


def _numeric_columns(rows: Sequence[Row], width: int, decimal: str) -> list[int]:
    rows = rows[len(rows) // 2 :]
    found = []
    for place in range(width):
        numbers = sum(is_number(row[place], decimal) for row in rows)
        values = sum(_is_value(row[place], decimal) for row in rows)
        if numbers and values > len(rows) / 2:
            found.append(place)
    return found


def _is_data(row: Row, width: int, numeric: Sequence[int], decimal: str) -> bool:
    if not _fits(row, width):
        return False
    values = [place for place in numeric if _is_value(row[place], decimal)]
    return len(values) >= len(numeric) / 2 and any(row[place].strip() for place in values)


def _find_header(
    before: Sequence[Row], width: int, numeric: Sequence[int], decimal: str
) -> tuple[int, tuple[str, ...], int] | None:
    """Find the header among the lines before the rows: its place, its names and the lines it takes (2 with units).

    Of the lines with text above numbers, the one that names most quantities; of equals, the last.
    """

    def is_title(row: Row) -> bool:
        return _fits(row, width) and any(row[place].strip() and not _is_value(row[place], decimal) for place in numeric)

    titles = [n for n, row in enumerate(before) if is_title(row)]
    if not titles:
        return None
    chosen = max(titles, key=lambda n: (_n_named(_names(before[n], width)), n))
    names = _names(before[chosen], width)
    if chosen + 1 in titles and _is_unit_line(units := _names(before[chosen + 1], width)):
        names = [f"{name} [{unit.strip('[]()')}]" if unit else name for name, unit in zip(names, units, strict=True)]
        return chosen, tuple(names), 2
    return chosen, tuple(names), 1


def _names(row: Row, width: int) -> Row:
    return [cell.strip()[:_NAME_CHARACTERS] for cell in row[:width]]


def _n_named(names: Row) -> int:
    return sum(bool(may_name(name)) for name in names)


def _is_unit_line(cells: Row) -> bool:
    known = [bool(cell) and any(find_unit(dimension, cell.strip("[]()")) for dimension in UNITS) for cell in cells]
    return any(known) and all(good or cell.strip("[]()-") == "" for good, cell in zip(known, cells, strict=True))


def _commented_header(comments: NumberedLines, separator: str, width: int) -> tuple[int | None, tuple[str, ...] | None]:
    for number, line in reversed(comments):
        for sign in dict.fromkeys((separator, *_SEPARATORS)):
            names = _names(split_names(line.strip().lstrip(_COMMENT).strip(), sign, width), width + 1)
            if len(names) == width and _n_named(names):
                return number, tuple(names)
    return None, None
