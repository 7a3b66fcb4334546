"""An order of elimination for the two layers of a crossbar: nested dissection.

Word lines and bit lines meet only in cells, so a cut between two columns of cells need remove the *word-line* nodes of
one column only, and a cut between two rows the bit-line nodes of one row. Halves are cut across their longer side until
they are a few cells; what cuts comes last. (A. George, SIAM J. Numer. Anal. 10, 345 (1973), doi:10.1137/0710032.)
"""

from __future__ import annotations

import numpy as np

LEAF_CELLS = 3
"""Cells along the side of a block that is not cut further."""


def nested_dissection(word_lines: int, bit_lines: int) -> np.ndarray:
    """Return the node numbers in the order of elimination, (2·word_lines·bit_lines,).

    Node i·bit_lines + j is that of word line i at bit line j; those of the bit lines follow in the same order.

    Examples
    --------
    >>> nested_dissection(1, 2)
    array([0, 1, 2, 3])
    >>> order = nested_dissection(5, 7)
    >>> bool((np.sort(order) == np.arange(70)).all())
    True
    """
    bit_offset = word_lines * bit_lines
    pieces: list[np.ndarray] = []

    def dissect(words: tuple[int, int, int], bits: tuple[int, int, int]) -> None:
        """Order a block: word lines [0]…[1], of which those up to [2] have bit-line nodes left; columns alike."""
        rows, columns = words[1] - words[0], bits[1] - bits[0]
        if rows <= LEAF_CELLS and columns <= LEAF_CELLS:
            word_rows, bit_rows = np.arange(words[0], words[1]), np.arange(words[0], words[2])
            word_columns, bit_columns = np.arange(bits[0], bits[2]), np.arange(bits[0], bits[1])
            pieces.append((word_rows[:, np.newaxis] * bit_lines + word_columns).ravel())
            pieces.append((bit_offset + bit_rows[:, np.newaxis] * bit_lines + bit_columns).ravel())
        elif columns >= rows:
            middle = (bits[0] + bits[1]) // 2
            dissect(words, (bits[0], middle, middle - 1))
            dissect(words, (middle, bits[1], bits[2]))
            pieces.append(np.arange(words[0], words[1]) * bit_lines + middle - 1)
        else:
            middle = (words[0] + words[1]) // 2
            dissect((words[0], middle, middle - 1), bits)
            dissect((middle, words[1], words[2]), bits)
            pieces.append(bit_offset + (middle - 1) * bit_lines + np.arange(bits[0], bits[1]))

    dissect((0, word_lines, word_lines), (0, bit_lines, bit_lines))
    return np.concatenate(pieces)
