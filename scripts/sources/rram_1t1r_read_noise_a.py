"""Compute the statistics of the 1T1R read-noise traces that the repository ships.

Reads $NVMPHYS_DATA/rram_1t1r_read_noise_a/timeseries.tsv.gz and writes data.csv and source.toml of
characterization_data/rram_1t1r_read_noise_a. The raw file itself is not shipped. Needs hmmlearn.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from _source import Source, Summary, main
from numpy.typing import NDArray
from scipy import optimize, signal

from nvmphys.errors import MissingTool

Array = NDArray[np.float64]
Row = dict[str, object]

RATE_HZ = 400.0
SETTLED_S = 55.0
"""Spectra and levels are those of the reads from here on: before, all three cells still settle [s]."""
SEGMENT = 2**14
BINS_HZ = np.logspace(-1, np.log10(RATE_HZ / 2), 34)
N_STATES = 4
STAY = 0.98
"""Chance that a state is kept from one read to the next, where the fit of the states starts."""


def compute(raw: Path) -> Summary:
    """Describe each trace: its slow change, its spectrum with the 1/f law, its levels with their dwell times."""
    rows = []
    for cell, trace_S in read_traces(raw).items():
        settled_S = trace_S[round(SETTLED_S * RATE_HZ) :]
        head = {"cell": cell, "mean_S": settled_S.mean()}
        for part in (slow_change(trace_S), spectrum(settled_S), levels(settled_S)):
            rows += [head | row for row in part]
    table = pd.DataFrame(rows)
    return Summary(table, table["cell"].nunique(), conditions(table))


def read_traces(raw: Path) -> dict[int, Array]:
    """Return the trace [S] of each cell by its bin."""
    lines = np.loadtxt(raw)
    return {int(line[0]): line[2:] for line in lines}


def entry(quantity: str, value: float, unit: str, x: float = np.nan, x_unit: str = "", error: float = np.nan) -> Row:
    """Make a row of the table."""
    return {"quantity": quantity, "x": x, "x_unit": x_unit, "value": value, "unit": unit, "standard_error": error}


def slow_change(trace_S: Array) -> Iterator[Row]:
    """Find the one step that explains most of a trace's variance: its time and height, and that share."""
    n = np.arange(1, trace_S.size)
    sums = np.cumsum(trace_S)
    step = (sums[-1] - sums[:-1]) / n[::-1] - sums[:-1] / n
    explained = n * n[::-1] * (step / trace_S.size) ** 2 / trace_S.var()
    best = int(explained.argmax())
    yield entry("slow_change", step[best], "S", n[best] / RATE_HZ, "s")
    yield entry("slow_change_share_of_variance", explained[best], "1", n[best] / RATE_HZ, "s")


def spectrum(trace_S: Array) -> Iterator[Row]:
    """Estimate the spectrum by Welch's method and fit S_G(f) = Q·G²·(f / 1 Hz)^(-β) + floor to its logarithm."""
    frequency, density = signal.welch(trace_S, RATE_HZ, nperseg=SEGMENT)
    place = np.digitize(frequency, BINS_HZ)
    chosen = (place > 0) & (place < BINS_HZ.size)
    frequency, density = frequency[chosen], density[chosen]
    _, place = np.unique(place[chosen], return_inverse=True)

    def binned(values: Array) -> Array:
        return np.bincount(place, values) / np.bincount(place)

    centre, mean_density = binned(frequency), binned(density)
    yield from (entry("psd", s, "S2/Hz", f, "Hz") for f, s in zip(centre, mean_density, strict=True))

    def misfit(p: Array) -> Array:
        return np.log(binned(np.exp(p[0]) * frequency ** -p[1] + np.exp(p[2])) / mean_density)

    at_1_Hz = np.interp(1.0, centre, mean_density)
    fit = optimize.least_squares(misfit, [np.log(at_1_Hz), 1.0, np.log(mean_density[-1])])
    variance = 2 * fit.cost / (centre.size - fit.x.size)
    error = np.sqrt(variance * np.diag(np.linalg.inv(fit.jac.T @ fit.jac)))
    q, floor = np.exp(fit.x[0]) / trace_S.mean() ** 2, np.exp(fit.x[2])
    yield entry("noise_exponent", fit.x[1], "1", error=error[1])
    yield entry("noise_q", q, "1/Hz", 1.0, "Hz", error=q * error[0])
    yield entry("floor", floor, "S2/Hz", error=floor * error[2])
    yield entry("floor_sigma", np.sqrt(floor * RATE_HZ / 2), "S")
    yield entry("read_to_read_sigma", np.diff(trace_S).std() / np.sqrt(2), "S")
    yield entry("law_misfit", np.sqrt(variance) / np.log(10), "decade")


def levels(trace_S: Array) -> Iterator[Row]:
    """Find the levels of random telegraph noise, their amplitudes, shares of time and dwell times.

    States of a hidden Markov model closer than the sum of their σ are one level: they follow the 1/f wandering.
    """
    mean_S, sigma_S, state = hidden_states(trace_S * 1e6)
    apart = np.diff(mean_S) >= sigma_S[1:] + sigma_S[:-1]
    level = np.concatenate([[0], np.cumsum(apart)])[state]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(level)) + 1])
    dwell_s, visited = np.diff(starts) / RATE_HZ, level[starts[:-1]]  # the visit that the trace cuts off is left out
    means = [trace_S[level == i].mean() for i in range(level.max() + 1)]
    for i, value in enumerate(means):
        yield entry("level", value, "S", i, "level")
        yield entry("level_sigma", trace_S[level == i].std(), "S", i, "level")
        yield entry("share_of_time", (level == i).mean(), "1", i, "level")
        stays = dwell_s[visited == i]
        if stays.size > 1:
            yield entry("visits", stays.size, "1", i, "level")
            yield entry("dwell_mean", stays.mean(), "s", i, "level", stays.std(ddof=1) / np.sqrt(stays.size))
            yield entry("dwell_median", np.median(stays), "s", i, "level")
    yield from (entry("amplitude", step, "S", i, "level") for i, step in enumerate(np.diff(means)))


def hidden_states(trace: Array) -> tuple[Array, Array, NDArray[np.int64]]:
    """Fit a hidden Markov model with Gaussian states.

    Returns mean and σ of the states in rising order, and the state of each read on the likeliest path.
    """
    try:
        from hmmlearn.hmm import GaussianHMM
    except ImportError as error:
        raise MissingTool("the levels of the noise need hmmlearn: pip install hmmlearn") from error
    model = GaussianHMM(N_STATES, n_iter=300, tol=1.0, init_params="", min_covar=1e-6)
    model.startprob_ = np.full(N_STATES, 1 / N_STATES)
    leave = (1 - STAY) / (N_STATES - 1)
    model.transmat_ = np.full((N_STATES, N_STATES), leave) + (STAY - leave) * np.eye(N_STATES)
    model.means_ = np.quantile(trace, (np.arange(N_STATES) + 0.5) / N_STATES)[:, None]
    model.covars_ = np.full((N_STATES, 1), trace.var() / N_STATES**2)
    model.fit(trace[:, None])
    order = np.argsort(model.means_[:, 0])
    sigma = np.sqrt(model.covars_.reshape(N_STATES))
    return model.means_[order, 0], sigma[order], np.argsort(order)[model.predict(trace[:, None])]


def conditions(table: pd.DataFrame) -> str:
    """Say what the columns hold and what three cells cannot tell."""
    slow = table[table["quantity"] == "slow_change"].set_index("cell")
    steps = ", ".join(f"{row.value * 1e6:+.1f} µS at {row.x:.1f} s in bin {cell}" for cell, row in slow.iterrows())
    return (
        "three cells (bins 0, 16 and 31 of 240 µS / 32), 100,000 reads each at 400 Hz: an illustration, no statement "
        "about a population; a row is one value: cell (its bin), mean_S (of the reads after 55 s), quantity, x with "
        "x_unit (frequency, level number from the lowest conductance, or time), value with unit, standard_error where "
        "there is one; slow_change is the one step that explains most of the trace's variance "
        f"({steps}): it never returns, so its dwell time is unknown; all else is of the reads after {SETTLED_S:g} s; "
        f"psd by Welch, segments of {SEGMENT} reads, averaged in logarithmic bins; noise_exponent β, noise_q Q and "
        "floor of S_G = Q·G²·(f/1 Hz)^(-β) + floor, fitted to log S_G, law_misfit its rms residual; floor_sigma is the "
        "floor's σ of a single read, cell and instrument together, read_to_read_sigma (σ of the difference of two "
        "reads in a row / √2) is its upper bound; in bin 0 floor and β cannot be told apart and the floor's error "
        "exceeds it; reads are quantised in steps of .018 µS; level, amplitude (to the next level) and dwell from a "
        f"hidden Markov model of {N_STATES} Gaussian states, of which neighbours closer than the sum of their σ are "
        "one level, since 1/f wandering is not a state: a cell with one level has no resolved telegraph noise; dwell "
        "at the higher level is the capture time where a filled trap lowers G, at the lower level the emission time; "
        "with 3 or 5 states instead of 4 amplitudes move by up to a quarter, dwell times by a factor of about 3, "
        "and with 3 the levels of bin 0 are not told apart; dwell below .01 s is cut by the sampling; mean and median "
        "do not agree with one exponential"
    )


SOURCE = Source(
    id="rram_1t1r_read_noise_a",
    title="Read noise of three cells of a 1T1R RRAM array: spectra, 1/f law, telegraph levels",
    citation="1T1R RRAM read noise data set (timeseries.tsv.gz), Copyright (c) 2021 Akash Levy",
    locator="timeseries.tsv.gz; bins 0, 16, 31",
    copyright="Copyright (c) 2021 Akash Levy",
    files=("rram_1t1r_read_noise_a/timeseries.tsv.gz",),
    compute=compute,
)

if __name__ == "__main__":
    sys.exit(main(SOURCE))
