"""Many devices fitted one by one: each like a fit of its own, whatever the executor, and their population."""

from __future__ import annotations

import pickle
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.devices import device, devices
from nvmphys.errors import BadInput, CheckFailed
from nvmphys.fit.dynamics import fit_dynamics
from nvmphys.fit.observed import Remembered

GAP, FREE = device("rram_gap"), ("g0", "V0")
SPREAD = {"g0": {"sigma": 0.05, "sigma_ref": "of_value"}, "V0": {"sigma": 0.04, "sigma_ref": "of_value"}}
LOOP = {"points": 40, "positive_V": 1.6, "negative_V": -2.0, "compliance_A": None}


@pytest.fixture(scope="module")
def loops():
    rng = np.random.default_rng(3)
    made = nv.simulate("rram_gap", "sweep", n_devices=40, population=SPREAD, settings=LOOP, rng=rng)
    noisy = made.table["current_A"] * np.exp(0.02 * rng.standard_normal(len(made.table)))
    return replace(made, table=made.table.assign(current_A=noisy))


@pytest.fixture(scope="module")
def fitted(loops):
    return nv.fit_each([loops], "rram_gap", free=FREE, starts=1)


def of_device(loops, *names):
    return replace(loops, table=loops.table[loops.table["device_id"].isin(names)])


def test_a_device_has_the_values_of_a_fit_of_its_own(loops, fitted):
    for name in (1, 17):
        alone = fit_dynamics(
            [of_device(loops, name)], GAP, free=FREE, rng=np.random.default_rng(1), holdout=0, starts=1, profiles=False
        ).identified
        row = fitted.table.loc[name]
        for parameter in FREE:
            assert row[parameter] == pytest.approx(alone.values[parameter], abs=0.02 * alone.standard_errors[parameter])
            low, high = alone.intervals[parameter]
            # the noise of all rows over the fit's degrees of freedom, there found in rounds and here at once
            assert row[f"{parameter}_high"] - row[f"{parameter}_low"] == pytest.approx(high - low, rel=0.05)


def test_the_result_does_not_depend_on_the_executor(loops, fitted):
    two = [of_device(loops, *range(1, 21))]
    alone = nv.fit_each(two, "rram_gap", free=FREE, starts=1)
    pd.testing.assert_frame_equal(alone.table, fitted.table.loc[1:20])  # nor on the other devices
    for pool in (ThreadPoolExecutor(2), ProcessPoolExecutor(1, get_context("fork"))):
        with pool:
            found = nv.fit_each(two, "rram_gap", free=FREE, starts=1, executor=pool)
        pd.testing.assert_frame_equal(found.table, alone.table)


def test_work_holds_the_name_of_the_model_and_no_model(loops):
    sent = []

    class Kept(Executor):
        def submit(self, fn, /, *args, **kwargs):
            sent.append(pickle.dumps((fn, args)))
            out: Future = Future()
            out.set_result(fn(*args, **kwargs))
            return out

    nv.fit_each([of_device(loops, 1, 2)], "rram_gap", free=FREE, starts=1, executor=Kept())
    (piece,) = sent
    assert b"sympy" not in piece
    assert b"DeviceModel" not in piece
    assert b"rram_gap" in piece


def test_the_population_is_recovered(fitted):
    """Centre and spread within four standard errors of 40 devices."""
    found = fitted.population()
    assert len(fitted.good) == 40
    for name, spread in SPREAD.items():
        own = GAP.values()[name]
        sigma = spread["sigma"] * own
        assert found.loc[name, "centre"] == pytest.approx(own, abs=4 * sigma / np.sqrt(40))
        assert found.loc[name, "sigma"] == pytest.approx(sigma, rel=4 / np.sqrt(2 * 39))
        assert found.loc[name, "of_fit"] < 0.1
    card = fitted.card("mine")
    cells = nv.simulate(card, "sweep", n_devices=2, settings=LOOP, rng=1)
    assert cells.table.groupby("device_id")["current_A"].max().nunique() == 2


def test_a_device_that_cannot_be_fitted_says_why_and_the_others_stay(loops, fitted):
    table = of_device(loops, 1, 2, 3).table
    table = table.assign(current_A=np.where(table["device_id"] == 2, 1e-6, table["current_A"]))
    found = nv.fit_each([replace(loops, table=table)], "rram_gap", free=FREE, starts=1)
    assert "nothing to fit in sweep" in found.table.loc[2, "failed"]
    assert found.table.loc[[1, 3], "g0"].tolist() == fitted.table.loc[[1, 3], "g0"].tolist()
    with pytest.raises(CheckFailed, match=r"a population needs 3 converged devices \(got 2 of 3\)"):
        found.card("mine")


def test_progress_is_told_and_an_interrupt_drops_what_has_not_begun(loops):
    told = []

    def stop(what, done, of):
        told.append((what, done, of))
        raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        nv.fit_each([loops], "rram_gap", free=FREE, starts=1, executor=pool, progress=stop)
    assert told == [("devices fitted", 16, 40)]


def test_fits_of_each_device_need_their_names(loops):
    with pytest.raises(BadInput, match="need device_id in the table of sweep"):
        nv.fit_each([replace(loops, table=loops.table.drop(columns="device_id"))], "rram_gap", free=FREE)
    with pytest.raises(BadInput, match="no measurement to fit"):
        nv.fit_each([], "rram_gap")


def test_the_command_line_writes_a_table_and_a_card_of_the_population(loops, tmp_path):
    file, card, table = tmp_path / "iv.csv", tmp_path / "mine.toml", tmp_path / "devices.csv"
    of_device(loops, 1, 2, 3).table.to_csv(file, index=False)
    asked = ["fit", str(file), "--model", "rram_gap", "--free", "g0,V0", "--each", str(table), "-o", str(card)]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert pd.read_csv(table)["device_id"].tolist() == [1, 2, 3]
    assert set(nv.load_card(str(card)).population) == {"g0", "V0"}
    done = CliRunner().invoke(app, [*asked, "--levels", "8"])
    assert isinstance(done.exception, BadInput)
    assert "takes --free and --set (got n_levels)" in str(done.exception)


def test_what_the_layout_tells_is_fitted_where_it_is_named(loops):
    one = [of_device(loops, 1)]
    fit = fit_dynamics(one, GAP, free=("tox",), rng=np.random.default_rng(1), holdout=0, starts=1, profiles=False)
    assert fit.identified.names == ("tox",)


@pytest.mark.parametrize("name", devices())
def test_what_is_known_without_a_fit_is_a_length_an_area_or_a_reference(name):
    model = device(name)
    units = {model.parameter(known).unit for known in model.known}
    assert units <= {"m", "m^2", "s", "K", "1"}
    with pytest.raises(ValueError, match="no_such, said to be known or fitted, is no parameter"):
        replace(model, known=("no_such",))


def test_slopes_are_made_once_for_a_fit_that_asks_for_both():
    asked = []

    def counted(values, names):
        asked.append(names)
        return np.zeros(2), np.zeros((2, len(names)))

    memory = Remembered(counted)
    memory.slopes({"a": 1.0}, ["a"])
    memory.predict({"a": 1.0})
    memory.predict({"a": 2.0})
    memory.slopes({"a": 2.0}, ["a"])
    assert asked == [("a",), ("a",)]
