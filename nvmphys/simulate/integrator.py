"""A stiff adaptive integrator for many devices, compiled: states and the voltage behind what is in series together.

The equations of a device are dx/dt = f(v, x, T) and 0 = V(t) - U(v, x, T), U the voltage at the terminals, or
|I| = compliance where the source limits the current: a system of index 1. Behind an access transistor U is written
so that the second says that both carry the same current (`nvmphys.codegen.kernel.Kernel`): the voltage it
drops grows without bound as it saturates. The system is solved by RODAS, a linearly implicit Runge-Kutta method of
order 4(3) that is L-stable and made for such systems: six evaluations and one factorisation a step, no iteration. The
energy ∫ U·I dt is one more equation of the same method.

Slopes by parameters, S = dx/dp, follow from S' = (f_x - f_v·U_x/U_v)·S + f_p - f_v·U_p/U_v, linear along the path.
Each accepted step takes them along by the Lobatto IIIC method of order 4, L-stable, at its ends and its middle, which
RODAS tells to order 3. Where a cell runs away they grow a millionfold and shrink again: a method of order 2 leaves them
wrong by orders of magnitude there.

Reference: Hairer and Wanner, Solving Ordinary Differential Equations II, Springer 1996, section VI.4.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from nvmphys.codegen.kernel import ARRAY, FUNCTION

Array = NDArray[np.float64]

DONE, TOO_MANY_STEPS, NOT_FINITE = 0, 1, 2
LEAST_SLOPE = 1e-30
"""Conductance below which a device counts as open [S]."""
_LOOSER, _LEAST_J = 100.0, 1e-24
"""How much looser than a state's the tolerance of the energy is, and what energy counts as none [J]."""
_MOST_STEPS = 200_000
"""Steps of one segment, beyond which something is wrong."""

_GAMMA = 0.25
_A = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [1.544, 0.0, 0.0, 0.0, 0.0],
        [0.9466785280815826, 0.2557011698983284, 0.0, 0.0, 0.0],
        [3.314825187068521, 2.896124015972201, 0.9986419139977817, 0.0, 0.0],
        [1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 0.0],
        [1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 1.0],
    ]
)
_C = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [-5.6688, 0.0, 0.0, 0.0, 0.0],
        [-2.430093356833875, -0.2063599157091915, 0.0, 0.0, 0.0],
        [-0.1073529058151375, -9.594562251023355, -20.47028614809616, 0.0, 0.0],
        [7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160, 0.0],
        [8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054],
    ]
)
_ALPHA = np.array([0.0, 0.386, 0.21, 0.63, 1.0, 1.0])
_D = np.array([0.25, -0.1043, 0.1035, -0.0362, 0.0, 0.0])
_MIDDLE = 0.25 * np.array(
    [10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662]
) + 0.125 * np.array([-0.6762803392801253, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872])
"""Shares of the stages in what the middle of a step lies off the mean of its ends (RODAS's continuous output)."""
_LOBATTO = np.array([[1.0, -2.0, 1.0], [1.0, 2.5, -0.5], [1.0, 4.0, 1.0]]) / 6.0


@njit(nogil=True, cache=True)
def _eliminate(w: Array, pivots: NDArray[np.int64]) -> bool:
    """Factorise in place with partial pivoting; return whether it could be done."""
    n = w.shape[0]
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if abs(w[i, k]) > abs(w[best, k]):
                best = i
        pivots[k] = best
        if not abs(w[best, k]) > 0:
            return False
        if best != k:
            for j in range(n):
                w[k, j], w[best, j] = w[best, j], w[k, j]
        for i in range(k + 1, n):
            w[i, k] /= w[k, k]
            for j in range(k + 1, n):
                w[i, j] -= w[i, k] * w[k, j]
    return True


@njit(nogil=True, cache=True)
def _substitute(w: Array, pivots: NDArray[np.int64], b: Array) -> None:
    """Solve with the factors, in place."""
    n = w.shape[0]
    for k in range(n):
        b[k], b[pivots[k]] = b[pivots[k]], b[k]
    for i in range(n):
        for j in range(i):
            b[i] -= w[i, j] * b[j]
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            b[i] -= w[i, j] * b[j]
        b[i] /= w[i, i]


@njit(nogil=True, cache=True)
def _balance(
    applied: float, port: float, current: float, compliance: tuple[float, float], ohm: float
) -> tuple[float, bool]:
    """Return what the voltages lack of balance, falling in v, and whether the compliance rules.

    `ohm` weighs the current's lack against the voltage's: about where both change alike with v, so that a step across
    the point where the source begins to limit stays a good one.
    """
    lack = applied - port
    largest = compliance[0] if applied > 0 else compliance[1]
    if largest == np.inf or applied == 0.0:
        return lack, False
    limited = ohm * ((largest if applied > 0 else -largest) - current)
    if (applied > 0 and limited < lack) or (applied < 0 and limited > lack):
        return limited, True
    return lack, False


@njit(nogil=True, cache=True)
def _bracket(rhs, x, heat, p, applied, found):  # type: ignore[no-untyped-def]
    """Return two voltages [V] between which the terminals have the applied voltage; equal where one is it."""
    n = x.size
    rhs(0.0, x, heat, applied, p, found)
    rest = found[n + 1]
    if rest == applied:
        return 0.0, 0.0
    if rest == 0.0:
        return min(0.0, applied), max(0.0, applied)
    edge = abs(applied - rest) if applied > rest else -abs(applied - rest)
    for _ in range(60):
        rhs(edge, x, heat, applied, p, found)
        if (found[n + 1] - applied) * edge >= 0:
            break
        edge *= 2.0
    return min(0.0, edge), max(0.0, edge)


@njit(nogil=True, cache=True)
def _inner_voltage(rhs, jacobian, x, heat, p, applied, compliance, guess, found, slopes):  # type: ignore[no-untyped-def]
    """Return the voltage behind what is in series [V]: Newton's method, kept within a bracket by bisection."""
    n = x.size
    first, last = _bracket(rhs, x, heat, p, applied, found)
    low, high = first, last
    v = guess if low < guess < high else (low if applied < 0 else high)
    for _ in range(200):
        if low == high:
            return low
        rhs(v, x, heat, applied, p, found)
        jacobian(v, x, heat, applied, p, slopes)
        slope, rise = max(slopes[n * (n + 3) + n], LEAST_SLOPE), slopes[(n + 1) * (n + 3) + n]
        lack, _ = _balance(applied, found[n + 1], found[n], compliance, rise / slope)
        if lack > 0:
            low = v
        else:
            high = v
        new = v + lack / rise
        if abs(new - v) <= 1e-9 * abs(applied):  # Newton's next step would be below rounding
            return min(max(new, first), last)
        v = new if low < new < high else 0.5 * (low + high)
    return v


@njit(nogil=True, cache=True)
def _variation(jac, by_p, n, row, a, b):  # type: ignore[no-untyped-def]
    """Write what takes slopes along, S' = a·S + b; `row` is that of the jacobian which holds the voltage."""
    for i in range(n):
        share = jac[i * (n + 3) + n] / jac[row * (n + 3) + n]
        for j in range(n):
            a[i, j] = jac[i * (n + 3) + j] - share * jac[row * (n + 3) + j]
        for k in range(b.shape[1]):
            b[i, k] = by_p[i * b.shape[1] + k] - share * by_p[row * b.shape[1] + k]


@njit(nogil=True, cache=True)
def _through(jac, by_p, slopes, n, m):  # type: ignore[no-untyped-def]
    """Return the slope of the current by a parameter, the voltage at the terminals held."""
    at_current, at_port, n_free = n * (n + 3), (n + 1) * (n + 3), slopes.shape[1]
    through, between = by_p[n * n_free + m], by_p[(n + 1) * n_free + m]
    for j in range(n):
        through += jac[at_current + j] * slopes[j, m]
        between += jac[at_port + j] * slopes[j, m]
    return through - jac[at_current + n] / jac[at_port + n] * between


@njit(nogil=True, cache=True)
def _moved_slopes(a, b, h, slopes, w, pivots, column):  # type: ignore[no-untyped-def]
    """Take slopes (state, parameter) over a step of Lobatto IIIC; a and b (node, …) at its start, middle and end."""
    n = slopes.shape[0]
    for r in range(3):
        for q in range(3):
            for i in range(n):
                for j in range(n):
                    w[r * n + i, q * n + j] = -h * _LOBATTO[r, q] * a[r, i, j]
        for i in range(n):
            w[r * n + i, r * n + i] += 1.0
    if not _eliminate(w, pivots):
        return
    for k in range(slopes.shape[1]):
        for r in range(3):
            for i in range(n):
                column[r * n + i] = b[r, i, k]
                for j in range(n):
                    column[r * n + i] += a[r, i, j] * slopes[j, k]
        _substitute(w, pivots, column)
        for i in range(n):
            for r in range(3):
                slopes[i, k] += h * _LOBATTO[2, r] * column[r * n + i]


@njit(nogil=True, cache=True)
def _integrate(  # type: ignore[no-untyped-def]
    rhs, jacobian, by_parameter, p, z, x, slopes, duration, start_V, end_V, start_K, end_K, compliance, rtol, keep,
    states, current, charge, energy, state_slopes, current_slopes,
):  # fmt: skip
    """Take one device through all segments; write what is kept at the end of a segment, where it is.

    `x` are the states and are moved along, as are `slopes` by parameters (state, parameter), where there are any, and
    the last number of `z`, the energy. Returns a status (`DONE`,
    `TOO_MANY_STEPS`, `NOT_FINITE`) and the segment.
    """
    n = x.size
    size = n + 1
    trial, rates = np.empty(size), np.empty(size)
    found, slope = np.empty(n + 3), np.empty((n + 2) * (n + 3))
    at_current, at_port = n * (n + 3), (n + 1) * (n + 3)
    w, stage = np.empty((size, size)), np.empty((6, size))
    by_time, by_state, work = np.empty(size), np.empty(size), np.empty(6)
    pivots = np.empty(size, dtype=np.int64)
    n_free = slopes.shape[1]
    by_p, nodes, turned = np.empty((n + 2) * n_free), np.empty((3 * n, 3 * n)), np.empty(3 * n, dtype=np.int64)
    a, b, column = np.empty((3, n, n)), np.empty((3, n, n_free)), np.empty(3 * n)
    atol = 1e-2 * rtol
    step = np.inf
    before_V, before_K = np.nan, np.nan
    last_V, last_inner = np.nan, 0.0
    for k in range(duration.size):
        span = duration[k]
        slope_V, slope_K = (end_V[k] - start_V[k]) / span, (end_K[k] - start_K[k]) / span
        if start_V[k] != before_V or start_K[k] != before_K:
            guess = (
                last_inner if start_V[k] == last_V else z[n]
            )  # the pulse before ended close to where this one starts
            z[n] = _inner_voltage(rhs, jacobian, x, start_K[k], p, start_V[k], compliance, guess, found, slope)
            step = np.inf
        z[:n] = x
        t = 0.0
        if step == np.inf:
            rhs(z[n], x, start_K[k], start_V[k], p, found)
            fastest = 0.0
            for i in range(n):
                if not np.isfinite(found[i]):
                    return NOT_FINITE, k
                fastest = max(fastest, abs(found[i]))
            step = 0.02 / fastest if fastest > 0 else span
            if fastest == 0.0 and slope_V == 0.0 and slope_K == 0.0:
                t = span  # at rest
                z[size] += found[n] * found[n + 1] * span
        steps = 0
        while t < span:
            steps += 1
            if steps > _MOST_STEPS:
                return TOO_MANY_STEPS, k
            h = min(step, span - t)
            if span - t - h < 1e-9 * span:
                h = span - t
            heat, applied = start_K[k] + slope_K * t, start_V[k] + slope_V * t
            rhs(z[n], z[:n], heat, applied, p, found)
            jacobian(z[n], z[:n], heat, applied, p, slope)
            weight = slope[at_port + n] / max(slope[at_current + n], LEAST_SLOPE)
            _, limited = _balance(applied, found[n + 1], found[n], compliance, weight)
            row, factor = (at_current, weight) if limited else (at_port, 1.0)
            if n_free:
                by_parameter(z[n], z[:n], heat, applied, p, by_p)
                _variation(slope, by_p, n, n if limited else n + 1, a[0], b[0])
            for i in range(n):
                for j in range(size):
                    w[i, j] = -slope[i * (n + 3) + j]
                w[i, i] += 1.0 / (h * _GAMMA)
                by_time[i] = slope[i * (n + 3) + n + 1] * slope_K
            for j in range(size):
                w[n, j] = factor * slope[row + j]
                by_state[j] = found[n] * slope[at_port + j] + found[n + 1] * slope[at_current + j]
            by_time[n] = (0.0 if limited else slope_V) - factor * slope[row + size] * slope_K
            by_time[n] -= factor * slope[row + size + 1] * slope_V
            power_by_time = (found[n] * slope[at_port + size] + found[n + 1] * slope[at_current + size]) * slope_K
            power_by_time += found[n] * slope[at_port + size + 1] * slope_V
            if not _eliminate(w, pivots):
                if h <= 1e-15 * span:
                    return NOT_FINITE, k
                step = 0.1 * h
                continue
            good, done = True, 0.0
            for s in range(6):
                for i in range(size):
                    trial[i] = z[i]
                    for q in range(s):
                        trial[i] += _A[s, q] * stage[q, i]
                late = t + _ALPHA[s] * h
                heat, applied = start_K[k] + slope_K * late, start_V[k] + slope_V * late
                if s > 0:
                    rhs(trial[n], trial[:n], heat, applied, p, found)
                lack, _ = _balance(applied, found[n + 1], found[n], compliance, weight)
                for i in range(n):
                    rates[i] = found[i] + h * _D[s] * by_time[i]
                    for q in range(s):
                        rates[i] += _C[s, q] * stage[q, i] / h
                rates[n] = lack + h * _D[s] * by_time[n]
                _substitute(w, pivots, rates)
                stage[s, :] = rates
                work[s] = found[n] * found[n + 1] + h * _D[s] * power_by_time
                for q in range(s):
                    work[s] += _C[s, q] * work[q] / h
                for i in range(size):
                    work[s] += by_state[i] * rates[i]
                work[s] *= h * _GAMMA
            worst = 0.0
            for i in range(size):
                new = trial[i] + stage[5, i]
                good = good and np.isfinite(new)
                worst = max(worst, abs(stage[5, i]) / (atol + rtol * max(abs(z[i]), abs(new))))
            for q in range(5):
                done += _A[5, q] * work[q]
            done += work[5]
            # the energy alone shows where a source began to limit within a step
            worst = max(worst, abs(work[5]) / (_LOOSER * rtol * max(abs(z[size]), abs(z[size] + done)) + _LEAST_J))
            if good and worst <= 1.0:
                for i in range(size):
                    trial[i] += stage[5, i]
                if n_free:
                    for i in range(size):
                        z[i] = 0.5 * (z[i] + trial[i])
                        for q in range(5):
                            z[i] += _MIDDLE[q] * stage[q, i]
                    for node in range(1, 3):
                        late = t + 0.5 * node * h
                        heat, applied = start_K[k] + slope_K * late, start_V[k] + slope_V * late
                        jacobian(z[n], z[:n], heat, applied, p, slope)
                        by_parameter(z[n], z[:n], heat, applied, p, by_p)
                        _variation(slope, by_p, n, n if limited else n + 1, a[node], b[node])
                        z[:size] = trial
                    _moved_slopes(a, b, h, slopes, nodes, turned, column)
                t += h
                z[:size] = trial
                z[size] += done
                step = h * min(5.0, 0.9 * max(worst, 1e-8) ** -0.25)
            elif h <= 1e-15 * span:
                return NOT_FINITE, k
            else:
                step = h * (max(0.2, 0.9 * worst**-0.25) if good else 0.1)
        x[:] = z[:n]
        before_V, before_K = end_V[k], end_K[k]
        if end_V[k] != 0.0:
            last_V, last_inner = end_V[k], z[n]
        if keep[k] >= 0:
            z[n] = _inner_voltage(rhs, jacobian, x, end_K[k], p, end_V[k], compliance, z[n], found, slope)
            rhs(z[n], x, end_K[k], end_V[k], p, found)
            states[keep[k], :] = x
            current[keep[k]], charge[keep[k]], energy[keep[k]] = found[n], found[n + 2], z[size]
            if n_free:
                jacobian(z[n], x, end_K[k], end_V[k], p, slope)
                by_parameter(z[n], x, end_K[k], end_V[k], p, by_p)
                weight = slope[at_port + n] / max(slope[at_current + n], LEAST_SLOPE)
                _, limited = _balance(end_V[k], found[n + 1] * (1 - 1e-9), found[n], compliance, weight)
                for m in range(n_free):
                    state_slopes[keep[k], :, m] = slopes[:, m]
                    current_slopes[keep[k], m] = 0.0 if limited else _through(slope, by_p, slopes, n, m)
    return DONE, -1


_FLOATS, _INTS = types.float64, types.int64
_ROWS, _CUBE = types.Array(_FLOATS, 2, "C"), types.Array(_FLOATS, 3, "C")
_SIGNATURE = types.void(
    types.FunctionType(FUNCTION), types.FunctionType(FUNCTION), types.FunctionType(FUNCTION), _ROWS, _ROWS, _CUBE,
    ARRAY, ARRAY, ARRAY, ARRAY, ARRAY, types.Array(_INTS, 1, "C"), _CUBE, types.Array(_INTS, 1, "C"),
    types.UniTuple(_FLOATS, 2), _FLOATS,
    types.Array(_INTS, 1, "C"), _CUBE, _ROWS, _ROWS, _ROWS, types.Array(_FLOATS, 4, "C"), _CUBE,
    types.Array(_INTS, 2, "C"),
)  # fmt: skip


@njit(_SIGNATURE, nogil=True, cache=True)
def integrate(  # type: ignore[no-untyped-def]
    rhs, jacobian, by_parameter, parameters, start, start_slopes, duration, start_V, end_V, start_K, end_K, pulse,
    drawn, drawn_at, compliance, rtol, keep, states, current, charge, energy, state_slopes, current_slopes, status,
):  # fmt: skip
    """Take every device through the segments; write what is kept, and where a device could not be solved.

    Parameters
    ----------
    rhs, jacobian, by_parameter : compiled functions
        Of `nvmphys.codegen.kernel`; the last is not called where no slopes are asked for.
    parameters : ndarray (device, parameter)
    start : ndarray (device, state)
    start_slopes : ndarray (device, state, free)
        Slopes of the start by the free parameters, none or more.
    duration, start_V, end_V, start_K, end_K, pulse : ndarray (segment,)
        As in `Segments`.
    drawn : ndarray (device, pulse, some)
        Values of each pulse for the parameters at `drawn_at`, none or more.
    compliance : tuple of float
        Largest current the source gives at positive and at negative voltage [A], or infinity.
    rtol : float
        Relative tolerance of a step.
    keep : ndarray of int (segment,)
        Place of each segment's end in the output, or -1.
    states : ndarray (kept, device, state)
    current, charge, energy : ndarray (kept, device)
    state_slopes : ndarray (kept, device, state, free)
    current_slopes : ndarray (kept, device, free)
    status : ndarray of int (device, 2)
        `DONE`, `TOO_MANY_STEPS` or `NOT_FINITE`, and the segment.
    """
    for device in range(parameters.shape[0]):
        p = parameters[device].copy()
        x, slopes = start[device].copy(), start_slopes[device].copy()
        z = np.zeros(x.size + 2)
        begin = 0
        while begin < duration.size:  # a stretch over which the parameters stay
            end = duration.size
            if drawn_at.size > 0:
                for k in range(drawn_at.size):
                    own = parameters[device, drawn_at[k]]
                    p[drawn_at[k]] = drawn[device, pulse[begin], k] if pulse[begin] >= 0 else own
                end = begin + 1
                while end < duration.size and pulse[end] == pulse[begin]:
                    end += 1
            code, where = _integrate(
                rhs, jacobian, by_parameter, p, z, x, slopes, duration[begin:end], start_V[begin:end], end_V[begin:end],
                start_K[begin:end], end_K[begin:end], compliance, rtol, keep[begin:end],
                states[:, device], current[:, device], charge[:, device], energy[:, device],
                state_slopes[:, device], current_slopes[:, device],
            )  # fmt: skip
            if code != DONE:
                status[device, 0], status[device, 1] = code, begin + where
                break
            begin = end


_READ = types.void(
    types.FunctionType(FUNCTION), types.FunctionType(FUNCTION), _ROWS, _ROWS, _FLOATS, _FLOATS, ARRAY, ARRAY, ARRAY
)  # fmt: skip


@njit(_READ, nogil=True, cache=True)
def read_out(rhs, jacobian, parameters, states, voltage, heat, inner, current, charge):  # type: ignore[no-untyped-def]
    """Write inner voltage [V], current [A] and charge [C] of every row at one voltage, its states as they are."""
    n = states.shape[1]
    found, slope = np.empty(n + 3), np.empty((n + 2) * (n + 3))
    for row in range(parameters.shape[0]):
        p, x = parameters[row], states[row]
        v = _inner_voltage(rhs, jacobian, x, heat, p, voltage, (np.inf, np.inf), 0.0, found, slope)
        rhs(v, x, heat, voltage, p, found)
        inner[row], current[row], charge[row] = v, found[n], found[n + 2]
