"""What a fit gives back: values with intervals, convergence, left-out judgement, and what was not determined."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from nvmphys import __version__
from nvmphys.errors import CheckFailed
from nvmphys.fit.cells import Cells
from nvmphys.fit.judge import Judgement
from nvmphys.population.law import CellLaw
from nvmphys.records import Basis, Exclusion, ModelCard, Source

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
"""Receives what is being done, and the steps done of all."""


@dataclass(frozen=True)
class Convergence:
    """How the optimisation ended."""

    converged: bool
    message: str
    iterations: int
    loss: float
    bound_hits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outlook:
    """How a fit on times up to `fitted_to_s` predicts `predicted_s`, by every candidate law of the spread."""

    fitted_to_s: float
    predicted_s: float
    table: pd.DataFrame


@dataclass(frozen=True)
class Points:
    """Measured statistics beside the fitted ones, by level: what a report draws under the fit.

    Attributes
    ----------
    series, statistic : tuple of str
        What a point belongs to ("100 °C", "1 day") and which statistic it is ("σ of the change").
    level_S, measured_S, error_S, fitted_S : ndarray
        Level, measured value, half of its 90 % interval, fitted value [S].
    """

    series: tuple[str, ...]
    statistic: tuple[str, ...]
    level_S: Array
    measured_S: Array
    error_S: Array
    fitted_S: Array

    @classmethod
    def of(cls, rows: Sequence[tuple[str, str, float, float, float, float]]) -> Points:
        """Build from rows (series, statistic, level, measured, error, fitted)."""
        columns = list(zip(*rows, strict=True)) or [()] * 6
        numbers = (np.array(column, dtype=float) for column in columns[2:])
        return cls(tuple(columns[0]), tuple(columns[1]), *numbers)


@dataclass(frozen=True)
class FitResult:
    """A fitted law with everything needed to judge it; `card()` hands it out only when the fit converged.

    `left_out` judges a fit that has not seen `left_out_cells`, which `left_out_what` names in words; `cells` are the
    histories fitted to (of a summary: stand-ins with the tables' distributions, without joint histories). `points` and
    `tables` hold what else the report shows of a fit: measured beside fitted statistics, predictions beside baselines.
    `refits` are the values of each bootstrap refit, by name (refit, …).
    """

    model: str
    law: CellLaw
    values: Mapping[str, Any]
    units: Mapping[str, str]
    basis: Mapping[str, Basis]
    intervals: Mapping[str, Any]
    validity: Mapping[str, Any]
    population: Mapping[str, Any]
    convergence: Convergence
    n_devices: int
    sources: tuple[Source, ...]
    seed: int | None
    left_out: Judgement | None = None
    left_out_cells: Cells | None = None
    left_out_what: str = ""
    cells: Cells | None = None
    outlook: Outlook | None = None
    points: Points | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    exclusions: tuple[Exclusion, ...] = ()
    assumptions: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    refits: Mapping[str, Any] = field(default_factory=dict)

    def card(self, name: str, technology: str = "rram") -> ModelCard:
        """Return the model card.

        Raises
        ------
        CheckFailed
            When the fit did not converge or ended on a bound: such values would be read as if they were known.
        """
        if not self.convergence.converged or self.convergence.bound_hits:
            hits = f"; at their bounds: {', '.join(self.convergence.bound_hits)}" if self.convergence.bound_hits else ""
            raise CheckFailed(
                f"no card for {name!r}: the fit of {self.model} did not converge ({self.convergence.message}){hits}. "
                "More devices, fewer level knots (--knots) or a look at `nvmphys inspect` may help"
            )
        broken = [k for k, v in self.values.items() if np.isnan(np.asarray(v, dtype=float)).any()]
        if broken:
            raise CheckFailed(
                f"no card for {name!r}: {', '.join(broken)} could not be determined (NaN): more data may help"
            )
        calibration: dict[str, Any] = {"n_devices": self.n_devices, "loss": self.convergence.loss}
        if self.left_out is not None:
            calibration["left_out"] = {"what": self.left_out_what} | self.left_out.summary()
        return ModelCard(
            name=name,
            kind="conductance",
            technology=technology,
            model=self.model,
            values=self.values,
            units=self.units,
            basis=self.basis,
            intervals=self.intervals,
            covariance={"replicates": self.refits} if self.refits else {},
            validity=self.validity,
            population=self.population,
            calibration=calibration,
            provenance=provenance_of(self.sources, self.exclusions, self.options, self.seed),
            assumptions=self.assumptions,
            unknown=self.unknown,
        )


def bootstrap(refit: Callable[[], dict[str, Any]], times: int, tell: Progress) -> list[dict[str, Any]]:
    """Return the values of so many refits, telling how far it is."""
    replicates = []
    for i in range(times):
        tell("bootstrap", i, times)
        replicates.append(refit())
    tell("bootstrap", times, times)
    return replicates


def bootstrap_intervals(
    values: Mapping[str, Any], replicates: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> dict[str, Any]:
    """Return 90 % intervals, value ± 1.645 standard errors of the bootstrap; none from fewer than five refits.

    What is positive in every refit gets them in its logarithm, so that no interval crosses zero.

    Examples
    --------
    >>> bootstrap_intervals({"a": 1.0}, [{"a": x} for x in (0.5, 0.8, 1.0, 1.25, 2.0)], ["a"])["a"]["low"] > 0
    True
    """
    if len(replicates) < 5:
        return {}
    out = {}
    for name in names:
        centre = np.asarray(values[name], dtype=float)
        refits = np.array([np.asarray(r[name], dtype=float) for r in replicates])
        positive = bool(np.all(centre > 0) and np.all(refits > 0))
        spread = 1.645 * np.std(np.log(refits) if positive else refits, axis=0, ddof=1)
        if not np.all(np.isfinite(spread)):
            continue
        low, high = (
            (centre * np.exp(-spread), centre * np.exp(spread)) if positive else (centre - spread, centre + spread)
        )
        out[name] = {"low": low.tolist(), "high": high.tolist()}
    return out


def refits_of(replicates: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Return the values of bootstrap refits by name (refit, …), to six digits; none from fewer than five refits.

    >>> refits_of([{"a": x / 3} for x in range(5)], ["a"])["a"][1]
    0.333333
    """
    if len(replicates) < 5:
        return {}
    return {name: [_six_digits(each[name]) for each in replicates] for name in names}


def _six_digits(value: Any) -> Any:
    return [_six_digits(x) for x in value] if isinstance(value, list | tuple) else float(f"{value:.6g}")


def provenance_of(
    sources: Sequence[Source], exclusions: Sequence[Exclusion], options: Mapping[str, Any], seed: int | None
) -> dict[str, Any]:
    """Return where the values of a card come from: data with hashes, rows left out, choices, seed and versions."""
    return {
        "sources": [source.id for source in sources],
        "sha256": [source.sha256 for source in sources],
        "citation": [source.citation for source in sources],
        "exclusions": [f"{e.count} × {e.rule}" for e in exclusions],
        "options": dict(options),
        "seed": seed,
        "versions": versions(),
    }


def by_row(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return a table's rows by what they are called, without what is missing in them: a card holds no NaN."""
    out = {}
    for name, row in table.astype(float).iterrows():
        words = ", ".join(name) if isinstance(name, tuple) else str(name)
        out[words] = {str(column): float(value) for column, value in row.items() if np.isfinite(value)}
    return out


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {
        "nvmphys": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
    }
