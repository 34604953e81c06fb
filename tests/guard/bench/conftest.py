"""Runs a benchmark's command line as a user would."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from guard import cli

BenchCommand = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bench_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> BenchCommand:
    """Runs `guard bench` with the given words; gives exit status, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["guard", "bench", *words])
        with pytest.raises(SystemExit) as exit_info:
            cli.main()
        captured = capsys.readouterr()
        return int(exit_info.value.code or 0), captured.out, captured.err

    return run


def refused_in_one_line(run: BenchCommand, *words: str) -> str:
    """The one line that a command says about bad input."""
    if "--plot" in words:
        pytest.importorskip("matplotlib")
    code, out, err = run(*words)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err
