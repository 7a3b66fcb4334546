"""Draw docs/switching.png: three simulated experiments as in the README."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import nvmphys as nv
from nvmphys.report.plots import COLOURS

PATH = Path(__file__).resolve().parent.parent / "docs" / "switching.png"
SPREAD = {"g0": {"sigma": 0.05, "sigma_ref": "of_value"}, "Ea": {"sigma": 0.01, "sigma_ref": "of_value"}}


def main() -> None:
    """Simulate and draw."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    loops, pulses, switching = figure.subplots(1, 3)

    table = nv.simulate("rram_gap", "sweep", n_devices=40, population=SPREAD, rng=1).table
    for _, rows in table.groupby("device_id"):
        loops.semilogy(
            rows["voltage_V"], rows["current_A"].abs().replace(0.0, np.nan), lw=0.6, alpha=0.4, color=COLOURS[0]
        )
    loops.set(xlabel="voltage [V]", ylabel="|current| [A]", title="RRAM gap model, 40 cells, 0.5 mA compliance")

    table = nv.simulate("pcm_accumulative", "pulse_train", n_devices=60, rng=1).table
    for _, rows in table.groupby("device_id"):
        pulses.plot(rows["cycle"], rows["conductance_S"] * 1e6, lw=0.6, alpha=0.4, color=COLOURS[1])
    median = table.groupby("cycle")["conductance_S"].median() * 1e6
    pulses.plot(median.index, median, color="black", lw=1.6, label="median")
    pulses.legend(fontsize=8)
    pulses.set(xlabel="SET pulse", ylabel="conductance [µS]", title="PCM, accumulative SET, 60 cells")

    settings = {"amplitude_V": (0.8, 1.0, 1.2, 1.4, 1.6, 2.0), "width_s": tuple(np.geomspace(1e-8, 1e-3, 21))}
    table = nv.simulate("fe_domains", "pulse", rng=1, settings=settings, n_units=10_000).table
    for k, (volts, rows) in enumerate(table.groupby("pulse_voltage_V")):
        switching.semilogx(
            rows["pulse_width_s"], rows["polarization_C_per_m2"] * 100, ".-", color=COLOURS[k], lw=1, label=f"{volts} V"
        )
    switching.legend(fontsize=7, title="amplitude", title_fontsize=7)
    switching.set(xlabel="pulse width [s]", ylabel="polarization [µC/cm²]", title="Ferroelectric, 10,000 domains")
    for ax in (loops, pulses, switching):
        ax.title.set_fontsize(9)
        ax.grid(alpha=0.25)
    figure.savefig(PATH, dpi=110)


if __name__ == "__main__":
    main()
