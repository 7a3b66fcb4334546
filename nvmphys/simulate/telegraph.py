"""Two-state traps at given times, exactly: the compiled core of all noise that is drawn as paths."""

from __future__ import annotations

from numba import njit


@njit(nogil=True, cache=True)
def telegraph(  # type: ignore[no-untyped-def]
    rng, gaps_s, tau_s, filled, if_empty, if_filled, settled, out
):
    """Add what traps show at some times to each row of `out`; they are alike from row to row, and independent.

    Parameters
    ----------
    rng : numpy.random.Generator
    gaps_s : ndarray (time,)
        Time since the one before [s], the first since time 0.
    tau_s, filled, if_empty, if_filled : ndarray (trap,)
        Mean time until a trap is drawn anew [s], probability that it then is filled, and what it adds in each state.
    settled : bool
        Whether traps have been drawn at time 0; else each adds nothing until it is.
    out : ndarray (row, time)
    """
    for row in range(out.shape[0]):
        for k in range(tau_s.size):
            shown = 0.0
            if settled:
                shown = if_filled[k] if rng.random() < filled[k] else if_empty[k]
            left = rng.standard_exponential() * tau_s[k]
            for at in range(gaps_s.size):
                left -= gaps_s[at]
                if left < 0:  # of all that happened since, the last alone counts: what follows does not know of it
                    shown = if_filled[k] if rng.random() < filled[k] else if_empty[k]
                    left = rng.standard_exponential() * tau_s[k]
                out[row, at] += shown
