"""What a write-verify log says, against a log worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from nvmphys.errors import BadInput
from nvmphys.measurement.programming import programmed_cells, programming_summary
from nvmphys.records import Measurement, Source

LOG = pd.DataFrame(
    [  # shuffled on purpose
        (2, 10e-6, 1, 14e-6, 3e-12),
        (1, 10e-6, 0, 1e-6, 0.0),
        (1, 10e-6, 2, 10.5e-6, 2e-12),
        (1, 10e-6, 1, 6e-6, 1e-12),
        (2, 10e-6, 0, 2e-6, 0.0),
        (3, 10e-6, 0, 9.5e-6, 0.0),
        (1, 20e-6, 0, 1e-6, 0.0),
        (1, 20e-6, 1, 12e-6, 5e-12),
    ],
    columns=["device_id", "target_S", "cycle", "conductance_S", "energy_J"],
).assign(window_S=1e-6)


def log(table: pd.DataFrame) -> Measurement:
    return Measurement("write_verify", table, Source("log"))


def test_a_cell_ends_with_its_last_read_and_the_energy_of_all_its_pulses():
    cells = programmed_cells(LOG)
    assert cells[["device_id", "target_S"]].apply(tuple, axis=1).tolist() == [
        (1, 10e-6),
        (1, 20e-6),
        (2, 10e-6),
        (3, 10e-6),
    ]
    assert cells["pulses"].tolist() == [2, 1, 1, 0]
    assert cells["conductance_S"].tolist() == [10.5e-6, 12e-6, 14e-6, 9.5e-6]
    assert cells["energy_J"].tolist() == pytest.approx([3e-12, 5e-12, 3e-12, 0.0])
    assert cells["ended"].tolist() == ["accepted", "below", "above", "accepted"]


def test_the_summary_has_a_row_for_each_target():
    one, other = programming_summary(log(LOG)).to_dict("records")
    assert one["cells"] == 3
    assert one["mean_S"] == pytest.approx((10.5e-6 + 14e-6 + 9.5e-6) / 3)
    assert one["accepted"] == pytest.approx(2 / 3)
    assert one["ended_above"] == pytest.approx(1 / 3)
    assert one["pulses_mean"] == 1.0
    assert one["pulses_99"] == pytest.approx(1.98)
    assert one["energy_mean_J"] == pytest.approx(2e-12)
    assert other["ended_below"] == 1.0
    assert other["q_0.5"] == 12e-6


def test_what_the_verifying_read_showed_decides_whether_a_cell_was_accepted():
    seen = LOG.assign(verified_S=LOG["conductance_S"] + 1e-6)
    assert programmed_cells(seen)["ended"].tolist() == ["above", "below", "above", "accepted"]


def test_a_log_without_window_or_energy_tells_the_rest():
    (row, _) = programming_summary(log(LOG.drop(columns=["window_S", "energy_J"]))).to_dict("records")
    assert set(row) == {
        "target_S",
        "cells",
        "mean_S",
        "sigma_S",
        "q_0.05",
        "q_0.5",
        "q_0.95",
        "pulses_mean",
        "pulses_99",
    }


def test_a_log_without_targets_is_refused():
    with pytest.raises(BadInput, match=r"a write-verify log needs .* \(got no target_S and no cycle\)"):
        programming_summary(log(LOG.drop(columns=["target_S", "cycle"])))
