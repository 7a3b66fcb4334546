"""Exports of variation profiles. One file a consumer, found by walking this folder.

A consumer declares `NAME`, `write(profile, folder) -> LossReport` and `read_back(folder)`.
"""

from __future__ import annotations

import os
from pathlib import Path

from nvmphys.discovery import modules_with
from nvmphys.errors import unknown_name
from nvmphys.exporters.loss import LossReport, LossRow, without_content
from nvmphys.profile import VariationProfile

__all__ = ["LossReport", "LossRow", "consumers", "export"]


def consumers() -> list[str]:
    """Return the names of the consumers.

    Examples
    --------
    >>> consumers()
    ['aihwkit', 'csv']
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
        Made when absent; receives the consumer's files and `loss_report.json`.

    Returns
    -------
    LossReport
        What is carried, approximated and dropped.

    Raises
    ------
    BadInput
        Unknown consumer.
    """
    found = modules_with(__name__, "NAME")
    if consumer not in found:
        raise unknown_name("consumer", consumer, found)
    Path(folder).mkdir(parents=True, exist_ok=True)
    report: LossReport = without_content(found[consumer].write(profile, Path(folder)), profile)
    report.save(folder)
    return report
