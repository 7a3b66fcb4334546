"""Pictures of crossbars: one that was validated, one drawn many times, the sizes that wires allow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nvmphys.crossbar import MatvecError, Settling, Validation
from nvmphys.crossbar.size_map import SizeMap
from nvmphys.crossbar.writing import KINDS, Written
from nvmphys.report.plots import COLOURS

Array = NDArray[np.float64]


def _heat(figure: Figure, ax: Axes, values: Array, title: str) -> None:
    """Draw a value of every cell."""
    image = ax.imshow(values, cmap="viridis", aspect="auto", interpolation="nearest")
    figure.colorbar(image, ax=ax, shrink=0.85)
    ax.set(xlabel="bit line (0 is nearest the drivers)", ylabel="word line")
    ax.set_title(title, fontsize=9)


def draw_validation(validation: Validation, error: MatvecError) -> Figure:
    """Draw cell voltages, the current each cell loses, errors of the outputs, and ngspice against nodal.

    >>> import nvmphys as nv
    >>> array = nv.Crossbar(np.full((4, 3), 1e-4), 5, 5)
    >>> found = nv.validate(array, np.full(4, 0.2), backend="nodal")
    >>> len(draw_validation(found, nv.matvec_error(array, np.full(4, 0.2), found.nodal)).axes)
    6
    """
    figure = Figure(figsize=(9.6, 7.2), layout="constrained")
    (voltage, loss), (outputs, gap) = figure.subplots(2, 2)
    nodal = validation.nodal
    _heat(figure, voltage, nodal.cell_voltage_V * 1e3, "voltage across each cell [mV]")
    ideal_A = validation.crossbar.conductance_S * (nodal.applied_V[:, np.newaxis] - nodal.sense_V)
    _heat(figure, loss, (nodal.cell_current_A - ideal_A) * 1e6, "current of each cell less G·V of its lines [µA]")
    outputs.plot(error.distance_segments, error.error * 100, "o", ms=3, color=COLOURS[0])
    outputs.axhline(error.mean * 100, color=COLOURS[4], lw=1)
    outputs.set(xlabel="segments from the drivers", ylabel="error of the output [% of full scale]")
    outputs.set_title(f"matrix-vector error {error.mean:+.2%} ± {error.sigma:.2%}", fontsize=9)
    _agreement(gap, validation)
    for ax in (outputs, gap):
        ax.grid(alpha=0.25)
    return figure


def _agreement(ax: Axes, validation: Validation) -> None:
    """Draw the difference between ngspice and the nodal solver, output by output."""
    ax.set(xlabel="bit line")
    if validation.spice is None:
        ax.plot(validation.nodal.current_A * 1e6, "o", ms=3, color=COLOURS[0])
        ax.set_ylabel("output current [µA]")
        ax.set_title("SPICE check NOT made", fontsize=9)
        return
    difference = np.abs(validation.nodal.current_A - validation.spice.solution.current_A)
    scale = validation.scale_A
    ratio = np.divide(difference, scale, out=(difference > 0).astype(float), where=scale > 0)
    ax.semilogy(np.maximum(ratio, 1e-17), "o", ms=3, color=COLOURS[0])
    ax.axhline(validation.tolerance, color=COLOURS[4], lw=1, label="tolerance")
    ax.set_ylabel("difference over cell currents [1]")
    ax.set_title(f"nodal against ngspice {validation.spice.ngspice.version}", fontsize=9)
    ax.legend(fontsize=7)


LEAST_CHANGE = 1e-6
"""Change of conductance below which a picture shows none."""


def draw_written(written: Written, places: Sequence[tuple[int, int]], title: str) -> Figure:
    """Draw the conductance of each cell before and after writing, its change, and the change by kind of cell."""
    figure = Figure(figsize=(9.6, 7.2), layout="constrained")
    (before, after), (change, kinds) = figure.subplots(2, 2)
    both_uS = np.stack([written.before_S, written.after_S]) * 1e6
    norm = LogNorm(both_uS.min(), both_uS.max()) if np.ptp(both_uS) > 0 else Normalize()
    for ax, values, when in zip((before, after), both_uS, ("before", "after"), strict=True):
        image = ax.imshow(values, cmap="viridis", norm=norm, aspect="auto", interpolation="nearest")
        figure.colorbar(image, ax=ax, shrink=0.85)
        ax.set_title(f"conductance {when} at {written.read_V:g} V [µS]", fontsize=9)
    most = max(float(np.abs(written.change).max()), 10 * LEAST_CHANGE)
    image = change.imshow(
        written.change, cmap="RdBu", norm=SymLogNorm(LEAST_CHANGE, vmin=-most, vmax=most), aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    figure.colorbar(image, ax=change, shrink=0.85)
    change.set_title("change over the conductance before [1]", fontsize=9)
    for ax in (before, after, change):
        ax.set(xlabel="bit line (0 is nearest the drivers)", ylabel="word line")
        ax.plot([j for _, j in places], [i for i, _ in places], "s", ms=9, mfc="none", mec="black", mew=2.2)
        ax.plot([j for _, j in places], [i for i, _ in places], "s", ms=9, mfc="none", mec="white", mew=1.0)
    here = [kind for kind in KINDS if (written.kind == kind).any()]
    for k, kind in enumerate(here):
        of_kind = np.maximum(np.abs(written.change[written.kind == kind]), LEAST_CHANGE)
        kinds.semilogy(np.full(of_kind.size, k), of_kind, "o", ms=4, alpha=0.5, color=COLOURS[0])
    kinds.set_xticks(range(len(here)), here, fontsize=8)
    kinds.set(ylabel="magnitude of the change [1]", xlim=(-0.5, len(here) - 0.5), ylim=(LEAST_CHANGE / 2, None))
    kinds.set_title(f"by kind of cell; below {LEAST_CHANGE:g} drawn there", fontsize=9)
    kinds.grid(alpha=0.25)
    figure.suptitle(title, fontsize=10)
    return figure


SETTLING_LINES, SETTLING_POINTS = 8, 600
"""Outputs that a picture of settling shows, and places on each."""


def draw_settling(settling: Settling) -> Figure:
    """Draw outputs against time after a step of the inputs, with their settling, and settling against distance.

    >>> import nvmphys as nv
    >>> from nvmphys.crossbar import Capacitance, settling_time
    >>> array = nv.Crossbar(np.full((4, 3), 1e-4), 5, 5, capacitance=Capacitance(1e-15, 1e-15))
    >>> len(draw_settling(settling_time(array, np.full(4, 0.2))).axes)
    2
    """
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    over_time, over_lines = figure.subplots(1, 2, width_ratios=(3, 2))
    count, record = len(settling.final_A), settling.transient
    shown = np.unique(np.linspace(0, count - 1, SETTLING_LINES).round().astype(int))
    end_s = min(1.6 * settling.slowest_s, float(record.time_s[-1]))
    times = np.unique(np.concatenate([np.linspace(0, end_s, SETTLING_POINTS), record.time_s[record.time_s <= end_s]]))
    scale, unit = _prefixed(end_s)
    currents_uA = record.current_at(times) * 1e6
    for order, j in enumerate(shown.tolist()):
        colour = colormaps["viridis"](0.9 * order / max(1, len(shown) - 1))
        over_time.plot(times * scale, currents_uA[j], lw=1.1, color=colour, label=f"bit line {j}")
        if np.isfinite(settling.time_s[j]):
            at_uA = float(record.current_at([min(settling.time_s[j], end_s)])[j, 0]) * 1e6
            over_time.plot(settling.time_s[j] * scale, at_uA, "o", ms=5, color=colour, mec="white")
    over_time.axvline(settling.slowest_s * scale, color=COLOURS[4], lw=1, ls="--", label="all settled")
    over_time.set(xlabel=f"time after the step of the inputs [{unit}]", ylabel="output current [µA]", xlim=(0, None))
    over_time.legend(fontsize=7)
    of = "the final value" if settling.of == "final" else "full scale"
    over_time.set_title(f"outputs after a step; dots: within {settling.within:.3g} of {of} from there on", fontsize=9)
    over_lines.plot(settling.time_s * scale, "o", ms=3, color=COLOURS[0], label=f"settled within {settling.within:.3g}")
    single_s = settling.elmore_s * np.log(1 / settling.within)
    if (single_s > 0).any():  # else charge through the cells comes first, and the estimate says nothing
        single_s = np.where(single_s > 0, single_s, np.nan)
        over_lines.plot(single_s * scale, "-", lw=1, color=COLOURS[1], label="Elmore delay × ln(1/share)")
    over_lines.set(xlabel="bit line (0 is nearest the drivers)", ylabel=f"time [{unit}]", ylim=(0, None))
    over_lines.xaxis.get_major_locator().set_params(integer=True)
    over_lines.legend(fontsize=7)
    for ax in (over_time, over_lines):
        ax.grid(alpha=0.25)
    return figure


def _prefixed(seconds: float) -> tuple[float, str]:
    """Return a factor and a unit in which a time reads well.

    >>> _prefixed(3e-8)
    (1000000000.0, 'ns')
    """
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "µs"), (1e9, "ns")):
        if seconds * factor >= 1:
            return factor, unit
    return 1e12, "ps"


def draw_monte_carlo(error: Array, table: pd.DataFrame, title: str) -> Figure:
    """Draw the error of each column over all draws: mean with σ, quantiles, and the distribution of all."""
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    columns, all_of = figure.subplots(1, 2, width_ratios=(2, 1))
    place, mean, sigma = (table[name].to_numpy() for name in ("bit_line", "error_mean", "error_sigma"))
    columns.fill_between(
        place, table["error_q0.05"] * 100, table["error_q0.95"] * 100, color=COLOURS[0], alpha=0.18, lw=0, step="mid",
        label="5 to 95 %",
    )  # fmt: skip
    if np.isfinite(sigma).all():
        columns.errorbar(place, mean * 100, sigma * 100, fmt="o", ms=2.5, lw=0.7, color=COLOURS[0], label="mean ± σ")
    columns.set(xlabel="bit line (0 is nearest the drivers)", ylabel="error [% of full scale]")
    columns.legend(fontsize=7)
    all_of.hist(error.ravel() * 100, bins=60, color=COLOURS[1], density=True)
    all_of.set(xlabel="error [% of full scale]", ylabel="density [1/%]")
    all_of.set_title(f"all columns: {error.mean():+.2%} ± {error.std():.2%}", fontsize=9)
    for ax in (columns, all_of):
        ax.grid(alpha=0.25)
    figure.suptitle(title, fontsize=10)
    return figure


def draw_size_map(made: SizeMap, error: float, title: str) -> Figure:
    """Draw the worst error against size and wire resistance, with the contour of the largest array for an error."""
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    ax = figure.subplots()
    edges = _log_edges(made.wire_ohm), _log_edges(made.size.astype(float))
    mesh = ax.pcolormesh(*edges, made.worst * 100, norm=LogNorm(), cmap="viridis")
    figure.colorbar(mesh, ax=ax, label="worst output's error [% of its current]")
    largest = made.largest(error)
    shown = np.isfinite(largest)
    if shown.any():
        label = f"largest array for {error * 100:.3g} % error"
        ax.plot(made.wire_ohm[shown], largest[shown], "o-", ms=3.5, color="white", mec="black", lw=2, label=label)
        ax.legend(fontsize=8, facecolor="0.6")
    ax.set(xscale="log", yscale="log", xlabel="wire segment [ohm]", ylabel="lines each way")
    ax.set_yticks(made.size, [str(n) for n in made.size])
    ax.set_yticks([], minor=True)
    ax.set_title(title, fontsize=9)
    return figure


def _log_edges(values: Array) -> Array:
    """Return the edges of fields around values, halfway in their logarithm."""
    logs = np.log(values)
    if logs.size == 1:
        return np.exp(logs[0] + np.array([-0.5, 0.5]))
    between = (logs[1:] + logs[:-1]) / 2
    return np.exp(np.concatenate([[2 * logs[0] - between[0]], between, [2 * logs[-1] - between[-1]]]))
