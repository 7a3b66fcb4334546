"""Arrays of cells from a profile alone: conductances from its tables, read currents from its section of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nvmphys.crossbar.draws import SinhReads
from nvmphys.profile.profile import VariationProfile

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CellsOfProfile:
    """Draws the cells of an array from a profile's tables, for `nvmphys.crossbar.draws.DrawnArrays`.

    Attributes
    ----------
    profile : VariationProfile
    time_s : float
        Since programming [s].
    temperature_K : float or None
        The lowest of the profile's by default.
    extras : bool
        Whether the populations that do not follow the target are mixed in.

    Examples
    --------
    >>> import nvmphys as nv
    >>> profile = nv.build_profile(nv.load_card("pcm_90nm"), [5e-6, 20e-6], [3600.0], rng=1)
    >>> cells = CellsOfProfile(profile, 3600.0)(np.full((2, 3), 5e-6), np.random.default_rng(1))
    >>> cells.shape
    (2, 3)
    """

    profile: VariationProfile
    time_s: float
    temperature_K: float | None = None
    extras: bool = True

    def __call__(self, target_S: Array, rng: np.random.Generator) -> Array:
        """Return conductances [S] of cells of these targets."""
        when = np.array([self.time_s])
        return self.profile.sample(target_S, when, rng, self.temperature_K, extras=self.extras)[0]


def reads_of(profile: VariationProfile) -> SinhReads | None:
    """Return how a profile's cells depart from Ohm's law when they are read; None where it does not say.

    The hyperbolic sine of each level stands for its table; `profile.read_iv.sinh_error` says by how much it is off.

    >>> import nvmphys as nv
    >>> reads_of(nv.build_profile(nv.load_card("pcm_90nm"), [5e-6], [3600.0], rng=1)) is None
    True
    """
    read = profile.read_iv
    return None if read is None else SinhReads(read.read_V, read.level_S, read.sinh_per_V)
