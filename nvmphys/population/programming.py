"""From a dynamics card and a programming scheme to a conductance card: devices are programmed, and left to rest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import ndtr, ndtri
from scipy.stats import spearmanr

from nvmphys import __version__
from nvmphys.devices.cards import model_or_card
from nvmphys.devices.model import DeviceModel
from nvmphys.errors import BadInput
from nvmphys.measurement.programming import programming_summary
from nvmphys.population import programmed as law
from nvmphys.records import Basis, Measurement, ModelCard, Source, as_rng
from nvmphys.simulate import on_bench
from nvmphys.simulate.experiments import Bench
from nvmphys.simulate.transient import Progress
from nvmphys.simulate.waveform import Piece, joined
from nvmphys.simulate.write_verify import WriteVerify
from nvmphys.tomlfile import checked, read_toml

Array = NDArray[np.float64]

_PROBABILITIES = 61
_STILL = 1e-9
"""Change of ln G below which nothing has changed."""


class Scheme(BaseModel):
    """What a file of a programming scheme may hold; all of it has a default.

    Attributes
    ----------
    cells : int
        Devices that are programmed to each target.
    write_verify : dict
        Settings of the experiment `write_verify` (nvmphys list experiments) in place of those that suit the model.
    population : dict of dict
        How devices differ: by parameter, `sigma` and `sigma_ref`.
    values : dict
        Parameters in place of those of the card.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cells: Annotated[int, Field(ge=2, le=1_000_000)] = 1000
    write_verify: dict[str, Any] = {}
    population: dict[str, dict[str, Any]] = {}
    values: dict[str, float] = {}


def load_scheme(path: str | os.PathLike[str]) -> Scheme:
    """Read a programming scheme from a TOML file.

    Raises
    ------
    BadInput
        No TOML, an unknown key (close matches are offered), a value against its rule.
    """
    return checked(Scheme, read_toml(path), str(path))


def program(
    card: ModelCard | DeviceModel | str,
    targets_S: Sequence[float] | Array | None = None,
    *,
    scheme: Scheme | None = None,
    times_s: Sequence[float] | Array = (),
    rng: np.random.Generator | int = 0,
    progress: Progress | None = None,
) -> ModelCard:
    """Program simulated devices and return the statistics of their conductance as a card.

    Parameters
    ----------
    card : ModelCard, DeviceModel or str
        A dynamics card, or a model at its own values; by name or path too.
    targets_S : array_like, optional
        Conductances to program to [S]; those of the scheme by default.
    scheme : Scheme, optional
        How, and how many devices that differ how (`load_scheme`); what suits the model by default.
    times_s : array_like, optional
        Times since the last pulse at which the resting cells are read [s].
    rng : Generator or int, optional
        A seed is kept in the card.
    progress : callable, optional

    Returns
    -------
    ModelCard
        Of the model `programmed`, every value simulated; `nvmphys.build_profile` takes it.

    Raises
    ------
    BadInput
        "times must be …": a time before the verifying read, or any where nothing changes in the model at 0 V; and what
        `nvmphys.simulate` refuses.

    Examples
    --------
    >>> few = Scheme(cells=50, write_verify={"max_pulses": 20})
    >>> found = program("pcm_accumulative", [5e-6], scheme=few, times_s=[3600.0])
    >>> found.kind, str(found.basis["programmed_quantiles"]), np.shape(found.values["change_quantiles"])
    ('conductance', 'simulated', (1, 1, 61))
    """
    scheme = scheme or Scheme()
    if isinstance(card, str):
        card = model_or_card(card)
    settings = dict(scheme.write_verify)
    if targets_S is not None:
        settings["target_S"] = [float(g) for g in np.unique(np.asarray(targets_S, dtype=float))]
    population = scheme.population or None
    made, bench = on_bench(
        card, "write_verify", n_devices=scheme.cells, rng=as_rng(rng), settings=settings, values=scheme.values,
        population=population, progress=progress,
    )  # fmt: skip
    assert isinstance(made, WriteVerify)
    made = made.model_copy(update={"target_S": tuple(sorted(set(made.target_S)))})
    when = np.setdiff1d(np.asarray(times_s, dtype=float), made.rest_s)  # as programmed is known anyhow
    early = when[~((when > made.rest_s) & (when < np.inf))]
    if early.size:
        raise BadInput(
            f"times must be finite and > {made.rest_s:g} s, when the last read of programming is made (got "
            f"{early[0]:g} s)"
        )
    table, after = made.programmed(bench)
    shape = (len(made.target_S), scheme.cells)
    programmed = _read(after, made).reshape(shape)
    changes = _changes(after, made, when, programmed)
    log = Measurement("write_verify", table, Source(card.name, kind="simulated"))
    return _card(card, made, scheme, programmed, when, changes, log, rng)


def _read(bench: Bench, made: WriteVerify) -> Array:
    return bench.answer(made.read_V, made.temperature_K)["conductance_S"]


def _changes(bench: Bench, made: WriteVerify, when: Array, programmed: Array) -> Array:
    """Return ln G(t)/G of the resting cells (time, target, cell)."""
    found, now = np.empty((when.size, *programmed.shape)), made.rest_s
    for k, time in enumerate(when):
        bench = bench.after(joined([Piece(time - now, 0.0, 0.0)], made.temperature_K))
        now = time
        found[k] = np.log(_read(bench, made).reshape(programmed.shape) / programmed)
    if when.size and np.abs(found).max() < _STILL:
        raise BadInput(
            f"times must be {made.rest_s:g} s (as programmed; got {when[-1]:g} s): nothing in {bench.model.name} "
            "changes at 0 V, so it tells nothing of the time after programming"
        )
    return found


def _card(
    card: ModelCard | DeviceModel, made: WriteVerify, scheme: Scheme, programmed: Array, when: Array, changes: Array,
    log: Measurement, rng: np.random.Generator | int,
) -> ModelCard:  # fmt: skip
    """Put the statistics, and what they come from, into a card."""
    if isinstance(card, ModelCard):
        own, origin, taken, unsaid = card.values, dict(card.provenance), card.assumptions, card.unknown
    else:
        own, origin, taken, unsaid = card.values(), {"citation": list(card.references)}, (), card.limits
    end = float(ndtri(0.5 / scheme.cells))
    probability = ndtr(np.linspace(end, -end, _PROBABILITIES))
    quantiles = np.quantile(programmed, probability, axis=1, method="hazen").T
    values: dict[str, Any] = {
        "level_S": list(made.target_S), "probability": probability.tolist(), "programmed_quantiles": quantiles.tolist(),
    }  # fmt: skip
    if when.size:
        moved = np.quantile(changes, probability, axis=2, method="hazen")
        values |= {"time_s": when.tolist(), "change_quantiles": np.moveaxis(moved, 0, -1).tolist()}
        values["change_correlation"] = _tied(programmed, changes[-1], alike=0.0)
        values["history_correlation"] = _tied(changes[0], changes[-1], alike=1.0)
    units = {name: "S" if name in ("level_S", "programmed_quantiles") else "1" for name in values}
    units |= {"time_s": "s"} if when.size else {}
    times = [made.rest_s] if not when.size else when.tolist()
    differ = scheme.population or (card.population if isinstance(card, ModelCard) else {})
    return ModelCard(
        name=f"{card.name}_programmed",
        kind="conductance",
        technology=card.technology,
        model=law.NAME,
        values=values,
        units=units,
        basis=dict.fromkeys(values, Basis.SIMULATED),
        validity={
            "target_S": [made.target_S[0], made.target_S[-1]],
            "time_s": [made.rest_s if made.rest_s > 0 else times[0], times[-1]],
            "programmed_at_s": made.rest_s,
            "temperature": f"{made.temperature_K:g} K",
        },
        provenance={
            "dynamics": card.name, "scheme": made.model_dump(exclude_none=True), "population": dict(differ),
            "values": dict(own) | dict(scheme.values),
            "cells": scheme.cells, "seed": rng if isinstance(rng, int) else "a generator was passed",
            "versions": {"nvmphys": __version__, "numpy": np.__version__},
            "dynamics_provenance": origin,
            "programming": programming_summary(log).to_dict("list"),
        },
        assumptions=(*taken, *_assumptions(differ, made, when)),
        unknown=(
            *unsaid, "read noise apart from the spread", *(() if when.size else ("everything after programming",)),
        ),
    )  # fmt: skip


def _assumptions(differ: Mapping[str, Mapping[str, Any]], made: WriteVerify, when: Array) -> list[str]:
    """Say what was taken for granted."""
    spread = ", ".join(f"{name} σ {each.get('sigma'):g} ({each.get('sigma_ref')})" for name, each in differ.items())
    pulses = ", ".join(f"{name} σ {share:g} of it" for name, share in made.c2c.items())
    said = [
        f"devices differ by {spread}" if spread else "devices are alike",
        f"pulses differ by {pulses}" if pulses else "pulses differ by nothing that the model does not draw itself",
        "between targets, quantiles of the error are linear in the target",
    ]
    return said + (["histories: a cell keeps its rank of change"] if when.size else [])


def _tied(one: Array, other: Array, alike: float) -> float:
    """Return the correlation of ranks of cells (target, cell), mean over targets; `alike` where no cell differs."""
    found = [
        float(spearmanr(a, b).statistic)
        for a, b in zip(one, other, strict=True)
        if np.ptp(a) > _STILL * np.abs(a).max() and np.ptp(b) > _STILL
    ]
    return float(np.mean(found)) if found else alike
