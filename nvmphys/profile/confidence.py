"""And if other devices had been measured? The tables of a profile again, from other cards or other cells.

What a card carries decides how, in this order:

1. refits of its bootstrap over devices (`[covariance.replicates]`, a list of values for each name): each gives a table;
2. 90 % intervals of its values: values drawn apart from each other, each normal about its own, or lognormal where it
   is positive. Values that are determined together only are then drawn too far apart: assumed;
3. a range of σ that published fits leave open: σ as programmed uniform within it: assumed;
4. devices that were simulated: as many are drawn again from the tables and give new quantiles: simulated.

A card with nothing of these gives no replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import beta as beta_law

from nvmphys.errors import BadInput
from nvmphys.population import law_of
from nvmphys.profile.profile import Tables, VariationProfile, look_up
from nvmphys.profile.quadrature import COARSE, change_quantiles, conductance_at
from nvmphys.profile.sections import Replicates
from nvmphys.records import Basis, ModelCard

Array = NDArray[np.float64]
Drawn = tuple[Array, Array]
"""Quantiles as programmed (target, probability), and of the change (temperature, level, time, probability)."""

DEFAULT_REPLICATES = 20
_NINETY = 1.645
"""Half a 90 % interval of a normal law, in σ."""


def replicates_of(
    card: ModelCard, profile: VariationProfile, time: Array, heat: Array, count: int, rng: np.random.Generator,
    extrapolate: bool,
) -> Replicates | None:  # fmt: skip
    """Return replicates of a profile's tables, or None where the card tells nothing of other devices.

    Parameters
    ----------
    card : ModelCard
        That the profile was built from.
    profile : VariationProfile
    time, heat : ndarray
        Its times [s] and temperatures [K].
    count : int
        How many; no more than the card has refits, where it has them.
    rng : numpy.random.Generator
    extrapolate : bool
    """
    if count < 0:
        raise BadInput(f"replicates must be >= 0 (got {count})")
    ways: tuple[tuple[bool, Callable[[], Iterator[Drawn]], Basis, str], ...] = (
        (
            bool(card.covariance.get("replicates")),
            lambda: _of_cards(_refits(card, count), profile, time, heat, extrapolate),
            Basis.MEASURED,
            "refits of the law to devices drawn again",
        ),
        (
            bool(card.intervals),
            lambda: _of_cards(_within_intervals(card, count, rng), profile, time, heat, extrapolate),
            Basis.ASSUMED,
            "values drawn within their intervals, apart from each other; what is determined together only is too wide",
        ),
        (
            profile.sigma_range_S is not None and bool(np.isfinite(profile.sigma_range_S[:, :, 0]).all(axis=0).any()),
            lambda: _within_range(profile, count, rng),
            Basis.ASSUMED,
            "σ as programmed drawn uniformly within what published fits or a limit leave open",
        ),
        (
            _simulated_cells(card) > 1,
            lambda: _redrawn(profile, _simulated_cells(card), count, rng),
            Basis.SIMULATED,
            "as many devices as were simulated, drawn again",
        ),
    )
    for known, draw, basis, method in ways:
        if known and count:
            return _replicates(profile, list(draw()), basis, method, rng)
    return None


def _refits(card: ModelCard, count: int) -> Iterator[ModelCard]:
    """Yield the card with the values of each refit."""
    found: Mapping[str, Any] = card.covariance["replicates"]
    for k in range(min(count, *(len(each) for each in found.values()))):
        yield replace(card, values={**card.values, **{name: each[k] for name, each in found.items()}})


def _within_intervals(card: ModelCard, count: int, rng: np.random.Generator) -> Iterator[ModelCard]:
    """Yield the card with values drawn within their intervals; history and correlation matrices stay."""
    for _ in range(count):
        values = dict(card.values)
        for name, interval in card.intervals.items():
            if name.startswith("history_"):
                continue
            centre = card.array(name)
            low, high = (np.asarray(interval[end], dtype=float) for end in ("low", "high"))
            z = rng.standard_normal(centre.shape)
            if np.all(centre > 0):
                drawn = centre * np.exp(z * np.log(high / centre) / _NINETY)
            else:
                drawn = centre + z * (high - low) / (2 * _NINETY)
            values[name] = drawn.tolist()
        yield replace(card, values=values)


def _of_cards(
    cards: Iterator[ModelCard], profile: VariationProfile, time: Array, heat: Array, extrapolate: bool
) -> Iterator[Drawn]:
    """Yield the tables of other cards, on the levels of the profile."""
    tables, scores = profile.tables, ndtri(profile.tables.probability)
    for card in cards:
        law = law_of(card)
        programmed = np.stack([law.programmed(np.full(scores.size, level), scores) for level in tables.target_S])
        laws = (law.at_temperature(float(kelvin)) for kelvin in heat)
        yield programmed, np.stack([change_quantiles(each, tables.level_S, time, extrapolate) for each in laws])


def _within_range(profile: VariationProfile, count: int, rng: np.random.Generator) -> Iterator[Drawn]:
    """Yield the tables with σ as programmed within what is left open; targets of which nothing is said stay."""
    tables, ranges = profile.tables, profile.sigma_range_S
    assert ranges is not None
    low, high = ranges[:, :, 0]
    own, mean = tables.sigma_S[0, :, 0], tables.mean_S[0, :, 0]
    for share in rng.random(count):
        wanted = np.where(np.isfinite(low + high), low + share * (high - low), own)
        ratio = np.divide(wanted, own, out=np.ones_like(own), where=own > 0)
        yield np.maximum(mean[:, None] + ratio[:, None] * (tables.programmed_S - mean[:, None]), 0.0), tables.change


def _simulated_cells(card: ModelCard) -> int:
    """Return how many devices of each target were simulated; 0 for any other card."""
    simulated = set(card.basis.values()) == {Basis.SIMULATED}
    return int(card.provenance.get("cells", 0)) if simulated else 0


def _redrawn(profile: VariationProfile, cells: int, count: int, rng: np.random.Generator) -> Iterator[Drawn]:
    """Yield the tables of as many cells drawn from them."""
    tables, p = profile.tables, profile.tables.probability

    def again(table: Array, z: Array) -> Array:
        rows = table.reshape(-1, p.size)
        made = [np.quantile(np.interp(z, ndtri(p), row), p, method="hazen") for row in rows]
        return np.stack(made).reshape(table.shape)

    for _ in range(count):
        programmed = np.stack([again(row, rng.standard_normal(cells)) for row in tables.programmed_S])
        yield programmed, again(tables.change, rng.standard_normal(cells))


def _replicates(
    profile: VariationProfile, drawn: list[Drawn], basis: Basis, method: str, rng: np.random.Generator
) -> Replicates:
    """Complete the tables of each replicate, and draw the shares of the populations."""
    programmed, change = (np.stack(part) for part in zip(*drawn, strict=True))
    tables = profile.tables
    own = _coarse(profile, tables)
    made = [_coarse(profile, replace(tables, programmed_S=p, change=c)) for p, c in drawn]
    quantiles, mean, sigma = (np.stack(part) for part in zip(*made, strict=True))
    quantiles = np.maximum(np.maximum.accumulate(tables.quantiles_S + quantiles - own[0], axis=-1), 0.0)
    quantiles[:, :, :, 0] = programmed[:, None]
    wider = np.divide(sigma, own[2], out=np.ones_like(sigma), where=own[2] > 0)
    weight = {name: _shares(extra.interval, len(drawn), rng) for name, extra in profile.extras.items() if extra.weight}
    return Replicates(
        programmed, change, quantiles, tables.mean_S + mean - own[1], tables.sigma_S * wider, basis, method, weight
    )


def _coarse(profile: VariationProfile, tables: Tables) -> tuple[Array, Array, Array]:
    """Return quantiles, mean and σ of the conductance [S] by a coarse quadrature over the tables given."""
    quantiles, mean, sigma = (np.empty(table.shape) for table in (tables.quantiles_S, tables.mean_S, tables.sigma_S))
    window = COARSE.window(profile.level_is_programmed)
    for i, level in enumerate(tables.target_S):
        at = np.full(window.size, level)
        start = look_up(tables.programmed_S, tables.target_S, tables.probability, at, window)
        for h in range(tables.temperature_K.size):
            for k, found in enumerate(conductance_at(profile, tables, h, i, start, COARSE)):
                quantiles[h, i, k], mean[h, i, k], sigma[h, i, k] = found.quantiles, found.mean, found.sigma
    return quantiles, mean, sigma


def _shares(interval: tuple[float, float], count: int, rng: np.random.Generator) -> Array:
    """Draw shares of a population whose 90 % interval is given: of the beta law with its centre and width."""
    low, high = interval
    centre, sigma = 0.5 * (low + high), (high - low) / (2 * _NINETY)
    if not sigma > 0:
        return np.full(count, centre)
    total = centre * (1 - centre) / sigma**2 - 1
    return np.asarray(beta_law.rvs(centre * total, (1 - centre) * total, size=count, random_state=rng))
