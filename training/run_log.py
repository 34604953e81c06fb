"""What a run tells while it trains: one JSON line a step, and the same curves for TensorBoard."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

from torch.utils.tensorboard import SummaryWriter

from training.errors import CheckpointError

LOG = "log.jsonl"


@dataclass(frozen=True, slots=True)
class TrainingLength:
    """steps: of the run. frames: of all clips of a step, the median over steps; None where no log says so."""

    steps: int
    frames: int | None


def logged_length(out: Path) -> TrainingLength | None:
    """What the log in a run's folder says; None where there is none. Raises CheckpointError for one that is damaged."""
    path = out / LOG
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        frames = [int(line["clips"]) * int(line["frames"]) for line in lines]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is no log of this trainer ({error}); delete it to go by the checkpoint"
        ) from error
    return TrainingLength(len(lines), round(median(frames))) if lines else None


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
