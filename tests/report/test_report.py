"""The report: nothing missing, nothing unescaped, no empty picture, and the same from disk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.exporters import export
from nvmphys.fit.result import versions
from nvmphys.report import StudyContents, render_folder, summarise_array, summarise_fit, write_report
from nvmphys.report.contents import load_contents
from nvmphys.report.html import pictures


def contents(card, fit, folder, backend="nodal"):
    law, rng = nv.law_of(card), np.random.default_rng(1)
    targets = np.linspace(*law.level_range_S, 6)
    profile = nv.build_profile(card, targets, [law.time_range_s[0] * 3, law.time_range_s[1]], rng=rng)
    crossbar = nv.Crossbar(rng.uniform(1e-6, 2e-5, (5, 4)), 1.0, 1.0, 10.0, 10.0)
    v = np.full(5, 0.2)
    array = summarise_array(
        crossbar, v, nv.validate(crossbar, v, backend=backend), "ngspice was not found <here>", 60.0
    )
    nv.save_card(card, folder / "card.toml")
    nv.save_profile(profile, folder / "profile.h5")
    rows = export(profile, "csv", folder / "export").as_dicts()
    return StudyContents(
        "A <b>study</b>", "seed = 1 # <script>", card, profile, fit, array, {"csv": rows}, 1.0, versions()
    )


@pytest.fixture(scope="module")
def fitted():
    result = nv.fit(nv.load_source("rram_1t1r_relaxation_c"), "relaxation", seed=1, bootstrap=0)
    return result.card("mine"), summarise_fit(result, result.cells)


@pytest.fixture(params=["fitted", "published"])
def case(request, fitted, tmp_path):
    card, fit = fitted if request.param == "fitted" else (nv.load_card("pcm_90nm"), None)
    return contents(card, fit, tmp_path), tmp_path


def test_every_section_assumption_and_unknown_is_in_the_page(case):
    made, folder = case
    page = write_report(made, folder).read_text(encoding="utf-8")
    for heading in (
        "Conductance over time",
        "The variation profile",
        "The crossbar",
        "Exports",
        "Parameters",
        "Provenance",
    ):
        assert f"<h2>{heading}</h2>" in page
    assert ("<h2>Left-out data</h2>" in page) == (made.fit is not None)
    from markupsafe import escape

    for sentence in (*made.profile.assumptions, *made.profile.unknown):
        assert str(escape(sentence)) in page
    for name in made.card.values:
        assert f"<b>{name}</b>" in page
    assert "http" not in page.replace("https://doi", "").split("<body>")[1].split("Provenance")[0]


def test_what_a_person_wrote_is_escaped(case):
    made, folder = case
    page = write_report(made, folder).read_text(encoding="utf-8")
    assert "A &lt;b&gt;study&lt;/b&gt;" in page
    assert "<script>" not in page


def test_a_missing_spice_check_is_said_plainly(case):
    made, folder = case
    page = write_report(made, folder).read_text(encoding="utf-8")
    assert "The SPICE check was NOT made: ngspice was not found &lt;here&gt;" in page


def test_every_picture_has_data_and_labels_with_units(case):
    made, _ = case
    for picture in pictures(made):
        for ax in picture.figure.axes:
            assert ax.has_data()
            if ax.get_label() != "<colorbar>":
                assert ax.get_xlabel()
                assert ax.get_title()
        assert picture.caption


def test_the_report_written_again_from_disk_is_the_same(case):
    made, folder = case
    first = write_report(made, folder).read_bytes()
    assert render_folder(folder).read_bytes() == first
    again = load_contents(folder)
    np.testing.assert_array_equal(again.array.ir_drop, made.array.ir_drop)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(BadInput, match="not the folder of a finished run"):
        render_folder(tmp_path)


def test_spice_against_nodal_is_drawn_when_it_was_checked(fitted, tmp_path, ngspice):
    made = contents(*fitted, tmp_path, backend="ngspice")
    page = write_report(made, tmp_path).read_text(encoding="utf-8")
    assert made.array.spice_A.size == 4
    assert "NOT made" not in page
    disagrees = replace(made, array=replace(made.array, passed=False))
    assert "DISAGREE" in write_report(disagrees, tmp_path).read_text(encoding="utf-8")
