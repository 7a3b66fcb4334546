"""What a model says of the noise of its read current: 1/f noise, and traps that are seen one by one (RTN).

    I(t) = I·(1 + n(t))·∏ (1 + s)^-x(t),   n: S_n(f) = A²/f^β,   x: 1 while a trap is filled, else 0

A trap captures at the rate 1/τ_c and emits at 1/τ_e, thermally activated and moved by the bias. All is written in
terms of the read as the terminals see it, `READ_V`, `READ_G`, `READ_SLOPE` and `TEMPERATURE`, so one description serves
every model of a technology; a model's own parameters may stand in it too. The numbers drawn for each trap are `DEPTH`,
`LEVEL` and `SIZE`. :mod:`nvmphys.simulate.noise` draws the paths.

1/f noise is the sum of many fluctuators with a broad, flat distribution of barriers, so that A² rises as kT (Dutta,
Dimon and Horn, Phys. Rev. Lett. 43, 646 (1979)).
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp
from scipy.constants import physical_constants

from nvmphys.devices.model import TEMPERATURE, symbol
from nvmphys.parameters import Parameter

BOLTZMANN_EV = physical_constants["Boltzmann constant in eV/K"][0]
ROOM_K = 300.0
"""Temperature that strengths of 1/f noise are given at [K]."""

READ_V = sp.Symbol("read_V", real=True)
"""Voltage of the read at the terminals [V]."""
READ_G = sp.Symbol("read_G", positive=True)
"""Conductance at the read, I/V without noise [S]: what it tells of the state."""
READ_SLOPE = sp.Symbol("read_slope", real=True)
"""d(ln I)/dV at the read [1/V]: of a transistor gm/I, by which noise of its threshold becomes noise of its current."""

DEPTH = sp.Symbol("trap_depth", real=True)
"""Drawn for each trap, uniform from 0 to 1: where its barrier lies in their range."""
LEVEL = sp.Symbol("trap_level", real=True)
"""Drawn for each trap, standard normal: its energy from where it is filled half of the time."""
SIZE = sp.Symbol("trap_size", real=True)
"""Drawn for each trap, standard normal: how large its step is among others."""

OF_READ = frozenset({READ_V, READ_G, READ_SLOPE, TEMPERATURE})
OF_TRAP = frozenset({DEPTH, LEVEL, SIZE})


@dataclass(frozen=True)
class Noise:
    """Noise of the read current, in `OF_READ`, own parameters and the parameters of the model.

    Attributes
    ----------
    parameters : tuple of Parameter
        Of the noise alone: set and spread as a model's own, but in no card and no generated code.
    strength : sympy.Expr
        A² of S_I/I² = A²/(f/1 Hz)^β, one-sided [1/Hz].
    exponent : sympy.Expr
        β.
    traps : sympy.Expr
        Mean number of traps a device that are seen one by one; how many a device has is Poisson.
    step : sympy.Expr
        s of a trap, in `OF_TRAP` too: while filled it divides the current by 1 + s, so s is its ΔR/R.
    capture_s, emission_s : sympy.Expr
        Mean times until an empty trap captures and until a filled one emits [s], in `OF_TRAP` too.
    references : tuple of str

    Raises
    ------
    ValueError
        A number of a trap where there is no single trap.
    """

    parameters: tuple[Parameter, ...]
    strength: sp.Expr
    exponent: sp.Expr
    traps: sp.Expr
    step: sp.Expr
    capture_s: sp.Expr
    emission_s: sp.Expr
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("strength", "exponent", "traps"):
            if getattr(self, name).free_symbols & OF_TRAP:
                raise ValueError(f"{name} of noise is one of the device: it cannot depend on a single trap")

    @property
    def symbols(self) -> frozenset[sp.Symbol]:
        """What the expressions need besides the read, the numbers of traps and the noise's own parameters."""
        used = (self.strength, self.exponent, self.traps, self.step, self.capture_s, self.emission_s)
        own = {symbol(parameter.name) for parameter in self.parameters}
        return frozenset(set().union(*(expression.free_symbols for expression in used)) - OF_READ - OF_TRAP - own)


_TIMES = (
    Parameter("rtn_tau", "s", 1e-13, (1e-15, 1e-6), "time of a trap without barrier", scale="log"),
    Parameter("rtn_low", "eV", 0.45, (0.0, 2.0), "lowest barrier of a trap"),
    Parameter("rtn_high", "eV", 0.95, (0.0, 2.0), "highest barrier of a trap"),
    Parameter("rtn_level", "eV", 0.06, (0.0, 0.5), "σ of the trap's energy from where it is half filled"),
    Parameter("rtn_vc", "V", 0.3, (0.02, 100.0), "bias over which the time to capture falls to 1/e"),
    Parameter("rtn_ve", "V", 0.6, (0.02, 100.0), "bias over which the time to emission rises by e"),
)
_tau, _low, _high, _level, _vc, _ve = (symbol(p.name) for p in _TIMES)
_barrier = _low + (_high - _low) * DEPTH
_kT = BOLTZMANN_EV * TEMPERATURE


def _capture_and_emission(bias: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Return the mean times to capture and to emission [s] at a bias [V]."""
    capture = _tau * sp.exp((_barrier + _level * LEVEL / 2) / _kT - bias / _vc)
    return capture, _tau * sp.exp((_barrier - _level * LEVEL / 2) / _kT + bias / _ve)


def _falling(value: sp.Symbol, most: sp.Symbol, power: sp.Symbol, reference_S: float) -> sp.Expr:
    """Return what falls with the conductance as a power law, from a highest value that it nears at low conductance."""
    return value / (value / most + (READ_G / reference_S) ** power)


def _rram() -> Noise:
    """Return noise of a filament: the fewer carriers, the more a trap near it counts, up to a largest share."""
    cells = (
        "power law through three measured cells of 9.7, 135 and 253 µS (rram_1t1r_read_noise_a): an illustration, no "
        "statement about a population"
    )
    steps = "power law through telegraph levels of two measured cells (rram_1t1r_read_noise_a)"
    parameters = (
        Parameter("noise_q", "1/Hz", 1.9e-6, (0.0, 1.0), "A² at 100 µS and 300 K", cells),
        Parameter("noise_power", "1", 1.9, (0.0, 4.0), "A² falls as G to this power", cells),
        Parameter("noise_most", "1/Hz", 1e-3, (1e-12, 1.0), "A² that it nears at low conductance", scale="log"),
        Parameter("noise_beta", "1", 1.05, (0.7, 1.4), "exponent β of the spectrum", "mean of the same three cells"),
        Parameter("rtn_traps", "1", 2.0, (0.0, 100.0), "mean number of single traps a device"),
        Parameter("rtn_step", "1", 0.016, (0.0, 10.0), "median ΔR/R of a trap at 100 µS", steps),
        Parameter("rtn_power", "1", 0.73, (0.0, 2.0), "ΔR/R falls as G to this power", steps),
        Parameter("rtn_most", "1", 0.5, (1e-6, 10.0), "median ΔR/R that it nears at low conductance", scale="log"),
        Parameter("rtn_spread", "1", 0.7, (0.0, 3.0), "σ of ln(ΔR/R) among traps"),
    )
    q, power, most, beta, traps, step, step_power, step_most, spread = (symbol(p.name) for p in parameters)
    capture, emission = _capture_and_emission(sp.Abs(READ_V))
    return Noise(
        parameters=parameters + _TIMES,
        strength=_falling(q, most, power, 100e-6) * TEMPERATURE / ROOM_K,
        exponent=beta,
        traps=traps,
        step=_falling(step, step_most, step_power, 100e-6) * sp.exp(spread * SIZE),
        capture_s=capture,
        emission_s=emission,
        references=(
            "Ambrogio et al., IEEE Trans. Electron Devices 61, 2920 (2014), doi 10.1109/TED.2014.2330202: RTN by bias",
            "rram_1t1r_read_noise_a: spectra and telegraph levels of three cells",
        ),
    )


def _pcm() -> Noise:
    """Return noise of a phase-change cell: the published Q of its 1/f noise by conductance."""
    law = "90 nm mushroom cells, law of read noise (Joshi et al., Nat. Commun. 11, 2473 (2020)), with G at the read"
    parameters = (
        Parameter("noise_q", "1", 0.0088, (0.0, 1.0), "Q = A at 25 µS and 300 K", law),
        Parameter("noise_power", "1", 0.65, (0.0, 2.0), "Q falls as G to this power", law),
        Parameter("noise_most", "1", 0.2, (1e-6, 1.0), "largest Q", law, "log"),
        Parameter("noise_beta", "1", 1.0, (0.7, 1.4), "exponent β of the spectrum", law),
        Parameter("rtn_traps", "1", 0.5, (0.0, 100.0), "mean number of single traps a device"),
        Parameter("rtn_step", "1", 0.02, (0.0, 10.0), "median ΔR/R of a trap"),
        Parameter("rtn_spread", "1", 0.7, (0.0, 3.0), "σ of ln(ΔR/R) among traps"),
    )
    q, power, most, beta, traps, step, spread = (symbol(p.name) for p in parameters)
    capture, emission = _capture_and_emission(sp.Abs(READ_V))
    return Noise(
        parameters=parameters + _TIMES,
        strength=sp.Min(q / (READ_G / 25e-6) ** power, most) ** 2 * TEMPERATURE / ROOM_K,
        exponent=beta,
        traps=traps,
        step=step * sp.exp(spread * SIZE),
        capture_s=capture,
        emission_s=emission,
        references=(
            "Nandakumar et al., ICECS 2019; Joshi et al., Nat. Commun. 11, 2473 (2020), doi 10.1038/s41467-020-16108-9",
            "Random telegraph signal noise in phase change memory devices, IRPS 2010: that there is such noise",
        ),
    )


def _fefet() -> Noise:
    """Return noise of a transistor's threshold, δI/I = -(gm/I)·δV_th: trapped charge shifts it by a voltage."""
    parameters = (
        Parameter("noise_vth", "V^2/Hz", 1e-8, (0.0, 1.0), "spectrum of the threshold at 1 Hz and 300 K"),
        Parameter("noise_beta", "1", 1.0, (0.7, 1.4), "exponent β of the spectrum"),
        Parameter("rtn_traps", "1", 2.0, (0.0, 100.0), "mean number of single traps a device"),
        Parameter("rtn_vth", "V", 2e-3, (0.0, 1.0), "median shift of the threshold by a trap"),
        Parameter("rtn_spread", "1", 0.8, (0.0, 3.0), "σ of ln(shift) among traps"),
        Parameter("rtn_v0", "V", 1.0, (-5.0, 5.0), "gate voltage at which traps are half filled, on average"),
    )
    strength, beta, traps, shift, spread, half = (symbol(p.name) for p in parameters)
    capture, emission = _capture_and_emission(READ_V - half)
    return Noise(
        parameters=parameters + _TIMES,
        strength=strength * READ_SLOPE**2 * TEMPERATURE / ROOM_K,
        exponent=beta,
        traps=traps,
        step=sp.exp(sp.Abs(READ_SLOPE) * shift * sp.exp(spread * SIZE)) - 1,
        capture_s=capture,
        emission_s=emission,
    )


RRAM_NOISE, PCM_NOISE, FEFET_NOISE = _rram(), _pcm(), _fefet()
