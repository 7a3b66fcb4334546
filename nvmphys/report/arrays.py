"""Pictures of crossbars: one that was validated, one drawn many times, the sizes that wires allow."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nvmphys.crossbar import MatvecError, Validation
from nvmphys.crossbar.size_map import SizeMap
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
