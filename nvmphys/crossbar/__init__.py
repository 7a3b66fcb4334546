"""Crossbar circuits: the array and its nodal solution, the ngspice check of it, and what its lines cost a product."""

from nvmphys.crossbar.array import Capacitance, Crossbar
from nvmphys.crossbar.cells import AccessTransistor, CellCurrent, CellState, Linear, Polynomial, Sinh
from nvmphys.crossbar.differential import Differential, DifferentialSolution, column_pairs
from nvmphys.crossbar.matvec import MatvecError, matvec_error
from nvmphys.crossbar.netlist import operating_point_deck
from nvmphys.crossbar.ngspice import Ngspice, find_ngspice, run
from nvmphys.crossbar.sensitivity import sensitivity
from nvmphys.crossbar.solution import Solution
from nvmphys.crossbar.validation import SpiceCheck, Validation, validate

__all__ = [
    "AccessTransistor",
    "Capacitance",
    "CellCurrent",
    "CellState",
    "Crossbar",
    "Differential",
    "DifferentialSolution",
    "Linear",
    "MatvecError",
    "Ngspice",
    "Polynomial",
    "Sinh",
    "Solution",
    "SpiceCheck",
    "Validation",
    "column_pairs",
    "find_ngspice",
    "matvec_error",
    "operating_point_deck",
    "run",
    "sensitivity",
    "validate",
]
