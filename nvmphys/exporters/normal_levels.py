"""Levels of a memory cell as mean and σ each: what consumers take that draw every cell from a normal law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from nvmphys.exporters.carried import Carried
from nvmphys.exporters.loss import Said, approximated, basis_in_words, carried, dropped
from nvmphys.exporters.tools import Draw
from nvmphys.population.law import sigma_above_zero
from nvmphys.profile import VariationProfile

Array = NDArray[np.float64]

TAILS = (0.001, 0.01, 0.5, 0.99, 0.999)
"""Probabilities at which the error of a normal law is told."""


@dataclass(frozen=True)
class NormalLevels:
    """Mean and σ of levels over time, at the profile's lowest temperature.

    Attributes
    ----------
    target_S : ndarray (level,)
    time_s : ndarray (time,)
    mean_S, sigma_S : ndarray (level, time)
    """

    target_S: Array
    time_s: Array
    mean_S: Array
    sigma_S: Array

    @property
    def carried(self) -> Carried:
        """These levels, on common axes."""
        return Carried(self.target_S, self.time_s, self.mean_S, self.sigma_S)

    def draw(self, draw: Draw) -> Array:
        """Draw cells (time, target, cell) [S], every time anew; targets are levels, times those of the table."""
        rng = np.random.default_rng(draw.seed)
        level = [int(np.argmin(np.abs(self.target_S - target))) for target in draw.targets_S]
        time = [int(np.argmin(np.abs(self.time_s - t))) for t in draw.times_s]
        shape = (len(time), len(level), draw.n)
        mean, sigma = (part[level][:, time].T[..., None] for part in (self.mean_S, self.sigma_S))
        return np.asarray(mean + sigma * rng.standard_normal(shape))


def levels_of(profile: VariationProfile, n: int) -> NormalLevels:
    """Return n levels, evenly over the targets; mean and σ are linear between the table's targets."""
    tables = profile.tables
    target = np.linspace(*profile.level_range_S, n)
    mean, sigma = (
        np.stack([np.interp(target, tables.target_S, column) for column in part[0].T], axis=1)
        for part in (tables.mean_S, tables.sigma_S)
    )
    return NormalLevels(target, tables.time_s, mean, sigma)


def quantiles_of(profile: VariationProfile, targets_S: Array, probability: Array) -> Array:
    """Return quantiles [S] (target, time, probability) of the profile's tables, linear between its targets."""
    times = profile.tables.time_s
    return np.stack([profile.quantiles(targets_S, float(time), probability=probability) for time in times], axis=1)


def said_of(profile: VariationProfile, levels: NormalLevels, *, above_zero: bool = False) -> dict[str, Said]:
    """Say what mean and σ of each level carry of a profile.

    Parameters
    ----------
    above_zero : bool
        The consumer puts draws below zero at zero.
    """
    low, high = profile.level_range_S
    width = high - low
    z = ndtri(np.array(TAILS))
    normal = levels.mean_S[..., None] + levels.sigma_S[..., None] * z
    if above_zero:
        normal = np.maximum(normal, 0.0)
    tails = np.abs(normal - quantiles_of(profile, levels.target_S, np.array(TAILS))).max() / width
    moments = _moments_above_zero(levels) if above_zero else (levels.mean_S, levels.sigma_S)
    error = np.maximum(np.abs(moments[0] - levels.mean_S), np.abs(moments[1] - levels.sigma_S)) / width
    zero = "; draws below zero stand at zero" if above_zero else ""
    own = "every time has mean and σ of its own and draws its cells anew"
    return {
        "programmed conductance": approximated(float(error[:, 0].max()), f"mean and σ of each level{zero}"),
        "conductance over time": approximated(float(error.max()), f"mean and σ of each level at each time{zero}"),
        "tails": approximated(float(tails), "a normal law; the error is that of its 0.1, 1, 50, 99 and 99.9 % points"),
        "histories": dropped(own),
        "populations that do not follow the target": dropped("a normal law about each level has no room for them"),
        "read noise": dropped("not part of the table"),
        "drift exponents": dropped("held in the mean and σ of each time, not as exponents"),
        "temperature": dropped(f"the table is for {profile.tables.temperature_K[0]:g} K"),
        "what is left open of σ": dropped("one σ for each level"),
        "programming error and change together": dropped(own),
        "array effects": dropped("the table is of single cells"),
        "pulse updates": dropped("levels are programmed at once"),
        "read non-linearity": dropped("cells are linear"),
        "confidence": dropped("one table, without replicates"),
        "basis, validity and provenance": carried(f"in the file beside; {basis_in_words(profile)}"),
    }


def _moments_above_zero(levels: NormalLevels) -> tuple[Array, Array]:
    """Return mean and σ [S] of normal laws whose draws below zero stand at zero."""
    m, s = levels.mean_S, np.where(levels.sigma_S > 0, levels.sigma_S, np.finfo(float).tiny)
    mean = m * ndtr(m / s) + s * np.exp(-0.5 * (m / s) ** 2) / np.sqrt(2 * np.pi)
    return np.where(levels.sigma_S > 0, mean, m), sigma_above_zero(m, levels.sigma_S)
