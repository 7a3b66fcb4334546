"""The single-pulse law as a candidate: the median of lg R after one pulse on cells of which the start is not told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nvmphys.errors import BadInput, CheckFailed
from nvmphys.fit.candidates import ROW, Answer, Candidate, Options, Question, foretold_rows
from nvmphys.fit.switching import AXES, NAME, identify_grid, read_grid
from nvmphys.fit.watch import OutOfTime, Watch
from nvmphys.population.single_pulse import Pulses, SinglePulseLaw
from nvmphys.records import Measurement

COMPARES = "law of single pulses"
EXPERIMENT = "pulse"


def names() -> list[str]:
    """Return the name of the law."""
    return [NAME]


def candidates(wanted: Sequence[str], measurements: Sequence[Measurement], options: Options) -> list[Candidate]:
    """Return the law where it is wanted, with the reason where it cannot be fitted to these measurements."""
    if NAME not in wanted:
        return []
    why = "" if {m.experiment for m in measurements} == {EXPERIMENT} else f"it is fitted to {EXPERIMENT}"
    if not why:
        try:
            read_grid(measurements)
        except BadInput as error:
            why = str(error)
    return [Candidate(NAME, COMPARES, None if why else _foretell, why)]


def _foretell(question: Question, rng: np.random.Generator) -> Answer:
    seen, _ = read_grid(question.seen())
    watch, note = Watch(question.seconds), ""
    try:
        values = identify_grid(seen, rng, starts=1, watch=watch).values
    except OutOfTime:
        if not watch.values:
            raise CheckFailed(f"its budget of {watch.seconds:.3g} s ran out before a first fit") from None
        values, note = watch.values, watch.said()
    law = SinglePulseLaw(values)
    table = pd.concat([o.table for o in question.yardstick], ignore_index=True)
    asked = table[question.out[table[ROW].to_numpy()]]
    conditions, which = np.unique(asked[list(AXES)].to_numpy(dtype=float), axis=0, return_inverse=True)
    before = np.broadcast_to(seen.starts(), (len(conditions), seen.starts().size))
    low, middle, high = (-law.quantile(p, Pulses(*conditions.T), before) for p in (0.8413, 0.5, 0.1587))
    sigma = np.maximum(high - low, 1e-6)[which.ravel()] / 2
    return Answer(foretold_rows(asked[ROW].to_numpy(), middle[which.ravel()], sigma), note)
