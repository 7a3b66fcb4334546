"""Arrays drawn by number: the same array of targets with other cells, each draw its own generator.

A draw follows from the seed and its number alone, so any order, any share between workers and any pause give the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nvmphys.crossbar.array import Crossbar
from nvmphys.crossbar.cells import CellCurrent, Linear, Sinh
from nvmphys.crossbar.netlist import operating_point_deck, output_names
from nvmphys.crossbar.ngspice import Ngspice, Progress, find_ngspice, run_each
from nvmphys.errors import BadInput
from nvmphys.population.law import CellLaw, draw_cells

Array = NDArray[np.float64]

NEARLY_OHMIC_PER_V = 1e-6
"""α in place of 0 in an array with both kinds of cells: at 1 V the current differs by 2e-13 of itself."""


class DrawCells(Protocol):
    """Draws the cells of an array."""

    def __call__(self, target_S: Array, rng: np.random.Generator) -> Array:
        """Return conductances [S] of cells of these targets, (word_line, bit_line)."""


@dataclass(frozen=True, eq=False)
class CellsOfLaw:
    """Cells of a card's own law, the main population, at one time [s] after programming."""

    law: CellLaw
    time_s: float

    def __call__(self, target_S: Array, rng: np.random.Generator) -> Array:
        """Return conductances [S] of cells of these targets."""
        return draw_cells(self.law, target_S, np.array([self.time_s]), rng)[0]


@dataclass(frozen=True, eq=False)
class SinhReads:
    """Read currents I(V) = I(V_read)·sinh(αV)/sinh(α·V_read), α a function of the conductance at V_read.

    Attributes
    ----------
    read_V : float
        At which conductances are read [V].
    level_S : ndarray (level,)
        Conductances [S], increasing.
    sinh_per_V : ndarray (level,)
        α [1/V], >= 0, linear between the levels and held beyond them; 0 is ohmic.

    Examples
    --------
    A cell read at 0.2 V conducts more there than at low voltage:

    >>> reads = SinhReads(0.2, np.array([1e-5]), np.array([5.0]))
    >>> low_voltage_S, cell = reads.cells(np.array([[1e-5]]))
    >>> low_voltage_S, cell.state(low_voltage_S, np.array([[0.2]]), np.zeros((1, 1))).current_A
    (array([[8.509e-06]]), array([[2.e-06]]))
    """

    read_V: float
    level_S: Array
    sinh_per_V: Array

    def __post_init__(self) -> None:
        """Check the values."""
        alpha = np.asarray(self.sinh_per_V, dtype=float)
        if not (np.isfinite(alpha) & (alpha >= 0)).all():
            raise BadInput(f"sinh_per_V must be >= 0 and finite (got {alpha.min():g} 1/V): 0 is ohmic")
        if not (np.isfinite(self.read_V) and self.read_V != 0):
            raise BadInput(f"read_V must be a voltage other than 0 (got {self.read_V} V): conductances are read there")

    def cells(self, conductance_S: Array) -> tuple[Array, CellCurrent]:
        """Return the conductances at low voltage [S] and the kind of cells that conduct `conductance_S` at `read_V`."""
        alpha = np.interp(conductance_S, self.level_S, self.sinh_per_V)
        if not alpha.any():
            return conductance_S, Linear()
        alpha = np.where(alpha == 0, NEARLY_OHMIC_PER_V, alpha)
        x = alpha * abs(self.read_V)
        return conductance_S * x / np.sinh(x), Sinh(alpha)


@dataclass(frozen=True, eq=False)
class DrawnArrays:
    """One array of targets, drawn again and again.

    Attributes
    ----------
    targets : Crossbar
        The circuit; its `conductance_S` are the targets, its cells linear.
    v : ndarray (word_line,)
        Voltages at the drivers [V].
    cells : DrawCells
        Draws conductances at the read voltage.
    seed : int
    reads : SinhReads or None
        How read currents depart from Ohm's law; None for linear cells.

    Examples
    --------
    >>> import nvmphys as nv
    >>> law = nv.law_of(nv.load_card("pcm_90nm"))
    >>> targets = Crossbar(np.full((4, 3), 1e-5), r_word_line_ohm=2, r_bit_line_ohm=2)
    >>> drawn = DrawnArrays(targets, np.full(4, 0.2), CellsOfLaw(law, 3600.0), seed=1)
    >>> bool(np.array_equal(drawn.error([0, 1, 2])[2:], drawn.error([2])))
    True
    """

    targets: Crossbar
    v: Array
    cells: DrawCells
    seed: int
    reads: SinhReads | None = None

    def __post_init__(self) -> None:
        """Check the voltages and the seed; targets that drive no current give no full scale."""
        if self.targets.check_voltages(self.v).ndim != 1:
            raise BadInput(f"v must be one vector (got shape {np.shape(self.v)}): draws are read once each")
        if self.seed < 0:
            raise BadInput(f"seed must be >= 0 (got {self.seed})")
        if self.full_scale_A == 0:
            raise BadInput("v must drive a current through at least one target: there is no full scale else")

    @property
    def ideal_A(self) -> Array:
        """Output currents of targets on lines without resistance, v·G, (bit_line,) [A]."""
        return np.asarray(np.asarray(self.v) @ self.targets.conductance_S)

    @property
    def full_scale_A(self) -> float:
        """Largest magnitude among the ideal currents [A]."""
        return float(np.abs(self.ideal_A).max())

    def crossbar(self, draw: int) -> Crossbar:
        """Return the array of one draw, by its number."""
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(self.seed, spawn_key=(draw,))))
        return self.crossbar_of(self.cells(self.targets.conductance_S, rng))

    def crossbar_of(self, conductance_S: Array) -> Crossbar:
        """Return the circuit with cells of these conductances at the read voltage."""
        low_voltage_S, cell = (conductance_S, Linear()) if self.reads is None else self.reads.cells(conductance_S)
        return replace(self.targets, conductance_S=low_voltage_S, cell=cell)

    def current(self, draws: Iterable[int], method: str = "auto") -> Array:
        """Return output currents by the nodal solver (draw, bit_line) [A].

        Each draw starts from the solution of the targets, not from the draw before: order does not count.
        """
        start = self.crossbar_of(self.targets.conductance_S).solve(self.v, method)
        return np.stack([self.crossbar(k).solve(self.v, method, start=start).current_A for k in draws])

    def current_in_ngspice(
        self, draws: Iterable[int], ngspice: Ngspice | None = None, *, progress: Progress | None = None
    ) -> Array:
        """Return output currents of the same draws by ngspice, one process for many decks (draw, bit_line) [A]."""
        ngspice = ngspice or find_ngspice()
        arrays = [self.crossbar(k) for k in draws]
        decks = [operating_point_deck(one, self.v, klu=ngspice.has_klu, outputs_only=True) for one in arrays]
        names = output_names(self.targets)
        return np.array([[plot[name][0] for name in names] for plot in run_each(decks, ngspice, progress=progress)])

    def error(self, draws: Iterable[int], method: str = "auto") -> Array:
        """Return (current − ideal)/full scale of draws by the nodal solver (draw, bit_line) [1]."""
        return self.as_error(self.current(draws, method))

    def as_error(self, current_A: Array) -> Array:
        """Return output currents [A] as (current − ideal)/full scale [1]."""
        return (current_A - self.ideal_A) / self.full_scale_A
