"""Claim: a fit of the ferroelectric transistor recovers what made its transfer curves, and says so where they cannot.

Each of 100 data sets comes from the whole path: parameters drawn around the model's own, six devices of 100 domains
that were drawn for them, transfer curves after pulses of both signs on each, currents that scatter by 3 % (log-normal),
and a fit that starts from the model's own values, which has to find the noise of curves and the scatter of devices too.
What made the data flips domain by domain; what is fitted is the mean over infinitely many, weighed by the covariance of
devices that the fit draws for itself, with numbers of its own. Of every parameter the pulls are tested for mean 0 (t),
variance 1 (χ²) and their 90 % intervals for coverage (binomial), each at 5 % after Holm over all parameters.

Two designs that cannot tell must be flagged in every set: one memory window leaves open how large the polarization is
and at which field it turns, and one width leaves open how fast. With a number as argument, that many sets a design.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from _claims import conclude
from _recovery import flagged, judged, least, many, scored

import nvmphys as nv
from nvmphys.devices import device
from nvmphys.fit.dynamics import DynamicsFit, fit_dynamics

SEED = 20261201
NOISE = 0.03
DEVICES = 6
HELD = {"area": 4e-14, "Vfb": 0.2}
"""100 domains a device; the flat-band voltage is drawn around a value that is not 0."""
MODEL = device("fefet")


@dataclass(frozen=True)
class Design:
    """Pulses before the curves, and how far the truth of what is fitted lies from the model's own."""

    amplitude_V: tuple[float, ...]
    width_s: tuple[float, ...]
    spread: Mapping[str, float]

    def fitted(self, rng: np.random.Generator) -> tuple[dict[str, float], DynamicsFit]:
        """Return what made one data set, and its fit."""
        own = MODEL.values(HELD)
        truth = {n: own[n] * float(np.exp(s * rng.standard_normal())) for n, s in self.spread.items()}
        settings = {"amplitude_V": self.amplitude_V, "width_s": self.width_s, "points": 31}
        made = nv.simulate(MODEL, "id_vg", settings=settings, values=HELD | truth, n_devices=DEVICES, rng=rng)
        noisy = made.table["current_A"] * np.exp(NOISE * rng.standard_normal(len(made.table)))
        made = replace(made, table=made.table.assign(current_A=noisy))
        return truth, fit_dynamics(
            [made], MODEL, free=tuple(truth), values=HELD, holdout=0, rng=rng, starts=1, profiles=False
        )


TOLD = Design(
    (3.0, 4.0), (1e-7, 1e-5), {"Pr": 0.1, "Eam": 0.05, "Eas": 0.1, "Vfb": 0.3, "mob": 0.1, "Na": 0.1}
)  # fmt: skip
BLIND: Mapping[str, tuple[Design, tuple[str, ...]]] = {
    "one memory window": (Design((3.5,), (1e-6,), {"Pr": 0.1, "Eam": 0.05, "Vfb": 0.3}), ("Pr", "Eam", "Vfb")),
    "one width": (Design((3.0, 4.0), (1e-6,), {"tau0": 0.3, "alpha": 0.05, "Eam": 0.05}), ("tau0", "alpha", "Eam")),
}
"""Designs that leave parameters open, and which."""


def one(design: Design, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield what one data set gives of each parameter."""
    truth, fit = design.fitted(rng)
    yield from scored({p.name: p for p in fit.parameters}, truth, fit.identified)


def main(count: int) -> int:
    """Make the sets, print the table and the claim."""
    rows = many("transfer curves", count, partial(one, TOLD, np.random.default_rng(SEED)))
    table = judged(rows)
    print(table.to_string(float_format=lambda x: f"{x:.3g}"), flush=True)
    few = max(count // 5, 2)
    told = {}
    for k, (name, (design, unknown)) in enumerate(BLIND.items()):
        told[name] = flagged(name, few, partial(design.fitted, np.random.default_rng([SEED, 100 + k])), unknown)
    figure = least(table)
    within = {
        "covered": round(float(rows["covered"].mean()), 3),
        "converged": round(float(rows["converged"].mean()), 3),
    }
    return conclude(
        f"recovery of the ferroelectric transistor, {count} sets of {DEVICES} devices: least Holm-corrected p of mean, "
        f"variance and coverage over {len(table)} parameters; share of intervals that cover, of fits that converged; "
        "sets flagged of designs that cannot tell",
        {**figure, **within, "flagged": told},
        {"p": ">= 0.05", "flagged": few},
        min(figure.values()) >= 0.05 and all(n == few for n in told.values()),
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
