"""The cache of compiled code takes back only what it wrote itself, for these facts, where nobody else can write."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.code_cache import Cached, CacheKey, CodeCache, default_code_cache
from engines.errors import CodeCacheError

FACTS = {"model_sha256": "a" * 64, "package": "tensorrt", "package_version": "11.4.0", "gpu": "NVIDIA H100"}
KEY = CacheKey("backbone-fp16", FACTS)
PLAN = b"a compiled plan" * 100


@pytest.fixture
def cache(tmp_path: Path) -> CodeCache:
    """An own folder with one plan in it."""
    cache = CodeCache(tmp_path / "plans")
    cache.store(KEY, PLAN)
    return cache


def test_a_stored_plan_comes_back_and_is_private(cache: CodeCache) -> None:
    assert cache.load(KEY) == Cached(PLAN)
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert {file.name for file in cache.folder.iterdir()} == {KEY.file_name, KEY.sidecar_name}
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in cache.folder.iterdir())


def test_nothing_is_refused_where_nothing_is(tmp_path: Path) -> None:
    assert CodeCache(tmp_path / "none").load(KEY) == Cached()
    assert CodeCache(tmp_path).load(KEY) == Cached()


@given(name=st.sampled_from(sorted(FACTS)), value=st.text(max_size=20))
def test_another_fact_is_another_file(name: str, value: str) -> None:
    other = CacheKey(KEY.kind, {**FACTS, name: value})
    assert (other.file_name == KEY.file_name) == (value == FACTS[name])
    assert CacheKey(KEY.kind, dict(reversed(FACTS.items()))).file_name == KEY.file_name


def test_storing_again_replaces(cache: CodeCache) -> None:
    cache.store(KEY, b"newer")
    assert cache.load(KEY) == Cached(b"newer")


def test_a_plan_under_another_name_is_refused(cache: CodeCache) -> None:
    """Copied over from another machine's cache: the file name fits, the facts do not."""
    other = CacheKey(KEY.kind, {**FACTS, "gpu": "NVIDIA L4"})
    (cache.folder / KEY.file_name).rename(cache.folder / other.file_name)
    (cache.folder / KEY.sidecar_name).rename(cache.folder / other.sidecar_name)
    assert cache.load(other) == Cached(refusal=f"{other.file_name} was made for something else")


def _flip(plan: Path) -> None:
    content = bytearray(plan.read_bytes())
    content[7] ^= 1
    plan.write_bytes(content)


def _link_out(plan: Path) -> None:
    elsewhere = plan.parent.parent / "elsewhere.bin"
    plan.rename(elsewhere)
    plan.symlink_to(elsewhere)


def _pipe(plan: Path) -> None:
    plan.unlink()
    os.mkfifo(plan)


def _folder(plan: Path) -> None:
    plan.unlink()
    plan.mkdir()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_flip, "altered"),
        (lambda plan: plan.write_bytes(PLAN[:-1]), "altered"),
        (lambda plan: plan.write_bytes(PLAN + b"!"), "altered"),
        (lambda plan: plan.write_bytes(b""), "altered"),
        (_link_out, "no plain file"),
        (_pipe, "no plain file"),
        (_folder, "no plain file"),
        (lambda plan: plan.chmod(0o620), "written by others"),
        (lambda plan: plan.chmod(0o602), "written by others"),
    ],
)
def test_a_spoilt_plan_is_refused_and_can_be_replaced(
    cache: CodeCache, spoil: Callable[[Path], object], says: str
) -> None:
    spoil(cache.folder / KEY.file_name)
    found = cache.load(KEY)
    assert found.content is None
    assert found.refusal is not None
    assert says in found.refusal
    if spoil is not _folder:
        cache.store(KEY, PLAN)
        assert cache.load(KEY) == Cached(PLAN)


@pytest.mark.parametrize("sidecar", ["", "{", "[]", json.dumps({"format": 2}), json.dumps({"format": 1, "facts": {}})])
def test_a_sidecar_that_says_nothing_is_refused(cache: CodeCache, sidecar: str) -> None:
    (cache.folder / KEY.sidecar_name).write_text(sidecar)
    assert cache.load(KEY) == Cached(refusal=f"{KEY.sidecar_name} cannot be understood")


def test_a_linked_sidecar_is_refused(cache: CodeCache) -> None:
    _link_out(cache.folder / KEY.sidecar_name)
    assert "no plain file" in str(cache.load(KEY).refusal)


def test_a_plan_without_its_sidecar_is_nothing(cache: CodeCache) -> None:
    (cache.folder / KEY.sidecar_name).unlink()
    assert cache.load(KEY) == Cached()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_may_write_to_is_not_used(cache: CodeCache, mode: int) -> None:
    cache.folder.chmod(mode)
    assert "may be written by others" in str(cache.load(KEY).refusal)
    with pytest.raises(CodeCacheError, match="chmod 700"):
        cache.store(KEY, b"newer")
    cache.folder.chmod(0o700)
    assert cache.load(KEY) == Cached(PLAN)


def test_a_linked_folder_is_not_used(cache: CodeCache, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(cache.folder)
    assert CodeCache(link).load(KEY).refusal is not None
    with pytest.raises(CodeCacheError):
        CodeCache(link).store(KEY, b"newer")
    assert cache.load(KEY) == Cached(PLAN)


def test_another_users_files_are_refused(cache: CodeCache, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        os.chown(cache.folder / KEY.file_name, 12345, 12345)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert "belongs to another user" in str(cache.load(KEY).refusal)


def test_a_write_that_fails_leaves_what_was_there(cache: CodeCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CodeCacheError, match="No space left on device"):
        cache.store(KEY, b"newer")
    assert cache.load(KEY) == Cached(PLAN)
    assert len(list(cache.folder.iterdir())) == 2


def test_a_crash_between_plan_and_sidecar_is_refused(cache: CodeCache) -> None:
    (cache.folder / KEY.file_name).write_bytes(b"newer")
    assert "altered" in str(cache.load(KEY).refusal)


def test_a_file_in_the_way_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "plans").write_text("in the way")
    with pytest.raises(CodeCacheError, match="XDG_CACHE_HOME"):
        CodeCache(tmp_path / "plans").store(KEY, PLAN)


def test_the_default_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_code_cache("plans").folder == tmp_path / "whodrives" / "plans"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_code_cache("plans").folder == tmp_path / ".cache" / "whodrives" / "plans"
