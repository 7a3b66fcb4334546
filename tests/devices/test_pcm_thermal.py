"""The electro-thermal phase-change cell against its equations, written here on their own, and against what is known."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from nvmphys.devices import device
from nvmphys.errors import BadInput
from nvmphys.simulate import simulate, transient
from nvmphys.simulate.devices import alike
from nvmphys.simulate.waveform import Piece, joined, pulse, through

MODEL = device("pcm_thermal")
VALUES = MODEL.values()
KT_EV = 8.617333262e-5
NAMES = ("ua", "nuc", "s", "sig", "t_rise")
SET_S = 1 / VALUES["Rset"]
TEN_YEARS_S = 3.156e8
RESET_STATE, SET_STATE = {"ua": 0.5}, {"ua": 0.0}


def kappa(kelvins, p):
    return 1 / (1 + np.exp(p["Eg"] / KT_EV * (1 / kelvins - 1 / p["Tx"])))


def velocity(kelvins, p):
    """Return the velocity of growth [m/s], negative where the crystal melts."""
    return p["vg"] * kappa(kelvins, p) * (1 - np.exp(p["dH"] / KT_EV * (1 / p["Tm"] - 1 / kelvins)))


def nucleation(kelvins, p):
    """Return the rate at which a site nucleates [1/s]."""
    return p["kn"] * kappa(kelvins, p) * np.exp(-p["bn"] / max(1 - kelvins / p["Tm"], 1e-3) ** 2)


def forgotten(kelvins, threshold, span):
    share = min(max((kelvins - threshold) / span, 0.0), 1.0)
    return share**2 * (3 - 2 * share)


def layer_field(amperes, kelvins, sigma, p):
    """Return the field [V/m] of the layer, not switched, at a current [A]: Poole and Frenkel's law turned around."""
    scale = p["Apf"] * np.exp(-(p["Ec"] - p["alpha"] * sigma) / (KT_EV * kelvins))
    return 2 * KT_EV * kelvins / p["dz"] * np.arcsinh(amperes / scale)


def amperes_at(volts, state, ambient, p):
    """Return the current [A]: resistance, layer that has not switched and layer that has, one after another."""
    if volts == 0:
        return 0.0
    u, _, s, sigma, rise = state
    kelvins, metres = ambient + 100 * rise * (1 - u / 2), max(u, 0.0) * p["thick"]

    def lack(i):
        return i * p["Rset"] + metres * ((1 - s) * layer_field(i, kelvins, sigma, p) + s * p["ron"] * i) - abs(volts)

    return np.sign(volts) * brentq(lack, 0.0, 1.001 * abs(volts) / p["Rset"], xtol=1e-16, rtol=1e-12)


def rates(volts, state, ambient, p):
    """Return d(state)/dt [1/s] of the equations in the model's first words."""
    u, n, s, sigma, rise = state
    amperes = amperes_at(volts, state, ambient, p)
    hot = ambient + 100 * rise
    middle, edge = hot - (hot - ambient) * u / 2, hot - (hot - ambient) * u
    front, bulk = velocity(edge, p) / p["thick"], max(velocity(middle, p), 0.0) / p["thick"]
    inward = (max(front, 0.0) + 2 * n * p["sites"] * bulk * u) * np.tanh(u / p["du"])
    share = layer_field(amperes, middle, sigma, p) / p["Fth"]
    switched = 0.5 * (1 + np.tanh((share**2 - 1) / (2 * p["dF"])))
    liquid = forgotten(middle, p["Tg"], 40.0)
    relaxing = p["rate"] * np.exp(-p["Es"] * (1 - sigma) / (KT_EV * middle)) * np.tanh(sigma / 0.01)
    return [
        max(-front, 0.0) - inward,
        nucleation(middle, p) * (1 - n) - forgotten(middle, p["Tm"], 10.0) * n / p["tq"],
        (switched - s) / p["ton"],
        liquid * (p["sig_rest"] - sigma) / p["tq"] - (1 - liquid) * relaxing,
        (volts * amperes - 100 * rise / p["Rth"]) / p["Cth"] / 100,
    ]


def finely(corners, n=100):
    """Return times and voltages along corners."""
    times, volts = corners
    dense = np.unique(np.concatenate([np.linspace(a, b, n + 1) for a, b in pairwise(times)]))
    return dense, np.interp(dense, times, volts)


def after(pieces, start=None, kelvins=300.0, values=None):
    """Return the states after pieces of a waveform and a rest, by name."""
    wave = joined([*pieces, Piece(1e-6, 0.0, 0.0)], kelvins)
    done = transient(MODEL, wave, alike(MODEL, MODEL.values(values or {})), start=start)
    return dict(zip(NAMES, done.states[-1, 0, 0], strict=True))


def held(volts, seconds, start=None, kelvins=300.0, values=None):
    """Return the states at the end of a constant voltage."""
    cells = alike(MODEL, MODEL.values(values or {}))
    done = transient(MODEL, joined([Piece(seconds, volts, volts)], kelvins), cells, start=start)
    return dict(zip(NAMES, done.states[-1, 0, 0], strict=True))


def programmed(amplitudes, start, **settings):
    """Return the conductance [S] after a pulse of each amplitude, from one start."""
    given = {"amplitude_V": tuple(map(float, amplitudes)), "width_s": 1e-7, "edge_s": 2e-9, "rest_s": 1e-6} | settings
    return simulate(MODEL, "pulse", settings=given, start=start).table


NANO = 1e-9
PATHS = {
    "RESET": ((NANO * np.array([0, 5, 100, 104, 150]), np.array([0, 2.5, 2.5, 0, 0])), {"ua": 0.0}),
    "SET": ((NANO * np.array([0, 5, 180, 185, 230]), np.array([0, 1.78, 1.78, 0, 0])), {"ua": 0.45, "nuc": 0.01}),
    "melt and falling edge": ((NANO * np.array([0, 2, 40, 240, 260]), np.array([0, 2.3, 2.3, 0, 0])), {"ua": 0.3}),
    "switching without memory": ((NANO * np.array([0, 300, 600]), np.array([0, -1.5, 0])), {"ua": 0.5}),
}  # fmt: skip


@pytest.mark.parametrize(("name", "kelvins"), [*((name, 300.0) for name in PATHS), ("SET", 360.0)])
def test_paths_are_those_of_the_equations_solved_by_another_method(name, kelvins):
    corners, start = PATHS[name]
    times, volts = finely(corners, 50)
    done = transient(MODEL, through(times, volts, kelvins), alike(MODEL, VALUES), start=start, rtol=1e-8)
    state = np.array([start["ua"], start.get("nuc", 0.0), 0.0, VALUES["sig_rest"], 0.0])
    paths = []
    for (a, b), (v_a, v_b) in zip(pairwise(corners[0]), pairwise(corners[1]), strict=True):
        within = times[(times > a) & (times <= b)]

        def slope(t, x, a=a, b=b, v_a=v_a, v_b=v_b):
            return rates(v_a + (v_b - v_a) * (t - a) / (b - a), x, kelvins, VALUES)

        solved = solve_ivp(slope, (a, b), state, "LSODA", t_eval=within, rtol=1e-8, atol=1e-10, max_step=(b - a) / 50)
        paths.append(solved.y.T)
        state = solved.y[:, -1]
    expected = np.concatenate(paths)
    found = done.states[:, 0, 0]
    span = np.maximum(1.0, np.ptp(expected, axis=0))
    assert np.max(np.abs(found - expected) / span) <= 1e-4
    assert np.ptp(expected[:, 0 if name != "switching without memory" else 2]) > 0.1
    amperes = [amperes_at(v, x, kelvins, VALUES) for v, x in zip(volts[1:], expected, strict=True)]
    assert done.current_A[:, 0] == pytest.approx(amperes, rel=1e-3, abs=1e-4 * np.max(np.abs(amperes)))


def test_heating_takes_the_thermal_time_constant():
    """With no layer the power is V²/R, and the rise of temperature that of one resistance and one capacitance."""
    tau = VALUES["Rth"] * VALUES["Cth"]
    for share in (0.3, 1.0, 3.0, 10.0):
        rise_K = 100 * held(1.2, share * tau, SET_STATE)["t_rise"]
        assert rise_K == pytest.approx(VALUES["Rth"] * 1.2**2 / VALUES["Rset"] * (1 - np.exp(-share)), rel=1e-5)
    assert after([Piece(0.1 * tau, 2.5, 2.5)], SET_STATE)["ua"] == pytest.approx(0.0, abs=1e-9)
    assert after([Piece(20 * tau, 2.5, 2.5)], SET_STATE)["ua"] > 0.3


@pytest.mark.parametrize("kelvins", [300.0, 358.0])
@pytest.mark.parametrize("values", [{}, {"Rth": 3e6, "Rset": 2e4}, {"Rth": 8e5, "Tm": 880.0, "thick": 30e-9}])
def test_melting_begins_at_the_power_that_thermal_resistance_and_melting_point_say(kelvins, values):
    p = MODEL.values(values)
    melting_W = (p["Tm"] - kelvins) / p["Rth"]
    for share, melts in ((0.99, False), (0.999, False), (1.005, True), (1.01, True)):
        layer = held(np.sqrt(share * melting_W * p["Rset"]), 5e-6, SET_STATE, kelvins, values)["ua"]
        assert (layer > 1e-3) == melts
        if not melts:
            assert abs(layer) < 1e-9


@pytest.mark.parametrize("volts", [2.0, 2.3, 2.8])
def test_the_front_stands_where_the_melting_point_lies(volts):
    found = held(volts, 2e-6, SET_STATE)
    assert (1 - found["ua"]) * 100 * found["t_rise"] == pytest.approx(VALUES["Tm"] - 300, rel=1e-4)


def test_growth_has_its_window():
    """Fastest near 750 K, negligible up to 550 K (Sebastian et al., Nat. Commun. 8, 1115 (2017)), melting above T_m."""
    kelvins = np.arange(300.0, 1000.0, 1.0)
    speeds = velocity(kelvins, VALUES)
    assert 740 <= kelvins[np.argmax(speeds)] <= 760
    assert 0.3 < speeds.max() < 0.6
    assert 0 < velocity(550.0, VALUES) < 1e-4 * speeds.max()
    assert np.all(np.sign(speeds) == np.sign(VALUES["Tm"] - kelvins))
    # and so moves the model's front, in a furnace, with no site of nucleation
    for celsius in (500.0, 600.0, 750.0, 890.0):
        rate = (0.5 - held(0.0, 1e-12, {"ua": 0.5}, celsius, {"sites": 0.0})["ua"]) / 1e-12
        assert rate * VALUES["thick"] == pytest.approx(velocity(celsius, VALUES), rel=1e-3, abs=3e-7)


RISING = np.arange(1.6, 2.95, 0.05)


def test_reset_makes_the_conductance_fall_with_amplitude_and_opens_a_window_of_a_hundred():
    found = programmed(RISING, SET_STATE)["conductance_S"].to_numpy()
    assert np.all(np.diff(found) <= 1e-9 * SET_S)
    assert found[0] == pytest.approx(SET_S, rel=1e-6)
    assert found[0] / found[-1] > 500
    levels = programmed(np.arange(1.80, 1.96, 0.01), SET_STATE)["conductance_S"].to_numpy()
    assert np.sum((levels > 0.01 * SET_S) & (levels < 0.9 * SET_S)) >= 4  # partial RESET


def test_from_reset_the_curve_has_a_set_valley_that_is_deeper_the_longer_the_pulse():
    volts = np.arange(1.0, 2.65, 0.05)
    widths = (1e-7, 3e-7, 1e-6)
    table = programmed(volts, RESET_STATE, width_s=widths)
    broad = []
    for width in widths:
        found = table[table["pulse_width_s"] == width]["conductance_S"].to_numpy()
        best = int(np.argmax(found))
        assert found[best] > 0.95 * SET_S
        assert found[0] < 0.01 * SET_S
        assert found[-1] < 0.01 * SET_S
        assert np.all(np.diff(found[best:]) <= 1e-9 * SET_S)
        broad.append(int(np.sum(found > 0.5 * SET_S)))
    assert broad[0] < broad[1] < broad[2]


FALLS_S = (0.0, 2e-8, 4e-8, 6e-8, 8e-8, 1e-7, 1.2e-7, 1.5e-7, 3e-7)


@pytest.mark.parametrize("steps", [None, 40])
def test_a_longer_falling_edge_sets_to_a_lower_resistance(steps):
    table = programmed([2.4], SET_STATE, width_s=5e-8, trailing_s=FALLS_S, trailing_steps=steps)
    assert list(table["trailing_s"]) == list(FALLS_S)
    ohms = 1 / table["conductance_S"].to_numpy()
    assert np.all(np.diff(ohms) <= 0)
    assert np.all(np.diff(ohms[:7]) < 0)
    assert ohms[0] > 100 * ohms[-1]
    assert ohms[-1] == pytest.approx(VALUES["Rset"], rel=1e-3)


def test_a_staircase_of_many_steps_is_a_straight_edge():
    straight, coarse, fine = (
        programmed([2.4], SET_STATE, width_s=5e-8, trailing_s=(8e-8,), trailing_steps=steps)["conductance_S"].iloc[0]
        for steps in (None, 8, 200)
    )
    assert abs(fine / straight - 1) < 0.05 < abs(coarse / straight - 1)


def test_a_falling_edge_leaves_the_time_at_the_top():
    assert pulse(2.0, 1e-7, 2e-8, trailing_s=5e-7)[:2] == pulse(2.0, 1e-7, 2e-8)[:2]
    assert pulse(2.0, 1e-7, 2e-8, trailing_s=5e-7)[2].duration_s == 5e-7
    with pytest.raises(BadInput, match=r"trailing_steps needs trailing_s, .* \(got 3 steps\)"):
        programmed([2.0], SET_STATE, trailing_steps=3)


def test_a_staircase_of_pulses_sets_step_by_step():
    table = simulate(MODEL, "ispp").table
    found, target = table["conductance_S"].to_numpy(), MODEL.experiments["ispp"]["target_S"]
    assert found[-2] < target <= found[-1]
    assert table["pulse_voltage_V"].iloc[-1] < MODEL.experiments["ispp"]["stop_V"] - 0.05
    assert np.all(np.diff(found) > 0)
    assert np.sum((found > 1.1 * found[0]) & (found < target)) >= 3


def test_identical_pulses_accumulate():
    found = simulate(MODEL, "pulse_train").table["conductance_S"].to_numpy()[1:]
    assert np.all(np.diff(found) > 0)
    assert found[-1] > 100 * found[0]
    assert np.sum((found > 1.1 * found[0]) & (found < 0.9 * found[-1])) >= 10


def switching_volts(layer, rate=1e5):
    """Return the voltage at which half of a layer has switched on a ramp from 0 [V], and the current before it [A]."""
    volts = np.linspace(0.0, 2.4, 6001)
    done = transient(MODEL, through(volts / rate, volts), start={"ua": layer})
    at = int(np.argmax(done.states[:, 0, 0, NAMES.index("s")] > 0.5))
    return float(done.voltage_V[at]), done.current_A[at - 20, 0], done.current_A[at + 20, 0]


def test_threshold_voltage_is_proportional_to_the_amorphous_thickness():
    layers = np.array([0.15, 0.3, 0.45, 0.6, 0.75])
    volts, before, behind = (np.array(each) for each in zip(*map(switching_volts, layers), strict=True))
    slope, offset = np.polyfit(layers * VALUES["thick"], volts, 1)
    assert slope == pytest.approx(VALUES["Fth"], rel=0.1)
    assert abs(offset) < 0.03 * volts[-1]
    assert volts == pytest.approx(slope * layers * VALUES["thick"] + offset, abs=2e-3)
    assert np.all(behind > 8 * before)


def test_switching_alone_is_forgotten():
    """Up to 1.5 V the layer switches, holds on the way down below its threshold, and is as it was afterwards."""
    times, volts = finely((1e-6 * np.array([0, 1, 2, 3]), np.array([0, 1.5, 0, 0])), 400)
    done = transient(MODEL, through(times, volts), start=RESET_STATE)
    up, down = (np.interp(1.0, done.voltage_V[part][::sign], done.current_A[part, 0][::sign]) for part, sign in (
        (slice(0, 400), 1), (slice(400, 800), -1)))  # fmt: skip
    assert down > 30 * up
    assert done.states[-1, 0, 0, 0] == pytest.approx(0.5, abs=1e-3)
    assert done.states[-1, 0, 0, 2] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("kelvins", [280.0, 300.0, 400.0])
def test_a_read_is_poole_and_frenkel_s_law_behind_a_resistance(kelvins):
    for layer in (0.02, 0.1, 0.5, 1.0):
        for volts in (0.01, 0.1, 0.3):
            done = transient(MODEL, joined([Piece(1e-15, volts, volts)], kelvins), start={"ua": layer}, rtol=1e-9)
            i = done.current_A[-1, 0]
            scale = VALUES["Apf"] * np.exp(-(VALUES["Ec"] - VALUES["alpha"] * VALUES["sig_rest"]) / (KT_EV * kelvins))
            over_layer = volts - i * VALUES["Rset"]
            field = over_layer / (layer * VALUES["thick"])
            assert i == pytest.approx(scale * np.sinh(field * VALUES["dz"] / (2 * KT_EV * kelvins)), rel=1e-4)


def test_a_set_cell_is_its_resistance_and_a_thin_layer_nearly_so():
    def ohms(layer):
        done = transient(MODEL, joined([Piece(1e-15, 0.1, 0.1)]), start={"ua": layer}, rtol=1e-9)
        return 0.1 / done.current_A[-1, 0]

    assert ohms(0.0) == VALUES["Rset"]
    more = np.array([ohms(10.0**k) - VALUES["Rset"] for k in (-9, -7, -5)])
    assert more[1:] / more[:-1] == pytest.approx(100.0, rel=0.01)


def in_furnace(seconds, kelvins, p):
    """Return what is left of a layer of share 1 by nucleation and growth from sites and front: quadrature."""
    rate, speed = nucleation(kelvins, p), velocity(kelvins, p) / p["thick"]

    def extended(t):  # twice the length grown by all sites, where they do not meet
        return 2 * p["sites"] * speed * (t + np.expm1(-rate * t) / rate)

    eaten = quad(lambda t: np.exp(extended(t)), 0, seconds, epsrel=1e-10)[0]
    return np.exp(-extended(seconds)) * (1 - speed * eaten)


@pytest.mark.parametrize("kelvins", [560.0, 620.0, 700.0])
def test_a_fully_amorphous_cell_crystallises_in_a_furnace_by_the_law_of_nucleation_and_growth(kelvins):
    speed = velocity(kelvins, VALUES) / VALUES["thick"]
    half_s = brentq(lambda t: in_furnace(t, kelvins, VALUES) - 0.5, 1e-3 / speed, 0.9 / speed)
    for share in (0.2, 0.6, 1.0, 1.2):
        left = held(0.0, share * half_s, {"ua": 1.0}, kelvins)["ua"]
        assert left == pytest.approx(in_furnace(share * half_s, kelvins, VALUES), abs=1e-4)
    slow = held(0.0, half_s, {"ua": 1.0}, kelvins, {"sites": 0.0})["ua"]
    assert slow > 0.5 + 0.1


def test_early_nucleation_follows_avrami_s_exponent_two():
    """With many sites of which few nucleate, 1 - X = exp(-sites·k·v/L·t²); the front adds a tenth."""
    speed = velocity(620.0, VALUES) / VALUES["thick"]
    values = {"kn": speed * VALUES["kn"] / nucleation(620.0, VALUES), "sites": 100.0}  # a site nucleates as L is grown
    times = np.array([0.4, 0.7, 1.0]) / (speed * np.sqrt(values["sites"]))
    left = np.array([held(0.0, t, {"ua": 1.0}, 620.0, values)["ua"] for t in times])
    found = -np.log(left / (1 - speed * times))
    assert found == pytest.approx(values["sites"] * (speed * times) ** 2, rel=0.1)
    assert np.polyfit(np.log(times), np.log(found), 1)[0] == pytest.approx(2.0, abs=0.1)


def test_nucleation_is_the_only_way_back_from_a_fully_amorphous_cell():
    """The front then lies at ambient temperature: a pulse with a falling edge sets the cell with sites alone."""
    edge = [Piece(2e-9, 0.0, 2.95), Piece(1e-7, 2.95, 2.95), Piece(3e-6, 2.95, 0.0)]
    assert after(edge, {"ua": 1.0})["ua"] == pytest.approx(0.0, abs=1e-6)
    assert after(edge, {"ua": 1.0}, values={"sites": 0.0})["ua"] == pytest.approx(1.0, abs=1e-6)


def stored(seconds, kelvins):
    """Return what a RESET cell has lost of its layer after a time at a temperature."""
    ends = np.geomspace(1e-9, seconds, 20)
    wave = joined([Piece(float(span), 0.0, 0.0) for span in np.diff(ends, prepend=0.0)], kelvins)
    return 0.5 - transient(MODEL, wave, start=RESET_STATE, rtol=1e-8).states[-1, 0, 0, 0]


def test_retention_loss_is_small_not_zero_and_arrhenius():
    heats = np.array([360.0, 380.0, 400.0, 420.0])
    seconds = 0.01 * VALUES["thick"] / velocity(heats, VALUES)
    losses = np.array([stored(t, k) for t, k in zip(seconds, heats, strict=True)])
    assert np.all((losses > 0.01) & (losses < 0.011))  # what the front takes, and a little by nucleation
    energy = -np.polyfit(1 / (KT_EV * heats), np.log(losses / seconds), 1)[0]
    assert energy == pytest.approx(VALUES["Eg"], rel=0.02)
    for kelvins, low, high in ((330.0, 0, 1e-4), (358.0, 1e-5, 0.1), (400.0, 0.4999, 0.5001)):
        assert low < stored(TEN_YEARS_S, kelvins) < high


def exponents(volts):
    """Return the layer that a RESET of this amplitude leaves, and the drift exponent of its resistance at 300 K."""
    state = after(pulse(volts, 1e-7, 2e-9), SET_STATE)
    start = {name: float(np.clip(state[name], 0.0, 1.0)) for name in NAMES}
    table = simulate(MODEL, "retention", settings={"first_s": 1.0, "points": 7}, start=start).table
    slopes = -np.diff(np.log(table["conductance_S"])) / np.diff(np.log(table["time_s"]))
    return state["ua"], slopes.mean()


def test_the_drift_exponent_of_partial_reset_rises_with_the_amorphous_thickness():
    layers, found = (
        np.array(each) for each in zip(*map(exponents, (1.83, 1.84, 1.85, 1.87, 1.9, 2.0, 2.4)), strict=True)
    )
    assert np.all(np.diff(layers) > 0)
    assert np.all(np.diff(found) > 0)
    assert found[0] < 0.5 * found[-1]
    assert found[-1] == pytest.approx(VALUES["alpha"] / VALUES["Es"], rel=0.01)
    assert exponents(1.6)[1] == pytest.approx(0.0, abs=1e-6)


def test_the_layer_relaxes_by_the_law_of_pcm_accumulative_through_a_temperature_step():
    same = {"Es": VALUES["Es"], "rate": VALUES["rate"], "sig_rest": VALUES["sig_rest"]}
    other = device("pcm_accumulative")
    wave = through([0.0, 1e3, 1e3 + 1.0, 1e5], np.zeros(4), [300.0, 300.0, 360.0, 360.0])
    ours = transient(MODEL, wave, start=RESET_STATE, rtol=1e-9).states[:, 0, 0, NAMES.index("sig")]
    theirs = transient(other, wave, alike(other, other.values(same)), rtol=1e-9).states[:, 0, 0, 2]
    assert np.ptp(ours) > 0.1
    assert ours == pytest.approx(theirs, abs=1e-7)


def test_heat_above_the_glass_transition_sets_the_relaxation_back_and_a_read_does_not():
    rested = held(0.0, 1e5, RESET_STATE)
    assert rested["sig"] < 0.7
    start = {name: float(rested[name]) for name in NAMES}
    assert after([Piece(1e-6, 0.2, 0.2)], start)["sig"] == pytest.approx(rested["sig"], abs=1e-6)
    assert after(pulse(2.4, 1e-7, 2e-9), start)["sig"] > 0.8


@pytest.mark.parametrize("name", PATHS)
def test_the_energy_of_the_source_is_in_the_heat_capacitance_or_has_left_through_the_resistance(name):
    corners, start = PATHS[name]
    times, volts = finely(corners, 1500)
    done = transient(MODEL, through(times, volts), start=start, rtol=1e-9)
    rise_K = np.concatenate([[0.0], 100 * done.states[:, 0, 0, NAMES.index("t_rise")]])
    places = np.searchsorted(times, corners[0])
    left = sum(
        CubicSpline(times[a : b + 1], rise_K[a : b + 1]).integrate(times[a], times[b]) for a, b in pairwise(places)
    )
    expected = VALUES["Cth"] * rise_K[-1] + left / VALUES["Rth"]
    assert done.energy_J[-1, 0] == pytest.approx(expected, rel=1e-6)
