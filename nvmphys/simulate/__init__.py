"""Experiments on device models: stimuli as a user thinks of them, on one device or a population."""

from __future__ import annotations

from nvmphys.simulate.transient import Transient, read, transient

__all__ = ["Transient", "read", "transient"]
