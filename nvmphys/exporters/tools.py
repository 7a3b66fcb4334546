"""Running the real consumers: where each is found, and one process of its own Python for all that is asked of it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvmphys.discovery import modules_with
from nvmphys.errors import CheckFailed

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Tool:
    """A consumer's own program.

    Attributes
    ----------
    name : str
    hint : str
        How to get it.
    python : callable
        Returns the Python that has the tool and the environment to run it in, or None where the tool is absent.
    """

    name: str
    hint: str
    python: Callable[[], tuple[str, dict[str, str]] | None]


@dataclass(frozen=True)
class Draw:
    """Cells to be drawn from an export.

    Attributes
    ----------
    consumer, folder : str
    targets_S, times_s : tuple of float
    n : int
        Cells for each target.
    seed : int
    read_noise : bool
        Add the noise of one read.
    temperature_K : float or None
        Of the cells after programming; the profile's lowest where None.
    pulses : tuple of int
        For training consumers, in place of times: the direction of each pulse (1 SET, -1 RESET), from the targets on.
    """

    consumer: str
    folder: str
    targets_S: tuple[float, ...]
    times_s: tuple[float, ...]
    n: int
    seed: int
    read_noise: bool = False
    temperature_K: float | None = None
    pulses: tuple[int, ...] = ()


def python_with(variable: str, package: str) -> tuple[str, dict[str, str]] | None:
    """Return the Python that an environment variable names, else this one if it has the package."""
    chosen = os.environ.get(variable, "")
    if chosen:
        return (chosen, {}) if os.access(chosen, os.X_OK) else None
    return (sys.executable, {}) if importlib.util.find_spec(package) is not None else None


def run_in(tool: Tool, draws: Sequence[Draw], *, timeout_s: float = 1800.0) -> list[Array] | None:
    """Let a tool make draws, all in one process of its own, by the `in_tool` of their consumers' modules.

    Parameters
    ----------
    tool : Tool
    draws : sequence of Draw
    timeout_s : float, optional
        Wall time after which it is stopped [s].

    Returns
    -------
    list of ndarray, or None
        What `in_tool` returned for each; None where the tool is absent.

    Raises
    ------
    CheckFailed
        "… did not make the draws: …", with the end of what it printed.
    """
    found = tool.python()
    if found is None:
        return None
    with tempfile.TemporaryDirectory(prefix="nvmphys_") as folder:
        asked, answer = Path(folder) / "draws.json", Path(folder) / "drawn.npz"
        asked.write_text(json.dumps([asdict(draw) for draw in draws]), encoding="utf-8")
        command = ["nvmphys.exporters.tools", str(asked), str(answer)]
        run_module(*found, command, f"{tool.name} did not make the draws", timeout_s)
        with np.load(answer) as drawn:
            return [drawn[str(k)] for k in range(len(draws))]


def run_module(
    python: str, variables: Mapping[str, str], command: Sequence[str], failed: str, timeout_s: float
) -> None:
    """Run a module with its arguments in a tool's Python, as `Tool.python` gives it, on one thread.

    Raises
    ------
    CheckFailed
        `failed`, with why it could not be run or the end of what it printed.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", **variables}
    try:
        done = subprocess.run(
            [python, "-P", "-m", *command], capture_output=True, text=True, env=environment, check=False,
            timeout=timeout_s,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CheckFailed(f"{failed}: {error}") from None
    if done.returncode != 0:
        raise CheckFailed(f"{failed}: {done.stderr[-2000:].strip()}")


def main(arguments: Sequence[str]) -> None:
    """Make the draws of a file within the tool's own Python, and write them to another."""
    asked, answer = arguments
    content: list[dict[str, Any]] = json.loads(Path(asked).read_text(encoding="utf-8"))
    modules = modules_with("nvmphys.exporters", "NAME")
    given = [_draw(each) for each in content]
    np.savez(answer, **{str(k): modules[draw.consumer].in_tool(draw) for k, draw in enumerate(given)})


def _draw(given: dict[str, Any]) -> Draw:
    """Return a draw from what JSON made of it."""
    made: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return Draw(**made)


if __name__ == "__main__":
    main(sys.argv[1:])
