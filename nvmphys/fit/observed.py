"""What a fit of device physics compares: measured rows of an experiment and what a model says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from nvmphys.fit.identify import Problem, Values
from nvmphys.parameters import Parameter

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Observed:
    """Rows of one experiment in the quantity that is fitted.

    Attributes
    ----------
    experiment : str
    table : DataFrame
        A row each: the conditions (columns of a tidy measurement), with `device_id` where devices are told apart.
    quantity : str
        What is compared, with its unit, as on an axis: "log10 of current [A]".
    measured : ndarray (row,)
    predict : callable
        The same of the model (row,), from the values of all its parameters.
    slopes : callable or None
        d(prediction)/d(value) (row, parameter) from the values and the names of parameters.
    noise : float
        Size of the noise in the quantity, by which the fit weighs the rows; NaN where it is not known.
    legs : ndarray of int (row,)
        Number of the stretch along which a row follows the one before, as in a sweep; -1 where rows stand alone.
    """

    experiment: str
    table: pd.DataFrame
    quantity: str
    measured: Array
    predict: Callable[[Values], Array]
    slopes: Callable[[Values, Sequence[str]], Array] | None = None
    noise: float = float("nan")
    legs: NDArray[np.int64] | None = None

    def blurred(self, rows: Array, share: float) -> Array:
        """Return rows (row, …) smoothed along each stretch by a Gaussian, as wide as a share of it.

        An abrupt switch that comes too early or too late is then a difference that grows with how much.
        """
        if self.legs is None or share == 0:
            return rows
        out = rows.astype(float)
        for leg in np.unique(self.legs[self.legs >= 0]):
            own = self.legs == leg
            out[own] = gaussian_filter1d(rows[own], share * own.sum(), axis=0, mode="nearest")
        return out


Told = Callable[[Values, tuple[str, ...]], tuple[Array, Array]]
"""Prediction (row,) and its slopes (row, parameter), from the values of all parameters and the names of some."""


class Remembered:
    """Prediction and slopes made once at the same values, for a fit that asks for one after the other."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._names: tuple[str, ...] = ()
        self._last: tuple[tuple[object, ...], tuple[Array, Array]] | None = None

    def predict(self, values: Values) -> Array:
        """Return the prediction (row,), as of `Observed`."""
        return self._at(values)[0]

    def slopes(self, values: Values, names: Sequence[str]) -> Array:
        """Return its slopes (row, parameter), as of `Observed`."""
        self._names = tuple(names)
        return self._at(values)[1]

    def _at(self, values: Values) -> tuple[Array, Array]:
        key = (self._names, *values.items())
        if self._last is None or self._last[0] != key:
            self._last = key, self._told(values, self._names)
        return self._last[1]


def problem_of(
    observed: Sequence[Observed], free: Sequence[Parameter], fixed: Mapping[str, float], blur: float = 0.0
) -> Problem:
    """Return the residuals of all experiments together, each over its noise, smoothed along sweeps by `blur`.

    Where an experiment's noise is not known it counts as 1: give experiments of different quantities their noise, or
    weigh them with `weighed`.
    """
    weights = [1.0 if np.isnan(o.noise) else o.noise for o in observed]
    names = [parameter.name for parameter in free]

    def residuals(values: Values) -> Array:
        every = {**fixed, **values}
        return np.concatenate(
            [o.blurred(o.measured - o.predict(every), blur) / w for o, w in zip(observed, weights, strict=True)]
        )

    def jacobian(values: Values) -> Array:
        every = {**fixed, **values}
        parts = [
            o.blurred(-o.slopes(every, names), blur) / w
            for o, w in zip(observed, weights, strict=True)
            if o.slopes is not None
        ]
        return np.concatenate(parts)

    known = all(np.isfinite(o.noise) for o in observed)
    with_slopes = all(o.slopes is not None for o in observed)
    return Problem(tuple(free), residuals, jacobian if with_slopes else None, noise_known=known)


def weighed(observed: Sequence[Observed], values: Values, fitted: int = 0) -> list[Observed]:
    """Return the experiments with the noise that is left over at these values, where it was not known.

    What `fitted` parameters took from the residuals is given back to all alike.
    """
    rows = sum(o.measured.size for o in observed)
    grown = np.sqrt(rows / max(rows - fitted, 1))
    return [
        o
        if np.isfinite(o.noise)
        else replace(o, noise=max(float(grown * np.sqrt(np.mean((o.measured - o.predict(values)) ** 2))), 1e-300))
        for o in observed
    ]
