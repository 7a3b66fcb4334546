"""Finding the files of a folder that declare something: a model, a reader, an exporter."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def modules_with(package: str, attribute: str) -> dict[str, ModuleType]:
    """Import the modules directly below a package, private ones aside; return those with an attribute, by its value.

    Examples
    --------
    >>> sorted(modules_with("nvmphys.population", "NAME"))
    ['bake', 'level_shape', 'power_law_drift', 'programmed', 'relaxation', 'spread']
    """
    folder = importlib.import_module(package)
    found = {}
    for info in pkgutil.iter_modules(folder.__path__):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package}.{info.name}")
        if attribute in vars(module):
            found[str(getattr(module, attribute))] = module
    return found
