"""Transients of a crossbar: what its drivers and sense amplifiers see while lines and cells are charged.

The circuit is that of `nvmphys.crossbar.array` with the capacitances of its `Capacitance`: at each end of each cell one
to ground, and one across the cell. `nvmphys.crossbar.charging` has its equations, `nvmphys.crossbar.radau` the method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.crossbar.array import Crossbar
from nvmphys.crossbar.charging import Array, ChargingSystem
from nvmphys.crossbar.lines import numbers
from nvmphys.crossbar.radau import WEIGHTS, Effort, Integrator, Piece, Step, cubic
from nvmphys.crossbar.stimulus import Stimulus
from nvmphys.errors import BadInput

Progress = Callable[[str, int, int], None]

TOLERANCE = 1e-5
"""Of full scale: the largest voltage at a terminal and the largest output current in the steady state."""
FIRST_STEP = 1e-2
"""Of the first piece."""
PER_MILLE = 1000


@dataclass(frozen=True, eq=False)
class CrossbarTransient:
    """Currents of a crossbar over time.

    Attributes
    ----------
    crossbar : Crossbar
    stimulus : Stimulus
    time_s : ndarray, (time,)
        Start and end of each step [s].
    current_A : ndarray, (bit_line, time)
        Output currents, into the sense amplifiers [A], those of charges included; at a corner of the stimulus, where
        they may jump, those before it.
    driver_current_A : ndarray, (word_line, time)
        Currents that the drivers give [A].
    full_scale_A : float
        Largest output current of the steady state at the corner of the stimulus with the largest voltages [A].
    source_energy_J, dissipated_J, stored_J : ndarray, (time,)
        What drivers and sense amplifiers have given until then, what has turned to heat, and what the capacitances hold
        more than at the start [J]. The first is the sum of the others, as far as the integration is exact.
    effort : Effort
    """

    crossbar: Crossbar
    stimulus: Stimulus
    time_s: Array
    current_A: Array
    driver_current_A: Array
    full_scale_A: float
    source_energy_J: Array
    dissipated_J: Array
    stored_J: Array
    effort: Effort
    _nodes: Array = field(repr=False)
    _system: ChargingSystem = field(repr=False)
    _voltages: tuple[Array, Array] | None = field(repr=False)

    def current_at(self, time_s: ArrayLike) -> Array:
        """Return the output currents at any times of the transient, (bit_line, time) [A].

        Raises
        ------
        BadInput
            "time_s must lie within …".
        """
        return self._at(time_s, self._nodes)[self.crossbar.shape[0] :]

    @property
    def output_nodes_A(self) -> Array:
        """Output currents at the nodes of the cubic of each step, (step, bit_line, node) [A]."""
        return self._nodes[:, self.crossbar.shape[0] :]

    def driver_current_at(self, time_s: ArrayLike) -> Array:
        """Return the currents that the drivers give at any times of the transient, (word_line, time) [A]."""
        return -self._at(time_s, self._nodes)[: self.crossbar.shape[0]]

    def voltage_at(self, time_s: ArrayLike) -> tuple[Array, Array]:
        """Return the voltages at the word-line and the bit-line end of each cell, (word_line, bit_line, time) [V].

        Raises
        ------
        BadInput
            "keep_voltages=True …" or "time_s must lie within …".
        """
        if self._voltages is None:
            raise BadInput("keep_voltages=True must be given to crossbar_transient() to look at voltages later")
        y, u = (self._at(time_s, part) for part in self._voltages)
        node_V = self._system.voltages(y, u)
        return node_V[self._system.network.word_node], node_V[self._system.network.bit_node]

    def _at(self, time_s: ArrayLike, nodes: Array) -> Array:
        """Return the cubics of quantities (step, quantity, node) at times, (quantity, time)."""
        times = np.atleast_1d(numbers("time_s", time_s))
        if not ((times >= self.time_s[0]) & (times <= self.time_s[-1])).all():
            raise BadInput(f"time_s must lie within {self.time_s[0]:g} … {self.time_s[-1]:g} s, the transient's own")
        number = np.clip(np.searchsorted(self.time_s, times) - 1, 0, len(nodes) - 1)
        weights = cubic((times - self.time_s[number]) / np.diff(self.time_s)[number])
        return np.einsum("tqk,tk->qt", nodes[number], weights)


def crossbar_transient(
    crossbar: Crossbar,
    stimulus: Stimulus,
    until_s: float,
    *,
    tolerance: float = TOLERANCE,
    keep_voltages: bool = False,
    progress: Progress | None = None,
) -> CrossbarTransient:
    """Apply voltages that change over time to a crossbar, from the operating point at their start on.

    Parameters
    ----------
    crossbar : Crossbar
        With `capacitance`; where a node has none, or none is given at all, it follows at once.
    stimulus : Stimulus
    until_s : float
        End [s].
    tolerance : float, optional
        Largest error of a step, as a share of the largest voltage at a terminal and of the largest output current in
        the steady state.
    keep_voltages : bool, optional
        Keep what `voltage_at` needs, four numbers per node and step.
    progress : callable, optional
        Told what is done, how much of it and of how much.

    Returns
    -------
    CrossbarTransient

    Raises
    ------
    BadInput
        "until_s must …", "tolerance must …", "driver_V must …", "sense_V must …", "the capacitance of cells needs …".
    CheckFailed
        "the transient must come to its end …", or what `Crossbar.solve` says of an operating point.

    Notes
    -----
    C·dv/dt + i(v, u) = 0 at all nodes, by Radau IIA of order 5, which is L-stable, with steps that the error sets and
    sparse factors that are kept while they stay. See `nvmphys.crossbar.radau`, with the source.

    Examples
    --------
    10 kΩ between a line of 1 kΩ and 1 pF and a sense amplifier; the time constant is that of 1 pF at 10/11 kΩ:

    >>> from nvmphys.crossbar import Capacitance
    >>> cell = Crossbar([[1e-4]], 0, 0, r_driver_ohm=1e3, capacitance=Capacitance(word_line_F=1e-12))
    >>> done = crossbar_transient(cell, Stimulus.step([1.1], 1e-15), 1e-8)
    >>> done.current_at([1e-9 * 10 / 11, 1e-8]) / 1e-4 / (1 - np.exp([-1, -11]))
    array([[1.0000, 1.0000]])
    """
    if not 0 < until_s < np.inf:
        raise BadInput(f"until_s must be > 0 and finite (got {until_s:g} s)")
    run = Run(crossbar, stimulus, tolerance)
    kept: list[tuple[Array, Array]] = []
    for step in run.steps(until_s):
        if keep_voltages:
            kept.append((step.y, step.u))
        if progress is not None:
            progress("transient", int(PER_MILLE * min(1.0, run.time_s / until_s)), PER_MILLE)
    voltages = (np.stack([y for y, _ in kept]), np.stack([u for _, u in kept])) if keep_voltages else None
    return run.record(voltages)


class Run:
    """A transient under way, which may be stopped after any step.

    Parameters
    ----------
    crossbar : Crossbar
    stimulus : Stimulus
    tolerance : float
        Of full scale.
    """

    def __init__(self, crossbar: Crossbar, stimulus: Stimulus, tolerance: float) -> None:
        if not 0 < tolerance < 1:
            raise BadInput(f"tolerance must lie between 0 and 1 (got {tolerance:g}): it is a share of full scale")
        self.crossbar, self.stimulus = crossbar, stimulus
        self._u = stimulus.of_terminals(crossbar.shape)
        self.system = ChargingSystem(crossbar)
        self.full_scale_A = self._full_scale()
        largest_V = float(np.abs(self._u).max()) or 1.0
        self.integrator = Integrator(self.system, self._u[:, 0], tolerance * largest_V, tolerance * self.full_scale_A)
        self._now = self._u[:, 0]
        self._begin_J = self.system.stored_J(*self.voltages)
        self._ends: list[float] = [0.0]
        self._nodes: list[Array] = []
        self._energies_J = [np.zeros(3)]

    @property
    def time_s(self) -> float:
        """How far it has come [s]."""
        return self.integrator.time_s

    @property
    def voltages(self) -> tuple[Array, Array]:
        """Corrections at the free nodes and voltages of the terminals now [V]."""
        return self.integrator.y, self._now

    @property
    def outputs_A(self) -> Array:
        """Output currents now [A]."""
        return self._nodes[-1][self.crossbar.shape[0] :, -1]

    def _full_scale(self) -> float:
        """Return the largest output current of the steady state at the corner with the largest voltages [A]."""
        u = self._u[:, np.argmax(np.abs(self._u).sum(axis=0))]
        y = self.system.steady(u)
        at = y[:, np.newaxis], self.system.cell_currents(y[:, np.newaxis], u[:, np.newaxis])
        outputs_A = self.system.steady_terminals(*at)[self.crossbar.shape[0] :]
        return float(np.abs(outputs_A).max())

    def steps(self, until_s: float) -> Iterator[Step]:
        """Yield the steps until a time, which may be infinite where the caller stops."""
        first_s = None
        for piece in self._pieces(until_s):
            length_s = piece.end_s - piece.begin_s
            if first_s is None:
                first_s = FIRST_STEP * length_s if np.isfinite(length_s) else 1.0
            for step in self.integrator.steps(piece, min(first_s, length_s)):
                self._add(step)
                first_s = step.length_s
                yield step

    def _pieces(self, until_s: float) -> Iterator[Piece]:
        """Yield the pieces of the stimulus, and what comes after its last corner."""
        times, u = self.stimulus.time_s, self._u
        for k in range(times.size - 1):
            if times[k] >= until_s:
                return
            rate = (u[:, k + 1] - u[:, k]) / (times[k + 1] - times[k])
            yield Piece(float(times[k]), min(float(times[k + 1]), until_s), u[:, k], rate)
        if times[-1] < until_s:
            yield Piece(float(times[-1]), until_s, u[:, -1], np.zeros(len(u)))

    def _add(self, step: Step) -> None:
        """Add what a step gave to the record."""
        h, stages = step.length_s, slice(1, None)
        given_W = -np.sum(step.u[:, stages] * step.terminal_A[:, stages], axis=0)
        heat_W = self.system.dissipated_W(step.y[:, stages], step.u[:, stages], step.cell_A[:, stages])
        self._now = step.u[:, -1]
        source_J, heat_J, _ = self._energies_J[-1]
        self._energies_J.append(
            np.array(
                [
                    source_J + h * float(WEIGHTS @ given_W),
                    heat_J + h * float(WEIGHTS @ heat_W),
                    self.system.stored_J(*self.voltages) - self._begin_J,
                ]
            )
        )
        self._ends.append(self.time_s)
        self._nodes.append(step.terminal_A)

    def record(self, voltages: tuple[Array, Array] | None = None) -> CrossbarTransient:
        """Return what there is so far."""
        nodes = np.stack(self._nodes)
        ends = np.concatenate([nodes[:1, :, 0], nodes[:, :, -1]]).T
        source_J, heat_J, stored_J = np.stack(self._energies_J, axis=1)
        lines = self.crossbar.shape[0]
        return CrossbarTransient(
            self.crossbar, self.stimulus, np.array(self._ends), ends[lines:], -ends[:lines], self.full_scale_A,
            source_J, heat_J, stored_J, self.integrator.effort, nodes, self.system, voltages,
        )  # fmt: skip
