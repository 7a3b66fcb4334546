"""Reading, writing and checking profiles: HDF5, or JSON beside npz, by the ending of the name."""

from __future__ import annotations

import os
from pathlib import Path

from nvmphys.errors import BadInput
from nvmphys.profile.format import Reader
from nvmphys.profile.hdf5 import read_hdf5, save_hdf5
from nvmphys.profile.json_npz import read_json, save_json
from nvmphys.profile.profile import VariationProfile


def save_profile(profile: VariationProfile, path: str | os.PathLike[str]) -> None:
    """Write a profile: `P.json` with `P.npz` beside it where the name ends in .json, HDF5 else.

    Both hold the same bit for bit. A write that is interrupted leaves the old files whole.
    """
    save = save_json if Path(path).suffix == ".json" else save_hdf5
    save(profile, path)


def load_profile(path: str | os.PathLike[str]) -> VariationProfile:
    """Read and check a profile, HDF5 or JSON.

    Raises
    ------
    BadInput
        Not a file, not of either kind, another schema, or a rule broken (a shape, an order, a value): the message
        names the first and says how many more there are.
    """
    reader = _read(path)
    if reader.found is None:
        first, *more = reader.faults
        raise BadInput(first + (f" (and {len(more)} more: nvmphys profile validate {path})" if more else ""))
    return reader.found


def violations(path: str | os.PathLike[str]) -> list[str]:
    """Return every rule that a profile breaks, a sentence each; none for a whole profile.

    Rules that hang on a table are not tried where the table itself cannot be read.
    """
    try:
        return _read(path).faults
    except BadInput as error:
        return [str(error)]


def _read(path: str | os.PathLike[str]) -> Reader:
    return read_json(path) if Path(path).suffix == ".json" else read_hdf5(path)
