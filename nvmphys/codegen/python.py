"""A device model as a Python module of its own that needs NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import sympy as sp
from sympy.printing.numpy import NumPyPrinter

from nvmphys.codegen._circuit import LARGEST
from nvmphys.devices.model import AMBIENT, APPLIED, CELL, CURRENT, DRAIN, DeviceModel, System, symbol

TARGET = "python"
SUFFIX = ".py"


class Printer(NumPyPrinter):
    """Exponentials with clipped arguments, as in the circuits; names that the module has itself get an underscore."""

    reserved_words: ClassVar[set[str]] = {
        *NumPyPrinter.reserved_words,
        "current",
        "port",
        "charge",
        "drain",
        "access",
        "rate",
        "numpy",
    }

    def _clipped(self, function: sp.Function) -> str:
        return f"_{function.func.__name__}({self._print(function.args[0])})"

    _print_exp = _print_sinh = _print_cosh = _clipped

    def _of_two(self, name: str, function: sp.Function) -> str:
        first, *others = (self._print(argument) for argument in function.args)
        for other in others:
            first = f"numpy.{name}({first}, {other})"
        return first

    def _print_Max(self, function: sp.Function) -> str:
        return self._of_two("maximum", function)

    def _print_Min(self, function: sp.Function) -> str:
        return self._of_two("minimum", function)


def generate(model: DeviceModel, system: System, name: str, head: Sequence[str]) -> str:
    """Return a module: values, `START`, functions `current`, `port`, `charge`, `rate`, and `drain` or `access`."""
    printer = Printer({"allow_unknown_functions": True})
    states = "; ".join(f"{s.name} ({s.about}, 1 is {s.scale:g} {s.unit})" for s in system.states)
    about = [line.replace("\\", "/").replace('"', "'") for line in (*head, f"States: {states}")]
    arguments = ", ".join(["V", *(printer.doprint(state.symbol) for state in system.states), f"{AMBIENT.name}=300.0"])
    lines = ['"""' + "\n\n".join(about), '"""', "", "import numpy", ""]
    lines += [f"{printer.doprint(symbol(key))} = {float(value)!r}" for key, value in system.values.items()]
    lines += [f"START = ({', '.join(repr(float(x)) for x in system.start)},)"]
    lines += [
        f"\n\ndef _{function}(x):\n    return numpy.{function}(numpy.minimum(numpy.maximum(x, -{LARGEST}), {LARGEST}))"
        for function in ("exp", "sinh", "cosh")
    ]
    drained = f", {DRAIN.name}=0.1"
    rates = f"({', '.join(printer.doprint(rate) for rate in system.by_current or system.rates)},)"
    port = system.port_by_current if system.by_current else system.port
    shared: list[tuple[sp.Symbol, sp.Expr]] = []
    current = system.current
    if system.by_current:
        shared, (current,) = sp.cse([system.current], sp.numbered_symbols("_"))
    wanted = {
        "current": (printer.doprint(current), "Conduction current [A] at V behind what is in series [V]."),
        "port": (printer.doprint(port), "Voltage at the terminals [V] at V behind what is in series [V]."),
        "charge": (printer.doprint(system.charge), "Charge [C] besides the conduction."),
        "rate": (rates, "d(state)/dt [1/s], one of each state."),
    }
    if system.drain is not None:
        wanted["drain"] = (
            printer.doprint(system.drain),
            f"Drain current [A] at {DRAIN.name} from drain to source [V].",
        )
    handed = f"{', '.join(arguments.split(', ')[:-1])}, {AMBIENT.name}={AMBIENT.name}"
    before = {"current": "".join(f"    {short} = {printer.doprint(part)}\n" for short, part in shared)}
    if system.by_current:
        before["port"] = before["rate"] = f"    {CURRENT.name} = current({handed})\n"
    lines += [
        f'\n\ndef {function}({arguments}{drained if function == "drain" else ""}):\n    """{what}"""\n'
        f"{before.get(function, '')}    return {body}"
        for function, (body, what) in wanted.items()
    ]
    if system.access is not None:
        lines.append(
            f"\n\ndef access({APPLIED.name}, {CELL.name}, {AMBIENT.name}=300.0):\n"
            f'    """Current that the access transistor lets through [A]; the cell has the voltage of `port`."""\n'
            f"    return {printer.doprint(system.access)}"
        )
    return "\n".join([*lines, ""])
