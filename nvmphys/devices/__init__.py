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

__all__ = ["device", "devices"]

if "NVMPHYS_DEVICES" in os.environ:
    __path__.append(os.environ["NVMPHYS_DEVICES"])


def devices() -> list[str]:
    """Return the names of the device models.

    >>> devices()
    ['fe_domains', 'fe_preisach', 'fefet', 'pcm_accumulative', 'pcm_thermal', 'rram_gap', 'rram_jart', 'rram_threshold']
    """
    return sorted(modules_with(__name__, "NAME"))


def device(name: str) -> DeviceModel:
    """Return a device model.

    Raises
    ------
    BadInput
        Unknown name; close matches are offered.
    """
    found = modules_with(__name__, "NAME")
    if name not in found:
        raise unknown_name("device model", name, found)
    model: DeviceModel = found[name].MODEL
    return model
