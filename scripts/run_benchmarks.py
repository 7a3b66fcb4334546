"""Run the benchmarks one after another and write their claims to benchmarks/RESULTS.md (see scripts/benchmarks)."""

from __future__ import annotations

import json
import os
import platform
import re
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


def row(claim: dict[str, Any]) -> str:
    """Return the line of a claim in the table."""
    return (
        f"| {text(claim['claim'])} (`{claim['script']}`) | {text(claim.get('figure'))} | {text(claim.get('target'))} "
        f"| {'yes' if claim.get('met') is True else '**no**'} | {claim['seconds']:.1f} |"
    )


def kept(page: str, names: set[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the rows and the sections of a page by script, without those of the names."""
    rows = {match[1]: match[0] for match in re.finditer(r"^\| .*? \(`(\w+)`\) \| .*$", page, re.MULTILINE)}
    sections = {
        match[1]: match[0] for match in re.finditer(r"^## (\w+)\n\n```\n.*?^```\n", page, re.MULTILINE | re.DOTALL)
    }
    return tuple({name: part for name, part in parts.items() if name not in names} for parts in (rows, sections))


def table(claims: list[dict[str, Any]], before: str) -> str:
    """Return the page: a row a claim, those of the page before where they were not run; versions and machine once."""
    said = re.search(r"^Versions: (.*)\.$", before, re.MULTILINE)
    versions = dict(item.split(" ", 1) for item in said[1].split(", ")) if said else {}
    versions["python"] = platform.python_version()
    for claim in claims:
        versions |= claim.get("versions") or {}
    rows, sections = kept(before, {claim["script"] for claim in claims})
    rows |= {claim["script"]: row(claim) for claim in claims}
    sections |= {claim["script"]: f"## {claim['script']}\n\n```\n{claim['output']}\n```\n" for claim in claims}
    return "\n".join(
        [
            "# Benchmark results",
            "",
            "Written by `scripts/benchmarks`; each claim is the file of that name in `benchmarks/`.",
            "",
            "| claim | figure | target | met | seconds |",
            "|---|---|---|---|---|",
            *(rows[name] for name in sorted(rows)),
            "",
            f"Machine: {machine()}.",
            "",
            "Versions: " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) + ".",
            "",
            *(sections[name] for name in sorted(sections)),
        ]
    )


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all, and write the page; return the exit code."""
    scripts = [FOLDER / f"{name}.py" for name in names] or sorted(FOLDER.glob("[!_]*.py"))
    missing = [script.stem for script in scripts if not script.is_file()]
    if missing or not scripts:
        print(f"no such benchmark: {', '.join(missing) or 'benchmarks/ is empty'}", file=sys.stderr)
        return 2
    claims = [run(script) for script in scripts]
    file = FOLDER / "RESULTS.md"
    page = table(claims, file.read_text(encoding="utf-8") if names and file.exists() else "")
    print(page)
    with replacing(file) as part:
        part.write_text(page, encoding="utf-8")
    return 0 if all(claim.get("met") is True for claim in claims) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
