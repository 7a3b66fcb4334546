"""The technologies side by side: published figures of RRAM, PCM, FeFET, STT-MRAM and Flash, each with its source.

A row of the table is one fact about one device. What could not be read in a public text has no row.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping
from typing import Literal, get_args

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from nvmphys.errors import BadInput
from nvmphys.measurement.source import shipped_data, source_of
from nvmphys.measurement.units import engineering
from nvmphys.tomlfile import checked

SOURCE = "technologies"
YEAR_S = 365.25 * 86400.0

Technology = Literal["RRAM", "PCM", "FeFET", "STT-MRAM", "Flash"]
Property = Literal[
    "levels",
    "on_off_ratio",
    "write_energy",
    "write_time",
    "endurance",
    "retention",
    "dominant_nonideality",
    "maturity",
]
TECHNOLOGIES: tuple[Technology, ...] = get_args(Technology)
PROPERTIES: tuple[Property, ...] = get_args(Property)

UNITS: Mapping[Property, str] = {
    "levels": "1",
    "on_off_ratio": "1",
    "write_energy": "J",
    "write_time": "s",
    "endurance": "1",
    "retention": "s",
}
"""The unit of a property's numbers; a property without one is told in words."""


class Fact(BaseModel):
    """A row of the table; `value_low` alone says "at least", `value_high` alone "at most"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    technology: Technology
    property: Property
    value_low: float | None = Field(gt=0, allow_inf_nan=False)
    value_high: float | None = Field(gt=0, allow_inf_nan=False)
    unit: str
    text: str
    device: str = Field(min_length=1)
    basis: Literal["published", "measured", "bound"]
    citation: str = Field(min_length=1)
    doi: str = Field(pattern=r"^(10\..+/.+)?$")
    locator: str = Field(min_length=1)

    @field_validator("value_low", "value_high", mode="before")
    @classmethod
    def _empty_is_no_number(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("value_high")
    @classmethod
    def _not_below_low(cls, high: float | None, row: ValidationInfo) -> float | None:
        low = row.data.get("value_low")
        if low is not None and high is not None and high < low:
            raise ValueError(f"must be >= value_low, {low:g}")
        return high

    @field_validator("unit")
    @classmethod
    def _goes_with_a_number(cls, unit: str, row: ValidationInfo) -> str:
        name = row.data.get("property")
        numbers = row.data.get("value_low") is not None or row.data.get("value_high") is not None
        if name is None:
            return unit
        if numbers and name not in UNITS:
            raise ValueError(f"{name} is told in words, not in numbers")
        expected = UNITS[name] if numbers else ""
        if unit != expected:
            raise ValueError(f"must be {expected!r} {'beside' if numbers else 'without'} a number")
        return unit

    @field_validator("text")
    @classmethod
    def _something_is_said(cls, text: str, row: ValidationInfo) -> str:
        if not text and row.data.get("value_low") is None and row.data.get("value_high") is None:
            raise ValueError("a row needs a number or a text")
        return text


def read_facts(path: str | os.PathLike[str]) -> list[Fact]:
    """Read and check a table of technologies, one fact a row.

    Raises
    ------
    BadInput
        "cannot be read"; else the file, the line, the column, the rule and the value of the first fault.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, restkey="(cells beyond the last column)", restval="", strict=True)
            return [checked(Fact, row, f"{path}: line {rows.line_num}") for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: cannot be read ({error}): restore the file") from error


def _shipped_facts() -> list[Fact]:
    path = shipped_data(SOURCE)
    source_of(path)  # refuses a file with another hash than its description gives
    return read_facts(path)


def load_technologies() -> pd.DataFrame:
    """Return the shipped table of technologies, one fact a row.

    Returns
    -------
    pandas.DataFrame
        Columns `technology, property, value_low, value_high, unit, text, device, basis, citation, doi, locator`;
        values in SI units (J, s; 1 for a number of states, a ratio or cycles), NaN where only the other end or
        words are known.

    Raises
    ------
    BadInput
        As `read_facts`; "is not the file that source.toml describes" when the hash differs.

    Examples
    --------
    >>> facts = load_technologies()
    >>> states = facts[(facts["technology"] == "FeFET") & (facts["property"] == "levels")]
    >>> int(states["value_low"].iloc[0]), states["citation"].iloc[0]
    (32, 'Jerry et al., IEDM 2017')
    """
    facts = pd.DataFrame([fact.model_dump() for fact in _shipped_facts()], columns=list(Fact.model_fields))
    return facts.astype({"value_low": float, "value_high": float})


def technology_matrix() -> dict[str, dict[str, list[str]]]:
    """Return what is known of each technology, by property, for people to read; no fact where nothing was verified.

    Examples
    --------
    >>> technology_matrix()["FeFET"]["on_off_ratio"][0]
    '45 (HZO 10 nm on SiO2 0.8 nm, Jerry 2017)'
    """
    facts = _shipped_facts()
    return {
        technology: {
            name: [_cell(fact) for fact in facts if (fact.technology, fact.property) == (technology, name)]
            for name in PROPERTIES
        }
        for technology in TECHNOLOGIES
    }


def _cell(fact: Fact) -> str:
    """Write a fact in one line; a basis other than the published word is told."""
    value = " ".join(part for part in (_range(fact), fact.text) if part)
    basis = [fact.basis] if fact.basis == "measured" else []
    return f"{value} ({', '.join([fact.device, *basis, _short(fact.citation)])})"


def _range(fact: Fact) -> str:
    low, high = (None if v is None else _number(v, fact.unit) for v in (fact.value_low, fact.value_high))
    if low is None or high is None:
        return f"≥ {low}" if low else f"≤ {high}" if high else ""
    return low if low == high else f"{low} to {high}"


def _number(value: float, unit: str) -> str:
    """Write an SI value as an engineer reads it, a long time in years.

    >>> _number(75e-9, "s"), _number(6e-13, "J"), _number(1e15, "1"), _number(3.15576e8, "s"), _number(1e5, "s")
    ('75 ns', '600 fJ', '1e15', '10 y', '1e5 s')
    """
    if unit == "s" and value >= YEAR_S:
        written = f"{value / YEAR_S:.4g} y"
    elif unit == "J":  # a joule takes the prefixes that a siemens takes
        written = engineering(value, "S").removesuffix("S") + unit
    else:
        written = engineering(value, unit if unit == "s" else "").strip()
    return re.sub(r"e\+?(-?)0*", r"e\1", written)


def _short(citation: str) -> str:
    """Return who and when of a citation, the first name and the last year.

    >>> _short("Rao et al., Nature 615, 823 (2023)")
    'Rao 2023'
    """
    years = re.findall(r"\b(?:19|20)\d\d\b", citation)
    return " ".join([citation.split(",")[0].removesuffix(" et al."), *years[-1:]])
