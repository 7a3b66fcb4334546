"""A device model as NumPy functions, and its current behind the series resistance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.optimize import brentq

from nvmphys.devices.model import AMBIENT, VOLTAGE, DeviceModel, symbols

Array = NDArray[np.float64]

_LARGEST = 80.0


@dataclass(frozen=True)
class Functions:
    """A model with its parameters put in.

    Attributes
    ----------
    current : callable
        Current [A] of the voltage behind the series resistance [V] and the states.
    rate : callable
        d(state)/dt [1/s], an array, of that voltage, the states and the ambient temperature [K].
    series_ohm : float
    """

    current: Callable[..., float]
    rate: Callable[..., Array]
    series_ohm: float

    def inner_voltage(self, voltage_V: float, states: Sequence[float]) -> float:
        """Return the voltage behind the series resistance [V] at a voltage across the device."""
        if voltage_V == 0 or self.series_ohm == 0:
            return voltage_V

        def balance(inner: float) -> float:
            return inner + self.series_ohm * self.current(inner, *states) - voltage_V

        return float(brentq(balance, min(voltage_V, 0.0), max(voltage_V, 0.0), xtol=1e-15, rtol=1e-14))


def functions(model: DeviceModel, values: Mapping[str, float]) -> Functions:
    """Return the model as functions of numbers or arrays."""
    clipped = {
        "exp": lambda z: np.exp(np.clip(z, -_LARGEST, _LARGEST)),
        "sinh": lambda z: np.sinh(np.clip(z, -_LARGEST, _LARGEST)),
    }
    put_in = symbols(values)
    states = [state.symbol for state in model.states]
    current = sp.lambdify((VOLTAGE, *states), model.current.subs(put_in), [clipped, "numpy"], cse=True)
    rates = [rate.subs(put_in) for rate in model.rate_of_voltage]
    rate = sp.lambdify((VOLTAGE, *states, AMBIENT), rates, [clipped, "numpy"], cse=True)
    series = 0.0 if model.series is None else float(values[model.series])
    return Functions(current, lambda *at: np.array(rate(*at)), series)
