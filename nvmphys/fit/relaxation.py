"""Fitting the relaxation law to raw cells or to summary statistics, with intervals by bootstrap over devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.optimize import minimize
from scipy.stats import truncnorm

from nvmphys.errors import BadInput, unknown_name
from nvmphys.fit.cells import Cells, collect, level_knots, level_range, split_over_set, summarise
from nvmphys.fit.histories import fit_history
from nvmphys.fit.judge import INTERVALS, GaussianBins, Judgement, LawPredictor, LookUpTable, Predictor, judge
from nvmphys.fit.likelihood import (
    Likelihood,
    Observations,
    Optimum,
    Surface,
    observations_of,
)
from nvmphys.fit.options import LevelGrid
from nvmphys.fit.outlook import judge_extrapolation
from nvmphys.fit.populations import over_set_population, population_tables
from nvmphys.fit.result import FitResult, Outlook, Progress, bootstrap, bootstrap_intervals, refits_of
from nvmphys.fit.summaries import cells_of_summary, check_summary, common_times, observations_of_summary
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.extrapolation import EXTRAPOLATIONS
from nvmphys.population.history import History
from nvmphys.population.relaxation import NAME, RelaxationLaw, to_values
from nvmphys.records import Basis, Exclusion, Measurement
from nvmphys.tomlfile import checked

DETERMINED = ("location", "scale_S", "skew", "tail", "temper", "history_correlation", "history_dof")
"""Values that data determines; the others are choices, or follow from these."""

Array = NDArray[np.float64]


class Options(LevelGrid):
    """Choices of a relaxation fit.

    Attributes
    ----------
    n_levels, g_max_S : int, float, optional
        The programming grid (see :class:`~nvmphys.fit.options.LevelGrid`).
    knots : int
        Level knots of the surface.
    floor_S : float, optional
        Floor of the coordinate [S]; by default 2.5 % of the highest first read.
    bootstrap : int
        Refits on resampled devices, for the intervals.
    extrapolation : str
        Law of the spread beyond the longest time.
    """

    knots: int = Field(default=10, ge=1)
    floor_S: float | None = Field(default=None, gt=0)
    bootstrap: int = Field(default=20, ge=0)
    extrapolation: str = EXTRAPOLATIONS[0]

    @model_validator(mode="after")
    def _extrapolation_is_known(self) -> Options:
        if self.extrapolation not in EXTRAPOLATIONS:
            raise unknown_name("extrapolation", self.extrapolation, EXTRAPOLATIONS)
        return self


def fit(
    measurements: Sequence[Measurement],
    *,
    holdout: float,
    rng: np.random.Generator,
    seed: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> FitResult:
    """Fit the relaxation law.

    Raw cells are judged on a random share `holdout` of devices that the judged fit has not seen; the values come from
    all devices. Summaries cannot be split by device: there, every fourth level is left out of the judged fit.

    Raises
    ------
    BadInput
        Missing columns, no later reads, a summary without quantiles of the change.
    """
    chosen = checked(Options, options, "options of the relaxation fit")
    tell = progress or (lambda what, done, total: None)
    if all(m.is_summary for m in measurements):
        return _fit_summary(measurements, holdout, chosen, rng, seed, tell)
    if any(m.is_summary for m in measurements):
        raise BadInput("raw cells and summaries cannot be fitted together: give one kind")
    everyone = collect(measurements, n_levels=chosen.n_levels, g_max_S=chosen.g_max_S)
    cells, over_set = split_over_set(everyone)
    _check_spread(cells, measurements[0].source.id)
    judgement, left_out, tables = None, None, {}
    if holdout > 0:
        judgement, left_out, table = _judge_left_out(cells, holdout, chosen, rng)
        tables["Law and baselines on the devices left out"] = table
    law, optimum = fit_cells(cells, chosen, rng)

    def refit() -> dict[str, Any]:
        draw = rng.integers(0, len(cells), len(cells))
        return to_values(fit_cells(cells[draw], chosen, rng, near=law)[0])[0]

    replicates = bootstrap(refit, chosen.bootstrap, tell)
    law = replace(law, extras=over_set_population(over_set, len(everyone)))
    exclusions = tuple(e for m in measurements for e in m.exclusions)
    result = _result(
        law, optimum, replicates, chosen, measurements, seed, exclusions, len(everyone), cells.target_S is not None
    )
    what = f"{holdout:.0%} of the devices, at random" if left_out is not None else ""
    earlier = _earlier_end(cells)
    outlook = None
    if holdout > 0 and earlier is not None:
        outlook = _outlook(fit_cells(cells.before(earlier), chosen, rng)[0], cells, earlier, rng)
    return replace(
        result, left_out=judgement, left_out_cells=left_out, left_out_what=what, cells=cells, outlook=outlook,
        tables=tables,
    )  # fmt: skip


def fit_cells(
    cells: Cells, options: Options, rng: np.random.Generator, near: RelaxationLaw | None = None
) -> tuple[RelaxationLaw, Optimum]:
    """Fit the law to raw cells; `near` is a law to start from (bootstrap), whose knots are kept."""
    seen = np.isfinite(cells.change_S)
    level = np.broadcast_to(cells.first_S[:, None], seen.shape)[seen]
    coordinate = _coordinate(float(cells.first_S.max()), options) if near is None else near.coordinate
    change = coordinate.of(level + cells.change_S[seen]) - coordinate.of(level)
    observations = observations_of(level, cells.time_s[seen], change)
    surface = _surface(cells, options) if near is None else Surface(near.level_S, near.times_s)
    window, sigma = _programming(cells, surface.level_S)
    frame = _Frame(coordinate, surface, window, sigma, level_range(cells))
    return _fit(observations, summarise_steps(cells), frame, options, rng, near)


@dataclass(frozen=True)
class _Frame:
    """What a fit does not vary: coordinate, knots and nodes, programming window, range of levels."""

    coordinate: Coordinate
    surface: Surface
    window_S: Array
    sigma_S: Array
    level_range_S: tuple[float, float]


def _coordinate(highest_S: float, options: Options) -> Coordinate:
    """Return the floored coordinate; likelihood and left-out cells are best near 2-5 % of the highest level."""
    return Coordinate("floored", options.floor_S if options.floor_S is not None else 0.025 * highest_S)


def _fit(
    observations: Observations,
    steps: pd.DataFrame,
    frame: _Frame,
    options: Options,
    rng: np.random.Generator,
    near: RelaxationLaw | None,
) -> tuple[RelaxationLaw, Optimum]:
    """Fit surface, then history, from observations and step statistics: the path shared by raw cells and summaries."""
    surface = frame.surface
    likelihood = Likelihood(surface, observations)
    start = likelihood.start() if near is None else surface.pack(near.parameters)
    optimum = likelihood.maximise(start, rng)
    law = RelaxationLaw(
        coordinate=frame.coordinate,
        level_S=surface.level_S,
        times_s=surface.times_s,
        parameters=surface.unpack(optimum.vector),
        history=History.frozen(float(surface.times_s[0])),
        window_S=frame.window_S,
        sigma_S=frame.sigma_S,
        level_range_S=frame.level_range_S,
        extrapolation=options.extrapolation,
    )
    return replace(law, history=fit_history(law, steps, rng, None if near is None else near.history)), optimum


def _earlier_end(cells: Cells) -> float | None:
    """Return the last time to fit for a test of the extrapolation: the common time before the last.

    None where fewer than two times would be left, or the last step is less than a decade.
    """
    common = cells.nominal_s[cells.common]
    if common.size < 3 or common[-1] < 10 * common[-2] or common[-1] != cells.nominal_s[-1]:
        return None
    return float(common[-2])


def _outlook(early: RelaxationLaw, cells: Cells, fitted_to_s: float, rng: np.random.Generator) -> Outlook:
    """Judge a law fitted on earlier times at the last one."""
    return Outlook(fitted_to_s, float(cells.nominal_s[-1]), judge_extrapolation(early, cells, rng))


def _surface(cells: Cells, options: Options) -> Surface:
    """Place knots evenly in √G over the cells' first reads, and nodes at the common times."""
    return Surface(
        level_knots(
            max(float(cells.first_S.min()), 0.0),
            float(cells.first_S.max()),
            min(options.knots, np.unique(cells.level).size),
        ),
        _time_nodes(cells.nominal_s[cells.common], float(np.nanmin(cells.time_s)), float(np.nanmax(cells.time_s))),
    )


def _time_nodes(common_s: Array, first_s: float, last_s: float) -> Array:
    """Return the common times as nodes, rounded to two digits where that moves them by less than 1 %.

    Data without two common times gets its first and last read as nodes.
    """
    nodes = np.sort(common_s) if len(common_s) > 1 else np.unique([first_s, last_s])
    rounded = np.array([float(f"{t:.1e}") for t in nodes])
    return np.where(np.abs(rounded / nodes - 1) < 0.01, rounded, nodes)


def _programming(cells: Cells, level_S: Array) -> tuple[Array, Array]:
    """Return half-width of the acceptance window and σ before the cut [S] at the knots.

    With a target column, a normal cut at the largest error seen is fitted by maximum likelihood; without one the
    window is the level and the error uniform within it (σ infinite).
    """
    if cells.target_S is None:
        width = float(np.median(np.diff(cells.edges_S)))
        return np.full(level_S.size, width / 2), np.full(level_S.size, np.inf)
    error = cells.first_S - cells.target_S
    half = float(np.max(np.abs(error))) * (1 + 1 / error.size)

    def loss(log_sigma: Array) -> float:
        s = float(np.exp(log_sigma[0]))
        return -float(np.mean(truncnorm.logpdf(error, -half / s, half / s, scale=s)))

    best = minimize(loss, [np.log(np.std(error) + half * 1e-9)], method="Nelder-Mead")
    sigma = float(np.exp(best.x[0]))
    return np.full(level_S.size, half), np.full(level_S.size, sigma if sigma < 10 * half else np.inf)


def summarise_steps(cells: Cells) -> pd.DataFrame:
    """Return the part of the summary statistics that tells of histories: changes and steps at common times."""
    common = replace(
        cells, nominal_s=cells.nominal_s[cells.common], time_s=cells.time_s[:, cells.common],
        change_S=cells.change_S[:, cells.common],
    )  # fmt: skip
    return summarise(common)


def _check_spread(cells: Cells, name: str) -> None:
    """Refuse cells that all change alike: the law describes how they differ."""
    spread = np.array([np.ptp(column[np.isfinite(column)]) for column in cells.change_S.T if np.isfinite(column).any()])
    if not spread.size or spread.max() == 0:
        raise BadInput(
            f"{name}: all {len(cells)} cells alike: conductance_S changes by the same amount in each, of which no "
            "spread can be learned. Check that the rows are of different cells and not copies"
        )


def _fit_summary(
    measurements: Sequence[Measurement],
    holdout: float,
    options: Options,
    rng: np.random.Generator,
    seed: int | None,
    tell: Progress,
) -> FitResult:
    """Fit to quantile tables; the bootstrap redraws the counts between quantiles."""
    table = pd.concat([m.table for m in measurements], ignore_index=True)
    check_summary(table, measurements[0].source.id)
    law, optimum, seen = fit_summary_table(table, options, rng)

    def refit() -> dict[str, Any]:
        total = seen.weight.sum()
        redrawn = replace(seen, weight=rng.multinomial(round(total), seen.weight / total).astype(float))
        return to_values(fit_summary_table(table, options, rng, near=law, seen=redrawn)[0])[0]

    replicates = bootstrap(refit, options.bootstrap, tell)
    stand_ins = cells_of_summary(table, rng)
    exclusions = tuple(e for m in measurements for e in m.exclusions)
    result = replace(
        _result(law, optimum, replicates, options, measurements, seed, exclusions, len(stand_ins), False),
        cells=stand_ins,
    )
    levels = np.sort(table["level"].unique())
    if holdout == 0 or levels.size < 8:
        return result
    left_out = levels[1::4]
    blind, _, _ = fit_summary_table(table[~table["level"].isin(left_out)], options, rng)
    unseen = stand_ins[np.isin(levels[stand_ins.level], left_out)]
    judgement = judge([(LawPredictor(blind), unseen)], rng)
    what = f"every fourth level ({left_out.size} of {levels.size}), as stand-in cells with the tables' distributions"
    result = replace(result, left_out=judgement, left_out_cells=unseen, left_out_what=what)
    earlier = _earlier_end(stand_ins)
    if earlier is None:
        return result
    early, _, _ = fit_summary_table(table[table["time_s"] <= earlier], options, rng)
    return replace(result, outlook=_outlook(early, stand_ins, earlier, rng))


def fit_summary_table(
    table: pd.DataFrame,
    options: Options,
    rng: np.random.Generator,
    near: RelaxationLaw | None = None,
    seen: Observations | None = None,
) -> tuple[RelaxationLaw, Optimum, Observations]:
    """Fit the law to one summary table; `near` and `seen` replace start and counts (bootstrap)."""
    changes = table[(table["quantity"] == "change") & (table["count"] > 1)]
    low, high = (changes[name].to_numpy(dtype=float) for name in ("level_low_S", "level_high_S"))
    level, time = 0.5 * (low + high), changes["time_s"]
    coordinate = _coordinate(float(high.max()), options) if near is None else near.coordinate
    if seen is None:
        seen = observations_of_summary(changes, coordinate)
    common = common_times(changes)
    surface = Surface(
        level_knots(float(level.min()), float(level.max()), min(options.knots, np.unique(level).size)),
        _time_nodes(common, float(time.min()), float(time.max())),
    )
    half = np.full(surface.level_S.size, float(np.median(high - low)) / 2)
    frame = _Frame(coordinate, surface, half, np.full(half.size, np.inf), (float(level.min()), float(level.max())))
    of_histories = table[np.isin(table["time_s"], common)]
    law, optimum = _fit(seen, of_histories, frame, options, rng, near)
    return law, optimum, seen


def _judge_left_out(
    cells: Cells, holdout: float, options: Options, rng: np.random.Generator
) -> tuple[Judgement, Cells, pd.DataFrame]:
    """Fit without a share of the devices; return the judgement on them, the devices, and baselines beside the law."""
    order = rng.permutation(len(cells))
    n = max(1, round(holdout * len(cells)))
    seen, left_out = cells[order[n:]], cells[order[:n]]
    predictors: dict[str, Predictor] = {
        "law": LawPredictor(fit_cells(seen, options, rng)[0]),
        "Gaussian per level": GaussianBins.of(seen),
        "look-up table of the other cells": LookUpTable.of(seen),
    }
    judged = {name: judge([(predictor, left_out)], rng) for name, predictor in predictors.items()}
    rows = [
        {"predictor": name} | {f"coverage_{p:g}": j.coverage(p) for p in INTERVALS}
        | {"groups": len(j.table), "within_limit": j.within if len(j.table) else float("nan")}
        for name, j in judged.items()
    ]  # fmt: skip
    return judged["law"], left_out, pd.DataFrame(rows)


def _result(
    law: RelaxationLaw,
    optimum: Optimum,
    replicates: list[dict[str, Any]],
    options: Options,
    measurements: Sequence[Measurement],
    seed: int | None,
    exclusions: tuple[Exclusion, ...],
    n_devices: int,
    has_target: bool,
) -> FitResult:
    """Put everything that is known, and what is not, into the result."""
    values, units = to_values(law)
    basis = dict.fromkeys(values, Basis.MEASURED)
    assumptions, unknown = (
        [],
        [
            "read noise apart from relaxation: each time was read once, so the spread holds both",
            "temperature dependence: all reads are at one temperature",
            "stuck cells: after one programming they cannot be told from quiet ones",
            f"times before {law.times_s[0]:.3g} s",
            f"times beyond {law.times_s[-1]:.3g} s, except by an assumed law of the spread",
        ],
    )
    if not has_target:
        basis["programming_window_S"] = basis["programming_sigma_S"] = Basis.ASSUMED
        assumptions.append(
            "programming: no target in the data; a cell is assumed to stand uniformly within an acceptance window of "
            f"one level (±{law.window_S[0] * 1e6:.3g} µS)"
        )
    if "over_set" in law.extras:
        assumptions.append("over-set cells are assumed equally likely at every target")
    if law.history.times_s.size < 2:
        basis |= {name: Basis.ASSUMED for name in values if name.startswith("history_")}
        assumptions.append(
            "histories: a cell is assumed to keep its rank for ever; the data has no two common read times"
        )
    else:
        assumptions.append(
            "between two measured times a cell is assumed to change in one jump, at a moment uniform in ln t"
        )
    return FitResult(
        model=NAME,
        law=law,
        values=values,
        units=units,
        basis=basis,
        intervals=bootstrap_intervals(values, replicates, DETERMINED),
        refits=refits_of(replicates, DETERMINED),
        validity={
            "target_S": list(law.level_range_S),
            "time_s": list(law.time_range_s),
            "programmed_at_s": 0.0,
            "temperature": "as measured (one temperature)",
        },
        population=population_tables(law.extras),
        convergence=optimum.convergence,
        n_devices=n_devices,
        sources=tuple(m.source for m in measurements),
        seed=seed,
        exclusions=exclusions,
        assumptions=tuple(assumptions),
        unknown=tuple(unknown),
        options={"knots": options.knots, "bootstrap": options.bootstrap, "extrapolation": options.extrapolation}
        | options.as_given(),
    )
