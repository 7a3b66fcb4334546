"""NeuroSim's nonlinearity in closed form, and accumulative SET."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvmphys.errors import BadInput
from nvmphys.population.pulse_response import accumulative_set, nonlinearity_parameter, pulse_curve

PUBLISHED = {0.01: 126.268958, 1: 1.251653, 2: 0.609035, 5: 0.192406, 9: 0.022810}


@pytest.mark.parametrize(("nonlinearity", "a"), PUBLISHED.items())
def test_the_closed_form_gives_the_known_values(nonlinearity, a):
    assert nonlinearity_parameter(nonlinearity) == pytest.approx(a, abs=6e-7)


@given(st.floats(1e-3, 9.0))
def test_the_curve_is_as_far_from_straight_as_its_nonlinearity_says(nonlinearity):
    p = np.linspace(0, 1, 20_001)
    distance = np.max(pulse_curve(p, nonlinearity) - p)
    assert distance == pytest.approx(0.07 * np.sqrt(2) * nonlinearity, rel=1e-5, abs=1e-9)


def test_small_nonlinearities_agree_with_high_precision():
    with mpmath.workdps(50):

        def closed(a):
            n = 1 - mpmath.exp(-1 / a)
            return 1 / n - a + a * mpmath.log(a * n) - mpmath.mpf("0.07") * mpmath.sqrt(2) * mpmath.mpf("0.001")

        expected = mpmath.findroot(closed, 1262)
    assert nonlinearity_parameter(0.001) == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize("nonlinearity", [0.0, -1.0, 9.1, float("nan")])
def test_a_nonlinearity_outside_the_tables_is_refused(nonlinearity):
    with pytest.raises(BadInput, match="nonlinearity must lie within 0 … 9"):
        nonlinearity_parameter(nonlinearity)


def test_a_train_of_set_pulses_starts_as_the_first_steps_say():
    law = accumulative_set()
    g = law.train(1, 200_000, np.random.default_rng(1))
    mean, sigma = law.step(np.array([law.low_S]), np.exp(-1 / law.fade_pulses))
    drawn = np.clip(law.low_S + mean + sigma * np.random.default_rng(2).standard_normal(200_000), law.low_S, law.high_S)
    assert g[1].mean() == pytest.approx(drawn.mean(), rel=0.01)
    assert np.all((g >= law.low_S) & (g <= law.high_S))
