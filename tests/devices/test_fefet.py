"""FeFET: charge balance, transistor, memory window, trapping and retention, against equations written anew here."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.constants import elementary_charge, epsilon_0, physical_constants
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from nvmphys.devices import device
from nvmphys.errors import BadInput
from nvmphys.measurement.transfer import memory_windows, threshold_voltages
from nvmphys.report.simulation import draw_experiment
from nvmphys.simulate import read, simulate, transient
from nvmphys.simulate.devices import alike, drawn
from nvmphys.simulate.transient import drain_current
from nvmphys.simulate.waveform import Piece, joined, through

MODEL = device("fefet")
BOLTZMANN_EV = physical_constants["Boltzmann constant in eV/K"][0]
NO_TRAPS = {"ntrap": 0.0}


class Stack:
    """The gate stack at some values: textbook equations, the surface potential solved for."""

    def __init__(self, kelvins: float = 300.0, **values: float) -> None:
        self.of = MODEL.values(values)
        self.ut = BOLTZMANN_EV * kelvins
        intrinsic = 5.29e25 * (kelvins / 300) ** 2.54 * np.exp(-6726 / kelvins)
        self.inverted = 2 * self.ut * np.log(self.of["Na"] / intrinsic)
        self.oxide = epsilon_0 * self.of["epsil"] / self.of["til"]
        self.body = np.sqrt(2 * elementary_charge * epsilon_0 * 11.8 * self.of["Na"]) / self.oxide
        self.ferroelectric = epsilon_0 * self.of["eps"] / self.of["tfe"]
        self.kelvins = kelvins

    def charge(self, volts: float) -> float:
        """Return Q(V) [C/m²] as the model's equations give it."""
        x = self.ut * np.logaddexp(0.0, (volts - self.of["Vfb"]) / self.ut)
        root = np.sqrt(self.body**2 / 4 + x) - self.body / 2
        of_channel = np.logaddexp(0.0, (root**2 - self.inverted) / (2 * self.ut))
        inverted = 2 * self.ut * (np.sqrt(0.25 + of_channel**2) - 0.5)
        return self.oxide * (volts - self.of["Vfb"] - x + self.body * root + inverted)

    def channel_V(self, volts: float) -> float:
        """Return the inversion charge over C_ox [V]."""
        x = self.ut * np.logaddexp(0.0, (volts - self.of["Vfb"]) / self.ut)
        psi = (np.sqrt(self.body**2 / 4 + x) - self.body / 2) ** 2
        of_channel = np.logaddexp(0.0, (psi - self.inverted) / (2 * self.ut))
        slope = 1 + self.body / (2 * np.sqrt(self.inverted))
        return slope * 2 * self.ut * (np.sqrt(0.25 + of_channel**2) - 0.5)

    def poisson(self, volts: float) -> tuple[float, float]:
        """Return gate charge [C/m²] and surface potential [V] of Poisson's equation with Boltzmann carriers."""

        def field(psi: float) -> float:
            holes = np.exp(-psi / self.ut) + psi / self.ut - 1
            electrons = np.exp(-self.inverted / self.ut) * (np.exp(psi / self.ut) - psi / self.ut - 1)
            return np.sign(psi) * self.body * np.sqrt(self.ut * max(holes + electrons, 0.0))

        psi = brentq(lambda p: p + field(p) - (volts - self.of["Vfb"]), -0.6, 1.6, xtol=1e-14)
        return self.oxide * field(psi), psi

    def shared(self, gate: float, polarity: float, filled: float) -> tuple[float, float]:
        """Return voltages under and across the ferroelectric [V]."""
        fixed = elementary_charge * self.of["ntrap"] * filled - (1 - self.of["screened"]) * self.of["Pr"] * polarity

        def lack(volts: float) -> float:
            return volts + (self.charge(volts) + fixed) / self.ferroelectric - gate

        under = brentq(lack, -20.0, 20.0, xtol=1e-15, rtol=1e-15)
        return under, gate - under


def states(cells, polarity: float, filled: float = 0.0):
    """Return states in which a share of the domains points up."""
    out = np.zeros((cells.count, cells.n_units, 3))
    up = np.arange(cells.n_units) < round((1 + polarity) / 2 * cells.n_units)
    out[..., 1], out[..., 2] = np.where(up, 1.0, -1.0), filled
    out[..., 0] = up
    return out


@functools.cache
def one(**values):
    return drawn(MODEL, 1, np.random.default_rng(1), values, n_units=20)


@settings(max_examples=30, deadline=None)
@given(st.floats(-5.0, 5.0), st.sampled_from([-1.0, -0.4, 0.0, 0.3, 1.0]), st.floats(0.0, 1.0), st.floats(250.0, 400.0))
def test_the_charge_balance_closes(gate_V, polarity, filled, kelvins):
    cells, stack = one(), Stack(kelvins)
    of = stack.of
    charge = read(MODEL, cells, states(cells, polarity, filled), gate_V, kelvins)[1][0] / of["area"]
    across = (charge - of["Pr"] * polarity) / stack.ferroelectric
    behind = charge - of["screened"] * of["Pr"] * polarity - elementary_charge * of["ntrap"] * filled
    assert stack.charge(gate_V - across) == pytest.approx(behind, rel=1e-9, abs=1e-9 * stack.oxide)


def test_the_charge_is_that_of_poissons_equation_in_depletion_and_parallel_to_it_in_inversion():
    stack = Stack()
    for volts in np.linspace(0.3, 0.85, 12):
        exact, psi = stack.poisson(volts)
        assert stack.charge(volts) / stack.oxide == pytest.approx(stack.body * np.sqrt(psi), abs=5e-4)
        assert stack.charge(volts) == pytest.approx(exact, abs=2.5e-3 * stack.oxide)  # kT/q at the edge of depletion
    for volts in np.linspace(-2.0, 3.0, 51):
        exact, _ = stack.poisson(volts)
        assert abs(stack.charge(volts) - exact) <= 0.25 * stack.oxide  # ψ creeps on with the logarithm of the charge
    steep = np.diff([stack.charge(v) for v in (2.0, 2.5)])[0] / 0.5
    assert steep == pytest.approx(stack.oxide, rel=1e-3)


def slope_V(gate_V: float, kelvins: float, **values: float) -> float:
    """Return the gate voltage a decade of drain current takes, all domains down."""
    cells = one(**values)
    low, high = (
        drain_current(MODEL, cells, states(cells, -1.0), gate_V + shift, 0.1, kelvins)[0] for shift in (-1e-3, 1e-3)
    )
    return 2e-3 / np.log10(high / low)


@pytest.mark.parametrize(
    ("kelvins", "values"),
    [(250.0, {}), (300.0, {}), (400.0, {}), (300.0, {"til": 3e-9}), (300.0, {"Na": 1e24, "tfe": 20e-9})],
)
def test_the_sub_threshold_slope_is_that_of_the_capacitances_in_series(kelvins, values):
    found, expected = deep_slope_V(kelvins, 0.4, **values)
    assert found == pytest.approx(expected, rel=2e-3)


def test_the_sub_threshold_slope_tends_to_the_thermal_one_as_the_doping_falls():
    thermal = BOLTZMANN_EV * 300 * np.log(10)
    beyond = []
    for doping in (1e24, 1e23, 1e22, 1e21, 1e20):
        found, expected = deep_slope_V(300.0, 0.35, Na=doping)
        assert found == pytest.approx(expected, rel=6e-3)  # ½·e^(v/2) of what the interpolation lets in
        beyond.append(found / thermal - 1)
    assert np.all(np.diff(beyond) < 0)
    assert 0 < beyond[-1] < 1e-2


def deep_slope_V(kelvins: float, share: float, **values: float) -> tuple[float, float]:
    """Return slopes at a share of the surface potential at threshold: the model's, and u_T·ln 10·(1 + C_dep/C)."""
    stack = Stack(kelvins, **values)
    root = np.sqrt(share * stack.inverted)
    up = (1 - stack.of["screened"]) * stack.of["Pr"] / stack.ferroelectric
    gate = root**2 + stack.body * root * (1 + stack.oxide / stack.ferroelectric) + up
    depletion = stack.oxide * stack.body / (2 * root)
    expected = stack.ut * np.log(10) * (1 + depletion * (1 / stack.oxide + 1 / stack.ferroelectric))
    return slope_V(gate, kelvins, **values), expected


@settings(max_examples=20, deadline=None)
@given(st.floats(1.2, 4.0), st.floats(250.0, 400.0), st.floats(2e-9, 10e-9), st.floats(20.0, 25.0))
def test_no_slope_is_steeper_than_the_thermal_one(gate_V, kelvins, thickness, doping):
    values = {"tfe": thickness, "Na": 10**doping}
    assert slope_V(gate_V, kelvins, **values) >= BOLTZMANN_EV * kelvins * np.log(10) * (1 - 1e-6)


def test_the_drain_current_is_smooth_from_linear_to_saturation():
    cells, stack = one(**NO_TRAPS), Stack()
    there = states(cells, 0.0)
    drains = np.linspace(0.0, 3.0, 301)
    for gate in (0.6, 1.5, 2.5):
        found = np.array([drain_current(MODEL, cells, there, gate, v, 300.0)[0] for v in drains])
        assert found[0] == 0
        rise = np.diff(found)
        assert np.all(rise >= -1e-12 * found[-1])
        assert np.all(np.diff(rise) <= 1e-12 * found[-1])
        under, _ = stack.shared(gate, 0.0, 0.0)
        x = stack.ut * np.logaddexp(0.0, under / stack.ut)
        psi = (np.sqrt(stack.body**2 / 4 + x) - stack.body / 2) ** 2
        n = 1 + stack.body / (2 * np.sqrt(stack.inverted))
        whole = 2 * n * stack.of["mob"] * stack.oxide * stack.ut**2
        saturated = whole * np.logaddexp(0.0, (psi - stack.inverted) / (2 * stack.ut)) ** 2
        assert found[-1] == pytest.approx(saturated, rel=1e-6)


def windows(**how):
    return memory_windows(simulate(MODEL, "id_vg", **how).table)["window_V"].to_numpy()


def test_the_window_ends_at_twice_the_free_polarization_over_the_capacitance_and_begins_at_nothing():
    stack = Stack()
    limit = 2 * (1 - stack.of["screened"]) * stack.of["Pr"] / stack.ferroelectric
    ask = {"n_devices": 20, "values": NO_TRAPS}
    long = windows(settings={"amplitude_V": 5.0, "width_s": 1e3}, **ask)
    assert long == pytest.approx(limit, rel=1e-3)  # points of a curve are 25 mV apart
    short = windows(settings={"amplitude_V": 5.0, "width_s": 1e-10}, **ask)
    assert np.all(np.abs(short) <= 1e-9)


def test_the_window_grows_with_width_and_amplitude():
    found = memory_windows(
        simulate(
            MODEL, "id_vg", n_devices=20, values=NO_TRAPS,
            settings={"amplitude_V": (3.0, 3.5, 4.0), "width_s": (1e-7, 1e-6, 1e-5), "points": 41},
        ).table
    )  # fmt: skip
    mean = found.groupby(["pulse_voltage_V", "pulse_width_s"])["window_V"].mean().unstack()
    assert np.all(np.diff(mean, axis=0) > 0)
    assert np.all(np.diff(mean, axis=1) > 0)


def test_trapping_turns_the_window_at_short_pulses_negative_and_long_ones_or_release_mend_it():
    ask = {"amplitude_V": 2.5, "width_s": 1e-7, "start_V": -1.0, "stop_V": 4.0}
    trapping = {"ntrap": 1e17, "ctrap": 2e7}
    assert np.mean(windows(n_devices=20, values=NO_TRAPS, settings=ask)) > 0
    short = windows(n_devices=20, values=trapping, settings=ask)
    assert np.mean(short) < -0.1
    assert np.mean(windows(n_devices=20, values=trapping, settings=ask | {"width_s": 1.0})) > 0.1
    later = windows(n_devices=20, values=trapping, settings=ask | {"delay_s": 1e4})
    assert np.mean(later - short) > 0.1


def test_filled_traps_shift_the_threshold_by_their_charge():
    cells, stack = one(), Stack()
    gate = np.linspace(0.0, 3.0, 301)
    found = []
    for filled in (0.0, 0.5, 1.0):
        current = [drain_current(MODEL, cells, states(cells, 0.0, filled), v, 0.1, 300.0)[0] for v in gate]
        found.append(np.interp(-7.0, np.log10(current), gate))
    shift = elementary_charge * stack.of["ntrap"] / stack.ferroelectric
    assert np.diff(found) == pytest.approx(shift / 2, rel=1e-3)


def test_release_is_linear_in_the_logarithm_of_time_and_activated():
    times = np.geomspace(1e-6, 1e6, 49)
    values = {"ntrap": 1e10, "screened": 0.99}  # too few to move the voltage, and no domain turns
    cells = drawn(MODEL, 1, np.random.default_rng(1), values)
    released = {}
    for kelvins in (300.0, 360.0):
        wave = through(np.concatenate([[0.0], times]), np.zeros(50), kelvins)
        released[kelvins] = transient(MODEL, wave, cells, start=states(cells, -1.0, 0.9)).states[:, 0, 0, 2]
        stack = Stack(kelvins, **values)
        under, _ = stack.shared(0.0, -1.0, 0.0)
        of = stack.of
        hotter = np.exp(-of["Erel"] / BOLTZMANN_EV * (1 / kelvins - 1 / 300))
        per_s = of["lrel"] * np.exp(-under / of["Vrel"]) * hotter / of["trel"]
        left = (1 - np.exp(-of["lrel"] * 0.9)) * np.exp(-per_s * times)
        assert released[kelvins] == pytest.approx(-np.log1p(-left) / of["lrel"], abs=2e-3)
    inside = (released[300.0] > 0.3) & (released[300.0] < 0.6)
    a_decade = np.polyfit(np.log10(times[inside]), released[300.0][inside], 1)[0]
    assert a_decade == pytest.approx(-np.log(10) / MODEL.values()["lrel"], rel=0.03)


def test_the_polarization_that_nothing_screens_turns_itself_back():
    left = []
    for screened in (0.7, 0.85, 0.9, 0.99):
        cells = drawn(MODEL, 1, np.random.default_rng(3), NO_TRAPS | {"screened": screened}, n_units=200)
        rest = joined([Piece(1e-3, 0.0, 0.0)])
        end = transient(MODEL, rest, cells, start=states(cells, 1.0), keep_states=False).states[-1, 0, :, 1]
        left.append(end.mean())
    assert left[-1] == 1
    assert np.all(np.diff(left) > 0)
    stack = Stack(screened=0.7)
    field = abs(stack.shared(0.0, left[0], 0.0)[1]) / stack.of["tfe"]
    reached = stack.of["tau0"] * np.exp((2.3e8 / field) ** 3)  # of the domains that turn first
    assert 1e-4 < reached < 1e2  # it stops where what is left takes longer than the rest


def reference(stack: Stack, domains, corners_s, corners_V, parts: int = 1):
    """Return polarities, counts and filled share at the corners: one device, from flip to flip by SciPy."""
    of = stack.of
    energy, threshold = domains
    s, z, filled = -np.ones(energy.size), np.zeros(energy.size), 0.0
    out = []
    for (begin, end), (low, high) in zip(itertools.pairwise(corners_s), itertools.pairwise(corners_V), strict=True):

        def rates(t, x, s, begin=begin, end=end, low=low, high=high):
            gate = low + (high - low) * (t - begin) / (end - begin)
            under, across = stack.shared(gate, s.mean(), x[-1])
            field = across / of["tfe"]
            speed = np.exp(-((energy / max(abs(field), 1e5)) ** of["alpha"])) / (of["tau0"] * threshold)
            toward = -s * np.sign(field)
            z_rate = np.where((toward < 0) & (x[:-1] <= 0), 0.0, toward * speed)
            fill = of["ctrap"] * stack.channel_V(under) * (1 - x[-1])
            empty = np.expm1(of["lrel"] * x[-1]) * np.exp(-under / of["Vrel"]) / of["trel"]
            return np.append(z_rate, fill - empty)

        at = begin
        while at < end:

            def turns(t, x, s=None):
                return np.max(x[:-1]) - 1

            turns.terminal, turns.direction = True, 1
            found = solve_ivp(
                rates, (at, end), np.append(z, filled), "LSODA", args=(s,), events=turns, rtol=1e-8, atol=1e-10,
                max_step=(end - begin) / 50,
            )  # fmt: skip
            at, z, filled = found.t[-1], np.maximum(found.y[:-1, -1], 0.0), found.y[-1, -1]
            if found.status == 1:
                which = int(np.argmax(z))
                s = s.copy()
                s[which], z[which] = -s[which], 0.0
        out.append((s.copy(), np.where(s < 0, z, 1 - z), filled))
    return out


def test_devices_follow_an_independent_solution_from_flip_to_flip():
    corners_s = np.array([0.0, 1e-7, 1.1e-6, 1.2e-6, 3e-6, 3.2e-6, 4.0e-6, 4.1e-6, 1e-3])
    corners_V = np.array([0.0, 3.4, 3.4, 0.0, 0.0, -3.0, -3.0, 0.0, 0.0])
    cells = drawn(MODEL, 3, np.random.default_rng(5), n_units=7)
    found = transient(MODEL, through(corners_s, corners_V), cells).states
    flips = 0
    for k in range(cells.count):
        own = cells.units["Ea"][k], cells.units["hth"][k]
        for step, (s, y, filled) in enumerate(reference(Stack(), own, corners_s, corners_V)):
            assert found[step, k, :, 1].tolist() == s.tolist()
            assert found[step, k, :, 0] == pytest.approx(y, abs=1e-3)
            assert found[step, k, :, 2] == pytest.approx(filled, abs=1e-4)
            flips += int(np.sum(s > 0)) if step == 2 else 0
    assert flips > 5


def test_paths_do_not_depend_on_how_a_waveform_is_cut():
    corners_s, corners_V = np.array([0.0, 2e-6, 6e-6, 8e-6, 12e-6, 1e-3]), np.array([0.0, 3.6, -3.1, 2.9, 0.0, 0.0])
    cells = drawn(MODEL, 10, np.random.default_rng(6))
    paths = []
    for parts in (1, 3, 10):
        times = np.unique(np.concatenate([np.linspace(*ends, parts + 1) for ends in itertools.pairwise(corners_s)]))
        done = transient(MODEL, through(times, np.interp(times, corners_s, corners_V)), cells)
        paths.append(done.states[np.searchsorted(done.time_s, corners_s[1:] * (1 - 1e-12))])
    for path in paths[1:]:
        assert np.mean(path[..., 1] != paths[0][..., 1]) <= 2e-3  # a domain on the very edge may fall to either side
        same = path[..., 1] == paths[0][..., 1]
        assert np.max(np.abs(path - paths[0])[..., 0][same]) <= 5e-3
        assert np.max(np.abs(path - paths[0])[..., 2]) <= 2e-3


def test_the_area_says_how_many_domains_a_device_has():
    for area, domains in ((8e-15, 20), (8e-14, 200), (1e-16, 1)):
        said = simulate(MODEL, "id_vg", n_devices=2, values={"area": area}, settings={"points": 3, "amplitude_V": ()})
        assert f"2 devices of {domains} domains" in said.understood[0]


def test_transfer_curves_are_tidy_and_drawn():
    asked = {"amplitude_V": 3.5, "width_s": (1e-7, 1e-5), "drain_V": (0.05, 1.0), "points": 41}
    measurement = simulate(MODEL, "id_vg", n_devices=3, settings=asked)
    table = measurement.table
    assert len(table) == 3 * 2 * 2 * 2 * 41
    assert set(table["pulse_voltage_V"]) == {-3.5, 3.5}
    assert set(table["voltage_V"]) == {0.05, 1.0}
    found = threshold_voltages(table, at_A=1e-9)
    assert len(found) == 3 * 2 * 2 * 2
    assert found["threshold_V"].notna().all()
    figure = draw_experiment(measurement)
    assert [ax.get_xlabel() for ax in figure.axes] == ["gate voltage [V]", "pulse width [s]"]
    plain = simulate(MODEL, "id_vg", settings={"points": 5, "amplitude_V": ()})
    assert "pulse_voltage_V" not in plain.table
    assert len(draw_experiment(plain).axes) == 1
    with pytest.raises(BadInput, match=r"start_V and stop_V must differ \(got 1 V twice\)"):
        simulate(MODEL, "id_vg", settings={"start_V": 1.0, "stop_V": 1.0})


def test_a_transistor_alone_has_a_drain():
    other = device("fe_domains")
    with pytest.raises(BadInput, match="fe_domains has no drain"):
        drain_current(other, alike(other), alike(other).start(other, None), 1.0, 0.1, 300.0)
