"""The bake fit: recovery of a known law, summaries against raw cells, the hottest bake left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.fit.bakes import bakes_of
from nvmphys.records import Measurement, Source

TRUTH = nv.law_of(nv.load_card("rram_1t1r_bake"))
HEAT = (373.15, 413.15, 453.15)


def drawn(n, seed, heat=HEAT):
    """Draw reads before and after bakes from the shipped law."""
    rng = np.random.default_rng(seed)
    before = rng.uniform(4e-6, 236e-6, n)
    rows = []
    for temperature in heat:
        after = before + TRUTH.change_S(before, rng.standard_normal(n), temperature)
        for time, g in ((0.0, before), (5000.0, after)):
            rows.append(
                pd.DataFrame({"device_id": range(n), "time_s": time, "temperature_K": temperature, "conductance_S": g})
            )
    return [Measurement("bake", pd.concat(rows, ignore_index=True), Source("made"))]


@pytest.fixture(scope="module")
def recovered():
    return nv.fit(drawn(6000, 1), "bake", seed=1, n_levels=32, g_max_S=240e-6, bootstrap=0)


def test_a_known_law_is_recovered(recovered):
    assert recovered.convergence.converged
    assert recovered.law.energy_centre_eV == pytest.approx(TRUTH.energy_centre_eV, abs=0.04)
    np.testing.assert_allclose(recovered.law.energy_scale_eV, TRUTH.energy_scale_eV, atol=0.02)
    level, z = np.linspace(10e-6, 230e-6, 30), np.zeros(30)
    for temperature in HEAT:
        fitted, known = (law.change_S(level, z, temperature) for law in (recovered.law, TRUTH))
        np.testing.assert_allclose(fitted, known, atol=1.2e-6)


def test_intervals_hold_the_energies_as_often_as_they_say():
    held = []
    for seed in range(8):
        result = nv.fit(
            drawn(1500, 10 + seed), "bake", seed=seed, n_levels=32, g_max_S=240e-6, knots=5, bootstrap=8, holdout=0
        )
        interval = result.intervals["energy_scale_eV"]
        held += [
            low <= truth <= high
            for low, truth, high in zip(interval["low"], TRUTH.energy_scale_eV, interval["high"], strict=True)
        ]
    # 16 intervals of 90 %: fewer than 10 would happen once in ten thousand times
    assert sum(held) >= 10


def test_a_late_read_of_one_cell_and_lost_cells_do_not_bend_the_law():
    plain = drawn(3000, 5)[0]
    table = plain.table.copy()
    late = table[(table["device_id"] == 7) & (table["time_s"] > 0)].assign(time_s=1e5)
    after = table["time_s"] > 0
    lost = after & table["device_id"].isin(range(100, 115)) & (table["temperature_K"] == 453.15)
    table.loc[lost, "conductance_S"] = 1e-8
    result = nv.fit(
        [replace(plain, table=pd.concat([table, late]))], "bake", seed=1, n_levels=32, g_max_S=240e-6, bootstrap=0
    )
    population = result.law.extras["lost"]
    assert population.stays
    assert population.weight == pytest.approx(15 / 9000, rel=1e-9)
    for temperature in HEAT:
        law = result.law.at_temperature(temperature)
        level, z = np.full(20_000, 15e-6), np.random.default_rng(1).standard_normal(20_000)
        assert law.change_S(level, z).std() < 1.5 * TRUTH.change_S(level, z, temperature).std()
    profile = nv.build_profile(result.card("baked"), [60e-6], [5000.0], [453.15], rng=1)
    cells = profile.sample(np.full(200_000, 60e-6), [0.0, 5000.0], rng=2)
    stuck = cells[0] < 1e-7
    assert stuck.mean() == pytest.approx(population.weight, rel=0.2)
    np.testing.assert_array_equal(cells[0][stuck], cells[1][stuck])


def test_left_out_devices_are_covered_and_the_hottest_bake_is_predicted(recovered):
    assert recovered.left_out.coverage(0.9) == pytest.approx(0.9, abs=0.015)
    ((title, table),) = recovered.tables.items()
    assert "180 °C predicted by a fit at 100 °C and 140 °C, on devices left out (5 folds)" in title
    table = table.set_index(["predictor", "levels"])
    ours, held, nothing = (table.loc[name] for name in ("Arrhenius", "as at 140 °C", "no change"))
    assert ours.loc["all", "coverage_0.9"] == pytest.approx(0.9, abs=0.02)
    assert abs(ours.loc["all", "sigma_error"]) < 0.06 < abs(held.loc["all", "sigma_error"])
    assert (nothing["sigma_error"] == -1).all()
    assert ours.loc["all", "sign_right"] == 1


def test_the_card_says_what_two_temperatures_cannot(recovered):
    card = recovered.card("baked")
    assert any("cannot tell an Arrhenius law from one that levels off" in sentence for sentence in card.unknown)
    assert any("elapsed times differ" in sentence for sentence in card.assumptions)
    assert card.validity["temperature_K"] == [373.15, 453.15]


def test_the_shipped_summary_gives_the_law_of_the_shipped_card():
    result = nv.fit(nv.load_source("rram_1t1r_bake_a"), "bake", seed=1, bootstrap=0)
    level = np.linspace(20e-6, 230e-6, 20)
    for temperature in HEAT:
        for score in (-1.5, 0.0, 1.5):
            z = np.full(20, score)
            fitted, known = (law.change_S(level, z, temperature) for law in (result.law, TRUTH))
            assert np.abs(fitted - known).max() < 0.1 * np.ptp(
                TRUTH.change_S(np.full(2, 8e-5), np.array([-1.5, 1.5]), temperature)
            )
    assert result.left_out is None
    assert "stand-in cells" in next(iter(result.tables))


def test_one_temperature_or_none_is_refused():
    with pytest.raises(BadInput, match="two temperatures or more"):
        nv.fit(drawn(300, 2, HEAT[:1]), "bake", seed=1, bootstrap=0)
    without = drawn(300, 2)[0]
    without = replace(without, table=without.table.drop(columns="temperature_K"))
    with pytest.raises(BadInput, match="column temperature_K is missing"):
        nv.fit([without], "bake", seed=1, bootstrap=0)
    with pytest.raises(BadInput, match=r"bake.*did you mean|knotts"):
        nv.fit(drawn(300, 2), "bake", seed=1, knotts=3)


def test_relaxation_does_not_take_temperatures_for_times():
    with pytest.raises(BadInput, match="relaxation has none"):
        nv.fit(drawn(300, 2), "relaxation", seed=1, bootstrap=0)
    with pytest.raises(BadInput, match="fit the model 'bake'"):
        nv.fit(nv.load_source("rram_1t1r_bake_a"), "relaxation", seed=1, bootstrap=0)


def test_the_real_bakes_predict_the_hottest_within_the_bars(measured_data):
    from nvmphys.measurement.source import shipped_data

    columns = shipped_data("rram_1t1r_bake_a").parent / "columns.toml"
    measurements = nv.read(measured_data / "rram_1t1r_bake_a" / "bake.tsv.gz", columns)
    within, beyond = bakes_of(measurements, 32, 240e-6)
    assert [len(cells) for cells in beyond.values()] == [213, 129, 95]
    assert all(len(cells) + len(beyond[t]) == 16384 for t, cells in within.items())
    result = nv.fit(measurements, "bake", seed=1, n_levels=32, g_max_S=240e-6, bootstrap=0)
    table = next(iter(result.tables.values())).set_index(["predictor", "levels"]).loc["Arrhenius"]
    assert np.all(np.abs(table["mean_error_S"]) <= 3.75e-6)
    assert np.all(np.abs(table.loc[["4-11", "12-19", "20-27"], "sigma_error"]) <= 0.2)
    assert np.all(table["sign_right"] == 1)
    assert 0.85 <= table.loc["all", "coverage_0.9"] <= 0.95
