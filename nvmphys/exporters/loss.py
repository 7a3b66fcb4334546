"""What an export carries, approximates or drops: the loss report beside each export."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from nvmphys.errors import BadInput
from nvmphys.exporters.steps import steps_of
from nvmphys.files import replacing
from nvmphys.profile import VariationProfile

FILE = "loss_report.json"
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
        """Write `loss_report.json` into a folder."""
        with replacing(Path(folder) / FILE) as part:
            part.write_text(
                json.dumps({"consumer": self.consumer, "rows": self.as_dicts()}, indent=2), encoding="utf-8"
            )

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> LossReport:
        """Read `loss_report.json` of a folder."""
        path = Path(folder) / FILE
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
    nothing = {} if profile.drift else {"drift exponents": "nothing to carry: no power law"}
    if not profile.extras:
        nothing["populations that do not follow the target"] = "nothing to carry: none known"
    if steps_of(profile) is None:
        nothing["pulse updates"] = "nothing to carry: the profile has no pulse-update tables"
    if profile.read_iv is None:
        nothing["read non-linearity"] = "nothing to carry: the profile does not know it"
    if profile.replicates is None:
        nothing["confidence"] = "nothing to carry: the profile has no replicates"
    if profile.tables.time_s.size == 1:
        only = "nothing to carry: the profile is of the programmed conductance alone"
        nothing |= {"conductance over time": only, "histories": only}

    def said(row: LossRow) -> LossRow:
        reason = nothing.get(row.property)
        return row if reason is None else replace(row, status="carried", max_error=None, reason=reason)

    return replace(report, rows=tuple(said(row) for row in report.rows))
