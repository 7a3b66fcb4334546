"""Cells by number: the generator, the law of what is drawn, and that a cell is the same however it is asked for."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri
from scipy.stats import kstest

import nvmphys as nv
from nvmphys.errors import BadInput, ExtrapolationWarning, MissingTool
from nvmphys.population.law import Extra
from nvmphys.population.read_noise import read_noise_paths
from nvmphys.profile.philox import normal, philox_block, words
from nvmphys.profile.sampler import normal_table
from nvmphys.records import Basis

KEY = np.array([0x0123456789ABCDEF, 0xFEDCBA9876543210], dtype=np.uint64)
PROBABILITIES = np.array([0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
CELLS = 400_000
WORST = 4.0


@pytest.fixture(scope="module")
def profiles():
    """Return small profiles: one score for life tied to programming, and paths of steps."""
    pcm = nv.build_profile(nv.load_card("pcm_90nm"), [0.0, 5e-6, 12e-6, 25e-6], [20.0, 3600.0, 86400.0], rng=1)
    extras = {
        "stuck": Extra(0.02, (0.01, 0.03), np.array([1e-7, 2e-7]), Basis.ASSUMED, "", stays=True),
        "tail": Extra(0.03, (0.02, 0.04), np.array([3e-5, 3.1e-5, 4e-5]), Basis.ASSUMED, ""),
    }
    relaxation = nv.build_profile(nv.load_card("rram_1t1r_relaxation"), [5e-6, 2e-5], [0.01, 1.0, 3600.0, 1e5], rng=1)
    bare = replace(relaxation, extras={})
    return {
        "pcm": replace(pcm, programming_correlation=0.6),
        "with populations": replace(pcm, extras=extras),
        "relaxation": bare,
    }


def test_blocks_are_those_of_numpys_philox():
    for counter in ([1, 0, 0], [7, 3, 2**63], [2**62, 2**22, 5]):
        words = np.array(counter, dtype=np.uint64)
        before = np.random.Philox(key=KEY, counter=[counter[0] - 1, *counter[1:], 0])
        np.testing.assert_array_equal(philox_block(KEY, words), before.random_raw(4))


def test_blocks_are_those_published_with_philox():
    """The known answers of Random123 for Philox 4x64-10 with counter and key 0."""
    known = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    zero = np.zeros(3, dtype=np.uint64)
    assert philox_block(zero[:2], zero).tolist() == known


def test_normal_numbers_follow_from_their_words_to_four_digits():
    one, other, zero = np.empty(20_000, dtype=np.uint64), np.empty(20_000, dtype=np.uint64), np.uint64(0)
    words(KEY, 1, one.size, zero, zero, one, other)
    drawn = np.array([normal(word, normal_table()) for word in one])
    tail = ((one & np.uint64(2**63 - 1)).astype(float) + 0.5) / 2.0**64
    assert np.abs(drawn - np.where(one >= 2**63, -1, 1) * ndtri(tail)).max() < 4e-5
    assert kstest(drawn, "norm").pvalue > 0.001
    block = philox_block(KEY, np.array([1, 0, 0], dtype=np.uint64))
    np.testing.assert_array_equal([one[1], other[1], one[2], other[2]], block)  # cells 2 and 3


def below(profile, target, time, x):
    """Return the share of regular cells below x [S]: an integral over the score of programming, of the tables alone."""
    t = profile.tables
    grid, rho = ndtri(t.probability), profile.programming_correlation
    z = np.linspace(-8, 8, 6401)
    weight = np.exp(-0.5 * z**2)
    weight /= weight.sum()

    def row(table, axis, at):  # linear between rows
        place = float(np.interp(at, axis, np.arange(axis.size)))
        low = min(int(place), max(axis.size - 2, 0))
        return table[low] + (place - low) * (table[min(low + 1, axis.size - 1)] - table[low])

    quantiles = row(t.programmed_S, t.target_S, target)
    if time == profile.first_time_s:
        return ndtr(np.interp(x, quantiles, grid))
    start = np.interp(z, grid, quantiles)
    known = t.time_s > 0
    place = float(np.interp(np.log(time), np.log(t.time_s[known]), np.arange(known.sum())))
    change = t.change[0][:, known]
    low = min(int(place), change.shape[1] - 2)
    change = change[:, low] + (place - low) * (change[:, low + 1] - change[:, low])
    share = np.zeros(len(x))
    for w, s, own in zip(weight, start, z, strict=True):
        if w < 1e-12:
            continue
        quantiles = row(change, t.level_S, s if profile.level_is_programmed else target)
        needed = profile.coordinate.of(np.asarray(x)) - profile.coordinate.of(np.array([s]))
        score = np.interp(needed, quantiles, grid)
        score = np.where(needed >= quantiles[-1], np.inf, np.where(needed < quantiles[0], -np.inf, score))
        share += w * ndtr((score - rho * own) / np.sqrt(1 - rho**2))
    return share


CASES = [
    ("pcm", 12e-6, 20.0), ("pcm", 12e-6, 86400.0), ("pcm", 8e-6, 9000.0), ("pcm", 20e-6, 300.0),
    ("relaxation", 2e-5, 0.0), ("relaxation", 2e-5, 3600.0), ("relaxation", 1e-5, 0.05), ("relaxation", 7e-6, 2e4),
]  # fmt: skip
"""On the tables' nodes and between them."""


@pytest.mark.parametrize(("name", "target", "time"), CASES)
def test_drawn_quantiles_are_those_of_the_tables_on_and_between_nodes(profiles, name, target, time):
    profile = profiles[name]
    cells = np.sort(profile.sampler(5).draw(np.full(CELLS, target), time)[0])
    at = cells[(PROBABILITIES * CELLS).astype(int)]
    share = below(profile, target, time, at)
    z = (PROBABILITIES - share) / np.sqrt(PROBABILITIES * (1 - PROBABILITIES) / CELLS)
    assert np.abs(z).max() <= WORST


@pytest.mark.parametrize("name", ["pcm", "with populations", "relaxation"])
def test_a_cell_is_the_same_in_any_chunk_thread_and_choice_of_times(profiles, name):
    profile = profiles[name]
    times = profile.tables.time_s
    low, high = profile.level_range_S
    targets = np.random.default_rng(1).uniform(low, high, 3001)
    noise = "none" if profile.read_noise_S is None else "marginal"
    sampler = profile.sampler(9)
    whole = sampler.draw(targets, times, read_noise=noise)
    for size in (1, 7, 512, 1000):
        parts = [
            sampler.draw(targets[k : k + size], times, first_cell=k, read_noise=noise)
            for k in range(0, 3001 if size > 1 else 40, size)
        ]
        joined = np.concatenate(parts, axis=1)
        np.testing.assert_array_equal(joined, whole[:, : joined.shape[1]])
    np.testing.assert_array_equal(sampler.draw(targets, times, workers=3, read_noise=noise), whole)
    np.testing.assert_array_equal(sampler.draw(targets, times[[2, 0]], read_noise=noise), whole[[2, 0]])
    single = sampler.draw(targets, times, dtype=np.float32, read_noise=noise)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, whole.astype(np.float32))
    np.testing.assert_array_equal(sampler.draw(targets[:3000].reshape(3, 1000), times).shape, (times.size, 3, 1000))
    assert np.any(profile.sampler(10).draw(targets, times) != sampler.draw(targets, times))


def test_cells_that_are_stuck_stay_and_others_of_their_population_go_on(profiles):
    profile = profiles["with populations"]
    drawn = profile.sampler(2).draw(np.full(CELLS, 12e-6), profile.tables.time_s)
    stuck = drawn[0] <= 2e-7
    assert abs(stuck.sum() - 0.02 * CELLS) < 4 * np.sqrt(0.02 * CELLS)
    assert np.all(drawn[:, stuck] == drawn[0, stuck])
    tail = drawn[0] >= 3e-5
    assert abs(tail.sum() - 0.03 * CELLS) < 4 * np.sqrt(0.03 * CELLS)
    assert np.mean(drawn[2, tail] < drawn[0, tail]) > 0.99
    # the middle of three places of equal distance in probability is the median
    assert abs(np.mean(drawn[0, tail] < 3.1e-5) - 0.5) < 4 * 0.5 / np.sqrt(tail.sum())


@pytest.mark.parametrize("name", ["pcm", "relaxation"])
def test_correlations_over_time_are_those_of_the_profile(profiles, name):
    profile = profiles[name]
    profile = replace(profile, programming_correlation=0.0) if name == "pcm" else profile
    tables = profile.tables
    for i, level in enumerate(tables.target_S[-2:], start=tables.target_S.size - 2):
        drawn = profile.sampler(4).draw(np.full(CELLS, level), tables.time_s)
        ranks = ndtri((drawn.argsort(axis=1).argsort(axis=1) + 0.5) / CELLS)
        assert np.abs(np.corrcoef(ranks) - tables.correlation[0, i]).max() < 0.01


def test_read_noise_of_one_read_has_the_sigma_of_the_table(profiles):
    profile = replace(profiles["pcm"], programming_correlation=0.0)
    sampler, targets, times = profile.sampler(3), np.full(CELLS, 12e-6), [3600.0, 86400.0]
    relative = sampler.draw(targets, times, read_noise="marginal") / sampler.draw(targets, times) - 1
    expected = profile.read_noise_S[2, 1:] / profile.tables.mean_S[0, 2, 1:]
    np.testing.assert_allclose(relative.std(axis=1), expected, rtol=4 / np.sqrt(2 * CELLS))
    assert abs(np.corrcoef(relative)[0, 1]) < 4 / np.sqrt(CELLS)


def test_a_time_that_stands_twice_is_read_twice_and_both_reads_are_repeated(profiles):
    profile = profiles["pcm"]
    sampler, targets = profile.sampler(4, extras=False), np.full(50_000, 12e-6)
    cells = sampler.draw(targets, [3600.0])[0]
    reads = sampler.draw(targets, [3600.0, 86400.0, 3600.0, 3600.0], read_noise="marginal") / cells - 1
    first, _, second, third = reads
    assert np.abs(np.corrcoef([first, second, third])[np.triu_indices(3, 1)]).max() < 4 / np.sqrt(targets.size)
    assert second.std() == pytest.approx(first.std(), rel=0.02)
    once = sampler.draw(targets, [3600.0], read_noise="marginal")[0] / cells - 1
    np.testing.assert_array_equal(once, first)
    parts = [
        sampler.draw(targets[k : k + 17_000], [3600.0, 3600.0], first_cell=k, read_noise="marginal", workers=2)[1]
        for k in range(0, targets.size, 17_000)
    ]
    np.testing.assert_array_equal(np.concatenate(parts) / cells - 1, second)


def test_read_noise_as_a_path_is_that_of_traps():
    times, n, second = np.array([40.0, 60.0, 3600.0]), 60_000, 1.0
    profile = nv.build_profile(nv.load_card("pcm_90nm"), [12e-6], times, rng=1)
    profile = replace(profile, read_duration_s=second)  # few decades of traps, which two reads then share
    sampler, targets = profile.sampler(3), np.full(n, 12e-6)
    relative = sampler.draw(targets, times, read_noise="path") / sampler.draw(targets, times) - 1
    sigma = np.array([profile.relative_read_noise(t)[0] for t in times])
    amplitude = sigma / np.sqrt(np.log((times + second) / (2 * second)))
    reference = read_noise_paths(np.outer(amplitude, np.ones(n)), times, second, np.random.default_rng(1))
    found, expected = np.cov(relative), np.cov(reference)
    error = np.sqrt((np.outer(sigma**2, sigma**2) + expected**2) / n)
    assert np.all(np.abs(found - expected) < 4 * np.sqrt(2) * error)
    assert found[0, 1] > 0.2 * found[0, 0]


def test_beyond_the_tables_cells_are_drawn_only_when_asked_for_and_marked(profiles):
    profile = profiles["pcm"]
    with pytest.raises(BadInput, match="pass extrapolate=True"):
        profile.sample(12e-6, 1e7, 1)
    with pytest.warns(ExtrapolationWarning, match="1 of 2 times lie beyond 86400 s"):
        drawn = profile.sample(np.full(10, 12e-6), [86400.0, 1e7], 1, extrapolate=True)
    np.testing.assert_array_equal(drawn[0], drawn[1])  # the last change is held
    assert profile.is_beyond([86400.0, 1e7]).tolist() == [False, True]
    later = nv.build_profile(nv.load_card("pcm_90nm"), [12e-6], [1e6], rng=1, extrapolate=True)
    assert later.is_beyond(later.tables.time_s).tolist() == [False, True]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dtype": np.int32}, "dtype must be float64 or float32"),
        ({"first_cell": -1}, "first_cell must lie within"),
        ({"workers": 0}, "workers must be >= 1"),
        ({"read_noise": "white"}, "read_noise must be one of none, marginal, path"),
    ],
)
def test_what_cannot_be_drawn_is_refused(profiles, arguments, words):
    with pytest.raises(BadInput, match=words):
        profiles["pcm"].sampler(1).draw(12e-6, 3600.0, **arguments)


def test_read_noise_that_is_not_known_is_refused(profiles):
    with pytest.raises(BadInput, match="read noise is not known apart"):
        profiles["relaxation"].sampler(1).draw(5e-6, 1.0, read_noise="marginal")


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is there")
def test_tensors_without_torch_are_a_missing_tool(profiles):
    with pytest.raises(MissingTool, match="tensors need torch"):
        profiles["pcm"].sampler(1).draw_torch(12e-6, 3600.0)


@settings(max_examples=60)
@given(data=st.data())
def test_quantiles_never_cross_between_levels_times_and_temperatures(data):
    """Tables of any shape that do not decrease along probability: what lies between does not either."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    base = _BAKE
    t = base.tables
    spread = 10.0 ** rng.uniform(-9, -4, (*t.quantiles_S.shape[:3], 1))
    steps = rng.exponential(size=t.quantiles_S.shape) * (rng.random(t.quantiles_S.shape) < 0.5) * spread
    change = np.cumsum(rng.exponential(size=t.change.shape) * (rng.random(t.change.shape) < 0.5), axis=-1)
    profile = replace(base, tables=replace(t, quantiles_S=np.cumsum(steps, axis=-1), change=1e-6 * (change - 5)))
    time = float(np.exp(rng.uniform(*np.log(profile.time_range_s))))
    kelvin = float(rng.uniform(t.temperature_K[0], t.temperature_K[-1]))
    targets = rng.uniform(*profile.level_range_S, 20)
    p = np.sort(rng.uniform(t.probability[0], t.probability[-1], 40))
    found = profile.quantiles(targets, time, kelvin, p)
    assert np.all(np.diff(found, axis=1) >= -1e-15 * np.abs(found[:, 1:]))
    assert np.all(np.diff(profile.change_table(time, kelvin), axis=-1) >= -1e-20)
    z = np.sort(rng.normal(size=50))
    moved = [profile.change_at(np.full(z.size, level), time, z, kelvin) for level in t.level_S[[0, 31, -1]]]
    assert np.all(np.diff(moved, axis=1) >= -1e-20)


_BAKE = nv.build_profile(nv.load_card("rram_1t1r_bake"), [2e-5, 1e-4], [4500.0, 7000.0], [380.0, 450.0], rng=1,
                         replicates=0)  # fmt: skip


def test_on_its_nodes_the_interpolation_is_the_table(profiles):
    profile = profiles["pcm"]
    np.testing.assert_allclose(profile.quantiles(profile.tables.target_S, 3600.0), profile.tables.quantiles_S[0, :, 1])
    with pytest.raises(BadInput, match="probability must lie within"):
        profile.quantiles(12e-6, 3600.0, probability=[0.5, 1.0])
