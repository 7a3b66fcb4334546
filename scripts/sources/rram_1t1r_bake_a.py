"""Compute the summary statistics of the 1T1R bake set that the repository ships.

Reads $NVMPHYS_DATA/rram_1t1r_bake_a/bake.tsv.gz and writes data.csv and source.toml of
characterization_data/rram_1t1r_bake_a. The raw file itself is not shipped.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pandas as pd
from _source import SHIPPED, Source, Summary, main

import nvmphys as nv
from nvmphys.fit.bakes import by_temperature, celsius
from nvmphys.fit.cells import Cells, collect, split_over_set, summarise

N_LEVELS, G_MAX_S = 32, 240e-6


def compute(raw: Path) -> Summary:
    """Summarise each bake, and how the changes of one address hang together between bakes."""
    (measurement,) = nv.read(raw, SHIPPED / "rram_1t1r_bake_a" / "columns.toml")
    bakes: dict[float, Cells] = {}
    left_out = []
    for temperature, table in by_temperature(measurement.table):
        cells = collect([replace(measurement, table=table)], n_levels=N_LEVELS, g_max_S=G_MAX_S)
        bakes[temperature], over = split_over_set(cells)
        left_out.append(f"{len(over)} at {celsius(temperature)}")
    change = pd.DataFrame({kelvin: pd.Series(c.change_S[:, 0], c.device_id) for kelvin, c in bakes.items()})
    tables = [summarise_bake(kelvin, bakes[kelvin], change) for kelvin in bakes]
    overall = change.corr()
    alike = ", ".join(f"{overall[a][b]:.2f} ({celsius(a)}, {celsius(b)})" for a, b in combinations(bakes, 2))
    conditions = (
        "G_max 240 µS, 32 bins of 7.5 µS; bin = floor(read before the bake · 32 / G_max), so there is no programming "
        "target; time 0 is the read before the bake, the other time is that of the read after it, temperature_K that "
        "of the bake; what came between, such as the time at temperature, is not in the file; cells that read above "
        f"240 µS before the bake are left out ({', '.join(left_out)}); "
        "the same addresses were baked at each temperature, starting near the same values, and are not independent: "
        f"the correlation of an address's changes in two bakes, over all levels, is {alike}; rank_correlation_<T>K is "
        "Spearman's within the level between the changes in this row's bake and in the bake at T"
    )
    return Summary(pd.concat(tables, ignore_index=True), measurement.n_devices, conditions)


def summarise_bake(temperature_K: float, cells: Cells, change: pd.DataFrame) -> pd.DataFrame:
    """Summarise one bake by level; `change` holds the changes [S] by address and temperature of all bakes."""
    table = summarise(cells)
    table = table[table["quantity"] != "step"].reset_index(drop=True)  # with one read after, a step is the change
    table.insert(table.columns.get_loc("time_s") + 1, "temperature_K", temperature_K)
    ranks = change.loc[cells.device_id].groupby(cells.level).corr("spearman")[temperature_K].unstack()
    is_change = table["quantity"] == "change"
    for other in change.columns:
        correlation = table["level"].map(ranks[other]).where(is_change & (other != temperature_K))
        table[f"rank_correlation_{other:g}K"] = correlation
    return table


SOURCE = Source(
    id="rram_1t1r_bake_a",
    title="Bake of a 1T1R RRAM array at 100, 140 and 180 °C, 16,384 cells",
    citation="1T1R RRAM bake data set (bake.tsv.gz), Copyright (c) 2021 Akash Levy",
    locator="bake.tsv.gz; bins 0-31 of the read before the bake",
    copyright="Copyright (c) 2021 Akash Levy",
    files=("rram_1t1r_bake_a/bake.tsv.gz",),
    compute=compute,
)

if __name__ == "__main__":
    sys.exit(main(SOURCE))
