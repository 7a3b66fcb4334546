"""Claim: the generated gap model converges in ngspice over the bounds of its parameters, hot and cold, without help.

100 sets of Ea, gamma0, g0, Rth and Rs over their bounds (log-uniform where the scale is), of those sets that switch at
all; the others are drawn again and counted. Each set runs a triangular sweep of 8 ms and a pulse train of 2 µs, at 27
and 85 °C, with steps of T/1000. A run fails if ngspice stops, needs gmin or source stepping, stops short, or takes the
state out of its bounds. A set fails if one of its runs does. Needs ngspice.

Integrated by Gear's method: with the trapezoidal rule (xmu = 0.495) 2.5 % of the same runs fail, in slow sweeps that
end in a switch of picoseconds. Gear's method costs accuracy: 1.3e-3 against 6e-4 for a pulse in steps of T/1000.
"""

from __future__ import annotations

import sys

from _convergence import Trial

import nvmphys as nv

TRIAL = Trial(
    nv.device("rram_gap"),
    ("Ea", "gamma0", "g0", "Rth", "Rs"),
    {
        "sweep": ([0.0, 2e-3, 6e-3, 8e-3], [0.0, 2.0, -2.4, 0.0]),
        "pulses": (
            [k * 1e-8 for k in (0, 1, 2, 50, 51, 100, 101, 150, 151, 200)],
            [0.0, 0.0, 1.9, 1.9, 0.0, 0.0, -2.1, -2.1, 0.0, 0.0],
        ),
    },
    moved=0.05,
)

if __name__ == "__main__":
    sys.exit(
        TRIAL.claim(
            "gap model as ngspice subcircuit: sets over the bounds that do not converge (27 and 85 °C, two waveforms)",
            seed=20261124,
            count=100,
            allowed=0.01,
        )
    )
