"""A summary table is a measurement too: counts, means, sigmas and quantiles of many cells."""

from __future__ import annotations

import re

import numpy as np
import pytest

from nvmphys.errors import BadInput
from nvmphys.measurement import read

HEADER = (
    "level,level_low_S,level_high_S,time_s,quantity,count,mean_S,sigma_S,"
    "q_0.0005,q_0.5,q_0.9995,rank_correlation_0.01s,magnitude_rank_correlation_0.01s\n"
)
ROWS = (
    "0,0,1.25e-6,0,conductance,509,6.2e-7,3.6e-7,1e-9,6.1e-7,1.249e-6,,\n"
    "0,0,1.25e-6,0.01,change,500,-1e-8,2e-7,-8e-7,-2e-8,9e-7,1,0.5\n"
    "1,1.25e-6,,0,conductance,1,1.9e-6,,,1.9e-6,,,\n"
)


def only(tmp_path, content, columns=None):
    path = tmp_path / "data.csv"
    path.write_text(content, encoding="utf-8")
    (measurement,) = read(path, columns)
    return measurement


def test_a_summary_is_read_with_all_its_columns(tmp_path):
    measurement = only(tmp_path, HEADER + ROWS)
    assert measurement.is_summary
    assert measurement.experiment == "retention"
    assert measurement.source.kind == "summary"
    assert list(measurement.table) == HEADER.strip().split(",")
    row = measurement.table.iloc[1]
    assert (row["level"], row["count"], row["quantity"], row["mean_S"]) == (0, 500, "change", -1e-8)
    assert row["magnitude_rank_correlation_0.01s"] == 0.5
    np.testing.assert_array_equal(measurement.table["q_0.0005"], [1e-9, -8e-7, np.nan])
    assert measurement.exclusions == ()


def test_a_table_of_means_with_units_is_a_summary(tmp_path):
    measurement = only(tmp_path, "Level;t (min);N;mean (µS);std (nS);q_0.5 (uS)\nlow;1,5;12;2,5;500;2,4\n")
    assert measurement.table.to_dict("list") == {
        "level": ["low"],
        "time_s": [90.0],
        "count": [12],
        "mean_S": [2.5e-6],
        "sigma_S": [5e-7],
        "q_0.5": [2.4 / 1e6],
        "quantity": ["conductance"],
    }
    assert "mean_S ← 'mean (µS)' [uS]" in measurement.understood


def test_a_map_may_give_the_experiment_and_constants(tmp_path):
    measurement = only(tmp_path, HEADER + ROWS, {"experiment": "bake", "constants": {"temperature_K": 413.15}})
    assert measurement.experiment == "bake"
    assert set(measurement.table["temperature_K"]) == {413.15}


def test_rows_that_are_no_rows_are_left_out_and_counted(tmp_path):
    measurement = only(tmp_path, HEADER + ROWS + ROWS.splitlines()[0] + "\n5,6\n" + "2,2.5e-6,3.75e-6,0,cond")
    assert [(found.rule, found.count, found.where) for found in measurement.exclusions] == [
        ("file ends in the middle of a row", 1, "line 7"),
        ("row has not 13 cells", 1, "line 6"),
        ("row repeats an earlier row", 1, "line 5"),
    ]
    assert len(measurement.table) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("level,time_s,mean_S,sigma_S\n0,0,1e-6,1e-7\n", "a summary needs count: the intervals of a fit come from"),
        ("level,time_s,mean,sigma_S,count\n0,0,1e-6,1e-7,9\n", "needs mean_S. Add the column, its unit in the header"),
        ("level,time_s,mean (V),sigma_S,count\n0,0,1,1e-7,9\n", "'V' is no known unit of conductance"),
        ("time_s,mean_S,sigma_S,count\n0,1e-6,1e-7,9\n", "a summary needs level"),
        ("level,level,time_s,mean_S,sigma_S,count\n0,0,0,1,1,9\n", "'level' and 'level' are both level"),
        ("level,time_s,mean_S,sigma_S,count,q_0.9,q_0.1\n0,0,1,1,9,1,1\n", "in order of probability"),
        (HEADER + ROWS.replace(",500,", ",0,"), "line 3: count must be a whole number >= 1 (got 0.0)"),
        (HEADER + ROWS.replace(",500,", ",x,"), "line 3: count must be a whole number >= 1 (got nan)"),
        (HEADER + ROWS.replace(",2e-7,", ",-2e-7,"), "line 3: sigma_S must be a number >= 0 S (got -2e-07)"),
        (HEADER + ROWS.replace(",2e-7,", ",,"), "line 3: sigma_S must be a number >= 0 S (got nan)"),
        (HEADER + ROWS.replace("-2e-8", "-9e-7"), "line 3: q_0.5 must be no less than q_0.0005 (got -9e-07)"),
        (HEADER + ROWS.replace("0.01,", "-1,"), "line 3: time_s must be a time >= 0 s (got -1.0)"),
        (HEADER + ROWS.replace("6.2e-7", "inf"), "line 2: mean_S must be a finite number of S (got inf)"),
        (HEADER + ROWS.replace("change", "chance"), "line 3: unknown quantity 'chance': did you mean change?"),
        (HEADER + "0,2e-6" + ROWS[3:], "line 2: level_high_S must be no less than level_low_S"),
    ],
)
def test_a_summary_against_a_rule_is_an_error(tmp_path, content, words):
    with pytest.raises(BadInput, match=re.escape(words)):
        only(tmp_path, content)


def test_columns_of_a_summary_are_not_mapped(tmp_path):
    with pytest.raises(BadInput, match="the columns of a summary are known by their header"):
        only(tmp_path, HEADER + ROWS, {"columns": {"level": 1}})


def test_a_constant_that_is_also_a_column_is_an_error(tmp_path):
    with pytest.raises(BadInput, match="'level' and a constant of the column map are both level"):
        only(tmp_path, HEADER + ROWS, {"constants": {"level": 1}})
