"""Histories, coordinates, truncation and the relaxation law between and beyond its nodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import kstest, spearmanr, truncnorm

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.extrapolation import EXTRAPOLATIONS
from nvmphys.population.history import History
from nvmphys.population.law import truncated_normal
from nvmphys.population.relaxation import from_card, to_values


@pytest.fixture(scope="module")
def law():
    return nv.law_of(nv.load_card("rram_1t1r_relaxation"))


def test_scores_are_standard_normal_at_and_between_the_nodes(law):
    times = np.array([0.01, 0.03, 1.0, 4.0, 3600.0, 1e5])
    for row in law.history.scores(times, 40_000, np.random.default_rng(1)):
        assert kstest(row, "norm").pvalue > 1e-4


def test_a_cell_resembles_itself_the_more_the_closer_the_times(law):
    z = law.history.scores(np.array([1.0, 1.5, 100.0, 1e5]), 40_000, np.random.default_rng(1))
    near, far, farther = (spearmanr(z[0], z[k])[0] for k in (1, 2, 3))
    assert near > far > farther > 0.1


def test_a_frozen_history_keeps_its_score():
    z = History.frozen(20.0).scores(np.array([20.0, 1e9]), 1000, np.random.default_rng(1))
    np.testing.assert_array_equal(z[0], z[1])
    assert kstest(z[0], "norm").pvalue > 1e-3


def test_the_same_seed_gives_the_same_cells(law):
    draws = [nv.draw_cells(law, np.full(50, 1e-5), np.array([0.0, 7.0]), np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(*draws)


@given(st.floats(1e-9, 1e-3), st.floats(-1e-3, 1e-3))
def test_a_floored_coordinate_keeps_conductance_positive_and_comes_back(g, change):
    y = Coordinate("floored", 1e-6)
    assert y.conductance(y.of(np.array([g])))[0] == pytest.approx(g, rel=1e-6)
    assert y.moved(np.array([g]), np.array([change]))[0] > 0


@given(st.floats(0.05, 20), st.floats(0.1, 5), st.floats(-4, 4))
def test_a_cut_error_is_scipys_truncated_normal(sigma, half, z):
    expected = truncnorm(-half / sigma, half / sigma, scale=sigma).ppf(ndtr(z))
    assert truncated_normal(np.array([z]), sigma, half)[0] == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_a_card_gives_the_law_back(law):
    card = nv.load_card("rram_1t1r_relaxation")
    again = from_card(replace(card, values=to_values(law)[0]))
    z = np.linspace(-4, 4, 41)
    np.testing.assert_allclose(
        again.change(np.full(41, 1e-5), 50.0, z), law.change(np.full(41, 1e-5), 50.0, z), rtol=1e-12
    )


@pytest.mark.parametrize("name", EXTRAPOLATIONS)
def test_beyond_the_last_time_the_width_follows_the_named_law(law, name):
    chosen, level, z = replace(law, extrapolation=name), np.full(2, 2e-5), np.array([-1.6448536, 1.6448536])
    times = law.time_range_s[1] * np.array([1.0, 10.0, 100.0, 1000.0])
    width = np.array([np.ptp(chosen.change(level, t, z, extrapolate=True)) for t in times])
    grows = {"variance linear": width**2, "held": width, "sigma linear": width, "power": np.log(width)}[name]
    np.testing.assert_allclose(np.diff(grows), np.diff(grows)[0], rtol=1e-3, atol=1e-9 * grows[0] ** 2)
    assert (np.ptp(width) == pytest.approx(0, abs=1e-12)) == (name == "held")


def test_the_width_is_continuous_where_extrapolation_begins(law):
    end, z, level = law.time_range_s[1], np.linspace(-3, 3, 7), np.full(7, 1.5e-5)
    before, after = law.change(level, end, z, extrapolate=True), law.change(level, end * 1.000001, z, extrapolate=True)
    np.testing.assert_allclose(before, after, rtol=1e-4, atol=1e-11)


@pytest.mark.parametrize(
    ("target", "time", "words"),
    [
        (90e-6, 1.0, "target conductance must lie within"),
        (1e-5, 1e-4, "nothing is known of earlier times"),
        (1e-5, 1e8, "pass extrapolate=True"),
    ],
)
def test_what_the_card_does_not_cover_is_refused(law, target, time, words):
    with pytest.raises(BadInput, match=words):
        nv.draw_cells(law, np.array([target]), np.array([time]), np.random.default_rng(0))


def test_drawn_cells_are_positive_at_every_level_and_time(law):
    low, high = law.level_range_S
    targets = np.tile(np.linspace(low, high, 50), 400)
    cells = nv.draw_cells(law, targets, np.array([0.0, 1.0, 1e5]), np.random.default_rng(2))
    assert cells.min() > 0
