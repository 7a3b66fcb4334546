"""Claim: the crossbar solvers agree with ngspice and with one another, whatever the shape and the ends of the lines.

Cells uniform in 1-100 µS, inputs uniform in 0-0.3 V, 1 ohm segments, 50 ohm drivers, 20 ohm sense resistances; several
seeds. Errors are of output currents, over the sum of the magnitudes of the line's own cell currents, and of node
voltages over the largest applied.

- linear cells against ngspice .op: 1e-11 up to 128×128, both ends driven, resistances per segment, half-selected lines;
- sinh cells (α = 3 1/V, inputs to 1.5 V): 1e-10;
- conjugate gradients, sparse LU in the order of nested dissection and merged tiles among themselves: 1e-11 up to
  512×512;
- derivatives of the outputs by every cell, by the adjoint, against complex steps of a dense solution: 1e-8.

Prints a row each. Needs ngspice. 2 min.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace

import numpy as np
from _claims import conclude
from threadpoolctl import threadpool_limits

from nvmphys.crossbar import Crossbar, Linear, Sinh, Solution, find_ngspice, operating_point_deck, run, sensitivity
from nvmphys.crossbar.netlist import read_operating_point

LINEAR_SHAPES = ((1, 1), (1, 64), (64, 1), (5, 4), (17, 40), (32, 32), (64, 64), (128, 128))
SINH_SHAPES = ((1, 1), (3, 5), (17, 40), (64, 64))
MUTUAL_SHAPES = ((1, 1), (1, 300), (300, 1), (3, 5), (17, 40), (100, 300), (512, 512))
SEEDS = range(2)
TOLERANCE = {"linear, ngspice": 1e-11, "sinh, ngspice": 1e-10, "solvers mutually": 1e-11, "derivatives": 1e-8}


def array(shape: tuple[int, int], seed: int) -> tuple[Crossbar, np.ndarray]:
    rng = np.random.default_rng(seed)
    crossbar = Crossbar(rng.uniform(1e-6, 1e-4, shape), 1.0, 1.0, 50.0, 20.0)
    return crossbar, rng.uniform(0, 0.3, shape[0])


def other_ends(crossbar: Crossbar, seed: int) -> dict[str, Crossbar]:
    """Return the same cells on lines of other kinds."""
    rng = np.random.default_rng(seed)
    m, n = crossbar.shape
    return {
        "both ends driven and sensed": replace(crossbar, r_driver_far_ohm=50.0, r_sense_far_ohm=20.0),
        "resistances per segment": replace(
            crossbar, r_word_line_ohm=rng.uniform(0.5, 5, (m, n)), r_bit_line_ohm=rng.uniform(0.5, 5, (m, n))
        ),
        "every third line floating": replace(
            crossbar,
            r_driver_ohm=np.where(np.arange(m) % 3 == 1, np.inf, 50.0),
            r_sense_ohm=np.where(np.arange(n) % 3 == 1, np.inf, 20.0),
        ),
        "ideal word lines": replace(crossbar, r_word_line_ohm=0.0),
    }


def difference(one: Solution, other: Solution, scale_A: np.ndarray | None = None) -> float:
    """Return the larger of the errors of currents and voltages."""
    scale_A = np.abs(one.cell_current_A).sum(axis=0) if scale_A is None else scale_A
    applied_V = max(np.abs(one.applied_V).max(), np.abs(one.sense_V).max())
    return max(
        float((np.abs(one.current_A - other.current_A) / scale_A).max()),
        float(np.abs(one.word_line_V - other.word_line_V).max() / applied_V),
        float(np.abs(one.bit_line_V - other.bit_line_V).max() / applied_V),
    )


def against_ngspice(crossbar: Crossbar, v: np.ndarray, sense_V: float | np.ndarray = 0.0) -> float:
    """Return the larger difference of any solver from ngspice."""
    deck = operating_point_deck(crossbar, v, sense_V=sense_V, klu=find_ngspice().has_klu)
    spice = read_operating_point(crossbar, v, run(deck).plot, sense_V=sense_V)
    resistive = crossbar.word_branches_ohm.min() > 0
    methods = ("cg", "nodal") if resistive else ("nodal",)
    # cells between two half-selected lines carry next to nothing, which ngspice knows to the rounding of the voltages
    scale_A = crossbar.conductance_S.sum(axis=0) * np.abs(v).max() if np.any(sense_V) else None
    return max(difference(crossbar.solve(v, method, sense_V=sense_V), spice, scale_A) for method in methods)


def linear() -> float:
    worst = 0.0
    for shape in LINEAR_SHAPES:
        error = max(against_ngspice(*array(shape, seed)) for seed in SEEDS)
        print(f"linear {shape[0]}×{shape[1]}, ngspice: {error:.1e}", flush=True)
        worst = max(worst, error)
    crossbar, v = array((24, 33), 0)
    half = np.where(np.arange(33) == 5, 0.0, 0.15)
    selected = np.where(np.arange(24) == 7, 0.3, 0.15)
    cases = {kind: (other, v, 0.0) for kind, other in other_ends(crossbar, 1).items()}
    cases["half-selected lines"] = (crossbar, selected, half)
    for kind, case in cases.items():
        error = against_ngspice(*case)
        print(f"linear 24×33, {kind}, ngspice: {error:.1e}", flush=True)
        worst = max(worst, error)
    return worst


def sinh() -> float:
    worst = 0.0
    for shape in SINH_SHAPES:
        crossbar, v = array(shape, 0)
        error = against_ngspice(replace(crossbar, cell=Sinh(3.0)), 5 * v)
        print(f"sinh {shape[0]}×{shape[1]}, ngspice: {error:.1e}", flush=True)
        worst = max(worst, error)
    return worst


def mutually() -> float:
    worst = 0.0
    for shape in MUTUAL_SHAPES:
        crossbar, v = array(shape, 0)
        cg, nodal = crossbar.solve(v, "cg"), crossbar.solve(v, "nodal")
        merged = crossbar.effective_conductance("merge") @ v
        error = difference(cg, nodal)
        matrix = max(
            float((np.abs(merged - solution.current_A) / np.abs(solution.cell_current_A).sum(axis=0)).max())
            for solution in (cg, nodal)
        )
        print(f"{shape[0]}×{shape[1]}: conjugate gradients, sparse LU {error:.1e}; merged {matrix:.1e}", flush=True)
        worst = max(worst, error, matrix)
    return worst


def complex_outputs(conductance: np.ndarray, v: np.ndarray, alpha: float) -> np.ndarray:
    """Return the outputs for complex cells, 1 ohm segments, 50 and 20 ohm at the ends, by Newton's method."""
    m, n = conductance.shape
    word, bit = np.arange(2 * m * n).reshape(2, m, n)
    laplacian, known = np.zeros((2 * m * n, 2 * m * n)), np.zeros(2 * m * n)
    for line in (*word, *bit.T):
        for a, b in itertools.pairwise(line):
            laplacian[[a, b], [a, b]] += 1
            laplacian[[a, b], [b, a]] -= 1
    laplacian[word[:, 0], word[:, 0]] += 1 / 51
    known[word[:, 0]] = v / 51
    laplacian[bit[-1], bit[-1]] += 1 / 21
    x, g = np.zeros(2 * m * n, dtype=complex), conductance.ravel()
    for _ in range(12 if alpha else 2):
        across = x[: m * n] - x[m * n :]
        current = g / alpha * np.sinh(alpha * across) if alpha else g * across
        slope = np.diag(g * np.cosh(alpha * across))
        jacobian = laplacian + np.block([[slope, -slope], [-slope, slope]])
        x = x - np.linalg.solve(jacobian, laplacian @ x - known + np.concatenate([current, -current]))
    return current.reshape(m, n).sum(axis=0)


def derivatives() -> float:
    """Return the largest difference from complex steps, over the largest derivative."""
    worst = 0.0
    crossbar, v = array((6, 7), 0)
    for cell, alpha in ((Linear(), 0.0), (Sinh(3.0), 3.0)):
        for method in ("cg", "nodal"):
            found = sensitivity(replace(crossbar, cell=cell), 5 * v, np.eye(7), method=method)
            stepped = np.empty_like(found)
            for place in np.ndindex(crossbar.shape):
                moved = crossbar.conductance_S.astype(complex)
                moved[place] += 1e-30j
                stepped[place] = complex_outputs(moved, 5 * v, alpha).imag / 1e-30
            error = float(np.abs(found - stepped).max() / np.abs(stepped).max())
            print(f"derivatives, {type(cell).__name__}, {method}: {error:.1e}", flush=True)
            worst = max(worst, error)
    return worst


def main() -> int:
    figure = {
        "linear, ngspice": linear(),
        "sinh, ngspice": sinh(),
        "solvers mutually": mutually(),
        "derivatives": derivatives(),
    }
    met = all(figure[name] <= most for name, most in TOLERANCE.items())
    return conclude("crossbar solvers agree with ngspice and with one another", figure, TOLERANCE, met)


if __name__ == "__main__":
    with threadpool_limits(1):
        sys.exit(main())
