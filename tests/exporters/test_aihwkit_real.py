"""Inside the real aihwkit: the profile's statistics come out of its own calls, and a network keeps its cells."""

from __future__ import annotations

import json
import os

import pytest

from nvmphys.exporters import export
from nvmphys.exporters.conformance import Export, check

INSIDE = """
import sys
import numpy as np
import torch
from aihwkit.nn.conversion import convert_to_analog
from aihwkit.simulator.configs import TorchInferenceRPUConfig
from nvmphys.exporters import tools
from nvmphys.exporters.aihwkit import noise_model
from nvmphys.exporters.cells import ProgrammedCells

FOLDER = {folder!r}
tools.main(sys.argv[-2:])

def layer():
    torch.manual_seed(3)
    config = TorchInferenceRPUConfig()
    config.noise_model = noise_model(FOLDER, read_noise=False)
    config.forward.is_perfect = True
    analog = convert_to_analog(torch.nn.Sequential(torch.nn.Linear(12, 8), torch.nn.Linear(8, 4)), config)
    analog.eval()
    return analog

x = torch.ones(1, 12)
ideal = layer()(x).detach()
analog = layer()
analog.program_analog_weights()
programmed = analog(x).detach()
analog.drift_analog_weights(60.0)
early = analog(x).detach()
analog.drift_analog_weights(3600.0)
late = analog(x).detach()
again = layer()
torch.manual_seed(9)
again.program_analog_weights()
assert not torch.equal(again(x), programmed), "another seed gives the same cells"
analog.drift_analog_weights(60.0)
repeated = layer()
repeated.program_analog_weights()
assert torch.equal(repeated(x), programmed), "the same seed gives other cells"
assert not torch.allclose(programmed, ideal), "programming does nothing"
assert not torch.allclose(early, programmed), "drift does nothing"
assert not torch.allclose(late, early), "time does nothing"
assert torch.equal(analog(x), early), "at the same time the network has other cells"

model = noise_model(FOLDER, read_noise=False)
weights = torch.linspace(-1, 1, 2000, dtype=torch.float64)[None]
programmed, states = model.apply_programming_noise(weights)
later = model.apply_drift_noise(programmed, states, 3600.0)
pairs = [ProgrammedCells.unstacked(model.profile, s.numpy().reshape(len(s), -1)[1:]) for s in states]
scale = float(states[0][0, 0, 0])
up, down = (cells.at(3600.0 + model.profile.first_time_s) / 1e-6 for cells in pairs)
error = np.abs(later.numpy().ravel() - (up - down) / scale).max()
assert error < 1e-9, f"cells drift as their pair's difference: {{error}}"
sampler = model.profile.sampler(7)
asked = torch.full((3, 50), 2e-5, dtype=torch.float64)
times = [model.profile.first_time_s, 3600.0]
drawn = sampler.draw_torch(asked, times, dtype=np.float32, read_noise="marginal")
assert isinstance(drawn, torch.Tensor) and drawn.dtype == torch.float32 and drawn.shape == (2, 3, 50)
plain = sampler.draw(asked.numpy(), times, dtype=np.float32, read_noise="marginal")
assert torch.equal(drawn, torch.tensor(plain)), "tensors hold other cells than arrays"

stuck = pairs[0].stuck
assert 0 < stuck.sum() < 100
assert np.array_equal(pairs[0].at(86400.0)[stuck], pairs[0].programmed_S[stuck]), "stuck cells move"
with open({done!r}, "w") as file:
    file.write("ok")
"""


def test_cells_have_the_profiles_statistics_and_a_network_keeps_its_own(
    aihwkit_python, full, baked, tmp_path, monkeypatch
):
    """One process does both, since it starts slowly: the check's Python makes its draws and then runs the network."""
    folder, done, inside = tmp_path / "export", tmp_path / "done", tmp_path / "inside.py"
    export(full, "aihwkit", folder)
    export(baked, "aihwkit", tmp_path / "baked")
    inside.write_text(INSIDE.format(folder=str(folder), done=str(done)))
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{aihwkit_python}" "{inside}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("NVMPHYS_AIHWKIT_PYTHON", str(python))
    both = [Export(full, "aihwkit", folder), Export(baked, "aihwkit", tmp_path / "baked")]
    rows, hot = ({row.property: row for row in found} for found in check(both, cells=10_000))
    assert (hot["temperature"].source, hot["temperature"].passed) == ("real tool", True)
    assert done.read_text() == "ok", "the network did not hold"
    assert [row for row in rows.values() if row.passed is False] == []
    for name in ("programmed conductance", "conductance over time", "tails", "histories", "read noise",
                 "populations that do not follow the target", "drift exponents",
                 "programming error and change together"):  # fmt: skip
        assert (rows[name].source, rows[name].passed) == ("real tool", True), name


def test_real_devices_pulsed_one_by_one_follow_the_statistics_of_pulses(full, tmp_path):
    """In a Python of their own (NVMPHYS_AIHWKIT_TRAINING_PYTHON): aihwkit 1.1.0's tiles run with torch 2.10."""
    if not os.environ.get("NVMPHYS_AIHWKIT_TRAINING_PYTHON"):
        pytest.skip("NVMPHYS_AIHWKIT_TRAINING_PYTHON is not set: it names a Python in which aihwkit's tiles run")
    export(full, "aihwkit-training", tmp_path)
    rows = {row.property: row for row in check([Export(full, "aihwkit-training", tmp_path)], cells=10_000)[0]}
    assert (rows["pulse updates"].source, rows["pulse updates"].passed) == ("real tool", True)
    content = json.loads((tmp_path / "device.json").read_text())
    content["arguments"]["dw_min"] *= 1.1
    (tmp_path / "device.json").write_text(json.dumps(content))
    rows = {row.property: row for row in check([Export(full, "aihwkit-training", tmp_path)], cells=10_000)[0]}
    assert rows["pulse updates"].passed is False
