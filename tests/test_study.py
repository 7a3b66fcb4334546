"""The whole chain from one study file, and what a wrong study file is told."""

from __future__ import annotations

from pathlib import Path

import pytest

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.study import load_study, run_study

STUDIES = Path(__file__).resolve().parent.parent / "studies"

SMALL = """
title = "Small"
seed = 3
[data]
source = "pcm_90nm"
[model]
card = "pcm_90nm"
[crossbar]
size = [6, 5]
[profile]
targets_S = [5e-6, 20e-6]
times_s = [60.0, 3600.0]
[export]
consumers = ["csv"]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_study_in_the_repository_is_valid(path):
    assert load_study(path).title


def test_a_study_leaves_card_profile_exports_and_report(tmp_path):
    outcome = run_study(write(tmp_path, SMALL), tmp_path / "out")
    out = tmp_path / "out"
    assert outcome.report == out / "report.html"
    assert nv.load_card(out / "card.toml").name == "pcm_90nm"
    assert nv.load_profile(out / "profile.h5").tables.target_S.tolist() == [5e-6, 20e-6]
    assert (out / "export" / "csv" / "loss_report.json").is_file()
    assert "Small" in outcome.report.read_text(encoding="utf-8")


def test_without_ngspice_the_study_finishes_and_says_that_no_check_was_made(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("NVMPHYS_NGSPICE", raising=False)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    outcome = run_study(write(tmp_path, SMALL), tmp_path / "out")
    assert outcome.spice is None
    assert "NOT made" in outcome.report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("[crossbar]", "[crosbar]"), "did you mean crossbar?"),
        (("size =", "sise ="), "did you mean size?"),
        (('source = "pcm_90nm"', 'source = "pcm_90"'), "did you mean pcm_90nm?"),
        (('consumers = ["csv"]', 'consumers = ["cvs"]'), "did you mean csv?"),
        (("size = [6, 5]", "size = [0, 5]"), "size must lie within 1 … 1024"),
        (("times_s = [60.0, 3600.0]", "times_s = [1.0]"), "time must be"),
        (("[5e-6, 20e-6]", "[5e-6, 90e-6]"), "target conductance must lie within"),
        (('source = "pcm_90nm"', ""), "either source or file"),
    ],
)
def test_a_wrong_study_names_the_key_the_rule_and_the_way_out(tmp_path, change, words):
    with pytest.raises(BadInput, match=words.replace("?", r"\?")):
        run_study(write(tmp_path, SMALL.replace(*change)), tmp_path / "out")
