"""Raw reads of many cells as one table of histories, and the summary statistics computed from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.measurement.summary import is_quantile
from nvmphys.records import Measurement

Array = NDArray[np.float64]

QUANTILE_PROBABILITIES = (
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5,
    0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.94, 0.96, 0.98, 0.99, 0.995, 0.9975, 0.999,
)  # fmt: skip
"""The 31 probabilities of a summary's quantiles."""

SAME_TIME = 0.12
"""Reads closer than this in log10(t) count as one nominal time [decade]."""
COMMON = 0.8
"""Share of the cells that a nominal time must have been read on to become a node of the law."""


@dataclass(frozen=True)
class Cells:
    """Histories of cells from their first read on.

    Attributes
    ----------
    device_id : ndarray (cell,)
    level : ndarray of int (cell,)
    edges_S : ndarray (level + 1,)
        Bounds of the levels [S]: level l holds first reads from edges_S[l] to edges_S[l + 1].
    first_S : ndarray (cell,)
        First verify read [S].
    nominal_s : ndarray (time,)
        Nominal times of the later reads [s]: the median of the reads close to each other in ln t.
    time_s, change_S : ndarray (cell, time)
        Actual time [s] and G(t) - G(0) [S]; NaN where a cell was not read.
    target_S : ndarray (cell,) or None
        Programming target [S], where the data holds one.
    """

    device_id: NDArray[np.object_]
    level: NDArray[np.int64]
    edges_S: Array
    first_S: Array
    nominal_s: Array
    time_s: Array
    change_S: Array
    target_S: Array | None = None

    def __len__(self) -> int:
        return self.first_S.size

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Cells:
        """Return the chosen cells."""
        target = None if self.target_S is None else self.target_S[which]
        return Cells(
            self.device_id[which], self.level[which], self.edges_S, self.first_S[which], self.nominal_s,
            self.time_s[which], self.change_S[which], target,
        )  # fmt: skip

    def before(self, time_s: float) -> Cells:
        """Return the same cells with the nominal times up to `time_s` only."""
        keep = self.nominal_s <= time_s
        return Cells(
            self.device_id, self.level, self.edges_S, self.first_S, self.nominal_s[keep],
            self.time_s[:, keep], self.change_S[:, keep], self.target_S,
        )  # fmt: skip

    @property
    def common(self) -> NDArray[np.int64]:
        """Indices of the nominal times that at least `COMMON` of the cells were read at."""
        return np.flatnonzero(np.isfinite(self.change_S).mean(axis=0) >= COMMON)


def collect(measurements: Sequence[Measurement], *, n_levels: int | None = None, g_max_S: float | None = None) -> Cells:
    """Gather the histories of all cells of raw measurements.

    A cell's first read is the earliest; levels are floor(first · n_levels / g_max_S) where both are given, else the
    file's own `level` column, else groups of equal count.

    Raises
    ------
    BadInput
        No device, time or conductance column; no cell with a later read.
    """
    table = pd.concat([m.table for m in measurements], ignore_index=True)
    for column in ("device_id", "time_s", "conductance_S"):
        if column not in table:
            raise BadInput(
                f"{measurements[0].source.id}: column {column} is missing: relaxation needs device_id, time_s and "
                "conductance_S (or resistance_ohm); name the columns in a map (--columns MAP.toml)"
            )
    if "temperature_K" in table and table["temperature_K"].nunique() > 1:
        raise BadInput(
            f"{measurements[0].source.id}: reads are at {table['temperature_K'].nunique()} temperatures, and "
            "relaxation has none: give those of one, or fit the model 'bake' to reads before and after bakes"
        )
    table = table.sort_values(["device_id", "time_s"], kind="stable")
    first = table.groupby("device_id", sort=True).first()
    later = table[table["time_s"] > table["device_id"].map(first["time_s"])]
    later = later[later["time_s"] > 0]
    if later.empty:
        raise BadInput(
            f"{measurements[0].source.id}: no device was read twice: relaxation needs a first and a later read"
        )
    cluster, nominal = _nominal_times(later["time_s"].to_numpy())
    devices = first.index.to_numpy()
    row = np.searchsorted(devices, later["device_id"].to_numpy())
    first_S = first["conductance_S"].to_numpy(dtype=float)
    time = np.full((devices.size, nominal.size), np.nan)
    change = np.full_like(time, np.nan)
    time[row, cluster] = later["time_s"].to_numpy()
    change[row, cluster] = later["conductance_S"].to_numpy() - first_S[row]
    level, edges = _levels(first, first_S, n_levels, g_max_S)
    target = first["target_S"].to_numpy(dtype=float) if "target_S" in first else None
    return Cells(devices, level, edges, first_S, nominal, time, change, target)


def _nominal_times(time_s: Array) -> tuple[NDArray[np.int64], Array]:
    """Group times that lie close in log10 t; return the group of each and the groups' medians."""
    order = np.argsort(time_s, kind="stable")
    gaps = np.diff(np.log10(time_s[order])) > SAME_TIME
    cluster = np.empty(time_s.size, dtype=np.int64)
    cluster[order] = np.concatenate([[0], np.cumsum(gaps)])
    return cluster, np.asarray(pd.Series(time_s).groupby(cluster).median(), dtype=np.float64)


def _levels(
    first: pd.DataFrame, first_S: Array, n_levels: int | None, g_max_S: float | None
) -> tuple[NDArray[np.int64], Array]:
    """Return each cell's level and the bounds of the levels [S]."""
    if n_levels and g_max_S:
        level = np.floor(first_S * n_levels / g_max_S).astype(np.int64)
        return level, np.asarray(np.arange(n_levels + 1) * (g_max_S / n_levels), dtype=np.float64)
    if "level" in first:
        level = first["level"].to_numpy(dtype=np.int64)
        starts = np.asarray(pd.Series(first_S).groupby(level).min(), dtype=np.float64)
        return np.searchsorted(np.unique(level), level).astype(np.int64), np.append(starts, first_S.max())
    groups = int(np.clip(first_S.size // 200, 1, 32))
    edges = np.asarray(np.quantile(first_S, np.linspace(0, 1, groups + 1)), dtype=np.float64)
    return np.clip(np.searchsorted(edges, first_S, side="right") - 1, 0, groups - 1), edges


def summarise(cells: Cells) -> pd.DataFrame:
    """Compute summary statistics: per level and time, of conductance, of change since the first read, and of steps.

    Steps are differences between consecutive *common* times. Rank correlations are Spearman's between the change (or
    step) at this row's time and at another time, within the level; those of magnitudes are between the distances
    from the median rank: they tell whether cells that move far at one time do so at others.

    Returns
    -------
    pandas.DataFrame
        level, level_low_S, level_high_S, time_s, quantity (`conductance | change | step`), count, mean_S, sigma_S,
        q_<probability> [S], rank_correlation_<time>s, magnitude_rank_correlation_<time>s [1].
    """
    rows: list[dict[str, object]] = []
    for level in range(cells.edges_S.size - 1):
        group = cells[cells.level == level]
        if len(group) == 0:
            continue
        head = {"level": level, "level_low_S": cells.edges_S[level], "level_high_S": cells.edges_S[level + 1]}
        rows.append(head | {"time_s": 0.0, "quantity": "conductance"} | _statistics(group.first_S))
        common = cells.common
        steps = np.diff(group.change_S[:, common], axis=1, prepend=0.0)
        for k, time in enumerate(cells.nominal_s):
            later = group.first_S + group.change_S[:, k]
            rows.append(head | {"time_s": time, "quantity": "conductance"} | _statistics(later))
        for name, values, times in (
            ("change", group.change_S, cells.nominal_s),
            ("step", steps, cells.nominal_s[common]),
        ):
            ranks = rank_scores(values)
            magnitudes = rank_scores(np.abs(ranks))
            for k, time in enumerate(times):
                row = head | {"time_s": time, "quantity": name} | _statistics(values[:, k])
                for other, label in enumerate(times):
                    if other != k:
                        row[f"rank_correlation_{label:.3g}s"] = _correlation(ranks[:, k], ranks[:, other])
                        row[f"magnitude_rank_correlation_{label:.3g}s"] = _correlation(
                            magnitudes[:, k], magnitudes[:, other]
                        )
                rows.append(row)
    return pd.DataFrame(rows)


def quantile_columns(table: pd.DataFrame) -> tuple[list[str], Array]:
    """Return the quantile columns `q_<probability>` of a summary and their probabilities.

    >>> quantile_columns(pd.DataFrame(columns=["level", "q_0.05", "q_0.5"]))
    (['q_0.05', 'q_0.5'], array([0.05, 0.5 ]))
    """
    names = [str(column) for column in table.columns if is_quantile(str(column))]
    return names, np.array([float(name.removeprefix("q_")) for name in names])


def split_over_set(cells: Cells) -> tuple[Cells, Cells]:
    """Split off the over-set cells: those first read beyond the highest level."""
    over = cells.level >= cells.edges_S.size - 1
    return cells[~over], cells[over]


def level_range(cells: Cells) -> tuple[float, float]:
    """Return the targets that keep their window inside the levels seen [S]: the middles of the outer levels."""
    middles = 0.5 * (cells.edges_S[:-1] + cells.edges_S[1:])
    return float(middles[cells.level.min()]), float(middles[cells.level.max()])


def level_knots(low_S: float, high_S: float, n: int) -> Array:
    """Return n knots even in √G; the middle alone for one."""
    if n == 1 or high_S <= low_S:
        return np.array([0.5 * (low_S + high_S)])
    return np.asarray(np.linspace(np.sqrt(low_S), np.sqrt(high_S), n) ** 2, dtype=np.float64)


def _statistics(values: Array) -> dict[str, float]:
    """Count, mean, σ and quantiles of the finite values."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return {"count": 0}
    quantiles = np.quantile(finite, QUANTILE_PROBABILITIES)
    names = (f"q_{p:g}" for p in QUANTILE_PROBABILITIES)
    sigma = float(np.std(finite, ddof=1)) if finite.size > 1 else float("nan")
    return {"count": finite.size, "mean_S": float(finite.mean()), "sigma_S": sigma} | dict(
        zip(names, quantiles, strict=True)
    )


def rank_scores(values: Array) -> Array:
    """Return ranks of each column scaled to (-1/2, 1/2), NaN kept."""
    ranks = pd.DataFrame(values).rank()
    return ((ranks - 0.5) / ranks.count() - 0.5).to_numpy(dtype=float)


def _correlation(a: Array, b: Array) -> float:
    """Return the correlation over the rows that both have; NaN for fewer than three."""
    both = np.isfinite(a) & np.isfinite(b)
    return float(np.corrcoef(a[both], b[both])[0, 1]) if both.sum() > 2 else float("nan")
