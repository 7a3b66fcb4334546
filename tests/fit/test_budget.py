"""Comparing models of single pulses in a given time: conditions merged, candidates of the data's kind, budgets."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import nvmphys as nv
from nvmphys.devices import device
from nvmphys.errors import BadInput, CheckFailed
from nvmphys.fit.compare import compare
from nvmphys.fit.dynamics import foretell_rows
from nvmphys.fit.merged import by_condition, counted, spread_out
from nvmphys.fit.observed import differenced, problem_of
from nvmphys.fit.paths import observed_paths
from nvmphys.fit.watch import Watch
from nvmphys.records import Measurement, Source

GAP = device("rram_gap")
GRID = {"amplitude_V": (1.5, 1.6, 1.7, 1.8), "width_s": (1e-8, 3e-8, 1e-7, 3e-7)}


def cells(n, sigma=0.05, gate=False):
    """Return n cells a condition after one pulse each, and as many reads before, of which no width is told."""
    made = nv.simulate(GAP, "pulse", settings=GRID).table
    rng = np.random.default_rng(1)
    table = made.loc[made.index.repeat(n)].reset_index(drop=True)
    scatter = 10 ** (sigma * rng.standard_normal(len(table)))
    table = table.assign(conductance_S=table["conductance_S"] * scatter, cycle=1, device_id=np.arange(len(table)))
    start = observed_paths(Measurement("pulse", made, Source("made"), ()), GAP)[0]
    rest = nv.simulate(GAP, "pulse", settings={"amplitude_V": 0.01, "width_s": 1e-9}).table["conductance_S"].iloc[0]
    before = table.assign(
        pulse_voltage_V=0.0, pulse_width_s=np.nan, cycle=0,
        conductance_S=rest * 10 ** (sigma * rng.standard_normal(len(table))),
    )  # fmt: skip
    if gate:
        table = table.assign(gate_voltage_V=np.resize([1.0, 1.5], len(table)))
    assert start.measured.size == len(made)
    return [Measurement("pulse", part, Source("made"), ()) for part in (before, table)]


def test_a_merged_condition_is_the_median_of_its_cells_and_reads_before_are_one():
    (merged,) = by_condition(cells(5))
    assert len(merged.table) == 17
    assert sorted(merged.table["repeats"]) == [5] * 16 + [80]
    after = cells(5)[1].table.groupby(["pulse_voltage_V", "pulse_width_s"])["conductance_S"].median()
    mine = merged.table[merged.table["pulse_voltage_V"] > 0].set_index(["pulse_voltage_V", "pulse_width_s"])
    pd.testing.assert_series_equal(mine["conductance_S"].sort_index(), after.sort_index(), check_names=False)
    (observed,) = counted(observed_paths(merged, GAP))
    assert observed.repeats.max() == 5  # no condition counts for more than the middle one


def test_a_condition_weighs_as_much_as_the_cells_that_it_stands_for():
    """Least squares over cells, against that over conditions: Σ(y - p)² less n·(mean - p)² does not depend on p."""
    part = cells(4)[1]
    (every,) = observed_paths(part, GAP)
    means = part.table.groupby(["pulse_voltage_V", "pulse_width_s"])["conductance_S"]
    lg = means.agg(lambda g: 10 ** np.log10(g).mean()).rename("conductance_S").reset_index().assign(repeats=4)
    (few,) = counted(observed_paths(Measurement("pulse", lg, Source("made"), ()), GAP))
    apart = []
    for Ea in (0.58, 0.6, 0.63):
        values = GAP.values({"Ea": Ea})
        costs = [float((problem_of([o], (), values).residuals({}) ** 2).sum()) for o in (every, few)]
        apart.append(costs[0] - costs[1])
    assert np.ptp(apart) < 1e-6


def test_some_conditions_stand_for_all_at_the_corners_first():
    (merged,) = spread_out(by_condition(cells(2)[1:]), 8)
    corners = set(itertools.product((1.5, 1.8), (1e-8, 3e-7)))
    assert corners <= set(zip(merged.table["pulse_voltage_V"], merged.table["pulse_width_s"], strict=True))


def test_differences_are_the_slopes_that_are_integrated():
    (o,) = observed_paths(cells(1)[1], GAP)
    names = ("Ea", "g0", "I0")
    found, told = (x.slopes(GAP.values(), names) for x in (differenced(o, GAP.parameters), o))
    assert (np.abs(found - told) <= 0.02 * np.abs(told).max(axis=0)).all()


class Ticking:
    """A clock that goes on by a second at each look."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def test_a_fit_that_runs_out_of_time_foretells_with_its_best_and_says_how_far_it_came():
    measured = cells(2)
    out = [np.zeros(len(m.table), dtype=bool) for m in measured]
    watch = Watch(1600.0, Ticking())
    told = foretell_rows(measured, GAP, out, rng=np.random.default_rng(1), options={}, watch=watch)
    assert "its budget of 1.6e+03 s ran out after" in told.note
    assert all(np.isfinite(mean).all() for _, mean, _ in told.rows)
    with pytest.raises(CheckFailed, match="ran out before a first fit"):
        foretell_rows(measured, GAP, out, rng=np.random.default_rng(1), options={}, watch=Watch(20.0, Ticking()))


@pytest.fixture(scope="module")
def ranked():
    alone = [Measurement(m.experiment, m.table.drop(columns="device_id"), m.source, ()) for m in cells(8)]
    return compare(alone, models=["rram_gap", "rram_threshold", "pcm_thermal"], technology="rram", seed=1)


def test_the_model_that_made_the_cells_is_best_and_fits_another_does_not(ranked):
    first = ranked.rankings[0]
    assert first.table.loc["rram_gap", "fits"]
    assert "rram_gap" in first.as_good
    assert not first.table.loc["rram_threshold", "fits"]
    assert (first.table["seconds"] < 60).all()


def test_models_of_another_technology_are_refused_where_it_is_said(ranked):
    assert ranked.refused.loc["pcm_thermal", "reason"] == "it is of pcm, the data of rram"


def test_where_the_gate_varies_models_behind_a_transistor_are_candidates():
    from nvmphys.fit.device_candidates import candidates, names

    gated = cells(1, gate=True)
    found = {c.name: c.refuses for c in candidates(["rram_gap", "rram_gap_1t1r"], gated, {})}
    assert found == {
        "rram_gap": "the voltage of a gate varies, and it has none: rram_gap_1t1r does",
        "rram_gap_1t1r": "",
    }
    (plain,) = candidates(["rram_gap_1t1r"], cells(1), {})
    assert plain.refuses.startswith("no voltage of a gate varies")
    assert {"rram_gap_1t1r", "rram_jart_1t1r"} <= set(names())
    assert "fefet_1t1r" not in names()
    with pytest.raises(BadInput, match="budget_s must be > 0 s"):
        compare(gated, budget_s=0.0)
