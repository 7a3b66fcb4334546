"""What a law says of given cells: weighted conductances by quadrature, their quantiles, and bands against time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from nvmphys.population import CellLaw
from nvmphys.population.relaxation import EXTRAPOLATIONS, RelaxationLaw

Array = NDArray[np.float64]

BAND = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
"""Probabilities of the bands and of the markers over them."""
AHEAD = 100.0
"""How far bands go beyond the longest time known, as a factor."""

_SCORES = np.linspace(-5, 5, 121)
_WEIGHTS = np.exp(-(_SCORES**2) / 2) / np.sum(np.exp(-(_SCORES**2) / 2))
_STARTS = ndtri((np.arange(12) + 0.5) / 12)
"""Normal scores of equal weight over the conductances as programmed."""
_TIMES_PER_DECADE = 5


@dataclass(frozen=True)
class Start:
    """Cells as programmed: conductances of equal weight [S], and the levels [S] that their changes follow."""

    programmed_S: Array
    level_S: Array

    @classmethod
    def of_cells(cls, law: CellLaw, first_S: Array, target_S: float) -> Start:
        """Stand for measured cells of one level by quantiles of their first reads."""
        programmed = np.quantile(first_S, ndtr(_STARTS))
        return cls(programmed, programmed if law.level_is_programmed else np.full(_STARTS.size, target_S))

    @classmethod
    def of_target(cls, law: CellLaw, target_S: float) -> Start:
        """Stand for cells that the law programs to a target."""
        target = np.full(_STARTS.size, target_S)
        programmed = law.programmed(target, _STARTS)
        return cls(programmed, programmed if law.level_is_programmed else target)


@dataclass(frozen=True)
class Weighted:
    """Values with probabilities: a distribution by quadrature."""

    values: Array
    weight: Array

    def quantiles(self, probability: Array) -> Array:
        """Return the quantiles at the given probabilities."""
        order = np.argsort(self.values)
        weight = self.weight[order]
        return np.interp(probability, np.cumsum(weight) - 0.5 * weight, self.values[order])

    @property
    def sigma(self) -> float:
        """Standard deviation."""
        return float(np.sqrt(self.weight @ (self.values - self.weight @ self.values) ** 2))


def later(law: CellLaw, start: Start, time_s: float) -> Weighted:
    """Return the conductances [S] at a time, the law extrapolated where it has to be."""
    level, programmed = np.repeat(start.level_S, _SCORES.size), np.repeat(start.programmed_S, _SCORES.size)
    change = law.change(level, time_s, np.tile(_SCORES, start.level_S.size), extrapolate=True)
    return Weighted(
        law.coordinate.moved(programmed, change), np.tile(_WEIGHTS, start.level_S.size) / start.level_S.size
    )


def changed(law: CellLaw, start: Start, time_s: float) -> Weighted:
    """Return the changes of conductance since programming [S] at a time."""
    at = later(law, start, time_s)
    return Weighted(at.values - np.repeat(start.programmed_S, _SCORES.size), at.weight)


@dataclass(frozen=True)
class Bands:
    """Quantiles `BAND` of the conductance against time, and how candidate laws of the spread go on.

    Attributes
    ----------
    level_S : ndarray (level,)
        Target, or mean first read, of each level drawn [S].
    programmed_S : ndarray (level, 5)
        Quantiles as programmed [S].
    time_s, quantiles_S : ndarray (time,), (level, time, 5)
        Dense times [s], and the law's quantiles [S].
    known_until_s : float
        Longest time behind the law [s]; what lies beyond is extrapolated.
    candidates : mapping of str to ndarray (level, time ahead, 5)
        Quantiles [S] by each candidate law of the spread, at the times `ahead`.
    """

    level_S: Array
    programmed_S: Array
    time_s: Array
    quantiles_S: Array
    known_until_s: float
    candidates: Mapping[str, Array]

    @property
    def ahead(self) -> NDArray[np.bool_]:
        """Which times are extrapolated; the longest known is the first of them."""
        return self.time_s >= self.known_until_s


def bands(law: CellLaw, level_S: Array, starts: Sequence[Start], until_s: float | None = None) -> Bands:
    """Compute the bands of cells with the given starts, one for each level, from the law's first time on."""
    first, last = law.time_range_s
    first = max(first, 1e-3 * last) if first <= 0 else first
    until = max(AHEAD * last, until_s or 0.0)
    known = _log_times(first, last)
    time = np.concatenate([known, _log_times(known[-1], until)[1:]])

    def quantiles(of: CellLaw, times: Array) -> Array:
        return np.array([[later(of, start, float(t)).quantiles(BAND) for t in times] for start in starts])

    candidates = {}
    if isinstance(law, RelaxationLaw):  # so far the only law whose spread beyond its data is a choice
        ahead = time[time >= last]
        candidates = {name: quantiles(replace(law, extrapolation=name), ahead) for name in EXTRAPOLATIONS}
    programmed = np.array([np.quantile(start.programmed_S, BAND) for start in starts])
    return Bands(level_S, programmed, time, quantiles(law, time), last, candidates)


def _log_times(first_s: float, last_s: float) -> Array:
    """Return times even in ln t, both ends included; one time where they are the same."""
    if last_s <= first_s:
        return np.array([first_s])
    n = max(2, round(_TIMES_PER_DECADE * np.log10(last_s / first_s)) + 1)
    times = np.geomspace(first_s, last_s, n)
    times[[0, -1]] = first_s, last_s
    return times
