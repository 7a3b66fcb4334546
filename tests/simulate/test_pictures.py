"""Pictures of experiments: axes with labels and units, and lines with points on them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from nvmphys.devices import device, devices
from nvmphys.errors import BadInput
from nvmphys.report.simulation import draw_experiment, save_experiment
from nvmphys.simulate import EXPERIMENTS, simulate

SMALL = {"n_pulses": 4, "points": 24}
LABELS = {
    "sweep": [("voltage [V]", "|current| [A]")],
    "pulse": [("pulse width [s]", None)],
    "pulse_train": [("pulse", None)],
    "ispp": [("amplitude [V]", "conductance [µS]")],
    "retention": [("time [s]", "conductance [µS]")],
    "read_noise": [("time [s]", "conductance [µS]"), ("frequency [Hz]", "S(I) / I² [1/Hz]")],
    "write_verify": [
        ("programmed conductance / target [1]", None),
        ("pulses per cell", None),
        ("energy per cell [pJ]", None),
    ],
    "id_vg": [("gate voltage [V]", "|drain current| [A]"), ("pulse width [s]", "memory window [V]")],
    "pund": [("", "voltage [V]"), ("time [µs]", "current [µA]")],
    "pv_loop": [("voltage [V]", "polarization [µC/cm²]")],
}


LEAST_A = 1e-15
"""Drain current below which a transfer curve leaves the picture [A]."""


def measured(name, made, n_devices, **more):
    settings = {key: value for key, value in SMALL.items() if key in EXPERIMENTS[made].model_fields and made != "pund"}
    settings |= more
    return simulate(name, made, n_devices=n_devices, n_units=5 if device(name).units else None, settings=settings)


@pytest.mark.parametrize("n_devices", [1, 5, 70])
@pytest.mark.parametrize(("name", "made"), [(n, m) for n in devices() for m in device(n).experiments])
def test_a_picture_has_labels_with_units_and_lines_with_points(name, made, n_devices):
    seen = measured(name, made, n_devices)
    figure = draw_experiment(seen)
    assert figure.get_suptitle() == f"{name}: {made}, {n_devices} device{'s' if n_devices > 1 else ''}"
    assert len(figure.axes) == len(LABELS[made])
    for ax, (x, y) in zip(figure.axes, LABELS[made], strict=True):
        assert ax.get_xlabel() == x
        assert ax.get_ylabel() == (y or ax.get_ylabel())
        assert re.search(r"\[.+\]$", ax.get_ylabel())
        drawn = [line for line in ax.lines if len(line.get_xdata()) > 2]
        assert drawn
        low, high = ax.get_ylim()
        for line in drawn:
            finite = np.isfinite(np.asarray(line.get_ydata(), dtype=float))
            assert finite.sum() >= 0.9 * finite.size - 3  # a current of 0 has no logarithm
            values = (
                np.maximum(line.get_ydata(), LEAST_A) if made == "id_vg" and ax is figure.axes[0] else line.get_ydata()
            )
            assert low <= np.nanmin(values) <= np.nanmax(values) <= high
        assert len(ax.lines) <= 62


def test_what_is_drawn_is_what_was_measured():
    seen = measured("fe_preisach", "pv_loop", 1)
    line = draw_experiment(seen).axes[0].lines[0]
    assert np.array_equal(line.get_xdata(), seen.table["voltage_V"])
    assert np.allclose(line.get_ydata(), 100 * seen.table["polarization_C_per_m2"])  # µC/cm²
    seen = measured("rram_gap", "ispp", 3)
    ax = draw_experiment(seen).axes[0]
    first = seen.table[seen.table["device_id"] == 1]
    assert np.allclose(ax.lines[0].get_ydata(), 1e6 * first["conductance_S"])
    assert [line.get_label() for line in ax.lines][-1] == "target"
    assert ax.lines[-1].get_ydata()[0] == pytest.approx(100.0)


def test_steps_of_temperature_get_axes_of_their_own():
    seen = measured("pcm_accumulative", "retention", 1, temperature_K=(300.0, 350.0), duration_s=(10.0, 10.0))
    top, bottom = draw_experiment(seen).axes
    assert top.get_ylabel() == "conductance [µS]"
    assert (bottom.get_xlabel(), bottom.get_ylabel()) == ("time [s]", "temperature [K]")
    assert set(bottom.lines[0].get_ydata()) == {300.0, 350.0}
    assert draw_experiment(measured("pcm_accumulative", "retention", 1)).axes[0].get_xscale() == "log"


def test_an_experiment_without_a_picture_is_refused(tmp_path):
    seen = replace(measured("fe_preisach", "pv_loop", 1), experiment="bake")
    with pytest.raises(BadInput, match="no picture of bake: there is one of sweep, pulse"):
        save_experiment(seen, tmp_path / "none.png")
    assert list(tmp_path.iterdir()) == []
