"""Bakes: reads of the same cells before and after, at several temperatures, raw or as summary statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from nvmphys.errors import BadInput
from nvmphys.fit.cells import Cells, collect, split_over_set
from nvmphys.fit.likelihood import Observations, observations_of
from nvmphys.fit.summaries import cells_of_summary, check_summary, observations_of_summary
from nvmphys.population.bake import BakeLaw
from nvmphys.population.coordinate import Coordinate
from nvmphys.records import Measurement

Array = NDArray[np.float64]

GROUPS = (0.0, 0.125, 0.375, 0.625, 0.875, 1.0)
"""Bounds of the groups of levels that predictions are judged in, as shares of the number of levels."""

_FAR = 0.00625
"""Share of the range beyond which a level's mean change counts as one with a sign: 1.5 of 240 µS."""
_DRAWS, _FEWEST = 20, 10
_LOST = 0.1
"""Share of the coordinate's floor below which a cell counts as lost."""


@dataclass(frozen=True)
class BakePredictor:
    """A bake law at one temperature as a predictor of left-out cells (see `nvmphys.fit.judge`)."""

    law: BakeLaw

    def pit(self, cells: Cells, k: int) -> Array:
        """Return the probability integral transform of each cell's change."""
        return np.asarray(ndtr(self.law.score(cells.first_S, cells.change_S[:, k])))

    def draw(self, cells: Cells, k: int, z: Array) -> Array:
        """Return changes at the cells' own reads before the bake."""
        level = np.repeat(cells.first_S, z.shape[1])
        return self.law.change_S(level, z.ravel()).reshape(z.shape)


def bakes_of(
    measurements: Sequence[Measurement], n_levels: int | None, g_max_S: float | None
) -> tuple[dict[float, Cells], dict[float, Cells]]:
    """Gather the cells of each bake, those above the highest level apart.

    Returns
    -------
    (dict of float to Cells, dict of float to Cells)
        By temperature [K], ascending: cells within the levels, and those beyond.

    Raises
    ------
    BadInput
        No temperature column, or a cell that was not read before and after.
    """
    table = pd.concat([m.table for m in measurements], ignore_index=True)
    if "temperature_K" not in table:
        raise BadInput(
            f"{measurements[0].source.id}: column temperature_K is missing: name it in a column map (--columns)"
        )
    within, beyond = {}, {}
    for temperature, part in by_temperature(table):
        cells = collect([replace(measurements[0], table=part)], n_levels=n_levels, g_max_S=g_max_S)
        within[temperature], beyond[temperature] = split_over_set(_one_read(cells))
    return within, beyond


def _one_read(cells: Cells) -> Cells:
    """Keep each cell's last read: the one after the bake."""
    read = np.isfinite(cells.change_S)
    last = cells.nominal_s.size - 1 - np.argmax(read[:, ::-1], axis=1)
    here, seen = np.arange(len(cells)), read.any(axis=1)
    time, change = (np.where(seen, table[here, last], np.nan)[:, None] for table in (cells.time_s, cells.change_S))
    return replace(cells, nominal_s=np.array([float(np.nanmedian(time))]), time_s=time, change_S=change)


def split_lost(cells: Cells, floor_S: float) -> tuple[Cells, Cells]:
    """Split off the cells that fell from above the floor to nearly nothing: a population of their own, not a tail."""
    after = cells.first_S + cells.change_S[:, 0]
    lost = (cells.first_S > floor_S) & (after < _LOST * floor_S)
    return cells[~lost], cells[lost]


def bakes_of_summary(table: pd.DataFrame, name: str, rng: np.random.Generator) -> dict[float, Cells]:
    """Make stand-in cells with the distributions of a summary, a set per temperature [K]."""
    check_summary(table, name, several_temperatures=True)
    if "temperature_K" not in table:
        raise BadInput(f"{name}: column temperature_K is missing: a bake is told by its temperature")
    return {temperature: cells_of_summary(part, rng) for temperature, part in by_temperature(table)}


def by_temperature(table: pd.DataFrame) -> Iterator[tuple[float, pd.DataFrame]]:
    """Yield each temperature [K] of a table, ascending, with its rows."""
    for temperature in np.sort(table["temperature_K"].unique()):
        yield float(temperature), table[table["temperature_K"] == temperature]


def observations_of_bakes(bakes: Mapping[float, Cells], coordinate: Coordinate) -> tuple[Observations, Array]:
    """Return the changes of all bakes and the temperature of each [K]."""
    parts, temperatures = [], []
    for temperature, cells in bakes.items():
        seen = np.isfinite(cells.change_S[:, 0])
        first, change = cells.first_S[seen], cells.change_S[seen, 0]
        parts.append(
            observations_of(first, cells.time_s[seen, 0], coordinate.of(first + change) - coordinate.of(first))
        )
        temperatures.append(np.full(first.size, temperature))
    return joined(parts), np.concatenate(temperatures)


def observations_of_bake_summary(table: pd.DataFrame, coordinate: Coordinate) -> tuple[Observations, Array]:
    """Return the counts between quantiles of all bakes and the temperature of each [K]."""
    changes = table[(table["quantity"] == "change") & (table["count"] > 1)]
    parts, temperatures = [], []
    for temperature, rows in by_temperature(changes):
        part = observations_of_summary(rows, coordinate)
        parts.append(part)
        temperatures.append(np.full(part.weight.size, temperature))
    return joined(parts), np.concatenate(temperatures)


def joined(parts: Sequence[Observations]) -> Observations:
    """Put observations one after the other."""
    names = ("level_S", "time_s", "low_S", "high_S", "weight")
    return Observations(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def judge_hottest(
    parts: Sequence[tuple[BakeLaw, Cells]], temperature_K: float, known_K: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Judge laws fitted at lower temperatures on cells of a hotter bake, beside two baselines.

    Parameters
    ----------
    parts : sequence of (BakeLaw, Cells)
        Laws fitted below `temperature_K`, each with the cells of the hotter bake that it has not seen; pooled.
    temperature_K, known_K : float
        Temperature of the bake, and the highest one fitted [K].
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        Rows (predictor, group of levels): count, mean_S and sigma_S measured, mean_error_S, sigma_error [1],
        coverage_0.9 [1], sign_right [1] (share of the levels with |mean| > 0.625 % of the range); group "all" first.
    """
    n_levels = parts[0][1].edges_S.size - 1
    level, change = (
        np.concatenate(column) for column in zip(*((c.level, c.change_S[:, 0]) for _, c in parts), strict=True)
    )
    far = _FAR * float(parts[0][1].edges_S[-1])
    bounds = np.round(np.array(GROUPS) * n_levels).astype(int)
    groups = [("all", 0, n_levels)] + [(f"{a}-{b - 1}", a, b) for a, b in pairwise(bounds)]
    rows = []
    for name, at in (("Arrhenius", temperature_K), (f"as at {celsius(known_K)}", known_K), ("no change", None)):
        drawn = np.zeros((change.size, 1))
        inside = np.full(change.size, np.nan)
        if at is not None:
            told = [(BakePredictor(replace(law, temperature_K=at)), cells) for law, cells in parts]
            drawn = np.concatenate([p.draw(c, 0, rng.standard_normal((len(c), _DRAWS))) for p, c in told])
            inside = np.abs(np.concatenate([p.pit(c, 0) for p, c in told]) - 0.5) <= 0.45
        for group, low, high in groups:
            mine = (level >= low) & (level < high) & np.isfinite(change)
            if mine.sum() < _FEWEST:
                continue
            mean, sigma, got = float(change[mine].mean()), float(change[mine].std(ddof=1)), drawn[mine]
            rows.append(
                {
                    "predictor": name, "levels": group, "count": int(mine.sum()), "mean_S": mean, "sigma_S": sigma,
                    "mean_error_S": float(got.mean()) - mean, "sigma_error": float(got.std()) / sigma - 1,
                    "coverage_0.9": float(np.mean(inside[mine])),
                    "sign_right": _sign_right(level[mine], change[mine], drawn[mine], far),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _sign_right(level: NDArray[np.int64], change: Array, drawn: Array, far: float) -> float:
    """Return the share of levels with a mean change beyond `far` [S] that has the predicted sign."""
    right = []
    for one in np.unique(level):
        mean = float(change[level == one].mean())
        if abs(mean) > far:
            right.append(np.sign(mean) == np.sign(drawn[level == one].mean()))
    return float(np.mean(right)) if right else float("nan")


def celsius(temperature_K: float) -> str:
    """Write a temperature in °C.

    >>> celsius(373.15)
    '100 °C'
    """
    return f"{temperature_K - 273.15:.0f} °C"
