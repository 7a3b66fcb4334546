"""Single SET pulses on 1T1R cells: the law against cells simulated apart from it, recovery, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import nvmphys as nv
from nvmphys.errors import BadInput, CheckFailed
from nvmphys.fit.switching import AXES, identify_grid, judge_conditions, read_grid
from nvmphys.population.single_pulse import PARAMETERS, Pulses, SinglePulseLaw
from nvmphys.records import Measurement, Source

TRUE = {p.name: p.value for p in PARAMETERS} | {"threshold_V": 1.15, "fall_V": 0.06}


def simulated(width, volts, gate, before, rng):
    """Return lg R after a pulse, cell by cell, from the equations as they are written."""
    n, v = before.size, TRUE
    decades = np.log10(width / 100e-9)
    threshold = rng.normal(v["threshold_V"] - v["fall_V"] * decades, v["threshold_sigma_V"], n)
    stop = rng.normal(v["stop_V"] - v["fall_V"] * decades, v["stop_sigma_V"], n)
    x = (gate - v["gate_threshold_V"] + v["gate_coupling"] * volts) / v["gate_swing_V"]
    overdrive = v["gate_swing_V"] * np.log1p(np.exp(x))
    current = v["drive_A"] * overdrive ** v["drive_exponent"]
    room = 0.01 * np.log1p(np.exp((volts - stop) / 0.01))
    filament = stop * np.sqrt(1 / current**2 + (v["on_ohm"] / room) ** 2)
    total = v["series_ohm"] + filament
    # d(lg R)/d(gate voltage), by hand: only the saturation current depends on it
    slope = (
        (stop**2 / (current**2 * filament * total)) * v["drive_exponent"] / overdrive / (1 + np.exp(-x)) / np.log(10)
    )
    reached = np.log10(total) + np.hypot(v["set_sigma"], v["gate_sigma_V"] * slope) * rng.standard_t(3, n)
    again = before + v["read_sigma"] * np.exp((before - 5) * np.log(10) * v["read_exponent"]) * rng.standard_t(3, n)
    return np.where(volts > threshold, np.minimum(again, reached), again)


def measurement(table):
    return [Measurement("pulse", table, Source("simulated"))]


def grid_of(rng, widths=(2e-8, 1e-7, 4e-7), volts=(0.5, 1.0, 1.5, 2.0, 3.0), gates=(0.6, 0.8, 1.0, 1.3, 2.0, 3.0)):
    rows, device = [], 0
    for width in widths:
        for v in volts:
            for gate in gates:
                before = rng.normal(4.9, 0.25, 26)
                after = simulated(width, v, gate, before, rng)
                for a, b in zip(before, after, strict=True):
                    device += 1
                    rows.append((device, 0, np.nan, 0.0, np.nan, 10**a))
                    rows.append((device, 1, width, v, gate, 10**b))
    return pd.DataFrame(rows, columns=["device_id", "cycle", *AXES, "resistance_ohm"])


@pytest.fixture(scope="module")
def table():
    return grid_of(np.random.default_rng(5))


@pytest.fixture(scope="module")
def found(table):
    grid, exclusions = read_grid(measurement(table))
    assert not exclusions
    return grid, identify_grid(grid, np.random.default_rng(1), starts=1)


@pytest.mark.parametrize(("volts", "gate"), [(0.5, 2.0), (1.1, 2.0), (1.5, 0.7), (2.0, 1.0), (3.0, 3.0)])
def test_the_law_is_the_distribution_of_cells_simulated_one_by_one(volts, gate):
    rng = np.random.default_rng(2)
    start = rng.normal(4.9, 0.25, 200)
    cells = simulated(3e-7, volts, gate, np.repeat(start, 500), rng)
    law = SinglePulseLaw(TRUE)
    pulses = Pulses(np.array([3e-7]), np.array([volts]), np.array([gate]))
    at = np.quantile(cells, [0.05, 0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(law.cdf(at[None], pulses, start[None])[0], [0.05, 0.25, 0.5, 0.75, 0.95], atol=0.012)


def test_draws_follow_the_distribution():
    law, rng = SinglePulseLaw(TRUE), np.random.default_rng(3)
    start = rng.normal(4.9, 0.25, 200)
    pulses = Pulses(*(np.full(40_000, x) for x in (1e-7, 1.2, 1.0)))
    drawn = law.draw(pulses, np.repeat(start, 200), rng)
    one = Pulses(*(np.array([x]) for x in (1e-7, 1.2, 1.0)))
    for p in (0.1, 0.5, 0.9):
        assert np.mean(drawn < law.quantile(p, one, start[None])[0]) == pytest.approx(p, abs=0.01)


def test_a_longer_pulse_and_an_open_gate_lower_the_resistance():
    law = SinglePulseLaw(TRUE)
    start = np.full((3, 1), 5.0)
    widths = law.quantile(0.5, Pulses(np.array([2e-8, 1e-7, 4e-7]), np.full(3, 2.0), np.full(3, 1.0)), start)
    gates = law.quantile(0.5, Pulses(np.full(3, 1e-7), np.full(3, 2.0), np.array([0.6, 1.0, 2.0])), start)
    assert np.all(np.diff(widths) < 0)
    assert np.all(np.diff(gates) < 0)


def test_parameters_are_recovered_within_their_errors(found):
    _, identified = found
    pulls = np.array([(identified.values[n] - TRUE[n]) / identified.standard_errors[n] for n in identified.names])
    assert identified.convergence.converged
    assert not identified.convergence.bound_hits
    assert np.abs(pulls).max() < 4
    assert np.mean(pulls**2) < 2.5
    inside = [low <= TRUE[n] <= high for n, (low, high) in identified.intervals.items()]
    assert np.mean(inside) >= 0.7


def test_physics_wins_at_the_threshold_left_out(found):
    grid, identified = found
    judged = judge_conditions(grid, grid.axes[:, 1] == 1.5, 1, identified, np.random.default_rng(1))
    assert judged.loc["law", "mean"] < 0.03
    assert judged.loc["law", "mean"] < 0.3 * judged.loc[["spline", "Gaussian process", "straight line"], "mean"].min()
    assert 0.8 <= judged.loc["law, start known", "coverage_0.9"] <= 0.98


def test_one_width_tells_nothing_of_the_kinetics(table):
    one = table[(table["pulse_width_s"] == 1e-7) | (table["cycle"] == 0)]
    result = nv.fit(measurement(one), "single_pulse", seed=1, holdout=0, starts=1, odd_gates=False)
    assert "fall_V" in result.identified[""].unknown
    assert any("fall_V" in sentence for sentence in result.said)


def test_a_card_tells_what_was_left_out(table, tmp_path):
    result = nv.fit(measurement(table), "single_pulse", seed=1, starts=1, odd_gates=False, pulse_voltages_V=[2.0])
    nv.save_card(result.card("simulated"), tmp_path / "simulated.toml")
    card = nv.load_card(tmp_path / "simulated.toml")
    assert card.model == "single_pulse"
    assert card.intervals["threshold_V"]["low"] < card.values["threshold_V"] < card.intervals["threshold_V"]["high"]
    assert set(card.calibration["left_out"]) == {
        "pulse width 400 ns",
        "bit line 2 V",
        "20% of the cells of each condition",
    }
    cells = result.left_out["20% of the cells of each condition"]
    assert cells.loc["law", "coverage_0.9"] == pytest.approx(0.9, abs=0.04)


def test_pulses_that_switch_nothing_identify_nothing(table):
    before = table[table["cycle"] == 0].set_index("device_id")["resistance_ohm"]
    after = table["cycle"] == 1
    still = table.copy()
    noise = 10 ** np.random.default_rng(1).normal(0, 0.01, after.sum())
    still.loc[after, "resistance_ohm"] = before.loc[table.loc[after, "device_id"]].to_numpy() * noise
    result = nv.fit(measurement(still), "single_pulse", seed=1)
    assert not result.identified
    assert "no switching" in result.said[0]
    assert "not identified" in result.said[0]
    assert "no change" in result.left_out["pulse width 400 ns"].index
    with pytest.raises(CheckFailed, match="no card for 'x': the data hold no switching"):
        result.card("x")


def exchanged(table):
    table = table.copy()
    pulse = table[list(AXES)].shift(-1)
    table.loc[table["cycle"] == 0, list(AXES)] = pulse[table["cycle"] == 0]
    table.loc[table["cycle"] == 1, "pulse_voltage_V"] = 0.0
    table["cycle"] = 1 - table["cycle"]
    return table


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: t.drop(columns="gate_voltage_V"), "needs gate_voltage_V"),
        (lambda t: t[t["cycle"] == 1], "reads before the pulse"),
        (lambda t: t[t["cycle"] == 0], "got only reads before"),
        (lambda t: t[(t["pulse_voltage_V"] == 2.0) | (t["cycle"] == 0)], "two bit-line voltages or more"),
        (lambda t: t.iloc[:2], "two bit-line voltages or more"),
        (lambda t: t.assign(resistance_ohm=1e4), "all cells alike"),
        (exchanged, "the resistance rises in .* exchanged"),
    ],
    ids=["no gate", "no before", "no after", "one voltage", "one cell", "alike", "exchanged"],
)
def test_data_that_cannot_be_fitted_are_refused_with_the_reason(table, spoil, words):
    with pytest.raises(BadInput, match=words):
        nv.fit(measurement(spoil(table)), "single_pulse", seed=1)


def test_cells_that_were_pulsed_twice_or_never_read_before_are_left_out_and_counted(table):
    odd = pd.concat([table, table[table["device_id"] == 7].assign(cycle=1, pulse_voltage_V=1.0)])
    odd = odd[~((odd["device_id"] == 9) & (odd["cycle"] == 0))]
    _, exclusions = read_grid(measurement(odd))
    assert {e.rule: e.count for e in exclusions}["no read before the pulse"] == 1
    assert "cell with more than one pulse" in {e.rule for e in exclusions}


def single_pulses(folder, kind, every=1):
    path = folder / "rram_1t1r_switching" / f"{kind}_sweep.tsv.gz"
    columns = {"device_id": 1, "pulse_width_s": 2, "gate_voltage_V": 3, "pulse_voltage_V": 4, "resistance_ohm": 6}
    (before,) = nv.read(path, {"experiment": "pulse", "columns": {"device_id": 1, "resistance_ohm": 5},
                               "constants": {"cycle": 0, "pulse_voltage_V": 0.0}})  # fmt: skip
    (after,) = nv.read(path, {"experiment": "pulse", "columns": columns, "constants": {"cycle": 1}})
    kept = (after.table["gate_voltage_V"] * 10).round().astype(int) % every == 0
    return [before, Measurement("pulse", after.table[kept], after.source, after.understood)]


def test_measured_set_pulses_are_predicted_beyond_the_longest_width(measured_data):
    """A third of the gate voltages; the whole grid is benchmarks/switching_grid.py."""
    result = nv.fit(single_pulses(measured_data, "set", 3), "single_pulse", seed=1, starts=1, odd_gates=False)
    judged = result.left_out["pulse width 400 ns"]
    assert judged.loc["law", "mean"] <= 0.04
    baselines = ["nearest condition, below", "straight line", "spline", "Gaussian process"]
    assert judged.loc["law", "mean"] <= 1.1 * judged.loc[baselines, "mean"].min()
    assert 0.85 <= judged.loc["law", "coverage_0.9"] <= 0.95
    assert 1.0 < result.identified[""].values["threshold_V"] < 1.35  # 1.0 V switches some cells, 1.5 V nearly all


def test_the_measured_reset_file_holds_no_switching(measured_data):
    result = nv.fit(single_pulses(measured_data, "reset"), "single_pulse", seed=1)
    assert "no switching" in result.withheld
    assert not result.identified
