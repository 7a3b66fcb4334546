"""The same decks through ngspice as a shared library, by PySpice: no start of a program for each.

PySpice is GPL, an extra (`pip install 'nvmphys[pyspice]'`), and runs in a process of its own that alone imports it:
`_pyspice_child.py`. One such process is kept for all decks, so that its start, about a second, is paid once; it is
stopped, and another started, where a deck runs too long or the library falls over. The library must be there as well
(`libngspice0` of Debian); `$NGSPICE_LIBRARY_PATH` names another.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes.util
import importlib.util
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from nvmphys.crossbar.ngspice import Ngspice, Plot, Run, check_log
from nvmphys.errors import CheckFailed, MissingTool

VARIABLE = "NGSPICE_LIBRARY_PATH"
START_TIMEOUT_S = 120.0
_SCRIPT = Path(__file__).with_name("_pyspice_child.py")
_FIRST_WITH_KLU = 42
_SHOWN = 2000


class _Child:
    """The process that has the library, and what it answers."""

    def __init__(self, library: str) -> None:
        self.library, self.owner = library, os.getpid()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        environment = os.environ | {"LC_ALL": "C"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_SCRIPT), library], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, text=True, encoding="utf-8", env=environment,
        )  # fmt: skip
        self._answers: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self.version = int(self._answer(START_TIMEOUT_S)["version"])
        except CheckFailed as error:
            self.stop()
            raise MissingTool(f"libngspice is needed for the backend pyspice and does not load: {error}") from None

    def _listen(self) -> None:
        """Pass answers on; an empty one tells that there are no more."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def ask(self, deck: Path, timeout_s: float) -> dict[str, Any]:
        """Return the answer to a deck."""
        assert self._process.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # the answer will tell
                self._process.stdin.write(f"{deck}\n")
                self._process.stdin.flush()
            return self._answer(timeout_s)
        except BaseException:  # interrupted too: an answer that comes late would be taken for the next one
            self.stop()
            raise

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            raise CheckFailed(
                f"ngspice as a library ran longer than timeout_s = {timeout_s:g} s and was stopped: give it more time "
                "or a smaller circuit"
            ) from None
        if not line:
            code = self._process.wait()
            self._errors.seek(0)
            said = self._errors.read()[-_SHOWN:].decode("utf-8", "replace").strip()
            raise CheckFailed(f"ngspice as a library ended with exit code {code}: {said or 'it said nothing'}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    @property
    def alive(self) -> bool:
        """Whether it can be asked, by this process and not by a fork of it."""
        return self.owner == os.getpid() and self._process.poll() is None and not self._errors.closed

    def stop(self) -> None:
        """End it."""
        if self.owner != os.getpid():
            return
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]


_kept: list[_Child] = []
_lock = threading.Lock()


def find_libngspice() -> Ngspice:
    """Return what the shared library is.

    Raises
    ------
    MissingTool
        "PySpice is needed …" or "libngspice is needed …".
    """
    with _lock:
        child = _child()
    return Ngspice(child.library, str(child.version), child.version >= _FIRST_WITH_KLU, has_osdi=False)


def run_shared(deck: str, *, timeout_s: float = 600.0) -> Run:
    """Run one deck with one analysis in the shared library, and forget it there.

    Parameters
    ----------
    deck : str
        As of `nvmphys.crossbar.ngspice.run`.
    timeout_s : float, optional
        Wall time after which the library's process is stopped [s].

    Raises
    ------
    MissingTool
        "PySpice is needed …" or "libngspice is needed …".
    CheckFailed
        As of `nvmphys.crossbar.ngspice.run`, with the lines of the library's output; or "ngspice as a library ran
        longer than …" and "… ended with exit code …".
    """
    with _lock, tempfile.TemporaryDirectory(prefix="nvmphys_") as folder:
        child = _child()
        path = Path(folder) / "deck.cir"
        path.write_text(deck.rstrip("\n") + "\n", encoding="utf-8")
        begin = time.perf_counter()
        answer = child.ask(path, timeout_s)
        seconds = time.perf_counter() - begin
        log = str(answer["log"])
        check_log(log)
        if "failed" in answer:
            raise CheckFailed(f"ngspice refused the deck: {answer['failed']}\n{log[-_SHOWN:]}")
        with np.load(path.with_suffix(".npz")) as made:
            names, values = tuple(_raw_name(str(name)) for name in made["names"]), made["values"]
    if not np.isfinite(values).all():
        raise CheckFailed("ngspice gave values that are not finite")
    return Run(Plot(str(answer["plot"]), names, values), log, seconds)


def _child() -> _Child:
    """Return the process that is kept, or a new one."""
    if importlib.util.find_spec("PySpice") is None:
        raise MissingTool("PySpice is needed for the backend pyspice and is not here: pip install 'nvmphys[pyspice]'")
    path = os.environ.get(VARIABLE) or ctypes.util.find_library("ngspice")
    if path is None:
        raise MissingTool(
            f"libngspice is needed for the backend pyspice and was not found (looked at ${VARIABLE} and where "
            "libraries are): Debian/Ubuntu `apt-get install libngspice0`; macOS `brew install libngspice`; or take "
            "backend='ngspice'"
        )
    if not _kept or not _kept[0].alive or _kept[0].library != path:
        _end()
        _kept.append(_Child(path))
    return _kept[0]


@atexit.register
def _end() -> None:
    """Stop the process that is kept."""
    while _kept:
        _kept.pop().stop()


def _raw_name(name: str) -> str:
    """Return the name that a raw file has for a vector of the library.

    >>> _raw_name("vout_0#branch"), _raw_name("in_0"), _raw_name("time")
    ('i(vout_0)', 'v(in_0)', 'time')
    """
    source, branch, _ = name.lower().partition("#branch")
    return f"i({source})" if branch else source if source == "time" else f"v({source})"
