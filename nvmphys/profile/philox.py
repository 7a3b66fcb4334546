"""Counter-based random numbers, compiled: Philox 4x64-10, and quantile functions of its words.

A block of four words follows from a key and a counter alone, so a cell's numbers do not depend on which cells were
drawn before it, in which chunk or by which thread (Salmon et al., SC '11, doi 10.1145/2063384.2063405). The blocks are
those of `numpy.random.Philox`, whose counter stands one behind: `Philox(key=k, counter=c - 1).random_raw(4)`.

A quantile function is tabulated against the smaller of the two tail probabilities v, 64 intervals to each halving of v
from 1/2 to 2^-33, and is linear in v between: v's place in the table is read off the bits of its floating-point form.
For the normal law the largest error is 4e-6 for |z| < 1 and below 3e-5 beyond.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Array = NDArray[np.float64]

_M0, _M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_W0, _W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
_MANTISSA = 52
_SPLIT = 6
"""Halvings of v are divided into 2^_SPLIT intervals."""
_HALVINGS = 32
INTERVALS = _HALVINGS << _SPLIT
_BASE = np.int64((1023 + 63 - _HALVINGS) << _SPLIT)
_REST = np.int64((1 << (_MANTISSA - _SPLIT)) - 1)
_TO_SHARE = 2.0 ** -(_MANTISSA - _SPLIT)
_SHIFT = np.int64(_MANTISSA - _SPLIT)
_LOW_63 = np.uint64((1 << 63) - 1)
_WHOLE = 2.0**64
_SIGN, _ONE = np.uint64(63), np.uint64(1)
_LOWEST, _HIGHEST = np.int64(0), np.int64(INTERVALS)


@intrinsic
def _product(typingctx, a, b):  # type: ignore[no-untyped-def]
    """Return the upper and the lower 64 bits of the product of two 64-bit words."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        wide, word = ir.IntType(128), ir.IntType(64)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        upper = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), word)
        return context.make_tuple(builder, signature.return_type, (upper, builder.trunc(product, word)))

    return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), codegen


@intrinsic
def float_bits(typingctx, x):  # type: ignore[no-untyped-def]
    """Return the bits of a float64 as an int64."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


@intrinsic
def float_of_bits(typingctx, x):  # type: ignore[no-untyped-def]
    """Return the float64 that an int64 holds the bits of."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@njit(nogil=True, cache=True)
def _turn(key0, key1, c0, c1, c2, c3):  # type: ignore[no-untyped-def]
    """Return the counter after one of the ten rounds."""
    high0, low0 = _product(_M0, c0)
    high1, low1 = _product(_M1, c2)
    return high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0


@njit(nogil=True, cache=True)
def philox(key0, key1, c0, c1, c2):  # type: ignore[no-untyped-def]
    """Return the block of four words of a key and a counter (c0, c1, c2, 0)."""
    c3 = np.uint64(0)
    for _ in range(9):
        c0, c1, c2, c3 = _turn(key0, key1, c0, c1, c2, c3)
        key0, key1 = key0 + _W0, key1 + _W1
    return _turn(key0, key1, c0, c1, c2, c3)


@njit(nogil=True, cache=True)
def philox_block(key, counter):  # type: ignore[no-untyped-def]
    """Return the block as an array; key (2,) and counter (3,) of uint64."""
    out = np.empty(4, dtype=np.uint64)
    out[0], out[1], out[2], out[3] = philox(key[0], key[1], counter[0], counter[1], counter[2])
    return out


@njit(nogil=True, cache=True)
def words(key, first, count, stream, time, one, other):  # type: ignore[no-untyped-def]
    """Fill two words for each of the cells first, first + 1, … (cell,); two neighbours share a block.

    Cell n has the words 2(n mod 2) and 2(n mod 2) + 1 of the block with the counter (⌊n/2⌋, stream, time).
    """
    key0, key1, i = key[0], key[1], 0
    if first % 2 == 1:
        _, _, one[0], other[0] = philox(key0, key1, np.uint64(first // 2), stream, time)
        i = 1
    while i + 1 < count:
        one[i], other[i], one[i + 1], other[i + 1] = philox(key0, key1, np.uint64((first + i) // 2), stream, time)
        i += 2
    if i < count:
        one[i], other[i], _, _ = philox(key0, key1, np.uint64((first + i) // 2), stream, time)


@njit(nogil=True, cache=True)
def uniform(word):  # type: ignore[no-untyped-def]
    """Return a word as a number in [0, 1), of 53 bits."""
    return float(np.int64(word >> np.uint64(11))) * 2.0**-53


@njit(nogil=True, cache=True)
def tabulated(scaled, table):  # type: ignore[no-untyped-def]
    """Return what a table holds at a tail probability v given as v·2^64, 0 < v <= 1/2."""
    bits = float_bits(scaled)
    at = np.uint64(min(max((bits >> _SHIFT) - _BASE, _LOWEST), _HIGHEST))
    share = float(bits & _REST) * _TO_SHARE
    begin = table[at]
    return begin + share * (table[at + _ONE] - begin)


@njit(nogil=True, cache=True)
def normal(word, table):  # type: ignore[no-untyped-def]
    """Return a standard normal number of a word; `table` is |z| against the tail."""
    size = tabulated(float(np.int64(word & _LOW_63)) + 0.5, table)
    return size * float(np.int64(word >> _SIGN) * 2 - 1)


@njit(nogil=True, cache=True)
def two_sided(word, lower, upper):  # type: ignore[no-untyped-def]
    """Return a number of the law whose quantiles are tabulated against its lower and its upper tail."""
    return tabulated(float(np.int64(word & _LOW_63)) + 0.5, upper if word > _LOW_63 else lower)


@njit(nogil=True, cache=True)
def score_of_tail(tail, table):  # type: ignore[no-untyped-def]
    """Return |z| of a tail probability 0 … 1/2."""
    return tabulated(tail * _WHOLE, table)


def tail_table(of_tail: Callable[[Array], Array]) -> Array:
    """Tabulate a function of the tail probability v on the grid that `place_of_tail` reads.

    The last entry stands for a tail beyond 1/2, which no number reaches.

    >>> table = tail_table(lambda v: v)
    >>> float(table[-2]), table.size == INTERVALS + 2
    (0.5, True)
    """
    step = np.minimum(np.arange(INTERVALS + 2), INTERVALS)
    halving, part = step >> _SPLIT, step & ((1 << _SPLIT) - 1)
    v = np.ldexp(1 + part / (1 << _SPLIT), halving - _HALVINGS - 1)
    return np.asarray(of_tail(v), dtype=float)
