"""The fit of a device model to experiments: which parameters the data can tell, their values, and left-out devices.

Where nobody names the free parameters, those are taken, of all or of those that the model declares, that the data tell
apart: of the slopes of all residuals by all parameters, scaled by the range of each, the most independent columns
(pivoted QR), as long as what a column adds stands out of the noise. The others stay at the model's own values, and
the fit says so.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.devices.cards import held_by_card
from nvmphys.devices.model import DeviceModel
from nvmphys.errors import BadInput, CheckFailed, unknown_name
from nvmphys.fit import ferroelectric, left_out, transfer_curves
from nvmphys.fit.conditions import EXTREMES, Mask, only
from nvmphys.fit.identify import Identified, Problem, Tell, identify, slope_at
from nvmphys.fit.lack_of_fit import said_of_misfit
from nvmphys.fit.merged import MERGED, by_condition, counted, spread_out
from nvmphys.fit.next_experiments import Candidate, designs_of, rank_experiments
from nvmphys.fit.observed import Observed, differenced, problem_of, weighed
from nvmphys.fit.paths import observed_paths
from nvmphys.fit.plausible import check_polarity, said_of_data, turned
from nvmphys.fit.result import by_row, provenance_of
from nvmphys.fit.watch import OutOfTime, Watch
from nvmphys.parameters import Parameter
from nvmphys.records import Basis, Exclusion, Measurement, ModelCard, Source

Array = NDArray[np.float64]

LEAST_SAID = 3.0
"""How far a parameter moved over its range must move the residuals, over their noise, to be fitted at all."""
BLURS = (0.15, 0.05, 0.0)
"""Shares of a sweep's legs over which residuals are smoothed, in one fit after another: see `Observed.blurred`."""
COARSE, COARSE_STARTS, COARSE_SHARE = 24, 6, 0.5
"""Conditions on which a fit by condition begins, its starts there, and the share of the time that they may take."""
NEARLY = 1e-4
"""Tolerance of fits that are only to foretell."""
KEPT = 2.0
"""Time that is kept to foretell with, over what one prediction took."""
LARGE_NOISE = 0.1
"""Noise that is assumed before a fit has shown it, in the quantity that is fitted."""


@dataclass(frozen=True, eq=False)
class DynamicsFit:
    """A fitted device model with everything needed to judge it; `card()` hands it out only when the fit converged.

    Attributes
    ----------
    model : DeviceModel
    identified : Identified
        The free parameters.
    values : dict of float
        All parameters.
    observed : tuple of Observed
        What was fitted to.
    left_out : mapping of DataFrame
        Judgements by what was left out ("every fifth device", "the longest pulse"), beside baselines; a row each.
    foretold : mapping of DataFrame
        By the same names, the rows left out: experiment, quantity, measured, predicted, sigma.
    said : tuple of str
        What is to be said of the fit, a sentence each: what the data cannot tell, what was noticed.
    sources, exclusions, seed, options
        Where the data came from, rows left out, and what was asked.
    designs : mapping
        Settings of the experiments as measured, by their name, for those that could be made next.
    """

    model: DeviceModel
    identified: Identified
    values: dict[str, float]
    observed: tuple[Observed, ...]
    sources: tuple[Source, ...]
    left_out: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    foretold: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    seed: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    designs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def parts(self) -> Mapping[str, Identified]:
        """What was fitted by part of the data: all of it at once."""
        return {"": self.identified}

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those of the model."""
        return self.model.parameters

    @property
    def n_devices(self) -> int:
        """Number of devices that were fitted to, where the data name them."""
        named = [o.table["device_id"] for o in self.observed if "device_id" in o.table]
        return int(pd.concat(named).nunique()) if named else 1

    def free_and_fixed(self) -> tuple[tuple[Parameter, ...], dict[str, float]]:
        """Return the parameters that were fitted, at the values found, and the values of the others."""
        names = self.identified.names
        free = tuple(replace(self.model.parameter(name), value=self.values[name]) for name in names)
        return free, {name: value for name, value in self.values.items() if name not in names}

    def problem(self) -> Problem:
        """Return what was fitted, in units of the noise that was found: for profiles of the likelihood."""
        return problem_of(self.observed, *self.free_and_fixed())

    def next_experiments(
        self,
        candidates: Sequence[Candidate | tuple[str, Mapping[str, Any]]] | None = None,
        progress: Tell | None = None,
    ) -> pd.DataFrame:
        """Rank what could be measured next by the gain in ln det of the Fisher information.

        Parameters
        ----------
        candidates : sequence of Candidate or (experiment, settings), optional
            By default the experiments of the model with ramp rates, widths, voltages and temperatures around those
            measured (`nvmphys.fit.next_experiments.candidates_of`).
        progress : callable, optional

        Returns
        -------
        DataFrame
            As of `nvmphys.fit.next_experiments.rank_experiments`, the most telling first.
        """
        if any(o.together is not None for o in self.observed):
            raise BadInput(
                f"{self.model.name}: what to measure next is not ranked where rows of a device scatter together: leave "
                "--next out"
            )
        look = _Look(self.model, self.values, float(self.options["read_V"]), float(self.options["rest_s"]))
        return rank_experiments(
            self.model, self.identified, self.values, self.observed, look.at, self.designs, candidates, progress
        )

    def card(self, name: str) -> ModelCard:
        """Return the dynamics card.

        Raises
        ------
        CheckFailed
            When the fit did not converge or ended on a bound: such values would be read as if they were known.
        """
        ended = self.identified.convergence
        if not ended.converged or ended.bound_hits:
            hits = f"; at their bounds: {', '.join(ended.bound_hits)}" if ended.bound_hits else ""
            raise CheckFailed(
                f"no card for {name!r}: the fit of {self.model.name} did not converge ({ended.message}){hits}. "
                "Fix a parameter that the data cannot tell (--set), widen its bounds or give other experiments"
            )
        unknown = {*self.identified.unknown, *self.identified.prior_decides}
        return dynamics_card(
            self.model,
            name,
            self.values,
            self.identified.names,
            unknown,
            intervals={
                n: {"low": low, "high": high}
                for n, (low, high) in self.identified.intervals.items()
                if np.isfinite([low, high]).all()
            },
            covariance={"names": list(self.identified.names), "correlation": self.identified.correlation.tolist()},
            calibration={
                "n_devices": self.n_devices,
                "noise": self.identified.noise,
                "left_out": {what: by_row(table) for what, table in self.left_out.items()},
            },
            provenance=provenance_of(self.sources, self.exclusions, self.options, self.seed),
            unknown=(*self.said, *(f"{n}: not identified by these data" for n in sorted(unknown))),
        )


def dynamics_card(
    model: DeviceModel, name: str, values: Mapping[str, float], fitted: Collection[str], vague: Collection[str],
    **entries: Any,
) -> ModelCard:  # fmt: skip
    """Return the card of a fitted device model; `vague` are those fitted that the data do not tell.

    `entries` are the others of a `ModelCard`: intervals, population, covariance, calibration, provenance, unknown.
    """
    held = held_by_card(model)
    return ModelCard(
        name=name,
        kind="dynamics",
        technology=model.technology,
        model=model.name,
        values={n: float(values[n]) for n in held},
        units={n: model.parameter(n).unit for n in held},
        basis={n: Basis.MEASURED if n in fitted and n not in vague else Basis.ASSUMED for n in held},
        validity={what: list(span) for what, span in model.validity.items()},
        assumptions=tuple(f"{n} was not fitted: the model's own value" for n in held if n not in fitted),
        **entries,
    )


def fit_dynamics(
    measurements: Sequence[Measurement],
    model: DeviceModel,
    *,
    free: Sequence[str] | None = None,
    values: Mapping[str, float] | None = None,
    holdout: float = 0.2,
    leave_out: Sequence[str] = (),
    rng: np.random.Generator,
    seed: int | None = None,
    starts: int = 4,
    profiles: bool = True,
    read_V: float = 0.1,
    rest_s: float = 0.0,
    progress: Tell | None = None,
) -> DynamicsFit:
    """Fit a device model to experiments.

    Parameters
    ----------
    measurements : sequence of Measurement
        Experiments that have a waveform: sweeps, pulses, trains, incremental steps, write-verify, retention; of a
        capacitor polarization after pulses, PUND and loops; of a transistor transfer curves, reads after pulses, trains
        and retention.
    model : DeviceModel
    free : sequence of str, optional
        Parameters to fit; by default those that the data tell apart.
    values : mapping, optional
        Parameters to hold, or to start from, in place of the model's own.
    holdout : float, optional
        Share of devices left out to judge the fit on; the values come from all.
    leave_out : sequence of str, optional
        Conditions that another fit each is judged on without having seen them: "longest-pulse", "highest-voltage",
        "highest-temperature" (`nvmphys.fit.conditions.EXTREMES`).
    rng : numpy.random.Generator
    seed : int, optional
        For the record.
    starts, profiles
        As of `nvmphys.fit.identify.identify`.
    read_V, rest_s : float, optional
        As of `nvmphys.fit.paths.observed_paths`.
    progress : callable, optional
        Told what is done, how much of it and of how much.

    Returns
    -------
    DynamicsFit

    Raises
    ------
    BadInput
        An experiment without a waveform, an unknown parameter, data that tell of no parameter, or that switch at the
        other polarity.
    """
    for name in leave_out:
        if name not in EXTREMES:
            raise unknown_name("condition to leave out", name, EXTREMES)
    look = _Look(model, dict(values or {}), read_V, rest_s)
    observed = look.at(measurements)
    parameters, fixed = _chosen(look, measurements, observed, observed, free)
    found, weighted = _fitted(observed, parameters, fixed, rng, starts, profiles, progress)
    bad = said_of_misfit(weighted, fixed | found.values)
    if bad and free is None:  # chosen for what they would tell of a model that fits
        found = replace(found, unknown=found.names)
    fit = DynamicsFit(
        model=model,
        identified=found,
        values=fixed | found.values,
        observed=tuple(weighted),
        sources=tuple(m.source for m in measurements),
        said=(
            *bad,
            *said_of_data(measurements, observed),
            *look.said(weighted, fixed, found),
            *found.said_of_combinations(),
        ),
        exclusions=tuple(e for m in measurements for e in m.exclusions),
        seed=seed,
        options={"free": [p.name for p in parameters], "read_V": read_V, "rest_s": rest_s},
        designs=designs_of(measurements),
    )
    again = [replace(now, noise=o.noise) for now, o in zip(weighted, observed, strict=True)]
    judged = _left_out(look, fit, again, holdout, leave_out, rng)
    return replace(
        fit,
        left_out={what: one.table for what, one in judged.items()},
        foretold={what: one.rows for what, one in judged.items()},
    )


@dataclass(frozen=True)
class _Look:
    """How a model is compared with measurements: along its path, a capacitor in closed form, or a transistor."""

    model: DeviceModel
    given: Mapping[str, float]
    read_V: float
    rest_s: float
    tick: Callable[[], None] | None = None

    def at(self, measurements: Sequence[Measurement]) -> list[Observed]:
        """Return what measurements say in the quantity that is fitted."""
        if self.model.switching is not None:
            return [o for m in measurements for o in ferroelectric.observed(m, self.model, self.given)]
        if self.model.drain is not None:
            return [o for m in measurements for o in transfer_curves.observed(m, self.model, rest_s=self.rest_s)]
        return [
            o
            for m in measurements
            for o in observed_paths(m, self.model, read_V=self.read_V, rest_s=self.rest_s, tick=self.tick)
        ]

    def said(self, observed: Sequence[Observed], fixed: Mapping[str, float], found: Identified) -> list[str]:
        """Return what is to be said of such data and residuals."""
        if self.model.switching is not None:
            of_residuals = ferroelectric.said_of_residuals(found.residuals)
            return [*ferroelectric.said_of(self.model, observed), *of_residuals]
        if self.model.drain is not None:
            return transfer_curves.said_of(self.model, observed, {**fixed, **found.values})
        return []


def _fitted(
    observed: Sequence[Observed], parameters: Sequence[Parameter], fixed: Mapping[str, float],
    rng: np.random.Generator, starts: int, profiles: bool, tell: Tell | None, watch: Watch | None = None,
) -> tuple[Identified, list[Observed]]:  # fmt: skip
    """Return the fit and the experiments with their noise: one round to find it, another to weigh by it."""
    over = (watch or Watch()).over
    at, blurs = {p.name: p.value for p in parameters}, BLURS if any(o.legs is not None for o in observed) else (0.0,)
    for k, blur in enumerate(blurs):
        begin = tuple(replace(p, value=at[p.name]) for p in parameters)
        weights = observed if k == 0 else weighed(observed, {**fixed, **at}, tuple(at))
        rough = identify(
            over(problem_of(weights, begin, fixed, blur)), rng=rng, starts=starts if k == 0 else 1, profiles=False,
            loss="soft_l1", tell=tell,
        )  # fmt: skip
        at = rough.values
    begin = tuple(replace(p, value=at[p.name]) for p in parameters)
    seen = weighed(observed, {**fixed, **at}, tuple(at))
    found = identify(over(problem_of(seen, begin, fixed)), rng=rng, starts=1, profiles=profiles, tell=tell)
    again = [replace(now, noise=o.noise) for now, o in zip(seen, observed, strict=True)]
    return found, weighed(again, {**fixed, **found.values}, tuple(at))


def _chosen(
    look: _Look, measurements: Sequence[Measurement], observed: Sequence[Observed], seen: Sequence[Observed],
    free: Sequence[str] | None,
) -> tuple[tuple[Parameter, ...], dict[str, float]]:  # fmt: skip
    """Return the parameters to fit to what is seen, and the values of the others; refuse data of the other polarity."""
    model, own = look.model, look.model.values(look.given)
    if model.switching is not None:
        told, held = ferroelectric.defaults(model, observed)
        free, own = free or told, model.values({**held, **look.given})
    check_polarity(model.name, observed, lambda: look.at([turned(m) for m in measurements]), own)
    parameters = _free(model, seen, own, free)
    return parameters, {name: value for name, value in own.items() if name not in {p.name for p in parameters}}


def _free(
    model: DeviceModel, observed: Sequence[Observed], own: Mapping[str, float], named: Sequence[str] | None
) -> tuple[Parameter, ...]:
    """Return the parameters to fit, starting from the values given."""
    for name in named or ():
        if name not in own:
            raise unknown_name(f"parameter of {model.name}", name, own)
    chosen = tuple(named) if named else _told_apart(model, observed, own)
    if not chosen:
        raise BadInput(f"the data tell of no parameter of {model.name}: is the experiment within its reach?")
    return tuple(replace(model.parameter(name), value=own[name]) for name in chosen)


def _told_apart(model: DeviceModel, observed: Sequence[Observed], own: Mapping[str, float]) -> tuple[str, ...]:
    """Return the parameters that the data tell apart, the most telling first."""
    from scipy.linalg import qr

    declared = {name for o in observed for name in model.fitted.get(o.experiment, ())}
    candidates = [
        p for p in model.parameters
        if p.bounds[1] > p.bounds[0] and p.name not in _never_fitted(model) and (not declared or p.name in declared)
    ]  # fmt: skip
    names = [p.name for p in candidates]
    parts = []
    for o in observed:
        if o.slopes is None:
            raise BadInput(f"{model.name}: name the parameters to fit (free), they cannot be chosen for this model")
        left = o.measured - o.predict(own)
        noise = o.noise if np.isfinite(o.noise) else min(LARGE_NOISE, max(float(np.std(left)), 1e-12))
        slopes = o.blurred(o.slopes(own, names), BLURS[1])
        parts.append(slopes * [slope_at(p, max(own[p.name], 1e-300)) for p in candidates] / noise)
    _, triangle, order = qr(np.concatenate(parts), mode="economic", pivoting=True)
    strengths = np.abs(np.diagonal(triangle))
    return tuple(names[k] for k, strength in zip(order, strengths, strict=False) if strength > LEAST_SAID)


def _never_fitted(model: DeviceModel) -> set[str]:
    """Return the parameters that belong to the form of the model, are known without a fit, or are drawn."""
    of_form = {p.name for p in model.parameters if p.source.startswith("choice of this")}
    drawn = {model.drawn_per_pulse, *(model.units.parameters if model.units else ())}
    drawn |= {model.access.gate} if model.access else set()  # it is applied, not a property of the cell
    return of_form | set(model.known) | {name for name in drawn if name is not None}


def _left_out(
    look: _Look, fit: DynamicsFit, observed: Sequence[Observed], holdout: float, leave_out: Sequence[str],
    rng: np.random.Generator,
) -> dict[str, left_out.Judged]:  # fmt: skip
    """Return how fits without some devices, and without the conditions asked for, predict them."""
    parameters, fixed = fit.free_and_fixed()

    def refit(seen: Sequence[Observed]) -> tuple[dict[str, float], list[Observed]]:
        found, weighted = _fitted(seen, parameters, fixed, rng, 1, False, None)
        return {**fixed, **found.values}, weighted

    judged = dict(left_out.judge_devices(observed, holdout, refit, look.model.name, rng))
    return judged | dict(left_out.judge_extremes(observed, leave_out, refit, look.model.name, rng))


def observed_of(
    measurements: Sequence[Measurement], model: DeviceModel, options: Mapping[str, float],
    given: Mapping[str, float] | None = None,
) -> list[Observed]:  # fmt: skip
    """Return what measurements say in the quantity that a model is fitted in; `options` are read_V and rest_s.

    `given` are values that are known apart from the measurements, as the area of a capacitor.

    Raises
    ------
    BadInput
        As of `fit_dynamics`.
    """
    return _look(model, given, options).at(measurements)


def _look(model: DeviceModel, values: Mapping[str, float] | None, options: Mapping[str, float]) -> _Look:
    return _Look(model, dict(values or {}), options.get("read_V", 0.1), options.get("rest_s", 0.0))


@dataclass(frozen=True, eq=False)
class Foretelling:
    """What a fit says of all rows, also of those that it has not seen.

    Attributes
    ----------
    rows : tuple of (Observed, ndarray (row,), float)
        Each experiment, what is foretold of its rows, and the scatter of single rows around that.
    note : str
        Where the time ran out: how far the fit came; "" where it ended.
    """

    rows: tuple[tuple[Observed, Array, float], ...]
    note: str = ""


def foretell_rows(
    measurements: Sequence[Measurement],
    model: DeviceModel,
    out: Sequence[Mask],
    *,
    values: Mapping[str, float] | None = None,
    rng: np.random.Generator,
    starts: int = 2,
    options: Mapping[str, float],
    watch: Watch | None = None,
) -> Foretelling:
    """Return what a fit to some rows foretells of all.

    Pulses on fresh devices are fitted by condition (`nvmphys.fit.merged`): which parameters, and from where, is found
    on `COARSE` conditions far apart, and the fit ends on all that may be seen.

    Parameters
    ----------
    measurements, model, values, rng, starts
        As of `fit_dynamics`; `options` are its read_V and rest_s.
    out : sequence of ndarray of bool
        Of each measurement, the rows of its table that the fit has not seen.
    watch : Watch, optional
        The time that it may take: what is best then is foretold with.

    Raises
    ------
    BadInput
        As of `fit_dynamics`.
    CheckFailed
        "its budget … ran out before …".
    """
    watch = watch or Watch()
    look = _look(model, values, options)
    numbered = [replace(m, table=m.table.assign(_out=mask)) for m, mask in zip(measurements, out, strict=True)]
    watched, every = replace(look, tick=watch.check), look.at(numbered)
    try:
        if all(m.experiment == MERGED for m in numbered) and model.switching is None and model.drain is None:
            values = _coarse_to_fine(watched, numbered, rng, starts, watch)
        else:
            values = _at_once(watched, numbered, rng, starts, watch)
        note = ""
    except OutOfTime:
        if not watch.values:
            raise CheckFailed(
                f"its budget of {watch.seconds:.3g} s ran out before a first fit: give it more (--budget)"
            ) from None
        values, note = {**look.model.values(look.given), **watch.values}, watch.said()
    return Foretelling(_told_of(every, values), note)


def _told_of(every: Sequence[Observed], values: Mapping[str, float]) -> tuple[tuple[Observed, Array, float], ...]:
    """Return what the values foretell, with the scatter around it of the rows that were seen."""
    told = []
    for o in every:
        mean, known = o.predict(values), ~o.table["_out"].to_numpy(dtype=bool)
        off = (o.measured - mean)[known]
        told.append((o, mean, float(np.sqrt(np.mean(off**2))) if off.size else np.nan))
    largest = float(np.nanmax([scatter for _, _, scatter in told]))
    return tuple((o, mean, scatter if np.isfinite(scatter) else largest) for o, mean, scatter in told)


def _at_once(
    look: _Look, measurements: Sequence[Measurement], rng: np.random.Generator, starts: int, watch: Watch
) -> dict[str, float]:
    """Return all values, fitted to the rows that may be seen."""
    observed = look.at(measurements)
    kept = [only(o, ~o.table["_out"].to_numpy(dtype=bool)) for o in observed]
    kept = [o for o in kept if o.measured.size]
    watch.stage = f"{sum(o.measured.size for o in kept)} rows"
    parameters, fixed = _chosen(look, measurements, observed, kept, None)
    return {**fixed, **_fitted(kept, parameters, fixed, rng, starts, False, None, watch)[0].values}


def _coarse_to_fine(
    look: _Look, measurements: Sequence[Measurement], rng: np.random.Generator, starts: int, watch: Watch
) -> dict[str, float]:
    """Return all values: fitted to the conditions that may be seen, from a start that was found on some of them."""
    merged = by_condition([replace(m, table=m.table[~m.table["_out"].to_numpy(dtype=bool)]) for m in measurements])
    few = spread_out(merged, COARSE)
    coarse, fine = (counted(look.at(stage)) for stage in (few, merged))
    some, size = (sum(o.measured.size for o in stage) for stage in (coarse, fine))
    watch.stage = f"{some} of {size} conditions"
    own = look.model.values(look.given)
    watch.kept = KEPT * _seconds(coarse, own, look.model.parameters) / some * size
    by_steps = [differenced(o, look.model.parameters) for o in coarse]
    parameters, fixed = _chosen(look, few, by_steps, by_steps, None)

    def fitted(observed: Sequence[Observed], begin: Mapping[str, float], starts: int, loss: str) -> dict[str, float]:
        near = tuple(replace(p, value=begin.get(p.name, p.value)) for p in parameters)
        problem = watch.over(problem_of(observed, near, fixed), watch.stage)
        return identify(problem, rng=rng, starts=starts, profiles=False, loss=loss, tolerance=NEARLY).values

    if some < size:
        with contextlib.suppress(OutOfTime), watch.within(COARSE_SHARE):
            fitted(coarse, {}, max(starts, COARSE_STARTS), "soft_l1")
        if not watch.values:
            raise OutOfTime
        begin, starts = dict(watch.values), 1
    else:
        begin = {}
    watch.stage = f"all {size} conditions"
    begin = fitted(fine, begin, starts, "soft_l1") if starts > 1 else begin
    seen = weighed(fine, {**fixed, **begin}, tuple(p.name for p in parameters))
    return {**fixed, **fitted(seen, begin, 1, "linear")}


def _seconds(observed: Sequence[Observed], own: Mapping[str, float], parameters: Sequence[Parameter]) -> float:
    """Return how long one prediction takes, once it is compiled."""
    for o in observed:
        o.predict(own)
    begin = time.perf_counter()
    for o in observed:
        o.predict({**own, parameters[0].name: own[parameters[0].name] * (1 + 1e-9)})
    return time.perf_counter() - begin
