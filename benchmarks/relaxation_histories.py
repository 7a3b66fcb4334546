"""One cell, one history: rank correlations over time, increments, and quiet cells, on cells the law has not seen.

Beside the law, with the same marginals: independent times, and one score for life.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from _claims import OPTIONS, conclude, relaxation_cells
from numpy.typing import NDArray
from scipy.stats import spearmanr, wasserstein_distance

from nvmphys.fit.judge import folds
from nvmphys.fit.relaxation import fit_cells
from nvmphys.population.relaxation import RelaxationLaw

Array = NDArray[np.float64]

QUIET_S = 0.5e-6
DRAWS = 10
NULLS = 20


def draw(law: RelaxationLaw, first_S: Array, kind: str, rng: np.random.Generator) -> Array:
    """Return changes (cell, node) of histories of a kind."""
    n = first_S.size
    if kind == "law":
        z = law.history.scores(law.times_s, n, rng)
    elif kind == "independent times":
        z = rng.standard_normal((law.times_s.size, n))
    else:
        z = np.broadcast_to(rng.standard_normal(n), (law.times_s.size, n))
    return np.stack([law.change_S(first_S, t, z[k]) for k, t in enumerate(law.times_s)], axis=1)


def deviations(first_S: Array, change_S: Array, level: NDArray[np.int64]) -> Array:
    """Return conductance less the mean of its level."""
    conductance = pd.DataFrame(first_S[:, None] + change_S)
    return (conductance - conductance.groupby(level).transform("mean")).to_numpy()


def rank_correlation(table: Array, i: int, j: int) -> float:
    """Return Spearman's correlation of two columns over the rows that have both."""
    return float(spearmanr(table[:, i], table[:, j], nan_policy="omit")[0])


def quiet(change_S: Array) -> float:
    """Return the share of cells that stay within `QUIET_S` over all times."""
    path = np.column_stack([np.zeros(len(change_S)), change_S])
    path = path[np.isfinite(path).all(axis=1)]
    return float(np.mean(np.ptp(path, axis=1) < QUIET_S))


def step_ratio(measured: Array, drawn: Array, rng: np.random.Generator) -> float:
    """Return the Wasserstein distance of steps over that of as many draws of the law to the law."""
    measured = measured[np.isfinite(measured)]
    null = [wasserstein_distance(rng.choice(drawn, measured.size), drawn) for _ in range(NULLS)]
    return float(wasserstein_distance(measured, drawn) / np.mean(null))


def main() -> int:
    rng = np.random.default_rng(1)
    cells = relaxation_cells()
    drawn: dict[str, list[Array]] = {"law": [], "independent times": [], "one score for life": []}
    order = []
    for left_out in folds(len(cells), 5, rng):
        law, optimum = fit_cells(cells[np.setdiff1d(np.arange(len(cells)), left_out)], OPTIONS, rng)
        assert optimum.converged, optimum.message
        order.append(left_out)
        for kind, parts in drawn.items():
            parts.append(draw(law, np.repeat(cells.first_S[left_out], DRAWS), kind, rng))
    cells = cells[np.concatenate(order)]
    measured = cells.change_S[:, cells.common]
    level, first = np.repeat(cells.level, DRAWS), np.repeat(cells.first_S, DRAWS)
    truth = deviations(cells.first_S, measured, cells.level)
    pairs = {"0.01-1 s": (0, 2), "1-1e5 s": (2, 3)}
    figures = {}
    print(f"measured: quiet cells {quiet(measured):.2%}; nodes {law.times_s} s (4 s left out)")
    for kind, parts in drawn.items():
        model = np.concatenate(parts)
        deviation = deviations(first, model, level)
        gaps = {
            name: rank_correlation(deviation, i, j) - rank_correlation(truth, i, j) for name, (i, j) in pairs.items()
        }
        steps = np.diff(model, axis=1, prepend=0.0)
        seen = np.diff(measured, axis=1, prepend=0.0)
        ratios = [step_ratio(seen[:, k], steps[:, k], rng) for k in range(steps.shape[1])]
        share = quiet(model)
        figures[kind] = {
            "spearman_gap": {name: round(gap, 4) for name, gap in gaps.items()},
            "step_ratio": [round(r, 2) for r in ratios],
            "quiet_gap": round(share - quiet(measured), 4),
        }
        print(f"{kind:20s} {figures[kind]}  quiet {share:.2%}")
    chosen = figures["law"]
    met = (
        all(abs(gap) <= 0.05 for gap in chosen["spearman_gap"].values())
        and all(ratio <= 1.5 for ratio in chosen["step_ratio"])
        and abs(chosen["quiet_gap"]) <= 0.01
    )
    target = {"spearman_gap": "± 0.05", "step_ratio": "<= 1.5", "quiet_gap": "± 0.01"}
    return conclude("relaxation histories of left-out cells", chosen, target, met)


if __name__ == "__main__":
    sys.exit(main())
