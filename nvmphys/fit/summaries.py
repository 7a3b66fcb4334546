"""Summary statistics as data to fit: their checks, their common times, and stand-in cells with their distributions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from nvmphys.errors import BadInput
from nvmphys.fit.cells import COMMON, Cells, quantile_columns
from nvmphys.fit.histories import extended
from nvmphys.fit.likelihood import Observations, observations_of_quantiles
from nvmphys.population.coordinate import Coordinate

_FALLEN = 0.3
"""Share of the coordinate's floor below which a summary's quantiles are censored."""

Array = NDArray[np.float64]


def check_summary(table: pd.DataFrame, name: str, *, several_temperatures: bool = False) -> None:
    """Refuse a summary that does not tell the shape of the change."""
    columns, _ = quantile_columns(table)
    if not several_temperatures and "temperature_K" in table and table["temperature_K"].nunique() > 1:
        raise BadInput(f"{name}: rows are of several temperatures, and relaxation has none: fit the model 'bake'")
    needed = {"level", "level_low_S", "level_high_S", "time_s", "count", "quantity"}
    missing = sorted(needed - set(table.columns))
    if missing or len(columns) < 5 or not (table["quantity"] == "change").any():
        lacking = f"missing: {', '.join(missing)}" if missing else f"{len(columns)} quantile columns"
        raise BadInput(
            f"{name}: the relaxation law needs rows with quantity = change, the level's bounds and five or more "
            f"quantile columns q_<probability> ({lacking}); a table of means and σ alone does not tell the shape"
        )


def cells_of_summary(table: pd.DataFrame, rng: np.random.Generator) -> Cells:
    """Make stand-in cells with the distributions of a summary, level by level and time by time.

    They serve for judging and drawing; what a cell does at one time is unrelated to what it does at another.
    """
    names, probabilities = quantile_columns(table)
    scores = ndtri(probabilities)
    changes = table[table["quantity"] == "change"]
    levels, times = np.sort(table["level"].unique()), np.sort(changes["time_s"].unique())
    bounds = table.drop_duplicates("level").set_index("level").loc[levels]
    level, first, change = [], [], []
    for i, name in enumerate(levels):
        rows = changes[changes["level"] == name].set_index("time_s")
        n = int(rows["count"].max())
        block = np.full((n, times.size), np.nan)
        for k, time in enumerate(times):
            if time in rows.index and rows.loc[time, "count"] > 1:
                m = int(rows.loc[time, "count"])
                place = ndtri((np.arange(m) + 0.5) / m)
                block[rng.permutation(n)[:m], k] = extended(place, scores, rows.loc[time, names].to_numpy(dtype=float))
        low, high = bounds["level_low_S"].iloc[i], bounds["level_high_S"].iloc[i]
        level.append(np.full(n, i))
        first.append(low + (high - low) * (rng.permutation(n) + 0.5) / n)
        change.append(np.stack([_none_negative(first[-1], column, rng) for column in block.T], axis=1))
    edges = np.append(bounds["level_low_S"].to_numpy(dtype=float), float(bounds["level_high_S"].iloc[-1]))
    moves = np.concatenate(change)
    when = np.where(np.isfinite(moves), times, np.nan)
    first_S = np.concatenate(first)
    return Cells(np.arange(first_S.size).astype(object), np.concatenate(level), edges, first_S, times, when, moves)


def _none_negative(first_S: Array, change_S: Array, rng: np.random.Generator) -> Array:
    """Exchange changes between cells until none falls below zero, as far as that goes."""
    change = change_S.copy()
    for _round in range(100):
        fallen = np.flatnonzero(first_S + change < 0)
        others = np.flatnonzero(first_S + change >= 0)
        if fallen.size == 0 or others.size < fallen.size:
            break
        partner = rng.choice(others, fallen.size, replace=False)
        better = (first_S[partner] + change[fallen] >= 0) & (first_S[fallen] + change[partner] >= 0)
        one, other = fallen[better], partner[better]
        change[one], change[other] = change[other], change[one]
    return change


def observations_of_summary(changes: pd.DataFrame, coordinate: Coordinate) -> Observations:
    """Turn rows of change into counts between quantiles of the coordinate's change, seen from the level's middle.

    From there a deep fall of a cell from the level's upper edge would end below zero: such quantiles are censored.
    """
    names, probabilities = quantile_columns(changes)
    level = changes[["level_low_S", "level_high_S"]].mean(axis=1).to_numpy(dtype=float)
    moved = level[:, None] + changes[names].to_numpy(dtype=float)
    fallen = moved < _FALLEN * coordinate.floor_S
    moved = np.where(fallen, -np.inf, coordinate.of(moved) - coordinate.of(level)[:, None])
    time, count = (changes[name].to_numpy(dtype=float) for name in ("time_s", "count"))
    return observations_of_quantiles(level, time, count, probabilities, moved)


def common_times(changes: pd.DataFrame) -> Array:
    """Return the times at which at least `COMMON` as many cells were read as at the fullest."""
    counts = changes.groupby("time_s")["count"].sum()
    return counts.index[counts >= COMMON * counts.max()].to_numpy(dtype=float)
