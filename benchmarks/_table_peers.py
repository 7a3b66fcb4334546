"""Quantile tables as a noise model inside aihwkit, or as a device inside CrossSim, drawn through the tool's own calls.

    python benchmarks/_table_peers.py aihwkit|crosssim TABLES.npz

Reads `target`, `score`, `programmed` (target, score), `change` (target, score) and `cells`, the targets; draws each
cell as programmed and after its change G·exp(change), one thread, and prints one JSON object: nanoseconds of processor
time for each number. CrossSim must be on PYTHONPATH.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

REPEATS = 5


def best(draw: Callable[[], Any]) -> float:
    """Return the median processor time of a call [s], after one that is not counted."""
    draw()
    found = []
    for _ in range(REPEATS):
        begin = time.process_time()
        draw()
        found.append(time.process_time() - begin)
    return float(np.median(found))


def in_aihwkit(tables: dict[str, np.ndarray]) -> float:
    """Draw through `apply_programming_noise` and `apply_drift_noise`."""
    import torch
    from aihwkit.inference.converter.base import BaseConductanceConverter
    from aihwkit.inference.noise.base import BaseNoiseModel

    torch.set_num_threads(1)
    torch.manual_seed(1)
    axis, score, programmed, change = (
        torch.tensor(tables[name], dtype=torch.float32) for name in ("target", "score", "programmed", "change")
    )

    class OneCellPerWeight(BaseConductanceConverter):
        def convert_to_conductances(self, weights: Any) -> Any:
            return [weights], {}

        def convert_back_to_weights(self, conductances: Any, params: Any) -> Any:
            return conductances[0]

    def look_up(table: Any, target: Any, z: Any) -> Any:
        row = (torch.searchsorted(axis, target, right=True) - 1).clamp(0, axis.numel() - 2)
        column = (torch.searchsorted(score, z, right=True) - 1).clamp(0, score.numel() - 2)
        up = ((target - axis[row]) / (axis[row + 1] - axis[row])).clamp(0, 1)
        right = ((z - score[column]) / (score[column + 1] - score[column])).clamp(0, 1)
        below = torch.lerp(table[row, column], table[row, column + 1], right)
        return torch.lerp(below, torch.lerp(table[row + 1, column], table[row + 1, column + 1], right), up)

    class TableModel(BaseNoiseModel):
        def apply_programming_noise_to_conductance(self, g_target: Any) -> Any:
            return look_up(programmed, g_target, torch.randn_like(g_target))

        def generate_drift_coefficients(self, g_target: Any) -> Any:
            return look_up(change, g_target, torch.randn_like(g_target))

        def apply_drift_noise_to_conductance(self, g_prog: Any, drift_noise_param: Any, t_inference: float) -> Any:
            return g_prog * torch.exp(drift_noise_param)

    model, cells = TableModel(OneCellPerWeight()), torch.tensor(tables["cells"], dtype=torch.float32)

    def draw() -> Any:
        weights, drift = model.apply_programming_noise(cells)
        return model.apply_drift_noise(weights, drift, 1.0)

    return best(draw)


def in_crosssim(tables: dict[str, np.ndarray]) -> float:
    """Draw through `apply_write_error` at a later time, which draws programming and change together."""
    from simulator import CrossSimParameters
    from simulator.devices.idevice import EmptyDevice

    axis, score, programmed, change = (tables[name] for name in ("target", "score", "programmed", "change"))

    class TableDevice(EmptyDevice):
        def drift_error(self, input_: Any, time: float) -> Any:
            start = self.look_up(programmed, input_)
            return start * np.exp(self.look_up(change, input_))

        def look_up(self, table: Any, target: Any) -> Any:
            z = np.random.default_rng(self.draws).standard_normal(target.shape)
            self.draws += 1
            row = np.clip(np.searchsorted(axis, target, side="right") - 1, 0, axis.size - 2)
            column = np.clip(np.searchsorted(score, z, side="right") - 1, 0, score.size - 2)
            up = np.clip((target - axis[row]) / (axis[row + 1] - axis[row]), 0, 1)
            right = np.clip((z - score[column]) / (score[column + 1] - score[column]), 0, 1)
            below = table[row, column] + right * (table[row, column + 1] - table[row, column])
            above = table[row + 1, column] + right * (table[row + 1, column + 1] - table[row + 1, column])
            return below + up * (above - below)

        draws = 1

    device = CrossSimParameters().xbar.device
    device.cell_bits, device.time = 0, 3600.0
    made = TableDevice(device, device.programming_error)
    return best(lambda: made.apply_write_error(tables["cells"]))


if __name__ == "__main__":
    with np.load(sys.argv[2], allow_pickle=False) as file:
        content = {name: file[name] for name in file.files}
    seconds = {"aihwkit": in_aihwkit, "crosssim": in_crosssim}[sys.argv[1]](content)
    print(json.dumps({"ns": seconds / (2 * content["cells"].size) * 1e9}))
