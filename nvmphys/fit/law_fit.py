"""What the fit of a law that is no device model gives back, and the card that is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from nvmphys.errors import CheckFailed
from nvmphys.fit.identify import Identified, Problem
from nvmphys.fit.result import by_row, provenance_of
from nvmphys.parameters import Parameter
from nvmphys.records import Basis, Exclusion, ModelCard, Source


@dataclass(frozen=True, eq=False)
class LawFit:
    """A fitted law with everything needed to judge it; `card()` hands it out only when there is something to hand out.

    Attributes
    ----------
    model : str
    parameters : tuple of Parameter
    identified : mapping of Identified
        By part of the data ("SET", "RESET"), or under "" where there is one; empty where nothing could be identified.
    left_out : mapping of DataFrame
        Judgements by what was left out, beside baselines; a row for each predictor.
    compared : DataFrame
        Measured beside predicted numbers, a row each: what a report draws.
    said : tuple of str
        What is to be said of the fit, a sentence each.
    withheld : str
        Why there is no card; "" where there is one.
    validity : mapping
    n_devices : int
    problems : mapping of Problem
        By part, what was fitted: for profiles of the likelihood. Empty where nothing could be identified.
    sources, exclusions, seed, options
        Where the data came from, rows left out, and what was asked.
    """

    model: str
    parameters: tuple[Parameter, ...]
    identified: Mapping[str, Identified]
    left_out: Mapping[str, pd.DataFrame]
    compared: pd.DataFrame
    n_devices: int
    sources: tuple[Source, ...]
    said: tuple[str, ...] = ()
    withheld: str = ""
    validity: Mapping[str, Any] = field(default_factory=dict)
    exclusions: tuple[Exclusion, ...] = ()
    seed: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    problems: Mapping[str, Problem] = field(default_factory=dict)

    @property
    def parts(self) -> Mapping[str, Identified]:
        """What was fitted by part of the data."""
        return self.identified

    def card(self, name: str, technology: str = "rram") -> ModelCard:
        """Return the card; a parameter of a part is called by both, as `SET_step_S`.

        Raises
        ------
        CheckFailed
            When the data hold nothing to identify, or a part did not converge or ended on a bound.
        """
        if self.withheld:
            raise CheckFailed(f"no card for {name!r}: {self.withheld}")
        values, units, basis, intervals, unknown = {}, {}, {}, {}, list(self.said)
        for part, found in self.identified.items():
            ended = found.convergence
            if not ended.converged or ended.bound_hits:
                hits = f"; at their bounds: {', '.join(ended.bound_hits)}" if ended.bound_hits else ""
                raise CheckFailed(
                    f"no card for {name!r}: the fit of {self.model}{f' ({part})' * bool(part)} did not converge "
                    f"({ended.message}){hits}. Leave out what the data do not hold, or give more conditions"
                )
            for parameter in self.parameters:
                if parameter.name not in found.values:
                    continue
                full = f"{part}_{parameter.name}" if part else parameter.name
                vague = parameter.name in {*found.unknown, *found.prior_decides}
                values[full], units[full] = found.values[parameter.name], parameter.unit
                basis[full] = Basis.ASSUMED if vague else Basis.MEASURED
                low, high = found.intervals[parameter.name]
                intervals[full] = {"low": low, "high": high}
                unknown += [f"{full}: not identified by these data"] * vague
        return ModelCard(
            name=name, kind="dynamics", technology=technology, model=self.model, values=values, units=units,
            basis=basis, intervals=intervals, validity=dict(self.validity),
            covariance={
                part or "all": {"names": list(found.names), "correlation": found.correlation.tolist()}
                for part, found in self.identified.items()
            },
            calibration={
                "n_devices": self.n_devices,
                "left_out": {what: by_row(table) for what, table in self.left_out.items()},
            },
            provenance=provenance_of(self.sources, self.exclusions, self.options, self.seed),
            unknown=tuple(unknown),
        )  # fmt: skip


def error_figures(error: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Return mean, median, 95th percentile and largest of absolute errors; NaN where one is missing.

    >>> error_figures([1.0, -3.0])["mean"]
    2.0
    """
    size = np.abs(np.asarray(error, dtype=float))
    if not np.isfinite(size).all() or not size.size:
        return dict.fromkeys(("mean", "median", "p95", "max"), float("nan"))
    return {
        "mean": float(size.mean()),
        "median": float(np.median(size)),
        "p95": float(np.quantile(size, 0.95)),
        "max": float(size.max()),
    }
