"""Read noise as paths: the spectrum and the σ of the published law, and steps where traps are few."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import welch

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.population.law import read_noise_sigma
from nvmphys.population.read_noise import read_noise_paths


def test_the_spectrum_of_paths_is_one_over_f():
    rate, n = 100.0, 4096
    times = 1e4 + np.arange(n) / rate
    noise = read_noise_paths(np.full(150, 1e-7), times, 1.4e-3, np.random.default_rng(1), 4)
    f, density = welch(noise, rate, nperseg=2048, axis=0)
    seen = (f > 0.1) & (f < 5)
    power = density[seen].mean(axis=1)
    assert np.polyfit(np.log(f[seen]), np.log(power), 1)[0] == pytest.approx(-1.0, abs=0.06)
    assert np.median(power * f[seen]) == pytest.approx(1e-14, rel=0.06)


@pytest.mark.parametrize("name", ["pcm_90nm", "pcm_hermes_2", "rram_cmo_hfox_02"])
@pytest.mark.parametrize("times", [[86400.0], [400.0, 86400.0], [3600.0, 3601.0]])
def test_reads_spread_as_the_published_sigma_says_whichever_reads_are_asked_for(name, times):
    law = nv.law_of(nv.load_card(name))
    target = np.full(20_000, 10e-6)
    amplitude = law.read_noise_amplitude(target, target)
    noise = read_noise_paths(amplitude, np.array(times), law.t_read_s, np.random.default_rng(2))
    for row, time in zip(noise, times, strict=True):
        assert row.std() == pytest.approx(read_noise_sigma(law, target[:1], target[:1], time)[0], rel=0.04)


def test_reads_close_in_time_are_more_alike_than_reads_far_apart():
    noise = read_noise_paths(np.full(20_000, 1e-7), np.array([1e3, 1e3 + 1e-3, 2e3]), 1e-6, np.random.default_rng(3))
    near, far = np.corrcoef(noise[0], noise[1])[0, 1], np.corrcoef(noise[0], noise[2])[0, 1]
    assert 1 > near > far > 0


def test_a_single_trap_a_decade_shows_steps():
    noise = read_noise_paths(np.full(50, 1e-7), np.linspace(0, 10, 2000), 5e-3, np.random.default_rng(3), 1)
    assert max(np.unique(noise[:, cell].round(12)).size for cell in range(50)) < 200
    assert np.all(np.mean(np.diff(noise, axis=0) == 0, axis=0) > 0.1)


def test_reads_of_drifting_cells_are_histories_with_noise_on_top():
    law = nv.law_of(nv.load_card("pcm_90nm"))
    times = np.geomspace(20, 86400, 30)
    reads = nv.read_cells(law, np.full(500, 15e-6), times, np.random.default_rng(4))
    quiet = nv.draw_cells(law, np.full(500, 15e-6), times, np.random.default_rng(4))
    assert reads.shape == (30, 500)
    now = law.read_noise_amplitude(np.full(500, 15e-6), quiet[-1])
    sigma = read_noise_sigma(law, np.full(500, 15e-6), quiet[-1], 86400.0)
    assert np.std((reads[-1] - quiet[-1]) / sigma) == pytest.approx(1.0, abs=0.1)
    assert np.all(now > 0)


def test_what_is_not_known_or_makes_no_sense_is_refused():
    with pytest.raises(BadInput, match="read noise is not known apart"):
        nv.read_cells(nv.law_of(nv.load_card("rram_wan_2022")), np.array([1e-5]), [1.0, 10.0], np.random.default_rng(0))
    with pytest.raises(BadInput, match="times of reads must be >= 0 s and increase"):
        read_noise_paths(np.ones(1), np.array([1.0, 0.0]), 1e-3, np.random.default_rng(0))
    with pytest.raises(BadInput, match="traps_per_decade must be >= 1"):
        read_noise_paths(np.ones(1), np.array([0.0, 1.0]), 1e-3, np.random.default_rng(0), 0)
