"""Write the dynamics cards of all device models, and what is generated from them, into models/ (or a folder given).

A card holds the defaults of its model, so the model is the place to change a value: then run this again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from nvmphys.cards import save_card
from nvmphys.codegen import suffix
from nvmphys.codegen.bench import BENCHED, bench_deck, bench_name
from nvmphys.codegen.chosen import choose
from nvmphys.devices import device, devices
from nvmphys.devices.cards import held_by_card
from nvmphys.devices.model import DeviceModel
from nvmphys.parameters import UNVERIFIED, Parameter
from nvmphys.records import Basis, ModelCard

OUT = Path(__file__).resolve().parent.parent / "models"
OURS = "choice of this"
"""How the source of a value begins that no text has, since its form is that of this model alone."""


def published(parameter: Parameter) -> bool:
    """Whether the default of a parameter was read in a text or a code."""
    return parameter.source != UNVERIFIED and not parameter.source.startswith(OURS)


def dynamics_card(model: DeviceModel) -> ModelCard:
    """Return the card of a model's defaults."""
    parameters = [model.parameter(name) for name in held_by_card(model)]
    return ModelCard(
        name=model.name,
        kind="dynamics",
        technology=model.technology,
        model=model.name,
        values={p.name: p.value for p in parameters},
        units={p.name: p.unit for p in parameters},
        basis={p.name: Basis.PUBLISHED if published(p) else Basis.ASSUMED for p in parameters},
        validity={what: list(span) for what, span in model.validity.items()} | {"experiments": list(model.experiments)},
        provenance={
            "sources": [],
            "citation": list(model.references),
            "read_in": [f"{s}: {n}" for s, n in by_source(p for p in parameters if published(p)).items()],
            "computed_by": "scripts/dynamics_cards.py",
        },
        assumptions=tuple(assumptions(model, parameters)),
        unknown=model.limits,
    )


def by_source(parameters: Iterable[Parameter]) -> dict[str, str]:
    """Return the names of parameters by the source that their defaults have."""
    names: dict[str, list[str]] = {}
    for parameter in parameters:
        names.setdefault(parameter.source, []).append(parameter.name)
    return {source: ", ".join(own) for source, own in names.items()}


def assumptions(model: DeviceModel, parameters: list[Parameter]) -> list[str]:
    """Return what is assumed, a sentence each."""
    sentences = [
        f"typical values that were read in no text: {names}" if source == UNVERIFIED else f"{source}: {names}"
        for source, names in by_source(p for p in parameters if not published(p)).items()
    ]
    if model.units is not None:
        names = ", ".join(model.units.parameters)
        sentences.append(f"each {model.units.name} has values of its own, drawn from the distribution: {names}")
    if model.drawn_per_pulse is not None:
        sentences.append(f"a standard normal number drawn for each pulse: {model.drawn_per_pulse}")
    return sentences


def write(folder: Path) -> None:
    """Write card, code and bench decks of each model."""
    for name in devices():
        save_card(dynamics_card(device(name)), folder / f"{name}.toml")
        made = choose(str(folder / f"{name}.toml"))
        for target in sorted(BENCHED):
            code_file = name + suffix(target)
            (folder / code_file).write_text(made.code(target), encoding="utf-8")
            bench = bench_deck(made, target, code_file)
            (folder / bench_name(code_file, target)).write_text(bench, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
