"""Device models fitted to experiments whose truth is known, and data that tell nothing refused or flagged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.devices import device
from nvmphys.errors import BadInput, CheckFailed
from nvmphys.fit.dynamics import fit_dynamics
from nvmphys.fit.paths import observed_paths

GAP = device("rram_gap")
TRUTH = {"g0": 0.27e-9, "Ea": 0.62, "V0": 0.24}
LIMIT_A = 5e-4


def noisy(measurement, rng, sigma=0.02):
    """Return a sweep whose currents scatter where the source does not hold them."""
    table = measurement.table.copy()
    free = table["current_A"] < LIMIT_A * (1 - 1e-9)
    table["current_A"] *= np.where(free, np.exp(sigma * rng.standard_normal(len(table))), 1.0)
    return replace(measurement, table=table)


def sweeps(rates, rng, **more):
    made = [
        nv.simulate("rram_gap", "sweep", settings={"ramp_rate_V_per_s": r, "points": 120}, values=TRUTH, **more)
        for r in rates
    ]
    return [noisy(one, rng) for one in made]


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(5)
    return fit_dynamics(sweeps((1e2, 1e4), rng), GAP, free=tuple(TRUTH), rng=rng, holdout=0, starts=1)


def test_sweeps_at_two_ramp_rates_give_their_parameters_back(fitted):
    found = fitted.identified
    for name, value in TRUTH.items():
        assert abs(found.values[name] - value) <= 4 * found.standard_errors[name]
        low, high = found.intervals[name]
        assert low < value < high
        assert found.standard_errors[name] < 0.01 * value
    assert found.unknown == ()
    assert found.noise == pytest.approx(1.0, abs=0.15)  # the noise of each sweep was found
    assert [o.noise for o in fitted.observed] == pytest.approx([0.02 / np.log(10)] * 2, rel=0.15)


def test_a_card_of_a_fit_is_a_dynamics_card_that_simulates(fitted, tmp_path):
    card = fitted.card("mine")
    nv.save_card(card, tmp_path / "mine.toml")
    back = nv.load_card(str(tmp_path / "mine.toml"))
    assert back.values["Ea"] == pytest.approx(TRUTH["Ea"], rel=0.01)
    assert back.basis["Ea"] == "measured"
    assert back.basis["Rth"] == "assumed"
    assert set(back.intervals) == set(TRUTH)
    loop = nv.simulate(str(tmp_path / "mine.toml"), "sweep", settings={"points": 40})
    assert loop.table["current_A"].max() == pytest.approx(LIMIT_A, rel=1e-6)


def test_one_loop_does_not_tell_speed_from_activation_energy():
    rng = np.random.default_rng(2)
    found = fit_dynamics(
        sweeps((1e3,), rng), GAP, free=("vgap", "Ea"), rng=rng, holdout=0, starts=1, profiles=False
    ).identified
    assert abs(found.correlation[0, 1]) > 0.99
    assert {"vgap", "Ea"} & set(found.unknown)


def test_the_compliance_is_seen_in_the_data_and_its_points_are_left_out():
    (one,) = sweeps((1e3,), np.random.default_rng(1))
    (seen,) = observed_paths(one, GAP)
    at_limit = one.table["current_A"] >= LIMIT_A * (1 - 1e-9)
    assert at_limit.sum() > 3
    assert len(seen.measured) <= len(one.table) - at_limit.sum()
    exact = observed_paths(nv.simulate("rram_gap", "sweep", values=TRUTH), GAP)[0]
    assert exact.predict(GAP.values(TRUTH)) == pytest.approx(exact.measured, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "experiment", "settings"),
    [
        ("rram_gap", "pulse", {}),
        ("rram_gap", "pulse_train", {"n_pulses": 10}),
        ("rram_gap", "ispp", {}),
        ("pcm_accumulative", "retention", {"points": 12, "read_V": 0.1}),
    ],
)
def test_pulses_and_retention_are_predicted_as_they_were_simulated(name, experiment, settings):
    model, values = device(name), TRUTH if name == "rram_gap" else {}
    (seen,) = observed_paths(nv.simulate(name, experiment, settings=settings, values=values), model)
    assert seen.predict(model.values(values)) == pytest.approx(seen.measured, abs=1e-5)


def test_slopes_of_what_is_observed_are_differences_of_what_is_predicted():
    (seen,) = observed_paths(nv.simulate("rram_gap", "pulse", values=TRUTH), GAP)
    values, names = GAP.values(TRUTH), ("g0", "Ea", "gamma0")
    slopes = seen.slopes(values, names)
    for k, name in enumerate(names):
        step = 1e-5 * values[name]
        apart = seen.predict(values | {name: values[name] + step}) - seen.predict(values | {name: values[name] - step})
        assert slopes[:, k] == pytest.approx(apart / (2 * step), rel=0.02, abs=2e-3 * np.abs(slopes[:, k]).max())


def test_devices_left_out_are_predicted_within_the_noise():
    rng = np.random.default_rng(4)
    made = sweeps((1e3,), rng, n_devices=5)
    fit = fit_dynamics(made, GAP, free=("g0", "V0"), values=TRUTH, rng=rng, starts=1, profiles=False)
    ((what, table),) = fit.left_out.items()
    assert what == "1 of 5 devices"
    row = table.loc[("sweep", "rram_gap")]
    assert row["rms"] == pytest.approx(row["sigma"], rel=0.2)
    assert 0.8 <= row["coverage_90"] <= 0.98
    assert row["wasserstein"] < 1.2
    assert row["pit_ks_p"] > 0.01
    alike = table.loc[("sweep", "Gaussian per condition")]  # the devices are all the same: their means are the best
    assert alike["rms"] == pytest.approx(row["rms"], rel=0.25)


def test_parameters_are_chosen_that_the_data_tell_apart():
    rng = np.random.default_rng(1)
    fit = fit_dynamics(sweeps((1e2, 1e5), rng), GAP, values=TRUTH, rng=rng, holdout=0, starts=1, profiles=False)
    assert 3 <= len(fit.identified.names) <= 9
    assert fit.identified.unknown == ()
    assert not {"dV", "dg", "vmax", "dF"} & set(fit.identified.names)  # of the form, not of the device
    assert "tox" not in fit.identified.names  # known from the layout


def test_a_fit_by_the_command_line_writes_a_card(tmp_path):
    file, card = tmp_path / "iv.csv", tmp_path / "mine.toml"
    nv.simulate("rram_gap", "sweep", settings={"points": 80}, values=TRUTH).table.to_csv(file, index=False)
    done = CliRunner().invoke(
        app, ["fit", str(file), "--model", "rram_gap", "--free", "g0,V0", "--set", "Ea=0.62", "-o", str(card)]
    )
    assert done.exit_code == 0, done.output
    assert nv.load_card(str(card)).values["g0"] == pytest.approx(TRUTH["g0"], rel=1e-3)


def test_bad_data_are_named():
    good = nv.simulate("rram_gap", "sweep", settings={"points": 40})

    def with_table(table):
        return [replace(good, table=table)]

    rng = np.random.default_rng(1)
    for measurements, words in (
        (with_table(good.table.assign(current_A=1e-6)), "current_A is the same in all|no row tells of the device"),
        (with_table(good.table.drop(columns="time_s")), "needs the columns .*got no time_s"),
        (with_table(good.table.iloc[:1]), "nothing to fit|as many numbers|two or more"),
        (with_table(good.table.assign(voltage_V=np.nan)), "row 1 of sweep holds no finite numbers"),
        (with_table(good.table.iloc[::-1]), "time_s must increase"),
    ):
        with pytest.raises(BadInput, match=words):
            fit_dynamics(measurements, GAP, free=("g0", "V0"), rng=rng)
    with pytest.raises(BadInput, match=r"unknown parameter of rram_gap .*did you mean.*gamma0"):
        fit_dynamics([good], GAP, free=("gamma",), rng=rng)
    with pytest.raises(BadInput, match=r"fefet: a fit along a path .* its drain current: it is not fitted yet"):
        observed_paths(good, device("fefet"))
    with pytest.raises(BadInput, match="read_noise is no experiment that is fitted as a path"):
        fit_dynamics([replace(good, experiment="read_noise")], GAP, rng=rng)


def test_a_fit_that_ends_at_a_bound_gives_no_card():
    measured = nv.simulate("rram_gap", "sweep", settings={"points": 60})
    table = measured.table.assign(current_A=measured.table["current_A"] * 1e4)
    rng = np.random.default_rng(1)
    fit = fit_dynamics([replace(measured, table=table)], GAP, free=("I0",), rng=rng, starts=1, profiles=False)
    assert fit.identified.convergence.bound_hits == ("I0",)
    with pytest.raises(CheckFailed, match=r"no card for 'mine': .*at their bounds: I0"):
        fit.card("mine")


def programmed(**more):
    settings = {"target_S": (3e-5, 1e-4), "max_pulses": 8, "set_V": (1.5, 0.1, 2.0)}
    return nv.simulate("rram_gap", "write_verify", n_devices=2, settings=settings, values=TRUTH, **more)


def test_each_target_of_write_verify_is_a_history_of_its_own():
    (seen,) = observed_paths(programmed(), GAP)
    assert seen.table["target_S"].nunique() == 2
    assert seen.predict(GAP.values(TRUTH)) == pytest.approx(seen.measured, abs=1e-5)


def test_a_device_that_went_on_to_the_next_target_keeps_its_history():
    one = programmed()
    table = one.table[(one.table["device_id"] == 1) & (one.table["target_S"] == 1e-4)]
    half = table.assign(target_S=np.where(np.arange(len(table)) <= len(table) // 2, 3e-5, 1e-4))
    (seen,) = observed_paths(replace(one, table=half), GAP)
    assert seen.predict(GAP.values(TRUTH)) == pytest.approx(seen.measured, abs=1e-5)


def test_write_verify_of_several_targets_is_fitted_from_its_file(tmp_path):
    file, card = tmp_path / "wv.csv", tmp_path / "mine.toml"
    programmed().table.to_csv(file, index=False)
    done = CliRunner().invoke(
        app, ["fit", str(file), "--model", "rram_gap", "--free", "g0", "--set", "Ea=0.62", "--set", "V0=0.24",
              "-o", str(card)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert nv.load_card(str(card)).values["g0"] == pytest.approx(TRUTH["g0"], rel=1e-3)
