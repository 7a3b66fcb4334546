"""Parameters of device models: what each is, in which unit, between which bounds, and where its value was read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nvmphys.errors import BadInput, unknown_name

UNVERIFIED = "unverified, typical"
"""Source of a default that nobody has read in a text."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a device model.

    Attributes
    ----------
    name : str
        As in cards and generated code; letters, digits and underscores.
    unit : str
        SI unit, or eV; "1" without one.
    value : float
        Default.
    bounds : tuple of float
        Lowest and highest value that makes sense.
    scale : str
        How a fit should step: "linear" or "log".
    prior : tuple of float or None
        Centre and σ of what is believed before a fit, in the unit; of its natural logarithm where the scale is "log".
    about : str
        What it is, in words.
    source : str
        Where the default was read; `UNVERIFIED` where it was not.
    """

    name: str
    unit: str
    value: float
    bounds: tuple[float, float]
    about: str
    source: str = UNVERIFIED
    scale: Literal["linear", "log"] = "linear"
    prior: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        low, high = self.bounds
        if not low <= self.value <= high or (self.scale == "log" and low <= 0):
            raise BadInput(f"{self.name}: default {self.value:g} {self.unit} must lie within {low:g} … {high:g}")


def checked_values(model: str, parameters: Sequence[Parameter], values: Mapping[str, float]) -> dict[str, float]:
    """Return the values of all parameters: those given, checked, and the defaults of the others.

    Raises
    ------
    BadInput
        An unknown name (close matches are offered), or a value that is not finite or out of bounds.

    Examples
    --------
    >>> checked_values("m", [Parameter("Ea", "eV", 0.6, (0.4, 1.6), "activation energy")], {})
    {'Ea': 0.6}
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in values:
        if name not in known:
            raise unknown_name(f"parameter of {model}", name, known)
    out = {}
    for name, parameter in known.items():
        value = float(values.get(name, parameter.value))
        low, high = parameter.bounds
        if not math.isfinite(value) or not low <= value <= high:
            raise BadInput(
                f"{model}: {name} must lie within {low:g} … {high:g} {parameter.unit} (got {value:g} "
                f"{parameter.unit}): {parameter.about}"
            )
        out[name] = value
    return out
