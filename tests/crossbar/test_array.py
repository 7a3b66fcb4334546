"""The crossbar as a circuit: hand calculations, conservation laws, symmetries, limits and bad input."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_info

from nvmphys.crossbar import Crossbar
from nvmphys.errors import BadInput, CheckFailed

SHAPES = [(1, 1), (1, 6), (6, 1), (5, 4), (4, 9)]


def example(shape, seed=0, r=(1.5, 2.5, 40.0, 30.0)):
    """Return a crossbar of 1-100 µS with some open cells, and driver voltages of both signs."""
    rng = np.random.default_rng(seed)
    conductance = rng.uniform(1e-6, 1e-4, shape) * (rng.random(shape) > 0.1)
    return Crossbar(conductance, *r), rng.uniform(-0.3, 0.3, shape[0])


def resistors(crossbar):
    """List (node, node, resistance) of a crossbar, as one would draw it; nodes are names."""
    m, n = crossbar.shape
    for i in range(m):
        line = [("source", i), *(("w", i, j) for j in range(n))]
        for k, (a, b) in enumerate(pairwise(line)):
            yield a, b, crossbar.r_word_line_ohm + (crossbar.r_driver_ohm if k == 0 else 0)
    for j in range(n):
        line = [*(("b", i, j) for i in range(m)), ("sense", j)]
        for k, (a, b) in enumerate(pairwise(line)):
            yield a, b, crossbar.r_bit_line_ohm + (crossbar.r_sense_ohm if k == m - 1 else 0)
    for i, j in np.argwhere(crossbar.conductance_S):
        yield ("w", i, j), ("b", i, j), 1 / crossbar.conductance_S[i, j]


def dense_solution(crossbar, v):
    """Solve the drawn circuit with a dense matrix: the names of the nodes and their voltages."""
    parts = list(resistors(crossbar))
    known = {("source", i): voltage for i, voltage in enumerate(v)}
    known |= {("sense", j): 0.0 for j in range(crossbar.shape[1])}
    free = sorted({node for a, b, _ in parts for node in (a, b)} - known.keys(), key=str)
    row = {node: k for k, node in enumerate(free)}
    matrix, rhs = np.zeros((len(free), len(free))), np.zeros(len(free))
    for a, b, resistance in parts:
        for here, there in ((a, b), (b, a)):
            if here in row:
                matrix[row[here], row[here]] += 1 / resistance
                if there in row:
                    matrix[row[here], row[there]] -= 1 / resistance
                else:
                    rhs[row[here]] += known[there] / resistance
    return known | dict(zip(free, np.linalg.solve(matrix, rhs), strict=True))


def test_one_cell_is_a_series_circuit():
    conductance, r, v = Fraction(3, 8192), (Fraction(1), Fraction(2), Fraction(5), Fraction(7)), Fraction(1, 4)
    exact = v / (1 / conductance + sum(r))
    crossbar = Crossbar([[float(conductance)]], *map(float, r))
    assert_allclose(crossbar.solve([float(v)]).current_A, [float(exact)], rtol=1e-15)


def test_two_by_two_matches_its_exact_rational_solution():
    cells = [[sympy.Rational(1, 8192), sympy.Rational(1, 65536)], [sympy.Rational(0), sympy.Rational(5, 16384)]]
    r_word, r_bit, r_driver, r_sense = map(sympy.Rational, (1, 2, 13, 11))
    v = (sympy.Rational(1, 4), sympy.Rational(-1, 8))
    w, b = sympy.symbols("w:2:2"), sympy.symbols("b:2:2")
    equations = []
    for i in range(2):
        for j in range(2):
            cell = cells[i][j] * (w[2 * i + j] - b[2 * i + j])
            into_word = (v[i] - w[2 * i]) / (r_driver + r_word) if j == 0 else (w[2 * i] - w[2 * i + 1]) / r_word
            out_of_word = (w[2 * i] - w[2 * i + 1]) / r_word if j == 0 else 0
            into_bit = 0 if i == 0 else (b[j] - b[2 + j]) / r_bit
            out_of_bit = (b[j] - b[2 + j]) / r_bit if i == 0 else b[2 + j] / (r_bit + r_sense)
            equations += [into_word - out_of_word - cell, into_bit - out_of_bit + cell]
    exact = sympy.solve(equations, [*w, *b])
    crossbar = Crossbar(np.array(cells, dtype=float), *map(float, (r_word, r_bit, r_driver, r_sense)))
    solution = crossbar.solve([float(x) for x in v])
    assert_allclose(solution.word_line_V.ravel(), [float(exact[x]) for x in w], rtol=1e-14)
    assert_allclose(solution.bit_line_V.ravel(), [float(exact[x]) for x in b], rtol=1e-14)
    assert_allclose(solution.current_A, [float(exact[b[2 + j]] / (r_bit + r_sense)) for j in range(2)], rtol=1e-14)


def test_a_word_line_is_a_ladder():
    """Input conductance of a ladder of equal cells on ideal bit lines, as a continued fraction."""
    cell, r_segment, r_driver, v, cells = Fraction(1, 4096), Fraction(8), Fraction(64), Fraction(1, 2), 12
    ladder = cell
    for _ in range(cells - 1):
        ladder = cell + 1 / (r_segment + 1 / ladder)
    exact = v / (r_driver + r_segment + 1 / ladder)
    crossbar = Crossbar(np.full((1, cells), float(cell)), float(r_segment), 0, float(r_driver))
    assert_allclose(crossbar.solve([float(v)]).current_A.sum(), float(exact), rtol=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_node_matches_a_dense_solution_of_the_drawn_circuit(shape):
    crossbar, v = example(shape)
    solution, dense = crossbar.solve(v), dense_solution(crossbar, v)
    m, n = shape
    assert_allclose(solution.word_line_V, [[dense["w", i, j] for j in range(n)] for i in range(m)], rtol=1e-12)
    bit_V = np.array([[dense["b", i, j] for j in range(n)] for i in range(m)])
    assert_allclose(solution.bit_line_V, bit_V, rtol=1e-11, atol=1e-18)
    assert_allclose(solution.current_A, bit_V[-1] / (2.5 + 30), rtol=1e-11, atol=1e-20)


@pytest.mark.parametrize("shape", SHAPES)
def test_without_resistances_the_output_is_the_product(shape):
    crossbar, v = example(shape, r=(0, 0))
    solution = crossbar.solve(v)
    assert_allclose(solution.current_A, v @ crossbar.conductance_S, rtol=1e-14, atol=1e-22)
    assert_array_equal(solution.cell_voltage_V, np.broadcast_to(v[:, np.newaxis], shape))
    assert_array_equal(crossbar.effective_conductance(), crossbar.conductance_S.T)
    assert solution.residual == 0


def test_ideal_lines_behind_a_sense_resistance_are_a_divider_each():
    crossbar, v = example((5, 4), r=(0, 0, 0, 700.0))
    load = 1 + 700.0 * crossbar.conductance_S.sum(axis=0)
    assert_allclose(crossbar.solve(v).current_A, v @ crossbar.conductance_S / load, rtol=1e-13)


def test_ideal_lines_behind_a_driver_resistance_are_a_divider_each():
    crossbar, v = example((5, 4), r=(0, 0, 700.0, 0))
    load = 1 + 700.0 * crossbar.conductance_S.sum(axis=1)
    assert_allclose(crossbar.solve(v).current_A, (v / load) @ crossbar.conductance_S, rtol=1e-13)


@pytest.mark.parametrize("zeroed", range(16))
def test_a_resistance_of_zero_is_the_limit_of_a_small_one(zeroed):
    r = np.array([1.5, 2.5, 40.0, 30.0])
    zero = np.array([bool(zeroed >> k & 1) for k in range(4)])
    exact, v = example((4, 5), r=np.where(zero, 0, r))
    nearly, _ = example((4, 5), r=np.where(zero, 1e-7, r))
    a, b = exact.solve(v), nearly.solve(v)
    assert_allclose(a.current_A, b.current_A, rtol=1e-8)
    assert_allclose(a.word_line_V, b.word_line_V, atol=1e-9)
    assert_allclose(a.bit_line_V, b.bit_line_V, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_power_put_in_is_dissipated_in_the_resistors(shape):
    crossbar, v = example(shape)
    solution = crossbar.solve(v)
    voltage = {("source", i): x for i, x in enumerate(v)} | {("sense", j): 0.0 for j in range(shape[1])}
    voltage |= {("w", i, j): x for (i, j), x in np.ndenumerate(solution.word_line_V)}
    voltage |= {("b", i, j): x for (i, j), x in np.ndenumerate(solution.bit_line_V)}
    dissipated = sum((voltage[a] - voltage[b]) ** 2 / r for a, b, r in resistors(crossbar))
    input_A = (v - solution.word_line_V[:, 0]) / (1.5 + 40.0)
    assert_allclose(v @ input_A, dissipated, rtol=1e-12)
    assert_allclose(input_A.sum(), solution.current_A.sum(), rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("shape", SHAPES)
def test_exchanging_word_and_bit_lines_transposes_the_effective_conductance(shape):
    crossbar, _ = example(shape)
    turned = Crossbar(crossbar.conductance_S[::-1, ::-1].T, 2.5, 1.5, 30.0, 40.0)
    assert_allclose(
        turned.effective_conductance()[::-1, ::-1], crossbar.effective_conductance().T, rtol=1e-12, atol=1e-22
    )


@pytest.mark.parametrize("shape", [*SHAPES, (70, 3), (3, 70), (70, 70)])
def test_the_effective_conductance_times_the_input_is_the_output(shape):
    crossbar, v = example(shape)
    effective = crossbar.effective_conductance()
    assert effective.shape == shape[::-1]
    assert_allclose(effective @ v, crossbar.solve(v).current_A, rtol=1e-11, atol=1e-17)


def test_a_batch_is_its_columns_solved_singly():
    crossbar, _ = example((5, 4))
    v = np.random.default_rng(1).uniform(-0.2, 0.2, (5, 3))
    batch = crossbar.solve(v)
    assert batch.word_line_V.shape == (5, 4, 3)
    for k in range(3):
        single = crossbar.solve(v[:, k])
        assert_allclose(batch.current_A[:, k], single.current_A, rtol=1e-13)
        assert_allclose(batch.ir_drop_V[..., k], single.ir_drop_V, rtol=1e-9, atol=1e-15)


seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(1, 6), st.integers(1, 6))
resistances = st.tuples(*[st.just(0.0) | st.floats(1e-2, 1e3)] * 4)


@settings(deadline=None, max_examples=60)
@given(shapes, seeds, resistances, st.floats(-3, 3))
def test_responses_superpose(shape, seed, r, factor):
    crossbar, v = example(shape, seed, r)
    other = np.random.default_rng(seed + 1).uniform(-0.3, 0.3, shape[0])
    combined = crossbar.solve(v + factor * other).current_A
    parts = crossbar.solve(v).current_A + factor * crossbar.solve(other).current_A
    assert_allclose(combined, parts, rtol=1e-11, atol=1e-16)


@settings(deadline=None, max_examples=60)
@given(shapes, seeds, resistances, st.sampled_from([2.0**-6, 0.5, 8.0, 1024.0]))
def test_scaling_all_impedances_scales_the_currents_and_leaves_the_voltages(shape, seed, r, factor):
    crossbar, v = example(shape, seed, r)
    scaled = Crossbar(crossbar.conductance_S / factor, *(factor * x for x in r))
    a, b = crossbar.solve(v), scaled.solve(v)
    assert_allclose(b.current_A * factor, a.current_A, rtol=1e-11, atol=1e-18)
    assert_allclose(b.cell_voltage_V, a.cell_voltage_V, rtol=1e-11, atol=1e-15)


@settings(deadline=None, max_examples=60)
@given(shapes, seeds, resistances, st.integers(0, 3), st.floats(0.1, 100))
def test_raising_any_resistance_never_raises_the_power(shape, seed, r, which, more):
    """Rayleigh's monotonicity law, for word lines driven alike and all bit lines grounded."""
    v = np.full(shape[0], 0.2)
    raised = tuple(x + more * (k == which) for k, x in enumerate(r))
    before, after = (example(shape, seed, x)[0].solve(v).current_A.sum() for x in (r, raised))
    assert after <= before * (1 + 1e-12)


def test_open_cells_on_resistive_lines_float_at_their_line_voltage():
    solution = Crossbar(np.zeros((3, 2)), 1, 1).solve([0.1, 0.0, -0.2])
    assert_array_equal(solution.current_A, [0, 0])
    assert_array_equal(solution.word_line_V, [[0.1, 0.1], [0, 0], [-0.2, -0.2]])
    assert_array_equal(solution.bit_line_V, np.zeros((3, 2)))


def test_no_input_gives_no_output():
    solution = example((5, 4))[0].solve(np.zeros(5))
    assert_array_equal(solution.current_A, np.zeros(4))
    assert solution.residual == 0


def test_the_ir_drop_of_equal_cells_grows_away_from_driver_and_sense():
    drop = Crossbar(np.full((8, 8), 1e-4), 5, 5).solve(np.full(8, 0.2)).ir_drop_V
    assert (np.diff(drop, axis=1) > 0).all()
    assert (np.diff(drop, axis=0) < 0).all()


def test_the_ir_drop_fraction_refers_to_the_line_s_own_voltage():
    solution = Crossbar([[1e-3], [1e-3]], 0, 0, r_driver_ohm=1000).solve([0.4, 0.0])
    assert_allclose(solution.ir_drop_fraction, [[0.5], [np.nan]], rtol=1e-14)
    assert_allclose(solution.ir_drop_V, [[0.2], [0]], rtol=1e-14)


@pytest.mark.parametrize("r", [1e-3, 1.0, 1e3])
def test_kirchhoff_s_current_law_holds_to_rounding_for_good_and_bad_wires(r):
    crossbar, v = example((40, 30), r=(r, r, 2 * r, 2 * r))
    assert crossbar.solve(v).residual < 1e-13


@pytest.mark.parametrize("ends", [(1e6, 0), (0, 1e6), (1e6, 1e6)])
def test_a_large_end_resistance_on_a_good_line_costs_no_accuracy_of_the_output(ends):
    """Without refinement six digits and more are lost; 1 µΩ segments themselves matter below 1e-9."""
    with_line, v = example((5, 4), r=(1e-6, 1e-6, *ends))
    without, _ = example((5, 4), r=(0, 0, *ends))
    expected = without.solve(v).current_A
    assert_allclose(with_line.solve(v).current_A, expected, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("crossbar", "symptom"),
    [
        (Crossbar(np.full((5, 4), 1e-5), 1e-9, 1e-9, 1e9, 1e9), "must settle within 10 refinements"),
        (
            Crossbar(np.full((1, 2), 2.0**-60), 2.0**-10, 0, 2.0**60),
            r"must have a regular matrix \(got a singular one\)",
        ),
    ],
)
def test_resistances_beyond_double_precision_are_refused_not_answered_wrongly(crossbar, symptom):
    with pytest.raises(CheckFailed, match=rf"{symptom}.* set the negligible ones to 0"):
        crossbar.solve(np.linspace(0.1, 0.2, crossbar.shape[0]))


def test_solving_leaves_the_thread_limits_as_they_were():
    crossbar, v = example((5, 4))
    before = threadpool_info()
    crossbar.solve(v)
    assert threadpool_info() == before


def test_the_conductances_are_a_frozen_copy():
    cells = np.array([[1e-4, 2e-4]])
    crossbar = Crossbar(cells, 1, 1)
    cells[0, 0] = 5.0
    assert crossbar.conductance_S[0, 0] == 1e-4
    with pytest.raises(ValueError, match="read-only"):
        crossbar.conductance_S[0, 0] = 1.0


def test_the_solution_does_not_change_with_the_caller_s_voltages():
    v = np.array([0.1])
    solution = Crossbar([[1e-4]], 1, 1).solve(v)
    v[0] = 9.0
    assert solution.applied_V[0] == 0.1


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([1e-4, 2e-4], r"conductance_S must be a matrix .* \(got shape \(2,\)\)"),
        (np.zeros((0, 4)), r"at least one cell \(got shape \(0, 4\)\)"),
        ([[1e-4, 2e-4], [-1e-6, 0]], r"\(got -1e-06 S at word line 1, bit line 0\)"),
        ([[1e-4, np.nan]], r"\(got nan S at word line 0, bit line 1\)"),
        ([[np.inf]], r"must be 0 or between 1e-30 and 1e\+09 S \(got inf S"),
        ([[1e-40]], r"\(got 1e-40 S .*0 stands for the limit of none"),
        ([["a"]], "conductance_S must be real numbers"),
        ([[1, 2], [3]], "conductance_S must be real numbers"),
    ],
)
def test_bad_conductances_are_named(cells, message):
    with pytest.raises(BadInput, match=message):
        Crossbar(cells, 1, 1)


@pytest.mark.parametrize("name", ["r_word_line_ohm", "r_bit_line_ohm", "r_driver_ohm", "r_sense_ohm"])
@pytest.mark.parametrize("value", [-1.0, np.nan, -np.inf, 1e-12, [1.0, 2.0], "much"])
def test_bad_resistances_are_named(name, value):
    good = {"r_word_line_ohm": 1.0, "r_bit_line_ohm": 1.0}
    with pytest.raises(BadInput, match=f"{name} must be"):
        Crossbar([[1e-4]], **(good | {name: value}))


@pytest.mark.parametrize(
    ("v", "message"),
    [
        ([0.1], r"v must have shape \(2,\) or \(2, batch\).*got shape \(1,\)"),
        (0.1, r"got shape \(\)"),
        (np.zeros((2, 0)), r"got shape \(2, 0\)"),
        (np.zeros((2, 1, 1)), r"got shape \(2, 1, 1\)"),
        ([0.1, np.nan], r"v must be finite \(got nan V\)"),
    ],
)
def test_bad_voltages_are_named(v, message):
    with pytest.raises(BadInput, match=message):
        Crossbar([[1e-4], [1e-5]], 1, 1).solve(v)


def test_an_unknown_method_lists_the_known_ones():
    with pytest.raises(BadInput, match=r"unknown method 'nodel': did you mean nodal\? known: auto, cg, nodal"):
        Crossbar([[1e-4]], 1, 1).solve([0.1], method="nodel")
