"""The access transistor and cells in series with it: against mpmath, SciPy, ngspice and laws on paper."""

from __future__ import annotations

import importlib.util
import itertools
from dataclasses import replace

import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import nvmphys as nv
from nvmphys.codegen import generate
from nvmphys.crossbar.ngspice import run
from nvmphys.devices import device
from nvmphys.devices.model import AMBIENT, APPLIED, CELL, VOLTAGE, DeviceModel, State, symbol
from nvmphys.devices.transistor import channel_current, drain_voltage, in_series, saturation_current
from nvmphys.errors import BadInput
from nvmphys.fit.dynamics import fit_dynamics
from nvmphys.fit.paths import observed_paths
from nvmphys.parameters import Parameter
from nvmphys.simulate import transient
from nvmphys.simulate.devices import alike
from nvmphys.simulate.waveform import Piece, joined, through

CELLS = device("rram_gap_1t1r")
AMBIENT_K = 300.15
FET = {"threshold_V": 0.5, "slope": 1.3, "beta": 5e-4}
AT = FET | {"temperature_K": AMBIENT_K}
CORNERS_S = np.array([0.0, 3e-7, 6e-7, 9e-7, 1.2e-6])
CORNERS_V = np.array([0.0, 3.0, 0.0, -2.5, 0.0])
GATES = (1.6, 4.0)


def exact(gate, drain, source):
    """Return the current of EKV's equation, in mpmath's digits."""
    thermal = mpmath.mpf(1.380649e-23) / mpmath.mpf(1.602176634e-19) * 300
    pinch_off = (mpmath.mpf(gate) - 0.5) / mpmath.mpf(1.3)
    f, r = (mpmath.log(1 + mpmath.exp((pinch_off - v) / (2 * thermal))) ** 2 for v in (source, drain))
    return 2 * mpmath.mpf(1.3) * mpmath.mpf(5e-4) * thermal**2 * (f - r)


@pytest.mark.parametrize(
    "volts", [(-0.5, 1.0, 0.0), (0.4, 0.3, 0.1), (1.2, 1e-6, 0.0), (3.0, 0.2, 2.0), (5.0, 5.0, 4.0)]
)
def test_current_and_derivatives_are_those_of_the_equation_to_fifty_digits(volts):
    found = channel_current(*volts, **FET)
    with mpmath.workdps(50):
        current = float(exact(*volts))
        slopes = [float(mpmath.diff(exact, volts, n)) for n in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    assert [float(x) for x in found] == pytest.approx([current, *slopes], rel=1e-9, abs=0.0)


def test_symbols_and_numbers_are_the_same_transistor():
    arguments = [APPLIED, CELL, AMBIENT, *(symbol(n) for n in ("gate_V", "vth_t", "slope_t", "beta_t"))]
    written = sp.lambdify(arguments, CELLS.access.current, "numpy")
    applied, cell, gate = np.meshgrid([-2.0, -0.3, 0.0, 0.5, 3.0], np.linspace(-1, 1, 5), [-0.5, 0.6, 2.0])
    cell = cell * np.abs(applied)
    found = channel_current(gate, np.maximum(applied, 0) - cell, np.maximum(-applied, 0), **AT)[0]
    assert written(applied, cell, AMBIENT_K, gate, 0.5, 1.3, 5e-4) == pytest.approx(found, rel=1e-9, abs=1e-20)


def test_source_and_drain_are_alike_and_the_channel_saturates():
    gate = np.linspace(0.0, 3.0, 13)
    there, back = channel_current(gate, 0.7, 0.2, **FET), channel_current(gate, 0.2, 0.7, **FET)
    assert there[0] == pytest.approx(-back[0], rel=1e-12)
    assert there[2] == pytest.approx(-back[3], rel=1e-12)
    assert channel_current(gate, 20.0, 0.0, **FET)[0] == pytest.approx(saturation_current(gate, **FET), rel=1e-12)
    strong = saturation_current(3.0, **FET)
    assert strong == pytest.approx(5e-4 * 2.5**2 / (2 * 1.3), rel=1e-12)  # the square law
    decade = saturation_current(0.1, **FET) / saturation_current(0.0, **FET)
    assert np.log(decade) == pytest.approx(0.1 / (1.3 * 8.617333262e-5 * 300), rel=1e-3)  # n·u_T·ln 10 a decade


def test_the_voltage_dropped_is_the_inverse_until_the_current_saturates():
    drain = np.array([1e-3, 0.05, 0.3, 0.6])
    for gate, source in ((0.3, 0.0), (1.2, 0.0), (2.5, 0.4)):
        current = channel_current(gate, source + drain, source, **FET)[0]
        assert drain_voltage(current, gate, source, **FET) == pytest.approx(source + drain, abs=1e-5)
        assert drain_voltage(1.0001 * saturation_current(gate, source, **FET), gate, source, **FET) == np.inf


OHMIC = in_series(
    DeviceModel(
        name="ohmic", technology="rram", title="resistor", validity={"voltage_V": (-3.0, 3.0)}, references=("paper",),
        parameters=(
            Parameter("g", "S", 1e-3, (1e-9, 1.0), "conductance", "paper"),
            Parameter("w", "1/s", 1e7, (0.0, 1e9), "rate at 1 V", "paper"),
        ),
        states=(State("s", "grown share", "1", 1.0, sp.Integer(0), sp.Integer(10), sp.Integer(1)),),
        current=symbol("g") * sp.Symbol("s", real=True) * VOLTAGE, state_rate=(symbol("w") * VOLTAGE,),
        experiments={"sweep": {"positive_V": 1.0, "negative_V": -1.0, "compliance_A": 1e-3}}, limits=("all",),
    )
)  # fmt: skip
"""A conductance that grows with the voltage across itself."""


def balanced(applied, ohm, gate):
    """Return the current of a resistor and the transistor in series, by bisection of the voltage between them."""

    def through(cell):
        return channel_current(gate, max(applied, 0) - cell, max(-applied, 0), **AT)[0]

    cell = brentq(lambda v: v / ohm - through(v), *sorted((0.0, applied)), xtol=1e-15, rtol=1e-14)
    return cell / ohm


@pytest.mark.parametrize("gate", [-0.5, 0.45, 1.0, 4.0])
def test_a_resistor_in_series_carries_what_both_let_through_in_both_directions(gate):
    volts = np.array([0.01, 0.5, 3.0, -0.01, -0.5, -3.0])
    for g in (1e-7, 1e-3, 0.5):
        made = alike(OHMIC, {"g": g, "w": 0.0, "gate_V": gate})
        held = joined([Piece(1e-9, v, v, observed=True) for v in volts], AMBIENT_K)
        found = transient(OHMIC, held, made).current_A[:, 0]
        assert found == pytest.approx([balanced(v, 1 / g, gate) for v in volts], rel=1e-7)
    assert found[2] == pytest.approx(saturation_current(gate, **AT), rel=1e-5)  # the transistor limits a good conductor
    # while current flows out the source stands at what the cell drops: what is left of it falls short of the gate
    assert abs(found[5]) <= saturation_current(gate, **AT) * (1 + 1e-9)


def test_a_conductance_that_grows_behind_a_saturated_transistor_is_known_on_paper():
    """ds/dt = w·I/(g·s): s² grows linearly in time, and the current stays."""
    gate, g = 1.0, 1e-3
    limit = float(saturation_current(gate, **AT))
    wave = through(np.linspace(0.0, 1e-7, 21), np.full(21, 3.0), AMBIENT_K)
    found = transient(OHMIC, wave, alike(OHMIC, {"g": g, "gate_V": gate}), rtol=1e-9)
    assert found.current_A[:, 0] == pytest.approx(limit, rel=1e-9)
    assert found.states[:, 0, 0, 0] == pytest.approx(np.sqrt(1 + 2e7 * limit / g * wave.time_s), rel=1e-7)
    assert found.energy_J[-1, 0] == pytest.approx(3.0 * limit * 1e-7, rel=1e-7)
    assert "compliance_A" not in OHMIC.experiments["sweep"]


@pytest.fixture(scope="module")
def stiff(tmp_path_factory):
    """Return the generated module's path by SciPy: corner by corner, both currents equal at every point."""

    def solve(gate):
        path = tmp_path_factory.mktemp("generated") / "cell.py"
        path.write_text(generate(CELLS, "python", {"gate_V": gate}), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(f"cell_{gate}".replace(".", "_"), path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)

        def inner(volts, g):
            if volts == 0:
                return 0.0
            lack = lambda v: module.access(volts, module.port(v, g), AMBIENT_K) - module.current(v, g)  # noqa: E731
            return brentq(lack, *sorted((0.0, volts)), xtol=1e-15)

        at, times, states = np.array(module.START), [], []
        for (t0, t1), (v0, v1) in zip(itertools.pairwise(CORNERS_S), itertools.pairwise(CORNERS_V), strict=True):
            volts = lambda t, t0=t0, t1=t1, v0=v0, v1=v1: v0 + (v1 - v0) * (t - t0) / (t1 - t0)  # noqa: E731
            slope = lambda t, x, volts=volts: module.rate(inner(volts(t), x[0]), x[0], T_amb=AMBIENT_K)  # noqa: E731
            found = solve_ivp(slope, (t0, t1), at, "Radau", rtol=1e-8, atol=1e-10, t_eval=np.linspace(t0, t1, 101))
            at = found.y[:, -1]
            times.append(found.t[1:])
            states.append(found.y[0, 1:])
        times, states = np.concatenate(times), np.concatenate(states)
        volts = np.interp(times, CORNERS_S, CORNERS_V)
        current = [module.current(inner(v, g), g) for v, g in zip(volts, states, strict=True)]
        return times, states, np.array(current)

    return solve


@pytest.mark.parametrize("gate", GATES)
def test_integrator_and_ngspice_follow_the_stiff_reference(gate, stiff, ngspice):
    times, states, current = stiff(gate)
    fine = np.concatenate([[0.0], times])
    found = transient(
        CELLS, through(fine, np.interp(fine, CORNERS_S, CORNERS_V), AMBIENT_K), alike(CELLS, {"gate_V": gate})
    )
    assert found.states[:, 0, 0, 0] == pytest.approx(states, abs=1e-4)
    assert found.current_A[:, 0] == pytest.approx(current, abs=1e-4 * np.abs(current).max())
    corners = " ".join(f"{float(t)!r} {float(v)!r}" for t, v in zip(CORNERS_S, CORNERS_V, strict=True))
    deck = (
        f"* 1T1R\n{generate(CELLS, 'ngspice', {'gate_V': gate}, name='one_cell')}X1 a 0 one_cell\n"
        f"V1 a 0 PWL({corners})\n"
        ".options reltol=1e-5 abstol=1e-15 vntol=1e-9 chgtol=1e-22 trtol=1 xmu=0.495 temp=27\n"
        ".tran 1.2e-10 1.2e-6 0 1.2e-10 uic\n.save all\n.end\n"
    )
    plot = run(deck).plot
    assert np.interp(times, plot["time"], plot["v(x1.x_g)"]) == pytest.approx(states, abs=1e-3)
    seen = np.interp(times, plot["time"], -plot["i(v1)"])
    # beside the capacitance of the circuit's own
    assert seen == pytest.approx(current, abs=1e-3 * np.abs(current).max() + 3e-17 * 1e7)


@pytest.mark.parametrize("gate", GATES)
def test_a_circuit_reads_what_the_cell_reads(gate, ngspice):
    for volts in (0.1, 1.0, -1.0):
        deck = (
            f"* read\n{generate(CELLS, 'ngspice', {'gate_V': gate, 'vgap': 1e-3}, start={'g': 0.6}, name='one_cell')}"
            f"X1 a 0 one_cell\nV1 a 0 {volts}\n"
            ".options reltol=1e-10 abstol=1e-18 vntol=1e-12 gmin=1e-20 temp=27\n.save all\n"
            ".tran 1e-15 1e-12 uic\n.end\n"
        )
        plot = run(deck).plot
        held = joined([Piece(1e-15, volts, volts, observed=True)], AMBIENT_K)
        made = alike(CELLS, {"gate_V": gate, "vgap": 1e-3})
        ours = transient(CELLS, held, made, start={"g": 0.6}).current_A[-1, 0]
        assert -plot["i(v1)"][-1] == pytest.approx(ours, rel=1e-6)


def test_a_large_resistance_in_series_does_not_lead_the_solver_astray():
    """Before the voltages balance, the cell's terminals are at thousands of volts."""
    values = {"Rs": 3000.0, "I0": 3e-4, "gamma0": 14.0, "gate_V": 3.0}
    for g in (0.6, 1.0, 1.6):
        for volts in (1.0, 3.0, -3.0):
            held = joined([Piece(1e-18, volts, volts, observed=True)], AMBIENT_K)
            found = transient(CELLS, held, alike(CELLS, values), start={"g": g}).current_A[0, 0]

            def cell_A(v, g=g):
                return 3e-4 * np.exp(-g / 0.25) * np.sinh(v / 0.25)

            def lack_A(v, volts=volts, cell_A=cell_A):
                inside = v + 3000.0 * cell_A(v)
                return cell_A(v) - channel_current(3.0, max(volts, 0) - inside, max(-volts, 0), **AT)[0]

            true = cell_A(brentq(lack_A, *sorted((0.0, volts)), xtol=1e-15))
            assert found == pytest.approx(true, rel=1e-8)


def test_the_gate_sets_the_conductance_that_a_pulse_ends_at():
    settings = {"amplitude_V": 3.0, "width_s": (1e-6, 1e-5), "gate_V": (1.4, 1.8, 2.2, 2.6)}
    table = nv.simulate("rram_gap_1t1r", "pulse", settings=settings).table
    ends = table.pivot_table(index="gate_voltage_V", columns="pulse_width_s", values="conductance_S").to_numpy()
    assert np.all(ends[1:] > 1.2 * ends[:-1])
    longer = np.log10(ends[:, 1] / ends[:, 0])  # ten times the pulse counts less than the gate does
    assert np.all(longer < 0.5 * np.log10(ends[-1, 0] / ends[0, 0]))


def grid(rng, sigma):
    settings = {"amplitude_V": (2.0, 3.0), "width_s": (1e-7, 1e-6), "gate_V": (1.4, 1.8, 2.4, 3.2)}
    made = nv.simulate("rram_gap_1t1r", "pulse", settings=settings, values={"vth_t": 0.6, "g0": 0.26e-9})
    noise = np.exp(sigma * rng.standard_normal(len(made.table)))
    return replace(made, table=made.table.assign(conductance_S=made.table["conductance_S"] * noise))


def test_slopes_by_the_transistor_are_differences_of_what_is_predicted():
    (seen,) = observed_paths(grid(np.random.default_rng(1), 0.0), CELLS)
    names, values = ("vth_t", "slope_t", "beta_t", "Ea", "Rs"), CELLS.values()
    slopes = seen.slopes(values, names)
    for k, name in enumerate(names):
        step = 1e-5 * values[name]
        apart = seen.predict(values | {name: values[name] + step}) - seen.predict(values | {name: values[name] - step})
        assert slopes[:, k] == pytest.approx(apart / (2 * step), rel=0.02, abs=5e-3 * np.abs(slopes[:, k]).max())


def test_a_grid_of_gates_gives_threshold_and_cell_back():
    rng = np.random.default_rng(3)
    fit = fit_dynamics([grid(rng, 0.02)], CELLS, free=("vth_t", "g0"), rng=rng, holdout=0, starts=1, profiles=False)
    found = fit.identified
    for name, value in {"vth_t": 0.6, "g0": 0.26e-9}.items():
        assert abs(found.values[name] - value) <= 4 * found.standard_errors[name]
        assert found.standard_errors[name] < 0.03 * value
    assert fit.card("mine").model == "rram_gap_1t1r"


@pytest.mark.parametrize(("experiment", "settings"), [
    ("sweep", {"gate_V": 1.6, "points": 40, "positive_V": 3.0}),
    ("pulse_train", {"amplitude_V": 3.0, "gate_V": 1.8, "opposite_gate_V": 5.0, "n_pulses": 4}),
])  # fmt: skip
def test_trains_and_sweeps_are_predicted_at_their_gate_voltages(experiment, settings):
    (seen,) = observed_paths(nv.simulate("rram_gap_1t1r", experiment, settings=settings), CELLS)
    assert seen.predict(CELLS.values()) == pytest.approx(seen.measured, abs=1e-5)
    assert np.abs(seen.predict(CELLS.values({"vth_t": 0.7})) - seen.measured).max() > 1e-3


def test_what_cannot_stand_in_series_is_refused():
    with pytest.raises(BadInput, match="fefet cannot stand in series with an access transistor"):
        device("fefet_1t1r")
    with pytest.raises(BadInput, match="did you mean rram_gap"):
        device("rram_gop_1t1r")
    with pytest.raises(BadInput, match="rram_gap has no access transistor: leave gate_V out"):
        nv.simulate("rram_gap", "pulse", settings={"gate_V": 1.0})
    with pytest.raises(BadInput, match="compliance_A must be left out: its transistor limits the current"):
        nv.simulate("rram_gap_1t1r", "sweep", settings={"compliance_A": 1e-4})
    wave = joined([Piece(1e-9, 1.0, 1.0, pulse=0), Piece(1e-9, 1.0, 1.0, pulse=1)])
    with pytest.raises(BadInput, match="gate_V must be 2 numbers, one for each pulse"):
        transient(CELLS, wave, per_pulse={"gate_V": [1.0]})
    with pytest.raises(BadInput, match="slopes by gate_V need one value of it"):
        transient(CELLS, wave, per_pulse={"gate_V": [1.0, 2.0]}, slopes_by=("gate_V",))
