"""Change of programmed cells by a bake: low levels rise, high levels fall, the more the hotter.

In the coordinate y = G - floor²/G the change of a cell that stood at g follows a tempered Johnson S_U law whose
location, scale, skew and tail are smooth in level (natural cubic splines in √g). Centre and spread follow the
temperature by Arrhenius, while the sign stays the level's own; the energy of the centre is one for all levels, that
of the scale linear in √g between the lowest and the highest knot:

    centre(g, T) = centre(g, T_ref)·exp(-E_c/k·(1/T - 1/T_ref))
    scale(g, T)  = scale(g, T_ref)·exp(-E_s(g)/k·(1/T - 1/T_ref))

One change a cell: how it came about during the bake is not known, and the elapsed time is not in the law.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.constants import physical_constants

from nvmphys.errors import BadInput
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.history import History
from nvmphys.population.interpolation import end_weights, level_weights
from nvmphys.population.johnson import Shape, normal_score, quantile
from nvmphys.population.law import Extra, Plain, extras_of, span, windowed
from nvmphys.records import ModelCard

Array = NDArray[np.float64]

NAME = "bake"
BOLTZMANN_EV = physical_constants["Boltzmann constant in eV/K"][0]


@dataclass(frozen=True)
class BakeLaw(Plain):
    """Programming window and change by a bake.

    Attributes
    ----------
    coordinate : Coordinate
        Where changes are measured; floored.
    level_S : ndarray (knot,)
        Conductances of the knots [S].
    parameters : ndarray (4, knot)
        location [1], ln(scale/S), skew [1] and ln tail at the reference temperature.
    log_temper : float
        ln of the score beyond which tails thin out [1], for all levels.
    energy_centre_eV : float
        Arrhenius energy of the centre [eV]; effective, not that of one process.
    energy_scale_eV : ndarray (2,)
        Arrhenius energies of the spread at the lowest and at the highest knot [eV].
    reference_K : float
        T_ref [K].
    temperature_K : float
        Temperature of the bake that the law speaks of [K].
    window_S, sigma_S : ndarray (knot,)
        Acceptance window and σ of the programming error before the cut [S].
    """

    coordinate: Coordinate
    level_S: Array
    parameters: Array
    log_temper: float
    energy_centre_eV: float
    energy_scale_eV: Array
    reference_K: float
    temperature_K: float
    window_S: Array
    sigma_S: Array
    level_range_S: tuple[float, float]
    time_range_s: tuple[float, float]
    temperature_range_K: tuple[float, float] | None = None
    extras: Mapping[str, Extra] = field(default_factory=dict)
    level_is_programmed: bool = True
    extrapolates: bool = False
    first_time_s: float = 0.0
    value_parts: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "programmed": ("programming_",),
        "change": ("location", "scale_S", "skew", "tail", "temper", "energy_"),
    }

    @property
    def history(self) -> History:
        """One change a cell."""
        return History.frozen(self.time_range_s[0])

    def at_temperature(self, temperature_K: float) -> Self:
        """Return the law of a bake at one temperature [K].

        Raises
        ------
        BadInput
            Outside the range of temperatures behind the card.
        """
        low, high = self.temperature_range_K or (0.0, np.inf)
        if not low - 0.5 <= temperature_K <= high + 0.5:
            raise BadInput(
                f"temperature must lie within {low:g} … {high:g} K, those behind this card (got {temperature_K:g} K): "
                "Arrhenius beyond them is not tested"
            )
        return replace(self, temperature_K=float(temperature_K))

    def shape(self, level_S: Array, temperature_K: float | Array | None = None) -> Shape:
        """Return the parameters of the change's law for cells that stood at `level_S`."""
        at = self.temperature_K if temperature_K is None else temperature_K
        location, log_scale, skew, log_tail = self.parameters @ level_weights(level_S, self.level_S).T
        u = (1 / np.asarray(at, dtype=float) - 1 / self.reference_K) / BOLTZMANN_EV
        scale_eV = end_weights(level_S, self.level_S) @ self.energy_scale_eV
        ratio = np.exp(-(self.energy_centre_eV - scale_eV) * u)
        temper = np.full(np.shape(location), self.log_temper)
        return Shape(location * ratio, log_scale - scale_eV * u, skew, log_tail, temper)

    def programmed(self, target_S: Array, z: Array) -> Array:
        """Return target + error [S]; the error is normal, cut at the acceptance window."""
        return windowed(target_S, z, level_weights(target_S, self.level_S), self.sigma_S, self.window_S)

    def change(self, level_S: Array, time_s: float, z: Array, extrapolate: bool = False) -> Array:
        """Return the change of the coordinate by the bake [S] at normal score z for cells that stood at `level_S`."""
        return quantile(z, self.shape(level_S))

    def change_S(self, level_S: Array, z: Array, temperature_K: float | Array | None = None) -> Array:
        """Return G after - G before [S] at normal score z."""
        return self.coordinate.moved(level_S, quantile(z, self.shape(level_S, temperature_K))) - level_S

    def score(self, level_S: Array, change_S: Array, temperature_K: float | Array | None = None) -> Array:
        """Return the normal score of a measured G after - G before [S]."""
        change = self.coordinate.of(level_S + change_S) - self.coordinate.of(level_S)
        return normal_score(change, self.shape(level_S, temperature_K))


def to_values(law: BakeLaw) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the card's values and units of a law; the inverse of :func:`from_card`."""
    location, log_scale, skew, log_tail = law.parameters
    values: dict[str, Any] = {
        "floor_S": law.coordinate.floor_S,
        "level_S": law.level_S,
        "location": location,
        "scale_S": np.exp(log_scale),
        "skew": skew,
        "tail": np.exp(log_tail),
        "temper": np.exp(law.log_temper),
        "energy_centre_eV": law.energy_centre_eV,
        "energy_scale_eV": law.energy_scale_eV,
        "reference_K": law.reference_K,
        "programming_window_S": law.window_S,
        "programming_sigma_S": law.sigma_S,
    }
    ends = {"S": "S", "eV": "eV", "K": "K"}
    units = {name: ends.get(name.rsplit("_", 1)[-1], "1") for name in values}
    return {name: np.asarray(value).tolist() for name, value in values.items()}, units


def from_card(card: ModelCard) -> BakeLaw:
    """Build the law from a card's values, at its reference temperature."""
    parameters = [card.array("location"), np.log(card.array("scale_S")), card.array("skew"), np.log(card.array("tail"))]
    reference = float(card.values["reference_K"])
    return BakeLaw(
        coordinate=Coordinate("floored", float(card.values["floor_S"])),
        level_S=card.array("level_S"),
        parameters=np.stack(parameters),
        log_temper=float(np.log(card.values["temper"])),
        energy_centre_eV=float(card.values["energy_centre_eV"]),
        energy_scale_eV=card.array("energy_scale_eV"),
        reference_K=reference,
        temperature_K=reference,
        window_S=card.array("programming_window_S"),
        sigma_S=card.array("programming_sigma_S"),
        level_range_S=span(card, "target_S"),
        time_range_s=span(card, "time_s"),
        temperature_range_K=span(card, "temperature_K"),
        extras=extras_of(card),
    )
