"""Write-verify: which pulse a cell gets, when it is done, and what it costs, against a scheme written out by hand."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.devices import device
from nvmphys.errors import BadInput
from nvmphys.simulate import experiment, read, simulate, transient
from nvmphys.simulate.devices import alike, drawn, redrawn
from nvmphys.simulate.waveform import joined, pulse
from nvmphys.simulate.write_verify import WriteVerify

SPREAD = {"vgap": {"sigma": 0.5, "sigma_ref": "of_value"}}
GIVEN = {"target_S": 1e-4, "set_V": (1.3, 0.1, 2.0), "reset_V": (-1.3, -0.1, -1.8), "max_pulses": 40}


def by_hand(cells, target, window, sets, resets, most):
    """Program one device, a step at a time; return amplitudes and conductances."""
    model = device("rram_gap")
    states = cells.start(model, None)
    seen = [float(read(model, cells, states, 0.1, 300.0)[0][0]) / 0.1]
    volts, kind, at = [], None, 0
    while abs(seen[-1] - target) > window and len(volts) < most:
        now = sets if seen[-1] < target else resets
        at = at + 1 if kind is now else 0
        kind = now
        volts.append(now[min(at, len(now) - 1)])
        states = transient(model, joined(pulse(volts[-1], 2e-8)), cells, start=states).states[-1]
        seen.append(float(read(model, cells, states, 0.1, 300.0)[0][0]) / 0.1)
    return volts, seen


def test_each_device_goes_the_way_that_the_scheme_says():
    found = simulate("rram_gap", "write_verify", n_devices=6, rng=2, settings=GIVEN, population=SPREAD).table
    cells = drawn(device("rram_gap"), 6, np.random.default_rng(2), population=SPREAD)
    turned = 0
    for k in range(6):
        sets, resets = [1.3 + 0.1 * i for i in range(8)], [-1.3 - 0.1 * i for i in range(6)]
        volts, seen = by_hand(cells.only(np.array([k])), 1e-4, 5e-6, sets, resets, 40)
        rows = found[found["device_id"] == k + 1]
        assert rows["cycle"].tolist() == list(range(len(seen)))
        assert rows["pulse_voltage_V"].to_numpy() == pytest.approx([0.0, *volts])
        assert rows["conductance_S"].to_numpy() == pytest.approx(seen, rel=1e-5)
        turned += np.count_nonzero(np.diff(np.sign(volts)))
    assert turned > 3


class Steps:
    """Cells that a pulse moves by its amplitude times a step of their own, in the direction of its sign."""

    def __init__(self, start, gain):
        self.g, self.gain, self.log = start.copy(), gain, []

    def read(self):
        return self.g.copy()

    def pulse(self, which, amplitude, width):
        self.log += [(int(k), amplitude, width) for k in which]
        self.g[which] = np.maximum(self.g[which] + amplitude * self.gain[which], 0.0)
        return np.full(which.size, abs(amplitude))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0.0, 30.0), st.floats(0.1, 8.0)), min_size=1, max_size=8),
    st.booleans(),
    st.integers(1, 25),
)
def test_pulses_point_at_the_window_rise_while_they_keep_their_direction_and_stop_inside_it(cells, resets, most):
    start, gain = (np.array(column) * 1e-6 for column in zip(*cells, strict=True))
    scheme = WriteVerify(
        target_S=10e-6, window_S=1e-6, set_V=(1.0, 0.5, 2.0), reset_V=(-0.5, -0.25, -1.0) if resets else None,
        set_width_s=1e-8, reset_width_s=3e-8, max_pulses=most,
    )  # fmt: skip
    fake = Steps(start, gain)
    table = scheme.program(fake, np.full(start.size, 10e-6), np.random.default_rng(0), lambda done, total: None)
    for k, rows in table.groupby("cell"):
        volts, seen = rows["pulse_voltage_V"].to_numpy()[1:], rows["conductance_S"].to_numpy()
        assert seen[0] == start[k]
        assert rows["cycle"].tolist() == list(range(len(rows)))
        outside = np.abs(seen - 10e-6) > 1e-6
        assert outside[:-1].all()
        assert (np.sign(volts) == np.sign(10e-6 - seen[:-1])).all()
        stuck = not resets and seen[-1] > 11e-6
        assert not outside[-1] or stuck or len(volts) == most
        assert [(amplitude, width) for cell, amplitude, width in fake.log if cell == k] == [
            (v, 1e-8 if v > 0 else 3e-8) for v in volts
        ]
        place = 0
        for i, v in enumerate(volts):
            place = place + 1 if i and np.sign(v) == np.sign(volts[i - 1]) else 0
            expected = [1.0, 1.5, 2.0] if v > 0 else [-0.5, -0.75, -1.0]
            assert v == expected[min(place, 2)]
        assert rows["energy_J"].to_numpy() == pytest.approx([0.0, *np.abs(volts)])


def test_targets_are_programmed_on_fresh_devices_that_are_the_same():
    how = {"n_devices": 5, "rng": 3, "population": SPREAD}
    both = simulate("rram_gap", "write_verify", settings=GIVEN | {"target_S": (3e-5, 1e-4)}, **how).table
    for target in (3e-5, 1e-4):
        alone = simulate("rram_gap", "write_verify", settings=GIVEN | {"target_S": target}, **how).table
        assert both[both["target_S"] == target].reset_index(drop=True).equals(alone)


def test_the_energy_of_a_pulse_that_moves_nothing_is_voltage_times_current_times_width():
    given = {"target_S": 1e-4, "set_V": (0.6, 0.0, 0.6), "max_pulses": 3}
    table = simulate("rram_gap", "write_verify", settings=given, start={"g": 1.0}).table
    assert table["conductance_S"].nunique() == 1
    size = 1e-3 * np.exp(-1.0 / 0.25)
    current = brentq(lambda i: i - size * np.sinh((0.6 - 100.0 * i) / 0.25), 0.0, 1e-2, xtol=1e-16)
    assert table["energy_J"].to_numpy() == pytest.approx([0.0, *[0.6 * current * 2e-8] * 3], rel=1e-4)


def test_without_reset_a_cell_above_the_window_is_given_up():
    found = simulate("pcm_accumulative", "write_verify", n_devices=200, rng=1, settings={"target_S": 5e-6})
    table = found.table
    assert (table["pulse_voltage_V"] >= 0).all()
    last = table.groupby("device_id").tail(1)
    above = last["conductance_S"] > 5.5e-6
    assert 0.1 < above.mean() < 0.6
    assert (table.loc[table.index.difference(last.index), "conductance_S"] < 4.5e-6).all()
    (row,) = nv.programming_summary(found).to_dict("records")
    assert row["ended_above"] == above.mean()
    assert row["accepted"] == (np.abs(last["conductance_S"] - 5e-6) <= 0.5e-6).mean()


def test_noise_of_the_verifying_read_decides_and_is_told_apart():
    given = GIVEN | {"read_sigma_S": 2e-6, "read_sigma_of_value": 0.03}
    table = simulate("rram_gap", "write_verify", n_devices=150, rng=1, settings=given, population=SPREAD).table
    sigma = 2e-6 + 0.03 * table["conductance_S"]
    score = (table["verified_S"] - table["conductance_S"]) / sigma
    assert score.mean() == pytest.approx(0.0, abs=4 / np.sqrt(len(table)))
    assert score.std() == pytest.approx(1.0, rel=4 / np.sqrt(2 * len(table)))
    last = table.groupby("device_id").tail(1)
    inside = np.abs(last["verified_S"] - 1e-4) <= 5e-6
    assert inside.mean() > 0.95
    assert 0.2 < (np.abs(last["conductance_S"] - 1e-4) > 5e-6).mean() < 0.8


def test_pulses_that_differ_move_like_devices_apart():
    alone = {"n_devices": 20, "rng": 1}
    same = simulate("rram_gap", "write_verify", settings=GIVEN, **alone).table
    apart = simulate("rram_gap", "write_verify", settings=GIVEN | {"c2c": {"vgap": 0.5}}, **alone).table
    assert same.groupby("device_id")["cycle"].max().nunique() == 1
    assert apart.groupby("device_id")["cycle"].max().nunique() > 3


def test_parameters_drawn_anew_spread_around_their_own_values():
    model = device("rram_gap")
    cells = drawn(model, 20_000, np.random.default_rng(1), population=SPREAD)
    anew = redrawn(model, cells, {"vgap": 0.3, "Ea": 0.01}, np.random.default_rng(2)).values
    ratio = anew["vgap"] / cells.values["vgap"]
    assert np.log(ratio).mean() == pytest.approx(0.0, abs=0.01)
    assert ratio.std() / ratio.mean() == pytest.approx(0.3, rel=0.05)
    assert (anew["Ea"] / 0.6).std() == pytest.approx(0.01, rel=0.05)
    assert anew["I0"].tolist() == cells.values["I0"].tolist()
    with pytest.raises(BadInput, match="unknown parameter of rram_gap that pulses can differ in 'vgaps': did you mean"):
        redrawn(model, alike(model), {"vgaps": 0.1}, np.random.default_rng(1))
    with pytest.raises(BadInput, match="that pulses can differ in 'xi'"):
        redrawn(device("pcm_accumulative"), alike(device("pcm_accumulative")), {"xi": 0.1}, np.random.default_rng(1))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            {"set_V": (1.0, 0.0, 2.0)},
            "set_V: the step must lead from the first amplitude, not 0 V, to the last in fewer",
        ),
        ({"set_V": (1.0, -0.1, 2.0)}, "(got 1 V by -0.1 V to 2 V)"),
        ({"set_V": (0.0, 0.1, 2.0)}, "not 0 V"),
        ({"reset_V": (-1.0, -1e-5, -2.0)}, "fewer than 10,000 pulses (got -1 V by -1e-05 V to -2 V)"),
        ({"set_V": (1.0, 2.0)}, "settings of write_verify: set_V"),
        ({"target_S": (1e-4, 0.0)}, "target_S: Input should be greater than 0"),
        ({"window_of_target": 0.0}, "window_of_target must be > 0 where no window_S is given"),
        ({"window_S": -1e-6}, "window_S: Input should be greater than 0"),
        ({"max_pulses": 0}, "max_pulses: Input should be greater than or equal to 1"),
        ({"read_sigma_S": np.nan}, "read_sigma_S: Input should be a finite number"),
        ({"c2c": {"vgaps": 0.1}}, "did you mean vgap"),
        ({"c2c": {"vgap": -0.1}}, "c2c: Input should be greater than or equal to 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(BadInput, match=re.escape(words)):
        simulate("rram_gap", "write_verify", settings=GIVEN | wrong)


def test_the_command_prints_what_came_of_it(tmp_path):
    file = tmp_path / "log.csv"
    how = ["--devices", "8", "--with", "target_S=1e-4", "--with", "c2c.vgap=0.2", "--with", "c2c.Ea=0.001"]
    line = ["simulate", "rram_gap", "--experiment", "write_verify", "-o", str(file), *how]
    told = CliRunner().invoke(app, line)
    assert told.exit_code == 0
    assert told.stdout.split() == [str(file)]
    assert "accepted" in told.stderr
    figures = json.loads(CliRunner().invoke(app, [*line, "--json"]).stdout)
    (row,) = figures["programming"]
    (log,) = nv.read(file)
    (again,) = nv.programming_summary(log).to_dict("records")
    assert row == pytest.approx(again)
    assert row["cells"] == 8
    assert json.loads(figures["understood"][1].removeprefix("settings: "))["c2c"] == {"vgap": 0.2, "Ea": 0.001}


def test_a_window_in_siemens_stands_in_place_of_the_share():
    made = experiment(device("rram_gap"), "write_verify", {"window_S": 2e-6})
    assert made.windows(np.array([1e-5, 1e-4])).tolist() == [2e-6, 2e-6]
    share = experiment(device("rram_gap"), "write_verify", {"window_of_target": 0.1})
    assert share.windows(np.array([1e-5, 1e-4])) == pytest.approx([1e-6, 1e-5])
