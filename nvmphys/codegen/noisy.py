"""Noise drawn beforehand in a circuit: a subcircuit around that of a device, which multiplies its current by a path.

Noise of the circuit simulator itself would be drawn anew in each run and by its steps of time; a path is the same in
every run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.codegen._circuit import checked_name
from nvmphys.devices.model import DeviceModel
from nvmphys.errors import BadInput

EDGE = 1e-3
"""Length of the edge between two values of a path, as share of the shorter of the steps beside it."""


def noisy_subcircuit(
    model: DeviceModel, time_s: ArrayLike, factor: ArrayLike, *, inside: str | None = None, name: str | None = None
) -> str:
    """Return an ngspice subcircuit `<name> p n`: a device whose current is multiplied by a path.

    A transistor has a third node d, as in its generated code, and it is the drain current that is multiplied.

    The path is held from each time to the next, with edges that begin at the times; before the first and after the last
    it keeps those values.

    Parameters
    ----------
    model : DeviceModel
    time_s : array_like (time,)
        Increasing, from 0 on [s].
    factor : array_like (time,)
        Current over the current without noise, of one device (:func:`nvmphys.simulate.noise.noise_paths`).
    inside : str, optional
        What the subcircuit of the device itself is called, from :func:`nvmphys.codegen.generate` for `ngspice`; the
        model's name by default.
    name : str, optional
        `<inside>_noisy` by default.

    Returns
    -------
    str

    Raises
    ------
    BadInput
        "name …" that a circuit could mistake; times and factors that are not alike in number, finite and increasing.

    Examples
    --------
    >>> from nvmphys.devices import device
    >>> print(noisy_subcircuit(device("rram_gap"), [0.0, 1.0], [1.01, 0.99]))
    .subckt rram_gap_noisy p n
    Vs p s 0
    X1 s n rram_gap
    Vpath path 0 PWL(
    + 0.0 1.01
    + 1.0 1.01
    + 1.001 0.99)
    Bnoise p n I=i(Vs)*(v(path)-1)
    .ends rram_gap_noisy
    <BLANKLINE>
    """
    inner = checked_name(inside or model.name)
    outer = checked_name(name or f"{inner}_noisy")
    times, values = np.atleast_1d(np.asarray(time_s, dtype=float)), np.atleast_1d(np.asarray(factor, dtype=float))
    good = times.shape == values.shape and times.ndim == 1 and times.size > 1 and np.isfinite(times + values).all()
    if not good or times[0] < 0 or (np.diff(times) <= 0).any():
        raise BadInput("time_s must increase from 0 s on or later, with a finite factor of one device for each time")
    edges = EDGE * np.minimum(np.diff(times), np.append(np.diff(times)[1:], np.inf))
    corners = [(times[0], values[0])]
    for at, edge, before, after in zip(times[1:], edges, values, values[1:], strict=False):
        corners += [(at, before), (at + edge, after)]
    path = "".join(f"\n+ {float(at)!r} {float(value)!r}" for at, value in corners)
    nodes, within, end = ("p n", "s n", "p") if model.drain is None else ("p n d", "p n s", "d")
    return "\n".join(
        [
            f".subckt {outer} {nodes}", f"Vs {end} s 0", f"X1 {within} {inner}", f"Vpath path 0 PWL({path})",
            f"Bnoise {end} n I=i(Vs)*(v(path)-1)", f".ends {outer}", "",
        ]
    )  # fmt: skip
