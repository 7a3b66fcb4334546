"""Beyond the longest time known: candidate laws for the centre and the spread of a change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

EXTRAPOLATIONS = ("variance linear", "held", "sigma linear", "power")
"""Laws of the spread against ln t; the first, s² linear in ln t, is that of independent steps per decade."""
WIDTH_Z = 1.6448536269514722
"""Normal score of the 95 % quantile: a spread is the distance from the 5 to the 95 % quantile."""


def beyond(
    times_s: Array, centres: Array, widths: Array, last: tuple[Array, Array], ahead: Array, law: str
) -> tuple[Array, Array]:
    """Return centre and width of a change at a time beyond the nodes.

    Parameters
    ----------
    times_s : ndarray (node,)
    centres, widths : ndarray (node, n)
        Median and 5–95 % width of the change at the nodes.
    last : (ndarray, ndarray) (n,)
        Both at the last time known.
    ahead : ndarray (n,) or float
        ln of the time over the last one known [1].
    law : str
        One of `EXTRAPOLATIONS`; the centre goes on linearly in ln t with each.

    Returns
    -------
    (ndarray, ndarray) (n,)
    """
    x = np.log(times_s)
    centre, width = last
    further = centre + ahead * slope(x, centres)
    if law == "variance linear":
        return further, np.sqrt(width**2 + ahead * np.maximum(slope(x, widths**2), 0.0))
    if law == "sigma linear":
        return further, width + ahead * np.maximum(slope(x, widths), 0.0)
    if law == "power":
        return further, width * np.exp(ahead * np.maximum(slope(x, np.log(widths)), 0.0))
    return further, width


def slope(x: Array, y: Array) -> Array:
    """Return least-squares slopes of y (node, n) against x (node,); zero for a single node.

    >>> slope(np.array([0.0, 1.0]), np.array([[1.0], [3.0]])).tolist()
    [2.0]
    """
    if x.size == 1:
        return np.zeros(y.shape[1:])
    centred = x - x.mean()
    return np.tensordot(centred, y, axes=1) / np.sum(centred**2)
