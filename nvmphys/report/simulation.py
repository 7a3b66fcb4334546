"""The picture of a simulated or measured experiment: what was applied and what the devices answered."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.signal import welch

from nvmphys.errors import BadInput
from nvmphys.files import replacing
from nvmphys.measurement.programming import programmed_cells
from nvmphys.measurement.transfer import memory_windows, threshold_voltages
from nvmphys.records import Measurement
from nvmphys.report.plots import COLOURS

_MOST_LINES = 60
"""Devices that are drawn as lines of their own; of more, these many and the median of all."""
_MICROCOULOMB_PER_CM2 = 100.0
_LEVEL_A = 1e-7
"""Current at which threshold voltages are marked [A]."""
_FAINTEST_A = 1e-15
"""Drain current below which no instrument sees one: a model's goes on falling [A]."""
_SEGMENTS = 8
"""Segments of a trace whose spectra are averaged."""
_TRUSTED = 0.4
"""Share of half the sampling rate up to which a spectrum is not yet bent by the sampling."""
_DPI = 110

Array = NDArray[np.float64]


def draw_experiment(measurement: Measurement) -> Figure:
    """Draw an experiment in one figure.

    Raises
    ------
    BadInput
        An experiment that has no picture.
    """
    if measurement.experiment not in _PICTURES:
        raise BadInput(f"no picture of {measurement.experiment}: there is one of {', '.join(_PICTURES)}")
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    _PICTURES[measurement.experiment](figure, measurement.table)
    n = measurement.n_devices or 1
    figure.suptitle(f"{measurement.source.id}: {measurement.experiment}, {n} device{'s' * (n != 1)}", fontsize=10)
    return figure


def save_experiment(measurement: Measurement, path: str | os.PathLike[str]) -> None:
    """Draw an experiment into a PNG file."""
    figure = draw_experiment(measurement)
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=_DPI)


def _lines(
    ax: Axes, table: pd.DataFrame, x: str, y: str, *, scale_x: float = 1.0, scale_y: float = 1.0, **style: object
) -> None:
    """Draw a line for each device, faint where there are many."""
    groups = list(table.groupby("device_id", sort=False)) if "device_id" in table else [(1, table)]
    alpha = 1.0 if len(groups) == 1 else min(1.0, max(0.15, 3.0 / min(len(groups), _MOST_LINES)))
    for _, rows in groups[:_MOST_LINES]:
        ax.plot(rows[x] * scale_x, rows[y] * scale_y, "-", lw=1.0, alpha=alpha, **style)  # type: ignore[arg-type]


def _sweep(figure: Figure, table: pd.DataFrame) -> None:
    ax = figure.subplots()
    shown = table.assign(size=table["current_A"].abs().where(table["current_A"] != 0))
    _lines(ax, shown, "voltage_V", "size", color=COLOURS[0])
    ax.set_yscale("log")
    _grid(ax, "voltage [V]", "|current| [A]")


def _pulse(figure: Figure, table: pd.DataFrame) -> None:
    """Draw what pulses leave against their width, or against their amplitude where there are more of these."""
    ax = figure.subplots()
    column, scale, label = _answer(table)
    amplitudes, widths = (
        table[name].nunique() if name in table else 1 for name in ("pulse_voltage_V", "pulse_width_s")
    )
    kinds = {"pulse_width_s": ("pulse width [s]", "width", "s"), "pulse_voltage_V": ("amplitude [V]", "amplitude", "V")}
    along, among = ("pulse_voltage_V", "pulse_width_s") if amplitudes > 2 * widths else tuple(kinds)
    groups = sorted(table[among].unique()) if among in table else [None]
    for k, condition in enumerate(groups):
        rows = table if condition is None else table[table[among] == condition]
        by = rows.groupby(along)[column]
        middle, low, high = (by.quantile(q) * scale for q in (0.5, 0.05, 0.95))
        colour, name = COLOURS[k % len(COLOURS)], "all" if condition is None else f"{condition:g} {kinds[among][2]}"
        ax.plot(middle.index, middle, "o-", ms=4, lw=1.2, color=colour, label=name)
        ax.fill_between(middle.index, low, high, color=colour, alpha=0.2, lw=0)
    if along == "pulse_width_s":
        ax.set_xscale("log")
    if groups != [None]:
        ax.legend(title=kinds[among][1], fontsize=8)
    if column == "conductance_S":
        ax.set_yscale("log")
    _grid(ax, kinds[along][0], label)


def _pulse_train(figure: Figure, table: pd.DataFrame) -> None:
    ax = figure.subplots()
    column, scale, label = _answer(table)
    shown = table if "cycle" in table else table.assign(cycle=table.groupby("device_id").cumcount())
    _lines(ax, shown, "cycle", column, scale_y=scale, color=COLOURS[0])
    median = shown.groupby("cycle")[column].median() * scale
    ax.plot(median.index, median, "-", lw=2.0, color="black", label="median")
    ax.legend(fontsize=8)
    _grid(ax, "pulse", label)


def _ispp(figure: Figure, table: pd.DataFrame) -> None:
    ax = figure.subplots()
    _lines(ax, table, "pulse_voltage_V", "conductance_S", scale_y=1e6, color=COLOURS[0], marker=".")
    if "target_S" in table:
        for target in table["target_S"].unique():
            ax.axhline(target * 1e6, color=COLOURS[4], lw=1.0, ls="--", label="target")
        ax.legend(fontsize=8)
    ax.set_yscale("log")
    _grid(ax, "amplitude [V]", "conductance [µS]")


def _retention(figure: Figure, table: pd.DataFrame) -> None:
    heated = "temperature_K" in table and table["temperature_K"].nunique() > 1
    axes = figure.subplots(2 if heated else 1, 1, sharex=True, squeeze=False, height_ratios=[3, 1] if heated else [1])[
        :, 0
    ]
    _lines(axes[0], table, "time_s", "conductance_S", scale_y=1e6, color=COLOURS[0], marker=".", ms=3)
    _grid(axes[0], "" if heated else "time [s]", "conductance [µS]")
    if heated:
        _lines(axes[1], table, "time_s", "temperature_K", color=COLOURS[4])
        _grid(axes[1], "time [s]", "temperature [K]")
    else:
        axes[0].set_xscale("log")


def _read_noise(figure: Figure, table: pd.DataFrame) -> None:
    top, bottom = figure.subplots(2, 1, height_ratios=[2, 3])
    for k, (_, rows) in enumerate(table.groupby("device_id", sort=False)):
        if k < len(COLOURS):  # of more, traces would hide each other
            top.plot(rows["time_s"], rows["conductance_S"] * 1e6, "-", lw=0.8, color=COLOURS[k])
    _grid(top, "time [s]", "conductance [µS]")
    found = [_spectrum(rows) for _, rows in table.groupby("device_id", sort=False)]
    alpha = 1.0 if len(found) == 1 else max(0.15, 3.0 / min(len(found), _MOST_LINES))
    for f, density in found[:_MOST_LINES]:
        bottom.plot(f, density, "-", lw=1.0, alpha=alpha, color=COLOURS[0])
    f, mean = found[0][0], np.mean([density for _, density in found], axis=0)
    if len(found) > 1:
        bottom.plot(f, mean, "-", lw=1.5, color="black", label="mean")
    seen = (f <= _TRUSTED * f[-1]) & (mean > 0)
    if seen.sum() > 2:  # each octave counts alike
        slope, height = np.polyfit(np.log(f[seen]), np.log(mean[seen]), 1, w=1 / np.sqrt(f[seen]))
        law = f"fit: {np.exp(height):.2g} / Hz · (f / 1 Hz)$^{{{slope:.2f}}}$"
        bottom.plot(f, np.exp(height) * f**slope, "--", lw=1.2, color=COLOURS[4], label=law)
        bottom.legend(fontsize=8)
    bottom.set(xscale="log", yscale="log")
    _grid(bottom, "frequency [Hz]", "S(I) / I² [1/Hz]")


def _spectrum(rows: pd.DataFrame) -> tuple[Array, Array]:
    """Return frequencies [Hz] above 0 and the spectrum over the squared mean [1/Hz] of one device."""
    steps = np.diff(rows["time_s"])
    if not np.allclose(steps, steps.mean(), rtol=1e-3):
        raise BadInput("a picture of read noise needs reads at even steps of time, the same for all devices")
    seen = rows["conductance_S"].to_numpy(dtype=float)
    f, density = welch(seen / seen.mean(), 1 / steps.mean(), nperseg=min(seen.size, max(16, seen.size // _SEGMENTS)))
    return f[1:], density[1:]


def _pund(figure: Figure, table: pd.DataFrame) -> None:
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[1, 2])
    first = table[table["device_id"] == table["device_id"].iloc[0]] if "device_id" in table else table
    _lines(top, first, "time_s", "voltage_V", scale_x=1e6, color="black")
    _lines(bottom, table, "time_s", "current_A", scale_x=1e6, scale_y=1e6, color=COLOURS[0])
    _grid(top, "", "voltage [V]")
    _grid(bottom, "time [µs]", "current [µA]")


def _pv_loop(figure: Figure, table: pd.DataFrame) -> None:
    ax = figure.subplots()
    _lines(ax, table, "voltage_V", "polarization_C_per_m2", scale_y=_MICROCOULOMB_PER_CM2, color=COLOURS[0])
    ax.axhline(0, color="0.6", lw=0.6)
    ax.axvline(0, color="0.6", lw=0.6)
    _grid(ax, "voltage [V]", "polarization [µC/cm²]")


def _id_vg(figure: Figure, table: pd.DataFrame) -> None:
    pulsed = "pulse_voltage_V" in table
    axes = figure.subplots(1, 2 if pulsed else 1, squeeze=False)[0]
    shown = table[table["pulse_width_s"] == table["pulse_width_s"].max()] if pulsed else table
    heights = sorted(shown["pulse_voltage_V"].unique()) if pulsed else [0.0]
    amplitudes = sorted({abs(height) for height in heights})
    for height in heights:
        rows = shown[shown["pulse_voltage_V"] == height] if pulsed else shown
        colour = COLOURS[amplitudes.index(abs(height)) % len(COLOURS)]
        few = rows[rows["device_id"].isin(rows["device_id"].unique()[: max(1, (_MOST_LINES - 8) // len(heights))])]
        style = "--" if height < 0 else "-"
        for _, one in few.groupby("device_id"):
            sizes = one["current_A"].abs().where(one["current_A"] != 0)
            axes[0].plot(one["gate_voltage_V"], sizes, style, lw=1.0, color=colour, alpha=0.7)
        threshold = threshold_voltages(rows, _LEVEL_A)["threshold_V"].median()
        axes[0].plot([threshold], [_LEVEL_A], "o", ms=5, mec="black", color=colour)
    axes[0].axhline(_LEVEL_A, color="0.6", lw=0.6)
    axes[0].set_yscale("log")
    axes[0].set_ylim(bottom=max(axes[0].get_ylim()[0], _FAINTEST_A))
    _grid(axes[0], "gate voltage [V]", "|drain current| [A]")
    if pulsed:
        _windows(axes[1], memory_windows(table, _LEVEL_A))


def _windows(ax: Axes, windows: pd.DataFrame) -> None:
    """Draw memory windows against the width of the pulses, for each amplitude."""
    for k, (amplitude, rows) in enumerate(windows.groupby("pulse_voltage_V")):
        by = rows.groupby("pulse_width_s")["window_V"]
        middle, low, high = (by.quantile(q) for q in (0.5, 0.05, 0.95))
        colour = COLOURS[k % len(COLOURS)]
        ax.plot(middle.index, middle, "o-", ms=4, lw=1.2, color=colour, label=f"{amplitude:g} V")
        ax.fill_between(middle.index, low, high, color=colour, alpha=0.2, lw=0)
    ax.axhline(0, color="0.6", lw=0.6)
    ax.set_xscale("log")
    ax.legend(title="amplitude", fontsize=8)
    _grid(ax, "pulse width [s]", "memory window [V]")


def _write_verify(figure: Figure, table: pd.DataFrame) -> None:
    cells = programmed_cells(table)
    counts = ["pulses", *(["energy_J"] if "energy_J" in cells else [])]
    top, *below = figure.subplot_mosaic("AA;BC" if len(counts) > 1 else "A;B").values()
    for k, target in enumerate(cells["target_S"].unique()):
        own, colour = cells[cells["target_S"] == target], COLOURS[k % len(COLOURS)]
        share, edges = np.histogram(own["conductance_S"] / target, bins=40, density=True)
        top.stairs(share, edges, color=colour, label=f"{target * 1e6:.4g} µS")
        if "window_S" in own:
            half = own["window_S"].iloc[0] / target
            for end in (1 - half, 1 + half):
                top.plot([end] * 3, [0.0, share.max() / 2, share.max()], "--", lw=0.8, color=colour)
        for ax, count in zip(below, counts, strict=True):
            values = np.sort(own[count].to_numpy(dtype=float)) * (1e12 if count == "energy_J" else 1.0)
            ax.plot(
                [0.0, *np.repeat(values, 2)], np.repeat(np.arange(values.size + 1), 2)[:-1] / values.size, color=colour
            )
            ax.plot([values.mean()], [np.mean(values <= values.mean())], "o", ms=4, color=colour)
    top.legend(title="target; dashed: window", loc="lower center", fontsize=7, title_fontsize=7)
    _grid(top, "programmed conductance / target [1]", "density [1]")
    for ax, count in zip(below, counts, strict=True):
        ax.axhline(0.99, color="0.6", lw=0.6, ls="--")
        _grid(ax, "pulses per cell" if count == "pulses" else "energy per cell [pJ]", "share of cells [1]")


def _answer(table: pd.DataFrame) -> tuple[str, float, str]:
    """Return the column that a pulse changes, its scale and its label."""
    if "polarization_C_per_m2" in table:
        return "polarization_C_per_m2", _MICROCOULOMB_PER_CM2, "polarization [µC/cm²]"
    return "conductance_S", 1e6, "conductance [µS]"


def _grid(ax: Axes, x: str, y: str) -> None:
    ax.set(xlabel=x, ylabel=y)
    ax.grid(alpha=0.25)


_PICTURES: Mapping[str, Callable[[Figure, pd.DataFrame], None]] = {
    "sweep": _sweep,
    "pulse": _pulse,
    "pulse_train": _pulse_train,
    "ispp": _ispp,
    "retention": _retention,
    "read_noise": _read_noise,
    "pund": _pund,
    "pv_loop": _pv_loop,
    "id_vg": _id_vg,
    "write_verify": _write_verify,
}
