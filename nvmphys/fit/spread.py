"""Fitting the spread law to a table of (level, time, mean, σ), or of quantiles: mean and σ by level with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from nvmphys.errors import BadInput
from nvmphys.fit.estimate import Estimate, estimate
from nvmphys.fit.result import Convergence, FitResult, Points, Progress
from nvmphys.measurement.units import engineering
from nvmphys.population.curve import Rows
from nvmphys.population.spread import NAME, SpreadLaw, Tail
from nvmphys.records import Basis, Exclusion, Measurement
from nvmphys.tomlfile import checked

Array = NDArray[np.float64]

_FEWEST_LEVELS = 8
"""Levels needed to leave every fourth out and predict it from its neighbours."""


class Options(BaseModel):
    """Choices of a spread fit.

    Attributes
    ----------
    tail : bool
        Try a second population in the tail of the change, where the table has its quantiles.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tail: bool = True


@dataclass(frozen=True)
class _Table:
    """What a table says, level by level in order of the targets.

    Attributes
    ----------
    target_S : ndarray (level,)
    first_s : float
        Time as programmed [s].
    times_s : ndarray (time,)
        Later times [s].
    programmed : list of Estimate (level,)
    later : list (time,) of lists of Estimate (level,)
    of_change : bool
        Whether the later estimates are of the change since programming, or of the conductance then.
    has_target : bool
    count : int
        Cells as programmed, all levels.
    mean_S, sigma_S : ndarray (time + 1, level)
        Mean and σ as they stand in the table [S], as programmed first.
    exclusions : tuple of Exclusion
        Rows that were not fitted.
    """

    target_S: Array
    first_s: float
    times_s: Array
    programmed: list[Estimate]
    later: list[list[Estimate]]
    of_change: bool
    has_target: bool
    count: int
    mean_S: Array
    sigma_S: Array
    exclusions: tuple[Exclusion, ...] = ()

    def levels(self, which: NDArray[np.bool_]) -> _Table:
        """Return the same of some levels."""
        chosen = np.flatnonzero(which)
        pick = lambda row: [row[i] for i in chosen]  # noqa: E731 - one line, used twice
        return replace(
            self, target_S=self.target_S[which], programmed=pick(self.programmed), later=[pick(r) for r in self.later],
            mean_S=self.mean_S[:, which], sigma_S=self.sigma_S[:, which],
        )  # fmt: skip


def fit(
    measurements: Sequence[Measurement],
    *,
    holdout: float,
    rng: np.random.Generator,
    seed: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> FitResult:
    """Fit the spread law to a summary table.

    The first time is as programmed; later rows, of the change since or else of the conductance, give the change.
    Targets are the column `target_S`, else the means as programmed (assumed). With eight levels or more, and `holdout`
    not 0, every fourth level is left out and predicted from its neighbours.

    Raises
    ------
    BadInput
        Raw cells instead of a summary; rows of several temperatures; a level without its first time.
    """
    chosen = checked(Options, options, "options of the spread fit")
    name = measurements[0].source.id
    if not all(m.is_summary for m in measurements):
        raise BadInput(
            f"{name}: the spread law is fitted to a table of level, time_s, count, mean_S, sigma_S (and quantiles); "
            "raw cells are fitted by the model 'relaxation'"
        )
    rows = pd.concat([m.table for m in measurements], ignore_index=True)
    if "temperature_K" in rows and rows["temperature_K"].nunique() > 1:
        raise BadInput(f"{name}: rows are of several temperatures: give those of one")
    table = _read(rows, name, chosen, progress or (lambda what, done, total: None))
    law = _law(table)
    result = _result(law, table, measurements, seed)
    if holdout == 0 or table.target_S.size < _FEWEST_LEVELS:
        return result
    return replace(result, tables={"Levels left out of the fit, predicted from their neighbours": _left_out(table)})


def _read(rows: pd.DataFrame, name: str, options: Options, tell: Progress) -> _Table:
    """Estimate mean and σ of every level as programmed, and at every later time that has all levels."""
    rows, exclusions = _usable(rows, name)
    first_s = float(rows["time_s"].min())
    conductance = rows[rows["quantity"] == "conductance"]
    programmed = conductance[conductance["time_s"] == first_s]
    missing = sorted(set(rows["level"]) - set(programmed["level"]))
    if missing:
        raise BadInput(
            f"{name}: level {missing[0]} has no usable row of conductance at the first time ({first_s:g} s): it tells "
            "how the cells stand as programmed"
        )
    has_target = "target_S" in programmed
    programmed = programmed.assign(target=programmed["target_S" if has_target else "mean_S"])
    programmed = programmed.sort_values("target", kind="stable").reset_index(drop=True)
    target = programmed["target"].to_numpy(dtype=float)
    if np.any(np.diff(target) <= 0) or target[0] < 0:
        raise BadInput(f"{name}: targets must be >= 0 and differ between levels: give a column target_S")
    later = rows[rows["time_s"] > first_s]
    of_change = bool((later["quantity"] == "change").any())
    later = later[later["quantity"] == ("change" if of_change else "conductance")]
    order = pd.Series(programmed.index, programmed["level"])
    by_time = []
    for time, part in later.groupby("time_s"):
        if len(part) == len(programmed):
            by_time.append(part.set_index(part["level"].map(order)).sort_index())
        else:
            rule = f"time without all levels ({len(part)} of {len(programmed)})"
            exclusions.append(Exclusion(rule, len(part), f"{time:g} s"))
    estimates = []
    for done, part in enumerate([programmed, *by_time]):
        tell("times", done, len(by_time) + 1)
        # what was verified has no tail: the second population is one of the change
        estimates.append([estimate(row, tail=options.tail and of_change and done > 0) for _, row in part.iterrows()])
    tell("times", len(by_time) + 1, len(by_time) + 1)
    mean, sigma = (
        np.array([part[c].to_numpy(dtype=float) for part in [programmed, *by_time]]) for c in ("mean_S", "sigma_S")
    )
    return _Table(
        target, first_s, np.array([float(part["time_s"].iloc[0]) for part in by_time]), estimates[0], estimates[1:],
        of_change, has_target, int(programmed["count"].sum()), mean, sigma, tuple(exclusions),
    )  # fmt: skip


def _usable(rows: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[Exclusion]]:
    """Leave out rows that tell no σ; refuse two rows for one level, time and quantity."""
    told = (rows["count"] >= 2) & rows["mean_S"].notna() & rows["sigma_S"].notna()
    exclusions = []
    if not told.all():
        levels = ", ".join(map(str, rows["level"][~told].unique()[:5]))
        exclusions.append(Exclusion("fewer than two cells, or no σ", int((~told).sum()), f"levels {levels}"))
    rows = rows[told]
    if rows.empty:
        raise BadInput(f"{name}: no row tells a σ: each needs two cells or more, a mean and a σ")
    twice = rows[rows.duplicated(["level", "time_s", "quantity"])]
    if len(twice):
        level, time = twice["level"].iloc[0], float(twice["time_s"].iloc[0])
        raise BadInput(
            f"{name}: level {level} has two rows for {time:g} s: keep one, or give the cells' pooled figures"
        )
    return rows, exclusions


def _law(table: _Table) -> SpreadLaw:
    """Build the law from the estimates, straight lines between the levels."""

    def rows(values: list[list[float]]) -> Rows:
        return Rows(knots_S=table.target_S, values=np.array(values))

    later, first = table.later, table.programmed
    low, high = float(table.target_S[0]), float(table.target_S[-1])
    law = SpreadLaw(
        sigma_prog_S=rows([[e.sigma_S[0] for e in first]]),
        first_time_s=table.first_s,
        level_range_S=(low, high),
        time_range_s=_time_range(table),
    )
    if not later:
        return law
    start = [0.0] * len(first) if table.of_change else [e.mean_S[0] for e in first]
    shift = [[e.mean_S[0] - m for e, m in zip(row, start, strict=True)] for row in later]
    tails = [[e.tail for e in row] for row in later]
    tail = None
    if any(share > 0 for row in tails for share, _, _ in row):
        # where no tail was found its share is 0, and the core stands in for what it would be
        filled = [
            [t if t[0] > 0 else (0.0, e.mean_S[0], e.sigma_S[0]) for t, e in zip(one, row, strict=True)]
            for one, row in zip(tails, later, strict=True)
        ]
        tail = Tail(*(rows([[t[k] for t in row] for row in filled]) for k in range(3)))
    return replace(
        law,
        times_s=table.times_s,
        shift_S=rows(shift),
        sigma_S=rows([[e.sigma_S[0] for e in row] for row in later]),
        sigma_is_total=not table.of_change,
        tail=tail,
    )


def _time_range(table: _Table) -> tuple[float, float]:
    """Return the times that the law covers: from the first after programming; from programming where that is > 0."""
    if not table.times_s.size:
        return table.first_s, table.first_s
    return table.first_s if table.first_s > 0 else float(table.times_s[0]), float(table.times_s[-1])


def _left_out(table: _Table) -> pd.DataFrame:
    """Predict every fourth level from the others: mean and σ of the whole distribution, beside the table's own."""
    out = np.arange(table.target_S.size) % 4 == 1
    unseen = table.levels(out)
    mean, sigma = _moments(_law(table.levels(~out)), unseen)
    rows = []
    for k, time in enumerate([table.first_s, *table.times_s]):
        estimates = unseen.programmed if k == 0 else unseen.later[k - 1]
        for i, e in enumerate(estimates):
            rows.append(
                {"target_S": unseen.target_S[i], "time_s": time, "mean_S": unseen.mean_S[k, i],
                 "sigma_S": unseen.sigma_S[k, i], "mean_error_S": mean[k, i] - unseen.mean_S[k, i],
                 "sigma_error": sigma[k, i] / unseen.sigma_S[k, i] - 1,
                 "interval_of_sigma": (e.sigma_S[2] - e.sigma_S[1]) / (2 * e.sigma_S[0])}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _moments(law: SpreadLaw, table: _Table) -> tuple[Array, Array]:
    """Return the law's mean and σ (time + 1, level) of what the table's rows are of [S].

    As programmed the mean is the table's own: a target is not what it stands for, where it was not given.
    """
    start, first = table.mean_S[0], law.programming_sigma(table.target_S)
    if not table.later:
        return start[None], first[None]
    mean, sigma = law.change_moments(table.target_S)
    if not table.of_change:
        mean, sigma = start + mean, np.hypot(sigma, first)
    return np.vstack([start, mean]), np.vstack([first, sigma])


def _points(law: SpreadLaw, table: _Table) -> Points:
    """Compare mean and σ as they stand in the table, with the estimates' intervals, with the law's."""
    rows = []
    what = "the change" if table.of_change else "the conductance"
    mean, sigma = _moments(law, table)
    for k, estimates in enumerate([table.programmed, *table.later]):
        series = "as programmed" if k == 0 else engineering(float(table.times_s[k - 1]), "s")
        origin = np.zeros(table.target_S.size) if table.of_change and k > 0 else table.target_S
        for i, e in enumerate(estimates):
            target, half = float(table.target_S[i]), [(v[2] - v[1]) / 2 for v in (e.mean_S, e.sigma_S)]
            name = "σ as programmed" if k == 0 else f"σ of {what}"
            rows.append((series, name, target, float(table.sigma_S[k, i]), half[1], float(sigma[k, i])))
            if k > 0:
                got, told = (float(values[k, i] - origin[i]) for values in (table.mean_S, mean))
                rows.append((series, "mean change", target, got, half[0], told))
    return Points.of(rows)


def _result(law: SpreadLaw, table: _Table, measurements: Sequence[Measurement], seed: int | None) -> FitResult:
    """Put everything that is known, and what is not, into the result."""
    values: dict[str, Any] = {"level_S": table.target_S.tolist(), "sigma_prog_knots": law.sigma_prog_S.values.tolist()}
    intervals = {"sigma_prog_knots": _interval([table.programmed], "sigma_S")}
    if law.sigma_S is not None and law.shift_S is not None:
        name = f"sigma_{'change' if table.of_change else 'total'}_knots"
        values |= {"time_s": table.times_s.tolist(), "shift_knots": law.shift_S.values.tolist()}
        values[name] = law.sigma_S.values.tolist()
        intervals[name] = _interval(table.later, "sigma_S")
        intervals["shift_knots"] = _interval(table.later, "mean_S", around=law.shift_S.values)
    if law.tail is not None:
        values |= {
            "tail_weight_knots": law.tail.weight.values.tolist(),
            "tail_shift_knots": law.tail.shift_S.values.tolist(),
        }
        values["tail_sigma_knots"] = law.tail.sigma_S.values.tolist()
    units = {name: "s" if name == "time_s" else "1" if name == "tail_weight_knots" else "S" for name in values}
    assumptions = ["between levels, mean and σ are linear in the target, and between times quantiles linear in ln t"]
    if not table.has_target:
        assumptions.append("no target in the table: a level's mean as programmed is taken as its target")
    if table.later:
        assumptions.append("histories: a cell is assumed to keep its rank of change; the table says nothing of them")
    if not table.of_change and table.later:
        assumptions.append("the change is independent of the error as programmed: its σ is the difference in square")
    if law.tail is None:
        assumptions.append("distributions are normal: the table tells no other shape")
    shrunk = _shrunk(table)
    if shrunk:
        assumptions.append(shrunk)
    unknown = ["read noise apart from the spread", "stuck cells", "temperature dependence"]
    unknown += [] if table.later else ["everything after programming"]
    return FitResult(
        model=NAME,
        law=law,
        values=values,
        units=units,
        basis=dict.fromkeys(values, Basis.MEASURED),
        intervals=intervals,
        validity={
            "target_S": list(law.level_range_S),
            "time_s": list(law.time_range_s),
            "programmed_at_s": table.first_s,
            "temperature": "as measured (one temperature)",
        },
        population={},
        convergence=Convergence(True, "estimates in closed form, or at the top of the likelihood of counts", 0, 0.0),
        n_devices=table.count,
        sources=tuple(m.source for m in measurements),
        seed=seed,
        points=_points(law, table),
        exclusions=(*(e for m in measurements for e in m.exclusions), *table.exclusions),
        assumptions=tuple(assumptions),
        unknown=tuple(unknown),
    )


def _shrunk(table: _Table) -> str:
    """Say where the table's σ falls below the one as programmed, which the law cannot follow; "" where nowhere."""
    if table.of_change or not table.later:
        return ""
    ratio = table.sigma_S[1:] / table.sigma_S[0]
    if ratio.min() >= 1:
        return ""
    time, level = np.unravel_index(int(ratio.argmin()), ratio.shape)
    return (
        f"σ falls below that as programmed in {np.sum(ratio < 1)} of {ratio.size} rows (most after "
        f"{table.times_s[time]:g} s, {table.target_S[level] * 1e6:.3g} µS: {ratio.min() - 1:+.0%}), which the law keeps"
    )


def _interval(rows: list[list[Estimate]], name: str, around: Array | None = None) -> dict[str, Any]:
    """Return low and high ends of all estimates; of the means, as distances from the value `around` them."""
    three = np.array([[getattr(e, name) for e in row] for row in rows])
    centre = three[..., 0] if around is None else around
    low, high = (centre + three[..., k] - three[..., 0] for k in (1, 2))
    return {"low": low.tolist(), "high": high.tolist()}
