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
from nvmphys.population.law import CellLaw, check_levels, check_times, correlated, draw_cells, read_noise_sigma
from nvmphys.profile.profile import PROBABILITIES, Tables, VariationProfile, look_up
from nvmphys.records import Basis, ModelCard, as_rng

Array = NDArray[np.float64]

_SCORES = np.linspace(-5.2, 5.2, 417)
"""Normal scores of the quadrature over the change; 0.025 apart."""
_WINDOW_SCORES = ndtri((np.arange(48) + 0.5) / 48)
"""Normal scores of equal weight over the programming error of a law whose changes depend on it."""
_CORRELATION_CELLS = 20_000
_LEVELS = 64
ROOM_TEMPERATURE_K = 300.0
DEFAULT_TARGETS = 32
DEFAULT_TEMPERATURES = 5
NOT_KNOWN = "not known"
NOT_KNOWN_APART = "not known apart"


def build_profile(
    card: ModelCard,
    targets: Sequence[float] | Array | None,
    times: Sequence[float] | Array,
    temperatures: Sequence[float] | Array | None = None,
    *,
    array: Mapping[str, Any] | None = None,
    rng: np.random.Generator | int,
    extrapolate: bool = False,
) -> VariationProfile:
    """Build the variation profile of a conductance card.

    Parameters
    ----------
    card : ModelCard
    targets : array_like (target,) or None
        Target conductances [S] within the card's validity; None for about `DEFAULT_TARGETS` over its range.
    times : array_like (time,)
        Times since programming [s]; the time of the programmed conductance (0, or t0 of a power law) is added.
    temperatures : array_like, optional
        Temperatures [K] of a card that holds a law of temperature (a few over its range by default); for any other
        card one temperature, which is a label.
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
        Targets, times or temperatures outside the card's validity.

    Examples
    --------
    >>> import nvmphys as nv
    >>> profile = nv.build_profile(nv.load_card("pcm_90nm"), [5e-6, 20e-6], [3600.0], rng=1)
    >>> profile.tables.time_s.tolist()
    [20.0, 3600.0]
    """
    rng = as_rng(rng)
    law = law_of(card)
    target = law.default_targets(DEFAULT_TARGETS) if targets is None else np.unique(np.asarray(targets, dtype=float))
    if target.size == 0 or np.size(times) == 0:
        raise BadInput("targets and times must hold at least one value each")
    time = np.unique(np.append(np.asarray(times, dtype=float), law.first_time_s))
    heat = _temperatures(law, temperatures, card.name)
    check_levels(law, target)
    check_times(law, time, extrapolate)
    tables = _tables([law.at_temperature(t) for t in heat], target, time, heat, rng, extrapolate)
    noise = [read_noise_sigma(law, target, tables.mean_S[0, :, k], t) for k, t in enumerate(time)]
    read_noise = None if any(n is None for n in noise) else np.stack([n for n in noise if n is not None], axis=1)
    label = () if law.temperature_range_K else (f"temperature {heat[0]:g} K is a label: the card holds no law of it",)
    return VariationProfile(
        name=card.name,
        technology=card.technology,
        tables=tables,
        coordinate=law.coordinate,
        level_is_programmed=law.level_is_programmed,
        programming_correlation=law.programming_correlation,
        history=law.history,
        basis=_basis(card, law),
        validity={
            "target_S": list(law.level_range_S),
            "time_s": list(law.time_range_s),
            "temperature_K": list(law.temperature_range_K or ()),
            "extrapolated": [bool(t > law.time_range_s[1] * (1 + 1e-9)) for t in time],
        },
        extrapolates=law.extrapolates,
        extras=law.extras,
        read_noise_S=read_noise,
        sigma_range_S=_sigma_range(law, target, time),
        drift=law.drift(target),
        array=dict(array or {}),
        assumptions=(*card.assumptions, *label, *_at_zero(tables)),
        unknown=card.unknown,
        provenance={"card": card.name, "card_provenance": dict(card.provenance), "nvmphys": __version__},
    )


def _temperatures(law: CellLaw, temperatures: Sequence[float] | Array | None, name: str) -> Array:
    """Return the temperatures of the tables: those asked for, else a few over the law's range, else a label."""
    known = law.temperature_range_K
    if temperatures is None and known is None:
        return np.array([ROOM_TEMPERATURE_K])
    if temperatures is None and known is not None:
        # even in 1/T, along which quantiles are interpolated
        return np.asarray(1 / np.linspace(1 / known[0], 1 / known[1], DEFAULT_TEMPERATURES))
    heat = np.unique(np.asarray(temperatures, dtype=float))
    if not np.all(np.isfinite(heat) & (heat > 0)):
        raise BadInput(f"temperatures must be finite and > 0 K (got {', '.join(f'{t:g}' for t in heat)} K)")
    if heat.size == 0 or (heat.size > 1 and known is None):
        raise BadInput(f"temperatures must be one value (got {heat.size}): card {name} holds no law of temperature")
    return heat


def _sigma_range(law: CellLaw, target: Array, time: Array) -> Array | None:
    """Return the range of σ that is left open [S] (2, target, time); NaN where nothing is said, None if nowhere."""
    ranges = [law.sigma_range(target, float(t)) for t in time]
    if all(found is None for found in ranges):
        return None
    nothing = np.full((2, target.size), np.nan)
    return np.stack([nothing if found is None else np.stack(found) for found in ranges], axis=-1)


def _tables(
    laws: Sequence[CellLaw], target: Array, time: Array, heat: Array, rng: np.random.Generator, extrapolate: bool
) -> Tables:
    """Fill all tables, a law per temperature; the conductance's own are a quadrature over programmed × change."""
    scores = ndtri(PROBABILITIES)
    programmed = np.stack([laws[0].programmed(np.full(scores.size, level), scores) for level in target])
    levels = _levels(programmed) if laws[0].level_is_programmed else target
    parts = [_at_one_temperature(law, target, time, levels, programmed, rng, extrapolate) for law in laws]
    change, quantiles, mean, sigma, correlation = (np.stack(part) for part in zip(*parts, strict=True))
    return Tables(target, time, heat, PROBABILITIES, levels, programmed, change, quantiles, mean, sigma, correlation)


def _at_one_temperature(
    law: CellLaw, target: Array, time: Array, levels: Array, programmed: Array, rng: np.random.Generator,
    extrapolate: bool,
) -> tuple[Array, Array, Array, Array, Array]:  # fmt: skip
    """Return the tables of change, and of conductance: quantiles, mean, σ, correlation."""
    scores = ndtri(PROBABILITIES)
    change = np.zeros((levels.size, time.size, scores.size))
    at = np.repeat(levels, scores.size)
    for k in np.flatnonzero(time != law.first_time_s).tolist():
        moved = law.change(at, float(time[k]), np.tile(scores, levels.size), extrapolate)
        change[:, k] = moved.reshape(levels.size, -1)
    shape = (target.size, time.size)
    quantiles = np.empty((*shape, scores.size))
    mean, sigma, correlation = np.empty(shape), np.empty(shape), np.empty((*shape, time.size))
    window = _WINDOW_SCORES if law.level_is_programmed else _SCORES
    window_weight = np.full(window.size, 1 / window.size) if law.level_is_programmed else _normal_weights(window)
    weight = np.outer(window_weight, _normal_weights(_SCORES)).ravel()
    of_change = correlated(np.tile(_SCORES, window.size), np.repeat(window, _SCORES.size), law.programming_correlation)
    for i, level in enumerate(target):
        start = law.programmed(np.full(window.size, level), window)
        at = np.repeat(start if law.level_is_programmed else np.full(window.size, level), _SCORES.size)
        for k, t in enumerate(time):
            if t == law.first_time_s:
                quantiles[i, k] = programmed[i]
                mean[i, k], sigma[i, k] = _moments(start, window_weight)
                continue
            moved = look_up(change[:, k], levels, PROBABILITIES, at, of_change)
            cells = law.coordinate.moved(np.repeat(start, _SCORES.size), moved)
            quantiles[i, k] = _weighted_quantiles(cells, weight)
            mean[i, k], sigma[i, k] = _moments(cells, weight)
        drawn = draw_cells(law, np.full(_CORRELATION_CELLS, level), time, rng, extrapolate=extrapolate)
        correlation[i] = score_correlation(drawn)
    return change, quantiles, mean, sigma, correlation


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


def _basis(card: ModelCard, law: CellLaw) -> dict[str, str]:
    """Return the basis of each part of the profile: the weakest of the values behind it."""
    order = [str(basis) for basis in (Basis.MEASURED, Basis.PUBLISHED, Basis.SIMULATED, Basis.BOUND, Basis.ASSUMED)]
    found = {}
    for part, prefixes in law.value_parts.items():
        behind = [str(basis) for name, basis in card.basis.items() if prefixes and name.startswith(prefixes)]
        if behind:
            found[part] = max(behind, key=order.index)
    history = str(Basis.ASSUMED) if "change" in found else NOT_KNOWN
    stated = [found[part] for part in ("programmed", "change") if part in found]
    return {
        "programmed": found.get("programmed", NOT_KNOWN),
        "change": found.get("change", NOT_KNOWN),
        "conductance": max(stated, key=order.index),
        "history": found.get("history", history),
        "read_noise": found.get("read_noise", NOT_KNOWN_APART),
    }


def _at_zero(tables: Tables) -> tuple[str, ...]:
    """Say which share of cells stands at zero conductance because a draw would be negative."""
    share = (tables.programmed_S == 0).any(axis=1)
    if not share.any():
        return ()
    worst = float(np.max([tables.probability[row == 0].max(initial=0.0) for row in tables.programmed_S]))
    return (f"conductances drawn below zero stand at 0 S: as programmed up to {worst:.0%} of the cells of a target",)
