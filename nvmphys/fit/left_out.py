"""How a fit predicts rows that it has not seen: errors, coverage, PIT and Wasserstein distance, beside baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import kstest

from nvmphys.errors import BadInput
from nvmphys.fit.conditions import Mask, extreme, only, places
from nvmphys.fit.identify import Values
from nvmphys.fit.judge import INTERVALS, covered, matched_distance
from nvmphys.fit.observed import Observed
from nvmphys.fit.row_baselines import BASELINES, PER_CONDITION, Foretold, foretold, gaussian_per_condition

Array = NDArray[np.float64]
Refit = Callable[[Sequence[Observed]], tuple[Values, Sequence[Observed]]]
"""From what may be seen to all values, and the same experiments with the noise that was found."""


@dataclass(frozen=True, eq=False)
class Judged:
    """How rows that a fit has not seen were predicted.

    Attributes
    ----------
    table : DataFrame
        Rows by experiment and predictor; columns as of `figures`.
    rows : DataFrame
        A row each that was left out: experiment, quantity, measured, predicted and sigma, as the fit foretold it.
    """

    table: pd.DataFrame
    rows: pd.DataFrame


FEWEST = 10
"""Rows from which a Wasserstein distance is told."""
_DRAWS_PER_ROW = 20
_LEAST_SIGMA = 1e-12


def figures(off: Array, sigma: Array | float, rng: np.random.Generator) -> dict[str, float]:
    """Return what measured less foretold numbers say of a prediction with normal scatter around it.

    Parameters
    ----------
    off : ndarray (row,)
        Measured less foretold; rows that nothing was foretold of are NaN and do not count.
    sigma : ndarray (row,) or float
        Standard deviation that was foretold.
    rng : numpy.random.Generator

    Returns
    -------
    dict
        rows, rms and bias in the quantity; sigma, the mean of that foretold; coverage_50, _90, _99 of the central
        intervals; pit_ks_p, the Kolmogorov-Smirnov p value of the probability integral transform being uniform; and
        wasserstein, the distance of off/sigma to a standard normal over the 95th percentile of that of such draws
        (:func:`nvmphys.fit.judge.matched_distance`): up to 1 is what chance makes.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> found = figures(rng.standard_normal(500), 1.0, rng)
    >>> 0.85 < found["coverage_90"] < 0.95, found["wasserstein"] < 1.5
    (True, True)
    """
    told = np.isfinite(off)
    size = np.maximum(np.broadcast_to(sigma, off.shape)[told], _LEAST_SIGMA)
    off = off[told]
    if not off.size:
        return {"rows": 0.0}
    scores = off / size
    pit = np.asarray(ndtr(scores))
    out = {
        "rows": float(off.size), "rms": float(np.sqrt(np.mean(off**2))), "bias": float(off.mean()),
        "sigma": float(size.mean()),
    }  # fmt: skip
    out |= {f"coverage_{100 * p:.0f}": covered(pit, p) for p in INTERVALS}
    out["pit_ks_p"] = float(kstest(pit, "uniform").pvalue)
    if off.size >= FEWEST:
        distance, limit = matched_distance(scores, rng.standard_normal(off.size * _DRAWS_PER_ROW), rng)
        out["wasserstein"] = distance / limit
    return out


def judge_rows(
    observed: Sequence[Observed], out: Sequence[Mask], refit: Refit, model: str, rng: np.random.Generator
) -> Judged:
    """Judge a fit and baselines on rows that they have not seen.

    Parameters
    ----------
    observed : sequence of Observed
    out : sequence of ndarray of bool (row,)
        The rows of each experiment that are left out.
    refit : callable
    model : str
        Name of the fit's row.
    rng : numpy.random.Generator

    Returns
    -------
    Judged

    Raises
    ------
    BadInput
        "nothing is left to fit to".
    """
    seen = [only(o, ~mask) for o, mask in zip(observed, out, strict=True)]
    kept = [o for o in seen if o.measured.size]
    if not kept:
        raise BadInput("nothing is left to fit to: too much was left out")
    values, weighed = refit(kept)
    noise = _by_experiment(weighed)
    rows: dict[tuple[str, str], dict[str, float]] = {}
    told = []
    for k, (o, mask) in enumerate(zip(observed, out, strict=True)):
        if not mask.any():
            continue
        name = o.experiment if (o.experiment, model) not in rows else f"{o.experiment} {k + 1}"
        predicted = o.predict(values)[mask]
        sigma = noise.get(o.experiment, max(noise.values())) * o.sigma[mask]
        rows[name, model] = figures(o.measured[mask] - predicted, sigma, rng)
        own = {"experiment": name, "quantity": o.quantity, "measured": o.measured[mask], "predicted": predicted}
        told.append(pd.DataFrame({**own, "sigma": sigma}))
        rows |= {(name, baseline): found for baseline, found in _baselines(o, mask, rng).items()}
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(list(rows), names=["experiment", "predictor"])
    return Judged(table, pd.concat(told, ignore_index=True))


def judge_devices(
    observed: Sequence[Observed], holdout: float, refit: Refit, model: str, rng: np.random.Generator
) -> Mapping[str, Judged]:
    """Return the judgement on a share of the devices, left out of all experiments; empty where there are too few."""
    named = [o.table["device_id"].unique() for o in observed if "device_id" in o.table]
    devices = sorted({device for each in named for device in each}, key=str)
    n = round(holdout * len(devices))
    if n < 1 or len(devices) - n < 1:
        return {}
    gone = set(rng.permutation(np.array(devices, dtype=object))[:n].tolist())
    out = [
        o.table["device_id"].isin(gone).to_numpy() if "device_id" in o.table else np.zeros(o.measured.size, dtype=bool)
        for o in observed
    ]
    return {f"{n} of {len(devices)} devices": judge_rows(observed, out, refit, model, rng)}


def judge_extremes(
    observed: Sequence[Observed], asked: Sequence[str], refit: Refit, model: str, rng: np.random.Generator
) -> Mapping[str, Judged]:
    """Return a judgement for each condition that is to be left out (`nvmphys.fit.conditions.EXTREMES`)."""
    found = {}
    for what in asked:
        words, out = extreme(observed, what)
        found[words] = judge_rows(observed, out, refit, model, rng)
    return found


def _by_experiment(seen: Sequence[Observed]) -> dict[str, float]:
    """Return the noise of each experiment, the largest where there are several."""
    found: dict[str, float] = {}
    for o in seen:
        found[o.experiment] = max(o.noise, found.get(o.experiment, 0.0))
    return found


def _baselines(o: Observed, out: Mask, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Return the figures of the baselines that can tell the rows left out."""
    at, found = places(o.experiment, o.table), {}
    told: dict[str, Callable[[], Foretold]] = {PER_CONDITION: lambda: gaussian_per_condition(at, o.measured, ~out)} | {
        name: lambda name=name: foretold(name, at, o.measured, ~out) for name in BASELINES
    }
    for name, tell in told.items():
        try:
            one = tell()
        except BadInput:
            continue
        numbers = figures(o.measured[out] - one.mean, one.sigma, rng)
        if numbers["rows"]:
            found[name] = numbers
    return found
