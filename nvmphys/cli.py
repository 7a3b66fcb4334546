"""The command line: results on stdout, progress and messages on stderr.

Exit codes: 0 done, 1 a check failed or interrupted, 2 bad input, 3 a needed tool is missing.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import nvmphys as nv
from nvmphys import array_study
from nvmphys import study as studies
from nvmphys.codegen import suffix
from nvmphys.codegen.bench import BENCHED, bench_deck, bench_name
from nvmphys.codegen.chosen import choose
from nvmphys.codegen.osdi import find_compiler
from nvmphys.crossbar import find_ngspice
from nvmphys.crossbar.writing import WritePulse
from nvmphys.devices import device, devices
from nvmphys.devices.cards import dynamics_of
from nvmphys.errors import BadInput, MissingTool, NvmphysError
from nvmphys.exporters import conformance, consumers, export, usage
from nvmphys.files import replacing, write_text
from nvmphys.fit import fittable
from nvmphys.fit.compare import BUDGET_S
from nvmphys.fit.result import versions
from nvmphys.impact import Wires, digits_network
from nvmphys.impact.through import compare_through, in_words
from nvmphys.measurement import inspect as inspection
from nvmphys.population import models as conductance_models
from nvmphys.profile import violations
from nvmphys.profile.confidence import DEFAULT_REPLICATES
from nvmphys.profile.dynamics import pulse_update_of, read_iv_of
from nvmphys.profile.words import sections_in_words
from nvmphys.report import (
    cell,
    column_name,
    comparison_page,
    dynamics_page,
    identified_rows,
    law_page,
    printable,
    render_folder,
    save_experiment,
    save_impact,
    write_comparison,
    write_fit_page,
)
from nvmphys.simulate import EXPERIMENTS
from nvmphys.technologies import technology_matrix

app = typer.Typer(
    help="Measurement files in, calibrated conductance statistics out, with SPICE in the loop.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
crossbar_app = typer.Typer(help="Crossbars of cells drawn from a card.", no_args_is_help=True, rich_markup_mode=None)
profile_app = typer.Typer(
    help="Variation profiles: build, show, check, convert.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(crossbar_app, name="crossbar")
app.add_typer(profile_app, name="profile")

_NOT_PRINTED = ["sigma", "coverage_50", "coverage_99", "pit_ks_p"]
"""Columns of a judgement that are in the card and the report, but too many for a terminal."""
_RANKED = ["kind", "rms", "low", "high", "as_good", "fits"]
_NEXT_SHOWN = 12
"""Experiments that could be next of those that are printed."""
_out = Console()
_err = Console(stderr=True)

Seed = Annotated[int, typer.Option(help="Seed of all random draws.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine to read.")]
CardName = Annotated[str, typer.Argument(help="Name of a shipped card, or a card file.")]
CardOrProfile = Annotated[str, typer.Argument(help="A card (its name or file), or a profile (.h5, .json).")]
Size = Annotated[str, typer.Option(help="Word lines x bit lines, for example 64x64.")]
Time = Annotated[float | None, typer.Option(help="Time since programming [s]; default an hour, or the last known.")]
Temperature = Annotated[float | None, typer.Option(help="Temperature [K], of a card that has a law of it.")]
Wire = Annotated[float, typer.Option(help="Resistance of a wire segment [ohm].")]
Driver = Annotated[float, typer.Option(help="Resistance of each driver [ohm].")]
Sense = Annotated[float, typer.Option(help="Resistance of each sense amplifier [ohm].")]
Volts = Annotated[float, typer.Option(help="Read voltage on every word line [V].")]


@contextmanager
def _processes(workers: int) -> Iterator[ProcessPoolExecutor | None]:
    """Give a pool of processes, none for one; a fork would copy the threads of the progress bar."""
    if workers == 1:
        yield None
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield pool


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show steps on stderr while they run; off when stderr is not a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield tell


def _say(text: str) -> None:
    _err.print(text, highlight=False, markup=False, soft_wrap=True)


def _measurements(data: list[str], columns: Path | None) -> list[nv.Measurement]:
    """Read files, or shipped sources by their id."""
    shipped = {source.id for source in nv.list_sources()}
    out: list[nv.Measurement] = []
    for item in data:
        out += nv.load_source(item) if item in shipped and not Path(item).exists() else nv.read(item, columns)
    for measurement in out:
        for exclusion in measurement.exclusions:
            _say(f"{measurement.source.id}: left out {exclusion.count} × {exclusion.rule} ({exclusion.where})")
    return out


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study, a TOML file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for everything that is made.")],
    seed: Annotated[int | None, typer.Option(help="In place of the study's seed.")] = None,
) -> None:
    """Run the whole chain of a study: nvmphys run studies/demo_rram.toml -o results/demo_rram."""
    with _progress() as progress:
        outcome = studies.run_study(study, out, seed=seed, tell=_say, progress=progress)
    if outcome.spice is None:
        _say("NOTE: the SPICE check was NOT made (ngspice was not found); the nodal solver's result stands alone.")
    elif not outcome.spice:
        _say("FAILED: ngspice and the nodal solver disagree; see the report.")
    print(outcome.report)
    if outcome.spice is False:
        raise typer.Exit(1)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A measurement file.")],
    columns: Annotated[Path | None, typer.Option(help="Column map, a TOML file.")] = None,
    area: Annotated[float | None, typer.Option(help="Area of the capacitor [m^2]: gives the result of a PUND.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what was understood of a file, and what was left out and why: nvmphys inspect data.csv."""
    measurements = nv.read(file, columns)
    description = inspection.describe(measurements, file)
    results = (
        [] if area is None else [nv.switched_polarization(m, area) for m in measurements if m.experiment == "pund"]
    )
    if as_json:
        print(json.dumps(description | ({"pund": [asdict(result) for result in results]} if results else {}), indent=2))
        return
    _out.print(inspection.render(description))
    for result in results:
        print(f"PUND: {result.sentence}")
    if area is None and any(m.experiment == "pund" for m in measurements):
        _say("PUND: give --area [m^2] to get the switched polarization")


@app.command()
def fit(
    data: Annotated[list[str], typer.Argument(help="Measurement files, or ids of shipped sources.")],
    model: Annotated[str | None, typer.Option(help="Model to fit (nvmphys list models).")] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The card to write; of --compare a table, .csv or .json.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Rank all models that can be fitted, by their error on what is left out.")
    ] = False,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="Judge it without longest-pulse, highest-voltage or highest-temperature; may be repeated."),
    ] = None,
    show_next: Annotated[
        bool, typer.Option("--next", help="Rank experiments to make next by what a device model would learn.")
    ] = False,
    each: Annotated[
        Path | None,
        typer.Option(
            help="Fit each device alone; write their parameters to this CSV, and the card of their population."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes of --each.")] = 1,
    report_to: Annotated[
        Path | None,
        typer.Option("--report", help="Folder for report.html and its pictures."),
    ] = None,
    columns: Annotated[Path | None, typer.Option(help="Column map, a TOML file.")] = None,
    holdout: Annotated[float, typer.Option(help="Share of devices left out to judge the fit.")] = 0.2,
    technology: Annotated[
        str | None, typer.Option(help="rram, pcm or fefet; of a card rram by default, of --compare all by default.")
    ] = None,
    budget: Annotated[
        float, typer.Option(help="Processor seconds that each candidate of --compare may take in all.", min=1.0)
    ] = BUDGET_S,
    levels: Annotated[int | None, typer.Option(help="Number of programming levels from 0 to --g-max.")] = None,
    g_max: Annotated[float | None, typer.Option(help="Top of the programming range [S].")] = None,
    knots: Annotated[int | None, typer.Option(help="Level knots of the fitted surface.")] = None,
    bootstrap: Annotated[int | None, typer.Option(help="Refits on resampled devices, for the intervals.")] = None,
    free: Annotated[
        str | None, typer.Option(help="Parameters of a device model to fit, comma-separated; else those the data tell.")
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter of a device model to hold or to start from, as Ea=0.7."),
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Fit a model and write its card: nvmphys fit data.csv --model relaxation -o card.toml.

    Or ask which model: nvmphys fit data.csv --compare -o ranking.csv.
    """
    if compare:
        _compare(data, columns, holdout, seed, out, report_to, as_json, technology, budget)
        return
    if model is None or out is None:
        raise BadInput("fit needs --model NAME and -o CARD.toml, or --compare to rank all models")
    if report_to is not None and (each is not None or model in conductance_models()):
        raise BadInput("--report shows fits of device models and of pulse laws: of conductance, nvmphys run does")
    given = {
        "n_levels": levels, "g_max_S": g_max, "knots": knots, "bootstrap": bootstrap,
        "free": None if free is None else [name.strip() for name in free.split(",")],
        "values": _assigned(values, "--set") or None, "leave_out": leave_out or None,
    }  # fmt: skip
    options = {name: value for name, value in given.items() if value is not None}
    if each is not None:
        _fit_each(_measurements(data, columns), model, out, each, workers, seed, options)
        return
    with _progress() as progress:
        measurements = _measurements(data, columns)
        result = nv.fit(measurements, model, holdout=holdout, seed=seed, progress=progress, **options)
    if not isinstance(result, nv.FitResult):
        _say_identified(result)
    following = _next(result) if show_next else None
    if report_to is not None and not isinstance(result, nv.FitResult):
        _say(f"report: {_write_report(result, following, report_to, out.stem)}")
    card = result.card(out.stem) if isinstance(result, nv.DynamicsFit) else result.card(out.stem, technology or "rram")
    nv.save_card(card, out)
    if as_json:
        print(json.dumps({"card": str(out), "calibration": dict(card.calibration)}, default=str))
        return
    if not isinstance(result, nv.FitResult):
        print(out)
        return
    if result.left_out is not None:
        figures = "  ".join(f"{p:.0%}: {result.left_out.coverage(p):.1%}" for p in (0.5, 0.9, 0.99))
        _say(f"left out: {result.left_out_what}; coverage of central intervals  {figures}")
    for title, table in result.tables.items():
        _say(f"{title}:")
        _err.print(_as_table(table.to_dict("records")))
    for exclusion in result.exclusions[sum(len(m.exclusions) for m in measurements) :]:
        _say(f"not fitted: {exclusion.count} × {exclusion.rule} ({exclusion.where})")
    for sentence in result.assumptions:
        _say(f"assumed: {sentence}")
    for sentence in result.unknown:
        _say(f"not known: {sentence}")
    print(out)


def _fit_each(
    measurements: list[nv.Measurement], model: str, out: Path, table: Path, workers: int, seed: int,
    options: dict[str, Any],
) -> None:  # fmt: skip
    """Fit each device alone; write the table of all, and the card of their population."""
    alien = sorted(set(options) - {"free", "values"})
    if alien:
        raise BadInput(f"--each fits device models and takes --free and --set (got {', '.join(alien)})")
    with _progress() as progress, _processes(workers) as pool:
        result = nv.fit_each(measurements, model, seed=seed, executor=pool, progress=progress, **options)
    with replacing(table) as part:
        result.table.to_csv(part)
    _say(f"{len(result.good)} of {len(result.table)} devices converged inside the bounds: {table}")
    nv.save_card(result.card(out.stem), out)
    _err.print(_as_table(printable(result.population().reset_index())))
    print(out)


def _compare(
    data: list[str], columns: Path | None, holdout: float, seed: int, out: Path | None, report_to: Path | None,
    as_json: bool, technology: str | None, budget: float,
) -> None:  # fmt: skip
    """Rank all models and print or write the table."""
    suffixes = (".csv", ".json")
    if out is not None and out.suffix not in suffixes:
        raise BadInput(f"-o of --compare must end in {' or '.join(suffixes)} (got {out.name})")
    with _progress() as progress:
        found = nv.compare(
            _measurements(data, columns), holdout=holdout, seed=seed, progress=progress, technology=technology,
            budget_s=budget,
        )  # fmt: skip
    table = found.table()
    text = json.dumps(
        {
            "quantity": found.quantity, "none_fits": found.none_fits, "best": found.best, "said": list(found.said),
            "ranking": json.loads(table.to_json(orient="records")),
            "where": {r.what: json.loads(r.where.to_json(orient="records")) for r in found.rankings},
        },
        indent=2, ensure_ascii=False,
    )  # fmt: skip
    if out is not None:
        write_text(out, text if out.suffix == ".json" else table.to_csv(index=False))
    if report_to is not None:
        title = f"Which model? {', '.join(Path(item).name for item in data)}"
        _say(f"report: {write_fit_page(comparison_page(found, title), report_to)}")
    if as_json:
        print(text)
        return
    for ranking in found.rankings:
        _say(f"without {ranking.what}, errors in {found.quantity}:")
        shown = ranking.table.loc[ranking.table["rms"].notna(), _RANKED].reset_index()
        _err.print(_as_table(printable(shown)))
    for sentence in found.said:
        _say(sentence)
    for name, row in pd.concat([found.refused, *(r.table[r.table["rms"].isna()] for r in found.rankings)]).iterrows():
        _say(f"not ranked: {name}: {row['reason']}")
    print(found.best if out is None else out)


def _write_report(
    result: nv.DynamicsFit | nv.LawFit, following: pd.DataFrame | None, folder: Path, title: str
) -> Path:  # fmt: skip
    """Write the page of a fit."""
    if isinstance(result, nv.LawFit):
        with _progress() as progress:
            return write_fit_page(law_page(result, title, progress), folder)
    with _progress() as progress:
        page = dynamics_page(result, title, following, progress)
    return write_fit_page(page, folder)


def _next(result: nv.DynamicsFit | nv.LawFit | nv.FitResult) -> pd.DataFrame:
    """Return what could be measured next, and lay it out on stderr."""
    if not isinstance(result, nv.DynamicsFit):
        raise BadInput("--next ranks experiments of a device model: the model fitted is a law")
    with _progress() as progress:
        table = result.next_experiments(progress=progress)
    _say("what to measure next, by the gain in ln det of the Fisher information:")
    shown = table[table["ln_det_gain"].notna()][["experiment", "change", "ln_det_gain", "sharpest", "falls_by"]]
    _err.print(_as_table(printable(shown.head(_NEXT_SHOWN))))
    return table


def _say_identified(result: nv.DynamicsFit | nv.LawFit) -> None:
    """Lay out what the fit of a device model or a law found, on stderr."""
    for part, found in result.parts.items():
        if part:
            _say(f"{part}:")
        _err.print(_as_table(identified_rows(found, result.parameters)))
    for what, judged in result.left_out.items():
        _say(f"left out, {what}:")
        shown = judged.reset_index().drop(columns=_NOT_PRINTED, errors="ignore")
        if "experiment" in shown and shown["experiment"].nunique() == 1:
            shown = shown.drop(columns="experiment")
        _err.print(_as_table(shown.to_dict("records")))
    for sentence in result.said:
        _say(sentence)


def _array_settings(
    size: str, time: float | None, temperature: float | None, wire: float, driver: float, sense: float, volts: float
) -> studies.Array:
    """Return the array that the options describe."""
    lines = size.lower().split("x")
    if len(lines) != 2 or not all(n.isdecimal() and 1 <= int(n) <= 1024 for n in lines):
        raise BadInput(f"--size must read ROWSxCOLUMNS with 1 … 1024 each (got {size!r}): for example 64x64")
    return studies.Array(
        size=(int(lines[0]), int(lines[1])), r_wire_ohm=wire, r_driver_ohm=driver, r_sense_ohm=sense, v_read_V=volts,
        time_s=time, temperature_K=temperature,
    )  # fmt: skip


@crossbar_app.command()
def solve(
    card: CardName,
    size: Size = "64x64",
    time: Time = None,
    temperature: Temperature = None,
    wire: Wire = 1.0,
    driver: Driver = 0.0,
    sense: Sense = 0.0,
    volts: Volts = 0.2,
    method: Annotated[str, typer.Option(help="auto, cg (conjugate gradients) or nodal (sparse direct).")] = "auto",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Solve an array of drawn cells: nvmphys crossbar solve pcm_90nm --size 64x64 --time 3600."""
    settings = _array_settings(size, time, temperature, wire, driver, sense, volts)
    crossbar, v, _ = studies.draw_array(nv.load_card(card), settings, np.random.default_rng(seed))
    solution = crossbar.solve(v, method)
    error = nv.matvec_error(crossbar, v, solution)
    figures = {
        "output_A": solution.current_A.tolist(),
        "error_mean_of_full_scale": error.mean,
        "error_sigma_of_full_scale": error.sigma,
        "ir_drop_max": float(np.nanmax(solution.ir_drop_fraction)),
        "residual": solution.residual,
        "method": solution.method,
    }
    if as_json:
        print(json.dumps(figures))
        return
    print(f"output currents {solution.current_A.min() * 1e6:.4g} … {solution.current_A.max() * 1e6:.4g} µA")
    print(f"matrix-vector error {error.mean:+.3%} ± {error.sigma:.3%} of full scale")
    print(f"largest IR drop {figures['ir_drop_max']:.2%} of the line's voltage; residual {solution.residual:.1e}")


@crossbar_app.command()
def validate(
    cells: CardOrProfile,
    size: Size = "64x64",
    time: Time = None,
    temperature: Temperature = None,
    wire: Wire = 1.0,
    driver: Driver = 0.0,
    sense: Sense = 0.0,
    volts: Volts = 0.2,
    backend: Annotated[str, typer.Option(help="ngspice, pyspice (as a library) or nodal, without SPICE.")] = "ngspice",
    draws: Annotated[
        int, typer.Option(min=0, help="Arrays drawn in ngspice, for the statistics; 0 leaves them out.")
    ] = 0,
    predict_with: Annotated[
        Path | None, typer.Option("--profile", help="The profile that predicts the statistics; of a card else its own.")
    ] = None,
    read_time: Annotated[float | None, typer.Option(help="Duration of a read [s], for its energy.")] = None,
    line_farad: Annotated[
        float, typer.Option("--c-line", min=0, help="Capacitance of each segment of a line [F]: settling time.")
    ] = 0.0,
    cell_farad: Annotated[float, typer.Option("--c-cell", min=0, help="Capacitance across each cell [F].")] = 0.0,
    within: Annotated[
        float, typer.Option("--settle-within", min=1e-6, max=0.5, help="Share of full scale that is settled.")
    ] = 0.01,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder for maps, outputs and a picture.")] = None,
    into: Annotated[
        Path | None, typer.Option(help="Write the profile again, with what was found in its array section.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Validate an array in three parts, solver, cell and statistics: nvmphys crossbar validate pcm_90nm --size 32x32.

    With --draws 100 arrays are drawn in ngspice and held against what a profile predicts. With --c-line or --c-cell
    the settling time of the outputs is told, and its transient held against ngspice's. The exit code is 1 where a
    comparison that was made did not pass.
    """
    settings = _array_settings(size, time, temperature, wire, driver, sense, volts).model_copy(
        update={"c_line_F": line_farad, "c_cell_F": cell_farad, "settle_within": within}
    )
    profile = predict_with or (Path(cells) if Path(cells).suffix in array_study.PROFILE_SUFFIXES else None)
    if into is not None and profile is None:
        raise BadInput("--into writes a profile again: give --profile, or a profile in place of the card")
    with _progress() as progress:
        found = array_study.judge(
            cells, settings, seed=seed, backend=backend, draws=draws, progress=progress,
            predict_with=None if predict_with is None else str(predict_with),
        )  # fmt: skip
    if as_json:
        print(json.dumps(found.figures(read_time)))
    else:
        print(found.validation)
        for name, finding in found.findings.items():
            print(f"{name}: {finding}")
        print(f"matrix-vector error {found.matvec.mean:+.3%} ± {found.matvec.sigma:.3%} of full scale")
        if found.settling is not None:
            print(f"settling: {found.settling}")
        energy = "" if read_time is None else f", {found.read_power_W * read_time:.4g} J a read"
        print(f"read power {found.read_power_W:.4g} W{energy}")
    for path in [] if out is None else array_study.write_judged(found, out, read_time):
        _say(str(path))
    if into is not None:
        nv.save_profile(replace(nv.load_profile(profile), array=found.section()), into)  # type: ignore[arg-type]
        _say(str(into))
    if any(finding.failed for finding in found.findings.values()):
        raise typer.Exit(1)


@crossbar_app.command()
def montecarlo(
    cells: CardOrProfile,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of this study alone; what is in it is taken up.")],
    size: Size = "128x128",
    draws: Annotated[int, typer.Option(min=1, help="Arrays to draw; more can be asked for later.")] = 1000,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    time: Time = None,
    temperature: Temperature = None,
    wire: Wire = 1.0,
    driver: Driver = 0.0,
    sense: Sense = 0.0,
    volts: Volts = 0.2,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Draw an array many times, with a pause wherever you like: nvmphys crossbar montecarlo P.h5 --draws 1000 -o DIR.

    Stopped with Ctrl-C or worse, the same command goes on from the draws in the folder. Writes errors.csv, a row per
    column, and errors.png.
    """
    settings = _array_settings(size, time, temperature, wire, driver, sense, volts)
    with _progress() as progress, _processes(workers) as pool:
        made, written = array_study.run_monte_carlo(
            cells, settings, draws, out, seed=seed, executor=pool, progress=progress
        )
    if as_json:
        figures: dict[str, Any] = {"draws": draws, "computed": made.computed, "files": [str(path) for path in written]}
        mean, sigma = float(made.error.mean()), float(made.error.std())
        print(json.dumps(figures | {"error_mean_of_full_scale": mean, "error_sigma_of_full_scale": sigma}))
        return
    _say(f"{made.computed} draws solved, the others were there; error of a column {made.error.mean():+.3%} ± "
         f"{made.error.std():.3%} of full scale")  # fmt: skip
    for path in written:
        print(path)


@crossbar_app.command("write")
def write_command(
    card: CardName,
    voltage: Annotated[float, typer.Option(help="Voltage of the pulse from word line to bit line [V].")],
    width: Annotated[float, typer.Option(help="Width of the pulse [s], half of each edge counted.")],
    cells: Annotated[list[str], typer.Option("--cell", help="Cell to write, as WORD,BIT from 0; may be repeated.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the cells, the summary and a picture.")],
    size: Size = "8x8",
    scheme: Annotated[str, typer.Option(help="Other lines: half (V/2), third (V/3, 2V/3) or floating.")] = "half",
    pulses: Annotated[int, typer.Option(min=1, help="Pulses for each cell.")] = 1,
    edge: Annotated[float | None, typer.Option(help="Each edge [s]; default 5 % of the width.")] = None,
    rest: Annotated[float | None, typer.Option(help="Time at 0 V before and after [s]; default half a width.")] = None,
    start: Annotated[
        list[str] | None, typer.Option("--start", help="A state of all cells, as g=1.2; else the first is drawn.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="Temperature [K]; default 300.")] = None,
    wire: Wire = 1.0,
    driver: Driver = 0.0,
    sense: Sense = 0.0,
    volts: Volts = 0.1,
    limit: Annotated[
        float | None, typer.Option(help="Count the pulses after which half-selected cells have changed by this share.")
    ] = None,
    form: Annotated[str, typer.Option(help="Cells in ngspice: auto, osdi (compiled) or subcircuit.")] = "auto",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Write cells, and see what it does to the others: crossbar write rram_jart --voltage -1.2 --width 1e-6 --cell 3,4.

    All cells move by their model's equations in ngspice; what half-selected ones lose is in cells.csv, write.json and
    write.png.
    """
    settings = _array_settings(size, None, temperature, wire, driver, sense, volts)
    write_pulse = WritePulse(voltage, width, edge, rest)
    places = [_place(text) for text in cells]
    with _progress() as progress:
        figures, written = array_study.write_cells(
            card, settings, places, write_pulse, out, scheme=scheme, repeat=pulses, seed=seed,
            start=_assigned(start, "--start"), limit=limit, form=form, progress=progress,
        )  # fmt: skip
    if as_json:
        print(json.dumps(figures | {"files": [str(path) for path in written]}))
        return
    for place, before, after in zip(places, figures["selected_before_S"], figures["selected_after_S"], strict=True):
        print(f"cell {place[0]},{place[1]}: {before * 1e6:.4g} -> {after * 1e6:.4g} µS at {volts:g} V")
    for kind, found in figures["change"].items():
        print(f"{kind}: {found['cells']} cells, changed {found['mean']:+.3%}, at most {found['largest_magnitude']:.3%}")
    print(f"energy {sum(figures['energy_J']):.4g} J of {len(figures['energy_J'])} pulses")
    if limit is not None:
        reached = figures["pulses_to_limit"]
        count = f"more than {reached['pulses_tried']}" if reached["fewest"] is None else f"{reached['fewest']:.0f}"
        print(f"pulses at {reached['voltage_V']:g} V until a cell has changed by {limit:.3%}: {count}")
    for path in written:
        _say(str(path))


def _place(text: str) -> tuple[int, int]:
    """Read the place of a cell."""
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise BadInput(f"--cell must read WORD,BIT, both counted from 0 (got {text!r}): for example 3,4")
    return int(parts[0]), int(parts[1])


@crossbar_app.command("map")
def map_command(
    cells: CardOrProfile,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the table and the picture.")],
    sizes: Annotated[str, typer.Option(help="Lines each way, comma-separated.")] = "8,16,32,64,128,256",
    wires: Annotated[str, typer.Option(help="Wire segments [ohm], comma-separated.")] = "0.1,0.3,1,3,10",
    error: Annotated[float, typer.Option(help="Error of the contour, as a share of an output's current.")] = 0.01,
    time: Time = None,
    temperature: Temperature = None,
    driver: Driver = 0.0,
    sense: Sense = 0.0,
    volts: Volts = 0.2,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Map the error over sizes and wires, with the largest array for 1 %: nvmphys crossbar map pcm_90nm -o DIR."""
    lines = [int(n) for n in _numbers(sizes, "--sizes") or []]
    ohms = sorted(set(_numbers(wires, "--wires") or []))
    if not lines or not all(1 <= n <= 1024 for n in lines):
        raise BadInput(f"--sizes must lie within 1 … 1024 lines (got {sizes!r})")
    settings = _array_settings("1x1", time, temperature, 0.0, driver, sense, volts)
    with _progress() as progress:
        largest, written = array_study.map_sizes(cells, settings, lines, ohms, error, out, seed=seed, progress=progress)
    if as_json:
        known = [None if not np.isfinite(n) else float(n) for n in largest]
        print(json.dumps({"wire_ohm": ohms, "largest": known, "files": [str(path) for path in written]}))
        return
    for ohm, n in zip(ohms, largest.tolist(), strict=True):
        said = f"beyond {max(lines)}" if n == np.inf else f"below {min(lines)}" if np.isnan(n) else f"{n:.0f}"
        print(f"{ohm:g} ohm: largest array for {error:.3g} of error {said} lines")
    for path in written:
        _say(str(path))


def _numbers(text: str | None, name: str) -> list[float] | None:
    """Read comma-separated numbers of an option."""
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(f"{name} must be numbers separated by commas (got {text!r})") from None


@profile_app.command("build")
def profile_build(
    card: CardName,
    out: Annotated[Path, typer.Option("-o", "--out", help="The profile to write (HDF5).")],
    targets: Annotated[
        str | None, typer.Option(help="Targets [S], comma-separated; default 32 over the range.")
    ] = None,
    times: Annotated[
        str | None, typer.Option(help="Times since programming [s], comma-separated; default one a decade.")
    ] = None,
    extrapolate: Annotated[bool, typer.Option(help="Allow times beyond the card's; they are marked.")] = False,
    temperatures: Annotated[
        str | None, typer.Option(help="Temperatures [K], comma-separated, of a card that has a law of them.")
    ] = None,
    scheme: Annotated[
        Path | None, typer.Option(help="How the devices of a dynamics card are programmed, a TOML file.")
    ] = None,
    pulses: Annotated[
        bool, typer.Option(help="Add what single pulses of the scheme do, of a dynamics card (takes a minute).")
    ] = False,
    replicates: Annotated[
        int, typer.Option(help="Tables as if other devices had been measured, where the card tells how.")
    ] = DEFAULT_REPLICATES,
    seed: Seed = 0,
) -> None:
    """Build a profile: nvmphys profile build rram_1t1r_relaxation -o P.h5 --times 1,3600,86400.

    A dynamics card is programmed first: nvmphys profile build rram_gap --scheme SCHEME.toml -o P.h5. A name that ends
    in .json gives JSON with the tables beside it as npz.
    """
    loaded = nv.load_card(card)
    axis, heat = _numbers(targets, "--targets"), _numbers(temperatures, "--temperatures")
    sections: dict[str, Any] = {}
    if loaded.kind == "dynamics" or scheme is not None:
        dynamics, loaded = loaded, _programmed(loaded, scheme, axis, _numbers(times, "--times") or [], seed)
        assert scheme is not None
        sections = _of_dynamics(dynamics, nv.load_scheme(scheme), pulses, seed)
    elif pulses:
        raise BadInput(f"card {loaded.name} holds no dynamics to give pulses to: leave --pulses out")
    when = _numbers(times, "--times")
    profile = nv.build_profile(
        loaded, axis, when, heat, rng=seed, extrapolate=extrapolate, replicates=replicates, **sections
    )
    nv.save_profile(profile, out)
    print(out)


def _programmed(
    card: nv.ModelCard, scheme: Path | None, targets: list[float] | None, times: list[float], seed: int
) -> nv.ModelCard:
    """Program the devices of a dynamics card, and say how that went."""
    if card.kind != "dynamics":
        raise BadInput(f"card {card.name} is a {card.kind} card, its cells are programmed: leave --scheme out")
    if scheme is None:
        raise BadInput(
            f"card {card.name} is a dynamics card: give --scheme SCHEME.toml, how its devices are programmed (an empty "
            "file takes what suits the model; nvmphys list experiments names the settings of write_verify)"
        )
    with _progress() as progress:
        made = nv.program(card, targets, scheme=nv.load_scheme(scheme), times_s=times, rng=seed, progress=progress)
    _say_programming(pd.DataFrame(made.provenance["programming"]))
    return made


def _of_dynamics(card: nv.ModelCard, scheme: nv.Scheme, pulses: bool, seed: int) -> dict[str, Any]:
    """Return the sections of a profile that only a model of the dynamics knows; what it does not know is said."""
    found: dict[str, Any] = {}
    own: dict[str, Any] = {"settings": scheme.write_verify, "values": scheme.values}
    try:
        found["read_iv"] = read_iv_of(card, **own)
        if pulses:
            with _progress() as progress:
                found["pulse_update"] = pulse_update_of(
                    card, **own, population=scheme.population or None, rng=seed, progress=progress
                )
    except BadInput as error:
        _err.print(f"left out: {escape(str(error))}")
    return found


def _say_programming(summary: pd.DataFrame) -> None:
    """Lay out what a scheme made of each target, on stderr."""
    energies = "energy_mean_J" in summary
    title = "programmed; in brackets σ (absolute), 99 % of the cells"
    table = Table(title=title, collapse_padding=True, pad_edge=False)
    for name in ("target", "µS", "accepted", "above", "below", "pulses", *(["energy [pJ]"] if energies else [])):
        table.add_column(escape(name), justify="right", no_wrap=True)
    for row in summary.to_dict("records"):
        picojoules = [row[name] * 1e12 for name in ("energy_mean_J", "energy_99_J")] if energies else []
        table.add_row(
            f"{row['target_S'] * 1e6:.4g}", f"{row['mean_S'] * 1e6:.4g} ({row['sigma_S'] * 1e6:.3g})",
            *(f"{row[share]:.1%}" for share in ("accepted", "ended_above", "ended_below")),
            f"{row['pulses_mean']:.1f} ({row['pulses_99']:.0f})",
            *(["{} ({})".format(*(f"{x:.3g}" if x < 100 else f"{x:.0f}" for x in picojoules))] if energies else []),
        )  # fmt: skip
    _err.print(table)


@profile_app.command("show")
def profile_show(
    file: Annotated[Path, typer.Argument(help="A profile (HDF5, or JSON with its npz).")], as_json: AsJson = False
) -> None:
    """Show a profile's axes, bases and a few of its numbers: nvmphys profile show P.h5."""
    profile = nv.load_profile(file)
    tables = profile.tables
    if as_json:
        summary = {
            "name": profile.name, "technology": profile.technology, "basis": dict(profile.basis),
            "target_S": tables.target_S.tolist(), "time_s": tables.time_s.tolist(),
            "temperature_K": tables.temperature_K.tolist(),
            "mean_S": tables.mean_S.tolist(), "sigma_S": tables.sigma_S.tolist(),
            "sections": sections_in_words(profile), "assumptions": profile.assumptions, "unknown": profile.unknown,
        }  # fmt: skip
        print(json.dumps(summary))
        return
    for heat in range(tables.temperature_K.size):
        _out.print(_moments_table(profile, heat))
    for part, basis in profile.basis.items():
        print(f"{part}: {basis}")
    for name, extra in profile.extras.items():
        print(f"{name}: {extra.weight:.3%} of the cells (90 %: {extra.interval[0]:.3%} … {extra.interval[1]:.3%})")
    for name, said in sections_in_words(profile).items():
        print(f"{name}: {said}")
    for sentence in profile.assumptions:
        print(f"assumed: {sentence}")
    for sentence in profile.unknown:
        print(f"not known: {sentence}")


def _moments_table(profile: nv.VariationProfile, heat: int) -> Table:
    """Lay out mean and σ of a few targets at one temperature of a profile."""
    tables = profile.tables
    known = bool(profile.validity.get("temperature_K"))
    where = f" at {tables.temperature_K[heat]:g} K" if known else ""
    table = Table(title=f"{profile.name} ({profile.technology}){where}: mean ± σ [µS], σ absolute")
    table.add_column("target [µS]", justify="right")
    marked = profile.validity.get("extrapolated", [False] * tables.time_s.size)
    for time, beyond in zip(tables.time_s, marked, strict=True):
        table.add_column(f"{time:g} s{' (extrapolated)' if beyond else ''}", justify="right")
    for i in np.unique(np.linspace(0, tables.target_S.size - 1, 9).astype(int)):
        moments = zip(tables.mean_S[heat, i] * 1e6, tables.sigma_S[heat, i] * 1e6, strict=True)
        table.add_row(f"{tables.target_S[i] * 1e6:.4g}", *(f"{m:.4g} ± {s:.3g}" for m, s in moments))
    return table


@profile_app.command("validate")
def profile_validate(
    file: Annotated[Path, typer.Argument(help="A profile (HDF5, or JSON with its npz).")], as_json: AsJson = False
) -> None:
    """Check a profile against every rule of its format, and name each that it breaks: nvmphys profile validate P.h5."""
    broken = violations(file)
    if as_json:
        print(json.dumps({"file": str(file), "whole": not broken, "violations": broken}))
    elif not broken:
        print(f"{file}: a whole variation profile")
    else:
        print("\n".join(broken))
    if broken:
        raise typer.Exit(BadInput.exit_code)


@profile_app.command("convert")
def profile_convert(
    file: Annotated[Path, typer.Argument(help="A profile (HDF5, or JSON with its npz).")],
    other: Annotated[Path, typer.Argument(help="The profile to write: .json for JSON with npz, else HDF5.")],
) -> None:
    """Write a profile in its other form, bit for bit: nvmphys profile convert P.h5 P.json."""
    nv.save_profile(nv.load_profile(file), other)
    print(other)


@app.command("export")
def export_profile(
    file: Annotated[Path, typer.Argument(help="A profile (HDF5, or JSON with its npz).")],
    to: Annotated[str, typer.Option(help="The consumer (nvmphys list consumers).")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the export.")],
    check: Annotated[
        bool, typer.Option("--check", help="Draw from the export, in the real tool where it is installed, and compare.")
    ] = False,
    levels: Annotated[
        int | None, typer.Option(help="Print how the tool is called with so many levels (neurosim: 2, 4, 8 or 16).")
    ] = None,
    time: Annotated[
        float | None, typer.Option(help="The same for a time since programming [s], one of the profile's.")
    ] = None,
    as_json: AsJson = False,
    seed: Seed = 1,
) -> None:
    """Export a profile for a DNN simulator: nvmphys export P.h5 --to aihwkit -o DIR --check.

    NeuroSim is called with one number of levels and one time: nvmphys export P.h5 --to neurosim -o DIR --levels 16
    --time 3600 prints its arguments.

    With --check the exit code is 1 where what was drawn departs from the profile by more than the export says.
    """
    profile = nv.load_profile(file)
    losses = export(profile, to, out)
    called = None if levels is time is None else usage(to, out, levels, time)
    if check:
        rows = conformance.check([conformance.Export(profile, to, out)], seed=seed)[0]
        conformance.save(rows, out)
    if as_json:
        said = [asdict(row) for row in rows] if check else losses.as_dicts()
        print(json.dumps(said if called is None else {"rows": said, "usage": called}))
    elif check:
        _print_check(rows, to, out)
    else:
        table = Table("property", "status", "largest error", "reason", title=f"what {to} carries")
        for row in losses.rows:
            error = "" if row.max_error is None else f"{row.max_error:.2g}"
            table.add_row(row.property, row.shown(), error, escape(row.reason))
        _out.print(table)
        print(out)
    if called is not None and not as_json:
        print(called)
    if check and any(row.passed is False for row in rows):
        raise typer.Exit(1)


def _print_check(rows: Sequence[conformance.CheckRow], to: str, out: Path) -> None:
    """Print the outcome of a check, and why properties are approximated or dropped."""
    columns = ("property", "status", "stated error", "found", "|z|", "", "drawn by")
    table = Table(*columns, title=f"{to}, drawn and compared")
    for words in conformance.as_table(rows):
        table.add_row(*words)
    _out.print(table)
    for property_, status, why in conformance.reasons(rows):
        print(f"{property_}, {status}: {why}")
    print(out / conformance.FILE)


@app.command()
def impact(
    file: Annotated[Path, typer.Argument(help="A profile (HDF5, or JSON with its npz).")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the tables and the picture.")] = None,
    draws: Annotated[int, typer.Option(help="Networks of other cells.")] = 100,
    times: Annotated[str | None, typer.Option(help="Times [s], comma-separated; default those of the profile.")] = None,
    compensate: Annotated[
        bool, typer.Option("--compensate", help="Make up for mean drift by one factor a layer.")
    ] = False,
    through: Annotated[
        str | None,
        typer.Option(help="Run the network in this consumer too: aihwkit or crosssim, where it is installed."),
    ] = None,
    wire: Annotated[
        float | None, typer.Option(help="Resistance of a wire segment [ohm]; default the profile's, else 1.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Put a small classifier on cells of a profile: nvmphys impact P.h5 -o results/impact.

    Accuracy on scikit-learn's digits against time since programming, with the band over devices and the wider one of
    the profile's confidence; a constant-σ Gaussian of equal RMS beside it, and the error budget.
    """
    profile = nv.load_profile(file)
    with _progress() as progress:
        found = nv.network_impact(
            profile, times=_numbers(times, "--times"), draws=draws, wires=None if wire is None else Wires(wire),
            compensate=compensate, rng=seed, progress=progress,
        )  # fmt: skip
    there = None
    if through is not None:
        there = compare_through(through, profile, digits_network(), found, draws=draws, seed=seed)
    written = []
    if out is not None:
        written = [*found.save(out), out / "impact.png"]
        save_impact(found, written[-1])
    if out is not None and there is not None:
        written.append(out / "through.csv")
        with replacing(written[-1]) as part:
            there.to_csv(part, index=False, lineterminator="\n")
    if as_json:
        compared = {} if there is None else {"through": json.loads(there.to_json(orient="records"))}
        files = {"files": [str(path) for path in written]}
        print(json.dumps(found.as_dict() | compared | files, ensure_ascii=False))
        return
    said = found.sentences if there is None else [*found.sentences, in_words(there)]
    for line in (*said, *map(str, written)):
        print(line)


@app.command()
def report(
    what: Annotated[list[str], typer.Argument(help="The folder of an earlier run; with --compare, cards.")],
    side_by_side: Annotated[bool, typer.Option("--compare", help="Put cards side by side in one page.")] = False,
    out: Annotated[Path, typer.Option("-o", "--out", help="The page of --compare.")] = Path("compare.html"),
    seed: Seed = 0,
) -> None:
    """Write the report of an earlier run again, or put cards side by side.

    nvmphys report results/demo_rram

    nvmphys report --compare rram_wan_2022 pcm_90nm fefet_hzo -o compare.html
    """
    if side_by_side:
        with _progress() as progress:
            print(write_comparison(what, out, seed, progress))
        return
    if len(what) > 1:
        raise BadInput(f"report takes one folder (got {len(what)}): to put cards side by side give --compare")
    print(render_folder(what[0]))


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say which tools are here and what is missing for which task."""
    rows: list[tuple[str, str, str]] = [(name, version, "") for name, version in versions().items()]
    try:
        spice = find_ngspice()
        has = ", ".join(name for name, there in (("KLU", spice.has_klu), ("OSDI", spice.has_osdi)) if there)
        rows.append(("ngspice", f"{spice.version} ({has or 'no KLU, no OSDI'})", str(spice.path)))
        missing = False
    except MissingTool as error:
        rows.append(("ngspice", "missing", str(error)))
        missing = True
    for tool, there, task, extra in (
        ("aihwkit", _installed("aihwkit"), "run exports", "aihwkit"),
        ("scikit-learn", _installed("sklearn"), "put a network on a profile", "impact"),
        ("openvaf-r", find_compiler() is not None, "compile Verilog-A", "veriloga"),
        ("PySpice", _installed("PySpice"), "take devices into PySpice", "pyspice"),
    ):
        hint = "" if there else f"only to {task}: pip install 'nvmphys[{extra}]'"
        rows.append((tool, "here" if there else "not in this environment", hint))
    if as_json:
        print(json.dumps([dict(zip(("tool", "state", "note"), row, strict=True)) for row in rows]))
    else:
        table = Table("tool", "state", "note")
        for row in rows:
            table.add_row(*map(escape, row))
        _out.print(table)
    if missing:
        raise typer.Exit(3)


@app.command("codegen")
def codegen_command(
    card: Annotated[str, typer.Argument(help="A dynamics card or its file (nvmphys list cards), or a device model.")],
    to: Annotated[str, typer.Option(help="ngspice, veriloga, pyspice, python or latex.")],
    out: Annotated[
        str | None,
        typer.Option("-o", "--out", help="The file to write, or a folder with / at its end; default stdout."),
    ] = None,
    values: Annotated[list[str] | None, typer.Option("--set", help="A parameter, as Ea=0.7; may be repeated.")] = None,
    start: Annotated[
        list[str] | None, typer.Option(help="A state at the start, in units of its scale, as g=0.4; may be repeated.")
    ] = None,
    units: Annotated[int | None, typer.Option(help="Units such as domains, where the model has them.")] = None,
    seed: Seed = 0,
) -> None:
    """Write a device as code: nvmphys codegen rram_gap --to ngspice --set Ea=0.7 -o models/.

    For ngspice and veriloga a bench deck that draws its loop is written beside the file.
    """
    chosen = choose(card, _assigned(values, "--set"), _assigned(start, "--start"), units=units, seed=seed)
    ending, text = suffix(to), chosen.code(to)
    if out is None:
        print(text, end="")
        return
    file = Path(out) / (chosen.name + ending) if out.endswith(("/", os.sep)) or Path(out).is_dir() else Path(out)
    written = {file: text}
    if to in BENCHED:
        written[file.with_name(bench_name(file.name, to))] = bench_deck(chosen, to, file.name)
    for path, content in written.items():
        write_text(path, content)
        print(path)


def _assigned(items: Sequence[str] | None, option: str) -> dict[str, float]:
    """Read the name=number of an option that may be repeated."""
    given: dict[str, float] = {}
    for item in items or ():
        name, _, number = (part.strip() for part in item.partition("="))
        found = _numbers(number or None, f"{option} {name}") or []
        if len(found) != 1 or name in given:
            raise BadInput(f"{option} must read name=number, each name once (got {item!r})")
        given[name] = found[0]
    return given


@app.command("simulate")
def simulate_command(
    card: Annotated[str, typer.Argument(help="A dynamics card or its file (nvmphys list cards), or a device model.")],
    experiment: Annotated[str, typer.Option(help="An experiment of the model (nvmphys list experiments).")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The tidy CSV to write.")],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--with", help="A setting of the experiment, as width_s=1e-7,1e-6 or compliance_A=none; may be repeated."
        ),
    ] = None,
    values: Annotated[list[str] | None, typer.Option("--set", help="A parameter, as Ea=0.7; may be repeated.")] = None,
    start: Annotated[
        list[str] | None, typer.Option(help="A state at the start, in units of its scale, as g=0.4; may be repeated.")
    ] = None,
    spread: Annotated[
        list[str] | None,
        typer.Option(help="How devices differ: σ of a parameter as share of it, as g0=0.05; may be repeated."),
    ] = None,
    devices: Annotated[int, typer.Option(help="Number of devices.")] = 1,
    units: Annotated[int | None, typer.Option(help="Units such as domains of each, where the model has them.")] = None,
    plot: Annotated[Path | None, typer.Option(help="A picture (PNG) of what came out.")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Make an experiment on simulated devices: nvmphys simulate rram_gap --experiment sweep -o iv.csv --plot iv.png."""
    differ = {name: {"sigma": share, "sigma_ref": "of_value"} for name, share in _assigned(spread, "--spread").items()}
    with _progress() as progress:
        made = nv.simulate(
            card, experiment, n_devices=devices, n_units=units, rng=seed, progress=progress,
            settings=_settings(settings), values=_assigned(values, "--set"), start=_assigned(start, "--start"),
            population=differ or None,
        )  # fmt: skip
    head = [*made.understood, f"seed {seed}; nvmphys {nv.__version__}"]
    with replacing(out) as part, open(part, "w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {line}\n" for line in head)
        made.table.to_csv(file, index=False, lineterminator="\n")
    for sentence in made.understood[2:]:
        _say(sentence)
    summary = nv.programming_summary(made) if experiment == "write_verify" else None
    if plot is not None:
        save_experiment(made, plot)
    if as_json:
        figures = {} if summary is None else {"programming": summary.to_dict("records")}
        print(json.dumps({"file": str(out), "understood": list(made.understood)} | figures))
        return
    if summary is not None:
        _say_programming(summary)
    print(out)
    if plot is not None:
        print(plot)


def _settings(items: Sequence[str] | None) -> dict[str, Any]:
    """Read the name=value, or name=value,value, of `--with`; none takes a setting away, a name.key gives a table."""
    given: dict[str, Any] = {}
    for item in items or ():
        name, _, text = (part.strip() for part in item.partition("="))
        if "." in name:
            name, _, key = name.partition(".")
            given[name] = given.get(name, {}) | _assigned([f"{key}={text}"], f"--with {name}")
            continue
        if not name or not text or name in given:
            raise BadInput(f"--with must read name=value, each name once (got {item!r})")
        if text == "none":
            given[name] = None
            continue
        numbers = _numbers(text, f"--with {name}") or []
        whole = [int(x) if x.is_integer() and abs(x) < 2**53 else x for x in numbers]
        given[name] = whole[0] if len(whole) == 1 else whole
    return given


def _experiment_lines() -> list[dict[str, Any]]:
    """Return a line for each setting of each experiment, with the models that answer it."""
    lines = []
    for name, kind in EXPERIMENTS.items():
        models = ", ".join(model for model in devices() if name in device(model).experiments)
        for setting, field in kind.model_fields.items():
            default = "" if field.default is None else str(field.default)
            lines.append(
                {"setting": f"{name} {setting}", "default": default, "about": field.description, "for": models}
            )
    return lines


@app.command("list")
def list_things(
    what: Annotated[str, typer.Argument(help="sources, technologies, models, cards, experiments or consumers.")],
    as_json: AsJson = False,
) -> None:
    """List what nvmphys knows: nvmphys list cards."""
    listing: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "sources": lambda: [_source_line(source) for source in nv.list_sources()],
        "technologies": lambda: [
            {str(k): v for k, v in r.items()} for r in nv.load_technologies().fillna("").to_dict("records")
        ],
        "cards": lambda: [_card_line(name) for name in nv.list_cards()],
        "models": lambda: [
            *({"model": n, "kind": "conductance", "fitted": n in fittable()} for n in conductance_models()),
            *({"model": n, "kind": "dynamics", "fitted": n in fittable()} for n in devices()),
        ],
        "experiments": _experiment_lines,
        "consumers": lambda: [{"consumer": name} for name in consumers()],
    }
    if what not in listing:
        raise BadInput(f"can list {', '.join(listing)} (got {what!r})")
    rows = listing[what]()
    if as_json:
        print(json.dumps(rows))
        return
    if what == "technologies":
        for technology, facts in technology_matrix().items():
            _out.print(_technology_table(technology, facts))
        return
    _out.print(_as_table(rows))


def _technology_table(technology: str, facts: Mapping[str, Sequence[str]]) -> Table:
    """Lay out what is known of one technology, a property a row."""
    table = Table("property", "known (device, source)", title=technology, title_justify="left", show_lines=True)
    for name, known in facts.items():
        table.add_row(name.replace("_", " "), "\n".join(known) or "nothing verified is known")
    return table


def _as_table(rows: Sequence[Mapping[Any, Any]]) -> Table:
    """Lay out rows for people: names of columns as headings, the first column never folded."""
    table = Table(*(column_name(str(name)) for name in (rows[0] if rows else ())))
    for i, column in enumerate(table.columns):
        column.no_wrap, column.overflow = i == 0, "fold"
        column.min_width = max(map(len, str(column.header).split()))
    for row in rows:
        table.add_row(*(cell(str(name), value) for name, value in row.items()))
    return table


def _source_line(source: nv.Source) -> dict[str, Any]:
    """One line of the list of sources."""
    return {"source": source.id, "kind": source.kind, "title": source.title, "citation": source.citation}


def _card_line(name: str) -> dict[str, Any]:
    """One line of the list of cards."""
    card = nv.load_card(name)
    targets, times = "", ""
    if card.kind == "dynamics":
        dynamics_of(card)
    else:
        law = nv.law_of(card)
        targets = "{:.3g} … {:.3g}".format(*(g * 1e6 for g in law.level_range_S))
        times = "{:.3g} … {:.3g}".format(*law.time_range_s)
    return {
        "card": name,
        "kind": card.kind,
        "technology": card.technology,
        "model": card.model,
        "targets [µS]": targets,
        "times [s]": times,
        "basis": ", ".join(sorted({str(b) for b in card.basis.values()})),
    }


def main() -> None:
    """Run the command line; an error on purpose is one message and its exit code, never a traceback."""
    try:
        app()
    except NvmphysError as error:
        _say(f"error: {error}")
        sys.exit(error.exit_code)
