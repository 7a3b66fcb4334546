"""Two populations under one law: most cells in a core, a few in a tail that fails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import elementwise
from scipy.special import log_ndtr, ndtr

Array = NDArray[np.float64]


def mixture_quantile(z: Array, weight: Array, core: tuple[Array, Array], tail: tuple[Array, Array]) -> Array:
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
    pure = (weight <= 0) | (weight >= 1) | (low == high)
    out = np.where(weight >= 1, other, one)
    mixed = ~pure
    if mixed.any():
        arguments = tuple(a[mixed] for a in (z, weight, m, s, m_tail, s_tail))
        # in the upper half the upper tails are compared, so that nothing cancels
        root = elementwise.find_root(_excess, (low[mixed], high[mixed]), args=arguments)
        out = out.astype(float)
        out[mixed] = root.x
    return np.asarray(out, dtype=float)


def _excess(x: Array, z: Array, weight: Array, m: Array, s: Array, m_tail: Array, s_tail: Array) -> Array:
    """Return a function that rises with x and is zero at the quantile: the log ratio of CDFs, or of upper tails."""
    side = np.where(z > 0, -1.0, 1.0)
    log_cdf = np.logaddexp(
        np.log1p(-weight) + log_ndtr(side * (x - m) / s), np.log(weight) + log_ndtr(side * (x - m_tail) / s_tail)
    )
    return side * (log_cdf - log_ndtr(side * z))


def mixture_probability(x: Array, weight: Array, core: tuple[Array, Array], tail: tuple[Array, Array]) -> Array:
    """Return P(X <= x) of a mixture of two normal distributions (see :func:`mixture_quantile`)."""
    (m, s), (m_tail, s_tail) = core, tail
    return (1 - weight) * ndtr((x - m) / s) + weight * ndtr((x - m_tail) / s_tail)
