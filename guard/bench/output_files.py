"""Files that a bench writes: refused before anything is measured where they cannot be written."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from guard.errors import ConfigError

STANDARD_OUTPUT = Path("-")


def check_output_files(*files: Path | None) -> None:
    """Raises ConfigError for a file in a folder that does not exist."""
    for file in files:
        if file is not None and file != STANDARD_OUTPUT and not file.parent.is_dir():
            raise ConfigError(f"cannot write {file}: there is no folder {file.parent}")


def check_plot_file(file: Path | None) -> None:
    """Raises ConfigError for a picture that cannot be drawn here."""
    if file is None:
        return
    try:
        from guard.bench.engine_plot import plot_endings
    except ImportError as error:
        raise ConfigError(f"--plot needs matplotlib ({error}): pip install matplotlib") from None
    if file.suffix.removeprefix(".").lower() not in plot_endings():
        raise ConfigError(f"cannot draw {file}: its ending must be one of {', '.join(plot_endings())}")


def give_report(
    report: Mapping[str, Any], json_file: Path | None, tables: Callable[[Console], object], columns: int = 80
) -> None:
    """Print what was found as tables, and write it as JSON where asked; "-" prints the JSON instead.

    columns: of the tables where no terminal tells them: a figure that is cut short is none. Raises ConfigError.
    """
    text = json.dumps(report, indent=2) + "\n"
    if json_file == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    tables(Console(width=None if sys.stdout.isatty() else columns))
    if json_file is not None:
        write_output(json_file, text)


def write_output(file: Path, text: str) -> None:
    """Raises ConfigError where that is not possible."""
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from None
