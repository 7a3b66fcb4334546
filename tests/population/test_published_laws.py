"""Every published law against an evaluation of its printed coefficients by mpmath, and cards against sources."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr
from scipy.stats import foldnorm

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.measurement import load_table
from nvmphys.population.law import read_noise_sigma
from nvmphys.population.pulse_response import accumulative_set

REFERENCE = pd.read_csv(Path(__file__).resolve().parents[1] / "reference" / "published_laws.csv")
CARDS = sorted(set(REFERENCE["name"]) - {"pcm_accumulative_set"})
PUBLISHED_FITS = sorted(s.id for s in nv.list_sources() if s.kind == "published_fit")


def drifted(law, target, time):
    return target * (time / law.t0_s) ** -law.drift_exponent(target)[0]


def change(law, target, time, z):
    return law.change(target, time, np.array([z]))


EVALUATED = {
    "sigma_prog": lambda law, g, t: law.programming_sigma(g),
    "nu_mean": lambda law, g, t: law.drift_exponent(g)[0],
    "nu_sigma": lambda law, g, t: law.drift_exponent(g)[1],
    "drifted": drifted,
    "sigma_total": lambda law, g, t: np.hypot(
        law.programming_sigma(g), 0 if t == law.first_time_s else change(law, g, t, 1.0) - change(law, g, t, 0.0)
    ),
    "sigma_other": lambda law, g, t: (
        law.sigma_other_S.at(g / law.g_max_S) if law.drift(g) else law.sigma_prog_S.at(g)[1]
    ),
    "shift": lambda law, g, t: change(law, g, t, 0.0),
    "sigma_change": lambda law, g, t: change(law, g, t, 1.0) - change(law, g, t, 0.0),
}
IN_SIEMENS = {"sigma_prog", "drifted", "sigma_read", "sigma_total", "sigma_other", "shift", "sigma_change"}


@pytest.mark.parametrize("name", CARDS)
def test_a_card_agrees_with_an_independent_evaluation_of_what_is_printed(name):
    law = nv.law_of(nv.load_card(name))
    rows = REFERENCE[REFERENCE["name"] == name]
    assert rows["g_uS"].nunique() >= 5
    for row in rows.itertuples():
        g, t = np.array([row.g_uS * 1e-6]), float(row.t_s)
        if row.quantity == "sigma_read":
            now = drifted(law, g, t) if law.drift(g) else g
            got = read_noise_sigma(law, g, now, t)[0]
        else:
            got = EVALUATED[row.quantity](law, g, t)[0]
        unit = 1e-6 if row.quantity in IN_SIEMENS else 1.0
        assert got / unit == pytest.approx(row.value, rel=1e-9, abs=1e-12), (row.quantity, row.g_uS, row.t_s)


def test_accumulative_set_agrees_with_an_independent_evaluation():
    rows = REFERENCE[REFERENCE["name"] == "pcm_accumulative_set"].pivot(
        index="g_uS", columns="quantity", values="value"
    )
    law, memory = accumulative_set(), 1.0
    for g, row in rows.sort_index().iterrows():
        memory *= np.exp(-1 / law.fade_pulses)
        mean, sigma = law.step(g * 1e-6, np.asarray(memory))
        got = memory, mean * 1e6, sigma * 1e6
        np.testing.assert_allclose(got, [row["memory"], row["step_mean"], row["step_sigma"]], rtol=1e-12)
    assert rows["memory"].iloc[0] == pytest.approx(0.681, abs=5e-4)


def test_the_cards_hold_exactly_the_coefficients_of_their_sources():
    compared = 0
    for name in PUBLISHED_FITS:
        if name not in nv.list_cards():
            continue
        values = nv.load_card(name).values
        for quantity, rows in load_table(name).groupby("quantity", sort=False):
            if quantity in values:
                assert np.ravel(values[quantity]).tolist() == rows["value"].tolist(), (name, quantity)
                compared += 1
    assert compared > 40


def test_the_two_fits_of_wan_are_both_in_the_card_and_their_disagreement_in_the_profile():
    law = nv.law_of(nv.load_card("rram_wan_2022"))
    low, high = law.sigma_range(np.array([0.0, 20e-6]), 1.0)
    # half of a normal law about 0 is cut at 0: its σ is √(1/2 - 1/2π) of what is published
    half = np.sqrt(0.5 - 0.5 / np.pi)
    np.testing.assert_allclose([low[0], high[0]], [0.348e-6 * half, 1.053e-6 * half])
    assert law.sigma_range(np.array([0.0]), 86400.0) is None
    assert np.isnan(law.sigma_range(np.array([39.5e-6]), 1.0)[1]).all()
    profile = nv.build_profile(nv.load_card("rram_wan_2022"), [0.0, 20e-6], [1.0, 3600.0], rng=1)
    np.testing.assert_allclose(profile.sigma_range_S[:, 0, 0], [0.348e-6 * half, 1.053e-6 * half])
    assert profile.sigma_range_S[0, 0, 0] == pytest.approx(profile.tables.sigma_S[0, 0, 0], rel=1e-3)
    assert np.isnan(profile.sigma_range_S[:, :, 1]).all()


def test_a_limit_is_no_value():
    card = nv.load_card("fefet_hzo")
    profile = nv.build_profile(card, None, [0.0], rng=1)
    assert profile.basis["programmed"] == profile.basis["conductance"] == "bound"
    np.testing.assert_allclose(profile.sigma_range_S[:, :, 0], [[0.0] * 32, [0.005 * 44 / 45 / 559.28e3] * 32])
    assert any("share of the range" in sentence for sentence in profile.assumptions)
    with pytest.raises(BadInput, match="time must be <= 0 s"):
        nv.build_profile(card, None, [0.0, 3600.0], rng=1)


@pytest.mark.parametrize(
    ("name", "edge", "middle"),
    [("rram1", 0.01, 0.01), ("fefet2", 0.0067, 0.0135), ("rram4", 0.0038, 0.0151), ("fefet6", 0.0026, 0.0155)],
)
def test_level_shapes_are_those_printed(name, edge, middle):
    law = nv.law_of(nv.load_card(name))
    sigma = law.programming_sigma(np.array([0.0, 1 / 3, 2 / 3, 1.0]) * 100e-6) / 100e-6
    np.testing.assert_allclose(sigma, [edge, middle, middle, edge], atol=5e-5)


def test_the_drift_exponent_of_cells_is_the_magnitude_of_a_normal():
    law = nv.law_of(nv.load_card("pcm_90nm"))
    target, z = np.full(9, 5e-6), np.linspace(-2.5, 2.5, 9)
    mean, sigma = law.drift_exponent(target)
    nu = -law.change(target, 20.0 * np.e, z)
    np.testing.assert_allclose(nu, foldnorm.ppf(ndtr(-z), mean / sigma, scale=sigma), rtol=1e-9)


def test_a_time_before_t0_is_refused_in_the_laws_words():
    law = nv.law_of(nv.load_card("pcm_90nm"))
    with pytest.raises(BadInput, match=r"time must be >= t0 \(got 0.5 s < 20 s\): the power law is undefined"):
        law.change(np.array([1e-6]), 0.5, np.zeros(1))


def test_no_cell_is_ever_negative():
    law = nv.law_of(nv.load_card("pcm_90nm"))
    cells = nv.draw_cells(law, np.zeros(5000), np.array([20.0, 3600.0]), np.random.default_rng(1))
    assert cells.min() == 0.0
    assert 0.45 < np.mean(cells[0] == 0) < 0.55


def test_programming_error_and_drift_can_go_together():
    law = replace(nv.law_of(nv.load_card("pcm_90nm")), programming_correlation=0.8)
    target, times = np.full(40_000, 15e-6), np.array([20.0, 2000.0])
    g = nv.draw_cells(law, target, times, np.random.default_rng(1))
    nu = -np.log(g[1] / g[0]) / np.log(100.0)
    assert np.corrcoef(g[0], nu)[0, 1] == pytest.approx(-0.8, abs=0.02)
    mean, sigma = law.drift_exponent(np.array([15e-6]))
    assert nu.mean() == pytest.approx(mean[0], abs=4 * sigma[0] / 200)
    assert nu.std() == pytest.approx(sigma[0], rel=0.03)


def test_the_profile_carries_that_correlation():
    card = nv.load_card("pcm_90nm")
    tied = replace(card, values={**card.values, "programming_correlation": -0.9})
    target, times = [10e-6, 15e-6], [20.0, 86400.0]
    loose, bound = (nv.build_profile(c, target, times, rng=1) for c in (card, tied))
    g = bound.sample(np.full(60_000, 15e-6), times, rng=2)
    assert g[1].std() == pytest.approx(bound.tables.sigma_S[0, 1, 1], rel=0.02)
    assert bound.tables.sigma_S[0, 1, 1] < 0.97 * loose.tables.sigma_S[0, 1, 1]


def test_the_steps_of_a_level_shape_are_steps_in_the_profile_too():
    card = nv.load_card("rram4")
    law, profile = nv.law_of(card), nv.build_profile(card, None, [0.0], rng=1)
    for target in (20e-6, 24.5e-6, 25.5e-6, 74e-6, 76e-6):
        cells = profile.sample(np.full(40_000, target), [0.0], rng=2)[0]
        assert cells.std() == pytest.approx(law.programming_sigma(np.array([target]))[0], rel=0.03)


@pytest.mark.parametrize("name", ["pcm_90nm", "rram_wan_2022"])
def test_near_zero_a_profile_draws_what_the_law_draws(name):
    card = nv.load_card(name)
    law = nv.law_of(card)
    profile = nv.build_profile(card, None, [law.first_time_s], rng=1)
    target = np.full(60_000, 0.015 * law.level_range_S[1])
    cells = profile.sample(target, [law.first_time_s], rng=2)[0]
    direct = nv.draw_cells(law, target, np.array([law.first_time_s]), np.random.default_rng(3))[0]
    assert cells.std() == pytest.approx(direct.std(), rel=0.05)
    assert cells.mean() == pytest.approx(direct.mean(), abs=0.05 * direct.std())


def test_stuck_cells_and_single_times_do_not_change_later():
    profile = nv.build_profile(nv.load_card("fefet_hzo"), None, [0.0], rng=1)
    assert not profile.extrapolates
    for extrapolate in (False, True):
        with pytest.raises(BadInput, match="nothing says how cells go on"):
            profile.sample(np.full(3, 1e-6), [0.0, 60.0], rng=1, extrapolate=extrapolate)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"targets": [float("nan")]}, "target conductance must lie within"),
        ({"times": [float("nan")]}, "times must be finite"),
        ({"temperatures": [-5.0]}, "temperatures must be finite and > 0 K"),
    ],
)
def test_what_is_no_number_is_no_axis(arguments, words):
    given = {"targets": [1e-5], "times": [60.0], "temperatures": None} | arguments
    with pytest.raises(BadInput, match=words):
        nv.build_profile(nv.load_card("pcm_90nm"), given["targets"], given["times"], given["temperatures"], rng=1)
