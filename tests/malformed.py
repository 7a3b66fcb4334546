"""Malformed measurement files: valid ones of every reader, and named damages that are composed at random.

All of it follows from a seed: `malformed("summary", random.Random(7))` is the same file on every machine.
"""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Callable, Iterator, Mapping

Damage = Callable[[bytes, random.Random], bytes]

RECORDS = "".join(
    f"SetupTitle, cell {number}\nPrimitiveTest, I/V Sweep\n"
    "TestParameter, Channel.VName, VTE, VBE\nTestParameter, Channel.IName, ITE, IBE\n"
    "TestParameter, Channel.Func, VAR1, CONST\n"
    f"MetaData, TestRecord.RecordTime, 01/02/2024 03:04:0{number}\n"
    "Dimension1, 8, 8\nDimension2, 1, 1\nDataName, VTE, ITE\n"
    + "".join(f"DataValue, {n / 10:g}, {number * n}E-06\n" for n in range(1, 9))
    for number in (1, 2)
)
STATISTICS = "level,time_s,count,q_0.1,q_0.9,mean_S,sigma_S\n" + "".join(
    f"{n},{n % 3},{9 + n},{n + 0.8}e-6,{n + 1.2}e-6,{n + 1}e-6,1e-7\n" for n in range(8)
)
CELLS = "device,time_s,R (kOhm)\n" + "".join(f"d{n // 3},{n % 3},{n + 10.5}\n" for n in range(12))

SEEDS: Mapping[str, tuple[bytes, ...]] = {
    "delimited": (
        CELLS.encode(),
        ("# note\nV (V);I (µA)\n" + "".join(f"{n / 10:.1f};-{n},5\n".replace(".", ",") for n in range(9))).encode(),
        ("Setup\tprobe 3\naddr\tR [kOhm]\tcycle\n" + "".join(f'"{n}"\t{n + 9}\t{n}\n' for n in range(8))).encode(),
        "device  time [s]  G [µS]\n".encode("cp1252") + b"".join(b"%d  %d  4.%d\n" % (n, n, n) for n in range(9)),
        CELLS.replace("\n", "\r\n").encode("utf-16"),
        gzip.compress(CELLS.encode(), mtime=0),
    ),
    "easyexpert": (
        RECORDS.encode(),
        ("\ufeff" + RECORDS.replace("\n", "\r\n")).encode(),
        RECORDS.replace("VTE", "Vg").replace("ITE", "Id").replace(", ", ",").encode(),
    ),
    "summary": (
        STATISTICS.encode(),
        "Level;t (min);N;mean (µS);std (nS)\nlow;1,5;12;2,5;500\nhigh;1,5;9;7,5;600\nhigh;3;9;7,25;650\n".encode(),
        b"level,time_s,n,mean_S,std_S,note,q_0.5\n0,0,9,1e-6,1e-7,a,\n1,0,9,2e-6,1e-7,,2e-6\n2,0,1,3e-6,,1,3e-6\n",
    ),
}
"""Files that each reader can use; the first of each is the one with definite outcomes of every damage."""

ODD_CELLS = (
    *(b"", b" ", b"-", b"x", b"NaN", b"-nan", b"inf", b"-Infinity", b"1e999", b"-1e999", b"1e-400", b"1e300"),
    *(b"1,5", b"1.5.2", b"1_000", b"0x1F", b"1e", b"--1", b"+-1", b"1/0", b"TRUE", b"OVERFLOW", b"#N/A", b"=1+1"),
    *(b'"', b'"1', b"'", b"\xb5", b"\xff\xfe", b"\x00", b"\xe2\x88\x9e", b"\xd9\xa3", b"\\", b"%", b"# 1", b"1 2"),
    *(b"9" * 400, b"y" * 5000),
)
_SEPARATORS = (b",", b";", b"\t", b" ", b"|")


def _lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def _a_row(lines: list[bytes], chance: random.Random) -> int:
    """Return the place of a row of values; of a line that ends in a number, or any, where no such row is found."""
    rows = [n for n, line in enumerate(lines) if line.startswith(b"DataValue")]
    rows = rows or [n for n, line in enumerate(lines) if re.search(rb"[,;\t ]\s*[-+\d][^,;\t ]*\s*$", line)]
    return chance.choice(rows or [0])


def last_cell(new: bytes) -> Damage:
    """Return the damage that puts `new` in place of the last cell of a row."""

    def damage(content: bytes, chance: random.Random) -> bytes:
        if not (lines := _lines(content)):
            return new
        place = _a_row(lines, chance)
        row = lines[place].rstrip(b"\r\n")
        start = max(map(row.rfind, _SEPARATORS)) + 1
        lines[place] = row[:start] + new + lines[place][len(row) :]
        return b"".join(lines)

    return damage


def odd_cell(content: bytes, chance: random.Random) -> bytes:
    """Put something odd in place of any cell."""
    cells = re.split(rb"([,;\t\r\n]+)", content)
    cells[chance.randrange(0, len(cells), 2)] = chance.choice(ODD_CELLS)
    return b"".join(cells)


def cut(content: bytes, chance: random.Random) -> bytes:
    """Cut the file in the middle of a row, after the separator of its last cell."""
    lines = _lines(content)
    place = _a_row(lines, chance) if lines else 0
    row = lines[place].rstrip(b"\r\n") if lines else b""
    return b"".join(lines[:place]) + row[: max(map(row.rfind, _SEPARATORS)) + 1]


def cut_anywhere(content: bytes, chance: random.Random) -> bytes:
    """Cut the file after any byte."""
    return content[: chance.randrange(len(content) + 1)]


def missing_column(content: bytes, chance: random.Random) -> bytes:
    """Take the last cell from every line that has more than one."""
    return re.sub(rb"(?m)[,;\t][^,;\t\r\n]*(?=\r?$)", b"", content)


def unknown_unit(content: bytes, chance: random.Random) -> bytes:
    """Give the quantities of the header units that are none."""
    return re.sub(rb"(R|V|mean|ITE)(?: \([^)]*\)|_S)?(?=[;\r\n]|,sigma)", rb"\1 (parsec)", content)


def mixed_separators(content: bytes, chance: random.Random) -> bytes:
    """Write half of the lines with another separator."""
    other = chance.choice((b";", b"\t", b"|"))
    return b"".join(line.replace(b",", other) if n % 2 else line for n, line in enumerate(_lines(content)))


def decimal_comma(content: bytes, chance: random.Random) -> bytes:
    """Write a decimal comma for every decimal point between digits."""
    return re.sub(rb"(?<=\d)\.(?=\d)", b",", content)


def duplicate(content: bytes, chance: random.Random) -> bytes:
    """Repeat a row, or the whole record that it stands in."""
    lines = _lines(content) or [b""]
    place = _a_row(lines, chance)
    starts = [n for n, line in enumerate(lines) if line.lstrip(b"\xef\xbb\xbf").startswith(b"SetupTitle")]
    first = max((n for n in starts if n <= place), default=place)
    stop = min((n for n in starts if n > place), default=len(lines)) if starts else place + 1
    return b"".join((*lines[:stop], *lines[first:stop], *lines[stop:]))


def wrong_encoding(content: bytes, chance: random.Random) -> bytes:
    """Write the text in an encoding that no byte order mark announces."""
    encoding = chance.choice(("utf-16-le", "utf-16-be", "utf-32", "cp037"))
    return content.decode("latin-1").encode(encoding)


def binary(content: bytes, chance: random.Random) -> bytes:
    """Put random bytes in place of the file."""
    magic = (b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"%PDF-1.7", b"\x1f\x8b\x08", b"\x93NUMPY")
    return chance.choice(magic) + b"\x00" + chance.randbytes(chance.randrange(1, 3000))


def bad_bytes(content: bytes, chance: random.Random) -> bytes:
    """Replace, insert or delete a few bytes."""
    damaged = bytearray(content or b"?")
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(damaged) + 1)
        damaged[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    return bytes(damaged)


def lines_astray(content: bytes, chance: random.Random) -> bytes:
    """Delete, repeat or swap lines, or put a strange one among them."""
    lines = _lines(content) or [b""]
    for _ in range(chance.randrange(1, 4)):
        a, b = chance.randrange(len(lines)), chance.randrange(len(lines))
        strange = chance.choice(
            (b"\n", b",,,\n", b"dear all,\n", b"# 1,2\n", b"DataName, A\n", b"SetupTitle\n", b'"\n')
        )
        new = chance.choice(([], [lines[a]] * 2, [lines[b]], [strange], [lines[a].strip()]))
        lines[a : a + 1] = new
        lines = lines or [b""]
    return b"".join(lines)


def line_ends(content: bytes, chance: random.Random) -> bytes:
    """Write other line ends, all the same or mixed."""
    ends = chance.choice(([b"\r"], [b"\r\n"], [b"\n\n"], [b"\r\r\n"], [b"\n", b"\r", b"\r\n", b"\x0b", b"\x85", b" "]))
    return b"".join(line.rstrip(b"\r\n") + chance.choice(ends) for line in _lines(content))


def packed(content: bytes, chance: random.Random) -> bytes:
    """Compress the file; now and then the copy is cut or a byte of it changed."""
    whole = gzip.compress(content, mtime=0)
    return chance.choice((whole, cut_anywhere(whole, chance), whole[:-4], bad_bytes(whole, chance)))


def too_wide(content: bytes, chance: random.Random) -> bytes:
    """Repeat the last cell of a line until it has more than ten thousand."""
    lines = _lines(content) or [b"1"]
    place = chance.randrange(len(lines))
    cells = re.split(rb"[,;\t]", lines[place].rstrip(b"\r\n"))
    lines[place] = b",".join([*cells, *[cells[-1][:200]] * chance.randrange(9_990, 10_020)]) + b"\n"
    return b"".join(lines)


DAMAGES: Mapping[str, Damage] = {
    "empty": lambda content, chance: b"",
    "cut in the middle of a row": cut,
    "NaN": last_cell(b"NaN"),
    "infinity": last_cell(b"inf"),
    "negative": last_cell(b"-2e-6"),
    "missing column": missing_column,
    "unknown unit": unknown_unit,
    "mixed separators": mixed_separators,
    "decimal comma": decimal_comma,
    "duplicate records": duplicate,
    "wrong encoding": wrong_encoding,
    "binary": binary,
    "too many columns": too_wide,
    "odd cell": odd_cell,
    "cut anywhere": cut_anywhere,
    "bad bytes": bad_bytes,
    "lines astray": lines_astray,
    "line ends": line_ends,
    "packed": packed,
}
_WEIGHTS = {"empty": 0.02, "too many columns": 0.03, "binary": 0.1, "odd cell": 4.0, "lines astray": 2.0}


def malformed(reader: str, chance: random.Random) -> bytes:
    """Return a malformed file of a reader's format, now and then of another's: one to four damages to a valid file."""
    format_ = reader if chance.random() < 0.9 else chance.choice(sorted(SEEDS))
    content = chance.choice(SEEDS[format_])
    weights = [_WEIGHTS.get(name, 1.0) for name in DAMAGES]
    for name in chance.choices(list(DAMAGES), weights, k=chance.randrange(1, 5)):
        content = DAMAGES[name](content, chance)
    return content


def ten_million_columns() -> Iterator[tuple[str, bytes]]:
    """Yield files of 20 to 60 MB whose longest line has ten million columns, or is one cell, each with its name."""
    n = 10_000_000
    numbers = b",".join(b"%d" % k for k in range(3_000_000))
    export = b"SetupTitle, wide\nPrimitiveTest, I/V Sweep\nDimension1, 2\nDataName, VTE, ITE\nDataValue, 0, 0\n"
    yield "numbers", b"1," * n
    yield "long numbers", b"1.25," * n
    yield "names", b"time_s," * (n // 2) + b"\n" + b"1," * n
    yield "distinct numbers and a quote", numbers + b',"a"\n'
    yield "a row under a header", CELLS.encode() + b"1," * n + b"\n"
    yield "a row far below", CELLS.encode() + b"d9,0,5\n" * 2000 + b'"d9",' + numbers + b"\nd9,1,5\n"
    yield "blanks", CELLS.encode() + b" " * 6 * n + b"1\n"
    yield "one cell", b"experiment,voltage_V,current_A\n" + b"s" * 3 * n + b",1,2\n"
    yield "one cell too long", b"7" * 6 * n
    yield "letters of four bytes", ("1," * n + "\N{MATHEMATICAL BOLD CAPITAL R}").encode("utf-16")
    yield "a packed row", gzip.compress(b"device,time_s,R (ohm)\n" + b"1," * n, 1, mtime=0)
    yield "DataName", b"SetupTitle, wide\nDimension1, 2\nDataName" + b", V" * n + b"\nDataValue, 1\n"
    yield "DataValue", export + b"DataValue" + b", 1" * n + b"\n"
    yield "Dimension1", export.replace(b"Dimension1", b"Dimension1" + b", 2" * n)
    yield "Channel.VName", export.replace(b"Dimension1", b"TestParameter, Channel.VName" + b", V" * n + b"\nDimension1")
    yield "statistics", STATISTICS.encode() + b"1," * n + b"\n"
