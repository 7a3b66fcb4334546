"""Running ngspice: real circuits, and every way in which a run can fail."""

import os
import stat
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from nvmphys.crossbar import Ngspice, find_ngspice, run
from nvmphys.crossbar.ngspice import read_raw
from nvmphys.errors import CheckFailed, MissingTool

DIVIDER = "divider\nv1 top 0 dc 1\nr1 top mid 3k\nr2 mid 0 1k\n.op\n.end\n"
NEEDS_SHELL = pytest.mark.skipif(os.name != "posix", reason="the stand-ins for ngspice are shell scripts")


def raw(points=1, variables=("v(a)", "i(v1)"), flags="real", data=None, kind="Binary"):
    """Return the bytes of a raw file whose data fit its header unless given."""
    table = "".join(f"\t{k}\t{name}\tvoltage\n" for k, name in enumerate(variables))
    header = (
        f"Title: test\nDate: today\nPlotname: Operating Point\nFlags: {flags}\n"
        f"No. Variables: {len(variables)}\nNo. Points: {points}       \nVariables:\n{table}{kind}:\n"
    )
    data = np.arange(points * len(variables), dtype="<f8") if data is None else data
    return header.encode() + data.tobytes()


@pytest.fixture
def stand_in(tmp_path):
    """Make an executable shell script that stands in for ngspice; the file `raw` beside it is its result."""

    def make(script, result=None):
        path = tmp_path / "fake_ngspice"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        if result is not None:
            (tmp_path / "result").write_bytes(result)
        return Ngspice(str(path), "0", has_klu=False, has_osdi=False)

    return make


COPY = 'cp "$(dirname "$0")/result" out.raw'


def test_an_operating_point_is_read_in_full_precision(ngspice):
    result = run(DIVIDER, ngspice)
    assert_allclose(result.plot["v(mid)"], [0.25], rtol=1e-15)
    assert_allclose(result.plot["i(v1)"], [-1 / 4000], rtol=1e-15)
    assert result.plot.name == "Operating Point"
    assert result.seconds > 0


def test_a_sweep_has_a_row_per_point(ngspice):
    plot = run("sweep\nv1 a 0 dc 0\nr1 a 0 2k\n.dc v1 -1 1 0.5\n.end\n", ngspice).plot
    assert_allclose(plot["v(a)"], [-1, -0.5, 0, 0.5, 1], atol=1e-15)
    assert_allclose(plot["i(v1)"], -plot["v(a)"] / 2000, atol=1e-18)


def test_a_transient_follows_the_exponential(ngspice):
    deck = "rc\nr1 a 0 1k\nc1 a 0 1u ic=1\n.options reltol=1e-6\n.tran 1u 3m 0 3u uic\n.end\n"
    plot = run(deck, ngspice).plot
    assert plot["time"][-1] == pytest.approx(3e-3)
    assert_allclose(plot["v(a)"], np.exp(-plot["time"] / 1e-3), atol=1e-5)


def test_a_deck_without_a_last_newline_keeps_its_last_card(ngspice):
    assert_allclose(run(DIVIDER.rstrip("\n"), ngspice).plot["v(mid)"], [0.25], rtol=1e-15)


def test_a_user_s_wish_for_text_raw_files_is_overruled(ngspice, monkeypatch):
    monkeypatch.setenv("SPICE_ASCIIRAWFILE", "1")
    assert_allclose(run(DIVIDER, ngspice).plot["v(mid)"], [0.25], rtol=1e-15)


def test_a_vector_that_was_not_written_is_named(ngspice):
    with pytest.raises(CheckFailed, match=r"ngspice wrote no vector v\(nowhere\)"):
        run(DIVIDER, ngspice).plot["v(nowhere)"]


def test_a_floating_node_is_found_in_spite_of_exit_code_0(ngspice):
    floating = "floating\nv1 a 0 1\nr1 a 0 1\nc1 b 0 1p\ni1 0 b 1u\n.op\n.end\n"
    with pytest.raises(CheckFailed, match=r"(?s)singular matrix.*a node floats.*check node b"):
        run(floating, ngspice)


def test_contradicting_sources_fail_with_the_reason(ngspice):
    with pytest.raises(CheckFailed, match=r"(?s)exit code 1\n.*singular matrix"):
        run("loop\nv1 a 0 1\nv2 a 0 2\nr1 a 0 1\n.op\n.end\n", ngspice)


def test_a_deck_that_ngspice_does_not_understand_fails_with_its_words(ngspice):
    with pytest.raises(CheckFailed, match=r"(?s)exit code 1\n.*unknown subckt: xa"):
        run("nonsense\nv1 a 0 1\nxa a 0 nothing\n.op\n.end\n", ngspice)


def test_an_endless_transient_is_stopped(ngspice):
    with pytest.raises(CheckFailed, match=r"ran longer than timeout_s = 0\.5 s"):
        run("long\nv1 a 0 sin(0 1 1g)\nr1 a 0 1\n.tran 1p 1 0 1p\n.end\n", ngspice, timeout_s=0.5)


def test_the_installed_ngspice_is_described(ngspice):
    assert int(ngspice.version.split(".")[0].rstrip("+")) >= 30
    assert os.access(ngspice.path, os.X_OK)


@NEEDS_SHELL
def test_a_hung_program_is_stopped_and_its_last_words_shown(stand_in):
    with pytest.raises(CheckFailed, match=r"(?s)ran longer than timeout_s = 0\.3 s.*log: still loading"):
        run(DIVIDER, stand_in("echo still loading; exec sleep 30"), timeout_s=0.3)


@NEEDS_SHELL
def test_a_bad_exit_code_fails_even_with_a_good_raw_file(stand_in):
    with pytest.raises(CheckFailed, match=r"(?s)stopped with exit code 3.*log: Error: out of luck"):
        run(DIVIDER, stand_in(f"{COPY}; echo noise; echo 'Error: out of luck' > log; exit 3", raw()))


@NEEDS_SHELL
def test_a_crash_names_the_signal(stand_in):
    with pytest.raises(CheckFailed, match=r"(?s)killed by SIGSEGV.*its log is empty"):
        run(DIVIDER, stand_in("kill -SEGV $$"))


@NEEDS_SHELL
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "Warning: singular matrix:  check node b_0_0",
            "(?s)singular matrix.*log: Warning: singular matrix:  check node",
        ),
        (
            "Error: could not find a valid modelname",
            "(?s)reported an error and ended with exit code 0.*valid modelname",
        ),
        ("run simulation(s) aborted", "reported an error and ended with exit code 0"),
    ],
)
def test_a_failure_told_only_in_the_log_is_found(stand_in, line, message):
    with pytest.raises(CheckFailed, match=message):
        run(DIVIDER, stand_in(f"{COPY}; echo '{line}' > log", raw()))


@NEEDS_SHELL
def test_a_good_run_of_a_stand_in_is_read(stand_in):
    assert run(DIVIDER, stand_in(f"{COPY}; echo 'No. of Data Rows : 1' > log", raw())).plot["i(v1)"] == [1.0]


@NEEDS_SHELL
def test_a_run_without_a_raw_file_fails(stand_in):
    with pytest.raises(CheckFailed, match="raw file missing"):
        run(DIVIDER, stand_in("exit 0"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (raw(points=3)[:-1], "raw file cut: 3 points of 2 variables need 48 bytes, it holds 47"),
        (raw(points=3)[:60], "raw file cut or not binary"),
        (b"", "raw file cut or not binary: no `Binary:` line in 0 bytes"),
        (raw(points=0), "0 points of 2 variables"),
        (raw() + raw(), "of several analyses"),
        (raw(kind="Values"), "not binary"),
        (raw(flags="complex"), "complex values"),
        (raw(data=np.array([1.0, np.nan])), r"not finite, first in i\(v1\)"),
        (raw().replace(b"No. Variables: 2", b"No. Variables: 3"), "3 variables announced, 2 listed"),
        (raw().replace(b"No. Points: 1", b"No. Points: x"), "header incomplete"),
        (raw().replace(b"Flags", b"Fl"), "header incomplete: 'Flags'"),
    ],
)
def test_a_damaged_raw_file_is_named(tmp_path, content, message):
    path = tmp_path / "out.raw"
    path.write_bytes(content)
    with pytest.raises(CheckFailed, match=message):
        read_raw(path)


def test_data_that_look_like_the_end_of_a_header_are_data(tmp_path):
    path = tmp_path / "out.raw"
    data = np.frombuffer(b"\nBinary:\nBinary:", dtype="<f8")
    path.write_bytes(raw(data=data))
    assert read_raw(path)["v(a)"][0] == data[0]


def test_absence_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.delenv("NVMPHYS_NGSPICE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(MissingTool) as error:
        find_ngspice()
    assert str(error.value) == (
        "nvmphys needs ngspice for this check and found none "
        f"(looked at $NVMPHYS_NGSPICE, PATH, {tmp_path / 'bin'}). Install: Debian/Ubuntu "
        "`apt-get install ngspice`; macOS `brew install ngspice`; conda `conda install -c conda-forge ngspice`. "
        "Or pass backend='nodal' to run without SPICE."
    )


def test_a_named_program_that_is_not_there_is_not_replaced_by_another(monkeypatch, tmp_path):
    monkeypatch.setenv("NVMPHYS_NGSPICE", str(tmp_path / "nowhere"))
    with pytest.raises(MissingTool, match=r"looked at \$NVMPHYS_NGSPICE = .*nowhere\)"):
        find_ngspice()


@NEEDS_SHELL
def test_the_named_program_is_asked_for_its_version_and_features(monkeypatch, stand_in):
    fake = stand_in(
        'if [ "$1" = --version ]; then echo "** ngspice-46.1 : Circuit"; echo "** Compiled with KLU Direct Linear"\n'
        'else echo "Error opening osdi lib nvmphys_probe.osdi" > log; exit 1; fi'
    )
    monkeypatch.setenv("NVMPHYS_NGSPICE", fake.path)
    assert find_ngspice() == Ngspice(fake.path, "46.1", has_klu=True, has_osdi=True)


@NEEDS_SHELL
def test_a_program_named_by_a_relative_path_is_found_from_any_folder(monkeypatch, stand_in, tmp_path):
    fake = stand_in('echo "** ngspice-39 : Circuit"')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NVMPHYS_NGSPICE", "./fake_ngspice")
    assert find_ngspice().path == fake.path


@NEEDS_SHELL
def test_an_old_program_has_neither_klu_nor_osdi(monkeypatch, stand_in):
    fake = stand_in('echo "** ngspice-39 : Circuit"; echo "osdi: no such command available in ngspice" > log')
    monkeypatch.setenv("NVMPHYS_NGSPICE", fake.path)
    assert find_ngspice() == Ngspice(fake.path, "39", has_klu=False, has_osdi=False)


@NEEDS_SHELL
def test_another_program_is_not_taken_for_ngspice(monkeypatch, stand_in):
    monkeypatch.setenv("NVMPHYS_NGSPICE", stand_in("echo hello").path)
    with pytest.raises(MissingTool, match=r"(?s)is not an ngspice that runs: .*log: hello"):
        find_ngspice()


@NEEDS_SHELL
def test_a_program_that_does_not_answer_is_named(monkeypatch, stand_in):
    monkeypatch.setattr("nvmphys.crossbar.ngspice.PROBE_TIMEOUT_S", 0.3)
    monkeypatch.setenv("NVMPHYS_NGSPICE", stand_in("exec sleep 30").path)
    with pytest.raises(MissingTool, match=r"no answer within 0\.3 s"):
        find_ngspice()


@NEEDS_SHELL
def test_a_program_that_does_not_start_is_named(tmp_path):
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x00not a program")
    broken.chmod(0o755)
    with pytest.raises(MissingTool, match=r"broken does not start: .*Set \$NVMPHYS_NGSPICE"):
        run(DIVIDER, Ngspice(str(broken), "0", has_klu=False, has_osdi=False))
