"""Fitting the single-pulse law of 1T1R cells: one SET pulse each, on a grid of widths and voltages.

Of every condition the law is compared with counts: how many cells have their lg R after the pulse between bounds, which
are seven quantiles of the cells of other widths. With the deviance of such counts as the square of a residual,

    r = ±√(2·(k·ln(k/µ) - k + µ)),  k counted, µ expected,

least squares is maximum likelihood. From there (k - µ)/√µ with µ in the root held has the same optimum, and slopes that
give the Fisher information of the counts: errors come from those, as the deviance's are off where cells are few.
What a condition's cells had before the pulse is taken as it was read. At the lowest bit-line voltage cells are counted
by their change instead, which tells what two reads of one cell differ by.

Judged are the median of lg R at conditions left out, beside baselines that know the same, and the share of single cells
in the 90 % interval. "start known" tells the law what each of those cells had before its pulse; otherwise it knows
only what cells have before a pulse in general. Data whose medians do not move hold no switching: nothing is identified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import xlogy

from nvmphys.errors import BadInput
from nvmphys.fit.baselines import ALONG, along_lines, gaussian_process
from nvmphys.fit.identify import Identified, Problem, Values, identify
from nvmphys.fit.law_fit import LawFit, error_figures
from nvmphys.fit.result import Progress
from nvmphys.fit.watch import Watch
from nvmphys.measurement.units import engineering
from nvmphys.population.single_pulse import PARAMETERS, Pulses, SinglePulseLaw
from nvmphys.records import Exclusion, Measurement
from nvmphys.tomlfile import checked

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

NAME = "single_pulse"
AXES = ("pulse_width_s", "pulse_voltage_V", "gate_voltage_V")
PROBABILITIES = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
STILL = 0.05
"""Decades by which some condition's median of lg R must move for there to be switching."""
FEWEST_CELLS = 5
"""Cells below which a condition is left out."""
_STARTS_KEPT = 200
_RESAMPLES = 200
_NONE_SWITCH = 1e-4
"""Share of cells that switch below which they count as none."""
_MOST_CHANGES = 600
"""Cells at the lowest bit-line voltage that are counted by their change."""


class Options(BaseModel):
    """Choices of a single-pulse fit.

    Attributes
    ----------
    starts : int
        Starts of the optimiser.
    profiles : bool
        Intervals by the profile of the likelihood, in place of the standard errors: minutes.
    longest_width, odd_gates : bool
        Judge predictions of the longest width from the others, and of every second gate voltage.
    pulse_voltages_V : tuple of float
        Bit-line voltages to predict from the others, one after the other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    starts: int = Field(default=2, ge=1, le=64)
    profiles: bool = False
    longest_width: bool = True
    odd_gates: bool = True
    pulse_voltages_V: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Grid:
    """Cells by condition.

    Attributes
    ----------
    axes : ndarray (condition, 3)
        Width [s], voltages of bit line and gate [V].
    before, after : ndarray (condition, cell)
        lg of the resistance [ohm]; NaN where a condition has fewer cells.
    """

    axes: Array
    before: Array
    after: Array

    @property
    def pulses(self) -> Pulses:
        """Return the conditions."""
        return Pulses(*self.axes.T)

    @property
    def places(self) -> Array:
        """Return the conditions as baselines take them: lg width, voltages."""
        return np.column_stack([np.log10(self.axes[:, 0]), self.axes[:, 1:]])

    @property
    def count(self) -> Array:
        """Return the cells of each condition."""
        return np.isfinite(self.after).sum(axis=1).astype(float)

    @property
    def median(self) -> Array:
        """Return the median of lg R after the pulse."""
        return np.asarray(np.nanmedian(self.after, axis=1))

    @property
    def moved(self) -> Array:
        """Return the median of the change of lg R."""
        return np.asarray(np.nanmedian(self.after - self.before, axis=1))

    def __getitem__(self, which: Mask) -> Grid:
        return Grid(self.axes[which], self.before[which], self.after[which])

    def of_cells(self, chosen: Mask) -> Grid:
        """Return the same with only the chosen cells (condition, cell)."""
        return replace(self, before=np.where(chosen, self.before, np.nan), after=np.where(chosen, self.after, np.nan))

    def starts(self) -> Array:
        """Return lg R before the pulse of all cells, as 200 equally likely values."""
        every = self.before[np.isfinite(self.before)]
        return np.asarray(np.quantile(every, (np.arange(_STARTS_KEPT) + 0.5) / _STARTS_KEPT))


def fit(
    measurements: Sequence[Measurement],
    *,
    holdout: float,
    rng: np.random.Generator,
    seed: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> LawFit:
    """Fit the single-pulse law to cells that had one pulse each.

    Parameters
    ----------
    measurements : sequence of Measurement
        Of the experiment `pulse`: rows with `device_id`, `pulse_width_s`, `pulse_voltage_V`, `gate_voltage_V` and a
        resistance or conductance. Rows of cycle 0, or of a pulse of 0 V, are reads before the pulse.
    holdout : float
        Share of each condition's cells that the coverage is judged on; the values come from all cells.
    rng : numpy.random.Generator
    seed, progress, **options
        As in `nvmphys.fit`; options as in `Options`.

    Returns
    -------
    LawFit
        Without a card where the data hold no switching.

    Raises
    ------
    BadInput
        "… needs …" (columns, reads before the pulse, two bit-line voltages), "rises" (a RESET, or before and after
        exchanged), "all cells alike".
    """
    chosen = checked(Options, options, "options of the single-pulse fit")
    tell = progress or (lambda what, done, total: None)
    grid, exclusions = read_grid(measurements)
    common: dict[str, Any] = {
        "model": NAME,
        "parameters": PARAMETERS,
        "n_devices": int(grid.count.sum()),
        "sources": tuple(m.source for m in measurements),
        "exclusions": (*(e for m in measurements for e in m.exclusions), *exclusions),
        "seed": seed,
        "options": chosen.model_dump(),
        "validity": {name: [float(a.min()), float(a.max())] for name, a in zip(AXES, grid.axes.T, strict=True)},
    }
    if np.abs(grid.moved).max() <= STILL:
        return _still(grid, chosen, common, rng)
    _check_sense(grid, measurements[0].source.id)
    found = identify_grid(grid, rng, starts=chosen.starts, profiles=chosen.profiles, tell=tell)
    law = SinglePulseLaw(found.values)
    left_out = {}
    for what, axis, out in _left_out(grid, chosen):
        tell(f"left out: {what}", 0, 1)
        left_out[what] = judge_conditions(grid, out, axis, found, rng)
    if holdout > 0:
        left_out[f"{holdout:.0%} of the cells of each condition"] = _judge_cells(grid, holdout, found, rng)
    return LawFit(
        identified={"": found}, left_out=left_out, compared=_compared(law, grid), said=_said(found, law, grid),
        problems={"": _by_deviance(*_counts(grid), found.values)}, **common,
    )  # fmt: skip


def read_grid(measurements: Sequence[Measurement]) -> tuple[Grid, list[Exclusion]]:
    """Sort reads before and after one pulse by condition; return the cells and what was left out.

    Raises
    ------
    BadInput
        As in `fit`.
    """
    name = measurements[0].source.id
    rows = pd.concat([m.table for m in measurements], ignore_index=True)
    if "resistance_ohm" not in rows and "conductance_S" in rows:
        rows = rows.assign(resistance_ohm=1 / rows["conductance_S"])
    missing = [c for c in ("device_id", *AXES, "resistance_ohm") if c not in rows]
    if missing:
        raise BadInput(f"{name}: a single-pulse fit needs {', '.join(missing)} besides what there is")
    first = (rows["pulse_voltage_V"] == 0) | (rows["cycle"] == 0 if "cycle" in rows else False)
    if not first.any() or first.all():
        raise BadInput(
            f"{name}: a single-pulse fit needs reads before the pulse (cycle 0, or a pulse of 0 V) and after it, of "
            f"the same devices (got only reads {'before' if first.any() else 'after'}): give the file twice, with a "
            "column map for each of its two resistances"
        )
    before = rows[first].set_index("device_id")["resistance_ohm"]
    after = rows[~first].round({"pulse_voltage_V": 6, "gate_voltage_V": 6})
    exclusions = []
    twice = after["device_id"].duplicated(keep=False) | after["device_id"].isin(before.index[before.index.duplicated()])
    alone = ~twice & ~after["device_id"].isin(before.index)
    bad = ~twice & ~alone & ~(after["resistance_ohm"] > 0)
    for rule, rule_rows in (("cell with more than one pulse", twice), ("no read before the pulse", alone),
                            ("resistance_ohm <= 0", bad)):  # fmt: skip
        if rule_rows.any():
            exclusions.append(Exclusion(rule, int(rule_rows.sum())))
    cells = after[~(twice | alone | bad)]
    cells = cells.assign(before=before[~before.index.duplicated()].reindex(cells["device_id"]).to_numpy())
    cells = cells[cells["before"] > 0].dropna(subset=list(AXES))
    size = cells.groupby(list(AXES))["before"].transform("size")
    if (few := size < FEWEST_CELLS).any():
        exclusions.append(Exclusion(f"condition of fewer than {FEWEST_CELLS} cells", int(few.sum())))
    cells = cells[~few]
    if cells["pulse_voltage_V"].nunique() < 2:
        raise BadInput(
            f"{name}: a single-pulse fit needs two bit-line voltages or more, with {FEWEST_CELLS} cells at each "
            f"condition (got {cells['pulse_voltage_V'].nunique()})"
        )
    grid = _by_condition(cells)
    if np.nanmax(np.nanmax(grid.after, axis=1) - np.nanmin(grid.after, axis=1)) == 0:
        raise BadInput(f"{name}: all cells alike after the pulse, in every condition: the law describes their spread")
    return grid, exclusions


def _by_condition(cells: pd.DataFrame) -> Grid:
    """Return cells by condition, in the order of the axes."""
    groups = cells.groupby(list(AXES), sort=True)
    place = groups.ngroup().to_numpy()
    rank = groups.cumcount().to_numpy()
    shape = (place.max() + 1, rank.max() + 1)
    before, after = np.full(shape, np.nan), np.full(shape, np.nan)
    before[place, rank] = np.log10(cells["before"])
    after[place, rank] = np.log10(cells["resistance_ohm"])
    return Grid(np.array(list(groups.groups), dtype=float), before, after)


def _check_sense(grid: Grid, name: str) -> None:
    """Refuse pulses that raise the resistance."""
    up, down = (grid.moved > STILL).sum(), (grid.moved < -STILL).sum()
    if up > down:
        raise BadInput(
            f"{name}: the resistance rises in {up} of {grid.moved.size} conditions and falls in {down}: the law is of "
            "SET. This may be a RESET, or the reads before and after the pulse exchanged"
        )


def identify_grid(
    grid: Grid, rng: np.random.Generator, *, starts: int = 2, profiles: bool = False, near: Values | None = None,
    tell: Progress | None = None, watch: Watch | None = None,
) -> Identified:  # fmt: skip
    """Fit the law to a grid, from values of its own or `near` others, in the time of a watch."""
    over = (watch or Watch()).over
    counted, expected = _counts(grid)
    by_deviance = _by_deviance(counted, expected, near)
    first = identify(over(by_deviance, "the counts' deviance"), rng=rng, starts=starts, profiles=False, tell=tell)
    weight = 1 / np.sqrt(expected(first.values))
    free = tuple(replace(p, value=first.values[p.name]) for p in PARAMETERS)
    problem = Problem(free, lambda values: (counted - expected(values)) * weight, noise_known=True)
    second = identify(over(problem, "the last step"), rng=rng, starts=1, profiles=profiles, tell=tell)
    return replace(second, residuals=by_deviance.residuals(second.values))


def _counts(grid: Grid) -> tuple[Array, Callable[[Values], Array]]:
    """Return the cells counted between bounds, and how many the law expects there."""
    lowest = grid.axes[:, 1] == grid.axes[:, 1].min()
    blocks = [_by_value(grid[~lowest]), _by_change(grid[lowest])]
    counted = np.concatenate([block.counted.ravel() for block in blocks])

    def expected(values: Values) -> Array:
        law = SinglePulseLaw(values)
        return np.maximum(np.concatenate([block.expected(law).ravel() for block in blocks]), 1e-6)

    return counted, expected


def _by_deviance(counted: Array, expected: Callable[[Values], Array], near: Values | None) -> Problem:
    """Return the likelihood of counts as least squares, from values of the law's own or `near` others."""

    def deviances(values: Values) -> Array:
        told = expected(values)
        deviance = 2 * (xlogy(counted, counted / told) - counted + told)
        return np.asarray(np.sign(counted - told) * np.sqrt(np.maximum(deviance, 0.0)))

    free = PARAMETERS if near is None else tuple(replace(p, value=near[p.name]) for p in PARAMETERS)
    return Problem(free, deviances, noise_known=True)


@dataclass(frozen=True, eq=False)
class _Counts:
    """Cells counted between bounds (group, bound + 1), and how many of them a law expects there."""

    counted: Array
    expected: Callable[[SinglePulseLaw], Array]


def _by_value(grid: Grid) -> _Counts:
    """Count the cells of each condition by lg R after the pulse."""
    bounds, pulses, count = _bounds(grid), grid.pulses, grid.count[:, np.newaxis]
    below_bounds = (grid.after[:, np.newaxis] < bounds[..., np.newaxis]).sum(axis=-1)
    kept: dict[tuple[float, float], Array] = {}

    def expected(law: SinglePulseLaw) -> Array:
        key = (law.values["read_sigma"], law.values["read_exponent"])
        if key not in kept:  # most steps of the optimiser leave these two as they are
            kept.clear()
            kept[key] = law.unchanged(bounds, grid.before)
        below = 1 - (1 - kept[key]) * (1 - law.below(bounds, pulses))
        return np.asarray(count * np.diff(below, prepend=0.0, append=1.0, axis=1))

    return _Counts(np.diff(below_bounds, prepend=0.0, append=count, axis=1), expected)


def _by_change(grid: Grid) -> _Counts:
    """Count cells by the change of lg R, in groups by R before the pulse: what two reads of one cell differ by."""
    condition, cell = np.nonzero(np.isfinite(grid.after))
    thin = slice(None, None, -(-condition.size // _MOST_CHANGES))
    condition, cell = condition[thin], cell[thin]
    before = grid.before[condition, cell]
    change = grid.after[condition, cell] - before
    bounds = np.quantile(change, PROBABILITIES)
    group = np.searchsorted(np.quantile(before, [0.25, 0.5, 0.75]), before)
    member = (group == np.arange(4)[:, np.newaxis]).astype(float)
    pulses = Pulses(*grid.axes[condition].T)
    below_bounds = member @ (change[:, np.newaxis] < bounds)
    count = member.sum(axis=1)[:, np.newaxis]

    def expected(law: SinglePulseLaw) -> Array:
        at, own = before[:, np.newaxis] + bounds, before[:, np.newaxis]
        still = float(law.switching(pulses).max()) < _NONE_SWITCH
        below = member @ (law.unchanged(at, own) if still else law.cdf(at, pulses, own))
        return np.diff(below, prepend=0.0, append=count, axis=1)

    return _Counts(np.diff(below_bounds, prepend=0.0, append=count, axis=1), expected)


def _bounds(grid: Grid) -> Array:
    """Return bounds of lg R between which cells are counted (condition, bound).

    They are the quantiles of cells of the other widths, else of the neighbouring gate voltages: bounds from a
    condition's own cells would bias the fit.
    """
    which = 0 if np.unique(grid.axes[:, 0]).size > 1 else 2
    steps = np.searchsorted(np.unique(grid.axes[:, which]), grid.axes[:, which])
    others = np.delete(grid.axes, which, axis=1)
    out = np.empty((len(grid.axes), PROBABILITIES.size))
    for k, row in enumerate(others):
        apart = np.abs(steps - steps[k])
        near = (others == row).all(axis=1) & (apart > 0) & ((which == 0) | (apart <= 2))
        cells = grid.after[near] if near.any() else grid.after[k]
        out[k] = np.nanquantile(cells, PROBABILITIES)
    return out


def _left_out(grid: Grid, chosen: Options) -> Iterator[tuple[str, int, Mask]]:
    """Yield what to leave out: its name, the axis it is on, the conditions."""
    widths, gates = np.unique(grid.axes[:, 0]), np.unique(grid.axes[:, 2])
    if chosen.longest_width and widths.size >= 3:
        yield f"pulse width {engineering(float(widths[-1]), 's')}", 0, grid.axes[:, 0] == widths[-1]
    for volts in chosen.pulse_voltages_V:
        out = np.isclose(grid.axes[:, 1], volts)
        if not out.any() or out.all():
            raise BadInput(f"pulse_voltages_V must name voltages of the grid, not all (got {volts:g} V)")
        yield f"bit line {volts:g} V", 1, out
    if chosen.odd_gates and gates.size >= 6:
        yield "every second gate voltage", 2, np.isin(grid.axes[:, 2], gates[1::2])


def judge_conditions(grid: Grid, out: Mask, axis: int, near: Identified, rng: np.random.Generator) -> pd.DataFrame:
    """Predict conditions from the others, by the law and by baselines.

    Parameters
    ----------
    grid : Grid
    out : ndarray of bool (condition,)
        Those left out.
    axis : int
        The axis along which they were left out, for the baselines.
    near : Identified
        Where the fit starts.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        A row for each predictor: mean, median, 95th percentile and largest of |error| of the median of lg R [decade],
        coverage of the 50 and 90 % interval of single cells.
    """
    seen, unseen = grid[~out], grid[out]
    law = SinglePulseLaw(identify_grid(seen, rng, starts=1, near=near.values).values)
    general = np.broadcast_to(seen.starts(), (len(unseen.axes), _STARTS_KEPT))
    fitted = law.quantile(0.5, seen.pulses, np.broadcast_to(seen.starts(), (len(seen.axes), _STARTS_KEPT)))
    predicted = law.quantile(0.5, unseen.pulses, general)
    rest = gaussian_process(seen.places, seen.median - fitted, starts=1)
    rows = {
        "law": error_figures(predicted - unseen.median) | _coverage(law, unseen, seen.starts()),
        "law, start known": error_figures(law.quantile(0.5, unseen.pulses, unseen.before) - unseen.median)
        | _coverage(law, unseen, None),
        "law + smooth remainder": error_figures(predicted + rest(unseen.places) - unseen.median),
    }
    inner = np.nanquantile(seen.after, [0.05, 0.95], axis=1)
    for name, how in ALONG.items():
        rows[name] = error_figures(along_lines(how, axis, seen.places, seen.median, unseen.places) - unseen.median)
        if name.startswith("nearest"):
            low, high = (along_lines(how, axis, seen.places, edge, unseen.places)[:, np.newaxis] for edge in inner)
            rows[name]["coverage_0.9"] = _share((unseen.after >= low) & (unseen.after <= high), unseen.after)
    surface = gaussian_process(seen.places, seen.median, starts=2)
    rows["Gaussian process"] = error_figures(surface(unseen.places) - unseen.median)
    rows["no change"] = error_figures(np.nanmedian(unseen.before, axis=1) - unseen.median)
    rows["the same conditions measured again"] = error_figures(_measured_again(unseen, rng))
    table = pd.DataFrame(rows).T.rename_axis("predictor")
    return table.dropna(subset="mean")


def _coverage(law: SinglePulseLaw, grid: Grid, starts: Array | None) -> dict[str, float]:
    """Return the share of cells within the central 50 and 90 %, of cells with their own start or any of `starts`."""
    condition, cell = np.nonzero(np.isfinite(grid.after))
    before = grid.before[condition, cell][:, np.newaxis]
    if starts is not None:
        before = np.broadcast_to(starts, (condition.size, starts.size))
    pulses = Pulses(*grid.axes[condition].T)
    rank = law.cdf(grid.after[condition, cell][:, np.newaxis], pulses, before)[:, 0]
    return {f"coverage_{p:g}": float(np.mean(np.abs(rank - 0.5) <= p / 2)) for p in (0.5, 0.9)}


def _share(inside: Mask, after: Array) -> float:
    """Return the share of the cells that are inside."""
    return float(inside[np.isfinite(after)].mean())


def _measured_again(grid: Grid, rng: np.random.Generator) -> Array:
    """Return by how much medians differ from those of cells drawn with replacement: what no law can undercut."""
    gaps = []
    for row in grid.after:
        cells = row[np.isfinite(row)]
        drawn = np.median(rng.choice(cells, (_RESAMPLES, cells.size)), axis=1)
        gaps.append(np.mean(np.abs(drawn - np.median(cells))))
    return np.array(gaps)


def _judge_cells(grid: Grid, holdout: float, near: Identified, rng: np.random.Generator) -> pd.DataFrame:
    """Judge the intervals of single cells on a share of each condition's cells, by a law that has not seen them."""
    order = np.argsort(np.argsort(np.where(np.isfinite(grid.after), rng.random(grid.after.shape), 2.0), axis=1), axis=1)
    out = (order < np.round(holdout * grid.count)[:, np.newaxis]) & np.isfinite(grid.after)
    if not out.any():
        raise BadInput(f"holdout {holdout:g} leaves no cell out: conditions hold {grid.count.max():.0f} cells at most")
    seen, unseen = grid.of_cells(~out), grid.of_cells(out)
    law = SinglePulseLaw(identify_grid(seen, rng, starts=1, near=near.values).values)
    low, high = np.nanquantile(seen.after, [0.05, 0.95], axis=1)[..., np.newaxis]
    middle, wide = (f(seen.after, axis=1)[:, np.newaxis] for f in (np.nanmean, np.nanstd))
    rows = {
        "law": _coverage(law, unseen, seen.starts()),
        "law, start known": _coverage(law, unseen, None),
        "quantiles of each condition": {
            "coverage_0.9": _share((unseen.after >= low) & (unseen.after <= high), unseen.after)
        },
        "Gaussian per condition": {
            f"coverage_{p:g}": _share(np.abs(unseen.after - middle) <= z * wide, unseen.after)
            for p, z in ((0.5, 0.6745), (0.9, 1.6449))
        },
    }
    return pd.DataFrame(rows).T.rename_axis("predictor")


def _compared(law: SinglePulseLaw, grid: Grid) -> pd.DataFrame:
    """Return measured and fitted quantiles by condition [decade of ohm]."""
    table = pd.DataFrame(grid.axes, columns=list(AXES)).assign(count=grid.count.astype(int))
    for p in (0.05, 0.5, 0.95):
        table[f"measured_{p:g}"] = np.nanquantile(grid.after, p, axis=1)
        table[f"fitted_{p:g}"] = law.quantile(p, grid.pulses, grid.before)
    return table


def _said(found: Identified, law: SinglePulseLaw, grid: Grid) -> tuple[str, ...]:
    """Return what is to be said of the fit."""
    said = found.said_of_combinations()
    share = float((found.residuals**2).sum()) / max(found.residuals.size - len(found.names), 1)
    said.append(f"deviance over degrees of freedom {share:.2f}: 1 is what the counts' own chance makes")
    partly = grid.moved[(np.abs(grid.moved) > STILL) & (grid.moved > -0.5)]
    said.append(f"{partly.size} of {grid.moved.size} conditions switch in part (medians fall by 0.05 … 0.5 decade)")
    gap = grid.median - law.quantile(0.5, grid.pulses, grid.before)
    worst = max(
        (
            (axis, value, gap[grid.axes[:, axis] == value])
            for axis in range(3)
            for value in np.unique(grid.axes[:, axis])
        ),
        key=lambda entry: abs(float(entry[2].mean())),
    )
    said.append(
        f"furthest from the law: medians at {AXES[worst[0]]} = {worst[1]:g}, {worst[2].mean():+.3f} decade in "
        f"the mean of {worst[2].size} conditions"
    )
    said.append("temperature and read voltage are those of the file: the law says nothing of others")
    return tuple(said)


def _still(grid: Grid, chosen: Options, common: dict[str, Any], rng: np.random.Generator) -> LawFit:
    """Return the result for data that hold no switching: baselines alone, and no card."""
    most = float(np.abs(grid.moved).max())
    why = (
        f"the data hold no switching: in no condition does the median change of lg R exceed {most:.3f} decade (limit "
        f"{STILL:g}). The kinetics are not identified by these data"
    )
    tables = {}
    for what, axis, out in _left_out(grid, chosen):
        seen, unseen = grid[~out], grid[out]
        rows = {
            name: error_figures(along_lines(how, axis, seen.places, seen.median, unseen.places) - unseen.median)
            for name, how in ALONG.items()
        }
        rows["no change"] = error_figures(np.nanmedian(unseen.before, axis=1) - unseen.median)
        rows["the same conditions measured again"] = error_figures(_measured_again(unseen, rng))
        tables[what] = pd.DataFrame(rows).T.rename_axis("predictor").dropna(subset="mean")
    compared = pd.DataFrame(grid.axes, columns=list(AXES)).assign(count=grid.count.astype(int), moved=grid.moved)
    return LawFit(identified={}, left_out=tables, compared=compared, said=(why,), withheld=why, **common)
