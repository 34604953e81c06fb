"""Faces of one seat, as person models take them: a few for a model to learn from, pairs of them to ask it about. Pure.

Media time says how far apart faces are, and the clock of their arrival when they were seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.person_models.faces import ENROLMENT_FRAMES, PAIR_SECONDS, PAIRS_A_PROBE, small_faces
from guard.media.front_end import FaceFrame

STEP_SECONDS = 30.0
"""From one probe to the next. Our own choice: verdicts come a little later while a probe is judged, and at 10 s that
was often enough for p99 to show it (`guard/expressions/README.md`)."""
LONGEST_GAP_SECONDS = 0.5
"""Over a longer one faces do not belong together."""
SHORTEST_STRETCH = 12
"""Faces; with fewer there is hardly a pair to learn from."""
_LEARNT_HZ = 25.0
_TOLERANCE_SECONDS = 0.004
"""Time stamps are rounded."""

Face = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """faces: uint8 (2 n, 64, 64), the first ones of all n pairs, then the second ones. since_seconds, until_seconds:
    when the first and the last of them came."""

    faces: Face
    since_seconds: float
    until_seconds: float


class ProbeCollector:
    """Pairs of faces a third of a second apart, evenly over each step."""

    def __init__(self) -> None:
        self._spacing = STEP_SECONDS / PAIRS_A_PROBE
        self._newest: float | None = None
        self._due: float | None = None
        self._first: tuple[float, float, Face] | None = None
        self._pairs: list[tuple[float, Face, Face]] = []

    @property
    def pairs(self) -> int:
        """So many of the next probe are there."""
        return len(self._pairs)

    def clear(self) -> None:
        """Forget everything: the next probe begins with the next face."""
        self._newest = self._due = self._first = None
        self._pairs.clear()

    def add(self, face: FaceFrame) -> Probe | None:
        """Take the next face; a probe where that was the last face of one."""
        now = face.pts_seconds
        if self._newest is not None and not 0 < now - self._newest <= LONGEST_GAP_SECONDS:
            self.clear()
        self._newest = now
        if not face.continues:
            self._first = None
        if self._first is None:
            if self._due is None or now >= self._due - _TOLERANCE_SECONDS:
                self._first = now, face.arrival_seconds, _small(face)
            return None
        began, arrival, first = self._first
        if now - began < PAIR_SECONDS - _TOLERANCE_SECONDS:
            return None
        self._pairs.append((arrival, first, _small(face)))
        self._first, self._due = None, began + self._spacing
        if len(self._pairs) < PAIRS_A_PROBE:
            return None
        pairs, self._pairs = self._pairs, []
        faces = np.stack([first for _, first, _ in pairs] + [second for _, _, second in pairs])
        return Probe(faces, pairs[0][0], face.arrival_seconds)


class FaceEnrolment:
    """Faces at 25 a second, in stretches without a break, until there are enough."""

    def __init__(self, most: int = ENROLMENT_FRAMES) -> None:
        self._most = most
        self._stretches: list[list[Face]] = []
        self._newest: float | None = None
        self._due = 0.0
        self._count = 0

    def add(self, face: FaceFrame) -> None:
        """Take the next face, or leave it where there are enough."""
        if self._count >= self._most:
            return
        now, newest, self._newest = face.pts_seconds, self._newest, face.pts_seconds
        goes_on = newest is not None and 0 < now - newest <= LONGEST_GAP_SECONDS and face.continues
        if not goes_on:
            self._stretches.append([])
            self._due = now
        elif now < self._due - _TOLERANCE_SECONDS:
            return
        step = 1 / _LEARNT_HZ
        self._due = max(self._due + step, now)
        self._count += 1
        self._stretches[-1].append(_small(face))

    def stretches(self) -> tuple[Face, ...]:
        """uint8 (n, 64, 64) each, those that are worth learning from."""
        return tuple(np.stack(faces) for faces in self._stretches if len(faces) >= SHORTEST_STRETCH)


def _small(face: FaceFrame) -> Face:
    small: Face = small_faces(face.pixels[None])[0]
    return small
