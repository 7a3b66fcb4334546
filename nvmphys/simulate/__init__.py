"""Experiments on device models: stimuli as a user thinks of them, on one device or a population."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nvmphys.devices.cards import dynamics_of, model_or_card
from nvmphys.errors import BadInput, unknown_name
from nvmphys.records import Measurement, ModelCard, Source, as_rng
from nvmphys.simulate.devices import drawn
from nvmphys.simulate.experiments import EXPERIMENTS as _IN_ONE_GO
from nvmphys.simulate.experiments import Bench, Experiment
from nvmphys.simulate.transient import Progress, Transient, read, transient
from nvmphys.simulate.write_verify import WriteVerify
from nvmphys.tomlfile import checked

if TYPE_CHECKING:
    from nvmphys.devices.model import DeviceModel

__all__ = ["EXPERIMENTS", "Transient", "experiment", "on_bench", "read", "simulate", "transient"]

EXPERIMENTS: Mapping[str, type[Experiment]] = {**_IN_ONE_GO, WriteVerify.name: WriteVerify}
"""What can be simulated, by name."""


def experiment(model: DeviceModel, name: str, settings: Mapping[str, Any] | None = None) -> Experiment:
    """Return an experiment with the settings that suit a model, those given in their place.

    Raises
    ------
    BadInput
        An experiment that is unknown or that the model does not answer; an unknown setting or one against its rule.

    Examples
    --------
    >>> from nvmphys.devices import device
    >>> experiment(device("rram_gap"), "sweep", {"ramp_rate_V_per_s": 10.0}).positive_V
    2.0
    """
    if name not in model.experiments or name not in EXPERIMENTS:
        raise unknown_name(f"experiment of {model.name}", name, model.experiments)
    suited = {key: value for key, value in model.experiments[name].items() if key != "start"}
    return checked(EXPERIMENTS[name], suited | dict(settings or {}), f"settings of {name}")


def simulate(
    card: ModelCard | DeviceModel | str,
    name: str,
    *,
    n_devices: int = 1,
    n_cycles: int | None = None,
    rng: np.random.Generator | int = 0,
    settings: Mapping[str, Any] | None = None,
    values: Mapping[str, float] | None = None,
    population: Mapping[str, Mapping[str, Any]] | None = None,
    n_units: int | None = None,
    start: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> Measurement:
    """Make an experiment on simulated devices.

    Parameters
    ----------
    card : ModelCard, DeviceModel or str
        A dynamics card, or a model at its own values; by name or path too.
    name : str
        One of the model's experiments.
    n_devices : int, optional
    n_cycles : int, optional
        Repetitions, for an experiment that has them.
    rng : Generator or int, optional
        For what differs between devices, units and pulses.
    settings : mapping, optional
        Settings of the experiment in place of those that suit the model.
    values : mapping, optional
        Parameters in place of those of the card.
    population : mapping, optional
        How devices differ, in place of the card's (`nvmphys.simulate.devices.drawn`).
    n_units : int, optional
        Units of a device, where the model has units.
    start : mapping, optional
        States by name, in units of their scales, in place of those at rest.
    progress : callable, optional
        Told what is done, how much of it and of how much.

    Returns
    -------
    Measurement
        Tidy, as if read from a file; `understood` says what was simulated and what lies beyond the model's validity.

    Raises
    ------
    BadInput
        What cannot be used: see `experiment`, `nvmphys.simulate.devices.drawn` and `transient`.
    CheckFailed
        A device that could not be integrated.

    Examples
    --------
    >>> loop = simulate("fe_preisach", "pv_loop")
    >>> round(100 * float(loop.table["polarization_C_per_m2"].max()), 1)
    46.4
    """
    if isinstance(card, str):
        card = model_or_card(card)
    asked = dict(settings or {}) | ({} if n_cycles is None else {"n_cycles": n_cycles})
    made, bench = on_bench(
        card, name, n_devices=n_devices, rng=as_rng(rng), settings=asked, values=values, population=population,
        n_units=n_units, start=start, progress=progress,
    )  # fmt: skip
    model = bench.model
    table = made.run(bench)
    said = [
        f"simulated: {model.title} ({card.name}), {name}, {n_devices} devices"
        + (f" of {bench.devices.n_units} {model.units.name}s" if model.units else ""),
        f"settings: {json.dumps(made.model_dump())}",
        *_beyond(model, made),
    ]
    source = Source(card.name, model.title, "; ".join(model.references), kind="simulated", n_devices=n_devices)
    return Measurement(name, table.assign(experiment=name), source, tuple(said))


def on_bench(
    card: ModelCard | DeviceModel,
    name: str,
    *,
    n_devices: int,
    rng: np.random.Generator,
    settings: Mapping[str, Any] | None = None,
    values: Mapping[str, float] | None = None,
    population: Mapping[str, Mapping[str, Any]] | None = None,
    n_units: int | None = None,
    start: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> tuple[Experiment, Bench]:
    """Return an experiment, and the devices on the bench for it; arguments and errors are those of `simulate`."""
    if isinstance(card, ModelCard):
        model, own = dynamics_of(card)
        spread = card.population if population is None else population
    else:
        model, own, spread = card, {}, population or {}
    if n_units is not None and n_units > 0 and model.units is None:
        raise BadInput(f"{model.name}: units must be left out, the model has none (got {n_units})")
    made = experiment(model, name, settings)
    devices = drawn(model, n_devices, rng, own | dict(values or {}), spread, n_units)
    states = devices.start(model, dict(model.experiments[name].get("start", {})) | dict(start or {}))
    return made, Bench(model, devices, states, rng, progress)


def _beyond(model: DeviceModel, made: Experiment) -> list[str]:
    """Say where an experiment leaves what the model is meant for."""
    volts = made.extremes()
    heat = np.atleast_1d(np.asarray(made.model_dump()["temperature_K"]))
    found = {"voltage_V": volts, "temperature_K": (float(heat.min()), float(heat.max()))}
    units = {"voltage_V": "V", "temperature_K": "K"}
    return [
        f"beyond the validity of {model.name}: {key} {low:g} … {high:g} {units[key]} against "
        f"{model.validity[key][0]:g} … {model.validity[key][1]:g} {units[key]}"
        for key, (low, high) in found.items()
        if key in model.validity and (low < model.validity[key][0] or high > model.validity[key][1])
    ]
