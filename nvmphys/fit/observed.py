"""What a fit of device physics compares: measured rows of an experiment and what a model says of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.ndimage import gaussian_filter1d

from nvmphys.fit.identify import Problem, Values, coordinate, value_at
from nvmphys.parameters import Parameter

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Together:
    """How rows of one device scatter together around what is expected of all devices.

    Attributes
    ----------
    group : ndarray of int (row,)
        The device: rows of different ones are independent.
    place : ndarray of int (row,)
        Which row and column of the covariance is a row's.
    covariance : ndarray (place, place)
        With `own`, the variance of the rows is 1 on average.
    own : float
        Variance of each row beside that, in the same unit.
    scale : float
        Standard deviation that was foretold where the variance is 1, in the quantity.
    """

    group: NDArray[np.int64]
    place: NDArray[np.int64]
    covariance: Array
    own: float
    scale: float

    def whitened(self, rows: Array) -> Array:
        """Return rows (row, …) as independent ones, of variance 1 on average where theirs is that covariance.

        >>> pair = Together(np.zeros(2, dtype=int), np.arange(2), np.array([[1.0, 0.6], [0.6, 1.0]]), 0.0, 1.0)
        >>> pair.whitened(np.array([1.0, 1.4])).round(6).tolist()
        [1.0, 1.0]
        """
        out = np.empty(rows.shape)
        for mine, root in self._roots:
            out[mine] = solve_triangular(root, rows[mine], lower=True)
        return out

    @functools.cached_property
    def telling(self) -> NDArray[np.bool_]:
        """Rows (row,) that tell how large the scatter is: more is left of it, those before known, than `own` noise."""
        out = np.zeros(self.group.size, dtype=bool)
        for mine, root in self._roots:
            out[mine] = np.diagonal(root) ** 2 > 2 * self.own
        return out

    @functools.cached_property
    def _roots(self) -> list[tuple[NDArray[np.int64], NDArray[np.floating]]]:
        """Rows of each device, and the Cholesky factor of their covariance."""
        known, out = dict[bytes, NDArray[np.floating]](), []
        for group in np.unique(self.group):
            mine = np.flatnonzero(self.group == group)
            at = self.place[mine]
            if at.tobytes() not in known:
                joint = self.covariance[np.ix_(at, at)] + self.own * np.eye(at.size)
                known[at.tobytes()] = np.linalg.cholesky(joint)
            out.append((mine, known[at.tobytes()]))
        return out

    @property
    def sigma(self) -> Array:
        """Standard deviation of each row (row,), 1 on average."""
        return np.asarray(np.sqrt(np.diagonal(self.covariance)[self.place] + self.own))

    def only(self, chosen: NDArray[np.bool_]) -> Together:
        """Return the scatter of some of the rows."""
        return replace(self, group=self.group[chosen], place=self.place[chosen])


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
    together : Together or None
        How rows scatter together, where they do.
    repeats : ndarray (row,) or None
        Rows of the measurement that each stands for, where they are the medians of conditions; 1 each without.
    settle : callable or None
        The same experiment with what only values can say of it, `together` among that, from the values of all
        parameters.
    """

    experiment: str
    table: pd.DataFrame
    quantity: str
    measured: Array
    predict: Callable[[Values], Array]
    slopes: Callable[[Values, Sequence[str]], Array] | None = None
    noise: float = float("nan")
    legs: NDArray[np.int64] | None = None
    together: Together | None = None
    repeats: Array | None = None
    settle: Callable[[Values], Observed] | None = None

    def independent(self, rows: Array) -> Array:
        """Return residuals or slopes (row, …) as those of rows that scatter independently and alike."""
        if self.repeats is not None:
            rows = rows * np.sqrt(self.repeats).reshape(-1, *[1] * (rows.ndim - 1))
        return rows if self.together is None else self.together.whitened(rows)

    @property
    def sigma(self) -> Array:
        """Standard deviation of each row (row,), in units of `noise`."""
        return np.ones(self.measured.size) if self.together is None else self.together.sigma

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


_STEP = 1e-3
"""Step of a difference, of the range between a parameter's bounds."""


def differenced(o: Observed, parameters: Sequence[Parameter]) -> Observed:
    """Return an experiment whose slopes are differences: nothing is compiled for them.

    They serve to see what the data tell of, not to fit by.
    """
    own = {p.name: p for p in parameters}

    def slopes(values: Values, names: Sequence[str]) -> Array:
        columns = []
        for name in names:
            at = coordinate(own[name], max(float(values[name]), 1e-300))
            ends = [value_at(own[name], min(max(at + side * _STEP, 0.0), 1.0)) for side in (1, -1)]
            high, low = (o.predict({**values, name: end}) for end in ends)
            columns.append((high - low) / (ends[0] - ends[1]))
        return np.stack(columns, axis=1)

    return replace(o, slopes=slopes)


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
            [
                o.independent(o.blurred(o.measured - o.predict(every), blur)) / w
                for o, w in zip(observed, weights, strict=True)
            ]
        )

    def jacobian(values: Values) -> Array:
        every = {**fixed, **values}
        parts = [
            o.independent(o.blurred(-o.slopes(every, names), blur)) / w
            for o, w in zip(observed, weights, strict=True)
            if o.slopes is not None
        ]
        return np.concatenate(parts)

    known = all(np.isfinite(o.noise) for o in observed)
    with_slopes = all(o.slopes is not None for o in observed)
    return Problem(tuple(free), residuals, jacobian if with_slopes else None, noise_known=known)


def weighed(observed: Sequence[Observed], values: Values, fitted: Sequence[str] = ()) -> list[Observed]:
    """Return the experiments, settled, with the noise that is left over at these values, where it was not known.

    What the `fitted` parameters took from the residuals is given back: to each experiment the share that it has in
    telling them, or to all alike where one has no slopes.
    """
    settled = [o if o.settle is None else o.settle(values) for o in observed]
    left = [o.independent(o.measured - o.predict(values)) for o in settled]
    sizes = np.array(
        [max(float(np.sqrt(np.mean(rows[_telling(o)] ** 2))), 1e-300) for o, rows in zip(settled, left, strict=True)]
    )
    known = np.array([o.noise for o in settled])
    noises = np.where(np.isfinite(known), known, sizes)
    grown = _given_back(settled, values, fitted, noises)
    return [
        o if np.isfinite(o.noise) else replace(o, noise=float(size * more))
        for o, size, more in zip(settled, sizes, grown, strict=True)
    ]


def _telling(o: Observed) -> NDArray[np.bool_]:
    """Return the rows that tell the size of the noise: all, where none or no scatter is larger than a row's own."""
    some = np.ones(o.measured.size, dtype=bool) if o.together is None else o.together.telling
    return some if some.any() else ~some


def _given_back(observed: Sequence[Observed], values: Values, fitted: Sequence[str], noises: Array) -> Array:
    """Return by how much residuals of each experiment were larger before `fitted` parameters were fitted to them."""
    chosen = [_telling(o) for o in observed]
    rows = np.array([mask.sum() for mask in chosen], dtype=float)
    taken = len(fitted) * rows / rows.sum()
    if fitted and len(observed) > 1 and all(o.slopes is not None for o in observed):
        parts = [o.independent(o.slopes(values, fitted)) / n for o, n in zip(observed, noises, strict=True) if o.slopes]
        every = np.concatenate(parts)
        sizes = np.linalg.norm(every, axis=0)
        basis = np.linalg.qr(every[:, sizes > 0] / sizes[sizes > 0])[0]
        ends = np.cumsum([mask.size for mask in chosen])
        shares = zip(np.split(basis, ends[:-1]), chosen, strict=True)
        taken = np.array([float((part[mask] ** 2).sum()) for part, mask in shares])
    return np.sqrt(rows / np.maximum(rows - taken, 1.0))
