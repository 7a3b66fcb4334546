"""Noise of reads as paths: spectra, dwell times, what they depend on, what a seed fixes, the way into a circuit."""

from __future__ import annotations

import functools
from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from scipy.signal import welch
from scipy.stats import binom, expon, kstest

from nvmphys.codegen import generate
from nvmphys.codegen.noisy import noisy_subcircuit
from nvmphys.crossbar.ngspice import run
from nvmphys.devices import device, devices
from nvmphys.devices.model import VOLTAGE, DeviceModel, State, symbol
from nvmphys.devices.noise import FEFET_NOISE, SIZE, Noise
from nvmphys.errors import BadInput
from nvmphys.parameters import Parameter
from nvmphys.simulate import simulate
from nvmphys.simulate.devices import alike, drawn
from nvmphys.simulate.noise import fluctuators, noise_paths

KT_300K_EV = 8.617333262e-5 * 300
NOISY = [name for name in devices() if device(name).noise is not None]
START = {
    "rram_gap": {"g": 0.8}, "pcm_accumulative": {"g": 10.0}, "pcm_thermal": {"ua": 0.05}, "fefet": {"y": 1.0, "s": 1.0},
}  # fmt: skip
ONE_TRAP = {"noise_q": 0.0, "rtn_spread": 0.0, "rtn_level": 0.0}
ONE_BARRIER = {"rtn_low": 0.6, "rtn_high": 0.6}


def transistor() -> DeviceModel:
    """Return a subthreshold transistor with the noise of FeFETs: ln I rises by 1/n·kT/q, whatever its state."""
    state = State("s", "nothing", "1", 1.0, sp.Integer(0), sp.Integer(1), sp.Integer(0))
    swing = Parameter("swing", "V", 0.04, (0.01, 1.0), "voltage by which the current rises by e")
    return DeviceModel(
        "transistor", "fefet", "Transistor below threshold", (swing,), (state,),
        1e-9 * (sp.exp(VOLTAGE / symbol("swing")) - 1), (sp.Integer(0),), {}, {}, (), (), noise=FEFET_NOISE,
    )  # fmt: skip


@functools.cache
def model_of(name):
    return transistor() if name == "transistor" else device(name)


def paths(name, time_s, count=1, rng=1, start=None, voltage_V=None, temperature_K=300.0, **values):
    model = model_of(name)
    cells = alike(model, values, count)
    states = cells.start(model, START.get(name, {}) | (start or {}))
    if voltage_V is None:
        voltage_V = 0.1 if model.drain is None else 1.0
    return noise_paths(
        model, cells, states, time_s, voltage_V=voltage_V, drain_V=None if model.drain is None else 0.1,
        temperature_K=temperature_K, rng=rng,
    )  # fmt: skip


def strength(name, current_A, voltage_V=0.1, temperature_K=300.0):
    """Return A² by hand, from the formula of each technology and its published or measured numbers."""
    conductance = abs(current_A / voltage_V)
    if model_of(name).technology == "rram":
        size = 1.9e-6 / (1.9e-6 / 1e-3 + (conductance / 1e-4) ** 1.9)
    elif model_of(name).technology == "pcm":
        size = min(0.0088 / (conductance / 25e-6) ** 0.65, 0.2) ** 2
    else:  # d(ln I)/dV = e^(V/n)/(n·(e^(V/n) - 1))
        size = 1e-8 * (1 / (0.04 * -np.expm1(-voltage_V / 0.04))) ** 2
    return size * temperature_K / 300


def octaves(factor, rate_Hz, segment):
    """Return middles [Hz] and mean density of octaves from the 4th line of a spectrum on."""
    f, density = welch(factor, rate_Hz, nperseg=segment, axis=0)
    mean = density.mean(axis=1)
    edges = f[4] * 2.0 ** np.arange(np.log2(f[-1] / f[4]))
    return [(f[(f >= a) & (f < b)], mean[(f >= a) & (f < b)]) for a, b in pairwise(edges)]


@pytest.mark.parametrize("name", ["rram_gap", "pcm_accumulative", "transistor"])
def test_the_spectrum_of_a_path_follows_its_law(name):
    rate = 1e3
    found = paths(name, np.arange(2**15) / rate, 20, rng=2, rtn_traps=0.0)
    size, beta = strength(name, found.quiet_A[0]), 1.05 if "rram" in name else 1.0
    for f, density in octaves(found.factor, rate, 2**12):
        if f[-1] < rate / 5:
            assert (density * f**beta).mean() == pytest.approx(size, rel=0.05), f[0]
    assert found.law([3.0])[0] == pytest.approx(np.full(20, size / 3.0**beta), rel=1e-5)


@pytest.mark.parametrize("beta", [0.7, 0.85, 1.0, 1.2, 1.4])
def test_fluctuators_sampled_at_a_step_add_up_to_the_law_between_the_ends_of_its_range(beta):
    """A trap of ±a/2 seen at steps h has the spectrum h·a²/2·(1 - r²)/(1 - 2r·cos(2πf·h) + r²), r = e^(-h/τ)."""
    step, duration = 2e-3, 20.0
    tau, size = fluctuators(3e-6, beta, step, duration)
    f = np.geomspace(1 / duration, 0.2 / step, 50)[:, np.newaxis]
    r = np.exp(-step / tau)
    seen = 0.5 * step * size**2 * (1 - r**2) / (1 - 2 * r * np.cos(2 * np.pi * f * step) + r**2)
    assert seen.sum(axis=1) == pytest.approx(3e-6 / f[:, 0] ** beta, rel=0.04)


def dwells(path):
    """Return how long, in steps, a path stays low and high, the first and last stay left out."""
    low = path < np.sqrt(path.min() * path.max())
    at = np.flatnonzero(np.diff(low.astype(int)))
    lengths = np.diff(at)
    first = 0 if low[at[0] + 1] else 1  # 0: the first whole stay is low
    return lengths[first::2], lengths[1 - first :: 2]


def holm(p):
    """Return the smallest p-value corrected for having looked at all of them."""
    ordered = np.sort(p)
    return np.maximum.accumulate(ordered * (ordered.size - np.arange(ordered.size))).min()


def with_one_trap(name, time_s, **how):
    """Return the path of a device with a single trap."""
    found = paths(name, time_s, 8, rtn_traps=1.0, **ONE_TRAP, **ONE_BARRIER, **how)
    return found.factor[:, next(k for k, own in enumerate(found.traps) if own.step.size == 1)]


def expected_dwells(voltage_V, temperature_K):
    """Return mean times to capture and to emission [s] of a barrier of 0.6 eV, by hand."""
    plain = 1e-13 * np.exp(0.6 / (KT_300K_EV * temperature_K / 300))
    return plain * np.exp(-voltage_V / 0.3), plain * np.exp(voltage_V / 0.6)


CONDITIONS = [
    (name, start, voltage, kelvins)
    for name, start in (
        ("rram_gap", {"g": 0.4}), ("rram_gap", {"g": 1.4}), ("rram_threshold", {"w": 0.2}),
        ("pcm_accumulative", {"g": 2.0}), ("pcm_accumulative", {"g": 15.0}),
    )
    for voltage, kelvins in ((0.05, 300.0), (0.2, 300.0), (0.1, 330.0))
]  # fmt: skip


def test_dwell_times_are_exponential_with_the_means_of_capture_and_emission():
    p, finest = [], 400
    for k, (name, start, voltage, kelvins) in enumerate(CONDITIONS):
        capture, emission = expected_dwells(voltage, kelvins)
        step = min(capture, emission) / finest
        path = with_one_trap(
            name, step * np.arange(300_000), rng=100 + k, start=start, voltage_V=voltage, temperature_K=kelvins
        )
        for lengths, mean in zip(dwells(path), (emission, capture), strict=True):
            assert lengths.size > 150
            spread = np.random.default_rng(k).random(lengths.size) - 0.5  # a stay is known to a step
            p.append(kstest((lengths + spread) * step, expon(scale=mean).cdf).pvalue)
    assert holm(np.array(p)) > 0.01
    assert holm(np.array([*p, 1e-5])) < 0.01  # it can fail
    assert np.quantile(p, 0.5) == pytest.approx(0.5, abs=0.3)


def test_bias_and_temperature_move_a_trap_as_its_expressions_say():
    (cold,), (hot,), (biased,) = (
        paths("rram_gap", [0.0, 1.0], 1, rng=4, rtn_traps=8.0, temperature_K=t, voltage_V=v).traps
        for t, v in ((300.0, 0.1), (340.0, 0.1), (300.0, 0.4))
    )
    assert cold.step.size > 2
    barrier = KT_300K_EV * np.log(cold.capture_s / 1e-13 * np.exp(0.1 / 0.3))
    assert np.log(cold.capture_s / hot.capture_s) == pytest.approx(barrier * (1 / KT_300K_EV) * (1 - 300 / 340))
    assert biased.capture_s / cold.capture_s == pytest.approx(np.exp(-0.3 / 0.3))
    assert biased.emission_s / cold.emission_s == pytest.approx(np.exp(0.3 / 0.6))
    assert ((barrier > 0.45 - 0.2) & (barrier < 0.95 + 0.2)).all()


def test_the_noise_depends_on_the_state_and_on_the_temperature():
    time = np.arange(10.0)
    for name, states in (("rram_gap", ({"g": 0.3}, {"g": 1.5})), ("pcm_accumulative", ({"g": 18.0}, {"g": 3.0}))):
        low_R, high_R = (paths(name, time, start=start, rng=1, rtn_traps=3.0) for start in states)
        for found in (low_R, high_R):
            assert found.strength[0] == pytest.approx(strength(name, found.quiet_A[0]))
        assert high_R.strength[0] > 5 * low_R.strength[0]
        hot = paths(name, time, start=states[0], rng=1, temperature_K=330.0)
        assert hot.strength[0] == pytest.approx(strength(name, hot.quiet_A[0], temperature_K=330.0))
        assert low_R.traps[0].step.size == high_R.traps[0].step.size > 0
        ratio = high_R.traps[0].step / low_R.traps[0].step
        assert (ratio > 5).all() if name == "rram_gap" else (ratio == 1).all()


def test_a_filled_trap_divides_the_current_by_one_plus_its_step():
    found = paths("rram_gap", np.linspace(0, 50, 4000), 6, rng=9, rtn_traps=2.0, noise_q=0.0, rtn_high=0.7)
    for device_path, own in zip(found.factor.T, found.traps, strict=True):
        levels = {1.0}
        for step in own.step:
            levels |= {level / (1 + step) for level in levels}
        assert np.abs(device_path[:, np.newaxis] - np.array(sorted(levels))).min(axis=1).max() < 1e-12
    assert {own.step.size for own in found.traps} >= {1, 2}
    assert found.current_A == pytest.approx(found.factor * found.quiet_A)


def test_a_trap_seen_at_uneven_times_keeps_its_share_and_forgets_at_its_rate():
    capture, emission = expected_dwells(0.1, 300.0)
    tau, share = 1 / (1 / capture + 1 / emission), emission / (capture + emission)
    time = tau * np.array([0.0, 0.1, 0.5, 3.0, 4.0])
    found = paths("rram_gap", time, 6000, rng=5, rtn_traps=1.0, **ONE_TRAP, **ONE_BARRIER)
    alone = np.array([own.step.size == 1 for own in found.traps])
    filled = (found.factor[:, alone] < 1).astype(float)
    n = filled.shape[1]
    assert n > 1500
    for row in filled:
        assert 1e-4 < binom.cdf(row.sum(), n, share) < 1 - 1e-4
    covariance = np.cov(filled) / (share * (1 - share))
    between = np.exp(-np.abs(time[:, np.newaxis] - time) / tau)
    assert covariance == pytest.approx(between, abs=5 / np.sqrt(n))


def test_the_law_with_a_trap_is_the_spectrum_of_its_path():
    capture, emission = expected_dwells(0.1, 300.0)
    tau = 1 / (1 / capture + 1 / emission)
    rate = 30 / tau
    found = paths("rram_gap", np.arange(2**15) / rate, 60, rng=6, rtn_traps=1.0, **ONE_TRAP, **ONE_BARRIER)
    alone = np.array([own.step.size == 1 for own in found.traps])
    step = found.traps[np.flatnonzero(alone)[0]].step[0]
    for f, density in octaves(found.factor[:, alone], rate, 2**11):
        lorentzian = (step / (1 + step)) ** 2 * capture * emission / (capture + emission) ** 2 * 4 * tau
        lorentzian = lorentzian / (1 + (2 * np.pi * f * tau) ** 2)
        assert found.law(f)[:, alone][:, 0] == pytest.approx(lorentzian)
        if f[-1] < rate / 15:
            assert (density / lorentzian).mean() == pytest.approx(1.0, rel=0.1), f[0]


@pytest.mark.parametrize("name", ["rram_gap", "pcm_accumulative"])
def test_a_seed_fixes_the_path_of_each_device_however_many_there_are(name):
    time = np.arange(50.0)
    many, few, other = paths(name, time, 9, rng=7), paths(name, time, 4, rng=7), paths(name, time, 4, rng=8)
    assert np.array_equal(many.factor[:, :4], few.factor)
    assert not np.array_equal(few.factor, other.factor)
    assert not np.array_equal(few.factor[:, 0], few.factor[:, 1])
    two, five = (simulate(name, "read_noise", n_devices=n, rng=3, settings={"points": 20}).table for n in (2, 5))
    assert np.array_equal(two["current_A"], five["current_A"][five["device_id"] <= 2])


def test_parameters_of_the_noise_are_set_and_spread_as_those_of_the_model():
    spread = {"noise_q": {"sigma": 0.2, "sigma_ref": "of_value"}}
    cells = drawn(device("rram_gap"), 500, np.random.default_rng(1), {"noise_q": 1e-5}, spread)
    assert cells.values["noise_q"].mean() == pytest.approx(1e-5, rel=0.05)
    assert cells.values["noise_q"].std() == pytest.approx(2e-6, rel=0.1)
    quiet = simulate("rram_gap", "read_noise", values={"noise_q": 0.0, "rtn_traps": 0.0}, settings={"points": 9}).table
    assert quiet["current_A"].nunique() == 1
    with pytest.raises(BadInput, match=r"unknown parameter of rram_gap 'noise_qq'"):
        simulate("rram_gap", "read_noise", values={"noise_qq": 1.0})
    with pytest.raises(BadInput, match=r"noise_beta must lie within 0\.7 … 1\.4"):
        simulate("rram_gap", "read_noise", values={"noise_beta": 2.0})
    assert "noise_q" not in generate(device("rram_gap"), "ngspice")


@pytest.mark.parametrize("name", NOISY)
def test_a_path_injected_into_ngspice_comes_back(name):
    time = np.cumsum(np.random.default_rng(1).uniform(0.5, 2.0, 40)) * 1e-6
    found = paths("rram_gap", time, 1, rng=12, temperature_K=300.15, rtn_low=0.2, rtn_traps=5.0)
    model, factor = device(name), found.factor[:, 0]
    assert np.ptp(factor) > 1e-4
    bias = "V1 a 0 0.1\nX1 a 0" if model.drain is None else "Vg g 0 1.0\nV1 a 0 0.1\nX1 g 0 a"
    deck = (
        f"noise\n{generate(model, 'ngspice', start=START.get(name, {}))}{noisy_subcircuit(model, time, factor)}"
        f"{bias} {name}_noisy\n.options reltol=1e-6 abstol=1e-18 vntol=1e-12 temp=27 xmu=0.495\n"
        f".tran 5e-7 {float(time[-1]) + 1e-6!r} 0 5e-7 uic\n.save i(v1) i(v.x1.vs)\n.end\n"
    )
    plot = run(deck).plot
    total, inside = -plot["i(v1)"], plot["i(v.x1.vs)"]
    # the last point before the next value sets in: there the path is flat
    at = np.searchsorted(plot["time"], np.append(time[1:], plot["time"][-1]) * (1 - 1e-9)) - 1
    assert total[at] / inside[at] == pytest.approx(factor, rel=1e-9)
    if name == "rram_gap":  # at rest and far below F_min: the current without noise is that of the read
        assert total[at] == pytest.approx(found.current_A[:, 0], rel=1e-9)


def test_names_and_paths_that_a_circuit_cannot_take_are_refused():
    for name in ("rram gap", "x\n.control", "Device"):
        with pytest.raises(BadInput, match="name must be lower-case letters"):
            noisy_subcircuit(device("rram_gap"), [0.0, 1.0], [1.0, 1.0], inside=name)
    for time, factor in (
        ([0.0, 0.0], [1.0, 1.0]),
        ([-1.0, 0.0], [1.0, 1.0]),
        ([0.0, 1.0], [1.0, np.nan]),
        ([0.0], [1.0]),
    ):
        with pytest.raises(BadInput, match="time_s must increase"):
            noisy_subcircuit(device("rram_gap"), time, factor)


def test_what_has_no_noise_or_makes_no_sense_is_refused():
    for name in ("fe_domains", "fe_preisach"):
        model = device(name)
        cells = alike(model)
        with pytest.raises(BadInput, match=f"{name} has no read noise: it carries no steady current"):
            noise_paths(model, cells, cells.start(model, None), [0.0, 1.0], voltage_V=0.1)
        with pytest.raises(BadInput, match=f"unknown experiment of {name} 'read_noise'"):
            simulate(name, "read_noise")
    for time in ([0.0], [1.0, 0.0], [0.0, np.nan], [[0.0, 1.0]]):
        with pytest.raises(BadInput, match="time_s must be two or more times that increase"):
            paths("rram_gap", time)
    with pytest.raises(BadInput, match="read at a voltage at which one flows"):
        paths("rram_gap", [0.0, 1.0], voltage_V=0.0)
    cells = alike(device("rram_gap"))
    with pytest.raises(BadInput, match="drain_V belongs to the read of a transistor"):
        noise_paths(
            device("rram_gap"), cells, cells.start(device("rram_gap"), None), [0.0, 1.0], voltage_V=0.1, drain_V=1.0
        )
    one = sp.Integer(1)
    with pytest.raises(ValueError, match="cannot depend on a single trap"):
        Noise((), SIZE, one, one, one, one, one)
