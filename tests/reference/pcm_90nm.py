"""Evaluate the printed PCM 90 nm law with mpmath, from its coefficients typed in here, into pcm_90nm.csv.

Nandakumar et al., ICECS 2019; Joshi et al., Nat. Commun. 11, 2473 (2020), doi 10.1038/s41467-020-16108-9.
"""

from __future__ import annotations

import csv
from pathlib import Path

from mpmath import log, mp, mpf, power, sqrt

mp.dps = 40


def clip(value, low, high):
    return min(max(value, mpf(low)), mpf(high))


def rows():
    for g in ("1", "4", "10", "17.5", "25"):
        x = mpf(g) / 25
        sigma_prog = mpf("0.26348") + mpf("1.9650") * x - mpf("1.1731") * x**2
        mu_nu = clip(mpf("-0.0155") * log(x) + mpf("0.0244"), "0.049", "0.1")
        sigma_nu = clip(mpf("-0.0125") * log(x) - mpf("0.0059"), "0.008", "0.045")
        q = min(mpf("0.0088") / power(x, mpf("0.65")), mpf("0.2"))
        for t in ("20", "60", "3600", "86400"):
            drifted = mpf(g) * power(mpf(t) / 20, -mu_nu)
            sigma_read = drifted * q * sqrt(log((mpf(t) + mpf("250e-9")) / mpf("500e-9")))
            yield g, t, *(mp.nstr(v, 20) for v in (sigma_prog, mu_nu, sigma_nu, drifted, sigma_read))


if __name__ == "__main__":
    with open(Path(__file__).with_suffix(".csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["g_uS", "t_s", "sigma_prog_uS", "mu_nu", "sigma_nu", "drifted_uS", "sigma_read_uS"])
        writer.writerows(rows())
