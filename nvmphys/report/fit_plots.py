"""Plots of a fit of device physics: data and residuals, what is known of the parameters, what was left out.

Axes in, axes out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from nvmphys.fit.conditions import LOGARITHMIC, places, runs
from nvmphys.fit.identify import LEVEL, UNKNOWN, Identified, Profile, coordinate, slope_at, value_at
from nvmphys.fit.observed import Observed
from nvmphys.measurement.units import engineering
from nvmphys.parameters import Parameter
from nvmphys.report.html import resolved
from nvmphys.report.plots import COLOURS, MARKERS

Array = NDArray[np.float64]

Z = float(norm.ppf((1 + LEVEL) / 2))
MOST_LINES = 12
"""Devices, runs or conditions that are drawn of an experiment."""
_MOST_POINTS = 2000
_MOST_NAMED = 8
_WINDOW = 3.2
"""Half of the width of a corner plot's panel, in standard errors."""
_SHARES = (0.683, LEVEL)
_KNOWN, _VAGUE = COLOURS[0], COLOURS[4]
_CONDITIONS = {
    "pulse_width_s": ("pulse width [s]", "s"),
    "pulse_voltage_V": ("amplitude [V]", "V"),
    "gate_voltage_V": ("gate voltage [V]", "V"),
    "trailing_s": ("trailing edge [s]", "s"),
    "temperature_K": ("temperature [K]", "K"),
}
_SORTED = tuple(label for label, _ in _CONDITIONS.values())
"""Abscissas along which rows have no order of their own."""


_BY_CONDITION = ("pulse", "id_vg", "threshold")
"""Experiments that are drawn along the condition that varies most, a line for each of the others."""


def drawn_rows(o: Observed, predicted: Array) -> tuple[pd.DataFrame, str, str]:
    """Return the rows of an experiment as they are drawn, the label of their abscissa and that of their ordinate.

    Columns: x, measured, fitted (as the quantity, not its logarithm), residual (in the quantity that is fitted), line,
    a number of what is joined, and name, what that is called.
    """
    is_log = o.quantity.startswith("log10 of ")
    measured, fitted = (10.0**each if is_log else each for each in (o.measured, predicted))
    own = {"measured": measured, "fitted": fitted, "residual": o.measured - predicted}
    varied = [name for name in _CONDITIONS if name in o.table and o.table[name].nunique() > 1]
    rows = pd.DataFrame(own)
    if o.experiment in _BY_CONDITION and varied:
        along = max(varied, key=lambda name: o.table[name].nunique())
        others = [name for name in varied if name != along]
        rows["x"], label = o.table[along].to_numpy(dtype=float), _CONDITIONS[along][0]
        keys = [*others, *(["device_id"] if "device_id" in o.table else [])]
        rows["line"] = o.table.groupby(keys, sort=True).ngroup().to_numpy() if keys else 0
        named = [o.table[name].map(lambda v, name=name: engineering(v, _CONDITIONS[name][1])) for name in others]
        rows["name"] = pd.concat(named, axis=1).agg(", ".join, axis=1).to_numpy() if named else ""
    else:
        rows["line"] = runs(o.experiment, o.table)
        rows["name"] = [f"run {k + 1}" for k in rows["line"]]
        column = next((c for c in ("voltage_V", "time_s") if c in o.table and o.table[c].nunique() > 1), None)
        if o.experiment in ("pulse_train", "ispp", "write_verify") or column is None:
            rows["x"], label = rows.groupby("line").cumcount() + 1.0, "pulse of the run"
        else:
            rows["x"] = o.table[column].to_numpy(dtype=float)
            label = "voltage [V]" if column == "voltage_V" else "time [s]"
    if rows["line"].nunique() == 1:
        rows["name"] = ""
    return rows, label, o.quantity.removeprefix("log10 of ")


def heading(o: Observed) -> str:
    """Return an experiment with what tells it from another of its kind."""
    at = places(o.experiment, o.table)
    if "lg ramp rate" in at and at["lg ramp rate"].notna().any():
        return f"{o.experiment}, {engineering(float(10 ** at['lg ramp rate'].median()), 'V/s')}"
    return o.experiment


def data_and_fit(ax: Axes, rows: pd.DataFrame, x: str, y: str, is_log: bool, title: str) -> Axes:
    """Measured (marks) and fitted (lines) against the condition that varies most, as of `drawn_rows`."""
    kept = _thinned(rows)
    colours = {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(dict.fromkeys(kept["name"]))}
    shown: set[str] = set()
    for _, line in kept.groupby("line"):
        name = str(line["name"].iloc[0])
        label = name if name and name not in shown and len(colours) <= _MOST_NAMED else None
        shown.add(name)
        if x in _SORTED:
            line = line.sort_values("x")
        marker = MARKERS[list(colours).index(name) % len(MARKERS)]
        ax.plot(line["x"], line["measured"].abs() if is_log else line["measured"], marker, ms=3, mfc="none",
                mew=0.6, color=colours[name])  # fmt: skip
        ax.plot(line["x"], line["fitted"], "-", lw=1.1, color=colours[name], label=label)
    if is_log:
        ax.set_yscale("log")
    _abscissa(ax, rows, x)
    ax.set_ylabel(y)
    of = rows["line"].nunique()
    what = f", {kept['line'].nunique()} of {of} lines" if kept["line"].nunique() < of else ""
    ax.set_title(f"{title}: measured (marks) and fitted (lines){what}", fontsize=9)
    if any(shown) and len(colours) <= _MOST_NAMED:
        ax.legend(fontsize=7)
    ax.grid(alpha=0.25)
    return ax


def residuals(ax: Axes, rows: pd.DataFrame, x: str, unit: str, noise: float) -> Axes:
    """Measured less fitted of all rows; shaded is where 90 % would lie of the noise that the fit found."""
    few = rows.iloc[:: max(1, len(rows) // _MOST_POINTS)]
    ax.axhspan(-Z * noise, Z * noise, color="0.6", alpha=0.25, lw=0, label=f"90 % of a noise of {noise:.2g}")
    ax.plot(few["x"], few["residual"], ".", ms=3, color=_KNOWN)
    ax.axhline(0, color="0.4", lw=0.8)
    _abscissa(ax, rows, x)
    ax.set_ylabel(f"measured - fitted [{unit}]")
    inside = float((rows["residual"].abs() <= Z * noise).mean())
    ax.set_title(f"residuals: {inside:.0%} of {len(rows):,} in the band", fontsize=9)
    ax.legend(fontsize=7)
    ax.grid(alpha=0.25)
    return ax


def corner(axes: NDArray[np.object_], found: Identified, parameters: Sequence[Parameter]) -> None:
    """Joint 68 and 90 % ellipses of each pair in the fit's coordinates (axes (row, column)), ticks in the units.

    On the diagonal the density of each with its value and 90 % interval.
    """
    errors = [found.standard_errors[p.name] / slope_at(p, found.values[p.name]) for p in parameters]
    centres = [coordinate(p, found.values[p.name]) for p in parameters]
    order = [found.names.index(p.name) for p in parameters]
    windows = [_window(c, e) for c, e in zip(centres, errors, strict=True)]
    for i, down in enumerate(parameters):
        for j, across in enumerate(parameters):
            ax = axes[i, j]
            if j > i:
                ax.remove()
                continue
            ax.set_xlim(windows[j])
            if i == j:
                _density(ax, found, down, centres[i], errors[i], windows[i])
            else:
                correlation = float(found.correlation[order[i], order[j]])
                _ellipses(ax, (centres[j], centres[i]), (errors[j], errors[i]), correlation)
                ax.set_ylim(windows[i])
                ax.set_title(f"{correlation:+.2f}", fontsize=6, pad=2)
            _in_units(ax, "x", across, found, i == len(parameters) - 1)
            if i != j:
                _in_units(ax, "y", down, found, j == 0)


def profile(ax: Axes, curve: Profile, found: Identified, parameter: Parameter) -> Axes:
    """Profile of the likelihood of one parameter, its 90 % limit, and (dotted) the parabola of the standard error."""
    at = np.array([coordinate(parameter, v) for v in curve.values])
    centre = coordinate(parameter, found.values[parameter.name])
    error = found.standard_errors[parameter.name] / slope_at(parameter, found.values[parameter.name])
    colour = _VAGUE if parameter.name in found.unknown else _KNOWN
    fine = np.linspace(at[0], at[-1], 101)
    ax.plot(fine, ((fine - centre) / error) ** 2, ":", lw=1, color="0.4", label="standard error")
    ax.plot(at, curve.rise, "o-", ms=3, lw=1.2, color=colour, label="profile")
    ax.axhline(curve.limit, color="0.4", lw=0.8, ls="--")
    ax.set_ylim(min(-0.05 * curve.limit, float(np.nanmin(curve.rise))), 3.2 * curve.limit)
    ax.set_title(f"{parameter.name}" + (": not identified" if parameter.name in found.unknown else ""), fontsize=9)
    _in_units(ax, "x", parameter, found, True)
    ax.grid(alpha=0.25)
    return ax


def spectrum(ax: Axes, found: Identified) -> Axes:
    """Singular values of the scaled sensitivities by combination, and the line below which one is not known."""
    limit = 2 * Z / UNKNOWN
    count = len(found.singular_values)
    at = np.arange(count)[::-1]
    sizes = np.maximum(found.singular_values, 1e-12)
    ax.barh(at, sizes, color=[_KNOWN if s >= limit else _VAGUE for s in sizes], height=0.6)
    ax.axvline(limit, color="0.3", lw=1, ls="--", label=f"not known below {limit:.2g}")
    ax.set_yticks(at, [_in_words(found.names, weights) for weights in found.combinations], fontsize=7)
    ax.set(xscale="log", xlabel="1 / standard error of the combination, over the range [1]")
    ax.set_xlim(min(limit, float(sizes.min())) / 3, max(limit, float(sizes.max())) * 3)
    ax.set_ylim(-0.6, count - 0.4)
    ax.set_title("What the data know: combinations of parameters", fontsize=9)
    ax.legend(fontsize=7)
    ax.grid(alpha=0.25, axis="x")
    return ax


def predicted_against_measured(ax: Axes, rows: pd.DataFrame, what: str) -> Axes:
    """Rows that were left out: measured against predicted, with the 90 % band that was foretold."""
    for k, (name, own) in enumerate(rows.groupby("experiment", sort=False)):
        few = own.iloc[:: max(1, len(own) // _MOST_POINTS)]
        colour = COLOURS[k % len(COLOURS)]
        inside = float(((own["measured"] - own["predicted"]).abs() <= Z * own["sigma"]).mean())
        ax.plot(few["predicted"], few["measured"], MARKERS[k % len(MARKERS)], ms=3, mfc="none", mew=0.6, color=colour,
                label=f"{name}: {inside:.0%} of {len(own):,} in the band")  # fmt: skip
        ends = np.array([own["predicted"].min(), own["predicted"].max()])
        half = Z * float(own["sigma"].mean())
        ax.plot(ends, ends, "-", lw=0.8, color="0.4")
        ax.fill_between(ends, ends - half, ends + half, color=colour, alpha=0.2, lw=0)
    quantity = " / ".join(dict.fromkeys(rows["quantity"]))
    ax.set(xlabel=f"predicted {quantity}", ylabel=f"measured {quantity}")
    ax.set_title(f"without {what}, 90 % band", fontsize=9)
    ax.legend(fontsize=7)
    ax.grid(alpha=0.25)
    return ax


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    lines = np.unique(rows["line"])
    chosen = lines[np.unique(np.linspace(0, lines.size - 1, MOST_LINES).round().astype(int))]
    return rows[rows["line"].isin(chosen)]


def _abscissa(ax: Axes, rows: pd.DataFrame, x: str) -> None:
    ax.set_xlabel(x)
    log_labels = {_CONDITIONS[name][0] for name in LOGARITHMIC if name in _CONDITIONS}
    if x in log_labels or (x == "time [s]" and rows["x"].min() > 0 and rows["x"].max() > 100 * rows["x"].min()):
        ax.set_xscale("log")


def _window(centre: float, error: float) -> tuple[float, float]:
    half = _WINDOW * max(error, 1e-12)
    return max(centre - half, min(-0.02, centre - 1e-9)), min(centre + half, max(1.02, centre + 1e-9))


def _density(
    ax: Axes, found: Identified, parameter: Parameter, centre: float, error: float, window: tuple[float, float]
) -> None:
    at = np.linspace(*window, 101)
    colour = _VAGUE if parameter.name in found.unknown else _KNOWN
    ax.plot(at, np.exp(-0.5 * ((at - centre) / error) ** 2), color=colour, lw=1.2)
    low, high = found.intervals[parameter.name]
    for end in (low, high):
        ax.axvline(coordinate(parameter, end), color=colour, lw=0.8, ls="--")
    ax.set_yticks([])
    ax.set_ylim(0, 1.15)
    value = resolved(found.values[parameter.name], low, high)
    unit = "" if parameter.unit == "1" else f" {parameter.unit}"
    ax.set_title(f"{parameter.name} = {value}{unit}", fontsize=7, pad=2)


def _ellipses(ax: Axes, centre: tuple[float, float], errors: tuple[float, float], correlation: float) -> None:
    """Draw the joint ellipses of a pair of normal coordinates."""
    turn = np.linspace(0, 2 * np.pi, 101)
    scores = np.cos(turn), correlation * np.cos(turn) + np.sqrt(max(1 - correlation**2, 0.0)) * np.sin(turn)
    for share, alpha in zip(_SHARES, (0.45, 0.2), strict=True):
        reach = float(np.sqrt(chi2.ppf(share, 2)))
        x, y = (c + reach * e * s for c, e, s in zip(centre, errors, scores, strict=True))
        ax.fill(x, y, color=_KNOWN, alpha=alpha, lw=0)
    ax.plot(*centre, "+", ms=5, color="0.2")


def _in_units(ax: Axes, side: str, parameter: Parameter, found: Identified, labelled: bool) -> None:
    """Mark the ends of a parameter's 90 % interval on an axis in its coordinate by their values."""
    low, high = found.intervals[parameter.name]
    begin, end = ax.get_xlim() if side == "x" else ax.get_ylim()
    ends = [min(max(coordinate(parameter, v), begin), end) for v in (low, high)]
    words = [resolved(value_at(parameter, at), low, high) for at in ends] if labelled else ["", ""]
    (ax.set_xticks if side == "x" else ax.set_yticks)(ends, words, fontsize=6)
    if side == "x":
        ax.tick_params(axis="x", labelrotation=30)
    if labelled:
        unit = "1" if parameter.unit == "1" else parameter.unit
        (ax.set_xlabel if side == "x" else ax.set_ylabel)(f"{parameter.name} [{unit}]", fontsize=7)


def _in_words(names: Sequence[str], weights: Array) -> str:
    """Return the chief parts of a combination."""
    signed = weights * np.sign(weights[np.abs(weights).argmax()])
    parts = sorted(zip(names, signed, strict=True), key=lambda part: -abs(part[1]))
    return " ".join(f"{w:+.2f}·{n}" for n, w in parts[:3] if abs(w) > 0.2)
