"""Profiles: tables against independent draws of the law, sampling against the tables, files whole or refused."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import nvmphys as nv
from nvmphys.errors import BadInput

CELLS = 100_000
TIMES = {"rram_1t1r_relaxation": [0.01, 1.0, 3600.0, 1e5], "pcm_90nm": [60.0, 3600.0, 86400.0]}
QUANTILES = (0.001, 0.01, 0.5, 0.99, 0.999)


@pytest.fixture(scope="module", params=sorted(TIMES))
def case(request):
    card = nv.load_card(request.param)
    law = nv.law_of(card)
    targets = np.linspace(*law.level_range_S, 9)
    return law, nv.build_profile(card, targets, TIMES[request.param], rng=1)


def z_scores(cells, mean, sigma, quantiles, columns, rng):
    """|z| of mean, σ and quantiles of cells against expected values, by bootstrap."""

    def statistics(x):
        return np.array([x.mean(), x.std(), *np.quantile(x, QUANTILES)])

    resampled = np.array([statistics(rng.choice(cells, cells.size)) for _ in range(60)])
    expected = np.array([mean, sigma, *quantiles[columns]])
    return np.abs(statistics(cells) - expected) / resampled.std(axis=0)


def worst(case, draw):
    law, profile = case
    tables, rng = profile.tables, np.random.default_rng(7)
    columns = [int(np.argmin(np.abs(tables.probability - q))) for q in QUANTILES]
    found = []
    for i in (1, 4, 7):
        cells = draw(law, profile, tables.target_S[i])
        for k in range(1, tables.time_s.size):
            found.append(
                z_scores(
                    cells[k], tables.mean_S[0, i, k], tables.sigma_S[0, i, k], tables.quantiles_S[0, i, k], columns, rng
                )
            )
    return np.array(found)


def test_tables_are_those_of_cells_drawn_from_the_law(case):
    z = worst(case, lambda law, p, g: nv.draw_cells(law, np.full(CELLS, g), p.tables.time_s, np.random.default_rng(3)))
    assert np.quantile(z, 0.95) < 3.5
    assert z.max() < 6  # 105 comparisons, and levels between the table's are interpolated


def test_sampled_cells_have_the_tables_statistics(case):
    z = worst(case, lambda law, p, g: p.sample(np.full(CELLS, g), p.tables.time_s, 3, extras=False))
    assert z.max() < 4.5


def test_sampled_histories_have_the_tables_correlations(case):
    from nvmphys.profile.build import score_correlation

    _, profile = case
    drawn = profile.sample(np.full(CELLS, profile.tables.target_S[4]), profile.tables.time_s, 5, extras=False)
    np.testing.assert_allclose(score_correlation(drawn), profile.tables.correlation[0, 4], atol=0.02)


def test_tables_carry_the_far_quantiles_and_no_negative_conductance(case):
    _, profile = case
    for p in (0.001, 0.005, 0.995, 0.999):
        assert np.isclose(profile.tables.probability, p).any()
    assert profile.tables.quantiles_S.min() >= 0
    assert profile.sample(np.full(20_000, profile.tables.target_S[0]), profile.tables.time_s, 1).min() >= 0


def test_between_two_times_the_spread_lies_between(case):
    _, profile = case
    a, b = profile.tables.time_s[-2:]
    drawn = profile.sample(np.full(CELLS, profile.tables.target_S[4]), [a, np.sqrt(a * b), b], 5, extras=False)
    low, middle, high = drawn.std(axis=1)
    assert min(low, high) * 0.98 <= middle <= max(low, high) * 1.02


def test_populations_that_stray_are_sampled_at_their_share():
    card = nv.load_card("rram_1t1r_relaxation")
    profile = nv.build_profile(card, [5e-6, 20e-6], [1.0], rng=1)
    extra = profile.extras["over_set"]
    cells = profile.sample(np.full(CELLS, 5e-6), [0.0], 11)[0]
    astray = np.sum(cells > 30e-6)
    assert abs(astray - extra.weight * CELLS) <= 4 * np.sqrt(extra.weight * CELLS)
    assert extra.interval[0] < 69 / 16292 < extra.interval[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"targets": 1e-3, "times": 1.0}, "target conductance must lie within"),
        ({"targets": 1e-5, "times": 1e9}, "pass extrapolate=True"),
        ({"targets": 1e-5, "times": 1e-9}, "nothing is known of earlier times"),
        ({"targets": 1e-5, "times": 3600.0, "temperature": 400.0}, "temperature must be 300 K"),
    ],
)
def test_sampling_refuses_what_the_tables_do_not_cover(case, arguments, words):
    with pytest.raises(BadInput, match=words):
        case[1].sample(**arguments, rng=1)


def test_a_file_gives_the_profile_back_bit_for_bit(case, tmp_path):
    _, profile = case
    nv.save_profile(profile, tmp_path / "p.h5")
    back = nv.load_profile(tmp_path / "p.h5")
    for name, value in vars(profile.tables).items():
        np.testing.assert_array_equal(getattr(back.tables, name), value)
    targets = np.full(100, profile.tables.target_S[3])
    times = profile.tables.time_s
    np.testing.assert_array_equal(back.sample(targets, times, 9), profile.sample(targets, times, 9))
    assert back.assumptions == profile.assumptions
    assert back.validity == profile.validity


def change(path, action):
    with h5py.File(path, "r+") as file:
        action(file)


def replace_by(file, place, value):
    del file[place]
    file[place] = value


DAMAGE = {
    "missing table": (lambda f: f.__delitem__("/change/quantiles"), "/change/quantiles is missing"),
    "newer schema": (lambda f: f.attrs.__setitem__("schema", 99), "schema must be 1"),
    "wrong shape": (lambda f: replace_by(f, "/conductance/mean_S", np.zeros((1, 2))), "must have shape"),
    "decreasing quantiles": (lambda f: f["/programmed/quantiles_S"].__setitem__((0, 0), 1.0), "must not decrease"),
    "not a number": (lambda f: f["/conductance/sigma_S"].__setitem__((0, 0, 0), np.nan), "finite"),
    "text for numbers": (lambda f: replace_by(f, "/axes/time_s", np.array([b"a", b"b"])), "table of numbers"),
    "a link to elsewhere": (
        lambda f: replace_by(f, "/axes/time_s", h5py.ExternalLink("other.h5", "/x")),
        "link to elsewhere",
    ),
    "a huge table": (
        lambda f: (
            f.__delitem__("/correlation"),
            f.create_dataset("/correlation", shape=(1, 10**5, 10**5), dtype="f8", chunks=True),
        ),
        "refused",
    ),
    "an impossible share": (lambda f: f["/history"].attrs.__setitem__("dof", -1.0), "dof must be > 0"),
    "broken words": (lambda f: f.attrs.__setitem__("basis", "{"), "attribute"),
}


@pytest.mark.parametrize("name", sorted(DAMAGE))
def test_a_damaged_profile_is_refused_with_the_place_and_the_rule(case, name, tmp_path):
    path = tmp_path / "p.h5"
    nv.save_profile(case[1], path)
    action, words = DAMAGE[name]
    change(path, action)
    with pytest.raises(BadInput, match=words):
        nv.load_profile(path)


@pytest.mark.parametrize("content", [b"", b"not HDF5", b"\x89HDF\r\n\x1a\n" + bytes(50)])
def test_what_is_no_profile_is_named(content, tmp_path):
    path = tmp_path / "p.h5"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"p\.h5"):
        nv.load_profile(path)


def test_a_cut_file_is_refused(case, tmp_path):
    path = tmp_path / "p.h5"
    nv.save_profile(case[1], path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadInput, match="not a readable HDF5 file"):
        nv.load_profile(path)


def test_an_interrupted_write_leaves_the_old_profile_whole(case, tmp_path, monkeypatch):
    path = tmp_path / "p.h5"
    nv.save_profile(case[1], path)
    before = path.read_bytes()
    monkeypatch.setattr("nvmphys.profile.hdf5.json.dumps", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        nv.save_profile(case[1], path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["p.h5"]


def test_two_temperatures_are_refused_by_a_card_without_a_law_of_temperature():
    with pytest.raises(BadInput, match="holds no law of temperature"):
        nv.build_profile(nv.load_card("pcm_90nm"), [1e-5], [60.0], [300.0, 350.0], rng=1)


@pytest.fixture(scope="module")
def default():
    """Return a law whose spread grows in jumps, and its profile at the times that are tabulated by default."""
    card = nv.load_card("rram_1t1r_relaxation")
    return nv.law_of(card), nv.build_profile(card, [5e-6, 20e-6], replicates=0, rng=1)


def test_by_default_cells_drawn_half_way_between_times_have_the_laws_sigma(default):
    law, profile = default
    times = profile.tables.time_s[1:]
    assert times[0] == pytest.approx(0.01)
    assert times[-1] == pytest.approx(1e5)
    assert np.max(times[1:] / times[:-1]) < 10 * (1 + 1e-9)
    middle = np.sqrt(times[:-1] * times[1:])
    for target in (5e-6, 20e-6):
        drawn = profile.sample(np.full(CELLS, target), middle, 5, extras=False).std(axis=1)
        exact = nv.draw_cells(law, np.full(CELLS, target), middle, np.random.default_rng(6)).std(axis=1)
        np.testing.assert_allclose(drawn, exact, rtol=0.025)  # σ of 1e5 heavy-tailed cells, twice: 0.4 % each


def test_a_refused_time_is_told_what_is_true_of_it(default):
    _, profile = default
    sparse = nv.build_profile(nv.load_card("rram_1t1r_relaxation"), [20e-6], [3600.0, 86400.0], replicates=0, rng=1)
    with pytest.raises(BadInput, match=r"build the profile with earlier times \(--times\), from 0\.01 s on"):
        sparse.sample(20e-6, 1.0, 1)
    with pytest.raises(BadInput, match=r"build the profile with later times \(--times\), up to 100000 s"):
        sparse.quantiles(20e-6, 1e9)
    with pytest.raises(BadInput, match=r"later times \(--times\), or pass extrapolate=True to hold the last"):
        profile.sample(20e-6, 1e9, 1)
    with pytest.raises(BadInput, match="nothing is known of earlier times"):
        profile.sample(20e-6, 1e-3, 1)
    with pytest.raises(BadInput) as error:
        profile.quantiles(20e-6, 1e9)
    assert "extrapolate" not in str(error.value), "quantiles takes no extrapolate"
