"""Inside the real CrossSim 3, where NVMPHYS_CROSSSIM names its folder: the profile's statistics, and the same cells."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nvmphys.exporters import crosssim, export
from nvmphys.exporters.conformance import Export, check

CORES = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import nvmphys_device
from simulator import AnalogCore

weights = np.random.default_rng(1).uniform(-1, 1, (20, 30))
def core(time):
    params = nvmphys_device.parameters(time, read_noise=False)
    params.core.style = "BALANCED"
    return AnalogCore(weights, params)
def cells(found):
    return found.cores[0][0].core_pos.matrix.copy()

first, later, programmed = core(86400.0), core(3600.0), core(0.0)
assert not np.allclose(cells(first), cells(later)), "time does nothing"
assert np.corrcoef(cells(first).ravel(), cells(later).ravel())[0, 1] > 0.99
found = cells(programmed)
assert not np.allclose(cells(core(86400.0)), cells(first)), "a second core holds the first one's cells"
device = next(cls for name, cls in vars(nvmphys_device).items() if name.startswith("Nvmphys_"))
device.restart()
assert np.array_equal(cells(core(86400.0)), cells(first)), "built again, a core holds other cells"
device.restart(2)
assert not np.allclose(cells(core(86400.0)), cells(first)), "another seed gives the same cells"
still = np.isclose(found, cells(first), rtol=1e-12)
assert 0 < still.sum() < 30, "stuck cells are not there, or all are stuck"
print("ok")
"""


@pytest.fixture(scope="module")
def python():
    found = crosssim.TOOL.python()
    if found is None:
        pytest.skip(f"{crosssim.VARIABLE} is not set: it names the folder of CrossSim 3")
    return found


def test_cells_drawn_by_crosssim_have_the_profiles_statistics(python, full, baked, tmp_path):
    exports = [Export(full, "crosssim", tmp_path / "full"), Export(baked, "crosssim", tmp_path / "baked")]
    for each in exports:
        export(each.profile, "crosssim", each.folder)
    rows, hot = ({row.property: row for row in found} for found in check(exports, cells=10_000))
    assert (hot["temperature"].source, hot["temperature"].passed) == ("real tool", True)
    assert [row for row in rows.values() if row.passed is False] == []
    assert {row.source for row in rows.values() if row.passed is not None} == {"real tool"}


def test_a_core_built_for_another_time_holds_the_same_cells(python, full, tmp_path):
    import os

    export(full, "crosssim", tmp_path)
    _, variables = python
    command = [sys.executable, "-c", CORES, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | variables, check=False)
    assert done.stdout.strip().endswith("ok"), done.stdout + done.stderr
