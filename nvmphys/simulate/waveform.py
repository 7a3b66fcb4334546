"""Waveforms: what is applied to a device, as straight pieces of voltage and temperature, and where it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nvmphys.devices.model import Array, Segments
from nvmphys.errors import BadInput

ROOM_K = 300.0
"""Temperature of an experiment where nobody says another [K]."""


@dataclass(frozen=True)
class Waveform:
    """Pieces of voltage and temperature from time 0 on.

    Attributes
    ----------
    segments : Segments
    observed : ndarray of bool (segment,)
        Whether the end of a piece is looked at.
    """

    segments: Segments
    observed: NDArray[np.bool_]

    @property
    def time_s(self) -> Array:
        """Times that are looked at [s]."""
        return np.cumsum(self.segments.duration_s)[self.observed]

    @property
    def voltage_V(self) -> Array:
        """Voltage at those times [V]."""
        return self.segments.end_V[self.observed]

    @property
    def temperature_K(self) -> Array:
        """Temperature at those times [K]."""
        return self.segments.end_K[self.observed]

    @property
    def n_pulses(self) -> int:
        """Number of pulses that numbers are drawn for."""
        return int(self.segments.pulse.max(initial=-1)) + 1


def through(
    time_s: ArrayLike, voltage_V: ArrayLike, temperature_K: ArrayLike = ROOM_K, *, edges: bool = True
) -> Waveform:
    """Return the waveform that runs straight from point to point.

    Parameters
    ----------
    time_s : array_like (point,)
        Times [s], increasing; the first is the start.
    voltage_V : array_like (point,)
    temperature_K : array_like (point,) or float, optional
    edges : bool, optional
        Whether each point is looked at; else the last alone.

    Raises
    ------
    BadInput
        "time_s must increase …", "… must be finite …", "… must have as many points …".

    Examples
    --------
    >>> through([0.0, 1e-3, 3e-3], [0.0, 1.0, -1.0]).segments.duration_s
    array([0.001, 0.002])
    >>> through([0.0, 1e-3, 1e-3], [0.0, 1.0, 0.0])
    Traceback (most recent call last):
        ...
    nvmphys.errors.BadInput: time_s must increase from point to point (got 0.001 s after 0.001 s at point 2): sort it, \
and give an edge a length
    """
    times, volts = np.atleast_1d(np.asarray(time_s, dtype=float)), np.atleast_1d(np.asarray(voltage_V, dtype=float))
    kelvins = np.asarray(temperature_K, dtype=float)
    kelvins = np.full(times.shape, float(kelvins)) if kelvins.ndim == 0 else kelvins
    for name, given, unit in (("time_s", times, "s"), ("voltage_V", volts, "V"), ("temperature_K", kelvins, "K")):
        if given.ndim != 1 or given.size != times.size or given.size < 2:
            raise BadInput(f"{name} must have as many points as time_s, two or more (got shape {given.shape})")
        bad = np.flatnonzero(~np.isfinite(given))
        if bad.size:
            raise BadInput(
                f"{name} must be finite (got {given[bad[0]]:g} {unit} at point {bad[0]}): "
                "take the point out or fill it in"
            )
    back = np.flatnonzero(np.diff(times) <= 0)
    if back.size:
        at = int(back[0]) + 1
        raise BadInput(
            f"time_s must increase from point to point (got {times[at]:g} s after {times[at - 1]:g} s at point {at}): "
            "sort it, and give an edge a length"
        )
    if not (kelvins > 0).all():
        raise BadInput(f"temperature_K must be > 0 K (got {kelvins.min():g} K)")
    observed = np.full(times.size - 1, edges)
    observed[-1] = True
    pieces = Segments(
        np.diff(times), volts[:-1], volts[1:], kelvins[:-1], kelvins[1:], np.full(times.size - 1, -1, dtype=np.int64)
    )
    return Waveform(pieces, observed)


@dataclass(frozen=True)
class Piece:
    """One piece of a waveform; `pulse` is the number of the pulse it belongs to, or -1."""

    duration_s: float
    start_V: float
    end_V: float
    observed: bool = False
    pulse: int = -1


def joined(pieces: Sequence[Piece], temperature_K: ArrayLike = ROOM_K) -> Waveform:
    """Return pieces one after another; voltages may jump between them, and the end of the last is looked at.

    `temperature_K` is one for all or one of each piece.

    Raises
    ------
    BadInput
        "piece … must last 0 s or more …", "a waveform needs a piece …", "temperature_K must be > 0 K".
    """
    for k, piece in enumerate(pieces):
        if not (0 <= piece.duration_s < np.inf and np.isfinite(piece.start_V) and np.isfinite(piece.end_V)):
            raise BadInput(
                f"piece {k} must last 0 s or more and run between finite voltages (got {piece.duration_s:g} s, "
                f"{piece.start_V:g} … {piece.end_V:g} V)"
            )
    heat = np.broadcast_to(np.asarray(temperature_K, dtype=float), len(pieces))
    if not np.all((heat > 0) & (heat < np.inf)):
        raise BadInput(f"temperature_K must be > 0 K (got {heat[~((heat > 0) & (heat < np.inf))][0]:g} K)")
    lasting = np.array([piece.duration_s > 0 for piece in pieces], dtype=bool)
    used = [piece for piece, lasts in zip(pieces, lasting, strict=True) if lasts]
    if not used:
        raise BadInput("a waveform needs a piece that lasts longer than 0 s")
    heat = heat[lasting]
    durations, begins, ends = (
        np.array([float(getattr(p, n)) for p in used]) for n in ("duration_s", "start_V", "end_V")
    )
    numbers = np.array([p.pulse for p in used], dtype=np.int64)
    observed = np.array([p.observed for p in used])
    observed[-1:] = True
    return Waveform(Segments(durations, begins, ends, heat, heat, numbers), observed)


def pulse(
    amplitude_V: float,
    width_s: float,
    edge_s: float = 0.0,
    number: int = -1,
    *,
    trailing_s: float | None = None,
    trailing_steps: int | None = None,
) -> list[Piece]:
    """Return the pieces of a pulse: the edges lie within the width, half of each counted.

    A falling edge of its own length, straight or in steps of equal height and length, leaves the time at the top as it
    is.

    >>> [(p.duration_s, p.start_V, p.end_V) for p in pulse(2.0, 1e-7, 2e-8)]
    [(2e-08, 0.0, 2.0), (8e-08, 2.0, 2.0), (2e-08, 2.0, 0.0)]
    >>> [(p.duration_s, p.start_V, p.end_V) for p in pulse(3.0, 1e-7, trailing_s=4e-7, trailing_steps=2)]
    [(1e-07, 3.0, 3.0), (2e-07, 2.0, 2.0), (2e-07, 1.0, 1.0)]
    """
    if not 0 <= edge_s < width_s < np.inf:
        raise BadInput(f"edge_s must be shorter than width_s (got {edge_s:g} s against {width_s:g} s)")
    top = Piece(width_s - edge_s, amplitude_V, amplitude_V, pulse=number)
    fall_s, steps = edge_s if trailing_s is None else trailing_s, trailing_steps or 0
    heights = [amplitude_V * k / (steps + 1) for k in range(steps, 0, -1)]
    falling = [Piece(fall_s / steps, volts, volts, pulse=number) for volts in heights]
    pieces = [Piece(edge_s, 0.0, amplitude_V, pulse=number), top]
    pieces += falling or [Piece(fall_s, amplitude_V, 0.0, pulse=number)]
    return [piece for piece in pieces if piece.duration_s > 0]
