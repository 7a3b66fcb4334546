"""Conjugate gradients on the bit lines of a crossbar, with whole lines solved at a time.

At slopes g of the cells a Newton step solves

    [ T_w  -g ] [dw]   [f_w]      T_w = Laplacian of the word lines with their ends + diag(g), tridiagonal,
    [ -g  T_b ] [db] = [f_b],     T_b the same of the bit lines.

Word lines are eliminated: S·db = f_b + g∘T_w⁻¹f_w with S = T_b - g∘T_w⁻¹∘g, symmetric and positive definite, and
conjugate gradients are preconditioned by T_b: an iteration is a sweep to and fro along each line of both kinds. 4 to 19
iterations reduce the error by 1e-13 for n = 32 … 1024 at 1 ohm and 1 … 100 µS; their number grows with n·√(r·G).

The tridiagonal factors are those of a resistor ladder: s_j, the conductance from node j back to the terminals,

    s_j = g_j + c_j·s_{j-1}/(s_{j-1} + c_j),      pivot d_j = s_j + c_{j+1},

with c_j the branch in front of node j. All sums are of positive numbers, so small conductances of cells beside large
ones of wires keep their digits, broken branches (c = 0) included; a node joined to nothing has d = 0 and stays where it
is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from nvmphys.crossbar.cells import CellState
from nvmphys.crossbar.nodal import TOO_FAR, isolated
from nvmphys.errors import CheckFailed

if TYPE_CHECKING:
    from nvmphys.crossbar.array import Crossbar

Array = np.ndarray

LANES = 8
"""Word lines swept at once: the width of a vector register."""

MAX_ITERATIONS = 5000

SUMS = {"reassoc", "contract", "nsz"}
"""Allowed to the compiler in the iteration: another order of sums. Never where digits depend on it."""


class LineSystem:
    """The circuit equations of a crossbar without zero resistances, for `nvmphys.crossbar.operating_point`.

    Unknown are the corrections (2, word_line, bit_line): word lines, then bit lines.
    """

    method = "cg"

    def __init__(self, crossbar: Crossbar) -> None:
        m, n = self.shape = crossbar.shape
        self._word_S = 1 / crossbar.word_branches_ohm
        self._bit_S = np.ascontiguousarray(1 / crossbar.bit_branches_ohm[:, ::-1].T)
        self._isolated = isolated(crossbar)
        self._slope_S = np.empty((m, n))
        blocks = -(-m // LANES)
        self._word_ratio, self._word_inverse = np.zeros((2, blocks, n, LANES))
        self._bit_ratio, self._bit_inverse = np.zeros((2, m, n))
        self._work = np.empty((5, m, n))
        self.iterations = 0

    def ideal_V(self, word_V: np.ndarray, bit_V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the node voltages of lines without resistance at terminals of these voltages."""
        word_nodes_V = np.repeat(word_V[:, np.newaxis], self.shape[1], axis=1)
        bit_nodes_V = np.repeat(bit_V[np.newaxis], self.shape[0], axis=0)
        if self._isolated is not None:
            word_nodes_V[self._isolated[0]] = 0.0
            bit_nodes_V[self._isolated[1]] = 0.0
        return word_nodes_V, bit_nodes_V

    def gathered(self, word_V: np.ndarray, bit_V: np.ndarray) -> np.ndarray:
        """Return the unknowns of corrections (word_line, bit_line) to the voltages of the nodes [V]."""
        return np.stack([word_V, bit_V])

    def spread(self, correction_V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the unknowns at the nodes of the word lines and of the bit lines, (word_line, bit_line) [V]."""
        return correction_V[0], correction_V[1]

    def imbalance(
        self, correction_V: np.ndarray, into_bit_A: np.ndarray, out_of_word_A: np.ndarray | None = None
    ) -> tuple[np.ndarray, float]:
        """Return the sum of currents into each node [A] and the largest wire current [A], for currents of the cells."""
        imbalance_A = np.empty((2, *self.shape))
        out_of_word_A = into_bit_A if out_of_word_A is None else out_of_word_A
        wire_A = _imbalance(
            self._word_S, self._bit_S, correction_V[0], correction_V[1], out_of_word_A, into_bit_A, *imbalance_A
        )
        return imbalance_A, wire_A

    def linearise(self, state: CellState) -> None:
        """Factorise the lines at cells of this state, at the mean of their two slopes where that is not below 0."""
        slope_S = state.word_slope_S
        if state.bit_slope_S is not slope_S:
            slope_S = 0.5 * (slope_S + state.bit_slope_S)
        np.maximum(slope_S, 0.0, out=self._slope_S)
        _factor_word_lines(self._slope_S, self._word_S, self._word_ratio, self._word_inverse)
        _factor_bit_lines(self._slope_S, self._bit_S, self._bit_ratio, self._bit_inverse)

    def step(self, imbalance_A: np.ndarray, tolerance: float, transposed: bool = False) -> np.ndarray:
        """Return what removes the imbalance [V], to a relative tolerance; the matrix is its own transpose."""
        step_V = np.zeros((2, *self.shape))
        taken = _conjugate_gradients(
            self._slope_S, self._bit_S, self._word_ratio, self._word_inverse, self._bit_ratio, self._bit_inverse,
            *imbalance_A, tolerance, MAX_ITERATIONS, *step_V, *self._work,
        )  # fmt: skip
        if taken < 0:
            raise CheckFailed(
                f"conjugate gradients must end within {MAX_ITERATIONS} iterations (got no result): {TOO_FAR}"
            )
        self.iterations += taken
        return step_V


@njit(nogil=True, cache=True)
def _factor_word_lines(slope_S: Array, branch_S: Array, ratio: Array, inverse: Array) -> None:
    """Factorise all word lines, branch_S (line, node + 1), into ratio and inverse (block, node, lane)."""
    m, n = slope_S.shape
    back_S, share = np.empty(LANES), np.empty(LANES)
    slopes_S, ahead_S = np.zeros((n, LANES)), np.zeros((n + 1, LANES))
    for block in range(ratio.shape[0]):
        first = block * LANES
        for lane in range(min(LANES, m - first)):
            for j in range(n):
                slopes_S[j, lane] = slope_S[first + lane, j]
                ahead_S[j, lane] = branch_S[first + lane, j]
            ahead_S[n, lane] = branch_S[first + lane, n]
        for lane in range(LANES):
            back_S[lane] = slopes_S[0, lane] + ahead_S[0, lane]
        for j in range(n):
            for lane in range(LANES):
                pivot_S = back_S[lane] + ahead_S[j + 1, lane]
                inverse[block, j, lane] = 1.0 / pivot_S if pivot_S > 0.0 else 0.0
                share[lane] = ahead_S[j + 1, lane] * inverse[block, j, lane]
            if j + 1 < n:
                for lane in range(LANES):
                    ratio[block, j + 1, lane] = share[lane]
                    back_S[lane] = slopes_S[j + 1, lane] + share[lane] * back_S[lane]


@njit(nogil=True, cache=True)
def _factor_bit_lines(slope_S: Array, branch_S: Array, ratio: Array, inverse: Array) -> None:
    """Factorise all bit lines, branch_S (node + 1, line), into ratio and inverse (node, line)."""
    m, n = slope_S.shape
    back_S = slope_S[0] + branch_S[0]
    for i in range(m):
        for j in range(n):
            pivot_S = back_S[j] + branch_S[i + 1, j]
            inverse[i, j] = 1.0 / pivot_S if pivot_S > 0.0 else 0.0
            if i + 1 < m:
                share = branch_S[i + 1, j] * inverse[i, j]
                ratio[i + 1, j] = share
                back_S[j] = slope_S[i + 1, j] + share * back_S[j]


@njit(nogil=True, cache=True)
def _imbalance(
    word_S: Array,
    bit_S: Array,
    word_V: Array,
    bit_V: Array,
    out_of_word_A: Array,
    into_bit_A: Array,
    word_A: Array,
    bit_A: Array,
) -> float:
    """Fill the sums of currents into the nodes; return the largest current of a wire."""
    m, n = word_V.shape
    largest = 0.0
    for i in range(m):
        before = word_S[i, 0] * (0.0 - word_V[i, 0])
        largest = max(largest, abs(before))
        for j in range(n):
            beyond_V = word_V[i, j + 1] if j + 1 < n else 0.0
            after = word_S[i, j + 1] * (word_V[i, j] - beyond_V)
            largest = max(largest, abs(after))
            word_A[i, j] = before - after - out_of_word_A[i, j]
            before = after
    for i in range(m):
        for j in range(n):
            above_V = bit_V[i - 1, j] if i > 0 else 0.0
            below_V = bit_V[i + 1, j] if i + 1 < m else 0.0
            above = bit_S[i, j] * (above_V - bit_V[i, j])
            below = bit_S[i + 1, j] * (bit_V[i, j] - below_V)
            largest = max(largest, abs(above), abs(below))
            bit_A[i, j] = above - below + into_bit_A[i, j]
    return largest


@njit(nogil=True, cache=True, fastmath=SUMS, inline="always")
def _sweep_word_lines(ratio: Array, inverse: Array, lanes: Array) -> None:
    """Solve the word lines of one block in place, ratio, inverse and lanes (node, lane)."""
    n = lanes.shape[0]
    for j in range(1, n):
        for lane in range(LANES):
            lanes[j, lane] += ratio[j, lane] * lanes[j - 1, lane]
    for lane in range(LANES):
        lanes[n - 1, lane] *= inverse[n - 1, lane]
    for j in range(n - 2, -1, -1):
        for lane in range(LANES):
            lanes[j, lane] = lanes[j, lane] * inverse[j, lane] + ratio[j + 1, lane] * lanes[j + 1, lane]


@njit(nogil=True, cache=True, fastmath=SUMS)
def _solve_word_lines(ratio: Array, inverse: Array, right: Array, solution: Array) -> None:
    """Solve all word lines, right and solution (line, node)."""
    m, n = right.shape
    lanes = np.zeros((n, LANES))
    for block in range(ratio.shape[0]):
        first = block * LANES
        count = min(LANES, m - first)
        for lane in range(count):
            for j in range(n):
                lanes[j, lane] = right[first + lane, j]
        _sweep_word_lines(ratio[block], inverse[block], lanes)
        for lane in range(count):
            for j in range(n):
                solution[first + lane, j] = lanes[j, lane]


@njit(nogil=True, cache=True, fastmath=SUMS)
def _apply(
    slope_S: Array, bit_S: Array, ratio: Array, inverse: Array, lanes: Array, search: Array, applied: Array
) -> float:
    """Fill applied = S·search; return their inner product."""
    m, n = search.shape
    product = 0.0
    for block in range(ratio.shape[0]):
        first = block * LANES
        count = min(LANES, m - first)
        for lane in range(count):
            for j in range(n):
                lanes[j, lane] = slope_S[first + lane, j] * search[first + lane, j]
        _sweep_word_lines(ratio[block], inverse[block], lanes)
        for lane in range(count):
            i = first + lane
            for j in range(n):
                here = search[i, j]
                above = search[i - 1, j] if i > 0 else 0.0
                below = search[i + 1, j] if i + 1 < m else 0.0
                value = (
                    slope_S[i, j] * (here - lanes[j, lane])
                    + bit_S[i, j] * (here - above)
                    + bit_S[i + 1, j] * (here - below)
                )
                applied[i, j] = value
                product += value * here
    return product


@njit(nogil=True, cache=True, fastmath=SUMS)
def _advance(
    ratio: Array,
    inverse: Array,
    length: float,
    search: Array,
    applied: Array,
    solution: Array,
    residual: Array,
    preconditioned: Array,
) -> float:
    """Take a step of this length and solve the bit lines for the new residual; return their inner product."""
    m, n = search.shape
    for j in range(n):
        solution[0, j] += length * search[0, j]
        residual[0, j] -= length * applied[0, j]
        preconditioned[0, j] = residual[0, j]
    for i in range(1, m):
        for j in range(n):
            solution[i, j] += length * search[i, j]
            residual[i, j] -= length * applied[i, j]
            preconditioned[i, j] = residual[i, j] + ratio[i, j] * preconditioned[i - 1, j]
    product = 0.0
    for j in range(n):
        preconditioned[m - 1, j] *= inverse[m - 1, j]
        product += residual[m - 1, j] * preconditioned[m - 1, j]
    for i in range(m - 2, -1, -1):
        for j in range(n):
            preconditioned[i, j] = preconditioned[i, j] * inverse[i, j] + ratio[i + 1, j] * preconditioned[i + 1, j]
            product += residual[i, j] * preconditioned[i, j]
    return product


@njit(nogil=True, cache=True)
def _conjugate_gradients(
    slope_S: Array,
    bit_S: Array,
    word_ratio: Array,
    word_inverse: Array,
    bit_ratio: Array,
    bit_inverse: Array,
    word_A: Array,
    bit_A: Array,
    tolerance: float,
    most: int,
    word_V: Array,
    bit_V: Array,
    residual: Array,
    search: Array,
    applied: Array,
    preconditioned: Array,
    right: Array,
) -> int:
    """Solve for word_V and bit_V, zero at the start; return the iterations taken, negative without a result."""
    m, n = slope_S.shape
    lanes = np.zeros((n, LANES))
    _solve_word_lines(word_ratio, word_inverse, word_A, right)
    for i in range(m):
        for j in range(n):
            residual[i, j] = bit_A[i, j] + slope_S[i, j] * right[i, j]
            search[i, j] = 0.0
            applied[i, j] = 0.0
    size = _advance(bit_ratio, bit_inverse, 0.0, search, applied, bit_V, residual, preconditioned)
    goal, taken, scale = tolerance * tolerance * size, 0, 0.0
    while size > goal and size > 0.0:
        if taken == most:
            return -1
        for i in range(m):
            for j in range(n):
                search[i, j] = preconditioned[i, j] + scale * search[i, j]
        curvature = _apply(slope_S, bit_S, word_ratio, word_inverse, lanes, search, applied)
        if not curvature > 0.0:
            return -1
        after = _advance(bit_ratio, bit_inverse, size / curvature, search, applied, bit_V, residual, preconditioned)
        scale, size, taken = after / size, after, taken + 1
    if not size >= 0.0:
        return -1
    for i in range(m):
        for j in range(n):
            right[i, j] = word_A[i, j] + slope_S[i, j] * bit_V[i, j]
    _solve_word_lines(word_ratio, word_inverse, right, word_V)
    return taken
