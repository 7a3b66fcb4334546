"""Noise of reads as paths: fluctuators that add up to 1/f noise, and single traps (random telegraph noise).

A two-state trap that captures at the rate 1/τ_c and emits at 1/τ_e is one that is drawn anew at the rate
1/τ = 1/τ_c + 1/τ_e, filled with the share τ_e/(τ_c + τ_e) each time: so its state after any time is exact, whatever
lies between. Symmetric ones of ±a/2 have the spectrum a²τ/(1 + (2πfτ)²); with even steps h of ln τ and

    a² = (2/π)·sin(πβ/2)·(2π)^β·A²·τ^(β-1)·h

they add up to A²/f^β (McWhorter's superposition; Kirton and Uren, Adv. Phys. 38, 367 (1989), for β = 1). With eight a
decade the ripple is below 1e-6. The law then holds within 4 % from 1/duration to 1/(5 steps of time): the slowest
fluctuator is 100 durations long, and the fastest is such that what faster ones would add, and what the sampling folds
back, cancel at low frequencies.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.optimize import brentq

from nvmphys.devices.model import TEMPERATURE, Array, DeviceModel
from nvmphys.devices.noise import DEPTH, LEVEL, READ_G, READ_SLOPE, READ_V, SIZE, Noise
from nvmphys.errors import BadInput
from nvmphys.records import as_rng
from nvmphys.simulate.devices import Devices
from nvmphys.simulate.transient import Progress, drain_current, read
from nvmphys.simulate.waveform import ROOM_K

__all__ = ["NoisePaths", "Traps", "noise_paths"]

TRAPS_PER_DECADE = 8
LONGEST = 100.0
"""Time constant of the slowest fluctuator, in durations of the path."""
NUDGE_V = 1e-4
"""Voltage over which the slope of the current is taken [V]."""


@dataclass(frozen=True, eq=False)
class Traps:
    """The single traps of one device.

    Attributes
    ----------
    capture_s, emission_s : ndarray (trap,)
        Mean time that a trap stays empty, and filled [s].
    step : ndarray (trap,)
        ΔR/R while filled.
    """

    capture_s: Array
    emission_s: Array
    step: Array

    @property
    def tau_s(self) -> Array:
        """Time constant of each trap [s]."""
        return 1 / (1 / self.capture_s + 1 / self.emission_s)

    @property
    def filled(self) -> Array:
        """Share of time that each trap is filled."""
        return self.tau_s / self.capture_s


@dataclass(frozen=True, eq=False)
class NoisePaths:
    """Noise of the read current of devices.

    Attributes
    ----------
    time_s : ndarray (time,)
    quiet_A : ndarray (device,)
        Current without noise: traps empty, no 1/f noise.
    factor : ndarray (time, device)
        Current over `quiet_A`.
    strength, exponent : ndarray (device,)
        A² [1/Hz] and β of the 1/f noise, S_I/I² = A²/(f/1 Hz)^β.
    traps : tuple of Traps
        Of each device.
    """

    time_s: Array
    quiet_A: Array
    factor: Array
    strength: Array
    exponent: Array
    traps: tuple[Traps, ...]

    @property
    def current_A(self) -> Array:
        """Current (time, device) [A]."""
        return self.quiet_A * self.factor

    def law(self, frequency_Hz: ArrayLike) -> Array:
        """Return the one-sided spectrum of each device's factor (frequency, device) that its path is drawn from [1/Hz].

        Exact for 1/f noise alone and for one trap alone; of several, products of their steps are left out.
        """
        f = np.asarray(frequency_Hz, dtype=float)[:, np.newaxis]
        out = self.strength / f**self.exponent
        for device, own in enumerate(self.traps):
            drop, share, tau = own.step / (1 + own.step), own.filled, own.tau_s
            out[:, device] += (drop**2 * share * (1 - share) * 4 * tau / (1 + (2 * np.pi * f * tau) ** 2)).sum(axis=1)
        return out


def noise_paths(
    model: DeviceModel,
    devices: Devices,
    states: Array,
    time_s: ArrayLike,
    *,
    voltage_V: float,
    drain_V: float | None = None,
    temperature_K: float = ROOM_K,
    rng: np.random.Generator | int = 0,
    progress: Progress | None = None,
) -> NoisePaths:
    """Draw what a read at one voltage shows over time, of each device as it stands.

    States stay as they are, traps and fluctuators are settled at the first time, and self-heating by the read is not
    counted. Each device has a generator of its own, spawned from `rng`: its path depends neither on how many devices
    there are nor on what else is drawn.

    Parameters
    ----------
    model : DeviceModel
        With noise.
    devices : Devices
    states : ndarray (device, unit, state)
        In units of their scales.
    time_s : array_like (time,)
        Increasing, two or more [s]; the 1/f noise follows its law up to a fifth of the inverse of the shortest step.
    voltage_V : float
        Of a transistor that at the gate.
    drain_V : float, optional
        Of a transistor, whose drain current is read.
    temperature_K : float, optional
    rng : Generator or int, optional
    progress : callable, optional

    Returns
    -------
    NoisePaths

    Raises
    ------
    BadInput
        A model without noise, times that do not increase, a read at 0 V, or a device through which no current flows.

    Examples
    --------
    >>> from nvmphys.devices import device
    >>> from nvmphys.simulate.devices import alike
    >>> model = device("rram_gap")
    >>> cells = alike(model, {"rtn_traps": 0.0}, count=20)
    >>> found = noise_paths(model, cells, cells.start(model, None), np.arange(100.0), voltage_V=0.1, rng=1)
    >>> found.factor.shape, bool(abs(found.factor.mean() - 1) < 0.1)
    ((100, 20), True)
    """
    times = np.asarray(time_s, dtype=float)
    if times.ndim != 1 or times.size < 2 or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise BadInput("time_s must be two or more times that increase")
    noise = noise_of(model)
    quiet, seen = _seen(model, devices, states, float(voltage_V), drain_V, float(temperature_K))
    strength, exponent, mean_traps = (
        np.broadcast_to(_evaluated(expression, seen), quiet.shape).astype(float)
        for expression in (noise.strength, noise.exponent, noise.traps)
    )
    factor, traps = np.empty((times.size, quiet.size)), []
    for device, own in enumerate(as_rng(rng).spawn(quiet.size)):
        at = {name: value[device] for name, value in seen.items()}
        traps.append(_traps(noise, at, int(own.poisson(mean_traps[device])), own))
        factor[:, device] = _factor(times, strength[device], exponent[device], traps[-1], own)
        if progress is not None:
            progress(f"noise of {model.name}", device + 1, quiet.size)
    return NoisePaths(times, quiet, factor, strength, exponent, tuple(traps))


def noise_of(model: DeviceModel) -> Noise:
    """Return the noise of a model, refusing one that has none."""
    if model.noise is None:
        why = ": it carries no steady current" if model.current == 0 and model.drain is None else ""
        raise BadInput(f"{model.name} has no read noise{why}; nvmphys list experiments says which models have")
    return model.noise


def _seen(
    model: DeviceModel, devices: Devices, states: Array, voltage_V: float, drain_V: float | None, temperature_K: float
) -> tuple[Array, dict[str, Array]]:
    """Return the current of a read, and what the expressions of noise need of it, each (device,)."""
    if (drain_V is None) != (model.drain is None):
        raise BadInput(f"{model.name}: drain_V belongs to the read of a transistor, and to no other (got {drain_V})")

    def current(volts: float) -> Array:
        if drain_V is None:
            return read(model, devices, states, volts, temperature_K)[0]
        return drain_current(model, devices, states, volts, drain_V, temperature_K)

    across = voltage_V if drain_V is None else drain_V
    below, quiet, above = (current(volts) for volts in (voltage_V - NUDGE_V, voltage_V, voltage_V + NUDGE_V))
    if across == 0 or not (quiet != 0).all():
        raise BadInput(f"{model.name}: noise is a share of a current: read at a voltage at which one flows")
    found = {
        READ_V.name: np.full(quiet.shape, voltage_V),
        READ_G.name: np.abs(quiet / across),
        READ_SLOPE.name: (above - below) / (2 * NUDGE_V * quiet),
        TEMPERATURE.name: np.full(quiet.shape, temperature_K),
    }
    return quiet, found | devices.values


@functools.lru_cache(maxsize=64)
def _compiled(expression: sp.Expr) -> tuple[tuple[str, ...], Callable[..., Array]]:
    """Return the names that an expression is made of, and a function of them."""
    symbols = sorted(expression.free_symbols, key=str)
    return tuple(s.name for s in symbols), sp.lambdify(symbols, expression, "numpy")


def _evaluated(expression: sp.Expr, values: Mapping[str, Array]) -> Array:
    names, function = _compiled(expression)
    return np.asarray(function(*(values[name] for name in names)))


def _traps(noise: Noise, at: Mapping[str, Array], count: int, rng: np.random.Generator) -> Traps:
    """Draw the traps of one device."""
    own = {DEPTH.name: rng.random(count), LEVEL.name: rng.standard_normal(count), SIZE.name: rng.standard_normal(count)}
    found = (_evaluated(e, {**at, **own}) for e in (noise.capture_s, noise.emission_s, noise.step))
    return Traps(*(np.broadcast_to(value, count).astype(float) for value in found))


def _factor(times: Array, strength: float, exponent: float, traps: Traps, rng: np.random.Generator) -> Array:
    """Draw the path of one device (time,)."""
    from nvmphys.simulate.telegraph import telegraph  # takes a second to import

    gaps = np.diff(times, prepend=times[0])
    steps, flicker = np.zeros((1, times.size)), np.zeros((1, times.size))
    telegraph(rng, gaps, traps.tau_s, traps.filled, np.zeros(traps.step.size), -np.log1p(traps.step), True, steps)
    if strength > 0:
        tau, size = fluctuators(strength, exponent, float(gaps[1:].min()), float(times[-1] - times[0]))
        telegraph(rng, gaps, tau, np.full(tau.size, 0.5), -size / 2, size / 2, True, flicker)
    return ((1 + flicker) * np.exp(steps))[0]


def fluctuators(strength: float, exponent: float, shortest_s: float, duration_s: float) -> tuple[Array, Array]:
    """Return time constants [s] and sizes of the fluctuators whose sum, sampled at a step, has the spectrum A²/f^β."""
    low, high = np.log(fastest(exponent) * shortest_s), np.log(LONGEST * duration_s)
    count = int(np.ceil(TRAPS_PER_DECADE * (high - low) / np.log(10)))
    step = (high - low) / count
    tau = np.exp(low + step * (np.arange(count) + 0.5))
    of_all = 2 / np.pi * np.sin(np.pi * exponent / 2) * (2 * np.pi) ** exponent * strength
    return tau, np.sqrt(of_all * tau ** (exponent - 1) * step)


@functools.lru_cache(maxsize=256)
def fastest(exponent: float) -> float:
    """Return the time constant at which fluctuators should end, in steps of time.

    There, what the sampling folds back of slower ones, ∫ x^(β-1)·(coth(1/2x)/2x - 1) dx from it on, is what faster
    ones would have added at low frequencies, x^β/β.

    >>> round(fastest(1.0), 3)
    0.28
    """
    far = 50.0  # where what is folded back is 1/(12 x²)

    def excess(x: float) -> float:
        folded, _ = quad(lambda y: y ** (exponent - 1) * (0.5 / y / np.tanh(0.5 / y) - 1), x, far, limit=200)
        return float(folded + far ** (exponent - 2) / 12 / (2 - exponent) - x**exponent / exponent)

    return float(brentq(excess, 0.01, 5.0))
