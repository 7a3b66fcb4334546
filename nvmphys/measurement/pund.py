"""PUND: the polarization that a ferroelectric switches, from the current of positive, up, negative and down pulses."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nvmphys.errors import BadInput
from nvmphys.measurement.experiment import NEEDS
from nvmphys.records import Measurement

REST = 0.02
"""Share of the largest |voltage| up to which the voltage counts as resting."""
_PULSE = 0.5
"""Share of the largest |voltage| that a pulse reaches; what stays below is no PUND pulse."""
_MARGIN = 0.1
"""Share of its length by which a pulse is integrated before and after, so that its current can settle."""
_ALIKE = 0.05
"""Relative difference of amplitude and length up to which two pulses may be subtracted."""
_MIN_REST = 5
_NAMES = {1: ("P", "U"), -1: ("N", "D")}


@dataclass(frozen=True)
class Pulse:
    """A pulse of the waveform: its part in the PUND sequence, its bounds, its extreme voltage and what it moved.

    `name` is P, U, N, D, "preset" or "" (not used); `charge` [C/m²] is ∫(I − offset) dt / area, positive in the
    direction of a positive voltage.
    """

    name: str
    start_s: float
    stop_s: float
    amplitude_V: float
    charge: float


@dataclass(frozen=True)
class Pund:
    """What `switched_polarization` found; polarizations in C/m² (1 µC/cm² = 0.01 C/m²).

    Attributes
    ----------
    pu, nd : float
        P − U and N − D [C/m²], each positive when it switches along its voltage; the mean where pairs repeat.
    offset_A : float
        Offset of the current at rest [A], as measured (before an inversion is undone); removed before integration.
    offset_charge : float
        What the offset would add to a pulse of mean length [C/m²].
    inverted : bool
        Whether the current is counted against the voltage.
    has_preset : bool
        Whether a pulse of the opposite sign comes before each pair; else the state before P was not set.
    pulses : tuple of Pulse
        All pulses in order.
    """

    pu: float
    nd: float
    offset_A: float
    offset_charge: float
    inverted: bool
    has_preset: bool
    pulses: tuple[Pulse, ...]

    @property
    def two_p_r(self) -> float:
        """Twice the remanent polarization [C/m²]: the mean of P − U and N − D."""
        return (self.pu + self.nd) / 2

    @property
    def n_pulses(self) -> int:
        """Number of pulses, preset pulses included."""
        return len(self.pulses)

    @property
    def sentence(self) -> str:
        """Say the result in words, in µC/cm² as ferroelectrics are compared."""
        names = ", ".join(pulse.name or "unused" for pulse in self.pulses)
        preset = "" if self.has_preset else "; no preset pulse: the state before the first pair was not set"
        return (
            f"P−U = {100 * self.pu:.3g} and N−D = {100 * self.nd:.3g} µC/cm² (2P_r = {100 * self.two_p_r:.3g}) from "
            f"{self.n_pulses} pulses ({names}); current offset {1e6 * self.offset_A:.3g} µA "
            f"({100 * self.offset_charge:.2g} µC/cm² a pulse) removed; "
            f"current {'inverted against' if self.inverted else 'in the direction of'} the voltage{preset}"
        )


def switched_polarization(measurement: Measurement, area_m2: float) -> Pund:
    r"""Return the polarization that the pulses of a PUND measurement switch.

    .. math:: P - U = \frac{1}{A} \left( \int_P (I - I_0)\,dt - \int_U (I - I_0)\,dt \right)

    and N − D alike, counted along the negative voltage. The second pulse of a pair finds the polarization switched:
    it moves the charge of the capacitance and of the leakage alone, which the difference takes away; what is left is
    2 P_r. The offset I₀ is the median current at rest. A pulse is integrated from a tenth of its length before it to a
    tenth after it. The charge that moves while |V| rises has the sign of V in any passive device: where it has
    the other one, the current is inverted.

    Parameters
    ----------
    measurement : Measurement
        Columns `time_s`, `voltage_V` and `current_A`; one waveform with rest at 0 V, pulses of both signs in pairs.
    area_m2 : float
        Area of the capacitor [m²].

    Returns
    -------
    Pund
        In C/m², with the offset, the sign of the current and the pulses.

    Raises
    ------
    BadInput
        "area_m2 must be a finite number > 0 m²"; "PUND needs time_s, voltage_V and current_A"; "time_s must increase";
        "no pair of positive pulses"; "no rest at 0 V"; "differ in amplitude"; "holds 3 cycles".

    Notes
    -----
    In a stack of a ferroelectric and a dielectric, P − U is not the polarization that switches: see the reference.

    References
    ----------
    M. Segatto, R. Fontanini, F. Driussi, D. Lizzit, D. Esseni, "Limitations to electrical probing of spontaneous
    polarization in ferroelectric-dielectric heterostructures", arXiv:2201.12103 (2022): theory and limits of PUND.

    Examples
    --------
    A leaky capacitor of 1000 µm² that switches 3 µC/cm², with 1 µA of offset:

    >>> import pandas as pd
    >>> from nvmphys.records import Source
    >>> pulse = np.r_[np.zeros(10), 1, 2, 3, 3, 2, 1]
    >>> voltage = np.r_[-pulse, pulse, pulse, -pulse, -pulse, np.zeros(10)]
    >>> switching = np.repeat([-1, 1, 0, -1, 0, 0], 16)[:90] * (voltage != 0)
    >>> current = 1e-6 * voltage + 5e-6 * switching - 1e-6
    >>> table = pd.DataFrame({"time_s": 1e-6 * np.arange(90), "voltage_V": voltage, "current_A": current})
    >>> found = switched_polarization(Measurement("pund", table, Source("made")), 1e-9)
    >>> round(found.pu, 6), round(found.nd, 6), round(found.offset_A, 9), found.inverted
    (0.03, 0.03, -1e-06, False)
    >>> [pulse.name for pulse in found.pulses]
    ['preset', 'P', 'U', 'N', 'D']
    """
    if not (np.isfinite(area_m2) and area_m2 > 0):
        raise BadInput(f"area_m2 must be a finite number > 0 m² (got {area_m2!r} m²): 50 × 50 µm² is 2.5e-9")
    time, voltage, current = _waveform(measurement)
    bounds = find_pulses(voltage)
    names = pulse_names([_sign(voltage, pulse) for pulse in bounds])
    missing = [sort for sort, name in (("positive", "U"), ("negative", "D")) if name not in names]
    if missing:
        raise BadInput(
            f"{_of(measurement)}: no pair of {' or of '.join(missing)} pulses (got {_shape(voltage, bounds)}): "
            "PUND is two pulses of one sign, then two of the other, with rest at 0 V between"
        )
    windows = _windows(bounds, len(time))
    offset = _offset(measurement, voltage, current, windows)
    inverted = _is_inverted(time, voltage, current - offset, bounds)
    flow = (offset - current if inverted else current - offset) / area_m2
    pulses = []
    for name, (start, stop), (first, last) in zip(names, bounds, windows, strict=True):
        extreme = voltage[start + np.argmax(np.abs(voltage[start:stop]))]
        charge = np.trapezoid(flow[first:last], time[first:last])
        edges = time[max(start - 1, 0)], time[min(stop, len(time) - 1)]
        pulses.append(Pulse(name, float(edges[0]), float(edges[1]), float(extreme), float(charge)))
    mean_length = np.mean([pulse.stop_s - pulse.start_s for pulse in pulses])
    return Pund(
        pu=_switched(measurement, pulses, "P", "U"),
        nd=-_switched(measurement, pulses, "N", "D"),
        offset_A=float(offset),
        offset_charge=float(offset * mean_length / area_m2),
        inverted=inverted,
        has_preset=names[0] == "preset",
        pulses=tuple(pulses),
    )


def find_pulses(voltage: np.ndarray) -> list[tuple[int, int]]:
    """Find the pulses of a waveform [V]: runs of one sign above the rest that reach half of the largest |voltage|.

    >>> find_pulses(np.array([0.0, 1.0, 3.0, 1.0, 0.0, 0.2, 0.0, -3.0, -3.0]))
    [(1, 4), (7, 9)]
    """
    size = np.abs(voltage)
    peak = np.max(size, initial=0.0)
    if not (np.isfinite(peak) and peak > 0):
        return []
    state = np.where(size > REST * peak, np.sign(voltage), 0)
    starts = np.r_[0, np.flatnonzero(np.diff(state)) + 1]
    stops = np.r_[starts[1:], len(voltage)]
    reached = (state[starts] != 0) & (np.maximum.reduceat(size, starts) >= _PULSE * peak)
    return [(int(start), int(stop)) for start, stop in zip(starts[reached], stops[reached], strict=True)]


def pulse_names(signs: Sequence[int]) -> list[str]:
    """Name pulses by their signs: two of a sign are P and U, or N and D; what sets the state before them is preset.

    >>> pulse_names([-1, 1, 1, -1, -1]), pulse_names([1, 1, -1, -1])
    (['preset', 'P', 'U', 'N', 'D'], ['P', 'U', 'N', 'D'])
    """
    runs = [(sign, len(list(run))) for sign, run in itertools.groupby(signs)]
    known = {sign for sign, length in runs[1:] if length > 1}
    names: list[str] = []
    for number, (sign, length) in enumerate(runs):
        if number == 0 and (length == 1 or sign in known):
            names += ["preset"] * length
        else:
            names += [*(_NAMES[sign] if length > 1 else ("",)), *[""] * (length - 2)]
    return names


def is_pund(voltage: np.ndarray) -> bool:
    """Tell whether a waveform [V] has the shape of a PUND: pairs of pulses of both signs, and rest between pulses.

    >>> is_pund(np.array([0, -3, 0, 3, 0, 3, 0, -3, 0, -3, 0.0])), is_pund(np.array([0, 3, 0, -3, 0.0]))
    (True, False)
    """
    names = pulse_names([_sign(voltage, pulse) for pulse in find_pulses(voltage)])
    return {"P", "U", "N", "D"} <= set(names)


def _waveform(measurement: Measurement) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return time [s], voltage [V] and current [A] of one waveform."""
    table, of = measurement.table, _of(measurement)
    missing = [name for name in NEEDS["pund"] if name not in table]
    if missing:
        raise BadInput(f"{of}: PUND needs {' and '.join(missing)}: read the waveform with its time")
    if "cycle" in table and table["cycle"].nunique() > 1:
        raise BadInput(f"{of}: holds {table['cycle'].nunique()} cycles: give the rows of one (table.cycle == 1)")
    time, voltage, current = (table[name].to_numpy(dtype=float) for name in NEEDS["pund"])
    bad = np.flatnonzero(~(np.isfinite(time) & np.isfinite(voltage) & np.isfinite(current)))
    if bad.size:
        raise BadInput(f"{of}: row {bad[0] + 1} holds no number: leave such rows out")
    back = np.flatnonzero(np.diff(time) <= 0)
    if back.size:
        seen = f"{time[back[0]]:g} s, then {time[back[0] + 1]:g} s in row {back[0] + 2}"
        raise BadInput(f"{of}: time_s must increase (got {seen}): give one waveform in the order of time")
    return time, voltage, current


def _of(measurement: Measurement) -> str:
    return measurement.source.title or measurement.source.id


def _sign(voltage: np.ndarray, pulse: tuple[int, int]) -> int:
    return 1 if voltage[pulse[0]] > 0 else -1


def _shape(voltage: np.ndarray, bounds: Sequence[tuple[int, int]]) -> str:
    signs = " ".join("+" if _sign(voltage, pulse) > 0 else "−" for pulse in bounds[:12])
    return f"{len(bounds)} pulses: {signs}{' …' * (len(bounds) > 12)}" if bounds else "no pulses"


def _windows(bounds: Sequence[tuple[int, int]], n: int) -> list[tuple[int, int]]:
    """Widen each pulse by a tenth of its length on both sides, at most to the middle of the rest beside it."""
    windows = []
    for k, (start, stop) in enumerate(bounds):
        margin = max(round(_MARGIN * (stop - start)), 1)
        before = (start + bounds[k - 1][1]) // 2 if k else 0
        after = (stop + bounds[k + 1][0] + 1) // 2 if k + 1 < len(bounds) else n
        windows.append((max(start - margin, before), min(stop + margin, after)))
    return windows


def _offset(
    measurement: Measurement, voltage: np.ndarray, current: np.ndarray, windows: Sequence[tuple[int, int]]
) -> float:
    """Return the median current [A] at rest, away from the pulses."""
    at_rest = np.abs(voltage) <= REST * np.max(np.abs(voltage))
    for first, last in windows:
        at_rest[first:last] = False
    if np.count_nonzero(at_rest) < _MIN_REST:
        raise BadInput(
            f"{_of(measurement)}: no rest at 0 V (got {np.count_nonzero(at_rest)} rows away from the pulses, "
            f"{_MIN_REST} are needed): the offset of the current cannot be known; measure with rest between pulses"
        )
    return float(np.median(current[at_rest]))


def _is_inverted(time: np.ndarray, voltage: np.ndarray, current: np.ndarray, bounds: Sequence[tuple[int, int]]) -> bool:
    """Tell whether the charge that moves while |V| rises is against V."""
    along = 0.0
    for start, stop in bounds:
        top = start + int(np.argmax(np.abs(voltage[start:stop])))
        rise = slice(max(start - 1, 0), top + 1)
        along += _sign(voltage, (start, stop)) * float(np.trapezoid(current[rise], time[rise]))
    return along < 0


def _switched(measurement: Measurement, pulses: Sequence[Pulse], first: str, second: str) -> float:
    """Return the mean difference of charge [C/m²] of the pairs with these names; both pulses must be alike."""
    pairs = [pair for pair in itertools.pairwise(pulses) if (pair[0].name, pair[1].name) == (first, second)]
    for one, two in pairs:
        lengths = one.stop_s - one.start_s, two.stop_s - two.start_s
        for what, a, b, unit in (
            ("amplitude", one.amplitude_V, two.amplitude_V, "V"),
            ("length", *lengths, "s"),
        ):
            if abs(a - b) > _ALIKE * max(abs(a), abs(b)):
                raise BadInput(
                    f"{_of(measurement)}: {first} and {second} differ in {what} (got {a:.4g} {unit} and {b:.4g} {unit} "
                    f"at {one.start_s:g} s): only equal pulses may be subtracted"
                )
    return float(np.mean([one.charge - two.charge for one, two in pairs]))
