"""Claim: the generated JART model converges in ngspice over the bounds of its parameters, hot and cold, without help.

100 sets of Nmax, Nmin, ldisc, radius, Rth0, dWA, Cth and RTiOx over their bounds (log-uniform where the scale is), of
those sets that switch at all; the others are drawn again and counted. Each set runs a triangular sweep of 6 s and a
pulse train of 24 µs, at 27 and 85 °C, with steps of T/1000. A run fails if ngspice stops, needs gmin or source
stepping, stops short, or takes a state out of its bounds. A set fails if one of its runs does. Needs ngspice.
"""

from __future__ import annotations

import sys

from _convergence import Trial

import nvmphys as nv

TRIAL = Trial(
    nv.device("rram_jart"),
    ("Nmax", "Nmin", "ldisc", "radius", "Rth0", "dWA", "Cth", "RTiOx"),
    {
        "sweep": ([0.0, 1.5, 4.5, 6.0], [0.0, -1.5, 1.5, 0.0]),
        "pulses": (
            [k * 1e-7 for k in (0, 1, 2, 60, 61, 120, 121, 179, 180, 240)],
            [0.0, 0.0, -1.2, -1.2, 0.0, 0.0, 1.6, 1.6, 0.0, 0.0],
        ),
    },
    moved=0.2,
    timeout_s=300.0,
)

if __name__ == "__main__":
    sys.exit(
        TRIAL.claim(
            "JART model as ngspice subcircuit: sets over the bounds that do not converge (27 and 85 °C, two waveforms)",
            seed=20261124,
            count=100,
            allowed=0.02,
        )
    )
