"""Device models as candidates: each that declares the experiments and can be fitted to such rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nvmphys.devices import device, devices
from nvmphys.devices.model import DeviceModel
from nvmphys.errors import BadInput
from nvmphys.fit.candidates import ROW, Candidate, Options, Question, foretold_rows
from nvmphys.fit.dynamics import foretell_rows, observed_of
from nvmphys.records import Measurement

COMPARES = "device model"


def names() -> list[str]:
    """Return the names of all device models."""
    return devices()


def candidates(wanted: Sequence[str], measurements: Sequence[Measurement], options: Options) -> list[Candidate]:
    """Return device models; those that do not fit these measurements say why."""
    return [_candidate(device(name), measurements, options) for name in wanted]


def _candidate(model: DeviceModel, measurements: Sequence[Measurement], options: Options) -> Candidate:
    strange = sorted({m.experiment for m in measurements} - set(model.experiments))
    if strange:
        return Candidate(model.name, COMPARES, refuses=f"it does not declare {', '.join(strange)}")
    try:
        observed = observed_of(measurements, model, options)
    except BadInput as error:
        return Candidate(model.name, COMPARES, refuses=str(error))

    def foretell(question: Question, rng: np.random.Generator) -> pd.DataFrame:
        out = [question.out[m.table[ROW].to_numpy()] for m in question.measurements]
        told = foretell_rows(question.measurements, model, out, rng=rng, options=options)
        return pd.concat([foretold_rows(o.table[ROW].to_numpy(), mean, noise) for o, mean, noise in told])

    return Candidate(model.name, COMPARES, foretell, observed=tuple(observed))
