"""Drawn cells have the quantiles of the tables, on their nodes and between them, and the correlations over time.

1e7 cells a case where a cell keeps one score for life, and 1e6 where it walks a latent path, whose distribution a card
knows from drawn paths to about 1e-4 in probability. Shares of the cells below a conductance are held against an
integral over the score of programming that is computed from the tables alone, by NumPy's interpolation without the
sampler's code, as |z| of the binomial law, at 0.1, 1, 10, 50, 90, 99 and 99.9 %; correlations of normal scores between
all times against those of the profile. The same cells are drawn in chunks of 1e3, 1e5 and 1e7, by one thread and by
two.
"""

from __future__ import annotations

import hashlib
import sys

import numpy as np
from _claims import conclude
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

import nvmphys as nv

Array = NDArray[np.float64]

CELLS = 10_000_000
CORRELATION_CELLS = 1_000_000
PROBABILITIES = np.array([0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
STUDIES = {
    "pcm_90nm": (CELLS, [3600.0, 86400.0], [20.0, 86400.0, 300.0, 9000.0]),
    "pcm_hermes_1": (CELLS, [3600.0, 36000.0], [3600.0, 9000.0]),
    "rram_1t1r_relaxation": (CELLS // 10, [0.01, 1.0, 3600.0, 86400.0], [0.0, 3600.0, 86400.0, 0.05, 2e4]),
}
"""Cells, times of the tables, and times at which cells are drawn."""


def below(profile: nv.VariationProfile, target: float, time: float, x: Array) -> Array:
    """Return the share of regular cells below x [S] from the tables alone."""
    t = profile.tables
    grid, rho = ndtri(t.probability), profile.programming_correlation
    z = np.linspace(-8, 8, 16_001)
    weight = np.exp(-0.5 * z**2)
    weight /= weight.sum()

    def row(table: Array, axis: Array, at: float) -> Array:
        place = float(np.interp(at, axis, np.arange(axis.size)))
        low = min(int(place), max(axis.size - 2, 0))
        return np.asarray(table[low] + (place - low) * (table[min(low + 1, axis.size - 1)] - table[low]))

    quantiles = row(t.programmed_S, t.target_S, target)
    if time == profile.first_time_s:
        return np.asarray(ndtr(np.interp(x, quantiles, grid)))
    start = np.interp(z, grid, quantiles)
    known = t.time_s > 0
    place = float(np.interp(np.log(time), np.log(t.time_s[known]), np.arange(known.sum())))
    change = t.change[0][:, known]
    low = min(int(place), change.shape[1] - 2)
    change = change[:, low] + (place - low) * (change[:, low + 1] - change[:, low])
    share = np.zeros(len(x))
    of_target = row(change, t.level_S, target)
    for w, s, own in zip(weight, start, z, strict=True):
        if w < 1e-14:
            continue
        moved = row(change, t.level_S, s) if profile.level_is_programmed else of_target
        needed = profile.coordinate.of(np.asarray(x)) - profile.coordinate.of(np.array([s]))
        score = np.interp(needed, moved, grid)
        score = np.where(needed >= moved[-1], np.inf, np.where(needed < moved[0], -np.inf, score))
        share += w * ndtr((score - rho * own) / np.sqrt(1 - rho**2))
    return share


def worst_z(profile: nv.VariationProfile, count: int, times: list[float]) -> tuple[float, int]:
    """Return the largest |z| over targets on and between nodes, times and probabilities, and how many there are."""
    nodes = profile.tables.target_S
    middle = nodes.size // 2
    found = []
    for target in (nodes[middle], 0.3 * nodes[middle] + 0.7 * nodes[middle + 1]):
        drawn = profile.sampler(11, extras=False).draw(np.full(count, target), times)
        for time, cells in zip(times, drawn, strict=True):
            x = np.quantile(cells[:100_000], PROBABILITIES)  # where to look; what is found there is judged
            share = below(profile, float(target), time, x)
            rest = cells[100_000:]
            counted = np.array([np.count_nonzero(rest <= value) for value in x]) / rest.size
            found.append(np.abs(counted - share) / np.sqrt(share * (1 - share) / rest.size))
            shown = np.array2string(found[-1], precision=2)
            print(f"{profile.name}, target {target * 1e6:.3g} µS, {time:g} s: |z| {shown}")
    return float(np.max(found)), int(np.size(found))


def correlation_gap(profile: nv.VariationProfile) -> float:
    """Return the largest difference between drawn and tabulated correlations over time."""
    tables, worst = profile.tables, 0.0
    for i in np.unique(np.linspace(1, tables.target_S.size - 2, 4).astype(int)):
        cells = np.full(CORRELATION_CELLS, tables.target_S[i])
        drawn = profile.sampler(12, extras=False).draw(cells, tables.time_s)
        scores = ndtri(tables.probability)  # by the tables: of cells that stand at 0 S a rank would be anything
        ranks = [np.interp(now, row, scores) for now, row in zip(drawn, tables.quantiles_S[0, i], strict=True)]
        gap = np.abs(np.atleast_2d(np.corrcoef(ranks)) - tables.correlation[0, i]).max()
        print(f"{profile.name}, target {tables.target_S[i] * 1e6:.3g} µS: correlations within {gap:.4f}")
        worst = max(worst, float(gap))
    return worst


def digests(profile: nv.VariationProfile) -> set[str]:
    """Return the SHA-256 of the same cells drawn in several chunks and by several threads."""
    sampler = profile.sampler(13)
    targets = np.random.default_rng(1).uniform(*profile.level_range_S, CELLS)
    times = [profile.first_time_s, float(profile.tables.time_s[-1])]
    found = set()
    for chunk in (1_000, 100_000, CELLS):
        for workers in (1, 2):
            parts = [hashlib.sha256() for _ in times]
            for at in range(0, CELLS, chunk):
                drawn = sampler.draw(targets[at : at + chunk], times, first_cell=at, workers=workers)
                for part, now in zip(parts, drawn, strict=True):
                    part.update(now.tobytes())
            found.add("".join(part.hexdigest() for part in parts))
    return found


def main() -> int:
    z, gap, count = 0.0, 0.0, 0
    profiles = {
        name: nv.build_profile(nv.load_card(name), None, times, rng=1, replicates=0)
        for name, (_, times, _) in STUDIES.items()
    }
    for name, profile in profiles.items():
        largest, some = worst_z(profile, STUDIES[name][0], STUDIES[name][2])
        z, count, gap = max(z, largest), count + some, max(gap, correlation_gap(profile))
    different = max(len(digests(profiles[name])) for name in ("pcm_90nm",))
    figure = {"largest |z|": round(z, 2), "comparisons": count, "correlation gap": round(gap, 4), "sets": different}
    target = {"largest |z|": "<= 4", "correlation gap": "<= 0.01", "sets": 1}
    met = z <= 4 and gap <= 0.01 and different == 1
    return conclude("drawn quantiles, correlations over time, and the same cells in any chunk", figure, target, met)


if __name__ == "__main__":
    sys.exit(main())
