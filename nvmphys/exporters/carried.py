"""What a consumer gets of a profile, read back from its files and put on common axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvmphys.exporters.steps import Steps, steps_of
from nvmphys.profile import VariationProfile

Array = NDArray[np.float64]

NOTHING = np.empty(0)


@dataclass(frozen=True)
class Carried:
    """Statistics that an export holds, at the profile's lowest temperature.

    Attributes
    ----------
    target_S : ndarray (target,)
        Targets [S] that the files know.
    time_s : ndarray (time,)
        Times since programming [s], on the profile's own axis.
    mean_S, sigma_S : ndarray (target, time)
    probability : ndarray (probability,)
        Empty where the consumer draws from a normal law.
    quantiles_S : ndarray (target, time, probability) or None
    correlation : ndarray (target, time, time) or None
        Correlation of normal scores between times.
    read_noise_S : ndarray (target, time) or None
    shares : mapping of str to float
        Share of the cells in each population that does not follow the target.
    drift : mapping of str to ndarray
        `nu_mean` and `nu_sigma` (target,) where the consumer has them.
    steps : Steps or None
        Statistics of pulses.
    profile : VariationProfile or None
        The whole profile, where the export holds it.
    """

    target_S: Array = field(default_factory=lambda: NOTHING)
    time_s: Array = field(default_factory=lambda: NOTHING)
    mean_S: Array = field(default_factory=lambda: NOTHING)
    sigma_S: Array = field(default_factory=lambda: NOTHING)
    probability: Array = field(default_factory=lambda: NOTHING)
    quantiles_S: Array | None = None
    correlation: Array | None = None
    read_noise_S: Array | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    drift: Mapping[str, Array] = field(default_factory=dict)
    steps: Steps | None = None
    profile: VariationProfile | None = None


def whole(profile: VariationProfile) -> Carried:
    """Return what a consumer has that holds the whole profile."""
    tables = profile.tables
    return Carried(
        tables.target_S, tables.time_s, tables.mean_S[0], tables.sigma_S[0], tables.probability, tables.quantiles_S[0],
        tables.correlation[0], profile.read_noise_S, {name: extra.weight for name, extra in profile.extras.items()},
        exponents(profile.drift),
        steps_of(profile), profile,
    )  # fmt: skip


def exponents(drift: Mapping[str, Any]) -> dict[str, Array]:
    """Return mean and σ of the drift exponents, of those there are."""
    return {name: np.asarray(drift[name]) for name in ("nu_mean", "nu_sigma") if name in drift}
