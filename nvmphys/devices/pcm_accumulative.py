"""Phase-change cell under identical SET pulses: accumulation of conductance by the published law, drift by relaxation.

A pulse of the nominal width changes the programmed conductance G and the memory m of the last RESET by

    m ← m·exp(-1/fade),   G ← G + (a + b·G + c·m) + (a' + b'·G + c'·m)·ξ,   ξ standard normal, one number a pulse

(Nandakumar et al., J. Appl. Phys. 124, 152135 (2018)). Here the cell follows the linear flow whose map over a `width`
this is, so half a pulse is half a step and two halves make a whole. Between pulses the amorphous phase relaxes
collectively,

    dΣ/dt = -ν0·exp(-E_s(1 - Σ)/kT),   conductance ∝ exp(-(E_c - α·Σ)/kT),   α = ν·E_s

(Le Gallo et al., Adv. Electron. Mater. 4, 1700627 (2018)): at one temperature Σ(t) = -(kT/E_s)·ln((t + τ0)/τ1), so the
conductance falls as t^-ν for t ≫ τ0, and a rise of temperature speeds the relaxation up. A pulse sets Σ back.
"""

from __future__ import annotations

import sympy as sp
from scipy.constants import physical_constants

from nvmphys.devices.model import TEMPERATURE, VOLTAGE, DeviceModel, State, ramp, soft_step, symbol
from nvmphys.devices.noise import PCM_NOISE
from nvmphys.parameters import Parameter

BOLTZMANN_EV = physical_constants["Boltzmann constant in eV/K"][0]
NAME = "pcm_accumulative"
PORT = "Nandakumar et al., J. Appl. Phys. 124, 152135 (2018), as in its public implementation"
OURS = "choice of this form"
MICRO = 1e-6

PARAMETERS = (
    Parameter("mean_a", "S", 0.880e-6, (0.0, 1e-4), "step's mean at G = 0 and no memory", PORT),
    Parameter("mean_b", "1", -0.084, (-0.9, 0.5), "step's mean by conductance", PORT),
    Parameter("mean_c", "S", 1.40e-6, (0.0, 1e-4), "step's mean by memory", PORT),
    Parameter("sd_a", "S", 0.260e-6, (0.0, 1e-4), "step's σ at G = 0 and no memory", PORT),
    Parameter("sd_b", "1", 0.091, (0.0, 0.5), "step's σ by conductance", PORT),
    Parameter("sd_c", "S", 2.15e-6, (0.0, 1e-4), "step's σ by memory", PORT),
    Parameter("fade", "1", 2.6, (0.1, 100.0), "pulses over which the memory falls to 1/e", PORT),
    Parameter("glow", "S", 0.1e-6, (0.0, 1e-4), "lowest conductance", PORT),
    Parameter("ghigh", "S", 20e-6, (1e-7, 1e-3), "highest conductance", PORT),
    Parameter("width", "s", 50e-9, (1e-9, 1e-3), "width of a nominal SET pulse", scale="log"),
    Parameter("von", "V", 1.0, (0.2, 5.0), "voltage above which a pulse counts as SET"),
    Parameter("dv", "V", 0.02, (1e-3, 0.1), "voltage over which it sets in", OURS),
    Parameter("nu", "1", 0.04, (0.0, 0.2), "drift exponent", PORT),
    Parameter("tref", "s", 38.6, (1e-6, 1e6), "time after a pulse at which the programmed conductance is read", PORT),
    Parameter("tread", "K", 300.0, (200.0, 500.0), "temperature at which it is read", OURS),
    Parameter("Es", "eV", 3.0, (0.5, 6.0), "activation energy of relaxation at Σ = 0"),
    Parameter("rate", "1/s", 1e13, (1e8, 1e16), "attempt frequency ν0 of relaxation", scale="log"),
    Parameter("sig_rest", "1", 0.82, (0.1, 1.0), "Σ just after a pulse"),
    Parameter("Ec", "eV", 0.3, (0.0, 1.0), "activation energy of conduction at Σ = 0"),
    Parameter("xi", "1", 0.0, (-9.0, 9.0), "number drawn for each pulse; 0 is the mean path", OURS),
)

(
    mean_a, mean_b, mean_c, sd_a, sd_b, sd_c, fade, glow, ghigh, width, von, dv, nu, tref, tread, Es, rate, sig_rest,
    Ec, xi,
) = (symbol(p.name) for p in PARAMETERS)  # fmt: skip

G = State("g", "programmed conductance", "S", MICRO, glow / MICRO, ghigh / MICRO, glow / MICRO)
MEMORY = State("m", "memory of the last RESET", "1", 1.0, sp.Integer(0), sp.Integer(1), sp.Integer(1))
SIGMA = State("sig", "state of relaxation Σ", "1", 1.0, sp.Integer(0), sp.Integer(1), sig_rest)
g, m, sig = G.symbol, MEMORY.symbol, SIGMA.symbol
HAIR = 1e-8
EDGE = 1e-3
"""Conductance over which the flow stops at its ends [µS]."""


def relaxation_rate(sigma: sp.Expr, energy: sp.Expr, attempt: sp.Expr, temperature: sp.Expr) -> sp.Expr:
    """Return -dΣ/dt [1/s] of collective relaxation, from Σ, E_s [eV], ν0 [1/s] and the temperature [K]."""
    return attempt * sp.exp(-energy * (1 - sigma) / (BOLTZMANN_EV * temperature))


on = soft_step((VOLTAGE - von) / dv)


def _growth(ratio: sp.Expr) -> sp.Expr:
    """Return ln(ratio)/(ratio - 1), what turns a map's factor into its flow's rate, for a ratio a hair away."""
    away = ratio - 1 + HAIR  # else a ratio of 1, as of a step that does not depend on G, were 0/0
    return sp.log(1 + away) / away


# one pulse maps (g, m) to (keep·g + add + carry·stay·m, stay·m); its flow has the logarithm of that matrix
keep, stay = 1 + mean_b + sd_b * xi, sp.exp(-1 / fade)
add, carry = (mean_a + sd_a * xi) / MICRO, (mean_c + sd_c * xi) / MICRO
flow = (sp.log(keep) * g + add * _growth(keep) + carry * _growth(keep / stay) * m) / width
window_up, window_down = ramp((ghigh / MICRO - g) / EDGE), ramp((g - glow / MICRO) / EDGE)
growth = on * (sp.Max(flow, 0) * window_up + sp.Min(flow, 0) * window_down)

thermal_energy = BOLTZMANN_EV * TEMPERATURE
reference_energy = BOLTZMANN_EV * tread
# ln(t + τ0) - ln(τ1) at tref and tread, with the exponentials written so that none overflows
log_tau1 = sp.log(reference_energy / (rate * Es)) + Es / reference_energy
log_tau0 = log_tau1 - sig_rest * Es / reference_energy
sig_reference = -reference_energy / Es * (sp.log(tref + sp.exp(log_tau0)) - log_tau1)
relaxed = nu * Es * (sig - sig_reference) / thermal_energy
heated = (Ec - nu * Es * sig_reference) * (1 / thermal_energy - 1 / reference_energy)
conductance = g * MICRO * sp.exp(relaxed - heated)

MODEL = DeviceModel(
    name=NAME,
    technology="pcm",
    title="Phase-change cell, accumulative SET and collective relaxation",
    parameters=PARAMETERS,
    states=(G, MEMORY, SIGMA),
    current=conductance * VOLTAGE,
    state_rate=(
        growth,
        -on * m / (fade * width),
        -(1 - on) * relaxation_rate(sig, Es, rate, TEMPERATURE) + on * (sig_rest - sig) * 10 / width,
    ),
    drawn_per_pulse="xi",
    noise=PCM_NOISE,
    known=("width", "tref", "tread"),
    experiments={
        "pulse_train": {"amplitude_V": 2.0, "width_s": 50e-9, "n_pulses": 20, "rest_s": 38.6, "read_V": 0.2},
        "write_verify": {
            "target_S": (5e-6, 10e-6),
            "window_of_target": 0.1,
            "set_V": (2.0, 0.0, 2.0),
            "set_width_s": 50e-9,
            "max_pulses": 40,
            "rest_s": 38.6,
            "read_V": 0.2,
        },
        "retention": {"duration_s": 1e6, "temperature_K": (300.0,), "read_V": 0.2},
        "read_noise": {"read_V": 0.2, "rest_s": 38.6, "start": {"g": 10.0}},
    },
    validity={"voltage_V": (-0.5, 3.0), "temperature_K": (250.0, 400.0)},
    references=(
        "Nandakumar et al., J. Appl. Phys. 124, 152135 (2018), doi 10.1063/1.5042408",
        "Le Gallo et al., Adv. Electron. Mater. 4, 1700627 (2018), doi 10.1002/aelm.201700627",
    ),
    limits=(
        "the published law knows one pulse, of one current and width: amplitude above the threshold changes nothing",
        "no RESET: cells start from it; no threshold switching, so the current during a pulse is not a real cell's",
        "activation energies and attempt frequency of relaxation and conduction were not read in a text",
        "drift exponent and temperature dependence are those of all levels alike",
    ),
)
