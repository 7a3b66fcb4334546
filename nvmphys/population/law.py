"""What every law of programmed conductance offers, and drawing whole cell histories from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from nvmphys.errors import BadInput
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.history import History
from nvmphys.records import Basis

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Extra:
    """A population of cells that do not follow the target: how many there are and where they sit.

    Attributes
    ----------
    weight : float
        Share of all cells [1].
    interval : tuple of float
        90 % interval of the share.
    quantiles_S : ndarray
        Conductances of equal probability [S]; empty when none was seen (then `weight` is 0 and `interval` a bound).
    basis : Basis
    note : str
    """

    weight: float
    interval: tuple[float, float]
    quantiles_S: Array
    basis: Basis
    note: str


class Covered(Protocol):
    """What has a range of levels and times: a law or a profile."""

    @property
    def level_range_S(self) -> tuple[float, float]:
        """Lowest and highest target [S]."""
        ...

    @property
    def time_range_s(self) -> tuple[float, float]:
        """First and last time known after programming [s]."""
        ...

    @property
    def first_time_s(self) -> float:
        """Time at which the programmed conductance stands [s]: 0 (first verify read) or the t0 of a power law."""
        ...


class CellLaw(Covered, Protocol):
    """Statistics of cells programmed to a target: error at programming, change with time, one history a cell.

    Changes add to the programmed conductance in a coordinate (see :class:`Coordinate`); the programmed score is
    independent of the change's scores.
    """

    @property
    def coordinate(self) -> Coordinate:
        """Where changes add to the programmed conductance."""
        ...

    @property
    def level_is_programmed(self) -> bool:
        """Whether the change depends on where the cell stands as programmed, or on its target."""
        ...

    @property
    def history(self) -> History:
        """Joint law of a cell's scores over time."""
        ...

    @property
    def extras(self) -> Mapping[str, Extra]:
        """Populations that do not follow the target."""
        ...

    def programmed(self, target_S: Array, z: Array) -> Array:
        """Return the conductance right after programming [S] at normal score z."""
        ...

    def change(self, level_S: Array, time_s: float, z: Array, extrapolate: bool = False) -> Array:
        """Return the change of the coordinate from programming to `time_s` at normal score z."""
        ...

    def read_noise_sigma(self, target_S: Array, conductance_S: Array, time_s: float) -> Array | None:
        """Return σ of one read [S], or None where it is not known apart."""
        ...

    def drift(self, target_S: Array) -> Mapping[str, float | Array]:
        """Return t0_s, nu_mean and nu_sigma at the targets for a power law; empty for other laws."""
        ...


def check_times(law: Covered, times_s: Array, extrapolate: bool) -> None:
    """Refuse times that the law does not cover; the programming time itself is always covered."""
    low, high = law.time_range_s
    for time in np.atleast_1d(times_s):
        if time == law.first_time_s or low <= time <= high * (1 + 1e-9):
            continue
        if time < low:
            raise BadInput(
                f"time must be {law.first_time_s:g} s (as programmed) or >= {low:g} s (got {time:g} s): "
                "nothing is known of earlier times"
            )
        if not extrapolate:
            raise BadInput(
                f"time must be <= {high:g} s, the longest time behind this card (got {time:g} s): "
                "pass extrapolate=True to go beyond, and the result is marked"
            )


def check_levels(law: Covered, targets_S: Array) -> None:
    """Refuse targets outside the levels that the law covers."""
    low, high = law.level_range_S
    bad = np.asarray(targets_S)[(targets_S < low * (1 - 1e-9) - 1e-15) | (targets_S > high * (1 + 1e-9))]
    if bad.size:
        raise BadInput(
            f"target conductance must lie within {low * 1e6:g} … {high * 1e6:g} µS (got {bad[0] * 1e6:g} µS): "
            "choose targets inside the card's validity range"
        )


def draw_cells(
    law: CellLaw, targets_S: Array, times_s: Array, rng: np.random.Generator, *, extrapolate: bool = False
) -> Array:
    """Draw whole histories of cells of the main population.

    Parameters
    ----------
    targets_S : ndarray
        Target conductance of each cell [S], any shape.
    times_s : ndarray (time,)
        Times since programming [s]; `law.first_time_s` is as programmed.
    rng : numpy.random.Generator
    extrapolate : bool
        Allow times beyond the longest behind the card.

    Returns
    -------
    ndarray (time, *targets_S.shape)
        Conductance [S]; one cell, one history.
    """
    targets, times = np.asarray(targets_S, dtype=float), np.atleast_1d(np.asarray(times_s, dtype=float))
    check_levels(law, targets)
    check_times(law, times, extrapolate)
    flat = targets.ravel()
    programmed = law.programmed(flat, rng.standard_normal(flat.size))
    later = times != law.first_time_s
    scores = law.history.scores(times[later], flat.size, rng)
    out = np.broadcast_to(programmed, (times.size, flat.size)).copy()
    level = programmed if law.level_is_programmed else flat
    for i, z in zip(np.flatnonzero(later), scores, strict=True):
        out[i] = law.coordinate.moved(programmed, law.change(level, times[i], z, extrapolate))
    return out.reshape(times.size, *targets.shape)


def truncated_normal(z: Array, sigma: Array, half_width: Array) -> Array:
    """Return a normal error of standard deviation sigma, cut at ±half_width, at normal score z.

    An infinite sigma is the uniform distribution over the window, an infinite half_width no window at all.

    Examples
    --------
    >>> truncated_normal(np.array([0.0, 10.0]), np.inf, 0.5).round(9).tolist()
    [0.0, 0.5]
    """
    u = ndtr(z)
    sigma, half_width = np.broadcast_arrays(np.asarray(sigma, float), np.asarray(half_width, float))
    cut = ndtr(-half_width / np.where(np.isinf(sigma), 1.0, sigma))
    normal = np.where(np.isinf(sigma), 0.0, sigma) * ndtri(cut + u * (1 - 2 * cut))
    return np.where(np.isinf(sigma), (2 * u - 1) * half_width, np.clip(normal, -half_width, half_width))
