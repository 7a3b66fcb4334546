"""Claim: fits of closed-form laws of a pulse's step recover what made the data.

1,000 data sets a law, of parameters drawn around those of the design: 40 ramps of 60 pulses from the law's free run,
with normal noise of a quarter of a step, fitted alone. Of every parameter the pulls, (found - true)/σ in the fit's
coordinate, are tested for mean 0 (t), variance 1 (χ²) and their 90 % intervals for coverage (binomial), each at 5 %
after Holm over all parameters of all laws.

Figures that are shown and not judged: the state model of ramps, whose times have priors that draw pulls together and
whose loss is made for innovations of heavier tails than the normal ones here; and single SET pulses of 26 cells at each
of 5 widths, 4 bit-line and 4 gate voltages from the law of 1T1R cells (a twentieth as many sets), whose drive current
hangs on the three parameters that such a grid does not tell.

With a number as argument, that many sets a law.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from _claims import conclude
from _recovery import judged, least, many, scored

from nvmphys.fit.identify import coordinate, value_at
from nvmphys.fit.pulse_ramps import QUIET, fit_ramps, parameters_of
from nvmphys.fit.switching import Grid, identify_grid
from nvmphys.population.pulse_steps import LAWS, Ramps, draw_ramps
from nvmphys.population.single_pulse import PARAMETERS, Pulses, SinglePulseLaw

SEED = 20261129
RAMPS, PULSES, CELLS = 40, 60, 26
LOW_S, HIGH_S, STEP_S = 1e-5, 1e-4, 2e-6
SPREAD = 0.05
"""How far the truth lies from the design, of its value: a bound of 1.3 must stay clear of the fit's own, 1.02."""
NOISE_S = 0.25 * STEP_S
SHAPES: Mapping[str, Mapping[str, float]] = {
    "soft_bounds": {"slope": -0.6},
    "exponential": {"exp_weight": 0.15, "exp_rate": 1.5},
    "power": {"power_bound": 1.3, "power_exponent": 0.8},
    "neurosim": {"pulse_rate": 0.02},
}
STATE = {"onset": 0.3, "onset_pulses": 5.0, "trend": 0.05, "trend_slope": 0.1, "gain": 0.5, "memory_pulses": 10.0,
         "wander": 0.05, "echo": 0.05}  # fmt: skip
WIDTHS, BIT_LINE, GATE = np.geomspace(2e-8, 4e-7, 5), (0.5, 1.2, 1.6, 2.0), (1.0, 1.4, 1.8, 2.2)


@dataclass(frozen=True)
class Ladder:
    """Ramps of a law, alone or with the state model."""

    law: str
    values: Mapping[str, float]
    held: Mapping[str, float]

    def one(self, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
        """Yield what one data set gives of each parameter."""
        number = np.arange(1.0, RAMPS + 1)
        reads = np.full((PULSES + 1, RAMPS), np.nan)
        reads[0] = LOW_S * (1 + 0.2 * rng.random(RAMPS))
        empty = Ramps(reads, number, LOW_S, HIGH_S, float(np.exp(np.log(number).mean())))
        truth = {
            n: x * float(np.exp(SPREAD * rng.standard_normal())) for n, x in {"step_S": STEP_S, **self.values}.items()
        }
        made = draw_ramps(LAWS[self.law], {**self.held, **truth}, empty, NOISE_S, rng)
        ramps = Ramps(made, number, LOW_S, HIGH_S, empty.middle)
        found, _ = fit_ramps(ramps, self.law, rng, self.held)
        parameters = {p.name: p for p in parameters_of(ramps, self.law)}
        yield from scored(parameters, truth, found)


def single_pulses(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield what one grid of single pulses gives of each parameter."""
    axes = np.array([(w, v, g) for w in WIDTHS for v in BIT_LINE for g in GATE])
    own = {p.name: p.value for p in PARAMETERS}
    truth = {p.name: value_at(p, coordinate(p, p.value) + 0.02 * float(rng.standard_normal())) for p in PARAMETERS}
    before = np.log10(8e4) + 0.15 * rng.standard_normal((len(axes), CELLS))
    pulses = Pulses(*np.repeat(axes, CELLS, axis=0).T)
    after = SinglePulseLaw(truth).draw(pulses, before.ravel(), rng).reshape(before.shape)
    found = identify_grid(Grid(axes, before, after), rng, starts=1, near=own)
    yield from scored({p.name: p for p in PARAMETERS}, truth, found)


DESIGNS: Mapping[str, Ladder] = {f"{law}, alone": Ladder(law, shape, QUIET) for law, shape in SHAPES.items()}
REPORTED = Ladder("soft_bounds", {**SHAPES["soft_bounds"], **STATE}, {})


def main(count: int) -> int:
    """Make the sets, print the tables and the claim."""
    rows = [
        many(name, count, partial(design.one, np.random.default_rng([SEED, k])))
        for k, (name, design) in enumerate(DESIGNS.items())
    ]
    table, few = judged(pd.concat(rows)), max(count // 20, 2)
    shown = [
        many("soft_bounds, state model", few, partial(REPORTED.one, np.random.default_rng([SEED, 98]))),
        many("single pulses", few, partial(single_pulses, np.random.default_rng([SEED, 99]))),
    ]
    for each in (table, judged(pd.concat(shown))):
        print(each.to_string(float_format=lambda x: f"{x:.3g}"), flush=True)
    figure = least(table)
    return conclude(
        f"recovery of closed-form laws of the step, {count} sets a law: least Holm-corrected p of mean, variance and "
        f"coverage over {len(table)} parameters",
        figure,
        {"p": ">= 0.05"},
        min(figure.values()) >= 0.05,
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
