"""The relaxation law on cells it has not seen: coverage and Wasserstein distance, five-fold by address.

Beside it, on the same cells: a Gaussian per bin and time, and the look-up table of the training cells. Then the same
figures for every fourth bin when those bins are left out of the fit altogether.
"""

from __future__ import annotations

import sys

import numpy as np
from _claims import OPTIONS, conclude, relaxation_cells

from nvmphys.fit.cells import Cells
from nvmphys.fit.judge import GaussianBins, Judgement, LawPredictor, LookUpTable, Predictor, folds, judge
from nvmphys.fit.relaxation import fit_cells

LIMITS = {0.5: 0.015, 0.9: 0.01, 0.99: 0.007}
WITHIN = 0.85


def show(name: str, pooled: Judgement, by_fold: list[float]) -> None:
    coverage = "  ".join(f"{p:.0%} {100 * pooled.coverage(p):6.2f}" for p in LIMITS)
    folded = f"{np.mean(by_fold):.3f}" if by_fold else "-"
    print(f"{name:22s} coverage {coverage}   within limit: pooled {pooled.within:.3f}, mean of folds {folded}")


def main() -> int:
    rng = np.random.default_rng(1)
    cells = relaxation_cells()
    parts: dict[str, list[tuple[Predictor, Cells]]] = {"law": [], "Gaussian per bin": [], "look-up table": []}
    for left_out in folds(len(cells), 5, rng):
        seen, unseen = cells[np.setdiff1d(np.arange(len(cells)), left_out)], cells[left_out]
        law, optimum = fit_cells(seen, OPTIONS, rng)
        assert optimum.converged, optimum.message
        parts["law"].append((LawPredictor(law), unseen))
        parts["Gaussian per bin"].append((GaussianBins.of(seen), unseen))
        parts["look-up table"].append((LookUpTable.of(seen), unseen))
    print(
        f"{len(cells)} cells, bins 0-31, five-fold by address; a perfect law is within the limit in 0.95 of the groups"
    )
    print(
        "(pooled, the look-up tables of the folds hold nearly all left-out cells between them: see the mean of folds)"
    )
    pooled = {}
    for name, predictions in parts.items():
        pooled[name] = judge(predictions, rng)
        show(name, pooled[name], [judge([part], rng).within for part in predictions])
    by_time = pooled["law"].table.groupby("time_s")["within"].mean()
    print("law by time: " + "  ".join(f"{t:.3g} s {share:.2f}" for t, share in by_time.items()))

    fourth = cells.level % 4 == 1
    blind, _ = fit_cells(cells[~fourth], OPTIONS, rng)
    unseen_bins = judge([(LawPredictor(blind), cells[fourth])], rng)
    show("law, bins not seen", unseen_bins, [])

    law = pooled["law"]
    figure = {f"coverage_{p:g}": round(law.coverage(p), 4) for p in LIMITS} | {"within": round(law.within, 4)}
    met = all(abs(law.coverage(p) - p) <= limit for p, limit in LIMITS.items()) and law.within >= WITHIN
    target = {f"coverage_{p:g}": f"{p} ± {limit}" for p, limit in LIMITS.items()} | {"within": f">= {WITHIN}"}
    return conclude("relaxation law on left-out cells", figure, target, met)


if __name__ == "__main__":
    sys.exit(main())
