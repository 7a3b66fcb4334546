"""σ of four conductance levels by the shape factor that reliability studies of DNN accelerators use.

For levels L0 … L3 of a weight range and a shape factor s (public configurations of such studies):

    σ_edge = σ / √(0.4 s² + 0.6),   σ_mid = s·σ_edge;   'mid' holds where 0.25 < |w|/max < 0.75

so that σ is the root mean square over the levels in the proportions 0.4 and 0.6. σ is a share of the range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.history import History
from nvmphys.population.law import Extra, Plain, extras_of, positive_programmed
from nvmphys.records import ModelCard

Array = NDArray[np.float64]

NAME = "level_shape"


@dataclass(frozen=True)
class LevelShape(Plain):
    """σ as programmed, of edge levels and of middle ones, as share of the range.

    Attributes
    ----------
    sigma_of_range : float
        σ [1], share of the range.
    shape_factor : float
        s = σ_mid / σ_edge [1].
    """

    sigma_of_range: float
    shape_factor: float
    level_range_S: tuple[float, float]
    first_time_s: float = 0.0
    time_range_s: tuple[float, float] = (0.0, 0.0)
    extras: Mapping[str, Extra] = field(default_factory=dict)
    coordinate: Coordinate = field(default_factory=lambda: Coordinate("linear"))
    level_is_programmed: bool = False
    extrapolates: bool = False
    value_parts: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "programmed": ("sigma_of_range", "shape_factor", "g_max_S"),
        "change": (),
        "history": (),
    }

    @property
    def history(self) -> History:
        """Nothing changes after programming."""
        return History.frozen(1.0)

    def default_targets(self, n: int) -> Array:
        """Return about n targets [S], with the steps of σ between two that are close."""
        low, high = self.level_range_S
        steps = low + (high - low) * (np.array([0.25, 0.75])[:, None] + np.array([0.0, 1e-6]) * [[1], [-1]])
        return np.union1d(super().default_targets(n), steps)

    def programming_sigma(self, target_S: Array) -> Array:
        """Return σ as programmed [S].

        Examples
        --------
        >>> law = LevelShape(0.01, 4.0, (0.0, 1.0))
        >>> law.programming_sigma(np.array([0.0, 0.5])).round(4).tolist()
        [0.0038, 0.0151]
        """
        low, high = self.level_range_S
        edge = self.sigma_of_range / np.sqrt(0.4 * self.shape_factor**2 + 0.6)
        x = (np.asarray(target_S, dtype=float) - low) / (high - low)
        return (high - low) * np.where((x > 0.25) & (x < 0.75), self.shape_factor * edge, edge)

    def programmed(self, target_S: Array, z: Array) -> Array:
        """Return target + error [S] at normal score z; below zero stands at zero."""
        return positive_programmed(target_S + self.programming_sigma(target_S) * z)

    def change(self, level_S: Array, time_s: float, z: Array, extrapolate: bool = False) -> Array:
        """Refuse: nothing is said of the time after programming."""
        raise BadInput(f"time must be 0 s (as programmed; got {time_s:g} s): these σ have no time in them")


def from_card(card: ModelCard) -> LevelShape:
    """Build the law from a card's values."""
    return LevelShape(
        sigma_of_range=float(card.values["sigma_of_range"]),
        shape_factor=float(card.values["shape_factor"]),
        level_range_S=(0.0, float(card.values["g_max_S"])),
        extras=extras_of(card),
    )
