"""Inside the real aihwkit: the profile's statistics come out of its own calls, and a network keeps its cells."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

NETWORK = """
import sys
import torch
from aihwkit.nn.conversion import convert_to_analog
from aihwkit.simulator.configs import TorchInferenceRPUConfig
from nvmphys.exporters.aihwkit import noise_model

def layer():
    torch.manual_seed(3)
    config = TorchInferenceRPUConfig()
    config.noise_model = noise_model(sys.argv[1])
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
print("ok")
"""


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([python, *arguments], capture_output=True, text=True, env=environment, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_cells_drawn_by_aihwkit_have_the_profiles_statistics(aihwkit_python):
    done = run(aihwkit_python, "benchmarks/aihwkit_conformance.py")
    claim = json.loads(done.stdout.splitlines()[-1])
    assert claim["met"], done.stdout


def test_a_network_is_programmed_drifts_and_comes_back_to_the_same_cells(aihwkit_python, tmp_path):
    import numpy as np

    import nvmphys as nv
    from nvmphys.exporters import export

    card = nv.load_card("rram_1t1r_relaxation")
    targets = np.linspace(*nv.law_of(card).level_range_S, 16)
    export(nv.build_profile(card, targets, [1.0, 60.0, 3600.0], rng=1), "aihwkit", tmp_path)
    assert "ok" in run(aihwkit_python, "-c", NETWORK, str(tmp_path)).stdout
