"""Where templates are kept: one SQLite file, readable by its owner only.

Schema 2 keeps what witnesses took from an enrolment beside the engine's embeddings; a file of schema 1 gets the table
for it when it is opened, and loses nothing.

Every operation opens its own connection, so that the store may be used from any thread, and is one transaction: a
write that fails (full disk, lost power) leaves what was there before. A file that is damaged, foreign or newer than
this program is refused and left as it is. Deleted templates are overwritten with zeros (`secure_delete`) and the
write-ahead log is emptied.
"""

from __future__ import annotations

import difflib
import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from guard.config import StoreConfig
from guard.errors import StoreError, UnknownNameError
from guard.verify.store_rows import checksum, to_part, to_part_row, to_row, to_template
from guard.verify.store_schema import (
    APPLICATION_ID,
    CREATE,
    FORGET_STRAY_PARTS,
    MIGRATIONS,
    PARTS_IN_FORCE,
    SCHEMA_VERSION,
)
from guard.verify.template import ConsentRecord, Template, WitnessPart

logger = logging.getLogger(__name__)

_BUSY_SECONDS = 2.0
"""How long to wait for another process that is writing."""


@dataclass(frozen=True, slots=True)
class TemplateInfo:
    """What may be shown about a stored template."""

    name: str
    engine_sha256: str
    created: datetime
    expires: datetime
    consent: ConsentRecord
    witnesses: tuple[str, ...] = ()
    """Which witnesses have a part in it, by name."""


class TemplateStore:
    """The stored templates. Every method raises StoreError where the file cannot be used, and then loses nothing."""

    def __init__(self, config: StoreConfig) -> None:
        """Makes the file (mode 0600) and its folder (mode 0700) where they are missing, and checks what is there."""
        self._path = config.path.expanduser()
        self._retention = timedelta(days=config.retention_days)
        try:
            self._make_file()
        except OSError as error:
            raise StoreError(
                f"cannot make the template store {self._path}: {error.strerror}; choose another path (store.path)"
            ) from error
        with self._connection() as connection:
            self._prepare(connection)

    @property
    def path(self) -> Path:
        return self._path

    def put(self, template: Template) -> None:
        """Keep a template; one of the same name is replaced, wholly or not at all."""
        row = to_row(template)
        own = checksum(row)
        parts = [to_part_row(template.name, own, part) for part in template.parts]
        with self._connection() as connection, connection:
            connection.execute("DELETE FROM witness_part WHERE template = ?", (template.name,))
            connection.execute("INSERT OR REPLACE INTO template VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, own))
            connection.executemany(
                "INSERT INTO witness_part VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [(*part, checksum(part)) for part in parts]
            )

    def put_part(self, template: Template, part: WitnessPart) -> bool:
        """Keep what a witness took later than the others; False where this template is not stored (any more)."""
        own = checksum(to_row(template))
        row = to_part_row(template.name, own, part)
        with self._connection() as connection, connection:
            # One statement: another process may erase the template at any moment.
            sql = (
                "INSERT OR REPLACE INTO witness_part SELECT ?, ?, ?, ?, ?, ?, ?, ? "
                "WHERE EXISTS (SELECT 1 FROM template WHERE name = ? AND checksum = ?)"
            )
            kept = connection.execute(sql, (*row, checksum(row), template.name, own)).rowcount
        return kept == 1

    def get(self, name: str) -> Template:
        """The template of this name. Raises UnknownNameError, which lists near names."""
        with self._connection() as connection:
            found = connection.execute("SELECT * FROM template WHERE name = ?", (_key(name),)).fetchone()
            if found is None:
                raise UnknownNameError(_unknown(name, _names(connection)))
            query = "SELECT * FROM witness_part WHERE template = ? AND template_checksum = ? ORDER BY witness"
            found_parts = connection.execute(query, (found[0], found[-1])).fetchall()
        *row, kept = found
        if checksum(tuple(row)) != kept:
            raise StoreError(f"the template of {name} in {self._path} is damaged; enrol {name} again")
        return to_template(tuple(row), tuple(to_part(part) for part in self._whole(name, found_parts)))

    def _whole(self, name: str, found: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """The rows of witnesses' parts that are as they were written; the engine's is worth having without the rest."""
        for *part, kept in found:
            if checksum(tuple(part)) == kept:
                yield tuple(part)
            else:
                logger.warning("the part of %s in the template of %s is damaged and left out", part[2], name)

    def list(self) -> tuple[TemplateInfo, ...]:
        """All templates, by name, without their embeddings."""
        columns = (
            "name, engine_sha256, created, consent_text_version, consent_statement, consent_given_by, consent_time"
        )
        with self._connection() as connection:
            rows = connection.execute(f"SELECT {columns} FROM template ORDER BY name").fetchall()  # noqa: S608 - no input
            parts = connection.execute(PARTS_IN_FORCE).fetchall()
        witnesses: dict[str, list[str]] = {}
        for template, witness in parts:
            witnesses.setdefault(template, []).append(witness)
        infos = []
        for name, engine, created_text, version, statement, given_by, time in rows:
            created = self._time(created_text)
            consent = ConsentRecord(version, statement, given_by, self._time(time))
            taken = tuple(witnesses.get(name, ()))
            infos.append(TemplateInfo(name, engine, created, created + self._retention, consent, taken))
        return tuple(infos)

    def delete(self, name: str) -> None:
        """Erase a template. Raises UnknownNameError, which lists near names."""
        with self._connection() as connection:
            with connection:
                connection.execute("DELETE FROM witness_part WHERE template = ?", (_key(name),))
                erased = connection.execute("DELETE FROM template WHERE name = ?", (_key(name),)).rowcount
            if erased == 0:
                raise UnknownNameError(_unknown(name, _names(connection)))
            _empty_log(connection)

    def expire(self, now: datetime) -> tuple[str, ...]:
        """Erase what is older than the retention period; the names that are gone. To be called at start and daily."""
        with self._connection() as connection:
            with connection:
                rows = connection.execute("SELECT name, created FROM template ORDER BY name").fetchall()
                gone = [name for name, created in rows if self._time(created) + self._retention <= now]
                for table, column in (("witness_part", "template"), ("template", "name")):
                    sql = f"DELETE FROM {table} WHERE {column} = ?"  # noqa: S608 - no input
                    connection.executemany(sql, [(name,) for name in gone])
                strays = connection.execute(FORGET_STRAY_PARTS).rowcount
            if gone or strays:
                _empty_log(connection)
        return tuple(gone)

    def _time(self, text: str) -> datetime:
        try:
            return datetime.fromisoformat(text)
        except ValueError as error:
            raise StoreError(f"template store {self._path}: {_DAMAGED}") from error

    def _make_file(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._path.exists():
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        elif self._path.stat().st_mode & 0o077:
            self._path.chmod(0o600)

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: a file that vanished in the meantime is an error, not an empty store.
        connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS)
        connection.execute("PRAGMA secure_delete = ON")
        return connection

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._connect()) as connection:
                yield connection
        except sqlite3.Error as error:
            raise StoreError(f"template store {self._path}: {_explain(error)}") from error

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        application = int(connection.execute("PRAGMA application_id").fetchone()[0])
        tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
        if application != APPLICATION_ID and (tables or version or application):
            raise StoreError(f"{self._path} is a database of another program; choose another path (store.path)")
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"template store {self._path} was written by a newer version (schema {version}, this one knows "
                f"{SCHEMA_VERSION}); update this program"
            )
        if tables == 0:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(CREATE)
        problem = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if problem != "ok":
            raise StoreError(f"template store {self._path}: {_DAMAGED}")
        if tables and version in MIGRATIONS:
            connection.executescript(MIGRATIONS[version])


_DAMAGED = "the file is damaged and was left as it is; restore it from a backup, or move it away and enrol again"

_CAUSES = {
    sqlite3.SQLITE_FULL: "the disk is full, nothing was changed; free some space and try again",
    sqlite3.SQLITE_IOERR: "reading or writing failed (disk full or broken?), nothing was changed; check the disk",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only, nothing was changed; check the permissions",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; check that it is there and the permissions of its folder",
    sqlite3.SQLITE_PERM: "access denied; check the permissions",
    sqlite3.SQLITE_BUSY: "another process is using it; try again",
    sqlite3.SQLITE_LOCKED: "another process is using it; try again",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


def _explain(error: sqlite3.Error) -> str:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return _CAUSES.get(code & 0xFF, str(error))  # the low byte is the primary code, the rest says which kind


def _key(name: str) -> str:
    """What to look a name up by: text that SQLite cannot take (half a surrogate pair) becomes one that nobody has."""
    return name.encode("ascii", "replace").decode()


def _names(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM template ORDER BY name")]


def _unknown(name: str, known: list[str]) -> str:
    by_lower = {each.lower(): each for each in known}
    near = [by_lower[each] for each in difflib.get_close_matches(name.lower(), by_lower)]
    hint = f"did you mean {' or '.join(near)}?" if near else "see the list of templates, or enrol first"
    return f"nobody is enrolled as {name[:70]!r}; {hint}"


def _empty_log(connection: sqlite3.Connection) -> None:
    """The write-ahead log would keep the old pages until it is overwritten."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
