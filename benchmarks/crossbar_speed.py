"""Claim: solvers of crossbars beside badcrossbar, nested dissection with SuperLU, and ngspice, one thread, in turns.

Cells uniform in 1-100 µS, 1 ohm segments, inputs uniform in 0-0.3 V. The full effective matrix of 256×256 takes at most
1/50 of badcrossbar's time, one vector at most 1/150 of badcrossbar's and 1/20 of a sparse LU's in the order of nested
dissection, 256 vectors at most 1/30 of badcrossbar's; sinh cells (αV up to 4.5) at 64×64 at most 1/100 of ngspice's
with KLU. The matrix of 512×512 needs 300 MB beyond what is held before, that of 1024×1024 1 GB.
Prints what is measured as it comes; medians. Needs ngspice and badcrossbar (see _badcrossbar.py). About 6 min; ngspice
without KLU at 128×128 is run once, and only where NVMPHYS_SLOW is 1 (it takes 2 min more).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from _badcrossbar import outputs
from _claims import conclude
from threadpoolctl import threadpool_limits

from nvmphys.crossbar import Crossbar, Ngspice, Sinh, find_ngspice, operating_point_deck, run

REPEATS, OURS_PER_REPEAT = 3, 7
PEAK = """
import re, sys
import numpy as np
from nvmphys.crossbar import Crossbar
def held_MB(what):
    return int(re.search(what + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
n = int(sys.argv[1])
Crossbar(np.full((20, 20), 1e-5), 1, 1).effective_conductance()
crossbar = Crossbar(np.random.default_rng(0).uniform(1e-6, 1e-4, (n, n)), 1, 1)
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
before = held_MB("VmRSS")
crossbar.effective_conductance()
print(held_MB("VmHWM") - before)
"""
"""Linux only: peak of the memory held during one call, beyond what was held before."""


def array(n: int) -> tuple[Crossbar, np.ndarray]:
    """Return the array and an input."""
    rng = np.random.default_rng(0)
    return Crossbar(rng.uniform(1e-6, 1e-4, (n, n)), 1.0, 1.0), rng.uniform(0, 0.3, n)


def seconds(call: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(
    what: str, peer: Callable[[], object], ours: Callable[[], object], repeats: int = REPEATS
) -> dict[str, float]:
    """Time both in turns and print medians and their ratio."""
    ours()
    theirs_s, ours_s = [], []
    for _ in range(repeats):
        theirs_s.append(seconds(peer))
        ours_s += [seconds(ours) for _ in range(OURS_PER_REPEAT)]
    peer_s, our_s = statistics.median(theirs_s), statistics.median(ours_s)
    print(f"{what:64} {peer_s:9.4g} s  {our_s:9.4g} s  ratio {peer_s / our_s:7.1f}", flush=True)
    return {"peer_s": round(peer_s, 5), "ours_s": round(our_s, 6), "ratio": round(peer_s / our_s, 1)}


def ngspice_run(crossbar: Crossbar, v: np.ndarray, ngspice: Ngspice, *, klu: bool) -> Callable[[], object]:
    """Return a call of ngspice for one operating point; writing the deck and reading the result do not count."""
    deck = operating_point_deck(crossbar, v, klu=klu)
    return lambda: run(deck, ngspice, timeout_s=900)


def matrices(figure: dict[str, dict[str, float]]) -> None:
    """The full effective matrix: badcrossbar's at 256, memory and a matrix product beside the larger."""
    crossbar, _ = array(256)
    unit = np.eye(256)
    figure["matrix 256, badcrossbar"] = compare(
        "effective matrix 256×256, badcrossbar",
        lambda: outputs(crossbar.conductance_S, unit, 1.0),
        crossbar.effective_conductance,
    )
    vectors = np.random.default_rng(1).uniform(0, 0.3, (256, 256))
    figure["256 vectors, badcrossbar"] = compare(
        "256 vectors at 256×256, badcrossbar",
        lambda: outputs(crossbar.conductance_S, vectors, 1.0),
        lambda: crossbar.currents(vectors),
    )
    for n in (256, 512, 1024):
        larger, _ = array(n)
        dense = np.random.default_rng(0).random((n, n))
        whole_s = statistics.median(seconds(larger.effective_conductance) for _ in range(REPEATS))
        product_s = statistics.median(seconds(lambda dense=dense: dense @ dense) for _ in range(2 * REPEATS))
        done = subprocess.run([sys.executable, "-c", PEAK, str(n)], capture_output=True, text=True, check=True)
        print(
            f"effective matrix {n}×{n}: {whole_s:.3g} s, {whole_s / product_s:.0f} products of dense {n}×{n} matrices, "
            f"{float(done.stdout):.0f} MB extra",
            flush=True,
        )
        figure[f"matrix {n}"] = {
            "s": round(whole_s, 4), "products": round(whole_s / product_s, 1), "MB": round(float(done.stdout)),
        }  # fmt: skip


def vectors(figure: dict[str, dict[str, float]], ngspice: Ngspice) -> None:
    """One vector: badcrossbar and nested dissection at 256, ngspice at 64 and 128."""
    crossbar, v = array(256)
    figure["vector 256, badcrossbar"] = compare(
        "one vector at 256×256, badcrossbar",
        lambda: outputs(crossbar.conductance_S, v, 1.0),
        lambda: crossbar.solve(v, "cg"),
    )
    figure["vector 256, nested dissection"] = compare(
        "one vector at 256×256, SuperLU in nested-dissection order",
        lambda: crossbar.solve(v, "nodal"),
        lambda: crossbar.solve(v, "cg"),
    )
    for n in (64, 128):
        smaller, v_smaller = array(n)
        for klu in (True, False):
            slow = n == 128 and not klu
            if (klu and not ngspice.has_klu) or (slow and os.environ.get("NVMPHYS_SLOW") != "1"):
                continue
            name = f"ngspice {ngspice.version} {'with' if klu else 'without'} KLU"
            figure[f"vector {n}, {name}"] = compare(
                f"one vector at {n}×{n}, {name}",
                ngspice_run(smaller, v_smaller, ngspice, klu=klu),
                lambda smaller=smaller, v=v_smaller: smaller.solve(v, "cg"),
                repeats=1 if slow else REPEATS,
            )


def non_linear(figure: dict[str, dict[str, float]], ngspice: Ngspice) -> None:
    """Cells of a sinh: ngspice with KLU at 64."""
    crossbar, v = array(64)
    crossbar = replace(crossbar, cell=Sinh(3.0))
    figure["sinh 64, ngspice with KLU"] = compare(
        f"sinh cells at 64×64, αV ≤ 4.5, ngspice {ngspice.version} with KLU",
        ngspice_run(crossbar, 5 * v, ngspice, klu=ngspice.has_klu),
        lambda: crossbar.solve(5 * v, "cg"),
        repeats=3 * REPEATS,
    )


TARGET = {
    "matrix 256, badcrossbar": 50,
    "256 vectors, badcrossbar": 30,
    "vector 256, badcrossbar": 150,
    "vector 256, nested dissection": 20,
    "sinh 64, ngspice with KLU": 100,
}
MEMORY_MB = {"matrix 512": 300, "matrix 1024": 1024}


def main() -> int:
    ngspice = find_ngspice()
    figure: dict[str, dict[str, float]] = {}
    non_linear(figure, ngspice)
    vectors(figure, ngspice)
    matrices(figure)
    met = all(figure[name]["ratio"] >= ratio for name, ratio in TARGET.items())
    met &= all(figure[name]["MB"] <= most for name, most in MEMORY_MB.items())
    return conclude("crossbar solvers: time of the peers over ours, one thread", figure, TARGET | MEMORY_MB, met)


if __name__ == "__main__":
    with threadpool_limits(1):
        sys.exit(main())
