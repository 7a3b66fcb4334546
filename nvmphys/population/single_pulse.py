"""The resistance of 1T1R cells after one SET pulse: threshold, stopping voltage and the transistor as current limiter.

A cell switches when the pulse on the bit line exceeds its threshold voltage, and then grows its filament until the
transistor leaves it no more than its stopping voltage V_s. Both fall with the width of the pulse, as kinetics
exponential in voltage ask for, and both are normal over the cells:

    V_t = threshold_V - fall_V·lg(width/100 ns) ± threshold_sigma_V,    V_s likewise around stop_V

At the end the cell holds V_s at the current I that the transistor lets through, so its resistance is V_s/I; with the
transistor saturated that is I_D = drive_A·(U/1 V)^drive_exponent, with the smoothed overdrive
U = gate_swing_V·ln(1 + exp((V_WL - gate_threshold_V + gate_coupling·V_BL)/gate_swing_V)), and where it conducts well
(V_BL - V_s)/on_ohm. Of the two the smaller current rules, smoothly:

    R_set = series_ohm + V_s·√(1/I_D² + (on_ohm/(V_BL - V_s))²)

Around lg R_set lies a t distribution of 3 degrees of freedom, its scale set_sigma and what the transistors' spread of
thresholds (gate_sigma_V) makes of it. A SET only lowers a resistance: R = min(R before, R_set) in cells that switch,
R before in the others, which a second read finds again within a scale of read_sigma·(R/100 kΩ)^read_exponent (t, 3).

The shape (alpha-power saturation current, resistance in inverse proportion to the limiting current) is what is known of
such cells; the values are fitted, and `on_ohm` stands for everything in series during the pulse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from nvmphys.parameters import Parameter

Array = NDArray[np.float64]

PARAMETERS = (
    Parameter("threshold_V", "V", 1.2, (0.2, 4.0), "median threshold voltage of a cell at 100 ns"),
    Parameter("threshold_sigma_V", "V", 0.15, (0.01, 1.0), "spread of threshold voltages", scale="log"),
    Parameter("stop_V", "V", 0.9, (0.1, 3.0), "median voltage at which a cell stops growing, at 100 ns"),
    Parameter("stop_sigma_V", "V", 0.06, (0.005, 0.5), "spread of stopping voltages", scale="log"),
    Parameter("fall_V", "V", 0.05, (0.0, 0.3), "fall of both voltages per decade of width"),
    Parameter("series_ohm", "ohm", 4000.0, (100.0, 3e4), "resistance read in series with the filament", scale="log"),
    Parameter("on_ohm", "ohm", 2000.0, (50.0, 1e5), "resistance in series during the pulse", scale="log"),
    Parameter("drive_A", "A", 4e-4, (1e-6, 1e-2), "saturation current of the transistor at 1 V overdrive", scale="log"),
    Parameter("drive_exponent", "1", 1.6, (0.8, 2.5), "exponent of the saturation current in the overdrive"),
    Parameter("gate_threshold_V", "V", 0.6, (-0.2, 1.5), "threshold voltage of the transistor"),
    Parameter("gate_swing_V", "V", 0.08, (0.02, 0.3), "width of its transition to weak inversion", scale="log"),
    Parameter("gate_coupling", "1", 0.1, (0.0, 0.5), "fall of its threshold per volt on the bit line"),
    Parameter("gate_sigma_V", "V", 0.06, (0.002, 0.5), "scale of the spread of its threshold voltages", scale="log"),
    Parameter("set_sigma", "decade", 0.02, (0.002, 0.3), "scale of the rest of the spread after SET", scale="log"),
    Parameter("read_sigma", "decade", 0.06, (0.001, 0.5), "scale between two reads of 100 kOhm", scale="log"),
    Parameter("read_exponent", "1", 0.5, (-1.0, 2.0), "exponent of that scale in the resistance"),
)
REFERENCE_S = 1e-7
"""Width [s] that threshold_V and stop_V stand for."""
_SCORES = ndtri((np.arange(25) + 0.5) / 25)
_NODES = _SCORES / _SCORES.std()
"""Normal scores, of variance 1, at which the stopping voltage stands for a cell in 25."""
_SMOOTH_V = 0.01
"""Headroom [V] below which V_BL - V_s turns smoothly to zero."""
_LOW, _HIGH = 0.0, 12.0
"""Decades of resistance between which a quantile is looked for."""


class Pulses(NamedTuple):
    """Pulses (pulse,): width [s], voltages of bit line and gate [V]."""

    width_s: Array
    voltage_V: Array
    gate_V: Array


@dataclass(frozen=True, eq=False)
class SinglePulseLaw:
    """The law with its values (`PARAMETERS`).

    Examples
    --------
    >>> law = SinglePulseLaw({p.name: p.value for p in PARAMETERS})
    >>> before = np.log10(np.full((2, 1), 8e4))
    >>> pulses = Pulses(np.full(2, 1e-7), np.array([0.5, 2.0]), np.array([2.0, 2.0]))
    >>> [float(f"{x:.2g}") for x in 10 ** law.quantile(0.5, pulses, before)]
    [80000.0, 6000.0]
    """

    values: Mapping[str, float]

    def switching(self, pulses: Pulses) -> Array:
        """Return the share of cells whose threshold the pulse exceeds (pulse,)."""
        v = self.values
        threshold = v["threshold_V"] - v["fall_V"] * np.log10(pulses.width_s / REFERENCE_S)
        return np.asarray(ndtr((pulses.voltage_V - threshold) / v["threshold_sigma_V"]))

    def set_states(self, pulses: Pulses) -> tuple[Array, Array]:
        """Return lg of the resistance after SET, and its scale (pulse, node), at 25 equally likely stopping voltages.

        Stopping voltages below 50 mV count as 50 mV. The scale fills the gaps between the nodes.
        """
        v = self.values
        median = v["stop_V"] - v["fall_V"] * np.log10(pulses.width_s / REFERENCE_S)
        stop = np.maximum(median[:, np.newaxis] + v["stop_sigma_V"] * _NODES, 0.05)
        room = _SMOOTH_V * np.logaddexp(0.0, (pulses.voltage_V[:, np.newaxis] - stop) / _SMOOTH_V) + 1e-9
        score = (pulses.gate_V - v["gate_threshold_V"] + v["gate_coupling"] * pulses.voltage_V) / v["gate_swing_V"]
        over = v["gate_swing_V"] * np.logaddexp(0.0, score)
        limit = (v["drive_A"] * over ** v["drive_exponent"])[:, np.newaxis]
        filament = stop * np.hypot(1 / limit, v["on_ohm"] / room)
        total = v["series_ohm"] + filament
        by_gate = v["drive_exponent"] / over / (1 + np.exp(-score)) / np.log(10)  # of lg I_D by the gate voltage
        share = filament / total * (stop / limit / filament) ** 2  # of lg I_D in lg R
        centre = np.log10(total)
        scale = np.hypot(v["set_sigma"], v["gate_sigma_V"] * by_gate[:, np.newaxis] * share)
        return centre, np.hypot(scale, np.gradient(centre, axis=1) / 4)

    def below(self, log_ohm: Array, pulses: Pulses) -> Array:
        """Return the share of cells that switch to below lg R (pulse, value)."""
        centre, scale = self.set_states(pulses)
        inside = t3((log_ohm[..., np.newaxis] - centre[:, np.newaxis]) / scale[:, np.newaxis]).mean(axis=-1)
        return np.asarray(self.switching(pulses)[:, np.newaxis] * inside)

    def unchanged(self, log_ohm: Array, before: Array) -> Array:
        """Return the share of cells that a second read finds below lg R (pulse, value).

        `before` (pulse, cell) is lg R of the cells; NaN where a pulse has fewer.
        """
        scale = self._read_scale(before)
        each = t3((log_ohm[..., np.newaxis] - before[:, np.newaxis]) / scale[:, np.newaxis])
        return np.asarray(np.nanmean(each, axis=-1))

    def _read_scale(self, before: Array) -> Array:
        """Return the scale [decade] between two reads of cells of lg R."""
        return np.asarray(self.values["read_sigma"] * 10 ** (self.values["read_exponent"] * (before - 5.0)))

    def cdf(self, log_ohm: Array, pulses: Pulses, before: Array) -> Array:
        """Return the share of cells below lg R after the pulse (pulse, value), from cells `before` (pulse, cell)."""
        return 1 - (1 - self.unchanged(log_ohm, before)) * (1 - self.below(log_ohm, pulses))

    def quantile(self, probability: float, pulses: Pulses, before: Array) -> Array:
        """Return the quantile of lg R after the pulse (pulse,), by bisection."""
        low, high = np.full(pulses.gate_V.size, _LOW), np.full(pulses.gate_V.size, _HIGH)
        for _ in range(40):
            middle = (low + high) / 2
            less = self.cdf(middle[:, np.newaxis], pulses, before)[:, 0] < probability
            low, high = np.where(less, middle, low), np.where(less, high, middle)
        return (low + high) / 2

    def draw(self, pulses: Pulses, before: Array, rng: np.random.Generator) -> Array:
        """Return lg R after a pulse of its own on each cell (pulse,), from lg R before (pulse,)."""
        n = before.size
        centre, scale = self.set_states(pulses)
        own = rng.integers(0, _NODES.size, n)
        reached = centre[np.arange(n), own] + scale[np.arange(n), own] * rng.standard_t(3, n)
        kept = before + self._read_scale(before) * rng.standard_t(3, n)
        return np.where(rng.random(n) < self.switching(pulses), np.minimum(kept, reached), kept)


def t3(x: Array) -> Array:
    """Return the distribution function of Student's t with 3 degrees of freedom, in closed form.

    >>> from scipy.stats import t
    >>> bool(abs(t3(np.array([-2.0, 0.3])) - t.cdf([-2.0, 0.3], 3)).max() < 1e-15)
    True
    """
    y = x / np.sqrt(3.0)
    return np.asarray(0.5 + (y / (1 + y * y) + np.arctan(y)) / np.pi)
