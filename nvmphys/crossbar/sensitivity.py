"""How the outputs of a crossbar change with each of its cells, by the adjoint equations.

For o = Σ_j c_j·i_j at an operating point x of F(x, G) = 0, one solution of the transposed equations, Jᵀ·λ = do/dx,
gives the derivative by all cells at once:

    do/dG_ij = (c_j - λ_w,ij + λ_b,ij)·(di/dG)_ij

with λ_w and λ_b at the word-line and the bit-line node of the cell, di/dG at fixed node voltages, and c_j = 0 for a
line that is not sensed. For lines without resistance λ = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.crossbar.array import Crossbar
from nvmphys.crossbar.lines import numbers
from nvmphys.crossbar.nodal import TOO_FAR, one_blas_thread
from nvmphys.crossbar.operating_point import FORCING, MAX_STEPS, TIGHT, System, settled, system_of
from nvmphys.crossbar.solution import Solution
from nvmphys.errors import BadInput, CheckFailed


def sensitivity(
    crossbar: Crossbar, v: ArrayLike, weights: ArrayLike, *, method: str = "auto", solution: Solution | None = None
) -> np.ndarray:
    """Return the derivatives of weighted sums of the output currents by the conductance of every cell.

    Parameters
    ----------
    crossbar : Crossbar
        Of cells of any kind.
    v : array_like, (word_line,)
        Voltages at the drivers [V].
    weights : array_like, (bit_line,) or (bit_line, output)
        Of each output current: one sum, or several; the unit matrix asks for every bit line.
    method : {"auto", "cg", "nodal"}, optional
        As of `Crossbar.solve`.
    solution : Solution, optional
        The operating point, where it is known already; its voltages at the sense amplifiers are kept.

    Returns
    -------
    ndarray, (word_line, bit_line[, output])
        [V], that is A/S.

    Raises
    ------
    BadInput
        "weights must be …", or what `Crossbar.solve` says.
    CheckFailed
        "the adjoint solution must settle …".

    Examples
    --------
    Without resistances a cell adds the voltage of its word line:

    >>> sensitivity(Crossbar([[1e-4, 2e-4], [3e-4, 4e-4]], 0, 0), [0.1, 0.2], [1.0, 0.0])
    array([[0.1, 0. ],
           [0.2, 0. ]])
    """
    outputs = numbers("weights", weights)
    n = crossbar.shape[1]
    if outputs.ndim not in (1, 2) or len(outputs) != n or not np.isfinite(outputs).all():
        raise BadInput(
            f"weights must be finite and have shape ({n},) or ({n}, output), one per bit line "
            f"(got shape {outputs.shape})"
        )
    voltages = crossbar.check_voltages(v)
    if voltages.ndim != 1:
        raise BadInput(f"v must be one vector for a sensitivity (got shape {voltages.shape}): pass its columns singly")
    if solution is None:
        solution = crossbar.solve(voltages, method)
    system = system_of(crossbar, method)
    state = crossbar.cell.state(crossbar.conductance_S, solution.word_line_V, solution.bit_line_V)
    columns = np.where(crossbar.sensed[:, np.newaxis], outputs.reshape(n, -1), 0.0)
    derivative = np.empty((*crossbar.shape, columns.shape[1]))
    with one_blas_thread():
        system.linearise(state)
        for k, weight in enumerate(columns.T):
            word, bit = _adjoint(system, state.word_slope_S, state.bit_slope_S, weight)
            derivative[..., k] = (weight - word + bit) * state.per_conductance_V
    return derivative.reshape(crossbar.shape + outputs.shape[1:])


def _adjoint(
    system: System, word_slope_S: np.ndarray, bit_slope_S: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the adjoint unknowns at the nodes of the cells, refined until they settle."""
    adjoint = system.gathered(*np.zeros((2, *system.shape)))
    tolerance, last = TIGHT, 0.0
    for _ in range(MAX_STEPS):
        word, bit = system.spread(adjoint)
        left = word - bit - weight
        imbalance, _ = system.imbalance(adjoint, bit_slope_S * left, word_slope_S * left)
        step = system.step(imbalance, tolerance, transposed=True)
        adjoint = adjoint + step
        largest = float(np.abs(step).max(initial=0.0))
        if settled(largest, adjoint, last):
            return system.spread(adjoint)
        tolerance, last = FORCING, largest
    raise CheckFailed(
        f"the adjoint solution must settle within {MAX_STEPS} refinements (the last still moved it by {largest:.1e}): "
        f"{TOO_FAR}"
    )
