"""Variation profiles as HDF5 files: written whole or not at all, checked on reading."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import BadInput, unknown_name
from nvmphys.files import replacing
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.history import SCORE_GRID, History
from nvmphys.population.law import Extra
from nvmphys.profile.profile import Tables, VariationProfile
from nvmphys.records import Basis

SCHEMA = 1
MAX_NODES = 1000
"""Most time nodes of a history: its correlation is a full matrix."""
MAX_VALUES = 50_000_000
"""Largest dataset that is read; a larger one is refused before memory is asked for it."""

_AXES = ("target_S", "time_s", "temperature_K", "probability", "level_S")
_TABLES = {
    "programmed_S": ("target", "probability"),
    "change": ("temperature", "level", "time", "probability"),
    "quantiles_S": ("temperature", "target", "time", "probability"),
    "mean_S": ("temperature", "target", "time"),
    "sigma_S": ("temperature", "target", "time"),
    "correlation": ("temperature", "target", "time", "time"),
}
_PLACES = {
    "programmed_S": "/programmed/quantiles_S",
    "change": "/change/quantiles",
    "quantiles_S": "/conductance/quantiles_S",
    "mean_S": "/conductance/mean_S",
    "sigma_S": "/conductance/sigma_S",
    "correlation": "/correlation",
}
_TEXTS = ("basis", "validity", "array", "provenance")


def save_profile(profile: VariationProfile, path: str | os.PathLike[str]) -> None:
    """Write a profile; an interrupted write leaves the old file whole."""
    with replacing(path) as part, h5py.File(part, "w") as file:
        file.attrs["schema"] = SCHEMA
        file.attrs["name"] = profile.name
        file.attrs["technology"] = profile.technology
        file.attrs["coordinate"] = profile.coordinate.kind
        file.attrs["floor_S"] = profile.coordinate.floor_S
        file.attrs["level_is_programmed"] = profile.level_is_programmed
        file.attrs["programming_correlation"] = profile.programming_correlation
        file.attrs["extrapolates"] = profile.extrapolates
        file.attrs["sigma_ref"] = "absolute"
        for name in _AXES:
            file[f"/axes/{name}"] = getattr(profile.tables, name)
        for name, place in _PLACES.items():
            file[place] = getattr(profile.tables, name)
        history = profile.history
        for name in ("times_s", "step_quantiles", "correlation", "path_quantiles"):
            file[f"/history/{name}"] = getattr(history, name)
        file["/history"].attrs["dof"] = history.dof
        if profile.read_noise_S is not None:
            file["/read_noise/sigma_S"] = profile.read_noise_S
        if profile.sigma_range_S is not None:
            file["/confidence/sigma_range_S"] = profile.sigma_range_S
        for name, value in profile.drift.items():
            file[f"/drift/{name}"] = value
        for name, extra in profile.extras.items():
            group = file.create_group(f"/faults/{name}")
            group["quantiles_S"] = extra.quantiles_S
            group.attrs.update(
                weight=extra.weight, interval=extra.interval, basis=str(extra.basis), note=extra.note, stays=extra.stays
            )
        for name in _TEXTS:
            file.attrs[name] = json.dumps(getattr(profile, name), default=_plain)
        file.attrs["assumptions"] = json.dumps(profile.assumptions)
        file.attrs["unknown"] = json.dumps(profile.unknown)


def load_profile(path: str | os.PathLike[str]) -> VariationProfile:
    """Read and check a profile.

    Raises
    ------
    BadInput
        Not a file, not HDF5, another schema, or a rule broken (a shape, an order, a value): the message names it.
    """
    if not Path(path).is_file():
        raise BadInput(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            return _read(file, path)
    except BadInput:
        raise
    except KeyError as error:
        raise BadInput(f"{path}: {error.args[0]}: not a whole variation profile") from None
    except (OSError, RuntimeError, ValueError, TypeError, OverflowError) as error:  # as h5py meets a damaged file
        raise BadInput(f"{path}: not a readable HDF5 file ({error})") from None


def _read(file: h5py.File, path: Any) -> VariationProfile:
    """Read an open file."""
    schema = _number(file, "schema", path)
    if schema != SCHEMA:
        raise BadInput(f"{path}: schema must be {SCHEMA} (got {schema:g}): written by another version of nvmphys")
    arrays = {name: _dataset(file, f"/axes/{name}", path) for name in _AXES}
    arrays |= {name: _dataset(file, place, path) for name, place in _PLACES.items()}
    tables = Tables(**arrays)
    check_tables(tables, path)
    target, time = tables.target_S, tables.time_s
    history = History(
        times_s=_dataset(file, "/history/times_s", path),
        step_quantiles=_dataset(file, "/history/step_quantiles", path),
        correlation=_dataset(file, "/history/correlation", path),
        dof=_number(file["/history"], "dof", path),
        path_quantiles=_dataset(file, "/history/path_quantiles", path),
    )
    _check_history(history, path)
    extras = {name: _extra(file, f"/faults/{name}", path) for name in _members(file, "/faults", path)}
    drift = {name: _dataset(file, f"/drift/{name}", path) for name in _members(file, "/drift", path)}
    correlation = _number(file, "programming_correlation", path)
    if not -1 <= correlation <= 1:
        raise BadInput(f"{path}: programming_correlation must lie within -1 … 1 (got {correlation:g})")
    return VariationProfile(
        name=_text(file, "name", path),
        technology=_text(file, "technology", path),
        tables=tables,
        coordinate=_coordinate(file, path),
        level_is_programmed=bool(_number(file, "level_is_programmed", path)),
        history=history,
        extras=extras,
        programming_correlation=correlation,
        extrapolates=bool(file.attrs.get("extrapolates", True)),
        read_noise_S=_optional(file, "/read_noise/sigma_S", (target.size, time.size), path),
        sigma_range_S=_optional(file, "/confidence/sigma_range_S", (2, target.size, time.size), path),
        drift={name: float(value) if value.ndim == 0 else value for name, value in drift.items()},
        assumptions=tuple(_json(file, "assumptions", list, path)),
        unknown=tuple(_json(file, "unknown", list, path)),
        **{name: _json(file, name, dict, path) for name in _TEXTS},
    )


def _number(item: h5py.Group, name: str, path: Any) -> float:
    """Read an attribute that is one number, infinite perhaps but not NaN."""
    value = np.asarray(item.attrs[name])
    if value.ndim != 0 or value.dtype.kind not in "fiub" or np.isnan(value):
        raise BadInput(f"{path}: attribute {name} of {item.name} must be a number")
    return float(value)


def _text(item: h5py.Group, name: str, path: Any) -> str:
    """Read an attribute that is one text."""
    value = item.attrs[name]
    if not isinstance(value, str) or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise BadInput(f"{path}: attribute {name} of {item.name} must be a text")
    return value


def _json(file: h5py.File, name: str, kind: type, path: Any) -> Any:
    """Read an attribute that is JSON of the given kind."""
    try:
        value = json.loads(file.attrs[name])
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"{path}: attribute {name} of / must be JSON ({error})") from None
    if not isinstance(value, kind):
        raise BadInput(f"{path}: attribute {name} of / must be a JSON {'object' if kind is dict else 'list'}")
    return value


def _coordinate(file: h5py.File, path: Any) -> Coordinate:
    """Read the coordinate of the changes."""
    floor = _number(file, "floor_S", path)
    if not 0 <= floor < np.inf:
        raise BadInput(f"{path}: floor_S must be a finite conductance >= 0 S (got {floor:g} S)")
    try:
        return Coordinate(_text(file, "coordinate", path)[:80], floor)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None


def _optional(file: h5py.File, place: str, shape: tuple[int, ...], path: Any) -> NDArray[np.float64] | None:
    """Read a dataset that need not be there, of the shape it must have: not negative, NaN where nothing is known."""
    if not _is_here(file, place, path):
        return None
    table = _dataset(file, place, path)
    if table.shape != shape:
        raise BadInput(f"{path}: {place} must have shape {shape} (got {table.shape})")
    if np.any(np.isinf(table)) or np.any(table < 0):
        raise BadInput(f"{path}: {place} must hold finite numbers >= 0, or NaN where nothing is known")
    return table


def _is_here(file: h5py.File, place: str, path: Any) -> bool:
    """Tell whether a place is in this file, on a way without links to elsewhere."""
    way = ""
    for part in place.strip("/").split("/"):
        way += f"/{part}"
        item = file.get(way, getlink=True)
        if item is None:
            return False
        if not isinstance(item, h5py.HardLink):
            raise BadInput(f"{path}: {way} is a link to elsewhere: refused")
    return True


def _members(file: h5py.File, place: str, path: Any) -> list[str]:
    """Return what a group holds that need not be there."""
    if not _is_here(file, place, path):
        return []
    group = file[place]
    if not isinstance(group, h5py.Group):
        raise BadInput(f"{path}: {place} must be a group")
    return list(group)


def _dataset(file: h5py.File, place: str, path: Any) -> NDArray[np.float64]:
    """Read one numeric dataset of this file, of bounded size."""
    if not _is_here(file, place, path):
        raise BadInput(f"{path}: {place} is missing: not a whole variation profile")
    data = file[place]
    if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "fiu" or data.shape is None:
        raise BadInput(f"{path}: {place} must be a table of numbers")
    if data.external or data.is_virtual:
        raise BadInput(f"{path}: {place} holds the values of another file: refused")
    if data.size > MAX_VALUES:
        raise BadInput(f"{path}: {place} holds {data.size:g} values, more than {MAX_VALUES:g}: refused")
    return np.asarray(data[()], dtype=float)


def _extra(file: h5py.File, place: str, path: Any) -> Extra:
    """Read one population that does not follow the target."""
    quantiles = _dataset(file, f"{place}/quantiles_S", path)
    group = file[place]
    weight = _number(group, "weight", path)
    if not 0 <= weight <= 1:
        raise BadInput(f"{path}: {place}: weight must lie within 0 … 1 (got {weight:g})")
    interval = np.asarray(group.attrs["interval"])
    if interval.shape != (2,) or interval.dtype.kind not in "fiu" or not 0 <= interval[0] <= interval[1] <= 1:
        raise BadInput(f"{path}: {place}: interval must be two shares within 0 … 1, the lower first")
    if quantiles.ndim != 1 or (weight > 0 and not quantiles.size) or not _is_increasing(quantiles, 0):
        raise BadInput(f"{path}: {place}: quantiles_S must be a list of conductances in S that do not decrease")
    basis = _text(group, "basis", path)
    if basis not in list(Basis):
        raise unknown_name(f"basis in {path}: {place}:", basis[:80], Basis)
    return Extra(weight, (float(interval[0]), float(interval[1])), quantiles, Basis(basis), _text(group, "note", path),
                 bool(group.attrs.get("stays", False)))  # fmt: skip


def _is_increasing(values: NDArray[np.float64], lowest: float = -np.inf) -> bool:
    """Tell whether values are finite, no less than the lowest, and do not decrease along the last axis."""
    return bool(np.all(np.isfinite(values)) and np.all(values >= lowest) and np.all(np.diff(values, axis=-1) >= 0))


def check_tables(tables: Tables, where: Any) -> None:
    """Check axes, shapes and order of a profile's tables; the first rule broken is named.

    Raises
    ------
    BadInput
        Naming the table and the rule.
    """
    sizes = {name.rsplit("_", 1)[0]: getattr(tables, name).size for name in _AXES}
    for name in _AXES:
        axis = getattr(tables, name)
        if axis.ndim != 1 or axis.size == 0 or not np.all(np.isfinite(axis)) or np.any(np.diff(axis) <= 0):
            raise BadInput(f"{where}: axis {name} must be finite, increasing and not empty")
    if tables.probability[0] <= 0 or tables.probability[-1] >= 1:
        raise BadInput(f"{where}: axis probability must lie inside 0 … 1")
    for name, axes in _TABLES.items():
        table = getattr(tables, name)
        expected = tuple(sizes[axis] for axis in axes)
        if table.shape != expected:
            raise BadInput(f"{where}: {name} must have shape {expected} {axes} (got {table.shape})")
        if not np.all(np.isfinite(table)):
            raise BadInput(f"{where}: {name} must hold finite numbers only")
        if axes[-1] == "probability" and np.any(np.diff(table, axis=-1) < 0):
            raise BadInput(f"{where}: {name}: quantiles must not decrease along probability")
    if np.any(tables.sigma_S < 0):
        raise BadInput(f"{where}: sigma_S must be >= 0")


def _check_history(history: History, where: Any) -> None:
    """Check a history's shapes and its correlation matrix."""
    n = history.times_s.size
    if history.times_s.ndim != 1 or not 0 < n <= MAX_NODES or not np.all(np.isfinite(history.times_s)):
        raise BadInput(f"{where}: /history/times_s must be 1 to {MAX_NODES} finite times")
    if np.any(np.diff(history.times_s) <= 0):
        raise BadInput(f"{where}: /history/times_s must increase")
    if history.step_quantiles.shape != (n, SCORE_GRID.size) or history.path_quantiles.shape != (n, SCORE_GRID.size):
        raise BadInput(f"{where}: /history tables must have shape ({n}, {SCORE_GRID.size})")
    if not _is_increasing(history.step_quantiles) or not _is_increasing(history.path_quantiles):
        raise BadInput(f"{where}: /history quantiles must be finite and not decrease")
    c = history.correlation
    whole = c.shape == (n, n) and bool(np.all(np.abs(c) <= 1 + 1e-9)) and np.allclose(c, c.T)
    if not whole or np.linalg.eigvalsh(c).min() <= 0:
        raise BadInput(f"{where}: /history/correlation must be a positive definite {n}×{n} matrix")
    if not history.dof > 0:
        raise BadInput(f"{where}: /history dof must be > 0 (got {history.dof:g})")


def _plain(value: Any) -> Any:
    """Turn NumPy values into JSON ones."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON")
