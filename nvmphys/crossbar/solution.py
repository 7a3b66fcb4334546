"""What the solution of a crossbar's circuit is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Solution:
    """Voltages and currents of a crossbar for one input vector or a batch of them.

    Attributes
    ----------
    applied_V : ndarray, (word_line[, batch])
        Voltages at the drivers [V].
    sense_V : ndarray, (bit_line[, batch])
        Voltages at the sense amplifiers [V].
    word_line_V, bit_line_V : ndarray, (word_line, bit_line[, batch])
        Voltages of the two nodes of each cell [V]; 0 where no resistor joins the node to a terminal.
    cell_current_A : ndarray, (word_line, bit_line[, batch])
        Current of each cell, from word line to bit line [A].
    current_A : ndarray, (bit_line[, batch])
        Output currents, into the sense amplifiers [A]; the sum where both ends of a bit line are sensed.
    residual : float
        Largest sum of currents at any node over the largest branch current: how well Kirchhoff's current law holds.
        About 1e-14; larger where a line ends in a resistance some 1e6 times that of its segments, whose drops are then
        lost in the rounding of the voltages (the outputs are not).
    method : str
        What solved it: `cg`, `nodal` or `ngspice`.
    iterations : int
        Steps of conjugate gradients, or factorisations, that the vector with most of them took; 0 of ngspice.
    """

    applied_V: np.ndarray
    sense_V: np.ndarray
    word_line_V: np.ndarray
    bit_line_V: np.ndarray
    cell_current_A: np.ndarray
    current_A: np.ndarray
    residual: float
    method: str
    iterations: int = 0

    @property
    def cell_voltage_V(self) -> np.ndarray:
        """Voltage across each cell, word line minus bit line, (word_line, bit_line[, batch]) [V]."""
        return self.word_line_V - self.bit_line_V

    @property
    def driver_current_A(self) -> np.ndarray:
        """Current that each driver gives, the sum of its line's cells, (word_line[, batch]) [A]."""
        return self.cell_current_A.sum(axis=1)

    @property
    def ir_drop_V(self) -> np.ndarray:
        """Voltage lost on the way, v_i − u_j − cell voltage, (word_line, bit_line[, batch]) [V]."""
        return self.applied_V[:, np.newaxis] - self.sense_V - self.cell_voltage_V

    @property
    def ir_drop_fraction(self) -> np.ndarray:
        """IR drop as a fraction of the voltage between its own driver and sense, (word_line, bit_line[, batch]).

        It is undefined, NaN, where that is 0 V; `ir_drop_V` has no such gap.
        """
        applied = self.applied_V[:, np.newaxis] - self.sense_V
        return np.divide(self.ir_drop_V, applied, out=np.full(applied.shape, np.nan), where=applied != 0)
