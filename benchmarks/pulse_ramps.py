"""Ramps of identical pulses on one device: laws of the step and a state model on ramps they have not seen.

39 SET and 40 RESET ramps alternate, each beginning where the other ended, with a strong trend along them. Judged odd →
even and first half → second half, one step ahead and running free from a ramp's first read, beside each law alone
(NeuroSim's curve and soft bounds among them), statistics by the number of the pulse, and, where NVMPHYS_AIHWKIT_PYTHON
names a Python that has it, aihwkit's `fit_measurements`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from _claims import conclude
from _pulses import pulse_ramps

import nvmphys as nv
from nvmphys.fit.pulse_ramps import autocorrelation, read_ramps
from nvmphys.population.pulse_steps import Ramps

SPLITS = ("odd → even", "first half → second half")


def by_aihwkit(ramps: Ramps, seen: np.ndarray, sign: float) -> tuple[dict[str, float], str]:
    """Return aihwkit's root mean square errors running free [S]; none where it does not run, and why."""
    python = os.environ.get("NVMPHYS_AIHWKIT_PYTHON")
    if not python:
        return {}, "not installed: NVMPHYS_AIHWKIT_PYTHON is not set"
    lengths = np.isfinite(ramps.reads_S).sum(axis=0)
    scaled = 2 * (ramps.reads_S[: lengths.min()] - ramps.low_S) / (ramps.high_S - ramps.low_S) - 1
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "ramps.npz"
        np.savez(path, train=scaled[:, seen], test=scaled[:, ~seen], sign=sign)
        script = Path(__file__).with_name("_aihwkit_ramps.py")
        done = subprocess.run([python, str(script), str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        return {}, f"fit_measurements failed: {done.stderr.strip().splitlines()[-1]}"
    found = json.loads(done.stdout.splitlines()[-1])
    return {f"aihwkit {name}": error * (ramps.high_S - ramps.low_S) / 2 for name, error in found.items()}, "ran"


def main() -> int:
    pd.set_option("display.width", 200)
    measurements = pulse_ramps()
    parts, _ = read_ramps(measurements)
    result = nv.fit(measurements, "pulse_ramps", seed=1)
    figure: dict[str, float | str] = {}
    met = True
    for part, ramps in parts.items():
        law = result.options["laws"][part]
        for what in SPLITS:
            table = result.left_out[f"{part}, {what}"].copy()
            seen = ramps.number % 2 == 1 if what == SPLITS[0] else ramps.number <= ramps.number.size // 2
            theirs, figure["aihwkit"] = by_aihwkit(ramps, seen, 1.0 if part == "SET" else -1.0)
            for name, error in theirs.items():
                table.loc[name, "free_rmse_S"] = error
            shown = table.rename(columns=lambda name: name.replace("_S", "_uS")).copy()
            shown[["one_step_rmse_uS", "free_rmse_uS"]] *= 1e6
            print(f"{part}, {what} (chosen law: {law})")
            print(shown.round(4).to_string(), end="\n\n")
            short = what.split(" ")[0]
            row = table.loc[law]
            figure[f"{part}_{short}_one_step_coverage"] = round(float(row["one_step_coverage_0.9"]), 4)
            figure[f"{part}_{short}_free_coverage"] = round(float(row["free_coverage_0.9"]), 4)
            figure[f"{part}_{short}_free_rmse_uS"] = round(float(row["free_rmse_S"]) * 1e6, 3)
            figure[f"{part}_{short}_autocorrelation"] = round(float(row["largest_autocorrelation"]), 4)
            others = table.index.str.startswith("aihwkit")
            if others.any():
                best = float(table.loc[others, "free_rmse_S"].min()) * 1e6
                figure[f"{part}_{short}_free_rmse_best_aihwkit_uS"] = round(best, 3)
            met &= 0.87 <= row["one_step_coverage_0.9"] <= 0.93
            met &= what == SPLITS[1] or 0.85 <= row["free_coverage_0.9"] <= 0.95
        own = result.compared[result.compared["part"] == part]
        e = own.pivot(index="pulse", columns="ramp", values="innovation_S").to_numpy()
        figure[f"{part}_innovations_autocorrelation"] = round(float(np.abs(autocorrelation(e)).max()), 4)
    print("\n".join(result.said))
    target = {
        "one_step_coverage": "0.87 … 0.93 in both splits",
        "free_coverage": "0.85 … 0.95 odd → even",
        "innovations_autocorrelation": "aim: <= 0.05",
    }
    return conclude("ramps of pulses on one device, ramps left out", figure, target, bool(met))


if __name__ == "__main__":
    sys.exit(main())
