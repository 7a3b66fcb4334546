"""Building a variation profile from a card: quantile tables by quadrature over the law, histories by simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from nvmphys import __version__
from nvmphys.errors import BadInput
from nvmphys.population import law_of
from nvmphys.population.law import CellLaw, check_levels, check_times, read_noise_sigma
from nvmphys.profile.confidence import DEFAULT_REPLICATES, replicates_of
from nvmphys.profile.profile import PROBABILITIES, Tables, VariationProfile
from nvmphys.profile.quadrature import FINE, change_quantiles, conductance_at, frozen_correlation
from nvmphys.profile.sections import PulseTable, ReadCurrent, array_section
from nvmphys.records import Basis, ModelCard, as_rng

Array = NDArray[np.float64]

CORRELATION_CELLS = 200_000
"""Cells a target behind a correlation over time that is drawn: its standard error is 0.0022 or less."""
_LEVELS = 64
ROOM_TEMPERATURE_K = 300.0
DEFAULT_TARGETS = 32
DEFAULT_TEMPERATURES = 5
SIGMA_BETWEEN = 0.02
"""Error of σ of the change, half-way between two times of a table by default [1]."""
_LEVELS_BETWEEN = (0.1, 0.3, 0.5, 0.7, 0.9)
_CLOSEST = 1.5
"""Ratio of two times that are not divided further."""
_APART = 1.2
"""Ratio below which a decade is as good as the end of the range beside it."""
NOT_KNOWN = "not known"
NOT_KNOWN_APART = "not known apart"


def build_profile(
    card: ModelCard,
    targets: Sequence[float] | Array | None,
    times: Sequence[float] | Array | None = None,
    temperatures: Sequence[float] | Array | None = None,
    *,
    array: Mapping[str, Any] | None = None,
    pulse_update: Mapping[str, PulseTable] | None = None,
    read_iv: ReadCurrent | None = None,
    replicates: int = DEFAULT_REPLICATES,
    rng: np.random.Generator | int,
    extrapolate: bool = False,
) -> VariationProfile:
    """Build the variation profile of a conductance card.

    Parameters
    ----------
    card : ModelCard
    targets : array_like (target,) or None
        Target conductances [S] within the card's validity; None for about `DEFAULT_TARGETS` over its range.
    times : array_like (time,), optional
        Times since programming [s]; the time of the programmed conductance (0, or t0 of a power law) is added. By
        default :func:`default_times`: between times of the tables quantiles are interpolated, which is good to a
        percent of σ at one a decade, and to a fifth of it at one in three.
    temperatures : array_like, optional
        Temperatures [K] of a card that holds a law of temperature (a few over its range by default); for any other
        card one temperature, which is a label.
    array : mapping, optional
        What a crossbar study found, kept in the profile's array section: entries of
        :class:`~nvmphys.profile.sections.ArraySection`.
    pulse_update : mapping of str to PulseTable, optional
        What pulses do (:func:`~nvmphys.profile.dynamics.pulse_update_of`), by direction.
    read_iv : ReadCurrent, optional
        How the read current departs from Ohm's law (:func:`~nvmphys.profile.dynamics.read_iv_of`).
    replicates : int, optional
        How often the tables are made again as if other devices had been measured, where the card tells how; 0 for none.
    rng : numpy.random.Generator or int
        For replicates, and for correlations over time where a history is more than one score for life.
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
    when = default_times(law) if times is None else np.asarray(times, dtype=float)
    if target.size == 0 or when.size == 0:
        raise BadInput("targets and times must hold at least one value each")
    time = np.unique(np.append(when, law.first_time_s))
    heat = _temperatures(law, temperatures, card.name)
    check_levels(law, target)
    check_times(law, time, extrapolate, beyond="pass extrapolate=True (--extrapolate) to go beyond it")
    laws = [law.at_temperature(t) for t in heat]
    tables = _tables(laws, target, time, heat, extrapolate)
    noise = [read_noise_sigma(law, target, tables.mean_S[0, :, k], t) for k, t in enumerate(time)]
    read_noise = None if any(n is None for n in noise) else np.stack([n for n in noise if n is not None], axis=1)
    label = () if law.temperature_range_K else (f"temperature {heat[0]:g} K is a label: the card holds no law of it",)
    profile = VariationProfile(
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
        array=array_section(array or {}),
        assumptions=(*card.assumptions, *label, *_at_zero(tables)),
        unknown=(*card.unknown, *_not_said(pulse_update, read_iv)),
        provenance={"card": card.name, "card_provenance": dict(card.provenance), "nvmphys": __version__},
        read_duration_s=None if read_noise is None else float(law.t_read_s),
        pulse_update=dict(pulse_update or {}),
        read_iv=read_iv,
    )
    profile = _with_correlations(profile, heat, rng, extrapolate)
    found = replicates_of(card, profile, time, heat, replicates, rng, extrapolate) if replicates else None
    if found is None:
        return profile
    return replace(profile, replicates=found)


def default_times(law: CellLaw) -> Array:
    """Return times of a table over all that a law knows [s]: the whole decades within, both ends, and times between.

    Quantiles of the change are linear in ln t between the times of a table. Where σ of the change, half-way between
    two of them, would be off by more than `SIGMA_BETWEEN`, that time is added too, and so on.

    Examples
    --------
    >>> import nvmphys as nv
    >>> default_times(nv.law_of(nv.load_card("pcm_90nm"))).tolist()
    [20.0, 100.0, 1000.0, 10000.0, 86400.0]
    """
    low, high = law.time_range_s
    if not 0 < low < high:
        return np.unique([low, high])
    decades = 10.0 ** np.arange(np.ceil(np.log10(low)), np.floor(np.log10(high)) + 1)
    inside = decades[(decades > low * _APART) & (decades < high / _APART)]
    level, z = np.quantile(law.default_targets(DEFAULT_TARGETS), _LEVELS_BETWEEN), ndtri((np.arange(256) + 0.5) / 256)
    cells = [part.ravel() for part in np.meshgrid(level, z, indexing="ij")]

    def change(time: float) -> Array:
        return law.change(cells[0], time, cells[1]).reshape(level.size, z.size)

    def between(first: float, last: float) -> list[float]:
        middle = float(np.sqrt(first * last))
        exact, mixed = change(middle).std(axis=1), (0.5 * (change(first) + change(last))).std(axis=1)
        if last / first < _CLOSEST or np.all(np.abs(mixed - exact) <= SIGMA_BETWEEN * exact):
            return []
        return [*between(first, middle), middle, *between(middle, last)]

    ends = [low, *inside.tolist(), high]
    added = [time for first, last in pairwise(ends) for time in between(first, last)]
    return np.sort([*ends, *added])


def _not_said(pulse_update: Mapping[str, PulseTable] | None, read_iv: ReadCurrent | None) -> tuple[str, ...]:
    """Say which parts of a profile are absent."""
    pulses = () if pulse_update else ("pulse updates: what single pulses do to the conductance",)
    return (*pulses, *(() if read_iv else ("read non-linearity: how the read current departs from Ohm's law",)))


def _with_correlations(
    profile: VariationProfile, heat: Array, rng: np.random.Generator, extrapolate: bool
) -> VariationProfile:
    """Return the profile with its correlations over time; those of one score for life are a quadrature already."""
    if profile.history.is_frozen:
        return profile
    tables, correlation = profile.tables, profile.tables.correlation.copy()
    scores = ndtri(tables.probability)
    for h, kelvin in enumerate(heat):
        sampler = profile.sampler(rng, float(kelvin), extrapolate=extrapolate, extras=False)
        for i, level in enumerate(tables.target_S):
            drawn = sampler.draw(np.full(CORRELATION_CELLS, level), tables.time_s, first_cell=i * CORRELATION_CELLS)
            ranks = [
                np.interp(now, quantiles, scores)
                for now, quantiles in zip(drawn, tables.quantiles_S[h, i], strict=True)
            ]
            correlation[h, i] = np.atleast_2d(np.corrcoef(ranks))
    return replace(profile, tables=replace(tables, correlation=correlation))


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


def _tables(laws: Sequence[CellLaw], target: Array, time: Array, heat: Array, extrapolate: bool) -> Tables:
    """Fill all tables, a law per temperature; the conductance's own are a quadrature over programmed × change."""
    scores, first = ndtri(PROBABILITIES), laws[0]
    programmed = np.stack([first.programmed(np.full(scores.size, level), scores) for level in target])
    levels = _levels(programmed) if first.level_is_programmed else target
    change = np.stack([change_quantiles(law, levels, time, extrapolate) for law in laws])
    empty = np.empty((heat.size, target.size, time.size))
    tables = Tables(
        target, time, heat, PROBABILITIES, levels, programmed, change, np.empty((*empty.shape, scores.size)), empty,
        empty.copy(), np.empty((*empty.shape, time.size)),
    )  # fmt: skip
    window = FINE.window(first.level_is_programmed)
    for i, level in enumerate(target):
        start = first.programmed(np.full(window.size, level), window)
        for h in range(heat.size):
            cells = conductance_at(first, tables, h, i, start, FINE)
            for k, found in enumerate(cells):
                tables.quantiles_S[h, i, k] = programmed[i] if found.is_programmed else found.quantiles
                tables.mean_S[h, i, k], tables.sigma_S[h, i, k] = found.mean, found.sigma
            tables.correlation[h, i] = frozen_correlation(cells, tables.quantiles_S[h, i])
    return tables


def _levels(programmed: Array) -> Array:
    """Return levels, even in √G, over all that may be programmed."""
    low, high = float(programmed.min()), float(programmed.max())
    return np.linspace(np.sqrt(low), np.sqrt(high), _LEVELS) ** 2 if high > low else np.array([low])


def score_correlation(drawn: Array) -> Array:
    """Return the correlation between the normal scores of rows (time, cell)."""
    return np.atleast_2d(np.corrcoef(normal_scores(drawn)))


def normal_scores(drawn: Array) -> Array:
    """Return the normal scores of the ranks within each row (time, cell)."""
    ranks = (np.argsort(np.argsort(drawn, axis=1), axis=1) + 0.5) / drawn.shape[1]
    return np.asarray(ndtri(ranks))


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
