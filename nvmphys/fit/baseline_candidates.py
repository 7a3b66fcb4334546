"""Baselines as candidates: what one would say without a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.fit.candidates import ROW, Answer, Candidate, Options, Question, foretold_rows
from nvmphys.fit.conditions import places
from nvmphys.fit.row_baselines import BASELINES, PER_CONDITION, Foretold, foretold, gaussian_per_condition
from nvmphys.records import Measurement

COMPARES = "baseline"
Array = NDArray[np.float64]
Tell = Callable[[pd.DataFrame, Array, NDArray[np.bool_]], Foretold]


def names() -> list[str]:
    """Return the names of all baselines."""
    return [PER_CONDITION, *BASELINES]


def candidates(wanted: Sequence[str], measurements: Sequence[Measurement], options: Options) -> list[Candidate]:
    """Return baselines; they take any rows."""
    return [_candidate(name, gaussian_per_condition if name == PER_CONDITION else _teller(name)) for name in wanted]


def _teller(name: str) -> Tell:
    return lambda at, measured, known: foretold(name, at, measured, known)


def _candidate(name: str, tell: Tell) -> Candidate:
    def foretell(question: Question, rng: np.random.Generator) -> Answer:
        parts = []
        for o in question.yardstick:
            rows = o.table[ROW].to_numpy()
            out = question.out[rows]
            if not out.any():
                continue
            if out.all():
                raise BadInput(f"{name}: no row of {o.experiment} is known")
            told = tell(places(o.experiment, o.table), o.measured, ~out)
            parts.append(foretold_rows(rows[out], told.mean, told.sigma))
        return Answer(pd.concat(parts))

    return Candidate(name, COMPARES, foretell)
