"""Preisach ferroelectric: return points are remembered and wiped out, minor loops close and are congruent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import epsilon_0

from nvmphys.devices import device
from nvmphys.simulate import transient
from nvmphys.simulate.waveform import through

MODEL = device("fe_preisach")
VALUES = MODEL.values()
LEG_S = 1e-5
"""A straight piece of voltage: slow against the response of a play, 1 ns."""
LAG = 1e-3
"""Agreement of a path that is integrated, as a share of P_s: a play lags by its response time and sets in smoothly."""

volts = st.floats(-5.0, 5.0)
histories = st.lists(volts, min_size=1, max_size=6)


def polarization(corners, points=1, closed_form=True):
    """Return P [C/m²] at points along straight pieces from 0 V through corners, after each corner's last point."""
    path = [0.0]
    for corner in corners:
        path += list(np.linspace(path[-1], corner, points + 1)[1:])
    times = np.arange(len(path)) * LEG_S / points
    found = transient(MODEL, through(times, path), closed_form=closed_form, rtol=1e-8)
    field = found.voltage_V / VALUES["tfe"]
    return found.charge_C[:, 0] / VALUES["area"] - epsilon_0 * VALUES["eps"] * field, found.states[:, 0, 0], field


@settings(max_examples=15)
@given(histories, volts, volts)
def test_a_minor_loop_closes(history, one, other):
    p, plays, _ = polarization([*history, one, other, one, other])
    assert p[-3] == pytest.approx(p[-1], abs=1e-12 * VALUES["Ps"])
    assert plays[-3] == pytest.approx(plays[-1], abs=1e-12)


@settings(max_examples=15)
@given(histories, volts, volts)
def test_a_minor_loop_closes_when_it_is_integrated(history, one, other):
    p, _, _ = polarization([*history, one, other, one, other], closed_form=False)
    assert p[-3] == pytest.approx(p[-1], abs=LAG * VALUES["Ps"])


@settings(max_examples=15)
@given(histories, st.floats(0.0, 5.0), st.data())
def test_a_larger_excursion_wipes_out_what_smaller_ones_left(history, top, data):
    inside = data.draw(st.lists(st.floats(-top, top), max_size=5))
    wiped, _, _ = polarization([*history, top, -top, *inside, top, -top, top])
    bare, _, _ = polarization([*history, top, -top, top])
    assert wiped[-1] == pytest.approx(bare[-1], abs=1e-12 * VALUES["Ps"])


@settings(max_examples=15)
@given(histories, histories, volts, volts)
def test_loops_between_the_same_fields_are_congruent(first, second, one, other):
    changes = []
    for history in (first, second):
        p, _, _ = polarization([*history, one, other, one, other], points=4)
        changes.append(p[-8:] - p[-9])  # the loop after the one that reaches it
    assert changes[0] == pytest.approx(changes[1], abs=1e-12 * VALUES["Ps"])


@settings(max_examples=15)
@given(histories, st.lists(volts, min_size=1, max_size=5))
def test_the_closed_form_needs_corners_only(history, corners):
    coarse, _, _ = polarization([*history, *corners])
    fine, _, _ = polarization([*history, *corners], points=7)
    assert coarse[-1] == pytest.approx(fine[-1], abs=1e-12 * VALUES["Ps"])


@settings(max_examples=15)
@given(histories)
def test_the_integrator_follows_the_closed_form_along_slow_fields(history):
    closed, _, _ = polarization(history, points=5)
    integrated, _, _ = polarization(history, points=5, closed_form=False)
    assert integrated == pytest.approx(closed, abs=LAG * VALUES["Ps"])


@pytest.mark.parametrize("closed_form", [True, False])
def test_the_saturated_loop_crosses_zero_at_the_coercive_field(closed_form):
    p, _, field = polarization([4.0, -4.0, 4.0], points=2000, closed_form=closed_form)
    for leg, sign in ((slice(2000, 4000), -1), (slice(4000, 6000), 1)):
        crossing = np.interp(0.0, sign * p[leg], field[leg])
        assert crossing == pytest.approx(sign * VALUES["Ec"], rel=2e-3)


def test_the_saturated_loop_has_the_height_that_its_plays_say():
    p, _, _ = polarization([50.0, 0.0, -50.0, 0.0])
    half_widths = 1.105 * (1 + 0.9 * np.arange(-7, 8, 2) / 8)  # MV/cm: eight plays around E_c
    remanent = 0.412 * np.mean(np.tanh(half_widths / (2 * 0.75)))
    assert p[0] == pytest.approx(0.412, rel=1e-6)
    assert p[1] == pytest.approx(remanent, rel=1e-12)
    assert p[3] == pytest.approx(-remanent, rel=1e-12)
