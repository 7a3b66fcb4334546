"""Plots of a comparison of models: the ranking with its intervals, and where the best is off; axes in, axes out."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from nvmphys.fit.compare import BASELINE, Ranking
from nvmphys.report.plots import COLOURS

_MODEL, _BASELINE = COLOURS[0], COLOURS[5]


def ranking(ax: Axes, ranked: Ranking, quantity: str) -> Axes:
    """Error on what was left out, a row for each candidate, the best on top, with 90 % intervals.

    Filled are those that cannot be told from the best; a cross is a model that does not fit.
    """
    table = ranked.table[ranked.table["rms"].notna()]
    places = np.arange(len(table))[::-1]
    for place, (_, row) in zip(places, table.iterrows(), strict=True):
        colour = _BASELINE if row["kind"] == BASELINE else _MODEL
        bars = [[max(row["rms"] - row["low"], 0.0)], [max(row["high"] - row["rms"], 0.0)]]
        misfit = row["kind"] != BASELINE and not row["fits"]
        ax.errorbar(
            [row["rms"]], [place], xerr=bars, fmt="X" if misfit else "o", ms=6, lw=1.2, capsize=2, color=colour,
            mfc=colour if row["as_good"] else "white",
        )  # fmt: skip
    ax.set_yticks(places, [f"{name} ({row['kind']})" for name, row in table.iterrows()], fontsize=7)
    ax.axvline(float(table["rms"].iloc[0]), color="0.6", lw=0.8, ls="--")
    ax.set(xscale="log", xlabel=f"rms of measured less foretold [{quantity}], 90 % interval")
    ax.set_title(f"{ranked.what} left out", fontsize=9)
    ax.tick_params(axis="x", which="both", labelsize=6, rotation=45)
    ax.set_ylim(-0.6, len(table) - 0.4)
    ax.grid(alpha=0.25, axis="x")
    return ax


def furthest_off(ax: Axes, ranked: Ranking, quantity: str) -> Axes:
    """Measured less foretold of the best model at the rows left out, against what was measured; the worst marked."""
    name = str(ranked.where.index.name)
    ax.plot(ranked.rows["measured"], ranked.errors[name], ".", ms=3, color=_MODEL, label=name)
    worst = ranked.where.merge(ranked.rows.assign(off=ranked.errors[name]), how="left", sort=False)
    ax.plot(worst["measured"], worst["off"], "o", ms=7, mfc="none", color=COLOURS[1], label="furthest off")
    ax.axhline(0, color="0.4", lw=0.8)
    unit = f"lg, {quantity}" if quantity == "decade" else quantity
    ax.set(xlabel=f"measured [{unit}]", ylabel=f"measured - foretold [{quantity}]")
    ax.set_title(f"{name}: where it is off", fontsize=9)
    ax.legend(fontsize=7)
    ax.grid(alpha=0.25)
    return ax
