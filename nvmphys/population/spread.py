"""Mean and σ of conductance against target at a few times: published, or fitted to tables of (level, time, mean, σ).

    as programmed   G = target + σ_prog(target)·z, cut at an acceptance window where one is known
    at time t       G(t) = G + m(target, t) + σ_c(target, t)·z'

z and z' are independent, so σ(t)² = σ_prog² + σ_c²; a published σ(t) of the whole distribution gives σ_c by difference.
Where the tails are a population of their own, the change is a two-population mixture instead of a normal law.
Between published times the quantiles of the change are linear in ln t, so they never cross; beyond the last
of two or more times its spread squared goes on linearly in ln t. Nothing is known of a cell's history but its two ends:
z' is kept for life.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import truncnorm

from nvmphys.errors import BadInput
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.curve import Rows
from nvmphys.population.extrapolation import EXTRAPOLATIONS, WIDTH_Z, beyond
from nvmphys.population.history import History
from nvmphys.population.law import (
    Extra,
    Plain,
    extras_of,
    positive_programmed,
    sigma_above_zero,
    span,
    truncated_normal,
)
from nvmphys.population.mixture import mixture_moments, mixture_quantile
from nvmphys.records import ModelCard

Array = NDArray[np.float64]
Moments = tuple[Array, Array]

NAME = "spread"
_UNIFORM = 1 / np.sqrt(3)
"""σ of a uniform distribution over its half-width: no cut normal law is wider."""


@dataclass(frozen=True)
class Tail:
    """A second population of the change: its share, mean [S] and σ [S] against the target, a row per time."""

    weight: Rows
    shift_S: Rows
    sigma_S: Rows

    def beside(self, core: Moments, level_S: Array) -> tuple[Array, Moments, Moments]:
        """Return the share of the tail, and mean and σ [S] of the core and of the tail."""
        return self.weight.at(level_S), core, (self.shift_S.at(level_S), self.sigma_S.at(level_S))


@dataclass(frozen=True)
class SpreadLaw(Plain):
    """Normal statistics of programming and of the change since, at the times for which they are known.

    Attributes
    ----------
    sigma_prog_S : Rows
        σ as programmed against target [S]; a second row, where there is one, is another published fit of the same.
    first_time_s : float
        When the conductance stands as programmed [s].
    times_s : ndarray (node,)
        Later times [s]; empty where only the programmed conductance is known.
    shift_S, sigma_S : Rows or None
        Mean and σ of the change at these times [S]; σ of the whole distribution where `sigma_is_total`.
    sigma_is_total : bool
    window_of_value : float
        Half-width of the acceptance window as share of the target [1]; infinite without one.
    tail : Tail or None
    reach_S : ndarray (fit,)
        Highest conductance that each fit of σ as programmed was made for [S].
    bound_S : float
        Where only a limit of σ is published, that limit [S]: σ lies between 0 and it; NaN otherwise.
    read_noise_S : float
        a of the read noise amplitude a·log10(G/1 µS) [S]; NaN where read noise is not known apart.
    """

    sigma_prog_S: Rows
    first_time_s: float
    level_range_S: tuple[float, float]
    time_range_s: tuple[float, float]
    times_s: Array = field(default_factory=lambda: np.empty(0))
    shift_S: Rows | None = None
    sigma_S: Rows | None = None
    sigma_is_total: bool = False
    window_of_value: float = np.inf
    tail: Tail | None = None
    reach_S: Array = field(default_factory=lambda: np.array([np.inf]))
    bound_S: float = np.nan
    read_noise_S: float = np.nan
    t_read_s: float = np.nan
    extras: Mapping[str, Extra] = field(default_factory=dict)
    coordinate: Coordinate = field(default_factory=lambda: Coordinate("linear"))
    level_is_programmed: bool = False
    value_parts: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "programmed": ("sigma_prog", "sigma_bound", "window"),
        "change": ("shift_", "sigma_change", "sigma_total", "tail_", "history"),
        "history": ("history",),
        "read_noise": ("read_noise",),
    }

    @property
    def extrapolates(self) -> bool:  # type: ignore[override]
        """Whether there are two times to take a slope from."""
        return self.times_s.size + (self.first_time_s > 0) > 1

    @property
    def history(self) -> History:
        """Keep one score of change for life: nothing is known of the path between two times."""
        return History.frozen(self.times_s[0] if self.times_s.size else max(self.first_time_s, 1.0))

    def programming_sigma(self, target_S: Array) -> Array:
        """Return the σ as programmed [S], absolute, as published."""
        return self.sigma_prog_S.at(np.asarray(target_S, dtype=float))[0]

    def programmed(self, target_S: Array, z: Array) -> Array:
        """Return target + error [S] at normal score z; below zero stands at zero.

        With an acceptance window the error is a normal law cut there, whose σ after the cut is the published one. A
        published σ beyond that of a uniform error in the window widens the window: the error is then uniform.
        """
        sigma = self.programming_sigma(target_S)
        if np.isinf(self.window_of_value):
            return positive_programmed(target_S + sigma * z)
        window = self.window_of_value * np.asarray(target_S)
        uniform = sigma >= window * _UNIFORM
        half = np.where(uniform, sigma / _UNIFORM, window)
        before = np.where(uniform, np.inf, half * _sigma_before_cut(np.where(uniform, 0.1, sigma / window)))
        return positive_programmed(target_S + truncated_normal(z, before, half))

    def change(self, level_S: Array, time_s: float, z: Array, extrapolate: bool = False) -> Array:
        """Return G(t) - G(as programmed) [S] at normal score z of cells with targets `level_S`."""
        if not self.times_s.size:
            raise BadInput(
                f"time must be {self.first_time_s:g} s (as programmed; got {time_s:g} s): "
                "nothing is published of later times"
            )
        level, z = np.broadcast_arrays(np.asarray(level_S, dtype=float), z)
        nodes, times = self._nodes(level, z)
        x = np.log(times)
        last = min(time_s, float(times[-1]))
        place = np.interp(np.log(last), x, np.arange(times.size))
        low = min(int(place), times.size - 2) if times.size > 1 else 0
        now = nodes[low] if times.size == 1 else nodes[low] + (place - low) * (nodes[low + 1] - nodes[low])
        return now if time_s <= last or not extrapolate else self._further(level, times, time_s, now)

    def _nodes(self, level_S: Array, z: Array) -> tuple[Array, Array]:
        """Return the change at all nodes (node, n) [S] and their times [s]; none at a first time above 0 s."""
        shift, sigma = core = self._core(level_S)
        nodes = shift + sigma * z if self.tail is None else mixture_quantile(z, *self.tail.beside(core, level_S))
        if self.first_time_s <= 0:
            return nodes, self.times_s
        return np.concatenate([np.zeros((1, z.size)), nodes]), np.append(self.first_time_s, self.times_s)

    def _core(self, level_S: Array) -> tuple[Array, Array]:
        """Return mean and σ of the change (node, n) [S], of the core where there is a tail population."""
        assert self.sigma_S is not None
        sigma = self.sigma_S.at(level_S)
        if self.sigma_is_total:
            sigma = np.sqrt(np.maximum(sigma**2 - self.programming_sigma(level_S) ** 2, 0.0))
        return np.zeros(sigma.shape) if self.shift_S is None else self.shift_S.at(level_S), sigma

    def change_moments(self, level_S: Array) -> tuple[Array, Array]:
        """Return mean and σ of the change (node, n) [S] at the later times, both populations together."""
        core = self._core(level_S)
        return core if self.tail is None else mixture_moments(*self.tail.beside(core, level_S))

    def _further(self, level_S: Array, times: Array, time_s: float, now: Array) -> Array:
        """Return the change beyond the last time: centre linear, spread squared linear in ln t."""
        low, centre, high = (
            self._nodes(level_S, np.full(level_S.size, score))[0] for score in (-WIDTH_Z, 0.0, WIDTH_Z)
        )
        ahead = np.log(time_s / times[-1])
        last = centre[-1], high[-1] - low[-1]
        further, wider = beyond(times, centre, high - low, last, ahead, EXTRAPOLATIONS[0])
        ratio = np.divide(wider, last[1], out=np.ones_like(wider), where=last[1] > 0)
        return further + (now - centre[-1]) * ratio

    def read_noise_amplitude(self, target_S: Array, conductance_S: Array) -> Array | None:
        """Return a·log10(G/1 µS) [S]; not negative: below 1 µS the law is outside its range."""
        if np.isnan(self.read_noise_S):
            return None
        return np.asarray(self.read_noise_S * np.log10(np.maximum(conductance_S / 1e-6, 1.0)))

    def sigma_range(self, target_S: Array, time_s: float) -> tuple[Array, Array] | None:
        """Return the σ [S] between which published fits disagree, or 0 and the limit where only that is published.

        Like a profile's σ they are of cells whose draws below zero stand at zero; NaN where one fit does not reach.
        """
        target = np.asarray(target_S, dtype=float)
        if np.isfinite(self.bound_S):
            return np.zeros(target.shape), np.full(target.shape, self.bound_S)
        fits = self.sigma_prog_S.at(target)
        if len(fits) < 2 or time_s != self.first_time_s:
            return None
        fits = sigma_above_zero(target, np.where(target <= self.reach_S[:, None] * (1 + 1e-9), fits, np.nan))
        return fits.min(axis=0), fits.max(axis=0)


def _sigma_before_cut(sigma: Array) -> Array:
    """Return σ of the normal law that, cut at ±1, has the given σ (< 1/√3)."""
    flat = np.ravel(sigma)
    kinds, place = np.unique(np.round(flat, 9), return_inverse=True)

    def solve(wanted: float) -> float:
        # cut at two σ or more hardly anything changes; near the uniform law σ before the cut grows without bound
        return float(brentq(lambda s: truncnorm.std(-1 / s, 1 / s, scale=s) - wanted, wanted, 1e3))

    found = [wanted if wanted < 0.1 else (solve(wanted) if wanted < 0.5772 else np.inf) for wanted in kinds]
    return np.asarray(found, dtype=float)[place].reshape(np.shape(sigma))


def from_card(card: ModelCard) -> SpreadLaw:
    """Build the law from a card's values."""
    times = np.atleast_1d(card.array("time_s")) if "time_s" in card.values else np.empty(0)
    total, of_change = (Rows.of(card, f"sigma_{what}") for what in ("total", "change"))
    if times.size and total is None and of_change is None:
        raise KeyError("sigma_total_polynomial")
    parts = [Rows.of(card, f"tail_{what}") for what in ("weight", "shift", "sigma")]
    bound = float(card.values.get("sigma_bound_S", np.nan))
    sigma_prog = Rows(np.array([[bound]])) if np.isfinite(bound) else Rows.of(card, "sigma_prog")
    if sigma_prog is None:
        raise KeyError("sigma_prog_polynomial")
    return SpreadLaw(
        sigma_prog_S=sigma_prog,
        first_time_s=float(card.validity["programmed_at_s"]),
        level_range_S=span(card, "target_S"),
        time_range_s=span(card, "time_s"),
        times_s=times,
        shift_S=Rows.of(card, "shift"),
        sigma_S=of_change if total is None else total,
        sigma_is_total=total is not None,
        window_of_value=float(card.values.get("window_of_value", np.inf)),
        tail=Tail(*(part for part in parts if part is not None)) if all(parts) else None,
        reach_S=np.atleast_1d(np.asarray(card.values.get("sigma_prog_reach_S", np.inf), dtype=float)),
        bound_S=bound,
        read_noise_S=float(card.values.get("read_noise_S", np.nan)),
        t_read_s=float(card.values.get("t_read_s", np.nan)),
        extras=extras_of(card),
    )
