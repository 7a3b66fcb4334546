"""Crossbar circuits: the array and its nodal solution, the ngspice check of it, and what its lines cost a product."""

from nvmphys.crossbar.array import Crossbar
from nvmphys.crossbar.capacitance import Capacitance
from nvmphys.crossbar.cells import AccessTransistor, CellCurrent, CellState, Linear, Polynomial, Sinh
from nvmphys.crossbar.device_cells import DeviceCells, TransistorCells, drawn_cells
from nvmphys.crossbar.differential import Differential, DifferentialSolution, column_pairs
from nvmphys.crossbar.matvec import MatvecError, matvec_error
from nvmphys.crossbar.netlist import operating_point_deck, transient_deck
from nvmphys.crossbar.ngspice import Ngspice, find_ngspice, run
from nvmphys.crossbar.sensitivity import sensitivity
from nvmphys.crossbar.settling import Settling, settling_time
from nvmphys.crossbar.solution import Solution
from nvmphys.crossbar.stimulus import Stimulus
from nvmphys.crossbar.transient import CrossbarTransient, crossbar_transient
from nvmphys.crossbar.transient_validation import TransientValidation, validate_transient
from nvmphys.crossbar.validation import SpiceCheck, Validation, validate
from nvmphys.crossbar.writing import WritePulse, Written, write

__all__ = [
    "AccessTransistor",
    "Capacitance",
    "CellCurrent",
    "CellState",
    "Crossbar",
    "CrossbarTransient",
    "DeviceCells",
    "Differential",
    "DifferentialSolution",
    "Linear",
    "MatvecError",
    "Ngspice",
    "Polynomial",
    "Settling",
    "Sinh",
    "Solution",
    "SpiceCheck",
    "Stimulus",
    "TransientValidation",
    "TransistorCells",
    "Validation",
    "WritePulse",
    "Written",
    "column_pairs",
    "crossbar_transient",
    "drawn_cells",
    "find_ngspice",
    "matvec_error",
    "operating_point_deck",
    "run",
    "sensitivity",
    "settling_time",
    "transient_deck",
    "validate",
    "validate_transient",
    "write",
]
