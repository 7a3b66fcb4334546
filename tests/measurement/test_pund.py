"""PUND: polarization, offset and sign of the current come back from made and measured waveforms."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nvmphys.errors import BadInput
from nvmphys.measurement import read
from nvmphys.measurement.pund import find_pulses, is_pund, pulse_names, switched_polarization
from nvmphys.records import Measurement, Source

AREA = 2.5e-9
STEP = 1e-7
SEQUENCE = (-1, 1, 1, -1, -1)


def measurement(time, voltage, current, **more):
    table = pd.DataFrame({"time_s": time, "voltage_V": voltage, "current_A": current, **more})
    return Measurement("pund", table, Source("made"))


def capacitor(signs=SEQUENCE, *, two_p_r=0.5, capacitance=3e-11, leak=1e-7, offset=0.0, noise=0.0, start=-1, peak=3.0):
    """Simulate triangular pulses on a ferroelectric capacitor of known 2 P_r [C/m²] that switches at 1 V.

    I = C dV/dt + leak · V + dQ/dt, with Q a step of 2 P_r · A, smooth in V, on the way up of the first pulse of a sign.
    """
    ramp = np.linspace(0, peak, 200, endpoint=False)
    pulse = np.r_[np.zeros(300), ramp, peak, ramp[::-1]]
    switch = 0.5 * (1 + np.tanh((np.r_[np.zeros(300), ramp, np.full(201, peak)] - 1.0) / 0.1))
    voltage, charge, state = [], [], start
    for sign in signs:
        voltage.append(sign * pulse)
        charge.append(AREA * two_p_r * (state + (sign - state) * switch) / 2)
        state = sign
    voltage.append(np.zeros(300))
    charge.append(np.full(300, AREA * two_p_r * state / 2))
    v, q = np.concatenate(voltage), np.concatenate(charge)
    time = STEP * np.arange(len(v))
    current = np.gradient(capacitance * v + q, STEP) + leak * v + offset
    return time, v, current + noise * np.random.default_rng(1).standard_normal(len(v))


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("offset", [0.0, -2.1e-6, 5e-6])
def test_the_polarization_of_a_known_capacitor_comes_back(inverted, offset):
    time, voltage, current = capacitor(two_p_r=0.48)
    current = (-current if inverted else current) + offset
    found = switched_polarization(measurement(time, voltage, current), AREA)
    assert found.pu == pytest.approx(0.48, rel=1e-3)
    assert found.nd == pytest.approx(0.48, rel=1e-3)
    assert found.two_p_r == pytest.approx(0.48, rel=1e-3)
    assert found.offset_A == pytest.approx(offset, abs=1e-9)
    assert found.inverted is inverted
    assert found.has_preset
    assert found.n_pulses == 5
    # U moves no more than the leakage: 0.1 µS · 3 V · 20 µs; an offset left in would show here, in P − U it cancels.
    assert found.pulses[2].charge == pytest.approx(1e-7 * 3 * 200 * STEP / AREA, rel=0.05)
    # A pulse lasts 400 steps, up to 2 % less where its feet pass for rest.
    assert found.offset_charge == pytest.approx(offset * 396 * STEP / AREA, rel=0.011, abs=1e-6)


def test_the_charge_of_each_pulse_has_the_sign_of_what_it_switched():
    time, voltage, current = capacitor(two_p_r=0.4, leak=0.0)
    pulses = switched_polarization(measurement(time, voltage, current), AREA).pulses
    assert [pulse.name for pulse in pulses] == ["preset", "P", "U", "N", "D"]
    # The device starts down: the preset pulse finds it set.
    np.testing.assert_allclose([pulse.charge for pulse in pulses], [0, 0.4, 0, -0.4, 0], atol=1e-3)
    assert [pulse.amplitude_V for pulse in pulses] == [-3.0, 3.0, 3.0, -3.0, -3.0]
    np.testing.assert_allclose([pulse.start_s for pulse in pulses], STEP * (300 + 701 * np.arange(5)), atol=6 * STEP)
    np.testing.assert_allclose([pulse.stop_s for pulse in pulses], STEP * 701 * np.arange(1, 6), atol=6 * STEP)


def test_a_sequence_that_begins_negative_gives_the_same():
    time, voltage, current = capacitor((1, -1, -1, 1, 1), two_p_r=0.3)
    found = switched_polarization(measurement(time, voltage, current), AREA)
    assert (found.pu, found.nd) == pytest.approx((0.3, 0.3), rel=1e-3)


def test_a_capacitor_that_does_not_switch_gives_zero_and_its_sign_is_still_known():
    time, voltage, current = capacitor(two_p_r=0.0)
    for sign in (1, -1):
        found = switched_polarization(measurement(time, voltage, sign * current), AREA)
        assert found.two_p_r == pytest.approx(0, abs=1e-9)
        assert found.inverted is (sign < 0)


def test_without_a_preset_pulse_the_result_says_so():
    time, voltage, current = capacitor((1, 1, -1, -1))
    found = switched_polarization(measurement(time, voltage, current), AREA)
    assert not found.has_preset
    assert "no preset pulse" in found.sentence
    assert found.pu == pytest.approx(0.5, rel=1e-3)


def test_repeated_pairs_are_averaged():
    time, voltage, current = capacitor((-1, 1, 1, -1, -1, 1, 1, -1, -1), two_p_r=0.5)
    second_p = (time > STEP * 701 * 5) & (time < STEP * 701 * 6) & (voltage != 0)
    current[second_p] += 0.1 * AREA / (np.count_nonzero(second_p) * STEP)
    found = switched_polarization(measurement(time, voltage, current), AREA)
    assert found.pu == pytest.approx(0.55, rel=3e-3)
    assert found.nd == pytest.approx(0.5, rel=1e-3)


def test_noise_hardly_moves_the_result():
    time, voltage, current = capacitor(two_p_r=0.5, offset=-2e-6, noise=2e-6)
    found = switched_polarization(measurement(time, voltage, current), AREA)
    # The noise of a difference of two sums of n samples is σ Δt √(2n) / A.
    n = 1.2 * 401
    assert abs(found.pu - 0.5) < 4 * 2e-6 * STEP * math.sqrt(2 * n) / AREA
    assert abs(found.offset_A + 2e-6) < 4 * 2e-6 * 1.253 / math.sqrt(1300)


def bad_waveform(what):
    time, voltage, current = capacitor()
    more = {}
    if what == "time":
        time[10] = time[9]
    elif what == "value":
        current[17] = np.nan
    elif what == "rest":
        time, voltage, current = (values[np.abs(voltage) > 0.1] for values in (time, voltage, current))
        voltage = voltage.copy()
        voltage[::160] = 0.0
    elif what == "amplitude":
        voltage = np.where((time > STEP * 1402) & (time < STEP * 2103), 0.8 * voltage, voltage)
    elif what == "cycles":
        more = {"cycle": np.arange(len(time)) % 3}
    elif what == "pairs":
        time, voltage, current = capacitor((-1, 1, -1, -1))
    elif what == "flat":
        voltage = 0 * voltage
    return measurement(time, voltage, current, **more)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("time", r"time_s must increase \(got 9e-07 s, then 9e-07 s in row 11\)"),
        ("value", "row 18 holds no number"),
        ("amplitude", r"P and U differ in amplitude \(got 3 V and 2.4 V"),
        ("cycles", r"holds 3 cycles: give the rows of one"),
        ("pairs", r"no pair of positive pulses \(got 4 pulses: − \+ − −\)"),
        ("flat", r"no pair of positive or of negative pulses \(got no pulses\)"),
    ],
)
def test_a_waveform_against_a_rule_is_an_error(what, words):
    with pytest.raises(BadInput, match="made: " + words):
        switched_polarization(bad_waveform(what), AREA)


def test_without_rest_the_offset_cannot_be_known():
    voltage = np.concatenate([[0.0, *(3 * s * np.ones(9))] for s in SEQUENCE] + [[0.0]])
    with pytest.raises(BadInput, match=r"no rest at 0 V \(got 0 rows"):
        switched_polarization(measurement(STEP * np.arange(len(voltage)), voltage, voltage), AREA)


@pytest.mark.parametrize("area", [0.0, -1.0, math.nan, math.inf])
def test_an_area_must_be_positive(area):
    with pytest.raises(BadInput, match=r"area_m2 must be a finite number > 0 m²"):
        switched_polarization(measurement(*capacitor()), area)


def test_a_table_without_time_is_refused():
    table = pd.DataFrame({"voltage_V": [0.0], "current_A": [0.0]})
    with pytest.raises(BadInput, match="PUND needs time_s"):
        switched_polarization(Measurement("sweep", table, Source("made")), AREA)


@pytest.mark.parametrize(
    ("signs", "names"),
    [
        ([], []),
        ([1, -1], ["preset", ""]),
        ([-1, -1, 1, 1, -1, -1], ["preset", "preset", "P", "U", "N", "D"]),
        ([-1, 1, 1, 1, -1, -1], ["preset", "P", "U", "", "N", "D"]),
    ],
)
def test_pulses_are_named_by_their_order(signs, names):
    assert pulse_names(signs) == names


def test_the_shape_of_a_butterfly_is_no_pund():
    ramp = np.linspace(0, 1, 50)
    loop = np.r_[ramp, ramp[::-1], -ramp, -ramp[::-1]]
    assert not is_pund(np.r_[loop, loop])
    assert not is_pund(np.zeros(0))
    assert is_pund(capacitor()[1])


@settings(max_examples=200)
@given(arrays(float, st.tuples(st.integers(0, 60), st.just(2)), elements=st.floats(-5, 5)))
def test_any_waveform_gives_a_finite_result_or_an_error_on_purpose(values):
    voltage, current = values.T
    for start, stop in find_pulses(voltage):
        assert 0 <= start < stop <= len(voltage)
    try:
        found = switched_polarization(measurement(STEP * np.arange(len(values)), voltage, current), AREA)
    except BadInput:
        return
    assert math.isfinite(found.two_p_r)


def test_the_measured_capacitor_gives_its_published_polarization(measured_data):
    (pund,) = read(measured_data / "hzo_capacitor_pund" / "PUND_B1500.csv")
    found = switched_polarization(pund, AREA)
    assert found.pu == pytest.approx(0.489, rel=0.01)
    assert found.nd == pytest.approx(0.490, rel=0.01)
    assert found.inverted
    assert found.has_preset
    assert [pulse.name for pulse in found.pulses] == ["preset", "P", "U", "N", "D"]
    assert [np.sign(pulse.charge) for pulse in found.pulses[:2]] == [-1, 1]
    assert found.offset_A == pytest.approx(-2.1e-6, abs=0.1e-6)
    assert found.offset_charge == pytest.approx(-0.043, abs=0.001)
