"""Cards side by side in one page: spread, drift, noise, and how many levels fit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nvmphys.cards import load_card
from nvmphys.errors import BadInput
from nvmphys.files import write_text
from nvmphys.fit.result import Progress
from nvmphys.population import law_of
from nvmphys.profile import VariationProfile, build_profile
from nvmphys.profile.levels import distinct_levels
from nvmphys.records import TECHNOLOGY_NAMES, ModelCard
from nvmphys.report.html import png, template
from nvmphys.report.plots import COLOURS, MARKERS

Array = NDArray[np.float64]

TIMES = {"1 s": 1.0, "1 day": 86400.0, "10 years": 315576000.0}
OVERLAP = 0.01
_TARGETS = 40


@dataclass(frozen=True)
class Moment:
    """One of the compared times of one card.

    Attributes
    ----------
    name : str
        "1 day".
    index : int or None
        Its place in the profile's times; None where nothing is known of it.
    note : str
        "" for a time that is known; else why it is not what it says: extrapolated, or the time it stands for.
    levels : int or None
        Levels that fit at 1 % overlap.
    """

    name: str
    index: int | None
    note: str
    levels: int | None


@dataclass(frozen=True)
class Compared:
    """A card with its profile at the compared times."""

    card: ModelCard
    profile: VariationProfile
    moments: tuple[Moment, ...]

    @property
    def range_S(self) -> float:
        """Width of the range of targets [S]: what shares are of."""
        low, high = self.profile.level_range_S
        return high - low

    @property
    def label(self) -> str:
        """Name for a legend; a limit is marked."""
        return self.card.name + (" (limit)" if self.profile.basis["programmed"] == "bound" else "")


def compare(names: Sequence[str], seed: int = 0, tell: Progress = lambda what, done, total: None) -> list[Compared]:
    """Build the profile of each card at the compared times, as far as the card knows them.

    Raises
    ------
    BadInput
        Fewer than two cards, or an unknown one.
    """
    if len(names) < 2:
        raise BadInput(f"a comparison needs two cards or more (got {len(names)}): nvmphys list cards")
    cards = []
    for done, name in enumerate(names):
        tell("cards", done, len(names))
        cards.append(_compared(load_card(name), seed))
    tell("cards", len(names), len(names))
    return cards


def _compared(card: ModelCard, seed: int) -> Compared:
    law = law_of(card)
    if law.level_range_S[1] <= law.level_range_S[0]:
        raise BadInput(f"card {card.name} has one level: there is no range to take shares of")
    low, high = law.time_range_s
    when = {name: time for name, time in TIMES.items() if low <= time and (time <= high or law.extrapolates)}
    profile = build_profile(card, np.linspace(*law.level_range_S, _TARGETS), [law.first_time_s, *when.values()],
                            rng=seed, extrapolate=True)  # fmt: skip
    moments = []
    for name, time in TIMES.items():
        index = int(np.searchsorted(profile.tables.time_s, when[name])) if name in when else None
        note = "extrapolated" if name in when and time > high * (1 + 1e-9) else ""
        if index is None and time <= max(low, law.first_time_s, TIMES["1 s"]):
            index, note = 0, "as programmed" + (f", at {law.first_time_s:g} s" if law.first_time_s > 0 else "")
        fit = None if index is None else len(distinct_levels(profile, index, OVERLAP))
        moments.append(Moment(name, index, note, fit))
    return Compared(card, profile, tuple(moments))


def write_comparison(
    names: Sequence[str],
    path: str | os.PathLike[str],
    seed: int = 0,
    tell: Progress = lambda what, done, total: None,
) -> Path:
    """Write the page that puts cards side by side.

    Returns
    -------
    Path
        Of the page.
    """
    cards = compare(names, seed, tell)
    text = template("compare.html.j2").render(
        cards=cards, rows=[row(c) for c in cards], times=list(TIMES), overlap=OVERLAP,
        pictures=[{"png": png(figure), "caption": caption} for figure, caption in _pictures(cards)],
    )  # fmt: skip
    write_text(path, text)
    return Path(path)


def row(c: Compared) -> dict[str, str]:
    """Return a card's row of the table, as people read it; "not known" where the card says nothing."""
    tables, (low, high) = c.profile.tables, c.profile.level_range_S
    sigma = tables.sigma_S[0] / c.range_S
    day = c.moments[1]
    out = {
        "technology": TECHNOLOGY_NAMES[c.card.technology],
        "basis": c.profile.basis["conductance"]
        + (": σ is a limit" if c.profile.basis["programmed"] == "bound" else ""),
        "targets [µS]": f"{low * 1e6:.3g} … {high * 1e6:.3g}",
        "σ as programmed [% of range]": _percent(np.median(sigma[:, 0])),
        "σ after 1 day [% of range]": _not_known(day, lambda k: _percent(np.median(sigma[:, k]))),
        "median shift after 1 day [% of range]": _not_known(day, lambda k: f"{100 * np.median(shift(c, k)):+.1f}"),
        "drift exponent ν": "none: no power law",
        "σ of one read after 1 day [% of range]": c.profile.basis["read_noise"],
    }
    if c.profile.drift:
        nu = np.asarray(c.profile.drift["nu_mean"])
        out["drift exponent ν"] = f"{nu.min():.3g} … {nu.max():.3g}"
    noise = c.profile.read_noise_S
    if noise is not None:
        one_read = _not_known(day, lambda k: _percent(np.median(noise[:, k]) / c.range_S))
        out["σ of one read after 1 day [% of range]"] = one_read
    for moment in c.moments:
        levels = "not known" if moment.levels is None else str(moment.levels)
        out[f"levels, {moment.name}"] = levels + (f" ({moment.note})" if moment.note else "")
    return out


def shift(c: Compared, index: int) -> Array:
    """Return how far the median has moved since programming (target,), as share of the range."""
    tables = c.profile.tables
    middle = int(np.abs(tables.probability - 0.5).argmin())
    return (tables.quantiles_S[0, :, index, middle] - tables.quantiles_S[0, :, 0, middle]) / c.range_S


def _not_known(moment: Moment, say) -> str:  # type: ignore[no-untyped-def]
    if moment.index is None:
        return "not known"
    return say(moment.index) + (f" ({moment.note})" if moment.note else "")


def _percent(share: float) -> str:
    return f"{100 * share:.2g}"


def _pictures(cards: Sequence[Compared]) -> Iterator[tuple[Figure, str]]:
    """Draw σ as share of the range, how the median moves, read noise, and the levels that fit."""
    figure = Figure(figsize=(10.5, 4), layout="constrained", dpi=110)
    first, later = figure.subplots(1, 2, sharey=True)
    _sigma(first, cards, 0)
    _sigma(later, cards, 1)
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=7)
    words = (
        "σ as share of the range of targets. Left: 1 s after programming, or as programmed where that is all that is "
        "known. Right: after a day, where that is known; dashed where extrapolated. A limit is marked in the legend."
    )
    yield figure, words
    figure = Figure(figsize=(10.5, 3.8), layout="constrained", dpi=110)
    left, right = figure.subplots(1, 2)
    _shift(left, cards)
    _levels(right, cards)
    words = (
        "Left: shift of the median since programming, middle target. Right: levels that fit when neighbours overlap by "
        f"{OVERLAP:.0%} of their cells; hatched where extrapolated, no bar where nothing is known."
    )
    yield figure, words


def _sigma(ax: Axes, cards: Sequence[Compared], moment: int) -> Axes:
    """σ over range against target over range at one of the compared times."""
    for k, c in enumerate(cards):
        now, (low, _) = c.moments[moment], c.profile.level_range_S
        if now.index is None:
            continue
        style = "--" if now.note == "extrapolated" else "-"
        x = (c.profile.tables.target_S - low) / c.range_S
        y = 100 * c.profile.tables.sigma_S[0, :, now.index] / c.range_S
        ax.plot(
            x,
            y,
            style,
            marker=MARKERS[k % len(MARKERS)],
            markevery=8,
            ms=3,
            color=COLOURS[k % len(COLOURS)],
            label=c.label,
        )
    ax.set(xlabel="(target - lowest) / range [1]", ylabel="σ [% of range]", yscale="log")
    ax.set_title(f"σ after {list(TIMES)[moment]}" + (" or as programmed" if moment == 0 else ""), fontsize=9)
    ax.grid(alpha=0.25)
    return ax


def _shift(ax: Axes, cards: Sequence[Compared]) -> Axes:
    """Shift of the median of the middle target at the compared times."""
    for k, c in enumerate(cards):
        known = [(name, m.index) for name, m in zip(TIMES, c.moments, strict=True) if m.index is not None]
        middle = c.profile.tables.target_S.size // 2
        y = [100 * float(shift(c, index)[middle]) for _, index in known]
        ax.plot([TIMES[name] for name, _ in known], y, "o-", ms=3, color=COLOURS[k % len(COLOURS)], label=c.label)
    ax.axhline(0, color="0.6", lw=0.6)
    ax.set_xscale("log")
    ax.set_xticks(list(TIMES.values()), list(TIMES))
    ax.set_xticks([], minor=True)
    ax.set(xlabel="time since programming", ylabel="shift of the median [% of range]")
    ax.set_title("Shift of the median, middle target", fontsize=9)
    ax.legend(fontsize=7)
    ax.grid(alpha=0.25)
    return ax


def _levels(ax: Axes, cards: Sequence[Compared]) -> Axes:
    """Levels that fit at the compared times, a group of bars per card."""
    width = 0.8 / len(TIMES)
    for k, name in enumerate(TIMES):
        for i, c in enumerate(cards):
            now = c.moments[k]
            if now.levels is not None:
                hatch = "///" if now.note == "extrapolated" else ""
                bar = ax.bar(i + k * width, now.levels, width, color=COLOURS[k], hatch=hatch, edgecolor="white")
                ax.bar_label(bar, fontsize=7)
        ax.bar(0, 0, color=COLOURS[k], label=name)
    ax.set_xticks(np.arange(len(cards)) + width, [c.label for c in cards], rotation=30, ha="right", fontsize=7)
    ax.set(ylabel="levels", xlabel="card")
    ax.set_title(f"Levels that fit at {OVERLAP:.0%} overlap", fontsize=9)
    ax.legend(fontsize=7)
    return ax
