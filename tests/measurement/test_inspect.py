"""`nvmphys inspect`: what was understood and left out, for people and for machines."""

from __future__ import annotations

import io
import json

from rich.console import Console

from nvmphys.measurement import read
from nvmphys.measurement.inspect import describe, render

CSV = "addr,lvl,t (ms),R (kOhm),temp (°C)\n1,a,0,10,25\n1,a,1,12.5,\n2,b,0,-5,25\n2,b,1,2,25\n"


def described(tmp_path, content=CSV):
    path = tmp_path / "cells.csv"
    path.write_text(content, encoding="utf-8")
    return describe(read(path), path)


def printed(description):
    console = Console(file=io.StringIO(), width=120, color_system=None)
    console.print(render(description))
    return console.file.getvalue()


def test_a_description_is_plain_json(tmp_path):
    description = described(tmp_path)
    assert json.loads(json.dumps(description, allow_nan=False)) == description
    (measurement,) = description["measurements"]
    assert (measurement["experiment"], measurement["rows"]) == ("retention", 3)
    assert (measurement["devices"], measurement["levels"]) == (2, 2)
    assert measurement["times_s"] == {"minimum": 0.0, "maximum": 0.001, "distinct": 2}
    assert measurement["exclusions"] == [{"rule": "resistance_ohm <= 0", "count": 1, "where": "line 4"}]
    assert measurement["source"]["id"] == "cells"
    columns = {column.pop("name"): column for column in measurement["columns"]}
    assert columns["resistance_ohm"] == {"unit": "ohm", "missing": 0, "minimum": 2e3, "maximum": 12.5e3, "distinct": 3}
    assert columns["temperature_K"]["missing"] == 1
    assert columns["level"] == {"unit": "", "missing": 0, "minimum": None, "maximum": None, "distinct": 2}
    assert measurement["first_rows"][1] == [1, "a", 0.001, None, 8e-5, 12500.0]


def test_the_terminal_shows_what_was_understood_and_left_out(tmp_path):
    text = printed(described(tmp_path))
    for words in (
        "retention: 3 rows, 2 devices, 2 levels, 2 times from 0 s to 1 ms",
        "resistance_ohm ← 'R (kOhm)' [kohm]",
        "conductance_S = 1 / resistance_ohm",
        "temperature_K is empty or unreadable, kept as missing: 1 (line 3)",
        "resistance_ohm <= 0",
        "line 4",
        "12.5 kohm",
        "80 uS",
    ):
        assert words in text


def test_a_file_without_exclusions_says_so_and_names_are_not_markup(tmp_path):
    text = printed(described(tmp_path, "device,time_s,G (uS)\n[bold]x[/bold],0,5\n[/red],1,6\n"))
    assert "no row was left out" in text
    assert "[bold]x[/bold]" in text


def test_a_summary_is_called_a_summary(tmp_path):
    text = printed(described(tmp_path, "level,time_s,count,mean_S,sigma_S\n0,5,9,1e-6,1e-7\n"))
    assert "summary of retention: 1 row, 1 level, 1 time from 5 s to 5 s" in text
    assert "100 nS" in text
