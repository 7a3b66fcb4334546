"""A device model as a Verilog-A module, for OSDI compilers and commercial simulators."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from nvmphys.codegen._circuit import LEAST_OHM, SELF_F, STATE_F, farthest, printed, ranges
from nvmphys.devices.model import AMBIENT, APPLIED, CELL, CURRENT, DRAIN, VOLTAGE, DeviceModel, System

TARGET = "veriloga"
SUFFIX = ".va"
WHOLE = sp.Symbol("V_whole", real=True)
"""The voltage as it is, in charges: they are not kept near the range of the model."""


def generate(model: DeviceModel, system: System, name: str, head: Sequence[str]) -> str:
    """Return `module <name>(p, n)`, the values as defaults of its parameters and `<state>_0` as initial states.

    A transistor's gate is p, its source n, and its drain a third node d; the gate voltage of an access transistor in
    series is a parameter.

    The initial states are set while the time is 0: ngspice tells an OSDI model neither of its static nor of its initial
    analysis. Run it without `uic`.
    """
    far = farthest(model)
    names = {VOLTAGE.name: "near", AMBIENT.name: "$temperature"} | {name: name for name in system.values}
    at = {state.name: f"V(x_{state.name})" for state in system.states}
    for known, ends in ranges(system).items():
        low, high = (printed(end, names) for end in ends)
        at[known] = f"min(max({at[known]},{low}),{high})"
    names |= {state.name: f"at_{state.name}" for state in system.states}
    shared, wanted = sp.cse(
        [
            system.current,
            sp.Integer(0) if system.by_current else system.current.diff(VOLTAGE),
            system.charge.subs(VOLTAGE, WHOLE),
            system.drop,
            system.drain or sp.Integer(0),
            system.access or sp.Integer(0),
            *(system.by_current or system.rates),
        ],
        symbols=(sp.Symbol(f"e{k}") for k in range(10_000)),
    )
    names[WHOLE.name] = "V(i,n)"
    names |= {short.name: short.name for short, _ in shared}
    outer = "i" if system.drop == 0 else "j"
    if system.drop != 0 and system.charge != 0:  # a resistor's rounding would drown the currents of a small charge
        outer = "p"
    names |= {CURRENT.name: f"I({outer},i)", DRAIN.name: "V(d,n)", APPLIED.name: "V(p,n)", CELL.name: "V(w,n)"}
    current, tangent, charge, drop, drain, access, *rates = (printed(expression, names) for expression in wanted)
    nodes = ", ".join(f"x_{state.name}" for state in system.states)
    top = "p" if system.access is None else "w"
    outside = "p, n" if system.drain is None else "p, n, d"
    series = repr(LEAST_OHM) if system.series is None else f"max({system.series}, {LEAST_OHM!r})"
    lines = [
        *(f"// {line}" for line in head),
        '`include "disciplines.vams"',
        f"module {name}({outside});",
        f"  inout {outside};",
        f"  electrical {outside}, {'w, ' if top == 'w' else ''}{'i, j' if outer == 'j' else 'i'}, {nodes};",
        *(
            f"  parameter real {key} = {float(value)!r};"
            for key, value in (system.values | system.start_values).items()
        ),
        *(f"  real {short};" for short in ("near", *(f"at_{state.name}" for state in system.states))),
        *(f"  real {short};" for short, _ in shared),
        "  analog begin",
        f"    near = min(max(V(i,n),-{far!r}),{far!r});",
        *(f"    at_{kept} = {text};" for kept, text in at.items()),
        *(f"    {short} = {printed(expression, names)};" for short, expression in shared),
        *([] if outer == "p" else [f"    I({top},{outer}) <+ V({top},{outer}) / {series};"]),
    ]
    if system.access is not None:
        lines.append(f"    I(p,w) <+ {access};")
    if system.drop != 0:
        lines.append(f"    V({outer},i) <+ {drop};")
    if system.drain is not None:
        lines.append(f"    I(d,n) <+ {drain};")
    if system.current != 0:
        beyond = f"+ (V(i,n)-near)*({tangent})"
        if system.by_current:  # the chord, as in the subcircuit
            beyond = f"* (1 + abs(V(i,n)-near)*{1 / far!r})"
        lines.append(f"    I(i,n) <+ ({current}) {beyond};")
    if (system.series is not None or system.drop != 0 or system.access is not None) and system.charge == 0:
        lines.append(f"    I(i,n) <+ {SELF_F!r} * ddt(V(i,n));")
    if system.charge != 0:
        lines.append(f"    I(i,n) <+ ddt({charge});")
    for state, rate in zip(system.states, rates, strict=True):
        node = f"x_{state.name}"
        lines += [
            f"    I({node}) <+ {STATE_F!r} * ddt(V({node}));",
            f"    if ($abstime <= 0.0) I({node}) <+ V({node}) - {state.name}_0;",
            f"    else I({node}) <+ -{STATE_F!r} * ({rate});",
        ]
    return "\n".join([*lines, "  end", "endmodule", ""])
