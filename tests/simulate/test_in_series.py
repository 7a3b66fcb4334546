"""What stands in series, heats, couples or taps a device, in models of a few lines: against SciPy and laws on paper."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from nvmphys.codegen import generate
from nvmphys.crossbar.ngspice import run
from nvmphys.devices.model import CURRENT, DRAIN, TEMPERATURE, VOLTAGE, DeviceModel, State, Thermal, Units, symbol
from nvmphys.errors import BadInput
from nvmphys.parameters import Parameter
from nvmphys.simulate import transient
from nvmphys.simulate.devices import alike, as_rows, as_units, drawn
from nvmphys.simulate.transient import drain_current
from nvmphys.simulate.waveform import through

TIMES, VOLTS = np.array([0.0, 1.0, 3.0, 4.0]), np.array([0.0, 2.0, -1.0, 0.5])
FINE = np.linspace(0.0, 4.0, 401)
WAVE = through(FINE, np.interp(FINE, TIMES, VOLTS))


def parameter(name, value, unit="1") -> Parameter:
    return Parameter(name, unit, value, (1e-18, 1e18), name, "paper")


def state(name, start=0.0) -> State:
    return State(name, name, "1", 1.0, sp.Integer(-1000), sp.Integer(1000), sp.Float(start))


def model(name, **parts) -> DeviceModel:
    known = {
        "technology": "rram", "title": name, "validity": {"voltage_V": (-3.0, 3.0)}, "references": ("paper",),
        "experiments": {"sweep": {"positive_V": 1.0, "negative_V": -1.0}}, "limits": ("all",),
    }  # fmt: skip
    return DeviceModel(name=name, **(known | parts))


def solved(slope, start):
    """Return states at FINE (state, time), by SciPy, corner by corner."""
    at, seen = np.array(start, dtype=float), []
    for begin, end in itertools.pairwise(TIMES):
        found = solve_ivp(slope, (begin, end), at, "Radau", rtol=1e-10, atol=1e-12, dense_output=True)
        within = FINE[(begin <= FINE) & (end > FINE)]
        seen.append(found.sol(within))
        at = found.y[:, -1]
    return np.column_stack([*seen, at])


def applied(t):
    return float(np.interp(t, TIMES, VOLTS))


G, C, S, T = symbol("g"), symbol("cube"), sp.Symbol("s", real=True), sp.Symbol("t", real=True)
CUBIC = model(
    "cubic", parameters=(parameter("g", 1e-3, "S"), parameter("cube", 3e8, "ohm/A^2")), states=(state("s", 1.0),),
    current=G * S * VOLTAGE, state_rate=(200 * VOLTAGE * CURRENT,), drop=C * CURRENT**3 + 500 * CURRENT / S,
)  # fmt: skip
"""A resistance that falls with its own heat and another that rises with the current, in series."""


def cubic_inner(volts, s):
    return brentq(lambda v: v + 0.3 * (s * v) ** 3 + 0.5 * v - volts, -3.0, 3.0, xtol=1e-15)


def test_a_drop_that_depends_on_current_and_state_is_followed():
    path = solved(lambda t, x: [0.2 * cubic_inner(applied(t), x[0]) ** 2 * x[0]], [1.0])[0]
    found = transient(CUBIC, WAVE, rtol=1e-9)
    assert found.states[:, 0, 0, 0] == pytest.approx(path[1:], abs=1e-8)
    inner = np.array([cubic_inner(applied(t), s) for t, s in zip(FINE, path, strict=True)])
    current = 1e-3 * inner * path
    assert found.current_A[:, 0] == pytest.approx(current[1:], abs=1e-11)
    power = np.interp(FINE, TIMES, VOLTS) * current
    energy = np.concatenate([[0.0], np.cumsum(0.5 * (power[1:] + power[:-1]) * np.diff(FINE))])
    assert found.energy_J[:, 0] == pytest.approx(energy[1:], abs=1e-7)  # of the trapezoidal rule, not ours


def test_circuits_have_the_same_drop(ngspice, tmp_path):
    deck = (
        f"* drop\n{generate(CUBIC, 'ngspice')}X1 a 0 cubic\n"
        f"V1 a 0 PWL({' '.join(f'{float(t)!r} {float(v)!r}' for t, v in zip(TIMES, VOLTS, strict=True))})\n"
        ".options reltol=1e-6 abstol=1e-15 vntol=1e-12 chgtol=1e-22 trtol=1\n"
        ".tran 1e-3 4 0 1e-3 uic\n.save all\n.end\n"
    )
    plot = run(deck).plot
    found = transient(CUBIC, WAVE, rtol=1e-9)
    at = np.interp(FINE[1:], plot["time"], plot["v(x1.x_s)"])
    assert at == pytest.approx(found.states[:, 0, 0, 0], abs=1e-5)
    assert np.interp(FINE[1:], plot["time"], -plot["i(v1)"]) == pytest.approx(found.current_A[:, 0], abs=1e-8)


@pytest.mark.parametrize("limit", [0.3, 0.8])
def test_the_energy_of_a_source_at_its_limit_is_that_of_the_voltage_that_is_left(limit):
    """A plain resistor: V²/R until V = R·limit, then R·limit²."""
    plain = model("plain", parameters=(parameter("g", 0.5, "S"),), states=(state("s"),), current=G * VOLTAGE,
                  state_rate=(sp.Integer(0),))  # fmt: skip
    ramp = through(np.linspace(0.0, 1.0, 11), np.linspace(0.0, 2.0, 11))
    found = transient(plain, ramp, compliance_A=limit, rtol=1e-10)
    t = np.linspace(0.0, 1.0, 11)[1:]
    until = np.minimum(t, limit)  # current is t
    expected = 2 * until**3 / 3 + 2 * limit**2 * (t - until)
    assert found.energy_J[:, 0] == pytest.approx(expected, rel=1e-6)


def test_energy_converges_with_the_order_of_the_states():
    exact = transient(CUBIC, WAVE, rtol=1e-11).energy_J[-1, 0]
    errors = []
    for n in (10, 20, 40):
        times = np.unique(np.concatenate([np.linspace(a, b, n + 1) for a, b in itertools.pairwise(TIMES)]))
        found = transient(CUBIC, through(times, np.interp(times, TIMES, VOLTS)), rtol=1e3)
        errors.append(abs(found.energy_J[-1, 0] - exact))
    assert np.all(np.log2(np.array(errors[:-1]) / errors[1:]) > 3.5), errors


HOT = model(
    "hot", parameters=(parameter("g", 1.0, "S"), parameter("rth", 50.0, "K/W"), parameter("cth", 2e-3, "J/K")),
    states=(state("s"),), current=G * sp.exp(-300 / TEMPERATURE) * VOLTAGE, state_rate=(0.1 * VOLTAGE,),
    drop=0.5 * CURRENT, thermal=Thermal(symbol("rth") * (1 + S**2), "cth", VOLTAGE * CURRENT + 0.25 * CURRENT**2),
)  # fmt: skip


def test_a_current_that_feels_its_own_heat_needs_a_time_constant_and_then_has_it():
    def slope(t, x):
        g = np.exp(-300 / (300 + x[1]))
        v = applied(t) / (1 + 0.5 * g)
        return [0.1 * v, (g * v**2 + 0.25 * (g * v) ** 2 - x[1] / (50 * (1 + x[0] ** 2))) / 2e-3]

    path = solved(slope, [0.0, 0.0])
    found = transient(HOT, WAVE, rtol=1e-9)
    assert found.state_names == ("s", "t_rise")
    assert found.states[:, 0, 0] * [1, 100] == pytest.approx(path.T[1:], abs=1e-6)
    assert np.ptp(path[1]) > 20
    never = Parameter("cth", "J/K", 0.0, (0.0, 1.0), "none", "paper")
    with pytest.raises(ValueError, match="heat follows power at once"):
        replace(HOT, parameters=(*HOT.parameters[:2], never))


COUPLED = model(
    "coupled", parameters=(parameter("c", 1e-6, "F"), parameter("w", 1.0)), states=(state("s", -1.0), state("t")),
    current=sp.Integer(0), charge=symbol("c") * VOLTAGE, drop=0.5 * VOLTAGE - 0.2 * symbol("smean") + 0.1 * T,
    state_rate=(symbol("w") * (sp.tanh(3 * VOLTAGE - symbol("smean")) - S), 0.1 * (VOLTAGE - T)),
    units=Units("unit", ("w",), lambda values, u: {"w": 0.5 + u["w"]}, 5, {"smean": S}, ("t",)),
    drain=symbol("c") * sp.exp(VOLTAGE - T) * sp.tanh(DRAIN),
)  # fmt: skip
"""Units that pull at each other through their mean and a state that they share; a third terminal that is read."""


@pytest.fixture(scope="module")
def cells():
    return drawn(COUPLED, 3, np.random.default_rng(1))


def coupled_inner(volts, x):
    return (volts + 0.2 * np.mean(x[:-1], axis=0) - 0.1 * x[-1]) / 1.5


def coupled_path(weights):
    def slope(t, x):
        v = coupled_inner(applied(t), x)
        return np.append(weights * (np.tanh(3 * v - x[:-1].mean()) - x[:-1]), 0.1 * (v - x[-1]))

    return solved(slope, [*[-1.0] * weights.size, 0.0])


def test_units_feel_their_mean_and_share_a_state(cells):
    found = transient(COUPLED, WAVE, cells, rtol=1e-9)
    assert found.states.shape == (400, 3, 5, 2)
    for k in range(3):
        path = coupled_path(cells.units["w"][k])
        assert found.states[:, k, :, 0] == pytest.approx(path[:-1].T[1:], abs=1e-7)
        for unit in range(5):
            assert found.states[:, k, unit, 1] == pytest.approx(path[-1][1:], abs=1e-7)
        inner = coupled_inner(np.interp(FINE, TIMES, VOLTS), path)
        assert found.charge_C[:, k] == pytest.approx(1e-6 * inner[1:], abs=1e-13)


def test_a_drain_is_read_with_the_states_as_they_are(cells):
    states = transient(COUPLED, WAVE, cells, rtol=1e-9).states[-1]
    read = drain_current(COUPLED, cells, states, 0.7, 0.2, 300.0)
    inner = (0.7 + 0.2 * states[:, :, 0].mean(axis=1) - 0.1 * states[:, 0, 1]) / 1.5
    assert read == pytest.approx(1e-6 * np.exp(inner - states[:, 0, 1]) * np.tanh(0.2), rel=1e-9)
    with pytest.raises(BadInput, match="cubic has no drain"):
        drain_current(CUBIC, alike(CUBIC), np.ones((1, 1, 1)), 0.1, 0.1, 300.0)


def test_circuits_of_coupled_units_start_at_rest_and_follow(cells, ngspice):
    weights = cells.units["w"][0]
    text = generate(COUPLED, "ngspice", units=[{"w": float(w)} for w in weights])
    deck = (
        f"* coupled\n{text}X1 a 0 d coupled\nV2 d 0 0.2\n"
        f"V1 a 0 PWL({' '.join(f'{float(t)!r} {float(v)!r}' for t, v in zip(TIMES, VOLTS, strict=True))})\n"
        ".options reltol=1e-6 abstol=1e-12 vntol=1e-12 chgtol=1e-22 trtol=1\n"
        ".tran 1e-3 4 0 1e-3 uic\n.save all\n.end\n"
    )
    plot, path = run(deck).plot, coupled_path(weights)
    for k in range(5):
        found = np.interp(FINE, plot["time"], plot[f"v(x1.x_s_{k})"])
        assert found[1:] == pytest.approx(path[k][1:], abs=2e-5)
    inner = coupled_inner(np.interp(FINE, TIMES, VOLTS), path)
    drain = np.interp(FINE, plot["time"], -plot["i(v2)"])
    assert drain[1:] == pytest.approx(1e-6 * (np.exp(inner - path[-1]) * np.tanh(0.2))[1:], rel=1e-4)


def test_rows_and_units_are_each_others_inverse(cells):
    states = transient(COUPLED, WAVE, cells).states
    rows = as_rows(COUPLED, states)
    assert rows.shape == (400, 3, 6)
    assert np.array_equal(as_units(COUPLED, rows, 5), states)


def test_shared_states_must_come_last():
    with pytest.raises(ValueError, match="shared states must be the last"):
        replace(COUPLED, states=COUPLED.states[::-1], state_rate=COUPLED.state_rate[::-1])
