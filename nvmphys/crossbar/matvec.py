"""How far a crossbar's output currents are from the matrix–vector product they stand for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.crossbar.array import Crossbar
from nvmphys.crossbar.solution import Solution
from nvmphys.errors import BadInput


@dataclass(frozen=True, eq=False)
class MatvecError:
    """Output currents against the ideal i = v·G.

    Attributes
    ----------
    ideal_A, actual_A : ndarray, (bit_line[, batch])
        Output currents without and with the resistances of lines, drivers and sense amplifiers [A].
    full_scale_A : float
        Largest magnitude among the ideal currents, of all bit lines and vectors [A].
    """

    ideal_A: np.ndarray
    actual_A: np.ndarray
    full_scale_A: float

    @property
    def error(self) -> np.ndarray:
        """(Actual − ideal)/full scale, (bit_line[, batch]); IR drop makes it negative for positive inputs."""
        return (self.actual_A - self.ideal_A) / self.full_scale_A

    @property
    def mean(self) -> float:
        """Mean error over bit lines and vectors, fraction of full scale."""
        return float(self.error.mean())

    @property
    def sigma(self) -> float:
        """Standard deviation of the error over bit lines and vectors, fraction of full scale."""
        return float(self.error.std())

    @property
    def distance_segments(self) -> np.ndarray:
        """Word-line segments between the drivers and each bit line, (bit_line,): 1 for the nearest."""
        return np.arange(1, len(self.ideal_A) + 1)

    @property
    def mean_by_distance(self) -> np.ndarray:
        """Mean error over the vectors at each of `distance_segments`, (bit_line,), fraction of full scale."""
        return self.error.reshape(len(self.ideal_A), -1).mean(axis=1)

    @property
    def sigma_by_distance(self) -> np.ndarray:
        """Standard deviation over the vectors at each of `distance_segments`, (bit_line,), fraction of full scale."""
        return self.error.reshape(len(self.ideal_A), -1).std(axis=1)


def matvec_error(crossbar: Crossbar, v: ArrayLike, solution: Solution | None = None) -> MatvecError:
    """Compare a crossbar's output currents with the ideal i_j = Σ_i v_i G_ij.

    Parameters
    ----------
    crossbar : Crossbar
        Its `conductance_S` are the cells as they are: drawn from a card at the time of interest, programming error,
        relaxation and drift included. The error is that of the circuit alone.
    v : array_like, (word_line,) or (word_line, batch)
        Voltages at the drivers [V].
    solution : Solution, optional
        Of this crossbar for these voltages, where it is solved already.

    Returns
    -------
    MatvecError

    Raises
    ------
    BadInput
        "v must be …"; or "v must drive a current …": no ideal current differs from 0, so there is no full scale.

    Examples
    --------
    Two cells of 1 mS in a row behind a driver of 250 Ω see two thirds of the voltage:

    >>> row = Crossbar([[1e-3, 1e-3]], r_word_line_ohm=0, r_bit_line_ohm=0, r_driver_ohm=250)
    >>> matvec_error(row, [0.3]).error
    array([-0.333333, -0.333333])
    """
    voltages = crossbar.check_voltages(v)
    ideal_A = crossbar.conductance_S.T @ voltages
    full_scale_A = float(np.abs(ideal_A).max())
    if full_scale_A == 0:
        raise BadInput(
            "v must drive a current through at least one cell (got ideal currents of 0 A everywhere): "
            "there is no full scale to refer the error to"
        )
    solved = crossbar.solve(voltages) if solution is None else solution
    return MatvecError(ideal_A, solved.current_A, full_scale_A)
