"""The access transistor of a 1T1R cell: EKV, smooth from below threshold to saturation, alike in source and drain.

With u_T = kT/q, voltages of gate, drain and source against the bulk, and V_P = (V_G - V_th)/n,

    I = I_spec·(F(V_P - V_S) - F(V_P - V_D)),   F(x) = ln²(1 + e^(x/2u_T)),   I_spec = 2n·β·u_T²

The first term alone is the saturation current. Solved for the drain, at i_r = F(V_P - V_S) - I/I_spec,

    V_D = V_P - 2u_T·ln(e^√i_r - 1),

which grows without bound as the current nears saturation: a cell in series is solved by the balance of the two
currents, not by the voltage that is dropped.

Of the two terminals of a cell in series with its transistor the lower one is at the bulk's voltage: while current
flows in (SET) the source is grounded, while it flows out (RESET) the source follows the cell and the gate loses what it
rises.

(Enz, Krummenacher and Vittoz, Analog Integr. Circuits Signal Process. 8, 83 (1995), doi 10.1007/BF01239381.)
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import ArrayLike, NDArray
from scipy.constants import physical_constants

from nvmphys.devices import SUFFIX
from nvmphys.devices.model import AMBIENT, APPLIED, CELL, Access, DeviceModel, symbol
from nvmphys.errors import BadInput
from nvmphys.parameters import Parameter

__all__ = ["channel_current", "drain_voltage", "in_series", "saturation_current"]

Array = NDArray[np.float64]

BOLTZMANN_EV = physical_constants["Boltzmann constant in eV/K"][0]
ROOM_K = 300.0
TYPICAL = "typical of access transistors of the 130 nm node, none in particular"

PARAMETERS = (
    Parameter("gate_V", "V", 2.5, (-1.0, 6.0), "voltage of the gate, where a pulse does not say another", TYPICAL),
    Parameter("vth_t", "V", 0.5, (-0.5, 2.0), "threshold voltage of the access transistor", TYPICAL),
    Parameter("slope_t", "1", 1.3, (1.0, 2.0), "slope factor n of the access transistor", TYPICAL),
    Parameter("beta_t", "A/V^2", 5e-4, (1e-6, 1e-1), "transconductance factor µ·C_ox·W/L", TYPICAL, "log"),
)
GATE = PARAMETERS[0].name
gate, threshold, slope, beta = (symbol(p.name) for p in PARAMETERS)


def log_plus(x: sp.Expr) -> sp.Expr:
    """Return ln(1 + e^x) so that neither it nor its slope overflows or loses digits where it is small.

    With y = -|x|, ln(1 + e^y) = 2·artanh(e^y/(2 + e^y)). An iteration of a solver may stray to any x.

    >>> [float(log_plus(sp.Float(x))) for x in (-60.0, 0.0, 60.0)]
    [8.75651076269652e-27, 0.6931471805599453, 60.0]
    """
    small = sp.exp(sp.Min(x, -x))
    return sp.Max(x, 0) + 2 * sp.atanh(small / (2 + small))


def between(specific: sp.Expr, log_forward: sp.Expr, log_reverse: sp.Expr) -> sp.Expr:
    """Return the current of a channel, I_spec·(L_f² - L_r²) with L = ln(1 + e^x) at its two ends."""
    return specific * (log_forward - log_reverse) * (log_forward + log_reverse)


def _access() -> sp.Expr:
    """Return the current of the transistor at the voltages of all and of the cell in front of it."""
    thermal_V = BOLTZMANN_EV * AMBIENT
    pinch_off = (gate - threshold) / slope
    far, inner = sp.Max(-APPLIED, 0), sp.Max(APPLIED, 0) - CELL
    return between(
        2 * slope * beta * thermal_V**2,
        log_plus((pinch_off - far) / (2 * thermal_V)),
        log_plus((pinch_off - inner) / (2 * thermal_V)),
    )


@functools.cache
def in_series(model: DeviceModel) -> DeviceModel:
    """Return a device model in series with an access transistor, of which `gate_V` is the voltage of the gate.

    Parameters
    ----------
    model : DeviceModel
        Of two terminals that conduct.

    Returns
    -------
    DeviceModel
        Named `<model>_1t1r`, with the parameters of the transistor after those of the model. Sweeps lose their
        compliance: the transistor limits the current.

    Raises
    ------
    BadInput
        "… cannot stand in series with an access transistor …": a model with a charge, a drain, units or a transistor.

    Examples
    --------
    >>> from nvmphys.devices import device
    >>> device("rram_gap_1t1r") is in_series(device("rram_gap"))
    True
    """
    if model.charge != 0 or model.drain is not None or model.units is not None or model.access is not None:
        raise BadInput(
            f"{model.name} cannot stand in series with an access transistor: that takes a model of two terminals that "
            "conduct, without units or a transistor of its own"
        )
    experiments: dict[str, dict[str, Any]] = {name: dict(given) for name, given in model.experiments.items()}
    for given in experiments.values():
        for limit in ("compliance_A", "negative_compliance_A"):
            given.pop(limit, None)
    return replace(
        model,
        name=f"{model.name}{SUFFIX}",
        title=f"{model.title}, in series with an access transistor",
        parameters=(*model.parameters, *PARAMETERS),
        access=Access(_access(), GATE),
        closed_form=None,
        experiments=experiments,
        references=(
            *model.references,
            "Enz, Krummenacher and Vittoz, Analog Integr. Circuits Signal Process. 8, 83 (1995)",
        ),
        limits=(
            *model.limits,
            "a long channel without output conductance or heat; mobility and threshold are those of any temperature",
            "the lower of the two terminals is at the bulk's voltage",
        ),
    )


def _ends(
    gate_V: ArrayLike, drain_V: ArrayLike, source_V: ArrayLike, threshold_V: ArrayLike, slope: ArrayLike,
    temperature_K: ArrayLike,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Return kT/q [V] and how far source and drain lie below pinch-off, over twice that."""
    thermal = BOLTZMANN_EV * np.asarray(temperature_K, dtype=float)
    pinch_off = (np.asarray(gate_V, dtype=float) - threshold_V) / np.asarray(slope, dtype=float)
    return thermal, (pinch_off - source_V) / (2 * thermal), (pinch_off - drain_V) / (2 * thermal)


def channel_current(
    gate_V: ArrayLike, drain_V: ArrayLike, source_V: ArrayLike, *, threshold_V: ArrayLike, slope: ArrayLike,
    beta: ArrayLike, temperature_K: ArrayLike = ROOM_K,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """Return the current from drain to source and its derivatives, I = 2n·β·u_T²·(F(V_P - V_S) - F(V_P - V_D)).

    Parameters
    ----------
    gate_V, drain_V, source_V : array_like
        Voltages against the bulk [V]; all arguments are broadcast against one another.
    threshold_V, slope, beta : array_like
        Threshold voltage [V], slope factor [1] and transconductance factor [A/V²].
    temperature_K : array_like, optional

    Returns
    -------
    current, by_gate, by_drain, by_source : ndarray
        The current [A] and its derivatives [S].

    Examples
    --------
    >>> cell = {"threshold_V": 0.5, "slope": 1.3, "beta": 5e-4}
    >>> current, by_gate, by_drain, by_source = channel_current(1.2, 0.05, 0.0, **cell)
    >>> print(f"{current:.4g} A, {by_drain:.4g} S; swapped {channel_current(1.2, 0.0, 0.05, **cell)[0]:.4g} A")
    1.669e-05 A, 0.0003175 S; swapped -1.669e-05 A
    """
    thermal, forward, reverse = _ends(gate_V, drain_V, source_V, threshold_V, slope, temperature_K)
    specific = 2 * np.asarray(slope) * np.asarray(beta) * thermal**2
    log_f, log_r = np.logaddexp(0.0, forward), np.logaddexp(0.0, reverse)
    # d ln(1 + e^x)/dx = -expm1(-ln(1 + e^x)), exact where it is small
    by_source = specific * log_f * np.expm1(-log_f) / thermal
    by_drain = -specific * log_r * np.expm1(-log_r) / thermal
    by_gate = -(by_source + by_drain) / np.asarray(slope)
    return specific * (log_f - log_r) * (log_f + log_r), by_gate, by_drain, by_source


def saturation_current(
    gate_V: ArrayLike, source_V: ArrayLike = 0.0, *, threshold_V: ArrayLike, slope: ArrayLike, beta: ArrayLike,
    temperature_K: ArrayLike = ROOM_K,
) -> Array:  # fmt: skip
    """Return the largest current of a channel [A], I_spec·F(V_P - V_S); arguments as of `channel_current`.

    >>> print(f"{saturation_current(1.2, threshold_V=0.5, slope=1.3, beta=5e-4):.4g} A")
    9.423e-05 A
    """
    thermal, forward, _ = _ends(gate_V, source_V, source_V, threshold_V, slope, temperature_K)
    return np.asarray(2 * np.asarray(slope) * np.asarray(beta) * thermal**2 * np.logaddexp(0.0, forward) ** 2)


def drain_voltage(
    current_A: ArrayLike, gate_V: ArrayLike, source_V: ArrayLike = 0.0, *, threshold_V: ArrayLike, slope: ArrayLike,
    beta: ArrayLike, temperature_K: ArrayLike = ROOM_K,
) -> Array:  # fmt: skip
    """Return the voltage of the drain at a current [V], infinite from the saturation current on.

    V_D = V_P - 2u_T·ln(e^√i_r - 1) at i_r = F(V_P - V_S) - I/I_spec; arguments as of `channel_current`. The digits of
    i_r are lost as the current nears saturation.

    >>> cell = {"threshold_V": 0.5, "slope": 1.3, "beta": 5e-4}
    >>> print(f"{drain_voltage(1.6687e-5, 1.2, **cell):.4f} V, {drain_voltage(1e-4, 1.2, **cell)} V")
    0.0500 V, inf V
    """
    thermal, forward, _ = _ends(gate_V, source_V, source_V, threshold_V, slope, temperature_K)
    specific = 2 * np.asarray(slope) * np.asarray(beta) * thermal**2
    left = np.logaddexp(0.0, forward) ** 2 - np.asarray(current_A) / specific
    root = np.sqrt(np.maximum(left, 0.0))
    with np.errstate(divide="ignore"):
        reverse = root + np.log(-np.expm1(-root))
    return np.asarray(source_V + 2 * thermal * (forward - reverse))
