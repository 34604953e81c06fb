"""The template store in good times: what goes in comes out, and what is erased is gone."""

from __future__ import annotations

import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.config import StoreConfig
from guard.errors import UnknownNameError
from guard.verify.store import TemplateStore
from guard.verify.template import NAME_PATTERN, Template
from tests.guard.verify.driver_space import DriverSpace, driver_space


def same(one: Template, other: Template) -> bool:
    arrays = one.embeddings.dtype == other.embeddings.dtype and np.array_equal(one.embeddings, other.embeddings)
    facts = (one.name, one.engine_sha256, one.created, one.consent)
    return arrays and facts == (other.name, other.engine_sha256, other.created, other.consent)


def open_store(folder: Path, retention_days: int = 30) -> TemplateStore:
    return TemplateStore(StoreConfig(path=folder / "own" / "templates.sqlite3", retention_days=retention_days))


@pytest.fixture
def store(tmp_path: Path) -> TemplateStore:
    return open_store(tmp_path)


def everything_on_disk(store: TemplateStore) -> bytes:
    return b"".join(path.read_bytes() for path in store.path.parent.iterdir())


def test_what_goes_in_comes_out(space: DriverSpace, store: TemplateStore, tmp_path: Path) -> None:
    alice = space.template(space.driver(1))
    store.put(alice)
    assert same(store.get("alice"), alice)
    assert same(open_store(tmp_path).get("alice"), alice)


@settings(max_examples=20, deadline=None)
@given(name=st.from_regex(NAME_PATTERN, fullmatch=True))
def test_every_allowed_name_works(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    store = TemplateStore(StoreConfig(path=tmp_path_factory.getbasetemp() / "names.sqlite3"))
    space = driver_space()
    store.put(space.template(space.driver(1), name))
    assert store.get(name).name == name
    store.delete(name)
    assert store.list() == ()


def test_the_list_is_by_name_and_tells_when_templates_expire(space: DriverSpace, store: TemplateStore) -> None:
    for name in ("zoe", "alice", "Bob"):
        store.put(space.template(space.driver(1), name))
    infos = store.list()
    assert [info.name for info in infos] == ["Bob", "alice", "zoe"]
    assert infos[0].expires - infos[0].created == timedelta(days=30)
    assert infos[0].consent.given_by == "Alice"


def test_enrolling_again_replaces_the_template(space: DriverSpace, store: TemplateStore) -> None:
    first, second = space.template(space.driver(1)), space.template(space.driver(2))
    store.put(first)
    store.put(second)
    assert same(store.get("alice"), second)
    assert len(store.list()) == 1
    assert first.embeddings.tobytes() not in everything_on_disk(store)


def test_deleted_templates_leave_no_trace_on_disk(space: DriverSpace, store: TemplateStore) -> None:
    alice, bob = space.template(space.driver(1)), space.template(space.driver(2), "bob")
    store.put(alice)
    store.put(bob)
    assert alice.embeddings[0].tobytes() in everything_on_disk(store)
    store.delete("alice")
    assert alice.embeddings[0].tobytes() not in everything_on_disk(store)
    assert bob.embeddings[0].tobytes() in everything_on_disk(store)
    assert same(store.get("bob"), bob)


def test_templates_expire(space: DriverSpace, tmp_path: Path) -> None:
    store = open_store(tmp_path, retention_days=10)
    made = datetime(2026, 11, 1, 12, tzinfo=UTC)
    for name, age in (("old", 0), ("young", 5)):
        template = space.template(space.driver(age))
        store.put(Template(name, template.embeddings, "a" * 64, made + timedelta(days=age), template.consent))
    assert store.expire(made + timedelta(days=9, hours=23)) == ()
    assert store.expire(made + timedelta(days=10)) == ("old",)
    assert [info.name for info in store.list()] == ["young"]
    assert space.template(space.driver(0)).embeddings[0].tobytes() not in everything_on_disk(store)


@pytest.mark.parametrize(
    ("asked", "hint"),
    [("alic", "did you mean alice"), ("ALICE", "did you mean alice"), ("xyz", "see the list of templates")],
)
def test_unknown_names_get_near_ones(space: DriverSpace, store: TemplateStore, asked: str, hint: str) -> None:
    for name in ("alice", "bob"):
        store.put(space.template(space.driver(1), name))
    for action in (store.get, store.delete):
        with pytest.raises(UnknownNameError, match=hint) as caught:
            action(asked)
        assert "\n" not in str(caught.value)
    assert len(store.list()) == 2


@pytest.mark.parametrize("name", ["", "'; DROP TABLE template; --", "x" * 10_000, "a\x00b", "\ud800"])
def test_hostile_names_are_just_unknown(space: DriverSpace, store: TemplateStore, name: str) -> None:
    store.put(space.template(space.driver(1)))
    with pytest.raises(UnknownNameError) as caught:
        store.get(name)
    assert len(str(caught.value)) < 300
    assert len(store.list()) == 1


def test_only_the_owner_may_read(space: DriverSpace, store: TemplateStore, tmp_path: Path) -> None:
    store.put(space.template(space.driver(1)))
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    store.path.chmod(0o644)
    assert stat.S_IMODE(open_store(tmp_path).path.stat().st_mode) == 0o600


def test_threads_may_share_it(space: DriverSpace, store: TemplateStore) -> None:
    templates = [space.template(space.driver(seed), f"driver-{seed}") for seed in range(8)]
    threads = [threading.Thread(target=store.put, args=(template,)) for template in templates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(store.get(template.name), template) for template in templates)
