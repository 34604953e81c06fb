"""A real process under a stand-in for MediaPipe: what it answers, how it ends, and that it cannot call anybody."""

from __future__ import annotations

import os
import platform
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from guard.config import ExpressionsConfig
from guard.errors import ExpressionError
from guard.expressions import tracker_link
from guard.expressions.tracker_link import TrackerLink
from guard.expressions.waiting_frames import WaitingFrame
from guard.isolation.seccomp import _NUMBERS
from tests.guard.expressions.conftest import StandIn
from tests.guard.expressions.stand_in_tracker import brightness_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and limits of Linux")


@contextmanager
def link_to(config: ExpressionsConfig) -> Iterator[TrackerLink]:
    link = TrackerLink(config, 4)
    try:
        yield link
    finally:
        link.close()


def picture(brightness: int, seconds: float = 0.0, track: int = 1) -> WaitingFrame:
    return WaitingFrame(track, seconds, np.full((128, 128), brightness, np.uint8))


def test_faces_come_back_and_frames_without_one_say_so(stand_in: StandIn) -> None:
    with link_to(stand_in()) as link:
        assert "no network" in link.wait_ready()
        for number, brightness in enumerate((100, 0, 200)):
            reply = link.track(picture(brightness, number / 10))
            assert reply.found == (brightness > 0)
            assert brightness_of(np.array(reply.blendshapes)) == brightness
            assert any(reply.signals) == reply.found
        link.forget(1)
        assert link.track(picture(50, 0.0, track=2)).found


def test_a_tracker_holds_nothing_of_the_guards_environment(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_SERVER__TOKEN", "s3cret")
    with link_to(stand_in()) as link:
        link.wait_ready()
        assert b"s3cret" not in Path(f"/proc/{link.pid}/environ").read_bytes()


def test_a_tracker_gives_way_to_the_guard_in_its_session(stand_in: StandIn) -> None:
    with link_to(stand_in()) as link:
        link.wait_ready()
        link.track(picture(100))
        tasks = [int(task.name) for task in Path(f"/proc/{link.pid}/task").iterdir()]
        assert {os.sched_getscheduler(task) for task in tasks} == {os.SCHED_IDLE}
        assert os.getsid(link.pid) == os.getsid(0), "with one of its own it would share the processor with the guard"
        assert os.getpgid(link.pid) != os.getpgid(0), "Ctrl-C would end it"


@pytest.mark.skipif(platform.machine() not in _NUMBERS, reason="no system call table for this machine")
def test_a_library_that_calls_home_cannot(stand_in: StandIn) -> None:
    with link_to(stand_in("calls_home")) as link:
        assert link.wait_ready().endswith("no network, no files, no processes")
        for number in range(30):
            assert link.track(picture(100, number / 10)).found, "it would have ended, had it got a socket or a file"


def test_a_tracker_that_cannot_run_says_why_for_good(stand_in: StandIn) -> None:
    with (
        link_to(stand_in("refuses")) as link,
        pytest.raises(ExpressionError, match="newer than what was") as refused,
    ):
        link.wait_ready()
    assert not refused.value.retryable


def test_a_tracker_that_finds_nothing_is_no_tracker(stand_in: StandIn) -> None:
    with link_to(stand_in("blind")) as link, pytest.raises(ExpressionError, match="does not find a drawn face"):
        link.wait_ready()


def test_an_interpreter_without_mediapipe_is_told() -> None:
    """The guard's own, where no extra was installed; with one, another model file is the reason."""
    config = ExpressionsConfig(enabled=True, landmarker=Path(__file__))
    with link_to(config) as link, pytest.raises(ExpressionError, match=r"is another model|needs MediaPipe") as refused:
        link.wait_ready()
    assert not refused.value.retryable


def test_a_missing_model_file_is_told(tmp_path: Path) -> None:
    config = ExpressionsConfig(enabled=True, landmarker=tmp_path / "none.task")
    with link_to(config) as link, pytest.raises(ExpressionError, match="no face landmarker file at"):
        link.wait_ready()


def test_a_python_that_is_none_is_told(tmp_path: Path) -> None:
    config = ExpressionsConfig(enabled=True, landmarker=Path("/m"), python=tmp_path / "no python")
    with pytest.raises(ExpressionError, match=r"cannot start .*no python: No such file") as refused:
        TrackerLink(config, 1)
    assert not refused.value.retryable


def test_a_python_is_found_as_a_shell_finds_it(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = stand_in()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for named in ("./python", "python"):
        with link_to(config.model_copy(update={"python": Path(named)})) as link:
            assert link.wait_ready()


def test_an_early_end_is_told_with_what_it_wrote_last(stand_in: StandIn) -> None:
    wanted = r"ended with status 1 \(SyntaxError: too old a Python\)"
    with link_to(stand_in("dies")) as link, pytest.raises(ExpressionError, match=wanted) as ended:
        link.wait_ready()
    assert ended.value.retryable


@pytest.mark.parametrize(("number", "why"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV")])
def test_a_killed_tracker_is_told(stand_in: StandIn, number: signal.Signals, why: str) -> None:
    with link_to(stand_in()) as link:
        link.wait_ready()
        os.kill(link.pid, number)
        with pytest.raises(ExpressionError, match=f"ended with {why}"):
            link.track(picture(100))


def test_a_tracker_that_dies_of_a_frame_is_told(stand_in: StandIn) -> None:
    with link_to(stand_in()) as link:
        link.wait_ready()
        with pytest.raises(ExpressionError, match="ended with status 3"):
            link.track(picture(255))


def test_a_stopped_tracker_is_not_waited_for_without_end(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker_link, "SILENT_SECONDS", 0.3)
    with link_to(stand_in()) as link:
        link.wait_ready()
        os.kill(link.pid, signal.SIGSTOP)
        with pytest.raises(ExpressionError, match="did not answer in time"):
            link.track(picture(100))


def test_nonsense_is_not_taken_for_a_face(stand_in: StandIn) -> None:
    with link_to(stand_in("nonsense")) as link:
        link.wait_ready()
        with pytest.raises(ExpressionError, match="broke its protocol"):
            link.track(picture(100))


def test_nothing_is_left_behind(stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = len(list(Path("/proc/self/fd").iterdir()))
    with link_to(stand_in()) as link:
        link.wait_ready()
        assert list(tmp_path.glob("guard-sidecar-*"))
    assert not list(tmp_path.glob("guard-sidecar-*"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not Path(f"/proc/{link.pid}").exists()
