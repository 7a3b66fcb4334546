"""Write-verify: pulses and reads in turn until the conductance stands within the acceptance window.

A cell below the window gets a SET pulse, one above it a RESET pulse, one inside it is done. While pulses keep their
direction their amplitude rises from step to step; when the direction turns, the other ladder starts from its first
amplitude again; at its last amplitude a ladder stays. The scheme asks of its cells only to be read and pulsed
(:class:`Cells`), so that devices on the bench and statistics of pulses are programmed by the same words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from nvmphys.devices.model import Array
from nvmphys.errors import BadInput
from nvmphys.simulate.devices import redrawn
from nvmphys.simulate.experiments import Bench, Count, Isothermal, Many, NotNegative, Positive, Volts
from nvmphys.simulate.waveform import Piece, joined, pulse

Steps = tuple[Volts, Volts, Volts]
Cycles = Callable[[int, int], None]
_MOST_RUNGS = 10_000


class Cells(Protocol):
    """What can be programmed."""

    def read(self) -> Array:
        """Return the conductance of every cell [S] (cell,), without read noise."""
        ...

    def pulse(self, which: NDArray[np.int64], amplitude_V: float, width_s: float) -> Array:
        """Give some cells a pulse; return the energy that the source gave each [J], NaN where it is not known."""
        ...


@dataclass(frozen=True)
class Ladder:
    """Pulses of one direction: amplitudes from the first in equal steps to the last, all of one width.

    >>> Ladder(1.0, 0.5, 2.0, 1e-7).amplitudes_V.tolist(), Ladder(2.0, 0.0, 2.0, 1e-7).amplitudes_V.tolist()
    ([1.0, 1.5, 2.0], [2.0])
    """

    first_V: float
    step_V: float
    last_V: float
    width_s: float

    @property
    def amplitudes_V(self) -> Array:
        """All amplitudes [V], one after another."""
        steps = (self.last_V - self.first_V) / self.step_V if self.step_V else 0.0
        count = int(steps + 1e-6) + 1  # rounding aside, none beyond the last
        return np.asarray(self.first_V + self.step_V * np.arange(count), dtype=float)


class WriteVerify(Isothermal):
    """Pulses and reads in turn until each cell stands within the acceptance window; each target on fresh devices."""

    name = "write_verify"
    target_S: Annotated[tuple[Positive, ...], Many] = Field((1e-4,), description="conductances to reach [S]")
    window_of_target: NotNegative = Field(0.05, description="half width of the acceptance window, share of the target")
    window_S: Positive | None = Field(None, description="the same in S, in place of the share")
    set_V: Steps = Field((1.0, 0.05, 2.5), description="first amplitude of the SET pulses, step and last [V]")
    set_width_s: Positive = Field(1e-7, description="width of a SET pulse [s]")
    reset_V: Steps | None = Field(None, description="the same of RESET pulses; none for cells that have no RESET")
    reset_width_s: Positive = Field(1e-7, description="width of a RESET pulse [s]")
    compliance_A: Positive | None = Field(None, description="largest current of the source in a SET pulse [A]")
    set_gate_V: Volts | None = Field(None, description="voltage at the gate of an access transistor in a SET pulse [V]")
    reset_gate_V: Volts | None = Field(None, description="the same in a RESET pulse")
    max_pulses: Count = Field(100, description="pulses after which a cell is given up")
    rest_s: NotNegative = Field(0.0, description="rest at 0 V before each read, the first too [s]")
    read_V: Positive = Field(0.1, description="read voltage [V]")
    read_sigma_S: NotNegative = Field(0.0, description="σ of a verifying read [S], beside that below")
    read_sigma_of_value: NotNegative = Field(0.0, description="σ of a verifying read, share of the conductance")
    c2c: dict[str, NotNegative] = Field({}, description="σ of parameters drawn anew for each pulse, share of them")

    @field_validator("set_V", "reset_V")
    @classmethod
    def _leads_to_the_last(cls, steps: Steps | None) -> Steps | None:
        if steps is None:
            return None
        first, step, last = steps
        count = (last - first) / step if step else (0.0 if first == last else -1.0)
        if not 0 <= count < _MOST_RUNGS or first == 0:
            raise ValueError(
                f"the step must lead from the first amplitude, not 0 V, to the last in fewer than {_MOST_RUNGS:,} "
                f"pulses (got {first:g} V by {step:g} V to {last:g} V)"
            )
        return steps

    @model_validator(mode="after")
    def _has_a_window(self) -> WriteVerify:
        if self.window_S is None and self.window_of_target == 0:
            raise ValueError("window_of_target must be > 0 where no window_S is given")
        return self

    @property
    def ladders(self) -> dict[int, Ladder]:
        """The ladder of SET pulses at 1, of RESET pulses at -1 where there is one."""
        found = {1: Ladder(*self.set_V, self.set_width_s)}
        return found if self.reset_V is None else found | {-1: Ladder(*self.reset_V, self.reset_width_s)}

    def windows(self, target_S: Array) -> Array:
        """Return half widths of the acceptance window [S]."""
        return self.window_of_target * target_S if self.window_S is None else np.full(target_S.shape, self.window_S)

    def run(self, bench: Bench) -> pd.DataFrame:
        """Return what is read before the first pulse and after each; a cell has rows until it is done."""
        return self.programmed(bench)[0]

    def programmed(self, bench: Bench) -> tuple[pd.DataFrame, Bench]:
        """Return the table of `run`, and the bench with all cells as they stand then, targets one after another."""
        n, targets = bench.devices.count, np.array(self.target_S)
        cells = OnBench(bench.only(np.tile(np.arange(n), targets.size)), self)
        table = self.program(cells, np.repeat(targets, n), bench.rng, bench.tell)
        table.insert(0, "device_id", table.pop("cell") % n + 1)
        table = table.assign(temperature_K=self.temperature_K)
        if self.set_gate_V is not None and (self.reset_V is None or self.reset_gate_V is not None):
            sets = table["pulse_voltage_V"] * self.set_V[0] >= 0
            table["gate_voltage_V"] = np.where(sets, self.set_gate_V, self.reset_gate_V or self.set_gate_V)
        order = ["device_id", "target_S", "cycle"]
        return table.sort_values(order, kind="stable", ignore_index=True), cells.bench

    def program(self, cells: Cells, target_S: Array, rng: np.random.Generator, tell: Cycles) -> pd.DataFrame:
        """Program cells.

        Parameters
        ----------
        cells : Cells
        target_S : ndarray (cell,)
        rng : Generator
            For the noise of the verifying reads.
        tell : callable
            Told how many of all pulses are done.

        Returns
        -------
        DataFrame
            `cell` (from 0), `target_S`, `window_S` (half width), `cycle` (pulses so far), `pulse_voltage_V`,
            `pulse_width_s`, `conductance_S`, `energy_J` of the pulse and, with read noise, `verified_S`, what the read
            showed; a row for each read.
        """
        window, ladders = self.windows(target_S), self.ladders
        count = target_S.size
        rung, last = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        conductance = cells.read()
        seen = self._seen(conductance, rng)
        before = np.stack(np.broadcast_arrays(0.0, self.set_width_s, np.zeros(count)))
        parts = [self._rows(np.arange(count), 0, before, conductance, seen)]
        side = _wanted(seen, target_S, window, ladders)
        for k in range(1, self.max_pulses + 1):
            active = np.flatnonzero(side)
            tell(k, self.max_pulses)
            if not active.size:
                break
            rung = np.where(side == last, rung + 1, 0)
            last = side.copy()
            given = np.zeros((3, count))
            for direction, ladder in ladders.items():
                mine, volts = active[side[active] == direction], ladder.amplitudes_V
                step = np.minimum(rung[mine], volts.size - 1)
                for at in np.unique(step):
                    chosen = mine[step == at]
                    energy = cells.pulse(chosen, float(volts[at]), ladder.width_s)
                    given[:, chosen] = np.stack(np.broadcast_arrays(volts[at], ladder.width_s, energy))
            conductance = cells.read()
            seen = self._seen(conductance, rng)
            parts.append(self._rows(active, k, given, conductance, seen))
            side = np.where(side != 0, _wanted(seen, target_S, window, ladders), 0)
        tell(self.max_pulses, self.max_pulses)
        table = pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
        table.insert(1, "target_S", target_S[table["cell"]])
        table.insert(2, "window_S", window[table["cell"]])
        return table.drop(columns="energy_J") if table["energy_J"].isna().any() else table

    def _seen(self, conductance_S: Array, rng: np.random.Generator) -> Array:
        """Return what the verifying reads show [S]."""
        sigma = self.read_sigma_S + self.read_sigma_of_value * conductance_S
        return conductance_S + sigma * rng.standard_normal(conductance_S.size) if self._noisy else conductance_S

    @property
    def _noisy(self) -> bool:
        return self.read_sigma_S > 0 or self.read_sigma_of_value > 0

    def _rows(
        self, which: NDArray[np.int64], k: int, given: Array, conductance_S: Array, seen_S: Array
    ) -> dict[str, Any]:
        """Return the rows of one read, a column each."""
        volts, width, energy = given[:, which]
        rows = {
            "cell": which, "cycle": np.full(which.size, k), "pulse_voltage_V": volts, "pulse_width_s": width,
            "conductance_S": conductance_S[which], "energy_J": energy,
        }  # fmt: skip
        return rows | ({"verified_S": seen_S[which]} if self._noisy else {})

    def extremes(self) -> tuple[float, float]:
        """Return lowest and highest amplitude."""
        ends = [volts for ladder in self.ladders.values() for volts in (ladder.first_V, ladder.last_V)]
        return min(*ends, 0.0), max(*ends, 0.0)


def _wanted(seen_S: Array, target_S: Array, window_S: Array, ladders: dict[int, Ladder]) -> NDArray[np.int64]:
    """Return 1 for cells that want a SET pulse, -1 for a RESET pulse, 0 for those that are done or cannot go on."""
    side = np.where(np.abs(seen_S - target_S) <= window_S, 0, np.where(seen_S < target_S, 1, -1))
    return np.where(np.isin(side, list(ladders)), side, 0)


class OnBench:
    """Devices on the bench as cells of a scheme; `bench` is how they stand now.

    Raises
    ------
    BadInput
        A model that has a polarization in place of a conductance.
    """

    def __init__(self, bench: Bench, scheme: WriteVerify) -> None:
        self.scheme = scheme
        self.bench = replace(bench, progress=None)
        if bench.model.charge != 0 and bench.model.drain is None:
            raise BadInput(f"{bench.model.name}: write_verify reads a conductance, this model has a polarization")
        if scheme.rest_s:
            self.bench = self.bench.after(joined([self._rest], scheme.temperature_K))

    @property
    def _rest(self) -> Piece:
        return Piece(self.scheme.rest_s, 0.0, 0.0)

    def read(self) -> Array:
        """Return conductances [S]."""
        return self.bench.answer(self.scheme.read_V, self.scheme.temperature_K)["conductance_S"]

    def pulse(self, which: NDArray[np.int64], amplitude_V: float, width_s: float) -> Array:
        """Give some devices a pulse and the rest after it; return its energy [J]."""
        chosen = self.bench.only(which)
        if self.scheme.c2c:
            changed = redrawn(chosen.model, chosen.devices, self.scheme.c2c, chosen.rng)
            chosen = replace(chosen, devices=changed)
        is_set = amplitude_V * self.scheme.set_V[0] > 0
        compliance = self.scheme.compliance_A if is_set else None
        gate_V = self.scheme.set_gate_V if is_set else self.scheme.reset_gate_V
        wave = joined([*pulse(amplitude_V, width_s, number=0), self._rest], self.scheme.temperature_K)
        done = chosen.gated(gate_V).apply(wave, compliance)
        states = self.bench.states.copy()
        states[which] = done.states[-1]
        self.bench = replace(self.bench, states=states)
        return done.energy_J[-1]
