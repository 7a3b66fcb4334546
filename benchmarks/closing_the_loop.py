"""Claim: the exported profile file alone predicts what ngspice finds of arrays of cells drawn from the card's own law.

For a measured RRAM card and a published PCM card of a 10,000-cell array: 200 draws of a 32×32 array in ngspice, its
cells drawn by the law of the card (never by the profile) and non-linear, lines of 2 Ω a segment, drivers of 50 Ω, sense
amplifiers of 20 Ω, all word lines at 0.2 V. Error of a column: its current less Σ v·target, over the largest of those.
The prediction reads the HDF5 file, draws cells from its tables and solves with the nodal solver. Of every column, mean
and σ predicted are held to the 95 % bootstrap interval (bootstrap-t) of the 200 draws: just after programming, after an
hour and after a day.

Read currents: RRAM sinh with α = √(6·NL3/G) of the medians of a measured read I–V set (1,024 cells, groups of 15 µS);
PCM sinh with α = q·Δz/(2kT·u_a), the sub-threshold conduction of Ielmini and Zhang (J. Appl. Phys. 102, 054517 (2007),
doi 10.1063/1.2773688), *assumed* for Δz = 3 nm and u_a = 20 nm at 300 K, the same at all conductances.

Also solved: predictions that are wrong on purpose, σ of the cells' deviation 15 % too large or lines left out, must not
pass. Populations that do not follow the target (over-set cells) are left out of both sides: one such cell in a column
moves its σ by more than 200 draws can tell.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from _claims import ROOT, conclude
from threadpoolctl import threadpool_limits

import nvmphys as nv
from nvmphys.crossbar.checks import Coverage, coverage
from nvmphys.crossbar.draws import CellsOfLaw, DrawnArrays, SinhReads
from nvmphys.crossbar.ngspice import find_ngspice
from nvmphys.profile.array_cells import CellsOfProfile, reads_of
from nvmphys.profile.sections import ReadCurrent

SIZE, DRAWS, PREDICTED = 32, 200, 4000
READ_V, WIRE_OHM, DRIVER_OHM, SENSE_OHM = 0.2, 2.0, 50.0, 20.0
HOUR_S, DAY_S = 3600.0, 86400.0
LEAST = 0.93
PCM_PER_V = 3e-9 / (2 * 0.025852 * 20e-9)
TOO_WIDE = 1.15


def rram_reads() -> tuple[np.ndarray, np.ndarray]:
    """Return levels [S] and α [1/V] of the measured read I–V set."""
    table = pd.read_csv(ROOT / "characterization_data" / "rram_1t1r_read_iv" / "data.csv")
    groups = table[table["slope_high_S"] - table["slope_low_S"] < 2e-5]
    median = groups.pivot_table(index="slope_low_S", columns="quantity", values="q_0.5", aggfunc="first")
    return median["conductance"].to_numpy(), np.sqrt(6 * median["nl3"] / median["conductance"]).to_numpy()


def pcm_reads() -> tuple[np.ndarray, np.ndarray]:
    """Return levels [S] and the assumed α [1/V]."""
    return np.array([1e-7, 25e-6]), np.full(2, PCM_PER_V)


def read_current(level_S: np.ndarray, per_V: np.ndarray, basis: str, note: str) -> ReadCurrent:
    """Return the section of a profile that says how cells of these α are read."""
    volts = READ_V * np.array([-1.0, -0.5, 0.5, 1.0, 1.5])
    ratio = np.sinh(per_V[:, None] * volts) / np.sinh(per_V * READ_V)[:, None]
    return ReadCurrent(READ_V, level_S, volts, ratio, per_V, np.zeros(per_V.size), nv.Basis(basis), note)


@dataclass(frozen=True)
class Wider:
    """Cells of a profile whose deviation from their target is too large."""

    cells: CellsOfProfile
    factor: float

    def __call__(self, target_S: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return conductances [S], none below 0."""
        return np.maximum(target_S + self.factor * (self.cells(target_S, rng) - target_S), 0.0)


def exported(card: nv.ModelCard, section: ReadCurrent, folder: Path) -> nv.VariationProfile:
    """Write the card's profile and return what the file alone says."""
    path = folder / f"{card.name}.h5"
    made = nv.build_profile(card, None, [HOUR_S, DAY_S], rng=1, read_iv=section, replicates=0)
    nv.save_profile(made, path)
    return nv.load_profile(path)


def cases(name: str, reads: Callable[[], tuple[np.ndarray, np.ndarray]], basis: str, folder: Path) -> Iterator[dict]:
    """Yield what was seen and predicted at each time."""
    card, (level_S, per_V) = nv.load_card(name), reads()
    law = nv.law_of(card)
    profile = exported(card, read_current(level_S, per_V, basis, str(reads.__doc__)), folder)
    target_S = np.random.default_rng(7).uniform(*law.level_range_S, (SIZE, SIZE))
    circuit = nv.Crossbar(target_S, WIRE_OHM, WIRE_OHM, DRIVER_OHM, SENSE_OHM)
    volts, spice = np.full(SIZE, READ_V), find_ngspice()
    for k, time_s in enumerate((law.first_time_s, HOUR_S, DAY_S)):
        drawn = DrawnArrays(circuit, volts, CellsOfLaw(law, time_s), 100 + k, SinhReads(READ_V, level_S, per_V))
        seen = drawn.as_error(drawn.current_in_ngspice(range(DRAWS), spice))
        same = float(np.abs(drawn.error(range(5)) - seen[:5]).max())
        cells = CellsOfProfile(profile, time_s, extras=False)
        predicted = DrawnArrays(circuit, volts, cells, 200 + k, reads_of(profile))
        few = range(PREDICTED // 8)
        wide = replace(predicted, cells=Wider(cells, TOO_WIDE)).error(few)
        ideal = replace(predicted, targets=nv.Crossbar(target_S, 0.0, 0.0), reads=None)
        bare = ideal.as_error(np.stack([volts @ cells(target_S, np.random.default_rng(n)) for n in few]))
        answer = predicted.error(range(PREDICTED))
        rng = np.random.default_rng(k)
        yield {
            "card": name, "time_s": time_s, "same": same, "seen": seen, "predicted": answer,
            "found": coverage(seen, answer, rng), "wide": coverage(seen, wide, rng), "bare": coverage(seen, bare, rng),
        }  # fmt: skip


def shares(found: list[Coverage]) -> tuple[float, float]:
    """Return the share of columns whose mean, and whose σ, lies within."""
    return (
        float(np.mean([one.mean_within for one in found])), float(np.mean([one.sigma_within for one in found])),
    )  # fmt: skip


def main() -> int:
    made = []
    print(
        "card                   time s   mean error      σ of error      within: mean     σ    | σ x 1.15    no lines"
    )
    with tempfile.TemporaryDirectory() as name:
        for card, reads, basis in (
            ("rram_1t1r_relaxation", rram_reads, "measured"),
            ("pcm_90nm", pcm_reads, "assumed"),
        ):
            for case in cases(card, reads, basis, Path(name)):
                made.append(case)
                seen, answer = case["seen"], case["predicted"]
                mean, sigma = shares([case["found"]])
                print(
                    f"{card:22s} {case['time_s']:6g}  {seen.mean():+.4f} {answer.mean():+.4f}  "
                    f"{seen.std(0).mean():.5f} {answer.std(0).mean():.5f}       {mean:6.1%} {sigma:6.1%}    "
                    f"| {shares([case['wide']])[1]:6.1%}     {shares([case['bare']])[0]:6.1%}",
                    flush=True,
                )
    mean, sigma = shares([case["found"] for case in made])
    wide, bare = shares([case["wide"] for case in made])[1], shares([case["bare"] for case in made])[0]
    same = max(case["same"] for case in made)
    print(f"all {len(made) * SIZE} columns: mean within {mean:.1%}, σ {sigma:.1%}; nodal against ngspice {same:.0e}")
    met = min(mean, sigma) >= LEAST and max(wide, bare) < LEAST and same < 1e-9
    figure = {
        "mean_within": round(mean, 4), "sigma_within": round(sigma, 4), "sigma_15_percent_too_large": round(wide, 4),
        "lines_left_out": round(bare, 4), "nodal_against_ngspice": same,
    }  # fmt: skip
    return conclude(
        "a profile file alone predicts mean and σ of column errors that ngspice finds of the card's own cells, 32×32",
        figure, {"mean_within": LEAST, "sigma_within": LEAST}, met,
    )  # fmt: skip


if __name__ == "__main__":
    with threadpool_limits(1):
        sys.exit(main())
