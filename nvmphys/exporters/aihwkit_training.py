"""A device for training in aihwkit: `PiecewiseStepDevice` from what one SET and one RESET pulse do.

    w = 2·(G - G_low)/(G_high - G_low) - 1,   w ← w ± dw_min·v(w)·(1 + σ_c·ξ)·(1 + σ_d·ξ_d)

v are the mean steps on nodes over the range, in units of dw_min; σ_c (`dw_min_std`) and σ_d (`dw_min_dtod`) the spread
from pulse to pulse and from device to device, as a share of the step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from nvmphys.errors import CheckFailed, MissingTool
from nvmphys.exporters.carried import Carried
from nvmphys.exporters.index import load_index, save_index
from nvmphys.exporters.loss import LossReport, approximated, loss_report, said_by_training
from nvmphys.exporters.steps import Steps, TrainingReader, needed_steps, training_error
from nvmphys.exporters.tools import Draw, Tool, python_with
from nvmphys.files import write_text
from nvmphys.profile import VariationProfile

NAME = "aihwkit-training"
TRAINS = True
VARIABLE = "NVMPHYS_AIHWKIT_TRAINING_PYTHON"
TOOL = Tool(
    "aihwkit for training", f"set {VARIABLE} to a Python in which aihwkit's tiles run",
    lambda: python_with(VARIABLE, "aihwkit"),
)  # fmt: skip
"""aihwkit 1.1.0's tiles run with torch 2.10; with 2.13 they take no tensor, so this has a Python of its own."""
FILE = "device.json"
NODES = 63
"""Most nodes that aihwkit takes on any hardware."""

Array = NDArray[np.float64]

EXAMPLE = '''"""Train a layer on cells with this profile's pulses. Needs aihwkit, and the torch its tiles are for."""

from pathlib import Path

import torch
from aihwkit.nn import AnalogLinear
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import SingleRPUConfig

from nvmphys.exporters.aihwkit_training import device

layer = AnalogLinear(4, 2, rpu_config=SingleRPUConfig(device=device(Path(__file__).parent)))
optimizer = AnalogSGD(layer.parameters(), lr=0.1)
optimizer.regroup_param_groups(layer)
for _ in range(10):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(layer(torch.ones(1, 4)), torch.tensor([[0.2, -0.1]]))
    loss.backward()
    optimizer.step()
    print(float(loss))
'''


def write(profile: VariationProfile, folder: Path) -> LossReport:
    """Write `device.json`, the arguments of `PiecewiseStepDevice` with the range of conductance, and an example.

    Raises
    ------
    BadInput
        "aihwkit-training trains on pulses, and profile … has no pulse-update tables …".
    """
    steps = needed_steps(profile, NAME)
    content = {
        "range_S": [float(steps.level_S[0]), float(steps.level_S[-1])], "arguments": arguments(steps),
        "profile": profile.name, "basis": {name: str(table.basis) for name, table in profile.pulse_update.items()},
    }  # fmt: skip
    save_index(folder / FILE, content)
    write_text(folder / "use_in_aihwkit_training.py", EXAMPLE)
    said = said_by_training(profile)
    said["pulse updates"] = approximated(
        training_error(steps, _reader(content)),
        "mean steps on 63 nodes; their spread is normal and one share of the step everywhere",
    )
    return loss_report(NAME, said)


def arguments(steps: Steps) -> dict[str, Any]:
    """Return the arguments of `PiecewiseStepDevice`.

    Steps against the direction of the pulse, as noise may give at the ends, count as none.

    Examples
    --------
    >>> level, p = np.array([1e-6, 3e-6]), np.array([0.01, 0.5, 0.99])
    >>> found = arguments(Steps(level, p, np.full((2, 3), 2e-8), np.full((2, 3), -1e-8)))
    >>> [round(x, 6) for x in (found["dw_min"], found["piecewise_up"][0], found["piecewise_down"][0])]
    [0.015, 1.333333, 0.666667]
    """
    half = float(steps.level_S[-1] - steps.level_S[0]) / 2
    nodes = np.linspace(steps.level_S[0], steps.level_S[-1], NODES)
    mean, square, noise = [], 0.0, 0.0
    for direction in (1, -1):
        m, s = steps.moments(direction)
        mean.append(np.maximum(direction * np.interp(nodes, steps.level_S, m), 0.0) / half)
        square, noise = square + float(np.sum(m**2)), noise + float(np.sum(s**2))
    unit = float(np.mean(mean))
    spread = np.sqrt(noise / square)
    return {
        "piecewise_up": (mean[0] / unit).tolist(), "piecewise_down": (mean[1] / unit).tolist(), "dw_min": unit,
        "dw_min_std": float(spread * np.sqrt(1 - steps.kept)), "dw_min_dtod": float(spread * np.sqrt(steps.kept)),
        "up_down": 0.0, "up_down_dtod": 0.0, "w_max": 1.0, "w_min": -1.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0,
        "write_noise_std": 0.0,
    }  # fmt: skip


def device(folder: str | Path) -> Any:
    """Return the `PiecewiseStepDevice` of an export; needs aihwkit in the environment.

    Raises
    ------
    MissingTool
        "the aihwkit device needs aihwkit …": aihwkit or torch cannot be imported.
    """
    try:
        from aihwkit.simulator.configs.devices import PiecewiseStepDevice
    except ImportError as error:
        raise MissingTool(f"the aihwkit device needs aihwkit ({error}): pip install 'nvmphys[aihwkit]'") from None
    return PiecewiseStepDevice(**_content(Path(folder))["arguments"])


def read_back(folder: Path) -> Carried:
    """Read the mean steps and their spread, as quantiles of normal laws."""
    content = _content(Path(folder))
    given, (low, high) = content["arguments"], content["range_S"]
    unit = given["dw_min"] * (high - low) / 2
    up, down = (unit * np.array(given[name]) for name in ("piecewise_up", "piecewise_down"))
    spread = np.hypot(given["dw_min_std"], given["dw_min_dtod"])
    probability = np.linspace(0.0005, 0.9995, 1000)
    shape = 1 + spread * ndtri(probability)
    kept = (given["dw_min_dtod"] / spread) ** 2 if spread > 0 else 0.0
    return Carried(
        steps=Steps(np.linspace(low, high, len(up)), probability, np.outer(up, shape), -np.outer(down, shape), kept)
    )


def draws(draw: Draw) -> Array:
    """Draw conductances (pulse + 1, start, cell) [S] by the device's documented update, one pulse at a time."""
    cells = np.repeat(draw.targets_S, draw.n)
    reader = _reader(_content(Path(draw.folder)))
    out = reader(cells, np.array(draw.pulses), np.random.default_rng(draw.seed))
    return out.reshape(len(draw.pulses) + 1, len(draw.targets_S), draw.n)


def in_tool(draw: Draw) -> Array:
    """Draw conductances (pulse + 1, start, cell) [S]: real devices of an aihwkit tile, one pulse at a time."""
    import torch
    from aihwkit.simulator.configs import SingleRPUConfig
    from aihwkit.simulator.tiles.analog import AnalogTile

    low, high = _content(Path(draw.folder))["range_S"]
    config = SingleRPUConfig(device=device(draw.folder))
    config.device.construction_seed = draw.seed
    config.update.desired_bl = 1
    config.update.update_bl_management = False
    config.update.update_management = False
    torch.manual_seed(draw.seed)
    tile = AnalogTile(len(draw.targets_S) * draw.n, 1, config)
    tile.set_learning_rate(1.0)
    start = 2 * (np.repeat(draw.targets_S, draw.n) - low) / (high - low) - 1
    try:
        tile.set_weights(torch.tensor(start[:, None], dtype=torch.float32))
    except RuntimeError as error:
        raise CheckFailed(
            f"aihwkit's tiles do not run with torch {torch.__version__} ({error}): they need the torch they were built "
            "for (aihwkit 1.1.0: torch 2.10)"
        ) from None
    out = [tile.get_weights()[0].numpy().copy()]
    for direction in draw.pulses:
        tile.update(-torch.ones(1, 1), direction * torch.ones(1, start.size))
        out.append(tile.get_weights()[0].numpy().copy())
    drawn = low + (np.stack(out) + 1) / 2 * (high - low)
    return drawn.reshape(len(draw.pulses) + 1, len(draw.targets_S), draw.n)


def _content(folder: Path) -> dict[str, Any]:
    return load_index(folder / FILE, f"{folder / FILE}: not a device for training")


def _reader(content: dict[str, Any]) -> TrainingReader:
    """Return the device's documented update."""
    given, (low, high) = content["arguments"], content["range_S"]
    nodes = np.linspace(-1, 1, len(given["piecewise_up"]))
    sides = {1: np.array(given["piecewise_up"]), -1: -np.array(given["piecewise_down"])}

    def train(start: Array, directions: Array, rng: np.random.Generator) -> Array:
        own = {side: 1 + given["dw_min_dtod"] * rng.standard_normal(start.size) for side in (1, -1)}
        w = [2 * (start - low) / (high - low) - 1]
        for direction in directions:
            step = given["dw_min"] * np.interp(w[-1], nodes, sides[int(direction)]) * np.abs(own[int(direction)])
            noise = 1 + given["dw_min_std"] * rng.standard_normal(start.size)
            w.append(np.clip(w[-1] + step * noise, -1, 1))
        return np.asarray(low + (np.stack(w) + 1) / 2 * (high - low))

    return train
