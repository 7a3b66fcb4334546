"""Filamentary RRAM by the gap between filament and electrode (Stanford/PKU class), smooth throughout.

    I = I0·exp(-g/g0)·sinh(V/V0)
    dg/dt = -vgap·exp(-Ea/kT)·sinh(γ·a0·qV/(t_ox·kT))·window(g, V),   T = T_amb + |V·I|·Rth
    γ = γ0 - β·(g/1 nm)³, taken smoothly positive, and smoothly switched off where γ·|V|/t_ox < F_min

(Jiang et al., IEEE TED 2016; Chen & Yu, IEEE TED 2015; values as in public Verilog-A ports.) Published code cuts γ and
the gap hard and adds noise inside the solver; here steps are smooth, the gap stops softly at its bounds, a series
resistance is inside, and where field or heat take the barrier away the gap moves at v_max, no faster: the published law
knows no bound and reaches more than the speed of light within its parameters' bounds.
"""

from __future__ import annotations

import sympy as sp
from scipy.constants import physical_constants

from nvmphys.devices.model import (
    TEMPERATURE,
    VOLTAGE,
    DeviceModel,
    State,
    Thermal,
    soft_abs,
    soft_positive,
    soft_step,
    symbol,
)
from nvmphys.devices.noise import RRAM_NOISE
from nvmphys.parameters import Parameter

BOLTZMANN_EV = physical_constants["Boltzmann constant in eV/K"][0]
NAME = "rram_gap"
PORTS = "public Verilog-A ports of the model (Jiang et al., IEEE TED 2016)"
OURS = "choice of this smooth form"

PARAMETERS = (
    Parameter("I0", "A", 1e-3, (1e-6, 1e-1), "current scale", PORTS, "log"),
    Parameter("g0", "m", 0.25e-9, (0.1e-9, 0.6e-9), "gap over which the current falls to 1/e", PORTS),
    Parameter("V0", "V", 0.25, (0.05, 1.0), "voltage scale of the current", PORTS),
    Parameter(
        "vgap",
        "m/s",
        10.0,
        (1e-3, 1e5),
        "velocity scale of the gap (v0)",
        PORTS,
        "log",
    ),
    Parameter("gamma0", "1", 16.0, (5.0, 30.0), "field enhancement at gap 0", PORTS),
    Parameter("beta", "1", 0.8, (0.0, 2.0), "loss of field enhancement with gap", PORTS),
    Parameter("Ea", "eV", 0.6, (0.4, 1.6), "activation energy of the gap's motion", PORTS),
    Parameter("a0", "m", 0.25e-9, (0.1e-9, 0.5e-9), "hopping distance", PORTS),
    Parameter("tox", "m", 12e-9, (3e-9, 30e-9), "thickness of the oxide", PORTS),
    Parameter("Fmin", "V/m", 1.4e9, (1e8, 3e9), "local field below which the gap does not move", PORTS),
    Parameter("Rth", "K/W", 2.1e3, (1e3, 2e7), "thermal resistance", PORTS, "log"),
    Parameter(
        "Cth", "J/K", 0.0, (0.0, 1e-12), "thermal capacitance; 0: the temperature follows the power at once", OURS
    ),
    Parameter("gmin", "m", 0.2e-9, (0.05e-9, 0.5e-9), "smallest gap", PORTS),
    Parameter("gmax", "m", 1.7e-9, (0.8e-9, 3e-9), "largest gap", PORTS),
    Parameter("Rs", "ohm", 100.0, (0.0, 5000.0), "series resistance inside the device", OURS),
    Parameter("dV", "V", 0.01, (1e-3, 0.05), "voltage over which SET turns into RESET", OURS),
    Parameter("dg", "m", 0.05e-9, (0.01e-9, 0.2e-9), "gap over which motion stops at the bounds", OURS),
    Parameter(
        "vmax",
        "m/s",
        2.5e3,
        (1.0, 1e5),
        "fastest gap: hopping distance times an attempt frequency of 1e13 Hz",
        OURS,
        "log",
    ),
    Parameter("dF", "1", 0.02, (0.005, 0.1), "share of Fmin over which motion sets in", OURS),
)

I0, g0, V0, vgap, gamma0, beta, Ea, a0, tox, Fmin, Rth, Cth, gmin, gmax, Rs, dV, dg, vmax, dF = (
    symbol(p.name) for p in PARAMETERS
)
GAP = State("g", "gap", "m", 1e-9, gmin / 1e-9, gmax / 1e-9, gmax / 1e-9)
x = GAP.symbol

current = I0 * sp.exp(-x * 1e-9 / g0) * sp.sinh(VOLTAGE / V0)
enhancement = soft_positive(gamma0 - beta * x**3, 0.5)
moving = soft_step((enhancement * soft_abs(VOLTAGE, dV) / tox / Fmin - 1) / dF)
force = enhancement * moving * a0 * VOLTAGE / (tox * BOLTZMANN_EV * TEMPERATURE)
setting = soft_step(VOLTAGE / dV)
speed = vgap * sp.exp(-Ea / (BOLTZMANN_EV * TEMPERATURE)) * sp.sinh(force)
window = setting * sp.tanh((x - gmin / 1e-9) / (dg / 1e-9)) + (1 - setting) * sp.tanh((gmax / 1e-9 - x) / (dg / 1e-9))

MODEL = DeviceModel(
    name=NAME,
    technology="rram",
    title="Filamentary RRAM, gap model",
    parameters=PARAMETERS,
    states=(GAP,),
    current=current,
    state_rate=(-vmax / 1e-9 * sp.tanh(speed / vmax) * window,),
    thermal=Thermal(resistance="Rth", capacitance="Cth"),
    series="Rs",
    noise=RRAM_NOISE,
    known=("tox",),
    experiments={
        "sweep": {"positive_V": 2.0, "negative_V": -2.4, "ramp_rate_V_per_s": 1e3, "compliance_A": 5e-4},
        "pulse": {"amplitude_V": (1.5, 1.6, 1.7, 1.8), "width_s": (1e-8, 3e-8, 1e-7, 3e-7, 1e-6), "read_V": 0.1},
        "pulse_train": {"amplitude_V": 1.55, "width_s": 5e-8, "opposite_V": -1.4, "n_pulses": 100, "read_V": 0.1},
        "ispp": {"start_V": 1.0, "step_V": 0.05, "stop_V": 2.5, "width_s": 1e-7, "target_S": 1e-4, "read_V": 0.1},
        "write_verify": {
            "target_S": (3e-5, 1e-4, 3e-4),
            "set_V": (1.2, 0.05, 2.4),
            "set_width_s": 2e-8,
            "reset_V": (-1.2, -0.05, -2.4),
            "reset_width_s": 2e-8,
            "max_pulses": 150,
            "read_V": 0.1,
        },
        "retention": {"duration_s": 1e4, "temperature_K": (300.0,), "read_V": 0.1},
        "read_noise": {"read_V": 0.1},
    },
    validity={"voltage_V": (-3.0, 3.0), "temperature_K": (250.0, 450.0)},
    references=(
        "Jiang et al., IEEE Trans. Electron Devices, 2016",
        "Chen and Yu, IEEE Trans. Electron Devices, 2015",
    ),
    limits=(
        "one filament, one state: no variability of its own",
        "with Cth = 0 heating follows the power at once: pulses shorter than a thermal time constant get too hot",
        "one DC loop does not tell v0 from Ea, nor I0 from g0 and the gap",
    ),
)
