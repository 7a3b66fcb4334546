"""Cells drawn from written exports: they pass where the export is right, and fail where one number in it is wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys import cli
from nvmphys.cli import app
from nvmphys.exporters import consumers, export
from nvmphys.exporters.conformance import Comparison, Export, check, quantile_and_error

CELLS = 6_000


def checked(profile, folder, names, **options):
    """Export for consumers and check all at once."""
    exports = [Export(profile, name, folder / name) for name in names]
    for each in exports:
        each.folder.mkdir(exist_ok=True)
        if not list(each.folder.iterdir()):
            export(profile, each.consumer, each.folder)
    found = check(exports, cells=CELLS, **options)
    return {each.consumer: {row.property: row for row in rows} for each, rows in zip(exports, found, strict=True)}


@pytest.fixture(scope="module")
def own(full, tmp_path_factory):
    return checked(full, tmp_path_factory.mktemp("exports"), consumers(), real=False)


def test_every_export_passes_and_says_who_drew(own):
    failed = [(name, row) for name, rows in own.items() for row in rows.values() if row.passed is False]
    assert failed == []
    sources = {row.source for rows in own.values() for row in rows.values() if row.passed is not None}
    assert sources == {"own reader"}
    assert all(rows["does something"].passed for rows in own.values())


def test_what_is_said_to_be_carried_is_compared(own):
    compared = {name: row.passed for name, row in own["aihwkit"].items()}
    for name in ("programmed conductance", "conductance over time", "tails", "histories", "read noise",
                 "populations that do not follow the target", "drift exponents",
                 "programming error and change together"):  # fmt: skip
        assert compared[name], name


def test_cells_are_drawn_at_a_second_temperature_too(baked, tmp_path):
    names = ["aihwkit", "crosssim", "csv", "npz"]
    found = checked(baked, tmp_path, names, real=False)
    for name in names:
        row = found[name]["temperature"]
        assert (row.status, row.passed) == ("carried", True), name
    # an export that knows the lowest temperature alone
    cold = replace(baked, tables=replace(baked.tables, change=baked.tables.change[[0, 0]],
                                         quantiles_S=baked.tables.quantiles_S[[0, 0]]))  # fmt: skip
    nv.save_profile(cold, tmp_path / "aihwkit" / "profile.h5")
    assert checked(baked, tmp_path, ["aihwkit"], real=False)["aihwkit"]["temperature"].passed is False


def multiply(path, line, column, factor):
    """Multiply one number of a table of text."""
    lines = path.read_text().splitlines()
    fields = lines[line].split(",")
    fields[column] = repr(float(fields[column]) * factor)
    lines[line] = ",".join(fields)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("consumer", "wrong", "fails"),
    [
        ("neurosim", lambda f: multiply(f / "mem_states_4bit_20s.csv", 1, 2, 1.2), "programmed conductance"),
        ("level-sigma", lambda f: multiply(f / "level_sigma.csv", -1, 5, 1.2), "conductance over time"),
        ("csv", lambda f: multiply(f / "conductance.csv", -1, -7, 1.02), "tails"),
        ("csv", lambda f: multiply(f / "populations.csv", 1, 1, 1.5), "populations that do not follow the target"),
    ],
)
def test_one_wrong_number_is_found(full, tmp_path, consumer, wrong, fails):
    folder = tmp_path / consumer
    export(full, consumer, folder)
    wrong(folder)
    rows = checked(full, tmp_path, [consumer], real=False)[consumer]
    assert rows[fails].passed is False
    assert rows[fails].worst


def test_a_device_for_training_with_one_wrong_number_is_found(full, tmp_path):
    folder = tmp_path / "aihwkit-training"
    export(full, "aihwkit-training", folder)
    content = json.loads((folder / "device.json").read_text())
    content["arguments"]["dw_min"] *= 1.1
    (folder / "device.json").write_text(json.dumps(content))
    assert (
        checked(full, tmp_path, ["aihwkit-training"], real=False)["aihwkit-training"]["pulse updates"].passed is False
    )


def test_an_export_of_another_profile_is_found(full, tmp_path):
    """A profile without its stuck cells and without the tie of drift to programming, in the place of the right one."""
    folder = tmp_path / "aihwkit"
    export(full, "aihwkit", folder)
    nv.save_profile(replace(full, extras={}, programming_correlation=0.0), folder / "profile.h5")
    rows = checked(full, tmp_path, ["aihwkit"], real=False)["aihwkit"]
    wrong = {name for name, row in rows.items() if row.passed is False}
    assert {"programming error and change together", "populations that do not follow the target"} <= wrong


def test_the_command_line_prints_keeps_and_judges(full, tmp_path, monkeypatch):
    monkeypatch.setattr("nvmphys.exporters.conformance.CELLS", CELLS)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("NVMPHYS_NGSPICE", "/nowhere")
    nv.save_profile(full, tmp_path / "p.h5")
    given = ["export", str(tmp_path / "p.h5"), "--to", "nvmexplorer", "-o", str(tmp_path / "out"), "--check"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    assert "own reader" in done.output
    assert "histories, dropped: " in done.output
    assert "read non-linearity, nothing to carry: the profile does not know it" in done.output
    assert not re.search(r"read non-linearity\s*│\s*carried", done.output)
    kept = json.loads((tmp_path / "out" / "conformance.json").read_text())
    assert kept["limit"] == 4.0

    def wrong(folder):
        content = json.loads((folder / "nvmexplorer.json").read_text())
        content["levels"][-1]["mean_sigma"][0][0] += 0.1
        (folder / "nvmexplorer.json").write_text(json.dumps(content))

    def spoiled(profile, to, out):
        losses = export(profile, to, out)
        wrong(out)
        return losses

    monkeypatch.setattr(cli, "export", spoiled)
    assert CliRunner().invoke(app, given).exit_code == 1


def test_the_error_of_a_quantile_is_that_of_repeated_draws():
    rng = np.random.default_rng(3)
    for p in (0.01, 0.5, 0.99):
        found = [quantile_and_error(np.sort(rng.exponential(size=5000)), p) for _ in range(200)]
        quantiles, errors = np.transpose(found)
        assert np.mean(errors) == pytest.approx(np.std(quantiles), rel=0.15)


def test_a_stated_error_is_allowed_and_no_more():
    one = Comparison("mean", 1.3, 1.0, 0.01, unit=2.0)
    assert one.error == pytest.approx(0.15)
    assert one.z(0.15) == pytest.approx(0.0, abs=1e-3)
    assert one.z(0.1) == pytest.approx(10.0, rel=1e-3)
