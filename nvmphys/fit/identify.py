"""Least squares with a word on what the data tell: values, intervals, correlations, and what is not identified.

Parameters are fitted in coordinates of their own: the logarithm where their scale is one, else the share of the range
between their bounds. From several starts the best end is kept. Of J, the residuals' slopes by these coordinates over
the noise, the singular values say how well each combination is known: one whose standard error spans the whole range
of its parameters is not known at all. Optimisation and profile likelihoods are lmfit's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from lmfit import Minimizer, Parameters, conf_interval
from lmfit.minimizer import MinimizerException, MinimizerResult
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, norm, qmc
from scipy.stats import f as f_distribution

from nvmphys.errors import BadInput, CheckFailed
from nvmphys.fit.result import Convergence
from nvmphys.parameters import Parameter

Array = NDArray[np.float64]
Values = Mapping[str, float]
Tell = Callable[[str, int, int], None]

LEVEL = 0.9
"""Confidence of the intervals."""
UNKNOWN = 0.5
"""Share of the range between the bounds: a parameter whose 90 % interval is wider is not identified."""
PRIOR_RULES = 0.7
"""Standard error as a share of that of the prior, above which the prior rather than the data decides."""
_AT_BOUND = 1e-4
_STEPS_TO_BOUND = 4
_ROUGH, _FINE = 1e-3, 1e-8
"""Tolerances of the fit from each start, and of that from the best end."""
_NEAR = 0.1
"""How far from the parameters' own coordinates a start near them may lie."""
_MOST_EVALUATIONS = 200
_BEYOND = 1.5
"""How far beyond a 90 % interval a profile is drawn, of the interval."""
_FAR_OFF = 1e6
"""Residual where there is no number."""
_Z = float(norm.ppf((1 + LEVEL) / 2))


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be fitted.

    Attributes
    ----------
    parameters : tuple of Parameter
        Those that are free, with the values to start from.
    residuals : callable
        Measured less predicted (residual,), over the noise where that is known, from the values of the parameters.
    jacobian : callable or None
        Slopes (residual, parameter) of the residuals by the values; differences are taken without it.
    noise_known : bool
        Whether the residuals are in units of the noise; else its size is taken from what is left over.
    """

    parameters: tuple[Parameter, ...]
    residuals: Callable[[Values], Array]
    jacobian: Callable[[Values], Array] | None = None
    noise_known: bool = False


@dataclass(frozen=True, eq=False)
class Identified:
    """A fit of parameters and what it says of each.

    Attributes
    ----------
    names : tuple of str
    values, standard_errors : dict of float
        In the parameters' units; the error is linear, at the fitted value.
    intervals : dict of tuple of float
        90 %, by the profile of the likelihood, or from the standard error in the fit's coordinate; the bounds where the
        data set no limit.
    correlation : ndarray (parameter, parameter)
        Of the fit's coordinates.
    singular_values : ndarray (combination,)
        1 over the standard error of each combination of the coordinates, the best known first.
    combinations : ndarray (combination, parameter)
        What each is made of.
    unknown : tuple of str
        Parameters whose interval spans more than `UNKNOWN` of their range.
    prior_decides : tuple of str
        Parameters that the prior rather than the data holds.
    residuals : ndarray (residual,)
    noise : float
        Size of the noise in units of the residuals.
    convergence : Convergence
    """

    names: tuple[str, ...]
    values: dict[str, float]
    standard_errors: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    correlation: Array
    singular_values: Array
    combinations: Array
    unknown: tuple[str, ...]
    prior_decides: tuple[str, ...]
    residuals: Array
    noise: float
    convergence: Convergence

    def said_of_combinations(self) -> list[str]:
        """Return a sentence for each combination of parameters that the data do not fix."""
        found = []
        for strength, weights in zip(self.singular_values, self.combinations, strict=True):
            parts = [(n, w) for n, w in zip(self.names, weights, strict=True) if abs(w) > 0.2]
            if strength * UNKNOWN * 0.5 < _Z:
                shown = " ".join(f"{w:+.2f}·{n}" for n, w in sorted(parts, key=lambda part: -abs(part[1])))
                found.append(f"the data do not fix {shown} (in the fit's coordinates)")
        return found


def softened(problem: Problem) -> Problem:
    """Return a problem whose sum of squares is the loss soft_l1 of another's residuals, Σ 2·(√(1 + r²) - 1).

    A profile of the likelihood is then that of the loss under which it was fitted.

    >>> far = softened(Problem((), lambda values: np.array([0.0, 1e-3, 3.0])))
    >>> far.residuals({}).round(4).tolist()
    [0.0, 0.001, 2.0796]
    """
    slopes = problem.jacobian

    def residuals(values: Values) -> Array:
        return _soft(problem.residuals(values))

    def jacobian(values: Values) -> Array:
        assert slopes is not None
        root = np.sqrt(1 + problem.residuals(values) ** 2)
        return np.asarray(slopes(values) * (np.sqrt((1 + root) / 2) / root)[:, np.newaxis])

    return replace(problem, residuals=residuals, jacobian=None if slopes is None else jacobian)


def _soft(r: Array) -> Array:
    """Return ±√(2·(√(1 + r²) - 1)), without cancelling where r is small."""
    return np.asarray(r * np.sqrt(2 / (1 + np.sqrt(1 + r**2))))


def coordinate(parameter: Parameter, value: float) -> float:
    """Return the fit's coordinate of a value: over the range between the bounds it runs from 0 to 1.

    >>> round(coordinate(Parameter("a", "1", 1.0, (0.1, 10.0), "", "", "log"), 1.0), 3)
    0.5
    """
    low, high = parameter.bounds
    if parameter.scale == "log":
        return float(np.log(value / low) / np.log(high / low))
    return float((value - low) / (high - low))


def value_at(parameter: Parameter, at: float) -> float:
    """Return the value at a coordinate, the inverse of `coordinate`."""
    low, high = parameter.bounds
    at = min(max(at, 0.0), 1.0)
    if parameter.scale == "log":
        return float(low * (high / low) ** at)
    return float(low + (high - low) * at)


def slope_at(parameter: Parameter, value: float) -> float:
    """Return d(value)/d(coordinate)."""
    low, high = parameter.bounds
    return float(value * np.log(high / low)) if parameter.scale == "log" else float(high - low)


def identify(
    problem: Problem,
    *,
    rng: np.random.Generator,
    starts: int = 8,
    loss: str = "linear",
    profiles: bool = True,
    tolerance: float = _FINE,
    tell: Tell | None = None,
) -> Identified:
    """Fit parameters and say what the data tell of each.

    Parameters
    ----------
    problem : Problem
    rng : numpy.random.Generator
        For the starts after the first, which is at the parameters' own values.
    starts : int, optional
        Places over the bounds to start from.
    loss : str, optional
        Of `scipy.optimize.least_squares`: "linear", or "soft_l1" where some residuals are outliers.
    profiles : bool, optional
        Whether the intervals come from the profile of the likelihood, which of a lone parameter is the likelihood.
    tolerance : float, optional
        By how much less, of the sum of squares and of the coordinates, a last step may improve.
    tell : callable, optional
        Told what is done, how much of it and of how much.

    Returns
    -------
    Identified

    Raises
    ------
    BadInput
        Fewer residuals than parameters, or residuals that are no numbers at the start.
    CheckFailed
        "no start of the fit led to numbers". One that stopped before its end is returned, with `converged` false and
        the reason in the `message`.

    Examples
    --------
    >>> t = np.linspace(0, 3, 50)
    >>> y = 2.0 * np.exp(-t / 0.7) + 0.01 * np.sin(40 * t)
    >>> a = Parameter("a", "1", 1.0, (0.1, 10), "height", "")
    >>> tau = Parameter("tau", "s", 1.0, (0.01, 10), "time", "", "log")
    >>> found = identify(Problem((a, tau), lambda p: y - p["a"] * np.exp(-t / p["tau"])), rng=np.random.default_rng(1))
    >>> round(found.values["tau"], 2), found.unknown
    (0.7, ())
    """
    parameters = problem.parameters
    own = np.array([coordinate(p, p.value) for p in parameters])
    at_own = problem.residuals({p.name: p.value for p in parameters})
    if at_own.size + _priors(parameters, own).size < len(parameters):
        raise BadInput(f"a fit of {len(parameters)} parameters needs as many numbers at least (got {at_own.size})")
    fits = []
    for k, begin in enumerate(_starts(own, starts, rng)):
        if tell is not None:
            tell("starts of the fit", k, starts)
        one = _minimised(problem, begin, loss, tolerance) if starts == 1 else None
        if not _converged(one):  # where a valley is too long to its end
            one = _minimised(problem, begin, loss, _ROUGH) or one
        fits.append(one)
    good = [fit for fit in fits if fit is not None]
    if not good:
        raise CheckFailed("no start of the fit led to numbers: the model may not suit the data, or bounds are too wide")
    best = min(good, key=lambda fit: float(fit[1].cost))
    ends = np.array([best[1].params[p.name].value for p in parameters])
    final = best if starts == 1 else _minimised(problem, ends, loss, tolerance)
    if final is None or (_converged(best) and not _converged(final)):
        final = best
    minimizer, result = final
    return _identified(problem, minimizer, result, loss, profiles, tell)


@dataclass(frozen=True, eq=False)
class Profile:
    """The profile of the likelihood of one parameter: the others are fitted anew at each of its values.

    Attributes
    ----------
    name : str
    values : ndarray (point,)
        In the parameter's unit, ascending; the fitted value is among them.
    rise : ndarray (point,)
        By how much the sum of squares over noise² lies above that of the fit.
    limit : float
        Rise at which a 90 % interval ends: the quantile of chi², or of F where the noise is not known.
    """

    name: str
    values: Array
    rise: Array
    limit: float


def profile_of(problem: Problem, found: Identified, name: str, points: int = 9) -> Profile:
    """Return the profile of the likelihood of a fitted parameter, from each side of its value outwards.

    Parameters
    ----------
    problem : Problem
        The one that was fitted, with residuals of the same weights.
    found : Identified
    name : str
        One of `found.names`.
    points : int, optional
        Values at which it is evaluated, over one and a half times its 90 % interval or up to the bounds.

    Raises
    ------
    BadInput
        A parameter that was not fitted.

    Examples
    --------
    >>> x = np.linspace(0, 1, 20)
    >>> line = Problem(
    ...     (Parameter("a", "1", 1.0, (0, 3), "", ""), Parameter("b", "1", 1.0, (0, 3), "", "")),
    ...     lambda p: (1.0 + 2.0 * x + 0.1 * np.sin(50 * x) - p["a"] - p["b"] * x) / 0.07, noise_known=True,
    ... )
    >>> found = identify(line, rng=np.random.default_rng(1), starts=2)
    >>> curve = profile_of(line, found, "b", points=3)
    >>> (curve.rise / curve.limit).round(2).tolist()
    [2.25, 0.0, 2.25]
    """
    if name not in found.names:
        raise BadInput(f"no profile of {name}: it was not fitted ({', '.join(found.names)} were)")
    held = next(p for p in problem.parameters if p.name == name)
    others = tuple(replace(p, value=found.values[p.name]) for p in problem.parameters if p.name != name)
    best = coordinate(held, found.values[name])
    ends = [coordinate(held, end) for end in found.intervals[name]]
    sides = []
    for end in ends:
        outer = float(np.clip(best + _BEYOND * (end - best), 0.0, 1.0))
        sides.append(_risen(problem, held, others, np.linspace(best, outer, points // 2 + 1)[1:]))
    base = _squares(problem, found.values)
    (low, low_squares), (high, high_squares) = sides
    at = np.concatenate([low[::-1], [best], high])
    squares = np.concatenate([low_squares[::-1], [base], high_squares])
    limit = _limit(problem, max(1, found.residuals.size - len(found.names)))
    return Profile(name, np.array([value_at(held, x) for x in at]), (squares - base) / found.noise**2, limit)


def _limit(problem: Problem, free: int) -> float:
    """Return the rise of the sum of squares over noise² at which a 90 % interval ends."""
    return float(chi2.ppf(LEVEL, 1) if problem.noise_known else f_distribution.ppf(LEVEL, 1, free))


def _risen(problem: Problem, held: Parameter, others: tuple[Parameter, ...], at: Array) -> tuple[Array, Array]:
    """Return coordinates and sums of squares with a parameter held there, each fit starting from the one before."""
    begin, out = np.array([coordinate(p, p.value) for p in others]), []
    for x in at:
        fixed = {held.name: value_at(held, float(x))}
        values = fixed | {p.name: value_at(p, float(b)) for p, b in zip(others, begin, strict=True)}
        fit = _minimised(_holding(problem, others, fixed), begin, "linear", _ROUGH) if others else None
        if fit is not None:
            begin = np.array([fit[1].params[p.name].value for p in others])
            values = fixed | {p.name: value_at(p, float(b)) for p, b in zip(others, begin, strict=True)}
        out.append(_squares(problem, values))
    return at, np.array(out)


def _holding(problem: Problem, others: tuple[Parameter, ...], fixed: Values) -> Problem:
    """Return a problem in which some values are held."""
    slopes = problem.jacobian
    chosen = [k for k, p in enumerate(problem.parameters) if p.name not in fixed]
    return Problem(
        others,
        lambda values: problem.residuals({**fixed, **values}),
        None if slopes is None else lambda values: slopes({**fixed, **values})[:, chosen],
        problem.noise_known,
    )


def _squares(problem: Problem, values: Values) -> float:
    """Return the sum of squares with that of the priors."""
    at = np.array([coordinate(p, values[p.name]) for p in problem.parameters])
    return float((problem.residuals(values) ** 2).sum() + (_priors(problem.parameters, at) ** 2).sum())


def fisher_gain(known: Identified, parameters: Sequence[Parameter], jacobian: Array, noise: float) -> float:
    """Return by how much ln det of the Fisher information rises with measurements of slopes J over their noise.

    `jacobian` (residual, parameter) is by the parameters' values, at the fitted ones. With the information A of what
    is known (of unit prior width over the bounds where nothing is), the gain is ln det(1 + A⁻¹·JᵀJ/noise²).
    """
    scale = np.array([slope_at(p, known.values[p.name]) for p in parameters])
    slopes = np.asarray(jacobian) * scale / noise
    weak = information(known)
    return float(np.linalg.slogdet(np.eye(len(parameters)) + np.linalg.solve(weak, slopes.T @ slopes))[1])


def information(known: Identified) -> Array:
    """Return the Fisher information of the coordinates, with that of a prior as wide as the bounds."""
    return np.asarray(known.combinations.T * known.singular_values**2 @ known.combinations + np.eye(len(known.names)))


def _starts(own: Array, count: int, rng: np.random.Generator) -> list[Array]:
    """Return the parameters' own coordinates, and others spread evenly: in turns near these and over the bounds."""
    others = qmc.Sobol(own.size, rng=rng).random_base2(max(0, int(np.ceil(np.log2(max(count, 2))))))
    near = own + _NEAR * (2 * others[0::2] - 1)
    wide = 0.02 + 0.96 * others[1::2]
    found = [start for pair in zip(near, wide, strict=True) for start in pair]
    return [np.clip(start, 1e-6, 1 - 1e-6) for start in (own, *found[: count - 1])]


def _priors(parameters: Sequence[Parameter], at: Array) -> Array:
    """Return what the coordinates lack of their priors' centres, over the priors' widths."""
    out = []
    for parameter, x in zip(parameters, at, strict=True):
        if parameter.prior is not None:
            centre, width = parameter.prior
            value = value_at(parameter, float(x))
            out.append(((np.log(value) if parameter.scale == "log" else value) - centre) / width)
    return np.array(out)


def _prior_widths(parameters: Sequence[Parameter], at: Array) -> Array:
    """Return the widths of the priors in the coordinates; infinite without one."""
    out = np.full(len(parameters), np.inf)
    for k, parameter in enumerate(parameters):
        if parameter.prior is not None:
            value = value_at(parameter, float(at[k]))
            in_unit = parameter.prior[1] * (value if parameter.scale == "log" else 1.0)
            out[k] = in_unit / slope_at(parameter, value)
    return out


def _converged(fit: tuple[Minimizer, MinimizerResult] | None) -> bool:
    return fit is not None and bool(fit[1].success)


def _minimised(problem: Problem, begin: Array, loss: str, tolerance: float) -> tuple[Minimizer, MinimizerResult] | None:
    """Return lmfit's minimizer and its result from one start; None where it met numbers that are none."""
    given, trail = Parameters(), _Trail(loss)
    for parameter, at in zip(problem.parameters, begin, strict=True):
        given.add(parameter.name, value=float(at), min=0.0, max=1.0)

    def coordinates(params: Parameters) -> tuple[Array, dict[str, float]]:
        at = np.array([params[p.name].value for p in problem.parameters])
        return at, {p.name: value_at(p, float(x)) for p, x in zip(problem.parameters, at, strict=True)}

    def residuals(params: Parameters) -> Array:
        at, values = coordinates(params)
        try:
            found = np.concatenate([problem.residuals(values), _priors(problem.parameters, at)])
        except CheckFailed:  # no prediction there: a step back, but for the first
            if not trail.calls:
                raise
            found = np.full(trail.size, np.nan)
        found = np.where(np.isfinite(found), found, _FAR_OFF)
        trail.at(at, found)
        return found

    def slopes(params: Parameters) -> Array:
        assert problem.jacobian is not None
        at, values = coordinates(params)
        scale = np.array([slope_at(p, values[p.name]) for p in problem.parameters])
        widths = _prior_widths(problem.parameters, at)
        held = np.isfinite(widths)
        found = np.vstack([problem.jacobian(values) * scale, np.diag(1 / widths)[held]])
        moving = [params[p.name].vary for p in problem.parameters]  # a profile holds one still
        return np.where(np.isfinite(found), found, 0.0)[:, moving]

    own = {} if problem.jacobian is None else {"Dfun": slopes}
    minimizer = Minimizer(residuals, given, nan_policy="omit", scale_covar=not problem.noise_known, **own)
    try:
        with np.errstate(invalid="ignore", divide="ignore"):  # lmfit's own errors of what is not identified
            result = minimizer.least_squares(
                loss=loss, x_scale="jac", ftol=tolerance, xtol=tolerance, gtol=None, max_nfev=_MOST_EVALUATIONS
            )
    except (ValueError, CheckFailed, np.linalg.LinAlgError):
        return None
    if result.aborted and trail.calls > _MOST_EVALUATIONS:
        result = _where_it_stopped(minimizer, given, trail.best, loss)
    return (minimizer, result) if result is not None and not result.aborted and np.isfinite(result.cost) else None


@dataclass(eq=False)
class _Trail:
    """Where a fit has been: how often residuals were asked for, how many there are, and where they were least."""

    loss: str
    calls: int = 0
    size: int = 0
    least: float = np.inf
    best: Array = field(default_factory=lambda: np.empty(0))

    def at(self, coordinates: Array, residuals: Array) -> None:
        """Take down a place and its residuals."""
        near = np.clip(residuals, -_FAR_OFF, _FAR_OFF)
        cost = float(np.sum((near if self.loss == "linear" else _soft(near)) ** 2))
        self.calls, self.size = self.calls + 1, residuals.size
        if cost < self.least:
            self.least, self.best = cost, coordinates


def _where_it_stopped(minimizer: Minimizer, given: Parameters, best: Array, loss: str) -> MinimizerResult | None:
    """Return a fit that stopped at its limit of evaluations as it stood: a step from its best place, not converged."""
    for parameter, at in zip(given.values(), best, strict=True):
        parameter.value = float(at)
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            result = minimizer.least_squares(
                given, loss=loss, x_scale="jac", ftol=0.9, xtol=0.9, gtol=None, max_nfev=_MOST_EVALUATIONS
            )
    except (ValueError, CheckFailed, np.linalg.LinAlgError):
        return None
    result.success, result.nfev = False, _MOST_EVALUATIONS
    result.message = (
        f"it stopped after {_MOST_EVALUATIONS} evaluations, still on its way: start nearer (--set), fit fewer "
        "parameters (--free) or take more starts"
    )
    return result


def _identified(
    problem: Problem, minimizer: Minimizer, result: MinimizerResult, loss: str, profiles: bool, tell: Tell | None
) -> Identified:
    """Return what lmfit's result says, in the parameters' units."""
    parameters = problem.parameters
    names = tuple(p.name for p in parameters)
    at = np.array([result.params[name].value for name in names])
    values = {p.name: value_at(p, float(x)) for p, x in zip(parameters, at, strict=True)}
    slopes = np.asarray(result.jac)
    left = problem.residuals(values)
    free = max(1, slopes.shape[0] - len(names))
    noise = 1.0 if problem.noise_known else float(np.sqrt(max(2 * result.cost, 1e-300) / free))
    _, strengths, combinations = np.linalg.svd(slopes / noise, full_matrices=False)
    errors = _errors(strengths, combinations)
    hits = tuple(n for n, x in zip(names, at, strict=True) if min(x, 1 - x) < _AT_BOUND)
    intervals = {n: (x - _Z * e, x + _Z * e) for n, x, e in zip(names, at, errors, strict=True)}
    if profiles and loss == "linear" and len(names) == 1:
        intervals = {names[0]: _lone_profile(problem, float(at[0]), float(errors[0]))}
    elif profiles and loss == "linear":
        told = [n for n, e in zip(names, errors, strict=True) if e < UNKNOWN]
        for name, ends in _profiles(minimizer, result, told, tell).items():
            intervals[name] = _ended(problem, name, values, intervals[name], ends, _limit(problem, free) * noise**2)
    unknown = tuple(n for n in names if np.ptp(np.clip(intervals[n], 0.0, 1.0)) > UNKNOWN)
    own = {p.name: p for p in parameters}
    widths = _prior_widths(parameters, at)
    prior_decides = tuple(n for n, e, w in zip(names, errors, widths, strict=True) if e > PRIOR_RULES * w)
    scaled = np.outer(1 / errors, 1 / errors)
    covariance = (combinations.T / np.maximum(strengths, 1e-150) ** 2) @ combinations
    return Identified(
        names=names,
        values=values,
        standard_errors={n: float(slope_at(own[n], values[n]) * e) for n, e in zip(names, errors, strict=True)},
        intervals={n: (value_at(own[n], low), value_at(own[n], high)) for n, (low, high) in intervals.items()},
        correlation=covariance * scaled,
        singular_values=strengths,
        combinations=combinations,
        unknown=unknown,
        prior_decides=prior_decides,
        residuals=left,
        noise=noise,
        convergence=Convergence(bool(result.success), str(result.message), int(result.nfev), float(result.cost), hits),
    )


def _errors(strengths: Array, combinations: Array) -> Array:
    """Return the standard errors of the coordinates."""
    return np.asarray(np.sqrt(((combinations / np.maximum(strengths, 1e-150)[:, np.newaxis]) ** 2).sum(axis=0)))


def _lone_profile(problem: Problem, best: float, error: float) -> tuple[float, float]:
    """Return the 90 % interval of the coordinate of a lone parameter: of it the likelihood is its own profile.

    It ends where the sum of squares has risen by the quantile of chi², or of F where the noise is not known; at a bound
    where it never does.
    """
    (parameter,) = problem.parameters

    def left(x: float) -> Array:
        own = problem.residuals({parameter.name: value_at(parameter, x)})
        return np.concatenate([own, _priors((parameter,), np.array([x]))])

    def squares(x: float) -> float:
        return float((left(x) ** 2).sum())

    least, free = squares(best), max(1, left(best).size - 1)
    rise = _limit(problem, free) * (1.0 if problem.noise_known else least / free)

    def above(x: float) -> float:
        return squares(x) - least - rise

    ends = []
    for bound in (0.0, 1.0):
        inner, step = best, np.sign(bound - 0.5) * min(max(error, 1e-6), 0.1)
        while inner != bound:
            outer = float(np.clip(inner + step, 0.0, 1.0))
            if above(outer) > 0:
                ends.append(float(brentq(above, inner, outer, xtol=1e-10)))
                break
            inner, step = outer, 2 * step
        else:
            ends.append(bound)
    return ends[0], ends[1]


def _by_known_noise(best: MinimizerResult, held: MinimizerResult) -> float:
    """Return the probability by which a fit with a parameter held is worse than the best, the noise known."""
    return float(chi2.cdf(held.chisqr - best.chisqr, best.nvarys - held.nvarys))


def _profiles(
    minimizer: Minimizer, result: MinimizerResult, names: Sequence[str], tell: Tell | None
) -> dict[str, tuple[float, float]]:
    """Return the 90 % intervals of coordinates by the profile of the likelihood; where no end was found, infinite."""
    found, compare = {}, None if minimizer.scale_covar else _by_known_noise
    for k, name in enumerate(names):
        if tell is not None:
            tell("profiles of the likelihood", k, len(names))
        try:
            with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
                warnings.simplefilter("ignore", UserWarning)  # a bound that is reached is taken as the end below
                levels = conf_interval(minimizer, result, p_names=[name], sigmas=[LEVEL], prob_func=compare)[name]
        except (MinimizerException, ValueError, KeyError, TypeError, RuntimeError):
            continue
        found[name] = float(levels[0][1]), float(levels[-1][1])
    return found


def _ended(
    problem: Problem, name: str, values: Values, linear: tuple[float, float], ends: tuple[float, float], rise: float
) -> tuple[float, float]:
    """Return an interval whose ends were all found.

    Where none was, the data set no limit up to the bound, if the sum of squares has not risen by `rise` there. If it
    has, the search itself ended before its time, as it does where an interval is narrower than its least step: then
    the standard error counts.
    """
    out = []
    for end, by_error, bound in zip(ends, linear, (0.0, 1.0), strict=True):
        if not np.isfinite(end):
            held = next(p for p in problem.parameters if p.name == name)
            others = tuple(replace(p, value=values[p.name]) for p in problem.parameters if p.name != name)
            way = np.linspace(coordinate(held, values[name]), bound, _STEPS_TO_BOUND + 1)[1:]
            limited = _risen(problem, held, others, way)[1][-1] - _squares(problem, values) > rise
            end = by_error if limited else bound
        out.append(end)
    return out[0], out[1]
