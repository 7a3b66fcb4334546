"""Claim: 1,000 draws of a 128×128 array are the same bytes from one worker, from two, and after an interruption.

`nvmphys crossbar montecarlo pcm_90nm` runs three times from the command line: with one process, with two, and with one
that is interrupted (SIGINT) after some draws and called again, which must solve the missing ones alone.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _claims import conclude

NVMPHYS = [sys.executable, "-c", "from nvmphys.cli import main; main()"]
DRAWS, SIZE, CARD = 1000, "128x128", "pcm_90nm"
FIRST_SHARDS = 10
"""Files on disk after which the third run is interrupted."""


def command(folder: Path, workers: int) -> list[str]:
    """Return the command line."""
    return [
        *NVMPHYS, "crossbar", "montecarlo", CARD, "--size", SIZE, "--draws", str(DRAWS),
        "--workers", str(workers), "--seed", "1", "--json", "-o", str(folder),
    ]  # fmt: skip


def finished(folder: Path, workers: int = 1) -> tuple[int, float]:
    """Run to the end; return how many draws were solved, and the time."""
    begin = time.perf_counter()
    done = subprocess.run(command(folder, workers), stdout=subprocess.PIPE, text=True, check=True)
    return int(json.loads(done.stdout)["computed"]), time.perf_counter() - begin


def interrupted(folder: Path) -> int:
    """Run until some shards are there, interrupt, and return the exit code."""
    running = subprocess.Popen(command(folder, 1), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while running.poll() is None and len(list(folder.glob("draws_*.npy"))) < FIRST_SHARDS:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    running.communicate()
    return running.returncode


def digest(folder: Path) -> str:
    """Return the hash of all draws and of the table of errors."""
    found = hashlib.sha256()
    for path in [*sorted(folder.glob("draws_*.npy")), folder / "errors.csv"]:
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def main() -> int:
    with tempfile.TemporaryDirectory() as top:
        one, two, stopped = (Path(top, name) for name in ("one", "two", "stopped"))
        _, alone_s = finished(one)
        _, together_s = finished(two, workers=2)
        code = interrupted(stopped)
        left_over = list(stopped.glob("*"))
        solved, _ = finished(stopped)
        same = len({digest(folder) for folder in (one, two, stopped)}) == 1
    print(f"{DRAWS} draws of {SIZE} of {CARD}: {alone_s:.1f} s with one worker, {together_s:.1f} s with two")
    print(f"interrupted (exit code {code}) with {len(left_over)} files there; called again it solved {solved} draws")
    figure = {
        "identical": same, "seconds_1_worker": round(alone_s, 1), "seconds_2_workers": round(together_s, 1),
        "solved_after_interruption": solved,
    }  # fmt: skip
    target = {"identical": True, "solved_after_interruption": f"> 0, < {DRAWS}"}
    return conclude(
        f"{DRAWS} draws of {SIZE}: the same bytes from 1 and 2 workers and after an interruption",
        figure, target, same and 0 < solved < DRAWS,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
