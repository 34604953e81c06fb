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
from guard.pipeline import SeatKey
from tests.conftest import REPOSITORY
from tests.guard.expressions.conftest import face

DRAWN = Path(guard.expressions.__file__).with_name("drawn_face.png")

KILLED_BY_A_SOCKET = """
import ctypes, os, platform, sys
sys.path.insert(0, sys.argv[3])
from guard.isolation import seccomp
libc = ctypes.CDLL(None, use_errno=True)
seccomp.refuse_new_privileges(libc)
kill = (seccomp._RETURN, 0, 0, seccomp._KILL)
number = seccomp._NUMBERS[platform.machine()]["socket"]
inet, inet6 = ((seccomp._EQUAL, 0, 1, family) for family in (seccomp._AF_INET, seccomp._AF_INET6))
domain = seccomp._load(seccomp._argument(0))
rule = [(seccomp._EQUAL, 0, 5, number), domain, inet, kill, inet6, kill]
seccomp.install_program(libc, [seccomp._load(seccomp._NR), *rule, seccomp._PASS])
if sys.argv[4] == "try":
    import socket
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
from dataclasses import replace
from pathlib import Path
import cv2
from engines.expressions.face_landmarker import face_finder
drawn = cv2.imread(sys.argv[2])
with face_finder(Path(sys.argv[1]), video=True) as find:
    print(sum(find(drawn, 40 * number + 1) is not None for number in range(100)))
"""
"""A tracker with files, processes and all, which the first socket for the internet ends."""


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


def test_the_tracker_has_bounds_and_the_lowest_priority(real_tracker: ExpressionsConfig) -> None:
    link = TrackerLink(real_tracker, 2)
    try:
        link.wait_ready()
        limits = Path(f"/proc/{link.pid}/limits").read_text("ascii")
        [address_space] = [line for line in limits.splitlines() if line.startswith("Max address space")]
        assert "unlimited" not in address_space
        assert os.getpriority(os.PRIO_PROCESS, link.pid) == 19
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
@pytest.mark.parametrize("tries", [False, True])
def test_the_library_asks_for_no_socket_even_where_it_could(real_tracker: ExpressionsConfig, tries: bool) -> None:
    python, model = str(real_tracker.python or sys.executable), str(real_tracker.landmarker)
    arguments = [python, "-c", KILLED_BY_A_SOCKET, model, str(DRAWN), str(REPOSITORY), "try" if tries else "track"]
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    if tries:
        assert ended.returncode == -signal.SIGSYS
    else:
        assert (ended.returncode, ended.stdout) == (0, "100\n")
