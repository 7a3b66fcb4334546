"""Claim: write-verify on statistics of pulses ends where write-verify on the device equations does.

The gap model (three targets over a decade of conductance, SET and RESET ladders of rising amplitude) twice: devices
that differ in one parameter, with pulses that differ; devices that differ in three. And the accumulative PCM model
(identical SET pulses, no RESET) against the published law of its pulses. 1000 devices a target, 4000 of PCM.

Of both paths: mean and σ of the programmed conductance, and pulses per cell, with 95 % intervals (±1.96 σ) of a
bootstrap by device; for the gap model's statistics it draws the devices behind the tables again, and the cells. They
agree where the intervals of both overlap. Said besides: how the histogram is cut by the window, pulses and energy per
cell, and what becomes of pulses per cell where a cell keeps no rank of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from _claims import conclude

import nvmphys as nv
from nvmphys.measurement.programming import programmed_cells
from nvmphys.population.pulse_update import PulsedDevices, PulseLaw, pulsed_devices, write_verify
from nvmphys.simulate import experiment
from nvmphys.simulate.write_verify import WriteVerify

TABULATED, REPLICATES, RESAMPLED = 200, 100, 400
FIGURES = ("mean", "sigma", "pulses")
ONE = {"vgap": {"sigma": 0.5, "sigma_ref": "of_value"}}
THREE = ONE | {"g0": {"sigma": 0.05, "sigma_ref": "of_value"}, "gamma0": {"sigma": 0.02, "sigma_ref": "of_value"}}
CASES: Mapping[str, tuple[str, int, Mapping[str, Any], Mapping[str, Any]]] = {
    "gap, one parameter and pulses differ": ("rram_gap", 1000, ONE, {"c2c": {"vgap": 0.3}}),
    "gap, three parameters differ": ("rram_gap", 1000, THREE, {}),
    "accumulative PCM": ("pcm_accumulative", 4000, {}, {}),
}


def figures(cells: pd.DataFrame) -> np.ndarray:
    """Return mean [S], σ [S] and pulses per cell (figure, target)."""
    by = cells.groupby("target_S")
    return np.stack([by["conductance_S"].mean(), by["conductance_S"].std(), by["pulses"].mean()])


def resampled(cells: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Return the figures of bootstrap replicates by device (replicate, figure, target)."""
    wide = {
        name: cells.pivot(index="device_id", columns="target_S", values=name) for name in ("conductance_S", "pulses")
    }
    end, pulses = (wide[name].to_numpy(dtype=float) for name in ("conductance_S", "pulses"))
    chosen = rng.integers(len(end), size=(RESAMPLED, len(end)))
    return np.stack([[end[k].mean(axis=0), end[k].std(axis=0, ddof=1), pulses[k].mean(axis=0)] for k in chosen])


def of_statistics(law: PulseLaw, scheme: WriteVerify, count: int, rng: np.random.Generator) -> pd.DataFrame:
    """Program cells by statistics; the cells of each target are numbered from 1."""
    cells = programmed_cells(write_verify(law, scheme, count, rng).table)
    return cells.assign(device_id=cells.groupby("target_S").cumcount() + 1)


def interval(found: np.ndarray, replicates: np.ndarray) -> np.ndarray:
    """Return the ends of 95 % intervals (2, figure, target): the figures ± 1.96 σ of their replicates."""
    half = 1.96 * replicates.std(axis=0)
    return np.stack([found - half, found + half])


def replicates(
    pulsed: PulsedDevices | None, own: pd.DataFrame, scheme: WriteVerify, rng: np.random.Generator
) -> np.ndarray:
    """Return bootstrap replicates of the statistics' figures: of the devices behind the tables where there are any."""
    if pulsed is None:
        return resampled(own, rng)
    count, found = len(own) // len(scheme.target_S), []
    for _ in range(REPLICATES):
        law = pulsed.statistics(rng.integers(TABULATED, size=TABULATED))
        found.append(figures(of_statistics(law, scheme, count, rng)))
    return np.stack(found)


def compared(name: str, seed: int) -> dict[str, Any]:
    """Program one case by both paths; print and return how they compare."""
    model_name, count, population, settings = CASES[name]
    model, rng = nv.device(model_name), np.random.default_rng(seed)
    scheme = experiment(model, "write_verify", settings)
    assert isinstance(scheme, WriteVerify)
    made = nv.simulate(model, "write_verify", n_devices=count, rng=rng, settings=settings, population=population)
    cells = programmed_cells(made.table)
    if model_name == "rram_gap":
        pulsed = pulsed_devices(model, settings=settings, population=population, n_devices=TABULATED, rng=rng)
        law, forgetful = pulsed.statistics(), pulsed.statistics().memoryless()
    else:
        pulsed, law, forgetful = None, nv.accumulative_set(), None
    own = of_statistics(law, scheme, count, rng)
    found, told = figures(cells), figures(own)
    of_devices = interval(found, resampled(cells, rng))
    of_law = interval(told, replicates(pulsed, own, scheme, rng))
    overlap = (of_devices[0] <= of_law[1]) & (of_law[0] <= of_devices[1])
    apart = np.abs(told - found) / np.hypot(*(np.ptp(ends, axis=0) / 3.92 for ends in (of_devices, of_law)))
    print(f"\n{name}", flush=True)
    summary = nv.programming_summary(made)
    for k, row in enumerate(summary.to_dict("records")):
        print(f"  {row['target_S'] * 1e6:g} ± {row['window_S'] * 1e6:g} µS: accepted {row['accepted']:.1%}, above "
              f"{row['ended_above']:.1%}, below {row['ended_below']:.1%}; pulses {row['pulses_mean']:.1f} (99 %: "
              f"{row['pulses_99']:.0f}); energy {row['energy_mean_J'] * 1e12:.3g} pJ (99 %: "
              f"{row['energy_99_J'] * 1e12:.3g} pJ)")  # fmt: skip
        for f, figure in enumerate(FIGURES):
            unit = 1e6 if figure != "pulses" else 1.0
            ends = [f"{low * unit:.4g} … {high * unit:.4g}" for low, high in (of_devices[:, f, k], of_law[:, f, k])]
            print(f"    {figure}: devices {found[f, k] * unit:.4g} ({ends[0]}), statistics {told[f, k] * unit:.4g} "
                  f"({ends[1]}) {'' if overlap[f, k] else 'APART'}")  # fmt: skip
    out: dict[str, Any] = {
        "agree": {figure: bool(overlap[f].all()) for f, figure in enumerate(FIGURES)},
        "largest_difference_in_its_sigma": {
            figure: round(float(apart[f].max()), 2) for f, figure in enumerate(FIGURES)
        },
        "mean_apart_of_sigma": float(np.max(np.abs(told[0] - found[0]) / found[1])),
        "sigma_ratio": [float(x) for x in told[1] / found[1]],
        "pulses_mean": [found[2].round(2).tolist(), told[2].round(2).tolist()],
        "pulses_99": [by.groupby("target_S")["pulses"].quantile(0.99).tolist() for by in (cells, own)],
        "energy_mean_pJ": (summary["energy_mean_J"] * 1e12).round(1).tolist(),
        "energy_99_pJ": (summary["energy_99_J"] * 1e12).round(1).tolist(),
        "accepted": summary["accepted"].tolist(),
        "outside_window_of_accepted": outside(cells),
    }
    if forgetful is not None:
        lost = of_statistics(forgetful, scheme, count, rng).groupby("target_S")["pulses"]
        energy = own.groupby("target_S")["energy_J"].mean()
        out |= {
            "pulses_without_memory": [lost.mean().round(2).tolist(), lost.quantile(0.99).tolist()],
            "energy_mean_pJ_by_statistics": (energy * 1e12).round(1).tolist(),
        }
    return out


def outside(cells: pd.DataFrame) -> int:
    """Count accepted cells outside their window: the histogram is cut there."""
    accepted = cells[cells["ended"] == "accepted"]
    return int(((accepted["conductance_S"] - accepted["target_S"]).abs() > accepted["window_S"]).sum())


def profile_bases() -> dict[str, str]:
    """Return the bases of a profile that was programmed, with times after it."""
    card = nv.program("pcm_accumulative", scheme=nv.Scheme(cells=200), times_s=[3600.0, 86400.0], rng=1)
    return dict(nv.build_profile(card, None, [3600.0, 86400.0], rng=1).basis)


def main(seed: int = 20261124) -> int:
    found = {name: compared(name, seed) for name in CASES}
    basis = profile_bases()
    met = all(case["agree"]["mean"] and case["agree"]["sigma"] for case in found.values())
    met &= all(case["outside_window_of_accepted"] == 0 for case in found.values())
    met &= all(basis[part] == "simulated" for part in ("programmed", "change", "conductance"))
    return conclude(
        "write-verify by statistics of pulses agrees with write-verify on the equations (mean and σ, 95 % intervals)",
        found | {"profile": basis}, {"agree": "mean and sigma", "outside_window_of_accepted": 0}, met,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
