"""The report: nothing missing, nothing unescaped, no empty picture, and the same from disk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.exporters import export
from nvmphys.fit.result import versions
from nvmphys.records import Measurement, Source
from nvmphys.report import (
    StudyContents,
    plots,
    render_folder,
    summarise_array,
    summarise_fit,
    summarise_relaxation,
    write_report,
)
from nvmphys.report.contents import PROBABILITIES, load_contents
from nvmphys.report.html import pictures


def contents(card, fit, relaxation, folder, backend="nodal"):
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
        "A <b>study</b>", "seed = 1 # <script>", card, profile, fit, relaxation, array, {"csv": rows}, 1.0, versions()
    )


@pytest.fixture(scope="module")
def fitted():
    result = nv.fit(nv.load_source("rram_1t1r_relaxation_c"), "relaxation", seed=1, bootstrap=0)
    return result.card("mine"), summarise_fit(result), summarise_relaxation(result)


@pytest.fixture(params=["fitted", "published"])
def case(request, fitted, tmp_path):
    card, fit, relaxation = fitted if request.param == "fitted" else (nv.load_card("pcm_90nm"), None, None)
    return contents(card, fit, relaxation, tmp_path), tmp_path


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


def raw_cells(n, times, low=2, high=38):
    rng = np.random.default_rng(0)
    rows = []
    for i, first in enumerate(rng.uniform(low, high, n)):
        walk = first + 0.4 * np.cumsum(rng.standard_t(4, len(times)))
        rows += [(f"c{i}", t, 1e-6 * max(g, 0.01)) for t, g in zip((0, *times), (first, *walk), strict=True)]
    return [Measurement("retention", pd.DataFrame(rows, columns=["device_id", "time_s", "conductance_S"]), Source("x"))]


def refitted(made, measurements, **options):
    """Put another fit into the contents."""
    result = nv.fit(measurements, "relaxation", seed=1, bootstrap=0, **options)
    return replace(made, card=result.card("other"), fit=summarise_fit(result), relaxation=summarise_relaxation(result))


@pytest.mark.parametrize(
    "measured",
    [raw_cells(400, (1.0,)), raw_cells(150, (0.01, 1, 100), 9, 11), raw_cells(25, (0.01, 1, 100))],
    ids=["one time", "one level", "few cells"],
)
def test_little_data_still_makes_a_report(fitted, tmp_path, measured):
    made = refitted(contents(*fitted, tmp_path), measured)
    assert all(ax.has_data() for picture in pictures(made) for ax in picture.figure.axes)
    assert "Judged by a fit without" in write_report(made, tmp_path).read_text(encoding="utf-8")


def test_data_fitted_to_is_never_called_left_out(fitted, tmp_path):
    made = refitted(contents(*fitted, tmp_path), raw_cells(400, (0.01, 1, 100)), holdout=0)
    drawn = [picture for picture in pictures(made) if picture.section == "time"]
    labels = [text.get_text() for picture in drawn for legend in picture.figure.legends for text in legend.get_texts()]
    assert "cells fitted to (none were left out)" in labels
    assert "left-out cells" not in labels
    assert "No data was left out" in write_report(made, tmp_path).read_text(encoding="utf-8")


def test_no_quantile_is_drawn_beyond_the_outermost_cell(fitted, tmp_path):
    fit = refitted(contents(*fitted, tmp_path), raw_cells(400, (0.01, 1, 100))).relaxation
    beyond = np.minimum(PROBABILITIES, 1 - PROBABILITIES) * fit.shown_count[:, None] < 1
    assert beyond.any()
    assert np.isnan(fit.shown_S.transpose(0, 2, 1)[beyond]).all()


def test_where_the_data_comes_from_and_under_which_conditions_is_said(fitted, tmp_path):
    page = write_report(contents(*fitted, tmp_path), tmp_path).read_text(encoding="utf-8")
    assert "the read near 4 s exists for 48 % of the cells only, and not at random" in page
    assert "a perfect law reaches 95 %" in page


def test_a_disagreement_with_spice_lies_inside_the_axes(fitted, tmp_path):
    array = contents(*fitted, tmp_path).array
    for spice in (array.current_A * 1.001, array.current_A):
        open_line = np.arange(4) == 2
        ax = plots.spice_against_nodal(
            Figure().subplots(),
            replace(
                array,
                spice_A=np.where(open_line, 0, spice),
                current_A=np.where(open_line, 0, array.current_A),
                scale_A=np.where(open_line, 0, array.scale_A),
            ),
        )
        seen, (low, high) = np.asarray(ax.lines[0].get_ydata()), ax.get_ylim()
        assert np.all((seen >= low) & (seen <= high))
    assert np.max(seen) == pytest.approx(1e-17)
