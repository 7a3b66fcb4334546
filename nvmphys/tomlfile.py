"""TOML files at the edge: read, checked key by key, written."""

from __future__ import annotations

import os
import re
import reprlib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tomlkit
from pydantic import BaseModel, ValidationError

from nvmphys.errors import BadInput, unknown_name

Model = TypeVar("Model", bound=BaseModel)

MAX_DEPTH = 32
"""Deepest nesting of tables and arrays that is read."""
_DEEP_KEY = re.compile(rb"(?:\.[ \t]*[\w\"'-]+[ \t]*){%d}" % MAX_DEPTH)


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    BadInput
        "cannot be read", "is not valid TOML" with the line and column, or "is nested more than 32 levels deep".
    """
    too_deep = BadInput(f"{path}: is nested more than {MAX_DEPTH} levels deep: nothing that nvmphys reads is")
    try:
        text = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if _DEEP_KEY.search(text):  # tomllib would take hours over a key of a million dots
        raise too_deep
    try:
        content = tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise BadInput(f"{path}: is not valid TOML: {error}") from error
    level: list[Any] = [content]
    for _ in range(MAX_DEPTH):
        level = [entry for item in level for entry in _entries(item) if isinstance(entry, dict | list)]
    if level:
        raise too_deep
    return content


def _entries(item: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return item.values() if isinstance(item, dict) else item


def shown(value: object) -> str:
    """Write a value that was given as a message shows it, in at most 80 characters.

    >>> shown(-1.5), shown("x"), len(shown([0.1] * 10**6))
    ("'-1.5'", "'x'", 37)
    """
    try:
        words = reprlib.repr(value) if isinstance(value, dict | list) else str(value)
    except ValueError:  # an integer of thousands of digits
        words = "a number too long to be written"
    return repr(words[:80])


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
        raise unknown_name(f"key in {where}", key[:80], model.model_fields)
    reason = fault.get("ctx", {}).get("error", fault["msg"])
    if isinstance(reason, BadInput):
        raise reason
    value = f" (got {shown(fault['input'])})" if key and fault["type"] != "missing" else ""
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
