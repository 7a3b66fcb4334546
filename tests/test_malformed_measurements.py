"""Malformed measurement files: tidy measurements whose rows and exclusions add up, or an error raised on purpose."""

from __future__ import annotations

import gzip
import json
import random
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nvmphys.errors import BadInput, NvmphysError
from nvmphys.measurement import read, readers
from nvmphys.measurement.experiment import NEEDS
from nvmphys.measurement.inspect import describe, render
from nvmphys.records import EXPERIMENTS, TIDY_UNITS
from tests.malformed import DAMAGES, SEEDS, malformed, ten_million_columns

MAP = {"experiment": "pulse_train", "columns": {"conductance_S": 2}}

ERROR, LEFT_OUT, KEPT = "error", "left out", "kept"
OUTCOMES = {
    "empty": {
        "delimited": (ERROR, "the file is empty: check the export or the copy"),
        "easyexpert": (ERROR, "the file is empty: check the export or the copy"),
        "summary": (ERROR, "the file is empty: check the export or the copy"),
    },
    "cut in the middle of a row": {
        "delimited": (LEFT_OUT, "file ends in the middle of a row"),
        "easyexpert": (LEFT_OUT, "record cannot be used"),  # it has one row, which is cut
        "summary": (LEFT_OUT, "file ends in the middle of a row"),
    },
    "NaN": {
        "delimited": (LEFT_OUT, "resistance_ohm is empty or not a number"),
        "easyexpert": (LEFT_OUT, "current_A is empty or not a number"),
        "summary": (ERROR, "line 6: sigma_S must be a number >= 0 S (got nan): correct the table"),
    },
    "infinity": {
        "delimited": (LEFT_OUT, "resistance_ohm is infinite"),
        "easyexpert": (LEFT_OUT, "current_A is infinite"),
        "summary": (ERROR, "line 6: sigma_S must be a number >= 0 S (got inf): correct the table"),
    },
    "negative": {
        "delimited": (LEFT_OUT, "resistance_ohm <= 0"),
        "easyexpert": (KEPT, "current_A ← 'ITE'"),  # a current may be negative
        "summary": (ERROR, "line 6: sigma_S must be a number >= 0 S (got -2e-06): correct the table"),
    },
    "missing column": {
        "delimited": (ERROR, "the experiment cannot be told from device_id, time_s"),
        "easyexpert": (ERROR, "record 1 (line 1): the experiment cannot be told from voltage_V"),
        "summary": (ERROR, "line 1, a summary needs sigma_S. Add the column, its unit in the header"),
    },
    "unknown unit": {
        "delimited": (ERROR, "line 1, column 'R (parsec)': 'parsec' is no known unit of resistance; known: ohm, mohm"),
        "easyexpert": (ERROR, "left out: 'ITE (parsec)' (its name is not known)"),
        "summary": (ERROR, "line 1, column 'mean (parsec)': 'parsec' is no known unit of conductance; known: S, mS"),
    },
    "mixed separators": {
        "delimited": (LEFT_OUT, "row has not 3 cells"),
        "easyexpert": (ERROR, "the experiment cannot be told from voltage_V; left out: 'ITE'"),
        "summary": (LEFT_OUT, "row has not 7 cells"),
    },
    "decimal comma": {
        "delimited": (ERROR, "no header names its 4 columns (line 2: 'd0,0,10,5')"),
        "easyexpert": (ERROR, "row has more cells than the 2 names of DataName: 8 (lines 10, 11, 12, 13, 14 …)"),
        "summary": (ERROR, "line 1, 'q_0' and 'q_0' are both q_0: rename or remove one"),
    },
    "duplicate records": {
        "delimited": (LEFT_OUT, "row repeats an earlier row"),
        "easyexpert": (LEFT_OUT, "record repeats an earlier record"),
        "summary": (LEFT_OUT, "row repeats an earlier row"),
    },
    "wrong encoding": {
        "delimited": (ERROR, "has no rows of numbers (14 lines of text): check the export"),
        "easyexpert": (ERROR, "has no DataName line: export the measurement again"),
        "summary": (ERROR, "has no rows of numbers (10 lines of text): check the export"),
    },
    "binary": {
        "delimited": (ERROR, "the compressed file is cut or damaged"),
        "easyexpert": (ERROR, "the compressed file is cut or damaged"),
        "summary": (ERROR, "the compressed file is cut or damaged"),
    },
    "too many columns": {
        "delimited": (ERROR, "line 10 has more than 10,000 columns: one observation a row is read"),
        "easyexpert": (LEFT_OUT, "row has more cells than the 2 names of DataName"),
        "summary": (ERROR, "line 5 has more than 10,000 columns: one observation a row is read"),
    },
}
"""What each reader makes of the first of its seeds after a damage; SEED decides which row is damaged."""
SEED = 5


@pytest.mark.parametrize("name", sorted(readers()))
@pytest.mark.parametrize("damage", OUTCOMES)
def test_every_damage_is_an_error_or_a_counted_exclusion(name, damage, tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(DAMAGES[damage](SEEDS[name][0], random.Random(SEED)))
    outcome, words = OUTCOMES[damage][name]
    if outcome == ERROR:
        with pytest.raises(BadInput, match=re.escape(words)) as error:
            readers()[name].read(path)
        assert str(path) in str(error.value)
        return
    measurements = readers()[name].read(path)
    exclusions = [found for measurement in measurements for found in measurement.exclusions]
    if outcome == LEFT_OUT:
        assert [found.rule for found in exclusions] == [words]
        assert exclusions[0].count >= 1
        assert exclusions[0].where.startswith("line")
    else:
        assert exclusions == []
        assert any(words in sentence for sentence in measurements[0].understood)


@pytest.mark.parametrize("name", sorted(readers()))
def test_every_seed_is_read_whole_by_its_reader(name, tmp_path):
    for content in SEEDS[name]:
        path = tmp_path / "data.csv"
        path.write_bytes(content)
        assert 0 <= readers()[name].sniff(path) <= 1
        assert all(measurement.exclusions == () for measurement in readers()[name].read(path))
        assert all(measurement.exclusions == () for measurement in read(path))


def judge(content, columns=None, reader=read):
    """Read a file of the given bytes; hold what comes out to what a measurement promises."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        path.write_bytes(content)
        try:
            measurements = reader(path, columns)
        except NvmphysError as error:
            measurements, message = [], str(error)
        if not measurements:
            assert str(path) in message
            return
        json.dumps(describe(measurements, path), allow_nan=False)
        render(describe(measurements, path))
    for measurement in measurements:
        assert measurement.experiment in EXPERIMENTS
        assert len(measurement.table) > 0
        assert measurement.understood
        if measurement.is_summary:
            assert (measurement.table["count"] >= 1).all()
            continue
        assert set(measurement.table) <= set(TIDY_UNITS)
        numbers = measurement.table.select_dtypes("number").to_numpy(dtype=float)
        assert not np.isinf(numbers).any()
        if "conductance_S" in NEEDS[measurement.experiment]:
            assert not (measurement.table["conductance_S"] < 0).any()


@settings(max_examples=250)
@given(st.sampled_from(sorted(readers())), st.integers(0, 2**32))
def test_malformed_files_give_a_measurement_or_an_error_on_purpose(name, seed):
    content = malformed(name, random.Random(seed))
    judge(content, reader=readers()[name].read)
    judge(content)


def test_a_generated_file_follows_from_its_seed():
    assert malformed("summary", random.Random(7)) == malformed("summary", random.Random(7))


def test_ten_million_columns_are_refused_with_their_line(tmp_path):
    path = tmp_path / "data.csv"
    for label, content in ten_million_columns():
        if label in ("numbers", "a row under a header", "one cell too long"):
            path.write_bytes(content)
            with pytest.raises(
                BadInput, match=r"data\.csv: line \d+ (has more than 10,000 col|is longer than 33,554,432)"
            ):
                read(path)


@given(st.binary(max_size=400))
@example(b"\xff\xfe")
@example(b"\xff\xfe1")
@example(b"\x1f\x8b")
@example(b"\r")
def test_random_bytes_give_a_measurement_or_an_error_on_purpose(content):
    judge(content)
    judge(content, MAP)
    judge(gzip.compress(content))


@given(st.text(alphabet="01.,;-+eE \t\r\n\"'#%_aGVIs()[]/µΩ\0", max_size=200))
@example("G_S\n1e999\n2\n3\n")
@example("R (ohm)\n1e-320\n2\n3\n")
def test_random_tables_give_a_measurement_or_an_error_on_purpose(content):
    judge(content.encode())
    judge(content.encode(), MAP)


CELLS = st.sampled_from(["1", "2.5", "-3", "0", "", "nan", "x", "inf", "1e400"])


@given(st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=30))
def test_every_row_is_kept_or_counted_under_one_rule(rows):
    content = "device,time_s,R (ohm)\n" + "d0,0,5\n" * (len(rows) + 2)
    content += "".join(",".join(["d1", *row]) + "\n" for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        path.write_text(content, encoding="utf-8")
        (measurement,) = read(path)
    excluded = sum(found.count for found in measurement.exclusions)
    assert len(measurement.table) + excluded == 2 * len(rows) + 2
    good = {("d0", 0.0, 5.0)}
    for row in rows:
        if len(row) == 2 or (len(row) == 3 and not row[2]):
            good |= (
                {("d1", float(row[0]), float(row[1]))} if {*row[:2]} <= {"1", "2.5", "0"} and row[1] != "0" else set()
            )
    found = measurement.table[["device_id", "time_s", "resistance_ohm"]].itertuples(index=False, name=None)
    assert set(found) == good


# Each of these once ended in a traceback, a hang or a wrong value.


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("device,time_s,R (ohm)\ninf,0,5\n1,0,6\n", "device_id is empty"),
        ("device,time_s,R (Tohm)\n1,0,1e300\n2,0,5\n", "resistance_ohm is infinite"),
        ("cycle,R (ohm)\n1e300,1\n2,5\n3,5\n", "cycle is not a whole number"),
    ],
)
def test_a_number_too_large_is_left_out(content, rule, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(content, encoding="utf-8")
    (measurement,) = read(path)
    assert [(found.rule, found.count) for found in measurement.exclusions] == [(rule, 1)]


@pytest.mark.parametrize(
    ("constants", "words"),
    [
        ({"level": float("inf")}, "level must be a finite number"),
        ({"device_id": 2**53}, "device_id must be a number below 2^53, or text"),
        ({"voltage_V": 10**400}, "voltage_V must be a finite number in SI units"),
    ],
)
def test_a_constant_too_large_is_refused(constants, words, tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(SEEDS["delimited"][0])
    with pytest.raises(BadInput, match=re.escape(words)):
        read(path, {"constants": constants})


def test_a_constant_keeps_its_value(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(SEEDS["delimited"][0])
    (measurement,) = read(path, {"constants": {"level": 1.5, "temperature_K": 10**30}})
    assert set(measurement.table["level"]) == {1.5}
    assert set(measurement.table["temperature_K"]) == {1e30}


@pytest.mark.parametrize(
    "header",
    [
        ["time_s"] * 6_000,
        [f"{n} " + "a " * 90 for n in range(6_000)],
        [f"{n}" + " " * 90 + "(" * 90 for n in range(6_000)],
    ],
    ids=["one name", "many words", "open brackets"],
)
def test_a_wide_header_of_odd_names_does_not_hang(header, tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(",".join(header) + "\n" + ",".join("1" * len(header)) + "\n", encoding="utf-8")
    start = time.perf_counter()
    with pytest.raises(BadInput, match="none of its columns is known"):
        read(path)
    assert time.perf_counter() - start < 20  # it was minutes


def test_a_summary_says_which_numbers_are_missing_and_refuses_infinite_ones(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(SEEDS["summary"][0].replace(b",0.8e-6,", b",x,"))
    (measurement,) = read(path)
    assert "q_0.1 is empty or unreadable, kept as missing: 1 (line 2)" in measurement.understood
    path.write_bytes(SEEDS["summary"][0].replace(b",0.8e-6,", b",-inf,"))
    with pytest.raises(BadInput, match=r"line 2: q_0\.1 must be a finite number, or empty \(got -inf\)"):
        read(path)


def test_a_summary_refuses_a_count_that_no_integer_holds(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(SEEDS["summary"][0].replace(b"0,0,9,", b"0,0,1e300,"))
    with pytest.raises(BadInput, match=r"line 2: count must be a number of cells below 2\^53 \(got 1e\+300\)"):
        read(path)
