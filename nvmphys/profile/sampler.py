"""Cells of a profile by number: the same cell whatever the chunk, the order or the number of threads."""

from __future__ import annotations

import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.special import chdtri, ndtri, stdtr

from nvmphys.errors import BadInput, ExtrapolationWarning, MissingTool
from nvmphys.population.history import SCORE_GRID, History
from nvmphys.population.law import check_levels
from nvmphys.population.read_noise import TRAPS_PER_DECADE, traps
from nvmphys.profile import kernels
from nvmphys.profile.philox import tail_table
from nvmphys.records import as_rng

if TYPE_CHECKING:
    from nvmphys.profile.profile import VariationProfile

Array = NDArray[np.float64]
ReadNoise = Literal["none", "marginal", "path"]

READ_NOISE = ("none", "marginal", "path")
_MOST_CELLS = 2**62
_ROUNDED = 2**15
"""Cells of float32 that are drawn at once."""


@dataclass(frozen=True)
class Sampler:
    """Draws cells of a profile by their number.

    A cell's history follows from the seed and its number: any first cell, chunk and number of workers gives the same
    cells, and so does any choice of times (a history asked for at fewer times is the same history). The numbers are
    those of Philox 4x64-10 (:mod:`nvmphys.profile.philox`).

    Attributes
    ----------
    profile : VariationProfile
    key : ndarray (2,) of uint64
    temperature_K : float or None
        Within the profile's; the lowest where None.
    extrapolate : bool
    extras : bool
        Whether the populations that do not follow the target are mixed in.

    Examples
    --------
    >>> import nvmphys as nv
    >>> profile = nv.build_profile(nv.load_card("pcm_90nm"), [5e-6, 20e-6], [3600.0], rng=1)
    >>> sampler = profile.sampler(seed=7)
    >>> whole = sampler.draw(np.full(1000, 5e-6), [20.0, 3600.0])
    >>> later = sampler.draw(np.full(400, 5e-6), [20.0, 3600.0], first_cell=600)
    >>> bool(np.all(whole[:, 600:] == later))
    True
    """

    profile: VariationProfile
    key: NDArray[np.uint64]
    temperature_K: float | None = None
    extrapolate: bool = False
    extras: bool = True

    def draw(
        self,
        targets: Array | float,
        times: Array | float | list[float],
        *,
        first_cell: int = 0,
        dtype: DTypeLike = np.float64,
        read_noise: ReadNoise = "none",
        workers: int = 1,
    ) -> NDArray[Any]:
        """Draw whole histories.

        Parameters
        ----------
        targets : array_like
            Target conductance of each cell [S], any shape; cells are numbered in its order.
        times : array_like (time,)
            Times since programming [s].
        first_cell : int
            Number of the first cell.
        dtype : numpy.float64 or numpy.float32
        read_noise : {"none", "marginal", "path"}
            Whether each time is read with noise: drawn anew at each time, or by traps that keep their state from one
            time to the next (times then increase). The noise of a marginal read follows from seed, cell and time, so a
            second call for a time repeats it; a time that stands twice in `times` is read twice, with noise of its own.
        workers : int
            Threads.

        Returns
        -------
        ndarray (time, *targets.shape)
            Conductance [S]; a read with noise may fall below zero, as an instrument's does.

        Raises
        ------
        BadInput
            Target, time or temperature outside the tables; read noise that the profile does not know.

        Warns
        -----
        ExtrapolationWarning
            Times beyond the tables, where `extrapolate` allows them.
        """
        cells = np.asarray(targets, dtype=float)
        flat = cells.ravel() if cells.flags.c_contiguous else np.ascontiguousarray(cells).ravel()
        when = np.atleast_1d(np.asarray(times, dtype=float))
        kind = np.dtype(dtype)
        if kind not in (np.dtype(np.float64), np.dtype(np.float32)):
            raise BadInput(f"dtype must be float64 or float32 (got {kind})")
        if not 0 <= first_cell <= _MOST_CELLS:
            raise BadInput(f"first_cell must lie within 0 … 2^62 (got {first_cell})")
        if workers < 1:
            raise BadInput(f"workers must be >= 1 (got {workers})")
        plan = self._plan(flat, when, read_noise)
        out = np.empty((when.size, flat.size), dtype=kind)
        edges = np.linspace(0, flat.size, workers + 1).astype(int)

        def fill(part: int) -> None:
            low, high = int(edges[part]), int(edges[part + 1])
            if kind == np.float64:
                kernels.draw(self.key, first_cell, low, high, flat, *plan, out)
                return
            for at in range(low, high, _ROUNDED):  # drawn as float64, then rounded
                some = flat[at : min(at + _ROUNDED, high)]
                exact = np.empty((when.size, some.size))
                kernels.draw(self.key, first_cell + at, 0, some.size, some, *plan, exact)
                out[:, at : at + some.size] = exact

        if workers == 1:
            fill(0)
        else:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(fill, range(workers)))
        return out.reshape(when.size, *cells.shape)

    def draw_torch(self, targets: Any, times: Array | float | list[float], **options: Any) -> Any:
        """Draw as :meth:`draw` does and return a torch tensor on the CPU, of the same memory.

        Parameters
        ----------
        targets : array_like or torch.Tensor
            Target conductances [S].
        times, **options
            As for :meth:`draw`.

        Raises
        ------
        MissingTool
            torch cannot be imported.
        """
        try:
            import torch
        except ImportError as error:
            raise MissingTool(f"tensors need torch ({error}): pip install torch") from None
        wanted = targets.detach().cpu().numpy() if isinstance(targets, torch.Tensor) else targets
        return torch.from_numpy(self.draw(wanted, times, **options))

    def _plan(self, targets: Array, times: Array, read_noise: ReadNoise) -> tuple[Any, ...]:
        """Check what is asked for and return all tables of the loop."""
        profile = self.profile
        if targets.size:
            check_levels(profile, np.array([targets.min(), targets.max()]))  # NaN is both
        several = profile.tables.time_s.size > 1
        profile.check_times(times, self.extrapolate and several, may_extrapolate=several)
        if read_noise not in READ_NOISE:
            raise BadInput(f"read_noise must be one of {', '.join(READ_NOISE)} (got {read_noise!r})")
        beyond = times[times > profile.tables.time_s[-1] * (1 + 1e-9)]
        if beyond.size:
            warnings.warn(
                f"{profile.name}: {beyond.size} of {times.size} times lie beyond {profile.tables.time_s[-1]:g} s, the "
                "last of the tables, whose change is held",
                ExtrapolationWarning,
                stacklevel=3,
            )
        normal = normal_table()
        return (
            _start(profile, self.extras), _change(profile, times, self.temperature_K), _path(profile.history, times),
            _noise(profile, times, read_noise), normal,
        )  # fmt: skip


@lru_cache(maxsize=1)
def normal_table() -> Array:
    """Return |z| against the tail probability."""
    return tail_table(lambda v: -ndtri(v) + 0.0)


def _start(profile: VariationProfile, extras: bool) -> kernels.Start:
    """Return the tables of cells as programmed."""
    tables = profile.tables
    mixed = [extra for extra in profile.extras.values() if extras and extra.weight > 0 and extra.quantiles_S.size]
    sizes = [extra.quantiles_S.size for extra in mixed]
    return kernels.Start(
        target=kernels.axis(tables.target_S),
        score=kernels.axis(ndtri(tables.probability)),
        programmed_S=_with_a_row_to_spare(tables.programmed_S),
        highest_S=float(tables.programmed_S[-1, -1]),
        share_up_to=np.cumsum([extra.weight for extra in mixed], dtype=float),
        begin=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        place_S=np.concatenate([np.empty(0), *(extra.quantiles_S for extra in mixed)]),
        stays=np.array([extra.stays for extra in mixed], dtype=bool),
    )


def _change(profile: VariationProfile, times: Array, temperature_K: float | None) -> kernels.Change:
    """Return the change at each time, interpolated in ln t and 1/T."""
    tables = profile.tables
    first = times == profile.first_time_s
    change = np.zeros((times.size, tables.level_S.size + 1, tables.probability.size))
    for k in np.flatnonzero(~first):
        change[k] = _with_a_row_to_spare(profile.change_table(float(times[k]), temperature_K))
    return kernels.Change(
        level=kernels.axis(tables.level_S),
        table=change,
        as_programmed=first,
        time_bits=times.astype(np.float64).view(np.uint64),
        level_is_programmed=profile.level_is_programmed,
        level_is_target=not profile.level_is_programmed and np.array_equal(tables.level_S, tables.target_S),
        kind=kernels.KINDS[profile.coordinate.kind],
        floor_S=profile.coordinate.floor_S,
        correlation=profile.programming_correlation,
    )


def _with_a_row_to_spare(table: Array) -> Array:
    """Repeat the last row of a table: beyond it nothing is read, but looked at."""
    return np.concatenate([table, table[-1:]])


def _path(history: History, times: Array) -> kernels.Path:
    """Return the tables of the latent path; one of no nodes where a cell keeps one score for life."""
    nodes = history.times_s.size
    empty = np.empty(0)
    ends = float(SCORE_GRID[0]), float(SCORE_GRID[1] - SCORE_GRID[0])
    if history.is_frozen:
        none = np.empty(0, dtype=np.int64)
        return kernels.Path(np.eye(1), empty, empty, empty, *ends, np.zeros((1, 2)), np.zeros((1, 2)), none, empty)
    at = np.clip(np.searchsorted(history.times_s, times, side="right") - 1, 0, nodes - 1)
    after = np.minimum(at + 1, nodes - 1)
    weight = np.zeros(times.size)
    between = (at < nodes - 1) & (times > history.times_s[at])
    low, high = history.times_s[at[between]], history.times_s[after[between]]
    weight[between] = np.log(times[between] / low) / np.log(high / low)
    heavy, back = _heavy_tails(history.dof)
    ranks = np.full((nodes, kernels.RANKS + 1), np.inf)
    ranks[:, : SCORE_GRID.size] = history.path_quantiles
    factor = np.asarray(np.linalg.cholesky(history.correlation), dtype=np.float64)
    return kernels.Path(
        factor, *heavy, back, *ends, np.ascontiguousarray(history.step_quantiles),
        ranks, at.astype(np.int64), weight,
    )  # fmt: skip


@lru_cache(maxsize=8)
def _heavy_tails(dof: float) -> tuple[tuple[Array, Array], Array]:
    """Return √(ν/χ²) against both tails, and |z| of |t| against 1/(2(1 + |t|)), for ν degrees of freedom."""
    if not np.isfinite(dof):
        one = tail_table(np.ones_like)
        return (one, one), np.empty(0)
    # a word below 2^63 is a lower tail of χ², one above an upper tail
    lower = tail_table(lambda v: np.sqrt(dof / chdtri(dof, 1 - v)))
    upper = tail_table(lambda v: np.sqrt(dof / chdtri(dof, v)))
    back = tail_table(lambda v: -ndtri(np.maximum(stdtr(dof, -(0.5 / v - 1)), 1e-300)) + 0.0)
    return (lower, upper), back


def _noise(profile: VariationProfile, times: Array, read_noise: ReadNoise) -> kernels.Noise:
    """Return the relative read noise (time, target), and the chance that each trap has moved since the last time."""
    again = _reads_before(times) << np.uint64(32)
    nothing = kernels.Noise(np.empty((0, 0)), np.empty((0, 0)), 0.0, again)
    if read_noise == "none":
        return nothing
    if profile.read_noise_S is None:
        raise BadInput(f"{profile.name}: read noise is not known apart: draw with read_noise='none'")
    relative = np.stack([profile.relative_read_noise(float(time)) for time in times])
    if read_noise == "marginal":
        return kernels.Noise(np.column_stack([relative, relative[:, -1]]), np.empty((times.size, 0)), 0.0, again)
    t_read = profile.read_duration_s
    if t_read is None:
        raise BadInput(f"{profile.name}: the duration of a read is not known: draw with read_noise='marginal'")
    if np.any(np.diff(times) <= 0) or times[0] < 0:
        raise BadInput("times of a path of reads must be >= 0 s and increase")
    tau, step = traps(float(times[-1]), t_read, TRAPS_PER_DECADE)
    growth = np.sqrt(np.log(np.maximum((times + t_read) / (2 * t_read), 1.0)))
    amplitude = np.divide(relative, growth[:, None], out=np.zeros_like(relative), where=growth[:, None] > 0)
    amplitude = np.column_stack([amplitude, amplitude[:, -1]])
    moved = -np.expm1(-np.diff(times, prepend=0.0)[:, None] / tau)
    return kernels.Noise(amplitude, moved, float(np.sqrt(step)), again)


def _reads_before(times: Array) -> NDArray[np.uint64]:
    """Return how often each time stands before its own place (time,).

    >>> _reads_before(np.array([20.0, 3600.0, 20.0, 20.0])).tolist()
    [0, 0, 1, 2]
    """
    seen: Counter[float] = Counter()
    out = np.empty(times.size, dtype=np.uint64)
    for k, time in enumerate(times.tolist()):
        out[k] = seen[time]
        seen[time] += 1
    return out


def sampler_of(
    profile: VariationProfile, seed: np.random.Generator | int, temperature: float | None, extrapolate: bool,
    extras: bool,
) -> Sampler:  # fmt: skip
    """Return a sampler whose key is the next two words of a generator, or of a seed's."""
    if temperature is not None:
        profile.check_temperature(temperature)
    key = as_rng(seed).integers(0, 2**64, size=2, dtype=np.uint64)
    return Sampler(profile, key, temperature, extrapolate, extras)
