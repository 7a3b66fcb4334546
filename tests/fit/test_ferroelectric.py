"""Ferroelectric capacitors: predictions against many domains and integrals, slopes, recovery, what data cannot tell."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import beta as beta_function
from scipy.stats import qmc

import nvmphys as nv
from nvmphys.devices import device, fe_domains, fe_preisach
from nvmphys.devices import fe_domains_mean as domains
from nvmphys.devices import fe_plays_mean as plays
from nvmphys.devices.model import Segments
from nvmphys.errors import BadInput
from nvmphys.fit.ferroelectric import defaults, observed, said_of, said_of_residuals
from nvmphys.fit.ferroelectric_choice import left_out_amplitudes, shapes
from nvmphys.fit.identify import coordinate, identify
from nvmphys.fit.observed import problem_of
from nvmphys.records import Measurement, Source

DOMAINS, PLAYS = device("fe_domains"), device("fe_preisach")
KNOWN = {"area": 2.5e-9, "tfe": 9e-9}
ALIKE = {"gb_p": 1.0, "gb_q": 1.0}
RNG = np.random.default_rng(20261127)
WAVES = {
    "PUND": (
        1.4 * np.array([0, 0, -1, -1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, -1, -1, 0, 0, -1, -1, 0.0]),
        [1e-5, 1e-6] * 10,
    ),
    "minor loops": (np.array([0, 1.3, -0.9, 1.2, -1.1, 1.8, -1.0, 0.4, -1.4, 2.2, -1.7, 1.1, 0.0]), [2e-6] * 12),
    "random": (np.r_[0.0, RNG.uniform(-2.5, 2.5, 40)], RNG.uniform(1e-7, 1e-5, 40)),
}


AMPLITUDES, WIDTHS = np.linspace(0.6, 3.0, 13), np.geomspace(1e-7, 1e-2, 8)


def grid(amplitudes=AMPLITUDES, widths=WIDTHS):
    volts, spans = (x.ravel() for x in np.meshgrid(amplitudes, widths, indexing="ij"))
    table = {
        "pulse_voltage_V": volts,
        "pulse_width_s": spans,
        "polarization_C_per_m2": np.linspace(-0.1, 0.1, volts.size),
    }
    return Measurement("pulse", pd.DataFrame(table), Source("made"))


def pund(edge_s=25e-6, points=12, peak=3.0):
    ramp = np.linspace(0, peak, points + 1)[1:]
    pulse = np.r_[ramp, ramp[-2::-1], np.zeros(points)]
    volts = np.concatenate([np.zeros(points), *(sign * pulse for sign in (-1, 1, 1, -1, -1))])
    table = {
        "time_s": np.arange(volts.size) * edge_s / points,
        "voltage_V": volts,
        "current_A": np.diff(volts, prepend=0),
    }
    return Measurement("pund", pd.DataFrame(table), Source("made", kind="simulated"))


def loop(peak):
    volts = peak * np.interp(np.arange(1, 201) / 200, [0, 0.25, 0.75, 1], [0, 1, -1, 0])
    table = {"time_s": 5e-7 * np.arange(200), "voltage_V": volts, "polarization_C_per_m2": volts}
    return Measurement("pv_loop", pd.DataFrame(table), Source("made"))


def made(measurement, model, values, rng, noise=0.01):
    """Return what was observed of a measurement, with what the model says in its place."""
    (seen,) = observed(measurement, model, KNOWN)
    clean = seen.predict(values)
    return replace(seen, measured=clean + noise * np.abs(clean).max() * rng.standard_normal(clean.size))


def fitted(seen, model, free, values, **how):
    parameters = tuple(replace(model.parameter(n), value=values[n]) for n in free)
    rest = {n: x for n, x in values.items() if n not in free}
    return identify(problem_of(seen, parameters, rest), **{"rng": np.random.default_rng(1), "starts": 1, **how})


# Predictions


@pytest.mark.parametrize(
    ("volts", "width", "edge"), [(1.0, 1e-7, 0), (1.5, 1e-6, 0), (2.5, 1e-3, 0), (1.4, 1e-6, 2e-6)]
)
def test_polarity_after_a_pulse_is_the_integral_over_activation_fields(volts, width, edge):
    v = DOMAINS.values()
    a, b, p, q = (v[n] for n in ("gb_a", "gb_b", "gb_p", "gb_q"))

    def density(x):
        return a * x ** (a * p - 1) / (beta_function(p, q) * (1 + x**a) ** (p + q))

    def flipped(x):
        rows = {n: np.array([value]) for n, value in {**v, "Ea": x * b}.items()}
        h = fe_domains.count(rows, volts, volts, width)
        h = h + 2 * fe_domains.count(rows, 0.0, volts, edge) if edge else h
        return 1 - np.exp(-(float(h[0]) ** v["beta"]))

    ends = np.linspace(0.05, 8, 40)
    share = sum(quad(lambda x: density(x) * flipped(x), *pair)[0] for pair in itertools.pairwise(ends))
    found, _ = device("fe_domains").switching.after(v, np.array([volts]), np.array([width]), edge)
    assert found[0] == pytest.approx(2 * share - 1, abs=2e-6)


@pytest.mark.parametrize("name", WAVES)
@pytest.mark.parametrize("start", [-1.0, 1.0])
def test_polarity_along_a_waveform_is_that_of_many_domains(name, start):
    volts, spans = WAVES[name]
    v, count, n = DOMAINS.values(), 2**15, len(spans)
    uniform = qmc.Sobol(2, rng=np.random.default_rng(1)).random(count)
    rows = {k: np.full(count, x) for k, x in v.items()}
    rows |= fe_domains.quantiles(v, {"Ea": uniform[:, 0], "hth": uniform[:, 1]})
    heat = np.full(n, 300.0)
    pieces = Segments(np.asarray(spans), volts[:-1], volts[1:], heat, heat, np.full(n, -1))
    begin = np.tile([max(start, 0.0), start], (count, 1))
    true = fe_domains.states_at_knots(rows, begin, pieces)[:, :, 1].mean(axis=1)
    assert np.ptp(true) > 0.5
    found, _ = domains.along(v, volts, np.asarray(spans), start)
    np.testing.assert_allclose(found[1:], true, atol=1.5e-3)  # of 32,768 domains, evenly spread
    assert found[0] == start


@pytest.mark.parametrize("start", [-1.0, 1.0])
def test_plays_along_a_waveform_are_those_of_the_device(start):
    volts, spans = WAVES["random"]
    v, n = PLAYS.values(), len(spans)
    half = v["Ec"] * (1 + v["spread"] * (2 * np.arange(1, 9) - 9) / 8) / 1e8
    heat = np.full(n, 300.0)
    pieces = Segments(np.asarray(spans), volts[:-1], volts[1:], heat, heat, np.full(n, -1))
    rows = {k: np.array([x]) for k, x in v.items()}
    states = fe_preisach.states_at_knots(rows, start * half[np.newaxis], pieces)[:, 0]
    found, _ = plays.along(v, volts, start)
    np.testing.assert_allclose(found[1:], np.tanh(states * 1e8 / (2 * v["delta"])).mean(axis=1), rtol=1e-12)


@pytest.mark.parametrize(
    ("model", "measurement"),
    [(m, x) for m in (DOMAINS, PLAYS) for x in (grid(), pund(), loop(2.5))],
    ids=lambda x: getattr(x, "name", getattr(x, "experiment", "")),
)
def test_slopes_are_those_of_the_prediction(model, measurement):
    (seen,) = observed(measurement, model, KNOWN)
    v = model.values(KNOWN)
    names = [p.name for p in model.parameters if p.name not in ("Ea", "hth", "tau", "tflip")]
    slopes = seen.slopes(v, names)
    size = np.abs(seen.predict(v)).max()
    for k, name in enumerate(names):
        step = 1e-4 * v[name]
        by = (seen.predict({**v, name: v[name] + step}) - seen.predict({**v, name: v[name] - step})) / (2 * step)
        np.testing.assert_allclose(slopes[:, k] * v[name], by * v[name], atol=2e-3 * size, err_msg=name)
    assert not seen.slopes(v, ["tau" if model is PLAYS else "tflip"]).any()


@pytest.mark.parametrize("experiment", ["pund", "pv_loop"])
def test_a_simulated_capacitor_is_predicted(experiment):
    short = {"width_s": 2e-6, "rest_s": 2e-6} if experiment == "pund" else {"points": 80}
    short["amplitude_V"] = 4.5  # wipes out whatever was before the preset pulse
    simulated = nv.simulate("fe_preisach", experiment, settings=short)
    known = {"area": PLAYS.values()["area"]}
    (seen,) = observed(simulated, PLAYS, known)
    np.testing.assert_allclose(seen.predict(PLAYS.values()), seen.measured, atol=1e-9 * np.abs(seen.measured).max())


# What fits find


@pytest.mark.parametrize(
    ("model", "measurements", "held"),
    [(DOMAINS, (grid(),), ALIKE), (PLAYS, tuple(loop(x) for x in (1.5, 2.2, 3.0)), {"spread": 0.6}),
     (PLAYS, (pund(points=25),), {"spread": 0.6})],
    ids=["domains, pulses", "plays, loops", "plays, PUND"],
)  # fmt: skip
def test_what_made_the_data_is_found_within_the_intervals(model, measurements, held):
    rng, pulls, covered = np.random.default_rng(5), [], []
    start = model.values({**KNOWN, **held})
    for _ in range(12):
        free, _ = defaults(model, [observed(m, model, KNOWN)[0] for m in measurements])
        truth = {n: start[n] * np.exp(0.05 * rng.standard_normal()) for n in free}
        shown = [made(m, model, start | truth, rng) for m in measurements]
        shown = [replace(o, noise=0.01 * np.abs(o.predict(start | truth)).max()) for o in shown]
        found = fitted(shown, model, free, start, profiles=False)
        assert found.convergence.converged
        assert found.unknown == ()
        for n in free:
            low, high = found.intervals[n]
            covered.append(low <= truth[n] <= high)
            at, true, *ends = (coordinate(model.parameter(n), x) for x in (found.values[n], truth[n], low, high))
            pulls.append((at - true) / (np.ptp(ends) / 2 / 1.645))
    # 48 to 72 pulls, those of one set correlated: the mean and the variance within what such samples have.
    assert abs(np.mean(pulls)) < 0.5
    assert 0.5 < np.var(pulls) < 1.7
    assert np.mean(covered) > 0.75


def test_one_frequency_does_not_fix_the_kinetics_and_three_do():
    rng, own = np.random.default_rng(3), DOMAINS.values({**KNOWN, **ALIKE})
    free = device("fe_domains").fitted["pund"]
    one = [made(pund(), DOMAINS, own, rng)]
    assert {"alpha", "beta", "gb_b"} <= set(fitted(one, DOMAINS, free, own, profiles=False).unknown)
    assert "one frequency does not fix the kinetics" in said_of(DOMAINS, one)[0]
    assert defaults(DOMAINS, one)[0] == ("Pr", "gb_a", "gb_b", "eps")
    many = [made(pund(edge), DOMAINS, own, rng) for edge in (2.5e-6, 2.5e-5, 2.5e-4)]
    many = [replace(o, noise=0.01 * np.abs(o.measured).max()) for o in many]
    assert fitted(many, DOMAINS, free, own, profiles=False).unknown == ()
    assert said_of(DOMAINS, many) == []
    assert defaults(DOMAINS, many)[0] == free


def test_pulses_of_one_width_and_loops_without_time_are_one_frequency_too():
    (alike,) = observed(grid(widths=[1e-6]), DOMAINS)
    assert "one frequency" in said_of(DOMAINS, [alike])[0]
    timeless = [observed(replace(loop(v), table=loop(v).table.drop(columns="time_s")), PLAYS)[0] for v in (1.5, 2.0)]
    kinetics = "fe_preisach has no kinetics: its fields are those of the times under voltage measured"
    assert said_of(PLAYS, timeless) == [kinetics]
    assert said_of(PLAYS, timeless[:1])[0] == kinetics
    assert "s)" in said_of(PLAYS, [alike])[0]


def test_one_amplitude_does_not_tell_the_spread_of_plays():
    one, other = (observed(loop(v), PLAYS)[0] for v in (2.0, 3.0))
    assert defaults(PLAYS, [one]) == (("Ps", "Ec", "delta", "eps"), {"spread": 0.0})
    assert "one amplitude hardly tells the spread" in said_of(PLAYS, [one])[1]
    assert defaults(PLAYS, [one, other]) == (("Ps", "Ec", "delta", "spread", "eps"), {})
    assert len(said_of(PLAYS, [one, other])) == 1


def test_profiles_use_the_slopes_and_agree_with_a_fit_without_them():
    own = DOMAINS.values(ALIKE)
    seen = made(
        grid(np.linspace(0.8, 2.4, 5), np.geomspace(1e-7, 1e-3, 5)), DOMAINS, own, np.random.default_rng(2), 0.1
    )
    free = ("Pr", "gb_a", "gb_b")
    with_slopes = fitted([seen], DOMAINS, free, own)
    without = fitted([replace(seen, slopes=None)], DOMAINS, free, own)
    linear = fitted([seen], DOMAINS, free, own, profiles=False)
    for n in free:
        np.testing.assert_allclose(with_slopes.intervals[n], without.intervals[n], rtol=2e-3)
    assert with_slopes.intervals["gb_a"] != linear.intervals["gb_a"]


def test_a_fit_does_not_depend_on_the_size_of_the_numbers():
    own = PLAYS.values(KNOWN)
    seen = made(pund(), PLAYS, own, np.random.default_rng(4))
    begin = {**own, "Ec": 1.3e8}
    found = fitted([seen], PLAYS, ("Ps", "Ec", "delta"), begin, profiles=False)
    larger = fitted([replace(seen, noise=1e-6)], PLAYS, ("Ps", "Ec", "delta"), begin, profiles=False)
    for n in found.names:
        assert found.values[n] == pytest.approx(larger.values[n], rel=1e-4)


def test_the_shape_of_the_activation_fields_is_asked_for_only_where_the_data_tell():
    rng, published = np.random.default_rng(6), DOMAINS.values()
    told = shapes([made(grid(), DOMAINS, published, rng)], DOMAINS, {}, rng)
    assert told["preferred"].to_dict() == {"p = q = 1": False, "p and q free": True}
    for values, noise in ((published, 0.3), (DOMAINS.values(ALIKE), 0.01)):
        told = shapes([made(grid(), DOMAINS, values, rng, noise)], DOMAINS, {}, rng)
        assert told["preferred"].to_dict() == {"p = q = 1": True, "p and q free": False}
        assert told.loc["p and q free", "rms"] <= told.loc["p = q = 1", "rms"]


def test_the_model_that_made_the_pulses_predicts_left_out_amplitudes_best():
    rng = np.random.default_rng(7)
    measurement, own = grid(), DOMAINS.values(ALIKE)
    table = measurement.table.assign(polarization_C_per_m2=made(measurement, DOMAINS, own, rng).measured)
    ranked = left_out_amplitudes(replace(measurement, table=table), [PLAYS, DOMAINS], {}, rng, [1.0, 1.6, 2.2])
    assert ranked.index[0] == "fe_domains"
    assert ranked.loc["fe_domains", "worst"] < 1.5 * 0.01 * own["Pr"]
    assert ranked.loc["fe_preisach", "rms"] > 10 * ranked.loc["fe_domains", "rms"]


def test_the_baselines_of_left_out_amplitudes_are_those_by_hand():
    table = pd.DataFrame({"pulse_voltage_V": [0.6, 0.9, 1.0, 2.0], "pulse_width_s": 1e-6})
    table["polarization_C_per_m2"] = [-0.2, -0.1, 0.1, 0.3]
    measurement = Measurement("pulse", table, Source("made"))
    ranked = left_out_amplitudes(measurement, [], {}, np.random.default_rng(1), [1.0])
    assert ranked["rms"].to_dict() == {
        "linear between amplitudes": pytest.approx(0.1 - (-0.1 + 0.4 / 11)),
        "nearest amplitude": pytest.approx(0.2),
    }


def test_residuals_that_hang_together_are_named():
    rng = np.random.default_rng(8)
    assert said_of_residuals(rng.standard_normal(400)) == []
    assert "too narrow by a factor of about" in said_of_residuals(np.cumsum(rng.standard_normal(400)))[0]


def test_the_measured_capacitor_is_fitted_and_its_limits_are_said(measured_data):
    (measured,) = nv.read(measured_data / "hzo_capacitor_pund" / "PUND_B1500.csv")
    (seen,) = observed(measured, PLAYS, KNOWN)
    own = PLAYS.values({**KNOWN, "spread": 0.0})
    found = fitted([seen], PLAYS, ("Ps", "Ec", "delta", "eps"), own)
    # The current peaks at 0.95 V (of the figure) of 9 nm; the linear slope of U and D is 110 pF.
    assert found.values["Ec"] == pytest.approx(0.95 / 9e-9, rel=0.05)
    assert found.values["eps"] == pytest.approx(1.1e-10 * 9e-9 / 8.854e-12 / 2.5e-9, rel=0.15)
    assert found.noise < 0.025 * np.abs(seen.measured).max()
    assert said_of_residuals(found.residuals)
    (seen,) = observed(measured, DOMAINS, KNOWN)
    assert "one frequency does not fix the kinetics" in said_of(DOMAINS, [seen])[0]


# Bad data


def spoiled(what):
    if what.startswith("pulse"):
        good = grid()
        table = {
            "pulse, one point": good.table.iloc[:1],
            "pulse, constant": good.table.assign(polarization_C_per_m2=0.1),
            "pulse, no width": good.table.drop(columns="pulse_width_s"),
            "pulse, width 0": good.table.assign(pulse_width_s=0.0),
            "pulse, no number": good.table.assign(polarization_C_per_m2=np.nan),
        }[what]
        return replace(good, table=table)
    good = pund() if what.startswith("pund") else loop(2.0)
    table = {
        "pund, no time": lambda: good.table.drop(columns="time_s"),
        "pund, constant": lambda: good.table.assign(current_A=1e-6),
        "pund, no pulses": lambda: good.table.assign(voltage_V=np.linspace(0, 1, len(good.table))),
        "loop, no time": lambda: good.table.drop(columns="time_s"),
        "loop, back in time": lambda: good.table.assign(time_s=good.table["time_s"][::-1].to_numpy()),
    }[what]()
    return replace(good, table=table)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("pulse, one point", "made: a fit to pulse needs 3 rows at least .got 1."),
        ("pulse, constant", "nothing to fit in pulse: polarization_C_per_m2 is the same in all 104 rows"),
        ("pulse, no width", "needs the columns .* .got no pulse_width_s."),
        ("pulse, width 0", "pulse widths must be > 0 s .got 0 s."),
        ("pulse, no number", "row 1 of pulse holds no finite numbers"),
        ("pund, no time", "a fit to pund needs the columns .* .got no time_s."),
        ("pund, constant", "current_A is the same in all"),
        ("pund, no pulses", "no pair of positive"),
        ("loop, no time", "the table has no time_s, so give frequency_Hz"),
        ("loop, back in time", "time_s must increase from row to row"),
    ],
)
def test_bad_data_are_named(what, words):
    with pytest.raises(BadInput, match=words):
        observed(spoiled(what), DOMAINS, KNOWN)


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(BadInput, match="needs the area of the capacitor"):
        observed(pund(), DOMAINS)
    with pytest.raises(
        BadInput, match="rram_gap is not fitted as a ferroelectric capacitor: it declares no switching of one"
    ):
        observed(grid(), device("rram_gap"))
    with pytest.raises(BadInput, match="sweep is no experiment of a ferroelectric capacitor"):
        observed(replace(grid(), experiment="sweep"), DOMAINS)
    with pytest.raises(BadInput, match=r"must have four at least \(got 3\)"):
        left_out_amplitudes(grid(np.array([1.0, 1.5, 2.0])), [DOMAINS], {}, np.random.default_rng(1))
    with pytest.raises(BadInput, match=r"no pulses of 1.05 V to leave out: there are 0.6, 0.8, 1, .* V"):
        left_out_amplitudes(grid(), [DOMAINS], {}, np.random.default_rng(1), [1.05])
