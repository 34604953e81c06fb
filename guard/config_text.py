"""Settings as a table for people."""

from __future__ import annotations

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from guard.config import GuardConfig


def print_config(config: GuardConfig) -> None:
    """Print every setting in force with its environment variable and its meaning; secrets stay hidden."""
    table = Table("setting", "value", "environment", "meaning")
    for section_name in GuardConfig.model_fields:
        section = getattr(config, section_name)
        if not isinstance(section, BaseModel):
            continue
        for name, field in type(section).model_fields.items():
            environment = f"GUARD_{section_name}__{name}".upper()
            table.add_row(f"{section_name}.{name}", str(getattr(section, name)), environment, field.title or "")
    Console().print(table)
