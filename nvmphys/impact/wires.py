"""What the lines of a crossbar do to the pairs of a layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nvmphys.crossbar import Crossbar
from nvmphys.errors import BadInput
from nvmphys.profile import VariationProfile

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Wires:
    """Resistances of the lines of each array.

    Attributes
    ----------
    wire_ohm : float
        Of a segment between neighbouring cells, of word and bit lines [ohm].
    driver_ohm, sense_ohm : float
        Of each driver and of each sense amplifier [ohm].

    Raises
    ------
    BadInput
        "wire resistance must be finite and >= 0 ohm …", and so of the driver's and the sense amplifier's.
    """

    wire_ohm: float = 1.0
    driver_ohm: float = 0.0
    sense_ohm: float = 0.0

    def __post_init__(self) -> None:
        for name, ohm in (("wire", self.wire_ohm), ("driver", self.driver_ohm), ("sense", self.sense_ohm)):
            if not 0 <= ohm < np.inf:
                raise BadInput(f"{name} resistance must be finite and >= 0 ohm (got {ohm:g} ohm)")

    @classmethod
    def of(cls, profile: VariationProfile) -> Wires:
        """Return the resistances of the profile's array section; the defaults, which are assumed, where it has none."""
        found = profile.array.get("resistance_ohm")
        return cls(found.get("wire", 0.0), found.get("driver", 0.0), found.get("sense", 0.0)) if found else cls()

    @property
    def are_ideal(self) -> bool:
        """Whether nothing is lost in them."""
        return self.wire_ohm == self.driver_ohm == self.sense_ohm == 0

    def difference(self, cells_S: Array) -> Array:
        """Return G⁺ − G⁻ as the sense amplifiers see it.

        One array a slice; its word lines are the inputs, its bit lines the outputs, a positive and a negative one in
        turn.

        Parameters
        ----------
        cells_S : ndarray (…, slice, input, output, 2)
            Conductances [S].

        Returns
        -------
        ndarray (…, slice, input, output)
            Differences of effective conductances [S].

        Examples
        --------
        A cell of 1 mS behind two segments of 500 ohm:

        >>> Wires(wire_ohm=500.0).difference(np.array([[[[1e-3, 0.0]]]])) * 1e3
        array([[[0.5]]])
        """
        if self.are_ideal:
            return np.asarray(cells_S[..., 0] - cells_S[..., 1])
        arrays = cells_S.reshape(-1, cells_S.shape[-3], 2 * cells_S.shape[-2])
        seen = np.empty(arrays.shape)
        for k, each in enumerate(arrays):
            crossbar = Crossbar(each, self.wire_ohm, self.wire_ohm, self.driver_ohm, self.sense_ohm)
            seen[k] = crossbar.effective_conductance().T
        pairs = seen.reshape(cells_S.shape)
        return np.asarray(pairs[..., 0] - pairs[..., 1])
