"""The files of an export: written beside an older one and put in its place, and the JSON beside their tables."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nvmphys.errors import BadInput
from nvmphys.files import write_text

REPORT = "loss_report.json"
"""What each export has; it names the export's files."""
CHECKED = "conformance.json"
"""What a check of an export adds to it."""


def replace_export(folder: Path, consumer: str, write: Callable[[Path], None]) -> None:
    """Put what `write` leaves in a folder in the place of an older export to the same consumer.

    Files that the older export names and the new one does not have are removed, and what was found in checking it;
    all others in the folder stay. The report comes last: until then the folder is known as the older export's.

    Parameters
    ----------
    folder : path
        Made when absent.
    consumer : str
    write : callable
        Writes all files of the export, `REPORT` among them, into the empty folder it is given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    old = files_of(folder, consumer)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export_") as made:
        write(Path(made))
        new = sorted(path.name for path in Path(made).iterdir() if path.name != REPORT)
        for name in new:
            os.replace(Path(made) / name, folder / name)
        for name in {*old, CHECKED} - set(new):
            (folder / name).unlink(missing_ok=True)
        os.replace(Path(made) / REPORT, folder / REPORT)


def files_of(folder: Path, consumer: str) -> list[str]:
    """Return the files that an export to a consumer names as its own; none where there is no such export.

    >>> files_of(Path("nowhere"), "csv")
    []
    """
    try:
        content = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        mine = content["files"] if content["consumer"] == consumer else []
    except (OSError, ValueError, KeyError, TypeError):
        return []
    names = [name for name in mine if isinstance(name, str)] if isinstance(mine, list) else []
    return [name for name in names if Path(name).name == name and (folder / name).is_file()]


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
