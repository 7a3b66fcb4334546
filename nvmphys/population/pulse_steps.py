"""Ramps of identical pulses on one device: a law of the step, and a state model of what is read after each pulse.

With x the conductance as a share of the ramps' range, k the pulses since the direction changed and r the number of the
ramp, the mean step of a pulse is

    s(G, k, r) = step_S·f(x, k)·(1 - onset·exp(-k/onset_pulses))·(1 + (trend + trend_slope·(x - ½))·ln(r/r_mid))

where f is one of `LAWS`: the first pulses after a change of direction do less (onset), and steps change with the
logarithm of the number of ramps (trend). The device's state G, the slow deviation u of its steps and the read y follow
from one innovation e for each read (the steady state of a Kalman filter):

    y_k = ŷ_k + e_k,   ŷ_k = G_k + s(G_k) + u_k + echo·e_(k-1)
    G_(k+1) = G_k + s(G_k) + u_k + gain·e_k,   u_(k+1) = exp(-1/memory_pulses)·u_k + wander·e_k

A gain of 1 is a device that truly moves by e, a gain of 0 noise of the read alone: of the variance of e, (1 - gain) is
read noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

Array = NDArray[np.float64]
Value = float | Array
Values = Mapping[str, Value]


@dataclass(frozen=True)
class StepLaw:
    """A law of the mean step.

    Attributes
    ----------
    about : str
    parameters : mapping of tuple of float
        Value, lowest and highest, by name [1].
    shape : callable
        f(x, k, values), about 1.
    """

    about: str
    parameters: Mapping[str, tuple[float, float, float]]
    shape: Callable[[Array, int, Values], Array]


def _exponential(x: Array, k: int, v: Values) -> Array:
    return np.asarray(np.maximum(1 - v["exp_weight"] * np.exp(v["exp_rate"] * x), 0.0))


def _power(x: Array, k: int, v: Values) -> Array:
    room = np.maximum(v["power_bound"] - x, 1e-3)
    return np.asarray((room / v["power_bound"]) ** v["power_exponent"])


def _smooth(x: Array, k: int, v: Values) -> Array:
    zero = 0.0 * (x + v["smooth_1"])
    weights = np.stack([zero + 1, *(zero + v[f"smooth_{n}"] for n in range(1, 8))])
    return np.asarray(chebyshev.chebval(np.clip(2 * x - 1, -1.1, 1.1), weights, tensor=False))


LAWS: Mapping[str, StepLaw] = {
    "soft_bounds": StepLaw(
        "linear in the conductance: 1 + slope·x",
        {"slope": (0.0, -0.99, 5.0)},
        lambda x, k, v: np.asarray(1 + v["slope"] * x),
    ),
    "exponential": StepLaw(
        "1 - weight·exp(rate·x), not below 0",
        {"exp_weight": (0.1, -5.0, 0.99), "exp_rate": (0.5, -5.0, 5.0)},
        _exponential,
    ),
    "power": StepLaw(
        "(1 - x/bound)^exponent",
        {"power_bound": (1.2, 1.02, 3.0), "power_exponent": (0.2, -3.0, 3.0)},
        _power,
    ),
    "neurosim": StepLaw(
        "exp(-rate·k) by the number of the pulse alone: NeuroSim's curve of conductance",
        {"pulse_rate": (0.001, -0.03, 0.03)},
        lambda x, k, v: np.asarray(np.exp(-v["pulse_rate"] * k) + 0.0 * x),
    ),
    "smooth": StepLaw(
        "any smooth function of the conductance: a Chebyshev series to the 7th degree",
        {f"smooth_{n}": (0.0, -2.0, 2.0) for n in range(1, 8)},
        _smooth,
    ),
}


@dataclass(frozen=True, eq=False)
class Ramps:
    """Ramps of one direction.

    Attributes
    ----------
    reads_S : ndarray (pulse + 1, ramp)
        Conductance [S] before the first pulse and after each; NaN after the ramp's end.
    number : ndarray (ramp,)
        Number of each ramp, from 1.
    low_S, high_S : float
        The range that x is a share of [S].
    middle : float
        Ramp number r_mid that step_S stands for.
    """

    reads_S: Array
    number: Array
    low_S: float
    high_S: float
    middle: float


def step(law: StepLaw, values: Values, ramps: Ramps, state_S: Array, k: int) -> Array:
    """Return the mean step [S] of pulse k (from 0) from a state (…, ramp)."""
    x = (state_S - ramps.low_S) / (ramps.high_S - ramps.low_S)
    onset = 1 - values["onset"] * np.exp(-k / values["onset_pulses"])
    trend = 1 + (values["trend"] + values["trend_slope"] * (x - 0.5)) * np.log(ramps.number / ramps.middle)
    return np.asarray(values["step_S"] * law.shape(x, k, values) * onset * trend)


def innovations(law: StepLaw, values: Values, ramps: Ramps) -> Array:
    """Return e [S] (…, pulse, ramp): each read less what the reads before it foretold; NaN after a ramp's end.

    Values may be arrays (variant, 1): then all variants are computed at once (variant, pulse, ramp).

    Examples
    --------
    >>> v = {"step_S": 1.0, "slope": 0.0, "onset": 0.0, "onset_pulses": 1.0, "trend": 0.0, "trend_slope": 0.0,
    ...      "gain": 1.0, "wander": 0.0, "memory_pulses": 1.0, "echo": 0.0}
    >>> ramps = Ramps(np.array([[0.0], [1.0], [2.5]]), np.array([1.0]), 0.0, 10.0, 1.0)
    >>> innovations(LAWS["soft_bounds"], v, ramps)[:, 0]
    array([0. , 0.5])
    """
    state = ramps.reads_S[0] + 0.0 * np.asarray(values["step_S"])
    deviation, last = np.zeros_like(state), np.zeros_like(state)
    memory = np.exp(-1 / np.asarray(values["memory_pulses"]))
    out = []
    for k, read in enumerate(ramps.reads_S[1:]):
        moved = state + step(law, values, ramps, state, k) + deviation
        e = read - (moved + values["echo"] * last)
        out.append(e)
        last = np.where(np.isfinite(e), e, 0.0)
        state = moved + values["gain"] * last
        deviation = memory * deviation + values["wander"] * last
    return np.stack(out, axis=-2)


def free_run(law: StepLaw, values: Mapping[str, float], ramps: Ramps, sigma_S: float, spread: float = 1.0) -> Array:
    """Return mean and σ [S] (2, pulse, ramp) of every read of a ramp, foretold from its first read alone.

    The variance of the state is carried along the mean, linearised there. `spread` scales the wander of the steps:
    what the filter follows may in part be common to all ramps, which is a fault of the law and no chance.
    """
    variance = sigma_S**2
    wander, memory = spread * values["wander"], np.exp(-1 / values["memory_pulses"])
    state = ramps.reads_S[0].copy()
    n = state.size
    p = np.zeros((n, 3, 3))
    p[:, 0, 0] = (1 - values["gain"]) * variance if values["gain"] < 1 else 0.0
    p[:, 1, 1] = wander**2 * variance / max(1 - memory**2, 1 / len(ramps.reads_S))
    kick = np.array([values["gain"], wander, 1.0])
    small = 1e-6 * (ramps.high_S - ramps.low_S)
    means, sigmas = [], []
    for k in range(len(ramps.reads_S) - 1):
        now = step(law, values, ramps, state, k)
        rise = 1 + (step(law, values, ramps, state + small, k) - now) / small
        a = np.zeros((n, 3, 3))
        a[:, 0, 0], a[:, 0, 1], a[:, 1, 1] = rise, 1.0, memory
        seen = np.zeros((n, 3))
        seen[:, 0], seen[:, 1], seen[:, 2] = rise, 1.0, values["echo"]
        state = state + now
        means.append(state)
        sigmas.append(np.sqrt(np.einsum("ni,nij,nj->n", seen, p, seen) + variance))
        p = a @ p @ np.swapaxes(a, 1, 2) + variance * np.outer(kick, kick)
    return np.stack([np.array(means), np.array(sigmas)])


def draw_ramps(
    law: StepLaw, values: Mapping[str, float], ramps: Ramps, sigma_S: float, rng: np.random.Generator,
    df: float = np.inf,
) -> Array:  # fmt: skip
    """Return reads [S] (pulse + 1, ramp) of the model from the ramps' first reads, normal or of Student's t."""
    state = ramps.reads_S[0].copy()
    deviation, last, out = np.zeros_like(state), np.zeros_like(state), [ramps.reads_S[0]]
    for k in range(len(ramps.reads_S) - 1):
        moved = state + step(law, values, ramps, state, k) + deviation
        e = sigma_S * (rng.standard_normal(state.size) if np.isinf(df) else rng.standard_t(df, state.size))
        out.append(moved + values["echo"] * last + e)
        state, last = moved + values["gain"] * e, e
        deviation = np.exp(-1 / values["memory_pulses"]) * deviation + values["wander"] * e
    return np.array(out)
