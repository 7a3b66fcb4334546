"""The error of a matrix-vector product made by a crossbar."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nvmphys.crossbar import Crossbar, matvec_error
from nvmphys.errors import BadInput


def test_an_ideal_crossbar_makes_no_error():
    rng = np.random.default_rng(0)
    result = matvec_error(Crossbar(rng.uniform(1e-6, 1e-4, (9, 7)), 0, 0), rng.uniform(-0.2, 0.2, (9, 5)))
    assert_allclose(result.error, 0, atol=1e-15)


def test_the_error_of_ideal_lines_behind_sense_resistances_is_the_divider_s():
    cells, v, r_sense = np.array([[1e-4, 2e-5], [3e-4, 5e-5]]), np.array([0.2, 0.1]), 500.0
    result = matvec_error(Crossbar(cells, 0, 0, r_sense_ohm=r_sense), v)
    ideal = np.array([5e-5, 9e-6])
    load = r_sense * np.array([4e-4, 7e-5])
    assert_allclose(result.ideal_A, ideal, rtol=1e-14)
    assert result.full_scale_A == pytest.approx(5e-5, rel=1e-14)
    assert_allclose(result.error, -ideal / 5e-5 * load / (1 + load), rtol=1e-13)


def test_full_scale_is_the_largest_ideal_current_of_all_vectors():
    result = matvec_error(Crossbar([[1e-4]], 1, 1), [[0.1, -0.3]])
    assert result.full_scale_A == pytest.approx(3e-5, rel=1e-14)


def test_the_error_grows_with_the_distance_from_the_drivers():
    v = np.random.default_rng(0).uniform(0.05, 0.2, (16, 8))
    result = matvec_error(Crossbar(np.full((16, 12), 5e-5), 2, 2), v)
    assert_array_equal(result.distance_segments, np.arange(1, 13))
    assert (np.diff(result.mean_by_distance) < 0).all()
    assert (result.mean_by_distance < 0).all()
    assert (np.diff(result.sigma_by_distance) > 0).all()


def test_mean_and_sigma_are_those_of_all_bit_lines_and_vectors():
    rng = np.random.default_rng(0)
    result = matvec_error(Crossbar(rng.uniform(1e-6, 1e-4, (6, 5)), 3, 3), rng.uniform(0, 0.2, (6, 4)))
    by_hand = [(a - i) / result.full_scale_A for a, i in zip(result.actual_A.flat, result.ideal_A.flat, strict=True)]
    assert result.mean == pytest.approx(sum(by_hand) / 20, rel=1e-12)
    variance = sum((x - result.mean) ** 2 for x in by_hand) / 20
    assert result.sigma == pytest.approx(variance**0.5, rel=1e-12)
    assert_allclose(result.mean_by_distance, np.reshape(by_hand, (5, 4)).mean(axis=1), rtol=1e-12)


def test_one_vector_has_no_spread_at_a_distance():
    result = matvec_error(Crossbar([[1e-4, 1e-4]], 10, 10), [0.2])
    assert_array_equal(result.sigma_by_distance, [0, 0])
    assert_array_equal(result.mean_by_distance, result.error)


@pytest.mark.parametrize(("cells", "v"), [([[0.0]], [0.2]), ([[1e-4]], [0.0])])
def test_without_any_current_there_is_no_full_scale(cells, v):
    with pytest.raises(BadInput, match="v must drive a current through at least one cell"):
        matvec_error(Crossbar(cells, 1, 1), v)
