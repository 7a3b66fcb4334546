"""Maximum likelihood of the relaxation law: one smooth surface of five parameters over level and ln t."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import OptimizeResult, minimize

from nvmphys.fit.result import Convergence
from nvmphys.population.interpolation import level_weights, time_weights
from nvmphys.population.johnson import PARAMETERS, log_density, log_interval_probability
from nvmphys.population.relaxation import blend

Array = NDArray[np.float64]

ROUGHNESS = 1e-4
"""Weight of the squared second differences over level knots and of the temper's distance from its usual value."""
USUAL_TEMPER = np.log(3.0)
SHARED = len(PARAMETERS) - 1
"""Parameters before this index vary with level; the last one, the temper, with time only."""


@dataclass(frozen=True)
class Observations:
    """Changes seen at a level and time: single values, or counts between two bounds.

    Attributes
    ----------
    level_S, time_s : ndarray (n,)
    low_S, high_S : ndarray (n,)
        Bounds of the change [S]; equal for a single value.
    weight : ndarray (n,)
        How many cells the row stands for.
    """

    level_S: Array
    time_s: Array
    low_S: Array
    high_S: Array
    weight: Array

    @property
    def middle_S(self) -> Array:
        """Middle of the bounds (n,) [S]; the finite bound where the other is infinite."""
        low = np.where(np.isfinite(self.low_S), self.low_S, self.high_S)
        high = np.where(np.isfinite(self.high_S), self.high_S, self.low_S)
        return np.asarray(0.5 * (low + high))

    @property
    def exact(self) -> bool:
        """Whether every row is a single value."""
        return bool(np.array_equal(self.low_S, self.high_S))


@dataclass(frozen=True)
class Surface:
    """The knots of a law and the packing of its parameters into one vector."""

    level_S: Array
    times_s: Array

    @property
    def size(self) -> int:
        """Number of free parameters."""
        return SHARED * self.times_s.size * self.level_S.size + self.times_s.size

    def unpack(self, vector: Array) -> Array:
        """Return parameters (5, node, knot) from a vector."""
        nodes, knots = self.times_s.size, self.level_S.size
        body = vector[: SHARED * nodes * knots].reshape(SHARED, nodes, knots)
        temper = np.broadcast_to(vector[SHARED * nodes * knots :, None], (1, nodes, knots))
        return np.concatenate([body, temper])

    def pack(self, parameters: Array) -> Array:
        """Return the vector of parameters (5, node, knot)."""
        return np.concatenate([parameters[:SHARED].ravel(), parameters[SHARED, :, 0]])


@dataclass(frozen=True)
class Optimum:
    """Where an optimisation ended."""

    vector: Array
    converged: bool
    message: str
    iterations: int
    loss: float

    @property
    def convergence(self) -> Convergence:
        """How it ended, for the result of a fit."""
        return Convergence(self.converged, self.message, self.iterations, self.loss)


def restarted(run: Callable[[Array], tuple[OptimizeResult, Array]], start: Array) -> Optimum:
    """Run a minimisation again from where it ended until that gains nothing: that is what `converged` means.

    `run` minimises from a vector, and returns the result and the vector reached.
    """
    vector, loss, iterations = start, np.inf, 0
    for _restart in range(5):
        result, reached = run(vector)
        iterations += int(result.nit)
        if not np.isfinite(result.fun) or not np.all(np.isfinite(reached)):
            return Optimum(vector, False, "the likelihood is not finite", iterations, float(loss))
        vector, gain, loss = reached, loss - float(result.fun), float(result.fun)
        if gain < 1e-6:
            return Optimum(vector, bool(result.success), str(result.message), iterations, loss)
    return Optimum(vector, False, "restarts still improve the likelihood", iterations, loss)


class Likelihood:
    """Mean negative log likelihood of observations on a surface, with its exact gradient."""

    def __init__(self, surface: Surface, observations: Observations) -> None:
        self.surface = surface
        self.observations = observations
        self._by_level = level_weights(observations.level_S, surface.level_S)
        self._by_time = time_weights(observations.time_s, surface.times_s)
        self._bend = np.diff(np.eye(surface.level_S.size), 2, axis=0)

    def __call__(self, vector: Array, weight: Array | None = None) -> tuple[float, Array]:
        """Return the loss and its gradient; `weight` replaces the observations' own (bootstrap)."""
        weight = self.observations.weight if weight is None else weight
        parameters = self.surface.unpack(vector)
        value, gradient = self._rows(parameters)
        total = weight.sum()
        share = weight / total
        loss = -float(share @ value)
        slope = self._to_surface(parameters, -gradient * share)
        rough, rough_slope = self._roughness(parameters)
        return loss + rough, self.surface_vector(slope) + rough_slope

    def _rows(self, parameters: Array) -> tuple[Array, Array]:
        """Return each row's log likelihood and its gradient by the five interpolated parameters."""
        shape = blend(parameters, self._by_level, self._by_time)
        seen = self.observations
        if seen.exact:
            return log_density(seen.low_S, shape)
        return log_interval_probability(seen.low_S, seen.high_S, shape)

    def _to_surface(self, parameters: Array, gradient: Array) -> Array:
        """Carry gradients (5, n) from the observations back to the knots (5, node, knot)."""
        out = np.empty_like(parameters)
        scale_share = self._scale_share(parameters)
        for i, row in enumerate(gradient):
            by_time = scale_share if i == 1 else self._by_time
            out[i] = (by_time * row[:, None]).T @ self._by_level
        return out

    def _scale_share(self, parameters: Array) -> Array:
        """Return d ln(scale) / d ln(scale at each node) (n, node): the scale itself is linear in ln t."""
        share = self._by_time * np.exp(self._by_level @ parameters[1].T)
        return np.asarray(share / share.sum(axis=1, keepdims=True))

    def information(self, vector: Array, rng: np.random.Generator, rows: int = 8000) -> Array:
        """Return the empirical Fisher information of one observation, from a random part of the rows.

        Its Cholesky factor makes the surface's coordinates comparable, so that L-BFGS needs few steps.
        """
        part = self._sample(rng, rows)
        parameters = self.surface.unpack(vector)
        _, gradient = part._rows(parameters)
        share = part._scale_share(parameters)
        scores = []
        for i, row in enumerate(gradient):
            by_time = (share if i == 1 else part._by_time) * row[:, None]
            per_level = (by_time[:, :, None] * part._by_level[:, None, :]).reshape(rows, -1)
            scores.append(by_time if i == SHARED else per_level)
        stacked = np.hstack(scores)
        return np.asarray(stacked.T @ stacked / rows)

    def _sample(self, rng: np.random.Generator, rows: int) -> Likelihood:
        """Return the likelihood of a random part of the rows, drawn by weight."""
        seen = self.observations
        chosen = rng.choice(seen.weight.size, size=rows, p=seen.weight / seen.weight.sum())
        level, time, low, high = (c[chosen] for c in (seen.level_S, seen.time_s, seen.low_S, seen.high_S))
        return Likelihood(self.surface, Observations(level, time, low, high, np.ones(rows)))

    def surface_vector(self, slope: Array) -> Array:
        """Pack a gradient: the temper's is summed over levels."""
        return np.concatenate([slope[:SHARED].ravel(), slope[SHARED].sum(axis=1)])

    def _roughness(self, parameters: Array) -> tuple[float, Array]:
        """Penalty on bends over level, and on tempers far from usual, with its gradient."""
        bends = parameters[:SHARED] @ self._bend.T
        off = parameters[SHARED, :, 0] - USUAL_TEMPER
        value = 0.5 * ROUGHNESS * float(np.sum(bends**2) + np.sum(off**2))
        return value, ROUGHNESS * np.concatenate([(bends @ self._bend).ravel(), off])

    def start(self) -> Array:
        """Return a start: quartiles of the changes near each node, typical tails, everywhere the same in level."""
        middle, surface = self.observations.middle_S, self.surface
        parameters = np.zeros((5, surface.times_s.size, surface.level_S.size))
        nearest = np.argmax(self._by_time, axis=1)
        for node in range(surface.times_s.size):
            near = middle[nearest == node] if np.any(nearest == node) else middle
            low, high = np.quantile(near, [0.25, 0.75])
            floor = max(float(np.std(near)) * 1e-3, np.finfo(float).tiny)
            parameters[1, node] = np.log(max(0.45 * float(high - low), floor))
        parameters[3], parameters[4] = np.log(0.8), USUAL_TEMPER
        return surface.pack(parameters)

    def maximise(
        self, start: Array, rng: np.random.Generator, weight: Array | None = None, *, max_iterations: int = 500
    ) -> Optimum:
        """Minimise the loss by L-BFGS from a start, in coordinates scaled by the information there.

        Each restart renews the scaling (see :func:`restarted`).
        """

        def run(vector: Array) -> tuple[OptimizeResult, Array]:
            information = self.information(vector, rng)
            ridge = 1e-3 * np.trace(information) / vector.size
            factor = np.linalg.cholesky(information + ridge * np.eye(vector.size))
            result = minimize(
                self._scaled,
                np.zeros(vector.size),
                args=(vector, factor, weight),
                jac=True,
                method="L-BFGS-B",
                options={"maxiter": max_iterations, "ftol": 1e-10, "gtol": 1e-5, "maxcor": 30},
            )
            # no check of finiteness here: `restarted` looks at the vector reached
            return result, vector + solve_triangular(factor, result.x, lower=True, trans="T", check_finite=False)

        return restarted(run, start)

    def _scaled(self, step: Array, origin: Array, factor: Array, weight: Array | None) -> tuple[float, Array]:
        """Return loss and gradient in coordinates scaled by a Cholesky factor of the information."""
        value, gradient = self(origin + solve_triangular(factor, step, lower=True, trans="T"), weight)
        return value, solve_triangular(factor, gradient, lower=True)


def observations_of(level_S: Array, time_s: Array, change_S: Array, weight: Array | None = None) -> Observations:
    """Make observations from single changes."""
    ones = np.ones(change_S.size) if weight is None else weight
    return Observations(level_S, time_s, change_S, change_S, ones)


def observations_of_quantiles(
    level_S: Array, time_s: Array, count: Array, probabilities: Array, quantiles: Array
) -> Observations:
    """Make observations from quantile tables: between two quantiles lie count · Δp cells.

    Parameters
    ----------
    level_S, time_s, count : ndarray (row,)
    probabilities : ndarray (probability,)
    quantiles : ndarray (row, probability)
        Quantiles of the change, not decreasing along a row; -infinity where a quantile tells nothing but that the
        next ones are higher.
    """
    parts = []
    for level, time, n, row in zip(level_S, time_s, count, quantiles, strict=True):
        last = np.append(row[1:] > row[:-1], True) & np.isfinite(row)
        bounds = np.concatenate([[-np.inf], row[last], [np.inf]])
        weight = n * np.diff(np.concatenate([[0.0], probabilities[last], [1.0]]))
        parts.append(
            np.stack([np.full(weight.size, level), np.full(weight.size, time), bounds[:-1], bounds[1:], weight])
        )
    return Observations(*np.concatenate(parts, axis=1))
