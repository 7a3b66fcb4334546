"""Compute the summary statistics of the 1T1R relaxation set that the repository ships.

Reads $NVMPHYS_DATA/rram_1t1r_relaxation_c/relaxdata.tsv.gz and writes data.csv and source.toml of
characterization_data/rram_1t1r_relaxation_c. The raw file itself is not shipped.
"""

from __future__ import annotations

import sys
from pathlib import Path

from _source import SHIPPED, Source, Summary, main

import nvmphys as nv
from nvmphys.fit.cells import collect, split_over_set, summarise

N_LEVELS, G_MAX_S = 32, 40e-6


def compute(raw: Path) -> Summary:
    """Summarise the cells by level and time."""
    measurements = nv.read(raw, SHIPPED / "rram_1t1r_relaxation_c" / "columns.toml")
    cells, over_set = split_over_set(collect(measurements, n_levels=N_LEVELS, g_max_S=G_MAX_S))
    conditions = (
        "G_max 40 µS, 32 bins of 1.25 µS; bin = floor(first read · 32 / G_max), so there is no programming target; "
        f"{len(over_set)} cells first read above 40 µS are left out; one read of negative resistance is left out; "
        "the read near 4 s exists for 48 % of the cells only, and not at random"
    )
    return Summary(summarise(cells), len(cells) + len(over_set), conditions)


SOURCE = Source(
    id="rram_1t1r_relaxation_c",
    title="Relaxation of a 1T1R RRAM array, 16,292 cells from 0 to 1e5 s",
    citation="1T1R RRAM relaxation data set (relaxdata.tsv.gz), Copyright (c) 2021 Akash Levy",
    locator="relaxdata.tsv.gz; bins 0-31 of the first read",
    copyright="Copyright (c) 2021 Akash Levy",
    files=("rram_1t1r_relaxation_c/relaxdata.tsv.gz",),
    compute=compute,
)

if __name__ == "__main__":
    sys.exit(main(SOURCE))
