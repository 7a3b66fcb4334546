"""How long the outputs of a crossbar take to settle after a step of its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.crossbar.array import Crossbar
from nvmphys.crossbar.charging import Array, ChargingSystem
from nvmphys.crossbar.radau import cubic
from nvmphys.crossbar.stimulus import Stimulus
from nvmphys.crossbar.transient import TOLERANCE, CrossbarTransient, Run
from nvmphys.errors import BadInput, CheckFailed, unknown_name

OF = ("final", "full_scale")
SHARE_OF_SLOWEST = 1e-3
"""Of the slowest node's delay: an edge of this length is as good as a step."""
SURELY = 0.05
"""Of the band: where all outputs and all nodes are this near their end, nothing leaves the band again."""
LONGEST = 1e6
"""Of the slowest node's delay."""
LEAST_BAND = 1e-7
"""Of the largest output: of outputs that end nearer to 0 A no settling is told."""
LOOKS = 16
"""Places in a step at which an output is compared with its band, before the crossing is found by bisection."""
BISECTIONS = 40


@dataclass(frozen=True, eq=False)
class Settling:
    """When the outputs of a crossbar are where they stay.

    Attributes
    ----------
    time_s : ndarray, (bit_line,)
        From the start of the step of the inputs until the output stays within the band [s]; NaN of an output that ends
        at next to 0 A, a share of which says nothing.
    elmore_s : ndarray, (bit_line,)
        Elmore delay of each output [s]; NaN of an output that ends at 0 A.
    final_A : ndarray, (bit_line,)
        Output currents of the operating point [A].
    band_A : ndarray, (bit_line,)
        Half the width of the band [A].
    within : float
    of : str
        What the band is a share of: `final` or `full_scale`.
    edge_s : float
        Length of the inputs' edge, which is in `time_s` [s].
    transient : CrossbarTransient
        What was integrated, on until nothing leaves its band.
    """

    time_s: Array
    elmore_s: Array
    final_A: Array
    band_A: Array
    within: float
    of: str
    edge_s: float
    transient: CrossbarTransient

    @property
    def slowest(self) -> int:
        """Which output takes longest."""
        return int(np.nanargmax(self.time_s))

    @property
    def slowest_s(self) -> float:
        """When all outputs are within their bands [s]."""
        return float(np.nanmax(self.time_s))

    @property
    def energy_J(self) -> float:
        """What drivers and sense amplifiers give until then [J]."""
        record = self.transient
        return float(np.interp(self.slowest_s, record.time_s, record.source_energy_J))

    def figures(self) -> dict[str, Any]:
        """Return what there is to say as plain JSON values."""
        elmore_s = float(self.elmore_s[self.slowest])
        return {
            "within": self.within,
            "of": self.of,
            "slowest_s": self.slowest_s,
            "slowest_bit_line": self.slowest,
            "median_s": float(np.nanmedian(self.time_s)),
            "slowest_elmore_s": elmore_s if np.isfinite(elmore_s) else None,
            "edge_s": self.edge_s,
            "energy_J": self.energy_J,
        }

    def __str__(self) -> str:
        """One line for people."""
        of = "their final values" if self.of == "final" else "full scale"
        elmore = self.elmore_s[self.slowest]
        return (
            f"all outputs stay within {self.within:.3g} of {of} from {self.slowest_s:.4g} s on (the slowest is bit "
            f"line {self.slowest}, Elmore delay {elmore:.4g} s; median {np.nanmedian(self.time_s):.4g} s)"
        )


def settling_time(
    crossbar: Crossbar,
    v: ArrayLike,
    *,
    within: float = 0.01,
    of: Literal["final", "full_scale"] = "final",
    edge_s: float | None = None,
    sense_V: ArrayLike = 0.0,
    tolerance: float | None = None,
) -> Settling:
    r"""Return the time from a step of the inputs until each output stays within a band about its final value.

    Parameters
    ----------
    crossbar : Crossbar
        With `capacitance`.
    v : array_like, (word_line,)
        Voltages at the drivers after the step, 0 V before [V].
    within : float, optional
        Half the width of the band, as a share; half a step of a converter of n bits is 2**-(n + 1) of full scale.
    of : {"final", "full_scale"}, optional
        Of the output's own final current, or of the largest of all outputs.
    edge_s : float, optional
        Length of the edge [s]; by default a thousandth of the delay of the slowest node's voltage.
    sense_V : float or array_like, (bit_line,), optional
        Voltages at the sense amplifiers, before and after [V].
    tolerance : float, optional
        As of `crossbar_transient`; by default 1e-5, and a fiftieth of the narrowest band where that is less.

    Returns
    -------
    Settling

    Raises
    ------
    BadInput
        "settling_time() needs a crossbar with capacitance …", "within must …", "unknown of …", "edge_s must …".
    CheckFailed
        "the outputs must settle …", or as of `crossbar_transient`.

    Notes
    -----
    The Elmore delay of an output is the first moment of its response, :math:`\int_0^\infty (1 - i(t)/i_\infty)\,dt`
    [1]_, here exact for any network of linear cells by one more solution, G·m = C·v: no tree is assumed. Were the
    response a single exponential, an output would be within ε of its end after ln(1/ε) times that. Far from the
    drivers it is later than an exponential and ends steeper, near them earlier with a long tail. Charge that cells'
    capacitances hand to the bit lines comes ahead of its time and counts negative, so that with much of it, or inputs
    of both signs, the delay is negative and no estimate. Cells that are not linear are taken as they are at the end.

    .. [1] W. C. Elmore, "The transient response of damped linear networks with particular regard to wideband
       amplifiers", J. Appl. Phys. 19, 55 (1948), doi:10.1063/1.1697872.

    Examples
    --------
    A line of 1 kΩ and 1 pF in front of 10 kΩ, within 1 %: ln(100) times 0.909 ns.

    >>> from nvmphys.crossbar import Capacitance
    >>> cell = Crossbar([[1e-4]], 0, 0, r_driver_ohm=1e3, capacitance=Capacitance(word_line_F=1e-12))
    >>> found = settling_time(cell, [0.2], edge_s=1e-15)
    >>> found.time_s * 1e9, found.elmore_s * 1e9
    (array([4.187]), array([0.9091]))
    """
    if crossbar.capacitance.absent:
        raise BadInput("settling_time() needs a crossbar with capacitance (got none): without, outputs follow at once")
    if not 0 < within < 1:
        raise BadInput(f"within must lie between 0 and 1 (got {within:g}): 0.01 is one per cent")
    if of not in OF:
        raise unknown_name("of", of, OF)
    volts = crossbar.check_voltages(v)
    if volts.ndim != 1:
        raise BadInput(f"v must be one vector for a step (got shape {volts.shape}): pass its columns singly")
    senses = crossbar.check_sense_voltages(sense_V, ())
    end = _End.of(crossbar, np.concatenate([volts, senses]))
    final_A = end.outputs_A
    largest_A = float(np.abs(final_A).max())
    if not largest_A > 0:
        raise BadInput("v must drive a current into some sense amplifier (got none in the steady state)")
    band_A = within * np.where(of == "full_scale", largest_A, np.abs(final_A))
    told = band_A > LEAST_BAND * largest_A
    edge_s = SHARE_OF_SLOWEST * end.slowest_s if edge_s is None else edge_s
    if not 0 < edge_s < np.inf:
        raise BadInput(f"edge_s must be > 0 and finite (got {edge_s:g} s)")
    tolerance = min(TOLERANCE, float(band_A[told].min()) / largest_A / 50) if tolerance is None else tolerance
    run = Run(crossbar, Stimulus.step(volts, edge_s, sense_V=senses), tolerance)
    for _ in run.steps(np.inf):
        if run.time_s > edge_s and end.reached_by(run, np.where(told, SURELY * band_A, np.inf), SURELY * within):
            break
        if run.time_s > LONGEST * (edge_s + end.slowest_s):
            raise CheckFailed(
                f"the outputs must settle (got some that did not within {run.time_s:.3g} s): ask for a wider band"
            )
    record = run.record()
    time_s = _settled(record, final_A, np.where(told, band_A, np.inf))
    unknown = ~told & np.any(record.current_A != 0, axis=1)
    return Settling(np.where(unknown, np.nan, time_s), end.elmore_s, final_A, band_A, within, of, edge_s, record)


@dataclass(frozen=True, eq=False)
class _End:
    """Where a step leads: corrections, terminals' voltages, outputs and Elmore delays."""

    y: Array
    u: Array
    outputs_A: Array
    elmore_s: Array
    slowest_s: float

    @classmethod
    def of(cls, crossbar: Crossbar, u: Array) -> _End:
        """Find the operating point, and the delays to it."""
        system, lines = ChargingSystem(crossbar), crossbar.shape[0]
        y = system.steady(u)
        at = y[:, np.newaxis]
        terminals_A = system.steady_terminals(at, system.cell_currents(at, u[:, np.newaxis]))[:, 0]
        delay_s, slowest_s = system.elmore_s(y, u)
        return cls(y, u, terminals_A[lines:], delay_s[lines:], slowest_s)

    def reached_by(self, run: Run, outputs_A: Array, share: float) -> bool:
        """Whether outputs are this near, and voltages nearer than a share of the largest."""
        y, _ = run.voltages
        away_V, largest_V = np.abs(y - self.y).max(initial=0.0), np.abs(self.u).max()
        return bool((np.abs(run.outputs_A - self.outputs_A) <= outputs_A).all() and away_V <= share * largest_V)


def _settled(record: CrossbarTransient, final_A: Array, band_A: Array) -> Array:
    """Return when each output enters its band for the last time (bit_line,) [s]; 0 of one that is always there."""
    within_step = np.arange(LOOKS + 1) / LOOKS
    nodes_A = record.output_nodes_A  # (step, output, node)
    outside = np.abs(nodes_A @ cubic(within_step).T - final_A[:, np.newaxis]) > band_A[:, np.newaxis]
    outputs = len(final_A)
    flat = np.moveaxis(outside, 1, 0).reshape(outputs, -1)
    last = flat.shape[1] - 1 - np.argmax(flat[:, ::-1], axis=1)
    step, look = np.divmod(last, LOOKS + 1)
    each, low, high = np.arange(outputs), look / LOOKS, np.minimum(look + 1, LOOKS) / LOOKS
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        now_A = np.sum(nodes_A[step, each] * cubic(middle), axis=1)
        beyond = np.abs(now_A - final_A) > band_A
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    begin_s = record.time_s[:-1]
    return np.where(flat.any(axis=1), begin_s[step] + high * np.diff(record.time_s)[step], 0.0)
