"""The compiled loops of the sampler: a block of cells at a time, each cell from its number alone.

All tables are as in :class:`~nvmphys.profile.profile.Tables`; nothing is resampled. Each axis has a map of equal
buckets to the interval in which a bucket begins, so that no search is needed. Within a block one simple loop follows
another, which a compiler turns into faster code than one loop that does everything.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nvmphys.profile.philox import float_bits, float_of_bits, normal, score_of_tail, two_sided, uniform, words

Array = NDArray[np.float64]

KINDS = {"log": 0, "linear": 1, "floored": 2}
"""Coordinates by the number the loop knows them by."""
BLOCK = 256
"""Cells of a block."""
_BUCKETS = 1024
_CELL, _LOT, _NODES, _NOISE, _TRAPS = (np.uint64(n) for n in (0, 1, 1 << 20, 1 << 21, 1 << 22))
"""Streams of the counter: what a cell's words are for."""
_NO_TIME = np.uint64(0)
_ONE = np.uint64(1)
_SQRT_HALF = math.sqrt(0.5)
_PER_LN2, _ROUND = 1 / math.log(2), 1.5 * 2.0**52
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
"""ln 2 as a number of 33 bits, whose multiples by k are exact, and the rest."""
_MANTISSA = np.int64(52)
RANKS = 64
"""Entries of a row of path quantiles, filled up with infinity: a search by halves has six steps."""


class Axis(NamedTuple):
    """An increasing axis and where to look in it."""

    values: Array
    inverse: Array
    bucket: NDArray[np.uint64]
    per_unit: float


class Start(NamedTuple):
    """Cells as programmed, and the populations that do not follow the target, one after another in `place_S`."""

    target: Axis
    score: Axis
    programmed_S: Array
    highest_S: float
    share_up_to: Array
    begin: NDArray[np.int64]
    place_S: Array
    stays: NDArray[np.bool_]


class Change(NamedTuple):
    """Change of the coordinate at each time: `table` (time, level, probability); `as_programmed` marks the first."""

    level: Axis
    table: Array
    as_programmed: NDArray[np.bool_]
    time_bits: NDArray[np.uint64]
    level_is_programmed: bool
    level_is_target: bool
    kind: int
    floor_S: float
    correlation: float


class Path(NamedTuple):
    """Latent path of a history: `node` and `weight` of each time; no nodes where one score holds for life."""

    factor: Array
    heavy_lower: Array
    heavy_upper: Array
    to_normal: Array
    grid_low: float
    grid_step: float
    step: Array
    path: Array
    node: NDArray[np.int64]
    weight: Array


class Noise(NamedTuple):
    """Read noise as a share of the conductance (time, target): marginal, or of traps that keep their state.

    `again` (time,) counts the reads before at the same time, in the upper half of a word.
    """

    relative: Array
    moved: Array
    scale: float
    again: NDArray[np.uint64]


def axis(values: Array) -> Axis:
    """Return an axis with its buckets; one more than an axis of one value has, so that it has an interval.

    >>> found = axis(np.array([0.0, 1.0, 4.0]))
    >>> locate(3.0, found)
    (1, 0.6666666666666666)
    """
    if values.size == 1:
        values = np.append(values, np.inf)
        return Axis(values, np.zeros(1), np.zeros(_BUCKETS + 1, dtype=np.uint64), 0.0)
    # an interval early rather than one late: the loop goes forward
    edges = values[0] + (np.arange(_BUCKETS + 1) - 1e-6) * (values[-1] - values[0]) / _BUCKETS
    bucket = np.clip(np.searchsorted(values, edges, side="right") - 1, 0, values.size - 2)
    return Axis(values, 1 / np.diff(values), bucket.astype(np.uint64), _BUCKETS / (values[-1] - values[0]))


@njit(nogil=True, cache=True)
def locate(x, axis):  # type: ignore[no-untyped-def]
    """Return the interval of an axis that holds x, and x's share of it; x beyond an end counts as the end."""
    first, last = axis.values[0], axis.values[axis.values.size - 1]
    x = first if x < first else x
    x = last if x > last else x
    at = axis.bucket[np.uint64((x - first) * axis.per_unit)]
    while x >= axis.values[at + _ONE] and x < last:
        at += _ONE
    return at, (x - axis.values[at]) * axis.inverse[at]


@njit(nogil=True, cache=True)
def locate_all(x, axis, count, at, share):  # type: ignore[no-untyped-def]
    """Locate the first x of an array."""
    for i in range(count):
        at[i], share[i] = locate(x[i], axis)


@njit(nogil=True, cache=True)
def bilinear(flat, columns, row, up, column, right):  # type: ignore[no-untyped-def]
    """Interpolate a table, given flat, that has a row to spare."""
    at = row * columns + column
    below = flat[at] + right * (flat[at + _ONE] - flat[at])
    at += columns
    above = flat[at] + right * (flat[at + _ONE] - flat[at])
    return below + up * (above - below)


@njit(nogil=True, cache=True)
def exponential(x):  # type: ignore[no-untyped-def]
    """Return exp(x) to 1e-15 for |x| < 700, x beyond as its end; without branches, for a loop of them.

    x = k·ln 2 + r, |r| <= ln(2)/2; 2^k by the exponent's bits, exp(r) by its series to r^12.
    """
    x = min(max(x, -700.0), 700.0)
    shifted = x * _PER_LN2 + _ROUND
    k = shifted - _ROUND
    r = x - k * _LN2_HIGH - k * _LN2_LOW
    s = 1 / 479001600
    s = s * r + 1 / 39916800
    s = s * r + 1 / 3628800
    s = s * r + 1 / 362880
    s = s * r + 1 / 40320
    s = s * r + 1 / 5040
    s = s * r + 1 / 720
    s = s * r + 1 / 120
    s = s * r + 1 / 24
    s = s * r + 1 / 6
    s = s * r + 0.5
    s = s * r + 1.0
    s = s * r + 1.0
    return float_of_bits(float_bits(s) + (float_bits(shifted) << _MANTISSA))


@njit(nogil=True, cache=True)
def move_all(kind, floor_S, conductance_S, change, count, out):  # type: ignore[no-untyped-def]
    """Fill conductances after a change of their coordinate (see `nvmphys.population.coordinate`)."""
    if kind == 0:
        for i in range(count):
            out[i] = conductance_S[i] * exponential(change[i])
    elif kind == 1:
        for i in range(count):
            out[i] = max(conductance_S[i] + change[i], 0.0)
    else:
        square = 4 * floor_S * floor_S
        for i in range(count):
            seen = max(conductance_S[i], 1e-3 * floor_S)
            y = seen - 0.25 * square / seen + change[i]
            upper = math.sqrt(y * y + square) + abs(y)
            out[i] = 0.5 * (upper if y > 0 else square / upper)


@njit(nogil=True, cache=True)
def step_of(x, node, path):  # type: ignore[no-untyped-def]
    """Return the latent step of a node at a normal score."""
    last = path.step.shape[1] - 1
    place = min(max((x - path.grid_low) / path.grid_step, 0.0), float(last))
    at = min(int(place), last - 1)
    return path.step[node, at] + (place - at) * (path.step[node, at + 1] - path.step[node, at])


@njit(nogil=True, cache=True)
def rank_of(value, node, path):  # type: ignore[no-untyped-def]
    """Return the normal score of a path value within the distribution of one node."""
    row, low, half = path.path[node], 0, RANKS // 2
    while half > 0:
        low = low + half if value >= row[low + half] else low
        half >>= 1
    width = row[low + 1] - row[low]
    share = (value - row[low]) / width if width < np.inf else 0.0  # beyond the last
    return path.grid_low + path.grid_step * (low + max(share, 0.0))


@njit(nogil=True, cache=True)
def mixed_score(a, b, weight, table):  # type: ignore[no-untyped-def]
    """Return the normal score whose probability lies between those of a and b."""
    tail_a, tail_b = 0.5 * math.erfc(abs(a) * _SQRT_HALF), 0.5 * math.erfc(abs(b) * _SQRT_HALF)
    below_a, above_a = (tail_a, 1 - tail_a) if a < 0 else (1 - tail_a, tail_a)
    below_b, above_b = (tail_b, 1 - tail_b) if b < 0 else (1 - tail_b, tail_b)
    below = below_a + weight * (below_b - below_a)
    above = above_a + weight * (above_b - above_a)
    return -score_of_tail(below, table) if below < above else score_of_tail(above, table)


@njit(nogil=True, cache=True)
def walk(key, first, count, own, path, table, one, other, latent, jump):  # type: ignore[no-untyped-def]
    """Fill the latent paths (node, cell) and where between two nodes each step is made (node, cell)."""
    nodes = latent.shape[0]
    for j in range(nodes):
        words(key, first, count, _NODES + np.uint64(j), _NO_TIME, one, other)
        for i in range(count):
            latent[j, i], jump[j, i] = normal(one[i], table), uniform(other[i])
    for i in range(count):
        heavy = two_sided(own[i], path.heavy_lower, path.heavy_upper)
        for j in range(nodes - 1, -1, -1):
            x = 0.0
            for m in range(j + 1):
                x += path.factor[j, m] * latent[m, i]
            x *= heavy
            if path.to_normal.size:
                size = score_of_tail(0.5 / (1 + abs(x)), path.to_normal)
                x = size if x > 0 else -size
            latent[j, i] = step_of(x, j, path)
        for j in range(1, nodes):
            latent[j, i] += latent[j - 1, i]


@njit(nogil=True, cache=True)
def scores_at(at, count, path, latent, jump, table, out):  # type: ignore[no-untyped-def]
    """Fill the scores of the paths at one of the times."""
    k, weight = path.node[at], path.weight[at]
    for i in range(count):
        if weight > 0.0:
            now = latent[k + 1, i] if jump[k + 1, i] < weight else latent[k, i]
            out[i] = mixed_score(rank_of(now, k, path), rank_of(now, k + 1, path), weight, table)
        else:
            out[i] = rank_of(latent[k, i], k, path)


@njit(nogil=True, cache=True)
def replace_astray(key, first, count, start, one, other, programmed, stuck):  # type: ignore[no-untyped-def]
    """Put cells of the populations that do not follow the target in their places, and mark those that stay there."""
    words(key, first, count, _LOT, _NO_TIME, one, other)
    for i in range(count):
        stuck[i] = False
        lot = uniform(one[i])
        if lot >= start.share_up_to[-1]:
            continue
        which = 0
        while lot >= start.share_up_to[which]:
            which += 1
        lowest, highest = start.begin[which], start.begin[which + 1] - 1
        place = lowest + uniform(other[i]) * (highest - lowest)
        at = min(int(place), max(highest - 1, lowest))
        after = min(at + 1, highest)
        programmed[i] = start.place_S[at] + (place - at) * (start.place_S[after] - start.place_S[at])
        stuck[i] = start.stays[which]


@njit(nogil=True, cache=True)
def draw(key, first, begin, end, targets_S, start, change, path, noise, table, out):  # type: ignore[no-untyped-def]
    """Fill columns begin … end - 1 of `out` (time, cell) with conductances [S]; column 0 is cell number `first`."""
    columns = np.uint64(start.programmed_S.shape[1])
    programmed_S = start.programmed_S.ravel()
    lives, nodes = path.node.size == 0, path.step.shape[0]
    one, other, own = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.uint64)
    row, column, level = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.uint64)
    up, right, aside, z, score = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    programmed, stuck = np.empty(BLOCK), np.zeros(BLOCK, np.bool_)
    latent, jump = np.empty((nodes, BLOCK)), np.empty((nodes, BLOCK))
    rest = math.sqrt(1 - change.correlation * change.correlation)
    for at in range(begin, end, BLOCK):
        count, cell = min(BLOCK, end - at), first + at
        words(key, cell, count, _CELL, _NO_TIME, one, own)
        for i in range(count):
            z[i] = normal(one[i], table)
        locate_all(targets_S[at : at + count], start.target, count, row, up)
        locate_all(z, start.score, count, column, right)
        for i in range(count):
            programmed[i] = bilinear(programmed_S, columns, row[i], up[i], column[i], right[i])
        if start.stays.size:
            replace_astray(key, cell, count, start, one, other, programmed, stuck)
        if lives:
            for i in range(count):
                score[i] = normal(own[i], table)
            tie(count, change.correlation, rest, z, score)
            locate_all(score, start.score, count, column, right)
        else:
            walk(key, cell, count, own, path, table, one, other, latent, jump)
        its_level, its_aside = row, up
        if start.stays.size or not change.level_is_target:
            levels(targets_S, at, count, start, change, programmed, row, up, level, aside)
            its_level, its_aside = level, aside
        for k in range(out.shape[0]):
            if change.as_programmed[k]:
                for i in range(count):
                    out[k, at + i] = programmed[i]
                continue
            if not lives:
                scores_at(k, count, path, latent, jump, table, score)
                tie(count, change.correlation, rest, z, score)
                locate_all(score, start.score, count, column, right)
            by = change.table[k].ravel()
            for i in range(count):
                score[i] = bilinear(by, columns, its_level[i], its_aside[i], column[i], right[i])
            now = out[k, at : at + count]
            move_all(change.kind, change.floor_S, programmed, score, count, now)
            if start.stays.size:
                for i in range(count):
                    now[i] = programmed[i] if stuck[i] else now[i]
        if noise.relative.size:
            add_noise(key, cell, at, count, row, up, change.time_bits, noise, table, one, other, out)


@njit(nogil=True, cache=True)
def tie(count, correlation, rest, z, score):  # type: ignore[no-untyped-def]
    """Correlate scores of change with those of programming."""
    if correlation != 0.0:
        for i in range(count):
            score[i] = correlation * z[i] + rest * score[i]


@njit(nogil=True, cache=True)
def levels(targets_S, at, count, start, change, programmed, row, up, level, aside):  # type: ignore[no-untyped-def]
    """Find the level whose changes each cell follows; one programmed beyond all levels follows the highest."""
    for i in range(count):
        if change.level_is_target and programmed[i] <= start.highest_S:
            level[i], aside[i] = row[i], up[i]
        else:
            beyond = change.level_is_programmed or programmed[i] > start.highest_S
            level[i], aside[i] = locate(programmed[i] if beyond else targets_S[at + i], change.level)


@njit(nogil=True, cache=True)
def add_noise(key, cell, at, count, row, up, time_bits, noise, table, one, other, out):  # type: ignore[no-untyped-def]
    """Multiply conductances by the noise of one read at each time."""
    times, traps = noise.moved.shape
    shown = np.zeros((traps, BLOCK))
    total = np.empty(BLOCK)
    for k in range(times):
        total[:count] = 0.0
        if traps == 0:
            words(key, cell, count, _NOISE + noise.again[k], time_bits[k], one, other)
            for i in range(count):
                total[i] = normal(one[i], table)
        for n in range(traps):
            words(key, cell, count, _TRAPS + np.uint64(n), np.uint64(k), one, other)
            for i in range(count):
                if uniform(one[i]) < noise.moved[k, n]:
                    shown[n, i] = 1.0 if uniform(other[i]) < 0.5 else -1.0
                total[i] += noise.scale * shown[n, i]
        for i in range(count):
            below, above = noise.relative[k, row[i]], noise.relative[k, row[i] + _ONE]
            out[k, at + i] *= 1 + (below + up[i] * (above - below)) * total[i]
