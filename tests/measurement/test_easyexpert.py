"""EasyEXPERT exports become one tidy measurement a record, or an error that says what to do."""

from __future__ import annotations

import gzip
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
from nvmphys.measurement import easyexpert, read
from nvmphys.measurement.inspect import describe, render
from nvmphys.records import EXPERIMENTS, TIDY_UNITS

UP = [0.0, 0.5, 1.0]
LOOP = UP + UP[::-1]
WHEN = "01/02/2024 03:04:05"
CHANNELS = {"Channel.VName": "VTE, VBE", "Channel.IName": "ITE, IBE", "Channel.Func": "VAR1, CONST"}


def record(names, rows, *, title="made", test="PrimitiveTest, I/V Sweep", settings=None, size=None, sweeps=1):
    """Write a record in EasyEXPERT's layout: comma and blank, names without units."""
    lines = [f"SetupTitle, {title}", test, "TestParameter, Context.MainFrame, B1500A"]
    lines += [f"TestParameter, {name}, {value}" for name, value in (settings or {}).items()]
    lines += [f"MetaData, TestRecord.RecordTime, {WHEN}", "AnalysisSetup, Analysis.Setup.Title, "]
    cells = len(names.split(","))
    lines += ["Dimension1" + f", {len(rows) if size is None else size}" * cells, "Dimension2" + f", {sweeps}" * cells]
    lines += [f"DataName, {names}", *("DataValue, " + ", ".join(map(str, row)) for row in rows)]
    return "\n".join(lines) + "\n"


def iv(current=1e-6, **changes):
    """Write a double sweep of a two-terminal device."""
    rows = [(v, current * v, 0, -current * v) for v in LOOP]
    return record("VTE, ITE, VBE, IBE", rows, **{"settings": CHANNELS, **changes})


def pulses(signs, *, n=12):
    """Return time, voltage and current of pulses of the given signs with rest between."""
    v = np.concatenate([s * np.r_[np.zeros(n), np.full(n, 3.0)] for s in signs] + [np.zeros(n)])
    return [(f"{k * 1e-6:g}", v[k], f"{1e-6 * v[k] - 1e-6:g}", f"{k * 1e-6:g}") for k in range(len(v))]


def write(tmp_path, content, name="export.csv"):
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
        iv(),
        "\n" + iv(),
        ("\ufeff\n" + iv()).replace("\n", "\r\n"),
        iv().encode("utf-16"),
        gzip.compress(iv().encode(), mtime=0),
        iv().replace(", ", ","),
        iv().replace("DataValue, 0.5, 5e-07, 0, -5e-07", "DataValue, 0.5, 5e-07, 0, -5e-07, "),
        iv().removesuffix("\n"),
    ],
)
def test_every_way_of_writing_an_export_gives_the_same_sweep(tmp_path, content):
    path = write(tmp_path, content)
    assert easyexpert.sniff(path) > 0.1
    (measurement,) = read(path)
    assert measurement.experiment == "sweep"
    assert measurement.table.to_dict("list") == {"voltage_V": LOOP, "current_A": [1e-6 * v for v in LOOP]}
    assert measurement.exclusions == ()
    assert "warning" not in said(measurement)


def test_what_was_understood_is_said(tmp_path):
    settings = {**CHANNELS, "Measurement.Primary.Locus": "Double", "Measurement.Primary.Compliance": "0.0001"}
    measurement = only(tmp_path, iv(settings=settings, title="cell 3, set"))
    assert measurement.understood == (
        f"EasyEXPERT export: record 1 'cell 3, set' (line 1), PrimitiveTest I/V Sweep, recorded {WHEN}, lines 14 to 19",
        "double sweep: 3 points up and 3 back (Measurement.Primary.Locus)",
        "compliance of the primary channel: 0.0001 (Measurement.Primary.Compliance)",
        "voltage_V ← 'VTE' [V] (Channel.VName)",
        "current_A ← 'ITE' [A] (Channel.IName)",
        "left out: 'VBE' (voltage_V is 'VTE')",
        "left out: 'IBE' (current_A is 'ITE')",
        "experiment: sweep ('VTE' is the primary sweep, Channel.Func VAR1)",
        "equal to an earlier row, kept as no time tells them apart: 3 (lines 17, 18, 19)",
    )


def test_names_that_the_channels_declare_win_over_what_a_name_suggests(tmp_path):
    settings = {"Channel.VName": "time", "Channel.IName": "V"}
    measurement = only(tmp_path, record("time, V", [(0, 1e-6), (1, 2e-6)], settings=settings))
    assert measurement.table.to_dict("list") == {"voltage_V": [0.0, 1.0], "current_A": [1e-6, 2e-6]}


def test_stacked_secondary_sweeps_are_told_apart(tmp_path):
    channels = {"Channel.VName": "VD, VG", "Channel.IName": "ID, IG", "Channel.Func": "VAR2, VAR1"}
    rows = [(vg, vd, vd * vg * 1e-6, 1e-12) for vd in (0.05, 0.1, 0.2) for vg in np.linspace(0, 2, 202)]
    measurement = only(tmp_path, record("VG, VD, ID, IG", rows, settings=channels, size=202, sweeps=3))
    assert measurement.experiment == "id_vg"
    table = measurement.table
    assert len(table) == 606
    assert table.groupby("cycle")["voltage_V"].unique().map(list).to_dict() == {1: [0.05], 2: [0.1], 3: [0.2]}
    assert (table.groupby("cycle").size() == 202).all()
    np.testing.assert_array_equal(table["gate_voltage_V"], np.tile(np.linspace(0, 2, 202), 3))
    np.testing.assert_array_equal(table["current_A"], [row[2] for row in rows])


def test_a_row_that_is_left_out_does_not_shift_the_sweeps_after_it(tmp_path):
    content = iv(size=2, sweeps=3).replace("DataValue, 0.5, 5e-07", "DataValue, 0.5, no number", 1)
    measurement = only(tmp_path, content.replace("DataValue, 0.0, 0.0, 0, -0.0", "DataValue, , , , ", 1))
    assert left_out(measurement) == {
        "row is empty": (1, "line 12"),
        "current_A is empty or not a number": (1, "line 13"),
    }
    assert list(measurement.table["cycle"]) == [2, 2, 3, 3]


def test_a_swept_drain_with_a_stepped_gate_is_a_sweep_and_a_swept_gate_is_id_vg_without_functions_too(tmp_path):
    rows = [(a, b, a * b * 1e-6) for b in (1, 2) for a in (0.0, 0.5, 1.0)]
    output = only(tmp_path, record("VD, VG, ID", rows, size=3, sweeps=2))
    transfer = only(tmp_path, record("VG, VD, ID", rows, size=3, sweeps=2))
    assert (output.experiment, transfer.experiment) == ("sweep", "id_vg")
    assert list(transfer.table["gate_voltage_V"]) == [0.0, 0.5, 1.0] * 2
    assert list(transfer.table["voltage_V"]) == [1.0] * 3 + [2.0] * 3
    assert "current_A ← 'ID' [A] (its name; EasyEXPERT writes V, A and s)" in said(transfer)


def test_appended_records_are_measurements_of_their_own(tmp_path):
    measurements = read(write(tmp_path, iv(1e-6, title="a") + "\n" + iv(2e-6, title="b") + iv(3e-6, title="c")))
    assert [m.table["current_A"].max() for m in measurements] == [1e-6, 2e-6, 3e-6]
    assert [re.search(r"record \d '.'", said(m))[0] for m in measurements] == [
        "record 1 'a'",
        "record 2 'b'",
        "record 3 'c'",
    ]
    assert all(m.exclusions == () for m in measurements)


def test_records_without_titles_begin_where_names_follow_rows(tmp_path):
    table = "Dimension1, 2\nDataName, V, I\nDataValue, 0, 0\nDataValue, 1, {}\n"
    measurements = read(write(tmp_path, table.format("1e-6") + table.format("2e-6")))
    assert [m.table["current_A"].max() for m in measurements] == [1e-6, 2e-6]


def test_a_record_that_repeats_an_earlier_one_is_counted_once(tmp_path):
    child = iv(title="Data Display", test="ApplicationTest, Display, Public", settings={})
    first, other = read(write(tmp_path, iv() + iv(2e-6) + child + iv()))
    assert left_out(first) == {easyexpert.REPEATED_RECORD: (12, "lines 43, 44, 45, 46, 47 …")}
    assert "record 3 'Data Display' (line 35), record 4 'made' (line 49): the same values and time" in said(first)
    assert other.exclusions == ()


def test_equal_values_at_another_time_of_run_are_no_repeat(tmp_path):
    first, second = read(write(tmp_path, iv() + iv().replace("03:04:05", "03:04:06")))
    assert first.exclusions == second.exclusions == ()


def test_a_column_that_is_empty_on_every_row_is_left_out_and_said(tmp_path):
    rows = [(v, "", 1e-6 * v) for v in UP]
    measurement = only(tmp_path, record("VTE, ITE, IBE", rows, settings=CHANNELS))
    assert list(measurement.table["current_A"]) == [0.0, 5e-7, 1e-6]
    assert "left out: 'ITE' (empty on every row)" in said(measurement)
    assert "current_A ← 'IBE' [A] (Channel.IName)" in said(measurement)


def test_short_rows_stay(tmp_path):
    content = record("V, I, Gm", [(0, 1e-6, 5), (1, 2e-6)])
    assert len(only(tmp_path, content).table) == 2


def test_an_aborted_run_is_kept_with_a_warning(tmp_path):
    measurement = only(tmp_path, iv(size=101, sweeps=2))
    assert len(measurement.table) == 6
    assert "warning: 6 of the 202 rows that the dimensions announce: the run was stopped" in said(measurement)
    more = only(tmp_path, iv(size=2))
    assert len(more.table) == 6
    assert "warning: 6 rows, more than the 2 that the dimensions announce" in said(more)
    short = only(tmp_path, "SetupTitle, a\nDimension1, 3\nDataName, V, I\nDataValue, 0, 0\nDataValue, 1, 1e-6\n")
    assert "warning: 2 of the 3 rows" in said(short)


def test_a_row_that_is_cut_is_left_out(tmp_path):
    cut = iv().removesuffix("-0.0\n").removesuffix(", 0, ")
    assert left_out(only(tmp_path, cut)) == {"file ends in the middle of a row": (1, "line 17")}
    doubtful = iv(size=7).removesuffix("\n")
    assert "line 17 has no line end: if the copy was cut short" in said(only(tmp_path, doubtful))


def test_lines_and_rows_that_cannot_be_read_are_counted(tmp_path):
    rows = "DataValue, 1.0, 1e-06, 0, -1e-06\n"
    content = iv().replace(rows, rows + "DataValu, 1, 1\nDataValue, 1, 2, 3, 4, 5\n", 1)
    measurement = only(tmp_path, content)
    assert len(measurement.table) == 6
    assert left_out(measurement) == {
        "line begins with no known keyword": (1, "line 15"),
        "row has more cells than the 4 names of DataName": (1, "line 16"),
    }


def test_the_device_is_the_target_of_the_test(tmp_path):
    content = iv().replace("AnalysisSetup", "MetaData, TestRecord.TestTarget, W1 D3\nAnalysisSetup")
    assert set(only(tmp_path, content).table["device_id"]) == {"W1 D3"}


def wgfmu(signs, **changes):
    """Write a record of the pattern editor: names say neither V nor A, the operation modes do."""
    rows = [(v, i, t, t) for t, v, i, _ in pulses(signs)]
    test = "ApplicationTest, WGFMU Pattern Editor, Public\nTestParameter, Name, Enable1, OperationMode1, OperationMode2"
    test += "\nTestParameter, Value, Enable, Fast IV Vmeas, Fast IV Imeas"
    return record("Meas1_value, Meas2_value, Meas1_time, Meas2_time", rows, **{"test": test, **changes})


def test_a_waveform_of_the_wgfmu_is_understood_by_its_modes(tmp_path):
    measurement = only(tmp_path, wgfmu([-1, 1, 1, -1, -1], title="PUND_10kHz"))
    assert measurement.experiment == "pund"
    expected = pulses([-1, 1, 1, -1, -1])
    np.testing.assert_array_equal(measurement.table["time_s"], [float(row[0]) for row in expected])
    np.testing.assert_array_equal(measurement.table["voltage_V"], [row[1] for row in expected])
    np.testing.assert_array_equal(measurement.table["current_A"], [float(row[2]) for row in expected])
    assert "time_s ← 'Meas2_time' [s] (OperationMode2 Fast IV Imeas)" in said(measurement)
    assert "left out: 'Meas1_time' (time_s is 'Meas2_time', the same on every row)" in said(measurement)


def test_voltage_current_and_two_times_take_the_time_of_the_current(tmp_path):
    rows = [(t, v, i, f"{float(t) + 2e-7:g}") for t, v, i, _ in pulses([-1, 1, 1, -1, -1])]
    content = record("time_V, voltage, current, time_I", rows, title="pund 1", test="ApplicationTest, WGFMU")
    measurement = only(tmp_path, content)
    assert measurement.table["time_s"].iloc[0] == 2e-7
    assert "left out: 'time_V' (time_s is 'time_I', at most 2e-07 s apart)" in said(measurement)


@pytest.mark.parametrize(
    ("signs", "title", "words"),
    [
        ([-1, 1, 1, -1, -1], "PUND_1", "the title says PUND; the voltage shows two pulses of one sign"),
        ([1, -1], "my pund", "the title says PUND; the voltage does not show two pulses"),
        ([1, 1, -1, -1], "test 7", "by the shape of the voltage alone: two pulses of one sign"),
    ],
)
def test_how_a_pund_was_recognised_is_said(tmp_path, signs, title, words):
    measurement = only(tmp_path, wgfmu(signs, title=title))
    assert measurement.experiment == "pund"
    assert words in said(measurement)
    given_by_map = only(tmp_path, wgfmu(signs, title=title), {"experiment": "sweep"})
    assert given_by_map.experiment == "sweep"
    assert "experiment: sweep (column map)" in said(given_by_map)


def test_pulses_that_are_no_pund_are_asked_about(tmp_path):
    with pytest.raises(
        BadInput, match=r"record 1 'expunded' .*cannot be told from voltage_V, current_A, time_s"
    ) as error:
        only(tmp_path, wgfmu([1, -1, 1], title="expunded"))
    assert 'experiment = "sweep"\n[columns]\nvoltage_V = ' in str(error.value)


def test_a_map_names_columns_by_name_or_number(tmp_path):
    columns = {"voltage_V": "VTE", "current_A": {"column": 4, "unit": "mA"}}
    measurement = only(tmp_path, iv(), {"columns": columns, "constants": {"temperature_K": 300.0}})
    np.testing.assert_allclose(measurement.table["current_A"], [-1e-9 * v for v in LOOP], rtol=1e-15)
    assert set(measurement.table["temperature_K"]) == {300.0}
    assert "left out: 'ITE', 'VBE' (not in the column map)" in said(measurement)


def test_a_record_that_cannot_be_used_is_counted_and_the_others_are_read(tmp_path):
    bad = record("A, B", [(1, 2), (3, 4)], title="bad")
    (measurement,) = read(write(tmp_path, bad + iv()))
    assert left_out(measurement) == {easyexpert.UNUSABLE_RECORD: (2, "lines 9, 10")}
    assert "record 1 'bad' (line 1): the experiment cannot be told" in said(measurement)
    aborted = "SetupTitle, stopped\nDataName, V, I\n"
    (measurement,) = read(write(tmp_path, iv() + aborted))
    assert measurement.exclusions == ()
    assert "record 2 'stopped' (line 18): has no rows (DataValue)" in said(measurement)


@pytest.mark.parametrize(
    ("content", "columns", "words"),
    [
        (
            "SetupTitle, a\nDataName, V, I\n",
            None,
            "record 1 'a' (line 1): has no rows (DataValue): the run was stopped",
        ),
        ("SetupTitle, a\nDataValue, 1, 2\n", None, "record 1 'a' (line 1): has no DataName line"),
        (record("V, V, I", [(1, 2, 3), (2, 3, 4)]), None, "left out: 'V', 'V' (may be voltage_V: a column map"),
        (record("V, I", [("x", 1), ("y", 1), (1, 1)]), {"experiment": "sweep"}, "only 1 of 3 rows can be used"),
        (iv(), {"columns": {"voltage_V": "VT"}}, "'VT': did you mean VTE"),
        (iv(), {"experiment": "endurance"}, "endurance needs cycle"),
        (iv(), {"separator": ","}, "leave separator, decimal and header out of the column map"),
        (record("R (uS)", [(1,)]), None, "'uS' is no known unit of resistance"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_says_so(tmp_path, content, columns, words):
    with pytest.raises(BadInput, match=re.escape(words)) as error:
        only(tmp_path, content, columns)
    assert "export.csv" in str(error.value)


def test_a_column_that_its_name_tells_wins_and_other_currents_are_said(tmp_path):
    rows = [(vg, 0.0, -1e-6 * vg, 1e-6 * vg) for vg in UP]
    settings = {"Channel.VName": "VG, VD, VS", "Channel.IName": "IG, ID, IS"}
    measurement = only(tmp_path, record("VG, VS, IS, ID", rows, settings=settings))
    assert measurement.experiment == "id_vg"
    assert list(measurement.table["current_A"]) == [0.0, 5e-7, 1e-6]
    assert "left out: 'IS' (current_A is 'ID')" in said(measurement)
    assert "left out: 'VS' (may be voltage_V: a column map must say which)" in said(measurement)


@pytest.mark.parametrize("name", ["V" + "(" * 300_000, "V, " * 100_000])
def test_a_huge_header_is_no_burden(tmp_path, name):
    rows = "".join(f"DataValue, {k}\n" for k in range(300))
    start = time.process_time()
    with pytest.raises(BadInput, match="cannot be told") as error:
        only(tmp_path, f"SetupTitle, a\nDataName, {name}\n{rows}")
    assert time.process_time() - start < 5
    assert len(str(error.value)) < 3000


def test_the_number_of_records_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(easyexpert, "MAX_RECORDS", 2)
    assert len(read(write(tmp_path, iv(1e-6) + iv(2e-6)))) == 2
    with pytest.raises(BadInput, match=r"line 35: more than 2 records: export fewer into one file"):
        read(write(tmp_path, iv(1e-6) + iv(2e-6) + iv(3e-6)))


def test_a_long_record_is_read_in_time_that_grows_with_its_length(tmp_path):
    def seconds(n):
        rows = "".join(f"DataValue, {k}, {k}e-9, \n" for k in range(n))
        path = write(tmp_path, "SetupTitle, a\nPrimitiveTest, I/V Sweep\nDataName, V, I, x\n" + rows)
        start = time.process_time()
        assert len(read(path)[0].table) == n
        return time.process_time() - start

    seconds(100)
    assert seconds(160_000) < 24 * max(seconds(20_000), 0.05)


@pytest.mark.parametrize(
    "content", ["SetupTitle\n", "SetupTitle, x\nV, I\n1, 2\n", "time_s,G (S)\n0,1\n", "DataName,1\n"]
)
def test_other_files_are_not_taken_for_exports(tmp_path, content):
    assert easyexpert.sniff(write(tmp_path, content)) == 0


def judge(content, columns=None):
    """Read bytes as an export; hold what comes out to what a measurement promises."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), content)
        try:
            sure, measurements, message = easyexpert.sniff(path), easyexpert.read(path, columns), ""
            render(describe(measurements, path))
        except NvmphysError as error:
            sure, measurements, message = 0, [], str(error)
    assert 0 <= sure <= 1
    assert bool(measurements) != ("export.csv" in message)
    for measurement in measurements:
        assert measurement.experiment in EXPERIMENTS
        assert len(measurement.table) > 0
        assert set(measurement.table) <= set(TIDY_UNITS)
        assert not np.isinf(measurement.table.select_dtypes("number").to_numpy(dtype=float)).any()


@given(st.binary(max_size=300))
@example(b"\xff\xfe")
@example(b"\r\r")
@example(b"DataValue")
@example(b"DataName,\nDataValue, 1")
@example(b"SetupTitle\nDimension1, 9999999999999999999999\nDataName, V, I\nDataValue, 1, inf")
def test_any_bytes_give_measurements_or_an_error_on_purpose(content):
    judge(content)


LINES = st.sampled_from(
    [
        *(line for line in (iv() + wgfmu([1, 1, -1, -1])).splitlines() if not line.startswith("DataValue")),
        *("DataValue, 0, 1e-6, 3, 4", "DataValue, 1, 2e-6", "DataValue, nan, inf, , x", "DataValue", "DataName, V, I"),
        *(
            "Dimension1, 2, x",
            "Dimension2, 3",
            "Dimension1, 0",
            "DataName",
            "",
            "junk",
            'DataValue, "1, 2',
            "DataName, V, t, I",
        ),
    ]
)


@settings(max_examples=300)
@given(st.lists(LINES, max_size=30), st.sampled_from([None, {"experiment": "sweep"}, {"columns": {"current_A": 2}}]))
def test_any_order_of_lines_gives_measurements_or_an_error_on_purpose(lines, columns):
    judge("\n".join(lines).encode() or b"\n", columns)


@settings(max_examples=200)
@given(st.sampled_from([iv(), iv(sweeps=2, size=3) + iv(2e-6), wgfmu([-1, 1, 1, -1, -1])]), st.integers(0, 2**32))
def test_damaged_exports_give_measurements_or_an_error_on_purpose(content, seed):
    chance = random.Random(seed)
    damaged = bytearray(content.encode())
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(damaged))
        damaged[place : place + chance.randrange(3)] = chance.choice(
            (b"", b",", b"\n", b'"', b"\xff", b"e9", b"-", b"\0")
        )
    judge(bytes(damaged))
    judge(bytes(damaged[: chance.randrange(1, len(damaged))]))


def test_the_measured_pund_is_one_waveform_and_a_repeat(measured_data):
    (measurement,) = read(measured_data / "hzo_capacitor_pund" / "PUND_B1500.csv")
    assert measurement.experiment == "pund"
    assert len(measurement.table) == 1000
    assert measurement.table["time_s"].iloc[[0, -1]].tolist() == pytest.approx([3e-7, 5.997e-4])
    assert left_out(measurement) == {easyexpert.REPEATED_RECORD: (1000, "lines 1240, 1241, 1242, 1243, 1244 …")}
    assert "the title says PUND" in said(measurement)
