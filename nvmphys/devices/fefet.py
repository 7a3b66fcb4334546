"""FeFET: domains of a ferroelectric, an interlayer and a transistor in series, with electrons trapped between them.

The gate voltage divides between the ferroelectric and what lies under it, of which V is the voltage (interlayer and
semiconductor, the gate voltage of the transistor itself), so that the charge per area is the same everywhere:

    V_GS = V + t_FE·E,     ε0·ε_FE·E + P_r·s̄ = Q(V) + c·P_r·s̄ + q·N_t·f

s̄ is the mean polarity of the domains, which count and flip as those of `fe_domains` do, in the field E. c is the share
of the polarization that charge trapped at the interface screens as it turns; f is the share of N_t further traps that
electrons have filled. Threshold voltages shift by -(1 - c)·P_r·s̄·t_FE/(ε0·ε_FE), so the
memory window ends at 2·(1 - c)·P_r·t_FE/(ε0·ε_FE). At V_GS = 0 the field opposes the polarization and turns it back.

The transistor is EKV's, explicit in V. With u_T = kT/q, the body factor γ, Φ = 2·u_T·ln(N_A/n_i) and x the voltage
beyond flat band,

    ψ = (√(γ²/4 + x) - γ/2)²,   v = (ψ - Φ)/u_T,   L(v) = ln(1 + e^(v/2)),   n = 1 + γ/(2√ψ) at v = 0
    Q = C_ox·(V - V_FB - x + γ√ψ + 2·u_T·g),   g = √(¼ + L²(v)) - ½
    I_D = 2n·μ·C_ox·u_T²·W/L·(L²(v) - L²(v - V_DS/u_T))

which is exact in depletion, C_ox in inversion, and falls off by Δψ = u_T·ln 10 a decade below threshold.

Traps fill from the inversion layer and empty as a spread of depths does, the shallow ones first: log-like in time,

    df/dt = k_c·n·2·u_T·g·(1 - f) - (e^(λf) - 1)·e^(-V/V_r)·e^(-(E_r/k)·(1/T - 1/300 K))/τ_r.

(Enz, Krummenacher and Vittoz, Analog Integr. Circuits Signal Process. 8, 83 (1995) for the transistor; Deng et al.,
VLSI 2020 for domains and charge balance; Toprasertpong et al., IEDM 2019: trapped carriers screen the polarization.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp
from scipy.constants import elementary_charge, epsilon_0, physical_constants
from scipy.special import ndtr, ndtri

from nvmphys.devices import fe_domains
from nvmphys.devices.fe_mean_field import states_after
from nvmphys.devices.fe_switching import Gate, LogPlus, states_at_knots
from nvmphys.devices.model import DRAIN, TEMPERATURE, VOLTAGE, Array, DeviceModel, State, Units, ramp, symbol
from nvmphys.devices.noise import FEFET_NOISE
from nvmphys.devices.transistor import between
from nvmphys.parameters import Parameter

NAME = "fefet"
CODE = "transistor set in the public code of Deng et al., VLSI 2020"
OURS = "choice of this form"
BOLTZMANN_EV = physical_constants["Boltzmann constant in eV/K"][0]
SILICON = 11.8
"""Relative permittivity, as in that code."""
ROOM_K = 300.0
"""Temperature that the time of release is given at [K]."""

PARAMETERS = (
    Parameter("Pr", "C/m^2", 0.25, (0.01, 1.0), "remanent polarization", CODE),
    Parameter("screened", "1", 0.9, (0.0, 0.99), "share of the polarization that trapped charge screens as it turns"),
    Parameter("tau0", "s", 19e-9, (1e-12, 1e-3), "switching time at infinite field", CODE, "log"),
    Parameter("alpha", "1", 3.0, (1.5, 8.0), "power of the field in the switching time", CODE),
    Parameter("beta", "1", 2.0, (0.3, 5.0), "steepness of switching in time", CODE),
    Parameter("Eam", "V/m", 2.875e8, (1e7, 1e9), "mean of the activation fields; 2.3 V across 8 nm", CODE),
    Parameter("Eas", "V/m", 0.5e8, (0.0, 5e8), "σ of the activation fields; 0.4 V across 8 nm", CODE),
    Parameter("Ea", "V/m", 2.875e8, (1e6, 1e10), "activation field of a domain: its own; the mean by default", CODE),
    Parameter("hth", "1", 0.8326, (1e-9, 1e3), "threshold h* of a domain: its own; the median by default", CODE),
    Parameter("eps", "1", 28.0, (1.0, 100.0), "relative permittivity of the ferroelectric without switching", CODE),
    Parameter("tfe", "m", 8e-9, (2e-9, 100e-9), "thickness of the ferroelectric", CODE),
    Parameter("til", "m", 1e-9, (0.2e-9, 5e-9), "thickness of the interlayer", CODE),
    Parameter("epsil", "1", 3.9, (1.0, 30.0), "relative permittivity of the interlayer", CODE),
    Parameter("Na", "m^-3", 3e23, (1e20, 1e25), "doping of the semiconductor", CODE, "log"),
    Parameter("Vfb", "V", 0.0, (-2.0, 2.0), "flat-band voltage", CODE),
    Parameter("mob", "m^2/(V s)", 5e-3, (1e-5, 0.2), "mobility in the channel", CODE, "log"),
    Parameter("wl", "1", 1.0, (1e-2, 1e3), "width over length of the channel", CODE, "log"),
    Parameter("area", "m^2", 8e-15, (1e-16, 1e-10), "area of the gate", OURS, "log"),
    Parameter("ldom", "m", 20e-9, (2e-9, 1e-6), "side of a domain: area/ldom² is how many a device has"),
    Parameter("ntrap", "m^-2", 5e16, (0.0, 1e18), "density of the traps that electrons fill"),
    Parameter("ctrap", "1/(V s)", 5e6, (1e2, 1e12), "filling of traps a volt of inversion charge", scale="log"),
    Parameter("trel", "s", 100.0, (1e-6, 1e9), "time of release, of the deepest traps at V = 0", scale="log"),
    Parameter("lrel", "1", 10.0, (0.1, 30.0), "spread of release times, from first to last a factor e^λ"),
    Parameter("Vrel", "V", 0.25, (0.1, 10.0), "voltage by which the release slows down e-fold"),
    Parameter("Erel", "eV", 0.5, (0.0, 2.0), "activation energy of the release"),
    Parameter("tflip", "s", 1e-10, (1e-12, 1e-8), "time in which a domain turns over once it flips", OURS, "log"),
)

(
    Pr, screened, tau0, alpha, beta, Eam, Eas, Ea, hth, eps, tfe, til, epsil, Na, Vfb, mob, wl, area, ldom, ntrap,
    ctrap, trel, lrel, Vrel, Erel, tflip,
) = (symbol(p.name) for p in PARAMETERS)  # fmt: skip
FILLED = State("filled", "share of the traps that is filled", "1", 1.0, sp.Integer(0), sp.Integer(1), sp.Integer(0))
ROOM = 0.1
"""How far from their ranges polarity and filled share act: beyond, an iteration of a solver has strayed."""


def near(x: sp.Expr, low: float, high: float) -> sp.Expr:
    """Return x, kept near its range."""
    return sp.Min(sp.Max(x, low - ROOM), high + ROOM)


polarity, filled = symbol("smean"), near(FILLED.symbol, 0.0, 1.0)


def log_plus(x: sp.Expr) -> sp.Expr:
    """Return ln(1 + e^x) so that it neither overflows nor loses digits where it is small.

    The argument is written once, and long; its slope holds to x = 80 (`transistor.log_plus` to any x).

    >>> [float(log_plus(sp.Float(x))) for x in (-60.0, 0.0, 60.0)]
    [8.75651076269652e-27, 0.6931471805599453, 60.0]
    """
    return 2 * sp.asinh(sp.exp(x / 2) / (2 * sp.sqrt(1 + sp.exp(-x))))


thermal_V = BOLTZMANN_EV * TEMPERATURE
"""kT/q [V]."""
log_intrinsic = sp.log(5.29e25) + sp.Float(2.54) * sp.log(TEMPERATURE / 300) - 6726 / TEMPERATURE
"""Logarithm of silicon's intrinsic density [m⁻³]: 5.29e19 cm⁻³·(T/300 K)^2.54·exp(-6726 K/T), as in the code."""
inverted_V = 2 * thermal_V * (sp.log(Na) - log_intrinsic)
"""Surface potential at threshold, Φ [V]."""
oxide = epsilon_0 * epsil / til
"""C_ox [F/m²]."""
body = sp.sqrt(2 * elementary_charge * epsilon_0 * SILICON * Na) / oxide
"""γ [V^½]."""

apart = (VOLTAGE - Vfb) / thermal_V
bent = sp.Max(apart, 0) + sp.log(1 + sp.exp(sp.Min(apart, -apart)))
beyond = thermal_V * bent
"""Voltage beyond flat band, x, over a corner of kT/q [V]."""
root = sp.sqrt(body**2 / 4 + beyond) - body / 2
"""√ψ."""
forward = (root**2 - inverted_V) / thermal_V
slope = 1 + body / (2 * sp.sqrt(inverted_V))
carried = sp.sqrt(sp.Rational(1, 4) + sp.log(1 + sp.exp(forward / 2)) ** 2) - sp.Rational(1, 2)
inversion = 2 * thermal_V * carried
"""Inversion charge over n·C_ox [V]: of a charge the digits far behind those of C_ox do not count."""

under = oxide * (VOLTAGE - Vfb - beyond + body * root + inversion)
"""Q(V) [C/m²]: what the gate mirrors of semiconductor and interlayer."""
trapped = elementary_charge * ntrap * filled
drop = tfe / (epsilon_0 * eps) * (under + trapped - (1 - screened) * Pr * polarity)
"""Voltage across the ferroelectric [V]."""
log_forward, log_reverse = log_plus(forward / 2), log_plus((forward - DRAIN / thermal_V) / 2)
drain = between(2 * slope * mob * oxide * thermal_V**2 * wl, log_forward, log_reverse)

hotter = sp.exp(-Erel / BOLTZMANN_EV * (1 / TEMPERATURE - 1 / ROOM_K))
fill_rate = (
    ctrap * slope * inversion * (1 - FILLED.symbol)
    - (sp.exp(lrel * filled) - 1) * sp.exp(-VOLTAGE / Vrel) * hotter / trel
)

field = drop / tfe
magnitude = sp.sqrt(field**2 + (fe_domains.LEAST_FIELD * Ea) ** 2)
toward_up, toward_down = (ramp(room / fe_domains.MARGIN + 1) for room in (1 - fe_domains.y, fe_domains.y))
window = (toward_up - toward_down + sp.tanh(field / (fe_domains.LEAST_FIELD * Ea)) * (toward_up + toward_down)) / 2
"""Open towards where the field turns a domain, negative downwards, shut at the end."""
count_rate = window * sp.exp(-((Ea / magnitude) ** alpha)) / (tau0 * hth)


def quantiles(values: Mapping[str, Array], uniform: Mapping[str, Array]) -> dict[str, Array]:
    """Return activation field [V/m] and threshold of domains at uniform numbers (0 … 1): normal, cut at its bounds.

    Examples
    --------
    >>> found = quantiles(MODEL.values(), {"Ea": 0.5, "hth": 0.5})
    >>> f"{found['Ea'] / 1e8:.3f} MV/cm, {found['hth']:.4f}"
    '2.875 MV/cm, 0.8326'
    """
    mean, sigma = np.asarray(values["Eam"]), np.asarray(values["Eas"])
    low, high = MODEL.parameter("Ea").bounds
    with np.errstate(divide="ignore"):
        first, last = ndtr((low - mean) / sigma), ndtr((high - mean) / sigma)
    drawn = ndtri(first + (last - first) * np.asarray(uniform["Ea"]))
    return {"Ea": mean + sigma * drawn, "hth": fe_domains.threshold(values["beta"], uniform["hth"])}


def domains_of(values: Mapping[str, float]) -> int:
    """Return how many domains a gate has.

    >>> domains_of(MODEL.values()), domains_of(MODEL.values({"area": 8e-14}))
    (20, 200)
    """
    return max(1, round(float(values["area"]) / float(values["ldom"]) ** 2))


_turned = LogPlus(forward.xreplace({bent: LogPlus(apart)}) / 2)
_digits = _turned**2 / (sp.sqrt(sp.Rational(1, 4) + _turned**2) + sp.Rational(1, 2))
"""`carried` with all its digits far below threshold: times seconds of `ctrap` what is lost there counts."""
_inside = {filled: FILLED.symbol, bent: LogPlus(apart), carried: _digits}
GATE = Gate(drop.xreplace(_inside), fill_rate.xreplace(_inside), polarity, FILLED)

MODEL = DeviceModel(
    name=NAME,
    technology="fefet",
    title="Ferroelectric field-effect transistor, nucleation-limited switching of domains and trapping",
    parameters=PARAMETERS,
    states=(fe_domains.COUNT, fe_domains.POLARITY, FILLED),
    current=sp.Integer(0),
    charge=area * (under + trapped + screened * Pr * polarity),
    drop=drop,
    drain=drain,
    state_rate=(count_rate, fe_domains.turn_rate, fill_rate),
    units=Units(
        "domain",
        ("Ea", "hth"),
        quantiles,
        domains_of,
        {"smean": near(fe_domains.s, -1.0, 1.0)},
        (FILLED.name,),
        expected=lambda values, ramps, start: states_after(GATE, values, ramps, start),
    ),
    closed_form=lambda values, start, segments: states_at_knots(GATE, values, start, segments),
    noise=FEFET_NOISE,
    known=("tfe", "til", "wl", "area"),
    fitted={
        **dict.fromkeys(("id_vg", "pulse", "pulse_train"), ("Pr", "Eam", "Eas", "tau0", "alpha", "Vfb", "Na", "mob")),
        "retention": ("Pr", "Eam", "Eas", "tau0", "alpha", "Vfb", "ntrap", "ctrap", "trel", "lrel", "Vrel", "Erel"),
    },
    experiments={
        "id_vg": {"amplitude_V": (2.5, 3.0, 3.5, 4.0), "width_s": (1e-8, 1e-7, 1e-6, 1e-5, 1e-4)},
        "pulse": {"amplitude_V": (2.5, 3.0, 3.5, 4.0), "width_s": (1e-7, 1e-6, 1e-5, 1e-4), "read_V": 1.0},
        "pulse_train": {"amplitude_V": 3.0, "width_s": 1e-6, "opposite_V": -3.0, "n_pulses": 32, "read_V": 1.0},
        "retention": {"first_s": 1e-6, "duration_s": 1e5, "points": 60, "read_V": 1.0, "start": {"y": 1.0, "s": 1.0}},
        "read_noise": {"read_V": 1.0, "start": {"y": 1.0, "s": 1.0}},
    },
    validity={"voltage_V": (-5.0, 5.0), "temperature_K": (250.0, 400.0)},
    references=(
        "Deng et al., VLSI 2020, doi 10.1109/VLSITechnology18217.2020.9265014",
        "Enz, Krummenacher and Vittoz, Analog Integr. Circuits Signal Process. 8, 83 (1995)",
        "Toprasertpong et al., IEDM 2019: trapped carriers screen the polarization",
        "Wang et al., IEEE Trans. Electron Devices 69, 1519 (2022), doi 10.1109/TED.2022.3146215: most of it screened",
    ),
    limits=(
        "with nothing screened its own field turns 25 µC/cm² back at once but for a few, in the published code too",
        "traps that screen follow the polarization at once; how much they screen is no measured number",
        "one field for all domains, none of their neighbours' own; a domain keeps its threshold from flip to flip",
        "activation fields do not depend on the temperature; no leakage, no imprint, no fatigue",
        "in inversion ψ stays at Φ, where Poisson's equation lets it creep on by 0.1 … 0.25 V, as in accumulation",
        "a long channel of constant mobility, charge of the gate taken at V_DS = 0, no series resistance",
        "all devices of a simulation have as many domains: area varied from device to device changes charge alone",
    ),
)
