"""The threshold model against its published, hard-edged equations, written here on their own, and against rram_gap."""

from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from nvmphys.devices import device
from nvmphys.devices.model import AMBIENT, VOLTAGE, symbol
from nvmphys.simulate import simulate, transient
from nvmphys.simulate.devices import alike
from nvmphys.simulate.waveform import Piece, joined, through

MODEL, GAP = device("rram_threshold"), device("rram_gap")
VALUES = MODEL.values()
PUBLISHED = {
    "a1": 0.17, "a2": 0.17, "b": 0.05, "Vp": 0.16, "Vn": 0.15, "Ap": 4000.0, "An": 4000.0, "xp": 0.3, "xn": 0.5,
    "alphap": 1.0, "alphan": 5.0, "xo": 0.11,
}  # fmt: skip
"""Yakopcic et al., IEEE EDL 32, 1436 (2011), as in the SPICE subcircuit of the authors."""
QUARTER_S = 2.5e-3
TRIANGLES = (QUARTER_S * np.array([0, 1, 3, 5, 7, 8]), 0.45 * np.array([0, 1, -1, 1, -1, 0]))
TRAIN = (
    np.cumsum([0.0, *[1e-4, 1e-5, 1e-3, 1e-5] * 8]),
    np.array([0.0, *(v for sign in (1, 1, 1, 1, -1, -1, -1, -1) for v in (0.0, 0.25 * sign, 0.25 * sign, 0.0))]),
)
STARTS = np.linspace(0.0, 1.0, 5)


def published_rate(volts, x, p):
    """Return dx/dt [1/s] of the published equations, corners and all, for η = 1."""
    if volts > p["Vp"]:
        speed = p["Ap"] * (np.exp(volts) - np.exp(p["Vp"]))
        slowed = np.exp(-p["alphap"] * (x - p["xp"])) * ((p["xp"] - x) / (1 - p["xp"]) + 1)
        return speed * (slowed if x >= p["xp"] else 1.0)
    if volts < -p["Vn"]:
        speed = -p["An"] * (np.exp(-volts) - np.exp(p["Vn"]))
        slowed = np.exp(p["alphan"] * (x + p["xn"] - 1)) * x / (1 - p["xn"])
        return speed * (slowed if x <= 1 - p["xn"] else 1.0)
    return 0.0


def published_current(volts, x, p):
    """Return the current [A] of the published equations."""
    return np.where(volts >= 0, p["a1"], p["a2"]) * x * np.sinh(p["b"] * volts)


def both(corners, values, start=None):
    """Return voltage, state of the model, state of the published equations and the model's current along corners."""
    times, volts = corners
    p = MODEL.values(values)
    dense = np.unique(np.concatenate([np.linspace(a, b, 120) for a, b in pairwise(times)]))
    begin = p["xo"] if start is None else start
    found = transient(
        MODEL, through(dense, np.interp(dense, times, volts), 300.0), alike(MODEL, p), start={"w": begin}, rtol=1e-9
    )
    state, paths = np.array([begin]), []
    for (a, b), (v_a, v_b) in zip(pairwise(times), pairwise(volts), strict=True):
        within = dense[(dense > a) & (dense <= b)]
        # steps end where a threshold is passed, so that no corner lies within one
        passed = [(v - v_a) / (v_b - v_a) for v in (p["Vp"], -p["Vn"]) if v_a != v_b]
        ends = [a, *sorted(a + share * (b - a) for share in passed if 0 < share < 1), b]
        for first, last in pairwise(ends):

            def rate(t, x, a=a, b=b, v_a=v_a, v_b=v_b):
                return [published_rate(v_a + (v_b - v_a) * (t - a) / (b - a), x[0], p)]

            solved = solve_ivp(rate, (first, last), state, "LSODA", rtol=1e-10, atol=1e-12, dense_output=True,
                               max_step=(last - first) / 20)  # fmt: skip
            paths.append(solved.sol(within[(within > first) & (within <= last)])[0])
            state = solved.y[:, -1]
    return found.voltage_V, found.states[:, 0, 0, 0], np.concatenate(paths), found.current_A[:, 0]


NAMES = [parameter.name for parameter in MODEL.parameters]
SYSTEM = MODEL.system(VALUES)
ARGUMENTS = [VOLTAGE, MODEL.states[0].symbol, *map(symbol, NAMES)]
EQUATIONS = sp.lambdify(ARGUMENTS, [*SYSTEM.rates, SYSTEM.current], "numpy")


def rate_of(values, volts, x):
    """Return dw/dt of the model's own equations [1/s], and its current [A]."""
    p = MODEL.values(values)
    return EQUATIONS(volts, x, *(p[name] for name in NAMES))


def test_the_defaults_are_the_published_values():
    assert {name: VALUES[name] for name in PUBLISHED} == PUBLISHED


@pytest.mark.parametrize("corners", [TRIANGLES, TRAIN], ids=["triangles", "pulses"])
def test_rounded_corners_stay_within_1e_4_of_the_published_equations_by_the_square_of_their_widths(corners):
    worst = []
    for share in (1.0, 0.5, 0.25):
        volts, state, expected, current = both(corners, {name: share * VALUES[name] for name in ("dV", "dx")})
        worst.append(np.max(np.abs(state - expected)))
        largest = np.max(np.abs(current))
        assert np.max(np.abs(current - published_current(volts, expected, VALUES))) <= 1.2 * worst[-1] * largest
    assert np.ptp(state) > 0.5
    assert 1e-5 < worst[0] < 1e-4
    assert worst[1] == pytest.approx(worst[0] / 4, rel=0.1)
    assert worst[2] == pytest.approx(worst[0] / 16, rel=0.1)


DRAWN = st.fixed_dictionaries(
    {
        "Vp": st.floats(0.05, 1.5), "Vn": st.floats(0.05, 1.5), "Ap": st.floats(1.0, 1e6), "An": st.floats(1.0, 1e6),
        "xp": st.floats(0.0, 0.95), "xn": st.floats(0.0, 0.95), "alphap": st.floats(0.0, 20.0),
        "alphan": st.floats(0.0, 20.0), "a1": st.floats(1e-9, 1.0), "a2": st.floats(1e-9, 1.0),
        "b": st.floats(0.01, 5.0), "dV": st.floats(1e-4, 0.02), "dx": st.floats(1e-4, 0.05),
    }
)  # fmt: skip


@settings(max_examples=200)
@given(DRAWN, st.floats(-2.5, 2.5), st.floats(0.0, 1.0))
def test_away_from_the_corners_the_rate_is_the_published_one(values, volts, x):
    p = MODEL.values(values)
    at_threshold = min(abs(volts - p["Vp"]), abs(volts + p["Vn"])) < p["dV"]
    at_window = min(abs(x - p["xp"]), abs(x - (1 - p["xn"]))) < p["dx"]
    rate, current = rate_of(values, volts, x)
    scale = max(p["Ap"], p["An"]) * np.exp(abs(volts))
    if not (at_threshold or at_window):
        assert rate == pytest.approx(published_rate(volts, x, p), rel=1e-9, abs=1e-12 * scale)
    elif not at_threshold:  # a corner rounded by at most 3/16 of a width changes the window by its slope times that
        steepest = max(p["alphap"] + 1 / (1 - p["xp"]), p["alphan"] + 1 / (1 - p["xn"]))
        full = max(abs(published_rate(volts, 0.0, p)), abs(published_rate(volts, 1.0, p)))
        off = abs(rate - published_rate(volts, x, p))
        assert off <= full * steepest * 3 / 16 * p["dx"] * (1 + 1e-9) + 1e-12 * scale
    if -p["Vn"] + p["dV"] < volts < p["Vp"] - p["dV"]:
        assert rate == 0
    if abs(volts) > 12 * p["dV"]:
        other = 1e-10 * max(p["a1"], p["a2"]) * x * np.sinh(p["b"] * abs(volts))  # what is left of the other scale
        assert current == pytest.approx(published_current(volts, x, p), rel=1e-9, abs=other)


@settings(max_examples=200)
@given(DRAWN, st.floats(0.02, 2.5), st.sampled_from([1, -1]))
def test_no_rate_leads_out_of_the_range_of_the_state(values, volts, sign):
    p = MODEL.values(values)
    outward, inward = (1.0, 0.0) if sign > 0 else (0.0, 1.0)
    scale = max(p["Ap"], p["An"]) * np.exp(volts)
    assert abs(rate_of(values, sign * volts, outward)[0]) <= 1e-14 * scale
    assert sign * rate_of(values, sign * volts, inward)[0] >= 0
    beyond = outward + sign * 1e-3  # where a solver's step has gone too far, it comes back
    assert sign * rate_of(values, sign * volts, beyond)[0] <= 0


@settings(max_examples=30)
@given(DRAWN, st.lists(st.tuples(st.floats(-2.5, 2.5), st.floats(-8.0, -1.0)), min_size=1, max_size=6), st.floats(0, 1))
def test_the_integrator_keeps_the_state_within_its_bounds_and_moves_it_the_right_way(values, pulses, start):
    wave = joined([Piece(10**log_s, volts, volts, observed=True) for volts, log_s in pulses], 300.0)
    path = transient(MODEL, wave, alike(MODEL, MODEL.values(values)), start={"w": start}).states[:, 0, 0, 0]
    assert np.all((path >= -1e-9) & (path <= 1 + 1e-9))
    steps = np.diff(np.concatenate([[start], path])) * np.sign([volts for volts, _ in pulses])
    assert np.all(steps >= -1e-9)


def test_the_slope_and_the_curvature_of_the_rate_have_no_jumps():
    """Differences over a hundredth of a width: a corner left sharp would show a jump of the full slope."""
    for along, width, hinges in (("volts", VALUES["dV"], (0.16, -0.15)), ("state", VALUES["dx"], (0.3, 0.5))):
        for hinge in hinges:
            at = hinge + np.arange(-2.0, 2.0, 0.01) * width
            rates = rate_of({}, *((at, 0.4) if along == "volts" else (0.3 if hinge == 0.3 else -0.3, at)))[0]
            slope = np.diff(rates) / (0.01 * width)
            curvature = np.diff(slope) / (0.01 * width)
            assert np.max(np.abs(np.diff(slope))) <= 0.02 * np.ptp(slope)
            assert np.max(np.abs(np.diff(curvature))) <= 0.1 * np.ptp(curvature)


def ramp_to(model, middle, rate, top, values=None):
    """Return the voltage at which the state of a cell passes the middle, on a ramp from 0 V [V]."""
    volts = np.linspace(0.0, top, 6001)
    found = transient(model, through(volts / rate, volts, 300.0), alike(model, values or model.values()), rtol=1e-8)
    state = found.states[:, 0, 0, 0]
    sign = np.sign(middle - state[0])
    assert sign * state[-1] > sign * middle
    return float(np.interp(sign * middle, sign * state, found.voltage_V))


@pytest.mark.parametrize("rate", [1.0, 30.0, 1e3, 1e4])
def test_the_set_voltage_is_that_of_the_published_equations_on_a_ramp(rate):
    """Below xp the window is open: the state has risen by Δ where Ap·(e^V - e^Vp·(1 + V - Vp)) = rate·Δ."""
    rise = 0.15
    expected = brentq(lambda v: 4000 * (np.exp(v) - np.exp(0.16) * (1 + v - 0.16)) - rate * rise, 0.16, 5.0)
    assert ramp_to(MODEL, 0.11 + rise, rate, 3.0) == pytest.approx(expected, abs=6e-4)


def test_the_set_voltage_does_not_rise_by_a_steady_step_a_decade_of_ramp_rate():
    slow, slower = (ramp_to(MODEL, 0.5, rate, 1.0) for rate in (1.0, 1e-4))
    fast, faster = (ramp_to(MODEL, 0.5, rate, 3.0) for rate in (1e3, 1e4))
    assert slow - slower == pytest.approx(0.017, abs=1e-3)
    assert faster - fast == pytest.approx(0.72, abs=5e-3)
    steps = np.diff([ramp_to(GAP, 0.95, rate, 4.0) for rate in (1e-4, 1e-3, 1e-2, 1e-1)])
    assert steps == pytest.approx(np.mean(steps), rel=0.1)


def time_to(model, middle, volts):
    """Return how long a cell takes to pass the middle of its range at a voltage [s], within 1 %."""
    ends = np.geomspace(1e-11, 1e5, 4000)
    wave = joined([Piece(span, volts, volts, observed=True) for span in np.diff(ends, prepend=0.0)], 300.0)
    state = transient(model, wave, alike(model, model.values())).states[:, 0, 0, 0]
    passed = np.sign(middle - state[0]) * (state - middle) > 0
    return float(ends[np.argmax(passed)]) if passed.any() else np.inf


def test_switching_times_span_less_than_a_decade_where_those_of_rram_gap_span_eleven():
    slow, fast = (time_to(MODEL, 0.5, volts) for volts in (0.2, 0.4))
    assert slow == pytest.approx(2.4e-3, rel=0.02)
    assert fast == pytest.approx(0.36e-3, rel=0.02)
    speeds = [np.exp(volts) - np.exp(0.16) for volts in (0.2, 0.4)]
    assert slow / fast == pytest.approx(speeds[1] / speeds[0], rel=0.015)
    assert time_to(MODEL, 0.5, 0.154) == np.inf
    assert np.log10(time_to(GAP, 0.95, 1.2) / time_to(GAP, 0.95, 1.8)) == pytest.approx(11.5, abs=0.3)


@pytest.mark.parametrize("volts", [0.0, 0.1, 0.154, -0.144])
def test_below_the_thresholds_nothing_moves_in_ten_years(volts):
    for kelvins in (300.0, 400.0):
        wave = joined([Piece(3e8, volts, volts, observed=True)], kelvins)
        assert transient(MODEL, wave, start={"w": 0.4}).states[-1, 0, 0, 0] == 0.4


def test_there_is_no_temperature_in_it():
    system = MODEL.system(VALUES)
    assert AMBIENT not in system.current.free_symbols | system.rates[0].free_symbols
    assert MODEL.thermal is None


def loop(limit=None, rate=1.8):
    """Return voltage and state along a sweep to ±0.45 V, and the place where it passes 0 V on its way down."""
    corners = np.array([0.0, 0.45, 0.0, -0.45, 0.0])
    times = np.arange(5) * 0.45 / rate
    dense = np.unique(np.concatenate([times, np.linspace(0.0, times[-1], 20_001)]))
    wave = through(dense, np.interp(dense, times, corners), 300.0)
    found = transient(MODEL, wave, compliance_A=(limit, None))
    return found.voltage_V, found.states[:, 0, 0, 0], int(np.searchsorted(dense, times[2]))


def test_a_current_limit_leaves_limit_over_threshold_and_reset_does_not_know():
    onsets = []
    for limit in (3e-4, 5e-4, 7e-4):
        volts, state, zero = loop(limit)
        conductance = published_current(0.1, state[zero], VALUES) / 0.1
        assert conductance == pytest.approx(limit / VALUES["Vp"], rel=0.035)
        onsets.append(volts[zero + np.argmax(state[zero:] < 0.99 * state[zero])])
    assert onsets == pytest.approx([-VALUES["Vn"]] * 3, abs=0.01)


def width_10_to_90(volts, state):
    """Return over which voltage a state makes the middle 80 % of its way [V]."""
    share = (state - state[0]) / (state[-1] - state[0])
    low, high = (volts[np.argmax(share >= level)] for level in (0.1, 0.9))
    return abs(high - low)


def test_set_is_as_gradual_as_reset():
    volts, state, zero = loop(rate=180.0)
    top, bottom = np.argmax(volts), np.argmin(volts)
    set_V = width_10_to_90(volts[: top + 1], state[: top + 1])
    reset_V = width_10_to_90(volts[zero : bottom + 1], state[zero : bottom + 1])
    assert 0.8 < set_V / reset_V < 1.25
    assert set_V > 0.1


def test_each_reset_pulse_takes_the_same_share_in_the_end():
    """Near 0 the state falls as exp(-An·(e^V - e^Vn)·exp(-αn·(1 - xn))/(1 - xn)·t): no floor."""
    wave = joined([Piece(1e-3, -0.25, -0.25, observed=True)] * 200, 300.0)
    state = transient(MODEL, wave, start={"w": 1.0}, rtol=1e-9).states[:, 0, 0, 0]
    share = np.exp(-4000 * (np.exp(0.25) - np.exp(0.15)) * np.exp(-2.5) / 0.5 * 1e-3)
    assert state[151:] / state[150:-1] == pytest.approx(share, rel=1e-4)
    assert state[-1] < 1e-7


def test_pulses_below_xp_add_their_widths_up():
    """With the window open, every pulse adds Ap·(e^V - e^Vp)·width to the state, and so does the conductance grow."""
    done = simulate("rram_threshold", "pulse_train", settings={"opposite_V": None, "n_pulses": 4}).table
    state = done["conductance_S"] * 0.1 / (0.17 * np.sinh(0.05 * 0.1))
    assert np.diff(state) == pytest.approx(4000 * (np.exp(0.25) - np.exp(0.16)) * 1e-4, rel=1e-6)


def test_the_declared_ispp_reaches_its_target_below_its_last_voltage():
    done = simulate("rram_threshold", "ispp").table
    target, last = MODEL.experiments["ispp"]["target_S"], done.iloc[-1]
    assert done["conductance_S"].iloc[-2] < target <= last["conductance_S"] < 1.2 * target
    assert last["pulse_voltage_V"] < MODEL.experiments["ispp"]["stop_V"] - 0.05
