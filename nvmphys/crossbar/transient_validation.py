"""A transient of a crossbar integrated twice, here and by ngspice, and compared."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

import numpy as np

from nvmphys.crossbar.array import Crossbar
from nvmphys.crossbar.checks import Finding
from nvmphys.crossbar.netlist import output_names, transient_deck, transient_options
from nvmphys.crossbar.ngspice import Ngspice, find_ngspice, run
from nvmphys.crossbar.stimulus import Stimulus
from nvmphys.crossbar.transient import TOLERANCE, CrossbarTransient, crossbar_transient
from nvmphys.errors import BadInput

AGREEMENT = 1e-3
"""Of full scale: what a difference is held to."""
STEPS = 200
"""Of ngspice at first, over the whole time."""
SHORTER, REFINEMENTS = 4.0, 2
"""Where ngspice's own steps still show, they are cut by this, so many times."""
CONVERGED = 0.5
"""ngspice has converged where cutting its steps moves it by less than this share of what a difference is held to."""


@dataclass(frozen=True, eq=False)
class TransientValidation:
    """How a transient compares with that of ngspice.

    Attributes
    ----------
    transient : CrossbarTransient
    error : float
        Largest difference of an output current at any time point of ngspice, over the largest in the steady state.
    step_change : float
        The same between ngspice's last run and that of longer steps: how far its own steps show. NaN after one run.
    step_s : float
        Longest step of ngspice's last run [s].
    points : int
        Time points of that.
    tolerance : float
    ngspice : Ngspice
    options, deck_sha256 : str
    seconds, spice_seconds : float
        Wall time of the transient and of ngspice's last run [s].
    """

    transient: CrossbarTransient
    error: float
    step_change: float
    step_s: float
    points: int
    tolerance: float
    ngspice: Ngspice
    options: str
    deck_sha256: str
    seconds: float
    spice_seconds: float

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.error <= self.tolerance

    @property
    def decided(self) -> bool:
        """Whether that says anything: the difference is small, or ngspice's own steps do not show in it."""
        return self.passed or not self.step_change > CONVERGED * self.tolerance

    def __str__(self) -> str:
        """One line for people."""
        m, n = self.transient.crossbar.shape
        agrees = ("agrees" if self.passed else "DISAGREES") if self.decided else "is UNDECIDED beside ngspice's steps"
        return (
            f"{m}×{n} transient: {agrees} with ngspice {self.ngspice.version}: outputs within {self.error:.1e} of full "
            f"scale at {self.points} times (tolerance {self.tolerance:g}, ngspice's steps show by "
            f"{self.step_change:.1e}); {self.seconds:.2g} s here, {self.spice_seconds:.2g} s ngspice"
        )


def transient_finding(validation: TransientValidation) -> Finding:
    """Return what a validation says of a transient, as the findings of `nvmphys.crossbar.checks`."""
    if not validation.decided:
        shown = f"{validation.step_change:.1e} of full scale at {validation.step_s:.2g} s"
        return Finding("not_made", words=f"ngspice's own steps show by {shown}")
    return Finding(
        "passed" if validation.passed else "failed", validation.error, validation.tolerance, "full scale",
        f"ngspice {validation.ngspice.version}, {validation.options}, steps of {validation.step_s:.2g} s",
        f"largest difference of an output current at {validation.points} times, ngspice's own steps show by "
        f"{validation.step_change:.1e}",
    )  # fmt: skip


def validate_transient(
    crossbar: Crossbar,
    stimulus: Stimulus,
    until_s: float,
    *,
    step_s: float | None = None,
    tolerance: float = AGREEMENT,
    ngspice: Ngspice | None = None,
    timeout_s: float = 600.0,
) -> TransientValidation:
    """Integrate a transient here and with ngspice, whose steps are cut until they no longer show, and compare.

    Parameters
    ----------
    crossbar : Crossbar
    stimulus : Stimulus
    until_s : float
        End [s].
    step_s : float, optional
        Longest step of ngspice [s]: one run. By default a two-hundredth of the whole, then a quarter of that, until
        ngspice's outputs move by less than half of the tolerance or are that near.
    tolerance : float, optional
        Bound on `error`; the transient's own tolerance is a hundredth of it or 1e-5.
    ngspice : Ngspice, optional
        Defaults to `find_ngspice()`.
    timeout_s : float, optional
        Wall time allowed to each run [s].

    Returns
    -------
    TransientValidation
        A disagreement is a result (`passed` is False), not an exception; so is an ngspice whose steps still show
        (`decided` is False), as where the charge through cells dwarfs their current.

    Raises
    ------
    BadInput
        "tolerance must …", or as of `crossbar_transient`.
    MissingTool
        There is no ngspice.
    CheckFailed
        ngspice did not come to a result: see `nvmphys.crossbar.ngspice.run`.

    Examples
    --------
    >>> from nvmphys.crossbar import Capacitance
    >>> array = Crossbar([[1e-4, 2e-5]], 5, 5, capacitance=Capacitance(1e-15, 1e-15))
    >>> validate_transient(array, Stimulus.step([0.2], 1e-13), 1e-12).passed  # doctest: +SKIP
    True
    """
    if not 0 < tolerance < 1:
        raise BadInput(f"tolerance must lie between 0 and 1 (got {tolerance:g}): it is a share of full scale")
    ngspice = ngspice or find_ngspice()
    begin = time.perf_counter()
    transient = crossbar_transient(crossbar, stimulus, until_s, tolerance=min(TOLERANCE, tolerance / 100))
    seconds = time.perf_counter() - begin
    scale_A = transient.full_scale_A
    if not scale_A > 0:
        raise BadInput("the stimulus must drive a current into some sense amplifier (got none in the steady state)")
    first_s, change = until_s / STEPS if step_s is None else step_s, np.nan
    before: tuple[np.ndarray, np.ndarray] | None = None
    for k in range(1 + REFINEMENTS):
        longest_s = first_s / SHORTER**k
        deck = transient_deck(crossbar, stimulus, until_s, longest_s, klu=ngspice.has_klu)
        done = run(deck, ngspice, timeout_s=timeout_s)
        times = np.minimum(done.plot["time"], until_s)
        currents_A = np.stack([done.plot[name] for name in output_names(crossbar)])
        error = float(np.abs(currents_A - transient.current_at(times)).max()) / scale_A
        if step_s is not None:
            break
        if before is not None:
            change = _difference(before, times, currents_A) / scale_A
            if min(change, error) <= CONVERGED * tolerance:
                break
        before = times, currents_A
    return TransientValidation(
        transient, error, float(change), longest_s, len(times), tolerance, ngspice,
        transient_options(klu=ngspice.has_klu), hashlib.sha256(deck.encode()).hexdigest(), seconds, done.seconds,
    )  # fmt: skip


def _difference(coarse: tuple[np.ndarray, np.ndarray], times: np.ndarray, currents_A: np.ndarray) -> float:
    """Return the largest difference of a run of longer steps from one of shorter ones [A], at its own times."""
    between = np.stack([np.interp(coarse[0], times, each) for each in currents_A])
    return float(np.abs(between - coarse[1]).max())
