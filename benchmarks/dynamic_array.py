"""Claim: a 16×16 array of dynamic RRAM cells gives the same states as B-sources and as compiled Verilog-A in ngspice.

Gap model, gaps of 0.9 to 1.7 nm, segments of 2 Ω, one cell written at 1.8 V for 300 ns with edges of 10 ns, V/2 on the
other lines (`nvmphys crossbar write`). States of all 256 cells at the end, both forms; without wires those of cells
alone under their share of the voltage, by the package's own integrator; wall time of both forms, ngspice's start
included, the median of three runs where it is short. Needs ngspice with OSDI and the Verilog-A compiler. 3 min.
"""

from __future__ import annotations

import statistics
import sys

import numpy as np
from _claims import conclude

import nvmphys as nv
from nvmphys.crossbar.device_cells import DeviceCells
from nvmphys.crossbar.writing import WritePulse, write
from nvmphys.simulate.devices import Devices
from nvmphys.simulate.transient import transient
from nvmphys.simulate.waveform import joined

SIZE, SEGMENT_OHM, CELL = 16, 2.0, (0, 4)
PULSE = WritePulse(1.8, 300e-9, edge_s=10e-9, rest_s=50e-9)
TOLERANCE = {"forms_differ_nm": 1e-4, "from_alone_nm": 1e-4}
SHARE = {"selected": 1.0, "same row": 0.5, "same column": 0.5, "unselected": 0.0}


def alone(cells: DeviceCells, kind: np.ndarray) -> np.ndarray:
    """Return the gaps of cells that each are alone at their share of the voltage."""
    gaps, found = np.asarray(cells.states["g"]), np.empty(kind.shape)
    for name, share in SHARE.items():
        here = kind == name
        values = {key: np.full(here.sum(), value) for key, value in cells.model.values().items()}
        done = transient(
            cells.model, joined(PULSE.pieces(share), cells.temperature_K), Devices(values, {}),
            start=gaps[here][:, np.newaxis, np.newaxis],
        )  # fmt: skip
        found[here] = done.states[-1, :, 0, 0]
    return found


def main() -> int:
    gaps = np.random.default_rng(1).uniform(0.9, 1.7, (SIZE, SIZE))
    cells = DeviceCells(nv.device("rram_gap"), {"g": gaps})

    def written(ohm: float, form: str):
        return write(nv.Crossbar(cells.conductance_S, ohm, ohm, cell=cells), [CELL], PULSE, form=form)

    runs = {form: [written(SEGMENT_OHM, form) for _ in range(n)] for form, n in (("subcircuit", 1), ("osdi", 3))}
    seconds = {form: statistics.median(done.seconds for done in found) for form, found in runs.items()}
    b_source, compiled = (found[0] for found in runs.values())
    differ = float(np.abs(b_source.states_after["g"] - compiled.states_after["g"]).max())
    ideal = written(0.0, "osdi")
    from_alone = float(np.abs(ideal.states_after["g"] - alone(cells, ideal.kind)).max())
    print(f"B-source {seconds['subcircuit']:.2f} s, OSDI {seconds['osdi']:.2f} s (ngspice {compiled.ngspice.version})")
    for kind, found in compiled.by_kind().items():
        moved = np.abs(compiled.states_after["g"] - gaps)[compiled.kind == kind].max()
        print(
            f"{kind}: gaps move up to {moved:.1e} nm, conductance by up to {found['largest_magnitude']:.1e} of itself"
        )
    print(f"the two forms differ by at most {differ:.1e} nm; from cells alone, without wires, {from_alone:.1e} nm")
    figure = {
        "forms_differ_nm": differ, "from_alone_nm": from_alone, "b_source_s": round(seconds["subcircuit"], 3),
        "osdi_s": round(seconds["osdi"], 3),
    }  # fmt: skip
    return conclude(
        "16×16 array of dynamic gap cells, 300 ns write pulse: B-source and OSDI in ngspice and cells alone agree",
        figure, TOLERANCE, all(figure[name] <= most for name, most in TOLERANCE.items()),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
