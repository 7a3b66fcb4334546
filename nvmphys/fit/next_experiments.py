"""Which experiment to make next: candidates ranked by the gain in the Fisher determinant of what a fit has left open.

A candidate is simulated at the fitted values and looked at as a measurement would be; its slopes J over the noise that
the fit has found add JᵀJ to the Fisher information. The gain is that of ln det, in the coordinates of the fit, with a
prior as wide as the bounds (:func:`nvmphys.fit.identify.fisher_gain`): where nothing is known of a parameter, what is
learned of it counts most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nvmphys.devices.model import DeviceModel
from nvmphys.errors import NvmphysError
from nvmphys.fit.conditions import runs
from nvmphys.fit.identify import Identified, Tell, fisher_gain, information, slope_at
from nvmphys.fit.observed import Observed
from nvmphys.records import Measurement
from nvmphys.simulate import EXPERIMENTS, simulate

Array = NDArray[np.float64]
Look = Callable[[Sequence[Measurement]], list[Observed]]

DECADES: Mapping[str, tuple[float, ...]] = {
    "ramp_rate_V_per_s": (0.01, 0.1, 10.0, 100.0),
    "width_s": (0.01, 0.1, 10.0, 100.0),
    "frequency_Hz": (0.1, 10.0),
}
"""Factors by which settings of time are changed."""
VOLTAGES: Mapping[str, tuple[float, ...]] = {
    "amplitude_V": (0.9, 1.1),
    "positive_V": (0.9, 1.1),
    "negative_V": (0.9, 1.1),
}
"""Factors by which voltages are changed, as far as the model is valid."""
_MOST_CONDITIONS = 40
"""Conditions of a measured grid up to which a candidate takes them over."""


@dataclass(frozen=True)
class Candidate:
    """An experiment that could be made next.

    Attributes
    ----------
    experiment : str
        One of the model's.
    change : str
        In words, what is changed against what was measured, or against the model's own settings.
    settings : mapping
        Of the experiment, in place of the model's own.
    """

    experiment: str
    change: str
    settings: Mapping[str, Any]


def candidates_of(model: DeviceModel, designs: Mapping[str, Mapping[str, Any]]) -> list[Candidate]:
    """Return the experiments of a model: as measured or as it declares them, and with one setting changed at a time.

    `designs` are the settings of what was measured (`designs_of`). Ramp rates, widths and frequencies are changed by
    decades, voltages by a tenth within the model's validity, and the temperature to the ends of its validity.
    """
    found = []
    for name, declared in model.experiments.items():
        if name not in EXPERIMENTS:
            continue
        own = dict(designs.get(name, {}))
        base = {key: value for key, value in {**declared, **own}.items() if key != "start"}
        if name not in designs:
            found.append(Candidate(name, "the model's own settings", own))
        found += [Candidate(name, words, own | changed) for words, changed in _changes(model, name, base)]
    return found


def rank_experiments(
    model: DeviceModel, known: Identified, values: Mapping[str, float], observed: Sequence[Observed], look: Look,
    designs: Mapping[str, Mapping[str, Any]],
    candidates: Sequence[Candidate | tuple[str, Mapping[str, Any]]] | None = None, tell: Tell | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Rank what could be measured next.

    Parameters
    ----------
    model : DeviceModel
    known : Identified
        What is known of the parameters that were fitted.
    values : mapping
        Of all parameters.
    observed : sequence of Observed
        What was measured, with its noise; to repeat each is a candidate too.
    look : callable
        From measurements to what they say in the quantity that is fitted.
    designs : mapping
        Settings of what was measured, by experiment (`designs_of`).
    candidates : sequence of Candidate or (experiment, settings), optional
        By default those of `candidates_of`.
    tell : callable, optional

    Returns
    -------
    DataFrame
        A row each, the most telling first: experiment, change, ln_det_gain; sharpest, the parameter whose standard
        error falls most, and falls_by, the factor; rows and noise that were reckoned with; settings; falls_<parameter>
        of every parameter; and reason, where a candidate could not be reckoned.
    """
    noises = [(o.experiment, o.noise) for o in observed]
    several = Counter(o.experiment for o in observed)
    rows = [
        _row(model, known, o.experiment, _again(k, several[o.experiment]), {}, o.slopes(values, known.names), o.noise)
        for k, o in enumerate(observed)
        if o.slopes is not None
    ]
    asked = candidates_of(model, designs) if candidates is None else candidates
    cannot: set[str] = set()
    for k, given in enumerate(asked):
        one = given if isinstance(given, Candidate) else Candidate(given[0], _in_words(given[1]), given[1])
        if tell is not None:
            tell("experiments that could be next", k, len(asked))
        if one.experiment in cannot:
            continue
        try:
            looked = look([simulate(model, one.experiment, settings=one.settings, values=_held(model, values))])
            slopes = np.concatenate([_slopes(o, values, known.names) for o in looked])
        except NvmphysError as error:
            rows.append({"experiment": one.experiment, "change": one.change, "reason": str(error)})
            cannot |= {one.experiment} if candidates is None and one.change == "the model's own settings" else set()
            continue
        noise = max((n for name, n in noises if name == one.experiment), default=max(n for _, n in noises))
        rows.append(_row(model, known, one.experiment, one.change, one.settings, slopes, noise))
    table = pd.DataFrame(rows)
    for name in ("ln_det_gain", "reason"):
        if name not in table:
            table[name] = np.nan if name == "ln_det_gain" else ""
    table["reason"] = table["reason"].fillna("")
    first = [c for c in ("experiment", "change", "ln_det_gain", "sharpest", "falls_by") if c in table]
    ordered = table.sort_values("ln_det_gain", ascending=False, kind="stable", na_position="last")
    return ordered[[*first, *(c for c in table if c not in first)]].reset_index(drop=True)


def _again(place: int, of: int) -> str:
    return "the same again" if of == 1 else f"the same again (measurement {place + 1})"


def _held(model: DeviceModel, values: Mapping[str, float]) -> dict[str, float]:
    own = {p.name for p in model.parameters}
    return {name: value for name, value in values.items() if name in own}


def _slopes(o: Observed, values: Mapping[str, float], names: Sequence[str]) -> Array:
    """Return d(prediction)/d(value) (row, parameter), by central differences where a model has no slopes."""
    if o.slopes is not None:
        return o.slopes(values, names)
    out = []
    for name in names:
        step = 1e-4 * max(abs(values[name]), 1e-300)
        ends = [o.predict({**values, name: values[name] + side * step}) for side in (1, -1)]
        out.append((ends[0] - ends[1]) / (2 * step))
    return np.stack(out, axis=1)


def _row(
    model: DeviceModel, known: Identified, experiment: str, change: str, settings: Mapping[str, Any], slopes: Array,
    noise: float,
) -> dict[str, Any]:  # fmt: skip
    """Return what a candidate of these slopes adds."""
    parameters = [model.parameter(name) for name in known.names]
    scaled = slopes * [slope_at(p, known.values[p.name]) for p in parameters] / noise
    before = information(known)
    errors = [np.sqrt(np.diagonal(np.linalg.inv(each))) for each in (before, before + scaled.T @ scaled)]
    falls = dict(zip(known.names, errors[0] / errors[1], strict=True))
    sharpest = max(falls, key=lambda name: falls[name])
    return {
        "experiment": experiment, "change": change,
        "ln_det_gain": fisher_gain(known, parameters, slopes, noise), "sharpest": sharpest,
        "falls_by": float(falls[sharpest]), "rows": len(slopes), "noise": noise, "settings": dict(settings),
        **{f"falls_{name}": float(factor) for name, factor in falls.items()},
    }  # fmt: skip


def designs_of(measurements: Sequence[Measurement]) -> dict[str, dict[str, Any]]:
    """Return the settings of each measured experiment by its name, as far as its table tells them; the first counts."""
    found: dict[str, dict[str, Any]] = {}
    for m in measurements:
        if m.experiment in EXPERIMENTS and m.experiment not in found and not m.is_summary:
            found[m.experiment] = _settings_of(m.experiment, m.table)
    return found


def _settings_of(experiment: str, table: pd.DataFrame) -> dict[str, Any]:
    fields, out = EXPERIMENTS[experiment].model_fields, dict[str, Any]()
    if "temperature_K" in fields and "temperature_K" in table:
        kelvin = float(table["temperature_K"].iloc[0])
        out["temperature_K"] = (kelvin,) if "tuple" in str(fields["temperature_K"].annotation) else kelvin
    if "ramp_rate_V_per_s" in fields and {"time_s", "voltage_V", "current_A"} <= set(table):
        volts, time = (table[name].to_numpy(dtype=float) for name in ("voltage_V", "time_s"))
        moved = np.diff(time) > 0
        high = table["current_A"].abs()[volts > 0]
        out |= {
            "ramp_rate_V_per_s": float(np.median(np.abs(np.diff(volts)[moved] / np.diff(time)[moved]))),
            "positive_V": max(float(volts.max()), 0.0), "negative_V": min(float(volts.min()), 0.0),
            "points": max(4, int(len(table) / max(runs(experiment, table).max() + 1, 1))),
            "compliance_A": float(high.max()) if len(high) and high.max() > 0 else None,  # no more than was measured
        }  # fmt: skip
    if "amplitude_V" in fields and {"pulse_voltage_V", "pulse_width_s"} <= set(table):
        pulsed = table[table["pulse_voltage_V"] != 0]
        amplitudes, widths = (tuple(sorted(pulsed[c].unique())) for c in ("pulse_voltage_V", "pulse_width_s"))
        many = "tuple" in str(fields["amplitude_V"].annotation)
        if many and 0 < len(amplitudes) * len(widths) <= _MOST_CONDITIONS:
            out |= {"amplitude_V": amplitudes, "width_s": widths}
        elif not many and len(pulsed):
            out |= {"amplitude_V": float(pulsed["pulse_voltage_V"].iloc[0]), "width_s": float(widths[0])}
    return out


def _changes(model: DeviceModel, name: str, base: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield, in words and as settings, an experiment with one setting changed."""
    fields = EXPERIMENTS[name].model_fields
    for factors, is_voltage in ((DECADES, False), (VOLTAGES, True)):
        for setting, by in factors.items():
            own = base.get(setting)
            if own is None or setting not in fields or not np.any(own):
                continue
            for factor in by:
                changed = tuple(factor * v for v in own) if isinstance(own, tuple | list) else factor * own
                if is_voltage and not _valid(model, changed):
                    continue
                yield f"{setting} × {factor:g}", {setting: changed}
    if "temperature_K" in fields and "temperature_K" in model.validity:
        own = base.get("temperature_K", fields["temperature_K"].default)
        for kelvin in model.validity["temperature_K"]:
            if kelvin not in np.atleast_1d(own):
                as_own = (kelvin,) if isinstance(own, tuple | list) else kelvin
                yield f"temperature_K = {kelvin:g}", {"temperature_K": as_own}


def _valid(model: DeviceModel, volts: Any) -> bool:
    low, high = model.validity.get("voltage_V", (-np.inf, np.inf))
    return bool(np.min(volts) >= low and np.max(volts) <= high)


def _in_words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value:g}" if isinstance(value, float | int) else f"{name} = {value}"
                     for name, value in settings.items()) or "the model's own settings"  # fmt: skip
