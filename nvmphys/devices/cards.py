"""Dynamics cards: the values of a device model in a file, checked against what the model says of its parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nvmphys.cards import list_cards, load_card
from nvmphys.devices import device, devices, is_device
from nvmphys.devices.model import DeviceModel
from nvmphys.errors import BadInput, unknown_name
from nvmphys.records import ModelCard
from nvmphys.tomlfile import shown

__all__ = ["dynamics_of", "held_by_card", "model_or_card"]


def held_by_card(model: DeviceModel) -> tuple[str, ...]:
    """Return the parameters that a card of the model holds: not those drawn for each unit or each pulse.

    Examples
    --------
    >>> {"Ea", "hth"} & set(held_by_card(device("fe_domains")))
    set()
    """
    drawn = {model.drawn_per_pulse, *(model.units.parameters if model.units else ())}
    return tuple(p.name for p in model.parameters if p.name not in drawn)


def dynamics_of(card: ModelCard) -> tuple[DeviceModel, dict[str, float]]:
    """Return the device model of a dynamics card and the values of all its parameters.

    Those that are drawn for each unit or each pulse stand at their defaults.

    Raises
    ------
    BadInput
        The card is a conductance card, its model or a value is unknown (close matches are offered), a value is missing,
        is no number, has another unit or lies out of bounds.

    Examples
    --------
    >>> from nvmphys.cards import load_card
    >>> model, values = dynamics_of(load_card("rram_gap"))
    >>> model.technology, values["Ea"]
    ('rram', 0.6)
    """
    if card.kind != "dynamics":
        raise BadInput(
            f"card {card.name} is a {card.kind} card, it holds no switching dynamics: nvmphys profile build and "
            "crossbar take it; take a dynamics card here (nvmphys list cards)"
        )
    model = device(card.model)
    if card.technology != model.technology:
        raise BadInput(
            f"card {card.name}: technology of {model.name} must be {model.technology!r} (got {shown(card.technology)})"
        )
    held = held_by_card(model)
    try:
        values = model.values({name: _number(name, value) for name, value in card.values.items()})
    except BadInput as error:
        raise BadInput(f"card {card.name}: {error}") from None
    for name in card.values:
        unit = model.parameter(name).unit
        if name not in held:
            raise BadInput(f"card {card.name}: {name} is drawn anew, a card cannot hold it: leave it out")
        if card.units[name] != unit:
            raise BadInput(f"card {card.name}: unit of {name} must be {unit!r} (got {shown(card.units[name])})")
    missing = [name for name in held if name not in card.values]
    if missing:
        raise BadInput(f"card {card.name}: {', '.join(missing)} missing, which the model {model.name} needs")
    return model, values


def model_or_card(name: str) -> DeviceModel | ModelCard:
    """Return the card of a name or of a file (`.toml`), else the device model of that name: a card comes first.

    Raises
    ------
    BadInput
        Neither is known; close matches of both are offered.
    """
    if Path(name).suffix == ".toml" or name in list_cards():
        return load_card(name)
    if not is_device(name):
        raise unknown_name("card or device model", name, {*list_cards(), *devices()})
    return device(name)


def _number(name: str, value: object) -> float:
    if np.ndim(value) or not isinstance(value, int | float | np.number):  # type: ignore[arg-type]
        raise BadInput(f"{name} must be one number (got {shown(value)})")
    return float(value)
