"""Weights as conductances: a differential pair a weight, or a pair for each slice of its bits.

A weight w of a layer whose largest magnitude is w_max is written as

    w = w_max · Σ_k s_k · (G⁺_k − G⁻_k)/(G_max − G_min)

with one slice, s = 1, for pairs; and for K slices of cells of L levels with the digits d_k of the magnitude in base L,
G^±_k at d_k/(L − 1) of the range and s_k = (L − 1)·L^k/(L^K − 1). The cell of the other sign stands at G_min.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import BadInput

Array = NDArray[np.float64]

_MOST_LEVELS = 2**24


@dataclass(frozen=True)
class CellMapping:
    """How weights become cells.

    Attributes
    ----------
    name : str
        In words.
    levels : int or None
        Levels of a cell; None where it takes any conductance of the range, in one slice.
    slices : int
        Pairs of cells that carry a weight.

    Examples
    --------
    >>> weights = np.array([[1.0, -0.2], [0.0, 0.6]])
    >>> cells = PAIRS.targets(weights, (0.0, 1e-5))
    >>> cells.shape
    (1, 2, 2, 2)
    >>> bool(np.allclose(PAIRS.weights(cells[..., 0] - cells[..., 1], 1.0, (0.0, 1e-5)), weights))
    True
    """

    name: str
    levels: int | None = None
    slices: int = 1

    def __post_init__(self) -> None:
        whole = self.slices == 1 if self.levels is None else self.levels >= 2 and self.slices >= 1
        if not whole or (self.levels or 1) ** self.slices > _MOST_LEVELS:
            raise BadInput(
                f"slices must be one of any conductance, or >= 1 of >= 2 levels and at most 24 bits in all (got "
                f"{self.slices} of {self.levels} levels)"
            )

    @property
    def significance(self) -> Array:
        """What a full pair of each slice is worth, as a share of the largest weight (slice,); they add to 1."""
        if self.levels is None:
            return np.ones(1)
        place = float(self.levels) ** np.arange(self.slices)
        return np.asarray(place * (self.levels - 1) / (self.levels**self.slices - 1))

    def targets(self, weights: Array, range_S: tuple[float, float]) -> Array:
        """Return the target conductances of a layer's cells.

        Parameters
        ----------
        weights : ndarray (input, output)
        range_S : tuple of float
            Lowest and highest target [S].

        Returns
        -------
        ndarray (slice, input, output, 2)
            Of the positive and the negative cell of each pair [S].
        """
        low, high = range_S
        largest = np.abs(weights).max()
        share = np.abs(weights) / largest if largest > 0 else np.zeros_like(weights)
        digits = share[None] if self.levels is None else self._digits(share)
        signs = np.stack([weights > 0, weights < 0], axis=-1)
        return np.asarray(low + digits[..., None] * signs * (high - low))

    def _digits(self, share: Array) -> Array:
        """Return the digits (slice, …) of magnitudes 0 … 1, as shares of the highest digit."""
        assert self.levels is not None
        whole = np.rint(share * (self.levels**self.slices - 1)).astype(np.int64)
        digits = [whole // self.levels**k % self.levels for k in range(self.slices)]
        return np.stack(digits) / (self.levels - 1)

    def weights(self, difference_S: Array, largest: float, range_S: tuple[float, float]) -> Array:
        """Return the weights (…, input, output) that pairs carry, from G⁺ − G⁻ (…, slice, input, output) [S]."""
        low, high = range_S
        return np.tensordot(difference_S, self.significance, axes=([-3], [0])) * (largest / (high - low))


PAIRS = CellMapping("differential pairs")
SLICES = CellMapping("bit slices, 3 pairs of 2-bit cells", levels=4, slices=3)
