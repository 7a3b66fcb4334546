"""What recovery claims share: pulls and intervals of fits to made data, and their tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import pandas as pd
from scipy.stats import binomtest, chi2, ttest_1samp

from nvmphys.fit.dynamics import DynamicsFit
from nvmphys.fit.identify import Identified, coordinate
from nvmphys.impact.significance import holm
from nvmphys.parameters import Parameter

TESTS = ("p_mean", "p_variance", "p_coverage")
_Z = 1.6448536269514722
"""Half a 90 % interval over its standard error."""


def scored(
    parameters: Mapping[str, Parameter], truth: Mapping[str, float], found: Identified
) -> Iterator[dict[str, Any]]:
    """Yield pull, (found - true)/σ in the fit's coordinate, and whether the 90 % interval covers, a row a parameter."""
    for name, true in truth.items():
        parameter = parameters[name]
        low, high = (coordinate(parameter, x) for x in found.intervals[name])
        pull = (coordinate(parameter, found.values[name]) - coordinate(parameter, true)) / ((high - low) / 2 / _Z)
        yield {
            "parameter": name,
            "pull": pull,
            "covered": found.intervals[name][0] <= true <= found.intervals[name][1],
            "unknown": name in found.unknown,
            "hit": bool(found.convergence.bound_hits),
            "converged": found.convergence.converged,
        }


def many(design: str, count: int, one: Callable[[], Iterator[dict[str, Any]]]) -> pd.DataFrame:
    """Return the rows of many sets of a design, telling how far it is."""
    rows = []
    for k in range(count):
        rows += [{"design": design, "set": k, **row} for row in one()]
        if (k + 1) % max(count // 4, 1) == 0:
            print(f"{design}: {k + 1} of {count}", flush=True)
    return pd.DataFrame(rows)


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """Return mean, variance and coverage of each parameter with Holm-corrected p-values, a row each."""
    out = []
    for (design, parameter), part in rows.groupby(["design", "parameter"], sort=False):
        pull, n = part["pull"].to_numpy(), len(part)
        spread = float(pull.var(ddof=1))
        tail = chi2.cdf((n - 1) * spread, n - 1)
        out.append(
            {
                "design": design, "parameter": parameter, "mean": pull.mean(), "variance": spread,
                "coverage": part["covered"].mean(), "p_mean": ttest_1samp(pull, 0.0).pvalue,
                "p_variance": 2 * min(tail, 1 - tail),
                "p_coverage": binomtest(int(part["covered"].sum()), n, 0.9).pvalue,
            }
        )  # fmt: skip
    table = pd.DataFrame(out)
    for what in TESTS:
        table[what] = holm(table[what].to_numpy())
    return table


def flagged(name: str, count: int, fitted: Callable[[], tuple[Any, DynamicsFit]], unknown: Collection[str]) -> int:
    """Return in how many sets of a design one of its open parameters is called unknown or hits a bound."""
    told = 0
    for _ in range(count):
        found = fitted()[1].identified
        told += bool({*found.unknown, *found.convergence.bound_hits} & set(unknown))
    print(f"{name}: {told} of {count} flagged", flush=True)
    return told


def least(table: pd.DataFrame) -> dict[str, float]:
    """Return the least Holm-corrected p-value of each test."""
    return {what: round(float(table[what].min()), 3) for what in TESTS}
