"""Writing cells of an array, and what that does to the others: dynamic cells in ngspice, states read back.

A chosen cell gets the whole voltage V, its word line above its bit line (below, where V < 0); the other lines are held
at a share of it, or left to float:

    scheme     word lines  bit lines   cells in its row  in its column  all others
    half       V/2         V/2         V/2               V/2            0
    third      V/3         2V/3        V/3               V/3            -V/3
    floating   not driven  not driven  what the cells make of it

Each cell of the array is its model's generated circuit with a state of its own, as compiled Verilog-A where ngspice and
a compiler allow that, else as a subcircuit. Wires count: so does the voltage they lose.
"""

from __future__ import annotations

import functools
import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.codegen import generate
from nvmphys.codegen.bench import OPTIONS
from nvmphys.codegen.osdi import compile_model, find_compiler
from nvmphys.crossbar.array import Crossbar
from nvmphys.crossbar.cells import CellState
from nvmphys.crossbar.device_cells import KELVIN, DeviceCells
from nvmphys.crossbar.netlist import capacitors, lines_and_cells, node_names, over_time
from nvmphys.crossbar.ngspice import Ngspice, Plot, Progress, find_ngspice, run
from nvmphys.errors import BadInput, unknown_name
from nvmphys.simulate.devices import Devices
from nvmphys.simulate.frozen import FrozenDevices
from nvmphys.simulate.transient import transient
from nvmphys.simulate.waveform import Piece, joined, pulse

if TYPE_CHECKING:
    from nvmphys.devices.model import DeviceModel

Array = NDArray[np.float64]
Place = tuple[int, int]

SCHEMES: Mapping[str, tuple[float, float] | None] = {
    "half": (1 / 2, 1 / 2),
    "third": (1 / 3, 2 / 3),
    "floating": None,
}
"""Share of the voltage on the word lines and on the bit lines that are not chosen; None leaves them floating."""
FORMS = ("auto", "osdi", "subcircuit")
KINDS = ("selected", "same row", "same column", "same row and column", "unselected")
STEPS = 1000
"""Of a pulse with its edges and rests; ngspice takes shorter ones where a state moves fast."""
_TOGETHER = 20
"""Pulses between two looks at which cells have reached a limit."""
LEAK_OHM = 1e15
"""From a floating line to ground: an iteration may meet cells that do not conduct yet, and a line held by nothing."""
EDGE, REST = 0.05, 0.5
"""Of the width: edges and the rests before and after where nobody says."""


@dataclass(frozen=True)
class WritePulse:
    """One pulse: its edges lie within the width, half of each counted, as of `nvmphys.simulate.waveform.pulse`.

    Parameters
    ----------
    voltage_V : float
        From word line to bit line of the chosen cell [V], not 0.
    width_s : float
    edge_s, rest_s : float, optional
        Duration of each edge and of the time at 0 V before and after [s]; 5 % and half of the width by default.

    Raises
    ------
    BadInput
        "voltage_V must …", "width_s must …".

    Examples
    --------
    >>> [round(1e9 * corner) for corner in WritePulse(1.8, 100e-9, edge_s=10e-9, rest_s=50e-9).corners()[0]]
    [0, 50, 60, 150, 160, 210]
    """

    voltage_V: float
    width_s: float
    edge_s: float | None = None
    rest_s: float | None = None

    def __post_init__(self) -> None:
        """Check the values; put in the durations that nobody gave."""
        if not (np.isfinite(self.voltage_V) and self.voltage_V != 0):
            raise BadInput(f"voltage_V must be a voltage other than 0 (got {self.voltage_V} V): it writes nothing")
        edge_s = EDGE * self.width_s if self.edge_s is None else self.edge_s
        rest_s = REST * self.width_s if self.rest_s is None else self.rest_s
        if not 0 < edge_s < self.width_s < np.inf or not 0 < rest_s < np.inf:
            raise BadInput(
                f"width_s must be longer than edge_s, and edge_s and rest_s > 0 (got width {self.width_s:g} s, edge "
                f"{edge_s:g} s, rest {rest_s:g} s)"
            )
        object.__setattr__(self, "edge_s", edge_s)
        object.__setattr__(self, "rest_s", rest_s)

    def pieces(self, share: float = 1.0) -> list[Piece]:
        """Return the pieces of the pulse at a share of its voltage, rests included."""
        assert self.edge_s is not None
        assert self.rest_s is not None
        rest = Piece(self.rest_s, 0.0, 0.0)
        return [rest, *pulse(share * self.voltage_V, self.width_s, self.edge_s), rest]

    def corners(self) -> tuple[Array, Array]:
        """Return times [s] and shares of the voltage at the corners of the pulse."""
        pieces = self.pieces(1 / self.voltage_V)
        times = np.cumsum([0.0, *(piece.duration_s for piece in pieces)])
        return times, np.array([0.0, *(piece.end_V for piece in pieces)])


@dataclass(frozen=True, eq=False)
class Written:
    """What writing did.

    Attributes
    ----------
    kind : ndarray of str (word_line, bit_line)
        One of `KINDS`: where a cell stands to those chosen.
    before_S, after_S : ndarray (word_line, bit_line)
        Conductance of each cell alone at `read_V`, I/V [S].
    states_before, states_after : dict of ndarray (word_line, bit_line)
        In units of their scales.
    energy_J : ndarray (pulse,)
        What the drivers of all lines gave during each pulse.
    read_V : float
    form : str
        `osdi` or `subcircuit`.
    ngspice : Ngspice
    options : str
    seconds : float
        Wall time of all runs of ngspice.
    """

    kind: NDArray[np.str_]
    before_S: Array
    after_S: Array
    states_before: dict[str, Array]
    states_after: dict[str, Array]
    energy_J: Array
    read_V: float
    form: str
    ngspice: Ngspice
    options: str
    seconds: float

    @property
    def change(self) -> Array:
        """Change of conductance over what it was, (word_line, bit_line)."""
        return np.asarray(self.after_S / self.before_S - 1)

    def table(self) -> pd.DataFrame:
        """Return a row for each cell: place, kind, conductance before and after, states before and after."""
        word, bit = np.indices(self.kind.shape)
        columns: dict[str, Any] = {
            "word_line": word, "bit_line": bit, "kind": self.kind, "before_S": self.before_S, "after_S": self.after_S,
            "change": self.change,
        }  # fmt: skip
        for name in self.states_before:
            columns |= {f"{name}_before": self.states_before[name], f"{name}_after": self.states_after[name]}
        return pd.DataFrame({name: np.ravel(values) for name, values in columns.items()})

    def by_kind(self) -> dict[str, dict[str, float]]:
        """Return, of each kind there is, how many cells and mean, smallest and largest change of conductance."""
        found: dict[str, dict[str, float]] = {}
        for kind in KINDS:
            change = self.change[self.kind == kind]
            if change.size:
                found[kind] = {
                    "cells": change.size, "mean": float(change.mean()), "smallest": float(change.min()),
                    "largest": float(change.max()), "largest_magnitude": float(np.abs(change).max()),
                }  # fmt: skip
        return found


def line_voltages(scheme: str, shape: Place, place: Place, voltage_V: float) -> tuple[Array, Array]:
    """Return the voltages of all word lines and bit lines that write a cell [V], NaN where a line floats.

    Raises
    ------
    BadInput
        "unknown scheme …", "cell … must lie within …".

    Examples
    --------
    >>> line_voltages("third", (2, 3), (0, 1), 1.8)
    (array([1.8, 0.6]), array([1.2, 0. , 1.2]))
    """
    if scheme not in SCHEMES:
        raise unknown_name("scheme", scheme, SCHEMES)
    if not (0 <= place[0] < shape[0] and 0 <= place[1] < shape[1]):
        raise BadInput(f"cell {place[0]},{place[1]} must lie within {shape[0]}×{shape[1]} lines, both counted from 0")
    shares = SCHEMES[scheme] or (np.nan, np.nan)
    word_V, bit_V = (np.full(lines, share * voltage_V) for lines, share in zip(shape, shares, strict=True))
    word_V[place[0]], bit_V[place[1]] = voltage_V, 0.0
    return word_V, bit_V


def kinds(shape: Place, places: Sequence[Place]) -> NDArray[np.str_]:
    """Return where each cell stands to those chosen, (word_line, bit_line), one of `KINDS`.

    >>> kinds((2, 2), [(0, 1)])
    array([['same row', 'selected'],
           ['unselected', 'same column']], dtype='<U19')
    """
    row, column = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for i, j in places:
        row[i], column[:, j] = True, True
    chosen = np.zeros(shape, dtype=bool)
    chosen[tuple(np.transpose(places))] = True
    return np.select([chosen, row & column, row, column], [KINDS[0], KINDS[3], KINDS[1], KINDS[2]], KINDS[4])


@dataclass(frozen=True, eq=False)
class _MovingCells:
    """Cells of a deck whose states move, as a `CellCurrent` that writes decks alone."""

    model: DeviceModel
    defaults: dict[str, float]
    own: dict[str, Array]
    library: Path | None
    linear: bool = False

    def check(self, shape: Place) -> None:
        """Have been checked as cells that stand still."""

    def state(self, conductance_S: Array, word_V: Array, bit_V: Array) -> CellState:
        """Have no operating point."""
        raise NotImplementedError

    def spice_models(self) -> str:
        """Return the subcircuit, or load the compiled model."""
        if self.library is None:
            return generate(self.model, "ngspice", self.defaults)
        return f".control\npre_osdi {self.library}\n.endc"

    def spice_card(self, place: Place, word: str, bit: str, conductance_S: float) -> str:
        """Return a cell with states and parameters of its own."""
        i, j = place
        own = "".join(f" {name}={float(value[place])!r}" for name, value in self.own.items())
        if self.library is None:
            return f"xc_{i}_{j} {word} {bit} {self.model.name}{own}"
        return f"nc_{i}_{j} {word} {bit} cell_{i}_{j}\n.model cell_{i}_{j} {self.model.name}{own}"

    def vector(self, place: Place, state: str) -> str:
        """Return the name of a state in the raw file."""
        i, j = place
        return f"v(xc_{i}_{j}.x_{state.lower()})" if self.library is None else f"v(nc_{i}_{j}#x_{state.lower()})"


@contextmanager
def _prepared(devices: FrozenDevices, shape: Place, form: str, ngspice: Ngspice) -> Iterator[_MovingCells]:
    """Give the cells of decks, compiled where the form asks for that or allows it."""
    if form not in FORMS:
        raise unknown_name("form", form, FORMS)
    model, values = devices.model, devices.values
    defaults = {name: float(np.ravel(value)[0]) for name, value in values.items()}
    own = {name: np.broadcast_to(value, shape) for name, value in values.items() if value.ndim}
    can = ngspice.has_osdi and find_compiler() is not None
    with tempfile.TemporaryDirectory(prefix="nvmphys_") as folder:
        compiled = form == "osdi" or (form == "auto" and can)
        library = compile_model(model, defaults, Path(folder)) if compiled else None
        yield _MovingCells(model, defaults, own, library)


def write_deck(
    crossbar: Crossbar, cells: _MovingCells, states: Mapping[str, Array], lines_V: tuple[Array, Array],
    write_pulse: WritePulse, options: str,
) -> str:  # fmt: skip
    """Write the deck of one pulse; lines at NaN float."""
    (word_lines, bit_lines), (word_V, bit_V) = crossbar.shape, lines_V
    moving = replace(cells, own={f"{name}_0": x for name, x in states.items()} | cells.own)
    off = {"r_driver_ohm": word_V, "r_driver_far_ohm": word_V, "r_sense_ohm": bit_V, "r_sense_far_ohm": bit_V}
    ends: dict[str, Any] = {
        name: np.where(np.isnan(volts), np.inf, getattr(crossbar, name)) for name, volts in off.items()
    }
    array = replace(crossbar, cell=moving, **ends)
    times, shares = write_pulse.corners()
    volts = np.concatenate([word_V, bit_V])
    lines = [f"crossbar, {word_lines} word lines, {bit_lines} bit lines, a write pulse"]
    lines += [
        f"v{name} {name} 0 {over_time(times, volt * shares)}"
        for name, volt in zip(_terminals(crossbar), volts.tolist(), strict=True)
        if not np.isnan(volt)
    ]
    word, bit = node_names(array)
    lines += [*lines_and_cells(array, word, bit), *capacitors(array, word, bit)]
    nodes = [*(row[0] for row in word), *bit[-1]]
    lines += [f"rl_{node} {node} 0 {LEAK_OHM!r}" for node, volt in zip(nodes, volts, strict=True) if np.isnan(volt)]
    places = np.argwhere(crossbar.conductance_S).tolist()
    saved = [moving.vector((i, j), name) for (i, j), name in itertools.product(places, states)]
    saved += [f"i(v{name})" for name in _terminals(crossbar, volts)]
    end, step = float(times[-1]), float(min(times[-1] / STEPS, np.diff(times).min()))
    initial = " uic" if cells.library is None else ""
    return "\n".join(
        [*lines, f".options {options}", f".save {' '.join(saved)}", f".tran {step!r} {end!r} 0 {step!r}{initial}",
         ".end", ""]
    )  # fmt: skip


def _terminals(crossbar: Crossbar, volts: Array | None = None) -> list[str]:
    """Return the nodes of the terminals, those alone that are not at NaN where voltages are given."""
    names = [f"in_{i}" for i in range(crossbar.shape[0])] + [f"out_{j}" for j in range(crossbar.shape[1])]
    return names if volts is None else [n for n, volt in zip(names, volts, strict=True) if not np.isnan(volt)]


def write(
    crossbar: Crossbar,
    places: Sequence[Place],
    write_pulse: WritePulse,
    *,
    scheme: str = "half",
    repeat: int = 1,
    read_V: float = 0.1,
    form: str = "auto",
    ngspice: Ngspice | None = None,
    timeout_s: float = 600.0,
    progress: Progress | None = None,
) -> Written:
    """Write cells one after the other, each by one or several pulses, in ngspice.

    Parameters
    ----------
    crossbar : Crossbar
        With `DeviceCells`, whose states are those before. Far ends that are driven or sensed follow their line;
        capacitance counts.
    places : sequence of (word line, bit line)
        The cells that are written, counted from 0, in their order.
    write_pulse : WritePulse
    scheme : {"half", "third", "floating"}
        What lines get that are not chosen.
    repeat : int, optional
        Pulses for each cell.
    read_V : float, optional
        At which conductances are read, each cell alone [V].
    form : {"auto", "osdi", "subcircuit"}
        The cells in ngspice; `auto` takes compiled Verilog-A where ngspice and a compiler allow it.
    ngspice : Ngspice, optional
    timeout_s : float, optional
        Wall time allowed to each pulse [s].
    progress : callable, optional
        Told after each pulse.

    Returns
    -------
    Written

    Raises
    ------
    BadInput
        "the cells must be DeviceCells …", "cell … must lie within …", "places and repeat …", "read_V must …".
    MissingTool, CheckFailed
        Of ngspice and of the compiler.

    Examples
    --------
    >>> import nvmphys as nv
    >>> cells = DeviceCells(nv.device("rram_gap"), {"g": np.full((4, 4), 1.2)})
    >>> array = Crossbar(cells.conductance_S, 2, 2, cell=cells)
    >>> done = write(array, [(1, 2)], WritePulse(1.8, 100e-9), scheme="third")  # doctest: +SKIP
    >>> done.by_kind()["same row"]["largest_magnitude"]  # doctest: +SKIP
    """
    cells, shape = _moving_cells(crossbar), crossbar.shape
    if not places or repeat < 1:
        raise BadInput(f"places and repeat must be 1 or more (got {len(places)} cells, {repeat} pulses each)")
    if not (np.isfinite(read_V) and read_V != 0):
        raise BadInput(f"read_V must be a voltage other than 0 (got {read_V} V): conductances are read there")
    voltages = [line_voltages(scheme, shape, place, write_pulse.voltage_V) for place in places]
    ngspice = ngspice or find_ngspice()
    devices = cells.devices
    states = before = {name: np.array(np.broadcast_to(x, shape)) for name, x in devices.states.items()}
    temperature = f"temp={float(cells.temperature_K - KELVIN)!r}"
    options = " ".join([*(o for o in OPTIONS.split() if not o.startswith("temp=")), temperature])
    options += " klu" if ngspice.has_klu else ""
    energy, seconds = [], 0.0
    with _prepared(devices, shape, form, ngspice) as moving:
        for done, volts in enumerate(itertools.chain.from_iterable([lines] * repeat for lines in voltages), 1):
            made = run(write_deck(crossbar, moving, states, volts, write_pulse, options), ngspice, timeout_s=timeout_s)
            states, given = _read_back(crossbar, moving, states, volts, write_pulse, made.plot)
            energy.append(given)
            seconds += made.seconds
            if progress is not None:
                progress("write pulses", done, repeat * len(places))
    read = functools.partial(_conductance, devices, shape, read_V)
    return Written(
        kinds(shape, places), read(before), read(states), before, states, np.array(energy), read_V,
        "subcircuit" if moving.library is None else "osdi", ngspice, options, seconds,
    )  # fmt: skip


def _moving_cells(crossbar: Crossbar) -> DeviceCells:
    """Return the cells of an array that can be written."""
    cells = crossbar.cell
    if not isinstance(cells, DeviceCells) or cells.model.units is not None:
        raise BadInput(
            f"the cells must be DeviceCells of a model without units to be written (got {type(cells).__name__}): only "
            "those have states that move"
        )
    return cells


def _read_back(
    crossbar: Crossbar, cells: _MovingCells, states: Mapping[str, Array], lines_V: tuple[Array, Array],
    write_pulse: WritePulse, plot: Plot,
) -> tuple[dict[str, Array], float]:  # fmt: skip
    """Return the states at the end, and the energy that all drivers gave [J]."""
    found = {name: np.array(x) for name, x in states.items()}
    for i, j in np.argwhere(crossbar.conductance_S).tolist():
        for name, at in found.items():
            at[i, j] = plot[cells.vector((i, j), name)][-1]
    volts, names = np.concatenate(lines_V), _terminals(crossbar)
    driven = [(f"i(v{name})", volt) for name, volt in zip(names, volts, strict=True) if not np.isnan(volt)]
    share = np.interp(plot["time"], *write_pulse.corners())
    power = -share * np.sum([volt * plot[name] for name, volt in driven], axis=0)
    return found, float(np.trapezoid(power, plot["time"]))


def _conductance(devices: FrozenDevices, shape: Place, read_V: float, states: dict[str, Array]) -> Array:
    """Return the conductance of each cell alone [S]."""
    return np.asarray(replace(devices, states=states).conduction(np.full(shape, read_V))[0] / read_V)


def pulses_to_limit(
    cells: DeviceCells, write_pulse: WritePulse, share: float, limit: float, *, read_V: float = 0.1, most: int = 100
) -> Array:
    """Return after how many pulses each cell, alone at a share of the voltage, has changed by more than a limit.

    Wires are left out: it is a lower bound, at the voltage that the scheme means for half-selected cells.

    Parameters
    ----------
    cells : DeviceCells
    write_pulse : WritePulse
    share : float
        Of its voltage: 1/2 or 1/3 for `half` and `third`.
    limit : float
        Change of conductance over what it was, > 0.
    read_V : float, optional
    most : int, optional
        Pulses after which the search ends.

    Returns
    -------
    ndarray (word_line, bit_line)
        Number of pulses, infinite where `most` did not reach the limit.

    Raises
    ------
    BadInput
        "limit and most …".

    Examples
    --------
    >>> import nvmphys as nv
    >>> cells = DeviceCells(nv.device("rram_gap"), {"g": [[1.0]]})
    >>> pulses_to_limit(cells, WritePulse(2.4, 100e-9), 0.5, 0.5, most=20)
    array([[inf]])
    """
    if not (limit > 0 and most >= 1):
        raise BadInput(f"limit and most must be > 0 and 1 or more (got {limit:g} and {most})")
    shape, held = cells.conductance_S.shape, cells.devices
    values = {name: np.broadcast_to(value, shape).ravel() for name, value in held.values.items()}
    at = np.stack([np.broadcast_to(x, shape).ravel() for x in held.states.values()], axis=-1)
    before = _conductance(held, shape, read_V, dict(held.states)).ravel()
    last = len(write_pulse.pieces()) - 1
    one = [replace(piece, observed=k == last) for k, piece in enumerate(write_pulse.pieces(share))]
    count, left = np.full(before.size, np.inf), np.arange(before.size)
    for done in range(0, most, _TOGETHER):
        pulses = min(_TOGETHER, most - done)
        devices = Devices({name: value[left] for name, value in values.items()}, {})
        found = transient(
            cells.model, joined(one * pulses, cells.temperature_K), devices, start=at[left][:, np.newaxis]
        )
        own = {name: value[left] if held.values[name].ndim else value[0] for name, value in values.items()}
        for k, states in enumerate(found.states[:, :, 0]):
            alone = replace(held, values=own, states=dict(zip(held.states, states.T, strict=True)))
            changed = alone.conduction(np.full(left.size, read_V))[0] / read_V / before[left] - 1
            beyond = (np.abs(changed) > limit) & np.isinf(count[left])
            count[left[beyond]] = done + k + 1
        at[left] = found.states[-1, :, 0]
        left = left[np.isinf(count[left])]
        if not left.size:
            break
    return count.reshape(shape)
