"""Laws of the step by a pulse as candidates: each alone, running free from a ramp's first read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.fit.candidates import ROW, Answer, Candidate, Options, Question, foretold_rows
from nvmphys.fit.conditions import runs
from nvmphys.fit.pulse_ramps import QUIET, fit_ramps
from nvmphys.population.pulse_steps import LAWS, Ramps, innovations
from nvmphys.records import Measurement

COMPARES = "law of the pulse response"
EXPERIMENT = "pulse_train"
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Curve:
    """Reads of one ramp [S], the one before its first pulse included, and the numbers of their rows."""

    sign: int
    reads_S: Array
    rows: NDArray[np.int64]


def names() -> list[str]:
    """Return the names of all laws."""
    return list(LAWS)


def candidates(wanted: Sequence[str], measurements: Sequence[Measurement], options: Options) -> list[Candidate]:
    """Return laws, each with the reason where it cannot be fitted to these measurements."""
    why = ""
    if {m.experiment for m in measurements} != {EXPERIMENT}:
        why = f"it is fitted to {EXPERIMENT}: identical pulses, read after each"
    elif not any(True for m in measurements for _ in _curves(m)):
        why = "no two reads of a ramp: it needs pulse_voltage_V and conductance_S"
    if why:
        return [Candidate(name, COMPARES, refuses=why) for name in wanted]
    return [_candidate(name) for name in wanted]


def _candidate(name: str) -> Candidate:
    def foretell(question: Question, rng: np.random.Generator) -> Answer:
        curves = [curve for m in question.measurements for curve in _curves(m)]
        parts = [_foretold(name, sign, curves, question, rng) for sign in (1, -1)]
        return Answer(pd.concat([part for part in parts if part is not None]))

    return Candidate(name, COMPARES, foretell, knows="the first read of each ramp")


def _curves(m: Measurement) -> Iterator[_Curve]:
    """Yield the ramps of a measurement."""
    if not {"pulse_voltage_V", "conductance_S"} <= set(m.table):
        return
    table = m.table.reset_index(drop=True)
    volts, reads = (table[name].to_numpy(dtype=float) for name in ("pulse_voltage_V", "conductance_S"))
    device = table["device_id"].to_numpy() if "device_id" in table else np.zeros(len(table))
    number = runs(m.experiment, table)
    for k in np.unique(number):
        own = np.flatnonzero(number == k)
        if volts[own[0]] != 0 and own[0] > 0 and device[own[0] - 1] == device[own[0]]:
            own = np.append(own[0] - 1, own)
        if own.size > 1 and volts[own[-1]] != 0:
            yield _Curve(int(np.sign(volts[own[-1]])), reads[own], table[ROW].to_numpy()[own])


def _foretold(
    name: str, sign: int, curves: Sequence[_Curve], question: Question, rng: np.random.Generator
) -> pd.DataFrame | None:
    """Return what a law says of the ramps of one sign; None without any to be told."""
    mine = [c for c in curves if c.sign == sign]
    asked = [c for c in mine if question.out[c.rows[1:]].any()]
    if not asked:
        return None
    known = [np.append(c.reads_S[0], np.where(question.out[c.rows[1:]], np.nan, c.reads_S[1:])) for c in mine]
    training = _ramps([reads for reads in known if np.isfinite(reads[1:]).any()])
    model = fit_ramps(training, name, rng, QUIET)[1]
    test = Ramps(
        _beside([c.reads_S for c in asked]), np.arange(1.0, len(asked) + 1), training.low_S, training.high_S,
        training.middle,
    )  # fmt: skip
    rows = np.concatenate([c.rows[1:] for c in asked])
    return foretold_rows(rows, _told(name, model.values, test), _spread(name, model.values, training))


def _told(name: str, values: Mapping[str, float], ramps: Ramps) -> Array:
    """Return lg of the conductance foretold of every read after the first, ramp after ramp; NaN for none above 0."""
    told = ramps.reads_S[1:] - innovations(LAWS[name], values, ramps)
    there = np.isfinite(ramps.reads_S[1:]).T
    return np.log10(np.where(told > 0, told, np.nan).T[there])


def _spread(name: str, values: Mapping[str, float], ramps: Ramps) -> float:
    """Return the standard deviation of lg of the reads around what was foretold of them."""
    off = np.log10(ramps.reads_S[1:].T[np.isfinite(ramps.reads_S[1:]).T]) - _told(name, values, ramps)
    return float(np.sqrt(np.nanmean(off**2)))


def _ramps(reads: Sequence[Array]) -> Ramps:
    if not reads:
        raise BadInput("no ramp of that sign is known: the law cannot be fitted")
    found = _beside(reads)
    low, high = float(np.nanmin(found)), float(np.nanmax(found))
    if high == low:
        raise BadInput(f"conductance_S does not change ({low:g} S throughout)")
    number = np.arange(1.0, len(reads) + 1)
    return Ramps(found, number, low, high, float(np.exp(np.log(number).mean())))


def _beside(reads: Sequence[Array]) -> Array:
    out = np.full((max(r.size for r in reads), len(reads)), np.nan)
    for k, one in enumerate(reads):
        out[: one.size, k] = one
    return out
