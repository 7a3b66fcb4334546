"""Evaluate the printed laws of conductance statistics with mpmath, from coefficients typed in here, into a CSV file.

Rows: card or source, what is evaluated, conductance [µS], time [s] (empty where there is none), value (µS or 1).
Sources: Nandakumar et al., ICECS 2019, and Joshi et al., Nat. Commun. 11, 2473 (2020) (90 nm PCM); Le Gallo et al.,
Nat. Electron. 6, 680 (2023) (HERMES); Nandakumar et al., J. Appl. Phys. 124, 152135 (2018) (accumulative SET); Wan et
al., Nature 608, 504 (2022), two fits; Milo et al., IRPS 2021; Falcone et al., arXiv:2502.04524 (CMO/HfOx); Jerry et
al., IEDM 2017 (FeFET, a limit); Qin et al., arXiv:2305.14561 (level shapes).
"""

from __future__ import annotations

import csv
from pathlib import Path

from mpmath import exp, log, log10, mp, mpf, polyval, power, sqrt

mp.dps = 40
DAY = "86400"


def poly(coefficients: str, x):
    """Coefficients in ascending powers, as printed."""
    return polyval([mpf(c) for c in reversed(coefficients.split())], x)


def clip(value, low, high):
    return min(max(value, mpf(low)), mpf(high))


def read_noise(q, g, t, t_read):
    t, t_read = mpf(t), mpf(t_read)
    return g * q * sqrt(log((t + t_read) / (2 * t_read)))


def drift_rows(name, g_max, t0, times, sigma, mean, spread, q, t_read):
    """Programming error, drift exponent, drifted conductance and read noise of a phase-change law."""
    for share in ("0.04", "0.16", "0.4", "0.7", "1"):
        g, x = mpf(share) * mpf(g_max), mpf(share)
        yield name, "sigma_prog", g, "", sigma(x)
        yield name, "nu_mean", g, "", mean(x)
        yield name, "nu_sigma", g, "", spread(x)
        for t in times:
            drifted = g * power(mpf(t) / mpf(t0), -mean(x))
            yield name, "drifted", g, t, drifted
            yield name, "sigma_read", g, t, read_noise(q(x), drifted, t, t_read)


def pcm_90nm():
    for g in ("1", "4", "10", "17.5", "25"):
        yield "pcm_90nm", "sigma_other", mpf(g), "", poly("0.28638599 0.07585724 -0.00178767", mpf(g))
    yield from drift_rows(
        "pcm_90nm", "25", "20", ("20", "60", "3600", DAY),
        lambda x: poly("0.26348 1.9650 -1.1731", x),
        lambda x: clip(mpf("-0.0155") * log(x) + mpf("0.0244"), "0.049", "0.1"),
        lambda x: clip(mpf("-0.0125") * log(x) - mpf("0.0059"), "0.008", "0.045"),
        lambda x: min(mpf("0.0088") / power(x, mpf("0.65")), mpf("0.2")),
        "250e-9",
    )  # fmt: skip


def hermes():
    def mean(x):
        if x >= mpf("0.0945"):
            return mpf("-0.0436") * x**2 - mpf("0.0126") * x + mpf("0.0736")
        return clip(mpf("-0.0387") * log(x) - mpf("0.0182"), "0.072", "0.13")

    def spread_1(x):
        if x < mpf("0.3039"):
            return clip(mpf("-0.0120") * log(x) - mpf("0.0023"), "0.0124", "0.04")
        return mpf("-0.0165") * x**2 + mpf("0.0116") * x + mpf("0.0104")

    def spread_2(x):
        if x < mpf("0.3055"):
            return clip(mpf("-0.0117") * log(x) - mpf("0.0057"), "0.0091", "0.04")
        return mpf("-0.0118") * x**2 + mpf("0.0093") * x + mpf("0.0073")

    def q_1(x):
        if x < mpf("0.1591"):
            return clip(mpf("-0.0078") * log(x) + mpf("0.0038"), "0.0179", "0.04")
        return mpf("0.0664") * x**3 - mpf("0.1352") * x**2 + mpf("0.0768") * x + mpf("0.0088")

    def q_2(x):
        if x < mpf("0.16"):
            return clip(mpf("-0.0117") * log(x) - mpf("0.0069"), "0.015", "0.04")
        return mpf("0.0069") * x**3 - mpf("0.0280") * x**2 + mpf("0.0211") * x + mpf("0.0123")

    one, two = "0.15782 2.32444 -2.16311 0.68842", "0.16603 4.71806 -8.48101 4.68961"
    times = ("300", "3600", DAY)
    yield from drift_rows("pcm_hermes_1", "10.35", "200", times, lambda x: poly(one, x), mean, spread_1, q_1, "512e-9")
    yield from drift_rows("pcm_hermes_2", "20.7", "300", times, lambda x: poly(two, x), mean, spread_2, q_2, "512e-9")


def accumulative_set():
    memory = mpf(1)
    for g in ("0.1", "1", "4", "8", "16"):
        memory *= exp(-1 / mpf("2.6"))
        yield "pcm_accumulative_set", "memory", mpf(g), "", memory
        yield (
            "pcm_accumulative_set",
            "step_mean",
            mpf(g),
            "",
            mpf("-0.084") * mpf(g) + mpf("0.880") + mpf("1.40") * memory,
        )
        yield (
            "pcm_accumulative_set",
            "step_sigma",
            mpf(g),
            "",
            mpf("0.091") * mpf(g) + mpf("0.260") + mpf("2.15") * memory,
        )


def wan():
    fits = {
        "1": "0.348 16.030 -43.853 45.393 -16.815",
        DAY: "0.701 22.086 -50.773 47.095 -16.458",
        "172800": "0.782 20.274 -43.507 37.062 -11.934",
    }
    for g in ("0", "4", "10", "25", "39"):
        for t, coefficients in fits.items():
            yield "rram_wan_2022", "sigma_total", mpf(g), t, poly(coefficients, mpf(g) / 40)
        yield "rram_wan_2022", "sigma_other", mpf(g), "1", poly("1.053 0.2374 -1.167e-2 1.536e-4", mpf(g))


def milo():
    for g in ("50", "62.5", "100", "150", "225"):
        yield "rram_milo_2021", "sigma_prog", mpf(g), "", poly("4.782321 -0.009107", mpf(g))


def cmo():
    for name, coefficients in (("rram_cmo_hfox_02", "0.00081107 0.00106879"), ("rram_cmo_hfox_2", "0.01122 0.01129")):
        for g in ("9", "20", "50", "70", "88.2"):
            yield name, "sigma_prog", mpf(g), "", poly(coefficients, mpf(g))
            for t in ("1", "60", DAY, "315576000"):
                yield name, "shift", mpf(g), t, mpf("-0.0890") * log(mpf(t))
                yield name, "sigma_change", mpf(g), t, mpf("0.0420") * log(mpf(t)) + mpf("0.4118")
                yield name, "sigma_read", mpf(g), t, read_noise(mpf("0.02773") * log10(mpf(g)), mpf(1), t, "1e-6")


def fefet():
    g_max = mpf(1000) / mpf("559.28")
    g_min = g_max / 45
    for share in ("0", "0.25", "0.5", "0.75", "1"):
        yield "fefet_hzo", "sigma_prog", g_min + mpf(share) * (g_max - g_min), "", mpf("0.005") * (g_max - g_min)


def level_shapes():
    for name, s in (("rram1", 1), ("fefet2", 2), ("rram4", 4), ("fefet6", 6)):
        edge = mpf("0.01") / sqrt(mpf("0.4") * s**2 + mpf("0.6"))
        for g, sigma in (("0", edge), ("20", edge), ("30", s * edge), ("70", s * edge), ("100", edge)):
            yield name, "sigma_prog", mpf(g), "", 100 * sigma


LAWS = (pcm_90nm, hermes, accumulative_set, wan, milo, cmo, fefet, level_shapes)

if __name__ == "__main__":
    with open(Path(__file__).with_suffix(".csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "quantity", "g_uS", "t_s", "value"])
        for law in LAWS:
            for name, quantity, g, t, value in law():
                writer.writerow([name, quantity, mp.nstr(g, 20), t, mp.nstr(value, 20)])
