"""Least squares with a word on what the data tell, against normal equations and problems whose answer is known."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi2, kstest, norm
from scipy.stats import t as student

from nvmphys.errors import BadInput
from nvmphys.fit.identify import (
    Problem,
    coordinate,
    fisher_gain,
    identify,
    profile_of,
    slope_at,
    softened,
    value_at,
)
from nvmphys.parameters import Parameter

T = np.linspace(0.0, 3.0, 40)


def parameter(name, value, bounds=(-10.0, 10.0), scale="linear", prior=None) -> Parameter:
    return Parameter(name, "1", value, bounds, name, "paper", scale, prior)


LINE = (parameter("a", 0.0), parameter("b", 0.0))


def line(y, sigma=1.0):
    return Problem(
        LINE, lambda v: (y - v["a"] - v["b"] * T) / sigma,
        lambda v: -np.column_stack([np.ones_like(T), T]) / sigma, noise_known=True,
    )  # fmt: skip


@pytest.mark.parametrize("profiles", [True, False])
def test_a_line_has_the_errors_of_the_normal_equations(profiles):
    rng = np.random.default_rng(3)
    y = 1.0 + 2.0 * T + 0.1 * rng.standard_normal(T.size)
    found = identify(line(y, 0.1), rng=rng, profiles=profiles)
    design = np.column_stack([np.ones_like(T), T])
    covariance = np.linalg.inv(design.T @ design) * 0.01
    best = covariance @ design.T @ y / 0.01
    for k, name in enumerate(("a", "b")):
        error = np.sqrt(covariance[k, k])
        assert found.values[name] == pytest.approx(best[k], abs=1e-6)
        assert found.standard_errors[name] == pytest.approx(error, rel=1e-5)
        assert found.intervals[name] == pytest.approx((best[k] - 1.6449 * error, best[k] + 1.6449 * error), abs=2e-4)
    assert found.correlation[0, 1] == pytest.approx(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))
    assert found.unknown == ()
    assert found.convergence.converged


def test_the_profile_of_a_curved_problem_is_lopsided_as_the_likelihood_is():
    """y = height·exp(-t/tau): chi² with the best height for each tau rises to 2.71 where a scan says."""
    sigma, times = 0.02, np.array([0.5, 2.0, 2.5, 3.0])
    y = np.exp(-times / 0.5)
    both = (parameter("height", 1.0, (0.1, 100.0)), parameter("tau", 0.4, (0.05, 5.0), "log"))
    problem = Problem(both, lambda v: (y - v["height"] * np.exp(-times / v["tau"])) / sigma, noise_known=True)
    found = identify(problem, rng=np.random.default_rng(1))
    scan = np.linspace(0.05, 2.0, 100_001)
    shape = np.exp(-times[:, None] / scan)
    height = np.clip((y[:, None] * shape).sum(axis=0) / (shape**2).sum(axis=0), 0.1, 100.0)
    inside = scan[(((y[:, None] - height * shape) / sigma) ** 2).sum(axis=0) <= 2.7055]
    low, high = found.intervals["tau"]
    assert (low, high) == pytest.approx((inside[0], inside[-1]), rel=2e-3)
    assert high / 0.5 != pytest.approx(0.5 / low, rel=0.02)  # lopsided in the logarithm too


def test_pulls_are_standard_normal_and_intervals_cover_where_the_noise_is_not_known():
    rng = np.random.default_rng(7)
    both = (parameter("height", 1.0, (0.1, 10.0), "log"), parameter("tau", 1.0, (0.05, 20.0), "log"))
    pulls, inside = [], []
    for _ in range(150):
        y = 2.0 * np.exp(-T / 0.8) + 0.03 * rng.standard_normal(T.size)
        problem = Problem(both, lambda v, y=y: y - v["height"] * np.exp(-T / v["tau"]))
        found = identify(problem, rng=rng, starts=1, profiles=False)
        pulls.append((found.values["tau"] - 0.8) / found.standard_errors["tau"])
        low, high = found.intervals["tau"]
        inside.append(low <= 0.8 <= high)
    assert kstest(pulls, "norm").pvalue > 0.01
    assert 0.83 <= np.mean(inside) <= 0.96


def test_a_product_of_two_is_told_from_neither_and_the_direction_is_named():
    rng = np.random.default_rng(1)
    two = (parameter("k", 1.0, (1e-3, 1e3), "log"), parameter("m", 1.0, (1e-3, 1e3), "log"))
    y = 6.0 * T + 0.01 * rng.standard_normal(T.size)
    found = identify(Problem(two, lambda v: y - v["k"] * v["m"] * T), rng=rng)
    assert set(found.unknown) == {"k", "m"}
    assert found.values["k"] * found.values["m"] == pytest.approx(6.0, rel=1e-2)
    (sentence,) = found.said_of_combinations()
    assert "k" in sentence
    assert "m" in sentence
    assert np.abs(found.combinations[-1]) == pytest.approx([np.sqrt(0.5)] * 2, abs=1e-3)


def test_a_prior_that_decides_is_said_to():
    rng = np.random.default_rng(1)
    two = (parameter("k", 2.0, (1e-2, 1e2), "log", (np.log(2.0), 0.1)), parameter("m", 1.0, (1e-2, 1e2), "log"))
    y = 6.0 * T + 0.01 * rng.standard_normal(T.size)
    found = identify(Problem(two, lambda v: (y - v["k"] * v["m"] * T) / 0.01, noise_known=True), rng=rng)
    assert found.prior_decides == ("k",)
    assert found.values["k"] == pytest.approx(2.0, rel=1e-2)
    assert found.standard_errors["k"] == pytest.approx(0.2, rel=0.02)


def test_the_best_of_several_starts_is_kept():
    rng = np.random.default_rng(2)
    wave = (parameter("f", 0.3, (0.1, 5.0)),)
    y = np.sin(2 * np.pi * 2.2 * T)
    assert identify(Problem(wave, lambda v: y - np.sin(2 * np.pi * v["f"] * T)), rng=rng, starts=32).values[
        "f"
    ] == pytest.approx(2.2, abs=1e-4)


def test_coordinates_go_forth_and_back_with_their_slope():
    for one in (parameter("a", 0.3, (0.1, 10.0), "log"), parameter("b", -2.0)):
        at = coordinate(one, one.value)
        assert value_at(one, at) == pytest.approx(one.value)
        assert (value_at(one, at + 1e-6) - value_at(one, at - 1e-6)) / 2e-6 == pytest.approx(slope_at(one, one.value))


def test_a_next_experiment_is_worth_what_it_adds_to_the_determinant():
    found = identify(line(1.0 + 2.0 * T, 0.1), rng=np.random.default_rng(1), profiles=False)
    more = np.column_stack([np.ones(5), np.linspace(3, 4, 5)])
    scale = np.array([20.0, 20.0])
    known = (np.column_stack([np.ones_like(T), T]) * scale / 0.1).T @ (
        np.column_stack([np.ones_like(T), T]) * scale / 0.1
    )
    known += np.eye(2)
    added = (more * scale / 0.1).T @ (more * scale / 0.1)
    expected = np.linalg.slogdet(known + added)[1] - np.linalg.slogdet(known)[1]
    assert fisher_gain(found, LINE, more, 0.1) == pytest.approx(expected, rel=1e-4)


def test_fewer_numbers_than_parameters_are_refused():
    with pytest.raises(BadInput, match=r"a fit of 2 parameters needs as many numbers at least \(got 1\)"):
        identify(Problem(LINE, lambda v: np.array([v["a"]])), rng=np.random.default_rng(1))


@pytest.mark.parametrize("noise_known", [True, False])
def test_a_lone_parameter_has_the_interval_of_the_normal_or_of_students_t(noise_known):
    rng = np.random.default_rng(5)
    sigma = 0.3
    y = 2.0 * T + sigma * rng.standard_normal(T.size)
    scale = sigma if noise_known else 1.0
    found = identify(
        Problem((parameter("b", 0.0),), lambda v: (y - v["b"] * T) / scale, noise_known=noise_known), rng=rng
    )
    best = float(T @ y / (T @ T))
    left = float(np.sqrt(((y - best * T) ** 2).sum() / (T.size - 1)))
    half = norm.ppf(0.95) * sigma if noise_known else student.ppf(0.95, T.size - 1) * left
    half /= np.sqrt(T @ T)
    assert found.intervals["b"] == pytest.approx((best - half, best + half), abs=1e-6)


def test_the_interval_of_a_lone_parameter_is_lopsided_as_its_likelihood_is_and_ends_at_a_bound_it_cannot_exclude():
    sigma, times = 0.3, np.array([0.3, 1.0, 2.5])
    y = np.exp(-times / 0.8)
    lone = (parameter("tau", 0.5, (0.02, 50.0), "log"),)
    problem = Problem(lone, lambda v: (y - np.exp(-times / v["tau"])) / sigma, noise_known=True)
    low, high = identify(problem, rng=np.random.default_rng(1)).intervals["tau"]
    scan = np.geomspace(0.02, 50.0, 200_001)
    squares = (((y[:, None] - np.exp(-times[:, None] / scan)) / sigma) ** 2).sum(axis=0)
    inside = scan[squares <= chi2.ppf(0.9, 1)]
    assert (low, high) == pytest.approx((inside[0], inside[-1]), rel=1e-3)
    weak = Problem(lone, lambda v: (y - np.exp(-times / v["tau"])) / 10, noise_known=True)
    found = identify(weak, rng=np.random.default_rng(1))
    assert found.intervals["tau"] == pytest.approx((0.02, 50.0))
    assert found.unknown == ("tau",)


@pytest.mark.parametrize("noise", [0.0, 1e-14])
def test_data_without_noise_are_told_to_the_last_digit_and_not_called_unknown(noise):
    x = np.linspace(0, 1, 40)
    a, b = (Parameter(name, "1", 1.0, (0.1, 10.0), "", "", "log") for name in "ab")
    data = 2.0 * np.exp(-3.0 * x) + noise * np.sin(99 * x)
    line = Problem((a, b), lambda p: data - p["a"] * np.exp(-p["b"] * x))
    found = identify(line, rng=np.random.default_rng(1))
    assert found.unknown == ()
    assert found.intervals["b"] == pytest.approx((3.0, 3.0), rel=1e-6)


def test_a_fit_that_runs_out_of_evaluations_says_so_and_has_not_converged(monkeypatch):
    monkeypatch.setattr(sys.modules[identify.__module__], "_MOST_EVALUATIONS", 12)

    def valley(v):  # Rosenbrock's, which takes more than four steps
        return np.array([1 - v["a"], 10 * (v["b"] - v["a"] ** 2)])

    start = (parameter("a", -1.2), parameter("b", 1.0))
    found = identify(Problem(start, valley, noise_known=True), rng=np.random.default_rng(1), starts=1, profiles=False)
    assert not found.convergence.converged
    assert "stopped after 12 evaluations, still on its way" in found.convergence.message
    assert "--set" in found.convergence.message
    begun = valley({"a": -1.2, "b": 1.0})
    assert found.residuals @ found.residuals < begun @ begun


def test_a_profile_of_a_softened_problem_is_that_of_the_loss_it_was_fitted_under():
    """Against scipy's minimum of the loss over the other parameter."""
    x, rng = np.linspace(0, 1, 30), np.random.default_rng(4)
    y = 1 + 2 * x + 0.1 * rng.standard_normal(30)
    y[7] += 2.0
    line = (Parameter("a", "1", 1.0, (0, 3), "", ""), Parameter("b", "1", 1.5, (0, 4), "", ""))
    hard = Problem(line, lambda p: (y - p["a"] - p["b"] * x) / 0.1, noise_known=True)
    found = identify(hard, rng=np.random.default_rng(1), starts=2, loss="soft_l1")
    curve = profile_of(softened(hard), found, "b", points=5)

    def loss(a, b):
        return float(np.sum(2 * (np.sqrt(1 + ((y - a - b * x) / 0.1) ** 2) - 1)))

    told = [minimize_scalar(lambda a, b=b: loss(a, b), bounds=(0, 3), method="bounded").fun for b in curve.values]
    np.testing.assert_allclose(curve.rise, np.array(told) - loss(found.values["a"], found.values["b"]), atol=0.02)
