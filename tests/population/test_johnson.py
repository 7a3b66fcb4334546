"""The tempered Johnson law: closed forms against each other, scipy and numerical derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import johnsonsu

from nvmphys.population.johnson import Shape, cumulative, log_density, log_interval_probability, normal_score, quantile

shapes = st.builds(
    lambda *p: Shape(*np.array(p)),
    st.floats(-2, 2), st.floats(-16, 1), st.floats(-2, 2), st.floats(-1, 1.5), st.floats(0, 3),
)  # fmt: skip


@given(shapes, st.floats(-6, 6))
def test_score_undoes_quantile(shape, z):
    assert normal_score(np.asarray(quantile(np.asarray(z), shape)), shape) == pytest.approx(z, abs=1e-6)


@given(shapes, st.floats(-4, 4), st.floats(0.01, 1))
def test_quantiles_increase(shape, z, step):
    assert quantile(np.asarray(z + step), shape) > quantile(np.asarray(z), shape)


def test_without_tempering_it_is_johnsons_su():
    shape = Shape(*np.array([0.3, np.log(2.0), -0.4, np.log(1.2), 30.0]))
    x = np.linspace(-20, 20, 41)
    reference = johnsonsu(-0.4, 1.2, loc=0.6, scale=2.0)
    np.testing.assert_allclose(cumulative(x, shape), reference.cdf(x), rtol=1e-10)
    np.testing.assert_allclose(log_density(x, shape)[0], reference.logpdf(x), rtol=1e-9)


def test_the_density_integrates_to_one_and_intervals_to_their_share():
    shape = Shape(*np.array([0.1, np.log(0.5), 0.4, np.log(0.8), np.log(2.0)]))

    def density(x):
        return float(np.exp(log_density(np.asarray(x), shape)[0]))

    assert quad(density, -np.inf, np.inf, limit=400)[0] == pytest.approx(1, abs=1e-7)
    share, _ = log_interval_probability(np.array([-0.7]), np.array([1.3]), shape)
    assert np.exp(share[0]) == pytest.approx(quad(density, -0.7, 1.3, limit=400)[0], rel=1e-7)


@given(shapes, st.lists(st.floats(-3, 3), min_size=2, max_size=2, unique=True))
def test_gradients_match_differences(shape, scores):
    low, high = (np.atleast_1d(quantile(np.asarray(z), shape)) for z in sorted(scores))
    if not high - low > 1e-9:  # of a narrower interval the differences are rounding
        return
    for function in (lambda s: log_density(low, s), lambda s: log_interval_probability(low, high, s)):
        _, gradient = function(shape)
        for i in range(5):
            step = np.zeros(5)
            step[i] = 1e-5
            up, down = (function(Shape(*(np.array(shape) + sign * step)))[0] for sign in (1, -1))
            assert gradient[i][0] == pytest.approx((up - down)[0] / 2e-5, rel=2e-3, abs=2e-3)


def test_far_tails_stay_finite():
    shape = Shape(*np.array([0.0, np.log(1e-8), 0.0, np.log(0.4), np.log(2.0)]))
    value, gradient = log_density(np.array([-1e-3, 0.0, 1e-3]), shape)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize(("log_tail", "log_temper"), [(0.0, -200.0), (60.0, -150.0), (100.0, -90.0), (200.0, 0.0)])
def test_intervals_stay_finite_where_a_line_search_strays(log_tail, log_temper):
    shape = Shape(*(np.full(3, p) for p in (0.0, 0.0, 0.5, log_tail, log_temper)))
    value, gradient = log_interval_probability(np.array([-np.inf, -1, 2]), np.array([-1.0, 2, np.inf]), shape)
    # all of the probability is in the middle: h/c puts both bounds further out than numbers reach
    assert value[1] == 0
    assert np.all(value[[0, 2]] < -600)
    assert np.all(np.isfinite(gradient))
