"""Claim: the generated gap model converges in ngspice over the bounds of its parameters, hot and cold, without help.

100 sets of Ea, gamma0, g0, Rth and Rs over their bounds (log-uniform where the scale is), of those sets that switch at
all; the others are drawn again and counted. Each set runs a triangular sweep of 8 ms and a pulse train of 2 µs, at 27
and 85 °C, with steps of T/1000. A run fails if ngspice stops, needs gmin or source stepping, stops short, or takes the
state out of its bounds. A set fails if one of its runs does. Needs ngspice.

Integrated by Gear's method: with the trapezoidal rule (xmu = 0.495) 2.5 % of the same runs fail, in slow sweeps that
end in a switch of picoseconds. Gear's method costs accuracy: 1.3e-3 against 6e-4 for a pulse in steps of T/1000.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from _claims import conclude

import nvmphys as nv
from nvmphys.crossbar.ngspice import find_ngspice, run
from nvmphys.errors import CheckFailed
from nvmphys.simulate import transient
from nvmphys.simulate.devices import alike
from nvmphys.simulate.waveform import through

MODEL = nv.device("rram_gap")
VARIED = ("Ea", "gamma0", "g0", "Rth", "Rs")
WAVEFORMS = {
    "sweep": ([0.0, 2e-3, 6e-3, 8e-3], [0.0, 2.0, -2.4, 0.0]),
    "pulses": (
        [k * 1e-8 for k in (0, 1, 2, 50, 51, 100, 101, 150, 151, 200)],
        [0.0, 0.0, 1.9, 1.9, 0.0, 0.0, -2.1, -2.1, 0.0, 0.0],
    ),
}
CELSIUS = (27.0, 85.0)
OPTIONS = "reltol=1e-5 abstol=1e-15 chgtol=1e-22 trtol=1 method=gear"
STEPS, SETS, ALLOWED, SLACK = 1000, 100, 0.01, 1e-3
HELP = re.compile(r"gmin stepping|source stepping|timestep too small|singular|convergence", re.IGNORECASE)


def sets(seed: int) -> Iterator[dict[str, float]]:
    """Yield parameter sets without end."""
    rng = np.random.default_rng(seed)
    while True:
        given = {}
        for name in VARIED:
            parameter = MODEL.parameter(name)
            low, high = parameter.bounds
            share = rng.random()
            given[name] = float(low * (high / low) ** share if parameter.scale == "log" else low + (high - low) * share)
        yield given


def moves(given: dict[str, float]) -> bool:
    """Whether the gap moves under one of the waveforms, by the integrator."""
    for times, volts in WAVEFORMS.values():
        fine = np.unique(np.concatenate([np.linspace(a, b, 40) for a, b in pairwise(times)]))
        done = transient(MODEL, through(fine, np.interp(fine, times, volts), 300.15), alike(MODEL, given))
        if np.ptp(done.states) > 0.05:
            return True
    return False


def fault(given: dict[str, float], waveform: str, celsius: float, options: str = OPTIONS) -> str | None:
    """Return what went wrong in one run, or None."""
    times, volts = WAVEFORMS[waveform]
    step = times[-1] / STEPS
    deck = (
        f"gap model\n{nv.generate(MODEL, 'ngspice', given)}"
        f"V1 a 0 PWL({' '.join(f'{t!r} {v!r}' for t, v in zip(times, volts, strict=True))})\nX1 a 0 rram_gap\n"
        f".options {options} temp={celsius!r}\n.tran {step!r} {times[-1]!r} 0 {step!r} uic\n"
        ".save v(a) i(v1) v(x1.x_g)\n.end\n"
    )
    try:
        done = run(deck, timeout_s=60.0)
    except CheckFailed as error:
        return " | ".join(str(error).splitlines()[:2])
    time_s, gap = done.plot["time"], done.plot["v(x1.x_g)"]
    low, high = MODEL.system(MODEL.values(given)).bounds()[0]
    if complaint := HELP.search(done.log):
        return f"log: {complaint[0]}"
    if time_s.size < STEPS or abs(time_s[-1] - times[-1]) > 1e-9 * times[-1]:
        return f"stopped at {time_s[-1]:g} s"
    if gap.min() < low - SLACK or gap.max() > high + SLACK:
        return f"gap {low - gap.min():.1e} nm below, {gap.max() - high:.1e} nm above its bounds"
    return None


def main(options: str = OPTIONS, seed: int = 20261124, count: int = SETS) -> int:
    begin, resting, failed, runs, found = time.perf_counter(), 0, [], 0, 0
    for given in sets(seed):
        if not moves(given):
            resting += 1
            continue
        found += 1
        for waveform in WAVEFORMS:
            for celsius in CELSIUS:
                runs += 1
                if (said := fault(given, waveform, celsius, options)) is not None:
                    failed.append(found)
                    shown = ", ".join(f"{name} {value:.4g}" for name, value in given.items())
                    print(f"set {found}, {waveform}, {celsius:g} °C: {said} ({shown})", flush=True)
        if found == count:
            break
    share = len(set(failed)) / count
    print(f"{count} sets that switch ({resting} drawn that do not): {len(set(failed))} sets, {len(failed)} of {runs} "
          f"runs failed; {time.perf_counter() - begin:.0f} s with ngspice {find_ngspice().version}")  # fmt: skip
    figure = {"sets_failed": share, "runs_failed": len(failed) / runs, "runs": runs, "resting_sets_left_out": resting}
    return conclude(
        "gap model as ngspice subcircuit: sets over the bounds that do not converge (27 and 85 °C, two waveforms)",
        figure, {"sets_failed": ALLOWED}, share <= ALLOWED,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
