"""Claim: arrays of device-model cells at frozen states agree with ngspice, nodal solver against generated subcircuits.

Every model that conducts, its first state drawn over its range; 1T1R as the model's own series transistor and as an
access transistor with gate lines; 1FeFET cells with gate lines. 1×1, 3×5 and 16×16 cells, segments of 2 and 3 Ω,
drivers of 50 Ω, voltages of 0.05 to 0.3 V of both signs. Errors are of output currents, over the sum of the magnitudes
of the line's own cell currents, and of node voltages over the largest applied. Gates of FeFETs are at 1.5 V with mean
polarities from 0 on, where they conduct: currents below 1e-15 A are beneath ngspice's `abstol`.

Prints a row each, with the ratio of ngspice's wall time to ours at 16×16, medians of three. Needs ngspice. 30 s.
"""

from __future__ import annotations

import statistics
import sys

import numpy as np
from _claims import conclude
from threadpoolctl import threadpool_limits

import nvmphys as nv
from nvmphys.crossbar import AccessTransistor, Crossbar, validate
from nvmphys.crossbar.cells import CellCurrent
from nvmphys.crossbar.device_cells import DeviceCells, TransistorCells, drawn_cells
from nvmphys.devices import SUFFIX, devices

SHAPES = ((1, 1), (3, 5), (16, 16))
TOLERANCE = 1e-6
RUNS = 3
TRANSISTOR = {"threshold_V": 0.5, "slope": 1.3, "beta": 5e-4}


def kinds() -> list[str]:
    """Return the models of two terminals that conduct, those behind transistors, and those that are transistors."""
    models = {name: nv.device(name) for name in devices()}
    conduct = [name for name, model in models.items() if model.current != 0]
    transistors = [name for name, model in models.items() if model.drain is not None]
    return [*conduct, f"rram_gap{SUFFIX}", *(f"{name} and transistor" for name in conduct), *transistors]


def cells(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, CellCurrent]:
    """Return conductances at 0 V and the cells."""
    name = kind.partition(" ")[0]
    model = nv.device(name)
    if model.drain is not None:
        states = {"smean": rng.uniform(0, 1, shape)}
        transistors = TransistorCells(model, np.full(shape[0], 1.5), states)
        return transistors.conductance_S, transistors
    drawn = drawn_cells(model, shape, rng)
    assert isinstance(drawn, DeviceCells)
    if name == kind:
        return drawn.conductance_S, drawn
    return drawn.conductance_S, AccessTransistor(rng.uniform(1.5, 2.5, shape), resistive=drawn, **TRANSISTOR)


def main() -> int:
    worst, figure = 0.0, {}
    for kind in kinds():
        rng, errors, ratio = np.random.default_rng(1), [], []
        for shape in SHAPES:
            conductance, cell = cells(kind, shape, rng)
            crossbar = Crossbar(conductance, 2, 3, 50, 20, cell=cell)
            v = rng.uniform(0.05, 0.3, shape[0]) * np.where(rng.random(shape[0]) < 0.3, -1, 1)
            runs = [
                validate(crossbar, v, tolerance=TOLERANCE, timeout_s=60) for _ in range(RUNS if shape[0] > 3 else 1)
            ]
            errors.append(max(runs[0].current_error, runs[0].voltage_error))
            ratio = [
                statistics.median(x) for x in zip(*((r.nodal_seconds, r.spice.seconds) for r in runs), strict=True)
            ]
        print(
            f"{kind}: {', '.join(f'{m}×{n} {e:.1e}' for (m, n), e in zip(SHAPES, errors, strict=True))}; 16×16 in "
            f"{ratio[0] * 1e3:.0f} ms, ngspice {ratio[1] * 1e3:.0f} ms: {ratio[1] / ratio[0]:.1f} times", flush=True,
        )  # fmt: skip
        figure[kind] = {"error": float(max(errors)), "ngspice_over_nodal_time": round(ratio[1] / ratio[0], 2)}
        worst = max(worst, *errors)
    return conclude(
        "cells of device models, 1T1R and 1FeFET: nodal solver and ngspice agree",
        {"largest": worst, **figure}, TOLERANCE, worst <= TOLERANCE,
    )  # fmt: skip


if __name__ == "__main__":
    with threadpool_limits(1):
        sys.exit(main())
