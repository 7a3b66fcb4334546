"""Measurement files in: a reader is one module of this folder with `FORMAT`, `sniff(path)`, `read(path, columns)`."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Protocol, cast

import pandas as pd

from nvmphys.discovery import modules_with
from nvmphys.errors import BadInput, NvmphysError
from nvmphys.measurement import text
from nvmphys.measurement.columns import Columns
from nvmphys.measurement.source import list_sources, shipped_data, source_of
from nvmphys.records import Measurement

__all__ = ["Reader", "list_sources", "load_source", "load_table", "read", "readers"]


class Reader(Protocol):
    """What a module of this folder offers to be a reader."""

    FORMAT: str

    def sniff(self, path: str | os.PathLike[str]) -> float:
        """Return how sure the reader is that the file is its own, from 0 to 1."""

    def read(self, path: str | os.PathLike[str], columns: Columns = None) -> list[Measurement]:
        """Read the file."""


@functools.cache
def readers() -> Mapping[str, Reader]:
    """Return the readers found in this folder by the name of their format.

    >>> sorted(readers())
    ['delimited', 'easyexpert', 'summary']
    """
    return {name: cast(Reader, module) for name, module in modules_with(__name__, "FORMAT").items()}


def read(path: str | os.PathLike[str], columns: Columns = None) -> list[Measurement]:
    r"""Read a measurement file with the reader that is surest of it.

    Parameters
    ----------
    path : path
        A file in any of the formats that `readers` lists.
    columns : mapping or path, optional
        A column map, or the path of one in TOML, for files whose header does not say enough.

    Returns
    -------
    list of Measurement
        One for each experiment in the file, tidy and in SI units; what was understood and left out is in each.

    Raises
    ------
    BadInput
        For a file that cannot be read, with the file, line, column, rule and value, and what to do.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "cells.csv")
    ...     _ = path.write_text("device,t (min),R (kohm)\n7,0,20\n7,1,25\n8,0,-3\n")
    ...     (cells,) = read(path)
    >>> cells.experiment, cells.table["time_s"].tolist(), cells.table["conductance_S"].tolist()
    ('retention', [0.0, 60.0], [5e-05, 4e-05])
    >>> cells.exclusions
    (Exclusion(rule='resistance_ohm <= 0', count=1, where='line 4'),)
    """
    start = text.first_bytes(path)
    sure = {name: _confidence(reader, path) for name, reader in readers().items()}
    best = max(sure, key=lambda name: sure[name])
    if sure[best] <= 0:
        kind = text.binary_kind(start) or "of no known format"
        raise BadInput(f"{path}: is {kind}; readers: {', '.join(sure)}: export the measurement as CSV")
    return readers()[best].read(path, columns)


def _confidence(reader: Reader, path: str | os.PathLike[str]) -> float:
    try:
        return reader.sniff(path)
    except NvmphysError:
        return 0.0


def load_source(name: str) -> list[Measurement]:
    """Read the data of a source shipped with the package, after checking its hash.

    Raises
    ------
    BadInput
        "unknown source" with close matches; "is not the file that source.toml describes"; "is a published law", of
        which there is no measurement.
    """
    path = shipped_data(name)
    source = source_of(path)
    if source.kind.startswith("published"):
        what = "a published law" if source.kind == "published_fit" else "a published table"
        raise BadInput(f"source {name} is {what}, not a measurement: load_table gives its figures, and cards use them")
    if _confidence(readers()["summary"], path) == 0:
        raise BadInput(
            f"source {name} is a table of statistics that no fit reads: load_table gives it, its source.toml says what "
            "the columns are"
        )
    return read(path)


def load_table(name: str) -> pd.DataFrame:
    """Return the figures of a shipped source as they stand in its `data.csv`, after checking its hash.

    Raises
    ------
    BadInput
        "unknown source" with close matches; "is not the file that source.toml describes".

    Examples
    --------
    >>> float(load_table("rram_milo_2021")["value"][1])
    4.782321e-06
    """
    path = shipped_data(name)
    source_of(path)
    return pd.read_csv(path)
