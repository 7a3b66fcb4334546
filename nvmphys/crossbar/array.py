"""A resistive crossbar and the solution of its circuit.

Convention, the one of badcrossbar [1]_, with m word lines and n bit lines counted from 0::

    V_i ──(driver + segment)── w[i,0] ──(segment)── w[i,1] ── … ── w[i,n-1] ──(segment + far driver)── V_i   word line i
                                  │ cell i,0           │ cell i,1
    U_j ──(far sense + segment)── b[0,j] ──(segment)── b[1,j] ── … ── b[m-1,j] ──(segment + sense)── U_j     bit line j

By default the far end of a word line and the top of a bit line are open (an infinite resistance), and a bit line ends
in the virtual ground of its sense amplifier, U_j = 0; what flows out of a bit line is its output current. A line that
is not driven or not sensed has infinite resistances at both ends, a broken segment is infinite, a half-selected line is
one at half of a voltage.

.. [1] D. Joksas and A. Mehonic, "badcrossbar: A Python tool for computing and plotting currents and voltages in passive
   crossbar arrays", SoftwareX 12, 100617 (2020), doi:10.1016/j.softx.2020.100617.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.crossbar.capacitance import NO_CAPACITANCE, Capacitance
from nvmphys.crossbar.cells import LINEAR, CellCurrent
from nvmphys.crossbar.lines import branch_resistance, check_conductance, check_resistance, numbers
from nvmphys.crossbar.operating_point import effective_conductance, solve
from nvmphys.crossbar.solution import Solution
from nvmphys.errors import BadInput


@dataclass(frozen=True, eq=False)
class Crossbar:
    """A crossbar: its cells and the resistances of its lines, drivers and sense amplifiers.

    Any resistance may be 0: what it joins is then one node, exactly. With all 0 the array is ideal, i = v·G. Any may be
    infinite: there is nothing between the two nodes.

    Parameters
    ----------
    conductance_S : array_like, (word_line, bit_line)
        Conductance of each cell at low voltage [S]; 0 is an open cell. Copied and frozen.
    r_word_line_ohm : float or array_like, (word_line,), (word_line, bit_line) or (word_line, bit_line + 1)
        Resistance of a segment, from a cell to the next [ohm]: of all, per line or per segment, each in front of its
        cell; the last of bit_line + 1 is the one beyond the last cell, which else is 0 where segments are given.
    r_bit_line_ohm : float or array_like, (bit_line,), (word_line, bit_line) or (word_line + 1, bit_line)
        The same; per segment, each *below* its cell, with the first of word_line + 1 rows above the topmost cells.
    r_driver_ohm, r_sense_ohm : float or array_like, (word_line,) or (bit_line,), optional
        Resistance added to the first segment of each word line and the last of each bit line [ohm].
    r_driver_far_ohm, r_sense_far_ohm : float or array_like, (word_line,) or (bit_line,), optional
        Resistance added to the segment beyond the last cell, to a second driver or sense amplifier of the same voltage
        [ohm]; infinite, the default, leaves that end open.
    cell : CellCurrent, optional
        The kind of the cells; linear by default.
    capacitance : Capacitance, optional
        Of lines and cells, for transients (`nvmphys.crossbar.transient`); none by default.

    Raises
    ------
    BadInput
        "… must be 0 or between … and … (got … at …)": a value is negative, not a number or beyond what a circuit
        simulator represents; "… must be one number in ohm or have shape …"; or the conductances are not a non-empty
        matrix.

    Examples
    --------
    One cell of 10 kΩ in series with 1 Ω + 2 Ω + 3 Ω + 4 Ω, at 0.2 V:

    >>> cell = Crossbar([[1e-4]], r_word_line_ohm=1, r_bit_line_ohm=2, r_driver_ohm=3, r_sense_ohm=4)
    >>> float(cell.solve([0.2]).current_A[0]) * 10_010
    0.2000000

    Two in a row, of which the second sits behind a break:

    >>> broken = Crossbar([[1e-4, 1e-4]], r_word_line_ohm=[[0, float("inf")]], r_bit_line_ohm=0)
    >>> broken.solve([0.2]).current_A
    array([2.e-05, 0.e+00])
    """

    conductance_S: np.ndarray
    r_word_line_ohm: float | np.ndarray
    r_bit_line_ohm: float | np.ndarray
    r_driver_ohm: float | np.ndarray = 0.0
    r_sense_ohm: float | np.ndarray = 0.0
    r_driver_far_ohm: float | np.ndarray = math.inf
    r_sense_far_ohm: float | np.ndarray = math.inf
    cell: CellCurrent = LINEAR
    capacitance: Capacitance = NO_CAPACITANCE

    def __post_init__(self) -> None:
        """Check every value; copy and freeze the arrays."""
        object.__setattr__(self, "conductance_S", check_conductance(self.conductance_S))
        m, n = self.shape
        per_word: dict[tuple[int, ...], str] = {(m,): "per word line"}
        per_bit: dict[tuple[int, ...], str] = {(n,): "per bit line"}
        per_segment: dict[tuple[int, ...], str] = {(m, n): "per segment"}
        known: dict[str, dict[tuple[int, ...], str]] = {
            "r_word_line_ohm": per_word | per_segment | {(m, n + 1): "and beyond the last"},
            "r_bit_line_ohm": per_bit | per_segment | {(m + 1, n): "and above the first"},
            "r_driver_ohm": per_word,
            "r_sense_ohm": per_bit,
            "r_driver_far_ohm": per_word,
            "r_sense_far_ohm": per_bit,
        }
        for name, shapes in known.items():
            object.__setattr__(self, name, check_resistance(name, getattr(self, name), shapes))
        self.cell.check(self.shape)
        self.capacitance.check(self.shape)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of word lines and of bit lines."""
        word_lines, bit_lines = self.conductance_S.shape
        return word_lines, bit_lines

    @functools.cached_property
    def word_branches_ohm(self) -> np.ndarray:
        """Resistances of all branches of word lines, (word_line, bit_line + 1), ends included, from the driver on."""
        return branch_resistance(self.r_word_line_ohm, self.r_driver_ohm, self.r_driver_far_ohm, *self.shape)

    @functools.cached_property
    def bit_branches_ohm(self) -> np.ndarray:
        """Resistances of all branches of bit lines, (bit_line, word_line + 1), ends included, from the senses up."""
        segment = self.r_bit_line_ohm
        upward = segment[::-1].T if isinstance(segment, np.ndarray) and segment.ndim == 2 else segment
        return branch_resistance(upward, self.r_sense_ohm, self.r_sense_far_ohm, *self.shape[::-1])

    @property
    def sensed(self) -> np.ndarray:
        """Whether each bit line is joined to a sense amplifier at all, (bit_line,)."""
        return np.isfinite(self.bit_branches_ohm[:, [0, -1]]).any(axis=1)

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
        voltages = numbers("v", v)
        if voltages.ndim not in (1, 2) or len(voltages) != self.shape[0] or voltages.size == 0:
            raise BadInput(
                f"v must have shape ({self.shape[0]},) or ({self.shape[0]}, batch), one voltage per word line "
                f"(got shape {voltages.shape}): vectors of a batch are columns"
            )
        if not np.isfinite(voltages).all():
            bad = voltages[~np.isfinite(voltages)][0]
            raise BadInput(f"v must be finite (got {bad} V): ground a line that is not driven with 0 V")
        return voltages

    def check_sense_voltages(self, sense_V: ArrayLike, vector: tuple[int, ...]) -> np.ndarray:
        """Return the voltages of the sense amplifiers as (bit_line, *vector), the batch of the inputs.

        Raises
        ------
        BadInput
            "sense_V must be …": neither a finite number, nor one per bit line, nor one per bit line and vector.

        Examples
        --------
        >>> Crossbar([[1e-4, 1e-5]], 1, 1).check_sense_voltages(0.1, ())
        array([0.1, 0.1])
        """
        voltages = numbers("sense_V", sense_V)
        n = self.shape[1]
        if voltages.shape not in ((), (n,), (n, *vector)) or not np.isfinite(voltages).all():
            raise BadInput(
                f"sense_V must be one finite number of volts or have shape ({n},), one per bit line, or the batch of v "
                f"(got shape {voltages.shape})"
            )
        if voltages.ndim == 1 and vector:
            voltages = voltages[:, np.newaxis]
        return np.array(np.broadcast_to(voltages, (n, *vector)))

    def solve(
        self, v: ArrayLike, method: str = "auto", *, sense_V: ArrayLike = 0.0, start: Solution | None = None
    ) -> Solution:
        """Solve the circuit for voltages at the drivers.

        Parameters
        ----------
        v : array_like, (word_line,) or (word_line, batch)
            Voltages at the drivers [V]; the line of an infinite driver resistance floats whatever its voltage.
        method : {"auto", "cg", "nodal"}
            `cg` is the conjugate-gradient method of `nvmphys.crossbar.line_cg`, for lines whose resistances are not 0;
            `nodal` the sparse direct solution of Kirchhoff's current law, for any array. `auto` takes `cg` from 256
            cells on where it may, and `nodal` else or where that comes to no end.
        sense_V : float or array_like, (bit_line,) or (bit_line, batch), optional
            Voltages at the sense amplifiers [V].
        start : Solution, optional
            Of a similar array or input, from which to begin.

        Returns
        -------
        Solution

        Raises
        ------
        BadInput
            "v must be …", "sense_V must be …", "unknown method …" or "method='cg' needs …".
        CheckFailed
            "the nodal solution must …": the resistances differ by more than double precision carries; or "the operating
            point must be found …": non-linear cells for which none was.

        Examples
        --------
        >>> ideal = Crossbar([[1e-4, 2e-4], [3e-4, 4e-4]], r_word_line_ohm=0, r_bit_line_ohm=0)
        >>> ideal.solve([0.1, 0.2]).current_A
        array([7.e-05, 1.e-04])
        >>> ideal.solve([0.1, 0.2], sense_V=0.1).current_A
        array([3.e-05, 4.e-05])
        """
        return solve(self, self.check_voltages(v), method, sense_V, start)

    def currents(self, v: ArrayLike, *, sense_V: ArrayLike = 0.0) -> np.ndarray:
        """Return the output currents alone, by the way that takes least time for so many vectors.

        From 16 vectors on, or an eighth of the lines if that is more, linear cells are merged once into
        `effective_conductance`, which then multiplies all vectors; else this is `solve(v).current_A`.

        Parameters
        ----------
        v : array_like, (word_line,) or (word_line, batch)
            Voltages at the drivers [V].
        sense_V : float or array_like, optional
            Voltages at the sense amplifiers [V]; with any that is not 0 every vector is solved for.

        Returns
        -------
        ndarray, (bit_line[, batch])
            [A]

        Examples
        --------
        >>> Crossbar([[1e-4, 2e-4], [3e-4, 4e-4]], r_word_line_ohm=0, r_bit_line_ohm=0).currents([0.1, 0.2])
        array([7.e-05, 1.e-04])
        """
        voltages = self.check_voltages(v)
        many = voltages.ndim == 2 and voltages.shape[1] >= max(16, max(self.shape) // 8)
        if many and self.cell.linear and not np.any(self.check_sense_voltages(sense_V, voltages.shape[1:])):
            return self.effective_conductance() @ voltages
        return self.solve(voltages, sense_V=sense_V).current_A

    def effective_conductance(self, method: str = "auto") -> np.ndarray:
        """Return the matrix A of i = A·v: what an array of linear cells multiplies by, its line resistances included.

        Column i is the response to 1 V on word line i alone, all sense amplifiers at 0 V.

        Parameters
        ----------
        method : {"auto", "merge", "nodal"}
            `merge` joins tiles of cells, `nvmphys.crossbar.merge`; `nodal` solves for one column after the other (for
            the rows, where they are fewer: the network is reciprocal). `auto` merges from 64 cells on.

        Returns
        -------
        ndarray, (bit_line, word_line)
            Effective conductances [S]; the transpose of `conductance_S` when all resistances are 0.

        Raises
        ------
        BadInput
            "the effective conductance is of linear cells …" or "unknown method …".
        CheckFailed
            "the nodal solution must …".

        Examples
        --------
        >>> Crossbar([[1e-3, 0.0]], r_word_line_ohm=100, r_bit_line_ohm=400).effective_conductance() * 1500
        array([[1.],
               [0.]])
        """
        return effective_conductance(self, method)
