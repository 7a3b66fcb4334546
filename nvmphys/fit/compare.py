"""Which model? Everything that can be fitted to measurements, ranked by its error on rows that it has not seen.

Models and baselines are fitted without some conditions, and again without some devices, and foretell what was measured
there. They are ranked by the root mean square of measured less foretold, on the rows that all of them foretell. What
hangs together is drawn together: intervals of the error, and of by how much it lies above the best, are from a
bootstrap over the conditions or devices that were left out, paired.

Whether the best model fits is another question, answered by what repeats scatter by (`nvmphys.fit.lack_of_fit`), or
rows in order around a smooth course where nothing was measured twice. Where there is neither, a model fits if nothing
beats it.

A candidate has a budget of seconds. One that runs out is ranked by the best that it reached, and says how far it came.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from nvmphys.devices import device, devices
from nvmphys.discovery import modules_with
from nvmphys.errors import BadInput, CheckFailed, NvmphysError, unknown_name
from nvmphys.fit.candidates import ROW, Candidate, Question, one_quantity
from nvmphys.fit.conditions import RUN, places, runs, same
from nvmphys.fit.conditions import units as units_of
from nvmphys.fit.lack_of_fit import Misfit, by_f_test, of_repeats, scatter
from nvmphys.fit.observed import Observed
from nvmphys.fit.result import Progress
from nvmphys.records import Measurement, as_rng

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

BASELINE = "baseline"
BUDGET_S = 60.0
"""Seconds of the processor that a candidate may take, over all that is left out."""
_FIRST_SHARE = 2 / 3
"""Share of what is left of them that it may take where more is to be left out: models are compiled the first time."""
NO_WORSE = 1.1
"""Ratio of a model's error to the smallest up to which it fits where the scatter is not known."""
TOLD = 0.9
"""Share of the rows left out that a candidate must foretell to be ranked."""
WORST = 5
"""Conditions that are shown as the furthest off."""
_RESAMPLES = 1000
_LEVEL = 0.9


@dataclass(frozen=True, eq=False)
class Ranking:
    """Candidates ranked on what was left out.

    Attributes
    ----------
    what : str
        What was left out: "3 of 15 conditions".
    table : DataFrame
        A row for each candidate, the best first, those that failed last: kind, knows, rows, rms with the 90 % interval
        low … high, bias, coverage_90, behind (rms less that of the best) with behind_low … behind_high, as_good
        (whether it cannot be told from the best), misfit (beyond the scatter of repeats, over it) with its upper end
        misfit_at_most, p_fit, fits, seconds, reason (why it is not ranked, or how far it came in its budget).
    errors : DataFrame
        Measured less foretold by row (number) and candidate.
    rows : DataFrame
        The rows left out: experiment, unit (what is drawn together), measured, and the conditions.
    where : DataFrame
        Conditions where the best model is furthest off: mean error, over the noise, and the conditions.
    """

    what: str
    table: pd.DataFrame
    errors: pd.DataFrame
    rows: pd.DataFrame
    where: pd.DataFrame

    @property
    def as_good(self) -> tuple[str, ...]:
        """The best and all that cannot be told from it."""
        return tuple(self.table.index[self.table["as_good"].fillna(False).astype(bool)])

    @property
    def fitting(self) -> tuple[str, ...]:
        """The models and laws that fit, the best first."""
        return tuple(self.table.index[self.table["fits"].fillna(False).astype(bool)])


@dataclass(frozen=True, eq=False)
class Comparison:
    """Models ranked by their errors on conditions and devices left out.

    Attributes
    ----------
    quantity : str
        Unit of the errors: "decade" of a current or conductance, or the quantity itself.
    rankings : tuple of Ranking
        On conditions, and on devices where there are several.
    refused : DataFrame
        kind and reason of what cannot be fitted to these measurements, by name.
    said : tuple of str
        In words, a sentence each.
    seed : int or None
    """

    quantity: str
    rankings: tuple[Ranking, ...]
    refused: pd.DataFrame
    said: tuple[str, ...] = ()
    seed: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def none_fits(self) -> bool:
        """Whether no model and no law fits, in the first ranking."""
        return not self.rankings[0].fitting

    @property
    def best(self) -> str:
        """The candidate with the smallest error in the first ranking, a baseline or not."""
        return str(self.rankings[0].table.index[0])

    def table(self) -> pd.DataFrame:
        """Return all rankings and refusals as one table, a row for each candidate and what was left out."""
        parts = [ranking.table.reset_index().assign(left_out=ranking.what) for ranking in self.rankings]
        every = pd.concat([*parts, self.refused.reset_index()], ignore_index=True)
        return every[["left_out", *(name for name in every if name != "left_out")]]


def compare(
    measurements: Sequence[Measurement],
    *,
    models: Sequence[str] | None = None,
    holdout: float = 0.2,
    seed: int | np.random.Generator = 0,
    progress: Progress | None = None,
    read_V: float = 0.1,
    rest_s: float = 0.0,
    technology: str | None = None,
    budget_s: float = BUDGET_S,
) -> Comparison:
    """Rank everything that can be fitted to measurements by its error on conditions and devices left out.

    Parameters
    ----------
    measurements : sequence of Measurement
        Of one quantity: currents and conductances (in decades), or a polarization.
    models : sequence of str, optional
        Names of models and laws; by default all. Baselines are always there.
    holdout : float, optional
        Share of the conditions, and of the devices, that is left out.
    seed : int or numpy.random.Generator, optional
    progress : callable, optional
        Told what is done, how much of it and of how much.
    read_V, rest_s : float, optional
        As of `nvmphys.fit.paths.observed_paths`.
    technology : str, optional
        Of the devices: device models of others are then refused. Where nobody says it, all are tried.
    budget_s : float, optional
        Seconds of the processor that each candidate may take in all. A fit that they end is ranked by the best that it
        reached.

    Returns
    -------
    Comparison
        A candidate that fails is a row with its reason.

    Raises
    ------
    BadInput
        "no measurement", "unknown model", "unknown technology", a holdout outside 0.01 … 0.9, a budget that is not
        > 0 s, "cannot be ranked together", "nothing can be left out".

    Examples
    --------
    >>> from nvmphys.simulate import simulate
    >>> train = simulate("rram_gap", "pulse_train", settings={"n_pulses": 12})
    >>> found = compare([train], models=["soft_bounds", "exponential"])
    >>> sorted(found.rankings[0].table.index)[:2]
    ['Gaussian per condition', 'Gaussian process']
    """
    if not measurements:
        raise BadInput("no measurement to compare on: give at least one")
    if not 0.01 <= holdout <= 0.9:
        raise BadInput(f"holdout must lie within 0.01 … 0.9 (got {holdout:g}): it is the share that is left out")
    if not budget_s > 0:
        raise BadInput(f"budget_s must be > 0 s (got {budget_s:g} s): it is what each candidate may take")
    technologies = sorted({device(name).technology for name in devices()})
    if technology is not None and technology not in technologies:
        raise unknown_name("technology", technology, technologies)
    rng = as_rng(seed)
    options: dict[str, Any] = {"read_V": read_V, "rest_s": rest_s, "technology": technology or ""}
    numbered = _numbered(measurements)
    offers = _offers(numbered, options, models)
    yardstick = _yardstick(numbered, offers)
    unit = one_quantity(yardstick)
    tell = progress or (lambda what, done, of: None)
    rankings: list[Ranking] = []
    splits = _splits(yardstick, sum(len(m.table) for m in numbered), holdout, rng)
    budget = _Budget({c.name: budget_s for c in offers})
    for k, (what, units, out) in enumerate(splits):
        budget.share = 1.0 if k == len(splits) - 1 else _FIRST_SHARE
        question = Question(tuple(numbered), tuple(yardstick), out)
        rankings.append(_ranked(what, units, question, [c for c in offers if not c.refuses], rng, tell, budget))
    if not rankings:
        raise BadInput("nothing can be left out: give more than one condition or device")
    refused = pd.DataFrame(
        {"kind": [c.kind for c in offers if c.refuses], "reason": [c.refuses for c in offers if c.refuses]},
        index=pd.Index([c.name for c in offers if c.refuses], name="candidate"),
    )
    number = None if isinstance(seed, np.random.Generator) else int(seed)
    said = [sentence for ranking in rankings for sentence in _said(ranking, unit)]
    tried = sorted({c.technology for c in offers if c.technology and not c.refuses})
    if technology is None and len(tried) > 1:
        said.append(
            f"nothing says of what technology the devices are: models of {' and of '.join(tried)} were tried "
            "(--technology names one)"
        )
    chosen = options | {"holdout": holdout, "budget_s": budget_s}
    return Comparison(unit, tuple(rankings), refused, tuple(said), number, chosen)


@dataclass(eq=False)
class _Budget:
    """Seconds that each candidate has left, the share of them that it may take now, and what it took last."""

    left: dict[str, float]
    share: float = 1.0
    took: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[float]:
        """Give a candidate its seconds and take down what it took."""
        begin = time.process_time()
        try:
            yield self.share * max(self.left[name], 0.0)
        finally:
            self.took[name] = time.process_time() - begin
            self.left[name] -= self.took[name]


def _numbered(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Return measurements whose tables number the rows of all, and the runs of each."""
    ends, found = np.cumsum([0, *(len(m.table) for m in measurements)]), []
    for m, first in zip(measurements, ends[:-1], strict=True):
        columns = {ROW: np.arange(first, first + len(m.table)), RUN: runs(m.experiment, m.table)}
        found.append(replace(m, table=m.table.reset_index(drop=True).assign(**columns)))
    return found


def _offers(
    measurements: Sequence[Measurement], options: Mapping[str, Any], models: Sequence[str] | None
) -> list[Candidate]:
    """Return the candidates of all kinds, found by walking the folder."""
    families = modules_with("nvmphys.fit", "COMPARES")
    names = {name: kind for kind, family in families.items() for name in family.names()}
    for name in models or ():
        if name not in names:
            raise unknown_name("model to compare", name, names)
    wanted = [name for name, kind in names.items() if models is None or name in models or kind == BASELINE]
    return [
        c
        for family in families.values()
        for c in family.candidates([name for name in family.names() if name in wanted], measurements, options)
    ]


def _yardstick(measurements: Sequence[Measurement], offers: Sequence[Candidate]) -> list[Observed]:
    """Return the rows that count: as a device model sees them, or the conductance or current as measured."""
    seen = next((list(c.observed) for c in offers if c.observed), None)
    found = seen if seen is not None else [_as_measured(m) for m in measurements]
    kept = []
    for o in found:
        counts = np.isfinite(o.measured)
        if "pulse_voltage_V" in o.table:
            counts &= o.table["pulse_voltage_V"].to_numpy() != 0
            if o.experiment == "pulse" and "cycle" in o.table:
                counts &= o.table["cycle"].to_numpy() != 0
        kept.append(replace(o, table=o.table[counts].reset_index(drop=True), measured=o.measured[counts], legs=None))
    return [o for o in kept if o.measured.size]


def _as_measured(m: Measurement) -> Observed:
    table = m.table
    if "conductance_S" not in table and "resistance_ohm" in table:
        table = table.assign(conductance_S=1 / table["resistance_ohm"])
    name = next((c for c in ("conductance_S", "current_A") if c in table), None)
    if name is None:
        raise BadInput(f"{m.source.id}: nothing to compare on: it needs conductance_S, resistance_ohm or current_A")
    size = np.abs(table[name].to_numpy(dtype=float))
    measured = np.log10(np.where(size > 0, size, np.nan))
    return Observed(m.experiment, table, f"log10 of {name}", measured, lambda values: np.full(len(table), np.nan))


def _splits(
    yardstick: Sequence[Observed], size: int, holdout: float, rng: np.random.Generator
) -> list[tuple[str, Mapping[int, Any], Mask]]:
    """Return what is left out in words, the unit of each row, and whether a row is left out."""
    found: list[tuple[str, Mapping[int, Any], Mask]] = []
    for what, units in (("conditions", _conditions(yardstick)), ("devices", _devices(yardstick))):
        every = sorted(set(units.values()), key=str)
        n = max(1, round(holdout * len(every)))
        if len(every) - n < 1:
            continue
        gone = {every[k] for k in rng.permutation(len(every))[:n]}
        out = np.zeros(size, dtype=bool)
        out[[row for row, unit in units.items() if unit in gone]] = True
        found.append((f"{n} of {len(every)} {what}", units, out))
    return found


def _conditions(yardstick: Sequence[Observed]) -> dict[int, Any]:
    """Return what each row is left out with: a condition, a run, or a stretch of one."""
    return {
        int(row): unit
        for o, own in zip(yardstick, units_of(yardstick), strict=True)
        for row, unit in zip(o.table[ROW], own, strict=True)
    }


def _devices(yardstick: Sequence[Observed]) -> dict[int, Any]:
    return {
        int(row): device
        for o in yardstick
        if "device_id" in o.table
        for row, device in zip(o.table[ROW], o.table["device_id"], strict=True)
    }


def _ranked(
    what: str, units: Mapping[int, Any], question: Question, candidates: Sequence[Candidate], rng: np.random.Generator,
    tell: Progress, budget: _Budget,
) -> Ranking:  # fmt: skip
    """Return the candidates ranked on the rows left out."""
    rows = _rows(question, units)
    told, failed, notes = _all_foretold(what, question, rows, candidates, rng, tell, budget)
    seconds = {name: round(took, 1) for name, took in budget.took.items()}
    every = pd.DataFrame({name: rows["measured"] - one["mean"] for name, one in told.items()}, index=rows.index)
    for name in told:
        if (there := int(every[name].notna().sum())) < TOLD * len(every):
            failed[name] = f"it foretells {there} of {len(every)} rows: not ranked"
    ranked = [name for name in told if name not in failed]
    if not ranked:
        reasons = "; ".join(f"{name}: {why}" for name, why in failed.items())
        raise CheckFailed(f"without {what} no candidate foretells the others: {reasons}")
    common = every[ranked].notna().all(axis=1).to_numpy()
    errors, rows = every.loc[common, ranked], rows[common]
    noise, free = scatter(question.yardstick)
    kinds = {c.name: c for c in candidates}
    figures = _figures(errors, rows, {n: told[n]["sigma"].reindex(rows.index) for n in ranked}, rng)
    figures = figures.assign(
        kind=[kinds[n].kind for n in ranked], knows=[kinds[n].knows for n in ranked],
        reason=[notes[n] for n in ranked], seconds=[seconds[n] for n in ranked],
    )  # fmt: skip
    table = _with_fits(figures, errors, rows, noise, free, rng).sort_values("rms", kind="stable")
    models = [str(name) for name in table.index if kinds[str(name)].kind != BASELINE]
    shown = models[0] if models else str(table.index[0])
    lost = pd.DataFrame(
        {
            "kind": [kinds[n].kind for n in failed], "reason": list(failed.values()),
            "seconds": [seconds[n] for n in failed],
        },
        index=list(failed),
    )  # fmt: skip
    table = pd.concat([table, lost]) if failed else table
    first = ["kind", "rows", "rms", "low", "high", "behind", "behind_low", "behind_high", "as_good", "fits"]
    table = table[[*first, *(c for c in table if c not in first)]].rename_axis("candidate")
    return Ranking(what, table, errors, rows, _where(errors[shown], rows, noise if free else None, shown))


def _all_foretold(
    what: str, question: Question, rows: pd.DataFrame, candidates: Sequence[Candidate], rng: np.random.Generator,
    tell: Progress, budget: _Budget,
) -> tuple[dict[str, pd.DataFrame], dict[str, str], dict[str, str]]:  # fmt: skip
    """Return what each candidate foretells, why others failed, and what is to be said of each."""
    told: dict[str, pd.DataFrame] = {}
    failed, notes = dict[str, str](), dict[str, str]()
    for k, candidate in enumerate(candidates):
        tell(f"without {what}: {candidate.name}", k, len(candidates))
        try:
            with budget.of(candidate.name) as seconds:
                answer = _foretold(candidate, replace(question, seconds=seconds), rows, rng)
            told[candidate.name], notes[candidate.name] = answer
        except (NvmphysError, ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
            failed[candidate.name] = str(error)
    return told, failed, notes


def _rows(question: Question, units: Mapping[int, Any]) -> pd.DataFrame:
    """Return the rows left out by their number."""
    parts = []
    for o in question.yardstick:
        at = places(o.experiment, o.table)
        unit = [str(units.get(int(row))) for row in o.table[ROW]]
        part = at.assign(experiment=o.experiment, unit=unit, measured=o.measured, condition=same(at))
        parts.append(part.set_index(o.table[ROW].to_numpy())[question.out[o.table[ROW].to_numpy()]])
    return pd.concat(parts).rename_axis(ROW)


def _foretold(
    candidate: Candidate, question: Question, rows: pd.DataFrame, rng: np.random.Generator
) -> tuple[pd.DataFrame, str]:
    """Return what a candidate says of the rows left out, each foretold once, and of itself."""
    assert candidate.foretell is not None
    (own,) = rng.spawn(1)
    answer = candidate.foretell(question, own)
    return answer.rows[~answer.rows.index.duplicated()].reindex(rows.index), answer.note


def _figures(
    errors: pd.DataFrame, rows: pd.DataFrame, sigmas: Mapping[str, pd.Series], rng: np.random.Generator
) -> pd.DataFrame:
    """Return errors with their intervals, and how far each lies above the best."""
    squares = (errors**2).groupby(rows["unit"]).sum()
    counts = errors.groupby(rows["unit"]).size()
    if len(squares) < 3:  # too few to draw from: by rows, which hang together
        squares, counts = errors**2, pd.Series(1, index=errors.index)
    drawn = rng.integers(0, len(squares), (_RESAMPLES, len(squares)))
    n = counts.to_numpy()[drawn].sum(axis=1)
    rms = np.sqrt(squares.to_numpy()[drawn].sum(axis=1) / n[:, np.newaxis])
    own = np.sqrt((errors**2).mean())
    best = str(own.idxmin())
    behind = rms - rms[:, [errors.columns.get_loc(best)]]
    edges = [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]
    low, high = np.quantile(rms, edges, axis=0)
    behind_low, behind_high = np.quantile(behind, edges, axis=0)
    half = float(ndtri((1 + _LEVEL) / 2))
    coverage = {name: float((errors[name].abs() <= half * sigma).mean()) for name, sigma in sigmas.items()}
    return pd.DataFrame(
        {
            "rows": len(errors), "rms": own, "low": low, "high": high, "bias": errors.mean(),
            "coverage_90": pd.Series(coverage), "behind": own - own[best], "behind_low": behind_low,
            "behind_high": behind_high, "as_good": behind_low <= 0,
        },
        index=errors.columns,
    )  # fmt: skip


def _with_fits(
    table: pd.DataFrame, errors: pd.DataFrame, rows: pd.DataFrame, noise: float, free: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the table with whether each model fits; of baselines nothing is said."""
    least = float(table["rms"].min())
    (own,) = rng.spawn(1)
    found: dict[str, dict[str, Any]] = {}
    for name in table.index:
        nothing: dict[str, Any] = {"misfit": np.nan, "misfit_at_most": np.nan, "p_fit": np.nan}
        if table.loc[name, "kind"] == BASELINE:
            found[name] = nothing | {"fits": None}
        elif free:
            one = _lack_of_fit(errors[name], rows, noise, free, own)
            found[name] = {"misfit": one.misfit, "misfit_at_most": one.at_most, "p_fit": one.p, "fits": one.fits}
        else:
            beaten = table.loc[name, "rms"] > NO_WORSE * least and table.loc[name, "behind_low"] > 0
            found[name] = nothing | {"fits": not beaten}
    return table.join(pd.DataFrame.from_dict(found, orient="index"))


def _lack_of_fit(error: pd.Series, rows: pd.DataFrame, noise: float, free: int, rng: np.random.Generator) -> Misfit:
    """Return what the errors say, by the repeats of each condition where these are independent."""
    number = rows.groupby(["experiment", "condition"], sort=False).ngroup()
    alone = number.groupby(rows["unit"]).nunique().max() == 1
    if alone and number.nunique() < len(number):
        return of_repeats(error.to_numpy(), np.asarray(number, dtype=np.int64), rng)
    return by_f_test(error, [rows["experiment"], rows["condition"]], noise, free)


def _where(error: pd.Series, rows: pd.DataFrame, noise: float | None, name: str) -> pd.DataFrame:
    """Return the conditions where a model is furthest off, by its mean error over its standard error."""
    places_of = [c for c in rows if c not in ("unit", "measured", "condition")]
    groups = rows.assign(error=error).groupby(["experiment", "condition"], sort=False)
    found = groups[places_of].first().assign(error=groups["error"].mean(), count=groups.size())
    scatter = noise if noise is not None else max(float(error.std()), 1e-300)
    found["over_noise"] = found["error"] * np.sqrt(found["count"]) / max(scatter, 1e-300)
    worst = found["over_noise"].abs().sort_values(ascending=False).index[:WORST]
    return found.loc[worst].reset_index(drop=True).rename_axis(name)


def _said(ranking: Ranking, unit: str) -> list[str]:
    """Say what a ranking shows."""
    table = ranking.table
    ranked = table[table["rms"].notna()]
    best = ranked.iloc[0]
    others = [name for name in ranking.as_good if name != best.name]
    said = [
        f"{ranking.what} left out: the smallest error is that of {best.name} ({best['kind']}), rms {best['rms']:.3g} "
        f"{unit} ({best['low']:.3g} … {best['high']:.3g}); "
        + (f"not to be told from it: {', '.join(others)}" if others else "all others are worse")
    ]
    if ranking.rows["unit"].nunique() < 3:
        said.append(
            f"{ranking.what}: too few were left out for intervals over them; those given are over rows, which hang "
            "together, and are too narrow"
        )
    said += [f"{ranking.what} left out: {name}: {row['reason']}" for name, row in ranked.iterrows() if row["reason"]]
    models = ranked[ranked["kind"] != BASELINE]
    if len(models) and not ranking.fitting:
        first = models.iloc[0]
        against = (
            f"its misfit is {first['misfit']:.2g} times the scatter of repeats (p = {first['p_fit']:.1g})"
            if np.isfinite(first["misfit"])
            else f"the best baseline has {best['rms']:.3g} {unit}"
        )
        said.append(
            f"none fits: the best model is {first.name}, rms {first['rms']:.3g} {unit}, and {against}; furthest off at "
            + "; ".join(_condition_in_words(row) for _, row in ranking.where.head(3).iterrows())
        )
    elif not len(models):
        said.append("no model or law could be fitted and ranked: see the reasons")
    return said


def _condition_in_words(row: pd.Series) -> str:
    shown = [f"{name} = {value:.4g}" for name, value in row.items()
             if name not in ("experiment", "error", "count", "over_noise") and isinstance(value, float)]  # fmt: skip
    return f"{row['experiment']} {', '.join(shown)}: {row['error']:+.3g} ({row['over_noise']:+.1f} times the noise)"
