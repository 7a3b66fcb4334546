"""A device model with everything chosen that code of it needs: values from a card, changes, units, where it starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nvmphys import __version__
from nvmphys.codegen import generate
from nvmphys.devices.cards import dynamics_of, model_or_card
from nvmphys.devices.model import DeviceModel, System
from nvmphys.errors import BadInput
from nvmphys.records import ModelCard, as_rng

__all__ = ["Chosen", "choose"]

UNITS_OF_A_CIRCUIT = 20
"""Units such as domains of a circuit where nobody says how many: each is nodes of its own."""
MOST_UNITS = 1000


@dataclass(frozen=True, eq=False)
class Chosen:
    """A device model with its values, ready to become code.

    Attributes
    ----------
    model : DeviceModel
    values : dict of float
        Of all parameters.
    units : list of dict or None
        Parameters of each unit, where the model has units.
    start : dict of float
        States in place of those at rest, in units of their scales.
    name : str
        What the subcircuit or module is called.
    provenance : tuple of str
        Lines for the head of the code: where the values come from.
    """

    model: DeviceModel
    values: dict[str, float]
    units: list[dict[str, float]] | None
    start: dict[str, float]
    name: str
    provenance: tuple[str, ...]

    def code(self, target: str) -> str:
        """Return the code of the device for a target."""
        return generate(
            self.model, target, self.values, units=self.units, start=self.start, name=self.name,
            provenance=self.provenance,
        )  # fmt: skip

    def system(self) -> System:
        """Return the equations behind the code."""
        return self.model.system(self.values, self.units, self.start)


def choose(
    name: str,
    changed: Mapping[str, float] | None = None,
    start: Mapping[str, float] | None = None,
    *,
    units: int | None = None,
    seed: int = 0,
) -> Chosen:
    """Take a dynamics card, or a device model at its defaults, with some values changed.

    Parameters
    ----------
    name : str
        Name of a shipped card, path of a card file (`.toml`), or name of a device model that has no card.
    changed : mapping, optional
        Parameters in place of the card's; checked against their bounds.
    start : mapping, optional
        States in place of those at rest, in units of their scales.
    units : int, optional
        How many units such as domains, 20 by default; their own parameters are drawn with the seed.
    seed : int, optional

    Raises
    ------
    BadInput
        Unknown card, model, parameter or state, a value out of bounds, a conductance card, or "units must …".

    Examples
    --------
    >>> made = choose("fe_domains", {"eps": 25.0}, units=3, seed=1)
    >>> len(made.units), made.values["eps"]
    (3, 25.0)
    >>> print(made.provenance[-1])
    validity: voltage_V -4 to 4, temperature_K 280 to 320
    """
    changed, start = dict(changed or {}), dict(start or {})
    model, values, card = _found(name)
    own = model.units.parameters if model.units else ()
    for parameter in changed:
        if model.units and parameter in own:
            raise BadInput(f"{model.name}: {parameter} is drawn for each {model.units.name}: it cannot be set")
    values = model.values(values | changed)
    drawn = _drawn(model, values, units, seed)
    lines = _said_of(model, card, changed)
    if model.units and drawn:
        lines.append(f"units: {len(drawn)} ({model.units.name}), {', '.join(own)} of each drawn with seed {seed}")
    lines.append(f"sha256 of values, units and start: {_hash(model, values, drawn, start)}")
    ranges = (f"{what} {low:g} to {high:g}" for what, (low, high) in model.validity.items())
    lines += [f"nvmphys {__version__}", f"validity: {', '.join(ranges)}"]
    return Chosen(model, values, drawn, start, card.name if card else model.name, tuple(lines))


def _found(name: str) -> tuple[DeviceModel, dict[str, float], ModelCard | None]:
    """Return model, values and card of a name: a card of that name comes before a model."""
    found = model_or_card(name)
    if isinstance(found, DeviceModel):
        return found, {}, None
    return *dynamics_of(found), found


def _drawn(
    model: DeviceModel, values: Mapping[str, float], count: int | None, seed: int
) -> list[dict[str, float]] | None:
    """Draw the parameters of each unit."""
    if model.units is None:
        if count is not None:
            raise BadInput(f"{model.name}: units must be left out (got {count}): the model has none")
        return None
    count = UNITS_OF_A_CIRCUIT if count is None else count
    if not 1 <= count <= MOST_UNITS:
        raise BadInput(f"{model.name}: units must be 1 … {MOST_UNITS} (got {count}): each is nodes of its own")
    rng = as_rng(seed)
    uniform = {name: rng.uniform(size=count) for name in model.units.parameters}
    found = model.units.quantiles({name: np.asarray(value) for name, value in values.items()}, uniform)
    # digits that all machines agree on, so that the same seed gives the same text
    return [{name: float(f"{found[name][k]:.12g}") for name in model.units.parameters} for k in range(count)]


def _said_of(model: DeviceModel, card: ModelCard | None, changed: Mapping[str, float]) -> list[str]:
    """Return what is to be said of the values: their card and the basis of each."""
    if card is None:
        lines = [f"device model {model.name} at its defaults, no card"]
    else:
        lines = [f"card {card.name}, {card.technology}, {'calibrated' if card.calibration else 'not calibrated'}"]
        for basis in sorted({str(basis) for basis in card.basis.values()}):
            named = [name for name in card.values if card.basis[name] == basis and name not in changed]
            if named:
                lines.append(f"{basis}: {', '.join(named)}")
    if changed:
        given = ", ".join(f"{name} = {value:g} {model.parameter(name).unit}" for name, value in changed.items())
        lines.append(f"changed by hand, assumed: {given}")
    return lines


def _hash(
    model: DeviceModel, values: Mapping[str, float], units: list[dict[str, float]] | None, start: Mapping[str, float]
) -> str:
    """Return the SHA-256 of everything that decides how the device behaves, by the names of parameters and states."""
    content = {"model": model.name, "values": dict(values), "units": units, "start": dict(start)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
