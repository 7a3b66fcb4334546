"""Three things a validation says, apart: of the solver, of the cells, of the statistics.

*Solver*: the same equations by the nodal solver and by ngspice. *Cell*: the card that stands for a cell in a deck
against the cell's own model. *Statistics*: outputs of arrays drawn in ngspice against those that a profile predicts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from nvmphys.crossbar.array import Crossbar
from nvmphys.crossbar.cells import CellCurrent
from nvmphys.crossbar.netlist import operating_point_options
from nvmphys.crossbar.ngspice import Ngspice, find_ngspice, run
from nvmphys.crossbar.validation import Validation
from nvmphys.errors import BadInput

Array = NDArray[np.float64]

CELL_TOLERANCE = 1e-9
"""Of a cell's current in ngspice, which iterates to its `reltol` of 1e-9."""
LEVEL, LEAST_WITHIN = 0.95, 0.93
RESAMPLES = 2000
_CONDUCTANCES, _VOLTAGES = 5, 9


@dataclass(frozen=True)
class Finding:
    """Outcome of one comparison, in the words of a profile's array section.

    Attributes
    ----------
    status : str
        passed, failed or not_made.
    figure, tolerance : float or None
        In `unit`.
    unit, against, words : str
    """

    status: str
    figure: float | None = None
    tolerance: float | None = None
    unit: str = "1"
    against: str = ""
    words: str = ""

    @property
    def failed(self) -> bool:
        """Whether it was made and did not pass."""
        return self.status == "failed"

    def __str__(self) -> str:
        """One line for people."""
        if self.status == "not_made":
            return f"not made: {self.words}"
        return f"{self.status}: {self.words} ({self.figure:.3g}, held to {self.tolerance:g}; against {self.against})"


def _named(ngspice: Ngspice, options: str) -> str:
    return f"ngspice {ngspice.version}, {options}"


def solver_finding(validation: Validation) -> Finding:
    """Return what a validation says of the solver.

    >>> from nvmphys.crossbar import validate
    >>> print(solver_finding(validate(Crossbar([[1e-4]], 1, 1), [0.2], backend="nodal")))
    not made: no SPICE check was made (backend 'nodal')
    """
    spice = validation.spice
    if spice is None:
        return Finding("not_made", words="no SPICE check was made (backend 'nodal')")
    return Finding(
        "passed" if validation.passed else "failed",
        max(validation.current_error, validation.voltage_error),
        validation.tolerance,
        against=_named(spice.ngspice, spice.options),
        words="largest difference of an output current or node voltage, same equations",
    )


def check_cell(
    crossbar: Crossbar,
    largest_V: float,
    ngspice: Ngspice | None = None,
    *,
    model: Callable[[Array, Array], Array] | None = None,
    tolerance: float = CELL_TOLERANCE,
) -> Finding:
    """Compare cells of a deck, each alone between two ideal sources, with what their model says.

    Parameters
    ----------
    crossbar : Crossbar
        Its cells, at some of its conductances.
    largest_V : float
        Voltages go from its negative to it [V].
    ngspice : Ngspice, optional
    model : callable, optional
        `model(conductance_S, volts)` gives currents [A] of cells, broadcast; by default the cell's own equation.
    tolerance : float, optional
        On the largest difference over the cell's largest current.

    Returns
    -------
    Finding
    """
    ngspice = ngspice or find_ngspice()
    places, volts = _places(crossbar.conductance_S), np.linspace(-largest_V, largest_V, _VOLTAGES)
    options = operating_point_options(klu=ngspice.has_klu, linear=False)
    lines = ["cells, each alone", *filter(None, [crossbar.cell.spice_models()])]
    for c, (i, j) in enumerate(places):
        for k, volt in enumerate(volts.tolist()):
            lines += [f"v_{c}_{k} cell{c}at{k} 0 dc {volt!r}"]
            card = crossbar.cell.spice_card((i, j), f"cell{c}at{k}", "0", float(crossbar.conductance_S[i, j]))
            lines += [_renamed(card, i, j, f"{c}_{k}")]
    plot = run("\n".join([*lines, f".options {options}", ".op", ".end", ""]), ngspice).plot
    found = np.array([[-plot[f"i(v_{c}_{k})"][0] for k in range(volts.size)] for c in range(len(places))])
    wanted = np.array([_modelled(crossbar, place, volts, model) for place in places])
    error = float((np.abs(found - wanted).max(axis=1) / np.abs(wanted).max(axis=1)).max())
    return Finding(
        "passed" if error <= tolerance else "failed",
        error,
        tolerance,
        against=_named(ngspice, options),
        words=f"largest difference of a cell's current over its largest, {len(places)} cells, "
        f"{volts.size} voltages to ±{largest_V:g} V",
    )


def _places(conductance_S: Array) -> list[tuple[int, int]]:
    """Return cells of different conductance, from the least that conducts to the largest."""
    order = np.argsort(conductance_S, axis=None)
    conducting = order[np.ravel(conductance_S)[order] > 0]
    if conducting.size == 0:
        raise BadInput("conductance_S must hold a cell that conducts: open cells have no current to compare")
    chosen = np.unique(conducting[np.linspace(0, conducting.size - 1, _CONDUCTANCES).astype(int)])
    return [(int(i), int(j)) for i, j in zip(*np.unravel_index(chosen, conductance_S.shape), strict=True)]


def _renamed(card: str, i: int, j: int, name: str) -> str:
    """Return a cell's card with names of its own: the same cell stands in the deck once per voltage."""
    return re.sub(rf"_{i}_{j}\b", f"_{name}_", card)  # all at once: a new name may look like the old one


def _modelled(
    crossbar: Crossbar, place: tuple[int, int], volts: Array, model: Callable[[Array, Array], Array] | None
) -> Array:
    """Return the currents of one cell at voltages [A]."""
    if model is not None:
        return model(np.full(volts.size, crossbar.conductance_S[place]), volts)
    return np.array([_state(crossbar.cell, crossbar.conductance_S, place, volt) for volt in volts.tolist()])


def _state(cell: CellCurrent, conductance_S: Array, place: tuple[int, int], volt: float) -> float:
    """Return the current of the cell at a place, all cells of the array at one voltage [A]."""
    word_V = np.full(conductance_S.shape, volt)
    return float(cell.state(conductance_S, word_V, np.zeros_like(word_V)).current_A[place])


@dataclass(frozen=True, eq=False)
class Coverage:
    """Whether predicted means and σ lie within bootstrap intervals of what was seen, (column,) each.

    Attributes
    ----------
    mean_low, mean_high, sigma_low, sigma_high : ndarray (column,)
        Ends of the intervals.
    mean, sigma : ndarray (column,)
        Predicted.
    """

    mean_low: Array
    mean_high: Array
    sigma_low: Array
    sigma_high: Array
    mean: Array
    sigma: Array

    @property
    def mean_within(self) -> NDArray[np.bool_]:
        """Which predicted means lie within."""
        return np.asarray((self.mean >= self.mean_low) & (self.mean <= self.mean_high))

    @property
    def sigma_within(self) -> NDArray[np.bool_]:
        """Which predicted σ lie within."""
        return np.asarray((self.sigma >= self.sigma_low) & (self.sigma <= self.sigma_high))


def coverage(seen: Array, predicted: Array, rng: np.random.Generator, resamples: int = RESAMPLES) -> Coverage:
    """Return 95 % bootstrap intervals of mean and σ of columns seen, and what was predicted.

    The interval of the mean is the bootstrap-t one; that of σ is a bootstrap-t of ln σ, whose error is estimated from
    the fourth moment.

    Parameters
    ----------
    seen, predicted : ndarray (draw, column)
        Of either any number of draws.
    rng : numpy.random.Generator
    resamples : int, optional

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 12, doi:10.1201/9780429246593.
    """
    if seen.shape[0] < 20 or predicted.shape[0] < 20:
        raise BadInput(f"draws must be >= 20 each for a bootstrap (got {seen.shape[0]} and {predicted.shape[0]})")
    draws, columns = seen.shape
    mean, mean_se, log_sigma, log_se = _moments(seen)
    t_mean, t_sigma = np.empty((resamples, columns)), np.empty((resamples, columns))
    for k in range(resamples):
        again = _moments(seen[rng.integers(draws, size=draws)])
        t_mean[k], t_sigma[k] = (again[0] - mean) / again[1], (again[2] - log_sigma) / again[3]
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low_m, high_m = np.quantile(t_mean, ends, axis=0)
    low_s, high_s = np.quantile(t_sigma, ends, axis=0)
    return Coverage(
        mean - high_m * mean_se, mean - low_m * mean_se,
        np.exp(log_sigma - high_s * log_se), np.exp(log_sigma - low_s * log_se),
        predicted.mean(axis=0), predicted.std(axis=0, ddof=1),
    )  # fmt: skip


def _moments(x: Array) -> tuple[Array, Array, Array, Array]:
    """Return mean, its standard error, ln σ and its standard error, of columns."""
    n = len(x)
    away = x - x.mean(axis=0)
    variance = (away**2).sum(axis=0) / (n - 1)
    kurtosis = (away**4).mean(axis=0) / variance**2
    return x.mean(axis=0), np.sqrt(variance / n), 0.5 * np.log(variance), 0.5 * np.sqrt((kurtosis - 1) / n)


def statistics_finding(found: Coverage, against: str) -> Finding:
    """Return what drawn arrays say of a prediction: the smaller share of columns within, of mean and of σ.

    Of few columns chance alone takes one or two out: the bound is 93 %, or for few columns the share that 99 % of
    true predictions reach (the 1 % quantile of the binomial law at 95 %).
    """
    columns = found.mean.size
    share = float(min(found.mean_within.mean(), found.sigma_within.mean()))
    least = min(LEAST_WITHIN, float(binom.ppf(0.01, columns, LEVEL)) / columns)
    return Finding(
        "passed" if share >= least else "failed", share, least, against=against,
        words=f"share of {columns} columns whose predicted mean ({found.mean_within.mean():.1%}) and σ "
        f"({found.sigma_within.mean():.1%}) lie within the 95 % bootstrap interval of the arrays drawn in ngspice",
    )  # fmt: skip
