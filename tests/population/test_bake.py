"""The bake law: signs, temperatures, and its place in a profile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.constants import physical_constants

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.population.bake import from_card, to_values

LAW = nv.law_of(nv.load_card("rram_1t1r_bake"))
Z = np.linspace(-4, 4, 401)
WEIGHT = np.exp(-(Z**2) / 2) / np.exp(-(Z**2) / 2).sum()


def mean_change(law, level_S):
    return float(WEIGHT @ law.change_S(np.full(Z.size, level_S), Z))


def test_low_levels_rise_and_high_levels_fall_the_more_the_hotter():
    low, high = ([mean_change(LAW.at_temperature(t), g) for t in (373.15, 413.15, 453.15)] for g in (60e-6, 230e-6))
    assert 0 < low[0] < low[1] < low[2]
    assert 0 > high[0] > high[1] > high[2]


def test_spread_and_centre_follow_their_arrhenius_energies():
    k = physical_constants["Boltzmann constant in eV/K"][0]
    u = (1 / 373.15 - 1 / 453.15) / k
    cold, hot = (LAW.at_temperature(t) for t in (373.15, 453.15))
    for end, knot in ((0, LAW.level_S[0]), (1, LAW.level_S[-1])):
        level = np.array([knot])
        ratio = np.exp(hot.shape(level).log_scale - cold.shape(level).log_scale)
        assert ratio[0] == pytest.approx(np.exp(LAW.energy_scale_eV[end] * u), rel=1e-12)
        centre = [np.exp(law.shape(level).log_scale) * law.shape(level).location for law in (cold, hot)]
        assert centre[1][0] / centre[0][0] == pytest.approx(np.exp(LAW.energy_centre_eV * u), rel=1e-9)


def test_a_score_is_the_inverse_of_a_change():
    level, z = np.linspace(5e-6, 235e-6, 40), np.linspace(-3, 3, 40)
    np.testing.assert_allclose(LAW.score(level, LAW.change_S(level, z, 430.0), 430.0), z, atol=1e-6)


def test_a_temperature_that_was_not_measured_is_refused_with_its_range():
    with pytest.raises(BadInput, match=r"temperature must lie within 373.15 … 453.15 K, .*\(got 300 K\)"):
        LAW.at_temperature(300.0)


def test_values_and_law_are_two_ways_to_write_the_same():
    card = nv.load_card("rram_1t1r_bake")
    values, units = to_values(LAW)
    again = from_card(replace(card, values=values, units=units))
    np.testing.assert_allclose(again.parameters, LAW.parameters, rtol=1e-12)
    np.testing.assert_allclose(again.energy_scale_eV, LAW.energy_scale_eV)


def test_a_profile_holds_each_temperature_and_what_lies_between():
    card = nv.load_card("rram_1t1r_bake")
    profile = nv.build_profile(card, [30e-6, 120e-6, 230e-6], [5000.0], [373.15, 413.15, 453.15], rng=1)
    assert profile.tables.change.shape[0] == 3
    assert profile.basis["change"] == "measured"
    assert not any("is a label" in sentence for sentence in profile.assumptions)
    for heat, law in enumerate(LAW.at_temperature(t) for t in (373.15, 413.15, 453.15)):
        cells = nv.draw_cells(law, np.full(40_000, 120e-6), np.array([5000.0]), np.random.default_rng(3))[0]
        assert profile.tables.mean_S[heat, 1, 1] == pytest.approx(cells.mean(), abs=5 * cells.std() / 200)
        assert profile.tables.sigma_S[heat, 1, 1] == pytest.approx(cells.std(), rel=0.02)
    spread = [
        profile.sample(np.full(40_000, 120e-6), [5000.0], rng=4, temperature=t)[0].std()
        for t in (373.15, 433.0, 453.15)
    ]
    assert spread[0] < spread[1] < spread[2]
    with pytest.raises(
        BadInput, match=r"temperature must lie within 373.15 … 453.15 K, the temperatures of this profile"
    ):
        profile.sample(1e-4, [5000.0], rng=1, temperature=300.0)


def test_another_card_takes_one_temperature_as_a_label():
    with pytest.raises(BadInput, match="temperatures must be one value"):
        nv.build_profile(nv.load_card("pcm_90nm"), [1e-5], [60.0], [300.0, 330.0], rng=1)
