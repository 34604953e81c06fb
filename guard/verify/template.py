"""What an enrolment leaves behind: the template of one driver and the consent it rests on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from engines.comparison import mean_embedding
from guard.errors import EnrolmentError, TemplateError

NAME_PATTERN = r"[A-Za-z0-9._-]{1,64}"
"""What a template may be called; the same rule as for calls and participants."""

CONSENT_TEXT_VERSION = "1"
CONSENT_STATEMENT = (
    "I agree that this guard stores a numerical template of how my face moves, made from about twenty seconds of my "
    "video, in order to check that I am the one who drives my picture in calls. No picture is kept. The template is "
    "erased after the retention period, or earlier when I ask for it."
)
"""What a person agrees to before being enrolled. A changed text needs a new version."""


PERSON_MODEL_CONSENT = "+person-model"
"""Ends the version of a text that also agrees to a model of the person's face: such a model can draw that face."""
_PERSON_MODEL_STATEMENT = " A model of my face is part of it, from which my face can be drawn."


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """Who agreed to what, and when. Raises EnrolmentError where a part is missing."""

    text_version: str
    statement: str
    given_by: str
    time: datetime

    def __post_init__(self) -> None:
        for part, text in (("text version", self.text_version), ("statement", self.statement), ("name", self.given_by)):
            if not text.strip():
                raise EnrolmentError(f"no consent: the {part} is empty; nobody is enrolled without a consent record")
        if self.time.tzinfo is None:
            raise EnrolmentError("no consent: its time has no time zone; give it in UTC")


def consent_text(*, person_model: bool) -> tuple[str, str]:
    """Version and statement of what is agreed to; person_model: whether a model of the face is learnt, too."""
    if not person_model:
        return CONSENT_TEXT_VERSION, CONSENT_STATEMENT
    return CONSENT_TEXT_VERSION + PERSON_MODEL_CONSENT, CONSENT_STATEMENT + _PERSON_MODEL_STATEMENT


def covers_person_model(consent: ConsentRecord) -> bool:
    """Whether somebody agreed to a model of their face."""
    return consent.text_version.endswith(PERSON_MODEL_CONSENT)


@dataclass(frozen=True, slots=True, eq=False)
class WitnessPart:
    """What one witness (`engines.witnesses`) took from an enrolment.

    embeddings: float32 (k, D), L2-normalised, one row per window of the enrolment; of a person model the weights, as
    one row. Raises TemplateError for an array that does not fit.
    """

    witness: str
    embeddings: NDArray[np.float32]
    model_sha256: str
    """`WitnessSpec.model_sha256`: no other version of the witness can compare with them."""

    def __post_init__(self) -> None:
        _check_embeddings(self.embeddings, f"part {self.witness} of a template")

    @property
    def mean(self) -> NDArray[np.float32]:
        """The row (D,) that probes are compared with."""
        return mean_embedding(self.embeddings)


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """An enrolled driver, in the space of one engine and, beside it, of those witnesses that saw the enrolment.

    embeddings: float32 (k, D), L2-normalised, one row per independent window of the enrolment. Raises TemplateError
    for a name or an array that does not fit.
    """

    name: str
    embeddings: NDArray[np.float32]
    engine_sha256: str
    """`EngineSpec.model_sha256` of the engine that made the embeddings: no other engine can compare with them."""
    created: datetime
    consent: ConsentRecord
    parts: tuple[WitnessPart, ...] = ()
    """By witness; none in templates that were made without expressions, or before there were any."""

    def __post_init__(self) -> None:
        check_name(self.name)
        _check_embeddings(self.embeddings, f"template {self.name}")
        if len({part.witness for part in self.parts}) != len(self.parts):
            raise TemplateError(f"template {self.name}: holds two parts of one witness")
        if self.created.tzinfo is None:
            raise TemplateError(f"template {self.name}: its time of creation has no time zone")

    @property
    def mean(self) -> NDArray[np.float32]:
        """The row (D,) that probes are compared with: what calibration was fitted on."""
        return mean_embedding(self.embeddings)

    def part(self, witness: str) -> WitnessPart | None:
        """What this witness took from the enrolment, if it took part."""
        return next((part for part in self.parts if part.witness == witness), None)


def _check_embeddings(embeddings: NDArray[np.float32], whose: str) -> None:
    if embeddings.ndim != 2 or 0 in embeddings.shape or embeddings.dtype != np.float32:
        raise TemplateError(f"{whose}: embeddings must be float32 (k, D), got {embeddings.dtype} {embeddings.shape}")
    if not np.isfinite(embeddings).all():
        raise TemplateError(f"{whose}: embeddings hold values that are not numbers; enrol again")


def check_name(name: str) -> str:
    """The name itself, if a template may be called so; otherwise TemplateError."""
    if re.fullmatch(NAME_PATTERN, name) is None:
        shown = name if len(name) <= 70 else name[:70] + "..."
        raise TemplateError(f"{shown!r} cannot name a template: use 1 to 64 letters, digits, dots, dashes, underscores")
    return name
