"""A device class for CrossSim 3: any time, tails, one history a cell, the same cells whenever a core is built again."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import MissingTool
from nvmphys.exporters.carried import Carried, whole
from nvmphys.exporters.cells import drawn_from_profile, relative_read_noise
from nvmphys.exporters.loss import LossReport, Said, approximated, basis_in_words, carried, dropped, loss_report
from nvmphys.exporters.tools import Draw, Tool
from nvmphys.files import write_text
from nvmphys.profile import VariationProfile, load_profile, save_profile

NAME = "crosssim"
VARIABLE = "NVMPHYS_CROSSSIM"
FILE = "nvmphys_device.py"

DEVICE = '''"""Cells of the variation profile {name} for CrossSim 3. Needs CrossSim and nvmphys side by side.

    params = nvmphys_device.parameters(time_s)
    core = AnalogCore(matrix, params)
"""

from pathlib import Path

from simulator import CrossSimParameters

from nvmphys.exporters.crosssim import device_base

ROW_OHM, COLUMN_OHM = {wire}  # wire between two cells


class {cls}(device_base()):
    """CrossSim finds this class by its name."""

    profile_folder = Path(__file__).parent
    seed = 1  # another seed: other cells


def parameters(time_s=0.0, read_noise={noise}):
    """Return CrossSim's parameters for this device at a time since programming [s]; 0 is as programmed."""
    params = CrossSimParameters()
    device = params.xbar.device
    device.Rmin = {rmin!r}
    device.Rmax = {rmax!r}
    device.infinite_on_off_ratio = {infinite}
    device.time = time_s
    for model, enable in (
        (device.programming_error, True), (device.drift_error, True), (device.read_noise, read_noise)
    ):
        model.enable = enable
        model.model = "{cls}"
    params.xbar.array.parasitics.enable = ROW_OHM > 0 or COLUMN_OHM > 0
    params.xbar.array.parasitics.Rp_row = ROW_OHM
    params.xbar.array.parasitics.Rp_col = COLUMN_OHM
    return params
'''


def _find() -> tuple[str, dict[str, str]] | None:
    """Return this Python with the folder of CrossSim on its path, if there is one."""
    folder = os.environ.get(VARIABLE, "")
    if folder:
        there = (Path(folder) / "simulator" / "devices" / "idevice.py").is_file()
        path = os.pathsep.join(part for part in (folder, os.environ.get("PYTHONPATH", "")) if part)
        return (sys.executable, {"PYTHONPATH": path}) if there else None
    return (sys.executable, {}) if importlib.util.find_spec("simulator") is not None else None


TOOL = Tool("CrossSim", f"set {VARIABLE} to a checkout of github.com/sandialabs/cross-sim", _find)


def class_name(profile: VariationProfile) -> str:
    """Return the name by which CrossSim finds the device.

    >>> import nvmphys as nv
    >>> class_name(nv.build_profile(nv.load_card("rram_milo_2021"), [1e-4], [0.0], rng=1))
    'Nvmphys_rram_milo_2021'
    """
    return "Nvmphys_" + re.sub(r"\W", "_", profile.name, flags=re.ASCII)


def write(profile: VariationProfile, folder: Path) -> LossReport:
    """Write the profile and a Python file with the device class and CrossSim's parameters for it."""
    save_profile(profile, folder / "profile.h5")
    low, high = profile.level_range_S
    wire = float(profile.array.get("resistance_ohm", {}).get("wire", 0.0))
    text = DEVICE.format(
        name=re.sub(r"[^\w .-]", "_", profile.name), cls=class_name(profile), wire=(wire, wire), rmin=1 / high,
        rmax=1 / low if low > 0 else 1e6 / high, infinite=low == 0, noise=profile.read_noise_S is not None,
    )  # fmt: skip
    write_text(folder / FILE, text)
    return loss_report(
        NAME,
        {
            "programmed conductance": carried(
                "drift_error includes it; CrossSim calls programming_error at time 0 only"
            ),
            "conductance over time": carried("device.time is the time since programming"),
            "tails": carried("quantile tables from 1e-5 to 1 - 1e-5; keep clip_conductance off"),
            "histories": carried("cells are those of seed and target matrix, whenever a core is built again"),
            "populations that do not follow the target": carried("drawn at programming; stuck cells stay stuck"),
            "read noise": _read_noise(profile),
            "drift exponents": carried("as the change over time they cause"),
            "temperature": carried("temperature_K of the class; the lowest by default"),
            "what is left open of σ": carried("profile.h5; cells are drawn with the σ of the tables"),
            "programming error and change together": carried("the cell keeps its score at programming"),
            "array effects": approximated(
                None,
                f"CrossSim's own IR drop, {wire:g} ohm between cells; the profile's figures stay in profile.h5",
            ),
            "pulse updates": dropped("CrossSim 3 programs no pulses: export for crosssim2-training"),
            "read non-linearity": dropped("the class has no nonlinear_current"),
            "confidence": carried("replicates in profile.h5; cells are drawn from the tables themselves"),
            "basis, validity and provenance": carried(f"profile.h5; {basis_in_words(profile)}"),
        },
    )


def _read_noise(profile: VariationProfile) -> Said:
    """Say what read noise by where a cell stands, rather than by its level, is worth."""
    if profile.read_noise_S is None:
        return dropped("the profile does not know it apart from relaxation")
    tables, worst = profile.tables, 0.0
    low, high = profile.level_range_S
    middle = (np.arange(512) + 0.5) / 512
    for k in range(*profile.interpolated.indices(tables.time_s.size)):
        mean = np.maximum.accumulate(tables.mean_S[0][:, k])
        for i, level in enumerate(tables.target_S):
            cells = np.interp(middle, tables.probability, tables.quantiles_S[0, i, k])
            stands = np.interp(cells, mean, tables.target_S)
            ours, exact = (
                np.sqrt(np.mean((relative_read_noise(profile, at, float(tables.time_s[k])) * cells) ** 2))
                for at in (stands, np.full(cells.size, level))
            )
            worst = max(worst, float(abs(ours - exact)) / (high - low))
    return approximated(worst, "drawn at each multiplication, by where the cell stands and not by its target")


def read_back(folder: Path) -> Carried:
    """Read the exported profile."""
    return whole(load_profile(Path(folder) / "profile.h5"))


def device_base() -> type:
    """Return the class that a device of an export derives from; needs CrossSim on the path.

    Raises
    ------
    MissingTool
        "the CrossSim device needs CrossSim …": CrossSim cannot be imported.
    """
    try:
        from nvmphys.exporters._crosssim_device import ProfileDevice
    except ImportError as error:
        raise MissingTool(
            f"the CrossSim device needs CrossSim ({error}): put the folder of github.com/sandialabs/cross-sim on "
            "PYTHONPATH"
        ) from None
    return ProfileDevice


def draws(draw: Draw) -> NDArray[np.float64]:
    """Draw cells (time, target, cell) [S] from the exported profile."""
    return drawn_from_profile(load_profile(Path(draw.folder) / "profile.h5"), draw)


def in_tool(draw: Draw) -> NDArray[np.float64]:
    """Draw cells (time, target, cell) [S]: what one offset core a time multiplies 1 by."""
    from simulator import AnalogCore

    exported, device = exported_device(draw.folder)
    low, high = device.profile().level_range_S
    device.restart(draw.seed)
    device.temperature_K = draw.temperature_K
    weights = 2 * (np.repeat(draw.targets_S, draw.n) - low) / (high - low) - 1
    out = []
    for time in draw.times_s:
        params = exported.parameters(crosssim_time(device.profile(), time), read_noise=draw.read_noise)
        params.core.style = "OFFSET"
        params.xbar.array.parasitics.enable = False
        core = AnalogCore(weights[:, None], params=params)
        out.append(low + (core.matvec(np.ones(1)) + 1) / 2 * (high - low))
    return np.stack(out).reshape(len(draw.times_s), len(draw.targets_S), draw.n)


def crosssim_time(profile: VariationProfile, time_s: float) -> float:
    """Return CrossSim's `device.time` [s] of a time since programming; 0 is as programmed."""
    return 0.0 if time_s == profile.first_time_s else float(time_s)


def exported_device(folder: str | Path) -> tuple[Any, Any]:
    """Return the Python file of an export as a module, and the device class in it; needs CrossSim on the path."""
    spec = importlib.util.spec_from_file_location("nvmphys_device", Path(folder) / FILE)
    assert spec is not None
    assert spec.loader is not None
    exported = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(exported)
    return exported, getattr(exported, class_name(load_profile(Path(folder) / "profile.h5")))
