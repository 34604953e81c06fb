"""Shows that a build, which may take minutes, is getting on."""

from __future__ import annotations

import sys
from typing import Any, Protocol


class BuildProgress(Protocol):
    """Whoever wants to know. May be called from TensorRT's own threads."""

    def stage(self, text: str) -> None:
        """A stage has begun, or something has to be known: one line."""

    def step(self, phase: str, done: int, total: int) -> None:
        """Within a stage: `done` of `total` steps of a phase."""


class StderrProgress:
    """A line per stage; on a terminal also the steps, in a line that is written over."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()

    def stage(self, text: str) -> None:
        """Print one line."""
        sys.stderr.write(f"{self._cleared()}{text}\n")
        sys.stderr.flush()

    def step(self, phase: str, done: int, total: int) -> None:
        """Overwrite the current line."""
        if self._live:
            sys.stderr.write(f"{self._cleared()}  {phase[:60]} {done}/{total}")
            sys.stderr.flush()

    def _cleared(self) -> str:
        return "\r\x1b[K" if self._live else ""


def progress_monitor(trt: Any, progress: BuildProgress) -> Any | None:
    """TensorRT's own kind of observer, or None where the version has none (8.6)."""
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # the base class is known only at run time
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._totals: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:  # noqa: ARG002
            self._totals[phase_name] = num_steps
            progress.step(phase_name, 0, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            total = self._totals.get(phase_name, 0)
            progress.step(phase_name, min(step + 1, total), total)
            return True  # go on

        def phase_finish(self, phase_name: str) -> None:
            self._totals.pop(phase_name, None)

    return Monitor()
