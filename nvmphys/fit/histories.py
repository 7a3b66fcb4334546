"""Fitting one history per cell: the joint law of scores over time, from rank correlations and steps."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import chi2, rankdata

from nvmphys.fit.cells import quantile_columns, rank_scores
from nvmphys.population.history import SCORE_GRID, History, latent_steps
from nvmphys.population.relaxation import RelaxationLaw

Array = NDArray[np.float64]

_DOFS = np.array([2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0, 25.0, 1e3])
_PATHS = 60_000
_ROUNDS = 8
_HELD_TAIL = np.clip(np.arange(SCORE_GRID.size), *np.searchsorted(SCORE_GRID, (-2.6, 2.6)))
"""Indices into `SCORE_GRID`, those beyond ±2.6 replaced by the last inside: corrections of tails are held there."""


def fit_history(
    law: RelaxationLaw, summary: pd.DataFrame, rng: np.random.Generator, near: History | None = None
) -> History:
    """Fit the joint law of a cell's scores over time from summary statistics of changes and steps.

    Degrees of freedom come from the rank correlation of magnitudes, correlations of distant steps from the steps' own
    rank correlations. Step quantiles and the correlation of neighbouring steps are then corrected, round by round,
    until cells drawn from the law have the measured distribution of steps (in units of the level's typical change)
    and the measured rank correlation of consecutive changes.
    """
    steps, changes = (summary[summary["quantity"] == name] for name in ("step", "change"))
    nodes = np.sort(steps["time_s"].unique())
    if nodes.size < 2:
        return History.frozen(float(law.times_s[0]))
    target = np.stack([_step_quantiles(law, steps[steps["time_s"] == time]) for time in nodes])
    neighbours = np.diagonal(_pooled_correlation(changes, nodes, "rank_correlation"), 1)
    magnitude = _pooled_correlation(steps, nodes, "magnitude_rank_correlation")
    of_steps = _pooled_correlation(steps, nodes, "rank_correlation")
    correlation = _positive(2 * np.sin(np.pi / 6 * of_steps))
    dof = _degrees_of_freedom(correlation, magnitude[np.triu_indices(nodes.size, 1)].mean(), rng)

    level = _levels_by_count(steps[steps["time_s"] == nodes[0]])
    unit = _typical_change(law, level)
    normals = rng.standard_normal((nodes.size, level.size))
    chi_square = rng.chisquare(dof, level.size)
    quantiles, side = target.copy(), np.diagonal(correlation, 1).copy()
    if near is not None:
        quantiles, side = near.step_quantiles.copy(), np.diagonal(near.correlation, 1).copy()
    for _round in range(_ROUNDS if near is None else _ROUNDS // 2):
        joint = _with_neighbours(correlation, side)
        path = np.cumsum(latent_steps(quantiles, joint, dof, normals, chi_square), axis=0)
        history = History.calibrated(nodes, quantiles, joint, dof, path)
        change = [law.change_S(level, t, history.rank(path[k], k)) / unit for k, t in enumerate(nodes)]
        drawn = np.quantile(np.diff(change, axis=0, prepend=0.0), ndtr(SCORE_GRID), axis=1).T
        # the first change is the first step, whatever the path: it anchors the path's scale
        correction = np.where(np.arange(nodes.size)[:, None] > 0, target - drawn, 0.0)
        quantiles = np.maximum.accumulate(quantiles + 0.5 * correction[:, _HELD_TAIL], axis=1)
        reached = np.diagonal(np.atleast_2d(np.corrcoef(rankdata(path, axis=1))), 1)
        side = np.clip(side + neighbours - reached, -0.9, 0.9)
    return history


def _levels_by_count(rows: pd.DataFrame) -> Array:
    """Return `_PATHS` level middles [S], as many of each as cells were read there."""
    middle = 0.5 * (rows["level_low_S"] + rows["level_high_S"]).to_numpy(dtype=float)
    share = np.cumsum(rows["count"].to_numpy(dtype=float))
    return middle[np.searchsorted(share / share[-1], (np.arange(_PATHS) + 0.5) / _PATHS)]


def _degrees_of_freedom(correlation: Array, magnitude: float, rng: np.random.Generator) -> float:
    """Return the t-copula's degrees of freedom whose rank correlation of magnitudes is the one measured."""
    normals, uniform = rng.standard_normal((correlation.shape[0], _PATHS)), rng.random(_PATHS)
    correlated = np.linalg.cholesky(correlation) @ normals
    reached = []
    for dof in _DOFS:
        x = correlated / np.sqrt(chi2.ppf(uniform, dof) / dof)
        matrix = np.atleast_2d(np.corrcoef(rank_scores(np.abs(x.T)).T))
        reached.append(matrix[np.triu_indices_from(matrix, 1)].mean())
    return float(1 / np.interp(magnitude, reached[::-1], 1 / _DOFS[::-1]))


def _step_quantiles(law: RelaxationLaw, rows: pd.DataFrame) -> Array:
    """Return the quantiles at `SCORE_GRID` of the steps of all levels, each in units of its level's typical change.

    The levels' quantile tables are mixed by count; within a table normal scores are linear in the step, also beyond
    its ends.
    """
    names, probabilities = quantile_columns(rows)
    scores = ndtri(probabilities)
    level = 0.5 * (rows["level_low_S"] + rows["level_high_S"]).to_numpy(dtype=float)
    tables = rows[names].to_numpy(dtype=float) / _typical_change(law, level)[:, None]
    weight = rows["count"].to_numpy(dtype=float)
    reach = 2 * np.max(np.abs(tables))
    x = np.unique(np.concatenate([tables.ravel(), [-reach, reach]]))
    mixed = np.average([ndtr(extended(x, table, scores)) for table in tables], axis=0, weights=weight)
    inside = (mixed > 1e-9) & (mixed < 1 - 1e-9)
    return extended(SCORE_GRID, ndtri(mixed[inside]), x[inside])


def extended(x: Array, nodes: Array, values: Array) -> Array:
    """Interpolate linearly; beyond the ends go on with the slope of the outer tenth of the table."""
    n = max(2, nodes.size // 10)
    low = (values[n - 1] - values[0]) / max(nodes[n - 1] - nodes[0], 1e-300)
    high = (values[-1] - values[-n]) / max(nodes[-1] - nodes[-n], 1e-300)
    inner = np.interp(x, nodes, values)
    return np.where(
        x < nodes[0],
        values[0] + low * (x - nodes[0]),
        np.where(x > nodes[-1], values[-1] + high * (x - nodes[-1]), inner),
    )


def _typical_change(law: RelaxationLaw, level_S: Array) -> Array:
    """Return the geometric mean over the nodes of the interquartile range of the change [S]."""
    quartile = np.full(level_S.size, 0.6745)
    ranges = [law.change_S(level_S, t, quartile) - law.change_S(level_S, t, -quartile) for t in law.times_s]
    return np.exp(np.mean(np.log(ranges), axis=0))


def _pooled_correlation(rows: pd.DataFrame, nodes: Array, prefix: str) -> Array:
    """Return the count-weighted mean over levels of a rank correlation between node times."""
    matrix = np.eye(nodes.size)
    for i, time in enumerate(nodes):
        here = rows[np.isclose(rows["time_s"], time)]
        for j, other in enumerate(nodes):
            if i != j:
                values = here[f"{prefix}_{other:.3g}s"].to_numpy(dtype=float)
                finite = np.isfinite(values)
                matrix[i, j] = np.average(values[finite], weights=here["count"].to_numpy(dtype=float)[finite])
    return 0.5 * (matrix + matrix.T)


def _with_neighbours(correlation: Array, side: Array) -> Array:
    """Replace the first off-diagonals."""
    out = correlation.copy()
    k = np.arange(side.size)
    out[k, k + 1] = out[k + 1, k] = side
    return _positive(out)


def _positive(matrix: Array) -> Array:
    """Return the nearest usable correlation matrix: unit diagonal, eigenvalues of at least 1e-3."""
    values, vectors = np.linalg.eigh(matrix)
    fixed = (vectors * np.maximum(values, 1e-3)) @ vectors.T
    unit = np.sqrt(np.diagonal(fixed))
    return np.asarray(fixed / unit / unit[:, None])
