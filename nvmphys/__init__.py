"""nvmphys: measurement files in, calibrated conductance statistics out, with SPICE in the loop."""

from __future__ import annotations

__version__ = "0.1.0"

from nvmphys.cards import list_cards, load_card, save_card
from nvmphys.codegen import generate
from nvmphys.crossbar import Crossbar, Solution, Validation, matvec_error, validate
from nvmphys.devices import device
from nvmphys.fit import Comparison, DynamicsFit, FitResult, LawFit, compare, fit, fit_each
from nvmphys.impact import NetworkImpact, network_impact
from nvmphys.measurement import list_sources, load_source, load_table, read
from nvmphys.measurement.programming import programming_summary
from nvmphys.measurement.pund import switched_polarization
from nvmphys.measurement.transfer import memory_windows, threshold_voltages
from nvmphys.population import draw_cells, law_of
from nvmphys.population.programming import Scheme, load_scheme, program
from nvmphys.population.pulse_response import accumulative_set, nonlinearity_parameter, pulse_curve
from nvmphys.population.read_noise import read_cells
from nvmphys.profile import VariationProfile, build_profile, load_profile, save_profile
from nvmphys.records import Basis, Measurement, ModelCard, Source
from nvmphys.simulate import simulate
from nvmphys.technologies import load_technologies

__all__ = [
    "Basis",
    "Comparison",
    "Crossbar",
    "DynamicsFit",
    "FitResult",
    "LawFit",
    "Measurement",
    "ModelCard",
    "NetworkImpact",
    "Scheme",
    "Solution",
    "Source",
    "Validation",
    "VariationProfile",
    "accumulative_set",
    "build_profile",
    "compare",
    "device",
    "draw_cells",
    "fit",
    "fit_each",
    "generate",
    "law_of",
    "list_cards",
    "list_sources",
    "load_card",
    "load_profile",
    "load_scheme",
    "load_source",
    "load_table",
    "load_technologies",
    "matvec_error",
    "memory_windows",
    "network_impact",
    "nonlinearity_parameter",
    "program",
    "programming_summary",
    "pulse_curve",
    "read",
    "read_cells",
    "save_card",
    "save_profile",
    "simulate",
    "switched_polarization",
    "threshold_voltages",
    "validate",
]
