"""Model cards as TOML files: reading, checking, writing, and the cards shipped with the package."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from nvmphys.errors import unknown_name
from nvmphys.files import shipped, write_text
from nvmphys.records import Basis, ModelCard
from nvmphys.tomlfile import checked, read_toml, shown, to_toml

SCHEMA = 1


class _CardFile(BaseModel):
    """What a card file must hold."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = Field(alias="schema")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_]*$")
    kind: Literal["conductance", "dynamics"]
    technology: Literal["rram", "pcm", "fefet"]
    model: str
    values: dict[str, Any]
    units: dict[str, str]
    basis: dict[str, Basis]
    validity: dict[str, Any]
    intervals: dict[str, Any] = {}
    covariance: dict[str, Any] = {}
    population: dict[str, dict[str, Any]] = {}
    calibration: dict[str, Any] = {}
    calibrated: bool = True
    provenance: dict[str, Any] = {}
    assumptions: list[str] = []
    unknown: list[str] = []

    @model_validator(mode="after")
    def _every_value_is_explained(self) -> _CardFile:
        for name, value in self.values.items():
            if name not in self.units or name not in self.basis:
                raise ValueError(f"value {name!r} needs an entry in [units] and in [basis]")
            if _array(value).dtype.kind not in "fiu":
                raise ValueError(f"value {name!r} must be a number or a regular list of numbers (got {shown(value)})")
        for name, value in (*self.values.items(), *self.validity.items()):
            if _array(value).dtype.kind == "f" and np.isnan(value).any():
                raise ValueError(f"value {name!r} must not hold NaN (got {shown(value)})")
        return self


def _array(value: Any) -> np.ndarray:
    """Return a value of a card as an array; one of objects where its rows differ in length."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.empty(0, dtype=object)


def list_cards() -> list[str]:
    """Return the names of the cards shipped with the package."""
    return sorted(path.stem for path in shipped("models").glob("*.toml"))


def load_card(name_or_path: str | os.PathLike[str]) -> ModelCard:
    """Load a model card by the name of a shipped card or by the path of a TOML file.

    Raises
    ------
    BadInput
        Unknown name (close matches are listed), unreadable TOML, or a rule of the card schema broken.

    Examples
    --------
    >>> load_card("pcm_90nm").technology
    'pcm'
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        if str(name_or_path) not in list_cards():
            raise unknown_name("card", str(name_or_path), list_cards())
        path = shipped("models") / f"{name_or_path}.toml"
    content = checked(_CardFile, read_toml(path), str(path))
    fields = {field.name: getattr(content, field.name) for field in dataclasses.fields(ModelCard)}
    fields["assumptions"], fields["unknown"] = tuple(content.assumptions), tuple(content.unknown)
    return ModelCard(**fields)


def save_card(card: ModelCard, path: str | os.PathLike[str]) -> None:
    """Write a card as TOML; the old file stays whole until the new one is complete."""
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "name": card.name,
        "kind": card.kind,
        "technology": card.technology,
        "model": card.model,
        "calibrated": bool(card.calibration),
        "assumptions": list(card.assumptions),
        "unknown": list(card.unknown),
    }
    for section in ("values", "units", "basis", "validity", "intervals", "covariance", "population"):
        content[section] = dict(getattr(card, section))
    content["calibration"], content["provenance"] = dict(card.calibration), dict(card.provenance)
    text = to_toml(content)
    write_text(path, text)
