"""Two populations under one law: most cells in a core, a few in a tail that fails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import elementwise
from scipy.special import log_ndtr, ndtr

Array = NDArray[np.float64]


_EQUAL = 1e-12
"""Share of the larger σ below which two quantiles are one."""
Pair = tuple[Array | float, Array | float]
"""Mean and σ of a population, in one unit."""


def mixture_quantile(z: Array, weight: Array, core: Pair, tail: Pair) -> Array:
    """Return the quantile, at normal score z, of a mixture of two normal distributions.

        P(X <= x) = (1 - w)·Φ((x - m)/s) + w·Φ((x - m')/s')

    Parameters
    ----------
    z : ndarray
        Standard normal score [1] of the probability; all arguments are broadcast.
    weight : ndarray
        Share w of the tail population [1], 0 … 1.
    core, tail : (mean, sigma)
        Of the two populations, in one unit; sigma > 0 where its weight is.

    Returns
    -------
    ndarray
        x, increasing in z.

    Examples
    --------
    >>> x = mixture_quantile(np.array([0.0, 3.0]), 0.01, (0.0, 1.0), (0.0, 10.0))
    >>> bool(x[0] == 0.0), bool(x[1] > 9.0)
    (True, True)
    """
    z, weight, m, s, m_tail, s_tail = np.broadcast_arrays(z, weight, *core, *tail)
    one, other = m + s * z, m_tail + s_tail * z
    low, high = np.minimum(one, other), np.maximum(one, other)
    pure = (weight <= 0) | (weight >= 1) | (high - low <= _EQUAL * np.maximum(s, s_tail))
    out = np.where(weight >= 1, other, one)
    mixed = ~pure
    if mixed.any():
        arguments = tuple(a[mixed] for a in (z, weight, m, s, m_tail, s_tail))
        margin = _EQUAL * np.maximum(s, s_tail)[mixed]
        root = elementwise.find_root(_excess, (low[mixed] - margin, high[mixed] + margin), args=arguments)
        out = out.astype(float)
        out[mixed] = root.x
    return np.asarray(out, dtype=float)


def _excess(x: Array, z: Array, weight: Array, m: Array, s: Array, m_tail: Array, s_tail: Array) -> Array:
    """Return what rises with x and is zero at the quantile: the log ratio of CDFs, of upper tails where z > 0."""
    side = np.where(z > 0, -1.0, 1.0)
    log_cdf = np.logaddexp(
        np.log1p(-weight) + log_ndtr(side * (x - m) / s), np.log(weight) + log_ndtr(side * (x - m_tail) / s_tail)
    )
    return side * (log_cdf - log_ndtr(side * z))


def mixture_moments(weight: Array | float, core: Pair, tail: Pair) -> tuple[Array, Array]:
    """Return mean and σ of a mixture of two populations.

    >>> [float(x) for x in mixture_moments(0.5, (-1.0, 0.0), (1.0, 0.0))]
    [0.0, 1.0]
    """
    (m, s), (m_tail, s_tail) = (tuple(np.asarray(part, dtype=float) for part in pair) for pair in (core, tail))
    mean = (1 - weight) * m + weight * m_tail
    variance = (1 - weight) * (s**2 + (m - mean) ** 2) + weight * (s_tail**2 + (m_tail - mean) ** 2)
    return mean, np.sqrt(variance)


def mixture_probability(x: Array, weight: Array | float, core: Pair, tail: Pair) -> Array:
    """Return P(X <= x) of a mixture of two normal distributions (see :func:`mixture_quantile`)."""
    (m, s), (m_tail, s_tail) = core, tail
    return np.asarray((1 - weight) * ndtr((x - m) / s) + weight * ndtr((x - m_tail) / s_tail))
