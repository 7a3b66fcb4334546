"""Which model, what is left out and what to measure next: against data whose law is known, and determinants."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.devices import device
from nvmphys.errors import BadInput
from nvmphys.fit.conditions import extreme, runs
from nvmphys.fit.dynamics import fit_dynamics
from nvmphys.fit.identify import Identified
from nvmphys.fit.next_experiments import Candidate, rank_experiments
from nvmphys.fit.paths import observed_paths
from nvmphys.fit.result import Convergence
from nvmphys.records import Measurement, Source
from nvmphys.report.ranking import furthest_off, ranking

LAWS = ("soft_bounds", "exponential", "power", "neurosim")
SIGMA_S = 2e-7


def ramps(shape, n=20, k=40, seed=3):
    """Return ramps of potentiation G + step(x) with x over the range, read with noise: written out here."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        level = 1e-5 + 6e-6 * rng.random()
        for pulse in range(k + 1):
            rows.append((1.0 if pulse else 0.0, 1e-7, level + SIGMA_S * rng.standard_normal()))
            level += 1.2e-6 * shape((level - 1e-5) / 4e-5)
    table = pd.DataFrame(rows, columns=["pulse_voltage_V", "pulse_width_s", "conductance_S"])
    return Measurement("pulse_train", table.assign(cycle=np.arange(len(table))), Source("made"))


@pytest.fixture(scope="module")
def linear():
    return nv.compare([ramps(lambda x: 1 - 0.8 * x)], models=LAWS, seed=2)


def test_the_law_that_made_the_ramps_is_among_those_not_told_apart_and_fits(linear):
    (found,) = linear.rankings
    assert found.what == "4 of 20 conditions"
    assert {"soft_bounds"} <= set(found.as_good)
    assert "soft_bounds" in found.fitting
    assert not linear.none_fits
    assert found.table.loc["soft_bounds", "knows"] == "the first read of each ramp"
    assert found.table.loc["soft_bounds", "coverage_90"] == pytest.approx(0.9, abs=0.08)
    assert list(found.table["rms"].dropna()) == sorted(found.table["rms"].dropna())


def test_errors_are_measured_less_foretold_and_their_rms_is_ranked(linear):
    (found,) = linear.rankings
    for name in found.errors:
        rms = float(np.sqrt(np.mean(found.errors[name] ** 2)))
        assert found.table.loc[name, "rms"] == pytest.approx(rms)
        assert found.table.loc[name, "low"] <= rms <= found.table.loc[name, "high"]


def test_where_no_law_describes_the_ramps_none_fits_and_where_is_said():
    found = nv.compare([ramps(lambda x: 1 + 2.0 * np.sin(9 * x))], models=LAWS[:2], seed=2)
    assert found.none_fits
    (sentence,) = [said for said in found.said if said.startswith("none fits")]
    assert "furthest off at pulse_train" in sentence
    worst = found.rankings[0].where
    assert worst["over_noise"].abs().iloc[0] > 3
    assert worst["over_noise"].abs().is_monotonic_decreasing


def test_what_cannot_be_fitted_is_a_row_with_its_reason():
    found = nv.compare([ramps(lambda x: 1 - 0.5 * x, n=8)], models=["soft_bounds", "single_pulse", "fe_domains"])
    assert found.refused.loc["single_pulse", "reason"] == "it is fitted to pulse"
    assert "pulse_train" in found.refused.loc["fe_domains", "reason"]
    assert set(found.table()["candidate"]) >= {"single_pulse", "fe_domains", "soft_bounds"}
    with pytest.raises(BadInput, match=r"unknown model to compare 'soft'.*did you mean"):
        nv.compare([ramps(lambda x: 1.0)], models=["soft"])
    with pytest.raises(BadInput, match="holdout must lie within"):
        nv.compare([ramps(lambda x: 1.0)], holdout=0.0)


def test_a_device_model_predicts_its_own_pulses_better_than_baselines_do():
    grid = {"amplitude_V": (1.5, 1.6, 1.7), "width_s": (1e-8, 3e-8, 1e-7, 1e-6)}
    measured = nv.simulate("rram_gap", "pulse", settings=grid)
    rng = np.random.default_rng(1)
    table = measured.table.assign(
        conductance_S=measured.table["conductance_S"] * np.exp(0.03 * rng.standard_normal(len(measured.table)))
    )
    found = nv.compare([Measurement("pulse", table, Source("made"))], models=["rram_gap"], seed=1)
    (first,) = found.rankings
    assert first.what == "2 of 12 conditions"
    assert found.best == "rram_gap"
    assert first.table.loc["Gaussian per condition", "reason"].startswith("it foretells 0 of")


def test_the_command_line_writes_the_ranking(tmp_path, linear):
    file, out = tmp_path / "ramps.csv", tmp_path / "ranking.json"
    ramps(lambda x: 1 - 0.5 * x, n=8).table.assign(experiment="pulse_train").to_csv(file, index=False)
    wrong = CliRunner().invoke(app, ["fit", str(file), "--compare", "-o", str(tmp_path / "r.txt")])
    assert isinstance(wrong.exception, BadInput)
    assert "must end in .csv or .json" in str(wrong.exception)
    missing = CliRunner().invoke(app, ["fit", str(file)])
    assert "--model NAME and -o CARD.toml, or --compare" in str(missing.exception)
    text = linear.table().to_json(orient="records")
    out.write_text(text)
    assert {row["candidate"] for row in json.loads(out.read_text())} >= set(LAWS)


def test_pictures_of_a_ranking_name_every_candidate(linear):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    ranking(left, linear.rankings[0], linear.quantity)
    furthest_off(right, linear.rankings[0], linear.quantity)
    names = [label.get_text() for label in left.get_yticklabels()]
    assert [name.split(" (")[0] for name in names] == list(linear.rankings[0].table["rms"].dropna().index)


def test_runs_are_what_was_measured_in_one_go():
    table = pd.DataFrame({"pulse_voltage_V": [0.0, 1, 1, -1, -1, 0, 1], "device_id": 1})
    assert runs("pulse_train", table).tolist() == [0, 0, 0, 1, 1, 2, 2]


GAP = device("rram_gap")


def test_conditions_left_out_are_predicted_beside_baselines():
    measured = nv.simulate(
        "rram_gap", "pulse", settings={"amplitude_V": (1.5, 1.6, 1.7), "width_s": (1e-8, 1e-7, 1e-6)}
    )
    rng = np.random.default_rng(3)
    table = measured.table.assign(
        conductance_S=measured.table["conductance_S"] * 10 ** (0.02 * rng.standard_normal(len(measured.table)))
    )
    fit = fit_dynamics(
        [Measurement("pulse", table, Source("made"))], GAP, free=("Ea", "g0"), rng=rng, starts=1, profiles=False,
        leave_out=("longest-pulse", "highest-voltage"),
    )  # fmt: skip
    assert list(fit.left_out) == ["the longest pulse (1e-06 s)", "the highest voltage (1.7 V)"]
    for judged in fit.left_out.values():
        own = judged.loc[("pulse", "rram_gap")]
        assert own["rows"] == 3
        assert own["rms"] < 0.08
        assert own["rms"] < judged.loc[("pulse", "nearest condition"), "rms"]
    assert "pulse, rram_gap" in fit.card("mine").calibration["left_out"]["the longest pulse (1e-06 s)"]
    (observed,) = observed_paths(measured, GAP)
    with pytest.raises(BadInput, match="the highest temperature cannot be left out: it is 300 K in all rows"):
        extreme([observed], "highest-temperature")
    with pytest.raises(BadInput, match="unknown condition to leave out 'shortest'"):
        fit_dynamics([measured], GAP, free=("Ea",), rng=rng, leave_out=("shortest",))


def test_after_one_loop_another_temperature_tells_more_of_v0_and_ea_than_the_same_loop_or_another_rate():
    """The gains against determinants from differences of simulated currents, not from the model's slopes."""
    base, names, noise = {"points": 120, "ramp_rate_V_per_s": 1e3}, ("vgap", "Ea"), 0.01
    values, spans = GAP.values(), np.array([np.log(1e5 / 1e-3) * 10.0, 1.6 - 0.4])
    changes = {"the same again": {}, "rate": {"ramp_rate_V_per_s": 1e4}, "heat": {"temperature_K": 450.0}}
    designs = {
        name: observed_paths(nv.simulate(GAP, "sweep", settings={**base, **change}), GAP)[0]
        for name, change in changes.items()
    }
    information = {}
    for name, observed in designs.items():
        columns = []
        for parameter, span in zip(names, spans, strict=True):
            step = 1e-4 * values[parameter]
            ends = [observed.predict({**values, parameter: values[parameter] + s * step}) for s in (1, -1)]
            columns.append((ends[0] - ends[1]) / (2 * step) * span / noise)
        slopes = np.stack(columns, axis=1)
        information[name] = slopes.T @ slopes
    measured = replace(designs["the same again"], noise=noise)
    _, strengths, combinations = np.linalg.svd(measured.slopes(values, names) * spans / noise, full_matrices=False)
    known = Identified(
        names, {n: values[n] for n in names}, {}, {}, np.eye(2), strengths, combinations, (), (), np.zeros(2), 1.0,
        Convergence(True, "", 1, 0.0),
    )  # fmt: skip
    asked = [Candidate("sweep", name, {**base, **changes[name]}) for name in ("rate", "heat")]
    told = rank_experiments(
        GAP, known, values, [measured], lambda made: [o for m in made for o in observed_paths(m, GAP)], {}, asked
    ).set_index("change")
    assert told.index[0] == "heat"
    assert told.loc["heat", "falls_by"] > 5
    assert told.loc["the same again", "falls_by"] < 1.05  # one combination is known the better, none of the two
    for name in changes:
        before = information["the same again"] + np.eye(2)
        gain = np.linalg.slogdet(before + information[name])[1] - np.linalg.slogdet(before)[1]
        assert told.loc[name, "ln_det_gain"] == pytest.approx(gain, rel=0.05, abs=0.1)
