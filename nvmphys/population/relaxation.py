"""Relaxation of programmed cells: how far the conductance has moved since the first verify read.

In the coordinate y = G - floor²/G, which keeps conductance positive, the change D(t) = y(G(t)) - y(g) of a cell
first read at G(0) = g follows a tempered Johnson S_U law whose five parameters
are smooth in level and time: values at knots, a natural cubic spline in √g, linear in ln t (the scale itself linear in
ln t). Its scores over time follow a :class:`~nvmphys.population.history.History`. Right after programming a cell stands
at target + error, a normal error cut by the acceptance window.

Beyond the longest time measured the spread s(t), the 5–95 % width, follows one of `EXTRAPOLATIONS`. The default, s²
linear in ln t, is the law of independent steps per decade; the centre goes on linearly in ln t and the shape stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import unknown_name
from nvmphys.population.coordinate import Coordinate
from nvmphys.population.extrapolation import EXTRAPOLATIONS, WIDTH_Z, beyond
from nvmphys.population.history import History
from nvmphys.population.interpolation import level_weights, time_weights
from nvmphys.population.johnson import Shape, normal_score, quantile
from nvmphys.population.law import Extra, Plain, extras_of, span, windowed
from nvmphys.records import ModelCard

Array = NDArray[np.float64]

NAME = "relaxation"


@dataclass(frozen=True)
class RelaxationLaw(Plain):
    """Programming window and relaxation of a cell population.

    Attributes
    ----------
    coordinate : Coordinate
        Where changes are measured; floored.
    level_S : ndarray (knot,)
        Conductances of the knots [S].
    times_s : ndarray (node,)
        Times of the nodes [s].
    parameters : ndarray (5, node, knot)
        location [1], ln(scale/S), skew [1], ln tail, ln temper.
    history : History
    window_S, sigma_S : ndarray (knot,)
        Half-width of the acceptance window and σ of the programming error before the cut [S].
    level_range_S : tuple of float
        Target conductances that the card covers [S].
    extrapolation : str
        One of `EXTRAPOLATIONS`.
    """

    coordinate: Coordinate
    level_S: Array
    times_s: Array
    parameters: Array
    history: History
    window_S: Array
    sigma_S: Array
    level_range_S: tuple[float, float]
    extras: Mapping[str, Extra] = field(default_factory=dict)
    extrapolation: str = EXTRAPOLATIONS[0]
    level_is_programmed: bool = True
    first_time_s: float = 0.0
    value_parts: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "programmed": ("programming_",),
        "change": ("location", "scale_S", "skew", "tail", "temper"),
        "history": ("history_",),
    }

    def __post_init__(self) -> None:
        if self.extrapolation not in EXTRAPOLATIONS:
            raise unknown_name("extrapolation", self.extrapolation, EXTRAPOLATIONS)

    @property
    def time_range_s(self) -> tuple[float, float]:
        """First and last node [s]."""
        return float(self.times_s[0]), float(self.times_s[-1])

    def shape(self, level_S: Array, time_s: float | Array) -> Shape:
        """Return the parameters of the change's law for cells first read at `level_S`, at `time_s` within the nodes."""
        weights = time_weights(np.broadcast_to(np.asarray(time_s, float), np.shape(level_S)), self.times_s)
        return blend(self.parameters, level_weights(level_S, self.level_S), weights)

    def programmed(self, target_S: Array, z: Array) -> Array:
        """Return target + error [S]; the error is normal, cut at the acceptance window."""
        return windowed(target_S, z, level_weights(target_S, self.level_S), self.sigma_S, self.window_S)

    def change(self, level_S: Array, time_s: float | Array, z: Array, extrapolate: bool = False) -> Array:
        """Return the change of the coordinate [S] at normal score z for cells first read at `level_S`."""
        change = quantile(z, self.shape(level_S, np.minimum(time_s, self.times_s[-1])))
        if not extrapolate or np.all(time_s <= self.times_s[-1]):
            return change
        centre, width, centre_last, width_last = self._outlook(level_S, time_s)
        return centre + (change - centre_last) * width / width_last

    def change_S(self, level_S: Array, time_s: float | Array, z: Array, extrapolate: bool = False) -> Array:
        """Return G(t) - G(0) [S] at normal score z."""
        return self.coordinate.moved(level_S, self.change(level_S, time_s, z, extrapolate)) - level_S

    def score(self, level_S: Array, time_s: float | Array, change_S: Array, extrapolate: bool = False) -> Array:
        """Return the normal score of a measured G(t) - G(0) [S]; Φ of it is the probability integral transform."""
        change = self.coordinate.of(level_S + change_S) - self.coordinate.of(level_S)
        if extrapolate and not np.all(time_s <= self.times_s[-1]):
            centre, width, centre_last, width_last = self._outlook(level_S, time_s)
            change = centre_last + (change - centre) * width_last / width
        return normal_score(change, self.shape(level_S, np.minimum(time_s, self.times_s[-1])))

    def _centre_and_width(self, level_S: Array, time_s: float | Array) -> tuple[Array, Array]:
        """Return the median and the 5–95 % width of the change [S]."""
        shape = self.shape(level_S, time_s)
        low, centre, high = (quantile(np.asarray(z), shape) for z in (-WIDTH_Z, 0.0, WIDTH_Z))
        return centre, high - low

    def _outlook(self, level_S: Array, time_s: float | Array) -> tuple[Array, Array, Array, Array]:
        """Return median and width at `time_s` by the chosen law, and both at the last time known."""
        known = np.minimum(time_s, self.times_s[-1])
        last = self._centre_and_width(level_S, known)
        nodes = [self._centre_and_width(level_S, time) for time in self.times_s]
        centres, widths = (np.array(part) for part in zip(*nodes, strict=True))
        ahead = np.log(time_s / known)
        return *beyond(self.times_s, centres, widths, last, ahead, self.extrapolation), *last


def blend(parameters: Array, by_level: Array, by_time: Array) -> Shape:
    """Interpolate the parameters (5, node, knot) to observations with the given weights (n, knot) and (n, node)."""
    at_nodes = parameters @ by_level.T
    at_nodes[1] = np.exp(at_nodes[1])
    blended = np.einsum("ptn,nt->pn", at_nodes, by_time)
    blended[1] = np.log(blended[1])
    return Shape(*blended)


def to_values(law: RelaxationLaw) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the card's values and units of a law; the inverse of :func:`from_card`."""
    location, log_scale, skew, log_tail, log_temper = law.parameters
    history = law.history
    values: dict[str, Any] = {
        "floor_S": law.coordinate.floor_S,
        "level_S": law.level_S,
        "time_s": law.times_s,
        "location": location,
        "scale_S": np.exp(log_scale),
        "skew": skew,
        "tail": np.exp(log_tail),
        "temper": np.exp(log_temper[:, 0]),
        "programming_window_S": law.window_S,
        "programming_sigma_S": law.sigma_S,
        "history_time_s": history.times_s,
        "history_step": history.step_quantiles,
        "history_correlation": history.correlation,
        "history_dof": history.dof,
        "history_path": history.path_quantiles,
    }
    units = {name: name.rsplit("_", 1)[1] if name.endswith(("_S", "_s")) else "1" for name in values}
    return {name: np.asarray(value).tolist() for name, value in values.items()}, units


def from_card(card: ModelCard) -> RelaxationLaw:
    """Build the law from a card's values."""
    location = card.array("location")
    temper = np.broadcast_to(np.log(card.array("temper"))[:, None], location.shape)
    parameters = np.stack(
        [location, np.log(card.array("scale_S")), card.array("skew"), np.log(card.array("tail")), temper]
    )
    history = History(
        card.array("history_time_s"),
        card.array("history_step"),
        card.array("history_correlation"),
        float(card.values["history_dof"]),
        card.array("history_path"),
    )
    return RelaxationLaw(
        coordinate=Coordinate("floored", float(card.values["floor_S"])),
        level_S=card.array("level_S"),
        times_s=card.array("time_s"),
        parameters=parameters,
        history=history,
        window_S=card.array("programming_window_S"),
        sigma_S=card.array("programming_sigma_S"),
        level_range_S=span(card, "target_S"),
        extras=extras_of(card),
    )
