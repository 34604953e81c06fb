"""MediaPipe itself, where there is one: it tracks while it is confined, and calls nobody, confined or not."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import guard.expressions
from engines.expressions.signals import SIGNAL_NAMES
from guard.config import ExpressionsConfig
from guard.expressions.every_frame import EveryFrame
from guard.expressions.tracker_link import TrackerLink
from guard.expressions.waiting_frames import WaitingFrame
from guard.isolation.seccomp import _NUMBERS
from guard.seat_key import SeatKey
from tests.conftest import REPOSITORY
from tests.guard.expressions.conftest import face

DRAWN = Path(guard.expressions.__file__).with_name("drawn_face.png")

ON_ITS_OWN = """
import ctypes, platform, sys
sys.path.insert(0, sys.argv[3])
from engines import system_call_filter as filters
from engines.expressions import face_landmarker
if sys.argv[4] == "unguarded":
    libc = ctypes.CDLL(None, use_errno=True)
    filters.refuse_new_privileges(libc)
    end = (filters.RETURN, 0, 0, filters.KILL)
    filters.install(libc, filters.without_internet(platform.machine(), end))
    face_landmarker.give_up_internet = lambda: None
from pathlib import Path
import cv2
drawn = cv2.imread(sys.argv[2])
with face_landmarker.face_finder(Path(sys.argv[1]), video=True) as find:
    print(sum(find(drawn, 40 * number + 1) is not None for number in range(10)), flush=True)
"""
"""A finder outside of the tracker's process. Unguarded, the first socket for the internet is its end."""


def drawn_face() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = cv2.imread(str(DRAWN), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def test_a_drawn_face_is_tracked_by_a_confined_process(real_tracker: ExpressionsConfig) -> None:
    link = TrackerLink(real_tracker, 2)
    try:
        assert "NOT" not in link.wait_ready()
        for track in (1, 2):
            replies = [link.track(WaitingFrame(track, number / 10, drawn_face())) for number in range(10)]
            assert all(reply.found for reply in replies)
            signals = dict(zip(SIGNAL_NAMES, replies[-1].signals, strict=True))
            assert 0.2 < signals["mouth_width"] < 1
            assert signals["right_eye_opening"] > 0.05
            assert max(replies[-1].blendshapes) > 0.01
        assert not link.track(WaitingFrame(2, 1.0, np.zeros((128, 128), np.uint8))).found
        link.forget(1)
        assert link.track(WaitingFrame(3, 0.0, drawn_face())).found
    finally:
        link.close()


def test_the_tracker_has_bounds_and_idle_priority(real_tracker: ExpressionsConfig) -> None:
    link = TrackerLink(real_tracker, 2)
    try:
        link.wait_ready()
        limits = Path(f"/proc/{link.pid}/limits").read_text("ascii")
        [address_space] = [line for line in limits.splitlines() if line.startswith("Max address space")]
        assert "unlimited" not in address_space
        link.track(WaitingFrame(1, 0.0, drawn_face()))
        tasks = [int(task.name) for task in Path(f"/proc/{link.pid}/task").iterdir()]
        assert {os.sched_getscheduler(task) for task in tasks} == {os.SCHED_IDLE}
    finally:
        link.close()


def test_a_file_is_tracked_as_a_call_is(real_tracker: ExpressionsConfig) -> None:
    frames = EveryFrame(real_tracker)
    try:
        for number in range(50):
            frames.offer(SeatKey("file", "file"), replace(face(0, number / 25), pixels=drawn_face()))
        samples = frames.take()
        assert len(samples) == 25
        assert all(sample.found for sample in samples)
    finally:
        frames.close()


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() not in _NUMBERS, reason="needs seccomp")
@pytest.mark.parametrize("how", ["guarded", "unguarded"])
def test_the_library_calls_home_when_it_is_closed_unless_it_is_kept_from_it(
    real_tracker: ExpressionsConfig, how: str
) -> None:
    """Should the unguarded one end well some day, this version may do without the guard."""
    python, model = str(real_tracker.python or sys.executable), str(real_tracker.landmarker)
    arguments = [python, "-c", ON_ITS_OWN, model, str(DRAWN), str(REPOSITORY), how]
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert ended.stdout == "10\n"
    assert ended.returncode == (0 if how == "guarded" else -signal.SIGSYS)
