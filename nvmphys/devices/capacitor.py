"""What a ferroelectric capacitor declares so that it can be fitted in closed form."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nvmphys.devices.model import Array

Values = Mapping[str, float]
Told = tuple[Array, Array]


@dataclass(frozen=True, eq=False)
class Switching:
    """How the switched share (-1 … 1) of a capacitor follows from voltages; with slopes.

    Attributes
    ----------
    size : str
        Parameter that the share is multiplied by [C/m²].
    names : tuple of str
        Parameters that the share has slopes by.
    after : callable
        Share (row,) and slopes (row, parameter) after pulses of voltages (row,) [V], widths (row,) [s] and an edge
        length [s], from poled down on.
    along : callable
        Share and slopes at the knots of a waveform of voltages (knot,) and durations (knot - 1,), from poled up (1) or
        down (-1) on.
    held : mapping of float
        Values of parameters that a fit which chooses for itself holds elsewhere than at the model's own.
    kinetics : tuple of str
        Parameters that tell how long a voltage must last; none where the share does not ask for it.
    field : str
        Parameter that says at which field it switches.
    spread : str
        Parameter that one amplitude does not tell from the others, and at which value it is then held: 0.
    """

    size: str
    names: tuple[str, ...]
    after: Callable[[Values, Array, Array, float], Told]
    along: Callable[[Values, Array, Array, float], Told]
    held: Mapping[str, float] = dataclasses.field(default_factory=dict)
    kinetics: tuple[str, ...] = ()
    field: str = ""
    spread: str = ""
