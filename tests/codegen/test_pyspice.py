"""The subcircuit for PySpice is the subcircuit of ngspice."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nvmphys.codegen import generate, suffix
from nvmphys.codegen.pyspice import subcircuit
from nvmphys.crossbar.ngspice import run
from nvmphys.devices import device
from nvmphys.errors import BadInput, MissingTool

TAIL = """V1 a 0 PWL(0 0 1e-3 2 2e-3 0 3e-3 -2.2 4e-3 0)
.options reltol=1e-5 abstol=1e-15 vntol=1e-9 chgtol=1e-22 trtol=1 method=gear temp=27
.save v(a) i(v1)
.tran 2e-6 4e-3 0 2e-6 uic
.end
"""
PROGRAM = """
from PySpice.Spice.Netlist import Circuit
{make}
circuit = Circuit("through PySpice")
circuit.subcircuit(made)
circuit.X("1", made.name, "a", circuit.gnd, Ea=0.65)
print(circuit)
"""
HERE = """
from nvmphys.codegen.pyspice import subcircuit
from nvmphys.devices import device
made = subcircuit(device("rram_gap"), {"Rs": 1500.0}, start={"g": 0.9}, provenance=["a line\\n.control"])
"""
MODULE = """
import rram_gap_pyspice
made = rram_gap_pyspice.subcircuit(Rs=1500.0, g_0=0.9)
"""


@pytest.fixture
def pyspice():
    """Skip without PySpice."""
    if importlib.util.find_spec("PySpice") is None:
        pytest.skip("PySpice is not installed: pip install 'nvmphys[pyspice]'")


def netlist(make: str, folder: Path) -> str:
    """Return the netlist of a circuit with PySpice, whose import warns, in a process of its own."""
    program = PROGRAM.replace("{make}", make)
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("make", [HERE, MODULE], ids=["object", "module"])
def test_a_netlist_through_pyspice_runs_like_our_own(make, pyspice, tmp_path, ngspice):
    (tmp_path / f"rram_gap{suffix('pyspice')}").write_text(generate(device("rram_gap"), "pyspice"), encoding="utf-8")
    theirs = run(netlist(make, tmp_path) + TAIL).plot
    own = generate(device("rram_gap"), "ngspice", {"Rs": 1500.0}, start={"g": 0.9})
    ours = run(f"* own\n{own}X1 a 0 rram_gap Ea=0.65\n{TAIL}").plot
    assert ours["i(v1)"].shape == theirs["i(v1)"].shape
    assert np.abs(ours["i(v1)"]).max() > 1e-4
    for name in ("time", "v(a)", "i(v1)"):
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-12, atol=1e-20)


def test_a_parameter_the_module_does_not_know_is_refused(pyspice, tmp_path):
    (tmp_path / "rram_gap_pyspice.py").write_text(generate(device("rram_gap"), "pyspice"), encoding="utf-8")
    program = "import rram_gap_pyspice as m; m.subcircuit(Eb=1)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "unknown parameter Eb" in done.stderr


def test_values_are_checked_before_anything_else_is_made(pyspice):
    program = (
        "from nvmphys.codegen.pyspice import subcircuit\nfrom nvmphys.devices import device\n"
        "subcircuit(device('rram_gap'), {'Ea': 9.0})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert f"{BadInput.__name__}: rram_gap: Ea must lie within" in done.stderr


def test_without_pyspice_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "PySpice", None)
    monkeypatch.setitem(sys.modules, "PySpice.Spice.Netlist", None)
    with pytest.raises(MissingTool, match=r"pip install 'nvmphys\[pyspice\]'"):
        subcircuit(device("rram_gap"))
