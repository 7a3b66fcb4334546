"""RRAM by voltage thresholds and windows, empirical (Yakopcic's generalised model), smooth throughout: for quick fits.

    I = a·w·sinh(b·V),   a = a1 for V > 0, a2 for V < 0
    dw/dt = Ap·(e^V - e^Vp)·f_p(w) for V > Vp,   -An·(e^-V - e^Vn)·f_n(w) for V < -Vn,   0 between   (V in volts)
    f_p = exp(-αp·(w - xp))·(1 - w)/(1 - xp) for w > xp, else 1
    f_n = exp(αn·(w + xn - 1))·w/(1 - xn) for w < 1 - xn, else 1

(Yakopcic et al., IEEE EDL 32, 1436 (2011) and IEEE TCAD 32, 1201 (2013); w is their x, for η = 1; a cell that SETs at
negative voltage is this one turned around.) The windows shut at w = 0 and 1, so w cannot leave them. Here the corners
at the thresholds, at xp and at 1 - xn are rounded over dV and dx, with a continuous curvature, and a1 turns into a2
over dV. Beyond these widths the rate is the published one, and below the thresholds it is exactly 0. In triangles of
0.45 V at 100 Hz and in pulses of 0.25 V the rounding moves w by less than 1e-4 at the published values.

`limits` says what such a model cannot do. Above all it knows no kinetics over decades: at its published values SET is 7
times faster at 0.4 V than at 0.2 V, where `rram_gap` gains 11 decades between 1.2 and 1.8 V.
"""

from __future__ import annotations

import sympy as sp

from nvmphys.devices.model import VOLTAGE, DeviceModel, State, ramp, soft_step, symbol
from nvmphys.devices.noise import RRAM_NOISE
from nvmphys.parameters import Parameter

NAME = "rram_threshold"
AUTHORS = "SPICE subcircuit of the model's authors in public repositories (Yakopcic et al., IEEE EDL 32, 1436 (2011))"
OURS = "choice of this smooth form"

PARAMETERS = (
    Parameter("Vp", "V", 0.16, (0.05, 2.5), "threshold of SET", AUTHORS),
    Parameter("Vn", "V", 0.15, (0.05, 2.5), "threshold of RESET, as a positive voltage", AUTHORS),
    Parameter("Ap", "1/s", 4000.0, (1e-3, 1e9), "rate scale of SET", AUTHORS, "log"),
    Parameter("An", "1/s", 4000.0, (1e-3, 1e9), "rate scale of RESET", AUTHORS, "log"),
    Parameter("xp", "1", 0.3, (0.0, 0.95), "state above which SET slows down", AUTHORS),
    Parameter("xn", "1", 0.5, (0.0, 0.95), "1 - xn is the state below which RESET slows down", AUTHORS),
    Parameter("alphap", "1", 1.0, (0.0, 20.0), "how fast SET slows down", AUTHORS),
    Parameter("alphan", "1", 5.0, (0.0, 20.0), "how fast RESET slows down", AUTHORS),
    Parameter("a1", "A", 0.17, (1e-10, 1.0), "current scale at positive voltage", AUTHORS, "log"),
    Parameter("a2", "A", 0.17, (1e-10, 1.0), "current scale at negative voltage", AUTHORS, "log"),
    Parameter("b", "1/V", 0.05, (0.01, 5.0), "curvature of the current in voltage", AUTHORS, "log"),
    Parameter("xo", "1", 0.11, (0.0, 1.0), "state at the start", AUTHORS),
    Parameter("dV", "V", 0.005, (1e-4, 0.02), "voltage over which thresholds set in, and a1 turns into a2", OURS),
    Parameter("dx", "1", 0.01, (1e-4, 0.05), "state over which the windows set in", OURS),
)

Vp, Vn, Ap, An, xp, xn, alphap, alphan, a1, a2, b, xo, dV, dx = (symbol(p.name) for p in PARAMETERS)
STATE = State("w", "state variable, 0 RESET to 1 SET", "1", 1.0, sp.Integer(0), sp.Integer(1), xo)
w = STATE.symbol


def _beyond(x: sp.Expr, width: sp.Expr) -> sp.Expr:
    """Return x above the width, exactly 0 below minus the width, with a continuous curvature between."""
    inside = ramp((x + width) / (2 * width))
    return width * (2 - inside) * inside**3 + sp.Max(x - width, 0)


def _speed(scale: sp.Symbol, voltage: sp.Expr, threshold: sp.Symbol) -> sp.Expr:
    """Return scale·(e^voltage - e^threshold) beyond the threshold, 0 below."""
    return scale * sp.exp(threshold) * (sp.exp(_beyond(voltage - threshold, dV)) - 1)


def _window(beyond: sp.Expr, room: sp.Expr, decay: sp.Symbol) -> sp.Expr:
    """Return 1 before a point and a decay to 0 over the room beyond it."""
    rounded = _beyond(beyond, dx)
    return sp.exp(-decay * rounded) * (1 - rounded / room)


MODEL = DeviceModel(
    name=NAME,
    technology="rram",
    title="RRAM by voltage thresholds and windows, empirical",
    parameters=PARAMETERS,
    states=(STATE,),
    current=(a2 + (a1 - a2) * soft_step(VOLTAGE / dV)) * w * sp.sinh(b * VOLTAGE),
    state_rate=(
        _speed(Ap, VOLTAGE, Vp) * _window(w - xp, 1 - xp, alphap)
        - _speed(An, -VOLTAGE, Vn) * _window(1 - xn - w, 1 - xn, alphan),
    ),
    noise=RRAM_NOISE,
    experiments={
        "sweep": {"positive_V": 0.45, "negative_V": -0.45, "ramp_rate_V_per_s": 180.0},
        "pulse": {"amplitude_V": (0.2, 0.25, 0.3, 0.35, 0.4), "width_s": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2), "read_V": 0.1},
        "pulse_train": {"amplitude_V": 0.25, "width_s": 1e-4, "opposite_V": -0.25, "n_pulses": 50, "read_V": 0.1},
        "ispp": {"start_V": 0.16, "step_V": 0.01, "stop_V": 0.5, "width_s": 1e-4, "target_S": 4e-3, "read_V": 0.1},
        "write_verify": {
            "target_S": (2e-3, 4e-3),
            "set_V": (0.2, 0.005, 0.4),
            "set_width_s": 1e-4,
            "reset_V": (-0.18, -0.005, -0.4),
            "reset_width_s": 1e-4,
            "max_pulses": 100,
            "read_V": 0.1,
        },
        "read_noise": {"read_V": 0.1},
    },
    validity={"voltage_V": (-3.0, 3.0), "temperature_K": (280.0, 320.0)},
    references=(
        "Yakopcic et al., IEEE Electron Device Lett. 32, 1436 (2011), doi 10.1109/LED.2011.2163292",
        "Yakopcic et al., IEEE Trans. Comput.-Aided Des. 32, 1201 (2013), doi 10.1109/TCAD.2013.2252057",
        "Oblea et al., IJCNN 2010: the silver chalcogenide cell that the values are for",
    ),
    limits=(
        "fixed thresholds: below them nothing moves however long it takes, so no read disturb and no retention loss",
        "speed grows as exp(V / 1 V), a scale no parameter sets: SET takes 2.4 ms at 0.2 V and 0.36 ms at 0.4 V",
        "V_SET rises by no steady step a decade of ramp rate: 17 mV from 1e-4 to 1 V/s, 0.72 V from 1e3 to 1e4 V/s",
        "no temperature, neither of the surroundings nor of its own heat",
        "under a current limit SET ends where the cell's voltage is Vp, at G = I/Vp; RESET starts at -Vn whatever G is",
        "the state does not speed its own change up: SET is as gradual as RESET, no filament runs away",
        "no lowest conductance: each RESET pulse takes the same share of what is left",
        "one state, no variability; the published values are of one cell up to 0.45 V, so another needs a fit",
    ),
)
