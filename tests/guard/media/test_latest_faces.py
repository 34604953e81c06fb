"""The queue of face frames: what is dropped is told by the next face."""

from __future__ import annotations

import numpy as np

from guard.media.front_end import FaceFrame, NoFrame
from guard.media.latest_faces import LatestFaces


def face(number: int) -> FaceFrame:
    return FaceFrame(np.zeros((128, 128), np.uint8), True, number / 30, float(number), None, 1, 30.0, 0.0)


def thinned(number: int) -> NoFrame:
    return NoFrame(None, number / 30, float(number), 60.0)


def test_the_first_face_after_a_drop_does_not_continue() -> None:
    faces = LatestFaces(capacity=2)
    for frame in (face(1), face(2), thinned(3), face(4)):
        faces.push(frame)
    assert (faces.received, faces.dropped) == (4, 2)
    assert faces.pop() == thinned(3)
    after = faces.pop()
    assert isinstance(after, FaceFrame)
    assert (after.pts_seconds, after.continues) == (4 / 30, False)
    faces.push(face(5))
    then = faces.pop()
    assert isinstance(then, FaceFrame)
    assert then.continues


def test_what_was_lost_before_is_counted_and_told_by_who_pushes() -> None:
    faces = LatestFaces()
    faces.push(face(1))
    faces.missed(3)
    assert (faces.received, faces.dropped) == (4, 3)
    frame = faces.pop()
    assert isinstance(frame, FaceFrame)
    assert frame.continues
