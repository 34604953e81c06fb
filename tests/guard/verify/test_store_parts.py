"""What witnesses took from an enrolment is kept beside the engine's part, and a store of schema 1 loses nothing."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from guard.config import StoreConfig
from guard.errors import StoreError, TemplateError
from guard.verify.store import TemplateStore
from guard.verify.template import Template, WitnessPart
from tests.guard.verify.driver_space import DriverSpace, unit

VERSION_1 = Path(__file__).with_name("templates_v1.sqlite3")
"""Written by the program of schema 1: alice and bob, drivers 1 and 2 of the made-up space."""


def part(witness: str, seed: int = 0, rows: int = 3, size: int = 6) -> WitnessPart:
    random = np.random.default_rng(seed)
    return WitnessPart(witness, np.stack([unit(random.normal(size=size)) for _ in range(rows)]), f"{seed:x}" * 64)


def with_parts(space: DriverSpace, *parts: WitnessPart, driver: int = 1, name: str = "alice") -> Template:
    plain = space.template(space.driver(driver), name)
    return Template(name, plain.embeddings, plain.engine_sha256, plain.created, plain.consent, parts)


@pytest.fixture
def config(tmp_path: Path) -> StoreConfig:
    return StoreConfig(path=tmp_path / "own" / "templates.sqlite3")


@pytest.fixture
def old(config: StoreConfig) -> StoreConfig:
    config.path.parent.mkdir()
    shutil.copy(VERSION_1, config.path)
    return config


def on_disk(store: TemplateStore) -> bytes:
    return b"".join(path.read_bytes() for path in store.path.parent.iterdir())


def rows(config: StoreConfig, table: str) -> int:
    connection = sqlite3.connect(config.path)
    count = int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
    connection.close()
    return count


def test_parts_come_out_as_they_went_in(space: DriverSpace, config: StoreConfig) -> None:
    store = TemplateStore(config)
    dynamics, codes = part("expression_dynamics", 1), part("facial_codes", 2, rows=5, size=52)
    store.put(with_parts(space, codes, dynamics))
    got = store.get("alice")
    assert [each.witness for each in got.parts] == ["expression_dynamics", "facial_codes"]
    kept = got.part("facial_codes")
    assert kept is not None
    np.testing.assert_array_equal(kept.embeddings, codes.embeddings)
    assert kept.model_sha256 == codes.model_sha256
    assert got.part("person_model") is None
    assert store.list()[0].witnesses == ("expression_dynamics", "facial_codes")


def test_enrolling_again_forgets_the_parts_of_before(space: DriverSpace, config: StoreConfig) -> None:
    store = TemplateStore(config)
    first = part("facial_codes", 1)
    store.put(with_parts(space, first))
    store.put(with_parts(space))
    assert store.get("alice").parts == ()
    assert first.embeddings.tobytes() not in on_disk(store)


def test_erased_and_expired_templates_leave_no_part_on_disk(space: DriverSpace, config: StoreConfig) -> None:
    store = TemplateStore(config)
    parts = {name: part("facial_codes", seed) for seed, name in enumerate(["alice", "bob", "carol"])}
    for seed, (name, own) in enumerate(parts.items()):
        store.put(with_parts(space, own, driver=seed, name=name))
    store.delete("alice")
    store.expire(store.list()[0].expires + timedelta(seconds=1))
    for own in parts.values():
        assert own.embeddings.tobytes() not in on_disk(store)
    assert rows(config, "witness_part") == 0


def test_a_store_of_schema_1_gets_room_for_parts_and_loses_nothing(space: DriverSpace, old: StoreConfig) -> None:
    store = TemplateStore(old)
    for seed, name in enumerate(["alice", "bob"], 1):
        before, kept = space.template(space.driver(seed), name), store.get(name)
        np.testing.assert_array_equal(kept.embeddings, before.embeddings)
        assert (kept.created, kept.consent, kept.engine_sha256) == (before.created, before.consent, "a" * 64)
        assert kept.parts == ()
    assert [info.witnesses for info in store.list()] == [(), ()]
    store.put(with_parts(space, part("facial_codes")))
    assert len(TemplateStore(old).get("alice").parts) == 1
    assert TemplateStore(old).get("bob").parts == ()


def test_a_damaged_store_of_schema_1_is_left_as_it_is(old: StoreConfig) -> None:
    content = bytearray(old.path.read_bytes())
    content[4096 : 2 * 4096] = bytes(4096)
    old.path.write_bytes(content)
    with pytest.raises(StoreError, match="restore it from a backup"):
        TemplateStore(old)
    assert old.path.read_bytes() == content


def test_a_backup_of_schema_1_may_be_put_back(space: DriverSpace, old: StoreConfig) -> None:
    TemplateStore(old).put(with_parts(space, part("facial_codes")))
    for leftover in old.path.parent.iterdir():
        leftover.unlink()
    shutil.copy(VERSION_1, old.path)
    assert TemplateStore(old).get("alice").parts == ()


def test_parts_never_pass_for_those_of_a_template_that_an_older_version_made(
    space: DriverSpace, old: StoreConfig
) -> None:
    """A guard of schema 1 that still runs replaces one template and erases the other; it knows nothing of parts."""
    store = TemplateStore(old)
    for seed, name in enumerate(["alice", "bob"], 1):
        store.put(with_parts(space, part("facial_codes", seed), driver=seed, name=name))
    connection = sqlite3.connect(old.path)
    replaced = connection.execute("SELECT * FROM template WHERE name = 'alice'").fetchone()
    renamed = space.template(space.driver(9))
    other = TemplateStore(StoreConfig(path=old.path.with_name("other.sqlite3")))
    other.put(renamed)
    fresh = sqlite3.connect(other.path)
    row = fresh.execute("SELECT * FROM template").fetchone()
    fresh.close()
    assert row != replaced
    marks = ", ".join("?" * len(row))
    connection.execute(f"INSERT OR REPLACE INTO template VALUES ({marks})", row)  # noqa: S608
    connection.execute("DELETE FROM template WHERE name = 'bob'")
    connection.commit()
    connection.close()
    assert store.get("alice").parts == ()
    assert store.list()[0].witnesses == ()
    assert store.expire(store.list()[0].created) == ()
    assert rows(old, "witness_part") == 0


def test_a_damaged_part_is_left_out_and_told(
    space: DriverSpace, config: StoreConfig, caplog: pytest.LogCaptureFixture
) -> None:
    store = TemplateStore(config)
    stored = with_parts(space, part("expression_dynamics"), part("facial_codes"))
    store.put(stored)
    connection = sqlite3.connect(config.path)
    connection.execute("UPDATE witness_part SET model_sha256 = 'b' WHERE witness = 'facial_codes'")
    connection.commit()
    connection.close()
    found = store.get("alice")
    np.testing.assert_array_equal(found.embeddings, stored.embeddings)
    assert [each.witness for each in found.parts] == ["expression_dynamics"]
    assert "the part of facial_codes in the template of alice is damaged and left out" in caplog.text


def test_two_parts_of_one_witness_are_refused(space: DriverSpace) -> None:
    with pytest.raises(TemplateError, match="two parts of one witness"):
        with_parts(space, part("facial_codes", 1), part("facial_codes", 2))
    with pytest.raises(TemplateError, match="part facial_codes of a template"):
        WitnessPart("facial_codes", np.zeros((2, 0), np.float32), "a")


def test_a_part_that_comes_later_is_kept_with_its_own_template_alone(space: DriverSpace, config: StoreConfig) -> None:
    store = TemplateStore(config)
    template, late = with_parts(space, part("facial_codes", 2)), part("person_model", 3, rows=1, size=12)
    assert not store.put_part(template, late), "nobody of this name"
    store.put(template)
    assert store.put_part(template, late)
    assert [each.witness for each in store.get("alice").parts] == ["facial_codes", "person_model"]
    newer = part("person_model", 4, rows=1, size=12)
    assert store.put_part(template, newer)
    kept = store.get("alice").part("person_model")
    assert kept is not None
    assert np.array_equal(kept.embeddings, newer.embeddings)
    store.put(with_parts(space, driver=2))
    assert not store.put_part(template, late), "enrolled anew meanwhile"
    assert store.get("alice").parts == ()
    store.delete("alice")
    assert not store.put_part(template, late)
    assert rows(config, "witness_part") == 0
