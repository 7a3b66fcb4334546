"""The report of a study: one self-contained HTML file."""

from nvmphys.report.contents import ArraySummary, FitSummary, StudyContents, summarise_array, summarise_fit
from nvmphys.report.html import render_folder, write_report

__all__ = [
    "ArraySummary",
    "FitSummary",
    "StudyContents",
    "render_folder",
    "summarise_array",
    "summarise_fit",
    "write_report",
]
