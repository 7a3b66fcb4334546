"""The JSON file that stands beside the tables of an export."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nvmphys.errors import BadInput
from nvmphys.files import write_text


def save_index(path: Path, content: Mapping[str, Any]) -> None:
    """Write it; what JSON has no word for, as a path or a date, as text."""
    write_text(path, json.dumps(content, indent=2, default=str))


def load_index(path: Path, what: str) -> dict[str, Any]:
    """Read it.

    Raises
    ------
    BadInput
        `what`, with the reason: the file is absent or no JSON.

    >>> load_index(Path("nowhere/index.json"), "nowhere: not a SPICE export")
    Traceback (most recent call last):
    nvmphys.errors.BadInput: nowhere: not a SPICE export ([Errno 2] No such file or directory: 'nowhere/index.json')
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content
    except (OSError, ValueError) as error:
        raise BadInput(f"{what} ({error})") from None
