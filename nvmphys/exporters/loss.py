"""What an export carries, approximates or drops: the loss report beside each export."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from nvmphys.errors import BadInput
from nvmphys.files import replacing
from nvmphys.profile import VariationProfile

FILE = "loss_report.json"
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
    "basis, validity and provenance",
)
"""What a profile holds; every loss report names each once."""


def basis_in_words(profile: VariationProfile) -> str:
    """Say what the conductance statistics stand on; a limit in place of σ is said to be one."""
    basis = profile.basis["conductance"]
    limit = "; σ is a published limit, not a value" if profile.basis["programmed"] == "bound" else ""
    return f"basis of the conductance: {basis}{limit}"


@dataclass(frozen=True)
class LossRow:
    """One property: whether it is carried, the largest error where it is approximated, and why."""

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


def without_content(report: LossReport, profile: VariationProfile) -> LossReport:
    """Return the report with what this profile does not hold said to be nothing, rather than carried without error."""
    nothing = {} if profile.drift else {"drift exponents": "nothing to carry: no power law"}
    if profile.tables.time_s.size == 1:
        only = "nothing to carry: the profile is of the programmed conductance alone"
        nothing |= {"conductance over time": only, "histories": only}

    def said(row: LossRow) -> LossRow:
        reason = nothing.get(row.property)
        return row if reason is None else replace(row, status="carried", max_error=None, reason=reason)

    return replace(report, rows=tuple(said(row) for row in report.rows))
