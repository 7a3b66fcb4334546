"""Units of headers and column maps: every spelling to the same unit, no unit by guess, SI exact to the last bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvmphys.errors import BadInput
from nvmphys.measurement.units import UNITS, engineering, find_unit, understand, unit


@pytest.mark.parametrize(
    ("header", "column", "symbol"),
    [
        ("conductance_uS", "conductance_S", "uS"),
        ("G/uS", "conductance_S", "uS"),
        ("G [µS]", "conductance_S", "uS"),
        ("G (μS)", "conductance_S", "uS"),
        ("Conductance in mS", "conductance_S", "mS"),
        ("R (kOhm)", "resistance_ohm", "kohm"),
        ("Resistance [kΩ]", "resistance_ohm", "kohm"),
        ("resistance_Mohms", "resistance_ohm", "Mohm"),
        ("R [\N{OHM SIGN}]", "resistance_ohm", "ohm"),
        ("t [s]", "time_s", "s"),
        ("T (s)", "time_s", "s"),
        ("Time (msec)", "time_s", "ms"),
        ("time_min", "time_s", "min"),
        ("elapsed time [h]", "time_s", "h"),
        ("temp (°C)", "temperature_K", "degC"),
        ("T_C", "temperature_K", "degC"),
        ("Temperature [℃]", "temperature_K", "degC"),
        ("T [K]", "temperature_K", "K"),
        ("I (µA)", "current_A", "uA"),
        ("Id [nA]", "current_A", "nA"),
        ("V_BL [V]", "voltage_V", "V"),
        ("read voltage (mV)", "voltage_V", "mV"),
        ("V_WL [V]", "gate_voltage_V", "V"),
        ("pulse width (ns)", "pulse_width_s", "ns"),
        ("Amplitude (V)", "pulse_voltage_V", "V"),
        ("target_uS", "target_S", "uS"),
        ("P [µC/cm²]", "polarization_C_per_m2", "uC/cm2"),
        ("polarization_C_per_m2", "polarization_C_per_m2", "C/m2"),
    ],
)
def test_a_header_names_a_quantity_and_its_unit(header, column, symbol):
    found = understand(header)
    assert (found.column, found.unit.symbol) == (column, symbol)


@pytest.mark.parametrize(
    ("header", "column"),
    [("Device ID", "device_id"), ("addr", "device_id"), ("lvl", "level"), ("bin (0-31)", "level"), ("Cycle", "cycle")],
)
def test_names_and_counts_need_no_unit(header, column):
    assert understand(header).column == column


@pytest.mark.parametrize("header", ["t", "T", "conductance", "V_S", "I_D", "time since", "note", "", "R_on (kohm)"])
def test_what_is_not_certain_is_not_guessed(header):
    found = understand(header)
    assert found.column == ""
    assert found.reason


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            "G (mho/cm)",
            r"column 'G \(mho/cm\)': 'mho/cm' is no known unit of conductance; known: S, mS, uS.*column map",
        ),
        ("R [uS]", r"'uS' is no known unit of resistance; known: ohm, mohm, kohm, Mohm"),
        ("t (a.u.)", r"'a.u.' is no known unit of time; known: s, ms, us"),
    ],
)
def test_an_unknown_unit_is_an_error_with_the_known_ones(header, words):
    with pytest.raises(BadInput, match=words):
        understand(header)


def test_the_case_of_a_unit_may_differ_only_where_no_other_unit_fits():
    assert find_unit("time", "MS").symbol == "ms"
    assert find_unit("resistance", "mohm").denominator == 1000
    assert find_unit("resistance", "Mohm").numerator == 10**6
    assert find_unit("conductance", "c") is None


@pytest.mark.parametrize(
    ("dimension", "symbol", "value", "si"),
    [
        ("conductance", "uS", 4.7, 4.7e-6),
        ("conductance", "nS", 0.3, 3e-10),
        ("resistance", "kohm", 2.2, 2200.0),
        ("time", "ns", 50, 5e-8),
        ("time", "d", 1.5, 129600.0),
        ("temperature", "degC", 85.0, 358.15),
        ("polarization", "uC/cm2", 24.5, 0.245),
    ],
)
def test_si_values_are_exact(dimension, symbol, value, si):
    assert unit(dimension, symbol).to_si(value) == si


@given(st.sampled_from([(d, s) for d in UNITS for s in UNITS[d]]), st.floats(-1e12, 1e12))
def test_a_value_comes_back_from_si(name, value):
    found = unit(*name)
    assert found.from_si(found.to_si(value)) == pytest.approx(value, rel=1e-14, abs=1e-12)


@given(st.sampled_from([(d, s) for d in UNITS for s in UNITS[d]]))
def test_every_symbol_is_found_by_its_own_spelling(name):
    assert unit(*name).symbol == name[1]


@given(st.text(max_size=40))
def test_any_header_is_understood_left_out_or_an_error(header):
    try:
        found = understand(header)
    except BadInput:
        return
    assert bool(found.column) != bool(found.reason)


@pytest.mark.parametrize(
    ("value", "symbol", "text"),
    [
        (9.99999e-7, "S", "1 uS"),
        (-2.5e-3, "V", "-2.5 mV"),
        (1e-18, "S", "1e-18 S"),
        (0.5, "s", "500 ms"),
        (3600.0, "s", "3600 s"),
        (300.0, "K", "300 K"),
        (0.25, "", "0.25"),
    ],
)
def test_values_are_written_as_engineers_read_them(value, symbol, text):
    assert engineering(value, symbol) == text
