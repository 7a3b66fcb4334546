"""Bench decks: an ngspice deck that runs a generated device through its loop, current or charge against voltage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvmphys.codegen._circuit import one_line
from nvmphys.codegen.chosen import Chosen
from nvmphys.devices.model import DeviceModel, System
from nvmphys.errors import BadInput

__all__ = ["BENCHED", "bench_deck", "bench_name", "loop"]

Array = NDArray[np.float64]

BENCHED = frozenset({"ngspice", "veriloga"})
"""Targets that get a bench deck."""
STEPS = 4000
"""Steps of the loop, at least; the solver takes shorter ones where the device switches."""
CYCLES = 2
"""Runs through the loop: the first may start from a state that the loop does not come back to."""
FALLBACK_S = 1e-3
DRAIN_V = 0.1
"""Voltage at the drain of a transistor [V]."""
LIMITER_S = 1.0
"""Conductance of a source with compliance well below its limit [S]."""
OPTIONS = "reltol=1e-5 abstol=1e-15 vntol=1e-9 chgtol=1e-22 trtol=1 xmu=0.495 temp=27"
"""A little of backward Euler in the trapezoidal rule, which alone now and then gets stuck where a filament switches."""


def bench_name(code_file: str, target: str) -> str:
    """Return what the bench deck of a file of code is called; refuse names that a deck might take for a command.

    >>> bench_name("rram_gap.lib", "ngspice"), bench_name("rram_gap.va", "veriloga")
    ('rram_gap_bench.cir', 'rram_gap_va_bench.cir')
    """
    if not re.fullmatch(r"[a-z0-9_][a-z0-9_.-]{0,100}", code_file):
        raise BadInput(
            "name of the file must be lower-case letters, digits, '_', '-' and '.', since its bench deck has it in it "
            f"(got {code_file[:80]!r})"
        )
    return f"{Path(code_file).stem}_{'va_' if target == 'veriloga' else ''}bench.cir"


def loop(model: DeviceModel) -> tuple[Array, Array]:
    """Return times [s] and voltages [V] of the corners of a triangular stimulus that suits the model.

    Its experiment `sweep`, else `pv_loop`, else triangles as large and long as the largest pulses of `id_vg`, else of
    amplitude and width of its pulses, else half of the voltages it is valid for.

    >>> from nvmphys.devices import device
    >>> [float(v) for v in loop(device("rram_gap"))[1][:5]]
    [0.0, 2.0, 0.0, -2.4, 0.0]
    """
    peaks = _peaks(model.experiments) or _peaks({"sweep": _anywhere(model.validity["voltage_V"])})
    legs = [leg for _, leg in peaks for _ in range(2)]
    volts = [volt for peak, _ in peaks for volt in (peak, 0.0)]
    return np.cumsum([0.0, *legs * CYCLES]), np.array([0.0, *volts * CYCLES])


def _peaks(experiments: Mapping[str, Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Return voltages [V] of the peaks of one cycle and the time to each [s]; none where no experiment has any."""
    if "sweep" in experiments:
        sweep = experiments["sweep"]
        rate = _first(sweep["ramp_rate_V_per_s"])
        return [(peak, abs(peak) / rate) for peak in (_first(sweep["positive_V"]), _first(sweep["negative_V"]))]
    if "pv_loop" in experiments:
        amplitude, quarter = _first(experiments["pv_loop"]["amplitude_V"]), 0.25
        quarter /= _first(experiments["pv_loop"]["frequency_Hz"])
        return [(amplitude, quarter), (-amplitude, quarter)]
    if "id_vg" in experiments:
        amplitude, width = (float(np.max(experiments["id_vg"][name])) for name in ("amplitude_V", "width_s"))
        return [(amplitude, width), (-amplitude, width)]
    for pulses in experiments.values():
        if {"amplitude_V", "width_s"} <= pulses.keys():
            width = _first(pulses["width_s"])
            return [(_first(pulses[v]), width) for v in ("amplitude_V", "opposite_V") if v in pulses]
    return []


def _anywhere(volts: tuple[float, float]) -> dict[str, float]:
    """Return a sweep to half of the lowest and highest voltage in a millisecond."""
    low, high = volts
    return {"positive_V": high / 2, "negative_V": low / 2, "ramp_rate_V_per_s": (high - low) / FALLBACK_S}


def _first(value: Any) -> float:
    """Return a number of a stimulus, the first where there are several."""
    return float(np.ravel(value)[0])


def bench_deck(chosen: Chosen, target: str, code_file: str) -> str:
    """Return a deck that draws the loop of a device, to be kept beside its code.

    `ngspice -b` writes the loop as a table; without `-b` ngspice draws it as well. Charge is integrated from the
    current and centred; a device that carries no steady current is drawn as charge against voltage. `voltage` is that
    across the device, `applied` that of the source, which a compliance of the sweep holds to its largest current.

    Parameters
    ----------
    chosen : Chosen
    target : str
        `ngspice` or `veriloga`; of the latter the compiled model (`.osdi`) must be there.
    code_file : str
        Name of the file of code, without a folder.
    """
    deck, system = bench_name(code_file, target), chosen.system()
    times, volts = loop(chosen.model)
    corners = "".join(f"\n+ {float(t)!r} {float(v)!r}" for t, v in zip(times, volts, strict=True))
    end, step = float(times[-1]), float(times[-1]) / STEPS
    states = _states(system, chosen, target)
    columns = ["applied", "voltage", "current", "charge", *(["drain"] if system.drain else []), *states]
    source, limiter = _limiter(chosen.model)
    drained = [] if system.drain is None else ["i(v2)"]
    drain = "" if system.drain is None else "d "
    osdi = f"{Path(code_file).stem}.osdi"
    lines = [
        f"* bench of {chosen.name}: {one_line(chosen.model.title)}",
        *(f"* {one_line(line)}" for line in chosen.provenance),
        f"* ngspice -b {deck} writes the table {_table(deck)}; ngspice {deck} draws it too",
    ]
    if target == "veriloga":
        lines += [
            f"* compile the model first: openvaf-r {code_file} -o {osdi}",
            ".control", f"pre_osdi {osdi}", ".endc", f".model cell {chosen.name}", f"N1 a 0 {drain}cell",
        ]  # fmt: skip
    else:
        lines += [f".include {code_file}", f"X1 a 0 {drain}{chosen.name}"]
    lines += [
        f"V1 {source} 0 PWL({corners} )",
        *limiter,
        *([f"V2 d 0 {DRAIN_V!r}"] if system.drain else []),
        f".options {OPTIONS}",
        f".save {' '.join(dict.fromkeys([f'v({source})', 'v(a)', 'i(v1)', *drained, *states]))}",
        f".tran {step!r} {end!r} 0 {step!r}{'' if target == 'veriloga' else ' uic'}",
        ".control",
        "set wr_singlescale", "set wr_vecnames", "set numdgt=12",
        "run",
        f"let applied = v({source})",
        "let voltage = v(a)",
        "let current = -i(v1)",
        *(["let drain = -i(v2)"] if system.drain else []),
        "let charge = integ(current)",
        "let charge = charge - 0.5*(vecmax(charge) + vecmin(charge))",
        f"wrdata {_table(deck)} {' '.join(columns)}",
        "if $?batchmode",
        "  quit $sim_status",
        "end",
        f"plot {_drawn(system)} vs voltage",
        ".endc",
        ".end",
    ]  # fmt: skip
    return "\n".join([*lines, ""])


def _limiter(model: DeviceModel) -> tuple[str, list[str]]:
    """Return the node of the source, and what holds its current to the compliance of the sweep, where it has one."""
    sweep = model.experiments.get("sweep", {})
    limits = [sweep.get(name) for name in ("compliance_A", "negative_compliance_A")]
    if all(limit is None for limit in limits):
        return "a", []
    halves = [
        f"{LIMITER_S!r}*{part}" if limit is None
        else f"{_first(limit)!r}*tanh(min(max({part}*{LIMITER_S / _first(limit)!r},-20),20))"
        for part, limit in zip(("max(v(s,a),0)", "min(v(s,a),0)"), limits, strict=True)
    ]  # fmt: skip
    return "s", [f"Bs s a I={' + '.join(halves)}"]


def _drawn(system: System) -> str:
    """Return which column tells most of a device."""
    if system.drain is not None:
        return "drain"
    return "charge" if system.current == 0 else "current"


def _table(deck: str) -> str:
    return f"{Path(deck).stem}.data"


def _states(system: System, chosen: Chosen, target: str) -> list[str]:
    """Return the vectors of the states; of many units none."""
    probe = "n1#x_" if target == "veriloga" else "x1.x_"
    return [] if chosen.units else [f"v({probe}{state.name.lower()})" for state in system.states]
