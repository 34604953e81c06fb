"""compute-sanitizer over a small parity run: no stray access (memcheck), no race in shared memory (racecheck)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import engines
from tests.gpu.section import UnavailableError

_ROOT = Path(engines.__file__).parents[1]
_SECONDS = 60
_USUAL_PLACES = ("/usr/local/cuda/bin",)


def measure_sanitizer(tool: str | None = None) -> dict[str, Any]:
    """Raises UnavailableError where the tool is missing, or does not work on this device.

    memcheck also runs over a kernel that reads beyond its input: a tool that does not see this one proves nothing.
    """
    tool = tool or find_tool()
    runs = [
        watched_run(tool, "memcheck", "sequence"),
        watched_run(tool, "racecheck", "sequence"),
        watched_run(tool, "memcheck", "overread"),
    ]
    return {
        "tool": tool,
        "runs": runs,
        "clean": all(run["errors"] == 0 and run["finished"] for run in runs[:2]),
        "finds_a_planted_overread": runs[2]["errors"] > 0,
    }


def find_tool() -> str:
    """Raises UnavailableError."""
    for folder in (None, *_USUAL_PLACES):
        if found := shutil.which("compute-sanitizer", path=folder):
            return found
    raise UnavailableError("compute-sanitizer is not installed")


def watched_run(tool: str, check: str, what: str) -> dict[str, Any]:
    """One process under the tool; errors: as it counts them in its summary."""
    command = [tool, "--tool", check, sys.executable, "-m", "tests.gpu.sanitized_run", what]
    try:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{check} was not through after {_SECONDS} s") from None
    output = done.stdout + done.stderr
    errors = count_errors(output)
    if errors is None or "begun" not in output:
        last = " | ".join(line for line in output.strip().splitlines()[-4:])
        raise UnavailableError(f"{check} does not work here ({last})")
    return {"check": check, "what": what, "errors": errors, "finished": "done" in done.stdout.split()}


def count_errors(output: str) -> int | None:
    """What the tool's summary line says, or None where there is none.

    memcheck: "ERROR SUMMARY: 2 errors"; racecheck: "RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)",
    whose hazards all count.
    """
    found = re.findall(r"(?:ERROR SUMMARY: |RACECHECK SUMMARY: )(\d+)", output)
    return int(found[-1]) if found else None
