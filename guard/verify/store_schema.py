"""The tables of the template store, and the way there from older ones."""

from __future__ import annotations

SCHEMA_VERSION = 2
APPLICATION_ID = 0x77686F64  # "whod": tells a template store from any other SQLite file

# A part belongs to one row of `template` by its checksum: a process of an older version that enrols somebody anew
# knows nothing of parts, and those of the template before must not pass for the new one's.
_PARTS = """
CREATE TABLE IF NOT EXISTS witness_part (
    template TEXT NOT NULL,
    template_checksum BLOB NOT NULL,
    witness TEXT NOT NULL,
    model_sha256 TEXT NOT NULL,
    windows INTEGER NOT NULL,
    embedding_size INTEGER NOT NULL,
    embeddings BLOB NOT NULL,
    checksum BLOB NOT NULL,
    PRIMARY KEY (template, witness)
) STRICT;
"""

# No template without a consent record: the columns are one row, and none may be null.
CREATE = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS template (
    name TEXT PRIMARY KEY,
    engine_sha256 TEXT NOT NULL,
    created TEXT NOT NULL,
    windows INTEGER NOT NULL,
    embedding_size INTEGER NOT NULL,
    embeddings BLOB NOT NULL,
    consent_text_version TEXT NOT NULL,
    consent_statement TEXT NOT NULL,
    consent_given_by TEXT NOT NULL,
    consent_time TEXT NOT NULL,
    checksum BLOB NOT NULL
) STRICT;
{_PARTS}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

MIGRATIONS = {1: f"BEGIN IMMEDIATE; {_PARTS} PRAGMA user_version = 2; COMMIT;"}
"""From each older schema to the next one; each in one transaction."""

PARTS_IN_FORCE = """
SELECT witness_part.template, witness_part.witness FROM witness_part
JOIN template ON template.name = witness_part.template AND template.checksum = witness_part.template_checksum
ORDER BY witness_part.witness
"""

FORGET_STRAY_PARTS = """
DELETE FROM witness_part WHERE NOT EXISTS (
    SELECT 1 FROM template
    WHERE template.name = witness_part.template AND template.checksum = witness_part.template_checksum
)
"""
"""What a process of an older version left behind when it erased or replaced a template."""
