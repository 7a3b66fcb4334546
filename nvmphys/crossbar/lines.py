"""Resistances of parallel lines: one for all, one per line or one per segment, expanded to every branch of a line.

A line of k cells has k + 1 branches, counted from its near end, where it is driven or sensed::

    terminal ──(end + segment 0)── cell 0 ──(segment 1)── cell 1 ── … ── cell k-1 ──(segment k + far end)── terminal

An infinite resistance is no branch: an end that is joined to nothing, or a broken segment.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.errors import BadInput

MIN_RESISTANCE_OHM, MAX_RESISTANCE_OHM = 1e-9, 1e30
"""A resistance is 0, infinite or between these, a conductance 0 or between their reciprocals: those stay finite, and
ngspice (which replaces a resistor below 1e-12 ohm in silence) keeps the value."""


def numbers(name: str, values: ArrayLike) -> np.ndarray:
    """Return a new float array of `values`, or say that they are no numbers.

    >>> numbers("v", [1, 2])
    array([1., 2.])
    """
    try:
        return np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{name} must be real numbers (got {type(values).__name__}: {error})") from error


def check_conductance(values: ArrayLike) -> np.ndarray:
    """Return the conductances of the cells as a frozen copy, (word_line, bit_line) [S].

    >>> check_conductance([[1e-4, 0]]).shape
    (1, 2)
    """
    conductance = numbers("conductance_S", values)
    if conductance.ndim != 2 or conductance.size == 0:
        raise BadInput(
            f"conductance_S must be a matrix (word_line, bit_line) with at least one cell "
            f"(got shape {conductance.shape}): one row per word line, one column per bit line"
        )
    good = (conductance == 0) | ((conductance >= 1 / MAX_RESISTANCE_OHM) & (conductance <= 1 / MIN_RESISTANCE_OHM))
    if not good.all():
        word, bit = np.argwhere(~good)[0]
        value = float(conductance[word, bit])
        raise BadInput(
            f"conductance_S must be 0 or between {1 / MAX_RESISTANCE_OHM:g} and {1 / MIN_RESISTANCE_OHM:g} S "
            f"(got {value:g} S at word line {word}, bit line {bit}): {_way_out(value)}"
        )
    return _frozen(conductance)


def check_resistance(name: str, values: ArrayLike, shapes: dict[tuple[int, ...], str]) -> float | np.ndarray:
    """Return a resistance [ohm] as a number or a frozen copy of an array of one of `shapes`, each with its meaning.

    >>> check_resistance("r_driver_ohm", 2, {(3,): "per word line"})
    2.0
    """
    resistance = numbers(name, values)
    if resistance.ndim and resistance.shape not in shapes:
        known = ", ".join(f"{shape} ({what})" for shape, what in shapes.items())
        raise BadInput(f"{name} must be one number in ohm or have shape {known} (got shape {resistance.shape})")
    between = (resistance >= MIN_RESISTANCE_OHM) & (resistance <= MAX_RESISTANCE_OHM)
    good = (resistance == 0) | np.isposinf(resistance) | between
    if not good.all():
        bad = np.argwhere(~good)[0]
        value = float(resistance[tuple(bad)])
        where = f" at {tuple(bad.tolist())}" if resistance.ndim else ""
        raise BadInput(
            f"{name} must be 0, inf or between {MIN_RESISTANCE_OHM:g} and {MAX_RESISTANCE_OHM:g} ohm "
            f"(got {value:g} ohm{where}): {_way_out(value)}"
        )
    return float(resistance) if resistance.ndim == 0 else _frozen(resistance)


def branch_resistance(
    segment: float | np.ndarray, near_end: float | np.ndarray, far_end: float | np.ndarray, lines: int, cells: int
) -> np.ndarray:
    """Return the resistance of every branch of parallel lines, (line, cell + 1) [ohm], counted from the near end.

    Parameters
    ----------
    segment : float or ndarray, (line,), (line, cell) or (line, cell + 1)
        Without a last one of its own, the segment beyond the last cell is there only where one number serves all.
    near_end, far_end : float or ndarray, (line,)
    lines, cells : int

    Examples
    --------
    >>> branch_resistance(1.0, 50.0, float("inf"), lines=1, cells=3)
    array([[51.,  1.,  1., inf]])
    """
    resistance = np.empty((lines, cells + 1))
    by_segment = np.asarray(segment)
    if by_segment.ndim == 2 and by_segment.shape[1] == cells:
        resistance[:, :-1], resistance[:, -1] = by_segment, 0.0
    else:
        resistance[:] = by_segment[:, np.newaxis] if by_segment.ndim == 1 else by_segment
    resistance[:, 0] += near_end
    resistance[:, -1] += far_end
    return _frozen(resistance)


def _frozen(array: np.ndarray) -> np.ndarray:
    """Return the array, from now on read-only."""
    array.flags.writeable = False
    return array


def _way_out(value: float) -> str:
    """Say what to do with a value out of range."""
    if math.isnan(value) or value < 0:
        return "drop or repair the reading"
    return "0 stands for the limit of none"
