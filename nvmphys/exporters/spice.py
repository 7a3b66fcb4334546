"""A SPICE library of cells with statistical parameters: a subcircuit for each target, a section for each time.

    .lib "cells.lib" time_1
    .param nvmphys_mc = 1          ; 0: every cell at its mean
    X1 bit_line word_line pcm_90nm_31

ngspice draws `agauss` anew for every instance; `.option seed=…` repeats the draws.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvmphys.crossbar import find_ngspice
from nvmphys.crossbar import ngspice as spice
from nvmphys.errors import BadInput, MissingTool
from nvmphys.exporters.carried import Carried
from nvmphys.exporters.index import load_index, save_index
from nvmphys.exporters.loss import LossReport, basis_in_words, loss_report
from nvmphys.exporters.normal_levels import NormalLevels, said_of
from nvmphys.exporters.tools import Draw, Tool
from nvmphys.files import write_text
from nvmphys.profile import VariationProfile

NAME = "spice"
LIBRARY = "cells.lib"
INDEX = "cells.json"
MOST_CELLS = 2000
"""Cells of one target that a check asks ngspice for: each is an instance of a deck."""
_LEAST_S = 1e-15

Array = NDArray[np.float64]

HEAD = """* {name}: cells of a variation profile ({basis})
* .lib "{library}" time_<k>, then X1 a b {prefix}_<target>; conductance normal about its mean, at least {least:g} S
* .param nvmphys_mc = 0 puts every cell at its mean, 1 draws it; .option seed=<n> repeats the draws (ngspice)
"""

CELL = """.subckt {name} a b
* target {target:.6g} S
.param g = {{max({mean!r} + nvmphys_mc*{sigma!r}*agauss(0, 1, 1), {least!r})}}
r1 a b {{1/g}}
.ends {name}
"""


def _find() -> tuple[str, dict[str, str]] | None:
    """Return this Python, if there is an ngspice for it to run."""
    try:
        find_ngspice()
    except MissingTool:
        return None
    return sys.executable, {}


TOOL = Tool("ngspice", "install ngspice, or set NVMPHYS_NGSPICE to it", _find)


def write(profile: VariationProfile, folder: Path) -> LossReport:
    """Write `cells.lib` and `cells.json`, which says what each section and subcircuit is."""
    tables = profile.tables
    levels = NormalLevels(tables.target_S, tables.time_s, tables.mean_S[0], tables.sigma_S[0])
    prefix = re.sub(r"\W", "_", profile.name, flags=re.ASCII).lower()
    basis = re.sub(r"\s+", " ", basis_in_words(profile))
    text = HEAD.format(name=prefix, basis=basis, library=LIBRARY, prefix=prefix, least=_LEAST_S)
    for k, time in enumerate(levels.time_s):
        cells = "".join(
            CELL.format(
                name=f"{prefix}_{i}", target=target, mean=float(levels.mean_S[i, k]), sigma=float(levels.sigma_S[i, k]),
                least=_LEAST_S,
            )
            for i, target in enumerate(levels.target_S)
        )  # fmt: skip
        text += f"\n.lib time_{k}\n* {time:.10g} s after programming\n{cells}.endl time_{k}\n"
    write_text(folder / LIBRARY, text)
    content = {
        "profile": profile.name, "prefix": prefix, "times_s": levels.time_s.tolist(),
        "targets_S": levels.target_S.tolist(), "basis": basis, "validity": dict(profile.validity),
    }  # fmt: skip
    save_index(folder / INDEX, content)
    return loss_report(NAME, said_of(profile, levels, above_zero=True))


def read_back(folder: Path) -> Carried:
    """Read mean and σ of each subcircuit and section."""
    return _levels(Path(folder)).carried


def draws(draw: Draw) -> Array:
    """Draw cells (time, target, cell) [S] as the library says."""
    return np.maximum(_levels(Path(draw.folder)).draw(draw), _LEAST_S)


def in_tool(draw: Draw) -> Array:
    """Draw cells (time, target, cell) [S]: currents of as many instances in ngspice at 1 V, a deck a time."""
    return np.stack([_read(draw, time, drawn=True, seed=draw.seed + k) for k, time in enumerate(draw.times_s)])


def means_in_ngspice(folder: str | Path, targets_S: Array, time_s: float) -> Array:
    """Return what one cell of each target [S] conducts in ngspice with `nvmphys_mc = 0` [S]."""
    draw = Draw(NAME, str(folder), tuple(targets_S.tolist()), (time_s,), 1, 1)
    return _read(draw, time_s, drawn=False, seed=1)[:, 0]


def _read(draw: Draw, time_s: float, *, drawn: bool, seed: int) -> Array:
    """Return conductances (target, cell) [S] of instances at 1 V."""
    content = _index(Path(draw.folder))
    k = int(np.argmin(np.abs(np.array(content["times_s"]) - time_s)))
    known = np.array(content["targets_S"])
    which = np.repeat([int(np.argmin(np.abs(known - target))) for target in draw.targets_S], draw.n)
    path = str((Path(draw.folder) / LIBRARY).resolve())
    if re.search(r'["\r\n]', path) or re.search(r"\W", content["prefix"]):
        raise BadInput(f"{path}: a deck cannot name it: use a folder without quotes or line breaks")
    cells = "".join(f"v{c} n{c} 0 dc 1\nx{c} n{c} 0 {content['prefix']}_{i}\n" for c, i in enumerate(which))
    deck = (
        f"cells of an export\n.option seed={seed}\n.param nvmphys_mc = {int(drawn)}\n"
        f'.lib "{path}" time_{k}\n{cells}.op\n.end\n'
    )
    plot = spice.run(deck).plot
    return np.array([-plot[f"i(v{c})"][0] for c in range(which.size)]).reshape(len(draw.targets_S), draw.n)


def _index(folder: Path) -> dict[str, Any]:
    return load_index(folder / INDEX, f"{folder}: not a SPICE export")


def _levels(folder: Path) -> NormalLevels:
    """Read mean and σ from the library itself."""
    content = _index(folder)
    try:
        text = (folder / LIBRARY).read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{folder}: not a SPICE export ({error})") from None
    number = r"([-+.\deE]+)"
    found = re.findall(rf"max\({number} \+ nvmphys_mc\*{number}\*agauss", text)
    target, time = np.array(content["targets_S"]), np.array(content["times_s"])
    if len(found) != target.size * time.size:
        raise BadInput(f"{folder / LIBRARY}: must hold {target.size * time.size} cells (got {len(found)})")
    mean, sigma = np.array(found, dtype=float).reshape(time.size, target.size, 2).T
    return NormalLevels(target, time, mean, sigma)
