"""Device models as candidates: each that declares the experiments and can be fitted to such rows.

Where the voltage of a gate varies from row to row cells stand behind an access transistor: then the models are those
in series with one, else those without.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nvmphys.devices import SUFFIX, device, devices
from nvmphys.devices.model import DeviceModel
from nvmphys.errors import BadInput
from nvmphys.fit.candidates import ROW, Answer, Candidate, Options, Question, foretold_rows
from nvmphys.fit.dynamics import foretell_rows, observed_of
from nvmphys.fit.watch import Watch
from nvmphys.records import Measurement

COMPARES = "device model"


def names() -> list[str]:
    """Return the names of all device models, and of those that can stand in series with an access transistor."""
    return [*devices(), *(f"{name}{SUFFIX}" for name in devices() if _in_series(name) is not None)]


def _in_series(name: str) -> DeviceModel | None:
    """Return a model behind a transistor; None where it cannot stand there."""
    try:
        return device(f"{name}{SUFFIX}")
    except BadInput:
        return None


def candidates(wanted: Sequence[str], measurements: Sequence[Measurement], options: Options) -> list[Candidate]:
    """Return device models; those that do not fit these measurements say why."""
    return [_candidate(device(name), measurements, options) for name in wanted]


def _candidate(model: DeviceModel, measurements: Sequence[Measurement], options: Options) -> Candidate:
    why = _refused(model, measurements, str(options.get("technology", "")))
    observed = []
    if not why:
        try:
            observed = observed_of(measurements, model, options)
        except BadInput as error:
            why = str(error)
    if why:
        return Candidate(model.name, COMPARES, refuses=why)

    def foretell(question: Question, rng: np.random.Generator) -> Answer:
        out = [question.out[m.table[ROW].to_numpy()] for m in question.measurements]
        told = foretell_rows(
            question.measurements, model, out, rng=rng, options=options, watch=Watch(question.seconds)
        )  # fmt: skip
        rows = [foretold_rows(o.table[ROW].to_numpy(), mean, sigma) for o, mean, sigma in told.rows]
        return Answer(pd.concat(rows), told.note)

    return Candidate(model.name, COMPARES, foretell, observed=tuple(observed), technology=model.technology)


def _refused(model: DeviceModel, measurements: Sequence[Measurement], technology: str) -> str:
    """Return why a model is no candidate for such measurements; "" where it is one."""
    if technology and model.technology != technology:
        return f"it is of {model.technology}, the data of {technology}"
    strange = sorted({m.experiment for m in measurements} - set(model.experiments))
    if strange:
        return f"it does not declare {', '.join(strange)}"
    gates = [m.table["gate_voltage_V"].dropna() for m in measurements if "gate_voltage_V" in m.table]
    is_gated = bool(gates) and pd.concat(gates).nunique() > 1
    if is_gated and model.access is None and model.drain is None and _in_series(model.name) is not None:
        return f"the voltage of a gate varies, and it has none: {model.name}{SUFFIX} does"
    if not is_gated and model.access is not None:
        return "no voltage of a gate varies from row to row (gate_voltage_V)"
    return ""
