"""A device model as an ngspice subcircuit of B-sources, states on capacitor nodes."""

from __future__ import annotations

from collections.abc import Sequence

from nvmphys.codegen._circuit import LEAST_OHM, STATE_F, printed
from nvmphys.devices.model import AMBIENT, VOLTAGE, DeviceModel, System

TARGET = "ngspice"
SUFFIX = ".lib"


def generate(model: DeviceModel, system: System, name: str, head: Sequence[str]) -> str:
    """Return `.subckt <name> p n` with the values and the initial states `<state>_0` as its parameters.

    Its temperature is the circuit's. Run it with `uic`, so that the states start where the capacitors say.
    """
    names = {VOLTAGE.name: "v(i,n)", AMBIENT.name: "(temper+273.15)"}
    names |= {parameter: f"{{{parameter}}}" for parameter in system.values}
    names |= {state.name: f"v(x_{state.name})" for state in system.states}
    start = {f"{state.name}_0": x for state, x in zip(system.states, system.start, strict=True)}
    given = "".join(f"\n+ {key}={float(value)!r}" for key, value in (start | system.values).items())
    series = repr(LEAST_OHM) if system.series is None else f"{{max({system.series},{LEAST_OHM!r})}}"
    lines = [*(f"* {line}" for line in head), f".subckt {name} p n{given}", f"Rs p i {series}"]
    if system.current != 0:
        lines.append(f"Bi i n I={printed(system.current, names)}")
    if system.charge != 0:
        farad = repr(_capacitance(system))
        lines += [
            f"Bq q 0 V=({printed(system.charge, names)})/{farad}",
            f"Cq q r {farad}",
            "Vq r 0 0",
            "Fq i n Vq 1",
        ]
    for state, rate in zip(system.states, system.rates, strict=True):
        node = f"x_{state.name}"
        lines += [
            f"C{node} {node} 0 {STATE_F!r} ic={{{state.name}_0}}",
            f"B{node} 0 {node} I={STATE_F!r}*({printed(rate, names)})",
        ]
    return "\n".join([*lines, f".ends {name}", ""])


def _capacitance(system: System) -> float:
    """Return the capacitance of the device at rest [F]: on such a capacitor its charge is a voltage of order one."""
    rest = {VOLTAGE.name: 0.0, AMBIENT.name: 300.0} | system.values
    rest |= {state.name: x for state, x in zip(system.states, system.start, strict=True)}
    slope = system.charge.diff(VOLTAGE)
    return float(slope.subs({symbol: rest[symbol.name] for symbol in slope.free_symbols}))
