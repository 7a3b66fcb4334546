"""Valence-change RRAM: JART VCM v1b, vacancies in a disc before a Schottky contact, smooth throughout.

    dN/dt = -I_ion/(z·e·A·l_disc),  I_ion = z·e·A·a·ν0·(N_plug + N)/2·[exp(-ΔW-/kT) - exp(-ΔW+/kT)]·F
    ΔW∓ = ΔW_A·[√(1 - γ²) ∓ γπ/2 + γ·asin γ],  γ = z·a·E/(π·ΔW_A)
    F = 1 - (N/N_max)^10 and E = V_disc/l_disc in SET,  1 - (N_min/N)^10 and (V + V_disc + V_plug)/l_cell in RESET
    I = A·A*·T²·exp(-φ/kT)·(exp(V/kT) - 1) in RESET: thermionic emission over the contact's barrier φ
    I = -A·A*·T/k·√(π·W00·(|V| + φ/cosh² y))·exp(-φ/W0)·(exp(|V|/ε') - 1) in SET: thermionic field emission,
        y = W00/kT, W0 = W00/tanh y, ε' = W00/(y - tanh y), W00 = e·h/4π·√(z·N/(m·ε))
    φ = φ_Bn0 - [e³·z·N·ψ/(8π²·ε_φB³)]^¼, ψ = φ_Bn0 - φ_n - V, within 0 … φ_Bn0
    V_applied = V + I·(R_disc + R_plug + R_TiOx + R_0·(1 + R_0·α·I²·R_line)),  R_disc = l_disc/(z·e·N·µ·A)
    C·dT/dt = I·(V + V_disc + V_plug) - (T - T_amb)/R,  R = R_th0·(r_det/r)²·(0.27 in RESET)

(Bengel et al., IEEE TCAS-I 67, 4618 (2020); Cüppers et al., APL Materials 7, 091105 (2019); read in public ports of the
authors' Verilog-A.) V, the contact's voltage, is < 0 in SET and > 0 in RESET, as published. The state is ln N: N goes
through 3.4 decades and must stay positive whatever a solver tries.

What differs from the published code, and by how much at the published values:

- The fourth root has an infinite slope at ψ = 0. Once φ rises faster there than V does, the contact's current falls
  with its voltage, and one applied voltage has up to three currents. Here the root is rounded over a width ∝ N^⅓ such
  that φ rises no faster than V: at every N and T a voltage has one current. It is that of the published root which is
  reached from 0 V, as far as that goes: within 0.1 % in RESET up to 0.8 V and within 0.3 % up to 1.5 V (300 K).
- The corner φ = 0 is rounded within φ_Bn0/40: up to 3.1 meV in φ, 0.14 % in the current at 1e25 m^-3.
- SET turns into RESET over dV = 0.1 mV of the contact's voltage rather than at 0 V. Of the current of an empty disc
  this takes 1 % at -0.1 V, 0.3 % at -0.2 V and less beyond at 300 K; 4 % at -1 V and 1200 K.
- γ stops at 0.95, where 1 % of the barrier is left: the published law has no value beyond 1.
- Temperature has a time constant; the published one follows the power at once. That matters below 30 ns: SET at -0.8 V
  takes 6.50 µs either way, at -1.0 V 21.6 ns against 15.8 ns with 1e-20 J/K, at -1.2 V 2.5 ns against 0.15 ns. The
  capacitance is an estimate: the filament's volume times 3e6 J/(m³ K).
- Temperature starts from that of the circuit, not from 293 K.

Against the hard equations with the same heat, V_SET differs by 0.4 mV, SET is up to 3 % and RESET up to 1 % faster.
"""

from __future__ import annotations

import sympy as sp
from scipy.constants import electron_mass, elementary_charge, epsilon_0, h, physical_constants, pi

from nvmphys.devices.model import CURRENT, TEMPERATURE, VOLTAGE, DeviceModel, State, Thermal, ramp, soft_step, symbol
from nvmphys.devices.noise import RRAM_NOISE
from nvmphys.parameters import Parameter

NAME = "rram_jart"
PORTS = "public ports of the authors' Verilog-A (JART VCM v1b; Bengel et al., IEEE TCAS-I 67, 4618 (2020))"
OURS = "choice of this smooth form"

PARAMETERS = (
    Parameter("Nmax", "1/m^3", 20e26, (2e26, 100e26), "largest concentration of vacancies in the disc", PORTS, "log"),
    Parameter("Nmin", "1/m^3", 8e23, (1e23, 1e26), "smallest concentration of vacancies in the disc", PORTS, "log"),
    Parameter("Nplug", "1/m^3", 20e26, (1e26, 100e26), "concentration of vacancies in the plug", PORTS, "log"),
    Parameter("ldisc", "m", 0.4e-9, (0.1e-9, 1.5e-9), "length of the disc", PORTS),
    Parameter("lcell", "m", 3e-9, (2e-9, 5e-9), "length of disc and plug", PORTS),
    Parameter("radius", "m", 45e-9, (5e-9, 100e-9), "radius of the filament", PORTS, "log"),
    Parameter("dWA", "eV", 1.35, (0.8, 1.5), "activation energy of a vacancy's hop", PORTS),
    Parameter("hop", "m", 0.25e-9, (0.1e-9, 1e-9), "hopping distance (a)", PORTS),
    Parameter("nu0", "Hz", 2e13, (1e10, 1e14), "attempt frequency", PORTS, "log"),
    Parameter("mobility", "m^2/(V s)", 4e-6, (1e-6, 1e-5), "mobility of electrons (µ)", PORTS, "log"),
    Parameter("phiBn0", "eV", 0.18, (0.1, 0.5), "barrier of the contact without a field", PORTS),
    Parameter("phin", "eV", 0.1, (0.1, 0.3), "conduction band above the Fermi level in the oxide", PORTS),
    Parameter("eps", "1", 17.0, (10.0, 25.0), "static permittivity of the oxide", PORTS),
    Parameter("epsphiB", "1", 5.5, (3.0, 25.0), "permittivity in the lowering of the barrier", PORTS),
    Parameter("Rth0", "K/W", 15.72e6, (1e6, 20e6), "thermal resistance in SET at a radius of rdet", PORTS, "log"),
    Parameter("rdet", "m", 45e-9, (5e-9, 100e-9), "radius that Rth0 is given for", PORTS, "log"),
    Parameter("Rthreset", "1", 0.27, (0.1, 1.0), "share of the thermal resistance in RESET", PORTS),
    Parameter("Cth", "J/K", 5e-17, (1e-20, 1e-14), "thermal capacitance", scale="log"),
    Parameter("RTiOx", "ohm", 650.0, (0.0, 5000.0), "resistance of the TiOx layer", PORTS),
    Parameter("R0", "ohm", 719.2437, (100.0, 5000.0), "resistance of the lines when cold", PORTS),
    Parameter("Rthline", "K/W", 90471.47, (0.0, 1e6), "thermal resistance of the lines", PORTS),
    Parameter("alpha", "1/K", 3.92e-3, (0.0, 1e-2), "temperature coefficient of the lines", PORTS),
    Parameter("dV", "V", 1e-4, (2e-5, 5e-4), "voltage of the contact over which SET turns into RESET", OURS, "log"),
)
(
    Nmax, Nmin, Nplug, ldisc, lcell, radius, dWA, hop, nu0, mobility, phiBn0, phin, eps, epsphiB, Rth0, rdet, Rthreset,
    Cth, RTiOx, R0, Rthline, alpha, dV,
) = (symbol(p.name) for p in PARAMETERS)  # fmt: skip

BOLTZMANN_EV = physical_constants["Boltzmann constant in eV/K"][0]
RICHARDSON = 6.01e5
"""A* of the oxide [A/(m² K²)]."""
VALENCE = 2
"""Charges of a vacancy (z)."""
UNIT = 1e26
"""Concentration whose logarithm is 0 [1/m³]."""
LAST = 0.95
"""Largest γ: 1 % of the barrier is left."""
EDGE = 40
"""Share of the barrier over which its lower end is rounded, inverse."""
FAR = 8
"""Logarithm of the current over that at a barrier of 0, from which on it grows straight: e^8·0.3 mA at 300 K."""
LEAST = 1e-10
"""Voltage at which the root ends, in units of its width."""
ROUND = 0.095
"""Width of the rounded root, in units of the cube root: from 0.0909 on, the largest slope of (ln(1 + e^x))^¼ to the
power of 4/3, the barrier rises at most as fast as the voltage."""

low, high = sp.log(Nmin / UNIT), sp.log(Nmax / UNIT)
DISC = State("logn", "natural logarithm of the disc's concentration over 1e26 1/m^3", "1", 1.0, low, high, low)
x = DISC.symbol
area = pi * radius**2
kT = BOLTZMANN_EV * TEMPERATURE


def _soft_plus(argument: sp.Expr) -> sp.Expr:
    """Return ln(1 + exp(argument)), also where circuits would clip the exponential."""
    return sp.log(1 + sp.exp(sp.Min(argument, EDGE))) + sp.Max(argument - EDGE, 0)


def _tenth_power(logarithm: sp.Expr) -> sp.Expr:
    """Return exp(10·logarithm); the bound, never reached, keeps SymPy from making it (1/m³)^10, which overflows."""
    return sp.exp(10 * sp.Min(logarithm, 5))


def _straightened(argument: sp.Expr, opposed: sp.Expr) -> sp.Expr:
    """Return exp(argument), straight on where more current would flow than the lines let through at any voltage.

    `opposed` is what the barrier takes from the argument. A solver that has strayed there comes back in few iterations.
    """
    beyond = sp.Max(argument - opposed - FAR, 0)
    return sp.exp(argument - beyond) * (1 + beyond)


quarter = sp.Rational(1, 4)
cube = VALENCE * UNIT * elementary_charge**3 / (8 * pi**2 * (epsphiB * epsilon_0) ** 3)  # [V³], at N = UNIT
width = ROUND * sp.cbrt(cube)  # [V], at N = UNIT
root = (_soft_plus((phiBn0 - phin - VOLTAGE) / width * sp.exp(-x / 3)) + LEAST) ** quarter - LEAST**0.25
barrier = phiBn0 / EDGE * sp.log(1 + sp.exp(EDGE - EDGE / phiBn0 * (cube * width) ** quarter * sp.exp(x / 3) * root))

away = sp.sqrt(VOLTAGE**2 + dV**2)
share = VOLTAGE / (away + dV)  # -1 in SET, 1 in RESET, and 0 at 0 V
emission = area * RICHARDSON * TEMPERATURE**2
thermionic = emission * sp.exp(-barrier / kT) * (_straightened(VOLTAGE * (1 + share) / 2 / kT, barrier / kT) - 1)
W00 = h / (4 * pi) * sp.sqrt(VALENCE * UNIT / (electron_mass * eps * epsilon_0)) * sp.exp(x / 2)  # [eV]
bend = sp.tanh(W00 / kT)
thermionic_field = (
    emission / kT
    * sp.sqrt(pi * W00 * (away * (1 - share) / 2 + barrier * (1 - bend**2)))
    * sp.exp(-barrier * bend / W00)
    * (1 - _straightened(-VOLTAGE * (1 - share) / 2 * (1 / kT - bend / W00), phiBn0 / kT))
)  # fmt: skip

conductivity = VALENCE * elementary_charge * mobility * area * UNIT  # [S m], at N = UNIT
R_disc = ldisc / conductivity * sp.exp(-x)
R_cell = R_disc + (lcell - ldisc) * UNIT / (conductivity * Nplug)
R_lines = RTiOx + R0 * (1 + R0 * alpha * Rthline * CURRENT**2)

reset = soft_step(VOLTAGE / dV)
field = reset * (VOLTAGE + CURRENT * R_cell) / lcell + (1 - reset) * CURRENT * R_disc / ldisc
gamma = sp.Max(sp.Min(VALENCE * hop / (pi * dWA) * field, LAST), -LAST)
middle = sp.exp(-dWA / kT * (sp.sqrt(1 - gamma**2) + gamma * sp.asin(gamma)))
hops = hop * nu0 / ldisc * 2 * middle * sp.sinh(pi / 2 * dWA * gamma / kT)
onward = ramp(VOLTAGE / dV * 1000)  # a soft step would let N past its bounds where a hot cell waits near 0 V
limit = onward * (1 - _tenth_power(low - x)) + (1 - onward) * (1 - _tenth_power(x - high))

MODEL = DeviceModel(
    name=NAME,
    technology="rram",
    title="Valence-change RRAM, JART VCM v1b",
    parameters=PARAMETERS,
    states=(DISC,),
    current=thermionic + thermionic_field,
    state_rate=(-(1 + Nplug / UNIT * sp.exp(-x)) / 2 * hops * limit,),
    drop=CURRENT * (R_cell + R_lines),
    thermal=Thermal(
        resistance=Rth0 * (rdet / radius) ** 2 * (1 - (1 - Rthreset) * reset),
        capacitance="Cth",
        power=CURRENT * (VOLTAGE + CURRENT * R_cell),
    ),
    noise=RRAM_NOISE,
    known=("lcell", "rdet"),
    experiments={
        "sweep": {"positive_V": 1.4, "negative_V": -1.1, "ramp_rate_V_per_s": 10.0, "n_cycles": 2},
        "pulse": {
            "amplitude_V": (-0.7, -0.8, -0.9, -1.0),
            "width_s": (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3),
            "read_V": 0.2,
        },
        "pulse_train": {"amplitude_V": -0.75, "width_s": 2e-4, "opposite_V": 1.2, "n_pulses": 20, "read_V": 0.2},
        "ispp": {"start_V": -0.5, "step_V": -0.02, "stop_V": -1.5, "width_s": 1e-6, "target_S": 3e-4, "read_V": 0.2},
        "read_noise": {"read_V": 0.2},
    },
    validity={"voltage_V": (-2.5, 2.5), "temperature_K": (250.0, 450.0)},
    references=(
        "Bengel et al., IEEE Trans. Circuits Syst. I 67, 4618 (2020), doi 10.1109/TCSI.2020.3018502: v1b, variability",
        "Cüppers et al., APL Materials 7, 091105 (2019), doi 10.1063/1.5108654: the deterministic v1b",
        "Hardtdegen et al., IEEE Trans. Electron Devices 65, 3229 (2018), doi 10.1109/TED.2018.2849872: v1",
    ),
    limits=(
        "SET at negative, RESET at positive voltage: a cell the other way round is this one turned around",
        "the disc's concentration is the only state: no growth of the filament, no forming, no retention loss at 0 V",
        "cells differ by Nmax, Nmin, ldisc and radius; the published change of these from cycle to cycle is not in it",
        "the thermal capacitance is an estimate of the filament's volume: pulses below 30 ns depend on it",
        "with heat of its own RESET starts abruptly: the filament's resistance grows, and the cell takes more power",
        "I(V) of a read at negative voltage is not that of a read at positive voltage: the contact rectifies",
    ),
)
