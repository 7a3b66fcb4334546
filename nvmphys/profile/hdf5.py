"""Variation profiles as HDF5 files: written whole or not at all, checked on reading."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.files import replacing
from nvmphys.profile.format import TEXTS, Allowance, Reader, content_of, described
from nvmphys.profile.profile import VariationProfile


def save_hdf5(profile: VariationProfile, path: str | os.PathLike[str]) -> None:
    """Write a profile; an interrupted write leaves the old file whole."""
    content = content_of(profile)
    with replacing(path) as part, h5py.File(part, "w") as file:
        for place, table in content.tables.items():
            file[place] = table
            file[place].attrs.update(described(place, content))
        for group, entries in content.attributes.items():
            for name, value in entries.items():
                text = group == "/" and name in TEXTS
                file.require_group(group).attrs[name] = json.dumps(value) if text else value


def read_hdf5(path: str | os.PathLike[str]) -> Reader:
    """Read an HDF5 file; what is returned holds the profile, or the rules that the file breaks.

    Raises
    ------
    BadInput
        Not a file, or not HDF5.
    """
    if not Path(path).is_file():
        raise BadInput(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            return Reader(_Hdf5Store(file, path), path)
    except BadInput:
        raise
    except (OSError, RuntimeError, ValueError, TypeError, OverflowError, KeyError) as error:  # a damaged file
        raise BadInput(f"{path}: not a readable HDF5 file ({error})") from None


class _Hdf5Store:
    """An open HDF5 file; nothing outside of it is ever followed."""

    def __init__(self, file: h5py.File, path: Any) -> None:
        self.file, self.path, self.allowance = file, path, Allowance(path)

    def attribute(self, group: str, name: str) -> Any:
        """Return an attribute as a Python value; None where it is absent."""
        if not self.has(group) or name not in self.file[group].attrs:
            return None
        value = self.file[group].attrs[name]
        if group == "/" and name in TEXTS:
            return self._parsed(name, value)
        if isinstance(value, bytes):  # text of fixed length, as other writers have it
            return value.decode(errors="replace")
        if isinstance(value, np.ndarray | np.generic):
            return value.tolist() if value.dtype.kind in "fiub" else None
        return value if isinstance(value, str) else None

    def _parsed(self, name: str, value: Any) -> Any:
        try:
            return json.loads(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise BadInput(f"{self.path}: attribute {name} of / must be JSON ({error})") from None

    def table(self, place: str) -> NDArray[np.float64]:
        """Return a numeric dataset of this file, of bounded size."""
        data = self.file[place]
        if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "fiu" or data.shape is None:
            raise BadInput(f"{self.path}: {place} must be a table of numbers")
        if data.external or data.is_virtual:
            raise BadInput(f"{self.path}: {place} holds the values of another file: refused")
        self.allowance.take(place, data.size)
        return np.asarray(data[()], dtype=float)

    def has(self, place: str) -> bool:
        """Tell whether a place is in this file, on a way without links to elsewhere."""
        way = ""
        for part in filter(None, place.split("/")):
            way += f"/{part}"
            item = self.file.get(way, getlink=True)
            if item is None:
                return False
            if not isinstance(item, h5py.HardLink):
                raise BadInput(f"{self.path}: {way} is a link to elsewhere: refused")
        return True

    def members(self, group: str) -> list[str]:
        """Return what a group holds; nothing where it is absent."""
        if not self.has(group):
            return []
        item = self.file[group]
        if not isinstance(item, h5py.Group):
            raise BadInput(f"{self.path}: {group} must be a group")
        return list(item)

    def table_attribute(self, place: str, name: str) -> Any:
        """Return what a dataset says of itself; None where it says nothing."""
        return self.attribute(place, name)
