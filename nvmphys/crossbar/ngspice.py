"""Finding and running ngspice, and reading its raw files.

Printed numbers have about six digits, so results come from the binary raw file only. ngspice returns exit code 0 for a
floating node, and a failed run may leave a raw file: exit code, log, header and length are all checked.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nvmphys.errors import CheckFailed, MissingTool

VARIABLE = "NVMPHYS_NGSPICE"
PROBE_TIMEOUT_S = 60.0
SHOWN_LOG_LINES = 8
PER_PROCESS = 250
"""Decks that one process of `run_each` is given: then there is progress to tell."""

Progress = Callable[[str, int, int], None]

_MARK = "nvmphys_deck"

_COMPLAINT = re.compile(r"singular matrix|^\s*(?:fatal )?error\b|timestep too small|aborted|interrupted", re.IGNORECASE)


@dataclass(frozen=True)
class Ngspice:
    """An ngspice program: where it is and what it was built with.

    Attributes
    ----------
    path : str
    version : str
        As it calls itself, for example `46`.
    has_klu : bool
        Whether `.options klu` chooses the KLU sparse solver.
    has_osdi : bool
        Whether it loads compiled Verilog-A models.
    """

    path: str
    version: str
    has_klu: bool
    has_osdi: bool


@dataclass(frozen=True, eq=False)
class Plot:
    """The vectors of one analysis: `values` is (point, variable), `plot["v(out_0)"]` one of its columns."""

    name: str
    variables: tuple[str, ...]
    values: np.ndarray

    def __getitem__(self, variable: str) -> np.ndarray:
        """Return one vector (point,) [V], [A] or [s]."""
        try:
            return self.values[:, self._column[variable]]
        except KeyError:
            raise CheckFailed(f"ngspice wrote no vector {variable} (it wrote {len(self.variables)} others)") from None

    @functools.cached_property
    def _column(self) -> Mapping[str, int]:
        return {variable: k for k, variable in enumerate(self.variables)}


@dataclass(frozen=True, eq=False)
class Run:
    """What one run gave: the plot, the log and the time it took [s], the start of the program included."""

    plot: Plot
    log: str
    seconds: float


def find_ngspice() -> Ngspice:
    """Find ngspice: what `$NVMPHYS_NGSPICE` names if that is set, else `PATH`, else the folder of this Python.

    Returns
    -------
    Ngspice

    Raises
    ------
    MissingTool
        "nvmphys needs ngspice for this check and found none …", with how to install it; or "… is not an ngspice that
        runs …".
    """
    chosen = os.environ.get(VARIABLE)
    beside_python = str(Path(sys.prefix) / "bin")
    path = shutil.which(chosen) if chosen else shutil.which("ngspice") or shutil.which("ngspice", path=beside_python)
    if path is None:
        looked = f"${VARIABLE} = {chosen}" if chosen else f"${VARIABLE}, PATH, {beside_python}"
        raise MissingTool(
            f"nvmphys needs ngspice for this check and found none (looked at {looked}). "
            "Install: Debian/Ubuntu `apt-get install ngspice`; macOS `brew install ngspice`; "
            "conda `conda install -c conda-forge ngspice`. Or pass backend='nodal' to run without SPICE."
        )
    return _probe(os.path.abspath(path))  # runs start in a folder of their own


def run(deck: str, ngspice: Ngspice | None = None, *, timeout_s: float = 600.0) -> Run:
    r"""Run one deck with one analysis (`.op`, `.dc` or `.tran`) in a temporary folder.

    Parameters
    ----------
    deck : str
        The deck. It can run commands: put nothing into it that came from a file, but names and numbers of our own.
    ngspice : Ngspice, optional
        Defaults to `find_ngspice()`.
    timeout_s : float, optional
        Wall time after which it is stopped [s].

    Returns
    -------
    Run

    Raises
    ------
    MissingTool
        There is no ngspice, or it does not start.
    CheckFailed
        "ngspice ran longer than …", "ngspice stopped with exit code …", "ngspice was killed by …", "ngspice met a
        singular matrix …", "ngspice reported an error …", each with the lines of the log; or "raw file …".

    Examples
    --------
    >>> divider = "divider\nv1 top 0 dc 1\nr1 top mid 3k\nr2 mid 0 1k\n.op\n.end\n"
    >>> float(run(divider).plot["v(mid)"][0])  # doctest: +SKIP
    0.25
    """
    ngspice = ngspice or find_ngspice()
    with tempfile.TemporaryDirectory(prefix="nvmphys_") as name:
        folder = Path(name)
        _write(folder / "deck.cir", deck)
        log, seconds = _run_in(folder, [ngspice.path, "-b", "-n", "-r", "out.raw", "-o", "log", "deck.cir"], timeout_s)
        return Run(read_raw(folder / "out.raw"), log, seconds)


def run_each(
    decks: Sequence[str], ngspice: Ngspice | None = None, *, timeout_s: float = 600.0, progress: Progress | None = None
) -> list[Plot]:
    r"""Run decks of one operating point each, many in one process: a start of the program costs more than a small deck.

    Every deck is sourced, run, its plot appended to one raw file, and forgotten. Decks that name what is saved
    (`.save`) keep that file small.

    Parameters
    ----------
    decks : sequence of str
        As of `run`, each with an `.op`.
    ngspice : Ngspice, optional
        Defaults to `find_ngspice()`.
    timeout_s : float, optional
        Wall time allowed to each process of up to `PER_PROCESS` decks [s].
    progress : callable, optional
        Told after each process: what, decks done, decks in all.

    Returns
    -------
    list of Plot
        One per deck, in their order.

    Raises
    ------
    MissingTool, CheckFailed
        As of `run`; of a deck that failed its number, counted from 0: "deck 3: ngspice met a singular matrix …".

    Examples
    --------
    >>> divider = "divider\nv1 top 0 dc 1\nr1 top mid {r}\nr2 mid 0 1k\n.op\n.end\n"
    >>> plots = run_each([divider.format(r=r) for r in ("1k", "3k")])  # doctest: +SKIP
    >>> [float(plot["v(mid)"][0]) for plot in plots]  # doctest: +SKIP
    [0.5, 0.25]
    """
    ngspice = ngspice or find_ngspice()
    plots: list[Plot] = []
    while len(plots) < len(decks):
        plots += _run_together(decks[len(plots) : len(plots) + PER_PROCESS], ngspice, len(plots), timeout_s)
        if progress is not None:
            progress("ngspice decks", len(plots), len(decks))
    return plots


def _run_together(decks: Sequence[str], ngspice: Ngspice, first: int, timeout_s: float) -> list[Plot]:
    """Run decks in one process, the first of them number `first`."""
    script = ["decks, one after the other", ".control", "set appendwrite"]
    with tempfile.TemporaryDirectory(prefix="nvmphys_") as name:
        folder = Path(name)
        for k, deck in enumerate(decks):
            _write(folder / f"deck_{k}.cir", deck)
            script += [f"echo {_MARK} {k}", f"source deck_{k}.cir", "run", "write out.raw", "destroy all", "remcirc"]
        _write(folder / "main.cir", "\n".join([*script, "quit", ".endc", ".end"]))
        try:
            log, _ = _run_in(folder, [ngspice.path, "-b", "-n", "-o", "log", "main.cir"], timeout_s)
        except CheckFailed as error:
            raise CheckFailed(f"decks {first} … {first + len(decks) - 1}: {error}") from None
        for k, part in enumerate(re.split(rf"^{_MARK} \d+\s*$", log, flags=re.MULTILINE)[1:]):
            try:
                _check_outcome(0, part)
            except CheckFailed as error:
                raise CheckFailed(f"deck {first + k}: {error}") from None
        plots = read_raws(folder / "out.raw")
    if len(plots) != len(decks):
        raise CheckFailed(
            f"ngspice must write a plot per deck (got {len(plots)} of decks {first} … {first + len(decks) - 1}): "
            "a deck holds one analysis"
        )
    return plots


def _write(path: Path, deck: str) -> None:
    """Write a deck; without a newline at its end the last card is lost."""
    path.write_text(deck.rstrip("\n") + "\n", encoding="utf-8")


def _run_in(folder: Path, command: list[str], timeout_s: float) -> tuple[str, float]:
    """Run ngspice in a folder, check its exit code and log; return the log and the time it took [s]."""
    start = time.perf_counter()
    try:
        code = _execute(command, folder, timeout_s)
    except subprocess.TimeoutExpired:
        raise CheckFailed(
            f"ngspice ran longer than timeout_s = {timeout_s:g} s and was stopped: give it more time, "
            f"a smaller circuit or a build with KLU{_shown(_log(folder))}"
        ) from None
    seconds = time.perf_counter() - start
    log = _log(folder)
    if code or _MARK not in log:  # of several decks each part is checked, and its deck named
        _check_outcome(code, log)
    return log, seconds


def read_raw(path: str | os.PathLike[str]) -> Plot:
    r"""Read a binary raw file with one real plot.

    Raises
    ------
    CheckFailed
        "raw file …": missing, without a complete header, not binary, complex, without points, cut off, longer than its
        header says, or with values that are not finite.

    Examples
    --------
    >>> import tempfile
    >>> header = b"Flags: real\nNo. Variables: 1\nNo. Points: 1\nVariables:\n\t0\tv(a)\tvoltage\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "out.raw")
    ...     _ = path.write_bytes(header + b"Binary:\n" + np.float64(0.25).tobytes())
    ...     read_raw(path)["v(a)"]
    array([0.25])
    """
    plot, rest = _plot(_content(path))
    if rest:
        raise CheckFailed(
            f"raw file of several analyses: {len(rest)} bytes follow the first plot; put one analysis in a deck"
        )
    return plot


def read_raws(path: str | os.PathLike[str]) -> list[Plot]:
    """Read a binary raw file of real plots, one appended to the other.

    Raises
    ------
    CheckFailed
        As of `read_raw`, for any of the plots.

    Examples
    --------
    >>> read_raws("nowhere.raw")
    Traceback (most recent call last):
    nvmphys.errors.CheckFailed: raw file missing: ngspice ended without an error and wrote none
    """
    plots: list[Plot] = []
    rest = _content(path)
    while rest or not plots:
        plot, rest = _plot(rest)
        plots.append(plot)
    return plots


def _content(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a raw file."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise CheckFailed("raw file missing: ngspice ended without an error and wrote none") from None


def _plot(content: bytes) -> tuple[Plot, bytes]:
    """Return the first plot of a raw file, and the bytes after it."""
    head, binary, data = content.partition(b"\nBinary:\n")
    if not binary:
        raise CheckFailed(
            f"raw file cut or not binary: no `Binary:` line in {len(content)} bytes; unset `filetype=ascii`"
        )
    title, _, table = head.decode("utf-8", "replace").partition("\nVariables:\n")
    field = dict(re.findall(r"^([^:\n]+):[ \t]*(.*?)[ \t]*$", title, re.MULTILINE))
    variables = tuple(row.split()[1].lower() for row in table.splitlines() if row.strip())
    try:
        points, count = int(field["No. Points"]), int(field["No. Variables"])
        flags = field["Flags"]
    except (KeyError, ValueError) as error:
        raise CheckFailed(f"raw file header incomplete: {error}") from None
    if "complex" in flags:
        raise CheckFailed("raw file holds complex values: only operating points, DC sweeps and transients are read")
    if len(variables) != count:
        raise CheckFailed(f"raw file header inconsistent: {count} variables announced, {len(variables)} listed")
    size = 8 * points * count
    if points < 1 or len(data) < size:
        raise CheckFailed(f"raw file cut: {points} points of {count} variables need {size} bytes, it holds {len(data)}")
    values = np.frombuffer(data[:size], dtype="<f8").reshape(points, count)
    if not np.isfinite(values).all():
        variable = variables[int(np.argwhere(~np.isfinite(values))[0][1])]
        raise CheckFailed(f"raw file holds values that are not finite, first in {variable}")
    return Plot(field.get("Plotname", ""), variables, values), data[size:]


@functools.cache
def _probe(path: str) -> Ngspice:
    """Ask a program for its version and what it was built with."""
    # "osdi" without the interface is answered with "no such command"; with it, by naming the library that is not there.
    probe = "probe\nr1 a 0 1\n.control\nosdi nvmphys_probe.osdi\nquit\n.endc\n.end\n"
    with tempfile.TemporaryDirectory(prefix="nvmphys_") as name:
        folder = Path(name)
        try:
            _execute([path, "--version"], folder, PROBE_TIMEOUT_S)
            banner = _log(folder)
            (folder / "probe.cir").write_text(probe, encoding="utf-8")
            _execute([path, "-b", "-n", "-o", "log", "probe.cir"], folder, PROBE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise MissingTool(f"{path} is not an ngspice that runs: no answer within {PROBE_TIMEOUT_S:g} s") from None
        answer = _log(folder)
    version = re.search(r"\bngspice-(\S+)", banner)
    if version is None:
        raise MissingTool(f"{path} is not an ngspice that runs: `--version` printed no ngspice version{_shown(banner)}")
    return Ngspice(path, version[1], "Compiled with KLU" in banner, "nvmphys_probe.osdi" in answer)


def _execute(command: list[str], folder: Path, timeout_s: float) -> int:
    """Run a command in a folder, its output in the file `console` there; return its exit code."""
    # A user's SPICE_ASCIIRAWFILE would turn the raw file into text.
    environment = {key: value for key, value in os.environ.items() if key != "SPICE_ASCIIRAWFILE"} | {"LC_ALL": "C"}
    try:
        # To a file: a pipe would keep us waiting for grandchildren of a wrapper script after a timeout.
        with open(folder / "console", "wb") as console:
            return subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=False,
            ).returncode
    except OSError as error:
        raise MissingTool(f"{command[0]} does not start: {error}. Set ${VARIABLE} to an ngspice that runs") from None


def _log(folder: Path) -> str:
    """Return what ngspice wrote, console first."""
    files = (folder / "console", folder / "log")
    return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files if file.exists())


def _check_outcome(code: int, log: str) -> None:
    """Raise for a bad exit code or a log that tells of a failure behind a good one."""
    if code < 0:
        raise CheckFailed(f"ngspice was killed by {signal.Signals(-code).name}{_shown(log)}")
    if code > 0:
        raise CheckFailed(f"ngspice stopped with exit code {code}{_shown(log)}")
    if re.search("singular matrix", log, re.IGNORECASE):
        raise CheckFailed(
            "ngspice met a singular matrix and went on with exit code 0: a node floats or ideal sources form a loop; "
            f"give every node a DC path to ground{_shown(log)}"
        )
    if any(_COMPLAINT.search(line) for line in log.splitlines()):
        raise CheckFailed(f"ngspice reported an error and ended with exit code 0{_shown(log)}")


def check_log(log: str) -> None:
    """Raise CheckFailed for a log that tells of a failure though ngspice went on.

    >>> check_log("Doing analysis at TEMP = 27.000000")
    """
    _check_outcome(0, log)


def _shown(log: str) -> str:
    """Return the lines of a log that complain, each once, else its last lines, ready to be appended to a message."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    complaints = list(dict.fromkeys(line for line in lines if _COMPLAINT.search(line)))
    shown = complaints[:SHOWN_LOG_LINES] or lines[-SHOWN_LOG_LINES:]
    return "".join(f"\n  log: {line}" for line in shown) or "\n  (its log is empty)"
