"""What each token of the live witness means: words, a picture, and what to bear in mind about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.facial_codes.pictures import Pictures, TokenArtist, png
from training.facial_codes.words import STILL, token_words

_SLIGHT, _STRONG = 0.08, 0.25
"""Largest change of a score, 0-1, below and above which words say how much (ours)."""
_LIMITS = (
    (("gaze", "look"), "Also follows what is read on the screen."),
    (("eye",), "Also follows light, glasses and tiredness."),
    (("brow",), "Also follows what is said with emphasis."),
    (("smile", "corner", "cheek", "dimple"), "Also follows the mood of the talk."),
    (("jaw", "lip", "mouth"), "Also follows what is said and how loudly."),
)
"""Of a token's first movement, by the first marks that are in its words: what else makes faces move so."""


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """A row of `explanation.json` (`engines.witnesses.explanation.ExplainedToken`)."""

    token: int
    words: str
    picture: str
    limits: str


@dataclass(frozen=True, slots=True)
class ExplainedTokens:
    """entries: of those that are talked about. pictures: uint8 (K, 96, 96, 3). words: of all K."""

    entries: list[TokenEntry]
    pictures: Pictures
    words: list[str]

    def files(self) -> dict[str, bytes]:
        """PNG files of the explained tokens by the names that they give."""
        return {entry.picture: png(self.pictures[entry.token]) for entry in self.entries}


def explain_tokens(
    artist: TokenArtist, templates: NDArray[np.floating], names: Sequence[str], used: NDArray[np.bool_]
) -> ExplainedTokens:
    """Of templates (K, C) in units of the scores; what is not used (K,), or hardly moves, is not talked about."""
    words = [sized_words(template, names) for template in templates]
    told = [place for place, text in enumerate(words) if used[place] and not text.startswith(STILL)]
    entries = [TokenEntry(place, words[place], f"pictures/{place}.png", limits_of(words[place])) for place in told]
    return ExplainedTokens(entries, artist.draw(templates), words)


def sized_words(template: NDArray[np.floating], names: Sequence[str]) -> str:
    """Words for a template, and whether it is a slight or a strong movement."""
    words, largest = token_words(template, names), float(np.abs(template).max())
    if words == STILL or _SLIGHT <= largest <= _STRONG:
        return words
    return f"{words} ({'slight' if largest < _SLIGHT else 'strong'})"


def limits_of(words: str) -> str:
    """A sentence on what else makes a face move so; empty where there is nothing to say."""
    first = words.partition(",")[0]
    return next((text for marks, text in _LIMITS if any(mark in first for mark in marks)), "")
