"""The ngspice deck of a crossbar, and its result read back.

The deck is written straight from the circuit, without the graph of `nvmphys.crossbar.nodal`: the two check each other.
Every name in it is made here, of `[a-z0-9_]`; every number is the shortest text that reads back as the same double.
A resistance of 0 is left out and its nodes share a name, because ngspice puts its own minimum in its place (1 mΩ in
version 39); open cells are left out as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.crossbar.array import Crossbar, Solution
from nvmphys.crossbar.ngspice import Plot
from nvmphys.crossbar.nodal import Network
from nvmphys.errors import BadInput


def operating_point_options(*, klu: bool) -> str:
    """Return the ngspice options for an operating point, with or without the KLU solver.

    Examples
    --------
    >>> operating_point_options(klu=True)
    'reltol=1e-6 abstol=1e-15 vntol=1e-9 klu'
    """
    return "reltol=1e-6 abstol=1e-15 vntol=1e-9" + (" klu" if klu else "")


def operating_point_deck(crossbar: Crossbar, v: ArrayLike, *, klu: bool = False) -> str:
    """Write the deck of one operating point.

    Parameters
    ----------
    crossbar : Crossbar
    v : array_like, (word_line,)
        Voltages at the drivers [V].
    klu : bool, optional
        Ask for the KLU solver, where `Ngspice.has_klu`.

    Returns
    -------
    str
        Sources `vin_<word line>`, cells `rc_<word line>_<bit line>`, segments `rw_…` and `rb_…`, and sense terminals
        `vout_<bit line>` of 0 V that carry the output currents.

    Raises
    ------
    BadInput
        "v must be one vector …": an operating point has no batch.

    Examples
    --------
    >>> print(operating_point_deck(Crossbar([[1e-4]], r_word_line_ohm=0, r_bit_line_ohm=2, r_sense_ohm=5), [0.2]))
    crossbar, 1 word lines, 1 bit lines, operating point
    vin_0 in_0 0 dc 0.2
    vout_0 out_0 0 dc 0
    rb_0_0 out_0 b_0_0 7.0
    rc_0_0 in_0 b_0_0 10000.0
    .options reltol=1e-6 abstol=1e-15 vntol=1e-9
    .op
    .end
    """
    voltages = crossbar.check_voltages(v)
    if voltages.ndim != 1:
        raise BadInput(
            f"v must be one vector for an operating point (got shape {voltages.shape}): pass its columns singly"
        )
    word_lines, bit_lines = crossbar.shape
    word, bit = node_names(crossbar)
    lines = [f"crossbar, {word_lines} word lines, {bit_lines} bit lines, operating point"]
    lines += [f"vin_{i} in_{i} 0 dc {float(voltage)!r}" for i, voltage in enumerate(voltages)]
    lines += [f"vout_{j} out_{j} 0 dc 0" for j in range(bit_lines)]
    for i in range(word_lines):
        lines += _segments(f"rw_{i}", [f"in_{i}", *word[i]], crossbar.r_word_line_ohm, crossbar.r_driver_ohm)
    for j in range(bit_lines):
        upwards = [row[j] for row in reversed(bit)]
        lines += _segments(f"rb_{j}", [f"out_{j}", *upwards], crossbar.r_bit_line_ohm, crossbar.r_sense_ohm)
    for i, j in np.argwhere(crossbar.conductance_S):
        lines.append(f"rc_{i}_{j} {word[i][j]} {bit[i][j]} {1 / float(crossbar.conductance_S[i, j])!r}")
    return "\n".join([*lines, f".options {operating_point_options(klu=klu)}", ".op", ".end", ""])


def read_operating_point(crossbar: Crossbar, v: ArrayLike, plot: Plot) -> Solution:
    """Read the solution of `operating_point_deck(crossbar, v)` from the raw file ngspice wrote for it.

    Returns
    -------
    Solution
        With the residual of ngspice's node voltages in the equations of `nvmphys.crossbar.nodal`.

    Raises
    ------
    CheckFailed
        "ngspice wrote no vector …".

    Examples
    --------
    >>> cell = Crossbar([[1e-3]], r_word_line_ohm=0, r_bit_line_ohm=0)
    >>> plot = Plot("Operating Point", ("v(in_0)", "v(out_0)", "i(vout_0)"), np.array([[0.2, 0.0, 2e-4]]))
    >>> read_operating_point(cell, [0.2], plot).current_A
    array([0.0002])
    """
    voltages = crossbar.check_voltages(v)
    word, bit = node_names(crossbar)
    word_V, bit_V = (np.array([[plot[f"v({name})"][0] for name in row] for row in names]) for names in (word, bit))
    network = Network.of(crossbar)
    node_V = network.ideal_voltages(np.concatenate([voltages, np.zeros(crossbar.shape[1])])[:, np.newaxis])
    node_V[network.word_node, 0], node_V[network.bit_node, 0] = word_V, bit_V
    return Solution(
        applied_V=voltages,
        word_line_V=word_V,
        bit_line_V=bit_V,
        current_A=np.array([plot[f"i(vout_{j})"][0] for j in range(crossbar.shape[1])]),
        residual=network.residual(network.branch_S * (network.incidence @ node_V)),
        method="ngspice",
    )


def node_names(crossbar: Crossbar) -> tuple[list[list[str]], list[list[str]]]:
    """Return the names of the word-line and of the bit-line node of each cell, nested [word line][bit line].

    Examples
    --------
    >>> node_names(Crossbar([[1e-4, 1e-5]], r_word_line_ohm=1, r_bit_line_ohm=0))
    ([['w_0_0', 'w_0_1']], [['out_0', 'out_1']])
    """
    word_lines, bit_lines = crossbar.shape
    word = "w_{i}_{j}" if crossbar.r_word_line_ohm else "w_{i}" if crossbar.r_driver_ohm else "in_{i}"
    bit = "b_{i}_{j}" if crossbar.r_bit_line_ohm else "b_{j}" if crossbar.r_sense_ohm else "out_{j}"
    named_word, named_bit = (
        [[name.format(i=i, j=j) for j in range(bit_lines)] for i in range(word_lines)] for name in (word, bit)
    )
    return named_word, named_bit


def _segments(name: str, nodes: list[str], r_segment: float, r_end: float) -> Iterator[str]:
    """Yield the resistors of one line, `nodes` counted from its terminal."""
    for k, (begin, end) in enumerate(itertools.pairwise(nodes)):
        resistance = r_segment + (r_end if k == 0 else 0.0)
        if resistance:
            yield f"{name}_{k} {begin} {end} {resistance!r}"
