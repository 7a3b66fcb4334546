"""One pulse on each of 23,408 1T1R cells: conditions left out, predicted by the single-pulse law and by baselines.

SET: 400 ns from 20-200 ns, bit-line voltages of 2 V and of 1.5 V (the threshold) from the others, every second gate
voltage from the others. RESET: the file holds no switching, and the fit must say so. Medians of 26 cells are themselves
uncertain: the last row of each table is by how much they differ from those of the same cells drawn again.
"""

from __future__ import annotations

import sys
from typing import Any

import pandas as pd
from _claims import conclude
from _pulses import single_pulses

import nvmphys as nv
from nvmphys.errors import CheckFailed

BASELINES = ["nearest condition, below", "straight line", "spline", "Gaussian process"]


def refused(result: Any) -> bool:
    try:
        result.card("kinetics")
    except CheckFailed:
        return True
    return False


def main() -> int:
    pd.set_option("display.width", 200)
    result = nv.fit(single_pulses("set"), "single_pulse", seed=1, pulse_voltages_V=(1.5, 2.0))
    for what, table in result.left_out.items():
        print(f"SET, left out: {what} (|error| of the median of lg R [decade], coverage of single cells)")
        print(table.round(4).to_string(), end="\n\n")
    (found,) = result.identified.values()
    for name, value in found.values.items():
        low, high = found.intervals[name]
        print(f"{name:20s} {value:12.5g}   {low:.5g} … {high:.5g}")
    print("\n".join(result.said))
    longest, volts, threshold = (result.left_out[k] for k in ("pulse width 400 ns", "bit line 2 V", "bit line 1.5 V"))
    gates = result.left_out["every second gate voltage"]
    cells = next(table for what, table in result.left_out.items() if "cells" in what)
    law, best = longest.loc["law"], longest.loc[BASELINES].min()

    still = nv.fit(single_pulses("reset"), "single_pulse", seed=1)
    print("\nRESET: " + "\n".join(still.said))
    for what, table in still.left_out.items():
        print(f"RESET, left out: {what}")
        print(table.round(4).to_string(), end="\n\n")
    of_law = {
        "left_out_400_ns_mean": law["mean"],
        "left_out_400_ns_p95": law["p95"],
        "left_out_400_ns_over_best_baseline": law["mean"] / best["mean"],
        "left_out_2_V_median": volts.loc["law", "median"],
        "coverage_90_cells": cells.loc["law", "coverage_0.9"],
        "coverage_90_400_ns": law["coverage_0.9"],
    }
    limits = {
        "left_out_400_ns_mean": (0, 0.04),
        "left_out_400_ns_p95": (0, 0.15),
        "left_out_400_ns_over_best_baseline": (0, 1.1),
        "left_out_2_V_median": (0, 0.03),
        "coverage_90_cells": (0.85, 0.95),
        "coverage_90_400_ns": (0.85, 0.95),
    }
    figure = {name: round(float(value), 4) for name, value in of_law.items()}
    for name, table in (("1.5_V", threshold), ("odd_gates", gates)):
        figure[f"left_out_{name}_mean"] = round(float(table.loc["law", "mean"]), 4)
        figure[f"left_out_{name}_best_baseline_mean"] = round(
            float(table.loc[table.index.intersection([*BASELINES, "nearest condition, above"]), "mean"].min()), 4
        )
    figure["RESET_holds_no_switching"] = bool(still.withheld) and not still.identified and refused(still)
    met = all(low <= figure[name] <= high for name, (low, high) in limits.items())
    target = {name: f"{low} … {high}" for name, (low, high) in limits.items()} | {"RESET_holds_no_switching": True}
    met &= figure["RESET_holds_no_switching"]
    return conclude("single-pulse grids of 1T1R cells, conditions left out", figure, target, met)


if __name__ == "__main__":
    sys.exit(main())
