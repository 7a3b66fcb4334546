"""A crossbar solved twice, by the nodal solver and by ngspice, and compared."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.crossbar.array import Crossbar
from nvmphys.crossbar.libngspice import find_libngspice, run_shared
from nvmphys.crossbar.netlist import operating_point_deck, operating_point_options, read_operating_point
from nvmphys.crossbar.ngspice import Ngspice, find_ngspice, run
from nvmphys.crossbar.solution import Solution
from nvmphys.errors import BadInput, unknown_name

BACKENDS = ("ngspice", "pyspice", "nodal")
TOLERANCE = 1e-11
"""Agreement asked of two double-precision solutions of one linear circuit: thirty times what is seen at 64×64
(`benchmarks/crossbar_agreement.py`), far below any error of the circuit or of the method."""
NON_LINEAR_TOLERANCE = 1e-10
"""The same for cells that are not linear, which ngspice iterates to 1e-12 V."""


@dataclass(frozen=True, eq=False)
class SpiceCheck:
    """The ngspice side of a validation: solution, program, options and SHA-256 of the deck, wall time [s]."""

    solution: Solution
    ngspice: Ngspice
    options: str
    deck_sha256: str
    seconds: float


@dataclass(frozen=True, eq=False)
class Validation:
    """A nodal solution and, unless the backend was `nodal`, how it compares with ngspice.

    Attributes
    ----------
    crossbar : Crossbar
    nodal : Solution
    nodal_seconds : float
        Wall time of the nodal solution [s].
    spice : SpiceCheck or None
        None where no SPICE check was made.
    tolerance : float
        What both errors are held to.
    """

    crossbar: Crossbar
    nodal: Solution
    nodal_seconds: float
    spice: SpiceCheck | None
    tolerance: float

    @property
    def checked(self) -> bool:
        """Whether SPICE was run at all."""
        return self.spice is not None

    @property
    def scale_A(self) -> np.ndarray:
        """Sum of the magnitudes of each output's cell currents, (bit_line[, batch]) [A]."""
        return np.abs(self.nodal.cell_current_A).sum(axis=0)

    @property
    def current_error(self) -> float:
        """Largest difference of an output current over the sum of the magnitudes of *its own* cells' currents.

        For voltages of one sign that sum is the output current itself, on a weak bit line as on a strong one. Where
        currents of both signs cancel it remains the scale at which the line can be known. NaN when not checked.
        """
        if self.spice is None:
            return float("nan")
        return _worst_ratio(self.nodal.current_A - self.spice.solution.current_A, self.scale_A)

    @property
    def voltage_error(self) -> float:
        """Largest difference of a node voltage over the largest applied voltage. NaN when not checked."""
        if self.spice is None:
            return float("nan")
        other = self.spice.solution
        applied_V = np.abs(self.nodal.applied_V).max()
        return max(
            _worst_ratio(self.nodal.word_line_V - other.word_line_V, applied_V),
            _worst_ratio(self.nodal.bit_line_V - other.bit_line_V, applied_V),
        )

    @property
    def passed(self) -> bool:
        """Whether a SPICE check was made and both errors are within the tolerance."""
        return self.checked and max(self.current_error, self.voltage_error) <= self.tolerance

    def __str__(self) -> str:
        """One line for people."""
        word_lines, bit_lines = self.crossbar.shape
        size = f"{word_lines}×{bit_lines} crossbar"
        if self.spice is None:
            return f"{size}: no SPICE check was made (backend 'nodal'); relative residual {self.nodal.residual:.1e}"
        return (
            f"{size}: {'agrees' if self.passed else 'DISAGREES'} with ngspice {self.spice.ngspice.version}: "
            f"output currents within {self.current_error:.1e}, node voltages within {self.voltage_error:.1e} "
            f"(tolerance {self.tolerance:g}); {self.nodal_seconds:.2g} s nodal, {self.spice.seconds:.2g} s ngspice"
        )


def validate(
    crossbar: Crossbar,
    v: ArrayLike,
    backend: str = "ngspice",
    *,
    tolerance: float | None = None,
    timeout_s: float = 600.0,
) -> Validation:
    """Solve one input vector with the nodal solver and with ngspice, and compare.

    Parameters
    ----------
    crossbar : Crossbar
    v : array_like, (word_line,)
        Voltages at the drivers [V].
    backend : {"ngspice", "pyspice", "nodal"}
        `pyspice` runs the same deck in ngspice as a shared library; `nodal` makes no SPICE check, and says so:
        `checked` and `passed` are False.
    tolerance : float, optional
        Bound on `current_error` and `voltage_error`; `TOLERANCE` by default, `NON_LINEAR_TOLERANCE` of other cells.
    timeout_s : float, optional
        Wall time allowed to ngspice [s].

    Returns
    -------
    Validation
        A disagreement is a result (`passed` is False), not an exception.

    Raises
    ------
    BadInput
        "v must be …", "tolerance must be …", "unknown backend …".
    MissingTool
        "nvmphys needs ngspice for this check and found none …".
    CheckFailed
        ngspice did not come to a result: see `nvmphys.crossbar.ngspice.run`.

    Examples
    --------
    >>> array = Crossbar([[1e-4, 2e-5], [5e-5, 1e-6]], r_word_line_ohm=1, r_bit_line_ohm=1)
    >>> print(validate(array, [0.2, 0.1], backend="nodal"))
    2×2 crossbar: no SPICE check was made (backend 'nodal'); relative residual ...
    >>> validate(array, [0.2, 0.1]).passed  # doctest: +SKIP
    True
    """
    linear = crossbar.cell.linear
    usual = TOLERANCE if linear else NON_LINEAR_TOLERANCE
    tolerance = usual if tolerance is None else tolerance
    if not tolerance > 0:
        raise BadInput(
            f"tolerance must be > 0 (got {tolerance}): it bounds a relative difference, {usual:g} is used else"
        )
    if backend not in BACKENDS:
        raise unknown_name("backend", backend, BACKENDS)
    if backend == "nodal":
        return Validation(crossbar, *_solve_timed(crossbar, v), None, tolerance)
    shared = backend == "pyspice"
    ngspice = find_libngspice() if shared else find_ngspice()
    deck = operating_point_deck(crossbar, v, klu=ngspice.has_klu)
    nodal, nodal_seconds = _solve_timed(crossbar, v)
    result = run_shared(deck, timeout_s=timeout_s) if shared else run(deck, ngspice, timeout_s=timeout_s)
    spice = SpiceCheck(
        solution=read_operating_point(crossbar, v, result.plot),
        ngspice=ngspice,
        options=operating_point_options(klu=ngspice.has_klu, linear=linear),
        deck_sha256=hashlib.sha256(deck.encode()).hexdigest(),
        seconds=result.seconds,
    )
    return Validation(crossbar, nodal, nodal_seconds, spice, tolerance)


def _solve_timed(crossbar: Crossbar, v: ArrayLike) -> tuple[Solution, float]:
    """Return the nodal solution and the wall time it took [s]."""
    start = time.perf_counter()
    solution = crossbar.solve(v)
    return solution, time.perf_counter() - start


def _worst_ratio(difference: np.ndarray, scale: np.ndarray) -> float:
    """Return the largest difference/scale; nothing over nothing is 0."""
    difference, scale = np.broadcast_arrays(np.abs(difference), scale)
    beyond_all = np.where(difference > 0, np.inf, 0.0)
    return float(np.divide(difference, scale, out=beyond_all, where=scale > 0).max())
