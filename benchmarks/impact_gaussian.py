"""A classifier on cells of three profiles: how long it takes, and whether a constant-σ Gaussian of equal RMS misleads.

Each card's profile is made of its default targets at seven times over all that it knows (not in the time of the study),
then `nvmphys.network_impact` runs with 100 draws, without and with compensation of mean drift. Seconds are those of the
processor, all threads together: those of one quiet core.

    OMP_NUM_THREADS=1 python benchmarks/impact_gaussian.py [CARD …]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from _claims import conclude

import nvmphys as nv
from nvmphys.impact import digits_network

CARDS = ("rram_1t1r_relaxation", "pcm_90nm", "pcm_hermes_2")
TIMES = 6
DRAWS = 100
LIMIT_S = 60.0


def profile_of(name: str) -> nv.VariationProfile:
    """Build the profile of a card: as programmed, and at six times from a second, or the first known, to the last."""
    card = nv.load_card(name)
    low, high = nv.law_of(card).time_range_s
    return nv.build_profile(card, None, np.geomspace(max(low, 1.0), high, TIMES), rng=1)


def judged(profile: nv.VariationProfile, compensate: bool) -> dict[str, Any]:
    """Run the study and return its time and its answer."""
    begin = time.process_time(), time.perf_counter()
    found = nv.network_impact(profile, draws=DRAWS, compensate=compensate, rng=1)
    cpu, wall = time.process_time() - begin[0], time.perf_counter() - begin[1]
    how = "mean drift compensated" if compensate else "as drifted"
    print(f"\n{how}: {cpu:.1f} s of processor, {wall:.1f} s of wall time")
    print("\n".join(found.sentences), flush=True)
    rows = found.curves
    worst = rows.iloc[int(rows["difference"].abs().to_numpy().argmax())]
    return {
        "seconds": round(cpu, 1), "misleads": found.misleads, "apart": int((rows["p_holm"] < 0.05).sum()),
        "tests": len(rows), "largest_points": round(100 * float(worst["difference"]), 2),
        "interval_points": [round(100 * float(worst[f"difference_{end}"]), 2) for end in ("low", "high")],
        "p_holm": float(f"{worst['p_holm']:.2g}"), "at_s": float(worst["time_s"]), "on": worst["mapping"],
        "accuracy_last": {str(r["mapping"]): round(float(r["mean"]), 4)
                          for _, r in rows[rows["time_s"] == rows["time_s"].max()].iterrows()},
    }  # fmt: skip


def main(names: Sequence[str]) -> int:
    digits_network(8)  # imports scikit-learn, which is not of the study
    figure: dict[str, Any] = {}
    for name in names or CARDS:
        profile = profile_of(name)
        figure[name] = {
            "as drifted": judged(profile, compensate=False), "compensated": judged(profile, compensate=True),
        }  # fmt: skip
    slowest = max(run["seconds"] for runs in figure.values() for run in runs.values())
    target = f"each run < {LIMIT_S:g} s of one core; answered with p and interval (null: differs, by less than a point)"
    return conclude("a network on each profile within a minute", figure, target, slowest < LIMIT_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
