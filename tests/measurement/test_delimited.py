"""Delimited text of any shape becomes tidy measurements in SI, or an error that says what to do."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pandas as pd
import pytest

from nvmphys.errors import BadInput
from nvmphys.measurement import read

ROWS = [("d1", 0.0, 10.5), ("d1", 1.0, 10.25), ("d2", 0.0, 20.5), ("d2", 1.0, 19.75)]
TIMES = [0.0, 1.0, 0.0, 1.0]
CONDUCTANCES = [1.05e-5, 1.025e-5, 2.05e-5, 1.975e-5]
RETENTION = "device,time_s,conductance_uS\nd1,0,10.5\nd1,1,10.25\nd2,0,20.5\nd2,1,19.75\n"


def write(tmp_path, content, name="data.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def only(tmp_path, content, columns=None):
    (measurement,) = read(write(tmp_path, content), columns)
    return measurement


def said(measurement):
    return "\n".join(measurement.understood)


def left_out(measurement):
    return {found.rule: (found.count, found.where) for found in measurement.exclusions}


@pytest.mark.parametrize(
    "content",
    [
        RETENTION,
        RETENTION.replace("\n", "\r\n"),
        RETENTION.replace("\n", "\r"),
        RETENTION.replace(",", "\t"),
        RETENTION.replace(",", "  "),
        RETENTION.replace(",", ";").replace(".", ","),
        RETENTION.replace(",", "\t").replace(".", ","),
        RETENTION.replace(",", ", "),
        RETENTION.replace("\n", ",\n"),
        RETENTION.replace("d1", '"d1"'),
        "\ufeff" + RETENTION,
        RETENTION.encode("utf-16"),
        gzip.compress(RETENTION.encode(), mtime=0),
        "\n" + RETENTION + "\n\n",
        "# measured on Monday\n" + RETENTION,
        "%" + RETENTION,
        "# device time (s)  conductance (uS)\nd1 0 10.5\nd1 1 10.25\nd2 0 20.5\nd2 1 19.75\n",
        "device   time [s]   conductance [uS]\nd1 0 10.5\nd1 1 10.25\nd2 0 20.5\nd2 1 19.75\n",
        "Setup,probe 3\nTemperature,300\n" + RETENTION,
        "Setup,,\nOperator:,A.B.,\n" + RETENTION,
        RETENTION.replace("time_s,conductance_uS", "time,conductance\n,(s),(uS)"),
        RETENTION.replace("device", "Cell ID").replace("conductance_uS", "G (µS)"),
        RETENTION.replace("conductance_uS", "G/µS").encode("cp1252"),
        RETENTION.replace("10.5\n", "1.05e+001\n"),
    ],
)
def test_every_way_of_writing_a_table_gives_the_same_measurement(tmp_path, content):
    measurement = only(tmp_path, content)
    assert measurement.experiment == "retention"
    assert list(measurement.table) == ["device_id", "time_s", "conductance_S"]
    assert list(measurement.table["device_id"]) == ["d1", "d1", "d2", "d2"]
    assert list(measurement.table["time_s"]) == TIMES
    assert list(measurement.table["conductance_S"]) == CONDUCTANCES
    assert measurement.exclusions == ()
    assert not measurement.is_summary
    assert measurement.n_devices == 2


def test_what_was_understood_is_said(tmp_path):
    measurement = only(tmp_path, "note\nDev;t (ms);R (kOhm);operator\n7;1,5;2;me\n8;2,5;4;you\n")
    assert measurement.understood == (
        "delimited text (utf-8): 4 columns, separator semicolon, decimal comma, header in line 2, rows from line 3",
        "device_id ← 'Dev'",
        "time_s ← 't (ms)' [ms]",
        "resistance_ohm ← 'R (kOhm)' [kohm]",
        "left out: 'operator' (its name is not known)",
        "experiment: retention (each row has a device, a time and a conductance)",
        "conductance_S = 1 / resistance_ohm",
    )
    assert list(measurement.table["device_id"]) == [7, 8]
    assert list(measurement.table["conductance_S"]) == [1 / 2000, 1 / 4000]


def test_resistance_and_conductance_are_both_kept(tmp_path):
    measurement = only(tmp_path, "addr,time_s,R (ohm),G (S)\n1,0,1000,0.002\n")
    assert measurement.table[["conductance_S", "resistance_ohm"]].to_numpy().tolist() == [[0.002, 1000.0]]
    assert "conductance_S =" not in said(measurement)


def test_the_source_is_the_file_with_its_hash(tmp_path):
    source = read(write(tmp_path, RETENTION, "wafer 3 (a).csv.txt"))[0].source
    assert source.id == "wafer_3_a"
    assert re.fullmatch(r"[0-9a-f]{64}", source.sha256)


def test_device_names_stay_names_where_they_are_no_plain_numbers(tmp_path):
    measurement = only(tmp_path, "device,time_s,G (uS)\n007,0,1\n7,0,2\n")
    assert list(measurement.table["device_id"]) == ["007", "7"]
    assert measurement.n_devices == 2


def test_values_are_read_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(1)
    values = rng.lognormal(-12, 3, 500)
    rows = "".join(f"{n},0,{value!r}\n" for n, value in enumerate(values.tolist()))
    assert np.array_equal(only(tmp_path, "device,time_s,conductance_S\n" + rows).table["conductance_S"], values)


def test_a_tidy_table_written_as_csv_comes_back(tmp_path):
    tidy = pd.DataFrame({"device_id": [1, 2], "cycle": [3, 4], "voltage_V": [0.1, 0.2], "current_A": [1e-6, 2e-6]})
    tidy.insert(2, "experiment", ["sweep", "id_vg"])
    tidy["gate_voltage_V"] = [1.5, 2.5]
    path = tmp_path / "tidy.csv"
    tidy.to_csv(path, index=False)
    sweep, id_vg = read(path)
    assert (sweep.experiment, id_vg.experiment) == ("sweep", "id_vg")
    expected = tidy.drop(columns="experiment")[[*("device_id", "cycle", "voltage_V", "gate_voltage_V", "current_A")]]
    pd.testing.assert_frame_equal(sweep.table, expected.iloc[:1])
    pd.testing.assert_frame_equal(id_vg.table, expected.iloc[1:].reset_index(drop=True))


def test_an_unknown_experiment_in_the_file_is_an_error_with_close_matches(tmp_path):
    with pytest.raises(BadInput, match=r"line 2: unknown experiment 'sweeep': did you mean sweep\?"):
        only(tmp_path, "experiment,voltage_V,current_A\nsweeep,1,1e-6\n")


@pytest.mark.parametrize(
    ("content", "experiment"),
    [
        ("V (V),I (uA)\n0,0\n0.1,1\n", "sweep"),
        ("device,cycle,V (V),I (uA)\n1,1,0,0\n1,2,0.1,1\n", "sweep"),
        ("Vg [V],Id [uA],Vd [V]\n0,1,0.05\n1,2,0.05\n", "id_vg"),
        ("V [V],P [uC/cm2]\n0,1\n1,2\n", "pv_loop"),
        ("cycle,R (ohm)\n1,1e4\n2,1e6\n", "endurance"),
        ("device,target (uS),G (uS)\n1,10,11\n2,20,19\n", "write_verify"),
        ("device,level,time_s,R (ohm)\n1,0,0,1e4\n1,0,1,1e4\n", "retention"),
    ],
)
def test_the_experiment_is_inferred_where_it_is_certain(tmp_path, content, experiment):
    assert only(tmp_path, content).experiment == experiment


@pytest.mark.parametrize(
    "content",
    [
        "time_s,V (V),I (uA)\n0,0,0\n1,0.1,1\n",
        "device,G (uS)\n1,1\n2,2\n",
        "device,time_s,G (uS)\n" + "".join(f"1,{n},5\n" for n in range(300)),
        "device,time_s,cycle,G (uS)\n1,0,1,5\n1,0,2,5\n",
    ],
)
def test_an_experiment_that_is_not_certain_is_asked_for(tmp_path, content):
    with pytest.raises(BadInput, match="the experiment cannot be told from") as error:
        only(tmp_path, content)
    assert 'experiment = "' in str(error.value)
    assert only(tmp_path, content, {"experiment": "pulse_train"}).experiment == "pulse_train"


def test_polarization_becomes_coulomb_per_square_metre(tmp_path):
    assert list(only(tmp_path, "V [V];P [µC/cm²]\n0;1\n1;24,5\n").table["polarization_C_per_m2"]) == [0.01, 0.245]


# Rows that cannot be used: counted, with rule and lines.


def test_bad_rows_are_left_out_by_rule_with_their_lines(tmp_path):
    measurement = only(
        tmp_path,
        "# a comment\naddr,time_s,R (kOhm)\n"
        "1,0,10\n"  # 3
        "2,0,nan\n"
        "3,0,\n"
        "4,0,OVERFLOW\n"
        "5,0,-8\n"
        "6,0,0\n"
        "7,0,inf\n"
        "8,0\n"
        "9,0,10,11\n"
        "10,-1,10\n"
        "1,0,10\n"  # 13, as 3
        ",0,10\n"
        ",,\n" + "".join(f"{n},0,10\n" for n in range(20, 50)),
    )
    assert left_out(measurement) == {
        "row has not 3 cells": (2, "lines 10, 11"),
        "row is empty": (1, "line 15"),
        "device_id is empty": (1, "line 14"),
        "resistance_ohm is empty or not a number": (3, "lines 4, 5, 6"),
        "resistance_ohm <= 0": (2, "lines 7, 8"),
        "resistance_ohm is infinite": (1, "line 9"),
        "time_s < 0": (1, "line 12"),
        "row repeats an earlier row": (1, "line 13"),
    }
    assert len(measurement.table) == 31
    assert (measurement.table["resistance_ohm"] == 1e4).all()


def test_many_lines_are_shortened(tmp_path):
    rows = "".join(f"{n},0,{-1 if n % 3 == 0 else 1}\n" for n in range(30))
    measurement = only(tmp_path, "addr,time_s,conductance_uS\n" + rows)
    assert left_out(measurement) == {"conductance_S < 0": (10, "lines 2, 5, 8, 11, 14 …")}


def test_a_conductance_of_zero_is_a_value(tmp_path):
    measurement = only(tmp_path, "addr,time_s,G (uS)\n1,0,0\n1,1,2\n")
    assert list(measurement.table["conductance_S"]) == [0.0, 2e-6]
    assert measurement.exclusions == ()


def test_a_read_at_zero_volt_gives_no_conductance(tmp_path):
    columns = {"experiment": "pulse_train"}
    measurement = only(tmp_path, "I (uA),V (V)\n1,0.1\n1,0\n2,0.1\n0,0\n2,0.1\n", columns)
    assert left_out(measurement) == {"voltage_V is 0: I/V is no conductance": (2, "lines 3, 5")}
    assert list(measurement.table["conductance_S"]) == [1e-6 / 0.1, 2e-6 / 0.1, 2e-6 / 0.1]
    assert "conductance_S = current_A / voltage_V" in said(measurement)
    assert "equal to an earlier row, kept as no time tells them apart: 1 (line 6)" in said(measurement)


def test_the_same_line_twice_in_a_sweep_is_two_points(tmp_path):
    measurement = only(tmp_path, "V (V),I (uA)\n0,0\n1,5\n0,0\n")
    assert len(measurement.table) == 3
    assert "equal to an earlier row, kept as no time tells them apart: 1 (line 4)" in said(measurement)


def test_a_sweep_keeps_its_points_whatever_stands_in_columns_it_does_not_need(tmp_path):
    measurement = only(
        tmp_path, "V (V),I (uA),G (uS)\n-1,-5,5\n0,0.1,inf\n1,5,5\n0.1,-0.1,-1\n", {"experiment": "sweep"}
    )
    assert measurement.exclusions == ()
    np.testing.assert_array_equal(measurement.table["conductance_S"], [5e-6, np.nan, 5e-6, -1e-6])
    assert "conductance_S is empty or unreadable, kept as missing: 1 (line 3)" in said(measurement)


def test_a_single_device_is_given_as_a_constant(tmp_path):
    columns = {"experiment": "retention", "constants": {"device_id": "d1"}}
    measurement = only(tmp_path, "time_s,R (kohm)\n0,10\n1,11\n", columns)
    assert list(measurement.table["device_id"]) == ["d1", "d1"]


def test_a_missing_value_that_is_not_needed_is_kept_and_said(tmp_path):
    measurement = only(tmp_path, "addr,time_s,G (uS),temp (°C)\n1,0,5,25\n2,0,5,\n3,0,5,30\n")
    np.testing.assert_array_equal(measurement.table["temperature_K"], [298.15, np.nan, 303.15])
    assert "temperature_K is empty or unreadable, kept as missing: 1 (line 3)" in said(measurement)


def test_a_column_that_was_never_measured_is_left_out_and_said(tmp_path):
    measurement = only(tmp_path, "addr,time_s,G (uS),I (A)\n1,0,5,\n2,0,5,\n3,0,5,\n")
    assert "current_A" not in measurement.table
    assert "current_A has no value in any row and is left out" in said(measurement)


def test_a_cycle_that_is_no_whole_number_is_left_out(tmp_path):
    measurement = only(tmp_path, "cycle,R (ohm)\n1,1e4\n1.5,1e4\n2e5,1e4\n")
    assert list(measurement.table["cycle"]) == [1, 200_000]
    assert left_out(measurement) == {"cycle is not a whole number": (1, "line 3")}


@pytest.mark.parametrize("cut", ["d2,1", "d2,", "d", "d2,1,", "d2,1,1.9e-", "d2,1,-"])
def test_a_file_cut_in_the_middle_of_a_row_loses_that_row_and_says_so(tmp_path, cut):
    measurement = only(tmp_path, RETENTION.replace("d2,1,19.75\n", cut))
    assert left_out(measurement) == {"file ends in the middle of a row": (1, "line 5")}
    assert list(measurement.table["conductance_S"]) == CONDUCTANCES[:3]


def test_a_last_row_that_may_be_cut_is_kept_and_said(tmp_path):
    measurement = only(tmp_path, RETENTION.replace("19.75\n", "19.7"))
    assert measurement.table["conductance_S"].iloc[-1] == pytest.approx(1.97e-5)
    assert "line 5 has no line end: if the copy was cut short, its last value may be too" in said(measurement)


def test_comments_among_the_rows_are_said(tmp_path):
    measurement = only(tmp_path, RETENTION.replace("d2,0", "# lamp on\nd2,0"))
    assert len(measurement.table) == 4
    assert "comments among the rows (line 4)" in said(measurement)


def test_a_stray_quote_harms_its_own_row_only(tmp_path):
    measurement = only(tmp_path, RETENTION.replace("d1,1", '"d1,1'))
    assert left_out(measurement) == {"row has not 3 cells": (1, "line 3")}


def test_thousands_of_rows_are_read_in_chunks_with_right_lines(tmp_path):
    n = 150_000
    values = np.arange(1, n + 1) / 8
    lines = [f"{k % 700},{k},{value}" for k, value in enumerate(values)]
    lines[140_000] = "5,5,-1"
    lines[70_000] = "5,5,"
    measurement = only(tmp_path, "addr,time_s,G (S)\n" + "\n".join(lines) + "\n", {"experiment": "retention"})
    assert left_out(measurement) == {
        "conductance_S is empty or not a number": (1, "line 70002"),
        "conductance_S < 0": (1, "line 140002"),
    }
    np.testing.assert_array_equal(measurement.table["conductance_S"], np.delete(values, [70_000, 140_000]))
    np.testing.assert_array_equal(measurement.table["device_id"], np.delete(np.arange(n) % 700, [70_000, 140_000]))


# Files that cannot be used: an error that says what to do.


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty: check the export or the copy"),
        (b"\n\n# nothing\n", "has no rows of numbers (0 lines of text)"),
        (b"device,time_s,conductance_uS\n", "has no rows of numbers (1 lines of text)"),
        (b"PK\x03\x04\x14\x00\x06\x00", "is a zip archive or an .xlsx workbook"),
        (bytes(range(256)) * 4, "is a binary file"),
        (gzip.compress(b"", mtime=0), "the file is empty"),
        (gzip.compress(RETENTION.encode() * 99, mtime=0)[:-30], "the compressed file is cut or damaged"),
        (b"\x1f\x8b" + b"junk" * 9, "the compressed file is cut or damaged"),
        (b"dear colleague,\nplease find attached\nthe data\n", "has no rows of numbers (3 lines of text)"),
        ("G (parsec)\n1\n", "line 1, column 'G (parsec)': 'parsec' is no known unit of conductance; known: S, mS, uS"),
        ("device,time_s,R [S]\n1,0,5\n", "column 'R [S]': 'S' is no known unit of resistance; known: ohm, mohm, kohm"),
        ("1," * 20_000 + "1\n", "line 1 has more than 10,000 columns: one observation a row is read"),
        (
            "device,time_s,G (uS)\n1,0,x\n2,0,x\n3,0,5\n4,0,6\n5,0,-1\n",
            "only 2 of 5 rows can be used: conductance_S is",
        ),
        ("device,time_s,G (uS)\n1,0,-5\n", "only 0 of 1 rows can be used: conductance_S < 0: 1 (line 2)"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_that_names_it(tmp_path, content, words):
    with pytest.raises(BadInput, match=re.escape(words)) as error:
        only(tmp_path, content)
    assert str(tmp_path / "data.csv") in str(error.value)


def test_a_folder_a_missing_file_and_a_device_are_errors(tmp_path):
    with pytest.raises(BadInput, match="is a folder: give one file"):
        read(tmp_path)
    with pytest.raises(BadInput, match="no such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(BadInput, match="is not a regular file"):
        read("/dev/zero")
    with pytest.raises(BadInput, match="cannot be read"):
        read(tmp_path / ("x" * 5000))


def test_a_line_without_an_end_is_an_error_not_a_hang(tmp_path, monkeypatch):
    monkeypatch.setattr("nvmphys.measurement.text.MAX_LINE", 1000)
    with pytest.raises(BadInput, match="line 2 is longer than 1,000 characters: not a table of rows"):
        only(tmp_path, "a,b\n" + "1" * 5000)


def test_a_missing_column_is_an_error_with_a_map_to_start_from(tmp_path):
    with pytest.raises(BadInput, match="retention needs conductance_S") as error:
        only(tmp_path, "addr,time_s,lvl,i\n1,0,5,1\n2,0,6,0\n", {"experiment": "retention"})
    assert "left out: 'i' (a current, but its unit is not given)" in str(error.value)
    assert str(error.value).endswith(
        "Give a column map (--columns MAP.toml, or columns= in Python) with the right columns and units "
        "(a value for the whole file goes under [constants]), such as:\n"
        'experiment = "retention"\n'
        "[columns]\n"
        'device_id = "addr"\n'
        'time_s = { column = "time_s", unit = "s" }\n'
        'conductance_S = { column = "its name in the file", unit = "S" }'
    )


def test_units_that_are_not_given_are_asked_for(tmp_path):
    with pytest.raises(BadInput, match="'time' \\(a time, but its unit is not given\\)"):
        only(tmp_path, "device,time,conductance_uS\n1,0,5\n1,1,5\n")


def test_an_unknown_suffix_is_named_with_the_known_units(tmp_path):
    with pytest.raises(BadInput, match=r"'conductance_xS' \('xS' is no known unit of conductance; known: S, mS, uS"):
        only(tmp_path, "device,time_s,conductance_xS\n1,0,5\n1,1,5\n")


def test_two_columns_of_one_quantity_are_both_left_out(tmp_path):
    with pytest.raises(BadInput, match=r"left out: 'V_BL \[V\]', 'V_SL \[V\]' \(both would be voltage_V\)"):
        only(tmp_path, "V_BL [V],V_SL [V],I [A]\n1,0,5e-6\n2,0,6e-6\n")


def test_a_trace_in_each_column_is_recognised_as_wide(tmp_path):
    header = ",".join(f"rmp{n}" for n in range(1, 40))
    with pytest.raises(BadInput, match="'rmp1' … 'rmp39' look like one trace a column: turn the table into long form"):
        only(tmp_path, header + "\n" + "1e-4," * 38 + "1e-4\n")
