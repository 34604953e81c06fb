"""What the tracker's process runs: faces in, expressions out, until its socket closes.

The interpreter may be another than the guard's, in an environment with numpy and MediaPipe alone, so nothing is
imported here but the standard library and what needs no more than these two. The process holds nothing of worth, and
before it sees the first picture it gives up the network, files, other processes and its user: MediaPipe is a large
library that gets a stranger's pictures, and it sends usage data where it can.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import socket
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from engines.giving_way import give_way
from guard.expressions.messages import (
    MAX_SIGNAL,
    ORDER_BYTES,
    SIDE_PX,
    Order,
    OrderKind,
    Reply,
    ReplyKind,
    read_order,
    write_reply,
)
from guard.isolation import own_limits, seccomp

if TYPE_CHECKING:
    from engines.expressions.face_landmarker import FindFace

MakeFinder = Callable[[], AbstractContextManager["FindFace"]]

_FILES = 64
_LONGEST_STEP_MS = 1000


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """channel: file descriptor of the socket to the guard. parent: its process id. memory_bytes: of address space."""

    channel: int
    parent: int
    memory_bytes: int
    landmarker: Path

    def arguments(self) -> list[str]:
        """For the command line."""
        return [str(self.channel), str(self.parent), str(self.memory_bytes), str(self.landmarker)]

    @classmethod
    def from_arguments(cls, arguments: list[str]) -> TrackerSettings:
        """What `arguments` made."""
        channel, parent, memory_bytes, landmarker = arguments
        return cls(int(channel), int(parent), int(memory_bytes), Path(landmarker))


class Tracks:
    """A finder for every participant, since it follows a face from frame to frame."""

    def __init__(self, make_finder: MakeFinder) -> None:
        self._make_finder = make_finder
        self._finders: dict[int, tuple[FindFace, ExitStack]] = {}
        self._times: dict[int, tuple[int, float]] = {}
        """Milliseconds told to the finder, and the media time that they stand for."""

    def rehearse(self) -> None:
        """Find a drawn face: what libraries load when they are used first, they have then, and that it works is known.

        Raises EngineError where there is no tracker, RuntimeError for one that finds nothing.
        """
        self._finder(0)  # tells what is missing before anything else does
        import cv2

        drawn = cv2.imread(str(Path(__file__).with_name("drawn_face.png")), cv2.IMREAD_GRAYSCALE)
        if drawn is None:
            raise RuntimeError("the picture of a drawn face is missing; install the guard anew")
        for number in range(2):  # found, then followed
            reply = self.sample(Order(OrderKind.TRACK, number, 0, number / 10, drawn.tobytes()))
        if not reply.found:
            raise RuntimeError("the tracker does not find a drawn face; install mediapipe anew")
        self.forget(0)

    def sample(self, order: Order) -> Reply:
        """What the frame of this order shows."""
        import numpy as np

        from engines.expressions.crops import enlarged
        from engines.expressions.signals import landmark_signals

        luma = np.frombuffer(order.pixels, np.uint8).reshape(SIDE_PX, SIDE_PX)
        find = self._finder(order.track)
        face = find(enlarged(luma), self._milliseconds(order))
        if face is None:
            return Reply(ReplyKind.SAMPLE, order.number)
        signals = landmark_signals(face.points[None])[0]
        if not (np.isfinite(face.blendshapes).all() and (np.abs(signals) <= MAX_SIGNAL).all()):
            return Reply(ReplyKind.SAMPLE, order.number)
        blendshapes = np.clip(face.blendshapes, 0, 1)
        return Reply(ReplyKind.SAMPLE, order.number, True, 0.0, tuple(blendshapes.tolist()), tuple(signals.tolist()))

    def forget(self, track: int) -> None:
        """The participant has left."""
        self._times.pop(track, None)
        _, held = self._finders.pop(track, (None, ExitStack()))
        held.close()

    def _finder(self, track: int) -> FindFace:
        if track not in self._finders:
            held = ExitStack()
            self._finders[track] = held.enter_context(self._make_finder()), held
        return self._finders[track][0]

    def _milliseconds(self, order: Order) -> int:
        """Time for the finder, which must grow whatever the sender's clock does."""
        last, seconds = self._times.get(order.track, (0, order.seconds))
        step = min(max(round(1000 * (order.seconds - seconds)), 1), _LONGEST_STEP_MS)
        self._times[order.track] = last + step, order.seconds
        return last + step


def serve(channel: socket.socket, make_finder: MakeFinder, settings: TrackerSettings) -> None:
    """Track until the channel closes. A tracker that cannot run says why, and is done."""
    gives_way = _measure("idle priority", give_way)
    try:
        tracks = Tracks(make_finder)
        tracks.rehearse()
    except Exception as error:  # noqa: BLE001 - whatever keeps it from running is what the user must know
        _say(channel, Reply(ReplyKind.REFUSED, text=f"{error}" or type(error).__name__))
        return
    holding = ", ".join([gives_way, *confine(settings)])
    _say(channel, Reply(ReplyKind.READY, text=f"{_library()}; {holding}"))
    with channel.makefile("rb") as orders:
        while len(record := orders.read(ORDER_BYTES)) == ORDER_BYTES:
            order = read_order(record)
            if order.kind is OrderKind.FORGET:
                tracks.forget(order.track)
                continue
            before = time.process_time()
            reply = tracks.sample(order)
            _say(channel, replace(reply, cpu_seconds=time.process_time() - before))


def _say(channel: socket.socket, reply: Reply) -> None:
    channel.sendall(write_reply(reply))


def _library() -> str:
    version = getattr(sys.modules.get("mediapipe"), "__version__", None)
    return f"MediaPipe {version} on Python {platform.python_version()}" if version else "no MediaPipe"


def confine(settings: TrackerSettings) -> list[str]:
    """Give up for good what tracking does not need. Returns what holds; what does not is told with its reason."""
    libc = ctypes.CDLL(None, use_errno=True)
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("memory limit", partial(own_limits.limit, resource.RLIMIT_AS, settings.memory_bytes, "bytes")),
        ("file limit", partial(own_limits.limit, resource.RLIMIT_NOFILE, _FILES, "open files")),
        ("no core dumps", partial(own_limits.limit, resource.RLIMIT_CORE, 0, "bytes")),
        ("unprivileged user", own_limits.drop_user),
        ("ends with the guard", partial(own_limits.die_with, libc, settings.parent)),
        ("no new privileges", partial(own_limits.refuse_new_privileges, libc)),
        ("no network, no files, no processes", partial(seccomp.install, libc, tcp=False, reading=False, udp=False)),
    )
    return [_measure(name, step) for name, step in steps]


def _measure(name: str, step: Callable[[], object]) -> str:
    try:
        step()
    except (OSError, ValueError, AttributeError) as error:  # this system refuses it, or knows no such thing
        return f"NOT {name} ({error})"
    return name


def main(arguments: list[str]) -> None:
    """Entry point; arguments as `TrackerSettings` makes them."""
    settings = TrackerSettings.from_arguments(arguments)
    channel = socket.socket(fileno=settings.channel)
    try:
        from engines.expressions.face_landmarker import face_finder, read_landmarker
    except ImportError as error:
        _say(channel, Reply(ReplyKind.REFUSED, text=f"tracking needs numpy ({error}); install it beside MediaPipe"))
        return
    model = cache(partial(read_landmarker, settings.landmarker))  # read once: later no file can be opened
    with suppress(ConnectionError, KeyboardInterrupt):
        serve(channel, lambda: face_finder(model(), video=True), settings)
