"""How many levels of a profile can be told apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.profile.profile import VariationProfile

Array = NDArray[np.float64]

_MOST = 100_000
"""Levels after which the count ends."""


def distinct_levels(profile: VariationProfile, time_index: int, overlap: float = 0.01, heat_index: int = 0) -> Array:
    """Return targets of as many levels as fit so that neighbours overlap by no more than a share of their cells.

    From the lowest target on, each level is the next target of which at most `overlap`/2 of the cells stand below the
    border that at most `overlap`/2 of the level before stand above.

    Parameters
    ----------
    profile : VariationProfile
    time_index, heat_index : int
        Which of the profile's times and temperatures.
    overlap : float
        Share of an inner level's cells that stand beyond its two borders [1], 0 … 1.

    Returns
    -------
    ndarray (level,)
        Targets [S]; one where no second fits.

    Raises
    ------
    BadInput
        An overlap outside 0 … 1, or beyond what the quantile tables resolve.

    Examples
    --------
    >>> import nvmphys as nv
    >>> profile = nv.build_profile(nv.load_card("rram_milo_2021"), None, [0.0], rng=1)
    >>> len(distinct_levels(profile, 0))
    10
    """
    tables = profile.tables
    tail = overlap / 2
    if not tables.probability[0] <= tail < 0.5:
        raise BadInput(f"overlap must lie within {2 * tables.probability[0]:g} … 1 (got {overlap:g})")
    edges = np.stack(
        [_quantile(tables.quantiles_S[heat_index, :, time_index], tables.probability, p) for p in (tail, 1 - tail)]
    )
    low, high = edges
    # a level above must stay above: the lowest edge of all targets from here on
    low = np.minimum.accumulate(low[::-1])[::-1]
    found = [float(tables.target_S[0])]
    while len(found) < _MOST:
        border = float(np.interp(found[-1], tables.target_S, high))
        after = int(np.searchsorted(low, border, side="left"))
        if after == 0 or after == low.size:
            break
        share = (border - low[after - 1]) / (low[after] - low[after - 1])
        following = tables.target_S[after - 1] + share * (tables.target_S[after] - tables.target_S[after - 1])
        if following <= found[-1]:
            break
        found.append(float(following))
    return np.array(found)


def _quantile(table: Array, probability: Array, p: float) -> Array:
    """Return the quantile at p of each target from a table (target, probability)."""
    return np.array([np.interp(p, probability, row) for row in table])
