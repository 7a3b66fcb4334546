"""Draw docs/relaxation.png: levels left out of the fit over the fitted law, from the shipped summary statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import nvmphys as nv
from nvmphys.fit.relaxation import Options, fit_summary_table
from nvmphys.population.relaxation import RelaxationLaw

OUT = Path(__file__).resolve().parent.parent / "docs" / "relaxation.png"
BANDS = (("q_0.005", "q_0.995", 0.12), ("q_0.04", "q_0.96", 0.22), ("q_0.25", "q_0.75", 0.4))
LEVEL = 17
COLOUR = "tab:blue"


def over_time(ax: Axes, law: RelaxationLaw, table, rng: np.random.Generator) -> None:
    """Conductance of one unseen level against time: measured quantiles over the law's bands."""
    rows = table[(table["level"] == LEVEL) & (table["quantity"] == "conductance") & (table["time_s"] > 0)]
    low, high = rows["level_low_S"].iloc[0], rows["level_high_S"].iloc[0]
    first = rng.uniform(low, high, 40_000)
    score = rng.standard_normal(first.size)
    times = np.geomspace(*law.time_range_s, 60)
    beyond = np.geomspace(law.time_range_s[1], 1e8, 20)
    for grid, hatch in ((times, None), (beyond, "///")):
        drawn = np.array([first + law.change_S(first, t, score, extrapolate=True) for t in grid]) * 1e6
        for lower, upper, alpha in BANDS:
            edges = np.quantile(drawn, [float(lower[2:]), float(upper[2:])], axis=1)
            ax.fill_between(grid, *edges, color=COLOUR, alpha=alpha, lw=0, hatch=hatch)
    for name in ("q_0.005", "q_0.04", "q_0.25", "q_0.5", "q_0.75", "q_0.96", "q_0.995"):
        ax.plot(rows["time_s"], rows[name] * 1e6, "ko", ms=3.5)
    ax.axvspan(law.time_range_s[1], beyond[-1], color="0.9", zorder=0)
    ax.text(1.4e5, ax.get_ylim()[0] + 0.6, "beyond the\nmeasurement", fontsize=8, va="bottom")
    ax.set(xscale="log", xlabel="time since the first read [s]", ylabel="conductance [µS]", xlim=(0.007, beyond[-1]))
    ax.set_title(f"Level {low * 1e6:.2f}–{high * 1e6:.2f} µS, not seen by the fit:\n50, 92 and 99 % bands", fontsize=10)


def over_level(ax: Axes, law: RelaxationLaw, table, rng: np.random.Generator) -> None:
    """σ of the change against the level: seen levels open, unseen levels filled, over the law."""
    score = rng.standard_normal(20_000)
    levels = np.linspace(*law.level_range_S, 60)
    changes = table[table["quantity"] == "change"]
    for time, colour in zip((0.01, 1.0, 1e5), ("tab:green", "tab:orange", "tab:purple"), strict=True):
        sigma = [law.change_S(np.full(score.size, g), time, score).std() for g in levels]
        ax.plot(levels * 1e6, np.array(sigma) * 1e6, color=colour, label=f"{time:g} s")
        rows = changes[np.isclose(changes["time_s"], time, rtol=0.05)]
        unseen = rows["level"] % 4 == 1
        middle = (rows["level_low_S"] + rows["level_high_S"]) / 2 * 1e6
        ax.plot(middle[~unseen], rows["sigma_S"][~unseen] * 1e6, "o", mfc="none", color=colour, ms=4)
        ax.plot(middle[unseen], rows["sigma_S"][unseen] * 1e6, "o", color=colour, ms=5)
    ax.set(xlabel="first read [µS]", ylabel="σ of the change [µS]", ylim=(0, 5.4))
    ax.set_title("Lines: law. Circles: measured;\nfilled: levels not seen by the fit", fontsize=10)
    ax.legend(title="after", fontsize=8, loc="upper left", ncols=3)


def main() -> None:
    """Fit without every fourth level, draw, save."""
    rng = np.random.default_rng(1)
    table = nv.load_source("rram_1t1r_relaxation_c")[0].table
    law, _, _ = fit_summary_table(table[table["level"] % 4 != 1], Options(), rng)
    figure = Figure(figsize=(9, 3.7), layout="constrained", dpi=150)
    left, right = figure.subplots(1, 2)
    over_time(left, law, table, rng)
    over_level(right, law, table, rng)
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT)
    print(OUT)


if __name__ == "__main__":
    main()
