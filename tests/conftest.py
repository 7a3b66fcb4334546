"""What tests need from outside: measured data, ngspice, aihwkit. Absent, a test is skipped with the reason.

With NVMPHYS_REQUIRE_DATA, NVMPHYS_REQUIRE_NGSPICE or NVMPHYS_REQUIRE_AIHWKIT set to 1 it fails instead.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import hypothesis
import matplotlib
import pytest

from nvmphys.errors import MissingTool

if TYPE_CHECKING:
    from nvmphys.crossbar import Ngspice

matplotlib.use("Agg")

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


def absent(what: str, reason: str) -> NoReturn:
    """Skip the test, or fail where the environment says that `what` must be there."""
    if os.environ.get(f"NVMPHYS_REQUIRE_{what}") == "1":
        pytest.fail(f"{reason} (and NVMPHYS_REQUIRE_{what}=1)")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def measured_data() -> Path:
    """Return the folder of measured data that NVMPHYS_DATA names."""
    folder = os.environ.get("NVMPHYS_DATA", "")
    if not folder:
        absent("DATA", "NVMPHYS_DATA is not set: it names the folder of measured data")
    if not Path(folder).is_dir():
        absent("DATA", f"NVMPHYS_DATA={folder} is not a folder")
    return Path(folder)


@pytest.fixture(scope="session")
def ngspice() -> Ngspice:
    """Return the ngspice that nvmphys finds: its path, version and abilities."""
    from nvmphys.crossbar import find_ngspice

    try:
        return find_ngspice()
    except MissingTool as error:
        absent("NGSPICE", str(error))


@pytest.fixture(scope="session")
def aihwkit_python() -> Path:
    """Return a Python that has aihwkit and nvmphys, from NVMPHYS_AIHWKIT_PYTHON."""
    python = os.environ.get("NVMPHYS_AIHWKIT_PYTHON", "")
    if not python:
        absent("AIHWKIT", "NVMPHYS_AIHWKIT_PYTHON is not set: it names a Python that has aihwkit")
    if not os.access(python, os.X_OK):
        absent("AIHWKIT", f"NVMPHYS_AIHWKIT_PYTHON={python} is not a program")
    return Path(python)
