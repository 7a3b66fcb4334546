"""Version 1 of the format: two forms of one content, a published schema, kept files, and files that are not whole."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import os
import random
import signal
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import h5py
import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.errors import BadInput
from nvmphys.profile import violations
from nvmphys.profile.format import content_of
from nvmphys.profile.sections import ArraySection, array_section

KEPT = Path(__file__).parent / "fixtures"
SCHEMA = json.loads((Path(nv.__file__).parent / "profile" / "profile-1.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def whole():
    return nv.load_profile(KEPT / "whole.h5")


@pytest.fixture
def pair(whole, tmp_path):
    """Return the path of a JSON form with every section."""
    nv.save_profile(whole, tmp_path / "p.json")
    return tmp_path / "p.json"


def same(a, b):
    """Hold two profiles against each other, bit for bit (NaN in free words included)."""
    one, other = content_of(a), content_of(b)
    assert json.dumps(one.attributes) == json.dumps(other.attributes)
    assert list(one.tables) == list(other.tables) or set(one.tables) == set(other.tables)
    for place, table in one.tables.items():
        assert table.shape == other.tables[place].shape
        assert table.tobytes() == other.tables[place].tobytes(), place


def test_both_forms_hold_the_same_bit_for_bit(whole, tmp_path):
    odd = replace(whole, tables=replace(whole.tables, mean_S=np.nextafter(whole.tables.mean_S, 1)))
    nv.save_profile(odd, tmp_path / "p.h5")
    runner = CliRunner()
    for first, second in (("p.h5", "p.json"), ("p.json", "q.h5"), ("q.h5", "q.json")):
        done = runner.invoke(app, ["profile", "convert", str(tmp_path / first), str(tmp_path / second)])
        assert done.exit_code == 0, done.output
        same(odd, nv.load_profile(tmp_path / second))
    assert (tmp_path / "p.npz").read_bytes() == (tmp_path / "q.npz").read_bytes()
    assert (tmp_path / "p.json").read_bytes() == (tmp_path / "q.json").read_bytes()


@pytest.mark.parametrize("name", ["p.h5", "p.json"])
def test_a_number_comes_back_as_a_number(whole, tmp_path, name):
    nv.save_profile(whole, tmp_path / name)
    assert f"{nv.load_profile(tmp_path / name).drift['t0_s']:g}" == "20"


def test_kept_files_of_version_1_stay_readable(whole):
    same(whole, nv.load_profile(KEPT / "whole.json"))
    assert whole.tables.quantiles_S[0, 1, 1, 20] == 1.5632228989331337e-05
    assert whole.pulse_update["set"].kept.tolist() == [[0.25, 0.25, 0.25]]
    assert whole.read_iv.read_V == 0.2
    assert whole.array["cell"]["status"] == "not_made"
    assert whole.replicate(2).extras["stuck_low"].weight == 0.0008
    assert np.isnan(whole.provenance["odd"][0])
    assert whole.read_duration_s == 250e-9
    early = nv.load_profile(KEPT / "early.h5")  # figures of the code that wrote it
    np.testing.assert_allclose(early.tables.sigma_S.ravel(), [4.32695968e-06, 3.87161087e-06], rtol=1e-8)
    assert early.pulse_update == {}
    assert early.replicates is None


def test_the_published_schema_is_what_is_written(pair):
    document = json.loads(pair.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(document, SCHEMA)
    jsonschema.validate(json.loads((KEPT / "whole.json").read_text(encoding="utf-8")), SCHEMA)


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("/", "schema", 2),
        ("/", "coordinate", "cubic"),
        ("/", "programming_correlation", 1.5),
        ("/", "sigma_ref", "of_value"),
        ("/", "basis", {"change": "guessed"}),
        ("/", "array", {"sice": [1, 2]}),
        ("/", "array", {"solver": {"status": "perhaps"}}),
        ("/", "assumptions", [1]),
        ("/history", "dof", -1),
        ("/read_noise", "duration_s", 0),
        ("/faults/tail", "weight", 1.1),
        ("/faults/tail", "basis", "heard"),
        ("/pulse_update/set", "sigma_ref", "of_range"),
        ("/read_iv", "read_V", 0),
    ],
)
def test_schema_and_reader_refuse_the_same(pair, group, name, value):
    document = json.loads(pair.read_text(encoding="utf-8"))
    document["attributes"][group][name] = value
    if name == "schema":
        document["schema"] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)
    pair.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(BadInput, match=r"p\.json"):
        nv.load_profile(pair)


def test_the_schema_of_the_array_section_is_that_of_the_code():
    def bare(item):
        if isinstance(item, dict):
            kept = {key: bare(entry) for key, entry in item.items()}
            return {k: v for k, v in kept.items() if k not in ("title", "description") or not isinstance(v, str)}
        return [bare(entry) for entry in item] if isinstance(item, list) else item

    own = bare(ArraySection.model_json_schema(ref_template="#/$defs/{model}"))
    inner = own.pop("$defs")
    inner.pop("Basis")
    for name, part in {**inner, "ArraySection": own}.items():
        assert bare(SCHEMA["$defs"][name]) == part


def test_an_unknown_entry_of_the_array_section_is_named():
    with pytest.raises(BadInput, match=r"array\.solver\.status: Input should be 'passed'"):
        array_section({"solver": {"status": "maybe"}})


def test_every_broken_rule_is_named(whole, tmp_path):
    path = tmp_path / "p.h5"
    nv.save_profile(whole, path)
    with h5py.File(path, "r+") as file:
        file["/conductance/sigma_S"][0, 0, 0] = -1.0
        file["/conductance/quantiles_S"][0, 0, 1, 0] = 1.0
        file["/history"].attrs["dof"] = 0.0
        file["/faults/tail"].attrs["weight"] = 2.0
        file["/read_iv/ratio"][0, 0] = np.nan
        file["/pulse_update/set/level_S"][0] = 1.0
        file["/change/quantiles"].attrs["sigma_ref"] = "of_value"
        file.attrs["technology"] = 5
    found = violations(path)
    words = (
        "sigma_S must be >= 0", "quantiles_S: quantiles must not decrease", "dof must be > 0", "weight must lie within",
        "/read_iv/ratio must hold finite", "/pulse_update/set/level_S must increase", "sigma_ref must be absolute",
        "attribute technology of / must be a text",
    )  # fmt: skip
    assert [any(word in fault for fault in found) for word in words] == [True] * 8
    done = CliRunner().invoke(app, ["profile", "validate", str(path), "--json"])
    assert done.exit_code == 2
    assert json.loads(done.output)["violations"] == violations(path)
    with pytest.raises(BadInput, match=r"and 7 more: nvmphys profile validate"):
        nv.load_profile(path)


def test_a_basis_edited_at_a_table_is_found(whole, tmp_path):
    nv.save_profile(whole, tmp_path / "p.h5")
    with h5py.File(tmp_path / "p.h5", "r+") as file:
        file["/change/quantiles"].attrs["basis"] = "measured"
    assert "basis must be the profile's ('published'; got 'measured')" in violations(tmp_path / "p.h5")[0]


def test_a_rule_broken_early_hides_none_that_is_broken_later(whole, tmp_path):
    path = tmp_path / "p.h5"
    nv.save_profile(whole, path)
    with h5py.File(path, "r+") as file:
        file.attrs["programming_correlation"] = 7.0
        file["/conductance/sigma_S"][0, 0, 0] = -1.0
        file["/read_noise/sigma_S"].attrs["basis"] = "measured"
        file["/read_noise"].attrs["duration_s"] = -1.0
        file["/confidence/replicates/sigma_S"][0, 0, 0, 0] = -1.0
    found = violations(path)
    words = (
        "programming_correlation must lie within -1 … 1 (got 7)", "sigma_S must be >= 0",
        "/read_noise/sigma_S: basis must",
        "duration_s of /read_noise must be > 0 s", "/confidence/replicates: conductances and sigma_S must be >= 0",
    )  # fmt: skip
    assert [any(word in fault for fault in found) for word in words] == [True] * 5
    assert len(found) == 5


def test_show_names_every_section(whole, tmp_path):
    bare = replace(whole, replicates=None, read_noise_S=None, drift={}, pulse_update={}, array={}, read_iv=None)
    for profile in (whole, bare):
        nv.save_profile(profile, tmp_path / "p.h5")
        done = CliRunner().invoke(app, ["profile", "show", str(tmp_path / "p.h5")])
        assert done.exit_code == 0, done.output
        lines = done.output.splitlines()
        for section in ("read noise", "drift", "pulses", "read current", "array", "replicates"):
            assert any(line.startswith(f"{section}: ") for line in lines), section
    done = json.loads(CliRunner().invoke(app, ["profile", "show", str(KEPT / "whole.h5"), "--json"]).output)
    assert done["sections"]["replicates"].startswith("3 (assumed): ")
    assert "0.2 V" in done["sections"]["read current"]
    assert "set: 1 pulses" in done["sections"]["pulses"]


UNITS = {"/conductance/sigma_S": "S", "/axes/target_S": "S", "/axes/time_s": "s", "/change/quantiles": "1",
         "/read_iv/sinh_per_V": "1/V", "/axes/probability": "1", "/confidence/replicates/change": "1"}  # fmt: skip


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_table_in_another_unit_is_refused_and_not_read_as_siemens(whole, tmp_path, as_bytes):
    path = tmp_path / "p.h5"
    nv.save_profile(whole, path)
    with h5py.File(path, "r+") as file:
        for place in UNITS:
            file[place].attrs["unit"] = np.bytes_("uS") if as_bytes else "uS"
    found = violations(path)
    for place, unit in UNITS.items():
        assert any(f"{place}: unit must be {unit} (got 'uS')" in fault for fault in found), place
    with pytest.raises(BadInput, match="unit must be"):
        nv.load_profile(path)


@pytest.mark.parametrize("place", UNITS)
def test_schema_and_reader_tie_the_unit_to_the_place(pair, place):
    document = json.loads(pair.read_text(encoding="utf-8"))
    document["tables"][place]["unit"] = "V"
    with pytest.raises(jsonschema.ValidationError, match="was expected"):
        jsonschema.validate(document, SCHEMA)
    pair.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(BadInput, match=f"{place}: unit must be {UNITS[place]}"):
        nv.load_profile(pair)


def test_the_unit_of_a_change_is_that_of_the_coordinate(pair):
    document = json.loads(pair.read_text(encoding="utf-8"))
    for place in ("/change/quantiles", "/confidence/replicates/change"):
        document["tables"][place]["unit"] = "S"
    with pytest.raises(jsonschema.ValidationError, match="was expected"):
        jsonschema.validate(document, SCHEMA)
    document["attributes"]["/"]["coordinate"] = "linear"
    jsonschema.validate(document, SCHEMA)


def npz(tables: dict[str, bytes], *, deflated: bool = False) -> bytes:
    """Pack raw members into a zip file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as archive:
        for name, content in tables.items():
            archive.writestr(name, content)
    return stream.getvalue()


def header(shape: str, descr: str = "<f8") -> bytes:
    """Return the head of an npy file."""
    words = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    words += b" " * ((-len(words) - 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(words).to_bytes(2, "little") + words


class Tripwire:
    """An object whose unpickling would be noticed: it makes a folder."""

    def __reduce__(self):
        return (os.mkdir, ("tripped",))


def pickled() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Tripwire()], dtype=object), allow_pickle=True)
    return stream.getvalue()


MEMBERS = {
    "pickled objects": (pickled, "little-endian float64"),
    "a huge shape": (lambda: header("(1000000000, 1000000000)"), "values, more than"),
    "a negative shape": (lambda: header("(-4,)"), "shape that the JSON names"),
    "a zip bomb": (lambda: header("(50000001,)") + bytes(8), "values, more than"),
    "an endless header": (lambda: header("(1,)" + " " * 60000), "no readable header"),
    "a deep header": (lambda: header("(" * 500 + "1" + ")" * 500), "no readable header"),
    "another type": (lambda: header("(2,)", "<c16") + bytes(32), "little-endian float64"),
    "text": (lambda: b"not an array", "no readable header"),
    "too few values": (lambda: header("(2,)") + bytes(8), "cut, or followed by more"),
    "more than it says": (lambda: header("(2,)") + bytes(10**6), "cut, or followed by more"),
    "other values": (lambda: header("(2,)") + bytes(16), "sha256 that the JSON names"),
}


@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("name", MEMBERS)
def test_hostile_tables_of_an_npz_are_refused(pair, name, deflated, monkeypatch):
    monkeypatch.chdir(pair.parent)
    content, words = MEMBERS[name]
    with zipfile.ZipFile(pair.with_suffix(".npz")) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members["axes/target_S.npy"] = content()
    if name == "a zip bomb":
        members["axes/target_S.npy"] += bytes(10**6)
    reseal(pair, npz(members, deflated=deflated))
    with pytest.raises(BadInput, match=words):
        nv.load_profile(pair)
    assert not (pair.parent / "tripped").exists()


def reseal(pair: Path, values: bytes) -> None:
    """Put other values beside a JSON, and their digest into it."""
    pair.with_suffix(".npz").write_bytes(values)
    document = json.loads(pair.read_text(encoding="utf-8"))
    document["values_sha256"] = hashlib.sha256(values).hexdigest()
    pair.write_text(json.dumps(document), encoding="utf-8")


TEXTS = {
    "deep lists": (b"[" * 100_000, "is not readable JSON"),
    "deep objects": (b'{"a":' * 40 + b"1" + b"}" * 40, "nested no more than 32"),
    "an endless number": (b'{"schema": ' + b"9" * 5000 + b"}", "is not readable JSON"),
    "a word that JSON has not": (b'{"schema": NaN}', "NaN is not JSON"),
    "a name given twice": (b'{"schema": 1, "schema": 2}', "a name stands twice"),
    "not UTF-8": (b'{"a": "\xff"}', "is not readable JSON"),
    "nothing": (b"", "is not readable JSON"),
    "a list": (b"[]", "must be a JSON object"),
    "another format": (b'{"format": "x"}', "format must be"),
    "no attributes": (b'{"format": "nvmphys variation profile", "schema": 1}', "attributes must be an object"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_json_is_refused(pair, name):
    content, words = TEXTS[name]
    pair.write_bytes(content)
    with pytest.raises(BadInput, match=words):
        nv.load_profile(pair)


def test_json_names_no_file_that_would_be_opened(pair, tmp_path):
    document = json.loads(pair.read_text(encoding="utf-8"))
    document["tables"]["/../../etc/passwd"] = {"shape": [1], "unit": "1", "sha256": "0" * 64}
    document["attributes"]["/"]["values"] = "/etc/passwd"
    pair.write_text(json.dumps(document), encoding="utf-8")
    same(nv.load_profile(pair), nv.load_profile(KEPT / "whole.h5"))  # what no rule asks for is not looked at
    pair.with_suffix(".npz").unlink()
    with pytest.raises(BadInput, match=r"p\.npz must stand beside it"):
        nv.load_profile(pair)


def test_an_npz_of_another_profile_is_refused(pair, whole, tmp_path):
    other = replace(whole, tables=replace(whole.tables, mean_S=whole.tables.mean_S * 1.01))
    nv.save_profile(other, tmp_path / "other.json")
    pair.with_suffix(".npz").write_bytes((tmp_path / "other.npz").read_bytes())
    with pytest.raises(BadInput, match="does not have the values_sha256"):
        nv.load_profile(pair)


def test_many_tables_within_the_limit_are_refused_together(whole, tmp_path, monkeypatch):
    monkeypatch.setattr("nvmphys.profile.format.MAX_TOTAL", 500)
    for name in ("p.h5", "p.json"):
        nv.save_profile(whole, tmp_path / name)
        assert any("more than 500 values together" in fault for fault in violations(tmp_path / name))


def damaged(document, chance: random.Random):
    """Drop, replace or move one entry somewhere in nested JSON."""
    item = document
    while isinstance(item, dict | list) and item:
        key = chance.choice(list(item)) if isinstance(item, dict) else chance.randrange(len(item))
        if chance.random() < 0.3 or not isinstance(item[key], dict | list) or not item[key]:
            change = chance.choice(("drop", "odd", "odd", "copy"))
            if change == "drop":
                del item[key]
            elif change == "odd":
                item[key] = chance.choice(
                    [None, True, -1, 1e308, 2**70, "", "x", "\ud800", [], [[]], {}, {"float": "NaN"}, "5", [1.0, 0.0]]
                )
            else:
                item[key] = copy.deepcopy(document[chance.choice(list(document))]) if document else None
            return
        item = item[key]


@settings(max_examples=120)
@given(seed=st.integers(0, 2**32))
def test_damaged_json_is_valid_or_refused_by_name(tmp_path_factory, seed):
    chance, folder = random.Random(seed), tmp_path_factory.mktemp("damaged")
    document = json.loads((KEPT / "whole.json").read_text(encoding="utf-8"))
    damaged(document, chance)
    (folder / "p.json").write_text(json.dumps(document), encoding="utf-8")
    values = (KEPT / "whole.npz").read_bytes()
    if chance.random() < 0.3:
        values = values[: chance.randrange(len(values))]
    (folder / "p.npz").write_bytes(values)
    for fault in violations(folder / "p.json"):
        assert "p.json" in fault or "p.npz" in fault
        assert len(fault) < 2000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process that starts at once needs fork")
@pytest.mark.parametrize("suffix", [".h5", ".json"])
def test_a_kill_at_any_moment_of_writing_leaves_a_whole_profile(whole, tmp_path, suffix):
    chance = random.Random(1)
    path = tmp_path / f"p{suffix}"
    nv.save_profile(nv.load_profile(KEPT / "early.h5"), path)
    for _ in range(12):
        child = os.fork()
        if child == 0:  # writes until it is killed
            while True:
                nv.save_profile(whole, path)
        time.sleep(chance.uniform(0.001, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert violations(path) == []


class Killed(BaseException):
    """What stands for a kill: nothing handles it."""


@pytest.mark.parametrize("step", range(6))
def test_a_write_of_the_pair_that_ends_at_any_step_leaves_the_old_or_the_new(whole, tmp_path, monkeypatch, step):
    """Each replacement and removal of a file is a step; the process ends before it, twice over."""
    path = tmp_path / "p.json"
    nv.save_profile(whole, path)
    real = {name: getattr(os, name) for name in ("replace", "unlink", "link")}
    for name in ("first", "second"):
        left = [step]

        def stop(call, *arguments, left=left, **options):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return call(*arguments, **options)

        with monkeypatch.context() as patched:
            for word, call in real.items():
                patched.setattr(os, word, lambda *a, call=call, left=left, **k: stop(call, *a, left=left, **k))
            with contextlib.suppress(Killed):
                nv.save_profile(replace(whole, name=name), path)
        assert violations(path) == []
        assert nv.load_profile(path).name in (whole.name, "first", "second")
