"""Infinitely many domains under a gate: their mean polarity and the filled traps as a smooth function of parameters.

Of `fefet` a device draws a few domains, so that what it reads after a pulse is a step function of its parameters. Here
the share of thresholds h* below a swing d of a domain's count is taken in closed form, F(d) = 1 - exp(-d^β), and the
mean over activation fields, normal, by a trapezoidal sum. Between them stands the field that all domains share: it
follows from the charge balance, so time is stepped, in steps that grow with it. With the swings up, down and up again
d1 > d2 > d3 > … since all domains pointed down,

    s̄ = -1 + 2·(F(d1) - F(d2) + F(d3) - …),

where a swing that reaches the one before wipes both out, as in `fe_domains_mean` of capacitors; of domains that all
pointed up, the same upside down. One more than `SWINGS` takes the last back: exact where it wipes it out.

Each step takes traps and voltage as `fe_switching` does, with the mean polarity running straight through the step to
where it ends, which a secant finds.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nvmphys.devices.fe_switching import Gate, Stepper
from nvmphys.devices.model import Array, Ramps
from nvmphys.errors import BadInput, CheckFailed

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
SWINGS = 5
"""Swings, each smaller than the one before, that are told apart."""
DOWN = (-1.0, 0.0)
"""Mean polarity and filled share of a gate at rest."""


def states_after(gate: Gate, values: Mapping[str, Array], ramps: Ramps, start: Sequence[float] | None = None) -> Array:
    """Return mean polarity and filled share (piece, row, 2) after each piece of gate voltage.

    Parameters
    ----------
    gate : Gate
    values : mapping of ndarray (row,)
        Parameters: `Eam`, `Eas`, `beta` and those that `fe_switching` steps with.
    ramps : Ramps
    start : sequence of float, optional
        Mean polarity, -1 or 1, and filled share before the first piece; all down and none without.

    Raises
    ------
    BadInput
        "domains of a gate must all begin up or all down".
    CheckFailed
        "charge balance of a gate did not close", "traps of a gate".

    Examples
    --------
    A pulse of 3.5 V over 1 µs, on two gates that differ in how their activation fields spread:

    >>> from nvmphys.devices.fefet import GATE, MODEL
    >>> rows = {name: np.full(2, value) for name, value in MODEL.values({"ntrap": 0.0}).items()}
    >>> rows["Eas"] = np.array([0.5e8, 0.2e8])
    >>> pulse = Ramps(np.full((1, 2), 3.5), np.full((1, 2), 3.5), np.full((1, 2), 1e-6), np.full(2, 300.0))
    >>> states_after(GATE, rows, pulse)[-1, :, 0].round(2).tolist()
    [0.06, 0.15]
    """
    polarity, filled = start or DOWN
    if abs(polarity) != 1:
        raise BadInput(f"domains of a gate must all begin up or all down, at 1 or -1 (got a mean of {polarity:g})")
    path, out = _Path(gate, values, polarity, filled), []
    kelvins = np.broadcast_to(ramps.kelvins, ramps.duration_s.shape)
    for begin, end, span, heat in zip(ramps.start_V, ramps.end_V, ramps.duration_s, kelvins, strict=True):
        path.along(begin, end, span, heat)
        out.append(np.stack([path.polarity, path.filled], axis=1))
    return np.stack(out)


class _Path:
    """Rows of devices on their way, from all domains up (1) or down (-1) and a share of the traps filled."""

    def __init__(self, gate: Gate, values: Mapping[str, Array], polarity: float, filled: float) -> None:
        scores = np.linspace(-REACH, REACH, 2 * int(np.ceil(REACH / FINENESS)) + 1)
        weights = np.exp(-0.5 * scores**2)
        field = values["Eam"][:, np.newaxis] + values["Eas"][:, np.newaxis] * scores
        inside = weights * (field > 0)
        self._weights = inside / inside.sum(axis=1, keepdims=True)
        nodes = {"Ea": np.where(field > 0, field, 1.0), "hth": np.ones_like(field)}
        self._stepper = Stepper(gate, {**values, **nodes})
        self._beta = values["beta"][:, np.newaxis]
        self._soonest = SOONEST * values["tau0"]
        rows = field.shape[0]
        self._rows: NDArray[np.int64] = np.arange(rows)
        self._swings = np.zeros((SWINGS, *field.shape))
        self._inner = np.zeros(rows)
        self._start = polarity
        self.polarity, self.filled = np.full(rows, polarity), np.full(rows, filled)
        self._held = np.full((2, rows), np.nan)
        self._since, self._kelvins = np.zeros(rows), np.full(rows, np.nan)

    def along(self, start_V: Array, end_V: Array, duration_s: Array, kelvins: Array) -> None:
        """Go along a straight piece of gate voltage; rows whose piece is of no length stand still."""
        flat, moves, self._kelvins = start_V == end_V, duration_s > 0, kelvins
        on = flat & np.all(self._held == [start_V, kelvins], axis=0)  # the piece before goes on
        since = np.where(on, self._since, 0.0)
        self._inner, _ = self._stepper.balance(self._rows, self._inner, self.filled, self.polarity, start_V, kelvins)
        for begin, end in _grid(duration_s, self._soonest, since, slanted=not flat.all()):
            slope = (end_V - start_V) / np.where(moves, duration_s, 1.0)
            self._step(end - begin, start_V + slope * np.stack([begin + (end - begin) / 3, end]))
        self._held = np.where(moves, [np.where(flat, end_V, np.nan), kelvins], self._held)
        self._since = np.where(moves, since + duration_s, self._since)

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
        move = taken[:, np.newaxis] * (0.75 * early + 0.25 * late)
        swings = _swung(self._swings, -self._start * move)
        turned = sum((-1) ** k * self._shares(swing) for k, swing in enumerate(swings))
        return self._start * (1 - 2 * turned), swings, under, filled

    def _shares(self, swing: Array) -> Array:
        """Return the share of domains whose threshold lies below their swing (row,)."""
        if not swing.any():
            return np.zeros(swing.shape[0])
        with np.errstate(over="ignore"):
            return np.asarray((self._weights * -np.expm1(-(swing**self._beta))).sum(axis=1))


def _grid(duration_s: Array, soonest_s: Array, since_s: Array, *, slanted: bool) -> list[tuple[Array, Array]]:
    """Return begin and end of the steps of a piece (row,): of equal length along an edge, else growing with time.

    Under a voltage that has been there since a while (row,) steps grow from that on.
    """
    moves = duration_s > 0
    if not moves.any():
        return []
    if slanted:
        ends = [duration_s * share for share in np.linspace(0, 1, STEPS_OF_EDGE + 1)]
    else:
        last = since_s + np.where(moves, duration_s, 1.0)
        first = np.minimum(np.maximum(since_s, soonest_s), last)
        longest = float(np.max(np.where(moves, last / first, 1.0)))
        count = max(1, int(np.ceil(np.log10(longest) * STEPS_PER_DECADE)))
        within = [np.where(moves, first * (last / first) ** (k / count) - since_s, 0.0) for k in range(count)]
        ends = [np.zeros_like(duration_s), *within, duration_s]
    return [(begin, end) for begin, end in itertools.pairwise(ends) if (end > begin).any()]


def _swung(swings: Array, move: Array) -> Array:
    """Return the swings up, down, up, … (swing, row, node) after a move, upwards where it is positive.

    A swing that reaches the one before wipes both out and goes on with the one before these; below the first there is
    nowhere to go.
    """
    standing = swings > 0
    used = int(standing.any(axis=(1, 2)).sum())
    if used <= 1 and not (move < 0).any():
        return np.concatenate([swings[:1] + move, swings[1:]])
    depth, size, most = standing.sum(axis=0), np.abs(move), swings.shape[0]
    goes_on = (depth > 0) & ((depth % 2 == 1) == (move > 0))
    at = np.where(goes_on, depth - 1, depth)
    size = np.where((depth == 0) & (move < 0), 0.0, size)
    out = swings.copy()
    for k in range(min(used + 1, most)):
        out[k] += np.where(at == k, size, 0.0)
    if used == most:
        back = np.where(at == most, size, 0.0)
        out[-2] += np.maximum(back - out[-1], 0.0)
        out[-1] = np.maximum(out[-1] - back, 0.0)
    for k in range(min(used, most - 1), 0, -1):
        wiped = (out[k] > 0) & (out[k] >= out[k - 1])
        if k > 1:
            out[k - 2] += np.where(wiped, out[k] - out[k - 1], 0.0)
        out[k - 1 : k + 1, wiped] = 0.0
    return out
