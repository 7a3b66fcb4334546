"""Phase-change cell: the published accumulation by identical pulses, and drift by collective relaxation."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvmphys.devices import device
from nvmphys.devices.model import TEMPERATURE, VOLTAGE, symbol
from nvmphys.population.pulse_response import accumulative_set
from nvmphys.simulate import transient
from nvmphys.simulate.devices import alike
from nvmphys.simulate.waveform import Piece, joined, pulse, through

MODEL = device("pcm_accumulative")
BOLTZMANN_EV = 8.617333262e-5
SET_V, WIDTH_S, READ_V = 2.0, 50e-9, 0.2
N_PULSES = 20
REST_S = 38.6
NAMES = [state.name for state in MODEL.states]


def published(xi):
    """Return G [µS] after each pulse by the published recursion, for the numbers ξ (pulse,) drawn."""
    g, p, path = 0.1, 1.0, []
    for number in xi:
        p *= np.exp(-1 / 2.6)
        g += -0.084 * g + 0.880 + 1.40 * p + (0.091 * g + 0.260 + 2.15 * p) * number
        g = min(max(g, 0.1), 20.0)
        path.append(g)
    return np.array(path)


def pulses(count, parts=1, number=True):
    """Return a train of pulses of the nominal width, cut into parts with rests between; looked at after each pulse."""
    pieces = []
    for k in range(count):
        for part in range(parts):
            rest = Piece(REST_S if part == 0 else 1e-6, 0.0, 0.0)
            pieces += [rest, Piece(WIDTH_S / parts, SET_V, SET_V, part == parts - 1, k if number else -1)]
    return joined(pieces)


def state(found, name):
    """Return one state (time, device)."""
    return found.states[:, :, 0, NAMES.index(name)]


def test_the_mean_path_is_the_published_recursion():
    found = transient(MODEL, pulses(N_PULSES, number=False), rtol=1e-9)
    assert state(found, "g")[:, 0] == pytest.approx(published(np.zeros(N_PULSES)), abs=1e-6)


def test_a_path_with_numbers_drawn_is_the_published_recursion_with_those_numbers():
    drawn = np.random.default_rng(3).standard_normal((5, N_PULSES))
    found = transient(MODEL, pulses(N_PULSES), alike(MODEL, count=5), rng=3, rtol=1e-9)
    inside = np.stack([published(row) for row in drawn], axis=1)
    assert state(found, "g") == pytest.approx(inside, abs=2e-3)  # the flow stops softly, within 1e-3 µS, at its ends


def test_half_pulses_make_a_whole():
    cells = alike(MODEL, count=20)
    whole, halves, fifths = (
        state(transient(MODEL, pulses(N_PULSES, parts), cells, rng=4, rtol=1e-9), "g") for parts in (1, 2, 5)
    )
    assert halves == pytest.approx(whole, abs=1e-6)
    assert fifths == pytest.approx(whole, abs=1e-6)


def test_a_population_has_the_mean_and_the_spread_of_the_published_law():
    count, n_pulses = 1000, 10
    ours = state(transient(MODEL, pulses(n_pulses), alike(MODEL, count=count), rng=1), "g")
    law = accumulative_set().train(n_pulses, count, np.random.default_rng(2))[1:] * 1e6
    sigma = law.std(axis=1)
    assert np.all(np.abs(ours.mean(axis=1) - law.mean(axis=1)) <= 4 * sigma * np.sqrt(2 / count))
    kurtosis = np.mean((law - law.mean(axis=1, keepdims=True)) ** 4, axis=1) / sigma**4
    error = sigma * np.sqrt((kurtosis - 1) / 4 * 2 / count)
    assert np.all(np.abs(ours.std(axis=1) - sigma) <= 4 * error)


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 30))
def test_conductance_stays_within_its_range(seed, count):
    found = state(transient(MODEL, pulses(count), alike(MODEL, count=5), rng=seed), "g")
    assert np.all((found >= 0.1 - 1e-6) & (found <= 20 + 1e-6))


def test_a_pulse_below_the_threshold_changes_nothing():
    found = transient(MODEL, joined([*pulse(0.8, 1e-6), Piece(1e-9, 0.0, 0.0, observed=True)]), start={"g": 5.0})
    assert state(found, "g")[-1, 0] == pytest.approx(5.0, abs=1e-6)


def test_conductance_is_the_programmed_one_at_the_reference_time():
    found = transient(MODEL, through([0.0, 38.6], [READ_V, READ_V]), start={"g": 5.0}, rtol=1e-9)
    assert found.current_A[-1, 0] / READ_V == pytest.approx(5e-6, rel=1e-6)


def drift(temperature_K, values=None):
    """Return times [s] and conductance [S] over six decades after a pulse."""
    times = np.concatenate([[0.0], np.logspace(0, 6, 25)])
    wave = through(times, np.full(times.size, READ_V), temperature_K)
    found = transient(MODEL, wave, alike(MODEL, values), start={"g": 5.0}, rtol=1e-9)
    return found.time_s, found.current_A[:, 0] / READ_V


def relaxed(time_s, temperature_K, start):
    """Return Σ(t) of collective relaxation in closed form, 30 digits: -(kT/E_s)·ln((t + τ0)/τ1)."""
    with mpmath.workdps(30):
        es, rate = mpmath.mpf(3), mpmath.mpf(10) ** 13
        energy = mpmath.mpf(BOLTZMANN_EV) * temperature_K
        tau1 = energy / (rate * es) * mpmath.exp(es / energy)
        tau0 = tau1 * mpmath.exp(-start * es / energy)
        return -energy / es * mpmath.log((mpmath.mpf(time_s) + tau0) / tau1)


@pytest.mark.parametrize("temperature_K", [300.0, 350.0])
def test_drift_over_six_decades_has_the_exponent_of_the_closed_form(temperature_K):
    times, conductance = drift(temperature_K)
    found = -np.diff(np.log(conductance)) / np.diff(np.log(times))
    sigma = [relaxed(t, temperature_K, 0.82) for t in times]
    alpha = 0.04 * 3  # ν·E_s
    expected = [
        float(alpha * (a - b) / (BOLTZMANN_EV * temperature_K) / mpmath.log(later / earlier))
        for a, b, earlier, later in zip(sigma[:-1], sigma[1:], times[:-1], times[1:], strict=True)
    ]
    assert found == pytest.approx(expected, rel=0.01)
    assert found == pytest.approx(0.04, rel=0.01)  # the power law is its limit


@pytest.mark.parametrize("temperature_K", [300.0, 350.0])
def test_the_exponent_does_not_depend_on_the_reference_time(temperature_K):
    exponents, levels = [], []
    for reference_s in (1.0, 38.6, 1e4):
        times, conductance = drift(temperature_K, {"tref": reference_s})
        exponents.append(-np.diff(np.log(conductance)) / np.diff(np.log(times)))
        levels.append(conductance[-1])
    for exponent in exponents[1:]:
        assert exponent == pytest.approx(exponents[0], abs=1e-6)
    if temperature_K == 300.0:
        assert levels[2] / levels[0] == pytest.approx(1e4**0.04, rel=1e-4)


def relaxation_rate(sigma, temperature_K):
    """Return dΣ/dt [1/s] at rest, of the model's equations."""
    at = {symbol(name): value for name, value in MODEL.values().items()}
    at |= {MODEL.states[NAMES.index("sig")].symbol: sigma, TEMPERATURE: temperature_K, VOLTAGE: 0.0}
    return float(MODEL.state_rate[NAMES.index("sig")].subs(at))


@settings(max_examples=25)
@given(st.floats(0.3, 0.8), st.floats(250.0, 400.0), st.floats(250.0, 400.0))
def test_a_temperature_step_changes_the_rate_as_its_activation_energy_says(sigma, before_K, after_K):
    ratio = relaxation_rate(sigma, after_K) / relaxation_rate(sigma, before_K)
    expected = np.exp(3.0 * (1 - sigma) / BOLTZMANN_EV * (1 / before_K - 1 / after_K))
    assert ratio == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("after_K", [320.0, 350.0, 380.0])
def test_after_a_temperature_step_the_cell_relaxes_as_much_in_a_shorter_time(after_K):
    first_s, then_s = 1e3, 1e6
    at_step, target = relaxed(first_s, 300.0, 0.82), relaxed(first_s + then_s, 300.0, 0.82)
    hot = mpmath.mpf(BOLTZMANN_EV) * after_K
    shorter = float(
        hot / (3 * mpmath.mpf(10) ** 13) * (mpmath.exp(3 * (1 - target) / hot) - mpmath.exp(3 * (1 - at_step) / hot))
    )
    assert shorter < 0.1 * then_s
    edge = 1e-3  # s; far shorter than either stay
    times = np.array([0.0, first_s, first_s + edge, first_s + edge + shorter])
    found = transient(MODEL, through(times, np.zeros(4), [300.0, 300.0, after_K, after_K]), rtol=1e-9)
    sigma = state(found, "sig")[:, 0]
    assert sigma[0] == pytest.approx(float(at_step), abs=1e-7)
    assert sigma[-1] == pytest.approx(float(target), abs=1e-3 * float(at_step - target))
    stayed = transient(MODEL, through([0.0, first_s + then_s], [0.0, 0.0]), rtol=1e-9)
    assert state(stayed, "sig")[-1, 0] == pytest.approx(float(target), abs=1e-7)


def test_a_pulse_sets_the_relaxation_back():
    pieces = [Piece(1e4, 0.0, 0.0, observed=True), *pulse(SET_V, WIDTH_S), Piece(1e-9, 0.0, 0.0, observed=True)]
    sigma = state(transient(MODEL, joined(pieces)), "sig")[:, 0]
    assert sigma[0] < 0.7
    assert sigma[1] == pytest.approx(0.82, abs=2e-3)
