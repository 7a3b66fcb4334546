"""The whole chain from one TOML file: data, fit, crossbar against SPICE, profile, exports, report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, model_validator

from nvmphys.cards import load_card, save_card
from nvmphys.crossbar import Capacitance, Crossbar, settling_time, validate
from nvmphys.errors import BadInput, MissingTool, unknown_name
from nvmphys.exporters import consumers, export
from nvmphys.fit import FitResult, fit
from nvmphys.fit.result import versions
from nvmphys.measurement import list_sources, load_source, read
from nvmphys.population import draw_cells, law_of
from nvmphys.profile import VariationProfile, build_profile, save_profile
from nvmphys.records import Measurement, ModelCard
from nvmphys.report import (
    ArraySummary,
    StudyContents,
    summarise_array,
    summarise_fit,
    summarise_relaxation,
    write_report,
)
from nvmphys.tomlfile import checked, read_toml

Tell = Callable[[str], None]
Progress = Callable[[str, int, int], None]
_HOUR_S = 3600.0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Data(_Strict):
    """Where the data is: a shipped source, or a file with an optional column map."""

    source: str | None = None
    file: str | None = None
    columns: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Data:
        if (self.source is None) == (self.file is None):
            raise ValueError("give either source or file")
        return self


class Model(_Strict):
    """What to fit, or the card to take as it is."""

    name: str | None = None
    card: str
    technology: Literal["rram", "pcm", "fefet"] = "rram"
    holdout: float = Field(default=0.2, ge=0, le=0.9)
    options: dict[str, Any] = {}


class Array(_Strict):
    """The crossbar to check and solve; by default an hour after programming, or the known time nearest to that."""

    size: tuple[int, int] = (64, 64)
    r_wire_ohm: float = Field(default=1.0, ge=0)
    r_driver_ohm: float = Field(default=0.0, ge=0)
    r_sense_ohm: float = Field(default=0.0, ge=0)
    c_line_F: float = Field(default=0.0, ge=0)
    c_cell_F: float = Field(default=0.0, ge=0)
    settle_within: float = Field(default=0.01, gt=0, lt=1)
    v_read_V: float = 0.2
    time_s: float | None = Field(default=None, ge=0)
    temperature_K: float | None = Field(default=None, gt=0)

    @property
    def capacitance(self) -> Capacitance:
        """Of each segment of all lines, and of each cell."""
        return Capacitance(self.c_line_F, self.c_line_F, self.c_cell_F)

    @model_validator(mode="after")
    def _size_is_usable(self) -> Array:
        if not all(1 <= n <= 1024 for n in self.size):
            raise ValueError(f"size must lie within 1 … 1024 lines each way (got {self.size[0]}×{self.size[1]})")
        return self


class Tables(_Strict):
    """Axes of the profile; targets default to 32 over the card's range."""

    targets_S: Annotated[list[NonNegativeFloat], Field(min_length=1)] | None = None
    times_s: Annotated[list[NonNegativeFloat], Field(min_length=1)]
    temperatures_K: Annotated[list[PositiveFloat], Field(min_length=1)] | None = None
    extrapolate: bool = False


class Export(_Strict):
    """Consumers to export for."""

    consumers: list[str] = []


class Study(_Strict):
    """A study file."""

    title: str = "Study"
    seed: int = 0
    data: Data
    model: Model
    crossbar: Array = Array()
    profile: Tables
    export: Export = Export()


@dataclass(frozen=True)
class Outcome:
    """What a run made: the report's path, and whether every check passed (None: SPICE check not made)."""

    report: Path
    spice: bool | None


def load_study(path: str | os.PathLike[str]) -> Study:
    """Read and check a study file; an unknown key, model, consumer or source is an error that lists the known ones."""
    raw = read_toml(path)
    for name, section in raw.items():
        if isinstance(section, dict) and name in Study.model_fields:
            kind = Study.model_fields[name].annotation
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                checked(kind, section, f"{path}: [{name}]")
    study = checked(Study, raw, str(path))
    for consumer in study.export.consumers:
        if consumer not in consumers():
            raise BadInput(f"{path}: {unknown_name('consumer', consumer, consumers())}")
    return study


def run_study(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    seed: int | None = None,
    tell: Tell = lambda text: None,
    progress: Progress | None = None,
) -> Outcome:
    """Run a study and write everything into a folder.

    Parameters
    ----------
    path : path
        The study file; relative data paths are relative to it.
    folder : path
        Receives `card.toml`, `profile.h5`, `export/<consumer>/`, `report.html`.
    seed : int, optional
        In place of the study's.
    tell, progress : callables
        Receive what is being done: a sentence; a name with steps done and in all.

    Returns
    -------
    Outcome

    Raises
    ------
    NvmphysError
        What went wrong, in the words of the step.
    """
    begin = time.perf_counter()
    study, out = load_study(path), Path(folder)
    rng = np.random.default_rng(study.seed if seed is None else seed)
    tell("reading the data")
    measurements = _read(study.data, Path(path).parent)
    card, fitted = _card(study, measurements, rng, study.seed if seed is None else seed, tell, progress)
    save_card(card, out / "card.toml")
    tell("solving the crossbar and checking it with ngspice")
    array = _array(study.crossbar, card, rng)
    tell("building the profile")
    profile = _profile(study.profile, card, array, rng)
    save_profile(profile, out / "profile.h5")
    tell("exporting")
    losses = {name: export(profile, name, out / "export" / name) for name in study.export.consumers}
    tell("writing the report")
    contents = StudyContents(
        title=study.title,
        study_text=Path(path).read_text(encoding="utf-8"),
        card=card,
        fit=None if fitted is None else summarise_fit(fitted),
        relaxation=None if fitted is None else summarise_relaxation(fitted),
        profile=profile,
        array=array,
        exports={name: report.as_dicts() for name, report in losses.items()},
        seconds=time.perf_counter() - begin,
        versions=versions(),
    )
    report = write_report(contents, out)
    return Outcome(report, array.passed if array.checked else None)


def _read(data: Data, base: Path) -> list[Measurement]:
    """Read the study's data; of a published law there is no measurement, its card says where it is printed."""
    if data.source is not None:
        source = {s.id: s for s in list_sources()}.get(data.source)
        if source is None:
            raise unknown_name("source", data.source, [s.id for s in list_sources()])
        return [] if source.kind.startswith("published") else load_source(data.source)
    assert data.file is not None
    columns = None if data.columns is None else base / data.columns
    return read(base / data.file, columns)


def _card(
    study: Study,
    measurements: list[Measurement],
    rng: np.random.Generator,
    seed: int,
    tell: Tell,
    progress: Progress | None,
) -> tuple[ModelCard, FitResult | None]:
    """Fit the model, or take the card as it is."""
    if study.model.name is None:
        card = load_card(study.model.card)
        law_of(card)  # a card without a law, such as a dynamics card, is refused here
        if study.data.source not in card.provenance.get("sources", ()):
            known = ", ".join(card.provenance.get("sources", ())) or "none"
            raise BadInput(
                f"card {card.name} does not come from {study.data.source or study.data.file}: its sources are {known}. "
                "Give one of them, or [model] name to fit the data"
            )
        return card, None
    if not measurements:
        raise BadInput(
            f"source {study.data.source} is published figures: give [model] card alone, without a name to fit"
        )
    tell(f"fitting {study.model.name}")
    options = dict(study.model.options) | ({"progress": progress} if progress else {})
    result = fit(measurements, study.model.name, holdout=study.model.holdout, seed=rng, **options)
    if not isinstance(result, FitResult):
        raise BadInput(
            f"[model] name must be a model of conductance (got the device model {study.model.name!r}): nvmphys fit "
            "gives its card, and nvmphys profile build --scheme a profile of programmed cells"
        )
    card = result.card(study.model.card, study.model.technology)
    return replace(card, provenance={**card.provenance, "seed": seed}), result


def draw_array(card: ModelCard, array: Array, rng: np.random.Generator) -> tuple[Crossbar, NDArray[np.float64], float]:
    """Draw an array of cells with random targets at one time; return it, its read voltages and the time [s]."""
    law = law_of(card)
    if array.temperature_K is not None:
        law = law.at_temperature(array.temperature_K)
    when = float(np.clip(_HOUR_S, *law.time_range_s)) if array.time_s is None else array.time_s
    when = max(when, law.first_time_s)
    targets = rng.uniform(*law.level_range_S, size=array.size)
    cells = draw_cells(law, targets, np.array([when]), rng)[0]
    wire, capacitance = array.r_wire_ohm, array.capacitance
    crossbar = Crossbar(cells, wire, wire, array.r_driver_ohm, array.r_sense_ohm, capacitance=capacitance)
    return crossbar, np.full(array.size[0], array.v_read_V), when


def _array(array: Array, card: ModelCard, rng: np.random.Generator) -> ArraySummary:
    """Solve the crossbar, with ngspice as the judge where it is found."""
    crossbar, v, when = draw_array(card, array, rng)
    reason = ""
    try:
        validation = validate(crossbar, v)
    except MissingTool as error:
        validation, reason = validate(crossbar, v, backend="nodal"), str(error)
    absent = array.capacitance.absent
    settling = None if absent else settling_time(crossbar, v, within=array.settle_within, of="full_scale")
    return summarise_array(crossbar, v, validation, reason, when, settling)


def _profile(axes: Tables, card: ModelCard, array: ArraySummary, rng: np.random.Generator) -> VariationProfile:
    """Build the profile, with what the crossbar adds."""
    section = {
        "size": list(array.conductance_S.shape),
        "resistance_ohm": array.resistance_ohm,
        "error_mean_of_full_scale": float(np.mean(array.error)),
        "error_sigma_of_full_scale": float(np.std(array.error)),
        "spice_checked": array.checked,
        "spice": array.verdict,
    } | ({"settling": array.settling} if array.settling else {})
    return build_profile(
        card, axes.targets_S, axes.times_s, axes.temperatures_K, array=section, rng=rng, extrapolate=axes.extrapolate
    )
