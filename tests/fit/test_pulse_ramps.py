"""Ramps of pulses: the state model against ramps simulated apart from it, what is recovered, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.fit.pulse_ramps import autocorrelation, fit_ramps, judge_ramps, parameters_of, read_ramps
from nvmphys.population.pulse_response import pulse_curve
from nvmphys.population.pulse_steps import LAWS, Ramps, draw_ramps, free_run, innovations
from nvmphys.records import Measurement, Source

LOW, HIGH, MIDDLE = 1e-3, 2e-3, 6.0
TRUE = {
    "step_S": 1e-5, "slope": 0.4, "onset": 0.6, "onset_pulses": 4.0, "trend": -0.1, "trend_slope": 0.05, "gain": 0.5,
    "memory_pulses": 8.0, "wander": 0.04, "echo": 0.05,
}  # fmt: skip
SIGMA = 1e-6


def simulated(rng, ramps=16, pulses=70, sign=1.0, start=None):
    """Return reads (pulse + 1, ramp) and their innovations, ramp by ramp from the equations as they are written."""
    v, reads, kicks = TRUE, [], []
    for r in range(1, ramps + 1):
        g = (LOW if sign > 0 else HIGH) + 1e-5 * rng.random() if start is None else start
        trace, own, u, before = [g], [], 0.0, 0.0
        for k in range(pulses):
            x = (g - LOW) / (HIGH - LOW)
            s = sign * v["step_S"] * (1 + v["slope"] * x) * (1 - v["onset"] * np.exp(-k / v["onset_pulses"]))
            s *= 1 + (v["trend"] + v["trend_slope"] * (x - 0.5)) * np.log(r / MIDDLE)
            e = rng.normal(0, SIGMA)
            trace.append(g + s + u + v["echo"] * before + e)
            own.append(e)
            g = g + s + u + v["gain"] * e
            u = np.exp(-1 / v["memory_pulses"]) * u + v["wander"] * e
            before = e
        reads.append(trace)
        kicks.append(own)
    return np.array(reads).T, np.array(kicks).T


def ramps_of(reads):
    return Ramps(reads, np.arange(1.0, reads.shape[1] + 1), LOW, HIGH, MIDDLE)


def train(up, down):
    """Return a table of alternating ramps."""
    parts = []
    for j in range(up.shape[1]):
        for sign, reads in ((1.0, up), (-1.0, down)):
            volts = [0.0] + [sign] * (len(reads) - 1)
            parts.append(pd.DataFrame({"pulse_voltage_V": volts, "conductance_S": reads[:, j]}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(cycle=np.arange(len(table)), device_id=1)


def measurement(table):
    return [Measurement("pulse_train", table, Source("simulated"))]


@pytest.fixture(scope="module")
def up():
    return simulated(np.random.default_rng(1))


@pytest.fixture(scope="module")
def table(up):
    return train(up[0], simulated(np.random.default_rng(2), sign=-1.0)[0])


def test_the_filter_finds_the_innovations_that_ramps_were_made_of(up):
    reads, kicks = up
    np.testing.assert_allclose(innovations(LAWS["soft_bounds"], TRUE, ramps_of(reads)), kicks, atol=1e-15)


def test_all_variants_at_once_are_each_alone(up):
    ramps, law = ramps_of(up[0]), LAWS["smooth"]
    values = TRUE | {f"smooth_{n}": 0.1 / n for n in range(1, 8)}
    each = [innovations(law, values | {"gain": g}, ramps) for g in (0.2, 0.7)]
    every = {n: np.full((2, 1), v) for n, v in values.items()} | {"gain": np.array([[0.2], [0.7]])}
    np.testing.assert_allclose(innovations(law, every, ramps), each, rtol=1e-12, atol=1e-18)


def test_the_free_run_has_the_mean_and_the_spread_of_simulated_ramps():
    """Drawn ramps begin without a deviation of their steps; what the model allows for it is added by hand."""
    values = TRUE | {"gain": 1.0, "wander": 0.2}
    many = Ramps(np.full((71, 4000), 1.2e-3), np.full(4000, MIDDLE), LOW, HIGH, MIDDLE)
    mean, sigma = free_run(LAWS["soft_bounds"], values, many, SIGMA)
    drawn = draw_ramps(LAWS["soft_bounds"], values, many, SIGMA, np.random.default_rng(3))[1:]
    np.testing.assert_allclose(drawn.mean(axis=1), mean[:, 0], atol=5 * sigma[-1, 0] / np.sqrt(4000))
    kept, extra, own = 1.0, 0.0, []
    for k in range(70):
        onset = 1 - TRUE["onset"] * np.exp(-k / TRUE["onset_pulses"])
        extra = extra * (1 + TRUE["step_S"] * TRUE["slope"] / (HIGH - LOW) * onset) + kept
        own.append(extra)
        kept *= np.exp(-1 / TRUE["memory_pulses"])
    start = values["wander"] * SIGMA / np.sqrt(1 - np.exp(-2 / TRUE["memory_pulses"]))
    np.testing.assert_allclose(np.hypot(drawn.std(axis=1), start * np.array(own)), sigma[:, 0], rtol=0.05)


def test_neurosims_law_is_its_curve():
    """Steps exp(-rate·k) add up to its curve with A = 1/(rate·pulses); a nonlinearity of 2 is A = 0.609035."""
    pulses = 50
    values = TRUE | {"pulse_rate": 1 / (0.609035 * pulses)}
    steps = [LAWS["neurosim"].shape(np.zeros(1), k, values)[0] for k in range(pulses)]
    curve = np.cumsum(steps) / np.sum(steps)
    np.testing.assert_allclose(curve, pulse_curve(np.arange(1, pulses + 1) / pulses, 2.0), atol=1e-6)


def test_parameters_are_recovered_within_their_errors(up):
    ramps = ramps_of(up[0])
    found, model = fit_ramps(ramps, "soft_bounds", np.random.default_rng(1))
    known = [n for n in found.names if n not in ("memory_pulses", "onset_pulses")]  # those have priors of their own
    pulls = np.array([(found.values[n] - TRUE[n]) / found.standard_errors[n] for n in known])
    assert found.convergence.converged
    assert np.abs(pulls).max() < 4
    assert np.mean(pulls**2) < 3
    assert model.sigma_S == pytest.approx(SIGMA, rel=0.1)


def test_ramps_left_out_are_covered_and_the_trend_matters(up):
    tables = judge_ramps(ramps_of(up[0]), np.random.default_rng(1), ["soft_bounds"], lambda *told: None)
    assert set(tables) == {"odd → even", "first half → second half"}
    for judged in tables.values():
        assert judged.loc["soft_bounds", "free_rmse_S"] < 0.3 * judged.loc["soft_bounds, alone", "free_rmse_S"]
        # of a device whose law is in the table, no baseline is as near, one step ahead or running free
        for column in ("one_step_rmse_S", "free_rmse_S"):
            baselines = judged.loc[["mean step of the same pulse", "last read"], column]
            assert judged.loc["soft_bounds", column] < baselines.min()
    even, late = tables.values()
    assert even.loc["soft_bounds", "one_step_coverage_0.9"] == pytest.approx(0.9, abs=0.05)
    assert even.loc["soft_bounds", "free_coverage_0.9"] == pytest.approx(0.9, abs=0.1)
    assert even.loc["soft_bounds", "largest_autocorrelation"] < 0.12  # 560 innovations: nearly 3 σ of chance
    assert late.loc["smooth, no trend", "free_rmse_S"] > 2 * late.loc["soft_bounds", "free_rmse_S"]


def test_a_result_names_directions_trend_and_noise(table, tmp_path):
    result = nv.fit(measurement(table), "pulse_ramps", seed=1, law="soft_bounds", compare=False)
    assert result.said[0] == (
        "positive pulses raise the conductance (16 ramps); negative pulses lower the conductance (16 ramps)"
    )
    trend = next(s for s in result.said if s.startswith("SET: trend"))
    assert "steps change by -" in trend
    nv.save_card(result.card("ramps"), tmp_path / "ramps.toml")
    card = nv.load_card(tmp_path / "ramps.toml")
    assert card.calibration["left_out"]["SET, odd → even"]["soft_bounds"]["free_coverage_0.9"] > 0.7
    assert card.values["SET_step_S"] > 0 > card.values["RESET_step_S"]
    assert set(result.compared["part"]) == {"SET", "RESET"}


def test_autocorrelation_is_that_of_a_moving_average():
    e = np.random.default_rng(1).normal(size=(401, 50))
    found = autocorrelation(e[1:] - 0.5 * e[:-1])
    np.testing.assert_allclose(found, [-0.4, 0, 0, 0, 0], atol=0.03)


def test_bounds_hold_the_typical_step_of_either_sign(table):
    parts, _ = read_ramps(measurement(table))
    for ramps in parts.values():
        step = parameters_of(ramps, "power")[0]
        assert step.bounds[0] < step.value < step.bounds[1]


def swapped(table):
    half = table["cycle"] > len(table) // 2
    return table.assign(pulse_voltage_V=np.where(half, -1, 1) * table["pulse_voltage_V"])


def copied(table):
    up, down = (simulated(np.random.default_rng(1), ramps=1, sign=s)[0] for s in (1.0, -1.0))
    return train(np.repeat(up, 8, axis=1), np.repeat(down, 8, axis=1))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: t.drop(columns="pulse_voltage_V"), "need pulse_voltage_V"),
        (lambda t: t.assign(conductance_S=1e-3), "does not change"),
        (lambda t: t.iloc[:1], "does not change"),
        (lambda t: t.iloc[:200], "6 ramps or more"),
        (lambda t: t.assign(device_id=np.arange(len(t)) % 2), "of several devices"),
        (swapped, "SET and RESET may be exchanged"),
        (copied, "all alike"),
    ],
    ids=["no signs", "constant", "one read", "few ramps", "devices", "swapped", "copies"],
)
def test_data_that_cannot_be_fitted_are_refused_with_the_reason(table, spoil, words):
    with pytest.raises(BadInput, match=words):
        nv.fit(measurement(spoil(table)), "pulse_ramps", seed=1)


def test_an_unknown_law_is_offered_the_known_ones(table):
    with pytest.raises(BadInput, match="did you mean power"):
        nv.fit(measurement(table), "pulse_ramps", law="powr")


def test_measured_ramps_are_covered_when_left_out(measured_data):
    """One law of each direction; all laws and aihwkit's are in benchmarks/pulse_ramps.py."""
    folder = measured_data / "analog_pulse_ramps"
    parts = []
    for sign, name in ((1.0, "set"), (-1.0, "reset")):
        for _, current in pd.read_csv(folder / f"{name}.csv").items():
            reads = current.dropna().to_numpy() / 0.1
            parts.append(pd.DataFrame({"pulse_voltage_V": [0.0] + [sign] * (reads.size - 1), "conductance_S": reads}))
    table = pd.concat(parts, ignore_index=True)
    found, _ = read_ramps(measurement(table.assign(cycle=np.arange(len(table)))))
    assert {part: ramps.reads_S.shape for part, ramps in found.items()} == {"SET": (192, 39), "RESET": (153, 40)}
    for ramps in found.values():
        tables = judge_ramps(ramps, np.random.default_rng(1), ["power"], lambda *told: None, compare=False)
        for judged in tables.values():
            assert 0.87 <= judged.loc["power", "one_step_coverage_0.9"] <= 0.93
        assert 0.85 <= tables["odd → even"].loc["power", "free_coverage_0.9"] <= 0.95
