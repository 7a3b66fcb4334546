"""Fitting laws of the step to ramps of identical pulses on one device, with a state model of what is read.

SET and RESET ramps are fitted apart. Innovations of the state model are the residuals, under a loss that outliers do
not rule; their spread is Student's t. Every law is judged on ramps that it has not seen, odd → even and first half →
second half, in two ways: one step ahead (from all reads before it) and running free (from the ramp's first read alone).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, field_validator
from scipy.optimize import minimize
from scipy.stats import norm
from scipy.stats import t as student

from nvmphys.errors import BadInput, unknown_name
from nvmphys.fit.identify import Identified, Problem, Values, identify, softened
from nvmphys.fit.law_fit import LawFit
from nvmphys.fit.result import Progress
from nvmphys.parameters import Parameter
from nvmphys.population.pulse_steps import LAWS, Ramps, free_run, innovations, step
from nvmphys.records import Measurement
from nvmphys.tomlfile import checked

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

NAME = "pulse_ramps"
FEWEST_RAMPS, FEWEST_PULSES = 6, 10
LAGS = 5
"""Lags of the innovations' autocorrelation that are told."""
_Z = float(norm.ppf(0.95))
_MOST_SPREAD = 4.0
QUIET: Mapping[str, float] = {
    "onset": 0.0, "onset_pulses": 1.0, "trend": 0.0, "trend_slope": 0.0, "gain": 0.0, "memory_pulses": 1.0,
    "wander": 0.0, "echo": 0.0,
}  # fmt: skip
"""What makes of the state model a law alone, that runs free from the first read and is the same for all ramps."""
_COLUMNS = ("one_step_rmse_S", "one_step_coverage_0.9", "free_rmse_S", "free_coverage_0.9", "largest_autocorrelation")


class Options(BaseModel):
    """Choices of a fit of pulse ramps.

    Attributes
    ----------
    law : str
        One of `LAWS`, or "best": the one whose free runs are nearest to the even ramps.
    compare : bool
        Fit and judge all laws, with the trend and without, and alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    law: str = "best"
    compare: bool = True

    @field_validator("law")
    @classmethod
    def _known(cls, name: str) -> str:
        if name != "best" and name not in LAWS:
            raise unknown_name("law of the step", name, [*LAWS, "best"])
        return name


@dataclass(frozen=True, eq=False)
class StateModel:
    """A law of the step with its values, and the spread of its innovations.

    Attributes
    ----------
    law : str
    values : mapping of float
    df, scale_S : float
        Degrees of freedom [1] and scale [S] of the innovations' t distribution.
    half_S : float
        Half of the 90 % interval one step ahead [S]: as many of the innovations fitted to lie within.
    spread : float
        By how much the slow deviation of the steps is wider, running free, than the filter follows it [1].
    """

    law: str
    values: Mapping[str, float]
    df: float
    scale_S: float
    half_S: float
    spread: float

    @property
    def sigma_S(self) -> float:
        """Standard deviation of the innovations [S]."""
        return float(self.scale_S * np.sqrt(self.df / (self.df - 2)))

    def free(self, ramps: Ramps) -> Array:
        """Return mean and σ [S] (2, pulse, ramp) from each ramp's first read."""
        return free_run(LAWS[self.law], self.values, ramps, self.sigma_S, self.spread)


def fit(
    measurements: Sequence[Measurement],
    *,
    holdout: float,
    rng: np.random.Generator,
    seed: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> LawFit:
    """Fit the state model to ramps of pulses on one device.

    Parameters
    ----------
    measurements : sequence of Measurement
        Of the experiment `pulse_train`: `cycle` (a running number), `pulse_voltage_V` (its sign tells the direction; 0
        is a read without a pulse, which begins a ramp) and `conductance_S`, of one device.
    holdout : float
        0 leaves out the judgement on ramps.
    rng, seed, progress, **options
        As in `nvmphys.fit`; options as in `Options`.

    Raises
    ------
    BadInput
        "… needs …" (columns, ramps), "of several devices", "does not change", "run both ways", "all alike".
    """
    chosen = checked(Options, options, "options of the fit of pulse ramps")
    tell = progress or (lambda what, done, total: None)
    parts, signs = read_ramps(measurements)
    left_out: dict[str, pd.DataFrame] = {}
    identified, compared, said, laws = {}, [], [signs], {}
    for part, ramps in parts.items():
        best = chosen.law if chosen.law != "best" else "smooth"
        if holdout > 0:
            tables = judge_ramps(ramps, rng, list(LAWS) if chosen.compare else [best], tell, chosen.compare)
            left_out |= {f"{part}, {what}": table for what, table in tables.items()}
            if chosen.law == "best" and chosen.compare:
                figures = tables["odd → even"].loc[list(LAWS), "free_rmse_S"].astype(float)
                best = str(figures.idxmin())
        tell(f"{part}: {best}", 0, 1)
        found, model = fit_ramps(ramps, best, rng)
        identified[part], laws[part] = found, best
        compared.append(_compared(part, model, ramps))
        said += [f"{part}: {sentence}" for sentence in _said(found, model, ramps)]
    every = {p.name: p for ramps in parts.values() for law in laws.values() for p in parameters_of(ramps, law)}
    ends = [(r.low_S, r.high_S, int(r.number.max())) for r in parts.values()]
    return LawFit(
        model=NAME, parameters=tuple(every.values()), identified=identified, left_out=left_out,
        compared=pd.concat(compared, ignore_index=True), n_devices=1, sources=tuple(m.source for m in measurements),
        said=tuple(said),
        validity={"conductance_S": [min(e[0] for e in ends), max(e[1] for e in ends)],
                  "ramps": [1, max(e[2] for e in ends)]},
        exclusions=tuple(e for m in measurements for e in m.exclusions), seed=seed,
        options=chosen.model_dump() | {"laws": laws},
        problems={part: softened(_problem(ramps, laws[part], {})) for part, ramps in parts.items()},
    )  # fmt: skip


def read_ramps(measurements: Sequence[Measurement]) -> tuple[dict[str, Ramps], str]:
    """Return SET and RESET ramps, told by what they do, and a sentence on the pulses' signs.

    Raises
    ------
    BadInput
        As in `fit`.
    """
    name = measurements[0].source.id
    rows = pd.concat([m.table for m in measurements], ignore_index=True)
    missing = [c for c in ("cycle", "pulse_voltage_V", "conductance_S") if c not in rows]
    if missing:
        raise BadInput(f"{name}: ramps of pulses need {', '.join(missing)} besides what there is")
    if "device_id" in rows and rows["device_id"].nunique() > 1:
        raise BadInput(f"{name}: ramps are of several devices ({rows['device_id'].nunique()}): give those of one")
    rows = rows.dropna(subset=["conductance_S"]).sort_values("cycle", kind="stable")
    if rows["conductance_S"].nunique() < 2:
        raise BadInput(f"{name}: conductance_S does not change ({rows['conductance_S'].min():g} S throughout)")
    found: dict[float, list[Array]] = {}
    for sign, reads in _runs(rows["pulse_voltage_V"].to_numpy(dtype=float), rows["conductance_S"].to_numpy(float)):
        if reads.size > FEWEST_PULSES:
            found.setdefault(sign, []).append(reads)
    parts, signs = {}, []
    for sign, traces in found.items():
        if len(traces) < FEWEST_RAMPS:
            continue
        moved = np.array([trace[-1] - trace[0] for trace in traces])
        part = "SET" if np.median(moved) > 0 else "RESET"
        wrong = int((np.sign(moved) != np.sign(np.median(moved))).sum())
        what = "positive" if sign > 0 else "negative"
        if wrong > len(traces) // 10 or part in parts:
            raise BadInput(
                f"{name}: ramps of {what} pulses run both ways, or both signs the same way ({wrong} of {len(traces)} "
                "against the others): SET and RESET may be exchanged in places; correct the sign of pulse_voltage_V"
            )
        parts[part] = _ramps(traces)
        signs.append(f"{what} pulses {'raise' if part == 'SET' else 'lower'} the conductance ({len(traces)} ramps)")
    if not parts:
        raise BadInput(
            f"{name}: a fit of ramps needs {FEWEST_RAMPS} ramps or more of {FEWEST_PULSES} pulses or more in one "
            f"direction (got {', '.join(str(len(t)) for t in found.values()) or 'none'})"
        )
    return parts, "; ".join(signs)


def _runs(volts: Array, reads: Array) -> list[tuple[float, Array]]:
    """Return ramps in order: the sign of their pulses, and their reads, beginning with that before the first pulse."""
    out: list[tuple[float, Array]] = []
    sign, begin = 0.0, 0
    for k, now in enumerate(np.sign(volts)):
        if now == 0 or now != sign:
            if sign != 0:
                out.append((sign, reads[begin:k]))
            begin = k if now == 0 else max(k - 1, 0)
            if now != 0 and k and volts[k - 1] == 0:
                begin = k - 1
            sign = float(now)
    if sign != 0:
        out.append((sign, reads[begin:]))
    return out


def _ramps(traces: Sequence[Array]) -> Ramps:
    """Return ramps of one direction beside one another."""
    reads = np.full((max(t.size for t in traces), len(traces)), np.nan)
    for j, trace in enumerate(traces):
        reads[: trace.size, j] = trace
    if np.nanmax(np.nanmax(reads, axis=1) - np.nanmin(reads, axis=1)) == 0:
        raise BadInput("ramps are all alike, read for read: these are copies, of which no spread can be learned")
    number = np.arange(1.0, len(traces) + 1)
    return Ramps(reads, number, float(np.nanmin(reads)), float(np.nanmax(reads)), float(np.exp(np.log(number).mean())))


def chosen_ramps(ramps: Ramps, which: Mask) -> Ramps:
    """Return some of the ramps, in the same coordinates."""
    return replace(ramps, reads_S=ramps.reads_S[:, which], number=ramps.number[which])


def parameters_of(ramps: Ramps, law: str) -> tuple[Parameter, ...]:
    """Return the parameters of a law and of the state model, with bounds that suit the ramps."""
    typical = float(np.nanmedian(np.diff(ramps.reads_S, axis=0)))
    low, high = sorted((typical * 0.02, typical * 8))
    return (
        Parameter("step_S", "S", typical, (low, high), "step of a pulse at f = 1"),
        *(Parameter(n, "1", v, (a, b), LAWS[law].about) for n, (v, a, b) in LAWS[law].parameters.items()),
        Parameter("onset", "1", 0.3, (-1.0, 1.0), "share by which the first pulse after a change of direction lags"),
        Parameter(
            "onset_pulses",
            "1",
            5.0,
            (0.3, 300.0),
            "pulses in which this is over",
            scale="log",
            prior=(np.log(5.0), 1.0),
        ),
        Parameter("trend", "1", 0.0, (-0.5, 0.5), "relative change of the step per e-fold of the ramp's number"),
        Parameter("trend_slope", "1", 0.0, (-1.0, 1.0), "its rise over the range of conductance"),
        Parameter("gain", "1", 0.6, (0.0, 1.5), "share of an innovation that the device keeps"),
        Parameter(
            "memory_pulses",
            "1",
            10.0,
            (0.3, 1e4),
            "pulses over which a step's slow deviation is kept",
            scale="log",
            prior=(np.log(15.0), 1.5),
        ),
        Parameter("wander", "1", 0.03, (0.0, 0.6), "share of an innovation that the steps' slow deviation takes"),
        Parameter("echo", "1", 0.0, (-0.6, 0.6), "share of an innovation that the next read repeats"),
    )


def fit_ramps(
    ramps: Ramps, law: str, rng: np.random.Generator, fixed: Mapping[str, float] | None = None
) -> tuple[Identified, StateModel]:
    """Fit a law of the step with the state model, or with some of its values `fixed`.

    A law alone, with a gain of 0, is fitted to whole ramps by least squares, else by a loss of outliers.
    """
    held = dict(fixed or {})
    alone = held.get("gain") == 0
    problem = _problem(ramps, law, held)
    found = identify(problem, rng=rng, starts=1, loss="linear" if alone else "soft_l1", profiles=False)
    values = {**held, **found.values}
    e = innovations(LAWS[law], values, ramps)[np.isfinite(ramps.reads_S[1:])]
    df, scale = _student(e)
    model = StateModel(law, values, df, scale, float(np.quantile(np.abs(e), 0.9)), 1.0)
    return found, model if alone else replace(model, spread=_spread(model, ramps))


def _problem(ramps: Ramps, law: str, held: Mapping[str, float]) -> Problem:
    """Return the innovations over the scatter of steps, with the values that are not held free."""
    free = tuple(p for p in parameters_of(ramps, law) if p.name not in held)
    here = np.isfinite(ramps.reads_S[1:])
    steps = np.diff(ramps.reads_S, axis=0)
    steps = steps[np.isfinite(steps).any(axis=1)]
    noise = float(1.4826 * np.nanmedian(np.abs(steps - np.nanmedian(steps, axis=1, keepdims=True))))
    noise = noise or float(np.nanstd(steps))

    def residuals(values: Values) -> Array:
        return np.asarray(innovations(LAWS[law], {**held, **values}, ramps)[here] / noise)

    def jacobian(values: Values) -> Array:
        """Return central differences, all variants in one pass."""
        n = len(free)
        size = np.array([1e-5 * (p.bounds[1] - p.bounds[0]) for p in free])
        shift = np.vstack([np.diag(size), -np.diag(size)])
        every = {p.name: (values[p.name] + shift[:, k])[:, np.newaxis] for k, p in enumerate(free)}
        both = innovations(LAWS[law], {**held, **every}, ramps)[:, here] / noise
        return np.asarray(((both[:n] - both[n:]) / (2 * size[:, np.newaxis])).T)

    return Problem(free, residuals, jacobian)


def _student(e: Array) -> tuple[float, float]:
    """Return degrees of freedom (2.2 … 200) and scale of the t distribution around 0 of highest likelihood."""
    size = float(np.std(e))

    def cost(at: Array) -> float:
        return -float(student.logpdf(e / size, np.exp(at[0]), scale=np.exp(at[1])).sum())

    found = minimize(cost, [np.log(8.0), -0.2], method="L-BFGS-B", bounds=[(np.log(2.2), np.log(200.0)), (-6.0, 2.0)])
    return float(np.exp(found.x[0])), float(size * np.exp(found.x[1]))


def _spread(model: StateModel, ramps: Ramps) -> float:
    """Return the spread of the slow deviation at which 90 % of the reads lie in the band of their own free run."""

    def share(spread: float) -> float:
        return _inside(replace(model, spread=spread).free(ramps), ramps.reads_S[1:])

    low, high = 0.0, _MOST_SPREAD
    if share(low) >= 0.9 or share(high) <= 0.9:
        return low if share(low) >= 0.9 else high
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) < 0.9 else (low, middle)
    return (low + high) / 2


def _inside(foretold: Array, reads: Array) -> float:
    """Return the share of reads within 1.645 σ of the mean, of those that were foretold."""
    there = np.isfinite(reads) & np.isfinite(foretold).all(axis=0)
    return float(np.mean(np.abs(reads - foretold[0])[there] <= _Z * foretold[1][there]))


def judge_ramps(
    ramps: Ramps, rng: np.random.Generator, laws: Sequence[str], tell: Progress, compare: bool = True
) -> dict[str, pd.DataFrame]:
    """Judge laws on ramps that they have not seen.

    Returns
    -------
    dict of DataFrame
        "odd → even" and "first half → second half": root mean square error [S] and coverage of the 90 % interval, one
        step ahead and running free, and the largest autocorrelation of the innovations at lags 1 … 5.
    """
    half = ramps.number <= ramps.number.size // 2
    tables = {}
    for what, seen in {"odd → even": ramps.number % 2 == 1, "first half → second half": half}.items():
        train, test = chosen_ramps(ramps, seen), chosen_ramps(ramps, ~seen)
        rows = {}
        for k, law in enumerate(laws):
            tell(f"{what}: {law}", k, len(laws))
            rows[law] = _judged(fit_ramps(train, law, rng)[1], test)
        if compare:
            still = {"trend": 0.0, "trend_slope": 0.0}
            rows["smooth, no trend"] = _judged(fit_ramps(train, "smooth", rng, still)[1], test)
            for law in ("soft_bounds", "exponential", "power", "neurosim"):
                rows[f"{law}, alone"] = _judged_alone(fit_ramps(train, law, rng, QUIET)[1], train, test)
        rows |= _baselines(train, test)
        tables[what] = pd.DataFrame(rows, index=list(_COLUMNS)).T.rename_axis("predictor")
    return tables


def _judged(model: StateModel, ramps: Ramps) -> dict[str, float]:
    """Return the figures of a state model on ramps that it has not seen."""
    e = innovations(LAWS[model.law], model.values, ramps)
    there = e[np.isfinite(e)]
    foretold, reads = model.free(ramps), ramps.reads_S[1:]
    error = (reads - foretold[0])[np.isfinite(reads)]
    figures = (
        np.sqrt(np.mean(there**2)),
        np.mean(np.abs(there) <= model.half_S),
        np.sqrt(np.mean(error**2)),
        _inside(foretold, reads),
        np.abs(autocorrelation(e)).max(),
    )
    return dict(zip(_COLUMNS, map(float, figures), strict=True))


def _judged_alone(model: StateModel, train: Ramps, test: Ramps) -> dict[str, float]:
    """Return the figures of a law that runs free, with the spread of the ramps it was fitted to."""
    errors = innovations(LAWS[model.law], model.values, train)
    e = innovations(LAWS[model.law], model.values, test)
    return _free_figures(e, _per_pulse(errors))


def _free_figures(error: Array, sigma: Array) -> dict[str, float]:
    """Return error and coverage of free runs whose σ is by the pulse's number."""
    there = np.isfinite(error) & np.isfinite(sigma)[:, np.newaxis]
    inside = np.abs(error) <= _Z * sigma[:, np.newaxis]
    return {"free_rmse_S": float(np.sqrt(np.mean(error[there] ** 2))), "free_coverage_0.9": float(inside[there].mean())}


def _per_pulse(errors: Array) -> Array:
    """Return root mean squares by the pulse's number (pulse,); NaN where no more than one ramp has one."""
    known = np.isfinite(errors).sum(axis=1)
    total = np.nansum(errors**2, axis=1)
    return np.where(known > 1, np.sqrt(total / np.maximum(known, 1)), np.nan)


def _baselines(train: Ramps, test: Ramps) -> dict[str, dict[str, float]]:
    """Return the figures of what needs no law: means and spreads by the number of the pulse."""
    out = {}
    steps, new = np.diff(train.reads_S, axis=0), np.diff(test.reads_S, axis=0)
    counts = np.isfinite(steps).sum(axis=1)
    mean = np.where(counts > 1, np.nansum(steps, axis=1) / np.maximum(counts, 1), np.nan)[:, np.newaxis]
    ahead = _free_figures(new - mean, _per_pulse(steps - mean))
    run = _free_figures(
        test.reads_S[1:] - (test.reads_S[0] + np.cumsum(mean, axis=0)),
        _per_pulse(train.reads_S[1:] - (train.reads_S[0] + np.cumsum(mean, axis=0))),
    )
    out["mean step of the same pulse"] = {
        "one_step_rmse_S": ahead["free_rmse_S"],
        "one_step_coverage_0.9": ahead["free_coverage_0.9"],
    } | run
    reads = train.reads_S[1:]
    counts = np.isfinite(reads).sum(axis=1)
    level = np.where(counts > 1, np.nansum(reads, axis=1) / np.maximum(counts, 1), np.nan)[:, np.newaxis]
    out["mean read of the same pulse"] = _free_figures(test.reads_S[1:] - level, _per_pulse(reads - level))
    out["last read"] = {"one_step_rmse_S": float(np.sqrt(np.nanmean(new**2)))}
    return out


def autocorrelation(e: Array, lags: int = LAGS) -> Array:
    """Return the autocorrelation (lag,) of innovations (pulse, ramp) along the pulses, of all ramps together."""
    e = e - np.nanmean(e)
    return np.array([np.nansum(e[:-k] * e[k:]) for k in range(1, lags + 1)]) / np.nansum(e**2)


def _compared(part: str, model: StateModel, ramps: Ramps) -> pd.DataFrame:
    """Return reads beside what the model says of them, a row each."""
    e = innovations(LAWS[model.law], model.values, ramps)
    mean, sigma = model.free(ramps)
    pulse, ramp = np.nonzero(np.isfinite(ramps.reads_S[1:]))
    return pd.DataFrame(
        {
            "part": part, "ramp": ramps.number[ramp].astype(int), "pulse": pulse + 1,
            "measured_S": ramps.reads_S[1:][pulse, ramp], "ahead_S": (ramps.reads_S[1:] - e)[pulse, ramp],
            "free_S": mean[pulse, ramp], "free_sigma_S": sigma[pulse, ramp], "innovation_S": e[pulse, ramp],
        }
    )  # fmt: skip


def _said(found: Identified, model: StateModel, ramps: Ramps) -> list[str]:
    """Return what is to be said of one direction."""
    e = innovations(LAWS[model.law], model.values, ramps)
    rate = 0.5 * (ramps.high_S + ramps.low_S)
    moves = step(LAWS[model.law], model.values, ramps, np.full(ramps.number.size, rate), 50)
    low, high = found.intervals["trend"]
    per_ramp = np.nanmean(e, axis=0)
    per_ramp = per_ramp - per_ramp.mean()
    again = float((per_ramp[:-1] * per_ramp[1:]).sum() / max((per_ramp**2).sum(), 1e-300))
    limit = 1.96 / np.sqrt(per_ramp.size)
    starts = np.polyfit(np.log(ramps.number), ramps.reads_S[0], 1)[0]
    gain = model.values["gain"]
    lasts = model.values["memory_pulses"]
    return [
        f"law of the step: {model.law} ({LAWS[model.law].about})",
        (
            f"trend along the ramps: steps change by {100 * model.values['trend']:+.1f} % ({100 * low:+.1f} … "
            f"{100 * high:+.1f} %) per e-fold of the ramp's number, {100 * (moves[-1] / moves[0] - 1):+.1f} % from the "
            f"first to the last; the first read of a ramp moves by {starts * 1e6:+.3g} µS per e-fold"
        ),
        (
            f"from ramp to ramp beyond the trend, mean innovations correlate by {again:+.2f} (95 % of chance: "
            f"±{limit:.2f}); within a ramp a step's deviation lasts {lasts:.3g} pulses"
        ),
        (
            f"of an innovation's variance {max(1 - gain, 0.0):.0%} is noise of the read (innovations: σ "
            f"{model.sigma_S * 1e6:.3g} µS, t of {model.df:.1f} degrees)"
        ),
        "autocorrelation of the innovations at lags 1 … 5: " + ", ".join(f"{a:+.3f}" for a in autocorrelation(e)),
        f"running free, the slow deviation of the steps is {model.spread:.2f} times as wide as the filter follows it",
        *found.said_of_combinations(),
    ]
