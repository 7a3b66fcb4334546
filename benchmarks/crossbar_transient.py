"""Claim: transients of crossbars agree with ngspice within 1e-3 of full scale once its steps are short enough.

Cells uniform in 1-100 µS, inputs uniform in 0.05-0.3 V (sinh cells, α = 3 1/V: four times that), 2 ohm segments, 50 ohm
drivers, 20 ohm sense resistances, 1 fF to ground at each end of each cell and 0.1 fF across it; a pulse of 60 ps with
edges of 20 ps, followed for 120 ps. ngspice takes a two-hundredth of that as its longest step, then a quarter of it;
where its outputs still move by 5e-4 of full scale and differ by as much, a quarter of that; one run at 64×64.
Differences are the largest at any
time point of ngspice and at any output, over the largest output of the steady state. One array is also held against
matrix exponentials, exact but for rounding, and another, with edges of 1 ps, shows how ngspice without error control
comes nearer as its longest step goes from 5 to 0.25 ps.

Times are one thread's, ngspice's at the steps it needed and its start included: medians of three runs where they are
short. Needs ngspice. 1 min.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np
from _claims import conclude
from scipy.linalg import expm
from threadpoolctl import threadpool_limits

from nvmphys.crossbar import (
    Capacitance,
    Crossbar,
    Linear,
    Sinh,
    Stimulus,
    TransientValidation,
    crossbar_transient,
    find_ngspice,
    run,
    transient_deck,
    validate_transient,
)
from nvmphys.crossbar.netlist import output_names

PS, FF = 1e-12, 1e-15
AGREEMENT, EXACT = 1e-3, 1e-5
CASES = (
    ("1×64", (1, 64), Linear()), ("64×1", (64, 1), Linear()), ("16×16", (16, 16), Linear()),
    ("32×32", (32, 32), Linear()), ("16×16 sinh", (16, 16), Sinh(3.0)), ("32×32 sinh", (32, 32), Sinh(3.0)),
)  # fmt: skip
LARGE = ("64×64", (64, 64), Linear())
LONG_STEPS_PS = (5.0, 1.0, 0.25)
REPEATS = 3


def array(shape: tuple[int, int], cell: Linear | Sinh) -> tuple[Crossbar, Stimulus]:
    rng = np.random.default_rng(0)
    capacitance = Capacitance(FF, FF, 0.1 * FF)
    crossbar = Crossbar(rng.uniform(1e-6, 1e-4, shape), 2.0, 2.0, 50.0, 20.0, cell=cell, capacitance=capacitance)
    v = rng.uniform(0.05, 0.3, shape[0]) * (1 if cell.linear else 4)
    return crossbar, Stimulus.pulse(v, 60 * PS, 20 * PS)


def timed(crossbar: Crossbar, stimulus: Stimulus, until_s: float) -> float:
    """Return the median wall time of the transient [s]."""
    seconds = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        crossbar_transient(crossbar, stimulus, until_s)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def ngspice_seconds(found: TransientValidation, crossbar: Crossbar, stimulus: Stimulus, until_s: float) -> float:
    """Return the median wall time of ngspice at the steps it needed [s]."""
    if found.spice_seconds > 5:
        return found.spice_seconds
    deck = transient_deck(crossbar, stimulus, until_s, found.step_s, klu=found.ngspice.has_klu)
    return statistics.median([found.spice_seconds, *(run(deck, found.ngspice).seconds for _ in range(REPEATS - 1))])


def against_ngspice() -> tuple[dict[str, float], dict[str, float]]:
    """Return differences, and ratios of times, by case."""
    errors, ratios = {}, {}
    until_s = 120 * PS
    for name, shape, cell in (*CASES, LARGE):
        crossbar, stimulus = array(shape, cell)
        step_s = until_s / 200 if shape == LARGE[1] else None
        found = validate_transient(crossbar, stimulus, until_s, step_s=step_s, timeout_s=1800)
        ours, theirs = timed(crossbar, stimulus, until_s), ngspice_seconds(found, crossbar, stimulus, until_s)
        errors[name], ratios[name] = found.error, theirs / ours
        effort = found.transient.effort
        print(
            f"{name}: {found.error:.1e} of full scale at {found.points} times (ngspice's steps show by "
            f"{found.step_change:.1e}); {effort.steps} steps and {effort.factorisations} factorisations in {ours:.3f} "
            f"s, ngspice {theirs:.2f} s: {theirs / ours:.0f} times",
            flush=True,
        )
    return errors, ratios


def against_exponentials() -> float:
    """Return the largest difference from the exact solution of a 6×5 array, over full scale."""
    crossbar, stimulus = array((6, 5), Linear())
    m, n = crossbar.shape
    nodes = 2 * m * n + m + n
    siemens, farads = np.zeros((nodes, nodes)), FF * np.eye(nodes)
    word, bit = np.arange(2 * m * n).reshape(2, m, n)
    source, sense = 2 * m * n + np.arange(m), 2 * m * n + m + np.arange(n)

    def join(matrix: np.ndarray, a: int, b: int, value: float) -> None:
        matrix[[a, b], [a, b]] += value
        matrix[[a, b], [b, a]] -= value

    for i, j in np.ndindex(m, n):
        join(siemens, source[i] if j == 0 else word[i, j - 1], word[i, j], 1 / (52.0 if j == 0 else 2.0))
        join(siemens, bit[i, j], sense[j] if i == m - 1 else bit[i + 1, j], 1 / (22.0 if i == m - 1 else 2.0))
        join(siemens, word[i, j], bit[i, j], crossbar.conductance_S[i, j])
        join(farads, word[i, j], bit[i, j], 0.1 * FF)
    free, terminals = 2 * m * n, m + n
    size = free + 2 * terminals
    whole = np.zeros((size, size))  # free nodes, terminals, their rates
    whole[:free, : free + terminals] = -np.linalg.solve(farads[:free, :free], siemens[:free])
    whole[free : free + terminals, free + terminals :] = np.eye(terminals)
    volts, corners = stimulus.of_terminals((m, n)), [*stimulus.time_s, 120 * PS]
    record = crossbar_transient(crossbar, stimulus, 120 * PS)
    x, worst = np.zeros(free), 0.0
    for k, begin in enumerate(corners[:-1]):
        last = min(k + 1, volts.shape[1] - 1)
        rate = (volts[:, last] - volts[:, k]) / (corners[k + 1] - begin)
        part = expm(whole * (corners[k + 1] - begin) / 40)
        state = np.concatenate([x, volts[:, k], rate])
        for step in range(1, 41):
            state = part @ state
            exact = -(siemens[sense] @ state[:nodes])
            now_s = begin + (corners[k + 1] - begin) * step / 40
            found = record.current_at(min(now_s, record.time_s[-1]))[:, 0]
            worst = max(worst, float(np.abs(found - exact).max() / record.full_scale_A))
        x = state[:free]
    print(f"6×5 beside matrix exponentials: {worst:.1e} of full scale (tolerance of a step 1e-5)", flush=True)
    return worst


def steps_of_ngspice() -> dict[str, float]:
    """Return the difference by ngspice's longest step, of a pulse with edges of 1 ps."""
    ngspice = find_ngspice()
    crossbar, stimulus = array((16, 16), Linear())
    stimulus = Stimulus.pulse(stimulus.driver_V[:, 1], 60 * PS, PS)
    record = crossbar_transient(crossbar, stimulus, 120 * PS)
    found = {}
    for step_ps in LONG_STEPS_PS:
        deck = transient_deck(crossbar, stimulus, 120 * PS, step_ps * PS, klu=ngspice.has_klu)
        deck = deck.replace("trtol=1 ", "trtol=1e6 ")
        plot = run(deck, ngspice).plot
        currents_A = np.stack([plot[name] for name in output_names(crossbar)])
        at_A = record.current_at(np.minimum(plot["time"], 120 * PS))
        found[f"{step_ps:g} ps"] = float(np.abs(currents_A - at_A).max()) / record.full_scale_A
        print(f"16×16, ngspice at steps of {step_ps:g} ps: {found[f'{step_ps:g} ps']:.1e} of full scale", flush=True)
    return found


def main() -> int:
    exact = against_exponentials()
    by_step = steps_of_ngspice()
    errors, ratios = against_ngspice()
    figure = {
        "ngspice_of_full_scale": errors, "exact_of_full_scale": exact, "by_step_of_ngspice": by_step,
        "ngspice_time_over_ours": {name: round(ratio, 1) for name, ratio in ratios.items()},
    }  # fmt: skip
    return conclude(
        "transients of crossbars agree with ngspice on converged steps", figure,
        {"ngspice_of_full_scale": AGREEMENT, "exact_of_full_scale": EXACT},
        max(errors.values()) <= AGREEMENT and exact <= EXACT,
    )  # fmt: skip


if __name__ == "__main__":
    with threadpool_limits(1):
        sys.exit(main())
