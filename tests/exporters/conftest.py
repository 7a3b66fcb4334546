"""A small profile that has everything: drift tied to the programming error, read noise, stuck cells, pulses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri

import nvmphys as nv
from nvmphys.population.law import Extra
from nvmphys.profile.profile import PROBABILITIES
from nvmphys.profile.sections import PulseTable
from nvmphys.records import Basis

TARGETS = np.linspace(2e-6, 25e-6, 6)


def pulses() -> dict[str, PulseTable]:
    """Return SET and RESET pulses with a step that falls towards the end of the range, and skewed."""
    level = np.linspace(1e-6, 25e-6, 24)
    share = (level - level[0]) / (level[-1] - level[0])
    found = {}
    for name, sign, room in (("set", 1.0, 1 - share), ("reset", -1.0, share)):
        mean = sign * 1e-6 * (0.2 + room)
        shape = np.exp(sign * 0.3 * ndtri(PROBABILITIES) - 0.045)
        found[name] = PulseTable(
            np.array([sign]), np.array([1e-7]), level, PROBABILITIES, (mean[:, None] * shape)[None], mean[None],
            0.307 * np.abs(mean)[None], np.full((1, level.size), 0.25), Basis.ASSUMED, "a soft bound",
        )  # fmt: skip
    return found


@pytest.fixture(scope="session")
def full():
    """Return a profile of a power law with all that a consumer may carry."""
    card = nv.load_card("pcm_90nm")
    tied = replace(
        card, values={**card.values, "programming_correlation": -0.6},
        units={**card.units, "programming_correlation": "1"},
        basis={**card.basis, "programming_correlation": Basis.ASSUMED},
    )  # fmt: skip
    profile = nv.build_profile(tied, TARGETS, [3600.0, 86400.0], pulse_update=pulses(), replicates=0, rng=1)
    stuck = Extra(0.01, (0.005, 0.02), np.linspace(3e-6, 30e-6, 16), Basis.ASSUMED, "stuck on", stays=True)
    return replace(profile, extras={"stuck": stuck})


@pytest.fixture(scope="session")
def relaxing():
    """Return a profile of relaxation, with cells that are programmed far off and move on from there."""
    card = nv.load_card("rram_1t1r_relaxation")
    targets = np.linspace(*nv.law_of(card).level_range_S, 4)
    return nv.build_profile(card, targets, [1.0, 86400.0], replicates=0, rng=1)


@pytest.fixture(scope="session")
def baked():
    """Return a profile of two temperatures, with cells that are programmed far off."""
    card = nv.load_card("rram_1t1r_bake")
    return nv.build_profile(card, [2e-5, 1.4e-4], [5000.0], [373.0, 453.0], replicates=0, rng=1)
