"""Tempered Johnson S_U law: a skewed, heavy-tailed distribution with closed-form quantiles.

Changes of conductance have a narrow core (most cells hardly move) and tails that a Student or Johnson S_U law
overstates at the 1e-3 level. With a standard normal score z the law is

    h = z / (1 + (z/c)^4)^(1/8)                        tempering: h ~ z in the core, h ~ sqrt(c·z) far out
    x = scale · (location + sinh((h - skew) / tail))   Johnson S_U (Johnson, Biometrika 36, 149 (1949))

and back, in closed form too,

    h = skew + tail · asinh(x/scale - location)
    z = h · exp(asinh(q/2)/4),   q = (h/c)^4

so sampling, quantiles, scores and densities are all one line; c → ∞ is Johnson's S_U, tail → ∞ a Gaussian.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

Array = NDArray[np.float64]

PARAMETERS = ("location", "log_scale", "skew", "log_tail", "log_temper")

_FARTHEST = 1e37
"""Bound of h/c: no fit ends near it, but a line search may step beyond, and q² must not overflow there."""


class Shape(NamedTuple):
    """Parameters of the law, broadcast against the data; the logarithms keep scale, tail and temper positive."""

    location: Array
    """Centre in units of the scale [1]."""
    log_scale: Array
    """ln of the scale; the scale has the unit of x."""
    skew: Array
    """Asymmetry: the score at which x = location·scale [1]."""
    log_tail: Array
    """ln of the tail index [1]: the smaller the index, the heavier the tails."""
    log_temper: Array
    """ln of the score beyond which tails thin out [1]."""


class Score(NamedTuple):
    """Normal score of x, ln dz/dx, and the derivatives of both with respect to the five parameters (first axis)."""

    z: Array
    log_slope: Array
    z_gradient: Array
    log_slope_gradient: Array


def quantile(z: Array, shape: Shape) -> Array:
    """Return x at standard normal score z.

    Parameters
    ----------
    z : ndarray
        Standard normal scores [1], broadcast against the shape.
    shape : Shape

    Returns
    -------
    ndarray
        x in the unit of the scale.

    Examples
    --------
    >>> shape = Shape(*np.array([0.0, np.log(2e-7), 0.0, np.log(0.8), np.log(2.0)]))
    >>> bool(np.isclose(normal_score(quantile(2.5, shape), shape), 2.5))
    True
    """
    temper = np.exp(shape.log_temper)
    h = z / (1 + (z / temper) ** 4) ** 0.125
    return np.exp(shape.log_scale) * (shape.location + np.sinh((h - shape.skew) / np.exp(shape.log_tail)))


def _tempered(x: Array, shape: Shape) -> tuple[Array, Array, Array, Array]:
    """Return y = x/scale - location, asinh(y), h and q = (h/c)^4."""
    y = x * np.exp(-shape.log_scale) - shape.location
    arc = np.arcsinh(y)
    h = shape.skew + np.exp(shape.log_tail) * arc
    ratio = np.clip(h * np.exp(-shape.log_temper), -_FARTHEST, _FARTHEST)
    return y, arc, h, ratio**4


def normal_score(x: Array, shape: Shape) -> Array:
    """Return the standard normal score of x [1]; its normal CDF is the law's CDF."""
    _, _, h, q = _tempered(x, shape)
    return h * np.exp(np.arcsinh(q / 2) / 4)


def score(x: Array, shape: Shape) -> Score:
    """Return the normal score of x, its log slope, and their exact gradients (order of `PARAMETERS`)."""
    y, arc, h, q = _tempered(x, shape)
    tail = np.exp(shape.log_tail)
    root = np.sqrt(q * q + 4)
    bend = q / root
    stretch = np.exp(np.arcsinh(q / 2) / 4)
    z = h * stretch
    z_by_h = stretch * (1 + bend)
    # d ln(dz/dh) / d ln q, times four: the chain through q = (h/c)^4
    steepening = bend + 16 * bend / root / root / (1 + bend)
    log_slope_by_h = np.divide(steepening, h, out=np.zeros_like(q), where=h != 0)
    hypotenuse = np.hypot(1, y)
    h_by_y = tail / hypotenuse
    log_slope = np.log(z_by_h) + shape.log_tail - np.log(hypotenuse) - shape.log_scale

    slope_by_y = log_slope_by_h * h_by_y - y / hypotenuse**2
    z_by_y = z_by_h * h_by_y
    y_by_log_scale = -(y + shape.location)
    z_gradient = np.stack([-z_by_y, z_by_y * y_by_log_scale, z_by_h, z_by_h * tail * arc, -z * bend])
    log_slope_gradient = np.stack(
        [
            -slope_by_y,
            slope_by_y * y_by_log_scale - 1,
            log_slope_by_h,
            log_slope_by_h * tail * arc + 1,
            -steepening,
        ]
    )
    return Score(z, log_slope, z_gradient, log_slope_gradient)


def log_density(x: Array, shape: Shape) -> tuple[Array, Array]:
    """Return ln p(x) and its gradient with respect to the five parameters (first axis)."""
    s = score(x, shape)
    value = s.log_slope - 0.5 * s.z**2 - 0.5 * np.log(2 * np.pi)
    return value, s.log_slope_gradient - s.z * s.z_gradient


def log_interval_probability(low: Array, high: Array, shape: Shape) -> tuple[Array, Array]:
    """Return ln P(low < x <= high) and its gradient (first axis); bounds may be infinite.

    This is what a table of quantiles says about a law: the likelihood of counts between its entries.
    """
    z_low, z_high, g_low, g_high = _bound(low, shape, -np.inf), _bound(high, shape, np.inf), None, None
    (a, g_low), (b, g_high) = z_low, z_high
    # the difference of two CDFs, taken in the tail where it does not cancel
    flip = a > 0
    upper = np.where(flip, log_ndtr(-a), log_ndtr(b))
    lower = np.where(flip, log_ndtr(-b), log_ndtr(a))
    probability = np.exp(upper) * -np.expm1(np.minimum(lower - upper, -1e-15))
    probability = np.maximum(probability, 1e-300)
    density = [np.exp(-0.5 * np.minimum(np.abs(z), 38.0) ** 2) / np.sqrt(2 * np.pi) for z in (a, b)]
    gradient = (density[1] * g_high - density[0] * g_low) / probability
    return np.log(probability), gradient


def _bound(x: Array, shape: Shape, infinite: float) -> tuple[Array, Array]:
    """Return score and score gradient at interval bounds, with ±infinity where x is infinite."""
    finite = np.isfinite(x)
    s = score(np.where(finite, x, 0.0), shape)
    return np.where(finite, s.z, infinite), np.where(finite, s.z_gradient, 0.0)


def cumulative(x: Array, shape: Shape) -> Array:
    """Return P(X <= x)."""
    return ndtr(normal_score(x, shape))
