"""Claim: fits of integrated device models recover what made the data, and say so where the data cannot tell.

For each design 100 data sets come from the whole path: parameters drawn around the model's own, the experiments
simulated, tidy tables with currents or conductances that scatter by 3 % (log-normal), and a fit from the model's own
values that has to find the size of that noise too. Of every parameter the pulls are tested for mean 0 (t), variance 1
(χ²) and their 90 % intervals for coverage (binomial), each at 5 % after Holm over all parameters of all designs.

Pulls are (found - true)/σ in the fit's coordinate. Where a switch is abrupt beside the spacing of the points, a row on
its flank bends the valley of the likelihood within less than σ, and σ says little: such designs are judged by the
profile of the likelihood, as the fit's intervals are by default. The pull is then the signed root of what χ² rises by
with the parameter held at the truth, and the interval covers the truth where that is below 2.71.

Designs that cannot tell must be flagged in every set: a parameter that they leave open is called unknown or ends on a
bound. With a number as argument, that many sets a design.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from _claims import conclude
from _recovery import flagged, judged, least, many, scored

import nvmphys as nv
from nvmphys.devices import device
from nvmphys.fit.dynamics import DynamicsFit, fit_dynamics
from nvmphys.fit.identify import identify
from nvmphys.fit.observed import problem_of
from nvmphys.records import Measurement

SEED = 20261127
NOISE = 0.03
LEVEL = 2.7055
"""What χ² of a parameter rises by at the ends of its 90 % interval."""
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Design:
    """Experiments on a model, how far the truth of what is fitted lies from the model's own, and what is held."""

    model: str
    experiments: tuple[tuple[str, Settings], ...]
    spread: Mapping[str, float]
    held: Mapping[str, float] = field(default_factory=dict)
    abrupt: bool = False
    read_V: float = 0.1
    rest_s: float = 0.0
    starts: int = 1
    devices: int = 1

    def made(self, truth: Mapping[str, float], rng: np.random.Generator) -> list[Measurement]:
        """Return the experiments with noise."""
        out = []
        for name, settings in self.experiments:
            values = {**self.held, **truth}
            one = nv.simulate(self.model, name, settings=settings, values=values, n_devices=self.devices)
            read = "current_A" if name == "sweep" else "conductance_S"
            noisy = one.table[read] * np.exp(NOISE * rng.standard_normal(len(one.table)))
            out.append(replace(one, table=one.table.assign(**{read: noisy})))
        return out

    def fitted(self, rng: np.random.Generator) -> tuple[dict[str, float], DynamicsFit]:
        """Return what made one data set, and its fit."""
        model = device(self.model)
        own = model.values(self.held)
        truth = {n: own[n] * float(np.exp(s * rng.standard_normal())) for n, s in self.spread.items()}
        fit = fit_dynamics(
            self.made(truth, rng), model, free=tuple(self.spread), values=self.held, holdout=0, rng=rng,
            starts=self.starts, profiles=False, read_V=self.read_V, rest_s=self.rest_s,
        )  # fmt: skip
        return truth, fit


def sweeps(*rates: float, **settings: Any) -> tuple[tuple[str, Settings], ...]:
    """Return loops at ramp rates [V/s]."""
    return tuple(("sweep", {"ramp_rate_V_per_s": rate, **settings}) for rate in rates)


def at_temperatures(experiment: str, *kelvins: float, **settings: Any) -> tuple[tuple[str, Settings], ...]:
    """Return an experiment at some temperatures."""
    return tuple((experiment, {"temperature_K": kelvin, **settings}) for kelvin in kelvins)


GAP_LOOP = {"positive_V": 1.6, "negative_V": -2.0, "compliance_A": None, "points": 80}
GAP_TRAIN = {"n_pulses": 20, "width_s": 2e-8, "amplitude_V": 1.5}
MEAN_PATH = {"sd_a": 0.0, "sd_b": 0.0, "sd_c": 0.0}
DRIFT = {"points": 40, "duration_s": 1e5}
THERMAL = {"edge_s": 0.0, "amplitude_V": (1.5, 1.9, 2.0, 2.2, 2.5), "width_s": (2e-8, 3e-8, 1e-7)}
DESIGNS: Mapping[str, Design] = {
    "gap, loops at three ramp rates": Design(
        "rram_gap",
        sweeps(1e2, 1e4, 1e6, **GAP_LOOP),
        {"g0": 0.05, "V0": 0.05, "Ea": 0.03, "gamma0": 0.05},
        abrupt=True,
        starts=4,
    ),
    "gap, trains at two temperatures": Design(
        "rram_gap",
        at_temperatures("pulse_train", 260.0, 400.0, **GAP_TRAIN),
        {"g0": 0.05, "Ea": 0.03, "gamma0": 0.05},
        starts=4,
    ),
    "threshold, loops at three ramp rates": Design(
        "rram_threshold",
        sweeps(20.0, 200.0, 2000.0, points=60),
        {"Vp": 0.1, "Vn": 0.1, "Ap": 0.3, "An": 0.3, "a1": 0.1, "a2": 0.1},
    ),
    "threshold, pulses": Design("rram_threshold", (("pulse", {}),), {"Vp": 0.1, "Ap": 0.3, "xo": 0.1}),
    "JART, trains at two temperatures": Design(
        "rram_jart",
        at_temperatures("pulse_train", 300.0, 350.0, n_pulses=30, amplitude_V=-0.7, width_s=5e-5),
        {"Nmin": 0.1, "Nmax": 0.1, "dWA": 0.01},
        abrupt=True,
        read_V=0.2,
        starts=4,
    ),
    "accumulative, a train and drift at two temperatures": Design(
        "pcm_accumulative",
        (("pulse_train", {"n_pulses": 40}), *at_temperatures("retention", (300.0,), (350.0,), **DRIFT)),
        {"mean_a": 0.2, "mean_c": 0.2, "fade": 0.2, "nu": 0.2, "Ec": 0.1},
        MEAN_PATH,
        read_V=0.2,
        rest_s=38.6,
    ),
    "thermal, pulses": Design(
        "pcm_thermal",
        (("pulse", THERMAL),),
        {"Rth": 0.05, "Cth": 0.2, "vg": 0.2, "Apf": 0.2},
        rest_s=1e-6,
        devices=4,
    ),
}
BLIND: Mapping[str, tuple[Design, tuple[str, ...]]] = {
    "gap, one loop": (
        Design("rram_gap", sweeps(1e3, **GAP_LOOP), {"vgap": 0.5, "Ea": 0.03}), ("vgap", "Ea")
    ),
    "threshold, a loop that never turns": (
        Design("rram_threshold", sweeps(200.0, negative_V=0.0, points=60), {"Ap": 0.3, "An": 0.3}), ("An",)
    ),
    "JART, pulses of one amplitude": (
        Design("rram_jart", (("pulse", {"amplitude_V": -0.8}),), {"nu0": 0.5, "dWA": 0.01}, read_V=0.2), ("nu0", "dWA")
    ),
    "accumulative, drift at one temperature": (
        Design("pcm_accumulative", at_temperatures("retention", (300.0,), **DRIFT), {"nu": 0.2, "Es": 0.1, "rate": 1.0},
               read_V=0.2),
        ("Es", "rate"),
    ),
    "thermal, one pulse": (
        Design("pcm_thermal", (("pulse", {"edge_s": 0.0, "amplitude_V": 2.0, "width_s": 3e-8}),),
               {"Rth": 0.05, "Cth": 0.2}, rest_s=1e-6, devices=20),
        ("Rth", "Cth"),
    ),
}  # fmt: skip
"""Designs that leave parameters open, and which."""


def by_profile(truth: Mapping[str, float], fit: DynamicsFit, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield as `scored` does, by the profile of the likelihood."""
    found = fit.identified
    free = [replace(fit.model.parameter(name), value=found.values[name]) for name in truth]
    held = {name: value for name, value in fit.values.items() if name not in truth}
    fits: dict[str, list[float]] = {"": []}
    for name in ("", *truth):
        for begin in (found.values, truth):
            some = tuple(replace(p, value=begin[p.name]) for p in free if p.name != name)
            problem = problem_of(fit.observed, some, {**held, **truth})
            residuals = identify(problem, rng=rng, starts=1, profiles=False).residuals
            fits.setdefault(name, []).append(float(residuals @ residuals))
    parameters = {p.name: p for p in fit.parameters}
    lowest = min(min(each) for each in fits.values())
    for row in scored(parameters, truth, found):
        rise = min(fits[row["parameter"]]) - lowest
        yield row | {"pull": np.sign(row["pull"]) * np.sqrt(rise), "covered": rise < LEVEL}


def one(design: Design, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield what one data set gives of each parameter."""
    truth, fit = design.fitted(rng)
    yield from (
        by_profile(truth, fit, rng)
        if design.abrupt
        else scored({p.name: p for p in fit.parameters}, truth, fit.identified)
    )


def main(count: int) -> int:
    """Make the sets, print the table and the claim."""
    rows = []
    for k, (name, design) in enumerate(DESIGNS.items()):
        rows.append(many(name, count, partial(one, design, np.random.default_rng([SEED, k]))))
    table = judged(pd.concat(rows))
    print(table.to_string(float_format=lambda x: f"{x:.3g}"), flush=True)
    told = {}
    for k, (name, (design, unknown)) in enumerate(BLIND.items()):
        told[name] = flagged(name, count, partial(design.fitted, np.random.default_rng([SEED, 100 + k])), unknown)
    figure = least(table)
    return conclude(
        f"recovery of integrated models, {count} sets a design: least Holm-corrected p of mean, variance and coverage "
        f"over {len(table)} parameters; sets flagged of designs that cannot tell",
        {**figure, "flagged": told},
        {"p": ">= 0.05", "flagged": count},
        min(figure.values()) >= 0.05 and all(n == count for n in told.values()),
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
