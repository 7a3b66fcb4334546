"""Quantile tables read from an export, and cells drawn from them with the tabulated correlations over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from nvmphys.exporters.loss import Said, approximated, basis_in_words, carried, dropped
from nvmphys.exporters.tools import Draw
from nvmphys.population.law import Extra
from nvmphys.profile import VariationProfile

Array = NDArray[np.float64]

_PLACES = (np.arange(64) + 0.5) / 64
_SCORES = ndtri((np.arange(256) + 0.5) / 256)


@dataclass(frozen=True)
class Population:
    """Cells that do not follow the target: their share, and conductances of equal probability (time, quantile) [S]."""

    weight: float
    quantiles_S: Array


@dataclass(frozen=True)
class Tabulated:
    """Quantiles (target, time, probability) and means (target, time) [S], score correlations (target, time, time)."""

    target_S: Array
    time_s: Array
    probability: Array
    quantiles_S: Array
    correlation: Array
    mean_S: Array
    populations: tuple[Population, ...]
    read_noise_S: Array | None

    def draw(self, draw: Draw) -> Array:
        """Draw cells (time, target, cell) [S]; targets and times are those of the tables.

        Normal scores of the tabulated correlation give each cell its place in the distribution at each time.
        """
        rng = np.random.default_rng(draw.seed)
        level = [int(np.argmin(np.abs(self.target_S - target))) for target in draw.targets_S]
        time = [int(np.argmin(np.abs(self.time_s - t))) for t in draw.times_s]
        grid = ndtri(self.probability)
        out = np.empty((len(time), len(level), draw.n))
        for i, at in enumerate(level):
            size, axes = np.linalg.eigh(self.correlation[at][np.ix_(time, time)])
            z = axes @ (np.sqrt(np.maximum(size, 0.0))[:, None] * rng.standard_normal((len(time), draw.n)))
            for k, when in enumerate(time):
                out[k, i] = np.interp(z[k], grid, self.quantiles_S[at, when])
        self._mix(out, time, rng)
        if draw.read_noise and self.read_noise_S is not None:
            noise = np.nan_to_num(self.read_noise_S)[level][:, time].T[..., None]
            mean = np.maximum(self.mean_S[level][:, time].T[..., None], 1e-12)
            out = out * (1 + noise / mean * rng.standard_normal(out.shape))
        return out

    def _mix(self, out: Array, time: list[int], rng: np.random.Generator) -> None:
        """Put the other populations in place of regular cells."""
        lot, place, low = rng.random(out.shape[1:]), rng.random(out.shape[1:]), 0.0
        for other in self.populations:
            if not other.quantiles_S.size:
                continue
            mine = (lot >= low) & (lot < low + other.weight)
            low += other.weight
            at = np.linspace(0, 1, other.quantiles_S.shape[1])
            for k, when in enumerate(time):
                out[k][mine] = np.interp(place[mine], at, other.quantiles_S[when])


def population_over_time(profile: VariationProfile, extra: Extra) -> Array:
    """Return conductances of equal probability (time, quantile) [S] of a population that does not follow the target.

    Stuck cells stay; others change as the profile says of cells that stand where they do, aimed at the highest target.
    """
    n, first = extra.quantiles_S.size, profile.first_time_s
    return np.stack(
        [
            extra.quantiles_S
            if extra.stays or time == first or n == 0
            else np.quantile(spread_population(profile, extra, profile.level_range_S[1], float(time))[1].ravel(),
                             np.linspace(0, 1, n))
            for time in profile.tables.time_s
        ]
    )  # fmt: skip


def spread_population(profile: VariationProfile, extra: Extra, target_S: float, time_s: float) -> tuple[Array, Array]:
    """Return conductances (place, score) [S] as programmed and at a time, all of equal weight."""
    start = np.interp(_PLACES, np.linspace(0, 1, extra.quantiles_S.size), extra.quantiles_S)
    start, score = (part.ravel() for part in np.meshgrid(start, _SCORES, indexing="ij"))
    now = start
    if not extra.stays and time_s != profile.first_time_s:
        level = profile.level(start, np.full(start.size, target_S))
        now = profile.at(start, level, time_s, score)
    shape = (_PLACES.size, _SCORES.size)
    return start.reshape(shape), now.reshape(shape)


def metadata_of(profile: VariationProfile) -> dict[str, Any]:
    """Return what stands beside tables of a profile: units, basis, validity, drift, array, provenance."""
    return {
        "name": profile.name, "technology": profile.technology, "units": "S, s, K", "sigma_ref": "absolute",
        "basis": dict(profile.basis), "validity": dict(profile.validity),
        "programming_correlation": profile.programming_correlation,
        "drift": {name: np.asarray(value).tolist() for name, value in profile.drift.items()},
        "array": dict(profile.array), "assumptions": profile.assumptions, "unknown": profile.unknown,
        "provenance": dict(profile.provenance),
    }  # fmt: skip


def said_of_tables(profile: VariationProfile, metadata: str) -> dict[str, Said]:
    """Say what tables of quantiles and correlations carry of a profile; `metadata` is where the rest is written."""
    joint = "correlations of normal scores only; the law of the path is not written"
    return {
        "programmed conductance": carried("rows of the first time"),
        "conductance over time": carried("quantiles, mean and σ at the profile's times and targets"),
        "tails": carried("quantiles from 1e-5 to 1 - 1e-5"),
        "histories": approximated(None, joint),
        "populations that do not follow the target": carried("shares, and conductances of equal probability over time"),
        "read noise": carried("read_noise_S")
        if profile.read_noise_S is not None
        else dropped("the profile does not know it apart from relaxation"),
        "drift exponents": carried(f"{metadata}; empty for laws without an exponent"),
        "temperature": carried("rows of each temperature"),
        "what is left open of σ": carried(f"the range of σ; basis in {metadata}"),
        "programming error and change together": approximated(None, f"programming_correlation in {metadata}; {joint}"),
        "array effects": carried(metadata),
        "pulse updates": carried("pulses: quantiles of ΔG by conductance"),
        "read non-linearity": dropped("not written"),
        "confidence": dropped("one set of tables, without replicates"),
        "basis, validity and provenance": carried(f"{metadata}; {basis_in_words(profile)}"),
    }
