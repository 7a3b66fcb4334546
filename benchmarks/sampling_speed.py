"""Cells are drawn from full quantile tables nearly as fast as normal numbers, and faster than inside the simulators.

1e7 cells of random targets, as programmed and after a day: two correlated numbers a cell, one thread. Beside it, in
the same run: as many numbers of `standard_normal` of the same bit generator (Philox 4x64); the same tables as a noise
model inside aihwkit (NVMPHYS_AIHWKIT_PYTHON names its Python) and as a device inside CrossSim (NVMPHYS_CROSSSIM names
its folder), each through the tool's own calls. A tool that is not there is said not to be, and its target is not met.
Times are of the processor, so that a busy machine does not count.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _claims import conclude
from scipy.special import ndtri

import nvmphys as nv

CELLS = 10_000_000
PEER_CELLS = 1_000_000
REPEATS = 5
DAY_S = 86400.0
PEERS = {"aihwkit": "NVMPHYS_AIHWKIT_PYTHON", "crosssim": "NVMPHYS_CROSSSIM"}


def medians_ns(draws: list[Callable[[], Any]], numbers: int) -> list[float]:
    """Return the median processor time of each call for each number [ns]; the calls take turns, one round uncounted."""
    found = np.empty((REPEATS + 1, len(draws)))
    for turn in range(REPEATS + 1):
        for k, draw in enumerate(draws):
            begin = time.process_time()
            draw()
            found[turn, k] = time.process_time() - begin
    return (np.median(found[1:], axis=0) / numbers * 1e9).tolist()


def in_tool(tool: str, profile: nv.VariationProfile, targets: np.ndarray) -> float | None:
    """Return nanoseconds for each number inside a tool; None where it is not there."""
    where = os.environ.get(PEERS[tool], "")
    if not where:
        print(f"{tool}: not there ({PEERS[tool]} is not set)")
        return None
    python, path = (where, "") if tool == "aihwkit" else (sys.executable, where)
    tables = profile.tables
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tables.npz"
        np.savez(
            file, target=tables.target_S * 1e6, score=ndtri(tables.probability), programmed=tables.programmed_S * 1e6,
            change=profile.change_table(DAY_S), cells=targets[:PEER_CELLS] * 1e6,
        )  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **({"PYTHONPATH": path} if path else {})}
        script = Path(__file__).parent / "_table_peers.py"
        done = subprocess.run(
            [python, script, tool, file], env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        print(f"{tool}: {done.stderr[-300:]}")
        return None
    return float(json.loads(done.stdout.splitlines()[-1])["ns"])


def main() -> int:
    profile = nv.build_profile(nv.load_card("pcm_90nm"), None, [3600.0, DAY_S], rng=1, replicates=0)
    path = nv.build_profile(nv.load_card("rram_1t1r_relaxation"), None, [3600.0, DAY_S], rng=1, replicates=0)
    targets = np.random.default_rng(1).uniform(*profile.level_range_S, CELLS)
    rng = np.random.Generator(np.random.Philox(1))
    sampler, times = profile.sampler(1), [profile.first_time_s, DAY_S]
    normals, ours, single = medians_ns(
        [
            lambda: rng.standard_normal((2, CELLS)),
            lambda: sampler.draw(targets, times),
            lambda: sampler.draw(targets, times, dtype=np.float32),
        ],
        2 * CELLS,
    )
    walking = path.sampler(1)
    some = np.random.default_rng(1).uniform(*path.level_range_S, CELLS // 10)
    (paths,) = medians_ns([lambda: walking.draw(some, [0.0, DAY_S])], 2 * some.size)
    peers = {tool: in_tool(tool, profile, targets) for tool in PEERS}
    print(f"numpy standard_normal (Philox) {normals:.1f} ns a number; ours {ours:.1f} ns (float32 {single:.1f} ns)")
    print(f"histories of latent paths (rram_1t1r_relaxation, 4 steps a cell): {paths:.1f} ns a number")
    print(f"the same tables inside {', '.join(f'{t}: {n:.1f} ns' for t, n in peers.items() if n)}")
    times_faster = {tool: None if n is None else round(n / ours, 1) for tool, n in peers.items()}
    figure = {
        "rate over standard_normal": round(normals / ours, 2), "float32": round(normals / single, 2),
        "latent paths": round(normals / paths, 2), **{f"times {tool}": found for tool, found in times_faster.items()},
    }  # fmt: skip
    target = {"rate over standard_normal": ">= 0.5, aim 1", **{f"times {tool}": ">= 5" for tool in PEERS}}
    met = normals / ours >= 0.5 and all(found is not None and found >= 5 for found in times_faster.values())
    return conclude("1e7 cells, two correlated numbers a cell, from full quantile tables", figure, target, met)


if __name__ == "__main__":
    sys.exit(main())
