"""Radau IIA of order 5 for crossbars with capacitances: L-stable, stiffly accurate, adaptive, with dense output.

One step from y_n to y_n + Z_3 collocates C·y' + S·u' = F(y, u) at c = (4 - √6)/10, (4 + √6)/10 and 1 with the cubic
through y_n and the three stages; that cubic is also the dense output. With A of Radau IIA and A⁻¹ = V·Λ·V⁻¹, one real
eigenvalue and a complex pair, each Newton step is one real and one complex sparse system, (λ/h)·C + J, factorised in
the order of `nvmphys.crossbar.dissection` and kept while step and slopes stay. For linear cells one Newton step is
exact. The error is that of the embedded formula of order 3, filtered by the real system, so that components that
have died out do not limit the step. (E. Hairer and G. Wanner, Solving Ordinary Differential Equations II, 2nd ed.,
Springer 1996, sections IV.5 and IV.8, doi:10.1007/978-3-642-05221-7; J. Comput. Appl. Math. 111, 93 (1999),
doi:10.1016/S0377-0427(99)00134-X.)

u is straight in every piece of the stimulus and steps end at its corners. At a corner u' jumps, y and F do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import SuperLU

from nvmphys.crossbar.charging import Array, ChargingSystem
from nvmphys.crossbar.nodal import factored, one_blas_thread
from nvmphys.errors import CheckFailed

_ROOT = math.sqrt(6.0)
NODES = np.array([0.0, (4 - _ROOT) / 10, (4 + _ROOT) / 10, 1.0])
"""The start of a step, then c of the stages."""
_A = np.array(
    [
        [(88 - 7 * _ROOT) / 360, (296 - 169 * _ROOT) / 1800, (-2 + 3 * _ROOT) / 225],
        [(296 + 169 * _ROOT) / 1800, (88 + 7 * _ROOT) / 360, (-2 - 3 * _ROOT) / 225],
        [(16 - _ROOT) / 36, (16 + _ROOT) / 36, 1 / 9],
    ]
)
WEIGHTS = _A[2]
"""Quadrature of order 5 at the stages."""
_RATES = np.linalg.inv(_A)
"""Stage derivatives are _RATES·Z/h."""
_ERROR = np.array([-13 - 7 * _ROOT, -13 + 7 * _ROOT, -1.0]) / 3

SAFETY, SHRINK, GROW = 0.9, 0.1, 8.0
"""Of the change of a step."""
KEPT_NUMBERS = 1e7
"""Of all factors kept at a time: 0.3 GB."""
NEWTON_STEPS, NEWTON_SHARE = 8, 0.02
"""How many for the stages of non-linear cells, and how far below the tolerance they end."""
SLOW = 0.05
"""Where Newton steps shrink by less than to this share, slopes are taken anew for the next step."""
SHORTEST = 1e-13
"""Step over the length of its piece."""
MAX_STEPS = 100_000
LOOKED_AT = 0.85
"""Where between the nodes of a step the cubic is put into the equations of non-linear cells."""


def cubic(at: Array) -> Array:
    """Return the weights (moment, node) of the values at NODES in the cubic through them.

    >>> float(cubic(np.array([0.5]))[0] @ NODES**3)
    0.125
    """
    weights = (np.prod([(at - other) / (node - other) for other in NODES if other != node], 0) for node in NODES)
    return np.stack([*weights], axis=1)


def _spectrum() -> tuple[float, complex, Array, Array]:
    """Return the real and one complex eigenvalue of A⁻¹, their eigenvectors (stage, 2), and these rows of V⁻¹."""
    values, vectors = np.linalg.eig(_RATES)
    order = [int(np.argmin(np.abs(values.imag))), int(np.argmax(values.imag)), int(np.argmin(values.imag))]
    inverse = np.linalg.inv(vectors[:, order])
    return float(values[order[0]].real), complex(values[order[1]]), vectors[:, order[:2]], inverse[:2]


_REAL, _COMPLEX, _VECTORS, _INVERSE = _spectrum()


def _cubic_rates(at: float) -> Array:
    """Return the weights of Z/h in the derivative of the cubic, at a share of the step."""
    powers = NODES[1:, np.newaxis] ** np.arange(1, 4)  # Z_i = Σ_k a_k·c_i^k
    return np.linalg.solve(powers.T, np.arange(1, 4) * at ** np.arange(3.0))


_START_RATES, _LOOKED_AT_RATES = _cubic_rates(0.0), _cubic_rates(LOOKED_AT)


def _on_grid(step_s: float) -> float:
    """Return the power of two below: steps come back to lengths whose factors are known.

    >>> _on_grid(3.0)
    2.0
    """
    return 2.0 ** math.floor(math.log2(step_s))


@dataclass(frozen=True, eq=False)
class Step:
    """One accepted step, at its four NODES.

    Attributes
    ----------
    begin_s, length_s : float
    y : ndarray, (unknown, node)
        Corrections to the voltages of the free nodes [V].
    u : ndarray, (terminal, node)
        Voltages of the terminals [V].
    end_rate : ndarray, (unknown,)
        Derivative of y at the end [V/s].
    cell_A : ndarray, (cell, node)
    terminal_A : ndarray, (terminal, node)
        Currents out of the array [A].
    """

    begin_s: float
    length_s: float
    y: Array
    u: Array
    end_rate: Array
    cell_A: Array
    terminal_A: Array


@dataclass
class Effort:
    """What an integration took: steps, those rejected, pairs of factorisations, Newton steps."""

    steps: int = 0
    rejected: int = 0
    factorisations: int = 0
    newton_steps: int = 0


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of a stimulus: it begins at u (terminal,) [V] and changes by u_rate [V/s] until end_s."""

    begin_s: float
    end_s: float
    u: Array
    u_rate: Array

    def at(self, time_s: Array) -> Array:
        """Return the voltages of the terminals (terminal, moment) [V]."""
        return self.u[:, np.newaxis] + self.u_rate[:, np.newaxis] * (time_s - self.begin_s)


class Integrator:
    """Integrates a crossbar from an operating point on, one piece of its stimulus after the other.

    Parameters
    ----------
    system : ChargingSystem
    u : ndarray, (terminal,)
        Voltages at the start [V], at the operating point of which it begins.
    voltage_V, current_A : float
        Tolerances of node voltages and of output currents; a current of 0 is not looked at.
    """

    def __init__(self, system: ChargingSystem, u: Array, voltage_V: float, current_A: float) -> None:
        self.system, self.effort, self.time_s = system, Effort(), 0.0
        self._tolerance_V, self._tolerance_A = voltage_V, current_A
        self._lines, self._linear = system.crossbar.shape[0], system.crossbar.cell.linear
        self.y = system.steady(u)
        self._cell_A = system.cell_currents(self.y[:, np.newaxis], u[:, np.newaxis])
        self._slopes, self._fresh, self._slow = system.slopes(self.y, u), True, False
        self._factors: dict[float, tuple[SuperLU, SuperLU]] = {}
        self._last: Step | None = None
        self._reason = ""

    def steps(self, piece: Piece, first_s: float) -> Iterator[Step]:
        """Yield the steps of one piece, the first of length `first_s` if that is good.

        Raises
        ------
        CheckFailed
            "the transient must …".
        """
        wanted_s, corner, self._last = first_s, True, None
        while self.time_s < piece.end_s:
            left_s = piece.end_s - self.time_s
            last = wanted_s >= left_s * (1 - 1e-9)
            h = left_s if last else _on_grid(wanted_s)
            self._check(h, piece)
            try:
                with one_blas_thread():
                    made = self._attempt(piece, h, corner)
            except CheckFailed as found:  # a cell, or a matrix, that has no solution so far from the last step
                made, self._reason = None, f": {found}"
            if made is None or made[1] > 1:
                wanted_s = h * (0.5 if made is None else max(SHRINK, SAFETY * made[1] ** -0.25))
                corner = True
                self.effort.rejected += 1
                continue
            step, error = made
            corner = False
            self.effort.steps += 1
            self.time_s = piece.end_s if last else self.time_s + h
            self.y, self._cell_A, self._last = step.y[:, -1], step.cell_A[:, -1:], step
            self._fresh = False
            if self._slow:
                self._renew(self.y, step.u[:, -1], fresh=True)
            wanted_s = h * min(GROW, max(SHRINK, SAFETY * max(error, 1e-8) ** -0.25))
            yield step

    def _check(self, h: float, piece: Piece) -> None:
        """Raise where there is no end in sight."""
        shortest = h < SHORTEST * min(piece.end_s - piece.begin_s, max(self.time_s, h))
        if shortest or self.effort.steps > MAX_STEPS:
            why = f"no step is short enough{self._reason}" if shortest else f"{MAX_STEPS} steps were not enough"
            raise CheckFailed(
                f"the transient must come to its end (got to {self.time_s:.3e} s; {why}): cells whose current falls "
                "with voltage may jump; a wider tolerance, or capacitances at such cells, may help"
            )

    def _attempt(self, piece: Piece, h: float, corner: bool) -> tuple[Step, float] | None:
        """Return a step and its error over the tolerance, or None where the stages were not found."""
        system, time_s = self.system, self.time_s + h * NODES
        u = piece.at(time_s)
        found = self._stages(u, piece.u_rate, h)
        if found is None and not self._fresh:
            self._renew(self.y, u[:, 0], fresh=True)
            found = self._stages(u, piece.u_rate, h)
        if found is None:
            return None
        moved, cell_A = found
        y = np.hstack([self.y[:, np.newaxis], self.y[:, np.newaxis] + moved])
        cell_A = np.hstack([self._cell_A, cell_A])
        rates = np.hstack([moved @ _START_RATES[:, np.newaxis], moved @ _RATES.T]) / h
        if self._last is not None:
            rates[:, 0] = self._last.end_rate
        terminal_A = system.into_terminals(y, cell_A, rates, piece.u_rate[:, np.newaxis])
        step = Step(self.time_s, h, y, u, rates[:, -1], cell_A, terminal_A)
        error = self._error(step, moved, piece.u_rate, corner) if system.unknowns else 0.0
        return step, max(error, self._interpolation_error(step, moved, piece))

    def _stages(self, u: Array, u_rate: Array, h: float) -> tuple[Array, Array] | None:
        """Return Z (unknown, stage) and the currents of the cells at the stages."""
        system, count = self.system, len(self.y)
        if not count:
            return np.zeros((0, 3)), system.cell_currents(np.zeros((0, 3)), u[:, 1:])
        moved = self._guess(h)
        charging = (system.line_charge_F @ u_rate)[:, np.newaxis]
        before = np.inf
        for k in range(1 if self._linear else NEWTON_STEPS):
            y = self.y[:, np.newaxis] + moved
            cell_A = system.cell_currents(y, u[:, 1:])
            excess = system.flow(y, cell_A) - charging - system.capacitance_F @ (moved @ _RATES.T) / h
            if not np.isfinite(excess).all():
                return None
            change = self._solve(excess, h)
            moved = moved + change
            self.effort.newton_steps += 1
            if self._linear:
                return moved, system.cell_currents(self.y[:, np.newaxis] + moved, u[:, 1:])
            size = self._norm(change, h)
            rate = size / before
            if rate >= 1:
                return None
            if size <= NEWTON_SHARE or (k and size * rate / (1 - rate) <= NEWTON_SHARE):
                self._slow = rate > SLOW
                return moved, system.cell_currents(self.y[:, np.newaxis] + moved, u[:, 1:])
            before = size
        return None

    def _guess(self, h: float) -> Array:
        """Return Z as the cubic of the last step goes on, for cells that are iterated."""
        last = self._last
        if last is None or self._linear:
            return np.zeros((len(self.y), 3))
        return last.y @ cubic(1 + NODES[1:] * h / last.length_s).T - self.y[:, np.newaxis]

    def _renew(self, y: Array, u: Array, *, fresh: bool) -> None:
        """Take the slopes of the cells at these voltages; they are fresh at the start of the step."""
        self._slopes, self._factors, self._fresh = self.system.slopes(y, u), {}, fresh

    def _solvers(self, h: float) -> tuple[SuperLU, SuperLU]:
        """Return the factors of the real and the complex system for steps of this length."""
        if h not in self._factors:
            charging = self.system.capacitance_F
            real, complex_one = (factored(value / h * charging + self._slopes, 0.1) for value in (_REAL, _COMPLEX))
            while sum(each.nnz for each, _ in self._factors.values()) > KEPT_NUMBERS - real.nnz:
                if not self._factors:
                    break
                del self._factors[next(iter(self._factors))]
            self._factors[h] = real, complex_one
            self.effort.factorisations += 1
        return self._factors[h]

    def _solve(self, excess_A: Array, h: float) -> Array:
        """Return the Newton step of the stages (unknown, stage) [V]."""
        real, complex_one = self._solvers(h)
        first = real.solve(np.ascontiguousarray((excess_A @ _INVERSE[0]).real))
        second = complex_one.solve(np.ascontiguousarray(excess_A @ _INVERSE[1]))
        return np.outer(first, _VECTORS[:, 0].real) + 2 * np.outer(second, _VECTORS[:, 1]).real

    def _error(self, step: Step, moved: Array, u_rate: Array, corner: bool) -> float:
        """Return the estimated error of a step over the tolerance."""
        system, h = self.system, step.length_s
        real, _ = self._solvers(h)
        charged = system.capacitance_F @ (moved @ _ERROR) / h - system.line_charge_F @ u_rate
        begin, u = step.y[:, :1], step.u[:, :1]
        error_V = real.solve(system.flow(begin, step.cell_A[:, :1])[:, 0] + charged)
        if corner and self._norm(error_V, h) > 1:  # stiff components are filtered once more
            other = begin + error_V[:, np.newaxis]
            error_V = real.solve(system.flow(other, system.cell_currents(other, u))[:, 0] + charged)
        return self._norm(error_V, h)

    def _norm(self, y: Array, h: float) -> float:
        """Return the largest of differences of y over their tolerance, and of what they do to the outputs.

        Where capacitances meet the sense amplifiers directly, the difference is one of charge that comes within a step.
        """
        worst = float(np.abs(y).max(initial=0.0)) / self._tolerance_V
        if self._tolerance_A > 0:
            outputs_A = self.system.wires_into_terminals(y)[self._lines :]
            displaced_A = self.system.displaced(y * (_REAL / h))[self._lines :]
            worst = max(worst, float((np.abs(outputs_A) + np.abs(displaced_A)).max()) / self._tolerance_A)
        return worst if np.isfinite(worst) else np.inf

    def _interpolation_error(self, step: Step, moved: Array, piece: Piece) -> float:
        """Return how far between the nodes of a step the cubic is from the solution, over the tolerance.

        What follows at once, as cells of non-linear current behind a line resistance do, has no error of a formula.
        """
        if self._linear:
            return 0.0
        system, h = self.system, step.length_s
        weights = cubic(np.array([LOOKED_AT])).T
        y, u = step.y @ weights, piece.at(np.array([step.begin_s + LOOKED_AT * h]))
        cell_A = system.cell_currents(y, u)
        worst = 0.0
        if len(y):
            rate = moved @ _LOOKED_AT_RATES / h
            defect_A = system.flow(y, cell_A)[:, 0] - system.line_charge_F @ piece.u_rate - system.capacitance_F @ rate
            worst = self._norm(self._solvers(h)[0].solve(defect_A), h)
        if system.cells_meet_terminals and self._tolerance_A > 0:
            off_A = system.cells_into_terminals(cell_A - step.cell_A @ weights)[self._lines :]
            worst = max(worst, float(np.abs(off_A).max()) / self._tolerance_A)
        return worst if np.isfinite(worst) else np.inf
