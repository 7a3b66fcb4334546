"""TOML files at the edge: read, checked key by key, written."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import tomlkit
from pydantic import BaseModel, ValidationError

from nvmphys.errors import BadInput, unknown_name

Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    BadInput
        "cannot be read", or "is not valid TOML" with the line and column.
    """
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{path}: is not valid TOML: {error}") from error


def checked(model: type[Model], data: object, where: str) -> Model:
    """Check data against a flat pydantic model; `where` names the data in the message.

    Raises
    ------
    BadInput
        "unknown key in …" with close matches, else the key, the rule and the value of the first fault.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = error.errors()
    fault = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
    key = str(fault["loc"][0]) if fault["loc"] else ""
    if fault["type"] == "extra_forbidden":
        raise unknown_name(f"key in {where}", key, model.model_fields)
    reason = fault.get("ctx", {}).get("error", fault["msg"])
    if isinstance(reason, BadInput):
        raise reason
    value = "" if fault["type"] == "missing" else f" (got {str(fault['input'])[:80]!r})"
    raise BadInput(f"{where}: {key + ': ' if key else ''}{reason}{value}")


def to_toml(table: Mapping[str, Any]) -> str:
    """Write nested mappings of plain values and arrays as TOML, in the order given; None is left out."""
    return tomlkit.dumps(_item(table))


def _item(value: Any) -> Any:
    """Turn a value into a TOML item; a list of lists gets a line for each inner list."""
    if isinstance(value, Mapping):
        table = tomlkit.table()
        for key, entry in value.items():
            if entry is not None:
                table.add(str(key), _item(entry))
        return table
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        array = tomlkit.array()
        array.extend(_item(entry) for entry in value)
        return array.multiline(any(isinstance(entry, list | tuple) for entry in value))
    return tomlkit.item(str(value) if isinstance(value, str) else value)
