"""What the fits of programmed levels have in common: the grid that levels come from."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nvmphys.errors import BadInput


class LevelGrid(BaseModel):
    """The programming grid: n levels from 0 to g_max; both, or neither to take the levels from the file.

    Attributes
    ----------
    n_levels : int, optional
        Number of levels.
    g_max_S : float, optional
        Top of the highest level [S]; cells first read beyond it are a population of their own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_levels: int | None = Field(default=None, ge=1)
    g_max_S: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _both_or_neither(self) -> LevelGrid:
        if (self.n_levels is None) != (self.g_max_S is None):
            raise BadInput("n_levels and g_max_S go together: give both, or neither to take the levels from the file")
        return self

    def as_given(self) -> dict[str, Any]:
        """Return the grid for the record of a fit's options; empty where the levels are the file's."""
        return {"n_levels": self.n_levels, "g_max_S": self.g_max_S} if self.n_levels else {}
