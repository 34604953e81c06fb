"""Text from outside, made fit for logs, events and terminals."""

from __future__ import annotations


def one_line(text: str, most_characters: int) -> str:
    """`text` on one line, cut, and without anything that a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:most_characters])
