"""Programming error, power-law drift and read noise of phase-change cells, from a published statistical law.

With x = G_target / G_max, t counted from programming and starting at t0 (Nandakumar et al., ICECS 2019;
Joshi et al., Nat. Commun. 11, 2473 (2020), doi 10.1038/s41467-020-16108-9):

    G(t0)   = max(N(G_target, σ_prog(x)), 0)           σ_prog = polynomial in x
    G(t)    = G(t0) · (t/t0)^-ν,   ν = |N(µ_ν, σ_ν)|   µ_ν, σ_ν = clipped logarithms, or polynomials, of x
    σ_read  = G(t) · Q · √ln((t + t_read)/(2 t_read)),  Q = clipped power, logarithm or polynomial of x

One ν a cell: a cell that drifts fast does so for ever, so its history is one score for life. The scores of programming
error and ν may be correlated: with a positive correlation ρ the cells programmed above their target drift least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import chndtrix, ndtr

from nvmphys.errors import BadInput
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.curve import Curve
from nvmphys.population.history import History
from nvmphys.population.law import Extra, Plain, extras_of, positive_programmed, sigma_above_zero, span
from nvmphys.records import ModelCard

Array = NDArray[np.float64]

NAME = "power_law_drift"


@dataclass(frozen=True)
class PowerLawDrift(Plain):
    """Published statistics of programming, drift and read noise against normalised conductance.

    Attributes
    ----------
    g_max_S : float
        Conductance at x = 1 [S].
    t0_s : float
        First time of the law [s].
    sigma_prog_S : Curve
        σ_prog against x [S].
    sigma_other_S : Curve or None
        Another published fit of the same σ_prog [S].
    nu_mean, nu_sigma : Curve
        µ_ν and σ_ν against x [1].
    read_noise : Curve
        Q against x [1].
    t_read_s : float
        Duration of one read [s].
    programming_correlation : float
        ρ between the scores of programming error and of change [1], -1 … 1.
    """

    g_max_S: float
    t0_s: float
    sigma_prog_S: Curve
    nu_mean: Curve
    nu_sigma: Curve
    read_noise: Curve
    level_range_S: tuple[float, float]
    time_range_s: tuple[float, float]
    t_read_s: float = np.nan
    sigma_other_S: Curve | None = None
    programming_correlation: float = 0.0
    extras: Mapping[str, Extra] = field(default_factory=dict)
    coordinate: Coordinate = field(default_factory=lambda: Coordinate("log"))
    level_is_programmed: bool = False
    value_parts: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "programmed": ("sigma_prog_",),
        "change": ("nu_",),
        "history": ("nu_", "programming_correlation"),
        "read_noise": ("read_noise",),
    }

    def __post_init__(self) -> None:
        if not -1 <= self.programming_correlation <= 1:
            raise BadInput(f"programming_correlation must lie within -1 … 1 (got {self.programming_correlation:g})")

    @property
    def first_time_s(self) -> float:
        """t0 of the power law [s]."""
        return self.t0_s

    @property
    def history(self) -> History:
        """One drift exponent a cell: one score for life."""
        return History.frozen(self.t0_s)

    def _x(self, target_S: Array) -> Array:
        """Return normalised conductances."""
        return np.asarray(target_S, dtype=float) / self.g_max_S

    def programming_sigma(self, target_S: Array) -> Array:
        """Return σ_prog [S], absolute, at target conductances [S].

        Examples
        --------
        >>> from nvmphys.cards import load_card
        >>> law = from_card(load_card("pcm_90nm"))
        >>> float(law.programming_sigma(np.array([25e-6]))[0].round(12))
        1.05538e-06
        """
        return self.sigma_prog_S.at(self._x(target_S))

    def sigma_range(self, target_S: Array, time_s: float) -> tuple[Array, Array] | None:
        """Return the σ as programmed [S] between which two published fits disagree, draws below zero at zero."""
        if self.sigma_other_S is None or time_s != self.t0_s:
            return None
        fits = np.stack([self.programming_sigma(target_S), self.sigma_other_S.at(self._x(target_S))])
        fits = sigma_above_zero(target_S, fits)
        return fits.min(axis=0), fits.max(axis=0)

    def drift_exponent(self, target_S: Array) -> tuple[Array, Array]:
        """Return µ_ν and σ_ν [1] at target conductances [S]; ν of a cell is |N(µ_ν, σ_ν)|."""
        x = self._x(target_S)
        return self.nu_mean.at(x), self.nu_sigma.at(x)

    def programmed(self, target_S: Array, z: Array) -> Array:
        """Return G(t0) [S] at normal score z; draws below zero stand at zero, as in the published model."""
        return positive_programmed(target_S + self.programming_sigma(target_S) * z)

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

    def read_noise_amplitude(self, target_S: Array, conductance_S: Array) -> Array:
        """Return G·Q [S] of cells at `conductance_S` now that were programmed to `target_S`."""
        return conductance_S * self.read_noise.at(self._x(target_S))

    def drift(self, target_S: Array) -> Mapping[str, float | Array]:
        """Return t0 and the statistics of ν at the targets."""
        mean, sigma = self.drift_exponent(target_S)
        return {"t0_s": self.t0_s, "nu_mean": mean, "nu_sigma": sigma}


def from_card(card: ModelCard) -> PowerLawDrift:
    """Build the law from a card's values."""
    return PowerLawDrift(
        g_max_S=float(card.values["g_max_S"]),
        t0_s=float(card.values["t0_s"]),
        sigma_prog_S=Curve.of(card, "sigma_prog"),
        nu_mean=Curve.of(card, "nu_mean"),
        nu_sigma=Curve.of(card, "nu_sigma"),
        read_noise=Curve.of(card, "read_noise"),
        sigma_other_S=Curve.of(card, "sigma_other") if "sigma_other_polynomial" in card.values else None,
        t_read_s=float(card.values["t_read_s"]),
        programming_correlation=float(card.values.get("programming_correlation", 0.0)),
        level_range_S=span(card, "target_S"),
        time_range_s=span(card, "time_s"),
        extras=extras_of(card),
    )
