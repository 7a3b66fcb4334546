"""Experiments as a user thinks of them: their settings, their waveforms, and the tidy table they give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Annotated, Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from nvmphys.devices.model import Array, DeviceModel
from nvmphys.errors import BadInput
from nvmphys.simulate.devices import Devices
from nvmphys.simulate.noise import noise_paths
from nvmphys.simulate.transient import Compliance, Progress, Transient, drain_current, read, transient
from nvmphys.simulate.waveform import ROOM_K, Piece, Waveform, joined, pulse

Volts = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, int | float) else value


DRAIN_READ_V = 0.1
"""Voltage at the drain where a transistor's conductance is read [V]."""
Many = BeforeValidator(_one_or_many)
"""For a setting of many values: one value alone will do."""
_GATE = "voltage at the gate of the access transistor {} [V]; none for that of the reads"


@dataclass(frozen=True, eq=False)
class Bench:
    """Devices on the bench: the model, the devices, their states, and what is told while they are measured.

    Attributes
    ----------
    model : DeviceModel
    devices : Devices
    states : ndarray (device, unit, state)
        In units of their scales.
    rng : Generator
    progress : callable or None
    """

    model: DeviceModel
    devices: Devices
    states: Array
    rng: np.random.Generator
    progress: Progress | None = None

    def apply(self, waveform: Waveform, compliance_A: Compliance = None) -> Transient:
        """Return what the devices do under a waveform, from their states on."""
        return self._transient(waveform, compliance_A, self.progress)

    def after(self, waveform: Waveform, gate_V: float | None = None) -> Bench:
        """Return the bench after a waveform, with another voltage meanwhile at the gates of access transistors."""
        return replace(self, states=self.gated(gate_V)._transient(waveform, None, None).states[-1])

    def gated(self, gate_V: float | None) -> Bench:
        """Return the bench with another voltage at the gates of its access transistors; none leaves it as it is.

        Raises
        ------
        BadInput
            "… has no access transistor …", or a voltage out of bounds.
        """
        if gate_V is None:
            return self
        if self.model.access is None:
            raise BadInput(
                f"{self.model.name} has no access transistor: leave gate_V out, or take a model in series with one, "
                "whose name ends in _1t1r"
            )
        name = self.model.access.gate
        volts = np.full(self.devices.count, self.model.values({name: gate_V})[name])
        return replace(self, devices=replace(self.devices, values=self.devices.values | {name: volts}))

    def _transient(self, waveform: Waveform, compliance_A: Compliance, progress: Progress | None) -> Transient:
        return transient(
            self.model, waveform, self.devices, start=self.states, compliance_A=compliance_A, rng=self.rng,
            keep_states=False, progress=progress,
        )  # fmt: skip

    def tell(self, done: int, total: int) -> None:
        """Tell how many of all pulses are done."""
        if self.progress is not None:
            self.progress(f"pulses on {self.model.name}", done, total)

    def only(self, chosen: NDArray[np.int64]) -> Bench:
        """Return the bench with some of the devices."""
        return replace(self, devices=self.devices.only(chosen), states=self.states[chosen])

    def answer(self, read_V: float, temperature_K: float) -> dict[str, Array]:
        """Return what is read of each device (device,): its conductance, or its polarization at 0 V.

        Of a transistor `read_V` is on the gate, and its conductance is that from drain to source at `DRAIN_READ_V`.
        """
        if self.model.drain is not None:
            current = self.drain_current(read_V, DRAIN_READ_V, temperature_K)
            return {"gate_voltage_V": np.full(current.shape, read_V), "conductance_S": current / DRAIN_READ_V}
        if self.model.charge != 0:
            return {
                "polarization_C_per_m2": self.polarization(read(self.model, self.devices, self.states, 0.0, ROOM_K)[1])
            }
        current, _ = read(self.model, self.devices, self.states, read_V, temperature_K)
        return {"conductance_S": current / read_V}

    def drain_current(self, gate_V: float, drain_V: float, temperature_K: float) -> Array:
        """Return the drain current of each transistor [A], its states as they are."""
        return drain_current(self.model, self.devices, self.states, gate_V, drain_V, temperature_K)

    def polarization(self, charge_C: Array) -> Array:
        """Return charge over area (…, device) [C/m²]."""
        if "area" not in self.devices.values:
            raise BadInput(f"{self.model.name} has no charge over an area: this experiment is for ferroelectrics")
        return charge_C / self.devices.values["area"]


class Experiment(BaseModel):
    """Settings of an experiment; `run` makes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: ClassVar[str]

    def run(self, bench: Bench) -> pd.DataFrame:
        """Return the tidy table, devices one after another."""
        raise NotImplementedError

    def extremes(self) -> tuple[float, float]:
        """Return lowest and highest voltage of the experiment [V]."""
        raise NotImplementedError


class Isothermal(Experiment):
    """An experiment at one temperature."""

    temperature_K: Positive = Field(ROOM_K, description="ambient temperature [K]")


def _leg(start_V: float, end_V: float, duration_s: float, points: int) -> Iterator[Piece]:
    """Yield a straight piece, looked at at equal steps."""
    volts = np.linspace(start_V, end_V, points + 1)
    for first, last in pairwise(volts):
        yield Piece(duration_s / points, float(first), float(last), observed=True)


def _long(bench: Bench, columns: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """Return a table of columns (row,) or (row, device), devices one after another."""
    rows = max(column.shape[0] for column in columns.values())
    table: dict[str, NDArray[Any]] = {"device_id": np.repeat(np.arange(1, bench.devices.count + 1), rows)}
    for name, column in columns.items():
        spread = np.broadcast_to(column[:, np.newaxis], (rows, bench.devices.count)) if column.ndim == 1 else column
        table[name] = spread.T.ravel()
    return pd.DataFrame(table)


class Sweep(Isothermal):
    """Triangular sweeps 0 → positive → 0 → negative → 0 at a ramp rate: current against voltage."""

    name = "sweep"
    positive_V: Volts = Field(2.0, description="first turning point [V]")
    negative_V: Volts = Field(-2.0, description="second turning point [V]")
    ramp_rate_V_per_s: Positive = Field(1e3, description="ramp rate [V/s]")
    compliance_A: float | None = Field(None, description="largest current of the source at positive voltage [A]")
    negative_compliance_A: float | None = Field(None, description="the same at negative voltage [A]")
    gate_V: Volts | None = Field(None, description=_GATE.format("meanwhile"))
    n_cycles: Count = Field(1, description="sweeps one after another")
    points: Count = Field(400, description="points of a sweep")

    def run(self, bench: Bench) -> pd.DataFrame:
        """Return time, voltage and current, a cycle each sweep."""
        legs = [(0.0, self.positive_V), (self.positive_V, 0.0), (0.0, self.negative_V), (self.negative_V, 0.0)]
        lengths = np.array([abs(end - start) for start, end in legs])
        if not lengths.any():
            raise BadInput("sweep: positive_V and negative_V cannot both be 0 V: give one of them a value")
        shares = np.maximum(1, np.rint(self.points * lengths / lengths.sum())).astype(int) * (lengths > 0)
        one = [
            piece
            for (start, end), length, n in zip(legs, lengths, shares, strict=True)
            for piece in _leg(start, end, length / self.ramp_rate_V_per_s, int(n))
            if n
        ]
        done = bench.gated(self.gate_V).apply(
            joined(one * self.n_cycles, self.temperature_K), (self.compliance_A, self.negative_compliance_A)
        )
        cycle = np.repeat(np.arange(1, self.n_cycles + 1), len(one))
        table = {"cycle": cycle, "time_s": done.time_s, "temperature_K": np.full(cycle.size, self.temperature_K)}
        table |= {} if self.gate_V is None else {"gate_voltage_V": np.full(cycle.size, self.gate_V)}
        return _long(bench, table | {"voltage_V": done.voltage_V, "current_A": done.current_A})

    def extremes(self) -> tuple[float, float]:
        """Return both turning points."""
        return min(self.positive_V, self.negative_V, 0.0), max(self.positive_V, self.negative_V, 0.0)

    @field_validator("compliance_A", "negative_compliance_A")
    @classmethod
    def _limit(cls, value: float | None) -> float | None:
        if value is not None and not (np.isfinite(value) and value > 0):
            raise ValueError(f"must be > 0 A (got {value:g} A): give none for a source without a limit")
        return value


class Pulse(Isothermal):
    """Single pulses of every amplitude, width, gate voltage and falling edge, each on fresh devices, then read."""

    name = "pulse"
    amplitude_V: Annotated[tuple[Volts, ...], Many] = Field((2.0,), description="amplitudes [V]", min_length=1)
    width_s: Annotated[tuple[Positive, ...], Many] = Field((1e-7,), description="widths [s]", min_length=1)
    gate_V: Annotated[tuple[Volts, ...] | None, Many] = Field(
        None, description=_GATE.format("during the pulse"), min_length=1
    )
    edge_s: NotNegative = Field(0.0, description="length of each edge [s]")
    trailing_s: Annotated[tuple[NotNegative, ...] | None, Many] = Field(
        None, description="lengths of the falling edge, where it is another [s]", min_length=1
    )
    trailing_steps: Count | None = Field(None, description="equal steps of the falling edge; straight without")
    rest_s: NotNegative = Field(0.0, description="rest at 0 V before the read [s]")
    read_V: Positive = Field(0.1, description="read voltage [V]")

    def run(self, bench: Bench) -> pd.DataFrame:
        """Return what is read after each pulse."""
        if self.trailing_steps is not None and self.trailing_s is None:
            raise BadInput(f"trailing_steps needs trailing_s, the length of the edge (got {self.trailing_steps} steps)")
        conditions = list(
            product(self.amplitude_V, self.width_s, self.gate_V or (None,), self.trailing_s or (None,))
        )  # fmt: skip
        read_values: dict[str, list[Array]] = {}
        for volts, width, gate, fall in conditions:
            pieces = pulse(volts, width, self.edge_s, number=0, trailing_s=fall, trailing_steps=self.trailing_steps)
            after = bench.after(joined([*pieces, Piece(self.rest_s, 0.0, 0.0)], self.temperature_K), gate)
            for column, value in after.answer(self.read_V, self.temperature_K).items():
                read_values.setdefault(column, []).append(value)
        volts_V, widths_s, gates_V, falls_s = (np.array(each) for each in zip(*conditions, strict=True))
        table = {"pulse_voltage_V": volts_V, "pulse_width_s": widths_s}
        table |= {} if self.gate_V is None else {"gate_voltage_V": gates_V}
        table |= {} if self.trailing_s is None else {"trailing_s": falls_s}
        table["temperature_K"] = np.full(volts_V.size, self.temperature_K)
        return _long(bench, table | {column: np.stack(values) for column, values in read_values.items()})

    def extremes(self) -> tuple[float, float]:
        """Return lowest and highest amplitude."""
        return min(*self.amplitude_V, 0.0), max(*self.amplitude_V, 0.0)


class PulseTrain(Isothermal):
    """Identical pulses, read after each; with `opposite_V`, as many of that amplitude afterwards."""

    name = "pulse_train"
    amplitude_V: Volts = Field(2.0, description="amplitude [V]")
    opposite_V: Volts | None = Field(None, description="amplitude of the pulses back [V]")
    gate_V: Volts | None = Field(None, description=_GATE.format("during a pulse"))
    opposite_gate_V: Volts | None = Field(None, description="the same of the pulses back; none for gate_V")
    n_pulses: Count = Field(50, description="pulses of one amplitude")
    width_s: Positive = Field(1e-7, description="width of a pulse [s]")
    edge_s: NotNegative = Field(0.0, description="length of each edge [s]")
    rest_s: NotNegative = Field(0.0, description="rest at 0 V before each read, the first too [s]")
    read_V: Positive = Field(0.1, description="read voltage [V]")

    def run(self, bench: Bench) -> pd.DataFrame:
        """Return what is read before the first pulse and after each."""
        volts = [self.amplitude_V] * self.n_pulses
        volts += [] if self.opposite_V is None else [self.opposite_V] * self.n_pulses
        back = self.gate_V if self.opposite_gate_V is None else self.opposite_gate_V
        gates = ([self.gate_V] * self.n_pulses + [back] * self.n_pulses)[: len(volts)]
        if self.rest_s:
            bench = bench.after(joined([Piece(self.rest_s, 0.0, 0.0)], self.temperature_K))
        read_values = [bench.answer(self.read_V, self.temperature_K)]
        for k, (amplitude, gate) in enumerate(zip(volts, gates, strict=True)):
            one = [*pulse(amplitude, self.width_s, self.edge_s, number=0), Piece(self.rest_s, 0.0, 0.0)]
            bench = bench.after(joined(one, self.temperature_K), gate)
            bench.tell(k + 1, len(volts))
            read_values.append(bench.answer(self.read_V, self.temperature_K))
        table = {"cycle": np.arange(len(volts) + 1), "pulse_voltage_V": np.array([0.0, *volts])}
        table["pulse_width_s"] = np.full(len(volts) + 1, self.width_s)
        table |= {} if gates[0] is None or gates[-1] is None else {"gate_voltage_V": np.array([gates[0], *gates])}
        table["temperature_K"] = np.full(len(volts) + 1, self.temperature_K)
        return _long(bench, table | {name: np.stack([r[name] for r in read_values]) for name in read_values[0]})

    def extremes(self) -> tuple[float, float]:
        """Return lowest and highest amplitude."""
        back = self.opposite_V or 0.0
        return min(self.amplitude_V, back, 0.0), max(self.amplitude_V, back, 0.0)


class Ispp(Isothermal):
    """Incremental-step programming: pulses of rising amplitude until the conductance has crossed the target."""

    name = "ispp"
    start_V: Volts = Field(1.0, description="first amplitude [V]")
    step_V: Volts = Field(0.05, description="step of the amplitude [V]")
    stop_V: Volts = Field(2.5, description="last amplitude [V]")
    width_s: Positive = Field(1e-7, description="width of a pulse [s]")
    rest_s: NotNegative = Field(0.0, description="rest at 0 V before each read [s]")
    target_S: Positive = Field(1e-4, description="conductance to reach [S]")
    gate_V: Volts | None = Field(None, description=_GATE.format("during a pulse"))
    read_V: Positive = Field(0.1, description="read voltage [V]")

    def run(self, bench: Bench) -> pd.DataFrame:
        """Return what is read after each pulse that a device got; devices stop one by one."""
        steps = (self.stop_V - self.start_V) / self.step_V if self.step_V else -1.0
        if not 0 <= steps < 10_000:
            raise BadInput(
                f"ispp: step_V must lead from start_V to stop_V in fewer than 10,000 pulses (got {self.start_V:g} V by "
                f"{self.step_V:g} V to {self.stop_V:g} V)"
            )
        count = int(steps + 1e-6)  # rounding aside, no pulse beyond stop_V
        first = bench.answer(self.read_V, self.temperature_K)["conductance_S"]
        upward = first < self.target_S
        active = np.arange(bench.devices.count)
        parts, ids = [], np.arange(1, bench.devices.count + 1)
        for k in range(count + 1):
            amplitude = self.start_V + k * self.step_V
            pieces = [*pulse(amplitude, self.width_s, number=0), Piece(self.rest_s, 0.0, 0.0)]
            one = joined(pieces, self.temperature_K)
            bench = bench.after(one, self.gate_V)
            bench.tell(k + 1, count + 1)
            found = bench.answer(self.read_V, self.temperature_K)["conductance_S"]
            columns = {
                "device_id": ids[active], "cycle": k + 1, "pulse_voltage_V": amplitude, "pulse_width_s": self.width_s,
                "temperature_K": self.temperature_K, "target_S": self.target_S, "conductance_S": found,
            }  # fmt: skip
            parts.append(pd.DataFrame(columns | ({} if self.gate_V is None else {"gate_voltage_V": self.gate_V})))
            short = np.where(upward[active], found < self.target_S, found > self.target_S)
            if not short.any():
                break
            bench, active = bench.only(np.flatnonzero(short)), active[short]
        return pd.concat(parts).sort_values(["device_id", "cycle"], kind="stable", ignore_index=True)

    def extremes(self) -> tuple[float, float]:
        """Return lowest and highest amplitude."""
        return min(self.start_V, self.stop_V, 0.0), max(self.start_V, self.stop_V, 0.0)


class Retention(Experiment):
    """Reads at zero bias over time, at one temperature after another."""

    name = "retention"
    temperature_K: Annotated[tuple[Positive, ...], Many] = Field(
        (ROOM_K,), description="temperatures [K]", min_length=1
    )
    duration_s: Annotated[tuple[Positive, ...], Many] = Field(
        (1e4,), description="time at each temperature [s], or at all", min_length=1
    )
    first_s: Positive = Field(1e-3, description="first read after a change of temperature [s]")
    points: Annotated[int, Field(ge=2, le=1_000_000)] = Field(
        40, description="reads at each temperature, evenly in the logarithm of time"
    )
    read_V: Positive = Field(0.1, description="read voltage [V]")
    read_at_K: Positive | None = Field(None, description="temperature of the reads [K], where it is another")

    def run(self, bench: Bench) -> pd.DataFrame:
        """Return the conductance over time."""
        spans = self.duration_s * (len(self.temperature_K) if len(self.duration_s) == 1 else 1)
        if len(spans) != len(self.temperature_K):
            raise BadInput(
                f"retention: duration_s must be one for all or one for each temperature (got {len(spans)} for "
                f"{len(self.temperature_K)})"
            )
        if self.first_s >= min(spans):
            raise BadInput(f"retention: first_s must be shorter than duration_s (got {self.first_s:g} s)")
        time, times, heats, found = 0.0, [], [], []
        for kelvins, span in zip(self.temperature_K, spans, strict=True):
            at = 0.0
            for end in np.geomspace(self.first_s, span, self.points):
                bench = bench.after(joined([Piece(end - at, 0.0, 0.0)], kelvins))
                at = end
                times.append(time + at)
                heats.append(kelvins)
                found.append(bench.answer(self.read_V, self.read_at_K or kelvins))
            time += span
        read_values = {name: np.stack([r[name] for r in found]) for name in found[0]}
        return _long(bench, {"time_s": np.array(times), "temperature_K": np.array(heats)} | read_values)

    def extremes(self) -> tuple[float, float]:
        """Return 0 V twice."""
        return 0.0, 0.0


class Pund(Isothermal):
    """Preset, then two positive and two negative pulses with a rest after each: current over time."""

    name = "pund"
    amplitude_V: Positive = Field(3.0, description="amplitude [V]")
    width_s: Positive = Field(1e-5, description="time at the amplitude [s]")
    edge_s: Positive = Field(1e-6, description="length of each edge [s]")
    rest_s: Positive = Field(1e-5, description="rest at 0 V between pulses [s]")
    points: Count = Field(10, description="points of an edge; the same spacing throughout, as an instrument samples")

    def run(self, bench: Bench) -> pd.DataFrame:
        """Return time, voltage and current, which is the mean since the sample before."""

        def leg(start_V: float, end_V: float, duration_s: float) -> Iterator[Piece]:
            return _leg(start_V, end_V, duration_s, max(1, round(duration_s / self.edge_s * self.points)))

        longest = max(self.width_s, self.rest_s)
        if longest / self.edge_s * self.points > 1e6:
            raise BadInput(
                f"pund: width_s and rest_s must be at most 1e6 points long (got {longest:g} s at {self.points} points "
                f"in {self.edge_s:g} s): lengthen edge_s or take fewer points"
            )
        pieces = list(leg(0.0, 0.0, self.rest_s))
        for sign in (-1, 1, 1, -1, -1):
            top = sign * self.amplitude_V
            pieces += [
                *leg(0.0, top, self.edge_s),
                *leg(top, top, self.width_s),
                *leg(top, 0.0, self.edge_s),
                *leg(0.0, 0.0, self.rest_s),
            ]
        done = bench.apply(joined(pieces, self.temperature_K))
        heat = np.full(done.time_s.size, self.temperature_K)
        return _long(
            bench,
            {"time_s": done.time_s, "temperature_K": heat, "voltage_V": done.voltage_V, "current_A": done.current_A},
        )

    def extremes(self) -> tuple[float, float]:
        """Return both amplitudes."""
        return -self.amplitude_V, self.amplitude_V


class PvLoop(Isothermal):
    """Triangular loops: polarization against voltage; the first, which starts where the device is, is left out."""

    name = "pv_loop"
    amplitude_V: Positive = Field(3.0, description="amplitude [V]")
    frequency_Hz: Positive = Field(1e4, description="loops per second [Hz]")
    n_cycles: Count = Field(1, description="loops")
    points: Count = Field(400, description="points of a loop")

    def run(self, bench: Bench) -> pd.DataFrame:
        """Return voltage and polarization, a cycle each loop."""
        quarter, n, top = 0.25 / self.frequency_Hz, max(1, self.points // 4), self.amplitude_V
        one = [*_leg(0.0, top, quarter, n), *_leg(top, -top, 2 * quarter, 2 * n), *_leg(-top, 0.0, quarter, n)]
        done = bench.apply(joined(one * (self.n_cycles + 1), self.temperature_K))
        later = slice(len(one), None)
        cycle = np.repeat(np.arange(1, self.n_cycles + 1), len(one))
        heat = np.full(cycle.size, self.temperature_K)
        return _long(
            bench,
            {
                "cycle": cycle, "temperature_K": heat, "voltage_V": done.voltage_V[later],
                "polarization_C_per_m2": bench.polarization(done.charge_C[later]),
            },
        )  # fmt: skip

    def extremes(self) -> tuple[float, float]:
        """Return both amplitudes."""
        return -self.amplitude_V, self.amplitude_V


class ReadNoise(Isothermal):
    """Reads at one voltage, evenly in time, of devices that stay as they are: current with its noise over time.

    Of a transistor the read voltage is on the gate, and the drain current at `DRAIN_READ_V` is read.
    """

    name = "read_noise"
    read_V: Positive = Field(0.1, description="read voltage [V]")
    sampling_Hz: Positive = Field(1e3, description="reads per second [Hz]")
    points: Annotated[int, Field(ge=2, le=10_000_000)] = Field(4096, description="reads")
    rest_s: NotNegative = Field(0.0, description="rest at 0 V before the first read [s]")

    def run(self, bench: Bench) -> pd.DataFrame:
        """Return current and conductance over time."""
        if self.rest_s:
            bench = bench.after(joined([Piece(self.rest_s, 0.0, 0.0)], self.temperature_K))
        time = np.arange(self.points) / self.sampling_Hz
        drain_V = None if bench.model.drain is None else DRAIN_READ_V
        found = noise_paths(
            bench.model, bench.devices, bench.states, time, voltage_V=self.read_V, drain_V=drain_V,
            temperature_K=self.temperature_K, rng=bench.rng, progress=bench.progress,
        )  # fmt: skip
        across = self.read_V if drain_V is None else drain_V
        table = {"time_s": time, "temperature_K": np.full(time.size, self.temperature_K)}
        table |= {} if drain_V is None else {"gate_voltage_V": np.full(time.size, self.read_V)}
        table |= {"voltage_V": np.full(time.size, across)}
        return _long(bench, table | {"current_A": found.current_A, "conductance_S": found.current_A / across})

    def extremes(self) -> tuple[float, float]:
        """Return 0 V and the read voltage."""
        return 0.0, self.read_V


class IdVg(Isothermal):
    """Drain current against gate voltage after pulses of both signs, each pulse on fresh devices.

    The gate is swept so fast that nothing switches meanwhile: the states are those that the pulse and the delay left.
    """

    name = "id_vg"
    start_V: Volts = Field(-1.0, description="first gate voltage [V]")
    stop_V: Volts = Field(3.0, description="last gate voltage [V]")
    points: Annotated[int, Field(ge=2, le=1_000_000)] = Field(161, description="points of a curve")
    drain_V: Annotated[tuple[Positive, ...], Many] = Field((0.1,), description="drain voltages [V]", min_length=1)
    amplitude_V: Annotated[tuple[Positive, ...], Many] = Field(
        (), description="amplitudes of the pulses, each with either sign [V]; none for the devices as they are"
    )
    width_s: Annotated[tuple[Positive, ...], Many] = Field((1e-6,), description="widths [s]", min_length=1)
    edge_s: NotNegative = Field(0.0, description="length of each edge [s]")
    delay_s: NotNegative = Field(0.0, description="rest at 0 V between pulse and curve [s]")

    def run(self, bench: Bench) -> pd.DataFrame:
        """Return the drain current at each gate voltage, a curve for each drain voltage and pulse."""
        if self.start_V == self.stop_V:
            raise BadInput(f"id_vg: start_V and stop_V must differ (got {self.start_V:g} V twice)")
        gate = np.linspace(self.start_V, self.stop_V, self.points)
        pulses = [(sign * top, width) for top in self.amplitude_V for width in self.width_s for sign in (-1, 1)]
        curves: list[dict[str, float]] = []
        found = []
        for k, (volts, width) in enumerate(pulses or [(0.0, 0.0)]):
            after = bench
            if pulses:
                pieces = [*pulse(volts, width, self.edge_s, number=0), Piece(self.delay_s, 0.0, 0.0)]
                after = bench.after(joined(pieces, self.temperature_K))
            for drain in self.drain_V:
                curves.append({"pulse_voltage_V": volts, "pulse_width_s": width, "voltage_V": drain})
                found += [after.drain_current(float(each), drain, self.temperature_K) for each in gate]
            bench.tell(k + 1, len(pulses) or 1)
        columns = {name: np.repeat([curve[name] for curve in curves], gate.size) for name in curves[0]}
        if not pulses:
            columns = {"voltage_V": columns["voltage_V"]}
        columns |= {"gate_voltage_V": np.tile(gate, len(curves)), "current_A": np.stack(found)}
        columns["temperature_K"] = np.full(len(found), self.temperature_K)
        return _long(bench, columns)

    def extremes(self) -> tuple[float, float]:
        """Return lowest and highest voltage of the gate."""
        top = max(self.amplitude_V, default=0.0)
        return min(self.start_V, self.stop_V, -top, 0.0), max(self.start_V, self.stop_V, top, 0.0)


EXPERIMENTS: Mapping[str, type[Experiment]] = {
    kind.name: kind for kind in (Sweep, Pulse, PulseTrain, Ispp, Retention, ReadNoise, Pund, PvLoop, IdVg)
}
"""What can be simulated, by name."""
