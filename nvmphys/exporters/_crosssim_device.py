"""The CrossSim 3 device class itself; imported only where CrossSim is (see `nvmphys.exporters.crosssim`)."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from simulator.devices.idevice import EmptyDevice

from nvmphys.errors import BadInput
from nvmphys.exporters.cells import ProgrammedCells, relative_read_noise
from nvmphys.profile import VariationProfile, load_profile

Array = NDArray[np.float64]


class ProfileDevice(EmptyDevice):
    """Cells of a variation profile as a CrossSim device.

    CrossSim's conductances are shares of G_max = 1/Rmin; `device.time` is the profile's time since programming [s].
    Cells are those of (seed, target matrix): built again for another time, a core holds the same cells further on. A
    second core with the same targets, at the same time, holds cells of its own.

    A subclass sets `profile_folder`, and `seed` or `temperature_K` where they are not the default.
    """

    profile_folder: ClassVar[Path]
    seed: ClassVar[int] = 1
    temperature_K: ClassVar[float | None] = None
    _profile: ClassVar[VariationProfile | None] = None
    _seen: ClassVar[Counter[tuple[bytes, float]]]
    _reads: ClassVar[np.random.Generator]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.restart()

    @classmethod
    def restart(cls, seed: int | None = None) -> None:
        """Begin anew, as a fresh process does: the next core gets the first cells of its targets."""
        if seed is not None:
            cls.seed = seed
        cls._seen = Counter()
        cls._reads = np.random.default_rng([cls.seed, 1])

    @classmethod
    def profile(cls) -> VariationProfile:
        """Return the profile of the export."""
        if cls._profile is None:
            cls._profile = load_profile(cls.profile_folder / "profile.h5")
        return cls._profile

    def programming_error(self, input_: Array) -> Array:
        """Return normalised conductances as programmed."""
        return self._cells_at(input_, self.profile().first_time_s)

    def drift_error(self, input_: Array, time: float) -> Array:
        """Return normalised conductances at a time since programming [s]; programming error is part of them."""
        profile = self.profile()
        first = profile.first_time_s
        low, high = profile.time_range_s
        if time not in (0, first) and not low <= time <= high * (1 + 1e-9):
            raise BadInput(
                f"device.time must be 0 (as programmed) or lie within {low:g} … {high:g} s (got {time:g} s): build the "
                "profile with the times you need"
            )
        return self._cells_at(input_, first if time == 0 else float(time))

    def read_noise(self, input_: Array) -> Array:
        """Return normalised conductances with the noise of one read, by where each cell stands."""
        profile = self.profile()
        if profile.read_noise_S is None or _probe(input_):
            return input_
        time = float(self.time) or profile.first_time_s
        noise = relative_read_noise(profile, self._level_of(input_ / self._rmin(), time), time)
        return np.asarray(input_ * (1 + noise * self._reads.standard_normal(input_.shape))).astype(input_.dtype)

    def _level_of(self, conductance_S: Array, time_s: float) -> Array:
        """Return the level [S] whose mean a conductance is."""
        tables = self.profile().tables
        k = int(np.argmin(np.abs(tables.time_s - time_s)))
        mean = np.maximum.accumulate(tables.mean_S[0][:, k])
        return np.interp(conductance_S, mean, tables.target_S)

    def _rmin(self) -> float:
        return float(self.device_params.Rmin)

    def _cells_at(self, input_: Array, time_s: float) -> Array:
        if _probe(input_):
            return input_
        targets = np.asarray(input_, dtype=float).ravel() / self._rmin()
        low, high = self.profile().level_range_S
        if targets.min() < low * (1 - 1e-6) - 1e-15 or targets.max() > high * (1 + 1e-6):
            raise BadInput(
                f"target conductance must lie within {low * 1e6:g} … {high * 1e6:g} µS (got {targets.min() * 1e6:g} … "
                f"{targets.max() * 1e6:g} µS): keep the Rmin and Rmax of parameters()"
            )
        print_of = hashlib.sha256(np.ascontiguousarray(input_).tobytes()).digest()
        number = self._seen[print_of, time_s]
        self._seen[print_of, time_s] += 1
        rng = np.random.default_rng([self.seed, 0, number, *np.frombuffer(print_of, dtype=np.uint32).tolist()])
        cells = ProgrammedCells.program(self.profile(), np.clip(targets, low, high), rng)
        now = cells.at(time_s, self.temperature_K) * self._rmin()
        return now.reshape(input_.shape).astype(input_.dtype)


def _probe(input_: Array) -> bool:
    """Whether this is CrossSim's own call with one zero, by which it finds out whether a model can be called."""
    return bool(input_.shape == (1,) and input_[0] == 0)
