"""Nodal analysis of a crossbar: sparse, direct, accurate to rounding.

Branch k of conductance g_k joins two of the nodes; D is the branch × node incidence matrix, so the branch currents are
j = g ∘ (D·x) and Kirchhoff's current law at the free nodes is D_fᵀ·j = 0. Free nodes are numbered first, in the order
of `nvmphys.crossbar.dissection`, then the terminals, whose voltages are given: the m sources, the n senses, and one of
0 V for all nodes that no resistor joins to a terminal (a broken line of open cells): they carry no current, and their
voltage, which is undetermined, is given as 0 V.

A segment conducts some 1e5 times better than a cell, and by that much a plain solution for x misses Kirchhoff's law by
more than rounding. Two things keep the digits:

* What is solved for is the *correction* y to the array without line resistances, x = x_ideal + y. D·x_ideal vanishes
  exactly along the lines, so rounding scales with the IR drop instead of with the voltage.
* The residual is formed branch by branch, not with the assembled matrix, and fed back (iterative refinement).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import SuperLU, splu
from threadpoolctl import ThreadpoolController

from nvmphys.crossbar.cells import CellState
from nvmphys.crossbar.dissection import nested_dissection
from nvmphys.errors import CheckFailed

if TYPE_CHECKING:
    from nvmphys.crossbar.array import Crossbar

MAX_SOLVES = 10
ROUNDING = 4 * float(np.finfo(float).eps)
RIGHT_HAND_SIDES = 64
"""Solved at a time: bounds the memory of `transfer_conductance`."""

TOO_FAR = "the resistances differ by more than double precision carries; set the negligible ones to 0"


@dataclass(frozen=True, eq=False)
class NetworkState:
    """Voltages of all nodes (node, batch), currents out of the terminals (terminal, batch), relative residual."""

    node_V: np.ndarray
    terminal_A: np.ndarray
    residual: float


@dataclass(frozen=True, eq=False)
class Network:
    """A crossbar as a graph: which nodes there are, and which conductance joins which two.

    Attributes
    ----------
    word_node, bit_node : ndarray of int, (word_line, bit_line)
        Node number of each end of each cell; equal along a line without resistance.
    free_nodes : int
        How many nodes have an unknown voltage.
    incidence : csc_array, (branch, node)
        +1 where a branch begins, −1 where it ends; wires first, then the cells, row by row.
    branch_S : ndarray, (branch, 1)
        Conductances [S].
    """

    word_node: np.ndarray
    bit_node: np.ndarray
    free_nodes: int
    incidence: sp.csc_array
    branch_S: np.ndarray

    @classmethod
    def of(cls, crossbar: Crossbar) -> Network:
        """Number the nodes of a crossbar and list its branches; resistances of 0 become merged nodes."""
        m, n = crossbar.shape
        begin, end, resistance = _wires(crossbar)
        terminals = 2 * m * n + np.arange(m + n)
        number, free = _numbered(crossbar, begin, end, resistance, terminals)
        word_node, bit_node = number[: 2 * m * n].reshape(2, m, n)
        wire = (resistance > 0) & (resistance < np.inf)
        begin = np.concatenate([number[begin[wire]], word_node.ravel()])
        end = np.concatenate([number[end[wire]], bit_node.ravel()])
        branch_S = np.concatenate([1 / resistance[wire], crossbar.conductance_S.ravel()])
        branch = np.arange(len(branch_S))
        incidence = sp.csc_array(
            (np.repeat([1.0, -1.0], len(branch)), (np.tile(branch, 2), np.concatenate([begin, end]))),
            shape=(len(branch), free + m + n + 1),
        )
        return cls(word_node, bit_node, free, incidence, branch_S[:, np.newaxis])

    @property
    def _cells(self) -> int:
        """How many of the branches are cells: the last ones."""
        return self.word_node.size

    @functools.cached_property
    def _to_free(self) -> sp.csc_array:
        """Columns of the incidence matrix that belong to free nodes."""
        return self.incidence[:, : self.free_nodes]

    @functools.cached_property
    def _factor(self) -> SuperLU:
        """Factors of D_fᵀ·diag(g)·D_f: symmetric, positive definite and diagonally dominant, so no pivoting."""
        return factored(self._to_free.T @ self._to_free.multiply(self.branch_S), 0.0)

    def ideal_voltages(self, terminal_V: np.ndarray) -> np.ndarray:
        """Return the node voltages (node, batch) with every line at the voltage of its terminal (terminal, batch)."""
        lines, isolated = len(self.word_node), self.incidence.shape[1] - 1
        node_V = np.empty((isolated + 1, terminal_V.shape[1]))
        node_V[self.word_node] = terminal_V[:lines, np.newaxis]
        node_V[self.bit_node] = terminal_V[lines:]
        node_V[self.free_nodes : isolated], node_V[isolated] = terminal_V, 0.0
        return node_V

    def residual(self, current_A: np.ndarray) -> float:
        """Return the largest sum of currents at a free node over the largest current, for branch currents in A."""
        imbalance = np.abs(self._to_free.T @ current_A).max(axis=0, initial=0.0)
        largest = np.abs(current_A).max(axis=0)
        return float(np.divide(imbalance, largest, out=np.zeros_like(largest), where=largest != 0).max())

    def solve(self, terminal_V: np.ndarray) -> NetworkState:
        """Solve for given terminal voltages (terminal, batch) [V]."""
        node_V = self.ideal_voltages(terminal_V)
        ideal_drop_V = self.incidence @ node_V
        correction_V = self._correction(ideal_drop_V)
        node_V[: self.free_nodes] += correction_V
        current_A = self.branch_S * (ideal_drop_V + self._to_free @ correction_V)
        into_terminals = -self.incidence[:, self.free_nodes : -1].T
        return NetworkState(node_V, into_terminals @ current_A, self.residual(current_A))

    def _correction(self, ideal_drop_V: np.ndarray) -> np.ndarray:
        """Return what line resistances add to the voltages of the free nodes, (free node, batch) [V].

        Refined until the next step, extrapolated from the last two, is below rounding. The residual is no guide to
        that: on a line much better than what it ends in, it cannot fall below the rounding of the segments' drops.
        """
        correction_V = np.zeros((self.free_nodes, ideal_drop_V.shape[1]))
        if not self.free_nodes:
            return correction_V
        last_V = np.zeros(ideal_drop_V.shape[1])
        with one_blas_thread():
            for _ in range(MAX_SOLVES):
                current_A = self.branch_S * (ideal_drop_V + self._to_free @ correction_V)
                step_V = self._factor.solve(self._to_free.T @ current_A)
                correction_V -= step_V
                largest_V = np.abs(step_V).max(axis=0)
                if (largest_V**2 <= ROUNDING * np.abs(correction_V).max(axis=0) * last_V).all():
                    return correction_V
                last_V = largest_V
        raise CheckFailed(
            f"the nodal solution must settle within {MAX_SOLVES} refinements (the last still moved it by "
            f"{largest_V.max():.1e} V): {TOO_FAR}"
        )

    def transfer_conductance(self, driven: slice, read: slice) -> np.ndarray:
        """Return the currents out of the terminals `read` per volt at each of `driven`, (read, driven) [S]."""
        unit = np.eye(self.incidence.shape[1] - self.free_nodes - 1)[:, driven]
        blocks = (unit[:, k : k + RIGHT_HAND_SIDES] for k in range(0, unit.shape[1], RIGHT_HAND_SIDES))
        return np.hstack([self.solve(block).terminal_A[read] for block in blocks])


class NodalSystem:
    """The equations of `Network` for cells of any kind, as `nvmphys.crossbar.operating_point` asks for them."""

    method = "nodal"

    def __init__(self, crossbar: Crossbar) -> None:
        self.shape = crossbar.shape
        self._network = Network.of(crossbar)
        to_free = self._network._to_free
        wires = to_free.shape[0] - self._network._cells
        self._wires, self._cells = to_free[:wires], to_free[wires:]
        self._wire_S = self._network.branch_S[:wires, 0]
        self._of_wires = self._wires.T @ self._wires.multiply(self._wire_S[:, np.newaxis])
        number = np.arange(self.shape[0] * self.shape[1])
        self._word_ends, self._bit_ends = (
            sp.csr_array(
                (np.ones(number.size), (number, node.ravel())), shape=(number.size, self._network.incidence.shape[1])
            )[:, : self._network.free_nodes]
            for node in (self._network.word_node, self._network.bit_node)
        )
        self.unknowns = to_free.shape[1]
        self.iterations = 0
        self._solve: Callable[[np.ndarray, str], np.ndarray] | None = None

    def ideal_V(self, word_V: np.ndarray, bit_V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the node voltages of lines without resistance at terminals of these voltages."""
        node_V = self._network.ideal_voltages(np.concatenate([word_V, bit_V])[:, np.newaxis])[:, 0]
        return node_V[self._network.word_node], node_V[self._network.bit_node]

    def gathered(self, word_V: np.ndarray, bit_V: np.ndarray) -> np.ndarray:
        """Return the unknowns of corrections (word_line, bit_line) to the voltages of the nodes [V]."""
        node_V = np.zeros(self._network.incidence.shape[1])
        node_V[self._network.word_node], node_V[self._network.bit_node] = word_V, bit_V
        return node_V[: self.unknowns]

    def spread(self, correction_V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the unknowns at the nodes of the word lines and of the bit lines, (word_line, bit_line) [V]."""
        node_V = np.zeros(self._network.incidence.shape[1])
        node_V[: self.unknowns] = correction_V
        return node_V[self._network.word_node], node_V[self._network.bit_node]

    def imbalance(
        self, correction_V: np.ndarray, into_bit_A: np.ndarray, out_of_word_A: np.ndarray | None = None
    ) -> tuple[np.ndarray, float]:
        """Return the sum of currents into each free node [A] and the largest wire current [A]."""
        wire_A = self._wire_S * (self._wires @ correction_V)
        out_of_word_A = into_bit_A if out_of_word_A is None else out_of_word_A
        into_cells_A = self._word_ends.T @ out_of_word_A.ravel() - self._bit_ends.T @ into_bit_A.ravel()
        return -(self._wires.T @ wire_A + into_cells_A), float(np.abs(wire_A).max(initial=0.0))

    def linearise(self, state: CellState) -> None:
        """Factorise the equations at cells of this state."""
        word = self._word_ends.multiply(state.word_slope_S.reshape(-1, 1))
        bit = self._bit_ends.multiply(state.bit_slope_S.reshape(-1, 1))
        if self.unknowns:
            self._solve = factored(self._of_wires + self._cells.T @ (word - bit), 0.1).solve

    def step(self, imbalance_A: np.ndarray, tolerance: float, transposed: bool = False) -> np.ndarray:
        """Return what removes the imbalance [V]; a direct solution needs no tolerance."""
        self.iterations += 1
        if self._solve is None:
            return np.zeros(0)
        return self._solve(imbalance_A, "T" if transposed else "N")


def isolated(crossbar: Crossbar) -> tuple[np.ndarray, np.ndarray] | None:
    """Return which nodes of word lines and of bit lines no resistor joins to a terminal, or None where all are.

    >>> from nvmphys.crossbar import Crossbar
    >>> isolated(Crossbar([[1e-4, 0.0]], [[1.0, float("inf")]], 1.0))
    (array([[False,  True]]), array([[False, False]]))
    """
    near = crossbar.word_branches_ohm[:, :-1], crossbar.bit_branches_ohm[:, :-1]
    if not any(np.isinf(part).any() for part in near):
        return None  # every node reaches the near end of its line
    m, n = crossbar.shape
    begin, end, resistance = _wires(crossbar)
    alone = _unreachable(crossbar, begin, end, resistance, 2 * m * n + np.arange(m + n))
    word, bit = alone[: 2 * m * n].reshape(2, m, n)
    return word, bit


def _wires(crossbar: Crossbar) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return begin, end and resistance [ohm] of the branches of all lines; cells first, then sources and senses."""
    m, n = crossbar.shape
    word, bit = np.arange(2 * m * n).reshape(2, m, n)
    source, sense = 2 * m * n + np.arange(m)[:, np.newaxis], 2 * m * n + m + np.arange(n)[:, np.newaxis]
    begin, end = [], []
    for terminal, nodes in ((source, word), (sense, bit[::-1].T)):
        chain = np.hstack([terminal, nodes, terminal])
        begin.append(chain[:, :-1].ravel())
        end.append(chain[:, 1:].ravel())
    resistance = [crossbar.word_branches_ohm.ravel(), crossbar.bit_branches_ohm.ravel()]
    return np.concatenate(begin), np.concatenate(end), np.concatenate(resistance)


def _parts(begin: np.ndarray, end: np.ndarray, nodes: int) -> np.ndarray:
    """Return the number of the connected part that each node is in."""
    graph = sp.coo_array((np.ones(len(begin), dtype=np.int8), (begin, end)), shape=(nodes, nodes))
    return connected_components(graph, directed=False)[1]


def _unreachable(
    crossbar: Crossbar, begin: np.ndarray, end: np.ndarray, resistance: np.ndarray, terminals: np.ndarray
) -> np.ndarray:
    """Return for each node whether no resistor joins it to a terminal."""
    m, n = crossbar.shape
    cell = np.flatnonzero(crossbar.conductance_S)
    wire = resistance < np.inf
    part = _parts(np.concatenate([begin[wire], cell]), np.concatenate([end[wire], m * n + cell]), terminals[-1] + 1)
    return ~np.isin(part, part[terminals])


def _numbered(
    crossbar: Crossbar, begin: np.ndarray, end: np.ndarray, resistance: np.ndarray, terminals: np.ndarray
) -> tuple[np.ndarray, int]:
    """Return the number of each node, merged and in the order of elimination, and how many are free."""
    short = resistance == 0
    nodes = terminals[-1] + 1
    part = _parts(begin[short], end[short], nodes) if short.any() else np.arange(nodes)
    order = nested_dissection(*crossbar.shape)
    place = np.full(nodes, -1)  # of each part: where the last of its nodes stands
    np.maximum.at(place, part[order], np.arange(len(order)))
    place[part[terminals]] = len(order) + np.arange(len(terminals))
    if (alone := isolated(crossbar)) is not None:
        place[part[: 2 * alone[0].size][np.concatenate([x.ravel() for x in alone])]] = nodes
    known = len(order)
    free = np.unique(place[(place >= 0) & (place < known)])
    number = np.empty(nodes + 1, dtype=int)
    number[free] = np.arange(len(free))
    number[known:] = len(free) + np.arange(nodes + 1 - known)
    return number[place[part]], len(free)


def factored(laplacian: sp.spmatrix, pivot_threshold: float) -> SuperLU:
    """Return the factors of a matrix whose rows are in the order of elimination."""
    try:
        return splu(
            laplacian.tocsc(), permc_spec="NATURAL", diag_pivot_thresh=pivot_threshold, options={"SymmetricMode": True}
        )
    except RuntimeError:  # exactly singular: a small conductance was lost in a sum with a large one
        raise CheckFailed(f"the nodal solution must have a regular matrix (got a singular one): {TOO_FAR}") from None


def one_blas_thread() -> AbstractContextManager[object]:
    """Return a context in which BLAS has one thread: on a busy machine more slow small solves hundreds of times."""
    return _blas_threads().limit(limits=1, user_api="blas")


@functools.cache
def _blas_threads() -> ThreadpoolController:
    """Find the loaded BLAS libraries, once."""
    return ThreadpoolController()
