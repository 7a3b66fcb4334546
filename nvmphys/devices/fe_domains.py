"""Ferroelectric capacitor of domains that switch by nucleation, each with its own activation field and threshold.

A domain counts the time it has been under an opposing field E in units of its own switching time,

    dh/dt = ±1/τ,   τ = τ0·exp((Ea/|E|)^α),

up where E opposes its polarization, down to 0 where E supports it, and flips when h reaches its threshold h*. With
h* = x^(1/β), x exponentially distributed, a constant field flips it with the probability 1 - exp(-(t/τ)^β); activation
fields follow a generalised beta distribution of the second kind with density
f(E) = a·E^(ap-1)/(b^(ap)·B(p, q)·(1 + (E/b)^a)^(p+q)). Charge Q = area·(P_r·mean(s) + ε0·ε_r·E), s = ±1.

Thresholds are drawn before a simulation, one a domain, so a path depends neither on the step nor on the solver. As
states: y = h/h* of a domain that points down, 1 - h/h* of one that points up: y rises to 1, where s turns to +1, and
falls to 0, where s turns to -1. Along straight pieces of voltage y has a closed form: with w = (Ea/E)^α,

    ∫ exp(-w) dE = E·exp(-w) - Ea·Γ(1 - 1/α, w).

(Alessandri et al., IEEE EDL 39, 1780 (2018) and IEEE TED 66, 3527 (2019); Deng et al., VLSI 2020.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp
from scipy.constants import epsilon_0
from scipy.special import betaincinv, gamma, gammaincc

from nvmphys.devices import fe_domains_mean
from nvmphys.devices.capacitor import Switching
from nvmphys.devices.model import VOLTAGE, Array, DeviceModel, Segments, State, Units, ramp, symbol
from nvmphys.parameters import Parameter

NAME = "fe_domains"
CODE = "parameter set for literature data in the public code of Deng et al., VLSI 2020"
OURS = "choice of this form"

PARAMETERS = (
    Parameter("Pr", "C/m^2", 0.227186, (0.01, 1.0), "remanent polarization", CODE),
    Parameter("tau0", "s", 446.33e-9, (1e-12, 1e-3), "switching time at infinite field", CODE, "log"),
    Parameter("alpha", "1", 4.2408, (1.5, 8.0), "power of the field in the switching time", CODE),
    Parameter("beta", "1", 1.9134, (0.3, 5.0), "steepness of switching in time", CODE),
    Parameter("gb_a", "1", 6.7582, (1.0, 30.0), "shape a of the activation fields", CODE),
    Parameter("gb_b", "V/m", 1.6686e8, (1e7, 1e9), "scale b of the activation fields", CODE, "log"),
    Parameter("gb_p", "1", 2.0998, (0.2, 10.0), "shape p of the activation fields", CODE, "log"),
    Parameter("gb_q", "1", 1.3641, (0.2, 10.0), "shape q of the activation fields", CODE, "log"),
    Parameter("Ea", "V/m", 1.804e8, (1e6, 1e10), "activation field of a domain: its own; the median by default", CODE),
    Parameter("hth", "1", 0.8257, (1e-9, 1e3), "threshold h* of a domain: its own; the median by default", CODE),
    Parameter("eps", "1", 30.0, (1.0, 100.0), "relative permittivity without switching"),
    Parameter("tfe", "m", 8.3e-9, (2e-9, 100e-9), "thickness; 8.3 nm belongs to the activation fields", CODE),
    Parameter("area", "m^2", 1e-10, (1e-16, 1e-6), "area", OURS, "log"),
    Parameter("tflip", "s", 1e-10, (1e-12, 1e-8), "time in which a domain turns over once it flips", OURS, "log"),
)

Pr, tau0, alpha, beta, gb_a, gb_b, gb_p, gb_q, Ea, hth, eps, tfe, area, tflip = (symbol(p.name) for p in PARAMETERS)
FITTED = ("Pr", "tau0", "alpha", "beta", "gb_a", "gb_b")
"""What a fit of pulses fits where nobody says; of a current or a loop the permittivity too."""
MARGIN = 1e-3
"""How far y runs past 0 and 1 before it stops: within it the domain turns over."""
LEAST_FIELD = 1e-3
"""Share of Ea around 0 over which the field's sign turns; a domain stands still there."""

COUNT = State("y", "count towards the next flip", "1", 1.0, -sp.Float(MARGIN), 1 + sp.Float(MARGIN), sp.Integer(0))
POLARITY = State("s", "polarity", "1", 1.0, sp.Integer(-1), sp.Integer(1), sp.Integer(-1))
y, s = COUNT.symbol, POLARITY.symbol

field = VOLTAGE / tfe
magnitude = sp.sqrt(field**2 + (LEAST_FIELD * Ea) ** 2)
sign = field / magnitude
up, down = sp.Max(sign, 0) * ramp((1 + MARGIN - y) / MARGIN), sp.Max(-sign, 0) * ramp((y + MARGIN) / MARGIN)
count_rate = (up - down) * sp.exp(-((Ea / magnitude) ** alpha)) / (tau0 * hth)
turn_rate = ((1 - s) * ramp(2 * (y - 1) / MARGIN) - (1 + s) * ramp(-2 * y / MARGIN)) / tflip


def threshold(steepness: Array | float, uniform: Array | float) -> Array:
    """Return the threshold h* of domains at uniform numbers (0 … 1): h*^β is exponentially distributed.

    >>> round(float(threshold(2.0, 0.5)), 4)
    0.8326
    """
    return np.asarray(-np.log1p(-np.asarray(uniform))) ** (1 / np.asarray(steepness))


def quantiles(values: Mapping[str, Array], uniform: Mapping[str, Array]) -> dict[str, Array]:
    """Return activation field [V/m] and threshold of domains at uniform numbers (0 … 1).

    Examples
    --------
    >>> found = quantiles(MODEL.values(), {"Ea": 0.5, "hth": 0.5})
    >>> f"{found['Ea'] / 1e8:.3f} MV/cm, {found['hth']:.4f}"
    '1.804 MV/cm, 0.8257'
    """
    share = betaincinv(values["gb_p"], values["gb_q"], uniform["Ea"])
    return {
        "Ea": values["gb_b"] * (share / (1 - share)) ** (1 / np.asarray(values["gb_a"])),
        "hth": threshold(values["beta"], uniform["hth"]),
    }


def _times_field(at: Array, values: Mapping[str, Array]) -> Array:
    """Return ∫ exp(-(Ea/E)^α) dE from 0 to a field >= 0 [V/m]."""
    power = values["alpha"]
    with np.errstate(divide="ignore", over="ignore"):
        w = (values["Ea"] / at) ** power
        return at * np.exp(-w) - values["Ea"] * gammaincc(1 - 1 / power, w) * gamma(1 - 1 / power)


def count(values: Mapping[str, Array], start_V: float, end_V: float, duration_s: float) -> Array:
    """Return by how much h rises along a straight piece of voltage of one sign, for each domain.

    Examples
    --------
    A constant field as the limit of a slow ramp:

    >>> rows = {name: np.array([value]) for name, value in MODEL.values().items()}
    >>> bool(np.isclose(count(rows, 1.5, 1.5, 1e-6), count(rows, 1.4999, 1.5001, 1e-6), rtol=1e-6)[0])
    True
    """
    low, high = sorted((abs(start_V), abs(end_V)))
    low_E, high_E = low / values["tfe"], high / values["tfe"]
    if high - low <= 1e-6 * high:
        with np.errstate(divide="ignore", over="ignore"):
            mean = np.exp(-((values["Ea"] / (0.5 * (low_E + high_E))) ** values["alpha"]))
    else:
        mean = (_times_field(high_E, values) - _times_field(low_E, values)) / (high_E - low_E)
    return duration_s / values["tau0"] * np.maximum(mean, 0.0)  # rounding may leave less than nothing


def states_at_knots(values: Mapping[str, Array], start: Array, segments: Segments) -> Array:
    """Return y and s (knot, row, state) at the ends of all segments, in closed form, domains turning over at once."""
    out = np.empty((segments.duration_s.size, *start.shape))
    at, polarity = np.clip(start[:, 0], 0.0, 1.0), start[:, 1].copy()
    for k, span in enumerate(segments.duration_s):
        begin, end = float(segments.start_V[k]), float(segments.end_V[k])
        crossing = begin / (begin - end) if begin * end < 0 else 1.0
        pieces = [(begin, 0.0, crossing), (0.0, end, 1 - crossing)] if crossing < 1 else [(begin, end, 1.0)]
        for first, last, share in pieces:
            step = count(values, first, last, share * span) / values["hth"]
            if first + last > 0:
                at = np.minimum(at + step, 1.0)
                polarity[at == 1.0] = 1.0
            elif first + last < 0:
                at = np.maximum(at - step, 0.0)
                polarity[at == 0.0] = -1.0
        out[k, :, 0], out[k, :, 1] = at, polarity
    return out


MODEL = DeviceModel(
    name=NAME,
    technology="fefet",
    title="Ferroelectric capacitor, nucleation-limited switching of domains",
    parameters=PARAMETERS,
    states=(COUNT, POLARITY),
    current=sp.Integer(0),
    charge=area * (Pr * s + epsilon_0 * eps * field),
    state_rate=(count_rate, turn_rate),
    units=Units("domain", ("Ea", "hth"), quantiles, count=1000),
    closed_form=states_at_knots,
    known=("tfe", "area"),
    switching=Switching(
        "Pr",
        fe_domains_mean.SLOPES,
        fe_domains_mean.after_edges,
        fe_domains_mean.along,
        {"gb_p": 1.0, "gb_q": 1.0},
        ("tau0", "alpha", "beta"),
        "gb_b",
    ),
    fitted={"pulse": FITTED, "pund": (*FITTED, "eps"), "pv_loop": (*FITTED, "eps")},
    experiments={
        "pund": {"amplitude_V": 3.0, "width_s": 1e-5, "edge_s": 1e-6, "rest_s": 1e-5},
        "pv_loop": {"amplitude_V": 3.0, "frequency_Hz": 1e4},
        "pulse": {"amplitude_V": (0.8, 1.2, 1.6, 2.0), "width_s": (1e-7, 1e-6, 1e-5, 1e-4)},
    },
    validity={"voltage_V": (-4.0, 4.0), "temperature_K": (280.0, 320.0)},
    references=(
        "Alessandri et al., IEEE Electron Device Lett. 39, 1780 (2018)",
        "Alessandri et al., IEEE Trans. Electron Devices 66, 3527 (2019), doi 10.1109/TED.2019.2922268",
        "Deng et al., VLSI 2020, doi 10.1109/VLSITechnology18217.2020.9265014",
    ),
    limits=(
        "a domain keeps its threshold, so cycles are alike: the published code draws a new one at each flip",
        "a count that fell and rose again stands for itself: the published code lets it run the same risk twice",
        "no temperature in it, no leakage, no depolarisation, no imprint",
        "a few units as circuit: each domain is two nodes of its own",
    ),
)
