"""Filamentary RRAM: SET is abrupt and RESET gradual, V_SET follows the ramp rate, a compliance limits the gap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from nvmphys.devices import device
from nvmphys.devices.model import AMBIENT, VOLTAGE, symbol
from nvmphys.simulate import transient
from nvmphys.simulate.devices import alike
from nvmphys.simulate.waveform import Piece, joined, through

MODEL = device("rram_gap")
VALUES = MODEL.values()
BOLTZMANN_EV = 8.617333262e-5
AMBIENT_K = 300.0
FIELD_ALONE = {"Rth": 1e3, "Fmin": 1e8, "Rs": 0.0, "I0": 1e-6, "V0": 1.0}
"""Values at which neither heat (< 0.1 K), nor the threshold of motion, nor a series resistance rules V_SET."""

RATES = np.logspace(2, 5, 4)
"""Ramp rates [V/s]."""
MIDDLE_NM = 0.95


def ramp(volts, rate, values=None, points=4000, **how):
    """Return voltage, gap [nm] and current along ramps from corner to corner, the first at 0 V."""
    corners = np.concatenate([[0.0], volts])
    times = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(corners)))]) / rate
    dense = np.unique(np.concatenate([times, np.linspace(0.0, times[-1], points)]))
    wave = through(dense, np.interp(dense, times, corners), AMBIENT_K)
    found = transient(MODEL, wave, alike(MODEL, values), **how)
    return found.voltage_V, found.states[:, 0, 0, 0], found.current_A[:, 0]


def width_10_to_90(voltage, gap):
    """Return over which voltage a gap makes the middle 80 % of its way [V]."""
    share = (gap - gap[0]) / (gap[-1] - gap[0])
    low, high = (voltage[np.argmax(share >= level)] for level in (0.1, 0.9))
    return abs(high - low)


@pytest.mark.parametrize(("rate", "ratio"), [(1e1, 50), (1e3, 50), (1e5, 4)])
def test_set_is_abrupt_and_reset_gradual(rate, ratio):
    sweep = MODEL.experiments["sweep"]
    corners = [sweep["positive_V"], 0.0, sweep["negative_V"], 0.0]
    limits = (sweep["compliance_A"], None) if "compliance_A" in sweep else None
    voltage, gap, _ = ramp(corners, rate, points=40_000, compliance_A=limits)
    top, bottom = np.argmax(voltage), np.argmin(voltage)
    zero = top + np.argmin(np.abs(voltage[top:bottom]))
    set_V = width_10_to_90(voltage[: top + 1], gap[: top + 1])
    reset_V = width_10_to_90(voltage[zero : bottom + 1], gap[zero : bottom + 1])
    assert gap[0] - gap[top] > 0.5  # nm: it has switched
    assert gap[-1] - gap[zero] > 0.5
    assert set_V < 0.02 * sweep["positive_V"]
    assert reset_V > ratio * set_V


def set_voltage(rate, values):
    """Return the voltage at which the gap has fallen by half its range, on a ramp from 0 V [V]."""
    voltage, gap, _ = ramp([4.0], rate, values, points=8000, rtol=1e-8)
    first = int(np.argmax(gap < MIDDLE_NM))
    assert gap[0] > MIDDLE_NM > gap[first]
    return float(np.interp(-MIDDLE_NM, -gap[first - 1 : first + 1], voltage[first - 1 : first + 1]))


def slope(rates, voltages):
    """Return dV_SET/d ln(ramp rate) [V]."""
    return np.polyfit(np.log(rates), voltages, 1)[0]


@settings(max_examples=6)
@given(st.floats(14.0, 25.0), st.floats(0.2e-9, 0.3e-9), st.floats(10e-9, 14e-9), st.floats(0.6, 0.7))
def test_the_set_voltage_rises_with_the_logarithm_of_the_ramp_rate(gamma0, a0, tox, activation):
    """With γ alike at all gaps dg/dV = -v0/r·exp(-Ea/kT)·sinh(V/V_c), V_c = t_ox·kT/(q·γ·a0): on a ramp of rate r a gap
    has fallen by Δ at V_c·arcosh(1 + r·Δ/(V_c·v0·exp(-Ea/kT))), which rises by V_c for each e-fold of r.
    """
    values = FIELD_ALONE | {"beta": 0.0, "gamma0": gamma0, "a0": a0, "tox": tox, "Ea": activation}
    scale = BOLTZMANN_EV * AMBIENT_K * tox / (gamma0 * a0)
    velocity = VALUES["vgap"] * np.exp(-activation / (BOLTZMANN_EV * AMBIENT_K))
    fall = VALUES["gmax"] - MIDDLE_NM * 1e-9
    found = [set_voltage(rate, values) for rate in RATES]
    assert found == pytest.approx(scale * np.arccosh(1 + RATES * fall / (scale * velocity)), rel=0.01)
    assert slope(RATES, found) == pytest.approx(scale, rel=0.02)


def test_a_field_factor_that_grows_as_the_gap_closes_flattens_the_slope_to_that_of_the_gaps_passed():
    """The published form, solved here on its own, γ and all; waiting is done between the widest gap and the runaway."""
    thermal = BOLTZMANN_EV * AMBIENT_K

    def fall(volts, gap, rate):
        gamma = 16 - 0.8 * gap[0] ** 3
        return [-10e9 / rate * np.exp(-0.6 / thermal) * np.sinh(gamma * 0.25e-9 * volts / (12e-9 * thermal))]

    def passes(_, gap, rate):
        return gap[0] - MIDDLE_NM

    passes.terminal = True
    found = [set_voltage(rate, FIELD_ALONE) for rate in RATES]
    expected = [
        solve_ivp(fall, (0.0, 4.0), [1.7], args=(rate,), events=passes, rtol=1e-9, atol=1e-11).t[-1] for rate in RATES
    ]
    assert found == pytest.approx(expected, rel=0.01)
    widest, middle = (thermal * 12e-9 / ((16 - 0.8 * gap**3) * 0.25e-9) for gap in (1.7, MIDDLE_NM))
    assert middle < slope(RATES, found) < widest
    assert slope(RATES, found) == pytest.approx(slope(RATES, expected), rel=0.01)


def test_a_compliance_limits_the_final_gap():
    limits = [1e-4, 3e-4, 1e-3, 3e-3]
    gaps, largest = [], []
    for limit in limits:
        _, gap, current = ramp([MODEL.experiments["sweep"]["positive_V"]], 1e3, compliance_A=limit)
        gaps.append(gap[-1])
        largest.append(current.max())
    assert np.all(np.diff(gaps) < -0.05)  # nm
    assert largest == pytest.approx(limits, rel=1e-3)


@settings(max_examples=25)
@given(st.floats(0.21, 1.69), st.floats(-2.5, 2.5), st.floats(-9.0, -3.0))
def test_positive_voltage_never_widens_the_gap_and_negative_never_narrows_it(gap, voltage, log_width):
    wave = joined([Piece(10**log_width, voltage, voltage, observed=True)])
    end = float(transient(MODEL, wave, start={"g": gap}).states[-1, 0, 0, 0])
    assert 0.2 - 1e-6 <= end <= 1.7 + 1e-6
    if abs(voltage) > 10 * VALUES["dV"]:
        assert (gap - end) * np.sign(voltage) >= -1e-9


def test_nothing_moves_at_no_voltage():
    wave = through([0.0, 3e8], [0.0, 0.0], 358.0)
    assert transient(MODEL, wave, start={"g": 0.6}).states[-1, 0, 0, 0] == 0.6


def gap_rate(voltage, gap, resistance, ambient_K):
    """Return dg/dt [nm/s] of the model's equations and the power taken [W]."""
    system = MODEL.system(MODEL.values({"Rth": resistance}))
    at = {symbol(name): value for name, value in system.values.items()}
    at |= {MODEL.states[0].symbol: gap, VOLTAGE: voltage, AMBIENT: ambient_K}
    return float(system.rates[0].subs(at)), voltage * float(system.current.subs(at))


@pytest.mark.parametrize("voltage", [1.2, -1.2])
def test_a_cell_heats_itself_by_the_power_it_takes(voltage):
    """Heat of its own moves the gap as much as the same rise of the ambient temperature."""
    own, power = gap_rate(voltage, 0.8, 1e5, 300.0)
    least, _ = gap_rate(voltage, 0.8, 1e3, 300.0)
    ambient, _ = gap_rate(voltage, 0.8, 1e3, 300.0 + (1e5 - 1e3) * power)
    assert abs(own) > 10 * abs(least)
    assert ambient == pytest.approx(own, rel=1e-9)
