"""What the claims share: the printed JSON line, and the cells of the relaxation set."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import nvmphys as nv
from nvmphys.fit.cells import Cells, collect, split_over_set
from nvmphys.fit.relaxation import Options
from nvmphys.fit.result import versions

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = Options(n_levels=32, g_max_S=40e-6)
BEGIN = time.perf_counter()


def relaxation_cells() -> Cells:
    """Read the raw relaxation set from $NVMPHYS_DATA: cells of bins 0-31."""
    if "NVMPHYS_DATA" not in os.environ:
        sys.exit("set NVMPHYS_DATA to the folder that holds rram_1t1r_relaxation_c/relaxdata.tsv.gz")
    name = "rram_1t1r_relaxation_c"
    raw = Path(os.environ["NVMPHYS_DATA"]) / name / "relaxdata.tsv.gz"
    measurements = nv.read(raw, ROOT / "characterization_data" / name / "columns.toml")
    return split_over_set(collect(measurements, n_levels=OPTIONS.n_levels, g_max_S=OPTIONS.g_max_S))[0]


def conclude(claim: str, figure: Any, target: Any, met: bool) -> int:
    """Print the claim's JSON line and return the exit code."""
    seconds = round(time.perf_counter() - BEGIN, 1)
    record = {
        "claim": claim,
        "figure": figure,
        "target": target,
        "met": met,
        "versions": versions(),
        "seconds": seconds,
    }
    print(json.dumps(record))
    return 0 if met else 1
