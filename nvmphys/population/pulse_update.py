"""What a pulse does to a conductance, as statistics: enough to program cells without their equations.

For each pulse of a scheme (amplitude, width) and each conductance G before it, quantiles of ln(G'/G), with G' what is
read afterwards:

    ln(G'/G) = Q(pulse, G; z),   z = λ(pulse, G)·l + √(1 - |λ|²)·ξ

l are standard normal numbers that a cell keeps for life (a slow cell stays slow), ξ one of its own for each pulse. Both
are told apart by the ranks that the same devices take under different pulses: l are the leading principal components
of the ranks, λ their correlation with each of them. Without λ every pulse would meet another cell, and programming
would look easier than it is for the slow ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from nvmphys.devices.model import DeviceModel
from nvmphys.errors import BadInput
from nvmphys.records import Measurement, ModelCard, Source, as_rng
from nvmphys.simulate import on_bench
from nvmphys.simulate.experiments import Bench
from nvmphys.simulate.transient import Progress
from nvmphys.simulate.write_verify import Cells, OnBench, WriteVerify

Array = NDArray[np.float64]

SCORES = np.linspace(-3.0, 3.0, 49)
"""Normal scores of the quantiles; beyond them the outermost hold."""
_STATES = 400
_MOST_FACTORS = 4
_LEAST_SHARE = 0.02
"""Share of the variance of ranks below which a principal component is left to chance."""
_STILL = 1e-6
"""Spread of ln(G'/G) below which ranks mean nothing."""


class PulseLaw(Protocol):
    """Statistics of pulses that cells can be programmed with."""

    def cells(self, count: int, rng: np.random.Generator) -> Cells:
        """Return fresh cells."""
        ...


@dataclass(frozen=True)
class PulseUpdate:
    """Statistics of the pulses of a scheme.

    Attributes
    ----------
    amplitude_V, width_s : ndarray (pulse,)
    level_S : ndarray (level,)
        Conductances before a pulse [S], evenly in their logarithm.
    start_S : ndarray (score,)
        Quantiles of fresh cells [S], at `SCORES`.
    log_ratio : ndarray (pulse, level, score)
        Quantiles of ln(G'/G) [1], at `SCORES`.
    loading : ndarray (pulse, level, factor)
        λ [1]: how much of a cell's rank is its own for life.
    energy_J : ndarray (pulse, level)
        Mean energy of a pulse [J].
    """

    amplitude_V: Array
    width_s: Array
    level_S: Array
    start_S: Array
    log_ratio: Array
    loading: Array
    energy_J: Array

    @property
    def kept(self) -> Array:
        """Share of the variance of rank that a cell keeps for life (pulse, level) [1]."""
        return np.asarray((self.loading**2).sum(axis=-1))

    def memoryless(self) -> PulseUpdate:
        """Return the same statistics for cells that keep nothing: every pulse draws its rank anew."""
        return replace(self, loading=np.zeros(self.loading.shape))

    def cells(self, count: int, rng: np.random.Generator) -> Cells:
        """Return fresh cells."""
        return _Drawn(self, count, rng)


@dataclass(frozen=True)
class PulsedDevices:
    """What pulses did to devices, one by one.

    Attributes
    ----------
    amplitude_V, width_s : ndarray (pulse,)
    level_S : ndarray (level,)
        Conductances before a pulse [S].
    start_S : ndarray (device,)
        Fresh [S].
    log_ratio : ndarray (pulse, device, level)
        ln(G'/G) [1].
    energy_J : ndarray (pulse, device, level)
    """

    amplitude_V: Array
    width_s: Array
    level_S: Array
    start_S: Array
    log_ratio: Array
    energy_J: Array

    def statistics(self, devices: NDArray[np.int64] | None = None) -> PulseUpdate:
        """Return the statistics of all devices, or of some: a bootstrap gives a device more than once."""
        chosen = np.arange(self.start_S.size) if devices is None else devices
        ratios = self.log_ratio[:, chosen]
        return PulseUpdate(
            self.amplitude_V, self.width_s, self.level_S,
            np.quantile(self.start_S[chosen], ndtr(SCORES), method="hazen"),
            np.moveaxis(np.quantile(ratios, ndtr(SCORES), axis=1, method="hazen"), 0, -1),
            _loadings(ratios), self.energy_J[:, chosen].mean(axis=1),
        )  # fmt: skip


class _Drawn:
    """Cells that follow the statistics."""

    def __init__(self, law: PulseUpdate, count: int, rng: np.random.Generator) -> None:
        self.law, self.rng = law, rng
        self.life = rng.standard_normal((count, law.loading.shape[-1]))
        self.conductance = np.interp(rng.standard_normal(count), SCORES, law.start_S)

    def read(self) -> Array:
        return self.conductance

    def pulse(self, which: NDArray[np.int64], amplitude_V: float, width_s: float) -> Array:
        law = self.law
        (found,) = np.nonzero(np.isclose(law.amplitude_V, amplitude_V) & np.isclose(law.width_s, width_s))
        if not found.size:
            raise BadInput(f"pulse must be one of the statistics' own (got {amplitude_V:g} V for {width_s:g} s)")
        p, before = int(found[0]), self.conductance[which]
        place = np.interp(np.log(before), np.log(law.level_S), np.arange(law.level_S.size))
        low = np.minimum(place.astype(int), law.level_S.size - 2)
        up = place - low
        loading = law.loading[p, low] + up[:, None] * (law.loading[p, low + 1] - law.loading[p, low])
        own = np.sqrt(np.maximum(1 - (loading**2).sum(axis=1), 0.0))
        z = (loading * self.life[which]).sum(axis=1) + own * self.rng.standard_normal(which.size)
        at = np.clip((z - SCORES[0]) / (SCORES[1] - SCORES[0]), 0, SCORES.size - 1)
        left = np.minimum(at.astype(int), SCORES.size - 2)
        right = at - left
        below, above = (
            law.log_ratio[p, row, left] * (1 - right) + law.log_ratio[p, row, left + 1] * right
            for row in (low, low + 1)
        )
        self.conductance = self.conductance.copy()
        self.conductance[which] = before * np.exp(below + up * (above - below))
        return law.energy_J[p, low] + up * (law.energy_J[p, low + 1] - law.energy_J[p, low])


def pulsed_devices(
    card: ModelCard | DeviceModel,
    *,
    settings: Mapping[str, Any] | None = None,
    values: Mapping[str, float] | None = None,
    population: Mapping[str, Mapping[str, Any]] | None = None,
    n_devices: int = 200,
    n_levels: int = 48,
    rng: np.random.Generator | int = 0,
    progress: Progress | None = None,
) -> PulsedDevices:
    """Give simulated devices all pulses of a write-verify scheme, every device every pulse from every conductance.

    Parameters
    ----------
    card : ModelCard or DeviceModel
        Of a model with one state.
    settings : mapping, optional
        Settings of `write_verify` in place of those that suit the model.
    values, population : mapping, optional
        As in `nvmphys.simulate`.
    n_devices : int, optional
    n_levels : int, optional
        Conductances before a pulse.
    rng : Generator or int, optional
    progress : callable, optional

    Raises
    ------
    BadInput
        A model with more than one state or with units: a conductance does not tell where it stands.
    """
    made, bench = on_bench(
        card, "write_verify", n_devices=n_devices, rng=as_rng(rng), settings=settings, values=values,
        population=population,
    )  # fmt: skip
    assert isinstance(made, WriteVerify)
    if len(bench.model.states) != 1 or bench.model.units is not None:
        raise BadInput(
            f"{bench.model.name} has states besides the one that its conductance tells: its pulses have no statistics "
            "by conductance alone"
        )
    levels, standing = placed(bench, made, n_levels)
    pulses = [(volts, ladder.width_s) for ladder in made.ladders.values() for volts in ladder.amplitudes_V]
    shape = (n_devices, levels.size)
    ratios, energies = np.empty((len(pulses), *shape)), np.empty((len(pulses), *shape))
    everyone = np.arange(n_devices * levels.size)
    for k, (volts, width) in enumerate(pulses):
        cells = OnBench(standing, made)
        before = cells.read()
        energies[k] = cells.pulse(everyone, float(volts), width).reshape(shape)
        ratios[k] = np.log(cells.read() / before).reshape(shape)
        if progress is not None:
            progress(f"pulse statistics of {bench.model.name}", k + 1, len(pulses))
    amplitude, widths = (np.array(each) for each in zip(*pulses, strict=True))
    return PulsedDevices(amplitude, widths, levels, OnBench(bench, made).read(), ratios, energies)


def placed(bench: Bench, made: WriteVerify, n_levels: int) -> tuple[Array, Bench]:
    """Return levels [S] over all conductances, and every device (device, level) in the state that has each of them.

    A device that does not reach a level stands at its end.
    """
    n, (state,) = bench.devices.count, bench.model.states
    ends = np.array([bench.devices.system(bench.model, k).bounds()[0] for k in range(n)])
    grid = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * np.linspace(0, 1, _STATES)
    found = _read_at(bench, grid, made)
    rising = np.sign(np.diff(found, axis=1))
    if not (abs(rising.sum()) == rising.size):
        raise BadInput(f"{bench.model.name}: its conductance must rise or fall with {state.name} throughout")
    if not found.min() > 0:
        raise BadInput(f"{bench.model.name}: its conductance must be > 0 S throughout (got {found.min():g} S)")
    order = slice(None, None, int(rising[0, 0]))
    levels = np.geomspace(found.min(), found.max(), n_levels)
    states = np.stack([np.interp(np.log(levels), np.log(g[order]), x[order]) for g, x in zip(found, grid, strict=True)])
    return levels, _standing(bench, states)


def _standing(bench: Bench, states: Array) -> Bench:
    """Return a bench with every device as often as it has states (device, state)."""
    many = bench.only(np.repeat(np.arange(bench.devices.count), states.shape[1]))
    standing = many.states.copy()
    standing[:, 0, 0] = states.ravel()
    return replace(many, states=standing)


def _read_at(bench: Bench, states: Array, made: WriteVerify) -> Array:
    """Return conductances [S] (device, state)."""
    found = _standing(bench, states).answer(made.read_V, made.temperature_K)["conductance_S"]
    return found.reshape(states.shape)


def _loadings(ratios: Array) -> Array:
    """Return λ (pulse, level, factor) from ln(G'/G) (pulse, device, level) of the same devices."""
    spread = ratios.std(axis=1)
    flat = np.moveaxis(ratios, 1, 0).reshape(ratios.shape[1], -1)
    scores = _normal_scores(flat)
    told = spread.ravel() > _STILL
    loading = np.zeros((flat.shape[1], _MOST_FACTORS))
    if told.any():
        weighted = scores[:, told] * spread.ravel()[told]
        left, size, _ = np.linalg.svd(weighted, full_matrices=False)
        share = size**2 / (size**2).sum()
        factors = int((share[:_MOST_FACTORS] > max(_LEAST_SHARE, _by_chance(spread.ravel()[told], len(flat)))).sum())
        life = _normal_scores(left[:, :factors])
        loading[told, :factors] = scores[:, told].T @ life / len(flat)
    size = np.sqrt((loading**2).sum(axis=1, keepdims=True))
    loading /= np.maximum(size, 1.0)
    return loading.reshape(*spread.shape, _MOST_FACTORS)


def _by_chance(weights: Array, rows: int) -> float:
    """Return the share of variance of the largest principal component of independent columns, a fifth added.

    (1 + √(m/n))²/m (Marchenko and Pastur), with m the columns that count as much as all with their weights.
    """
    columns = (weights**2).sum() ** 2 / (weights**4).sum()
    return float(1.2 * (1 + np.sqrt(columns / rows)) ** 2 / columns)


def _normal_scores(columns: Array) -> Array:
    """Return the normal scores of ranks within each column (row, column), of variance 1."""
    ranks = columns.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    scores = ndtri((ranks + 0.5) / len(columns))
    return np.asarray(scores / scores.std(axis=0))


def write_verify(
    law: PulseLaw, scheme: WriteVerify, n_cells: int, rng: np.random.Generator | int, name: str = "pulse statistics"
) -> Measurement:
    """Program cells that follow statistics of pulses, by the same scheme as devices on the bench.

    Parameters
    ----------
    law : PulseLaw
        `PulseUpdate`, or the published law of accumulative SET (`accumulative_set`).
    scheme : WriteVerify
        `nvmphys.simulate.experiment(model, "write_verify", settings)`.
    n_cells : int
        Cells for each target.
    rng : Generator or int
    name : str, optional
        What the measurement is called.

    Returns
    -------
    Measurement
        As of the experiment `write_verify`; without energy where the law does not tell it.
    """
    generator = as_rng(rng)
    targets = np.array(scheme.target_S)
    cells = law.cells(n_cells * targets.size, generator)
    table = scheme.program(cells, np.repeat(targets, n_cells), generator, lambda done, total: None)
    table = table.assign(device_id=table["cell"] + 1, temperature_K=scheme.temperature_K, experiment="write_verify")
    table = table.drop(columns="cell").sort_values(["device_id", "cycle"], kind="stable", ignore_index=True)
    source = Source(name, "statistics of pulses", kind="simulated", n_devices=n_cells * targets.size)
    return Measurement("write_verify", table, source, (f"simulated: {name}, write_verify, {n_cells} cells a target",))
