"""Write pulses in an array of dynamic cells, against lone cells taken through the same waveform by the integrator."""

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.codegen.osdi import find_compiler
from nvmphys.crossbar import Capacitance, Crossbar
from nvmphys.crossbar.device_cells import DeviceCells
from nvmphys.crossbar.writing import KINDS, WritePulse, kinds, line_voltages, pulses_to_limit, write
from nvmphys.errors import BadInput
from nvmphys.simulate.devices import Devices
from nvmphys.simulate.transient import transient
from nvmphys.simulate.waveform import joined

SMALL = WritePulse(0.4, 3e-5)
PULSE = WritePulse(1.2, 2e-4)
"""Long enough for the threshold model to move at a half and at a third of it."""


def cells(shape=(3, 4), name="rram_threshold", state="w", low=0.1, high=0.6):
    rng = np.random.default_rng(1)
    return DeviceCells(nv.device(name), {state: rng.uniform(low, high, shape)})


def alone(held, share_of_cells, pulse):
    """Return states and energies of cells, each alone at its share of the pulse's voltage."""
    (name, states), shape = next(iter(held.states.items())), share_of_cells.shape
    found, energy = np.empty(shape), 0.0
    for share in np.unique(share_of_cells):
        here = share_of_cells == share
        values = {key: np.full(here.sum(), value) for key, value in held.model.values().items()}
        waveform = joined(pulse.pieces(share), held.temperature_K)
        done = transient(held.model, waveform, Devices(values, {}), start=states[here][:, np.newaxis, np.newaxis])
        found[here], energy = done.states[-1, :, 0, 0], energy + done.energy_J[-1].sum()
    return name, found, energy


@pytest.mark.parametrize(("form", "scheme"), [("subcircuit", "half"), ("osdi", "half"), ("osdi", "third")])
def test_without_wires_each_cell_moves_as_one_alone_at_its_share_of_the_voltage(ngspice, form, scheme):
    if form == "osdi" and not (ngspice.has_osdi and find_compiler()):
        pytest.skip("no compiled Verilog-A here")
    held = cells((2, 2))
    crossbar = Crossbar(held.conductance_S, 0, 0, cell=held)
    done = write(crossbar, [(1, 0)], PULSE, scheme=scheme, form=form)
    line, other = {"half": (1 / 2, 0), "third": (1 / 3, -1 / 3)}[scheme]
    share = {"selected": 1, "same row": line, "same column": line, "unselected": other}
    name, wanted, energy = alone(held, np.vectorize(share.get, otypes=[float])(done.kind), PULSE)
    assert_allclose(done.states_after[name], wanted, atol=2e-5)
    assert_allclose(done.energy_J, energy, rtol=1e-3)
    moved = np.abs(done.change)
    assert moved[1, 0] > 0.1
    assert moved[done.kind == "same row"].min() > 1e-3
    assert (moved[done.kind == "unselected"].max() < 1e-9) == (scheme == "half")


def test_pulses_add_up_and_cells_are_written_one_after_the_other(ngspice):
    held = cells((3, 3))
    crossbar = Crossbar(held.conductance_S, 2, 2, cell=held)
    told = []
    both = write(crossbar, [(0, 0), (0, 0), (1, 2)], PULSE, progress=lambda *said: told.append(said))
    assert [said[1:] for said in told] == [(k, 3) for k in range(1, 4)]
    first = write(crossbar, [(0, 0)], PULSE, repeat=2)
    after = DeviceCells(held.model, first.states_after)
    second = write(Crossbar(after.conductance_S, 2, 2, cell=after), [(1, 2)], PULSE)
    assert_allclose(both.states_after["w"], second.states_after["w"], atol=1e-9)
    assert_allclose(both.energy_J, [*first.energy_J, *second.energy_J], rtol=1e-9)
    assert set(both.by_kind()) == set(KINDS)


def test_wires_take_voltage_from_the_far_cell_and_a_floating_array_disturbs_less_than_its_voltage(ngspice):
    held = cells()
    near, far = (
        write(Crossbar(held.conductance_S, ohm, ohm, cell=held), [(0, 3)], PULSE).states_after["w"][0, 3]
        for ohm in (0.0, 20.0)
    )
    assert far < near - 1e-3
    floating = write(Crossbar(held.conductance_S, 1, 1, cell=held), [(0, 3)], PULSE, scheme="floating")
    before, after = floating.states_before["w"], floating.states_after["w"]
    assert after[0, 3] > before[0, 3] + 0.05
    assert (np.abs(after - before) > 0).sum() > 1


def test_line_capacitance_delays_what_a_cell_sees(ngspice):
    held = cells((2, 2))
    capacitance = Capacitance(word_line_F=1e-6)  # with 100 ohm a time constant of as long as the pulse
    crossbar = Crossbar(held.conductance_S, 1, 1, r_driver_ohm=100, cell=held)
    fast, slow = (write(array, [(1, 0)], PULSE) for array in (crossbar, replace(crossbar, capacitance=capacitance)))
    assert slow.states_after["w"][1, 0] < fast.states_after["w"][1, 0] - 1e-3


def test_the_number_of_pulses_to_a_limit_is_that_of_one_pulse_after_the_other():
    held = cells((1, 2), low=0.2, high=0.3)
    limit = 0.05
    count = pulses_to_limit(held, SMALL, 0.5, limit, most=50)
    states, before = held.states["w"], None
    for k in range(1, int(count.min()) + 1):
        now = DeviceCells(held.model, {"w": states})
        _, states, _ = alone(now, np.full((1, 2), 0.5), SMALL)
        before = now.states["w"] if k == int(count.min()) else before
    change = states / held.states["w"] - 1  # this model's conductance is proportional to its state
    place = np.unravel_index(count.argmin(), count.shape)
    assert 2 < count.min() < 50
    assert change[place] > limit >= (before / held.states["w"] - 1)[place]


def test_lines_of_the_schemes_and_kinds_of_cells():
    for scheme, others in (("half", (0.9, 0.9)), ("third", (0.6, 1.2))):
        word, bit = line_voltages(scheme, (2, 3), (1, 0), 1.8)
        assert_allclose(word, [others[0], 1.8])
        assert_allclose(bit, [0.0, others[1], others[1]])
    assert kinds((3, 3), [(0, 0), (1, 1)])[0, 1] == "same row and column"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scheme": "quarter"}, "unknown scheme"),
        ({"places": [(3, 0)]}, "cell 3,0 must lie within 3×4 lines"),
        ({"places": []}, "places and repeat"),
        ({"read_V": 0.0}, "read_V must be a voltage other than 0"),
        ({"form": "verilog"}, "unknown form"),
    ],
)
def test_what_cannot_be_written_is_refused(ngspice, change, words):
    held = cells()
    given = {"places": [(0, 0)], "write_pulse": PULSE} | change
    with pytest.raises(BadInput, match=words):
        write(Crossbar(held.conductance_S, 1, 1, cell=held), **given)


def test_cells_without_states_that_move_and_pulses_that_write_nothing_are_refused():
    with pytest.raises(BadInput, match="must be DeviceCells"):
        write(Crossbar([[1e-4]], 1, 1), [(0, 0)], PULSE)
    for voltage, width, edge in ((0.0, 1e-6, None), (1.0, 0.0, None), (1.0, 1e-6, 2e-6)):
        with pytest.raises(BadInput):
            WritePulse(voltage, width, edge)


def test_the_command_writes_a_table_a_summary_and_a_picture(ngspice, tmp_path):
    options = "rram_threshold --size 3x4 --voltage 1.2 --width 2e-4 --cell 1,2 --scheme third --limit 0.1 --json"
    done = CliRunner().invoke(app, ["crossbar", "write", *options.split(), "-o", str(tmp_path)], catch_exceptions=False)
    said = json.loads(done.stdout)
    assert {path.name for path in tmp_path.iterdir()} == {"cells.csv", "write.json", "write.png"}
    assert said["change"]["selected"]["cells"] == 1
    assert said["pulses_to_limit"]["voltage_V"] == pytest.approx(0.4)
    assert len((tmp_path / "cells.csv").read_text().splitlines()) == 13


@pytest.mark.parametrize(
    ("card", "cell", "words"),
    [("pcm_90nm", "1,1", "is a conductance card"), ("rram_gap", "1", "--cell must read WORD,BIT")],
)
def test_the_command_refuses_cards_without_dynamics_and_places_that_are_none(tmp_path, card, cell, words):
    options = ["--voltage", "1", "--width", "1e-6", "--cell", cell, "-o", str(tmp_path)]
    with pytest.raises(BadInput, match=words):
        CliRunner().invoke(app, ["crossbar", "write", card, *options], catch_exceptions=False)


def test_the_command_validates_a_dynamics_card_solver_and_cell(ngspice):
    given = ["crossbar", "validate", "rram_gap", "--size", "4x4", "--json"]
    said = json.loads(CliRunner().invoke(app, given, catch_exceptions=False).stdout)
    assert (said["solver"]["status"], said["cell"]["status"]) == ("passed", "passed")
    assert said["statistics"]["status"] == "not_made"
