"""The page of a fit: profiles against closed forms, and what the page says against the fit it is of."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.fit.identify import Problem, identify, profile_of
from nvmphys.parameters import Parameter
from nvmphys.records import Measurement, Source
from nvmphys.report.fit_page import comparison_page, dynamics_page, law_page, write_fit_page


class Page(HTMLParser):
    """Tables as rows of words, headings, and how many pictures."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.headings, self.pictures, self._cell = [], [], 0, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th", "h1", "h2"):
            self._cell = ""
        self.pictures += tag == "img" and dict(attrs)["src"].startswith("data:image/png;base64,iVBOR")

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.tables[-1][-1].append(self._cell)
        elif tag in ("h1", "h2"):
            self.headings.append(self._cell)

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data


@pytest.fixture(scope="module")
def pulses():
    spread = {"g0": {"sigma": 0.03, "sigma_ref": "of_value"}}
    settings = {"amplitude_V": (1.5, 1.7), "width_s": (1e-8, 1e-7, 1e-6)}
    return nv.simulate("rram_gap", "pulse", n_devices=4, population=spread, settings=settings, rng=1)


@pytest.fixture(scope="module")
def fit(pulses):
    return nv.fit([pulses], "rram_gap", free=("Ea", "g0"), starts=1, leave_out=["longest-pulse"], seed=1)


def test_a_profile_of_a_straight_line_is_the_parabola_of_its_standard_error():
    rng, x = np.random.default_rng(1), np.linspace(0, 1, 30)
    y = 1.0 + 2.0 * x + 0.1 * rng.standard_normal(x.size)
    parameters = tuple(Parameter(name, "1", 1.0, (-5.0, 5.0), "", "") for name in ("a", "b"))
    line = Problem(parameters, lambda p: (y - p["a"] - p["b"] * x) / 0.1, noise_known=True)
    curve = profile_of(line, identify(line, rng=rng, starts=1), "b")
    (_, slope), covariance = (
        np.linalg.lstsq(np.stack([np.ones(30), x], 1), y, rcond=None)[0],
        np.linalg.inv(np.array([[30, x.sum()], [x.sum(), (x**2).sum()]]) / 0.1**2),
    )
    assert curve.rise == pytest.approx((curve.values - slope) ** 2 / covariance[1, 1], abs=1e-4)
    assert curve.rise[0] > curve.limit == pytest.approx(2.7055, abs=1e-3)


def test_the_page_of_a_device_model_shows_values_intervals_judgements_and_every_picture(fit, tmp_path):
    page = Page(write_fit_page(dynamics_page(fit, "Pulses"), tmp_path).read_text(encoding="utf-8"))
    assert page.headings == [
        "Pulses", "Parameters", "Data and fit", "What the data tell of the parameters", "Left-out data", "Provenance",
    ]  # fmt: skip
    fitted = {row[0]: row for row in page.tables[0][1:]}
    assert float(fitted["Ea"][1]) == pytest.approx(fit.values["Ea"], rel=1e-3)
    low, high = map(float, fitted["Ea"][2].split(" … "))
    assert (low, high) == pytest.approx(fit.identified.intervals["Ea"], rel=1e-3)
    held = {row[0] for row in page.tables[1][1:]}
    assert held == {p.name for p in fit.parameters} - {"Ea", "g0"}
    assert page.tables[2][1][2] == f"{fit.identified.correlation[0, 1]:+.3f}"
    judged = {(row[0], row[1]): row for row in page.tables[4][1:]}
    told = fit.left_out["the longest pulse (1e-06 s)"].loc[("pulse", "rram_gap"), "rms"]
    assert float(judged["pulse", "rram_gap"][3]) == pytest.approx(told, rel=0.01)
    names = ["01_data", "02_corner", "03_spectrum", "04_profiles", "05_left_out", "06_left_out"]
    assert sorted(p.stem for p in tmp_path.glob("*.png")) == names
    assert page.pictures == len(names)


def test_rows_left_out_are_kept_with_what_was_foretold_of_them(fit, pulses):
    rows = fit.foretold["the longest pulse (1e-06 s)"]
    longest = pulses.table[pulses.table["pulse_width_s"] == 1e-6]
    assert sorted(rows["measured"]) == pytest.approx(sorted(np.log10(longest["conductance_S"])))
    rms = float(np.sqrt(np.mean((rows["measured"] - rows["predicted"]) ** 2)))
    assert rms == pytest.approx(fit.left_out["the longest pulse (1e-06 s)"].loc[("pulse", "rram_gap"), "rms"])


def ramps():
    """Return ramps of pulses whose steps shrink, read with noise."""
    rng, rows = np.random.default_rng(3), []
    for _ in range(6):
        level = 1e-5 + 6e-6 * rng.random()
        for pulse in range(31):
            rows.append((1.0 if pulse else 0.0, 1e-7, level + 2e-7 * rng.standard_normal()))
            level += 1.2e-6 * (1 - 0.8 * (level - 1e-5) / 4e-5)
    table = pd.DataFrame(rows, columns=["pulse_voltage_V", "pulse_width_s", "conductance_S"])
    return Measurement("pulse_train", table.assign(cycle=np.arange(len(table))), Source("made"))


def test_the_page_of_a_law_of_ramps_shows_reads_corner_spectrum_and_profiles(tmp_path):
    fit = nv.fit([ramps()], "pulse_ramps", law="soft_bounds", holdout=0, seed=1)
    page = Page(write_fit_page(law_page(fit, "Ramps"), tmp_path).read_text(encoding="utf-8"))
    (found,) = fit.parts.values()
    assert [row[0] for row in page.tables[0][1:]] == list(found.names)
    assert page.headings[:4] == ["Ramps", "Parameters", "Data and fit", "What the data tell of the parameters"]
    assert [p.stem for p in sorted(tmp_path.glob("*.png"))] == ["01_data", "02_corner", "03_spectrum", "04_profiles"]


def test_the_page_of_a_comparison_ranks_as_it_does(tmp_path):
    found = nv.compare([ramps()], models=["soft_bounds", "power"], seed=2)
    page = Page(write_fit_page(comparison_page(found, "Which model?"), tmp_path).read_text(encoding="utf-8"))
    ranked = found.rankings[0].table
    assert [row[0] for row in page.tables[0][1:]] == list(ranked.index[ranked["rms"].notna()])
    assert page.headings[1] == f"{found.rankings[0].what} left out"


def test_the_command_line_writes_the_page_and_refuses_one_of_conductance(pulses, tmp_path):
    data = tmp_path / "pulses.csv"
    pulses.table.to_csv(data, index=False)
    given = [
        "fit",
        str(data),
        "--model",
        "rram_gap",
        "--free",
        "Ea",
        "--holdout",
        "0",
        "-o",
        str(tmp_path / "mine.toml"),
    ]
    done = CliRunner().invoke(app, [*given, "--report", str(tmp_path / "page"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["card"].endswith("mine.toml")
    text = (tmp_path / "page" / "report.html").read_text(encoding="utf-8")
    assert re.search(r'class="warn">No data was left out', text)
    refused = CliRunner().invoke(app, ["fit", str(data), "--model", "relaxation", "-o", "x.toml", "--report", "y"])
    assert "nvmphys run does" in str(refused.exception)
