"""What every exporter holds to: a loss report that names each property, and files that read back."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

import nvmphys as nv
from nvmphys.discovery import modules_with
from nvmphys.errors import BadInput, MissingTool
from nvmphys.exporters import LossReport, consumers, csv_tables, export
from nvmphys.exporters.aihwkit import noise_model
from nvmphys.exporters.loss import PROPERTIES

TIMES = {"rram_1t1r_relaxation": [1.0, 86400.0], "pcm_90nm": [60.0, 86400.0]}


@pytest.fixture(scope="module", params=sorted(TIMES))
def profile(request):
    card = nv.load_card(request.param)
    targets = np.linspace(*nv.law_of(card).level_range_S, 5)
    return nv.build_profile(card, targets, TIMES[request.param], rng=1)


@pytest.mark.parametrize("consumer", consumers())
def test_nothing_is_dropped_in_silence(profile, consumer, tmp_path):
    report = export(profile, consumer, tmp_path)
    assert {row.property for row in report.rows} == set(PROPERTIES)
    assert all(row.reason for row in report.rows)
    assert LossReport.load(tmp_path) == report
    noise = next(row for row in report.rows if row.property == "read noise")
    assert (noise.status == "dropped") == (profile.read_noise_S is None)


@pytest.mark.parametrize("consumer", consumers())
def test_an_export_over_an_older_one_replaces_it_whole(profile, consumer, tmp_path):
    export(profile, consumer, tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    export(profile, consumer, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_csv_reads_back_to_the_last_digit(profile, tmp_path):
    export(profile, "csv", tmp_path)
    back = csv_tables.read_back(tmp_path)
    tables = profile.tables
    table = back["conductance"].sort_values(["target_S", "time_s"])
    quantiles = table[[c for c in table.columns if c.startswith("q_")]].to_numpy()
    shape = tables.quantiles_S[0].shape
    np.testing.assert_array_equal(quantiles.reshape(shape), tables.quantiles_S[0])
    np.testing.assert_array_equal(table["sigma_S"].to_numpy().reshape(shape[:2]), tables.sigma_S[0])
    k, m = np.triu_indices(tables.time_s.size, 1)
    np.testing.assert_array_equal(back["correlation"]["correlation"], tables.correlation[0][:, k, m].ravel())
    weights = back["populations"].groupby("population")["weight"].first().to_dict()
    assert weights == {name: extra.weight for name, extra in profile.extras.items()}
    assert back["metadata"]["basis"] == dict(profile.basis)
    assert back["metadata"]["assumptions"] == list(profile.assumptions)


def test_aihwkit_reads_back_the_same_profile(profile, tmp_path):
    export(profile, "aihwkit", tmp_path)
    back = modules_with("nvmphys.exporters", "NAME")["aihwkit"].read_back(tmp_path)
    np.testing.assert_array_equal(back.tables.change, profile.tables.change)
    np.testing.assert_array_equal(back.history.correlation, profile.history.correlation)


def test_without_aihwkit_the_noise_model_says_what_to_install(profile, tmp_path, monkeypatch):
    export(profile, "aihwkit", tmp_path)
    monkeypatch.setitem(importlib.import_module("sys").modules, "nvmphys.exporters._aihwkit_model", None)
    with pytest.raises(MissingTool, match="pip install"):
        noise_model(tmp_path)


def test_an_unknown_consumer_is_told_the_known_ones(profile, tmp_path):
    with pytest.raises(BadInput, match=r"did you mean aihwkit\? known: aihwkit, csv"):
        export(profile, "aihwkt", tmp_path)


def test_a_damaged_loss_report_is_named(tmp_path: Path):
    (tmp_path / "loss_report.json").write_text(json.dumps({"consumer": "csv", "rows": []}))
    with pytest.raises(BadInput, match="not a loss report"):
        LossReport.load(tmp_path)
