"""Threshold voltages and memory windows against curves whose thresholds are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nvmphys.errors import BadInput
from nvmphys.measurement.transfer import memory_windows, threshold_voltages


def curve(threshold_V: float, gate=None, at_A: float = 1e-7, **conditions) -> pd.DataFrame:
    """Return a curve of 80 mV a decade that saturates, and passes a level at a threshold."""
    gate = np.linspace(-2.0, 4.0, 601) if gate is None else np.asarray(gate)
    below = at_A * 10 ** ((gate - threshold_V) / 0.08)
    return pd.DataFrame({"gate_voltage_V": gate, "current_A": below / (1 + below / 1e-4), **conditions})


@pytest.mark.parametrize("threshold_V", [-1.303, 0.0, 0.777, 2.5])
def test_the_threshold_is_where_the_curve_passes_the_level(threshold_V):
    found = threshold_voltages(curve(threshold_V))
    assert found["threshold_V"].tolist() == [pytest.approx(threshold_V, abs=1e-4)]  # saturation aside: 1e-3 of 35 mV


def test_a_curve_swept_downwards_or_of_negative_current_has_the_same_threshold():
    rows = curve(0.777)
    for other in (rows[::-1], rows.assign(current_A=-rows["current_A"])):
        assert threshold_voltages(other)["threshold_V"][0] == pytest.approx(0.777, abs=1e-4)


def test_coarse_points_are_interpolated_in_the_logarithm_of_the_current():
    found = threshold_voltages(curve(0.33, gate=np.arange(-1.0, 2.0, 0.25)), at_A=1e-8)
    assert found["threshold_V"][0] == pytest.approx(0.33 - 0.08, abs=1e-3)


def test_a_level_at_a_point_a_current_of_zero_and_a_level_that_is_not_passed():
    gate = [0.0, 1.0, 2.0]
    exact = pd.DataFrame({"gate_voltage_V": gate, "current_A": [1e-9, 1e-7, 1e-5]})
    assert threshold_voltages(exact)["threshold_V"][0] == 1.0
    from_nothing = pd.DataFrame({"gate_voltage_V": gate, "current_A": [0.0, 1e-6, 1e-5]})
    assert threshold_voltages(from_nothing)["threshold_V"][0] == 1.0
    assert np.isnan(threshold_voltages(exact, at_A=1e-3)["threshold_V"][0])


def test_a_curve_that_passes_more_than_once_counts_where_it_does_first():
    rows = pd.DataFrame({"gate_voltage_V": [0.0, 1.0, 2.0, 3.0], "current_A": [1e-8, 1e-6, 1e-8, 1e-6]})
    assert threshold_voltages(rows)["threshold_V"].tolist() == [pytest.approx(0.5)]


def test_curves_are_told_apart_by_their_conditions():
    parts = [
        curve(0.1 * device + 0.01 * drain, device_id=device, voltage_V=drain)
        for device in (1, 2)
        for drain in (0.05, 1.0)
    ]
    found = threshold_voltages(pd.concat(parts)).set_index(["device_id", "voltage_V"])["threshold_V"]
    for (device, drain), threshold in found.items():
        assert threshold == pytest.approx(0.1 * device + 0.01 * drain, abs=1e-4)


def test_a_window_is_the_threshold_after_the_negative_pulse_less_that_after_the_positive():
    known = {(1, 3.0, 1e-6): 0.8, (1, 3.0, 1e-7): -0.2, (2, 4.0, 1e-6): 1.1}
    parts = []
    for (device, volts, width), window in known.items():
        for sign, threshold in ((-1, 1.0), (1, 1.0 - window)):
            parts.append(curve(threshold, device_id=device, pulse_voltage_V=sign * volts, pulse_width_s=width))
    found = memory_windows(pd.concat(parts)).set_index(["device_id", "pulse_voltage_V", "pulse_width_s"])["window_V"]
    assert len(found) == len(known)
    for key, window in known.items():
        assert found[key] == pytest.approx(window, abs=1e-4)


def test_a_pulse_without_its_opposite_makes_no_window():
    parts = [curve(1.0, pulse_voltage_V=-3.0), curve(0.5, pulse_voltage_V=3.0), curve(0.2, pulse_voltage_V=4.0)]
    assert memory_windows(pd.concat(parts))["pulse_voltage_V"].tolist() == [3.0]


@pytest.mark.parametrize("at_A", [0.0, -1e-7, np.nan, np.inf])
def test_a_level_that_is_none_is_refused(at_A):
    with pytest.raises(BadInput, match=rf"at_A must be > 0 A \(got {at_A:g} A\)"):
        threshold_voltages(curve(0.5), at_A)


def test_a_table_without_gate_or_pulses_of_both_signs_is_refused():
    with pytest.raises(BadInput, match=r"need gate_voltage_V and current_A \(got no gate_voltage_V\)"):
        threshold_voltages(curve(0.5).drop(columns="gate_voltage_V"))
    for table in (curve(0.5), curve(0.5, pulse_voltage_V=3.0)):
        with pytest.raises(BadInput, match="memory windows need pulse_voltage_V of both signs"):
            memory_windows(table)
