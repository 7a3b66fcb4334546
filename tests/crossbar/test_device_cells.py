"""Cells of device models at frozen states: the nodal solver against ngspice, the model against its other code."""

import importlib.util

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import brentq

import nvmphys as nv
from nvmphys.codegen import generate
from nvmphys.codegen.frozen import frozen_subcircuit
from nvmphys.crossbar import AccessTransistor, Crossbar, run, sensitivity, validate
from nvmphys.crossbar.checks import check_cell
from nvmphys.crossbar.device_cells import DeviceCells, TransistorCells, drawn_cells
from nvmphys.crossbar.netlist import operating_point_options
from nvmphys.devices.transistor import channel_current
from nvmphys.errors import BadInput, CheckFailed
from nvmphys.simulate.frozen import frozen

CONDUCTING = ["pcm_accumulative", "pcm_thermal", "rram_gap", "rram_jart", "rram_threshold", "rram_gap_1t1r"]


def array(name, shape, seed=1):
    """Return an array of cells at drawn states between wires, and mixed voltages."""
    rng = np.random.default_rng(seed)
    cells = drawn_cells(nv.device(name), shape, rng)
    v = rng.uniform(0.05, 0.3, shape[0]) * np.where(rng.random(shape[0]) < 0.3, -1, 1)
    return Crossbar(cells.conductance_S, 2, 3, 50, 20, cell=cells), v


@pytest.mark.parametrize("name", CONDUCTING)
def test_an_array_of_device_cells_agrees_with_ngspice(ngspice, name):
    found = validate(*array(name, (3, 5)), tolerance=1e-9)
    assert found.passed, found


@pytest.mark.parametrize("method", ["cg", "nodal"])
def test_both_solvers_take_device_cells_at_16_lines(ngspice, method):
    crossbar, v = array("rram_gap", (16, 16))
    found = validate(crossbar, v, tolerance=1e-10)
    assert found.passed, found
    assert_allclose(crossbar.solve(v, method).current_A, found.spice.solution.current_A, rtol=1e-9)


def test_transistor_cells_agree_with_ngspice(ngspice):
    rng = np.random.default_rng(2)
    cells = TransistorCells(nv.device("fefet"), [1.2, 0.9, 1.5], {"smean": rng.uniform(0, 1, (3, 4)), "filled": 0.1})
    found = validate(Crossbar(cells.conductance_S, 2, 3, 50, 20, cell=cells), [0.1, 0.2, -0.1], tolerance=1e-6)
    assert found.passed, found


def test_a_device_behind_an_access_transistor_agrees_with_ngspice_and_so_does_each_cell_alone(ngspice):
    rng = np.random.default_rng(3)
    resistive = DeviceCells(nv.device("rram_gap"), {"g": rng.uniform(0.3, 1.6, (3, 4))})
    cells = AccessTransistor([1.5, 2.0, 2.5], threshold_V=0.5, slope=1.3, beta=5e-4, resistive=resistive)
    crossbar = Crossbar(resistive.conductance_S, 2, 3, 50, 20, cell=cells)
    found = validate(crossbar, [0.2, -0.3, 0.1], tolerance=1e-9)
    assert found.passed, found
    alone = check_cell(crossbar, 0.3, ngspice)  # cell 0,0 among them, whose names are like new ones
    assert alone.status == "passed", alone


@pytest.mark.parametrize("name", ["pcm_thermal", "rram_gap", "rram_jart"])
def test_a_frozen_device_conducts_what_its_generated_python_module_says(name, tmp_path):
    model, state = nv.device(name), {"rram_gap": 1.1, "rram_jart": 0.3, "pcm_thermal": 0.2}[name]
    path = tmp_path / f"{name}_module.py"
    path.write_text(generate(model, "python"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    states = (state, *module.START[1:])
    cells = frozen(model, dict(zip([s.name for s in model.states], states, strict=False)), temperature_K=320.0)
    for volts in (0.2, -0.3):
        inner = brentq(lambda v, at=volts: module.port(v, *states, T_amb=320.0) - at, -1, 1, xtol=1e-16, rtol=1e-15)
        current, slope = cells.conduction(volts + np.array([-1e-6, 0.0, 1e-6]))
        assert_allclose(current[1], module.current(inner, *states, T_amb=320.0), rtol=1e-9)
        assert_allclose(slope[1], (current[2] - current[0]) / 2e-6, rtol=1e-5)


def test_a_frozen_device_has_its_slope_at_voltages_near_zero():
    still = frozen(nv.device("rram_jart"), {"logn": np.full(5, 0.0)})
    current, slope = still.conduction(np.array([-1e-9, -1e-12, 1e-12, 1e-9, 1e-7]))
    assert slope == pytest.approx(np.full(5, slope[-1]), rel=1e-4)
    assert current == pytest.approx(slope[-1] * np.array([-1e-9, -1e-12, 1e-12, 1e-9, 1e-7]), rel=1e-3)


def test_a_frozen_subcircuit_has_the_operating_point_that_the_device_itself_has_not(ngspice):
    model = nv.device("rram_gap")
    texts = {"rram_gap_frozen": frozen_subcircuit(model), "rram_gap": generate(model, "ngspice")}
    options = operating_point_options(klu=False, linear=False)
    decks = {
        name: f"cell\n{text}\nv1 a 0 2.5\nx1 a 0 {name} g_0=1.0\n.options temp=26.85 {options}\n.op\n.end\n"
        for name, text in texts.items()
    }
    wanted = frozen(model, {"g": 1.0}).conduction(np.array([2.5]))[0][0]
    assert_allclose(-run(decks["rram_gap_frozen"], ngspice).plot["i(v1)"][0], wanted, rtol=1e-9)
    with pytest.raises(CheckFailed, match=r"singular matrix:  check node x1\.x_g"):
        run(decks["rram_gap"], ngspice)


def test_cells_without_a_series_resistance_have_none_in_ngspice(ngspice):
    cells = DeviceCells(nv.device("rram_gap"), {"g": [[0.2]]}, {"Rs": 0.0, "I0": 0.1})
    found = validate(Crossbar(cells.conductance_S, 0, 0, cell=cells), [0.2], tolerance=1e-12)
    assert found.passed, found  # 1 mohm would show in the fourth digit


def test_parameters_may_differ_from_cell_to_cell_and_an_open_cell_is_open(ngspice):
    cells = DeviceCells(nv.device("rram_gap"), {"g": 1.0}, {"g0": [[0.2e-9, 0.3e-9], [0.25e-9, 0.4e-9]]}, 330.0)
    conductance = np.where([[False, False], [True, False]], 0.0, cells.conductance_S)
    crossbar = Crossbar(conductance, 2, 3, cell=cells)
    found = validate(crossbar, [0.2, 0.1], tolerance=1e-10)
    assert found.passed, found
    assert found.nodal.cell_current_A[1, 0] == 0


def test_cells_that_are_all_given_one_state_are_as_many_as_asked_for():
    cells = drawn_cells(nv.device("rram_gap"), (2, 3), np.random.default_rng(1), start={"g": 1.2})
    assert_allclose(cells.conductance_S, np.full((2, 3), cells.conductance_S[0, 0]))


def test_the_sensitivity_is_that_of_a_cell_that_grows_as_a_whole():
    crossbar, v = array("rram_gap", (3, 4))
    found = sensitivity(crossbar, v, [1.0, 0, 0, 0])
    grown = {}
    for factor in (1 - 1e-5, 1 + 1e-5):  # I0 multiplies the current, behind a series resistance that is as small
        one = np.ones((3, 4))
        one[1, 0] = factor
        cells = DeviceCells(crossbar.cell.model, crossbar.cell.states, {"I0": 1e-3 * one, "Rs": 100 / one})
        grown[factor] = Crossbar(cells.conductance_S, 2, 3, 50, 20, cell=cells).solve(v).current_A[0]
    slope = np.diff(list(grown.values()))[0] / 2e-5 / crossbar.conductance_S[1, 0]
    assert_allclose(found[1, 0], slope, rtol=1e-6)


def test_a_transistor_cell_far_from_its_ferroelectric_is_the_ekv_channel_with_its_bulk_at_the_source():
    """Drain and source exchanged, the current of a symmetric channel changes sign."""
    cells = TransistorCells(nv.device("fefet"), 2.0, {"smean": [[0.5]]})
    up = cells.state(np.ones((1, 1)), np.array([[0.05]]), np.zeros((1, 1)))
    step = cells.state(np.ones((1, 1)), np.array([[0.05]]), np.full((1, 1), 1e-6))
    assert_allclose(step.current_A, up.current_A - 1e-6 * up.bit_slope_S, rtol=1e-6)
    channel = {"threshold_V": 0.5, "slope": 1.3, "beta": 5e-4}
    assert channel_current(2.0, 0.05, 0.0, **channel)[0] > 0
    assert up.current_A[0, 0] > 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DeviceCells(nv.device("fe_domains")), "must conduct between two terminals"),
        (lambda: DeviceCells(nv.device("fefet")), "TransistorCells"),
        (lambda: TransistorCells(nv.device("rram_gap"), 1.0), "must have a drain"),
        (lambda: DeviceCells(nv.device("rram_gap"), {"gap": 1.0}), "state of rram_gap"),
        (lambda: DeviceCells(nv.device("rram_gap"), {"g": [[1.0, 2.0]]}), r"g must lie within 0\.2 … 1\.7 \(got 2\)"),
        (lambda: DeviceCells(nv.device("rram_gap"), {}, {"Ea": 9.0}), "Ea must lie within"),
        (lambda: Crossbar([[1e-4]], 1, 1, cell=DeviceCells(nv.device("rram_gap"), {"g": [[1, 1]]})), "g must be one"),
    ],
)
def test_what_is_no_cell_is_refused_with_the_reason(make, words):
    with pytest.raises(BadInput, match=words):
        make()
