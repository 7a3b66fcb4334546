"""Transients of crossbars against matrix exponentials, closed forms, other integrators and ngspice."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from nvmphys.crossbar import (
    AccessTransistor,
    Capacitance,
    Crossbar,
    Linear,
    Polynomial,
    Sinh,
    Stimulus,
    crossbar_transient,
    settling_time,
    transient_deck,
    validate_transient,
)
from nvmphys.crossbar.radau import NODES, WEIGHTS, cubic
from nvmphys.errors import BadInput, CheckFailed
from nvmphys.simulate.waveform import joined, pulse, through

PS, FF = 1e-12, 1e-15


def random_array(shape, seed=0, *, cell=None, ends=(50.0, 20.0), **of):
    """Return an array whose resistances and capacitances all differ, and inputs."""
    rng = np.random.default_rng(seed)
    m, n = shape
    farads = {
        "word_line_F": rng.uniform(0.5, 2, shape) * FF,
        "bit_line_F": rng.uniform(0.5, 2, shape) * FF,
        "cell_F": rng.uniform(0.05, 0.2, shape) * FF,
    } | of
    crossbar = Crossbar(
        rng.uniform(1e-6, 1e-4, shape), rng.uniform(1, 9, (m, n)), rng.uniform(1, 9, (m, n)), *ends,
        cell=cell or Linear(), capacitance=Capacitance(**farads),
    )  # fmt: skip
    return crossbar, rng.uniform(0.05, 0.3, m)


class Dense:
    """A crossbar of resistive lines, none without resistance, as dense matrices assembled card by card."""

    def __init__(self, crossbar):
        m, n = crossbar.shape
        self.cells, self.m, self.n = m * n, m, n
        self.word, self.bit = np.arange(2 * m * n).reshape(2, m, n)
        source, sense = 2 * m * n + np.arange(m), 2 * m * n + m + np.arange(n)
        nodes = 2 * m * n + m + n
        self.wires, self.farads = np.zeros((nodes, nodes)), np.zeros((nodes, nodes))
        for i in range(m):
            chain = [source[i], *self.word[i], source[i]]
            for (a, b), ohm in zip(itertools.pairwise(chain), crossbar.word_branches_ohm[i], strict=True):
                self._join(self.wires, a, b, 1 / ohm)
        for j in range(n):
            chain = [sense[j], *self.bit[::-1, j], sense[j]]
            for (a, b), ohm in zip(itertools.pairwise(chain), crossbar.bit_branches_ohm[j], strict=True):
                self._join(self.wires, a, b, 1 / ohm)
        at_words, at_bits, across = crossbar.capacitance.of_nodes((m, n))
        for i, j in np.ndindex(m, n):
            a, b = self.word[i, j], self.bit[i, j]
            self.farads[a, a] += at_words[i, j]
            self.farads[b, b] += at_bits[i, j]
            self._join(self.farads, a, b, across[i, j])
        self.free = 2 * m * n
        self.ohmic = self.wires.copy()
        for i, j in np.ndindex(m, n):
            self._join(self.ohmic, self.word[i, j], self.bit[i, j], crossbar.conductance_S[i, j])

    @staticmethod
    def _join(matrix, a, b, value):
        matrix[[a, b], [a, b]] += value
        matrix[[a, b], [b, a]] -= value

    def outputs(self, x, u):
        """Currents through the lines into the sense amplifiers; no capacitance touches a terminal here."""
        return -(self.wires[self.free :] @ np.concatenate([x, u]))[self.m :]

    def exact(self, stimulus, times):
        """Return the outputs of linear cells at times, by matrix exponentials; nodes without capacitance eliminated."""
        f = self.free
        charged = np.flatnonzero(np.diag(self.farads)[:f])
        at_once = np.setdiff1d(np.arange(f), charged)
        ff, fu = self.ohmic[:f, :f], self.ohmic[:f, f:]
        aa = ff[np.ix_(at_once, at_once)]
        follow_x, follow_u = (-np.linalg.solve(aa, part) for part in (ff[np.ix_(at_once, charged)], fu[at_once]))
        c = self.farads[np.ix_(charged, charged)]
        of_x = ff[np.ix_(charged, charged)] + ff[np.ix_(charged, at_once)] @ follow_x
        of_u = fu[charged] + ff[np.ix_(charged, at_once)] @ follow_u
        k, t = len(charged), self.m + self.n
        whole = np.zeros((k + 2 * t, k + 2 * t))  # x, u, u'
        whole[:k, :k], whole[:k, k : k + t] = -np.linalg.solve(c, of_x), -np.linalg.solve(c, of_u)
        whole[k : k + t, k + t :] = np.eye(t)
        corners, volts = stimulus.time_s, stimulus.of_terminals((self.m, self.n))
        x, found = np.linalg.solve(of_x, -of_u @ volts[:, 0]), np.empty((self.n, len(times)))
        for p in range(len(corners)):
            begin = corners[p]
            end = corners[p + 1] if p + 1 < len(corners) else np.inf
            rate = (volts[:, p + 1] - volts[:, p]) / (end - begin) if p + 1 < len(corners) else np.zeros(t)
            state = np.concatenate([x, volts[:, p], rate])
            for at in np.flatnonzero((times >= begin) & (times <= end)):
                now = expm(whole * (times[at] - begin)) @ state
                nodes = np.empty(f)
                nodes[charged], nodes[at_once] = now[:k], follow_x @ now[:k] + follow_u @ now[k : k + t]
                found[:, at] = self.outputs(nodes, now[k : k + t])
            if np.isfinite(end):
                x = (expm(whole * (end - begin)) @ state)[:k]
        return found


def worst(found, expected, record):
    return float(np.abs(found - expected).max() / record.full_scale_A)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (3, 4)], ids=lambda s: f"{s[0]}x{s[1]}")
def test_pulses_follow_the_matrix_exponential(shape):
    crossbar, v = random_array(shape)
    stimulus = Stimulus.pulse(v, width_s=3 * PS, edge_s=0.2 * PS, delay_s=0.1 * PS)
    times = np.linspace(0, 6 * PS, 61)
    record = crossbar_transient(crossbar, stimulus, 6 * PS)
    assert worst(record.current_at(times), Dense(crossbar).exact(stimulus, times), record) < 1e-5


def test_a_tighter_tolerance_is_nearer_to_the_matrix_exponential():
    crossbar, v = random_array((3, 4))
    stimulus, times = Stimulus.step(v, 0.2 * PS), np.linspace(0, 3 * PS, 31)
    exact = Dense(crossbar).exact(stimulus, times)
    records = [crossbar_transient(crossbar, stimulus, 3 * PS, tolerance=each) for each in (1e-4, 1e-6, 1e-8)]
    errors = [worst(record.current_at(times), exact, record) for record in records]
    assert errors[0] < 1e-4
    assert errors[1] < 1e-6
    assert errors[2] < 1e-8


@pytest.mark.parametrize(
    "farads",
    [
        {"word_line_F": 0.0, "cell_F": 0.0},
        {"word_line_F": np.array([FF, 0.0, 2 * FF]), "cell_F": 0.0},
        {"word_line_F": 0.0, "bit_line_F": np.array([0.0, FF, 0.0, 3 * FF]), "cell_F": 0.0},
    ],
)
def test_nodes_without_capacitance_follow_at_once(farads):
    crossbar, v = random_array((3, 4), **farads)
    stimulus, times = Stimulus.pulse(v, 3 * PS, 0.2 * PS), np.linspace(0, 5 * PS, 51)
    record = crossbar_transient(crossbar, stimulus, 5 * PS)
    assert worst(record.current_at(times), Dense(crossbar).exact(stimulus, times), record) < 1e-5


@pytest.mark.parametrize("cell", [Linear(), Sinh(3.0)], ids=["linear", "sinh"])
def test_without_any_capacitance_every_moment_is_an_operating_point(cell):
    crossbar, v = random_array((3, 4), word_line_F=0, bit_line_F=0, cell_F=0, cell=cell)
    record = crossbar_transient(crossbar, Stimulus([0, PS, 2 * PS], [[0, x, -x] for x in 3 * v]), 3 * PS)
    times = np.array([0.3, 0.9, 1.2, 2.5]) * PS
    scale = np.interp(times, [0, PS, 2 * PS], [0, 3, -3])
    expected = crossbar.solve(np.outer(v, scale)).current_A
    assert worst(record.current_at(times), expected, record) < 1e-5


@pytest.mark.parametrize(
    ("cell", "current"),
    [
        (Sinh(3.0), lambda g, w, b: g / 3 * np.sinh(3 * (w - b))),
        (Polynomial((0.5, 2.0)), lambda g, w, b: g * ((w - b) + 0.5 * (w - b) ** 2 + 2 * (w - b) ** 3)),
        (AccessTransistor(np.array([1.2, 0.9, 1.5]), 0.5, 1.3, 5e-4), None),
    ],
    ids=["sinh", "polynomial", "1T1R"],
)
def test_non_linear_cells_follow_another_integrator(cell, current):
    crossbar, v = random_array((3, 2), cell=cell)
    dense, v = Dense(crossbar), 4 * v
    stimulus = Stimulus.pulse(v, 3 * PS, 0.3 * PS)
    f, inverse = dense.free, np.linalg.inv(dense.farads[: dense.free, : dense.free])

    def rate(t, x):
        nodes = np.concatenate([x, stimulus.at(t, 2)])
        w, b = nodes[dense.word], nodes[dense.bit]
        drawn = (dense.wires @ nodes)[:f]
        amps = crossbar.cell.state(crossbar.conductance_S, w, b).current_A if current is None else None
        amps = current(crossbar.conductance_S, w, b) if amps is None else amps
        drawn[dense.word] += amps
        drawn[dense.bit] -= amps
        return -inverse @ drawn

    times = np.linspace(0, 5 * PS, 26)
    x, expected = np.zeros(f), [np.zeros(2)]
    for begin, end in itertools.pairwise([*stimulus.time_s, 5 * PS]):
        inside = times[(times > begin) & (times <= end)]
        done = solve_ivp(
            rate, (begin, end), x, "BDF", dense_output=True, rtol=1e-7, atol=1e-10, first_step=(end - begin) / 1e4
        )
        expected += [dense.outputs(done.sol(t), stimulus.at(t, 2)) for t in inside]
        x = done.y[:, -1]
    record = crossbar_transient(crossbar, stimulus, 5 * PS)
    assert worst(record.current_at(times), np.stack(expected, axis=1), record) < 2e-5


def test_a_long_line_follows_the_closed_form_of_a_distributed_line():
    """A line of total R and C to ground, read at its far end by a high resistance: the theta series."""
    n, ohm, farad = 400, 1e4, 1e-12
    crossbar = Crossbar(
        np.r_[np.zeros(n - 1), 1e-9][np.newaxis], ohm / n, 0.0, capacitance=Capacitance(word_line_F=farad / n)
    )
    record = crossbar_transient(crossbar, Stimulus.step([1.0], 1e-13), 3 * ohm * farad)
    times = np.array([0.1, 0.2, 0.5, 1.0, 2.0]) * ohm * farad
    k = np.arange(200)[:, np.newaxis]
    series = 4 / np.pi * (-1.0) ** k / (2 * k + 1) * np.exp(-(((2 * k + 1) * np.pi / 2) ** 2) * times / (ohm * farad))
    assert_allclose(record.current_at(times)[-1] / 1e-9, 1 - series.sum(axis=0), atol=4e-3)  # 400 sections, 1/n


def test_energy_given_is_energy_that_is_heat_or_stored():
    crossbar, v = random_array((6, 5), cell=Sinh(2.0))
    record = crossbar_transient(crossbar, Stimulus.pulse(4 * v, 3 * PS, 0.2 * PS, sense_V=0.1), 6 * PS)
    given_J = record.source_energy_J
    assert_allclose(given_J, record.dissipated_J + record.stored_J, atol=1e-7 * given_J[-1])
    assert (np.diff(record.dissipated_J) > 0).all()


def test_charging_a_capacitance_wastes_as_much_as_it_stores():
    crossbar = Crossbar([[1e-9]], 0, 0, r_driver_ohm=1e3, capacitance=Capacitance(word_line_F=1e-12))
    record = crossbar_transient(crossbar, Stimulus.step([1.0], 1e-15), 3e-8)
    assert_allclose([record.source_energy_J[-1], record.stored_J[-1]], [1e-12, 0.5e-12], rtol=1e-4)


def test_currents_of_charges_at_the_terminals_themselves_are_counted():
    """Lines without resistance: the driver charges its line, and the cell's capacitance feeds the sense amplifier."""
    crossbar = Crossbar([[1e-4]], 0, 0, capacitance=Capacitance(2 * FF, FF, 3 * FF))
    record = crossbar_transient(crossbar, Stimulus([0, PS], [[0, 0.5]]), 2 * PS)
    rate = 0.5 / PS
    assert_allclose(record.current_at([0.5 * PS, 1.5 * PS]), [[0.25e-4 + 3 * FF * rate, 0.5e-4]], rtol=1e-9)
    assert_allclose(record.driver_current_at([0.5 * PS]), [[0.25e-4 + 5 * FF * rate]], rtol=1e-9)


def test_a_sense_amplifier_that_moves_drives_the_array_too():
    crossbar = Crossbar([[1e-4]], 0, 0, capacitance=Capacitance(0, 2 * FF, 3 * FF))
    record = crossbar_transient(crossbar, Stimulus([0, PS], [[0, 0]], [[0, 0.5]]), 2 * PS)
    assert_allclose(record.current_at([0.5 * PS]), [[-0.25e-4 - 5 * FF * 0.5 / PS]], rtol=1e-9)


def test_a_transient_ends_in_the_operating_point():
    crossbar, v = random_array((17, 9), cell=Sinh(3.0))
    record = crossbar_transient(crossbar, Stimulus.step(3 * v, 0.2 * PS), 500 * PS, keep_voltages=True)
    solution = crossbar.solve(3 * v)
    assert_allclose(record.current_A[:, -1], solution.current_A, rtol=1e-6)
    word_V, bit_V = record.voltage_at(500 * PS)
    assert_allclose(word_V[..., 0], solution.word_line_V, rtol=1e-6)
    assert_allclose(bit_V[..., 0], solution.bit_line_V, atol=1e-8)


@settings(max_examples=15)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4)), seed=st.integers(0, 2**16), edge=st.floats(-2, 1),
    alpha=st.sampled_from([0.0, 1.0, 4.0]), cap=st.sampled_from([0.0, 1.0]),
)  # fmt: skip
def test_a_crossbar_is_passive(shape, seed, edge, alpha, cap):
    """Node voltages stay within those applied, and no more energy comes out than went in."""
    crossbar, v = random_array(shape, seed, cell=Sinh(alpha) if alpha else Linear(), cell_F=0.0, word_line_F=cap * FF)
    stimulus = Stimulus.pulse(v, 20 * 10**edge * PS, 10**edge * PS)
    record = crossbar_transient(crossbar, stimulus, 30 * 10**edge * PS, keep_voltages=True)
    word_V, bit_V = record.voltage_at(record.time_s)
    slack = 1e-4 * v.max()
    assert min(word_V.min(), bit_V.min()) >= -slack
    assert max(word_V.max(), bit_V.max()) <= v.max() + slack
    assert record.source_energy_J.min() >= -1e-6 * record.source_energy_J.max()


@pytest.mark.parametrize("cell", [Linear(), Sinh(3.0)], ids=["linear", "sinh"])
@pytest.mark.parametrize("ends", [(50.0, 20.0), (0.0, 0.0)], ids=["ends", "none"])
def test_ngspice_gives_the_same_on_converged_steps(ngspice, cell, ends):
    crossbar, v = random_array((6, 5), cell=cell, ends=ends)
    found = validate_transient(crossbar, Stimulus.pulse(3 * v, 9 * PS, 4 * PS, sense_V=0.02), 15 * PS, ngspice=ngspice)
    assert found.passed
    assert found.step_change < 5e-4
    assert "6×5 transient: agrees with ngspice" in str(found)


def test_ngspice_gives_the_same_for_1t1r_and_lines_without_resistance(ngspice):
    crossbar, v = random_array((2, 2), cell=AccessTransistor(1.2, 0.5, 1.3, 5e-4))
    crossbar = replace(crossbar, r_bit_line_ohm=0.0, r_sense_ohm=0.0)
    found = validate_transient(crossbar, Stimulus.step(3 * v, 4 * PS), 8 * PS, ngspice=ngspice)
    assert found.error < 2e-4


def test_a_wrong_capacitance_is_found(ngspice):
    crossbar, v = random_array((4, 3))
    found = validate_transient(crossbar, Stimulus.step(v, 0.2 * PS), 2 * PS, ngspice=ngspice)
    farads = crossbar.capacitance
    other = replace(crossbar, capacitance=replace(farads, bit_line_F=1.02 * farads.bit_line_F))
    wrong = crossbar_transient(other, Stimulus.step(v, 0.2 * PS), 2 * PS)
    times = found.transient.time_s
    assert worst(wrong.current_at(times), found.transient.current_at(times), wrong) > 1e-3 > found.error


def test_a_single_pole_settles_after_the_logarithm_of_the_band():
    crossbar = Crossbar([[1e-4]], 0, 0, r_driver_ohm=1e3, capacitance=Capacitance(word_line_F=1e-12))
    tau = 1e-12 / (1e-3 + 1e-4)
    for within in (0.1, 1e-3):
        found = settling_time(crossbar, [0.2], within=within, edge_s=1e-16)
        assert_allclose(found.time_s, [tau * math.log(1 / within)], rtol=1e-4)
        assert_allclose(found.elmore_s, [tau], rtol=1e-12)


def test_elmore_is_the_area_above_the_response():
    crossbar, v = random_array((3, 4))
    found = settling_time(crossbar, v, within=1e-4, edge_s=1e-18)
    times = np.concatenate([[0], np.geomspace(1e-17, found.transient.time_s[-1], 4000)])
    above = 1 - found.transient.current_at(times) / found.final_A[:, np.newaxis]
    assert_allclose(np.trapezoid(above, times, axis=1), found.elmore_s, rtol=2e-3)


def test_settled_outputs_stay_within_their_bands_and_were_outside_just_before():
    crossbar, v = random_array((8, 6), cell=Sinh(2.0))
    for of in ("final", "full_scale"):
        found = settling_time(crossbar, 3 * v, within=0.01, of=of)
        band = 0.01 * (np.abs(found.final_A) if of == "final" else np.full(6, np.abs(found.final_A).max()))
        assert_allclose(found.final_A, crossbar.solve(3 * v).current_A, rtol=1e-9)
        end = found.transient.time_s[-1]
        for j, when in enumerate(found.time_s):
            after = found.transient.current_at(np.linspace(when * (1 + 1e-6), end, 500))[j]
            before = found.transient.current_at([when * (1 - 1e-6)])[j]
            assert (np.abs(after - found.final_A[j]) <= band[j]).all()
            assert abs(before - found.final_A[j]) > band[j]
    assert f"bit line {found.slowest}" in str(found)
    assert 0 < found.energy_J < found.transient.source_energy_J[-1]


def test_an_output_that_ends_at_nothing_has_no_settling_time_of_its_own():
    crossbar = Crossbar([[1e-4, 0.0]], 5, 5, capacitance=Capacitance(FF, FF, FF))
    found = settling_time(crossbar, [0.2])
    assert np.isfinite(found.time_s[0])
    assert np.isnan(found.time_s[1])


def test_the_formula_has_the_order_it_claims():
    for power in range(5):
        assert_allclose(WEIGHTS @ NODES[1:] ** power, 1 / (power + 1), rtol=1e-14)
    at = np.array([0.0, 0.3, 1.7])
    assert_allclose(cubic(at) @ NODES**3, at**3, atol=1e-14)


def test_progress_is_told_to_the_end():
    told = []
    crossbar, v = random_array((2, 2))
    crossbar_transient(crossbar, Stimulus.step(v, PS), 3 * PS, progress=lambda *each: told.append(each))
    assert told[-1] == ("transient", 1000, 1000)


def test_waveforms_of_several_lines_share_their_corners():
    made = Stimulus.of_waveforms([joined(pulse(2.0, 1e-7, 2e-8)), through([0, 4e-8, 1e-7], [0.0, 1.0, 1.0])])
    assert_allclose(made.time_s, [0, 2e-8, 4e-8, 1e-7, 1.2e-7])
    assert_allclose(made.driver_V, [[0, 2, 2, 2, 0], [0, 0.5, 1, 1, 1]])


def test_a_transient_deck_holds_every_capacitance_once():
    crossbar, v = random_array((3, 4), word_line_F=0.0)
    deck = transient_deck(crossbar, Stimulus.step(v, PS), 3 * PS, 0.01 * PS)
    cards = [card.split() for card in deck.splitlines() if card.startswith("c") and "crossbar" not in card]
    assert len(cards) == 2 * 12
    assert sorted(float(card[3]) for card in cards if card[0].startswith("cb")) == sorted(
        crossbar.capacitance.bit_line_F.ravel().tolist()
    )


CELL = Crossbar([[1e-4, 1e-4]], 1, 1, capacitance=Capacitance(FF, FF))
STEP = Stimulus.step([0.2], PS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Capacitance(word_line_F=[FF, -FF]), r"word_line_F must be >= 0 and finite \(got -1e-15 F at \(1,\)\)"),
        (lambda: replace(CELL, capacitance=Capacitance([FF] * 3)), r"word_line_F must be one number in F or have sh"),
        (lambda: Stimulus([0, 0], [[0, 1]]), r"time_s must increase from corner to corner"),
        (lambda: Stimulus([1, 2], [[0, 1]]), r"time_s must be finite times from 0 s on"),
        (lambda: Stimulus([0, 1], [[0, 1, 2]]), r"driver_V must have shape \(line, 2\)"),
        (lambda: Stimulus([0, 1], [[0, np.nan]]), r"driver_V must be finite"),
        (lambda: Stimulus.pulse([1.0], 1e-9, 2e-9), r"edge_s must be > 0 s and shorter than width_s"),
        (lambda: Stimulus.of_waveforms([joined([*pulse(1.0, 1e-7), *pulse(2.0, 1e-7)])]), r"waveform 0 jumps from 1"),
        (lambda: crossbar_transient(CELL, Stimulus.step([0.2, 0.1], PS), PS), r"driver_V must have a row per word"),
        (lambda: crossbar_transient(CELL, Stimulus.step([0.2], PS, sense_V=[0, 0, 0]), PS), r"sense_V must have a row"),
        (lambda: crossbar_transient(CELL, STEP, 0.0), r"until_s must be > 0 and finite \(got 0 s\)"),
        (lambda: crossbar_transient(CELL, STEP, PS, tolerance=0), r"tolerance must lie between 0 and 1"),
        (lambda: crossbar_transient(CELL, STEP, PS).voltage_at(0), r"keep_voltages=True must be given"),
        (lambda: crossbar_transient(CELL, STEP, PS).current_at(2 * PS), r"time_s must lie within 0 … 1e-12 s"),
        (lambda: settling_time(replace(CELL, capacitance=Capacitance()), [0.2]), r"needs a crossbar with capacitance"),
        (lambda: settling_time(CELL, [0.2], within=1.0), r"within must lie between 0 and 1"),
        (lambda: settling_time(CELL, [0.2], of="ful_scale"), r"unknown of 'ful_scale': did you mean full_scale"),
        (lambda: settling_time(CELL, [0.0]), r"v must drive a current into some sense amplifier"),
        (lambda: settling_time(CELL, [0.2], edge_s=0), r"edge_s must be > 0 and finite"),
        (lambda: transient_deck(CELL, STEP, PS, 2 * PS), r"step_s must lie between 0 and until_s"),
        (lambda: validate_transient(CELL, STEP, PS, tolerance=2.0), r"tolerance must lie between 0 and 1"),
    ],
)  # fmt: skip
def test_bad_requests_are_named(wrong, message):
    with pytest.raises(BadInput, match=message):
        wrong()


def test_the_capacitance_of_a_cell_on_a_floating_line_is_refused():
    broken = Crossbar([[1e-4, 0.0]], [[1, np.inf]], 1, capacitance=Capacitance(cell_F=FF))
    with pytest.raises(BadInput, match="the capacitance of cells needs lines that a resistor joins to a driver"):
        crossbar_transient(broken, STEP, PS)
    grounded = replace(broken, capacitance=Capacitance(FF, FF, [[FF, 0.0]]))
    assert crossbar_transient(grounded, STEP, 9 * PS).current_A[1, -1] == 0


def test_cells_that_jump_are_named():
    """Current that falls with voltage, without a capacitance to cross the gap: there is no continuous solution."""
    falling = Polynomial((-3.0, 2.2))
    crossbar = Crossbar([[1e-3]], 9000.0, 0.0, cell=falling)
    with pytest.raises(CheckFailed, match="the transient must come to its end"):
        crossbar_transient(crossbar, Stimulus.step([3.0], PS), 2 * PS)
