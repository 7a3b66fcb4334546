"""The column map names the columns of a file whose header does not; every key of it is checked."""

from __future__ import annotations

import re

import pytest

from nvmphys.errors import BadInput
from nvmphys.measurement import read

MAP = """
experiment = "retention"
separator = "\\t"
header = false
decimal = ","
[columns]
device_id = 1
time_s = { column = 2, unit = "ms" }
resistance_ohm = { column = 3, unit = "kOhm" }
conductance_S = { column = 4, unit = "uS" }
level = 6
[constants]
temperature_K = 300
"""
HEADERLESS = "10354\t1,5\t2\t500\t7\t3\n10191\t2,5\t4\t250\t7\t4\n"
NAMED = "addr,when,G (uS),note,note\n1,0,5,a,b\n2,1,6,c,d\n"


def write(tmp_path, content, name="data.csv"):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return path


def test_a_map_reads_a_file_without_header(tmp_path):
    (measurement,) = read(write(tmp_path, HEADERLESS), write(tmp_path, MAP, "map.toml"))
    assert measurement.experiment == "retention"
    assert measurement.table.to_dict("list") == {
        "device_id": [10354, 10191],
        "level": [3, 4],
        "time_s": [0.0015, 0.0025],
        "temperature_K": [300, 300],
        "conductance_S": [5e-4, 2.5e-4],
        "resistance_ohm": [2000.0, 4000.0],
    }
    said = "\n".join(measurement.understood)
    assert "time_s ← column 2 [ms] (unit from the column map)" in said
    assert "left out: column 5 (not in the column map)" in said
    assert "temperature_K = 300 on every row (column map)" in said
    assert "experiment: retention (column map)" in said


def test_without_a_map_a_file_without_header_asks_for_one(tmp_path):
    with pytest.raises(BadInput, match="no header names its 6 columns") as error:
        read(write(tmp_path, HEADERLESS))
    assert '\n[columns]\ndevice_id = 1\ntime_s = { column = 2, unit = "s" }\n' in str(error.value)


def test_a_map_may_name_columns_and_take_the_unit_from_the_header(tmp_path):
    columns = {"device_id": "addr", "time_s": {"column": "when", "unit": "min"}, "conductance_S": "G (uS)"}
    (measurement,) = read(write(tmp_path, NAMED), {"columns": columns})
    assert list(measurement.table["time_s"]) == [0.0, 60.0]
    assert list(measurement.table["conductance_S"]) == [5e-6, 6e-6]
    said = "\n".join(measurement.understood)
    assert "conductance_S ← 'G (uS)' [uS] (column map, unit from the header)" in said
    assert "left out: 'note', 'note' (not in the column map)" in said


def test_a_unit_in_the_map_wins_over_the_header(tmp_path):
    columns = {"device_id": 1, "time_s": 2, "conductance_S": {"column": 3, "unit": "mS"}}
    (measurement,) = read(write(tmp_path, NAMED), {"columns": columns})
    assert list(measurement.table["conductance_S"]) == [5e-3, 6e-3]


def test_a_map_without_columns_adds_to_the_header(tmp_path):
    path = write(tmp_path, "addr,time_s,G (uS),T (K)\n1,0,5,290\n2,1,6,290\n")
    (measurement,) = read(path, {"experiment": "bake", "constants": {"temperature_K": 400.0}})
    assert list(measurement.table["temperature_K"]) == [400.0, 400.0]
    assert "left out: column 4 (the column map gives temperature_K)" in "\n".join(measurement.understood)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"colums": {}}, "unknown key in the column map 'colums': did you mean columns?"),
        ({"time_s": 2}, "the column map: time_s stands at the top: write it under [columns] or [constants]"),
        ({"columns": {"time": 2}}, "unknown quantity in the column map 'time': did you mean time_s"),
        ({"columns": {"time_s": {"colum": 2}}}, "unknown key in the column map, time_s 'colum': did you mean column?"),
        ({"columns": {"time_s": {"unit": "s"}}}, "the column map, time_s: column: Field required"),
        ({"columns": {"time_s": 0}}, "columns are numbered from 1"),
        ({"columns": {"time_s": True}}, "the column map, time_s: column"),
        ({"columns": {"time_s": 9}}, "time_s: column 9 is asked for, the file has 5 columns"),
        ({"columns": {"time_s": "wen"}}, "unknown column in the column map, time_s: 'wen': did you mean when?"),
        ({"columns": {"time_s": "note"}}, "columns 4, 5 are all called 'note': give a number"),
        ({"columns": {"time_s": 2, "cycle": "when"}}, "time_s and cycle are both 'when': correct one"),
        ({"columns": {"time_s": {"column": 2, "unit": "V"}}}, "'V' is no known unit of time; known: s, ms, us"),
        ({"columns": {"level": {"column": 2, "unit": "V"}}}, "level: has no unit (got 'V'): leave the unit out"),
        ({"columns": 3}, "must be a table such as time_s"),
        ({"experiment": "retantion"}, "unknown experiment 'retantion': did you mean retention?"),
        ({"separator": "ab"}, "a separator is one sign"),
        ({"separator": ",", "decimal": ","}, "a comma cannot be both the separator and the decimal sign"),
        ({"decimal": ";"}, "decimal: Input should be '.' or ','"),
        ({"header": "yes"}, "header: Input should be a valid boolean"),
        ({"constants": {"temperature_K": "300"}}, "temperature_K must be a finite number in SI units (got '300')"),
        ({"constants": {"temperature_K": float("nan")}}, "temperature_K must be a finite number"),
        ({"constants": {"experiment": "bake"}}, "the experiment is a key of its own"),
        ({"columns": {"time_s": 2}, "constants": {"time_s": 2}}, "time_s is both a column and a constant"),
    ],
)
def test_every_key_of_a_map_is_checked(tmp_path, columns, words):
    with pytest.raises(BadInput, match=re.escape(words)):
        read(write(tmp_path, NAMED), columns)


def test_a_column_by_name_needs_a_header(tmp_path):
    with pytest.raises(BadInput, match="the file has no header with 'addr': give the column's number"):
        read(write(tmp_path, HEADERLESS), {"columns": {"device_id": "addr"}})


def test_a_header_that_the_map_asks_for_must_be_there(tmp_path):
    with pytest.raises(BadInput, match="the column map says header = true, but no line before line 1 has 6 names"):
        read(write(tmp_path, HEADERLESS), {"header": True})


@pytest.mark.parametrize(
    ("content", "words"),
    [("columns = [", "is not valid TOML"), ("x = 1", "map.toml: unknown key in the column map 'x'")],
)
def test_a_map_file_that_is_wrong_is_named(tmp_path, content, words):
    with pytest.raises(BadInput, match=re.escape(words)):
        read(write(tmp_path, NAMED), write(tmp_path, content, "map.toml"))


def test_a_map_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"none\.toml: cannot be read: No such file"):
        read(write(tmp_path, NAMED), tmp_path / "none.toml")
