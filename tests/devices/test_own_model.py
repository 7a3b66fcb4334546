"""The README's own model in one file: every command knows it, and the contract holds it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r'^```python\n(.*?^NAME = "ion_drift"\n.*?)^```$', re.DOTALL | re.MULTILINE)


@pytest.fixture
def environment(tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    before, _, after = readme.partition("### Add your own model in one file")
    assert before
    (tmp_path / "ion_drift.py").write_text(BLOCK.search(after)[1], encoding="utf-8")
    return os.environ | {"NVMPHYS_DEVICES": str(tmp_path), "MPLBACKEND": "Agg"}


def run(environment, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_every_command_knows_it(environment, tmp_path):
    main = ("-c", "from nvmphys.cli import main; main()")
    assert "ion_drift" in run(environment, *main, "list", "models")
    out = tmp_path / "loop.csv"
    run(environment, *main, "simulate", "ion_drift", "--experiment", "sweep", "-o", str(out))
    assert "sweep" in run(environment, *main, "inspect", str(out))
    assert ".subckt ion_drift" in run(environment, *main, "codegen", "ion_drift", "--to", "ngspice")


def test_the_contract_holds_it(environment, ngspice):
    said = run(
        environment, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/devices/test_contract.py", "-k", "ion_drift"
    )
    assert "passed" in said
    assert "failed" not in said
