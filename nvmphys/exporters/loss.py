"""What an export carries, approximates or drops: the loss report beside each export."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from nvmphys.errors import BadInput
from nvmphys.exporters.index import REPORT
from nvmphys.exporters.steps import steps_of
from nvmphys.files import write_text
from nvmphys.profile import VariationProfile

NOTHING = "nothing to carry"
"""How the reason begins of a row whose property the profile does not hold; its status is `carried`, without error."""
_NO_ERROR = 1e-9
Status = Literal["carried", "approximated", "dropped"]
PROPERTIES = (
    "programmed conductance",
    "conductance over time",
    "tails",
    "histories",
    "populations that do not follow the target",
    "read noise",
    "drift exponents",
    "temperature",
    "what is left open of σ",
    "programming error and change together",
    "array effects",
    "pulse updates",
    "read non-linearity",
    "confidence",
    "basis, validity and provenance",
)
"""What a profile holds; every loss report names each once."""
RANGE_ERROR = ("programmed conductance", "conductance over time", "tails", "read noise", "pulse updates")
"""Properties whose largest error is a share of the range of targets; that of any other is in its own unit."""


def basis_in_words(profile: VariationProfile) -> str:
    """Say what the conductance statistics stand on; a limit in place of σ is said to be one."""
    basis = profile.basis["conductance"]
    limit = "; σ is a published limit, not a value" if profile.basis["programmed"] == "bound" else ""
    return f"basis of the conductance: {basis}{limit}"


def shown_status(status: str, reason: str) -> str:
    """Return a status in words for people.

    >>> shown_status("carried", "nothing to carry: none known"), shown_status("carried", "in the table")
    ('nothing to carry', 'carried')
    """
    return NOTHING if reason.startswith(NOTHING) else status


@dataclass(frozen=True)
class LossRow:
    """One property: whether it is carried, the largest error where it is approximated, and why.

    The error is one of the tables of the consumer, not of a draw; it is a share of the range of targets for the
    properties of `RANGE_ERROR`, and None where no bound is known.
    """

    property: str
    status: Status
    max_error: float | None
    reason: str

    def shown(self) -> str:
        """Return the status in words for people: what a profile does not hold is not said to be carried."""
        return shown_status(self.status, self.reason)


@dataclass(frozen=True)
class LossReport:
    """All properties of a profile, as one consumer gets them."""

    consumer: str
    rows: tuple[LossRow, ...]

    def __post_init__(self) -> None:
        named = [row.property for row in self.rows]
        if sorted(named) != sorted(PROPERTIES):
            raise ValueError(f"a loss report names each property once (got {named})")

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return the rows as plain mappings."""
        return [asdict(row) for row in self.rows]

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write `loss_report.json` into a folder, with the names of the files that stand there."""
        files = sorted(path.name for path in Path(folder).iterdir() if path.name != REPORT)
        content = {"consumer": self.consumer, "rows": self.as_dicts(), "files": files}
        write_text(Path(folder) / REPORT, json.dumps(content, indent=2))

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> LossReport:
        """Read `loss_report.json` of a folder."""
        path = Path(folder) / REPORT
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(content["consumer"], tuple(LossRow(**row) for row in content["rows"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{path}: not a loss report ({error})") from None


Said = tuple[Status, float | None, str]
"""What is said of one property: status, largest error, reason."""


def carried(reason: str) -> Said:
    """Say that a property is carried as it is."""
    return "carried", 0.0, reason


def approximated(max_error: float | None, reason: str) -> Said:
    """Say that a property is approximated; an error of less than 1e-9 counts as none."""
    return ("carried", 0.0, reason) if max_error is not None and max_error < _NO_ERROR else (
        "approximated", max_error, reason)  # fmt: skip


def dropped(reason: str) -> Said:
    """Say that a property is dropped."""
    return "dropped", None, reason


def loss_report(consumer: str, said: Mapping[str, Said]) -> LossReport:
    """Make the report from what is said of each property.

    Raises
    ------
    ValueError
        A property of `PROPERTIES` that nothing is said of, or one that is not among them.
    """
    order = sorted(said, key=lambda name: PROPERTIES.index(name) if name in PROPERTIES else -1)
    return LossReport(consumer, tuple(LossRow(name, *said[name]) for name in order))


def said_by_training(profile: VariationProfile) -> dict[str, Said]:
    """Say what a device for training drops of a profile; what it does with pulses is for the exporter to say."""
    absent = dropped("a device for training knows pulses alone")
    return dict.fromkeys(PROPERTIES, absent) | {
        "basis, validity and provenance": carried(f"beside the tables in the profile; {basis_in_words(profile)}"),
        "read non-linearity": dropped("cells are linear"),
        "confidence": dropped("one set of tables, without replicates"),
    }


def without_content(report: LossReport, profile: VariationProfile) -> LossReport:
    """Return the report with what this profile does not hold said to be nothing, rather than carried without error."""
    tables, heat = profile.tables, profile.tables.temperature_K
    held = {
        "drift exponents": (profile.drift, "no power law"),
        "populations that do not follow the target": (profile.extras, "none known"),
        "read noise": (profile.read_noise_S is not None, "the profile does not know it apart from relaxation"),
        "temperature": (heat.size > 1, f"the profile is of {heat[0]:g} K alone"),
        "what is left open of σ": (profile.sigma_range_S is not None, "the profile has one σ, without a range"),
        "array effects": (profile.array, "no array was studied with it"),
        "pulse updates": (steps_of(profile) is not None, "the profile has no pulse-update tables"),
        "read non-linearity": (profile.read_iv is not None, "the profile does not know it"),
        "confidence": (profile.replicates is not None, "the profile has no replicates"),
    }
    nothing = {name: f"{NOTHING}: {why}" for name, (there, why) in held.items() if not there}
    if tables.time_s.size == 1:
        only = f"{NOTHING}: the profile is of the programmed conductance alone"
        nothing |= {"conductance over time": only, "histories": only, "programming error and change together": only}

    def said(row: LossRow) -> LossRow:
        reason = nothing.get(row.property)
        return row if reason is None else replace(row, status="carried", max_error=None, reason=reason)

    return replace(report, rows=tuple(said(row) for row in report.rows))
