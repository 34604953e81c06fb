"""The template store in bad times: one clear line each, and no template lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from guard.config import StoreConfig
from guard.errors import StoreError
from guard.verify import store as store_module
from guard.verify.store import TemplateStore
from guard.verify.store_schema import SCHEMA_VERSION
from guard.verify.template import Template
from tests.conftest import REPOSITORY
from tests.guard.verify.driver_space import DriverSpace


@pytest.fixture
def config(tmp_path: Path) -> StoreConfig:
    return StoreConfig(path=tmp_path / "own" / "templates.sqlite3")


@pytest.fixture
def filled(space: DriverSpace, config: StoreConfig) -> TemplateStore:
    store = TemplateStore(config)
    store.put(space.template(space.driver(1)))
    return store


def large(space: DriverSpace, name: str = "alice") -> Template:
    template = space.template(space.driver(2), name)
    return Template(name, np.tile(template.embeddings, (500, 1)), "a" * 64, template.created, template.consent)


def assert_alice_is_whole(config: StoreConfig, space: DriverSpace) -> None:
    kept = TemplateStore(config).get("alice")
    np.testing.assert_array_equal(kept.embeddings, space.template(space.driver(1)).embeddings)


def one_line(caught: pytest.ExceptionInfo[StoreError], config: StoreConfig) -> str:
    text = str(caught.value)
    assert "\n" not in text
    assert str(config.path) in text
    return text


def test_full_disk_keeps_the_old_template(
    space: DriverSpace, config: StoreConfig, filled: TemplateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = TemplateStore._connect

    def on_a_small_disk(store: TemplateStore) -> sqlite3.Connection:
        connection = connect(store)
        connection.execute("PRAGMA max_page_count = 8")
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(TemplateStore, "_connect", on_a_small_disk)
        for name in ("alice", "bob"):
            with pytest.raises(StoreError, match="the disk is full, nothing was changed") as caught:
                filled.put(large(space, name))
            one_line(caught, config)
    assert_alice_is_whole(config, space)
    filled.put(large(space))
    assert filled.get("alice").embeddings.shape == (4500, 32)


_PUT_WITH_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
from guard.config import StoreConfig
from guard.errors import StoreError
from guard.verify.store import TemplateStore
from tests.guard.verify.driver_space import driver_space
from tests.guard.verify.test_store_trouble import large
space = driver_space()
store = TemplateStore(StoreConfig(path=Path(sys.argv[1])))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    store.put(large(space))
except StoreError as error:
    print(error)
    print(len(store.get("alice").embeddings))
"""


def test_writes_that_the_system_refuses_keep_the_old_template(
    space: DriverSpace, config: StoreConfig, filled: TemplateStore
) -> None:
    output = in_python(_PUT_WITH_LITTLE_ROOM, str(config.path))
    error, windows = output.splitlines()
    assert "nothing was changed" in error
    assert windows == "9"
    assert_alice_is_whole(config, space)


def test_a_killed_writer_loses_nothing(space: DriverSpace, config: StoreConfig, filled: TemplateStore) -> None:
    script = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("DELETE FROM template")
os._exit(0)
"""
    in_python(script, str(config.path))
    assert_alice_is_whole(config, space)


_NOBODY = 65534
_READ_ONLY = """
import os, sys
from pathlib import Path
from guard.config import StoreConfig
from guard.errors import StoreError
from guard.verify.store import TemplateStore
from tests.guard.verify.driver_space import driver_space
template = driver_space().template(driver_space().driver(3), "carol")
if os.getuid() == 0:  # Root may write everything.
    os.setuid(int(sys.argv[2]))
try:
    store = TemplateStore(StoreConfig(path=Path(sys.argv[1])))
    store.put(template)
except StoreError as error:
    print(error)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_read_only_file_and_folder(space: DriverSpace, open_folder: Path) -> None:
    config = StoreConfig(path=open_folder / "own" / "templates.sqlite3")
    TemplateStore(config).put(space.template(space.driver(1)))
    config.path.chmod(0o400)
    config.path.parent.chmod(0o500)
    if os.getuid() == 0:
        os.chown(config.path, _NOBODY, _NOBODY)
        os.chown(config.path.parent, _NOBODY, _NOBODY)
    output = in_python(_READ_ONLY, str(config.path), str(_NOBODY))
    assert "check the permissions" in output
    assert len(output.splitlines()) == 1
    config.path.parent.chmod(0o700)
    assert_alice_is_whole(config, space)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    config = StoreConfig(path=tmp_path / "file" / "templates.sqlite3")
    with pytest.raises(StoreError, match="cannot make the template store") as caught:
        TemplateStore(config)
    one_line(caught, config)


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    config = StoreConfig(path=tmp_path)
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        TemplateStore(config)
    one_line(caught, config)


def test_a_file_that_vanished_is_not_taken_for_an_empty_store(
    space: DriverSpace, config: StoreConfig, filled: TemplateStore
) -> None:
    config.path.unlink()
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        filled.list()
    one_line(caught, config)
    assert not config.path.exists()


@pytest.mark.parametrize("content", [b"this is no database at all" * 100, b"\x00" * 8192])
def test_garbage_is_refused_and_left_alone(config: StoreConfig, content: bytes) -> None:
    config.path.parent.mkdir()
    config.path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged and was left as it is") as caught:
        TemplateStore(config)
    one_line(caught, config)
    assert config.path.read_bytes() == content


def test_a_truncated_file_is_refused_and_left_alone(
    space: DriverSpace, config: StoreConfig, filled: TemplateStore
) -> None:
    filled.put(large(space, "bob"))
    content = config.path.read_bytes()[:30_000]
    config.path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged and was left as it is") as caught:
        TemplateStore(config)
    one_line(caught, config)
    assert config.path.read_bytes() == content


def test_a_flipped_bit_in_an_embedding_is_noticed(
    space: DriverSpace, config: StoreConfig, filled: TemplateStore
) -> None:
    blob = space.template(space.driver(1)).embeddings.tobytes()
    content = bytearray(config.path.read_bytes())
    content[content.index(blob[100:132])] ^= 1
    config.path.write_bytes(bytes(content))
    with pytest.raises(StoreError, match=r"the template of alice .* is damaged; enrol alice again") as caught:
        TemplateStore(config).get("alice")
    one_line(caught, config)


@pytest.mark.parametrize("column", ["engine_sha256", "consent_given_by", "created"])
def test_altered_facts_are_noticed(config: StoreConfig, filled: TemplateStore, column: str) -> None:
    connection = sqlite3.connect(config.path)
    with connection:
        connection.execute(f"UPDATE template SET {column} = 'x'")  # noqa: S608 - a name from above
    connection.close()
    with pytest.raises(StoreError, match="is damaged"):
        filled.get("alice")


def test_a_broken_date_breaks_the_list_with_one_line(config: StoreConfig, filled: TemplateStore) -> None:
    connection = sqlite3.connect(config.path)
    with connection:
        connection.execute("UPDATE template SET created = 'yesterday'")
    connection.close()
    with pytest.raises(StoreError, match="damaged") as caught:
        filled.list()
    one_line(caught, config)


def test_locked_by_another_process(
    space: DriverSpace, config: StoreConfig, filled: TemplateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_BUSY_SECONDS", 0.0)
    other = sqlite3.connect(config.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another process is using it; try again") as caught:
        filled.put(space.template(space.driver(2)))
    one_line(caught, config)
    assert caught.value.retryable
    assert filled.get("alice").name == "alice"  # Reading goes on.
    other.execute("ROLLBACK")
    other.close()
    assert_alice_is_whole(config, space)


def test_a_newer_schema_is_refused_and_left_alone(config: StoreConfig, filled: TemplateStore) -> None:
    connection = sqlite3.connect(config.path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match=r"newer version \(schema 3, this one knows 2\); update") as caught:
        TemplateStore(config)
    one_line(caught, config)
    connection = sqlite3.connect(config.path)
    assert connection.execute("SELECT count(*) FROM template").fetchone() == (1,)
    connection.close()


def test_the_database_of_another_program_is_refused(config: StoreConfig) -> None:
    config.path.parent.mkdir()
    connection = sqlite3.connect(config.path)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    with pytest.raises(StoreError, match="database of another program") as caught:
        TemplateStore(config)
    one_line(caught, config)


def in_python(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout
