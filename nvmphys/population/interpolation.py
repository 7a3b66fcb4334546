"""Smoothness in level and time: linear maps from values at knots to values anywhere between."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Array = NDArray[np.float64]


def level_weights(conductance_S: Array, knots_S: Array) -> Array:
    """Return weights (n, knot) of a natural cubic spline in √G through values at the knots.

    The square root spreads the low levels, where statistics change fastest; outside the knots the end value holds
    (callers refuse what lies outside their validity range).

    Examples
    --------
    >>> knots = np.array([1e-6, 9e-6, 25e-6, 40e-6])
    >>> level_weights(np.array([9e-6]), knots).round(12).tolist()
    [[0.0, 1.0, 0.0, 0.0]]
    """
    if knots_S.size == 1:
        return np.ones((np.size(conductance_S), 1))
    root = np.sqrt(knots_S)
    x = np.clip(np.sqrt(np.maximum(conductance_S, 0.0)), root[0], root[-1])
    basis = CubicSpline(root, np.eye(root.size), bc_type="natural")
    return np.asarray(basis(x), dtype=float)


def end_weights(conductance_S: Array, knots_S: Array) -> Array:
    """Return weights (n, 2) of the first and the last knot for what is linear in √G between them.

    >>> end_weights(np.array([1e-6, 4e-6, 9e-6]), np.array([1e-6, 9e-6])).tolist()
    [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    ends = np.sqrt(knots_S[[0, -1]])
    place = np.interp(np.sqrt(np.maximum(conductance_S, 0.0)), ends, [0.0, 1.0])
    return np.stack([1 - place, place], axis=-1)


def time_weights(time_s: Array, nodes_s: Array) -> Array:
    """Return weights (n, node) of linear interpolation in ln t; outside the nodes the end value holds."""
    x = np.log(time_s)
    nodes = np.log(nodes_s)
    return np.stack([np.interp(x, nodes, unit) for unit in np.eye(nodes.size)], axis=-1)
