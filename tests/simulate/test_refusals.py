"""What was let through once: input without sense that ended in a crash, in silence or in a wrong figure."""

from __future__ import annotations

import re

import numpy as np
import pytest
import sympy as sp
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.devices import device
from nvmphys.devices.model import VOLTAGE, DeviceModel, State, symbol
from nvmphys.errors import BadInput, CheckFailed
from nvmphys.parameters import Parameter
from nvmphys.report.simulation import draw_experiment
from nvmphys.simulate import simulate, transient
from nvmphys.simulate.devices import drawn
from nvmphys.simulate.waveform import Piece, joined, pulse

x = sp.Symbol("x", real=True)
ROOT = DeviceModel(
    name="root", technology="rram", title="a rate that is no number below 0", states=(
        State("x", "x", "1", 1.0, sp.Integer(-1), sp.Integer(9), sp.Integer(1)),),
    parameters=(Parameter("k", "1/s", 1.0, (0.0, 9.0), "speed"), Parameter("c", "S", 1e-3, (0.0, 1.0), "conductance")),
    current=symbol("c") * VOLTAGE, state_rate=(-symbol("k") * sp.sqrt(x),), validity={}, references=(), limits=(),
    experiments={"sweep": {}},
)  # fmt: skip


@pytest.mark.parametrize("volts", [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
def test_a_rate_that_is_no_number_is_named_with_device_piece_and_values(volts):
    cells = drawn(ROOT, 3, np.random.default_rng(1), population={"c": {"sigma": 0.1, "sigma_ref": "of_value"}})
    start = np.array([1.0, -0.5, 1.0]).reshape(3, 1, 1)
    with pytest.raises(CheckFailed) as caught:
        transient(ROOT, joined([Piece(1e-3, *volts)]), cells, start=start)
    words = (
        f"root: device 1 could not be integrated in piece 0 of the waveform ({volts[0]:g} … {volts[1]:g} V, 0.001 s)"
    )
    assert words in str(caught.value)
    assert f"1 such rows; k = 1, c = {cells.values['c'][1]:g}" in str(caught.value)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([Piece(1e-6, 0.0, 1.0), Piece(1e-6, np.nan, 0.0)], "piece 1 must last 0 s or more and run between finite vol"),
        ([Piece(np.nan, 0.0, 1.0)], "(got nan s, 0 … 1 V)"),
        ([Piece(np.inf, 0.0, 1.0)], "(got inf s, 0 … 1 V)"),
        ([Piece(1e-6, 0.0, 1.0), Piece(-1e-6, 1.0, 0.0)], "(got -1e-06 s, 1 … 0 V)"),
        ([Piece(0.0, 0.0, 1.0)], "a waveform needs a piece that lasts longer than 0 s"),
        ([], "a waveform needs a piece that lasts longer than 0 s"),
    ],
)
def test_pieces_that_make_no_waveform_are_refused(pieces, words):
    with pytest.raises(BadInput, match=re.escape(words)):
        joined(pieces)


@pytest.mark.parametrize("kelvins", [0.0, -3.0, np.nan, np.inf])
def test_pieces_at_no_temperature_are_refused(kelvins):
    with pytest.raises(BadInput, match=re.escape(f"temperature_K must be > 0 K (got {kelvins:g} K)")):
        joined([Piece(1e-6, 0.0, 1.0)], kelvins)


@pytest.mark.parametrize(("width", "edge"), [(1e-7, -1e-8), (1e-7, np.nan), (-1e-7, 0.0), (np.inf, 0.0), (np.nan, 0.0)])
def test_a_pulse_without_a_length_is_refused(width, edge):
    with pytest.raises(BadInput, match=r"shorter than width_s \(got"):
        pulse(1.0, width, edge)


@pytest.mark.parametrize("how", [{"rtol": 0.0}, {"rtol": -1e-6}, {"rtol": np.nan}, {"rtol": np.inf}, {"workers": 0}])
def test_a_tolerance_or_a_number_of_threads_that_is_none_is_refused(how):
    with pytest.raises(BadInput, match="rtol must be > 0 and workers 1 or more"):
        transient(device("rram_gap"), joined(pulse(1.0, 1e-7)), **how)


@pytest.mark.parametrize(
    ("name", "made", "settings", "words"),
    [
        ("rram_gap", "sweep", {"positive_V": 0.0, "negative_V": 0.0}, "positive_V and negative_V cannot both be 0 V"),
        ("rram_gap", "pulse_train", {"rest_s": np.inf}, "rest_s: Input should be a finite number"),
        ("rram_gap", "pulse", {"edge_s": np.inf}, "edge_s: Input should be a finite number"),
        ("rram_gap", "ispp", {"step_V": 5e-324}, "fewer than 10,000 pulses"),
        ("pcm_accumulative", "retention", {"read_at_K": np.nan}, "read_at_K: Input should be a finite number"),
        ("pcm_accumulative", "retention", {"read_at_K": -5.0}, "read_at_K: Input should be greater than 0"),
        ("pcm_accumulative", "retention", {"read_at_K": 0.0}, "read_at_K: Input should be greater than 0"),
        ("pcm_accumulative", "retention", {"points": 1}, "points: Input should be greater than or equal to 2"),
        ("fe_preisach", "pund", {"rest_s": 1.0, "edge_s": 1e-9}, "pund: width_s and rest_s must be at most 1e6 points"),
    ],
)
def test_settings_without_sense_are_refused(name, made, settings, words):
    with pytest.raises(BadInput, match=re.escape(words)):
        simulate(name, made, settings=settings)


@pytest.mark.parametrize(
    ("name", "made", "how", "words"),
    [
        ("rram_gap", "sweep", {"n_units": 5}, "rram_gap: units must be left out, the model has none (got 5)"),
        ("rram_gap", "sweep", {"rng": -1}, "seed must be >= 0 (got -1)"),
        (
            "rram_gap",
            "sweep",
            {"population": {"g0": {"sigma": np.inf, "sigma_ref": "of_value"}}},
            "(got inf, 'of_value",
        ),
        ("rram_gap", "sweep", {"population": {"Cth": {"sigma": 0.1, "sigma_ref": "of_value"}}}, "which is 0: give it"),
        ("pcm_accumulative", "retention", {"population": {"xi": {"sigma": 1.0, "sigma_ref": "absolute"}}}, "in 'xi'"),
    ],
)
def test_devices_without_sense_are_refused(name, made, how, words):
    with pytest.raises(BadInput, match=re.escape(words)):
        simulate(name, made, **how)


def test_no_pulse_goes_beyond_the_last_amplitude():
    table = simulate("rram_gap", "ispp", settings={"step_V": 0.4, "stop_V": 2.5, "target_S": 1.0}).table
    assert list(table["pulse_voltage_V"]) == pytest.approx([1.0, 1.4, 1.8, 2.2])
    table = simulate("rram_gap", "ispp", settings={"step_V": 0.1, "stop_V": 1.3, "target_S": 1.0}).table
    assert len(table) == 4  # though (1.3 - 1)/0.1 is a little less than 3


def test_one_value_will_do_for_a_setting_of_many(tmp_path):
    given = ("--with", "width_s=1e-7", "--with", "amplitude_V=1.6", "-o", tmp_path / "p.csv")
    done = CliRunner().invoke(app, ["simulate", "rram_gap", "--experiment", "pulse", *map(str, given)])
    assert done.exception is None
    assert len(nv.read(tmp_path / "p.csv")[0].table) == 1


def test_a_compliance_can_be_taken_away(tmp_path):
    given = ("--with", "compliance_A=none", "--with", "points=40", "-o", tmp_path / "iv.csv")
    done = CliRunner().invoke(app, ["simulate", "rram_gap", "--experiment", "sweep", *map(str, given)])
    assert done.exception is None
    assert nv.read(tmp_path / "iv.csv")[0].table["current_A"].max() > 1e-3


def test_a_train_of_pulses_begins_with_the_rest_that_comes_before_every_read():
    table = simulate("pcm_accumulative", "pulse_train", settings={"n_pulses": 1}).table
    assert table["conductance_S"].iloc[0] == pytest.approx(device("pcm_accumulative").values()["glow"], rel=1e-5)


def test_two_devices_can_be_drawn():
    assert len(draw_experiment(simulate("fe_preisach", "pv_loop", n_devices=2)).axes[0].lines) == 4
