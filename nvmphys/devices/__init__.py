"""Device physics: compact models as symbolic expressions. One file a model, found by walking this folder.

Model files of your own may also stand in the folder that `$NVMPHYS_DEVICES` names. A model file declares `NAME` and
`MODEL`, a :class:`~nvmphys.devices.model.DeviceModel`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nvmphys.discovery import modules_with
from nvmphys.errors import unknown_name

if TYPE_CHECKING:
    from nvmphys.devices.model import DeviceModel

__all__ = ["device", "devices", "is_device"]

SUFFIX = "_1t1r"
"""What the name of a model ends in that stands in series with an access transistor."""

if "NVMPHYS_DEVICES" in os.environ:
    __path__.append(os.environ["NVMPHYS_DEVICES"])


def devices() -> list[str]:
    """Return the names of the device models.

    >>> devices()
    ['fe_domains', 'fe_preisach', 'fefet', 'pcm_accumulative', 'pcm_thermal', 'rram_gap', 'rram_jart', 'rram_threshold']
    """
    return sorted(modules_with(__name__, "NAME"))


def is_device(name: str) -> bool:
    """Tell whether there is a device model of a name, in series with an access transistor or not."""
    return name.removesuffix(SUFFIX) in modules_with(__name__, "NAME")


def device(name: str) -> DeviceModel:
    """Return a device model; `<name>_1t1r` is one in series with an access transistor.

    Raises
    ------
    BadInput
        Unknown name (close matches are offered), or a model that cannot stand in series with a transistor.
    """
    from nvmphys.devices.transistor import in_series

    found = modules_with(__name__, "NAME")
    cell = name.removesuffix(SUFFIX)
    if cell not in found:
        raise unknown_name("device model", name, found)
    model: DeviceModel = found[cell].MODEL
    return model if name == cell else in_series(model)
