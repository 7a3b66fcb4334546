"""Every consumer's export of every shipped conductance card holds what its loss report says.

Cells are drawn from the written files: in the real tool where it is installed, else by a reader written to its
documentation; each printed line says which. NVMPHYS_AIHWKIT_PYTHON names a Python that has aihwkit,
NVMPHYS_CROSSSIM the folder of CrossSim 3, NVMPHYS_AIHWKIT_TRAINING_PYTHON a Python whose torch aihwkit's tiles run
with. Devices for training get the pulses of a simulated filament (`rram_gap`).

    python benchmarks/export_conformance.py [CARD …]
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from _claims import conclude

import nvmphys as nv
from nvmphys.exporters import consumers, export
from nvmphys.exporters.conformance import LIMIT, CheckRow, Export, check
from nvmphys.exporters.loss import NOTHING, shown_status
from nvmphys.profile.dynamics import pulse_update_of

TARGETS = 16
PULSED = "rram_gap"
DEVICES = 100


def profile_of(name: str) -> nv.VariationProfile:
    """Build the profile of a card at three times over all that it knows."""
    card = nv.load_card(name)
    law = nv.law_of(card)
    low, high = law.time_range_s
    times = [law.first_time_s] if low == high else np.geomspace(max(low, 1.0), high, 3)
    return nv.build_profile(card, np.linspace(*law.level_range_S, TARGETS), times, replicates=0, rng=1)


def exports(profile: nv.VariationProfile, folder: Path, pulses: bool) -> list[Export]:
    """Write a profile for every consumer, or for those that train on pulses."""
    out = []
    for name in consumers():
        if name.endswith("training") != pulses:
            continue
        where = folder / f"{profile.name}_{name}"
        export(profile, name, where)
        out.append(Export(profile, name, where))
    return out


def show(each: Export, rows: Sequence[CheckRow]) -> None:
    """Print what an export carries, approximates and drops, and what was found (`nvmphys export --check`: each row)."""
    counts = Counter(shown_status(row.status, row.reason) for row in rows if row.property != "does something")
    judged = [row for row in rows if row.passed is not None]
    worst = max((row.z or 0.0 for row in judged), default=0.0)
    sources = ", ".join(sorted({row.source for row in judged}))
    said = ", ".join(f"{counts[status]} {status}" for status in ("carried", "approximated", "dropped", NOTHING))
    verdict = f"{len(judged)} drawn from, {sources}, largest |z| {worst:.2f}" if judged else "nothing to draw from"
    print(f"{each.profile.name} → {each.consumer}: {said}; {verdict}")


def main(names: Sequence[str]) -> int:
    cards = names or [name for name in nv.list_cards() if nv.load_card(name).kind == "conductance"]
    with tempfile.TemporaryDirectory() as folder:
        written = [each for name in cards for each in exports(profile_of(name), Path(folder), pulses=False)]
        pulsed = replace(profile_of("rram_milo_2021"), name=PULSED,
                         pulse_update=pulse_update_of(nv.load_card(PULSED), n_devices=DEVICES, rng=1))  # fmt: skip
        written += exports(pulsed, Path(folder), pulses=True)
        found = check(written)
    for each, rows in zip(written, found, strict=True):
        show(each, rows)
    judged = [row for rows in found for row in rows if row.passed is not None]
    failed = [row for row in judged if not row.passed]
    worst = {
        source: round(max((row.z or 0.0 for row in judged if row.source == source), default=0.0), 2)
        for source in ("real tool", "own reader")
    }
    figure = {
        "cards": len(cards), "exports": len(written), "rows": len(judged), "failed": len(failed), "largest_z": worst,
        "rows_in_real_tools": sum(row.source == "real tool" for row in judged),
        "real_tools": sorted({row.consumer for row in judged if row.source == "real tool"}),
    }  # fmt: skip
    for row in failed:
        print(f"FAILED: {row}")
    claim = "exports hold in their consumers what their loss reports say"
    return conclude(claim, figure, f"|z| <= {LIMIT:g}", not failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
