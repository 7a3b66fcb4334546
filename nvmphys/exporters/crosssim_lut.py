"""Look-up tables for training in CrossSim 2: `dG_increasing.txt` and `dG_decreasing.txt`, quantiles of ΔG by G."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from nvmphys.errors import BadInput
from nvmphys.exporters.carried import Carried
from nvmphys.exporters.loss import LossReport, approximated, loss_report, said_by_training
from nvmphys.exporters.steps import Steps, TrainingReader, needed_steps, training_error
from nvmphys.exporters.tools import Draw
from nvmphys.files import replacing
from nvmphys.profile import VariationProfile

NAME = "crosssim2-training"
TRAINS = True
FILES = {1: "dG_increasing.txt", -1: "dG_decreasing.txt"}
HEAD = "dG look-up table: G [S], CDF, dG [S] (rows CDF, columns G)"
POINTS = 501
"""Conductances, and probabilities, of a table; both even, as CrossSim 2's fast look-up needs."""

Array = NDArray[np.float64]


def write(profile: VariationProfile, folder: Path) -> LossReport:
    """Write both tables: a line of text, conductances [S], probabilities, then ΔG [S] with a row for each probability.

    CrossSim 2 takes the nearest row and column. The first and last row stand for half a step of probability each, so
    they hold the quantiles at its middle.

    Raises
    ------
    BadInput
        "crosssim2-training trains on pulses, and profile … has no pulse-update tables …".
    """
    steps = needed_steps(profile, NAME)
    level, probability = np.linspace(steps.level_S[0], steps.level_S[-1], POINTS), np.linspace(0, 1, POINTS)
    half = 0.25 / (POINTS - 1)
    score = ndtri(np.clip(probability, half, 1 - half))
    for direction, name in FILES.items():
        table = np.stack([steps.at(direction, level, np.full(POINTS, z)) for z in score])
        with replacing(folder / name) as part:
            np.savetxt(
                part, np.vstack([level, probability, table]), fmt="%.9e", delimiter=",", header=HEAD, comments=""
            )
    said = said_by_training(profile)
    said["pulse updates"] = approximated(
        training_error(steps, _reader(folder)), "each pulse draws anew: what a cell keeps for life is not carried"
    )
    return loss_report(NAME, said)


def read_back(folder: Path) -> Carried:
    """Read both tables."""
    level, probability, up, down = _tables(Path(folder))
    half = 0.25 / (POINTS - 1)
    return Carried(steps=Steps(level, np.clip(probability, half, 1 - half), up.T, down.T))


def draws(draw: Draw) -> Array:
    """Draw conductances (pulse + 1, start, cell) [S] by CrossSim 2's look-up, one pulse at a time."""
    cells = np.repeat(draw.targets_S, draw.n)
    out = _reader(Path(draw.folder))(cells, np.array(draw.pulses), np.random.default_rng(draw.seed))
    return out.reshape(len(draw.pulses) + 1, len(draw.targets_S), draw.n)


def _reader(folder: Path) -> TrainingReader:
    """Return CrossSim 2's look-up: the nearest conductance and probability."""
    level, probability, up, down = _tables(folder)
    g_step, p_step = level[1] - level[0], probability[1] - probability[0]

    def train(start: Array, directions: Array, rng: np.random.Generator) -> Array:
        out = [start]
        for direction in directions:
            table = up if direction > 0 else down
            row = (rng.random(start.size) / p_step + 0.5).astype(int)
            column = ((out[-1] - level[0]) / g_step + 0.5).astype(int)
            out.append(np.clip(out[-1] + table[row, column], level[0], level[-1]))
        return np.stack(out)

    return train


def _tables(folder: Path) -> tuple[Array, Array, Array, Array]:
    """Read conductances, probabilities and both tables (probability, conductance)."""
    parts = []
    for name in FILES.values():
        try:
            lines = (folder / name).read_text(encoding="utf-8").splitlines()[1:]
            if len(lines) < 3:
                raise ValueError("it ends too early")
            rows = np.loadtxt(lines, delimiter=",", ndmin=2)
            level, probability, table = rows[0], rows[1], rows[2:]
        except (OSError, ValueError, IndexError) as error:
            raise BadInput(f"{folder / name}: not a look-up table ({error})") from None
        if table.shape != (probability.size, level.size):
            raise BadInput(f"{folder / name}: must have {probability.size} rows of {level.size} (got {table.shape})")
        parts.append((level, probability, table))
    return parts[0][0], parts[0][1], parts[0][2], parts[1][2]
