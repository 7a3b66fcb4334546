"""The ngspice deck of a crossbar, and its result read back.

The deck is written straight from the circuit, without the graph of `nvmphys.crossbar.nodal`: the two check each other.
Every name in it is made here, of `[a-z0-9_]`; every number is the shortest text that reads back as the same double.
A resistance of 0 is left out and its nodes share a name, because ngspice puts its own minimum in its place (1 mΩ in
version 39); open cells and infinite resistances are left out as well. A node that nothing joins to a source makes
ngspice's matrix singular, and it says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from nvmphys.crossbar.array import Crossbar
from nvmphys.crossbar.ngspice import Plot
from nvmphys.crossbar.operating_point import imbalance_at
from nvmphys.crossbar.solution import Solution
from nvmphys.crossbar.stimulus import Stimulus
from nvmphys.errors import BadInput


def operating_point_options(*, klu: bool, linear: bool = True) -> str:
    """Return the ngspice options for an operating point, with or without the KLU solver.

    Cells that are not linear are iterated until no voltage moves by `vntol`: with 1e-9 V the last iteration shows in
    the seventh digit, with 1e-12 V not in the eleventh.

    Examples
    --------
    >>> operating_point_options(klu=True)
    'reltol=1e-6 abstol=1e-15 vntol=1e-9 klu'
    >>> operating_point_options(klu=False, linear=False)
    'reltol=1e-9 abstol=1e-18 vntol=1e-12 itl1=1000'
    """
    tolerances = "reltol=1e-6 abstol=1e-15 vntol=1e-9" if linear else "reltol=1e-9 abstol=1e-18 vntol=1e-12 itl1=1000"
    return tolerances + (" klu" if klu else "")


def operating_point_deck(
    crossbar: Crossbar, v: ArrayLike, *, sense_V: ArrayLike = 0.0, klu: bool = False, outputs_only: bool = False
) -> str:
    """Write the deck of one operating point.

    Parameters
    ----------
    crossbar : Crossbar
    v : array_like, (word_line,)
        Voltages at the drivers [V].
    sense_V : float or array_like, (bit_line,), optional
        Voltages at the sense amplifiers [V].
    klu : bool, optional
        Ask for the KLU solver, where `Ngspice.has_klu`.
    outputs_only : bool, optional
        Keep the output currents alone in the raw file: what a Monte Carlo needs.

    Returns
    -------
    str
        Sources `vin_<word line>`, cells `rc_<word line>_<bit line>`, segments `rw_…` and `rb_…`, and sense terminals
        `vout_<bit line>` that carry the output currents.

    Raises
    ------
    BadInput
        "v must be one vector …": an operating point has no batch.

    Examples
    --------
    >>> print(operating_point_deck(Crossbar([[1e-4]], r_word_line_ohm=0, r_bit_line_ohm=2, r_sense_ohm=5), [0.2]))
    crossbar, 1 word lines, 1 bit lines, operating point
    vin_0 in_0 0 dc 0.2
    vout_0 out_0 0 dc 0.0
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
    sense_voltages = crossbar.check_sense_voltages(sense_V, ())
    word_lines, bit_lines = crossbar.shape
    lines = [f"crossbar, {word_lines} word lines, {bit_lines} bit lines, operating point"]
    lines += [f"vin_{i} in_{i} 0 dc {float(voltage)!r}" for i, voltage in enumerate(voltages)]
    lines += [f"vout_{j} out_{j} 0 dc {float(voltage)!r}" for j, voltage in enumerate(sense_voltages)]
    lines += lines_and_cells(crossbar, *node_names(crossbar))
    if outputs_only:
        lines.append(f".save {' '.join(output_names(crossbar))}")
    options = operating_point_options(klu=klu, linear=crossbar.cell.linear)
    return "\n".join([*lines, f".options {options}", ".op", ".end", ""])


def lines_and_cells(crossbar: Crossbar, word: list[list[str]], bit: list[list[str]]) -> Iterator[str]:
    """Yield the cards of all segments, what cells need once, and those of all cells."""
    word_lines, bit_lines = crossbar.shape
    for i in range(word_lines):
        yield from _segments(f"rw_{i}", [f"in_{i}", *word[i], f"in_{i}"], crossbar.word_branches_ohm[i])
    for j in range(bit_lines):
        upwards = [row[j] for row in reversed(bit)]
        yield from _segments(f"rb_{j}", [f"out_{j}", *upwards, f"out_{j}"], crossbar.bit_branches_ohm[j])
    yield from filter(None, [crossbar.cell.spice_models()])
    for i, j in np.argwhere(crossbar.conductance_S).tolist():
        yield crossbar.cell.spice_card((i, j), word[i][j], bit[i][j], float(crossbar.conductance_S[i, j]))


def output_names(crossbar: Crossbar) -> list[str]:
    """Return the names of the vectors that hold the output currents, one per bit line.

    >>> output_names(Crossbar([[1e-4, 1e-5]], 0, 0))
    ['i(vout_0)', 'i(vout_1)']
    """
    return [f"i(vout_{j})" for j in range(crossbar.shape[1])]


def transient_options(*, klu: bool) -> str:
    """Return the ngspice options for a transient, with or without the KLU solver.

    `chgtol` is below the charge of a femtofarad at a nanovolt; `trtol=1` takes the error estimate at its word.

    >>> transient_options(klu=False)
    'reltol=1e-5 abstol=1e-15 vntol=1e-12 chgtol=1e-24 trtol=1 itl1=1000'
    """
    return "reltol=1e-5 abstol=1e-15 vntol=1e-12 chgtol=1e-24 trtol=1 itl1=1000" + (" klu" if klu else "")


def transient_deck(crossbar: Crossbar, stimulus: Stimulus, until_s: float, step_s: float, *, klu: bool = False) -> str:
    """Write the deck of a transient, whose raw file holds the output currents.

    Parameters
    ----------
    crossbar : Crossbar
        With `capacitance`.
    stimulus : Stimulus
    until_s, step_s : float
        End and longest step [s]. Step size is where ngspice's error comes from: shorten it until nothing changes.
    klu : bool, optional
        Ask for the KLU solver, where `Ngspice.has_klu`.

    Returns
    -------
    str
        As `operating_point_deck`, the sources straight from corner to corner (PWL), and capacitors `cw_…`, `cb_…` and
        `cc_…` of word lines, bit lines and cells.

    Raises
    ------
    BadInput
        "step_s must …", "driver_V must …", "sense_V must …".

    Examples
    --------
    >>> from nvmphys.crossbar import Capacitance
    >>> cell = Crossbar([[1e-4]], 0, 2, capacitance=Capacitance(bit_line_F=1e-15))
    >>> print(transient_deck(cell, Stimulus([0, 1e-9], [[0, 0.2]]), until_s=4e-9, step_s=1e-12))
    crossbar, 1 word lines, 1 bit lines, transient
    vin_0 in_0 0 pwl(0.0 0.0 1e-09 0.2)
    vout_0 out_0 0 dc 0.0
    rb_0_0 out_0 b_0_0 2.0
    rc_0_0 in_0 b_0_0 10000.0
    cb_0_0 b_0_0 0 1e-15
    .options reltol=1e-5 abstol=1e-15 vntol=1e-12 chgtol=1e-24 trtol=1 itl1=1000
    .save i(vout_0)
    .tran 1e-12 4e-09 0 1e-12
    .end
    """
    if not 0 < step_s <= until_s < np.inf:
        raise BadInput(f"step_s must lie between 0 and until_s (got {step_s:g} s of {until_s:g} s)")
    (word_lines, bit_lines), (word, bit) = crossbar.shape, node_names(crossbar)
    volts = stimulus.of_terminals(crossbar.shape)
    names = [f"in_{i}" for i in range(word_lines)] + [f"out_{j}" for j in range(bit_lines)]
    lines = [f"crossbar, {word_lines} word lines, {bit_lines} bit lines, transient"]
    lines += [f"v{name} {name} 0 {over_time(stimulus.time_s, own)}" for name, own in zip(names, volts, strict=True)]
    lines += lines_and_cells(crossbar, word, bit)
    lines += capacitors(crossbar, word, bit)
    lines += [f".options {transient_options(klu=klu)}", f".save {' '.join(output_names(crossbar))}"]
    return "\n".join([*lines, f".tran {float(step_s)!r} {float(until_s)!r} 0 {float(step_s)!r}", ".end", ""])


def capacitors(crossbar: Crossbar, word: list[list[str]], bit: list[list[str]]) -> Iterator[str]:
    """Yield the capacitors of word lines, bit lines and cells."""
    farads = crossbar.capacitance.of_nodes(crossbar.shape)
    for i, j in np.ndindex(crossbar.shape):
        ends = (("cw", word[i][j], "0"), ("cb", bit[i][j], "0"), ("cc", word[i][j], bit[i][j]))
        for (name, begin, end), own in zip(ends, farads, strict=True):
            if own[i, j] > 0:
                yield f"{name}_{i}_{j} {begin} {end} {float(own[i, j])!r}"


def over_time(time_s: np.ndarray, volts: np.ndarray) -> str:
    """Return what follows the nodes of a source: its voltage, or the corners of it."""
    if (volts == volts[0]).all():
        return f"dc {float(volts[0])!r}"
    return f"pwl({' '.join(f'{t!r} {v!r}' for t, v in zip(time_s.tolist(), volts.tolist(), strict=True))})"


def read_operating_point(crossbar: Crossbar, v: ArrayLike, plot: Plot, *, sense_V: ArrayLike = 0.0) -> Solution:
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
    return Solution(
        applied_V=voltages,
        sense_V=crossbar.check_sense_voltages(sense_V, ()),
        word_line_V=word_V,
        bit_line_V=bit_V,
        cell_current_A=crossbar.cell.state(crossbar.conductance_S, word_V, bit_V).current_A,
        current_A=np.array([plot[name][0] for name in output_names(crossbar)]),
        residual=imbalance_at(crossbar, voltages, sense_V, word_V, bit_V),
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
    words = [
        _line_names(f"in_{i}", [f"w_{i}_{j}" for j in range(bit_lines)], crossbar.word_branches_ohm[i])
        for i in range(word_lines)
    ]
    bits = [
        _line_names(f"out_{j}", [f"b_{i}_{j}" for i in reversed(range(word_lines))], crossbar.bit_branches_ohm[j])
        for j in range(bit_lines)
    ]
    return words, [list(row) for row in zip(*(line[::-1] for line in bits), strict=True)]


def _line_names(terminal: str, own: list[str], resistance: np.ndarray) -> list[str]:
    """Return the names along a line from its terminal on: a node takes the name of one it is joined to by 0 ohm."""
    names: list[str] = []
    for name, before in zip(own, resistance, strict=False):
        last = names[-1] if names else terminal
        names.append(name if before else last)
    joined = own[-1] if resistance[-1] else terminal
    if joined == terminal:  # from the far end back
        for k in range(len(names) - 1, -1, -1):
            names[k] = terminal
            if resistance[k]:
                break
    return names


def _segments(name: str, nodes: list[str], resistance: np.ndarray) -> Iterator[str]:
    """Yield the resistors of one line, `nodes` counted from its terminal to the same at the far end."""
    for k, ((begin, end), ohm) in enumerate(zip(itertools.pairwise(nodes), resistance.tolist(), strict=True)):
        if 0 < ohm < np.inf:
            yield f"{name}_{k} {begin} {end} {ohm!r}"
