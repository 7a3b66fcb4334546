"""Functions of conductance as papers print them and as tables give them: polynomials, clipped logarithms, knots."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.records import ModelCard

Array = NDArray[np.float64]

_SMALLEST = np.finfo(float).tiny


def _nothing() -> Array:
    return np.empty(0)


@dataclass(frozen=True)
class Curve:
    """A function of normalised conductance x: a clipped law below the split, a polynomial from it on.

    Attributes
    ----------
    polynomial : ndarray
        Coefficients in ascending powers of x; used for x >= split.
    log : ndarray (4,) or empty
        a, b, low, high of clip(a·ln x + b, low, high); used for x < split.
    power : ndarray (3,) or empty
        q, p, high of min(q·x^-p, high); used for x < split where there is no `log`.
    split : float
        0 for a polynomial alone, infinite for a clipped law alone.

    Examples
    --------
    >>> Curve(np.array([1.0, 2.0])).at(np.array([0.0, 0.5])).tolist()
    [1.0, 2.0]
    >>> empty = np.empty(0)
    >>> Curve(empty, log=np.array([-1.0, 0.0, 0.1, 2.0]), split=np.inf).at(np.array([0.0, 1.0])).tolist()
    [2.0, 0.1]
    """

    polynomial: Array
    log: Array = field(default_factory=_nothing)
    power: Array = field(default_factory=_nothing)
    split: float = 0.0

    def at(self, x: Array) -> Array:
        """Return the value at normalised conductances x >= 0."""
        x = np.asarray(x, dtype=float)
        above = np.polynomial.polynomial.polyval(x, self.polynomial) if self.polynomial.size else np.zeros(x.shape)
        if self.split <= 0:
            return np.asarray(above)
        positive = np.maximum(x, _SMALLEST)
        if self.log.size:
            a, b, low, high = self.log
            below = np.clip(a * np.log(positive) + b, low, high)
        else:
            q, p, high = self.power
            with np.errstate(over="ignore"):
                below = np.minimum(q * positive**-p, high)
        return np.where(x < self.split, below, above)

    @classmethod
    def of(cls, card: ModelCard, name: str) -> Curve:
        """Read a curve from a card: `<name>_polynomial`, `<name>_log`, `<name>_power`, `<name>_split`."""
        polynomial, log, power = (_row(card, f"{name}_{part}") for part in ("polynomial", "log", "power"))
        clipped = bool(log.size or power.size)
        if not clipped and not polynomial.size:
            raise KeyError(f"{name}_polynomial")
        if clipped and polynomial.size:
            return cls(polynomial, log, power, float(card.values[f"{name}_split"]))
        return cls(polynomial, log, power, np.inf if clipped else 0.0)


@dataclass(frozen=True)
class Rows:
    """Several functions of conductance at once, one a row: polynomials, or values at knots with straight lines between.

    Attributes
    ----------
    coefficients : ndarray (row, power)
        Ascending powers of G/scale_S; empty where knots are given.
    scale_S : float
        Conductance at which a polynomial's argument is 1 [S].
    knots_S : ndarray (knot,)
        Conductances of the values [S], increasing; beyond them the end value holds.
    values : ndarray (row, knot)

    Examples
    --------
    >>> Rows(np.array([[1.0, 1.0], [0.0, 2.0]]), 1e-6).at(np.array([2e-6])).tolist()
    [[3.0], [4.0]]
    """

    coefficients: Array = field(default_factory=_nothing)
    scale_S: float = 1.0
    knots_S: Array = field(default_factory=_nothing)
    values: Array = field(default_factory=_nothing)

    def at(self, conductance_S: Array) -> Array:
        """Return (row, n) at conductances (n,) [S]."""
        if self.knots_S.size:
            return np.stack([np.interp(conductance_S, self.knots_S, row) for row in self.values])
        x = np.asarray(conductance_S, dtype=float) / self.scale_S
        return np.asarray(np.polynomial.polynomial.polyval(x, self.coefficients.T), dtype=float)

    @classmethod
    def of(cls, card: ModelCard, name: str) -> Rows | None:
        """Read rows from a card: `<name>_polynomial` with `g_scale_S`, or `<name>_knots` with `level_S`; else None.

        Raises
        ------
        BadInput
            As many knots as levels are needed.
        """
        if f"{name}_polynomial" in card.values:
            return cls(np.atleast_2d(card.array(f"{name}_polynomial")), float(card.values["g_scale_S"]))
        if f"{name}_knots" not in card.values:
            return None
        knots, values = _row(card, "level_S"), np.atleast_2d(card.array(f"{name}_knots"))
        if values.shape[1] != knots.size or np.any(np.diff(knots) <= 0):
            raise BadInput(
                f"card {card.name}: {name}_knots must have one value for each of {knots.size} increasing level_S "
                f"(got {values.shape[1]})"
            )
        return cls(knots_S=knots, values=values)


def _row(card: ModelCard, name: str) -> Array:
    """Return a value of a card as a one-dimensional array; empty where it is absent."""
    return np.atleast_1d(card.array(name)) if name in card.values else np.empty(0)
