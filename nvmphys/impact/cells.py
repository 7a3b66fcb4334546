"""Networks of drawn cells: the weights they carry at each time, and the accuracy of each draw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nvmphys.impact.mapping import CellMapping
from nvmphys.impact.network import Network
from nvmphys.impact.wires import Wires
from nvmphys.profile import VariationProfile

if TYPE_CHECKING:
    from nvmphys.profile.sampler import Sampler

Array = NDArray[np.float64]

_CELLS_TOGETHER = 200_000
"""Cells drawn in one call, at all times."""


@dataclass(frozen=True)
class Layer:
    """A layer written into cells.

    Attributes
    ----------
    targets_S : ndarray (slice, input, output, 2)
        Target conductances [S].
    largest : float
        The weight of a full pair.
    """

    targets_S: Array
    largest: float

    @property
    def difference_S(self) -> Array:
        """G⁺ - G⁻ of the targets (slice, input, output) [S]."""
        return np.asarray(self.targets_S[..., 0] - self.targets_S[..., 1])


@dataclass(frozen=True)
class Mapped:
    """A network written into the cells of a profile.

    Attributes
    ----------
    network : Network
    mapping : CellMapping
    range_S : tuple of float
        Lowest and highest target [S].
    layers : tuple of Layer
    """

    network: Network
    mapping: CellMapping
    range_S: tuple[float, float]
    layers: tuple[Layer, ...]

    @classmethod
    def onto(cls, network: Network, mapping: CellMapping, profile: VariationProfile) -> Mapped:
        """Write a network into cells over the whole range of a profile's targets."""
        span = profile.level_range_S
        layers = [Layer(mapping.targets(w, span), float(np.abs(w).max())) for w in network.weights]
        return cls(network, mapping, span, tuple(layers))

    @property
    def cells(self) -> int:
        """Number of cells of one network."""
        return sum(layer.targets_S.size for layer in self.layers)

    def accuracy(self, differences_S: list[Array]) -> Array:
        """Return the accuracy (…) of networks whose pairs differ by (…, slice, input, output) [S], layer by layer."""
        span = self.range_S
        pairs = zip(differences_S, self.layers, strict=True)
        return self.network.accuracy([self.mapping.weights(seen, layer.largest, span) for seen, layer in pairs])

    @property
    def exact(self) -> float:
        """Accuracy with every cell at its target."""
        return float(self.accuracy([layer.difference_S[None] for layer in self.layers])[0])

    def draws(self, sampler: Sampler, times_s: Array, count: int, wires: Wires, noisy: bool) -> Iterator[list[Array]]:
        """Yield G⁺ - G⁻ of each layer (time, draw, slice, input, output) [S], some draws at a time.

        Parameters
        ----------
        sampler : Sampler
        times_s : ndarray (time,)
            Times since programming [s].
        count : int
            Number of draws: networks of other cells.
        wires : Wires
        noisy : bool
            Add the noise of one read at each time.
        """
        flat = np.concatenate([layer.targets_S.ravel() for layer in self.layers])
        step = max(1, _CELLS_TOGETHER // flat.size)
        for low in range(0, count, step):
            targets, first = np.tile(flat, (min(step, count - low), 1)), low * flat.size
            cells = sampler.draw(targets, times_s, first_cell=first)
            pairs = [wires.difference(each) for each in self._by_layer(cells)]
            if noisy:  # the same cells; what a read adds is added to what is sensed, for it may be negative
                noise = sampler.draw(targets, times_s, first_cell=first, read_noise="marginal") - cells
                added = [each[..., 0] - each[..., 1] for each in self._by_layer(noise)]
                pairs = [quiet + more for quiet, more in zip(pairs, added, strict=True)]
            yield pairs

    def _by_layer(self, cells: Array) -> list[Array]:
        """Return values of all cells (time, draw, cell) as (time, draw, slice, input, output, 2), layer by layer."""
        ends = np.cumsum([layer.targets_S.size for layer in self.layers])[:-1]
        shapes = [layer.targets_S.shape for layer in self.layers]
        parts = np.split(cells, ends, axis=2)
        return [part.reshape(*cells.shape[:2], *shape) for part, shape in zip(parts, shapes, strict=True)]

    def compensated(self, differences_S: list[Array]) -> list[Array]:
        """Return differences after global drift compensation: one factor a layer, draw and time.

        It restores the mean magnitude that the weights of the layer had at the first time.

        Notes
        -----
        The compensation of V. Joshi et al., "Accurate deep neural network inference using computational phase-change
        memory", Nat. Commun. 11, 2473 (2020), doi:10.1038/s41467-020-16108-9.
        """
        out = []
        for seen in differences_S:
            size = np.abs(self.mapping.weights(seen, 1.0, self.range_S)).mean(axis=(-2, -1))
            factor = np.divide(size[:1], size, out=np.ones_like(size), where=size > 0)
            out.append(seen * factor[..., None, None, None])
        return out


class PairErrors:
    """Errors of all pairs, gathered draw by draw: their RMS, and which share of it every draw has in common."""

    def __init__(self, mapped: Mapped, times: int) -> None:
        self._targets = np.concatenate([layer.difference_S.ravel() for layer in mapped.layers])
        self._sum = np.zeros((times, self._targets.size))
        self._squares = np.zeros(times)
        self._draws = 0

    def add(self, differences_S: list[Array]) -> None:
        """Take in some draws (time, draw, slice, input, output) [S] of each layer."""
        seen = np.concatenate([each.reshape(*each.shape[:2], -1) for each in differences_S], axis=2)
        error = seen - self._targets
        self._sum += error.sum(axis=1)
        self._squares += np.square(error).sum(axis=(1, 2))
        self._draws += seen.shape[1]

    @property
    def rms_S(self) -> Array:
        """RMS over pairs and draws (time,) [S]."""
        return np.sqrt(self._squares / (self._draws * self._targets.size))

    @property
    def systematic(self) -> Array:
        """Share of the mean square that is the same in every draw (time,) [1], unbiased; NaN of a single draw."""
        n, own = self._draws, np.square(self._sum / self._draws).sum(axis=1)
        if n < 2:
            return np.full(own.shape, np.nan)
        total = self._squares / n
        return np.divide(n * own - total, (n - 1) * total, out=np.zeros_like(own), where=total > 0)


def gaussian_accuracy(mapped: Mapped, sigma_S: Array, count: int, rng: np.random.Generator) -> Array:
    """Return the accuracy (time, draw) of networks whose pairs all err by a Gaussian of one σ (time,) [S]."""
    out = np.empty((sigma_S.size, count))
    for k in range(count):
        normals = [rng.standard_normal(layer.difference_S.shape) for layer in mapped.layers]
        noisy = [
            layer.difference_S + sigma_S[:, None, None, None] * z
            for layer, z in zip(mapped.layers, normals, strict=True)
        ]
        out[:, k] = mapped.accuracy(noisy)
    return out
