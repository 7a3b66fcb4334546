"""The report as one HTML file with its pictures inside."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.figure import Figure

from nvmphys.files import write_text
from nvmphys.population import law_of
from nvmphys.records import TECHNOLOGY_NAMES
from nvmphys.report import plots
from nvmphys.report.contents import FitSummary, RelaxationSummary, StudyContents, load_contents, save_contents

REPORT = "report.html"
_DPI = 110
_SEED = 1


@dataclass(frozen=True)
class Picture:
    """A figure with the section it belongs to and the words under it."""

    section: str
    figure: Figure
    caption: str


def write_report(contents: StudyContents, folder: str | os.PathLike[str]) -> Path:
    """Write `report.html` and the numbers behind it; card and profile must be in the folder already.

    Returns
    -------
    Path
        Of the report.
    """
    save_contents(contents, folder)
    path = Path(folder) / REPORT
    drawn = [{"section": p.section, "png": png(p.figure), "caption": p.caption} for p in pictures(contents)]
    text = template("report.html.j2").render(
        c=contents,
        card=contents.card,
        technology=TECHNOLOGY_NAMES[contents.card.technology],
        pictures=drawn,
        parameters=list(parameter_tables(contents)),
        sci=_digits,
        column_name=column_name,
        cell=cell,
        verdict=left_out_verdict(contents.fit) if contents.fit is not None and contents.fit.pit.size else "",
    )
    write_text(path, text)
    return path


def template(name: str) -> jinja2.Template:
    """Return a template of this folder; what is put into it is escaped."""
    loader = jinja2.PackageLoader("nvmphys.report", ".")
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template(name)


def render_folder(folder: str | os.PathLike[str]) -> Path:
    """Write the report of an earlier run again, from what it left in its folder."""
    return write_report(load_contents(folder), folder)


def pictures(contents: StudyContents) -> Iterator[Picture]:
    """Draw everything the report shows, in its order."""
    if contents.fit is not None:
        yield from _fit_pictures(contents.fit, contents.relaxation)
    yield from _time_pictures(contents)
    yield from _profile_pictures(contents)
    yield from _array_pictures(contents)


def figure_with(rows: int, columns: int, width: float, height: float) -> tuple[Figure, Any]:
    """Return a figure of so many inches and its axes (row, column)."""
    figure = Figure(figsize=(width, height), layout="constrained", dpi=_DPI)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _fit_pictures(fit: FitSummary, relaxation: RelaxationSummary | None) -> Iterator[Picture]:
    """Data under the fit, residuals, and the judgement on left-out data."""
    statistics = list(dict.fromkeys(fit.statistic))
    if statistics:
        figure, axes = figure_with(1, len(statistics), 10.5, 3.6)
        for ax, statistic in zip(axes.flat, statistics, strict=True):
            plots.fitted_points(ax, fit, statistic)
        words = "Measured statistics of each level with their 90 % intervals, and the fitted law."
        yield Picture("fit", figure, words)
    if relaxation is not None:
        yield from _relaxation_pictures(relaxation)
    if fit.pit.size:
        judged = relaxation is not None and bool(np.isfinite(relaxation.ratio).any())
        figure, axes = figure_with(1, 2, 10.5, 3.4)
        plots.pit_histogram(axes[0, 0], fit.pit, fit.pit_cells)
        if relaxation is not None and judged:
            image = plots.distance_map(axes[0, 1], relaxation)
            figure.colorbar(image, ax=axes[0, 1], label="distance / limit [1]")
        else:
            axes[0, 1].remove()
        yield Picture("left out", figure, f"Judged on data that the fit had not seen: {fit.left_out_what}.")


def _relaxation_pictures(fit: RelaxationSummary) -> Iterator[Picture]:
    """Quantiles of the change over the law, level by level, and residuals."""
    figure, axes = figure_with(2, 3, 10.5, 6)
    chosen = np.unique(np.linspace(min(1, fit.level_S.size - 1), fit.level_S.size - 1, 6).round().astype(int))
    for ax, level in zip(axes.flat, chosen, strict=False):
        plots.changes_on_probit(ax, fit, int(level))
    for ax in list(axes.flat)[chosen.size :]:
        ax.remove()
    axes[0, 0].legend(fontsize=7, title="after", title_fontsize=7, loc="lower right")
    words = (
        "Quantiles (0.5 to 99.5 %) of the measured change since the first read (circles) under the fitted law (lines)."
    )
    yield Picture("fit", figure, words)

    figure, axes = figure_with(1, 3, 10.5, 3.2)
    for ax, index, name in zip(axes.flat, (2, 6, 10), ("5 %", "50 %", "95 %"), strict=True):
        plots.residuals(ax, fit, index, name)
    axes[0, 0].legend(fontsize=7, title="after", title_fontsize=7, ncols=2)
    words = (
        "Residuals: measured less fitted quantile of the change, all levels. Shaded: where the quantiles of 90 % of "
        "the samples of the law itself would lie, for as many cells."
    )
    yield Picture("fit", figure, words)


def _time_pictures(contents: StudyContents) -> Iterator[Picture]:
    """Conductance against log time, with measured quantiles where there are any; nothing without a law of time."""
    law, fit, rng = law_of(contents.card), contents.relaxation, np.random.default_rng(_SEED)
    if law.time_range_s[1] <= law.time_range_s[0] or not law.extrapolates:
        return
    low, high = law.level_range_S
    targets = np.linspace(low, high, 6)[1:-1] if fit is None else fit.level_S[fit.shown_level.astype(int)]
    ahead = law.time_range_s[1] if fit is None else float(fit.beyond_s[-1])
    last = max(float(contents.profile.tables.time_s[-1]), ahead)
    figure, axes = figure_with(2, 2, 10.5, 6.6)
    for i, (ax, target) in enumerate(zip(axes.flat, targets, strict=False)):
        plots.conductance_over_time(ax, law, float(np.clip(target, low, high)), last, rng)
        if fit is not None:
            plots.measured_over_time(ax, fit, i)
    for ax in list(axes.flat)[len(targets) :]:
        ax.remove()
    words = "Predicted bands of conductance against time; what lies beyond the time known is shaded and extrapolated."
    if fit is not None:
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=7)
        words += (
            f" Points: quantiles (0.5, 5, 25, 50, 75, 95, 99.5 %) of {fit.shown}, without those beyond the cells there "
            "are. Lines: candidate laws of the spread. The bands are the card's law, which is fitted to all data; "
            "coverage, PIT and distances are of a fit without the data left out."
        )
    yield Picture("time", figure, words)


def _profile_pictures(contents: StudyContents) -> Iterator[Picture]:
    """Draw σ against target, histories, correlation, drift and read noise."""
    profile, rng = contents.profile, np.random.default_rng(_SEED)
    several = profile.tables.time_s.size > 1
    middle = profile.tables.target_S.size // 2
    figure, axes = figure_with(1, 2, 10.5, 3.8)
    plots.sigma_over_target(axes[0, 0], profile, contents.relaxation)
    if several:
        image = plots.correlation_map(axes[0, 1], profile, middle)
        figure.colorbar(image, ax=axes[0, 1], label="correlation [1]")
    else:
        plots.programmed_error(axes[0, 1], profile)
    yield Picture("profile", figure, f"Basis of the conductance: {profile.basis['conductance']}. σ is absolute.")
    if several and profile.tables.temperature_K.size > 1:
        figure, axes = figure_with(1, 2, 10.5, 3.8)
        plots.over_temperature(
            axes[0, 0], profile, profile.tables.mean_S - profile.tables.target_S[:, None], "mean shift"
        )
        plots.over_temperature(axes[0, 1], profile, profile.tables.sigma_S, "σ")
        words = "By temperature, at the last time of the profile; a profile is linear in 1/T between those it holds."
        yield Picture("profile", figure, words)
    if profile.time_range_s[1] > profile.time_range_s[0]:
        figure, axes = figure_with(1, 2, 10.5, 3.4)
        plots.programmed_error(axes[0, 0], profile)
        plots.histories(axes[0, 1], profile, float(profile.tables.target_S[middle]), rng)
        words = (
            f"As programmed (basis: {profile.basis['programmed']}), and cells drawn from the profile, three picked out "
            f"(basis of the histories: {profile.basis['history']})."
        )
        yield Picture("profile", figure, words)

    drawn = [plots.drift_log_log, plots.drift_exponents] if profile.drift else []
    drawn += [plots.read_noise] if profile.read_noise_S is not None else []
    if drawn:
        figure, axes = figure_with(1, len(drawn), 10.5, 3.4)
        for ax, plot in zip(axes.flat, drawn, strict=True):
            plot(ax, profile)
        words = f"Drift (basis: {profile.basis['change']}) and read noise (basis: {profile.basis['read_noise']})."
        yield Picture("profile", figure, words)


def _array_pictures(contents: StudyContents) -> Iterator[Picture]:
    """IR drop, SPICE against nodal, matrix–vector error."""
    figure, axes = figure_with(1, 3, 10.5, 3.4)
    image = plots.ir_drop_map(axes[0, 0], contents.array)
    figure.colorbar(image, ax=axes[0, 0], label="IR drop [%]")
    plots.spice_against_nodal(axes[0, 1], contents.array)
    plots.matvec_errors(axes[0, 2], contents.array)
    yield Picture("array", figure, contents.array.verdict)


def parameter_tables(contents: StudyContents) -> Iterator[dict[str, Any]]:
    """Lay out the card's values row by row, with half of the 90 % interval where there is one; S as µS.

    A value on the card's knots or nodes gets them as headings: `level_S` [µS] across, `time_s` [s] down.
    """
    card = contents.card
    level, time = (np.ravel(card.values.get(name, [])) for name in ("level_S", "time_s"))
    for name, value in card.values.items():
        scale, unit = (1e6, "µS") if card.units[name] == "S" else (1.0, card.units[name])
        rows = scale * np.atleast_2d(np.asarray(value, dtype=float))
        on_knots, on_nodes = rows.shape[1] == level.size > 1, rows.shape == (time.size, level.size)
        half: Any = [[None] * rows.shape[1]] * rows.shape[0]
        if name in card.intervals:
            interval = card.intervals[name]
            half = np.atleast_2d(np.asarray(interval["high"], float) - np.asarray(interval["low"], float)) * scale / 2
        yield {
            "name": name,
            "unit": unit,
            "across": [f"{_digits(1e6 * g)} µS" for g in level] if on_knots and name != "level_S" else [],
            "down": [f"{_digits(t)} s" for t in time] if on_nodes else [],
            "basis": str(card.basis[name]),
            "big": rows.size > 12,
            "rows": [
                [(_digits(v), None if h is None else f"{h:.2g}") for v, h in zip(row, spread, strict=True)]
                for row, spread in zip(rows, half, strict=True)
            ],
        }


def left_out_verdict(fit: FitSummary) -> str:
    """Say in words how the law meets the data left out: shares inside intervals, and distances within their limit."""
    shares = ", ".join(f"{100 * share:.1f} %" for share in fit.coverage)
    distances = (
        f" The Wasserstein distance is within its limit in {fit.within:.0%} of the {fit.groups} groups of level and "
        "condition; a perfect law reaches 95 %."
        if fit.groups
        else " There are too few cells a level to judge distances."
    )
    return f"Its 50, 90 and 99 % intervals cover {shares} of the reads left out.{distances}"


_SHARES = (
    "sigma_error", "coverage_0.5", "coverage_0.9", "coverage_0.99", "within_limit", "sign_right", "interval_of_sigma",
)  # fmt: skip
"""Columns of a fit's tables that are shares."""


def column_name(name: str) -> str:
    """Return the heading of a column of a fit's table, with its unit.

    >>> column_name("mean_error_S"), column_name("coverage_0.9"), column_name("levels")
    ('mean error [µS]', 'coverage 0.9 [%]', 'levels')
    """
    if name in _SHARES:
        return f"{name.replace('_', ' ')} [%]".replace("sigma", "σ")
    stem, _, unit = name.rpartition("_")
    if unit in ("S", "s"):
        return f"{stem.replace('_', ' ')} [{'µS' if unit == 'S' else 's'}]".replace("sigma", "σ")
    return name.replace("_", " ")


def cell(name: str, value: Any) -> str:
    """Return a value of a fit's table as people read it: S as µS, shares as per cent; nothing for NaN.

    >>> cell("mean_error_S", 1.5e-6), cell("sigma_error", -0.05), cell("levels", "0-3")
    ('1.5', '-5.0', '0-3')
    """
    if isinstance(value, str | int):
        return str(value)
    if not np.isfinite(value):
        return ""
    if name in _SHARES:
        return f"{100 * value:.1f}"
    return f"{1e6 * value:.3g}" if name.endswith("_S") else f"{value:.4g}"


def resolved(value: float, low: float, high: float) -> str:
    """Return a number with as many digits, from three to eight, as make out an interval.

    >>> resolved(0.6, 0.59998, 0.60003), resolved(0.6, 0.5, 0.7), resolved(1e-10, 1e-12, 1e-9)
    ('0.6', '0.6', '1e-10')
    >>> resolved(0.59998, 0.59998, 0.60003), resolved(0.5123, 0.5, 0.7)
    ('0.59998', '0.512')
    """
    size = max(abs(low), abs(high))
    digits = 3 if not 0 < high - low < size else int(np.clip(np.ceil(np.log10(size / (high - low))) + 1, 3, 8))
    return f"{value:.{digits}g}"


def _digits(value: float) -> str:
    """Return a number with four digits."""
    return "∞" if value == np.inf else f"{value:.4g}"


def png(figure: Figure) -> str:
    """Return a figure as base64 PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
