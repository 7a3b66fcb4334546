"""Plots of the report: axes in, axes out; conductance in µS, time in s."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import binom

from nvmphys.population import CellLaw, draw_cells
from nvmphys.profile import VariationProfile
from nvmphys.report.contents import FINE_SCORES, SCORES, ArraySummary, FitSummary, RelaxationSummary

Array = NDArray[np.float64]

MICRO = 1e6
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#999933", "#882255", "#888888")
"""Colours that remain apart for colour-blind readers (Okabe & Ito; the last three Tol)."""
BANDS = ((0.005, 0.995, 0.15), (0.05, 0.95, 0.25), (0.25, 0.75, 0.45))
PROBIT_TICKS = (0.005, 0.05, 0.25, 0.5, 0.75, 0.95, 0.995)
MARKERS = "osv^D<>"
CANDIDATE_STYLES = ("-", ":", "--", "-.")


def changes_on_probit(ax: Axes, fit: RelaxationSummary, level: int) -> Axes:
    """Measured quantiles of the change at one level under the law, against the normal score."""
    for k, time in enumerate(fit.time_s):
        colour = COLOURS[k % len(COLOURS)]
        ax.plot(fit.measured_S[level, k] * MICRO, SCORES, "o", ms=3.5, color=colour, mfc="none")
        ax.plot(fit.line_S[level, k] * MICRO, FINE_SCORES, "-", lw=1.2, color=colour, label=f"{time:.2g} s")
    few, many = int(fit.count[level].min()), int(fit.count[level].max())
    cells = f"{many}" if few == many else f"{few} to {many}"
    ax.set_title(f"{fit.level_S[level] * MICRO:.2f} µS, {cells} cells a time", fontsize=9)
    ax.set_xscale(
        "asinh", linear_width=0.5
    )  # smooth through zero: a symlog axis would bend the curves at its threshold
    ticks = np.array([-30, -10, -3, -1, 0, 1, 3, 10, 30])
    low, high = ax.get_xlim()
    shown = ticks[(ticks >= low) & (ticks <= high)]
    ax.set_xticks(shown, [f"{tick:g}" for tick in shown])
    ax.set_xticks([], minor=True)
    ax.set_yticks(ndtri(PROBIT_TICKS), [f"{100 * p:g}" for p in PROBIT_TICKS])
    ax.set(xlabel="change [µS]", ylabel="cells below [%]")
    ax.grid(alpha=0.25)
    return ax


def residuals(ax: Axes, fit: RelaxationSummary, index: int, name: str) -> Axes:
    """Measured less fitted quantile against level; in the bands lie 90 % of the samples of the law itself."""
    for k, time in enumerate(fit.time_s):
        gap = (fit.measured_S[:, k, index] - fit.fitted_S[:, k, index]) * MICRO
        low, high = ((edge[:, k, index] - fit.fitted_S[:, k, index]) * MICRO for edge in (fit.low_S, fit.high_S))
        colour = COLOURS[k % len(COLOURS)]
        ax.fill_between(fit.level_S * MICRO, low, high, color=colour, alpha=0.12, lw=0)
        ax.plot(fit.level_S * MICRO, gap, "o", ms=2.5, color=colour, label=f"{time:.2g} s")
    ax.axhline(0, color="0.4", lw=0.8)
    ax.set(xlabel="first read [µS]", ylabel="measured - law [µS]")
    ax.set_title(f"{name} quantile", fontsize=9)
    ax.grid(alpha=0.25)
    return ax


def conductance_over_time(
    ax: Axes, law: CellLaw, target_S: float, last_s: float, rng: np.random.Generator, cells: int = 3000
) -> Axes:
    """Predicted 50, 90 and 99 % bands against ln t; shaded beyond the time known."""
    low, high = law.time_range_s
    times = np.unique(np.concatenate([np.geomspace(low, high, 24), np.geomspace(high, max(last_s, high), 8)]))
    drawn = draw_cells(law, np.full(cells, target_S), times, rng, extrapolate=True) * MICRO
    for lower, upper, alpha in BANDS:
        ax.fill_between(times, *np.quantile(drawn, [lower, upper], axis=1), color=COLOURS[0], alpha=alpha, lw=0)
    ax.plot(times, np.median(drawn, axis=1), color=COLOURS[0], lw=1)
    if last_s > high * 1.01:
        ax.axvspan(high, last_s, color="0.85", zorder=0)
        ax.text(
            last_s * 0.8, 0.97, "extrapolated", fontsize=7, ha="right", va="top", transform=ax.get_xaxis_transform()
        )
    ax.set(xscale="log", xlabel="time since programming [s]", ylabel="conductance [µS]")
    ax.set_title(f"{target_S * MICRO:.2f} µS: 50, 90, 99 % bands", fontsize=9)
    return ax


def measured_over_time(ax: Axes, fit: RelaxationSummary, row: int) -> Axes:
    """Quantiles of measured cells (1/2, 1/4–3/4, 5–95, 0.5–99.5 %) and the candidate laws beyond them."""
    for index in (0, 2, 4, 6, 8, 10, 12):
        label = fit.shown if index == 0 else None
        ax.plot(fit.time_s, fit.shown_S[row, :, index] * MICRO, "k.", ms=4, label=label)
    names = ("σ² linear in ln t", "σ held", "σ linear in ln t", "power law")
    low, high = ax.get_ylim()
    for law, name in enumerate(names):
        for side in (0, 1):
            style = CANDIDATE_STYLES[law]
            label = f"5–95 %: {name}" if side == 0 else None
            ax.plot(
                fit.beyond_s, fit.candidates_S[law, row, :, side] * MICRO, style, color=COLOURS[4], lw=0.9, label=label
            )
    ax.set_ylim(low, high + 0.15 * (high - low))
    ax.set_title(f"{ax.get_title()}, {int(fit.shown_count[row]):,} cells", fontsize=9)
    return ax


def sigma_over_target(ax: Axes, profile: VariationProfile, fit: RelaxationSummary | None) -> Axes:
    """σ of the conductance (absolute) against the target, a line per time; markers are measured."""
    tables = profile.tables
    marked = profile.validity.get("extrapolated", [False] * tables.time_s.size)
    for k, time in enumerate(tables.time_s):
        style = "--" if marked[k] else "-"
        label = f"{time:g} s" + (" (extrapolated)" if marked[k] else "")
        ax.plot(
            tables.target_S * MICRO,
            tables.sigma_S[0, :, k] * MICRO,
            style,
            color=COLOURS[k % len(COLOURS)],
            label=label,
        )
    if profile.sigma_range_S is not None:
        for k in np.flatnonzero(np.isfinite(profile.sigma_range_S[0, 0])).tolist():
            low, high = profile.sigma_range_S[:, :, k] * MICRO
            what = "only a limit is published" if profile.basis["programmed"] == "bound" else "published fits disagree"
            label = f"{tables.time_s[k]:g} s: {what}"
            ax.fill_between(
                tables.target_S * MICRO, low, high, color=COLOURS[k % len(COLOURS)], alpha=0.2, lw=0, label=label
            )
    if fit is not None:
        for k, time in enumerate(fit.time_s):
            match = np.flatnonzero(np.isclose(tables.time_s, time, rtol=0.2))
            colour = COLOURS[match[0] % len(COLOURS)] if match.size else "0.4"
            ax.plot(
                fit.level_S * MICRO,
                fit.sigma_S[:, k] * MICRO,
                MARKERS[k % len(MARKERS)],
                ms=3,
                mfc="none",
                color=colour,
                label=f"measured, {time:.3g} s",
            )
    top = ax.get_ylim()[1]
    ax.set(xlabel="target conductance [µS]", ylabel="σ, absolute [µS]", ylim=(0, 1.5 * top))
    heat = f" at {tables.temperature_K[0] - 273.15:.0f} °C" if tables.temperature_K.size > 1 else ""
    what = "σ of conductance against target" + heat + (", measured as markers" if fit is not None else "")
    ax.set_title(what, fontsize=9)
    ax.legend(fontsize=7, ncols=2, loc="upper left")
    ax.grid(alpha=0.25)
    return ax


def fitted_points(ax: Axes, fit: FitSummary, statistic: str) -> Axes:
    """One statistic against level: measured with 90 % intervals as points, fitted as lines, a colour per series."""
    chosen = np.array(fit.statistic) == statistic
    series = np.array(fit.series)
    for k, name in enumerate(dict.fromkeys(series[chosen])):
        mine = np.flatnonzero(chosen & (series == name))
        mine = mine[np.argsort(fit.level_S[mine])]
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        level, error = fit.level_S[mine] * MICRO, fit.error_S[mine] * MICRO
        points = {"fmt": marker, "ms": 3, "lw": 0.8, "mfc": "none", "color": colour}
        ax.errorbar(level, fit.measured_S[mine] * MICRO, error, **points)  # type: ignore[arg-type]
        ax.plot(level, fit.fitted_S[mine] * MICRO, "-", lw=1.2, color=colour, label=name)
    ax.axhline(0, color="0.6", lw=0.6)
    ax.set(xlabel="level [µS]", ylabel=f"{statistic} [µS]")
    ax.set_title(f"{statistic}: measured (90 %) and fitted", fontsize=9)
    ax.legend(fontsize=7)
    ax.grid(alpha=0.25)
    return ax


def over_temperature(ax: Axes, profile: VariationProfile, table: Array, name: str) -> Axes:
    """One statistic (temperature, target, time) at the last time against the target, a line per temperature."""
    tables = profile.tables
    for k, heat in enumerate(tables.temperature_K):
        label = f"{heat - 273.15:.0f} °C"
        ax.plot(tables.target_S * MICRO, table[k, :, -1] * MICRO, color=COLOURS[k % len(COLOURS)], label=label)
    ax.axhline(0, color="0.6", lw=0.6)
    ax.set(xlabel="target conductance [µS]", ylabel=f"{name} [µS]")
    ax.set_title(f"{name} at {tables.time_s[-1]:g} s, by temperature", fontsize=9)
    ax.legend(fontsize=7)
    ax.grid(alpha=0.25)
    return ax


def pit_histogram(ax: Axes, pit: Array, cells: int, bins: int = 20) -> Axes:
    """Histogram of the probability integral transform, with the 95 % band of a perfect law.

    Reads of one cell belong together, so the band is that of as many independent draws as there are cells: the widest.
    """
    counts, edges = np.histogram(pit, bins=bins, range=(0, 1))
    expected = pit.size / bins
    low, high = binom.ppf([0.025, 0.975], cells, 1 / bins) / (cells / bins)
    ax.bar(edges[:-1], counts / expected, width=1 / bins, align="edge", color=COLOURS[5], edgecolor="white")
    ax.axhspan(low, high, color="0.6", alpha=0.4, label="95 % band of a perfect law, each cell counted once")
    ax.set(
        xlabel="probability integral transform",
        ylabel="count / expected",
        ylim=(0, max(1.6, 1.1 * counts.max() / expected)),
    )
    ax.set_title(f"PIT of {pit.size:,} left-out reads of {cells:,} cells", fontsize=9)
    ax.legend(fontsize=7, loc="upper center")
    return ax


def distance_map(ax: Axes, fit: RelaxationSummary) -> AxesImage:
    """Wasserstein distance over its limit, level × time; above 1 the law and the left-out cells differ."""
    judged = np.isfinite(fit.ratio).any(axis=1)
    image = ax.imshow(fit.ratio[judged].T, aspect="auto", cmap="RdBu_r", vmin=0, vmax=2, origin="lower")
    ax.set_yticks(range(fit.time_s.size), [f"{t:.2g} s" for t in fit.time_s])
    ticks = np.unique(np.linspace(0, judged.sum() - 1, 8).astype(int))
    ax.set_xticks(ticks, [f"{g:.1f}" for g in fit.level_S[judged][ticks] * MICRO])
    ax.set(xlabel="first read [µS]", ylabel="time")
    ax.set_title(
        f"Wasserstein distance / limit; ≤ 1 in {np.mean(fit.ratio[np.isfinite(fit.ratio)] <= 1):.0%} of groups",
        fontsize=9,
    )
    return image


def histories(ax: Axes, profile: VariationProfile, target_S: float, rng: np.random.Generator, cells: int = 40) -> Axes:
    """Paths of single cells drawn from the profile."""
    low, high = profile.time_range_s
    times = np.geomspace(low, high, 400)
    paths = profile.sample(np.full(cells, target_S), times, rng, extras=False) * MICRO
    ax.plot(times, paths, lw=0.7, alpha=0.5, color=COLOURS[0])
    ax.plot(times, paths[:, :3], lw=1.2, color=COLOURS[4])
    known = float(profile.validity["time_s"][1])
    if high > known * 1.01:
        ax.axvspan(known, high, color="0.85", zorder=0)
        ax.text(high * 0.8, 0.97, "extrapolated", fontsize=7, ha="right", va="top", transform=ax.get_xaxis_transform())
    ax.set(xscale="log", xlabel="time since programming [s]", ylabel="conductance [µS]")
    ax.set_title(f"{cells} cells programmed to {target_S * MICRO:.1f} µS: one cell, one history", fontsize=9)
    return ax


def correlation_map(ax: Axes, profile: VariationProfile, index: int) -> AxesImage:
    """Correlation of a cell's normal scores between times."""
    tables = profile.tables
    matrix = tables.correlation[0, index]
    image = ax.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    beyond = profile.validity.get("extrapolated", [False] * tables.time_s.size)
    labels = [f"{t:g} s{' *' if extrapolated else ''}" for t, extrapolated in zip(tables.time_s, beyond, strict=True)]
    ax.set_xticks(range(len(labels)), labels, rotation=45, ha="right", fontsize=7)
    ax.set_yticks(range(len(labels)), labels, fontsize=7)
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            ax.text(
                j, i, f"{value:.2f}", ha="center", va="center", fontsize=7, color="white" if value > 0.6 else "black"
            )
    ax.set(xlabel="time (* extrapolated)" if any(beyond) else "time", ylabel="time")
    heat = f", {tables.temperature_K[0] - 273.15:.0f} °C" if tables.temperature_K.size > 1 else ""
    ax.set_title(f"correlation over time, {tables.target_S[index] * MICRO:.1f} µS{heat}", fontsize=9)
    return image


def programmed_error(ax: Axes, profile: VariationProfile, count: int = 4) -> Axes:
    """Conductance as programmed less its target on a probit axis, for a few targets."""
    tables = profile.tables
    chosen = np.unique(np.linspace(0, tables.target_S.size - 1, count).round().astype(int))
    shown = (tables.probability >= PROBIT_TICKS[0]) & (tables.probability <= PROBIT_TICKS[-1])
    for k, i in enumerate(chosen):
        error = (tables.programmed_S[i, shown] - tables.target_S[i]) * MICRO
        label = f"{tables.target_S[i] * MICRO:.2g} µS"
        style = MARKERS[k % len(MARKERS)] + "-"
        ax.plot(error, ndtri(tables.probability[shown]), style, ms=3, lw=0.8, mfc="none", color=COLOURS[k], label=label)
    ax.set_yticks(ndtri(PROBIT_TICKS), [f"{100 * p:g}" for p in PROBIT_TICKS])
    ax.set(xlabel="programmed less target [µS]", ylabel="cells below [%]")
    ax.set_title(f"As programmed ({profile.first_time_s:g} s), by target", fontsize=9)
    ax.legend(fontsize=7)
    ax.grid(alpha=0.25)
    return ax


def drift_log_log(ax: Axes, profile: VariationProfile, count: int = 4) -> Axes:
    """Median conductance with its 5–95 % band against time, both axes logarithmic: a power law is straight."""
    tables = profile.tables
    high = np.flatnonzero(tables.target_S > 0.1 * tables.target_S[-1])
    chosen = high[np.unique(np.linspace(0, high.size - 1, count).round().astype(int))]
    for k, i in enumerate(chosen):
        low, median, top = (
            tables.quantiles_S[0, i, :, np.abs(tables.probability - p).argmin()] for p in (0.05, 0.5, 0.95)
        )
        colour = COLOURS[k % len(COLOURS)]
        ax.fill_between(tables.time_s, low * MICRO, top * MICRO, color=colour, alpha=0.2, lw=0)
        ax.plot(tables.time_s, median * MICRO, "o-", ms=3, color=colour, label=f"{tables.target_S[i] * MICRO:.3g} µS")
    known = float(profile.validity["time_s"][1])
    if tables.time_s[-1] > known * 1.01:
        ax.axvspan(known, tables.time_s[-1], color="0.85", zorder=0)
    ax.set(xscale="log", yscale="log", xlabel="time since programming [s]", ylabel="conductance [µS]")
    ticks = [t for t in (0.1, 0.3, 1, 3, 10, 30, 100, 300) if ax.get_ylim()[0] <= t <= ax.get_ylim()[1]]
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
    ax.set_yticks([], minor=True)
    ax.set_title(f"Drift from t0 = {profile.drift['t0_s']:g} s: median, 5–95 %; grey: extrapolated", fontsize=9)
    ax.legend(fontsize=7, loc="lower left", ncols=2)
    return ax


def drift_exponents(ax: Axes, profile: VariationProfile) -> Axes:
    """Mean and σ of the drift exponent against the target."""
    mean, sigma = np.asarray(profile.drift["nu_mean"]), np.asarray(profile.drift["nu_sigma"])
    target = profile.tables.target_S * MICRO
    ax.plot(target, mean, color=COLOURS[0], label="µ of ν")
    ax.fill_between(
        target, np.maximum(mean - sigma, 0), mean + sigma, color=COLOURS[0], alpha=0.25, lw=0, label="± σ of ν"
    )
    ax.set(xlabel="target conductance [µS]", ylabel="drift exponent ν [1]", ylim=(0, None))
    ax.set_title(f"G(t) = G(t0)·(t/t0)^-ν, t0 = {profile.drift['t0_s']:g} s", fontsize=9)
    ax.legend(fontsize=7)
    ax.grid(alpha=0.25)
    return ax


def read_noise(ax: Axes, profile: VariationProfile) -> Axes:
    """σ of one read against the target, a line per time."""
    assert profile.read_noise_S is not None
    for k, time in enumerate(profile.tables.time_s):
        colour = COLOURS[k % len(COLOURS)]
        ax.plot(profile.tables.target_S * MICRO, profile.read_noise_S[:, k] * MICRO, color=colour, label=f"{time:g} s")
    ax.set(xlabel="target conductance [µS]", ylabel="σ of one read, absolute [µS]", ylim=(0, None))
    ax.set_title("Read noise at the mean conductance", fontsize=9)
    ax.legend(fontsize=7)
    ax.grid(alpha=0.25)
    return ax


def ir_drop_map(ax: Axes, array: ArraySummary) -> AxesImage:
    """Share of the read voltage lost in wires, driver and sense amplifier, cell by cell."""
    image = ax.imshow(array.ir_drop * 100, cmap="viridis", aspect="auto")
    ax.set(xlabel="bit line", ylabel="word line")
    ax.set_title(f"IR drop [%], cells {array.time_s:g} s after programming", fontsize=9)
    return image


def spice_against_nodal(ax: Axes, array: ArraySummary) -> Axes:
    """Relative difference of output currents between ngspice and the nodal solver."""
    if array.spice_A.size:
        difference = np.abs(array.spice_A - array.current_A)
        gap = np.divide(difference, array.scale_A, out=(difference > 0).astype(float), where=array.scale_A > 0)
        ax.semilogy(np.maximum(gap, 1e-17), "o", ms=3, color=COLOURS[0])
        ax.axhline(array.tolerance, color=COLOURS[4], lw=1, label="tolerance")
        ax.set_ylim(1e-17, 100 * max(array.tolerance, float(gap.max())))
        ax.legend(fontsize=7)
        ax.set_title(f"ngspice against nodal, largest {gap.max():.1e}", fontsize=9)
    else:
        ax.plot(array.current_A * MICRO, "o", ms=3, color=COLOURS[0])
        ax.set_title("SPICE check NOT made; nodal output currents [µA]", fontsize=9)
    ax.set(xlabel="bit line", ylabel="relative difference [1]" if array.spice_A.size else "current [µA]")
    ax.grid(alpha=0.25)
    return ax


def matvec_errors(ax: Axes, array: ArraySummary) -> Axes:
    """Error of the matrix–vector product by the wires, output by output."""
    ax.bar(np.arange(array.error.size), array.error * 100, color=COLOURS[1])
    ax.set(xlabel="bit line (0 is nearest the drivers)", ylabel="error [% of full scale]")
    mean, sigma = array.error.mean() * 100, array.error.std() * 100
    ax.set_title(f"matrix–vector error {mean:.2f} ± {sigma:.2f} %", fontsize=9)
    ax.grid(alpha=0.25, axis="y")
    return ax
