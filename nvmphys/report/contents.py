"""What a run of a study made and its report shows, kept in a folder so that the report can be written again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nvmphys.cards import load_card, save_card
from nvmphys.crossbar import Crossbar, MatvecError, Validation
from nvmphys.profile import VariationProfile, load_profile, save_profile
from nvmphys.records import ModelCard
from nvmphys.report.archive import read_record, write_record
from nvmphys.report.fitted import FitSummary

CARD, PROFILE, RESULTS = "card.toml", "profile.h5", "results.h5"


@dataclass(frozen=True, eq=False)
class ArrayStudy:
    """A crossbar of cells drawn from the card, solved and checked.

    Attributes
    ----------
    crossbar : Crossbar
    v : ndarray (word_line,)
        Voltages at the drivers [V].
    validation : Validation
        The nodal solution, and its comparison with ngspice where that was made.
    reason : str
        Why no SPICE check was made; empty where one was.
    matvec : MatvecError
    time_s : float
        Time since programming at which the cells were drawn [s].
    """

    crossbar: Crossbar
    v: np.ndarray
    validation: Validation
    reason: str
    matvec: MatvecError
    time_s: float


@dataclass(frozen=True, eq=False)
class StudyContents:
    """Everything that a report shows.

    Attributes
    ----------
    title : str
    study_text : str
        The study file as it was run.
    card : ModelCard
    fit : FitSummary or None
        None when the card was taken as it is.
    profile : VariationProfile
    array : ArrayStudy
    exports : mapping of str to rows
        For each consumer what it carries: property, status, max_error, reason.
    seconds : float
        Wall time of the run [s].
    versions : mapping of str to str
    """

    title: str
    study_text: str
    card: ModelCard
    fit: FitSummary | None
    profile: VariationProfile
    array: ArrayStudy
    exports: Mapping[str, Any]
    seconds: float
    versions: Mapping[str, str]


def save(contents: StudyContents, folder: str | os.PathLike[str]) -> None:
    """Write `card.toml`, `profile.h5` and `results.h5` into a folder; each file is whole or the old one."""
    save_card(contents.card, Path(folder) / CARD)
    save_profile(contents.profile, Path(folder) / PROFILE)
    write_record(contents, Path(folder) / RESULTS, omit=("card", "profile"))


def load(folder: str | os.PathLike[str]) -> StudyContents:
    """Read what :func:`save` wrote.

    Raises
    ------
    BadInput
        A file is missing or not whole; the message names it.
    """
    card, profile = load_card(Path(folder) / CARD), load_profile(Path(folder) / PROFILE)
    return read_record(StudyContents, Path(folder) / RESULTS, card=card, profile=profile)
