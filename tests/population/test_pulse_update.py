"""Programming by statistics of pulses: ranks kept for life are found, and cells end where devices do."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.special import ndtri

import nvmphys as nv
from nvmphys.devices import device
from nvmphys.errors import BadInput
from nvmphys.measurement.programming import programmed_cells
from nvmphys.population.pulse_response import accumulative_set
from nvmphys.population.pulse_update import SCORES, PulsedDevices, pulsed_devices, write_verify
from nvmphys.simulate import experiment, simulate

SPREAD = {"vgap": {"sigma": 0.8, "sigma_ref": "of_value"}}
SHORT = {
    "target_S": 1e-4, "set_V": (1.4, 0.1, 2.2), "reset_V": (-1.4, -0.1, -2.2), "max_pulses": 100, "c2c": {"vgap": 0.3},
}  # fmt: skip


def devices_with_ranks(own, n=600, pulses=6, levels=10, seed=1):
    """Return devices whose ln(G'/G) is ±0.1·(own·life + √(1 - own²)·chance); every second pulse goes down."""
    rng = np.random.default_rng(seed)
    life = rng.standard_normal((1, n, 1))
    score = own * life + np.sqrt(1 - own**2) * rng.standard_normal((pulses, n, levels))
    sign = np.where(np.arange(pulses) % 2, -1.0, 1.0)[:, None, None]
    volts = np.arange(1.0, pulses + 1.0)
    level = np.geomspace(1e-6, 1e-4, levels)
    return PulsedDevices(
        volts, np.full(pulses, 1e-7), level, np.full(n, 1e-5), 0.1 * sign * score, np.ones(score.shape)
    )


@pytest.mark.parametrize("own", [0.0, 0.5, 0.8, 1.0])
def test_what_a_cell_keeps_for_life_is_told_from_chance(own):
    law = devices_with_ranks(own).statistics()
    assert law.kept.mean() == pytest.approx(own**2, abs=0.04)
    faster = law.loading[0, 0, 0] * law.loading[1, 0, 0]
    assert np.sign(round(faster, 2)) == (-1.0 if own else 0.0)  # who rises fast falls fast
    assert law.log_ratio[0, 3] == pytest.approx(0.1 * SCORES, abs=0.06)


def test_cells_keep_their_rank_from_pulse_to_pulse_as_far_as_devices_do():
    law = devices_with_ranks(0.8).statistics()
    cells = law.cells(20_000, np.random.default_rng(2))
    everyone, moves = np.arange(20_000), []
    for volts in (1.0, 2.0, 3.0):
        before = cells.read()
        assert cells.pulse(everyone, volts, 1e-7) == pytest.approx(np.ones(20_000))
        moves.append(np.log(cells.read() / before))
    assert np.corrcoef(moves) == pytest.approx(
        np.array([[1, -0.64, 0.64], [-0.64, 1, -0.64], [0.64, -0.64, 1]]), abs=0.05
    )
    assert np.std(moves, axis=1) == pytest.approx(0.1, rel=0.05)
    forgetful = law.memoryless().cells(20_000, np.random.default_rng(2))
    lost = []
    for volts in (1.0, 3.0):
        before = forgetful.read()
        forgetful.pulse(everyone, volts, 1e-7)
        lost.append(np.log(forgetful.read() / before))
    assert np.corrcoef(lost)[0, 1] == pytest.approx(0.0, abs=0.03)


def test_fresh_cells_stand_as_fresh_devices_do():
    pulsed = devices_with_ranks(0.0)
    start = 1e-5 * np.exp(0.2 * ndtri((np.arange(600) + 0.5) / 600))
    law = PulsedDevices(**{**vars(pulsed), "start_S": start}).statistics()
    drawn = law.cells(50_000, np.random.default_rng(1)).read()
    assert np.log(drawn / 1e-5).std() == pytest.approx(0.2, rel=0.03)


def test_cells_by_statistics_end_where_devices_end():
    model = device("rram_gap")
    made = simulate(model, "write_verify", n_devices=300, rng=1, settings=SHORT, population=SPREAD)
    pulsed = pulsed_devices(model, settings=SHORT, population=SPREAD, n_devices=40, n_levels=24, rng=2)
    scheme = experiment(model, "write_verify", SHORT)
    own, other = (
        programmed_cells(made.table),
        programmed_cells(write_verify(pulsed.statistics(), scheme, 2000, 3).table),
    )
    sigma = own["conductance_S"].std()
    assert (own["ended"] == "accepted").mean() > 0.95
    assert (other["ended"] == "accepted").mean() > 0.95
    assert other["conductance_S"].mean() == pytest.approx(own["conductance_S"].mean(), abs=4 * sigma / np.sqrt(300))
    assert other["conductance_S"].std() == pytest.approx(sigma, rel=4 / np.sqrt(2 * 300))
    scatter = own["pulses"].std() * np.sqrt(1 / 300 + 1 / 40)
    assert other["pulses"].mean() == pytest.approx(own["pulses"].mean(), abs=3 * scatter)
    assert other["energy_J"].mean() == pytest.approx(own["energy_J"].mean(), rel=0.2)


def test_a_pulse_from_a_level_leaves_what_the_device_itself_does():
    model = device("rram_gap")
    given = SHORT | {"set_V": (1.8, 0.0, 1.8), "reset_V": None, "c2c": {}}
    pulsed = pulsed_devices(model, settings=given, n_devices=2, n_levels=9, rng=1)
    assert pulsed.amplitude_V.tolist() == [1.8]
    gap = 1.0
    for _ in range(30):  # the gap at which the device reads the level
        seen = simulate(model, "pulse", settings={"amplitude_V": 0.01, "width_s": 1e-9}, start={"g": gap}).table
        gap += 0.25 * np.log(float(seen["conductance_S"].iloc[0]) / pulsed.level_S[4])
    after = simulate(model, "pulse", settings={"amplitude_V": 1.8, "width_s": 2e-8}, start={"g": gap}).table
    ratio = np.log(float(after["conductance_S"].iloc[0]) / pulsed.level_S[4])
    assert pulsed.log_ratio[0, :, 4] == pytest.approx([ratio, ratio], rel=2e-3)


def test_accumulating_cells_follow_the_published_law():
    law = accumulative_set()
    cells = law.cells(100_000, np.random.default_rng(1))
    everyone = np.arange(100_000)
    for _ in range(5):
        assert np.isnan(cells.pulse(everyone, 2.0, 5e-8)).all()
    train = law.train(5, 100_000, np.random.default_rng(2))[5]
    assert cells.read().mean() == pytest.approx(train.mean(), rel=0.01)
    assert cells.read().std() == pytest.approx(train.std(), rel=0.02)
    some = np.arange(1000)
    before = cells.read()
    cells.pulse(some, 2.0, 5e-8)
    assert (cells.read()[1000:] == before[1000:]).all()
    # the memory of a cell fades with its own pulses: by the sixth e^(-6/2.6) is left
    step = cells.read()[:1000] - before[:1000]
    mean = 0.880e-6 - 0.084 * before[:1000] + 1.40e-6 * np.exp(-6 / 2.6)
    assert (step - mean).mean() == pytest.approx(0.0, abs=4 * (step - mean).std() / np.sqrt(1000))
    with pytest.raises(BadInput, match=re.escape("amplitude must be > 0 V (got -1 V)")):
        cells.pulse(some, -1.0, 5e-8)


def test_programming_by_the_published_law_agrees_with_the_pcm_model():
    model = device("pcm_accumulative")
    made = simulate(model, "write_verify", n_devices=300, rng=1, settings={"target_S": 8e-6})
    scheme = experiment(model, "write_verify", {"target_S": 8e-6})
    log = write_verify(accumulative_set(), scheme, 4000, 2)
    assert "energy_J" not in log.table
    own, other = programmed_cells(made.table), programmed_cells(log.table)
    for column in ("conductance_S", "pulses"):
        scatter = own[column].std() / np.sqrt(300)
        assert other[column].mean() == pytest.approx(own[column].mean(), abs=4 * scatter)
    assert other["conductance_S"].std() == pytest.approx(own["conductance_S"].std(), rel=0.25)
    assert (other["ended"] == "above").mean() == pytest.approx((own["ended"] == "above").mean(), abs=0.08)


def test_models_whose_conductance_does_not_tell_their_state_are_refused():
    with pytest.raises(BadInput, match="pcm_accumulative has states besides the one that its conductance tells"):
        pulsed_devices(device("pcm_accumulative"), n_devices=2)


def test_a_pulse_that_was_not_measured_is_refused():
    cells = devices_with_ranks(0.0).statistics().cells(3, np.random.default_rng(1))
    with pytest.raises(BadInput, match=re.escape("pulse must be one of the statistics' own (got 1.5 V for 1e-07 s)")):
        cells.pulse(np.arange(3), 1.5, 1e-7)


def test_a_log_of_statistics_numbers_its_cells_through():
    scheme = experiment(device("pcm_accumulative"), "write_verify", {"target_S": (5e-6, 8e-6)})
    log = write_verify(accumulative_set(), scheme, 10, 1, "law")
    assert log.experiment == "write_verify"
    assert log.n_devices == 20
    assert sorted(nv.programming_summary(log)["cells"]) == [10, 10]
