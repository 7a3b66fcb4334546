"""Arrays of a card or a profile, for the command line: validated in three parts, drawn many times, mapped."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nvmphys.cards import load_card, save_card
from nvmphys.crossbar import Crossbar, MatvecError, Validation, find_ngspice, matvec_error, validate
from nvmphys.crossbar.checks import Finding, check_cell, coverage, solver_finding, statistics_finding
from nvmphys.crossbar.device_cells import AGREEMENT, drawn_cells
from nvmphys.crossbar.draws import CellsOfLaw, DrawCells, DrawnArrays, SinhReads
from nvmphys.crossbar.monte_carlo import MonteCarlo, monte_carlo
from nvmphys.crossbar.settling import Settling, settling_time
from nvmphys.crossbar.size_map import size_map
from nvmphys.crossbar.transient_validation import transient_finding, validate_transient
from nvmphys.crossbar.writing import SCHEMES, WritePulse, pulses_to_limit, write
from nvmphys.devices.cards import dynamics_of, model_or_card
from nvmphys.devices.model import DeviceModel
from nvmphys.errors import BadInput
from nvmphys.files import replacing, sha256, write_text
from nvmphys.population import law_of
from nvmphys.profile import VariationProfile, build_profile, load_profile, save_profile
from nvmphys.profile.array_cells import CellsOfProfile, reads_of
from nvmphys.report.arrays import draw_monte_carlo, draw_settling, draw_size_map, draw_validation, draw_written
from nvmphys.study import Array as ArraySettings

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

PROFILE_SUFFIXES = (".h5", ".hdf5", ".json")
PREDICTED = 10
"""Predicted draws for each that ngspice makes: the prediction's own error is then small beside the interval."""
SETTLED_FOR = 1.2
"""How far ngspice goes along, over the settling time."""
MOST_DISTURBING = 100
"""Pulses that half-selected cells are tried with, where nobody has reached the limit before."""
_HOUR_S = 3600.0


@dataclass(frozen=True, eq=False)
class CellSource:
    """Where the cells of an array come from: a card's law, or a profile file alone.

    Attributes
    ----------
    name, sha256 : str
        Of the card or profile, and of its file.
    cells : callable
        Draws conductances at one time.
    level_range_S : tuple of float
    time_s : float
    reads : SinhReads or None
    profile : VariationProfile or None
        None of a card.
    """

    name: str
    sha256: str
    cells: DrawCells
    level_range_S: tuple[float, float]
    time_s: float
    reads: SinhReads | None
    profile: VariationProfile | None


def cell_source(what: str, settings: ArraySettings, *, extras: bool = True) -> CellSource:
    """Return the cells of a card (its name or file) or of a profile (a file) at one time.

    Parameters
    ----------
    what : str
    settings : nvmphys.study.Array
        Its time and temperature; by default an hour after programming, or the known time nearest to that.
    extras : bool, optional
        Of a profile: whether populations that do not follow the target are mixed in. A card's law is the main one.

    Raises
    ------
    BadInput
        Time or temperature outside what is known.
    """
    if Path(what).suffix in PROFILE_SUFFIXES:
        profile = load_profile(what)
        when = _time(settings, profile.time_range_s, profile.first_time_s)
        cells = CellsOfProfile(profile, when, settings.temperature_K, extras)
        return CellSource(
            profile.name, sha256(what), cells, profile.level_range_S, when, reads_of(profile), profile
        )  # fmt: skip
    card = load_card(what)
    law = law_of(card)
    if settings.temperature_K is not None:
        law = law.at_temperature(settings.temperature_K)
    when = _time(settings, law.time_range_s, law.first_time_s)
    with tempfile.TemporaryDirectory(prefix="nvmphys_") as folder:
        written = Path(folder, "card.toml")
        save_card(card, written)
        digest = sha256(written)
    return CellSource(card.name, digest, CellsOfLaw(law, when), law.level_range_S, when, None, None)


def _time(settings: ArraySettings, known_s: tuple[float, float], first_s: float) -> float:
    when = float(np.clip(_HOUR_S, *known_s)) if settings.time_s is None else settings.time_s
    return max(when, first_s)


def drawn_arrays(source: CellSource, settings: ArraySettings, seed: int) -> DrawnArrays:
    """Return arrays of random targets, uniform over the levels known, to be drawn by number."""
    target_S = np.random.default_rng(seed).uniform(*source.level_range_S, size=settings.size)
    wire = settings.r_wire_ohm
    circuit = Crossbar(
        target_S, wire, wire, settings.r_driver_ohm, settings.r_sense_ohm, capacitance=settings.capacitance
    )  # fmt: skip
    return DrawnArrays(circuit, np.full(settings.size[0], settings.v_read_V), source.cells, seed, source.reads)


@dataclass(frozen=True, eq=False)
class Judged:
    """What a validation found.

    Attributes
    ----------
    validation : Validation
        Of the first array drawn, nodal against ngspice.
    matvec : MatvecError
    solver, cell, statistics : Finding
    settling : Settling or None
        Of a step of the inputs to the read voltage; None without capacitance.
    transient : Finding or None
        Its currents over time, against ngspice.
    settings : nvmphys.study.Array
    time_s : float
    read_power_W : float
        Power that the drivers give while the array is read.
    """

    validation: Validation
    matvec: MatvecError
    solver: Finding
    cell: Finding
    statistics: Finding
    settings: ArraySettings
    time_s: float
    settling: Settling | None = None
    transient: Finding | None = None

    @property
    def findings(self) -> dict[str, Finding]:
        """The three, and with capacitance the transient, by name."""
        found = {"solver": self.solver, "cell": self.cell, "statistics": self.statistics}
        return found if self.transient is None else found | {"transient": self.transient}

    @property
    def read_power_W(self) -> float:
        """Power that the drivers give while the array is read [W]."""
        nodal = self.validation.nodal
        return float(np.sum(nodal.applied_V * nodal.driver_current_A))

    def figures(self, read_s: float | None = None) -> dict[str, Any]:
        """Return all as plain JSON values; the energy of a read of `read_s` [s] where that is given."""
        result, error = self.validation, self.matvec
        found: dict[str, Any] = {"checked": result.checked, "passed": result.passed}
        if result.spice is not None:
            found |= {
                "current_error": result.current_error, "voltage_error": result.voltage_error,
                "ngspice": result.spice.ngspice.version, "options": result.spice.options,
                "deck_sha256": result.spice.deck_sha256,
            }  # fmt: skip
        found |= {name: asdict(finding) for name, finding in self.findings.items()}
        found |= {
            "time_s": self.time_s, "error_mean_of_full_scale": error.mean, "error_sigma_of_full_scale": error.sigma,
            "ir_drop_max": float(np.nanmax(result.nodal.ir_drop_fraction)), "read_power_W": self.read_power_W,
        }  # fmt: skip
        if self.settling is not None:
            found["settling"] = self.settling.figures()
        return found | ({} if read_s is None else {"read_energy_J": self.read_power_W * read_s})

    def section(self) -> dict[str, Any]:
        """Return the array section of a profile."""
        settings, drop, error = self.settings, self.validation.nodal.ir_drop_fraction, self.matvec
        return {
            "size": list(settings.size), "v_read_V": settings.v_read_V, "time_s": self.time_s,
            "resistance_ohm": {
                "wire": settings.r_wire_ohm, "driver": settings.r_driver_ohm, "sense": settings.r_sense_ohm,
            },
            "ir_drop": _spread(drop[np.isfinite(drop)], "the voltage between driver and sense amplifier"),
            "matvec_error": _spread(np.ravel(error.error), "full scale"),
            "error_mean_of_full_scale": error.mean, "error_sigma_of_full_scale": error.sigma,
            "spice_checked": self.validation.checked, "spice": str(self.validation),
        } | {name: asdict(finding) for name, finding in self.findings.items()} | (
            {} if settings.temperature_K is None else {"temperature_K": settings.temperature_K}
        ) | (
            {} if self.settling is None else {
                "capacitance_F": {"line_segment": settings.c_line_F, "cell": settings.c_cell_F},
                "settling": self.settling.figures(),
            }
        )  # fmt: skip


def _spread(values: Array, of: str) -> dict[str, Any]:
    return {
        "mean": float(values.mean()), "sigma": float(values.std()), "largest": float(np.abs(values).max()), "of": of,
    }  # fmt: skip


def judge(
    what: str,
    settings: ArraySettings,
    *,
    seed: int,
    backend: str = "ngspice",
    draws: int = 0,
    predict_with: str | None = None,
    progress: Progress | None = None,
) -> Judged:
    """Validate an array: solver, cells and, where draws are asked for, statistics.

    Parameters
    ----------
    what : str
        A card or a profile file, whose cells are drawn; of a dynamics card the state of each cell is.
    settings : nvmphys.study.Array
    seed : int
    backend : {"ngspice", "nodal"}, optional
        `nodal` makes none of the three comparisons.
    draws : int, optional
        Arrays drawn in ngspice for the statistics; 0 leaves that out.
    predict_with : str, optional
        The profile file that predicts; of a card, without one, its profile is built, written and read back.

    Raises
    ------
    BadInput
        "draws must be …", or times and levels that the profile does not know.
    MissingTool, CheckFailed
        Of ngspice.
    """
    if Path(what).suffix not in PROFILE_SUFFIXES and load_card(what).kind == "dynamics":
        return _judge_devices(what, settings, seed, backend, bool(draws) or predict_with is not None)
    source = cell_source(what, settings, extras=False)
    predicting = None if predict_with is None else cell_source(predict_with, settings, extras=False)
    if predicting is not None and source.reads is None:  # a card says nothing of read currents, its profile may
        source = replace(source, reads=predicting.reads)
    arrays = drawn_arrays(source, settings, seed)
    crossbar = arrays.crossbar(0)
    validation = validate(crossbar, arrays.v, backend)
    cell = statistics = Finding("not_made", words="no SPICE check was made (backend 'nodal')")
    if validation.checked:
        cell = check_cell(crossbar, abs(settings.v_read_V))
        statistics = Finding("not_made", words="no arrays were drawn: --draws asks for them")
        if draws:
            statistics = _statistics(arrays, source, predicting, what, draws, progress)
    error = matvec_error(crossbar, arrays.v, validation.nodal)
    made = Judged(validation, error, solver_finding(validation), cell, statistics, settings, source.time_s)
    return _with_settling(made)


def _with_settling(judged: Judged) -> Judged:
    """Add how fast the outputs settle, where there is capacitance, and ngspice's word on it."""
    validation, settings = judged.validation, judged.settings
    if settings.capacitance.absent:
        return judged
    crossbar, v = validation.crossbar, validation.nodal.applied_V
    settling = settling_time(crossbar, v, within=settings.settle_within, of="full_scale")
    transient = Finding("not_made", words="no SPICE check was made (backend 'nodal')")
    if validation.checked:
        until_s = SETTLED_FOR * settling.slowest_s
        transient = transient_finding(validate_transient(crossbar, settling.transient.stimulus, until_s))
    return replace(judged, settling=settling, transient=transient)


def _judge_devices(what: str, settings: ArraySettings, seed: int, backend: str, statistics: bool) -> Judged:
    """Validate an array of a dynamics card's cells, each at a state that is drawn."""
    if statistics:
        raise BadInput(
            f"{what} is a dynamics card, which says nothing of programmed cells: leave --draws and --profile out, or "
            "validate the profile of a programming scheme (nvmphys profile build --scheme)"
        )
    crossbar, _ = device_array(what, settings, seed)
    v = np.full(settings.size[0], settings.v_read_V)
    validation = validate(crossbar, v, backend, tolerance=AGREEMENT)
    cell = no_spice = Finding("not_made", words="no SPICE check was made (backend 'nodal')")
    if validation.checked:
        cell = check_cell(crossbar, abs(settings.v_read_V), tolerance=AGREEMENT)
    none = Finding("not_made", words="a dynamics card says nothing of programmed cells")
    error = matvec_error(crossbar, v, validation.nodal)
    made = Judged(
        validation, error, solver_finding(validation), cell, none if validation.checked else no_spice, settings, 0.0
    )  # fmt: skip
    return _with_settling(made)


def device_array(
    what: str, settings: ArraySettings, seed: int, start: Mapping[str, float] | None = None
) -> tuple[Crossbar, DeviceModel]:
    """Return an array of cells of a dynamics card, or of a device model at its defaults, and the model.

    The first state of each cell is drawn where `start` does not give it, as are the parameters that the card's
    population lets differ.

    Raises
    ------
    BadInput
        A conductance card, which has no states; and what `nvmphys.crossbar.device_cells.drawn_cells` refuses.
    """
    found = model_or_card(what)
    model, values, population = (found, {}, {}) if isinstance(found, DeviceModel) else (
        *dynamics_of(found), found.population
    )  # fmt: skip
    heat = {} if settings.temperature_K is None else {"temperature_K": settings.temperature_K}
    rng = np.random.default_rng(seed)
    cells = drawn_cells(model, settings.size, rng, values=values, population=population, start=start, **heat)
    wire = settings.r_wire_ohm
    crossbar = Crossbar(
        cells.conductance_S, wire, wire, settings.r_driver_ohm, settings.r_sense_ohm, cell=cells,
        capacitance=settings.capacitance,
    )  # fmt: skip
    return crossbar, model


def write_cells(
    what: str,
    settings: ArraySettings,
    places: Sequence[tuple[int, int]],
    pulse: WritePulse,
    folder: str | os.PathLike[str],
    *,
    scheme: str,
    repeat: int,
    seed: int,
    start: Mapping[str, float] | None = None,
    limit: float | None = None,
    form: str = "auto",
    progress: Progress | None = None,
) -> tuple[dict[str, Any], list[Path]]:
    """Write cells of an array in ngspice, into `cells.csv`, `write.json` and `write.png`.

    Returns
    -------
    dict
        Plain values: changes by kind of cell, energies, and with a limit after how many pulses half-selected cells
        have changed by it.
    list of Path

    Raises
    ------
    BadInput, MissingTool, CheckFailed
        As of `device_array` and `nvmphys.crossbar.write`.
    """
    folder = Path(folder)
    crossbar, model = device_array(what, settings, seed, start)
    done = write(
        crossbar, places, pulse, scheme=scheme, repeat=repeat, read_V=settings.v_read_V, form=form, progress=progress
    )
    figures: dict[str, Any] = {
        "model": model.name, "size": list(settings.size), "scheme": scheme, "cells": [list(place) for place in places],
        "pulse": asdict(pulse), "pulses_each": repeat, "read_V": done.read_V, "change": done.by_kind(),
        "selected_before_S": [float(done.before_S[place]) for place in places],
        "selected_after_S": [float(done.after_S[place]) for place in places],
        "energy_J": done.energy_J.tolist(), "form": done.form, "ngspice": done.ngspice.version,
        "options": done.options, "seconds": round(done.seconds, 3),
    }  # fmt: skip
    shares = SCHEMES[scheme]
    if limit is not None:
        if shares is None:
            raise BadInput("--limit needs the scheme half or third: floating lines have no voltage of their own")
        share = max(1 - shares[1], shares[0])
        count = pulses_to_limit(crossbar.cell, pulse, share, limit, read_V=done.read_V, most=MOST_DISTURBING)  # type: ignore[arg-type]
        least = float(count.min())
        figures["pulses_to_limit"] = {
            "limit": limit, "voltage_V": share * pulse.voltage_V, "fewest": least if np.isfinite(least) else None,
            "cells_beyond": int(np.isfinite(count).sum()), "pulses_tried": MOST_DISTURBING,
        }  # fmt: skip
    texts = {
        "cells.csv": done.table().to_csv(index=False, lineterminator="\n"),
        "write.json": json.dumps(figures, indent=2) + "\n",
    }
    written = [write_text(folder / name, text) for name, text in texts.items()]
    title = f"{model.name}, {pulse.voltage_V:g} V for {pulse.width_s:g} s, scheme {scheme}, pulses a cell: {repeat}"
    return figures, [*written, _write_figure(folder / "write.png", draw_written(done, places, title))]


def _statistics(
    arrays: DrawnArrays, source: CellSource, predicting: CellSource | None, what: str, draws: int,
    progress: Progress | None,
) -> Finding:  # fmt: skip
    """Draw arrays in ngspice, and more of them from the profile alone."""
    if draws < 20:
        raise BadInput(f"draws must be 0 or >= 20 (got {draws}): a bootstrap of fewer says nothing")
    told = source.cells if predicting is None else predicting.cells
    if predicting is None and source.profile is None:
        with tempfile.TemporaryDirectory(prefix="nvmphys_") as folder:
            path = Path(folder, "profile.h5")
            save_profile(build_profile(load_card(what), None, [source.time_s], rng=arrays.seed, replicates=0), path)
            told = CellsOfProfile(load_profile(path), source.time_s, extras=False)
    ngspice = find_ngspice()
    seen = arrays.as_error(arrays.current_in_ngspice(range(draws), ngspice, progress=progress))
    reads = arrays.reads if predicting is None else predicting.reads
    predicted = replace(arrays, cells=told, reads=reads).error(range(draws, draws + PREDICTED * draws))
    found = coverage(seen, predicted, np.random.default_rng(arrays.seed))
    return statistics_finding(found, f"{draws} arrays in ngspice {ngspice.version}, {PREDICTED * draws} predicted")


def write_judged(judged: Judged, folder: str | os.PathLike[str], read_s: float | None = None) -> list[Path]:
    """Write `validation.json`, `ir_drop.csv` (word line × bit line), `outputs.csv` and pictures."""
    folder, error, nodal = Path(folder), judged.matvec, judged.validation.nodal
    outputs = pd.DataFrame(
        {
            "bit_line": np.arange(len(error.ideal_A)), "distance_segments": error.distance_segments,
            "ideal_A": error.ideal_A, "current_A": error.actual_A, "error_of_full_scale": error.error,
        }
    )  # fmt: skip
    if judged.settling is not None:
        outputs["settling_s"], outputs["elmore_s"] = judged.settling.time_s, judged.settling.elmore_s
    if judged.validation.spice is not None:
        outputs["ngspice_A"] = judged.validation.spice.solution.current_A
    texts = {
        "validation.json": json.dumps(judged.figures(read_s), indent=2) + "\n",
        "ir_drop.csv": pd.DataFrame(nodal.ir_drop_fraction).to_csv(index_label="word_line", lineterminator="\n"),
        "outputs.csv": outputs.to_csv(index=False, lineterminator="\n"),
    }
    written = [write_text(folder / name, text) for name, text in texts.items()]
    written.append(_write_figure(folder / "validation.png", draw_validation(judged.validation, error)))
    if judged.settling is not None:
        written.append(_write_figure(folder / "settling.png", draw_settling(judged.settling)))
    return written


def run_monte_carlo(
    what: str,
    settings: ArraySettings,
    draws: int,
    folder: str | os.PathLike[str],
    *,
    seed: int,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[MonteCarlo, list[Path]]:
    """Draw an array many times into a folder, and write `errors.csv` and `errors.png` there.

    Returns
    -------
    MonteCarlo
    list of Path
        What was written besides the draws.

    Raises
    ------
    BadInput
        As of `nvmphys.crossbar.monte_carlo.monte_carlo`.
    """
    source = cell_source(what, settings)
    arrays = drawn_arrays(source, settings, seed)
    about: Mapping[str, Any] = {
        "cells": source.name, "sha256": source.sha256, "time_s": source.time_s,
        "temperature_K": settings.temperature_K,
    }  # fmt: skip
    made = monte_carlo(arrays, draws, folder, about=about, executor=executor, progress=progress)
    table = made.statistics()
    csv = write_text(Path(folder) / "errors.csv", table.to_csv(index=False, lineterminator="\n"))
    title = (
        f"{source.name}, {settings.size[0]}×{settings.size[1]}, {source.time_s:g} s after programming, {draws} draws"
    )
    return made, [csv, _write_figure(Path(folder) / "errors.png", draw_monte_carlo(made.error, table, title))]


def map_sizes(
    what: str,
    settings: ArraySettings,
    sizes: Sequence[int],
    wires_ohm: Sequence[float],
    error: float,
    folder: str | os.PathLike[str],
    *,
    seed: int,
    progress: Progress | None = None,
) -> tuple[Array, list[Path]]:
    """Map the worst error over sizes and wires into `size_map.csv` and `size_map.png`.

    Returns
    -------
    ndarray (wire,)
        Largest size for the error at each wire, as of :meth:`~nvmphys.crossbar.size_map.SizeMap.largest`.
    list of Path
    """
    source = cell_source(what, settings)
    largest = max(sizes, default=1)
    rng = np.random.default_rng(seed)
    cells = source.cells(rng.uniform(*source.level_range_S, (largest, largest)), rng)
    made = size_map(
        cells, settings.v_read_V, sizes, wires_ohm, r_driver_ohm=settings.r_driver_ohm,
        r_sense_ohm=settings.r_sense_ohm, progress=progress,
    )  # fmt: skip
    table = pd.DataFrame(
        [
            {"size": n, "wire_ohm": ohm, "worst_error": made.worst[i, k], "rms_error": made.rms[i, k]}
            for i, n in enumerate(made.size.tolist())
            for k, ohm in enumerate(made.wire_ohm.tolist())
        ]
    )
    csv = write_text(Path(folder) / "size_map.csv", table.to_csv(index=False, lineterminator="\n"))
    title = f"{source.name}, {source.time_s:g} s after programming, all word lines at {settings.v_read_V:g} V"
    return made.largest(error), [csv, _write_figure(Path(folder) / "size_map.png", draw_size_map(made, error, title))]


def _write_figure(path: Path, figure: Figure) -> Path:
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=110)
    return path
