"""From a dynamics card and a scheme to a conductance card and its profile: everything simulated, nothing made up."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.special import ndtri
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.errors import BadInput
from nvmphys.population.law import draw_cells
from nvmphys.population.programmed import ProgrammedLaw
from nvmphys.simulate.devices import drawn

GAP = nv.Scheme(
    cells=200,
    write_verify={"set_V": [1.4, 0.1, 2.2], "reset_V": [-1.4, -0.1, -2.2], "c2c": {"vgap": 0.3}},
    population={"vgap": {"sigma": 0.5, "sigma_ref": "of_value"}},
)


@pytest.fixture(scope="module")
def gap_card():
    return nv.program("rram_gap", [1e-4, 3e-5], scheme=GAP, rng=4)


@pytest.fixture(scope="module")
def pcm_card():
    return nv.program(
        "pcm_accumulative", [6e-6, 10e-6], scheme=nv.Scheme(cells=300), times_s=[38.6, 3600.0, 86400.0], rng=2
    )


def test_every_table_of_a_programmed_profile_is_simulated(gap_card, pcm_card, tmp_path):
    nv.save_card(gap_card, tmp_path / "gap.toml")
    card = nv.load_card(tmp_path / "gap.toml")
    assert set(map(str, card.basis.values())) == {"simulated"}
    profile = nv.build_profile(card, None, [0.0], rng=1)
    assert {part: profile.basis[part] for part in ("programmed", "conductance")} == dict.fromkeys(
        ("programmed", "conductance"), "simulated"
    )
    assert profile.basis["change"] == "not known"
    assert "everything after programming" in profile.unknown
    nv.save_profile(profile, tmp_path / "p.h5")
    again = nv.load_profile(tmp_path / "p.h5")
    assert again.provenance["card_provenance"]["seed"] == 4
    assert again.provenance["card_provenance"]["scheme"]["c2c"] == {"vgap": 0.3}
    later = nv.build_profile(pcm_card, None, [3600.0], rng=1)
    assert {later.basis[part] for part in ("programmed", "change", "conductance", "history")} == {"simulated"}


def test_the_distribution_is_cut_at_the_window_and_is_that_of_the_devices(gap_card):
    log = nv.simulate(
        "rram_gap", "write_verify", n_devices=200, rng=4, population=GAP.population,
        settings=GAP.write_verify | {"target_S": (3e-5, 1e-4)},
    )  # fmt: skip
    summary = nv.programming_summary(log)
    assert (summary["accepted"] == 1.0).all()
    profile = nv.build_profile(gap_card, None, [0.0], rng=1)
    assert profile.tables.target_S.tolist() == [3e-5, 1e-4]
    assert profile.tables.mean_S[0, :, 0] == pytest.approx(summary["mean_S"].to_numpy(), rel=2e-3)
    assert profile.tables.sigma_S[0, :, 0] == pytest.approx(summary["sigma_S"].to_numpy(), rel=0.02)
    cells = profile.sample(np.full(5000, 1e-4), [0.0], rng=3)[0]
    assert 0.95e-4 <= cells.min() < 0.955e-4
    assert 1.045e-4 < cells.max() <= 1.05e-4


def test_the_time_after_programming_is_that_of_the_model(pcm_card):
    law = nv.law_of(pcm_card)
    assert law.first_time_s == 38.6
    assert law.time_range_s == (38.6, 86400.0)
    cells = draw_cells(law, np.full(2000, 8e-6), np.array([38.6, 3600.0, 86400.0]), np.random.default_rng(1))
    for row, time in zip(cells[1:], (3600.0, 86400.0), strict=True):
        assert row / cells[0] == pytest.approx((time / 38.6) ** -0.04, rel=1e-4)
    between = draw_cells(law, np.full(3, 8e-6), np.array([38.6, 1000.0]), np.random.default_rng(1))
    assert between[1] / between[0] == pytest.approx((1000.0 / 38.6) ** -0.04, rel=1e-3)  # straight in ln t
    with pytest.raises(BadInput, match="time must be <= 86400 s, the last time known"):
        draw_cells(law, np.full(3, 8e-6), np.array([1e6]), np.random.default_rng(1), extrapolate=True)


def test_devices_that_drift_apart_keep_their_rank():
    scheme = nv.Scheme(cells=200, population={"nu": {"sigma": 0.3, "sigma_ref": "of_value"}})
    card = nv.program("pcm_accumulative", [8e-6], scheme=scheme, times_s=[3600.0, 86400.0], rng=1)
    assert card.values["history_correlation"] == pytest.approx(1.0, abs=1e-3)
    change = np.array(card.values["change_quantiles"])[:, 0]
    nu = drawn(nv.device("pcm_accumulative"), 200, np.random.default_rng(1), population=scheme.population).values["nu"]
    for row, time in zip(change, (3600.0, 86400.0), strict=True):
        expected = np.quantile(-nu * np.log(time / 38.6), card.values["probability"], method="hazen")
        assert row == pytest.approx(expected, rel=1e-3)


def test_a_model_without_kinetics_at_rest_tells_no_later_time(gap_card):
    with pytest.raises(BadInput, match=re.escape("times must be 0 s (as programmed; got 3600 s): nothing in rram_gap")):
        nv.program("rram_gap", [1e-4], scheme=nv.Scheme(cells=5), times_s=[0.0, 3600.0])
    with pytest.raises(BadInput, match=re.escape("time must be <= 0 s, the last time known (got 1 s)")):
        nv.build_profile(gap_card, None, [1.0], rng=1, extrapolate=True)
    with pytest.raises(BadInput, match=re.escape("times must be finite and > 38.6 s, when the last read")):
        nv.program("pcm_accumulative", [5e-6], scheme=nv.Scheme(cells=5), times_s=[1.0])


def test_the_same_seed_gives_the_same_card_and_another_another(gap_card):
    assert nv.program("rram_gap", [3e-5, 1e-4], scheme=GAP, rng=4).values == gap_card.values
    assert nv.program("rram_gap", [3e-5, 1e-4], scheme=GAP, rng=5).values != gap_card.values


def test_tables_are_straight_between_targets_and_between_scores():
    law = ProgrammedLaw(
        level_S=np.array([1e-6, 3e-6]), probability=np.array([0.1, 0.5, 0.9]),
        error_S=np.array([[-1e-7, 0.0, 1e-7], [-3e-7, 1e-7, 3e-7]]), first_time_s=0.0,
        times_s=np.array([1.0, 100.0]), log_change=np.array([[[-0.2, 0.0, 0.1]] * 2, [[-0.4, 0.0, 0.3]] * 2]),
    )  # fmt: skip
    z = ndtri(np.array([0.1, 0.5, 0.9]))
    assert law.programmed(np.full(3, 2e-6), z) == pytest.approx([1.8e-6, 2.05e-6, 2.2e-6])
    assert law.programmed(np.full(2, 1e-6), np.array([-9.0, 0.5 * z[2]])) == pytest.approx([0.9e-6, 1.05e-6])
    assert law.change(np.full(3, 2e-6), 10.0, z) == pytest.approx([-0.3, 0.0, 0.2])
    assert law.time_range_s == (1.0, 100.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"programmed_quantiles": [[1e-6, 2e-6]]}, "programmed_quantiles must have the shape (2, 61) (got (1, 2))"),
        ({"level_S": [1e-4, 3e-5]}, "level_S must increase (got 2 values)"),
        (
            {"change_quantiles": [[[0.0] * 61] * 2] * 2, "time_s": [1.0]},
            "change_quantiles must have the shape (1, 2, 61)",
        ),
    ],
)
def test_tables_of_another_shape_are_refused(gap_card, change, words):
    wrong = nv.ModelCard(**{**vars(gap_card), "values": dict(gap_card.values) | change})
    with pytest.raises(BadInput, match=re.escape(words)):
        nv.law_of(wrong)


def profile(*arguments):
    return CliRunner().invoke(app, ["profile", "build", *map(str, arguments)])


def test_the_command_programs_a_dynamics_card_and_can_be_repeated(tmp_path):
    scheme = tmp_path / "scheme.toml"
    scheme.write_text(
        'cells = 40\n[write_verify]\ntarget_S = [3e-5, 1e-4]\nc2c = { vgap = 0.3 }\n[population.vgap]\nsigma = 0.5\n'
        'sigma_ref = "of_value"\n'
    )  # fmt: skip
    for name in ("a.h5", "b.h5"):
        done = profile("rram_gap", "--scheme", scheme, "-o", tmp_path / name, "--seed", 7)
        assert done.exit_code == 0
        assert done.stdout.split() == [str(tmp_path / name)]
        assert "accepted" in done.stderr
    one, other = (nv.load_profile(tmp_path / name) for name in ("a.h5", "b.h5"))
    assert one.tables.programmed_S.tolist() == other.tables.programmed_S.tolist()
    assert one.provenance["card_provenance"]["cells"] == 40
    assert one.provenance["card_provenance"]["versions"]["nvmphys"] == nv.__version__
    assert one.tables.target_S.tolist() == [3e-5, 1e-4]


def test_a_scheme_is_asked_for_where_it_is_needed_and_nowhere_else(tmp_path):
    out, scheme = tmp_path / "p.h5", tmp_path / "scheme.toml"
    scheme.write_text("cell = 3\n")
    for arguments, words in (
        (("rram_gap", "-o", out), "card rram_gap is a dynamics card: give --scheme SCHEME.toml"),
        (("pcm_90nm", "-o", out, "--scheme", scheme), "card pcm_90nm is a conductance card, its cells are programmed"),
        (("rram_gap", "-o", out, "--scheme", scheme), "scheme.toml 'cell': did you mean cells?"),
        (("rram_gap", "-o", out, "--scheme", tmp_path / "none.toml"), "cannot be read"),
    ):
        done = profile(*arguments)
        assert isinstance(done.exception, BadInput)
        assert words in str(done.exception)
    assert not out.exists()
