"""The records that travel between modules: what was measured, where it came from, what was fitted."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from nvmphys.errors import BadInput


class Basis(enum.StrEnum):
    """Where a number comes from (see the README, *Where a number comes from*)."""

    MEASURED = "measured"
    PUBLISHED = "published"
    BOUND = "bound"
    SIMULATED = "simulated"
    ASSUMED = "assumed"


class SigmaRef(enum.StrEnum):
    """What a standard deviation refers to; a σ never travels without it."""

    ABSOLUTE = "absolute"
    OF_VALUE = "of_value"
    OF_RANGE = "of_range"
    OF_LSB = "of_lsb"


TECHNOLOGY_NAMES: Mapping[str, str] = {"rram": "RRAM", "pcm": "PCM", "fefet": "FeFET"}
"""Technologies of cards, as people write them."""

EXPERIMENTS = (
    "sweep",
    "pulse",
    "pulse_train",
    "ispp",
    "write_verify",
    "retention",
    "bake",
    "read_noise",
    "pund",
    "pv_loop",
    "id_vg",
    "endurance",
)

TIDY_UNITS: Mapping[str, str] = {
    "device_id": "",
    "cycle": "",
    "experiment": "",
    "level": "",
    "target_S": "S",
    "window_S": "S",
    "time_s": "s",
    "temperature_K": "K",
    "voltage_V": "V",
    "gate_voltage_V": "V",
    "current_A": "A",
    "conductance_S": "S",
    "verified_S": "S",
    "resistance_ohm": "ohm",
    "pulse_voltage_V": "V",
    "pulse_width_s": "s",
    "trailing_s": "s",
    "polarization_C_per_m2": "C/m^2",
    "energy_J": "J",
}
"""Columns of a tidy measurement and their SI units; unused columns are absent."""


@dataclass(frozen=True)
class Exclusion:
    """Rows that a reader or a fit left out: how many, by which rule, and where the first few stand."""

    rule: str
    count: int
    where: str = ""


@dataclass(frozen=True)
class Source:
    """Where data comes from: citation for people, hash for machines."""

    id: str
    title: str = ""
    citation: str = ""
    doi: str = ""
    locator: str = ""
    kind: str = "measured"
    licence: str = ""
    n_devices: int | None = None
    conditions: str = ""
    computed_by: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Measurement:
    """One experiment as a tidy table in SI units, one observation a row.

    Attributes
    ----------
    experiment : str
        One of `EXPERIMENTS`.
    table : pandas.DataFrame
        Columns from `TIDY_UNITS`; rows in file order. A summary (`is_summary`) has one row per level and time instead:
        `level, level_low_S, level_high_S, time_s, quantity, count, mean_S, sigma_S, q_<probability>` …
    source : Source
    understood : tuple of str
        What the reader inferred, a sentence each (format, separator, column ← header [unit]).
    exclusions : tuple of Exclusion
        Rows left out, counted, with the rule.
    """

    experiment: str
    table: pd.DataFrame
    source: Source
    understood: tuple[str, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()

    @property
    def is_summary(self) -> bool:
        """Whether a row is a statistic of many cells (has `count`) rather than one observation."""
        return "count" in self.table.columns

    @property
    def n_devices(self) -> int | None:
        """Number of distinct devices, where the table names them."""
        return int(self.table["device_id"].nunique()) if "device_id" in self.table else None


@dataclass(frozen=True)
class ModelCard:
    """A model's fitted or published values with everything needed to judge and repeat them.

    `values`, `units`, `intervals` (90 %, low and high) and `basis` share their keys; a value is a number or a nested
    list of numbers, all in SI units.
    """

    name: str
    kind: str
    technology: str
    model: str
    values: Mapping[str, Any]
    units: Mapping[str, str]
    basis: Mapping[str, Basis]
    validity: Mapping[str, Any]
    intervals: Mapping[str, Any] = field(default_factory=dict)
    covariance: Mapping[str, Any] = field(default_factory=dict)
    population: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def array(self, name: str) -> np.ndarray:
        """Return one value as a float array."""
        return np.asarray(self.values[name], dtype=float)


def as_rng(rng: np.random.Generator | int) -> np.random.Generator:
    """Turn a seed into a generator at the door; a generator passes through.

    >>> as_rng(1).integers(10) == as_rng(np.random.default_rng(1)).integers(10)
    np.True_
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if rng < 0:
        raise BadInput(f"seed must be >= 0 (got {rng})")
    return np.random.default_rng(rng)
