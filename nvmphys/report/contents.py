"""What a run of a study leaves for its report: plain numbers, kept beside the card and the profile."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import beta

from nvmphys.cards import load_card
from nvmphys.crossbar import Crossbar, Settling, Validation, matvec_error
from nvmphys.errors import BadInput
from nvmphys.files import replacing
from nvmphys.fit import FitResult
from nvmphys.fit.judge import INTERVALS, Judgement
from nvmphys.population import law_of
from nvmphys.population.extrapolation import EXTRAPOLATIONS
from nvmphys.population.relaxation import RelaxationLaw
from nvmphys.profile import VariationProfile, load_profile
from nvmphys.records import ModelCard

Array = NDArray[np.float64]

PROBABILITIES = np.array([0.005, 0.02, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.98, 0.995])
"""Probabilities of the measured quantiles that the report draws."""
SCORES = ndtri(PROBABILITIES)
FINE_SCORES = np.linspace(-2.8, 2.8, 57)
"""Normal scores at which the law is drawn as a line."""
_SHOWN = 4
_PARTS = ("fit", "relaxation", "array")
_NUMBERS, _TEXTS = "results.npz", "results.json"


@dataclass(frozen=True)
class FitSummary:
    """What the report says of any fit.

    Attributes
    ----------
    left_out_what, message : str
        Which data the judged fit had not seen, empty where none was left out; how the optimisation ended.
    n_devices : int
    sources : list of mappings
        Where the data comes from: the fields of each source, its conditions among them.
    pit : ndarray
        Probability integral transforms of all left-out reads.
    pit_cells : int
        Cells behind them; reads of one cell are not independent.
    coverage : ndarray (3,)
        Pooled coverage of the 50, 90, 99 % intervals; NaN where nothing was left out.
    within : float
        Share of the groups whose Wasserstein distance is within its limit; NaN where not judged.
    groups : int
        How many groups that is.
    series, statistic : list of str
        Of the measured statistics under the fit: what each belongs to, and which one it is.
    level_S, measured_S, error_S, fitted_S : ndarray (point,)
        Level, measured value, half of its 90 % interval, fitted value [S].
    tables : mapping of str to list of mappings
        Judgements and predictions beside baselines, row by row.
    """

    left_out_what: str
    message: str
    n_devices: int
    sources: list[dict[str, Any]]
    pit: Array
    pit_cells: int
    coverage: Array
    within: float
    groups: int
    series: list[str]
    statistic: list[str]
    level_S: Array
    measured_S: Array
    error_S: Array
    fitted_S: Array
    tables: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class RelaxationSummary:
    """What the report draws about a fit of cells over time.

    Attributes
    ----------
    time_s, level_S : ndarray
        Nominal times [s]; middles of the levels [S].
    count, sigma_S : ndarray (level, time)
        Cells read, σ of their conductance [S].
    measured_S, fitted_S : ndarray (level, time, probability)
        Quantiles of the change at `PROBABILITIES`, of all cells and of the law [S].
    low_S, high_S : ndarray (level, time, probability)
        Between these lie the quantiles of 90 % of the samples, of as many cells, of the law itself [S].
    line_S : ndarray (level, time, score)
        The law's change at `FINE_SCORES` [S].
    shown : str
        Whose quantiles are drawn against time: left-out cells where there are any, else all.
    shown_level : ndarray of int
        Indices of the levels drawn against time.
    shown_S, shown_count : ndarray (shown level, time, probability), (shown level,)
        Quantiles of the conductance of these cells [S], and how many there are.
    coverage : ndarray (time, 3)
        Coverage of the 50, 90, 99 % intervals at each time.
    ratio : ndarray (level, time)
        Wasserstein distance over its limit; NaN where not judged.
    beyond_s : ndarray (ahead,)
        Times beyond the last [s].
    candidates_S : ndarray (law, shown level, ahead, 2)
        5 and 95 % quantiles of conductance by every candidate law of the spread [S].
    outlook : list of mappings
        The test of the extrapolation: law, group, coverage, error of σ.
    outlook_from_s, outlook_to_s : float
    """

    time_s: Array
    level_S: Array
    count: Array
    sigma_S: Array
    measured_S: Array
    fitted_S: Array
    low_S: Array
    high_S: Array
    line_S: Array
    shown: str
    shown_level: Array
    shown_S: Array
    shown_count: Array
    coverage: Array
    ratio: Array
    beyond_s: Array
    candidates_S: Array
    outlook: list[dict[str, Any]]
    outlook_from_s: float
    outlook_to_s: float


@dataclass(frozen=True)
class ArraySummary:
    """What the report draws about the crossbar.

    Attributes
    ----------
    time_s : float
        Time since programming of its cells [s].
    resistance_ohm : mapping
        `wire`, `driver`, `sense` [ohm].
    v_read_V : float
    conductance_S, ir_drop : ndarray (word_line, bit_line)
        Cells [S]; share of the line's voltage that is lost before the cell [1].
    current_A, spice_A : ndarray (bit_line,)
        Output currents of the nodal solver and of ngspice [A]; the latter empty when it was not run.
    scale_A : ndarray (bit_line,)
        Sum of the magnitudes of each output's cell currents: what a difference is held against [A].
    error : ndarray (bit_line,)
        Output current less the ideal one, as share of full scale [1].
    verdict : str
        The comparison in one line, or why no SPICE check was made.
    checked, passed : bool
    tolerance : float
        Bound on the relative difference between the two solutions [1].
    settling : dict
        Of a step of the inputs, as of `nvmphys.crossbar.Settling`; empty without capacitance.
    """

    time_s: float
    resistance_ohm: dict[str, float]
    v_read_V: float
    conductance_S: Array
    ir_drop: Array
    current_A: Array
    spice_A: Array
    scale_A: Array
    error: Array
    verdict: str
    checked: bool
    passed: bool
    tolerance: float
    settling: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyContents:
    """Everything a report shows."""

    title: str
    study_text: str
    card: ModelCard
    profile: VariationProfile
    fit: FitSummary | None
    relaxation: RelaxationSummary | None
    array: ArraySummary
    exports: Mapping[str, list[dict[str, Any]]]
    seconds: float
    versions: Mapping[str, str]


def summarise_array(
    crossbar: Crossbar, v: Array, validation: Validation, not_checked: str, time_s: float,
    settling: Settling | None = None,
) -> ArraySummary:  # fmt: skip
    """Keep of a solved and checked crossbar what the report draws."""
    spice = validation.spice
    verdict = not_checked if spice is None else str(validation)
    return ArraySummary(
        time_s=time_s,
        resistance_ohm={
            "wire": float(np.mean(crossbar.r_word_line_ohm)),
            "driver": float(np.mean(crossbar.r_driver_ohm)),
            "sense": float(np.mean(crossbar.r_sense_ohm)),
        },
        v_read_V=float(np.max(v)),
        conductance_S=crossbar.conductance_S,
        ir_drop=validation.nodal.ir_drop_fraction,
        current_A=validation.nodal.current_A,
        spice_A=np.empty(0) if spice is None else spice.solution.current_A,
        scale_A=validation.scale_A,
        error=np.ravel(matvec_error(crossbar, v, validation.nodal).error),
        verdict=verdict if settling is None else f"{verdict}; {settling}",
        checked=validation.checked,
        passed=validation.passed,
        tolerance=validation.tolerance,
        settling={} if settling is None else settling.figures(),
    )


def summarise_fit(result: FitResult) -> FitSummary:
    """Keep of a fit what the report says of any fit."""
    judged, points = result.left_out, result.points
    nothing = np.empty(0)
    return FitSummary(
        left_out_what=result.left_out_what,
        message=result.convergence.message,
        n_devices=result.n_devices,
        sources=[asdict(source) for source in result.sources],
        pit=nothing if judged is None else judged.pit[np.isfinite(judged.pit)],
        pit_cells=0 if judged is None else judged.pit.shape[0],
        coverage=np.array([np.nan if judged is None else judged.coverage(p) for p in INTERVALS]),
        within=float("nan") if judged is None or judged.table.empty else judged.within,
        groups=0 if judged is None else len(judged.table),
        series=[] if points is None else list(points.series),
        statistic=[] if points is None else list(points.statistic),
        level_S=nothing if points is None else points.level_S,
        measured_S=nothing if points is None else points.measured_S,
        error_S=nothing if points is None else points.error_S,
        fitted_S=nothing if points is None else points.fitted_S,
        tables={name: _records(table) for name, table in result.tables.items()},
    )


def summarise_relaxation(result: FitResult) -> RelaxationSummary | None:
    """Keep of a fit of cells over time what the report draws; None for a fit of another law."""
    law, cells, outlook = result.law, result.cells, result.outlook
    if not isinstance(law, RelaxationLaw) or cells is None:
        return None
    n_levels, times = cells.edges_S.size - 1, cells.nominal_s
    level_S = 0.5 * (cells.edges_S[:-1] + cells.edges_S[1:])
    counted = [cells[cells.level == i] for i in range(n_levels)]
    count = np.array([np.isfinite(c.change_S).sum(axis=0) for c in counted], dtype=float)
    low, high = _sampling_range(law, level_S, times, count)
    unseen = result.left_out_cells
    shown = _spread(np.unique(unseen.level) if unseen is not None else np.arange(n_levels))
    groups = [unseen[unseen.level == i] if unseen is not None else counted[i] for i in shown]
    beyond = law.time_range_s[1] * np.geomspace(1, 1e3, 13)
    coverage, ratio = _judged(result.left_out, n_levels, times)
    return RelaxationSummary(
        time_s=times,
        level_S=level_S,
        count=count,
        sigma_S=np.array([_sigma(c.first_S[:, None] + c.change_S) for c in counted]),
        measured_S=np.array([_quantiles(c.change_S) for c in counted]),
        fitted_S=_fitted(law, level_S, times, SCORES),
        low_S=low,
        high_S=high,
        line_S=_fitted(law, level_S, times, FINE_SCORES),
        shown="cells fitted to (none were left out)" if unseen is None else "left-out cells",
        shown_level=shown.astype(float),
        shown_S=np.array([_quantiles(c.first_S[:, None] + c.change_S) for c in groups]),
        shown_count=np.array([len(c) for c in groups], dtype=float),
        coverage=coverage,
        ratio=ratio,
        beyond_s=beyond,
        candidates_S=np.array([_candidate(law, name, level_S[shown], beyond) for name in EXTRAPOLATIONS]),
        outlook=[] if outlook is None else _records(outlook.table),
        outlook_from_s=float("nan") if outlook is None else outlook.fitted_to_s,
        outlook_to_s=float("nan") if outlook is None else outlook.predicted_s,
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as plain values."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _judged(judged: Judgement | None, n_levels: int, times: Array) -> tuple[Array, Array]:
    """Return coverage (time, interval) and distance over limit (level, time); NaN where not judged."""
    coverage, ratio = np.full((times.size, len(INTERVALS)), np.nan), np.full((n_levels, times.size), np.nan)
    if judged is not None:
        table = judged.table
        column = np.abs(times - table["time_s"].to_numpy(dtype=float)[:, None]).argmin(axis=1)
        ratio[table["level"].to_numpy(dtype=int), column] = (table["distance_S"] / table["limit_S"]).to_numpy(float)
        coverage = np.stack([judged.coverage_by_time(p) for p in INTERVALS], axis=-1)
    return coverage, ratio


def _fitted(law: RelaxationLaw, level_S: Array, times: Array, scores: Array) -> Array:
    """Return the law's change (level, time, score) [S], times held inside its nodes."""
    inside = np.clip(times, *law.time_range_s)
    return np.array([[law.change_S(np.full(scores.size, g), float(t), scores) for t in inside] for g in level_S])


def _sampling_range(law: RelaxationLaw, level_S: Array, times: Array, count: Array) -> tuple[Array, Array]:
    """Return within what 90 % of samples of the law have their quantiles, (level, time, probability) each [S]."""
    inside = np.clip(times, *law.time_range_s)

    def at(tail: float, level: int, k: int) -> Array:
        n = count[level, k]
        order = beta.ppf(tail, n * PROBABILITIES + 0.5, n * (1 - PROBABILITIES) + 0.5)
        return law.change_S(np.full(order.size, level_S[level]), float(inside[k]), ndtri(order))

    shape = range(level_S.size), range(times.size)
    low, high = (np.array([[at(tail, i, k) for k in shape[1]] for i in shape[0]]) for tail in (0.05, 0.95))
    return low, high


def _spread(levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose a few levels, spread over the range."""
    return levels[np.unique(np.linspace(0, levels.size - 1, _SHOWN).round().astype(int))]


def _quantiles(values: Array) -> Array:
    """Return quantiles (time, probability) of the finite values of each column; NaN where they lie beyond the cells."""
    out = np.full((values.shape[1], PROBABILITIES.size), np.nan)
    for row, column in zip(out, values.T, strict=True):
        finite = column[np.isfinite(column)]
        seen = np.minimum(PROBABILITIES, 1 - PROBABILITIES) * finite.size >= 1
        if seen.any():
            row[seen] = np.quantile(finite, PROBABILITIES[seen], method="hazen")
    return out


def _sigma(values: Array) -> Array:
    """Return σ of the finite values of each column; NaN where fewer than five."""
    columns = [c[np.isfinite(c)] for c in values.T]
    return np.array([np.std(c, ddof=1) if c.size >= 5 else np.nan for c in columns])


def _candidate(law: RelaxationLaw, name: str, level_S: Array, beyond: Array) -> Array:
    """Return 5 and 95 % quantiles of conductance (level, time, 2) by one candidate law of the spread."""
    other = replace(law, extrapolation=name)
    z = np.array([-1.6448536, 1.6448536])
    return np.array(
        [[g + other.change_S(np.full(2, g), float(t), z, extrapolate=True) for t in beyond] for g in level_S]
    )


def save_contents(contents: StudyContents, folder: str | os.PathLike[str]) -> None:
    """Write `results.npz` and `results.json`; card and profile are written by their own functions."""
    arrays: dict[str, Array] = {}
    plain: dict[str, Any] = {
        "title": contents.title,
        "study_text": contents.study_text,
        "exports": dict(contents.exports),
        "seconds": contents.seconds,
        "versions": dict(contents.versions),
    }
    for part in _PARTS:
        record = getattr(contents, part)
        plain[part] = None if record is None else {}
        for each in fields(record) if record is not None else ():
            value = getattr(record, each.name)
            if isinstance(value, np.ndarray):
                arrays[f"{part}.{each.name}"] = value
            else:
                plain[part][each.name] = value
    with replacing(Path(folder) / _NUMBERS) as file, open(file, "wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)
    with replacing(Path(folder) / _TEXTS) as file:
        file.write_text(json.dumps(plain, indent=1), encoding="utf-8")


def load_contents(folder: str | os.PathLike[str]) -> StudyContents:
    """Read what a run left in its folder.

    Raises
    ------
    BadInput
        The folder is not that of a finished run.
    """
    base = Path(folder)
    try:
        plain = json.loads((base / _TEXTS).read_text(encoding="utf-8"))
        with np.load(base / _NUMBERS, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        parts = {
            name: {key.split(".")[1]: value for key, value in arrays.items() if key.startswith(f"{name}.")}
            | plain[name]
            for name in _PARTS
            if plain[name] is not None
        }
        card = load_card(base / "card.toml")
        law_of(card)  # a card without a law, such as a dynamics card, is refused here
        return StudyContents(
            title=plain["title"],
            study_text=plain["study_text"],
            card=card,
            profile=load_profile(base / "profile.h5"),
            fit=FitSummary(**parts["fit"]) if "fit" in parts else None,
            relaxation=RelaxationSummary(**parts["relaxation"]) if "relaxation" in parts else None,
            array=ArraySummary(**parts["array"]),
            exports=plain["exports"],
            seconds=plain["seconds"],
            versions=plain["versions"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(
            f"{folder}: not the folder of a finished run ({error}): run `nvmphys run STUDY -o {folder}`"
        ) from None
