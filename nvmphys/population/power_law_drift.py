"""Programming error, power-law drift and read noise of phase-change cells, from a published statistical law.

With x = G_target / G_max, t counted from programming and starting at t0 (Nandakumar et al., ICECS 2019;
Joshi et al., Nat. Commun. 11, 2473 (2020), doi 10.1038/s41467-020-16108-9):

    G(t0)   = max(N(G_target, σ_prog(x)), 0)           σ_prog = polynomial in x
    G(t)    = G(t0) · (t/t0)^-ν,   ν = |N(µ_ν, σ_ν)|   µ_ν, σ_ν = clip(a·ln x + b, low, high)
    σ_read  = G(t) · Q · √ln((t + t_read)/(2 t_read)),  Q = min(q·x^-p, Q_max)

One ν a cell: a cell that drifts fast does so for ever, so its history is one score for life.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import chndtrix, ndtr

from nvmphys.errors import BadInput
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.history import History
from nvmphys.population.law import Extra
from nvmphys.population.relaxation import extra_from_table
from nvmphys.records import ModelCard

Array = NDArray[np.float64]

NAME = "power_law_drift"


@dataclass(frozen=True)
class PowerLawDrift:
    """Published statistics of programming, drift and read noise against normalised conductance.

    Attributes
    ----------
    g_max_S : float
        Conductance at x = 1 [S].
    t0_s : float
        First time of the law [s].
    sigma_prog_S : ndarray
        Polynomial coefficients of σ_prog in x, ascending powers [S].
    nu_mean, nu_sigma : ndarray (4,)
        a, b, low, high of clip(a·ln x + b, low, high) [1].
    read_noise : ndarray (3,)
        q, p and Q_max of Q = min(q·x^-p, Q_max) [1].
    t_read_s : float
        Duration of one read [s].
    """

    g_max_S: float
    t0_s: float
    sigma_prog_S: Array
    nu_mean: Array
    nu_sigma: Array
    read_noise: Array
    t_read_s: float
    level_range_S: tuple[float, float]
    time_range_s: tuple[float, float]
    extras: Mapping[str, Extra] = field(default_factory=dict)
    coordinate: Coordinate = field(default_factory=lambda: Coordinate("log"))
    level_is_programmed: bool = False

    @property
    def first_time_s(self) -> float:
        """t0 of the power law [s]."""
        return self.t0_s

    @property
    def history(self) -> History:
        """One drift exponent a cell: one score for life."""
        return History.frozen(self.t0_s)

    def programming_sigma(self, target_S: Array) -> Array:
        """Return σ_prog [S], absolute, at target conductances [S].

        Examples
        --------
        >>> from nvmphys.cards import load_card
        >>> law = from_card(load_card("pcm_90nm"))
        >>> float(law.programming_sigma(np.array([25e-6]))[0].round(12))
        1.05538e-06
        """
        x = np.asarray(target_S) / self.g_max_S
        return np.asarray(np.polynomial.polynomial.polyval(x, self.sigma_prog_S), dtype=float)

    def drift_exponent(self, target_S: Array) -> tuple[Array, Array]:
        """Return µ_ν and σ_ν [1] at target conductances [S]; ν of a cell is |N(µ_ν, σ_ν)|."""
        log_x = np.log(np.maximum(np.asarray(target_S) / self.g_max_S, np.finfo(float).tiny))
        (a, b, low, high), (c, d, bottom, top) = self.nu_mean, self.nu_sigma
        return np.clip(a * log_x + b, low, high), np.clip(c * log_x + d, bottom, top)

    def programmed(self, target_S: Array, z: Array) -> Array:
        """Return G(t0) [S] at normal score z; draws below zero stand at zero, as in the published model."""
        return np.maximum(target_S + self.programming_sigma(target_S) * z, 0.0)

    def change(self, level_S: Array, time_s: float, z: Array, extrapolate: bool = False) -> Array:
        """Return ln G(t)/G(t0) = -ν ln(t/t0) [1]; a high score is a slow drift."""
        if time_s < self.t0_s:
            raise BadInput(
                f"time must be >= t0 (got {time_s:g} s < {self.t0_s:g} s): the power law is undefined before the "
                "reference time; ask for later times"
            )
        mean, sigma = self.drift_exponent(level_S)
        # |N(µ, σ)|² / σ² is non-central chi-square with one degree of freedom
        nu = sigma * np.sqrt(chndtrix(ndtr(-z), 1.0, (mean / sigma) ** 2))
        return -nu * np.log(time_s / self.t0_s)

    def read_noise_sigma(self, target_S: Array, conductance_S: Array, time_s: float) -> Array:
        """Return σ of one read [S], absolute, of cells at `conductance_S` now that were programmed to `target_S`."""
        q, p, q_max = self.read_noise
        x = np.maximum(np.asarray(target_S) / self.g_max_S, 1e-9)
        relative = np.minimum(q * x**-p, q_max)
        return conductance_S * relative * np.sqrt(np.log((time_s + self.t_read_s) / (2 * self.t_read_s)))

    def drift(self, target_S: Array) -> Mapping[str, float | Array]:
        """Return t0 and the statistics of ν at the targets."""
        mean, sigma = self.drift_exponent(target_S)
        return {"t0_s": self.t0_s, "nu_mean": mean, "nu_sigma": sigma}


def from_card(card: ModelCard) -> PowerLawDrift:
    """Build the law from a card's values."""
    low, high = card.validity["target_S"]
    begin, end = card.validity["time_s"]
    return PowerLawDrift(
        g_max_S=float(card.values["g_max_S"]),
        t0_s=float(card.values["t0_s"]),
        sigma_prog_S=card.array("sigma_prog_S"),
        nu_mean=card.array("nu_mean"),
        nu_sigma=card.array("nu_sigma"),
        read_noise=card.array("read_noise"),
        t_read_s=float(card.values["t_read_s"]),
        level_range_S=(float(low), float(high)),
        time_range_s=(float(begin), float(end)),
        extras={name: extra_from_table(table) for name, table in card.population.items()},
    )
