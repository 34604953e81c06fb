"""`explanation.json`: what the entries of a witness's embedding mean, for witnesses whose entries mean something.

Such a witness embeds a window as a histogram of facial movements (tokens), L2-normalised: entry k tells how often
token k was seen. Template and probe can then be compared movement by movement.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from engines.errors import ModelFolderError

EXPLANATION_FILE = "explanation.json"
PICTURES_FOLDER = "pictures"
PICTURE_BYTES = 10 * 1024
"""Largest picture of a movement."""

_PictureName = Annotated[str, Field(pattern=r"^pictures/[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.png$")]


class ExplainedToken(BaseModel):
    """One facial movement, as the file has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: int = Field(ge=0)
    """The embedding's entry."""
    words: str = Field(min_length=1, max_length=120)
    """What moves, in plain English: "left brow rises"."""
    picture: _PictureName
    """A picture of the face that makes this movement, in the witness's folder."""
    limits: str = Field(max_length=300)
    """What to bear in mind about it; may be empty."""


_FILE: TypeAdapter[list[ExplainedToken]] = TypeAdapter(list[ExplainedToken])


@dataclass(frozen=True, slots=True)
class Explanation:
    """Movements by the embedding's entries; entries without one are not talked about."""

    tokens: dict[int, ExplainedToken]


def parse_explanation(content: bytes, embedding_size: int, documents: Collection[str], path: Path) -> Explanation:
    """Check the file against its folder's `documents`. Raises ModelFolderError."""
    try:
        tokens = _FILE.validate_python(json.loads(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelFolderError(f"{path}: {where}: {first['msg']}; write the witness again") from None
    except ValueError as error:
        raise ModelFolderError(f"{path}: is no JSON ({error}); write the witness again") from None
    by_token = {entry.token: entry for entry in tokens}
    if len(by_token) != len(tokens):
        raise ModelFolderError(f"{path}: explains a token twice; write the witness again")
    for entry in tokens:
        if entry.token >= embedding_size:
            raise ModelFolderError(f"{path}: token {entry.token} lies outside an embedding of {embedding_size}")
        if entry.picture not in documents:
            raise ModelFolderError(f"{path}: {entry.picture} is not among the folder's documents")
    return Explanation(by_token)
