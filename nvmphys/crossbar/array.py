"""A resistive crossbar and the solution of its circuit.

Convention, the one of badcrossbar [1]_, with m word lines and n bit lines counted from 0::

    V_i ──(driver + segment)── w[i,0] ──(segment)── w[i,1] ── … ── w[i,n-1]      word line i
                                  │ G[i,0]             │ G[i,1]
    b[0,j] ──(segment)── b[1,j] ── … ── b[m-1,j] ──(segment + sense)── 0 V       bit line j

The far end of a word line and the top of a bit line are open; a bit line ends in the virtual ground of its sense
amplifier, and what flows into it is the output current.

.. [1] D. Joksas and A. Mehonic, "badcrossbar: A Python tool for computing and plotting currents and voltages in passive
   crossbar arrays", SoftwareX 12, 100617 (2020), doi:10.1016/j.softx.2020.100617.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.crossbar.nodal import Network
from nvmphys.errors import BadInput, unknown_name

MIN_RESISTANCE_OHM, MAX_RESISTANCE_OHM = 1e-9, 1e30
"""A resistance is 0 or lies between these, a conductance 0 or between their reciprocals: those stay finite, and ngspice
(which replaces a resistor below 1e-12 ohm in silence) keeps the value."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Voltages and currents of a crossbar for one input vector or a batch of them.

    Attributes
    ----------
    applied_V : ndarray, (word_line[, batch])
        Voltages at the drivers [V].
    word_line_V, bit_line_V : ndarray, (word_line, bit_line[, batch])
        Voltages of the two nodes of each cell [V].
    current_A : ndarray, (bit_line[, batch])
        Output currents, into the virtual grounds [A].
    residual : float
        Largest sum of currents at any node over the largest branch current: how well Kirchhoff's current law holds.
        About 1e-14; larger where a line ends in a resistance some 1e6 times that of its segments, whose drops are then
        lost in the rounding of the voltages (the outputs are not).
    method : str
        What solved it: `nodal` or `ngspice`.
    """

    applied_V: np.ndarray
    word_line_V: np.ndarray
    bit_line_V: np.ndarray
    current_A: np.ndarray
    residual: float
    method: str

    @property
    def cell_voltage_V(self) -> np.ndarray:
        """Voltage across each cell, word line minus bit line, (word_line, bit_line[, batch]) [V]."""
        return self.word_line_V - self.bit_line_V

    @property
    def ir_drop_V(self) -> np.ndarray:
        """Voltage lost between driver and virtual ground, v_i − cell voltage, (word_line, bit_line[, batch]) [V]."""
        return self.applied_V[:, np.newaxis] - self.cell_voltage_V

    @property
    def ir_drop_fraction(self) -> np.ndarray:
        """IR drop as a fraction of the voltage applied to its own word line, (word_line, bit_line[, batch]).

        It is undefined, NaN, on a word line held at 0 V; `ir_drop_V` has no such gap.
        """
        applied = np.broadcast_to(self.applied_V[:, np.newaxis], self.word_line_V.shape)
        return np.divide(self.ir_drop_V, applied, out=np.full(applied.shape, np.nan), where=applied != 0)


@dataclass(frozen=True, eq=False)
class Crossbar:
    """A passive crossbar of linear cells with the resistances of its lines, drivers and sense amplifiers.

    Any resistance may be 0: what it joins is then one node, exactly. With all four 0 the array is ideal, i = v·G.

    Parameters
    ----------
    conductance_S : array_like, (word_line, bit_line)
        Conductance of each cell [S]; 0 is an open cell. Copied and frozen.
    r_word_line_ohm, r_bit_line_ohm : float
        Resistance of one segment, from a cell to the next [ohm].
    r_driver_ohm, r_sense_ohm : float, optional
        Resistance added to the first segment of each word line and the last of each bit line [ohm].

    Raises
    ------
    BadInput
        "… must be 0 or between … and … (got … at …)": a value is negative, not finite or beyond what a circuit
        simulator represents; or the conductances are not a non-empty matrix.

    Examples
    --------
    One cell of 10 kΩ in series with 1 Ω + 2 Ω + 3 Ω + 4 Ω, at 0.2 V:

    >>> cell = Crossbar([[1e-4]], r_word_line_ohm=1, r_bit_line_ohm=2, r_driver_ohm=3, r_sense_ohm=4)
    >>> float(cell.solve([0.2]).current_A[0]) * 10_010
    0.2000000
    """

    conductance_S: np.ndarray
    r_word_line_ohm: float
    r_bit_line_ohm: float
    r_driver_ohm: float = 0.0
    r_sense_ohm: float = 0.0

    def __post_init__(self) -> None:
        """Check every value; copy and freeze the conductances."""
        conductance = _numbers("conductance_S", self.conductance_S)
        if conductance.ndim != 2 or conductance.size == 0:
            raise BadInput(
                f"conductance_S must be a matrix (word_line, bit_line) with at least one cell "
                f"(got shape {conductance.shape}): one row per word line, one column per bit line"
            )
        _check_range("conductance_S", conductance, "S", 1 / MAX_RESISTANCE_OHM, 1 / MIN_RESISTANCE_OHM)
        conductance.flags.writeable = False
        object.__setattr__(self, "conductance_S", conductance)
        for name in ("r_word_line_ohm", "r_bit_line_ohm", "r_driver_ohm", "r_sense_ohm"):
            resistance = _numbers(name, getattr(self, name))
            if resistance.ndim != 0:
                raise BadInput(f"{name} must be one number in ohm (got shape {resistance.shape}): all lines are alike")
            _check_range(name, resistance, "ohm", MIN_RESISTANCE_OHM, MAX_RESISTANCE_OHM)
            object.__setattr__(self, name, float(resistance))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of word lines and of bit lines."""
        word_lines, bit_lines = self.conductance_S.shape
        return word_lines, bit_lines

    def check_voltages(self, v: ArrayLike) -> np.ndarray:
        """Return `v` as a new array (word_line[, batch]) of volts that fits this crossbar.

        Raises
        ------
        BadInput
            "v must be …": wrong shape or values that are not finite.

        Examples
        --------
        >>> Crossbar([[1e-4], [1e-5]], 1, 1).check_voltages([0.2, 0.1])
        array([0.2, 0.1])
        """
        voltages = _numbers("v", v)
        if voltages.ndim not in (1, 2) or len(voltages) != self.shape[0] or voltages.size == 0:
            raise BadInput(
                f"v must have shape ({self.shape[0]},) or ({self.shape[0]}, batch), one voltage per word line "
                f"(got shape {voltages.shape}): vectors of a batch are columns"
            )
        if not np.isfinite(voltages).all():
            bad = voltages[~np.isfinite(voltages)][0]
            raise BadInput(f"v must be finite (got {bad} V): ground a line that is not driven with 0 V")
        return voltages

    def solve(self, v: ArrayLike, method: str = "auto") -> Solution:
        """Solve the circuit for voltages at the drivers.

        Parameters
        ----------
        v : array_like, (word_line,) or (word_line, batch)
            Voltages at the drivers [V]; a batch shares one factorisation.
        method : {"auto", "nodal"}
            `nodal` is the sparse direct solution of Kirchhoff's current law; `auto` chooses it.

        Returns
        -------
        Solution

        Raises
        ------
        BadInput
            "v must be …" or "unknown method …".
        CheckFailed
            "the nodal solution must …": the resistances differ by more than double precision carries.

        Examples
        --------
        >>> ideal = Crossbar([[1e-4, 2e-4], [3e-4, 4e-4]], r_word_line_ohm=0, r_bit_line_ohm=0)
        >>> ideal.solve([0.1, 0.2]).current_A
        array([7.e-05, 1.e-04])
        """
        voltages = self.check_voltages(v)
        if method not in ("auto", "nodal"):
            raise unknown_name("method", method, ("auto", "nodal"))
        network = Network.of(self)
        word_lines, bit_lines = self.shape
        batch = voltages.reshape(word_lines, -1)
        state = network.solve(np.vstack([batch, np.zeros((bit_lines, batch.shape[1]))]))
        vector = voltages.shape[1:]
        return Solution(
            applied_V=voltages,
            word_line_V=state.node_V[network.word_node].reshape(self.shape + vector),
            bit_line_V=state.node_V[network.bit_node].reshape(self.shape + vector),
            current_A=state.terminal_A[word_lines:].reshape((bit_lines, *vector)),
            residual=state.residual,
            method="nodal",
        )

    def effective_conductance(self) -> np.ndarray:
        """Return the matrix A of i = A·v: what the array multiplies by, its line resistances included.

        Column i is the response to 1 V on word line i alone. The network is reciprocal, so a row can be had as well, by
        1 V on a sense terminal: the shorter side is driven.

        Returns
        -------
        ndarray, (bit_line, word_line)
            Effective conductances [S]; the transpose of `conductance_S` when all resistances are 0.

        Examples
        --------
        >>> Crossbar([[1e-3, 0.0]], r_word_line_ohm=100, r_bit_line_ohm=400).effective_conductance() * 1500
        array([[1.],
               [0.]])
        """
        word_lines, bit_lines = self.shape
        transfer = Network.of(self).transfer_conductance
        if word_lines <= bit_lines:
            return transfer(driven=slice(0, word_lines), read=slice(word_lines, None))
        return transfer(driven=slice(word_lines, None), read=slice(0, word_lines)).T


def _numbers(name: str, values: ArrayLike) -> np.ndarray:
    """Return a new float array of `values`, or say that they are no numbers."""
    try:
        return np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{name} must be real numbers (got {type(values).__name__}: {error})") from error


def _check_range(name: str, values: np.ndarray, unit: str, low: float, high: float) -> None:
    """Refuse values that are neither 0 nor between `low` and `high`, naming the first."""
    bad = np.argwhere(~((values == 0) | ((values >= low) & (values <= high))))
    if len(bad):
        value = float(values[tuple(bad[0])])
        where = f" at word line {bad[0][0]}, bit line {bad[0][1]}" if values.ndim == 2 else ""
        out = "drop or repair the reading" if math.isnan(value) or value < 0 else "0 stands for the limit of none"
        raise BadInput(f"{name} must be 0 or between {low:g} and {high:g} {unit} (got {value:g} {unit}{where}): {out}")
