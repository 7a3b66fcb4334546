"""The study: accuracy against time with its bands, the error budget, and whether a constant-σ Gaussian misleads."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.files import replacing
from nvmphys.impact.cells import Mapped, PairErrors, gaussian_accuracy
from nvmphys.impact.mapping import PAIRS, SLICES, CellMapping
from nvmphys.impact.network import Network, digits_network
from nvmphys.impact.parts import CHANGE, DEVICE_PARTS, PARTS, READ_NOISE, WIRES, is_known, isolated
from nvmphys.impact.significance import holm, welch
from nvmphys.impact.wires import Wires
from nvmphys.profile import VariationProfile
from nvmphys.records import as_rng

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

BAND = (0.05, 0.95)
"""Quantiles of the accuracy that a band runs between."""
LEVEL = 0.05
"""p, corrected for the number of tests, below which a difference is taken for real."""
MARGIN = 0.01
"""Difference in accuracy from which on it matters: one point."""
MOST_TIMES = 12
TOGETHER = "together"
_MOSTLY = 0.5
"""Share of the error that all draws have in common from which on a Gaussian is beside the point."""
_REPLICATE_SHARE = 10
_FEWEST_DRAWS = 10


@dataclass(frozen=True)
class NetworkImpact:
    """What the cells of a profile do to a classifier.

    Attributes
    ----------
    name : str
        Of the profile.
    baseline : float
        Accuracy of the network in digital arithmetic [1].
    images : int
        Images that judged it.
    draws : pandas.DataFrame
        A row for every network: mapping, time_s, source (profile | gaussian | replicates), replicate, draw, accuracy.
    curves : pandas.DataFrame
        A row for each mapping and time: mean and band (`low`, `high`) of devices, of devices and replicates together
        (`wide_`, see :func:`with_other_devices`) and of the Gaussian; its σ [S]; the share of the mean square that all
        draws have in common; Gaussian less profile with its 95 % interval, p and p after Holm over all rows.
    budget : pandas.DataFrame
        A row for each mapping, time and part, and for all together: whether the profile has it, mean, band and loss
        against all cells at their targets.
    wires : Wires
    compensated : bool
        Whether one factor a layer made up for the mean drift.
    confidence : str
        How the replicates were made, or why there is no wider band.
    """

    name: str
    baseline: float
    images: int
    draws: pd.DataFrame
    curves: pd.DataFrame
    budget: pd.DataFrame
    wires: Wires
    compensated: bool
    confidence: str

    @property
    def misleads(self) -> bool | None:
        """Whether the Gaussian gives another accuracy, by a point or more; None where it differs by less."""
        told_apart = self.curves["p_holm"] < LEVEL
        if not told_apart.any():
            return False
        return True if (told_apart & (self.curves["difference"].abs() >= MARGIN)).any() else None

    @property
    def sentences(self) -> list[str]:
        """The conclusion."""
        said = [f"{self.name}: {self.baseline:.1%} of {self.images} digits in digital arithmetic"]
        for name, rows in self.curves.groupby("mapping", sort=False):
            first, last = rows.iloc[0], rows.iloc[-1]
            wider = "" if np.isnan(last["wide_low"]) else f", {_span(last, 'wide_')} with the profile's confidence"
            start = f"{first['mean']:.1%} at {first['time_s']:g} s and " if len(rows) > 1 else ""
            said.append(
                f"{name}: {start}{last['mean']:.1%} at {last['time_s']:g} s ({_span(last)} over devices{wider})"
            )
        wired = self.budget[(self.budget["part"] == WIRES) & self.budget["known"]]
        if wired.empty:
            said.append("wires of 0 ohm: the error budget has nothing for them")
        if self.curves["wide_low"].isna().all():
            said.append(f"no wider band: {self.confidence}")
        return [*said, self._verdict()]

    def _verdict(self) -> str:
        """Say whether the constant-σ Gaussian misleads."""
        apart = self.curves[self.curves["p_holm"] < LEVEL]
        what = "a constant-σ Gaussian of equal RMS"
        tests = f"Welch, Holm over {len(self.curves)} tests"
        if apart.empty:
            low, high = self.curves["difference_low"].min(), self.curves["difference_high"].max()
            return f"{what} is not told apart ({tests}): difference within {100 * low:+.2f} … {100 * high:+.2f} points"
        worst = apart.iloc[int(apart["difference"].abs().to_numpy().argmax())]
        begin = "misleads" if self.misleads else f"differs, but by less than {100 * MARGIN:g} point"
        return (
            f"{what} {begin}: told apart at {len(apart)} of {len(self.curves)} times and mappings, most at "
            f"{worst['time_s']:g} s on {worst['mapping']}, by {100 * worst['difference']:+.2f} points "
            f"(95 % {100 * worst['difference_low']:+.2f} … {100 * worst['difference_high']:+.2f}, "
            f"p = {worst['p_holm']:.1g}; {tests}){self._common(worst)}"
        )

    def _common(self, worst: pd.Series) -> str:
        """Say how much of the error behind a difference every draw has in common, and what to do about it."""
        share = float(worst["systematic_share"])
        if not np.isfinite(share):
            return ""
        said = f"; {share:.0%} of the mean square of the error there is the same in every draw"
        if share <= _MOSTLY:
            return said
        if self.compensated:
            return f"{said}, after one factor a layer"
        return f"{said}, which is no noise: --compensate makes up for the drift that cells share"

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the single draws as plain JSON values."""
        return {
            "profile": self.name, "baseline": self.baseline, "images": self.images, "misleads": self.misleads,
            "compensated": self.compensated, "wires": asdict(self.wires), "confidence": self.confidence,
            "said": self.sentences, "curves": json.loads(self.curves.to_json(orient="records")),
            "budget": json.loads(self.budget.to_json(orient="records")),
        }  # fmt: skip

    def save(self, folder: str | Path) -> list[Path]:
        """Write accuracy.csv, budget.csv and draws.csv; return their paths."""
        out = []
        for name, table in (("accuracy", self.curves), ("budget", self.budget), ("draws", self.draws)):
            out.append(Path(folder) / f"{name}.csv")
            with replacing(out[-1]) as part:
                table.to_csv(part, index=False, lineterminator="\n")
        return out


def _span(row: pd.Series, prefix: str = "") -> str:
    """Return a band in words."""
    return f"{100 * row[f'{prefix}low']:.1f} … {row[f'{prefix}high']:.1%}"


def network_impact(
    profile: VariationProfile,
    network: Network | None = None,
    *,
    mappings: Sequence[CellMapping] = (PAIRS, SLICES),
    times: Sequence[float] | Array | None = None,
    draws: int = 100,
    wires: Wires | None = None,
    compensate: bool = False,
    rng: np.random.Generator | int,
    progress: Progress = lambda what, done, of: None,
) -> NetworkImpact:
    """Put a network on the cells of a profile, again and again, and ask how well it still classifies.

    Cells are drawn from the profile, whole histories with the noise of one read at each time; biases, activations and
    converters are ideal. The constant-σ Gaussian adds to each pair's G⁺ - G⁻ a normal error of one σ for all weights:
    at each time the RMS of the errors of the drawn pairs, what all draws have in common included. In the error budget
    each part acts alone (see :mod:`nvmphys.impact.parts`); wires act there only.

    Parameters
    ----------
    profile : VariationProfile
    network : Network, optional
        :func:`digits_network` by default, which needs scikit-learn.
    mappings : sequence of CellMapping, optional
    times : array_like, optional
        Times since programming [s]; by default those of the profile, up to `MOST_TIMES` of them.
    draws : int, optional
        Networks of other cells, of the profile and of the Gaussian each; replicates of the profile get a tenth each.
    wires : Wires, optional
        Of the budget; by default those of the profile's array section, else 1 ohm a segment, which is assumed.
    compensate : bool, optional
        Make up for mean drift by one factor a layer.
    rng : numpy.random.Generator or int
    progress : callable, optional
        Called with what is being done, how many are done, of how many.

    Raises
    ------
    BadInput
        "draws must be >= 2 …"; "… has one target …"; times outside the profile.
    MissingTool
        scikit-learn is absent and no network was given.

    Examples
    --------
    >>> import nvmphys as nv
    >>> profile = nv.build_profile(nv.load_card("pcm_90nm"), None, [3600.0], rng=1, replicates=0)
    >>> found = network_impact(profile, digits_network(8), mappings=[PAIRS], draws=10, wires=Wires(0.0), rng=1)
    >>> bool(found.curves["mean"].iloc[0] <= found.baseline)
    True
    """
    if draws < 2:
        raise BadInput(f"draws must be >= 2 (got {draws}): a band and a test need several networks")
    if profile.level_range_S[0] == profile.level_range_S[1]:
        raise BadInput(f"{profile.name} has one target: weights need a range, build the profile with more targets")
    rng, network = as_rng(rng), network or digits_network()
    when = _times(profile) if times is None else np.unique(np.asarray(times, dtype=float))
    profile.check_times(when)
    study = _Study(profile, when, draws, wires or Wires.of(profile), compensate, rng, progress)
    curves, budget, every = [], [], []
    for mapping in mappings:
        mapped = Mapped.onto(network, mapping, profile)
        rows, accuracies = study.curve(mapped)
        curves.append(rows)
        every += accuracies
        budget.append(study.budget(mapped))
    curve = pd.concat(curves, ignore_index=True)
    curve["p_holm"] = holm(curve["p"])
    return NetworkImpact(
        profile.name, network.baseline, network.labels.size, pd.concat(every, ignore_index=True), curve,
        pd.concat(budget, ignore_index=True), study.wires, compensate,
        _confidence(profile),
    )  # fmt: skip


def _confidence(profile: VariationProfile) -> str:
    """Say how the replicates of a profile were made, or that it has none."""
    found = profile.replicates
    if found is None:
        return f"{profile.name} has no replicates, so nothing tells what other devices would give"
    return f"{len(found)} replicates ({found.basis}): {found.method}"


def _times(profile: VariationProfile) -> Array:
    """Return the times of the profile's tables, first and last among them."""
    times = profile.tables.time_s
    return times[np.unique(np.linspace(0, times.size - 1, MOST_TIMES).round().astype(int))]


@dataclass(frozen=True)
class _Study:
    """What is the same for every mapping."""

    profile: VariationProfile
    times_s: Array
    draws: int
    wires: Wires
    compensate: bool
    rng: np.random.Generator
    progress: Progress

    def networks(
        self, mapped: Mapped, profile: VariationProfile, times_s: Array, count: int, wires: Wires
    ) -> Iterator[list[Array]]:
        """Yield pairs of drawn networks, compensated where that was asked for."""
        noisy = profile.read_noise_S is not None
        for pairs in mapped.draws(profile.sampler(self.rng), times_s, count, wires, noisy):
            yield mapped.compensated(pairs) if self.compensate else pairs

    def accuracies(
        self, mapped: Mapped, profile: VariationProfile, times_s: Array, count: int, wires: Wires, what: str
    ) -> Array:
        """Return the accuracy of drawn networks (time, draw)."""
        found: list[Array] = []
        for pairs in self.networks(mapped, profile, times_s, count, wires):
            found.append(mapped.accuracy(pairs))
            self.progress(what, sum(each.shape[1] for each in found), count)
        return np.concatenate(found, axis=1)

    def curve(self, mapped: Mapped) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
        """Return accuracy against time, and the accuracy of every network."""
        name, no_wires = mapped.mapping.name, Wires(0.0)
        errors, found = PairErrors(mapped, self.times_s.size), []
        for pairs in self.networks(mapped, self.profile, self.times_s, self.draws, no_wires):
            errors.add(pairs)
            found.append(mapped.accuracy(pairs))
            self.progress(f"{name}: cells", sum(each.shape[1] for each in found), self.draws)
        cells = np.concatenate(found, axis=1)
        gaussian = gaussian_accuracy(mapped, errors.rms_S, self.draws, self.rng)
        wide = self._replicates(mapped)
        total = with_other_devices(cells, wide) if wide else np.full((self.times_s.size, 1), np.nan)
        compared = [welch(normal, own) for normal, own in zip(gaussian, cells, strict=True)]
        table = pd.DataFrame(
            {"mapping": name, "time_s": self.times_s, "extrapolated": self.profile.is_beyond(self.times_s)}
            | {"at_targets": mapped.exact} | _banded(cells)
            | _banded(total, "wide_")
            | {"gaussian_sigma_S": errors.rms_S, "systematic_share": errors.systematic} | _banded(gaussian, "gaussian_")
            | {"difference": [d.mean for d in compared], "difference_low": [d.low for d in compared],
               "difference_high": [d.high for d in compared], "p": [d.p for d in compared]}
        )  # fmt: skip
        every = [self._rows(name, "profile", cells), self._rows(name, "gaussian", gaussian)]
        return table, [*every, *(self._rows(name, "replicates", drawn, k) for k, drawn in enumerate(wide))]

    def _replicates(self, mapped: Mapped) -> list[Array]:
        """Return the accuracy (time, draw) of networks from each replicate of the profile."""
        found = self.profile.replicates
        count = max(_FEWEST_DRAWS, self.draws // _REPLICATE_SHARE)
        out: list[Array] = []
        for k in range(0 if found is None else len(found)):
            other, no_wires = self.profile.replicate(k), Wires(0.0)
            pairs = self.networks(mapped, other, self.times_s, count, no_wires)
            out.append(np.concatenate([mapped.accuracy(each) for each in pairs], axis=1))
            self.progress(f"{mapped.mapping.name}: other devices", k + 1, len(found or ()))
        return out

    def budget(self, mapped: Mapped) -> pd.DataFrame:
        """Return what each part does alone, and all together, at the first and the last time."""
        times = np.unique(self.times_s[[0, -1]])
        rows = []
        for part in (*PARTS, TOGETHER):
            parts = PARTS if part == TOGETHER else (part,)
            has = part == TOGETHER or is_known(self.profile, part, self.wires)
            found = self._part(mapped, parts, times, part) if has else np.full((times.size, 1), mapped.exact)
            rows.append(
                pd.DataFrame(
                    {"mapping": mapped.mapping.name, "time_s": times, "part": part, "known": has} | _banded(found)
                    | {"loss": (mapped.exact - found).mean(axis=1)}
                )
            )  # fmt: skip
        return pd.concat(rows, ignore_index=True)

    def _part(self, mapped: Mapped, parts: Collection[str], times_s: Array, what: str) -> Array:
        """Return the accuracy (time, draw) with the given parts on."""
        wires = self.wires if WIRES in parts else Wires(0.0)
        drawn = bool(set(parts) & set(DEVICE_PARTS))
        profile = isolated(self.profile, parts)
        steady = not {CHANGE, READ_NOISE} & set(parts)
        times = times_s[:1] if steady else times_s
        found = self.accuracies(
            mapped, profile, times, self.draws if drawn else 1, wires, f"{mapped.mapping.name}: {what}"
        )
        return np.repeat(found, times_s.size, axis=0) if steady and times_s.size > 1 else found

    def _rows(self, name: str, source: str, accuracy: Array, replicate: int | None = None) -> pd.DataFrame:
        """Return a row for every network."""
        times, count = accuracy.shape
        return pd.DataFrame(
            {
                "mapping": name, "time_s": np.repeat(self.times_s, count), "source": source,
                "replicate": pd.array([replicate] * accuracy.size, dtype="Int64"),
                "draw": np.tile(np.arange(count), times), "accuracy": accuracy.ravel(),
            }
        )  # fmt: skip


def with_other_devices(cells: Array, replicates: Sequence[Array]) -> Array:
    """Return accuracies of networks if other devices had been measured: every draw, moved by every replicate's mean.

    The variance of what is returned is that over devices plus that between replicates. Means of few draws scatter by
    themselves; that part, s²/n within replicates, is taken off the variance between them (the one-way random-effects
    estimate), so that replicates which do not differ add nothing. What would be beyond 0 … 1 stands at its end.

    Parameters
    ----------
    cells : ndarray (time, draw)
        Accuracies on the profile itself [1].
    replicates : sequence of ndarray (time, draw of a replicate)

    Returns
    -------
    ndarray (time, draw × replicate)

    Examples
    --------
    >>> same = [np.array([[0.8, 0.9]]), np.array([[0.9, 0.8]])]
    >>> with_other_devices(np.array([[0.7, 0.9]]), same).tolist()
    [[0.7, 0.7, 0.9, 0.9]]
    """
    means = np.stack([each.mean(axis=1) for each in replicates], axis=1)
    apart = means - means.mean(axis=1, keepdims=True)
    if len(replicates) < 2:
        return cells
    seen = apart.var(axis=1, ddof=1)
    by_chance = np.mean([each.var(axis=1, ddof=1) / each.shape[1] for each in replicates], axis=0)
    own = np.divide(np.maximum(seen - by_chance, 0.0), seen, out=np.zeros_like(seen), where=seen > 0)
    # the replicates are a sample: their spread about their mean is smaller by (R - 1)/R than that of the population
    scale = np.sqrt(own * len(replicates) / (len(replicates) - 1))
    moved = cells[:, :, None] + (scale[:, None] * apart)[:, None, :]
    return np.clip(moved, 0.0, 1.0).reshape(cells.shape[0], -1)


def _banded(accuracy: Array, prefix: str = "") -> dict[str, Any]:
    """Return mean and band over draws (time, draw)."""
    low, high = np.quantile(accuracy, BAND, axis=1)
    return {f"{prefix}mean": accuracy.mean(axis=1), f"{prefix}low": low, f"{prefix}high": high}
