"""SciPy's BLAS for compiled code: triangular solves and symmetric products without a step through Python.

The routines are those that `scipy.linalg.cython_blas` offers to compiled modules. Compiled code finds them by name, so
it can be kept in Numba's cache.
"""

from __future__ import annotations

import llvmlite.binding
from numba import types
from numba.extending import get_cython_function_address

PARTS = {"dtrsm": 11, "dsyrk": 10}
"""Routines and how many arguments they take; all are addresses."""


def _external(name: str, arguments: int) -> types.ExternalFunction:
    """Make one routine known to compiled code."""
    symbol = f"nvmphys_{name}"
    llvmlite.binding.add_symbol(symbol, get_cython_function_address("scipy.linalg.cython_blas", name))
    return types.ExternalFunction(symbol, types.void(*[types.intp] * arguments))


dtrsm, dsyrk = (_external(name, arguments) for name, arguments in PARTS.items())
