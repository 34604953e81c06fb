"""All that is to be shown on a machine with a GPU, by one command:

    python -m tests.gpu.evidence --out FOLDER [--only kernels,engine] [--crops FOLDER]

FOLDER gets `evidence.json` and plots. It takes less than 8 minutes; see README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import engines
from tests.gpu.bounds import Bound, check_bounds
from tests.gpu.machine_facts import machine_facts
from tests.gpu.plots import save_plots
from tests.gpu.section import Section, read_section
from tests.gpu.section_run import SECTIONS

ROOT = Path(engines.__file__).parents[1]
REPORT = "evidence.json"
TOTAL_SECONDS = 460
"""For everything: under 8 minutes, with what is left for plots."""
SECTION_SECONDS = 180
"""For one section, so that one that hangs does not take the others' time."""

Runner = Callable[[str, Path | None, float], Section]
"""(name, crops, seconds that are left) to a section."""


def main() -> int:
    """Read the arguments, measure, and say what came out; 1 where a bound is missed, 0 also where none was measured."""
    parser = argparse.ArgumentParser(description="Measure the GPU engine against what the project demands of it.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the report and its plots")
    parser.add_argument("--only", type=_names, default=tuple(SECTIONS), help=f"some of: {','.join(SECTIONS)}")
    parser.add_argument("--crops", type=Path, help="folder of *.npy, uint8 (n, 128, 128), for the section engine")
    given = parser.parse_args()
    bounds = measure(given.out, given.only, given.crops, run_apart)
    return int(any(bound.met is False for bound in bounds))


def measure(out: Path, names: tuple[str, ...], crops: Path | None, runner: Runner) -> list[Bound]:
    """Run the sections one after another; the report is written anew after each, so that one cut off is not lost."""
    out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + TOTAL_SECONDS
    sections: dict[str, Section] = {}
    bounds: list[Bound] = []
    for name in names:
        left = min(SECTION_SECONDS, end - time.monotonic())
        if left > 0:
            sections[name] = runner(name, crops, left)
        else:
            sections[name] = Section(name, "unavailable", 0.0, reason="no time was left for it")
        bounds = check_bounds(sections)
        write_report(sections, bounds, out / REPORT)
        _say(f"{name}: {sections[name].state} after {sections[name].seconds:.0f} s")
    save_plots(sections, out)
    for bound in bounds:
        met = {True: "met", False: "MISSED", None: "not measured"}[bound.met]
        _say(f"{met:13}{bound.section}: {bound.wanted}: {bound.found}")
    return bounds


def run_apart(name: str, crops: Path | None, seconds: float) -> Section:
    """In a process of its own (`tests.gpu.section_run`), which is ended when the time is over."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        result = Path(place) / "section.json"
        command = [sys.executable, "-m", "tests.gpu.section_run", name, str(result)]
        command += ["--crops", str(crops.resolve())] if crops else []
        try:
            done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return Section(name, "failed", time.monotonic() - begin, reason=f"not through after {seconds:.0f} s")
        if result.is_file():
            return read_section(result)
    ended = f"the process ended with {done.returncode}: {done.stderr[-2000:]}"
    return Section(name, "failed", time.monotonic() - begin, reason=ended)


def write_report(sections: Mapping[str, Section], bounds: list[Bound], path: Path) -> None:
    """JSON: when, on what, every bound, every section."""
    report = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine_facts(),
        "bounds": [asdict(bound) for bound in bounds],
        "sections": {name: asdict(section) for name, section in sections.items()},
    }
    path.write_text(json.dumps(report, indent=1) + "\n")


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := [name for name in names if name not in SECTIONS]:
        raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; known are {', '.join(SECTIONS)}")
    return names


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
