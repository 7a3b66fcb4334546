"""The command line as a user meets it: words, exit codes, and files left whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import nvmphys as nv


def nvmphys(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-c", "from nvmphys.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, timeout=300)


def raw_cells(path: Path, n: int = 400) -> Path:
    """Write a small file of raw cells as an instrument would: reads of each cell at four times."""
    import numpy as np

    rng = np.random.default_rng(0)
    first = rng.uniform(2, 38, n)
    lines = ["device,time [s],G (uS)"]
    for cell, g in enumerate(first):
        lines.append(f"c{cell},0,{g:.5f}")
        walk = g
        for time in (0.01, 1, 100):
            walk = max(walk + 0.4 * rng.standard_t(4), 0.01)
            lines.append(f"c{cell},{time},{walk:.5f}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("what", ["sources", "technologies", "cards", "models", "consumers"])
def test_everything_listed_is_also_there_for_a_machine(what):
    done = nvmphys("list", what, "--json")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)) >= 2


def test_an_unknown_listing_names_what_can_be_listed():
    done = nvmphys("list", "gadgets")
    assert done.returncode == 2
    assert "can list sources, technologies, cards, models, experiments, consumers (got 'gadgets')" in done.stderr


def test_a_misspelt_card_offers_the_nearest():
    done = nvmphys("profile", "build", "pcm_90", "-o", "x.h5")
    assert done.returncode == 2
    assert "did you mean pcm_90nm?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "units"),
    [
        (["profile", "build"], ("Targets [S]", "Times since programming [s]", "Temperatures [K]")),
        (["impact"], ("Times [s]", "segment [ohm]")),
        (["crossbar", "validate"], ("[V]", "[ohm]", "[s]", "[K]")),
    ],
)
def test_help_shows_the_unit_of_what_it_asks_for(command, units):
    shown = " ".join(nvmphys(*command, "--help").stdout.split())
    for words in units:
        assert words in shown, words


def test_a_csv_becomes_a_card_a_checked_crossbar_a_profile_and_an_export(tmp_path):
    data = raw_cells(tmp_path / "cells.csv")
    assert "retention" in nvmphys("inspect", data).stdout
    card = tmp_path / "mine.toml"
    fitted = nvmphys("fit", data, "--model", "relaxation", "-o", card, "--bootstrap", "0", "--knots", "4")
    assert fitted.returncode == 0, fitted.stderr
    assert "assumed: programming" in fitted.stderr
    assert fitted.stdout.strip() == str(card)
    solved = nvmphys("crossbar", "validate", card, "--size", "4x5", "--time", "1", "--backend", "nodal", "--json")
    figures = json.loads(solved.stdout)
    assert not figures["checked"]
    assert [figures[part]["status"] for part in ("solver", "cell", "statistics")] == ["not_made"] * 3
    profile = tmp_path / "mine.h5"
    assert nvmphys("profile", "build", card, "-o", profile, "--times", "1,100").returncode == 0
    assert "assumed" in nvmphys("profile", "show", profile).stdout
    exported = nvmphys("export", profile, "--to", "csv", "-o", tmp_path / "csv")
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "csv" / "loss_report.json").is_file()


def test_the_same_seed_gives_the_same_card(tmp_path):
    data = raw_cells(tmp_path / "cells.csv")
    for name in ("a", "b"):
        nvmphys(
            "fit", data, "--model", "relaxation", "-o", tmp_path / name / "card.toml", "--bootstrap", "0", "--seed", "7"
        )
    first, second = (nv.load_card(tmp_path / name / "card.toml") for name in ("a", "b"))
    assert first.values == second.values


def test_what_the_reader_left_out_is_said_on_stderr(tmp_path):
    data = raw_cells(tmp_path / "cells.csv")
    data.write_text(data.read_text() + "c1,1000,nan\nc2,1000,-3\n")
    done = nvmphys("fit", data, "--model", "relaxation", "-o", tmp_path / "card.toml", "--bootstrap", "0")
    assert done.stderr.count("left out 1 ×") == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "PNG"),
        (b"device,time [s],G (parsec)\n1,0,2\n", "parsec"),
        (b"device,G (uS)\n1,2\n", "the experiment cannot be told"),
    ],
)
def test_a_bad_file_is_one_sentence_and_exit_code_2(tmp_path, content, words):
    bad = tmp_path / "bad.csv"
    bad.write_bytes(content)
    done = nvmphys("fit", bad, "--model", "relaxation", "-o", tmp_path / "card.toml")
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "card.toml").exists()


def test_a_crossbar_size_that_is_none_is_refused():
    done = nvmphys("crossbar", "solve", "pcm_90nm", "--size", "64by64")
    assert done.returncode == 2
    assert "--size must read ROWSxCOLUMNS" in done.stderr


def test_a_time_beyond_the_card_is_refused_with_the_way_out():
    done = nvmphys("profile", "build", "rram_1t1r_relaxation", "-o", "x.h5", "--times", "1e7")
    assert done.returncode == 2
    assert "extrapolate" in done.stderr


def test_crossbar_validate_agrees_with_ngspice(ngspice):
    done = nvmphys("crossbar", "validate", "rram_1t1r_relaxation", "--size", "16x12", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["passed"]
    assert figures["current_error"] <= 1e-11
