"""Where a file comes from: its hash, and the `source.toml` beside it; the sources shipped with the package."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from nvmphys.errors import BadInput, unknown_name
from nvmphys.files import sha256, shipped
from nvmphys.records import Source
from nvmphys.tomlfile import checked, read_toml

DATA = "data.csv"
DESCRIPTION = "source.toml"


class SourceFile(BaseModel):
    """The keys of a `source.toml`; `sha256` is that of the `data.csv` beside it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    title: str
    kind: Literal["measured", "published_fit", "published_table", "summary"]
    citation: str = ""
    doi: str = Field(default="", pattern=r"^(10\..+/.+)?$")
    locator: str = ""
    licence: str = ""
    n_devices: int | None = Field(default=None, ge=1)
    conditions: str = ""
    computed_by: str = ""
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")


def read_source(path: str | os.PathLike[str]) -> Source:
    """Read and check a `source.toml`.

    Raises
    ------
    BadInput
        For a file that is no TOML, an unknown or missing key, or a value against its rule.
    """
    return Source(**checked(SourceFile, read_toml(path), str(path)).model_dump())


def source_of(path: str | os.PathLike[str]) -> Source:
    """Say where a data file comes from: from the `source.toml` beside it, else from its name; always with its hash.

    Raises
    ------
    BadInput
        As `read_source`; "is not the file that source.toml describes" when the hash of a `data.csv` differs.
    """
    path = Path(path)
    actual = sha256(path)
    description = path.parent / DESCRIPTION
    if not description.is_file():
        stem = re.sub(r"(\.(csv|tsv|txt|dat|gz))+$", "", path.name, flags=re.IGNORECASE)
        return Source(re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).strip("_.-") or "file", path.name, sha256=actual)
    source = read_source(description)
    if path.name == DATA and source.sha256 and source.sha256 != actual:
        raise BadInput(
            f"{path}: is not the file that {DESCRIPTION} describes: its sha256 is {actual}, {DESCRIPTION} says "
            f"{source.sha256}: restore the file, or compute it and the description again"
        )
    return Source(**{**vars(source), "sha256": actual})


def source_folders() -> dict[str, Path]:
    """Return the folders of the shipped sources by id; a folder carries the name of its source.

    Raises
    ------
    BadInput
        "is called x, its folder y", or as `read_source`.
    """
    found = {}
    for description in sorted(shipped("characterization_data").glob(f"*/{DESCRIPTION}")):
        name = read_source(description).id
        if name != description.parent.name:
            raise BadInput(f"{description}: the source is called {name!r}, its folder {description.parent.name!r}")
        found[name] = description.parent
    return found


def list_sources() -> tuple[Source, ...]:
    """Return the sources shipped with the package, by id."""
    return tuple(read_source(folder / DESCRIPTION) for folder in source_folders().values())


def shipped_data(name: str) -> Path:
    """Return the data file of a shipped source.

    Raises
    ------
    BadInput
        "unknown source" with close matches; "has no sha256", as shipped data must be checkable.
    """
    folders = source_folders()
    if name not in folders:
        raise unknown_name("source", name, folders)
    if not read_source(folders[name] / DESCRIPTION).sha256:
        raise BadInput(f"{folders[name] / DESCRIPTION}: has no sha256 of {DATA}: shipped data must be checkable")
    return folders[name] / DATA
