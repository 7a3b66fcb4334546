"""What a law on a grid of conditions has to beat: nearest condition, straight line, spline, Gaussian process.

All predict a number (the median of lg R, say) at conditions that were left out from the same number at the others. The
first three go along one axis, that on which conditions were left out, line by line of the other axes; the Gaussian
process takes all axes at once. It is written out here, on scipy, because it is needed wherever models are compared:
for one fit of three lengths and a noise, a machine-learning package would be a heavy requirement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from nvmphys.errors import BadInput

Array = NDArray[np.float64]
Along = Callable[[Array, Array, Array], Array]
"""From places, numbers there and places asked for to numbers (NaN where it cannot tell), on one line of the grid."""


def nearest_below(places: Array, numbers: Array, asked: Array) -> Array:
    """Return the number at the next lower place, of the lowest where there is none lower."""
    return np.asarray(numbers[np.maximum(np.searchsorted(places, asked) - 1, 0)])


def nearest_above(places: Array, numbers: Array, asked: Array) -> Array:
    """Return the number at the next higher place; NaN where there is none."""
    right = np.searchsorted(places, asked)
    return np.where(right < places.size, numbers[np.minimum(right, places.size - 1)], np.nan)


def straight_line(places: Array, numbers: Array, asked: Array) -> Array:
    """Return the values of the straight line through all places; NaN for fewer than two."""
    if places.size < 2:
        return np.full(asked.shape, np.nan)
    return np.asarray(np.polyval(np.polyfit(places, numbers, 1), asked))


def spline(places: Array, numbers: Array, asked: Array) -> Array:
    """Return the monotone cubic spline, continued beyond its ends; NaN for fewer than two places."""
    if places.size < 2:
        return np.full(asked.shape, np.nan)
    return np.asarray(PchipInterpolator(places, numbers, extrapolate=True)(asked))


ALONG: Mapping[str, Along] = {
    "nearest condition, below": nearest_below,
    "nearest condition, above": nearest_above,
    "straight line": straight_line,
    "spline": spline,
}


def along_lines(how: Along, axis: int, places: Array, numbers: Array, asked: Array) -> Array:
    """Predict along one axis of a grid, line by line.

    Parameters
    ----------
    how : callable
        One of `ALONG`.
    axis : int
        The axis along which conditions were left out.
    places : ndarray (condition, axis)
    numbers : ndarray (condition,)
    asked : ndarray (asked, axis)

    Returns
    -------
    ndarray (asked,)
        NaN where a line holds no other condition, or the way cannot tell.

    Examples
    --------
    >>> grid = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    >>> along_lines(straight_line, 0, grid, np.array([1.0, 2, 5, 5]), np.array([[2.0, 0], [2, 1]])).round(6)
    array([3., 5.])
    """
    others = [k for k in range(places.shape[1]) if k != axis]
    lines: dict[bytes, list[int]] = {}
    for k, row in enumerate(places[:, others]):
        lines.setdefault(np.ascontiguousarray(row).tobytes(), []).append(k)
    out = np.full(len(asked), np.nan)
    for k, row in enumerate(asked):
        mine = lines.get(np.ascontiguousarray(row[others]).tobytes())
        if mine:
            mine = sorted(mine, key=lambda i: places[i, axis])
            out[k] = how(places[mine, axis], numbers[mine], row[axis : axis + 1])[0]
    return out


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """A smooth surface through numbers with noise: squared-exponential covariance, a length for each axis.

    Attributes
    ----------
    places : ndarray (place, axis)
    weights : ndarray (place,)
        Of the covariances to the places, over the mean.
    mean : float
    lengths : ndarray (axis,)
    height, noise : float
        Standard deviations of the surface and of the numbers around it.
    log_likelihood : float
    """

    places: Array
    weights: Array
    mean: float
    lengths: Array
    height: float
    noise: float
    log_likelihood: float

    def __call__(self, asked: Array) -> Array:
        """Return the surface (asked,) at places (asked, axis)."""
        return self.mean + self.height**2 * _covariance(asked, self.places, self.lengths) @ self.weights


def gaussian_process(places: Array, numbers: Array, starts: int = 3) -> GaussianProcess:
    """Fit the lengths, height and noise of highest likelihood.

    Parameters
    ----------
    places : ndarray (place, axis)
    numbers : ndarray (place,)
    starts : int, optional
        Starts of the optimiser: lengths of 1, 0.3 and 0.1 of the axes.

    Raises
    ------
    BadInput
        Fewer than three places.

    References
    ----------
    Rasmussen & Williams, Gaussian Processes for Machine Learning, MIT Press 2006, algorithm 2.1 and equation 5.9.

    Examples
    --------
    >>> x = np.linspace(0, 6, 25)[:, np.newaxis]
    >>> surface = gaussian_process(x, np.sin(x[:, 0]))
    >>> bool(abs(surface(np.array([[2.1]]))[0] - np.sin(2.1)) < 1e-3)
    True
    """
    if len(places) < 3:
        raise BadInput(f"a Gaussian process needs at least 3 conditions (got {len(places)})")
    spans = np.ptp(places, axis=0)
    moving = spans > 0
    mean, size = float(numbers.mean()), max(float(numbers.std()), 1e-12)
    scaled = (places[:, moving] - places[:, moving].min(axis=0)) / spans[moving]
    squares = (scaled[:, np.newaxis] - scaled) ** 2
    y = (numbers - mean) / size
    bounds = [(np.log(0.01), np.log(30.0))] * scaled.shape[1] + [(np.log(0.03), np.log(30.0)), (np.log(1e-4), 0.5)]
    best = None
    for length in (1.0, 0.3, 0.1)[:starts]:
        begin = np.array([np.log(length)] * scaled.shape[1] + [0.0, np.log(0.1)])
        found = minimize(_cost, begin, args=(squares, y), jac=True, method="L-BFGS-B", bounds=bounds)
        best = found if best is None or found.fun < best.fun else best
    assert best is not None
    lengths = np.full(spans.size, np.inf)
    lengths[moving] = np.exp(best.x[:-2]) * spans[moving]
    height, noise = np.exp(best.x[-2:])
    kernel = height**2 * np.exp(-0.5 * squares @ np.exp(-2 * best.x[:-2])) + noise**2 * np.eye(y.size)
    weights = cho_solve(cho_factor(kernel, lower=True), y) / size
    own = -float(best.fun) - y.size * np.log(size)
    return GaussianProcess(places, weights, mean, lengths, float(height) * size, float(noise) * size, own)


def _covariance(first: Array, second: Array, lengths: Array) -> Array:
    """Return exp(-½ Σ (distance/length)²) (first, second)."""
    apart = (first / lengths)[:, np.newaxis] - (second / lengths)
    return np.asarray(np.exp(-0.5 * (apart**2).sum(axis=-1)))


def _cost(at: Array, squares: Array, y: Array) -> tuple[float, Array]:
    """Return -ln L and its slopes by the logarithms of lengths, height and noise."""
    inverse_squares, height, noise = np.exp(-2 * at[:-2]), np.exp(2 * at[-2]), np.exp(2 * at[-1])
    smooth = height * np.exp(-0.5 * squares @ inverse_squares)
    factor = cho_factor(smooth + noise * np.eye(y.size), lower=True)
    alpha = cho_solve(factor, y)
    lack = cho_solve(factor, np.eye(y.size)) - np.outer(alpha, alpha)
    value = 0.5 * y @ alpha + np.log(np.diagonal(factor[0])).sum() + 0.5 * y.size * np.log(2 * np.pi)
    inner = lack * smooth
    by_lengths = 0.5 * np.einsum("ij,ijk->k", inner, squares) * inverse_squares
    return float(value), np.concatenate([by_lengths, [inner.sum(), noise * np.trace(lack)]])
