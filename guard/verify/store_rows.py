"""Templates as rows of the store, and back; each row has a checksum of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from guard.verify.template import ConsentRecord, Template, WitnessPart, check_name

Row = tuple[str, str, str, int, int, bytes, str, str, str, str]
"""The columns of `template` but its checksum."""

PartRow = tuple[str, bytes, str, str, int, int, bytes]
"""The columns of `witness_part` but its checksum."""


def to_row(template: Template) -> Row:
    """A template without its parts. Raises TemplateError for a name that cannot be one."""
    windows, size = template.embeddings.shape
    consent = template.consent
    return (
        check_name(template.name),
        template.engine_sha256,
        template.created.isoformat(),
        windows,
        size,
        np.ascontiguousarray(template.embeddings, dtype="<f4").tobytes(),
        consent.text_version,
        consent.statement,
        consent.given_by,
        consent.time.isoformat(),
    )


def to_part_row(template: str, template_checksum: bytes, part: WitnessPart) -> PartRow:
    """A part of the template of this name, whose row has this checksum."""
    windows, size = part.embeddings.shape
    blob = np.ascontiguousarray(part.embeddings, dtype="<f4").tobytes()
    return (template, template_checksum, part.witness, part.model_sha256, windows, size, blob)


def to_part(row: PartRow) -> WitnessPart:
    """What `to_part_row` took."""
    _, _, witness, model, windows, size, blob = row
    return WitnessPart(witness, np.frombuffer(blob, "<f4").reshape(windows, size).astype(np.float32), model)


def to_template(row: Row, parts: tuple[WitnessPart, ...]) -> Template:
    """What `to_row` took, with these parts."""
    name, engine, created, windows, size, blob, version, statement, given_by, time = row
    embeddings = np.frombuffer(blob, "<f4").reshape(windows, size).astype(np.float32)
    consent = ConsentRecord(version, statement, given_by, datetime.fromisoformat(time))
    return Template(name, embeddings, engine, datetime.fromisoformat(created), consent, parts)


def checksum(row: Sequence[object]) -> bytes:
    """SHA-256 over a row's values, each with its length."""
    digest = hashlib.sha256()
    for value in row:
        part = value if isinstance(value, bytes) else str(value).encode()
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.digest()
