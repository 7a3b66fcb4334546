"""Cells drawn by aihwkit's own programming and drift calls from an exported profile have the profile's statistics.

Runs in an environment that has aihwkit. Weights are the conductances themselves (a converter of one slice), so that
each weight is one cell all through aihwkit's `apply_programming_noise` and `apply_drift_noise`. Read noise is off
for the comparison, since the tables hold none, and shown to act on its own.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace

import numpy as np
import torch
from _claims import conclude
from aihwkit.inference.converter.base import BaseConductanceConverter
from numpy.typing import NDArray

import nvmphys as nv
from nvmphys.exporters import export
from nvmphys.exporters.aihwkit import noise_model
from nvmphys.profile.build import score_correlation

CELLS = 100_000
RESAMPLES = 100
QUANTILES = (0.01, 0.05, 0.95, 0.99)
LIMIT = 4.0
STUDIES = {"rram_1t1r_relaxation": [1.0, 3600.0, 86400.0], "pcm_90nm": [20.0, 3600.0, 86400.0]}


class OneCellPerWeight(BaseConductanceConverter):
    """Weights that are conductances [µS]."""

    def convert_to_conductances(self, weights: torch.Tensor) -> tuple[list[torch.Tensor], dict]:
        """Take weights as conductances."""
        return [weights], {}

    def convert_back_to_weights(self, conductances: list[torch.Tensor], params: dict) -> torch.Tensor:
        """Take conductances as weights."""
        return conductances[0]


def statistics(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([cells.mean(), cells.std(), *np.quantile(cells, QUANTILES)])


def worst_z(cells: NDArray[np.float64], expected: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return |z| of mean, σ and quantiles against the profile, by bootstrap over the cells."""
    resampled = np.array([statistics(rng.choice(cells, cells.size)) for _ in range(RESAMPLES)])
    return np.abs(statistics(cells) - expected) / resampled.std(axis=0)


def judge_card(name: str, times: list[float], rng: np.random.Generator) -> tuple[float, float]:
    """Return the largest |z| and the largest gap of rank correlations over time."""
    card = nv.load_card(name)
    low, high = nv.law_of(card).level_range_S
    whole = nv.build_profile(card, np.linspace(low, high, 32), times, rng=1)
    profile = replace(whole, extras={})
    with tempfile.TemporaryDirectory() as folder:
        export(profile, "aihwkit", folder)
        model = noise_model(folder, read_noise=False)
        noisy = noise_model(folder)
    model.g_converter = noisy.g_converter = OneCellPerWeight()
    tables, worst, gap = profile.tables, 0.0, 0.0
    columns = [int(np.argmin(np.abs(tables.probability - q))) for q in QUANTILES]
    print(f"{name}: |z| of mean, σ, 1, 5, 95, 99 %")
    for i in (2, 8, 16, 24, 31):
        target = torch.full((CELLS,), tables.target_S[i] * 1e6, dtype=torch.float64)
        programmed, states = model.apply_programming_noise(target)
        drawn = []
        for k, time in enumerate(tables.time_s):
            if k == 0 and not profile.drift:
                drawn.append(programmed.numpy() * 1e-6)
                continue
            inference = float(time - tables.time_s[0])
            drawn.append(model.apply_drift_noise(programmed, states, inference).numpy() * 1e-6)
            expected = np.array(
                [tables.mean_S[0, i, k], tables.sigma_S[0, i, k], *tables.quantiles_S[0, i, k, columns]]
            )
            z = worst_z(drawn[-1], expected, rng)
            worst = max(worst, float(z.max()))
            print(f"  {tables.target_S[i] * 1e6:6.2f} µS {time:8g} s  " + " ".join(f"{v:4.1f}" for v in z))
        gap = max(gap, float(np.abs(score_correlation(np.array(drawn)) - tables.correlation[0, i]).max()))
        assert not np.allclose(drawn[0], drawn[-1]), "drift does nothing"
        if profile.read_noise_S is not None:
            reads = [noisy.apply_drift_noise(programmed, states, 3600.0).numpy() for _ in range(2)]
            assert not np.allclose(*reads), "read noise does nothing"
    if whole.extras:
        with tempfile.TemporaryDirectory() as folder:
            export(whole, "aihwkit", folder)
            mixed = noise_model(folder)
        mixed.g_converter = OneCellPerWeight()
        cells = mixed.apply_programming_noise(torch.full((CELLS,), low * 1e6, dtype=torch.float64))[0].numpy()
        share = sum(extra.weight for extra in whole.extras.values())
        astray = float(np.mean(cells > cells.min() + 3 * (high - low) * 1e6 / 31))
        z = abs(astray - share) / np.sqrt(share * (1 - share) / CELLS)
        print(f"  cells that do not follow the target: {astray:.3%} (profile {share:.3%}), |z| {z:.1f}")
        worst = max(worst, float(z))
    return worst, gap


def main() -> int:
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    results = {name: judge_card(name, times, rng) for name, times in STUDIES.items()}
    for name, (worst, gap) in results.items():
        print(f"{name}: largest |z| {worst:.2f}, largest gap of correlations over time {gap:.3f}")
    figure = round(max(worst for worst, _ in results.values()), 2)
    return conclude("aihwkit draws the profile's cells", figure, LIMIT, figure <= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
