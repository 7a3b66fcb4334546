"""A first look at networks: what the cells of a variation profile do to a small classifier."""

from nvmphys.impact.mapping import PAIRS, SLICES, CellMapping
from nvmphys.impact.network import Network, digits_network
from nvmphys.impact.parts import PARTS, is_known, isolated
from nvmphys.impact.study import NetworkImpact, network_impact
from nvmphys.impact.wires import Wires

__all__ = [
    "PAIRS",
    "PARTS",
    "SLICES",
    "CellMapping",
    "Network",
    "NetworkImpact",
    "Wires",
    "digits_network",
    "is_known",
    "isolated",
    "network_impact",
]
