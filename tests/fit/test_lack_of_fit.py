"""Whether a model fits: what is true is accepted, what is off is not, a bad fit is called so."""

from __future__ import annotations

import numpy as np
import pytest

import nvmphys as nv
from nvmphys.devices import device
from nvmphys.fit.dynamics import fit_dynamics
from nvmphys.fit.lack_of_fit import MARGIN, of_repeats
from nvmphys.records import Measurement, Source


def errors(offsets, cells, rng):
    """Return errors of cells with heavy tails and a scatter of each condition's own, around offsets."""
    sigma = rng.uniform(0.05, 0.35, len(offsets))
    scatter = sigma[:, np.newaxis] * rng.standard_t(5, (len(offsets), cells)) / np.sqrt(5 / 3)
    return (np.asarray(offsets)[:, np.newaxis] + scatter).ravel(), np.repeat(np.arange(len(offsets)), cells)


@pytest.mark.parametrize("cells", [5, 26])
def test_a_true_model_is_accepted_in_95_of_100_sets_or_more(cells):
    rng = np.random.default_rng(cells)
    accepted = [of_repeats(*errors(np.zeros(12), cells, rng), rng).fits for _ in range(40)]
    assert np.mean(accepted) >= 0.95


def test_a_model_off_by_as_much_as_cells_scatter_is_refused_and_by_how_much_is_told():
    rng = np.random.default_rng(1)
    offsets = 0.22 * np.sign(rng.standard_normal(30))
    found = of_repeats(*errors(offsets, 20, rng), rng)
    assert not found.fits
    assert found.p < 0.01
    assert found.misfit == pytest.approx(1.0, abs=0.25)  # σ is 0.22 in the root mean square
    assert found.misfit < found.at_most < 1.6


def test_a_misfit_that_is_significant_but_small_beside_the_scatter_is_accepted():
    rng = np.random.default_rng(2)
    found = of_repeats(*errors(0.03 * np.sign(rng.standard_normal(40)), 400, rng), rng)
    assert found.p < 0.02
    assert found.at_most < MARGIN
    assert found.fits


def noisy_loop(noise, compliance_A):
    made = nv.simulate("rram_gap", "sweep", settings={"points": 120, "compliance_A": compliance_A})
    blur = np.exp(noise * np.random.default_rng(1).standard_normal(len(made.table)))
    table = made.table.assign(current_A=made.table["current_A"] * blur)
    return Measurement("sweep", table, Source("made"), ())


def test_a_model_that_cannot_do_what_the_data_do_is_called_a_bad_fit_and_nothing_of_it_identified():
    rng = np.random.default_rng(1)
    fit = fit_dynamics([noisy_loop(0.02, 2e-4)], device("rram_threshold"), holdout=0, rng=rng, starts=1, profiles=False)
    assert fit.said[0].startswith("the fit is bad: it leaves")
    assert set(fit.identified.unknown) == set(fit.identified.names)


def test_a_fit_at_the_noise_is_not_called_bad():
    rng = np.random.default_rng(1)
    data = noisy_loop(0.02, 2e-4)
    fit = fit_dynamics(
        [data], device("rram_gap"), free=("I0", "Ea"), holdout=0, rng=rng, starts=1, profiles=False
    )  # fmt: skip
    assert not any("bad" in said for said in fit.said)
    assert fit.observed[0].noise == pytest.approx(0.02 / np.log(10), rel=0.3)
    assert fit.values["Ea"] == pytest.approx(device("rram_gap").values()["Ea"], abs=0.005)
