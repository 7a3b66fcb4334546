"""A device model as a Python module of its own that needs NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp
from sympy.printing.numpy import NumPyPrinter

from nvmphys.codegen._circuit import LARGEST
from nvmphys.devices.model import AMBIENT, DeviceModel, System

TARGET = "python"
SUFFIX = ".py"


class _Printer(NumPyPrinter):
    """Exponentials with clipped arguments, as in the circuits."""

    def _clipped(self, function: sp.Function) -> str:
        return f"_{function.func.__name__}({self._print(function.args[0])})"

    _print_exp = _print_sinh = _print_cosh = _clipped


def generate(model: DeviceModel, system: System, name: str, head: Sequence[str]) -> str:
    """Return a module with the values, `START`, and functions `current`, `charge` and `rate`."""
    printer = _Printer({"allow_unknown_functions": True})
    states = "; ".join(f"{s.name} ({s.about}, 1 is {s.scale:g} {s.unit})" for s in system.states)
    about = [line.replace("\\", "/").replace('"', "'") for line in (*head, f"States: {states}")]
    arguments = ", ".join(["V", *(state.name for state in system.states), f"{AMBIENT.name}=300.0"])
    lines = ['"""' + "\n\n".join(about), '"""', "", "import numpy", ""]
    lines += [f"{key} = {float(value)!r}" for key, value in system.values.items()]
    lines += [f"START = ({', '.join(repr(float(x)) for x in system.start)},)"]
    lines += [
        f"\n\ndef _{function}(x):\n    return numpy.{function}(numpy.clip(x, -{LARGEST}, {LARGEST}))"
        for function in ("exp", "sinh", "cosh")
    ]
    rates = f"({', '.join(printer.doprint(rate) for rate in system.rates)},)"
    wanted = {
        "current": (printer.doprint(system.current), "Conduction current [A] at V behind the series resistance [V]."),
        "charge": (printer.doprint(system.charge), "Charge [C] besides the conduction."),
        "rate": (rates, "d(state)/dt [1/s], one of each state."),
    }
    lines += [
        f'\n\ndef {function}({arguments}):\n    """{what}"""\n    return {body}'
        for function, (body, what) in wanted.items()
    ]
    return "\n".join([*lines, ""])
