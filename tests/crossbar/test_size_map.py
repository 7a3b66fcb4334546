"""The largest array that wires allow: against closed forms of small arrays, and its edges."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from nvmphys.crossbar import Sinh
from nvmphys.crossbar.size_map import SizeMap, size_map
from nvmphys.errors import BadInput


def test_one_cell_is_a_divider_of_its_two_segments():
    made = size_map(np.full((3, 3), 1e-4), 0.2, [1], [2.0, 50.0], r_driver_ohm=10.0)
    assert_allclose(made.worst, [[1 - 1 / (1 + 1e-4 * (2 * r + 10)) for r in (2.0, 50.0)]], rtol=1e-10)
    assert_allclose(made.rms, made.worst, rtol=1e-12)


def test_a_small_error_of_equal_cells_is_the_sum_of_all_drops():
    """To first order segment k of a line carries the current of the n - k cells behind it."""
    n, r, g = 16, 1e-4, 1e-4
    made = size_map(np.full((n, n), g), 0.1, [n], [r])
    along = np.array([sum(n - k for k in range(j + 1)) for j in range(n)])
    drop = r * g * (along[-1] + along.mean())  # worst output: the last bit line; averaged over its word lines
    assert_allclose(made.worst[0, 0], drop, rtol=1e-4)


def test_the_error_of_sinh_cells_is_against_their_own_current_without_wires():
    made = size_map(np.full((2, 2), 1e-5), 0.3, [2], [1e-6], cell=Sinh(5.0))
    assert made.worst[0, 0] < 1e-9


def test_errors_grow_with_size_and_wire_and_the_largest_array_shrinks():
    cells = np.random.default_rng(1).uniform(1e-6, 1e-4, (24, 24))
    told = []
    made = size_map(cells, 0.2, [24, 4, 12], [0.5, 5.0, 2.0], progress=lambda *said: told.append(said))
    assert made.size.tolist() == [4, 12, 24]
    assert (np.diff(made.worst, axis=0) > 0).all()
    assert (np.diff(made.worst, axis=1) > 0).all()
    assert (np.diff(made.largest(0.05)) < 0).all()
    assert told[-1] == ("sizes", 3, 3)


def test_the_contour_is_a_power_law_between_sizes():
    wire = np.array([1.0])
    made = SizeMap(np.array([10, 20, 40]), wire, 1e-5 * np.array([[100.0], [400.0], [1600.0]]), np.zeros((3, 1)))
    assert_allclose(made.largest(1e-5 * 30.0**2), [30.0])
    assert np.isnan(made.largest(9e-4)).all()
    assert np.isinf(made.largest(0.1)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": [1, 5]}, r"sizes must lie within 1 … 4, the cells given"),
        ({"sizes": []}, "sizes must lie within"),
        ({"wires_ohm": [0.0]}, "wires_ohm must be > 0"),
        ({"v": 0.0}, "v must not be 0 V"),
    ],
)
def test_bad_requests_are_named(change, message):
    with pytest.raises(BadInput, match=message):
        size_map(**({"conductance_S": np.full((4, 4), 1e-5), "v": 0.2, "sizes": [2], "wires_ohm": [1.0]} | change))
