"""Ferroelectric capacitor with Preisach hysteresis, as play operators: fast, with memory of its turning points.

Each of K plays follows the field E at a distance of at most r_k, its half-width:

    τ·dp_k/dt = (E - r_k - p_k)⁺ - (p_k - E - r_k)⁺,     P = P_s·mean_k tanh(p_k/(2δ)),   Q = area·(P + ε0·ε_r·E),

with half-widths r_k = E_c·(1 + spread·(2k - 1 - K)/K), k = 1 … K. A cycle of the field between two values leaves every
play where it was, so minor loops close and a larger excursion wipes out what smaller ones left (return-point memory),
for E slow against τ. The saturated loop crosses P = 0 at ±E_c exactly. A sum over plays is a Preisach operator
(Brokate, Rend. Sem. Mat. Univ. Padova 83, 153 (1990)); published compact models scale a tanh branch between
turning points kept in a list instead (Jiang et al., VLSI 1997; Ni et al., VLSI 2018), which no node of a
circuit can hold.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp
from scipy.constants import epsilon_0

from nvmphys.devices import fe_plays_mean
from nvmphys.devices.capacitor import Switching
from nvmphys.devices.fe_plays_mean import PLAYS
from nvmphys.devices.model import VOLTAGE, Array, DeviceModel, Segments, State, symbol
from nvmphys.parameters import Parameter

NAME = "fe_preisach"
MV_PER_CM = 1e8
"""Field of a state of 1 [V/m]."""
CORNER = 1e-3
"""Field over which a play sets in, in units of `MV_PER_CM`; below it the play stands exactly still."""
OURS = "choice of this form"

PARAMETERS = (
    Parameter("Ps", "C/m^2", 0.412, (0.01, 1.0), "saturated polarization"),
    Parameter("Ec", "V/m", 1.105e8, (1e7, 5e8), "coercive field"),
    Parameter("delta", "V/m", 0.75e8, (5e6, 5e8), "width of switching in field", OURS, "log"),
    Parameter("spread", "1", 0.9, (0.0, 1.0), "spread of half-widths around Ec, as share of it", OURS),
    Parameter("eps", "1", 30.0, (1.0, 100.0), "relative permittivity without switching"),
    Parameter("tfe", "m", 10e-9, (2e-9, 100e-9), "thickness"),
    Parameter("area", "m^2", 1e-10, (1e-16, 1e-6), "area", OURS, "log"),
    Parameter("tau", "s", 1e-9, (1e-12, 1e-3), "response time of a play", OURS, "log"),
)

FITTED = ("Ps", "Ec", "delta", "spread")
"""What a fit of pulses fits where nobody says; of a current or a loop the permittivity too."""
Ps, Ec, delta, spread, eps, tfe, area, tau = (symbol(p.name) for p in PARAMETERS)
STATES = tuple(
    State(f"p{k}", f"field of play {k}", "V/m", MV_PER_CM, sp.Integer(-50), sp.Integer(50), sp.Integer(0))
    for k in range(1, PLAYS + 1)
)
field = VOLTAGE / tfe / MV_PER_CM


def _half_width(k: int, coercive: sp.Expr | Array, share: sp.Expr | Array) -> sp.Expr | Array:
    """Return the half-width of a play (1 … K), in the unit of the coercive field."""
    return coercive * (1 + share * (2 * k - 1 - PLAYS) / PLAYS)


def _beyond(x: sp.Expr) -> sp.Expr:
    """Return x above a corner, exactly 0 below 0, with a continuous slope between."""
    inside = sp.Min(sp.Max(x, 0), CORNER)
    return inside**2 / (2 * CORNER) + sp.Max(x - CORNER, 0)


def _rate(k: int, p: sp.Symbol) -> sp.Expr:
    half = _half_width(k, Ec / MV_PER_CM, spread)
    return (_beyond(field - half - p) - _beyond(p - field - half)) / tau


def states_at_knots(values: Mapping[str, Array], start: Array, segments: Segments) -> Array:
    """Return the plays (knot, row, play) at the ends of all segments for a field slow against τ."""
    half = np.stack([_half_width(k, values["Ec"], values["spread"]) for k in range(1, PLAYS + 1)], axis=-1) / MV_PER_CM
    out = np.empty((segments.duration_s.size, *start.shape))
    at = start
    for k, voltage in enumerate(segments.end_V):
        applied = (voltage / values["tfe"] / MV_PER_CM)[:, np.newaxis]
        jump = (segments.start_V[k] / values["tfe"] / MV_PER_CM)[:, np.newaxis]
        at = np.clip(np.clip(at, jump - half, jump + half), applied - half, applied + half)
        out[k] = at
    return out


MODEL = DeviceModel(
    name=NAME,
    technology="fefet",
    title="Ferroelectric capacitor, Preisach hysteresis by play operators",
    parameters=PARAMETERS,
    states=STATES,
    current=sp.Integer(0),
    charge=area
    * (Ps * sum(sp.tanh(p.symbol * MV_PER_CM / (2 * delta)) for p in STATES) / PLAYS + epsilon_0 * eps * VOLTAGE / tfe),
    state_rate=tuple(_rate(k, state.symbol) for k, state in enumerate(STATES, start=1)),
    closed_form=states_at_knots,
    known=("tfe", "area"),
    switching=Switching(
        "Ps",
        fe_plays_mean.SLOPES,
        lambda values, volts, widths, edge_s: fe_plays_mean.after_pulses(values, volts),
        lambda values, volts, durations, start: fe_plays_mean.along(values, volts, start),
        spread="spread",
    ),
    fitted={"pulse": FITTED, "pund": (*FITTED, "eps"), "pv_loop": (*FITTED, "eps")},
    experiments={
        "pv_loop": {"amplitude_V": 3.5, "frequency_Hz": 1e4},
        "pund": {"amplitude_V": 3.5, "width_s": 1e-5, "edge_s": 1e-6, "rest_s": 1e-5},
    },
    validity={"voltage_V": (-5.0, 5.0), "temperature_K": (280.0, 320.0)},
    references=(
        "Brokate, Rend. Sem. Mat. Univ. Padova 83, 153 (1990): Preisach operators as sums over plays",
        "Jiang et al., VLSI 1997; Ni et al., VLSI 2018: tanh branches between turning points",
    ),
    limits=(
        "rate-independent but for the response time: no switching kinetics, one frequency looks like another",
        "no temperature in it, no leakage, no depolarisation, no imprint",
        "eight plays: the slope of a minor loop has eight corners",
    ),
)
