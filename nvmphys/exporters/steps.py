"""Statistics of the step that one pulse makes, as training simulators take them: quantiles of ΔG against G."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from nvmphys.errors import BadInput
from nvmphys.profile import VariationProfile
from nvmphys.profile.profile import look_up
from nvmphys.profile.sections import DIRECTIONS, PulseTable

Array = NDArray[np.float64]

_LEVELS = 63
"""Levels of the common axis: what a training simulator takes at most."""
_STEPS_OF_RANGE = 30
_ERROR_CELLS = 20_000
_ERROR_PULSES = 20
_FINE = (np.arange(4096) + 0.5) / 4096
"""Probabilities of equal weight, over which moments are taken."""


@dataclass(frozen=True)
class Steps:
    """One SET and one RESET pulse, from every conductance.

    Attributes
    ----------
    level_S : ndarray (level,)
        Conductance before the pulse [S], increasing.
    probability : ndarray (probability,)
    set_S, reset_S : ndarray (level, probability)
        Quantiles of ΔG [S].
    kept : float
        Share of the variance of a step's rank that a cell keeps for life [1].
    """

    level_S: Array
    probability: Array
    set_S: Array
    reset_S: Array
    kept: float = 0.0

    def quantiles(self, direction: int) -> Array:
        """Return quantiles of ΔG [S] (level, probability) of SET (1) or RESET (-1)."""
        return self.set_S if direction > 0 else self.reset_S

    def at(self, direction: int, conductance_S: Array, score: Array) -> Array:
        """Return ΔG [S] at conductances and normal scores of one shape: linear in both."""
        return look_up(self.quantiles(direction), self.level_S, self.probability, conductance_S, score)

    def moments(self, direction: int) -> tuple[Array, Array]:
        """Return mean and σ [S] (level,) of the step.

        Examples
        --------
        >>> p = np.linspace(0.001, 0.999, 101)
        >>> steps = Steps(np.array([1e-6, 2e-6]), p, np.outer([1e-7, 1e-7], 1 + 0.1 * ndtri(p)), -np.ones((2, 101)))
        >>> mean, sigma = steps.moments(1)
        >>> round(float(mean[0]) * 1e9, 3), round(float(sigma[0]) * 1e9)
        (100.0, 10)
        """
        score, grid = ndtri(_FINE), ndtri(self.probability)
        drawn = np.stack([np.interp(score, grid, row) for row in self.quantiles(direction)])
        return drawn.mean(axis=1), drawn.std(axis=1)

    def train(self, start_S: Array, directions: Array, rng: np.random.Generator) -> Array:
        """Return conductances [S] (pulse + 1, cell) of cells through a train of pulses, held within the levels.

        A cell's rank at each pulse is √kept of its own for life and the rest drawn anew.
        """
        life = rng.standard_normal(start_S.size)
        out = [np.asarray(start_S, dtype=float)]
        for direction in directions:
            anew = rng.standard_normal(start_S.size)
            score = np.sqrt(self.kept) * life + np.sqrt(1 - self.kept) * anew
            moved = out[-1] + self.at(int(direction), out[-1], score)
            out.append(np.clip(moved, self.level_S[0], self.level_S[-1]))
        return np.stack(out)


def steps_of(profile: VariationProfile) -> Steps | None:
    """Return the pulse statistics of a profile for training, or None where it has none of both directions.

    A training simulator has one pulse for each direction: of those in the profile, the one whose mean step over all
    levels is nearest to 1/30 of the range that both directions know (in ratio).
    """
    tables = [profile.pulse_update.get(direction) for direction in DIRECTIONS]
    if any(table is None for table in tables):
        return None
    found = [table for table in tables if table is not None]
    low, high = max(table.level_S[0] for table in found), min(table.level_S[-1] for table in found)
    probability = found[0].probability
    levels, kept, parts = np.linspace(low, high, _LEVELS), [], []
    for table in found:
        pulse = chosen_pulse(table, float(high - low))
        columns = [np.interp(ndtri(probability), ndtri(table.probability), row) for row in table.change_S[pulse]]
        parts.append(np.stack([np.interp(levels, table.level_S, column) for column in np.transpose(columns)], axis=1))
        weight = table.sigma_S[pulse] ** 2
        known = np.isfinite(table.kept[pulse]) & (weight > 0)
        kept.append(np.average(table.kept[pulse][known], weights=weight[known]) if known.any() else 0.0)
    return Steps(levels, probability, parts[0], parts[1], float(np.mean(kept)))


def chosen_pulse(table: PulseTable, range_S: float) -> int:
    """Return which pulse of a table a training simulator gets (see :func:`steps_of`)."""
    step = np.abs(table.mean_S).mean(axis=1)
    return int(np.argmin(np.abs(np.log(np.maximum(step, 1e-12 * range_S) * _STEPS_OF_RANGE / range_S))))


def needed_steps(profile: VariationProfile, consumer: str) -> Steps:
    """Return the pulse statistics of a profile.

    Raises
    ------
    BadInput
        "… trains on pulses, and profile … has no pulse-update tables …".
    """
    steps = steps_of(profile)
    if steps is None:
        raise BadInput(
            f"{consumer} trains on pulses, and profile {profile.name} has no pulse-update tables of both directions: "
            "build it from a dynamics card with --scheme SCHEME.toml --pulses (pulse_update of build_profile)"
        )
    return steps


TrainingReader = Callable[[Array, Array, np.random.Generator], Array]
"""Takes starting conductances [S] (cell,), directions (pulse,) and a generator; returns [S] (pulse + 1, cell)."""


def training_error(steps: Steps, reader: TrainingReader) -> float:
    """Return the largest error of mean and σ after 1 and after 20 pulses, as a share of the range.

    Cells that follow the statistics beside cells as the consumer moves them, from four conductances, both directions.
    """
    worst, width = 0.0, float(steps.level_S[-1] - steps.level_S[0])
    for direction in (1, -1):
        for start in np.linspace(steps.level_S[0], steps.level_S[-1], 6)[1:-1]:
            cells, pulses = np.full(_ERROR_CELLS, start), np.full(_ERROR_PULSES, direction)
            exact, ours = (
                draw(cells, pulses, np.random.default_rng(seed)) for seed, draw in enumerate((steps.train, reader))
            )
            for after in (1, -1):
                mean = abs(ours[after].mean() - exact[after].mean())
                worst = max(worst, mean / width, abs(ours[after].std() - exact[after].std()) / width)
    return float(worst)
