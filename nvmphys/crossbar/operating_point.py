"""Solving a crossbar: which method, and Newton's iteration around it where cells are not linear.

Unknown is the correction y to the voltages of an array without line resistances (`nvmphys.crossbar.nodal`). The sum of
the currents into every node, F(y), is formed branch by branch; each step solves -F'·dy = F, where F' need not be exact:
linear cells take one or two steps of iterative refinement, others the steps of an inexact Newton iteration, shortened
while they do not lessen F. Where that fails the voltages at the terminals are raised from 0 in steps.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.crossbar.cells import CellState
from nvmphys.crossbar.nodal import ROUNDING, TOO_FAR, Network, NodalSystem, one_blas_thread
from nvmphys.crossbar.solution import Solution
from nvmphys.errors import BadInput, CheckFailed, unknown_name

if TYPE_CHECKING:
    from nvmphys.crossbar.array import Crossbar

CG_FROM_CELLS, MERGE_FROM_CELLS = 256, 64
"""Below these sizes the sparse direct solution takes less time or none that counts."""

MAX_STEPS = 60
SHORTEST_STEP = 2.0**-12
SMALLEST_RAISE = 2.0**-10
"""Of the terminal voltages, as a fraction of the whole."""

FORCING, TIGHT = 1e-3, 1e-10
"""How exactly a Newton step is solved for: loosely while it is far, and the first step of a linear array."""

Array = np.ndarray
_Start = tuple[Array, Array, Array, Array]
"""Applied, sense, word-line and bit-line voltages of one vector."""


class System(Protocol):
    """The circuit equations of one crossbar, for cells of any kind."""

    method: str
    shape: tuple[int, int]
    iterations: int

    def ideal_V(self, word_V: Array, bit_V: Array) -> tuple[Array, Array]:
        """Return the node voltages (word_line, bit_line) of lines without resistance at such terminals."""

    def gathered(self, word_V: Array, bit_V: Array) -> Array:
        """Return the unknowns of corrections at the nodes."""

    def spread(self, correction_V: Array) -> tuple[Array, Array]:
        """Return the corrections at the nodes of the unknowns."""

    def imbalance(
        self, correction_V: Array, into_bit_A: Array, out_of_word_A: Array | None = None
    ) -> tuple[Array, float]:
        """Return the sum of currents into each node and the largest wire current; cells give what they take, or not."""

    def linearise(self, state: CellState) -> None:
        """Make ready for `step` at these slopes."""

    def step(self, imbalance_A: Array, tolerance: float, transposed: bool = False) -> Array:
        """Return what removes the imbalance, to a relative tolerance."""


def solve(crossbar: Crossbar, voltages: Array, method: str, sense_V: ArrayLike, start: Solution | None) -> Solution:
    """Solve a crossbar for checked voltages (word_line[, batch]); see `Crossbar.solve`."""
    vector = voltages.shape[1:]
    sense = crossbar.check_sense_voltages(sense_V, vector)
    system = system_of(crossbar, method)
    if start is not None and start.word_line_V.shape[:2] != crossbar.shape:
        raise BadInput(f"start must be a solution of shape {crossbar.shape} (got {start.word_line_V.shape[:2]})")
    batch_V, batch_sense_V = voltages.reshape(len(voltages), -1), sense.reshape(len(sense), -1)
    if crossbar.cell.linear and isinstance(system, NodalSystem):
        return _solve_network(crossbar, voltages, sense)
    starts = [_column(start, k) for k in range(batch_V.shape[1])]
    try:
        found = _solve_batch(crossbar, system, batch_V, batch_sense_V, starts)
    except CheckFailed:
        if method != "auto" or isinstance(system, NodalSystem):
            raise
        system = NodalSystem(crossbar)
        found = _solve_batch(crossbar, system, batch_V, batch_sense_V, starts)
    nodes = tuple(np.stack([one[part] for one in found], -1) for part in range(3))
    residual, iterations = (max(one[part] for one in found) for part in (3, 4))
    return _solution(crossbar, voltages, sense, nodes, float(residual), system.method, int(iterations))


def system_of(crossbar: Crossbar, method: str) -> System:
    """Return the equations of a crossbar for a method by name, or the one chosen by the crossbar's size.

    >>> from nvmphys.crossbar import Crossbar
    >>> system_of(Crossbar([[1e-4]], 0, 0), "auto").method
    'nodal'
    """
    if method not in ("auto", "cg", "nodal"):
        raise unknown_name("method", method, ("auto", "cg", "nodal"))
    resistive = bool((crossbar.word_branches_ohm > 0).all() and (crossbar.bit_branches_ohm > 0).all())
    if method == "cg" and not resistive:
        raise BadInput(
            "method='cg' needs lines whose segments all have a resistance (got one of 0 ohm): "
            "method='nodal' merges nodes"
        )
    if method == "cg" or (method == "auto" and resistive and crossbar.conductance_S.size >= CG_FROM_CELLS):
        from nvmphys.crossbar.line_cg import LineSystem  # compiled when it is first imported

        return LineSystem(crossbar)
    return NodalSystem(crossbar)


def effective_conductance(crossbar: Crossbar, method: str) -> Array:
    """Return the effective conductance matrix (bit_line, word_line) [S]; see `Crossbar.effective_conductance`."""
    if method not in ("auto", "merge", "nodal"):
        raise unknown_name("method", method, ("auto", "merge", "nodal"))
    if not crossbar.cell.linear:
        raise BadInput(
            f"the effective conductance is of linear cells (got {type(crossbar.cell).__name__}): "
            "take sensitivity() for the change at an operating point"
        )
    if method == "merge" or (method == "auto" and crossbar.conductance_S.size >= MERGE_FROM_CELLS):
        from nvmphys.crossbar.merge import merged_conductance  # compiled when it is first imported

        with one_blas_thread():
            return merged_conductance(crossbar)
    word_lines, bit_lines = crossbar.shape
    transfer = Network.of(crossbar).transfer_conductance
    if word_lines <= bit_lines:
        return transfer(driven=slice(0, word_lines), read=slice(word_lines, None))
    return transfer(driven=slice(word_lines, None), read=slice(0, word_lines)).T


def imbalance_at(crossbar: Crossbar, voltages: Array, sense_V: ArrayLike, word_V: Array, bit_V: Array) -> float:
    """Return the largest sum of currents at a node over the largest current, at given voltages of the nodes [V].

    >>> from nvmphys.crossbar import Crossbar
    >>> cell = Crossbar([[1e-3]], r_word_line_ohm=1000, r_bit_line_ohm=0)
    >>> imbalance_at(cell, np.array([2.0]), 0.0, np.array([[1.0]]), np.array([[0.0]]))
    0.0
    """
    system = NodalSystem(crossbar)
    ideal_word_V, ideal_bit_V = system.ideal_V(voltages, crossbar.check_sense_voltages(sense_V, ()))
    state = crossbar.cell.state(crossbar.conductance_S, word_V, bit_V)
    correction_V = system.gathered(word_V - ideal_word_V, bit_V - ideal_bit_V)
    return _relative(*system.imbalance(correction_V, state.current_A), state)


def _solve_network(crossbar: Crossbar, voltages: Array, sense: Array) -> Solution:
    """Solve linear cells by one factorisation for all vectors."""
    batch = np.concatenate([voltages.reshape(len(voltages), -1), sense.reshape(len(sense), -1)])
    network = Network.of(crossbar)
    state = network.solve(batch)
    word_V, bit_V = state.node_V[network.word_node], state.node_V[network.bit_node]
    cell_A = crossbar.conductance_S[..., np.newaxis] * (word_V - bit_V)
    return _solution(crossbar, voltages, sense, (word_V, bit_V, cell_A), state.residual, NodalSystem.method, 1)


def _solution(
    crossbar: Crossbar, voltages: Array, sense: Array, nodes: tuple[Array, ...], residual: float, method: str,
    iterations: int,
) -> Solution:  # fmt: skip
    """Return word-line and bit-line voltages and cell currents (word_line, bit_line, batch), shaped as the voltages."""
    vector = voltages.shape[1:]
    word_V, bit_V, cell_A = (part.reshape(crossbar.shape + vector) for part in nodes)
    return Solution(
        applied_V=voltages, sense_V=sense, word_line_V=word_V, bit_line_V=bit_V, cell_current_A=cell_A,
        current_A=_outputs(crossbar, nodes[2]).reshape((crossbar.shape[1], *vector)), residual=residual, method=method,
        iterations=iterations,
    )  # fmt: skip


def _solve_batch(
    crossbar: Crossbar, system: System, batch_V: Array, batch_sense_V: Array, starts: list[_Start | None]
) -> list[tuple[Array, Array, Array, float, int]]:
    """Solve for one vector after the other."""
    with one_blas_thread():
        return [
            _solve_vector(crossbar, system, batch_V[:, k], batch_sense_V[:, k], start) for k, start in enumerate(starts)
        ]


def _outputs(crossbar: Crossbar, cell_A: Array) -> Array:
    """Return the output currents (bit_line, batch): the sums of the cells of each sensed line."""
    return np.where(crossbar.sensed[:, np.newaxis], cell_A.sum(axis=0), 0.0)


def _column(start: Solution | None, k: int) -> _Start | None:
    """Return one vector of a solution, the last where it has fewer."""
    if start is None:
        return None
    parts = (start.applied_V, start.sense_V, start.word_line_V, start.bit_line_V)
    if start.applied_V.ndim == 1:
        return parts
    applied, sense, word, bit = (part[..., min(k, part.shape[-1] - 1)] for part in parts)
    return applied, sense, word, bit


def _solve_vector(
    crossbar: Crossbar, system: System, word_V: Array, bit_V: Array, start: _Start | None
) -> tuple[Array, Array, Array, float, int]:
    """Return word-line and bit-line voltages, cell currents, residual and iterations of one vector."""
    before = system.iterations
    ideal_word_V, ideal_bit_V = system.ideal_V(word_V, bit_V)
    if start is None:
        correction_V = system.gathered(*np.zeros((2, *crossbar.shape)))
    else:
        other_word_V, other_bit_V = system.ideal_V(start[0], start[1])
        correction_V = system.gathered(start[2] - other_word_V, start[3] - other_bit_V)
    state_at = _cells_at(crossbar, system, ideal_word_V, ideal_bit_V)
    if crossbar.cell.linear:
        correction_V, state, residual = _refine(system, state_at, correction_V)
    else:
        found = _newton(system, state_at, correction_V)
        if isinstance(found, str):
            found = _raise_inputs(system, state_at, found)
        correction_V, state, residual = found
    moved_word_V, moved_bit_V = system.spread(correction_V)
    return (
        ideal_word_V + moved_word_V, ideal_bit_V + moved_bit_V, state.current_A, residual, system.iterations - before,
    )  # fmt: skip


def _cells_at(crossbar: Crossbar, system: System, ideal_word_V: Array, ideal_bit_V: Array) -> Callable[..., CellState]:
    """Return the state of the cells as a function of the correction and of the fraction of the terminal voltages."""

    def state_at(correction_V: Array, fraction: float = 1.0) -> CellState:
        word_V, bit_V = system.spread(correction_V)
        return crossbar.cell.state(
            crossbar.conductance_S, fraction * ideal_word_V + word_V, fraction * ideal_bit_V + bit_V
        )

    return state_at


def _relative(imbalance_A: Array, wire_A: float, state: CellState) -> float:
    """Return the largest imbalance over the largest branch current."""
    largest = max(wire_A, float(np.abs(state.current_A).max()))
    return float(np.abs(imbalance_A).max(initial=0.0)) / largest if largest else 0.0


def _norm(imbalance_A: Array) -> float:
    """Return the root of the sum of squares; infinite or NaN where cells overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.linalg.norm(imbalance_A))


def settled(step_V: float, correction_V: Array, last_V: float) -> bool:
    """Whether the next step, extrapolated from the last two, is below the rounding of the correction."""
    return step_V**2 <= ROUNDING * float(np.abs(correction_V).max(initial=0.0)) * last_V


def _refine(system: System, state_at: Callable[..., CellState], correction_V: Array) -> tuple[Array, CellState, float]:
    """Solve for linear cells: the first step from zero and its refinements."""
    state = state_at(correction_V)
    system.linearise(state)
    imbalance_A, wire_A = system.imbalance(correction_V, state.current_A)
    tolerance, last_V = TIGHT, 0.0
    for _ in range(MAX_STEPS):
        step_V = system.step(imbalance_A, tolerance)
        correction_V = correction_V + step_V
        state = state_at(correction_V)
        imbalance_A, wire_A = system.imbalance(correction_V, state.current_A)
        largest_V = float(np.abs(step_V).max(initial=0.0))
        if settled(largest_V, correction_V, last_V):
            return correction_V, state, _relative(imbalance_A, wire_A, state)
        tolerance, last_V = FORCING, largest_V
    raise CheckFailed(
        f"the solution must settle within {MAX_STEPS} refinements (the last still moved it by {largest_V:.1e} V): "
        f"{TOO_FAR}"
    )


def _newton(
    system: System, state_at: Callable[[Array], CellState], correction_V: Array
) -> tuple[Array, CellState, float] | str:
    """Return correction, cells and residual of non-linear cells, or why none was found."""
    state = state_at(correction_V)
    imbalance_A, wire_A = system.imbalance(correction_V, state.current_A)
    norm = _norm(imbalance_A)
    if not np.isfinite(norm):
        return "the currents of the cells overflow at the start"
    last_V, shortening = 0.0, 1.0
    for _ in range(MAX_STEPS):
        nearness = last_V / float(np.abs(correction_V).max(initial=0.0)) if last_V else 1.0
        try:
            system.linearise(state)
            step_V = system.step(imbalance_A, min(FORCING, max(nearness, TIGHT)))
        except CheckFailed as error:
            return str(error)
        whole_V = float(np.abs(step_V).max(initial=0.0))
        length = 1.0
        while True:
            tried_V = correction_V + length * step_V
            tried = state_at(tried_V)
            tried_A, wire_A = system.imbalance(tried_V, tried.current_A)
            tried_norm = _norm(tried_A)
            rounding = whole_V <= 1e-9 * float(np.abs(tried_V).max(initial=0.0))
            if tried_norm <= (1 - 1e-4 * length) * norm or (rounding and np.isfinite(tried_norm)):
                break
            if norm == 0.0:
                break
            length /= 2
            if length < SHORTEST_STEP:
                return f"no step lessens the imbalance of {np.abs(imbalance_A).max():.1e} A"
        correction_V, state, imbalance_A, norm = tried_V, tried, tried_A, tried_norm
        if length == 1.0 and settled(whole_V, correction_V, last_V if shortening == 1.0 else 0.0):
            return correction_V, state, _relative(imbalance_A, wire_A, state)
        last_V, shortening = whole_V, length
    return f"{MAX_STEPS} steps left an imbalance of {np.abs(imbalance_A).max():.1e} A"


def _raise_inputs(system: System, state_at: Callable[..., CellState], reason: str) -> tuple[Array, CellState, float]:
    """Find the operating point by raising the terminal voltages from 0, each solution the start of the next."""
    fraction, raise_by = 0.0, 0.25
    correction_V = system.gathered(*np.zeros((2, *system.shape)))
    while True:
        aim = min(1.0, fraction + raise_by)
        along = aim / fraction if fraction else 1.0
        found = _newton(system, functools.partial(state_at, fraction=aim), along * correction_V)
        if not isinstance(found, str):
            correction_V, fraction = found[0], aim
            if fraction == 1.0:
                return found
            raise_by *= 2
        else:
            raise_by /= 2
            if raise_by < SMALLEST_RAISE:
                raise CheckFailed(
                    f"the operating point must be found by Newton's iteration (got none beyond {fraction:.1%} of the "
                    f"voltages: {found}; at once: {reason}): cells whose current falls with voltage have several "
                    "or none"
                )
