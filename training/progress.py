"""How commands of `guard-train` show that they get on."""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.one_line_errors import console


def progress_bar() -> Progress:
    """One line on standard error: what is counted, how many of how many, and about how long it still takes."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console)
