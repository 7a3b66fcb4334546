"""Variation profiles: built from a card, kept in HDF5 or JSON with npz, sampled."""

from nvmphys.profile.build import build_profile
from nvmphys.profile.profile import Tables, VariationProfile
from nvmphys.profile.sections import PulseTable, ReadCurrent, Replicates
from nvmphys.profile.storage import load_profile, save_profile, violations

__all__ = [
    "PulseTable",
    "ReadCurrent",
    "Replicates",
    "Tables",
    "VariationProfile",
    "build_profile",
    "load_profile",
    "save_profile",
    "violations",
]
