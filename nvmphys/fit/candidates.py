"""What models of every kind have in common where they are compared: rows that are left out, and what each foretells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.fit.observed import Observed
from nvmphys.records import Measurement

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROW = "row"
"""Column of the tables that numbers the rows of all measurements together."""


@dataclass(frozen=True, eq=False)
class Question:
    """What is to be foretold.

    Attributes
    ----------
    measurements : tuple of Measurement
        Their tables have the column `ROW`.
    yardstick : tuple of Observed
        The rows that count, with what was measured in the quantity that is compared; in their tables too is `ROW`.
    out : ndarray of bool (row,)
        By the number of the row: what is left out.
    seconds : float
        What a candidate may take to fit and foretell.
    """

    measurements: tuple[Measurement, ...]
    yardstick: tuple[Observed, ...]
    out: Mask
    seconds: float = float("inf")

    def seen(self) -> list[Measurement]:
        """Return the measurements without the rows left out; those that are left empty are left away."""
        parts = [replace(m, table=m.table[~self.out[m.table[ROW].to_numpy()]]) for m in self.measurements]
        return [m for m in parts if len(m.table)]


@dataclass(frozen=True, eq=False)
class Answer:
    """What a candidate foretells.

    Attributes
    ----------
    rows : DataFrame
        Mean and sigma (columns) by the number of the row (index), at least of rows that are left out.
    note : str
        What is to be said of the fit: how far it came where its time ran out.
    """

    rows: pd.DataFrame
    note: str = ""


Foretell = Callable[[Question, np.random.Generator], Answer]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model, law or baseline that may be fitted to measurements.

    Attributes
    ----------
    name, kind : str
    foretell : callable or None
    refuses : str
        Why it cannot be fitted to these measurements; "" where it can.
    knows : str
        What it is told of the rows left out besides their conditions.
    observed : tuple of Observed
        The rows as it sees them, where it says so; then others are compared on these.
    technology : str
        What it is a model of; "" where it is of any.
    """

    name: str
    kind: str
    foretell: Foretell | None = None
    refuses: str = ""
    knows: str = ""
    observed: tuple[Observed, ...] = field(default=())
    technology: str = ""


def foretold_rows(rows: Array | Sequence[int], mean: Array, sigma: Array | float) -> pd.DataFrame:
    """Return numbers foretold by the number of the row."""
    index = pd.Index(np.asarray(rows, dtype=np.int64), name=ROW)
    return pd.DataFrame({"mean": mean, "sigma": np.broadcast_to(sigma, len(index))}, index=index)


def one_quantity(observed: Sequence[Observed]) -> str:
    """Return the unit that errors of all experiments have in common.

    Raises
    ------
    BadInput
        "… cannot be ranked together".
    """
    units = {"decade" if o.quantity.startswith("log10") else o.quantity for o in observed}
    if len(units) > 1:
        raise BadInput(f"{' and '.join(sorted(units))} cannot be ranked together: compare one of them at a time")
    return units.pop()


Options = Mapping[str, Any]
"""read_V and rest_s, as of `nvmphys.fit.paths.observed_paths`; technology, "" where nobody says it."""
