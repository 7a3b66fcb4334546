"""Compute the summary statistics of the 1T1R relaxation set that the repository ships.

Reads $NVMPHYS_DATA/rram_1t1r_relaxation_c/relaxdata.tsv.gz and writes data.csv and source.toml of
characterization_data/rram_1t1r_relaxation_c. The raw file itself is not shipped.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nvmphys as nv
from nvmphys.files import replacing, sha256
from nvmphys.fit.cells import collect, summarise
from nvmphys.fit.relaxation import split_over_set
from nvmphys.tomlfile import to_toml

FOLDER = Path(__file__).resolve().parents[2] / "characterization_data" / "rram_1t1r_relaxation_c"
N_LEVELS, G_MAX_S = 32, 40e-6


def main() -> int:
    """Compute, write, say what was done."""
    if "NVMPHYS_DATA" not in os.environ:
        print("set NVMPHYS_DATA to the folder that holds rram_1t1r_relaxation_c/relaxdata.tsv.gz", file=sys.stderr)
        return 2
    raw = Path(os.environ["NVMPHYS_DATA"]) / FOLDER.name / "relaxdata.tsv.gz"
    measurements = nv.read(raw, FOLDER / "columns.toml")
    cells, over_set = split_over_set(collect(measurements, n_levels=N_LEVELS, g_max_S=G_MAX_S))
    table = summarise(cells)
    with replacing(FOLDER / "data.csv") as part:
        table.to_csv(part, index=False, float_format="%.6g")
    source = {
        "id": FOLDER.name,
        "title": "Relaxation of a 1T1R RRAM array, 16,292 cells from 0 to 1e5 s",
        "citation": "1T1R RRAM relaxation data set (relaxdata.tsv.gz), Copyright (c) 2021 Akash Levy",
        "locator": "relaxdata.tsv.gz; bins 0-31 of the first read",
        "kind": "summary",
        "licence": "MIT, Copyright (c) 2021 Akash Levy",
        "n_devices": len(cells) + len(over_set),
        "conditions": (
            "G_max 40 µS, 32 bins of 1.25 µS; bin = floor(first read · 32 / G_max), so there is no programming target; "
            f"{len(over_set)} cells first read above 40 µS are left out; one read of negative resistance is left out; "
            "the read near 4 s exists for 48 % of the cells only, and not at random"
        ),
        "computed_by": "scripts/sources/rram_1t1r_relaxation_c.py from the file with sha256 " + sha256(raw),
        "sha256": sha256(FOLDER / "data.csv"),
    }
    with replacing(FOLDER / "source.toml") as part:
        part.write_text(to_toml(source), encoding="utf-8")
    print(f"{len(cells)} cells, {len(table)} rows -> {FOLDER.name}/data.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
