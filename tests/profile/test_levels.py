"""Levels that fit: against a count by hand, and what more overlap or more time does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.profile.levels import distinct_levels


def test_levels_of_a_normal_spread_stand_two_tails_apart():
    card = nv.load_card("rram_milo_2021")
    law = nv.law_of(card)
    levels = distinct_levels(nv.build_profile(card, np.linspace(50e-6, 225e-6, 64), [0.0], rng=1), 0)
    z = norm.ppf(0.995)
    sigma = law.programming_sigma(levels)
    gaps = np.diff(levels) / (z * (sigma[1:] + sigma[:-1]))
    np.testing.assert_allclose(gaps, 1.0, atol=0.01)
    assert levels[-1] + z * 2 * sigma[-1] > 225e-6


def test_more_overlap_allows_more_levels_and_time_takes_them_away():
    profile = nv.build_profile(nv.load_card("rram_cmo_hfox_02"), None, [1.0, 86400.0], rng=1)
    assert len(distinct_levels(profile, 1, 0.05)) > len(distinct_levels(profile, 1, 0.01))
    assert len(distinct_levels(profile, 0)) > len(distinct_levels(profile, 1)) > len(distinct_levels(profile, 2))


@pytest.mark.parametrize("overlap", [0.0, 1e-9, 1.0])
def test_an_overlap_that_the_tables_cannot_tell_is_refused(overlap):
    profile = nv.build_profile(nv.load_card("rram_milo_2021"), None, [0.0], rng=1)
    with pytest.raises(BadInput, match="overlap must lie within"):
        distinct_levels(profile, 0, overlap)
