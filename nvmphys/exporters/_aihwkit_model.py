"""The aihwkit noise model itself; imported only where aihwkit is (see `nvmphys.exporters.aihwkit`)."""

from __future__ import annotations

import numpy as np
import torch
from aihwkit.inference.converter.conductance import SinglePairConductanceConverter
from aihwkit.inference.noise.base import BaseNoiseModel

from nvmphys.errors import BadInput
from nvmphys.exporters.loss import basis_in_words
from nvmphys.profile import VariationProfile

MICRO = 1e-6


class ProfileNoiseModel(BaseNoiseModel):  # type: ignore[misc]
    """Cells of a variation profile as an aihwkit noise model.

    aihwkit's conductances are in µS, its time counts from the end of programming; a power law's time is that plus t0.
    Draws are seeded from torch's generator, so `torch.manual_seed` repeats them and no two layers share cells.

    Parameters
    ----------
    profile : VariationProfile
    read_noise : bool
        Add the noise of one read at each drift call, where the profile knows it.
    temperature_K : float, optional
        Within those of the profile [K]; the lowest by default.
    """

    def __init__(
        self, profile: VariationProfile, *, read_noise: bool = True, temperature_K: float | None = None
    ) -> None:
        low, high = (g / MICRO for g in profile.level_range_S)
        super().__init__(SinglePairConductanceConverter(g_max=high, g_min=low))
        self.profile = profile
        if temperature_K is not None:
            profile.check_temperature(temperature_K)
        self.temperature_K = temperature_K
        self.read_noise = read_noise and profile.read_noise_S is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProfileNoiseModel) and other.profile is self.profile

    __hash__ = object.__hash__

    def __str__(self) -> str:
        return f"ProfileNoiseModel({self.profile.name}, {basis_in_words(self.profile)}, {self.g_converter})"

    @torch.no_grad()
    def apply_programming_noise_to_conductance(self, g_target: torch.Tensor) -> torch.Tensor:
        """Return programmed conductances [µS]."""
        levels, rng = self._levels(g_target), _generator()
        programmed, _stuck = self.profile.program(levels, rng.standard_normal(levels.size), rng)
        return _like(programmed.reshape(g_target.shape) / MICRO, g_target)

    @torch.no_grad()
    def generate_drift_coefficients(self, g_target: torch.Tensor) -> torch.Tensor:
        """Return the state of each cell, stacked in front: its history and its target [µS]."""
        level = self._levels(g_target)
        state = np.concatenate([self.profile.history.draw(level.size, _generator()), level[None] / MICRO])
        return _like(state.reshape(-1, *g_target.shape), g_target)

    @torch.no_grad()
    def apply_drift_noise_to_conductance(
        self, g_prog: torch.Tensor, drift_noise_param: torch.Tensor, t_inference: float
    ) -> torch.Tensor:
        """Return conductances [µS] at a time after programming [s]; at 0 the programmed ones."""
        profile = self.profile
        programmed = _numbers(g_prog) * MICRO
        state = _numbers(drift_noise_param).reshape(-1, programmed.size)
        time = float(t_inference) + (profile.first_time_s if profile.drift else 0.0)
        low, high = profile.time_range_s
        if t_inference > 0 and not low <= time <= high * (1 + 1e-9):
            raise BadInput(
                f"time since programming must be 0 or lie within {low:g} … {high:g} s (got {time:g} s): "
                "build the profile with the times you need"
            )
        level = profile.level(programmed, state[-1] * MICRO)
        now = programmed
        if t_inference > 0:
            now = profile.at(programmed, level, time, profile.history.score(state[:-1], time), self.temperature_K)
        if self.read_noise:
            now = now + self._read_noise(level, time) * now
        return _like(now.reshape(g_prog.shape) / MICRO, g_prog)

    def _read_noise(self, level_S: np.ndarray, time_s: float) -> np.ndarray:
        """Return relative errors of one read."""
        tables, table = self.profile.tables, self.profile.read_noise_S
        assert table is not None
        known = self.profile.interpolated
        if time_s < tables.time_s[known][0]:
            return np.zeros(level_S.size)
        relative = table[:, known] / np.maximum(tables.mean_S[0][:, known], 1e-12)
        at_time = [np.interp(np.log(time_s), np.log(tables.time_s[known]), row) for row in relative]
        return np.interp(level_S, tables.target_S, at_time) * _generator().standard_normal(level_S.size)

    def _levels(self, g_target: torch.Tensor) -> np.ndarray:
        """Return target conductances [S], flat, rounding errors of the conversion held inside the profile's range."""
        low, high = self.profile.level_range_S
        levels = _numbers(g_target) * MICRO
        if levels.min() < low * (1 - 1e-4) - 1e-12 or levels.max() > high * (1 + 1e-4):
            raise BadInput(
                f"target conductance must lie within {low / MICRO:g} … {high / MICRO:g} µS (got "
                f"{levels.min() / MICRO:g} … {levels.max() / MICRO:g} µS): keep the noise model's own g_converter"
            )
        return np.clip(levels, low, high)


def _generator() -> np.random.Generator:
    """Return a NumPy generator seeded from torch's."""
    return np.random.default_rng(int(torch.randint(2**62, (1,)).item()))


def _numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().astype(float).ravel()


def _like(values: np.ndarray, tensor: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(values, dtype=tensor.dtype, device=tensor.device)
