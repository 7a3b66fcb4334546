"""Which description of a ferroelectric the data ask for: shapes of activation fields, and models beside baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.devices.model import DeviceModel
from nvmphys.errors import BadInput
from nvmphys.fit.ferroelectric import defaults, observed
from nvmphys.fit.identify import Identified, identify
from nvmphys.fit.observed import Observed, problem_of
from nvmphys.records import Measurement

Array = NDArray[np.float64]


def shapes(
    fitted: Sequence[Observed], model: DeviceModel, fixed: Mapping[str, float], rng: np.random.Generator
) -> pd.DataFrame:
    """Compare activation fields of the shape p = q = 1 with those of p and q fitted, by information criteria.

    Parameters
    ----------
    fitted : sequence of Observed
        From `observed`, of `fe_domains`.
    model : DeviceModel
    fixed : mapping of float
        Known values, as given to `observed`.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        A row each, "p = q = 1" and "p and q free": `parameters`, `rms` of the residuals, `bic`, `aic`, `preferred` (the
        lower BIC).
    """
    names, held = defaults(model, fitted)
    rows, begin = [], {**fixed, **held}
    for title, free in (("p = q = 1", names), ("p and q free", (*names, *held))):
        found, _ = _fitted(fitted, model, free, begin, rng)
        begin |= found.values  # the wider form starts where the narrower ended
        n, square = found.residuals.size, float(found.residuals @ found.residuals)
        likely = n * np.log(square / n)
        bic, aic = likely + len(free) * np.log(n), likely + 2 * len(free)
        rows.append({"shape": title, "parameters": len(free), "rms": np.sqrt(square / n), "bic": bic, "aic": aic})
    table = pd.DataFrame(rows).set_index("shape")
    return table.assign(preferred=table["bic"] == table["bic"].min())


def left_out_amplitudes(
    measurement: Measurement,
    models: Sequence[DeviceModel],
    fixed: Mapping[str, float],
    rng: np.random.Generator,
    amplitudes: Sequence[float] | None = None,
    also_free: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Predict the polarization after pulses of each amplitude from those of the others, by models and baselines.

    Parameters
    ----------
    measurement : Measurement
        Of pulses.
    models : sequence of DeviceModel
    fixed : mapping of float
        Known values, as given to `nvmphys.fit.ferroelectric.observed`.
    rng : numpy.random.Generator
    amplitudes : sequence of float, optional
        Which to leave out, one at a time [V]; by default all but the lowest and the highest.
    also_free : mapping of sequence of str, optional
        Parameters by model that are fitted besides the default ones: `{"fe_domains": ("gb_p", "gb_q")}`.

    Returns
    -------
    DataFrame
        A row for each predictor, the best first: models by name, "linear between amplitudes" and "nearest amplitude" at
        the same width. Columns: `rms` of all left-out rows and `worst` rms of one amplitude [C/m²].

    Raises
    ------
    BadInput
        Fewer than four amplitudes, or one to leave out that the table does not hold.
    """
    table = measurement.table.reset_index(drop=True)
    volts = table["pulse_voltage_V"].to_numpy(dtype=float)
    known = np.unique(volts)
    if known.size < 4:
        raise BadInput(f"to leave out amplitudes, pulses must have four at least (got {known.size})")
    whole = {model.name: observed(measurement, model, fixed)[0] for model in models}
    errors: dict[str, list[Array]] = {}
    for amplitude in known[1:-1] if amplitudes is None else amplitudes:
        out = np.isclose(volts, amplitude, rtol=1e-6, atol=0.0)
        if not out.any():
            raise BadInput(
                f"no pulses of {amplitude:g} V to leave out: there are {', '.join(f'{v:g}' for v in known)} V"
            )
        kept, asked = (replace(measurement, table=table[part]) for part in (~out, out))
        true = asked.table["polarization_C_per_m2"].to_numpy(dtype=float)
        for model in models:
            (seen,) = observed(kept, model, fixed)
            names, held = defaults(model, [seen])
            names = (*names, *(also_free or {}).get(model.name, ()))
            found, rest = _fitted([seen], model, names, {**fixed, **held}, rng)
            errors.setdefault(model.name, []).append(whole[model.name].predict({**rest, **found.values})[out] - true)
        for name, guess in _baselines(kept.table, asked.table).items():
            errors.setdefault(name, []).append(guess - true)
    rows = {
        name: {
            "rms": np.sqrt(np.mean(np.concatenate(each) ** 2)),
            "worst": max(np.sqrt(np.mean(one**2)) for one in each),
        }
        for name, each in errors.items()
    }
    return pd.DataFrame(rows).T.sort_values("rms")


def _fitted(
    fitted: Sequence[Observed],
    model: DeviceModel,
    free: Sequence[str],
    values: Mapping[str, float],
    rng: np.random.Generator,
) -> tuple[Identified, dict[str, float]]:
    """Return a fit and the values of what was held."""
    own = model.values(values)
    parameters = tuple(replace(model.parameter(name), value=own[name]) for name in free)
    rest = {name: value for name, value in own.items() if name not in free}
    return identify(problem_of(fitted, parameters, rest), rng=rng, starts=2, profiles=False), rest


def _baselines(kept: pd.DataFrame, asked: pd.DataFrame) -> dict[str, Array]:
    """Return what is read at the nearest amplitude, and on the line between neighbours, at the width nearest."""
    linear, nearest = [], []
    for volts, width in asked[["pulse_voltage_V", "pulse_width_s"]].to_numpy(dtype=float):
        log_ratio = np.abs(np.log(kept["pulse_width_s"].to_numpy(dtype=float) / width))
        alike = kept[log_ratio <= log_ratio.min() + 1e-9].groupby("pulse_voltage_V")["polarization_C_per_m2"].mean()
        at, read = alike.index.to_numpy(dtype=float), alike.to_numpy(dtype=float)
        linear.append(np.interp(volts, at, read))
        nearest.append(read[np.argmin(np.abs(at - volts))])
    return {"linear between amplitudes": np.array(linear), "nearest amplitude": np.array(nearest)}
