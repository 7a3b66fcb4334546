"""Baselines for rows of any experiment: what one would say of a condition without a model, each with its own spread.

The conditions that are known are reduced to their means. The spread of a baseline is the scatter of repeats, and at
conditions that are new what it is off by where every fourth of the known ones is foretold from the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nvmphys.errors import BadInput
from nvmphys.fit.baselines import along_lines, gaussian_process, spline
from nvmphys.fit.conditions import same

Array = NDArray[np.float64]
Foretell = Callable[[Array, Array, Array], Array]
"""Numbers at places asked for (asked,), from places (condition, axis) and numbers there; NaN where it cannot tell."""

PER_CONDITION = "Gaussian per condition"
"""Name of the baseline that tells conditions it has seen, on other devices."""
MOST_PLACES = 150
"""Conditions that a Gaussian process is fitted to: more are thinned evenly."""
_EVERY = 4
_FEWEST = 8
"""Conditions from which a baseline's spread is learned by foretelling some."""


@dataclass(frozen=True, eq=False)
class Foretold:
    """Numbers foretold for rows, and the standard deviation of what is measured around them.

    Attributes
    ----------
    mean : ndarray (row,)
        NaN where nothing is foretold.
    sigma : ndarray (row,)
    """

    mean: Array
    sigma: Array


def _nearest(known: Array, numbers: Array, asked: Array) -> Array:
    return numbers[cKDTree(known).query(asked)[1]]


def _spline(known: Array, numbers: Array, asked: Array) -> Array:
    """Go along the axis along which most of what is asked can be told."""
    best = np.full(len(asked), np.nan)
    for axis in range(known.shape[1]):
        if np.ptp(known[:, axis]) == 0:
            continue
        found = along_lines(spline, axis, known, numbers, asked)
        if np.isfinite(found).sum() > np.isfinite(best).sum():
            best = found
    return best


def _process(known: Array, numbers: Array, asked: Array) -> Array:
    thin = np.unique(np.linspace(0, len(known) - 1, min(len(known), MOST_PLACES)).round().astype(int))
    return gaussian_process(known[thin], numbers[thin], starts=2)(asked)


BASELINES: Mapping[str, Foretell] = {"nearest condition": _nearest, "spline": _spline, "Gaussian process": _process}
"""Baselines that foretell conditions from others."""


def foretold(name: str, at: pd.DataFrame, measured: Array, known: NDArray[np.bool_]) -> Foretold:
    """Return what a baseline says of the rows that are not known.

    Parameters
    ----------
    name : str
        One of `BASELINES`.
    at : DataFrame
        The conditions of all rows (`nvmphys.fit.conditions.places`).
    measured : ndarray (row,)
    known : ndarray of bool (row,)

    Raises
    ------
    BadInput
        Nothing varies among the rows, or too few conditions are known.
    """
    scaled = _scaled(at)
    if scaled.shape[1] == 0 or not known.any():
        raise BadInput(f"{name}: nothing varies from row to row")
    places, means, within = _conditions(scaled[known], measured[known])
    asked = scaled[~known]
    off = np.zeros(1)
    if len(places) >= _FEWEST:
        out = np.arange(len(places)) % _EVERY == 1
        off = BASELINES[name](places[~out], means[~out], places[out]) - means[out]
        off = off[np.isfinite(off)]
    beyond = float(np.sqrt(np.mean(off**2))) if off.size else 0.0
    told = BASELINES[name](places, means, np.concatenate([asked, places]))
    again = told[len(asked) :] - means
    own = float(np.sqrt(np.nanmean(again**2))) if np.isfinite(again).any() else 0.0
    apart = cKDTree(places).query(asked)[0]
    sigma = np.hypot(within, np.where(apart > 0, max(beyond, own), own))
    return Foretold(told[: len(asked)], np.maximum(sigma, 1e-12))


def gaussian_per_condition(at: pd.DataFrame, measured: Array, known: NDArray[np.bool_]) -> Foretold:
    """Return mean and standard deviation of the known rows of the same condition; NaN where there are none."""
    groups = same(at)
    rows = pd.DataFrame({"group": groups[known], "y": measured[known]}).groupby("group")["y"]
    mean, sigma, pooled = rows.mean(), rows.std(), float(np.sqrt(rows.var().mean()))
    asked = groups[~known]
    spread = sigma.reindex(asked).to_numpy(dtype=float)
    return Foretold(mean.reindex(asked).to_numpy(dtype=float), np.where(spread > 0, spread, max(pooled, 1e-12)))


def pure_error(at: pd.DataFrame, measured: Array) -> tuple[float, int]:
    """Return the standard deviation of repeats around their conditions' means and its degrees of freedom.

    >>> sigma, free = pure_error(pd.DataFrame({"pulse_voltage_V": [1.0, 1.0, 2.0]}), np.array([0.0, 2.0, 5.0]))
    >>> round(sigma, 3), free
    (1.414, 1)
    """
    groups = pd.Series(measured).groupby(same(at))
    free = len(measured) - groups.ngroups
    squares = float(((measured - groups.transform("mean")) ** 2).sum())
    return (float(np.sqrt(squares / free)), free) if free > 0 else (float("nan"), 0)


def _scaled(at: pd.DataFrame) -> Array:
    """Return the conditions that vary, each over its range."""
    rows = at.to_numpy(dtype=float)
    rows = np.where(np.isfinite(rows), rows, np.nanmedian(rows, axis=0) if len(rows) else 0.0)
    spans = np.ptp(rows, axis=0)
    moving = spans > 0
    return np.round((rows[:, moving] - rows[:, moving].min(axis=0)) / spans[moving], 6)


def _conditions(places: Array, measured: Array) -> tuple[Array, Array, float]:
    """Return each condition's place and mean, and the standard deviation of repeats; 0 without any."""
    unique, which, counts = np.unique(places, axis=0, return_inverse=True, return_counts=True)
    means = np.bincount(which.ravel(), measured) / counts
    free = len(measured) - len(unique)
    squares = float(((measured - means[which.ravel()]) ** 2).sum())
    return unique, means, float(np.sqrt(squares / free)) if free else 0.0
