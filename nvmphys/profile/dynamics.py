"""Parts of a profile that only a model of the dynamics knows: what single pulses do, how current follows voltage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import ndtr, ndtri

from nvmphys.devices.model import DeviceModel
from nvmphys.errors import BadInput
from nvmphys.population.pulse_update import PulsedDevices, placed, pulsed_devices
from nvmphys.profile.sections import DIRECTIONS, PulseTable, ReadCurrent
from nvmphys.records import Basis, ModelCard, as_rng
from nvmphys.simulate import on_bench
from nvmphys.simulate.experiments import DRAIN_READ_V
from nvmphys.simulate.transient import Progress
from nvmphys.simulate.write_verify import WriteVerify

Array = NDArray[np.float64]

DEVICES = 200
LEVELS = 24
_PROBABILITIES = 33
_MULTIPLES = (-2.0, -1.5, -1.0, -0.5, -0.25, 0.25, 0.5, 1.0, 1.5, 2.0)
"""Read voltages, in units of the read voltage of the conductances."""
_STEEPEST = 40.0
"""Largest α·read_V of the hyperbolic sine that is looked for."""


def pulse_update_of(
    card: ModelCard | DeviceModel,
    *,
    settings: Mapping[str, Any] | None = None,
    values: Mapping[str, float] | None = None,
    population: Mapping[str, Mapping[str, Any]] | None = None,
    n_devices: int = DEVICES,
    n_levels: int = LEVELS,
    rng: np.random.Generator | int = 0,
    progress: Progress | None = None,
) -> dict[str, PulseTable]:
    """Return what the pulses of a programming scheme do, by direction, from a model of the dynamics.

    Parameters
    ----------
    card : ModelCard or DeviceModel
        Of a model with one state.
    settings, values, population : mapping, optional
        As in :func:`~nvmphys.population.pulse_update.pulsed_devices`.
    n_devices, n_levels : int
        Simulated devices, and conductances before a pulse.
    rng : Generator or int
    progress : callable, optional

    Returns
    -------
    dict of str to PulseTable
        `set` of the pulses that raise the conductance on average, `reset` of those that lower it.

    Raises
    ------
    BadInput
        A model with more than one state: a conductance does not tell where it stands.

    Examples
    --------
    >>> from nvmphys.cards import load_card
    >>> tables = pulse_update_of(load_card("rram_gap"), n_devices=4, n_levels=5)
    >>> sorted(tables), bool(tables["set"].mean_S.max() > 0 > tables["reset"].mean_S.min())
    (['reset', 'set'], True)
    """
    made = pulsed_devices(
        card, settings=settings, values=values, population=population, n_devices=n_devices, n_levels=n_levels,
        rng=rng, progress=progress,
    )  # fmt: skip
    step_S = made.level_S * np.expm1(made.log_ratio)  # pulse, device, level
    rises = step_S.mean(axis=(1, 2)) >= 0
    note = f"{n_devices} simulated devices of {card.name}, every pulse of the scheme from every conductance"
    return {
        direction: _table(made, step_S, np.flatnonzero(rises == up), note)
        for direction, up in zip(DIRECTIONS, (True, False), strict=True)
        if np.any(rises == up)
    }


def _table(made: PulsedDevices, step_S: Array, which: NDArray[np.int64], note: str) -> PulseTable:
    end = float(ndtri(0.5 / step_S.shape[1]))
    probability = ndtr(np.linspace(end, -end, _PROBABILITIES))
    step = step_S[which]
    return PulseTable(
        amplitude_V=made.amplitude_V[which], width_s=made.width_s[which], level_S=made.level_S, probability=probability,
        change_S=np.moveaxis(np.quantile(step, probability, axis=1, method="hazen"), 0, -1),
        mean_S=step.mean(axis=1), sigma_S=step.std(axis=1), kept=np.minimum(made.statistics().kept[which], 1.0),
        basis=Basis.SIMULATED, note=note,
    )  # fmt: skip


def pulse_table_of_reads(
    reads_S: Array, *, basis: Basis, note: str, n_levels: int = LEVELS, amplitude_V: float = np.nan,
    width_s: float = np.nan,
) -> PulseTable:  # fmt: skip
    """Return what identical pulses do, from what is read before and after each pulse of trains.

    Steps are sorted by the conductance before them into groups of equal size, whose medians are the levels.

    Parameters
    ----------
    reads_S : ndarray (pulse + 1, train)
        Conductances [S] before the first pulse and after each; NaN after the end of a train.
    basis : Basis
    note : str
    n_levels : int
        Groups; fewer where they would hold less than 20 steps.
    amplitude_V, width_s : float, optional
        The pulse [V], [s].

    Raises
    ------
    BadInput
        "trains must hold at least 40 steps …".

    Examples
    --------
    >>> from nvmphys.population.pulse_response import accumulative_set
    >>> reads = accumulative_set().train(20, 500, np.random.default_rng(1))
    >>> table = pulse_table_of_reads(reads, basis=Basis.PUBLISHED, note="accumulative SET")
    >>> bool(table.mean_S[0, 0] > table.mean_S[0, -1])
    True
    """
    before, step = reads_S[:-1].ravel(), np.diff(reads_S, axis=0).ravel()
    seen = np.isfinite(before + step)
    before, step = before[seen], step[seen]
    groups = min(n_levels, before.size // 20)
    if groups < 2:
        raise BadInput(f"trains must hold at least 40 steps (got {before.size}): quantiles of fewer say nothing")
    parts = np.array_split(np.argsort(before, kind="stable"), groups)
    level = np.array([np.median(before[part]) for part in parts])
    keep = np.append(True, np.diff(np.maximum.accumulate(level)) > 0)
    parts, level = [part for part, good in zip(parts, keep, strict=True) if good], level[keep]
    end = float(ndtri(0.5 / min(part.size for part in parts)))
    probability = ndtr(np.linspace(end, -end, _PROBABILITIES))
    return PulseTable(
        amplitude_V=np.array([amplitude_V]), width_s=np.array([width_s]), level_S=level, probability=probability,
        change_S=np.stack([np.quantile(step[part], probability, method="hazen") for part in parts])[None],
        mean_S=np.array([[step[part].mean() for part in parts]]),
        sigma_S=np.array([[step[part].std() for part in parts]]), kept=np.full((1, level.size), np.nan), basis=basis,
        note=note,
    )  # fmt: skip


def read_iv_of(
    card: ModelCard | DeviceModel,
    *,
    settings: Mapping[str, Any] | None = None,
    values: Mapping[str, float] | None = None,
    multiples: Sequence[float] = _MULTIPLES,
    n_levels: int = LEVELS,
) -> ReadCurrent:
    """Return how the read current of a model departs from Ohm's law, against its conductance.

    The state is held: reading changes nothing. Of a transistor the voltage is that at the drain.

    Parameters
    ----------
    card : ModelCard or DeviceModel
        Of a model with one state.
    settings, values : mapping, optional
        As in :func:`pulse_update_of`; they hold the read voltage.
    multiples : sequence of float
        Read voltages, in units of that of the conductances; 0 is not among them.
    n_levels : int

    Raises
    ------
    BadInput
        A model with more than one state, or 0 among the multiples.

    Examples
    --------
    >>> from nvmphys.cards import load_card
    >>> read = read_iv_of(load_card("rram_gap"), n_levels=5)
    >>> read.ratio.shape, bool(np.allclose(read.ratio[:, read.voltage_V == read.read_V], 1))
    ((5, 10), True)
    """
    wanted = np.unique(np.asarray(multiples, dtype=float))
    if np.any(wanted == 0):
        raise BadInput("multiples must not hold 0: no current flows at 0 V")
    made, bench = on_bench(card, "write_verify", n_devices=1, rng=as_rng(0), settings=settings, values=values)
    assert isinstance(made, WriteVerify)
    if len(bench.model.states) != 1 or bench.model.units is not None:
        raise BadInput(
            f"{bench.model.name} has states besides the one that its conductance tells: its read current is no "
            "function of conductance alone"
        )
    level, standing = placed(bench, made, n_levels)
    transistor = bench.model.drain is not None
    read_V = DRAIN_READ_V if transistor else made.read_V

    def current(volts: float) -> Array:
        if transistor:
            return standing.drain_current(made.read_V, volts, made.temperature_K)
        return standing.answer(volts, made.temperature_K)["conductance_S"] * volts

    ratio = np.stack([current(float(m * read_V)) for m in wanted], axis=1) / current(read_V)[:, None]
    alpha, error = (np.array(each) for each in zip(*(_sinh(wanted, row) for row in ratio), strict=True))
    return ReadCurrent(
        read_V=read_V, level_S=level, voltage_V=wanted * read_V, ratio=ratio, sinh_per_V=alpha / read_V,
        sinh_error=error, basis=Basis.SIMULATED, note=f"{card.name}, its state held while it is read",
    )  # fmt: skip


def _sinh(multiple: Array, ratio: Array) -> tuple[float, float]:
    """Return α·read_V of the nearest sinh(α·V)/sinh(α·read_V), and its largest error over the largest ratio."""
    scale = np.abs(ratio).max()

    def error(steep: float) -> float:
        shape = np.sinh(steep * multiple) / np.sinh(steep) if steep > 1e-9 else multiple
        return float(np.abs(shape - ratio).max() / scale)

    found = minimize_scalar(error, bounds=(0.0, _STEEPEST), method="bounded", options={"xatol": 1e-8})
    best = min((0.0, float(found.x)), key=error)
    return best, error(best)
