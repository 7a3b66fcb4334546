"""The summary statistics that ship: computed again from the measured files, and held to what is known of them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nvmphys.files import sha256
from nvmphys.measurement import read
from nvmphys.measurement.source import read_source
from nvmphys.tomlfile import read_toml

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts" / "sources"
IDS = sorted(path.stem for path in SCRIPTS.glob("rram_*.py"))


@pytest.fixture(scope="module", autouse=True)
def scripts_can_be_imported():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
        yield


def folder(name: str) -> Path:
    return ROOT / "characterization_data" / name


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(folder(name) / "data.csv")


def assert_same(computed: pd.DataFrame, shipped: pd.DataFrame, digits: int) -> None:
    assert list(computed.columns) == list(shipped.columns)
    pd.testing.assert_frame_equal(computed, shipped, rtol=1.01 * 10.0 ** (1 - digits), atol=1e-30, check_dtype=False)


@pytest.mark.parametrize("name", IDS)
def test_what_ships_is_what_the_script_computes(name, measured_data, tmp_path):
    if name == "rram_1t1r_read_noise_a":
        pytest.importorskip("hmmlearn", reason="the levels of the noise need hmmlearn: pip install hmmlearn")
    source = importlib.import_module(name).SOURCE
    source.write(measured_data, tmp_path)
    assert_same(pd.read_csv(tmp_path / "data.csv"), table(name), source.digits)
    new, shipped = (read_toml(path / "source.toml") for path in (tmp_path, folder(name)))
    assert {**new, "sha256": ""} == {**shipped, "sha256": ""}


def test_spectra_ship_as_computed_even_without_hmmlearn(measured_data):
    script = importlib.import_module("rram_1t1r_read_noise_a")
    shipped = table("rram_1t1r_read_noise_a")
    for cell, trace_S in script.read_traces(*script.SOURCE.raw(measured_data)).items():
        computed = pd.DataFrame(script.spectrum(trace_S[round(script.SETTLED_S * script.RATE_HZ) :]))
        rows = shipped[(shipped["cell"] == cell) & shipped["quantity"].isin(computed["quantity"])]
        assert_same(computed.assign(x_unit=""), rows[computed.columns].assign(x_unit="").reset_index(drop=True), 5)


@pytest.mark.parametrize("name", IDS)
def test_hashes_agree(name, measured_data):
    described = read_source(folder(name) / "source.toml")
    assert described.sha256 == sha256(folder(name) / "data.csv")
    source = importlib.import_module(name).SOURCE
    assert source.id == described.id == name
    for raw in source.raw(measured_data):
        assert sha256(raw) in described.computed_by


def test_a_script_without_its_data_says_what_it_needs(monkeypatch, capsys):
    source = importlib.import_module("_source")
    monkeypatch.delenv("NVMPHYS_DATA", raising=False)
    assert source.main(importlib.import_module("rram_1t1r_bake_a").SOURCE) == 2
    assert "set NVMPHYS_DATA to the folder that holds rram_1t1r_bake_a/bake.tsv.gz" in capsys.readouterr().err


def test_a_script_without_hmmlearn_says_how_to_install_it(monkeypatch):
    script = importlib.import_module("rram_1t1r_read_noise_a")
    monkeypatch.setitem(sys.modules, "hmmlearn.hmm", None)
    with pytest.raises(script.MissingTool, match="pip install hmmlearn"):
        script.hidden_states(np.zeros(10))


def test_the_bake_is_a_summary_that_the_reader_understands():
    (bake,) = read(folder("rram_1t1r_bake_a") / "data.csv")
    assert bake.is_summary
    assert set(bake.table["temperature_K"]) == {373.15, 413.15, 453.15}
    assert sorted(bake.table["level"].unique()) == list(range(32))
    assert not bake.exclusions


def test_a_hotter_bake_moves_low_levels_further_up_and_saturates():
    bake = table("rram_1t1r_bake_a")
    rows = bake[(bake["quantity"] == "change") & bake["level"].between(4, 11)]
    shift = rows.groupby("temperature_K")["mean_S"].mean().to_numpy()
    np.testing.assert_allclose(shift, [7.1e-6, 11.8e-6, 14.4e-6], atol=0.05e-6)
    assert shift[2] - shift[1] < shift[1] - shift[0]


def test_a_bake_only_moves_cells_from_their_mean_before_by_their_mean_change():
    bake = table("rram_1t1r_bake_a").set_index(["temperature_K", "level"])
    read_S = bake[bake["quantity"] == "conductance"]
    before, after = (read_S.loc[when, "mean_S"] for when in (read_S["time_s"] == 0, read_S["time_s"] > 0))
    change = bake.loc[bake["quantity"] == "change", "mean_S"]
    np.testing.assert_allclose(after - before, change, atol=1e-9)


def test_changes_of_an_address_hang_together_between_bakes(measured_data):
    raw = measured_data / "rram_1t1r_bake_a" / "bake.tsv.gz"
    reads = pd.read_csv(raw, sep="\t", header=None, names=["address", "t", "R", "G", "celsius"])
    when = reads["t"].gt(0).map({False: "before", True: "after"})
    cells = reads.assign(when=when).pivot(index=["celsius", "address"], columns="when", values="G")
    cells = cells[cells["before"] < 240e-6]
    correlation = (cells["after"] - cells["before"]).unstack("celsius").corr()
    pairs = [correlation[a][b] for a, b in ((100, 140), (100, 180), (140, 180))]
    assert all(0.27 <= round(r, 2) <= 0.42 for r in pairs)
    conditions = read_source(folder("rram_1t1r_bake_a") / "source.toml").conditions
    assert all(
        f"{r:.2f} ({pair})" in conditions
        for r, pair in zip(pairs, ("100 °C, 140 °C", "100 °C, 180 °C", "140 °C, 180 °C"), strict=True)
    )
    within = table("rram_1t1r_bake_a").filter(like="rank_correlation_")
    assert (within.median() > 0.1).all()


def test_noise_falls_as_one_over_f_and_only_two_cells_have_levels():
    noise = table("rram_1t1r_read_noise_a").set_index(["cell", "quantity"])
    assert noise.xs("noise_exponent", level="quantity")["value"].between(0.8, 1.3).all()
    assert noise.xs("read_to_read_sigma", level="quantity")["value"].between(0.2e-6, 0.35e-6).all()
    amplitude = noise.xs("amplitude", level="quantity")["value"]
    assert list(amplitude.index) == [0, 16]
    assert amplitude.between(0.5e-6, 2e-6).all()


def test_the_spectrum_holds_the_variance_of_its_band():
    script = importlib.import_module("rram_1t1r_read_noise_a")
    white = np.random.default_rng(1).normal(50e-6, 1e-6, 80_000)
    rows = pd.DataFrame(script.spectrum(white)).set_index("quantity")
    np.testing.assert_allclose(rows.loc["psd", "value"].tail(10), 1e-12 / 200, rtol=0.05)
    np.testing.assert_allclose(rows.loc["read_to_read_sigma", "value"], 1e-6, rtol=0.02)


def test_levels_of_a_known_telegraph_signal_are_found():
    pytest.importorskip("hmmlearn", reason="the levels of the noise need hmmlearn: pip install hmmlearn")
    script = importlib.import_module("rram_1t1r_read_noise_a")
    rng = np.random.default_rng(2)
    dwell = rng.exponential(np.tile([80, 40], 150)).astype(int) + 1
    trace = 50e-6 + 2e-6 * np.repeat(np.tile([0, 1], 150), dwell) + rng.normal(0, 0.25e-6, dwell.sum())
    rows = pd.DataFrame(script.levels(trace)).set_index("quantity")
    np.testing.assert_allclose(rows.loc["amplitude", "value"], 2e-6, rtol=0.02)
    measured = [dwell[:-1][i::2].mean() / script.RATE_HZ for i in (0, 1)]
    np.testing.assert_allclose(rows.loc["dwell_mean", "value"], measured, rtol=0.05)


def test_set_needs_a_threshold_and_the_gate_sets_the_state():
    pulses = table("rram_1t1r_switching")
    after = pulses[(pulses["operation"] == "SET") & (pulses["read"] == "after")]
    below = after[after["pulse_voltage_V"] == 0.5]["q_0.5_ohm"]
    above = after[(after["pulse_voltage_V"] >= 1.5) & (after["pulse_width_s"] == 4e-7)]
    assert below.median() > 5e4
    by_gate = above.groupby("gate_voltage_V")["q_0.5_ohm"].median()
    assert by_gate[0.8] > by_gate[1.2] > by_gate[2.0] > by_gate[3.0]
    assert by_gate[3.0] < 8e3


def test_reset_pulses_do_not_switch():
    pulses = table("rram_1t1r_switching")
    median = pulses[pulses["operation"] == "RESET"].groupby("read")["q_0.5_ohm"].median()
    np.testing.assert_allclose(median[["before", "after"]], [9.4e3, 9.3e3], rtol=0.01)
    assert set(pulses.groupby("operation").size()) == {1800}


def test_read_current_starts_at_zero_and_bends_upward():
    curves = table("rram_1t1r_read_iv")
    all_cells = curves[np.isclose(curves["slope_high_S"] - curves["slope_low_S"], 135e-6)].set_index("quantity")
    assert all_cells.loc["offset", "q_0.5"] == pytest.approx(0.6e-6, abs=0.06e-6)
    current = all_cells.loc["current"].set_index("voltage_V")["value_mean"]
    assert abs(current[0.0]) < 0.1e-6
    assert current.is_monotonic_increasing
    groups = curves.drop(all_cells.index, errors="ignore")
    nl3 = groups[(groups["quantity"] == "nl3") & (groups["slope_high_S"] - groups["slope_low_S"] < 16e-6)]
    assert nl3["q_0.5"].max() == nl3.set_index("slope_low_S")["q_0.5"].loc[30e-6:60e-6].max()
    assert nl3["count"].sum() == all_cells.loc["nl3", "count"] == 1024


def test_the_cubic_fit_returns_what_made_the_curve():
    script = importlib.import_module("rram_1t1r_read_iv")
    voltage_V = np.arange(36) / 100
    rng = np.random.default_rng(3)
    clean = 0.6e-6 + 50e-6 * voltage_V + 40e-6 * voltage_V**3
    fitted = script.fit_cubic(voltage_V, clean + rng.normal(0, 0.3e-6, (2000, 36)))
    np.testing.assert_allclose(fitted.mean()[["offset", "conductance", "nl3"]], [0.6e-6, 50e-6, 40e-6], rtol=0.02)
    np.testing.assert_allclose(fitted["nl3_standard_error"].mean(), fitted["nl3"].std(), rtol=0.06)
