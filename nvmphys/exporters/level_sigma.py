"""Per-level σ tables for reliability studies of networks: N-bit weights on m-bit devices, every reference of σ stated.

Studies of the SWIM kind (Yan, Hu & Shi, DAC 2022, doi 10.1145/3489517.3530459) put a weight of N bits on N/m devices
of m bits; the error of the weight is the sum of those of its devices, each worth 2^(i·m). A tool that draws a cell from
a normal law about its level (MemTorch among them) takes the table of levels as it is.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.exporters.carried import Carried
from nvmphys.exporters.index import save_index
from nvmphys.exporters.loss import LossReport, approximated, dropped, loss_report
from nvmphys.exporters.normal_levels import NormalLevels, levels_of, said_of
from nvmphys.exporters.tools import Draw
from nvmphys.files import replacing
from nvmphys.profile import VariationProfile

NAME = "level-sigma"
DEVICE_BITS = (1, 2, 3, 4)
WEIGHT_BITS = (4, 6, 8)

Array = NDArray[np.float64]


def write(profile: VariationProfile, folder: Path) -> LossReport:
    """Write `level_sigma.csv`, `weight_sigma.csv` and `metadata.json`.

    `level_sigma.csv` has one row a device bit count m, time and level: target, mean and σ [S], and the same σ as a
    share of the range of targets (`sigma_of_range`), of the mean (`sigma_of_value`) and of the distance of two levels
    (`sigma_of_lsb`). `weight_sigma.csv` has one row a weight bit count N, device bit count m and time: σ of a weight
    over all weights, root mean square, as a share of the largest weight.
    """
    tables = [level_table(profile, bits) for bits in DEVICE_BITS]
    _save(pd.concat(tables, ignore_index=True), folder / "level_sigma.csv")
    _save(weight_table(profile), folder / "weight_sigma.csv")
    metadata = {
        "profile": profile.name, "units": "S, s", "levels": "evenly over the targets, 2^m of them",
        "sigma_S": "absolute", "sigma_of_range": "share of highest - lowest target",
        "sigma_of_value": "share of mean_S; none where that is 0",
        "sigma_of_lsb": "share of the distance of two levels",
        "weights": "N bits on N/m devices of m bits, device i worth 2^(i·m); every bit pattern as often",
        "basis": dict(profile.basis), "validity": dict(profile.validity),
    }  # fmt: skip
    save_index(folder / "metadata.json", metadata)
    said = said_of(profile, levels_of(profile, 2 ** DEVICE_BITS[-1]))
    if profile.read_noise_S is not None:
        said["read noise"] = approximated(
            _read_noise_error(profile), "read_noise_S: one σ for all cells of a level, whatever their conductance"
        )
    else:
        said["read noise"] = dropped("the profile does not know it apart from relaxation")
    return loss_report(NAME, said)


def _read_noise_error(profile: VariationProfile) -> float:
    """Return the largest error of σ of one read over the cells of a level, as a share of the range.

    The profile's σ is of a cell at the mean; over cells that each have noise in proportion it is √(1 + (σ/⟨G⟩)²) of it.
    """
    tables = profile.tables
    assert profile.read_noise_S is not None
    ratio = tables.sigma_S[0] / np.maximum(tables.mean_S[0], 1e-12)
    low, high = profile.level_range_S
    return float((np.nan_to_num(profile.read_noise_S) * (np.hypot(1, ratio) - 1)).max() / (high - low))


def level_table(profile: VariationProfile, device_bits: int) -> pd.DataFrame:
    """Return mean and σ of the levels of an m-bit device, a row per time and level."""
    levels = levels_of(profile, 2**device_bits)
    low, high = profile.level_range_S
    step = (high - low) / (levels.target_S.size - 1)
    rows = []
    for k, time in enumerate(levels.time_s):
        for i, target in enumerate(levels.target_S):
            mean, sigma = levels.mean_S[i, k], levels.sigma_S[i, k]
            row = {
                "device_bits": device_bits, "time_s": time, "level": i, "target_S": target, "mean_S": mean,
                "sigma_S": sigma, "sigma_of_range": sigma / (high - low),
                "sigma_of_value": sigma / mean if mean > 0 else np.nan, "sigma_of_lsb": sigma / step,
            }  # fmt: skip
            if profile.read_noise_S is not None:
                row["read_noise_S"] = np.interp(target, profile.tables.target_S, profile.read_noise_S[:, k])
            rows.append(row)
    return pd.DataFrame(rows)


def weight_table(profile: VariationProfile) -> pd.DataFrame:
    """Return σ of N-bit weights on m-bit devices, as a share of the largest weight.

        σ_w² = Σ_i 4^(i·m) ⟨σ²⟩ / Δ² / (2^N - 1)²

    with Δ the distance of two levels and ⟨σ²⟩ the mean over the levels.
    """
    rows = []
    low, high = profile.level_range_S
    for weight_bits in WEIGHT_BITS:
        for device_bits in (m for m in DEVICE_BITS if weight_bits % m == 0):
            levels = levels_of(profile, 2**device_bits)
            step = (high - low) / (levels.target_S.size - 1)
            devices = weight_bits // device_bits
            worth = float(np.sum(4.0 ** (device_bits * np.arange(devices))))
            for k, time in enumerate(levels.time_s):
                one = float(np.mean(levels.sigma_S[:, k] ** 2)) / step**2
                sigma = np.sqrt(worth * one) / (2**weight_bits - 1)
                rows.append((weight_bits, device_bits, devices, float(time), sigma))
    return pd.DataFrame(rows, columns=["weight_bits", "device_bits", "devices", "time_s", "sigma_of_largest_weight"])


def read_back(folder: Path) -> Carried:
    """Read the levels of the devices of most bits."""
    table = _table(Path(folder))
    levels = _levels(table)
    read = _grid(table, "read_noise_S", levels) if "read_noise_S" in table else None
    return replace(levels.carried, read_noise_S=read)


def axes(folder: Path) -> tuple[Array, Array]:
    """Return the targets [S] and times [s] that can be drawn: the levels of most bits."""
    levels = _levels(_table(folder))
    return levels.target_S, levels.time_s


def draws(draw: Draw) -> Array:
    """Draw cells (time, target, cell) [S], normal about each level."""
    table = _table(Path(draw.folder))
    levels = _levels(table)
    cells = levels.draw(draw)
    if draw.read_noise:
        noise = np.nan_to_num(_grid(table, "read_noise_S", levels))
        alone = NormalLevels(levels.target_S, levels.time_s, np.zeros(noise.shape), noise)
        cells = cells + alone.draw(replace(draw, seed=draw.seed + 1))
    return cells


def _table(folder: Path) -> pd.DataFrame:
    path = folder / "level_sigma.csv"
    try:
        table = pd.read_csv(path, dtype=str).map(float)
        table = table[table["device_bits"] == DEVICE_BITS[-1]]
        missing = {"target_S", "time_s", "mean_S", "sigma_S"} - set(table.columns)
        if missing:
            raise ValueError(f"no column {min(missing)}")
        return table
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{path}: not a table of levels ({error})") from None


def _levels(table: pd.DataFrame) -> NormalLevels:
    target, time = np.unique(table["target_S"]), np.unique(table["time_s"])
    shape = (target.size, time.size)
    empty = NormalLevels(target, time, np.empty(shape), np.empty(shape))
    return replace(empty, mean_S=_grid(table, "mean_S", empty), sigma_S=_grid(table, "sigma_S", empty))


def _grid(table: pd.DataFrame, column: str, levels: NormalLevels) -> Array:
    """Return a column on (level, time)."""
    ordered = table.sort_values(["target_S", "time_s"])[column].to_numpy(dtype=float)
    return ordered.reshape(levels.target_S.size, levels.time_s.size)


def _save(table: pd.DataFrame, path: Path) -> None:
    with replacing(path) as part:
        table.to_csv(part, index=False)
