"""What a fit gives back: values with intervals, convergence, left-out judgement, and what was not determined."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import scipy

from nvmphys import __version__
from nvmphys.errors import CheckFailed
from nvmphys.fit.cells import Cells
from nvmphys.fit.judge import Judgement
from nvmphys.population.law import CellLaw
from nvmphys.records import Basis, Exclusion, ModelCard, Source


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
class FitResult:
    """A fitted law with everything needed to judge it; `card()` hands it out only when the fit converged.

    `left_out` judges a fit that has not seen `left_out_cells`, which `left_out_what` names in words; `cells` are the
    histories fitted to (of a summary: stand-ins with the tables' distributions, without joint histories).
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
    exclusions: tuple[Exclusion, ...] = ()
    assumptions: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

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
            validity=self.validity,
            population=self.population,
            calibration=calibration,
            provenance={
                "sources": [source.id for source in self.sources],
                "sha256": [source.sha256 for source in self.sources],
                "citation": [source.citation for source in self.sources],
                "exclusions": [f"{e.count} × {e.rule}" for e in self.exclusions],
                "options": dict(self.options),
                "seed": self.seed,
                "versions": versions(),
            },
            assumptions=self.assumptions,
            unknown=self.unknown,
        )


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {
        "nvmphys": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
    }
