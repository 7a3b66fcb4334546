"""Levels for NVMExplorer's fault injection: normalised mean and σ of each level for 1, 2 and 3 bits, and the cell.

NVMExplorer (Pentecost et al., HPCA 2022, doi 10.1109/HPCA53966.2022.00084) describes a memory cell by a JSON entry of
`custom_cells` and its programmed levels by (mean, σ) on a scale of 0 … 1. Pulses and energies are not in a profile: the
entry leaves them out, and says so.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.exporters.carried import Carried
from nvmphys.exporters.index import save_index
from nvmphys.exporters.loss import LossReport, basis_in_words, loss_report
from nvmphys.exporters.normal_levels import NormalLevels, levels_of, said_of
from nvmphys.exporters.tools import Draw
from nvmphys.profile import VariationProfile

NAME = "nvmexplorer"
BITS = (1, 2, 3)
FILE = "nvmexplorer.json"
TO_FILL_IN = ("cell_size_F2", "read_voltage", "set_voltage", "reset_voltage", "set_pulse", "reset_pulse", "set_energy",
              "reset_energy")  # fmt: skip

Array = NDArray[np.float64]


def write(profile: VariationProfile, folder: Path) -> LossReport:
    """Write `nvmexplorer.json`: the cell, and for every time (mean, σ) of each level on the scale of the targets."""
    low, high = profile.level_range_S
    levels = []
    for bits in BITS:
        of = levels_of(profile, 2**bits)
        for k, time in enumerate(of.time_s):
            scaled = np.stack([(of.mean_S[:, k] - low) / (high - low), of.sigma_S[:, k] / (high - low)], axis=1)
            levels.append({"bits": bits, "time_s": float(time), "mean_sigma": scaled.tolist()})
    cell = {"cell_type": profile.technology.upper(), "name": profile.name, "r_on_read_v": 1 / high}
    cell |= {"r_off_read_v": 1 / low} if low > 0 else {}
    content = {
        "custom_cells": [cell], "not in a profile, to be filled in": TO_FILL_IN, "levels": levels,
        "range_S": [low, high], "basis": basis_in_words(profile), "validity": dict(profile.validity),
    }  # fmt: skip
    save_index(folder / FILE, content)
    return loss_report(NAME, said_of(profile, levels_of(profile, 2 ** BITS[-1])))


def read_back(folder: Path) -> Carried:
    """Read the levels of most bits, in siemens."""
    return _levels(Path(folder)).carried


def axes(folder: Path) -> tuple[Array, Array]:
    """Return the targets [S] and times [s] that can be drawn: the levels of most bits."""
    levels = _levels(folder)
    return levels.target_S, levels.time_s


def draws(draw: Draw) -> Array:
    """Draw cells (time, target, cell) [S], normal about each level."""
    return _levels(Path(draw.folder)).draw(draw)


def _levels(folder: Path) -> NormalLevels:
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        low, high = content["range_S"]
        found = [each for each in content["levels"] if each["bits"] == BITS[-1]]
        scaled = np.array([each["mean_sigma"] for each in found]).transpose(2, 1, 0)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder / FILE}: not a table of levels ({error})") from None
    time = np.array([each["time_s"] for each in found])
    target = np.linspace(low, high, 2 ** BITS[-1])
    return NormalLevels(target, time, low + scaled[0] * (high - low), scaled[1] * (high - low))
