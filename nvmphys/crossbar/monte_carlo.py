"""Monte Carlo of a crossbar that can be interrupted and taken up again from what is on disk.

The folder holds `study.json`, which says what is drawn, and shards of `SHARD` draws, `draws_<first>.npy`, each written
whole or not at all. A draw follows from the seed and its number, so any number of workers and any pauses give the same
bytes. More draws can be asked for later: those on disk stand.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.crossbar.draws import DrawnArrays
from nvmphys.crossbar.ngspice import Progress
from nvmphys.errors import BadInput, CheckFailed
from nvmphys.files import replacing, write_text

Array = NDArray[np.float64]

SHARD = 20
"""Draws of one file: what an interruption costs at most."""
STUDY = "study.json"
QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True, eq=False)
class MonteCarlo:
    """Output currents of all draws.

    Attributes
    ----------
    current_A : ndarray (draw, bit_line)
    error : ndarray (draw, bit_line)
        (Current − ideal)/full scale [1].
    computed : int
        Draws that this run solved; the others were on disk.
    """

    current_A: Array
    error: Array
    computed: int

    def statistics(self) -> pd.DataFrame:
        """Return mean, its standard error, σ and quantiles of each column's error [1 of full scale]."""
        error = self.error
        sigma = error.std(axis=0, ddof=1) if len(error) > 1 else np.full(error.shape[1], np.nan)
        table = {"bit_line": np.arange(error.shape[1]), "mean_A": self.current_A.mean(axis=0)}
        table |= {"error_mean": error.mean(axis=0), "error_mean_se": sigma / np.sqrt(len(error)), "error_sigma": sigma}
        return pd.DataFrame(table | {f"error_q{q:g}": np.quantile(error, q, axis=0) for q in QUANTILES})


def monte_carlo(
    arrays: DrawnArrays,
    draws: int,
    folder: str | os.PathLike[str],
    *,
    about: Mapping[str, Any],
    method: str = "auto",
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> MonteCarlo:
    """Solve draws 0 … draws − 1 of an array, those that are not in the folder yet.

    Parameters
    ----------
    arrays : DrawnArrays
    draws : int
    folder : path
        Of this study alone; made if it is not there.
    about : mapping
        What names the cells: JSON values, such as the hash of a profile and the time since programming. It enters the
        study's hash with targets, resistances, voltages, non-linearity, seed and method.
    method : str, optional
        Of `Crossbar.solve`.
    executor : concurrent.futures.Executor, optional
        Workers; without it the draws are solved here.
    progress : callable, optional
        Told after each shard: what, draws done, draws in all.

    Returns
    -------
    MonteCarlo

    Raises
    ------
    BadInput
        "draws must be …"; "… holds another study …": its hash differs; "… is damaged …": a shard that is no shard.
    CheckFailed
        Of the solver, for a draw without an operating point.

    Examples
    --------
    >>> import tempfile
    >>> import nvmphys as nv
    >>> from nvmphys.crossbar.draws import CellsOfLaw
    >>> cells = CellsOfLaw(nv.law_of(nv.load_card("pcm_90nm")), 3600.0)
    >>> arrays = DrawnArrays(nv.Crossbar(np.full((4, 3), 1e-5), 2, 2), np.full(4, 0.2), cells, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = monte_carlo(arrays, 30, folder, about={"card": "pcm_90nm", "time_s": 3600.0})
    ...     again = monte_carlo(arrays, 50, folder, about={"card": "pcm_90nm", "time_s": 3600.0})
    >>> first.computed, again.computed, bool(np.array_equal(first.current_A, again.current_A[:30]))
    (40, 20, True)
    """
    if draws < 1:
        raise BadInput(f"draws must be >= 1 (got {draws})")
    folder = Path(folder)
    _claim(folder, arrays, about, method)
    shape = (SHARD, arrays.targets.shape[1])
    paths = {first: folder / f"draws_{first:06d}.npy" for first in range(0, draws, SHARD)}
    missing = [first for first, path in paths.items() if not path.exists()]
    done = (len(paths) - len(missing)) * SHARD

    def tell() -> None:
        if progress is not None:
            progress("draws", min(done, draws), draws)

    tell()
    for _ in _solved(arrays, missing, paths, method, executor):
        done += SHARD
        tell()
    current_A = np.concatenate([_shard(path, shape) for path in paths.values()])[:draws]
    return MonteCarlo(current_A, arrays.as_error(current_A), len(missing) * SHARD)


def study_hash(arrays: DrawnArrays, about: Mapping[str, Any], method: str) -> str:
    """Return the SHA-256 of all that a draw follows from, besides its number."""
    parts: dict[str, Any] = {"about": about, "seed": arrays.seed, "method": method, "shard": SHARD}
    circuit, reads = arrays.targets, arrays.reads
    numbers = [circuit.conductance_S, circuit.word_branches_ohm, circuit.bit_branches_ohm, np.asarray(arrays.v)]
    if reads is not None:
        numbers += [np.array([reads.read_V]), reads.level_S, reads.sinh_per_V]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, allow_nan=False).encode())
    for array in numbers:
        digest.update(repr(array.shape).encode() + np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.hexdigest()


def _claim(folder: Path, arrays: DrawnArrays, about: Mapping[str, Any], method: str) -> None:
    """Say in the folder what is studied there, or refuse one that holds something else."""
    key = study_hash(arrays, about, method)
    path = folder / STUDY
    if path.exists():
        try:
            there = json.loads(path.read_text(encoding="utf-8"))["hash"]
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{path} is damaged ({error}): take another folder, or delete this one") from None
        if there != key:
            raise BadInput(
                f"{folder} holds another study (its hash is {str(there)[:12]}…, this one's {key[:12]}…): targets, "
                "resistances, voltages, cells, seed and method must be the same; take another folder"
            )
        return
    if any(folder.glob("draws_*.npy")):
        raise BadInput(f"{folder} holds draws without {STUDY}: nothing tells what they are; take another folder")
    record = {"hash": key, "about": dict(about), "seed": arrays.seed, "method": method, "size": arrays.targets.shape}
    write_text(path, json.dumps(record, indent=2, sort_keys=True) + "\n")


def _solved(
    arrays: DrawnArrays, missing: list[int], paths: Mapping[int, Path], method: str, executor: Executor | None
) -> Iterator[int]:
    """Write the missing shards; yield their first draw after each. On an interruption those that wait are dropped."""
    if executor is None:
        for first in missing:
            _solve_shard(arrays, first, paths[first], method)
            yield first
        return
    waiting = {executor.submit(_solve_shard, arrays, first, paths[first], method): first for first in missing}
    try:
        for future in as_completed(waiting):
            future.result()
            yield waiting[future]
    finally:
        for future in waiting:
            future.cancel()


def _solve_shard(arrays: DrawnArrays, first: int, path: Path, method: str) -> None:
    """Solve the draws of one shard and write them, whole or not at all."""
    try:
        current_A = arrays.current(range(first, first + SHARD), method)
    except CheckFailed as error:
        raise CheckFailed(f"draws {first} … {first + SHARD - 1}: {error}") from None
    with replacing(path) as part, open(part, "wb") as file:
        np.save(file, current_A.astype("<f8"), allow_pickle=False)


def _shard(path: Path, shape: tuple[int, int]) -> Array:
    """Read a shard, and refuse what is none."""
    try:
        found = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise BadInput(f"{path} is damaged ({error}): delete it, and its draws are solved again") from None
    if found.shape != shape or found.dtype != np.dtype("<f8") or not np.isfinite(found).all():
        raise BadInput(f"{path} is damaged (shape {found.shape} of {shape}): delete it, and its draws are solved again")
    return np.asarray(found, dtype=float)
