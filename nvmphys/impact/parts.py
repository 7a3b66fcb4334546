"""The parts of a cell's error, each on its own: a profile with the others switched off.

- ``programming``: cells stand where they were programmed and stay there.
- ``change``: cells start exactly at their targets; drift or relaxation moves them.
- ``read noise``: cells stand at their targets; one read at the time adds its noise.
- ``other populations``: the shares of cells that do not follow their target, stuck ones among them, stand where such
  cells stand; all others are at their targets.
- ``wires``: cells stand at their targets; the lines of the array lose voltage.

Effects that need two parts at once appear only when all are on together: that the change of a cell depends on where it
was programmed, and the correlation between both.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from nvmphys.errors import unknown_name
from nvmphys.impact.wires import Wires
from nvmphys.population.coordinate import Coordinate
from nvmphys.profile import VariationProfile

PROGRAMMING, CHANGE, READ_NOISE, POPULATIONS, WIRES = PARTS = (
    "programming",
    "change",
    "read noise",
    "other populations",
    "wires",
)
DEVICE_PARTS = PARTS[:-1]


def isolated(profile: VariationProfile, parts: Collection[str]) -> VariationProfile:
    """Return a profile in which cells have only the given parts of their error.

    Parameters
    ----------
    profile : VariationProfile
    parts : collection of str
        Of `PARTS`; wires are no part of a profile.

    Returns
    -------
    VariationProfile
        Its `conductance` tables are those of the whole: draw from it, do not read them.

    Raises
    ------
    BadInput
        "unknown part …".

    Examples
    --------
    >>> import nvmphys as nv
    >>> profile = nv.build_profile(nv.load_card("pcm_90nm"), [5e-6, 20e-6], [3600.0], rng=1)
    >>> bool(np.isclose(isolated(profile, ["change"]).sample(2e-5, 20.0, rng=1)[0], 2e-5, rtol=1e-12))
    True
    """
    for part in parts:
        if part not in PARTS:
            raise unknown_name("part", part, PARTS)
    tables = profile.tables
    if PROGRAMMING not in parts:
        exact = np.repeat(tables.target_S[:, None], tables.probability.size, axis=1)
        tables = replace(tables, programmed_S=exact)
    out = replace(profile, tables=tables, replicates=None)
    if CHANGE not in parts:  # nothing added to the conductance itself, where adding nothing is exact
        still = replace(tables, change=np.zeros_like(tables.change))
        out = replace(out, tables=still, coordinate=Coordinate("linear"))
    if READ_NOISE not in parts:
        out = replace(out, read_noise_S=None, read_duration_s=None)
    return out if POPULATIONS in parts else replace(out, extras={})


def is_known(profile: VariationProfile, part: str, wires: Wires) -> bool:
    """Tell whether a profile, or the array, has a part at all."""
    known = {
        PROGRAMMING: bool(np.any(profile.tables.programmed_S != profile.tables.target_S[:, None])),
        CHANGE: bool(np.any(profile.tables.change)),
        READ_NOISE: profile.read_noise_S is not None,
        POPULATIONS: any(extra.weight > 0 and extra.quantiles_S.size for extra in profile.extras.values()),
        WIRES: not wires.are_ideal,
    }
    if part not in known:
        raise unknown_name("part", part, PARTS)
    return known[part]
