"""Lines of a measurement file: plain or gzip, UTF-8, UTF-16 or cp1252; numbered as an editor numbers them."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from nvmphys.errors import BadInput

MAX_LINE = 2**25
"""Longest line that is held in memory, in characters."""
SHOWN = 80
"""Characters of a cell or a line that messages and sentences show."""
_START_BYTES = 2**16
_SIGNATURES = {
    b"\x89HDF": "an HDF5 file",
    b"PK\x03\x04": "a zip archive or an .xlsx workbook",
    b"\xd0\xcf\x11\xe0": "an .xls workbook",
    b"%PDF": "a PDF",
    b"\x93NUMPY": "a NumPy array",
    b"\x89PNG": "a PNG picture",
}
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a"))


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    try:
        with open(path, "rb") as raw:
            compressed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            yield cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if compressed else raw
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        way_out = "copy it again; `gzip -t` tests it"
        raise BadInput(f"{path}: the compressed file is cut or damaged ({error}): {way_out}") from error
    except (OSError, UnicodeError) as error:
        raise BadInput(f"{path}: cannot be read ({error}): check the file and its permissions") from error


def first_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the first 64 KiB of a file, uncompressed.

    Raises
    ------
    BadInput
        "is a folder", "no such file", "is not a regular file", "the file is empty", "cannot be read" or
        "the compressed file is cut or damaged".
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise BadInput(f"{path}: is a folder: give one file")
        if not path.exists():
            raise BadInput(f"{path}: no such file")
        if not path.is_file():
            raise BadInput(f"{path}: is not a regular file: give a file of measurements")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error}): check the file and its permissions") from error
    with _unpacked(path) as file:
        start = file.read(_START_BYTES)
    if not start:
        raise BadInput(f"{path}: the file is empty: check the export or the copy")
    return start


def binary_kind(start: bytes) -> str:
    r"""Say what a file is by its first bytes if it is not text; "" for text.

    >>> binary_kind(b"time_s,conductance_uS")
    ''
    >>> binary_kind(b"PK\x03\x04\x14")
    'a zip archive or an .xlsx workbook'
    """
    for signature, kind in _SIGNATURES.items():
        if start.startswith(signature):
            return kind
    if start.startswith(tuple(_BYTE_ORDER_MARKS)):
        return ""
    n_control = len(start) - len(start.translate(None, delete=_CONTROL))
    return "a binary file" if b"\0" in start or n_control > 0.02 * len(start) else ""


def short(words: str) -> str:
    """Cut words from a file to what a message can show.

    >>> short("G (uS)"), len(short("1," * 10**6))
    ('G (uS)', 81)
    """
    return words if len(words) <= SHOWN else words[:SHOWN] + "…"


def encoding(start: bytes) -> str:
    """Name the encoding of a text by its first bytes: by its byte order mark, else UTF-8 if it decodes, else cp1252.

    >>> encoding("G (µS)".encode()), encoding("G (µS)".encode("cp1252"))
    ('utf-8', 'cp1252')
    """
    for mark, name in _BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    r"""Yield (number, line) of a text file, numbers from 1; a line ends in "\n", save perhaps the last.

    Bytes outside the encoding become U+FFFD, so that the value they stand in is unreadable rather than wrong.

    Raises
    ------
    BadInput
        As `first_bytes`; "is a binary file, not text"; "line 3 is longer than 33,554,432 characters".
    """
    path = Path(path)
    start = first_bytes(path)
    if kind := binary_kind(start):
        raise BadInput(f"{path}: is {kind}, not text: export the measurement as CSV")
    number = 0
    with _unpacked(path) as file, io.TextIOWrapper(file, encoding(start), errors="replace") as text:
        while line := text.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE and not line.endswith("\n"):
                raise BadInput(f"{path}: line {number} is longer than {MAX_LINE:,} characters: not a table of rows")
            yield number, line
