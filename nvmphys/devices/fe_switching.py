"""Domains under a gate that flip one by one, each flip moving the field of all: solved from flip to flip.

Between two flips a domain's count is an integral over the field, which all domains of a device share and which follows
from the gate voltage, the mean polarity and the filled traps alone. A step takes the traps and the voltage under the
ferroelectric by the two-stage Radau IIA method, of order 3, and the counts by the same quadrature, at 1/3 and at the
end of the step. Its length follows from the difference to the trapezoidal rule; a step in which a domain flips ends
there.
All devices of a simulation take their steps at the same time, each its own.

(Hairer and Wanner, Solving Ordinary Differential Equations II, Springer 1996, section IV.5, for the method.)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.special import expit

from nvmphys.devices.model import TEMPERATURE, VOLTAGE, Array, Segments, State
from nvmphys.errors import CheckFailed

TOLERANCE = 3e-4
"""Error of a step in a count and in the filled share of the traps, by the trapezoidal rule: the method's is less."""
TOUCH = 1e-6
"""Distance from its threshold at which a domain flips."""
CLOSED = 1e-12
"""What the charge balance may be off, as share of its voltages and 1 V."""
_MOST_STEPS = 100_000
_MOST_ITERATIONS = 40


class LogPlus(sp.Function):
    """ln(1 + e^x), which NumPy has as one function: pieces that `Max` and `Min` choose from take it ten times as long.

    >>> LogPlus(sp.Symbol("x")).diff()
    Logistic(x)
    """

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Return the slope."""
        return Logistic(self.args[0])


class Logistic(sp.Function):
    """1/(1 + e^-x)."""


_NUMPY = [{"LogPlus": lambda x: np.logaddexp(0.0, x), "Logistic": expit}, "numpy"]


@dataclass(frozen=True, eq=False)
class Gate:
    """What holds for all domains of a device.

    Attributes
    ----------
    drop : sympy.Expr
        Voltage across the ferroelectric [V] in `VOLTAGE` under it, mean polarity, filled share and parameters.
    fill_rate : sympy.Expr
        d(filled share)/dt [1/s] in the same symbols.
    polarity : sympy.Symbol
        Mean polarity of the domains.
    filled : State
    """

    drop: sp.Expr
    fill_rate: sp.Expr
    polarity: sp.Symbol
    filled: State

    @functools.cached_property
    def compiled(self) -> tuple[list[str], Callable[..., Sequence[Array]]]:
        """Names of the parameters, and drop, fill rate and both by V and by the filled share, of arrays."""
        x = self.filled.symbol
        known = [VOLTAGE, x, self.polarity, TEMPERATURE]
        names = sorted(s.name for s in (self.drop.free_symbols | self.fill_rate.free_symbols) - set(known))
        wanted = [e.diff(by) if by else e for by in (None, VOLTAGE, x) for e in (self.drop, self.fill_rate)]
        arguments = [*known, *(sp.Symbol(name, real=True) for name in names)]
        return names, sp.lambdify(arguments, wanted, _NUMPY, cse=True)


@dataclass(eq=False)
class _Domains:
    """Devices on their way: counts towards the next flip (device, domain) and polarities, filled traps (device,)."""

    count: Array
    polarity: Array
    filled: Array
    inner_V: Array

    def flip(self, rows: NDArray[np.int64]) -> None:
        """Turn over the domains of some devices that have reached their threshold."""
        at, which = np.nonzero(self.count[rows] >= 1 - TOUCH)
        chosen = rows[at], which
        self.polarity[chosen] *= -1
        self.count[chosen] = 0.0


class Stepper:
    """Devices of some parameters, stepped along straight pieces of gate voltage."""

    def __init__(self, gate: Gate, values: Mapping[str, Array]) -> None:
        names, self._compiled = gate.compiled
        self._parameters = np.stack([values[name] for name in names])
        self._alpha = np.asarray(values["alpha"])[:, np.newaxis]
        self._power = values["Ea"] ** self._alpha
        self._per_s = 1 / (np.asarray(values["tau0"])[:, np.newaxis] * values["hth"])
        self._thickness = np.asarray(values["tfe"])

    def functions(
        self, rows: NDArray[np.int64], inner: Array, filled: Array, polarity: Array, kelvins: Array
    ) -> Sequence[Array]:
        """Return drop and fill rate, both by V, both by the filled share: each like `inner`, (…, row)."""
        found = self._compiled(inner, filled, polarity, kelvins, *self._parameters[:, rows])
        return [np.broadcast_to(each, inner.shape) for each in found]

    def balance(
        self, rows: NDArray[np.int64], inner: Array, filled: Array, polarity: Array, gate: Array, kelvins: Array
    ) -> tuple[Array, Sequence[Array]]:
        """Return the voltage under the ferroelectric at a gate voltage, from a guess, and what `functions` does there.

        Raises
        ------
        CheckFailed
            "charge balance of a gate did not close".
        """
        for _ in range(_MOST_ITERATIONS):
            found = self.functions(rows, inner, filled, polarity, kelvins)
            lack = gate - inner - found[0]
            if np.all(np.abs(lack) <= CLOSED * (1 + np.abs(gate))):
                break
            inner = inner + lack / (1 + found[2])
        else:
            raise CheckFailed(f"charge balance of a gate did not close: {np.abs(lack).max():g} V are left")
        return inner, found

    def speed(self, rows: NDArray[np.int64], drop: Array, polarity: Array) -> Array:
        """Return how fast the domains (row, domain) count towards their next flip [1/s]."""
        field = (drop / self._thickness[rows])[:, np.newaxis]
        with np.errstate(divide="ignore", over="ignore"):
            w = self._power[rows] / np.abs(field) ** self._alpha[rows]
        return -np.sign(field) * polarity * np.exp(-w) * self._per_s[rows]

    def stages(
        self, rows: NDArray[np.int64], begin: Array, near: tuple[Array, Array], polarity: Array, step: Array,
        gate: Array, kelvins: Array,
    ) -> tuple[Sequence[Array], Array, Array, NDArray[np.bool_]]:  # fmt: skip
        """Return functions, inner voltage and filled share at 1/3 and the end of a step (2, row), and what failed.

        `begin` is the filled share at the beginning; inner voltage and filled share are sought `near` (2, row) or
        (row,). `polarity`, `gate` and `kelvins` are those at both (2, row), or a mean polarity (row,) that stays.
        """
        inner, filled = (np.broadcast_to(each, gate.shape) for each in near)
        open_ = np.ones(rows.size, dtype=bool)
        for _ in range(_MOST_ITERATIONS):
            drop, fill, drop_V, fill_V, drop_x, fill_x = found = self.functions(rows, inner, filled, polarity, kelvins)
            lack = (gate - inner - drop) / (1 + drop_V)
            fill_now, by_x = fill + fill_V * lack, fill_x - fill_V * drop_x / (1 + drop_V)
            left = [begin + step * (w @ fill_now) - filled[k] for k, w in enumerate(_WEIGHTS)]
            a, b = 1 - step * _WEIGHTS[0, 0] * by_x[0], -step * _WEIGHTS[0, 1] * by_x[1]
            c, d = -step * _WEIGHTS[1, 0] * by_x[0], 1 - step * _WEIGHTS[1, 1] * by_x[1]
            move = np.stack([d * left[0] - b * left[1], a * left[1] - c * left[0]]) / (a * d - b * c)
            new = np.clip(filled + move, 0.0, 1.0)
            move = new - filled
            inner, filled = inner + lack - drop_x / (1 + drop_V) * move, new
            open_ = (np.abs(move).max(axis=0) > CLOSED) | (np.abs(lack).max(axis=0) > CLOSED * (1 + np.abs(gate[1])))
            if not open_.any():
                break
        return found, inner, filled, open_


_WEIGHTS = np.array([[5 / 12, -1 / 12], [3 / 4, 1 / 4]])
"""Of the rates at 1/3 and at the end of a step, for the state at both (Radau IIA)."""


def states_at_knots(gate: Gate, values: Mapping[str, Array], start: Array, segments: Segments) -> Array:
    """Return the states at the ends of all segments (knot, device, state): y and s of each domain, filled share last.

    Parameters
    ----------
    gate : Gate
    values : mapping of ndarray (device,) or (device, domain)
        Parameters; those of domains are `Ea` and `hth`, those of all `tau0`, `alpha`, `tfe` and what `gate` names.
    start : ndarray (device, state)
    segments : Segments
    """
    y, s = np.clip(start[:, 0:-1:2], 0.0, 1.0), np.where(start[:, 1:-1:2] > 0, 1.0, -1.0)
    domains = _Domains(np.where(s < 0, y, 1 - y), s, start[:, -1].copy(), np.zeros(start.shape[0]))
    switching = Stepper(gate, values)
    out = np.empty((segments.duration_s.size, *start.shape))
    for k in range(segments.duration_s.size):
        _along(switching, domains, segments, k)
        out[k, :, 0:-1:2] = np.where(domains.polarity < 0, domains.count, 1 - domains.count)
        out[k, :, 1:-1:2], out[k, :, -1] = domains.polarity, domains.filled
    return out


def _along(switching: Stepper, domains: _Domains, segments: Segments, piece: int) -> None:
    """Take all devices through one straight piece of gate voltage."""
    span = float(segments.duration_s[piece])

    def line(ends: tuple[Array, Array], time: Array) -> Array:
        return ends[0][piece] + (ends[1][piece] - ends[0][piece]) * time / span

    volts, heat = (segments.start_V, segments.end_V), (segments.start_K, segments.end_K)
    time, step = np.zeros(domains.filled.size), np.full(domains.filled.size, span)
    rows = np.arange(time.size)
    for _ in range(_MOST_STEPS):
        now, polarity = time[rows], domains.polarity[rows]
        taken = np.minimum(step[rows], span - now)
        begun, mean = (domains.inner_V[rows], domains.filled[rows]), polarity.mean(axis=1)
        domains.inner_V[rows], first = switching.balance(rows, *begun, mean, line(volts, now), line(heat, now))
        at = np.stack([now + taken / 3, now + taken])
        near = domains.inner_V[rows], domains.filled[rows]
        found, inner, filled, failed = switching.stages(
            rows, near[1], near, mean, taken, line(volts, at), line(heat, at)
        )
        speeds = [switching.speed(rows, drop, polarity) for drop in (first[0], *found[0])]
        span_of = taken[:, np.newaxis]
        moved = domains.count[rows] + span_of * (0.75 * speeds[1] + 0.25 * speeds[2])
        error = span_of * np.abs(0.5 * speeds[0] - 0.75 * speeds[1] + 0.25 * speeds[2])
        error[np.max(speeds, axis=0) <= 0] = 0.0  # a count that falls all along ends where it must, 0 at the least
        stiff = 1 + taken * np.abs(found[5][1] - found[3][1] * found[4][1] / (1 + found[2][1]))
        of_traps = taken * np.abs(0.5 * first[1] - 0.75 * found[1][0] + 0.25 * found[1][1]) / stiff
        error = np.maximum(error.max(axis=1), of_traps)
        ratio = 0.9 * np.cbrt(TOLERANCE / np.maximum(error, 1e-3 * TOLERANCE))
        share = _first_flip(domains.count[rows], moved, span_of, speeds)
        good = (error <= TOLERANCE) & ~failed
        done = good & (share == 1.0)
        ratio = np.where(failed, 0.1, np.clip(ratio, 0.1, np.where(done, 5.0, share)))
        step[rows] = taken * np.where(good | failed, ratio, np.minimum(ratio, 0.7))
        kept = rows[done]
        time[kept] = np.where(taken[done] >= span - now[done], span, now[done] + taken[done])
        domains.count[kept] = np.maximum(moved[done], 0.0)
        domains.inner_V[kept], domains.filled[kept] = inner[1][done], filled[1][done]
        domains.flip(kept)
        rows = rows[time[rows] < span]
        if not rows.size:
            return
    raise CheckFailed(f"domains of a gate: more than {_MOST_STEPS:,} steps in piece {piece} of the waveform")


def _first_flip(count: Array, moved: Array, taken: Array, speeds: Sequence[Array]) -> Array:
    """Return the share of each step (row,) after which the first domain flips; 1 where none does before the end."""
    row, domain = np.nonzero(moved > 1 + TOUCH)
    length = taken[row, 0]
    early, late = speeds[1][row, domain] * length, speeds[2][row, domain] * length
    square, linear, left = 0.75 * (late - early), early - 0.5 * (late - early), 1 - count[row, domain]
    share = 2 * left / (linear + np.sqrt(np.maximum(linear**2 + 4 * square * left, 0.0)))
    first = np.ones(count.shape[0])
    np.minimum.at(first, row, share)
    return first
