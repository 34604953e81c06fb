"""Link headers (RFC 8288 section 3), read with bounds. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAX_LINKS = 16
MAX_CHARACTERS = 8192
"""Of all Link headers of an answer together; what is beyond them is not looked at."""
_MAX_TARGET_CHARACTERS = 2048

_START = re.compile(r"[\s,]*<([^<>]*)>")
# A quoted text, in which anything may be escaped, or a word; some servers leave out the semicolon before it.
_PARAMETER = re.compile(r'(?:\s*;)?\s*([A-Za-z0-9!#$&+.^_`|~*-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;<>]*)))?')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Link:
    """One link."""

    target: str
    """As the server wrote it: it may be relative, and may lead anywhere."""
    relations: frozenset[str]
    """In lower case."""
    parameters: Mapping[str, str]
    """The others, by name in lower case; of several with one name the first."""


def read_links(headers: Iterable[str]) -> tuple[Link, ...]:
    """The links in the values of an answer's Link headers; what is malformed costs itself and what follows it."""
    text = ", ".join(headers)[:MAX_CHARACTERS]
    links: list[Link] = []
    at = 0
    while len(links) < MAX_LINKS and (start := _START.match(text, at)):
        parameters, at = _read_parameters(text, start.end())
        target = start[1].strip()
        if 0 < len(target) <= _MAX_TARGET_CHARACTERS and target.isprintable():
            relations = frozenset(parameters.pop("rel", "").lower().split())
            links.append(Link(target, relations, parameters))
    return tuple(links)


def _read_parameters(text: str, at: int) -> tuple[dict[str, str], int]:
    parameters: dict[str, str] = {}
    while found := _PARAMETER.match(text, at):
        at = found.end()
        quoted, word = found[2], found[3]
        value = _ESCAPED.sub(r"\1", quoted) if quoted is not None else word or ""
        parameters.setdefault(found[1].lower(), value)
    return parameters, at
