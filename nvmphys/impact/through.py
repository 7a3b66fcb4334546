"""The same network on the same profile, programmed and read by a consumer's own program.

A consumer gets the export of the profile and the weights, and returns the accuracy of each draw. It may rightly differ
from the study here: see the notes of each.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.errors import MissingTool, unknown_name
from nvmphys.exporters import aihwkit, crosssim, export
from nvmphys.exporters.tools import Tool, run_module
from nvmphys.impact.mapping import PAIRS
from nvmphys.impact.network import Network
from nvmphys.impact.significance import holm, welch
from nvmphys.impact.study import BAND, LEVEL, NetworkImpact
from nvmphys.profile import VariationProfile

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """What a consumer is asked for.

    Attributes
    ----------
    folder : str
        The export.
    times_s : ndarray (time,)
        Times since programming, as the profile counts them [s].
    draws, seed : int
    compensate : bool
        Make up for mean drift by one factor a layer.
    """

    folder: str
    times_s: Array
    draws: int
    seed: int
    compensate: bool


@dataclass(frozen=True)
class Consumer:
    """A consumer that can run a network.

    Attributes
    ----------
    tool : Tool
        Where its program is.
    run : callable
        Takes a network and what is asked, within the tool's own Python; returns accuracies (time, draw).
    note : str
        Why its accuracy may differ.
    """

    tool: Tool
    run: Callable[[Network, Asked], Array]
    note: str


def accuracy_through(
    name: str, profile: VariationProfile, network: Network, times_s: Array, *, draws: int, seed: int,
    compensate: bool = False, timeout_s: float = 1800.0,
) -> Array:  # fmt: skip
    """Return the accuracy (time, draw) of a network on a profile, by a consumer's own program.

    Parameters
    ----------
    name : str
        One of `THROUGH`.
    profile : VariationProfile
    network : Network
    times_s : ndarray (time,)
        Times since programming [s], as the profile counts them.
    draws, seed : int
    compensate : bool, optional
    timeout_s : float, optional
        Wall time after which it is stopped [s].

    Raises
    ------
    BadInput
        "unknown consumer that runs networks …".
    MissingTool
        "… was not found: …", with how to get it.
    CheckFailed
        "… did not run the network: …", with the end of what it printed.
    """
    if name not in THROUGH:
        raise unknown_name("consumer that runs networks", name, THROUGH)
    found = THROUGH[name].tool.python()
    if found is None:
        raise MissingTool(f"{THROUGH[name].tool.name} was not found: {THROUGH[name].tool.hint}")
    with tempfile.TemporaryDirectory(prefix="nvmphys_") as folder:
        export(profile, name, folder)
        asked, answer = Path(folder) / "network.npz", Path(folder) / "accuracy.npy"
        groups = {"weight": network.weights, "bias": network.biases}
        layers: dict[str, Any] = {f"{what}_{k}": each for what, group in groups.items() for k, each in enumerate(group)}
        np.savez(
            asked, **layers, inputs=network.inputs, labels=network.labels, times_s=np.asarray(times_s),
            draws=draws, seed=seed, compensate=compensate,
        )  # fmt: skip
        command = ["nvmphys.impact.through", name, str(asked), str(answer)]
        run_module(*found, command, f"{name} did not run the network", timeout_s)
        return np.asarray(np.load(answer), dtype=float)


def compare_through(
    name: str, profile: VariationProfile, network: Network, found: NetworkImpact, *, draws: int, seed: int
) -> pd.DataFrame:
    """Compare a consumer's accuracy with that of a study on differential pairs.

    Parameters
    ----------
    name : str
        One of `THROUGH`.
    profile, network
        Those of the study.
    found : NetworkImpact
        The study, on differential pairs among its mappings.
    draws, seed : int
        Of the consumer.

    Returns
    -------
    pandas.DataFrame
        A row a time: mean and band in the consumer, mean in the study, consumer less study with its 95 % interval, p,
        and p after Holm over the times.

    Raises
    ------
    BadInput
        "unknown consumer that runs networks …".
    MissingTool, CheckFailed
        As for :func:`accuracy_through`.
    """
    rows = found.draws[(found.draws["source"] == "profile") & (found.draws["mapping"] == PAIRS.name)]
    times = rows["time_s"].unique()
    own = [rows["accuracy"][rows["time_s"] == time].to_numpy() for time in times]
    theirs = accuracy_through(name, profile, network, times, draws=draws, seed=seed, compensate=found.compensated)
    compared = [welch(there, here) for there, here in zip(theirs, own, strict=True)]
    low, high = np.quantile(theirs, BAND, axis=1)
    table = pd.DataFrame(
        {
            "consumer": name, "time_s": times, "mean": theirs.mean(axis=1), "low": low, "high": high,
            "own_mean": [each.mean() for each in own], "difference": [d.mean for d in compared],
            "difference_low": [d.low for d in compared], "difference_high": [d.high for d in compared],
            "p": [d.p for d in compared],
        }
    )  # fmt: skip
    table["p_holm"] = holm(table["p"])
    return table


def in_words(table: pd.DataFrame) -> str:
    """Say in a sentence how a consumer's accuracy differs from that of the study."""
    name, last = str(table["consumer"].iloc[0]), table.iloc[-1]
    apart = int((table["p_holm"] < LEVEL).sum())
    told = f"told apart at {apart} of {len(table)} times" if apart else f"not told apart at any of {len(table)} times"
    return (
        f"through {name}: {last['mean']:.1%} at {last['time_s']:g} s ({last['own_mean']:.1%} here; "
        f"{100 * last['difference']:+.2f} points, 95 % {100 * last['difference_low']:+.2f} … "
        f"{100 * last['difference_high']:+.2f}), {told} (Welch, Holm); {THROUGH[name].note}"
    )


def _in_aihwkit(network: Network, asked: Asked) -> Array:
    """Return the accuracy of networks programmed and read by aihwkit's analog layers; biases are digital."""
    import torch
    from aihwkit.inference.compensation.drift import GlobalDriftCompensation
    from aihwkit.nn.conversion import convert_to_analog
    from aihwkit.simulator.configs import TorchInferenceRPUConfig

    torch.set_num_threads(1)
    torch.manual_seed(asked.seed)
    modules: list[torch.nn.Module] = []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        linear = torch.nn.Linear(*weight.shape)
        linear.weight.data = torch.tensor(weight.T, dtype=torch.float32)
        linear.bias.data = torch.tensor(bias, dtype=torch.float32)
        modules += [linear, torch.nn.ReLU()]
    inputs, labels = torch.tensor(network.inputs, dtype=torch.float32), torch.tensor(network.labels)
    model = torch.nn.Sequential(*modules[:-1])
    out = np.empty((asked.times_s.size, asked.draws))
    for draw in range(asked.draws):
        config, model_of_cells = TorchInferenceRPUConfig(), aihwkit.noise_model(asked.folder)
        config.noise_model = model_of_cells
        config.forward.is_perfect = True
        config.drift_compensation = GlobalDriftCompensation() if asked.compensate else None
        analog = convert_to_analog(model, config)
        analog.eval()
        analog.program_analog_weights()
        profile = model_of_cells.profile
        origin = profile.first_time_s if profile.drift else 0.0  # aihwkit counts from the end of programming
        for k, seconds in enumerate(asked.times_s):
            analog.drift_analog_weights(float(seconds - origin))
            with torch.no_grad():
                out[k, draw] = float((analog(inputs).argmax(dim=1) == labels).double().mean())
    return out


def _in_crosssim(network: Network, asked: Asked) -> Array:
    """Return the accuracy of networks on CrossSim's cores of balanced pairs, the wires left out; biases are digital."""
    from simulator import AnalogCore

    exported, device = crosssim.exported_device(asked.folder)
    profile = device.profile()
    out = np.empty((asked.times_s.size, asked.draws))
    for draw in range(asked.draws):
        device.restart(int(np.random.SeedSequence([asked.seed, draw]).generate_state(1)[0]))
        first = np.ones(len(network.weights))
        for k, seconds in enumerate(asked.times_s):
            cores = []
            for weight in network.weights:
                params = exported.parameters(crosssim.crosssim_time(profile, seconds))
                params.core.style = "BALANCED"
                params.xbar.array.parasitics.enable = False
                cores.append(AnalogCore(weight.T / np.abs(weight).max(), params=params))  # its weights are -1 … 1
            factors = np.array([np.abs(weight).max() for weight in network.weights])
            if asked.compensate:
                sizes = np.array([np.abs(core.matmat(np.eye(core.shape[1]))).mean() for core in cores])
                first = sizes if k == 0 else first
                factors = factors * first / sizes
            out[k, draw] = _accuracy_of(network, cores, factors)
    return out


def _accuracy_of(network: Network, cores: Sequence[Any], factors: Array) -> float:
    """Return the accuracy with each layer's products made by a core (`matmat`), times a factor."""
    now = network.inputs.T
    for k, (core, bias) in enumerate(zip(cores, network.biases, strict=True)):
        now = factors[k] * core.matmat(now) + bias[:, None]
        if k < len(cores) - 1:
            now = np.maximum(now, 0.0)
    return float((now.argmax(axis=0) == network.labels).mean())


THROUGH: Mapping[str, Consumer] = {
    "aihwkit": Consumer(
        aihwkit.TOOL,
        _in_aihwkit,
        "aihwkit converts programmed pairs back to weights and to pairs again before it reads them later",
    ),
    "crosssim": Consumer(
        crosssim.TOOL,
        _in_crosssim,
        "CrossSim draws a read's noise by where a cell stands, not by its target",
    ),
}
"""Consumers that can run the network."""


def main(arguments: Sequence[str]) -> None:
    """Run a network within the consumer's own Python and write its accuracies."""
    name, asked, answer = arguments
    with np.load(asked) as given:
        layers = sum(key.startswith("weight_") for key in given)
        weights, biases = (tuple(given[f"{what}_{k}"] for k in range(layers)) for what in ("weight", "bias"))
        network = Network(weights, biases, given["inputs"], given["labels"])
        wanted = Asked(
            str(Path(asked).parent), given["times_s"], int(given["draws"]), int(given["seed"]),
            bool(given["compensate"]),
        )  # fmt: skip
    np.save(answer, THROUGH[name].run(network, wanted))


if __name__ == "__main__":
    main(sys.argv[1:])
