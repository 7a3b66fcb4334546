"""Claim: every crossbar gives an answer or a named reason, never NaN.

Wire resistance 1e-4 to 0.1 of the lowest cell resistance, G_max/G_min to 1e6, open and shorted cells, broken segments,
floating lines, both ends driven, sizes 1×1 to 64×48; linear and sinh cells; every solver. An answer is finite, fulfils
Kirchhoff's current law, and the solvers agree on it to 1e-9 of the largest output. Conjugate gradients need at most 300
iterations at r·G_max = 0.1 and n = 512. 1 min.
"""

from __future__ import annotations

import itertools
import sys

import numpy as np
from _claims import conclude
from threadpoolctl import threadpool_limits

from nvmphys.crossbar import Crossbar, Linear, Sinh
from nvmphys.errors import CheckFailed

G_MAX_S = 1e-4
WIRES = (1e-4, 1e-3, 1e-2, 0.1)
CONTRASTS = (1e1, 1e3, 1e6)
SHAPES = ((1, 1), (1, 30), (30, 1), (17, 40), (64, 48))
FAULTS = ("none", "open cells", "shorts", "broken lines", "floating lines", "both ends", "all of them")
AGREEMENT, RESIDUAL, MOST_ITERATIONS = 1e-9, 1e-9, 300
NO_CURRENT_A = 1e-9 * G_MAX_S
"""Below this nothing flows, where no line is driven or none is sensed: what is left is rounding."""


def array(shape: tuple[int, int], wire: float, contrast: float, fault: str, cell) -> tuple[Crossbar, np.ndarray]:
    rng = np.random.default_rng(int(1e6 * wire) + int(contrast) + shape[0])
    m, n = shape
    conductance = G_MAX_S * contrast ** (-rng.random(shape))
    every = fault == "all of them"
    if fault == "open cells" or every:
        conductance[rng.random(shape) < 0.2] = 0
    if fault == "shorts" or every:
        conductance[rng.random(shape) < 0.02] = 10.0
    r_word, r_bit = (np.full(shape, wire / G_MAX_S) for _ in range(2))
    if fault == "broken lines" or every:
        for resistance in (r_word, r_bit):
            resistance[rng.random(shape) < 0.05] = np.inf
    floating = fault == "floating lines" or every
    r_driver = np.where(floating & (rng.random(m) < 0.3), np.inf, 50.0)
    r_sense = np.where(floating & (rng.random(n) < 0.3), np.inf, 20.0)
    far = 50.0 if fault == "both ends" or every else np.inf
    crossbar = Crossbar(conductance, r_word, r_bit, r_driver, r_sense, far, far, cell)
    return crossbar, rng.uniform(-0.5, 1.5, m)


def outcome(crossbar: Crossbar, v: np.ndarray) -> tuple[float, float, str]:
    """Return the disagreement of the solvers and the worst residual, over the largest current, and a reason."""
    try:
        cg, nodal = crossbar.solve(v, "cg"), crossbar.solve(v, "nodal")
    except CheckFailed as reason:
        return 0.0, 0.0, str(reason)
    outputs = [cg.current_A, nodal.current_A]
    if crossbar.cell.linear:
        outputs.append(crossbar.effective_conductance("merge") @ v)
    parts = [cg.word_line_V, cg.bit_line_V, nodal.word_line_V, nodal.bit_line_V, *outputs]
    if not all(np.isfinite(part).all() for part in parts):
        return np.inf, np.inf, ""
    largest_A = float(np.abs(nodal.cell_current_A).max())
    scale_A = max(largest_A, NO_CURRENT_A)
    apart = max(float(np.abs(a - b).max()) for a, b in itertools.combinations(outputs, 2)) / scale_A
    return apart, max(cg.residual, nodal.residual) * min(1.0, largest_A / NO_CURRENT_A), ""


def iterations(n: int) -> int:
    """Return what conjugate gradients need at r·G_max = 0.1."""
    rng = np.random.default_rng(0)
    crossbar = Crossbar(rng.uniform(0.01 * G_MAX_S, G_MAX_S, (n, n)), 0.1 / G_MAX_S, 0.1 / G_MAX_S)
    return crossbar.solve(rng.uniform(0, 0.3, n), "cg").iterations


def main() -> int:
    worst_apart, worst_residual, cases, reasons = 0.0, 0.0, 0, []
    for cell, fault in itertools.product((Linear(), Sinh(3.0)), FAULTS):
        apart = residual = 0.0
        for shape, wire, contrast in itertools.product(SHAPES, WIRES, CONTRASTS):
            one_apart, one_residual, reason = outcome(*array(shape, wire, contrast, fault, cell))
            apart, residual, cases = max(apart, one_apart), max(residual, one_residual), cases + 1
            reasons += [reason] if reason else []
        print(f"{type(cell).__name__:7} {fault:15} apart {apart:.1e}, residual {residual:.1e}", flush=True)
        worst_apart, worst_residual = max(worst_apart, apart), max(worst_residual, residual)
    for reason in dict.fromkeys(reasons):
        print("reason:", reason)
    taken = {n: iterations(n) for n in (128, 256, 512)}
    print("iterations of conjugate gradients at r·G_max = 0.1:", taken)
    figure = {
        "cases": cases, "named reasons": len(reasons), "apart": worst_apart, "residual": worst_residual,
        "iterations": taken,
    }  # fmt: skip
    target = {"apart": AGREEMENT, "residual": RESIDUAL, "iterations": MOST_ITERATIONS}
    met = worst_apart <= AGREEMENT and worst_residual <= RESIDUAL and taken[512] <= MOST_ITERATIONS
    return conclude("every crossbar gives an answer or a named reason, never NaN", figure, target, met)


if __name__ == "__main__":
    with threadpool_limits(1):
        sys.exit(main())
