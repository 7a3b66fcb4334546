"""Mean and σ from a table's row: the intervals hold their level, two populations are found where there are two."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from nvmphys.fit.cells import QUANTILE_PROBABILITIES
from nvmphys.fit.estimate import estimate


def row(values, quantiles=True):
    """Return the row of a summary of a sample."""
    out = {"count": values.size, "mean_S": values.mean(), "sigma_S": values.std(ddof=1)}
    if quantiles:
        out |= {
            f"q_{p:g}": q
            for p, q in zip(QUANTILE_PROBABILITIES, np.quantile(values, QUANTILE_PROBABILITIES), strict=True)
        }
    return pd.Series(out)


@pytest.mark.parametrize("quantiles", [False, True], ids=["moments", "quantiles"])
def test_ninety_per_cent_intervals_hold_the_truth_nine_times_in_ten(quantiles):
    rng, runs = np.random.default_rng(1), 300
    held = np.zeros(2)
    for _ in range(runs):
        found = estimate(row(5e-6 + 4e-7 * rng.standard_normal(150), quantiles))
        held += [found.mean_S[1] <= 5e-6 <= found.mean_S[2], found.sigma_S[1] <= 4e-7 <= found.sigma_S[2]]
    low, high = binom.ppf([0.001, 0.999], runs, 0.9)
    assert np.all((held >= low) & (held <= high))


def test_two_populations_are_found_and_one_is_left_alone():
    rng = np.random.default_rng(2)
    core, tail = 1e-7 * rng.standard_normal(4600), -2e-6 + 1e-6 * rng.standard_normal(400)
    found = estimate(row(np.concatenate([core, tail])), tail=True)
    assert found.tail[0] == pytest.approx(0.08, abs=0.02)
    assert found.tail[1] == pytest.approx(-2e-6, rel=0.15)
    assert found.tail[2] == pytest.approx(1e-6, rel=0.15)
    assert found.sigma_S[1] < 1e-7 < found.sigma_S[2]
    assert estimate(row(core), tail=True).tail[0] == 0


def test_a_row_from_which_little_can_be_told_has_open_intervals():
    found = estimate(pd.Series({"count": 1, "mean_S": 5e-6, "sigma_S": 0.0}))
    assert found.mean_S[1:] == (-np.inf, np.inf)
    assert found.sigma_S[2] == np.inf
    same = estimate(row(np.full(50, 3e-6)))
    assert same.mean_S[0] == pytest.approx(3e-6)
    assert same.sigma_S[0] < 1e-18
