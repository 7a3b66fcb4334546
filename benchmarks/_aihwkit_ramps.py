"""Fit pulse ramps with aihwkit's own `fit_measurements` and predict others; run in an environment that has aihwkit.

Reads an .npz file with `train` and `test` (pulse + 1, ramp), in a unit that runs from -1 to 1, and `sign`; prints one
JSON object: the root mean square error of the free run on the test ramps by device model. aihwkit takes ramps of equal
length only, so all are cut to the shortest.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from aihwkit.simulator.configs.devices import ExpStepDevice, LinearStepDevice, PowStepDevice, SoftBoundsDevice
from aihwkit.utils.fitting import fit_measurements
from numpy.typing import NDArray

WIDE = {"w_max": 1.5, "w_min": -1.5}


def models(sign: float) -> dict[str, tuple[object, dict[str, object]]]:
    """Return device models with the parameters that are fitted: start, lowest, highest."""
    side = "up" if sign > 0 else "down"
    bound = {"w_max": (1.5, 1.05, 20.0)} if sign > 0 else {"w_min": (-1.5, -20.0, -1.05)}
    step = {"dw_min": (0.01, 1e-4, 0.1)}
    return {
        "SoftBoundsDevice": (SoftBoundsDevice(**WIDE), {**step, **bound}),
        "LinearStepDevice": (LinearStepDevice(**WIDE), {**step, f"gamma_{side}": (0.0, -2.0, 2.0)}),
        "ExpStepDevice": (
            ExpStepDevice(**WIDE),
            {**step, f"A_{side}": (0.1, -2.0, 2.0), f"gamma_{side}": (1.0, -8.0, 8.0)},
        ),
        "PowStepDevice": (PowStepDevice(**WIDE), {**step, **bound, "pow_gamma": (0.5, -3.0, 3.0)}),
    }


def free_run(device: object, reads: NDArray[np.float64], sign: float) -> NDArray[np.float64]:
    """Return the device model's own response to the ramps, from their first reads.

    `fit_measurements` alone gives it, and must have something to fit: the step, held to a millionth.
    """
    step = {"dw_min": (device.dw_min, device.dw_min * (1 - 1e-6), device.dw_min * (1 + 1e-6))}
    return np.asarray(fit_measurements(step, pulses(reads, sign), reads, device)[2])


def pulses(reads: NDArray[np.float64], sign: float) -> NDArray[np.float64]:
    return np.full(reads.shape, sign)


def main() -> int:
    given = np.load(sys.argv[1])
    sign = float(given["sign"])
    train, test = given["train"], given["test"]
    out = {}
    for name, (device, parameters) in models(sign).items():
        _, fitted, _ = fit_measurements(parameters, pulses(train, sign), train, device, max_nfev=600)
        out[name] = float(np.sqrt(np.mean((free_run(fitted, test, sign) - test)[1:] ** 2)))
    print(json.dumps(out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
