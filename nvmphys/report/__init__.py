"""The report of a study, a fit or a comparison: one self-contained HTML file."""

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
from nvmphys.report.fit_page import (
    comparison_page,
    dynamics_page,
    identified_rows,
    law_page,
    printable,
    write_fit_page,
)
from nvmphys.report.html import cell, column_name, render_folder, write_report
from nvmphys.report.impact import draw_impact, save_impact
from nvmphys.report.simulation import draw_experiment, save_experiment

__all__ = [
    "ArraySummary",
    "FitSummary",
    "RelaxationSummary",
    "StudyContents",
    "cell",
    "column_name",
    "comparison_page",
    "draw_experiment",
    "draw_impact",
    "dynamics_page",
    "identified_rows",
    "law_page",
    "printable",
    "render_folder",
    "save_experiment",
    "save_impact",
    "summarise_array",
    "summarise_fit",
    "summarise_relaxation",
    "write_comparison",
    "write_fit_page",
    "write_report",
]
