"""Read noise as paths: what repeated reads of one cell show, as traps that capture and emit.

A trap of amplitude a and time constant τ is at ±a/2, drawn anew at the rate 1/τ: its spectrum is a Lorentzian,
(a²/4)·4τ/(1 + (2πfτ)²). Traps whose time constants are even in ln τ, n of them a decade with a²/4 = A²·ln(10)/n, add up
to S(f) = A²/f (McWhorter's superposition; Kirton & Uren, Adv. Phys. 38, 367 (1989)). At programming every trap counts
as 0: what it held then belongs to the programmed conductance. Until time t those with τ < t have moved, so the σ of a
read grows as A·√ln(t/(2 t_read)), the law of :func:`~nvmphys.population.law.read_noise_sigma`. Few traps a decade show
steps (random telegraph noise), many look Gaussian. With σ as published, the spectrum bends down at 0.045/t_read.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nvmphys.errors import BadInput
from nvmphys.population.law import CellLaw, draw_cells

Array = NDArray[np.float64]

TRAPS_PER_DECADE = 3


def read_noise_paths(
    amplitude_S: Array,
    times_s: Array,
    t_read_s: float,
    rng: np.random.Generator,
    traps_per_decade: int = TRAPS_PER_DECADE,
) -> Array:
    """Draw the noise of repeated reads of each cell.

    Parameters
    ----------
    amplitude_S : ndarray (n,) or (read, n)
        A of the spectrum A²/f of each cell, at each read where it changes [S].
    times_s : ndarray (read,)
        Times of the reads since programming [s], increasing.
    t_read_s : float
        Duration of one read [s]: the fastest trap seen.
    rng : numpy.random.Generator
    traps_per_decade : int
        Traps per decade of time constant.

    Returns
    -------
    ndarray (read, n)
        Noise [S] to add to the conductances.

    Raises
    ------
    BadInput
        Times that are negative or do not increase, or fewer than one trap per decade.

    Examples
    --------
    >>> noise = read_noise_paths(np.full(2000, 1e-7), np.array([1.0, 2.0]), 1e-3, np.random.default_rng(1))
    >>> bool(np.corrcoef(noise)[0, 1] > 0)
    True
    """
    from nvmphys.simulate.telegraph import telegraph  # takes a second to import

    times, amplitude = np.asarray(times_s, dtype=float), np.asarray(amplitude_S, dtype=float)
    if times[0] < 0 or np.any(np.diff(times) <= 0):
        raise BadInput("times of reads must be >= 0 s and increase")
    if traps_per_decade < 1:
        raise BadInput(f"traps_per_decade must be >= 1 (got {traps_per_decade})")
    tau, step = traps(float(times[-1]), t_read_s, traps_per_decade)
    gaps, ones = np.diff(times, prepend=0.0), np.ones(tau.size)
    out = np.zeros((amplitude.shape[-1], times.size))
    telegraph(rng, gaps, tau, 0.5 * ones, -ones, ones, False, out)
    return out.T * amplitude * np.sqrt(step)


def traps(longest_s: float, t_read_s: float, traps_per_decade: int) -> tuple[Array, float]:
    """Return time constants [s] (trap,) of all traps that may move until a time, and their distance in ln τ.

    A trap adds ±A·√distance once it has moved.

    >>> tau, step = traps(1.0, 1e-6, 3)
    >>> bool(np.allclose(np.diff(np.log(tau)), step))
    True
    """
    # ∫ (1 - exp(-t/τ)) dlnτ from τ = 2 t_read·e^γ on is ln(t/(2 t_read)); beyond 30 t hardly a trap has moved
    low, high = np.log(2 * t_read_s) + np.euler_gamma, np.log(30 * max(longest_s, t_read_s))
    n = max(1, round(traps_per_decade * (high - low) / np.log(10)))
    step = (high - low) / n
    return np.exp(low + step * (np.arange(n) + 0.5)), float(step)


def read_cells(
    law: CellLaw, targets_S: Array, times_s: Array, rng: np.random.Generator, *, extrapolate: bool = False
) -> Array:
    """Draw what repeated reads of cells show: whole histories with the noise of each read.

    Parameters
    ----------
    law : CellLaw
        With read noise known.
    targets_S : ndarray (n,)
        Target conductance of each cell [S].
    times_s : ndarray (read,)
        Times since programming [s], increasing.
    rng : numpy.random.Generator
    extrapolate : bool
        Allow times beyond the longest behind the card.

    Returns
    -------
    ndarray (read, n)
        Conductance [S]; a read may fall below zero, as an instrument's does.

    Raises
    ------
    BadInput
        The law knows no read noise apart from relaxation.
    """
    targets = np.asarray(targets_S, dtype=float)
    cells = draw_cells(law, targets, times_s, rng, extrapolate=extrapolate)
    amplitude = [law.read_noise_amplitude(targets, now) for now in cells]
    if any(a is None for a in amplitude):
        raise BadInput("read noise is not known apart in this law: draw_cells gives the histories without it")
    return cells + read_noise_paths(np.array(amplitude), np.atleast_1d(times_s), law.t_read_s, rng)
