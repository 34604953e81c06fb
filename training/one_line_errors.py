"""How every command of `guard-train` fails on what it was given: one red line, and exit status 1."""

from __future__ import annotations

from typing import NoReturn

import typer
from rich.console import Console

from training.errors import TrainingError

console = Console(stderr=True)


class one_line_errors:  # noqa: N801  # reads as a statement
    """Turn this package's errors, those of engines and those of files into one line and exit status 1."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from engines.errors import EngineError

        if isinstance(error, TrainingError | EngineError):
            fail(str(error))
        if isinstance(error, OSError) and error.filename is not None:
            fail(f"cannot use {error.filename}: {error.strerror}")


def fail(message: str) -> NoReturn:
    """Say what is wrong, and end with exit status 1."""
    console.print(f"guard-train: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)
