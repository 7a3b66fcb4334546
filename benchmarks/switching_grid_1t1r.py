"""One SET pulse on 1T1R cells: the gap model behind its transistor beside the single-pulse law and baselines.

How the gap model is fitted is chosen on 200 ns, foretold from 20-100 ns. Only then 400 ns are foretold from 20-200 ns,
once; and in the same way of fitting a bit-line voltage of 1.5 V (the threshold) from the others, and every second gate
voltage from the others. The gap model in series with the EKV transistor knows one cell, no spread: it is fitted to the
medians of lg R. The law is fitted to the cells.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
from _claims import conclude
from _pulses import single_pulses
from numpy.typing import NDArray

from nvmphys.devices import device
from nvmphys.fit.identify import Identified, identify
from nvmphys.fit.law_fit import error_figures
from nvmphys.fit.observed import problem_of
from nvmphys.fit.paths import observed_paths
from nvmphys.fit.switching import AXES, Grid, identify_grid, judge_conditions, read_grid
from nvmphys.records import Measurement, Source

MODEL = device("rram_gap_1t1r")
FREE = ("I0", "gmax", "Fmin", "Rs", "V0", "vth_t", "beta_t")
BEGIN = {
    "vgap": 1e3, "gamma0": 28.0, "I0": 5e-2, "gmax": 2.2e-9, "beta": 1.5, "V0": 0.57, "Fmin": 1.1e9, "Rs": 3400.0,
    "vth_t": 0.1, "beta_t": 3e-4, "slope_t": 1.1, "gate_V": 3.0,
}  # fmt: skip
"""Where the fit starts, found by hand; gamma0, beta, vgap and slope_t stay there, since the data do not fix them all.
The voltage at the gate while reading is not in the file: 3 V is assumed."""
WAYS = {"every fourth gate": (4, "linear"), "all gates": (1, "linear"), "all gates, robust": (1, "soft_l1")}
"""Ways of fitting: of how many gate voltages one is fitted to, and the loss."""
NOISE = 0.02
"""Decades from which a median counts as an outlier, under the robust loss."""
CHOSEN_ON_S, LONGEST_S, THRESHOLD_V = 2e-7, 4e-7, 1.5
BASELINES = ["nearest condition, below", "nearest condition, above", "straight line", "spline", "Gaussian process"]


def medians(grid: Grid) -> Measurement:
    """Return the median of each condition as one pulse on a fresh cell."""
    table = pd.DataFrame(grid.axes, columns=list(AXES)).assign(conductance_S=10**-grid.median)
    return Measurement("pulse", table, Source("set_sweep", "medians by condition", "rram_1t1r_switching"), ())


def fitted(grid: Grid, way: str) -> Identified:
    """Fit the gap model to the medians of a grid."""
    every, loss = WAYS[way]
    seen = medians(grid[np.isin(grid.axes[:, 2], np.unique(grid.axes[:, 2])[::every])])
    (observed,) = observed_paths(seen, MODEL)
    own = MODEL.values(BEGIN)
    free = tuple(replace(MODEL.parameter(name), value=own[name]) for name in FREE)
    problem = problem_of([replace(observed, noise=NOISE)], free, own)
    return identify(problem, rng=np.random.default_rng(1), starts=1, loss=loss, profiles=False)


def foretold(grid: Grid, out: NDArray[np.bool_], way: str) -> tuple[Identified, pd.DataFrame]:
    """Return the fit without some conditions, and its errors there."""
    found = fitted(grid[~out], way)
    (unseen,) = observed_paths(medians(grid[out]), MODEL)
    off = unseen.predict(MODEL.values({**BEGIN, **found.values})) - unseen.measured
    return found, unseen.table.assign(off=off)


def main() -> int:
    grid, _ = read_grid(single_pulses("set"))
    rng = np.random.default_rng(1)
    width, volts, gate = grid.axes.T
    early = grid[width < 0.99 * LONGEST_S]
    chosen_on = np.isclose(early.axes[:, 0], CHOSEN_ON_S)
    tried = {way: error_figures(foretold(early, chosen_on, way)[1]["off"]) for way in WAYS}
    print("chosen on 200 ns, foretold from 20-100 ns (|error| of the median of lg R [decade])")
    print(pd.DataFrame(tried).T.round(4).to_string(), end="\n\n", flush=True)
    way = min(tried, key=lambda name: tried[name]["mean"])

    left_out = {
        "400_ns": (np.isclose(width, LONGEST_S), 0),
        "1.5_V": (np.isclose(volts, THRESHOLD_V), 1),
        "odd_gates": (np.isin(gate, np.unique(gate)[1::2]), 2),
    }
    figure: dict[str, object] = {"way": way}
    for name, (out, axis) in left_out.items():
        near = identify_grid(grid[~out], rng, starts=2)
        table = judge_conditions(grid, out, axis, near, rng)
        found, rows = foretold(grid, out, way)
        table.loc[MODEL.name] = error_figures(rows["off"])
        print(f"left out: {name}")
        print(table.round(4).to_string())
        by_volts = rows.groupby("pulse_voltage_V")["off"].mean()
        print("mean error by bit-line voltage:", {f"{v:g} V": round(float(e), 3) for v, e in by_volts.items()})
        print({n: float(f"{value:.4g}") for n, value in found.values.items()}, found.convergence.message, "\n")
        best = table.loc[table.index.intersection(BASELINES), "mean"]
        figure |= {
            f"{name}_gap_mean": round(float(table.loc[MODEL.name, "mean"]), 4),
            f"{name}_gap_p95": round(float(table.loc[MODEL.name, "p95"]), 4),
            f"{name}_law_mean": round(float(table.loc["law", "mean"]), 4),
            f"{name}_best_baseline_mean": round(float(best.min()), 4),
            f"{name}_best_baseline": str(best.idxmin()),
            f"{name}_at_bounds": list(found.convergence.bound_hits),
        }
    target = {"400_ns_gap_mean": 0.04, "400_ns_gap_p95": 0.15, "over_best_baseline": 1.1}
    met = (
        figure["400_ns_gap_mean"] <= min(0.04, 1.1 * figure["400_ns_best_baseline_mean"])
        and figure["400_ns_gap_p95"] <= 0.15
    )
    return conclude("400 ns SET pulses by the gap model behind its transistor, chosen on 200 ns", figure, target, met)


if __name__ == "__main__":
    sys.exit(main())
