"""What a run tells while it trains: one JSON line a step, and the same curves for TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch.utils.tensorboard import SummaryWriter

LOG = "log.jsonl"


class RunLog:
    """The log of a run's folder, from a step on: lines and points that a killed run wrote after its checkpoint go.

    `tensorboard --logdir FOLDER` shows the curves of one run, or of all runs in a folder.
    """

    def __init__(self, out: Path, step: int) -> None:
        path = out / LOG
        kept = path.read_text().splitlines(keepends=True)[:step] if path.exists() else []
        path.write_text("".join(kept))
        self._lines = path.open("a")
        self._curves: Any = SummaryWriter(str(out), purge_step=step + 1)

    def write(self, step: int, values: dict[str, float]) -> None:
        """One step's numbers, at once on disk."""
        self._lines.write(json.dumps({"step": step, **values}) + "\n")
        self._lines.flush()
        for name, value in values.items():
            self._curves.add_scalar(name, value, step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._curves.close()
