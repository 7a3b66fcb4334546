"""What is applied to a crossbar over time: straight pieces of voltage at its drivers and sense amplifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.crossbar.lines import numbers
from nvmphys.errors import BadInput
from nvmphys.simulate.waveform import Waveform

SAME_TIME = 1e-12
"""Corners of several waveforms that are this near, of the whole time, are one."""


@dataclass(frozen=True, eq=False)
class Stimulus:
    """Voltages that run straight from corner to corner, and stay after the last.

    Parameters
    ----------
    time_s : array_like, (corner,)
        Times of the corners [s], from 0 on and increasing.
    driver_V : array_like, (word_line, corner) or (word_line,)
        Voltages at the drivers [V]; without corners they do not change.
    sense_V : float or array_like, (bit_line, corner) or (bit_line,), optional
        Voltages at the sense amplifiers [V].

    Raises
    ------
    BadInput
        "time_s must …", "driver_V must …", "sense_V must …".

    Examples
    --------
    >>> ramp = Stimulus([0, 1e-9], [[0.0, 0.2], [0.0, 0.1]])
    >>> ramp.at(0.5e-9, 3)
    array([0.1 , 0.05, 0.  , 0.  , 0.  ])
    """

    time_s: np.ndarray
    driver_V: np.ndarray
    sense_V: float | np.ndarray = 0.0

    def __post_init__(self) -> None:
        """Check the values; copy and freeze the arrays."""
        times = np.atleast_1d(numbers("time_s", self.time_s))
        if times.ndim != 1 or times[0] != 0 or not np.isfinite(times).all():
            raise BadInput(f"time_s must be finite times from 0 s on (got {times}): the first corner is the start")
        back = np.flatnonzero(np.diff(times) <= 0)
        if back.size:
            at = int(back[0]) + 1
            raise BadInput(
                f"time_s must increase from corner to corner (got {times[at]:g} s after {times[at - 1]:g} s at corner "
                f"{at}): sort it, and give an edge a length"
            )
        for name in ("driver_V", "sense_V"):
            given = numbers(name, getattr(self, name))
            if given.ndim == 1 or (given.ndim == 0 and name == "sense_V"):
                given = np.repeat(given[..., np.newaxis], times.size, axis=-1)
            if given.ndim not in (1, 2) or given.shape[-1] != times.size:
                raise BadInput(
                    f"{name} must have shape (line, {times.size}), one voltage per corner, or (line,) (got shape "
                    f"{np.shape(getattr(self, name))})"
                )
            if not np.isfinite(given).all():
                raise BadInput(f"{name} must be finite (got {given[~np.isfinite(given)][0]} V)")
            given.flags.writeable = False
            object.__setattr__(self, name, given)
        times.flags.writeable = False
        object.__setattr__(self, "time_s", times)

    @classmethod
    def step(cls, v: ArrayLike, edge_s: float, *, delay_s: float = 0.0, sense_V: ArrayLike = 0.0) -> Stimulus:
        """Return a step from 0 V to voltages (word_line,) [V], a straight edge that begins after a delay [s].

        >>> Stimulus.step([0.2, 0.1], 1e-11).driver_V
        array([[0. , 0.2],
               [0. , 0.1]])
        """
        volts = np.atleast_1d(numbers("v", v))
        begin = [] if delay_s == 0 else [0.0]
        times, shape = [*begin, delay_s, delay_s + edge_s], [*begin, 0.0, 1.0]
        return cls(np.array(times), volts[:, np.newaxis] * np.array(shape), np.asarray(sense_V, dtype=float))

    @classmethod
    def pulse(
        cls, v: ArrayLike, width_s: float, edge_s: float, *, delay_s: float = 0.0, sense_V: ArrayLike = 0.0
    ) -> Stimulus:
        """Return pulses from 0 V to voltages (word_line,) [V] and back, `width_s` from the middle of edge to edge [s].

        >>> Stimulus.pulse([0.2], width_s=1e-9, edge_s=1e-10).time_s
        array([0.0e+00, 1.0e-10, 1.0e-09, 1.1e-09])
        """
        if not 0 < edge_s < width_s:
            raise BadInput(f"edge_s must be > 0 s and shorter than width_s (got {edge_s:g} s against {width_s:g} s)")
        volts = np.atleast_1d(numbers("v", v))
        times, shape = np.array([0.0, edge_s, width_s, width_s + edge_s]), np.array([0.0, 1.0, 1.0, 0.0])
        if delay_s:
            times, shape = np.concatenate([[0.0], delay_s + times]), np.concatenate([[0.0], shape])
        return cls(times, volts[:, np.newaxis] * shape, np.asarray(sense_V, dtype=float))

    @classmethod
    def of_waveforms(cls, drivers: Sequence[Waveform], senses: Sequence[Waveform] | None = None) -> Stimulus:
        """Return the stimulus of one waveform per word line and, where they are not at 0 V, one per bit line.

        Raises
        ------
        BadInput
            "waveform … jumps …": lines have a capacitance, which a jump would charge with an infinite current.

        Examples
        --------
        >>> from nvmphys.simulate.waveform import through
        >>> Stimulus.of_waveforms([through([0, 2e-9], [0, 1]), through([0, 1e-9], [0, 1])]).driver_V
        array([[0. , 0.5, 1. ],
               [0. , 1. , 1. ]])
        """
        both = [*drivers, *(senses or [])]
        corners = []
        for k, waveform in enumerate(both):
            pieces = waveform.segments
            jumps = np.flatnonzero(pieces.start_V[1:] != pieces.end_V[:-1])
            if jumps.size:
                at = int(jumps[0])
                raise BadInput(
                    f"waveform {k} jumps from {pieces.end_V[at]:g} to {pieces.start_V[at + 1]:g} V after piece {at}: "
                    "give the edge a length"
                )
            times = np.concatenate([[0.0], np.cumsum(pieces.duration_s)])
            corners.append((times, np.concatenate([pieces.start_V[:1], pieces.end_V])))
        union = np.unique(np.concatenate([times for times, _ in corners]))
        apart = np.diff(union, prepend=-np.inf) > SAME_TIME * union[-1]  # sums of durations are rounded
        union = union[apart]
        volts = np.stack([np.interp(union, times, values) for times, values in corners])
        return cls(union, volts[: len(drivers)], volts[len(drivers) :] if senses else 0.0)

    def of_terminals(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the voltages of all drivers, then of all sense amplifiers, (terminal, corner) [V].

        Raises
        ------
        BadInput
            "driver_V must have a row per word line …" or "sense_V must have a row per bit line …".
        """
        m, n = shape
        if self.driver_V.shape[0] != m:
            raise BadInput(f"driver_V must have a row per word line, {m} (got {self.driver_V.shape[0]})")
        sense = np.asarray(self.sense_V)
        if sense.ndim == 2 and sense.shape[0] != n:
            raise BadInput(f"sense_V must have a row per bit line, {n} (got {sense.shape[0]})")
        return np.concatenate([self.driver_V, np.broadcast_to(sense, (n, self.time_s.size))])

    def at(self, time_s: float, bit_lines: int) -> np.ndarray:
        """Return the voltages of all terminals at one time, (word_line + bit_line,) [V]."""
        volts = self.of_terminals((self.driver_V.shape[0], bit_lines))
        return np.array([np.interp(time_s, self.time_s, each) for each in volts])
