"""Ten thousand generated malformed files per reader: an error on purpose or a measurement, in bounded time and memory.

Each file (tests/malformed.py, from a seed) is read twice: by the reader whose format was damaged, and by
`nvmphys.measurement.read`, which chooses. A warning counts as an exception that was not raised on purpose. Then a few
files of 20 to 60 MB with ten million columns go through every reader. Memory is the peak resident set of the process
(`resource`). Its bound: the longest line that is held has 2^25 characters, of up to 4 bytes each, 128 MiB; splitting
it takes at most six copies, 768 MiB; with what Python, NumPy and pandas take, 1 GiB.
"""

from __future__ import annotations

import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from _claims import ROOT, conclude

sys.path.insert(0, str(ROOT))
from nvmphys.errors import NvmphysError
from nvmphys.measurement import read, readers
from tests.malformed import malformed, ten_million_columns

FILES = 10_000
LONGEST_S = 10.0
MEMORY_MIB = 1024
MESSAGE = 5000
HANG_S = 60


class Hang(BaseException):
    """Raised by the alarm clock in a read that does not end."""


def ring(*_: object) -> None:
    raise Hang(f"not read within {HANG_S} s")


def outcome(reader: Callable, path: Path) -> str:
    """Read a file and say how it ended; print the traceback of what was not meant to happen."""
    signal.alarm(HANG_S)
    try:
        measurements = reader(path)
    except NvmphysError as error:
        if str(path) in str(error) and len(str(error)) <= MESSAGE:
            return "error on purpose"
        print(f"message without the file, or too long: {str(error)[:300]}")
        return "poor message"
    except (Exception, Hang):
        traceback.print_exc(limit=-3, file=sys.stdout)
        return "other exception"
    finally:
        signal.alarm(0)
    left_out = any(found.exclusions for found in measurements)
    return "read with exclusions" if left_out else "read clean"


def files(name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the malformed files of a reader, each with a label from which it can be made again."""
    for n in range(FILES):
        label = f"{name} {n}"
        yield label, malformed(name, random.Random(label))


def run(inputs: Iterator[tuple[str, bytes]], chosen: list[Callable], path: Path) -> tuple[Counter[str], float]:
    """Read all inputs with the chosen readers; return how often each outcome came, and the longest time."""
    counts: Counter[str] = Counter()
    longest = 0.0
    for label, content in inputs:
        path.write_bytes(content)
        for reader in chosen:
            start = time.perf_counter()
            ended = outcome(reader, path)
            longest = max(longest, time.perf_counter() - start)
            counts[ended] += 1
            if ended in ("other exception", "poor message"):
                print(f"^ {label!r}, {reader.__module__}")
    return counts, longest


def peak_MiB() -> float:
    """Return the peak resident set of the process [MiB]; it is in KiB on Linux, in bytes on macOS."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> int:
    warnings.simplefilter("error")
    signal.signal(signal.SIGALRM, ring)
    total: Counter[str] = Counter()
    longest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.csv")
        for name, reader in readers().items():
            counts, seconds = run(files(name), [reader.read, read], path)
            total, longest = total + counts, max(longest, seconds)
            print(f"{name:12s} {dict(counts.most_common())}, longest {seconds:.2f} s, peak {peak_MiB():.0f} MiB")
        every = [reader.read for reader in readers().values()]
        counts, seconds = run(ten_million_columns(), [*every, read], path)
        total, longest = total + counts, max(longest, seconds)
        print(f"{'long lines':12s} {dict(counts.most_common())}, longest {seconds:.2f} s, peak {peak_MiB():.0f} MiB")
    figure = {
        "files": FILES * len(readers()),
        "error on purpose": total["error on purpose"],
        "read with exclusions": total["read with exclusions"],
        "read clean": total["read clean"],
        "other exceptions": total["other exception"],
        "poor messages": total["poor message"],
        "longest_s": round(longest, 2),
        "peak_MiB": round(peak_MiB()),
    }
    target = {
        "other exceptions": 0,
        "poor messages": 0,
        "longest_s": f"< {LONGEST_S:g}",
        "peak_MiB": f"< {MEMORY_MIB}",
    }
    faults = total["other exception"] + total["poor message"]
    met = faults == 0 and longest < LONGEST_S and peak_MiB() < MEMORY_MIB
    return conclude(f"{FILES} malformed files per reader: no traceback, no hang, memory bounded", figure, target, met)


if __name__ == "__main__":
    sys.exit(main())
