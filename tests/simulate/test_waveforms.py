"""Waveforms: what is refused, with value and unit, and what pulses and joined pieces are."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvmphys.errors import BadInput
from nvmphys.simulate.waveform import Piece, joined, pulse, through

LENGTHS = st.floats(1e-9, 1e3)
VOLTS = st.floats(-5.0, 5.0)


@pytest.mark.parametrize(
    ("times", "volts", "kelvins", "words"),
    [
        ([0.0, 1.0, 2.0], [0.0, np.nan, 0.0], 300.0, "voltage_V must be finite (got nan V at point 1)"),
        ([0.0, 1.0, 2.0], [0.0, 1.0, -np.inf], 300.0, "voltage_V must be finite (got -inf V at point 2)"),
        ([np.nan, 1.0], [0.0, 1.0], 300.0, "time_s must be finite (got nan s at point 0)"),
        ([0.0, 1.0], [0.0, 1.0], [300.0, np.inf], "temperature_K must be finite (got inf K at point 1)"),
        ([0.0, 1.0], [0.0, 1.0], np.nan, "temperature_K must be finite (got nan K at point 0)"),
        ([0.0, 2.0, 1.0], [0.0, 1.0, 0.0], 300.0, "time_s must increase from point to point (got 1 s after 2 s at poi"),
        ([0.0, 1.0, 1.0], [0.0, 1.0, 0.0], 300.0, "(got 1 s after 1 s at point 2): sort it, and give an edge a length"),
        ([0.0, 1.0], [0.0, 1.0, 0.0], 300.0, "voltage_V must have as many points as time_s, two or more (got shape (3"),
        ([0.0, 1.0], [0.0, 1.0], [300.0], "temperature_K must have as many points as time_s"),
        ([0.0], [0.0], 300.0, "time_s must have as many points as time_s, two or more (got shape (1,))"),
        ([[0.0, 1.0]], [[0.0, 1.0]], 300.0, "time_s must have as many points"),
        ([0.0, 1.0], [0.0, 1.0], -5.0, "temperature_K must be > 0 K (got -5 K)"),
        ([0.0, 1.0], [0.0, 1.0], [300.0, 0.0], "temperature_K must be > 0 K (got 0 K)"),
    ],
)
def test_points_that_make_no_waveform_are_refused_with_value_and_unit(times, volts, kelvins, words):
    with pytest.raises(BadInput, match=re.escape(words)):
        through(times, volts, kelvins)


@given(st.lists(st.tuples(LENGTHS, VOLTS, st.floats(1.0, 1e3)), min_size=1, max_size=8), st.floats(-10.0, 10.0))
def test_a_waveform_through_points_has_a_piece_between_each_two(steps, start_s):
    lengths, volts, kelvins = (np.array(each) for each in zip((0.0, 0.5, 300.0), *steps, strict=True))
    times = start_s + np.cumsum(lengths)
    if np.any(np.diff(times) <= 0):  # a length that rounding takes
        return
    wave = through(times, volts, kelvins)
    assert np.array_equal(wave.segments.duration_s, np.diff(times))
    assert np.array_equal(wave.segments.start_V[1:], wave.segments.end_V[:-1])
    assert np.array_equal(wave.voltage_V, volts[1:])
    assert np.array_equal(wave.temperature_K, kelvins[1:])
    assert wave.time_s == pytest.approx(times[1:] - times[0])
    assert wave.n_pulses == 0
    last = through(times, volts, kelvins, edges=False)
    assert last.time_s == pytest.approx(times[-1:] - times[0])
    assert np.array_equal(last.voltage_V, volts[-1:])


@given(VOLTS, st.floats(1e-9, 1.0), st.floats(0.0, 0.99))
def test_a_pulse_with_edges_has_the_area_of_one_without(amplitude, width, share):
    edge = share * width
    pieces = pulse(amplitude, width, edge, number=3)
    area = sum(p.duration_s * (p.start_V + p.end_V) / 2 for p in pieces)
    assert area == pytest.approx(amplitude * width, rel=1e-12)
    assert sum(p.duration_s for p in pieces) == pytest.approx(width + edge)
    assert {p.pulse for p in pieces} == {3}
    assert len(pieces) == (3 if edge else 1)
    if edge:
        assert pieces[0].start_V == pieces[-1].end_V == 0.0
    assert max(abs(p.end_V) for p in pieces) == abs(amplitude)


@pytest.mark.parametrize(("width", "edge"), [(1e-7, 1e-7), (1e-7, 2e-7), (1e-7, np.inf)])
def test_an_edge_as_long_as_the_pulse_is_refused(width, edge):
    words = f"edge_s must be shorter than width_s (got {edge:g} s against {width:g} s)"
    with pytest.raises(BadInput, match=re.escape(words)):
        pulse(1.0, width, edge)


@given(st.lists(st.tuples(st.one_of(st.just(0.0), LENGTHS), VOLTS, VOLTS, st.booleans()), min_size=1, max_size=8))
def test_joined_pieces_keep_their_durations_and_lose_those_without(steps):
    pieces = [Piece(length, start, end, seen, number) for number, (length, start, end, seen) in enumerate(steps)]
    kept = [p for p in pieces if p.duration_s > 0]
    if not kept:
        return
    wave = joined(pieces, 350.0)
    assert np.array_equal(wave.segments.duration_s, [p.duration_s for p in kept])
    assert np.array_equal(wave.segments.start_V, [p.start_V for p in kept])
    assert np.array_equal(wave.segments.end_V, [p.end_V for p in kept])
    assert np.array_equal(wave.segments.pulse, [p.pulse for p in kept])
    assert np.array_equal(wave.observed, [*(p.observed for p in kept[:-1]), True])
    assert wave.time_s[-1] == pytest.approx(sum(p.duration_s for p in kept))
    assert np.all(wave.temperature_K == 350.0)
    assert wave.n_pulses == kept[-1].pulse + 1
