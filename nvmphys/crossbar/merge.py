"""The complete effective conductance matrix of a crossbar of linear cells, by joining tiles.

A tile of cells is known by the conductances between each two of its ports, the ends of its lines: an equivalent circuit
of the tile. Two neighbours are joined at the ports they share, which then are inner nodes and go by star–mesh
transforms: node k with conductances c_ki to the others leaves

    c_ij ← c_ij + c_ik·c_kj / Σ_l c_kl

behind. All sums are of positive numbers, so every conductance keeps its relative accuracy, be the wires 1e10 times
better than the cells; the usual Schur complement of a nodal matrix loses that many digits. (W. K. Grassmann,
M. I. Taksar and D. P. Heyman, Oper. Res. 33, 1107 (1985), doi:10.1287/opre.33.5.1107, for Markov chains; A. S. Alfa,
J. Xue and Q. Ye, Math. Comp. 71, 217 (2002), doi:10.1090/S0025-5718-01-01325-4.)
Many nodes at a time are a Cholesky factorisation whose pivots are such sums, a triangular solve and a symmetric
product.

Tiles start as cells and are joined in pairs along both directions by turns: O(n³) operations, of which the last two
rounds are three quarters. Tiles at the far edges differ (their far ends are open or terminals, and what is left over of
an odd number is joined to them), so tiles are kept in four groups: regular or last along either direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from nvmphys.crossbar.blas import dsyrk, dtrsm

if TYPE_CHECKING:
    from nvmphys.crossbar.array import Crossbar

Array = np.ndarray

WORD_NEAR, WORD_FAR, BIT_NEAR, BIT_FAR = range(4)
ALONG_WORD, ALONG_BIT = range(2)

SMALL_SHARED = 8
"""With fewer shared ports many tiles are joined side by side; from there on one after the other, by BLAS."""

LANE_DOUBLES = 2**15
"""Working set of tiles joined side by side."""

PANEL = 32
"""Rows of a factorisation between symmetric products."""

BLOCK = 16
"""Side of the blocks in which a matrix is turned over."""

IDEAL = 1e25
"""A resistance of 0 conducts so many times better than the best of the others: below rounding, far from overflow."""


@dataclass(frozen=True, eq=False)
class _Tiles:
    """Tiles of one kind, rows × columns of them, counted from the near ends.

    `c_S` holds the conductances between ports: (port, port, tile) while tiles are small, then (tile, port, port). The
    diagonal has no meaning. `sides` are the numbers of the ports at the four ends.
    """

    c_S: np.ndarray
    rows: int
    columns: int
    sides: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


_Group = tuple[int, int]
"""Whether tiles are the last along the bit lines (rows), and along the word lines (columns): 0 or 1 each."""


def merged_conductance(crossbar: Crossbar) -> np.ndarray:
    """Return the effective conductance matrix of an array of linear cells.

    Parameters
    ----------
    crossbar : Crossbar

    Returns
    -------
    ndarray, (bit_line, word_line)
        Output current per volt at each driver [S].

    Examples
    --------
    >>> from nvmphys.crossbar import Crossbar
    >>> merged_conductance(Crossbar([[1e-3, 0.0]], r_word_line_ohm=100, r_bit_line_ohm=400)) * 1500
    array([[1.],
           [0.]])
    """
    groups = _cells(crossbar)
    wide, height, width = True, 1, 1
    while groups[0, 0].rows or groups[0, 0].columns:
        rows, columns = groups[0, 0].rows, groups[0, 0].columns
        along = ALONG_WORD if columns and (width <= height or not rows) else ALONG_BIT
        shared = height if along == ALONG_WORD else width
        if wide and shared >= SMALL_SHARED:
            groups = {group: _one_by_one(tiles) for group, tiles in groups.items()}
            wide = False
        groups = _round(groups, along, wide)
        if along == ALONG_WORD:
            width *= 2
        else:
            height *= 2
    whole = groups[1, 1]
    c_S = whole.c_S[..., 0] if wide else whole.c_S[0]
    effective = np.zeros(crossbar.shape[::-1])
    for outputs in (whole.sides[BIT_NEAR], whole.sides[BIT_FAR]):
        for inputs in (whole.sides[WORD_NEAR], whole.sides[WORD_FAR]):
            if len(outputs) and len(inputs):
                effective += c_S[np.ix_(outputs, inputs[::-1])]  # rows were counted from the senses up
    return effective


def _cells(crossbar: Crossbar) -> dict[_Group, _Tiles]:
    """Return each cell as a tile, with the branches in front of it; rows are counted from the senses up."""
    m, n = crossbar.shape
    cell_S = crossbar.conductance_S[::-1]
    word_S, bit_S = _conductances(crossbar.word_branches_ohm[::-1], crossbar.bit_branches_ohm.T, cell_S)
    far_word, far_bit = bool(word_S[:, -1].any()), bool(bit_S[-1].any())
    groups = {}
    for last_row in (0, 1):
        for last_column in (0, 1):
            at = (slice(m - 1, m) if last_row else slice(m - 1), slice(n - 1, n) if last_column else slice(n - 1))
            rows, columns = cell_S[at].shape
            c_S = np.zeros((6, 6, rows * columns))
            pairs = ((0, 1, word_S[:, :-1][at]), (1, 2, cell_S[at]), (2, 3, bit_S[:-1][at]))
            for a, b, value in pairs:
                c_S[a, b] = c_S[b, a] = value.ravel()
            keep = [0, 1, 2, 3]  # near end, node of the word line, node of the bit line, near end
            if last_column:
                c_S[1, 4] = c_S[4, 1] = np.broadcast_to(word_S[at[0], -1:], (rows, 1)).ravel()
                keep = [port for port in (*keep, 4) if port != 1 and (port != 4 or far_word)]
            if last_row:
                c_S[2, 5] = c_S[5, 2] = np.broadcast_to(bit_S[-1:, at[1]], (1, columns)).ravel()
                keep = [port for port in (*keep, 5) if port != 2 and (port != 5 or far_bit)]
            for node in (1, 2):
                if node not in keep:
                    _star_to_mesh(c_S, node)
            far = [4 if last_column else 1, 5 if last_row else 2]
            sides = tuple(np.flatnonzero(np.array(keep) == port) for port in (0, far[0], 3, far[1]))
            groups[last_row, last_column] = _Tiles(
                np.ascontiguousarray(c_S[np.ix_(keep, keep)]),
                rows,
                columns,
                sides,  # type: ignore[arg-type]
            )
    return groups


def _conductances(word_ohm: np.ndarray, bit_ohm: np.ndarray, cell_S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the conductances of all branches; resistances of 0 are negligible ones."""
    with np.errstate(divide="ignore"):
        word_S, bit_S = 1 / word_ohm, 1 / bit_ohm
    best = max(float(part[np.isfinite(part)].max(initial=1 / 1e9)) for part in (word_S, bit_S, cell_S))
    for part in (word_S, bit_S):
        part[np.isinf(part)] = IDEAL * best
    return word_S, bit_S


def _star_to_mesh(c_S: np.ndarray, node: int) -> None:
    """Take one node out of many circuits, c_S (node, node, circuit), in place."""
    star = c_S[node].copy()
    star[node] = 0.0
    total = star.sum(axis=0)
    share = np.divide(star, total, out=np.zeros_like(star), where=total > 0)
    c_S += share[:, np.newaxis] * star
    c_S[node], c_S[:, node] = 0.0, 0.0


def _one_by_one(tiles: _Tiles) -> _Tiles:
    """Return the tiles stored one after the other."""
    return _Tiles(np.ascontiguousarray(np.moveaxis(tiles.c_S, -1, 0)), tiles.rows, tiles.columns, tiles.sides)


def _round(groups: dict[_Group, _Tiles], along: int, wide: bool) -> dict[_Group, _Tiles]:
    """Join neighbours along one direction in pairs; the odd one out joins the last."""
    joined: dict[_Group, _Tiles] = {}
    for across in (0, 1):
        at = ((across, 0), (across, 1)) if along == ALONG_WORD else ((0, across), (1, across))
        regular, last = groups.pop(at[0]), groups.pop(at[1])
        count = regular.columns if along == ALONG_WORD else regular.rows
        even = count - count % 2
        pairs = (_lines(regular, along, slice(0, even, 2)), _lines(regular, along, slice(1, even, 2)))
        joined[at[0]] = _joined(regular, regular, *pairs, along, wide)
        if count % 2:
            last = _joined(regular, last, _lines(regular, along, slice(even, count)), _lines(last, along), along, wide)
        joined[at[1]] = last
    return joined


def _lines(tiles: _Tiles, along: int, which: slice = slice(None)) -> np.ndarray:
    """Return the numbers of the tiles of some columns, or of some rows where joined along bit lines, (row, column)."""
    number = np.arange(tiles.rows * tiles.columns).reshape(tiles.rows, tiles.columns)
    return number[:, which] if along == ALONG_WORD else number[which]


def _joined(near: _Tiles, far: _Tiles, near_tiles: np.ndarray, far_tiles: np.ndarray, along: int, wide: bool) -> _Tiles:
    """Join tiles in pairs, given by their numbers (row, column)."""
    shared = near.sides[2 * along + 1], far.sides[2 * along]
    outer, start = [], 0
    place = []
    for tiles, inner in zip((near, far), shared, strict=True):
        ports = tiles.c_S.shape[1]
        kept = np.setdiff1d(np.arange(ports), inner)
        new = np.full(ports, -1)
        new[kept] = start + np.arange(len(kept))
        start += len(kept)
        outer.append(kept)
        place.append(new)
    sides = []
    for side in range(4):
        parts = [new[tiles.sides[side]] for new, tiles in zip(place, (near, far), strict=True)]
        sides.append(parts[0][parts[0] >= 0] if side == 2 * along else np.concatenate([p[p >= 0] for p in parts]))
    if wide:
        c_S = np.empty((start, start, near_tiles.size))
        doubles = start * start + len(shared[0]) * (len(shared[0]) + start)
        lanes = max(8, min(256, LANE_DOUBLES // doubles))
        _join_side_by_side(
            near.c_S,
            far.c_S,
            near_tiles.ravel(),
            far_tiles.ravel(),
            shared[0],
            outer[0],
            shared[1],
            outer[1],
            lanes,
            c_S,
        )
    else:
        c_S = np.empty((near_tiles.size, start, start))
        _join_one_by_one(
            near.c_S, far.c_S, near_tiles.ravel(), far_tiles.ravel(), shared[0], outer[0], shared[1], outer[1], c_S
        )
    rows, columns = near_tiles.shape
    return _Tiles(c_S, rows, columns, (sides[0], sides[1], sides[2], sides[3]))


@njit(nogil=True, cache=True, fastmath={"contract"})
def _join_side_by_side(
    near_S: Array,
    far_S: Array,
    near_tile: Array,
    far_tile: Array,
    near_in: Array,
    near_out: Array,
    far_in: Array,
    far_out: Array,
    lanes: int,
    c_S: Array,
) -> None:
    """Join pairs of small tiles, `lanes` pairs at a time; near_S, far_S and the result c_S (port, port, tile)."""
    shared, first, ports = near_in.size, near_out.size, near_out.size + far_out.size
    star = np.empty((shared, shared + ports, lanes))
    mesh = np.empty((ports, ports, lanes))
    inverse, share = np.empty(lanes), np.empty(lanes)
    for begin in range(0, near_tile.size, lanes):
        count = min(lanes, near_tile.size - begin)
        a, b = near_tile[begin : begin + count], far_tile[begin : begin + count]
        for x in range(shared):
            for y in range(x + 1, shared):
                for l in range(count):
                    star[x, y, l] = near_S[near_in[x], near_in[y], a[l]] + far_S[far_in[x], far_in[y], b[l]]
            for y in range(ports):
                for l in range(count):
                    star[x, shared + y, l] = (
                        near_S[near_in[x], near_out[y], a[l]]
                        if y < first
                        else far_S[far_in[x], far_out[y - first], b[l]]
                    )
        for x in range(ports):
            for y in range(x + 1, ports):
                if y < first:
                    for l in range(count):
                        mesh[x, y, l] = near_S[near_out[x], near_out[y], a[l]]
                elif x >= first:
                    for l in range(count):
                        mesh[x, y, l] = far_S[far_out[x - first], far_out[y - first], b[l]]
                else:
                    mesh[x, y, :count] = 0.0
        for node in range(shared):
            inverse[:count] = 0.0
            for y in range(node + 1, shared + ports):
                for l in range(count):
                    inverse[l] += star[node, y, l]
            for l in range(count):
                inverse[l] = 1.0 / inverse[l] if inverse[l] > 0.0 else 0.0
            for x in range(node + 1, shared):
                for l in range(count):
                    share[l] = star[node, x, l] * inverse[l]
                for y in range(x + 1, shared + ports):
                    for l in range(count):
                        star[x, y, l] += share[l] * star[node, y, l]
            for x in range(ports):
                for l in range(count):
                    share[l] = star[node, shared + x, l] * inverse[l]
                for y in range(x + 1, ports):
                    for l in range(count):
                        mesh[x, y, l] += share[l] * star[node, shared + y, l]
        for x in range(ports):
            c_S[x, x, begin : begin + count] = 0.0
            for y in range(x + 1, ports):
                for l in range(count):
                    c_S[x, y, begin + l] = mesh[x, y, l]
                    c_S[y, x, begin + l] = mesh[x, y, l]


@njit(nogil=True, cache=True)
def _number(value: int) -> Array:
    """Return an integer where BLAS finds it."""
    return np.array([value], dtype=np.int32)


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def _factor(c_S: Array, to_others_S: Array) -> None:
    """Factorise in place the equations of nodes with conductances c_S among them and to_others_S to all others.

    Of c_S (node, node) the part right of the diagonal counts. There and on the diagonal stands, after it, the transpose
    of Cholesky's factor, whose pivots are sums of what a node is still joined to.
    """
    nodes = c_S.shape[0]
    lower, plain, one = np.array([76], dtype=np.uint8), np.array([78], dtype=np.uint8), np.ones(1)
    row = _number(nodes)
    for begin in range(0, nodes, PANEL):
        end = min(begin + PANEL, nodes)
        for k in range(begin, end):
            total = to_others_S[k]
            for x in range(k + 1, nodes):
                total += c_S[k, x]
            root = np.sqrt(total) if total > 0.0 else 1.0
            for x in range(k + 1, end):
                share = c_S[k, x] / (root * root)
                for y in range(x + 1, nodes):
                    c_S[x, y] += share * c_S[k, y]
                to_others_S[x] += share * to_others_S[k]
            for x in range(end, nodes):
                to_others_S[x] += c_S[k, x] / (root * root) * to_others_S[k]
            c_S[k, k] = root
            for x in range(k + 1, nodes):
                c_S[k, x] *= -1.0 / root
        rest, depth = _number(nodes - end), _number(end - begin)
        if end < nodes:
            dsyrk(
                lower.ctypes.data, plain.ctypes.data, rest.ctypes.data, depth.ctypes.data, one.ctypes.data,
                c_S[begin:, end:].ctypes.data, row.ctypes.data, one.ctypes.data, c_S[end:, end:].ctypes.data,
                row.ctypes.data,
            )  # fmt: skip


@njit(nogil=True, cache=True)
def _mirror(c_S: Array) -> None:
    """Copy what is right of the diagonal to its left, in blocks that stay in the fastest memory."""
    ports = c_S.shape[0]
    for first in range(0, ports, BLOCK):
        end = min(first + BLOCK, ports)
        for begin in range(first, ports, BLOCK):
            for x in range(first, end):
                for y in range(max(begin, x + 1), min(begin + BLOCK, ports)):
                    c_S[y, x] = c_S[x, y]


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def _join_one_by_one(
    near_S: Array,
    far_S: Array,
    near_tile: Array,
    far_tile: Array,
    near_in: Array,
    near_out: Array,
    far_in: Array,
    far_out: Array,
    c_S: Array,
) -> None:
    """Join pairs of tiles; near_S, far_S and the result c_S (tile, port, port)."""
    shared, first, ports = near_in.size, near_out.size, near_out.size + far_out.size
    inner, to_others = np.empty((shared, shared)), np.empty(shared)
    star = np.empty((ports, shared))
    left, lower = np.array([76], dtype=np.uint8), np.array([76], dtype=np.uint8)
    plain, turned = np.array([78], dtype=np.uint8), np.array([84], dtype=np.uint8)
    one, row, across = np.ones(1), _number(shared), _number(ports)
    for pair in range(near_tile.size):
        near, far, joined = near_S[near_tile[pair]], far_S[far_tile[pair]], c_S[pair]
        for x in range(shared):
            near_row, far_row = near[near_in[x]], far[far_in[x]]
            for y in range(x + 1, shared):
                inner[x, y] = near_row[near_in[y]] + far_row[far_in[y]]
        to_others[:] = 0.0
        for y in range(ports):
            source_row, at = (near[near_out[y]], near_in) if y < first else (far[far_out[y - first]], far_in)
            for x in range(shared):
                star[y, x] = source_row[at[x]]
                to_others[x] += star[y, x]
        _factor(inner, to_others)
        dtrsm(
            left.ctypes.data, lower.ctypes.data, plain.ctypes.data, plain.ctypes.data, row.ctypes.data,
            across.ctypes.data, one.ctypes.data, inner.ctypes.data, row.ctypes.data, star.ctypes.data, row.ctypes.data,
        )  # fmt: skip
        for x in range(first):
            near_row = near[near_out[x]]
            for y in range(x + 1, first):
                joined[x, y] = near_row[near_out[y]]
            joined[x, first:] = 0.0
        for x in range(first, ports):
            far_row = far[far_out[x - first]]
            for y in range(x + 1, ports):
                joined[x, y] = far_row[far_out[y - first]]
        for x in range(ports):
            joined[x, x] = 0.0
        dsyrk(
            lower.ctypes.data, turned.ctypes.data, across.ctypes.data, row.ctypes.data, one.ctypes.data,
            star.ctypes.data, row.ctypes.data, one.ctypes.data, joined.ctypes.data, across.ctypes.data,
        )  # fmt: skip
        _mirror(joined)
