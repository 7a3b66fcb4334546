"""Programmed conductance as tables: quantiles by target, of any shape, and of the change since where it is known.

    as programmed   G = target + E(target; z),   E by its quantiles
    at time t       ln G(t) = ln G + C(target, t; z'),   C by its quantiles

Quantiles are linear in the target between targets, in the normal score between probabilities, and those of the change
in ln t between times; nothing is said beyond. So an acceptance window cuts as sharply as it did, and cells that
missed it are there. A cell keeps its score z' for life.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from nvmphys.errors import BadInput
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.history import History
from nvmphys.population.law import Extra, Plain, extras_of
from nvmphys.records import ModelCard

Array = NDArray[np.float64]

NAME = "programmed"


@dataclass(frozen=True)
class ProgrammedLaw(Plain):
    """Quantile tables of programming and of the change since.

    Attributes
    ----------
    level_S : ndarray (target,)
        Targets [S], increasing.
    probability : ndarray (probability,)
    error_S : ndarray (target, probability)
        Quantiles of the conductance as programmed less the target [S].
    first_time_s : float
        When the conductance stands as programmed [s].
    times_s : ndarray (time,)
        Later times [s]; empty where only the programmed conductance is known.
    log_change : ndarray (time, target, probability)
        Quantiles of ln G(t)/G [1].
    programming_correlation : float
        Correlation between a cell's score at programming and its score of change [1].
    """

    level_S: Array
    probability: Array
    error_S: Array
    first_time_s: float
    times_s: Array
    log_change: Array
    programming_correlation: float = 0.0
    extras: Mapping[str, Extra] = field(default_factory=dict)
    coordinate: Coordinate = field(default_factory=lambda: Coordinate("log"))
    level_is_programmed: bool = False
    extrapolates: bool = False
    value_parts: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "programmed": ("programmed_",),
        "change": ("change_",),
        "history": ("history_",),
        "read_noise": (),
    }

    @property
    def level_range_S(self) -> tuple[float, float]:
        """Lowest and highest target [S]."""
        return float(self.level_S[0]), float(self.level_S[-1])

    @property
    def time_range_s(self) -> tuple[float, float]:
        """First and last time known [s]."""
        if not self.times_s.size:
            return self.first_time_s, self.first_time_s
        return self.first_time_s if self.first_time_s > 0 else float(self.times_s[0]), float(self.times_s[-1])

    @property
    def history(self) -> History:
        """Keep one score of change for life."""
        return History.frozen(float(self.times_s[0]) if self.times_s.size else 1.0)

    def default_targets(self, n: int) -> Array:
        """Return the targets that were programmed [S], however many they are."""
        return self.level_S

    def programmed(self, target_S: Array, z: Array) -> Array:
        """Return target + error [S] at normal score z."""
        return np.asarray(target_S + self._at(self.error_S, target_S, z))

    def change(self, level_S: Array, time_s: float, z: Array, extrapolate: bool = False) -> Array:
        """Return ln G(t)/G [1] at normal score z of cells with targets `level_S`."""
        if not self.times_s.size:
            raise BadInput(
                f"time must be {self.first_time_s:g} s (as programmed; got {time_s:g} s): nothing is known of the time "
                "after programming"
            )
        times, tables = self.times_s, self.log_change
        if self.first_time_s > 0:
            times = np.append(self.first_time_s, times)
            tables = np.concatenate([np.zeros((1, *tables.shape[1:])), tables])
        place = float(np.interp(np.log(time_s), np.log(times), np.arange(times.size)))
        low = min(int(place), max(times.size - 2, 0))
        high = min(low + 1, times.size - 1)
        return self._at(tables[low] + (place - low) * (tables[high] - tables[low]), level_S, z)

    def _at(self, table: Array, target_S: Array, z: Array) -> Array:
        """Interpolate a table (target, probability) at targets and scores; the outermost quantiles hold."""
        target, z = np.broadcast_arrays(np.asarray(target_S, dtype=float), np.asarray(z, dtype=float))
        column = np.interp(z, ndtri(self.probability), np.arange(self.probability.size))
        row = np.interp(target, self.level_S, np.arange(self.level_S.size))
        left = np.minimum(column.astype(int), max(self.probability.size - 2, 0))
        low = np.minimum(row.astype(int), max(self.level_S.size - 2, 0))
        right, up = np.minimum(left + 1, self.probability.size - 1), np.minimum(low + 1, self.level_S.size - 1)
        across, along = column - left, row - low
        below, above = (table[k, left] + across * (table[k, right] - table[k, left]) for k in (low, up))
        return np.asarray(below + along * (above - below))


def from_card(card: ModelCard) -> ProgrammedLaw:
    """Build the law from a card's values.

    Raises
    ------
    BadInput
        Targets or probabilities that do not increase, tables of another shape.
    """
    level, probability = np.atleast_1d(card.array("level_S")), np.atleast_1d(card.array("probability"))
    for name, axis in (("level_S", level), ("probability", probability)):
        if axis.size == 0 or np.any(np.diff(axis) <= 0):
            raise BadInput(f"card {card.name}: {name} must increase (got {axis.size} values)")
    quantiles = np.atleast_2d(card.array("programmed_quantiles"))
    times, change = np.empty(0), np.empty((0, level.size, probability.size))
    if "change_quantiles" in card.values:
        times, change = np.atleast_1d(card.array("time_s")), card.array("change_quantiles")
    shape = (level.size, probability.size)
    for name, table, wanted in (
        ("programmed_quantiles", quantiles, shape), ("change_quantiles", change, (times.size, *shape)),
    ):  # fmt: skip
        if table.shape != wanted:
            raise BadInput(f"card {card.name}: {name} must have the shape {wanted} (got {table.shape})")
    return ProgrammedLaw(
        level_S=level,
        probability=probability,
        error_S=quantiles - level[:, None],
        first_time_s=float(card.validity["programmed_at_s"]),
        times_s=times,
        log_change=change,
        programming_correlation=float(card.values.get("change_correlation", 0.0)),
        extras=extras_of(card),
    )
