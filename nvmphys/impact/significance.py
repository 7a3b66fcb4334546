"""Whether two sets of accuracies differ: Welch's test with its confidence interval, and Holm's correction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """Mean of a first sample less that of a second.

    Attributes
    ----------
    mean, low, high : float
        The difference and its 95 % confidence interval.
    p : float
        Two-sided, of no difference.
    """

    mean: float
    low: float
    high: float
    p: float


def welch(first: Array, second: Array) -> Difference:
    """Compare two means without taking the spreads for equal.

    Two samples that do not vary at all differ for certain (p = 0) or not at all (p = 1).

    Parameters
    ----------
    first, second : ndarray (n,), (m,)
        At least two values each.

    Notes
    -----
    B. L. Welch, "The generalization of 'Student's' problem when several different population variances are involved",
    Biometrika 34, 28 (1947), doi:10.1093/biomet/34.1-2.28.

    Examples
    --------
    >>> round(welch(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 9.0])).p, 2)
    0.28
    """
    gap = float(first.mean() - second.mean())
    parts = np.array([first.var(ddof=1) / first.size, second.var(ddof=1) / second.size])
    error = float(np.sqrt(parts.sum()))
    if error < 1e-12:  # identical values, up to rounding
        return Difference(gap, gap, gap, float(abs(gap) < 1e-9))
    freedom = parts.sum() ** 2 / (parts**2 / np.array([first.size - 1, second.size - 1])).sum()
    half = float(student.ppf(0.975, freedom)) * error
    return Difference(gap, gap - half, gap + half, float(2 * student.sf(abs(gap) / error, freedom)))


def holm(p: ArrayLike) -> Array:
    """Return p values corrected for having made so many tests, in their order; dependence between tests may be any.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6, 65 (1979).

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(values.size, 0, -1))
    out = np.empty_like(values)
    out[order] = np.minimum(stepped, 1.0)
    return out
