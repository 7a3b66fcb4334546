"""What laws are compared with: nearest condition, straight line, spline, Gaussian process."""

from __future__ import annotations

import numpy as np
import pytest

from nvmphys.errors import BadInput
from nvmphys.fit.baselines import ALONG, _cost, along_lines, gaussian_process


@pytest.fixture
def noisy_surface():
    rng = np.random.default_rng(3)
    places = rng.random((60, 2))
    return places, np.sin(4 * places[:, 0]) + places[:, 1] ** 2 + 0.05 * rng.normal(size=60)


def test_the_gaussian_process_is_that_of_scikit_learn(noisy_surface):
    learn = pytest.importorskip("sklearn.gaussian_process")
    kernels = learn.kernels
    places, numbers = noisy_surface
    ours = gaussian_process(places, numbers)
    kernel = kernels.ConstantKernel(1.0) * kernels.RBF([1.0, 1.0]) + kernels.WhiteKernel(0.1)
    theirs = learn.GaussianProcessRegressor(kernel, random_state=0).fit(places, numbers - numbers.mean())
    assert ours.log_likelihood == pytest.approx(theirs.log_marginal_likelihood_value_, abs=1e-3)
    asked = np.random.default_rng(4).random((20, 2))
    np.testing.assert_allclose(ours(asked), theirs.predict(asked) + numbers.mean(), atol=2e-3)


def test_the_slopes_of_the_likelihood_are_its_differences(noisy_surface):
    places, numbers = noisy_surface
    squares = (places[:, np.newaxis] - places) ** 2
    at = np.array([-0.5, 0.2, 0.1, -2.0])
    steps = 1e-5 * np.eye(4)
    differences = [(_cost(at + h, squares, numbers)[0] - _cost(at - h, squares, numbers)[0]) / 2e-5 for h in steps]
    np.testing.assert_allclose(_cost(at, squares, numbers)[1], differences, rtol=1e-5, atol=1e-4)


def test_an_axis_that_does_not_move_changes_nothing(noisy_surface):
    places, numbers = noisy_surface
    with_constant = np.column_stack([places, np.full(60, 7.0)])
    asked = np.array([[0.3, 0.4]])
    other = gaussian_process(with_constant, numbers)(np.array([[0.3, 0.4, 7.0]]))
    np.testing.assert_allclose(other, gaussian_process(places, numbers)(asked), rtol=1e-9)


def test_a_gaussian_process_needs_three_places():
    with pytest.raises(BadInput, match="at least 3 conditions"):
        gaussian_process(np.zeros((2, 1)), np.zeros(2))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nearest condition, below", [10.0, 20.0]),
        ("nearest condition, above", [12.0, 24.0]),
        ("straight line", [11.0, 22.0]),
        ("spline", [11.0, 22.0]),
    ],
)
def test_baselines_go_along_the_axis_that_was_left_out(name, expected):
    places = np.array([[0.0, 1], [0, 2], [2, 1], [2, 2], [4, 1], [4, 2]])
    numbers = np.array([8.0, 16, 10, 20, 12, 24])
    asked = np.array([[3.0, 1], [3, 2]])
    np.testing.assert_allclose(along_lines(ALONG[name], 0, places, numbers, asked), expected)


def test_a_line_without_other_conditions_is_not_told():
    found = along_lines(ALONG["spline"], 0, np.array([[0.0, 1]]), np.array([1.0]), np.array([[1.0, 1], [1, 2]]))
    assert np.isnan(found).all()
