"""Names of seats out of names that people gave themselves."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import count
from typing import TypeVar

MAX_CHARACTERS = 64
NAMELESS = "participant"
_FORBIDDEN = re.compile(r"[^A-Za-z0-9._-]+")

Key = TypeVar("Key")


def seat_names(displays: Mapping[Key, str], taken: Iterable[str] = ()) -> dict[Key, str]:
    """One `guard.serve.service.Name` for each display name, all different and none of them in `taken`.

    Who comes first in `displays` keeps the plain name; the next of the same name gets -2, -3 and so on. A display
    name is whatever a participant claims: it says which template to compare with, never that it is that person.
    """
    given: dict[Key, str] = {}
    used = set(taken)
    for key, display in displays.items():
        name = _unused(seat_name(display), used)
        used.add(name)
        given[key] = name
    return given


def seat_name(display: str) -> str:
    """`display` in the letters that a seat's name may have: accents are dropped, the rest becomes '-'."""
    # Cut first: normalising may make the text many times longer.
    plain = unicodedata.normalize("NFKD", display[:MAX_CHARACTERS])
    without_accents = "".join(character for character in plain if not unicodedata.combining(character))
    return _FORBIDDEN.sub("-", without_accents)[:MAX_CHARACTERS].strip("-.") or NAMELESS


def _unused(name: str, used: set[str]) -> str:
    if name not in used:
        return name
    for number in count(2):
        suffix = f"-{number}"
        candidate = name[: MAX_CHARACTERS - len(suffix)] + suffix
        if candidate not in used:
            return candidate
    raise AssertionError("unreachable: count() has no end")
