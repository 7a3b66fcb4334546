"""Building a variation profile from a card: quantile tables by quadrature over the law, histories by simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import norm

from nvmphys import __version__
from nvmphys.errors import BadInput
from nvmphys.population import law_of
from nvmphys.population.law import CellLaw, check_levels, check_times, draw_cells
from nvmphys.profile.profile import PROBABILITIES, Tables, VariationProfile, look_up
from nvmphys.records import ModelCard, as_rng

Array = NDArray[np.float64]

_SCORES = np.linspace(-5.2, 5.2, 417)
"""Normal scores of the quadrature over the change; 0.025 apart."""
_WINDOW_SCORES = ndtri((np.arange(48) + 0.5) / 48)
"""Normal scores of equal weight over the programming error of a law whose changes depend on it."""
_CORRELATION_CELLS = 20_000
_LEVELS = 64
ROOM_TEMPERATURE_K = 300.0


def build_profile(
    card: ModelCard,
    targets: Sequence[float] | Array,
    times: Sequence[float] | Array,
    temperatures: Sequence[float] | Array = (ROOM_TEMPERATURE_K,),
    *,
    array: Mapping[str, Any] | None = None,
    rng: np.random.Generator | int,
    extrapolate: bool = False,
) -> VariationProfile:
    """Build the variation profile of a conductance card.

    Parameters
    ----------
    card : ModelCard
    targets : array_like (target,)
        Target conductances [S], increasing, within the card's validity.
    times : array_like (time,)
        Times since programming [s]; the time of the programmed conductance (0, or t0 of a power law) is added.
    temperatures : array_like
        One temperature [K]: the cards so far hold no law of temperature, so it is a label.
    array : mapping, optional
        What a crossbar study found, kept in the profile's array section.
    rng : numpy.random.Generator or int
        For the correlations over time, which are simulated.
    extrapolate : bool
        Allow times beyond the longest behind the card; the profile marks them.

    Returns
    -------
    VariationProfile

    Raises
    ------
    BadInput
        Targets or times outside the card's validity; more than one temperature.

    Examples
    --------
    >>> import nvmphys as nv
    >>> profile = nv.build_profile(nv.load_card("pcm_90nm"), [5e-6, 20e-6], [3600.0], rng=1)
    >>> profile.tables.time_s.tolist()
    [20.0, 3600.0]
    """
    rng = as_rng(rng)
    law = law_of(card)
    target = np.unique(np.asarray(targets, dtype=float))
    if target.size == 0 or np.size(times) == 0:
        raise BadInput("targets and times must hold at least one value each")
    time = np.unique(np.append(np.asarray(times, dtype=float), law.first_time_s))
    heat = np.asarray(temperatures, dtype=float)
    if heat.size != 1:
        raise BadInput(
            f"temperatures must be one value (got {heat.size}): card {card.name} holds no law of temperature"
        )
    check_levels(law, target)
    check_times(law, time, extrapolate)
    tables = _tables(law, target, time, heat, rng, extrapolate)
    noise = [law.read_noise_sigma(target, tables.mean_S[0, :, k], t) for k, t in enumerate(time)]
    read_noise = None if any(n is None for n in noise) else np.stack([n for n in noise if n is not None], axis=1)
    return VariationProfile(
        name=card.name,
        technology=card.technology,
        tables=tables,
        coordinate=law.coordinate,
        level_is_programmed=law.level_is_programmed,
        history=law.history,
        basis=_basis(card),
        validity={
            "target_S": list(law.level_range_S),
            "time_s": list(law.time_range_s),
            "extrapolated": [bool(t > law.time_range_s[1] * (1 + 1e-9)) for t in time],
        },
        extras=law.extras,
        read_noise_S=read_noise,
        drift=law.drift(target),
        array=dict(array or {}),
        assumptions=(
            *card.assumptions,
            f"temperature {heat[0]:g} K is a label: the card holds no law of temperature",
            *_at_zero(law, tables),
        ),
        unknown=card.unknown,
        provenance={"card": card.name, "card_provenance": dict(card.provenance), "nvmphys": __version__},
    )


def _tables(
    law: CellLaw, target: Array, time: Array, heat: Array, rng: np.random.Generator, extrapolate: bool
) -> Tables:
    """Fill all tables; the conductance's own are a quadrature over programmed conductance × change."""
    scores = ndtri(PROBABILITIES)
    programmed = np.stack([law.programmed(np.full(scores.size, level), scores) for level in target])
    levels = _levels(programmed) if law.level_is_programmed else target
    change = np.zeros((1, levels.size, time.size, scores.size))
    for k, t in enumerate(time):
        if t != law.first_time_s:
            at = np.repeat(levels, scores.size)
            moved = law.change(at, float(t), np.tile(scores, levels.size), extrapolate)
            change[0, :, k] = moved.reshape(levels.size, -1)
    shape = (1, target.size, time.size)
    quantiles = np.empty((*shape, scores.size))
    mean, sigma, correlation = np.empty(shape), np.empty(shape), np.empty((*shape, time.size))
    window = _WINDOW_SCORES if law.level_is_programmed else _SCORES
    window_weight = np.full(window.size, 1 / window.size) if law.level_is_programmed else _normal_weights(window)
    weight = np.outer(window_weight, _normal_weights(_SCORES)).ravel()
    for i, level in enumerate(target):
        start = law.programmed(np.full(window.size, level), window)
        at = np.repeat(start if law.level_is_programmed else np.full(window.size, level), _SCORES.size)
        for k, t in enumerate(time):
            if t == law.first_time_s:
                quantiles[0, i, k] = programmed[i]
                mean[0, i, k], sigma[0, i, k] = _moments(start, window_weight)
                continue
            moved = look_up(change[0, :, k], levels, PROBABILITIES, at, np.tile(_SCORES, window.size))
            cells = law.coordinate.moved(np.repeat(start, _SCORES.size), moved)
            quantiles[0, i, k] = _weighted_quantiles(cells, weight)
            mean[0, i, k], sigma[0, i, k] = _moments(cells, weight)
        drawn = draw_cells(law, np.full(_CORRELATION_CELLS, level), time, rng, extrapolate=extrapolate)
        correlation[0, i] = score_correlation(drawn)
    return Tables(target, time, heat, PROBABILITIES, levels, programmed, change, quantiles, mean, sigma, correlation)


def _levels(programmed: Array) -> Array:
    """Return levels, even in √G, over all that may be programmed."""
    low, high = float(programmed.min()), float(programmed.max())
    return np.linspace(np.sqrt(low), np.sqrt(high), _LEVELS) ** 2 if high > low else np.array([low])


def _normal_weights(scores: Array) -> Array:
    """Return the normal probabilities of equally spaced scores."""
    density = norm.pdf(scores)
    return np.asarray(density / density.sum())


def _moments(values: Array, weight: Array) -> tuple[float, float]:
    """Return weighted mean and σ."""
    mean = float(weight @ values)
    return mean, float(np.sqrt(weight @ (values - mean) ** 2))


def _weighted_quantiles(values: Array, weight: Array) -> Array:
    """Return the quantiles at `PROBABILITIES` of weighted values."""
    order = np.argsort(values)
    cumulative = np.cumsum(weight[order])
    middle = (cumulative - 0.5 * weight[order]) / cumulative[-1]
    return np.interp(PROBABILITIES, middle, values[order])


def score_correlation(drawn: Array) -> Array:
    """Return the correlation between the normal scores of rows (time, cell)."""
    ranks = (np.argsort(np.argsort(drawn, axis=1), axis=1) + 0.5) / drawn.shape[1]
    return np.atleast_2d(np.corrcoef(ndtri(ranks)))


def _basis(card: ModelCard) -> dict[str, str]:
    """Return the basis of each part of the profile: the weakest of the values behind it."""
    order = ("measured", "published", "simulated", "bound", "assumed")

    def weakest(*prefixes: str) -> str:
        found = [str(b) for name, b in card.basis.items() if name.startswith(prefixes)]
        return max(found, key=order.index) if found else "assumed"

    programming = weakest("programming", "sigma_prog")
    change = weakest("location", "scale", "skew", "tail", "temper", "nu_")
    return {
        "programmed": programming,
        "change": change,
        "conductance": max(programming, change, key=order.index),
        "history": weakest("history", "nu_"),
        "read_noise": weakest("read_noise")
        if any(n.startswith("read_noise") for n in card.basis)
        else "not known apart",
    }


def _at_zero(law: CellLaw, tables: Tables) -> tuple[str, ...]:
    """Say which share of cells stands at zero conductance because a draw would be negative."""
    share = (tables.programmed_S == 0).any(axis=1)
    if not share.any():
        return ()
    worst = float(np.max([tables.probability[row == 0].max(initial=0.0) for row in tables.programmed_S]))
    return (
        f"programmed conductances below zero stand at 0 S, as in the published model: up to {worst:.0%} of the cells",
    )
