"""The report of a study: one self-contained HTML file."""

from nvmphys.report.compare import write_comparison
from nvmphys.report.contents import (
    ArraySummary,
    FitSummary,
    RelaxationSummary,
    StudyContents,
    summarise_array,
    summarise_fit,
    summarise_relaxation,
)
from nvmphys.report.html import cell, column_name, render_folder, write_report
from nvmphys.report.simulation import draw_experiment, save_experiment

__all__ = [
    "ArraySummary",
    "FitSummary",
    "RelaxationSummary",
    "StudyContents",
    "cell",
    "column_name",
    "draw_experiment",
    "render_folder",
    "save_experiment",
    "summarise_array",
    "summarise_fit",
    "summarise_relaxation",
    "write_comparison",
    "write_report",
]
