"""Claim: noise of reads as paths follows its law, its traps are Markovian, and ngspice gives the path back.

For every model with noise: the spectrum of 1/f noise, mean of 200 paths of 131,072 reads, against A²/f^β in nine parts
of three decades; dwell times of single traps, empty and filled, against exponentials of the means that the model's
expressions give, in two states at two biases and two temperatures, by Kolmogorov-Smirnov tests corrected after Holm;
and a path of 500 steps of uneven length around the generated subcircuit: what the circuit's current is to that of the
device inside it. Needs ngspice.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise, product

import numpy as np
from _claims import conclude
from scipy.signal import welch
from scipy.stats import expon, kstest

import nvmphys as nv
from nvmphys.codegen.noisy import noisy_subcircuit
from nvmphys.crossbar.ngspice import run
from nvmphys.devices import devices
from nvmphys.devices.model import DeviceModel
from nvmphys.simulate.devices import alike
from nvmphys.simulate.noise import NoisePaths, noise_paths

MODELS = [model for model in map(nv.device, devices()) if model.noise is not None]
OTHER_STATE: Mapping[str, Mapping[str, float]] = {
    "rram_gap": {"g": 0.5}, "rram_threshold": {"w": 0.8}, "pcm_accumulative": {"g": 2.0}, "pcm_thermal": {"ua": 0.1},
    "fefet": {"y": 0.0, "s": -1.0}, "rram_jart": {"logn": 1.0},
}  # fmt: skip
RATE_HZ, READS, SEGMENT, PATHS, BATCH = 1e3, 2**17, 2**15, 200, 25
BAND_HZ, PARTS = (0.2, 200.0), 9
ONE_TRAP = {"rtn_traps": 1.0, "rtn_low": 0.6, "rtn_high": 0.6, "rtn_level": 0.0}
DWELL_READS, FINEST = 1_000_000, 400
DRAIN_V = 0.1
PSD_ALLOWED, P_ALLOWED, SPICE_ALLOWED = 0.05, 0.01, 1e-9


def read_volts(model: DeviceModel) -> float:
    return float(model.experiments["read_noise"].get("read_V", 0.1))


def found(
    model: DeviceModel, time_s: np.ndarray, count: int, seed: int, values: Mapping[str, float],
    state: Mapping[str, float] | None = None, volts: float | None = None, kelvins: float = 300.0,
) -> NoisePaths:  # fmt: skip
    """Draw paths of devices that are alike."""
    cells = alike(model, values, count)
    begin = cells.start(model, state if state is not None else model.experiments["read_noise"].get("start"))
    own = np.random.default_rng([MODELS.index(model), seed])  # else models of one technology would share their paths
    return noise_paths(
        model, cells, begin, time_s, voltage_V=volts or read_volts(model), rng=own, temperature_K=kelvins,
        drain_V=None if model.drain is None else DRAIN_V,
    )  # fmt: skip


def off_the_law(model: DeviceModel) -> float:
    """Return the largest relative distance of a part of the mean spectrum from the law."""
    total, time = 0.0, np.arange(READS) / RATE_HZ
    for k in range(PATHS // BATCH):
        paths = found(model, time, BATCH, 1000 + k, {"rtn_traps": 0.0})
        f, density = welch(paths.factor, RATE_HZ, nperseg=SEGMENT, axis=0)
        total = total + density.mean(axis=1) * BATCH / PATHS
    ratio = total[1:] / paths.law(f[1:])[:, 0]
    edges = np.geomspace(*BAND_HZ, PARTS + 1)
    off = [float(ratio[(f[1:] >= a) & (f[1:] < b)].mean() - 1) for a, b in pairwise(edges)]
    print(
        f"{model.name}: spectrum from {BAND_HZ[0]:g} to {BAND_HZ[1]:g} Hz off by",
        *(f"{x:+.1%}" for x in off),
        flush=True,
    )
    return max(map(abs, off))


def dwell_tests(model: DeviceModel) -> Iterator[float]:
    """Yield the p-value of the times that a trap is filled, and empty, in each condition."""
    states = [model.experiments["read_noise"].get("start", {}), OTHER_STATE.get(model.name, {})]
    conditions = product(states, (0.5, 1.5), (300.0, 330.0))
    for k, (state, share, kelvins) in enumerate(conditions):
        volts = share * read_volts(model)
        barrier = 1e-13 * np.exp(0.6 / (8.617333262e-5 * kelvins))
        bias = volts - sum(p.value for p in model.noise_parameters if p.name == "rtn_v0")
        empty, filled = barrier * np.exp(-bias / 0.3), barrier * np.exp(bias / 0.6)
        step = min(empty, filled) / FINEST
        values = {**ONE_TRAP, next(p.name for p in model.noise_parameters): 0.0}  # the first is the strength of 1/f
        for seed in range(50):
            paths = found(model, step * np.arange(2), 1, 7000 + 100 * k + seed, values, state, volts, kelvins)
            if paths.traps[0].step.size == 1:
                break
        paths = found(
            model, step * np.arange(DWELL_READS), 1, 7000 + 100 * k + seed, values, state, volts, kelvins
        )  # fmt: skip
        low = paths.factor[:, 0] < 1
        at = np.flatnonzero(np.diff(low.astype(int)))
        lengths, first = np.diff(at), 0 if low[at[0] + 1] else 1
        jitter = np.random.default_rng(k).random(lengths.size) - 0.5  # a stay is known to a step
        for which, mean in ((first, filled), (1 - first, empty)):
            yield float(kstest(((lengths + jitter) * step)[which::2], expon(scale=mean).cdf).pvalue)


def holm(p: np.ndarray) -> float:
    """Return the smallest p-value, corrected for having looked at all of them."""
    ordered = np.sort(p)
    return float(min(1.0, (ordered * (ordered.size - np.arange(ordered.size))).min()))


def off_in_ngspice(model: DeviceModel) -> float:
    """Return the largest relative distance between a path and the currents' ratio in the circuit."""
    time = np.cumsum(np.random.default_rng(3).uniform(0.5, 2.0, 500)) * 1e-6
    start = dict(model.experiments["read_noise"].get("start", {}))
    path = found(model, time, 1, 5, {"rtn_low": 0.2, "rtn_traps": 5.0}).factor[:, 0]
    volts = read_volts(model)
    bias = f"V1 a 0 {volts!r}\nX1 a 0" if model.drain is None else f"Vg g 0 {volts!r}\nV1 a 0 {DRAIN_V!r}\nX1 g 0 a"
    end = float(time[-1]) + 1e-6
    deck = (
        f"path\n{nv.generate(model, 'ngspice', start=start)}{noisy_subcircuit(model, time, path)}"
        f"{bias} {model.name}_noisy\n.options reltol=1e-6 abstol=1e-18 vntol=1e-12 temp=27 xmu=0.495\n"
        f".tran 1e-7 {end!r} 0 1e-7 uic\n.save i(v1) i(v.x1.vs)\n.end\n"
    )
    plot = run(deck).plot
    at = np.searchsorted(plot["time"], np.append(time[1:], end) * (1 - 1e-9)) - 1
    return float(np.abs(-plot["i(v1)"][at] / plot["i(v.x1.vs)"][at] / path - 1).max())


def main() -> int:
    spectra, p, spice = {}, {}, {}
    for model in MODELS:
        spectra[model.name] = off_the_law(model)
        p[model.name] = list(dwell_tests(model))
        spice[model.name] = off_in_ngspice(model)
        print(f"{model.name}: smallest of {len(p[model.name])} p-values {min(p[model.name]):.3g}, ngspice off by "
              f"{spice[model.name]:.1e}", flush=True)  # fmt: skip
    corrected = holm(np.concatenate(list(p.values())))
    figure = {
        "spectrum_off": {name: round(off, 4) for name, off in spectra.items()},
        "dwell_p_holm": round(corrected, 4),
        "dwell_tests": sum(map(len, p.values())),
        "ngspice_off": max(spice.values()),
    }
    target = {"spectrum_off": PSD_ALLOWED, "dwell_p_holm": P_ALLOWED, "ngspice_off": SPICE_ALLOWED}
    met = max(spectra.values()) <= PSD_ALLOWED and corrected >= P_ALLOWED and max(spice.values()) <= SPICE_ALLOWED
    return conclude(
        "read noise as paths: spectrum over three decades, dwell times, path through ngspice", figure, target, met
    )


if __name__ == "__main__":
    sys.exit(main())
