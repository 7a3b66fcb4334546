"""Claim: the electro-thermal phase-change cell converges in ngspice over the bounds of its parameters, hot and cold.

100 sets of thickness, thermal resistance and capacitance, velocity of the front and its activation energy, resistance,
threshold field and activation energy of conduction, all over their bounds (log-uniform where the scale is), of those
sets that switch at all; the others are drawn again and counted. Each set runs a triangular sweep of 5 µs through the
threshold and the melting of the default cell in both directions, and a train of 1.2 µs: RESET with steep edges, SET
below the melting voltage, and SET by a falling edge. 27 and 85 °C, steps of T/1000. `_convergence.py` says what fails.
Needs ngspice.

What fails is Newton's method in the layer's voltage, an arcsinh of the current: once an iteration has strayed by more
than about sevenfold in current, as in a thermal runaway within one step, it alternates between two currents.
"""

from __future__ import annotations

import sys

import numpy as np
from _convergence import Trial

import nvmphys as nv

LENGTHS_S = np.array([20, 5, 95, 5, 100, 5, 195, 5, 100, 5, 50, 300, 100, 215]) * 1e-9
VOLTS = [0.0, 0.0, 2.4, 2.4, 0.0, 0.0, 1.75, 1.75, 0.0, 0.0, 2.4, 2.4, 0.0, 0.0, 0.0]
TRIAL = Trial(
    nv.device("pcm_thermal"),
    ("thick", "Rth", "Cth", "vg", "Eg", "Rset", "Fth", "Ec"),
    {
        "sweep": ([0.0, 1.25e-6, 3.75e-6, 5e-6], [0.0, 2.4, -2.4, 0.0]),
        "pulses": ([0.0, *(float(end) for end in np.cumsum(LENGTHS_S))], VOLTS),
    },
    moved=0.05,
)

if __name__ == "__main__":
    sys.exit(
        TRIAL.claim(
            "electro-thermal phase-change cell as ngspice subcircuit: sets over the bounds that do not converge "
            "(27 and 85 °C, two waveforms)",
            seed=20261124,
            count=100,
            allowed=0.02,
        )
    )
