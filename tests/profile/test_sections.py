"""Pulses, read current, array and replicates: what a profile says besides its conductance tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.profile.confidence import _simulated_cells
from nvmphys.profile.dynamics import pulse_table_of_reads, read_iv_of
from nvmphys.records import Basis


def test_steps_of_trains_have_the_law_that_made_them():
    """ΔG normal of mean a - b·G and a σ of its own: the table's groups hold them within their errors."""
    rng, g = np.random.default_rng(1), np.full(4000, 1e-6)
    reads = [g]
    for _ in range(30):
        g = g + 2e-7 - 0.02 * g + 5e-8 * rng.standard_normal(g.size)
        reads.append(g)
    table = pulse_table_of_reads(np.array(reads), basis=Basis.MEASURED, note="made here", n_levels=20, width_s=1e-7)
    error = 5e-8 / np.sqrt(4000 * 30 / 20)
    # within a group the conductance, and so the mean step, still varies: the outermost groups are wide
    inner = slice(2, -2)
    assert np.all(np.abs(table.mean_S[0] - (2e-7 - 0.02 * table.level_S))[inner] < 4 * error + 0.02 * 2e-8)
    np.testing.assert_allclose(table.sigma_S[0, inner], 5e-8, rtol=0.05)
    ends = (table.change_S[0, inner] - table.mean_S[0, inner, None]) / 5e-8
    inside = np.abs(ndtri(table.probability)) < 2.5
    np.testing.assert_allclose(ends[:, inside], np.tile(ndtri(table.probability[inside]), (len(ends), 1)), atol=0.2)
    assert table.width_s.tolist() == [1e-7]
    with pytest.raises(BadInput, match="at least 40 steps"):
        pulse_table_of_reads(np.ones((5, 5)), basis=Basis.MEASURED, note="")


def test_the_gap_models_read_current_is_the_hyperbolic_sine_of_its_equation():
    """I = I0·exp(-g/g0)·sinh(V/V0), V0 = 0.25 V, behind 100 Ω, which hardly count where the cell is off."""
    card = nv.load_card("rram_gap")
    read = read_iv_of(card, n_levels=6)
    assert read.sinh_per_V[0] == pytest.approx(1 / card.values["V0"], rel=2e-3)
    assert np.all(np.diff(read.sinh_per_V) < 0)  # the series resistance straightens what conducts well
    assert read.sinh_error.max() < 1e-3
    np.testing.assert_allclose(read.ratio, -read.ratio[:, ::-1], rtol=1e-6)
    low = read.level_S[0] * read.voltage_V * np.sinh(read.voltage_V / 0.25) / read.voltage_V
    ratio = low / low[read.voltage_V == read.read_V]
    np.testing.assert_allclose(read.ratio[0], ratio, rtol=2e-3)


@pytest.mark.parametrize("multiples", [[-1.0, 0.0, 1.0]])
def test_zero_volts_tell_nothing_of_a_read_current(multiples):
    with pytest.raises(BadInput, match="multiples must not hold 0"):
        read_iv_of(nv.load_card("rram_gap"), multiples=multiples)


def test_what_is_absent_is_said():
    profile = nv.build_profile(nv.load_card("rram_milo_2021"), [1e-4], [0.0], rng=1)
    assert any(word.startswith("pulse updates") for word in profile.unknown)
    assert any(word.startswith("read non-linearity") for word in profile.unknown)
    assert profile.replicates is None
    with pytest.raises(BadInput, match="nothing tells how its tables differ"):
        profile.replicate(0)


def test_refits_of_a_card_become_replicates_of_its_tables():
    card = nv.load_card("rram_1t1r_bake")
    profile = nv.build_profile(card, [2e-5, 1e-4], [5000.0], [413.15], rng=1, replicates=8)
    assert profile.replicates.basis is Basis.MEASURED
    assert len(profile.replicates) == 8
    # the third refit's own profile, built as any other
    third = {**card.values, **{name: found[2] for name, found in card.covariance["replicates"].items()}}
    own = nv.build_profile(replace(card, values=third), [2e-5, 1e-4], [5000.0], [413.15], rng=1, replicates=0)
    again = profile.replicate(2)
    assert again.replicates is None
    np.testing.assert_allclose(again.tables.programmed_S, own.tables.programmed_S)
    np.testing.assert_allclose(again.tables.mean_S, own.tables.mean_S, rtol=1e-3)
    np.testing.assert_allclose(again.tables.sigma_S, own.tables.sigma_S, rtol=5e-3)
    middle = (profile.tables.probability >= 0.01) & (profile.tables.probability <= 0.99)
    np.testing.assert_allclose(
        again.tables.quantiles_S[..., middle], own.tables.quantiles_S[..., middle], rtol=0.02, atol=2e-7
    )
    cells = again.sample(np.full(50_000, 1e-4), [5000.0], 1, extras=False)[0]
    assert cells.mean() == pytest.approx(again.tables.mean_S[0, 1, 1], abs=4 * cells.std() / np.sqrt(cells.size))
    assert again.extras["lost"].weight != profile.extras["lost"].weight
    with pytest.raises(BadInput, match=r"replicate must lie within 0 … 7 \(got 8\)"):
        profile.replicate(8)


def test_without_refits_the_intervals_have_to_do_and_that_is_assumed():
    card = replace(nv.load_card("rram_1t1r_bake"), covariance={})
    found = nv.build_profile(card, [1e-4], [5000.0], [413.15], rng=1, replicates=6).replicates
    assert found.basis is Basis.ASSUMED
    assert np.ptp(found.mean_S[:, 0, 0, 1]) > 0


def test_replicates_of_a_published_law_stay_within_what_its_fits_leave_open():
    profile = nv.build_profile(nv.load_card("pcm_90nm"), [8e-6, 16e-6, 25e-6], [3600.0], rng=1)
    low, high = profile.sigma_range_S[:, :, 0]
    sigma = profile.replicates.sigma_S[:, 0, :, 0]
    assert np.all((sigma >= low * (1 - 1e-3)) & (sigma <= high * (1 + 1e-3)))
    assert np.ptp(sigma[:, 2]) > 0.5 * (high - low)[2]


def test_simulated_devices_are_drawn_again_as_often_as_there_were():
    scheme = nv.Scheme(cells=60, write_verify={"max_pulses": 20})
    card = nv.program("pcm_accumulative", [5e-6], scheme=scheme)
    assert _simulated_cells(card) == 60
    profile = nv.build_profile(card, None, [card.validity["programmed_at_s"]], rng=1, replicates=200)
    middle = int(np.argmin(np.abs(profile.tables.probability - 0.5)))
    medians = profile.replicates.programmed_S[:, 0, middle]
    q = profile.tables.programmed_S[0]
    slope = (q[middle + 2] - q[middle - 2]) / np.diff(ndtri(profile.tables.probability[[middle - 2, middle + 2]]))[0]
    # of the median of n: √(π/2)/√n in units of the slope of its quantile function
    assert medians.std() == pytest.approx(1.2533 * slope / np.sqrt(60), rel=0.35)
    assert profile.replicates.basis is Basis.SIMULATED
