"""What a build says of itself, kept to be looked at."""

from __future__ import annotations


class KeptProgress:
    """An `engines.tensorrt.build_progress.BuildProgress`."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.steps: list[tuple[str, int, int]] = []

    def stage(self, text: str) -> None:
        """Keep it."""
        self.stages.append(text)

    def step(self, phase: str, done: int, total: int) -> None:
        """Keep it."""
        self.steps.append((phase, done, total))
