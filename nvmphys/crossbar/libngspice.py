"""The same decks through ngspice as a shared library, by PySpice: no start of a program, no files.

PySpice is GPL, an extra that is imported only here and only when asked for: `pip install 'nvmphys[pyspice]'`. The
library must be there as well (`libngspice0` of Debian); `$NGSPICE_LIBRARY_PATH` names another.
"""

from __future__ import annotations

import ctypes.util
import os
import time
from typing import Any

import numpy as np

from nvmphys.crossbar.ngspice import Ngspice, Plot, Run, check_log
from nvmphys.errors import CheckFailed, MissingTool

VARIABLE = "NGSPICE_LIBRARY_PATH"
_FIRST_WITH_KLU = 42


def find_libngspice() -> Ngspice:
    """Return what the shared library is.

    Raises
    ------
    MissingTool
        "PySpice is needed …" or "libngspice is needed …".
    """
    shared, path = _shared()
    version = int(shared.ngspice_version)
    return Ngspice(path, str(version), version >= _FIRST_WITH_KLU, has_osdi=False)


def run_shared(deck: str) -> Run:
    """Run one deck with one analysis in the shared library, and forget it there.

    The library cannot be stopped from outside: a deck that may hang is one for `nvmphys.crossbar.ngspice.run`.

    Raises
    ------
    MissingTool
        "PySpice is needed …" or "libngspice is needed …".
    CheckFailed
        As of `nvmphys.crossbar.ngspice.run`, with the lines of the library's output.
    """
    shared, _ = _shared()
    begin = time.perf_counter()
    try:
        try:
            shared.load_circuit(deck)
            shared.run()
        except NameError as error:  # the base of PySpice's own error
            check_log(f"{shared.stdout}\n{shared.stderr}")
            raise CheckFailed(f"ngspice refused the deck: {error}\n{shared.stderr}") from None
        log = f"{shared.stdout}\n{shared.stderr}"
        check_log(log)
        plot = _plot(shared)
        shared.destroy()
    finally:
        shared.remove_circuit()
    return Run(plot, log, time.perf_counter() - begin)


def _shared() -> tuple[Any, str]:
    """Return the library's one instance, and its path."""
    try:
        from PySpice.Spice.NgSpice.Shared import NgSpiceShared
    except ImportError as error:
        raise MissingTool(
            f"PySpice is needed for the backend pyspice and cannot be imported ({error}): "
            "pip install 'nvmphys[pyspice]'"
        ) from None
    path = os.environ.get(VARIABLE) or ctypes.util.find_library("ngspice")
    if path is None:
        raise MissingTool(
            f"libngspice is needed for the backend pyspice and was not found (looked at ${VARIABLE} and where "
            "libraries are): Debian/Ubuntu `apt-get install libngspice0`; macOS `brew install libngspice`; or take "
            "backend='ngspice'"
        )
    NgSpiceShared.LIBRARY_PATH = path
    try:
        return NgSpiceShared.new_instance(), path
    except OSError as error:
        raise MissingTool(f"libngspice is needed for the backend pyspice and does not load: {error}") from None


def _plot(shared: Any) -> Plot:
    """Return the last plot under the names of a raw file: `v(node)` and `i(source)`."""
    made = shared.plot(None, shared.last_plot)
    columns = {_raw_name(name): np.array(vector._data, dtype=float) for name, vector in made.items()}  # without units
    values = np.stack(list(columns.values()), axis=1)
    if not np.isfinite(values).all():
        raise CheckFailed("ngspice gave values that are not finite")
    return Plot(str(made.plot_name), tuple(columns), values)


def _raw_name(name: str) -> str:
    """Return the name that a raw file has for a vector of the library.

    >>> _raw_name("vout_0#branch"), _raw_name("in_0"), _raw_name("time")
    ('i(vout_0)', 'v(in_0)', 'time')
    """
    source, branch, _ = name.lower().partition("#branch")
    return f"i({source})" if branch else source if source == "time" else f"v({source})"
