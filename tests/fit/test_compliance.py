"""Where a source held the current: plateaus with noise and without, and what looks like one and is none."""

from __future__ import annotations

import numpy as np
import pytest

from nvmphys.fit.compliance import held

UP = np.linspace(0.02, 2.0, 100)
VOLTS = np.concatenate([UP, UP[::-1][1:]])
BACK = np.arange(VOLTS.size) >= UP.size


def noisy(current, noise, seed=1):
    return current * np.exp(noise * np.random.default_rng(seed).standard_normal(current.size))


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
def test_a_limit_is_found_with_noise_and_without_and_all_of_its_points(noise):
    device = np.where((VOLTS > 1.0) | BACK, 1e-3, 1e-6) * VOLTS
    for seed in range(10):
        limit, at = held(VOLTS, noisy(np.minimum(device, 4e-4), noise, seed), 1)
        assert limit == pytest.approx(4e-4, rel=max(noise, 1e-9))
        assert at[device > 4.2e-4 * (1 + 4 * noise)].mean() > 0.97
        assert not at[device < 4e-4 * (1 - 8 * noise - 1e-2)].any()


@pytest.mark.parametrize(
    "device",
    [
        1e-3 * VOLTS,
        np.where((VOLTS > 1.0) | BACK, 1e-3, 1e-6) * VOLTS,
        np.where(BACK, 1e-4 * VOLTS, 2e-4),  # a gradual RESET: still on the way up, in proportion on the way back
    ],
    ids=["resistor", "SET without a limit", "RESET"],
)
def test_a_device_that_no_source_limits_has_no_plateau(device):
    for seed in range(10):
        assert held(VOLTS, noisy(device, 0.03, seed), 1)[0] is None
        assert held(-VOLTS, -noisy(device, 0.03, seed), -1)[0] is None


def test_the_other_polarity_is_another_matter():
    current = noisy(np.minimum(1e-3 * VOLTS, 1e-3), 0.02)
    volts, both = np.concatenate([VOLTS, -VOLTS]), np.concatenate([current, -noisy(1e-3 * VOLTS, 0.02)])
    assert held(volts, both, 1)[0] == pytest.approx(1e-3, rel=0.02)
    assert held(volts, both, -1)[0] is None
