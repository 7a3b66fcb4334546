"""What the convergence claims share: sets over the bounds of parameters, run in ngspice, hot and cold, without help.

A run fails if ngspice stops, needs gmin or source stepping, stops short, or takes a state out of its bounds. A set
fails if one of its runs does. Sets that do not switch under any of the waveforms are drawn again and counted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from _claims import conclude

import nvmphys as nv
from nvmphys.crossbar.ngspice import find_ngspice, run
from nvmphys.devices.model import DeviceModel
from nvmphys.errors import CheckFailed
from nvmphys.simulate import transient
from nvmphys.simulate.devices import alike
from nvmphys.simulate.waveform import through

CELSIUS = (27.0, 85.0)
AMBIENT_K = 300.15
OPTIONS = "reltol=1e-5 abstol=1e-15 chgtol=1e-22 trtol=1 method=gear"
STEPS, SLACK = 1000, 1e-3
HELP = re.compile(r"gmin stepping|source stepping|timestep too small|singular|convergence", re.IGNORECASE)


@dataclass(frozen=True)
class Trial:
    """What is varied, and what each set is put through.

    Attributes
    ----------
    model : DeviceModel
    varied : tuple of str
        Parameters drawn over their bounds, log-uniform where the scale is.
    waveforms : mapping
        Corners by name: times [s] and voltages [V].
    moved : float
        Change of the first state that counts as switching, in units of its scale.
    options : str
        Of ngspice.
    timeout_s : float
        Of one run.
    """

    model: DeviceModel
    varied: tuple[str, ...]
    waveforms: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    moved: float
    options: str = OPTIONS
    timeout_s: float = 60.0

    def sets(self, seed: int) -> Iterator[dict[str, float]]:
        """Yield parameter sets without end."""
        rng = np.random.default_rng(seed)
        while True:
            given = {}
            for name in self.varied:
                parameter = self.model.parameter(name)
                low, high = parameter.bounds
                share = rng.random()
                log = parameter.scale == "log"
                given[name] = float(low * (high / low) ** share if log else low + (high - low) * share)
            yield given

    def moves(self, given: Mapping[str, float]) -> bool:
        """Whether the first state moves under one of the waveforms, by the integrator."""
        for times, volts in self.waveforms.values():
            fine = np.unique(np.concatenate([np.linspace(a, b, 40) for a, b in pairwise(times)]))
            wave = through(fine, np.interp(fine, times, volts), AMBIENT_K)
            if np.ptp(transient(self.model, wave, alike(self.model, given)).states[..., 0]) > self.moved:
                return True
        return False

    def fault(self, given: Mapping[str, float], subcircuit: str, waveform: str, celsius: float) -> str | None:
        """Return what went wrong in one run, or None."""
        times, volts = self.waveforms[waveform]
        step, name = times[-1] / STEPS, self.model.name
        system = self.model.system(self.model.values(given))
        nodes = [f"v(x1.x_{state.name.lower()})" for state in system.states]
        deck = (
            f"{name}\n{subcircuit}"
            f"V1 a 0 PWL({' '.join(f'{t!r} {v!r}' for t, v in zip(times, volts, strict=True))})\nX1 a 0 {name}\n"
            f".options {self.options} temp={celsius!r}\n.tran {step!r} {times[-1]!r} 0 {step!r} uic\n"
            f".save v(a) i(v1) {' '.join(nodes)}\n.end\n"
        )
        try:
            done = run(deck, timeout_s=self.timeout_s)
        except CheckFailed as error:
            return " | ".join(str(error).splitlines()[:2])
        time_s = done.plot["time"]
        if complaint := HELP.search(done.log):
            return f"log: {complaint[0]}"
        if time_s.size < STEPS or abs(time_s[-1] - times[-1]) > 1e-9 * times[-1]:
            return f"stopped at {time_s[-1]:g} s"
        for state, node, (low, high) in zip(system.states, nodes, system.bounds(), strict=True):
            found = done.plot[node]
            if found.min() < low - SLACK or found.max() > high + SLACK:
                return f"{state.name} {low - found.min():.1e} below, {found.max() - high:.1e} above its bounds"
        return None

    def claim(self, words: str, *, seed: int, count: int, allowed: float) -> int:
        """Run as many sets as asked for that switch; print those that fail, and the claim; return the exit code."""
        begin, resting, failed, runs, found = time.perf_counter(), 0, [], 0, 0
        for given in self.sets(seed):
            if not self.moves(given):
                resting += 1
                continue
            found += 1
            subcircuit = nv.generate(self.model, "ngspice", given)
            for waveform in self.waveforms:
                for celsius in CELSIUS:
                    runs += 1
                    if (said := self.fault(given, subcircuit, waveform, celsius)) is not None:
                        failed.append(found)
                        shown = ", ".join(f"{name} {value:.4g}" for name, value in given.items())
                        print(f"set {found}, {waveform}, {celsius:g} °C: {said} ({shown})", flush=True)
            if found == count:
                break
        share = len(set(failed)) / count
        print(
            f"{count} sets that switch ({resting} drawn that do not): {len(set(failed))} sets, {len(failed)} of {runs} "
            f"runs failed; {time.perf_counter() - begin:.0f} s with ngspice {find_ngspice().version}"
        )
        figure = {"sets_failed": share, "runs_failed": len(failed) / runs, "runs": runs}
        figure["resting_sets_left_out"] = resting
        return conclude(words, figure, {"sets_failed": allowed}, share <= allowed)
