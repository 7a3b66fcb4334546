"""Exports of variation profiles. One file a consumer, found by walking this folder.

A consumer declares

- `NAME`, `write(profile, folder) -> LossReport`, `read_back(folder) -> Carried`;
- `draws(draw) -> ndarray`: cells drawn from its files by a reader written to its documentation;
- where the real tool can be run, `TOOL` and `in_tool(draw)`, which makes the same draws within the tool's own Python;
- where only some targets can be drawn, `axes(folder)`; for a real tool that is slow, `MOST_CELLS`; for stuck cells that
  are a rate of the tool and no part of its draws, `stuck(draw)`;
- `usage(folder, levels, time_s) -> str` where its tool is called with one number of levels and one time;
- `TRAINS` where it moves cells by pulses: its draws are then (pulse + 1, start, cell).

`nvmphys.exporters.conformance` compares what is drawn with the profile and knows no consumer by name.
"""

from __future__ import annotations

import os
from pathlib import Path

from nvmphys.discovery import modules_with
from nvmphys.errors import BadInput, unknown_name
from nvmphys.exporters.index import replace_export
from nvmphys.exporters.loss import LossReport, LossRow, without_content
from nvmphys.profile import VariationProfile

__all__ = ["LossReport", "LossRow", "consumers", "export", "usage"]


def consumers() -> list[str]:
    """Return the names of the consumers.

    Examples
    --------
    >>> consumers()
    ['aihwkit', 'aihwkit-training', 'crosssim', 'crosssim2-training', 'csv', 'level-sigma', 'neurosim', 'npz', ...]
    """
    return sorted(modules_with(__name__, "NAME"))


def export(profile: VariationProfile, consumer: str, folder: str | os.PathLike[str]) -> LossReport:
    """Write a profile for a consumer.

    Parameters
    ----------
    profile : VariationProfile
    consumer : str
        One of :func:`consumers`.
    folder : path
        Made when absent; receives the consumer's files and `loss_report.json`, in place of an older export to the
        same consumer.

    Returns
    -------
    LossReport
        What is carried, approximated and dropped.

    Raises
    ------
    BadInput
        Unknown consumer, or a profile without what the consumer is about: a device for training needs pulses.
    """
    found = modules_with(__name__, "NAME")
    if consumer not in found:
        raise unknown_name("consumer", consumer, found)
    made: list[LossReport] = []

    def write(where: Path) -> None:
        made.append(without_content(found[consumer].write(profile, where), profile))
        made[0].save(where)

    replace_export(Path(folder), consumer, write)
    return made[0]


def usage(consumer: str, folder: str | os.PathLike[str], levels: int | None = None, time_s: float | None = None) -> str:
    """Return how a consumer's tool is called on an export for a number of levels and a time since programming [s].

    Raises
    ------
    BadInput
        "… takes no number of levels …"; levels or a time that the export does not have, with those there are.
    """
    found = modules_with(__name__, "NAME")
    able = [name for name, module in found.items() if hasattr(module, "usage")]
    if consumer not in able:
        raise BadInput(
            f"{consumer} takes no number of levels and no time: its export holds all of them ({', '.join(able)} does)"
        )
    return str(found[consumer].usage(Path(folder), levels, time_s))
