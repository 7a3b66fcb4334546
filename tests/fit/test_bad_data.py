"""Measurements that cannot be fitted, or tell less than they seem to: a named error or a sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.errors import BadInput
from nvmphys.fit.paths import observed_paths
from nvmphys.fit.plausible import check_polarity, directions, turned
from nvmphys.records import Measurement, Source

FREE = ("g0", "V0")


@pytest.fixture(scope="module")
def loop():
    return nv.simulate("rram_gap", "sweep", settings={"points": 60}).table.drop(columns=["experiment"], errors="ignore")


def pulses(sign=1.0):
    table = nv.simulate("rram_gap", "pulse_train", settings={"n_pulses": 8, "opposite_V": -2.2}).table
    return table.drop(columns=["experiment"], errors="ignore").assign(pulse_voltage_V=sign * table["pulse_voltage_V"])


def other_polarity(table):
    return table.assign(voltage_V=-table["voltage_V"], current_A=-table["current_A"])


def in_compliance(table):
    return table.assign(current_A=np.sign(table["voltage_V"]) * 1e-6)


BAD_SWEEPS = {
    "current that never changes": (lambda t: t.assign(current_A=1e-6), "current_A is the same|no row tells"),
    "voltage that never changes": (lambda t: t.assign(voltage_V=0.0), "no row tells of the device"),
    "a single point": (lambda t: t.iloc[5:6], "current_A is the same in all 1 rows|as many numbers|no row tells"),
    "all in compliance": (in_compliance, "current_A is the same|no row tells of the device"),
    "the other polarity": (other_polarity, "the data switch at the other polarity than rram_gap.*sign = -1"),
    "no time column": (lambda t: t.drop(columns="time_s"), "needs the columns time_s.*column map"),
    "time that stands still": (lambda t: t.assign(time_s=1e-3), "time_s must increase|times .* must"),
}


@pytest.mark.parametrize("what", BAD_SWEEPS)
def test_a_bad_sweep_is_a_named_error(what, loop):
    spoil, words = BAD_SWEEPS[what]
    with pytest.raises(BadInput, match=words):
        nv.fit([Measurement("sweep", spoil(loop), Source("made"))], "rram_gap", free=FREE, starts=1)


BAD_PULSES = {
    "conductance that never changes": (lambda t: t.assign(conductance_S=1e-5), "conductance_S is the same"),
    "a single pulse": (lambda t: t.iloc[1:2], "conductance_S is the same in all 1 rows"),
    "SET and RESET exchanged": (
        lambda t: t.assign(pulse_voltage_V=-t["pulse_voltage_V"]), "the data switch at the other polarity"
    ),
    "no width": (lambda t: t.drop(columns="pulse_width_s"), "needs the columns .*got no pulse_width_s"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_PULSES)
def test_bad_pulses_are_a_named_error(what):
    spoil, words = BAD_PULSES[what]
    with pytest.raises(BadInput, match=words):
        nv.fit([Measurement("pulse_train", spoil(pulses()), Source("made"))], "rram_gap", free=FREE, starts=1)


def test_a_model_that_knows_no_sign_is_not_told_of_the_other_polarity():
    table = nv.simulate("pcm_thermal", "pulse", rng=1).table
    mirrored = 1 / table["conductance_S"] * table["conductance_S"].median() ** 2  # raised where the model lowers
    data = Measurement("pulse", table.assign(conductance_S=mirrored), Source("made"))
    observed = observed_paths(data, nv.device("pcm_thermal"))
    check_polarity(
        "pcm_thermal", observed, lambda: observed_paths(turned(data), nv.device("pcm_thermal")),
        nv.device("pcm_thermal").values(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: t.drop(columns="time_s"), "time_s"),
        (other_polarity, "other polarity"),
        (lambda t: t.assign(current_A=1e-6), "current_A is the same|no row tells"),
    ],
)
def test_the_command_line_says_it_in_one_message_and_ends_with_2(tmp_path, loop, spoil, words):
    file, card = tmp_path / "iv.csv", tmp_path / "mine.toml"
    spoil(loop).assign(experiment="sweep").to_csv(file, index=False)
    done = CliRunner().invoke(app, ["fit", str(file), "--model", "rram_gap", "--free", "g0,V0", "-o", str(card)])
    assert isinstance(done.exception, BadInput), done.output
    assert done.exception.exit_code == 2
    assert any(word in str(done.exception) for word in words.split("|"))
    assert not card.exists()


def test_signs_turned_in_a_column_map_turn_the_polarity_back(tmp_path, loop):
    file = tmp_path / "iv.csv"
    other_polarity(loop).to_csv(file, index=False)
    turned = {
        "voltage_V": {"column": "voltage_V", "sign": -1}, "current_A": {"column": "current_A", "sign": -1},
        "time_s": {"column": "time_s"},
    }  # fmt: skip
    (read,) = nv.read(file, {"experiment": "sweep", "columns": turned})
    assert read.table["voltage_V"].to_numpy() == pytest.approx(loop["voltage_V"].to_numpy())
    assert any("sign turned" in said for said in read.understood)
    with pytest.raises(BadInput, match="conductance_S: has no sign to turn"):
        nv.read(file, {"columns": {"conductance_S": {"column": 1, "sign": -1}}})


def test_a_sweep_mostly_in_compliance_and_devices_that_are_copies_are_said(loop):
    limit = float(loop["current_A"].abs().max()) * 1e-2
    held = loop.assign(current_A=loop["current_A"].clip(-limit, limit))
    copies = pd.concat([held.assign(device_id=k) for k in (1, 2, 3)])
    fit = nv.fit([Measurement("sweep", copies, Source("made"))], "rram_gap", free=("g0",), starts=1, holdout=0,
                 profiles=False)  # fmt: skip
    assert any("points of the sweep tell of the device" in said for said in fit.said)
    assert any("all 3 devices are alike, number for number" in said for said in fit.said)
    assert any("alike, number for number" in said for said in fit.card("mine").unknown)


def test_which_way_voltages_move_a_device_is_read_from_each_experiment():
    train = pulses()
    assert directions("pulse_train", train)[1] > 0.1 > -0.1 > directions("pulse_train", train)[-1]
    grid = pd.DataFrame({"pulse_voltage_V": [0.0, -1.0, -2.0], "conductance_S": [1e-5, 1e-5, 1e-6]})
    assert directions("pulse", grid) == pytest.approx({-1: -1.0})
    assert directions("retention", grid) == {}


def cells(n=40, seed=1):
    """Return one pulse on each of many cells at four voltages, with the read before it."""
    rng = np.random.default_rng(seed)
    volts = np.repeat([1.5, 2.0, 2.5, 3.0], n)
    device = np.arange(volts.size)
    common = {"device_id": device, "pulse_width_s": 1e-7, "gate_voltage_V": 1.5}
    first = pd.DataFrame({**common, "pulse_voltage_V": volts, "cycle": 0,
                          "resistance_ohm": 1e5 * np.exp(0.2 * rng.standard_normal(volts.size))})  # fmt: skip
    after = first.assign(cycle=1, resistance_ohm=1e4 * np.exp(0.2 * rng.standard_normal(volts.size)))
    return pd.concat([first, after], ignore_index=True)


def ramps(n=12):
    reads = np.concatenate([np.linspace(1e-5, 5e-5, 16), np.linspace(5e-5, 1e-5, 16)[1:]])
    volts = np.concatenate([[0.0], np.full(15, 1.0), np.full(15, -1.0)])
    rng = np.random.default_rng(2)
    one = pd.DataFrame({"pulse_voltage_V": volts, "pulse_width_s": 1e-7})
    table = pd.concat([one.assign(conductance_S=reads + 1e-7 * rng.standard_normal(31)) for _ in range(n)])
    return table.assign(cycle=np.arange(len(table)))


def relaxing(n=64):
    rng = np.random.default_rng(3)
    first = np.tile(np.linspace(2e-6, 38e-6, 32), n // 32)
    one = pd.DataFrame({"device_id": np.arange(n), "target_S": first})
    parts = [
        one.assign(time_s=t, conductance_S=first + 1e-7 * (t > 0) * rng.standard_normal(n)) for t in (0.0, 1.0, 10.0)
    ]
    return pd.concat(parts, ignore_index=True)


BAD_LAWS = {
    "single_pulse, resistance that never changes": (
        "single_pulse", "pulse", lambda: cells().assign(resistance_ohm=1e4), "no switching|alike"),
    "single_pulse, one cell": ("single_pulse", "pulse", lambda: cells().iloc[:1], "needs reads before the pulse"),
    "single_pulse, SET and RESET exchanged": (
        "single_pulse", "pulse", lambda: (t := cells()).assign(cycle=1 - t["cycle"]), "rises in .*exchanged"),
    "single_pulse, all cells identical": (
        "single_pulse", "pulse", lambda: (t := cells()).assign(
            resistance_ohm=np.where(t["cycle"] == 0, 1e5, 1e4)), "all cells alike"),
    "single_pulse, no width": (
        "single_pulse", "pulse", lambda: cells().drop(columns="pulse_width_s"), "needs pulse_width_s"),
    "pulse_ramps, conductance that never changes": (
        "pulse_ramps", "pulse_train", lambda: ramps().assign(conductance_S=1e-5), "does not change"),
    "pulse_ramps, one read": ("pulse_ramps", "pulse_train", lambda: ramps().iloc[:1], "does not change|needs"),
    "pulse_ramps, signs mixed": (
        "pulse_ramps", "pulse_train",
        lambda: (t := ramps()).assign(pulse_voltage_V=t["pulse_voltage_V"].abs()), "run both ways|needs"),
    "pulse_ramps, copies of one ramp": (
        "pulse_ramps", "pulse_train",
        lambda: pd.concat([ramps(1)] * 12).assign(cycle=np.arange(31 * 12)), "all alike, read for read"),
    "relaxation, no time": ("relaxation", "retention", lambda: relaxing().drop(columns="time_s"), "time_s"),
    "relaxation, one read": ("relaxation", "retention", lambda: relaxing().iloc[:1], "read|level|cell"),
    "relaxation, cells that never change": (
        "relaxation", "retention", lambda: (t := relaxing()).assign(conductance_S=t["target_S"]), "change|alike|same"),
    "relaxation, conductance the same in all": (
        "relaxation", "retention", lambda: relaxing().assign(conductance_S=1e-5), "level|same|change|alike"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_LAWS)
def test_bad_data_for_a_law_are_a_named_error_or_a_withheld_card(what):
    model, experiment, make, words = BAD_LAWS[what]
    try:
        found = nv.fit([Measurement(experiment, make(), Source("made"))], model)
    except BadInput as error:
        said = str(error)
    else:
        said = getattr(found, "withheld", "")
    assert any(word in said for word in words.split("|")) or pd.Series([said]).str.contains(words).all(), said
