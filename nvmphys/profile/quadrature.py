"""Statistics of the conductance from the tables of what was programmed and of its change: a quadrature over scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import norm

from nvmphys.population.coordinate import Coordinate
from nvmphys.population.law import CellLaw, correlated
from nvmphys.profile.profile import PROBABILITIES, Tables, look_up

Array = NDArray[np.float64]

_WINDOW_SCORES = np.linspace(-4.2, 4.2, 61)
"""Normal scores over the programming error of a law whose changes depend on it: they reach beyond 0.01 %."""


class Moving(Protocol):
    """What says how a change follows from a level and moves a conductance: a law or a profile."""

    @property
    def coordinate(self) -> Coordinate:
        """Where changes add to the programmed conductance."""
        ...

    @property
    def level_is_programmed(self) -> bool:
        """Whether the change depends on where the cell stands as programmed, or on its target."""
        ...

    @property
    def programming_correlation(self) -> float:
        """Correlation between a cell's score at programming and its scores of change [1]."""
        ...


@dataclass(frozen=True)
class Grid:
    """Normal scores at which a quadrature is made."""

    scores: Array

    def window(self, level_is_programmed: bool) -> Array:
        """Return the scores of programming."""
        return _WINDOW_SCORES if level_is_programmed else self.scores

    def weights(self, window: Array) -> Array:
        """Return the weights of the scores of programming."""
        return _normal_weights(window)


FINE = Grid(np.linspace(-5.2, 5.2, 417))
"""0.025 apart: the tables themselves."""
COARSE = Grid(np.linspace(-5.2, 5.2, 61))
"""0.17 apart: for differences between tables, in which its error cancels."""


@dataclass(frozen=True)
class Found:
    """Cells of one target at one time, weighted, and their statistics [S]."""

    cells: Array
    weight: Array
    quantiles: Array
    mean: float
    sigma: float
    is_programmed: bool


def change_quantiles(law: CellLaw, levels: Array, time: Array, extrapolate: bool) -> Array:
    """Return quantiles of the change at the table's probabilities (level, time, probability); 0 as programmed."""
    scores = ndtri(PROBABILITIES)
    change = np.zeros((levels.size, time.size, scores.size))
    at = np.repeat(levels, scores.size)
    for k in np.flatnonzero(time != law.first_time_s).tolist():
        moved = law.change(at, float(time[k]), np.tile(scores, levels.size), extrapolate)
        change[:, k] = moved.reshape(levels.size, -1)
    return change


def conductance_at(moving: Moving, tables: Tables, heat: int, i: int, start: Array, grid: Grid) -> list[Found]:
    """Return the cells of a target at all times.

    Parameters
    ----------
    moving : law or profile
    tables : Tables
        Of which `level_S`, `change` and the axes are read.
    heat, i : int
        Which temperature and target.
    start : ndarray
        Conductances as programmed at the grid's scores of programming [S].
    grid : Grid
    """
    return list(_at_times(moving, tables, heat, i, start, grid))


def _at_times(moving: Moving, tables: Tables, heat: int, i: int, start: Array, grid: Grid) -> Iterator[Found]:
    window, scores = grid.window(moving.level_is_programmed), grid.scores
    of_window, each = grid.weights(window), scores.size
    weight = np.outer(of_window, _normal_weights(scores)).ravel()
    of_change = correlated(np.tile(scores, window.size), np.repeat(window, each), moving.programming_correlation)
    began = np.repeat(start, each)
    at = began if moving.level_is_programmed else np.full(began.size, tables.target_S[i])
    for k in range(tables.time_s.size):
        if k == 0:  # as programmed
            mean, sigma = _moments(start, of_window)
            yield Found(began, weight, _weighted_quantiles(start, of_window), mean, sigma, True)
            continue
        moved = look_up(tables.change[heat, :, k], tables.level_S, tables.probability, at, of_change)
        cells = moving.coordinate.moved(began, moved)
        yield Found(cells, weight, _weighted_quantiles(cells, weight), *_moments(cells, weight), False)


def frozen_correlation(found: Sequence[Found], quantiles: Array) -> Array:
    """Return the correlation of normal scores between times of cells that keep one score of change for life.

    Parameters
    ----------
    found : sequence of Found, one a time
    quantiles : ndarray (time, probability)
        From which the scores are read [S].
    """
    weight, scores = found[0].weight, ndtri(PROBABILITIES)
    ranks = np.stack([np.interp(now.cells, row, scores) for now, row in zip(found, quantiles, strict=True)])
    centred = ranks - (ranks @ weight)[:, None]
    product = (centred * weight) @ centred.T
    size = np.sqrt(np.diag(product))
    scale = np.outer(size, size)
    together = np.divide(product, scale, out=np.ones_like(product), where=scale > 0)
    np.fill_diagonal(together, 1.0)
    return np.minimum(together, 1.0)


def _normal_weights(scores: Array) -> Array:
    """Return the normal probabilities of equally spaced scores."""
    density = norm.pdf(scores)
    return np.asarray(density / density.sum())


def _moments(values: Array, weight: Array) -> tuple[float, float]:
    """Return weighted mean and σ."""
    mean = float(weight @ values)
    return mean, float(np.sqrt(weight @ (values - mean) ** 2))


def _weighted_quantiles(values: Array, weight: Array) -> Array:
    """Return the quantiles at `PROBABILITIES` of weighted values."""
    order = np.argsort(values)
    cumulative = np.cumsum(weight[order])
    middle = (cumulative - 0.5 * weight[order]) / cumulative[-1]
    return np.interp(PROBABILITIES, middle, values[order])
