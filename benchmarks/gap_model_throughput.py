"""Claim: a million RRAM cells go through 100 constant pulses in one call, each cell with parameters of its own.

Gap model, g0 and Ea differing by 5 % and 1 % from cell to cell, 100 pulses of 1.55 V and 50 ns with 50 ns of rest,
states to 1e-6; one thread, after compilation. Beside it SciPy's `solve_ivp` (Radau, the same tolerance) on a
few cells and ten pulses, the voltage behind the series resistance found by `brentq` at every evaluation.
Prints device-pulses a second of both, their ratio, and the largest difference of a gap between them. `--quick`
takes 10,000 cells.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _claims import conclude
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from threadpoolctl import threadpool_limits

import nvmphys as nv
from nvmphys.simulate import transient
from nvmphys.simulate.devices import Devices, alike, drawn
from nvmphys.simulate.waveform import Piece, Waveform, joined, pulse

MODEL = nv.device("rram_gap")
SPREAD = {"g0": {"sigma": 0.05, "sigma_ref": "of_value"}, "Ea": {"sigma": 0.01, "sigma_ref": "of_value"}}
VOLTS, WIDTH_S, AMBIENT_K = 1.55, 50e-9, 300.0
PULSES, PEER_CELLS, PEER_PULSES, RTOL = 100, 12, 10, 1e-6
TARGET_RATIO, TARGET_ERROR = 100.0, 1e-5


def train(pulses: int) -> Waveform:
    return joined([*pulse(VOLTS, WIDTH_S), Piece(WIDTH_S, 0.0, 0.0)] * pulses, AMBIENT_K)


def peer(cells: Devices) -> np.ndarray:
    """Return the gaps [nm] after the pulses, a cell at a time, from the generated Python module."""
    gaps = []
    for k in range(cells.count):
        values = {name: float(value[k]) for name, value in cells.values.items()}
        slope = slope_of(values)
        gap = values["gmax"] / 1e-9
        for _ in range(PEER_PULSES):
            gap = solve_ivp(slope, (0.0, WIDTH_S), [gap], "Radau", rtol=RTOL, atol=1e-8).y[0, -1]
        gaps.append(gap)
    return np.array(gaps)


def slope_of(values: dict[str, float]) -> Callable[[float, np.ndarray], tuple[float, ...]]:
    """Return d(gap)/dt of a cell at the pulse's voltage, from the generated Python module."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cell.py")
        path.write_text(nv.generate(MODEL, "python", values), encoding="utf-8")
        spec = importlib.util.spec_from_file_location("cell", path)
        cell = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(cell)

    def slope(_, gap):
        def balance(inner):
            return inner + values["Rs"] * cell.current(inner, gap[0]) - VOLTS

        return cell.rate(brentq(balance, 0.0, VOLTS, xtol=1e-14), gap[0], AMBIENT_K)

    return slope


def main() -> int:
    cells = 10_000 if "--quick" in sys.argv else 1_000_000
    rng = np.random.default_rng(1)
    transient(MODEL, train(1), alike(MODEL))  # compiles
    few = drawn(MODEL, PEER_CELLS, rng, population=SPREAD)
    begin = time.perf_counter()
    expected = peer(few)
    peer_rate = PEER_CELLS * PEER_PULSES / (time.perf_counter() - begin)
    ours = transient(MODEL, train(PEER_PULSES), few, rtol=RTOL, keep_states=False).states[-1, :, 0, 0]
    error = float(np.abs(ours - expected).max())

    small = drawn(MODEL, 2_000, rng, population=SPREAD)
    rates = []
    for _ in range(5):
        begin = time.perf_counter()
        transient(MODEL, train(PULSES), small, rtol=RTOL, keep_states=False)
        rates.append(small.count * PULSES / (time.perf_counter() - begin))
    many = drawn(MODEL, cells, rng, population=SPREAD)
    begin = time.perf_counter()
    done = transient(MODEL, train(PULSES), many, rtol=RTOL, keep_states=False)
    seconds = time.perf_counter() - begin
    rate = cells * PULSES / seconds
    ratio = rate / peer_rate
    print(f"nvmphys    {rate:12,.0f} device-pulses/s ({cells:,} cells × {PULSES} pulses in {seconds:.0f} s)")
    print(f"           {statistics.median(rates):12,.0f} device-pulses/s (median of 5 runs of 2,000 cells)")
    print(f"solve_ivp  {peer_rate:12,.0f} device-pulses/s ({PEER_CELLS} cells × {PEER_PULSES} pulses)")
    print(f"ratio {ratio:,.0f}; largest difference of a gap {error:.1e} nm; gaps end at "
          f"{done.states[-1].mean():.3f} ± {done.states[-1].std():.3f} nm")  # fmt: skip
    figure = {
        "device_pulses_per_s": round(rate), "solve_ivp_device_pulses_per_s": round(peer_rate, 1),
        "ratio": round(ratio), "gap_error_nm": error, "cells": cells,
    }  # fmt: skip
    return conclude(
        "gap model: 1e6 cells × 100 pulses, device-pulses per second on one thread, against solve_ivp",
        figure,
        {"ratio": TARGET_RATIO, "gap_error_nm": TARGET_ERROR},
        ratio >= TARGET_RATIO and error <= TARGET_ERROR,
    )


if __name__ == "__main__":
    with threadpool_limits(1):
        sys.exit(main())
