"""The integrator against solutions on paper, against SciPy, and where there is none: models of a user's own.

The models here are written as a user would write one, in a few lines: what they go through knows no model by name.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from nvmphys.codegen import generate
from nvmphys.devices import device
from nvmphys.devices.model import TEMPERATURE, VOLTAGE, DeviceModel, State, symbol
from nvmphys.errors import BadInput, CheckFailed
from nvmphys.parameters import Parameter
from nvmphys.simulate import simulate, transient
from nvmphys.simulate.devices import alike, drawn
from nvmphys.simulate.waveform import Piece, joined, pulse, through


def own_model(name, states, rates, parameters, **more) -> DeviceModel:
    """Return a model of states (name, start) between -1 and 1e6."""
    made = tuple(State(n, n, "1", 1.0, sp.Integer(-1), sp.Integer(10**6), sp.Float(at)) for n, at in states)
    known = {
        "current": symbol("cond") * made[0].symbol * VOLTAGE, "technology": "rram", "title": name, "validity": {},
        "experiments": {"sweep": {"positive_V": 1.0, "negative_V": -1.0}}, "references": ("paper",), "limits": ("all",),
    }  # fmt: skip
    parameters = (Parameter("cond", "S", 1e-3, (1e-9, 1.0), "conductance at state 1"), *parameters)
    return DeviceModel(name=name, states=made, state_rate=rates, parameters=parameters, **(known | more))


x, y, k, rs = sp.Symbol("x", real=True), sp.Symbol("y", real=True), symbol("k"), symbol("rs")
SPEED = Parameter("k", "1/s", 1.0, (-1e12, 1e12), "speed")

LOGISTIC = own_model("logistic", [("x", 0.1)], (k * VOLTAGE * TEMPERATURE / 300 * x * (1 - x),), (SPEED,))
"""ln(x/(1 - x)) rises by k·∫V·T/300 dt; a state below 0 runs to minus infinity in a time that is known."""
MEMRISTOR = own_model(
    "memristor", [("x", 1.0)], (k * VOLTAGE,), (SPEED, Parameter("rs", "ohm", 0.0, (0.0, 1e6), "in series")),
    series="rs",
)  # fmt: skip
"""x + rs·cond·x²/2 rises by k·∫V dt; with a current held at I, x² rises by 2k·I/cond a second."""
OSCILLATOR = own_model("oscillator", [("x", 1.0), ("y", 0.0)], (k * y, -k * x), (SPEED,))


def settled(values, start, area):
    """Return the memristor's state after an integral of the voltage [V·s]."""
    a = values["rs"] * values["cond"]
    risen = start + a * start**2 / 2 + values["k"] * area
    return 2 * risen / (1 + np.sqrt(1 + 2 * a * risen))


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(-1.0, 1.0), st.floats(250.0, 400.0), st.floats(0.01, 2.0)), min_size=1, max_size=4),
    st.floats(0.05, 0.95),
)
def test_ramps_of_voltage_and_temperature_lead_where_the_integral_does(steps, start):
    volts, kelvins, lengths = (np.array(each) for each in zip((0.3, 300.0, 0.0), *steps, strict=True))
    found = transient(LOGISTIC, through(np.cumsum(lengths), volts, kelvins), start={"x": start}, rtol=1e-8)
    v0, v1, t0, t1 = volts[:-1], volts[1:], kelvins[:-1], kelvins[1:]
    steps_area = lengths[1:] * (2 * v0 * t0 + 2 * v1 * t1 + v0 * t1 + v1 * t0) / 6 / 300
    expected = 1 / (1 + (1 / start - 1) * np.exp(-np.cumsum(steps_area)))
    assert found.states[:, 0, 0, 0] == pytest.approx(expected, abs=1e-7)
    assert found.current_A[:, 0] == pytest.approx(1e-3 * expected * v1, abs=1e-9)


def steps_error(model, n, span, expected, values=None, start=None):
    """Return the error at the end where pieces are too short for more than a step, whatever the tolerance."""
    volts = np.linspace(0.5, 1.0, n + 1)
    pieces = [Piece(span / n, float(a), float(b)) for a, b in itertools.pairwise(volts)]
    found = transient(model, joined(pieces), alike(model, values), start=start, rtol=1e3)
    return np.max(np.abs(found.states[-1, 0, 0] - expected))


@pytest.mark.parametrize(
    ("model", "span", "expected", "values"),
    [
        (LOGISTIC, 8.0, 1 / (1 + 9 * np.exp(-6.0)), None),
        (OSCILLATOR, 8.0, [np.cos(8.0), -np.sin(8.0)], None),
        (MEMRISTOR, 8.0, settled({"rs": 1e4, "cond": 1e-3, "k": 1.0}, 1.0, 6.0), {"rs": 1e4}),
    ],
    ids=["a ramp", "two states", "behind a resistance"],
)
def test_an_error_falls_with_the_fourth_power_of_the_step(model, span, expected, values):
    errors = [steps_error(model, n, span, expected, values) for n in (40, 80, 160)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(orders > 3.7), (errors, orders)
    assert errors[-1] < 1e-6


def test_an_error_falls_with_the_tolerance():
    expected, errors = [np.cos(50.0), -np.sin(50.0)], []
    for rtol in (1e-3, 1e-5, 1e-7, 1e-9):
        found = transient(OSCILLATOR, joined([Piece(50.0, 0.0, 0.0)]), rtol=rtol)
        errors.append(np.max(np.abs(found.states[-1, 0, 0] - expected)))
        assert errors[-1] < 100 * rtol
    assert np.all(np.diff(np.log10(errors)) < -1.3), errors


@settings(max_examples=25)
@given(
    st.floats(0.0, 1e5), st.floats(0.1, 10.0),
    st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.01, 2.0)), min_size=1, max_size=4),
)  # fmt: skip
def test_a_resistance_in_series_takes_its_share_of_the_voltage(ohm, start, steps):
    values = MEMRISTOR.values({"rs": ohm})
    volts, lengths = (np.array(each) for each in zip((0.0, 0.0), *steps, strict=True))
    wave = through(np.cumsum(lengths), volts)
    found = transient(MEMRISTOR, wave, alike(MEMRISTOR, values), start={"x": start}, rtol=1e-8)
    area = np.cumsum(lengths[1:] * (volts[1:] + volts[:-1]) / 2)
    expected = settled(values, start, area)
    assert found.states[:, 0, 0, 0] == pytest.approx(expected, rel=1e-6)
    assert found.current_A[:, 0] == pytest.approx(volts[1:] / (ohm + 1 / (1e-3 * expected)), rel=1e-6, abs=1e-18)


@settings(max_examples=25)
@given(st.floats(1e-4, 5e-3), st.floats(0.05, 2.0), st.sampled_from([1, -1]))
def test_a_current_held_at_the_compliance_moves_the_state_as_that_current_does(limit, amplitude, sign):
    """Free until cond·x·V = compliance, then v = compliance/(cond·x): x² rises with time; then free the other way."""
    times = np.linspace(0.0, 2.0, 21)
    wave = joined([Piece(0.1, sign * amplitude, sign * amplitude, observed=True)] * 20)
    values = MEMRISTOR.values({"k": float(sign)})
    one_sided = (limit, None) if sign > 0 else (None, limit)
    for compliance in (limit, one_sided):
        found = transient(MEMRISTOR, wave, alike(MEMRISTOR, values), compliance_A=compliance, rtol=1e-8)
        edge = limit / (1e-3 * amplitude)  # the state at which the source begins to limit
        until = max(0.0, (edge - 1.0) / amplitude)
        free = 1.0 + amplitude * np.minimum(times[1:], until)
        held = np.sqrt(free**2 + 2e3 * limit * np.maximum(times[1:] - until, 0.0))
        expected = np.where(times[1:] > until, held, free)
        assert found.states[:, 0, 0, 0] == pytest.approx(expected, rel=1e-5)
        assert np.all(np.abs(found.current_A) <= limit * (1 + 1e-9))
        beyond = times[1:] > until + 1e-6
        assert np.abs(found.current_A[beyond, 0]) == pytest.approx(np.full(beyond.sum(), limit), rel=1e-9)
    other = transient(MEMRISTOR, wave, alike(MEMRISTOR, values), compliance_A=one_sided[::-1])
    unlimited = transient(MEMRISTOR, wave, alike(MEMRISTOR, values))
    assert np.array_equal(other.current_A, unlimited.current_A)


@pytest.mark.parametrize("limit", [0.0, -1e-3, np.nan, np.inf])
@pytest.mark.parametrize("side", [lambda limit: limit, lambda limit: (limit, None), lambda limit: (1e-3, limit)])
def test_a_compliance_that_is_none_is_refused_with_value_and_unit(limit, side):
    with pytest.raises(BadInput, match=re.escape(f"compliance_A must be > 0 A (got {limit:g} A): leave it out")):
        transient(MEMRISTOR, joined(pulse(1.0, 1.0)), compliance_A=side(limit))


def test_where_a_state_runs_away_the_device_the_piece_and_the_values_are_named():
    cells = drawn(LOGISTIC, 3, np.random.default_rng(1), {"k": 2.0}, {"cond": {"sigma": 0.1, "sigma_ref": "of_value"}})
    start = np.array([0.5, 0.5, -0.5]).reshape(3, 1, 1)
    wave = joined([Piece(0.1, 0.0, 0.0), Piece(0.1, 0.0, 1.0), Piece(2.0, 1.0, 1.0)])  # ends after 1.1/2 s at 1 V
    with pytest.raises(CheckFailed) as caught:
        transient(LOGISTIC, wave, cells, start=start)
    words = str(caught.value)
    assert "logistic: device 2 could not be integrated in piece 2 of the waveform (1 … 1 V, 2 s)" in words
    assert "1 such rows" in words
    assert "no step is small enough" in words
    assert f"cond = {cells.values['cond'][2]:g}, k = 2" in words


def test_a_state_that_runs_away_later_is_followed_until_then():
    gone = np.log(3.0)  # x/(1 - x) = -e^t/3 reaches -1 there
    found = transient(LOGISTIC, joined([Piece(0.9 * gone, 1.0, 1.0)]), start={"x": -0.5}, rtol=1e-9)
    ratio = -np.exp(0.9 * gone) / 3
    assert found.states[-1, 0, 0, 0] == pytest.approx(ratio / (1 + ratio), rel=1e-6)


def test_a_piece_that_would_take_for_ever_is_given_up():
    with pytest.raises(CheckFailed, match=r"oscillator: device 0 .*piece 1 of .*1e\+07 s\): more than 200,000 steps"):
        transient(OSCILLATOR, joined([Piece(1.0, 0.0, 0.0), Piece(1e7, 0.0, 0.0)]))


def test_a_model_of_ones_own_goes_through_experiments_and_code(tmp_path):
    made = simulate(MEMRISTOR, "sweep", settings={"ramp_rate_V_per_s": 1.0, "points": 40}, values={"rs": 500.0})
    seen = made.table
    areas = np.cumsum(np.diff(seen["time_s"], prepend=0.0) * (seen["voltage_V"] + np.append(0, seen["voltage_V"][:-1])))
    state = settled({"rs": 500.0, "cond": 1e-3, "k": 1.0}, 1.0, areas / 2)
    assert seen["current_A"].to_numpy() == pytest.approx(seen["voltage_V"] / (500.0 + 1e3 / state), rel=1e-5, abs=1e-15)
    assert made.source.kind == "simulated"
    assert made.source.citation == "paper"
    with pytest.raises(BadInput, match=r"unknown experiment of memristor 'pulse': known: sweep"):
        simulate(MEMRISTOR, "pulse")
    module = module_of(MEMRISTOR, tmp_path)
    assert module.current(0.2, 3.0) == pytest.approx(1e-3 * 3.0 * 0.2)
    assert module.rate(0.2, 3.0) == (pytest.approx(0.2),)
    assert module.START == (1.0,)


def module_of(model, folder, values=None):
    """Return the generated Python module of a model."""
    path = folder / f"{model.name}.py"
    path.write_text(generate(model, "python", model.values(values)), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Bench:
    """The gap model's generated module behind its resistance and a source with a compliance, for SciPy."""

    NUMBERS = SimpleNamespace(exp=math.exp, sinh=math.sinh, tanh=math.tanh, sqrt=math.sqrt, minimum=min, maximum=max)
    """What stands for NumPy in the module: it is asked for one number at a time, ten times as fast."""

    def __init__(self, module, compliance=np.inf):
        module.numpy = self.NUMBERS
        self.module, self.compliance = module, compliance

    def inner(self, applied, state):
        """Return the voltage behind the resistance: the lower of what the resistance and the source leave."""

        def current(v):
            return self.module.current(v, *state)

        if applied == 0:
            return 0.0
        v = brentq(lambda v: v + self.module.Rs * current(v) - applied, 0.0, applied, xtol=1e-13)
        if applied > 0 and current(v) > self.compliance:
            v = brentq(lambda v: current(v) / self.compliance - 1, 0.0, v, xtol=1e-13)
        return v

    def path(self, times, volts):
        """Return states at the times of corners and currents there, by SciPy's Radau method."""
        state, states = np.array(self.module.START), []
        for begin, end, first, last in zip(times[:-1], times[1:], volts[:-1], volts[1:], strict=True):
            slope = functools.partial(self._slope, begin, first, (last - first) / (end - begin))
            found = solve_ivp(slope, (begin, end), state, "Radau", rtol=1e-9, atol=1e-11)
            assert found.success
            state = found.y[:, -1]
            states.append(state)
        at_ends = [(self.inner(v, at.tolist()), at.tolist()) for v, at in zip(volts[1:].tolist(), states, strict=True)]
        return np.array(states), np.array([self.module.current(v, *at) for v, at in at_ends])

    def _slope(self, begin, first, rise, t, state):
        at = state.tolist()
        return np.array(self.module.rate(self.inner(float(first + rise * (t - begin)), at), *at))


GAP = device("rram_gap")
SWEEP = np.array([0.0, 1.2, 1.6, 0.0, -1.2, -1.6])
PULSES_S = np.cumsum([0.0, 1e-8, 5e-8, 1e-8, 5e-8, 1e-8, 8e-8, 1e-8])
PULSES_V = np.array([0.0, 1.65, 1.65, 0.0, 0.0, -1.5, -1.5, 0.0])


@pytest.fixture(scope="module")
def gap_module(tmp_path_factory):
    return module_of(GAP, tmp_path_factory.mktemp("generated"))


@pytest.mark.parametrize(
    ("times", "volts", "compliance"),
    [
        (np.cumsum(np.abs(np.diff(SWEEP, prepend=0.0))) / 1e3, SWEEP, np.inf),
        (np.cumsum(np.abs(np.diff(SWEEP, prepend=0.0))) / 1e3, SWEEP, 3e-4),
        (PULSES_S, PULSES_V, np.inf),
        (PULSES_S, PULSES_V, 5e-4),
    ],
    ids=["sweep", "sweep with compliance", "pulses", "pulses with compliance"],
)
def test_the_gap_follows_scipy_the_closer_the_smaller_the_tolerance(gap_module, times, volts, compliance):
    states, currents = Bench(gap_module, compliance).path(times, volts)
    assert np.ptp(states) > 0.2  # nm: it switches
    limits = None if compliance == np.inf else (compliance, None)
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8):
        found = transient(GAP, through(times, volts), compliance_A=limits, rtol=rtol)
        errors.append(np.max(np.abs(found.states[:, 0, 0] - states)))
    assert found.current_A[:, 0] == pytest.approx(currents, rel=1e-5, abs=1e-15)
    assert errors[0] < 1e-2
    assert errors[1] < 1e-4
    assert errors[2] < 2e-6
    assert errors[2] < errors[1] < errors[0]


@settings(max_examples=10)
@given(st.floats(1e-5, 3e-4), st.floats(0.0, 1e3), st.floats(1.7, 2.2))
def test_no_more_than_the_compliance_flows_at_positive_voltage_and_negative_voltage_is_free(limit, ohm, top):
    corners = np.array([0.0, top, 0.0, -top, 0.0])
    times = np.cumsum(np.abs(np.diff(corners, prepend=0.0))) / 1e3
    dense = np.linspace(0.0, times[-1], 301)
    wave = through(dense, np.interp(dense, times, corners))
    values = GAP.values({"Rs": ohm})
    found = transient(GAP, wave, alike(GAP, values), compliance_A=(limit, None))
    current, voltage, gap = found.current_A[:, 0], found.voltage_V, found.states[:, 0, 0, 0]
    assert np.all(current <= limit * (1 + 1e-9))
    held = current > limit * (1 - 1e-9)
    assert held.any()
    largest = values["I0"] * np.exp(-gap * 1e-9 / values["g0"])  # times sinh(v/V0)
    inner = values["V0"] * np.arcsinh(limit / largest[held])  # the voltage that leaves the compliance alone
    assert np.all(inner + ohm * limit <= voltage[held] * (1 + 1e-9))
    free = ~held
    lost = voltage[free] - ohm * current[free]
    assert current[free] == pytest.approx(largest[free] * np.sinh(lost / values["V0"]), rel=1e-6, abs=1e-15)
    assert current.min() < -limit
