"""Phase-change cell, electro-thermal: melting and quench, growth, nucleation, threshold switching, conduction, drift.

A heater makes T_hot = T_amb + Rth·P at one end, with the time constant Rth·Cth; from there the temperature falls evenly
to T_amb at the thickness L. What lies between the heater and u is disordered: molten where it is hotter than T_m, else
amorphous; the rest is crystalline. The front between them moves by its own temperature, inward where it is colder than
T_m (growth) and outward where it is hotter (melting):

    du/dt = -v_g(T_hot - (T_hot - T_amb)·u/L)
    v_g = v·κ(T)·(1 - exp(-ΔH/k·(1/T - 1/T_m))),   κ = 1/(1 + exp(E_g/k·(1/T - 1/T_x)))

What has molten and does not grow back while it cools is amorphous, so a quench needs no rule of its own. Within the
layer, at its mean temperature T, sites nucleate, and crystals grow from them to both sides,

    dn/dt = k_n·κ·exp(-b/(1 - T/T_m)²)·(1 - n),   du/dt = -2·(n·sites/L)·v_g(T)·u

which is Johnson, Mehl, Avrami and Kolmogorov's law in one dimension. The layer conducts by Poole and Frenkel's law;
where its field would reach F_th a share s of it switches within t_on, and what has switched is ohmic:

    I = A·exp(-(E_c - α·Σ)/kT)·sinh(q·dz·F/2kT),   V = R·I + u·((1 - s)·F(I) + s·r_on·I)

Written for the field F at a current, nothing is singular at u = 0, where the cell is the resistance R. Drift is that of
`pcm_accumulative`, collective relaxation of Σ, set back above the glass transition; nuclei are forgotten above T_m.

(Sebastian et al., Nat. Commun. 8, 1115 (2017), eq. 1: the front by its temperature; Ielmini and Zhang, J. Appl. Phys.
102, 054517 (2007): conduction; Krebs et al., Appl. Phys. Lett. 95, 082101 (2009): a threshold of the field.)
"""

from __future__ import annotations

import sympy as sp

from nvmphys.devices.model import (
    AMBIENT,
    CURRENT,
    TEMPERATURE,
    VOLTAGE,
    DeviceModel,
    State,
    Thermal,
    ramp,
    soft_step,
    symbol,
)
from nvmphys.devices.noise import PCM_NOISE
from nvmphys.devices.pcm_accumulative import BOLTZMANN_EV, relaxation_rate
from nvmphys.parameters import Parameter

NAME = "pcm_thermal"
OURS = "choice of this form"
BRANICIO = "Branicio et al., Phys. Rev. Mater. 2, 043401 (2018), Ge2Sb2Te5"
SEBASTIAN = (
    "set so that growth is fastest near 750 K, negligible up to 550 K (Sebastian et al., Nat. Commun. 8, 1115 (2017))"
)
KREBS = "Krebs et al., Appl. Phys. Lett. 95, 082101 (2009), Ge2Sb2Te5"

PARAMETERS = (
    Parameter("thick", "m", 50e-9, (10e-9, 200e-9), "thickness L over which the temperature falls to ambient"),
    Parameter("Rth", "K/W", 1.5e6, (2e5, 1e7), "thermal resistance from the hot end to the surroundings", scale="log"),
    Parameter("Cth", "J/K", 2e-15, (1e-16, 1e-13), "thermal capacitance of the hot region", scale="log"),
    Parameter("Tm", "K", 900.0, (600.0, 1200.0), "melting temperature", BRANICIO),
    Parameter("vg", "m/s", 2.5, (1e-3, 100.0), "velocity scale of the front", SEBASTIAN, "log"),
    Parameter("Eg", "eV", 2.6, (0.5, 4.0), "activation energy of growth and nucleation, cold"),
    Parameter("Tx", "K", 720.0, (400.0, 900.0), "temperature above which atoms need no activation", SEBASTIAN),
    Parameter("dH", "eV", 0.11, (0.02, 0.5), "heat of fusion an atom"),
    Parameter("kn", "1/s", 1e8, (1e2, 1e12), "rate scale at which a site nucleates", scale="log"),
    Parameter("bn", "1", 0.03, (1e-3, 1.0), "barrier of nucleation over kT, times (1 - T/T_m)²", scale="log"),
    Parameter("sites", "1", 5.0, (0.0, 100.0), "sites of nucleation in the thickness L"),
    Parameter("Rset", "ohm", 8e3, (500.0, 1e5), "resistance without a disordered layer, heater and all", scale="log"),
    Parameter("ron", "ohm/m", 4e10, (1e9, 1e12), "resistance of the switched layer a thickness", scale="log"),
    Parameter("Apf", "A", 1e-3, (1e-7, 1.0), "current scale of the amorphous layer", scale="log"),
    Parameter("Ec", "eV", 0.5, (0.1, 0.8), "activation energy of conduction at Σ = 0"),
    Parameter("alpha", "eV", 0.3, (0.0, 0.6), "by how much Σ = 1 lowers it; over E_s it is the drift exponent"),
    Parameter("dz", "m", 5e-9, (1e-9, 2e-8), "distance between traps"),
    Parameter("Fth", "V/m", 56e6, (5e6, 2e8), "field of threshold switching", KREBS),
    Parameter("dF", "1", 0.02, (0.005, 0.1), "share of Fth over which it sets in", OURS),
    Parameter("ton", "s", 1e-9, (1e-10, 1e-7), "time constant of threshold switching, on and off", scale="log"),
    Parameter("Es", "eV", 3.0, (0.5, 6.0), "activation energy of relaxation at Σ = 0"),
    Parameter("rate", "1/s", 1e13, (1e8, 1e16), "attempt frequency ν0 of relaxation", scale="log"),
    Parameter("sig_rest", "1", 0.82, (0.1, 1.0), "Σ just after a quench"),
    Parameter("Tg", "K", 428.0, (350.0, 600.0), "glass transition temperature", BRANICIO),
    Parameter(
        "tq", "s", 1e-9, (1e-10, 1e-7), "time constant of forgetting nuclei in a melt, Σ in a liquid", OURS, "log"
    ),
    Parameter("ust", "1", 0.5, (0.0, 1.0), "share of L that is amorphous at the start", OURS),
    Parameter("du", "1", 0.005, (1e-3, 0.05), "share of L over which growth ends at u = 0", OURS),
)

(
    thick, Rth, Cth, Tm, vg, Eg, Tx, dH, kn, bn, sites, Rset, ron, Apf, Ec, alpha, dz, Fth, dF, ton, Es, rate, sig_rest,
    Tg, tq, ust, du,
) = (symbol(p.name) for p in PARAMETERS)  # fmt: skip

LAYER = State("ua", "disordered share of the thickness L", "1", 1.0, sp.Integer(0), sp.Integer(1), ust)
NUCLEATED = State("nuc", "share of sites that have nucleated", "1", 1.0, sp.Integer(0), sp.Integer(1), sp.Integer(0))
ON = State("s", "share of the layer that has switched", "1", 1.0, sp.Integer(0), sp.Integer(1), sp.Integer(0))
SIGMA = State("sig", "state of relaxation Σ", "1", 1.0, sp.Integer(0), sp.Integer(1), sig_rest)
u, n, s, sig = LAYER.symbol, NUCLEATED.symbol, ON.symbol, SIGMA.symbol
EDGE = 1e-2
"""Σ over which relaxation ends at 0."""
GLASS_K, MELT_K = 40.0, 10.0
"""Temperature over which glass becomes a liquid, and a solid a melt, in what is forgotten [K]."""
HAIR = 1e-3
"""Share of T_m below which nucleation no longer counts how close to it the temperature is."""

hotter = sp.Max(TEMPERATURE - AMBIENT, 0)  # a solver that strays below 0 K would find a current of the other sign there
at_front = AMBIENT + hotter * (1 - u)
in_layer = AMBIENT + hotter * (1 - u / 2)


def mobility(temperature: sp.Expr) -> sp.Expr:
    """Return κ, the share of the highest rate at which atoms rearrange at a temperature [K]."""
    return 1 / (1 + sp.exp(Eg / BOLTZMANN_EV * (1 / temperature - 1 / Tx)))


def growth(temperature: sp.Expr) -> sp.Expr:
    """Return the velocity v_g at which a crystal grows [m/s], below 0 where it melts, at a temperature [K]."""
    return vg * mobility(temperature) * (1 - sp.exp(dH / BOLTZMANN_EV * (1 / Tm - 1 / temperature)))


def above(threshold: sp.Expr, span: float) -> sp.Expr:
    """Return 0 where the layer is colder than a temperature [K] and 1 where it is a span hotter, smoothly between."""
    share = ramp((in_layer - threshold) / span)
    return share**2 * (3 - 2 * share)


molten, liquid = above(Tm, MELT_K), above(Tg, GLASS_K)


front = growth(at_front) / thick
shrinking = sp.Max(front, 0) + 2 * n * sites * sp.Max(growth(in_layer), 0) / thick * u
undercooling = sp.Max(1 - in_layer / Tm, HAIR)
nucleation = kn * mobility(in_layer) * sp.exp(-bn / undercooling**2)

thermal_energy = BOLTZMANN_EV * in_layer
barrier = sp.exp((Ec - alpha * sig) / thermal_energy)
scale_F = 2 * thermal_energy / dz
current = VOLTAGE / Rset


def field(through: sp.Expr) -> sp.Expr:
    """Return the field [V/m] at which the layer, not switched, carries a current [A]."""
    return scale_F * sp.asinh(through * barrier / Apf)


drop = sp.Max(u, 0) * thick * ((1 - s) * field(CURRENT) + s * ron * CURRENT)
triggered = soft_step(((field(current) / Fth) ** 2 - 1) / (2 * dF))

MODEL = DeviceModel(
    name=NAME,
    technology="pcm",
    title="Phase-change cell, electro-thermal",
    parameters=PARAMETERS,
    states=(LAYER, NUCLEATED, ON, SIGMA),
    current=current,
    state_rate=(
        -sp.Min(front, 0) - shrinking * sp.tanh(u / du),
        nucleation * (1 - n) - molten * n / tq,
        (triggered - s) / ton,
        liquid * (sig_rest - sig) / tq - (1 - liquid) * relaxation_rate(sig, Es, rate, in_layer) * sp.tanh(sig / EDGE),
    ),
    drop=drop,
    thermal=Thermal("Rth", "Cth", CURRENT * (VOLTAGE + drop)),
    noise=PCM_NOISE,
    known=("thick",),
    experiments={
        "sweep": {"positive_V": 1.8, "negative_V": -1.8, "ramp_rate_V_per_s": 2e6},
        "pulse": {
            "amplitude_V": (1.2, 1.5, 1.7, 1.8, 1.9, 2.0, 2.2, 2.5),
            "width_s": (3e-8, 1e-7, 3e-7, 1e-6),
            "edge_s": 2e-9,
            "rest_s": 1e-6,
            "read_V": 0.1,
        },
        "pulse_train": {"amplitude_V": 2.0, "width_s": 1e-8, "n_pulses": 20, "rest_s": 1e-6, "read_V": 0.1},
        "ispp": {
            "start_V": 1.6,
            "step_V": 0.02,
            "stop_V": 2.0,
            "width_s": 2e-8,
            "rest_s": 1e-6,
            "target_S": 2e-5,
            "read_V": 0.1,
        },
        "write_verify": {
            "target_S": (5e-7, 1e-6),
            "set_V": (1.5, 0.01, 1.85),
            "set_width_s": 3e-8,
            "reset_V": (1.8, 0.01, 2.5),
            "reset_width_s": 3e-8,
            "rest_s": 1e-6,
            "read_V": 0.1,
        },
        "retention": {"duration_s": 1e6, "temperature_K": (300.0,), "read_V": 0.1},
        "read_noise": {"read_V": 0.1, "start": {"ua": 0.05}},
    },
    validity={"voltage_V": (-3.0, 3.0), "temperature_K": (250.0, 420.0)},
    references=(
        "Sebastian et al., Nat. Commun. 8, 1115 (2017), doi 10.1038/s41467-017-01481-9",
        "Ielmini and Zhang, J. Appl. Phys. 102, 054517 (2007), doi 10.1063/1.2773688",
        "Krebs et al., Appl. Phys. Lett. 95, 082101 (2009), doi 10.1063/1.3210792",
        "Branicio et al., Phys. Rev. Mater. 2, 043401 (2018)",
        "Le Gallo et al., Adv. Electron. Mater. 4, 1700627 (2018), doi 10.1002/aelm.201700627",
    ),
    limits=(
        "one dimension: no crystalline path beside a thin amorphous layer, so resistance rises steeply where it melts",
        "heat enters at one end and the temperature falls evenly, whatever is amorphous; no latent heat",
        "the crystal's and the heater's resistance know neither temperature nor voltage",
        "a switched layer holds down to the current of its threshold field; measured holding currents are higher",
        "no delay of switching besides t_on, no wear: all cycles are alike",
        "nuclei are counted on average and at one temperature, that of the middle of the layer",
        "read in a text: melting and glass temperature, threshold field, window of growth; other values are typical",
    ),
)
