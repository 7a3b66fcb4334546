"""Mean polarity of infinitely many domains (`fe_domains`) with its slopes, as a fit needs it.

A domain of activation field Ea counts h up along a positive field and down along a negative one, between 0 and its
threshold. So its polarity is the direction of the last swing of its path that is larger than its threshold: with the
swings d1 > d2 > … that later ones have not wiped out (as of turning points in rainflow counting), and
F(d) = 1 - exp(-d^β) the share of thresholds below d,

    mean(s) = s_0 + 2·Σ_j (±1)_j·F(d_j),

+ for a swing up, with s_0 that of domains that never turned. The mean over activation fields is a trapezoidal sum over
z = ln((Ea/gb_b)^gb_a), whose density is v^p·(1 - v)^q/B(p, q) with v = 1/(1 + exp(-z)).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

REACH = 16.0
"""Exponent at which the tails of the activation fields are cut: exp(-16) = 1e-7."""
FINENESS = 1.0
"""Steps of the sum over activation fields within which a domain's share turns from 0 to 1."""
MOST_NODES = 800
SLOPES = ("Pr", "tau0", "alpha", "beta", "gb_a", "gb_b", "gb_p", "gb_q", "tfe")
"""Parameters that the switched polarization has slopes by."""
_CHUNK = 2_000_000


@dataclass(frozen=True, eq=False)
class Nodes:
    """Activation fields [V/m], their weights (sum 1), and z of each (node,)."""

    field: Array
    weight: Array
    z: Array


def nodes(values: Mapping[str, float], longest_s: float) -> Nodes:
    """Return the nodes of the sum over activation fields, fine enough for switching within `longest_s`.

    >>> from nvmphys.devices.fe_domains import MODEL
    >>> found = nodes(MODEL.values(), 1e-4)
    >>> f"on average {found.field @ found.weight / 1e8:.3f} MV/cm"
    'on average 1.854 MV/cm'
    """
    p, q, a = values["gb_p"], values["gb_q"], values["gb_a"]
    most = max(np.log1p(longest_s / values["tau0"]), 1.0)
    step = min(a / (values["alpha"] * values["beta"] * most), 1.0) / FINENESS
    low, high = -REACH / p, REACH / q
    z = np.linspace(low, high, int(np.clip(np.ceil((high - low) / step), 32, MOST_NODES)))
    density = np.exp(-p * np.logaddexp(0.0, -z) - q * np.logaddexp(0.0, z))
    return Nodes(values["gb_b"] * np.exp(z / a), density / density.sum(), z)


def rises(values: Mapping[str, float], field: Array, start_V: Array, end_V: Array, duration_s: Array) -> Array:
    """Return by how much h rises along straight pieces of voltage of one sign, and its slopes (piece, 3, node).

    The slopes are those by ln(Ea) and by alpha. A piece of constant voltage is exact; along another the mean of
    exp(-(Ea/E)^α) is a Gauss-Legendre sum of as many points as the largest piece asks for.
    """
    begin, end = np.abs(start_V) / values["tfe"], np.abs(end_V) / values["tfe"]
    peak = max(float(np.max([begin, end])), 1e-300)
    steep = float(np.max(np.abs(end - begin))) / peak
    points, shares = np.polynomial.legendre.leggauss(1 if steep < 1e-9 else min(40, 3 + int(np.ceil(40 * steep))))
    out = np.zeros((begin.size, 3, field.size))
    log_field = np.log(field)
    for point, share in zip(points, shares, strict=True):
        at = 0.5 * (begin + end) + 0.5 * point * (end - begin)
        with np.errstate(divide="ignore"):
            log_ratio = log_field - np.log(at)[:, np.newaxis]
        w = np.exp(np.minimum(values["alpha"] * log_ratio, 7.0))
        rate = np.exp(-w) * (0.5 * share)
        rate[w > 700.0] = 0.0
        by_w = rate * w
        out[:, 0] += rate
        out[:, 1] -= values["alpha"] * by_w
        out[:, 2] -= np.where(rate > 0, by_w * np.minimum(log_ratio, 1e3), 0.0)
    return out * (duration_s / values["tau0"])[:, np.newaxis, np.newaxis]


def flipped(values: Mapping[str, float], swing: Array) -> Array:
    """Return the share of domains with thresholds within swings (…, 3, node), with slopes (…, 5, node).

    The slopes are those by ln(tau0), ln(Ea), alpha and beta.
    """
    size, beta = swing[..., 0, :], values["beta"]
    some = size > 0
    log_size = np.log(np.where(some, size, 1.0))
    power = np.where(some, np.exp(np.minimum(beta * log_size, 700.0)), 0.0)
    still = np.exp(-power)
    by_log = beta * power * still  # dF/d(ln h)
    by_size = np.where(some, by_log / np.where(some, size, 1.0), 0.0)
    parts = [
        -np.expm1(-power),
        -by_log,
        by_size * swing[..., 1, :],
        by_size * swing[..., 2, :],
        by_log / beta * log_size,
    ]
    return np.stack(parts, axis=-2)


def polarity(values: Mapping[str, float], steps: Array, sign: Array, start: float) -> Array:
    """Return the mean polarity over thresholds after each piece, with slopes (piece, 5, node).

    Parameters
    ----------
    values : mapping of float
    steps : ndarray (piece, 3, node)
        From `rises`.
    sign : ndarray (piece,)
        Direction of the voltage of each piece: 1, -1, or 0 where it rests.
    start : float
        Polarity of all domains at the beginning, 1 or -1.
    """
    out = np.zeros((sign.size, 5, steps.shape[-1]))
    swings: list[Array] = []
    shares: list[Array] = []
    for first, last, direction in _runs(sign):
        known = np.zeros_like(out[0]) if not shares else np.sum(shares, axis=0)
        known[0] += start
        if direction and (swings or direction != start):
            grown, gone = _merged(np.cumsum(steps[first:last], axis=0), swings)
            lost = sum(wiped[:, np.newaxis] * shares[k] for k, wiped in gone.items())
            out[first:last] = known - lost + 2 * direction * flipped(values, grown)
            for k, wiped in gone.items():
                swings[k], shares[k] = np.where(wiped[-1], 0.0, swings[k]), np.where(wiped[-1], 0.0, shares[k])
            swings.append(grown[-1])
            shares.append(2 * direction * flipped(values, grown[-1]))
        else:
            out[first:last] = known
    return out


def _runs(sign: Array) -> list[tuple[int, int, int]]:
    """Return runs of pieces of one direction: first, last + 1, direction; a rest belongs to the run before it."""
    if not sign.size:
        return []
    held = np.asarray(sign, dtype=int).copy()
    for k in range(1, held.size):
        if held[k] == 0:
            held[k] = held[k - 1]
    bounds = [0, *(np.flatnonzero(np.diff(held)) + 1).tolist(), held.size]
    return [(low, high, int(held[low])) for low, high in itertools.pairwise(bounds)]


def _merged(swing: Array, swings: Sequence[Array]) -> tuple[Array, dict[int, NDArray[np.bool_]]]:
    """Return a swing (piece, 3, node) joined with those that it wipes out, and which those are (piece, node).

    Earlier swings alternate in direction, the last is against the new one. Before the first all domains pointed the
    other way: a swing that wipes out the first leaves nothing but that.
    """
    gone: dict[int, NDArray[np.bool_]] = {}
    open_ = np.ones(swing[:, 0].shape, dtype=bool)
    for k in range(len(swings) - 1, -1, -2):
        open_ = open_ & (swing[:, 0] >= swings[k][0])
        if not open_.any():
            break
        gone[k] = open_
        if k:
            gone[k - 1] = open_
        joined = swings[k - 1] + swing - swings[k] if k else 0.0
        swing = np.where(open_[:, np.newaxis], joined, swing)
    return swing, gone


def averaged(values: Mapping[str, float], at: Nodes, found: Array) -> tuple[Array, Array]:
    """Return mean polarity (…,) of all domains, and its slopes (…, parameter) by `SLOPES`, from `polarity`."""
    weight, z, a = at.weight, at.z, values["gb_a"]
    log_v, log_1v = -np.logaddexp(0.0, -z), -np.logaddexp(0.0, z)
    mean = found[..., 0, :] @ weight
    by_field = found[..., 2, :] @ np.stack([weight, -weight * z / a**2], axis=-1)
    by_shape = found[..., 0, :] @ np.stack([weight * (x - weight @ x) for x in (log_v, log_1v)], axis=-1)
    parts = {
        "Pr": np.zeros_like(mean),
        "tau0": found[..., 1, :] @ weight / values["tau0"],
        "alpha": found[..., 3, :] @ weight,
        "beta": found[..., 4, :] @ weight,
        "gb_a": by_field[..., 1],
        "gb_b": by_field[..., 0] / values["gb_b"],
        "gb_p": by_shape[..., 0],
        "gb_q": by_shape[..., 1],
        "tfe": by_field[..., 0] / values["tfe"],
    }
    return mean, np.stack([parts[name] for name in SLOPES], axis=-1)


def after_pulses(values: Mapping[str, float], pieces: Sequence[tuple[Array, Array, Array]]) -> tuple[Array, Array]:
    """Return mean polarity and slopes after pulses on domains that all point down, a row each.

    `pieces` are start voltage, end voltage [V] and duration [s] (row,) of each straight piece; negative voltages leave
    domains as they are.
    """
    longest = float(np.max(sum(duration for _, _, duration in pieces)))
    at = nodes(values, longest)
    rows = pieces[0][0].size
    means, slopes = [], []
    for low in range(0, rows, max(1, _CHUNK // at.z.size)):
        part = slice(low, low + max(1, _CHUNK // at.z.size))
        swing = np.zeros((pieces[0][0][part].size, 3, at.z.size))
        for start_V, end_V, duration_s in pieces:
            along = np.maximum(start_V[part], 0.0), np.maximum(end_V[part], 0.0)
            swing += rises(values, at.field, *along, duration_s[part])
        found = 2 * flipped(values, swing)
        found[..., 0, :] -= 1.0
        mean, slope = averaged(values, at, found)
        means.append(mean)
        slopes.append(slope)
    return np.concatenate(means), np.concatenate(slopes)


def after_edges(values: Mapping[str, float], volts: Array, widths: Array, edge_s: float) -> tuple[Array, Array]:
    """Return mean polarity and slopes after pulses with edges of a length [s], a row each, as `after_pulses`."""
    edges, none = np.full(volts.size, edge_s), np.zeros(volts.size)
    slanted = [(none, volts, edges), (volts, none, edges)] if edge_s else []
    return after_pulses(values, [(volts, volts, widths), *slanted])


def along(values: Mapping[str, float], volts: Array, durations: Array, start: float) -> tuple[Array, Array]:
    """Return mean polarity and slopes at the knots (knot,) of a waveform that runs straight from knot to knot.

    Parameters
    ----------
    values : mapping of float
    volts : ndarray (knot,)
    durations : ndarray (knot - 1,)
    start : float
        Polarity of all domains at the first knot, 1 or -1.
    """
    begin, end = volts[:-1], volts[1:]
    crosses = begin * end < 0
    share = np.where(crosses, begin / np.where(crosses, begin - end, 1.0), 1.0)
    first = np.stack([begin, np.zeros_like(begin)], axis=1).ravel()
    last = np.stack([np.where(crosses, 0.0, end), np.where(crosses, end, 0.0)], axis=1).ravel()
    spans = np.stack([share * durations, (1 - share) * durations], axis=1).ravel()
    kept = np.stack([np.ones_like(crosses), crosses], axis=1).ravel()
    first, last, spans = first[kept], last[kept], spans[kept]
    at = nodes(values, float(durations.sum()))
    found = polarity(values, rises(values, at.field, first, last, spans), np.sign(first + last), start)
    mean, slopes = averaged(values, at, found[np.cumsum(1 + crosses) - 1])
    return np.concatenate([[start], mean]), np.concatenate([np.zeros((1, len(SLOPES))), slopes])
