"""badcrossbar (D. Joksas and A. Mehonic, SoftwareX 12, 100617 (2020); MIT licence), the peer of the crossbar solvers.

`pip install badcrossbar==1.1.0`, or without its drawing library `pip install --no-deps badcrossbar==1.1.0 sigfig
pathvalidate`: what it draws with is replaced by a blank, for it is asked for numbers only.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from unittest import mock

import numpy as np


def outputs(conductance_S: np.ndarray, v: np.ndarray, r_ohm: float) -> np.ndarray:
    """Return the output currents (bit_line, batch) [A] for inputs (word_line, batch) [V]."""
    badcrossbar = _module()
    with np.errstate(divide="ignore"):
        solution = badcrossbar.compute(v.reshape(len(v), -1), 1 / conductance_S, r_i=r_ohm)
    return np.asarray(solution.currents.output).T


def _module():
    """Import badcrossbar, quietly."""
    if importlib.util.find_spec("badcrossbar") is None:
        sys.exit("badcrossbar is needed here: pip install --no-deps badcrossbar==1.1.0 sigfig pathvalidate")
    if "cairo" not in sys.modules and importlib.util.find_spec("cairo") is None:
        sys.modules["cairo"] = mock.MagicMock()
    import badcrossbar

    logging.disable(logging.INFO)
    return badcrossbar
