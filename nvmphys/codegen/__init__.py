"""One symbolic definition becomes code. One file a target, found by walking this folder (`TARGET`, `generate`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nvmphys.discovery import modules_with
from nvmphys.errors import unknown_name

if TYPE_CHECKING:
    from nvmphys.devices.model import DeviceModel

__all__ = ["generate", "targets"]


def targets() -> list[str]:
    """Return what code can be generated for.

    >>> targets()
    ['latex', 'ngspice', 'veriloga']
    """
    return sorted(modules_with(__name__, "TARGET"))


def generate(model: DeviceModel, target: str, values: Mapping[str, float] | None = None) -> str:
    """Return a device model as code.

    Parameters
    ----------
    model : DeviceModel
    target : str
        One of :func:`targets`.
    values : mapping, optional
        In place of defaults; checked against the bounds.

    Raises
    ------
    BadInput
        Unknown target or parameter, or a value out of bounds.
    """
    found = modules_with(__name__, "TARGET")
    if target not in found:
        raise unknown_name("target", target, found)
    text: str = found[target].generate(model, model.values(values))
    return text
