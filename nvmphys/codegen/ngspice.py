"""A device model as an ngspice subcircuit of B-sources, states on capacitor nodes."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from nvmphys.codegen._circuit import LEAST_OHM, SELF_F, STATE_F, farthest, printed, ranges
from nvmphys.devices.model import AMBIENT, APPLIED, CELL, CURRENT, DRAIN, VOLTAGE, DeviceModel, System

TARGET = "ngspice"
SUFFIX = ".lib"


def generate(model: DeviceModel, system: System, name: str, head: Sequence[str], *, frozen: bool = False) -> str:
    """Return `.subckt <name> p n` with the values and the initial states `<state>_0` as its parameters.

    A transistor's gate is p, its source n, and its drain a third node d; the gate voltage of an access transistor in
    series is a parameter.

    Its temperature is the circuit's. Run it with `uic`, so that the states start where the capacitors say. Voltage and
    states, kept near their ranges, have nodes of their own, and what is constant becomes a parameter. All else
    is nested: on a node of its own an exponential would run away from the solver.

    Frozen, it is for operating points: the states are constants, charge is left out, and a resistance of 0 in series
    is none.
    """
    given = "".join(f"\n+ {key}={float(value)!r}" for key, value in (system.start_values | system.values).items())
    far = farthest(model)
    circuit = _Circuit(system, frozen)
    circuit.node(NEAR, f"min(max(v(i,n),-{far!r}),{far!r})", at_start=circuit.rest)
    put_in = {VOLTAGE: NEAR}
    rates = [_by_drop(rate, system) for rate in system.by_current or system.rates]
    tangent = sp.Integer(0) if system.by_current else system.current.diff(VOLTAGE)
    wanted = [e.xreplace(put_in) for e in (system.current, tangent, *rates)]
    wanted += [(system.drain or sp.Integer(0)).xreplace(put_in), system.charge, system.drop.xreplace(put_in)]
    wanted.append(system.access or sp.Integer(0))
    current, tangent, *rates, drain, charge, drop, access = circuit.constants_apart(wanted)
    nodes = "p n" if system.drain is None else "p n d"
    lines = [*(f"* {line}" for line in head), f".subckt {name} {nodes}{given}", *circuit.lines]
    if system.access is not None:
        lines.append(f"Bt p w I={circuit.text(access)}")
    lines += _in_series(system, "p" if system.access is None else "w", frozen)
    if drop != 0:
        lines += [f"Bdrop k i V={circuit.text(drop)}", *circuit.begin("i", circuit.rest)]
    if system.drain is not None:
        lines.append(f"Bd d n I={circuit.text(drain)}")
    if system.current != 0:
        beyond = f"+(v(i,n)-v(near))*({circuit.text(tangent)})"
        if system.by_current:  # the chord in place of the tangent, which would be ten times as long as the current
            beyond = f"*(1+abs(v(i,n)-v(near))*{1 / far!r})"
        lines.append(f"Bi i n I=({circuit.text(current)}){beyond}")
    if not frozen:
        lines += _moving(system, circuit, charge, rates)
    return "\n".join([*lines, f".ends {name}", ""])


def _in_series(system: System, top: str, frozen: bool) -> list[str]:
    """Return what stands between the terminal `top` and the node i, or k before a drop, whose current is that of Vj."""
    ohm = system.series
    if frozen:  # ngspice would make a resistor of 0 one of 1 mohm
        end = "i" if system.drop == 0 else "k"
        return [f"Vj {top} {end} 0"] if ohm is None else [f"Vj {top} j 0", f"Hs j {end} Vj {{{ohm}}}"]
    series = repr(LEAST_OHM) if ohm is None else f"{{max({ohm},{LEAST_OHM!r})}}"
    if system.drop == 0:
        return [f"Rs {top} i {series}"]
    # behind a resistor, the currents of a small charge would drown in the rounding of its nodes' voltages
    return ["Vj p k 0"] if system.charge != 0 else [f"Rs {top} j {series}", "Vj j k 0"]


def _moving(system: System, circuit: _Circuit, charge: sp.Expr, rates: Sequence[sp.Expr]) -> list[str]:
    """Return what stores charge, and the states on their capacitors."""
    lines = []
    if (system.series is not None or system.drop != 0 or system.access is not None) and system.charge == 0:
        lines.append(f"Cself i n {SELF_F!r}")
    if system.charge != 0:
        farad = repr(_capacitance(system))
        lines += [
            f"Bq q 0 V=({circuit.text(charge)})*{1 / float(farad)!r}",
            f"Cq q r {farad} ic={{({circuit.text_at_start(system.charge)})/{farad}}}",
            "Vq r 0 0",
            "Fq i n Vq 1",
        ]
    for state, rate in zip(system.states, rates, strict=True):
        node = f"x_{state.name}"
        lines += [
            f"C{node} {node} 0 {STATE_F!r} ic={{{state.name}_0}}",
            f"B{node} 0 {node} I={STATE_F!r}*({circuit.text(rate)})",
        ]
    return lines


NEAR = sp.Symbol("near", real=True)
"""The voltage behind the series resistance, kept near the range of the model."""
ACROSS = sp.Symbol("across", real=True)
"""The voltage of what drops in series, which the circuit knows."""


def _by_drop(expression: sp.Expr, system: System) -> sp.Expr:
    """Return an expression with the sum that the drop is a multiple of read off the circuit, not written out again."""
    moving = (VOLTAGE, CURRENT, *(state.symbol for state in system.states))
    constant, varying = system.drop.as_independent(*moving, as_Add=False)
    return expression.xreplace({varying: ACROSS / constant}) if varying.is_Add else expression


class _Circuit:
    """The first lines of a subcircuit: nodes and parameters, and what stands for each symbol in its expressions."""

    def __init__(self, system: System, frozen: bool) -> None:
        self.lines: list[str] = []
        self._frozen = frozen
        self._constant = {name: name for name in system.values}  # in .param lines
        self.rest = repr(system.rest_V())
        self._at_start = self._constant | {VOLTAGE.name: self.rest, AMBIENT.name: "300.15"}
        self._at_start |= {state.name: f"{state.name}_0" for state in system.states}
        self._moving = {name: f"{{{name}}}" for name in system.values}  # in sources
        self._moving |= {VOLTAGE.name: "v(i,n)", CURRENT.name: "i(vj)", ACROSS.name: "v(k,i)", DRAIN.name: "v(d,n)"}
        self._moving |= {APPLIED.name: "v(p,n)", CELL.name: "v(w,n)", AMBIENT.name: "(temper+273.15)"}
        if frozen:  # on nodes of their own they would lead the solver astray on its way
            self._constant |= {state.name: f"{state.name}_0" for state in system.states}
            self._moving |= {state.name: f"{{{state.name}_0}}" for state in system.states}
            return
        self._moving |= {state.name: f"v(x_{state.name})" for state in system.states}
        for state, ends in ranges(system).items():
            low, high = (printed(end, self._constant) for end in ends)
            self.lines.append(f".param low_{state}={{{low}}} high_{state}={{{high}}}")
            text = f"min(max(v(x_{state}),{{low_{state}}}),{{high_{state}}})"
            self.node(sp.Symbol(f"at_{state}"), text, at_start=f"{state}_0")
            self._moving[state] = f"v(at_{state})"

    def node(self, symbol: sp.Symbol, text: str, at_start: str) -> None:
        """Give a symbol a node, driven by an expression into 1 Ω."""
        name = symbol.name
        self.lines += [f"B{name} 0 {name} I={text}", f"R{name} {name} 0 1", *self.begin(name, at_start)]
        self._moving[name] = f"v({name})"

    def begin(self, node: str, at_start: str) -> list[str]:
        """Return the card for where the voltage of a node begins: none where an operating point finds it from 0."""
        return [] if self._frozen else [f".ic v({node})={{{at_start}}}"]

    def constants_apart(self, expressions: Sequence[sp.Expr]) -> list[sp.Expr]:
        """Return expressions with their shared constant parts as parameters, all else written out."""
        shared, wanted = sp.cse(expressions, symbols=sp.numbered_symbols("e_"))
        back: dict[sp.Symbol, sp.Expr] = {}
        for short, expression in shared:
            if {s.name for s in expression.free_symbols} <= self._constant.keys():
                self.lines.append(f".param {short.name}={{{printed(expression, self._constant)}}}")
                self._constant[short.name] = short.name
                self._moving[short.name] = f"{{{short.name}}}"
            else:
                back[short] = expression.xreplace(back)
        return self._without_quotients([expression.xreplace(back) for expression in wanted])

    def _without_quotients(self, expressions: Sequence[sp.Expr]) -> list[sp.Expr]:
        """Return expressions with reciprocals of constants as parameters.

        The slope that ngspice finds of a/b is wrong where b is below 1e-15: it divides by b² + 1e-32.
        """
        put_in: dict[sp.Expr, sp.Symbol] = {}
        for power in sorted(set().union(*(e.atoms(sp.Pow) for e in expressions)), key=sp.default_sort_key):
            names = {s.name for s in power.free_symbols}
            if power.exp.is_negative and names and names <= self._constant.keys():
                short = put_in[power] = sp.Symbol(f"r_{len(put_in)}")
                self.lines.append(f".param {short.name}={{{printed(power, self._constant)}}}")
                self._moving[short.name] = f"{{{short.name}}}"
        return [expression.xreplace(put_in) for expression in expressions]

    def text(self, expression: sp.Expr) -> str:
        """Print an expression for a source."""
        return printed(expression, self._moving)

    def text_at_start(self, expression: sp.Expr) -> str:
        """Print its value at the start, in parameters."""
        return printed(expression, self._at_start)


def _capacitance(system: System) -> float:
    """Return the capacitance of the device at rest [F]: on such a capacitor its charge is a voltage of order one."""
    rest = {VOLTAGE.name: 0.0, AMBIENT.name: 300.0} | system.values
    rest |= {state.name: x for state, x in zip(system.states, system.start, strict=True)}
    slope = system.charge.diff(VOLTAGE)
    return float(slope.subs({symbol: rest[symbol.name] for symbol in slope.free_symbols}))
