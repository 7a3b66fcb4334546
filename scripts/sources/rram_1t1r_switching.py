"""Compute the summary statistics of the 1T1R single-pulse grids that the repository ships.

Reads set_sweep.tsv.gz and reset_sweep.tsv.gz in $NVMPHYS_DATA/rram_1t1r_switching and writes data.csv and source.toml
of characterization_data/rram_1t1r_switching. The raw files themselves are not shipped.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from _source import Source, Summary, main

PULSE = ["pulse_width_s", "gate_voltage_V", "pulse_voltage_V"]
READS = {"before": "before_ohm", "after": "after_ohm"}
PROBABILITIES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def compute(set_sweep: Path, reset_sweep: Path) -> Summary:
    """Summarise the resistance before and after the pulse for each condition of both grids."""
    grids = {"SET": read_grid(set_sweep), "RESET": read_grid(reset_sweep)}
    table = pd.concat([summarise_grid(name, grid) for name, grid in grids.items()], ignore_index=True)
    n_devices = len(set().union(*(grid["device_id"] for grid in grids.values())))
    before, after = (grids["RESET"][column] for column in READS.values())
    conditions = (
        "one pulse per cell and operation, on a grid of 5 widths × 30 gate voltages × 6 pulse voltages (bit line for "
        f"SET, source line for RESET), {table['count'].min()} or {table['count'].max()} cells at each point, other "
        "cells at each: a change within one point is seen, a series of pulses on one cell is not; quantiles of the "
        "resistance before and after the pulse, of the same cells; SET: the gate voltage limits the current and sets "
        "the state reached, a pulse voltage of 1.5 V is the threshold, the width matters little above it; RESET: no "
        f"switching in the file (median {before.median() / 1e3:.2f} kΩ before, {after.median() / 1e3:.2f} kΩ after; "
        f"{(after > 2 * before).sum()} of {len(before)} cells more than double), so nothing about a RESET can be "
        "learned from it; temperature and read voltage are not in the files"
    )
    return Summary(table, n_devices, conditions)


def read_grid(raw: Path) -> pd.DataFrame:
    """Read one grid; voltages are rounded to the step they were set in."""
    grid = pd.read_csv(raw, sep="\t", header=None, names=["device_id", *PULSE, *READS.values()])
    return grid.round({"gate_voltage_V": 3, "pulse_voltage_V": 3})


def summarise_grid(operation: str, grid: pd.DataFrame) -> pd.DataFrame:
    """Return count and quantiles [ohm] for each condition of a grid, a row before and a row after the pulse."""
    points = grid.groupby(PULSE)
    parts = []
    for read, column in READS.items():
        quantiles = points[column].quantile(list(PROBABILITIES)).unstack().add_prefix("q_").add_suffix("_ohm")
        quantiles.insert(0, "count", points.size())
        quantiles.insert(0, "read", read)
        parts.append(quantiles.reset_index())
    table = pd.concat(parts).sort_values(PULSE, kind="stable", ignore_index=True)
    table.insert(0, "operation", operation)
    return table


SOURCE = Source(
    id="rram_1t1r_switching",
    title="Single SET and RESET pulses on a 1T1R RRAM array, 23,408 cells",
    citation="1T1R RRAM switching data set (set_sweep.tsv.gz, reset_sweep.tsv.gz), Copyright (c) 2021 Akash Levy",
    locator="set_sweep.tsv.gz, reset_sweep.tsv.gz; each point of the grid",
    copyright="Copyright (c) 2021 Akash Levy",
    files=("rram_1t1r_switching/set_sweep.tsv.gz", "rram_1t1r_switching/reset_sweep.tsv.gz"),
    compute=compute,
    digits=4,
)

if __name__ == "__main__":
    sys.exit(main(SOURCE))
