"""Mean and σ of a sample from what a table tells of it: moments, or quantiles, with 90 % intervals.

A row of mean and σ of n cells is a sufficient statistic of a normal sample: the intervals are Student's and χ². A row
of quantiles says how many of the n cells lie between each two: the likelihood is that of counts in bins, of a normal
law or, where that describes the counts better, of two populations. Its intervals come from the Fisher information of
such counts in (mean, ln σ).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import chi2, t

from nvmphys.fit.cells import quantile_columns
from nvmphys.population.mixture import mixture_moments, mixture_probability

Array = NDArray[np.float64]

LEVEL = 0.9
"""Confidence of the intervals."""
FEWEST_QUANTILES = 5
_Z = 1.6448536269514722
_LARGEST_SHARE = 0.49
"""Largest share of the tail population: more would be the core."""
_GAIN = 6.0
"""What ln L must gain for two populations in place of one: twice Akaike's three parameters."""


@dataclass(frozen=True)
class Estimate:
    """Mean and σ with 90 % intervals; of the core where there is a tail population.

    Attributes
    ----------
    mean_S, sigma_S : tuple of float
        Value, low, high [S].
    tail : tuple of float
        Share [1], mean [S] and σ [S] of the tail population; share 0 without one.
    """

    mean_S: tuple[float, float, float]
    sigma_S: tuple[float, float, float]
    tail: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def whole(self) -> tuple[float, float]:
        """Mean and σ of both populations together [S]."""
        mean, sigma = mixture_moments(self.tail[0], (self.mean_S[0], self.sigma_S[0]), self.tail[1:])
        return float(mean), float(sigma)


def estimate(row: pd.Series, *, tail: bool = False) -> Estimate:
    """Estimate mean and σ from one row of a summary: from quantiles where it has five or more, else from its moments.

    Parameters
    ----------
    row : pandas.Series
        count, mean_S, sigma_S, and quantiles q_<probability> [S].
    tail : bool
        Try a second population in the tail.

    Examples
    --------
    >>> row = pd.Series({"count": 100, "mean_S": 5e-6, "sigma_S": 1e-6})
    >>> [float(f"{x:.3g}") for x in estimate(row).sigma_S]
    [1e-06, 8.96e-07, 1.13e-06]
    """
    names, probabilities = quantile_columns(row.to_frame().T)
    quantiles = row[names].to_numpy(dtype=float) if names else np.empty(0)
    known = np.isfinite(quantiles)
    if known.sum() < FEWEST_QUANTILES or quantiles[known][0] == quantiles[known][-1]:
        return _from_moments(float(row["count"]), float(row["mean_S"]), float(row["sigma_S"]))
    return _from_quantiles(float(row["count"]), probabilities[known], quantiles[known], tail)


def _from_moments(n: float, mean: float, sigma: float) -> Estimate:
    """Return mean and σ with Student's and the χ² interval; unbounded for a single cell."""
    if n < 2:
        return Estimate((mean, -np.inf, np.inf), (sigma, 0.0, np.inf))
    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * sigma / np.sqrt(n)
    low, high = (float(sigma * np.sqrt((n - 1) / chi2.ppf(p, n - 1))) for p in ((1 + LEVEL) / 2, (1 - LEVEL) / 2))
    return Estimate((mean, mean - half, mean + half), (sigma, low, high))


def _from_quantiles(n: float, probabilities: Array, quantiles: Array, tail: bool) -> Estimate:
    """Return the most likely normal law, or two populations, in units of the sample's own middle and width."""
    last = np.append(quantiles[1:] > quantiles[:-1], True)
    count = n * np.diff(np.concatenate([[0.0], probabilities[last], [1.0]]))
    low, middle, high = np.interp([0.16, 0.5, 0.84], probabilities, quantiles)
    width = float(high - low) / 2 if high > low else float(quantiles[-1] - quantiles[0])
    bounds = (quantiles[last] - middle) / width
    best, top = _most_likely(bounds, count, np.zeros(2))
    if tail:
        start = np.concatenate([best, [logit(0.05 / _LARGEST_SHARE), best[0], np.log(2.0)]])
        mixed, better = _most_likely(bounds, count, start)
        if better - top > _GAIN:
            best = mixed
    variance = np.diagonal(np.linalg.pinv(_information(best, bounds, count)))[:2]
    half = _Z * np.sqrt(variance)
    mean = middle + width * (best[0] + half[0] * np.array([0.0, -1.0, 1.0]))
    sigma = width * np.exp(best[1] + half[1] * np.array([0.0, -1.0, 1.0]))
    apart = (0.0, 0.0, 0.0)
    if best.size > 2:
        away, wide = middle + width * best[3], width * np.exp(best[1]) * (1 + np.exp(best[4]))
        apart = (_LARGEST_SHARE * float(expit(best[2])), float(away), float(wide))
    return Estimate(_three(mean), _three(sigma), apart)


def _three(values: Array) -> tuple[float, float, float]:
    value, low, high = (float(x) for x in values)
    return value, low, high


def _most_likely(bounds: Array, count: Array, start: Array) -> tuple[Array, float]:
    """Return the parameters of the highest likelihood, and ln L there."""
    options = {"xatol": 1e-6, "fatol": 1e-8, "maxiter": 5000, "maxfev": 5000}
    found = minimize(lambda p: -_log_likelihood(p, bounds, count), start, method="Nelder-Mead", options=options)
    return found.x, -float(found.fun)


def _log_likelihood(parameters: Array, bounds: Array, count: Array) -> float:
    """Return ln L of counts in bins."""
    return float(count @ np.log(np.maximum(_bins(parameters, bounds), 1e-300)))


def _information(parameters: Array, bounds: Array, count: Array) -> Array:
    """Return the Fisher information of counts in bins: n Σ ∂p ∂p' / p, derivatives by central differences."""
    step = 1e-4 * np.eye(parameters.size)
    slopes = np.array([(_bins(parameters + h, bounds) - _bins(parameters - h, bounds)) / 2e-4 for h in step])
    probability = np.maximum(_bins(parameters, bounds), 1e-12)
    return np.asarray(count.sum() * (slopes / probability) @ slopes.T)


def _bins(parameters: Array, bounds: Array) -> Array:
    """Return the probability of each bin between -∞, the bounds and ∞.

    The parameters are mean, ln σ and, of the tail population, the logit of its share, its mean, ln(σ'/σ - 1).
    """
    mean, sigma = parameters[0], np.exp(parameters[1])
    share, away, wide = 0.0, mean, sigma
    if parameters.size > 2:
        share, away = _LARGEST_SHARE * expit(parameters[2]), parameters[3]
        wide = sigma * (1 + np.exp(parameters[4]))
    below = mixture_probability(bounds, share, (mean, sigma), (away, wide))
    above = mixture_probability(-bounds, share, (-mean, sigma), (-away, wide))
    # each bin from the side where the difference does not cancel
    rising = np.diff(np.concatenate([[0.0], below, [1.0]]))
    falling = -np.diff(np.concatenate([[1.0], above, [0.0]]))
    return np.where(np.append(bounds, np.inf) <= mean, rising, falling)
