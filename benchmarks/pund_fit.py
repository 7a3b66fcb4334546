"""Claim: the measured PUND gives 2P_r within 1 % of 48.9 (P − U) and 49.0 (N − D) µC/cm²; fits that say their limits.

The Preisach and the nucleation-limited model are fitted to the current of the samples after the preset pulse, with 90 %
intervals. With the kinetics free the fit must call some of tau0, alpha, beta and gb_b unknown, and the words of a fit
must say that one frequency does not fix the kinetics. With a file name as argument, draws data, fits and residuals.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from _claims import conclude

import nvmphys as nv
from nvmphys.devices import device
from nvmphys.fit.ferroelectric import defaults, observed, said_of, said_of_residuals
from nvmphys.fit.identify import Identified, identify
from nvmphys.fit.observed import Observed, problem_of
from nvmphys.measurement.pund import switched_polarization
from nvmphys.records import Measurement

KNOWN = {"area": 2.5e-9, "tfe": 9e-9}
KINETICS = {"tau0", "alpha", "beta", "gb_b"}


def fitted(
    measurement: Measurement, name: str, free: Sequence[str] | None, held: Mapping[str, float], profiles: bool
) -> tuple[Observed, Identified, np.ndarray]:
    """Return what was fitted, the fit, and the fitted current."""
    model = device(name)
    seen = observed(measurement, model, KNOWN)
    names, own_held = defaults(model, seen)
    names = tuple(n for n in free or names if n not in held)
    own = model.values({**KNOWN, **own_held, **held})
    parameters = tuple(replace(model.parameter(n), value=own[n]) for n in names)
    rest = {n: x for n, x in own.items() if n not in names}
    problem = problem_of(seen, parameters, rest)
    found = identify(problem, rng=np.random.default_rng(1), starts=4, profiles=profiles)
    title = f"{name}, fitted: {', '.join(names)}" + (f"; held: {dict(held)}" if held else "")
    print(f"{title}\n  noise {found.noise * 1e6:.2f} µA, bounds hit {found.convergence.bound_hits}, "
          f"unknown {found.unknown}")  # fmt: skip
    for n in names:
        low, high = found.intervals[n]
        print(f"  {n:7} {found.values[n]:.4g} ({low:.4g} … {high:.4g}) {model.parameter(n).unit}")
    for words in (*said_of(model, seen), *said_of_residuals(found.residuals), *found.said_of_combinations()):
        print(f"  {words}")
    return seen[0], found, seen[0].predict({**rest, **found.values})


def draw(shown: Mapping[str, tuple[Observed, np.ndarray]], path: str) -> None:
    """Draw data and fit, and residuals beneath."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5 * len(shown), 6), layout="constrained")
    axes = figure.subplots(2, len(shown), sharex=True, sharey="row", squeeze=False, height_ratios=(2, 1))
    for (top, bottom), (name, (seen, current)) in zip(axes.T, shown.items(), strict=True):
        time = seen.table["time_s"] * 1e6
        top.plot(time, seen.measured * 1e6, ".", markersize=3, label="measured")
        top.plot(time, current * 1e6, linewidth=1, label=name)
        bottom.plot(time, (seen.measured - current) * 1e6, ".", markersize=3)
        top.legend(frameon=False)
        bottom.set_xlabel("time [µs]")
    axes[0, 0].set_ylabel("current [µA]")
    axes[1, 0].set_ylabel("measured - fitted [µA]")
    figure.savefig(path, dpi=120)


def main() -> int:
    """Integrate, fit, and print the claim."""
    if "NVMPHYS_DATA" not in os.environ:
        sys.exit("set NVMPHYS_DATA to the folder that holds hzo_capacitor_pund/PUND_B1500.csv")
    (pund,) = nv.read(Path(os.environ["NVMPHYS_DATA"]) / "hzo_capacitor_pund" / "PUND_B1500.csv")
    moved = switched_polarization(pund, KNOWN["area"])
    print(moved.sentence)
    fitted(pund, "fe_preisach", device("fe_preisach").fitted["pund"], {}, False)
    plays = fitted(pund, "fe_preisach", None, {}, True)
    domains = fitted(pund, "fe_domains", None, {}, True)
    every = fitted(pund, "fe_domains", device("fe_domains").fitted["pund"], {}, False)
    words = said_of(device("fe_domains"), [domains[0]])
    if len(sys.argv) > 1:
        draw({"fe_preisach": (plays[0], plays[2]), "fe_domains": (domains[0], domains[2])}, sys.argv[1])
    peak = float(np.abs(domains[0].measured).max())
    figure = {
        "P-U_uC_per_cm2": round(100 * moved.pu, 2),
        "N-D_uC_per_cm2": round(100 * moved.nd, 2),
        "two_Pr_fitted_uC_per_cm2": {
            "fe_preisach, 2Ps": round(200 * plays[1].values["Ps"], 1),
            "fe_domains": round(200 * domains[1].values["Pr"], 1),
        },
        "rms_over_peak": {
            "fe_preisach": round(plays[1].noise / peak, 4),
            "fe_domains": round(domains[1].noise / peak, 4),
        },
        "kinetics_unknown": sorted(KINETICS & {*every[1].unknown, *every[1].convergence.bound_hits}),
        "said": bool(words) and "one frequency does not fix the kinetics" in words[0],
    }
    met = (
        abs(moved.pu / 0.489 - 1) <= 0.01
        and abs(moved.nd / 0.490 - 1) <= 0.01
        and all(f[1].convergence.converged and not f[1].convergence.bound_hits for f in (plays, domains))
        and bool(figure["kinetics_unknown"])
        and bool(figure["said"])
    )
    return conclude(
        "measured PUND (10 kHz, 3 V): 2P_r by integration, two models fitted, and what one frequency cannot tell",
        figure,
        {"P-U": "48.9 ± 1 %", "N-D": "49.0 ± 1 %", "kinetics_unknown": "not empty", "said": True},
        met,
    )


if __name__ == "__main__":
    sys.exit(main())
