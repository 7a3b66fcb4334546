"""Variation profiles as JSON beside npz: attributes as text, tables as arrays, bit for bit what HDF5 holds.

`P.json` has all attributes, and of each table shape, unit, basis and SHA-256; `P.npz` has the tables, each under its
place. The JSON names no file: its tables are those beside it. So that an interrupted write leaves the old pair whole,
the old tables stand as `P.previous.npz` until the new JSON is in place; whichever file has the SHA-256 that the JSON
names is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.files import replacing, sha256, write_text
from nvmphys.profile.format import Allowance, Content, Reader, content_of, described, too_deep
from nvmphys.profile.profile import VariationProfile

FORMAT = "nvmphys variation profile"
MAX_TEXT = 64 * 2**20
"""Largest JSON that is read [byte]."""
MAX_FILE = 2 * 2**30
"""Largest npz that is opened [byte]."""
_ODD_FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def save_json(profile: VariationProfile, path: str | os.PathLike[str]) -> None:
    """Write `P.json` and `P.npz`; a write that is interrupted at any moment leaves the old pair readable."""
    path = Path(path)
    content = content_of(profile)
    values, previous = path.with_suffix(".npz"), _previous(path)
    if path.is_file() and values.is_file() and _named_digest(path) == sha256(values):
        with replacing(previous) as part:
            part.unlink()
            os.link(values, part)
    with replacing(values) as part, open(part, "wb") as file:
        named: dict[str, Any] = {place[1:]: table for place, table in content.tables.items()}
        np.savez(file, **named)
    write_text(path, _text(content, sha256(values)))
    previous.unlink(missing_ok=True)


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.stem}.previous.npz")


def _named_digest(path: Path) -> str:
    """Return the SHA-256 of the tables that a JSON belongs to; empty where it is no profile."""
    try:
        return str(_parsed(path)["values_sha256"])
    except (BadInput, KeyError):
        return ""


def _text(content: Content, digest: str) -> str:
    tables = {
        place: {"shape": list(table.shape), **described(place, content), "sha256": _digest(table)}
        for place, table in content.tables.items()
    }
    whole = {
        "format": FORMAT, "schema": content.attributes["/"]["schema"], "values_sha256": digest,
        "attributes": content.attributes, "tables": tables,
    }  # fmt: skip
    return json.dumps(_strict(whole), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _digest(table: NDArray[np.float64]) -> str:
    return hashlib.sha256(np.ascontiguousarray(table, dtype="<f8").tobytes()).hexdigest()


def _strict(value: Any) -> Any:
    """Write floats that JSON has no word for as objects `{"float": "NaN"}`."""
    if isinstance(value, float) and not np.isfinite(value):
        return {"float": "NaN" if np.isnan(value) else ("Infinity" if value > 0 else "-Infinity")}
    if isinstance(value, dict):
        return {key: _strict(entry) for key, entry in value.items()}
    return [_strict(entry) for entry in value] if isinstance(value, list) else value


def _float_object(pairs: list[tuple[str, Any]]) -> Any:
    """Turn an object of JSON into a dict, or into the float that it stands for."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    odd = found.get("float")
    return _ODD_FLOATS[odd] if len(found) == 1 and isinstance(odd, str) and odd in _ODD_FLOATS else found


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _parsed(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file, checked to be an object that is not nested too deeply."""
    try:
        if path.stat().st_size > MAX_TEXT:
            raise BadInput(f"{path}: is larger than {MAX_TEXT:g} bytes: refused")
        text = path.read_bytes().decode()
        content = json.loads(text, object_pairs_hook=_float_object, parse_constant=_no_constant)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{path}: is not readable JSON ({error})") from None
    if not isinstance(content, dict) or too_deep(content):
        raise BadInput(f"{path}: must be a JSON object, nested no more than 32 levels deep")
    return content


def read_json(path: str | os.PathLike[str]) -> Reader:
    """Read a JSON file and the npz beside it; what is returned holds the profile, or the rules that the files break.

    Raises
    ------
    BadInput
        Not a file, not JSON, not a profile of this version, or tables that do not belong to it.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    content = _parsed(path)
    if content.get("format") != FORMAT:
        raise BadInput(f"{path}: format must be {FORMAT!r} (got {str(content.get('format'))[:80]!r})")
    attributes, tables = content.get("attributes"), content.get("tables")
    groups = isinstance(attributes, dict) and all(isinstance(entry, dict) for entry in attributes.values())
    if not groups or not isinstance(attributes, dict) or content.get("schema") != attributes.get("/", {}).get("schema"):
        raise BadInput(f"{path}: attributes must be an object of objects, whose schema is that of the file")
    listed = isinstance(tables, dict) and all(
        isinstance(entry, dict) and isinstance(entry.get("sha256"), str) for entry in tables.values()
    )
    if not listed or not isinstance(tables, dict):
        raise BadInput(f"{path}: tables must be an object with shape and sha256 of each table")
    values = _values(path, str(content.get("values_sha256")))
    try:
        with zipfile.ZipFile(values) as archive:
            return Reader(_JsonStore(path, attributes, tables, archive), path)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"{values}: not a readable npz file ({error})") from None


def _values(path: Path, digest: str) -> Path:
    """Return which npz has the digest that the JSON names."""
    beside = [path.with_suffix(".npz"), _previous(path)]
    there = [file for file in beside if file.is_file()]
    if not there:
        raise BadInput(f"{path}: its tables are missing: {beside[0].name} must stand beside it")
    for file in there:
        if file.stat().st_size > MAX_FILE:
            raise BadInput(f"{file}: is larger than {MAX_FILE:g} bytes: refused")
        if sha256(file) == digest:
            return file
    raise BadInput(
        f"{path}: {beside[0].name} does not have the values_sha256 of the JSON: cut, edited, or of another profile"
    )


class _JsonStore:
    """A parsed JSON and its open npz."""

    def __init__(
        self, path: Path, attributes: dict[str, dict[str, Any]], tables: dict[str, Any], archive: zipfile.ZipFile
    ) -> None:
        self.path, self.attributes, self.tables, self.archive = path, attributes, tables, archive
        self.allowance = Allowance(path)
        self.stored = {info.filename: info for info in archive.infolist()}

    def attribute(self, group: str, name: str) -> Any:
        """Return an attribute; None where it is absent."""
        return self.attributes.get(group, {}).get(name)

    def has(self, place: str) -> bool:
        """Tell whether there is such a table, or anything below such a group."""
        front = f"{place.rstrip('/')}/"
        return place in self.tables or any(name.startswith(front) for name in (*self.tables, *self.attributes))

    def members(self, group: str) -> list[str]:
        """Return the names directly within a group."""
        front = f"{group}/"
        inside = (name[len(front) :] for name in (*self.tables, *self.attributes) if name.startswith(front))
        return list(dict.fromkeys(name.split("/")[0] for name in inside))

    def table_attribute(self, place: str, name: str) -> Any:
        """Return what a table says of itself; None where it says nothing."""
        return self.tables.get(place, {}).get(name)

    def table(self, place: str) -> NDArray[np.float64]:
        """Return a table of the npz: little-endian float64, of the shape and the digest that the JSON names."""
        if place not in self.tables:
            raise BadInput(f"{self.path}: {place} must be a table of numbers")
        named, info = self.tables[place], self.stored.get(f"{place[1:]}.npy")
        if info is None:
            raise BadInput(f"{self.path}: {place} is missing in the npz")
        with self.archive.open(info) as file:
            table = self._array(file, place)
        if _digest(table) != named["sha256"]:
            raise BadInput(f"{self.path}: {place} must have the sha256 that the JSON names: edited")
        return table

    def _array(self, file: Any, place: str) -> NDArray[np.float64]:
        """Read one array, its header before its values."""
        try:
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                raise ValueError(f"version {version}")
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=4096)
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise BadInput(f"{self.path}: {place} has no readable header in the npz ({str(error)[:200]})") from None
        if dtype != np.dtype("<f8") or fortran:
            raise BadInput(f"{self.path}: {place} must be a table of little-endian float64 in C order (got {dtype})")
        count = 1
        for size in shape:
            count *= size
        self.allowance.take(place, count)
        if list(shape) != self.tables[place].get("shape"):
            raise BadInput(f"{self.path}: {place} must have the shape that the JSON names (got {shape})")
        content = file.read(8 * count + 1)
        if len(content) != 8 * count:
            raise BadInput(f"{self.path}: {place} must hold {count} values: cut, or followed by more")
        return np.frombuffer(content, dtype="<f8").reshape(shape).astype(np.float64)
