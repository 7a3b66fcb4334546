"""The same decks in ngspice as a program and as a shared library."""

import ctypes.util
import importlib.util

import numpy as np
import pytest
from numpy.testing import assert_allclose

from nvmphys.crossbar import Crossbar, Sinh, operating_point_deck, run, validate
from nvmphys.crossbar.libngspice import run_shared
from nvmphys.errors import CheckFailed, MissingTool

NEEDS_LIBRARY = pytest.mark.skipif(
    importlib.util.find_spec("PySpice") is None or ctypes.util.find_library("ngspice") is None,
    reason="PySpice or libngspice is not here",
)


@NEEDS_LIBRARY
@pytest.mark.parametrize("cell", [None, Sinh(3.0)], ids=["linear", "sinh"])
def test_the_library_agrees_with_the_program_run_after_run(ngspice, cell):
    rng = np.random.default_rng(1)
    for shape in ((5, 4), (8, 9), (5, 4)):
        kind = {} if cell is None else {"cell": cell}
        crossbar, v = Crossbar(rng.uniform(1e-6, 1e-4, shape), 2, 3, 50, 20, **kind), rng.uniform(0.1, 0.3, shape[0])
        deck = operating_point_deck(crossbar, v, klu=ngspice.has_klu)
        batch, shared = run(deck, ngspice).plot, run_shared(deck).plot
        assert set(batch.variables) == set(shared.variables)
        for name in batch.variables:
            assert_allclose(shared[name], batch[name], rtol=1e-12, atol=1e-18, err_msg=name)
        assert validate(crossbar, v, backend="pyspice").passed


@NEEDS_LIBRARY
def test_a_floating_node_is_found_in_the_library_as_well_and_the_next_deck_runs():
    floating = "floating\nv1 a 0 1\nr1 a 0 1\nc1 b 0 1p\ni1 0 b 1u\n.op\n.end\n"
    with pytest.raises(CheckFailed, match="singular matrix"):
        run_shared(floating)
    assert validate(Crossbar([[1e-4]], 1, 1), [0.2], backend="pyspice").passed


@NEEDS_LIBRARY
def test_a_deck_that_hangs_is_stopped_and_the_next_one_runs():
    endless = "endless\nv1 a 0 sin(0 1 1g)\nr1 a 0 1\n.tran 1p 1 0 1p\n.end\n"
    with pytest.raises(CheckFailed, match=r"ran longer than timeout_s = 0\.5 s"):
        run_shared(endless, timeout_s=0.5)
    assert validate(Crossbar([[1e-4]], 1, 1), [0.2], backend="pyspice").passed


def test_without_the_library_the_message_says_how_to_get_it(monkeypatch):
    if importlib.util.find_spec("PySpice") is None:
        words = "PySpice is needed for the backend pyspice"
    else:
        words = "libngspice is needed for the backend pyspice and was not found"
    monkeypatch.delenv("NGSPICE_LIBRARY_PATH", raising=False)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(MissingTool, match=words):
        validate(Crossbar([[1e-4]], 1, 1), [0.2], backend="pyspice")
