"""The bake law, fitted at 100 and 140 °C on some cells, predicting the bake at 180 °C of others: five-fold by address.

In the same table: 'as at 140 °C' (the fitted law without its step in temperature) and 'no change'.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from _claims import ROOT, conclude

import nvmphys as nv

MEAN_S, SIGMA, COVERAGE = 3.75e-6, 0.2, (0.85, 0.95)
JUDGED = ["4-11", "12-19", "20-27"]
"""Groups of bins whose σ is held to its bar; the others are reported."""


def main() -> int:
    if "NVMPHYS_DATA" not in os.environ:
        sys.exit("set NVMPHYS_DATA to the folder that holds rram_1t1r_bake_a/bake.tsv.gz")
    name = "rram_1t1r_bake_a"
    raw = Path(os.environ["NVMPHYS_DATA"]) / name / "bake.tsv.gz"
    measurements = nv.read(raw, ROOT / "characterization_data" / name / "columns.toml")
    result = nv.fit(measurements, "bake", seed=1, n_levels=32, g_max_S=240e-6, bootstrap=0)
    ((title, table),) = result.tables.items()
    print(f"{title}; bins of 7.5 µS")
    print(
        f"{'predictor':14s} {'bins':>6s} {'cells':>6s} {'mean':>7s} {'error':>7s} {'σ':>6s} {'error':>7s}  90 %   sign"
    )
    for row in table.to_dict("records"):
        print(
            f"{row['predictor']:14s} {row['levels']:>6s} {row['count']:6d} {1e6 * row['mean_S']:+7.2f} "
            f"{1e6 * row['mean_error_S']:+7.2f} {1e6 * row['sigma_S']:6.2f} {row['sigma_error']:+7.1%} "
            f"{row['coverage_0.9']:6.1%} {row['sign_right']:6.0%}"
        )
    print("left-out devices at every temperature, fit to all three: " + str(result.left_out.summary()))
    law = table[table["predictor"] == "Arrhenius"].set_index("levels")
    figure = {
        "mean_error_uS": round(1e6 * float(law["mean_error_S"].drop("all").abs().max()), 2),
        "sigma_error": {bins: round(float(law.loc[bins, "sigma_error"]), 3) for bins in law.index.drop("all")},
        "sign_right": float(law.loc["all", "sign_right"]),
        "coverage_0.9": round(float(law.loc["all", "coverage_0.9"]), 4),
    }
    met = (
        figure["mean_error_uS"] <= 1e6 * MEAN_S
        and bool((law.loc[JUDGED, "sigma_error"].abs() <= SIGMA).all())
        and figure["sign_right"] == 1
        and COVERAGE[0] <= figure["coverage_0.9"] <= COVERAGE[1]
    )
    target = {
        "mean_error_uS": f"<= {1e6 * MEAN_S:g} in every group",
        "sigma_error": f"within ±{SIGMA} for bins 4-27",
        "sign_right": "all levels with |mean| > 1.5 µS",
        "coverage_0.9": f"{COVERAGE[0]} … {COVERAGE[1]}",
    }
    return conclude("bake law: the hottest bake predicted from two colder ones", figure, target, met)


if __name__ == "__main__":
    sys.exit(main())
