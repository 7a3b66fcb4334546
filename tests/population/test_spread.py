"""Mean and σ at a few times: windows, interpolation in time, two populations, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import norm

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.population.curve import Rows
from nvmphys.population.mixture import mixture_moments, mixture_probability, mixture_quantile
from nvmphys.population.spread import SpreadLaw, Tail

WAN, CMO = (nv.law_of(nv.load_card(name)) for name in ("rram_wan_2022", "rram_cmo_hfox_2"))
Z = np.linspace(-3.5, 3.5, 29)


@given(st.floats(1.0, 172800.0), st.floats(0.5e-6, 39.5e-6))
def test_quantiles_between_published_times_never_cross_and_stay_between_the_neighbours(time, target):
    level = np.full(Z.size, target)
    change = WAN.change(level, time, Z)
    assert np.all(np.diff(change) >= 0)
    nodes = np.stack([np.zeros(Z.size), *(WAN.change(level, t, Z) for t in (86400.0, 172800.0))])
    before = 0 if time < 86400 else 1
    low, high = np.sort(nodes[before : before + 2], axis=0)
    assert np.all((change >= low - 1e-18) & (change <= high + 1e-18))


def test_a_spread_goes_on_as_its_square_does_in_log_time_beyond_the_last_time():
    level = np.full(2, 20e-6)
    width = {t: np.ptp(WAN.change(level, t, np.array([-1.645, 1.645]), True)) for t in (172800.0, 1728000.0)}
    assert width[1728000.0] > width[172800.0]
    assert width[1728000.0] < 1.3 * width[172800.0]


@pytest.mark.parametrize(("name", "share"), [("rram_cmo_hfox_02", 0.002), ("rram_cmo_hfox_2", 0.02)])
def test_an_acceptance_window_cuts_and_keeps_the_published_sigma(name, share):
    law, rng = nv.law_of(nv.load_card(name)), np.random.default_rng(1)
    for target in (9e-6, 60e-6, 88e-6):
        cells = law.programmed(np.full(200_000, target), rng.standard_normal(200_000))
        sigma = law.programming_sigma(np.array([target]))[0]
        assert cells.std() == pytest.approx(sigma, rel=0.01)
        reach = max(share * target, np.sqrt(3) * sigma)
        assert np.abs(cells - target).max() <= reach * (1 + 1e-9)
        assert np.abs(cells - target).max() > 0.99 * reach


@given(st.floats(-4, 4), st.floats(0.001, 0.6), st.floats(-2, 2), st.floats(0.2, 20))
def test_the_quantile_of_two_populations_is_the_inverse_of_their_probability(z, weight, away, wide):
    core, tail = (0.0, 1.0), (away, wide)
    x = mixture_quantile(np.array([z]), weight, core, tail)
    expected = (1 - weight) * norm.cdf(x) + weight * norm.cdf((x - away) / wide)
    assert mixture_probability(x, weight, core, tail)[0] == pytest.approx(expected[0], rel=1e-12)
    side = norm.sf if z > 0 else norm.cdf
    got = (1 - weight) * side(x) + weight * side((x - away) / wide)
    assert got[0] == pytest.approx(ndtr(-abs(z)), rel=1e-6)


def test_cells_of_two_populations_have_their_moments_and_their_tail():
    flat = lambda value: Rows(np.array([[value]]))  # noqa: E731
    law = replace(
        CMO, shift_S=None, sigma_S=flat(1e-6), times_s=np.array([10.0]), time_range_s=(10.0, 10.0),
        tail=Tail(flat(0.05), flat(-4e-6), flat(3e-6)),
    )  # fmt: skip
    cells = nv.draw_cells(law, np.full(400_000, 50e-6), np.array([0.0, 10.0]), np.random.default_rng(2))
    change = cells[1] - cells[0]
    mean, sigma = mixture_moments(0.05, (0.0, 1e-6), (-4e-6, 3e-6))
    assert change.mean() == pytest.approx(mean, abs=5 * sigma / 600)
    assert change.std() == pytest.approx(sigma, rel=0.01)
    assert np.mean(change < -6e-6) == pytest.approx(0.05 * norm.cdf(-2 / 3), rel=0.05)


def test_a_card_without_its_sigma_or_with_knots_that_do_not_match_is_refused():
    card = nv.load_card("rram_milo_2021")
    without = replace(card, values={"g_scale_S": 1e-6})
    with pytest.raises(BadInput, match="sigma_prog_polynomial is missing"):
        nv.law_of(without)
    knots = replace(card, values={"level_S": [1e-6, 2e-6], "sigma_prog_knots": [1e-7]})
    with pytest.raises(BadInput, match="one value for each of 2 increasing level_S"):
        nv.law_of(knots)


def test_a_law_of_one_time_says_nothing_of_later_ones():
    law = nv.law_of(nv.load_card("rram_milo_2021"))
    assert isinstance(law, SpreadLaw)
    for extrapolate in (False, True):
        with pytest.raises(BadInput, match="nothing says how cells go on"):
            nv.draw_cells(law, np.array([1e-4]), np.array([60.0]), np.random.default_rng(0), extrapolate=extrapolate)
