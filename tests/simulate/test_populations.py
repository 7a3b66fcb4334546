"""Many devices: the same seed gives the same result however the work is cut up, and a spread is what was asked for."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nvmphys.devices import device, devices
from nvmphys.errors import BadInput
from nvmphys.simulate import simulate, transient
from nvmphys.simulate.devices import alike, drawn
from nvmphys.simulate.waveform import Piece, joined, pulse

N_UNITS = 4
QUICK = {
    "pulse": {"amplitude_V": (1.5,), "width_s": (1e-7, 1e-6)}, "pulse_train": {"n_pulses": 3}, "sweep": {"points": 20},
    "pund": {"points": 2}, "pv_loop": {"points": 8}, "retention": {"points": 3},
}  # fmt: skip


def units_of(model):
    return N_UNITS if model.units else None


@pytest.fixture(params=devices())
def model(request):
    return device(request.param)


def spread_of(model, sigma=0.05):
    """Return a spread of the first two parameters that devices can differ in: one alone may not count at rest."""
    own = model.units.parameters if model.units else ()
    names = [p.name for p in model.parameters if p.name not in own and p.value != 0][:2]
    return {name: {"sigma": sigma, "sigma_ref": "of_value"} for name in names}


def train(model):
    """Return pulses there and back at the largest amplitude the model's experiments have."""
    given = [each for each in model.experiments.values() if "amplitude_V" in each]
    top = max(float(np.max(each["amplitude_V"])) for each in given)
    width = min(float(np.min(each.get("width_s", 1e-6))) for each in given)
    pieces = []
    for number in range(4):
        sign = -1 if number == 3 else 1
        pieces += [*pulse(sign * top, width, 0.1 * width, number=number), Piece(width, 0.0, 0.0, observed=True)]
    return joined(pieces)


ROUNDING = 1e-6
"""Of coupled units in closed form: NumPy rounds by where in an array a number stands, and steps carry that on."""


def same(one, two, within=0.0):
    """Whether two paths are the same, to the last bit where nothing else is said."""
    names = ("states", "current_A", "charge_C", "time_s")
    return all(
        np.allclose(getattr(one, n), getattr(two, n), rtol=within, atol=within * np.ptp(getattr(one, n))) for n in names
    )


@pytest.mark.parametrize(
    ("name", "closed_form"),
    [(n, form) for n in devices() for form in (False, True) if not form or device(n).closed_form is not None],
)
def test_neither_threads_nor_chunks_change_a_path(name, closed_form, monkeypatch):
    model = device(name)
    cells = drawn(model, 7, np.random.default_rng(1), population=spread_of(model), n_units=units_of(model))
    wave, told = train(model), []

    def path(workers):
        told.clear()
        return transient(
            model, wave, cells, rng=11, closed_form=closed_form, workers=workers,
            progress=lambda what, done, total: told.append((what, done, total)),
        )  # fmt: skip

    whole = path(1)
    assert told == [(f"simulating {model.name}", 7, 7)]
    assert np.ptp(whole.states[:, 0], axis=0).max() > 0
    seen = whole.states if model.charge == 0 else whole.charge_C  # a spread of the charge alone moves no state
    assert not np.array_equal(seen[:, 0], seen[:, 1])
    module = importlib.import_module("nvmphys.simulate.transient")
    for rows in (1, 3 * cells.n_units, 10**9):
        monkeypatch.setattr(module, "CHUNK_ROWS", rows)
        for workers in (1, 2):
            assert same(path(workers), whole, ROUNDING if model.coupled and closed_form else 0.0)
            assert [done for _, done, _ in told] == {1: [*range(1, 8)], 10**9: [7]}.get(rows, [3, 6, 7])
    last = transient(model, wave, cells, rng=11, closed_form=closed_form, keep_states=False)
    assert np.array_equal(last.states[0], whole.states[-1])


def test_a_device_goes_the_same_way_alone_as_among_others(model):
    cells = drawn(model, 5, np.random.default_rng(1), population=spread_of(model), n_units=units_of(model))
    wave = train(model)
    all_of_them, first_three = (transient(model, wave, some, rng=4) for some in (cells, cells.only(np.arange(3))))
    within = ROUNDING if model.coupled else 0.0
    for name in ("states", "current_A"):
        found, alone = getattr(all_of_them, name)[:, :3], getattr(first_three, name)
        assert np.allclose(found, alone, rtol=within, atol=within * np.ptp(alone))


def test_more_devices_of_one_spread_begin_with_the_fewer():
    few, many = (
        simulate(
            "rram_gap",
            "pulse",
            n_devices=n,
            rng=2,
            population={"I0": {"sigma": 0.05, "sigma_ref": "of_value"}},
            settings=QUICK["pulse"],
        ).table
        for n in (3, 8)
    )
    assert many[many["device_id"] <= 3].equals(few)


@pytest.mark.parametrize(
    ("name", "made"), [(n, next(m for m in QUICK if m in device(n).experiments)) for n in devices()]
)
def test_the_same_seed_gives_the_same_table_and_another_another(name, made):
    def table(seed):
        return simulate(
            name,
            made,
            n_devices=3,
            n_units=units_of(device(name)),
            rng=seed,
            settings=QUICK[made],
            population=spread_of(device(name)),
        ).table

    once, again, other = table(1), table(1), table(2)
    assert once.equals(again)
    assert table(np.random.default_rng(1)).equals(once)
    assert not once.equals(other)
    assert once.shape == other.shape


@settings(max_examples=40)
@given(
    st.one_of(st.just(0.0), st.floats(1e-6, 0.2)),
    st.sampled_from(["g0", "Ea", "gmax", "Fmin", "vgap"]),
    st.integers(0, 2**32),
)
def test_drawn_values_lie_within_bounds_around_their_centre(sigma, name, seed):
    model = device("rram_gap")
    low, high = model.parameter(name).bounds
    spread = {name: {"sigma": sigma, "sigma_ref": "of_value"}}
    found = drawn(model, 2000, np.random.default_rng(seed), population=spread).values[name]
    assert low <= found.min() <= found.max() <= high
    centre = model.parameter(name).value
    if sigma == 0:
        assert np.all(found == centre)
    elif min(centre - low, high - centre) > 5 * sigma * centre:  # the bounds cut nothing to speak of
        assert np.median(found) == pytest.approx(centre, abs=7 * sigma * centre / np.sqrt(2000))
        assert found.std() == pytest.approx(sigma * found.mean(), rel=0.2)


def test_a_spread_without_a_reference_to_the_value_is_in_the_parameters_unit():
    spread = {"Ea": {"sigma": 0.02, "sigma_ref": "absolute"}}
    found = drawn(device("rram_gap"), 4000, np.random.default_rng(1), {"Ea": 1.0}, spread).values["Ea"]
    assert found.mean() == pytest.approx(1.0, abs=0.002)
    assert found.std() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"n_devices": 0}, "devices and units must be 1 or more (got 0 devices, None units)"),
        ({"n_devices": -2}, "devices and units must be 1 or more (got -2 devices"),
        ({"n_units": 0}, "devices and units must be 1 or more (got 1 devices, 0 units)"),
        ({"n_cycles": 0}, "n_cycles: Input should be greater than or equal to 1 (got '0')"),
        (
            {"population": {"eps": {"sigma": -0.1, "sigma_ref": "of_value"}}},
            "population of eps: sigma must be >= 0 and",
        ),
        ({"population": {"eps": {"sigma": np.nan, "sigma_ref": "of_value"}}}, "(got nan, 'of_value')"),
        ({"population": {"eps": {"sigma": 0.1}}}, "sigma_ref one of absolute, of_value (got 0.1, None)"),
        ({"population": {"eps": {"sigma": 0.1, "sigma_ref": "of_range"}}}, "(got 0.1, 'of_range')"),
        ({"population": {"epss": {"sigma": 0.1, "sigma_ref": "absolute"}}}, "did you mean eps?"),
        ({"population": {"Ea": {"sigma": 0.1, "sigma_ref": "of_value"}}}, "that devices can differ in 'Ea'"),
        (
            {"n_devices": 200, "population": {"area": {"sigma": 1e6, "sigma_ref": "of_value"}}},
            "m^2, beyond its bounds 1e-16 … 1e-06: make the spread smaller",
        ),
        ({"values": {"eps": 0.5}}, "eps must lie within 1 … 100 1 (got 0.5 1)"),
        ({"values": {"epss": 5.0}}, "did you mean eps?"),
        ({"start": {"y": 2.0}}, "start of y must lie within -0.001 … 1.001 (got 2)"),
        ({"start": {"s": np.nan}}, "start of s must lie within -1 … 1 (got nan)"),
        ({"start": {"y_0": 0.5}}, "unknown state 'y_0': its states are y, s"),
    ],
)
def test_devices_that_cannot_be_are_refused(how, words):
    with pytest.raises(BadInput, match=re.escape(words)):
        simulate("fe_domains", "pv_loop", **how)


def test_a_start_of_another_shape_or_without_a_number_is_refused():
    model = device("fe_domains")
    cells = drawn(model, 2, np.random.default_rng(1), n_units=3)
    for start in (np.zeros((2, 3)), np.zeros((3, 2, 2)), np.full((2, 3, 2), np.nan)):
        with pytest.raises(BadInput, match=re.escape("start must be finite, of shape (2, 3, 2) (device, unit, state)")):
            transient(model, joined(pulse(1.0, 1e-6)), cells, start=start)


def test_a_start_by_name_holds_for_all_units_and_leaves_the_other_states_at_rest():
    model = device("fe_domains")
    cells = drawn(model, 2, np.random.default_rng(1), n_units=3)
    begin = cells.start(model, {"s": 1.0})
    assert begin[..., 1].tolist() == [[1.0] * 3] * 2
    assert begin[..., 0].tolist() == [[0.0] * 3] * 2


def test_some_devices_with_a_thermal_node_and_some_without_are_refused():
    model = device("rram_gap")
    mixed = alike(model, count=2)
    mixed = replace(mixed, values=mixed.values | {"Cth": np.array([0.0, 1e-13])})
    with pytest.raises(BadInput, match=re.escape("rram_gap: Cth must be > 0 J/K for all devices or 0 for all of them")):
        transient(model, joined(pulse(1.0, 1e-7)), mixed)


STEPS = st.lists(st.floats(-4.0, 4.0), min_size=1, max_size=6)


@settings(max_examples=25)
@given(STEPS)
def test_plays_settle_where_their_closed_form_says(volts):
    model = device("fe_preisach")
    wave = joined([Piece(1e-6, v, v, observed=True) for v in volts])  # a thousand times the response
    closed, integrated = (transient(model, wave, closed_form=form) for form in (True, False))
    assert integrated.states == pytest.approx(closed.states, abs=5e-3)  # the corner at which a play sets in
    assert integrated.charge_C == pytest.approx(closed.charge_C, rel=5e-3, abs=5e-3 * np.abs(closed.charge_C).max())


@settings(max_examples=10)
@given(
    st.lists(st.tuples(st.floats(0.8, 3.0), st.sampled_from([-1, 1]), st.floats(1e-7, 1e-5)), min_size=1, max_size=4)
)
def test_the_integrator_flips_the_domains_that_their_closed_form_flips(steps):
    model = device("fe_domains")
    cells = drawn(model, 1, np.random.default_rng(3), n_units=60)
    pieces = []
    for volts, sign, width in steps:
        pieces += [*pulse(sign * volts, width, 0.1 * width), Piece(1e-8, 0.0, 0.0, observed=True)]
    closed, integrated = (transient(model, joined(pieces), cells, closed_form=form).states for form in (True, False))
    counts, polarities = closed[:, 0, :, 0], closed[:, 0, :, 1]
    certain = np.cumprod((np.abs(counts) > 0.01) & (np.abs(counts - 1) > 0.01) | (counts == np.round(counts)), axis=0)
    apart = np.abs(integrated[:, 0, :, 1] - polarities) > 0.01
    assert np.count_nonzero(apart & (certain > 0)) <= 1
    assert np.abs(integrated[..., 1].mean(axis=-1) - closed[..., 1].mean(axis=-1)).max() <= 4 / 60
