"""What kept results were made from and how, in a small file beside them, so that others are not taken for them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from training.errors import DataError

_LOG = logging.getLogger(__name__)

RECIPE = "recipe.json"


def claim(file: Path, recipe: Mapping[str, Any], *, kept: bool) -> None:
    """Make results that `file` tells of ours, or find that they are; the folder is made where it is missing.

    kept: there are some already. Without a recipe, as older versions left them, they are used, and a warning says so.
    Raises DataError where they were made otherwise.
    """
    wanted = plain(recipe)
    if not kept:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(wanted, indent=2) + "\n")
        part.replace(file)
        return
    found = read_recipe(file)
    if found is None:
        _say_unknown(file.parent)
    elif found != wanted:
        raise DataError(
            f"{file.parent} holds what was made otherwise ({differences(found, wanted)}; see {file.name}); "
            "name another folder"
        )


def refuse_foreign(folder: Path, file: Path) -> None:
    """Raise DataError for a folder that holds anything and not `file`, by which it would be ours."""
    if not file.exists() and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} holds something else already; name another folder")


def read_recipe(file: Path) -> dict[str, Any] | None:
    """The recipe in a file; None where there is none. Raises DataError for a file that holds something else."""
    try:
        found = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{file} is no recipe ({error}); name another folder") from error
    if not isinstance(found, dict):
        raise DataError(f"{file} is no recipe; name another folder")
    return found


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Which values differ: as they were found, and as they are wanted."""
    names = [name for name in {**found, **wanted} if found.get(name) != wanted.get(name)]
    return ", ".join(f"{name} {_shown(found.get(name))}, not {_shown(wanted.get(name))}" for name in names)


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values as JSON gives them back; paths become absolute."""
    read: dict[str, Any] = json.loads(json.dumps(values, default=lambda path: str(Path(path).resolve())))
    return read


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


@cache
def _say_unknown(folder: Path) -> None:
    _LOG.warning("%s does not tell what it was made from, as an older version left it; used as it is", folder)
