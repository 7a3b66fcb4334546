"""Variation profiles: built from a card, kept in HDF5, sampled."""

from nvmphys.profile.build import build_profile
from nvmphys.profile.hdf5 import load_profile, save_profile
from nvmphys.profile.profile import Tables, VariationProfile

__all__ = ["Tables", "VariationProfile", "build_profile", "load_profile", "save_profile"]
