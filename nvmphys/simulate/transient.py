"""Devices under a waveform: many at once, in closed form where the model has one, else by the stiff integrator."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from nvmphys.devices.model import AMBIENT, DRAIN, VOLTAGE, Array, DeviceModel, Start, symbol
from nvmphys.errors import BadInput, CheckFailed, unknown_name
from nvmphys.records import as_rng
from nvmphys.simulate.devices import Devices, alike, as_rows, as_units
from nvmphys.simulate.waveform import Waveform

if TYPE_CHECKING:
    from nvmphys.codegen.kernel import Kernel

CHUNK_ROWS = 100_000
"""Devices times units that are solved between two words of progress, and may be interrupted between."""
_CHUNK_NUMBERS = 5e7
_REASONS = {1: "more than 200,000 steps in one piece of the waveform", 2: "no step is small enough"}

Compliance = float | tuple[float | None, float | None] | None
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Transient:
    """What devices did under a waveform.

    Attributes
    ----------
    time_s, voltage_V, temperature_K : ndarray (time,)
    states : ndarray (time, device, unit, state)
        In units of their scales; one unit where the model has none.
    state_names : tuple of str
    current_A : ndarray (time, device)
        Conduction current; with a charge, plus the mean of dQ/dt since the last time looked at.
    charge_C : ndarray (time, device)
    energy_J : ndarray (time, device)
        What the source has given until then: ∫ V·I dt of the conduction as exact as the states; V·dQ of a charge, and
        V·I in closed form, by the trapezoidal rule between times looked at.
    state_slopes : ndarray (time, device, state, parameter)
        Derivatives of the states by the parameters that were asked for, those of the start included.
    current_slopes : ndarray (time, device, parameter)
        Those of the current [A].
    """

    time_s: Array
    voltage_V: Array
    temperature_K: Array
    states: Array
    state_names: tuple[str, ...]
    current_A: Array
    charge_C: Array
    energy_J: Array
    state_slopes: Array
    current_slopes: Array


def transient(
    model: DeviceModel,
    waveform: Waveform,
    devices: Devices | None = None,
    *,
    start: Start | Array = None,
    compliance_A: Compliance = None,
    rng: np.random.Generator | int = 0,
    per_pulse: Mapping[str, ArrayLike] | None = None,
    rtol: float = 1e-6,
    closed_form: bool = True,
    keep_states: bool = True,
    slopes_by: tuple[str, ...] = (),
    workers: int = 1,
    progress: Progress | None = None,
) -> Transient:
    """Apply a waveform to devices.

    Parameters
    ----------
    model : DeviceModel
    waveform : Waveform
    devices : Devices, optional
        Their parameters; by default one device at the values of the model.
    start : mapping or ndarray (device, unit, state), optional
        States by name in place of those at rest, or the states of each device, in units of their scales.
    compliance_A : float or tuple of float or None, optional
        Largest current that the source gives [A], or one at positive and one at negative voltage; the voltage falls
        where more would flow.
    rng : Generator or int, optional
        For numbers drawn for each pulse, in a model that has them.
    per_pulse : mapping of array_like (pulse,), optional
        Parameters with a value of its own for each pulse of the waveform, such as the voltage of a gate; in pieces that
        belong to no pulse the devices' own values stand.
    rtol : float, optional
        Tolerance of the integrator, relative to a state.
    closed_form : bool, optional
        Whether to use the closed form where the model has one.
    keep_states : bool, optional
        Whether to keep the states at every time rather than at the last alone.
    slopes_by : tuple of str, optional
        Parameters to give slopes by; for models without units, by integration.
    workers : int, optional
        Threads; the result does not depend on their number.
    progress : callable, optional
        Told what is done, how much of it and of how much.

    Returns
    -------
    Transient

    Raises
    ------
    BadInput
        A compliance that is not > 0 A or stands beside an access transistor, a state outside its range, values of
        pulses that are not one for each.
    CheckFailed
        "… could not be integrated": where and at which values.

    Examples
    --------
    >>> from nvmphys.devices import device
    >>> from nvmphys.simulate.waveform import joined, pulse
    >>> done = transient(device("fe_preisach"), joined(pulse(5.0, 1e-6)))
    >>> done.state_names[0], round(float(done.states[-1, 0, 0, 0]), 3)
    ('p1', 4.765)
    """
    limits = _limits(compliance_A)
    if not 0 < rtol < np.inf or workers < 1:
        raise BadInput(f"rtol must be > 0 and workers 1 or more (got {rtol:g}, {workers})")
    devices = devices or alike(model)
    begin = devices.start(model, start)
    drawn = _of_pulses(model, devices, waveform, per_pulse or {}, slopes_by, rng)
    if model.access is not None and min(limits) < np.inf:
        raise BadInput(
            f"{model.name}: compliance_A must be left out: its transistor limits the current, by {model.access.gate}"
        )
    if slopes_by and model.units is not None:
        raise BadInput(f"{model.name}: slopes by parameters are for models without units")
    setting = _Setting(model, waveform, limits, rtol, slopes_by)
    exact = not slopes_by and closed_form and model.closed_form is not None and min(limits) == np.inf and not per_pulse
    observed, n_units, n_states = int(waveform.observed.sum()), devices.n_units, begin.shape[-1]
    states = np.empty((observed if keep_states else 1, devices.count, n_units, n_states))
    conduction, charge, energy = (np.empty((observed, devices.count)) for _ in range(3))
    state_slopes = np.empty((observed, devices.count, n_states, len(slopes_by)))
    current_slopes = np.empty((observed, devices.count, len(slopes_by)))
    per_chunk = max(1, int(min(CHUNK_ROWS, _CHUNK_NUMBERS / (observed * n_states)) / n_units))
    parts = [slice(low, min(low + per_chunk, devices.count)) for low in range(0, devices.count, per_chunk)]

    def solve(part: slice) -> Found:
        rows = as_rows(model, begin[part])
        if exact:
            return _closed(setting, devices, part, rows)
        per_device = rows.shape[0] // (part.stop - part.start)
        numbers = {name: np.repeat(value[part], per_device, axis=0) for name, value in drawn.items()}
        return _integrated(setting, devices, part, rows, numbers)

    with ExitStack() as stack:
        run = map if workers == 1 else stack.enter_context(ThreadPoolExecutor(workers)).map
        for part, found in zip(parts, run(solve, parts), strict=True):
            kept = found[0] if keep_states else found[0][-1:]
            states[:, part] = as_units(model, kept, n_units)
            shape = (observed, part.stop - part.start, -1)
            conduction[:, part], charge[:, part], energy[:, part] = (
                each.reshape(shape).mean(axis=-1) for each in found[1:4]
            )
            if slopes_by:
                state_slopes[:, part], current_slopes[:, part] = found[4:]
            if progress is not None:
                progress(f"simulating {model.name}", part.stop, devices.count)
    current = conduction
    if model.charge != 0:
        first_V, first_K = float(waveform.segments.start_V[0]), float(waveform.segments.start_K[0])
        before = np.vstack([read(model, devices, begin, first_V, first_K)[1], charge[:-1]])
        current = conduction + (charge - before) / np.diff(waveform.time_s, prepend=0.0)[:, np.newaxis]
        mean_V = 0.5 * (waveform.voltage_V + np.concatenate([[first_V], waveform.voltage_V[:-1]]))
        energy = energy + np.cumsum(mean_V[:, np.newaxis] * (charge - before), axis=0)
    names = tuple(state.name for state in devices.states(model))
    return Transient(
        waveform.time_s, waveform.voltage_V, waveform.temperature_K, states, names, current, charge, energy,
        state_slopes, current_slopes,
    )  # fmt: skip


def read(
    model: DeviceModel, devices: Devices, states: Array, voltage_V: float, temperature_K: float
) -> tuple[Array, Array]:
    """Return current [A] and charge [C] of each device at a voltage, its states (device, unit, state) as they are."""
    found = _read_rows(*devices.seen(model, slice(None), states), voltage_V, temperature_K)
    _, current, charge = (each.reshape(devices.count, -1).mean(axis=-1) for each in found)
    return current, charge


def drain_current(
    model: DeviceModel, devices: Devices, states: Array, gate_V: float, drain_V: float, temperature_K: float
) -> Array:
    """Return the drain current [A] of each transistor (device,), its states (device, unit, state) as they are.

    Raises
    ------
    BadInput
        The model is no transistor.
    """
    if model.drain is None:
        raise BadInput(f"{model.name} has no drain: this is for transistors")
    made, parameters, rows = devices.seen(model, slice(None), states)
    inner, _, _ = _read_rows(made, parameters, rows, gate_V, temperature_K)
    given = (inner, drain_V, temperature_K, *rows.T, *parameters.T)
    found = np.broadcast_to(_drain(model, made.names)(*given), inner.shape)
    return np.array(found.reshape(devices.count, -1).mean(axis=-1))


@functools.lru_cache(maxsize=16)
def _drain(model: DeviceModel, names: tuple[str, ...]) -> Callable[..., Array]:
    """Return the drain current as a function of inner voltage, drain voltage, temperature, states and parameters."""
    system = model.of_means() if model.coupled else model.system(model.values())
    states = [state.symbol for state in system.states]
    made: Callable[..., Array] = sp.lambdify(
        [VOLTAGE, DRAIN, AMBIENT, *states, *map(symbol, names)], system.drain, "numpy", cse=True
    )
    return made


@dataclass(frozen=True)
class _Setting:
    """What all devices of a simulation share."""

    model: DeviceModel
    waveform: Waveform
    compliance_A: tuple[float, float]
    rtol: float
    slopes_by: tuple[str, ...] = ()


def _limits(compliance_A: Compliance) -> tuple[float, float]:
    """Return the largest current at positive and at negative voltage [A]."""
    both = compliance_A if isinstance(compliance_A, tuple) else (compliance_A, compliance_A)
    for limit in both:
        if limit is not None and not (np.isfinite(limit) and limit > 0):
            raise BadInput(f"compliance_A must be > 0 A (got {limit:g} A): leave it out for a source without a limit")
    positive, negative = (np.inf if limit is None else float(limit) for limit in both)
    return positive, negative


Found = tuple[Array, ...]
"""States (time, row, state), conduction current, charge and energy (time, row); slopes where they are asked for."""


def _closed(setting: _Setting, devices: Devices, part: slice, start: Array) -> Found:
    model, waveform = setting.model, setting.waveform
    assert model.closed_form is not None
    states = model.closed_form(devices.closed_rows(model, part), start, waveform.segments)[waveform.observed]
    made, parameters, rows = devices.seen(model, part, as_units(model, states, devices.n_units))
    current, charge = np.empty(rows.shape[:2]), np.empty(rows.shape[:2])
    for k, (volts, kelvins) in enumerate(zip(waveform.voltage_V, waveform.temperature_K, strict=True)):
        _, current[k], charge[k] = _read_rows(made, parameters, rows[k], float(volts), float(kelvins))
    power = waveform.voltage_V[:, np.newaxis] * current
    mean = 0.5 * (power + np.concatenate([power[:1], power[:-1]]))
    return states, current, charge, np.cumsum(mean * np.diff(waveform.time_s, prepend=0.0)[:, np.newaxis], axis=0)


def _read_rows(
    kernel: Kernel, parameters: Array, states: Array, voltage_V: float, temperature_K: float
) -> tuple[Array, Array, Array]:
    """Return the inner voltage [V], current [A] and charge [C] of each row."""
    from nvmphys.simulate.integrator import read_out  # compiled when it is first imported

    inner, current, charge = (np.empty(states.shape[0]) for _ in range(3))
    rows = np.ascontiguousarray(states)
    read_out(kernel.rhs, kernel.jacobian, parameters, rows, voltage_V, temperature_K, inner, current, charge)
    return inner, current, charge


def _of_pulses(
    model: DeviceModel, devices: Devices, waveform: Waveform, given: Mapping[str, ArrayLike],
    slopes_by: tuple[str, ...], rng: np.random.Generator | int,
) -> dict[str, Array]:  # fmt: skip
    """Return values (device, pulse) of the parameters that differ from pulse to pulse, those that are drawn first."""
    count, found = max(waveform.n_pulses, 1), {}
    if model.drawn_per_pulse is not None:
        found[model.drawn_per_pulse] = as_rng(rng).standard_normal((devices.count, count))
    for name, values in given.items():
        if name not in devices.values or name in found:
            raise unknown_name(f"parameter of {model.name} that pulses can have of their own", name, devices.values)
        numbers, (low, high) = np.asarray(values, dtype=float), model.parameter(name).bounds
        if name in slopes_by:
            raise BadInput(f"{model.name}: slopes by {name} need one value of it: here each pulse has its own")
        if numbers.shape != (waveform.n_pulses,) or not np.all((low <= numbers) & (numbers <= high)):
            raise BadInput(
                f"per_pulse: {name} must be {waveform.n_pulses} numbers, one for each pulse, within {low:g} … {high:g} "
                f"{model.parameter(name).unit} (got {np.array2string(numbers, threshold=6)})"
            )
        found[name] = np.broadcast_to(numbers, (devices.count, count))
    return found


def _integrated(setting: _Setting, devices: Devices, part: slice, start: Array, drawn: Mapping[str, Array]) -> Found:
    from nvmphys.simulate.integrator import integrate  # compiled when it is first imported

    model, pieces = setting.model, setting.waveform.segments
    kernel, parameters = devices.compiled(model, part)
    names = kernel.names
    drawn_at = np.array([names.index(name) for name in drawn], dtype=np.int64)
    numbers = np.stack([*drawn.values()], axis=-1) if drawn else np.zeros((start.shape[0], 1, 0))
    observed = setting.waveform.observed
    keep = np.where(observed, np.cumsum(observed) - 1, -1)
    states = np.empty((int(observed.sum()), *start.shape))
    current, charge, energy = (np.empty(states.shape[:2]) for _ in range(3))
    status = np.zeros((start.shape[0], 2), dtype=np.int64)
    by_parameter, begin = kernel.rhs, np.zeros((*start.shape, 0))
    if setting.slopes_by:
        by_parameter, begin = devices.slopes(model, part, setting.slopes_by)
    free = begin.shape[-1]
    state_slopes, current_slopes = np.empty((*states.shape, free)), np.empty((*current.shape, free))
    integrate(
        kernel.rhs, kernel.jacobian, by_parameter, parameters, np.ascontiguousarray(start), begin, pieces.duration_s,
        pieces.start_V, pieces.end_V, pieces.start_K, pieces.end_K, pieces.pulse, np.ascontiguousarray(numbers),
        drawn_at, setting.compliance_A, setting.rtol, keep, states, current, charge, energy, state_slopes,
        current_slopes, status,
    )  # fmt: skip
    bad = np.flatnonzero(status[:, 0])
    if bad.size:
        row = int(bad[0])
        device = part.start + row * (part.stop - part.start) // start.shape[0]
        code, at = (int(number) for number in status[row])
        values = ", ".join(f"{name} = {value:g}" for name, value in zip(names, parameters[row], strict=True))
        raise CheckFailed(
            f"{model.name}: device {device} could not be integrated in piece {at} of "
            f"the waveform ({pieces.start_V[at]:g} … {pieces.end_V[at]:g} V, {pieces.duration_s[at]:g} s): "
            f"{_REASONS[code]}; {bad.size} such rows; {values}"
        )
    return states, current, charge, energy, state_slopes, current_slopes
