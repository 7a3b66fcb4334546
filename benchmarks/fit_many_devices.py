"""Claim: a thousand devices of 200 points each are fitted one by one in tens of seconds on two cores.

Loops of the gap model at 1 kV/s, read noise of 2 %, g0, V0 and Ea differing from device to device; `fit_each` finds the
three with intervals, in two processes that are running before. Beside it SciPy's `curve_fit` on some of the same
devices: the same predictions (without slopes), the same coordinates and bounds, the start that `fit_each` takes,
tolerance 1e-8, and a numerical Jacobian of steps of 1e-4, large enough for an adaptive integrator. Both then in one
process and thread, in turns; prints medians per device, their ratio, and how far the values lie apart in standard
errors. With a number as argument, that many devices.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
from _claims import conclude
from scipy.optimize import curve_fit
from threadpoolctl import threadpool_limits

import nvmphys as nv
from nvmphys.devices import device
from nvmphys.fit.each import EachFit, Work, fitted
from nvmphys.fit.identify import coordinate, value_at
from nvmphys.fit.paths import observed_paths
from nvmphys.records import Measurement

NAME, FREE = "rram_gap", ("g0", "V0", "Ea")
LOOP = {"positive_V": 1.6, "negative_V": -2.0, "compliance_A": None, "points": 200}
SPREAD = {n: {"sigma": s, "sigma_ref": "of_value"} for n, s in (("g0", 0.05), ("V0", 0.05), ("Ea", 0.02))}
NOISE, TOLERANCE, STEP = 0.02, 1e-8, 1e-4
PEER_DEVICES, WORKERS, MOST_S = 20, 2, 60.0


def measured(count: int) -> Measurement:
    """Return the loops of devices that differ, with noise."""
    rng = np.random.default_rng(20261128)
    made = nv.simulate(NAME, "sweep", n_devices=count, population=SPREAD, settings=LOOP, rng=rng)
    noisy = made.table["current_A"] * np.exp(NOISE * rng.standard_normal(len(made.table)))
    return replace(made, table=made.table.assign(current_A=noisy))


def only(loops: Measurement, name: int) -> Measurement:
    """Return the loop of one device."""
    return replace(loops, table=loops.table[loops.table["device_id"] == name])


def ours(loops: Measurement, executor: ProcessPoolExecutor | None = None) -> EachFit:
    """Return the fit of every device."""
    return nv.fit_each([loops], NAME, free=FREE, starts=1, executor=executor)


def alone(loop: Measurement, begin: Mapping[str, float]) -> float:
    """Return the seconds that a worker takes for one device."""
    own = device(NAME).values()
    work = Work(
        NAME, ((loop,),), (0,), {**own, **begin}, own, FREE, (NOISE / np.log(10),), 0,
        {"read_V": 0.1, "rest_s": 0.0, "starts": 1, "profiles": False},
    )  # fmt: skip
    start = time.perf_counter()
    fitted(work)
    return time.perf_counter() - start


def peer(loop: Measurement, begin: Mapping[str, float]) -> tuple[dict[str, float], float]:
    """Return what `curve_fit` finds for one device, and the seconds it took."""
    model = device(NAME)
    parameters = [model.parameter(name) for name in FREE]
    start = time.perf_counter()
    (seen,) = observed_paths(loop, model)
    own = model.values()

    def curve(_: np.ndarray, *at: float) -> np.ndarray:
        return seen.predict(own | {p.name: value_at(p, x) for p, x in zip(parameters, at, strict=True)})

    found, _ = curve_fit(
        curve, np.arange(seen.measured.size), seen.measured, [coordinate(p, begin[p.name]) for p in parameters],
        bounds=(0.0, 1.0), method="trf", jac="2-point", diff_step=STEP, x_scale="jac", ftol=TOLERANCE, xtol=TOLERANCE,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    return {p.name: value_at(p, x) for p, x in zip(parameters, found, strict=True)}, seconds


def main(count: int) -> int:
    """Fit all in parallel, some beside the peer, and print the claim."""
    loops = measured(count)
    few = [only(loops, name) for name in loops.table["device_id"].unique()[: PEER_DEVICES + 1]]
    begin = ours(few[0]).table.iloc[0][list(FREE)].astype(float).to_dict()  # compiles, too
    with ProcessPoolExecutor(WORKERS) as pool:
        list(pool.map(abs, range(WORKERS)))
        start = time.perf_counter()
        everyone = ours(loops, pool)
        parallel_s = time.perf_counter() - start
    mine, theirs, apart = [], [], []
    with threadpool_limits(1):
        together = ours(replace(loops, table=loops.table[loops.table["device_id"] <= PEER_DEVICES + 1]))
        for k, loop in enumerate(few[1:], 1):
            found, seconds = peer(loop, begin)
            theirs.append(seconds)
            row = together.table.iloc[k]
            apart.append(max(abs(found[n] - row[n]) / row[f"{n}_se"] for n in FREE))
            mine.append(alone(loop, begin))
    ratio = statistics.median(theirs) / statistics.median(mine)
    figure = {
        "devices": count, "seconds": round(parallel_s, 1), "converged": len(everyone.good),
        "same_in_one_process": bool(everyone.table.iloc[: PEER_DEVICES + 1].equals(together.table)),
        "ms_a_device": round(1e3 * statistics.median(mine), 1),
        "curve_fit_ms": round(1e3 * statistics.median(theirs), 1), "ratio": round(ratio, 2),
        "apart_in_standard_errors": round(statistics.median(apart), 3),
    }  # fmt: skip
    return conclude(
        f"{count} devices of {LOOP['points']} points fitted one by one in {WORKERS} processes; beside curve_fit",
        figure, {"seconds": f"<= {MOST_S} a thousand", "ratio": "> 1", "converged": ">= 99 %"},
        parallel_s <= MOST_S * max(count / 1000, 0.1) and ratio > 1 and len(everyone.good) >= 0.99 * count
        and figure["same_in_one_process"],
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
