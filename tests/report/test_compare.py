"""Cards side by side: what a card does not know is said, nothing is filled in."""

from __future__ import annotations

import numpy as np
import pytest

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.report import write_comparison
from nvmphys.report.compare import _pictures, compare, row

NAMES = ["rram_wan_2022", "rram_cmo_hfox_02", "rram_milo_2021", "fefet_hzo"]


@pytest.fixture(scope="module")
def cards():
    return compare(NAMES)


def test_what_is_not_known_stays_empty_and_what_is_extrapolated_is_marked(cards):
    wan, cmo, milo, fefet = (row(c) for c in cards)
    assert "extrapolated" in wan["levels, 10 years"]
    assert "extrapolated" not in wan["levels, 1 day"]
    assert "extrapolated" not in cmo["levels, 10 years"]
    assert milo["levels, 1 day"] == milo["σ after 1 day [% of range]"] == "not known"
    assert "as programmed" in milo["levels, 1 s"]
    assert fefet["basis"] == "bound: σ is a limit"


def test_shares_are_of_each_cards_own_range(cards):
    law = nv.law_of(nv.load_card("rram_milo_2021"))
    sigma = np.median(law.programming_sigma(np.linspace(50e-6, 225e-6, 40))) / 175e-6
    assert float(row(cards[2])["σ as programmed [% of range]"]) == pytest.approx(100 * sigma, rel=0.02)
    assert float(row(cards[3])["σ as programmed [% of range]"]) == pytest.approx(0.5, rel=0.02)


def test_pictures_have_data_labels_and_a_legend_that_marks_the_limit(cards):
    labels = []
    for figure, caption in _pictures(cards):
        assert caption
        for ax in figure.axes:
            assert ax.has_data()
            assert ax.get_xlabel()
            assert ax.get_ylabel() or ax.get_title() == "σ after 1 day"
        labels += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert "fefet_hzo (limit)" in labels


def test_the_page_names_every_source_assumption_and_unknown(cards, tmp_path):
    from markupsafe import escape

    page = write_comparison(NAMES[2:], tmp_path / "page.html").read_text(encoding="utf-8")
    for c in cards[2:]:
        for sentence in (*c.profile.assumptions, *c.profile.unknown, *c.card.provenance["citation"]):
            assert str(escape(sentence)) in page


def test_one_card_is_no_comparison():
    with pytest.raises(BadInput, match="two cards or more"):
        compare(["pcm_90nm"])
