"""Arrays drawn again and again: in ngspice and nodal, paused and taken up, by one worker and by two."""

import json
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import nvmphys as nv
from nvmphys.crossbar import Crossbar, Linear, Sinh
from nvmphys.crossbar.draws import CellsOfLaw, DrawnArrays, SinhReads
from nvmphys.crossbar.monte_carlo import SHARD, STUDY, monte_carlo
from nvmphys.errors import BadInput

READS = SinhReads(0.2, np.array([1e-6, 2.5e-5]), np.array([4.0, 2.0]))
ABOUT = {"card": "pcm_90nm", "time_s": 3600.0}


def arrays(shape=(6, 5), seed=3, reads=None, wire=4.0):
    target_S = np.random.default_rng(1).uniform(1e-6, 25e-6, shape)
    law = nv.law_of(nv.load_card("pcm_90nm"))
    circuit = Crossbar(target_S, wire, wire, 50.0, 20.0)
    return DrawnArrays(circuit, np.full(shape[0], 0.2), CellsOfLaw(law, 3600.0), seed, reads)


def test_cells_conduct_at_the_read_voltage_what_was_read_there():
    read_S = np.array([[1e-6, 1.3e-5, 2.5e-5, 4e-5]])
    low_voltage_S, cell = READS.cells(read_S)
    volts = np.full(read_S.shape, 0.2)
    assert_allclose(cell.state(low_voltage_S, volts, 0 * volts).current_A, 0.2 * read_S, rtol=1e-14)
    assert_allclose(cell.alpha_per_V, [[4.0, 3.0, 2.0, 2.0]])
    assert_allclose(low_voltage_S[0, 0], 1e-6 * 0.8 / np.sinh(0.8), rtol=1e-14)


def test_ohmic_levels_are_linear_cells_and_mixed_ones_nearly_so():
    assert isinstance(replace(READS, sinh_per_V=np.zeros(2)).cells(np.array([[1e-5]]))[1], Linear)
    low_voltage_S, cell = replace(READS, sinh_per_V=np.array([0.0, 2.0])).cells(np.array([[1e-6, 2e-5]]))
    assert isinstance(cell, Sinh)
    one = np.ones((1, 2))
    assert_allclose(cell.state(low_voltage_S, one, 0 * one).current_A[0, 0], 1e-6, rtol=1e-12)


def test_a_draw_is_the_same_whatever_was_drawn_before_it():
    drawn = arrays()
    assert_array_equal(drawn.crossbar(7).conductance_S, drawn.crossbar(7).conductance_S)
    assert_array_equal(drawn.current([2, 7]), drawn.current([7, 2])[::-1])
    assert not np.array_equal(drawn.crossbar(7).conductance_S, drawn.crossbar(8).conductance_S)
    assert not np.array_equal(drawn.crossbar(7).conductance_S, arrays(seed=4).crossbar(7).conductance_S)


@pytest.mark.parametrize("reads", [None, READS])
def test_draws_in_one_ngspice_process_are_those_of_the_nodal_solver(ngspice, reads):
    drawn = arrays(reads=reads)
    told = []
    seen = drawn.current_in_ngspice(range(12), ngspice, progress=lambda *said: told.append(said))
    assert_allclose(seen, drawn.current(range(12)), rtol=1e-10)
    assert told == [("ngspice decks", 12, 12)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"v": np.zeros((6, 2))}, r"v must be one vector \(got shape \(6, 2\)\)"),
        ({"v": np.zeros(6)}, "v must drive a current"),
        ({"seed": -1}, r"seed must be >= 0 \(got -1\)"),
    ],
)
def test_a_bad_study_is_named(change, message):
    with pytest.raises(BadInput, match=message):
        replace(arrays(), **change)


def test_bad_read_currents_are_named():
    with pytest.raises(BadInput, match=r"sinh_per_V must be >= 0 and finite \(got -1 1/V\)"):
        SinhReads(0.2, np.array([1e-6]), np.array([-1.0]))
    with pytest.raises(BadInput, match="read_V must be a voltage other than 0"):
        SinhReads(0.0, np.array([1e-6]), np.array([1.0]))


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_interrupted_study_goes_on_to_the_same_bytes(tmp_path):
    whole, paused = tmp_path / "whole", tmp_path / "paused"
    monte_carlo(arrays(), 3 * SHARD, whole, about=ABOUT)

    def stop(what, done, of):
        if done == SHARD:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        monte_carlo(arrays(), 3 * SHARD, paused, about=ABOUT, progress=stop)
    assert len(list(paused.glob("draws_*.npy"))) == 1
    assert monte_carlo(arrays(), 3 * SHARD, paused, about=ABOUT).computed == 2 * SHARD
    assert content(paused) == content(whole)


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[2])
from test_draws import ABOUT, SHARD, arrays, monte_carlo
def die(what, done, of):
    if done == 2 * SHARD:
        os._exit(9)
monte_carlo(arrays(), 4 * SHARD, sys.argv[1], about=ABOUT, progress=die)
"""


def test_a_killed_study_goes_on_to_the_same_bytes(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    folder = str(Path(__file__).parent)
    assert subprocess.run([sys.executable, "-c", KILLED, str(killed), folder], check=False).returncode == 9
    assert len(list(killed.glob("draws_*.npy"))) == 2
    monte_carlo(arrays(), 4 * SHARD, whole, about=ABOUT)
    assert monte_carlo(arrays(), 4 * SHARD, killed, about=ABOUT).computed == 2 * SHARD
    assert content(killed) == content(whole)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a fork spares each worker the imports")
def test_two_workers_give_the_bytes_of_one(tmp_path):
    monte_carlo(arrays(reads=READS), 3 * SHARD, tmp_path / "one", about=ABOUT)
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        monte_carlo(arrays(reads=READS), 3 * SHARD, tmp_path / "two", about=ABOUT, executor=pool)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_statistics_are_those_of_the_draws(tmp_path):
    made = monte_carlo(arrays(), 30, tmp_path, about=ABOUT)
    error = arrays().error(range(30))
    table = made.statistics()
    assert_allclose(made.error, error, rtol=1e-12)
    assert_allclose(table["error_mean"], error.mean(axis=0))
    assert_allclose(table["error_sigma"], error.std(axis=0, ddof=1))
    assert_allclose(table["error_mean_se"], error.std(axis=0, ddof=1) / np.sqrt(30))
    assert_allclose(table["error_q0.95"], np.quantile(error, 0.95, axis=0))


@pytest.mark.parametrize(
    "other",
    [
        {"arrays": arrays(seed=4)},
        {"arrays": arrays(reads=READS)},
        {"arrays": arrays(wire=4.0 + 1e-12)},
        {"about": {**ABOUT, "time_s": 7200.0}},
        {"method": "nodal"},
    ],
    ids=["seed", "reads", "wire", "cells", "method"],
)
def test_a_folder_of_another_study_is_refused_and_left_as_it_is(tmp_path, other):
    monte_carlo(arrays(), SHARD, tmp_path, about=ABOUT)
    before = content(tmp_path)
    given = {"arrays": arrays(), "about": ABOUT, "method": "auto"} | other
    with pytest.raises(BadInput, match="holds another study"):
        monte_carlo(given["arrays"], SHARD, tmp_path, about=given["about"], method=given["method"])
    assert content(tmp_path) == before


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"no shard"])
def test_a_damaged_shard_is_named_with_the_way_out(tmp_path, damage):
    monte_carlo(arrays(), SHARD, tmp_path, about=ABOUT)
    (tmp_path / "draws_000000.npy").write_bytes(damage)
    with pytest.raises(BadInput, match=r"draws_000000\.npy is damaged .*delete it, and its draws are solved again"):
        monte_carlo(arrays(), SHARD, tmp_path, about=ABOUT)
    (tmp_path / "draws_000000.npy").unlink()
    assert monte_carlo(arrays(), SHARD, tmp_path, about=ABOUT).computed == SHARD


def test_a_shard_of_another_size_or_with_nan_is_damaged(tmp_path):
    monte_carlo(arrays(), SHARD, tmp_path, about=ABOUT)
    for wrong in (np.zeros((SHARD, 4)), np.full((SHARD, 5), np.nan)):
        np.save(tmp_path / "draws_000000.npy", wrong)
        with pytest.raises(BadInput, match="is damaged"):
            monte_carlo(arrays(), SHARD, tmp_path, about=ABOUT)


def test_draws_that_nothing_describes_are_refused(tmp_path):
    monte_carlo(arrays(), SHARD, tmp_path, about=ABOUT)
    (tmp_path / STUDY).write_text(json.dumps({"hash": 5}))
    with pytest.raises(BadInput, match="holds another study"):
        monte_carlo(arrays(), SHARD, tmp_path, about=ABOUT)
    (tmp_path / STUDY).write_text("{")
    with pytest.raises(BadInput, match=r"study\.json is damaged"):
        monte_carlo(arrays(), SHARD, tmp_path, about=ABOUT)
    (tmp_path / STUDY).unlink()
    with pytest.raises(BadInput, match=r"holds draws without study\.json"):
        monte_carlo(arrays(), SHARD, tmp_path, about=ABOUT)
    with pytest.raises(BadInput, match=r"draws must be >= 1 \(got 0\)"):
        monte_carlo(arrays(), 0, tmp_path, about=ABOUT)
