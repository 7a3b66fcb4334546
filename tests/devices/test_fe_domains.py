"""Nucleation-limited switching: ensembles against the closed form of the published set, and a PUND measurement."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, quad_vec
from scipy.stats import betaprime, qmc

from nvmphys.devices import device
from nvmphys.devices.fe_domains import count
from nvmphys.measurement.pund import switched_polarization
from nvmphys.records import Measurement, Source
from nvmphys.simulate import simulate, transient
from nvmphys.simulate.devices import Devices, alike, drawn
from nvmphys.simulate.waveform import Piece, joined, through

MODEL = device("fe_domains")
PUBLISHED = {
    "Pr": 0.2272, "tau0": 446e-9, "alpha": 4.24, "beta": 1.91, "gb_a": 6.758, "gb_b": 1.669e8, "gb_p": 2.10,
    "gb_q": 1.364,
}  # fmt: skip
"""In SI units: P_r 22.72 µC/cm², τ0 446 ns, b 1.669 MV/cm (public code of Deng et al., VLSI 2020)."""
THICKNESS_M = MODEL.values()["tfe"]
FIELDS = np.array([0.6, 0.9, 1.2, 1.5, 1.8, 2.1, 2.4, 2.7, 3.0]) * 1e8
WIDTHS_S = np.logspace(-8, -3, 11)


@functools.cache
def switched_shares(field: float) -> np.ndarray:
    """Return the share of domains that each pulse flips: 1 - exp(-(t/τ)^β) over the density of activation fields."""
    known = PUBLISHED

    def flipped(log_ea):
        scaled = (np.exp(log_ea) / known["gb_b"]) ** known["gb_a"]  # GB2 to the power a is beta prime
        density = betaprime.pdf(scaled, known["gb_p"], known["gb_q"]) * known["gb_a"] * scaled
        tau = known["tau0"] * np.exp(min((np.exp(log_ea) / field) ** known["alpha"], 600.0))
        return -density * np.expm1(-((WIDTHS_S / tau) ** known["beta"]))

    centre = np.log(known["gb_b"])
    return quad_vec(flipped, centre - 4, centre + 4, points=[centre], epsabs=1e-7)[0]


def ensemble(uniform) -> Devices:
    """Return one device of domains at uniform numbers (domain, 2)."""
    same = alike(MODEL, PUBLISHED)
    units = MODEL.units.quantiles(same.values, {"Ea": uniform[:, 0], "hth": uniform[:, 1]})
    return replace(same, units={name: values[np.newaxis] for name, values in units.items()})


def remaining(cells: Devices, field: float, **how) -> np.ndarray:
    """Return P/P_r after pulses of growing width from a fresh state, all domains down."""
    lengths = np.diff(WIDTHS_S, prepend=0.0)  # as one long pulse, looked at where shorter ones end
    pieces = [Piece(length, field * THICKNESS_M, field * THICKNESS_M, observed=True) for length in lengths]
    return transient(MODEL, joined(pieces), cells, **how).states[:, 0, :, 1].mean(axis=-1)


def test_the_models_own_values_are_the_published_ones():
    for name, value in PUBLISHED.items():
        assert MODEL.values()[name] == pytest.approx(value, rel=2e-3)


def test_a_fresh_ensemble_follows_the_closed_form_from_10_ns_to_1_ms():
    cells = ensemble(qmc.Sobol(2, rng=1).random(2**14))
    for field in FIELDS:
        assert remaining(cells, field) == pytest.approx(2 * switched_shares(field) - 1, abs=0.005)


def test_ten_thousand_domains_drawn_stay_within_their_standard_error():
    cells = drawn(MODEL, 1, np.random.default_rng(5), PUBLISHED, n_units=10_000)
    for field in FIELDS:
        shares = switched_shares(field)
        error = 2 * np.sqrt(shares * (1 - shares) / 10_000)
        assert np.all(np.abs(remaining(cells, field) - (2 * shares - 1)) <= 3.5 * error + 1e-4)


def test_the_integrator_flips_the_same_domains_as_the_closed_form():
    cells = ensemble(qmc.Sobol(2, rng=2).random(256))
    for field in FIELDS[::4]:
        assert remaining(cells, field, closed_form=False) == pytest.approx(remaining(cells, field), abs=2 / 256)


def test_paths_do_not_depend_on_the_step():
    cells = ensemble(qmc.Sobol(2, rng=3).random(1024))
    corners_s, corners_V = np.array([0.0, 2e-6, 6e-6, 8e-6, 12e-6]), np.array([0.0, 1.9, -1.4, 0.7, 1.6])
    paths = []
    for parts in (1, 3, 40):
        times = np.unique(np.concatenate([np.linspace(*ends, parts + 1) for ends in itertools.pairwise(corners_s)]))
        found = transient(MODEL, through(times, np.interp(times, corners_s, corners_V)), cells)
        paths.append(found.states[np.searchsorted(found.time_s, corners_s[1:] * (1 - 1e-12))])
    for path in paths[1:]:
        assert path == pytest.approx(paths[0], abs=1e-9)


@settings(max_examples=50)
@given(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0), st.floats(1e-8, 1e-3))
def test_the_count_along_a_ramp_is_the_integral_of_one_over_the_switching_time(start_V, end_V, duration_s):
    start_V, end_V = (v if start_V * end_V >= 0 else abs(v) for v in (start_V, end_V))
    rows = {name: np.array([value]) for name, value in MODEL.values().items()}
    values = MODEL.values()

    def per_second(share):
        field = abs(start_V + share * (end_V - start_V)) / values["tfe"]
        return np.exp(-((values["Ea"] / max(field, 1e5)) ** values["alpha"])) / values["tau0"] if field > 2e7 else 0.0

    expected = duration_s * quad(per_second, 0.0, 1.0, epsabs=0.0, epsrel=1e-9, limit=400)[0]
    assert count(rows, start_V, end_V, duration_s)[0] == pytest.approx(
        expected, rel=1e-5, abs=1e-9 * duration_s / values["tau0"]
    )


@settings(max_examples=30)
@given(st.floats(0.3, 3.0), st.floats(0.0, 0.5), st.floats(1e-8, 1e-3), st.floats(1.0, 10.0))
def test_a_longer_or_stronger_pulse_never_switches_less(volts, more_V, width_s, longer):
    cells = drawn(MODEL, 1, np.random.default_rng(1), n_units=300)

    def switched(amplitude, width):
        found = transient(MODEL, joined([Piece(width, amplitude, amplitude, observed=True)]), cells)
        return found.states[-1, 0, :, 1].mean()

    least = switched(volts, width_s)
    assert switched(volts + more_V, width_s) >= least
    assert switched(volts, width_s * longer) >= least


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(-3.0, 3.0), st.floats(1e-8, 1e-4)), min_size=1, max_size=5))
def test_a_mirrored_waveform_gives_the_mirrored_path(steps):
    cells = drawn(MODEL, 1, np.random.default_rng(1), n_units=100)
    paths = []
    for sign, start in ((1, {"y": 0.0, "s": -1.0}), (-1, {"y": 1.0, "s": 1.0})):
        wave = joined([Piece(length, sign * volts, sign * volts, observed=True) for volts, length in steps])
        paths.append(transient(MODEL, wave, cells, start=start).states)
    assert paths[1][..., 1] == pytest.approx(-paths[0][..., 1])
    assert paths[1][..., 0] == pytest.approx(1 - paths[0][..., 0], abs=1e-9)


def test_a_pund_measurement_finds_twice_the_remanent_polarization():
    cells = drawn(MODEL, 1, np.random.default_rng(2), PUBLISHED, n_units=1000)
    corners_V = np.array([0.0, *(v for height in (-3, 3, 3, -3, -3) for v in (0, height, height, 0)), 0.0])
    corners_s = np.concatenate([[0.0], np.cumsum([*([1e-5, 1e-6, 1e-5, 1e-6] * 5), 1e-5])])
    times = np.linspace(0.0, corners_s[-1], 1201)  # equal steps: each current is the mean since the step before
    found = transient(MODEL, through(times, np.interp(times, corners_s, corners_V)), cells)
    table = pd.DataFrame({"time_s": found.time_s, "voltage_V": found.voltage_V, "current_A": found.current_A[:, 0]})
    seen = switched_polarization(Measurement("pund", table, Source("simulated")), MODEL.values()["area"])
    assert seen.has_preset
    assert not seen.inverted
    assert seen.pu == pytest.approx(2 * PUBLISHED["Pr"], rel=0.01)
    assert seen.nd == pytest.approx(2 * PUBLISHED["Pr"], rel=0.01)


def test_the_pund_experiment_measures_twice_the_remanent_polarization():
    seen = switched_polarization(simulate(MODEL, "pund"), MODEL.values()["area"])
    assert seen.pu == pytest.approx(2 * MODEL.values()["Pr"], rel=0.01)
    assert seen.nd == pytest.approx(2 * MODEL.values()["Pr"], rel=0.01)
