"""The aihwkit noise model itself; imported only where aihwkit is (see `nvmphys.exporters.aihwkit`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from aihwkit.inference.converter.conductance import SinglePairConductanceConverter
from aihwkit.inference.noise.base import BaseNoiseModel

from nvmphys.errors import BadInput
from nvmphys.exporters.cells import ProgrammedCells, relative_read_noise
from nvmphys.exporters.loss import basis_in_words
from nvmphys.profile import VariationProfile

MICRO = 1e-6


class PairConverter(SinglePairConductanceConverter):  # type: ignore[misc]
    """aihwkit's single pair, remembering the µS that a weight of 1 was converted with last.

    aihwkit converts programmed weights anew before drift, by another scale. With both scales known, cells drift as
    they stand and not as the difference of their pair.
    """

    used_scale: float | None = None

    def convert_to_conductances(self, weights: torch.Tensor) -> tuple[list[torch.Tensor], dict[str, Any]]:
        """Return target conductances [µS] of the pairs, and the scale."""
        conductances, params = super().convert_to_conductances(weights)
        self.used_scale = float(params["scale_ratio"])
        return conductances, params


class ProfileNoiseModel(BaseNoiseModel):  # type: ignore[misc]
    """Cells of a variation profile as an aihwkit noise model.

    aihwkit's conductances are in µS, its time counts from the end of programming; a power law's time is that plus t0.
    Draws are seeded from torch's generator, so `torch.manual_seed` repeats them and no two layers share cells. What
    aihwkit keeps as drift coefficients is the whole cell: where it was programmed, its scores and whether it is stuck.

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
        super().__init__(PairConverter(g_max=high, g_min=low))
        self.profile = profile
        if temperature_K is not None:
            profile.check_temperature(temperature_K)
        self.temperature_K = temperature_K
        self.read_noise = read_noise and profile.read_noise_S is not None
        self._last: tuple[torch.Tensor, ProgrammedCells] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProfileNoiseModel) and other.profile is self.profile

    __hash__ = object.__hash__

    def __str__(self) -> str:
        return f"ProfileNoiseModel({self.profile.name}, {basis_in_words(self.profile)}, {self.g_converter})"

    @torch.no_grad()
    def apply_programming_noise_to_conductance(self, g_target: torch.Tensor) -> torch.Tensor:
        """Return programmed conductances [µS]; the next `generate_drift_coefficients` for them keeps these cells."""
        cells = self._draw(g_target)
        self._last = (g_target, cells)
        return _like(cells.programmed_S.reshape(g_target.shape) / MICRO, g_target)

    @torch.no_grad()
    def generate_drift_coefficients(self, g_target: torch.Tensor) -> torch.Tensor:
        """Return the state of each cell, stacked in front: the scale of its weight [µS], then the cell.

        Raises
        ------
        BadInput
            "drift coefficients were asked for before programming …": the cells are those programmed just before.
        """
        if self._last is None or self._last[0] is not g_target:
            raise BadInput(
                "drift coefficients were asked for before programming: call apply_programming_noise_to_conductance "
                "with the same tensor first, as aihwkit's apply_programming_noise does"
            )
        cells, self._last = self._last[1], None
        scale = np.full((1, cells.programmed_S.size), self._scale())
        return _like(np.concatenate([scale, cells.stacked()]).reshape(-1, *g_target.shape), g_target)

    @torch.no_grad()
    def apply_drift_noise_to_conductance(
        self, g_prog: torch.Tensor, drift_noise_param: torch.Tensor, t_inference: float
    ) -> torch.Tensor:
        """Return conductances [µS] at a time after programming [s], in the scale that `g_prog` was converted with."""
        profile = self.profile
        rows = _numbers(drift_noise_param).reshape(-1, g_prog.numel())
        cells = ProgrammedCells.unstacked(profile, rows[1:])
        time = float(t_inference) + (profile.first_time_s if profile.drift else 0.0)
        low, high = profile.time_range_s
        if t_inference > 0 and not low <= time <= high * (1 + 1e-9):
            raise BadInput(
                f"time since programming must be 0 or lie within {low:g} … {high:g} s (got {time:g} s): "
                "build the profile with the times you need"
            )
        now = cells.at(time, self.temperature_K) if t_inference > 0 else cells.programmed_S
        if self.read_noise:
            noise = relative_read_noise(profile, cells.level_S, time)
            now = now * (1 + noise * _generator().standard_normal(now.size))
        zero = getattr(self.g_converter, "g_min", 0.0)
        shown = zero + (now / MICRO - zero) * self._scale() / rows[0]
        return _like(shown.reshape(g_prog.shape), g_prog)

    def _draw(self, g_target: torch.Tensor) -> ProgrammedCells:
        return ProgrammedCells.program(self.profile, self._levels(g_target), _generator())

    def _scale(self) -> float:
        """Return the µS of a weight of 1 in aihwkit's last conversion; 1 for a converter that does not say."""
        scale = getattr(self.g_converter, "used_scale", None)
        return 1.0 if scale is None else float(scale)

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
