"""Plots of fits to pulses: single-pulse grids and ramps, with residuals and left-out errors; axes in, axes out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nvmphys.measurement.units import engineering
from nvmphys.report.plots import COLOURS, MARKERS, MICRO


def single_pulse_grid(ax: Axes, compared: pd.DataFrame, width_s: float) -> Axes:
    """Resistance after one pulse against the gate voltage, a colour per bit-line voltage: median and 5-95 %."""
    chosen = compared[np.isclose(compared["pulse_width_s"], width_s, rtol=1e-6)]
    for k, (volts, own) in enumerate(chosen.groupby("pulse_voltage_V")):
        colour = COLOURS[k % len(COLOURS)]
        own = own.sort_values("gate_voltage_V")
        gate = own["gate_voltage_V"]
        low, middle, high = (10 ** own[f"measured_{p}"] / 1e3 for p in ("0.05", "0.5", "0.95"))
        bars = np.stack([middle - low, high - middle])
        ax.errorbar(gate, middle, bars, fmt=MARKERS[k % len(MARKERS)], ms=3, lw=0.5, mfc="none", color=colour)
        ax.plot(gate, 10 ** own["fitted_0.5"] / 1e3, "-", lw=1.2, color=colour, label=f"{volts:g} V")
        below, above = (10 ** own[f"fitted_{p}"] / 1e3 for p in ("0.05", "0.95"))
        ax.fill_between(gate, below, above, color=colour, alpha=0.1, lw=0)
    ax.set(yscale="log", xlabel="gate voltage [V]", ylabel="resistance after the pulse [kΩ]")
    ax.set_title(f"{engineering(width_s, 's')}: cells (5, 50, 95 %) and law, by bit-line voltage", fontsize=9)
    ax.legend(fontsize=7, ncols=2)
    ax.grid(alpha=0.25)
    return ax


def single_pulse_residuals(ax: Axes, compared: pd.DataFrame) -> Axes:
    """Measured less fitted median of lg R against the gate voltage, a colour per bit-line voltage, all widths."""
    for k, (volts, own) in enumerate(compared.groupby("pulse_voltage_V")):
        gap = own["measured_0.5"] - own["fitted_0.5"]
        ax.plot(own["gate_voltage_V"], gap, MARKERS[k % len(MARKERS)], ms=2.5, mfc="none",
                color=COLOURS[k % len(COLOURS)], label=f"{volts:g} V")  # fmt: skip
    ax.axhline(0, color="0.4", lw=0.8)
    ax.set(xlabel="gate voltage [V]", ylabel="measured - law [decade]")
    ax.set_title("median of lg R, all widths", fontsize=9)
    ax.grid(alpha=0.25)
    return ax


def ramps_free(ax: Axes, compared: pd.DataFrame, part: str, shown: int = 4) -> Axes:
    """Ramps of pulses and what the model says of them from their first reads: mean and 90 % band."""
    own = compared[compared["part"] == part]
    ramps = np.unique(np.linspace(1, own["ramp"].max(), shown).astype(int))
    for k, ramp in enumerate(ramps):
        one = own[own["ramp"] == ramp]
        colour, half = COLOURS[k % len(COLOURS)], 1.645 * one["free_sigma_S"]
        ax.plot(one["pulse"], one["measured_S"] * MICRO, ".", ms=2, color=colour)
        ax.plot(one["pulse"], one["free_S"] * MICRO, "-", lw=1, color=colour, label=f"ramp {ramp}")
        low, high = ((one["free_S"] + side * half) * MICRO for side in (-1, 1))
        ax.fill_between(one["pulse"], low, high, color=colour, alpha=0.15, lw=0)
    ax.set(xlabel="pulse", ylabel="conductance [µS]")
    ax.set_title(f"{part}: reads, and from the first read alone (90 %)", fontsize=9)
    ax.legend(fontsize=7)
    ax.grid(alpha=0.25)
    return ax


def ramp_residuals(ax: Axes, compared: pd.DataFrame, part: str) -> Axes:
    """Innovations of all ramps against the pulse (grey), and the free runs' errors, coloured by ramp."""
    own = compared[compared["part"] == part]
    error = (own["measured_S"] - own["free_S"]) * MICRO
    points = ax.scatter(own["pulse"], error, s=1.5, c=own["ramp"], cmap="viridis", label="running free")
    ax.plot(own["pulse"], own["innovation_S"] * MICRO, ",", color="0.3", label="one step ahead")
    ax.axhline(0, color="0.4", lw=0.8)
    ax.figure.colorbar(points, ax=ax, label="ramp")
    ax.set(xlabel="pulse", ylabel="measured - model [µS]")
    ax.set_title(f"{part}: errors running free (colour) and one step ahead (grey)", fontsize=9)
    ax.grid(alpha=0.25)
    return ax


def left_out_errors(
    ax: Axes, table: pd.DataFrame, column: str, unit: str = "", scale: float = 1.0, own: str = "law"
) -> Axes:
    """One figure of a judgement on what was left out, a bar per predictor, the smallest on top; `own` are blue."""
    found = table[column].astype(float).dropna().sort_values(ascending=False) * scale
    ax.barh(found.index, found, color=[COLOURS[0] if own in str(name) else COLOURS[5] for name in found.index])
    ax.set(xlabel=f"{column}{f' [{unit}]' if unit else ''}")
    ax.tick_params(axis="y", labelsize=7)
    ax.grid(alpha=0.25, axis="x")
    return ax
