from __future__ import annotations

import csv
import re

import numpy as np
import pytest

from nvmphys import technologies as module
from nvmphys.errors import BadInput
from nvmphys.measurement import list_sources
from nvmphys.measurement.source import shipped_data
from nvmphys.technologies import PROPERTIES, TECHNOLOGIES, UNITS, Fact, load_technologies, read_facts, technology_matrix

GOOD = {
    "technology": "RRAM",
    "property": "write_time",
    "value_low": "1e-8",
    "value_high": "2e-8",
    "unit": "s",
    "text": "",
    "device": "cell",
    "basis": "published",
    "citation": "Name et al., Journal 1, 2 (2020)",
    "doi": "10.1/x",
    "locator": "Table 1",
}


def table(folder, *changes, header=tuple(GOOD)):
    """Write a table with a good first row and one more row for each mapping of changes."""
    path = folder / "data.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(header)
        rows.writerows([[{**GOOD, **change}[name] for name in header] for change in ({}, *changes)])
    return path


def shown(folder, **change):
    """Return how a row with these changes reads."""
    return module._cell(read_facts(table(folder, change))[1])


def test_every_technology_has_facts_and_every_fact_says_where_it_was_read():
    facts = load_technologies()
    assert list(facts.columns) == list(Fact.model_fields)
    assert set(facts["technology"]) == set(TECHNOLOGIES)
    assert set(facts["property"]) == set(PROPERTIES)
    assert (facts[["device", "basis", "citation", "locator"]] != "").all(axis=None)
    assert not facts.duplicated().any()


def test_numbers_are_finite_positive_ordered_and_in_si_units():
    facts = load_technologies()
    numbers = facts[["value_low", "value_high"]]
    known = numbers.notna().any(axis=1)
    assert (numbers[known].min(axis=1) > 0).all()
    assert not np.isinf(numbers).any(axis=None)
    assert not (numbers["value_high"] < numbers["value_low"]).any()
    assert (facts["unit"] == facts["property"].map(lambda name: UNITS.get(name, "")).where(known, "")).all()
    assert (facts.loc[~known, "text"] != "").all()


def test_a_published_limit_is_called_a_bound():
    facts = load_technologies()
    one_sided = facts["value_low"].isna() != facts["value_high"].isna()
    assert set(facts.loc[one_sided, "basis"]) <= {"bound", "measured"}
    assert set(facts.loc[facts["basis"] == "bound", "value_high"].isna()) == {True}


@pytest.mark.parametrize(
    ("technology", "name", "device", "value"),
    [
        ("FeFET", "levels", "HZO 10 nm on SiO2 0.8 nm", 32),
        ("FeFET", "on_off_ratio", "HZO 10 nm on SiO2 0.8 nm", 45),
        ("FeFET", "write_time", "HZO 10 nm on SiO2 0.8 nm", 75e-9),
        ("RRAM", "levels", "TaOx/TiO2", 102),
        ("RRAM", "on_off_ratio", "TaOx/TiO2", 2),
        ("RRAM", "levels", "PCMO", 50),
        ("RRAM", "on_off_ratio", "PCMO", 6.84),
        ("RRAM", "levels", "Ag:a-Si", 97),
        ("RRAM", "on_off_ratio", "Ag:a-Si", 12.5),
        ("RRAM", "levels", "AlOx/HfO2", 40),
        ("RRAM", "on_off_ratio", "AlOx/HfO2", 4.43),
    ],
)
def test_the_figures_of_jerry_2017(technology, name, device, value):
    facts = load_technologies()
    row = facts[(facts["technology"] == technology) & (facts["property"] == name) & (facts["device"] == device)]
    assert row["citation"].tolist() == ["Jerry et al., IEDM 2017"]
    assert row[["value_low", "value_high"]].to_numpy().tolist() == [[value, value]]


def test_the_matrix_has_every_fact_once_and_nothing_else():
    facts = load_technologies()
    matrix = technology_matrix()
    assert tuple(matrix) == TECHNOLOGIES
    assert all(tuple(known) == PROPERTIES for known in matrix.values())
    assert sum(len(cell) for known in matrix.values() for cell in known.values()) == len(facts)


def test_a_property_without_a_fact_is_an_empty_cell(monkeypatch, tmp_path):
    path = table(tmp_path)
    monkeypatch.setattr(module, "_shipped_facts", lambda: read_facts(path))
    matrix = technology_matrix()
    assert matrix["RRAM"]["write_time"] == ["10 ns to 20 ns (cell, Name 2020)"]
    assert matrix["RRAM"]["levels"] == []
    assert not any(matrix["PCM"].values())


@pytest.mark.parametrize(
    ("change", "cell"),
    [
        ({"value_high": "1e-8"}, "10 ns (cell, Name 2020)"),
        ({"value_high": ""}, "≥ 10 ns (cell, Name 2020)"),
        ({"value_low": ""}, "≤ 20 ns (cell, Name 2020)"),
        ({"text": "at 3 V"}, "10 ns to 20 ns at 3 V (cell, Name 2020)"),
        ({"basis": "measured"}, "10 ns to 20 ns (cell, measured, Name 2020)"),
        ({"basis": "bound"}, "10 ns to 20 ns (cell, Name 2020)"),
        ({"citation": "Maker, data sheet"}, "10 ns to 20 ns (cell, Maker)"),
        (
            {"property": "write_energy", "value_low": "6e-13", "value_high": "1e-12", "unit": "J"},
            "600 fJ to 1 pJ (cell, Name 2020)",
        ),
        (
            {"property": "endurance", "value_low": "1000", "value_high": "2e12", "unit": "1"},
            "1000 to 2e12 (cell, Name 2020)",
        ),
        (
            {"property": "retention", "value_low": "1e6", "value_high": "315576000"},
            "1e6 s to 10 y (cell, Name 2020)",
        ),
        (
            {"property": "maturity", "value_low": "", "value_high": "", "unit": "", "text": "product"},
            "product (cell, Name 2020)",
        ),
    ],
)
def test_a_fact_reads_as_an_engineer_writes_it(tmp_path, change, cell):
    assert shown(tmp_path, **change) == cell


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"technology": "MRAM"},
            "technology: Input should be 'RRAM', 'PCM', 'FeFET', 'STT-MRAM' or 'Flash' (got 'MRAM')",
        ),
        ({"property": "speed"}, "property: Input should be 'levels', 'on_off_ratio'"),
        (
            {"value_low": "fast"},
            "value_low: Input should be a valid number, unable to parse string as a number (got 'fast')",
        ),
        ({"value_low": "nan"}, "value_low: Input should be a finite number (got 'nan')"),
        ({"value_high": "inf"}, "value_high: Input should be a finite number (got 'inf')"),
        ({"value_low": "0"}, "value_low: Input should be greater than 0 (got '0')"),
        ({"value_high": "1e-9"}, "value_high: must be >= value_low, 1e-08 (got '1e-9')"),
        ({"unit": ""}, "unit: must be 's' beside a number (got '')"),
        ({"unit": "ns"}, "unit: must be 's' beside a number (got 'ns')"),
        ({"value_low": "", "value_high": ""}, "unit: must be '' without a number (got 's')"),
        ({"property": "maturity"}, "unit: maturity is told in words, not in numbers (got 's')"),
        ({"value_low": "", "value_high": "", "unit": ""}, "text: a row needs a number or a text (got '')"),
        ({"device": ""}, "device: String should have at least 1 character (got '')"),
        ({"basis": "simulated"}, "basis: Input should be 'published', 'measured' or 'bound'"),
        ({"citation": ""}, "citation: String should have at least 1 character (got '')"),
        ({"locator": ""}, "locator: String should have at least 1 character (got '')"),
        ({"doi": "https://doi.org/10.1/x"}, "doi: String should match pattern"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(tmp_path, change, words):
    path = table(tmp_path, change)
    with pytest.raises(BadInput, match=re.escape(words)) as refused:
        read_facts(path)
    assert str(refused.value).startswith(f"{path}: line 3: ")


def test_a_missing_and_an_unknown_column_are_named(tmp_path):
    with pytest.raises(BadInput, match=r"line 2: locator: Field required"):
        read_facts(table(tmp_path, header=tuple(GOOD)[:-1]))
    path = table(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("locator", "locater"), encoding="utf-8")
    with pytest.raises(BadInput, match=r"unknown key in .*: line 2 'locater': did you mean locator\?"):
        read_facts(path)


def test_a_row_of_another_length_is_refused(tmp_path):
    path = table(tmp_path)
    whole = path.read_text(encoding="utf-8").rstrip()
    path.write_text(whole + ",more\n", encoding="utf-8")
    with pytest.raises(BadInput, match="cells beyond the last column"):
        read_facts(path)
    path.write_text(whole.removesuffix(",Table 1") + "\n", encoding="utf-8")
    with pytest.raises(BadInput, match="line 2: locator: String should have at least 1 character"):
        read_facts(path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'technology\n"RRAM'])
def test_a_file_that_is_no_csv_cannot_be_read(tmp_path, content):
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read"):
        read_facts(path)


def test_a_missing_file_cannot_be_read(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_facts(tmp_path / "none.csv")


def test_the_table_is_a_source_of_the_package():
    source = next(source for source in list_sources() if source.id == module.SOURCE)
    assert source.kind == "published_table"


def test_a_changed_table_is_refused(monkeypatch, tmp_path):
    shipped = shipped_data(module.SOURCE)
    for name in ("source.toml", "data.csv"):
        (tmp_path / name).write_bytes((shipped.parent / name).read_bytes())
    with open(tmp_path / "data.csv", "a", encoding="utf-8") as file:
        file.write("\n")
    monkeypatch.setattr(module, "shipped_data", lambda name: tmp_path / "data.csv")
    with pytest.raises(BadInput, match=r"is not the file that source\.toml describes"):
        load_technologies()
