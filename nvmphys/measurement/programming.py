"""What a write-verify log says: where cells ended, how many pulses they took, and what energy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nvmphys.errors import BadInput
from nvmphys.records import Measurement

_NEEDS = ("device_id", "target_S", "cycle", "conductance_S")


def programmed_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each cell of a write-verify log: its last read, its pulses, and the energy of them all.

    Parameters
    ----------
    table : DataFrame
        `device_id`, `target_S`, `cycle`, `conductance_S`, and of `window_S`, `verified_S`, `energy_J` those that are
        there; a cell is a device and a target.

    Returns
    -------
    DataFrame
        `device_id`, `target_S`, `pulses`, `conductance_S`, `energy_J` [J]; where the window is known also `window_S`
        and `ended`, "accepted", "above" or "below", by what the last verifying read showed.

    Raises
    ------
    BadInput
        "a write-verify log needs …".

    Examples
    --------
    >>> log = pd.DataFrame({"device_id": 1, "target_S": 1e-5, "cycle": [0, 1], "conductance_S": [1e-6, 9.5e-6]})
    >>> programmed_cells(log.assign(window_S=1e-6))[["pulses", "ended"]].to_dict("records")
    [{'pulses': 1, 'ended': 'accepted'}]
    """
    missing = [name for name in _NEEDS if name not in table]
    if missing:
        raise BadInput(f"a write-verify log needs {', '.join(_NEEDS)} (got no {' and no '.join(missing)})")
    ordered = table.sort_values("cycle", kind="stable")
    cells = ordered.groupby(["device_id", "target_S"], sort=True)
    last = cells.tail(1).set_index(["device_id", "target_S"]).sort_index()
    found = pd.DataFrame({"pulses": last["cycle"], "conductance_S": last["conductance_S"]})
    if "energy_J" in table:
        found["energy_J"] = cells["energy_J"].sum()
    if "window_S" in table:
        seen = last["verified_S" if "verified_S" in last else "conductance_S"]
        error = seen - last.index.get_level_values("target_S")
        found["window_S"] = last["window_S"]
        inside = error.abs() <= last["window_S"]
        found["ended"] = np.where(inside, "accepted", np.where(error > 0, "above", "below"))
    return found.reset_index()


def programming_summary(measurement: Measurement) -> pd.DataFrame:
    """Return the figures of a write-verify log, a row for each target.

    Returns
    -------
    DataFrame
        `target_S`, `cells`; mean, σ (absolute) and quantiles of the programmed conductance (`mean_S`, `sigma_S`,
        `q_0.05`, `q_0.5`, `q_0.95`); `pulses_mean`, `pulses_99` (99 % quantile); where they are known `window_S` (half
        width), shares of the cells `accepted`, `ended_above` and `ended_below` [1] (given up after the last pulse, or
        above where there is no RESET), and `energy_mean_J`, `energy_99_J` of a cell's pulses.

    Raises
    ------
    BadInput
        As `programmed_cells`.
    """
    cells = programmed_cells(measurement.table)
    rows = []
    for target, own in cells.groupby("target_S"):
        end = own["conductance_S"]
        row = {"target_S": target, "cells": len(own), "mean_S": end.mean(), "sigma_S": end.std()}
        row |= {f"q_{p:g}": end.quantile(p) for p in (0.05, 0.5, 0.95)}
        if "ended" in own:
            row["window_S"] = own["window_S"].iloc[0]
            row["accepted"] = (own["ended"] == "accepted").mean()
            row |= {f"ended_{where}": (own["ended"] == where).mean() for where in ("above", "below")}
        row |= {"pulses_mean": own["pulses"].mean(), "pulses_99": own["pulses"].quantile(0.99)}
        if "energy_J" in own:
            row |= {"energy_mean_J": own["energy_J"].mean(), "energy_99_J": own["energy_J"].quantile(0.99)}
        rows.append(row)
    return pd.DataFrame(rows)
