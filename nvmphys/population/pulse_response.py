"""How conductance follows identical pulses: NeuroSim's nonlinearity, and accumulative SET of phase-change cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from nvmphys.errors import BadInput
from nvmphys.measurement import load_table

Array = NDArray[np.float64]

SOURCE = "pcm_accumulative_set"
_FULL_SCALE = 0.07 * np.sqrt(2.0)
"""What a nonlinearity of 1 is in units of the largest distance from the straight line."""


def nonlinearity_parameter(nonlinearity: float) -> float:
    """Return NeuroSim's parameter A of a nonlinearity NL.

    With n = 1 - exp(-1/A) the curve of conductance against normalised pulse number p is (1 - exp(-p/A))/n, and NL its
    largest distance from the straight line, in a unit of 0.07·√2: 1/n - A + A·ln(A·n) = 0.07·√2·NL.

    Parameters
    ----------
    nonlinearity : float
        NL > 0 [1], up to 9 in NeuroSim's tables.

    Returns
    -------
    float
        A [1] in units of the number of pulses.

    Raises
    ------
    BadInput
        NL outside 0 … 9.

    Examples
    --------
    >>> round(nonlinearity_parameter(1.0), 6)
    1.251653

    References
    ----------
    Chen, Peng & Yu, NeuroSim, IEEE TCAD 37, 3067 (2018), doi 10.1109/TCAD.2018.2789723.
    """
    if not 0 < nonlinearity <= 9:
        raise BadInput(f"nonlinearity must lie within 0 … 9 (got {nonlinearity:g}): NeuroSim tabulates no other")
    return float(brentq(lambda a: _distance(a) - _FULL_SCALE * nonlinearity, 1e-3, 1e6, xtol=1e-14, rtol=1e-14))


def _distance(a: float) -> float:
    """Return the largest distance of the curve with parameter A from the straight line."""
    n = -np.expm1(-1 / a)
    if a > 100:
        # series of 1/n - A + A·ln(A·n) in 1/A, where the terms of the closed form cancel
        return 1 / (8 * a) - 1 / (576 * a**3)
    return float(1 / n - a + a * np.log(a * n))


def pulse_curve(p: Array, nonlinearity: float) -> Array:
    """Return normalised conductance after a share p of all pulses (0 … 1): (1 - exp(-p/A))/(1 - exp(-1/A))."""
    a = nonlinearity_parameter(nonlinearity)
    return np.expm1(-np.asarray(p) / a) / np.expm1(-1 / a)


@dataclass(frozen=True)
class AccumulativeSet:
    """Statistics of identical SET pulses on phase-change cells (Nandakumar et al., J. Appl. Phys. 124, 152135 (2018)).

    Each pulse first lets the memory of the RESET fade, P ← P·exp(-1/fade), then adds
    ΔG ~ N(a + b·G + c·P, a' + b'·G + c'·P), G kept within its range.

    Attributes
    ----------
    mean_S, sigma_S : ndarray (3,)
        Constant [S], by conductance [1] and by P [S] of the step's mean and σ.
    fade_pulses : float
        Pulses in which P falls to 1/e [1].
    low_S, high_S : float
        Range of conductance [S].
    """

    mean_S: Array
    sigma_S: Array
    fade_pulses: float
    low_S: float
    high_S: float

    def step(self, conductance_S: Array, memory: Array) -> tuple[Array, Array]:
        """Return mean and σ of the next step [S] for a memory P that has faded already."""
        mean, sigma = (c[0] + c[1] * conductance_S + c[2] * memory for c in (self.mean_S, self.sigma_S))
        return mean, sigma

    def train(self, n_pulses: int, n_devices: int, rng: np.random.Generator) -> Array:
        """Draw conductances [S] (pulse + 1, device) of cells from RESET through a train of pulses.

        Examples
        --------
        >>> law = accumulative_set()
        >>> g = law.train(20, 2000, np.random.default_rng(1))
        >>> bool(g[20].mean() > g[5].mean() > g[0].mean())
        True
        """
        out = np.full((n_pulses + 1, n_devices), self.low_S)
        memory = 1.0
        for k in range(n_pulses):
            memory *= np.exp(-1 / self.fade_pulses)
            mean, sigma = self.step(out[k], np.asarray(memory))
            out[k + 1] = np.clip(out[k] + mean + sigma * rng.standard_normal(n_devices), self.low_S, self.high_S)
        return out

    def cells(self, count: int, rng: np.random.Generator) -> AccumulatingCells:
        """Return cells from RESET, to be programmed by a scheme (`nvmphys.population.pulse_update.write_verify`)."""
        return AccumulatingCells(self, count, rng)


class AccumulatingCells:
    """Cells that follow the law, each with the pulses it has had; any SET pulse counts as the law's own."""

    def __init__(self, law: AccumulativeSet, count: int, rng: np.random.Generator) -> None:
        self.law, self.rng = law, rng
        self.conductance, self.memory = np.full(count, law.low_S), np.ones(count)

    def read(self) -> Array:
        """Return conductances [S] (cell,)."""
        return self.conductance

    def pulse(self, which: NDArray[np.int64], amplitude_V: float, width_s: float) -> Array:
        """Give some cells a SET pulse; return NaN, since the law tells no energy."""
        if amplitude_V <= 0:
            raise BadInput(f"amplitude must be > 0 V (got {amplitude_V:g} V): the law of accumulation has no RESET")
        conductance, memory = self.conductance.copy(), self.memory.copy()
        memory[which] *= np.exp(-1 / self.law.fade_pulses)
        mean, sigma = self.law.step(conductance[which], memory[which])
        moved = conductance[which] + mean + sigma * self.rng.standard_normal(which.size)
        conductance[which] = np.clip(moved, self.law.low_S, self.law.high_S)
        self.conductance, self.memory = conductance, memory
        return np.full(which.size, np.nan)


def accumulative_set() -> AccumulativeSet:
    """Return the published law, from the source `pcm_accumulative_set`; the range is that of the largest device."""
    found = {name: rows["value"].to_numpy(dtype=float) for name, rows in load_table(SOURCE).groupby("quantity")}
    fade, low, high = (float(found[name][-1]) for name in ("fade_pulses", "low_S", "high_S"))
    return AccumulativeSet(found["mean_S"], found["sigma_S"], fade, low, high)
