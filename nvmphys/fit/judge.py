"""Judging a law on cells it has not seen: coverage, probability integral transform, Wasserstein distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import norm

from nvmphys.fit.cells import Cells
from nvmphys.population.relaxation import RelaxationLaw

Array = NDArray[np.float64]

INTERVALS = (0.5, 0.9, 0.99)
_DRAWS_PER_CELL = 20
_NULL_SAMPLES = 200


class Predictor(Protocol):
    """What can be judged: where a left-out change stands in the prediction, and draws from the prediction."""

    def pit(self, cells: Cells, k: int) -> Array:
        """Return P(change <= measured) of each cell at nominal time k."""
        ...

    def draw(self, cells: Cells, k: int, z: Array) -> Array:
        """Return changes [S] (cell, draw) at normal scores z (cell, draw)."""
        ...


@dataclass(frozen=True)
class LawPredictor:
    """A fitted law as a predictor; `extrapolate` lets it speak beyond its longest time."""

    law: RelaxationLaw
    extrapolate: bool = False

    def pit(self, cells: Cells, k: int) -> Array:
        """Return the probability integral transform at each cell's own first read and own time."""
        time = np.where(np.isfinite(cells.time_s[:, k]), cells.time_s[:, k], cells.nominal_s[k])
        return np.asarray(ndtr(self.law.score(cells.first_S, time, cells.change_S[:, k], self.extrapolate)))

    def draw(self, cells: Cells, k: int, z: Array) -> Array:
        """Return changes at the cells' own first reads and times."""
        time = np.where(np.isfinite(cells.time_s[:, k]), cells.time_s[:, k], cells.nominal_s[k])
        level, times = (np.repeat(column, z.shape[1]) for column in (cells.first_S, time))
        return self.law.change_S(level, times, z.ravel(), self.extrapolate).reshape(z.shape)


@dataclass(frozen=True)
class GaussianBins:
    """Baseline: mean and σ of the training cells per level and time."""

    mean_S: Array
    sigma_S: Array

    @classmethod
    def of(cls, cells: Cells) -> GaussianBins:
        """Compute means and σ (level, time); NaN where a level holds fewer than two cells."""
        grouped = pd.DataFrame(cells.change_S).groupby(cells.level)
        levels = np.arange(cells.edges_S.size - 1)
        return cls(grouped.mean().reindex(levels).to_numpy(), grouped.std().reindex(levels).to_numpy())

    def pit(self, cells: Cells, k: int) -> Array:
        """Return the normal CDF of the standardised change."""
        return np.asarray(norm.cdf(cells.change_S[:, k], self.mean_S[cells.level, k], self.sigma_S[cells.level, k]))

    def draw(self, cells: Cells, k: int, z: Array) -> Array:
        """Return normal changes."""
        return self.mean_S[cells.level, k][:, None] + self.sigma_S[cells.level, k][:, None] * z


@dataclass(frozen=True)
class LookUpTable:
    """Baseline: the training cells themselves, per level and time."""

    values_S: dict[tuple[int, int], Array]

    @classmethod
    def of(cls, cells: Cells) -> LookUpTable:
        """Sort the training cells' changes per (level, time)."""
        table = {}
        for level in np.unique(cells.level):
            for k, column in enumerate(cells.change_S[cells.level == level].T):
                table[int(level), k] = np.sort(column[np.isfinite(column)])
        return cls(table)

    def pit(self, cells: Cells, k: int) -> Array:
        """Return the mid-rank among the training cells."""
        out = np.full(len(cells), np.nan)
        for level in np.unique(cells.level):
            mine = cells.level == level
            table = self.values_S.get((int(level), k), np.empty(0))
            if table.size:
                x = cells.change_S[mine, k]
                below = np.searchsorted(table, x, "left") + np.searchsorted(table, x, "right")
                out[mine] = np.where(np.isfinite(x), below / (2 * table.size), np.nan)
        return out

    def draw(self, cells: Cells, k: int, z: Array) -> Array:
        """Return training values of the same rank."""
        out = np.full(z.shape, np.nan)
        for level in np.unique(cells.level):
            mine = cells.level == level
            table = self.values_S.get((int(level), k), np.empty(0))
            if table.size:
                index = np.minimum((ndtr(z[mine]) * table.size).astype(int), table.size - 1)
                out[mine] = table[index]
        return out


@dataclass(frozen=True)
class Judgement:
    """How predictions meet left-out cells.

    Attributes
    ----------
    pit : ndarray (cell, time)
        Probability integral transform; NaN where not read.
    level, time_s : ndarray
        Level of each cell; nominal times [s].
    table : DataFrame
        Per level and time: count, distance_S (Wasserstein), limit_S (95th percentile of matched draws), within.
    """

    pit: Array
    level: NDArray[np.int64]
    time_s: Array
    table: pd.DataFrame

    def coverage(self, probability: float, levels: slice | None = None) -> float:
        """Return the share of left-out reads inside the central interval of this probability."""
        pit = self.pit if levels is None else self.pit[(self.level >= levels.start) & (self.level < levels.stop)]
        return covered(pit, probability)

    def coverage_by_time(self, probability: float) -> Array:
        """Return the coverage at each nominal time."""
        inside = np.where(np.isfinite(self.pit), np.abs(self.pit - 0.5) <= probability / 2, np.nan)
        return np.asarray(np.nanmean(inside, axis=0))

    @property
    def within(self) -> float:
        """Share of level × time groups whose Wasserstein distance stays under the limit."""
        return float(self.table["within"].mean())

    def summary(self) -> dict[str, Any]:
        """Return the figures for a card."""
        coverage = {f"coverage_{p:g}": round(self.coverage(p), 5) for p in INTERVALS}
        return coverage | {"wasserstein_within": round(self.within, 4), "n_left_out": int(self.pit.shape[0])}


def covered(pit: Array, probability: float) -> float:
    """Return the share of numbers inside the central interval of this probability; NaN ones do not count.

    >>> covered(np.array([0.01, 0.3, 0.7, np.nan]), 0.9)
    0.6666666666666666
    """
    return float(np.mean(np.abs(pit[np.isfinite(pit)] - 0.5) <= probability / 2))


def judge(parts: list[tuple[Predictor, Cells]], rng: np.random.Generator) -> Judgement:
    """Judge predictors on the cells left out of each (folds are pooled: every cell counts once).

    The Wasserstein distance of a level × time group is that between its n left-out changes and draws of the prediction
    for the same cells; its limit the 95th percentile of the same distance for n draws of the prediction itself, so a
    perfect law stays under it in 95 % of the groups.

    Parameters
    ----------
    parts : list of (Predictor, Cells)
        Predictions, each with the cells that it has not seen.
    rng : numpy.random.Generator

    Returns
    -------
    Judgement
    """
    times = parts[0][1].nominal_s
    pit = np.concatenate([np.stack([p.pit(c, k) for k in range(times.size)], axis=1) for p, c in parts])
    level = np.concatenate([c.level for _, c in parts])
    rows = []
    for k, time in enumerate(times):
        measured = np.concatenate([c.change_S[:, k] for _, c in parts])
        drawn = np.concatenate([p.draw(c, k, rng.standard_normal((len(c), _DRAWS_PER_CELL))) for p, c in parts])
        for group in np.unique(level):
            mine = (level == group) & np.isfinite(measured) & np.isfinite(drawn[:, 0])
            if mine.sum() < 10:
                continue
            distance, limit = matched_distance(measured[mine], drawn[mine].ravel(), rng)
            rows.append((int(group), float(time), int(mine.sum()), distance, limit, distance <= limit))
    table = pd.DataFrame(rows, columns=["level", "time_s", "count", "distance_S", "limit_S", "within"])
    return Judgement(pit, level, times, table)


def matched_distance(
    sample: Array, drawn: Array, rng: np.random.Generator, quantile: float = 0.95
) -> tuple[float, float]:
    """Return the Wasserstein distance of a sample to draws, and its null quantile for samples of the same size.

    `drawn` must hold a multiple of the sample's size.
    """
    reference = np.sort(drawn).reshape(sample.size, -1)
    null = np.sort(rng.choice(drawn, size=(_NULL_SAMPLES, sample.size)), axis=1)
    distances = [float(np.mean(np.abs(reference - x[:, None]))) for x in null]
    return float(np.mean(np.abs(reference - np.sort(sample)[:, None]))), float(np.quantile(distances, quantile))


def folds(n: int, parts: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Split indices 0 … n-1 into parts of nearly equal size, at random; each index appears once."""
    return [np.sort(part) for part in np.array_split(rng.permutation(n), parts)]
