"""Noise drawn beforehand in a circuit: a subcircuit around that of a device, which multiplies its current by a path.

Noise of the circuit simulator itself would be drawn anew in each run and by its steps of time; a path is the same in
every run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.codegen._circuit import checked_name
from nvmphys.errors import BadInput

EDGE = 1e-3
"""Length of the edge between two values of a path, as share of the shorter of the steps beside it."""


def noisy_subcircuit(inside: str, time_s: ArrayLike, factor: ArrayLike, *, name: str | None = None) -> str:
    """Return an ngspice subcircuit `<name> p n`: a device whose current is multiplied by a path.

    The path is held from each time to the next, with edges that begin at the times; before the first and after the last
    it keeps those values.

    Parameters
    ----------
    inside : str
        What the subcircuit of the device is called (:func:`nvmphys.codegen.generate` for `ngspice`).
    time_s : array_like (time,)
        Increasing, from 0 on [s].
    factor : array_like (time,)
        Current over the current without noise, of one device (:func:`nvmphys.simulate.noise.noise_paths`).
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
    >>> print(noisy_subcircuit("rram_gap", [0.0, 1.0], [1.01, 0.99]))
    .subckt rram_gap_noisy p n
    X1 p s rram_gap
    Vs s n 0
    Vpath path 0 PWL(
    + 0.0 1.01
    + 1.0 1.01
    + 1.001 0.99)
    Bnoise p n I=i(Vs)*(v(path)-1)
    .ends rram_gap_noisy
    <BLANKLINE>
    """
    inner, outer = checked_name(inside), checked_name(name or f"{inside}_noisy")
    times, values = np.atleast_1d(np.asarray(time_s, dtype=float)), np.atleast_1d(np.asarray(factor, dtype=float))
    good = times.shape == values.shape and times.ndim == 1 and times.size > 1 and np.isfinite(times + values).all()
    if not good or times[0] < 0 or (np.diff(times) <= 0).any():
        raise BadInput("time_s must increase from 0 s on or later, with a finite factor of one device for each time")
    edges = EDGE * np.minimum(np.diff(times), np.append(np.diff(times)[1:], np.inf))
    corners = [(times[0], values[0])]
    for at, edge, before, after in zip(times[1:], edges, values, values[1:], strict=False):
        corners += [(at, before), (at + edge, after)]
    path = "".join(f"\n+ {float(at)!r} {float(value)!r}" for at, value in corners)
    return "\n".join(
        [
            f".subckt {outer} p n", f"X1 p s {inner}", "Vs s n 0", f"Vpath path 0 PWL({path})",
            "Bnoise p n I=i(Vs)*(v(path)-1)", f".ends {outer}", "",
        ]
    )  # fmt: skip
