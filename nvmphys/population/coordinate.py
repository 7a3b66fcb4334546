"""Coordinates in which a change of conductance adds to what was programmed, and conductance stays positive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import BadInput

Array = NDArray[np.float64]

KINDS = ("floored", "linear", "log")
_NOTHING = 1e-3
"""A floored conductance counts as at least this share of the floor, so that a read of zero stays finite."""


@dataclass(frozen=True)
class Coordinate:
    """A monotone map y(G) of conductance; changes are differences of y.

    - ``log``: y = ln G [1]; a change is a factor, as in a power law. G = 0 stays 0.
    - ``linear``: y = G [S]; a change is a difference, and a cell that would fall below zero stands at zero.
    - ``floored``: y = G - floor²/G [S]; well above the floor a change is a difference of conductance, near zero it
      becomes ever harder to fall further. Back: G = (y + √(y² + 4 floor²))/2 > 0.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    floor_S : float
        Conductance below which falling gets hard [S]; of the floored kind only, where it must be > 0.

    Examples
    --------
    >>> y = Coordinate("floored", 1e-6)
    >>> float(y.conductance(y.of(np.array([5e-6])) - 20e-6)[0]) > 0
    True
    """

    kind: str
    floor_S: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadInput(f"coordinate must be one of {', '.join(KINDS)} (got {self.kind!r})")
        if self.kind == "floored" and not self.floor_S > 0:
            raise BadInput(f"floor must be > 0 S (got {self.floor_S:g} S): a floored coordinate needs one")

    @property
    def unit(self) -> str:
        """Unit of the coordinate."""
        return "1" if self.kind == "log" else "S"

    def of(self, conductance_S: Array) -> Array:
        """Return the coordinate of a conductance [S]."""
        if self.kind == "log":
            positive = np.maximum(conductance_S, np.finfo(float).tiny)
            return np.where(conductance_S > 0, np.log(positive), -np.inf)
        if self.kind == "linear":
            return np.asarray(conductance_S, dtype=float)
        seen = np.maximum(conductance_S, _NOTHING * self.floor_S)
        return np.asarray(seen - self.floor_S**2 / seen)

    def conductance(self, y: Array) -> Array:
        """Return the conductance [S] at a coordinate: the inverse of `of`."""
        if self.kind == "log":
            return np.exp(y)
        if self.kind == "linear":
            return np.maximum(y, 0.0)
        root = np.hypot(y, 2 * self.floor_S)
        # for y < 0 the sum cancels; its product with the conjugate does not
        return np.where(y > 0, 0.5 * (y + root), 2 * self.floor_S**2 / (root + np.abs(y)))

    def moved(self, conductance_S: Array, change: Array) -> Array:
        """Return conductances [S] after a change of the coordinate."""
        return self.conductance(self.of(conductance_S) + change)
