"""Polarization of the Preisach capacitor (`fe_preisach`) with its slopes, for a field slow against its response time.

Along a field that rises a play is p = max(p before, E - r), along one that falls min(p before, E + r), with r its
half-width. Where a play sets in, its slope by r jumps.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PLAYS = 8
"""Number of plays."""
SLOPES = ("Ps", "Ec", "delta", "spread", "tfe")
"""Parameters that the switched polarization has slopes by."""
_PLACE = (2 * np.arange(1, PLAYS + 1) - 1 - PLAYS) / PLAYS


def after_pulses(values: Mapping[str, float], volts: Array) -> tuple[Array, Array]:
    """Return the mean of tanh and its slopes at 0 V after a pulse (row,) on a device that was poled down."""
    half = _half_widths(values)
    at = np.broadcast_to(_poled(half, -1.0), (volts.size, 3, half.size))
    for knot in (volts, np.zeros_like(volts)):
        at = _moved(at, half, knot / values["tfe"])
    return _switched(values, at)


def along(values: Mapping[str, float], volts: Array, start: float) -> tuple[Array, Array]:
    """Return the mean of tanh and its slopes at the knots (knot,) of a waveform, from poled up (1) or down (-1) on."""
    half, field = _half_widths(values), volts / values["tfe"]
    out = np.empty((volts.size, 3, half.size))
    out[:1] = _moved(_poled(half, start)[np.newaxis], half, field[:1])
    ends = [0, *(np.flatnonzero(np.diff(np.sign(np.diff(volts)))) + 1).tolist(), volts.size - 1]
    for first, last in itertools.pairwise(ends):
        part = slice(first + 1, last + 1)
        out[part] = _moved(np.broadcast_to(out[first], (last - first, 3, half.size)), half, field[part])
    return _switched(values, out)


def _half_widths(values: Mapping[str, float]) -> Array:
    """Return the half-widths of the plays [V/m]."""
    return np.asarray(values["Ec"] * (1 + values["spread"] * _PLACE))


def _poled(half: Array, sign: float) -> Array:
    """Return plays at 0 V after a large voltage of a sign, as `_moved` has them."""
    return np.stack([sign * half, np.full(half.size, sign), np.zeros(half.size)])


def _moved(plays: Array, half: Array, field: Array) -> Array:
    """Return plays (row, 3, play) after a move to a field (row,) that did not turn on the way.

    A play is p = E ± r [V/m]: of each is kept p, the sign of r in it, and the field E that it was last moved by.
    """
    E = np.broadcast_to(field[:, np.newaxis], plays[:, 0].shape)
    above, below = plays[:, 0] > E + half, plays[:, 0] < E - half
    ends = np.stack([E + np.where(above, half, -half), np.where(above, 1.0, -1.0), E], axis=1)
    return np.where((above | below)[:, np.newaxis], ends, plays)


def _switched(values: Mapping[str, float], plays: Array) -> tuple[Array, Array]:
    """Return the mean of tanh(p/2δ) over plays (row,), and its slopes (row, parameter) by `SLOPES`."""
    share = np.tanh(plays[:, 0] / (2 * values["delta"]))
    turned = (1 - share**2) / (2 * values["delta"]) / PLAYS
    by_half = turned * plays[:, 1]
    parts = {
        "Ps": np.zeros(share.shape[0]),
        "Ec": by_half @ (1 + values["spread"] * _PLACE),
        "delta": -(turned * plays[:, 0]).sum(axis=1) / values["delta"],
        "spread": by_half @ (values["Ec"] * _PLACE),
        "tfe": -(turned * plays[:, 2]).sum(axis=1) / values["tfe"],
    }
    return share.mean(axis=1), np.stack([parts[name] for name in SLOPES], axis=1)
