"""Capacitances of a crossbar: of its lines to ground and across its cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nvmphys.crossbar.lines import numbers
from nvmphys.errors import BadInput

Farads = float | np.ndarray


@dataclass(frozen=True, eq=False)
class Capacitance:
    """Capacitances that make a crossbar slow; they do not enter its operating point.

    Parameters
    ----------
    word_line_F : float or array_like, (word_line,) or (word_line, bit_line)
        To ground at the word-line node of each cell, that of its segment [F]: of all, per line or per cell.
    bit_line_F : float or array_like, (bit_line,) or (word_line, bit_line)
        The same of bit lines [F].
    cell_F : float or array_like, (word_line, bit_line)
        Across each cell, also an open one [F].

    Raises
    ------
    BadInput
        "… must be >= 0 and finite (got … F …)".

    Examples
    --------
    >>> word, bit, cell = Capacitance(word_line_F=1e-15, bit_line_F=[1e-15, 2e-15]).of_nodes((2, 2))
    >>> bit * 1e15
    array([[1., 2.],
           [1., 2.]])
    """

    word_line_F: Farads = 0.0
    bit_line_F: Farads = 0.0
    cell_F: Farads = 0.0

    def __post_init__(self) -> None:
        """Check the values; copy and freeze arrays."""
        for name in ("word_line_F", "bit_line_F", "cell_F"):
            values = numbers(name, getattr(self, name))
            good = np.isfinite(values) & (values >= 0)
            if not good.all():
                place = np.argwhere(~good)[0]
                where = f" at {tuple(place.tolist())}" if values.ndim else ""
                value = float(values[tuple(place)])
                raise BadInput(f"{name} must be >= 0 and finite (got {value} F{where}): 0 stands for none")
            values.flags.writeable = False
            object.__setattr__(self, name, values if values.ndim else float(values))

    @property
    def absent(self) -> bool:
        """Whether all are 0."""
        return not any(np.any(values) for values in (self.word_line_F, self.bit_line_F, self.cell_F))

    def check(self, shape: tuple[int, int]) -> None:
        """Raise BadInput, "… must be one number in F or have shape …", where an array does not fit."""
        for name, line in (("word_line_F", shape[:1]), ("bit_line_F", shape[1:]), ("cell_F", shape)):
            got = np.shape(getattr(self, name))
            if got not in ((), line, shape):
                known = " or ".join(str(each) for each in dict.fromkeys((line, shape)))
                raise BadInput(f"{name} must be one number in F or have shape {known} (got shape {got})")

    def of_nodes(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return those at word-line nodes, at bit-line nodes and across cells, each (word_line, bit_line) [F]."""
        self.check(shape)
        word = np.asarray(self.word_line_F, dtype=float)
        word = word[:, np.newaxis] if word.ndim == 1 else word
        all_of = (word, self.bit_line_F, self.cell_F)
        at_words, at_bits, across = (np.array(np.broadcast_to(values, shape), dtype=float) for values in all_of)
        return at_words, at_bits, across


NO_CAPACITANCE = Capacitance()
