"""One cell, one history: normal scores of a cell at several times, from a path of heavy-tailed steps.

A cell's change of conductance is described at every time by a distribution; its *score* is the place of the cell in
it. Scores at different times belong together. Measured histories are jumps: most cells stay, a few move far and stay
away, and a restless cell is restless at all times. So the scores are the ranks of a latent path

    S_k = step_1 + … + step_k,   step_j = Q_j(T_ν(X_j)),   X multivariate Student t (correlation R, ν)

with one step a time node, heavy-tailed quantile functions Q_j and a t-copula, whose shared chi-square is the
restlessness of the cell (Demarta & McNeil, Int. Stat. Rev. 73, 111 (2005)). Between two nodes a cell makes its step
in one jump, at a moment uniform in ln t; the distribution of S is then the mixture of the neighbours', so scores stay
exactly standard normal at every time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr

Array = NDArray[np.float64]

SCORE_GRID = np.linspace(-4.5, 4.5, 61)
"""Normal scores at which the distribution of the latent path is tabulated."""


@dataclass(frozen=True)
class History:
    """Joint law of a cell's normal scores over time.

    Attributes
    ----------
    times_s : ndarray (node,)
        Times of the nodes [s], increasing.
    step_quantiles : ndarray (node, len(SCORE_GRID))
        Quantiles of each latent step (dimensionless), at the probabilities of `SCORE_GRID`.
    correlation : ndarray (node, node)
        Correlation of the t-copula between steps.
    dof : float
        Degrees of freedom of the t-copula; infinite is Gaussian.
    path_quantiles : ndarray (node, len(SCORE_GRID))
        Quantiles of the latent path at each node, at the probabilities of `SCORE_GRID`.
    """

    times_s: Array
    step_quantiles: Array
    correlation: Array
    dof: float
    path_quantiles: Array

    @classmethod
    def frozen(cls, time_s: float) -> History:
        """One score for life: every time sees the cell at the same place of its distribution (a pure power law)."""
        identity = SCORE_GRID[None, :]
        return cls(np.array([time_s]), identity, np.eye(1), np.inf, identity)

    @property
    def is_frozen(self) -> bool:
        """Whether it is one standard normal score for life.

        >>> History.frozen(1.0).is_frozen
        True
        """
        return self.times_s.size == 1 and bool(
            np.array_equal(self.step_quantiles[0], SCORE_GRID) and np.array_equal(self.path_quantiles[0], SCORE_GRID)
        )

    @classmethod
    def calibrated(cls, times_s: Array, step_quantiles: Array, correlation: Array, dof: float, path: Array) -> History:
        """Build a history, the distribution of its path tabulated from drawn paths (node, n)."""
        return cls(times_s, step_quantiles, correlation, dof, np.quantile(path, ndtr(SCORE_GRID), axis=1).T)

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Draw the state of n cells, all that decides their scores at every time.

        Returns
        -------
        ndarray (2 · node, n)
            The latent path at the nodes, and where between two nodes each step is made (0 … 1).
        """
        normals = rng.standard_normal((self.times_s.size, n))
        chi_square = rng.chisquare(self.dof, n) if np.isfinite(self.dof) else np.ones(n)
        steps = latent_steps(self.step_quantiles, self.correlation, self.dof, normals, chi_square)
        return np.concatenate([np.cumsum(steps, axis=0), rng.random(steps.shape)])

    def score(self, state: Array, time_s: float) -> Array:
        """Return the standard normal scores (n,) at one time [s] of cells with the given state (2 · node, n)."""
        path, jump_at = np.split(state, 2)
        k = int(np.clip(np.searchsorted(self.times_s, time_s, side="right") - 1, 0, self.times_s.size - 1))
        if k == self.times_s.size - 1 or time_s <= self.times_s[k]:
            return self.rank(path[k], k)
        weight = np.log(time_s / self.times_s[k]) / np.log(self.times_s[k + 1] / self.times_s[k])
        now = np.where(jump_at[k + 1] < weight, path[k + 1], path[k])
        mixed = (1 - weight) * ndtr(self.rank(now, k)) + weight * ndtr(self.rank(now, k + 1))
        return np.asarray(ndtri(mixed))

    def rank(self, path: Array, node: int) -> Array:
        """Return the normal score of a path value within the distribution of one node."""
        return np.interp(path, self.path_quantiles[node], SCORE_GRID)

    def scores(self, times_s: Array, n: int, rng: np.random.Generator) -> Array:
        """Draw the normal scores of n cells at the given times.

        Parameters
        ----------
        times_s : ndarray (time,)
            Times [s], any order, from the first node on; after the last node a cell keeps its score.
        n : int
            Number of cells.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray (time, n)
            Standard normal at each time, dependent between times.

        Examples
        --------
        >>> history = History.frozen(20.0)
        >>> z = history.scores(np.array([20.0, 1e6]), 3, np.random.default_rng(0))
        >>> bool(np.allclose(z[0], z[1]))
        True
        """
        state = self.draw(n, rng)
        return np.stack([self.score(state, float(time)) for time in times_s]) if len(times_s) else np.empty((0, n))


def latent_steps(step_quantiles: Array, correlation: Array, dof: float, normals: Array, chi_square: Array) -> Array:
    """Return latent steps (node, n) from independent standard normals (node, n) and chi-squares of `dof` (n,)."""
    x = np.linalg.cholesky(correlation) @ normals
    if np.isfinite(dof):
        x = x / np.sqrt(chi_square / dof)
        tail = np.maximum(stdtr(dof, -np.abs(x)), 1e-300)
        x = -np.sign(x) * ndtri(tail)
    return np.stack([np.interp(row, SCORE_GRID, quantiles) for row, quantiles in zip(x, step_quantiles, strict=True)])
