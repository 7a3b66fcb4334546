"""What every exporter holds to: a loss report that names each property, and files that read back within it."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.discovery import modules_with
from nvmphys.errors import BadInput, MissingTool
from nvmphys.exporters import LossReport, consumers, export, usage
from nvmphys.exporters.aihwkit import noise_model
from nvmphys.exporters.crosssim import device_base
from nvmphys.exporters.loss import PROPERTIES
from nvmphys.exporters.neurosim import command_line, realised_shares, stuck_rates
from nvmphys.exporters.normal_levels import quantiles_of

MODULES = modules_with("nvmphys.exporters", "NAME")
TRAINING = [name for name, module in MODULES.items() if hasattr(module, "TRAINS")]


@pytest.fixture(scope="module", params=["full", "relaxing"])
def profile(request):
    return request.getfixturevalue(request.param)


def exported(profile, consumer, folder):
    """Export, or skip for the one reason that a consumer may have."""
    if consumer in TRAINING and not profile.pulse_update:
        with pytest.raises(
            BadInput, match="has no pulse-update tables of both directions: build it from a dynamics card with --sch"
        ):
            export(profile, consumer, folder)
        pytest.skip("nothing to train on")
    return export(profile, consumer, folder)


@pytest.mark.parametrize("consumer", consumers())
def test_nothing_is_dropped_in_silence_and_what_is_carried_reads_back_within_its_error(profile, consumer, tmp_path):
    report = exported(profile, consumer, tmp_path)
    said = {row.property: row for row in report.rows}
    assert set(said) == set(PROPERTIES)
    assert all(row.reason for row in report.rows)
    assert LossReport.load(tmp_path) == report
    before = sorted(path.name for path in tmp_path.iterdir())
    back = MODULES[consumer].read_back(tmp_path)
    export(profile, consumer, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before, "an export over an older one replaces it whole"
    for name, error in departures(profile, back).items():
        if said[name].status == "dropped" or said[name].max_error is None:
            continue
        assert error <= said[name].max_error + 1e-9, f"{name}: {error} beyond {said[name].max_error}"
    carried = {name for name, row in said.items() if row.status == "carried" and "nothing to carry" not in row.reason}
    assert {"programmed conductance", "tails", "read noise", "pulse updates"} & carried <= set(
        departures(profile, back)
    )


def departures(profile, back):
    """Return by how much what was read back departs from the profile, by property, in the unit of the loss report."""
    tables, found = profile.tables, {}
    low, high = profile.level_range_S
    if back.mean_S.size:
        np.testing.assert_allclose(back.time_s, tables.time_s)
        wanted = [
            np.stack([np.interp(back.target_S, tables.target_S, column) for column in part[0].T], axis=1)
            for part in (tables.mean_S, tables.sigma_S)
        ]
        gap = np.maximum(*(np.abs(a - b) for a, b in zip((back.mean_S, back.sigma_S), wanted, strict=True)))
        found["programmed conductance"] = gap[:, 0].max() / (high - low)
        found["conductance over time"] = gap.max() / (high - low)
    if back.quantiles_S is not None:
        wanted = quantiles_of(profile, back.target_S, back.probability)
        found["tails"] = np.abs(back.quantiles_S - wanted).max() / (high - low)
    if back.correlation is not None:
        found["histories"] = np.abs(back.correlation - tables.correlation[0]).max()
    if back.shares:
        found["populations that do not follow the target"] = abs(
            sum(back.shares.values()) - sum(extra.weight for extra in profile.extras.values())
        )
    if back.read_noise_S is not None:
        wanted = np.stack([np.interp(back.target_S, tables.target_S, row) for row in profile.read_noise_S.T], axis=1)
        found["read noise"] = np.nanmax(np.abs(back.read_noise_S - wanted)) / (high - low)
    if back.drift:
        found["drift exponents"] = max(np.abs(back.drift[k] - profile.drift[k]).max() for k in back.drift)
    if back.steps is not None:
        mean = [np.interp(back.steps.level_S, profile.pulse_update[d].level_S, profile.pulse_update[d].mean_S[0])
                for d in ("set", "reset")]  # fmt: skip
        ours = [back.steps.moments(direction)[0] for direction in (1, -1)]
        # moments of a table of quantiles against those the profile states: as good as its quantiles
        gap = max(np.abs(a - b).max() for a, b in zip(ours, mean, strict=True))
        found["pulse updates"] = max(gap / (high - low) - 1e-4, 0.0)
    return found


@pytest.mark.parametrize("consumer", consumers())
def test_an_export_of_another_profile_leaves_nothing_of_the_one_before(full, consumer, tmp_path):
    tables = full.tables
    early = replace(
        full, extras={}, array={},
        tables=replace(tables, time_s=tables.time_s[:2], change=tables.change[:, :, :2],
                       quantiles_S=tables.quantiles_S[:, :, :2], mean_S=tables.mean_S[:, :, :2],
                       sigma_S=tables.sigma_S[:, :, :2], correlation=tables.correlation[:, :, :2, :2]),
        read_noise_S=full.read_noise_S[:, :2], sigma_range_S=None,
    )  # fmt: skip
    export(full, consumer, tmp_path / "over")
    (tmp_path / "over" / "my_notes.txt").write_text("mine")
    (tmp_path / "over" / "conformance.json").write_text("{}")
    for folder in ("over", "fresh"):
        export(early, consumer, tmp_path / folder)
    left = {path.name for path in (tmp_path / "over").iterdir()}
    assert left == {path.name for path in (tmp_path / "fresh").iterdir()} | {"my_notes.txt"}


def test_two_consumers_may_share_a_folder(full, tmp_path):
    for consumer in ("npz", "csv", "csv"):
        export(full, consumer, tmp_path)
    assert (tmp_path / "profile.npz").is_file()


@pytest.mark.parametrize("name", ["../kept.txt", "/kept.txt", 5, "sub"])
def test_a_report_that_names_files_elsewhere_removes_none_of_them(full, tmp_path, name):
    (tmp_path / "kept.txt").write_text("mine")
    folder = tmp_path / "export"
    export(full, "npz", folder)
    (folder / "sub").mkdir()
    (folder / "loss_report.json").write_text(json.dumps({"consumer": "npz", "rows": [], "files": [name, 3]}))
    export(full, "npz", folder)
    assert (tmp_path / "kept.txt").read_text() == "mine"
    assert (folder / "sub").is_dir()


def test_an_export_that_fails_leaves_the_older_one_whole(full, tmp_path, monkeypatch):
    export(full, "neurosim", tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def broken(path, text):
        raise KeyboardInterrupt

    monkeypatch.setattr("nvmphys.exporters.neurosim.write_text", broken)
    with pytest.raises(KeyboardInterrupt):
        export(full, "neurosim", tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_command_line_says_how_neurosim_is_called(full, tmp_path):
    nv.save_profile(full, tmp_path / "P.h5")
    given = ["export", str(tmp_path / "P.h5"), "--to", "neurosim", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*given, "--levels", "8", "--time", "3600", "--json"])
    assert done.exit_code == 0, done.output
    called = json.loads(done.stdout)["usage"]
    assert called == command_line(tmp_path / "out", 3, 3600.0)
    assert (tmp_path / "out" / "mem_states_3bit_3600s.csv").is_file()
    assert called in CliRunner().invoke(app, [*given, "--levels", "8", "--time", "3600"]).output.replace("\n", "")
    for wrong, words in (
        (["--levels", "12"], "levels must be one of 2, 4, 8, 16"),
        (["--time", "60"], "at 20, 3600, 86400 s; build the profile with the times you need"),
    ):
        with pytest.raises(BadInput, match=words):
            CliRunner().invoke(app, [*given, *wrong], catch_exceptions=False)
    with pytest.raises(BadInput, match=r"csv takes no number of levels.*neurosim does"):
        usage("csv", tmp_path / "out")


def test_what_a_profile_does_not_hold_is_not_said_to_be_carried(relaxing, tmp_path):
    said = {row.property: row for row in export(relaxing, "csv", tmp_path).rows}
    for name in ("pulse updates", "drift exponents", "read noise", "array effects", "temperature", "confidence"):
        assert said[name].shown() == "nothing to carry", name
    assert said["tails"].shown() == "carried"


@pytest.mark.parametrize("consumer", consumers())
def test_a_damaged_export_is_named(full, consumer, tmp_path):
    export(full, consumer, tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(BadInput, match=str(tmp_path.name)):
        MODULES[consumer].read_back(tmp_path)


def test_exports_that_hold_the_whole_profile_read_back_the_same_one(full, tmp_path):
    for consumer in ("aihwkit", "crosssim"):
        export(full, consumer, tmp_path / consumer)
        back = MODULES[consumer].read_back(tmp_path / consumer).profile
        np.testing.assert_array_equal(back.tables.change, full.tables.change)
        np.testing.assert_array_equal(back.history.correlation, full.history.correlation)
        assert back.extras["stuck"].stays


def test_neurosim_files_are_as_its_reader_takes_them(full, tmp_path):
    export(full, "neurosim", tmp_path)
    text = (tmp_path / "mem_states_2bit_3600s.csv").read_bytes()
    assert text.startswith(b"states,mean,std\n0,"), "no byte order mark, columns by name"
    assert len(text.splitlines()) == 1 + 2**2
    command = command_line(tmp_path, 2, 3600.0)
    assert "--bitcell 2 --mem_states_file mem_states_2bit_3600s.csv" in command
    with pytest.raises(BadInput, match="no file of 5 bits at 3600 s: there are 1, 2, 3, 4 bits at 20, 3600, 86400 s"):
        command_line(tmp_path, 5, 3600.0)


@pytest.mark.parametrize("wanted", [(0.01, 0.0), (0.0, 0.02), (0.01, 0.2)])
def test_the_stuck_rates_for_neurosim_realise_the_shares(wanted):
    rates = stuck_rates(*wanted)
    assert rates is not None
    assert realised_shares(*rates) == pytest.approx(wanted)


def test_without_the_tool_its_class_says_what_to_install(full, tmp_path, monkeypatch):
    export(full, "aihwkit", tmp_path)
    modules = importlib.import_module("sys").modules
    monkeypatch.setitem(modules, "nvmphys.exporters._aihwkit_model", None)
    monkeypatch.setitem(modules, "nvmphys.exporters._crosssim_device", None)
    with pytest.raises(MissingTool, match="pip install"):
        noise_model(tmp_path)
    with pytest.raises(MissingTool, match="PYTHONPATH"):
        device_base()


def test_an_unknown_consumer_is_told_the_known_ones(relaxing, tmp_path):
    with pytest.raises(BadInput, match=r"did you mean aihwkit.*\? known: aihwkit, aihwkit-training, crosssim"):
        export(relaxing, "aihwkt", tmp_path)


def test_a_damaged_loss_report_is_named(tmp_path: Path):
    (tmp_path / "loss_report.json").write_text(json.dumps({"consumer": "csv", "rows": []}))
    with pytest.raises(BadInput, match="not a loss report"):
        LossReport.load(tmp_path)


def test_a_name_from_a_file_cannot_write_code_into_an_export(full, tmp_path):
    hostile = replace(full, name='x"""\nimport os\n.control\nshell\n')
    for consumer in ("crosssim", "spice"):
        export(hostile, consumer, tmp_path / consumer)
    assert "import os" not in (tmp_path / "crosssim" / "nvmphys_device.py").read_text().splitlines()
    assert ".control" not in (tmp_path / "spice" / "cells.lib").read_text().splitlines()
