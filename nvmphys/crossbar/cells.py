"""What a cell carries: its current as a function of the voltages of its word line and bit line, and the slopes.

`Linear`, `Polynomial` and `Sinh` are of the kind i = G·f(v) with v = w - b and f(v) ≈ v at small v, so `conductance_S`
is the conductance at low voltage. `AccessTransistor` puts a transistor between a cell and its bit line. Anything with
the attributes of `CellCurrent` serves as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.devices.transistor import BOLTZMANN_EV, ROOM_K, channel_current
from nvmphys.errors import BadInput, CheckFailed

INNER_STEPS = 200
"""More than bisection of a volt to the last bit needs."""


@dataclass(frozen=True, eq=False)
class CellState:
    """Currents of cells and how they change.

    Attributes
    ----------
    current_A : ndarray, (word_line, bit_line)
        From word line to bit line [A].
    word_slope_S, bit_slope_S : ndarray, (word_line, bit_line)
        di/dw and -di/db [S]; equal where the current depends on w - b alone.
    per_conductance_V : ndarray, (word_line, bit_line)
        di/dG [V].
    """

    current_A: np.ndarray
    word_slope_S: np.ndarray
    bit_slope_S: np.ndarray
    per_conductance_V: np.ndarray


class CellCurrent(Protocol):
    """A kind of cell.

    Attributes
    ----------
    linear : bool
        Whether the current is G·(w - b); such an array is solved by one linear system.
    """

    @property
    def linear(self) -> bool:
        """Whether the current is G·(w - b)."""

    def check(self, shape: tuple[int, int]) -> None:
        """Raise BadInput where the parameters do not fit an array of this shape."""

    def state(self, conductance_S: np.ndarray, word_V: np.ndarray, bit_V: np.ndarray) -> CellState:
        """Return currents and slopes at node voltages (word_line, bit_line) [V]."""

    def spice_models(self) -> str:
        """Return what a deck needs once for all cells, such as a subcircuit, or ""."""

    def spice_card(self, place: tuple[int, int], word: str, bit: str, conductance_S: float) -> str:
        """Return the ngspice cards of the cell at (word line, bit line) between the nodes `word` and `bit`."""


def _product(conductance_S: np.ndarray, shape_V: np.ndarray, slope: np.ndarray) -> CellState:
    """Return the state of cells of the kind i = G·f(v)."""
    slope_S = conductance_S * slope
    return CellState(conductance_S * shape_V, slope_S, slope_S, shape_V)


@dataclass(frozen=True)
class Linear:
    """Cells of i = G·v.

    Examples
    --------
    >>> Linear().state(np.array([[1e-4]]), np.array([[0.3]]), np.array([[0.1]])).current_A
    array([[2.e-05]])
    """

    linear: bool = field(default=True, init=False)

    def check(self, shape: tuple[int, int]) -> None:
        """Have no parameters."""

    def state(self, conductance_S: np.ndarray, word_V: np.ndarray, bit_V: np.ndarray) -> CellState:
        """Return currents and slopes at node voltages [V]."""
        across_V = word_V - bit_V
        return _product(conductance_S, across_V, np.ones_like(across_V))

    def spice_models(self) -> str:
        """Need nothing."""
        return ""

    def spice_card(self, place: tuple[int, int], word: str, bit: str, conductance_S: float) -> str:
        """Return a resistor."""
        i, j = place
        return f"rc_{i}_{j} {word} {bit} {1 / conductance_S!r}"


LINEAR = Linear()


@dataclass(frozen=True)
class Polynomial:
    """Cells of i = G·(v + c_2·v² + c_3·v³ + …).

    Parameters
    ----------
    coefficients : sequence of float
        c_2 [1/V], c_3 [1/V²], …

    Examples
    --------
    >>> Polynomial((0.0, 2.0)).state(np.array([[1e-4]]), np.array([[0.5]]), np.array([[0.0]])).current_A
    array([[7.5e-05]])
    """

    coefficients: tuple[float, ...]
    linear: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Check the coefficients."""
        values = tuple(float(c) for c in self.coefficients)
        if not np.isfinite(values).all():
            raise BadInput(f"coefficients must be finite (got {values}): c_2 [1/V], c_3 [1/V^2], and so on")
        object.__setattr__(self, "coefficients", values)

    def check(self, shape: tuple[int, int]) -> None:
        """Fit any shape."""

    def state(self, conductance_S: np.ndarray, word_V: np.ndarray, bit_V: np.ndarray) -> CellState:
        """Return currents and slopes at node voltages [V]."""
        across_V = word_V - bit_V
        whole = np.polynomial.Polynomial((0.0, 1.0, *self.coefficients))
        return _product(conductance_S, whole(across_V), whole.deriv()(across_V))

    def spice_models(self) -> str:
        """Need nothing."""
        return ""

    def spice_card(self, place: tuple[int, int], word: str, bit: str, conductance_S: float) -> str:
        """Return a current source; powers are products, which any base stands."""
        i, j = place
        across = f"v({word},{bit})"
        powers = [(c, "*".join([across] * order)) for order, c in enumerate((1.0, *self.coefficients), 1) if c]
        terms = "".join(f"{conductance_S * c:+.17g}*{power}" for c, power in powers)
        return f"bc_{i}_{j} {word} {bit} i={terms}"


@dataclass(frozen=True, eq=False)
class Sinh:
    """Cells of i = (G/α)·sinh(α·v).

    Parameters
    ----------
    alpha_per_V : float or array_like, (word_line, bit_line)
        How non-linear [1/V], > 0.

    Examples
    --------
    >>> state = Sinh(3.0).state(np.array([[1e-4]]), np.array([[1.0]]), np.array([[0.0]]))
    >>> float(state.current_A[0, 0]), float(state.word_slope_S[0, 0])
    (0.000333929, 0.001006766)
    """

    alpha_per_V: float | np.ndarray
    linear: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Check the parameter."""
        alpha = np.array(self.alpha_per_V, dtype=float)
        if not (np.isfinite(alpha) & (alpha > 0)).all():
            raise BadInput(f"alpha_per_V must be > 0 (got {alpha.min():g} 1/V): cells without are Linear()")
        object.__setattr__(self, "alpha_per_V", float(alpha) if alpha.ndim == 0 else alpha)

    def check(self, shape: tuple[int, int]) -> None:
        """Raise where there is not one α per cell."""
        check_per_cell("alpha_per_V", self.alpha_per_V, shape)

    def state(self, conductance_S: np.ndarray, word_V: np.ndarray, bit_V: np.ndarray) -> CellState:
        """Return currents and slopes at node voltages [V]; not finite where they overflow."""
        x = self.alpha_per_V * (word_V - bit_V)
        with np.errstate(over="ignore", invalid="ignore"):
            less_one = np.expm1(np.abs(x))  # sinh and cosh from one exponential, exact where x is small
            grown = less_one + 1.0
            sinh = np.copysign(0.5 * (less_one + less_one / grown), x)
            return _product(conductance_S, sinh / self.alpha_per_V, 0.5 * (grown + 1.0 / grown))

    def spice_models(self) -> str:
        """Need nothing."""
        return ""

    def spice_card(self, place: tuple[int, int], word: str, bit: str, conductance_S: float) -> str:
        """Return a current source."""
        i, j = place
        alpha = float(self.alpha_per_V[place] if isinstance(self.alpha_per_V, np.ndarray) else self.alpha_per_V)
        return f"bc_{i}_{j} {word} {bit} i={conductance_S / alpha!r}*sinh({alpha!r}*v({word},{bit}))"


@dataclass(frozen=True, eq=False)
class AccessTransistor:
    """Cells of a resistive part in series with a transistor (1T1R), which is on the side of the bit line.

    The transistor is `nvmphys.devices.transistor.channel_current`, its bulk at 0 V. The voltage between the two parts
    is solved for in each cell; both currents are monotonic, so Newton's steps are kept between bounds that close in.

    Parameters
    ----------
    gate_V : float or array_like, (word_line,) or (word_line, bit_line)
        Gate voltages against 0 V [V]; gate lines run along the word lines.
    threshold_V, slope, beta : float
        Threshold voltage [V], slope factor [1], transconductance factor [A/V²].
    resistive : CellCurrent, optional
        The part on the side of the word line, between that and the inner node.
    temperature_K : float, optional

    Examples
    --------
    100 µS and a transistor that is well on: a little less than 10 µA at 0.1 V.

    >>> cell = AccessTransistor(2.5, threshold_V=0.5, slope=1.3, beta=5e-4)
    >>> print(f"{float(cell.state(np.array([[1e-4]]), np.array([[0.1]]), np.zeros((1, 1))).current_A[0, 0]):.4g} A")
    9.088e-06 A
    """

    gate_V: float | np.ndarray
    threshold_V: float
    slope: float
    beta: float
    resistive: CellCurrent = LINEAR
    temperature_K: float = ROOM_K
    linear: bool = field(default=False, init=False)

    def check(self, shape: tuple[int, int]) -> None:
        """Raise where the gate voltages fit no array of this shape."""
        if np.ndim(self.gate_V) != 1 or np.shape(self.gate_V) != shape[:1]:
            check_per_cell("gate_V", self.gate_V, shape)
        self.resistive.check(shape)

    def state(self, conductance_S: np.ndarray, word_V: np.ndarray, bit_V: np.ndarray) -> CellState:
        """Return currents and slopes at node voltages [V]."""
        gate_V = np.asarray(self.gate_V, dtype=float)
        gate_V = gate_V[:, np.newaxis] if gate_V.ndim == 1 else gate_V
        low, high = np.minimum(word_V, bit_V), np.maximum(word_V, bit_V)
        inner_V = 0.5 * (low + high)
        # the channel's current is that of differences to the gate
        rounding_V = 8 * np.spacing(np.maximum(np.maximum(np.abs(word_V), np.abs(bit_V)), np.abs(gate_V)))
        for _ in range(INNER_STEPS):
            resistive = self.resistive.state(conductance_S, word_V, inner_V)
            channel_A, _, drain_S, source_S = channel_current(
                gate_V, inner_V, bit_V, threshold_V=self.threshold_V, slope=self.slope, beta=self.beta,
                temperature_K=self.temperature_K,
            )  # fmt: skip
            excess_A = resistive.current_A - channel_A
            both_S = resistive.bit_slope_S + drain_S
            low, high = np.where(excess_A >= 0, inner_V, low), np.where(excess_A <= 0, inner_V, high)
            with np.errstate(divide="ignore", invalid="ignore"):
                newton_V = inner_V + excess_A / both_S
            inside = (newton_V >= low) & (newton_V <= high)
            next_V = np.where(inside, newton_V, 0.5 * (low + high))
            settled = np.abs(next_V - inner_V) <= rounding_V
            if settled.all():
                break
            inner_V = next_V
        else:
            raise CheckFailed(
                f"the inner node of every 1T1R cell must settle within {INNER_STEPS} steps (got one that did not): "
                "its resistive part is no rising function of voltage there"
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            through = np.where(both_S > 0, drain_S / both_S, 0.0)
            slope_S = np.where(both_S > 0, resistive.bit_slope_S / both_S, 0.0)
        return CellState(
            current_A=0.5 * (resistive.current_A + channel_A),
            word_slope_S=resistive.word_slope_S * through,
            bit_slope_S=-source_S * slope_S,
            per_conductance_V=resistive.per_conductance_V * through,
        )

    def spice_models(self) -> str:
        """Return what the resistive part needs."""
        return self.resistive.spice_models()

    def spice_card(self, place: tuple[int, int], word: str, bit: str, conductance_S: float) -> str:
        """Return the resistive part up to a node of its own and the channel from there, as a current source.

        ln(1 + e^x) is written max(x, 0) + ln(1 + e^-|x|), which does not overflow.
        """
        i, j = place
        inner = f"x_{i}_{j}"
        thermal_V = BOLTZMANN_EV * self.temperature_K
        gate_V = np.asarray(self.gate_V, dtype=float)
        gate = float(gate_V if gate_V.ndim == 0 else gate_V[place[: gate_V.ndim]])
        pinch_off = (gate - self.threshold_V) / self.slope
        below = [f"(({pinch_off!r}-v({node}))*{0.5 / thermal_V!r})" for node in (bit, inner)]
        forward, reverse = (f"(max({x},0)+ln(1+exp(-abs({x}))))" for x in below)
        specific = 2 * self.slope * self.beta * thermal_V**2
        return (
            f"{self.resistive.spice_card(place, word, inner, conductance_S)}\n"
            f"bt_{i}_{j} {inner} {bit} i={specific!r}*({forward}-{reverse})*({forward}+{reverse})"
        )


def check_per_cell(name: str, value: ArrayLike, shape: tuple[int, int]) -> None:
    """Raise where a parameter is neither one number nor one per cell."""
    if np.ndim(value) and np.shape(value) != shape:
        raise BadInput(f"{name} must be one number or have shape {shape}, one per cell (got shape {np.shape(value)})")
