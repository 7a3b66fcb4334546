"""Does a model fit? Its errors at conditions that it has not seen against what repeats of a condition scatter by.

Of each condition counts the median m of what was measured less foretold, over its standard error s from the condition's
own repeats, drawn towards that of all conditions. The mean of (m/s)² over the conditions is set against the same of
repeats: of every condition so many rows are drawn with replacement from its own, around its own median. So no shape of
the scatter is assumed, nor that it is the same everywhere. The model fits if such draws are as far off in 2 of 100 or
more (`UNLIKELY`), or if what it is off by is small beside the scatter whatever its significance: with 95 % confidence
it adds less than 5 % to the error of a single row (`MARGIN`).

Where rows of one unit, as a ramp, lie in several conditions and are no independent repeats, and where nothing was
measured twice, an F test of the conditions' mean errors takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from nvmphys.fit.conditions import places, smooth_noise
from nvmphys.fit.observed import Observed
from nvmphys.fit.row_baselines import pure_error

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

UNLIKELY = 0.02
"""p value of the misfit below which a model does not fit, if the misfit is not small as well."""
MARGIN = 0.32
"""Misfit over the scatter of single rows up to which a model fits all the same: √(1 + 0.32²) = 1.05."""
FEWEST = 5
"""Repeats of a condition from which it is drawn from its own rows; with fewer, from those of all conditions."""
FINEST = 1e-4
"""Least scatter that is reckoned with, of the standard deviation of all that was measured."""
BAD, LARGE = 3.0, 0.1
"""Residuals over the scatter of repeats, and over the spread of all that was measured, from which a fit is bad."""
_SHARED = 4.0
"""Degrees of freedom that the scatter of all conditions counts for in that of one."""
_DRAWS = 400
_SURE = 0.95
_MEDIAN = np.pi / 2
"""Variance of the median of many normal numbers over that of their mean."""


@dataclass(frozen=True)
class Misfit:
    """What the errors of a model say.

    Attributes
    ----------
    misfit : float
        Root mean square of the conditions' errors beyond what repeats make of them, over the scatter of single rows.
    at_most : float
        Upper end of that, with 95 % confidence; NaN from the F test.
    p : float
        Probability of errors as large where the model is true.
    fits : bool
    """

    misfit: float
    at_most: float
    p: float
    fits: bool


def scatter(observed: Sequence[Observed]) -> tuple[float, int]:
    """Return the scatter of repeats of all experiments together, and its degrees of freedom.

    Where nothing was measured twice it is that around a smooth course of the rows.
    """
    found = [pure_error(places(o.experiment, o.table), o.measured) for o in observed]
    if not any(free for _, free in found):
        found = [smooth_noise(o) for o in observed]
    free = sum(each[1] for each in found)
    squares = sum(sigma**2 * n for sigma, n in found if n)
    finest = FINEST * float(np.std(np.concatenate([o.measured for o in observed])))
    return (max(float(np.sqrt(squares / free)), finest), free) if free else (float("nan"), 0)


def said_of_misfit(observed: Sequence[Observed], values: Mapping[str, float]) -> list[str]:
    """Say where a fit leaves residuals far beyond what the data scatter by, a sentence for each such experiment."""
    said = []
    for o in observed:
        noise, free = scatter([o])
        left = float(np.sqrt(np.mean((o.measured - o.predict(values)) ** 2)))
        if free and left > BAD * noise and left > LARGE * float(np.std(o.measured)):
            unit = "decade" if o.quantity.startswith("log10") else f"in {o.quantity}"
            said.append(
                f"the fit is bad: it leaves {left:.2g} {unit} (rms) in {o.experiment}, where the data scatter by "
                f"{noise:.2g}. The model, or the parameters that are free, do not describe the data, and intervals "
                "do not hold"
            )
    return said


def of_repeats(error: Array, condition: Counts, rng: np.random.Generator) -> Misfit:
    """Return what errors at conditions with independent repeats say of a model.

    Parameters
    ----------
    error : ndarray (row,)
        Measured less foretold.
    condition : array_like (row,)
        Rows of the same number are repeats.
    rng : numpy.random.Generator

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> scatter, condition = 0.2 * rng.standard_normal(600), np.repeat(np.arange(30), 20)
    >>> of_repeats(scatter, condition, rng).fits, of_repeats(scatter + 0.1 * (condition % 3), condition, rng).fits
    (True, False)
    """
    padded, count = _padded(np.asarray(error, dtype=float), np.asarray(condition, dtype=np.int64))
    middle = _medians(padded, count)
    around = padded - middle[:, np.newaxis]
    free = float((count - 1).sum())
    pooled = float(np.nansum(around**2)) / max(free, 1.0)
    own, enough = np.nansum(around**2, axis=1), count >= FEWEST
    told = _studentised(middle, own, count, pooled)
    others = around[np.isfinite(around)] * np.sqrt(around[np.isfinite(around)].size / max(free, 1.0))
    drawn, drawn_middle = np.empty(_DRAWS), np.empty((_DRAWS, count.size))
    grown = np.sqrt(count / np.maximum(count - 1, 1))[:, np.newaxis]
    for k in range(_DRAWS):
        at = np.floor(rng.random(padded.shape) * count[:, np.newaxis]).astype(np.int64)
        again = np.where(enough[:, np.newaxis], np.take_along_axis(around * grown, at, axis=1),
                         rng.choice(others, padded.shape))  # fmt: skip
        again = np.where(np.isfinite(padded), again, np.nan)
        drawn_middle[k] = _medians(again, count)
        squares = np.nansum((again - drawn_middle[k][:, np.newaxis]) ** 2, axis=1)
        drawn[k] = np.mean(_studentised(drawn_middle[k], squares, count, pooled) ** 2)
    p = float((1 + (drawn >= np.mean(told**2)).sum()) / (1 + _DRAWS))
    beyond = middle**2 - (drawn_middle**2).mean(axis=0)
    spread = beyond[rng.integers(0, beyond.size, (_DRAWS, beyond.size))].mean(axis=1)
    size = max(np.sqrt(pooled), 1e-300)
    misfit, at_most = (float(np.sqrt(max(x, 0.0)) / size) for x in (beyond.mean(), np.quantile(spread, _SURE)))
    return Misfit(misfit, at_most, p, p >= UNLIKELY or (at_most <= MARGIN and count.size >= FEWEST))


def _padded(error: Array, condition: Counts) -> tuple[Array, Counts]:
    """Return errors by condition (condition, repeat), NaN where there are fewer, and how many there are."""
    place = np.unique(condition, return_inverse=True)[1].ravel()
    order = np.argsort(place, kind="stable")
    count = np.bincount(place).astype(np.int64)
    rank = np.arange(error.size) - np.repeat(np.cumsum(count) - count, count)
    padded = np.full((count.size, int(count.max())), np.nan)
    padded[place[order], rank] = error[order]
    return padded, count


def _medians(padded: Array, count: Counts) -> Array:
    """Return the median of each row's numbers, NaN aside."""
    ordered = np.sort(padded, axis=1)  # NaN last
    rows = np.arange(count.size)
    return np.asarray((ordered[rows, (count - 1) // 2] + ordered[rows, count // 2]) / 2)


def _studentised(middle: Array, squares: Array, count: Counts, pooled: float) -> Array:
    """Return medians over their standard errors, of a scatter drawn towards that of all conditions."""
    variance = (squares + _SHARED * pooled) / (count - 1 + _SHARED)
    return np.asarray(middle / np.sqrt(np.maximum(_MEDIAN * variance / count, 1e-300)))


def by_f_test(error: pd.Series, groups: list[pd.Series], noise: float, free: int) -> Misfit:
    """Return what the mean errors of conditions say against a known scatter of so many degrees of freedom."""
    by = error.groupby(groups)
    n, mean = by.size(), by.mean()
    square = float((n * mean**2).sum() / len(n))
    p = float(f_distribution.sf(square / max(noise, 1e-300) ** 2, len(n), free))
    misfit = float(np.sqrt(max(square - noise**2, 0.0) / n.mean()) / max(noise, 1e-300))
    return Misfit(misfit, float("nan"), p, bool(p >= UNLIKELY or misfit <= MARGIN))
