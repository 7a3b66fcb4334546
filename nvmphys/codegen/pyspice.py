"""A device model as a PySpice subcircuit: as an object here, or as a Python module of its own.

PySpice is imported where it is asked for: `pip install 'nvmphys[pyspice]'`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nvmphys.codegen import ngspice
from nvmphys.codegen._circuit import checked_name, one_line
from nvmphys.devices.model import DeviceModel, System
from nvmphys.errors import MissingTool

TARGET = "pyspice"
SUFFIX = "_pyspice.py"


def subcircuit(
    model: DeviceModel,
    values: Mapping[str, float] | None = None,
    *,
    units: Sequence[Mapping[str, float]] | None = None,
    start: Mapping[str, float] | None = None,
    name: str | None = None,
    provenance: Sequence[str] = (),
) -> Any:
    """Return a device model as a `PySpice.Spice.Netlist.SubCircuit` with the nodes `p` and `n` (and `d`, a drain).

    Put it in with `circuit.subcircuit(made)` and use it as `circuit.X("1", made.name, "a", circuit.gnd)`; values and
    initial states `<state>_0` are its parameters. Transients need `use_initial_condition=True`.

    Parameters
    ----------
    model : DeviceModel
    values, units, start, name, provenance
        As of `nvmphys.codegen.generate`.

    Raises
    ------
    MissingTool
        PySpice is not installed.
    BadInput
        Unknown parameter, a value out of bounds, or a state outside its range.

    Examples
    --------
    >>> from nvmphys.devices import device
    >>> made = subcircuit(device("rram_gap"), {"Ea": 0.7})  # doctest: +SKIP
    >>> circuit.subcircuit(made)  # doctest: +SKIP
    >>> circuit.X("1", made.name, "a", circuit.gnd)  # doctest: +SKIP
    """
    try:
        from PySpice.Spice.Netlist import SubCircuit
    except ImportError as error:
        raise MissingTool(
            f"PySpice is needed for subcircuits of it and cannot be imported ({error}): pip install 'nvmphys[pyspice]'"
        ) from None
    system = model.system(model.values(values), units, start)
    name = checked_name(name or model.name)
    parameters, body = _parts(model, system, name)
    made = SubCircuit(name, *_nodes(system))
    made.parameters.update(parameters)
    made.raw_spice = "\n".join([*(f"* {one_line(line)}" for line in provenance), *body])
    return made


def generate(model: DeviceModel, system: System, name: str, head: Sequence[str]) -> str:
    """Return a module with `PARAMETERS` and a function `subcircuit`, which needs PySpice alone."""
    parameters, body = _parts(model, system, name)
    about = [line.replace("\\", "/").replace('"', "'") for line in head]
    use = [
        f'made = subcircuit(); circuit.subcircuit(made); circuit.X("1", "{name}", "a", circuit.gnd)',
        "Run transients with use_initial_condition=True, so that the states start where the parameters say.",
    ]
    return "\n".join(
        [
            '"""' + "\n\n".join([*about, *use]),
            '"""',
            "",
            "from PySpice.Spice.Netlist import SubCircuit",
            "",
            f"NAME = {name!r}",
            "PARAMETERS = {",
            *(f"    {key!r}: {value!r}," for key, value in parameters.items()),
            "}",
            "BODY = [",
            *(f"    {line!r}," for line in body),
            "]",
            "",
            "",
            "def subcircuit(**changed):",
            f'    """Return the subcircuit with the nodes {", ".join(_nodes(system))}, some parameters changed."""',
            "    unknown = changed.keys() - PARAMETERS.keys()",
            "    if unknown:",
            "        raise TypeError(f\"unknown parameter {', '.join(sorted(unknown))}\")",
            f"    made = SubCircuit(NAME, {', '.join(map(repr, _nodes(system)))})",
            "    made.parameters.update(PARAMETERS | changed)",
            '    made.raw_spice = "\\n".join(BODY)',
            "    return made",
            "",
        ]
    )


def _nodes(system: System) -> tuple[str, ...]:
    return ("p", "n") if system.drain is None else ("p", "n", "d")


def _parts(model: DeviceModel, system: System, name: str) -> tuple[dict[str, Any], list[str]]:
    """Return the parameters of the ngspice subcircuit and the lines between its first and its last."""
    lines = ngspice.generate(model, system, name, ()).splitlines()
    body = [line for line in lines if not line.startswith((".subckt ", ".ends ", "+"))]
    return system.start_values | {key: float(value) for key, value in system.values.items()}, body
