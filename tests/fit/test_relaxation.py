"""The relaxation fit: recovery of a known law, summaries against raw cells, refusals, judgement of left-out cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, norm, truncnorm

import nvmphys as nv
from nvmphys.errors import BadInput, CheckFailed
from nvmphys.fit.cells import collect, split_over_set, summarise
from nvmphys.fit.judge import GaussianBins, LawPredictor, judge
from nvmphys.fit.likelihood import Likelihood, Surface, observations_of, observations_of_quantiles
from nvmphys.fit.populations import share_interval
from nvmphys.fit.relaxation import Options, fit_cells, fit_summary_table
from nvmphys.fit.result import Convergence
from nvmphys.measurement.source import shipped_data
from nvmphys.records import Measurement, Source

TIMES = np.array([0.0, 0.01, 1.0, 1e5])


@pytest.fixture(scope="module")
def truth():
    return nv.law_of(nv.load_card("rram_1t1r_relaxation"))


def drawn(law, n, seed, target=None):
    """Measure n cells of a law as an instrument would."""
    rng = np.random.default_rng(seed)
    targets = rng.uniform(*law.level_range_S, n) if target is None else target
    cells = nv.draw_cells(law, targets, TIMES, rng)
    table = pd.DataFrame(
        {
            "device_id": np.tile(np.arange(n), TIMES.size),
            "time_s": np.repeat(TIMES, n),
            "conductance_S": cells.ravel(),
        }
    )
    return Measurement("retention", table, Source("synthetic"))


@pytest.fixture(scope="module")
def measured(truth):
    return drawn(truth, 6000, 1)


@pytest.fixture(scope="module")
def result(measured):
    return nv.fit([measured], "relaxation", seed=2, bootstrap=0, n_levels=32, g_max_S=40e-6)


def test_a_known_law_is_recovered(truth, result):
    z = np.array([-1.645, -0.674, 0.0, 0.674, 1.645])
    # a knot of the level sees about 6000 / 10 cells: four standard errors of a quantile of as many
    error = np.sqrt(norm.cdf(z) * norm.sf(z) / 600) / norm.pdf(z)
    for level in (3e-6, 12e-6, 30e-6):
        for time in (0.01, 1.0, 1e5):
            known = truth.change_S(np.full(5, level), time, z)
            gap = result.law.score(np.full(5, level), time, known) - z
            assert (np.abs(gap) <= 4 * error).all()


def test_the_left_out_cells_of_a_known_law_are_covered_nominally(result):
    n = result.left_out.pit.size
    for p in (0.5, 0.9, 0.99):
        low, high = binom.ppf([1e-4, 1 - 1e-4], n, p) / n
        assert low - 0.01 <= result.left_out.coverage(p) <= high + 0.01


def test_baselines_stand_beside_the_law_on_the_same_cells(result):
    ((title, table),) = result.tables.items()
    assert "baselines" in title
    table = table.set_index("predictor")
    assert table.loc["law", "coverage_0.5"] == pytest.approx(result.left_out.coverage(0.5))
    assert table.loc["Gaussian per level", "coverage_0.5"] > 0.55
    assert table.loc["law", "within_limit"] > table.loc["Gaussian per level", "within_limit"]


def test_the_histories_of_a_known_law_are_recovered(truth, result):
    from scipy.stats import spearmanr

    times = np.array([0.01, 1.0, 1e5])
    z = [law.history.scores(times, 60_000, np.random.default_rng(3)) for law in (truth, result.law)]
    for i, j in ((0, 1), (1, 2), (0, 2)):
        known, got = (spearmanr(x[i], x[j])[0] for x in z)
        assert got == pytest.approx(known, abs=0.06)


def test_summaries_and_raw_cells_give_the_same_law(measured, result):
    cells, _ = split_over_set(collect([measured], n_levels=32, g_max_S=40e-6))
    law, optimum, _ = fit_summary_table(summarise(cells), Options(), np.random.default_rng(4))
    assert optimum.converged
    z = np.array([-1.645, -0.674, 0.0, 0.674, 1.645])
    for level in (5e-6, 20e-6, 35e-6):
        raw, summary = (x.change_S(np.full(5, level), 1.0, z) for x in (result.law, law))
        np.testing.assert_allclose(summary, raw, atol=0.08 * (raw[-1] - raw[0]))


def test_the_shipped_summary_gives_the_shipped_card(truth):
    table = nv.read(shipped_data("rram_1t1r_relaxation_c"))[0].table
    law, optimum, _ = fit_summary_table(table, Options(), np.random.default_rng(4))
    assert optimum.converged
    z = np.array([-1.645, -0.674, 0.0, 0.674, 1.645])
    for level in (5e-6, 15e-6, 35e-6):
        for time in (0.01, 1.0, 1e5):
            raw, summary = (x.change_S(np.full(5, level), time, z) for x in (truth, law))
            np.testing.assert_allclose(summary, raw, atol=0.06 * (raw[-1] - raw[0]))


def test_the_same_seed_gives_the_same_values(measured):
    options = {"bootstrap": 0, "holdout": 0.0, "knots": 4}
    first, second = (nv.fit([measured], "relaxation", seed=5, **options) for _ in range(2))
    assert first.values == second.values


def test_intervals_come_with_a_bootstrap_and_hold_the_value(measured):
    small = measured.table[measured.table["device_id"] < 1500]
    result = nv.fit([replace(measured, table=small)], "relaxation", seed=5, bootstrap=6, holdout=0.0, knots=3)
    for name, interval in result.intervals.items():
        low, high, value = (np.asarray(x, float) for x in (interval["low"], interval["high"], result.values[name]))
        assert (low <= value).all()
        assert (value <= high).all()


def test_a_fit_that_did_not_converge_gives_no_card(result):
    failed = replace(result, convergence=Convergence(False, "restarts still improve the likelihood", 5, 0.0))
    with pytest.raises(CheckFailed, match="no card for 'x': the fit of relaxation did not converge"):
        failed.card("x")


def test_what_the_data_does_not_hold_is_said(result):
    card = result.card("x")
    assert str(card.basis["programming_window_S"]) == "assumed"
    assert any("no target in the data" in s for s in card.assumptions)
    assert any("read noise" in s for s in card.unknown)


def test_a_target_column_gives_the_programming_error_and_its_window():
    rng = np.random.default_rng(6)
    target = np.repeat(np.linspace(5e-6, 35e-6, 8), 400)
    error = truncnorm(-2, 2, scale=0.5e-6).rvs(target.size, random_state=rng)
    n = target.size
    rows = [(i, t, target[i] + error[i] + s, target[i]) for t, s in ((0.0, 0), (1.0, 1), (100.0, 1)) for i in range(n)]
    table = pd.DataFrame(rows, columns=["device_id", "time_s", "conductance_S", "target_S"])
    table["conductance_S"] = np.where(
        table["time_s"] > 0, table["conductance_S"] - 1 + rng.normal(0, 1e-6, len(table)), table["conductance_S"]
    )
    fitted = nv.fit(
        [Measurement("retention", table, Source("t"))], "relaxation", seed=1, bootstrap=0, holdout=0, knots=4
    )
    assert fitted.values["programming_window_S"][0] == pytest.approx(1e-6, rel=0.02)
    assert fitted.values["programming_sigma_S"][0] == pytest.approx(0.5e-6, rel=0.06)
    assert str(fitted.basis["programming_sigma_S"]) == "measured"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"device_id": [1], "time_s": [0.0]}, "column conductance_S is missing"),
        ({"time_s": [0.0], "conductance_S": [1e-6]}, "column device_id is missing"),
        ({"device_id": [1, 2], "time_s": [0.0, 0.0], "conductance_S": [1e-6, 2e-6]}, "no device was read twice"),
    ],
)
def test_data_that_cannot_tell_of_relaxation_is_refused(table, words):
    with pytest.raises(BadInput, match=words):
        nv.fit([Measurement("retention", pd.DataFrame(table), Source("t"))], "relaxation")


def test_unknown_models_options_and_shares_are_refused(measured):
    with pytest.raises(BadInput, match="did you mean relaxation"):
        nv.fit([measured], "relaxatoin")
    with pytest.raises(BadInput, match="holdout must lie within"):
        nv.fit([measured], "relaxation", holdout=2.0)
    with pytest.raises(BadInput, match="go together"):
        nv.fit([measured], "relaxation", n_levels=32)
    with pytest.raises(BadInput, match=r"did you mean knots\?"):
        nv.fit([measured], "relaxation", knot=3)
    with pytest.raises(BadInput, match=r"bootstrap: .*greater than or equal to 0"):
        nv.fit([measured], "relaxation", bootstrap=-1)


def test_the_gradient_of_the_likelihood_matches_differences(truth):
    rng = np.random.default_rng(8)
    level, time = rng.uniform(1e-6, 39e-6, 300), rng.choice([0.01, 0.5, 1e4], 300)
    change = truth.change(level, 1.0, rng.standard_normal(300))
    tables = np.sort(rng.normal(0, 1e-6, (4, 6)), axis=1)
    p = np.linspace(0.05, 0.95, 6)
    blocks = (
        observations_of(level, time, change),
        observations_of_quantiles(level[:4], time[:4], np.full(4, 100.0), p, tables),
    )
    for block in blocks:
        likelihood = Likelihood(Surface(truth.level_S[::3], truth.times_s), block)
        vector = likelihood.start() + rng.normal(0, 0.05, likelihood.surface.size)
        _, gradient = likelihood(vector)
        for i in rng.choice(vector.size, 12, replace=False):
            step = np.zeros(vector.size)
            step[i] = 1e-5
            slope = (likelihood(vector + step)[0] - likelihood(vector - step)[0]) / 2e-5
            assert gradient[i] == pytest.approx(slope, rel=1e-4, abs=1e-7)


def test_tied_and_censored_quantiles_lose_no_cells():
    row = np.array([[-np.inf, -np.inf, 0.0, 0.0, 0.0, 1.0]])
    p = np.array([0.05, 0.1, 0.3, 0.5, 0.7, 0.9])
    seen = observations_of_quantiles(np.array([1e-6]), np.array([1.0]), np.array([200.0]), p, row)
    assert seen.weight.sum() == pytest.approx(200)
    assert seen.low_S.tolist() == [-np.inf, 0.0, 1.0]
    assert seen.weight.tolist() == pytest.approx([140, 40, 20])


def test_a_perfect_law_stays_within_the_limit_and_a_gaussian_does_not(truth):
    cells, _ = split_over_set(collect([drawn(truth, 8000, 9)], n_levels=32, g_max_S=40e-6))
    perfect = judge([(LawPredictor(truth), cells)], np.random.default_rng(1))
    assert perfect.within >= 0.85
    assert perfect.coverage(0.9) == pytest.approx(0.9, abs=0.01)
    gaussian = judge([(GaussianBins.of(cells), cells)], np.random.default_rng(1))
    assert gaussian.within < 0.5


@pytest.mark.parametrize(("k", "n"), [(0, 50), (3, 40), (50, 50)])
def test_the_interval_of_a_share_has_its_level_by_the_binomial(k, n):
    low, high = share_interval(k, n)
    assert k == 0 or binom.sf(k - 1, n, low) == pytest.approx(0.05, abs=1e-9)
    assert k == n or binom.cdf(k, n, high) == pytest.approx(0.05, abs=1e-9)


def test_levels_of_the_measured_set_are_the_files_own_bins(measured_data):
    folder = measured_data / "rram_1t1r_relaxation_c"
    raw = nv.read(folder / "relaxdata.tsv.gz", shipped_data("rram_1t1r_relaxation_c").parent / "columns.toml")
    cells = collect(raw, n_levels=32, g_max_S=40e-6)
    file = pd.read_csv(folder / "relaxdata.tsv.gz", sep="\t", header=None).drop_duplicates(0).set_index(0)
    assert len(cells) == 16292
    np.testing.assert_array_equal(cells.level, file.loc[cells.device_id.astype(int), 5].to_numpy())
    assert len(split_over_set(cells)[1]) == 69


def test_the_shipped_summary_is_what_the_script_computes_from_the_measured_set(measured_data):
    folder = measured_data / "rram_1t1r_relaxation_c"
    raw = nv.read(folder / "relaxdata.tsv.gz", shipped_data("rram_1t1r_relaxation_c").parent / "columns.toml")
    table = summarise(split_over_set(collect(raw, n_levels=32, g_max_S=40e-6))[0])
    shipped = pd.read_csv(shipped_data("rram_1t1r_relaxation_c"))
    assert list(table.columns) == list(shipped.columns)
    for column in table.select_dtypes("number"):
        np.testing.assert_allclose(shipped[column], table[column].astype(float), rtol=1e-5, atol=1e-13)


def test_left_out_cells_of_the_measured_set_are_covered(measured_data):
    folder = measured_data / "rram_1t1r_relaxation_c"
    raw = nv.read(folder / "relaxdata.tsv.gz", shipped_data("rram_1t1r_relaxation_c").parent / "columns.toml")
    cells, _ = split_over_set(collect(raw, n_levels=32, g_max_S=40e-6))
    rng = np.random.default_rng(3)
    order = rng.permutation(len(cells))
    law, optimum = fit_cells(cells[order[3245:]], Options(), rng)
    assert optimum.converged
    judgement = judge([(LawPredictor(law), cells[order[:3245]])], rng)
    for p, limit in ((0.5, 0.015), (0.9, 0.01), (0.99, 0.007)):
        assert judgement.coverage(p) == pytest.approx(p, abs=limit)
