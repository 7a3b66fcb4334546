"""What a report draws of a fit: data and law side by side, as plain arrays that can be stored."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import beta

from nvmphys.fit import FitResult
from nvmphys.fit.cells import Cells
from nvmphys.fit.judge import INTERVALS, Judgement
from nvmphys.fit.result import Convergence, Outlook
from nvmphys.population import CellLaw
from nvmphys.records import Source, as_rng
from nvmphys.report.predicted import BAND, Bands, Start, bands, changed

Array = NDArray[np.float64]

SCORES = np.linspace(-3, 3, 41)
"""Normal scores at which measured quantiles are set against the law's."""
PIT_BINS = 20

_SHOWN_LEVELS = 6
_SHOWN_CELLS = 30
_FEWEST = 10
_DRAWN = 20_000


@dataclass(frozen=True)
class Quantiles:
    """Measured quantiles and the law's at `SCORES`; last axis score.

    Attributes
    ----------
    count : ndarray (…)
        Cells behind each measured set.
    measured_S : ndarray (…, score)
        Order statistics, interpolated [S]; NaN beyond the outermost cell.
    law_S, low_S, high_S : ndarray (…, score)
        The law's quantiles [S], and within what 90 % of such samples of that law would lie.
    """

    count: Array
    measured_S: Array
    law_S: Array
    low_S: Array
    high_S: Array


@dataclass(frozen=True)
class Changes:
    """Programming error and change since programming at a few levels.

    Attributes
    ----------
    level_S, time_s : ndarray
        Mean first read of each level [S]; nominal times [s].
    programming : Quantiles (level, score)
        First read minus target, or minus the middle of the level where the data holds no target.
    has_target : bool
    change : Quantiles (level, time, score)
        G(t) − G(0).
    """

    level_S: Array
    time_s: Array
    programming: Quantiles
    has_target: bool
    change: Quantiles


@dataclass(frozen=True)
class Spread:
    """Standard deviations against level, all absolute.

    Attributes
    ----------
    level_S, time_s : ndarray
        Mean first read of each level [S]; nominal times [s].
    change_S, change_error_S, law_S : ndarray (level, time)
        Measured σ of the change, its standard error, and the law's σ [S].
    conductance_S : ndarray (level, 1 + time)
        Measured σ of the conductance [S] at the first read and at the nominal times.
    """

    level_S: Array
    time_s: Array
    change_S: Array
    change_error_S: Array
    law_S: Array
    conductance_S: Array


@dataclass(frozen=True)
class Reads:
    """Quantiles `BAND` of measured conductance at the levels of the bands.

    Attributes
    ----------
    what : str
        Which cells these are.
    time_s : ndarray (time,)
        Nominal times [s]; 0 is the first read.
    quantiles_S : ndarray (level, time, 5)
    count : ndarray (level, time)
    """

    what: str
    time_s: Array
    quantiles_S: Array
    count: Array


@dataclass(frozen=True)
class LeftOut:
    """How a fit that has not seen some cells predicts them.

    Attributes
    ----------
    what : str
    n_cells : int
    time_s, count : ndarray (time,)
        Nominal times [s], and reads at each.
    pit : ndarray (time, PIT_BINS)
        Histogram of the probability integral transform, counts.
    probability : ndarray (interval,)
    coverage, pooled : ndarray (time, interval), (interval,)
        Share of reads inside the central intervals, by time and of all.
    level_S : ndarray (level,)
    distance_S, limit_S : ndarray (level, time)
        Wasserstein distance [S], and the 95th percentile of what samples of the law itself show.
    """

    what: str
    n_cells: int
    time_s: Array
    count: Array
    pit: Array
    probability: Array
    coverage: Array
    pooled: Array
    level_S: Array
    distance_S: Array
    limit_S: Array

    @property
    def within(self) -> float:
        """Share of level × time groups whose distance stays within its limit; a perfect law reaches 0.95."""
        known = np.isfinite(self.distance_S)
        return float(np.mean(self.distance_S[known] <= self.limit_S[known])) if known.any() else float("nan")

    def deviation_limit(self, probability: Array) -> Array:
        """Return how far a share may lie from its nominal value by chance: 95 %, cells independent, reads of one not."""
        return 1.96 * np.sqrt(probability * (1 - probability) / self.n_cells)


@dataclass(frozen=True)
class Histories:
    """Measured cells followed over time, which only raw data can show.

    Attributes
    ----------
    level_S : ndarray (level,)
    path_time_s : ndarray (time + 1,)
        0 (first read) and the common times [s].
    paths_S : ndarray (level, cell, time + 1)
    time_s : ndarray (time,)
    measured, law : ndarray (time, time)
        Correlation of the changes' normal scores between times: measured, pooled over levels; of the law.
    """

    level_S: Array
    path_time_s: Array
    paths_S: Array
    time_s: Array
    measured: Array
    law: Array


@dataclass(frozen=True)
class FitSummary:
    """Everything that a report shows of a fit.

    `histories` is None for data without joint histories, `left_out` and `outlook` where no such test was made;
    `baselines` holds the left-out figures of other predictors on the same cells, by name.
    """

    sources: tuple[Source, ...]
    n_devices: int
    convergence: Convergence
    changes: Changes
    spread: Spread
    reads: Reads
    bands: Bands
    left_out: LeftOut | None = None
    histories: Histories | None = None
    outlook: Outlook | None = None
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def summarise_fit(
    result: FitResult,
    cells: Cells,
    *,
    baselines: Mapping[str, Mapping[str, float]] | None = None,
    rng: np.random.Generator | int = 0,
) -> FitSummary:
    """Set the cells of a fit against its law.

    Parameters
    ----------
    result : FitResult
    cells : Cells
        The cells that were fitted to.
    baselines : mapping, optional
        Left-out figures of other predictors, by name (for example of :class:`nvmphys.fit.judge.GaussianBins`).
    rng : numpy.random.Generator or int
        Chooses the histories shown and draws the law's correlation.

    Returns
    -------
    FitSummary
    """
    rng = as_rng(rng)
    groups = _levels(cells, fewest=2)
    shown = _few(_levels(cells, fewest=_FEWEST) or groups)
    judgement, unseen = result.left_out, result.left_out_cells
    what = "the cells that were fitted to: none were left out"
    followed = shown
    if unseen is not None:
        what = f"left-out cells: {result.left_out_what}"
        followed = _few(_levels(unseen, fewest=_FEWEST) or _levels(unseen, fewest=1))
    starts = [Start.of_cells(result.law, group.first_S, _centre(group)) for group in followed]
    has_histories = all(source.kind != "summary" for source in result.sources)
    return FitSummary(
        sources=result.sources,
        n_devices=result.n_devices,
        convergence=result.convergence,
        changes=_changes(result.law, shown),
        spread=_spread(result.law, groups),
        reads=_reads(followed, what),
        bands=bands(result.law, np.array([group.first_S.mean() for group in followed]), starts),
        left_out=None if judgement is None else _left_out(judgement, cells.edges_S, result.left_out_what),
        histories=_histories(result.law, cells, shown, rng) if has_histories else None,
        outlook=result.outlook,
        baselines=dict(baselines or {}),
    )


def _centre(group: Cells) -> float:
    """Return the mean target of one level's cells [S], or the middle of the level without targets."""
    if group.target_S is not None:
        return float(group.target_S.mean())
    level = int(group.level[0])
    return float(group.edges_S[level : level + 2].mean())


def _levels(cells: Cells, *, fewest: int) -> list[Cells]:
    """Split cells by level, levels with fewer cells left out."""
    groups = [cells[cells.level == level] for level in np.unique(cells.level)]
    return [group for group in groups if len(group) >= fewest]


def _few(groups: list[Cells]) -> list[Cells]:
    """Choose a few groups, spread over the range."""
    return [groups[i] for i in np.unique(np.linspace(0, len(groups) - 1, _SHOWN_LEVELS).round().astype(int))]


def _changes(law: CellLaw, shown: list[Cells]) -> Changes:
    """Set programming error and changes of a few levels against the law."""
    times = shown[0].nominal_s
    programming, change = [], []
    for group in shown:
        centre = _centre(group)
        error = group.first_S - (centre if group.target_S is None else group.target_S)
        programming.append(_quantiles(error, functools.partial(_programming_error, law, centre)))
        start = Start.of_cells(law, group.first_S, centre)
        change.append(
            [_quantiles(group.change_S[:, k], changed(law, start, float(t)).quantiles) for k, t in enumerate(times)]
        )
    return Changes(
        np.array([group.first_S.mean() for group in shown]),
        times,
        _stacked(programming),
        shown[0].target_S is not None,
        _stacked([_stacked(row) for row in change]),
    )


def _programming_error(law: CellLaw, target_S: float, probability: Array) -> Array:
    """Return the law's quantiles of the programming error [S]."""
    return law.programmed(np.full(probability.size, target_S), ndtri(probability)) - target_S


def _quantiles(values: Array, law: Callable[[Array], Array]) -> Quantiles:
    """Set the finite values' quantiles against those that a law gives at any probabilities."""
    finite = values[np.isfinite(values)]
    n, probability = finite.size, ndtr(SCORES)
    inside = (probability >= 0.5 / n) & (probability <= 1 - 0.5 / n) if n else np.zeros(SCORES.size, dtype=bool)
    measured = np.full(SCORES.size, np.nan)
    if inside.any():
        measured[inside] = np.quantile(finite, probability[inside], method="hazen")
    low, high = (beta.ppf(tail, n * probability + 0.5, n * (1 - probability) + 0.5) for tail in (0.05, 0.95))
    return Quantiles(np.array(float(n)), measured, law(probability), law(low), law(high))


def _stacked(parts: list[Quantiles]) -> Quantiles:
    """Stack along a new first axis."""
    names = ("count", "measured_S", "law_S", "low_S", "high_S")
    return Quantiles(*(np.stack([getattr(part, name) for part in parts]) for name in names))


def _spread(law: CellLaw, groups: list[Cells]) -> Spread:
    """Compute σ at every level, measured and of the law."""
    times = groups[0].nominal_s
    measured = np.array([_sigma(group.change_S) for group in groups])
    conductance = [
        _sigma(np.column_stack([group.first_S, group.first_S[:, None] + group.change_S]))[0] for group in groups
    ]
    starts = [Start.of_cells(law, group.first_S, _centre(group)) for group in groups]
    return Spread(
        np.array([group.first_S.mean() for group in groups]),
        times,
        measured[:, 0],
        measured[:, 1],
        np.array([[changed(law, start, float(t)).sigma for t in times] for start in starts]),
        np.array(conductance),
    )


def _sigma(values: Array) -> tuple[Array, Array]:
    """Return σ of each column's finite values and its standard error, by the fourth moment; NaN for fewer than two."""
    sigma, error = np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    for k, column in enumerate(values.T):
        finite = column[np.isfinite(column)]
        if finite.size > 1:
            sigma[k] = np.std(finite, ddof=1)
            fourth = np.mean((finite - finite.mean()) ** 4) / sigma[k] ** 4 if sigma[k] > 0 else 1.0
            error[k] = 0.5 * sigma[k] * np.sqrt(max(fourth - 1, 0.0) / finite.size)
    return sigma, error


def _reads(groups: list[Cells], what: str) -> Reads:
    """Compute quantiles of the conductance at the first read and at the nominal times."""
    quantiles, counts = [], []
    for group in groups:
        table = np.column_stack([group.first_S, group.first_S[:, None] + group.change_S])
        columns = [column[np.isfinite(column)] for column in table.T]
        counts.append([column.size for column in columns])
        quantiles.append([np.quantile(c, BAND) if c.size else np.full(BAND.size, np.nan) for c in columns])
    return Reads(what, np.append(0.0, groups[0].nominal_s), np.array(quantiles), np.array(counts, dtype=float))


def _left_out(judgement: Judgement, edges_S: Array, what: str) -> LeftOut:
    """Turn a judgement into counts and tables."""
    finite = [column[np.isfinite(column)] for column in judgement.pit.T]
    middle = 0.5 * (edges_S[:-1] + edges_S[1:])
    levels = np.unique(judgement.level)

    def grid(name: str) -> Array:
        table = judgement.table.pivot(index="level", columns="time_s", values=name)
        return table.reindex(index=levels, columns=judgement.time_s).to_numpy(dtype=float)

    return LeftOut(
        what=what,
        n_cells=judgement.pit.shape[0],
        time_s=judgement.time_s,
        count=np.array([column.size for column in finite], dtype=float),
        pit=np.array([np.histogram(column, PIT_BINS, (0, 1))[0] for column in finite], dtype=float),
        probability=np.array(INTERVALS),
        coverage=np.stack([judgement.coverage_by_time(p) for p in INTERVALS], axis=1),
        pooled=np.array([judgement.coverage(p) for p in INTERVALS]),
        level_S=middle[levels],
        distance_S=grid("distance_S"),
        limit_S=grid("limit_S"),
    )


def _histories(law: CellLaw, cells: Cells, shown: list[Cells], rng: np.random.Generator) -> Histories | None:
    """Choose cells to follow, and correlate changes between the common times; None without two such times."""
    common = cells.common
    if common.size < 2:
        return None
    chosen = [shown[i] for i in np.unique([0, len(shown) // 2, len(shown) - 1])]
    paths = np.full((len(chosen), _SHOWN_CELLS, common.size + 1), np.nan)
    for i, group in enumerate(chosen):
        whole = np.flatnonzero(np.isfinite(group.change_S[:, common]).all(axis=1))
        mine = np.sort(rng.permutation(whole)[:_SHOWN_CELLS])
        paths[i, : mine.size, 0] = group.first_S[mine]
        paths[i, : mine.size, 1:] = group.first_S[mine, None] + group.change_S[np.ix_(mine, common)]
    ranks = pd.DataFrame(cells.change_S[:, common]).groupby(cells.level)
    scores = pd.DataFrame(ndtri((ranks.rank() - 0.5) / ranks.transform("count")))
    drawn = law.history.scores(cells.nominal_s[common], _DRAWN, rng)
    return Histories(
        np.array([group.first_S.mean() for group in chosen]),
        np.append(0.0, cells.nominal_s[common]),
        paths,
        cells.nominal_s[common],
        scores.corr().to_numpy(),
        np.atleast_2d(np.corrcoef(drawn)),
    )
