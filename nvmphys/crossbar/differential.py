"""Signed weights as differences: of two arrays, or of neighbouring bit lines of one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.crossbar.array import Crossbar
from nvmphys.crossbar.solution import Solution
from nvmphys.errors import BadInput


@dataclass(frozen=True, eq=False)
class DifferentialSolution:
    """Solutions of the two arrays of a `Differential`."""

    plus: Solution
    minus: Solution

    @property
    def current_A(self) -> np.ndarray:
        """Difference of the output currents, i+ - i-, (bit_line[, batch]) [A]."""
        return self.plus.current_A - self.minus.current_A


@dataclass(frozen=True, eq=False)
class Differential:
    """Two arrays at the same inputs, whose output currents are subtracted.

    Parameters
    ----------
    plus, minus : Crossbar
        Of one shape.

    Raises
    ------
    BadInput
        "plus and minus must have one shape …".

    Examples
    --------
    >>> pair = Differential(Crossbar([[2e-4]], 0, 0), Crossbar([[5e-4]], 0, 0))
    >>> pair.solve([0.1]).current_A
    array([-3.e-05])
    """

    plus: Crossbar
    minus: Crossbar

    def __post_init__(self) -> None:
        """Check the shapes."""
        if self.plus.shape != self.minus.shape:
            raise BadInput(
                f"plus and minus must have one shape (got {self.plus.shape} and {self.minus.shape}): one cell of each "
                "makes a weight"
            )

    def solve(self, v: ArrayLike, method: str = "auto") -> DifferentialSolution:
        """Solve both arrays for voltages at the drivers, as `Crossbar.solve`."""
        return DifferentialSolution(self.plus.solve(v, method), self.minus.solve(v, method))

    def currents(self, v: ArrayLike) -> np.ndarray:
        """Return the differences of the output currents alone, as `Crossbar.currents`."""
        return self.plus.currents(v) - self.minus.currents(v)

    def effective_conductance(self) -> np.ndarray:
        """Return the matrix A+ - A- of linear cells, (bit_line, word_line) [S]."""
        return self.plus.effective_conductance() - self.minus.effective_conductance()


def column_pairs(of_bit_lines: np.ndarray) -> np.ndarray:
    """Return the differences of neighbouring bit lines, 0 - 1, 2 - 3, …, along the first axis.

    Parameters
    ----------
    of_bit_lines : ndarray, (bit_line, …)
        Output currents, or rows of an effective conductance matrix.

    Raises
    ------
    BadInput
        "bit lines must come in pairs …".

    Examples
    --------
    >>> column_pairs(np.array([5.0, 3.0, 1.0, 2.0]))
    array([ 2., -1.])
    """
    if len(of_bit_lines) % 2:
        raise BadInput(f"bit lines must come in pairs (got {len(of_bit_lines)}): plus, minus, plus, minus, …")
    return of_bit_lines[0::2] - of_bit_lines[1::2]
