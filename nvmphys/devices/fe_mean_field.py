"""Infinitely many domains under a gate: their mean polarity and the filled traps as a smooth function of parameters.

Of `fefet` a device draws a few domains, so that what it reads after a pulse is a step function of its parameters. Here
the share of thresholds h* below a swing d of a domain's count is taken in closed form, F(d) = 1 - exp(-d^β), and the
mean over activation fields, normal, by a trapezoidal sum. Between them stands the field that all domains share: it
follows from the charge balance, so time is stepped, in steps that grow with it. With the swings up, down and up again
d1 > d2 > d3 since all domains pointed down,

    s̄ = -1 + 2·(F(d1) - F(d2) + F(d3)),

where a swing that reaches the one before wipes both out, as in `nvmphys.fit` of capacitors. A fourth swing takes the
third back: exact where it wipes it out, and pulses that end in a rest have no fourth.

Each step takes traps and voltage as `fe_switching` does, with the mean polarity running straight through the step to
where it ends, which a secant finds.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nvmphys.devices.fe_switching import Gate, Stepper
from nvmphys.devices.model import Array, Ramps
from nvmphys.errors import CheckFailed

REACH = 4.5
"""Standard deviations of the activation fields that are summed over, either side."""
FINENESS = 0.18
"""Distance of the nodes of that sum [standard deviations]."""
STEPS_PER_DECADE = 6
"""Steps of time under a constant voltage."""
STEPS_OF_EDGE = 40
"""Steps, of equal length, along an edge."""
SOONEST = 0.1
"""First step, over the switching time at infinite field."""


def states_after(gate: Gate, values: Mapping[str, Array], ramps: Ramps) -> Array:
    """Return mean polarity and filled share (row, 2) after pieces of gate voltage, from all down and no trap filled.

    Parameters
    ----------
    gate : Gate
    values : mapping of ndarray (row,)
        Parameters: `Eam`, `Eas`, `beta` and those that `fe_switching` steps with.
    ramps : Ramps

    Raises
    ------
    CheckFailed
        "charge balance of a gate did not close", "traps of a gate".

    Examples
    --------
    A pulse of 3.5 V over 1 µs, on two gates that differ in how their activation fields spread:

    >>> from nvmphys.devices.fefet import GATE, MODEL
    >>> rows = {name: np.full(2, value) for name, value in MODEL.values({"ntrap": 0.0}).items()}
    >>> rows["Eas"] = np.array([0.5e8, 0.2e8])
    >>> pulse = Ramps(np.full((1, 2), 3.5), np.full((1, 2), 3.5), np.full((1, 2), 1e-6), np.full(2, 300.0))
    >>> states_after(GATE, rows, pulse)[:, 0].round(2).tolist()
    [0.06, 0.15]
    """
    path = _Path(gate, values, ramps.kelvins)
    for start, end, span in zip(ramps.start_V, ramps.end_V, ramps.duration_s, strict=True):
        path.along(start, end, span)
    return np.stack([path.polarity, path.filled], axis=1)


class _Path:
    """Rows of devices on their way."""

    def __init__(self, gate: Gate, values: Mapping[str, Array], kelvins: Array) -> None:
        scores = np.linspace(-REACH, REACH, 2 * int(np.ceil(REACH / FINENESS)) + 1)
        weights = np.exp(-0.5 * scores**2)
        field = values["Eam"][:, np.newaxis] + values["Eas"][:, np.newaxis] * scores
        inside = weights * (field > 0)
        self._weights = inside / inside.sum(axis=1, keepdims=True)
        nodes = {"Ea": np.where(field > 0, field, 1.0), "hth": np.ones_like(field)}
        self._stepper = Stepper(gate, {**values, **nodes})
        self._beta = values["beta"][:, np.newaxis]
        self._soonest = SOONEST * values["tau0"]
        self._rows: NDArray[np.int64] = np.arange(kelvins.size)
        self._kelvins = kelvins
        self._swings = np.zeros((3, *field.shape))
        self._inner = np.zeros(kelvins.size)
        self.polarity, self.filled = np.full(kelvins.size, -1.0), np.zeros(kelvins.size)

    def along(self, start_V: Array, end_V: Array, duration_s: Array) -> None:
        """Go along a straight piece of gate voltage; rows whose piece is of no length stand still."""
        self._inner, _ = self._stepper.balance(
            self._rows, self._inner, self.filled, self.polarity, start_V, self._kelvins
        )
        for begin, end in _grid(duration_s, self._soonest, bool(np.any(start_V != end_V))):
            slope = (end_V - start_V) / np.where(duration_s > 0, duration_s, 1.0)
            self._step(end - begin, start_V + slope * np.stack([begin + (end - begin) / 3, end]))

    def _step(self, taken: Array, volts: Array) -> None:
        """Take a step, at its gate voltages at 1/3 and the end (2, row)."""
        first, _, *near = self._ended(taken, volts, (self._inner, self.filled), self.polarity)
        again, _, *near = self._ended(taken, volts, (near[0], near[1]), first)
        bend = (again - first) / np.where(first == self.polarity, 1.0, first - self.polarity)
        reached = np.clip(first + (again - first) / np.where(bend < 0.9, 1 - bend, 1.0), -1.0, 1.0)
        self.polarity, self._swings, *near = self._ended(taken, volts, (near[0], near[1]), reached)
        self._inner, self.filled = near[0][1], near[1][1]

    def _ended(
        self, taken: Array, volts: Array, near: tuple[Array, Array], polarity: Array
    ) -> tuple[Array, Array, Array, Array]:
        """Return polarity, swings, inner voltage and filled share (2, row) after a step towards some polarity."""
        stepper, rows = self._stepper, self._rows
        mean = np.stack([self.polarity + (polarity - self.polarity) / 3, polarity])
        heat = np.stack([self._kelvins] * 2)
        found, under, filled, open_ = stepper.stages(rows, self.filled, near, mean, taken, volts, heat)
        if open_.any():
            raise CheckFailed(f"traps of a gate: a step of {taken[open_][0]:g} s did not close")
        down = -np.ones((1, 1))
        early, late = (stepper.speed(rows, drop, down) for drop in found[0])
        swings = _swung(self._swings, taken[:, np.newaxis] * (0.75 * early + 0.25 * late))
        up = self._shares(swings[0]) - self._shares(swings[1]) + self._shares(swings[2])
        return 2 * up - 1, swings, under, filled

    def _shares(self, swing: Array) -> Array:
        """Return the share of domains whose threshold lies below their swing (row,)."""
        if not swing.any():
            return np.zeros(swing.shape[0])
        with np.errstate(over="ignore"):
            return np.asarray((self._weights * -np.expm1(-(swing**self._beta))).sum(axis=1))


def _grid(duration_s: Array, soonest_s: Array, slanted: bool) -> list[tuple[Array, Array]]:
    """Return begin and end of the steps of a piece (row,): of equal length along an edge, else growing with time."""
    longest = float(np.max(duration_s / soonest_s, initial=0.0))
    if longest <= 0:
        return []
    if slanted:
        ends = [duration_s * share for share in np.linspace(0, 1, STEPS_OF_EDGE + 1)]
    else:
        count = max(1, int(np.ceil(np.log10(max(longest, 1.0)) * STEPS_PER_DECADE)))
        first = np.minimum(soonest_s, np.where(duration_s > 0, duration_s, 0.0))
        ratio = np.where(duration_s > 0, duration_s, 1.0) / np.where(first > 0, first, 1.0)
        ends = [np.zeros_like(duration_s), *(first * ratio ** (k / count) for k in range(count + 1))]
    return list(itertools.pairwise(ends))


def _swung(swings: Array, move: Array) -> Array:
    """Return the swings up, down and up again (3, row, node) after a move, upwards where it is positive."""
    first, down, again = swings
    rise, fall = np.maximum(move, 0.0), np.maximum(-move, 0.0)
    if not down.any() and not fall.any():
        return np.stack([first + rise, down, again])
    back = np.minimum(again, fall)
    again = again - back + np.where(down > 0, rise, 0.0)
    first = first + np.where(down > 0, 0.0, rise)
    down = down + fall - back
    joined = again >= down
    first = np.where(joined & (down > 0), first + again - down, first)
    down, again = np.where(joined, 0.0, down), np.where(joined, 0.0, again)
    gone = down >= first
    return np.stack([np.where(gone & (down > 0), 0.0, first), np.where(gone, 0.0, down), np.where(gone, 0.0, again)])
