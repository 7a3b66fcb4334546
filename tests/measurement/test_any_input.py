"""Whatever the file: tidy measurements whose rows and exclusions add up, or an error raised on purpose."""

from __future__ import annotations

import gzip
import json
import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nvmphys.errors import NvmphysError
from nvmphys.measurement import read, readers
from nvmphys.measurement.experiment import NEEDS
from nvmphys.measurement.inspect import describe, render
from nvmphys.records import EXPERIMENTS, TIDY_UNITS

TABLES = (
    "device,time_s,conductance_uS\n" + "".join(f"d{n},{n % 3},{n + 0.5}\n" for n in range(12)),
    "# note\nV (V);I (µA)\n" + "".join(f"{n / 10:.1f};-{n},5\n".replace(".", ",") for n in range(9)),
    "level,time_s,count,mean_S,sigma_S,q_0.1,q_0.9\n" + "".join(f"{n},0,9,1e-6,1e-7,8e-7,1.2e-6\n" for n in range(6)),
    "addr\tR [kOhm]\tcycle\n" + "".join(f'"{n}"\t{10 ** (n % 2 + 3)}\t{n}\n' for n in range(8)),
)
MAP = {"experiment": "pulse_train", "columns": {"conductance_S": 2}}


def judge(content, columns=None):
    """Read a file of the given bytes; hold what comes out to what a measurement promises."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        path.write_bytes(content)
        try:
            measurements = read(path, columns)
        except NvmphysError:
            return
        json.dumps(describe(measurements, path), allow_nan=False)
        render(describe(measurements, path))
    assert measurements
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


@settings(max_examples=300)
@given(st.sampled_from(TABLES), st.integers(0, 2**32), st.integers(1, 8))
def test_damaged_tables_give_a_measurement_or_an_error_on_purpose(table, seed, n_changes):
    chance = random.Random(seed)
    content = bytearray(table.encode())
    for _ in range(n_changes):
        place = chance.randrange(len(content))
        change = chance.choice(("replace", "insert", "delete", "cut"))
        if change == "replace":
            content[place] = chance.randrange(256)
        elif change == "insert":
            content[place:place] = chance.choice((b",", b";", b"\n", b'"', b"nan", b"-", b"e9", b"#", b"\xb5"))
        elif change == "delete":
            del content[place : place + chance.randrange(1, 4)]
        elif place > len(content) // 2:
            del content[place:]
    judge(bytes(content))


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


@pytest.mark.parametrize("name", sorted(readers()))
def test_every_reader_is_found_and_says_how_sure_it_is(name, tmp_path):
    for number, table in enumerate(TABLES):
        path = tmp_path / f"{number}.csv"
        path.write_text(table, encoding="utf-8")
        assert 0 <= readers()[name].sniff(path) <= 1
