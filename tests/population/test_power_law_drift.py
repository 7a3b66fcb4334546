"""The PCM law against mpmath and scipy, and its refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import foldnorm

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.measurement.source import shipped_data

REFERENCE = pd.read_csv(Path(__file__).resolve().parents[1] / "reference" / "pcm_90nm.csv")


@pytest.fixture(scope="module")
def law():
    return nv.law_of(nv.load_card("pcm_90nm"))


@pytest.mark.parametrize("row", REFERENCE.to_dict("records"), ids=lambda r: f"{r['g_uS']}uS-{r['t_s']}s")
def test_the_law_agrees_with_an_evaluation_of_the_printed_coefficients(law, row):
    target = np.array([row["g_uS"] * 1e-6])
    mean, sigma = law.drift_exponent(target)
    drifted = target * (row["t_s"] / 20.0) ** -mean
    noise = law.read_noise_sigma(target, drifted, row["t_s"])
    got = [law.programming_sigma(target)[0] * 1e6, mean[0], sigma[0], drifted[0] * 1e6, noise[0] * 1e6]
    expected = [row[name] for name in ("sigma_prog_uS", "mu_nu", "sigma_nu", "drifted_uS", "sigma_read_uS")]
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_the_card_holds_exactly_the_coefficients_of_its_source():
    card = nv.load_card("pcm_90nm")
    table = pd.read_csv(shipped_data("pcm_90nm"))
    assert set(table["quantity"]) == set(card.values)
    for name, rows in table.groupby("quantity", sort=False):
        assert np.atleast_1d(card.values[name]).tolist() == rows["value"].tolist()


def test_the_drift_exponent_of_cells_is_the_magnitude_of_a_normal(law):
    target, z = np.full(9, 5e-6), np.linspace(-2.5, 2.5, 9)
    mean, sigma = law.drift_exponent(target)
    nu = -law.change(target, 20.0 * np.e, z)
    from scipy.special import ndtr

    np.testing.assert_allclose(nu, foldnorm.ppf(ndtr(-z), mean / sigma, scale=sigma), rtol=1e-9)


def test_a_time_before_t0_is_refused_in_the_laws_words(law):
    with pytest.raises(BadInput, match=r"time must be >= t0 \(got 0.5 s < 20 s\): the power law is undefined"):
        law.change(np.array([1e-6]), 0.5, np.zeros(1))


def test_no_cell_is_ever_negative(law):
    cells = nv.draw_cells(law, np.zeros(5000), np.array([20.0, 3600.0]), np.random.default_rng(1))
    assert cells.min() == 0.0
    assert 0.45 < np.mean(cells[0] == 0) < 0.55
