"""The equations of a crossbar with capacitances.

With x the voltages of the free nodes and u those of the terminals, Kirchhoff's current law at the free nodes is

    d/dt (C·x + C_u·u) + i(x, u) = 0,

i(x, u) what resistors and cells draw. As in `nvmphys.crossbar.nodal` the unknown is the correction y to the array
without line resistances, x = P·u + y with P the terminal of each node's line, so that rounding scales with the IR drop:

    C·y' + S·u' = F(y, u),   S = C·P + C_u,   F = -i(P·u + y, u).

Nodes without capacitance give rows of C that are 0, a differential-algebraic system of index 1: no capacitance joins a
node that has none of its own to a terminal, so u' enters no algebraic equation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from nvmphys.crossbar.nodal import Network, factored, isolated
from nvmphys.crossbar.operating_point import solve
from nvmphys.errors import BadInput

if TYPE_CHECKING:
    from nvmphys.crossbar.array import Crossbar

Array = np.ndarray

POLISHING = 3
"""Newton steps that bring an operating point, known to the rounding of its voltages, to that of the IR drop."""


class ChargingSystem:
    """Matrices and currents of one crossbar; columns of `y` are several moments, those of `u` its terminals then.

    Attributes
    ----------
    unknowns : int
        Free nodes.
    capacitance_F : csc_array, (unknown, unknown)
        C [F].
    line_charge_F : csr_array, (unknown, terminal)
        S [F].

    Raises
    ------
    BadInput
        "the capacitance of cells needs …": a node floats but for it.
    """

    def __init__(self, crossbar: Crossbar) -> None:
        self.crossbar = crossbar
        network = Network.of(crossbar)
        self.network, self.unknowns = network, network.free_nodes
        wires = len(network.branch_S) - network.word_node.size
        nodes, (m, n) = network.incidence.shape[1], crossbar.shape
        to_wire = network.incidence.tocsr()[:wires]
        wires_S = sp.csr_array(to_wire.T @ to_wire.multiply(network.branch_S[:wires]))
        cell = np.arange(m * n)
        one = np.ones(m * n)
        word_end, bit_end = (
            sp.csr_array((one, (cell, node.ravel())), shape=(m * n, nodes))
            for node in (network.word_node, network.bit_node)
        )
        self._across = sp.csr_array(word_end - bit_end)
        free, self._terminals = self.unknowns, slice(self.unknowns, self.unknowns + m + n)
        self._wires_S, self._terminal_wires_S = wires_S[:free, :free].tocsc(), wires_S[self._terminals, :free]
        self._terminal_cells = sp.csr_array(self._across.T)[self._terminals]
        self._word_end, self._bit_end, self._across_free = word_end[:, :free], bit_end[:, :free], self._across[:, :free]
        at_words_F, at_bits_F, across_F = crossbar.capacitance.of_nodes(crossbar.shape)
        _check_isolated(crossbar, across_F)
        charge = sp.csr_array(self._across.T @ self._across.multiply(across_F.reshape(-1, 1))) + sp.diags_array(
            word_end.T @ at_words_F.ravel() + bit_end.T @ at_bits_F.ravel()
        )
        self._charge_F = sp.csr_array(charge)
        self.of_line = _lines(network, m + n)
        self.capacitance_F = self._charge_F[:free, :free].tocsc()
        charged = sp.csr_array(self._charge_F @ self.of_line)
        self.line_charge_F, self._terminal_lines_F = charged[:free], charged[self._terminals]
        self._terminal_charge_F = self._charge_F[self._terminals, :free]

    def _ends(self, y: Array, u: Array) -> tuple[Array, Array]:
        """Return the voltages of the ends of the cells, (word_line, bit_line) [V]."""
        node_V = self.voltages(y, u)
        return node_V[self.network.word_node], node_V[self.network.bit_node]

    def voltages(self, y: Array, u: Array) -> Array:
        """Return the voltages of all nodes (node[, moment]) [V]."""
        node_V = self.of_line @ u
        node_V[: self.unknowns] += y
        return node_V

    def cell_currents(self, y: Array, u: Array) -> Array:
        """Return the currents of the cells (cell, moment) [A]; not finite where they overflow."""
        crossbar = self.crossbar
        if crossbar.cell.linear:
            word_V, bit_V = self._ends(y, u)
            return (crossbar.conductance_S[..., np.newaxis] * (word_V - bit_V)).reshape(-1, y.shape[1])
        ends = (self._ends(y[:, k], u[:, k]) for k in range(y.shape[1]))
        return np.stack([crossbar.cell.state(crossbar.conductance_S, *each).current_A.ravel() for each in ends], axis=1)

    def flow(self, y: Array, cell_A: Array) -> Array:
        """Return F, the currents into the free nodes (unknown, moment) [A]."""
        return -(self._wires_S @ y + self._across_free.T @ cell_A)

    def slopes(self, y: Array, u: Array) -> sp.csc_array:
        """Return -dF/dy at one moment [S]."""
        crossbar = self.crossbar
        state = crossbar.cell.state(crossbar.conductance_S, *self._ends(y, u))
        word = self._word_end.multiply(state.word_slope_S.reshape(-1, 1))
        bit = self._bit_end.multiply(state.bit_slope_S.reshape(-1, 1))
        return sp.csc_array(self._wires_S + self._across_free.T @ (word - bit))

    def into_terminals(self, y: Array, cell_A: Array, y_rate: Array, u_rate: Array) -> Array:
        """Return the currents out of the array into its terminals (terminal, moment) [A], those of charges included."""
        return self.steady_terminals(y, cell_A) - self.displaced(y_rate) - self._terminal_lines_F @ u_rate

    def displaced(self, y_rate: Array) -> Array:
        """Return the currents out of the terminals into capacitances between them and nodes that change [A]."""
        return self._terminal_charge_F @ y_rate

    def steady_terminals(self, y: Array, cell_A: Array) -> Array:
        """Return the currents out of the array into its terminals (terminal, moment) while nothing changes [A]."""
        return self.wires_into_terminals(y) + self.cells_into_terminals(cell_A)

    def wires_into_terminals(self, y: Array) -> Array:
        """Return the part of these that comes by line resistances [A]."""
        return -(self._terminal_wires_S @ y)

    def cells_into_terminals(self, cell_A: Array) -> Array:
        """Return the part of these from cells without a resistance in between [A]."""
        return -(self._terminal_cells @ cell_A)

    @property
    def cells_meet_terminals(self) -> bool:
        """Whether a cell has no resistance between it and a terminal."""
        return bool(self._terminal_cells.nnz)

    def dissipated_W(self, y: Array, u: Array, cell_A: Array) -> Array:
        """Return the power that turns to heat (moment,) [W]."""
        node_V = self.voltages(y, u)
        return np.sum(y * (self._wires_S @ y), axis=0) + np.sum((self._across @ node_V) * cell_A, axis=0)

    def stored_J(self, y: Array, u: Array) -> float:
        """Return the energy of the capacitances at one moment [J]."""
        node_V = self.voltages(y, u)
        return float(0.5 * node_V @ (self._charge_F @ node_V))

    def steady(self, u: Array) -> Array:
        """Return y of the operating point at terminals of these voltages (terminal,) [V].

        Raises
        ------
        CheckFailed
            As of `Crossbar.solve`.
        """
        lines = self.crossbar.shape[0]
        solution = solve(self.crossbar, u[:lines], "nodal", u[lines:], None)
        node_V = np.zeros(len(self.of_line.indptr) - 1)
        node_V[self.network.word_node], node_V[self.network.bit_node] = solution.word_line_V, solution.bit_line_V
        y = (node_V - self.of_line @ u)[: self.unknowns]
        if not self.unknowns:
            return y
        factors = factored(self.slopes(y, u), 0.1)
        for _ in range(POLISHING):
            cell_A = self.cell_currents(y[:, np.newaxis], u[:, np.newaxis])
            y = y + factors.solve(self.flow(y[:, np.newaxis], cell_A)[:, 0])
        return y

    def elmore_s(self, y: Array, u: Array) -> tuple[Array, float]:
        """Return the Elmore delays of the currents into the terminals, as `nvmphys.crossbar.settling` has them [s].

        With them comes the largest of what node voltages miss, ∫(v_end - v)dt, over the largest at a terminal [s].

        Parameters
        ----------
        y, u : ndarray
            The operating point that is reached, in which non-linear cells are as linear as at it.
        """
        missing = np.zeros((self.unknowns, 1))
        if self.unknowns:
            charge_C = self.capacitance_F @ y + self.line_charge_F @ u
            missing[:, 0] = factored(self.slopes(y, u), 0.1).solve(charge_C)
        state = self.crossbar.cell.state(self.crossbar.conductance_S, *self._ends(y, u))
        drawn = self._word_end.multiply(state.word_slope_S.reshape(-1, 1)) - self._bit_end.multiply(
            state.bit_slope_S.reshape(-1, 1)
        )
        missing_C = self.steady_terminals(missing, drawn @ missing)[:, 0]
        missing_C += self._terminal_charge_F @ y + self._terminal_lines_F @ u  # came ahead of its time
        at = y[:, np.newaxis]
        reached_A = self.steady_terminals(at, self.cell_currents(at, u[:, np.newaxis]))[:, 0]
        delay_s = np.divide(missing_C, reached_A, out=np.full(len(u), np.nan), where=reached_A != 0)
        largest_V = float(np.abs(u).max())
        return delay_s, float(np.abs(missing).max(initial=0.0)) / largest_V if largest_V else 0.0


def _lines(network: Network, terminals: int) -> sp.csr_array:
    """Return P for all nodes, (node, terminal): 1 at the terminal of each node's line."""
    nodes, free = network.incidence.shape[1], network.free_nodes
    lines = len(network.word_node)
    terminal = np.full(nodes, -1)
    terminal[network.word_node] = np.arange(lines)[:, np.newaxis]
    terminal[network.bit_node] = lines + np.arange(terminals - lines)
    terminal[free : nodes - 1], terminal[-1] = np.arange(terminals), -1
    node = np.flatnonzero(terminal >= 0)
    return sp.csr_array((np.ones(node.size), (node, terminal[node])), shape=(nodes, terminals))


def _check_isolated(crossbar: Crossbar, across_F: Array) -> None:
    """Raise where a node follows the others through the capacitance of a cell alone."""
    alone = isolated(crossbar)
    if alone is None:
        return
    bad = np.argwhere((alone[0] | alone[1]) & (across_F > 0))
    if bad.size:
        i, j = bad[0].tolist()
        raise BadInput(
            f"the capacitance of cells needs lines that a resistor joins to a driver or a sense amplifier (got "
            f"{across_F[i, j]:g} F at word line {i}, bit line {j}, where one floats): set it to 0 there, or give the "
            "line a resistance to a terminal"
        )
