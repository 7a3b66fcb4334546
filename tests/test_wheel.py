"""The wheel alone, without the checkout, carries the program and its data."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command away from the checkout and return its output; fail with what it said."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """Install the wheel into an environment of its own; the packages it needs are read from the one that runs this."""
    folder = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, REPOSITORY)
    run(*build, cwd=folder)
    (wheel,) = folder.glob("nvmphys-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env", cwd=folder)
    python = folder / "env" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel, cwd=folder)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    needed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "needed.pth").write_text("\n".join(sorted(needed)), encoding="utf-8")
    return folder


def test_data_comes_from_the_installed_wheel(elsewhere):
    program = "import nvmphys.files as f; print(f.__file__, f.shipped('models'), f.shipped('characterization_data'))"
    paths = run(elsewhere / "env" / "bin" / "python", "-c", program, cwd=elsewhere).split()
    assert all(Path(path).is_relative_to(elsewhere / "env") for path in paths), paths
    for path in map(Path, paths[1:]):
        assert names(path) == names(REPOSITORY / path.name)


def names(folder: Path) -> set[str]:
    """Return the files below a folder, without what Python left there."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__")
    return {str(path.relative_to(folder)) for path in files}


def test_typing_marker_and_templates_are_packed(elsewhere):
    (package,) = (elsewhere / "env").glob("lib/python*/site-packages/nvmphys")
    packed = {path for path in names(package) if not path.startswith("_shipped")}
    assert packed == names(REPOSITORY / "nvmphys")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("cards", {"rram_1t1r_relaxation", "pcm_90nm"}),
        ("sources", {"rram_1t1r_relaxation_c", "pcm_90nm"}),
    ],
)
def test_installed_program_lists_what_is_shipped(elsewhere, kind, expected):
    listed = run(elsewhere / "env" / "bin" / "nvmphys", "list", kind, cwd=elsewhere)
    assert expected <= set(listed.split())
