"""The sections of a profile in a line each."""

from __future__ import annotations

import numpy as np

from nvmphys.profile.profile import VariationProfile


def sections_in_words(profile: VariationProfile) -> dict[str, str]:
    """Say what a profile holds besides its conductance tables, or that it does not, by section.

    Examples
    --------
    >>> import nvmphys as nv
    >>> profile = nv.build_profile(nv.load_card("pcm_90nm"), [5e-6, 2e-5], [3600.0], rng=1, replicates=0)
    >>> said = sections_in_words(profile)
    >>> said["drift"], said["replicates"]
    ('G = G(t0)·(t/t0)^-ν from t0 = 20 s on, ν 0.049 … 0.0493 with σ 0.008 … 0.0142', 'none')
    """
    found = profile.replicates
    return {
        "read noise": _read_noise(profile),
        "drift": _drift(profile),
        "pulses": _pulses(profile),
        "read current": _read_iv(profile),
        "array": _array(profile),
        "replicates": "none" if found is None else f"{len(found)} ({found.basis}): {found.method}",
    }


def _span(values: np.ndarray, unit: str = "") -> str:
    """Return the lowest and highest of values in words."""
    return f"{np.nanmin(values):.3g} … {np.nanmax(values):.3g}{unit}"


def _read_noise(profile: VariationProfile) -> str:
    if profile.read_noise_S is None:
        return "not known apart"
    last = f"{profile.tables.time_s[-1]:g} s"
    read = "" if profile.read_duration_s is None else f", of a read of {profile.read_duration_s:.3g} s"
    return f"σ of one read {_span(profile.read_noise_S[:, -1] * 1e6, ' µS')} at {last}{read}"


def _drift(profile: VariationProfile) -> str:
    if not profile.drift:
        return "no power law"
    mean, sigma = (np.atleast_1d(profile.drift[name]) for name in ("nu_mean", "nu_sigma"))
    origin = f"{float(np.ravel(profile.drift['t0_s'])[0]):g} s"
    return f"G = G(t0)·(t/t0)^-ν from t0 = {origin} on, ν {_span(mean)} with σ {_span(sigma)}"


def _pulses(profile: VariationProfile) -> str:
    if not profile.pulse_update:
        return "none"
    return "; ".join(
        f"{name}: {table.amplitude_V.size} pulses, from {_span(table.level_S * 1e6, ' µS')}, mean step "
        f"{_span(table.mean_S * 1e6, ' µS')} ({table.basis})"
        for name, table in profile.pulse_update.items()
    )


def _read_iv(profile: VariationProfile) -> str:
    read = profile.read_iv
    if read is None:
        return "not known"
    bend = f"sinh(αV) with α {_span(read.sinh_per_V, ' 1/V')}, off by {read.sinh_error.max():.2g} at most"
    return f"I(V)/I({read.read_V:g} V) to {_span(read.voltage_V, ' V')}; {bend} ({read.basis})"


def _array(profile: VariationProfile) -> str:
    found = profile.array
    if not found:
        return "none studied (nvmphys crossbar validate P.h5 --into OTHER.h5 adds it)"
    size = "×".join(map(str, found["size"])) + " cells" if "size" in found else "size not said"
    ohms = ", ".join(f"{name} {ohm:g} ohm" for name, ohm in found.get("resistance_ohm", {}).items())
    error = found.get("matvec_error") or {}
    told = f"; output error {error['mean']:+.2%} ± {error['sigma']:.2%} of {error['of']}" if error else ""
    judged = {part: found[part]["status"] for part in ("solver", "cell", "statistics") if part in found}
    verdicts = [f"{part} {status.replace('_', ' ')}" for part, status in judged.items()]
    return "; ".join(filter(None, (f"{size}, {ohms}" if ohms else size, ", ".join(verdicts)))) + told
