"""Damaged cards, sources, studies, column maps and profiles: what is loaded is valid, or the error names the file."""

from __future__ import annotations

import copy
import datetime
import json
import random
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nvmphys as nv
from nvmphys.errors import BadInput
from nvmphys.files import shipped
from nvmphys.measurement.columns import ColumnMap, load_map
from nvmphys.measurement.source import read_source
from nvmphys.profile.format import MAX_VALUES
from nvmphys.records import Basis, ModelCard, Source
from nvmphys.study import Study, load_study
from tests.malformed import bad_bytes, binary, cut_anywhere, wrong_encoding

STUDIES = Path(__file__).resolve().parent.parent / "studies"
MAP = b"""experiment = "retention"
separator = ";"
header = true
decimal = ","
[columns]
device_id = "addr"
time_s = { column = 2, unit = "ms" }
conductance_S = { column = 3, unit = "uS" }
[constants]
temperature_K = 300.0
"""
LOADERS: dict[str, tuple[bytes, Callable[[Path], Any], type]] = {
    "card": ((shipped("models") / "rram_1t1r_relaxation.toml").read_bytes(), nv.load_card, ModelCard),
    "source": ((shipped("characterization_data") / "pcm_90nm" / "source.toml").read_bytes(), read_source, Source),
    "study": ((STUDIES / "demo_rram.toml").read_bytes(), load_study, Study),
    "column map": (MAP, load_map, ColumnMap),
}
"""A valid TOML file of each kind, what loads it and what it becomes."""

ODD = (
    *(float("nan"), float("inf"), -float("inf"), -1, 0, -1e-300, 1e308, 2**63 - 1, 16**5000, True, "", "x", "5", "nan"),
    *("\x00", "y" * 10**5, [], [[]], [1, [2]], [[1.0], [2.0, 3.0]], ["a"], [0.5] * 10**4, {}, {"a": {"b": [{}]}}),
    *(datetime.date(2024, 1, 2), datetime.time(1, 2), [[[[[[[[[[1]]]]]]]]]]),
)
"""Values of every type of TOML, most of them wrong wherever they stand."""


def places(item: Any, way: tuple = ()) -> Iterator[tuple]:
    """Yield the way to every key and element of nested tables and arrays."""
    entries = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, entry in entries:
        yield (*way, key)
        yield from places(entry, (*way, key))


def at(item: Any, way: tuple) -> Any:
    for key in way:
        item = item[key]
    return item


def damage(content: dict[str, Any], chance: random.Random) -> None:
    """Drop, replace, rename, add or move one entry of nested tables."""
    ways = list(places(content))
    if not ways:
        return
    way = chance.choice(ways)
    parent, key = at(content, way[:-1]), way[-1]
    change = chance.choice(("drop", "odd", "odd", "odd", "string", "rename", "move", "nest"))
    if change == "drop":
        del parent[key]
    elif change == "odd":
        parent[key] = copy.deepcopy(chance.choice(ODD))
    elif change == "string":
        parent[key] = str(parent[key])
    elif change == "move":
        parent[key] = copy.deepcopy(at(content, chance.choice(ways)))
    elif change == "nest":
        parent[key] = [parent[key]]
    elif isinstance(parent, dict):
        parent[key + "x"] = parent.pop(key)


def written(value: Any) -> str:
    """Write a value as TOML, tables inline; an integer of thousands of digits as a hexadecimal."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {written(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, int) and value > 2**64:
        return hex(value)
    return repr(value) if isinstance(value, float) else json.dumps(value)


def judge(kind: str, content: bytes) -> None:
    """Load a file of the given bytes: an object of the right type, or an error that names the file."""
    _, load, type_ = LOADERS[kind]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file.toml")
        path.write_bytes(content)
        try:
            loaded, message = load(path), ""
        except BadInput as error:
            loaded, message = None, str(error)
    if message:
        assert str(path) in message or message.startswith("unknown consumer")
        assert len(message) < 2000 or message.startswith("unknown consumer")
        return
    assert isinstance(loaded, type_)
    if isinstance(loaded, ModelCard):
        assert all(not np.isnan(loaded.array(name)).any() for name in loaded.values)
        assert all(isinstance(basis, Basis) for basis in loaded.basis.values())


@pytest.mark.parametrize("kind", LOADERS)
def test_an_undamaged_file_is_loaded(kind, tmp_path):
    content, load, type_ = LOADERS[kind]
    path = tmp_path / "file.toml"
    for text in (
        content.decode(),
        "\n".join(f"{k} = {written(v)}" for k, v in tomllib.loads(content.decode()).items()),
    ):
        path.write_text(text, encoding="utf-8")
        assert isinstance(load(path), type_)


@pytest.mark.parametrize("kind", LOADERS)
@settings(max_examples=80)
@given(seed=st.integers(0, 2**32))
def test_damaged_tables_are_valid_or_refused(kind, seed):
    chance = random.Random(seed)
    content = tomllib.loads(LOADERS[kind][0].decode())
    for _ in range(chance.randrange(1, 3)):
        damage(content, chance)
    judge(kind, "\n".join(f"{json.dumps(key)} = {written(value)}" for key, value in content.items()).encode())


@pytest.mark.parametrize("kind", LOADERS)
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), change=st.sampled_from((bad_bytes, binary, cut_anywhere, wrong_encoding)))
def test_damaged_bytes_are_valid_or_refused(kind, seed, change):
    judge(kind, change(LOADERS[kind][0], random.Random(seed)))


@pytest.mark.parametrize("load", [load for _, load, _ in LOADERS.values()], ids=list(LOADERS))
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"title = \xff", "is not valid TOML: 'utf-8' codec can't decode"),
        (b'title = "cut', "is not valid TOML"),
        (b"x = " + b"9" * 5000, "is not valid TOML: Exceeds the limit"),
        (b"x = " + b"[" * 5000, "is not valid TOML"),
        (b"x = " + b"[" * 100 + b"]" * 100, "is nested more than 32 levels deep"),
        (b"a." * 20_000 + b"a = 1", "is nested more than 32 levels deep"),
    ],
    ids=["not UTF-8", "cut", "an endless number", "an endless list", "a deep list", "a deep table"],
)
def test_what_is_no_toml_is_refused(load, content, words, tmp_path):
    path = tmp_path / "file.toml"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=words) as error:
        load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "value", ['"5"', "true", "nan", "[1.0, nan]", "[[1.0], [2.0, 3.0]]", "{}", "2024-01-02", "0x" + "f" * 4000]
)
def test_a_value_of_a_card_is_a_number_or_a_list_of_numbers(value, tmp_path):
    content = tomllib.loads(LOADERS["card"][0].decode())
    name = next(iter(content["values"]))
    text = "\n".join(f"{key} = {written(entry)}" for key, entry in content.items() if key != "values")
    path = tmp_path / "card.toml"
    values = ", ".join(f"{key} = {value if key == name else written(v)}" for key, v in content["values"].items())
    path.write_text(f"{text}\nvalues = {{{values}}}", encoding="utf-8")
    with pytest.raises(BadInput, match=rf"card\.toml: value '{name}' must"):
        nv.load_card(path)


@pytest.fixture(scope="module")
def profile(tmp_path_factory) -> Path:
    """Return a small profile that has every table."""
    made = nv.build_profile(nv.load_card("rram_1t1r_relaxation"), [5e-6, 20e-6], [1.0], rng=1)
    path = tmp_path_factory.mktemp("profile") / "p.h5"
    nv.save_profile(made, path)
    with h5py.File(path, "r+") as file:
        file["/read_noise/sigma_S"] = np.full(made.tables.mean_S.shape[1:], 1e-7)
        file["/drift/t0_s"] = 20.0
    return path


def test_a_range_of_validity_of_a_card_is_not_nan(tmp_path):
    content = tomllib.loads(LOADERS["card"][0].decode())
    content["validity"]["time_s"] = [0.0, float("nan")]
    path = tmp_path / "card.toml"
    path.write_text("\n".join(f"{key} = {written(value)}" for key, value in content.items()), encoding="utf-8")
    with pytest.raises(BadInput, match=r"card\.toml: value 'time_s' must not hold NaN \(got '\[0\.0, nan\]'\)"):
        nv.load_card(path)


ODD_TABLES = (
    *(0.0, float("nan"), np.array([]), np.array([np.inf]), np.zeros((1, 1)), np.zeros((2, 2, 2)), -np.ones(3)),
    *(np.array([b"a", b"b"]), np.array([1j]), np.array([True]), "text", h5py.Empty("f8"), np.arange(5, dtype="u1")),
    *(np.zeros(2, dtype=[("a", "f8")]), np.full((2, 2), 1e308), np.eye(2), np.arange(61.0)[None]),
)
ODD_WORDS = (
    *(0, -1, 0.5, np.nan, np.inf, -np.inf, 2**63 - 1, True, "", "x", "1", "{", "[]", "{}", "NaN", "5", b"\xff"),
    *("[" * 10**4, "1" * 5000, "y" * 10**4, [1.0, 2.0], [0.5, 0.1], [np.nan, 1.0], ["a", "b"], np.zeros((2, 2))),
    h5py.Empty("f8"),
)
LINKS = (
    h5py.SoftLink("/axes/time_s"),
    h5py.SoftLink("/nowhere"),
    h5py.SoftLink("/loop"),
    h5py.ExternalLink("other.h5", "/x"),
    h5py.ExternalLink("p.h5", "/axes/time_s"),
)


def put(file: h5py.File, place: str, new: Any) -> None:
    del file[place]
    file[place] = new


def spoil_table(file: h5py.File, place: str, chance: random.Random) -> None:
    """Change values of a table, its shape, its type, or whose values they are."""
    old = file[place][()] if (file[place].size or 0) < MAX_VALUES else np.zeros(2)
    change = chance.choice(
        ("odd", "value", "reversed", "longer", "negative", "transposed", "huge", "virtual", "outside")
    )
    if change == "odd":
        put(file, place, chance.choice(ODD_TABLES))
    elif change == "value":
        new = np.array(old, dtype=float)
        new.flat[chance.randrange(max(new.size, 1)) : None : 10**9] = chance.choice((np.nan, np.inf, -1.0, 0.0, 1e300))
        put(file, place, new)
    elif change in ("huge", "virtual", "outside"):
        del file[place]
        if change == "huge":
            file.create_dataset(place, shape=(10**6, 10**6), dtype="f8", chunks=(1, 1000))
        elif change == "virtual":
            layout = h5py.VirtualLayout(np.shape(old) or (1,), "f8")
            file.create_virtual_dataset(place, layout)
        else:
            file.create_dataset(place, np.shape(old) or (1,), "f8", external=[(__file__, 0, h5py.h5f.UNLIMITED)])
    else:
        new = {"reversed": np.flip(old), "longer": np.append(old, old), "negative": -old, "transposed": old.T}[change]
        put(file, place, new)


def spoil(file: h5py.File, chance: random.Random) -> None:
    """Damage one thing of an HDF5 file: a table, a link, a group, an attribute."""
    everything: list[str] = []
    file.visit(everything.append)
    if not everything:
        return
    place = chance.choice(everything)
    change = chance.choice(
        ("table", "table", "table", "attribute", "attribute", "link", "drop", "group", "table for group")
    )
    tables = [name for name in everything if isinstance(file[name], h5py.Dataset)]
    if change == "table" and tables:
        spoil_table(file, chance.choice(tables), chance)
    elif change == "attribute":
        holder = chance.choice([file, *(file[name] for name in everything if file[name].attrs)])
        if name := chance.choice([*holder.attrs, ""]):
            del holder.attrs[name]
            if chance.random() < 0.9:
                holder.attrs[name] = chance.choice(ODD_WORDS)
    elif change == "link":
        put(file, place, chance.choice(LINKS))
    elif change == "drop":
        del file[place]
    else:
        put(file, place, 1.0)
        if change == "group":
            del file[place]
            file.create_group(place)


def judge_profile(content: bytes, change: Callable[[Path], None] = lambda path: None) -> None:
    """Load a damaged profile: cells can be drawn from it, or the error names the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "p.h5")
        path.write_bytes(content)
        change(path)
        try:
            loaded, message = nv.load_profile(path), ""
        except BadInput as error:
            loaded, message = None, str(error)
        assert loaded or str(path) in message
        assert len(message) < 2000
    if loaded:
        assert np.all(loaded.sample(loaded.tables.target_S, loaded.tables.time_s, rng=1) >= 0)


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32))
def test_damaged_profiles_are_valid_or_refused(profile, seed):
    chance = random.Random(seed)

    def change(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            for _ in range(chance.randrange(1, 3)):
                spoil(file, chance)

    judge_profile(profile.read_bytes(), change)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), change=st.sampled_from((binary, cut_anywhere)))
def test_cut_profiles_are_refused(profile, seed, change):
    judge_profile(change(profile.read_bytes(), random.Random(seed)))
