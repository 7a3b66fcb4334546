"""A device model as LaTeX: its equations and a table of its parameters."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from nvmphys.devices.model import TEMPERATURE, VOLTAGE, DeviceModel

TARGET = "latex"


def generate(model: DeviceModel, values: Mapping[str, float]) -> str:
    """Return equations (`align`) and parameters (`tabular`), to be put into a document with amsmath."""
    equations = [rf"I &= {sp.latex(model.current)}", rf"{sp.latex(TEMPERATURE)} &= {sp.latex(model.temperature)}"]
    equations += [
        rf"\frac{{\mathrm{{d}}{sp.latex(state.symbol)}}}{{\mathrm{{d}}t}} &= {sp.latex(rate)}"
        for state, rate in zip(model.states, model.state_rate, strict=True)
    ]
    rows = []
    for parameter in model.parameters:
        words = " & ".join(_text(word) for word in (parameter.unit, parameter.about, parameter.source))
        rows.append(rf"${sp.latex(sp.Symbol(parameter.name))}$ & {values[parameter.name]:g} & {words} \\")
    head = rf"% {model.title}; ${sp.latex(VOLTAGE)}$ is the voltage behind the series resistance"
    table = [r"\begin{tabular}{llllp{5cm}}", r"parameter & value & unit & meaning & source \\", *rows, r"\end{tabular}"]
    return "\n".join([head, r"\begin{align}", " \\\\\n".join(equations), r"\end{align}", *table, ""])


def _text(words: str) -> str:
    """Return words with what LaTeX takes for commands written out."""
    return words.replace("%", r"\%").replace("&", r"\&").replace("_", r"\_")
