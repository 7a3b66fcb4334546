"""Tidy CSV tables of a variation profile, for any tool that reads a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nvmphys.errors import BadInput
from nvmphys.exporters.loss import LossReport, LossRow, basis_in_words
from nvmphys.files import replacing
from nvmphys.profile import VariationProfile

NAME = "csv"


def write(profile: VariationProfile, folder: Path) -> LossReport:
    """Write `conductance.csv`, `correlation.csv`, `populations.csv` and `metadata.json`.

    One row of `conductance.csv` is one temperature, target and time: mean, σ (absolute), the range of σ that is left
    open where something is said of it, σ of one read where known, and quantiles `q_<probability>`, all in siemens; the
    first time is as programmed.
    """
    _save(conductance_table(profile), folder / "conductance.csv")
    _save(correlation_table(profile), folder / "correlation.csv")
    _save(populations_table(profile), folder / "populations.csv")
    metadata = {
        "name": profile.name,
        "technology": profile.technology,
        "units": "S, s, K",
        "sigma_ref": "absolute",
        "basis": dict(profile.basis),
        "validity": dict(profile.validity),
        "programming_correlation": profile.programming_correlation,
        "drift": {k: np.asarray(v).tolist() for k, v in profile.drift.items()},
        "array": dict(profile.array),
        "assumptions": profile.assumptions,
        "unknown": profile.unknown,
        "provenance": dict(profile.provenance),
    }
    with replacing(folder / "metadata.json") as part:
        part.write_text(json.dumps(metadata, indent=2, default=str), encoding="utf-8")
    known = profile.read_noise_S is not None
    return LossReport(
        NAME,
        (
            LossRow("programmed conductance", "carried", 0.0, "rows of the first time"),
            LossRow(
                "conductance over time", "carried", 0.0, "quantiles, mean and σ at the profile's times and targets"
            ),
            LossRow("tails", "carried", 0.0, "quantiles from 1e-5 to 1 - 1e-5"),
            LossRow(
                "histories",
                "approximated",
                None,
                "correlations of normal scores only; the law of the path is not written",
            ),
            LossRow("populations that do not follow the target", "carried", 0.0, "populations.csv"),
            LossRow("read noise", "carried", 0.0, "read_noise_S")
            if known
            else LossRow("read noise", "dropped", None, "the profile does not know it apart from relaxation"),
            LossRow("drift exponents", "carried", 0.0, "metadata.json; empty for laws without an exponent"),
            LossRow("temperature", "carried", 0.0, "rows of each temperature"),
            LossRow("what is left open of σ", "carried", 0.0, "sigma_low_S, sigma_high_S; basis in metadata.json"),
            LossRow(
                "programming error and change together", "carried", 0.0, "programming_correlation in metadata.json"
            ),
            LossRow("array effects", "carried", 0.0, "metadata.json"),
            LossRow("basis, validity and provenance", "carried", 0.0, f"metadata.json; {basis_in_words(profile)}"),
        ),
    )


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
        {"population": name, "weight": e.weight, "low": e.interval[0], "high": e.interval[1], "conductance_S": g}
        for name, e in profile.extras.items()
        for g in e.quantiles_S
    ]
    return pd.DataFrame(rows, columns=["population", "weight", "low", "high", "conductance_S"])


def read_back(folder: Path) -> dict[str, Any]:
    """Read an export back: the three tables by name, and the metadata."""
    try:
        tables: dict[str, Any] = {
            name: _load(folder / f"{name}.csv") for name in ("conductance", "correlation", "populations")
        }
        return tables | {"metadata": json.loads((folder / "metadata.json").read_text(encoding="utf-8"))}
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder}: not a CSV export ({error})") from None


def _load(path: Path) -> pd.DataFrame:
    """Read a table with every number to its last digit."""
    table = pd.read_csv(path, dtype=str)
    return table.apply(lambda column: column if column.name == "population" else column.map(float))


def _save(table: pd.DataFrame, path: Path) -> None:
    with replacing(path) as part:
        table.to_csv(part, index=False)
