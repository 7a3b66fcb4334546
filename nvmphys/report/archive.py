"""Records as HDF5 files: arrays as datasets named by their fields, everything else as one JSON text; no pickle."""

from __future__ import annotations

import json
import os
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import h5py
import numpy as np
import pandas as pd

from nvmphys.errors import BadInput
from nvmphys.files import replacing

SCHEMA = 1
MAX_VALUES = 50_000_000
"""Largest array that is read; a larger one is refused before memory is asked for it."""

_TEXT = "record.json"

Record = TypeVar("Record")


def write_record(record: Any, path: str | os.PathLike[str], *, omit: tuple[str, ...] = ()) -> None:
    """Write a dataclass of arrays, texts, numbers and such dataclasses, without the fields to omit; whole or not at all.

    The array of field `a` of field `b` becomes the dataset `/b/a`, readable with any HDF5 tool.
    """
    with replacing(path) as part, h5py.File(part, "w") as file:
        plain = {
            field.name: _store(getattr(record, field.name), f"/{field.name}", file)
            for field in fields(record)
            if field.name not in omit
        }
        file.attrs["schema"] = SCHEMA
        file[_TEXT] = json.dumps(plain, default=_number)


def read_record(kind: type[Record], path: str | os.PathLike[str], **given: Any) -> Record:
    """Read what :func:`write_record` wrote; `given` are the fields that were omitted.

    Raises
    ------
    BadInput
        No such file, not HDF5, another schema, or a field that is missing or not of its kind.
    """
    try:
        with h5py.File(path, "r") as file:
            if file.attrs["schema"] != SCHEMA:
                raise BadInput(f"{path}: schema must be {SCHEMA} (got {file.attrs['schema']}): of another version")
            plain = json.loads(_dataset(file, _TEXT).asstr()[()])
            return _build(kind, plain, "", file, given)
    except BadInput:
        raise
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path}: not the whole results of a run ({error}): run the study again") from None


def _store(value: Any, place: str, file: h5py.File) -> Any:
    """Write the arrays of a value and return the rest as JSON values."""
    if isinstance(value, np.ndarray):
        packed = {"compression": "gzip", "shuffle": True} if value.size > 1000 else {}
        file.create_dataset(place, data=value, **packed)
        return None
    if is_dataclass(value):
        return {
            field.name: _store(getattr(value, field.name), f"{place}/{field.name}", file) for field in fields(value)
        }
    if isinstance(value, pd.DataFrame):
        return value.to_dict("list")
    if isinstance(value, Mapping):
        return {str(key): _store(item, f"{place}/{key}", file) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_store(item, f"{place}/{i}", file) for i, item in enumerate(value)]
    return value


def _number(value: Any) -> Any:
    """Turn NumPy numbers into JSON ones."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not JSON")


def _build(kind: Any, value: Any, place: str, file: h5py.File, given: Mapping[str, Any] | None = None) -> Any:
    """Build a value of the given type from JSON values and the arrays of the file."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _build(inner[0], value, place, file)
    if np.ndarray in (kind, origin):
        return _array(file, place)
    if kind is pd.DataFrame:
        return pd.DataFrame(value)
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        known = dict(given or {})
        parts = {
            field.name: _build(hints[field.name], value[field.name], f"{place}/{field.name}", file)
            for field in fields(kind)
            if field.name not in known
        }
        return typing.cast(Any, kind)(**parts, **known)
    if origin is tuple:
        return tuple(_build(inner[0], item, f"{place}/{i}", file) for i, item in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _build(inner[1], item, f"{place}/{key}", file) for key, item in value.items()}
    if kind is not Any and not isinstance(value, int | float if kind is float else kind):
        raise TypeError(f"{place} must be of type {kind.__name__}")
    return value


def _array(file: h5py.File, place: str) -> np.ndarray:
    """Read one array of bounded size."""
    data = _dataset(file, place)
    if data.dtype.kind not in "fiub" or data.size > MAX_VALUES:
        raise ValueError(f"{place} must hold numbers, at most {MAX_VALUES:g}")
    return np.asarray(data[()])


def _dataset(file: h5py.File, place: str) -> h5py.Dataset:
    """Find a dataset of this file itself; links to elsewhere are refused."""
    if not isinstance(file.get(place, getlink=True), h5py.HardLink) or not isinstance(file[place], h5py.Dataset):
        raise ValueError(f"{place} is missing")
    return file[place]
