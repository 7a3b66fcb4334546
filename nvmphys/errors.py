"""Errors that nvmphys raises on purpose; each carries the exit code of the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NvmphysError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class CheckFailed(NvmphysError):
    """A check was made and did not pass: a fit that did not converge, a validation beyond its tolerance."""

    exit_code = 1


class BadInput(NvmphysError, ValueError):
    """What was given cannot be used: the message names it, the rule, the value with its unit and the way out."""

    exit_code = 2


class MissingTool(NvmphysError):
    """A program or package outside the core is needed and absent: the message says how to install it."""

    exit_code = 3


class ExtrapolationWarning(UserWarning):
    """What was drawn goes beyond what is known, as was allowed: the message says which part."""


_LONGEST_NAME = 80
"""Characters of an unknown name that a message shows."""


def unknown_name(what: str, name: str, known: Iterable[str]) -> BadInput:
    """Make the error for a name that is not known, with close matches and the whole list.

    >>> str(unknown_name("card", "pcm_90n", ["pcm_90nm", "rram"]))
    "unknown card 'pcm_90n': did you mean pcm_90nm? known: pcm_90nm, rram"
    """
    names = sorted(known)
    name = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
    close = difflib.get_close_matches(name, names)
    hint = f"did you mean {', '.join(close)}? " if close else ""
    return BadInput(f"unknown {what} {name!r}: {hint}known: {', '.join(names) or '(none)'}")
