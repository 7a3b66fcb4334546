"""Pictures of a first look at networks: accuracy against time, and the error budget."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nvmphys.files import replacing
from nvmphys.impact import NetworkImpact
from nvmphys.impact.parts import WIRES
from nvmphys.report.plots import COLOURS

Array = NDArray[np.float64]

_PERCENT = 100
_ZERO_AT = 0.1
"""Where on a logarithmic axis a time of 0 is drawn, as a share of the first time after it."""


def accuracy_over_time(ax: Axes, found: NetworkImpact, mapping: str) -> Axes:
    """Accuracy against time with both bands, the digital baseline and the Gaussian of equal RMS."""
    rows = found.curves[found.curves["mapping"] == mapping]
    times = rows["time_s"].to_numpy(dtype=float)
    later = times[times > 0]
    x = np.where(times > 0, times, later[0] * _ZERO_AT if later.size else 1.0)
    blue, orange = COLOURS[0], COLOURS[4]
    if rows["wide_low"].notna().all():
        ax.fill_between(
            x, *_edges(rows, "wide_"), color=blue, alpha=0.15, lw=0, label="5–95 %, with the profile's confidence"
        )
    ax.fill_between(x, *_edges(rows, ""), color=blue, alpha=0.3, lw=0, label="5–95 % of devices")
    ax.plot(x, rows["mean"] * _PERCENT, "o-", ms=3, color=blue, label="cells of the profile, mean")
    low, high = _edges(rows, "gaussian_")
    ax.plot(x, rows["gaussian_mean"] * _PERCENT, "s--", ms=3, color=orange, label="constant-σ Gaussian of equal RMS")
    for edge in (low, high):
        ax.plot(x, edge, ":", lw=0.9, color=orange)
    ax.axhline(found.baseline * _PERCENT, color="0.3", lw=1, label="digital")
    if (rows["extrapolated"]).any():
        ax.axvspan(x[rows["extrapolated"].to_numpy()].min(), x.max(), color="0.9", zorder=0)
    if later.size:
        ax.set_xscale("log")
    if x[0] != times[0]:
        ax.set_xticks([*ax.get_xticks(), x[0]], [*(f"$10^{{{np.log10(t):.0f}}}$" for t in ax.get_xticks()), "0"])
        ax.set_xlim(x[0] / 2, x[-1] * 2)
        ax.set_xticks([], minor=True)
    ax.set(xlabel="time since programming [s]", ylabel="digits classified rightly [%]")
    ax.set_title(mapping, fontsize=9)
    ax.legend(fontsize=7, loc="lower left")
    ax.grid(alpha=0.25)
    return ax


def _edges(rows: NDArray | object, prefix: str) -> tuple[Array, Array]:
    """Return both edges of a band [%]."""
    low, high = (np.asarray(rows[f"{prefix}{end}"]) * _PERCENT for end in ("low", "high"))  # type: ignore[index]
    return low, high


def error_budget(ax: Axes, found: NetworkImpact, mapping: str) -> Axes:
    """Accuracy lost to each part alone and to all together, at the first and the last time."""
    rows = found.budget[found.budget["mapping"] == mapping]
    parts, times = rows["part"].unique(), rows["time_s"].unique()
    height = 0.8 / times.size
    at_targets = rows["mean"] + rows["loss"]
    for k, time in enumerate(times):
        mine = rows[rows["time_s"] == time]
        y = np.arange(parts.size) + (k - (times.size - 1) / 2) * height
        spread = np.abs(np.stack([mine["mean"] - mine["low"], mine["high"] - mine["mean"]]))[::-1] * _PERCENT
        ax.barh(
            y, mine["loss"] * _PERCENT, height, xerr=spread, color=COLOURS[(5, 0)[k]], label=f"{time:g} s",
            error_kw={"lw": 0.8, "ecolor": "0.3"},
        )  # fmt: skip
    known = rows.drop_duplicates("part")["known"]
    absent = {WIRES: "0 ohm"}
    names = [
        part if there else f"{part}\n({absent.get(part, 'none known')})"
        for part, there in zip(parts, known, strict=True)
    ]
    ax.set_yticks(range(parts.size), names, fontsize=8)
    ax.invert_yaxis()
    ax.axvline(0, color="0.3", lw=0.8)
    ax.set(xlabel=f"points lost of {at_targets.iloc[0]:.1%} with all cells at their targets (bars: 5–95 %)")
    ax.set_title("each part alone, and together", fontsize=9)
    ax.legend(fontsize=7)
    ax.grid(alpha=0.25, axis="x")
    return ax


def draw_impact(found: NetworkImpact) -> Figure:
    """Return a figure of a row for each mapping: accuracy over time, and the error budget."""
    mappings = found.curves["mapping"].unique()
    figure = Figure(figsize=(11, 3.9 * mappings.size), layout="constrained")
    axes = figure.subplots(mappings.size, 2, squeeze=False)
    for (left, right), mapping in zip(axes, mappings, strict=True):
        accuracy_over_time(left, found, mapping)
        error_budget(right, found, mapping)
    drift = ", mean drift compensated" if found.compensated else ""
    figure.suptitle(f"{found.name}: a classifier of digits on its cells{drift}", fontsize=10)
    return figure


def save_impact(found: NetworkImpact, path: str | Path) -> None:
    """Write the picture as PNG."""
    with replacing(path) as part:
        draw_impact(found).savefig(part, format="png", dpi=150)
