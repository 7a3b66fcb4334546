"""Crossbar circuits: the array and its nodal solution, the ngspice check of it, and what its lines cost a product."""

from nvmphys.crossbar.array import Crossbar, Solution
from nvmphys.crossbar.matvec import MatvecError, matvec_error
from nvmphys.crossbar.netlist import operating_point_deck
from nvmphys.crossbar.ngspice import Ngspice, find_ngspice, run
from nvmphys.crossbar.validation import SpiceCheck, Validation, validate

__all__ = [
    "Crossbar",
    "MatvecError",
    "Ngspice",
    "Solution",
    "SpiceCheck",
    "Validation",
    "find_ngspice",
    "matvec_error",
    "operating_point_deck",
    "run",
    "validate",
]
