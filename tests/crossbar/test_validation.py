"""The nodal solution against ngspice, and the deck that ngspice is given."""

import hashlib
import re
from dataclasses import replace

import numpy as np
import pytest

from nvmphys.crossbar import Crossbar, find_ngspice, operating_point_deck, run, validate
from nvmphys.crossbar.netlist import read_operating_point
from nvmphys.errors import BadInput, MissingTool


def example(shape, r, seed=0):
    rng = np.random.default_rng(seed)
    return Crossbar(rng.uniform(1e-6, 1e-4, shape), *r), rng.uniform(0, 0.3, shape[0])


SHAPES = [(1, 1), (1, 23), (23, 1), (5, 4), (17, 40), (32, 32), (64, 64)]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_nodal_solution_agrees_with_ngspice(ngspice, shape):
    crossbar, v = example(shape, (1.0, 1.0, 50.0, 20.0))
    validation = validate(crossbar, v)
    assert validation.checked
    assert validation.current_error <= 1e-11
    assert validation.voltage_error <= 1e-11
    assert validation.passed
    assert validation.spice.ngspice == ngspice


@pytest.mark.parametrize("zeroed", range(16))
def test_merged_nodes_agree_with_ngspice_for_every_choice_of_zero_resistances(ngspice, zeroed):
    r = [x * (not zeroed >> k & 1) for k, x in enumerate((1.0, 2.0, 50.0, 20.0))]
    assert validate(*example((4, 6), r)).passed


@pytest.mark.parametrize("r", [1e-3, 1.0, 1e3])
def test_agreement_holds_for_good_and_bad_wires(ngspice, r):
    assert validate(*example((16, 16), (r, r, r, r))).passed


def test_agreement_holds_where_currents_of_both_signs_cancel(ngspice):
    crossbar, v = example((16, 8), (1.0, 1.0))
    assert validate(crossbar, v - v @ crossbar.conductance_S[:, 0] / crossbar.conductance_S[:, 0].sum()).passed


def test_open_cells_and_open_lines_agree_with_ngspice(ngspice):
    crossbar, v = example((6, 5), (1.0, 1.0))
    cells = crossbar.conductance_S.copy()
    cells[2], cells[:, 3] = 0, 0
    validation = validate(replace(crossbar, conductance_S=cells), v)
    assert validation.passed
    assert validation.spice.solution.current_A[3] == 0


def test_a_wrong_circuit_does_not_pass(ngspice):
    """One cell in a thousand off by a millionth is found: the comparison has teeth."""
    crossbar, v = example((32, 32), (1.0, 1.0))
    cells = crossbar.conductance_S.copy()
    cells[20, 7] *= 1 + 1e-6
    other = replace(crossbar, conductance_S=cells)
    result = run(operating_point_deck(other, v), ngspice)
    validation = validate(crossbar, v)
    broken = replace(validation, spice=replace(validation.spice, solution=read_operating_point(other, v, result.plot)))
    assert not broken.passed
    assert broken.current_error > 1e-9
    assert "DISAGREES" in str(broken)


def test_a_validation_carries_what_is_needed_to_repeat_it(ngspice):
    crossbar, v = example((3, 2), (1.0, 1.0))
    validation = validate(crossbar, v)
    deck = operating_point_deck(crossbar, v, klu=ngspice.has_klu)
    assert validation.spice.deck_sha256 == hashlib.sha256(deck.encode()).hexdigest()
    assert f".options {validation.spice.options}\n" in deck
    assert validation.spice.seconds > 0
    assert validation.nodal_seconds > 0
    assert "3×2 crossbar: agrees with ngspice" in str(validation)
    assert validation.spice.solution.method == "ngspice"
    assert validation.spice.solution.residual < 1e-9


def test_the_nodal_backend_says_that_nothing_was_checked(monkeypatch, tmp_path):
    monkeypatch.setenv("NVMPHYS_NGSPICE", str(tmp_path / "none"))
    validation = validate(*example((3, 2), (1.0, 1.0)), backend="nodal")
    assert not validation.checked
    assert not validation.passed
    assert np.isnan([validation.current_error, validation.voltage_error]).all()
    assert "no SPICE check was made" in str(validation)


def test_without_ngspice_the_ngspice_backend_fails_and_names_the_way_out(monkeypatch, tmp_path):
    monkeypatch.setenv("NVMPHYS_NGSPICE", str(tmp_path / "none"))
    with pytest.raises(MissingTool, match="Or pass backend='nodal' to run without SPICE"):
        validate(*example((3, 2), (1.0, 1.0)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "ngspise"}, "unknown backend 'ngspise': did you mean ngspice"),
        ({"tolerance": 0}, r"tolerance must be > 0 \(got 0\)"),
        ({"tolerance": float("nan")}, r"tolerance must be > 0 \(got nan\)"),
    ],
)
def test_bad_requests_are_named(options, message):
    with pytest.raises(BadInput, match=message):
        validate(*example((3, 2), (1.0, 1.0)), **options)


def test_an_operating_point_takes_one_vector():
    with pytest.raises(BadInput, match=r"v must be one vector for an operating point \(got shape \(2, 3\)\)"):
        operating_point_deck(Crossbar([[1e-4], [1e-4]], 1, 1), np.zeros((2, 3)))


def test_a_deck_holds_only_our_own_names_and_numbers_that_read_back_exactly():
    crossbar, v = example((3, 4), (1 / 3, 0.1, 50.0, 20.0))
    deck = operating_point_deck(crossbar, v)
    title, *cards, end = deck.splitlines()
    assert deck.endswith(".end\n")
    assert end == ".end"
    assert title == "crossbar, 3 word lines, 4 bit lines, operating point"
    name, number = "[a-z0-9_]+", r"[-+0-9.e]+"
    elements = [card for card in cards if not card.startswith(".")]
    assert len(elements) == 3 + 4 + 3 * 3 * 4
    for card in elements:
        assert re.fullmatch(rf"{name} {name} {name} (dc )?{number}", card), card
    written = [float(card.split()[-1]) for card in elements if card.startswith("vin")]
    assert written == v.tolist()
    cells = [float(card.split()[-1]) for card in elements if card.startswith("rc")]
    assert cells == [1 / x for x in crossbar.conductance_S.ravel().tolist()]


def test_open_cells_and_absent_resistances_leave_no_resistor_behind():
    deck = operating_point_deck(Crossbar([[0.0, 1e-4]], 0, 0), [0.1])
    assert [card for card in deck.splitlines() if card.startswith("r")] == ["rc_0_1 in_0 out_1 10000.0"]


def test_klu_is_asked_for_only_where_ngspice_has_it():
    crossbar = Crossbar([[1e-4]], 1, 1)
    assert ".options reltol=1e-6 abstol=1e-15 vntol=1e-9\n" in operating_point_deck(crossbar, [0.1])
    assert "vntol=1e-9 klu\n" in operating_point_deck(crossbar, [0.1], klu=True)


def test_ngspice_really_uses_klu_where_it_claims_to_have_it(ngspice):
    log = run(operating_point_deck(Crossbar([[1e-4]], 1, 1), [0.1], klu=True), find_ngspice()).log
    assert ("Using KLU" in log) == ngspice.has_klu
