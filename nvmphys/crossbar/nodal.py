"""Nodal analysis of a crossbar: sparse, direct, accurate to rounding.

Branch k of conductance g_k joins two of the nodes; D is the branch × node incidence matrix, so the branch currents are
j = g ∘ (D·x) and Kirchhoff's current law at the free nodes is D_fᵀ·j = 0. Free nodes are numbered first, then the
terminals, whose voltages are given: the m sources and the n senses.

A segment conducts some 1e5 times better than a cell, and by that much a plain solution for x misses Kirchhoff's law by
more than rounding. Two things keep the digits:

* What is solved for is the *correction* y to the array without line resistances, x = x_ideal + y. D·x_ideal vanishes
  exactly along the lines, so rounding scales with the IR drop instead of with the voltage.
* The residual is formed branch by branch, not with the assembled matrix, and fed back (iterative refinement).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import SuperLU, splu
from threadpoolctl import ThreadpoolController

from nvmphys.errors import CheckFailed

if TYPE_CHECKING:
    from nvmphys.crossbar.array import Crossbar

MAX_SOLVES = 10
ROUNDING = 4 * float(np.finfo(float).eps)
RIGHT_HAND_SIDES = 64
"""Solved at a time: bounds the memory of `transfer_conductance`."""

_TOO_FAR = "the resistances differ by more than double precision carries; set the negligible ones to 0"


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
        +1 where a branch begins, −1 where it ends.
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
        word_free = _free_nodes((m, n), crossbar.r_word_line_ohm, crossbar.r_driver_ohm)
        bit_free = _free_nodes((n, m), crossbar.r_bit_line_ohm, crossbar.r_sense_ohm)
        free = word_free.size + bit_free.size
        source, sense = free + np.arange(m)[:, np.newaxis], free + m + np.arange(n)[:, np.newaxis]
        word_node = np.broadcast_to(word_free if word_free.size else source, (m, n))
        bit_line = np.broadcast_to(word_free.size + bit_free if bit_free.size else sense, (n, m))  # from the sense up
        bit_node = bit_line[:, ::-1].T
        branches = [
            _line_branches(source, word_node, crossbar.r_word_line_ohm, crossbar.r_driver_ohm),
            _line_branches(sense, bit_line, crossbar.r_bit_line_ohm, crossbar.r_sense_ohm),
            (word_node.ravel(), bit_node.ravel(), crossbar.conductance_S.ravel()),
        ]
        begin, end, conductance = (np.concatenate(part) for part in zip(*branches, strict=True))
        number = np.arange(len(conductance))
        incidence = sp.csc_array(
            (np.repeat([1.0, -1.0], len(number)), (np.tile(number, 2), np.concatenate([begin, end]))),
            shape=(len(number), free + m + n),
        )
        return cls(word_node, bit_node, free, incidence, conductance[:, np.newaxis])

    @functools.cached_property
    def _to_free(self) -> sp.csc_array:
        """Columns of the incidence matrix that belong to free nodes."""
        return self.incidence[:, : self.free_nodes]

    @functools.cached_property
    def _factor(self) -> SuperLU:
        """Factors of D_fᵀ·diag(g)·D_f: symmetric, positive definite and diagonally dominant, so no pivoting."""
        laplacian = (self._to_free.T @ self._to_free.multiply(self.branch_S)).tocsc()
        try:
            return splu(laplacian, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        except RuntimeError:  # exactly singular: a small conductance was lost in a sum with a large one
            raise CheckFailed(
                f"the nodal solution must have a regular matrix (got a singular one): {_TOO_FAR}"
            ) from None

    def ideal_voltages(self, terminal_V: np.ndarray) -> np.ndarray:
        """Return the node voltages (node, batch) with every line at the voltage of its terminal (terminal, batch)."""
        source, sense = np.split(terminal_V, [len(self.word_node)])
        node_V = np.empty((self.incidence.shape[1], terminal_V.shape[1]))
        node_V[self.word_node] = source[:, np.newaxis]
        node_V[self.bit_node] = sense
        node_V[self.free_nodes :] = terminal_V
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
        into_terminals = -self.incidence[:, self.free_nodes :].T
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
        with _blas_threads().limit(limits=1, user_api="blas"):
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
            f"{largest_V.max():.1e} V): {_TOO_FAR}"
        )

    def transfer_conductance(self, driven: slice, read: slice) -> np.ndarray:
        """Return the currents out of the terminals `read` per volt at each of `driven`, (read, driven) [S]."""
        unit = np.eye(self.incidence.shape[1] - self.free_nodes)[:, driven]
        blocks = (unit[:, k : k + RIGHT_HAND_SIDES] for k in range(0, unit.shape[1], RIGHT_HAND_SIDES))
        return np.hstack([self.solve(block).terminal_A[read] for block in blocks])


def _free_nodes(shape: tuple[int, int], r_segment: float, r_end: float) -> np.ndarray:
    """Number the free nodes of parallel lines, along each from its terminal: (line, cell), (line, 1) or (line, 0)."""
    lines, cells = shape
    cells = cells if r_segment else 1 if r_end else 0
    return np.arange(lines * cells).reshape(lines, cells)


def _line_branches(
    terminal: np.ndarray, nodes: np.ndarray, r_segment: float, r_end: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return begin, end and conductance of the segments of parallel lines, terminals (line, 1), nodes (line, cell)."""
    chain = np.hstack([terminal, nodes])
    resistance = np.full(nodes.shape, r_segment)
    resistance[:, 0] += r_end
    there = resistance > 0
    return chain[:, :-1][there], chain[:, 1:][there], 1 / resistance[there]


@functools.cache
def _blas_threads() -> ThreadpoolController:
    """Find the loaded BLAS libraries, once; on a busy machine their threads slow small solves hundreds of times."""
    return ThreadpoolController()
