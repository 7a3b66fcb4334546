"""Claim: the nodal solver and ngspice agree to 1e-11 on linear operating points, whatever the shape of the crossbar.

Cells uniform in 1-100 µS, inputs uniform in 0-0.3 V, 1 Ω segments, 50 Ω drivers, 20 Ω sense resistances; several seeds.
Prints a row per shape, then one JSON object. Needs ngspice.
"""

from __future__ import annotations

import json
import platform
import statistics
import time

import numpy as np
import scipy
from threadpoolctl import threadpool_limits

import nvmphys
from nvmphys.crossbar import Crossbar, Validation, find_ngspice, validate
from nvmphys.crossbar.validation import TOLERANCE

SHAPES = ((1, 1), (1, 64), (64, 1), (5, 4), (17, 40), (32, 32), (64, 64))
SEEDS = range(3)


def validation(shape: tuple[int, int], seed: int) -> Validation:
    rng = np.random.default_rng(seed)
    crossbar = Crossbar(
        rng.uniform(1e-6, 1e-4, shape), r_word_line_ohm=1, r_bit_line_ohm=1, r_driver_ohm=50, r_sense_ohm=20
    )
    return validate(crossbar, rng.uniform(0, 0.3, shape[0]), tolerance=TOLERANCE)


def main() -> None:
    start = time.perf_counter()
    ngspice = find_ngspice()
    worst = 0.0
    validation(SHAPES[0], 0)  # the first solve loads libraries: not timed
    print(f"{'shape':>8}  {'current error':>13}  {'voltage error':>13}  {'nodal s':>9}  {'ngspice s':>9}  {'ratio':>7}")
    for shape in SHAPES:
        runs = [validation(shape, seed) for seed in SEEDS]
        current_error, voltage_error = max(r.current_error for r in runs), max(r.voltage_error for r in runs)
        worst = max(worst, current_error, voltage_error)
        nodal_s = statistics.median(r.nodal_seconds for r in runs)
        ngspice_s = statistics.median(r.spice.seconds for r in runs if r.spice)
        name = f"{shape[0]}×{shape[1]}"
        print(
            f"{name:>8}  {current_error:13.1e}  {voltage_error:13.1e}  {nodal_s:9.2g}  {ngspice_s:9.2g}  "
            f"{ngspice_s / nodal_s:7.1f}",
            flush=True,
        )
    print(
        json.dumps(
            {
                "claim": "linear operating point: currents and node voltages of the nodal solver and ngspice agree",
                "figure": worst,
                "target": TOLERANCE,
                "met": worst <= TOLERANCE,
                "versions": {
                    "nvmphys": nvmphys.__version__,
                    "ngspice": ngspice.version + (" with KLU" if ngspice.has_klu else ""),
                    "numpy": np.__version__,
                    "scipy": scipy.__version__,
                    "python": platform.python_version(),
                },
                "seconds": round(time.perf_counter() - start, 2),
            }
        )
    )


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
