"""The spread fit: a user's own table of level, time, mean, σ, and tables of quantiles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.population.spread import SpreadLaw

TIMES, CELLS = (0.0, 10.0, 1e4), 400


def table(path, seed=0, levels=12, target=True):
    """Write a table drawn from a known law; return the file, and σ as programmed and of the whole later."""
    rng = np.random.default_rng(seed)
    lines = ["level;t (s);n;mean (uS);std (uS)" + (";target (uS)" if target else "")]
    truth = []
    for k in range(levels):
        goal = 4.0 * (k + 1)
        start = goal + (0.3 + 0.02 * goal) * rng.standard_normal(CELLS)
        later = [start, *(start - s / 5 + s * rng.standard_normal(CELLS) for s in (0.4, 0.9))]
        truth.append([0.3 + 0.02 * goal, 0.4, 0.9])
        for time, g in zip(TIMES, later, strict=True):
            lines.append(f"{k};{time:g};{CELLS};{g.mean():.6f};{g.std(ddof=1):.6f}" + (f";{goal:g}" if target else ""))
    path.write_text("\n".join(lines) + "\n")
    return path, np.array(truth) * 1e-6


def test_a_table_of_moments_becomes_a_card_whose_intervals_hold_the_truth(tmp_path):
    held = total = 0
    for seed in range(20):
        path, truth = table(tmp_path / "mine.csv", seed)
        result = nv.fit(nv.read(path), "spread", seed=1)
        interval = result.intervals["sigma_prog_knots"]
        low, high = (np.asarray(interval[end])[0] for end in ("low", "high"))
        held += int(np.sum((low <= truth[:, 0]) & (truth[:, 0] <= high)))
        total += truth.shape[0]
    low, high = binom.ppf([0.001, 0.999], total, 0.9)
    assert low <= held <= high


def test_the_law_of_the_card_has_the_spread_of_the_table(tmp_path):
    path, truth = table(tmp_path / "mine.csv", 3)
    result = nv.fit(nv.read(path), "spread", seed=1)
    nv.save_card(result.card("mine"), tmp_path / "card.toml")
    law = nv.law_of(nv.load_card(tmp_path / "card.toml"))
    assert isinstance(law, SpreadLaw)
    assert law.first_time_s == 0
    target = np.full(100_000, 24e-6)
    cells = nv.draw_cells(law, target, np.array(TIMES), np.random.default_rng(1))
    assert cells[0].std() == pytest.approx(truth[5, 0], rel=0.08)
    assert cells[1].std() == pytest.approx(np.hypot(truth[5, 0], truth[5, 1]), rel=0.08)
    assert cells[2].std() == pytest.approx(np.hypot(truth[5, 0], truth[5, 2]), rel=0.08)
    assert (cells[2] - cells[0]).mean() == pytest.approx(-0.18e-6, abs=0.15e-6)


def test_levels_left_out_are_predicted_from_their_neighbours(tmp_path):
    result = nv.fit(nv.read(table(tmp_path / "mine.csv", 4)[0]), "spread", seed=1)
    (judged,) = result.tables.values()
    assert len(judged) == 3 * len(TIMES)
    assert judged["sigma_error"].abs().median() < 0.08
    assert not nv.fit(nv.read(tmp_path / "mine.csv"), "spread", seed=1, holdout=0).tables


def test_without_a_target_the_mean_stands_for_it_and_that_is_said(tmp_path):
    result = nv.fit(nv.read(table(tmp_path / "mine.csv", 5, target=False)[0]), "spread", seed=1)
    assert any("taken as its target" in sentence for sentence in result.assumptions)


def test_quantiles_of_the_change_show_the_tails_of_real_cells():
    source = nv.load_source("rram_1t1r_relaxation_c")
    rows = source[0].table
    few = rows[rows["level"].isin(range(8, 20)) & rows["time_s"].isin(sorted(rows["time_s"].unique())[:3])]
    result = nv.fit([type(source[0])("retention", few, source[0].source)], "spread", seed=1, holdout=0)
    law = result.law
    assert isinstance(law, SpreadLaw)
    assert law.tail is not None
    change = few[(few["quantity"] == "change") & (few["time_s"] == few["time_s"].max())]
    middle = change[change["level"] == 14].iloc[0]
    target = result.values["level_S"][6]
    low, centre, high = law.change(np.full(3, target), law.time_range_s[1], np.array([-2.326, 0.0, 2.326]))
    # the 1 and 99 % quantiles of 500 cells are known to about as much as their neighbours in the table
    assert middle["q_0.0025"] <= low <= middle["q_0.02"]
    assert middle["q_0.4"] <= centre <= middle["q_0.6"]
    assert middle["q_0.98"] <= high <= middle["q_0.9975"]


def test_what_is_not_fitted_is_counted_and_what_shrinks_is_said(tmp_path):
    head = "level,time_s,count,mean_S,sigma_S\n"
    rows = [f"{k},{t},50,{(k + 1) * 1e-6},{s}e-7\n" for k in range(3) for t, s in ((0, 2), (60, 1.5), (3600, 3))]
    path = tmp_path / "table.csv"
    path.write_text(head + "".join(row for row in rows if row != rows[-1]) + "2,7200,1,3e-6,0\n")
    result = nv.fit(nv.read(path), "spread", seed=1)
    assert result.values["time_s"] == [60.0]
    rules = {exclusion.rule: exclusion.where for exclusion in result.exclusions}
    assert rules == {"fewer than two cells, or no σ": "levels 2", "time without all levels (2 of 3)": "3600 s"}
    assert any("σ falls below that as programmed in 3 of 3 rows" in sentence for sentence in result.assumptions)
    assert not result.law.extrapolates
    gaps = np.abs(result.points.measured_S - result.points.fitted_S)
    assert gaps.max() == pytest.approx(0.5e-7, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("level,time_s,count,mean_S,sigma_S\n0,0,9,1e-6,1e-7\n1,5,9,2e-6,1e-7\n", "level 1 has no usable row"),
        ("level,time_s,count,mean_S,sigma_S\n0,0,9,1e-6,1e-7\n1,0,9,1e-6,1e-7\n", "differ between levels"),
        ("level,time_s,count,mean_S,sigma_S\n0,0,9,1e-6,1e-7\n0,0,9,2e-6,1e-7\n", "level 0 has two rows for 0 s"),
        ("level,time_s,count,mean_S,sigma_S\n0,0,1,1e-6,0\n", "no row tells a σ"),
        (
            "level,time_s,temperature_K,count,mean_S,sigma_S\n0,0,300,9,1e-6,1e-7\n1,0,400,9,2e-6,1e-7\n",
            "several temperatures",
        ),
    ],
)
def test_a_table_that_tells_too_little_is_refused(tmp_path, text, words):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=words):
        nv.fit(nv.read(path), "spread", seed=1)


def test_raw_cells_are_sent_to_the_law_that_takes_them(tmp_path):
    path = tmp_path / "raw.csv"
    path.write_text("device,time_s,conductance_uS\n" + "".join(f"d{n},{t},{n + 1}\n" for n in range(9) for t in (0, 1)))
    with pytest.raises(BadInput, match="raw cells are fitted by the model 'relaxation'"):
        nv.fit(nv.read(path), "spread", seed=1)
