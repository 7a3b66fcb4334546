"""A time that a fit may take: the best values so far where it runs out, and a word on how far it came."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from nvmphys.fit.identify import Problem, Values

Array = NDArray[np.float64]


class OutOfTime(Exception):
    """The time is over: what was reached is in the watch."""


@dataclass(eq=False)
class Watch:
    """Counts down while problems are evaluated, and keeps the values of the least cost of the last one.

    Attributes
    ----------
    seconds : float
        What may be taken in all.
    clock : callable
        Seconds that go by: by default of the processor, so that other work on the machine does not count.
    kept : float
        Of that, what is kept for the time after the fit: to foretell with the values reached.
    share : float
        Share of the time up to which `check` lets pass.
    stage : str
        What is being fitted, in words.
    values : dict of float
        The best of the last stage that was evaluated; empty before the first.
    rms, evaluations, reached
        Root mean square of the residuals there, in their units; evaluations of all stages together; the stage.
    """

    seconds: float = float("inf")
    clock: Callable[[], float] = time.process_time
    kept: float = 0.0
    share: float = 1.0
    stage: str = ""
    values: dict[str, float] = field(default_factory=dict)
    rms: float = float("nan")
    evaluations: int = 0
    reached: str = ""

    def __post_init__(self) -> None:
        self._begin = self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the watch was made."""
        return self.clock() - self._begin

    def check(self) -> None:
        """Raise `OutOfTime` where only what is kept is left.

        >>> Watch(10.0).check()
        >>> Watch(10.0, kept=11.0).check()
        Traceback (most recent call last):
            ...
        nvmphys.fit.watch.OutOfTime
        """
        if self.elapsed > self.share * (self.seconds - self.kept):
            raise OutOfTime

    @contextlib.contextmanager
    def within(self, share: float) -> Iterator[None]:
        """Let what is done inside take until this share of the time."""
        self.share = share
        try:
            yield
        finally:
            self.share = 1.0

    def over(self, problem: Problem, stage: str = "") -> Problem:
        """Return a problem whose evaluations are watched; its values replace those of the one before it.

        `stage` says in words what it is.

        >>> watch = Watch()
        >>> squared = watch.over(Problem((), lambda values: np.array([values["a"] - 1.0])), "all")
        >>> for a in (3.0, 1.5, 2.0):
        ...     at = squared.residuals({"a": a})
        >>> watch.values, watch.reached, watch.evaluations
        ({'a': 1.5}, 'all', 3)
        """
        least = np.inf

        def residuals(values: Values) -> Array:
            nonlocal least
            self.check()
            found = problem.residuals(values)
            cost = float(np.mean(found**2))
            self.evaluations += 1
            if cost < least:
                least = cost
                self.values, self.rms, self.reached = dict(values), float(np.sqrt(cost)), stage or self.stage
            return found

        return replace(problem, residuals=residuals)

    def said(self) -> str:
        """Return what is to be said of a fit that ran out of time.

        >>> Watch(10.0, reached="24 of 720 conditions", evaluations=7, rms=0.1).said()
        'its budget of 10 s ran out after 7 evaluations, at 24 of 720 conditions'
        """
        return f"its budget of {self.seconds:.3g} s ran out after {self.evaluations} evaluations, at {self.reached}"
