"""What was compiled on this machine (TensorRT plans, kernels), and the distrust that it deserves: the GPU will run it.

Every entry has a sidecar that says what it was compiled from and for, and its SHA-256. It is handed out only if

- the folder and both files are plain, belong to this user (or root), and nobody else may write to them;
- the sidecar names exactly the wanted facts (source, compiler, GPU, driver, and what else it depends on);
- the bytes are those that the sidecar was written for.

Anything else is refused with a reason, and the caller compiles anew. The sidecar is no signature: what keeps others out
is the folder's permissions, which is why a folder that others may write to is not used at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engines.errors import CodeCacheError
from engines.manifest import Sha256

_FORMAT = 1
_SIDECAR_BYTES = 65_536
_DIGEST_DIGITS = 24


@dataclass(frozen=True, slots=True)
class CacheKey:
    """kind: what it is, in a file name ("backbone-fp16", "kernels-sm_90"). facts: everything that it depends on."""

    kind: str
    facts: Mapping[str, str]

    @property
    def file_name(self) -> str:
        """Differs wherever a fact differs."""
        facts = json.dumps(dict(self.facts), sort_keys=True)
        return f"{self.kind}-{hashlib.sha256(facts.encode()).hexdigest()[:_DIGEST_DIGITS]}.bin"

    @property
    def sidecar_name(self) -> str:
        """Of the file beside it that says what it is."""
        return f"{self.file_name}.json"


@dataclass(frozen=True, slots=True)
class Cached:
    """content: what was found and can be trusted. refusal: why something that is there was not taken."""

    content: bytes | None = None
    refusal: str | None = None


class _Sidecar(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1]
    facts: dict[str, str]
    size_bytes: int = Field(ge=1)
    sha256: Sha256


class CodeCache:
    """One folder. Several processes may use it: files appear whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Where the entries lie; it need not exist yet."""
        return self._folder

    def load(self, key: CacheKey) -> Cached:
        """What is kept under this key; never raises for what is wrong with it."""
        try:
            with _open_folder(self._folder) as folder:
                sidecar = _read(folder, key.sidecar_name, _SIDECAR_BYTES)
                described = _Sidecar.model_validate_json(sidecar)
                if described.facts != dict(key.facts):
                    return Cached(refusal=f"{key.file_name} was made for something else")
                content = _read(folder, key.file_name, described.size_bytes)
        except FileNotFoundError:
            return Cached()
        except _RefusedError as error:
            return Cached(refusal=str(error))
        except ValidationError:
            return Cached(refusal=f"{key.sidecar_name} cannot be understood")
        except OSError as error:
            return Cached(refusal=f"{key.file_name} cannot be read ({error.strerror})")
        if len(content) != described.size_bytes or hashlib.sha256(content).hexdigest() != described.sha256:
            return Cached(refusal=f"{key.file_name} was altered")
        return Cached(content)

    def store(self, key: CacheKey, content: bytes) -> None:
        """Keep it, in place of whatever is there. Raises CodeCacheError where it cannot be kept safely."""
        sidecar = _Sidecar(
            format=_FORMAT,
            facts=dict(key.facts),
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _open_folder(self._folder) as folder:
                _replace(folder, key.file_name, content)
                # Last: an entry without its sidecar is nothing, and one with an older sidecar is refused.
                _replace(folder, key.sidecar_name, sidecar.model_dump_json(indent=1).encode())
        except _RefusedError as error:
            raise CodeCacheError(
                f"compiled code cannot be kept: {error}; empty that folder and make it yours alone "
                f"(chmod 700), or set XDG_CACHE_HOME to another place"
            ) from None
        except OSError as error:
            raise CodeCacheError(
                f"compiled code cannot be kept in {self._folder} ({error.strerror}); "
                "make room there or set XDG_CACHE_HOME to another place"
            ) from None


def default_code_cache(name: str) -> CodeCache:
    """The user's own cache of one kind of code ("plans", "kernels"), under XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return CodeCache(Path(base).expanduser() / "whodrives" / name)


class _RefusedError(Exception):
    """Not to be trusted; the text says why."""


@contextlib.contextmanager
def _open_folder(path: Path) -> Iterator[int]:
    """The folder's descriptor; names are looked up in it, so that nobody can put another folder in its place."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except NotADirectoryError:
        raise _RefusedError(f"{path} is no folder of its own") from None
    try:
        _check_private(os.fstat(folder), str(path))
        yield folder
    finally:
        os.close(folder)


def _read(folder: int, name: str, limit: int) -> bytes:
    """Up to one byte more than `limit`, of a plain file that only its owner can change."""
    try:
        # Non-blocking, or a pipe of that name would be waited for.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError:
        raise _RefusedError(f"{name} is no plain file that can be read") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _RefusedError(f"{name} is no plain file")
        _check_private(status, name)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit + 1)
    finally:
        os.close(descriptor)


def _check_private(status: os.stat_result, name: str) -> None:
    if status.st_uid not in (os.geteuid(), 0):
        raise _RefusedError(f"{name} belongs to another user")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _RefusedError(f"{name} may be written by others")


def _replace(folder: int, name: str, content: bytes) -> None:
    """Write a file whole: another process sees the old one or the new one, a crash leaves the old one."""
    draft = f"{name}.{secrets.token_hex(8)}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(draft, flags, 0o600, dir_fd=folder), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=folder)
        raise
