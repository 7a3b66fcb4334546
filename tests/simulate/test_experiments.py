"""Experiments on every model as a user makes them: the files they give, and their figures worked out by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.constants import epsilon_0
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.devices import device, devices
from nvmphys.errors import BadInput
from nvmphys.records import TIDY_UNITS
from nvmphys.simulate import EXPERIMENTS, experiment, simulate
from nvmphys.simulate.devices import drawn

KT_EV = 8.617333262e-5
SMALL = {"n_pulses": 6, "points": 60}
"""Settings that keep an experiment short, where it has them."""
COMBINATIONS = [(name, made) for name in devices() for made in device(name).experiments]
COLUMNS = {
    "sweep": {"cycle", "time_s", "voltage_V", "current_A"},
    "id_vg": {"gate_voltage_V", "voltage_V", "current_A"},
    "pulse": {"pulse_voltage_V", "pulse_width_s"},
    "pulse_train": {"cycle", "pulse_voltage_V", "pulse_width_s", "conductance_S"},
    "ispp": {"cycle", "pulse_voltage_V", "pulse_width_s", "target_S", "conductance_S"},
    "write_verify": {"cycle", "pulse_voltage_V", "pulse_width_s", "target_S", "window_S", "conductance_S", "energy_J"},
    "retention": {"time_s", "conductance_S"},
    "read_noise": {"time_s", "voltage_V", "current_A", "conductance_S"},
    "pund": {"time_s", "voltage_V", "current_A"},
    "pv_loop": {"cycle", "voltage_V", "polarization_C_per_m2"},
}


def command(*arguments: str | Path):
    """Run the command and return what came out; raise what it raised."""
    done = CliRunner().invoke(app, list(map(str, arguments)))
    if done.exception is not None:
        raise done.exception
    return done


def small(made: str) -> dict[str, int]:
    return {key: value for key, value in SMALL.items() if key in EXPERIMENTS[made].model_fields and made != "pund"}


@pytest.mark.parametrize(("name", "made"), COMBINATIONS)
def test_a_file_of_an_experiment_reads_back_as_it_was(name, made, tmp_path):
    file, picture = tmp_path / "seen.csv", tmp_path / "seen.png"
    given = [text for key, value in small(made).items() for text in ("--with", f"{key}={value}")]
    how = ["--devices", 3, "--seed", 5, *(["--units", 20] if device(name).units else [])]
    done = command("simulate", name, "--experiment", made, "-o", file, "--plot", picture, *given, *how)
    assert done.stdout.split() == [str(file), str(picture)]
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    table = simulate(
        name, made, n_devices=3, rng=5, settings=small(made), n_units=20 if device(name).units else None
    ).table
    (read,) = nv.read(file)
    assert read.experiment == made
    assert read.exclusions == ()
    assert read.n_devices == 3
    assert len(read.table) == len(table)
    assert set(read.table) == set(table) - {"experiment"}
    for column in read.table:
        assert read.table[column].to_numpy() == pytest.approx(table[column].to_numpy(), rel=1e-12, abs=1e-300), column
    described = json.loads(command("inspect", file, "--json").stdout)["measurements"]
    assert [(m["experiment"], m["rows"], m["devices"]) for m in described] == [(made, len(table), 3)]
    head = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert device(name).title in head[0]
    assert json.loads(head[1].removeprefix("# settings: ")) == json.loads(
        experiment(device(name), made, small(made)).model_dump_json()
    )
    assert head[-1].startswith("# seed 5; nvmphys ")


@pytest.mark.parametrize(("name", "made"), COMBINATIONS)
def test_a_table_is_tidy_with_devices_one_after_another(name, made):
    found = simulate(name, made, n_devices=2, n_units=5 if device(name).units else None, settings=small(made))
    table = found.table
    assert found.experiment == made
    assert found.n_devices == found.source.n_devices == 2
    assert found.source.kind == "simulated"
    assert set(table) <= set(TIDY_UNITS)
    answer = COLUMNS[made] | ({"polarization_C_per_m2"} if (name, made) == ("fe_domains", "pulse") else set())
    assert answer | {"device_id", "temperature_K", "experiment"} <= set(table)
    assert list(table["device_id"]) == sorted(table["device_id"])
    assert set(table["experiment"]) == {made}
    assert table["temperature_K"].unique() == pytest.approx([300.0])
    assert np.isfinite(table.select_dtypes("number").to_numpy()).all()
    if "time_s" in table:
        assert (table.groupby("device_id")["time_s"].diff().dropna() > 0).all()
    if "conductance_S" in table:
        assert (table["conductance_S"] > 0).all()
    alike = not device(name).units and device(name).drawn_per_pulse is None and made != "read_noise"
    if alike:  # nothing tells the devices apart
        first, second = (
            rows.drop(columns="device_id").reset_index(drop=True) for _, rows in table.groupby("device_id")
        )
        assert first.equals(second)


@pytest.mark.parametrize(("name", "made"), COMBINATIONS)
def test_an_unknown_setting_or_experiment_offers_the_nearest(name, made):
    model = device(name)
    with pytest.raises(BadInput, match=rf"unknown experiment of {name} '{made}x': did you mean .*{made}.*\? known: "):
        simulate(name, f"{made}x")
    key = next(iter(EXPERIMENTS[made].model_fields))
    with pytest.raises(
        BadInput, match=rf"unknown key in settings of {made} '{key}x': did you mean .*{key}.*\? known: "
    ):
        experiment(model, made, {f"{key}x": 1.0})
    with pytest.raises(BadInput, match=r"unknown card or device model '.*x': did you mean"):
        simulate(f"{name}x", made)


def test_an_experiment_that_a_model_does_not_answer_is_refused_with_those_it_does():
    with pytest.raises(BadInput, match=r"unknown experiment of fe_preisach 'sweep': known: .*pund, pv_loop"):
        simulate("fe_preisach", "sweep")


@pytest.mark.parametrize(
    ("name", "made", "settings", "words"),
    [
        ("rram_gap", "sweep", {"compliance_A": 0.0}, "compliance_A: must be > 0 A (got 0 A)"),
        ("rram_gap", "sweep", {"compliance_A": np.nan}, "compliance_A: must be > 0 A (got nan A)"),
        ("rram_gap", "sweep", {"negative_compliance_A": -1e-3}, "negative_compliance_A: must be > 0 A (got -0.001 A)"),
        ("rram_gap", "sweep", {"positive_V": np.nan}, "settings of sweep: positive_V: Input should be a finite number"),
        ("rram_gap", "sweep", {"ramp_rate_V_per_s": 0.0}, "ramp_rate_V_per_s: Input should be greater than 0 (got '0."),
        ("rram_gap", "sweep", {"n_cycles": 0}, "n_cycles: Input should be greater than or equal to 1 (got '0')"),
        ("rram_gap", "sweep", {"points": 10**7}, "points: Input should be less than or equal to 1000000"),
        ("rram_gap", "sweep", {"temperature_K": -5.0}, "temperature_K: Input should be greater than 0 (got '-5.0')"),
        ("rram_gap", "pulse", {"width_s": (1e-7, 0.0)}, "width_s: Input should be greater than 0 (got '0.0')"),
        ("rram_gap", "pulse", {"amplitude_V": ()}, "amplitude_V: Tuple should have at least 1 item"),
        ("rram_gap", "pulse", {"edge_s": 1e-8}, "edge_s must be shorter than width_s (got 1e-08 s against 1e-08 s)"),
        ("rram_gap", "pulse_train", {"n_pulses": 0}, "n_pulses: Input should be greater than or equal to 1"),
        ("rram_gap", "pulse_train", {"rest_s": -1.0}, "rest_s: Input should be greater than or equal to 0"),
        ("rram_gap", "ispp", {"step_V": 0.0}, "got 1 V by 0 V to 2.5 V"),
        ("rram_gap", "ispp", {"step_V": -0.1}, "got 1 V by -0.1 V to 2.5 V"),
        ("rram_gap", "ispp", {"stop_V": 0.5}, "ispp: step_V must lead from start_V to stop_V in fewer than 10,000"),
        ("rram_gap", "ispp", {"step_V": 1e-5}, "fewer than 10,000 pulses (got 1 V by 1e-05 V to 2.5 V)"),
        ("rram_gap", "ispp", {"target_S": 0.0}, "target_S: Input should be greater than 0"),
        ("rram_gap", "retention", {"duration_s": (1.0, 2.0)}, "one for each temperature (got 2 for 1)"),
        ("rram_gap", "retention", {"temperature_K": (300.0, 350.0, 400.0), "duration_s": (1.0, 2.0)}, "(got 2 for 3)"),
        ("rram_gap", "retention", {"first_s": 1e4}, "first_s must be shorter than duration_s (got 10000 s)"),
        ("rram_gap", "retention", {"temperature_K": (300.0, 0.0)}, "temperature_K: Input should be greater than 0"),
        ("fe_domains", "pund", {"edge_s": 0.0}, "edge_s: Input should be greater than 0"),
        ("fe_domains", "pv_loop", {"frequency_Hz": 0.0}, "frequency_Hz: Input should be greater than 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(name, made, settings, words):
    with pytest.raises(BadInput, match=re.escape(words)):
        simulate(name, made, settings=settings)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--with", "n_cycles=2; import os"), "--with n_cycles must be numbers separated by commas"),
        (("--with", "n_cycles=__import__('os')"), "--with n_cycles must be numbers separated by commas"),
        (("--with", "n_cycles=2\n# experiment"), "--with n_cycles must be numbers separated by commas"),
        (("--with", "n_cycles"), "--with "),
        (("--with", "=3"), "--with must read name=value, each name once (got '=3')"),
        (("--with", "points=9", "--with", "points=9"), "--with must read name=value, each name once (got 'points=9')"),
        (("--with", "__class__=1"), "unknown key in settings of sweep '__class__'"),
        (("--with", "complianceA=1"), "did you mean compliance_A"),
        (("--with", "points=1e400"), "settings of sweep: points: Input should be a finite number (got 'inf')"),
        (("--with", "points=nan"), "settings of sweep: points: Input should be a finite number (got 'nan')"),
        (("--with", "points=2.5"), "settings of sweep: points: Input should be a valid integer"),
        (("--with", "points=9,9"), "settings of sweep: points: Input should be a valid integer"),
        (("--with", "compliance_A=0"), "must be > 0 A (got 0 A)"),
        (("--with", "compliance_A=nan"), "must be > 0 A (got nan A)"),
        (("--set", "Ea=$(id)"), "--set Ea must be numbers separated by commas (got '$(id)')"),
        (("--set", "Ea=0.6,0.7"), "--set must read name=number, each name once"),
        (("--set", "__import__('os')=1"), "unknown parameter of rram_gap"),
        (("--set", f"{'E' * 5000}=1"), f"unknown parameter of rram_gap '{'E' * 80}…'"),
        (("--set", "Ea=nan"), "Ea must lie within 0.4 … 1.6 eV (got nan eV)"),
        (("--set", "Ea=1e999"), "Ea must lie within 0.4 … 1.6 eV (got inf eV)"),
        (("--start", "g=9"), "start of g must lie within 2e-10 … 1.7e-09 m (got 9e-09 m): gap"),
        (("--start", "g=nan"), "start of g must lie within 2e-10 … 1.7e-09 m (got nan m): gap"),
        (("--start", "h=1"), "unknown state 'h': its states are g"),
        (("--spread", "g0=-0.1"), "population of g0: sigma must be >= 0"),
        (("--spread", "g0=nan"), "population of g0: sigma must be >= 0"),
        (("--spread", "gg0=0.1"), "did you mean g0"),
        (("--spread", "I0=20", "--devices", "50"), "beyond its bounds 1e-06 … 0.1: make the spread smaller"),
        (("--devices", "0"), "devices and units must be 1 or more (got 0 devices"),
        (("--devices", "-3"), "devices and units must be 1 or more (got -3 devices"),
        (("--units", "0"), "devices and units must be 1 or more (got 1 devices, 0 units)"),
    ],
)
def test_hostile_or_mistaken_text_is_refused_and_nothing_is_written(arguments, words, tmp_path):
    with pytest.raises(BadInput, match=re.escape(words)):
        command("simulate", "rram_gap", "--experiment", "sweep", "-o", tmp_path / "iv.csv", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_conductance_card_cannot_be_simulated(tmp_path):
    with pytest.raises(BadInput, match="card pcm_90nm is a conductance card"):
        command("simulate", "pcm_90nm", "--experiment", "pulse", "-o", tmp_path / "x.csv")


def test_what_lies_beyond_the_validity_is_said_in_the_file_and_on_stderr(tmp_path):
    file = tmp_path / "iv.csv"
    given = ("--with", "positive_V=3.5", "--with", "temperature_K=500", "--with", "points=40")
    done = command("simulate", "rram_gap", "--experiment", "sweep", "-o", file, *given)
    sentences = [
        "beyond the validity of rram_gap: voltage_V -2.4 … 3.5 V against -3 … 3 V",
        "beyond the validity of rram_gap: temperature_K 500 … 500 K against 250 … 450 K",
    ]
    assert done.stderr.splitlines() == sentences
    assert [line for line in file.read_text(encoding="utf-8").splitlines() if "beyond" in line] == [
        f"# {sentence}" for sentence in sentences
    ]
    within = command("simulate", "rram_gap", "--experiment", "sweep", "-o", file, "--with", "points=40")
    assert within.stderr == ""
    cold = simulate("pcm_accumulative", "retention", settings={"temperature_K": (200.0, 300.0), "points": 3})
    assert cold.understood[2:] == (
        "beyond the validity of pcm_accumulative: temperature_K 200 … 300 K against 250 … 400 K",
    )


# the gap model by hand

GAP = device("rram_gap").values()


def gap_current(v, gap_nm, values=GAP):
    """Return I0·exp(-g/g0)·sinh(V/V0) [A] behind the series resistance, at a voltage before it [V]."""
    size = values["I0"] * np.exp(-gap_nm * 1e-9 / values["g0"])
    if v == 0:
        return 0.0
    inner = brentq(lambda u: u + values["Rs"] * size * np.sinh(u / values["V0"]) - v, 0.0, v, xtol=1e-14)
    return (v - inner) / values["Rs"]


def gap_after(volts, seconds, gap_nm, values=GAP):
    """Return the gap after a constant pulse, by the equations as they stand in the model's file."""
    p = values

    def rate(_, gap):
        g, current = gap[0], gap_current(volts, gap[0], p)
        v = volts - p["Rs"] * current
        kt = KT_EV * (300.0 + p["Rth"] * v * current)
        gamma = p["gamma0"] - p["beta"] * g**3
        gamma = (gamma + np.sqrt(gamma**2 + 0.25)) / 2
        size = np.sqrt(v**2 + p["dV"] ** 2) - p["dV"]
        moving = (1 + np.tanh((gamma * size / p["tox"] / p["Fmin"] - 1) / p["dF"])) / 2
        speed = p["vgap"] * np.exp(-p["Ea"] / kt) * np.sinh(gamma * moving * p["a0"] * v / (p["tox"] * kt))
        share = (1 + np.tanh(v / p["dV"])) / 2
        window = share * np.tanh((g - p["gmin"] / 1e-9) / (p["dg"] / 1e-9))
        window += (1 - share) * np.tanh((p["gmax"] / 1e-9 - g) / (p["dg"] / 1e-9))
        return [-p["vmax"] / 1e-9 * np.tanh(speed / p["vmax"]) * window]

    found = solve_ivp(rate, (0.0, seconds), [gap_nm], "Radau", rtol=1e-8, atol=1e-10)
    return float(found.y[0, -1])


def test_pulses_leave_the_conductance_that_the_equations_say():
    conditions = {"amplitude_V": (1.5, 1.7, -1.3), "width_s": (3e-8, 3e-7)}
    table = simulate("rram_gap", "pulse", settings=conditions, start={"g": 1.6}).table
    assert [(row.pulse_voltage_V, row.pulse_width_s) for row in table.itertuples()] == [
        (volts, width) for volts in conditions["amplitude_V"] for width in conditions["width_s"]
    ]
    for row in table.itertuples():
        gap = gap_after(row.pulse_voltage_V, row.pulse_width_s, 1.6)
        assert row.conductance_S == pytest.approx(gap_current(0.1, gap) / 0.1, rel=1e-4)


def test_a_train_of_pulses_goes_there_and_back_from_gap_to_gap():
    given = {"n_pulses": 2, "amplitude_V": 1.6, "opposite_V": -1.4, "width_s": 8e-8}
    table = simulate("rram_gap", "pulse_train", settings=given).table
    assert list(table["cycle"]) == [0, 1, 2, 3, 4]
    assert list(table["pulse_voltage_V"]) == [0.0, 1.6, 1.6, -1.4, -1.4]
    gap, expected = GAP["gmax"] * 1e9, [gap_current(0.1, GAP["gmax"] * 1e9) / 0.1]
    for volts in table["pulse_voltage_V"][1:]:
        gap = gap_after(volts, 8e-8, gap)
        expected.append(gap_current(0.1, gap) / 0.1)
    assert table["conductance_S"].to_numpy() == pytest.approx(expected, rel=1e-4)
    assert max(expected) > 2 * expected[0]


@pytest.mark.parametrize("points", [40, 400])
def test_a_sweep_begins_as_the_open_gap_conducts_whatever_the_number_of_points(points):
    table = simulate("rram_gap", "sweep", settings={"points": points, "n_cycles": 2}).table
    assert len(table) == pytest.approx(2 * points, abs=4)
    assert list(table["cycle"].unique()) == [1, 2]
    assert table["voltage_V"].max() == 2.0
    assert table["voltage_V"].min() == -2.4
    assert table["time_s"].iloc[-1] == pytest.approx(2 * 8.8e-3)
    first = table[(table["voltage_V"] < 0.9) & (table["time_s"] < 1e-3)]
    expected = [gap_current(v, GAP["gmax"] * 1e9) for v in first["voltage_V"]]
    assert first["current_A"].to_numpy() == pytest.approx(expected, rel=1e-6)
    assert table["current_A"].max() == pytest.approx(5e-4, rel=1e-9)
    assert (table["current_A"] <= 5e-4 * (1 + 1e-9)).all()
    assert (table["voltage_V"] * table["current_A"] >= 0).all()


SPREAD = {"g0": {"sigma": 0.08, "sigma_ref": "of_value"}, "vgap": {"sigma": 0.5, "sigma_ref": "of_value"}}


def test_every_device_stops_at_the_first_pulse_that_brings_it_to_the_target():
    given = {"start_V": 1.3, "step_V": 0.02, "stop_V": 1.54, "target_S": 1e-4}
    table = simulate("rram_gap", "ispp", n_devices=40, rng=3, settings=given, population=SPREAD).table
    lengths, reached = [], []
    for _, rows in table.groupby("device_id"):
        assert list(rows["cycle"]) == list(range(1, len(rows) + 1))
        assert rows["pulse_voltage_V"].to_numpy() == pytest.approx(1.3 + 0.02 * np.arange(len(rows)))
        conductance = rows["conductance_S"].to_numpy()
        assert np.all(np.diff(conductance) >= 0)
        assert np.all(conductance[:-1] < 1e-4)
        reached.append(conductance[-1] >= 1e-4)
        assert reached[-1] or len(rows) == 13
        lengths.append(len(rows))
    assert table["device_id"].nunique() == 40
    assert len(set(lengths)) > 2
    assert any(reached)
    assert not all(reached)


def test_programming_goes_down_where_the_target_is_below_the_start():
    given = {"start_V": -0.8, "step_V": -0.1, "stop_V": -2.0, "target_S": 1e-4}
    table = simulate("rram_gap", "ispp", settings=given, start={"g": 0.5}).table
    conductance = table["conductance_S"].to_numpy()
    assert conductance[0] > 2e-4
    assert np.all(np.diff(conductance) <= 0)
    assert np.all(conductance[:-1] > 1e-4)
    assert conductance[-1] <= 1e-4
    assert table["pulse_voltage_V"].iloc[-1] > -2.0


def test_an_unreachable_target_ends_with_the_last_amplitude():
    given = {"start_V": 1.0, "step_V": 0.5, "stop_V": 2.0, "target_S": 1.0}
    table = simulate("rram_gap", "ispp", n_devices=2, settings=given).table
    assert list(table["pulse_voltage_V"]) == [1.0, 1.5, 2.0] * 2


# phase change by hand

PCM = device("pcm_accumulative").values()


def test_set_pulses_accumulate_by_the_published_step():
    mean_path = {"sd_a": 0.0, "sd_b": 0.0, "sd_c": 0.0}
    table = simulate("pcm_accumulative", "pulse_train", values=mean_path).table
    conductance, memory, expected = PCM["glow"], 1.0, []
    for _ in range(20):
        memory *= np.exp(-1 / PCM["fade"])
        conductance += PCM["mean_a"] + PCM["mean_b"] * conductance + PCM["mean_c"] * memory
        expected.append(conductance)
    assert table["conductance_S"].to_numpy()[1:] == pytest.approx(expected, rel=1e-5)


def test_steps_of_many_cells_scatter_as_published():
    table = simulate("pcm_accumulative", "pulse_train", n_devices=4000, settings={"n_pulses": 1}).table
    memory, glow = np.exp(-1 / PCM["fade"]), PCM["glow"]
    steps = table.loc[table["cycle"] == 1, "conductance_S"].to_numpy() - glow
    mean = PCM["mean_a"] + PCM["mean_b"] * glow + PCM["mean_c"] * memory
    sigma = PCM["sd_a"] + PCM["sd_b"] * glow + PCM["sd_c"] * memory
    quantiles = np.quantile(steps, [0.5, 0.8, 0.95])  # the lower half is cut by the lowest conductance
    assert quantiles == pytest.approx(mean + sigma * np.array([0.0, 0.8416, 1.6449]), abs=0.06 * sigma)


def relaxed(temperatures, span, points, first, read_at=None):
    """Return conductances over time from dΣ/dt = -ν0·exp(-E_s(1 - Σ)/kT), which ln Σ's exponential solves."""
    sigma, out = PCM["sig_rest"], []
    reference = KT_EV * PCM["tread"]
    tau1 = np.exp(PCM["Es"] / reference) * reference / (PCM["rate"] * PCM["Es"])
    tau0 = tau1 * np.exp(-PCM["sig_rest"] * PCM["Es"] / reference)
    at_tref = -reference / PCM["Es"] * np.log((PCM["tref"] + tau0) / tau1)
    for kelvins in temperatures:
        energy = KT_EV * kelvins
        speed = PCM["rate"] * PCM["Es"] / energy * np.exp(-PCM["Es"] / energy)
        start = np.exp(-PCM["Es"] * sigma / energy)
        for time in np.geomspace(first, span, points):
            sigma = -energy / PCM["Es"] * np.log(start + speed * time)
            kt = KT_EV * (read_at or kelvins)
            barrier = PCM["Ec"] - PCM["nu"] * PCM["Es"] * sigma
            at_reference = (PCM["Ec"] - PCM["nu"] * PCM["Es"] * at_tref) / reference
            out.append(PCM["glow"] * np.exp(at_reference - barrier / kt))
    return np.array(out)


@pytest.mark.parametrize("read_at", [None, 300.0])
def test_steps_of_temperature_jump_and_hasten_as_the_activation_energies_say(read_at):
    heats, span = (300.0, 370.0, 300.0), 1e4
    given = {"temperature_K": heats, "duration_s": span, "first_s": 1e-2, "points": 15, "read_at_K": read_at}
    table = simulate("pcm_accumulative", "retention", settings=given).table
    seen = table["conductance_S"].to_numpy()
    assert seen == pytest.approx(relaxed(heats, span, 15, 1e-2, read_at), rel=1e-4)
    assert list(table["temperature_K"]) == [300.0] * 15 + [370.0] * 15 + [300.0] * 15
    assert table["time_s"].to_numpy() == pytest.approx(
        np.concatenate([n * span + np.geomspace(1e-2, span, 15) for n in range(3)])
    )
    jumps = np.abs(np.log(seen[[15, 30]] / seen[[14, 29]]))
    assert np.all(jumps > 0.3) if read_at is None else np.all(jumps < 0.1)
    assert np.all(np.diff(seen)[np.r_[0:14, 15:29]] < 0)


def test_each_temperature_may_last_its_own_time():
    given = {"temperature_K": (300.0, 350.0), "duration_s": (10.0, 1e3), "points": 4}
    times = simulate("pcm_accumulative", "retention", settings=given).table["time_s"]
    assert list(times) == pytest.approx([*np.geomspace(1e-3, 10.0, 4), *(10.0 + np.geomspace(1e-3, 1e3, 4))])


def test_a_filament_keeps_its_conductance():
    table = simulate("rram_gap", "retention", start={"g": 0.7}, settings={"points": 5}).table
    assert table["conductance_S"].to_numpy() == pytest.approx(np.full(5, gap_current(0.1, 0.7) / 0.1), rel=1e-9)


# ferroelectrics by hand

DOMAINS, PREISACH = device("fe_domains").values(), device("fe_preisach").values()


def test_a_pund_file_shows_twice_the_remanent_polarization(tmp_path):
    file = tmp_path / "pund.csv"
    command("simulate", "fe_domains", "--experiment", "pund", "-o", file, "--devices", 1)
    (seen,) = json.loads(command("inspect", file, "--area", DOMAINS["area"], "--json").stdout)["pund"]
    assert 100 * seen["pu"] == pytest.approx(45.4, rel=0.01)  # µC/cm²
    assert 100 * seen["nd"] == pytest.approx(45.4, rel=0.01)
    assert seen["has_preset"]
    assert not seen["inverted"]


def half_widths():
    """Return the half-widths of the plays [V/m]."""
    return PREISACH["Ec"] * (1 + PREISACH["spread"] * (2 * np.arange(1, 9) - 9) / 8)


def test_a_pund_file_of_plays_shows_what_they_keep_at_rest(tmp_path):
    file = tmp_path / "pund.csv"
    command("simulate", "fe_preisach", "--experiment", "pund", "-o", file)
    (seen,) = json.loads(command("inspect", file, "--area", PREISACH["area"], "--json").stdout)["pund"]
    top, half = 3.5 / PREISACH["tfe"], half_widths()
    kept = PREISACH["Ps"] * np.tanh(np.minimum(top - half, half) / (2 * PREISACH["delta"])).mean()
    assert (seen["pu"], seen["nd"]) == pytest.approx((2 * kept, 2 * kept), rel=0.01)


def test_the_falling_branch_of_a_loop_is_that_of_the_plays():
    table = simulate("fe_preisach", "pv_loop", n_cycles=2, settings={"points": 40}).table
    assert list(table["cycle"].unique()) == [1, 2]
    first, second = (rows["polarization_C_per_m2"].to_numpy() for _, rows in table.groupby("cycle"))
    assert first == pytest.approx(second, abs=1e-12)
    falling = table[table["cycle"] == 1].iloc[9:30]
    assert list(falling["voltage_V"].iloc[[0, -1]]) == [3.5, -3.5]
    field, half = falling["voltage_V"].to_numpy()[:, np.newaxis] / PREISACH["tfe"], half_widths()
    plays = np.minimum(3.5 / PREISACH["tfe"] - half, field + half)
    expected = PREISACH["Ps"] * np.tanh(plays / (2 * PREISACH["delta"])).mean(axis=1)
    expected += epsilon_0 * PREISACH["eps"] * field[:, 0]
    assert falling["polarization_C_per_m2"].to_numpy() == pytest.approx(expected, abs=1e-9)


def test_a_pulse_flips_the_domains_whose_time_has_come():
    """At a constant field a domain flips once width/τ0·exp(-(Ea/E)^α) has reached its threshold."""
    given = {"amplitude_V": (1.0, 1.5, 2.0), "width_s": (1e-6, 1e-4)}
    table = simulate("fe_domains", "pulse", n_devices=3, n_units=200, rng=9, settings=given).table
    cells = drawn(device("fe_domains"), 3, np.random.default_rng(9), n_units=200)
    for row in table.itertuples():
        ea, hth = (cells.units[name][row.device_id - 1] for name in ("Ea", "hth"))
        field = row.pulse_voltage_V / DOMAINS["tfe"]
        counted = row.pulse_width_s / DOMAINS["tau0"] * np.exp(-((ea / field) ** DOMAINS["alpha"]))
        flipped = np.where(counted >= hth, 1.0, -1.0)
        assert row.polarization_C_per_m2 == pytest.approx(DOMAINS["Pr"] * flipped.mean(), abs=1e-12)


def test_the_top_of_a_loop_of_domains_is_their_polarization_and_the_fields():
    table = simulate("fe_domains", "pv_loop").table
    top = table["polarization_C_per_m2"][table["voltage_V"] == 3.0]
    expected = DOMAINS["Pr"] + epsilon_0 * DOMAINS["eps"] * 3.0 / DOMAINS["tfe"]
    assert top.to_numpy() == pytest.approx([expected], rel=0.01)
