"""What a profile's tables say of cells drawn for one target: moments, quantiles, shares, exponents, correlations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, ndtri

from nvmphys.exporters.tabulated import spread_population
from nvmphys.profile import VariationProfile
from nvmphys.profile.profile import look_up

Array = NDArray[np.float64]

_SCORES = np.linspace(-5.0, 5.0, 2001)
_EVEN = ndtri((np.arange(400) + 0.5) / 400)
"""Normal scores of equal weight."""
_BEYOND = 1 + 1e-5


def moments(profile: VariationProfile, target_S: float, k: int, *, extras: bool) -> tuple[float, float]:
    """Return mean and σ [S] at time k of the tables, linear between targets; with the extra populations mixed in."""
    tables = profile.tables
    mean, sigma = (
        float(np.interp(target_S, tables.target_S, table[0][:, k])) for table in (tables.mean_S, tables.sigma_S)
    )
    parts = [(1 - _weight(profile), mean, sigma**2 + mean**2)]
    for weight, cells in _extras(profile, target_S, k):
        parts.append((weight, float(cells.mean()), float(np.mean(cells**2))))
    if not extras or len(parts) == 1:
        return mean, sigma
    first = sum(weight * m for weight, m, _ in parts)
    return first, float(np.sqrt(sum(weight * square for weight, _, square in parts) - first**2))


def quantiles(profile: VariationProfile, target_S: float, k: int, probability: Array, *, extras: bool) -> Array:
    """Return quantiles [S] at time k of the tables; with the extra populations mixed in."""
    if not extras or _weight(profile) == 0:
        return _regular(profile, target_S, k, probability)
    value, weight = weighted_cells(profile, target_S, k, extras=True)
    order = np.argsort(value)
    cumulative = np.cumsum(weight[order])
    return np.interp(probability, cumulative - 0.5 * weight[order], value[order])


def weighted_cells(profile: VariationProfile, target_S: float, k: int, *, extras: bool) -> tuple[Array, Array]:
    """Return conductances [S] at time k and their weights (sum 1): the tables' quantiles, finely interpolated."""
    regular = _regular(profile, target_S, k, profile.tables.probability)
    density = np.exp(-0.5 * _SCORES**2)
    others = _extras(profile, target_S, k) if extras else []
    values = [np.interp(_SCORES, ndtri(profile.tables.probability), regular)]
    weights = [density / density.sum() * (1 - sum(weight for weight, _ in others))]
    for weight, cells in others:
        values.append(cells)
        weights.append(np.full(cells.size, weight / cells.size))
    return np.concatenate(values), np.concatenate(weights)


def moment_errors(profile: VariationProfile, target_S: float, k: int, n: int, *, extras: bool) -> tuple[float, float]:
    """Return the standard errors [S] of mean and σ of n cells drawn from the tables."""
    value, weight = weighted_cells(profile, target_S, k, extras=extras)
    away = value - weight @ value
    square, fourth = float(weight @ away**2), float(weight @ away**4)
    if square == 0:
        return 0.0, 0.0
    return float(np.sqrt(square / n)), float(np.sqrt(max(fourth - square**2, 0.0) / n / square) / 2)


def share_beyond(profile: VariationProfile, i: int) -> tuple[float, float]:
    """Return a conductance [S] that no regular cell of target i exceeds as programmed, and the share beyond."""
    border = float(profile.tables.programmed_S[i, -1]) * _BEYOND
    share = sum(weight * float(np.mean(cells > border)) for weight, cells in _extras(profile, 0.0, 0))
    return border, share


def stuck_share(profile: VariationProfile) -> float:
    """Return the share of cells that stay where they were programmed."""
    return float(sum(extra.weight for extra in profile.extras.values() if extra.stays))


def read_sigma(profile: VariationProfile, target_S: float, k: int) -> float:
    """Return σ [S] of one read over regular cells of a target: the table's, which is for a cell at the mean, over all.

    A cell's noise is in proportion to its conductance: √⟨(σ_r·G/⟨G⟩)²⟩ = σ_r·√(1 + σ²/⟨G⟩²).
    """
    relative = profile.relative_read_noise(float(profile.tables.time_s[k]))
    mean, sigma = moments(profile, target_S, k, extras=False)
    return float(np.interp(target_S, profile.tables.target_S, relative) * np.hypot(mean, sigma))


def regular_range(profile: VariationProfile, target_S: float, k: int) -> tuple[float, float]:
    """Return the lowest and highest conductance [S] of regular cells of a target at time k."""
    ends = profile.tables.probability[[0, -1]]
    low, high = _regular(profile, target_S, k, ends)
    return float(low), float(high)


def drift_moments(profile: VariationProfile, target_S: float) -> tuple[float, float]:
    """Return mean and σ of a cell's drift exponent |N(µ, σ)|, those of the folded normal law; stuck cells have none."""
    mu, sigma = (
        float(np.interp(target_S, profile.tables.target_S, np.asarray(profile.drift[name])))
        for name in ("nu_mean", "nu_sigma")
    )
    folded = abs(mu)
    if sigma > 0:
        folded = sigma * np.sqrt(2 / np.pi) * np.exp(-0.5 * (mu / sigma) ** 2) + mu * erf(mu / sigma / np.sqrt(2))
    moving = 1 - stuck_share(profile)
    mean = moving * folded
    return float(mean), float(np.sqrt(max(moving * (mu**2 + sigma**2) - mean**2, 0.0)))


def change_correlation(profile: VariationProfile, target_S: float, k: int) -> float:
    """Return Pearson's correlation of the programmed conductance and the change of the coordinate up to time k.

    By quadrature over the tables of both, with the correlation of their scores.
    """
    tables, rho = profile.tables, profile.programming_correlation
    own, other = (part.ravel() for part in np.meshgrid(_EVEN, _EVEN, indexing="ij"))
    at = np.full(own.size, target_S)
    start = look_up(tables.programmed_S, tables.target_S, tables.probability, at, own)
    score = rho * own + np.sqrt(1 - rho**2) * other
    level = start if profile.level_is_programmed else at
    change = look_up(tables.change[0][:, k], tables.level_S, tables.probability, level, score)
    weight = np.full(own.size, (1 - _weight(profile)) / own.size)
    for extra in profile.extras.values():
        if extra.quantiles_S.size:
            first, now = (part.ravel() for part in spread_population(profile, extra, target_S, float(tables.time_s[k])))
            start, change = np.append(start, first), np.append(change, coordinate_change(profile, first, now))
            weight = np.append(weight, np.full(first.size, extra.weight / first.size))
    good = np.isfinite(change)
    return _correlation(start[good], change[good], weight[good])


def coordinate_change(profile: VariationProfile, first_S: Array, now_S: Array) -> Array:
    """Return the change of the coordinate between two conductances; NaN where a cell stands at zero in a logarithm."""
    with np.errstate(invalid="ignore"):
        return np.asarray(profile.coordinate.of(now_S) - profile.coordinate.of(first_S))


def _correlation(x: Array, y: Array, weight: Array) -> float:
    total = weight.sum()
    x, y = (part - weight @ part / total for part in (x, y))
    spread = np.sqrt((weight @ x**2) * (weight @ y**2))
    return float(weight @ (x * y) / spread) if spread > 0 else 0.0


def _weight(profile: VariationProfile) -> float:
    return float(sum(extra.weight for extra in profile.extras.values() if extra.quantiles_S.size))


def _extras(profile: VariationProfile, target_S: float, k: int) -> list[tuple[float, Array]]:
    """Return share and cells [S] of equal weight, at time k, of each extra population."""
    time = float(profile.tables.time_s[k])
    return [
        (extra.weight, spread_population(profile, extra, target_S, time)[1].ravel())
        for extra in profile.extras.values()
        if extra.quantiles_S.size
    ]


def _regular(profile: VariationProfile, target_S: float, k: int, probability: Array) -> Array:
    """Return quantiles [S] of cells that follow the target, at time k of the tables."""
    return profile.quantiles(target_S, float(profile.tables.time_s[k]), probability=probability)[0]
