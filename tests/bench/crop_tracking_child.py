"""What `crop_tracking` runs in an environment with MediaPipe: pictures in, a track out.

python crop_tracking_child.py REPOSITORY LANDMARKER video|image OUT.npz < (header, picture)...
"""

from __future__ import annotations

import struct
import sys
import time
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])

from engines.expressions.face_landmarker import face_finder
from engines.expressions.signals import landmark_signals

HEADER = struct.Struct("<dII")
"""Seconds, height and width of the picture that follows, uint8 RGB."""


def main() -> None:
    landmarker, mode, out = sys.argv[2:]
    points, blendshapes, cpu_seconds = [], [], 0.0
    with face_finder(Path(landmarker), video=mode == "video") as find:
        while head := sys.stdin.buffer.read(HEADER.size):
            seconds, height, width = HEADER.unpack(head)
            rows = np.frombuffer(sys.stdin.buffer.read(height * width * 3), np.uint8)
            picture = rows.reshape(height, width, 3)
            before = time.process_time()
            face = find(picture, round(1000 * (seconds + 1)))
            cpu_seconds += time.process_time() - before
            points.append(np.full((478, 2), np.nan) if face is None else face.points)
            blendshapes.append(np.full(52, np.nan) if face is None else face.blendshapes)
    signals = landmark_signals(np.array(points))
    np.savez(out, signals=signals, blendshapes=np.array(blendshapes), cpu_ms=1000 * cpu_seconds / len(points))


if __name__ == "__main__":
    main()
