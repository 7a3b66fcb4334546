"""Crossbars of every topology and kind of cell: all solvers against drawn circuits solved by other means."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import root

from nvmphys.crossbar import (
    AccessTransistor,
    Capacitance,
    Crossbar,
    Differential,
    Polynomial,
    Sinh,
    column_pairs,
    sensitivity,
)
from nvmphys.crossbar.dissection import nested_dissection
from nvmphys.crossbar.merge import merged_conductance
from nvmphys.errors import BadInput, CheckFailed

INF = np.inf
IDEAL = 1e-4
"""Stands for no resistance in a dense matrix [ohm], which then still resolves the cells."""
SHAPES = [(1, 1), (1, 7), (7, 1), (3, 5), (9, 6), (17, 12)]


def wired(shape, seed, *, zeros=True, breaks=True):
    """Return an array with faults of all kinds: open cells, breaks, floating lines, ideal segments, second drivers."""
    rng = np.random.default_rng(seed)
    m, n = shape
    conductance = 10 ** rng.uniform(-6, -3.5, shape) * (rng.random(shape) > 0.15)

    def segments(k, lines):
        r = rng.uniform(0.5, 50, (k, lines))
        r[rng.random(r.shape) < (0.2 if zeros else 0)] = 0
        r[rng.random(r.shape) < (0.08 if breaks else 0)] = INF
        return r

    def ends(k, floating):
        return np.where(rng.random(k) < floating, INF, rng.uniform(1, 100, k))

    floating = 0.2 if breaks else 0.0
    crossbar = Crossbar(
        conductance,
        segments(m, n + 1),
        segments(m + 1, n),
        ends(m, floating),
        ends(n, floating),
        ends(m, 0.6),
        ends(n, 0.6),
    )
    return crossbar, rng.uniform(-0.3, 0.5, m), rng.uniform(-0.1, 0.1, n)


def drawn(crossbar):
    """List (node, node, resistance) of the lines as one would draw them; terminals are named after their voltages."""
    m, n = crossbar.shape
    r_word = np.broadcast_to(np.asarray(crossbar.r_word_line_ohm), (m, n + 1))
    r_bit = np.broadcast_to(np.asarray(crossbar.r_bit_line_ohm), (m + 1, n))
    near_v, far_v = (np.broadcast_to(x, m) for x in (crossbar.r_driver_ohm, crossbar.r_driver_far_ohm))
    near_u, far_u = (np.broadcast_to(x, n) for x in (crossbar.r_sense_ohm, crossbar.r_sense_far_ohm))
    parts = []
    for i in range(m):
        parts.append((("v", i), ("w", i, 0), r_word[i, 0] + near_v[i]))
        parts += [(("w", i, j - 1), ("w", i, j), r_word[i, j]) for j in range(1, n)]
        parts.append((("w", i, n - 1), ("v", i), r_word[i, n] + far_v[i]))
    for j in range(n):
        parts.append((("u", j), ("b", 0, j), r_bit[0, j] + far_u[j]))
        parts += [(("b", i - 1, j), ("b", i, j), r_bit[i, j]) for i in range(1, m)]
        parts.append((("b", m - 1, j), ("u", j), r_bit[m, j] + near_u[j]))
    return [part for part in parts if part[2] < INF]


def incidence(crossbar):
    """Return the conductances of the drawn lines, and the incidence of lines and cells on nodes and on terminals."""
    m, n = crossbar.shape
    lines = [(a, b, max(r, IDEAL)) for a, b, r in drawn(crossbar)]
    nodes = [(kind, i, j) for kind in "wb" for i in range(m) for j in range(n)]
    nodes += [("v", i) for i in range(m)] + [("u", j) for j in range(n)]
    at = {node: k for k, node in enumerate(nodes)}
    ends = [(a, b) for a, b, _ in lines] + [(("w", i, j), ("b", i, j)) for i in range(m) for j in range(n)]
    matrix = np.zeros((len(ends), len(nodes)))
    for k, (a, b) in enumerate(ends):
        matrix[k, at[a]] += 1
        matrix[k, at[b]] -= 1
    return np.array([1 / r for *_, r in lines]), matrix[:, : 2 * m * n], matrix[:, 2 * m * n :]


def dense_voltages(crossbar, conductance, v, u):
    """Solve the drawn circuit with a dense matrix, for the shortest vector where parts are joined to nothing."""
    wires, free, fixed = incidence(crossbar)
    g = np.concatenate([wires, conductance.ravel()])
    laplacian = free.T @ (g[:, np.newaxis] * free)
    right = -free.T @ (g * (fixed @ np.concatenate([v, u])))
    apart = np.isinf(crossbar.word_branches_ohm[:, :-1]).any() or np.isinf(crossbar.bit_branches_ohm[:, :-1]).any()
    x = np.linalg.lstsq(laplacian, right)[0] if apart else np.linalg.solve(laplacian, right)
    return x.reshape(2, *crossbar.shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_node_of_any_topology_matches_a_dense_solution_of_the_drawn_circuit(shape):
    crossbar, v, u = wired(shape, 1, zeros=False, breaks=False)
    w, b = dense_voltages(crossbar, crossbar.conductance_S, v, u)
    for method in ("nodal", "cg"):
        solution = crossbar.solve(v, method, sense_V=u)
        assert solution.method == method
        assert_allclose(solution.word_line_V, w, atol=1e-12)
        assert_allclose(solution.bit_line_V, b, atol=1e-12)
        assert_allclose(solution.current_A, (crossbar.conductance_S * (w - b)).sum(axis=0), atol=1e-15)
        assert solution.residual < 1e-12


@pytest.mark.parametrize("seed", range(6))
def test_broken_and_ideal_lines_match_a_dense_solution_of_the_drawn_circuit(seed):
    """Segments of 0.1 mΩ beside cells of 3 kΩ and more change the currents by less than 1e-5."""
    crossbar, v, u = wired((5, 6), seed)
    w, b = dense_voltages(crossbar, crossbar.conductance_S, v, u)
    cell_A = crossbar.conductance_S * (w - b)
    solution = crossbar.solve(v, "nodal", sense_V=u)
    assert_allclose(solution.cell_current_A, cell_A, atol=1e-5 * np.abs(cell_A).max())


seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(1, 20), st.integers(1, 20))


@settings(deadline=None, max_examples=40)
@given(shapes, seeds, st.booleans())
def test_conjugate_gradients_and_the_direct_solution_agree_whatever_is_broken(shape, seed, breaks):
    crossbar, v, u = wired(shape, seed, zeros=False, breaks=breaks)
    a, b = crossbar.solve(v, "cg", sense_V=u), crossbar.solve(v, "nodal", sense_V=u)
    assert_allclose(a.word_line_V, b.word_line_V, atol=1e-11)
    assert_allclose(a.bit_line_V, b.bit_line_V, atol=1e-11)
    assert_allclose(a.current_A, b.current_A, rtol=1e-11, atol=1e-11 * np.abs(b.cell_current_A).max() + 1e-20)


@settings(deadline=None, max_examples=40)
@given(shapes, seeds, st.booleans(), st.booleans())
def test_merged_tiles_give_the_effective_conductance_of_any_topology(shape, seed, zeros, breaks):
    crossbar, v, _ = wired(shape, seed, zeros=zeros, breaks=breaks)
    merged, nodal = merged_conductance(crossbar), crossbar.effective_conductance("nodal")
    rounding_S = 1e-15 * crossbar.conductance_S.sum()
    assert_allclose(merged, nodal, rtol=1e-11, atol=1e-12 * np.abs(nodal).max() + rounding_S)
    assert_allclose(merged @ v, crossbar.solve(v, "nodal").current_A, atol=1e-12 * np.abs(nodal).sum() + rounding_S)


@pytest.mark.parametrize("shape", [(40, 17), (100, 64), (31, 150)])
def test_larger_tiles_are_merged_by_blas_alike(shape):
    crossbar, v, _ = wired(shape, 3, zeros=False)
    assert_allclose(merged_conductance(crossbar) @ v, crossbar.solve(v, "cg").current_A, rtol=1e-11, atol=1e-17)


def test_merged_conductances_keep_their_digits_on_wires_1e12_times_better_than_the_cells():
    """A nodal matrix of such an array has lost the cells; the ladder of one word line is known exactly."""
    cells = [Fraction(k, 2**40) for k in (3, 1, 7, 2, 5)]
    r = Fraction(1, 2**20)
    transfer = []
    for last in range(len(cells)):  # current into bit line `last` at 1 V on the driver, bit lines without resistance
        forward, ahead = Fraction(0), [Fraction(0)] * (len(cells) + 1)
        for k in reversed(range(len(cells))):
            ahead[k] = 1 / (r + 1 / (cells[k] + ahead[k + 1]))
        v = Fraction(1)
        for k in range(last + 1):
            v *= ahead[k] / (cells[k] + ahead[k + 1])
        forward = v * cells[last]
        transfer.append(float(forward))
    crossbar = Crossbar([[float(c) for c in cells]], float(r), 0.0)
    assert_allclose(merged_conductance(crossbar)[:, 0], transfer, rtol=1e-14)


def test_nodes_that_nothing_joins_to_a_terminal_are_at_0_volts_and_carry_nothing():
    cut = Crossbar([[1e-4, 1e-4, 0.0]], [[1.0, 1.0, INF]], 1.0)
    for method in ("nodal", "cg"):
        solution = cut.solve([0.3], method)
        assert solution.word_line_V[0, 2] == 0
        assert solution.current_A[2] == 0
        assert solution.word_line_V[0, 1] > 0.29


def test_a_line_that_is_not_driven_floats_between_its_cells():
    crossbar = Crossbar([[1e-4, 3e-4], [1e-5, 1e-5]], 0, 0, r_driver_ohm=[INF, 0.0])
    solution = crossbar.solve([9.0, 0.0], sense_V=[0.4, 0.0])
    assert_allclose(solution.word_line_V[0], [0.1, 0.1], rtol=1e-12)
    assert_allclose(solution.current_A, [-3e-5 - 4e-6, 3e-5], rtol=1e-12)


def test_a_second_driver_takes_two_thirds_off_the_drop_of_a_line():
    one_end = Crossbar(np.full((1, 40), 1e-4), 5.0, 0.0)
    both = replace(one_end, r_driver_far_ohm=0.0)
    drop = [x.solve([0.2]).ir_drop_V[0] for x in (one_end, both)]
    assert drop[1].max() < drop[0].max() / 3
    assert_allclose(drop[1], drop[1][::-1], rtol=1e-11)


CELLS = {
    "polynomial": Polynomial((0.2, 0.8)),
    "sinh": Sinh(3.0),
    "sinh of each": Sinh(np.linspace(0.5, 4, 12).reshape(3, 4)),
    "1t1r": AccessTransistor([1.2, 1.8, 2.5], 0.5, 1.3, 5e-4),
    "1t1r with sinh": AccessTransistor(1.4, 0.5, 1.3, 5e-4, resistive=Sinh(2.0)),
}


def non_linear(cell, **lines):
    rng = np.random.default_rng(5)
    crossbar = Crossbar(rng.uniform(1e-6, 1e-4, (3, 4)), 60.0, 90.0, 200.0, 100.0, **lines)
    return replace(crossbar, cell=cell), rng.uniform(-1.2, 1.5, 3), rng.uniform(-0.2, 0.2, 4)


@pytest.mark.parametrize("method", ["cg", "nodal"])
@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
def test_cells_of_any_kind_are_at_the_root_of_kirchhoff_s_law(cell, method):
    crossbar, v, u = non_linear(cell)
    wires, free, fixed = incidence(crossbar)

    def imbalance(x):
        drop = free @ x + fixed @ np.concatenate([v, u])
        w, b = x.reshape(2, 3, 4)
        current = cell.state(crossbar.conductance_S, w, b).current_A
        return 1e4 * free.T @ np.concatenate([wires * drop[: len(wires)], current.ravel()])

    found = root(imbalance, np.zeros(24), tol=1e-14)
    w, b = found.x.reshape(2, 3, 4)
    solution = crossbar.solve(v, method, sense_V=u)
    assert_allclose(solution.word_line_V, w, atol=1e-10)
    assert_allclose(solution.bit_line_V, b, atol=1e-10)
    assert solution.residual < 1e-12


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
def test_slopes_of_cells_are_those_of_their_current(cell):
    rng = np.random.default_rng(2)
    g, w, b = rng.uniform(1e-6, 1e-4, (3, 4)), rng.uniform(-1, 1.5, (3, 4)), rng.uniform(-0.1, 0.1, (3, 4))
    state, h = cell.state(g, w, b), 1e-5

    def slope(dg=0.0, dw=0.0, db=0.0):
        up, down = (cell.state(g + s * dg, w + s * dw, b + s * db).current_A for s in (1, -1))
        return (up - down) / 2

    assert_allclose(slope(dw=h) / h, state.word_slope_S, rtol=1e-5, atol=1e-11)
    assert_allclose(-slope(db=h) / h, state.bit_slope_S, rtol=1e-5, atol=1e-11)
    assert_allclose(slope(dg=1e-9) / 1e-9, state.per_conductance_V, rtol=1e-5, atol=1e-7)


def complex_outputs(crossbar, conductance, v, u):
    """Return the outputs for complex conductances, by Newton's method on the drawn circuit of sinh or linear cells."""
    wires, free, fixed = incidence(crossbar)
    known = fixed @ np.concatenate([v, u])
    x = np.zeros(free.shape[1], dtype=complex)
    alpha = 0.0 if crossbar.cell.linear else crossbar.cell.alpha_per_V
    for _ in range(40):
        drop = free @ x + known
        across = drop[len(wires) :]
        g = conductance.ravel()
        current = g * across if alpha == 0 else g / alpha * np.sinh(alpha * across)
        slope = g if alpha == 0 else g * np.cosh(alpha * across)
        branch = np.concatenate([wires * drop[: len(wires)], current])
        jacobian = free.T @ (np.concatenate([wires, slope])[:, np.newaxis] * free)
        x = x - np.linalg.solve(jacobian, free.T @ branch)
    return current.reshape(crossbar.shape).sum(axis=0)


@pytest.mark.parametrize("method", ["cg", "nodal"])
@pytest.mark.parametrize("cell", [None, Sinh(3.0)], ids=["linear", "sinh"])
def test_the_sensitivity_is_the_complex_step_derivative(cell, method):
    crossbar, v, u = non_linear(Sinh(1.0), r_sense_far_ohm=[30.0, INF, INF, 0.0])
    crossbar = (
        Crossbar(crossbar.conductance_S, 60.0, 90.0, 200.0, 100.0) if cell is None else replace(crossbar, cell=cell)
    )
    weights = np.array([[1.0, 0.3], [-2.0, 0.0], [0.5, 1.0], [0.0, -1.0]])
    found = sensitivity(crossbar, v, weights, method=method, solution=crossbar.solve(v, method, sense_V=u))
    assert found.shape == (3, 4, 2)
    for place in np.ndindex(3, 4):
        moved = crossbar.conductance_S.astype(complex)
        moved[place] += 1e-30j
        derivative = complex_outputs(crossbar, moved, v, u).imag / 1e-30 @ weights
        assert_allclose(found[place], derivative, rtol=1e-8, atol=1e-10)


def test_the_sensitivity_of_1t1r_cells_is_the_difference_of_outputs():
    crossbar, v, _ = non_linear(AccessTransistor([1.2, 1.8, 2.5], 0.5, 1.3, 5e-4))
    found = sensitivity(crossbar, v, np.eye(4))
    for place in [(0, 0), (1, 3), (2, 1)]:
        outputs = []
        for sign in (1, -1):
            moved = crossbar.conductance_S.copy()
            moved[place] += sign * 1e-9
            outputs.append(replace(crossbar, conductance_S=moved).solve(v).current_A)
        assert_allclose(found[place], (outputs[0] - outputs[1]) / 2e-9, rtol=1e-5, atol=1e-6)


def test_a_line_that_is_not_sensed_has_no_output_to_change():
    crossbar = Crossbar(np.full((2, 2), 1e-4), 1, 1, r_sense_ohm=[0.0, INF])
    assert crossbar.solve([0.1, 0.2]).current_A[1] == 0
    assert_array_equal(sensitivity(crossbar, [0.1, 0.2], [0.0, 1.0]), np.zeros((2, 2)))


def test_a_batch_of_non_linear_cells_is_its_columns_solved_singly():
    crossbar, _, _ = non_linear(Sinh(3.0))
    v = np.random.default_rng(1).uniform(-1, 1, (3, 3))
    batch = crossbar.solve(v)
    for k in range(3):
        assert_allclose(batch.current_A[:, k], crossbar.solve(v[:, k]).current_A, rtol=1e-13, atol=1e-19)


def test_a_start_near_the_solution_saves_iterations():
    rng = np.random.default_rng(0)
    crossbar = Crossbar(rng.uniform(1e-6, 1e-4, (24, 24)), 5.0, 5.0, cell=Sinh(3.0))
    v = rng.uniform(0, 1.5, 24)
    cold = crossbar.solve(v, "cg")
    warm = replace(crossbar, conductance_S=crossbar.conductance_S * 1.001).solve(v, "cg", start=cold)
    again = replace(crossbar, conductance_S=crossbar.conductance_S * 1.001).solve(v, "cg")
    assert warm.iterations < again.iterations
    assert_allclose(warm.current_A, again.current_A, rtol=1e-12)


def test_output_currents_of_many_vectors_are_those_of_each():
    crossbar, _, _ = wired((20, 16), 2, zeros=False)
    v = np.random.default_rng(0).uniform(0, 0.3, (20, 40))
    assert_allclose(crossbar.currents(v), crossbar.solve(v, "nodal").current_A, rtol=1e-10, atol=1e-17)
    assert_allclose(crossbar.currents(v[:, 0]), crossbar.currents(v)[:, 0], rtol=1e-10, atol=1e-17)


def test_differential_outputs_are_differences_of_arrays_or_of_neighbouring_lines():
    rng = np.random.default_rng(0)
    plus, minus = (Crossbar(rng.uniform(1e-6, 1e-4, (4, 3)), 1, 1) for _ in range(2))
    v = rng.uniform(0, 0.2, 4)
    pair = Differential(plus, minus)
    expected = plus.solve(v).current_A - minus.solve(v).current_A
    assert_array_equal(pair.solve(v).current_A, expected)
    assert_allclose(pair.currents(v), expected, rtol=1e-12)
    assert_allclose(pair.effective_conductance() @ v, expected, rtol=1e-10)
    with pytest.raises(BadInput, match=r"plus and minus must have one shape \(got \(4, 3\) and \(1, 1\)\)"):
        Differential(plus, Crossbar([[1e-4]], 1, 1))
    with pytest.raises(BadInput, match=r"bit lines must come in pairs \(got 3\)"):
        column_pairs(expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 7), (17, 40)])
def test_nested_dissection_orders_every_node_once(shape):
    assert_array_equal(np.sort(nested_dissection(*shape)), np.arange(2 * shape[0] * shape[1]))


def test_cells_without_an_operating_point_are_named():
    """(50 - v)/2000 = (v - 10 v²)/1000 has no real solution."""
    crossbar = Crossbar([[1e-3]], 1e3, 1e3, cell=Polynomial((-10.0,)))
    with pytest.raises(CheckFailed, match=r"operating point must be found by Newton's iteration .*none beyond .*%"):
        crossbar.solve([50.0])


def test_overflowing_cells_are_reached_by_raising_the_inputs():
    """αV = 900 at the ideal voltages: e^900 is no double; the wires take what the cells cannot."""
    crossbar = Crossbar(np.full((6, 6), 1e-5), 1.0, 1.0, 100.0, 100.0, cell=Sinh(30.0))
    solution = crossbar.solve(np.full(6, 30.0))
    assert solution.residual < 1e-10
    assert np.isfinite(solution.current_A).all()


SMALL = Crossbar([[1e-4, 1e-5], [1e-5, 1e-6]], 1, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Crossbar([[1e-4]], 0, 1).solve([0.1], "cg"), r"method='cg' needs lines whose segments all have"),
        (lambda: SMALL.effective_conductance("merj"), "unknown method 'merj': did you mean merge"),
        (lambda: replace(SMALL, cell=Sinh(1.0)).effective_conductance(), r"is of linear cells \(got Sinh\)"),
        (lambda: SMALL.solve([0.1, 0.2], sense_V=[1.0]), r"sense_V must be one finite number .*got shape \(1,\)"),
        (lambda: SMALL.solve([0.1, 0.2], sense_V=np.nan), "sense_V must be one finite number"),
        (
            lambda: SMALL.solve([0.1, 0.2], start=Crossbar([[1e-4]], 1, 1).solve([0.1])),
            r"start must be a solution of shape \(2, 2\) \(got \(1, 1\)\)",
        ),
        (lambda: sensitivity(SMALL, [0.1, 0.2], [1.0]), r"weights must be finite and have shape \(2,\)"),
        (lambda: sensitivity(SMALL, np.ones((2, 2)), [1.0, 0.0]), "v must be one vector for a sensitivity"),
        (lambda: Sinh(0.0), r"alpha_per_V must be > 0 \(got 0 1/V\)"),
        (lambda: replace(SMALL, cell=Sinh(np.ones((3, 2)))), r"alpha_per_V must be one number or have shape \(2, 2\)"),
        (
            lambda: replace(SMALL, cell=AccessTransistor([1.0], 0.5, 1.3, 5e-4)),
            "gate_V must be one number or have shape",
        ),
        (lambda: Polynomial((np.inf,)), "coefficients must be finite"),
        (lambda: Capacitance(cell_F=-1.0), r"cell_F must be >= 0 and finite \(got -1.0 F\)"),
        (lambda: replace(SMALL, r_word_line_ohm=np.ones((2, 4))), r"r_word_line_ohm must be one number .*\(2, 3\)"),
        (lambda: replace(SMALL, r_driver_ohm=[1.0, -2.0]), r"got -2 ohm at \(1,\)"),
    ],
)
def test_bad_requests_are_named(call, message):
    with pytest.raises(BadInput, match=message):
        call()
