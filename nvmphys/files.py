"""Files at the edges: whole-or-nothing writing, hashes, and the data shipped with the package."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE_DIR = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """Return the folder of shipped data (`characterization_data` or `models`), in a wheel or a checkout."""
    inside = PACKAGE_DIR / "_shipped" / folder
    return inside if inside.is_dir() else PACKAGE_DIR.parent / folder


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it over `path` only when the block ends without an error.

    An interrupted or failed block leaves the old file whole and no temporary file behind.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write a text, whole or not at all (see `replacing`), and return its path."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
    return Path(path)
