"""Run the benchmarks one after another and write their claims to benchmarks/RESULTS.md (see scripts/benchmarks)."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from nvmphys.files import replacing

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


def run(script: Path) -> dict[str, Any]:
    """Run one benchmark and return its claim: the last line of its output that is a JSON object."""
    print(f"{script.stem} …", file=sys.stderr, flush=True)
    start = time.perf_counter()
    # what runs inside aihwkit needs a Python that has it
    python = os.environ.get("NVMPHYS_AIHWKIT_PYTHON", sys.executable) if "aihwkit" in script.stem else sys.executable
    done = subprocess.run([python, script], cwd=FOLDER.parent, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - start
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    try:
        claim = json.loads(lines[-1])
    except (IndexError, ValueError):
        claim = {"claim": "ended without a claim", "met": False}
    if done.returncode != 0:
        claim |= {"met": False, "figure": f"{claim.get('figure', '—')} (exit code {done.returncode})"}
    shown = "\n".join(line for line in done.stdout.splitlines() if not line.startswith("{"))
    return {"script": script.stem, "seconds": seconds, "output": shown} | claim


def text(value: Any) -> str:
    """Write a figure or a target as one cell of a table."""
    if isinstance(value, float):
        value = f"{value:.4g}"
    elif isinstance(value, dict):
        value = ", ".join(f"{key} {text(item)}" for key, item in value.items())
    elif isinstance(value, list):
        value = ", ".join(map(text, value))
    return str("—" if value is None else value).replace("|", "\\|").replace("\n", " ")


def machine() -> str:
    """Describe the processor, its cores and the system."""
    cpu = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(": ", 1)[-1] for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0] if names else cpu
    return f"{cpu}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}; one thread"


def table(claims: list[dict[str, Any]]) -> str:
    """Return the page: a row a claim, then what it was run with and on, once."""
    versions = {"python": platform.python_version()}
    for claim in claims:
        versions |= claim.get("versions") or {}
    rows = [
        f"| {text(c['claim'])} (`{c['script']}`) | {text(c.get('figure'))} | {text(c.get('target'))} "
        f"| {'yes' if c.get('met') is True else '**no**'} | {c['seconds']:.1f} |"
        for c in claims
    ]
    return "\n".join(
        [
            "# Benchmark results",
            "",
            "Written by `scripts/benchmarks`; each claim is the file of that name in `benchmarks/`.",
            "",
            "| claim | figure | target | met | seconds |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"Machine: {machine()}.",
            "",
            "Versions: " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) + ".",
            "",
            *(f"## {c['script']}\n\n```\n{c['output']}\n```\n" for c in claims),
        ]
    )


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all and keep the page; return the exit code."""
    scripts = [FOLDER / f"{name}.py" for name in names] or sorted(FOLDER.glob("[!_]*.py"))
    missing = [script.stem for script in scripts if not script.is_file()]
    if missing or not scripts:
        print(f"no such benchmark: {', '.join(missing) or 'benchmarks/ is empty'}", file=sys.stderr)
        return 2
    claims = [run(script) for script in scripts]
    page = table(claims)
    print(page)
    if not names:
        with replacing(FOLDER / "RESULTS.md") as part:
            part.write_text(page, encoding="utf-8")
    return 0 if all(claim.get("met") is True for claim in claims) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
