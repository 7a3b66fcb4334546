"""Thousands of devices fitted one by one: parameters of each, and how they are spread over the population.

The first device is fitted from the values given, by all rounds of :func:`nvmphys.fit.dynamics.fit_dynamics`. Every
device then starts from what was found there and takes one round. Where that leaves much more noise than the first
device has, or does not converge, it takes all rounds. No device depends on another but the first, so the result does
not depend on the executor or the order in which it works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.devices import device
from nvmphys.devices.model import DeviceModel
from nvmphys.errors import BadInput, CheckFailed, NvmphysError
from nvmphys.fit.dynamics import dynamics_card, fit_dynamics, observed_of
from nvmphys.fit.identify import Identified, identify
from nvmphys.fit.observed import problem_of
from nvmphys.fit.result import provenance_of
from nvmphys.records import Exclusion, Measurement, ModelCard, Source

Array = NDArray[np.float64]

CHUNK = 16
"""Devices of one piece of work."""
NOISIER = 2.0
"""How much noisier than the first device one may come out after one round."""
LEAST_DEVICES = 3
"""Converged devices that a population needs."""


@dataclass(frozen=True)
class Work:
    """What a worker needs to fit some devices: the model by its name.

    Attributes
    ----------
    model : str
    devices : tuple of tuple of Measurement
        The experiments of each device.
    places : tuple of int
        Which devices they are.
    values : dict of float
        All parameters, the free ones where the fit starts.
    own : dict of float
        The same, the free ones where a fit by all rounds starts.
    free : tuple of str
    noise : tuple of float
        Of each experiment, as the first device has it.
    seed : int
    options : dict
        Of `fit_dynamics`.
    """

    model: str
    devices: tuple[tuple[Measurement, ...], ...]
    places: tuple[int, ...]
    values: Mapping[str, float]
    own: Mapping[str, float]
    free: tuple[str, ...]
    noise: tuple[float, ...]
    seed: int
    options: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class EachFit:
    """Fits of many devices, one by one.

    Attributes
    ----------
    model : DeviceModel
    free : tuple of str
        Parameters that were fitted.
    values : dict of float
        Those of all parameters that all devices share.
    table : DataFrame
        A row each device (`device_id`): every free parameter with its 90 % interval (`…_low`, `…_high`) and standard
        error (`…_se`), `rows`, `noise` (of the residuals over that of the first device), `converged`, `bound_hits`,
        `unknown` (parameters that its data do not tell) and `failed`, why there is no fit.
    sources, exclusions, seed, options
        Where the data came from, rows left out, and what was asked.
    """

    model: DeviceModel
    free: tuple[str, ...]
    values: dict[str, float]
    table: pd.DataFrame
    sources: tuple[Source, ...]
    exclusions: tuple[Exclusion, ...] = ()
    seed: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> pd.DataFrame:
        """The devices whose fit converged inside the bounds."""
        return self.table[self.table["converged"] & (self.table["bound_hits"] == "")]

    def population(self) -> pd.DataFrame:
        """Return centre, spread and correlation of the free parameters over the devices that converged.

        Returns
        -------
        DataFrame
            A row each parameter: `centre` (mean, or median of a parameter whose scale is a logarithm), `sigma` with its
            `sigma_ref` as a card's population has them, `of_fit`, the share of the variance of the values that is the
            error of the fits and was taken off, and the correlations of the values with each parameter.

        Raises
        ------
        CheckFailed
            Fewer than three devices converged.
        """
        good = self.good
        if len(good) < LEAST_DEVICES:
            raise CheckFailed(
                f"a population needs {LEAST_DEVICES} converged devices (got {len(good)} of {len(self.table)}): "
                "fit fewer parameters, or look at bound_hits and failed"
            )
        scaled, rows = {}, []
        for name in self.free:
            of_log = self.model.parameter(name).scale == "log"
            found, error = (good[column].to_numpy(dtype=float) for column in (name, f"{name}_se"))
            scaled[name] = np.log(found) if of_log else found
            error = error / found if of_log else error
            total, of_fit = float(scaled[name].var(ddof=1)), float(np.mean(error**2))
            left = max(total - of_fit, 0.0)  # `of_fit` of 1 or more says that nothing is left
            rows.append(
                {
                    "parameter": name,
                    "centre": float(np.exp(np.median(scaled[name])) if of_log else scaled[name].mean()),
                    "sigma": float(np.sqrt(np.expm1(left)) if of_log else np.sqrt(left)),
                    "sigma_ref": "of_value" if of_log else "absolute",
                    "of_fit": of_fit / total if total > 0 else np.nan,
                }
            )
        return pd.concat([pd.DataFrame(rows).set_index("parameter"), pd.DataFrame(scaled).corr()], axis=1)

    def card(self, name: str) -> ModelCard:
        """Return the dynamics card of the population: centres as values, and how devices differ.

        Raises
        ------
        CheckFailed
            Fewer than three devices converged.
        """
        found, good = self.population(), self.good
        values = self.values | {str(n): float(x) for n, x in found["centre"].items()}
        vague = {n for n in self.free if good["unknown"].str.split(", ").map(lambda some, n=n: n in some).mean() > 0.5}
        return dynamics_card(
            self.model, name, values, self.free, vague,
            population={
                n: {"sigma": float(sigma), "sigma_ref": str(reference)}
                for n, sigma, reference in zip(self.free, found["sigma"], found["sigma_ref"], strict=True)
            },
            covariance={
                "names": list(self.free), "correlation": found[list(self.free)].to_numpy(dtype=float).tolist(),
                "of": "values from device to device",
            },
            calibration={"n_devices": len(good), "n_not_converged": len(self.table) - len(good)},
            provenance=provenance_of(self.sources, self.exclusions, self.options, self.seed),
            unknown=tuple(
                f"{n}: {share:.0%} of the variance between devices is the error of their fits"
                for n, share in found["of_fit"].items() if share > 0.5
            ) + tuple(f"{n}: not identified in most devices" for n in sorted(vague)),
        )  # fmt: skip


def fit_each(
    measurements: Sequence[Measurement],
    model: str,
    *,
    free: Sequence[str] | None = None,
    values: Mapping[str, float] | None = None,
    seed: int = 0,
    starts: int = 4,
    profiles: bool = False,
    read_V: float = 0.1,
    rest_s: float = 0.0,
    executor: Executor | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> EachFit:
    """Fit a device model to each device of the data alone.

    Parameters
    ----------
    measurements : sequence of Measurement
        Experiments with `device_id`, as for `fit_dynamics`; a device may be missing in some of them.
    model : str
        Name of a device model (`nvmphys list models`).
    free : sequence of str, optional
        Parameters to fit; by default those that the data of the first device tell apart.
    values : mapping, optional
        Parameters to hold, or to start from, in place of the model's own.
    seed : int, optional
        For the starts of fits that take all rounds.
    starts, profiles
        As of `nvmphys.fit.identify.identify`; `starts` those of fits that take all rounds.
    read_V, rest_s : float, optional
        As of `nvmphys.fit.paths.observed_paths`.
    executor : concurrent.futures.Executor, optional
        Where pieces of work of 16 devices run, in this process by default. The result does not depend on it; one that
        is interrupted drops what has not begun.
    progress : callable, optional
        Told what is done, how much of it and of how much.

    Returns
    -------
    EachFit

    Raises
    ------
    BadInput
        Data without `device_id`, or what `fit_dynamics` says of the first device's. Devices that come later are left
        out with the reason in `failed`.

    Examples
    --------
    >>> from nvmphys.simulate import simulate
    >>> spread = {"g0": {"sigma": 0.05, "sigma_ref": "of_value"}}
    >>> loops = simulate("rram_gap", "sweep", n_devices=3, population=spread, settings={"points": 40}, rng=1)
    >>> found = fit_each([loops], "rram_gap", free=("g0",), starts=1)
    >>> (found.table["g0"] * 1e9).round(3).tolist()
    [0.25, 0.271, 0.237]
    """
    devices = _devices(measurements)
    options: dict[str, Any] = {"read_V": read_V, "rest_s": rest_s, "starts": starts, "profiles": profiles}
    names, own = list(devices), device(model).values(values)
    first = fit_dynamics(
        devices[names[0]], device(model), free=free, values=values, holdout=0, rng=np.random.default_rng([seed, 0]),
        starts=starts, profiles=False, read_V=read_V, rest_s=rest_s,
    )  # fmt: skip
    work = Work(
        model=model, devices=(), places=(), values=first.values, own=own, free=first.identified.names,
        noise=tuple(o.noise for o in first.observed), seed=seed, options=options,
    )  # fmt: skip
    rows: dict[int, dict[str, Any]] = {}
    pieces = [
        replace(work, devices=tuple(devices[n] for n in names[low : low + CHUNK]),
                places=tuple(range(len(names))[low : low + CHUNK]))
        for low in range(0, len(names), CHUNK)
    ]  # fmt: skip
    for done in _done(pieces, executor):
        rows |= done
        if progress is not None:
            progress("devices fitted", len(rows), len(names))
    table = pd.DataFrame([rows[k] for k in range(len(names))], index=pd.Index(names, name="device_id"))
    return EachFit(
        model=first.model, free=first.identified.names,
        values={n: x for n, x in first.values.items() if n not in first.identified.names},
        table=table, sources=tuple(m.source for m in measurements),
        exclusions=tuple(e for m in measurements for e in m.exclusions), seed=seed,
        options={"free": list(first.identified.names), **options},
    )  # fmt: skip


def fitted(work: Work) -> dict[int, dict[str, Any]]:
    """Return the row of each device of a piece of work, by its place."""
    return dict(zip(work.places, map(lambda *one: _row(work, *one), work.devices, work.places), strict=True))


def _done(pieces: Sequence[Work], executor: Executor | None) -> Iterator[dict[int, dict[str, Any]]]:
    """Yield rows of pieces of work as they are done; drop what has not begun when interrupted."""
    if executor is None:
        yield from map(fitted, pieces)
        return
    futures: list[Future[dict[int, dict[str, Any]]]] = [executor.submit(fitted, piece) for piece in pieces]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def _devices(measurements: Sequence[Measurement]) -> dict[Any, tuple[Measurement, ...]]:
    """Return the experiments of each device, in the order in which devices first appear."""
    if not measurements:
        raise BadInput("no measurement to fit: give at least one")
    parts: dict[Any, list[Measurement]] = {}
    for measurement in measurements:
        if "device_id" not in measurement.table:
            raise BadInput(
                f"{measurement.source.id}: fits of each device need device_id in the table of "
                f"{measurement.experiment}: name the column in a column map"
            )
        for name, table in measurement.table.groupby("device_id", sort=False):
            parts.setdefault(name, []).append(replace(measurement, table=table))
    return {name: tuple(some) for name, some in parts.items()}


def _row(work: Work, measurements: tuple[Measurement, ...], place: int) -> dict[str, Any]:
    """Return the row of a device."""
    try:
        found, rows = _one(work, measurements, place)
    except NvmphysError as error:
        return {"rows": 0, "converged": False, "bound_hits": "", "unknown": "", "failed": str(error)}
    row: dict[str, Any] = {}
    for name in work.free:
        low, high = found.intervals[name]
        row |= {name: found.values[name], f"{name}_low": low, f"{name}_high": high}
        row[f"{name}_se"] = found.standard_errors[name]
    return row | {
        "rows": rows, "noise": found.noise, "converged": found.convergence.converged,
        "bound_hits": ", ".join(found.convergence.bound_hits), "unknown": ", ".join(found.unknown), "failed": "",
    }  # fmt: skip


def _one(work: Work, measurements: tuple[Measurement, ...], place: int) -> tuple[Identified, int]:
    """Return the fit of a device in one round, or in all of them where that is not enough; and its rows."""
    model, rng = device(work.model), np.random.default_rng([work.seed, place])
    observed = observed_of(measurements, model, work.options, work.own)
    rows = sum(o.measured.size for o in observed)
    if len(observed) == len(work.noise):
        weights = [replace(o, noise=noise) for o, noise in zip(observed, work.noise, strict=True)]
        fixed = {name: value for name, value in work.values.items() if name not in work.free}
        free = tuple(replace(model.parameter(name), value=work.values[name]) for name in work.free)
        problem = replace(problem_of(weights, free, fixed), noise_known=False)
        found = identify(problem, rng=rng, starts=1, profiles=work.options["profiles"])
        ended = found.convergence
        if found.noise < NOISIER and ended.converged and not ended.bound_hits:
            return found, rows
    fit = fit_dynamics(measurements, model, free=work.free, values=work.own, holdout=0, rng=rng, **work.options)
    over = 1.0 if len(fit.observed) != len(work.noise) else float(
        np.mean([o.noise / noise for o, noise in zip(fit.observed, work.noise, strict=True)])
    )  # fmt: skip
    return replace(fit.identified, noise=fit.identified.noise * over), rows
