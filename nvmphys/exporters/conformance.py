"""Whether an export does in its consumer what the profile says: cells drawn there, compared with the tables.

Each comparison is a number found in the draws, the number expected of the profile's tables, and the standard error that
the bootstrap over cells tends to with many resamples: in closed form, so that it needs no resampling. For means it is
s/√n, for σ and correlations the infinitesimal jackknife, for quantiles that of Maritz and Jarrett (J. Am. Stat. Assoc.
73, 194 (1978), doi 10.1080/01621459.1978.10480027). What an export states as its largest error is allowed on top:

    z = max(|found - expected| - stated error, 0) / standard error,   |z| <= 4
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtri

from nvmphys.discovery import modules_with
from nvmphys.errors import unknown_name
from nvmphys.exporters import expected
from nvmphys.exporters.index import CHECKED
from nvmphys.exporters.loss import NOTHING, RANGE_ERROR, LossReport, shown_status
from nvmphys.exporters.normal_levels import TAILS
from nvmphys.exporters.steps import Steps, steps_of
from nvmphys.exporters.tools import Draw, run_in
from nvmphys.files import write_text
from nvmphys.profile import VariationProfile
from nvmphys.profile.build import CORRELATION_CELLS, normal_scores, score_correlation

Array = NDArray[np.float64]

FILE = CHECKED
LIMIT = 4.0
CELLS = 20_000
_SHARE_CELLS = 100_000
_TARGETS = 4
_TIMES = 3
_PULSES = 20
_ROUNDING = 1e-6
"""Error that single precision is allowed, as a share of the unit."""
_LEAST_BEYOND = 10 - 1e-9
"""Cells beyond a quantile below which draws do not tell its error: the bootstrap fails for the outermost cells."""
_MOST_AT_ONE_VALUE = 0.01
"""Share of cells at one conductance above which ranks mean nothing."""


@dataclass(frozen=True)
class Comparison:
    """A number found in the draws and the one expected; `unit` is what a stated error of 1 is worth."""

    what: str
    found: float
    expected: float
    standard_error: float
    unit: float = 1.0

    @property
    def error(self) -> float:
        """Size of the difference, in the unit of the stated error."""
        return abs(self.found - self.expected) / self.unit

    def z(self, allowed: float) -> float:
        """Return what exceeds the allowed error, in standard errors."""
        excess = max(self.error - allowed - _ROUNDING, 0.0) * self.unit
        return 0.0 if excess == 0 else float(np.divide(excess, self.standard_error)) if self.standard_error else np.inf


@dataclass(frozen=True)
class CheckRow:
    """One property of one export.

    Attributes
    ----------
    consumer, property, status : str
    max_error : float or None
        Largest error that the export states.
    source : str
        `real tool`, `own reader`, or empty where nothing was drawn.
    error : float or None
        Largest difference found, in the unit of the stated error.
    z : float or None
        Largest |z| beyond the stated error; None where nothing is stated or drawn.
    passed : bool or None
    worst : str
        Which comparison z is of.
    reason : str
        Why the property has its status, in the words of the export.
    """

    consumer: str
    property: str
    status: str
    max_error: float | None
    source: str = ""
    error: float | None = None
    z: float | None = None
    passed: bool | None = None
    worst: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Export:
    """An export to be checked: the profile, its consumer and the folder it was written to."""

    profile: VariationProfile
    consumer: str
    folder: Path


def check(exports: Sequence[Export], *, seed: int = 1, cells: int = CELLS, real: bool = True) -> list[list[CheckRow]]:
    """Draw from written exports, in the real tools where they are installed, and compare with their profiles.

    Parameters
    ----------
    exports : sequence of Export
    seed : int, optional
    cells : int, optional
        Cells for each target.
    real : bool, optional
        Use real tools; off, own readers alone.

    Returns
    -------
    list of list of CheckRow
        For each export, a row for every property, and one on whether the export does anything.

    Raises
    ------
    BadInput
        Unknown consumer, or files that are not its export.
    CheckFailed
        A tool that is here does not run.

    Examples
    --------
    >>> import tempfile
    >>> import nvmphys as nv
    >>> from nvmphys.exporters import export
    >>> profile = nv.build_profile(nv.load_card("rram_milo_2021"), [5e-5, 2e-4], [0.0], rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = export(profile, "csv", folder)
    ...     rows = check([Export(profile, "csv", Path(folder))], cells=2000)[0]
    >>> [row.passed for row in rows if row.property == "tails"]
    [True]
    """
    modules = modules_with("nvmphys.exporters", "NAME")
    for each in exports:
        if each.consumer not in modules:
            raise unknown_name("consumer", each.consumer, modules)
    plans = [_plan(each, modules[each.consumer], seed, cells) for each in exports]
    drawn: dict[Draw, tuple[str, Array]] = {}
    if real:
        drawn |= _drawn_in_tools([draw for plan in plans for draw in plan.values()], modules)
    out = []
    for each, plan in zip(exports, plans, strict=True):
        module = modules[each.consumer]
        found = {name: drawn.get(draw) or ("own reader", module.draws(draw)) for name, draw in plan.items()}
        out.append(_rows(each, module, plan, found))
    return out


def save(rows: Sequence[CheckRow], folder: Path) -> None:
    """Write `conformance.json` beside an export."""
    content = {"limit": LIMIT, "rows": [asdict(row) for row in rows]}
    write_text(folder / FILE, json.dumps(content, indent=2))


def _drawn_in_tools(draws: Sequence[Draw], modules: Mapping[str, ModuleType]) -> dict[Draw, tuple[str, Array]]:
    """Return what the installed tools draw: one process a tool."""
    tools = {modules[draw.consumer].TOOL for draw in draws if hasattr(modules[draw.consumer], "TOOL")}
    out: dict[Draw, tuple[str, Array]] = {}
    for tool in tools:
        mine = [draw for draw in draws if getattr(modules[draw.consumer], "TOOL", None) == tool]
        found = run_in(tool, mine)
        out |= {} if found is None else {draw: ("real tool", cells) for draw, cells in zip(mine, found, strict=True)}
    return out


def _plan(export: Export, module: ModuleType, seed: int, cells: int) -> dict[str, Draw]:
    """Return the draws that a check of an export needs, by what they are for."""
    profile, folder = export.profile, str(export.folder)
    n = min(cells, getattr(module, "MOST_CELLS", cells))
    if getattr(module, "TRAINS", False):
        steps = steps_of(profile)
        assert steps is not None
        inner = _some(steps.level_S, _TARGETS + 2)[1:-1]
        return {
            name: Draw(export.consumer, folder, inner, (), n, seed, pulses=(direction,) * _PULSES)
            for name, direction in (("set", 1), ("reset", -1))
        }
    targets, times = module.axes(export.folder) if hasattr(module, "axes") else (
        profile.tables.target_S, profile.tables.time_s)  # fmt: skip
    chosen, when = _some(targets, _TARGETS), _some(times, _TIMES)
    plan = {"cells": Draw(export.consumer, folder, chosen, when, n, seed)}
    said = _said(export.folder)
    if said["read noise"][0] != "dropped" and profile.read_noise_S is not None:
        plan["reads"] = Draw(export.consumer, folder, chosen, when, n, seed, read_noise=True)
    heat = profile.tables.temperature_K
    if said["temperature"][0] == "carried" and heat.size > 1:
        plan["heat"] = Draw(export.consumer, folder, chosen, when, n, seed + 2, temperature_K=float(heat[-1]))
    if said["populations that do not follow the target"][0] == "carried" and profile.extras:
        plan["shares"] = Draw(export.consumer, folder, chosen[:1], when, max(n, _SHARE_CELLS), seed + 1)
    return plan


def _some(axis: Array, most: int) -> tuple[float, ...]:
    """Return a few values of an axis, its ends among them."""
    return tuple(float(axis[i]) for i in np.unique(np.linspace(0, axis.size - 1, most).round().astype(int)))


def _said(folder: Path) -> dict[str, tuple[str, float | None]]:
    """Return status and stated error of each property."""
    return {row.property: (row.status, row.max_error) for row in LossReport.load(folder).rows}


def _rows(
    export: Export, module: ModuleType, plan: Mapping[str, Draw], found: Mapping[str, tuple[str, Array]]
) -> list[CheckRow]:
    """Compare what was drawn, property by property."""
    said, why = _said(export.folder), {row.property: row.reason for row in LossReport.load(export.folder).rows}
    if getattr(module, "TRAINS", False):
        compared = {"pulse updates": _pulses(export.profile, plan, found)}
        alive = bool(found["set"][1][-1].mean() > found["set"][1][0].mean())
    else:
        compared = _compared(export, module, plan, found, said)
        alive = _acts(export.profile, found)
    source = next(iter(found.values()))[0]
    rows = [
        replace(_row(export.consumer, name, said[name], source, compared.get(name, [])), reason=why[name])
        for name in said
    ]
    return [*rows, CheckRow(export.consumer, "does something", "carried", None, source, passed=alive)]


def _row(
    consumer: str, name: str, said: tuple[str, float | None], source: str, comparisons: Sequence[Comparison]
) -> CheckRow:
    """Judge the comparisons of one property by what the export says of it."""
    status, stated = said
    if status == "dropped" or not comparisons:
        return CheckRow(consumer, name, status, stated)
    error = max(each.error for each in comparisons)
    if status == "approximated" and stated is None:
        return CheckRow(consumer, name, status, stated, source, error)
    z, worst = max((each.z(stated or 0.0), each.what) for each in comparisons)
    return CheckRow(consumer, name, status, stated, source, error, z, z <= LIMIT, worst)


def _compared(
    export: Export, module: ModuleType, plan: Mapping[str, Draw], found: Mapping[str, tuple[str, Array]],
    said: Mapping[str, tuple[str, float | None]],
) -> dict[str, list[Comparison]]:  # fmt: skip
    """Return all comparisons of cells, by property."""
    profile, draw, cells = export.profile, plan["cells"], found["cells"][1]
    mixed = said["populations that do not follow the target"][0] == "carried"
    kept = said["histories"][0] != "dropped"
    out: dict[str, list[Comparison]] = {
        "programmed conductance": _moments(profile, draw, cells, mixed, first=True),
        "conductance over time": _moments(profile, draw, cells, mixed, first=False),
        "tails": _tails(profile, draw, cells, mixed),
    }
    if kept:
        out["histories"] = _histories(profile, draw, cells)
        out["programming error and change together"] = _together(profile, draw, cells)
    if said["histories"][0] == "carried" and profile.drift:
        out["drift exponents"] = _exponents(profile, draw, cells)
    if "heat" in found:
        out["temperature"] = _moments(_hottest(profile), plan["heat"], found["heat"][1], mixed, first=False)
    if "reads" in found:
        out["read noise"] = _reads(profile, draw, cells, found["reads"][1] - cells)
    if "shares" in found:
        out["populations that do not follow the target"] = _shares(profile, plan["shares"], found["shares"][1], kept)
    elif hasattr(module, "stuck") and (share := expected.stuck_share(profile)) > 0:
        where = Draw(export.consumer, str(export.folder), draw.targets_S, draw.times_s, _SHARE_CELLS, draw.seed)
        out["populations that do not follow the target"] = [_share("stuck cells", module.stuck(where), share)]
    return out


def _moments(profile: VariationProfile, draw: Draw, cells: Array, mixed: bool, *, first: bool) -> list[Comparison]:
    """Compare mean and σ, as programmed or later."""
    out = []
    for k, i, index, where, unit in _places(profile, draw):
        if (index == 0) != first:
            continue
        mean, sigma = expected.moments(profile, draw.targets_S[i], index, extras=mixed)
        x = cells[k, i]
        spread = float(x.std())
        # of a rare population the draws may hold too few cells to tell their own error
        of_mean, of_sigma = expected.moment_errors(profile, draw.targets_S[i], index, x.size, extras=mixed)
        out.append(Comparison(f"mean {where}", float(x.mean()), mean, max(spread / np.sqrt(x.size), of_mean), unit))
        out.append(Comparison(f"σ {where}", spread, sigma, max(_sigma_error(x), of_sigma), unit))
    return out


def _hottest(profile: VariationProfile) -> VariationProfile:
    """Return the profile with the tables of its highest temperature alone."""
    t = profile.tables
    tables = replace(
        t, temperature_K=t.temperature_K[-1:], change=t.change[-1:], quantiles_S=t.quantiles_S[-1:],
        mean_S=t.mean_S[-1:], sigma_S=t.sigma_S[-1:], correlation=t.correlation[-1:],
    )  # fmt: skip
    return replace(profile, tables=tables, replicates=None)


def _tails(profile: VariationProfile, draw: Draw, cells: Array, mixed: bool) -> list[Comparison]:
    """Compare quantiles at all times: those that enough cells lie beyond."""
    out = []
    for k, i, index, where, unit in _places(profile, draw):
        wanted = expected.quantiles(profile, draw.targets_S[i], index, np.array(TAILS), extras=mixed)
        ordered = np.sort(cells[k, i])
        for p, q in zip(TAILS, wanted, strict=True):
            if min(p, 1 - p) * ordered.size < _LEAST_BEYOND:
                continue
            found, error = quantile_and_error(ordered, p)
            out.append(Comparison(f"{p:.3g} quantile {where}", found, float(q), error, unit))
    return out


def quantile_and_error(ordered: Array, p: float) -> tuple[float, float]:
    """Return a quantile of sorted values and its standard error by Maritz and Jarrett.

    >>> x = np.sort(np.random.default_rng(1).standard_normal(20_000))
    >>> q, error = quantile_and_error(x, 0.5)
    >>> bool(abs(error * np.sqrt(20_000) - np.sqrt(np.pi / 2)) < 0.1)
    True
    """
    n = ordered.size
    found = float(np.interp(p * n - 0.5, np.arange(n), ordered))
    # the Beta law of the order statistic lies within a few of its σ of p·n
    reach = int(10 * np.sqrt(n * p * (1 - p)) + 20)
    low, high = max(int(p * n) - reach, 0), min(int(p * n) + reach, n)
    edges = betainc(p * n + 0.5, (1 - p) * n + 0.5, np.arange(low, high + 1) / n)
    weight, values = np.diff(edges), ordered[low:high]
    mean = weight @ values / weight.sum()
    return found, float(np.sqrt(weight @ (values - mean) ** 2))


def _histories(profile: VariationProfile, draw: Draw, cells: Array) -> list[Comparison]:
    """Compare the correlations of normal scores between times with the table's, which are of regular cells alone."""
    out = []
    foreign = _foreign(sum(extra.weight for extra in profile.extras.values()))
    index = [_time(profile, time) for time in draw.times_s]
    for i, target in enumerate(draw.targets_S):
        if len(index) == 1 or _stand_at_one_value(cells[0, i]):
            continue
        row = int(np.argmin(np.abs(profile.tables.target_S - target)))
        found = score_correlation(cells[:, i])
        for a in range(len(index)):
            for b in range(a + 1, len(index)):
                r, table = float(found[a, b]), float(profile.tables.correlation[0, row, index[a], index[b]])
                x, y = normal_scores(cells[[a, b], i])
                error = _correlation_error(x, y, r)
                both = error * np.sqrt(1 + cells.shape[2] / CORRELATION_CELLS)
                gap = np.sign(r - table) * max(abs(r - table) - foreign, 0.0)
                what = f"correlation of {draw.times_s[a]:g} and {draw.times_s[b]:g} s at {target * 1e6:.4g} µS"
                out.append(Comparison(what, table + float(gap), table, float(both)))
    return out


def _foreign(share: float) -> float:
    """Return by how much a share w of foreign cells can change a correlation of scores.

    As much as the most extreme ranks weigh: w·E[z² | z > u] = w + u·φ(u), with Φ(u) = 1 - w.
    """
    if share == 0:
        return 0.0
    u = float(ndtri(1 - share))
    return float(share + u * np.exp(-0.5 * u**2) / np.sqrt(2 * np.pi))


def _together(profile: VariationProfile, draw: Draw, cells: Array) -> list[Comparison]:
    """Compare Pearson's correlation of the programmed conductance and the change of the coordinate."""
    out = []
    for k, time in enumerate(draw.times_s[1:], start=1):
        for i, target in enumerate(draw.targets_S):
            change = expected.coordinate_change(profile, cells[0, i], cells[k, i])
            good = np.isfinite(change)
            if _stand_at_one_value(cells[0, i]) or change[good].std() == 0:
                continue
            x, y = ((part - part.mean()) / part.std() for part in (cells[0, i][good], change[good]))
            r = float(np.mean(x * y))
            wanted = expected.change_correlation(profile, target, _time(profile, time))
            what = f"programmed and change to {time:g} s at {target * 1e6:.4g} µS"
            out.append(Comparison(what, r, wanted, _correlation_error(x, y, r)))
    return out


def _exponents(profile: VariationProfile, draw: Draw, cells: Array) -> list[Comparison]:
    """Compare mean and σ of the cells' drift exponents."""
    out: list[Comparison] = []
    if len(draw.times_s) == 1:
        return out
    span = np.log(draw.times_s[-1] / draw.times_s[0])
    for i, target in enumerate(draw.targets_S):
        alive = (cells[0, i] > 0) & (cells[-1, i] > 0)
        nu = -np.log(cells[-1, i][alive] / cells[0, i][alive]) / span
        mean, sigma = expected.drift_moments(profile, target)
        spread, n = float(nu.std()), nu.size
        where = f"of ν at {target * 1e6:.4g} µS"
        out.append(Comparison(f"mean {where}", float(nu.mean()), mean, spread / np.sqrt(n)))
        out.append(Comparison(f"σ {where}", spread, sigma, _sigma_error(nu)))
    return out


def _reads(profile: VariationProfile, draw: Draw, cells: Array, noise: Array) -> list[Comparison]:
    """Compare σ of one read of regular cells, from the difference of the same cells with and without it."""
    out = []
    for k, i, index, where, unit in _places(profile, draw):
        wanted = expected.read_sigma(profile, draw.targets_S[i], index)
        low, high = expected.regular_range(profile, draw.targets_S[i], index)
        square = noise[k, i][(cells[k, i] >= low) & (cells[k, i] <= high)] ** 2
        found = float(np.sqrt(square.mean()))
        error = float(square.std() / np.sqrt(square.size) / (2 * found)) if found > 0 else 0.0
        out.append(Comparison(f"σ of one read {where}", found, wanted, error, unit))
    return out


def _shares(profile: VariationProfile, draw: Draw, cells: Array, kept: bool) -> list[Comparison]:
    """Compare the share of cells beyond all regular ones of the lowest target, and of those that never move."""
    border, share = expected.share_beyond(profile, 0)
    out = [_share("cells beyond the regular ones", cells[0, 0] > border, share)]
    stuck = expected.stuck_share(profile)
    if stuck > 0 and kept and len(draw.times_s) > 1:
        still = (np.abs(cells[1:, 0] - cells[0, 0]) <= _ROUNDING * cells[0, 0]).all(axis=0) & (cells[0, 0] > 0)
        out.append(_share("stuck cells", still, stuck))
    return out


def _share(what: str, cells: NDArray[np.bool_], share: float) -> Comparison:
    return Comparison(what, float(cells.mean()), share, float(np.sqrt(share * (1 - share) / cells.size)))


def _pulses(
    profile: VariationProfile, plan: Mapping[str, Draw], found: Mapping[str, tuple[str, Array]]
) -> list[Comparison]:
    """Compare mean and σ [S] after one and after all pulses with cells that follow the profile's statistics."""
    steps = steps_of(profile)
    assert isinstance(steps, Steps)
    out, unit = [], float(steps.level_S[-1] - steps.level_S[0])
    for name, draw in plan.items():
        rng = np.random.default_rng(draw.seed + 1)
        for i, start in enumerate(draw.targets_S):
            wanted = steps.train(np.full(draw.n, start), np.array(draw.pulses), rng)
            for after in (1, len(draw.pulses)):
                x, y = found[name][1][after, i], wanted[after]
                where = f"after {after} {name} pulses from {start * 1e6:.4g} µS"
                error = np.sqrt((x.var() + y.var()) / draw.n)
                out.append(Comparison(f"mean {where}", float(x.mean()), float(y.mean()), float(error), unit))
                spread = np.sqrt((x.var() + y.var()) / (2 * draw.n))
                out.append(Comparison(f"σ {where}", float(x.std()), float(y.std()), float(spread), unit))
    return out


def _acts(profile: VariationProfile, found: Mapping[str, tuple[str, Array]]) -> bool:
    """Whether programming spreads cells, time changes them, and read noise changes a read."""
    cells = found["cells"][1]
    acts = bool((cells[0].std(axis=1) > 0).any())
    if cells.shape[0] > 1:
        acts &= not np.allclose(cells[0], cells[-1], rtol=1e-6)
    if "reads" in found:
        acts &= not np.allclose(found["reads"][1], cells, rtol=1e-6)
    return acts


def _places(profile: VariationProfile, draw: Draw) -> list[tuple[int, int, int, str, float]]:
    """Return time and target number, the time's index in the tables, words for both, and the range [S]."""
    low, high = profile.level_range_S
    return [
        (k, i, _time(profile, time), f"at {target * 1e6:.4g} µS, {time:g} s", high - low)
        for k, time in enumerate(draw.times_s)
        for i, target in enumerate(draw.targets_S)
    ]


def _time(profile: VariationProfile, time_s: float) -> int:
    return int(np.argmin(np.abs(profile.tables.time_s - time_s)))


def _sigma_error(x: Array) -> float:
    """Return the standard error of a standard deviation, by the infinitesimal jackknife."""
    spread, fourth = float(x.std()), float(np.mean((x - x.mean()) ** 4))
    return float(np.sqrt(max(fourth - spread**4, 0.0) / x.size) / (2 * spread)) if spread > 0 else 0.0


def _correlation_error(x: Array, y: Array, r: float) -> float:
    """Return the standard error of a correlation of standardised values, by the infinitesimal jackknife."""
    return float(np.std(x * y - 0.5 * r * (x**2 + y**2)) / np.sqrt(x.size))


def _stand_at_one_value(cells: Array) -> bool:
    return bool(np.mean(cells == cells.min()) > _MOST_AT_ONE_VALUE)


def as_table(rows: Sequence[CheckRow]) -> list[tuple[str, ...]]:
    """Return the rows in words: property, status, stated error, found error, |z|, verdict, source."""

    def number(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    verdict: Mapping[Any, str] = {None: "", True: "pass", False: "FAIL"}
    exact = dict.fromkeys(RANGE_ERROR, "of the range")

    def stated(row: CheckRow) -> str:
        there = row.status == "approximated" and row.max_error is not None
        return f"{row.max_error:.2g} {exact.get(row.property, '')}".strip() if there else ""

    return [
        (
            row.property, shown_status(row.status, row.reason), stated(row), number(row.error, ".2g"),
            number(row.z, ".1f"), verdict[row.passed], row.source,
        )
        for row in rows
    ]  # fmt: skip


def reasons(rows: Sequence[CheckRow]) -> list[tuple[str, str, str]]:
    """Return property, status and reason of what an export approximates, drops, or finds nothing of to carry."""
    found = [
        (row.property, shown_status(row.status, row.reason), row.reason.removeprefix(f"{NOTHING}: ")) for row in rows
    ]
    return [each for each in found if each[1] != "carried"]
