"""The variation profile: calibrated statistics of programmed cells as tables, and cells drawn from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from nvmphys.errors import BadInput
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.history import History
from nvmphys.population.law import Extra, check_levels, check_times, correlated
from nvmphys.records import as_rng

Array = NDArray[np.float64]

PROBABILITIES = np.array(
    [1e-5, 1e-4, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4,
     0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.965, 0.98, 0.99, 0.995, 0.9975, 0.999,
     0.9995, 0.9999, 0.99999]
)  # fmt: skip
"""Probabilities of the tables' quantiles; between them quantiles are linear in the normal score."""


@dataclass(frozen=True)
class Tables:
    """Quantile tables on the axes of a profile.

    Attributes
    ----------
    target_S : ndarray (target,)
    time_s : ndarray (time,)
        Times since programming [s]; the first is that of the programmed conductance.
    temperature_K : ndarray (temperature,)
    probability : ndarray (probability,)
    level_S : ndarray (level,)
        Conductances that changes are tabulated for [S]: the targets, or where a cell may stand as programmed.
    programmed_S : ndarray (target, probability)
        Quantiles of the conductance as programmed [S].
    change : ndarray (temperature, level, time, probability)
        Quantiles of the change of the profile's `coordinate` since programming.
    quantiles_S : ndarray (temperature, target, time, probability)
        Quantiles of the conductance itself [S].
    mean_S, sigma_S : ndarray (temperature, target, time)
        Mean and σ (absolute) of the conductance [S].
    correlation : ndarray (temperature, target, time, time)
        Correlation of the conductance's normal scores between times: one cell, one history.
    """

    target_S: Array
    time_s: Array
    temperature_K: Array
    probability: Array
    level_S: Array
    programmed_S: Array
    change: Array
    quantiles_S: Array
    mean_S: Array
    sigma_S: Array
    correlation: Array


@dataclass(frozen=True)
class VariationProfile:
    """Statistics of programmed cells that a DNN simulator can consume, with all that is needed to trust them.

    Attributes
    ----------
    name, technology : str
    tables : Tables
    coordinate : Coordinate
        Where changes add to the programmed conductance.
    level_is_programmed : bool
        Whether a cell's change depends on where it stands as programmed, or on its target.
    history : History
        Joint law of a cell's scores over time.
    extrapolates : bool
        Whether the law behind it says anything, as an assumption, of times beyond the last one known.
    extras : mapping of str to Extra
        Populations that do not follow the target, with their share.
    read_noise_S : ndarray (target, time) or None
        σ (absolute) of one read [S]; None where it is not known apart.
    programming_correlation : float
        Correlation between a cell's score at programming and its scores of change [1].
    sigma_range_S : ndarray (2, target, time) or None
        Lowest and highest σ [S] that what is published leaves open: two fits that disagree, or 0 and a limit; NaN where
        nothing is said, None if nowhere.
    drift : mapping
        For power laws: `t0_s`, `nu_mean` and `nu_sigma` (target,).
    array : mapping
        What the crossbar adds (IR drop, SPICE check), when the profile was built with one.
    basis : mapping of str to str
        Where each table comes from.
    validity : mapping
        `target_S`, `time_s` ranges and which times are extrapolated.
    assumptions, unknown : tuple of str
    provenance : mapping
    """

    name: str
    technology: str
    tables: Tables
    coordinate: Coordinate
    level_is_programmed: bool
    history: History
    basis: Mapping[str, str]
    validity: Mapping[str, Any]
    extrapolates: bool = True
    extras: Mapping[str, Extra] = field(default_factory=dict)
    programming_correlation: float = 0.0
    read_noise_S: Array | None = None
    sigma_range_S: Array | None = None
    drift: Mapping[str, Any] = field(default_factory=dict)
    array: Mapping[str, Any] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def level_range_S(self) -> tuple[float, float]:
        """Lowest and highest target [S]."""
        return float(self.tables.target_S[0]), float(self.tables.target_S[-1])

    @property
    def first_time_s(self) -> float:
        """Time of the programmed conductance [s]."""
        return float(self.tables.time_s[0])

    @property
    def time_range_s(self) -> tuple[float, float]:
        """First and last time between which the tables are interpolated [s].

        A power law starts at its t0; after a first read at 0 nothing is known before the first time of the tables.
        """
        times = self.interpolated
        return float(self.tables.time_s[times][0]), float(self.tables.time_s[-1])

    @property
    def interpolated(self) -> slice:
        """Return which of the table's times lie on the axis of ln t."""
        return slice(0 if self.first_time_s > 0 or self.tables.time_s.size == 1 else 1, None)

    def sample(
        self,
        targets: Array | float,
        times: Array | float,
        rng: np.random.Generator | int,
        temperature: float | None = None,
        extrapolate: bool = False,
        extras: bool = True,
    ) -> Array:
        """Draw cells: whole histories, without read noise.

        Parameters
        ----------
        targets : array_like
            Target conductance of each cell [S], any shape, within the table's targets.
        times : array_like (time,)
            Times since programming [s]: the programming time itself, or within the table's times.
        rng : numpy.random.Generator or int
        temperature : float, optional
            Within the table's [K]; the lowest by default.
        extrapolate : bool
            Hold the last table beyond its time; off by default, then such a time is refused. A profile of the
            programmed conductance alone refuses any other time.
        extras : bool
            Mix in the populations that do not follow the target, with their shares.

        Returns
        -------
        ndarray (time, *targets.shape)
            Conductance [S]; one cell, one history.

        Raises
        ------
        BadInput
            Target, time or temperature outside the tables.

        Examples
        --------
        >>> import nvmphys as nv
        >>> profile = nv.build_profile(nv.load_card("pcm_90nm"), [5e-6, 20e-6], [20.0, 3600.0], rng=1)
        >>> g = profile.sample(np.full(10_000, 20e-6), [20.0, 3600.0], rng=2)
        >>> bool(g[0].mean() > g[1].mean())
        True
        """
        rng = as_rng(rng)
        cells = np.asarray(targets, dtype=float)
        when = np.atleast_1d(np.asarray(times, dtype=float))
        check_levels(self, cells)
        check_times(self, when, extrapolate and self.tables.time_s.size > 1)
        flat = cells.ravel()
        z = rng.standard_normal(flat.size)
        programmed, stuck = self.program(flat, z, rng, extras=extras)
        level = self.level(programmed, flat)
        later = when != self.first_time_s
        out = np.broadcast_to(programmed, (when.size, flat.size)).copy()
        scores = correlated(self.history.scores(when[later], flat.size, rng), z, self.programming_correlation)
        for i, score in zip(np.flatnonzero(later), scores, strict=True):
            out[i] = np.where(stuck, programmed, self.at(programmed, level, when[i], score, temperature))
        return out.reshape(when.size, *cells.shape)

    def program(
        self, targets_S: Array, z: Array, rng: np.random.Generator, *, extras: bool = True
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Return conductances [S] as programmed at normal scores z, and which cells are stuck there.

        Cells drawn of the extra populations replace regular ones.
        """
        tables = self.tables
        programmed = look_up(tables.programmed_S, tables.target_S, tables.probability, targets_S, z)
        stuck = np.zeros(programmed.size, dtype=bool)
        if not extras:
            return programmed, stuck
        lot, place, low = rng.random(z.size), rng.random(z.size), 0.0
        for extra in self.extras.values():
            mine = (lot >= low) & (lot < low + extra.weight)
            low += extra.weight
            if extra.quantiles_S.size:
                programmed[mine] = np.interp(place[mine], np.linspace(0, 1, extra.quantiles_S.size), extra.quantiles_S)
                stuck |= mine & extra.stays
        return programmed, stuck

    def level(self, programmed_S: Array, targets_S: Array) -> Array:
        """Return the level [S] whose changes each cell follows: the nearest tabulated.

        A cell programmed beyond all levels, of an extra population, changes as the highest level does.
        """
        levels = self.tables.level_S
        astray = programmed_S > self.tables.programmed_S[-1, -1]
        wanted = np.where(astray | self.level_is_programmed, programmed_S, targets_S)
        return np.clip(wanted, levels[0], levels[-1])

    def at(
        self, programmed_S: Array, level_S: Array, time_s: float, z: Array, temperature: float | None = None
    ) -> Array:
        """Return the conductance [S] at one time of cells with given programmed conductance, level and score.

        Changes are linear in level and score, and in ln t between the table's times.
        """
        change = self.change_at(level_S, time_s, z, temperature)
        return self.coordinate.moved(programmed_S, change)

    def change_at(self, level_S: Array, time_s: float, z: Array, temperature: float | None = None) -> Array:
        """Return the change of the coordinate at one time, by level and score."""
        times = self.tables.time_s[self.interpolated]
        position = float(np.interp(np.log(time_s), np.log(times), np.arange(times.size)))
        low = int(position)
        high = min(low + 1, times.size - 1)
        table = self._at_temperature(temperature)[:, self.interpolated]
        mixed = table[:, low] + (position - low) * (table[:, high] - table[:, low])
        return look_up(mixed, self.tables.level_S, self.tables.probability, level_S, z)

    def _at_temperature(self, temperature: float | None) -> Array:
        """Return the change (level, time, probability) at a temperature [K]: linear in 1/T between the table's."""
        known = self.tables.temperature_K
        if temperature is None:
            return self.tables.change[0]
        self.check_temperature(temperature)
        position = float(np.interp(-1 / temperature, -1 / known, np.arange(known.size)))
        low = int(position)
        high = min(low + 1, known.size - 1)
        change = self.tables.change
        return np.asarray(change[low] + (position - low) * (change[high] - change[low]))

    def check_temperature(self, temperature: float) -> None:
        """Refuse a temperature [K] outside those of the tables."""
        known = self.tables.temperature_K
        if not known[0] - 0.5 <= temperature <= known[-1] + 0.5:
            what = f"lie within {known[0]:g} … {known[-1]:g} K" if known.size > 1 else f"be {known[0]:g} K"
            raise BadInput(
                f"temperature must {what}, the temperatures of this profile (got {temperature:g} K): build it with "
                "those you need"
            )


def look_up(table: Array, axis_S: Array, probability: Array, targets_S: Array, z: Array) -> Array:
    """Interpolate a table (target, probability) at targets and normal scores; the outermost scores hold beyond it."""
    grid = ndtri(probability)
    column = np.clip(np.searchsorted(grid, z, side="right") - 1, 0, grid.size - 2)
    right = np.clip((z - grid[column]) / (grid[column + 1] - grid[column]), 0.0, 1.0)
    if axis_S.size == 1:
        return table[0, column] * (1 - right) + table[0, column + 1] * right
    row = np.clip(np.searchsorted(axis_S, targets_S, side="right") - 1, 0, axis_S.size - 2)
    up = np.clip((targets_S - axis_S[row]) / (axis_S[row + 1] - axis_S[row]), 0.0, 1.0)
    below = table[row, column] * (1 - right) + table[row, column + 1] * right
    above = table[row + 1, column] * (1 - right) + table[row + 1, column + 1] * right
    return below * (1 - up) + above * up
