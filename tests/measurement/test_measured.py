"""Published measurements in their own files (run where NVMPHYS_DATA names the folder)."""

from __future__ import annotations

import numpy as np
import pytest

from nvmphys.errors import BadInput
from nvmphys.measurement import read

RELAXATION = {
    "columns": {
        "device_id": 1,
        "time_s": 2,
        "resistance_ohm": {"column": 3, "unit": "ohm"},
        "conductance_S": {"column": 4, "unit": "S"},
        "level": 6,
    }
}


def test_the_relaxation_of_an_rram_array_is_read_whole_but_for_one_bad_read(measured_data):
    (measurement,) = read(measured_data / "rram_1t1r_relaxation_c" / "relaxdata.tsv.gz", RELAXATION)
    assert measurement.experiment == "retention"
    assert measurement.n_devices == 16_292
    assert len(measurement.table) == 89_114
    (bad,) = measurement.exclusions
    assert (bad.rule, bad.count, bad.where) == ("resistance_ohm <= 0", 1, "line 65556")
    np.testing.assert_allclose(measurement.table["conductance_S"] * measurement.table["resistance_ohm"], 1, rtol=1e-6)


def test_a_bake_is_read_in_kelvin(measured_data):
    columns = {
        "device_id": 1,
        "time_s": 2,
        "resistance_ohm": 3,
        "conductance_S": 4,
        "temperature_K": {"column": 5, "unit": "°C"},
    }
    path = measured_data / "rram_1t1r_bake_a" / "bake.tsv.gz"
    (measurement,) = read(path, {"experiment": "bake", "columns": columns})
    assert set(measurement.table["temperature_K"]) == {373.15, 413.15, 453.15}
    assert measurement.n_devices == 16_384


def test_a_voltage_sweep_and_an_endurance_run_are_inferred(measured_data):
    folder = measured_data / "rram_1t1r_switching"
    (sweep,) = read(folder / "read_voltage_sweep.tsv.gz", {"columns": {"device_id": 1, "voltage_V": 2, "current_A": 3}})
    assert (sweep.experiment, sweep.n_devices, len(sweep.table)) == ("sweep", 1024, 36_864)
    (endurance,) = read(
        folder / "endurance_slow.tsv.gz", {"columns": {"device_id": 1, "resistance_ohm": 2, "cycle": 3}}
    )
    assert (endurance.experiment, endurance.table["cycle"].max()) == ("endurance", 568_999)


@pytest.mark.parametrize(
    ("name", "columns", "words"),
    [
        ("rram_1t1r_relaxation_c/relaxdata.tsv.gz", None, "no header names its 7 columns"),
        ("rram_multilevel_codes/retention.csv.gz", None, r"left out: 'time' \(a time, but its unit is not given\)"),
        (
            "rram_multilevel_codes/retention.csv.gz",
            {"columns": {"conductance_S": {"column": "lvl", "unit": "code"}}},
            "'code' is no known unit of conductance.*must be converted in the file first",
        ),
        ("analog_pulse_ramps/set.csv", None, "'rmp1' … 'rmp39' look like one trace a column"),
        ("rram_1t1r_read_noise_a/timeseries.tsv.gz", None, "line 1 has more than 10,000 columns"),
        (
            "rram_1t1r_read_stability/reads.csv.gz",
            {"columns": {"device_id": 1, "time_s": 2, "resistance_ohm": 3}},
            "may be retention or read_noise",
        ),
    ],
)
def test_a_file_that_does_not_say_enough_is_asked_about(measured_data, name, columns, words):
    with pytest.raises(BadInput, match=words):
        read(measured_data / name, columns)
