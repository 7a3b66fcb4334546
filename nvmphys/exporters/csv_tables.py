"""Tidy CSV tables of a variation profile, for any tool that reads a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.exporters.carried import Carried, exponents
from nvmphys.exporters.index import load_index, save_index
from nvmphys.exporters.loss import LossReport, loss_report
from nvmphys.exporters.steps import Steps, steps_of
from nvmphys.exporters.tabulated import Population, Tabulated, metadata_of, population_over_time, said_of_tables
from nvmphys.exporters.tools import Draw
from nvmphys.files import replacing
from nvmphys.profile import VariationProfile

NAME = "csv"
METADATA = "metadata.json"

Array = NDArray[np.float64]


def write(profile: VariationProfile, folder: Path) -> LossReport:
    """Write `conductance.csv`, `correlation.csv`, `populations.csv`, `metadata.json`, and `pulses.csv` where known.

    One row of `conductance.csv` is one temperature, target and time: mean, σ (absolute), the range of σ that is left
    open where something is said of it, σ of one read where known, and quantiles `q_<probability>`, all in siemens; the
    first time is as programmed.
    """
    _save(conductance_table(profile), folder / "conductance.csv")
    _save(correlation_table(profile), folder / "correlation.csv")
    _save(populations_table(profile), folder / "populations.csv")
    steps = steps_of(profile)
    if steps is not None:
        _save(pulses_table(steps), folder / "pulses.csv")
    save_index(folder / METADATA, metadata_of(profile))
    return loss_report(NAME, said_of_tables(profile, METADATA))


def conductance_table(profile: VariationProfile) -> pd.DataFrame:
    """Return mean, σ, read noise and quantiles, a row per temperature, target and time."""
    t = profile.tables
    rows = []
    for h, heat in enumerate(t.temperature_K):
        for i, target in enumerate(t.target_S):
            for k, time in enumerate(t.time_s):
                row: dict[str, Any] = {"target_S": target, "time_s": time, "temperature_K": heat}
                row |= {"mean_S": t.mean_S[h, i, k], "sigma_S": t.sigma_S[h, i, k]}
                if profile.sigma_range_S is not None:
                    row |= dict(zip(("sigma_low_S", "sigma_high_S"), profile.sigma_range_S[:, i, k], strict=True))
                if profile.read_noise_S is not None:
                    row["read_noise_S"] = profile.read_noise_S[i, k]
                row |= {f"q_{p:.10g}": q for p, q in zip(t.probability, t.quantiles_S[h, i, k], strict=True)}
                rows.append(row)
    return pd.DataFrame(rows)


def correlation_table(profile: VariationProfile) -> pd.DataFrame:
    """Return the correlation of a cell's normal scores between two times, a row per target and pair of times."""
    t = profile.tables
    rows = [
        (target, heat, t.time_s[k], t.time_s[m], t.correlation[h, i, k, m])
        for h, heat in enumerate(t.temperature_K)
        for i, target in enumerate(t.target_S)
        for k in range(t.time_s.size)
        for m in range(k + 1, t.time_s.size)
    ]
    return pd.DataFrame(rows, columns=["target_S", "temperature_K", "time_s", "other_time_s", "correlation"])


def populations_table(profile: VariationProfile) -> pd.DataFrame:
    """Return the populations that do not follow the target: share, interval, conductances of equal probability."""
    rows = [
        {
            "population": name, "weight": e.weight, "low": e.interval[0], "high": e.interval[1], "stays": int(e.stays),
            "time_s": time, "conductance_S": g,
        }
        for name, e in profile.extras.items()
        for time, row in zip(profile.tables.time_s, population_over_time(profile, e), strict=True)
        for g in row
    ]  # fmt: skip
    columns = ["population", "weight", "low", "high", "stays", "time_s", "conductance_S"]
    return pd.DataFrame(rows, columns=columns)


def pulses_table(steps: Steps) -> pd.DataFrame:
    """Return quantiles of ΔG [S], a row for each direction (1 SET, -1 RESET) and conductance before the pulse."""
    rows = [
        {"direction": direction, "level_S": level, "kept": steps.kept}
        | {f"q_{p:.17g}": q for p, q in zip(steps.probability, row, strict=True)}
        for direction in (1, -1)
        for level, row in zip(steps.level_S, steps.quantiles(direction), strict=True)
    ]
    return pd.DataFrame(rows)


def _steps(path: Path) -> Steps | None:
    """Read the table of pulses, if there is one."""
    if not path.exists():
        return None
    table = _load(path)
    columns = [name for name in table.columns if name.startswith("q_")]
    probability = np.array([float(name.removeprefix("q_")) for name in columns])
    up, down = (table[table["direction"] == direction] for direction in (1, -1))
    first, second = (part[columns].to_numpy() for part in (up, down))
    return Steps(up["level_S"].to_numpy(), probability, first, second, float(up["kept"].iloc[0]))


def read_back(folder: Path) -> Carried:
    """Read the tables at the lowest temperature."""
    folder = Path(folder)
    tables, conductance = _tables(folder), _at(_load(folder / "conductance.csv"))
    metadata = load_index(folder / METADATA, f"{folder}: not a CSV export")
    grid = (tables.target_S.size, tables.time_s.size)
    mean, sigma = (conductance[name].to_numpy().reshape(grid) for name in ("mean_S", "sigma_S"))
    populations = _load(folder / "populations.csv")
    shares = {str(name): float(rows["weight"].iloc[0]) for name, rows in populations.groupby("population")}
    return Carried(
        tables.target_S, tables.time_s, mean, sigma, tables.probability, tables.quantiles_S, tables.correlation,
        tables.read_noise_S, shares, exponents(metadata["drift"]), _steps(folder / "pulses.csv"),
    )  # fmt: skip


def draws(draw: Draw) -> Array:
    """Draw cells (time, target, cell) [S] from the tables."""
    return _tables(Path(draw.folder), draw.temperature_K).draw(draw)


def _tables(folder: Path, temperature_K: float | None = None) -> Tabulated:
    """Read the tables at one temperature [K], the lowest by default."""
    try:
        return _tabulated(folder, temperature_K)
    except (KeyError, ValueError, IndexError) as error:
        raise BadInput(f"{folder}: not a CSV export ({error})") from None


def _tabulated(folder: Path, temperature_K: float | None) -> Tabulated:
    conductance = _at(_load(folder / "conductance.csv"), temperature_K)
    target, time = (np.unique(conductance[name]) for name in ("target_S", "time_s"))
    columns = [name for name in conductance.columns if name.startswith("q_")]
    probability = np.array([float(name.removeprefix("q_")) for name in columns])
    quantiles = conductance[columns].to_numpy().reshape(target.size, time.size, probability.size)
    correlation = np.broadcast_to(np.eye(time.size), (target.size, time.size, time.size)).copy()
    above = np.triu_indices(time.size, 1)
    pairs = (
        _at(_load(folder / "correlation.csv"), temperature_K)["correlation"]
        .to_numpy()
        .reshape(target.size, above[0].size)
    )
    correlation[:, above[0], above[1]] = correlation[:, above[1], above[0]] = pairs
    noise = None
    if "read_noise_S" in conductance:
        noise = conductance["read_noise_S"].to_numpy().reshape(target.size, time.size)
    populations = tuple(
        Population(float(rows["weight"].iloc[0]), rows["conductance_S"].to_numpy().reshape(time.size, -1))
        for _, rows in _load(folder / "populations.csv").groupby("population", sort=False)
    )
    mean = conductance["mean_S"].to_numpy().reshape(target.size, time.size)
    return Tabulated(target, time, probability, quantiles, correlation, mean, populations, noise)


def _at(table: pd.DataFrame, temperature_K: float | None = None) -> pd.DataFrame:
    """Return the rows of the temperature [K] nearest to one, the lowest by default."""
    if not len(table):
        return table
    heat = table["temperature_K"]
    wanted = heat.min() if temperature_K is None else heat.iloc[int((heat - temperature_K).abs().to_numpy().argmin())]
    return table[heat == wanted]


def _load(path: Path) -> pd.DataFrame:
    """Read a table with every number to its last digit."""
    try:
        table = pd.read_csv(path, dtype=str)
        return table.apply(lambda column: column if column.name == "population" else column.map(float))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not a table of a CSV export ({error})") from None


def _save(table: pd.DataFrame, path: Path) -> None:
    with replacing(path) as part:
        table.to_csv(part, index=False)
