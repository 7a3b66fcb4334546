"""Statistics of programmed cells: the conductance models. One file a model, found by walking this folder.

A model file declares `NAME` and `from_card(card)`, which gives a :class:`~nvmphys.population.law.CellLaw`.
"""

from __future__ import annotations

from nvmphys.discovery import modules_with
from nvmphys.errors import BadInput, unknown_name
from nvmphys.population.law import CellLaw, draw_cells
from nvmphys.records import ModelCard

__all__ = ["CellLaw", "draw_cells", "law_of", "models"]


def models() -> list[str]:
    """Return the names of the conductance models."""
    return sorted(modules_with(__name__, "NAME"))


def law_of(card: ModelCard) -> CellLaw:
    """Build the law that a conductance card parametrises.

    Raises
    ------
    BadInput
        The card is a dynamics card, its model is not a conductance model, or it lacks a value that the model needs.
    """
    if card.kind != "conductance":
        raise BadInput(
            f"card {card.name} is a {card.kind} card, it holds no statistics of programmed cells: nvmphys simulate or "
            "codegen take it; take a conductance card here (nvmphys list cards)"
        )
    found = modules_with(__name__, "NAME")
    if card.model not in found:
        raise unknown_name("conductance model", card.model, found)
    try:
        law: CellLaw = found[card.model].from_card(card)
    except KeyError as error:
        raise BadInput(f"card {card.name}: {error.args[0]} is missing, which the model {card.model} needs") from None
    return law
