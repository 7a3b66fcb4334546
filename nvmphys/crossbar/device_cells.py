"""Cells of a device model at given states: two terminals that conduct, or transistors (1FeFET) with gate lines.

Nothing moves in them: the current is that of the model's own equations (`nvmphys.simulate.frozen`), in a deck that of
its generated subcircuit with the states held (`nvmphys.codegen.frozen`). A device behind an access
transistor is `AccessTransistor(..., resistive=DeviceCells(...))`, whose bulk is at 0 V whatever its cell's terminals
are at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike

from nvmphys.crossbar.cells import CellState, check_per_cell
from nvmphys.crossbar.lines import MAX_RESISTANCE_OHM
from nvmphys.devices.model import DeviceModel, symbol
from nvmphys.errors import BadInput
from nvmphys.simulate.devices import drawn
from nvmphys.simulate.frozen import FrozenDevices, frozen
from nvmphys.simulate.waveform import ROOM_K

Array = np.ndarray
AGREEMENT = 1e-6
"""With ngspice, asked of currents that are exponentials of inner voltages, which it iterates to 1e-9 of themselves; two
models in three keep below 1e-11 (`benchmarks/device_cells.py`). Currents below 1e-15 A are beneath its `abstol`."""
LEAST_S = 1 / MAX_RESISTANCE_OHM
"""Of a cell that conducts next to nothing: below, it would count as open."""
KELVIN = 273.15


class _FrozenCells:
    """What cells of any device model at frozen states share."""

    model: DeviceModel
    states: Mapping[str, ArrayLike]
    values: Mapping[str, ArrayLike]
    temperature_K: float

    @cached_property
    def devices(self) -> FrozenDevices:
        """The cells as devices that stand still."""
        return frozen(self.model, self.states, self.values, self.temperature_K)

    def spice_models(self) -> str:
        """Return the subcircuit of the cells, and their temperature."""
        return _models(self.devices)


@dataclass(frozen=True, eq=False)
class DeviceCells(_FrozenCells):
    """Cells of a device model of two terminals, the first on the word line.

    `Crossbar(cells.conductance_S, …, cell=cells)` is an array of them; a conductance of 0 in it is an open cell, any
    other says no more than that the cell is there.

    Parameters
    ----------
    model : DeviceModel
    states : mapping of array_like, optional
        By name, in units of their scales: one for all cells or (word_line, bit_line). Those left out are at rest; the
        rise of temperature of a model that heats with a time constant is one of them, `t_rise`, 0 at rest.
    values : mapping of array_like, optional
        Parameters in place of the model's own, in the same way.
    temperature_K : float, optional

    Raises
    ------
    BadInput
        "… must conduct between two terminals …"; unknown states and parameters, and those out of bounds.

    Examples
    --------
    Two gaps, 0.4 nm and 1.2 nm:

    >>> import nvmphys as nv
    >>> cells = DeviceCells(nv.device("rram_gap"), {"g": [[0.4, 1.2]]})
    >>> cells.conductance_S
    array([[7.472e-04, 3.281e-05]])
    >>> nv.Crossbar(cells.conductance_S, 0, 0, cell=cells).solve([0.1]).current_A
    array([7.631e-05, 3.368e-06])
    """

    model: DeviceModel
    states: Mapping[str, ArrayLike] = field(default_factory=dict)
    values: Mapping[str, ArrayLike] = field(default_factory=dict)
    temperature_K: float = ROOM_K
    linear: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Check model, states and parameters."""
        if self.model.current == 0 or self.model.drain is not None:
            raise BadInput(
                f"{self.model.name} must conduct between two terminals to be a cell (it does not): TransistorCells "
                "takes a model with a drain"
            )
        self.devices  # noqa: B018 - checks

    @cached_property
    def conductance_S(self) -> Array:
        """Conductance of each cell at 0 V [S], of as many cells as states and parameters tell."""
        shape = np.broadcast_shapes((1, 1), *(np.shape(x) for x in _given(self.devices)))
        return np.maximum(self.devices.conduction(np.zeros(shape))[1], LEAST_S)

    def check(self, shape: tuple[int, int]) -> None:
        """Raise where there is not one state and one parameter per cell."""
        _check_shapes(self.devices, shape)

    def state(self, conductance_S: Array, word_V: Array, bit_V: Array) -> CellState:
        """Return currents and slopes at node voltages [V]; `per_conductance_V` is of a cell that grows as a whole."""
        here = conductance_S > 0
        current_A, slope_S = (np.where(here, each, 0.0) for each in self.devices.conduction(word_V - bit_V))
        return CellState(current_A, slope_S, slope_S, _over(current_A, conductance_S))

    def spice_card(self, place: tuple[int, int], word: str, bit: str, conductance_S: float) -> str:
        """Return the cell: its subcircuit with states and parameters of its own."""
        i, j = place
        return f"xc_{i}_{j} {word} {bit} {_name(self.model)}{_own(self.devices, place)}"


@dataclass(frozen=True, eq=False)
class TransistorCells(_FrozenCells):
    """Cells of a transistor model (1FeFET): drain on the word line, source on the bit line, gate on a line of its own.

    The voltages of a model are against its source, which so is its bulk.

    Parameters
    ----------
    model : DeviceModel
        With a drain.
    gate_V : float or array_like, (word_line,) or (word_line, bit_line)
        Gate voltages against 0 V [V]; gate lines run along the word lines, `gate_V[np.newaxis]` repeated along the
        first axis along the bit lines.
    states, values, temperature_K
        As of `DeviceCells`; of a model with coupled units, such as domains, the states are the means over them
        (`smean`, the mean polarity of a FeFET) and what the units share.

    Raises
    ------
    BadInput
        "… must have a drain …"; unknown states and parameters, and those out of bounds.

    Examples
    --------
    >>> import nvmphys as nv
    >>> cells = TransistorCells(nv.device("fefet"), 1.0, {"smean": [[1.0, -1.0]]})
    >>> on, off = cells.conductance_S[0]
    >>> bool(on > 1e-5), bool(off < 1e-15)
    (True, True)
    """

    model: DeviceModel
    gate_V: float | np.ndarray
    states: Mapping[str, ArrayLike] = field(default_factory=dict)
    values: Mapping[str, ArrayLike] = field(default_factory=dict)
    temperature_K: float = ROOM_K
    linear: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Check model, gate voltages, states and parameters."""
        if self.model.drain is None:
            raise BadInput(f"{self.model.name} must have a drain to be such a cell (it has none): take DeviceCells")
        gate_V = np.array(self.gate_V, dtype=float)
        if not np.isfinite(gate_V).all():
            raise BadInput(f"gate_V must be finite (got {gate_V[~np.isfinite(gate_V)].flat[0]} V)")
        object.__setattr__(self, "gate_V", gate_V)
        self.devices  # noqa: B018 - checks

    @cached_property
    def conductance_S(self) -> Array:
        """Conductance of each channel at no voltage from drain to source, source at 0 V [S]."""
        gates = np.shape(self._gates())
        shape = np.broadcast_shapes((1, 1), gates, *(np.shape(x) for x in _given(self.devices)))
        gate_V = np.broadcast_to(self._gates(), shape)
        return np.maximum(self.devices.channel(gate_V, np.zeros(shape))[2], LEAST_S)

    def check(self, shape: tuple[int, int]) -> None:
        """Raise where gate voltages, states or parameters fit no array of this shape."""
        if np.ndim(self.gate_V) != 1 or np.shape(self.gate_V) != shape[:1]:
            check_per_cell("gate_V", self.gate_V, shape)
        _check_shapes(self.devices, shape)

    def _gates(self) -> Array:
        """Return gate voltages that broadcast against the cells [V]."""
        gate_V = np.asarray(self.gate_V)
        return gate_V[:, np.newaxis] if gate_V.ndim == 1 else gate_V

    def state(self, conductance_S: Array, word_V: Array, bit_V: Array) -> CellState:
        """Return currents and slopes at node voltages [V]; `per_conductance_V` is of a cell that grows as a whole."""
        here = conductance_S > 0
        found = self.devices.channel(self._gates() - bit_V, word_V - bit_V)
        current_A, by_gate_S, by_drain_S = (np.where(here, each, 0.0) for each in found)
        return CellState(current_A, by_drain_S, by_drain_S + by_gate_S, _over(current_A, conductance_S))

    def spice_card(self, place: tuple[int, int], word: str, bit: str, conductance_S: float) -> str:
        """Return the source of the cell's gate, and its subcircuit with states and parameters of its own."""
        i, j = place
        gate_V = np.asarray(self.gate_V)
        gate = float(gate_V if gate_V.ndim == 0 else gate_V[place[: gate_V.ndim]])
        return (
            f"vg_{i}_{j} g_{i}_{j} 0 dc {gate!r}\n"
            f"xc_{i}_{j} g_{i}_{j} {bit} {word} {_name(self.model)}{_own(self.devices, place)}"
        )


def drawn_cells(
    model: DeviceModel,
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    values: Mapping[str, float] | None = None,
    population: Mapping[str, Mapping[str, Any]] | None = None,
    start: Mapping[str, float] | None = None,
    gate_V: float | None = None,
    temperature_K: float = ROOM_K,
) -> DeviceCells | TransistorCells:
    """Return cells whose first state is drawn, uniform over its range; what a card's population says differs too.

    The first state of a model is the one that programming moves: a gap, a concentration, an amorphous share, or the
    mean polarity of domains.

    Parameters
    ----------
    model : DeviceModel
    shape : (word lines, bit lines)
    rng : numpy.random.Generator
    values, population : mapping, optional
        As of `nvmphys.simulate.devices.drawn`.
    start : mapping, optional
        States of all cells by name, in place of the drawn one and of those at rest.
    gate_V : float, optional
        Of a transistor [V]; by default the read voltage of the model's own experiments.
    temperature_K : float, optional

    Raises
    ------
    BadInput
        As of `DeviceCells` and `TransistorCells`.

    Examples
    --------
    >>> import nvmphys as nv
    >>> cells = drawn_cells(nv.device("rram_gap"), (2, 3), np.random.default_rng(1))
    >>> cells.conductance_S.shape, bool(np.ptp(cells.states["g"]) > 0.1)
    ((2, 3), True)
    """
    from nvmphys.codegen.frozen import frozen_system

    devices = drawn(model, shape[0] * shape[1], rng, values, population, n_units=None if model.units is None else 1)
    known = {p.name for p in model.parameters} - set(model.units.parameters if model.units else ())
    own: dict[str, ArrayLike] = {
        name: float(value[0]) if np.ptp(value) == 0 else value.reshape(shape)
        for name, value in devices.values.items()
        if name in known
    }
    centre = {name: float(np.ravel(value)[0]) for name, value in own.items()}
    first = frozen_system(model, centre).states[0]
    low, high = (_bound(model, first.name, bound, k, centre) for k, bound in enumerate((first.low, first.high)))
    given: dict[str, ArrayLike] = {first.name: rng.uniform(low, high, shape), **(start or {})}
    states = given | {first.name: np.broadcast_to(np.asarray(given[first.name]), shape)}
    if model.drain is None:
        return DeviceCells(model, states, own, temperature_K)
    reads = [float(given["read_V"]) for given in model.experiments.values() if "read_V" in given]
    gate = gate_V if gate_V is not None else reads[0] if reads else 0.0
    return TransistorCells(model, np.full(shape[0], gate), states, own, temperature_K)


def _bound(model: DeviceModel, name: str, bound: sp.Expr, end: int, values: Mapping[str, float]) -> float:
    """Return an end of the range of a state; of a mean over units, that of what the mean is of."""
    if model.units is not None and name in model.units.means:
        of = {state.symbol: (state.low, state.high)[end] for state in model.states}
        bound = model.units.means[name].subs(of)
    return float(bound.subs({symbol(key): value for key, value in values.items()}))


def _given(devices: FrozenDevices) -> list[Array]:
    return [*devices.states.values(), *devices.values.values()]


def _check_shapes(devices: FrozenDevices, shape: tuple[int, int]) -> None:
    for name, given in (devices.states | devices.values).items():
        check_per_cell(name, given, shape)


def _over(current_A: Array, conductance_S: Array) -> Array:
    """Return I/G [V], 0 of an open cell."""
    return np.divide(current_A, conductance_S, out=np.zeros_like(current_A), where=conductance_S > 0)


def _name(model: DeviceModel) -> str:
    return f"{model.name}_frozen"


def _models(devices: FrozenDevices) -> str:
    """Return the subcircuit of devices, what they share as its defaults, and their temperature."""
    from nvmphys.codegen.frozen import frozen_subcircuit

    model = devices.model
    values = {name: float(np.ravel(value)[0]) for name, value in devices.values.items()}
    text = frozen_subcircuit(model, values, name=_name(model))
    return f"{text}.options temp={float(devices.temperature_K - KELVIN)!r}"


def _own(devices: FrozenDevices, place: tuple[int, int]) -> str:
    """Return the states of a cell, and the parameters that differ from cell to cell, for its card."""
    own = {f"{name}_0": value for name, value in devices.states.items()}
    own |= {name: value for name, value in devices.values.items() if value.ndim}
    return "".join(f" {name}={float(value[place] if value.ndim else value)!r}" for name, value in own.items())
