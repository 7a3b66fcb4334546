"""`nvmphys codegen`: what it writes, what its head says, and what it refuses."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import nvmphys as nv
from nvmphys.cli import app
from nvmphys.codegen import suffix, targets
from nvmphys.codegen._circuit import printed
from nvmphys.codegen.chosen import choose
from nvmphys.crossbar.ngspice import run
from nvmphys.devices import device, devices
from nvmphys.devices.model import AMBIENT, VOLTAGE
from nvmphys.errors import BadInput

AMBIENT_K = 300.15


def codegen(*arguments: str | Path) -> str:
    """Run the command and return its stdout; raise what it raised."""
    done = CliRunner().invoke(app, ["codegen", *map(str, arguments)])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def module_of(path: Path):
    """Import a generated file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("target", targets())
def test_stdout_and_file_hold_the_same(target, tmp_path):
    text = codegen("rram_gap", "--to", target)
    written = codegen("rram_gap", "--to", target, "-o", f"{tmp_path}/").split()
    assert written[0] == str(tmp_path / f"rram_gap{suffix(target)}")
    assert Path(written[0]).read_text(encoding="utf-8") == text
    assert len(written) == (2 if target in {"ngspice", "veriloga"} else 1)
    assert {str(path) for path in tmp_path.iterdir()} == set(written)


def test_card_file_card_and_bare_model_give_the_same_device(tmp_path):
    card = tmp_path / "mine.toml"
    nv.save_card(nv.load_card("rram_gap"), card)
    assert codegen(card, "--to", "ngspice") == codegen("rram_gap", "--to", "ngspice")


def test_the_head_says_where_the_values_come_from():
    card = nv.load_card("fe_domains")
    text = codegen("fe_domains", "--to", "ngspice", "--units", "2", "--seed", "7", "--set", "eps=25")
    head = [line[2:] for line in text.splitlines() if line.startswith("* ")]
    assert "card fe_domains, fefet, not calibrated" in head
    assert "assumed: area, tflip" in head
    assert f"published: {', '.join(name for name in card.values if card.basis[name] == 'published')}" in head
    assert "changed by hand, assumed: eps = 25 1" in head
    assert "units: 2 (domain), Ea, hth of each drawn with seed 7" in head
    assert f"nvmphys {nv.__version__}" in head
    assert "validity: voltage_V -4 to 4, temperature_K 280 to 320" in head


def test_the_hash_tells_values_units_and_start_apart():
    ways = [(), ("--units", "3"), ("--units", "2", "--seed", "1"), ("--start", "y_0=0.5"), ("--set", "eps=25")]
    heads = {codegen("fe_domains", "--to", "latex", "--units", "2", *way).split("start: ")[1][:64] for way in ways}
    assert len(heads) == len(ways)
    assert codegen("fe_domains", "--to", "python", "--seed", "3") == codegen(
        "fe_domains", "--to", "python", "--seed", "3"
    )


@pytest.mark.parametrize("target", targets())
def test_values_and_start_reach_the_code(target, tmp_path):
    text = codegen("rram_gap", "--to", target, "--set", "Ea=0.7123", "--start", "g=0.4321")
    assert "0.7123" in text
    if target != "latex":
        assert "0.4321" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rram_gap'; shell id", "--to", "ngspice"), "unknown card or device model"),
        (("rram_gp", "--to", "ngspice"), "unknown card or device model 'rram_gp': did you mean rram_gap"),
        (("$(id)", "--to", "ngspice"), "unknown card or device model"),
        (("pcm_90nm", "--to", "ngspice"), "card pcm_90nm is a conductance card"),
        (("rram_gap", "--to", "ngspce"), "did you mean ngspice"),
        (("rram_gap", "--to", "ngspice", "--set", "Ea=0.6\n.control"), "numbers separated by commas"),
        (("rram_gap", "--to", "ngspice", "--set", "Ea}\n.control=1"), "unknown parameter of rram_gap"),
        (("rram_gap", "--to", "ngspice", "--set", "Ea=0.6,0.7"), "--set must read name=number"),
        (("rram_gap", "--to", "ngspice", "--set", "Ea"), "--set must read name=number"),
        (("rram_gap", "--to", "ngspice", "--set", "Ea=0.6", "--set", "Ea=0.7"), "each name once"),
        (("rram_gap", "--to", "ngspice", "--set", "Ea=nan"), "Ea must lie within 0.4 … 1.6 eV"),
        (("rram_gap", "--to", "ngspice", "--start", "g=9"), "start of g must lie within 2e-10 … 1.7e-09 m"),
        (("rram_gap", "--to", "ngspice", "--start", "h=1"), "unknown state 'h'"),
        (("rram_gap", "--to", "ngspice", "--units", "3"), "the model has none"),
        (("fe_domains", "--to", "ngspice", "--units", "0"), "units must be 1 … 1000"),
        (("fe_domains", "--to", "ngspice", "--set", "Ea=1e8"), "Ea is drawn for each domain"),
        (("fe_domains", "--to", "ngspice", "--seed", "-1"), "seed must be >= 0"),
    ],
)
def test_what_cannot_be_is_refused(arguments, words):
    with pytest.raises(BadInput, match=words):
        codegen(*arguments)


@pytest.mark.parametrize("name", ["a b.lib", "a;shell id.lib", "a'.lib", "$(id).lib", "Upper.lib", "a\n.control.lib"])
def test_a_file_name_that_a_deck_could_misread_is_refused_before_anything_is_written(name, tmp_path):
    with pytest.raises(BadInput, match="name of the file must be"):
        codegen("rram_gap", "--to", "ngspice", "-o", tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x'; shell id", "x\n.control", "Xy", "../x", ""])
def test_a_card_with_a_hostile_name_is_refused(name, tmp_path):
    nv.save_card(nv.load_card("rram_gap"), tmp_path / "card.toml")
    text = (tmp_path / "card.toml").read_text(encoding="utf-8")
    hostile = text.replace('name = "rram_gap"', f'name = "{name}"'.replace("\n", "\\n"), 1)
    (tmp_path / "card.toml").write_text(hostile, encoding="utf-8")
    with pytest.raises(BadInput, match="name"):
        codegen(tmp_path / "card.toml", "--to", "ngspice")


def points(system, model, n: int = 40):
    """Return voltages (n,) and states (n, state) at random within what the model is meant for."""
    rng = np.random.default_rng(1)
    low, high = np.array(system.bounds()).T
    high = np.minimum(high, 10.0)  # a thermal node knows no highest
    return rng.uniform(*model.validity["voltage_V"], size=n), rng.uniform(low, high, size=(n, low.size))


def evaluated(system, voltages, states):
    """Return current, charge and rates (point, expression) as ngspice evaluates what is printed for it."""
    parameters = {name: f"({value!r})" for name, value in system.values.items()}
    lines, expressions = ["* printed expressions"], [system.current, system.charge, *system.rates]
    for k, (volt, at) in enumerate(zip(voltages, states, strict=True)):
        names = parameters | {VOLTAGE.name: f"v(a{k})", AMBIENT.name: "(temper+273.15)"}
        names |= {state.name: f"v(x{k}_{j})" for j, state in enumerate(system.states)}
        lines += [f"Va{k} a{k} 0 {float(volt)!r}", *(f"Vx{k}_{j} x{k}_{j} 0 {float(x)!r}" for j, x in enumerate(at))]
        for j, expression in enumerate(expressions):
            lines.append(f"B{k}_{j} out{k}_{j} 0 V={printed(expression, names)}")
    plot = run("\n".join([*lines, ".options temp=27 reltol=1e-9 vntol=1e-15", ".op", ".end"])).plot
    columns = [[plot[f"v(out{k}_{j})"][0] for j in range(len(expressions))] for k in range(len(voltages))]
    return np.array(columns)


@pytest.mark.parametrize("name", devices())
def test_python_module_says_the_same_as_ngspice_of_the_printed_expressions(name, tmp_path, ngspice):
    units = ("--units", "2") if device(name).units else ()
    module = module_of(Path(codegen(name, "--to", "python", *units, "-o", tmp_path / "made.py").strip()))
    system = choose(name, units=2 if units else None).system()
    voltages, states = points(system, device(name))
    told = evaluated(system, voltages, states)
    assert system.start == module.START
    for volt, at, row in zip(voltages, states, told, strict=True):
        found = [module.current(volt, *at, AMBIENT_K), module.charge(volt, *at, AMBIENT_K)]
        found += module.rate(volt, *at, AMBIENT_K)
        # 1e-8: smooth steps are differences such as 1 - E/|E|, which leave half of the digits far from the step. 1e-7
        # behind a drop in series: here V is as large as the terminals' voltage, and heat then that of amperes
        rel = 1e-8 if system.drop == 0 else 1e-7
        assert np.asarray(found, dtype=float) == pytest.approx(row, rel=rel, abs=1e-25)


@pytest.mark.parametrize("name", devices())
def test_latex_names_every_parameter_and_closes_every_brace(name, tmp_path):
    text = codegen(name, "--to", "latex")
    code = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    plain = re.sub(r"\\[\\{}%&_]", "", code)
    assert plain.count("{") == plain.count("}")
    assert code.count(r"\left") - code.count(r"\leftarrow") == code.count(r"\right") - code.count(r"\rightarrow")
    rows = [line for line in code.splitlines() if line.endswith(r" \\") and line.count(" & ") == 4]
    assert len(rows) == len(device(name).parameters) + 1
    for value in device(name).values().values():
        assert f"& {value:g} &" in code or "one for each unit" in code
    compiler = shutil.which("pdflatex")
    if compiler is None:
        return
    document = rf"\documentclass{{article}}\usepackage[utf8]{{inputenc}}\usepackage{{amsmath}}\begin{{document}}{text}"
    (tmp_path / "made.tex").write_text(document + "\n\\end{document}\n", encoding="utf-8")
    command = [compiler, "-halt-on-error", "-no-shell-escape", "made.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
