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
    noise = read_noise_paths(np.full(150, 1e-7), np.arange(n) / rate, 1 / (2 * rate), np.random.default_rng(1), 4)
    f, density = welch(noise, rate, nperseg=2048, axis=0)
    seen = (f > 0.2) & (f < 10)
    power = density[seen].mean(axis=1)
    slope = np.polyfit(np.log(f[seen]), np.log(power), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.08)
    assert np.median(power * f[seen]) == pytest.approx(1e-14, rel=0.1)


def test_reads_since_programming_spread_as_the_published_sigma_says():
    law = nv.law_of(nv.load_card("pcm_90nm"))
    g = np.full(20_000, 10e-6)
    amplitude = law.read_noise_amplitude(g, g)
    times = np.array([0.0, 3600.0])
    noise = read_noise_paths(amplitude, times, law.t_read_s, np.random.default_rng(2))
    # the difference of two reads holds the noise faster than their distance, twice
    expected = np.sqrt(2) * read_noise_sigma(law, g[:1], g[:1], 3600.0)[0]
    assert np.std(noise[1] - noise[0]) == pytest.approx(expected, rel=0.12)


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
    jitter = (reads - quiet).std(axis=0)
    sigma = read_noise_sigma(law, np.array([15e-6]), np.array([15e-6]), 86400.0)[0]
    assert 0.3 * sigma < np.median(jitter) < 1.2 * sigma


def test_what_is_not_known_or_makes_no_sense_is_refused():
    with pytest.raises(BadInput, match="read noise is not known apart"):
        nv.read_cells(nv.law_of(nv.load_card("rram_wan_2022")), np.array([1e-5]), [1.0, 10.0], np.random.default_rng(0))
    with pytest.raises(BadInput, match="times of reads must increase"):
        read_noise_paths(np.ones(1), np.array([1.0, 0.0]), 1e-3, np.random.default_rng(0))
    with pytest.raises(BadInput, match="traps_per_decade must be >= 1"):
        read_noise_paths(np.ones(1), np.array([0.0, 1.0]), 1e-3, np.random.default_rng(0), 0)
