"""How large an array may be: the error of its outputs against its size and the resistance of its wires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nvmphys.crossbar.array import Crossbar
from nvmphys.crossbar.cells import CellCurrent, Linear
from nvmphys.crossbar.ngspice import Progress
from nvmphys.errors import BadInput

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SizeMap:
    """Errors of square arrays.

    Attributes
    ----------
    size : ndarray (size,) of int
        Word lines, and as many bit lines, increasing.
    wire_ohm : ndarray (wire,)
        Resistance of a segment, increasing [ohm].
    worst, rms : ndarray (size, wire)
        Largest and root-mean-square |current − ideal| over the output's own ideal current [1].
    """

    size: NDArray[np.int64]
    wire_ohm: Array
    worst: Array
    rms: Array

    def largest(self, error: float) -> Array:
        """Return the largest size whose worst output is off by no more than `error`, for each wire (wire,).

        Between sizes ln(error) is linear in ln(size). NaN where the smallest size is off by more already; infinite
        where the largest is not.

        Examples
        --------
        >>> of = SizeMap(np.array([10, 100]), np.array([1.0]), np.array([[1e-4], [1e-2]]), np.zeros((2, 1)))
        >>> of.largest(1e-3), of.largest(1e-5), of.largest(0.1)
        (array([31.622777]), array([nan]), array([inf]))
        """
        if not error > 0:
            raise BadInput(f"error must be > 0 (got {error}): a share of the ideal current")
        found = np.empty(self.wire_ohm.size)
        for k, column in enumerate(np.maximum.accumulate(self.worst, axis=0).T):
            above = int(np.searchsorted(column, error, side="right"))
            if above in (0, self.size.size):
                found[k] = np.nan if above == 0 else np.inf
                continue
            low, high = np.log(column[above - 1 : above + 1])
            share = (np.log(error) - low) / (high - low)
            found[k] = np.exp(np.interp(share, [0, 1], np.log(self.size[above - 1 : above + 1])))
        return found


def size_map(
    conductance_S: Array,
    v: float,
    sizes: Sequence[int],
    wires_ohm: Sequence[float],
    *,
    r_driver_ohm: float = 0.0,
    r_sense_ohm: float = 0.0,
    cell: CellCurrent | None = None,
    progress: Progress | None = None,
) -> SizeMap:
    """Solve square arrays of many sizes and wires, all word lines at one voltage.

    Parameters
    ----------
    conductance_S : ndarray (n, n)
        Cells [S]; the first rows and columns of it make the smaller arrays, so sizes compare like with like.
    v : float
        Voltage on every word line [V].
    sizes : sequence of int
        At most n.
    wires_ohm : sequence of float
        > 0 [ohm].
    r_driver_ohm, r_sense_ohm : float, optional
    cell : CellCurrent, optional
        Of one parameter for all cells; linear by default.
    progress : callable, optional

    Raises
    ------
    BadInput
        "sizes must lie within …", "wires_ohm must be > 0 …", "v must …".

    Examples
    --------
    Wires ten times as good carry about ten times the error away:

    >>> made = size_map(np.full((32, 32), 1e-5), 0.2, [8, 32], [0.1, 1.0])
    >>> made.worst[0, 1] / made.worst[0, 0]
    np.float64(9.9...)
    """
    size, wire = np.unique(np.asarray(sizes, dtype=int)), np.unique(np.asarray(wires_ohm, dtype=float))
    if size.size == 0 or size[0] < 1 or size[-1] > min(conductance_S.shape):
        raise BadInput(f"sizes must lie within 1 … {min(conductance_S.shape)}, the cells given (got {list(sizes)})")
    if wire.size == 0 or not (np.isfinite(wire) & (wire > 0)).all():
        raise BadInput(f"wires_ohm must be > 0 and finite (got {list(wires_ohm)} ohm)")
    if v == 0:
        raise BadInput("v must not be 0 V: no current flows")
    worst, rms = np.empty((size.size, wire.size)), np.empty((size.size, wire.size))
    for i, n in enumerate(size.tolist()):
        volts, cells = np.full(n, v), conductance_S[:n, :n]
        kind = Linear() if cell is None else cell
        ideal_A = kind.state(cells, np.broadcast_to(volts[:, None], cells.shape), np.zeros(cells.shape)).current_A.sum(
            0
        )
        for k, ohm in enumerate(wire.tolist()):
            current_A = Crossbar(cells, ohm, ohm, r_driver_ohm, r_sense_ohm, cell=kind).solve(volts).current_A
            error = current_A / ideal_A - 1
            worst[i, k], rms[i, k] = np.abs(error).max(), np.sqrt(np.mean(error**2))
        if progress is not None:
            progress("sizes", i + 1, size.size)
    return SizeMap(size, wire, worst, rms)
