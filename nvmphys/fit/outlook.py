"""What a law fitted on short times says of the longest one: the test of its extrapolation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from nvmphys.fit.cells import Cells
from nvmphys.fit.judge import LawPredictor
from nvmphys.population.extrapolation import EXTRAPOLATIONS
from nvmphys.population.relaxation import RelaxationLaw

GROUPS = {"lowest eighth": (0.0, 0.125), "up to the middle": (0.125, 0.5), "upper half": (0.5, 1.0)}
"""Groups of levels, as shares of the number of levels."""
_DRAWS = 10


def judge_extrapolation(early: RelaxationLaw, cells: Cells, rng: np.random.Generator) -> pd.DataFrame:
    """Judge every candidate law of the spread on the last nominal time of cells.

    Parameters
    ----------
    early : RelaxationLaw
        Fitted on earlier times only.
    cells : Cells
        Cells with the last time; the same cells may have served at the earlier times.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        Rows (law, group): coverage of the 90 % interval [1], relative error of σ [1]; group "all" first.
    """
    last = cells.nominal_s.size - 1
    n_levels = cells.edges_S.size - 1
    members = {"all": np.ones(len(cells), dtype=bool)} | {
        name: (cells.level >= low * n_levels) & (cells.level < high * n_levels) for name, (low, high) in GROUPS.items()
    }
    rows = []
    for name in EXTRAPOLATIONS:
        predictor = LawPredictor(replace(early, extrapolation=name), extrapolate=True)
        pit = predictor.pit(cells, last)
        drawn = predictor.draw(cells, last, rng.standard_normal((len(cells), _DRAWS)))
        for group, mine in members.items():
            mine = mine & np.isfinite(cells.change_S[:, last])
            if mine.any():
                coverage = float(np.mean(np.abs(pit[mine] - 0.5) <= 0.45))
                error = float(np.std(drawn[mine]) / np.std(cells.change_S[mine, last]) - 1)
                rows.append((name, group, coverage, error))
    return pd.DataFrame(rows, columns=["law", "group", "coverage_0.9", "sigma_error"])
