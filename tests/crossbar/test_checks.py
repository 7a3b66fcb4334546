"""What a validation says of cells and statistics, decks of several kinds of cells, and many decks in one process."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import gamma

from nvmphys.crossbar import AccessTransistor, Crossbar, Polynomial, Sinh, operating_point_deck, run, validate
from nvmphys.crossbar.checks import check_cell, coverage, solver_finding, statistics_finding
from nvmphys.crossbar.ngspice import read_raws, run_each
from nvmphys.errors import BadInput, CheckFailed
from tests.crossbar.test_ngspice import DIVIDER, raw

SHAPE = (9, 7)
KINDS = {
    "polynomial": Polynomial((0.3, 0.8, -0.1)),
    "sinh": Sinh(np.linspace(0.5, 4.5, 63).reshape(SHAPE)),
    "1t1r": AccessTransistor(np.linspace(0.7, 2.5, 9), threshold_V=0.5, slope=1.3, beta=5e-4),
    "1t1r_sinh": AccessTransistor(1.1, threshold_V=0.5, slope=1.2, beta=1e-4, resistive=Sinh(3.0)),
}


def example(cell):
    rng = np.random.default_rng(2)
    cells = rng.uniform(1e-6, 1e-4, SHAPE)
    cells[2, 3] = 0.0
    return Crossbar(cells, 3.0, 2.0, 50.0, 20.0, cell=cell), rng.uniform(-0.5, 0.8, SHAPE[0])


@pytest.mark.parametrize("kind", KINDS)
def test_cells_of_every_kind_agree_with_ngspice(ngspice, kind):
    validation = validate(*example(KINDS[kind]))
    assert max(validation.current_error, validation.voltage_error) <= 1e-10
    assert validation.passed
    assert "vntol=1e-12" in validation.spice.options
    assert solver_finding(validation).status == "passed"
    assert solver_finding(validation).against.startswith(f"ngspice {ngspice.version}, reltol=1e-9")


def test_cells_are_checked_where_the_names_of_their_places_are_those_of_others(ngspice):
    for shape in ((1, 1), (2, 9), (9, 2)):
        crossbar = Crossbar(np.linspace(1e-6, 1e-4, shape[0] * shape[1]).reshape(shape), 1, 1, cell=Sinh(2.0))
        assert check_cell(crossbar, 0.3, ngspice).status == "passed"


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_alone_conducts_in_ngspice_what_its_equation_says(ngspice, kind):
    finding = check_cell(example(KINDS[kind])[0], 0.6, ngspice)
    assert finding.status == "passed", finding
    assert finding.figure <= 1e-9


def test_a_cell_that_departs_from_the_model_it_stands_for_is_found(ngspice):
    """sinh(αV)/α has αV at low voltage; a cubic with the same first two terms departs by (αV)⁴/120."""
    crossbar = example(Sinh(3.0))[0]

    def cubic(conductance_S, volts):
        return conductance_S * volts * (1 + 1.5 * volts**2)

    finding = check_cell(crossbar, 0.4, ngspice, model=cubic)
    x = 3.0 * 0.4
    assert finding.failed
    assert_allclose(finding.figure, (np.sinh(x) - x - x**3 / 6) / (x + x**3 / 6), rtol=1e-6)


def test_an_array_of_open_cells_has_no_cell_to_check(ngspice):
    with pytest.raises(BadInput, match="must hold a cell that conducts"):
        check_cell(Crossbar(np.zeros((2, 2)), 1, 1), 0.2, ngspice)


def test_numbers_of_a_non_linear_deck_read_back_exactly():
    crossbar, v = example(KINDS["sinh"])
    deck = operating_point_deck(crossbar, v, outputs_only=True)
    assert "np.float64" not in deck
    assert "array(" not in deck
    card = next(line for line in deck.splitlines() if line.startswith("bc_8_6 "))
    ratio, alpha = card.split("i=")[1].split("*sinh(")
    assert float(alpha.split("*")[0]) == KINDS["sinh"].alpha_per_V[8, 6]
    assert float(ratio) == crossbar.conductance_S[8, 6] / KINDS["sinh"].alpha_per_V[8, 6]


def test_a_deck_of_outputs_alone_keeps_nothing_else(ngspice):
    crossbar, v = example(KINDS["sinh"])
    plot = run(operating_point_deck(crossbar, v, outputs_only=True), ngspice).plot
    assert plot.variables == tuple(f"i(vout_{j})" for j in range(7))
    assert_allclose([plot[name][0] for name in plot.variables], crossbar.solve(v).current_A, rtol=1e-9)


def test_decks_of_one_process_are_as_if_run_singly(ngspice, monkeypatch):
    monkeypatch.setattr("nvmphys.crossbar.ngspice.PER_PROCESS", 3)
    decks = [DIVIDER.replace("3k", f"{k}k") for k in range(1, 8)]
    told = []
    plots = run_each(decks, ngspice, progress=lambda *said: told.append(said))
    assert_allclose([plot["v(mid)"][0] for plot in plots], 1 / (1 + np.arange(1, 8)), rtol=1e-14)
    assert told == [("ngspice decks", k, 7) for k in (3, 6, 7)]
    assert run_each([], ngspice) == []


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("floating\nv1 a 0 1\nr1 a 0 1\nc1 b 0 1p\ni1 0 b 1u\n.op\n.end\n", r"(?s)deck 4: .*singular matrix.*b"),
        ("nonsense\nv1 a 0 1\nxa a 0 nothing\n.op\n.end\n", "deck 4: .*unknown subckt: xa"),
    ],
)
def test_of_many_decks_the_one_that_failed_is_named(ngspice, monkeypatch, bad, message):
    monkeypatch.setattr("nvmphys.crossbar.ngspice.PER_PROCESS", 3)
    with pytest.raises(CheckFailed, match=rf"(?s){message}"):
        run_each([DIVIDER] * 4 + [bad] + [DIVIDER], ngspice)


def test_many_decks_that_take_too_long_are_stopped(ngspice):
    endless = "long\nv1 a 0 sin(0 1 1g)\nr1 a 0 1\n.tran 1p 1 0 1p\n.end\n"
    with pytest.raises(CheckFailed, match=r"decks 0 … 1: ngspice ran longer than timeout_s = 0\.5 s"):
        run_each([DIVIDER, endless], ngspice, timeout_s=0.5)


def test_a_raw_file_cut_in_its_last_plot_is_named(tmp_path):
    path = tmp_path / "out.raw"
    path.write_bytes(raw() + raw(data=np.array([3.0, 4.0])))
    assert [plot["i(v1)"][0] for plot in read_raws(path)] == [1.0, 4.0]
    path.write_bytes((raw() + raw())[:-3])
    with pytest.raises(CheckFailed, match="raw file cut: 1 points of 2 variables need 16 bytes, it holds 13"):
        read_raws(path)
    path.write_bytes(raw() + b"Title: te")
    with pytest.raises(CheckFailed, match="raw file cut or not binary"):
        read_raws(path)


def test_bootstrap_intervals_of_skewed_columns_cover_what_they_say():
    """Of 250 gamma columns, whose mean and σ are known, 95 % within, to three standard errors of their count."""
    rng, draw = np.random.default_rng(5), gamma(8.0)
    truth = np.tile([[draw.mean() - draw.std()], [draw.mean() + draw.std()]], (10_000, 250))
    found = coverage(draw.rvs((200, 250), random_state=rng), truth, rng, resamples=200)
    assert_allclose([found.mean_within.mean(), found.sigma_within.mean()], 0.95, atol=0.041)


def test_a_prediction_that_is_wrong_does_not_pass():
    rng = np.random.default_rng(6)
    seen = rng.standard_normal((200, 32))
    right, wide, moved = rng.standard_normal((3, 4000, 32)) * [[[1.0]], [[1.2]], [[1.0]]] + [[[0.0]], [[0.0]], [[0.25]]]
    passed = [statistics_finding(coverage(seen, one, rng, 300), "draws").status for one in (right, wide, moved)]
    assert passed == ["passed", "failed", "failed"]


def test_few_draws_are_refused():
    with pytest.raises(BadInput, match=r"draws must be >= 20 each for a bootstrap \(got 19 and 40\)"):
        coverage(np.zeros((19, 2)), np.zeros((40, 2)), np.random.default_rng(1))
