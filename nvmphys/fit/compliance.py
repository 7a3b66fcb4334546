"""Where a source held the current of a sweep: the limit, and the points at it, which say nothing of the device.

A source writes its limit itself, the same number point after point; an instrument that reads beside it writes it with
noise. Then the current stands still, within the noise, on the way up to the largest voltage and on the way back: ln I
against ln |V| has a slope near 0 on both ways. A device does so on one of them at most: what has switched conducts less
on the way back, at least in proportion to the voltage.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

SATURATED, SAME = 3, 1e-3
"""Points in a row whose currents are the same within a share: they show a compliance."""
FLAT, OHMIC = 0.1, 0.8
"""Slopes of ln I by ln |V|: one that is 0 within the first, and surely below the second (a resistor has 1), is flat."""
_FEWEST = 4
"""Points on each way that a plateau with noise must have."""
_SPAN = 0.05
"""Share of the largest voltage that it must go over, on each way."""
_NEAR = 0.1
"""Share of the largest voltage from which the plateau's height is read, or the nearest points where these are few."""
_AROUND = 0.05
"""Share of a limit around it in which half of the points must be at it, if it was written without noise."""
_WIDE = 4.0
"""How far points of a plateau may lie from its height, over their noise."""


def held(volts: Array, current: Array, sign: int) -> tuple[float | None, Mask]:
    """Return the limit of the current at voltages of a sign [A], and the points at it; None and no point without one.

    Parameters
    ----------
    volts, current : ndarray (point,)
        In the order of measurement [V], [A].
    sign : int
        1 or -1.

    Examples
    --------
    >>> volts = np.concatenate([np.linspace(0.05, 2, 40), np.linspace(1.95, 0.05, 39)])
    >>> noise = 1 + 0.03 * np.sin(np.arange(79.0) ** 2)
    >>> current = noise * np.minimum(1e-3 * volts, 1.2e-3)
    >>> limit, at = held(volts, current, 1)
    >>> round(1e3 * limit, 2), int(at.sum())
    (1.18, 38)
    >>> held(volts, noise * 1e-3 * volts, 1)[0] is None
    True
    """
    size = np.abs(current)
    limit = _exact(volts, size, sign)
    if limit is not None:
        return limit, (sign * volts > 0) & (size >= limit * (1 - SAME))
    at, heights, floors = np.zeros(volts.size, dtype=bool), [], []
    for own in _halves(volts, size, sign):
        found = _plateau(np.abs(volts[own]), np.log(size[own]))
        if found is not None:
            points, height, width = found
            at[own[points]] = True
            heights.append(height)
            floors.append(height - width)
    if not heights:
        return None, at
    return float(np.exp(np.median(heights))), at | ((sign * volts > 0) & (size >= np.exp(np.median(floors))))


def _exact(volts: Array, size: Array, sign: int) -> float | None:
    """Return the current that stays the same, number for number, while the voltage moves on."""
    side = np.flatnonzero((sign * volts > 0) & (size != 0))
    size = size[side]
    if side.size < SATURATED:
        return None
    still = (np.abs(np.diff(size)) <= SAME * size[1:]) & (np.diff(side) == 1) & (np.diff(volts[side]) != 0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], still.astype(int), [0]])))
    runs = [(first, last) for first, last in zip(edges[::2], edges[1::2], strict=True) if last - first + 1 >= SATURATED]
    high = [size[first : last + 1] for first, last in runs if size[first] >= 0.5 * size.max()]
    if not high:
        return None
    limit = float(np.median(max(high, key=len)))
    apart = np.abs(np.log(size / limit))
    return limit if np.mean(apart[apart < _AROUND] <= SAME) >= 0.5 else None  # else some of many are alike by chance


def _halves(volts: Array, size: Array, sign: int) -> Iterator[NDArray[np.int64]]:
    """Yield the points of each excursion to voltages of a sign."""
    side = np.flatnonzero((sign * volts > 0) & (size > 0))
    for own in np.split(side, np.flatnonzero(np.diff(side) > 1) + 1):
        if own.size:
            yield own


def _plateau(volts: Array, lg: Array) -> tuple[NDArray[np.int64], float, float] | None:
    """Return the points of a plateau around the largest voltage, its height and its half-width in ln I; or None."""
    top = int(np.argmax(volts))
    near = np.flatnonzero(
        (volts >= (1 - _NEAR) * volts[top]) | (np.abs(np.arange(volts.size) - top) < _FEWEST)
    )  # fmt: skip
    if near.size < 2 * _FEWEST - 1:
        return None
    height = float(np.median(lg[near]))
    rough = (np.median(np.abs(np.diff(lg[near], 2))) / np.sqrt(6.0), np.median(np.abs(lg[near] - height)))
    noise = 1.4826 * float(max(rough))
    width = max(_WIDE * noise, _WIDE * SAME)
    inside = np.abs(lg - height) <= width
    first, last = _reach(inside[: top + 1][::-1]), _reach(inside[top:])
    ways = [np.arange(top - first + 1, top + 1), np.arange(top, top + last)]
    if not all(_is_flat(volts[way], lg[way], volts[top]) for way in ways) or height < lg.max() - np.log(2.0) - width:
        return None
    return np.arange(top - first + 1, top + last), height, width


def _reach(inside: Mask) -> int:
    """Return how many points from the first on are inside, lone ones that are not among them."""
    outside = ~inside
    ends = np.flatnonzero(outside & np.append(outside[1:], True))
    return int(ends[0]) if ends.size else inside.size


def _is_flat(volts: Array, lg: Array, top: float) -> bool:
    """Whether the current stands still on one way."""
    if volts.size < _FEWEST or np.ptp(volts) < _SPAN * top:
        return False
    x = np.log(volts) - np.log(volts).mean()
    slope = float(x @ lg / (x @ x))
    left = lg - lg.mean() - slope * x
    error = float(np.sqrt((left @ left) / (lg.size - 2) / (x @ x)))
    return abs(slope) - 2 * error < FLAT and abs(slope) + 2 * error < OHMIC
