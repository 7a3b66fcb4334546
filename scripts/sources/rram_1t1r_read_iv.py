"""Compute the summary statistics of the 1T1R read I-V curves that the repository ships.

Reads $NVMPHYS_DATA/rram_1t1r_switching/read_voltage_sweep.tsv.gz and writes data.csv and source.toml of
characterization_data/rram_1t1r_read_iv. The raw file itself is not shipped.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from _source import SHIPPED, Source, Summary, main
from numpy.typing import NDArray

import nvmphys as nv

Array = NDArray[np.float64]

EDGES_S = np.arange(10) * 15e-6
"""Bounds of the groups by the slope of a straight line [S]."""
PROBABILITIES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
UNITS = {"offset": "A", "conductance": "S", "nl3": "A/V3", "nl3_standard_error": "A/V3", "rms_residual": "A"}


def compute(raw: Path) -> Summary:
    """Fit each cell's curve; summarise the current without its offset and what was fitted, by groups of conductance."""
    (sweep,) = nv.read(raw, SHIPPED / "rram_1t1r_read_iv" / "columns.toml")
    curves = sweep.table.pivot(index="device_id", columns="voltage_V", values="current_A")
    voltage_V, current_A = curves.columns.to_numpy(dtype=float), curves.to_numpy(dtype=float)
    slope_S = np.polyfit(voltage_V, current_A.T, 1)[0]
    fitted = fit_cubic(voltage_V, current_A)
    net_A = current_A - fitted["offset"].to_numpy()[:, None]
    rows = []
    for low, high in [(EDGES_S[0], EDGES_S[-1]), *pairwise(EDGES_S)]:
        group = (slope_S >= low) & (slope_S < high)
        head = {"slope_low_S": low, "slope_high_S": high}
        for quantity, unit in UNITS.items():
            row = head | {"quantity": quantity, "voltage_V": np.nan, "unit": unit}
            rows.append(row | statistics(fitted[quantity].to_numpy()[group]))
        for voltage, values in zip(voltage_V, net_A[group].T, strict=True):
            rows.append(head | {"quantity": "current", "voltage_V": voltage, "unit": "A"} | statistics(values))
    return Summary(pd.DataFrame(rows), len(curves), conditions(fitted, current_A, net_A))


def fit_cubic(voltage_V: Array, current_A: Array) -> pd.DataFrame:
    """Fit I = I0 + G·V + NL3·V³ to each cell by least squares.

    Parameters
    ----------
    voltage_V : ndarray (voltage,)
    current_A : ndarray (cell, voltage)

    Returns
    -------
    pandas.DataFrame (cell,)
        offset [A], conductance [S], nl3 and nl3_standard_error [A/V³], rms_residual [A] (per degree of freedom).
    """
    design = np.stack([np.ones_like(voltage_V), voltage_V, voltage_V**3], axis=1)
    coefficients = np.linalg.lstsq(design, current_A.T)[0]
    residual = current_A.T - design @ coefficients
    rms = np.sqrt((residual**2).sum(axis=0) / (voltage_V.size - design.shape[1]))
    error = rms * np.sqrt(np.linalg.inv(design.T @ design)[2, 2])
    return pd.DataFrame(dict(zip(UNITS, (*coefficients, error, rms), strict=True)))


def statistics(values: Array) -> dict[str, float]:
    """Count, mean, σ and quantiles; a column called mean would make the file a summary of levels to the reader."""
    quantiles = zip((f"q_{p:g}" for p in PROBABILITIES), np.quantile(values, PROBABILITIES), strict=True)
    return {"count": values.size, "value_mean": values.mean(), "value_sigma": values.std(ddof=1)} | dict(quantiles)


def conditions(fitted: pd.DataFrame, current_A: Array, net_A: Array) -> str:
    """Say how the figures were made and what they do not tell."""
    middle = fitted.median()
    return (
        "one sweep a cell, 0 to .35 V in steps of .01 V, one polarity; each cell's current has an offset at 0 V, "
        "fitted together with the conductance: I = I0 + G·V + NL3·V³, unweighted; quantities: offset I0, conductance "
        "G, nl3 with its standard error, rms_residual, and current = I − I0 at each voltage; "
        f"I0 has a median of {middle['offset'] * 1e6:.2f} µA (the reads at 0 V: {np.median(current_A[:, 0]) * 1e6:.2f} "
        f"µA), single reads scatter by {middle['rms_residual'] * 1e6:.2f} µA, more than most of the non-linearity; "
        "groups by the slope of a straight line through the sweep, whose error is independent of that of NL3; the "
        "first group holds all cells; value_sigma of nl3 includes its standard error, a median of "
        f"{middle['nl3_standard_error'] * 1e6:.0f} µA/V³; a cubic leaves {net_A[:, 0].mean() * 1e6:.2f} µA at 0 V on "
        "average, and a power of 2 to 2.5 fits as well: with one polarity the data cannot tell an odd from an even "
        f"term; {(fitted['conductance'] < 0).sum()} cells have a negative fitted G: they hardly conduct, or step up "
        "during the sweep"
    )


SOURCE = Source(
    id="rram_1t1r_read_iv",
    title="Read I-V curves of a 1T1R RRAM array from 0 to 0.35 V, 1,024 cells",
    citation="1T1R RRAM switching data set (read_voltage_sweep.tsv.gz), Copyright (c) 2021 Akash Levy",
    locator="read_voltage_sweep.tsv.gz; groups of 15 µS",
    copyright="Copyright (c) 2021 Akash Levy",
    files=("rram_1t1r_switching/read_voltage_sweep.tsv.gz",),
    compute=compute,
)

if __name__ == "__main__":
    sys.exit(main(SOURCE))
