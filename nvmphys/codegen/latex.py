"""A device model as LaTeX: its equations and a table of its parameters."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from nvmphys.devices.model import APPLIED, CELL, CURRENT, VOLTAGE, DeviceModel, System, symbol

TARGET = "latex"
SUFFIX = ".tex"
THROUGH = {CURRENT: "I"}


def generate(model: DeviceModel, system: System, name: str, head: Sequence[str]) -> str:
    """Return equations (`align`) and parameters (`tabular`), to be put into a document with amsmath.

    The equations are those of the model, before units stand side by side and the temperature is put in.
    """
    equations = [rf"I &= {sp.latex(model.current, symbol_names=THROUGH)}"]
    in_series = model.drop + (0 if model.series is None else symbol(model.series) * CURRENT)
    if in_series != 0 or model.access is not None:
        outside = APPLIED if model.access is None else CELL
        equations.append(rf"{sp.latex(outside)} &= {sp.latex(VOLTAGE + in_series, symbol_names=THROUGH)}")
    if model.access is not None:
        equations.append(rf"I &= {sp.latex(model.access.current)}")
    if model.charge != 0:
        equations.append(rf"Q &= {sp.latex(model.charge)}")
    if model.drain is not None:
        equations.append(rf"I_D &= {sp.latex(model.drain)}")
    if model.thermal is not None:
        heat = sp.latex(model.thermal.power, symbol_names=THROUGH)
        rth, cth = sp.latex(model.thermal.kelvin_per_watt), sp.latex(sp.Symbol(model.thermal.capacitance))
        equations.append(rf"{cth} \frac{{\mathrm{{d}}T}}{{\mathrm{{d}}t}} &= {heat} - \frac{{T - T_{{amb}}}}{{{rth}}}")
    equations += [
        rf"\frac{{\mathrm{{d}}{sp.latex(state.symbol)}}}{{\mathrm{{d}}t}} &= {sp.latex(rate)}"
        for state, rate in zip(model.states, model.state_rate, strict=True)
    ]
    rows = []
    for parameter in model.parameters:
        words = " & ".join(_text(word) for word in (parameter.unit, parameter.about, parameter.source))
        value = f"{system.values[parameter.name]:g}" if parameter.name in system.values else "one for each unit"
        rows.append(rf"${sp.latex(sp.Symbol(parameter.name))}$ & {value} & {words} \\")
    note = f"{sp.latex(VOLTAGE)} is the voltage behind what is in series; states in units of their scales"
    table = [r"\begin{tabular}{llllp{5cm}}", r"parameter & value & unit & meaning & source \\", *rows, r"\end{tabular}"]
    heading = [f"% {line}" for line in (*head, note)]
    return "\n".join([*heading, r"\begin{align}", " \\\\\n".join(equations), r"\end{align}", *table, ""])


def _text(words: str) -> str:
    """Return words with what LaTeX takes for commands written out."""
    return words.replace("%", r"\%").replace("&", r"\&").replace("_", r"\_")
