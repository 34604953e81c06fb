"""Finding a TensorRT, and where the packages part."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from engines.errors import BackendUnavailableError
from engines.tensorrt.package import find_tensorrt, import_tensorrt, one_line


def _install(monkeypatch: pytest.MonkeyPatch, name: str, version: str | None) -> None:
    """Put a package of this version in place of any that is installed; None hides it."""
    module = ModuleType(name)
    module.__dict__["__version__"] = version
    monkeypatch.setitem(sys.modules, name, module if version is not None else None)


def test_the_full_package_comes_before_the_one_for_rtx(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, "tensorrt", "11.4.0.106")
    _install(monkeypatch, "tensorrt_rtx", "1.7.1.116")
    assert (find_tensorrt().name, find_tensorrt().version) == ("tensorrt", "11.4.0.106")
    _install(monkeypatch, "tensorrt", None)
    assert find_tensorrt().name == "tensorrt_rtx"


@pytest.mark.parametrize("version", ["8.6.0", "10.9.0.34", "11.4.0.106"])
def test_versions_from_8_6_on_are_taken(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    _install(monkeypatch, "tensorrt", version)
    assert import_tensorrt("tensorrt").version == version


def test_too_old_a_version_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, "tensorrt", "8.5.3.1")
    with pytest.raises(BackendUnavailableError, match=r"8\.5\.3\.1 is too old, at least 8\.6"):
        import_tensorrt("tensorrt")


def test_no_package_at_all_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, "tensorrt", None)
    _install(monkeypatch, "tensorrt_rtx", None)
    with pytest.raises(BackendUnavailableError, match=r"tensorrt .*, tensorrt_rtx .* \(pip install"):
        find_tensorrt()


def test_messages_of_several_lines_become_one() -> None:
    assert one_line(" In node 3:\n  INVALID_NODE:\tbad \n") == "In node 3: INVALID_NODE: bad"
