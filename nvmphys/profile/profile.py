"""The variation profile: calibrated statistics of programmed cells as tables, and cells drawn from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from nvmphys.errors import BadInput
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.history import History
from nvmphys.population.law import Extra, check_levels, check_times
from nvmphys.profile.sections import PulseTable, ReadCurrent, Replicates

if TYPE_CHECKING:
    from nvmphys.profile.sampler import Sampler

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
        What the crossbar adds (IR drop, SPICE check), when the profile was built with one: the entries of
        :class:`~nvmphys.profile.sections.ArraySection`.
    read_duration_s : float or None
        Duration of one read [s], where `read_noise_S` is known: with it read noise can be drawn as a path.
    pulse_update : mapping of str to PulseTable
        What pulses do to the conductance, by direction: `set`, `reset`; empty where it is not known.
    read_iv : ReadCurrent or None
        How the read current departs from Ohm's law; None where it is not known.
    replicates : Replicates or None
        The tables as they would be had other devices been measured; None where nothing tells.
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
    read_duration_s: float | None = None
    pulse_update: Mapping[str, PulseTable] = field(default_factory=dict)
    read_iv: ReadCurrent | None = None
    replicates: Replicates | None = None

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
        """Draw cells: whole histories, without read noise; :meth:`sampler` draws them by number, in chunks or threads.

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
            Hold the last table beyond its time, and warn; off by default, then such a time is refused. A profile of
            the programmed conductance alone refuses any other time.
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

        Warns
        -----
        ExtrapolationWarning
            Times beyond the tables; :meth:`is_beyond` marks them, and those of the tables that are extrapolated.

        Examples
        --------
        >>> import nvmphys as nv
        >>> profile = nv.build_profile(nv.load_card("pcm_90nm"), [5e-6, 20e-6], [20.0, 3600.0], rng=1)
        >>> g = profile.sample(np.full(10_000, 20e-6), [20.0, 3600.0], rng=2)
        >>> bool(g[0].mean() > g[1].mean())
        True
        """
        return self.sampler(rng, temperature, extrapolate=extrapolate, extras=extras).draw(targets, times)

    def sampler(
        self,
        seed: np.random.Generator | int,
        temperature: float | None = None,
        *,
        extrapolate: bool = False,
        extras: bool = True,
    ) -> Sampler:
        """Return a sampler, which draws cells by their number: see :class:`~nvmphys.profile.sampler.Sampler`.

        Arguments are those of :meth:`sample`; a generator gives the next two words to the sampler's key.
        """
        from nvmphys.profile.sampler import sampler_of  # compiled when it is first imported

        return sampler_of(self, seed, temperature, extrapolate, extras)

    def replicate(self, which: int) -> VariationProfile:
        """Return the profile as it would be had other devices been measured.

        Parameters
        ----------
        which : int
            0 … len(replicates) - 1.

        Raises
        ------
        BadInput
            No such replicate, or nothing tells how the tables would differ.
        """
        return _replicate(self, which)

    def check_times(self, times: Array, extrapolate: bool = False, *, may_extrapolate: bool = False) -> None:
        """Refuse times [s] that the tables do not cover, and say which tables would.

        Parameters
        ----------
        times : ndarray (time,)
        extrapolate : bool
            Whether times beyond the last of the tables are let through.
        may_extrapolate : bool
            Whether the caller takes `extrapolate`, which is then offered.

        Raises
        ------
        BadInput
            "time must be … s (as programmed) or >= … s …: build the profile with earlier times …" where the law behind
            it knows them, else "nothing is known of earlier times"; "time must be <= … s …".
        """
        first, last = self.time_range_s
        known = [float(t) for t in self.validity.get("time_s") or ()] or [first, last]
        earlier = (
            f"the tables begin there: build the profile with earlier times (--times), from {known[0]:g} s on"
            if known[0] < first * (1 - 1e-9)
            else "nothing is known of earlier times"
        )
        reach = f", up to {known[-1]:g} s" if known[-1] > last * (1 + 1e-9) else ""
        beyond = f"the tables end there: build the profile with later times (--times){reach}"
        held = ", or pass extrapolate=True to hold the last" if may_extrapolate else ""
        check_times(self, np.asarray(times, dtype=float), extrapolate, earlier=earlier, beyond=beyond + held)

    def is_beyond(self, times: Array | float) -> NDArray[np.bool_]:
        """Tell which times lie beyond the last one behind the card (time,): tabulated there or not, it is extrapolated.

        >>> import nvmphys as nv
        >>> card = nv.load_card("pcm_90nm")
        >>> nv.build_profile(card, [5e-6], [1e6], rng=1, extrapolate=True).is_beyond([3600.0, 1e6]).tolist()
        [False, True]
        """
        known = self.validity.get("time_s") or [0.0, self.tables.time_s[-1]]
        return np.atleast_1d(np.asarray(times, dtype=float)) > known[-1] * (1 + 1e-9)

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
        table = self.change_table(time_s, temperature)
        return look_up(table, self.tables.level_S, self.tables.probability, level_S, z)

    def change_table(self, time_s: float, temperature: float | None = None) -> Array:
        """Return quantiles of the change of the coordinate at one time [s] and temperature [K] (level, probability).

        Linear in ln t and 1/T between the tables': mixtures of quantiles, which do not cross.
        """
        low, high, up = self._between_times(time_s)
        table = self._at_temperature(temperature)[:, self.interpolated]
        return np.asarray(table[:, low] * (1 - up) + table[:, high] * up)

    def quantiles(
        self, targets: Array | float, time_s: float, temperature: float | None = None,
        probability: Array | float | None = None,
    ) -> Array:  # fmt: skip
        """Return quantiles of the conductance, interpolated.

        Linear in the target, in ln t, in 1/T and in the normal score between the tables' own: mixtures of quantile
        functions, so they never cross. Between nodes this is the tables' interpolation; the cells that are drawn
        mix the change in place of the conductance.

        Parameters
        ----------
        targets : array_like (n,)
            Targets [S], within the tables'.
        time_s : float
            Time since programming [s], within the tables'.
        temperature : float, optional
            Within the tables' [K]; the lowest by default.
        probability : array_like (probability,), optional
            Those of the tables by default, and within them.

        Returns
        -------
        ndarray (n, probability)
            Conductance [S].

        Raises
        ------
        BadInput
            Target, time, temperature or probability outside the tables.
        """
        return _quantiles(self, targets, time_s, temperature, probability)

    def relative_read_noise(self, time_s: float) -> Array:
        """Return σ of one read as a share of the conductance (target,) [1]; 0 before the first read that is known."""
        tables, known = self.tables, self.interpolated
        if self.read_noise_S is None:
            raise BadInput(f"{self.name}: read noise is not known apart")
        mean = tables.mean_S[0]
        share = np.divide(self.read_noise_S, mean, out=np.zeros_like(mean), where=mean > 0)
        if time_s < tables.time_s[known][0]:
            return np.nan_to_num(share[:, 0])
        low, high, up = self._between_times(time_s)
        share = np.nan_to_num(share[:, known])
        return np.asarray(share[:, low] * (1 - up) + share[:, high] * up)

    def _between_times(self, time_s: float) -> tuple[int, int, float]:
        """Return the times on the axis of ln t on both sides, and the share of the later one."""
        return _between(np.log(time_s), np.log(self.tables.time_s[self.interpolated]))

    def _between_temperatures(self, temperature: float | None) -> tuple[int, int, float]:
        """Return the temperatures on both sides on the axis of 1/T, and the share of the higher one."""
        if temperature is None:
            return 0, 0, 0.0
        self.check_temperature(temperature)
        return _between(-1 / temperature, -1 / self.tables.temperature_K)

    def _at_temperature(self, temperature: float | None) -> Array:
        """Return the change (level, time, probability) at a temperature [K]: linear in 1/T between the table's."""
        cold, hot, warm = self._between_temperatures(temperature)
        change = self.tables.change
        return np.asarray(change[cold] * (1 - warm) + change[hot] * warm)

    def check_temperature(self, temperature: float) -> None:
        """Refuse a temperature [K] outside those of the tables."""
        known = self.tables.temperature_K
        if not known[0] - 0.5 <= temperature <= known[-1] + 0.5:
            what = f"lie within {known[0]:g} … {known[-1]:g} K" if known.size > 1 else f"be {known[0]:g} K"
            raise BadInput(
                f"temperature must {what}, the temperatures of this profile (got {temperature:g} K): build it with "
                "those you need"
            )


def _quantiles(
    profile: VariationProfile, targets: Array | float, time_s: float, temperature: float | None,
    probability: Array | float | None,
) -> Array:  # fmt: skip
    """Interpolate the quantiles of the conductance: see `VariationProfile.quantiles`."""
    tables, wanted = profile.tables, np.atleast_1d(np.asarray(targets, dtype=float))
    check_levels(profile, wanted)
    profile.check_times(np.array([time_s]))
    asked = tables.probability if probability is None else np.atleast_1d(np.asarray(probability, dtype=float))
    if not np.all((asked >= tables.probability[0]) & (asked <= tables.probability[-1])):
        raise BadInput(
            f"probability must lie within {tables.probability[0]:g} … {tables.probability[-1]:g} (got "
            f"{asked.min():g} … {asked.max():g})"
        )
    cold, hot, warm = profile._between_temperatures(temperature)
    at_heat = tables.quantiles_S[cold] * (1 - warm) + tables.quantiles_S[hot] * warm
    if time_s == profile.first_time_s:
        now = at_heat[:, 0]
    else:
        low, high, up = profile._between_times(time_s)
        known = at_heat[:, profile.interpolated]
        now = known[:, low] * (1 - up) + known[:, high] * up
    at, z = np.meshgrid(wanted, ndtri(asked), indexing="ij")
    return look_up(now, tables.target_S, tables.probability, at.ravel(), z.ravel()).reshape(at.shape)


def _replicate(profile: VariationProfile, which: int) -> VariationProfile:
    """Return a replicate of a profile: see `VariationProfile.replicate`."""
    found = profile.replicates
    if found is None:
        raise BadInput(f"{profile.name}: no replicates: nothing tells how its tables differ from devices to devices")
    if not 0 <= which < len(found):
        raise BadInput(f"replicate must lie within 0 … {len(found) - 1} (got {which})")
    tables = replace(
        profile.tables, programmed_S=found.programmed_S[which], change=found.change[which],
        quantiles_S=found.quantiles_S[which], mean_S=found.mean_S[which], sigma_S=found.sigma_S[which],
    )  # fmt: skip
    extras = {
        name: replace(extra, weight=float(found.weight[name][which])) if name in found.weight else extra
        for name, extra in profile.extras.items()
    }
    return replace(profile, tables=tables, extras=extras, replicates=None)


def _between(x: float, axis: Array) -> tuple[int, int, float]:
    """Return the nodes of an axis on both sides of x and the share of the higher one; an end holds beyond it."""
    position = float(np.interp(x, axis, np.arange(axis.size)))
    low = int(position)
    return low, min(low + 1, axis.size - 1), position - low


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
