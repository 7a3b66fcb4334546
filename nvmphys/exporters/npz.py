"""The tables of a profile as one NumPy archive, without pickled objects."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.exporters.carried import Carried, exponents
from nvmphys.exporters.loss import LossReport, loss_report
from nvmphys.exporters.steps import Steps, steps_of
from nvmphys.exporters.tabulated import Population, Tabulated, metadata_of, population_over_time, said_of_tables
from nvmphys.exporters.tools import Draw
from nvmphys.files import replacing
from nvmphys.profile import VariationProfile

NAME = "npz"
FILE = "profile.npz"

Array = NDArray[np.float64]


def write(profile: VariationProfile, folder: Path) -> LossReport:
    """Write `profile.npz`: axes and tables by the names of the profile, and `metadata`, a JSON text."""
    t = profile.tables
    arrays: dict[str, Any] = {
        name: getattr(t, name)
        for name in ("target_S", "time_s", "temperature_K", "probability", "quantiles_S", "mean_S", "sigma_S",
                     "correlation")
    }  # fmt: skip
    if profile.read_noise_S is not None:
        arrays["read_noise_S"] = profile.read_noise_S
    if profile.sigma_range_S is not None:
        arrays["sigma_range_S"] = profile.sigma_range_S
    for name, extra in profile.extras.items():
        arrays[f"population_{name}_S"] = population_over_time(profile, extra)
    steps = steps_of(profile)
    if steps is not None:
        arrays |= {
            "pulse_level_S": steps.level_S, "pulse_probability": steps.probability, "pulse_set_S": steps.set_S,
            "pulse_reset_S": steps.reset_S, "pulse_kept": np.array(steps.kept),
        }  # fmt: skip
    metadata = metadata_of(profile) | {
        "populations": {
            name: {"weight": extra.weight, "interval": extra.interval, "stays": extra.stays}
            for name, extra in profile.extras.items()
        }
    }
    with replacing(folder / FILE) as part, open(part, "wb") as file:
        np.savez(file, metadata=np.array(json.dumps(metadata, default=str)), **arrays)
    return loss_report(NAME, said_of_tables(profile, "metadata"))


def read_back(folder: Path) -> Carried:
    """Read the tables at the lowest temperature."""
    arrays, metadata = _load(Path(folder))
    steps = None
    if "pulse_level_S" in arrays:
        level, probability, up, down = (
            arrays[f"pulse_{name}"] for name in ("level_S", "probability", "set_S", "reset_S")
        )
        steps = Steps(level, probability, up, down, float(arrays["pulse_kept"]))
    return Carried(
        arrays["target_S"], arrays["time_s"], arrays["mean_S"][0], arrays["sigma_S"][0], arrays["probability"],
        arrays["quantiles_S"][0], arrays["correlation"][0], arrays.get("read_noise_S"),
        {name: each["weight"] for name, each in metadata["populations"].items()},
        exponents(metadata["drift"]), steps,
    )  # fmt: skip


def draws(draw: Draw) -> Array:
    """Draw cells (time, target, cell) [S] from the tables."""
    arrays, metadata = _load(Path(draw.folder))
    populations = tuple(
        Population(float(each["weight"]), arrays[f"population_{name}_S"])
        for name, each in metadata["populations"].items()
    )
    heat = arrays["temperature_K"]
    h = 0 if draw.temperature_K is None else int(np.argmin(np.abs(heat - draw.temperature_K)))
    tables = Tabulated(
        arrays["target_S"], arrays["time_s"], arrays["probability"], arrays["quantiles_S"][h],
        arrays["correlation"][h], arrays["mean_S"][h], populations, arrays.get("read_noise_S"),
    )  # fmt: skip
    return tables.draw(draw)


def _load(folder: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    try:
        with open(folder / FILE, "rb") as file, np.load(file) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return arrays, json.loads(str(arrays.pop("metadata")))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(f"{folder / FILE}: not an export of a profile ({error})") from None
