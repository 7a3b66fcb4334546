"""Memory states for NeuroSim 2DInferenceV1.5: mean and σ of each state, one file for each bit count and time."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.exporters.carried import Carried
from nvmphys.exporters.index import load_index, save_index
from nvmphys.exporters.loss import LossReport, Said, approximated, dropped, loss_report
from nvmphys.exporters.normal_levels import NormalLevels, levels_of, said_of
from nvmphys.exporters.tools import Draw
from nvmphys.files import replacing, write_text
from nvmphys.profile import VariationProfile

NAME = "neurosim"
BITS = (1, 2, 3, 4)
INDEX = "states.json"
HEADER = ("states", "mean", "std")


def write(profile: VariationProfile, folder: Path) -> LossReport:
    """Write `mem_states_<bits>bit_<time>s.csv` for 1 … 4 bits and every time, `states.json` and `command_lines.txt`.

    A file has exactly 2^bits rows in order of state, states evenly over the profile's targets; mean and std in S.
    """
    stuck = _stuck_shares(profile)
    rates = stuck_rates(*stuck)
    noise = _read_noise(profile)
    files = []
    for bits in BITS:
        levels = levels_of(profile, 2**bits)
        for k, time in enumerate(levels.time_s):
            name = f"mem_states_{bits}bit_{time:g}s.csv"
            _save(levels, k, folder / name)
            files.append({"file": name, "bits": bits, "time_s": float(time), "targets_S": levels.target_S.tolist()})
    content = {
        "profile": profile.name, "basis": dict(profile.basis), "validity": dict(profile.validity), "files": files,
        "stuck_shares": stuck, "rates": rates, "relative_read_noise": noise,
    }  # fmt: skip
    save_index(folder / INDEX, content)
    lines = [command_line(folder, each["bits"], each["time_s"]) for each in files]
    write_text(folder / "command_lines.txt", "\n".join(lines) + "\n")
    said = said_of(profile, levels_of(profile, 2 ** BITS[-1]))
    said["populations that do not follow the target"] = _populations(profile, stuck, rates)
    if profile.read_noise_S is not None:
        said["read noise"] = approximated(
            _read_noise_error(profile, noise or {}), "--read_noise: one share of the conductance for all levels"
        )
    else:
        said["read noise"] = dropped("the profile does not know it apart from relaxation")
    return loss_report(NAME, said)


def command_line(folder: str | Path, bits: int, time_s: float) -> str:
    """Return NeuroSim's arguments for a bit count and retention time of an export.

    Retention stands in the file's means and σ, so NeuroSim's own drift (`--t`, `--v`) is left off.

    Raises
    ------
    BadInput
        "no file of … bits at … s …", with those there are.
    """
    content = _index(Path(folder))
    for each in content["files"]:
        if each["bits"] == bits and np.isclose(each["time_s"], time_s):
            break
    else:
        some, times = sorted({e["bits"] for e in content["files"]}), sorted({e["time_s"] for e in content["files"]})
        raise BadInput(
            f"no file of {bits} bits at {time_s:g} s: there are {', '.join(map(str, some))} bits at "
            f"{', '.join(f'{t:g}' for t in times)} s; build the profile with the times you need"
        )
    noise = (content["relative_read_noise"] or {}).get(f"{each['time_s']:g}", 0.0)
    p0, p1 = content["rates"] or (0.0, 0.0)
    return (
        f"--mem_type resistive --bitcell {bits} --mem_states_file {each['file']} --read_noise {noise:.6g} "
        f"--t 1 --v 0 --rate_stuck_0 {p0:.6g} --rate_stuck_1 {p1:.6g}"
    )


def usage(folder: Path, levels: int | None, time_s: float | None) -> str:
    """Return NeuroSim's arguments for a number of levels (the most by default) and a time (the last by default).

    Raises
    ------
    BadInput
        "levels must be one of …": a cell holds whole bits; a time that the export does not have.
    """
    bits = {2**n: n for n in BITS}
    wanted = max(bits) if levels is None else levels
    if wanted not in bits:
        raise BadInput(f"levels must be one of {', '.join(map(str, bits))} (got {wanted}): a cell holds whole bits")
    when = max(each["time_s"] for each in _index(Path(folder))["files"]) if time_s is None else time_s
    return command_line(folder, bits[wanted], when)


def stuck_rates(low: float, high: float) -> tuple[float, float] | None:
    """Return NeuroSim's `--rate_stuck_0` and `--rate_stuck_1` that make it realise given shares, or None if none do.

    Given p0 alone, NeuroSim 2DInferenceV1.5 makes p0² of the cells stuck at 0; p1 alone, p1 at 1; both,
    p0·(p0 + p1) at 0 and (p0 + p1)·(1 - p0) at 1.

    Parameters
    ----------
    low, high : float
        Shares of cells stuck at the lowest and highest state [1].

    Examples
    --------
    >>> stuck_rates(0.01, 0.0), stuck_rates(0.0, 0.02), stuck_rates(0.01, 0.01)
    ((0.1, 0.0), (0.0, 0.02), None)
    """
    if low == 0 or high == 0:
        return float(np.sqrt(low)), float(high)
    first = low / (low + high)
    second = low + high - first
    return (first, second) if second > 0 else None


def realised_shares(p0: float, p1: float) -> tuple[float, float]:
    """Return the shares that NeuroSim makes stuck at 0 and at 1 (see :func:`stuck_rates`)."""
    if p1 == 0:
        return p0**2, 0.0
    if p0 == 0:
        return 0.0, p1
    return p0 * (p0 + p1), (p0 + p1) * (1 - p0)


def read_back(folder: Path) -> Carried:
    """Read the states of most bits, and the shares of stuck cells that NeuroSim realises."""
    content, levels = _index(Path(folder)), _levels(Path(folder))
    rates = content["rates"]
    shares = realised_shares(*rates) if rates else (0.0, 0.0)
    noise = content["relative_read_noise"]
    read = None
    if noise is not None:
        read = levels.mean_S * np.array([noise.get(f"{time:g}", 0.0) for time in levels.time_s])
    return replace(
        levels.carried, shares={"stuck_0": shares[0], "stuck_1": shares[1]} if sum(shares) else {}, read_noise_S=read
    )


def axes(folder: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the targets [S] and times [s] that can be drawn: the states of most bits."""
    levels = _levels(folder)
    return levels.target_S, levels.time_s


def draws(draw: Draw) -> NDArray[np.float64]:
    """Draw cells (time, target, cell) [S] as NeuroSim's options say: normal about each state, stuck cells aside."""
    cells = _levels(Path(draw.folder)).draw(draw)
    if draw.read_noise:
        noise = _index(Path(draw.folder))["relative_read_noise"] or {}
        relative = np.array([noise.get(f"{time:g}", 0.0) for time in draw.times_s])[:, None, None]
        rng = np.random.default_rng([draw.seed, 1])
        cells = cells * (1 + relative * rng.standard_normal(cells.shape))
    return cells


def _index(folder: Path) -> dict[str, Any]:
    return load_index(folder / INDEX, f"{folder}: not a NeuroSim export")


def _levels(folder: Path) -> NormalLevels:
    """Read the files of most bits, columns by name as NeuroSim does."""
    files = [each for each in _index(folder)["files"] if each["bits"] == BITS[-1]]
    parts = []
    for each in files:
        try:
            with open(folder / each["file"], encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            parts.append([[float(row["mean"]), float(row["std"])] for row in rows])
        except (OSError, ValueError, KeyError) as error:
            raise BadInput(f"{folder / each['file']}: not a table of memory states ({error})") from None
        if len(rows) != 2 ** BITS[-1]:
            raise BadInput(f"{folder / each['file']}: must have {2 ** BITS[-1]} states (got {len(rows)})")
    mean, sigma = np.moveaxis(np.array(parts), 0, 1).transpose(2, 0, 1)
    return NormalLevels(np.array(files[0]["targets_S"]), np.array([each["time_s"] for each in files]), mean, sigma)


def _save(levels: NormalLevels, k: int, path: Path) -> None:
    rows = [(state, repr(float(levels.mean_S[state, k])), repr(float(levels.sigma_S[state, k])))
            for state in range(levels.target_S.size)]  # fmt: skip
    with replacing(path) as part, open(part, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER, *rows])


def _stuck_shares(profile: VariationProfile) -> tuple[float, float]:
    """Return the shares of stuck cells in the lower and in the upper half of the range."""
    middle = sum(profile.level_range_S) / 2
    low = high = 0.0
    for extra in profile.extras.values():
        if extra.stays and extra.quantiles_S.size:
            above = float(np.mean(extra.quantiles_S > middle))
            low, high = low + extra.weight * (1 - above), high + extra.weight * above
    return low, high


def _populations(profile: VariationProfile, stuck: tuple[float, float], rates: tuple[float, float] | None) -> Said:
    """Say what becomes of the populations that do not follow the target."""
    moving = sum(extra.weight for extra in profile.extras.values() if not extra.stays)
    left = f"; {moving:.3%} of the cells, which are not stuck, are left out" if moving else ""
    if sum(stuck) == 0:
        return dropped(f"NeuroSim knows stuck cells only{left}")
    if rates is None:
        return dropped(
            f"no --rate_stuck_0 and --rate_stuck_1 make its code realise {stuck[0]:.3g} and {stuck[1]:.3g}{left}"
        )
    return approximated(
        moving if moving else None, f"stuck cells stand at the lowest or highest state, by half of the range{left}"
    )


def stuck(draw: Draw) -> NDArray[np.bool_]:
    """Draw which of the cells NeuroSim makes stuck with the rates of the export."""
    rates = _index(Path(draw.folder))["rates"] or (0.0, 0.0)
    return np.random.default_rng(draw.seed).random(draw.n) < sum(realised_shares(*rates))


def _read_noise(profile: VariationProfile) -> Mapping[str, float] | None:
    """Return the relative read noise by time: root mean square over the levels."""
    if profile.read_noise_S is None:
        return None
    out = {}
    for k, time in enumerate(profile.tables.time_s):
        noise, mean = np.nan_to_num(profile.read_noise_S[:, k]), profile.tables.mean_S[0, :, k]
        # the share that makes the summed variance of all levels right
        out[f"{time:g}"] = float(np.sqrt(np.sum(noise**2) / np.sum(mean**2)))
    return out


def _read_noise_error(profile: VariationProfile, noise: Mapping[str, float]) -> float:
    """Return the largest error of σ of one read over levels, as a share of the range."""
    tables = profile.tables
    low, high = profile.level_range_S
    worst = 0.0
    for k, time in enumerate(tables.time_s):
        square = np.hypot(tables.mean_S[0, :, k], tables.sigma_S[0, :, k])
        exact = profile.relative_read_noise(float(time)) * square
        worst = max(worst, float(np.abs(noise[f"{time:g}"] * square - exact).max()) / (high - low))
    return worst
