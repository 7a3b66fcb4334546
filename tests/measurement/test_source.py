"""Every measurement knows its source: the file's hash, and what the `source.toml` beside it says."""

from __future__ import annotations

import re

import pytest

from nvmphys import files
from nvmphys.errors import BadInput
from nvmphys.measurement import list_sources, load_source, load_table, read
from nvmphys.measurement.source import read_source

DATA = "level,time_s,count,mean_S,sigma_S\n0,0,9,1e-6,1e-7\n"


def source_toml(folder, **fields):
    fields = {"id": folder.name, "title": "Cells", "kind": "summary", **fields}
    lines = [
        f"{key} = {value if isinstance(value, int) else chr(34) + value + chr(34)}" for key, value in fields.items()
    ]
    (folder / "source.toml").write_text("\n".join(lines), encoding="utf-8")
    return folder / "source.toml"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "characterization_data" / "cells"
    folder.mkdir(parents=True)
    (folder / "data.csv").write_text(DATA, encoding="utf-8")
    source_toml(folder, doi="10.1109/x.1", n_devices=9, sha256=files.sha256(folder / "data.csv"))
    return folder


@pytest.fixture
def shipped(folder, monkeypatch):
    monkeypatch.setattr("nvmphys.measurement.source.shipped", lambda name: folder.parent.parent / name)
    return folder


def test_a_source_beside_the_data_is_read(folder):
    source = read(folder / "data.csv")[0].source
    assert (source.id, source.doi, source.n_devices, source.kind) == ("cells", "10.1109/x.1", 9, "summary")
    assert source.sha256 == files.sha256(folder / "data.csv")


def test_data_that_is_not_what_the_source_describes_is_refused(folder):
    (folder / "data.csv").write_text(DATA + "1,0,9,2e-6,1e-7\n", encoding="utf-8")
    with pytest.raises(
        BadInput, match=r"data\.csv: is not the file that source\.toml describes: its sha256 is"
    ) as error:
        read(folder / "data.csv")
    assert "restore the file" in str(error.value)


def test_another_file_beside_the_source_keeps_its_own_hash(folder):
    (folder / "more.csv").write_text(DATA, encoding="utf-8")
    source = read(folder / "more.csv")[0].source
    assert (source.id, source.sha256) == ("cells", files.sha256(folder / "more.csv"))


def test_shipped_sources_are_listed_and_loaded(shipped):
    assert [source.id for source in list_sources()] == ["cells"]
    (measurement,) = load_source("cells")
    assert measurement.is_summary
    assert measurement.source.title == "Cells"


def test_an_unknown_source_is_an_error_with_close_matches(shipped):
    with pytest.raises(BadInput, match=r"unknown source 'cels': did you mean cells\?"):
        load_source("cels")


def test_a_shipped_source_must_carry_its_hash(shipped):
    source_toml(shipped)
    with pytest.raises(BadInput, match=r"has no sha256 of data\.csv: shipped data must be checkable"):
        load_source("cells")


def test_a_shipped_source_is_called_like_its_folder(shipped):
    source_toml(shipped, id="other")
    with pytest.raises(BadInput, match="the source is called 'other', its folder 'cells'"):
        list_sources()


REFUSALS = {
    "published_fit": "is a published law, not a measurement: load_table gives",
    "published_table": "is a published table, not a measurement: load_table gives",
    "summary": "is a table of statistics that no fit reads: load_table gives it",
}


def test_every_source_of_the_package_is_loaded_or_says_what_it_is():
    loaded = set()
    for source in list_sources():
        assert not load_table(source.id).empty
        try:
            measurements = load_source(source.id)
        except BadInput as error:
            refusal = str(error)
        else:
            loaded.add(source.id)
            assert source.kind == "summary"
            assert all(measurement.is_summary and measurement.source == source for measurement in measurements)
            continue
        assert refusal.startswith(f"source {source.id} {REFUSALS[source.kind]}")
        assert "load_table" in refusal
    assert {"rram_1t1r_bake_a", "rram_1t1r_relaxation_c"} <= loaded
    assert "rram_1t1r_switching" not in loaded


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "guess"}, "kind: Input should be 'measured', 'published_fit', 'published_table' or 'summary'"),
        ({"titel": "x"}, "unknown key in"),
        ({"n_devices": 0}, "n_devices: Input should be greater than or equal to 1 (got '0')"),
        ({"doi": "https://doi.org/10.1/x"}, "doi: String should match pattern"),
        ({"sha256": "abc"}, "sha256: String should match pattern"),
        ({"id": "a b"}, "id: String should match pattern"),
    ],
)
def test_every_key_of_a_source_is_checked(tmp_path, fields, words):
    with pytest.raises(BadInput, match=re.escape(words)):
        read_source(source_toml(tmp_path, **{"id": "x", **fields}))


def test_a_source_without_a_title_is_refused(tmp_path):
    (tmp_path / "source.toml").write_text('id = "x"\nkind = "measured"\n', encoding="utf-8")
    with pytest.raises(BadInput, match="title: Field required"):
        read_source(tmp_path / "source.toml")
