"""Portrait photographs as targets: find the landmarks once, keep canonical crops.

Needs MediaPipe and a landmarker file, in an environment of their own if need be
(`python -m training.generators.portraits FOLDER OUT.npz TASKFILE`); everything else reads the saved targets.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.expressions.face_landmarker import face_finder
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
    stderr. Raises TrackerError without MediaPipe or the landmarker file, DataError when nothing is left.
    """
    images, landmarks, names = [], [], []
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    with face_finder(landmarker, video=False) as find:
        for path in files:
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
            found = None if picture is None else find(np.asarray(picture[..., ::-1], np.uint8), 0)
            if picture is None or found is None:
                continue
            points = found.points[MEDIAPIPE_INDICES]
            if not _usable(points):
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


if __name__ == "__main__":
    prepare_portraits(*(Path(argument) for argument in sys.argv[1:4]))
