"""What every law of programmed conductance offers, and drawing whole cell histories from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from nvmphys.errors import BadInput
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.history import History
from nvmphys.records import Basis, ModelCard

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
    stays : bool
        Whether these cells are stuck: they stay where they are at all times.
    """

    weight: float
    interval: tuple[float, float]
    quantiles_S: Array
    basis: Basis
    note: str
    stays: bool = False


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

    @property
    def extrapolates(self) -> bool:
        """Whether something can be said, as an assumption, of times beyond the last one known."""
        ...


class CellLaw(Covered, Protocol):
    """Statistics of cells programmed to a target: error at programming, change with time, one history a cell.

    Changes add to the programmed conductance in a coordinate (see :class:`Coordinate`); the programmed score is
    correlated with the change's scores as `programming_correlation` says.
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

    @property
    def value_parts(self) -> Mapping[str, tuple[str, ...]]:
        """Prefixes of the card's values behind `programmed`, `change`, `history` and `read_noise`."""
        ...

    @property
    def programming_correlation(self) -> float:
        """Correlation between a cell's score at programming and its scores of change [1]."""
        ...

    @property
    def temperature_range_K(self) -> tuple[float, float] | None:
        """Lowest and highest temperature known [K]; None for a law without temperature."""
        ...

    @property
    def t_read_s(self) -> float:
        """Duration of one read [s], where read noise is known."""
        ...

    def at_temperature(self, temperature_K: float) -> Self:
        """Return the law at one temperature; a law without temperature returns itself."""
        ...

    def default_targets(self, n: int) -> Array:
        """Return about n targets [S] that a table of the law should have."""
        ...

    def programmed(self, target_S: Array, z: Array) -> Array:
        """Return the conductance right after programming [S] at normal score z."""
        ...

    def change(self, level_S: Array, time_s: float, z: Array, extrapolate: bool = False) -> Array:
        """Return the change of the coordinate from programming to `time_s` at normal score z."""
        ...

    def read_noise_amplitude(self, target_S: Array, conductance_S: Array) -> Array | None:
        """Return A [S] of the read noise spectrum S(f) = A²/f (one-sided), or None where it is not known apart."""
        ...

    def sigma_range(self, target_S: Array, time_s: float) -> tuple[Array, Array] | None:
        """Return the range of σ [S] that what is published leaves open, or None where nothing is said."""
        ...

    def drift(self, target_S: Array) -> Mapping[str, float | Array]:
        """Return t0_s, nu_mean and nu_sigma at the targets for a power law; empty for other laws."""
        ...


class Plain:
    """What holds for a law that says nothing else: no temperature, no read noise, no drift, nothing left open."""

    value_parts: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    programming_correlation: float = 0.0
    extrapolates: bool = True
    temperature_range_K: tuple[float, float] | None = None
    t_read_s: float = np.nan

    def at_temperature(self, temperature_K: float) -> Self:
        """Return the law itself: it has no temperature in it."""
        return self

    def default_targets(self: Covered, n: int) -> Array:
        """Return about n targets over the range [S]; from zero on, where σ may rise steeply, a few more."""
        low, high = self.level_range_S
        step = (high - low) / max(n - 1, 1)
        near = low + step * np.array([1 / 16, 1 / 8, 1 / 4, 1 / 2]) if low == 0 else np.empty(0)
        return np.union1d(np.linspace(low, high, n), near)

    def read_noise_amplitude(self, target_S: Array, conductance_S: Array) -> Array | None:
        """Return nothing: read noise is not known apart."""
        return None

    def sigma_range(self, target_S: Array, time_s: float) -> tuple[Array, Array] | None:
        """Return nothing: no other value is published."""
        return None

    def drift(self, target_S: Array) -> Mapping[str, float | Array]:
        """Return nothing: the law is no power law."""
        return {}


def read_noise_sigma(law: CellLaw, target_S: Array, conductance_S: Array, time_s: float) -> Array | None:
    """Return σ of one read [S] a time after programming, or None where it is not known apart.

    Noise of spectrum A²/f between 1/(t + t_read) and 1/(2 t_read) has σ = A·√ln((t + t_read)/(2 t_read))
    (Nandakumar et al., ICECS 2019); NaN before the first read is over, where the law says nothing.

    Parameters
    ----------
    target_S, conductance_S : ndarray
        Targets, and conductances now [S].
    time_s : float
        Time since programming [s].
    """
    amplitude = law.read_noise_amplitude(target_S, conductance_S)
    if amplitude is None:
        return None
    if time_s < law.t_read_s:
        return np.full(np.shape(amplitude), np.nan)
    return amplitude * np.sqrt(np.log((time_s + law.t_read_s) / (2 * law.t_read_s)))


def check_times(
    covered: Covered, times_s: Array, extrapolate: bool, *, earlier: str = "nothing is known of earlier times",
    beyond: str = "pass extrapolate=True to go beyond it",
) -> None:  # fmt: skip
    """Refuse times that the law does not cover; the programming time itself is always covered.

    `earlier` and `beyond` say what to do about times before and after those covered.
    """
    low, high = covered.time_range_s
    for time in np.atleast_1d(times_s):
        if not np.isfinite(time):
            raise BadInput(f"times must be finite (got {time:g} s): times since programming in seconds")
        if time == covered.first_time_s or low <= time <= high * (1 + 1e-9):
            continue
        if time < low:
            raise BadInput(
                f"time must be {covered.first_time_s:g} s (as programmed) or >= {low:g} s (got {time:g} s): {earlier}"
            )
        if not covered.extrapolates:
            raise BadInput(
                f"time must be <= {high:g} s, the last time known (got {time:g} s): nothing says how cells go on"
            )
        if not extrapolate:
            raise BadInput(f"time must be <= {high:g} s, the longest time covered (got {time:g} s): {beyond}")


def check_levels(law: Covered, targets_S: Array) -> None:
    """Refuse targets outside the levels that the law covers."""
    low, high = law.level_range_S
    targets = np.asarray(targets_S)
    bad = targets[~((targets >= low * (1 - 1e-9) - 1e-15) & (targets <= high * (1 + 1e-9)))]
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
    z = rng.standard_normal(flat.size)
    programmed = law.programmed(flat, z)
    later = times != law.first_time_s
    scores = correlated(law.history.scores(times[later], flat.size, rng), z, law.programming_correlation)
    out = np.broadcast_to(programmed, (times.size, flat.size)).copy()
    level = programmed if law.level_is_programmed else flat
    for i, z in zip(np.flatnonzero(later), scores, strict=True):
        out[i] = law.coordinate.moved(programmed, law.change(level, times[i], z, extrapolate))
    return out.reshape(times.size, *targets.shape)


def correlated(scores: Array, programming: Array, correlation: float) -> Array:
    """Return scores of change (time, n) tied to those of programming (n,); standard normal as before.

    >>> correlated(np.array([[3.0]]), np.array([1.0]), 1.0).tolist()
    [[1.0]]
    """
    return scores if correlation == 0 else correlation * programming + np.sqrt(1 - correlation**2) * scores


def sigma_above_zero(mean_S: Array, sigma_S: Array) -> Array:
    """Return σ [S] of a normal law whose draws below zero stand at zero.

    >>> bool(np.isclose(sigma_above_zero(np.array([0.0]), np.array([1.0]))[0], np.sqrt(0.5 - 0.5 / np.pi)))
    True
    """
    mean, sigma = np.broadcast_arrays(np.asarray(mean_S, dtype=float), np.asarray(sigma_S, dtype=float))
    safe = np.where(sigma > 0, sigma, 1.0)
    z = mean / safe
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    first = mean * ndtr(z) + safe * density
    second = (mean**2 + safe**2) * ndtr(z) + mean * safe * density
    return np.where(sigma > 0, np.sqrt(np.maximum(second - first**2, 0.0)), sigma)


def positive_programmed(conductance_S: Array) -> Array:
    """Return programmed conductances [S], those drawn below zero at zero; the profile says how many they are."""
    return np.maximum(conductance_S, 0.0)


def windowed(target_S: Array, z: Array, weights: Array, sigma_S: Array, window_S: Array) -> Array:
    """Return target + normal error cut at an acceptance window [S]; σ before the cut and window given at knots.

    `weights` (n, knot) carry the knots to the targets; an infinite σ is a uniform error within the window.
    """
    sigma = np.full(weights.shape[0], np.inf) if np.isinf(sigma_S).any() else weights @ sigma_S
    return np.asarray(target_S + truncated_normal(z, sigma, weights @ window_S))


def extras_of(card: ModelCard) -> dict[str, Extra]:
    """Read the `[population.<name>]` tables of a card."""
    return {name: _extra(table) for name, table in card.population.items()}


def _extra(table: Mapping[str, Any]) -> Extra:
    low, high = table["interval"]
    quantiles = np.asarray(table["quantiles_S"], dtype=float)
    interval, stays = (float(low), float(high)), bool(table.get("stays", False))
    return Extra(float(table["weight"]), interval, quantiles, Basis(table["basis"]), str(table["note"]), stays)


def span(card: ModelCard, name: str) -> tuple[float, float]:
    """Return a range of the card's validity as (low, high)."""
    low, high = card.validity[name]
    return float(low), float(high)


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
