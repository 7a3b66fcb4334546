"""Cells that do not follow the law, counted: how many there are, and where they sit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import beta

from nvmphys.fit.cells import Cells
from nvmphys.population.law import Extra
from nvmphys.records import Basis


def over_set_population(over_set: Cells, n_all: int) -> dict[str, Extra]:
    """Count the cells first read beyond the highest level; empty where there is none."""
    k = len(over_set)
    if k == 0:
        return {}
    quantiles = np.quantile(over_set.first_S, np.linspace(0.5 / 16, 1 - 0.5 / 16, 16))
    note = "first read beyond the highest level; which target they were meant for is not in the data: assumed any"
    return {"over_set": Extra(k / n_all, share_interval(k, n_all), quantiles, Basis.MEASURED, note)}


def share_interval(k: int, n: int, level: float = 0.9) -> tuple[float, float]:
    """Return the Clopper–Pearson interval of a share k/n.

    Examples
    --------
    >>> [round(x, 4) for x in share_interval(0, 100)]
    [0.0, 0.0295]
    """
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, k, n - k + 1)) if k else 0.0
    return low, float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0


def population_tables(extras: Mapping[str, Extra]) -> dict[str, dict[str, Any]]:
    """Return the `[population.<name>]` tables of a card."""
    return {
        name: {
            "weight": extra.weight,
            "interval": list(extra.interval),
            "quantiles_S": extra.quantiles_S.tolist(),
            "basis": str(extra.basis),
            "note": extra.note,
            "stays": extra.stays,
        }
        for name, extra in extras.items()
    }
