"""Programmed cells with all that decides their conductance at every time, for tools that ask for one time at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nvmphys.exporters.tools import Draw
from nvmphys.population.law import correlated
from nvmphys.profile import VariationProfile

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ProgrammedCells:
    """Cells of a profile, drawn once.

    Attributes
    ----------
    profile : VariationProfile
    programmed_S : ndarray (cell,)
        Conductance as programmed [S].
    level_S : ndarray (cell,)
        Level whose changes each cell follows [S].
    score : ndarray (cell,)
        Normal score at programming.
    stuck : ndarray of bool (cell,)
        Cells that stay where they are.
    state : ndarray (row, cell)
        State of the history.
    """

    profile: VariationProfile
    programmed_S: Array
    level_S: Array
    score: Array
    stuck: NDArray[np.bool_]
    state: Array

    @classmethod
    def program(cls, profile: VariationProfile, targets_S: Array, rng: np.random.Generator) -> ProgrammedCells:
        """Draw cells for targets [S] (cell,), within the profile's."""
        score = rng.standard_normal(targets_S.size)
        programmed, stuck = profile.program(targets_S, score, rng)
        level = profile.level(programmed, targets_S)
        return cls(profile, programmed, level, score, stuck, profile.history.draw(targets_S.size, rng))

    @classmethod
    def unstacked(cls, profile: VariationProfile, rows: Array) -> ProgrammedCells:
        """Return cells from what `stacked` gave."""
        return cls(profile, rows[0], rows[1], rows[2], rows[3] > 0.5, rows[4:])

    def stacked(self) -> Array:
        """Return everything as numbers (row, cell), for a tool that keeps a state for each cell."""
        return np.concatenate([[self.programmed_S, self.level_S, self.score, self.stuck.astype(float)], self.state])

    def at(self, time_s: float, temperature_K: float | None = None) -> Array:
        """Return conductances [S] (cell,) at a time since programming, without read noise.

        Examples
        --------
        >>> import nvmphys as nv
        >>> profile = nv.build_profile(nv.load_card("pcm_90nm"), [5e-6, 20e-6], [20.0, 3600.0], rng=1)
        >>> cells = ProgrammedCells.program(profile, np.full(100, 2e-5), np.random.default_rng(1))
        >>> bool(np.all(cells.at(3600.0) < cells.at(60.0)))
        True
        """
        profile = self.profile
        if time_s == profile.first_time_s:
            return self.programmed_S
        score = correlated(profile.history.score(self.state, time_s), self.score, profile.programming_correlation)
        now = profile.at(self.programmed_S, self.level_S, time_s, score, temperature_K)
        return np.where(self.stuck, self.programmed_S, now)


def relative_read_noise(profile: VariationProfile, level_S: Array, time_s: float) -> Array:
    """Return σ of one read as a share of the conductance, by level [S]; zero before the first time known.

    Raises
    ------
    BadInput
        The profile does not know read noise.
    """
    share = profile.relative_read_noise(time_s)
    if time_s < profile.time_range_s[0]:
        return np.zeros(level_S.shape)
    return np.interp(level_S, profile.tables.target_S, share)


def drawn_from_profile(profile: VariationProfile, draw: Draw) -> Array:
    """Draw cells (time, target, cell) [S] from a profile itself."""
    rng = np.random.default_rng(draw.seed)
    cells = ProgrammedCells.program(profile, np.repeat(draw.targets_S, draw.n), rng)
    out = np.stack([cells.at(time, draw.temperature_K) for time in draw.times_s])
    if draw.read_noise:
        noise = np.stack([relative_read_noise(profile, cells.level_S, time) for time in draw.times_s])
        out = out * (1 + noise * rng.standard_normal(out.shape))
    return out.reshape(len(draw.times_s), len(draw.targets_S), draw.n)
