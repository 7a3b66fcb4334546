"""Fitting models to measurements. One file a conductance model, found by walking this folder (`NAME`, `fit`).

Device models are all fitted by one way, :func:`nvmphys.fit.dynamics.fit_dynamics`: it knows none by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nvmphys.devices import device, devices, is_device
from nvmphys.discovery import modules_with
from nvmphys.errors import BadInput, unknown_name
from nvmphys.fit.compare import Comparison, compare
from nvmphys.fit.dynamics import DynamicsFit, fit_dynamics
from nvmphys.fit.each import EachFit, fit_each
from nvmphys.fit.law_fit import LawFit
from nvmphys.fit.result import FitResult
from nvmphys.records import Measurement

__all__ = ["Comparison", "DynamicsFit", "EachFit", "FitResult", "LawFit", "compare", "fit", "fit_each", "fittable"]


def fittable() -> list[str]:
    """Return the names of the models that can be fitted: of conductance, and of devices."""
    return sorted({*modules_with(__name__, "NAME"), *devices()})


def fit(
    measurements: Sequence[Measurement],
    model: str,
    *,
    holdout: float = 0.2,
    seed: int | np.random.Generator = 0,
    **options: Any,
) -> FitResult | LawFit | DynamicsFit:
    """Fit a model to measurements.

    Parameters
    ----------
    measurements : sequence of Measurement
        From :func:`nvmphys.read`; raw cells or summary tables.
    model : str
        One of :func:`fittable`.
    holdout : float
        Share of devices left out to judge the fit on [1]; the values themselves come from all devices. Summaries
        cannot be split by device.
    seed : int or numpy.random.Generator
    **options
        Of the model's fit, for example `n_levels` and `g_max_S` of the relaxation law, or `free`, the parameters of a
        device model to fit.

    Returns
    -------
    FitResult, LawFit or DynamicsFit
        Values, intervals, convergence, left-out judgement; `.card(name)` gives the model card.

    Raises
    ------
    BadInput
        Unknown model or option, data the model cannot be fitted to, holdout outside [0, 0.9].
    """
    found = modules_with(__name__, "NAME")
    if model not in found and not is_device(model):
        raise unknown_name("model", model, fittable())
    if not measurements:
        raise BadInput("no measurement to fit: give at least one")
    if not 0 <= holdout <= 0.9:
        raise BadInput(f"holdout must lie within 0 … 0.9 (got {holdout:g}): it is the share of devices left out")
    rng = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)
    number = None if isinstance(seed, np.random.Generator) else int(seed)
    if model not in found:
        return fit_dynamics(measurements, device(model), holdout=holdout, rng=rng, seed=number, **options)
    result: FitResult | LawFit = found[model].fit(measurements, holdout=holdout, rng=rng, seed=number, **options)
    return result
