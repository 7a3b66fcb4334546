"""Dynamics cards: what they must hold, what refuses them, and that the shipped ones are those of the models."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.devices import device, devices
from nvmphys.devices.cards import dynamics_of, held_by_card
from nvmphys.errors import BadInput
from nvmphys.files import shipped

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """Return a folder with what the script writes now."""
    folder = tmp_path_factory.mktemp("models")
    command = [sys.executable, REPOSITORY / "scripts" / "dynamics_cards.py", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_model_has_card_code_and_bench_decks(written):
    endings = (".toml", ".lib", ".va", "_bench.cir", "_va_bench.cir")
    assert {path.name for path in written.iterdir()} == {name + ending for name in devices() for ending in endings}


def test_shipped_files_are_what_the_script_writes(written):
    stale = [
        path.name for path in written.iterdir() if path.read_bytes() != (shipped("models") / path.name).read_bytes()
    ]
    assert stale == [], "run scripts/dynamics_cards.py"


@pytest.mark.parametrize("name", devices())
def test_a_card_gives_the_model_and_its_values_back(name):
    card = nv.load_card(name)
    model, values = dynamics_of(card)
    assert model is device(name)
    assert values == model.values()
    assert set(card.values) == set(held_by_card(model))


def test_basis_says_what_was_read_in_a_text():
    card = nv.load_card("fe_domains")
    assert {name for name in card.values if card.basis[name] == "assumed"} == {"eps", "area", "tflip"}
    assert "eps" in card.assumptions[0]
    assert not any("eps" in line.split(": ")[1].split(", ") for line in card.provenance["read_in"])


GAP = nv.load_card("rram_gap")


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (nv.load_card("pcm_90nm"), "card pcm_90nm is a conductance card.*profile build"),
        (replace(GAP, model="rram_gapp"), "unknown device model 'rram_gapp': did you mean rram_gap"),
        (replace(GAP, technology="pcm"), "technology of rram_gap must be 'rram' .got 'pcm'"),
        (
            replace(GAP, values=GAP.values | {"Ea": 9.0}),
            "card rram_gap: rram_gap: Ea must lie within 0.4 … 1.6 eV .got 9",
        ),
        (
            replace(GAP, values=GAP.values | {"gama0": 9.0}),
            "unknown parameter of rram_gap 'gama0': did you mean gamma0",
        ),
        (replace(GAP, values=GAP.values | {"Ea": [0.5, 0.6]}), "Ea must be one number"),
        (replace(GAP, values=GAP.values | {"Ea": float("nan")}), "Ea must lie within"),
        (replace(GAP, units=GAP.units | {"Ea": "J"}), "unit of Ea must be 'eV' .got 'J'"),
        (replace(GAP, values={k: v for k, v in GAP.values.items() if k != "Ea"}), "Ea missing"),
    ],
)
def test_a_card_that_does_not_fit_its_model_is_refused(card, words):
    with pytest.raises(BadInput, match=words):
        dynamics_of(card)


def test_a_card_cannot_hold_what_is_drawn():
    card = nv.load_card("fe_domains")
    own = {"values": {**card.values, "Ea": 1e8}, "units": {**card.units, "Ea": "V/m"}}
    with pytest.raises(BadInput, match="Ea is drawn anew"):
        dynamics_of(replace(card, **own))


@pytest.mark.parametrize(
    "arguments",
    [
        ("crossbar", "solve", "rram_gap", "--size", "4x4"),
        ("crossbar", "montecarlo", "rram_gap", "--size", "4x4", "-o", "mc"),
        ("profile", "build", "rram_gap", "-o", "p.h5"),
        ("profile", "build", "rram_gap", "-o", "p.h5", "--times", "1"),
        ("report", "--compare", "pcm_90nm", "rram_gap", "-o", "c.html"),
        ("run", "study.toml", "-o", "out"),
    ],
)
def test_what_takes_programmed_cells_refuses_a_dynamics_card(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (REPOSITORY / "studies" / "demo_pcm.toml").read_text(encoding="utf-8")
    Path("study.toml").write_text(text.replace('card = "pcm_90nm"', 'card = "rram_gap"'), encoding="utf-8")
    done = CliRunner().invoke(app, list(arguments))
    assert isinstance(done.exception, BadInput)
    assert "card rram_gap is a dynamics card" in str(done.exception)
    way_out = "give --scheme SCHEME.toml" if arguments[0] == "profile" else "nvmphys simulate or codegen take it"
    assert way_out in str(done.exception)


def test_both_kinds_of_cards_are_listed():
    done = CliRunner().invoke(app, ["list", "cards", "--json"])
    kinds = {row["card"]: row["kind"] for row in json.loads(done.stdout)}
    assert kinds["rram_gap"] == "dynamics"
    assert kinds["pcm_90nm"] == "conductance"
    assert list(kinds) == nv.list_cards()
