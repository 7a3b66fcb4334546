"""Claim: from FeFET to FeFET the memory window spreads as 1/√area, by the number of domains alone.

4000 devices at each of four areas over a decade (20 to 200 domains of 20 nm), traps off, one pulse of ±3 V and one of
±3.5 V for 1 µs each on fresh devices: windows at 100 nA that are partly switched. σ(MW)·√area must not leave its mean
over the areas by more than 5 %; its standard error is 1.1 %.
"""

from __future__ import annotations

import sys

import numpy as np
from _claims import conclude

import nvmphys as nv

AREAS_M2 = 8e-15 * np.array([1.0, 2.0, 5.0, 10.0])
ASKED = {"amplitude_V": (3.0, 3.5), "width_s": 1e-6, "points": 81}


def spreads(count: int) -> dict[float, list[float]]:
    """Return σ·√area [V·m] of the windows at each area, by amplitude."""
    found: dict[float, list[float]] = {}
    for k, area in enumerate(AREAS_M2):
        simulated = nv.simulate(
            "fefet", "id_vg", n_devices=count, rng=20261124 + k, values={"area": float(area), "ntrap": 0.0},
            settings=ASKED,
        )  # fmt: skip
        windows = nv.memory_windows(simulated.table)
        for amplitude, rows in windows.groupby("pulse_voltage_V"):
            print(f"{area:.1e} m², {amplitude:g} V: {rows['window_V'].mean():.3f} ± {rows['window_V'].std():.4f} V")
            found.setdefault(float(amplitude), []).append(float(rows["window_V"].std() * np.sqrt(area)))
    return found


if __name__ == "__main__":
    apart = max(
        float(np.max(np.abs(np.array(one) / np.mean(one) - 1)))
        for one in spreads(int(sys.argv[1]) if len(sys.argv) > 1 else 4000).values()
    )
    claim = "σ of the memory window times √area of a FeFET over a decade of area: largest departure from its mean"
    sys.exit(conclude(claim, round(apart, 4), "<= 0.05", apart <= 0.05))
