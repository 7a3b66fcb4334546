"""Arrays from the command line: three parts of a validation, what enters a profile, studies that are taken up."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.array_study import judge, write_judged
from nvmphys.cli import app
from nvmphys.crossbar import settling_time
from nvmphys.crossbar.draws import SinhReads
from nvmphys.errors import BadInput
from nvmphys.profile.array_cells import CellsOfProfile, reads_of
from nvmphys.profile.sections import ReadCurrent
from nvmphys.report.contents import summarise_array
from nvmphys.study import Array, Study, draw_array

SETTINGS = Array(size=(8, 6), r_wire_ohm=4.0, r_driver_ohm=20.0, time_s=3600.0)
VOLTS = np.array([-0.2, 0.1, 0.2, 0.3])


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """Write a profile of the PCM card whose cells are read with α = 3 to 2 /V."""
    per_V = np.array([3.0, 2.0])
    ratio = np.sinh(per_V[:, None] * VOLTS) / np.sinh(per_V * 0.2)[:, None]
    section = ReadCurrent(
        0.2, np.array([1e-6, 25e-6]), VOLTS, ratio, per_V, np.zeros(2), nv.Basis("assumed"), "for a test"
    )
    path = tmp_path_factory.mktemp("profile") / "pcm.h5"
    card = nv.load_card("pcm_90nm")
    nv.save_profile(nv.build_profile(card, None, [3600.0], rng=1, read_iv=section, replicates=0), path)
    return path


def command(*words):
    done = CliRunner().invoke(app, ["crossbar", *map(str, words)])
    return done.exit_code, done.output


def test_a_profile_file_gives_cells_and_how_they_are_read(profile):
    loaded = nv.load_profile(profile)
    reads = reads_of(loaded)
    assert isinstance(reads, SinhReads)
    assert reads.read_V == 0.2
    assert reads.sinh_per_V.tolist() == [3.0, 2.0]
    target_S = np.full((200, 200), 1.5e-5)
    drawn = CellsOfProfile(loaded, 3600.0, extras=False)(target_S, np.random.default_rng(1))
    law = nv.draw_cells(nv.law_of(nv.load_card("pcm_90nm")), target_S, np.array([3600.0]), np.random.default_rng(2))[0]
    assert drawn.mean() == pytest.approx(law.mean(), abs=5 * law.std() / 200)
    assert drawn.std() == pytest.approx(law.std(), rel=0.03)


def test_three_things_are_said_apart(ngspice, profile):
    found = judge("pcm_90nm", SETTINGS, seed=1, draws=20, predict_with=str(profile))
    assert {name: finding.status for name, finding in found.findings.items()} == {
        "solver": "passed", "cell": "passed", "statistics": "passed",
    }  # fmt: skip
    assert not found.validation.crossbar.cell.linear
    assert "20 arrays in ngspice" in found.statistics.against
    assert found.solver.against.startswith(f"ngspice {ngspice.version}, reltol=1e-9")
    solution = found.validation.nodal
    across = solution.cell_voltage_V
    in_cells = np.sum(across * solution.cell_current_A)
    assert found.read_power_W >= in_cells
    assert found.read_power_W == pytest.approx(in_cells, rel=0.02)
    assert found.figures(1e-7)["read_energy_J"] == found.read_power_W * 1e-7


def test_a_profile_of_other_cells_does_not_predict(ngspice, profile, tmp_path):
    """The profile's cells a twentieth of the range too high."""
    loaded = nv.load_profile(profile)
    moved = replace(loaded.tables, programmed_S=loaded.tables.programmed_S + 1.25e-6)
    nv.save_profile(replace(loaded, tables=moved), tmp_path / "other.h5")
    found = judge("pcm_90nm", SETTINGS, seed=1, draws=20, predict_with=str(tmp_path / "other.h5"))
    assert found.statistics.failed
    assert found.solver.status == found.cell.status == "passed"


def test_what_was_found_enters_the_profile_and_the_folder(ngspice, profile, tmp_path):
    code, said = command(
        "validate", "pcm_90nm", "--profile", profile, "--into", tmp_path / "out.h5", "-o", tmp_path / "found",
        "--size", "8x6", "--time", "3600", "--driver", "20",
    )  # fmt: skip
    assert code == 0, said
    assert "statistics: not made: no arrays were drawn: --draws asks for them" in said
    section = nv.load_profile(tmp_path / "out.h5").array
    assert section["size"] == [8, 6]
    assert section["solver"]["status"] == section["cell"]["status"] == "passed"
    assert section["statistics"]["status"] == "not_made"
    assert section["resistance_ohm"] == {"wire": 1.0, "driver": 20.0, "sense": 0.0}
    drop = pd.read_csv(tmp_path / "found" / "ir_drop.csv", index_col="word_line").to_numpy()
    assert drop.shape == (8, 6)
    assert np.abs(drop).max() == pytest.approx(section["ir_drop"]["largest"])
    outputs = pd.read_csv(tmp_path / "found" / "outputs.csv")
    np.testing.assert_allclose(outputs["ngspice_A"], outputs["current_A"], rtol=1e-9)
    assert json.loads((tmp_path / "found" / "validation.json").read_text())["passed"]
    assert (tmp_path / "found" / "validation.png").read_bytes().startswith(b"\x89PNG")


def test_with_capacitance_the_settling_time_is_told_and_held_against_ngspice(ngspice, profile, tmp_path):
    given = ("--size", "6x5", "--time", "3600", "--driver", "50", "--c-line", "1e-15", "--settle-within", "0.002")
    code, said = command("validate", "pcm_90nm", "--profile", profile, "--into", tmp_path / "out.h5", *given)
    assert code == 0, said
    assert "settling: all outputs stay within 0.002 of full scale from" in said
    assert "transient: passed" in said
    section = nv.load_profile(tmp_path / "out.h5").array
    assert section["capacitance_F"] == {"line_segment": 1e-15, "cell": 0.0}
    assert section["transient"]["status"] == "passed"
    settings = SETTINGS.model_copy(update={"size": (6, 5), "r_driver_ohm": 50.0, "c_line_F": 1e-15, "time_s": 3600.0})
    found = judge("pcm_90nm", settings, seed=0, backend="nodal")
    assert found.transient.status == "not_made"
    line_s = (50.0 + 5 * 1.0) * 5 * 1e-15  # all of a word line's capacitance behind all of its resistance
    assert 0 < found.settling.elmore_s.max() < 2 * line_s
    assert found.settling.slowest_s < section["settling"]["slowest_s"] < 7 * line_s
    write_judged(found, tmp_path)
    outputs = pd.read_csv(tmp_path / "outputs.csv")
    np.testing.assert_allclose(outputs["settling_s"], found.settling.time_s)
    told = json.loads((tmp_path / "validation.json").read_text())["settling"]
    assert told["slowest_s"] == outputs["settling_s"].max()
    assert (tmp_path / "settling.png").read_bytes().startswith(b"\x89PNG")


def test_a_study_with_capacitance_says_how_fast_its_array_settles():
    study = {"data": {"source": "x"}, "model": {"card": "x"}, "profile": {"times_s": [1.0]}}
    settings = Study(**study, crossbar={"size": (4, 3), "c_line_F": 1e-15, "settle_within": 0.02}).crossbar
    crossbar, v, when = draw_array(nv.load_card("pcm_90nm"), settings, np.random.default_rng(0))
    settling = settling_time(crossbar, v, within=settings.settle_within, of="full_scale")
    summary = summarise_array(crossbar, v, nv.validate(crossbar, v, backend="nodal"), "no SPICE", when, settling)
    assert summary.verdict.startswith("no SPICE; all outputs stay within 0.02 of full scale from")
    assert summary.settling["slowest_s"] == settling.slowest_s


def test_the_command_refuses_what_it_cannot_do(tmp_path):
    with pytest.raises(BadInput, match="--into writes a profile again: give --profile"):
        CliRunner().invoke(
            app, ["crossbar", "validate", "pcm_90nm", "--into", str(tmp_path / "x.h5")], catch_exceptions=False
        )
    with pytest.raises(BadInput, match=r"draws must be 0 or >= 20 \(got 3\)"):
        judge("pcm_90nm", SETTINGS, seed=1, draws=3)


def test_a_study_of_many_draws_is_taken_up_and_another_refused(profile, tmp_path):
    given = ["montecarlo", profile, "--size", "6x5", "--draws", 30, "-o", tmp_path, "--json"]
    code, said = command(*given)
    assert code == 0, said
    assert json.loads(said)["computed"] == 40
    table = pd.read_csv(tmp_path / "errors.csv")
    assert len(table) == 5
    before = (tmp_path / "errors.csv").read_bytes()
    assert json.loads(command(*given)[1])["computed"] == 0
    assert (tmp_path / "errors.csv").read_bytes() == before
    with pytest.raises(BadInput, match="holds another study"):
        CliRunner().invoke(app, ["crossbar", *map(str, given), "--wire", "2"], catch_exceptions=False)


def test_sizes_are_mapped_with_the_contour(profile, tmp_path):
    code, said = command("map", profile, "-o", tmp_path, "--sizes", "4,8,16", "--wires", "5,1,50", "--json")
    assert code == 0, said
    made = json.loads(said)
    assert made["wire_ohm"] == [1.0, 5.0, 50.0]
    table = pd.read_csv(tmp_path / "size_map.csv")
    assert len(table) == 9
    assert (tmp_path / "size_map.png").is_file()
