"""What kind of experiment a table is, and the columns that each kind needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

MANY_READS = 200
"""Reads per device above which a series in time may as well be read noise: then the kind is asked for."""

NEEDS: Mapping[str, tuple[str, ...]] = {
    "sweep": ("voltage_V", "current_A"),
    "pulse": ("pulse_voltage_V", "conductance_S"),
    "pulse_train": ("conductance_S",),
    "ispp": ("pulse_voltage_V", "conductance_S"),
    "write_verify": ("target_S", "conductance_S"),
    "retention": ("device_id", "time_s", "conductance_S"),
    "bake": ("device_id", "time_s", "temperature_K", "conductance_S"),
    "read_noise": ("time_s", "conductance_S"),
    "pund": ("time_s", "voltage_V", "current_A"),
    "pv_loop": ("voltage_V", "polarization_C_per_m2"),
    "id_vg": ("gate_voltage_V", "current_A"),
    "endurance": ("cycle", "conductance_S"),
}
"""Columns that an experiment cannot do without; a conductance may also come from a resistance or from I/V, and a pulse
on a ferroelectric leaves a polarization in its place."""


def needed(columns: Iterable[str], experiment: str) -> tuple[str, ...]:
    """Return the columns that an experiment cannot do without, given those that there are.

    >>> needed(["pulse_voltage_V", "polarization_C_per_m2"], "pulse")
    ('pulse_voltage_V', 'polarization_C_per_m2')
    """
    if experiment == "pulse" and "polarization_C_per_m2" in set(columns):
        return ("pulse_voltage_V", "polarization_C_per_m2")
    return NEEDS[experiment]


def missing_columns(columns: Iterable[str], experiment: str) -> list[str]:
    """Return the columns that an experiment needs and that are neither there nor can be derived.

    >>> missing_columns(["device_id", "resistance_ohm"], "retention")
    ['time_s']
    """
    there = set(columns)
    if "resistance_ohm" in there or {"current_A", "voltage_V"} <= there:
        there.add("conductance_S")
    return [name for name in needed(there, experiment) if name not in there]


def infer(table: pd.DataFrame) -> tuple[str, str] | None:
    """Infer the experiment where the columns leave no doubt; return it with the reason, else None.

    >>> infer(pd.DataFrame({"device_id": [1, 1], "time_s": [0.0, 9.0], "conductance_S": [1e-6, 2e-6]}))
    ('retention', 'each row has a device, a time and a conductance')
    >>> infer(pd.DataFrame({"voltage_V": [0.0, 0.1], "time_s": [0.0, 1.0]})) is None
    True
    """
    columns = set(table.columns)
    swept = {name for name in columns if name != "device_id" and table[name].nunique() > 1}
    read = bool(columns & {"conductance_S", "resistance_ohm"})
    stimuli = swept & {"voltage_V", "gate_voltage_V", "pulse_voltage_V", "pulse_width_s"}

    if read and {"device_id", "time_s"} <= columns and not stimuli and "cycle" not in swept:
        if len(table) <= MANY_READS * max(table["device_id"].nunique(), 1):
            return "retention", "each row has a device, a time and a conductance"
        return None
    if "time_s" in columns:
        return None
    if stimuli == {"voltage_V"} and "polarization_C_per_m2" in columns:
        return "pv_loop", "a polarization against a voltage"
    if stimuli == {"voltage_V"} and "current_A" in columns:
        return "sweep", "a current against a voltage"
    if stimuli == {"gate_voltage_V"} and "current_A" in columns:
        return "id_vg", "a current against a gate voltage"
    if read and not stimuli and "target_S" in columns and "cycle" not in swept:
        return "write_verify", "a conductance for each target"
    if read and not stimuli and "cycle" in swept and "target_S" not in columns:
        return "endurance", "a conductance against the cycle"
    return None
