"""Fitting models to measurements. One file a fit, found by walking this folder (`NAME`, `fit`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nvmphys.discovery import modules_with
from nvmphys.errors import BadInput, unknown_name
from nvmphys.fit.result import FitResult
from nvmphys.records import Measurement

__all__ = ["FitResult", "fit", "fittable"]


def fittable() -> list[str]:
    """Return the names of the models that can be fitted."""
    return sorted(modules_with(__name__, "NAME"))


def fit(
    measurements: Sequence[Measurement],
    model: str,
    *,
    holdout: float = 0.2,
    seed: int | np.random.Generator = 0,
    **options: Any,
) -> FitResult:
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
        Of the model's fit, for example `n_levels` and `g_max_S` of the relaxation law.

    Returns
    -------
    FitResult
        Values, intervals, convergence, left-out judgement; `.card(name)` gives the model card.

    Raises
    ------
    BadInput
        Unknown model or option, data the model cannot be fitted to, holdout outside [0, 0.9].
    """
    found = modules_with(__name__, "NAME")
    if model not in found:
        raise unknown_name("model", model, found)
    if not measurements:
        raise BadInput("no measurement to fit: give at least one")
    if not 0 <= holdout <= 0.9:
        raise BadInput(f"holdout must lie within 0 … 0.9 (got {holdout:g}): it is the share of devices left out")
    rng = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)
    number = None if isinstance(seed, np.random.Generator) else int(seed)
    result: FitResult = found[model].fit(measurements, holdout=holdout, rng=rng, seed=number, **options)
    return result
