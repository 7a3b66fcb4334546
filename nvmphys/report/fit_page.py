"""The page of a fit of device physics, of a law, or of a comparison: one HTML file, and its pictures as PNG."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nvmphys.files import replacing, write_text
from nvmphys.fit import Comparison, DynamicsFit, LawFit
from nvmphys.fit.identify import Identified, Problem, Profile, coordinate, profile_of
from nvmphys.fit.result import Progress, versions
from nvmphys.parameters import Parameter
from nvmphys.records import Exclusion, Source
from nvmphys.report import fit_plots, pulses, ranking
from nvmphys.report.html import REPORT, Picture, column_name, figure_with, png, resolved, template

MOST_IN_CORNER = 7
"""Parameters of a corner plot: of more, those known least."""
POINTS, POINTS_OF_LAW = 9, 5
"""Points of a profile: of a law fewer, since it has more parameters and all of them are free."""
_MOST_EXPERIMENTS = 8
_NEXT_SHOWN = 12
_LOWER = 0.5
"""By how much χ² must fall along a profile to say that the fit is not the best."""
_BETTER = (
    "Along the profiles of {names} χ² falls below that of the fit: it is not at its best, its intervals do not hold. "
    "Look at the residuals; give --set values to start from, or other parameters with --free."
)
_NOT_JUDGED = "No data was left out: the fit is not judged on anything that it had not seen."


@dataclass(frozen=True)
class Table:
    """Rows as people read them, with the words above; headings are the keys of the first row."""

    caption: str
    rows: Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Section:
    """A part of the page: sentences, then pictures, then tables."""

    heading: str
    said: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class FitPage:
    """Everything that a page says."""

    title: str
    summary: Sequence[str]
    sections: Sequence[Section]
    warnings: Sequence[str] = ()
    sources: Sequence[Source] = ()
    exclusions: Sequence[Exclusion] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_fit_page(page: FitPage, folder: str | os.PathLike[str]) -> Path:
    """Write `report.html` with its pictures inside, and each picture as a PNG beside it.

    Returns
    -------
    Path
        Of the report.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    number, sections = 0, []
    for section in page.sections:
        drawn = []
        for picture in section.pictures:
            number += 1
            inside = png(picture.figure)
            with replacing(Path(folder) / f"{number:02d}_{picture.section}.png") as part:
                part.write_bytes(base64.b64decode(inside))
            drawn.append({"png": inside, "caption": picture.caption})
        filled = [table for table in section.tables if table.rows]
        sections.append({"heading": section.heading, "said": section.said, "drawn": drawn, "tables": filled})
    text = template("fit.html.j2").render(c={**vars(page), "sections": sections})
    path = Path(folder) / REPORT
    write_text(path, text)
    return path


def dynamics_page(
    fit: DynamicsFit, title: str, next_experiments: pd.DataFrame | None = None, progress: Progress | None = None
) -> FitPage:
    """Return the page of the fit of a device model.

    Parameters
    ----------
    fit : DynamicsFit
    title : str
    next_experiments : DataFrame, optional
        As of `DynamicsFit.next_experiments`.
    progress : callable, optional
        Told of the profiles of the likelihood, which are evaluated here.
    """
    found = fit.identified
    n, rows = fit.n_devices, sum(o.measured.size for o in fit.observed)
    curves = _curves(fit.problem(), found, POINTS, progress)
    warnings = _better(curves)
    return FitPage(
        title=title,
        summary=(
            f"{fit.model.title} ({fit.model.name}).",
            (
                f"{len(found.names)} of {len(fit.parameters)} parameters fitted to {rows:,} rows of {n:,} "
                f"device{'s' * (n != 1)}; the others are held."
            ),
            *_ended(found),
            *_known(found),
        ),
        warnings=warnings + ([] if fit.left_out else [_NOT_JUDGED]),
        sections=(
            Section("Parameters", fit.said, tables=[_values(found, fit.parameters, ""), _held(fit)]),
            Section("Data and fit", pictures=list(_data(fit))),
            Section("What the data tell of the parameters",
                    pictures=[*_law_known(found, fit.parameters, ""), *_profiles(found, fit.parameters, curves, "")],
                    tables=[_correlation(found, "")]),
            Section("Left-out data", pictures=list(_left_out(fit)), tables=_judgements(fit.left_out)),
            *([] if next_experiments is None else [_next(next_experiments)]),
        ),
        sources=fit.sources, exclusions=fit.exclusions, provenance=_made(fit.options, fit.seed),
    )  # fmt: skip


def law_page(fit: LawFit, title: str, progress: Progress | None = None) -> FitPage:
    """Return the page of the fit of a law.

    Parameters
    ----------
    fit : LawFit
    title : str
    progress : callable, optional
        Told of the profiles of the likelihood, which are evaluated here.
    """
    kind = next((k for k in _LAW_KINDS if set(k.columns) <= set(fit.compared)), None)
    n = fit.n_devices
    values = [_values(found, fit.parameters, part) for part, found in fit.parts.items()]
    curves = {
        part: _curves(fit.problems[part], found, POINTS_OF_LAW, progress) if part in fit.problems else []
        for part, found in fit.parts.items()
    }
    known = [
        picture
        for part, found in fit.parts.items()
        for picture in (
            *_law_known(found, fit.parameters, part), *_profiles(found, fit.parameters, curves[part], part)
        )
    ]  # fmt: skip
    sections = [
        Section("Parameters", fit.said, tables=values),
        Section("Data and fit", pictures=[] if kind is None else list(kind.draw(fit.compared))),
        Section(
            "What the data tell of the parameters",
            pictures=known,
            tables=[_correlation(found, part) for part, found in fit.parts.items()],
        ),
        Section("Left-out data", pictures=list(_law_left_out(fit, kind)), tables=_judgements(fit.left_out)),
    ]
    warnings = [f"No card: {fit.withheld}"] if fit.withheld else []
    ended = [sentence for found in fit.parts.values() for sentence in (*_ended(found), *_known(found))]
    return FitPage(
        title=title, summary=(f"{fit.model}: fitted to {n:,} device{'s' * (n != 1)}.", *ended),
        warnings=warnings + _better([c for part in curves.values() for c in part]),
        sections=[s for s in sections if s.pictures or s.said or any(t.rows for t in s.tables)],
        sources=fit.sources, exclusions=fit.exclusions, provenance=_made(fit.options, fit.seed),
    )  # fmt: skip


def comparison_page(found: Comparison, title: str) -> FitPage:
    """Return the page of a comparison of models."""
    sections = []
    for ranked in found.rankings:
        rows = ranked.table["rms"].notna().sum()
        figure, axes = figure_with(1, 2, 10.5, max(3.2, 1.2 + 0.3 * rows))
        ranking.ranking(axes[0, 0], ranked, found.quantity)
        ranking.furthest_off(axes[0, 1], ranked, found.quantity)
        words = (
            "Left: filled marks cannot be told from the best, a cross is a model that does not fit, light blue are "
            f"baselines. Right: {ranked.where.index.name} at the rows left out."
        )
        shown = ranked.table[ranked.table["rms"].notna()].reset_index()
        columns = ["candidate", "kind", "rms", "low", "high", "bias", "coverage_90", "as_good", "fits", "knows"]
        picture = Picture("ranking", figure, words)
        where = Table("Where the best model is furthest off.", printable(ranked.where.reset_index(drop=True)))
        table = Table(f"Errors in {found.quantity}.", printable(shown[columns]))
        sections.append(Section(f"{ranked.what} left out", pictures=[picture], tables=[table, where]))
    lost = pd.concat([found.refused, *(r.table.loc[r.table["rms"].isna(), ["kind", "reason"]] for r in found.rankings)])
    sections.append(Section("Not ranked", tables=[Table("", printable(lost.rename_axis("candidate").reset_index()))]))
    return FitPage(title=title, summary=found.said, sections=[s for s in sections if any(t.rows for t in s.tables)],
                   provenance=_made(found.options, found.seed))  # fmt: skip


def printable(table: pd.DataFrame) -> list[dict[str, str]]:
    """Return the rows of a table as people read them: three digits, yes and no, nothing for what is missing.

    >>> printable(pd.DataFrame({"rms": [0.12345], "fits": [True], "why": [None]}))
    [{'rms': '0.123', 'fits': 'yes', 'why': ''}]
    """

    def words(value: Any) -> str:
        if isinstance(value, bool | np.bool_):
            return "yes" if value else "no"
        if value is None or (isinstance(value, float) and np.isnan(value)):
            return ""
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    return [{str(name): words(value) for name, value in row.items()} for row in table.to_dict("records")]


def identified_rows(found: Identified, parameters: Sequence[Parameter]) -> list[dict[str, str]]:
    """Return a row for each fitted parameter: value, 90 % interval, unit, and whether the data tell it."""
    units, rows = {p.name: p.unit for p in parameters}, []
    for name in found.names:
        low, high = found.intervals[name]
        said = "no" if name in found.unknown else ("by the prior" if name in found.prior_decides else "yes")
        said += ", at a bound" if name in found.convergence.bound_hits else ""
        shown = [resolved(v, low, high) for v in (found.values[name], low, high)]
        unit = "" if units[name] == "1" else units[name]
        rows.append({"parameter": name, "value": shown[0], "90 % interval": f"{shown[1]} … {shown[2]}",
                     "unit": unit, "identified": said})  # fmt: skip
    return rows


def _values(found: Identified, parameters: Sequence[Parameter], part: str) -> Table:
    about = {p.name: p.about for p in parameters}
    rows = [row | {"meaning": about[row["parameter"]]} for row in identified_rows(found, parameters)]
    return Table(f"Fitted{f', {part}' * bool(part)}.", rows)


def _held(fit: DynamicsFit) -> Table:
    rows = [
        {"parameter": p.name, "value": f"{fit.values[p.name]:.4g}", "unit": p.unit, "meaning": p.about}
        for p in fit.parameters
        if p.name in fit.values and p.name not in fit.identified.names
    ]
    return Table("Held.", rows)


def _ended(found: Identified) -> list[str]:
    ended = found.convergence
    hits = f"; at their bounds: {', '.join(ended.bound_hits)}" if ended.bound_hits else ""
    return [f"The fit {'converged' if ended.converged else 'did NOT converge'}: {ended.message.rstrip('.')}{hits}."]


def _known(found: Identified) -> list[str]:
    said = []
    if found.unknown:
        said.append(f"Not identified by these data: {', '.join(found.unknown)}.")
    if found.prior_decides:
        said.append(f"Held by the prior rather than by the data: {', '.join(found.prior_decides)}.")
    return said or ["The data identify every parameter that was fitted."]


def _correlation(found: Identified, part: str) -> Table:
    rows = [
        {"": name, **{other: f"{value:+.3f}" for other, value in zip(found.names, row, strict=True)}}
        for name, row in zip(found.names, found.correlation, strict=True)
    ]
    words = f"Correlation in the fit's coordinates{f', {part}' * bool(part)}."
    return Table(words, rows if len(found.names) > 1 else [])


def _data(fit: DynamicsFit) -> Iterator[Picture]:
    """Draw each experiment over its residuals."""
    chosen = fit.observed[:_MOST_EXPERIMENTS]
    for o in chosen:
        rows, x, y = fit_plots.drawn_rows(o, o.predict(fit.values))
        is_log = o.quantity.startswith("log10 of ")
        figure, axes = figure_with(1, 2, 10.5, 3.6)
        fit_plots.data_and_fit(axes[0, 0], rows, x, y, is_log, fit_plots.heading(o))
        fit_plots.residuals(axes[0, 1], rows, x, _unit(o.quantity), o.noise)
        yield Picture("data", figure, f"{fit_plots.heading(o)}: {o.quantity}. Not drawn are rows that are not fitted.")


def _curves(problem: Problem, found: Identified, points: int, progress: Progress | None) -> list[Profile]:
    """Return the profile of each fitted parameter."""
    curves = []
    for k, name in enumerate(found.names):
        if progress is not None:
            progress("profiles to draw", k, len(found.names))
        curves.append(profile_of(problem, found, name, points))
    return curves


def _better(curves: Sequence[Profile]) -> list[str]:
    """Warn of a fit that is not at its best."""
    lower = [curve.name for curve in curves if float(np.nanmin(curve.rise)) < -_LOWER]
    return [_BETTER.format(names=", ".join(lower))] if lower else []


def _profiles(
    found: Identified, parameters: Sequence[Parameter], curves: Sequence[Profile], part: str
) -> Iterator[Picture]:
    """Draw profiles of the likelihood."""
    if not curves:
        return
    own = {p.name: p for p in parameters}
    columns = min(4, len(curves))
    rows = -(-len(curves) // columns)
    figure, axes = figure_with(rows, columns, 2.6 * max(columns, 2), 2.3 * rows)
    for ax, curve in zip(axes.flat, curves, strict=False):
        fit_plots.profile(ax, curve, found, own[curve.name])
    for ax in axes[:, 0]:
        ax.set_ylabel("rise of χ² [1]", fontsize=8)
    axes[0, 0].legend(fontsize=6)
    for ax in list(axes.flat)[len(curves) :]:
        ax.remove()
    words = (
        f"Profiles of the likelihood{f', {part}' * bool(part)}: χ² above that of the fit with one parameter held and "
        "the others fitted anew, at the marks; dashed, where the 90 % interval ends. Where it leaves the dotted "
        "parabola, intervals are lopsided."
    )
    yield Picture("profiles", figure, words)


def _law_known(found: Identified, parameters: Sequence[Parameter], part: str) -> Iterator[Picture]:
    """Draw corner and spectrum of what was identified."""
    chosen = _least_known(found, parameters)
    n, of = len(chosen), f" of {part}" * bool(part)
    if n > 1:
        figure, axes = figure_with(n, n, 1.5 * n + 0.8, 1.35 * n + 0.6)
        fit_plots.corner(axes, found, chosen)
        few = "" if n == len(found.names) else f" The {n} least known of {len(found.names)} parameters are drawn."
        words = (
            f"Joint 68 and 90 % regions of the parameters{of} by the covariance, with correlations; ticks are the "
            "ends of the 90 % intervals."
        )
        yield Picture("corner", figure, words + few)
    figure, axes = figure_with(1, 1, 10.5, 1.6 + 0.28 * len(found.names))
    fit_plots.spectrum(axes[0, 0], found)
    words = (
        f"Sensitivity spectrum{of}: singular values of the slopes of all residuals, over the noise, by the fit's "
        "coordinates, which run from 0 to 1 between the bounds."
    )
    yield Picture("spectrum", figure, words)


def _least_known(found: Identified, parameters: Sequence[Parameter]) -> list[Parameter]:
    """Return the parameters of a corner plot, in the order of the fit."""
    own = {p.name: p for p in parameters}

    def span(name: str) -> float:
        low, high = (coordinate(own[name], v) for v in found.intervals[name])
        return high - low

    chosen = sorted(found.names, key=span, reverse=True)[:MOST_IN_CORNER]
    return [own[name] for name in found.names if name in chosen]


def _left_out(fit: DynamicsFit) -> Iterator[Picture]:
    """Draw what was left out against what was foretold, and the errors beside baselines, for each unit of errors."""
    parts = [
        (what, unit, part)
        for what, rows in fit.foretold.items()
        for unit, part in rows.groupby(rows["quantity"].map(_unit), sort=False)
    ]
    for what, unit, rows in parts:
        figure, axes = figure_with(1, 2, 10.5, 3.8)
        fit_plots.predicted_against_measured(axes[0, 0], rows, what)
        every = fit.left_out[what]["rms"]
        flat = every[every.index.get_level_values(0).isin(rows["experiment"])].copy()
        flat.index = [", ".join(dict.fromkeys(map(str, names))) for names in flat.index]
        pulses.left_out_errors(axes[0, 1], flat.to_frame("rms error"), "rms error", unit, own=fit.model.name)
        axes[0, 1].set_title("errors beside baselines", fontsize=9)
        yield Picture("left_out", figure, f"A fit that has not seen {what}: what it foretells of it.")


def _unit(quantity: str) -> str:
    """Return the unit of differences of a quantity.

    >>> _unit("log10 of current [A]"), _unit("threshold voltage [V]")
    ('decade', 'V')
    """
    return "decade" if quantity.startswith("log10") else quantity.rpartition("[")[2].removesuffix("]")


def _judgements(left_out: Mapping[str, pd.DataFrame]) -> list[Table]:
    found = []
    for what, table in left_out.items():
        shown = table.reset_index().rename(columns=lambda name: str(name))
        for name in [str(c) for c in shown if str(c).endswith("_S")]:
            shown[name] *= 1e6
        found.append(Table(f"Left out: {what}.", [
            {column_name(name).replace("coverage_", "coverage "): value for name, value in row.items()}
            for row in printable(shown)
        ]))  # fmt: skip
    return found


def _next(table: pd.DataFrame) -> Section:
    shown = table[table["ln_det_gain"].notna()][["experiment", "change", "ln_det_gain", "sharpest", "falls_by"]]
    words = (
        "Experiments that could be next, by the gain in ln det of the Fisher information; falls by: the factor by "
        "which the standard error of the parameter that gains most would fall."
    )
    rows = [{name.replace("_", " "): v for name, v in row.items()} for row in printable(shown.head(_NEXT_SHOWN))]
    return Section("What to measure next", tables=[Table(words, rows)])


def _made(options: Mapping[str, Any], seed: int | None) -> dict[str, Any]:
    shown = {name: ", ".join(map(str, v)) if isinstance(v, list | tuple) else v for name, v in options.items()}
    return {**shown, "seed": seed, "versions": ", ".join(f"{name} {v}" for name, v in versions().items())}


_GRID_WORDS = "Cells after one pulse (marks: median, bars: 5 to 95 %) and the law (line, band)."


def _grid_pictures(compared: pd.DataFrame) -> Iterator[Picture]:
    """Draw a single-pulse grid at its shortest, middle and longest width, and all residuals."""
    widths = np.unique(compared["pulse_width_s"])
    chosen = widths[np.unique([0, widths.size // 2, widths.size - 1])]
    for width in chosen:
        figure, axes = figure_with(1, 1, 10.5, 4.2)
        pulses.single_pulse_grid(axes[0, 0], compared, float(width))
        yield Picture("data", figure, _GRID_WORDS)
    figure, axes = figure_with(1, 1, 10.5, 3.6)
    pulses.single_pulse_residuals(axes[0, 0], compared)
    yield Picture("residuals", figure, "Residuals of the medians, all conditions.")


def _ramp_pictures(compared: pd.DataFrame) -> Iterator[Picture]:
    for part in compared["part"].unique():
        figure, axes = figure_with(1, 2, 10.5, 4)
        pulses.ramps_free(axes[0, 0], compared, str(part))
        pulses.ramp_residuals(axes[0, 1], compared, str(part))
        yield Picture("data", figure, f"{part}: ramps, running free from each one's first read, and residuals.")


@dataclass(frozen=True)
class _LawKind:
    """Which columns of a law's table are drawn how, and the unit of the first column of its judgements."""

    columns: tuple[str, ...]
    draw: Callable[[pd.DataFrame], Iterator[Picture]]
    unit: str = ""


_LAW_KINDS = (
    _LawKind(("gate_voltage_V", "measured_0.5", "fitted_0.5"), _grid_pictures, "decade"),
    _LawKind(("ramp", "free_S", "innovation_S"), _ramp_pictures, ""),
)


def _law_left_out(fit: LawFit, kind: _LawKind | None) -> Iterator[Picture]:
    """Draw the first figure of each judgement beside baselines."""
    for what, table in fit.left_out.items():
        column = next(name for name in table if name != "rows")
        in_S = str(column).endswith("_S")
        figure, axes = figure_with(1, 1, 10.5, 1.4 + 0.22 * len(table))
        unit = "µS" if in_S else (kind.unit if kind else "")
        shown = table[[column]].rename(columns=lambda name: str(name).removesuffix("_S").replace("_", " "))
        pulses.left_out_errors(axes[0, 0], shown, str(shown.columns[0]), unit, 1e6 if in_S else 1.0)
        axes[0, 0].set_title(what, fontsize=9)
        yield Picture("left_out", figure, f"Errors of the law and of baselines: {what}.")
