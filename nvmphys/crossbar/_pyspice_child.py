"""Decks through libngspice by PySpice, in a process of its own: run as a script, imported by nothing.

`python _pyspice_child.py LIBRARY` answers on what was its standard output with a line of JSON, the library's version,
then reads a deck's path a line from standard input, writes its vectors beside it (`.npz`) and answers each with a line
of JSON: what was logged and, where it failed, how.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np


def main(library: str) -> None:
    """Answer until standard input ends."""
    from PySpice.Spice.NgSpice.Shared import NgSpiceShared

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the library prints goes elsewhere
    NgSpiceShared.LIBRARY_PATH = library
    shared = NgSpiceShared.new_instance()

    def answer(**content: object) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    answer(version=int(shared.ngspice_version))
    for line in sys.stdin:
        answer(**run(shared, Path(line.rstrip("\n"))))


def run(shared, deck: Path) -> dict[str, object]:  # type: ignore[no-untyped-def]
    """Run a deck, forget it in the library, and write its last plot."""
    failed = None
    try:
        try:
            shared.load_circuit(deck.read_text(encoding="utf-8"))
            shared.run()
        except NameError as error:  # the base of PySpice's own error
            failed = str(error)
        log = f"{shared.stdout}\n{shared.stderr}"
        if failed is not None:
            return {"log": log, "failed": failed}
        plot = shared.plot(None, shared.last_plot)
        columns = {name: np.array(vector._data, dtype=float) for name, vector in plot.items()}  # without units
        np.savez(deck.with_suffix(".npz"), names=np.array(list(columns)), values=np.stack([*columns.values()], axis=1))
        shared.destroy()
        return {"log": log, "plot": str(plot.plot_name)}
    finally:
        shared.remove_circuit()


if __name__ == "__main__":
    main(sys.argv[1])
