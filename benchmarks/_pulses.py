"""Raw pulse data of $NVMPHYS_DATA as measurements: single-pulse grids of 1T1R cells, ramps of pulses on one device."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pandas as pd

import nvmphys as nv
from nvmphys.records import Measurement


def _folder(name: str) -> Path:
    if "NVMPHYS_DATA" not in os.environ:
        sys.exit(f"set NVMPHYS_DATA to the folder that holds {name}")
    return Path(os.environ["NVMPHYS_DATA"]) / name


def single_pulses(kind: str) -> list[Measurement]:
    """Read the grid of `set` or `reset` pulses twice: the resistances before (cycle 0), and after (cycle 1)."""
    path = _folder("rram_1t1r_switching") / f"{kind}_sweep.tsv.gz"
    before = {"device_id": 1, "resistance_ohm": 5}
    after = {"device_id": 1, "pulse_width_s": 2, "gate_voltage_V": 3, "pulse_voltage_V": 4, "resistance_ohm": 6}
    no_pulse = {"cycle": 0, "pulse_voltage_V": 0.0}
    return [
        *nv.read(path, {"experiment": "pulse", "columns": before, "constants": no_pulse}),
        *nv.read(path, {"experiment": "pulse", "columns": after, "constants": {"cycle": 1}}),
    ]


def pulse_ramps() -> list[Measurement]:
    """Turn the ramps, one a column, into one train of pulses; the amplitudes are not known, their signs are.

    RESET ramp j ends where SET ramp j begins. The first value of a ramp is read before its first pulse (0 V). The read
    voltage of 0.1 V is an assumption of the data's own example.
    """
    folder = _folder("analog_pulse_ramps")
    up, down = (pd.read_csv(folder / f"{name}.csv") for name in ("set", "reset"))
    parts = []
    for j in range(down.shape[1]):
        for sign, table in ((-1.0, down), (1.0, up)):
            if j < table.shape[1]:
                current = table.iloc[:, j].dropna().to_numpy()
                volts = [0.0] + [sign] * (current.size - 1)
                parts.append(pd.DataFrame({"pulse_voltage_V": volts, "current_A": current}))
    train = pd.concat(parts, ignore_index=True).rename_axis("cycle").reset_index()
    columns = {name: name for name in train}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "ramps.csv"
        train.to_csv(path, index=False)
        constants = {"device_id": 1, "voltage_V": 0.1}
        return nv.read(path, {"experiment": "pulse_train", "columns": columns, "constants": constants})
