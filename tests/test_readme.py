"""Every Python block of the README runs as it stands, on its own, away from the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


def blocks() -> list:
    """Return the Python blocks, each named by the line it starts at."""
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    found = re.finditer(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [pytest.param(match[1], id=f"line-{text.count(chr(10), 0, match.start()) + 1}") for match in found]


def test_readme_has_a_python_block():
    assert blocks()


@pytest.mark.parametrize("block", blocks())
def test_python_block_runs(block, tmp_path):
    (tmp_path / "block.py").write_text(block, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "block.py"],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
