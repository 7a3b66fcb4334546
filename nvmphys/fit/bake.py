"""Fitting the bake law: change of cells by a bake at several temperatures, with a test on the hottest one left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import OptimizeResult, minimize

from nvmphys.errors import BadInput
from nvmphys.fit.bakes import (
    BakePredictor,
    bakes_of,
    bakes_of_summary,
    celsius,
    judge_hottest,
    observations_of_bake_summary,
    observations_of_bakes,
    split_lost,
)
from nvmphys.fit.cells import Cells, level_knots, level_range
from nvmphys.fit.judge import Judgement, folds, judge
from nvmphys.fit.likelihood import ROUGHNESS, USUAL_TEMPER, Observations, Optimum, restarted
from nvmphys.fit.options import LevelGrid
from nvmphys.fit.populations import over_set_population, population_tables, share_interval
from nvmphys.fit.result import FitResult, Points, Progress, bootstrap, bootstrap_intervals, refits_of
from nvmphys.population.bake import BOLTZMANN_EV, NAME, BakeLaw, to_values
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.interpolation import end_weights, level_weights
from nvmphys.population.johnson import Shape, log_density, log_interval_probability
from nvmphys.population.law import Extra
from nvmphys.records import Basis, Measurement
from nvmphys.tomlfile import checked

Array = NDArray[np.float64]

DETERMINED = ("location", "scale_S", "skew", "tail", "temper", "energy_centre_eV", "energy_scale_eV")
"""Values that data determines; the others are choices."""
_BODY = 4
"""Parameters with a value at every knot: location, log scale, skew, log tail."""
_FOLDS = 5
_SHARED = 4
"""Parameters of the whole law, at the end of the vector: temper, energy of the centre, energies of the scale."""


class Options(LevelGrid):
    """Choices of a bake fit.

    Attributes
    ----------
    n_levels, g_max_S : int, float, optional
        The programming grid (see :class:`~nvmphys.fit.options.LevelGrid`).
    knots : int
        Level knots of the law.
    floor_S : float, optional
        Floor of the coordinate [S]; by default 1 % of the highest read before a bake.
    bootstrap : int
        Refits on resampled devices, for the intervals.
    """

    knots: int = Field(default=8, ge=1)
    floor_S: float | None = Field(default=None, gt=0)
    bootstrap: int = Field(default=20, ge=0)


@dataclass(frozen=True)
class _Frame:
    """What a fit does not vary: coordinate, knots, reference temperature."""

    coordinate: Coordinate
    knots_S: Array
    reference_K: float


def fit(
    measurements: Sequence[Measurement],
    *,
    holdout: float,
    rng: np.random.Generator,
    seed: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> FitResult:
    """Fit the bake law to raw cells or to summary statistics, of two temperatures or more.

    Raw cells are judged on a random share `holdout` of devices, left out at every temperature; where there are three
    temperatures or more, a fit to all but the hottest predicts those devices in the hottest bake. Summaries cannot be
    split by device: there the prediction of the hottest bake is judged on all of its cells.

    Raises
    ------
    BadInput
        Missing columns, fewer than two temperatures, a summary without quantiles of the change.
    """
    chosen = checked(Options, options, "options of the bake fit")
    tell = progress or (lambda what, done, total: None)
    beyond: dict[float, Cells] = {}
    fallen: dict[float, Cells] = {}
    raw = not all(m.is_summary for m in measurements)
    if raw and any(m.is_summary for m in measurements):
        raise BadInput("raw cells and summaries cannot be fitted together: give one kind")
    if raw:
        bakes, beyond = bakes_of(measurements, chosen.n_levels, chosen.g_max_S)
        floor_S = _frame(bakes, chosen).coordinate.floor_S
        parts = {temperature: split_lost(cells, floor_S) for temperature, cells in bakes.items()}
        bakes, fallen = ({t: pair[k] for t, pair in parts.items()} for k in (0, 1))
        frame = _frame(bakes, chosen)
        seen = observations_of_bakes(bakes, frame.coordinate)
    else:
        table = pd.concat([m.table for m in measurements], ignore_index=True)
        bakes = bakes_of_summary(table, measurements[0].source.id, rng)
        frame = _frame(bakes, chosen)
        seen = observations_of_bake_summary(table, frame.coordinate)
    if len(bakes) < 2:
        raise BadInput(f"{measurements[0].source.id}: a bake law needs two temperatures or more (got {len(bakes)})")
    law, optimum = _fit(*seen, frame, bakes)
    replicates = bootstrap(lambda: _refit(bakes, seen, raw, frame, law, rng), chosen.bootstrap, tell)
    n_all = sum(len(cells) for part in (bakes, beyond, fallen) for cells in part.values())
    law = replace(law, extras=_extras(beyond, fallen, n_all))
    result = _result(law, optimum, replicates, chosen, measurements, seed, bakes, raw)
    if holdout == 0:
        return result
    return _judged(result, bakes, frame, raw, holdout, rng)


def _extras(beyond: Mapping[float, Cells], fallen: Mapping[float, Cells], n_all: int) -> dict[str, Extra]:
    """Count the cells above the levels before a bake, and those lost in one; n_all cells of all bakes."""
    extras = over_set_population(_pooled(list(beyond.values())), n_all) if beyond else {}
    lost = _pooled(list(fallen.values())) if fallen else None
    if lost is not None and len(lost):
        after = lost.first_S + lost.change_S[:, 0]
        quantiles = np.quantile(after, np.linspace(0.5 / 16, 1 - 0.5 / 16, 16))
        note = "fell to nearly nothing in a bake; at which temperature is in the data, not in this share"
        share = len(lost) / n_all, share_interval(len(lost), n_all)
        extras["lost"] = Extra(*share, quantiles, Basis.MEASURED, note, stays=True)
    return extras


def _frame(bakes: Mapping[float, Cells], options: Options) -> _Frame:
    """Place knots evenly in √G over the reads before the bakes; refer energies to the middle temperature."""
    reads = np.concatenate([cells.first_S for cells in bakes.values()])
    floor = 0.01 * float(reads.max()) if options.floor_S is None else options.floor_S
    levels = max(np.unique(cells.level).size for cells in bakes.values())
    knots = level_knots(max(float(reads.min()), 0.0), float(reads.max()), min(options.knots, levels))
    return _Frame(Coordinate("floored", floor), knots, sorted(bakes)[len(bakes) // 2])


class _Likelihood:
    """Mean negative log likelihood of changes by bakes, with its exact gradient."""

    def __init__(self, seen: Observations, temperature_K: Array, frame: _Frame) -> None:
        self.seen, self.knots = seen, frame.knots_S
        self._weights = level_weights(seen.level_S, frame.knots_S)
        self._u = (1 / temperature_K - 1 / frame.reference_K) / BOLTZMANN_EV
        self._ends = end_weights(seen.level_S, frame.knots_S)
        self._bend = np.diff(np.eye(self.knots.size), 2, axis=0)

    def start(self) -> Array:
        """Return a start: the quartiles of all changes, typical tails, and 0.1 eV."""
        quarter, three = np.quantile(self.seen.middle_S, [0.25, 0.75])
        body = np.zeros((_BODY, self.knots.size))
        body[1], body[3] = np.log(max(0.45 * (three - quarter), np.finfo(float).tiny)), np.log(0.8)
        return np.concatenate([body.ravel(), [USUAL_TEMPER, 0.1, 0.1, 0.1]])

    def __call__(self, vector: Array) -> tuple[float, Array]:
        """Return the loss and its gradient by body (4, knot), temper and energies: centre, scale at both ends [eV]."""
        body = vector[:-_SHARED].reshape(_BODY, -1)
        temper, centre_eV, *ends_eV = vector[-_SHARED:]
        scale_eV = self._ends @ ends_eV
        location, log_scale, skew, log_tail = body @ self._weights.T
        ratio = np.exp(-(centre_eV - scale_eV) * self._u)
        now = location * ratio
        shape = Shape(now, log_scale - scale_eV * self._u, skew, log_tail, np.full(now.shape, temper))
        if self.seen.exact:
            value, gradient = log_density(self.seen.low_S, shape)
        else:
            value, gradient = log_interval_probability(self.seen.low_S, self.seen.high_S, shape)
        share = self.seen.weight / self.seen.weight.sum()
        by_location, by_scale, by_skew, by_tail, by_temper = -gradient * share
        of_body = np.stack([by_location * ratio, by_scale, by_skew, by_tail]) @ self._weights
        of_centre = -by_location * now * self._u
        of_scale = -(of_centre + by_scale * self._u) @ self._ends
        slope = np.concatenate([of_body.ravel(), [by_temper.sum(), of_centre.sum()], of_scale])
        bends, off = body @ self._bend.T, temper - USUAL_TEMPER
        rough = 0.5 * ROUGHNESS * (float(np.sum(bends**2)) + off**2)
        slope[:-_SHARED] += ROUGHNESS * (bends @ self._bend).ravel()
        slope[-_SHARED] += ROUGHNESS * off
        return rough - float(share @ value), slope

    def maximise(self, start: Array) -> Optimum:
        """Minimise the loss by L-BFGS from a start."""

        def run(vector: Array) -> tuple[OptimizeResult, Array]:
            found = minimize(
                self, vector, jac=True, method="L-BFGS-B",
                options={"maxiter": 2000, "ftol": 1e-11, "gtol": 1e-6, "maxcor": 30},
            )  # fmt: skip
            return found, found.x

        return restarted(run, start)


def _fit(
    seen: Observations, temperature_K: Array, frame: _Frame, bakes: Mapping[float, Cells], near: BakeLaw | None = None
) -> tuple[BakeLaw, Optimum]:
    """Fit the law to observations; `near` is a law to start from."""
    likelihood = _Likelihood(seen, temperature_K, frame)
    start = likelihood.start() if near is None else _vector(near)
    optimum = likelihood.maximise(start)
    temper, centre_eV, *scale_eV = optimum.vector[-_SHARED:]
    times = [float(cells.nominal_s[0]) for cells in bakes.values()]
    width = float(np.median(np.diff(next(iter(bakes.values())).edges_S)))
    ranges = [level_range(cells) for cells in bakes.values()]
    law = BakeLaw(
        coordinate=frame.coordinate,
        level_S=frame.knots_S,
        parameters=optimum.vector[:-_SHARED].reshape(_BODY, -1),
        log_temper=float(temper),
        energy_centre_eV=float(centre_eV),
        energy_scale_eV=np.array(scale_eV),
        reference_K=frame.reference_K,
        temperature_K=frame.reference_K,
        window_S=np.full(frame.knots_S.size, width / 2),
        sigma_S=np.full(frame.knots_S.size, np.inf),
        level_range_S=(min(low for low, _ in ranges), max(high for _, high in ranges)),
        time_range_s=(min(times), max(times)),
        temperature_range_K=(min(bakes), max(bakes)),
    )
    return law, optimum


def _vector(law: BakeLaw) -> Array:
    """Return the free parameters of a law."""
    return np.concatenate([law.parameters.ravel(), [law.log_temper, law.energy_centre_eV, *law.energy_scale_eV]])


def _refit(
    bakes: Mapping[float, Cells], seen: tuple[Observations, Array], raw: bool, frame: _Frame, near: BakeLaw,
    rng: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    """Fit to resampled devices, the same at every temperature; of a summary, to redrawn counts."""
    if raw:
        names = np.unique(np.concatenate([cells.device_id for cells in bakes.values()]))
        copies = np.bincount(rng.integers(0, names.size, names.size), minlength=names.size)
        drawn = {
            t: c[np.repeat(np.arange(len(c)), copies[np.searchsorted(names, c.device_id)])] for t, c in bakes.items()
        }
        observations, temperature = observations_of_bakes(drawn, frame.coordinate)
    else:
        observations, temperature = seen
        total = observations.weight.sum()
        weight = rng.multinomial(round(total), observations.weight / total).astype(float)
        observations = replace(observations, weight=weight)
    return to_values(_fit(observations, temperature, frame, bakes, near)[0])[0]


def _judged(
    result: FitResult, bakes: Mapping[float, Cells], frame: _Frame, raw: bool, holdout: float,
    rng: np.random.Generator,
) -> FitResult:  # fmt: skip
    """Add the judgement on left-out devices and the prediction of the hottest bake."""
    *colder, hottest = sorted(bakes)
    names = np.unique(np.concatenate([cells.device_id for cells in bakes.values()]))
    tables = dict(result.tables)
    if len(colder) > 1:
        parts = []
        for fold in folds(names.size, _FOLDS, rng) if raw else [np.empty(0, dtype=np.int64)]:
            some, unseen = _split({t: bakes[t] for t in colder}, names[fold])[0], _split(bakes, names[fold])[1]
            early = _fit(*observations_of_bakes(some, frame.coordinate), frame, some)[0]
            parts.append((early, unseen[hottest] if raw else bakes[hottest]))
        title = f"Bake at {celsius(hottest)} predicted by a fit at {' and '.join(map(celsius, colder))}"
        note = (
            f", on devices left out ({_FOLDS} folds)" if raw else ", on stand-in cells with the tables' distributions"
        )
        tables[title + note] = judge_hottest(parts, hottest, colder[-1], rng)
    if not raw:
        return replace(result, tables=tables)
    out = rng.permutation(names)[: max(1, round(holdout * names.size))]
    training, unseen = _split(bakes, out)
    blind, _ = _fit(*observations_of_bakes(training, frame.coordinate), frame, training)
    judged = [judge([(BakePredictor(blind.at_temperature(t)), c)], rng) for t, c in unseen.items()]
    left_out = Judgement(
        np.concatenate([j.pit for j in judged]),
        np.concatenate([j.level for j in judged]),
        judged[0].time_s,
        pd.concat([j.table.assign(temperature_K=t) for j, t in zip(judged, unseen, strict=True)], ignore_index=True),
    )
    what = f"{holdout:.0%} of the devices, at random, at every temperature"
    return replace(result, tables=tables, left_out=left_out, left_out_what=what)


def _split(bakes: Mapping[float, Cells], devices: NDArray[Any]) -> tuple[dict[float, Cells], dict[float, Cells]]:
    """Return the bakes without these devices, and of these devices alone."""
    inside = {t: np.isin(cells.device_id, devices) for t, cells in bakes.items()}
    return {t: c[~inside[t]] for t, c in bakes.items()}, {t: c[inside[t]] for t, c in bakes.items()}


def _points(law: BakeLaw, bakes: Mapping[float, Cells]) -> Points:
    """Compare mean and σ of the measured changes with the law's, by level, a series per temperature."""
    rows = []
    z = np.linspace(-4, 4, 161)
    density = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum()
    for temperature, cells in bakes.items():
        at = law.at_temperature(temperature)
        for level in np.unique(cells.level):
            change = cells.change_S[cells.level == level, 0]
            change = change[np.isfinite(change)]
            if change.size < 10:
                continue
            middle = float(cells.first_S[cells.level == level].mean())
            drawn = at.change_S(np.full(z.size, middle), z)
            mean, sigma = float(change.mean()), float(change.std(ddof=1))
            error = sigma / np.sqrt(change.size), _sigma_error(change)
            fitted = float(density @ drawn)
            spread = float(np.sqrt(density @ (drawn - fitted) ** 2))
            rows += [
                (celsius(temperature), "mean change", middle, mean, 1.645 * error[0], fitted),
                (celsius(temperature), "σ of the change", middle, sigma, 1.645 * error[1], spread),
            ]
    return Points.of(rows)


def _sigma_error(values: Array) -> float:
    """Return the standard error of σ from the fourth moment: tails are heavier than normal."""
    centred = values - values.mean()
    variance = float(np.mean(centred**2))
    return float(np.sqrt(max(np.mean(centred**4) - variance**2, 0.0) / values.size) / (2 * np.sqrt(variance)))


def _pooled(cells: Sequence[Cells]) -> Cells:
    """Put the cells of several bakes together."""
    first = cells[0]
    return Cells(
        np.concatenate([c.device_id for c in cells]), np.concatenate([c.level for c in cells]), first.edges_S,
        np.concatenate([c.first_S for c in cells]), first.nominal_s, np.concatenate([c.time_s for c in cells]),
        np.concatenate([c.change_S for c in cells]),
    )  # fmt: skip


def _result(
    law: BakeLaw, optimum: Optimum, replicates: list[dict[str, Any]], options: Options,
    measurements: Sequence[Measurement], seed: int | None, bakes: Mapping[float, Cells], raw: bool,
) -> FitResult:  # fmt: skip
    """Put everything that is known, and what is not, into the result."""
    values, units = to_values(law)
    basis = dict.fromkeys(values, Basis.MEASURED)
    basis["programming_window_S"] = basis["programming_sigma_S"] = Basis.ASSUMED
    elapsed = ", ".join(f"{cells.nominal_s[0]:.0f} s at {celsius(t)}" for t, cells in bakes.items())
    devices = (
        np.unique(np.concatenate([cells.device_id for cells in bakes.values()])).size
        if raw
        else len(max(bakes.values(), key=len))
    )
    width = f"±{law.window_S[0] * 1e6:.3g} µS"
    saturation = "saturation: two temperatures cannot tell an Arrhenius law from one that levels off"
    if len(bakes) > 2:
        saturation += f", and a test at the hottest of {len(bakes)} hardly does"
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
            "temperature_K": list(law.temperature_range_K or ()),
            "programmed_at_s": 0.0,
            "temperature": "of the bake; reads at room temperature",
        },
        population=population_tables(law.extras),
        convergence=optimum.convergence,
        n_devices=devices,
        sources=tuple(m.source for m in measurements),
        seed=seed,
        points=_points(law, bakes),
        exclusions=tuple(e for m in measurements for e in m.exclusions),
        assumptions=(
            f"programming: no target in the data; cells are assumed to stand uniformly within one level ({width})",
            f"elapsed times differ between the bakes ({elapsed}): what they did is not told apart from the temperature",
            "histories: the change by a bake is taken as one step; when in the bake it happened is not known",
            "energies are effective: one for the centre of all levels, and for the spread one that is linear in √G",
        ),
        unknown=(
            saturation,
            "time dependence: each cell was read once after each bake",
            "temperatures below the coldest bake and above the hottest, operation at room temperature among them",
            "read noise apart from the change",
            "stuck cells",
        ),
        options={"knots": options.knots, "bootstrap": options.bootstrap, "floor_S": law.coordinate.floor_S}
        | options.as_given(),
    )
