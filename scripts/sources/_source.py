"""What the scripts of this folder share: where measured data lies, and data.csv and source.toml as they are shipped."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nvmphys.errors import NvmphysError
from nvmphys.files import replacing, sha256
from nvmphys.tomlfile import to_toml

SHIPPED = Path(__file__).resolve().parents[2] / "characterization_data"


@dataclass(frozen=True)
class Summary:
    """Statistics computed from a set: the table, how many devices are behind it, and under which conditions."""

    table: pd.DataFrame
    n_devices: int
    conditions: str


@dataclass(frozen=True)
class Source:
    """A source and how it is computed.

    Attributes
    ----------
    id, title, citation, locator : str
        As in source.toml; the id is also the name of the script.
    copyright : str
        The holder that the set's MIT licence names.
    files : tuple of str
        The raw files, below the folder of measured data.
    compute : callable
        Takes the paths of the raw files, returns their `Summary`.
    digits : int
        Significant digits of the numbers in data.csv.
    """

    id: str
    title: str
    citation: str
    locator: str
    copyright: str
    files: tuple[str, ...]
    compute: Callable[..., Summary]
    digits: int = 6

    def raw(self, measured: Path) -> list[Path]:
        """Return the paths of the raw files below the folder of measured data."""
        return [measured / name for name in self.files]

    def write(self, measured: Path, folder: Path) -> Summary:
        """Compute the statistics; write data.csv and source.toml into a folder."""
        raw = self.raw(measured)
        summary = self.compute(*raw)
        with replacing(folder / "data.csv") as part:
            summary.table.to_csv(part, index=False, float_format=f"%.{self.digits}g", lineterminator="\n")
        hashes = " and ".join(sha256(path) for path in raw)
        description = {
            "id": self.id,
            "title": self.title,
            "citation": self.citation,
            "locator": self.locator,
            "kind": "summary",
            "licence": f"MIT, {self.copyright}",
            "n_devices": summary.n_devices,
            "conditions": summary.conditions,
            "computed_by": f"scripts/sources/{self.id}.py from the file{'s' * (len(raw) > 1)} with sha256 {hashes}",
            "sha256": sha256(folder / "data.csv"),
        }
        with replacing(folder / "source.toml") as part:
            part.write_text(to_toml(description), encoding="utf-8")
        return summary


def main(source: Source) -> int:
    """Compute, write, say what was done; return the exit code: 2 where the raw files are not found."""
    measured = Path(os.environ.get("NVMPHYS_DATA", ""))
    missing = [name for name, path in zip(source.files, source.raw(measured), strict=True) if not path.is_file()]
    if missing:
        print(f"set NVMPHYS_DATA to the folder that holds {' and '.join(missing)}", file=sys.stderr)
        return 2
    try:
        summary = source.write(measured, SHIPPED / source.id)
    except NvmphysError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"{summary.n_devices} devices, {len(summary.table)} rows -> {source.id}/data.csv")
    return 0
